"""The request handlers, called directly: no socket, mostly no loop."""

from __future__ import absolute_import, division, print_function

import logging
import unittest

import tornado.testing

from katcp import AsyncReply, FailReply, Message, Sensor
from katcp.testutils import (AsyncWaitingMock, ClientConnectionTest, TestLogHandler, TestUtilMixin,
                             WaitingMock, handle_mock_req, mock, mock_req, start_thread_with_cleanup)

from acu.device import AntennaPositioner, AsyncPositioner

log_handler = TestLogHandler()


def setUpModule():
    logging.getLogger("katcp").addHandler(log_handler)


def tearDownModule():
    logging.getLogger("katcp").removeHandler(log_handler)


LIMIT = 10


class TestSynchronousHandlers(unittest.TestCase):
    """A device that is not started answers."""

    def setUp(self):
        self.device = AntennaPositioner("127.0.0.1", 0)

    def ask(self, name, *args):
        req = mock_req(name, *args)
        future = handle_mock_req(self.device, req)
        self.assertTrue(future.done())
        self.assertEqual(future.result(), (req.reply_msg, req.inform_msgs))
        return req

    def assert_reply(self, expected, name, *args):
        self.assertEqual(str(self.ask(name, *args).reply_msg), expected)

    def test_discrete_and_bool(self):
        self.assert_reply("!mode ok slew 0", "mode", "slew")
        self.assert_reply("!mode ok track 1", "mode", "track", 1)
        self.assertEqual(self.device.get_sensor("mode").value(), "track")

    def test_refusal_in_the_return_value(self):
        self.assert_reply("!drive-ok ok 0", "drive-ok", "azim", False)
        self.assert_reply("!mode fail The\\_drives\\_are\\_not\\_ok", "mode", "track")
        self.assertEqual(self.device.get_sensor("mode").value(), "stop")

    def test_refusal_by_exception(self):
        self.assert_reply("!remove-tiltmeter fail There\\_is\\_no\\_tiltmeter\\_north",
                          "remove-tiltmeter", "north")

    def test_bad_arguments(self):
        for args in [("standing",), (), ("slew", "maybe"), ("slew", 1, 2)]:
            reply = self.ask("mode", *args).reply_msg
            self.assertEqual(reply.arguments[0], b"fail", args)
        self.assert_reply("!mode fail Error\\_in\\_parameter\\_1\\_(mode):"
                          "\\_No\\_value\\_or\\_default\\_given", "mode")
        self.assert_reply("!mode fail Too\\_many\\_parameters\\_given.", "mode", "slew", 1, 2)

    def test_unknown_request(self):
        self.assert_reply("!self-destruct invalid Unknown\\_request.", "self-destruct")

    def test_crash(self):
        reply = self.ask("crash").reply_msg
        self.assertEqual(reply.arguments[0], b"fail")
        self.assertIn(b"The encoder does not answer", reply.arguments[1])
        self.assertIn(b"Traceback", reply.arguments[1])

    def test_address(self):
        self.assert_reply("!pointing-server ok 10.0.0.7:5000", "pointing-server", "10.0.0.7:5000")
        self.assertEqual(self.device.get_sensor("pointing-server").value(), ("10.0.0.7", 5000))

    def test_lru(self):
        self.assert_reply("!receiver-state ok", "receiver-state", "error")
        sensor = self.device.get_sensor("receiver-lru")
        self.assertEqual(sensor.read()[1:], (Sensor.ERROR, Sensor.LRU_ERROR))

    def test_timestamps(self):
        self.assert_reply("!schedule ok 0 1234.500000", "schedule", "1234.5")
        self.assert_reply("!schedule ok 1 0.000000", "schedule", "now")

    def test_many_values(self):
        req = self.ask("load-track", "1000.25", 1, 20, 2.5, "21")
        self.assertEqual(str(req.reply_msg), "!load-track ok 2")
        self.assertEqual([str(msg) for msg in req.inform_msgs],
                         ["#load-track 1.0 20.0", "#load-track 2.5 21.0"])
        self.assertEqual(self.device.track, [(1000.25, [(1.0, 20.0), (2.5, 21.0)])])
        self.assert_reply("!load-track fail Not\\_a\\_whole\\_number\\_of\\_points", "load-track", 1, 2)

    def test_several_choices(self):
        self.assert_reply("!bands ok 2 l-band,x-band", "bands", "l-band,x-band")
        self.assert_reply("!bands ok 1 l-band", "bands")
        self.assert_reply("!bands ok 4 l-band,s-band,u-band,x-band", "bands", "all")

    def test_regex_and_default(self):
        self.assert_reply("!name-antenna ok m063-1", "name-antenna", "m063")
        self.assert_reply("!name-antenna ok m000-7", "name-antenna", "m000", 7)
        self.assertEqual(self.ask("name-antenna", "ant1").reply_msg.arguments[0], b"fail")
        self.assertEqual(self.ask("name-antenna", "m063", -1).reply_msg.arguments[0], b"fail")

    def test_message_included(self):
        self.assert_reply("!emergency-stop ok emergency-stop", "emergency-stop", 1)
        self.assertIs(self.device.get_sensor("emergency-stop").value(), True)

    def test_plain_handlers(self):
        self.assert_reply("!echo ok a b\\_c \\@", "echo", "a", "b c", "")
        self.assert_reply("!old-style ok 3", "old-style", 1, 2, 3)

    def test_inform_to_the_client(self):
        req = self.ask("whoami")
        self.assertEqual(str(req.reply_msg), "!whoami ok")
        (msg,), _ = req.client_connection.inform.call_args
        self.assertEqual(msg.name, "you-are")

    def test_standard_requests(self):
        req = self.ask("sensor-list", "pos.actual-azim")
        self.assertEqual([str(msg) for msg in req.inform_msgs], [
            "#sensor-list pos.actual-azim Actual\\_azimuth deg float -185.0 275.0"])
        req = self.ask("sensor-list", "/^pos\\./")
        self.assertEqual(str(req.reply_msg), "!sensor-list ok 5")
        req = self.ask("help", "stop")
        self.assertEqual(str(req.inform_msgs[0]), "#help stop Stop\\_the\\_antenna.")
        self.assert_reply("!watchdog ok", "watchdog")

    def test_mass_inform_goes_to_all(self):
        with mock.patch.object(self.device, "mass_inform") as mass_inform:
            self.assert_reply("!fit-tiltmeter ok", "fit-tiltmeter", "north", 1.5)
        self.assertEqual([str(call[0][0]) for call in mass_inform.call_args_list],
                         ["#interface-changed sensor-list"])
        self.assertTrue(self.device.has_sensor("tilt.north"))

    def test_calls_to_the_request_are_recorded(self):
        req = mock_req("load-track", 1, 2, 3)
        handle_mock_req(self.device, req)
        req.inform.assert_called_once_with(2.0, 3.0)
        self.assertEqual(req.reply.call_count, 1)
        self.assertEqual(req.reply.call_args[0], (b"ok", b"1"))

    def test_handler_method(self):
        req = mock_req("mode", "stow")
        reply = self.device.request_mode(req, req.msg)
        self.assertEqual(reply, Message.reply("mode", "ok", "stow", False))
        with self.assertRaises(FailReply):
            self.device.request_mode(req, Message.request("mode", "standing"))

    def test_async_reply_is_raised(self):
        self.device.ioloop = mock.Mock()
        req = mock_req("stow")
        with self.assertRaises(AsyncReply):
            self.device.request_stow(req, req.msg)
        self.assertEqual(self.device.ioloop.add_callback.call_count, 1)
        self.assertIs(req.reply_msg, None)
        self.assertFalse(req.reply_and_inform_msgs_future.done())


class TestConnectionDouble(unittest.TestCase, TestUtilMixin):
    """Messages handled for a client that notes down what it is sent."""

    def setUp(self):
        self.device = AntennaPositioner("127.0.0.1", 0)
        self.conn = ClientConnectionTest()

    def test_requests(self):
        self.device.handle_message(self.conn, Message.request("name-antenna", "m001", mid=5))
        self.device.handle_message(self.conn, Message.request("help", "stop"))
        self._assert_msgs_equal(self.conn.replies, ["!name-antenna ok m001-1", "!help ok 1"])
        self._assert_msgs_equal(self.conn.informs, ["#help stop Stop\\_the\\_antenna."])
        self.assertEqual(len(self.conn.messages), 3)
        self.assertEqual(self.conn.mass_informs, [])

    def test_like_and_match(self):
        self.device.handle_message(self.conn, Message.request("crash"))
        self._assert_msgs_like(self.conn.replies, [("!crash fail Traceback", "answer\\n")])
        self._assert_msgs_match(self.conn.replies, [r"!crash fail .*RuntimeError"])
        self._assert_msgs_length(self.conn.messages, 1)
        with self.assertRaises(AssertionError):
            self._assert_msgs_length(self.conn.messages, 2)
        with self.assertRaises(AssertionError):
            self._assert_msgs_equal(self.conn.messages, ["!crash ok"])

    def test_informs_and_replies_of_clients(self):
        self.device.handle_message(self.conn, Message.inform("clock-sync", "1234.5"))
        self.device.handle_message(self.conn, Message.inform("no-such-inform"))
        self.device.handle_message(self.conn, Message.reply("no-such-request", "ok"))
        self.assertEqual(self.device.clock_syncs, [1234.5])
        self.assertEqual(self.conn.messages, [])

    def test_a_failing_inform_handler_is_logged(self):
        log_handler.clear()
        self.device.handle_message(self.conn, Message.inform("clock-sync", "noon"))
        self.assertEqual(self.conn.messages, [])
        self.assertTrue([record for record in log_handler._records if record.levelno >= logging.ERROR])


class TestStartedDevice(unittest.TestCase):
    """Handlers that need the loop of the device."""

    DEVICE_CLASS = AntennaPositioner

    def setUp(self):
        self.device = self.DEVICE_CLASS("127.0.0.1", 0)
        self.device.PIN_SECONDS = 0
        start_thread_with_cleanup(self, self.device, timeout=LIMIT, start_timeout=LIMIT)

    def handle(self, req):
        """Have a request handled where coroutines go on."""
        self.device.ioloop.add_callback(handle_mock_req, self.device, req)

    def test_coroutine(self):
        req = mock_req("slew", 30, 40)
        self.handle(req)
        req.inform.assert_wait_call_count(1, timeout=LIMIT)
        self.device.advance(1000)
        req.reply.assert_wait_call_count(1, timeout=LIMIT)
        self.assertEqual(str(req.reply_msg), "!slew ok 30.0 40.0")
        self.assertEqual(len(req.inform_msgs), 1)

    def test_coroutine_that_is_refused(self):
        self.device.get_sensor("emergency-stop").set_value(True)
        req = mock_req("slew", 30, 40)
        self.handle(req)
        req.reply.assert_wait_call_count(1, timeout=LIMIT)
        self.assertEqual(str(req.reply_msg), "!slew fail The\\_emergency\\_stop\\_is\\_pressed")

    def test_reply_from_a_callback(self):
        req = mock_req("stow")
        req.reply_with_message = WaitingMock()
        self.handle(req)
        req.reply_with_message.assert_wait_call_count(1, timeout=LIMIT)
        (reply,), _ = req.reply_with_message.call_args
        self.assertEqual(str(reply), "!stow ok pins\\_in 1")
        self.assertEqual([str(msg) for msg in req.inform_msgs], ["#stow driving 90.0"])

    def test_shared_client_connection(self):
        client_conn = WaitingMock()
        for name in ("stop", "watchdog"):
            req = mock_req(name, client_conn=client_conn)
            self.assertIs(req.client_connection, client_conn)
        with self.assertRaises(TypeError):
            mock_req("stop", client_conn=client_conn, server=self.device)


class TestStartedAsyncDevice(TestStartedDevice):
    DEVICE_CLASS = AsyncPositioner


class TestOnOwnLoop(tornado.testing.AsyncTestCase):
    """A device on the loop of the test."""

    def setUp(self):
        super(TestOnOwnLoop, self).setUp()
        self.device = AsyncPositioner("127.0.0.1", 0)
        self.device.set_ioloop(self.io_loop)
        self.device.start()

    def tearDown(self):
        self.io_loop.run_sync(lambda: self.device.stop(), timeout=LIMIT)
        super(TestOnOwnLoop, self).tearDown()

    @tornado.testing.gen_test(timeout=LIMIT)
    def test_coroutine(self):
        req = mock_req("slew", 21, 20)
        future = handle_mock_req(self.device, req)
        self.assertFalse(future.done())
        self.device.advance(0.25)
        self.assertFalse(future.done())
        self.device.advance(0.25)
        reply, informs = yield future
        self.assertEqual(str(reply), "!slew ok 21.0 20.0")
        self.assertEqual([str(msg) for msg in informs], ["#slew 1.0"])

    @tornado.testing.gen_test(timeout=LIMIT)
    def test_waiting_for_calls(self):
        on_error = AsyncWaitingMock()
        observer = mock.Mock()
        observer.update = on_error
        self.device.get_sensor("pos.error").attach(observer)
        self.io_loop.add_callback(self.device.get_sensor("pos.actual-azim").set_value, 23)
        yield on_error.assert_wait_call_count(1, timeout=LIMIT)
        self.assertEqual(on_error.call_args[0][1].value, 3)
        on_error.reset_mock()
        self.assertEqual(on_error.call_count, 0)
        self.device.get_sensor("pos.error").detach(observer)
