"""Tests of when and what the sampling strategies report."""

from __future__ import absolute_import, division, print_function

import doctest
import logging
import os
import unittest

import tornado

import katcp.sampling
from katcp import sampling
from katcp.compat import text_type
from katcp.message import Message
from katcp.sampling import (
    AGE_OF_UNIVERSE, MIN_TIMER_SPACING, SampleAuto, SampleDifferential, SampleDifferentialRate, SampleEvent,
    SampleEventRate, SampleNone, SamplePeriod, SampleStrategy, format_inform_v4, format_inform_v5)
from katcp.sensor import Sensor
from tests.support.logs import LogRecorder
from tests.support.sampling import SamplingTestCase, in_thread, timewarp_test

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


class TestConstruction(unittest.TestCase):
    def setUp(self):
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
        for sensor, param in (("int", "1.5"), ("int", "foo"), ("int", "0"), ("int", -1), ("float", "foo"),
                              ("float", "0"), ("float", "-0.5"), ("float", "nan"), ("float", "inf")):
            self.assert_refused(None, SampleDifferentialRate, sensor, param, "1", "2")
        for sensor, param, difference in (("int", b"2", 2), ("float", b"2", 2.), ("float", 0.5, 0.5)):
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


class TestSampleNone(SamplingTestCase):
    @timewarp_test
    def test_reports_nothing(self):
        yield self.start(SampleNone)
        yield self.set_ioloop_time(1000)
        self.set(4)
        self.assertEqual(self.sensor._observers, set())
        self.strategy.cancel()
        yield self.wake_ioloop()
        self.assert_reported()


class TestSampleAuto(SamplingTestCase):
    @timewarp_test
    def test_every_update(self):
        strategy = self.make(SampleAuto)
        strategy.start()
        self.assert_reported()
        self.assertNotIn(strategy, self.sensor._observers)
        yield self.wake_ioloop()
        self.assertIn(strategy, self.sensor._observers)
        self.assertEqual(self.reports, [(12345, Sensor.NOMINAL, 3)])
        self.assert_reported(3)
        self.sensor.set(1, Sensor.WARN, 7)
        self.sensor.set(1, Sensor.WARN, 7)
        self.assertEqual(self.reports, [(1, Sensor.WARN, 7)] * 2)
        del self.reports[:]
        yield self.set_ioloop_time(100000)
        self.assert_reported()
        in_thread(self.set, 8)
        self.assert_reported()
        yield self.wake_ioloop()
        self.assert_reported(8)
        strategy.cancel()
        yield self.wake_ioloop()
        self.assertNotIn(strategy, self.sensor._observers)
        self.set(9)
        self.assert_reported()


class TestSamplePeriod(SamplingTestCase):
    @timewarp_test
    def test_sequence(self):
        yield self.start(SamplePeriod, 10)
        self.assert_reported(3)
        yield self.set_ioloop_time(11.5)
        self.assert_reported(3)
        yield self.set_ioloop_time(19.9)
        self.assert_reported()
        yield self.set_ioloop_time(20)
        self.assert_reported(3)
        yield self.set_ioloop_time(21.6)
        self.assert_reported()
        yield self.set_ioloop_time(25)
        self.set(4)
        self.assert_reported()
        yield self.set_ioloop_time(30)
        self.assert_reported(4)
        self.strategy.cancel()
        yield self.wake_ioloop()
        yield self.set_ioloop_time(41)
        self.assert_reported()

    @timewarp_test
    def test_cancel_keeps_timer_quiet(self):
        pending = self.watch_timers()
        yield self.start(SamplePeriod, 10)
        self.assertEqual(len(pending), 1)
        self.assert_reported(3)
        self.ioloop_time = 10
        # The timer is due in the very iteration in which the strategy is cancelled.
        self.io_loop.add_callback(self.strategy.cancel)
        yield self.wake_ioloop()
        yield self.set_ioloop_time(1000)
        self.assert_reported()
        self.assertEqual(pending, [])

    @timewarp_test
    def test_callback_cancels(self):
        pending = self.watch_timers()

        def inform(sensor, reading):
            self.reports.append(reading)
            if len(self.reports) == 2:
                strategy.cancel()

        strategy = SamplePeriod(inform, self.sensor, 10, ioloop=self.io_loop)
        strategy.start()
        for _ in range(4):
            yield self.set_ioloop_time(self.ioloop_time + 10)
        self.assert_reported(3, 3)
        self.assertEqual(pending, [])

    @timewarp_test
    def test_late(self):
        self.ioloop_time = 50000
        yield self.start(SamplePeriod, 10)
        self.assert_reported(3)
        # (What is due at the very moment, as at 50230, is reported in the next iteration.)
        for time, reports, next_time in (
                (50010, 1, 50020), (50025, 1, 50030), (50029.9, 0, 50030), (50030, 1, 50040),
                (50040, 1, 50050), (50200, 1, 50210), (50210, 1, 50220), (50230, 1, 50230), (50231, 1, 50240)):
            yield self.set_ioloop_time(time)
            self.assert_reported(*[3] * reports)
            self.assertEqual(self.strategy.next_time, next_time)

    @timewarp_test
    def test_restart(self):
        yield self.start(SamplePeriod, 10)
        yield self.set_ioloop_time(7)
        self.strategy.cancel()
        self.strategy.start()
        yield self.wake_ioloop()
        self.assert_reported(3, 3)
        yield self.set_ioloop_time(16.9)
        self.assert_reported()
        yield self.set_ioloop_time(17)
        self.assert_reported(3)

    @timewarp_test
    def test_started_twice(self):
        yield self.start(SamplePeriod, 10)
        self.strategy.start()
        yield self.wake_ioloop()
        self.assert_reported(3)
        yield self.set_ioloop_time(10)
        self.assert_reported(3)
        self.strategy.cancel()
        yield self.wake_ioloop()
        yield self.set_ioloop_time(100)
        self.assert_reported()

    @timewarp_test
    def test_shortest_spacing(self):
        self.ioloop_time = 1.5e9
        for period in "1e-9", "1e-300":
            yield self.start(SamplePeriod, period)
            for _ in range(5):
                yield self.wake_ioloop()
            self.assert_reported(3)
            for _ in range(5):
                # The clock's last bit is about a quarter of a microsecond here.
                yield self.set_ioloop_time(self.ioloop_time + 1.001 * MIN_TIMER_SPACING)
                yield self.wake_ioloop()
                yield self.wake_ioloop()
                self.assert_reported(3)
            self.strategy.cancel()
            yield self.wake_ioloop()

    @timewarp_test
    def test_never_again(self):
        for period in "4.4e17", 1e99, 1.7e308:
            yield self.start(SamplePeriod, period)
            self.assert_reported(3)
            self.assertIsNone(self.strategy.next_timeout_handle)
            self.strategy.cancel()
            yield self.wake_ioloop()

    @timewarp_test
    def test_failing_sensor(self):
        read = self.sensor.read

        def fail():
            raise RuntimeError("out of order")

        self.sensor.read = fail
        with LogRecorder("katcp.sampling") as log:
            yield self.start(SamplePeriod, 10)
            yield self.set_ioloop_time(10)
        self.assertEqual(len(log.records), 2)
        self.assertIn("a.sensor", log.messages[0])
        self.assertIn("out of order", str(log.records[0].exc_info[1]))
        self.sensor.read = read
        yield self.set_ioloop_time(20)
        self.assert_reported(3)

    @timewarp_test
    def test_clock_set_back(self):
        self.ioloop_time = 50000
        yield self.start(SamplePeriod, 10)
        self.assert_reported(3)
        # An asyncio loop's timers go by another clock, and fire regardless.
        self.ioloop_time = 40000
        self.strategy.cancel_timeouts()
        self.strategy._run_once()
        self.assert_reported(3)
        self.assertEqual(self.strategy.next_time, 40010)
        yield self.set_ioloop_time(40010)
        self.assert_reported(3)

    @timewarp_test
    def test_timer_a_little_early(self):
        yield self.start(SamplePeriod, 10)
        yield self.set_ioloop_time(9.9999)
        self.strategy.cancel_timeouts()
        self.strategy._run_once()
        self.assert_reported(3, 3)
        self.assertEqual(self.strategy.next_time, 20)

    @timewarp_test
    def test_loop_moves_to_another_thread(self):
        yield self.start(SamplePeriod, 10)
        self.strategy._ioloop_thread_id = None
        yield self.set_ioloop_time(10)
        self.assert_reported(3, 3)
        self.assertEqual(self.strategy._ioloop_thread_id, self.ioloop_thread_id)


class TestSampleDifferential(SamplingTestCase):
    @timewarp_test
    def test_sequence(self):
        yield self.start(SampleDifferential, 5)
        self.assertIn(self.strategy, self.sensor._observers)
        self.assert_reported(3)
        for value, reports in ((8, 0), (-2, 0), (9, 1), (4, 0), (14, 0), (3, 1), (3, 0)):
            self.set(value)
            self.assert_reported(*[value] * reports)
        self.set(3, Sensor.ERROR)
        self.assertEqual(self.reports, [(12345, Sensor.ERROR, 3)])
        self.assert_reported(3)
        self.set(8, Sensor.ERROR)
        self.set(9, Sensor.ERROR)
        self.assert_reported(9)
        yield self.set_ioloop_time(100000)
        self.assert_reported()
        in_thread(self.set, 19, Sensor.ERROR)
        self.assert_reported()
        yield self.wake_ioloop()
        self.assert_reported(19)
        self.strategy.cancel()
        yield self.wake_ioloop()
        self.assertNotIn(self.strategy, self.sensor._observers)
        self.set(100)
        self.assert_reported()

    @timewarp_test
    def test_timestamp_sensor(self):
        self.sensor = self.make_sensor(Sensor.TIMESTAMP, 1000.)
        yield self.start(SampleDifferential, "4.12")
        self.set(1004.0)
        self.set(1004.25)
        self.assert_reported(1000., 1004.25)

    @timewarp_test
    def test_restart(self):
        yield self.start(SampleDifferential, 5)
        self.strategy.cancel()
        yield self.wake_ioloop()
        self.strategy.start()
        yield self.wake_ioloop()
        self.assert_reported(3)
        self.strategy.cancel()
        self.set(10)
        self.strategy.start()
        yield self.wake_ioloop()
        self.assert_reported(10)

    @timewarp_test
    def test_incomparable_values(self):
        for cls, params in ((SampleDifferential, (2,)), (SampleDifferentialRate, (2, 0, "inf"))):
            self.sensor = self.make_sensor(Sensor.FLOAT, None)
            yield self.start(cls, *params)
            self.assert_reported(None)
            for value, reports in (
                    (None, 0), (1.0, 1), (None, 1), ("text", 1), ("text", 0), (1.0, 1), (3.0, 0),
                    (NAN, 1), (float("nan"), 0), (4.0, 1), (INF, 1), (INF, 0), (-INF, 1), (NAN, 1), (2.0, 1)):
                self.set(value)
                self.assertEqual(len(self.reports), reports, (cls, value))
                del self.reports[:]
            self.strategy.cancel()
            yield self.wake_ioloop()


class TestSampleEvent(SamplingTestCase):
    @timewarp_test
    def test_sequence(self):
        yield self.start(SampleEvent)
        self.assertIn(self.strategy, self.sensor._observers)
        self.assert_reported(3)
        yield self.set_ioloop_time(200000)
        self.assert_reported()
        self.set(3)
        self.set(3, timestamp=99)
        self.set(3.0)
        self.assert_reported()
        self.set(4, timestamp=100)
        self.assertEqual(self.reports, [(100, Sensor.NOMINAL, 4)])
        self.set(5)
        self.set(4)
        self.assert_reported(4, 5, 4)
        self.set(4, Sensor.WARN)
        self.set(4, Sensor.WARN)
        self.assertEqual(self.reports, [(12345, Sensor.WARN, 4)])
        self.assert_reported(4)
        in_thread(lambda: [self.set(value) for value in (2, 1, 3, 1)])
        self.assert_reported()
        yield self.wake_ioloop()
        self.assert_reported(2, 1, 3, 1)
        self.strategy.cancel()
        yield self.wake_ioloop()
        self.set(6)
        self.assert_reported()

    @timewarp_test
    def test_no_timers(self):
        with_timers = []
        self.io_loop.call_at = with_timers.append
        yield self.start(SampleEvent)
        self.set(4)
        self.set(5)
        self.assert_reported(3, 4, 5)
        self.assertEqual(with_timers, [])

    @timewarp_test
    def test_nan(self):
        self.sensor = self.make_sensor(Sensor.FLOAT, 1.0)
        yield self.start(SampleEvent)
        for value, reports in ((NAN, 1), (float("nan"), 0), (NAN, 0), (2.0, 1), (NAN, 1), (INF, 1), (INF, 0)):
            del self.reports[:]
            self.set(value)
            self.assertEqual(len(self.reports), reports, value)

    @timewarp_test
    def test_values_without_equality(self):
        class Array(object):
            def __ne__(self, other):
                raise ValueError("ambiguous")

        yield self.start(SampleEvent)
        value = Array()
        self.set(value)
        self.set(value)
        self.assert_reported(3, value, value)

    @timewarp_test
    def test_clock_set_back(self):
        self.ioloop_time = 50000
        yield self.start(SampleEvent)
        self.ioloop_time = 10
        self.set(4)
        self.assert_reported(3, 4)

    @timewarp_test
    def test_callback_sets_sensor(self):
        yield self.start(SampleEvent)
        self.assert_reported(3)

        def inform(sensor, reading):
            self.reports.append(reading)
            if reading.value < 7:
                self.set(reading.value + 1)

        self.strategy._inform_callback = inform
        self.set(4)
        self.assert_reported(4, 5, 6, 7)
        self.set(7)
        self.assert_reported()
        self.set(4)
        self.assert_reported(4, 5, 6, 7)


class RateTests(object):
    """What event-rate 1.5 4.5 and differential-rate 2 1.5 4.5 have in common.

    Subclasses have `cls` and `params`, and in `step` what makes a change of the value, in `small_step`
    what does not.
    """

    shortest = 1.5
    longest = 4.5

    def start_it(self):
        return self.start(self.cls, *self.params)

    @timewarp_test
    def test_sequence(self):
        start = 1000000
        self.ioloop_time = start
        yield self.start_it()
        self.assertIn(self.strategy, self.sensor._observers)
        self.assert_reported(3)
        value = 3
        for fraction in 0.99, 0.999:
            yield self.set_ioloop_time(start + fraction * self.shortest)
            value += self.step
            self.set(value)
            self.assert_reported()
        last = start + self.shortest
        yield self.set_ioloop_time(last)
        self.assert_reported(value)
        yield self.set_ioloop_time(last + 0.999 * self.longest)
        self.assert_reported()
        for _ in range(2):
            last += self.longest
            yield self.set_ioloop_time(last)
            self.assert_reported(value)
        yield self.set_ioloop_time(last + self.shortest)
        self.set(value, timestamp=1)
        self.set(value + self.small_step)
        self.assert_reported()
        value += self.step
        self.set(value)
        self.assert_reported(value)
        yield self.set_ioloop_time(last + 2 * self.shortest)
        self.set(value, Sensor.ERROR)
        self.assertEqual(self.reports, [(12345, Sensor.ERROR, value)])
        self.assert_reported(value)
        yield self.set_ioloop_time(last + 3 * self.shortest)
        in_thread(self.set, value - self.step, Sensor.ERROR)
        self.assert_reported()
        yield self.wake_ioloop()
        self.assert_reported(value - self.step)
        self.strategy.cancel()
        yield self.wake_ioloop()
        self.assertNotIn(self.strategy, self.sensor._observers)
        yield self.set_ioloop_time(self.ioloop_time + 5 * self.longest)
        self.set(value)
        self.assert_reported()

    @timewarp_test
    def test_status_is_deferred_too(self):
        yield self.start_it()
        self.set(3, Sensor.WARN)
        self.assert_reported(3)
        yield self.set_ioloop_time(1.5)
        self.assertEqual(self.reports, [(12345, Sensor.WARN, 3)])

    @timewarp_test
    def test_deferred_report_is_made_anyway(self):
        yield self.start_it()
        self.set(3 + self.step)
        self.set(3)
        yield self.set_ioloop_time(1.5)
        self.assert_reported(3, 3)

    @timewarp_test
    def test_bounds_start_with_each_report(self):
        yield self.start_it()
        # 1: at once, 2: deferred, 3: periodic
        yield self.set_ioloop_time(2)
        self.set(13)
        self.set(23)
        yield self.set_ioloop_time(3.4)
        self.assert_reported(3, 13)
        yield self.set_ioloop_time(3.75)
        self.assert_reported(23)
        self.set(33)
        yield self.set_ioloop_time(5.24)
        self.assert_reported()
        yield self.set_ioloop_time(5.25)
        self.assert_reported(33)
        yield self.set_ioloop_time(9.74)
        self.assert_reported()
        yield self.set_ioloop_time(10)
        self.assert_reported(33)
        self.set(43)
        yield self.set_ioloop_time(11.49)
        self.assert_reported()
        yield self.set_ioloop_time(11.5)
        self.assert_reported(43)
        self.assertEqual((self.strategy._not_before, self.strategy._not_after), (13, 16))
        self.assertEqual(self.strategy._last_reading_sent, (12345, Sensor.NOMINAL, 43))

    @timewarp_test
    def test_late_timers_make_one_report(self):
        yield self.start_it()
        self.set(13)
        yield self.set_ioloop_time(100)
        yield self.wake_ioloop()
        self.assert_reported(3, 13)
        yield self.set_ioloop_time(104.4)
        self.assert_reported()
        yield self.set_ioloop_time(104.5)
        self.assert_reported(13)

    @timewarp_test
    def test_update_at_the_moment_a_deferred_report_is_due(self):
        yield self.start_it()
        self.set(13)
        self.ioloop_time = 1.5
        self.set(23)
        self.assert_reported(3, 23)
        self.set(33)
        yield self.wake_ioloop()
        self.assert_reported()
        yield self.set_ioloop_time(2.999)
        self.assert_reported()
        yield self.set_ioloop_time(3)
        self.assert_reported(33)

    @timewarp_test
    def test_nothing_left_for_a_deferred_report(self):
        yield self.start_it()
        self.set(13)
        self.ioloop_time = 1.5
        self.set(23)
        self.assert_reported(3, 23)
        yield self.wake_ioloop()
        yield self.set_ioloop_time(5.9)
        self.assert_reported()

    @timewarp_test
    def test_clock_set_back(self):
        self.ioloop_time = 50000
        yield self.start_it()
        self.set(13)
        self.assert_reported(3)
        self.ioloop_time = 100
        self.set(23)
        self.assert_reported()
        yield self.set_ioloop_time(101.5)
        self.assert_reported(23)
        yield self.set_ioloop_time(105.9)
        self.assert_reported()
        yield self.set_ioloop_time(106)
        self.assert_reported(23)

    @timewarp_test
    def test_timers_fire_early(self):
        # As timers do on asyncio, whose clock is not the loop's, when that is set back.
        self.ioloop_time = 50000
        yield self.start_it()
        self.set(13)
        self.ioloop_time = 100
        self.strategy.cancel_timeouts()
        self.strategy._short_timeout_handler()
        self.strategy._periodic_sampling()
        self.assert_reported(3)
        yield self.set_ioloop_time(101.5)
        self.assert_reported(13)
        yield self.set_ioloop_time(105.9)
        self.assert_reported()
        yield self.set_ioloop_time(106)
        self.assert_reported(13)

    @timewarp_test
    def test_periodic_timer_fires_early(self):
        self.ioloop_time = 50000
        yield self.start_it()
        self.ioloop_time = 100
        self.strategy.cancel_timeouts()
        self.strategy._periodic_sampling()
        self.assert_reported(3)
        yield self.set_ioloop_time(104.4)
        self.assert_reported()
        yield self.set_ioloop_time(104.5)
        self.assert_reported(3)

    @timewarp_test
    def test_restart(self):
        yield self.start_it()
        self.set(13)
        self.strategy.cancel()
        yield self.wake_ioloop()
        yield self.set_ioloop_time(1.6)
        self.assert_reported(3)
        self.set(3)
        self.strategy.start()
        yield self.wake_ioloop()
        self.assert_reported()
        yield self.set_ioloop_time(4.5)
        self.assert_reported(3)
        self.strategy.cancel()
        yield self.wake_ioloop()
        yield self.set_ioloop_time(20)
        self.assert_reported()
        self.strategy.start()
        yield self.wake_ioloop()
        self.assert_reported(3)
        self.strategy.cancel()
        self.set(13)
        yield self.set_ioloop_time(21)
        self.strategy.start()
        yield self.wake_ioloop()
        self.assert_reported()
        yield self.set_ioloop_time(21.5)
        self.assert_reported(13)

    @timewarp_test
    def test_cancel_keeps_timers_quiet(self):
        # Both are due in the very iteration in which the strategy is cancelled.
        yield self.start_it()
        self.set(13)
        self.assert_reported(3)
        self.ioloop_time = 100
        self.io_loop.add_callback(self.strategy.cancel)
        yield self.wake_ioloop()
        yield self.set_ioloop_time(1000)
        self.assert_reported()

    @timewarp_test
    def test_no_more_timers_than_needed(self):
        pending = self.watch_timers()
        yield self.start_it()
        for i in range(5):
            self.set(13 + self.step * i)
        self.assertEqual(len(pending), 2)
        yield self.set_ioloop_time(1.5)
        self.assertEqual(len(pending), 1)
        for i in range(1, 5):
            # Reports only put off the periodic one.
            self.ioloop_time += 1.5
            before = list(pending)
            self.set(33 + self.step * i)
            self.assertEqual(pending, before)
        yield self.wake_ioloop()
        self.set(3)
        self.assertEqual(len(pending), 2)
        # Timers that the clock was set back under are replaced.
        self.ioloop_time = 1
        self.set(13)
        self.assertEqual(len(pending), 2)
        yield self.set_ioloop_time(2.5)
        self.assertEqual(len(pending), 1)
        self.set(23)
        self.assertEqual(len(pending), 2)
        self.strategy.cancel()
        yield self.wake_ioloop()
        self.assertEqual(pending, [])

    @timewarp_test
    def test_failing_sensor(self):
        yield self.start_it()
        self.assert_reported(3)
        read = self.sensor.read

        def fail():
            raise RuntimeError("out of order")

        self.sensor.read = fail
        with LogRecorder("katcp.sampling") as log:
            self.set(13)
            yield self.set_ioloop_time(1.5)
            yield self.set_ioloop_time(2)
            self.assertEqual(len(log.records), 1)
            yield self.set_ioloop_time(3)
            self.assertEqual(len(log.records), 2)
        self.sensor.read = read
        yield self.set_ioloop_time(4.5)
        self.assert_reported(13)
        self.sensor.read = fail
        with LogRecorder("katcp.sampling") as log:
            yield self.set_ioloop_time(9)
            yield self.wake_ioloop()
            yield self.wake_ioloop()
            self.assertEqual(len(log.records), 1)
        self.sensor.read = read
        yield self.set_ioloop_time(13.5)
        self.assert_reported(13)

    @timewarp_test
    def test_reading_sets_sensor(self):
        # A sensor that asks its hardware when it is read.
        yield self.start_it()
        self.assert_reported(3)
        plain_read = self.sensor.read

        def read():
            del self.sensor.read
            self.set(23)
            return plain_read()

        self.sensor.read = read
        yield self.set_ioloop_time(4.5)
        self.assert_reported(23)
        self.set(33)
        self.sensor.read = read
        yield self.set_ioloop_time(6)
        self.assert_reported(23)

    @timewarp_test
    def test_loop_moves_to_another_thread(self):
        yield self.start_it()
        self.set(13)
        for time in 1.5, 6:
            self.strategy._ioloop_thread_id = None
            yield self.set_ioloop_time(time)
            self.assertEqual(self.strategy._ioloop_thread_id, self.ioloop_thread_id)
        self.assert_reported(3, 13, 13)

    @timewarp_test
    def test_no_longest(self):
        for longest in "inf", 1e99, 4.4e17:
            self.ioloop_time = 0
            yield self.start(self.cls, *self.params[:-1] + (longest,))
            self.assertIsNone(self.strategy._periodic_timeout_handle)
            self.assert_reported(3)
            self.strategy.cancel()
            yield self.wake_ioloop()

    @timewarp_test
    def test_huge_shortest(self):
        yield self.start(self.cls, *self.params[:-2] + (1e99, 1e100))
        self.set(13)
        self.assertIsNone(self.strategy._short_timeout_handle)
        yield self.set_ioloop_time(AGE_OF_UNIVERSE / 1e6)
        self.set(23)
        self.assert_reported(3)

    @timewarp_test
    def test_shortest_spacing(self):
        for periods in ((0, 0), (0, 1e-6), (1e-9, 1e-9)):
            yield self.start(self.cls, *self.params[:-2] + periods)
            for _ in range(5):
                yield self.wake_ioloop()
            self.assert_reported(self.sensor.value())
            for _ in range(5):
                yield self.set_ioloop_time(self.ioloop_time + MIN_TIMER_SPACING)
                yield self.wake_ioloop()
                yield self.wake_ioloop()
                self.assertEqual(len(self.reports), 1)
                del self.reports[:]
            if periods[0] == 0:
                values = [self.sensor.value() + self.step * i for i in (1, 2, 3)]
                for value in values:
                    self.set(value)
                self.assert_reported(*values)
            self.strategy.cancel()
            yield self.wake_ioloop()

    @timewarp_test
    def test_longest_of_zero_is_within_shortest(self):
        yield self.start(self.cls, *self.params[:-2] + (0, 4.5))
        self.set(13)
        self.set(23)
        self.assert_reported(3, 13, 23)
        yield self.set_ioloop_time(4.5)
        self.assert_reported(23)

    @timewarp_test
    def test_callback_cancels(self):
        def inform(sensor, reading):
            self.reports.append(reading)
            if len(self.reports) == self.cancel_at:
                self.strategy.cancel()

        # At the initial, the deferred, the periodic report.
        for self.cancel_at in 1, 2, 3:
            self.set(3)
            self.strategy = self.cls(inform, self.sensor, *self.params, ioloop=self.io_loop)
            self.strategy.start()
            yield self.wake_ioloop()
            self.set(13)
            for _ in range(5):
                yield self.set_ioloop_time(self.ioloop_time + 5)
            self.assert_reported(*[3, 13, 13][:self.cancel_at])
            self.assertEqual(self.sensor._observers, set())

    @timewarp_test
    def test_hooks(self):
        calls = []

        class Strategy(self.cls):
            def _sensor_changed(self, reading):
                calls.append("changed")
                return super(Strategy, self)._sensor_changed(reading)

            def _periodic_sampling(self):
                calls.append("periodic")
                super(Strategy, self)._periodic_sampling()

            def _short_timeout_handler(self):
                calls.append("short")
                super(Strategy, self)._short_timeout_handler()

            def inform(self, reading):
                calls.append("inform")
                super(Strategy, self).inform(reading)

        yield self.start(Strategy, *self.params)
        self.assertEqual(calls, ["changed", "inform", "periodic"])
        self.set(13)
        yield self.set_ioloop_time(1.5)
        self.assertEqual(calls[3:], ["changed", "short", "inform"])


class TestSampleEventRate(RateTests, SamplingTestCase):
    cls = SampleEventRate
    params = (1.5, 4.5)
    step = 1
    small_step = 0


class TestSampleDifferentialRate(RateTests, SamplingTestCase):
    cls = SampleDifferentialRate
    params = (2, 1.5, 4.5)
    step = 3
    small_step = 2

    @timewarp_test
    def test_strict_difference_from_last_report(self):
        yield self.start(SampleDifferentialRate, 2, 0, "inf")
        for value, reports in ((5, 0), (1, 0), (6, 1), (4, 0), (8, 0), (3, 1)):
            self.reports = []
            self.set(value)
            self.assert_reported(*[value] * reports)

    @timewarp_test
    def test_float_sensor(self):
        self.sensor = self.make_sensor(Sensor.FLOAT, 1.0)
        yield self.start(SampleDifferentialRate, "0.5", 0, 10)
        self.set(1.5)
        self.set(1.75)
        self.assert_reported(1.0, 1.75)


class TestInformsFromStrategies(SamplingTestCase):
    @timewarp_test
    def test_readings_can_be_formatted(self):
        yield self.start(SampleAuto)
        inform = format_inform_v5(self.sensor, *self.reports[0])
        self.assertEqual(inform.arguments, [b"12345.000000", b"1", b"a.sensor", b"nominal", b"3"])
        self.assertNotIsInstance(inform.arguments[0], text_type)
