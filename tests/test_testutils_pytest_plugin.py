"""Tests of the fixtures for pytest, in a pytest of their own: other test runners do not know fixtures."""

from __future__ import absolute_import, division, print_function

import re
import unittest

from tests.support.programs import Program


class TestPytestPlugin(unittest.TestCase):
    def test_fixtures(self):
        program = Program("-m", "pytest", "-v", "-p", "no:cacheprovider",
                          "tests/support/pytest_plugin_cases.py")
        self.addCleanup(program.kill)
        status, out, err = program.finish()
        outcomes = dict(re.findall(r"::(test_\w+)\S* (PASSED|FAILED|ERROR)", out))
        self.assertGreater(len(outcomes), 8, out + err)
        self.assertEqual(sorted(name for name, outcome in outcomes.items() if outcome != "PASSED"),
                         ["test_bad_client", "test_bad_fake_resource"], out)
        self.assertNotIn("ERROR", outcomes.values(), out)
        self.assertEqual(status, 1)
