"""Tests of deadlines of blocking waits."""

from __future__ import absolute_import, division, print_function

import threading
import unittest

from katcp.testutils.deadline import Deadline, wait_until
from tests.support import mock


class TestDeadline(unittest.TestCase):
    def setUp(self):
        patcher = mock.patch("katcp.testutils.time")
        self.time = patcher.start().time
        self.addCleanup(patcher.stop)
        self.time.return_value = 1000

    def test_deadline(self):
        deadline = Deadline(3)
        self.assertEqual((deadline.remaining(), deadline.passed()), (3, False))
        self.time.return_value = 1002.5
        self.assertEqual((deadline.remaining(), deadline.passed()), (0.5, False))
        self.time.return_value = 1003
        self.assertEqual((deadline.remaining(), deadline.passed()), (0, True))
        self.time.return_value = 2000
        self.assertEqual((deadline.remaining(), deadline.passed()), (0, True))

    def test_never(self):
        deadline = Deadline(None)
        self.time.return_value = 1e12
        self.assertEqual((deadline.remaining(), deadline.passed()), (None, False))

    def test_wait_until_gives_up(self):
        condition = mock.Mock()
        condition.wait.side_effect = lambda timeout: setattr(
            self.time, "return_value", self.time.return_value + 2)
        self.assertEqual(wait_until(condition, lambda: [], 5), [])
        self.assertEqual(condition.wait.call_args_list, [mock.call(5), mock.call(3), mock.call(1)])

    def test_wait_until_looks_at_least_once(self):
        self.assertEqual(wait_until(mock.Mock(), lambda: 7, 0), 7)
        self.assertEqual(wait_until(mock.Mock(), lambda: 0, 0), 0)


class TestWaitUntilThreads(unittest.TestCase):
    def test_notified(self):
        condition = threading.Condition()
        done = []

        def change():
            with condition:
                done.append(True)
                condition.notify_all()

        thread = threading.Thread(target=change)
        with condition:
            thread.start()
            self.assertTrue(wait_until(condition, lambda: done, None))
        thread.join()
