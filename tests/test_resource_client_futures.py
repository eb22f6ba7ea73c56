"""Futures made from other futures."""

from __future__ import absolute_import, division, print_function

import gc
import threading
import unittest

from tornado import gen
from tornado.concurrent import Future
from tornado.testing import AsyncTestCase, gen_test

from katcp import compat
from katcp.resource_client import transform_future
from katcp.resource_client.futures import derive, eager_coroutine
from tests.support import mock
from tests.support.logs import LogRecorder


class Trouble(Exception):
    """What goes wrong in these tests."""


class TestTransformFuture(AsyncTestCase):
    def pending_futures(self):
        """A future of each kind that users and the library have."""
        return [Future(), compat.new_future(self.io_loop), compat.ConcurrentFuture()]

    def test_done_as_soon_as_the_source_is(self):
        for source in self.pending_futures():
            transformation = mock.Mock(return_value="new")
            transformed = transform_future(transformation, source)
            self.assertFalse(transformed.done())
            source.set_result(("old", "pair"))
            self.assertTrue(transformed.done())
            self.assertEqual(transformed.result(), "new")
            self.assertIsNone(transformed.exception())
            transformation.assert_called_once_with(("old", "pair"))

    def test_result_is_looked_up_without_asking_whether_it_is_there(self):
        for source in self.pending_futures():
            transformed = transform_future(len, source)
            source.set_result("abc")
            self.assertEqual(transformed.result(), 3)

    def test_source_that_is_done(self):
        for source in self.pending_futures():
            source.set_result(1)
            transformation = mock.Mock(return_value=2)
            transformed = transform_future(transformation, source)
            self.assertEqual(transformed.result(), 2)
            transformation.assert_called_once_with(1)

    def test_source_that_fails(self):
        for early in (True, False):
            for source in self.pending_futures():
                transformation = mock.Mock()
                if not early:
                    transformed = transform_future(transformation, source)
                source.set_exception(Trouble("of the source"))
                if early:
                    transformed = transform_future(transformation, source)
                self.assertIsInstance(transformed.exception(), Trouble)
                with self.assertRaises(Trouble) as caught:
                    transformed.result()
                self.assertEqual(caught.exception.args, ("of the source",))
                self.assertFalse(transformation.called)

    def test_transformation_that_fails(self):
        for early in (True, False):
            for source in self.pending_futures():
                if early:
                    source.set_result(None)
                transformed = transform_future(mock.Mock(side_effect=Trouble), source)
                if not early:
                    source.set_result(None)
                self.assertRaises(Trouble, transformed.result)

    def test_source_that_is_cancelled(self):
        source = compat.ConcurrentFuture()
        transformed = transform_future(mock.Mock(), source)
        source.cancel()
        with self.assertRaises(compat.CANCELLED_ERRORS):
            transformed.result()
        with self.assertRaises(compat.CANCELLED_ERRORS):
            transform_future(mock.Mock(), source).result()

    def test_loop_source_that_is_cancelled(self):
        for early in (True, False):
            source = compat.new_future(self.io_loop)
            if early and not source.cancel():  # tornado 4.5's cannot be
                return
            transformed = transform_future(mock.Mock(), source)
            source.cancel()
            with self.assertRaises(compat.CANCELLED_ERRORS):
                transformed.result()

    @gen_test
    def test_waiting_coroutines_wake_up(self):
        for source in self.pending_futures():
            transformation = mock.Mock(return_value=2)
            waiting = self.wait_for(transform_future(transformation, source))
            yield gen.moment
            source.set_result(1)
            self.assertEqual((yield waiting), 2)
            transformation.assert_called_once_with(1)

    @gen.coroutine
    def wait_for(self, future):
        result = yield future
        raise gen.Return(result)

    @gen_test
    def test_chains_take_one_iteration(self):
        source = compat.new_future(self.io_loop)
        transformed = source
        for _ in range(5):
            transformed = transform_future(lambda number: number + 1, transformed)
        waiting = self.wait_for(transformed)
        source.set_result(0)
        yield gen.moment
        self.assertTrue(waiting.done())
        self.assertEqual(waiting.result(), 5)

    def test_interrupts_go_to_whoever_resolves_the_source(self):
        source = compat.new_future(self.io_loop)
        transformed = transform_future(mock.Mock(side_effect=KeyboardInterrupt), source)
        self.assertRaises(KeyboardInterrupt, source.set_result, None)
        self.assertFalse(transformed.done())


class TestDerive(AsyncTestCase):
    def test_is_not_called_for_nobody(self):
        source = compat.new_future(self.io_loop)
        function = mock.Mock()
        derive(function, source)
        gc.collect()
        source.set_result(1)
        self.assertFalse(function.called)

    def test_always(self):
        source = compat.new_future(self.io_loop)
        function = mock.Mock()
        derive(function, source, always=True)
        gc.collect()
        source.set_result(1)
        function.assert_called_once_with(source)

    def test_timeouts_that_nobody_looks_at_are_not_reported(self):
        with LogRecorder() as log:
            source = compat.new_future(self.io_loop)
            derived = derive(mock.Mock(side_effect=compat.GenTimeoutError), source)
            source.set_result(1)
            del derived, source
            gc.collect()
        self.assertEqual(log.messages, [])


class TestEagerCoroutine(AsyncTestCase):
    @gen_test
    def test_what_need_not_wait_is_done(self):
        @eager_coroutine
        def add(first, second=None):
            """Add."""
            one = yield compat.done_future(first)
            raise gen.Return(one + second)

        self.assertEqual(add.__doc__, "Add.")
        self.assertEqual(add(1, second=2).result(), 3)
        self.assertEqual((yield add(1, 2)), 3)

    def test_without_a_return(self):
        @eager_coroutine
        def nothing():
            yield compat.done_future(1)

        self.assertIsNone(nothing().result())

    @gen_test
    def test_waiting(self):
        source = compat.new_future(self.io_loop)
        calls = []

        @eager_coroutine
        def wait():
            calls.append("before")
            result = yield source
            calls.append(result)
            other = yield gen.multi([compat.done_future(1), gen.moment])
            raise gen.Return(other[0])

        waiting = wait()
        self.assertEqual(calls, ["before"])
        self.assertFalse(waiting.done())
        source.set_result("after")
        self.assertEqual((yield waiting), 1)
        self.assertEqual(calls, ["before", "after"])

    @gen_test
    def test_waiting_and_nothing_else(self):
        @eager_coroutine
        def wait():
            yield gen.moment

        waiting = wait()
        self.assertFalse(waiting.done())
        self.assertIsNone((yield waiting))

    @gen_test
    def test_exceptions_that_are_caught(self):
        pending = compat.new_future(self.io_loop)

        @eager_coroutine
        def catch():
            caught = []
            for future in (compat.done_future(exception=Trouble(1)), pending):
                try:
                    yield future
                except Trouble as trouble:
                    caught.append(trouble.args[0])
            raise gen.Return(caught)

        catching = catch()
        pending.set_exception(Trouble(2))
        self.assertEqual((yield catching), [1, 2])

    @gen_test
    def test_exceptions_that_are_not(self):
        pending = compat.new_future(self.io_loop)

        @eager_coroutine
        def fail(future):
            yield future

        @eager_coroutine
        def fail_at_once():
            raise Trouble()
            yield

        self.assertRaises(Trouble, fail(compat.done_future(exception=Trouble())).result)
        self.assertRaises(Trouble, fail_at_once().result)
        failing = fail(pending)
        pending.set_exception(Trouble())
        with self.assertRaises(Trouble):
            yield failing


class TestWithoutLoop(unittest.TestCase):
    def test_in_a_thread_without_loop(self):
        results = []

        @eager_coroutine
        def add():
            one = yield compat.done_future(1)
            raise gen.Return(one + 1)

        def work():
            results.append(add().result())
            results.append(transform_future(len, compat.done_future("abc")).result())
            results.append(compat.current_ioloop())

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        self.assertEqual(results, [2, 3, None])
