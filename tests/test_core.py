"""Tests of the door `katcp.core`: what has to be reachable through it, and that any module may be
the first one that is imported."""

from __future__ import absolute_import, division, print_function

import concurrent.futures
import os
import subprocess
import sys
import time
import unittest

import tornado
import tornado.concurrent

from katcp import core
from tests.support import mock

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class TestNames(unittest.TestCase):
    def test_constants(self):
        self.assertEqual((core.SEC_TO_MS_FAC, core.MS_TO_SEC_FAC), (1000, 0.001))
        self.assertEqual((core.DEFAULT_KATCP_MAJOR, core.SEC_TS_KATCP_MAJOR, core.FLOAT_TS_KATCP_MAJOR),
                         (5, 5, 4))
        self.assertEqual((core.MID_KATCP_MAJOR, core.VERSION_CONNECT_KATCP_MAJOR,
                          core.INTERFACE_CHANGED_KATCP_MAJOR), (5, 5, 5))
        self.assertEqual(core.logger.name, "katcp.core")

    def test_names(self):
        for name in """
                AsyncCallbackEvent AsyncEvent AsyncReply AsyncState AttrDict DefaultAttrDict
                DeviceMetaclass DeviceServerMetaclass FailReply KatcpClientDisconnected
                KatcpClientError KatcpDeviceError KatcpSyntaxError KatcpTypeError KatcpVersionError
                LatencyTimer Message MessageParser ProtocolFlags Reading Sensor byte_chars
                convert_method_name encode_utf8_with_error_log ensure_native_str
                future_timeout_manager hashable_identity is_bytes is_text log_coroutine_exceptions
                log_future_exceptions steal_docstring_from until_any until_later until_some
                Address Bool Discrete Float Int Lru Str Timestamp
                with_timeout gen tornado time logging re sys warnings numbers namedtuple defaultdict
                partial wraps range basestring""".split():
            self.assertTrue(hasattr(core, name), name)

    def test_futures(self):
        self.assertIs(core.Future, concurrent.futures.Future)
        self.assertIs(core.TimeoutError, concurrent.futures.TimeoutError)
        self.assertIs(core.tornado_Future, tornado.concurrent.Future)
        self.assertTrue(tornado.gen and tornado.ioloop and tornado.concurrent)
        self.assertIsInstance("", core.basestring)
        self.assertIsInstance(b"", core.basestring)

    def test_clock(self):
        self.assertIs(core.time, time)
        with mock.patch("katcp.core.time.time", return_value=1234.5):
            sensor = core.Sensor.integer("x")
            self.assertEqual(sensor.read().timestamp, 1234.5)
        with mock.patch("katcp.core.time.time", return_value=1235.5):
            sensor.set_value(5)
            self.assertEqual(sensor.read().timestamp, 1235.5)


# The package's own __init__ would import them all, in an order that works.
IMPORT_EACH_FIRST = """
import sys, types
for module in sys.argv[1:]:
    for name in list(sys.modules):
        if name.split(".")[0] == "katcp":
            del sys.modules[name]
    sys.modules["katcp"] = types.ModuleType("katcp")
    sys.modules["katcp"].__path__ = ["katcp"]
    __import__("katcp." + module)
"""


class TestImportOrder(unittest.TestCase):
    def test_any_module_first(self):
        subprocess.check_call(
            [sys.executable, "-W", "ignore", "-c", IMPORT_EACH_FIRST, "core", "kattypes", "sensor",
             "katcp_types", "text_types", "packing", "chaining", "compat", "errors", "protocol", "message",
             "handlers", "waiting", "sampling", "server", "client", "resource_client", "testutils"],
            cwd=PROJECT)
