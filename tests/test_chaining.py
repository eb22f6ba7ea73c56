"""Tests of futures made of other futures: with a loop, without one, and between threads."""

from __future__ import absolute_import, division, print_function

import concurrent.futures
import threading
import traceback
import unittest

import tornado.concurrent
import tornado.testing

from katcp import compat
from katcp.chaining import transform


def double(value):
    return 2 * value


def explode(value):
    raise ZeroDivisionError("explode")


def finished(result=None, exception=None):
    future = concurrent.futures.Future()
    if exception is None:
        future.set_result(result)
    else:
        future.set_exception(exception)
    return future


def in_other_thread(function):
    """Call the function in a thread that has no loop, return what it returns."""
    outcome = concurrent.futures.Future()

    def run():
        try:
            outcome.set_result(function())
        except BaseException as error:
            outcome.set_exception(error)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    return outcome.result(0)


class TestWithoutLoop(unittest.TestCase):
    def test_done(self):
        self.assertEqual(in_other_thread(lambda: transform(finished(5), double).result()), 10)
        self.assertIsInstance(in_other_thread(lambda: transform(finished(5), explode).exception()),
                              ZeroDivisionError)
        error = ValueError("x")
        self.assertIs(in_other_thread(
            lambda: transform(finished(exception=error), double).exception()), error)

    def test_pending(self):
        future = concurrent.futures.Future()
        result = in_other_thread(lambda: transform(future, double))
        self.assertFalse(result.done())
        future.set_result(5)
        self.assertEqual(result.result(0), 10)

    def test_pending_fails(self):
        for error, function, expected in ((None, explode, ZeroDivisionError),
                                          (ValueError("x"), double, ValueError)):
            future = concurrent.futures.Future()
            result = in_other_thread(lambda: transform(future, function))
            if error is None:
                future.set_result(5)
            else:
                future.set_exception(error)
            self.assertIsInstance(result.exception(0), expected)

    def test_cancelled(self):
        future = concurrent.futures.Future()
        result = in_other_thread(lambda: transform(future, double))
        future.cancel()
        self.assertTrue(result.cancelled())

    def test_no_loop_is_made(self):
        self.assertIsNone(in_other_thread(
            lambda: (transform(concurrent.futures.Future(), double), compat.current_ioloop())[1]))


class TestWithLoop(tornado.testing.AsyncTestCase):
    @tornado.testing.gen_test
    def test_done(self):
        future = tornado.concurrent.Future()
        future.set_result(5)
        result = transform(future, double)
        self.assertTrue(result.done())
        value = yield result
        self.assertEqual(value, 10)

    @tornado.testing.gen_test
    def test_pending(self):
        for result_of in (tornado.concurrent.Future, concurrent.futures.Future):
            future = result_of()
            result = transform(future, double)
            self.assertFalse(result.done())
            future.set_result(5)
            value = yield result
            self.assertEqual(value, 10)

    @tornado.testing.gen_test
    def test_pending_fails(self):
        for function, set_outcome, expected in (
                (explode, lambda future: future.set_result(5), ZeroDivisionError),
                (double, lambda future: future.set_exception(ValueError("x")), ValueError)):
            future = tornado.concurrent.Future()
            result = transform(future, function)
            set_outcome(future)
            with self.assertRaises(expected):
                yield result

    @tornado.testing.gen_test
    def test_cancelled(self):
        for already in (True, False):
            for make_source in (tornado.concurrent.Future, concurrent.futures.Future):
                future = make_source()
                result = None if already else transform(future, double)
                if not future.cancel():
                    continue  # a future of tornado 4's
                result = result or transform(future, double)
                with self.assertRaises(concurrent.futures.CancelledError):
                    yield result

    @tornado.testing.gen_test
    def test_resolved_on_the_loop(self):
        threads = []
        future = concurrent.futures.Future()
        result = transform(future, lambda value: threads.append(threading.current_thread()))
        in_other_thread(lambda: future.set_result(None))
        yield result
        self.assertEqual(threads, [threading.current_thread()])

    @tornado.testing.gen_test
    def test_traceback_is_kept(self):
        for already in (True, False):
            future = tornado.concurrent.Future()
            if already:
                future.set_result(5)
            result = transform(future, explode)
            if not already:
                future.set_result(5)
            try:
                yield result
            except ZeroDivisionError:
                self.assertIn("in explode", traceback.format_exc())
            else:
                self.fail("no exception")

    @tornado.testing.gen_test
    def test_result_given_up(self):
        future = tornado.concurrent.Future()
        result = transform(future, double)
        if not result.cancel():
            result.set_result("something else")
        future.set_result(5)
        yield tornado.gen.moment
        yield tornado.gen.moment

    @tornado.testing.gen_test
    def test_loops_future_in_other_thread(self):
        """A thread without loop passes on what the loop has, as message handler threads do."""
        future = tornado.concurrent.Future()
        result = in_other_thread(lambda: transform(future, double))
        future.set_result(5)
        value = yield result
        self.assertEqual(value, 10)
