from __future__ import absolute_import, division, print_function

import concurrent.futures
import functools
import logging
import socket
import sys
import threading
import time
import traceback
import unittest

import tornado.gen
import tornado.ioloop
from tornado.testing import gen_test

import katcp.ioloop_manager
from katcp import compat
from katcp.ioloop_manager import (
    IOLoopManager, IOLoopThreadWrapper, ThreadSafeMethodAttrWrapper, with_relative_timeout)
from katcp.object_proxies import ObjectProxy
from katcp.waiting import AsyncEvent
from tests.support import mock
from tests.support.clock import TimewarpAsyncTestCase
from tests.support.logs import LogRecorder

# Far longer than anything takes.
LONG = 10


class TestLoopForStart(unittest.TestCase):
    """An unmanaged loop that nobody has chosen."""

    def setUp(self):
        self.addCleanup(compat.make_ioloop_current, compat.current_ioloop())
        self.manager = IOLoopManager(managed_default=False)

    def make_loop(self):
        ioloop = compat.new_ioloop()
        self.addCleanup(lambda: compat.ioloop_is_closed(ioloop) or ioloop.close())
        return ioloop

    def choose_on(self, ioloop):
        return ioloop.run_sync(tornado.gen.coroutine(self.manager.loop_for_start))

    def test_is_the_running_one_of_each_start(self):
        for ioloop in [self.make_loop(), self.make_loop()]:  # neither is closed
            self.assertIs(self.choose_on(ioloop), ioloop)
            self.assertIs(self.manager.get_ioloop(), ioloop)

    def test_is_the_current_one_of_each_start(self):
        for ioloop in [self.make_loop(), self.make_loop()]:
            compat.make_ioloop_current(ioloop)
            self.assertIs(self.manager.loop_for_start(), ioloop)

    def test_current_loop_is_noted(self):
        noted, other = self.make_loop(), self.make_loop()
        noted.run_sync(tornado.gen.coroutine(self.manager.note_current_ioloop))
        chosen = []

        def choose():
            chosen.append(self.manager.loop_for_start())

        thread = threading.Thread(target=choose)
        thread.start()
        thread.join()
        self.assertIs(chosen.pop(), noted)
        # It is not running, so that the one of this thread is meant.
        self.assertIs(self.choose_on(other), other)

    def test_noted_loop_that_is_running(self):
        runner = IOLoopManager()
        noted = runner.get_ioloop()
        self.addCleanup(runner.join, LONG)
        self.addCleanup(runner.stop)
        runner.start(timeout=LONG)
        IOLoopThreadWrapper(noted).call_in_ioloop(self.manager.note_current_ioloop, (), {}, LONG)
        self.assertIs(self.choose_on(self.make_loop()), noted)

    def test_noted_loop_that_is_closed(self):
        noted, other = self.make_loop(), self.make_loop()
        noted.run_sync(tornado.gen.coroutine(self.manager.note_current_ioloop))
        noted.close()
        self.assertIs(self.choose_on(other), other)

    def test_given_loop_is_left_alone(self):
        given = self.make_loop()
        self.manager.set_ioloop(given)
        self.assertIs(self.choose_on(self.make_loop()), given)

    def test_managed_loop_is_left_alone(self):
        self.manager = IOLoopManager()
        ioloop = self.manager.get_ioloop()
        self.addCleanup(ioloop.close)
        self.assertIs(self.choose_on(self.make_loop()), ioloop)


class ManagerTestCase(unittest.TestCase):

    def setUp(self):
        self.manager = IOLoopManager()
        self.addCleanup(self.stop_manager)

    def stop_manager(self):
        self.manager.stop()
        if self.manager._ioloop_thread is not None:
            self.manager.join(LONG)
            self.assertFalse(self.manager._ioloop_thread.is_alive())
        elif self.manager.managed and self.manager._ioloop is not None:
            self.manager._ioloop.close()

    def start(self):
        ioloop = self.manager.get_ioloop()
        self.assertIs(self.manager.start(timeout=LONG), True)
        return ioloop


class TestManagedLoop(ManagerTestCase):

    def test_defaults(self):
        self.assertIs(self.manager.managed, True)
        self.assertIs(IOLoopManager(False).managed, False)
        self.assertIsNone(self.manager._ioloop)
        self.assertIsNone(self.manager._ioloop_thread)
        self.assertFalse(self.manager._running.is_set())

    def test_the_loop_is_made_once(self):
        ioloop = self.manager.get_ioloop()
        self.assertIs(self.manager.get_ioloop(), ioloop)
        self.assertIsInstance(ioloop, tornado.ioloop.IOLoop)
        if not compat.PY2:
            self.assertTrue(hasattr(ioloop, "asyncio_loop"))
            self.assertIsInstance(ioloop, katcp.ioloop_manager.AsyncIOLoop)
        self.assertIsNot(compat.current_ioloop(), ioloop)

    def test_setting_a_loop(self):
        ioloop = compat.new_ioloop()
        self.addCleanup(ioloop.close)
        manager = IOLoopManager()
        manager.set_ioloop(None, managed=True)
        manager.set_ioloop(ioloop, managed=False)
        self.assertIs(manager.get_ioloop(), ioloop)
        with self.assertRaises(RuntimeError) as caught:
            manager.set_ioloop(ioloop, managed=True)
        self.assertEqual(str(caught.exception), "IOLoop instance already set")
        self.assertIs(manager.managed, True)

    def test_a_given_loop_can_be_managed(self):
        ioloop = compat.new_ioloop()
        self.manager.set_ioloop(ioloop)
        self.assertIs(self.start(), ioloop)
        self.manager.stop().result(LONG)
        self.assertTrue(compat.ioloop_is_closed(ioloop))

    def test_start_needs_a_loop(self):
        with self.assertRaises(RuntimeError) as caught:
            self.manager.start()
        self.assertEqual(str(caught.exception), "Call get_ioloop() or set_ioloop() first")

    def test_running(self):
        order = []
        ioloop = self.manager.get_ioloop()
        for number in range(3):
            ioloop.add_callback(order.append, number)
        self.assertIs(self.manager.start(timeout=LONG), True)
        self.assertEqual(order, [0, 1, 2])
        self.assertTrue(self.manager._running.is_set())
        seen = compat.ConcurrentFuture()
        ioloop.add_callback(lambda: seen.set_result(
            (tornado.ioloop.IOLoop.current(), compat.get_thread_ident())))
        self.assertEqual(seen.result(LONG), (ioloop, self.manager._ioloop_thread.ident))

    def test_start_without_timeout(self):
        self.manager.get_ioloop()
        self.assertIsNone(self.manager.start())
        self.assertTrue(self.manager._running.wait(LONG))

    def test_a_second_start_is_refused(self):
        ioloop = self.start()
        thread = self.manager._ioloop_thread
        for _ in range(2):
            with self.assertRaises(RuntimeError) as caught:
                self.manager.start(timeout=1)
            self.assertEqual(str(caught.exception), "Seems that managed ioloop has already been "
                                                    "started, can only restart after stop()")
        self.assertIs(self.manager._ioloop, ioloop)
        self.assertIs(self.manager._ioloop_thread, thread)
        self.assertTrue(self.manager._running.is_set())
        self.assertTrue(thread.is_alive())

    def test_daemon(self):
        self.manager.setDaemon(True)
        self.start()
        self.assertTrue(self.manager._ioloop_thread.daemon)
        self.manager.stop().result(LONG)
        self.manager.setDaemon(False)
        self.start()
        self.assertFalse(self.manager._ioloop_thread.daemon)

    def test_stop(self):
        ioloop = self.start()
        threads = []
        with LogRecorder("katcp.ioloop_manager") as log:
            future = self.manager.stop()
            future.add_done_callback(lambda future: threads.append(compat.get_thread_ident()))
            self.assertIsInstance(future, concurrent.futures.Future)
            self.assertIsNone(future.result(LONG))
            self.manager.join(LONG)
        self.assertFalse(self.manager._ioloop_thread.is_alive())
        self.assertTrue(compat.ioloop_is_closed(ioloop))
        self.assertIsNone(self.manager._ioloop)
        self.assertFalse(self.manager._running.is_set())
        self.assertEqual(log.messages, ["Stopping ioloop {0!r}".format(ioloop),
                                        "Managed tornado IOloop {0} stopped".format(ioloop)])
        self.manager.join()

    def test_the_stop_callback(self):
        self.start()
        calls = []

        def callback():
            calls.append(compat.get_thread_ident())
            self.manager._ioloop.add_callback(calls.append, "and what it adds to the loop")
            return "ignored"

        self.assertIsNone(self.manager.stop(callback=callback).result(LONG))
        self.assertEqual(calls, [self.manager._ioloop_thread.ident, "and what it adds to the loop"])

    def test_the_future_of_the_stop_callback_is_waited_for(self):
        for make in (lambda: compat.new_future(self.manager._ioloop), compat.ConcurrentFuture):
            ioloop = self.start()
            made = []

            def callback():
                made.append(make())
                return made[0]

            stopped = self.manager.stop(callback=callback)
            self.run_on(ioloop, lambda: None)
            self.assertFalse(stopped.done())
            ioloop.add_callback(lambda: made[0].set_result(3))
            self.assertIsNone(stopped.result(LONG))

    def run_on(self, ioloop, fn):
        future = compat.ConcurrentFuture()
        ioloop.add_callback(lambda: future.set_result(fn()))
        return future.result(LONG)

    def test_exceptions_of_the_stop_callback_are_logged(self):
        @tornado.gen.coroutine
        def later():
            yield tornado.gen.moment
            raise ValueError("oh")

        cancelled = compat.ConcurrentFuture()
        cancelled.cancel()
        for callback in (lambda: int("x"), later, lambda: cancelled,
                         lambda: compat.done_future(exception=ValueError())):
            self.start()
            with LogRecorder("katcp.ioloop_manager") as log:
                self.assertIsNone(self.manager.stop(callback=callback).result(LONG))
            errors = [record for record in log.records if record.levelno == logging.ERROR]
            self.assertEqual([error.getMessage() for error in errors],
                             ["Unhandled exception calling stop callback"])
            self.assertIsNotNone(errors[0].exc_info[0])

    def test_stop_in_the_thread_of_the_loop(self):
        ioloop = self.start()
        stopped = self.run_on(ioloop, self.manager.stop)
        self.assertIsNone(stopped.result(LONG))

    def test_stop_without_a_loop(self):
        called = []
        for _ in range(2):
            future = self.manager.stop(callback=lambda: called.append(1))
            self.assertIsNone(future.result(0))
        self.assertEqual(called, [])

    def test_stop_waits_for_the_start(self):
        self.manager.get_ioloop()
        # Whoever waits for the start is let go on.
        with mock.patch.object(self.manager._running, "wait") as wait:
            self.manager.stop(timeout=3)
            wait.assert_called_once_with(3)
        self.manager.start()
        self.manager.join(LONG)

    def test_stop_before_start(self):
        ioloop = self.manager.get_ioloop()
        called = []
        plain = self.manager.stop()
        self.assertIsNone(plain.result(0))
        stopped = self.manager.stop(callback=lambda: called.append(1))
        self.assertFalse(stopped.done())
        self.manager.start()
        self.assertIsNone(stopped.result(LONG))
        self.manager.join(LONG)
        self.assertTrue(compat.ioloop_is_closed(ioloop))
        self.assertFalse(self.manager._running.is_set())

    def test_stops_that_race(self):
        for _ in range(5):
            self.start()
            futures = []
            threads = [threading.Thread(target=lambda: futures.append(self.manager.stop()))
                       for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for future in futures:
                self.assertIsNone(future.result(LONG))
            self.assertIsNone(self.manager.stop().result(0))

    def test_a_second_stop_while_the_first_callback_runs(self):
        ioloop = self.start()
        pending = self.run_on(ioloop, lambda: compat.new_future(ioloop))
        first = self.manager.stop(callback=lambda: pending)
        second = self.manager.stop()
        self.assertIsNone(second.result(LONG))
        self.assertIsNone(first.result(LONG))

    def test_stop_while_the_loop_is_being_closed(self):
        ioloop = self.start()
        closing, go_on = threading.Event(), threading.Event()
        close = ioloop.close

        def slow_close(all_fds=False):
            closing.set()
            go_on.wait(LONG)
            close(all_fds=all_fds)

        ioloop.close = slow_close
        first = self.manager.stop()
        closing.wait(LONG)
        second = self.manager.stop(callback=self.fail)
        self.assertFalse(first.done() or second.done())
        # The next run can begin already; it has a loop of its own.
        next_loop = self.manager.get_ioloop()
        self.assertIsNot(next_loop, ioloop)
        self.manager.start()
        self.assertFalse(self.manager._running.is_set())
        go_on.set()
        self.assertIsNone(first.result(LONG))
        self.assertIsNone(second.result(LONG))
        self.assertTrue(self.manager._running.wait(LONG))
        self.assertIs(self.manager._ioloop, next_loop)
        self.assertIsNone(self.manager.stop().result(LONG))
        self.assertTrue(compat.ioloop_is_closed(next_loop))

    def test_what_the_loop_runs_while_stopping_sees_its_own_loop(self):
        ioloop = self.start()
        seen = []
        halt = self.manager._halt

        def halt_and_look(run):
            halt(run)
            seen.append(self.manager.get_ioloop())

        self.manager._halt = halt_and_look
        self.manager.stop().result(LONG)
        self.assertEqual(seen, [ioloop])

    def test_restart(self):
        threads = len(threading.enumerate())
        loops = []
        for _ in range(3):
            loops.append(self.start())
            self.assertEqual(len(threading.enumerate()), threads + 1)
            self.manager.stop().result(LONG)
            self.manager.join(LONG)
            self.assertEqual(len(threading.enumerate()), threads)
            with self.assertRaises(RuntimeError) as caught:
                self.manager.start()
            self.assertEqual(str(caught.exception), "Call get_ioloop() or set_ioloop() first")
        self.assertEqual(len(set(loops)), 3)

    def test_restart_without_join(self):
        for _ in range(20):
            self.start()
            self.manager.stop().result(LONG)

    def test_join(self):
        with self.assertRaises(RuntimeError) as caught:
            self.manager.join()
        self.assertEqual(str(caught.exception), "Cannot join if not started")
        ioloop = self.start()
        self.assertIsNone(self.manager.join(timeout=0.001))
        self.assertTrue(self.manager._ioloop_thread.is_alive())

        def join():
            try:
                self.manager.join()
            except RuntimeError as exc:
                return exc

        self.assertIn("cannot join current thread", str(self.run_on(ioloop, join)))

    def test_sockets_are_closed_with_the_loop(self):
        ioloop = self.manager.get_ioloop()
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        ioloop.add_handler(listener, lambda fd, events: None, ioloop.READ)
        self.start()
        self.manager.stop().result(LONG)
        # What uses a closed socket fails, on all versions.
        self.assertRaises(socket.error, listener.getsockname)

    def test_exceptions_in_callbacks_do_not_stop_the_loop(self):
        ioloop = self.start()
        with LogRecorder():
            ioloop.add_callback(int, "x")
            self.assertEqual(self.run_on(ioloop, lambda: 5), 5)

    def test_the_end_of_the_loop_by_itself(self):
        for end in (lambda ioloop: ioloop.stop(), lambda ioloop: sys.exit(3)):
            ioloop = self.start()
            with LogRecorder("katcp.ioloop_manager") as log:
                ioloop.add_callback(end, ioloop)
                self.manager.join(LONG)
            self.assertIsNone(self.manager._ioloop)
            self.assertFalse(self.manager._running.is_set())
            self.assertTrue(compat.ioloop_is_closed(ioloop))
            self.assertIsNone(self.manager.stop().result(0))
        errors = [record for record in log.records if record.levelno == logging.ERROR]
        self.assertEqual([error.getMessage() for error in errors], ["Error running tornado IOloop: "])
        self.assertIs(errors[0].exc_info[0], SystemExit)

    def test_a_coroutine_that_raises_SystemExit_does_not_end_the_loop(self):
        @tornado.gen.coroutine
        def leave():
            yield tornado.gen.moment
            raise SystemExit(3)

        ioloop = self.start()
        made = []
        with LogRecorder("katcp.ioloop_manager") as log:
            ioloop.add_callback(lambda: made.append(leave()))
            while not made or not made[0].done():
                self.run_on(ioloop, lambda: None)
            with self.assertRaises(SystemExit):
                made[0].result()
            self.assertEqual(log.messages, ["Coroutine raised SystemExit: "])
            # When the loop is about to stop it stops, whatever else happens in its last moments.
            ioloop.add_callback(lambda: (self.manager.stop(), made.append(leave())))
            self.manager.join(LONG)
            self.assertFalse(self.manager._ioloop_thread.is_alive())
        if made[1].done():
            compat.future_exc_info(made[1])

    def test_what_is_called_when_the_loop_ends_by_itself(self):
        calls = []

        @tornado.gen.coroutine
        def on_loop_end():
            yield tornado.gen.moment
            calls.append(compat.get_thread_ident())

        for end, expected in ((lambda ioloop: ioloop.stop(), 1), (lambda ioloop: sys.exit(3), 1),
                              (lambda ioloop: self.manager.stop(), 0)):
            self.manager.on_loop_end = on_loop_end
            ioloop = self.start()
            with LogRecorder("katcp.ioloop_manager"):
                ioloop.add_callback(end, ioloop)
                self.manager.join(LONG)
            self.assertEqual(calls, [self.manager._ioloop_thread.ident] * expected)
            del calls[:]
        self.manager.on_loop_end = mock.Mock(side_effect=ValueError("oh"))
        ioloop = self.start()
        with LogRecorder("katcp.ioloop_manager") as log:
            ioloop.add_callback(ioloop.stop)
            self.manager.join(LONG)
        self.assertEqual(log.messages[0], "Error at the end of the ioloop: ")
        self.assertTrue(compat.ioloop_is_closed(ioloop))

    def test_a_stop_while_the_loop_ends_by_itself(self):
        calls = []

        @tornado.gen.coroutine
        def on_loop_end():
            stopper = threading.Thread(target=lambda: calls.append(self.manager.stop()))
            stopper.start()
            stopper.join()
            for _ in range(5):
                yield tornado.gen.moment
            calls.append("end")

        self.manager.on_loop_end = on_loop_end
        ioloop = self.start()
        with LogRecorder("katcp.ioloop_manager") as log:
            ioloop.add_callback(ioloop.stop)
            self.manager.join(LONG)
        self.assertEqual(calls[1:], ["end"])
        calls[0].result(LONG)
        self.assertEqual([message for message in log.messages if "rror" in message], [])

    def test_errors_of_the_loop_itself_are_logged(self):
        ioloop = self.manager.get_ioloop()
        ioloop.start = mock.Mock(side_effect=ValueError("oh"))
        with LogRecorder("katcp.ioloop_manager") as log:
            self.manager.start()
            self.manager.join(LONG)
        self.assertEqual(log.messages[0], "Error running tornado IOloop: ")
        self.assertTrue(compat.ioloop_is_closed(ioloop))

    def test_a_loop_that_somebody_else_runs_is_left_alone(self):
        other = IOLoopManager()
        ioloop = other.get_ioloop()
        listener = socket.socket()
        self.addCleanup(listener.close)
        ioloop.add_handler(listener, lambda fd, events: None, ioloop.READ)
        other.start(timeout=LONG)
        try:
            self.manager.set_ioloop(ioloop)
            with LogRecorder("katcp.ioloop_manager") as log:
                self.manager.start()
                self.manager.join(LONG)
            self.assertEqual(log.messages[0], "Error running tornado IOloop: ")
            self.assertEqual(self.run_on(ioloop, lambda: 3), 3)
            listener.getsockname()
        finally:
            other.stop().result(LONG)

    def test_another_logger(self):
        logger = mock.Mock()
        self.manager = IOLoopManager(logger=logger)
        self.start()
        self.manager.stop().result(LONG)
        self.assertTrue(logger.info.called)

    def test_blocked_calls_hear_of_the_end(self):
        ioloop = self.start()
        wrapper = IOLoopThreadWrapper(ioloop)
        started = threading.Event()

        def never():
            started.set()
            return compat.new_future(ioloop)

        outcome = []

        def call():
            try:
                wrapper.call_in_ioloop(never, (), {})
            except RuntimeError as exc:
                outcome.append(str(exc))

        thread = threading.Thread(target=call)
        thread.daemon = True
        thread.start()
        started.wait(LONG)
        self.manager.stop().result(LONG)
        thread.join(LONG)
        self.assertEqual(outcome, ["IOLoop is closing"])


class TestUnmanagedLoop(TimewarpAsyncTestCase):

    def setUp(self):
        super(TestUnmanagedLoop, self).setUp()
        self.manager = IOLoopManager(managed_default=False)

    def test_the_current_loop_is_taken(self):
        self.assertIs(self.manager.get_ioloop(), self.io_loop)
        managed = IOLoopManager()
        managed.set_ioloop(None, managed=False)
        self.assertIs(managed.get_ioloop(), self.io_loop)

    @gen_test
    def test_start_and_stop(self):
        self.manager.set_ioloop(self.io_loop)
        for _ in range(2):
            self.assertIs(self.manager.start(timeout=LONG), True)
            self.assertTrue(self.manager._running.is_set())
            self.assertIsNone(self.manager.start())
            called = []
            future = self.manager.stop(timeout=LONG, callback=lambda: called.append(1))
            self.assertFalse(future.done())
            self.assertIsNone((yield future))
            self.assertEqual(called, [1])
            self.assertFalse(self.manager._running.is_set())
            self.assertIs(self.manager._ioloop, self.io_loop)
            self.assertIsNone(self.manager.join())
            self.assertIsNone(self.manager.join(timeout=1))

    @gen_test
    def test_stop_again(self):
        self.manager.get_ioloop()
        self.manager.start()
        futures = [self.manager.stop(), self.manager.stop(callback=lambda: int("x"))]
        with LogRecorder("katcp.ioloop_manager"):
            self.assertEqual((yield futures), [None, None])
        self.assertIsNone((yield self.manager.stop()))

    def test_a_closed_loop(self):
        ioloop = compat.new_ioloop()
        self.manager.set_ioloop(ioloop)
        self.manager.start()
        ioloop.close()
        self.assertIsNone(self.manager.stop(callback=self.fail).result(0))


class TestWithRelativeTimeout(TimewarpAsyncTestCase):

    @gen_test(timeout=10 ** 10)
    def test_counts_from_the_wall_clock(self):
        with mock.patch.object(katcp.ioloop_manager.time, "time", return_value=1000):
            future = with_relative_timeout(5, compat.new_future(self.io_loop), self.io_loop)
        yield self.set_ioloop_time(1004.9)
        self.assertFalse(future.done())
        yield self.set_ioloop_time(1005)
        with self.assertRaises(tornado.gen.TimeoutError) as caught:
            yield future
        self.assertEqual(str(caught.exception), "Timeout")

    @gen_test
    def test_outcomes(self):
        inner = compat.new_future(self.io_loop)
        future = with_relative_timeout(5, inner)
        inner.set_result(3)
        self.assertEqual((yield future), 3)
        self.assertEqual((yield with_relative_timeout(-1, inner)), 3)
        inner = compat.ConcurrentFuture()
        future = with_relative_timeout(5, inner)
        inner.set_exception(ValueError())
        with self.assertRaises(ValueError):
            yield future


class ThreadWrapperTestCase(ManagerTestCase):

    def setUp(self):
        super(ThreadWrapperTestCase, self).setUp()
        self.ioloop = self.manager.get_ioloop()
        self.wrapper = IOLoopThreadWrapper(self.ioloop)
        self.wrapper.default_timeout = LONG
        self.manager.start(timeout=LONG)
        self.loop_thread = self.manager._ioloop_thread.ident


class TestIOLoopThreadWrapper(ThreadWrapperTestCase):

    def test_attributes(self):
        self.assertIsNone(IOLoopThreadWrapper.default_timeout)
        self.assertIs(self.wrapper.ioloop, self.ioloop)
        self.assertEqual(self.wrapper._thread_id, self.loop_thread)

    def test_results(self):
        @tornado.gen.coroutine
        def later(*args, **kwargs):
            yield tornado.gen.moment
            raise tornado.gen.Return((args, kwargs, compat.get_thread_ident()))

        def at_once(*args, **kwargs):
            return args, kwargs, compat.get_thread_ident()

        def in_another_thread(*args, **kwargs):
            future = compat.ConcurrentFuture()
            threading.Thread(target=future.set_result, args=((args, kwargs, self.loop_thread),)).start()
            return future

        for fn in (later, at_once, in_another_thread):
            self.assertEqual(self.wrapper.call_in_ioloop(fn, (1, 2), {"x": 3}),
                             ((1, 2), {"x": 3}, self.loop_thread))

    def test_exceptions_keep_their_frames(self):
        def fail_deep_inside():
            raise ValueError("x")

        @tornado.gen.coroutine
        def later():
            yield tornado.gen.moment
            fail_deep_inside()

        for fn in (fail_deep_inside, later):
            try:
                self.wrapper.call_in_ioloop(fn, (), {})
            except ValueError:
                self.assertIn("fail_deep_inside", traceback.format_exc())
            else:
                self.fail("no exception")

    def test_timeouts(self):
        pending = compat.ConcurrentFuture()
        for error in (concurrent.futures.TimeoutError, tornado.gen.TimeoutError):
            start = time.time()
            with self.assertRaises(error):
                self.wrapper.call_in_ioloop(lambda: pending, (), {}, timeout=0.001)
            self.assertLess(time.time() - start, LONG / 2)
        self.wrapper.default_timeout = 0.001
        for timeout in (None, 0):
            with self.assertRaises(concurrent.futures.TimeoutError):
                self.wrapper.call_in_ioloop(lambda: pending, (), {}, timeout=timeout)
        self.assertEqual(self.wrapper.call_in_ioloop(lambda: 3, (), {}, timeout=LONG), 3)
        self.wrapper.default_timeout = None
        self.assertEqual(self.wrapper.call_in_ioloop(lambda: 3, (), {}), 3)

    def test_timeouts_of_the_function_itself(self):
        def fail():
            raise tornado.gen.TimeoutError("inner")

        for error in (concurrent.futures.TimeoutError, tornado.gen.TimeoutError):
            with self.assertRaises(error) as caught:
                self.wrapper.call_in_ioloop(fail, (), {})
            self.assertEqual(str(caught.exception), "inner")

    def test_what_a_function_says_when_its_own_time_is_up(self):
        @tornado.gen.coroutine
        def request(timeout):
            try:
                yield AsyncEvent(self.ioloop).until_set(timeout=timeout)
            except tornado.gen.TimeoutError:
                raise tornado.gen.Return("request timed out")

        self.wrapper.default_timeout = None
        with mock.patch("katcp.ioloop_manager.TIMEOUT_GRACE", LONG):
            self.assertEqual(
                self.wrapper.decorate_callable(request)(timeout=0.001), "request timed out")

    def test_calls_in_the_thread_of_the_loop_are_refused(self):
        def call(wrapper):
            try:
                return wrapper.call_in_ioloop(int, (), {})
            except RuntimeError as exc:
                return str(exc)

        def call_new():
            return call(IOLoopThreadWrapper(self.ioloop))

        message = "Cannot call a thread-wrapped object from the ioloop"
        self.assertEqual(self.wrapper.call_in_ioloop(call, (self.wrapper,), {}), message)
        # Even before the new wrapper has been told which thread that is.
        self.assertEqual(self.wrapper.call_in_ioloop(call_new, (), {}), message)

    def test_a_closed_loop(self):
        self.manager.stop().result(LONG)
        self.wrapper.default_timeout = None
        with self.assertRaises(RuntimeError) as caught:
            self.wrapper.call_in_ioloop(int, (), {})
        self.assertEqual(str(caught.exception), "IOLoop is closing")

    def test_a_loop_that_does_not_run_yet(self):
        manager = IOLoopManager()
        wrapper = IOLoopThreadWrapper(manager.get_ioloop())
        with self.assertRaises(concurrent.futures.TimeoutError):
            wrapper.call_in_ioloop(int, (), {}, timeout=0.001)
        results = []
        thread = threading.Thread(
            target=lambda: results.append(wrapper.call_in_ioloop(int, ("5",), {})))
        thread.start()
        manager.start()
        thread.join(LONG)
        self.assertEqual(results, [5])
        manager.stop().result(LONG)

    def test_many_threads(self):
        results = []

        def work(number):
            for _ in range(20):
                results.append(self.wrapper.call_in_ioloop(lambda: number, (), {}) == number)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(results, [True] * 100)

    def test_decorated_functions(self):
        def fn(a, b=None):
            """Do it.

            In detail.
            """
            return a, b, compat.get_thread_ident()

        decorated = self.wrapper.decorate_callable(fn)
        self.assertEqual(decorated(1, b=2), (1, 2, self.loop_thread))
        self.assertEqual(decorated.__name__, "fn")
        self.assertTrue(decorated.__doc__.endswith("Do it.\n\nIn detail."))
        self.assertNotEqual(decorated.__doc__, fn.__doc__)
        # Its own limit is not passed on to what does not know one.
        self.assertEqual(decorated(1, timeout=LONG), (1, None, self.loop_thread))

    def test_decorated_functions_with_a_timeout(self):
        def fn(timeout=None):
            return timeout

        def slow(**kwargs):
            return compat.ConcurrentFuture()

        self.assertEqual(self.wrapper.decorate_callable(fn)(timeout=LONG), LONG)
        self.assertIsNone(self.wrapper.decorate_callable(fn)(timeout=None))
        with self.assertRaises(concurrent.futures.TimeoutError):
            self.wrapper.decorate_callable(slow)(timeout=0.001)

    def test_all_kinds_of_callables(self):
        class Adder(object):
            def __call__(self, a, b):
                return a + b

        for callable_, args in ((Adder(), (1, 2)), (Adder().__call__, (1, 2)), (divmod, (7, 2)),
                                (functools.partial(Adder(), 1), (2,)), ([1, 2, 1].count, (1,)),
                                (mock.Mock(return_value=3), ())):
            self.assertEqual(self.wrapper.decorate_callable(callable_)(*args), callable_(*args))


class Device(object):
    """A thing that belongs to a thread."""

    address = ("host", 5)
    error_class = ValueError

    def __init__(self, thread_id):
        self._thread_id = thread_id
        self.proxied = ObjectProxy(3)
        self.proxied_function = ObjectProxy(len)
        self.handler = None

    def check(self):
        if compat.get_thread_ident() != self._thread_id:
            raise AssertionError("called in the wrong thread")

    def method(self, *args, **kwargs):
        """Do something."""
        self.check()
        return args, kwargs

    @property
    def read_anywhere(self):
        return compat.get_thread_ident()

    @property
    def read_in_the_loop(self):
        self.check()
        return "value"

    def __len__(self):
        return 5

    def __call__(self):
        self.check()
        return "called"

    def __eq__(self, other):
        return self._thread_id == other._thread_id

    def __hash__(self):
        return self._thread_id


class SafeDevice(ThreadSafeMethodAttrWrapper):

    @property
    def read_in_the_loop(self):
        return self._getattr("read_in_the_loop")

    @property
    def __call__(self):
        return self._ioloop_wrapper.decorate_callable(self.__subject__)


class TestThreadSafeMethodAttrWrapper(ThreadWrapperTestCase):

    def setUp(self):
        super(TestThreadSafeMethodAttrWrapper, self).setUp()
        self.device = Device(self.loop_thread)
        self.safe = SafeDevice(subject=self.device, ioloop_wrapper=self.wrapper)

    def test_methods_run_in_the_loop(self):
        self.assertRaises(AssertionError, self.device.method)
        self.assertEqual(self.safe.method(1, a=2), ((1,), {"a": 2}))
        self.assertIn("Do something.", self.safe.method.__doc__)

    def test_methods_are_decorated_once(self):
        method = self.safe.method
        self.assertIs(self.safe.method, method)
        self.device.method = lambda: "another"
        self.assertIsNot(self.safe.method, method)
        self.assertEqual(self.safe.method(), "another")
        del self.device.method
        self.assertEqual(self.safe.method(), ((), {}))

    def test_other_attributes_are_read_here(self):
        self.assertEqual(self.safe.read_anywhere, compat.get_thread_ident())
        self.assertIs(self.safe.address, Device.address)
        self.assertIs(self.safe.error_class, ValueError)
        self.assertIs(self.safe.proxied, self.device.proxied)
        self.assertEqual(self.safe.proxied_function([1, 2]), 2)

    def test_attributes_that_are_read_in_the_loop(self):
        self.assertRaises(AssertionError, getattr, self.device, "read_in_the_loop")
        self.assertEqual(self.safe.read_in_the_loop, "value")

    def test_attributes_are_set_on_the_subject(self):
        self.safe.handler = 5
        self.assertEqual(self.device.handler, 5)

    def test_missing_attributes(self):
        self.assertRaises(AttributeError, getattr, self.safe, "missing")

    def test_operators_work_here(self):
        self.assertEqual(len(self.safe), 5)
        self.assertRaises(AssertionError, ThreadSafeMethodAttrWrapper(self.device, self.wrapper))
        self.assertEqual(self.safe(), "called")

    def test_identity(self):
        self.assertIs(self.safe.__subject__, self.device)
        self.assertIsInstance(self.safe, Device)
        self.assertIs(type(self.safe), SafeDevice)
        self.assertEqual(self.safe, SafeDevice(Device(self.loop_thread), self.wrapper))
        self.assertIs(self.safe._ioloop_wrapper, self.wrapper)
        self.assertFalse(hasattr(self.device, "_ioloop_wrapper"))
