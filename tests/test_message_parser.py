from __future__ import absolute_import, division, print_function

import unittest

from katcp import message
from katcp.compat import ensure_native_str
from katcp.errors import KatcpSyntaxError, KatcpTypeError
from katcp.message import Message, MessageParser

ALL_ESCAPES = b"\\\\\\_\\0\\n\\r\\e\\t\\@"
ALL_SPECIALS = b"\\ \0\n\r\x1b\t"


class TestMessageParser(unittest.TestCase):
    def setUp(self):
        self.parser = MessageParser()

    def assert_raises(self, error, text, line):
        with self.assertRaises(error) as caught:
            self.parser.parse(line)
        self.assertIs(type(caught.exception), error)
        self.assertEqual(str(caught.exception), text)

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
        self.assert_raises(KatcpSyntaxError, text, line)
        for symbol in (b"?", b"!", b"#"):
            self.parser.parse(symbol + b"foo")
        self.assert_raises(KatcpSyntaxError, text, line)

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
        self.assertEqual(self.parse(b"?foo " + ALL_ESCAPES + b" " + ALL_ESCAPES).arguments,
                         [ALL_SPECIALS] * 2)

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
        for line in (b"?foo a b", b"?foo  a b", b"?foo\ta\tb", b"?foo \t a\t \tb", b"?foo a b ",
                     b"?foo a b\t", b"?foo a b  \t "):
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
        every_byte = bytes(bytearray(range(256)))
        for arguments in ([], [b""], [b"", b""], [ALL_SPECIALS], [every_byte] * 2, [b"\\" * 5]):
            for mid in (None, b"12"):
                msg = Message.inform("foo", *arguments, mid=mid)
                self.assertEqual(self.parse(msg.__bytes__()), msg)
                self.assertEqual(self.parse(msg.__bytes__()).arguments, arguments)

    def test_no_line(self):
        for line in (b"", u"", None):
            self.assert_raises(KatcpSyntaxError, "Empty message received.", line)

    def test_not_bytes(self):
        for line in (u"?foo", bytearray(b"?foo"), 5):
            self.assert_raises(KatcpTypeError, "Line type must be bytes - not %r" % (type(line),), line)

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
                     b"?foo\x0ca", b"?", b"?foo[1", b"?foo]", b"?foo[1][2]", b"?[1]", b"?foo[ 1]",
                     b"?foo[-1]", b"?foo1]", b"?foo[1}",
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
