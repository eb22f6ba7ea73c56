"""Tests of the types where Python 3 is stricter: text has to be UTF-8, and text is not bytes."""

import unittest

from katcp.katcp_types import Bool, Lru
from katcp.text_types import Discrete, Str


class TestStrings(unittest.TestCase):
    def test_wire_bytes_have_to_be_utf8(self):
        for kattype in (Str(), Discrete(["a"])):
            with self.assertRaises(UnicodeDecodeError):
                kattype.unpack(b"\xff")

    def test_text_is_no_wire_value(self):
        for kattype in (Str(), Discrete(["a"])):
            with self.assertRaises(AttributeError):
                kattype.unpack("a")
        with self.assertRaises(ValueError):
            Bool().unpack("1")
        with self.assertRaises(ValueError):
            Lru().unpack("nominal")

    def test_lone_surrogates_cannot_be_packed(self):
        with self.assertRaises(UnicodeEncodeError):
            Str().pack("\ud83d")
