# -*- coding: utf-8 -*-
from __future__ import absolute_import, division, print_function

import concurrent.futures
import functools
import gc
import sys
import threading
import traceback
import unittest

import tornado.gen
import tornado.ioloop
import tornado.testing

from katcp import compat
from tests.support import mock


class Callable(object):
    def __call__(self, *args):
        pass


class TestStrings(unittest.TestCase):

    def test_native_strings_are_returned_unchanged(self):
        value = "a string made at run time %d" % id(self)
        self.assertIs(compat.ensure_native_str(value), value)

    def test_other_strings_are_converted_by_utf8(self):
        for value in (u"skr\xe4m", u"skr\xe4m".encode("utf-8")):
            native = compat.ensure_native_str(value)
            self.assertIs(type(native), str)
            self.assertEqual(native, "skräm")

    def test_what_is_no_string_is_refused(self):
        for value in (9, False, None, bytearray(b"x"), [b"x"]):
            with self.assertRaises(TypeError) as caught:
                compat.ensure_native_str(value)
            self.assertEqual(str(caught.exception),
                             "Invalid type for string conversion: {0!r}".format(type(value)))

    def test_subclasses_of_native_strings_pass(self):
        class Name(str):
            pass
        self.assertEqual(compat.ensure_native_str(Name("x")), "x")

    def test_byte_chars(self):
        self.assertEqual(compat.byte_chars(b"abc"), [b"a", b"b", b"c"])
        self.assertEqual(compat.byte_chars(b""), [])
        self.assertEqual(compat.byte_chars(u"ab"), [u"a", u"b"])
        self.assertRaises(TypeError, compat.byte_chars, 3)

    def test_kinds_of_strings(self):
        self.assertTrue(compat.is_bytes(b"x"))
        self.assertTrue(compat.is_text(u"x"))
        for value in (bytearray(b"x"), memoryview(b"x"), 1, None):
            self.assertFalse(compat.is_bytes(value))
            self.assertFalse(compat.is_text(value))
        self.assertFalse(compat.is_bytes(u"x"))
        self.assertFalse(compat.is_text(b"x"))

    def test_lossy_str_never_fails(self):
        self.assertEqual(compat.lossy_str(b"abc"), "abc")
        self.assertEqual(compat.lossy_str(u"abc"), "abc")
        self.assertEqual(compat.lossy_str(3), "3")
        for value in (b"\xff\x00", u"\xe9", ValueError(u"\xe9")):
            self.assertIs(type(compat.lossy_str(value)), str)


class TestLanguage(unittest.TestCase):

    def test_reraise_keeps_the_frames(self):
        def fail_deep_inside():
            raise ValueError("x")

        try:
            fail_deep_inside()
        except ValueError:
            exc_info = sys.exc_info()
        try:
            compat.reraise(exc_info)
        except ValueError:
            self.assertIn("fail_deep_inside", traceback.format_exc())
        else:
            self.fail("nothing was raised")

    def test_positional_arg_names(self):
        def plain(self, req, msg=None, *rest, **more):
            pass

        @functools.wraps(plain)
        def wrapper(*args, **kwargs):
            pass

        wrapper.__wrapped__ = plain
        self.assertEqual(compat.positional_arg_names(plain), ["self", "req", "msg"])
        self.assertEqual(compat.positional_arg_names(wrapper), ["self", "req", "msg"])
        self.assertEqual(compat.positional_arg_names(object()), [])

    def test_accepts_keyword(self):
        def with_timeout(timeout=None):
            pass

        def without(a):
            pass

        def with_any(**kwargs):
            pass

        class Thing(object):
            def method(self, timeout=None):
                pass

        self.assertTrue(compat.accepts_keyword(with_timeout, "timeout"))
        self.assertTrue(compat.accepts_keyword(Thing().method, "timeout"))
        self.assertTrue(compat.accepts_keyword(with_any, "timeout"))
        self.assertTrue(compat.accepts_keyword(tornado.gen.coroutine(with_timeout), "timeout"))
        self.assertTrue(compat.accepts_keyword(mock.Mock(), "timeout"))
        self.assertFalse(compat.accepts_keyword(without, "timeout"))

    def test_is_recursion_error(self):
        def recurse():
            recurse()

        try:
            recurse()
        except RuntimeError as error:
            self.assertTrue(compat.is_recursion_error(error))
        for text in ("mine", u"\xe9"):
            self.assertFalse(compat.is_recursion_error(RuntimeError(text)))
        self.assertFalse(compat.is_recursion_error(ValueError("maximum recursion depth exceeded")))

    def test_with_metaclass(self):
        seen = []

        class Meta(type):
            def __init__(cls, name, bases, namespace):
                seen.append((name, bases))
                super(Meta, cls).__init__(name, bases, namespace)

        class Base(object):
            pass

        class Made(compat.with_metaclass(Meta, Base)):
            pass

        self.assertEqual(seen, [("Made", (Base,))])
        self.assertEqual(Made.__mro__, (Made, Base, object))
        self.assertIs(type(Made), Meta)


class TestLatch(unittest.TestCase):

    def test_closed_until_opened(self):
        latch = compat.Latch()
        self.assertFalse(latch.wait(0))
        self.assertFalse(latch.wait(-1))
        self.assertFalse(latch.wait(0.001))
        latch.open()
        latch.open()
        self.assertTrue(latch.wait(10))

    def test_opened_by_another_thread(self):
        latches = [compat.Latch() for _ in range(200)]
        answers = [compat.Latch() for _ in latches]

        def answer():
            for latch, back in zip(latches, answers):
                latch.wait(10)
                back.open()

        thread = threading.Thread(target=answer)
        thread.start()
        self.addCleanup(thread.join)
        for latch, back in zip(latches, answers):
            latch.open()
            self.assertTrue(back.wait(10))

    def test_one_that_is_opened_too_late_opens_no_other(self):
        late, other = compat.Latch(), compat.Latch()
        self.assertFalse(late.wait(0.001))
        opener = threading.Thread(target=late.open)
        opener.start()
        opener.join()
        self.assertFalse(other.wait(0.001))
        self.assertTrue(late.wait(10))

    def test_opened_while_about_to_wait(self):
        # Threads that meet at every possible moment.
        for _ in range(300):
            latch = compat.Latch()
            opener = threading.Thread(target=latch.open)
            opener.start()
            self.assertTrue(latch.wait(10))
            opener.join()


class TestFutures(tornado.testing.AsyncTestCase):

    def moments_until_resumed(self, future, finish):
        """Return how many `gen.moment`s pass between `finish()` and the resumption of who waits."""
        resumed = []

        @tornado.gen.coroutine
        def wait():
            try:
                yield future
            except Exception:
                pass
            resumed.append(True)

        @tornado.gen.coroutine
        def count():
            wait()
            finish()
            self.assertEqual(resumed, [])
            for moments in range(1, 10):
                yield tornado.gen.moment
                if resumed:
                    raise tornado.gen.Return(moments)

        return self.io_loop.run_sync(count)

    def test_resumption_takes_one_iteration(self):
        future = compat.new_future(self.io_loop)
        self.assertEqual(1, self.moments_until_resumed(future, lambda: future.set_result(1)))

    def test_resumption_with_an_exception_takes_one_iteration(self):
        future = compat.new_future(self.io_loop)
        self.assertEqual(
            1, self.moments_until_resumed(future, lambda: future.set_exception(ValueError())))

    def test_a_future_resolved_in_the_same_iteration_as_it_is_waited_for(self):
        future = compat.new_future(self.io_loop)
        future.set_result(3)
        self.assertEqual(self.io_loop.run_sync(lambda: future), 3)

    def test_callbacks_of_others_are_run(self):
        future = compat.new_future(self.io_loop)
        seen = []
        future.add_done_callback(seen.append)
        self.io_loop.add_callback(future.set_result, 1)
        self.io_loop.add_callback(self.io_loop.add_callback, self.stop)
        self.wait()
        self.assertEqual(seen, [future])

    def test_removed_callbacks_are_not_run(self):
        for future in (compat.new_future(self.io_loop), compat.ConcurrentFuture(),
                       self.io_loop.run_sync(self.make_stock_future)):
            seen = []
            callback = seen.append
            future.add_done_callback(callback)
            compat.remove_done_callback(future, callback)
            compat.remove_done_callback(future, callback)
            future.set_result(1)
            self.io_loop.add_callback(self.io_loop.add_callback, self.stop)
            self.wait()
            self.assertEqual(seen, [])

    @tornado.gen.coroutine
    def make_stock_future(self):
        raise tornado.gen.Return(compat.TornadoFuture())

    def test_coroutines_can_be_told_no_longer_to_wait(self):
        # What add_future has added can be removed as well, on all versions.
        future = compat.new_future(self.io_loop)
        callbacks = []
        add = future.add_done_callback
        future.add_done_callback = lambda callback: (callbacks.append(callback), add(callback))
        resumed = []
        self.io_loop.run_sync(tornado.gen.coroutine(
            lambda: self.io_loop.add_future(future, resumed.append)))
        self.assertEqual(future.remove_done_callback(callbacks[0]), 1)
        future.set_result(1)
        self.io_loop.add_callback(self.io_loop.add_callback, self.stop)
        self.wait()
        self.assertEqual(resumed, [])

    def test_followers_are_told_at_once(self):
        for finish in (lambda future: future.set_result(1),
                       lambda future: future.set_exception(ValueError()),
                       lambda future: compat.fail(future, (ValueError, ValueError(), None))):
            future = compat.new_future(self.io_loop)
            future.followers = mock.Mock()
            source_done = future.followers.source_done
            finish(future)
            source_done.assert_called_once_with(future)
            self.assertIsNone(future.followers)
            future.exception()

    def test_done_futures_need_no_loop(self):
        seen = []

        def work():
            seen.append(compat.done_future(1).result())
            seen.append(compat.failed_future((ValueError, ValueError("x"), None)).exception())
            seen.append(compat.done_future(exception=KeyError("y")).exception())

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        self.assertEqual(seen[0], 1)
        self.assertIsInstance(seen[1], ValueError)
        self.assertIsInstance(seen[2], KeyError)

    def test_done_futures_among_others_that_are_waited_for(self):
        done = [compat.DoneFuture(i) for i in range(3)]
        pending = concurrent.futures.Future()
        threading.Timer(0.01, pending.set_result, (3,)).start()
        finished, _ = concurrent.futures.wait(done + [pending], timeout=10)
        self.assertEqual(sorted(future.result() for future in finished), [0, 1, 2, 3])
        self.assertEqual(sorted(future.result() for future in concurrent.futures.as_completed(finished)),
                         [0, 1, 2, 3])
        self.assertFalse(done[0].cancel())
        called = []
        done[0].add_done_callback(called.append)
        self.assertEqual(called, done[:1])

    def test_done_futures_can_be_yielded(self):
        self.assertEqual(self.io_loop.run_sync(lambda: compat.done_future(5)), 5)
        with self.assertRaises(ValueError):
            self.io_loop.run_sync(lambda: compat.done_future(exception=ValueError()))

    def test_yielding_a_done_future_takes_no_iteration(self):
        future = compat.done_future(5)

        @tornado.gen.coroutine
        def wait():
            yield future
            raise tornado.gen.Return(self.events)

        self.events = "at once"
        self.io_loop.add_callback(setattr, self, "events", "later")

        def start():
            waiting = wait()
            self.assertTrue(waiting.done())
            return waiting

        self.assertEqual(self.io_loop.run_sync(start), "later")

    def test_resolve_and_fail_respect_who_was_first(self):
        future = compat.new_future(self.io_loop)
        compat.resolve(future, 1)
        compat.resolve(future, 2)
        compat.fail(future, (ValueError, ValueError(), None))
        self.assertEqual(future.result(), 1)

    def test_outcomes_when_the_loop_is_closed(self):
        for finish in (lambda future: compat.resolve(future, 1),
                       lambda future: compat.fail(future, (ValueError, ValueError(), None)),
                       lambda future: future.cancel() or future.set_result(1)):  # the latter on tornado 4
            ioloop = compat.new_ioloop()
            future = compat.new_future(ioloop)
            future.add_done_callback(lambda future: None)
            future.followers = mock.Mock()
            source_done = future.followers.source_done
            ioloop.close()
            finish(future)
            self.assertTrue(future.done())
            source_done.assert_called_once_with(future)
            compat.future_exc_info(future)  # retrieves it

    def test_outcomes_are_copied(self):
        for target_class in (lambda: compat.new_future(self.io_loop), compat.ConcurrentFuture):
            source, target = compat.ConcurrentFuture(), target_class()
            source.set_result(7)
            compat.copy_outcome(source, target)
            self.assertEqual(target.result(), 7)

            source, target, error = compat.new_future(self.io_loop), target_class(), ValueError()
            source.set_exception(error)
            compat.copy_outcome(source, target)
            self.assertIs(target.exception(), error)

            source, target = compat.ConcurrentFuture(), target_class()
            source.cancel()
            compat.copy_outcome(source, target)
            self.assertTrue(target.done())
            self.assertRaises(compat.CANCELLED_ERRORS, target.result)

    def test_exc_info(self):
        future = compat.new_future(self.io_loop)
        future.set_result(1)
        self.assertIsNone(compat.future_exc_info(future))
        error = ValueError()
        for future in (compat.new_future(self.io_loop), compat.ConcurrentFuture()):
            future.set_exception(error)
            self.assertEqual(compat.future_exc_info(future)[:2], (ValueError, error))
        future = compat.ConcurrentFuture()
        future.cancel()
        self.assertTrue(issubclass(compat.future_exc_info(future)[0], compat.CANCELLED_ERRORS))

    def test_the_original_frames_are_handed_on(self):
        def fail_deep_inside():
            raise ValueError("x")

        try:
            fail_deep_inside()
        except ValueError:
            exc_info = sys.exc_info()
        futures = [compat.new_future(self.io_loop), compat.ConcurrentFuture()]
        for future in futures:
            compat.fail(future, exc_info)
        futures.append(compat.failed_future(exc_info))
        for future in futures:
            target = compat.new_future(self.io_loop)
            compat.copy_outcome(future, target)
            try:
                target.result()
            except ValueError:
                self.assertIn("fail_deep_inside", traceback.format_exc())

    def test_retrieved_exceptions_are_not_reported(self):
        with mock.patch("tornado.concurrent.app_log" if not compat.ON_ASYNCIO
                        else "asyncio.base_events.logger") as log:
            future = compat.new_future(self.io_loop)
            future.set_exception(ValueError())
            compat.future_exc_info(future)
            del future
            gc.collect()
            self.assertEqual(log.error.mock_calls, [])
            future = compat.new_future(self.io_loop)
            future.set_exception(ValueError())
            del future
            gc.collect()
            self.assertEqual(len(log.error.mock_calls), 1)

    def test_awaitables(self):
        self.assertTrue(compat.is_awaitable(compat.new_future(self.io_loop)))
        self.assertTrue(compat.is_awaitable(compat.ConcurrentFuture()))
        self.assertTrue(compat.is_awaitable(compat.done_future()))
        for value in (None, 3, [], self.test_awaitables, iter([])):
            self.assertFalse(compat.is_awaitable(value))

    def test_both_timeout_errors_catch_ours(self):
        for error in (compat.GenTimeoutError, concurrent.futures.TimeoutError):
            with self.assertRaises(error):
                raise compat.AnyTimeoutError("Timeout")


class TestLoops(unittest.TestCase):

    def setUp(self):
        self.ioloop = compat.new_ioloop()
        self.addCleanup(self.ioloop.close)

    def test_a_new_loop_is_nobodys_current_loop(self):
        self.assertIsNot(compat.current_ioloop(), self.ioloop)

    def test_state_of_a_loop(self):
        self.assertFalse(compat.runs_in_this_thread(self.ioloop))
        self.assertFalse(compat.ioloop_is_running(self.ioloop))
        self.assertFalse(compat.ioloop_is_closed(self.ioloop))
        seen = []

        def look():
            seen.append(compat.runs_in_this_thread(self.ioloop))
            seen.append(compat.running_ioloop() is self.ioloop)
            seen.append(compat.current_ioloop() is self.ioloop)
            seen.append(compat.ioloop_is_running(self.ioloop))
            thread = threading.Thread(
                target=lambda: seen.append(not compat.runs_in_this_thread(self.ioloop)))
            thread.start()
            thread.join()
            self.ioloop.stop()

        self.ioloop.add_callback(look)
        self.ioloop.start()
        self.assertEqual(seen, [True] * 5)
        self.assertFalse(compat.runs_in_this_thread(self.ioloop))
        self.assertFalse(compat.ioloop_is_running(self.ioloop))

    def test_a_closed_loop(self):
        ioloop = compat.new_ioloop()
        ioloop.close()
        self.assertTrue(compat.ioloop_is_closed(ioloop))
        self.assertFalse(compat.add_callback_if_open(ioloop, self.fail))
        self.assertTrue(compat.add_callback_if_open(self.ioloop, self.ioloop.stop))
        self.ioloop.start()

    def test_looking_for_a_loop_makes_none(self):
        seen = []

        def look():
            seen.append(compat.running_ioloop())
            seen.append(compat.current_ioloop())
            seen.append(compat.current_ioloop())

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        self.assertEqual(seen, [None] * 3)
