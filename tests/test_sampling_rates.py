"""Tests of when event-rate and differential-rate report."""

from __future__ import absolute_import, division, print_function

from katcp.sampling import (
    AGE_OF_UNIVERSE, MIN_TIMER_SPACING, SampleDifferentialRate, SampleEventRate)
from katcp.sensor import Sensor
from tests.support.logs import LogRecorder
from tests.support.sampling import SamplingTestCase, in_thread, timewarp_test


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
            self.assertEqual([reading[1:] for reading in self.reports], [(Sensor.UNKNOWN, None)])
            self.set(16)
            self.assert_reported(None)
            yield self.set_ioloop_time(3)
            self.assert_reported(None)
            # When the longest period has passed
            yield self.set_ioloop_time(7.5)
            yield self.wake_ioloop()
            yield self.wake_ioloop()
            self.assert_reported(None)
        self.assertEqual(len(log.records), 1)
        self.sensor.read = read
        yield self.set_ioloop_time(12)
        self.assert_reported(16)

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
    def test_differences_that_are_not_positive(self):
        for difference, again in ((0, 0), (0.5, 0), ("0", 0), (-1, 1)):
            self.set(3)
            yield self.start(SampleDifferentialRate, difference, 0, "inf")
            self.assert_reported(3)
            for value, reports in ((4, 1), (4, again), (6, 1)):
                self.set(value)
                self.assert_reported(*[value] * reports)
            self.strategy.cancel()
            yield self.wake_ioloop()

    @timewarp_test
    def test_float_sensor(self):
        self.sensor = self.make_sensor(Sensor.FLOAT, 1.0)
        yield self.start(SampleDifferentialRate, "0.5", 0, 10)
        self.set(1.5)
        self.set(1.75)
        self.assert_reported(1.0, 1.75)
