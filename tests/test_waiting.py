from __future__ import absolute_import, division, print_function

import functools
import gc
import logging
import threading
import unittest
import warnings
import weakref

import tornado.concurrent
import tornado.gen
import tornado.ioloop
from tornado.testing import gen_test

from katcp import compat
from katcp.waiting import (
    AsyncEvent, AsyncState, LatencyTimer, future_timeout_manager, hashable_identity,
    log_coroutine_exceptions, log_future_exceptions, until_any, until_later, until_some)
from tests.support import mock
from tests.support.logs import LogRecorder
from tests.support.waiting import WaitingTestCase, waiting_for


class TestWhatIsLeftBehind(WaitingTestCase):

    @gen_test
    def test_nothing_by_a_timeout(self):
        resumed = []
        for now in range(1, 5):
            waiting_for(self.event.until_set(timeout=0.5), resumed)
            yield self.set_ioloop_time(now)
            yield tornado.gen.moment
        self.assertEqual(resumed, [tornado.gen.TimeoutError] * 4)
        self.assert_nobody_waits()

    @gen_test
    def test_nothing_by_a_cancelled_wait(self):
        other = self.event.until_set()
        future = self.event.until_set(timeout=3)
        future.add_done_callback(lambda future: None)
        if future.cancel():
            self.assertEqual(len(self.event._waiters), 1)
        self.event.set()
        self.assertTrue(other.result())
        yield self.set_ioloop_time(4)

    @gen_test
    def test_nothing_by_an_ignored_wait(self):
        for _ in range(10):
            self.event.until_set()
            until_any(self.event.until_set(), until_any(self.event.until_set()))
            future_timeout_manager(1000)(self.event.until_set())
        self.assert_nobody_waits()

    @gen_test
    def test_nothing_by_the_losers_of_until_any(self):
        other = AsyncEvent()
        resumed = []
        for _ in range(10):
            waiting_for(until_any(self.event.until_set(), until_any(
                other.until_set(), self.event.until_set(timeout=100), timeout=100)), resumed)
            self.assertEqual(len(self.event._waiters), 2)
            other.set()
            other.clear()
            yield tornado.gen.moment
        self.assertEqual(resumed, [True] * 10)
        self.assert_nobody_waits(self.event, other)

    @gen_test
    def test_losers_that_are_kept_can_be_waited_for_again(self):
        kept, other = self.event.until_set(), AsyncEvent()
        winner = until_any(kept, other.until_set())
        other.set()
        yield winner
        gc.collect()
        again = until_any(kept)
        self.event.set()
        self.assertTrue(kept.done())
        self.assertTrue((yield again))

    @gen_test
    def test_coroutines_are_kept_alive_by_what_they_wait_for(self):
        resumed = []
        waiting_for(self.event.until_set(), resumed)
        waiting_for(until_any(self.event.until_set()), resumed)
        waiting_for(until_any(until_some(self.event.until_set(), done_at_least=1)), resumed)
        waiting_for(future_timeout_manager(5)(until_any(self.event.until_set())), resumed)
        waiting_for(AsyncEvent().until_set(timeout=1), resumed)
        waiting_for(until_any(AsyncEvent().until_set(timeout=1)), resumed)
        waiting_for(until_later(1), resumed)
        gc.collect()
        self.event.set()
        yield self.set_ioloop_time(1)
        yield tornado.gen.moment
        self.assertEqual(resumed[:4], [True, True, [(0, True)], True])
        self.assertEqual(resumed[4:], [tornado.gen.TimeoutError, tornado.gen.TimeoutError, None])

    @gen_test
    def test_held_again_after_having_been_released(self):
        future = self.event.until_set()
        callback = [].append
        for _ in range(3):
            future.add_done_callback(callback)
            future.remove_done_callback(callback)
        resumed = []
        waiting_for(future, resumed)
        del future
        gc.collect()
        self.event.set()
        yield tornado.gen.moment
        self.assertEqual(resumed, [True])

    @gen_test
    def test_released_when_nobody_waits_any_more(self):
        chain = until_any(until_any(self.event.until_set()))
        callback = [].append
        chain.add_done_callback(callback)
        reference = weakref.ref(chain)
        del chain
        gc.collect()
        self.assertIsNotNone(reference())
        reference().remove_done_callback(callback)
        gc.collect()
        self.assertIsNone(reference())
        self.assert_nobody_waits()

    @gen_test
    def test_nothing_on_long_lived_futures(self):
        for long_lived in (compat.ConcurrentFuture(), compat.new_future(self.io_loop),
                           tornado.concurrent.Future()):
            waits = []
            for _ in range(10):
                other = compat.new_future(self.io_loop)
                winner = until_any(long_lived, until_any(long_lived, timeout=5), other,
                                   until_some(long_lived, other, done_at_least=1),
                                   until_some(long_lived, timeout=5))
                waits.append(weakref.ref(winner))
                other.set_result(None)
                yield winner
                del winner
            yield tornado.gen.moment
            gc.collect()
            self.assertEqual([wait for wait in waits if wait()], [])
            callbacks = [getattr(long_lived, name, None)
                         for name in ("_done_callbacks", "_callbacks", "followers")]
            self.assertEqual([some for some in callbacks if some], [])

    @gen_test
    def test_nothing_keeps_the_owner_of_an_event_alive(self):
        class Owner(object):
            def __init__(self):
                self.event = AsyncEvent()

            @tornado.gen.coroutine
            def run(self):
                yield until_any(self.event.until_set(), self.event.until_set(timeout=1000))

        owner = Owner()
        owner.run()
        yield tornado.gen.moment
        reference = weakref.ref(owner.event)
        # The timer is all that is left: a wait with a timeout ends in time whatever happens.
        yield self.set_ioloop_time(1)
        owner.event.set()
        yield tornado.gen.moment
        del owner
        gc.collect()
        self.assertIsNone(reference())

    @gen_test
    def test_no_noise_about_timeouts_nobody_looks_at(self):
        state = AsyncState(("a", "b", "c"))
        with LogRecorder() as log:
            futures = [
                state.until_state_in("b", "c", timeout=1), until_any(self.event.until_set(timeout=1)),
                until_some(self.event.until_set(timeout=1)), self.event.until_set(timeout=1)]
            yield self.set_ioloop_time(1)
            self.assertTrue(all(future.done() for future in futures))
            del futures
            yield tornado.gen.moment
            gc.collect()
        self.assertEqual(log.messages, [])


class TestHowManyIterations(WaitingTestCase):
    """Between set() and the resumption of who waits there is one iteration, always."""

    def shapes(self):
        """Return pairs of a future that waits for the event, or its like, and what ends the wait."""
        event, state = self.event, AsyncState(("a", "b", "c"))
        reply = compat.new_future(self.io_loop)

        def until_b():
            state.set_state("b")

        def nested(future, depth):
            for _ in range(depth):
                future = until_any(future, AsyncEvent().until_set(), timeout=100)
            return future

        manager = future_timeout_manager(100)
        return [
            (event.until_set(), event.set),
            (event.until_set(timeout=100), event.set),
            (until_any(event.until_set()), event.set),
            (until_any(AsyncEvent().until_set(), event.until_set(100), timeout=5), event.set),
            (nested(event.until_set(), 3), event.set),
            (nested(event.until_set(timeout=50), 400), event.set),
            (manager(event.until_set()), event.set),
            (manager(until_any(manager(event.until_set()))), event.set),
            (until_some(event.until_set()), event.set),
            (until_any(until_some(nested(event.until_set(), 2), timeout=1)), event.set),
            (state.until_state("b"), until_b),
            (state.until_state("b", timeout=5), until_b),
            (state.until_state_in("c", "b", timeout=5), until_b),
            (until_any(nested(state.until_state_in("c", "b"), 3)), until_b),
            (reply, functools.partial(compat.resolve, reply)),
            (nested(reply, 3), functools.partial(compat.resolve, reply)),
        ]

    def test_one_moment_is_enough(self):
        for number in range(len(self.shapes())):
            self.event.clear()
            future, finish = self.shapes()[number]
            resumed = []

            @tornado.gen.coroutine
            def check():
                waiting = waiting_for(future, resumed)
                yield tornado.gen.moment
                finish()
                self.assertTrue(future.done(), number)
                self.assertEqual(resumed, [], number)
                yield tornado.gen.moment
                self.assertEqual(len(resumed), 1, number)
                self.assertTrue(waiting.done(), number)

            self.io_loop.run_sync(check)

    @gen_test
    def test_a_coroutine_reaches_its_next_wait(self):
        # As whoever monitors a state does it.
        synced, not_synced, stopped = AsyncEvent(), AsyncEvent(), AsyncEvent()
        calls = []

        @tornado.gen.coroutine
        def monitor():
            while True:
                yield until_any(synced.until_set(), stopped.until_set())
                if stopped.is_set():
                    break
                calls.append(True)
                yield until_any(not_synced.until_set(), stopped.until_set())
                if stopped.is_set():
                    break
                calls.append(False)

        monitoring = monitor()
        for count in range(1, 4):
            not_synced.clear()
            synced.set()
            yield tornado.gen.moment
            self.assertEqual(calls, [True, False] * (count - 1) + [True])
            synced.clear()
            not_synced.set()
            yield tornado.gen.moment
            self.assertEqual(calls, [True, False] * count)
        stopped.set()
        yield tornado.gen.moment
        self.assertTrue(monitoring.done())

    @gen_test
    def test_a_timeout_takes_one_as_well(self):
        resumed = []
        waiting_for(until_any(until_any(self.event.until_set(timeout=1)), timeout=5), resumed)
        self.ioloop_time = 1
        yield self.wake_ioloop()
        self.assertEqual(resumed, [])
        yield tornado.gen.moment
        self.assertEqual(resumed, [tornado.gen.TimeoutError])

    @gen_test
    def test_everybody_wakes(self):
        for source, finish in ((self.event.until_set(), self.event.set),
                               (compat.new_future(self.io_loop), None)):
            finish = finish or functools.partial(source.set_result, True)
            resumed = []
            for number in range(10):
                waiting_for(until_any(source, AsyncEvent().until_set()), resumed)
                waiting_for(source, resumed)
                waiting_for(until_any(self.event.until_set(), source), resumed)
            finish()
            yield tornado.gen.moment
            self.assertEqual(resumed, [True] * 30)

    def test_everybody_wakes_of_those_who_share_a_stock_future(self):
        source = self.io_loop.run_sync(
            tornado.gen.coroutine(lambda: (compat.TornadoFuture(),)))[0]
        waits = [until_any(source) for _ in range(5)]
        self.io_loop.add_callback(source.set_result, 3)
        self.assertEqual(self.io_loop.run_sync(lambda: tornado.gen.multi(waits)), [3] * 5)


class TestUntilLater(WaitingTestCase):

    @gen_test
    def test_resolves_later(self):
        future, at_once = until_later(2), until_later(0, self.io_loop)
        self.assertFalse(at_once.done())
        yield self.set_ioloop_time(1)
        self.assertTrue(at_once.done())
        self.assertFalse(future.done())
        yield self.set_ioloop_time(2)
        self.assertIsNone((yield future))


class TestUntilAny(WaitingTestCase):

    @gen_test
    def test_takes_the_first_of_those_that_are_done(self):
        pending = compat.new_future(self.io_loop)
        first, second = compat.done_future(1), compat.done_future(2)
        future = until_any(pending, first, second)
        self.assertTrue(future.done())
        self.assertEqual((yield future), 1)
        self.assertIsNone(pending.followers)

    @gen_test
    def test_takes_exceptions(self):
        error = ValueError("x")
        self.assertIs(until_any(compat.done_future(exception=error)).exception(), error)
        pending = compat.new_future(self.io_loop)
        future = until_any(pending)
        pending.set_exception(error)
        self.assertIs(future.exception(), error)
        with self.assertRaises(ValueError):
            yield future

    @gen_test
    def test_timeout(self):
        future = until_any(self.event.until_set(), timeout=3, ioloop=self.io_loop)
        yield self.set_ioloop_time(3)
        with self.assertRaises(tornado.gen.TimeoutError):
            yield future
        future = until_any(self.event.until_set(), timeout=3)
        self.event.set()
        self.assertTrue((yield future))

    @gen_test
    def test_no_futures(self):
        future, timed = until_any(), until_any(timeout=1)
        yield self.set_ioloop_time(2)
        self.assertFalse(future.done())
        self.assertIsInstance(timed.exception(), tornado.gen.TimeoutError)

    @gen_test
    def test_coroutines(self):
        @tornado.gen.coroutine
        def after(event):
            yield event.until_set()
            raise tornado.gen.Return("done")

        future = until_any(after(AsyncEvent()), after(self.event))
        self.event.set()
        self.assertEqual((yield future), "done")

    @gen_test
    def test_futures_of_other_threads(self):
        first, second = compat.ConcurrentFuture(), compat.ConcurrentFuture()
        future = until_any(first, second)
        thread = threading.Thread(target=second.set_result, args=(5,))
        with LogRecorder() as log:
            thread.start()
            thread.join()
            # Nothing of ours is touched in the other thread.
            self.assertFalse(future.done())
            self.assertEqual((yield future), 5)
            yield tornado.gen.moment
        self.assertEqual([r for r in log.records if r.levelno > logging.DEBUG], [])
        self.assertEqual(first._done_callbacks, [])

    def test_a_future_of_another_thread_that_comes_after_the_end_of_the_loop(self):
        ioloop, source = compat.new_ioloop(), compat.ConcurrentFuture()
        waits = []

        def wait():
            waits.append(until_any(source))
            ioloop.stop()

        ioloop.add_callback(wait)
        ioloop.start()
        ioloop.close()
        with LogRecorder() as log:
            source.set_result(1)
        self.assertEqual(log.messages, [])

    @gen_test
    def test_cancelled_futures(self):
        # With whatever is no `Exception` the coroutine would hang on tornados before 6.6.
        for make_source in (compat.ConcurrentFuture, lambda: compat.new_future(self.io_loop)):
            source = make_source()
            futures = [until_any(source), until_any(until_any(source), timeout=1), until_some(source)]
            if not source.cancel():
                continue  # a future of tornado 4's
            futures += [until_any(source), until_some(source)]
            for future in futures:
                for cancelled_error in compat.CANCELLED_ERRORS:
                    with self.assertRaises(cancelled_error) as caught:
                        yield future
                    self.assertIsInstance(caught.exception, Exception)

    @gen_test
    def test_nothing_is_logged_about_cancelled_futures(self):
        with LogRecorder() as log:
            source = compat.new_future(self.io_loop)
            futures = [until_any(source), until_any(until_any(source))]
            source.cancel()
            yield tornado.gen.moment
            del futures
            gc.collect()
        self.assertEqual([r for r in log.records if r.levelno > logging.DEBUG], [])

    def test_what_is_no_future(self):
        self.assertRaises(AttributeError, until_any, 3)
        self.assertRaises(AttributeError, until_any, self.event.until_set(), None)

    @gen_test
    def test_unknown_keywords_are_reported(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            future = until_any(compat.done_future(1), timout=3)
        self.assertEqual((yield future), 1)
        self.assertIn("timout", str(caught[-1].message))
        self.assertEqual(caught[-1].filename.rstrip("c"), __file__.rstrip("c"))


class TestFutureTimeoutManager(WaitingTestCase):

    @gen_test(timeout=100)
    def test_one_deadline_for_all(self):
        maybe_timeout = future_timeout_manager(3, self.io_loop)
        self.assertEqual(maybe_timeout.remaining(), 3)
        first = maybe_timeout(self.event.until_set())
        yield self.set_ioloop_time(2)
        self.event.set()
        self.assertTrue((yield first))
        self.assertEqual(maybe_timeout.remaining(), 1)
        second = maybe_timeout(AsyncEvent().until_set())
        yield self.set_ioloop_time(3)
        with self.assertRaises(tornado.gen.TimeoutError):
            yield second
        yield self.set_ioloop_time(5)
        self.assertEqual(maybe_timeout.remaining(), -2)
        self.assertTrue((yield maybe_timeout(self.event.until_set())))
        with self.assertRaises(tornado.gen.TimeoutError):
            yield maybe_timeout(AsyncEvent().until_set())

    def test_no_deadline(self):
        for timeout in (None, 0):
            maybe_timeout = future_timeout_manager(timeout)
            future = compat.new_future(self.io_loop)
            self.assertIs(maybe_timeout(future), future)
            self.assertIsNone(maybe_timeout.remaining())


class TestUntilSome(WaitingTestCase):

    def setUp(self):
        super(TestUntilSome, self).setUp()
        self.futures = [compat.new_future(self.io_loop) for _ in range(3)]

    @gen_test
    def test_nothing(self):
        self.assertEqual((yield until_some()), [])
        self.assertEqual((yield until_some(done_at_least=3, timeout=1)), [])

    @gen_test
    def test_all_in_the_order_of_completion(self):
        some = until_some(*self.futures)
        for number in (2, 0, 1):
            self.assertFalse(some.done())
            self.futures[number].set_result(number * 10)
        self.assertEqual((yield some), [(2, 20), (0, 0), (1, 10)])

    @gen_test
    def test_by_keyword(self):
        some = until_some(x=self.futures[0], y=self.futures[1], done_at_least=1)
        self.futures[1].set_result("b")
        self.assertEqual((yield some), [("y", "b")])
        self.assertIsNone(self.futures[0].followers or None)

    @gen_test
    def test_exactly_as_many_as_asked_for(self):
        for future in self.futures:
            future.set_result(None)
        self.assertEqual((yield until_some(*self.futures, done_at_least=2)), [(0, None), (1, None)])
        self.assertEqual(len((yield until_some(*self.futures, done_at_least=7))), 3)
        self.assertEqual(len((yield until_some(*self.futures, done_at_least=0))), 1)
        pending = compat.new_future(self.io_loop)
        some = until_some(pending, done_at_least=0)
        self.assertFalse(some.done())
        pending.set_result(1)
        self.assertEqual((yield some), [(0, 1)])

    @gen_test
    def test_timeout_leaves_the_futures_alone(self):
        some = until_some(*self.futures, timeout=1)
        self.futures[0].set_result(0)
        yield self.set_ioloop_time(1)
        with self.assertRaises(tornado.gen.TimeoutError):
            yield some
        self.assertEqual([len(future.followers or ()) for future in self.futures], [0, 0, 0])
        again = until_some(*self.futures, done_at_least=2)
        self.futures[2].set_result(2)
        self.assertEqual((yield again), [(0, 0), (2, 2)])

    @gen_test
    def test_failure(self):
        some = until_some(*self.futures)
        self.futures[1].set_exception(ValueError("x"))
        with self.assertRaises(ValueError):
            yield some

    @gen_test
    def test_both_ways_at_once(self):
        future = until_some(self.futures[0], x=self.futures[1])
        with self.assertRaises(ValueError) as caught:
            yield future
        self.assertEqual(str(caught.exception), "You must provide args or kwargs, not both")

    @gen_test
    def test_the_same_future_twice(self):
        some = until_some(self.futures[0], self.futures[0], self.futures[1], done_at_least=2)
        self.futures[0].set_result("a")
        self.assertEqual((yield some), [(0, "a"), (1, "a")])

    @gen_test
    def test_futures_of_others(self):
        source = compat.ConcurrentFuture()
        some = until_some(source, tornado.gen.sleep(5), done_at_least=1)
        threading.Thread(target=source.set_result, args=(3,)).start()
        self.assertEqual((yield some), [(0, 3)])


class TestLatencyTimer(WaitingTestCase):

    def test_advice(self):
        timer = LatencyTimer(0.5, self.io_loop)
        done, pending = compat.done_future(), compat.new_future(self.io_loop)
        self.assertEqual((timer.max_loop_latency, timer.ioloop), (0.5, self.io_loop))
        self.assertFalse(timer.time_to_yield())
        self.ioloop_time = 10
        timer.check_future(done)
        self.assertEqual(timer.done_since, 10)
        self.assertFalse(timer.time_to_yield())
        self.ioloop_time = 10.5
        timer.check_future(done)
        self.assertTrue(timer.done and timer.prev_done)
        self.assertFalse(timer.time_to_yield())
        self.ioloop_time = 10.6
        timer.check_future(done)
        self.assertTrue(timer.time_to_yield())
        self.assertTrue(timer.time_to_yield())
        timer.check_future(pending)
        self.assertFalse(timer.time_to_yield())

    def test_advice_that_was_followed_is_not_repeated_at_once(self):
        timer = LatencyTimer(0.5)
        done = compat.done_future()
        timer.check_future(done)
        self.ioloop_time = 1
        timer.check_future(done)
        self.assertTrue(timer.time_to_yield())
        timer.check_future(done)
        self.assertFalse(timer.time_to_yield())
        self.ioloop_time = 2
        timer.check_future(done)
        self.assertTrue(timer.time_to_yield())


class TestLoggingOfExceptions(WaitingTestCase):

    def setUp(self):
        super(TestLoggingOfExceptions, self).setUp()
        self._logger = mock.Mock()

    @log_coroutine_exceptions
    @tornado.gen.coroutine
    def fail_later(self, error):
        """Fail."""
        yield tornado.gen.moment
        raise error

    @log_coroutine_exceptions
    def fail_at_once(self, error):
        raise error

    def assert_logged(self, count=1):
        self.assertEqual(self._logger.exception.call_count, count)

    @gen_test
    def test_coroutines(self):
        self.assertEqual(type(self).fail_later.__name__, "fail_later")
        self.assertEqual(type(self).fail_later.__doc__, "Fail.")
        with self.assertRaises(ValueError):
            yield self.fail_later(ValueError("x"))
        yield tornado.gen.moment
        self.assert_logged()
        self.assertIn("Unhandled exception calling coroutine <function",
                      self._logger.exception.call_args[0][0])

    @gen_test
    def test_exceptions_of_the_call_itself(self):
        future = self.fail_at_once(ValueError("x"))
        self.assert_logged()
        with self.assertRaises(ValueError):
            yield future

    def test_objects_without_a_logger(self):
        class Silent(object):
            fail_at_once = log_coroutine_exceptions(TestLoggingOfExceptions.fail_at_once.__wrapped__
                                                    if not compat.PY2 else fail)

        with LogRecorder("katcp.core") as log:
            self.assertIsInstance(Silent().fail_at_once(ValueError("x")).exception(), ValueError)
        self.assertEqual(len(log.records), 1)

    def test_success_is_not_logged(self):
        @log_coroutine_exceptions
        def succeed(self):
            return compat.done_future(3)
        self.assertEqual(succeed(self).result(), 3)
        self.assert_logged(0)

    @gen_test
    def test_futures(self):
        failed = compat.done_future(exception=ValueError())
        self.assertIsNone(log_future_exceptions(self._logger, failed))
        self.assert_logged(1)
        self._logger.exception.assert_called_with("Unhandled exception returned by future")
        log_future_exceptions(self._logger, failed, ignore=ValueError)
        log_future_exceptions(self._logger, failed, ignore=(KeyError, ValueError))
        self.assert_logged(1)
        for pending in (compat.new_future(self.io_loop), compat.ConcurrentFuture()):
            log_future_exceptions(self._logger, pending)
            pending.set_exception(KeyError())
            yield tornado.gen.moment
            self.assert_logged(2)
            self._logger.exception.reset_mock()
            self._logger.exception()

    def test_cancelled_futures(self):
        future = compat.ConcurrentFuture()
        log_future_exceptions(self._logger, future)
        future.cancel()
        log_future_exceptions(self._logger, future)
        self.assert_logged(0)


def fail(self, error):
    raise error


class TestHashableIdentity(unittest.TestCase):

    def method(self):
        pass

    def test_bound_methods(self):
        other = TestHashableIdentity("test_bound_methods")
        key = hashable_identity(self.method)
        self.assertEqual(key, hashable_identity(self.method))
        self.assertNotEqual(key, hashable_identity(other.method))
        self.assertNotEqual(key, hashable_identity(self.test_bound_methods))
        self.assertIsInstance(hashable_identity(self.method), tuple)

    def test_builtin_methods(self):
        one, other = [], []
        self.assertEqual(hashable_identity(one.append), hashable_identity(one.append))
        self.assertNotEqual(hashable_identity(one.append), hashable_identity(other.append))
        self.assertNotEqual(hashable_identity(one.append), hashable_identity(one.extend))

    def test_strings(self):
        for value in ("native", b"bytes", u"text"):
            self.assertEqual(hashable_identity(value), value)

    def test_other_objects(self):
        for value in (lambda: None, {}, [], object(), len, classmethod(len), staticmethod(len)):
            key = hashable_identity(value)
            self.assertEqual(key, hashable_identity(value))
            hash(key)
        self.assertNotEqual(hashable_identity([]), hashable_identity({}))
        self.assertEqual(hashable_identity(fail), id(fail))
