"""The device over the network, seen by a client that knows how to assert."""

from __future__ import absolute_import, division, print_function

import functools
import logging
import threading
import unittest

from katcp import BlockingClient, CallbackClient, Message, Sensor
from katcp.testutils import (BlockingTestClient, SensorTransitionStatusWaiter, SensorTransitionWaiter,
                             TestLogHandler, TestUtilMixin, WaitingMock, call_in_ioloop, counting_callback,
                             start_thread_with_cleanup, wait_sensor)

from acu.device import AntennaPositioner, AsyncPositioner, HintingPositioner
from acu.weather import WeatherMast

log_handler = TestLogHandler()


def setUpModule():
    logging.getLogger("katcp").addHandler(log_handler)


def tearDownModule():
    logging.getLogger("katcp").removeHandler(log_handler)


LIMIT = 10


class DeviceTestCase(unittest.TestCase, TestUtilMixin):
    DEVICE_CLASS = AntennaPositioner

    def setUp(self):
        self.device = self.DEVICE_CLASS("127.0.0.1", 0)
        start_thread_with_cleanup(self, self.device, timeout=LIMIT, start_timeout=LIMIT)
        self.client = self.connect()

    def connect(self):
        host, port = self.device.bind_address
        client = BlockingTestClient(self, host, port)
        start_thread_with_cleanup(self, client, timeout=LIMIT, start_timeout=LIMIT)
        self.assertTrue(client.wait_protocol(LIMIT))
        return client


class TestInterface(DeviceTestCase):
    def test_sensor_list(self):
        self.client.test_sensor_list([
            ("azim.drive-ok", "State of the azimuth drive", "", "boolean"),
            ("command-count", "Number of commands accepted", "", "integer", "0", "2147483648"),
            ("device-status", "State of the device", "", "discrete", "ok", "degraded", "fail"),
            ("drives-ok", "Whether all drives are fine", "", "boolean"),
            ("elev.drive-ok", "State of the elevation drive", "", "boolean"),
            ("emergency-stop", "Whether the emergency stop is pressed", "", "boolean"),
            ("last-fault", "Description of the last fault", "", "string"),
            ("last-stow-time", "When the antenna was last stowed", "", "timestamp"),
            ("mode", "What the antenna is doing", "", "discrete", "stop", "slew", "track", "stow"),
            ("pointing-server", "Where corrections come from", "", "address"),
            ("pos.actual-azim", "Actual azimuth", "deg", "float", -185, 275),
            ("pos.actual-elev", "Actual elevation", "deg", "float", "15.0", 92.0),
            ("pos.error", "Distance from the requested position", "deg", "float"),
            ("pos.requested-azim", "Requested azimuth", "deg", "float", "-185.0", "275.0"),
            ("pos.requested-elev", "Requested elevation", "deg", "float", "15.0", "92.0"),
            ("receiver-lru", "State of the receiver", "", "lru"),
        ])

    def test_sensor_list_that_differs(self):
        with self.assertRaises(AssertionError) as raised:
            self.client.test_sensor_list([("mode", "", "", "discrete")], ignore_descriptions=True)
        self.assertIn("last-fault", str(raised.exception))

    def test_help(self):
        expected = ["slew", "stop", "stow", "load-track", "mode", "pointing-server", "receiver-state",
                    "schedule", "bands", "name-antenna", "fault", "drive-ok", "emergency-stop", "echo",
                    "old-style", "crash", "whoami", "fit-tiltmeter", "remove-tiltmeter"]
        self.client.test_help(expected)
        with self.assertRaises(AssertionError):
            self.client.test_help(expected[1:])

    def test_help_with_descriptions(self):
        self.device._request_handlers = {
            "stop": self.device._request_handlers["stop"], "help": self.device._request_handlers["help"]}
        self.client.test_help([("stop", "Stop the antenna.")])
        with self.assertRaises(AssertionError):
            self.client.test_help([("stop", "Go on.")])

    def test_versions(self):
        _, informs = self.client.blocking_request(Message.request("version-list"))
        self.assertEqual([inform.arguments[0] for inform in informs],
                         [b"katcp-protocol", b"katcp-library", b"katcp-device"])
        self.assertEqual(informs[0].arguments[1], b"5.0-IM")
        self.assertEqual(informs[2].arguments[1:], [b"antenna-positioner-2.1", b"acu-simulator-0.3rc1"])
        self.assertEqual(self.client.versions["katcp-device"],
                         ("antenna-positioner-2.1", "acu-simulator-0.3rc1"))

    def test_clients(self):
        other = self.connect()
        replies, informs = other.blocking_request(Message.request("client-list"))
        self.assertEqual(replies.arguments, [b"ok", b"2"])
        addresses = set(inform.arguments[0].decode("ascii") for inform in informs)
        self.assertEqual(addresses, set([self.client.sockname_string, other.sockname_string]))

    def test_log_level(self):
        self.assertEqual(self.client.assert_request_succeeds("log-level", "error"), ["error"])
        self.assertEqual(self.client.assert_request_succeeds("log-level"), ["error"])
        self.client.assert_request_fails("log-level", "deafening", status_equals="fail")


class TestRequests(DeviceTestCase):
    def test_arguments_of_replies(self):
        ask = self.client.assert_request_succeeds
        ask("mode", "stow", args_equal=["stow", "0"])
        ask("mode", "stow", 1, args_echo=True)
        ask("bands", "l-band,s-band", args_in=[["1", "l-band"], ("2", "l-band,s-band")])
        ask("help", informs_count=30)
        ask("watchdog", args_length=0)
        ask("load-track", 1, 2, 3, informs_args_equal=[["2.0", "3.0"]])
        self.assertEqual(ask("echo", "a", "b c", ""), ["a", "b c", ""])

    def test_expectations_that_are_not_met(self):
        ask = self.client.assert_request_succeeds
        for args, kwargs in [(("mode", "stow"), dict(args_equal=["stow", "1"])),
                             (("mode", "stow"), dict(args_length=3)),
                             (("load-track", 1, 2, 3), dict(informs_count=0)),
                             (("mode", "standing"), {}),
                             (("no-such-request",), {})]:
            with self.assertRaises(AssertionError):
                ask(*args, **kwargs)
        with self.assertRaises(AssertionError):
            self.client.assert_request_fails("watchdog")

    def test_failures(self):
        refuse = self.client.assert_request_fails
        refuse("remove-tiltmeter", "north", status_equals="fail", error_equals="There is no tiltmeter north")
        refuse("no-such-request", status_equals="invalid", error_equals="Unknown request.")
        refuse("slew", 400, 20, status_equals="fail")
        status, error = refuse("crash", status_equals="fail")
        self.assertIn("The encoder does not answer", error)

    def test_many_clients(self):
        clients = [self.connect() for _ in range(5)]
        for number, client in enumerate(clients):
            client.assert_request_succeeds("name-antenna", "m001", number, args_equal=["m001-%d" % number])

    def test_setter_requests(self):
        self.client.test_setter_request(
            "pointing-server", "pointing-server", good=["10.1.2.3:4000"], bad=["nowhere:much"],
            args_echo=True)
        self.client.test_setter_request("fault", "last-fault", good=["smoke", "fire"])
        with self.assertRaises(AssertionError):
            self.client.test_setter_request("fault", "mode", good=["smoke"])
        self.client.test_setter_request(
            "emergency-stop", "emergency-stop", sensortype=bool, good=[True, False], bad=["perhaps"])

    def test_multi_setter_request(self):
        self.client.test_multi_setter_request(
            "drive-ok",
            good=[(("azim", False), [("azim.drive-ok", False, bool), ("drives-ok", False, bool),
                                     ("device-status", "degraded")],
                   dict(statuses=[("device-status", "warn"), ("drives-ok", "nominal")])),
                  (("azim", True), [("drives-ok", True, bool), ("device-status", "ok")])],
            bad=[("gimbal", True), ("azim", 7), ()])

    def test_requests_with_and_without_ids(self):
        recorder = self.client.message_recorder(replies=True, informs=False)
        self.client.raw_send(b"?watchdog[77]\n?watchdog\r\n\n?name-antenna[78] m0")
        self.client.raw_send(b"01\r")
        self.assertTrue(recorder.wait_number(3, timeout=LIMIT))
        self._assert_msgs_equal(recorder(), [
            "!watchdog[77] ok", "!watchdog ok", "!name-antenna[78] ok m001-1"])

    def test_bad_input(self):
        recorder = self.client.message_recorder(whitelist=["log"])
        self.client.raw_send(b"this is no message\n")
        messages = recorder.get_msgs(1, timeout=LIMIT)
        self._assert_msgs_length(messages, 1)
        self.assertEqual(messages[0].arguments[0], b"error")
        self.client.assert_request_succeeds("watchdog")

    def test_escapes(self):
        ohm = u"\u2126".encode("utf-8")
        reply, _ = self.client.blocking_request(Message.request("echo", b"\x00 \\\t\n\x1b", ohm))
        self.assertEqual(reply.arguments, [b"ok", b"\x00 \\\t\n\x1b", ohm])


class TestSlowRequests(DeviceTestCase):
    """Coroutines, callbacks, and who waits for whom."""

    def slew(self, azim, elev):
        """Start to slew and return what the reply will be found in."""
        recorder = self.client.message_recorder(whitelist=["slew"], replies=True)
        self.client.callback_request(Message.request("slew", azim, elev))
        self.assertTrue(recorder.wait_number(1, timeout=LIMIT))
        return recorder

    def test_slew(self):
        slewing = self.slew(22, 24)
        self.assertEqual(self.client.get_sensor_value("mode"), "slew")
        self.client.assert_sensor_equals("pos.error", 20 ** 0.5, float, status="warn")
        self.device.advance(1)
        # Others are served, and so is the same client: the handler is marked as concurrent.
        self.client.assert_sensors_equal([("pos.actual-azim", 22, float), ("pos.actual-elev", 21, float, 3)])
        self.device.advance(3)
        self.client.wait_until_sensor_equals(LIMIT, "mode", "track")
        messages = slewing.get_msgs(2, timeout=LIMIT)
        self._assert_msgs_length(messages, 2)
        self.assertEqual([message.mtype for message in messages], [Message.INFORM, Message.REPLY])
        self.assertEqual(messages[1].arguments, [b"ok", b"22.0", b"24.0"])
        self.assertEqual(messages[0].mid, messages[1].mid)

    def test_stopped(self):
        slewing = self.slew(22, 24)
        other = self.connect()
        other.assert_request_fails("slew", 30, 30, error_equals="The antenna is moving already")
        other.assert_request_succeeds("stop", args_equal=["slew"])
        reply = slewing.get_msgs(2, timeout=LIMIT)[-1]
        self.assertEqual(reply.arguments, [b"fail", b"The antenna was stopped"])

    def test_stow(self):
        self.device.PIN_SECONDS = 0
        self.client.assert_request_succeeds(
            "stow", args_equal=["pins in", "1"], informs_args_equal=[["driving", "90.0"]])
        self.client.assert_sensor_status_equals("last-stow-time", "nominal")

    def test_timeout_of_the_client(self):
        reply, _ = self.client.blocking_request(Message.request("slew", 30, 30), timeout=0.01)
        self.assertEqual(reply.arguments[0], b"fail")
        self.assertIn(b"timed out", reply.arguments[1])
        self.client.assert_request_succeeds("stop")

    def test_callback_per_request(self):
        done = counting_callback(number_of_calls=3)
        replies = []

        @done
        def on_reply(msg, number):
            replies.append((number, str(msg)))

        for number in range(3):
            self.client.callback_request(Message.request("echo", number, mid=100 + number), reply_cb=on_reply,
                                         user_data=(number,))
        self.assertTrue(on_reply.assert_wait(LIMIT))
        self.assertEqual(on_reply.get_no_calls(), 3)
        self.assertEqual(replies, [(n, "!echo[{0}] ok {1}".format(100 + n, n)) for n in range(3)])

    def test_device_that_goes_away(self):
        disconnected = threading.Event()
        self.client.notify_connected = lambda connected: connected or disconnected.set()
        slewing = self.client.message_recorder(whitelist=["slew"])
        on_reply = WaitingMock()
        self.client.callback_request(Message.request("slew", 30, 30), reply_cb=on_reply,
                                     inform_cb=WaitingMock())
        self.assertTrue(slewing.wait_number(1, timeout=LIMIT))
        self.device.stop()
        self.device.join(LIMIT)
        self.assertTrue(disconnected.wait(LIMIT))
        on_reply.assert_wait_call_count(1, timeout=LIMIT)
        self.assertEqual(on_reply.call_args[0][0].arguments[0], b"fail")
        self.client.assert_request_fails("watchdog")

    def test_device_that_comes_back(self):
        self.client.auto_reconnect_delay = 0.01
        reconnected = threading.Event()
        self.client.notify_connected = lambda connected: connected and reconnected.set()
        self.device.stop()
        self.device.join(LIMIT)
        self.device.start(LIMIT)
        self.assertTrue(reconnected.wait(LIMIT))
        self.assertTrue(self.client.wait_protocol(LIMIT))
        self.client.assert_request_succeeds("watchdog")


class TestSlowRequestsAsync(TestSlowRequests):
    DEVICE_CLASS = AsyncPositioner


class TestSensors(DeviceTestCase):
    def test_values_of_all_types(self):
        self.device.get_sensor("last-fault").set(1234.5, Sensor.ERROR, "smoke in the pedestal")
        self.assertEqual(self.client.get_sensor("last-fault"), ("smoke in the pedestal", "error", 1234.5))
        self.assertEqual(self.client.get_sensor_timestamp("last-fault"), 1234.5)
        self.client.assert_sensor_equals("command-count", 0, int)
        self.client.assert_sensor_equals("pos.actual-azim", 20.00000001, float)
        self.client.assert_sensor_equals("drives-ok", True, bool, status="nominal")
        self.client.assert_sensor_equals("receiver-lru", "nominal")
        self.client.assert_sensor_equals("pointing-server", "0.0.0.0:0", status="inactive")
        self.client.assert_sensor_not_equal("mode", "slew")
        self.client.assert_sensors_not_equal([("mode", "slew"), ("pos.actual-azim", 20.1, float, 7)])
        self.client.assert_sensor_status_equals("last-stow-time", "unknown")

    def test_assertions_that_fail(self):
        for check, args in [(self.client.assert_sensor_equals, ("mode", "slew")),
                            (self.client.assert_sensor_not_equal, ("mode", "stop")),
                            (self.client.assert_sensor_status_equals, ("mode", "warn")),
                            (self.client.assert_sensors_equal, ([("mode", "slew")],)),
                            (self.client.get_sensor, ("no.such-sensor",)),
                            (self.client.get_sensor, ("/pos/",)),
                            (functools.partial(self.client.get_sensor_value, sensortype=int), ("mode",)),
                            (self.client.wait_until_sensor_equals, (0.01, "mode", "slew")),
                            (self.client.wait_until_sensors_equal, (0.01, [("mode", "slew")]))]:
            with self.assertRaises(AssertionError):
                check(*args)

    def test_custom_message(self):
        with self.assertRaises(AssertionError) as raised:
            self.client.assert_sensor_equals("mode", "slew", msg="Still in %r")
        self.assertIn("Still in 'stop'", str(raised.exception))

    def test_waiting_through_the_client(self):
        self.device.ioloop.add_callback(self.device.advance, 0)
        self.device.get_sensor("pos.requested-azim").set_value(30)
        self.device.azim.target = 30
        self.device.ioloop.add_callback(self.device.advance, 100)
        self.client.wait_until_sensors_equal(LIMIT, [
            ("pos.actual-azim", 30, float), ("pos.error", 0.0, float)])
        condition, text = self.client.wait_condition(
            LIMIT, lambda name: self.client.get_sensor_status(name) == "nominal", "pos.error")
        self.assertTrue(condition)
        self.assertEqual(text, "")
        condition, text = self.client.wait_condition(0.01, lambda: None, poll_period=0.001)
        self.assertFalse(condition)
        self.assertEqual(text, "Timed out after 0.01 seconds")

    def test_waiting_on_sensors_of_the_device(self):
        status = self.device.get_sensor("device-status")
        changes = SensorTransitionWaiter(status, ["ok", "degraded", "fail", "ok"])
        full_changes = SensorTransitionStatusWaiter(
            status, [(Sensor.NOMINAL, "ok"), (Sensor.WARN, "degraded"), (Sensor.ERROR, "fail")])
        for request in [("drive-ok", "elev", False), ("emergency-stop", True), ("drive-ok", "elev", True),
                        ("emergency-stop", False)]:
            self.client.callback_request(Message.request(*request))
        self.assertTrue(changes.wait(timeout=LIMIT))
        self.assertTrue(full_changes.wait(timeout=LIMIT))
        self.assertFalse(changes.timed_out)
        self.assertTrue(wait_sensor(status, "ok", timeout=LIMIT))
        self.assertTrue(wait_sensor(status, "ok", status=Sensor.NOMINAL, timeout=LIMIT))
        self.assertFalse(wait_sensor(status, "fail", timeout=0.001))


class TestSampling(DeviceTestCase):
    def sample(self, name, *strategy):
        recorder = self.client.message_recorder(whitelist=["sensor-status"])
        self.client.assert_request_succeeds("sensor-sampling", name, *strategy, args_echo=False)
        return recorder

    def values(self, recorder, number):
        self.assertTrue(recorder.wait_number(number, timeout=LIMIT))
        # Whatever was going to be sent has been sent before this is answered.
        self.client.assert_request_succeeds("watchdog")
        return [msg.arguments[2:] for msg in recorder()]

    def test_event(self):
        recorder = self.sample("mode", "event")
        for mode in ("stop", "slew", "slew", "track"):
            self.client.assert_request_succeeds("mode", mode)
        self.assertEqual(self.values(recorder, 3), [
            [b"mode", b"nominal", b"stop"], [b"mode", b"nominal", b"slew"], [b"mode", b"nominal", b"track"]])

    def test_differential(self):
        self.device.advance(0)
        recorder = self.sample("pos.actual-azim", "differential", 5)
        self.device.azim.target = 40
        for _ in range(10):
            self.device.advance(1)
        self.device.sync_with_ioloop(LIMIT)
        values = [float(arguments[2]) for arguments in self.values(recorder, 4)]
        self.assertEqual(values, [20, 26, 32, 38])

    def test_period(self):
        recorder = self.sample("drives-ok", "period", 0.01)
        self.assertTrue(recorder.wait_number(5, timeout=LIMIT))
        self.client.assert_request_succeeds("sensor-sampling", "drives-ok", "none")
        self.assertEqual(set(tuple(msg.arguments[1:]) for msg in recorder()),
                         set([(b"1", b"drives-ok", b"nominal", b"1")]))

    def test_strategy_of_each_client(self):
        other = self.connect()
        self.sample("mode", "event")
        self.assertEqual(self.client.assert_request_succeeds("sensor-sampling", "mode"), ["mode", "event"])
        self.assertEqual(other.assert_request_succeeds("sensor-sampling", "mode"), ["mode", "none"])
        self.client.assert_request_succeeds("sensor-sampling-clear")
        self.assertEqual(self.client.assert_request_succeeds("sensor-sampling", "mode"), ["mode", "none"])

    def test_bad_strategies(self):
        refuse = functools.partial(self.client.assert_request_fails, "sensor-sampling", status_equals="fail")
        for args in [("no.such-sensor", "event"), ("mode", "sometimes"), ("mode", "period"),
                     ("mode", "differential", 1), ("mode", "period", "often"), ()]:
            refuse(*args)

    def test_observers_are_removed(self):
        sensor = self.device.get_sensor("mode")
        before = len(sensor._observers)
        self.sample("mode", "event")
        self.assertEqual(len(sensor._observers), before + 1)
        self.client.assert_request_succeeds("sensor-sampling", "mode", "none")
        call_in_ioloop(self.device.ioloop, lambda: None)
        self.assertEqual(len(sensor._observers), before)


class TestInforms(DeviceTestCase):
    def test_interface_changed(self):
        others = [self.connect().message_recorder(whitelist=["interface-changed"]) for _ in range(2)]
        self.client.assert_request_succeeds("fit-tiltmeter", "north", -1.5)
        for recorder in others:
            self._assert_msgs_equal(recorder.get_msgs(1, timeout=LIMIT), ["#interface-changed sensor-list"])
        self.client.assert_sensor_equals("tilt.north", -1.5, float)
        self.client.assert_request_succeeds("remove-tiltmeter", "north")
        self.client.assert_request_fails("sensor-value", "tilt.north")

    def test_log_informs(self):
        recorder = self.client.message_recorder(whitelist=["log"])
        self.client.assert_request_succeeds("fault", "smoke")
        messages = recorder.get_msgs(1, timeout=LIMIT)
        self._assert_msgs_like(messages, [("#log warn ", "Fault\\_reported:\\_smoke")])
        self.client.assert_request_succeeds("log-level", "error")
        self.client.assert_request_succeeds("fault", "fire")
        self.assertEqual(recorder(), [] if recorder.msgs == [] else None)

    def test_informs_outside_of_requests(self):
        recorder = self.client.message_recorder(blacklist=["interface-changed", "version-connect"])
        self.client.assert_request_succeeds("fit-tiltmeter", "south")
        self.client.assert_request_succeeds("whoami")
        self._assert_msgs_equal(recorder.get_msgs(1, timeout=LIMIT),
                                ["#you-are " + self.client.sockname_string])

    def test_recorder_with_a_pattern(self):
        recorder = self.client.message_recorder(regex_filter=r"#sensor-list\[\d+\] pos\.", informs=True)
        self.client.assert_request_succeeds("sensor-list", informs_count=16)
        self._assert_msgs_length(recorder(), 5)
        self.assertEqual(recorder(), [])

    def test_informs_to_the_device(self):
        self.client.raw_send(b"#clock-sync 1234.5\n")
        self.client.assert_request_succeeds("watchdog")
        self.assertEqual(self.device.clock_syncs, [1234.5])

    def test_disconnect_inform(self):
        recorder = self.client.message_recorder(whitelist=["disconnect"])
        self.device.stop()
        self.device.join(LIMIT)
        self._assert_msgs_length(recorder.get_msgs(1, timeout=LIMIT), 1)

    def test_halt(self):
        self.client.assert_request_succeeds("halt")
        self.device.join(LIMIT)
        self.assertFalse(self.device.running())

    def test_handlers_of_the_client(self):
        class Listener(BlockingClient):
            def inform_interface_changed(self, msg):
                """Note that the interface has changed."""

        handler = Listener._inform_handlers["interface-changed"]
        listener = Listener(*self.device.bind_address)
        listener._inform_handlers = dict(listener._inform_handlers)
        seen = listener._inform_handlers["interface-changed"] = WaitingMock(side_effect=handler)
        start_thread_with_cleanup(self, listener, timeout=LIMIT, start_timeout=LIMIT)
        self.assertTrue(listener.wait_protocol(LIMIT))
        self.client.assert_request_succeeds("fit-tiltmeter", "south")
        seen.assert_wait_call_count(1, timeout=LIMIT)
        self.assertEqual(str(seen.call_args[0][1]), "#interface-changed sensor-list")


class TestHints(DeviceTestCase):
    DEVICE_CLASS = HintingPositioner

    def test_hints(self):
        self.client.assert_request_succeeds(
            "request-timeout-hint", "slew", informs_args_equal=[["slew", "120.0"]])
        self.client.assert_request_succeeds(
            "request-timeout-hint", "stop", informs_args_equal=[["stop", "0.0"]])
        self.assertEqual(str(self.client.protocol_flags), "5.1-IMT")


class TestVersion4(DeviceTestCase):
    DEVICE_CLASS = WeatherMast

    def test_milliseconds(self):
        recorder = self.client.message_recorder(whitelist=["sensor-value"])
        _, informs = self.client.blocking_request(Message.request("sensor-value", "wind-speed"))
        self._assert_msgs_equal(informs, ["#sensor-value 1234500 1 wind-speed nominal 3.5"])
        self._assert_msgs_equal(recorder(), ["#sensor-value 1234500 1 wind-speed nominal 3.5"])
        self.client.assert_request_succeeds("wind", 1500, 12.5, args_equal=["1500"])
        self.assertEqual(self.device.get_sensor("wind-speed").read(), (1.5, Sensor.WARN, 12.5))
        self.assertEqual(self.client.convert_seconds(1.5), 1500)

    def test_no_ids(self):
        reply, _ = self.client.blocking_request(Message.request("watchdog"), use_mid=True)
        self.assertEqual(reply.arguments, [b"fail", b"Message IDs not supported by server"])
        self.client.assert_request_succeeds("watchdog")

    def test_period_in_milliseconds(self):
        recorder = self.client.message_recorder(whitelist=["sensor-status"])
        self.client.assert_request_succeeds("sensor-sampling", "wind-speed", "period", 10)
        self.assertTrue(recorder.wait_number(3, timeout=LIMIT))


class TestOldCallbackClient(DeviceTestCase):
    """The client with callbacks in another thread."""

    def test_callbacks(self):
        client = CallbackClient(*self.device.bind_address)
        start_thread_with_cleanup(self, client, timeout=LIMIT, start_timeout=LIMIT)
        self.assertTrue(client.wait_protocol(LIMIT))
        reply_cb, inform_cb = WaitingMock(), WaitingMock()
        client.callback_request(Message.request("sensor-list", "/drive/"), reply_cb=reply_cb,
                                inform_cb=inform_cb)
        reply_cb.assert_wait_call_count(1, timeout=LIMIT)
        inform_cb.assert_wait_call_count(3, timeout=LIMIT)
        self.assertEqual(reply_cb.call_args[0][0].arguments, [b"ok", b"3"])
