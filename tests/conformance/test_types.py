"""Section 3: datatypes, through handlers and sensors."""

from __future__ import absolute_import, division, print_function

import sys
import unittest

from katcp.compat import PY2
from katcp.core import Sensor
from katcp.kattypes import Float, Int, Timestamp
from tests.conformance.cases import DeviceTestCase, covers


class TestSection3(DeviceTestCase):
    def check_values(self, name, *pairs):
        """Compare what comes back for arguments, given as pairs, or as bytes that come back as they are."""
        for pair in pairs:
            given, expected = pair if isinstance(pair, tuple) else (pair, pair)
            self.check((b"?" + name + b" " + given, b"!" + name + b" ok " + expected))

    def refuse_values(self, name, *values):
        for value in values:
            self.assert_fails(b"?" + name + b" " + value)

    @covers("3-integer")
    def test_integers(self):
        self.check_values(b"int", b"0", b"123", b"-546", b"123456789012345678901234567890")
        self.assertEqual(Int().pack(-7), b"-7")

    @covers("3-integer-read")
    def test_integers_are_read_as_python_does(self):
        self.check_values(b"int", (b"+5", b"5"), (b"007", b"7"), (b"\\_5\\n", b"5"))
        if PY2:
            self.refuse_values(b"int", b"1_000")
        else:
            self.check_values(b"int", (b"1_000", b"1000"))
        self.refuse_values(b"int", b"0x10", b"5.0", b"1e3", b"\\@", b"five")

    @covers("3-float")
    def test_floats(self):
        self.check_values(b"float", b"1.7", (b"-1.234e-05", b"-1.234e-05"), (b".5", b"0.5"), (b"5.", b"5.0"),
                          (b"+1E3", b"1000.0"), b"inf", b"-inf", b"nan", (b"infinity", b"inf"))
        self.refuse_values(b"float", b"0x1p3", b"\\@", b"1.5.5")

    @covers("3-float-read")
    def test_floats_are_read_as_python_does(self):
        self.check_values(b"float", (b"\\_1.5\\t", b"1.5"))
        if PY2:
            self.refuse_values(b"float", b"1_000.5")
        else:
            self.check_values(b"float", (b"1_000.5", b"1000.5"))
        self.refuse_values(b"float", b"nan(1)")  # strtod takes it

    @covers("3-boolean")
    def test_booleans(self):
        self.check_values(b"bool", b"1", b"0")
        self.refuse_values(b"bool", b"2", b"true", b"\\@")

    @covers("3-lru")
    def test_lrus(self):
        self.check_values(b"lru", b"nominal", b"error")
        self.refuse_values(b"lru", b"warn", b"1")

    @covers("3-timestamp", "3-timestamp-2038")
    def test_timestamps(self):
        self.check_values(b"timestamp", (b"1222180721", b"1222180721.000000"),
                          (b"4294967296.25", b"4294967296.250000"))

    @covers("3-timestamp-read")
    def test_timestamps_are_read_as_floats(self):
        self.check_values(b"timestamp", (b"1e3", b"1000.000000"), (b"-5", b"-5.000000"),
                          (b"\\_5", b"5.000000"), b"nan", b"inf")
        self.refuse_values(b"timestamp", b"0x10", b"now", b"\\@")
        self.refuse_values(b"strict", b"1e3", b"-5", b"nan", b"inf")
        for value in b"nan", b"inf":
            with self.assertRaises(ValueError):
                Timestamp().unpack(value, major=4)

    @covers("3-timestamp-v4")
    def test_timestamps_in_version_4(self):
        self.assertEqual(Timestamp().pack(1222195721.66, major=4), b"1222195721660")
        self.assertEqual(Timestamp().unpack(b"1222195721660.5", major=4), 1222195721.6605)

    @covers("3-discrete")
    def test_discrete(self):
        sensor = self.server.get_sensor("a.disc")
        for value in ("three", "ONE", ""):
            with self.assertRaises(ValueError):
                sensor.set_value(value)
        self.assertEqual(self.client.ask(b"?sensor-value a.disc")[0].split(b" ")[-1], b"one")

    @covers("3-address")
    def test_addresses(self):
        self.check_values(b"address", b"192.168.1.1:4000", b"127.0.0.1", b"[::1]", b"[::1]:80",
                          b"[2001:0db8:85a3:0000:0000:8a2e:0370:7334]:4000")
        self.refuse_values(b"address", b"::1", b"1.2.3.4:", b"1.2.3.4:65536", b"1.2.3.4:-1", b"[::1")

    @covers("3-address-hosts")
    def test_hosts_are_not_checked(self):
        self.check_values(b"address", b"localhost", b"www.example.org:80", b"999.1.2.3:4", b"1.2.3",
                          b"a\\_b", b"\\@", (b"[localhost]:1", b"localhost:1"))

    @covers("3-string")
    def test_strings_are_utf8(self):
        self.check_values(b"str", b"abc", b"\xc3\xa9", b"\\@")
        if PY2:
            self.check_values(b"str", b"\xff")
        else:
            self.refuse_values(b"str", b"\xff")
        # Handlers that take the message get the bytes.
        self.check_values(b"echo", b"\xff")

    @covers("3-large-numbers")
    def test_large_numbers(self):
        self.check_values(b"int", b"9" * 4000)
        if hasattr(sys, "get_int_max_str_digits"):
            self.refuse_values(b"int", b"9" * 5000)
        else:
            self.check_values(b"int", b"9" * 5000)
        self.check_values(b"float", b"1e+300", (b"1e400", b"inf"), (b"-1e400", b"-inf"))

    @covers("A.4-now")
    def test_now(self):
        self.check_values(b"when", b"now", (b"5", b"5.000000"))


class TestSensorValues(unittest.TestCase):
    @covers("1.1-seconds", "3-timestamp-v4")
    def test_readings(self):
        sensor = Sensor.timestamp("a.ts")
        sensor.set(1.5, Sensor.NOMINAL, 2.25)
        self.assertEqual(sensor.read_formatted(5), (b"1.500000", b"nominal", b"2.250000"))
        self.assertEqual(sensor.read_formatted(4), (b"1500", b"nominal", b"2250"))

    @covers("3-float")
    def test_floats_read_back(self):
        for value in (0.1, 1e22, 5e-324, 1.7976931348623157e308, -0.0):
            self.assertEqual(float(Float().pack(value)), value)
