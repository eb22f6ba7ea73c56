"""Tests of the door katcp.testutils."""

from __future__ import absolute_import, division, print_function

import doctest
import importlib
import os
import subprocess
import sys
import time
import unittest

import katcp.testutils

ROOMS = ["assertions", "clients", "clock", "deadline", "doubles", "mocks", "recorder",
         "request_assertions", "sensor_assertions", "sensors", "servers", "threads"]

# Imports the module named first while those named after it cannot be imported.
IMPORT_WITHOUT = """
import sys
for name in sys.argv[2:]:
    sys.modules[name] = None
__import__(sys.argv[1])
print(sorted(name for name in sys.modules if name in ("mock", "unittest.mock")))
print(getattr(sys.modules[sys.argv[1]], "mock", None))
"""


def import_without(name, *missing):
    """Import a module in a new interpreter, without others; return whether that worked, and the output."""
    process = subprocess.Popen(
        [sys.executable, "-c", IMPORT_WITHOUT, name] + list(missing), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, cwd=os.path.dirname(os.path.dirname(katcp.__file__)),
        universal_newlines=True)
    output, _ = process.communicate()
    return process.returncode == 0, output


class TestDoor(unittest.TestCase):
    def test_what_is_customarily_imported_from_here(self):
        for name, home in [
                ("AsyncEvent", "katcp.core"), ("AsyncReply", "katcp.core"), ("Message", "katcp.core"),
                ("ProtocolFlags", "katcp.core"), ("Sensor", "katcp.core"), ("FailReply", "katcp.core"),
                ("steal_docstring_from", "katcp.core"), ("Bool", "katcp.kattypes"),
                ("Discrete", "katcp.kattypes"), ("Float", "katcp.kattypes"), ("Int", "katcp.kattypes"),
                ("Str", "katcp.kattypes"), ("concurrent_reply", "katcp.kattypes"),
                ("request", "katcp.kattypes"), ("request_timeout_hint", "katcp.kattypes"),
                ("return_reply", "katcp.kattypes"), ("ObjectWrapper", "katcp.object_proxies"),
                ("ClientConnection", "katcp.server"), ("DeviceServer", "katcp.server"),
                ("is_bytes", "katcp.compat"), ("is_text", "katcp.compat"),
                ("ensure_native_str", "katcp.compat"), ("Future", "concurrent.futures"),
                ("TimeoutError", "concurrent.futures")]:
            self.assertIs(getattr(katcp.testutils, name), getattr(importlib.import_module(home), name),
                          name)
        self.assertIs(katcp.testutils.client, katcp.client)
        self.assertIs(katcp.testutils.time, time)
        self.assertEqual(katcp.testutils.logger.name, "katcp.testutils")

    def test_mocks_are_those_of_the_mock_that_is_installed(self):
        self.assertTrue(issubclass(katcp.testutils.WaitingMock, katcp.testutils.mock.Mock))
        try:
            import mock
        except ImportError:
            from unittest import mock
        self.assertIs(katcp.testutils.mock, mock)

    def test_importing_the_library_needs_no_mock(self):
        imported, output = import_without("katcp", "mock", "unittest.mock")
        self.assertTrue(imported, output)

    def test_missing_mock_is_named(self):
        imported, output = import_without("katcp.testutils", "mock", "unittest.mock")
        self.assertFalse(imported)
        self.assertIn("ImportError: katcp.testutils needs the package 'mock'", output)

    def test_either_mock_will_do(self):
        try:
            import unittest.mock  # noqa: F401
        except ImportError:
            return
        imported, output = import_without("katcp.testutils", "mock")
        self.assertTrue(imported, output)
        self.assertIn("unittest", output.splitlines()[-1])


class TestExamples(unittest.TestCase):
    def test_docstrings(self):
        examples = 0
        for room in ROOMS:
            module = importlib.import_module("katcp.testutils." + room)
            failures, number = doctest.testmod(module)
            self.assertFalse(failures, room)
            examples += number
        self.assertGreater(examples, 20)
