"""Tests of what is in the sampling room; when the strategies report is tested in files of its own."""

from __future__ import absolute_import, division, print_function

import doctest
import logging
import os
import unittest

import tornado.testing

import katcp.sampling
from katcp import sampling
from katcp.compat import text_type
from katcp.message import Message
from katcp.sampling import (
    SampleAuto, SampleDifferential, SampleDifferentialRate, SampleEvent, SampleEventRate, SampleNone,
    SamplePeriod, SampleStrategy, format_inform_v4, format_inform_v5)
from katcp.sensor import Sensor
from tests.support.sampling import SamplingTestCase, timewarp_test

NAN = float("nan")
INF = float("inf")

ALL_STRATEGIES = [
    (b"none", SampleNone, ()),
    (b"auto", SampleAuto, ()),
    (b"period", SamplePeriod, (10,)),
    (b"event", SampleEvent, ()),
    (b"differential", SampleDifferential, (2,)),
    (b"event-rate", SampleEventRate, (1.5, 4.5)),
    (b"differential-rate", SampleDifferentialRate, (2, 1.5, 4.5)),
]


class TestModule(unittest.TestCase):
    def test_names(self):
        self.assertEqual(sampling.AGE_OF_UNIVERSE, 4.32329886e17)
        self.assertIs(sampling.log, logging.getLogger("katcp.sampling"))
        self.assertIs(sampling.os, os)
        self.assertIs(sampling.tornado, tornado)
        self.assertIs(sampling.Message, Message)
        self.assertIs(sampling.Sensor, Sensor)
        for name in "is_bytes is_text get_thread_ident PY2 wraps range logging update_in_ioloop".split():
            self.assertTrue(hasattr(sampling, name), name)

    def test_classes(self):
        for constant, (name, cls, _) in enumerate(ALL_STRATEGIES):
            self.assertTrue(issubclass(cls, SampleStrategy))
            self.assertEqual(SampleStrategy.SAMPLING_LOOKUP[constant], name)
            self.assertEqual(SampleStrategy.SAMPLING_LOOKUP_REV[name], constant)
            self.assertEqual(cls.OBSERVE_UPDATES, cls not in (SampleNone, SamplePeriod))
        self.assertFalse(SampleStrategy.OBSERVE_UPDATES)
        self.assertTrue(issubclass(SampleEvent, SampleEventRate))
        self.assertTrue(issubclass(SampleDifferentialRate, SampleEventRate))
        self.assertEqual(
            [SampleStrategy.NONE, SampleStrategy.AUTO, SampleStrategy.PERIOD, SampleStrategy.EVENT,
             SampleStrategy.DIFFERENTIAL, SampleStrategy.EVENT_RATE, SampleStrategy.DIFFERENTIAL_RATE],
            list(range(7)))

    def test_examples(self):
        failed, attempted = doctest.testmod(katcp.sampling)
        self.assertEqual(failed, 0)
        self.assertTrue(attempted)


class TestFormatInform(unittest.TestCase):
    def test_versions(self):
        sensor = Sensor.integer("an.int")
        for function, timestamp in ((format_inform_v4, b"1234500"), (format_inform_v5, b"1234.500000")):
            inform = function(sensor, 1234.5, Sensor.WARN, 7)
            self.assertEqual(inform.mtype, Message.INFORM)
            self.assertEqual(inform.name, "sensor-status")
            self.assertIsNone(inform.mid)
            self.assertEqual(inform.arguments, [timestamp, b"1", b"an.int", b"warn", b"7"])
            self.assertTrue(all(isinstance(arg, bytes) for arg in inform.arguments))

    def test_timestamp_value(self):
        sensor = Sensor.timestamp("a.ts")
        self.assertEqual(format_inform_v4(sensor, 1, 1, 3.25).arguments[-1], b"3250")
        self.assertEqual(format_inform_v5(sensor, 1, 1, 3.25).arguments[-1], b"3.250000")

    def test_each_message_is_new(self):
        sensor = Sensor.integer("an.int")
        reading = sensor.read()
        first = format_inform_v5(sensor, *reading)
        first.arguments.append(b"mine")
        self.assertEqual(len(format_inform_v5(sensor, *reading).arguments), 5)

    def test_errors(self):
        for function in format_inform_v4, format_inform_v5:
            self.assertRaises(ValueError, function, Sensor.integer("an.int"), (1, 1, 7))
            self.assertRaises(KeyError, function, Sensor.integer("an.int"), 1, 99, 7)
            self.assertRaises(ValueError, function, Sensor.float("a.float"), 1, 1, None)


class TestConstruction(tornado.testing.AsyncTestCase):
    def setUp(self):
        super(TestConstruction, self).setUp()
        self.sensors = {
            "int": Sensor.integer("an.int"), "float": Sensor.float("a.float"),
            "ts": Sensor.timestamp("a.ts"), "str": Sensor.string("a.str"),
            "disc": Sensor.discrete("a.disc", params=["a", "b"])}

    def assert_refused(self, text, cls, sensor, *params):
        with self.assertRaises(ValueError) as caught:
            cls(None, self.sensors[sensor], *params)
        if text is not None:
            self.assertEqual(str(caught.exception), text)

    def test_no_parameters(self):
        for name, cls in (("none", SampleNone), ("auto", SampleAuto), ("event", SampleEvent)):
            cls(None, self.sensors["str"])
            self.assert_refused("The '%s' strategy takes no parameters." % name, cls, "int", "foo")

    def test_period(self):
        tail = " Parameters passed: {!r}, in pid : {}"
        count = "The 'period' strategy takes one parameter." + tail
        positive = "The period must be a positive float in seconds." + tail
        for params in (), ("1", "2"):
            self.assert_refused(count.format(params, os.getpid()), SamplePeriod, "int", *params)
        for param in "0", b"-1", 0, -0.5, "nan", b"inf", "-inf", "1e999", NAN, INF:
            self.assert_refused(positive.format((param,), os.getpid()), SamplePeriod, "int", param)
        self.assert_refused(None, SamplePeriod, "int", "foo")
        self.assert_refused(None, SamplePeriod, "int", 10 ** 400)
        self.assertRaises(TypeError, SamplePeriod, None, self.sensors["int"], None)
        for param, period in ((10, 10.), (b"2.007e3", 2007.), (" 1.5 ", 1.5), ("1e-9", 1e-9)):
            self.assertEqual(SamplePeriod(None, self.sensors["disc"], param)._period, period)

    def test_differential(self):
        count = "The 'differential' strategy takes one parameter."
        suitable = "The 'differential' strategy is only valid for float, integer and timestamp sensors."
        self.assert_refused(count, SampleDifferential, "int")
        self.assert_refused(count, SampleDifferential, "str", "1", "2")
        self.assert_refused(suitable, SampleDifferential, "str", "foo")
        self.assert_refused(suitable, SampleDifferential, "disc", "1")
        for sensor, text in (("int", "The diff amount must be a positive integer."),
                             ("float", "The diff amount must be a positive float."),
                             ("ts", "The diff amount must be a positive number of seconds.")):
            for param in "-1", b"0", 0:
                self.assert_refused(text, SampleDifferential, sensor, param)
            self.assert_refused(None, SampleDifferential, sensor, "foo")
            self.assert_refused(None, SampleDifferential, sensor, INF)
            self.assert_refused(None, SampleDifferential, sensor, NAN)
            if sensor != "int":
                for param in "nan", b"inf", "1e999":
                    self.assert_refused(text, SampleDifferential, sensor, param)
        self.assert_refused(None, SampleDifferential, "int", "1.5")
        self.assertRaises(TypeError, SampleDifferential, None, self.sensors["int"], None)
        for sensor, param, threshold in (("int", 2, 2), ("int", b"3", 3), ("int", 1.5, 1),
                                         ("float", "1.5", 1.5), ("ts", 4.12, 4.12)):
            strategy = SampleDifferential(None, self.sensors[sensor], param)
            self.assertEqual(strategy._threshold, threshold)
            self.assertIs(type(strategy._threshold), int if sensor == "int" else float)

    def test_event_rate(self):
        count = "The 'event-rate' strategy takes two parameters."
        order = "The shortest and longest periods must satisfy 0 <= shortest_period <= longest_period"
        for params in (), ("1",), ("1", "2", "3"):
            self.assert_refused(count, SampleEventRate, "int", *params)
        for params in ("2", "1"), ("-1", "1"), ("nan", "1"), ("1", "nan"), (b"inf", b"inf"), (-2, -1):
            self.assert_refused(order, SampleEventRate, "int", *params)
        self.assert_refused(None, SampleEventRate, "int", "foo", "1")
        self.assert_refused(None, SampleEventRate, "int", "1", "bar")
        for params in (0, 0), ("1", b"inf"), (1, 1), ("1.5", 4.5):
            strategy = SampleEventRate(None, self.sensors["str"], *params)
            self.assertEqual((strategy._shortest_period, strategy._longest_period),
                             (float(params[0]), float(params[1])))

    def test_differential_rate(self):
        count = "The 'differential-rate' strategy takes three parameters."
        order = "The shortest and longest periods must satisfy 0 <= shortest_period <= longest_period"
        suitable = "The differential-rate strategy can only be defined for integer or float sensors"
        for params in (), ("1", "2"), ("1", "2", "3", "4"):
            self.assert_refused(count, SampleDifferentialRate, "int", *params)
        self.assert_refused(order, SampleDifferentialRate, "str", "foo", "2", "1")
        for sensor in "str", "ts", "disc":
            self.assert_refused(suitable, SampleDifferentialRate, sensor, "foo", "1", "2")
        for sensor, param in (("int", "1.5"), ("int", "foo"), ("int", INF), ("int", NAN), ("float", "foo"),
                              ("float", "nan"), ("float", "inf"), ("float", "-inf")):
            self.assert_refused(None, SampleDifferentialRate, sensor, param, "1", "2")
        for sensor, param, difference in (("int", b"2", 2), ("int", 0.5, 0), ("int", 2.5, 2), ("int", "0", 0),
                                          ("int", b"-1", -1), ("float", b"2", 2.), ("float", 0.5, 0.5),
                                          ("float", "0", 0.), ("float", "-0.5", -0.5)):
            strategy = SampleDifferentialRate(None, self.sensors[sensor], param, "1", "2")
            self.assertEqual(strategy.difference, difference)
            self.assertIs(type(strategy.difference), type(difference))

    def test_initial_state(self):
        sensor = self.sensors["int"]
        differential = SampleDifferential(None, sensor, 2)
        self.assertEqual((differential._lastStatus, differential._lastValue), (None, None))
        for strategy, last in ((SampleEventRate(None, sensor, 1, 2), (None, None, None)),
                               (SampleEvent(None, sensor), (None, None, None)),
                               (SampleDifferentialRate(None, sensor, 3, 1, 2), (None, None, 1e99))):
            self.assertEqual(strategy._last_reading_sent, last)
            self.assertEqual(strategy._not_before, 0)
            self.assertIsNone(strategy._short_timeout_handle)
            self.assertEqual(strategy._next_periodic, 1e99)
        event = SampleEvent(None, sensor)
        self.assertEqual((event._shortest_period, event._longest_period, event._params), (0.0, 1e99, ()))

    def test_sensor_is_left_alone(self):
        for _, cls, params in ALL_STRATEGIES:
            strategy = cls(None, self.sensors["int"], *params)
            self.assertIs(strategy._sensor, self.sensors["int"])
            self.assertIsNone(strategy._inform_callback)
        self.assertEqual(self.sensors["int"]._observers, set())

    def test_get_strategy(self):
        sensor = self.sensors["int"]
        for name, cls, params in ALL_STRATEGIES:
            for spelling in name, name.decode("ascii"), str(name.decode("ascii")):
                strategy = SampleStrategy.get_strategy(
                    spelling, None, sensor, *[str(param) for param in params], ioloop="a loop")
                self.assertIs(type(strategy), cls)
                self.assertEqual(strategy.ioloop, "a loop")
        self.assertRaises(ValueError, SampleStrategy.get_strategy, "period", None, sensor, "foo")
        self.assertRaises(ValueError, SampleStrategy.get_strategy, "differential", None, sensor, "bar")

    def test_get_strategy_unknown(self):
        known = ("Known strategies are ['none', 'auto', 'period', 'event', 'differential', "
                 "'event-rate', 'differential-rate'].")
        for name, shown in ((b"random", "random"), (u"random", "random"), ("", ""), ("Event", "Event"),
                            (None, "None"), (3, "3")):
            with self.assertRaises(ValueError) as caught:
                SampleStrategy.get_strategy(name, None, self.sensors["int"])
            self.assertEqual(str(caught.exception),
                             "Unknown sampling strategy '{}'. {}".format(shown, known))
        self.assertRaises(ValueError, SampleStrategy.get_strategy, b"\xff", None, self.sensors["int"])
        self.assertRaises(UnicodeEncodeError, SampleStrategy.get_strategy, u"\xe4", None, self.sensors["int"])
        self.assertRaises(TypeError, SampleStrategy.get_strategy, [], None, self.sensors["int"])

    def test_get_sampling_formatted(self):
        third = str(1 / 3.).encode("ascii")
        for sensor, cls, params, formatted in (
                ("int", SampleNone, (), (b"none", [])),
                ("int", SampleAuto, (), (b"auto", [])),
                ("int", SampleEvent, (), (b"event", [])),
                ("int", SamplePeriod, (10,), (b"period", [b"10"])),
                ("int", SamplePeriod, (b"2.007e3",), (b"period", [b"2.007e3"])),
                ("int", SamplePeriod, (1 / 3.,), (b"period", [third])),
                ("int", SamplePeriod, (True,), (b"period", [b"True"])),
                ("int", SamplePeriod, (u"15",), (b"period", [b"15"])),
                ("int", SampleDifferential, (3,), (b"differential", [b"3"])),
                ("ts", SampleDifferential, (4.12,), (b"differential", [b"4.12"])),
                ("float", SampleDifferential, (b"0.50",), (b"differential", [b"0.50"])),
                ("int", SampleEventRate, (1.5, 4.5), (b"event-rate", [b"1.5", b"4.5"])),
                ("int", SampleDifferentialRate, (2, 1.5, 4.5),
                 (b"differential-rate", [b"2", b"1.5", b"4.5"]))):
            got = cls(None, self.sensors[sensor], *params).get_sampling_formatted()
            self.assertEqual(got, formatted)
            self.assertTrue(all(isinstance(part, bytes) for part in [got[0]] + got[1]))
        strategy = SamplePeriod(None, self.sensors["int"], 1)
        strategy._params = (u"\xe4",)
        self.assertRaises(UnicodeEncodeError, strategy.get_sampling_formatted)

    def test_get_sampling(self):
        for constant, (_, cls, params) in enumerate(ALL_STRATEGIES):
            self.assertEqual(cls(None, self.sensors["int"], *params).get_sampling(), constant)
        self.assertRaises(NotImplementedError, SampleStrategy(None, self.sensors["int"]).get_sampling)


class TestInformsFromStrategies(SamplingTestCase):
    @timewarp_test
    def test_readings_can_be_formatted(self):
        yield self.start(SampleAuto)
        inform = format_inform_v5(self.sensor, *self.reports[0])
        self.assertEqual(inform.arguments, [b"12345.000000", b"1", b"a.sensor", b"nominal", b"3"])
        self.assertNotIsInstance(inform.arguments[0], text_type)
