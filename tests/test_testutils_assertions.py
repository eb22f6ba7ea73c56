# -*- coding: utf-8 -*-
"""Tests of the assertions about messages and sensors."""

from __future__ import absolute_import, division, print_function

import unittest

from katcp.message import Message
from katcp.sensor import Sensor
from katcp.testutils.assertions import (SensorComparisonMixin, TestUtilMixin, add_mid_to_msg_str,
                                        list_to_native_strings)


class TestStrings(unittest.TestCase):
    def test_add_mid_to_msg_str(self):
        self.assertEqual(add_mid_to_msg_str("#help a b", 3), "#help[3] a b")
        self.assertEqual(add_mid_to_msg_str("!x", "0"), "!x[0]")
        for mid in (None, 0, ""):
            self.assertEqual(add_mid_to_msg_str("!x ok", mid), "!x ok")

    def test_list_to_native_strings(self):
        strings = list_to_native_strings([b"bytes", u"t\xe4xt", "native", 1, True, None, 1.5])
        self.assertEqual(strings, ["bytes", "täxt", "native", "1", "True", "None", "1.5"])
        self.assertEqual(set(map(type, strings)), set([str]))


class SensorCase(SensorComparisonMixin, unittest.TestCase):
    def runTest(self):
        pass


class TestSensorComparisonMixin(unittest.TestCase):
    def setUp(self):
        self.case = SensorCase()
        self.sensor = Sensor.integer("an.int", "An Integer.", "count", [-5, 5])
        self.sensor.set(12345, Sensor.WARN, 3)
        self.description = dict(
            name="an.int", description="An Integer.", units="count", params=[-5, 5], timestamp=12345,
            status=Sensor.WARN, value=3, type=Sensor.INTEGER)

    def test_description(self):
        self.assertEqual(self.case._get_sensor_description(self.sensor), self.description)
        self.assertEqual(self.case._get_sensor_description(
            self.sensor, desired_keys=["value", "name"], ignore_keys=["name"]), {"value": 3})
        with self.assertRaises(KeyError) as context:
            self.case._get_sensor_description(self.sensor, desired_keys=["colour"])
        self.assertIn("Unknown sensor key: colour", str(context.exception))

    def test_key_fns_of_subclass(self):
        class Case(SensorCase):
            key_fns = dict(SensorCase.key_fns, double=lambda sensor: 2 * sensor.value())

        Case().assert_sensor_equal_description(self.sensor, {"double": 6})

    def test_assert_sensor_equal(self):
        other = Sensor.integer("an.int", "An Integer.", "count", [-5, 5])
        other.set(12345, Sensor.WARN, 4)
        with self.assertRaises(AssertionError):
            self.case.assert_sensor_equal(self.sensor, other)
        self.case.assert_sensor_equal(self.sensor, other, ignore_attributes=["value"])

    def test_assert_sensor_equal_description(self):
        self.case.assert_sensor_equal_description(self.sensor, self.description)
        del self.description["name"]
        self.case.assert_sensor_equal_description(self.sensor, self.description)
        self.assertNotIn("name", self.description)
        for wrong in ({"value": 4}, {"name": "another.int"}):
            with self.assertRaises(AssertionError):
                self.case.assert_sensor_equal_description(self.sensor, wrong)

    def test_assert_sensors_equal_description(self):
        other = Sensor.string("a.string")
        sensors = [self.sensor, other]
        self.case.assert_sensors_equal_description(sensors, [
            {"name": "a.string", "value": ""}, {"name": "an.int", "value": 3, "units": "count"}])
        self.assertIsNone(self.case.maxDiff)
        for wrong in ([{"name": "an.int"}],
                      [{"name": "an.int"}, {"name": "a.string"}, {"name": "more"}],
                      [{"name": "an.int", "value": 4}, {"name": "a.string"}]):
            with self.assertRaises(AssertionError):
                self.case.assert_sensors_equal_description(sensors, wrong)

    def test_assert_sensors_value_conditions(self):
        values = []
        self.case.assert_sensors_value_conditions(
            [self.sensor, Sensor.string("a.string")], {"an.int": values.append})
        self.assertEqual(values, [3])
        with self.assertRaises(AssertionError):
            self.case.assert_sensors_value_conditions([self.sensor], {"a.string": values.append})
        with self.assertRaises(AssertionError):
            self.case.assert_sensors_value_conditions(
                [self.sensor], {"an.int": lambda value: self.assertEqual(value, 4)})


class MessageCase(TestUtilMixin, unittest.TestCase):
    def runTest(self):
        pass


class TestTestUtilMixin(unittest.TestCase):
    def setUp(self):
        self.case = MessageCase()
        self.msgs = [Message.inform("help", "watchdog", "A text", mid=1),
                     Message.reply("help", "ok", 1, mid=1)]

    def assert_fails(self, text, method, *args, **kwargs):
        with self.assertRaises(AssertionError) as context:
            method(*args, **kwargs)
        self.assertIn(text, str(context.exception))

    def test_length(self):
        self.case._assert_msgs_length(self.msgs, 2)
        self.assert_fails("Too few messages received.", self.case._assert_msgs_length, self.msgs, 3)
        self.assert_fails("Too many messages received.", self.case._assert_msgs_length, self.msgs, 1)
        self.case.longMessage = True
        self.assert_fails("2 != 3", self.case._assert_msgs_length, self.msgs, 3)
        self.assert_fails("2 != 1", self.case._assert_msgs_length, self.msgs, 1)

    def test_equal(self):
        texts = (r"#help watchdog A\_text", "!help ok 1")
        check = self.case._assert_msgs_equal
        check(self.msgs, texts, mid="1")
        self.assert_fails("!help[1] ok 1", check, self.msgs, [texts[0], "!help ok 2"], mid="1")
        self.assert_fails("#help", check, self.msgs, texts)
        self.assert_fails("Too many", check, self.msgs, texts[:1], mid="1")
        self.assert_fails("Too few", check, self.msgs[:1], texts, mid="1")
        # A difference comes before a wrong length.
        self.assert_fails("#hulp", check, self.msgs, ["#hulp"])

    def test_match(self):
        check = self.case._assert_msgs_match
        check(self.msgs, ["#help.*text$", r"!help\[\d\]"])
        self.assert_fails(r"Message did not match pattern 'help': #help[1] watchdog A\_text",
                          check, self.msgs, ["help"])
        self.assert_fails("Too many", check, self.msgs, ["#help"])

    def test_like(self):
        check = self.case._assert_msgs_like
        check(self.msgs, [("#help watch", "text"), ("!help ok", "1")], mid=1)
        check(self.msgs, [("", "text"), ("!help", "")], mid=1)
        self.assert_fails("Message '!help[1] ok 1' does not start with '!help[1] fail'.",
                          check, self.msgs[1:], [("!help fail", "")], mid=1)
        self.assert_fails("Message '!help[1] ok 1' does not end with '2'.",
                          check, self.msgs[1:], [("", "2")], mid=1)
        self.assert_fails("Too few", check, [], [("", "")])
