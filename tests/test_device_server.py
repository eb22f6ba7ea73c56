from __future__ import absolute_import, division, print_function

import doctest
import gc
import logging
import threading
import unittest
import weakref

import tornado.gen
import tornado.testing

import katcp
import katcp.server
import katcp.server.device
from katcp import compat
from katcp.handlers import DeviceServerMetaclass
from katcp.kattypes import Float, request, return_reply
from katcp.message import Message
from katcp.protocol import ProtocolFlags
from katcp.sensor import Sensor
from katcp.server import AsyncDeviceServer, ClientConnection, DeviceServer
from tests.support import mock
from tests.support.devices import Device4, Device5, Device51, ServerTests, in_all_modes
from tests.support.logs import LogRecorder
from tests.support.raw_client import RawClient
from tests.support.sampling import in_thread

FLAGS = {
    # class of the device -> flags that ?version-list and the greeting show
    Device5: b"5.0-IM",
    Device51: b"5.1-BIMT",
}


class TestConstruction(unittest.TestCase):
    def test_class_attributes(self):
        self.assertEqual(DeviceServer.VERSION_INFO, ("device_stub", 0, 1))
        self.assertEqual(DeviceServer.BUILD_INFO, ("name", 0, 1, ""))
        self.assertEqual(DeviceServer.SUPPORTED_PROTOCOL_MAJOR_VERSIONS, (4, 5))
        self.assertEqual(DeviceServer.UNSUPPORTED_REQUESTS_BY_MAJOR_VERSION, {4: set(["version-list"])})

    def test_setup_sensors_has_to_be_written(self):
        with self.assertRaises(NotImplementedError) as caught:
            DeviceServer("", 0)
        self.assertEqual(str(caught.exception), "Device server subclasses must implement setup_sensors.")

    def test_setup_sensors_finds_everything_in_place(self):
        class Device(DeviceServer):
            def __init__(self, *args, **kwargs):
                self.count = 3
                super(Device, self).__init__(*args, **kwargs)

            def setup_sensors(self):
                for number in range(self.count):
                    self.add_sensor(Sensor.integer("n%d" % number))
                self.log.error("all sensors are there")
                self.extra_versions["x"] = ("x-1", None)

        self.assertEqual(sorted(Device("", 0)._sensors), ["n0", "n1", "n2"])

    def test_version_of_the_protocol(self):
        def device(major):
            class Device(Device5):
                PROTOCOL_INFO = ProtocolFlags(major, 0, [])
            return Device

        for major in 3, 6:
            with self.assertRaises(ValueError) as caught:
                device(major)("", 0)
            self.assertEqual(str(caught.exception),
                             "Device server only supports katcp procotol versions (4, 5), not %d as "
                             "specified in self.PROTOCOL_INFO" % major)
        changed = device(5)
        changed.PROTOCOL_INFO.major = 6
        self.assertRaises(ValueError, changed, "", 0)
        device(4)("", 0)

    def test_versions(self):
        server = Device5("", 0)
        self.assertEqual((server.version(), server.build_state()), ("dev-api-5.6", "dev-build-1.2g"))
        server.VERSION_INFO = ("other", 1, 0)
        server.BUILD_INFO = ("build", 0, 9, "")
        self.assertEqual((server.version(), server.build_state()), ("other-1.0", "build-0.9"))

    def test_requests(self):
        self.assertEqual(len(DeviceServer._request_handlers), 11)
        self.assertEqual(len(Device4._request_handlers), 10)
        self.assertEqual(len(Device51._request_handlers), 12)
        self.assertIs(type(DeviceServer), DeviceServerMetaclass)
        for handler in Device51._request_handlers.values():
            self.assertTrue(handler.__doc__)
        self.assertEqual(DeviceServer._inform_handlers, {})
        self.assertEqual(DeviceServer._reply_handlers, {})

    def test_help_is_in_the_class_itself(self):
        self.assertEqual(type(DeviceServer.__dict__["request_help"]), type(lambda: None))

    def test_example(self):
        self.assertEqual(doctest.testmod(katcp.server.device).failed, 0)

    def test_names_of_the_package(self):
        for name in "AsyncDeviceServer", "DeviceServer", "DeviceLogger":
            self.assertTrue(hasattr(katcp.server, name))


class TestSensors(unittest.TestCase):
    def test_names(self):
        server = Device5("", 0, logger=logging.getLogger("katcp.tests.names"))
        with LogRecorder("katcp.tests.names") as log:
            for name in "a", "A.b-c_9", "-", "9":
                server.add_sensor(Sensor.integer(name))
        self.assertEqual(log.messages, [])
        for name in "", "a b", "a/b", "a,b", "a\n", u"\xe9", "a:b":
            sensor = Sensor.integer(name)
            with LogRecorder("katcp.tests.names") as log:
                server.add_sensor(sensor)
            self.assertEqual([(record.levelname, record.msg, record.args) for record in log.records], [
                ("WARNING", "Sensor name %r has other characters than a-z A-Z 0-9 . - _"
                 % (sensor.name,), ())])
            self.assertIs(server.get_sensor(sensor.name), sensor)

    def test_table(self):
        server = Device5("", 0)
        self.assertEqual(sorted(sensor.name for sensor in server.get_sensors()),
                         ["a.disc", "a.float", "a.str", "a.ts", "an.int"])
        sensor = Sensor.integer("new")
        self.assertFalse(server.has_sensor("new"))
        server.add_sensor(sensor)
        self.assertTrue(server.has_sensor("new"))
        self.assertIs(server.get_sensor("new"), sensor)
        self.assertIs(server._sensors["new"], sensor)
        replacement = Sensor.float("new")
        server.add_sensor(replacement)
        self.assertIs(server.get_sensor("new"), replacement)
        server.remove_sensor(sensor)
        self.assertFalse(server.has_sensor("new"))
        server.add_sensor(sensor)
        server.remove_sensor(u"new")
        with self.assertRaises(ValueError) as caught:
            server.get_sensor("new")
        self.assertEqual(str(caught.exception), "Unknown sensor 'new'.")
        with self.assertRaises(KeyError) as caught:
            server.remove_sensor("new")
        self.assertEqual(caught.exception.args, ("new",))


class TestClientConnections(unittest.TestCase):
    """The connect and disconnect hooks of a server that was never started, with stand-ins for clients."""

    def setUp(self):
        self.server = Device5("", 0)
        self.server._server.ioloop_thread_id = compat.get_thread_ident()

    def test_greeting(self):
        client = mock.Mock()
        future = self.server.on_client_connect(client)
        self.assertTrue(future.done())
        self.assertEqual([call[0][0] for call in client.inform.call_args_list], [
            Message.inform("version-connect", "katcp-protocol", "5.0-IM"),
            Message.inform("version-connect", "katcp-library", "katcp-python-" + katcp.__version__,
                           katcp.__version__),
            Message.inform("version-connect", "katcp-device", "dev-api-5.6", "dev-build-1.2g")])
        self.assertEqual(self.server._client_conns, {client})
        self.assertEqual(self.server._strategies, {client: {}})

    def test_greeting_of_version_4(self):
        self.server = Device4("", 0)
        self.server._server.ioloop_thread_id = compat.get_thread_ident()
        client = mock.Mock()
        self.server.on_client_connect(client)
        self.assertEqual([call[0][0] for call in client.inform.call_args_list], [
            Message.inform("version", "dev-api-5.6"), Message.inform("build-state", "dev-build-1.2g")])

    def test_wants_the_thread_of_the_loop(self):
        self.server._server.ioloop_thread_id = None
        self.assertRaises(AssertionError, self.server.on_client_connect, mock.Mock())
        self.assertEqual(self.server._client_conns, set())

    def test_stand_in_with_the_surface_of_a_connection(self):
        client = mock.Mock(spec=ClientConnection(self.server._server, "id"))
        self.server.on_client_connect(client)
        self.assertEqual(client.inform.call_count, 3)

    def test_a_client_that_has_gone_already(self):
        client = mock.Mock(client_disconnect_called=True)
        self.assertTrue(self.server.on_client_connect(client).done())
        self.assertEqual(self.server._client_conns, set())
        self.assertEqual(self.server._strategies, {})
        self.assertEqual(client.inform.call_args_list, [])

    def test_disconnect(self):
        client = mock.Mock()
        self.server.on_client_connect(client)
        client.inform.reset_mock()
        flushed = compat.ThreadsafeFuture()
        client.flush_on_close.return_value = flushed
        future = self.server.on_client_disconnect(client, "Good bye.", True)
        self.assertEqual(client.inform.call_args_list, [mock.call(Message.inform("disconnect", "Good bye."))])
        self.assertEqual(self.server._client_conns, set())
        self.assertEqual(self.server._strategies, {})
        self.assertFalse(future.done())
        flushed.set_result(None)
        self.assertTrue(future.done())

    def test_a_broken_connection_is_told_nothing(self):
        client = mock.Mock()
        self.server.on_client_connect(client)
        client.inform.reset_mock()
        self.assertTrue(self.server.on_client_disconnect(client, "Socket EOF", False).done())
        self.assertEqual(client.inform.call_args_list, [])
        self.assertEqual(client.flush_on_close.call_args_list, [])

    def test_disconnect_of_one_that_never_got_connected(self):
        client = mock.Mock()
        self.assertIsNone(self.server.on_client_disconnect(client, "x", False).result())

    def test_failure_is_in_the_future(self):
        client = mock.Mock()
        client.inform.side_effect = ValueError("no")
        future = self.server.on_client_disconnect(client, "x", True)
        self.assertRaises(ValueError, future.result)


class _Connections(ServerTests):
    def test_greeting(self):
        client = self.connect(greeted=False)
        if self.device_class is Device4:
            expected = [b"#version dev-api-5.6", b"#build-state dev-build-1.2g"]
        else:
            expected = [b"#version-connect katcp-protocol " + FLAGS[self.device_class],
                        ("#version-connect katcp-library katcp-python-%s %s"
                         % ((katcp.__version__,) * 2)).encode(),
                        b"#version-connect katcp-device dev-api-5.6 dev-build-1.2g"]
        self.assertEqual(client.lines(len(expected)), expected)
        self.assertEqual(client.ask(b"?watchdog"), [b"!watchdog ok"])

    def test_restarts_on_the_same_port(self):
        address = self.server.bind_address
        for _ in range(3):
            client = self.connect()
            self.assertEqual(client.ask(b"?watchdog"), [b"!watchdog ok"])
            self.server.stop()
            self.assertEqual(client.rest().rstrip(b"\n"), b"#disconnect Device\\_server\\_shutting\\_down.")
            self.server.join(timeout=10)
            self.assertFalse(self.server.running())
            self.assertEqual(self.server._client_conns, set())
            self.server.start(timeout=10)
            self.assertEqual(self.server.bind_address, address)

    def test_disconnect_by_the_device(self):
        client, other = self.connect(), self.connect()
        other.ask(b"?watchdog")
        conn, = [conn for conn in self.server._client_conns if conn.address.encode() == client.name]
        self.server.ioloop.add_callback(conn.disconnect, "We do not like you.")
        self.assertEqual(client.rest().rstrip(b"\n"), b"#disconnect We\\_do\\_not\\_like\\_you.")
        self.assertEqual(other.ask(b"?client-list"), [b"#client-list " + other.name, b"!client-list ok 1"])

    def test_mass_inform(self):
        clients = [self.connect(), self.connect()]
        for client in clients:
            client.ask(b"?watchdog")
        self.server.mass_inform(Message.inform("interface-changed"))
        for client in clients:
            self.assertEqual(client.line(), b"#interface-changed")

    def check_leaving_while_greeted(self, leave):
        proceed, entered, left = [], threading.Event(), threading.Event()
        on_client_connect = self.server.on_client_connect
        on_client_disconnect = self.server.on_client_disconnect

        @tornado.gen.coroutine
        def slow_greeting(conn):
            future = compat.new_future(self.server.ioloop)
            proceed.append(future)
            entered.set()
            yield future
            yield on_client_connect(conn)

        def note_leaving(*args):
            result = on_client_disconnect(*args)
            left.set()
            return result

        self.server.on_client_connect = slow_greeting
        self.server.on_client_disconnect = note_leaving
        ghost = self.connect(greeted=False)
        self.assertTrue(entered.wait(10))
        leave(ghost)
        self.server.sync_with_ioloop(timeout=10)
        self.server.on_client_connect = on_client_connect
        self.server.ioloop.add_callback(compat.resolve, proceed[0])
        self.assertTrue(left.wait(10))
        self.server.sync_with_ioloop(timeout=10)
        client = self.connect()
        self.assertEqual(client.ask(b"?client-list"), [b"#client-list " + client.name, b"!client-list ok 1"])
        self.assertEqual(len(self.server._strategies), 1)

    def test_a_client_that_leaves_while_it_is_greeted(self):
        self.check_leaving_while_greeted(RawClient.close)

    def test_a_client_that_breaks_off_while_it_is_greeted(self):
        self.check_leaving_while_greeted(RawClient.abort)

    def test_others_are_told_of_clients_if_the_device_wants_it(self):
        self.assertIs(DeviceServer.INFORM_CLIENT_CONNECTED, False)
        first = self.connect()
        second = self.connect()
        self.assertEqual(second.ask(b"?watchdog"), [b"!watchdog ok"])
        self.server.INFORM_CLIENT_CONNECTED = True
        third = self.connect()
        self.assertEqual([client.line() for client in (first, second)],
                         [b"#client-connected " + third.name] * 2)
        for client in (first, second, third):
            self.assertEqual(client.ask(b"?watchdog"), [b"!watchdog ok"])

    def test_a_hook_that_fails(self):
        on_client_connect = self.server.on_client_connect
        self.server.on_client_connect = mock.Mock(side_effect=ValueError("not today"))
        refused = self.connect(greeted=False)
        log_inform, goodbye = refused.rest().splitlines()
        start = b"#disconnect Device\\_error\\_initialising\\_connection."
        self.assertTrue(goodbye.startswith(start), goodbye)
        self.assertEqual(log_inform.split(b" ")[:2], [b"#log", b"error"])
        self.assertEqual(len(log_inform.split(b" ")), 5)
        self.server.on_client_connect = on_client_connect
        client = self.connect()
        self.assertEqual(client.ask(b"?client-list"), [b"#client-list " + client.name, b"!client-list ok 1"])


class _Connections4(_Connections):
    device_class = Device4


class _Connections51(_Connections):
    device_class = Device51


class Adder(Device5):
    @request(Float(), Float())
    @return_reply(Float())
    def request_add(self, req, x, y):
        """Add two numbers."""
        self.get_sensor("a.float").set(1.0, Sensor.NOMINAL, x + y)
        return ("ok", x + y)

    def request_shutdown(self, req, msg):
        """Stop the server without more ado."""
        self.stop()
        return req.make_reply("ok")


class _Handlers(ServerTests):
    device_class = Adder

    def test_sensor_set_in_a_handler(self):
        client = self.connect()
        client.ask(b"?sensor-sampling a.float event")
        self.assertEqual(client.ask(b"?add[1] 1.5 2"),
                         [b"#sensor-status 1.000000 1 a.float nominal 3.5", b"!add[1] ok 3.5"])

    def test_sensor_removed_and_added_in_a_handler(self):
        def request_swap(server, req, msg):
            """Swap."""
            sensor = server.get_sensor("an.int")
            server.remove_sensor(sensor)
            server.add_sensor(sensor)
            return req.make_reply("ok", len(server._sensors))

        self.server._request_handlers = dict(self.server._request_handlers, swap=request_swap)
        client = self.connect()
        client.ask(b"?sensor-sampling an.int event")
        self.assertEqual(client.ask(b"?swap"), [b"!swap ok 5"])
        self.assertEqual(client.ask(b"?sensor-sampling an.int"), [b"!sensor-sampling ok an.int none"])

    def test_stop_in_a_handler(self):
        client = self.connect()
        client.send(b"?shutdown\n")
        self.assertIn(b"#disconnect Device\\_server\\_shutting\\_down.", client.rest().splitlines())
        self.server.join(timeout=10)
        self.assertFalse(self.server.running())

    def test_a_stopped_server_can_be_collected(self):
        client = self.connect()
        client.ask(b"?sensor-sampling a.float event")
        self.stop_server()
        server = weakref.ref(self.server)
        self.doCleanups()
        self.server = None
        gc.collect()
        self.assertIsNone(server())


for _base in _Connections, _Connections4, _Connections51, _Handlers:
    in_all_modes(globals(), _base)


class AsyncDevice(AsyncDeviceServer):
    VERSION_INFO = ("async", 1, 0)

    def setup_sensors(self):
        self.add_sensor(Sensor.integer("an.int"))


class TestAsyncDeviceServer(tornado.testing.AsyncTestCase):
    def make(self):
        return AsyncDevice("127.0.0.1", 0)

    def dialogue(self, server, data, half_close=True):
        """Return a future of all that a client gets from the server until its end."""
        future = compat.ThreadsafeFuture()
        client = RawClient(server.bind_address)
        self.addCleanup(client.close)

        def run():
            try:
                client.send(data)
                if half_close:
                    client.shut_down_sending()
                future.set_result(client.rest())
            except Exception as exc:
                future.set_exception(exc)

        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)
        return future

    @tornado.testing.gen_test
    def test_runs_on_the_current_loop(self):
        server = self.make()
        self.assertIsNone(server.ioloop)
        self.assertEqual(dict(server._concurrency_options), {"thread_safe": False, "handler_thread": False})
        self.io_loop.add_callback(server.start)
        yield tornado.gen.moment
        yield tornado.gen.moment
        self.assertIs(server.ioloop, self.io_loop)
        answers = yield self.dialogue(
            server, b"?watchdog\n?sensor-sampling an.int event\n?sensor-sampling-clear\n")
        answers = answers.splitlines()
        self.assertEqual(answers[3], b"!watchdog ok")
        self.assertEqual(answers[5:], [b"!sensor-sampling ok an.int event", b"!sensor-sampling-clear ok"])
        yield server.stop()
        self.assertFalse(server.running())

    @tornado.testing.gen_test
    def test_halt(self):
        server = self.make()
        server.start()
        answers = yield self.dialogue(server, b"?halt\n", half_close=False)
        self.assertEqual([line for line in answers.splitlines()[3:] if line],
                         [b"!halt ok", b"#disconnect Device\\_server\\_shutting\\_down."])
        yield server.stop()
        self.assertFalse(server.running())

    @tornado.testing.gen_test
    def test_handlers_called_in_the_loop(self):
        server = self.make()
        server.start()
        yield tornado.gen.moment
        client = mock.Mock()
        server._strategies[client] = {}
        msg = Message.request("sensor-sampling", "an.int", "event")
        req = mock.Mock(msg=msg, client_connection=client)
        req.make_reply.side_effect = lambda *args: Message.reply_to_request(msg, *args)
        reply = yield server.request_sensor_sampling(req, msg)
        self.assertEqual(reply, Message.reply("sensor-sampling", "ok", "an.int", "event"))
        self.assertEqual(client.inform.call_count, 1)
        reply = yield server.request_sensor_sampling_clear(req, Message.request("sensor-sampling-clear"))
        self.assertEqual(server._strategies, {client: {}})
        yield server.stop()

    def test_made_in_a_thread_without_loop(self):
        made = []
        in_thread(lambda: made.append(self.make()))
        self.assertEqual(len(made), 1)

    @tornado.testing.gen_test
    def test_made_where_another_loop_was_current(self):
        other = compat.new_ioloop()
        self.addCleanup(other.close)
        made = []
        in_thread(lambda: other.run_sync(lambda: made.append(self.make())))
        for _ in range(2):
            server = made[0]
            server.start()
            self.assertIs(server.ioloop, self.io_loop)
            yield tornado.gen.moment
            yield tornado.gen.moment
            self.assertTrue(server.running())
            yield server.stop()

    @tornado.testing.gen_test
    def test_started_in_a_thread_without_loop(self):
        server = self.make()
        in_thread(server.start)
        self.assertIs(server.ioloop, self.io_loop)
        answers = yield self.dialogue(server, b"?watchdog\n")
        self.assertEqual(answers.splitlines()[3], b"!watchdog ok")
        yield server.stop()

    def test_another_loop_may_be_set(self):
        server = self.make()
        ioloop = compat.new_ioloop()
        self.addCleanup(ioloop.close)
        server.set_ioloop(ioloop)
        self.assertIsNone(server.ioloop)
        server.start()
        self.assertIs(server.ioloop, ioloop)
        stopped = server.stop(timeout=None)
        stopped.add_done_callback(lambda _: ioloop.add_callback(ioloop.stop))
        ioloop.start()
        self.assertFalse(server.running())


class TestUnmanagedLoop(tornado.testing.AsyncTestCase):
    @tornado.testing.gen_test
    def test_a_loop_given_to_a_server_that_does_not_run(self):
        # What a test does that needs no socket.
        server = Device5("", 0)
        server.ioloop = self.io_loop
        client = mock.Mock()
        server._strategies[client] = {}
        msg = Message.request("sensor-sampling", "an.int", "event")
        req = mock.Mock(msg=msg, client_connection=client)
        req.make_reply.side_effect = lambda *args: Message.reply_to_request(msg, *args)
        reply = yield server.request_sensor_sampling(req, msg)
        self.assertEqual(reply, Message.reply("sensor-sampling", "ok", "an.int", "event"))
