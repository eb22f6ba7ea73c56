from __future__ import absolute_import, division, print_function

import collections
import copy
import pickle
import unittest
import weakref

from katcp.compat import is_bytes
from katcp.errors import KatcpSyntaxError
from katcp.message import Message


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
        for mid in (-1, 1.5, True, "", b"", "a", b"a", " 1", "1 ", b"1\n", u"\u0661", u"caf\xe9", b"\xff",
                    [1]):
            self.assert_raises(KatcpSyntaxError, "Invalid message id %r." % (mid,),
                               Message, 0, "foo", None, mid)

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
        for name, text in (("", missing), (None, missing), ("underscores_bad", characters),
                           ("a\n", characters), ("a b", characters), ("-", characters),
                           (u"caf\xe9", characters), (u"\u0663", characters), ("a[1]", characters),
                           ("1numberfirst", start), ("-a", start), ("1", start)):
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
        for factory in (Message.request, OwnMessage.request):
            with self.assertRaises(ZeroDivisionError):
                factory("", Unprintable())


class Unprintable(object):
    def __str__(self):
        return str(1 // 0)


class OwnMessage(Message):
    """A subclass that changes nothing."""


class MessageWithMore(Message):
    """A subclass with attributes of its own."""

    __slots__ = ("slot", "empty_slot", "__dict__")


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
            self.assertEqual(str(Message.request("foo", b"caf\xc3\xa9 \xff\xfe")),
                             u"?foo caf\xe9\\_\\xff\\xfe")
            self.assertEqual("%s" % Message.request("foo", b"\xff"), "?foo \\xff")

    def check_line(self, msg, line):
        self.assertEqual(msg.__bytes__(), line)
        self.assertIs(type(msg.__bytes__()), bytes)
        self.assertEqual(str(msg), line if is_bytes("native") else line.decode("utf-8"))
        self.assertEqual(msg.log_text(), str(msg))

    def test_arguments_that_users_put_into_a_message(self):
        msg = Message.request("foo")
        msg.arguments.append(u"a b")
        self.check_line(msg, b"?foo a\\_b")
        msg.arguments += [u"caf\xe9", b"caf\xc3\xa9", u"", "native", 5, 0.5, True, None]
        self.check_line(msg, b"?foo a\\_b caf\xc3\xa9 caf\xc3\xa9 \\@ native 5 0.5 1 None")
        msg.mid = u"12"
        self.check_line(msg, b"?foo[12] a\\_b caf\xc3\xa9 caf\xc3\xa9 \\@ native 5 0.5 1 None")
        # The message stays as it is.
        self.assertEqual(msg.arguments[0], u"a b")
        msg.arguments = [u"\x1b"]
        self.check_line(msg, b"?foo[12] \\e")

    def test_ids_that_users_put_into_a_message(self):
        for mid in (1, u"1", "1", b"1"):
            for arguments, line in (([], b"!foo[1]"), ([b"a"], b"!foo[1] a"),
                                    ([u"\xe9"], b"!foo[1] \xc3\xa9")):
                msg = Message.reply("foo")
                msg.mid = mid
                msg.arguments = arguments
                self.check_line(msg, line)
        for mid in (-1, 1.5, u"\xb2", object(), [1]):
            msg.mid = mid
            with self.assertRaises(KatcpSyntaxError):
                msg.__bytes__()

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
        for attribute, value in (("arguments", [Unprintable()]), ("arguments", None), ("mid", object()),
                                 ("mtype", 9), ("name", u"caf\xe9"), ("name", None)):
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
        copies += [pickle.loads(pickle.dumps(msg, protocol))
                   for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
        for duplicate in copies:
            self.assertIs(type(duplicate), Message)
            self.assertEqual(duplicate, msg)

    def test_copies_of_subclasses(self):
        msg = MessageWithMore.request("a", 1)
        msg.slot = "in a slot"
        msg.attribute = "in the dict"
        copies = [copy.copy(msg), copy.deepcopy(msg)]
        copies += [pickle.loads(pickle.dumps(msg, protocol))
                   for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
        for duplicate in copies:
            self.assertIs(type(duplicate), MessageWithMore)
            self.assertEqual(duplicate, msg)
            self.assertEqual((duplicate.slot, duplicate.attribute), ("in a slot", "in the dict"))
            self.assertFalse(hasattr(duplicate, "empty_slot"))

    def test_pickles_of_katcp_0_9(self):
        # What its messages are with protocol 2: the state that Python makes of slots.
        state = (None, {"mtype": Message.REPLY, "name": "a", "mid": b"1", "arguments": [b"1"]})
        msg = Message.__new__(Message)
        msg.__setstate__(state)
        self.assertEqual(msg, Message.reply("a", 1, mid=1))
        self.assertEqual(msg.__getstate__(), state)

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
                self.assertEqual((msg.mtype, msg.name, msg.arguments, msg.mid),
                                 (mtype, "foo", [b"a", b"1"], None))
                msg = factory("foo", mid=3)
                self.assertEqual((msg.mtype, msg.name, msg.arguments, msg.mid), (mtype, "foo", [], b"3"))
                self.assertIsNone(factory("foo", mid=None).mid)

    def test_invalid_keywords(self):
        for factory in (Message.request, Message.reply, Message.inform):
            self.assert_raises(TypeError, "Invalid keyword argument(s): {'foo': 1}",
                               factory, "a", foo=1, mid=2)

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
