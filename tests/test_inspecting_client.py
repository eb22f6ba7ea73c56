"""Inspecting clients as users see them, with a real device server."""

from __future__ import absolute_import, division, print_function

import gc
import logging
import threading
import unittest

from tornado import gen, testing
from tornado.ioloop import IOLoop

import katcp
from katcp import KatcpSyntaxError, Message, ProtocolFlags, Sensor, inspecting_client
from katcp.compat import CANCELLED_ERRORS, new_ioloop
from katcp.inspecting_client import (InspectingClientAsync, RequestType, SyncError,
                                     _InformHookDeviceClient)
from katcp.testutils import DeviceTestServer, DeviceTestServerWithTimeoutHints
from tests.support import mock
from tests.support.client_cases import CapturedLog
from tests.support.inspecting_cases import InspectingTestCase, StateRecorder, timewarp_test


class TestModule(unittest.TestCase):
    def test_names(self):
        self.assertIs(katcp.inspecting_client, inspecting_client)
        self.assertIs(inspecting_client.ic_logger, logging.getLogger("katcp.inspect_client"))
        self.assertTrue(issubclass(_InformHookDeviceClient, katcp.AsyncClient))
        self.assertTrue(issubclass(SyncError, Exception))

    def test_docstrings(self):
        for name, member in vars(inspecting_client).items():
            if isinstance(member, type) and member.__module__.startswith("katcp.inspecting"):
                self.assertTrue(member.__doc__, name)
                for attribute in dir(member):
                    if not attribute.startswith("_") and callable(getattr(member, attribute)):
                        self.assertTrue(getattr(member, attribute).__doc__, attribute)


class TestConstruction(unittest.TestCase):
    def make_client(self, *args, **kwargs):
        ioloop = new_ioloop()
        self.addCleanup(ioloop.close)
        return InspectingClientAsync(*args, ioloop=ioloop, **kwargs)

    def test_defaults(self):
        client = self.make_client("", 0)
        self.assertEqual((client.sync_timeout, client.initial_resync_timeout, client.max_resync_timeout),
                         (20, 5, 90))
        self.assertIs(client.sensor_factory, Sensor)
        self.assertIs(client.request_factory, RequestType)
        self.assertIsNone(client.resync_delay)
        self.assertIs(client.initial_inspection, True)
        self.assertIs(self.make_client("", 0, initial_inspection=0).initial_inspection, False)

    def test_properties_before_the_start(self):
        client = self.make_client("", 0)
        self.assertEqual(client.state, (False, False, False, False))
        self.assertEqual((client.connected, client.is_connected(), client.synced), (False, False, False))
        self.assertEqual((client.sensors, client.requests), ([], []))
        self.assertEqual((client.bind_address, client.bind_address_string), (("0.0.0.0", 0), "0.0.0.0:0"))
        self.assertEqual((client._running, client._cb_register, client._state_cb), (False, {}, None))
        self.assertEqual((client._connected.is_set(), client._disconnected.is_set()), (False, False))

    def test_can_be_a_specification_of_mocks(self):
        for spec in (self.make_client("", 0), InspectingClientAsync):
            double = mock.Mock(spec_set=spec)
            for name in ("connect", "start", "stop", "close", "join", "future_get_sensor", "simple_request",
                         "set_sampling_strategies", "until_synced", "update_sensor", "handle_sensor_value"):
                getattr(double, name)()
        mock.create_autospec(self.make_client("", 0))

    def test_logger(self):
        logger = logging.getLogger("tests.inspecting")
        client = self.make_client("", 0, logger=logger)
        self.assertIs(client._logger, logger)
        self.assertIs(client.katcp_client._logger, logger)

    def test_factory_of_the_low_level_client(self):
        calls = []

        class Client(InspectingClientAsync):
            def inform_hook_client_factory(self, *args, **kwargs):
                calls.append((args, kwargs))
                return super(Client, self).inform_hook_client_factory(*args, **kwargs)

        logger = logging.getLogger("tests.inspecting")
        ioloop = new_ioloop()
        self.addCleanup(ioloop.close)
        client = Client("host", 5, ioloop=ioloop, auto_reconnect=False, logger=logger)
        self.assertEqual(calls, [(("host", 5), {"auto_reconnect": False, "logger": logger})])
        self.assertEqual(client.bind_address, ("host", 5))
        self.assertEqual(client.katcp_client.notify_connected, client._cb_connection_state)
        self.assertEqual(dict(client.katcp_client._inform_hooks), {
            "sensor-status": [client._cb_inform_sensor_status],
            "interface-changed": [client._cb_inform_interface_change],
            "device-changed": [client._cb_inform_interface_change, client._cb_inform_deprecated]})

    def test_loops(self):
        ioloop = new_ioloop()
        self.addCleanup(ioloop.close)
        client = InspectingClientAsync("", 0, ioloop=ioloop)
        self.assertIs(client.ioloop, ioloop)
        with self.assertRaises(RuntimeError) as caught:
            client.set_ioloop(ioloop)
        self.assertEqual(str(caught.exception), "IOLoop instance already set")
        with mock.patch("katcp.inspecting.client.IOLoop") as ioloop_class:
            client = InspectingClientAsync("", 0)
            self.assertIs(client.ioloop, ioloop_class.current.return_value)
        client.set_ioloop(ioloop)
        self.assertIs(client.katcp_client.ioloop, ioloop)

    def test_in_a_thread_without_a_loop(self):
        made = []

        def make():
            client = InspectingClientAsync("", 0)
            made.append(client)
            if client.ioloop is not None:
                client.ioloop.close()

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        self.assertEqual(len(made), 1)

    def test_preset_protocol_flags(self):
        client = self.make_client("", 0)
        flags = ProtocolFlags(4, 0, "")
        client.preset_protocol_flags(flags)
        self.assertIs(client.katcp_client.protocol_flags, flags)
        self.assertEqual(InspectingClientAsync.preset_protocol_flags.__doc__,
                         katcp.AsyncClient.preset_protocol_flags.__doc__)


class TestHooks(unittest.TestCase):
    def setUp(self):
        self.client = _InformHookDeviceClient("", 0)
        self.seen = []

    def hook(self, msg):
        self.seen.append(msg)

    def test_called_with_the_message(self):
        msg = Message.inform("some-inform", "a")
        self.client.hook_inform("some-inform", self.hook)
        self.client.hook_inform("some-inform", self.hook)
        other = mock.Mock()
        self.client.hook_inform("some-inform", other)
        self.client.hook_inform("some-inform", other)
        self.client.handle_inform(msg)
        self.assertEqual(self.seen, [msg])
        other.assert_called_once_with(msg)

    def test_order(self):
        self.client.hook_inform("some-inform", self.hook)
        self.client.hook_inform("some-inform", lambda msg: self.seen.append("second"))
        self.client.unhandled_inform = lambda msg: self.seen.append("handler")
        msg = Message.inform("some-inform")
        self.client.handle_inform(msg)
        self.assertEqual(self.seen, [msg, "second", "handler"])

    def test_other_informs_leave_no_trace(self):
        self.client.hook_inform("some-inform", self.hook)
        self.client.handle_inform(Message.inform("another"))
        self.assertEqual(self.seen, [])
        self.assertEqual(list(self.client._inform_hooks), ["some-inform"])

    def test_hooks_do_not_disturb_one_another(self):
        def bad_hook(msg):
            raise ValueError("Sorry")

        self.client.hook_inform("some-inform", bad_hook)
        self.client.hook_inform("some-inform", self.hook)
        self.client.unhandled_inform = self.hook
        msg = Message.inform("some-inform", b"\xff")
        with CapturedLog("katcp.client") as log:
            self.client.handle_inform(msg)
        self.assertEqual(self.seen, [msg, msg])
        self.assertEqual(len(log.messages), 1)
        self.assertTrue(log.messages[0].startswith('Call to function "'))
        self.assertIn('with message "#some-inform', log.messages[0])
        self.assertTrue(log.records[0].exc_info)

    def test_hook_that_meets_something_cancelled(self):
        # Which may be no `Exception`; a list that lost its informs would look like an empty one.
        def bad_hook(msg):
            raise error

        self.client.hook_inform("some-inform", bad_hook)
        self.client.hook_inform("some-inform", self.hook)
        self.client.unhandled_inform = self.hook
        msg = Message.inform("some-inform")
        for error in CANCELLED_ERRORS:
            del self.seen[:]
            with CapturedLog("katcp.client") as log:
                self.client.handle_inform(msg)
            self.assertEqual(self.seen, [msg, msg])
            self.assertIs(log.records[0].exc_info[0], error)

    def test_hooks_added_by_hooks(self):
        def adding_hook(msg):
            self.client.hook_inform("some-inform", self.hook)

        self.client.hook_inform("some-inform", adding_hook)
        msg = Message.inform("some-inform")
        self.client.handle_inform(msg)
        self.assertEqual(self.seen, [])
        self.client.handle_inform(msg)
        self.assertEqual(self.seen, [msg])


class TestSimpleRequest(InspectingTestCase):
    @timewarp_test
    def test_answers(self):
        client = yield self.synced_client()
        reply, informs = yield client.simple_request("help", "watchdog", mid=77)
        self.assertEqual(reply, Message.reply("help", "ok", 1, mid=77))
        self.assertEqual(informs, [Message.inform("help", "watchdog", "Say that one lives.", mid=77)])
        yield client.simple_request("watchdog", use_mid=False, whatever=5)
        self.assertEqual(self.device.server.lines[-1], b"?watchdog")

    @timewarp_test
    def test_timeout(self):
        client = yield self.synced_client()
        self.device.held.add("watchdog")
        request = client.simple_request("watchdog", timeout=2)
        yield self.move_clock(2)
        reply, _ = yield request
        self.assertEqual(reply.arguments, [b"fail", b"Request watchdog timed out after 2.000000 seconds."])

    @timewarp_test
    def test_errors(self):
        client = self.make_client()
        yield client.connect()
        self.assertRaises(KatcpSyntaxError, client.simple_request, "bad name")
        self.assertRaises(KatcpSyntaxError, client.simple_request, "watchdog", mid="abc")
        client.stop()
        yield client.until_stopped()
        reply, _ = yield client.simple_request("watchdog")
        self.assertEqual(reply.arguments[0], b"fail")


class ServerTestCase(testing.AsyncTestCase):
    server_class = DeviceTestServer

    def setUp(self):
        super(ServerTestCase, self).setUp()
        self.server = self.server_class("127.0.0.1", 0)
        self.server.start(timeout=10)
        self.addCleanup(self.server.join, timeout=10)
        self.addCleanup(self.server.stop, timeout=10)
        self.callback = StateRecorder()

    def make_client(self, **kwargs):
        host, port = self.server.bind_address
        client = InspectingClientAsync(host, port, ioloop=self.io_loop, **kwargs)
        client.set_state_callback(self.callback)
        self.addCleanup(self._stop, client)
        return client

    def _stop(self, client):
        client.stop()
        if client.katcp_client.ioloop_thread_id is not None:
            self.io_loop.run_sync(client.until_stopped, timeout=10)

    def run(self, result=None):
        # Clean-ups need the loop that tearDown closes.
        super(ServerTestCase, self).run(result)

    def tearDown(self):
        self.doCleanups()
        super(ServerTestCase, self).tearDown()


class TestWithServer(ServerTestCase):
    @testing.gen_test
    def test_model(self):
        client = self.make_client()
        yield client.connect()
        yield client.until_synced(timeout=5)
        self.assertEqual(sorted(client.sensors), sorted(self.server.sensor_names))
        self.assertEqual(sorted(client.requests), sorted(self.server.request_names))
        for name, entry in client._requests_index.items():
            self.assertEqual(entry, {"name": name, "timeout_hint": None,
                                     "description": self.server._request_handlers[name].__doc__})
        sensor = yield client.future_get_sensor("a.discrete")
        self.assertEqual((sensor.stype, sensor.params), ("discrete", ["one", "two", "three"]))
        self.assertIsNone((yield client.future_get_sensor("unknown")))
        self.assertIsNone((yield client.future_get_request("unknown")))

    @testing.gen_test
    def test_timeouts_of_synced(self):
        client = self.make_client()
        yield client.connect()
        with self.assertRaises(gen.TimeoutError):
            yield client.until_synced(timeout=0.00001)
        yield client.until_synced(timeout=5)

    @testing.gen_test
    def test_held_back_greeting(self):
        proceed = self.server.proceed_on_client_connect
        self.server.ioloop.add_callback(proceed.clear)
        while proceed.is_set():
            yield gen.moment
        client = self.make_client()
        yield client.connect()
        yield self.callback.until("FFFF", "TFFF")
        for _ in range(50):
            yield gen.moment
        self.assertEqual(self.callback.states, "FFFF TFFF")
        self.server.ioloop.add_callback(proceed.set)
        yield client.until_synced()
        self.assertEqual(self.callback.states, "FFFF TFFF TFTT TTFT")

    @testing.gen_test
    def test_changes_of_the_interface(self):
        client = self.make_client()
        yield client.connect()
        yield client.until_synced()
        self.server.add_sensor(Sensor.integer("another.int", "Another.", "", [0, 10]))
        self.server._request_handlers["another"] = self.server._request_handlers["watchdog"]
        self.server.mass_inform(Message.inform("interface-changed"))
        yield client.simple_request("watchdog")
        yield client.until_synced()
        self.assertIn("another.int", client.sensors)
        self.assertIn("another", client.requests)
        self.server.remove_sensor("another.int")
        del self.server._request_handlers["another"]
        self.server.mass_inform(Message.inform("interface-changed"))
        yield client.simple_request("watchdog")
        yield client.until_synced()
        self.assertNotIn("another.int", client.sensors)
        self.assertNotIn("another", client.requests)

    @testing.gen_test
    def test_broken_server(self):
        for name in ("break_help", "break_sensor_list"):
            setattr(self.server, name, "Out of order.")
            client = self.make_client()
            client.initial_resync_timeout = 0.001
            with CapturedLog("katcp.inspect_client") as log:
                yield client.connect()
                yield self.callback.until_number(4)
                self.assertFalse(client.state.data_synced)
                setattr(self.server, name, False)
                yield client.until_state((True, False, True, True))
            self.assertEqual(sorted(self.callback.told[-1][1]), ["requests", "sensors"])
            self.assertIn("Error syncing with device", log.messages[0])
            yield client.until_synced()
            client.stop()
            yield client.until_stopped()
            self.callback.forget()

    @testing.gen_test
    def test_sampling(self):
        client = self.make_client()
        yield client.connect()
        sensor = yield client.future_get_sensor("an.int")
        reply, _ = yield client.simple_request("sensor-sampling", "an.int", "event")
        self.assertTrue(reply.reply_ok())
        # The update came before the reply.
        self.assertEqual(sensor.read(), (12345, Sensor.NOMINAL, 3))
        answers = yield client.set_sampling_strategies(
            {"an.int": ("none",), "a.float": ("event",), "unknown": ("event",)})
        self.assertEqual(dict((name, reply.reply_ok()) for name, (reply, _) in answers.items()),
                         {"an.int": True, "a.float": True, "unknown": False})

    @testing.gen_test
    def test_no_initial_inspection(self):
        client = self.make_client(initial_inspection=False)
        yield client.connect()
        yield client.until_synced()
        self.assertTrue(client.connected and client.is_connected() and client.synced)
        yield client.simple_request("sensor-sampling", "an.int", "event")
        while not client.sensors:
            yield gen.moment
        self.assertEqual((client.sensors, client.requests), (["an.int"], []))

    @testing.gen_test
    def test_server_goes_away(self):
        client = self.make_client()
        client.katcp_client.auto_reconnect_delay = 0.05
        yield client.connect()
        yield client.until_synced()
        yield gen.moment
        self.callback.forget()
        address = self.server.bind_address
        self.server.stop(timeout=10)
        yield client.until_not_synced()
        self.assertEqual(self.callback.told, [("FFFF", None)])
        self.server.join(timeout=10)
        self.server = DeviceTestServer(*address)
        self.server.start(timeout=10)
        self.addCleanup(self.server.join, timeout=10)
        self.addCleanup(self.server.stop, timeout=10)
        yield client.until_synced()
        self.assertEqual(self.callback.states, "FFFF TFFF TFFT TTFT")

    def test_never_stopped(self):
        logs = [CapturedLog(name) for name in ("katcp.inspect_client", "asyncio", "tornado")]
        for log in logs:
            log.__enter__()
            self.addCleanup(log.__exit__)
        for until in ("until_connected", "until_synced"):
            self._use_without_stop(until)
            gc.collect()
        self.assertEqual([message for log in logs for message in log.messages], [])

    def _use_without_stop(self, until):
        ioloop = new_ioloop()
        host, port = self.server.bind_address
        client = InspectingClientAsync(host, port, ioloop=ioloop)

        @gen.coroutine
        def use():
            yield client.connect()
            yield getattr(client, until)()

        ioloop.run_sync(use)
        ioloop.close(all_fds=True)

    def test_another_loop_than_the_current_one(self):
        ioloop = new_ioloop()
        self.addCleanup(ioloop.close)
        host, port = self.server.bind_address
        client = InspectingClientAsync(host, port, ioloop=ioloop)
        # Before that loop runs, and while another one is current.
        self.assertIsNot(IOLoop.current(), ioloop)
        connecting = client.connect()

        @gen.coroutine
        def use():
            yield client.until_synced(timeout=5)
            self.assertTrue(connecting.done())
            client.stop()
            yield client.until_stopped()

        ioloop.run_sync(use)
        self.assertIsNone(connecting.result())


class TestWithTimeoutHints(ServerTestCase):
    server_class = DeviceTestServerWithTimeoutHints

    @testing.gen_test
    def test_hints(self):
        client = self.make_client()
        yield client.connect()
        yield client.until_synced()
        self.assertEqual(client._requests_index["slow-command"]["timeout_hint"], 10.5)
        self.assertEqual((yield client.future_get_request("raise-fail")).timeout_hint, 2.3)
        self.assertIsNone((yield client.future_get_request("help")).timeout_hint)
        self.assertIsNone((yield client.future_get_request("unknown")))


class FakeLowLevelClient(katcp.AsyncClient):
    """What it is asked is answered at once, without any socket."""

    def __init__(self, *args, **kwargs):
        self.requests = {"help": "Help."}
        self.sensors = {}
        super(FakeLowLevelClient, self).__init__(*args, **kwargs)

    def hook_inform(self, name, callback):
        pass

    @gen.coroutine
    def _install(self):
        self._stopped.clear()
        self._running.set()
        self._connected.set()
        self.notify_connected(True)
        self.preset_protocol_flags(ProtocolFlags(5, 0, [b"M", b"I"]))
        yield self._stop_requested.until_set()
        self._connected.clear()
        self.notify_connected(False)
        self._main_coroutine_ends()

    def future_request(self, msg, timeout=None, use_mid=None):
        items = {"help": self.requests, "sensor-list": self.sensors}[msg.name]
        informs = [Message.inform(msg.name, name, *([items[name]] if msg.name == "help" else items[name]))
                   for name in items]
        return gen.maybe_future((Message.reply(msg.name, "ok", len(informs)), informs))


class TestWithoutSocket(testing.AsyncTestCase):
    """The low-level client can be another one."""

    class Client(InspectingClientAsync):
        def inform_hook_client_factory(self, *args, **kwargs):
            return FakeLowLevelClient(*args, **kwargs)

    def setUp(self):
        super(TestWithoutSocket, self).setUp()
        self.client = self.Client("nowhere", 0, ioloop=self.io_loop)
        self.callback = StateRecorder()
        self.client.set_state_callback(self.callback)

    def tearDown(self):
        self.client.stop()
        self.io_loop.run_sync(self.client.until_stopped, timeout=10)
        super(TestWithoutSocket, self).tearDown()

    def add_sensor(self, name):
        self.client.katcp_client.sensors[name] = ("A sensor.", "", "integer")
        self.client._interface_changed.set()

    @testing.gen_test
    def test_added_right_after_connect(self):
        @gen.coroutine
        def connect():
            yield self.client.connect()

        yield connect()
        self.add_sensor("a.sensor")
        yield self.client.until_not_synced()
        yield self.client.until_synced()
        self.assertEqual((yield self.client.future_get_sensor("a.sensor")).stype, "integer")
        self.assertEqual(self.callback.states, "TFFF TFTT TTFT")

    @testing.gen_test
    def test_added_later(self):
        yield self.client.connect()
        yield self.client.until_synced()
        self.assertEqual((self.client.sensors, self.client.requests), ([], ["help"]))

        @gen.coroutine
        def until_not_synced():
            yield self.client.until_not_synced()

        for number in range(3):
            self.add_sensor("sensor.%d" % number)
            # The change is not over before somebody in a coroutine within a coroutine can see it.
            yield until_not_synced()
            self.assertFalse(self.client.synced)
            yield self.client.until_synced()
            self.assertEqual(len(self.client.sensors), number + 1)
