# -*- coding: utf-8 -*-
from __future__ import absolute_import, division, print_function

import collections
import copy
import decimal
import fractions
import numbers
import pickle
import unittest
import weakref

from katcp import message
from katcp.compat import ensure_native_str, is_bytes
from katcp.errors import KatcpSyntaxError, KatcpTypeError
from katcp.message import Message, MessageParser, encode_utf8_with_error_log
from tests.support.logs import LogRecorder

ALL_ESCAPES = b"\\\\\\_\\0\\n\\r\\e\\t\\@"
ALL_SPECIALS = b"\\ \0\n\r\x1b\t"


def native(data):
    """What native Python 2 and 3 make of bytes in a `repr` of ours."""
    return data if isinstance(data, str) else repr(data)


class ErrorMixin(object):
    def assert_raises(self, error, text, function, *args, **kwargs):
        with self.assertRaises(error) as caught:
            function(*args, **kwargs)
        self.assertIs(type(caught.exception), error)
        self.assertEqual(str(caught.exception), text)


class TestConstruction(ErrorMixin, unittest.TestCase):
    def test_constants(self):
        self.assertEqual((Message.REQUEST, Message.REPLY, Message.INFORM), (0, 1, 2))
        self.assertEqual((Message.OK, Message.FAIL, Message.INVALID), (b"ok", b"fail", b"invalid"))
        self.assertEqual(Message.TYPE_NAMES, {0: "REQUEST", 1: "REPLY", 2: "INFORM"})
        self.assertEqual(Message.TYPE_SYMBOLS, {0: b"?", 1: b"!", 2: b"#"})
        self.assertEqual(Message.TYPE_SYMBOL_LOOKUP, {b"?": 0, b"!": 1, b"#": 2})
        self.assertEqual(Message.ESCAPE_LOOKUP, {
            b"\\": b"\\", b"_": b" ", b"0": b"\0", b"n": b"\n", b"r": b"\r", b"e": b"\x1b", b"t": b"\t",
            b"@": b""})
        self.assertEqual(Message.REVERSE_ESCAPE_LOOKUP,
                         dict((raw, code) for code, raw in Message.ESCAPE_LOOKUP.items()))
        self.assertEqual(sorted(Message.ESCAPE_RE.findall(bytes(bytearray(range(256))))),
                         sorted([b"\\", b" ", b"\0", b"\n", b"\r", b"\x1b", b"\t"]))

    def test_attributes(self):
        msg = Message(Message.REPLY, "foo", ["a", 1], 12)
        self.assertEqual((msg.mtype, msg.name, msg.arguments, msg.mid), (1, "foo", [b"a", b"1"], b"12"))
        msg = Message(Message.REQUEST, "foo")
        self.assertEqual((msg.arguments, msg.mid), ([], None))
        self.assertEqual(Message.__slots__, ["mtype", "name", "mid", "arguments"])
        with self.assertRaises(AttributeError):
            msg.other = 1
        with self.assertRaises(TypeError):
            weakref.ref(msg)

    def test_attributes_are_writable_and_not_checked(self):
        msg = Message.request("foo")
        msg.mid = b"5"
        msg.name = "bar"
        msg.arguments.append(b"x y")
        msg.mtype = Message.INFORM
        self.assertEqual(msg.__bytes__(), b"#bar[5] x\\_y")
        msg.name = "not_valid"
        self.assertEqual(msg.__bytes__(), b"#not_valid[5] x\\_y")

    def test_arguments_are_a_new_list(self):
        given = [b"a", b"b"]
        msg = Message(0, "foo", given)
        self.assertEqual(msg.arguments, given)
        self.assertIsNot(msg.arguments, given)
        self.assertIsNot(Message(0, "foo").arguments, Message(0, "foo").arguments)

    def test_arguments_are_any_iterable(self):
        for arguments in ((1, 2), iter([1, 2]), (i for i in (1, 2)), collections.deque([1, 2])):
            self.assertEqual(Message(0, "foo", arguments).arguments, [b"1", b"2"])
        self.assertEqual(Message(0, "foo", "world").arguments, [b"w", b"o", b"r", b"l", b"d"])
        with self.assertRaises(TypeError):
            Message(0, "foo", 5)

    def test_mids(self):
        for mid, expected in ((345, b"345"), ("12", b"12"), (u"12", b"12"), (b"0", b"0"), (b"007", b"007"),
                              (10 ** 30, b"1" + b"0" * 30), (None, None)):
            self.assertEqual(Message(0, "foo", None, mid).mid, expected)
            self.assertEqual(Message.request("foo", mid=mid).mid, expected)

    def test_bad_mids(self):
        for mid in (-1, 1.5, True, "", b"", "a", b"a", " 1", "1 ", b"1\n", u"\u0661", u"caf\xe9", b"\xff", [1]):
            self.assert_raises(KatcpSyntaxError, "Invalid message id %r." % (mid,), Message, 0, "foo", None, mid)

    def test_bad_types(self):
        for mtype in (3, -1, None, "?"):
            self.assert_raises(KatcpSyntaxError, "Invalid command type %r." % (mtype,), Message, mtype, "foo")
        with self.assertRaises(TypeError):
            Message([], "foo")

    def test_names(self):
        for name in ("foo", "A1-", "a--b", "z", "a" * 100):
            msg = Message(0, name)
            self.assertEqual(msg.name, name)
            self.assertEqual(msg.__bytes__(), b"?" + name.encode("ascii"))
            self.assertEqual(Message.reply(name), Message(1, name))

    def test_text_names(self):
        msg = Message(0, u"foo")
        self.assertEqual(msg.name, "foo")
        self.assertIs(type(msg.name), str)

    def test_subclasses_of_strings_as_names(self):
        class OddString(str):
            def __str__(self):
                return "odd"

        class OddText(type(u"")):
            def __str__(self):
                return "odd"

            def encode(self, *args):
                return "odd"

        for cls in (OddString, OddText):
            msg = Message(0, cls("foo"))
            self.assertEqual(msg.__bytes__(), b"?foo")
            self.assertIs(type(msg.name), str)

    def test_bad_names(self):
        missing = "Command missing command name."
        characters = "Command name should consist only of alphanumeric characters and dashes (got %r)."
        start = "Command name should start with an alphabetic character (got %r)."
        for name, text in (("", missing), (None, missing), ("underscores_bad", characters), ("a\n", characters),
                           ("a b", characters), ("-", characters), (u"caf\xe9", characters),
                           (u"\u0663", characters), ("a[1]", characters), ("1numberfirst", start), ("-a", start),
                           ("1", start)):
            if "%" in text:
                text = text % (name,)
            self.assert_raises(KatcpSyntaxError, text, Message, 0, name)
            self.assert_raises(KatcpSyntaxError, text, Message.request, name)
        for name in (5, [1], object()):
            with self.assertRaises(AttributeError):
                Message(0, name)

    def test_bytes_are_no_name(self):
        if is_bytes("foo"):
            return
        with self.assertRaises(TypeError):
            Message(0, b"foo")

    def test_order_of_errors(self):
        self.assert_raises(KatcpSyntaxError, "Invalid command type 9.", Message, 9, "", None, "x")
        self.assert_raises(KatcpSyntaxError, "Invalid message id 'x'.", Message, 0, "", None, "x")
        with self.assertRaises(TypeError):
            Message(9, "", 5, "x")


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
        for number, expected in ((4.5, b"4.5"), (1e16, b"1e+16"), (-0.0, b"-0.0"), (0.1, b"0.1"), (1 / 3, b"0.3333333333333333"),
                                 (5e-324, b"5e-324"), (float("inf"), b"inf"), (float("nan"), b"nan")):
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


class OwnMessage(Message):
    """A subclass that changes nothing."""


class TestSerialisation(unittest.TestCase):
    def test_all_types_of_arguments(self):
        msg = Message.request("hello", u"caf\xe9", b"_bin ary\xff\x00\n\r\t\\\x1b", 123, 4.5, True, False, "")
        self.assertEqual(msg.__bytes__(),
                         b"?hello caf\xc3\xa9 _bin\\_ary\xff\\0\\n\\r\\t\\\\\\e 123 4.5 1 0 \\@")
        self.assertEqual(bytes(msg), msg.__bytes__())

    def test_types_and_ids(self):
        self.assertEqual(bytes(Message.request("foo")), b"?foo")
        self.assertEqual(bytes(Message.reply("foo", 1)), b"!foo 1")
        self.assertEqual(bytes(Message.inform("foo", mid=12)), b"#foo[12]")
        self.assertEqual(bytes(Message.inform("foo", "a", "b", mid=12)), b"#foo[12] a b")

    def test_each_escape(self):
        for code, raw in Message.ESCAPE_LOOKUP.items():
            escaped = b"\\" + code
            self.assertEqual(bytes(Message.request("foo", raw)), b"?foo " + escaped)
            self.assertEqual(bytes(Message.request("foo", raw, raw)), b"?foo " + escaped + b" " + escaped)
            self.assertEqual(bytes(Message.request("foo", b"", raw, b"a")), b"?foo \\@ " + escaped + b" a")
            if raw:
                self.assertEqual(bytes(Message.request("foo", b"a" + raw + b"b", b"")),
                                 b"?foo a" + escaped + b"b \\@")

    def test_escape_sends_only_what_the_table_says(self):
        for i in range(256):
            raw = bytes(bytearray([i]))
            escaped = raw
            if raw in Message.REVERSE_ESCAPE_LOOKUP:
                escaped = b"\\" + Message.REVERSE_ESCAPE_LOOKUP[raw]
            for neighbour in (b"x", b"\x1b"):
                neighbour_escaped = b"x" if neighbour == b"x" else b"\\e"
                self.assertEqual(bytes(Message.inform("foo", raw + raw, neighbour)),
                                 b"#foo " + escaped + escaped + b" " + neighbour_escaped)

    def test_str(self):
        msg = Message.request("foo", u"caf\xe9 a")
        self.assertIs(type(str(msg)), str)
        if is_bytes("native"):
            self.assertEqual(str(msg), b"?foo caf\xc3\xa9\\_a")
            self.assertEqual(str(Message.request("foo", b"\xff")), b"?foo \xff")
        else:
            self.assertEqual(str(msg), u"?foo caf\xe9\\_a")
            with self.assertRaises(UnicodeDecodeError):
                str(Message.request("foo", b"\xff"))

    def test_text_put_into_a_message(self):
        if is_bytes("native"):
            return
        msg = Message.request("foo")
        msg.arguments.append(u"a")
        with self.assertRaises(TypeError):
            bytes(msg)
        msg = Message.request("foo")
        msg.mid = u"1"
        with self.assertRaises(TypeError):
            bytes(msg)

    def test_repr(self):
        self.assertEqual(repr(Message.request("a")), "<Message request a >")
        self.assertEqual(repr(Message.request("a", mid=5)), "<Message request a >")
        self.assertEqual(repr(Message.reply("ok", "a b", True, "")),
                         "<Message reply ok (%s, %s, %s)>" % (native(b"a\\_b"), native(b"1"), native(b"")))
        self.assertEqual(repr(Message.inform("x", b"caf\xc3\xa9\xff\x1b")),
                         "<Message inform x (%s)>" % native(b"caf\xc3\xa9\xff\\e"))

    def test_repr_of_long_arguments(self):
        self.assertEqual(repr(Message.request("a", b"z" * 1000, 1)),
                         "<Message request a (%s, %s)>" % (native(b"z" * 1000), native(b"1")))
        for length in (1001, 1100, 100000):
            self.assertEqual(repr(Message.request("a", b"z" * length, 1)),
                             "<Message request a (%s, %s)>" % (native(b"z" * 1000 + b"..."), native(b"1")))
        self.assertEqual(repr(Message.request("a", b"\n" * 501)),
                         "<Message request a (%s)>" % native(b"\\n" * 500 + b"..."))
        self.assertEqual(repr(Message.request("a", b"\n" * 500)),
                         "<Message request a (%s)>" % native(b"\\n" * 500))

    def test_repr_of_odd_arguments(self):
        msg = Message.request("a")
        msg.arguments = [None]
        self.assertEqual(repr(msg), "<Message request a (None)>")

    def test_log_text(self):
        self.assertEqual(Message.request("a", "b c", mid=5).log_text(), "?a[5] b\\_c")
        self.assertEqual(Message.request("a").log_text(), "?a")
        text = Message.request("a", b"\xff").log_text()
        self.assertEqual(text, "?a \xff" if is_bytes("native") else "?a \\xff")
        self.assertIs(type(text), str)

    def test_log_text_of_long_messages(self):
        self.assertEqual(Message.request("a", "b" * 997).log_text(), "?a " + "b" * 997)
        self.assertEqual(Message.request("a", "b" * 998).log_text(), "?a " + "b" * 997 + "...")
        self.assertEqual(Message.request("a", *["b"] * 1000).log_text(10), "?a b b b b...")
        self.assertEqual(Message.request("a", *["b"] * 1000).log_text(), "?a" + " b" * 499 + "...")
        self.assertEqual(Message.request("a" * 3000).log_text(), "?" + "a" * 999 + "...")
        self.assertEqual(len(Message.request("a", b"\n" * 5000).log_text()), 1003)

    def test_log_text_does_not_look_at_what_it_does_not_show(self):
        msg = Message.request("a", "b" * 1001)
        msg.arguments.append(None)
        self.assertEqual(msg.log_text(), "?a " + "b" * 997 + "...")

    def test_log_text_never_raises(self):
        msg = Message.request("a")
        for attribute, value in (("arguments", [None]), ("arguments", None), ("mid", object()), ("mtype", 9),
                                 ("name", u"caf\xe9"), ("name", None)):
            odd = msg.copy()
            setattr(odd, attribute, value)
            self.assertIn("Message object", odd.log_text())


class TestComparisonAndCopies(unittest.TestCase):
    def test_equality(self):
        msg = Message.reply("a", 1, "b", mid=1)
        self.assertTrue(msg == Message.reply("a", b"1", u"b", mid=b"1"))
        self.assertFalse(msg != Message.reply("a", b"1", u"b", mid=b"1"))
        self.assertTrue(msg == OwnMessage.reply("a", 1, "b", mid=1))
        for other in (Message.request("a", 1, "b", mid=1), Message.reply("c", 1, "b", mid=1), 3, None,
                      Message.reply("a", 1, mid=1), Message.reply("a", 1, "b"), "!a[1] 1 b"):
            self.assertFalse(msg == other)
            self.assertTrue(msg != other)

    def test_equality_is_up_to_the_other_operand(self):
        class Always(object):
            def __eq__(self, other):
                return True

            def __ne__(self, other):
                return False

            __hash__ = None

        self.assertTrue(Message.reply("a") == Always())
        self.assertFalse(Message.reply("a") != Always())

    def test_hash(self):
        if is_bytes("native"):
            return
        with self.assertRaises(TypeError):
            hash(Message.request("a"))

    def test_copy_method(self):
        msg = OwnMessage.reply("a", 1, mid=1)
        duplicate = msg.copy()
        self.assertIs(type(duplicate), Message)
        self.assertEqual(duplicate, Message.reply("a", 1))
        duplicate.arguments.append(b"2")
        self.assertEqual(msg.arguments, [b"1"])
        self.assertEqual(msg.copy(keep_mid=True), msg)

    def test_copy_module_and_pickle(self):
        msg = Message.reply("a", 1, mid=1)
        copies = [copy.copy(msg), copy.deepcopy(msg)]
        copies += [pickle.loads(pickle.dumps(msg, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]
        for duplicate in copies:
            self.assertIs(type(duplicate), Message)
            self.assertEqual(duplicate, msg)
        with self.assertRaises(Exception):
            pickle.dumps(msg, 0)

    def test_reply_ok(self):
        self.assertIs(Message.reply("a", "ok").reply_ok(), True)
        self.assertIs(Message.reply("a", "ok", 1).reply_ok(), True)
        self.assertIs(Message.reply("a", "fail").reply_ok(), False)
        self.assertIs(Message.reply("a").reply_ok(), False)
        self.assertIs(Message.request("a", "ok").reply_ok(), False)
        self.assertIs(Message.inform("a", "ok").reply_ok(), False)


class TestFactories(ErrorMixin, unittest.TestCase):
    def test_types(self):
        for cls in (Message, OwnMessage):
            for factory, mtype in ((cls.request, 0), (cls.reply, 1), (cls.inform, 2)):
                msg = factory("foo", "a", 1)
                self.assertIs(type(msg), cls)
                self.assertEqual((msg.mtype, msg.name, msg.arguments, msg.mid), (mtype, "foo", [b"a", b"1"], None))
                msg = factory("foo", mid=3)
                self.assertEqual((msg.mtype, msg.name, msg.arguments, msg.mid), (mtype, "foo", [], b"3"))
                self.assertIsNone(factory("foo", mid=None).mid)

    def test_invalid_keywords(self):
        for factory in (Message.request, Message.reply, Message.inform):
            self.assert_raises(TypeError, "Invalid keyword argument(s): {'foo': 1}", factory, "a", foo=1, mid=2)

    def test_answers(self):
        request = Message.request("foo", "x", mid=7)
        for cls in (Message, OwnMessage):
            reply = cls.reply_to_request(request, "ok", 1)
            self.assertIs(type(reply), cls)
            self.assertEqual(reply, Message.reply("foo", "ok", 1, mid=7))
            inform = cls.reply_inform(request, "a")
            self.assertIs(type(inform), cls)
            self.assertEqual(inform, Message.inform("foo", "a", mid=7))
        self.assertEqual(Message.reply_to_request(Message.request("foo")), Message.reply("foo"))

    def test_answers_check_what_the_request_was_given(self):
        request = Message.request("foo")
        request.mid = 5
        self.assertEqual(Message.reply_to_request(request).mid, b"5")
        request.mid = "x"
        self.assert_raises(KatcpSyntaxError, "Invalid message id 'x'.", Message.reply_to_request, request)
        request.mid = None
        request.name = "not_valid"
        with self.assertRaises(KatcpSyntaxError):
            Message.reply_inform(request)


class TestParser(ErrorMixin, unittest.TestCase):
    def setUp(self):
        self.parser = MessageParser()

    def parse(self, line):
        """Parse twice: once with the name unknown, once with it known."""
        message._parsed_heads.clear()
        first = self.parser.parse(line)
        second = self.parser.parse(line)
        self.assertEqual(first, second)
        self.assertEqual(first.__bytes__(), second.__bytes__())
        for msg in (first, second):
            self.assertIs(type(msg), Message)
            self.assertIs(type(msg.name), str)
            for arg in msg.arguments:
                self.assertIs(type(arg), bytes)
        return second

    def assert_refused(self, line, text):
        message._parsed_heads.clear()
        self.assert_raises(KatcpSyntaxError, text, self.parser.parse, line)
        for symbol in (b"?", b"!", b"#"):
            self.parser.parse(symbol + b"foo")
        self.assert_raises(KatcpSyntaxError, text, self.parser.parse, line)

    def test_attributes(self):
        self.assertIs(MessageParser.TYPE_SYMBOL_LOOKUP, Message.TYPE_SYMBOL_LOOKUP)
        self.assertIs(MessageParser.ESCAPE_LOOKUP, Message.ESCAPE_LOOKUP)
        self.assertEqual(MessageParser.WHITESPACE_RE.split(b"a \t b"), [b"a", b"b"])
        self.assertEqual(MessageParser.UNESCAPE_RE.findall(b"a\\nb\\"), [b"n", b""])
        self.assertEqual(len(MessageParser.SPECIAL_RE.findall(bytes(bytearray(range(256))))), 6)
        match = MessageParser.NAME_RE.match(b"foo-1[23]")
        self.assertEqual((match.group("name"), match.group("id")), (b"foo-1", b"23"))

    def test_simple_messages(self):
        for symbol, mtype in ((b"?", 0), (b"!", 1), (b"#", 2)):
            msg = self.parse(symbol + b"foo")
            self.assertEqual((msg.mtype, msg.name, msg.arguments, msg.mid), (mtype, "foo", [], None))
        self.assertEqual(self.parse(b"!foo a bc d-e").arguments, [b"a", b"bc", b"d-e"])
        self.assertEqual(self.parse(b"!A1- x").name, "A1-")

    def test_ids(self):
        for mid in (b"0", b"007", b"123", b"1000000000000"):
            msg = self.parse(b"!foo[" + mid + b"] ok")
            self.assertEqual((msg.name, msg.mid, msg.arguments), ("foo", mid, [b"ok"]))
            self.assertEqual(self.parse(b"?foo[" + mid + b"]").mid, mid)
        self.assertEqual(self.parse(b"?foo [1]").arguments, [b"[1]"])
        self.assertIsNone(self.parse(b"?foo [1]").mid)

    def test_escapes(self):
        for code, raw in Message.ESCAPE_LOOKUP.items():
            self.assertEqual(self.parse(b"?foo a\\" + code + b"b").arguments, [b"a" + raw + b"b"])
            self.assertEqual(self.parse(b"?foo \\" + code + b" \\" + code + b"\\\\").arguments,
                             [raw, raw + b"\\"])
        self.assertEqual(self.parse(b"?foo " + ALL_ESCAPES).arguments, [ALL_SPECIALS])
        self.assertEqual(self.parse(b"?foo " + ALL_ESCAPES + b" " + ALL_ESCAPES).arguments, [ALL_SPECIALS] * 2)

    def test_backslashes(self):
        self.assertEqual(self.parse(b"?foo \\\\_ \\\\\\_ \\\\n\\\\ \\_\\\\").arguments,
                         [b"\\_", b"\\ ", b"\\n\\", b" \\"])
        self.assertEqual(self.parse(b"?foo \\\\@ \\\\\\@\\\\").arguments, [b"\\@", b"\\\\"])

    def test_empty_arguments(self):
        self.assertEqual(self.parse(b"?foo \\@").arguments, [b""])
        self.assertEqual(self.parse(b"?foo \\@ \\@").arguments, [b"", b""])
        self.assertEqual(self.parse(b"?foo  \\@").arguments, [b""])
        self.assertEqual(self.parse(b"?foo \\@ ").arguments, [b""])
        self.assertEqual(self.parse(b"?foo \\@  a").arguments, [b"", b"a"])
        self.assertEqual(self.parse(b"?foo  \\@\t a\\@b \\@ ").arguments, [b"", b"ab", b""])
        self.assertEqual(self.parse(b"?foo \\_  \\_  \\@").arguments, [b" ", b" ", b""])

    def test_whitespace(self):
        for line in (b"?foo a b", b"?foo  a b", b"?foo\ta\tb", b"?foo \t a\t \tb", b"?foo a b ", b"?foo a b\t",
                     b"?foo a b  \t "):
            self.assertEqual(self.parse(line), Message.request("foo", "a", "b"))
        for line in (b"?foo", b"?foo ", b"?foo\t", b"?foo \t "):
            self.assertEqual(self.parse(line), Message.request("foo"))

    def test_whitespace_and_escapes(self):
        self.assertEqual(self.parse(b"?foo \\_\ta\\@  b\\n \\\\ \\e\\0 ").arguments,
                         [b" ", b"a", b"b\n", b"\\", b"\x1b\0"])

    def test_other_bytes_are_data(self):
        data = bytes(bytearray(i for i in range(256) if i not in bytearray(b"\\ \0\n\r\x1b\t")))
        self.assertEqual(self.parse(b"?foo " + data + b" \x0c").arguments, [data, b"\x0c"])

    def test_round_trips(self):
        for line in (b"?foo", b"!foo[12] ok 1", b"#log info 1.5 " + ALL_ESCAPES[:-2], b"?foo \\@ \\_ x\xff"):
            self.assertEqual(self.parse(line).__bytes__(), line)
        for arguments in ([], [b""], [b"", b""], [ALL_SPECIALS], [bytes(bytearray(range(256)))] * 2, [b"\\" * 5]):
            for mid in (None, b"12"):
                msg = Message.inform("foo", *arguments, mid=mid)
                self.assertEqual(self.parse(msg.__bytes__()), msg)
                self.assertEqual(self.parse(msg.__bytes__()).arguments, arguments)

    def test_no_line(self):
        for line in (b"", u"", None):
            self.assert_raises(KatcpSyntaxError, "Empty message received.", self.parser.parse, line)

    def test_not_bytes(self):
        for line in (u"?foo", bytearray(b"?foo"), 5):
            self.assert_raises(KatcpTypeError, "Line type must be bytes - not %r" % (type(line),),
                               self.parser.parse, line)

    def test_subclass_of_bytes(self):
        class OddBytes(bytes):
            def __getitem__(self, index):
                return "odd"

        msg = self.parse(OddBytes(b"?foo a"))
        self.assertEqual(msg, Message.request("foo", "a"))

    def test_bad_types(self):
        for line, char in ((b">foo", ">"), (b" ?foo", " "), (b"foo", "f"), (b"\\?foo", "\\"), (b"\t", "\t"),
                           (b"\n", "\n"), (b">foo \\", ">"), (b">1", ">")):
            self.assert_refused(line, "Bad type character %r." % char)
        for line in (b"\xff", b"\xc3\xa9foo", b"\xff \\"):
            self.assert_refused(line, "Bad type character %r." % line[:1])

    def test_bad_names(self):
        for line in (b"! foo", b"?1foo", b"?bad_name", b"?-foo", b"!ok[10", b"!ok[a]", b"!ok[]", b"?foo[1]x",
                     b"?foo\x0ca", b"?", b"?foo[1", b"?foo]", b"?foo[1][2]", b"?[1]", b"?foo[ 1]", b"?foo[-1]",
                     b"?foo\\", b"?fo\\@o", b"?foo\x00", b"?foo\r", b"?foo\x1b", b"?fo\no", b"?foo\nbar",
                     b"?foo\n arg", b"?foo\n ", b"?foo\n\n", b"?\n", b"?foo[1\n]", b"?foo[+1]"):
            self.assert_refused(line, "Bad message name (and possibly id) %r."
                                % ensure_native_str(line.split(b" ")[0][1:]))
        for line in (b"?f\xff", b"?\xc3\xa9\xff", b"?foo[\xff]"):
            self.assert_refused(line, "Bad message name (and possibly id) %r." % line[1:])
        with self.assertRaises(KatcpSyntaxError):
            self.parser.parse(u"?caf\xe9".encode("utf-8"))

    def test_final_newline_without_arguments(self):
        self.assertEqual(self.parse(b"?foo\n"), Message.request("foo"))
        self.assertEqual(self.parse(b"?foo[1]\n"), Message.request("foo", mid=1))

    def test_unescaped_specials(self):
        for special in (b"\0", b"\n", b"\r", b"\x1b"):
            text = "Un-escaped special %r." % special
            self.assert_refused(b"?foo a" + special, text)
            self.assert_refused(b"?foo " + special + b" \\x", text)
            self.assert_refused(b"?foo \\_" + special, text)
            self.assert_refused(b"?foo \\@" + special + b"\\", text)

    def test_bad_escapes(self):
        for line in (b"?foo \\", b"?foo a\\", b"?foo \\ a", b"?foo \\\\\\", b"?foo \\_ \\", b"?foo \\e \\",
                     b"?foo \\@\\"):
            self.assert_refused(line, "Escape slash at end of argument.")
        for code in (b"x", b"N", b"\xff", b"1", b"?", b"-", b"\x0c"):
            text = "Invalid escape character %r." % code
            for line in (b"?foo \\" + code, b"?foo \\\\\\" + code, b"?foo a\\_\\" + code + b"\\",
                         b"?foo \\e\\" + code, b"?foo \\n \\" + code + b" \\", b"?foo a  \\" + code):
                self.assert_refused(line, text)

    def test_order_of_errors(self):
        self.assert_refused(b"?bad_name \\x", "Invalid escape character %r." % b"x")
        self.assert_refused(b"?foo[ \\", "Escape slash at end of argument.")
        self.assert_refused(b"?foo \\x \0", "Invalid escape character %r." % b"x")
        self.assert_refused(b"?foo \0 \\x", "Un-escaped special %r." % b"\0")

    def test_error_texts_have_a_bound(self):
        with self.assertRaises(KatcpSyntaxError) as caught:
            self.parser.parse(b"?" + b"_" * 100000)
        self.assertLess(len(str(caught.exception)), 2000)

    def test_known_names_have_a_bound(self):
        for i in range(3 * message._MAX_CACHED_NAMES):
            self.parser.parse(b"?foo-%d" % i)
        self.parser.parse(b"?" + b"a" * 10000)
        for cache in (message._parsed_heads, message._wire_heads):
            self.assertLessEqual(len(cache), message._MAX_CACHED_NAMES)
            self.assertLess(max(map(len, cache)), 100)
        self.assertEqual(self.parser.parse(b"?foo-1 a"), Message.request("foo-1", "a"))
