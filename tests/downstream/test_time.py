"""What takes time, on a loop whose clock the tests move."""

from __future__ import absolute_import, division, print_function

import logging

from tornado import gen, testing

from katcp import AsyncClient, Message
from katcp.core import AsyncEvent, until_any
from katcp.testutils import (AsyncDeviceTestServer, AsyncWaitingMock, ClientConnectionTest, DeviceTestServer,
                             TestLogHandler, TestUtilMixin, TimewarpAsyncTestCase,
                             TimewarpAsyncTestCaseTimeAdvancer, handle_mock_req, mock, mock_req,
                             start_thread_with_cleanup, wait_sensor_async)

from acu.device import AsyncPositioner

log_handler = TestLogHandler()


def setUpModule():
    logging.getLogger("katcp").addHandler(log_handler)


def tearDownModule():
    logging.getLogger("katcp").removeHandler(log_handler)


LIMIT = 10


class WarpTestCase(TimewarpAsyncTestCase, TestUtilMixin):
    """An antenna and a client of it on a loop with a clock of its own."""

    TICK = 1

    def setUp(self):
        super(WarpTestCase, self).setUp()
        self.device = AsyncPositioner("127.0.0.1", 0, tick=self.TICK)
        self.device.set_ioloop(self.io_loop)
        self.device.start()
        self.client = AsyncClient("127.0.0.1", self.device.bind_address[1], auto_reconnect=True)
        self.client.set_ioloop(self.io_loop)

    @gen.coroutine
    def connect(self):
        self.client.start()
        yield self.client.until_protocol()

    @gen.coroutine
    def disconnect(self):
        self.client.stop()
        yield self.client.until_stopped()
        yield self.device.stop()

    @gen.coroutine
    def ask(self, *args, **kwargs):
        """Make a request that is answered at once, and return the reply's arguments as text."""
        reply, _ = yield self.client.future_request(Message.request(*args), **kwargs)
        raise gen.Return([arg.decode("utf-8") for arg in reply.arguments])

    @gen.coroutine
    def move_clock(self, seconds, step=1):
        """Move the clock on in steps; what happens over the network at each has come to its end."""
        end = self.ioloop_time + seconds
        while self.ioloop_time < end:
            yield self.set_ioloop_time(min(end, self.ioloop_time + step))
            if self.client.is_connected():
                yield self.ask("watchdog")


class TestMoving(WarpTestCase):
    @testing.gen_test(timeout=1000)
    def test_slew(self):
        yield self.connect()
        slewing = self.client.future_request(Message.request("slew", 30, 23), timeout=100)
        yield self.move_clock(4)
        self.assertEqual((yield self.ask("sensor-value", "mode")), ["ok", "1"])
        self.assertEqual(self.device.get_sensor("pos.actual-azim").value(), 28)
        self.assertEqual(self.device.get_sensor("pos.actual-elev").value(), 23)
        self.assertFalse(slewing.done())
        yield self.move_clock(1)
        reply, informs = yield slewing
        self.assertEqual(reply.arguments, [b"ok", b"30.0", b"23.0"])
        self.assertEqual(len(informs), 1)
        yield self.disconnect()

    @testing.gen_test(timeout=1000)
    def test_stow_takes_as_long_as_the_pins(self):
        yield self.connect()
        stowing = self.client.future_request(Message.request("stow"), timeout=100)
        yield self.ask("watchdog")
        yield self.move_clock(self.device.PIN_SECONDS - 0.5, step=0.5)
        self.assertFalse(stowing.done())
        yield self.move_clock(0.5)
        reply, informs = yield stowing
        self.assertEqual(reply.arguments, [b"ok", b"pins in", b"1"])
        self.assertEqual(self.device.get_sensor("last-stow-time").value(), self.device.PIN_SECONDS)
        yield self.disconnect()

    @testing.gen_test(timeout=1000)
    def test_stow_without_network(self):
        req = mock_req("stow")
        future = handle_mock_req(self.device, req)
        req.reply_with_message = mock.Mock()
        yield self.wake_ioloop()
        yield self.set_ioloop_time(2.999)
        self.assertEqual(req.reply_with_message.call_count, 0)
        yield self.set_ioloop_time(3)
        self.assertEqual(req.reply_with_message.call_count, 1)
        self.assertFalse(future.done())
        yield self.device.stop()

    @testing.gen_test(timeout=1000)
    def test_waiting_for_a_sensor(self):
        self.device.azim.target = 26
        arriving = wait_sensor_async(self.device.get_sensor("pos.actual-azim"), 26)
        for now in (1, 2):
            yield self.set_ioloop_time(now)
            self.assertFalse(arriving.done())
        yield self.set_ioloop_time(3)
        self.assertTrue((yield arriving))
        yield self.device.stop()


class TestSampling(WarpTestCase):
    """When sensors are reported."""

    @gen.coroutine
    def sample(self, *strategy):
        yield self.connect()
        self.reports = []
        self.client._inform_handlers = dict(self.client._inform_handlers)
        self.client._inform_handlers["sensor-status"] = self._note_report
        reply = yield self.ask("sensor-sampling", *strategy)
        self.assertEqual(reply[0], "ok")
        yield self.ask("watchdog")

    def _note_report(self, client, msg):
        self.reports.append((self.ioloop_time, float(msg.arguments[4])))

    @testing.gen_test(timeout=1000)
    def test_period(self):
        self.device.azim.target = 200
        yield self.sample("pos.actual-azim", "period", 2.5)
        first = self.reports.pop()
        self.assertEqual(first, (0, 20.0))
        yield self.move_clock(10, step=0.5)
        times = [when for when, _ in self.reports]
        self.assertEqual(times, [2.5, 5.0, 7.5, 10.0])
        yield self.ask("sensor-sampling", "pos.actual-azim", "none")
        yield self.move_clock(10)
        self.assertEqual(len(self.reports), 4)
        yield self.disconnect()

    @testing.gen_test(timeout=1000)
    def test_event(self):
        yield self.sample("pos.actual-azim", "event")
        yield self.move_clock(1)
        self.device.azim.target = 22
        yield self.move_clock(5)
        self.assertEqual(self.reports[-1], (2, 22.0))
        self.assertEqual([value for _, value in self.reports[-2:]], [20, 22])
        yield self.disconnect()

    @testing.gen_test(timeout=1000)
    def test_event_rate(self):
        self.device.azim.target = 30
        yield self.sample("pos.actual-azim", "event-rate", 2, 20)
        yield self.move_clock(40, step=0.5)
        times = [when for when, _ in self.reports]
        self.assertEqual(self.reports[0], (0, 20))
        self.assertEqual(self.reports[-1][1], 30)
        self.assertTrue(all(later - earlier >= 2 for earlier, later in zip(times, times[1:])), times)
        # While it stands still it is reported, too, if seldom.
        self.assertGreaterEqual(times[-1], 20)
        self.assertLess(len(times), 8)
        yield self.disconnect()


class TestClientTime(WarpTestCase):
    @testing.gen_test(timeout=1000)
    def test_request_timeout(self):
        yield self.connect()
        slewing = self.client.future_request(Message.request("slew", 275, 90), timeout=7)
        yield self.ask("watchdog")
        yield self.set_ioloop_time(6.999)
        self.assertFalse(slewing.done())
        yield self.set_ioloop_time(7.001)
        reply, informs = yield slewing
        self.assertEqual(reply.arguments[0], b"fail")
        self.assertIn(b"timed out", reply.arguments[1])
        yield self.disconnect()

    @testing.gen_test(timeout=1000)
    def test_reconnection(self):
        notified = AsyncWaitingMock()
        self.client.notify_connected = notified
        self.client.auto_reconnect_delay = 60
        yield self.set_ioloop_time(10)
        yield self.connect()
        self.assertEqual(self.client.last_connect_time, 10)
        self.client.disconnect()
        yield notified.assert_wait_call_count(2, timeout=LIMIT)
        # The client goes to sleep before the clock is moved.
        yield self.client.until_protocol() if self.client.is_connected() else gen.moment
        for _ in range(10):
            yield gen.moment
        yield self.set_ioloop_time(69)
        self.assertFalse(self.client.is_connected())
        yield self.set_ioloop_time(71)
        yield notified.assert_wait_call_count(3, timeout=LIMIT)
        self.assertEqual(self.client.last_connect_time, 71)
        self.assertEqual([call[0][0] for call in notified.call_args_list], [True, False, True])
        yield self.disconnect()

    @testing.gen_test(timeout=1000)
    def test_waiting_with_a_timeout(self):
        event, other = AsyncEvent(self.io_loop), AsyncEvent(self.io_loop)
        waiting = event.until_set(timeout=30)
        any_of_them = until_any(event.until_set(), other.until_set())
        yield self.set_ioloop_time(29)
        self.assertFalse(waiting.done())
        yield self.set_ioloop_time(30.5)
        with self.assertRaises(gen.TimeoutError):
            yield waiting
        self.assertFalse(any_of_them.done())
        other.set()
        yield any_of_them
        yield self.device.stop()


class Advancer(TimewarpAsyncTestCaseTimeAdvancer):
    def stop(self, *args, **kwargs):
        try:
            super(Advancer, self).stop(*args, **kwargs)
        except Exception:  # katcp 0.9: when it has just made its last step; it does stop
            pass


class TestAdvancer(WarpTestCase):
    """Time that passes by itself, only faster."""

    TICK = 0.5

    @testing.gen_test(timeout=100000)
    def test_long_slew(self):
        yield self.connect()
        Advancer(self, quantum=0.25).start()
        reply, _ = yield self.client.future_request(Message.request("slew", 120, 40), timeout=1000)
        self.assertEqual(reply.arguments, [b"ok", b"120.0", b"40.0"])
        self.assertGreaterEqual(self.ioloop_time, 50)
        yield self.disconnect()


class TestStockServers(TimewarpAsyncTestCase, TestUtilMixin):
    """The servers that come with the tools, against which clients are tested."""

    @testing.gen_test(timeout=1000)
    def test_messages_received(self):
        server = DeviceTestServer("127.0.0.1", 0)
        start_thread_with_cleanup(self, server, timeout=LIMIT, start_timeout=LIMIT)
        client = AsyncClient(*server.bind_address)
        client.set_ioloop(self.io_loop)
        client.start()
        yield client.until_protocol()
        for args in [("an-int", 3), ("sensor-value", "an.int"), ("raise-fail",)]:
            yield client.future_request(Message.request(*args))
        messages = server.until_messages(3).result(timeout=LIMIT)
        self._assert_msgs_equal(messages, ["?an-int[1] 3", "?sensor-value[2] an.int", "?raise-fail[3]"])
        self.assertEqual(sorted(server.sensor_names), ["a.discrete", "a.float", "a.floatwithzero", "an.int"])
        self.assertIn("slow-command", server.request_names)
        client.stop()
        yield client.until_stopped()

    @testing.gen_test(timeout=1000)
    def test_slow_command_is_cancelled(self):
        server = AsyncDeviceTestServer("127.0.0.1", 0)
        server.set_ioloop(self.io_loop)
        server.start()
        client = AsyncClient(*server.bind_address)
        client.set_ioloop(self.io_loop)
        client.start()
        yield client.until_protocol()
        slow = client.future_request(Message.request("slow-command", 1000), timeout=100)
        again, _ = yield client.future_request(Message.request("slow-command", 0.1))
        self.assertFalse(again.reply_ok())
        self.assertFalse(slow.done())
        cancelled, _ = yield client.future_request(Message.request("cancel-slow-command"))
        self.assertTrue(cancelled.reply_ok())
        reply, _ = yield slow
        self.assertTrue(reply.reply_ok())
        client.stop()
        yield client.until_stopped()
        yield server.stop()

    @testing.gen_test(timeout=1000)
    def test_breaking_a_server(self):
        server = DeviceTestServer("127.0.0.1", 0)
        server.break_help = "No help today"
        server.break_sensor_list = "Nor sensors"
        conn = ClientConnectionTest()
        server.handle_message(conn, Message.request("help"))
        server.handle_message(conn, Message.request("sensor-list"))
        self._assert_msgs_equal(conn.replies, [
            "!help fail No\\_help\\_today", "!sensor-list fail Nor\\_sensors"])
        server._request_handlers["reboot"] = lambda server, req, msg: req.make_reply("ok")
        server.handle_message(conn, Message.request("reboot"))
        self.assertEqual(str(conn.replies[-1]), "!reboot ok")
        self.assertNotIn("reboot", DeviceTestServer._request_handlers)
