from __future__ import absolute_import, division, print_function

import unittest

from packaging.specifiers import SpecifierSet
from packaging.version import Version

import katcp
from katcp import version

from tests.support import mock

# What projects that were written against the predecessor ask for.
PIN = SpecifierSet(">=0.9.3,<1")


class TestVersion(unittest.TestCase):
    def assert_pinned(self, text):
        self.assertIs(type(text), str)
        self.assertTrue(PIN.contains(text, prereleases=True), text)

    def test_projects_that_pin_can_use_it(self):
        self.assert_pinned(version.NEXT_RELEASE)
        self.assert_pinned(katcp.__version__)
        self.assert_pinned(version.find_version())

    def test_versions_that_sort_too_low_are_moved(self):
        for found, expected in (
                ("0.1.dev292+logs.b5baecd", "0.10.dev292+logs.b5baecd"),
                ("0.0+unknown.202601011200", "0.10.dev0+unknown.202601011200"),
                ("0.9.3", "0.10.dev0"), ("0.1", "0.10.dev0")):
            moved = version._at_least_floor(found)
            self.assertEqual(moved, expected)
            self.assert_pinned(moved)
            self.assertGreater(Version(moved), Version("0.9.3"))
            self.assertLess(Version(moved), Version(version.NEXT_RELEASE))

    def test_others_are_kept(self):
        for found in ("0.10", "0.10.1", "0.9.4.dev3+x", "0.11.dev0", "1.0"):
            self.assertEqual(version._at_least_floor(found), found)

    @mock.patch("katversion.get_version", side_effect=OSError("no git"))
    def test_without_git(self, get_version):
        found = version.find_version()
        self.assertTrue(found.startswith("0.10.dev0+unknown."), found)
        self.assert_pinned(found)
