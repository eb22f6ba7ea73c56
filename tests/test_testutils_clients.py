# -*- coding: utf-8 -*-
"""Tests of the client with assertions."""

from __future__ import absolute_import, division, print_function

import threading
import unittest

from katcp.kattypes import Float, Int, request, return_reply
from katcp.message import Message
from katcp.protocol import ProtocolFlags
from katcp.sensor import Sensor
from katcp.testutils import (BlockingTestClient, DeviceTestServer, call_in_ioloop,
                             start_thread_with_cleanup)
from tests.support import mock

NOT_ENGLISH = u"\xfcber".encode("utf-8")


class Device(DeviceTestServer):
    """Requests that set sensors, and sensors that show themselves."""

    def setup_sensors(self):
        super(Device, self).setup_sensors()
        self.add_sensor(Sensor.boolean("a.bool", "A Boolean.", default=True, initial_status=Sensor.NOMINAL))

    @request(Int(min=-5, max=5))
    @return_reply(Int())
    def request_set_int(self, req, value):
        """Set the integer.

        More about this.
        """
        self.get_sensor("an.int").set_value(value, Sensor.NOMINAL if value >= 0 else Sensor.WARN)
        return "ok", value

    @request(Float(), Float())
    @return_reply()
    def request_set_floats(self, req, first, second):
        """Set both floats."""
        if first == 0:
            return "fail", "Not zero"
        self.get_sensor("a.float").set_value(first)
        self.get_sensor("a.floatwithzero").set_value(second, Sensor.ERROR)
        return ("ok",)

    def request_echo(self, req, msg):
        """Reply with all arguments, and with an inform for each."""
        for argument in msg.arguments:
            req.inform("got", argument)
        return req.make_reply("ok", *msg.arguments)

    def request_reply(self, req, msg):
        """Reply with the arguments alone."""
        return req.make_reply(*msg.arguments)


class DeviceV4(Device):
    PROTOCOL_INFO = ProtocolFlags(4, 0, [ProtocolFlags.MULTI_CLIENT])


class ClientCase(unittest.TestCase):
    device_class = Device

    def setUp(self):
        self.device = self.device_class("127.0.0.1", 0)
        start_thread_with_cleanup(self, self.device, start_timeout=10)
        host, port = self.device.bind_address
        self.client = BlockingTestClient(self, host, port)
        start_thread_with_cleanup(self, self.client, start_timeout=10)
        self.assertTrue(self.client.wait_protocol(timeout=10))
        # By the reply to this, all of the greeting is there.
        self.client.blocking_request(Message.request("watchdog"))

    def assert_fails(self, text, method, *args, **kwargs):
        """Assert that an assertion of the client fails, with a text that unittest may have added to."""
        with self.assertRaises(AssertionError) as context:
            method(*args, **kwargs)
        self.assertIn(text, str(context.exception))

    def replace(self, name, *replies):
        """Have the device answer a request with these messages."""
        def answer(server, req, msg):
            """Answer."""
            for reply in replies[:-1]:
                req.client_connection.reply_inform(reply, msg)
            return replies[-1]

        self.device._request_handlers[name] = answer


class TestMessages(ClientCase):
    def test_raw_send(self):
        recorder = self.client.message_recorder(replies=True, informs=False)
        self.assertIsNone(self.client.raw_send(b"?watchdog\r\n?watch"))
        self.client.raw_send(b"dog\n?help[5] watchdog\r")
        self.assertEqual([str(msg) for msg in recorder.get_msgs(min_number=3, timeout=10)],
                         ["!watchdog ok", "!watchdog ok", "!help[5] ok 1"])
        self.assertIs(BlockingTestClient.raw_send.make_threadsafe, True)
        self.assertTrue(self.client.threadsafe)

    def test_raw_send_takes_other_kinds_of_bytes(self):
        recorder = self.client.message_recorder(replies=True, informs=False)
        self.client.raw_send(bytearray(b"?watchdog[1]\n"))
        self.client.raw_send(memoryview(b"?watchdog[2]\n"))
        self.assertEqual([str(msg) for msg in recorder.get_msgs(min_number=2, timeout=10)],
                         ["!watchdog[1] ok", "!watchdog[2] ok"])

    def test_raw_send_takes_no_text(self):
        with self.assertRaises(TypeError):
            call_in_ioloop(self.client.ioloop, self.client.raw_send, u"?watchdog\n")
        # The loop is not caught in an attempt to send it.
        self.client.assert_request_succeeds("watchdog")

    def test_raw_send_before_start(self):
        with self.assertRaises((AttributeError, RuntimeError)):
            BlockingTestClient(self, "127.0.0.1", 1).raw_send(b"?watchdog\n")

    def test_recorders_see_all_that_arrives(self):
        everything = self.client.message_recorder(replies=True)
        informs = self.client.message_recorder()
        listed = self.client.message_recorder(whitelist=["help"], blacklist=["other"], replies=True)
        regex = self.client.message_recorder(regex_filter=r"#help\[\d+\] watch")
        self.client.blocking_request(Message.request("help", "watchdog"))
        self.device.mass_inform(Message.inform("something"))
        everything.wait_number(3, timeout=10)
        names = [(msg.mtype, msg.name) for msg in everything.get_msgs()]
        self.assertEqual(names, [(Message.INFORM, "help"), (Message.REPLY, "help"),
                                 (Message.INFORM, "something")])
        self.assertEqual([msg.name for msg in informs()], ["help", "something"])
        self.assertEqual([msg.mtype for msg in listed()], [Message.INFORM, Message.REPLY])
        self.assertEqual([msg.name for msg in regex()], ["help"])
        self.assertEqual((listed.whitelist, listed.blacklist), (set(["help"]), set(["other"])))

    def test_remove_recorder(self):
        before = self.client._message_recorders
        recorder = self.client.message_recorder()
        self.assertEqual(self.client._message_recorders, {id(recorder): recorder.append_msg})
        self.client.remove_message_recorder(recorder)
        self.assertEqual(before, {})  # the loop's thread may be iterating over it
        self.client.remove_message_recorder(recorder)
        self.client.blocking_request(Message.request("help"))
        self.assertEqual(recorder.get_msgs(), [])

    def test_recorders_come_while_messages_do(self):
        done = threading.Event()

        def come_and_go():
            while not done.is_set():
                self.client.remove_message_recorder(self.client.message_recorder())

        thread = threading.Thread(target=come_and_go)
        thread.start()
        try:
            recorder = self.client.message_recorder()
            for _ in range(20):
                self.client.blocking_request(Message.request("help"))
        finally:
            done.set()
            thread.join()
        number = len(self.device._request_handlers)
        self.assertEqual(len(recorder.get_msgs()), 20 * number)

    def test_failures_made_by_the_client_are_not_recorded(self):
        recorder = self.client.message_recorder(replies=True)
        reply, _ = self.client.blocking_request(Message.request("slow-command", 1000), timeout=0.01)
        self.assertFalse(reply.reply_ok())
        self.client._server_supports_ids = False
        reply, _ = self.client.blocking_request(Message.request("watchdog", mid=7))
        self.assertFalse(reply.reply_ok())
        self.client._server_supports_ids = True
        self.client.blocking_request(Message.request("cancel-slow-command"))
        self.client.blocking_request(Message.request("watchdog"))
        self.assertEqual(sorted(str(msg).split("[")[0] for msg in recorder.get_msgs()),
                         ["!cancel-slow-command", "!slow-command", "!watchdog"])

    def test_waiting_caller_finds_its_messages_recorded(self):
        for _ in range(50):
            recorder = self.client.message_recorder(replies=True)
            self.client.blocking_request(Message.request("watchdog"))
            self.assertEqual(len(recorder.msgs), 1)
            self.client.remove_message_recorder(recorder)


class TestReadingSensors(ClientCase):
    def test_get_sensor(self):
        self.assertEqual(self.client.get_sensor("an.int"), ("3", "nominal", 12345.0))
        self.assertEqual(self.client.get_sensor("an.int", int), (3, "nominal", 12345.0))
        self.assertIs(self.client.get_sensor_value("a.bool", bool), True)
        self.assertEqual(self.client.get_sensor_value("a.float", float), 12.0)
        self.assertEqual(self.client.get_sensor_value("a.float", lambda raw: raw), b"12.0")
        self.assertEqual(self.client.get_sensor_status("an.int"), "nominal")
        self.assertEqual(self.client.get_sensor_timestamp("an.int"), 12345.0)

    def test_failures(self):
        get = self.client.get_sensor
        self.assert_fails("Could not retrieve sensor 'no.sensor': Unknown sensor name.", get, "no.sensor")
        self.assert_fails("Expected one sensor value inform for sensor '/a/', but received 5.", get, "/a/")
        self.assert_fails(
            "Could not convert value 'one' of sensor 'a.discrete' to type {!r}: ".format(int),
            get, "a.discrete", int)
        self.assert_fails(
            "Could not convert value 'one' of sensor 'a.discrete' to type {!r} and then {!r}: "
            .format(int, bool), get, "a.discrete", bool)

    def test_bad_informs(self):
        def inform(*arguments):
            self.replace("sensor-value", Message.inform("sensor-value", *arguments),
                         Message.reply("sensor-value", "ok", 1))

        get = self.client.get_sensor
        inform("1.0", "1", "s", "nominal")
        self.assert_fails("Expected sensor value inform for sensor 's' to have five arguments, "
                          "but received 4.", get, "s")
        inform("1.0", "1", "s", "excellent", "3")
        self.assert_fails("Got invalid status value 'excellent' for sensor 's'.", get, "s")
        for status in ("unknown", "failure", "unreachable", "inactive"):
            inform("1.0", "1", "s", status, "nan")
            for sensortype in (int, bool):
                self.assertEqual(get("s", sensortype), (None, status, 1.0))
            self.assertEqual(get("s"), ("nan", status, 1.0))
        inform("now", "1", "s", "nominal", "3")
        self.assert_fails("Could not convert timestamp 'now' of sensor 's' to type {!r}: ".format(float),
                          get, "s")
        self.replace("sensor-value", Message.reply("sensor-value", "fail"))
        self.assert_fails("Could not retrieve sensor 's': ", get, "s")

    def test_works_with_any_test_object(self):
        self.client.test = mock.Mock(unsafe=True)
        self.client.get_sensor("an.int")
        self.assertTrue(self.client.test.assertTrue.call_args[0][0])


class TestReadingSensorsV4(ClientCase):
    device_class = DeviceV4

    def test_timestamp_is_as_sent(self):
        self.assertEqual(self.client.get_sensor_timestamp("an.int"), 12345000.0)


class TestAssertingSensors(ClientCase):
    def test_equals(self):
        check = self.client.assert_sensor_equals
        check("an.int", "3")
        check("an.int", 3, int, status="nominal")
        check("a.float", 12.00001, float, places=4)
        self.assert_fails("Value of sensor 'an.int' is 3. Expected 4.", check, "an.int", 4, int)
        self.assert_fails("Value of sensor 'a.float' is 12.0. Expected 12.1 (within 3 decimal places).",
                          check, "a.float", 12.1, float, places=3)
        self.assert_fails("Status of sensor 'an.int' is 'nominal'. Expected 'warn'.",
                          check, "an.int", "3", status="warn")

    def test_messages(self):
        check = self.client.assert_sensor_equals
        self.assert_fails("It is '3'!", check, "an.int", "4", msg="It is %r!")
        self.assert_fails("100% bad", check, "an.int", "4", msg="100% bad")
        self.assert_fails("100% bad: '3'", check, "an.int", "4", msg="100% bad: %r")
        self.assert_fails("(1, 2)", check, "an.int", "4", msg="%r", sensortype=lambda raw: (1, 2))
        # The message is about the value, of which there is nothing to complain here.
        self.assert_fails("Status of sensor 'an.int' is 'nominal'. Expected 'warn'.",
                          check, "an.int", "3", msg="The value is %r", status="warn")

    def test_status_equals(self):
        check = self.client.assert_sensor_status_equals
        check("an.int", "nominal")
        self.assert_fails("Status of sensor 'an.int' is 'nominal'. Expected 'error'.",
                          check, "an.int", "error")
        self.assert_fails("is 'nominal'!", check, "an.int", "error", msg="is %r!")

    def test_not_equal(self):
        check = self.client.assert_sensor_not_equal
        check("an.int", "4")
        check("a.float", 12.1, float)
        self.assert_fails("Value of sensor 'an.int' is 3. Expected a different value.",
                          check, "an.int", 3, int)
        self.assert_fails(
            "Value of sensor 'a.float' is 12.0. Expected a different value (within 1 decimal places).",
            check, "a.float", 12.01, float, places=1)
        self.assert_fails("no 3", check, "an.int", 3, int, msg="no %r")

    def test_several(self):
        good = [("an.int", "3"), ("an.int", 3, int), ("a.float", 12.01, float, 1)]
        bad = [("an.int", "4"), ("an.int", 4, int), ("a.float", 12.1, float, 7)]
        self.client.assert_sensors_equal(good)
        self.client.assert_sensors_not_equal(bad)
        for item in good:
            self.assert_fails("Expected a different value",
                              self.client.assert_sensors_not_equal, bad + [item])
        for item in bad:
            self.assert_fails("Expected ", self.client.assert_sensors_equal, good + [item])
        self.assertEqual(BlockingTestClient.expected_sensor_value_tuple("s", 1), ("s", 1, str, 7))


class TestWaiting(ClientCase):
    def change_while_it_sleeps(self):
        """Let the sensor get its value the second time that the client sleeps."""
        patcher = mock.patch("katcp.testutils.time")
        time = patcher.start()
        self.addCleanup(patcher.stop)
        time.time.return_value = 1000

        def sleep(seconds):
            time.time.return_value += seconds
            if time.sleep.call_count == 2:
                self.device.get_sensor("an.int").set_value(4)
                self.device.get_sensor("a.float").set_value(4.0)

        time.sleep.side_effect = sleep
        return time

    def test_wait_until_sensors_equal(self):
        time = self.change_while_it_sleeps()
        self.client.wait_until_sensors_equal(5, [("an.int", 4, int), ("a.float", 4.0, float)])
        self.assertEqual(time.sleep.call_args_list, [mock.call(0.01)] * 2)
        self.client.wait_until_sensors_equal(0, [("an.int", "4")])

    def test_wait_until_sensors_equal_fails(self):
        time = self.change_while_it_sleeps()
        wait = self.client.wait_until_sensors_equal
        self.assert_fails("Value of sensor 'an.int' is '4'. Expected '7'.: timed out after 0.2s",
                          wait, 0.2, [("an.int", "7")])
        self.assertTrue(20 <= time.sleep.call_count <= 21)
        self.assert_fails("It is '4': timed out after 0.2s", wait, 0.2, [("an.int", "7")], msg="It is %r")

    def test_wait_until_sensor_equals(self):
        time = self.change_while_it_sleeps()
        self.client.wait_until_sensor_equals(5, "an.int", 4, int)
        self.assertEqual(time.sleep.call_args_list, [mock.call(0.02)] * 2)
        self.client.wait_until_sensor_equals(0, "a.float", 4.01, float, places=1)
        self.assert_fails("Timed out while waiting 1s for an.int sensor to become 7. Last value was 4.",
                          self.client.wait_until_sensor_equals, 1, "an.int", "7", pollperiod=0.5)
        self.assertEqual(time.sleep.call_count, 4)

    def test_wait_condition(self):
        time = self.change_while_it_sleeps()
        predicate = mock.Mock(side_effect=[0, None, [1]])
        self.assertEqual(self.client.wait_condition(5, predicate, 1, a=2, poll_period=0.5), ([1], ""))
        self.assertEqual(predicate.call_args_list, [mock.call(1, a=2)] * 3)
        self.assertEqual(time.sleep.call_args_list, [mock.call(0.5)] * 2)
        self.assertEqual(self.client.wait_condition(0, lambda: []), ([], "Timed out after 0 seconds"))


class TestInterfaces(ClientCase):
    sensors = [
        ("an.int", "An Integer.", "count", "integer", -5, "5"),
        (b"a.discrete", u"A Discrete.", "", b"discrete", "one", b"two", u"three"),
        ("a.float", "A Float.", "", "float", "-123.4", 123.4),
        ("a.floatwithzero", "A Float with zero.", "", "float", -123, b"123"),
        ("a.bool", "A Boolean.", "", "boolean"),
    ]

    def test_sensor_list(self):
        self.client.test_sensor_list(self.sensors)
        self.client.test_sensor_list(set(self.sensors))
        others = [sensor[:1] + ("Other.",) + sensor[2:] for sensor in self.sensors]
        self.client.test_sensor_list(others, ignore_descriptions=True)

    def test_sensor_list_differs(self):
        text = "\n".join([
            "Sensor list differs from expected list.",
            "These sensors are missing:",
            "('a.bool', 'Other.', '', 'boolean')",
            "('an.int', 'An Integer.', 'count', 'integer', '-5', '6')",
            "Found these unexpected sensors:",
            "('a.bool', 'A Boolean.', '', 'boolean')",
            "('an.int', 'An Integer.', 'count', 'integer', '-5', '5')"])
        self.assert_fails(text, self.client.test_sensor_list,
                          [("an.int", "An Integer.", "count", "integer", -5, 6)] + self.sensors[1:4]
                          + [("a.bool", "Other.", "", "boolean")])
        self.assert_fails("('an.int', 'An Integer.', 'count', 'integer', '-5', '5.5')",
                          self.client.test_sensor_list,
                          [("an.int", "An Integer.", "count", "integer", -5, 5.5)] + self.sensors[1:])
        self.device.break_sensor_list = "Broken"
        self.assert_fails("Could not retrieve sensor list: Broken", self.client.test_sensor_list, [])

    def descriptions(self):
        standard = DeviceTestServer.__bases__[0]._request_handlers
        return [(name, handler.__doc__) for name, handler in self.device._request_handlers.items()
                if name not in standard]

    def test_help(self):
        pairs = self.descriptions()
        names = [name for name, _ in pairs]
        self.client.test_help(names)
        self.client.test_help([name.encode("ascii").decode("ascii") for name in names])
        self.client.test_help(pairs)
        self.client.test_help(pairs, full_descriptions=True)
        first_lines = [(name, text.split("\n")[0]) for name, text in pairs]
        self.client.test_help(first_lines)
        self.client.test_help([(name.encode("ascii"), text.encode("ascii")) for name, text in first_lines])
        self.client.test_help(list(self.device._request_handlers), exclude_defaults=False)

    def test_help_differs(self):
        pairs = self.descriptions()
        names = [name for name, _ in pairs if name != "echo"] + ["no-request"]
        self.assert_fails("Help list differs from expected list.\nThese requests are missing:\nno-request\n"
                          "Found these unexpected requests:\necho", self.client.test_help, names)
        first_lines = [(name, text.split("\n")[0]) for name, text in pairs]
        self.assert_fails("('set-int', 'Set the integer.')", self.client.test_help, first_lines,
                          full_descriptions=True)
        # The standard ones are not there to be found.
        self.assert_fails("missing:\nhelp\n", self.client.test_help, ["help"])
        self.assert_fails("unexpected requests:\n", self.client.test_help, [])

    def test_help_wants_a_list_of_names_or_pairs(self):
        with self.assertRaises(TypeError):
            self.client.test_help(set(["echo"]))
        if bytes is not str:
            with self.assertRaises(ValueError):
                self.client.test_help([b"new-command"])

    def test_help_broken(self):
        self.device.break_help = "Broken"
        self.assert_fails("Could not retrieve help list: Broken", self.client.test_help, [])


class TestRequests(ClientCase):
    def test_succeeds(self):
        check = self.client.assert_request_succeeds
        self.assertEqual(check("echo", 1, "two", 3.5, NOT_ENGLISH), ["1", "two", "3.5", "über"])
        self.assertEqual(check("watchdog"), [])
        check("echo", 1, "two", args_echo=True)
        check("echo", 1, "two", args_equal=[b"1", "two"], args_in="ignored", args_length="ignored")
        check("echo", 1, "two", args_in=[("2", "two"), ("1", u"two")], args_length="ignored")
        check("echo", 1, "two", args_length=2, informs_count=2, unknown="ignored")
        check("echo", 1, "two", informs_args_equal=[("got", 1), [b"got", "two"]])

    def test_succeeds_fails(self):
        check = self.client.assert_request_succeeds
        self.assert_fails("Expected request 'echo' called with parameters (1,) to succeed, "
                          "but it failed with error 'No'.", self.failing_echo("fail", "No"), "echo", 1)
        self.assert_fails("Expected request 'echo' called with parameters () to succeed, "
                          "but it failed (with no error message).", self.failing_echo("fail"), "echo")
        self.device._request_handlers["echo"] = Device._request_handlers["echo"]
        head = "Expected reply to request 'echo' called with parameters (1, 'two') to have "
        self.assert_fails(head + "arguments ['1', 'three'], but received ['1', 'two'].",
                          check, "echo", 1, "two", args_equal=[1, "three"])
        self.assert_fails(head + "arguments in [['1'], ['two']], but received ['1', 'two'].",
                          check, "echo", 1, "two", args_in=[[1], ["two"]])
        self.assert_fails(head + "3 arguments, but received 2: ['1', 'two'].",
                          check, "echo", 1, "two", args_length=3)
        called = " in reply to request 'echo' called with parameters (1, 'two'), but received "
        self.assert_fails("Expected 3 informs" + called + "2.", check, "echo", 1, "two", informs_count=3)
        self.assert_fails(
            "Expected inform arguments [['got', '1']]" + called + "[['got', '1'], ['got', 'two']].",
            check, "echo", 1, "two", informs_args_equal=[["got", 1]])
        self.assert_fails("arguments ['True']", check, "echo", True, args_echo=True)

    def failing_echo(self, *arguments):
        self.replace("echo", Message.reply("echo", *arguments))
        return self.client.assert_request_succeeds

    def test_name_of_the_reply(self):
        with mock.patch.object(self.client, "blocking_request") as blocking_request:
            blocking_request.return_value = Message.reply("other", "ok"), []
            self.assert_fails("Reply to request 'echo' has name 'other'.",
                              self.client.assert_request_succeeds, "echo")

    def test_name_must_be_native(self):
        for method in (self.client.assert_request_succeeds, self.client.assert_request_fails):
            with self.assertRaises(TypeError):
                method(5)
            if bytes is not str:
                with self.assertRaises(TypeError):
                    method(b"echo")

    def test_fails(self):
        check = self.client.assert_request_fails
        self.assertEqual(check("reply", "fail", "No"), (b"fail", "No"))
        self.assertEqual(check("reply", "fail"), (b"fail", None))
        self.assertEqual(check("nonsense"), (b"invalid", "Unknown request."))
        self.assertEqual(check("reply", "fail", NOT_ENGLISH, status_equals=b"fail", error_equals="über"),
                         ("fail", "über"))
        self.assertEqual(check("nonsense", status_equals="invalid"), ("invalid", "Unknown request."))

    def test_fails_fails(self):
        check = self.client.assert_request_fails
        head = "Expected request 'reply' called with parameters "
        self.assert_fails(head + "('ok', 1) to fail, but it was successful.", check, "reply", "ok", 1)
        self.assert_fails(head + "('fail',) to return status invalid, but the status was 'fail'.",
                          check, "reply", "fail", status_equals="invalid")
        self.assert_fails(head + "('fail', 'No') to fail with error Yes, but the error was 'No'.",
                          check, "reply", "fail", "No", error_equals="Yes")
        self.assert_fails("but the error was None.", check, "reply", "fail", error_equals="Yes")

    def test_setter_request(self):
        check = self.client.test_setter_request
        check("set-int", "an.int", int, good=[1, -1, 5], bad=[6, "x"], args_echo=True)
        self.assert_fails("After request 'set-int' was called with parameter 1, value of sensor 'a.float' "
                          "is 12.0. Expected 1 (within 7 decimal places).",
                          check, "set-int", "a.float", float, good=[1])
        self.assert_fails("After request 'set-int' was called with parameter 1, value of sensor "
                          "'a.discrete' is 'one'. Expected 1.", check, "set-int", "a.discrete", good=[1])
        self.assert_fails("to succeed", check, "set-int", "an.int", int, good=[6])
        self.assert_fails("to fail", check, "set-int", "an.int", int, bad=[5])

    def test_multi_setter_request(self):
        check = self.client.test_multi_setter_request
        check("set-floats", good=[
            ((1, 2.5), [("a.float", 1.0, float), ("a.floatwithzero", "2.5")]),
            ((2, 3), [("a.float", 2.001, float, 2)],
             {"statuses": [("a.float", "nominal"), ("a.floatwithzero", "error")]}),
        ], bad=[(0, 1), ("x", 1)])
        head = "After request 'set-floats' was called with parameters (1, 2), "
        self.assert_fails(
            head + "value of sensor 'a.float' is 1.0. Expected 1.1 (within 7 decimal places).",
            check, "set-floats", good=[((1, 2), [("a.float", 1.1, float)])])
        self.assert_fails(
            head + "status of sensor 'a.floatwithzero' is 'error'. Expected 'nominal'.",
            check, "set-floats", good=[((1, 2), [], {"statuses": [("a.floatwithzero", "nominal")]})])
        self.assert_fails("to fail", check, "set-floats", bad=[(1, 1)])

    def test_sensor_lag(self):
        self.assertEqual(self.client._sensor_lag(), 0)
        self.sensor_lag = 3
        self.assertEqual(self.client._sensor_lag(), 3)
        with mock.patch("katcp.testutils.time") as time:
            self.client.test_setter_request("set-int", "an.int", int, good=[1])
            self.client.test_multi_setter_request("set-floats", good=[((1, 2), [], {"delay": 4})])
        self.assertEqual(time.sleep.call_args_list, [mock.call(3), mock.call(7)])
