"""Tests of events and states."""

from __future__ import absolute_import, division, print_function

import functools
import gc
import threading
import unittest

import tornado.gen
from tornado.testing import gen_test

from katcp import compat, events, waiting
from katcp.events import AsyncCallbackEvent, AsyncEvent, AsyncState
from katcp.waiting import LatencyTimer, until_any, until_some
from tests.support import mock
from tests.support.logs import LogRecorder
from tests.support.waiting import WaitingTestCase, waiting_for


class TestModule(unittest.TestCase):
    def test_names_are_those_of_waiting(self):
        for name in "AsyncEvent", "AsyncCallbackEvent", "AsyncState":
            self.assertIs(getattr(waiting, name), getattr(events, name))


class TestAsyncEvent(WaitingTestCase):

    def test_flag(self):
        self.assertFalse(self.event.is_set())
        self.event.set()
        self.assertTrue(self.event.is_set())
        self.assertTrue(self.event.isSet())
        self.event.set()
        self.event.clear()
        self.assertFalse(self.event.isSet())

    def test_waiting_for_what_is_set(self):
        self.event.set()
        self.assertIs(self.event.until_set().result(), True)
        self.assertIs(self.event.until_set(timeout=-1).result(), True)

    @gen_test
    def test_futures_are_done_when_set_returns(self):
        futures = [self.event.until_set(), self.event.until_set(timeout=1)]
        self.assertFalse(any(future.done() for future in futures))
        self.event.set()
        self.assertEqual([future.result() for future in futures], [True, True])
        self.assertEqual((yield futures), [True, True])

    @gen_test
    def test_flag_is_set_before_anybody_is_told(self):
        seen = []
        future = self.event.until_set()
        future.add_done_callback(lambda future: seen.append(self.event.is_set()))
        future.followers = mock.Mock(
            source_done=lambda future: seen.append(self.event.is_set()))
        self.event.set()
        yield tornado.gen.moment
        self.assertEqual(seen, [True, True])

    @gen_test
    def test_a_pulse_wakes_who_waited(self):
        before = self.event.until_set()
        self.event.set()
        self.event.clear()
        after = self.event.until_set()
        self.assertTrue((yield before))
        self.assertFalse(after.done())

    @gen_test
    def test_waiters_do_not_resume_inside_set(self):
        resumed = []
        waiting_for(self.event.until_set(), resumed)
        waiting_for(self.event.until_set(), resumed)
        self.event.set()
        self.assertEqual(resumed, [])
        yield tornado.gen.moment
        self.assertEqual(resumed, [True, True])

    @gen_test
    def test_waiters_resume_in_the_order_of_their_arrival(self):
        resumed = []

        @tornado.gen.coroutine
        def wait(number):
            yield self.event.until_set()
            resumed.append(number)

        for number in range(100):
            wait(number)
        self.event.set()
        yield tornado.gen.moment
        self.assertEqual(resumed, list(range(100)))

    @gen_test
    def test_timeout(self):
        future = self.event.until_set(timeout=2)
        yield self.set_ioloop_time(1.9)
        self.assertFalse(future.done())
        yield self.set_ioloop_time(2)
        self.assertTrue(future.done())
        with self.assertRaises(tornado.gen.TimeoutError) as caught:
            yield future
        self.assertEqual(str(caught.exception), "Timeout")
        # The event works as before.
        future = self.event.until_set(timeout=2)
        self.event.set()
        self.assertTrue((yield future))

    @gen_test
    def test_negative_timeout(self):
        with self.assertRaises(tornado.gen.TimeoutError):
            yield self.event.until_set(timeout=-0.1)

    @gen_test(timeout=10 ** 7)
    def test_timeout_of_none_or_zero_means_for_ever(self):
        futures = [self.event.until_set(timeout=0), self.event.until_set(timeout=None)]
        yield self.set_ioloop_time(10 ** 6)
        self.assertFalse(any(future.done() for future in futures))

    @gen_test
    def test_timeout_after_set_does_nothing(self):
        future = self.event.until_set(timeout=1)
        self.event.set()
        yield self.set_ioloop_time(2)
        self.assertIs(future.result(), True)

    @gen_test
    def test_callbacks_may_use_the_event(self):
        # On tornado 4.5 callbacks run inside set().
        later = []

        def use(future):
            self.event.clear()
            later.append(self.event.until_set())

        first, second = self.event.until_set(), self.event.until_set()
        first.add_done_callback(use)
        self.event.set()
        self.assertTrue(second.done())
        yield tornado.gen.moment
        self.assertFalse(later[0].done())

    def test_loop(self):
        self.assertIs(self.event._ioloop, self.io_loop)
        self.assertIs(AsyncEvent()._ioloop, self.io_loop)
        other = compat.new_ioloop()
        self.addCleanup(other.close)
        self.event.bind(other)
        self.assertIs(self.event._ioloop, other)

    @gen_test
    def test_the_timeout_runs_on_the_given_loop(self):
        other = mock.Mock(spec=["time", "call_at", "remove_timeout", "asyncio_loop"])
        other.time.return_value = 50
        event = AsyncEvent(other)
        future = event.until_set(timeout=3)
        self.assertEqual(other.call_at.call_args[0][0], 53)
        other.call_at.call_args[0][1]()
        self.assertIsInstance(future.exception(), tornado.gen.TimeoutError)
        self.assertFalse(other.remove_timeout.called)
        # And is taken back when the wait ends before.
        future = event.until_set(timeout=3)
        event.set()
        other.remove_timeout.assert_called_once_with(other.call_at.return_value)

    @gen_test
    def test_bound_method_as_function(self):
        until_synced = self.event.until_set
        self.event.set()
        self.assertTrue((yield until_synced()))

    def test_construction_anywhere_without_side_effects(self):
        seen = []

        def construct():
            try:
                event, state = AsyncEvent(), AsyncState(("a", "b"))
                callback_event, timer = AsyncCallbackEvent(seen.append), LatencyTimer(1)
                event.set()
                state.set_state("b")
                callback_event.set()
                seen.append((event.until_set().result(), state.until_state("b").result()))
                seen.append(timer.time_to_yield())
                done = compat.done_future(1)
                seen.append((until_any(done).result(), until_some(done).result()))
            finally:
                seen.append(compat.current_ioloop())

        thread = threading.Thread(target=construct)
        thread.start()
        thread.join()
        self.assertEqual(seen, [True, (True, True), False, (1, [(0, 1)]), None])

    def test_made_before_its_loop(self):
        # In a thread with no loop, then waited for on another loop.
        made = []
        thread = threading.Thread(target=lambda: made.extend([AsyncEvent(), AsyncState("ab")]))
        thread.start()
        thread.join()
        event, state = made

        @tornado.gen.coroutine
        def wait():
            self.io_loop.call_later(1, event.set)
            self.io_loop.call_later(1, state.set_state, "b")
            waits = [event.until_set(timeout=2), state.until_state("b", timeout=2),
                     event.until_set(timeout=0.5)]
            yield self.set_ioloop_time(0.5)
            self.assertIsInstance(waits.pop().exception(), tornado.gen.TimeoutError)
            yield self.set_ioloop_time(1)
            yield waits

        self.io_loop.run_sync(wait)


class TestAsyncCallbackEvent(WaitingTestCase):

    def test_called_after_each_change(self):
        calls = []
        event = AsyncCallbackEvent(
            lambda flag: calls.append((flag, event.is_set(), future.done())), self.io_loop)
        self.assertIs(event._ioloop, self.io_loop)
        future = event.until_set()
        event.clear()
        event.set()
        event.set()
        event.clear()
        self.assertEqual(calls, [
            (False, False, False), (True, True, True), (True, True, True), (False, False, True)])

    def test_without_callback(self):
        event = AsyncCallbackEvent()
        event.set()
        self.assertTrue(event.is_set())

    def test_exceptions_are_logged(self):
        event = AsyncCallbackEvent(mock.Mock(side_effect=ValueError("oh")))
        with LogRecorder("katcp.core") as log:
            event.set()
        self.assertTrue(event.is_set())
        self.assertEqual(log.messages, ["Unhandled exception calling event change callback"])
        self.assertIs(log.records[0].exc_info[0], ValueError)


class TestAsyncState(WaitingTestCase):

    def setUp(self):
        super(TestAsyncState, self).setUp()
        self.state = AsyncState(("off", "starting", "on"), "off", self.io_loop)

    def test_construction(self):
        self.assertEqual(self.state.state, "off")
        self.assertEqual(self.state.valid_states, frozenset(["off", "starting", "on"]))
        self.assertIs(self.state._ioloop, self.io_loop)
        self.assertEqual(AsyncState(iter("xyz")).state, "x")
        self.assertRaises(IndexError, AsyncState, ())
        self.assertRaises(AssertionError, AsyncState, ("a",), "b")
        with self.assertRaises(AttributeError):
            self.state.state = "on"

    def test_unknown_states(self):
        message = "State must be one of {0}, not big".format(self.state.valid_states)
        for use in (self.state.set_state, self.state.until_state,
                    functools.partial(self.state.until_state_in, "on")):
            with self.assertRaises(ValueError) as caught:
                use("big")
            self.assertEqual(str(caught.exception), message)

    @gen_test
    def test_waiting(self):
        self.assertIs(self.state.until_state("off").result(), True)
        future = self.state.until_state("on")
        self.state.set_state("starting")
        self.assertFalse(future.done())
        self.state.set_state("on")
        self.assertIs(future.result(), True)
        self.assertTrue((yield future))
        self.assertEqual(self.state.state, "on")

    @gen_test
    def test_pulse(self):
        future = self.state.until_state("on")
        self.state.set_state("on")
        self.state.set_state("off")
        self.assertTrue((yield future))

    @gen_test
    def test_timeout(self):
        future = self.state.until_state("on", timeout=1)
        yield self.set_ioloop_time(1)
        with self.assertRaises(tornado.gen.TimeoutError):
            yield future
        future = self.state.until_state("on", timeout=1)
        self.state.set_state("on")
        self.assertTrue((yield future))

    @gen_test
    def test_several_states(self):
        self.assertTrue(self.state.until_state_in("on", "off").done())
        future = self.state.until_state_in("starting", "on", timeout=10)
        self.state.set_state("on")
        self.assertTrue((yield future))
        self.assertEqual([len(waiters) for waiters in self.state._waiters.values()], [0, 0])
        future = self.state.until_state_in("starting", "off", timeout=2)
        yield self.set_ioloop_time(2)
        with self.assertRaises(tornado.gen.TimeoutError):
            yield future
        self.assertEqual(sum(len(waiters) for waiters in self.state._waiters.values()), 0)

    @gen_test
    def test_no_states(self):
        future = self.state.until_state_in()
        self.state.set_state("on")
        self.assertFalse(future.done())


class TestWaitWithIOLoop(unittest.TestCase):

    def setUp(self):
        self.ioloop = compat.new_ioloop()
        self.event = AsyncEvent(self.ioloop)
        self.thread = threading.Thread(target=self.ioloop.start)
        self.thread.daemon = True
        self.addCleanup(self.stop)

    def stop(self):
        self.ioloop.add_callback(self.ioloop.stop)
        self.thread.join()
        self.ioloop.close()

    def run_in_loop(self, fn):
        future = compat.ConcurrentFuture()
        self.ioloop.add_callback(lambda: future.set_result(fn()))
        return future.result(5)

    def test_waits(self):
        self.thread.start()
        self.ioloop.add_callback(lambda: self.ioloop.call_later(0.01, self.event.set))
        self.assertIs(self.event.wait_with_ioloop(self.ioloop, timeout=5), True)
        self.assertIs(self.event.wait_with_ioloop(self.ioloop), True)

    def test_returns_at_once_if_set(self):
        self.event.set()
        self.assertIs(self.event.wait_with_ioloop(self.ioloop), True)
        self.thread.start()

    def test_timeout_leaves_nothing_behind(self):
        self.thread.start()
        self.assertIs(self.event.wait_with_ioloop(self.ioloop, timeout=0.01), False)
        self.assertIs(self.event.wait_with_ioloop(self.ioloop, timeout=0), False)
        # Twice, because giving up is handed over to the loop as well.
        self.run_in_loop(gc.collect)
        self.assertEqual(self.run_in_loop(lambda: len(self.event._waiters)), 0)

    def test_in_the_thread_of_the_loop(self):
        self.thread.start()

        def wait():
            try:
                self.event.wait_with_ioloop(self.ioloop)
            except RuntimeError as exc:
                return exc

        self.assertIsInstance(self.run_in_loop(wait), RuntimeError)

    def test_a_loop_that_does_not_run(self):
        self.assertIs(self.event.wait_with_ioloop(self.ioloop, timeout=0.01), False)
        self.thread.start()
