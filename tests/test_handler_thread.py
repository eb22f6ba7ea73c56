"""Tests of katcp.server.handler_thread."""

from __future__ import absolute_import, division, print_function

import collections
import threading
import unittest

from tornado.ioloop import IOLoop

from katcp import compat
from katcp.message import Message
from katcp.server import MessageHandlerThread, handler_thread
from katcp.server.handler_thread import MAX_QUEUED_MESSAGES, MessageBatch
from tests.support import mock
from tests.support.logs import LogRecorder

TIMEOUT = 10


class Handler(object):
    """Handles messages as it is told to."""

    def __init__(self):
        self.handled = []
        self.threads = set()
        self.outcomes = {}

    def handle(self, client_conn, msg):
        self.handled.append((client_conn, msg.name))
        self.threads.add(threading.current_thread())
        outcome = self.outcomes.get(msg.name)
        return outcome() if outcome else None


def request(name):
    return Message.request(name)


class HandlerThreadTestCase(unittest.TestCase):
    def setUp(self):
        self.handler = Handler()
        self.thread = MessageHandlerThread(self.handler.handle, self.format_inform)
        self.ioloop = compat.new_ioloop()
        self.ioloop_thread = threading.Thread(target=self.ioloop.start)
        self.addCleanup(self.ioloop.close)
        self.ioloop_thread.start()
        self.addCleanup(self.ioloop_thread.join)
        self.addCleanup(self.ioloop.add_callback, self.ioloop.stop)
        self.thread.set_ioloop(self.ioloop)
        self.addCleanup(self.stop)

    @staticmethod
    def format_inform(level_name, text, name):
        return Message.inform("log", level_name, "123", name, text)

    def stop(self):
        self.thread.stop()
        self.thread.join(TIMEOUT)
        self.assertFalse(self.thread.isAlive())

    def block(self):
        """Keep the thread busy; return how to release it."""
        entered, release = threading.Event(), threading.Event()

        def outcome():
            entered.set()
            release.wait(TIMEOUT)

        self.handler.outcomes["block"] = outcome
        self.thread.on_message("blocker", request("block"))
        entered.wait(TIMEOUT)
        return release.set

    def make_batch(self, conn, *names):
        """Return a batch, and an event that is set when it is finished."""
        finished = threading.Event()
        messages = collections.deque(
            request(name) if not callable(name) else name for name in names)
        self.closing = False
        return MessageBatch(conn, messages, lambda: self.closing, finished.set), finished


class TestLife(HandlerThreadTestCase):
    def test_before_start(self):
        self.assertIsNone(self.thread.isAlive())
        self.assertFalse(self.thread.running())
        self.assertFalse(self.thread.wait_running(0.001))
        self.thread.stop()  # at once
        self.thread.join()
        self.assertIsNone(self.thread.isAlive())

    def test_start(self):
        self.assertTrue(self.thread.start(timeout=TIMEOUT))
        self.assertTrue(self.thread.isAlive())
        self.assertTrue(self.thread.running())
        self.assertTrue(self.thread.wait_running())
        with self.assertRaises(RuntimeError) as caught:
            self.thread.start()
        self.assertEqual(str(caught.exception), "Cannot start since thread is already running")

    def test_start_without_timeout(self):
        self.assertIsNone(self.thread.start())
        self.assertTrue(self.thread.wait_running(TIMEOUT))

    def test_name(self):
        self.assertEqual(self.thread.name, "Handler.message_handler")
        self.handler.name = "pump"
        self.thread = MessageHandlerThread(self.handler.handle, self.format_inform)
        self.assertEqual(self.thread.name, "pump.message_handler")
        self.thread.start()
        self.thread.on_message("conn", request("a")).result(TIMEOUT)
        (thread,) = self.handler.threads
        self.assertEqual(thread.name, "pump.message_handler")
        self.assertFalse(thread.daemon)

    def test_daemon(self):
        self.thread.setDaemon(True)
        self.thread.start()
        self.thread.on_message("conn", request("a")).result(TIMEOUT)
        self.assertTrue(self.handler.threads.pop().daemon)

    def test_stop_lets_queued_messages_be_handled(self):
        self.thread.start(TIMEOUT)
        release = self.block()
        futures = [self.thread.on_message("conn", request(name)) for name in "ab"]
        self.thread.stop()
        self.assertFalse(futures[0].done())
        release()
        for future in futures:
            future.result(TIMEOUT)
        self.thread.join(TIMEOUT)
        self.assertEqual([name for _, name in self.handler.handled], ["block", "a", "b"])

    def test_messages_after_the_end_are_dropped(self):
        self.thread.start(TIMEOUT)
        self.stop()
        self.assertIsNone(self.thread.on_message("conn", request("late")).result(TIMEOUT))
        batch, finished = self.make_batch("conn", "late", "late")
        self.thread.handle_batch(batch)
        self.assertTrue(finished.is_set())
        self.thread.start(TIMEOUT)
        self.thread.on_message("conn", request("a")).result(TIMEOUT)
        self.assertEqual(self.handler.handled, [("conn", "a")])

    def test_restart_while_the_old_thread_is_ending(self):
        self.thread.start(TIMEOUT)
        release = self.block()
        self.thread.stop()
        with mock.patch.object(handler_thread, "RESTART_TIMEOUT", 0.001):
            with self.assertRaises(RuntimeError):
                self.thread.start()
        release()
        self.assertTrue(self.thread.start(TIMEOUT))
        self.thread.on_message("conn", request("a")).result(TIMEOUT)

    def test_messages_before_the_start_wait_for_it(self):
        future = self.thread.on_message("conn", request("a"))
        self.thread.start(TIMEOUT)
        future.result(TIMEOUT)

    def test_current_loop(self):
        self.thread.start()
        loops = []
        self.handler.outcomes["a"] = lambda: loops.append(IOLoop.current())
        self.thread.on_message("conn", request("a")).result(TIMEOUT)
        self.assertIs(loops[0], self.ioloop)


class TestSingleMessages(HandlerThreadTestCase):
    def setUp(self):
        super(TestSingleMessages, self).setUp()
        self.thread.start(TIMEOUT)

    def test_order(self):
        futures = [self.thread.on_message(number % 3, request("m%d" % number)) for number in range(100)]
        for future in futures:
            self.assertIsInstance(future, compat.ConcurrentFuture)
            self.assertIsNone(future.result(TIMEOUT))
        self.assertEqual(self.handler.handled, [(number % 3, "m%d" % number) for number in range(100)])

    def test_queue_limit(self):
        release = self.block()
        futures = [self.thread.on_message("conn", request("a")) for _ in range(MAX_QUEUED_MESSAGES)]
        with self.assertRaises(RuntimeError) as caught:
            self.thread.on_message("conn", request("surplus"))
        self.assertEqual(str(caught.exception),
                         "MessageHandlerThread unhandled message queue full, not handling message")
        release()
        for future in futures:
            future.result(TIMEOUT)

    def test_future_of_the_handler_is_waited_for(self):
        inner = compat.ConcurrentFuture()
        self.handler.outcomes["a"] = lambda: inner
        future = self.thread.on_message("conn", request("a"))
        self.thread.on_message("conn", request("b")).result(TIMEOUT)  # is not held up
        self.assertFalse(future.done())
        inner.set_result("anything")
        future.result(TIMEOUT)

    def test_tornado_future_of_the_handler_is_waited_for(self):
        inner = []

        def outcome():
            inner.append(compat.new_future(self.ioloop))
            return inner[0]

        self.handler.outcomes["a"] = outcome
        future = self.thread.on_message("conn", request("a"))
        self.thread.on_message("conn", request("b")).result(TIMEOUT)
        self.assertFalse(future.done())
        self.ioloop.add_callback(inner[0].set_result, None)
        future.result(TIMEOUT)

    def test_failures(self):
        def fail():
            raise SystemExit("boom")

        def fail_later():
            future = compat.ConcurrentFuture()
            future.set_exception(ValueError("boom"))
            return future

        for outcome, error in ((fail, SystemExit), (fail_later, ValueError)):
            conn = mock.Mock()
            self.handler.outcomes["a"] = outcome
            with LogRecorder("katcp.server") as log:
                with self.assertRaises(error):
                    self.thread.on_message(conn, Message.request("a", mid=5)).result(TIMEOUT)
            self.assertEqual(log.messages, ["Error calling message handler for msg:\n ?a[5]"])
            conn.inform.assert_called_once_with(self.format_inform(
                "error", "See device logs:\nError calling message handler for msg:\n ?a[5]", "root"))
            self.assertEqual(conn.reply.call_count, 1)
            self.assertEqual(conn.reply.call_args[0][0].arguments[0], b"fail")
        self.thread.on_message("conn", request("b")).result(TIMEOUT)

    def test_failing_inform_needs_no_reply(self):
        conn = mock.Mock()
        self.handler.outcomes["a"] = lambda: 1 // 0
        with LogRecorder("katcp.server"):
            with self.assertRaises(ZeroDivisionError):
                self.thread.on_message(conn, Message.inform("a")).result(TIMEOUT)
        self.assertEqual(conn.inform.call_count, 1)
        self.assertEqual(conn.reply.call_count, 0)


class TestBatches(HandlerThreadTestCase):
    def setUp(self):
        super(TestBatches, self).setUp()
        self.thread.start(TIMEOUT)

    def handle(self, *names):
        batch, finished = self.make_batch("conn", *names)
        self.thread.handle_batch(batch)
        self.assertTrue(finished.wait(TIMEOUT))

    def names(self):
        return [name for _, name in self.handler.handled]

    def test_all_are_handled_in_order(self):
        self.handle("a", "b", "c")
        self.assertEqual(self.handler.handled, [("conn", "a"), ("conn", "b"), ("conn", "c")])
        self.handle("d")
        self.assertEqual(self.names(), ["a", "b", "c", "d"])

    def test_what_is_no_message_is_called_in_its_turn(self):
        self.handle("a", lambda: self.handler.handled.append((None, "called")), "b")
        self.assertEqual(self.names(), ["a", "called", "b"])

    def test_next_message_waits_for_the_future_of_the_one_before(self):
        for make_future in (compat.ConcurrentFuture, lambda: compat.new_future(self.ioloop)):
            del self.handler.handled[:]
            futures = []
            self.handler.outcomes["a"] = lambda: futures.append(make_future()) or futures[0]
            batch, finished = self.make_batch("conn", "a", "b")
            self.thread.handle_batch(batch)
            # Other clients are served meanwhile.
            self.thread.on_message("other", request("other")).result(TIMEOUT)
            self.assertEqual(self.names(), ["a", "other"])
            self.assertFalse(finished.is_set())
            self.ioloop.add_callback(futures[0].set_result, None)
            self.assertTrue(finished.wait(TIMEOUT))
            self.assertEqual(self.names(), ["a", "other", "b"])

    def test_future_of_the_last_message(self):
        future = compat.ConcurrentFuture()
        self.handler.outcomes["b"] = lambda: future
        batch, finished = self.make_batch("conn", "a", "b")
        self.thread.handle_batch(batch)
        self.thread.on_message("other", request("other")).result(TIMEOUT)
        self.assertFalse(finished.is_set())
        future.set_result(None)
        self.assertTrue(finished.wait(TIMEOUT))

    def test_failures_do_not_end_the_batch(self):
        def fail():
            raise ValueError("boom")

        def done_with_failure():
            return compat.done_future(exception=ValueError("boom"))

        conn = mock.Mock()
        self.handler.outcomes.update(a=fail, b=done_with_failure)
        batch, finished = self.make_batch(conn, "a", "b", "c")
        with LogRecorder("katcp.server") as log:
            self.thread.handle_batch(batch)
            self.assertTrue(finished.wait(TIMEOUT))
        self.assertEqual(self.names(), ["a", "b", "c"])
        self.assertEqual([call[0][0].name for call in conn.reply.call_args_list], ["a", "b"])
        self.assertEqual(len(log.messages), 2)

    def test_failing_reports_of_failures_do_not_end_the_thread(self):
        def fail():
            raise ValueError("boom")

        batch, finished = self.make_batch(mock.Mock(), "a", "b")
        batch.messages.appendleft(fail)
        self.thread._logger = mock.Mock()
        self.thread._logger.error.side_effect = ValueError("disk full")
        self.thread.handle_batch(batch)
        self.assertTrue(finished.wait(TIMEOUT))
        self.assertEqual(self.names(), ["a", "b"])
        self.handler.outcomes["c"] = fail
        self.thread.log_inform_formatter = fail
        self.thread.on_message(mock.Mock(), request("c")).exception(TIMEOUT)
        self.thread.on_message(mock.Mock(), request("d")).result(TIMEOUT)
        self.assertEqual(self.names(), ["a", "b", "c", "d"])

    def test_rest_is_dropped_when_the_client_is_gone(self):
        def close():
            self.closing = True

        self.handler.outcomes["b"] = close
        self.handle("a", "b", "c", "d")
        self.assertEqual(self.names(), ["a", "b"])

    def test_long_batches_let_others_go_first(self):
        release = self.block()
        first, first_finished = self.make_batch("first", "a", "b", "c", "d")
        second, second_finished = self.make_batch("second", "x")
        self.thread.handle_batch(first)
        self.thread.handle_batch(second)
        with mock.patch.object(handler_thread, "BATCH_BUDGET", -1):
            release()
            self.assertTrue(first_finished.wait(TIMEOUT))
            self.assertTrue(second_finished.wait(TIMEOUT))
        names = self.names()[1:]
        self.assertLess(names.index("x"), names.index("d"))
        self.assertEqual([name for name in names if name != "x"], ["a", "b", "c", "d"])

    def test_thread_is_woken_once_for_a_batch(self):
        self.handle("a")
        with mock.patch.object(self.thread, "_put", wraps=self.thread._put) as put:
            self.handle(*"bcdef")
        self.assertEqual(put.call_count, 1)


if __name__ == "__main__":
    unittest.main()
