from __future__ import absolute_import, division, print_function

import unittest

from katcp.compat import PY2
from katcp.resource import escape_name, normalize_strategy_parameters


class TestEscapeName(unittest.TestCase):

    def test_dots_and_dashes(self):
        self.assertEqual(escape_name("bief_bof.ba32f-blief"), "bief_bof_ba32f_blief")
        self.assertEqual(escape_name("..--"), "____")

    def test_everything_else_stays(self):
        self.assertEqual(escape_name("A b/c:1"), "A b/c:1")

    def test_text_and_bytes(self):
        self.assertEqual(escape_name(u"an.int"), u"an_int")
        if not PY2:
            with self.assertRaises(TypeError):
                escape_name(b"an.int")


class TestNormalizeStrategyParameters(unittest.TestCase):

    def assert_normalized(self, params, normalized):
        result = normalize_strategy_parameters(params)
        self.assertEqual(result, normalized)
        for part in result:
            self.assertIs(type(part), str)

    def test_strings(self):
        self.assert_normalized("none", ("none",))
        self.assert_normalized("period 2.5", ("period", "2.5"))
        self.assert_normalized("event-rate 1 2", ("event-rate", "1.0", "2.0"))
        self.assert_normalized(u"period 1", ("period", "1.0"))
        self.assert_normalized(b"period 1", ("period", "1.0"))

    def test_blanks(self):
        self.assert_normalized("", ("",))
        self.assert_normalized("period  2", ("period", "2.0"))
        self.assert_normalized(" period 2 ", ("period", "2.0"))

    def test_sequences(self):
        self.assert_normalized(("period", 10), ("period", "10.0"))
        self.assert_normalized(["event-rate", 1, "2.5"], ("event-rate", "1.0", "2.5"))
        self.assert_normalized([b"period", u"1"], ("period", "1.0"))
        self.assert_normalized((), ())
        self.assert_normalized((part for part in ("period", 1)), ("period", "1.0"))

    def test_no_digit_is_lost(self):
        self.assert_normalized(("period", 1234567.1234567), ("period", "1234567.1234567"))
        self.assert_normalized("period 1234567.1234567", ("period", "1234567.1234567"))

    def test_wrong_types(self):
        for params in (("period", None), 5, None):
            with self.assertRaises(TypeError):
                normalize_strategy_parameters(params)
