# -*- coding: utf-8 -*-
"""Tests of the types: what they write, read, refuse, and do without a value."""

from __future__ import absolute_import, division, print_function, unicode_literals

import copy
import decimal
import fractions
import pickle
import re
import unittest

from katcp.compat import ensure_native_str
from katcp.katcp_types import (Address, Bool, Float, Int, KatcpType, Lru, StrictTimestamp, Struct,
                               Timestamp, TimestampOrNow)
from katcp.text_types import Discrete, DiscreteMulti, Regex, Str
from tests.support.arrays import zero_dimensional

NATIVE = type(ensure_native_str("x"))
NAN = float("nan")
INF = float("inf")


def native(text):
    return ensure_native_str(text)


def shown(wire):
    """Wire bytes as error messages show them: as their repr on Python 3."""
    return "%s" % (wire,) if NATIVE is not bytes else wire.decode("utf-8")


class TypeTestCase(unittest.TestCase):
    def assert_packs(self, kattype, value, expected, **kwargs):
        packed = kattype.pack(value, **kwargs)
        self.assertEqual(packed, expected)
        self.assertIs(type(packed), bytes)

    def assert_unpacks(self, kattype, packed, expected, **kwargs):
        value = kattype.unpack(packed, **kwargs)
        self.assertEqual(value, expected)
        self.assertIs(type(value), type(expected))

    def assert_round_trip(self, kattype, value, packed, **kwargs):
        self.assert_packs(kattype, value, packed, **kwargs)
        self.assert_unpacks(kattype, packed, value, **kwargs)

    def assert_refuses(self, text, function, *args, **kwargs):
        """The call raises ValueError, with that text if there is one."""
        with self.assertRaises(ValueError) as caught:
            function(*args, **kwargs)
        if text is not None:
            self.assertEqual(str(caught.exception), native(text))


class TestMissingValues(TypeTestCase):
    """None, for each type: default, optional, both, neither."""

    CASES = [
        (Int, (), 7, b"7"),
        (Float, (), 2.5, b"2.5"),
        (Bool, (), False, b"0"),
        (Str, (), native(""), b""),
        (Discrete, (["a", "b"],), native("b"), b"b"),
        (Lru, (), Lru.LRU_NOMINAL, b"nominal"),
        (Address, (), ("h", 1), b"h:1"),
        (Timestamp, (), 321.0, b"321.000000"),
        (TimestampOrNow, (), TimestampOrNow.NOW, b"now"),
        (StrictTimestamp, (), 5.5, b"5.5"),
        (Struct, (native(">h"),), (5,), b"\x00\x05"),
        (Regex, ("a+",), native("aa"), b"aa"),
        (DiscreteMulti, (["a", "b"],), ["b"], b"b"),
    ]

    def test_neither(self):
        for cls, args, _, _ in self.CASES:
            self.assert_refuses("No value or default given", cls(*args).pack, None)
            self.assert_refuses("No value or default given", cls(*args).unpack, None)

    def test_optional(self):
        for cls, args, _, _ in self.CASES:
            kattype = cls(*args, optional=True)
            self.assertIsNone(kattype.unpack(None))
            self.assert_refuses("Cannot pack a None value.", kattype.pack, None)

    def test_default(self):
        for cls, args, default, packed in self.CASES:
            for options in ({}, {native("optional"): True}):
                kattype = cls(*args, default=default, **options)
                self.assertEqual(kattype.unpack(None), default)
                self.assert_packs(kattype, None, packed)
                self.assertEqual(kattype.get_default(), default)

    def test_default_is_checked(self):
        kattype = Int(min=5, default=3)
        self.assert_refuses("Integer 3 is lower than minimum 5.", kattype.unpack, None)
        self.assert_refuses("Integer 3 is lower than minimum 5.", kattype.pack, None)

    def test_default_is_not_decoded(self):
        self.assertEqual(Str(default=5).unpack(None), 5)
        default = object()
        self.assertIs(Bool(default=default).get_default(), default)

    def test_unknown_option(self):
        with self.assertRaises(TypeError):
            Int(nonsense=True)


class TestCopies(unittest.TestCase):
    def copies(self, value):
        return [copy.copy(value), copy.deepcopy(value)] + [
            pickle.loads(pickle.dumps(value, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]

    def test_types(self):
        for kattype, wire in ((Int(min=1), b"5"), (Float(max=9.5), b"1.5"), (Bool(), b"1"), (Str(), b"a"),
                              (Discrete(["a", "b"]), b"b"), (DiscreteMulti(["a", "b"]), b"a,b"),
                              (Lru(), b"error"), (Timestamp(), b"1.5"), (TimestampOrNow(), b"now"),
                              (StrictTimestamp(), b"1.5"), (Struct(">h"), b"\1\2"), (Address(), b"h:1"),
                              (Regex("\xe9"), b"\xc3\xa9"), (Regex(re.compile("A", re.I)), b"a")):
            kattype._default = kattype.unpack(wire)
            for duplicate in self.copies(kattype):
                self.assertIs(type(duplicate), type(kattype))
                self.assertEqual(duplicate.unpack(wire), kattype.unpack(wire))
                self.assertEqual(duplicate.get_default(), kattype.get_default())
                self.assertEqual(set(duplicate.__dict__), set(kattype.__dict__))

    def test_copies_refuse_what_the_type_refuses(self):
        for duplicate in self.copies(Regex(re.compile("a+", re.I))):
            self.assertEqual(duplicate._pattern, "a+")
            self.assertEqual(duplicate._flags, Regex(re.compile("a", re.I))._flags)
            with self.assertRaises(ValueError):
                duplicate.pack("b")

    def test_now(self):
        for duplicate in self.copies(TimestampOrNow.NOW):
            self.assertIs(duplicate, TimestampOrNow.NOW)
        for duplicate in self.copies(TimestampOrNow(default=TimestampOrNow.NOW)):
            self.assertEqual(duplicate.pack(None), b"now")


class TestArraysWithoutDimensions(unittest.TestCase):
    def test_values(self):
        for kattype, scalar, wire in (
                (Int(), 5, b"5"), (Int(), 5.5, b"5"), (Float(), 5, b"5.0"), (Float(), 2.5, b"2.5"),
                (Bool(), True, b"1"), (Bool(), 0, b"0"), (Lru(), Lru.LRU_ERROR, b"error"),
                (Timestamp(), 1.5, b"1.500000"), (StrictTimestamp(), 2, b"2"),
                (StrictTimestamp(), 2.5, b"2.5"), (Str(), 5, b"5"), (Str(), "caf\xe9", b"caf\xc3\xa9"),
                (Discrete(["a"]), "a", b"a"), (Discrete(["a"]), b"a", b"a"),
                (Regex("a"), "ab", b"ab"), (Regex("a"), b"ab", b"ab")):
            for array in zero_dimensional(scalar):
                packed = kattype.pack(array)
                self.assertEqual(packed, wire)
                self.assertIs(type(packed), bytes)

    def test_refusals(self):
        for kattype, scalar in ((Float(), "a"), (Lru(), 2), (StrictTimestamp(), NAN), (Discrete(["a"]), "b"),
                                (Regex("a"), "b"), (Float(), None)):
            for array in zero_dimensional(scalar):
                with self.assertRaises(ValueError):
                    kattype.pack(array)


class TestKatcpType(TypeTestCase):
    def test_base_has_no_coding(self):
        with self.assertRaises(AttributeError):
            KatcpType().pack(5)
        self.assertEqual(KatcpType.name, "unknown")

    def test_own_type(self):
        class Hex(KatcpType):
            name = native("hex")
            encode = lambda self, value, major: b"%x" % value  # noqa: E731

            def decode(self, value, major):
                return int(value, 16)

            def check(self, value, major):
                if value > 255:
                    raise ValueError("too big")

        self.assertEqual(Hex().pack(255), b"ff")
        self.assertEqual(Hex(default=1).unpack(b"10"), 16)
        self.assert_refuses("too big", Hex().pack, 256)
        self.assert_refuses("too big", Hex().unpack, b"100")
        self.assertEqual(Hex().pack(256, True), b"100")
        self.assertFalse(Hex().check_is_idle())

    def test_names(self):
        self.assertEqual(
            [cls.name for cls in (Int, Float, Bool, Str, Discrete, Lru, Address, Timestamp,
                                  TimestampOrNow, StrictTimestamp, Struct, Regex, DiscreteMulti)],
            ["integer", "float", "boolean", "string", "discrete", "lru", "address", "timestamp",
             "timestamp_or_now", "strict_timestamp", "struct", "regex", "discretemulti"])
        self.assertTrue(all(type(cls.name) is NATIVE for cls in (Int, Str, DiscreteMulti)))

    def test_only_checks_that_can_fail_are_needed(self):
        for kattype in (Int(), Float(), Bool(), Str(), Lru(), Address()):
            self.assertTrue(kattype.check_is_idle())
        for kattype in (Int(min=1), Float(max=2), Discrete(["a"]), Timestamp(), StrictTimestamp(),
                        Regex("a")):
            self.assertFalse(kattype.check_is_idle())

        class Even(Int):
            def check(self, value, major):
                raise ValueError("odd")
        self.assertFalse(Even().check_is_idle())


class TestInt(TypeTestCase):
    def test_round_trips(self):
        for value, packed in ((5, b"5"), (-17, b"-17"), (0, b"0"), (2 ** 64, b"18446744073709551616")):
            self.assertEqual(Int().unpack(packed), value)
            self.assert_packs(Int(), value, packed)

    def test_pack_truncates_numbers(self):
        for value in (5.7, decimal.Decimal("5.7"), fractions.Fraction(11, 2)):
            self.assert_packs(Int(), value, b"5")
        self.assert_packs(Int(), True, b"1")

    def test_pack_refuses_what_is_no_number(self):
        for value in ("a", b"5", [], (5,)):
            with self.assertRaises(TypeError):
                Int().pack(value)

    def test_unpack(self):
        self.assert_unpacks(Int(), b" +7 ", 7)
        self.assert_unpacks(Int(), b"007", 7)
        for wire in (b"5.0", b"0x10", b"", b"a"):
            self.assert_refuses("Could not parse value '%s' as integer." % shown(wire), Int().unpack, wire)

    def test_limits(self):
        kattype = Int(min=5, max=6)
        self.assert_round_trip(kattype, 5, b"5")
        self.assert_round_trip(kattype, 6, b"6")
        for call, four, seven in ((kattype.pack, 4, 7), (kattype.unpack, b"4", b"7")):
            self.assert_refuses("Integer 4 is lower than minimum 5.", call, four)
            self.assert_refuses("Integer 7 is higher than maximum 6.", call, seven)
        self.assertEqual(kattype.pack(4, nocheck=True), b"4")

    def test_limits_are_exact(self):
        kattype = Int(min=-2 ** 64, max=2 ** 64)
        self.assertEqual(kattype.unpack(b"18446744073709551616"), 2 ** 64)
        self.assert_refuses(None, kattype.pack, 2 ** 64 + 1)
        self.assert_refuses(None, kattype.pack, -2 ** 64 - 1)

    def test_fractional_limit_is_shown(self):
        self.assert_refuses("Integer 5 is lower than minimum 5.5.", Int(min=5.5).pack, 5)


class TestFloat(TypeTestCase):
    def test_round_trips(self):
        for value, packed in ((5.0, b"5.0"), (0.1 + 0.2, b"0.30000000000000004"), (1e-7, b"1e-07"),
                              (1e16, b"1e+16"), (INF, b"inf"), (-INF, b"-inf"), (-0.0, b"-0.0")):
            self.assert_round_trip(Float(), value, packed)
        self.assert_packs(Float(), NAN, b"nan")

    def test_pack_other_numbers(self):
        class NumpyLike(float):
            def __repr__(self):
                return native("np.float64(1.5)")

        for value in (NumpyLike(1.5), fractions.Fraction(3, 2)):
            self.assert_packs(Float(), value, b"1.5")
        self.assert_packs(Float(), 2 ** 64, b"1.8446744073709552e+19")
        self.assert_packs(Float(), True, b"1.0")

    def test_pack_refuses_what_is_no_real_number(self):
        self.assert_refuses("Could not encode value '[]' as float.", Float().pack, [])
        self.assert_refuses("Could not encode value ''5'' as float.", Float().pack, native("5"))
        self.assert_refuses(None, Float().pack, decimal.Decimal(1))

    def test_unpack(self):
        for wire, value in ((b"5", 5.0), (b"1e3", 1000.0), (b" 2.5 ", 2.5), (b"inf", INF)):
            self.assert_unpacks(Float(), wire, value)
        self.assert_refuses("Could not parse value '%s' as float." % shown(b"abc"),
                            Float().unpack, b"abc")

    def test_limits(self):
        kattype = Float(min=5, max=6.5)
        self.assert_round_trip(kattype, 5.0, b"5.0")
        self.assert_round_trip(kattype, 6.5, b"6.5")
        self.assert_refuses("Float 4.5 is lower than minimum 5.", kattype.pack, 4.5)
        self.assert_refuses("Float 7 is higher than maximum 6.5.", kattype.unpack, b"7")
        # Compared as it is, not as the float that it becomes.
        self.assert_refuses(None, Float(max=2 ** 64).pack, 2 ** 64 + 1)

    def test_nan_is_within_no_limits(self):
        for kattype in (Float(min=0), Float(max=0), Float(min=0, max=1)):
            self.assert_refuses(None, kattype.unpack, b"nan")
            self.assert_refuses(None, kattype.pack, NAN)


class TestBool(TypeTestCase):
    def test_pack_takes_truth(self):
        for value in (True, 1, "a", "0", [0]):
            self.assert_packs(Bool(), value, b"1")
        for value in (False, 0, "", []):
            self.assert_packs(Bool(), value, b"0")

    def test_unpack(self):
        self.assert_unpacks(Bool(), b"1", True)
        self.assert_unpacks(Bool(), b"0", False)
        for wire in (b"2", b"true", b""):
            self.assert_refuses("Boolean value must be b'0' or b'1' but is '%s'." % shown(wire),
                                Bool().unpack, wire)


class TestLru(TypeTestCase):
    def test_round_trips(self):
        self.assert_round_trip(Lru(), Lru.LRU_NOMINAL, b"nominal")
        self.assert_round_trip(Lru(), Lru.LRU_ERROR, b"error")
        self.assertEqual(Lru.LRU_VALUES, {0: b"nominal", 1: b"error"})
        self.assertEqual(Lru.LRU_CONSTANTS, {b"nominal": 0, b"error": 1})

    def test_refuses(self):
        self.assert_refuses("Lru value must be LRU_NOMINAL or LRU_ERROR.", Lru().pack, 5)
        self.assert_refuses("Lru value must be 'nominal' or 'error'.", Lru().unpack, b"aaa")
        with self.assertRaises(TypeError):
            Lru().pack([])


class TestStr(TypeTestCase):
    def test_pack(self):
        self.assert_packs(Str(), b"\xff\x00", b"\xff\x00")
        self.assert_packs(Str(), "skräm", b"skr\xc3\xa4m")
        self.assert_packs(Str(), [1, 2.0, native("three"), False], b"[1, 2.0, 'three', False]")
        self.assert_packs(Str(), ValueError(native("it broke")), b"it broke")

    def test_pack_gives_plain_bytes(self):
        class Bytes(bytes):
            def __add__(self, other):
                raise AssertionError("has ideas of its own")

        class Text(type("")):
            def encode(self, *args):
                return Bytes(b"wrong")

        self.assert_packs(Str(), Bytes(b"abc"), b"abc")
        self.assert_packs(Str(), Text("abc"), b"abc")

    def test_unpack(self):
        self.assert_unpacks(Str(), b"", native(""))
        self.assert_unpacks(Str(), b"skr\xc3\xa4m", native("skräm"))


class TestDiscrete(TypeTestCase):
    def test_values(self):
        kattype = Discrete(native(v) for v in ("VAL2", "VAL1"))
        self.assertEqual(kattype._values, ["VAL2", "VAL1"])
        self.assertEqual(sorted(kattype._values), sorted(kattype._valid_values))
        self.assert_round_trip(kattype, native("VAL1"), b"VAL1")
        for call, value in ((kattype.pack, native("val1")), (kattype.unpack, b"val1")):
            self.assert_refuses("Discrete value 'val1' is not one of ['VAL2', 'VAL1'].", call, value)
        self.assertFalse(hasattr(kattype, "_valid_values_lower"))
        self.assertEqual(Discrete([]).decode(b"anything", 5), "anything")

    def test_case_insensitive(self):
        kattype = Discrete(["Val1", "VAL2"], case_insensitive=True)
        self.assert_round_trip(kattype, native("vAl2"), b"vAl2")
        self.assert_refuses("Discrete value 'Val3' is not one of ['Val1', 'VAL2'] (case-insensitive).",
                            kattype.unpack, b"Val3")
        self.assert_refuses(None, kattype.pack, 5)
        self.assertEqual(kattype._valid_values_lower, {"val1", "val2"})
        self.assertEqual(Discrete([1, "A"], case_insensitive=True).pack(1), b"1")

    def test_any_kind_of_string(self):
        for one in (b"VAL1", "VAL1"):
            kattype = Discrete([one])
            self.assertIs(type(kattype._values[0]), NATIVE)
            self.assert_unpacks(kattype, b"VAL1", native("VAL1"))
            for other in (b"VAL1", "VAL1"):
                self.assert_packs(kattype, other, b"VAL1")
        self.assert_packs(Discrete([b"\xff"]), b"\xff", b"\xff")

    def test_integers(self):
        self.assert_packs(Discrete([1, 2]), 1, b"1")
        self.assert_refuses(None, Discrete([1, 2]).unpack, b"1")


class TestDiscreteMulti(TypeTestCase):
    def test_round_trip(self):
        kattype = DiscreteMulti(["b", "A", "c"])
        self.assert_packs(kattype, ["b", "A"], b"A,b")
        self.assert_unpacks(kattype, b"b, A", ["A", "b"])
        self.assert_packs(kattype, ["b", "b"], b"b,b")
        self.assert_packs(kattype, [], b"")
        self.assertTrue(all(type(item) is NATIVE for item in kattype.unpack(b"b,A")))

    def test_any_iterable_and_string(self):
        kattype = DiscreteMulti([b"b", "A"])
        for value in (("b", "A"), {"A", "b"}, iter(["b", "A"]), [b"b", "A"], (native(x) for x in "bA")):
            self.assert_packs(kattype, value, b"A,b")

    def test_all(self):
        self.assert_unpacks(DiscreteMulti(["b", "A"]), b"all", ["A", "b"])
        self.assert_refuses(None, DiscreteMulti(["b", "A"]).unpack, b"ALL")
        self.assert_unpacks(DiscreteMulti(["b", "A"], case_insensitive=True), b"ALL", ["A", "b"])
        self.assert_unpacks(DiscreteMulti(["b"], all_keyword="alle"), b"alle", ["b"])
        self.assert_refuses(None, DiscreteMulti(["b"], all_keyword=None).unpack, b"all")

    def test_separator(self):
        kattype = DiscreteMulti(["a", "b"], separator=";")
        self.assert_packs(kattype, ["b", "a"], b"a;b")
        self.assert_unpacks(kattype, b"a; b", ["a", "b"])

    def test_refuses(self):
        kattype = DiscreteMulti(["VAL1"])
        self.assert_refuses("Discrete value 'V' is not one of ['VAL1'].", kattype.pack, native("VAL1"))
        self.assert_refuses("Discrete value 'x' is not one of ['VAL1'].", kattype.unpack, b"VAL1,x")
        self.assert_refuses("Discrete value '' is not one of ['VAL1'].", kattype.unpack, b"")

    def test_default_cannot_be_changed_by_its_receiver(self):
        kattype = DiscreteMulti(["a", "b"], default=["a"])
        kattype.unpack(None).append("b")
        self.assertEqual(kattype.unpack(None), ["a"])


class TestRegex(TypeTestCase):
    def test_matches_at_start(self):
        kattype = Regex("a+b")
        self.assert_round_trip(kattype, native("aab"), b"aab")
        self.assert_round_trip(kattype, native("abc"), b"abc")
        flags = "" if NATIVE is bytes else "U"
        self.assert_refuses("Value 'bab' does not match regex 'a+b' with flags '%s'." % flags,
                            kattype.unpack, b"bab")

    def test_flags(self):
        kattype = Regex(re.compile("a", re.I | re.X | re.U))
        self.assertEqual((kattype._pattern, kattype._flags), ("a", "I,U,X"))
        self.assert_unpacks(kattype, b"ABC", native("ABC"))

    def test_any_kind_of_string(self):
        for pattern in ("a+b", b"a+b", re.compile(b"a+b"), re.compile("a+b")):
            for value in ("aab", b"aab"):
                self.assert_packs(Regex(pattern), value, b"aab")
            self.assert_refuses(None, Regex(pattern).pack, b"b")

    def test_characters_outside_ascii(self):
        for pattern in ("\xe9+x?", "\xe9+x?".encode("utf-8"), re.compile("\xe9+x?"),
                        re.compile("\xe9+x?".encode("utf-8"))):
            for value in ("\xe9\xe9", "\xe9x"):
                wire = value.encode("utf-8")
                self.assert_packs(Regex(pattern), value, wire)
                self.assert_packs(Regex(pattern), wire, wire)
                self.assert_unpacks(Regex(pattern), wire, native(value))
            self.assert_refuses(None, Regex(pattern).pack, "x\xe9")
        # With patterns of text, characters are counted, not bytes.
        for regex in (".\\Z", re.compile(".\\Z")):
            self.assert_packs(Regex(regex), "\xe9", b"\xc3\xa9")
            self.assert_unpacks(Regex(regex), b"\xc3\xa9", native("\xe9"))
        self.assertEqual(Regex("\xe9")._pattern, "\xe9")

    def test_values_that_are_not_utf_8(self):
        if NATIVE is bytes:
            self.assert_packs(Regex("a"), b"a\xff", b"a\xff")
            self.assert_unpacks(Regex("a"), b"a\xff", b"a\xff")
        else:
            self.assert_refuses(None, Regex("a").unpack, b"a\xff")

    def test_errors_can_be_shown(self):
        for regex in ("a", "\xe4", re.compile("\xe4")):
            with self.assertRaises(ValueError) as caught:
                Regex(regex).pack("sk\xe4m")
            self.assertIn(native("Value 'sk\xe4m' does not match"), str(caught.exception))

    def test_bad_pattern(self):
        with self.assertRaises(re.error):
            Regex("(")


class TestTimestamp(TypeTestCase):
    def test_seconds(self):
        self.assert_packs(Timestamp(), 1235475381.6966901, b"1235475381.696690")
        self.assert_unpacks(Timestamp(), b"1235475381.6966901", 1235475381.6966901)
        self.assert_unpacks(Timestamp(), b"-5", -5.0)
        self.assert_packs(Timestamp(), 3, b"3.000000")
        self.assert_packs(Timestamp(), native("3.5"), b"3.500000")
        self.assert_packs(Timestamp(), 3, b"3.000000", major=6)

    def test_milliseconds(self):
        self.assert_packs(Timestamp(), 1.9996, b"1999", major=4)
        self.assert_packs(Timestamp(), -1.9996, b"-1999", major=4)
        self.assert_unpacks(Timestamp(), b"12345678", 12345.678, major=4)
        self.assert_unpacks(Timestamp(), b"1500.5", 1.5005, major=4)
        self.assertEqual(Timestamp(default=321).pack(None, major=4), b"321000")
        self.assertEqual(Timestamp(default=321).unpack(None, major=4), 321)

    def test_whole_milliseconds_survive(self):
        self.assert_packs(Timestamp(), 1.001, b"1001", major=4)
        self.assert_packs(Timestamp(), -1.001, b"-1001", major=4)
        for milliseconds in range(1235475381000, 1235475383000):
            wire = b"%d" % milliseconds
            self.assertEqual(Timestamp().pack(Timestamp().unpack(wire, 4), False, 4), wire)
            self.assertEqual(Timestamp().pack(milliseconds / 1000, False, 4), wire)

    def test_refuses(self):
        self.assert_refuses("Could not parse value 'abc' as timestamp.", Timestamp().unpack, b"abc")
        self.assert_refuses(None, Timestamp().unpack, b"\xff")
        self.assert_refuses(None, Timestamp().pack, native("a"))
        self.assert_refuses(None, Timestamp().pack, NAN, major=4)
        for value, text in (("nan", "nan"), ("inf", "inf"), ("-inf", "-inf"), ("1e999", "inf")):
            text = "Timestamp %s cannot be told in milliseconds." % text
            for kattype in (Timestamp(), TimestampOrNow()):
                self.assert_refuses(text, kattype.unpack, value.encode("ascii"), 4)
                for argument in (float(value), native(value)):
                    self.assert_refuses(text, kattype.pack, argument, major=4)
                    self.assert_refuses(text, kattype.pack, argument, nocheck=True, major=4)
        self.assert_packs(Timestamp(), NAN, b"nan")
        self.assertEqual(Timestamp().unpack(b"inf"), float("inf"))
        for call in (Timestamp().pack, Timestamp().unpack):
            with self.assertRaises(TypeError):
                call([])

    def test_now(self):
        kattype = TimestampOrNow()
        self.assertTrue(TimestampOrNow.NOW)
        for major in (4, 5):
            self.assert_packs(kattype, TimestampOrNow.NOW, b"now", major=major)
            self.assertIs(kattype.unpack(b"now", major), TimestampOrNow.NOW)
        self.assert_packs(kattype, 1.5, b"1500", major=4)
        self.assert_unpacks(kattype, b"1.5", 1.5)
        for call, value in ((kattype.pack, native("now")), (kattype.unpack, b"NOW")):
            self.assert_refuses(None, call, value)


class TestStrictTimestamp(TypeTestCase):
    def test_pack(self):
        for value, packed in ((1235475381.69669, b"1235475381.69669"), (5, b"5"), (True, b"1"),
                              (fractions.Fraction(3, 2), b"1.5"), (1e20, b"100000000000000000000"),
                              (1e-7, b"0.0000001"), (-0.0, b"0.0"), (2 ** 70, b"1180591620717411303424")):
            for major in (4, 5):
                self.assert_packs(StrictTimestamp(), value, packed, major=major)
            self.assertEqual(StrictTimestamp().unpack(packed), value)

    def test_pack_refuses(self):
        self.assert_refuses("Strict timestamps may not be negative.", StrictTimestamp().pack, -1)
        self.assert_refuses(None, StrictTimestamp().pack, native("a"))
        self.assert_refuses("Could not encode value ''5'' as strict timestamp.",
                            StrictTimestamp().pack, native("5"), nocheck=True)
        for value in (NAN, INF):
            self.assert_refuses("Could not encode value '%r' as strict timestamp." % value,
                                StrictTimestamp().pack, value)

    def test_unpack(self):
        for wire, value in ((b"12345", 12345.0), (b"00012.5", 12.5), (b" 1.5", 1.5), (b"+1.5", 1.5)):
            self.assert_unpacks(StrictTimestamp(), wire, value)
        for wire in (b"12.", b".5", b"1e5", b"nan", b"1.5.5", b"", b"1.-5", b"inf"):
            self.assert_refuses("Could not parse value '%s' as strict timestamp." % shown(wire),
                                StrictTimestamp().unpack, wire)
        self.assert_refuses("Strict timestamps may not be negative.", StrictTimestamp().unpack, b"-1.5")


class TestAddress(TypeTestCase):
    def test_round_trips(self):
        for value, packed in ((("127.0.0.1", None), b"127.0.0.1"), (("127.0.0.1", 80), b"127.0.0.1:80"),
                              (("::1", None), b"[::1]"), (("::1", 80), b"[::1]:80"),
                              (("::FFFF:204.152.189.116", None), b"[::FFFF:204.152.189.116]"),
                              (("a-host.example", 65535), b"a-host.example:65535"), (("", 0), b":0")):
            self.assert_packs(Address(), value, packed)
            host, port = Address().unpack(packed)
            self.assertEqual((host, port), value)
            self.assertIs(type(host), NATIVE)
        self.assertEqual(Address().unpack(b""), ("", None))
        self.assertEqual(Address.NULL, ("0.0.0.0", None))

    def test_pack_any_kind_of_string(self):
        self.assert_packs(Address(), (b"::1", 80), b"[::1]:80")
        self.assert_packs(Address(), ["h", 5.7], b"h:5")

    def test_pack_refuses(self):
        for value in ("127.0.0.1", "ab", ("h",), ("h", 1, 2), 5, ("h", "80"), (None, 80)):
            self.assert_refuses("Could not extract host and port from value %r" % (value,),
                                Address().pack, value)
        for port in (-1, 65536):
            self.assert_refuses("Port of address %r is not between 0 and 65535." % (("h", port),),
                                Address().pack, ("h", port))
        self.assert_refuses(None, Address().pack, ("sk\xe4m", 80))
        self.assert_refuses(None, Address().pack, (b"sk\xe4m", 80))

    def test_unpack_refuses(self):
        for wire in (b"127.0.0.1:foo", b"::1", b"h:", b"h:-1", b"[::1]:", b"[::1]x", b"[[::1]", b"h\n",
                     b"h:80\n", b"h:65536", b"[::1]\n"):
            self.assert_refuses("Could not parse '%s' as an address." % shown(wire), Address().unpack, wire)

    def test_unpack_characters_outside_ascii(self):
        for wire, value in ((b"sk\xc3\xa4m", (b"sk\xc3\xa4m", None)), (b"sk\xe4m:80", (b"sk\xe4m", 80)),
                            (b"[\xc3\xa4::]", (b"\xc3\xa4::", None))):
            if NATIVE is bytes:
                self.assertEqual(Address().unpack(wire), value)
            else:
                self.assert_refuses(None, Address().unpack, wire)


class TestStruct(TypeTestCase):
    def test_round_trip(self):
        self.assert_round_trip(Struct(native(">isf")), (5, b"s", 2.5), b"\x00\x00\x00\x05s@ \x00\x00")

    def test_refuses(self):
        kattype = Struct(native(">i"))
        for value in ([native("a")], [1, 2], []):
            with self.assertRaises(ValueError) as caught:
                kattype.pack(value)
            self.assertTrue(str(caught.exception).startswith(
                native("Could not pack %s into struct with format >i: " % (value,))))
        with self.assertRaises(ValueError) as caught:
            kattype.unpack(b"abc")
        self.assertTrue(str(caught.exception).startswith(
            native("Could not unpack %s from struct with format >i: " % shown(b"abc"))))
        with self.assertRaises(TypeError):
            kattype.pack(5)
