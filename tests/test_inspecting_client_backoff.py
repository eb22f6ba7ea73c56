"""How long an inspecting client waits before it tries again."""

from __future__ import absolute_import, division, print_function

import unittest

from katcp.inspecting_client import ExponentialRandomBackoff
from tests.support import mock
from tests.support.client_cases import CapturedLog


class TestBackoff(unittest.TestCase):
    def setUp(self):
        patch = mock.patch("katcp.inspecting_client.random.random", return_value=0.4)
        self.random = patch.start()
        self.addCleanup(patch.stop)

    def test_defaults(self):
        backoff = ExponentialRandomBackoff()
        self.assertEqual((backoff.delay_initial, backoff.delay_max, backoff.exp_fac, backoff.randomicity),
                         (1.0, 90.0, 3.0, 0.95))

    def test_growth_cap_and_reset(self):
        backoff = ExponentialRandomBackoff(1.5, 12, 2, 0.7)
        factor = 0.3 + 0.7 * 0.4
        self.assertEqual(self.random.call_count, 1)
        self.assertAlmostEqual(backoff.delay, factor * 1.5)
        for base in (3, 6, 12, 12, 12):
            backoff.failed()
            self.assertAlmostEqual(backoff.delay, factor * base)
        self.assertEqual(self.random.call_count, 6)
        self.random.return_value = 0.5
        backoff.success()
        self.assertAlmostEqual(backoff.delay, (0.3 + 0.7 * 0.5) * 1.5)

    def test_extremes_of_randomness(self):
        self.assertEqual(ExponentialRandomBackoff(2, randomicity=0).delay, 2)
        self.random.return_value = 0.0
        self.assertEqual(ExponentialRandomBackoff(2, randomicity=1).delay, 0)
        backoff = ExponentialRandomBackoff(0)
        backoff.failed()
        self.assertEqual(backoff.delay, 0)

    def test_delay_cannot_be_assigned(self):
        self.assertRaises(AttributeError, setattr, ExponentialRandomBackoff(), "delay", 1)

    def test_bad_parameters(self):
        for parameters in ({"delay_initial": -1}, {"delay_initial": 91}, {"randomicity": -0.1},
                           {"randomicity": 1.1}, {"exp_fac": 1}):
            self.assertRaises(AssertionError, ExponentialRandomBackoff, **parameters)

    def test_parameters_can_be_changed(self):
        backoff = ExponentialRandomBackoff(1, 100, 2, 0)
        backoff.exp_fac = 10
        self.assertEqual(backoff.delay, 1)
        backoff.failed()
        self.assertEqual(backoff.delay, 10)
        backoff.delay_initial = 3
        backoff.success()
        self.assertEqual(backoff.delay, 3)

    def test_failure_never_raises(self):
        backoff = ExponentialRandomBackoff(1, 100, 2, 0)
        backoff.exp_fac = 0
        with CapturedLog("katcp.inspect_client") as log:
            backoff.failed()
        self.assertEqual(log.messages, ["Unhandled exception trying to calculate a retry timeout"])
        self.assertEqual(backoff.delay, 1)
        self.assertRaises(AssertionError, backoff.success)
