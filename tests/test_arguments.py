from __future__ import absolute_import, division, print_function

import decimal
import fractions
import numbers
import unittest

from katcp.arguments import encode_utf8_with_error_log
from katcp.compat import is_bytes
from katcp.message import Message
from tests.support.arrays import zero_dimensional
from tests.support.logs import LogRecorder


class OwnMessage(Message):
    """A subclass that changes nothing."""


class TestFormatArgument(unittest.TestCase):
    def check(self, arg, expected):
        """Check all the ways into a message."""
        for raw in (Message.request("foo", arg).arguments[0], Message(0, "foo", [arg]).arguments[0],
                    Message.request("foo").format_argument(arg), OwnMessage.request("foo", arg).arguments[0]):
            self.assertEqual(raw, expected)
            self.assertIs(type(raw), bytes)

    def test_basic_types(self):
        self.check(True, b"1")
        self.check(False, b"0")
        self.check(0, b"0")
        self.check(-123, b"-123")
        self.check(10 ** 30, b"1" + b"0" * 30)
        self.check(b"\xff raw", b"\xff raw")
        self.check(u"caf\xe9", b"caf\xc3\xa9")
        self.check("native", b"native")
        self.check("", b"")
        self.check(None, b"None")

    def test_floats(self):
        for number, expected in ((4.5, b"4.5"), (1e16, b"1e+16"), (-0.0, b"-0.0"), (0.1, b"0.1"),
                                 (1 / 3, b"0.3333333333333333"), (5e-324, b"5e-324"),
                                 (float("inf"), b"inf"), (float("nan"), b"nan")):
            self.check(number, expected)

    def test_bytes_are_not_copied(self):
        arg = b"some bytes"
        self.assertIs(Message.request("foo", arg).arguments[0], arg)

    def test_int_subclasses(self):
        class Level(int):
            def __str__(self):
                return "level"

            __repr__ = __str__

        self.check(Level(3), b"3")

    def test_float_subclasses(self):
        class float64(float):
            def __repr__(self):
                return "np.float64(%s)" % float.__repr__(self)

            __str__ = __repr__

        self.check(float64(1.5), b"1.5")

    def test_string_subclasses(self):
        class OddBytes(bytes):
            def __str__(self):
                return "odd"

            def replace(self, *args):
                return "odd"

        class OddText(type(u"")):
            def __str__(self):
                return "odd"

            def encode(self, *args):
                return b"odd"

        self.check(OddBytes(b"a b"), b"a b")
        self.check(OddText(u"caf\xe9"), b"caf\xc3\xa9")

    def test_other_integers(self):
        class int16(object):
            def __int__(self):
                return 16

        numbers.Integral.register(int16)
        self.check(int16(), b"16")

    def test_other_reals(self):
        class float32(object):
            """Like numpy's: what it shows is exact for its own precision."""

            def __float__(self):
                return 0.10000000149011612

            def __str__(self):
                return "0.1"

            def __repr__(self):
                return "np.float32(0.1)"

        numbers.Real.register(float32)
        self.check(float32(), b"0.1")
        self.check(fractions.Fraction(1, 4), b"0.25")
        self.check(fractions.Fraction(10 ** 400, 3), (b"1" + b"0" * 400 + b"/3"))

    def test_numpy_bool(self):
        for name in ("bool_", "bool"):
            numpy_bool = type(name, (object,), {
                "__module__": "numpy", "__init__": lambda self, value: setattr(self, "value", value),
                "__bool__": lambda self: self.value, "__nonzero__": lambda self: self.value,
                "__str__": lambda self: str(self.value)})
            self.check(numpy_bool(True), b"1")
            self.check(numpy_bool(False), b"0")

    def test_buffers(self):
        self.check(bytearray(b"abc\xff"), b"abc\xff")
        self.check(memoryview(b"abc\xff"), b"abc\xff")

    def test_anything_else(self):
        class Something(object):
            def __str__(self):
                return "some thing"

        self.check(Something(), b"some thing")
        self.check(decimal.Decimal("1.10"), b"1.10")
        self.check([1, 2], b"[1, 2]")

    def test_arrays_without_dimensions(self):
        for scalar, expected in ((5, b"5"), (2.5, b"2.5"), (True, b"1"), (False, b"0"), (b"raw", b"raw"),
                                 (u"caf\xe9", b"caf\xc3\xa9")):
            for array in zero_dimensional(scalar):
                self.check(array, expected)

    def test_what_only_looks_like_an_array(self):
        class Odd(object):
            shape = ()

            def __str__(self):
                return "odd"

        class Scalar(Odd):
            def __getitem__(self, key):
                return self

        self.check(Odd(), b"odd")
        self.check(Scalar(), b"odd")

    def test_lone_surrogates(self):
        class Something(object):
            def __str__(self):
                return "caf\xe9 \ud83d"

        with LogRecorder("katcp.core") as log:
            raw = Message.request("foo", u"bad\ud83d\ude04string", 1).arguments
        if is_bytes("native"):
            # Python 2 encodes them.
            self.assertEqual(raw, [u"bad\ud83d\ude04string".encode("utf-8"), b"1"])
            return
        self.assertEqual(raw, [b"bad??string", b"1"])
        self.assertEqual([(record.levelname, record.getMessage()) for record in log.records],
                         [("ERROR", "Error encoding message argument to byte str! "
                                    "Replacing bad characters with '?'.")])
        self.assertEqual(Message.request("foo", Something()).arguments, [b"caf\xc3\xa9 ?"])
        self.assertEqual(encode_utf8_with_error_log(u"\udc00\xe9"), b"?\xc3\xa9")

    def test_override(self):
        class Shouting(Message):
            def format_argument(self, arg):
                return super(Shouting, self).format_argument(arg).upper()

        for msg in (Shouting(0, "foo", ["a", 1.5]), Shouting.request("foo", "a", 1.5),
                    Shouting.reply("foo", "a", 1.5), Shouting.inform("foo", "a", 1.5),
                    Shouting.reply_to_request(Message.request("foo"), "a", 1.5),
                    Shouting.reply_inform(Message.request("foo"), "a", 1.5)):
            self.assertEqual(msg.arguments, [b"A", b"1.5"])
            self.assertIs(type(msg), Shouting)

    def test_floats_round_trip(self):
        for number in (0.1, 1 / 3, 1e22, 1e23, 2.0 ** 0.5, 123456789.123456789):
            self.assertEqual(float(Message.request("foo", number).arguments[0]), number)
