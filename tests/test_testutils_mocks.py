"""Tests of the mocks that can be waited for."""

from __future__ import absolute_import, division, print_function

import threading
import unittest

from tornado import testing

from katcp.testutils.mocks import AsyncWaitingMock, AtomicIaddCallback, WaitingMock, mock
from tests.support.clock import TimewarpAsyncTestCase


class TestAtomicIaddCallback(unittest.TestCase):
    def test_stands_for_number(self):
        number = AtomicIaddCallback(5)
        self.assertEqual(number, 5)
        self.assertLess(number, 6)
        self.assertIsInstance(number, int)
        self.assertEqual("%s %d" % (number, number), "5 5")
        self.assertIs(type(number + 1), int)

    def test_iadd(self):
        values = []
        number = same = AtomicIaddCallback(5, callback=values.append)
        number += 2
        number += 1
        self.assertIs(number, same)
        self.assertEqual(values, [7, 8])
        self.assertEqual(number.__subject__, 8)
        self.assertEqual(same, 8)

    def test_callback_is_called_outside_the_lock(self):
        mutex = threading.Lock()
        number = AtomicIaddCallback(0, lambda value: states.append(mutex.locked()), mutex)
        states = []
        number += 1
        self.assertEqual(states, [False])

    def test_atomic(self):
        counts = []
        number = AtomicIaddCallback(0, counts.append)

        def count():
            own = number
            for _ in range(500):
                own += 1

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(number, 2000)
        self.assertEqual(sorted(counts), list(range(1, 2001)))


class TestWaitingMock(unittest.TestCase):
    def call_in_thread(self, *functions):
        def run():
            for function in functions:
                function()

        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)

    def test_called_already(self):
        waiting_mock = WaitingMock()
        self.assertIs(waiting_mock.assert_wait_call_count(0, timeout=0), True)
        waiting_mock("argument")
        self.assertIs(waiting_mock.assert_wait_call_count(1, timeout=0), True)
        waiting_mock.assert_called_once_with("argument")
        self.assertIn(mock.call("argument"), waiting_mock.call_args_list)
        self.assertEqual(waiting_mock.call_count, 1)

    def test_waits_for_other_thread(self):
        waiting_mock = WaitingMock()
        self.call_in_thread(*[waiting_mock] * 3)
        self.assertIn(waiting_mock.assert_wait_call_count(3, timeout=10), (None, True))
        self.call_in_thread(waiting_mock)
        self.assertIn(waiting_mock.assert_wait_call_count(4, timeout=None), (None, True))

    def test_returns_none_after_waiting(self):
        waiting_mock = WaitingMock()
        waiting = threading.Event()
        self.call_in_thread(waiting.wait, waiting_mock)
        with mock.patch("katcp.testutils.mocks.wait_until") as wait_until:
            def wait(condition, predicate, timeout):
                self.assertEqual(timeout, 7)
                waiting.set()
                while not predicate():
                    condition.wait(10)
                return True

            wait_until.side_effect = wait
            self.assertIsNone(waiting_mock.assert_wait_call_count(1, timeout=7))

    def test_not_called(self):
        waiting_mock = WaitingMock()
        waiting_mock()
        with self.assertRaises(AssertionError) as context:
            waiting_mock.assert_wait_call_count(2, timeout=0.01)
        self.assertEqual(str(context.exception), "Expected 2 calls within 0.01 s, but there were 1")

    def test_calls_taken_away(self):
        waiting_mock = WaitingMock()
        waiting_mock()
        waiting_mock.call_args_list = []
        with self.assertRaises(RuntimeError) as context:
            waiting_mock.assert_wait_call_count(1, timeout=0.01)
        self.assertEqual(str(context.exception), "call_args_list not updated within timeout.")

    def test_notifies_when_call_is_in_the_list(self):
        waiting_mock = WaitingMock()
        called = waiting_mock.__dict__["_called"] = mock.MagicMock()
        waiting_mock.call_args_list.append(mock.call())
        called.notify_all.assert_called_once_with()

    def test_notifies_before_side_effect_has_run(self):
        release = threading.Event()
        waiting_mock = WaitingMock(side_effect=lambda: release.wait(10))
        self.call_in_thread(waiting_mock)
        waiting_mock.assert_wait_call_count(1, timeout=10)
        self.assertFalse(release.is_set())
        release.set()

    def test_notifies_when_side_effect_raises(self):
        waiting_mock = WaitingMock(side_effect=ValueError)
        with self.assertRaises(ValueError):
            waiting_mock()
        waiting_mock.assert_wait_call_count(1, timeout=0)

    def test_children(self):
        waiting_mock = WaitingMock()
        self.assertIsInstance(waiting_mock.child.grandchild, WaitingMock)
        self.assertIsInstance(waiting_mock(), WaitingMock)
        self.call_in_thread(waiting_mock.child.grandchild)
        waiting_mock.child.grandchild.assert_wait_call_count(1, timeout=10)

    def test_reset(self):
        waiting_mock = WaitingMock(return_value=5)
        waiting_mock()
        waiting_mock.child(1)
        waiting_mock.reset_mock()
        for some_mock in (waiting_mock, waiting_mock.child):
            self.assertEqual(some_mock.call_count, 0)
            with self.assertRaises(AssertionError):
                some_mock.assert_wait_call_count(1, timeout=0)
        self.assertEqual(waiting_mock.return_value, 5)
        self.call_in_thread(waiting_mock.child, waiting_mock)
        waiting_mock.assert_wait_call_count(1, timeout=10)
        self.assertEqual(waiting_mock.call_count, 1)
        self.assertEqual(waiting_mock.child.call_count, 1)
        self.assertIsInstance(waiting_mock.call_count, AtomicIaddCallback)

    def test_reset_with_arguments(self):
        waiting_mock = WaitingMock(return_value=5, side_effect=ValueError)
        waiting_mock.child()
        waiting_mock.reset_mock(return_value=True, side_effect=True)
        self.assertIsInstance(waiting_mock(), WaitingMock)

    def test_spec(self):
        class Thing(object):
            def method(self):
                pass

        for keyword in ("spec", "spec_set"):
            waiting_mock = WaitingMock(**{keyword: Thing()})
            waiting_mock.method()
            waiting_mock.method.assert_wait_call_count(1, timeout=0)
            waiting_mock.reset_mock()
            waiting_mock.method()
            waiting_mock.method.assert_wait_call_count(1, timeout=0)
            with self.assertRaises(AttributeError):
                waiting_mock.no_method
        with self.assertRaises(AttributeError):
            waiting_mock.no_method = 1

    def test_key_of_dict(self):
        waiting_mock = WaitingMock()
        self.assertEqual({waiting_mock: 1, WaitingMock(): 2}[waiting_mock], 1)


class TestAsyncWaitingMock(TimewarpAsyncTestCase):
    # The clock of the loop stands still: timeouts are seconds of real time.

    @testing.gen_test
    def test_called_already(self):
        waiting_mock = AsyncWaitingMock()
        waiting_mock()
        self.assertIs((yield waiting_mock.assert_wait_call_count(1, timeout=0)), True)
        self.assertIs(type(waiting_mock.call_count), int)

    @testing.gen_test
    def test_waits(self):
        waiting_mock = AsyncWaitingMock(return_value=5)
        self.assertEqual(waiting_mock(), 5)
        for timeout in (10, None):
            waiting = waiting_mock.assert_wait_call_count(3, timeout=timeout)
            self.io_loop.add_callback(waiting_mock)
            yield self.wake_ioloop()
            yield self.wake_ioloop()
            self.assertFalse(waiting.done())
            self.io_loop.add_callback(waiting_mock)
            self.assertIsNone((yield waiting))
            waiting_mock.reset_mock()
            waiting_mock()

    @testing.gen_test
    def test_several_waiters(self):
        waiting_mock = AsyncWaitingMock()
        waiters = [waiting_mock.assert_wait_call_count(count, timeout=10) for count in (1, 2, 2)]
        for _ in range(2):
            self.io_loop.add_callback(waiting_mock)
        self.assertEqual((yield waiters), [None, None, None])

    @testing.gen_test
    def test_not_called(self):
        waiting_mock = AsyncWaitingMock()
        with self.assertRaises(AssertionError) as context:
            yield waiting_mock.assert_wait_call_count(1, timeout=0.01)
        self.assertEqual(str(context.exception), "Expected 1 calls within 0.01 s, but there were 0")

    @testing.gen_test
    def test_does_not_hog_the_loop(self):
        waiting_mock = AsyncWaitingMock()
        iterations = []

        def iterate():
            iterations.append(1)
            if not waiting.done():
                self.io_loop.add_callback(iterate)

        waiting = waiting_mock.assert_wait_call_count(1, timeout=10)
        self.io_loop.add_callback(iterate)
        for _ in range(20):
            yield self.wake_ioloop()
        self.assertGreaterEqual(len(iterations), 20)
        waiting_mock()
        yield waiting

    @testing.gen_test
    def test_notifies_when_side_effect_raises(self):
        waiting_mock = AsyncWaitingMock(side_effect=ValueError)
        waiting = waiting_mock.assert_wait_call_count(1, timeout=10)
        with self.assertRaises(ValueError):
            waiting_mock()
        yield waiting

    @testing.gen_test
    def test_children_and_reset(self):
        waiting_mock = AsyncWaitingMock()
        waiting = waiting_mock.child.assert_wait_call_count(1, timeout=10)
        self.io_loop.add_callback(waiting_mock.child)
        yield waiting
        waiting_mock.reset_mock()
        self.assertEqual(waiting_mock.child.call_count, 0)
        with self.assertRaises(AssertionError):
            yield waiting_mock.child.assert_wait_call_count(1, timeout=0)

    @testing.gen_test
    def test_leaves_no_timer(self):
        threads = set(threading.enumerate())
        waiting_mock = AsyncWaitingMock()
        waiting = waiting_mock.assert_wait_call_count(1, timeout=1000)
        self.assertEqual(len(threading.enumerate()), len(threads) + 1)
        self.io_loop.add_callback(waiting_mock)
        yield waiting
        self.assertEqual(set(threading.enumerate()), threads)


class TestConstruction(unittest.TestCase):
    def test_without_event_loop(self):
        made = []
        thread = threading.Thread(
            target=lambda: made.extend([WaitingMock(), AsyncWaitingMock(spec_set=["method"])]))
        thread.start()
        thread.join()
        self.assertEqual(len(made), 2)
        made[1].method()
