"""Tests of what goes on between a test's thread and others."""

from __future__ import absolute_import, division, print_function

import functools
import threading
import traceback
import unittest

import concurrent.futures
from tornado import gen

from katcp.compat import make_ioloop_current, new_future, new_ioloop
from katcp.testutils.threads import call_in_ioloop, counting_callback, start_thread_with_cleanup
from tests.support import mock


class TestStartThreadWithCleanup(unittest.TestCase):
    def errors_of_case(self, thread_object, *args, **kwargs):
        class Test(unittest.TestCase):
            def runTest(self):
                start_thread_with_cleanup(self, thread_object, *args, **kwargs)
                thread_object.in_test()

        result = unittest.TestResult()
        Test().run(result)
        return [text.splitlines()[-1] for _, text in result.errors]

    def test_order(self):
        thread_object = mock.Mock()
        self.assertEqual(self.errors_of_case(thread_object), [])
        self.assertEqual(thread_object.mock_calls, [
            mock.call.start(), mock.call.in_test(), mock.call.stop(), mock.call.join(timeout=1)])

    def test_timeouts(self):
        thread_object = mock.Mock()
        self.assertEqual(self.errors_of_case(thread_object, timeout=7, start_timeout=0), [])
        self.assertEqual(thread_object.mock_calls, [
            mock.call.start(timeout=0), mock.call.in_test(), mock.call.stop(),
            mock.call.join(timeout=7)])

    def test_failures_to_stop_are_reported(self):
        thread_object = mock.Mock()
        thread_object.stop.side_effect = ValueError("Does not stop")
        self.assertEqual(self.errors_of_case(thread_object), ["ValueError: Does not stop"])
        self.assertEqual(thread_object.join.call_count, 1)

    def test_failed_start_is_all_that_is_reported(self):
        thread_object = mock.Mock()
        thread_object.start.side_effect = ValueError("Does not start")
        thread_object.stop.side_effect = ValueError("Not started")
        thread_object.join.side_effect = ValueError("Not started")
        self.assertEqual(self.errors_of_case(thread_object), ["ValueError: Does not start"])
        self.assertEqual(thread_object.mock_calls, [
            mock.call.start(), mock.call.stop(), mock.call.join(timeout=1)])


class TestCountingCallback(unittest.TestCase):
    def test_counts(self):
        @counting_callback(number_of_calls=3)
        def callback(*args, **kwargs):
            """Return everything."""
            return args, kwargs

        self.assertEqual(callback.__name__, "callback")
        self.assertEqual(callback.__doc__, "Return everything.")
        self.assertEqual(callback(1, a=2), ((1,), {"a": 2}))
        callback()
        self.assertEqual(callback.get_no_calls(), 2)
        self.assertFalse(callback.done.is_set())
        self.assertFalse(callback.wait(0))
        with self.assertRaises(AssertionError) as context:
            callback.assert_wait(0)
        self.assertEqual(str(context.exception), "Expected 3 calls within 0 s, but there were 2")
        callback()
        self.assertTrue(callback.wait(0))
        self.assertIs(callback.assert_wait(timeout=0), True)
        callback()
        self.assertEqual(callback.get_no_calls(), 4)
        callback.reset()
        self.assertEqual(callback.get_no_calls(), 0)
        self.assertFalse(callback.wait(0))

    def test_given_event_is_used_by_all(self):
        event = threading.Event()
        decorate = counting_callback(event)
        first, second = decorate(mock.Mock()), decorate(mock.Mock())
        self.assertIs(first.done, event)
        second()
        self.assertTrue(event.is_set())
        self.assertEqual((first.get_no_calls(), second.get_no_calls()), (0, 1))

    def test_exceptions_do_not_count(self):
        callback = counting_callback()(mock.Mock(side_effect=ValueError))
        with self.assertRaises(ValueError):
            callback()
        self.assertEqual(callback.get_no_calls(), 0)
        self.assertFalse(callback.done.is_set())

    def test_number_must_be_positive(self):
        decorate = counting_callback(number_of_calls=0)
        with self.assertRaises(AssertionError):
            decorate(mock.Mock())

    def test_waits_for_other_threads(self):
        callback = counting_callback(number_of_calls=10)(lambda: None)
        threads = [threading.Thread(target=callback) for _ in range(10)]
        for thread in threads:
            thread.start()
        self.assertTrue(callback.assert_wait(timeout=10))
        for thread in threads:
            thread.join()
        self.assertEqual(callback.get_no_calls(), 10)


class TestCallInIOLoop(unittest.TestCase):
    def setUp(self):
        self.loop = new_ioloop()
        self.thread = threading.Thread(target=self.run_loop)
        self.thread.start()
        self.addCleanup(self.thread.join)
        self.addCleanup(self.loop.add_callback, self.loop.stop)

    def run_loop(self):
        self.loop.start()
        self.loop.close()

    def test_result(self):
        threads = []

        def add(x, y):
            threads.append(threading.current_thread())
            return x + y

        self.assertEqual(call_in_ioloop(self.loop, add, 1, y=2), 3)
        self.assertEqual(threads, [self.thread])
        self.assertEqual(call_in_ioloop(self.loop, functools.partial(add, 1), 2), 3)

    def test_exception_with_its_traceback(self):
        def break_down():
            raise ValueError("Broken")

        try:
            call_in_ioloop(self.loop, break_down)
        except ValueError:
            self.assertIn("break_down", traceback.format_exc())
        else:
            self.fail("No exception")

    def test_future_is_returned_as_it_is(self):
        futures = []

        def begin():
            futures.append(new_future(self.loop))
            return futures[0]

        future = call_in_ioloop(self.loop, begin)
        self.assertIs(future, futures[0])
        self.assertFalse(future.done())

        @gen.coroutine
        def decorated():
            yield gen.moment
            raise gen.Return("result")

        self.assertTrue(gen.is_future(call_in_ioloop(self.loop, decorated)))

    def test_generator_is_run(self):
        def generator(value):
            yield gen.moment
            raise gen.Return(value)

        self.assertEqual(call_in_ioloop(self.loop, generator, 5), 5)

    def test_timeout(self):
        release = threading.Event()
        self.addCleanup(release.set)
        with self.assertRaises(concurrent.futures.TimeoutError) as context:
            call_in_ioloop(self.loop, release.wait, 10, ioloop_timeout=0.01)
        self.assertIn("within 0.01 s", str(context.exception))

    def test_timeout_of_the_function(self):
        with self.assertRaises(concurrent.futures.TimeoutError) as context:
            call_in_ioloop(self.loop, mock.Mock(side_effect=concurrent.futures.TimeoutError("Its own")))
        self.assertEqual(str(context.exception), "Its own")

    def test_refused_in_the_thread_of_the_loop(self):
        with self.assertRaises(RuntimeError):
            call_in_ioloop(self.loop, call_in_ioloop, self.loop, mock.Mock())

    def test_other_thread_where_the_loop_is_current(self):
        make_ioloop_current(self.loop)
        self.addCleanup(make_ioloop_current, None)
        self.assertEqual(call_in_ioloop(self.loop, lambda: 5), 5)
