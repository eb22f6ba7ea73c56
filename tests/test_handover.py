from __future__ import absolute_import, division, print_function

import gc
import threading
import traceback
import unittest
import weakref

import tornado.gen

from katcp import compat, handover
from katcp.handover import CallQueue, LoopCall
from tests.support import mock
from tests.support.logs import LogRecorder


class LoopThreadTestCase(unittest.TestCase):
    """Gives its tests a loop that runs in another thread."""

    def setUp(self):
        self.ioloop = compat.new_ioloop()
        self.thread = threading.Thread(target=self.ioloop.start)
        self.thread.daemon = True
        self.addCleanup(self.stop_loop)

    def start_loop(self):
        self.thread.start()

    def stop_loop(self):
        if self.thread.ident is not None and not compat.ioloop_is_closed(self.ioloop):
            self.ioloop.add_callback(self.ioloop.stop)
            self.thread.join()
        if not compat.ioloop_is_closed(self.ioloop):
            self.ioloop.close()


class TestCallQueue(LoopThreadTestCase):

    def setUp(self):
        super(TestCallQueue, self).setUp()
        self.queue = CallQueue(self.ioloop)
        # On a busy machine any call may take so long that those after it have to wait.
        clock = mock.patch("katcp.handover.default_timer", return_value=0)
        clock.start()
        self.addCleanup(clock.stop)

    def run_out(self):
        """Run the loop in this thread for as many iterations as it has callbacks."""
        self.ioloop.add_callback(self.ioloop.stop)
        self.ioloop.start()

    def test_calls_are_made_in_order_in_the_thread_of_the_loop(self):
        calls = []
        self.start_loop()
        for number in range(1000):
            self.queue.call(lambda n: calls.append((n, compat.get_thread_ident())), number)
        thread_id = self.queue.submit(compat.get_thread_ident).result(5)
        self.assertEqual(thread_id, self.thread.ident)
        self.assertEqual(calls, [(number, thread_id) for number in range(1000)])

    def test_many_threads(self):
        calls = []
        self.start_loop()

        def work(number):
            for count in range(200):
                self.queue.call(calls.append, (number, count))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.queue.submit(int).result(5)
        for number in range(4):
            self.assertEqual([count for n, count in calls if n == number], list(range(200)))

    def test_one_wake_up_for_all(self):
        calls = []
        with mock.patch.object(self.ioloop, "add_callback", wraps=self.ioloop.add_callback) as add:
            for number in range(10):
                self.queue.call(calls.append, number)
            self.assertEqual(add.call_count, 1)
        self.assertEqual(len(self.queue), 10)
        self.run_out()
        self.assertEqual(calls, list(range(10)))
        with mock.patch.object(self.ioloop, "add_callback", wraps=self.ioloop.add_callback) as add:
            self.queue.call(calls.append, 10)
            self.assertEqual(add.call_count, 1)
        self.run_out()
        self.assertEqual(calls, list(range(11)))

    def test_what_is_added_meanwhile_waits(self):
        order = []

        def call():
            order.append("call")
            if len(order) < 6:
                self.queue.call(call)

        self.queue.call(call)
        self.ioloop.add_callback(order.append, "other")
        self.run_out()
        self.run_out()
        self.assertEqual(order[:3], ["call", "other", "call"])

    def test_long_work_lets_others_have_a_turn(self):
        now = [0]
        order = []

        def work():
            now[0] += handover.MAX_DRAIN_TIME * 0.6
            order.append("work")

        with mock.patch("katcp.handover.default_timer", lambda: now[0]):
            for _ in range(4):
                self.queue.call(work)
            self.ioloop.add_callback(order.append, "other")
            self.run_out()
            self.run_out()
        self.assertEqual(order, ["work", "work", "other", "work", "work"])

    def test_exceptions_are_logged(self):
        calls = []
        self.queue.call(int, "no number")
        self.queue.call(calls.append, 1)
        with LogRecorder("katcp.handover") as log:
            self.run_out()
        self.assertEqual(calls, [1])
        self.assertEqual(log.messages, ["Unhandled exception in a call on the ioloop"])

    def test_outcomes(self):
        @tornado.gen.coroutine
        def later(value):
            yield tornado.gen.moment
            raise tornado.gen.Return(int(value))

        self.start_loop()
        self.assertEqual(self.queue.submit(divmod, 7, 2).result(5), (3, 1))
        self.assertIsInstance(self.queue.submit(int, "x").exception(5), ValueError)
        self.assertEqual(self.queue.submit(later, "5").result(5), 5)
        self.assertIsInstance(self.queue.submit(later, "x").exception(5), ValueError)
        self.assertEqual(self.queue.submit(compat.done_future, 5).result(5), 5)

    def test_close(self):
        calls = []
        self.queue.call(calls.append, "before")
        submitted = self.queue.submit(len, "abc")
        self.queue.close()
        self.queue.call(calls.append, "after")
        self.assertIsNone(self.queue.submit(len, "abc").result(0))
        self.run_out()
        self.assertEqual(calls, ["before"])
        self.assertEqual(submitted.result(0), 3)
        self.queue.close()

    def test_a_loop_that_is_closed(self):
        early = self.queue.submit(len, "abc")
        self.ioloop.close()
        self.assertFalse(early.done())
        self.queue.close()
        self.assertIsNone(early.result(0))
        queue = CallQueue(self.ioloop)
        queue.call(self.fail)
        self.assertIsNone(queue.submit(len, "abc").result(0))
        self.assertEqual(len(queue), 0)


class TestLoopCall(LoopThreadTestCase):

    def test_outcomes(self):
        @tornado.gen.coroutine
        def later(value, base=10):
            yield tornado.gen.moment
            raise tornado.gen.Return(int(value, base))

        self.start_loop()
        self.assertEqual(LoopCall(self.ioloop, compat.get_thread_ident).wait(), self.thread.ident)
        self.assertEqual(LoopCall(self.ioloop, later, ("ff",), {"base": 16}).wait(5), 255)
        try:
            LoopCall(self.ioloop, later, ("x",)).wait(5)
        except ValueError:
            self.assertIn("raise tornado.gen.Return(int(value, base))", traceback.format_exc())
        else:
            self.fail("no exception")
        with self.assertRaises(SystemExit):
            LoopCall(self.ioloop, exit_, ()).wait(5)
        self.assertEqual(LoopCall(self.ioloop, later, ("3",)).wait(5), 3)
        self.assertEqual(list(vars(self.ioloop)[handover._WATCHERS]), [])

    def test_timeout(self):
        self.start_loop()
        release = threading.Event()

        @tornado.gen.coroutine
        def slow():
            self.finish = compat.new_future(self.ioloop)
            release.set()
            yield self.finish
            raise KeyError("too late")

        call = LoopCall(self.ioloop, slow)
        with self.assertRaises(compat.AnyTimeoutError):
            call.wait(0.001)
        release.wait(5)
        with LogRecorder("katcp.handover") as log:
            LoopCall(self.ioloop, lambda: self.finish.set_result(None)).wait(5)
            done = threading.Event()
            self.ioloop.add_callback(
                self.ioloop.add_callback, self.ioloop.add_callback, self.ioloop.add_callback, done.set)
            done.wait(5)
        self.assertEqual(len(log.records), 1)
        self.assertIn("nobody waits", log.messages[0])
        self.assertIs(log.records[0].exc_info[0], KeyError)
        self.assertEqual(list(vars(self.ioloop)[handover._WATCHERS]), [])

    def test_a_timeout_of_the_function_itself(self):
        def fail():
            raise compat.AnyTimeoutError("inner")
        self.start_loop()
        with self.assertRaises(compat.AnyTimeoutError) as caught:
            LoopCall(self.ioloop, fail).wait(5)
        self.assertEqual(str(caught.exception), "inner")

    def test_a_loop_that_ends_meanwhile(self):
        self.start_loop()
        waiting = threading.Event()
        outcome = []

        def block():
            waiting.set()
            return compat.new_future(self.ioloop)

        def wait():
            try:
                LoopCall(self.ioloop, block).wait()
            except RuntimeError as exc:
                outcome.append(str(exc))

        blocked = threading.Thread(target=wait)
        blocked.start()
        waiting.wait(5)
        self.stop_loop()
        handover.loop_has_ended(self.ioloop)
        blocked.join(5)
        self.assertEqual(outcome, ["IOLoop is closing"])

    def test_a_loop_that_ends_after_a_timeout(self):
        self.start_loop()
        call = LoopCall(self.ioloop, lambda: compat.new_future(self.ioloop))
        with LogRecorder("katcp.handover") as log:
            with self.assertRaises(compat.AnyTimeoutError):
                call.wait(0.001)
            self.stop_loop()
            handover.loop_has_ended(self.ioloop)
        self.assertEqual(log.messages, [])

    def test_watching_a_loop(self):
        watcher, other = mock.Mock(), mock.Mock()
        handover.watch_loop(self.ioloop, watcher)
        handover.watch_loop(self.ioloop, other)
        handover.unwatch_loop(self.ioloop, other)
        handover.loop_has_ended(self.ioloop)
        handover.loop_has_ended(self.ioloop)
        watcher.loop_has_ended.assert_called_once_with()
        self.assertFalse(other.loop_has_ended.called)
        handover.unwatch_loop(self.ioloop, other)

    def test_a_watched_loop_that_is_never_reported_as_closed(self):
        ioloop = compat.new_ioloop()
        watcher = mock.Mock(ioloop=ioloop)
        handover.watch_loop(ioloop, watcher)
        references = weakref.ref(ioloop), weakref.ref(watcher)
        ioloop.close()
        del ioloop, watcher
        gc.collect()
        self.assertEqual([reference() for reference in references], [None, None])

    def test_a_closed_loop(self):
        self.ioloop.close()
        self.assertRaises(RuntimeError, LoopCall(self.ioloop, int).wait)


def exit_():
    raise SystemExit(3)
