"""Tests of the clock that is moved by hand."""

from __future__ import absolute_import, division, print_function

import logging
import threading
import unittest

import tornado.ioloop
from tornado import gen, testing

from katcp.compat import asyncio_loop_of, get_thread_ident, new_future, new_ioloop
from katcp.testutils import clock as clock_room
from tests.support.clock import (
    HandClock, TimewarpAsyncTestCase, TimewarpAsyncTestCaseTimeAdvancer)


class TestHandClock(unittest.TestCase):
    def setUp(self):
        self.loop = new_ioloop()
        self.addCleanup(self.loop.close)
        self.clock = HandClock()
        self.clock.install(self.loop)
        self.ran = []

    def run_until(self, time):
        self.clock.now = time
        self.loop.add_callback(self.loop.stop)
        self.loop.start()

    def test_time(self):
        self.assertEqual(self.loop.time(), 0)
        self.clock.now = 17.5
        self.assertEqual(self.loop.time(), 17.5)

    def test_timers_run_at_their_deadline_also_late_in_the_day(self):
        # Here the clock's last bit is some hundred nanoseconds.
        self.clock.now = 1.5e9
        self.loop.call_later(10, self.ran.append, "later")
        self.loop.call_at(1.5e9 + 10, self.ran.append, "at")
        self.loop.call_at(1.5e9 + 10.0000005, self.ran.append, "too late")
        self.run_until(1.5e9 + 9.999999)
        self.assertEqual(self.ran, [])
        self.run_until(1.5e9 + 10)
        self.assertEqual(self.ran, ["later", "at"])

    def test_equal_deadlines_keep_their_order(self):
        for number in range(50):
            self.loop.call_at(7, self.ran.append, number)
        self.loop.call_at(6, self.ran.append, "first")
        self.run_until(7)
        self.assertEqual(self.ran, ["first"] + list(range(50)))

    def test_removed_timers_do_not_run(self):
        handles = [self.loop.call_at(when, self.ran.append, when) for when in (3, 1, 2, 2)]
        self.loop.remove_timeout(handles[2])
        self.loop.call_at(1, self.loop.remove_timeout, handles[3])
        self.run_until(3)
        self.assertEqual(self.ran, [1, 3])

    def test_past_deadlines_run_at_once_and_in_order(self):
        self.clock.now = 100
        for when in (100, 50, 70, 60):
            self.loop.call_at(when, self.ran.append, when)
        self.loop.call_later(0, self.ran.append, "now")
        self.run_until(100)
        self.assertEqual(self.ran, [50, 60, 70, 100, "now"])

    def test_deadlines_are_not_rounded(self):
        when = 1.5e9 + 0.3
        self.clock.now = 0.1
        self.loop.call_at(when, self.ran.append, when)
        self.run_until(when - 3e-7)
        self.assertEqual(self.ran, [])
        self.run_until(when)
        self.assertEqual(self.ran, [when])

    def test_asyncio_timers(self):
        asyncio_loop = asyncio_loop_of(self.loop)
        if asyncio_loop is None:
            return
        asyncio_loop.call_later(5, self.ran.append, "asyncio")
        self.loop.call_later(4, self.ran.append, "tornado")
        self.run_until(4.5)
        self.assertEqual(self.ran, ["tornado"])
        self.run_until(5)
        self.assertEqual(self.ran, ["tornado", "asyncio"])


class TestTimewarpAsyncTestCase(TimewarpAsyncTestCase):
    def setUp(self):
        super(TestTimewarpAsyncTestCase, self).setUp()
        self.ran = []

    def add_timer(self, when, name):
        def run():
            self.ran.append(name)
            self.io_loop.add_callback(self.ran.append, name + "'s callback")

        return self.io_loop.call_at(when, run)

    @testing.gen_test
    def test_start(self):
        self.assertEqual(self.ioloop_time, 0)
        self.assertEqual(self.io_loop.time(), 0)
        self.assertIs(tornado.ioloop.IOLoop.current(), self.io_loop)
        self.assertEqual(self.ioloop_thread_id, get_thread_ident())
        self.ioloop_time = 3
        self.assertEqual(self.io_loop.time(), 3)
        yield self.wake_ioloop()

    @testing.gen_test
    def test_order(self):
        self.add_timer(1, "t1")
        self.add_timer(2, "t2")
        self.add_timer(2.001, "t3")
        yield self.wake_ioloop()
        self.assertEqual(self.ran, [])
        yield self.set_ioloop_time(2)
        self.ran.append("resumed")
        yield self.wake_ioloop()
        self.assertEqual(self.ran, ["t1", "t2", "resumed", "t1's callback", "t2's callback"])

    @testing.gen_test
    def test_order_with_separate_wake(self):
        self.add_timer(1, "t1")
        self.assertIsNone(self.set_ioloop_time(1, wake_ioloop=False))
        yield self.wake_ioloop()
        self.ran.append("resumed")
        yield self.wake_ioloop()
        self.assertEqual(self.ran, ["t1", "resumed", "t1's callback"])
        self.add_timer(2, "t2")
        self.set_ioloop_time(2)
        del self.ran[:]
        yield self.wake_ioloop()
        self.ran.append("resumed")
        yield self.wake_ioloop()
        self.assertEqual(self.ran, ["t2", "resumed", "t2's callback"])

    @testing.gen_test
    def test_timers_of_timers_count_from_the_new_time(self):
        self.io_loop.call_later(1, lambda: self.io_loop.call_later(1, self.ran.append, "second"))
        yield self.set_ioloop_time(2)
        yield self.set_ioloop_time(2.99)
        self.assertEqual(self.ran, [])
        yield self.set_ioloop_time(3)
        self.assertEqual(self.ran, ["second"])

    @testing.gen_test(timeout=100)
    def test_futures_resolved_by_timers(self):
        future = new_future(self.io_loop)
        self.io_loop.call_later(5, future.set_result, "done")
        yield self.set_ioloop_time(4.9995)
        self.assertFalse(future.done())
        self.set_ioloop_time(5.0005)
        yield self.wake_ioloop()
        self.assertTrue(future.done())

    @testing.gen_test(timeout=1000)
    def test_tornado_tools(self):
        sleeping = gen.sleep(50)
        waiting = gen.with_timeout(self.io_loop.time() + 60, new_future(self.io_loop))
        periodic = tornado.ioloop.PeriodicCallback(lambda: self.ran.append(self.ioloop_time), 70e3)
        periodic.start()
        yield self.set_ioloop_time(49.999)
        self.assertFalse(sleeping.done())
        yield self.set_ioloop_time(50)
        self.assertTrue(sleeping.done())
        yield self.set_ioloop_time(59.999)
        self.assertFalse(waiting.done())
        yield self.set_ioloop_time(60)
        with self.assertRaises(gen.TimeoutError):
            yield waiting
        yield self.set_ioloop_time(70)
        yield self.wake_ioloop()  # tornado 6 runs it in a task of its own
        yield self.set_ioloop_time(140)
        yield self.wake_ioloop()
        self.assertEqual(self.ran, [70, 140])
        periodic.stop()

    @testing.gen_test
    def test_set_time_as_callback(self):
        self.add_timer(3, "t")
        self.io_loop.add_callback(self.set_ioloop_time, 3)
        yield gen.sleep(3)
        self.assertIn("t", self.ran)

    @testing.gen_test
    def test_time_only_moves_forward(self):
        yield self.set_ioloop_time(2)
        for time in (2, 1):
            with self.assertRaises(AssertionError) as context:
                self.set_ioloop_time(time)
            self.assertIn("from 2 to", str(context.exception))
        self.assertEqual(self.ioloop_time, 2)


def run_case(test_class):
    """Return the result of the method ``test`` of a test case, and what the watchdog logged."""
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    clock_room.logger.addHandler(handler)
    try:
        result = unittest.TestResult()
        test_class("test").run(result)
    finally:
        clock_room.logger.removeHandler(handler)
    return result, [record.getMessage() for record in records]


class TestEndOfTests(unittest.TestCase):
    def setUp(self):
        self.threads = set(threading.enumerate())

    def tearDown(self):
        self.assertEqual(set(threading.enumerate()), self.threads)

    def test_gen_test_times_out_by_the_fake_clock(self):
        class Test(TimewarpAsyncTestCase):
            @testing.gen_test
            def test(self):
                yield self.set_ioloop_time(4.9)
                yield self.set_ioloop_time(5.1)
                yield new_future(self.io_loop)

        result, logged = run_case(Test)
        self.assertEqual(len(result.errors), 1)
        self.assertIn("Operation timed out after 5 seconds", result.errors[0][1])
        self.assertEqual(logged, [])

    def test_watchdog_ends_test_that_does_not_move_the_clock(self):
        class Test(TimewarpAsyncTestCase):
            still_clock_limit = 0.01

            @testing.gen_test
            def test(self):
                yield gen.sleep(1)

        result, logged = run_case(Test)
        self.assertEqual(len(result.errors), 1)
        self.assertEqual(len(logged), 1)
        self.assertIn("clock stood at 0 for more than 0.01 seconds", logged[0])

    def test_overridden_get_new_ioloop_is_honoured(self):
        class Test(TimewarpAsyncTestCase):
            still_clock_limit = None

            def get_new_ioloop(self):
                self.made = super(Test, self).get_new_ioloop()
                return self.made

            @testing.gen_test
            def test(self):
                assert self.io_loop is self.made
                assert self.io_loop.time() == 0
                yield self.wake_ioloop()

        result, _ = run_case(Test)
        self.assertTrue(result.wasSuccessful(), result.errors)

    def test_advancer_is_ended_by_the_cleanup(self):
        class Test(TimewarpAsyncTestCase):
            @testing.gen_test(timeout=1000)
            def test(self):
                advancer = TimewarpAsyncTestCaseTimeAdvancer(self, quantum=0.55)
                advancer.start()
                advancer.stop(timeout=5)
                advancer.stop()
                TimewarpAsyncTestCaseTimeAdvancer(self).start()
                yield gen.sleep(1)

        result, _ = run_case(Test)
        self.assertTrue(result.wasSuccessful(), result.errors)


class TestTimewarpAsyncTestCaseTimeAdvancer(TimewarpAsyncTestCase):
    @testing.gen_test(timeout=1000)
    def test_advances(self):
        advancer = TimewarpAsyncTestCaseTimeAdvancer(self, quantum=0.5)
        self.assertEqual((advancer.test_instance, advancer.quantum, advancer.rate),
                         (self, 0.5, 1000.))
        times = []
        for when in (0.4, 0.5, 0.6, 1.5):
            self.io_loop.call_at(when, lambda: times.append(self.ioloop_time))
        advancer.start()
        yield gen.sleep(20)
        self.assertEqual(times, [0.5, 0.5, 1.0, 1.5])
        advancer.stop()
        advancer.join()
        stopped_at = self.ioloop_time
        yield self.wake_ioloop()
        self.assertEqual(self.ioloop_time, stopped_at)

    @testing.gen_test
    def test_stop_before_start(self):
        advancer = TimewarpAsyncTestCaseTimeAdvancer(self)
        advancer.stop()
        advancer.start()
        advancer.join()
        yield self.wake_ioloop()
        self.assertEqual(self.ioloop_time, 0)
