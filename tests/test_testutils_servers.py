"""Tests of the device servers that clients are tested against."""

from __future__ import absolute_import, division, print_function

import gc
import threading
import unittest
import weakref

from tornado import testing

from katcp.compat import queue
from katcp.kattypes import request_timeout_hint
from katcp.message import Message
from katcp.protocol import ProtocolFlags
from katcp.testutils import (AsyncDeviceTestServer, ClientConnectionTest, DeviceTestServer,
                             DeviceTestServerWithTimeoutHints, TestUtilMixin, WaitingMock,
                             handle_mock_req, mock_req, start_thread_with_cleanup)
from tests.support import mock
from tests.support.clock import TimewarpAsyncTestCase
from tests.support.raw_client import RawClient


class DeviceTestServerV4(DeviceTestServer):
    PROTOCOL_INFO = ProtocolFlags(4, 0, [ProtocolFlags.MULTI_CLIENT])


class DeviceTestServerV51(DeviceTestServer):
    PROTOCOL_INFO = ProtocolFlags(5, 1, "IMT")


def texts(device, name, *args):
    """Return the wire form of all that a device answers a request."""
    conn = ClientConnectionTest()
    device.handle_message(conn, Message.request(name, *args))
    return [str(msg) for msg in conn.messages]


class TestUnstarted(TestUtilMixin, unittest.TestCase):
    def setUp(self):
        self.device = DeviceTestServer("", 0)

    def test_number_of_requests(self):
        for cls, number in [(DeviceTestServer, 18), (AsyncDeviceTestServer, 18),
                            (DeviceTestServerV4, 17), (DeviceTestServerV51, 19)]:
            self.assertEqual(len(cls._request_handlers), number)
            self.assertEqual((cls._inform_handlers, cls._reply_handlers), ({}, {}))
        self.assertEqual(sorted(self.device.request_names), sorted(DeviceTestServer._request_handlers))

    def test_instances_have_handlers_of_their_own(self):
        def request_new(server, req, msg):
            """A new request."""
            return req.make_reply("ok")

        other = DeviceTestServer("", 0)
        self.device._request_handlers["new"] = request_new
        del self.device._request_handlers["watchdog"]
        self.device._inform_handlers["new"] = self.device._reply_handlers["new"] = request_new
        self.assertEqual(texts(self.device, "new"), ["!new ok"])
        self.assertEqual(texts(self.device, "help", "new"), [r"#help new A\_new\_request.", "!help ok 1"])
        self.assertEqual(texts(self.device, "watchdog"), [r"!watchdog invalid Unknown\_request."])
        self.assertEqual(texts(other, "new"), [r"!new invalid Unknown\_request."])
        self.assertEqual(texts(other, "watchdog"), ["!watchdog ok"])
        for handlers in (other._inform_handlers, other._reply_handlers):
            self.assertEqual(handlers, {})

    def test_sensors(self):
        sensor_list = [
            r"#sensor-list a.discrete A\_Discrete. \@ discrete one two three",
            r"#sensor-list a.float A\_Float. \@ float -123.4 123.4",
            r"#sensor-list a.floatwithzero A\_Float\_with\_zero. \@ float -123.0 123.0",
            r"#sensor-list an.int An\_Integer. count integer -5 5",
            "!sensor-list ok 4"]
        for cls, timestamp in [(DeviceTestServer, "12345.000000"), (DeviceTestServerV4, "12345000")]:
            device = cls("", 0)
            self.assertEqual(texts(device, "sensor-list"), sensor_list)
            self.assertEqual(texts(device, "sensor-value"), [
                "#sensor-value %s 1 a.discrete nominal one" % timestamp,
                "#sensor-value %s 1 a.float nominal 12.0" % timestamp,
                "#sensor-value %s 1 a.floatwithzero nominal 12.0" % timestamp,
                "#sensor-value %s 1 an.int nominal 3" % timestamp,
                "!sensor-value ok 4"])
            self.assertEqual(sorted(device.sensor_names),
                             ["a.discrete", "a.float", "a.floatwithzero", "an.int"])
        self.assertIs(self.device.restarted, False)

    def test_simple_requests(self):
        self.assertEqual(texts(self.device, "new-command", "x"), ["!new-command ok param1 param2"])
        self.assertEqual(texts(self.device, "raise-fail"), [
            r"!raise-fail fail There\_was\_a\_problem\_with\_your\_request."])
        self.assertEqual(texts(self.device, "decorated-return-exception"), [
            r"!decorated-return-exception fail An\_exception\_occurred!"])
        self._assert_msgs_like([texts(self.device, "raise-exception")[0]], [
            (r"!raise-exception fail Traceback\_(most\_recent\_call\_last):",
             r"Exception:\_An\_exception\_occurred!\n")])

    def test_decorated(self):
        types = [str(cls).replace(" ", r"\_") for cls in (str, float, int, bool)]
        self.assertEqual(texts(self.device, "decorated", "sss", 1.5, 78, 0), [
            "#decorated _string " + types[0], "#decorated _float " + types[1],
            "#decorated _int " + types[2], "#decorated do_raise " + types[3],
            "!decorated ok sss 1.5 78 0"])
        failing = texts(self.device, "decorated", "sss", 1.5, 78, 1)
        self._assert_msgs_like(failing, [
            ("!decorated fail Traceback", r"An\_exception\_occurred!\n")])
        self.assertEqual(texts(self.device, "decorated"), [
            r"!decorated fail Error\_in\_parameter\_1\_(_string):\_No\_value\_or\_default\_given"])
        self.assertEqual(texts(self.device, "decorated", "s", 1, 2, 0, "more"), [
            r"!decorated fail Too\_many\_parameters\_given."])

    def test_breaking(self):
        self.device.break_help = "Help is broken"
        self.device.break_sensor_list = "List is broken"
        self.assertEqual(texts(self.device, "help"), [r"!help fail Help\_is\_broken"])
        self.assertEqual(texts(self.device, "sensor-list"), [r"!sensor-list fail List\_is\_broken"])
        self.device.break_help = self.device.break_sensor_list = False
        self.assertEqual(texts(self.device, "help")[-1], "!help ok 18")
        self.assertEqual(texts(self.device, "sensor-list")[-1], "!sensor-list ok 4")

    def test_help_texts(self):
        for cls in (DeviceTestServer, AsyncDeviceTestServer, DeviceTestServerWithTimeoutHints):
            for name, handler in cls._request_handlers.items():
                self.assertTrue(handler.__doc__.strip(), name)
        base = DeviceTestServer.__bases__[0]
        self.assertEqual(DeviceTestServer.request_help.__doc__, base.request_help.__doc__)
        self.assertEqual(DeviceTestServer.request_sensor_list.__doc__, base.request_sensor_list.__doc__)
        prefix = r"#help cancel-slow-command " \
            r"Cancel\_slow\_command\_request,\_resulting\_in\_it\_replying\_immediately"
        self.assertEqual(texts(self.device, "help", "cancel-slow-command")[0][:len(prefix)], prefix)

    def test_messages(self):
        two, three = self.device.until_messages(2), self.device.until_messages(3)
        msgs = [Message.request("watchdog"), Message.inform("i"), Message.reply("r")]
        for msg in msgs:
            self.assertFalse(three.done())
            self.device.handle_message(ClientConnectionTest(), msg)
        self.assertEqual(self.device.messages, msgs)
        self.assertEqual(two.result(timeout=0), msgs[:2])
        self.assertEqual(three.result(timeout=0), msgs)
        self.assertEqual(self.device.until_messages(1).result(timeout=0), msgs)
        self.assertFalse(self.device._cnt_futures)

    def test_until_messages_and_many_threads(self):
        futures = [self.device.until_messages(count) for count in range(1, 101)]

        def handle():
            for _ in range(25):
                self.device.handle_message(ClientConnectionTest(), Message.inform("i"))
                futures.append(self.device.until_messages(50))

        threads = [threading.Thread(target=handle) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for count, future in enumerate(futures[:100]):
            self.assertGreater(len(future.result(timeout=10)), count)

    def test_cancelled_until_messages(self):
        self.device.until_messages(1).cancel()
        self.assertEqual(texts(self.device, "watchdog"), ["!watchdog ok"])

    def test_connect_informs_are_sent_before_the_call_returns(self):
        def connect():
            self.device._server.ioloop_thread_id = threading.current_thread().ident
            future = self.device.on_client_connect(conn)
            results.append((conn.inform.call_count, future.done()))

        conn = WaitingMock()
        results = []
        thread = threading.Thread(target=connect)  # one that has no loop
        thread.start()
        thread.join()
        self.assertEqual(results, [(3, True)])

    def test_construction_in_a_thread_without_loop(self):
        devices = []
        thread = threading.Thread(target=lambda: devices.append(DeviceTestServer("", 0)))
        thread.start()
        thread.join()
        self.assertTrue(devices[0].proceed_on_client_connect.is_set())

    def test_timeout_hints(self):
        self.assertEqual(texts(DeviceTestServerV51("", 0), "request-timeout-hint"), [
            "#request-timeout-hint slow-command 99.0", "!request-timeout-hint ok 1"])
        device = DeviceTestServerWithTimeoutHints("", 0)
        self.assertEqual(str(device.PROTOCOL_INFO), "5.1-IMT")
        self.assertEqual(device.request_timeout_hints, {"slow-command": 10.5, "raise-fail": 2.3})
        self.assertEqual(sorted(texts(device, "request-timeout-hint")), [
            "!request-timeout-hint ok 2", "#request-timeout-hint raise-fail 2.3",
            "#request-timeout-hint slow-command 10.5"])
        self.assertEqual(texts(device, "request-timeout-hint", "raise-fail"), [
            "#request-timeout-hint raise-fail 2.3", "!request-timeout-hint ok 1"])
        self.assertEqual(texts(device, "request-timeout-hint", "nonsense"), [
            "#request-timeout-hint nonsense 0", "!request-timeout-hint ok 1"])
        self.assertEqual(texts(device, "request-timeout-hint", "")[-1], "!request-timeout-hint ok 2")

    def test_handler_can_be_marked_anew(self):
        device = DeviceTestServerV51("", 0)
        handler = device._request_handlers["help"]
        device._request_handlers["help"] = request_timeout_hint(25.5)(
            lambda server, req, msg: handler(server, req, msg))
        reply, informs = handle_mock_req(device, mock_req("request-timeout-hint", "help")).result()
        self.assertEqual([str(msg) for msg in informs + [reply]], [
            "#request-timeout-hint help 25.5", "!request-timeout-hint ok 1"])


class SlowCommandTests(object):
    """What holds for slow commands in all servers, however they are run."""

    def setUp(self):
        super(SlowCommandTests, self).setUp()
        self.device = self.make_device()
        start_thread_with_cleanup(self, self.device, start_timeout=10)
        self.client = self.connect()

    def connect(self):
        client = RawClient(self.device.bind_address)
        self.addCleanup(client.close)
        client.lines(3)
        return client

    def test_slow_fast_and_cancel(self):
        self.client.send(b"?slow-command[1] 1000\n?watchdog[2]\n")
        self.assertEqual(self.client.line(), b"!watchdog[2] ok")
        self.client.send(b"?slow-command[3] 1000\n")
        self.assertEqual(
            self.client.line(),
            br"!slow-command[3] fail A\_slow\_command\_is\_already\_running\_for\_this\_connection")
        other = self.connect()
        other.send(b"?slow-command 0.001\n")
        self.assertEqual(other.line(), b"!slow-command ok")
        other.send(b"?cancel-slow-command\n")
        self.assertEqual(other.line(), b"!cancel-slow-command ok")
        self.client.send(b"?cancel-slow-command[4]\n")
        self.assertEqual(sorted([self.client.line(), self.client.line()]),
                         [b"!cancel-slow-command[4] ok", b"!slow-command[1] ok"])
        self.client.send(b"?slow-command[5] 0.001\n")
        self.assertEqual(self.client.line(), b"!slow-command[5] ok")
        self.assertEqual(self.device._slow_futures, {})

    def test_arguments(self):
        for arguments, reply in [
                (b"0", b"ok"), (b"-1.5", b"ok"),
                (b"", br"fail Error\_in\_parameter\_1\_(wait_time):\_No\_value\_or\_default\_given"),
                (b"1 2", br"fail Too\_many\_parameters\_given.")]:
            self.client.send(b"?slow-command " + arguments + b"\n")
            self.assertEqual(self.client.line(), b"!slow-command " + reply)
        self.client.send(b"?slow-command x\n")
        self.assertTrue(self.client.line().startswith(
            br"!slow-command fail Error\_in\_parameter\_1\_(wait_time):\_Could\_not\_parse\_value"))

    def test_stop_amidst_a_slow_command(self):
        self.client.send(b"?slow-command 1000\n?watchdog\n")
        self.assertEqual(self.client.line(), b"!watchdog ok")
        slow_commands = list(self.device._slow_futures.values())
        self.assertEqual(len(slow_commands), 1)
        stopped = self.device.stop()
        stopped.result(timeout=10)
        self.device.join(timeout=10)
        self.assertEqual(self.client.rest(), br"#disconnect Device\_server\_shutting\_down." + b"\n\n")
        self.assertTrue(slow_commands[0].done())
        self.assertEqual(self.device._slow_futures, {})
        # Once more, on the same port, with what it had.
        address = self.device.bind_address
        self.device.start(timeout=10)
        self.assertEqual(self.device.bind_address, address)
        self.assertEqual(len(self.device.messages), 2)
        client = self.connect()
        client.send(b"?slow-command 0.001\n")
        self.assertEqual(client.line(), b"!slow-command ok")

    def test_marks(self):
        handler = self.device._request_handlers["slow-command"]
        self.assertEqual(handler.request_timeout_hint, 99.0)
        self.assertIs(handler._concurrent_reply, True)

    def test_held_back_greeting(self):
        self.device.proceed_on_client_connect.clear()
        client = RawClient(self.device.bind_address)
        self.addCleanup(client.close)
        client.send(b"?watchdog\n")
        self.device.sync_with_ioloop(timeout=10)
        self.assertEqual(len(self.device._client_conns), 1)
        self.device.ioloop.add_callback(self.device.proceed_on_client_connect.set)
        client.lines(3)
        self.assertEqual(client.line(), b"!watchdog ok")
        self.assertEqual(len(self.device._client_conns), 2)

    def test_restart(self):
        self.client.send(b"?restart\n")
        self.assertEqual(self.client.line(), b"!restart ok")
        self.assertIs(self.device.restart_queue.get_nowait(), self.device)
        with self.assertRaises(queue.Empty):
            self.device.restart_queue.get_nowait()

    def test_until_messages(self):
        future = self.device.until_messages(2)
        self.client.send(b"?watchdog\n#inform\n")
        self.assertEqual([str(msg) for msg in future.result(timeout=10)], ["?watchdog", "#inform"])


class TestThreaded(SlowCommandTests, unittest.TestCase):
    def make_device(self):
        return DeviceTestServer("127.0.0.1", 0)


class TestThreadSafe(SlowCommandTests, unittest.TestCase):
    def make_device(self):
        device = DeviceTestServer("127.0.0.1", 0)
        device.set_concurrency_options(thread_safe=True, handler_thread=False)
        return device


class TestAsync(SlowCommandTests, unittest.TestCase):
    def make_device(self):
        return AsyncDeviceTestServer("127.0.0.1", 0)


class TestLifeCycle(unittest.TestCase):
    def test_collectable(self):
        for cls in (DeviceTestServer, AsyncDeviceTestServer):
            threads = set(threading.enumerate())
            device = cls("127.0.0.1", 0)
            device.start(timeout=10)
            client = RawClient(device.bind_address)
            client.lines(3)
            client.send(b"?slow-command 1000\n?watchdog\n")
            client.line()
            device.stop()
            device.join(timeout=10)
            client.close()
            self.assertEqual(set(threading.enumerate()), threads)
            reference = weakref.ref(device)
            del device
            gc.collect()
            self.assertIsNone(reference())


class TestWarpedLoop(TimewarpAsyncTestCase):
    @testing.gen_test(timeout=100)
    def test_slow_command_follows_the_clock(self):
        device = AsyncDeviceTestServer("127.0.0.1", 0)
        device.set_ioloop(self.io_loop)
        device.start()
        req = mock_req("slow-command", 10)
        future = handle_mock_req(device, req)
        yield self.wake_ioloop()
        yield self.set_ioloop_time(9.9)
        yield self.wake_ioloop()
        self.assertFalse(future.done())
        yield self.set_ioloop_time(10)
        reply, _ = yield future
        self.assertEqual(str(reply), "!slow-command ok")
        # The timer of a command that is cancelled ends with it.
        with mock.patch.object(self.io_loop, "remove_timeout") as remove_timeout:
            handle_mock_req(device, mock_req("slow-command", 10, client_conn=req.client_connection))
            yield self.wake_ioloop()
            handle_mock_req(device, mock_req("cancel-slow-command", client_conn=req.client_connection))
            yield self.wake_ioloop()
            self.assertEqual(remove_timeout.call_count, 1)
        yield device.stop()
        self.assertFalse(device.running())
