"""Tests of when none, auto, period, event and differential report."""

from __future__ import absolute_import, division, print_function

from katcp.sampling import (
    MIN_TIMER_SPACING, SampleAuto, SampleDifferential, SampleDifferentialRate, SampleEvent, SampleEventRate,
    SampleNone, SamplePeriod)
from katcp.sensor import Sensor
from tests.support.logs import LogRecorder
from tests.support.sampling import SamplingTestCase, in_thread, timewarp_test

NAN = float("nan")
INF = float("inf")


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
                (50040, 1, 50050), (50200, 1, 50210), (50210, 1, 50220), (50230, 1, 50230),
                (50231, 1, 50240)):
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
        self.assertEqual(len(log.records), 1)
        self.assertIn("a.sensor", log.messages[0])
        self.assertIn("out of order", str(log.records[0].exc_info[1]))
        self.assertEqual([reading[1] for reading in self.reports], [Sensor.UNKNOWN] * 2)
        self.assert_reported(None, None)
        self.sensor.read = read
        yield self.set_ioloop_time(20)
        self.assert_reported(3)
        # It is logged anew once the sensor has been readable.
        self.sensor.format_reading(self.sensor.read())
        self.sensor.read = fail
        with LogRecorder("katcp.sampling") as log:
            yield self.set_ioloop_time(30)
            yield self.set_ioloop_time(40)
        self.assertEqual(len(log.records), 1)

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


class TestReadingsWithoutValue(SamplingTestCase):
    STATUSES = sorted(Sensor.STATUSES_WITHOUT_VALUE)

    @timewarp_test
    def test_all_strategies(self):
        for cls, params in ((SampleAuto, ()), (SampleEvent, ()), (SampleEventRate, (0, 100)),
                            (SampleDifferential, (2,)), (SampleDifferentialRate, (2, 0, 100))):
            self.sensor = self.make_sensor(Sensor.INTEGER, 3)
            yield self.start(cls, *params)
            self.assert_reported(3)
            for status in self.STATUSES:
                self.set(None, status)
                self.assertEqual([reading[1:] for reading in self.reports], [(status, None)], cls)
                del self.reports[:]
                self.set(None, status)
                self.assert_reported(*[None] * (cls is SampleAuto))
            self.set(3)
            self.assert_reported(3)
            self.strategy.cancel()
            yield self.wake_ioloop()

    @timewarp_test
    def test_at_the_start(self):
        for cls, params in ((SampleAuto, ()), (SampleEvent, ()), (SampleEventRate, (0, 100)),
                            (SamplePeriod, (10,)),
                            (SampleDifferential, (2,)), (SampleDifferentialRate, (2, 0, 100))):
            for status in self.STATUSES:
                self.set(None, status)
                yield self.start(cls, *params)
                self.assertEqual(self.reports, [(12345, status, None)])
                self.strategy.cancel()
                yield self.wake_ioloop()
                del self.reports[:]


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
        for value, reports in ((NAN, 1), (float("nan"), 1), (NAN, 1), (2.0, 1), (NAN, 1), (INF, 1), (INF, 0)):
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
