"""Tests of the decorators, of what they make of arguments and return values."""

from __future__ import absolute_import, division, print_function

import concurrent.futures
import functools
import unittest

import tornado.concurrent
import tornado.gen
import tornado.testing

from katcp import kattypes
from katcp.errors import AsyncReply, FailReply
from katcp.kattypes import (Bool, Discrete, Float, Int, KatcpType, Parameter, Regex, Str, Struct,
                            Timestamp, async_make_reply, concurrent_reply, has_katcp_protocol_flags,
                            inform, make_reply, minimum_katcp_version, pack_types, request,
                            request_timeout_hint, return_reply, send_reply, unpack_message,
                            unpack_types)
from katcp.message import Message
from tests.support import mock


def shown(wire):
    """Wire bytes as error messages show them: as their repr on Python 3."""
    return "%s" % (wire,)


class Explosive(KatcpType):
    """A type with a bug."""

    def encode(self, value, major):
        return value

    def decode(self, value, major):
        raise {b"attribute": AttributeError, b"overflow": OverflowError,
               b"fail": FailReply}[value]("boom")


class Device(object):
    """Handlers of all kinds; nothing else of a device is needed."""

    def __init__(self):
        self.seen = None

    @request(Int(min=1, max=10), Discrete(["on", "off"]), Bool())
    @return_reply(Int(min=1, max=10), Discrete(["on", "off"]), Bool())
    def request_one(self, req, i, d, b):
        if i == 3:
            return ("fail", "I failed!")
        if i == 4:
            return ("bananas", "I failed!")
        if i == 5:
            return ("ok", i, d, b, "extra")
        if i == 6:
            self.finish_one(req, i, d, b)
            raise AsyncReply()
        if i == 7:
            return ["ok", i, d, b]
        if i == 8:
            return "fail", ValueError("it broke")
        return ("ok", i, d, b)

    @send_reply(Int(min=1, max=10), Discrete(["on", "off"]), Bool())
    def finish_one(self, req, i, d, b):
        return (req, "ok", i, d, b)

    @request(Int(default=2), Discrete(["on", "off"], default="off"), Bool(default=True))
    @return_reply(Int(default=2), Discrete(["on", "off"], default="off"), Bool(default=True))
    def request_two(self, req, i, d, b):
        return ("ok", i, d, b)

    @return_reply(Int())
    @request(Int())
    def request_three(self, req, i):
        return ("ok", i)

    @return_reply()
    @request()
    def request_four(self, req):
        return ["ok"]

    @inform(Int(), Float())
    def inform_one(self, i, f):
        self.seen = (i, f)

    @unpack_message(Str(), Int())
    def take_message(self, status, i):
        return (status, i)

    @request(include_msg=True, has_req=False)
    def only_msg(self, msg):
        return msg

    @request(Timestamp(), Timestamp(optional=True), major=4)
    @return_reply(Timestamp(), Timestamp(default=321), major=4)
    def request_katcpv4(self, req, t1, t2):
        self.seen = (t1, t2)
        return ("ok", t1)

    @request(Timestamp(multiple=True), major=4)
    @return_reply(Timestamp(multiple=True), major=4)
    def request_katcpv4_multi(self, req, *times):
        self.seen = times
        return ("ok",) + times

    @return_reply(Int())
    @request(Int(), include_msg=True)
    def request_eight(self, req, msg, i):
        self.seen = (req, msg)
        return ("ok", i)

    @request(Int(), Float(multiple=True))
    @return_reply(Int(), Float(multiple=True))
    def request_int_multifloat(self, req, i, *floats):
        return ("ok", i) + floats

    @request(Explosive())
    def request_explode(self, req, x):
        raise AssertionError("not reached")

    @request(Struct(">h"))
    @return_reply(Struct(">h"))
    def request_binary(self, req, numbers):
        return "ok", numbers


class DecoratorTestCase(unittest.TestCase):
    def setUp(self):
        self.device = Device()

    def ask(self, name, *args):
        """Call a handler with a request of that name and those arguments."""
        handler = getattr(self.device, "request_" + name.replace("-", "_"))
        return handler(mock.Mock(), Message.request(name, *args))

    def assert_reply(self, expected, *args):
        self.assertEqual(str(self.ask(*args)), expected)

    def assert_fails(self, text, *args):
        with self.assertRaises(FailReply) as caught:
            self.ask(*args)
        if text is not None:
            self.assertEqual(str(caught.exception), text)


class TestRequestAndReply(DecoratorTestCase):
    def test_ok(self):
        self.assert_reply("!one ok 2 on 0", "one", "2", "on", "0")
        self.assert_reply("!one ok 7 on 1", "one", "7", "on", "1")
        self.assertIsInstance(self.ask("one", 2, "on", 0).arguments, list)
        self.assertIsNone(self.ask("one", 2, "on", 0).mid)

    def test_fail(self):
        self.assert_reply("!one fail I\\_failed!", "one", "3", "on", "0")
        self.assert_reply("!one fail it\\_broke", "one", "8", "on", "0")

    def test_bad_arguments(self):
        self.assert_fails("Error in parameter 1 (i): Integer 14 is higher than maximum 10.",
                          "one", "14", "on", "0")
        self.assert_fails("Error in parameter 2 (d): Discrete value 'dynamite' is not one of "
                          "['on', 'off'].", "one", "2", "dynamite", "0")
        self.assert_fails("Error in parameter 3 (b): Boolean value must be b'0' or b'1' but is '%s'."
                          % shown(b"3"), "one", "2", "on", "3")
        self.assert_fails("Too many parameters given.", "one", "2", "on", "0", "3")
        self.assert_fails("Error in parameter 3 (b): No value or default given", "one", "2", "on")
        self.assert_fails("Too many parameters given.", "four", "x")

    def test_bad_return_values(self):
        for number in ("4", "5"):
            with self.assertRaises(ValueError):
                self.ask("one", number, "on", "0")

    def test_async_reply(self):
        req = mock.Mock()
        req.msg.name = "one"
        with self.assertRaises(AsyncReply):
            self.device.request_one(req, Message.request("one", "6", "on", "0"))
        req.reply_with_message.assert_called_once_with(Message.reply("one", "ok", "6", "on", "0"))

    def test_defaults(self):
        self.assert_reply("!two ok 2 on 0", "two", "2", "on", "0")
        self.assert_reply("!two ok 2 on 1", "two", "2", "on")
        self.assert_reply("!two ok 2 off 1", "two", "2")
        self.assert_reply("!two ok 2 off 1", "two")

    def test_other_order(self):
        self.assert_reply("!three ok 5", "three", "5")
        self.assert_fails("Error in parameter 1 (i): Could not parse value '%s' as integer."
                          % shown(b"x"), "three", "x")
        self.assert_reply("!four ok", "four")

    def test_include_msg(self):
        req, msg = object(), Message.request("eight", "8")
        self.assertEqual(str(self.device.request_eight(req, msg)), "!eight ok 8")
        self.assertEqual(self.device.seen, (req, msg))
        self.assert_fails("Error in parameter 1 (i): Could not parse value '%s' as integer."
                          % shown(b"x"), "eight", "x")

    def test_messages_without_request(self):
        self.assertIsNone(self.device.inform_one(Message.inform("one", "5", "2.5")))
        self.assertEqual(self.device.seen, (5, 2.5))
        with self.assertRaises(FailReply) as caught:
            self.device.inform_one(Message.inform("one", "5", "x"))
        self.assertEqual(str(caught.exception), "Error in parameter 2 (f): Could not parse value '%s' "
                                                "as float." % shown(b"x"))
        self.assertEqual(self.device.take_message(Message.reply("x", "ok", 3)), ("ok", 3))
        msg = Message.inform("x")
        self.assertIs(self.device.only_msg(msg), msg)

    def test_outer_parameters_by_keyword(self):
        msg = Message.request("three", 3)
        self.assertEqual(str(request(Int())(lambda self, req, i: "%s%d" % (req, i))(
            self=None, req="req", msg=msg)), "req3")

    def test_multiple(self):
        self.assert_reply("!int-multifloat ok 7 1.2 999.0 71.43", "int-multifloat", 7, 1.2, 999, 71.43)
        self.assert_fails("Error in parameter 3 (): Could not parse value '%s' as float." % shown(b"abc"),
                          "int-multifloat", 7, 1.2, "abc", 71.43)
        self.assert_fails("Error in parameter 2 (): No value or default given", "int-multifloat", 7)

    def test_binary(self):
        self.assertEqual(self.ask("binary", b"\xff\xfe").arguments, [b"ok", b"\xff\xfe"])

    def test_version_4(self):
        self.assert_reply("!katcpv4 ok 12345678 321000", "katcpv4", "12345678")
        self.assertEqual(self.device.seen, (12345.678, None))
        self.assert_reply("!katcpv4-multi ok 1000 2500", "katcpv4-multi", "1000", "2500")
        self.assertEqual(self.device.seen, (1.0, 2.5))

    def test_partial_decorators(self):
        v4_request = functools.partial(request, major=4)
        v4_return_reply = functools.partial(return_reply, major=4)

        @v4_request(Timestamp())
        @v4_return_reply(Timestamp(), major=5)
        def request_time(self, req, time):
            return "ok", time
        self.assertEqual(str(request_time(None, None, Message.request("time", "1500"))),
                         "!time ok 1.500000")

    def test_any_bug_of_a_type_gives_a_short_reply(self):
        for name in ("attribute", "overflow"):
            with mock.patch("katcp.packing.logger") as logger:
                self.assert_fails("Error in parameter 1 (x): boom", "explode", name)
            self.assertEqual(logger.warning.call_count, 1)
            self.assertTrue(logger.warning.call_args[1]["exc_info"])
        self.assert_fails("boom", "explode", "fail")

    def test_reply_of_a_type_that_gives_text(self):
        class Text(KatcpType):
            def encode(self, value, major):
                return u"caf\xe9"

        @return_reply(Text())
        def request_x(self):
            return "ok", 1
        self.assertEqual(request_x(None).arguments, [b"ok", b"caf\xc3\xa9"])

    def test_handler_name_that_is_no_message_name(self):
        @return_reply()
        def request_1(self):
            return "ok",
        with self.assertRaises(ValueError):
            request_1(None)

    def test_type_with_its_own_pack_and_unpack(self):
        class Doubled(Int):
            def unpack(self, packed_value, major=5):
                return 2 * super(Doubled, self).unpack(packed_value, major)

            def pack(self, value, nocheck=False, major=5):
                return super(Doubled, self).pack(2 * value, nocheck, major)

        @request(Doubled())
        @return_reply(Doubled())
        def request_x(self, req, i):
            return "ok", i
        self.assertEqual(str(request_x(None, None, Message.request("x", 1))), "!x ok 4")

    def test_handlers_do_not_share_arguments(self):
        first = self.ask("one", "2", "on", "0")
        first.arguments.append(b"more")
        self.assert_reply("!one ok 2 on 0", "one", "2", "on", "0")


class TestDecoration(unittest.TestCase):
    def test_only_the_last_type_may_be_multiple(self):
        for decorator in (request, inform, unpack_message, return_reply, send_reply):
            with self.assertRaises(TypeError) as caught:
                decorator(Int(multiple=True), Float())
            self.assertEqual(str(caught.exception),
                             "Only the last parameter type can accept multiple arguments.")
            decorator(Float(), Int(multiple=True))

    def test_types_have_to_be_instances(self):
        for decorator in (request, inform, unpack_message, return_reply, send_reply):
            for types in ((Int,), (Int(), Int), (Int, Int())):
                with self.assertRaises(TypeError) as caught:
                    decorator(*types)
                self.assertIn("Int()", str(caught.exception))

    def test_unknown_options(self):
        for decorator, prefix in ((request, ""), (return_reply, "return_reply "),
                                  (send_reply, "send_reply ")):
            with self.assertRaises(TypeError) as caught:
                decorator(Int(), foo=1)
            self.assertEqual(str(caught.exception), prefix + "does not take keyword argument(s) ['foo'].")
        request(Int(), _check_req=True)

    def test_return_reply_needs_a_request(self):
        with self.assertRaises(ValueError) as caught:
            @return_reply()
            def inform_x(self):
                pass
        self.assertEqual(str(caught.exception),
                         "This decorator can only be used on a katcp request handler (method name "
                         "should start with 'request_'). Its name is 'inform_x'.")

    def test_timestamps_that_are_no_milliseconds(self):
        @request(Timestamp(), major=4)
        @return_reply(Timestamp(), major=4)
        def request_x(self, req, time):
            "Echo."
            return "ok", time

        for value in "nan", "inf":
            with self.assertRaises(FailReply) as caught:
                request_x(None, None, Message.request("x", value))
            self.assertEqual(str(caught.exception), "Error in parameter 1 (time): Timestamp %s cannot be "
                             "told in milliseconds." % value)
        self.assertEqual(request_x(None, None, Message.request("x", "1500")).arguments, [b"ok", b"1500"])

    def test_metadata_travels(self):
        @minimum_katcp_version(5, 1)
        def request_x(self, req, i):
            """Docstring."""

        for decorated in (request(Int())(return_reply()(request_x)),
                          return_reply()(request(Int())(request_x))):
            self.assertEqual(decorated.__name__, "request_x")
            self.assertEqual(decorated.__doc__, "Docstring.")
            self.assertEqual(decorated._minimum_katcp_version, (5, 1))
            self.assertTrue(decorated._request_decorated)
        self.assertEqual(return_reply()(request_x)._orig_argnames, ["self", "req", "i"])
        self.assertFalse(hasattr(return_reply()(request()(request_x)), "_orig_argnames"))

    def test_partials(self):
        for decorator, name in ((inform, "inform"), (unpack_message, "unpack_message")):
            self.assertIs(decorator.func, request)
            self.assertEqual(decorator.keywords, {"has_req": False})
            self.assertEqual(decorator.__name__, name)
            self.assertIn("Examples", decorator.__doc__)
        self.assertNotEqual(inform.__doc__, unpack_message.__doc__)
        self.assertEqual(functools.update_wrapper.__name__, "update_wrapper")
        handler = inform(Int(), has_req=True)(lambda self, req, i: (req, i))
        self.assertEqual(handler(None, "req", Message.inform("x", 1)), ("req", 1))

    def test_marks(self):
        def handler():
            pass
        self.assertIs(concurrent_reply(handler), handler)
        self.assertIs(handler._concurrent_reply, True)
        self.assertIs(minimum_katcp_version(5)(handler), handler)
        self.assertEqual(handler._minimum_katcp_version, (5, 0))
        flags = set([b"M"])
        self.assertIs(has_katcp_protocol_flags(flags)(handler), handler)
        self.assertIs(handler._has_katcp_protocol_flags, flags)
        self.assertIs(request_timeout_hint("25.5")(handler), handler)
        self.assertEqual(handler.request_timeout_hint, 25.5)
        self.assertIsNone(request_timeout_hint(None)(handler).request_timeout_hint)
        with self.assertRaises(ValueError):
            request_timeout_hint("x")

    def test_names_of_coroutine_parameters(self):
        @request(Int())
        @tornado.gen.coroutine
        def request_x(self, req, an_int):
            pass
        with self.assertRaises(FailReply) as caught:
            request_x(None, None, Message.request("x"))
        self.assertEqual(str(caught.exception),
                         "Error in parameter 1 (an_int): No value or default given")

    def test_star_import(self):
        names = {}
        exec("from katcp.kattypes import *", names)
        for name in ("Int", "request", "partial", "gen", "FailReply", "logger", "object"):
            self.assertIn(name, names)
        self.assertNotIn("transform", names)
        self.assertTrue(all(hasattr(kattypes, name) for name in kattypes.__all__))


class TestSendReply(unittest.TestCase):
    def setUp(self):
        self.req = mock.Mock()
        self.req.msg.name = "one"

    def test_sends_once(self):
        finish = send_reply(Int(), Str())(lambda self, req, i: (req, "ok", i, "x"))
        self.assertIsNone(finish(None, self.req, 9))
        self.req.reply_with_message.assert_called_once_with(Message.reply("one", "ok", "9", "x"))

    def test_fail(self):
        send_reply()(lambda self, req: [req, "fail", "reason"])(None, self.req)
        self.req.reply_with_message.assert_called_once_with(Message.reply("one", "fail", "reason"))

    def test_bad_values_send_nothing(self):
        for values in (("ok", 1, 2), ("ok", "x"), ("what",)):
            with self.assertRaises((ValueError, TypeError)):
                send_reply(Int())(lambda self, req: (req,) + values)(None, self.req)
        self.assertFalse(self.req.reply_with_message.called)

    def test_future(self):
        future = concurrent.futures.Future()
        sent = send_reply(Int())(lambda self: future)(None)
        self.assertFalse(self.req.reply_with_message.called)
        future.set_result((self.req, "ok", 5))
        self.req.reply_with_message.assert_called_once_with(Message.reply("one", "ok", "5"))
        self.assertIsNone(sent.result())

    def test_failed_future_is_logged(self):
        future = concurrent.futures.Future()
        with mock.patch("katcp.kattypes.logger") as logger:
            sent = send_reply(Int())(lambda self: future)(None)
            future.set_exception(ValueError("it broke"))
        self.assertEqual(logger.exception.call_count, 1)
        self.assertIsInstance(sent.exception(), ValueError)


class TestArgumentLists(unittest.TestCase):
    TYPES = [Str(), Int(), Bool(default=True), Str(optional=True)]
    NAMES = ["a", "b", "c", "d"]

    def test_unpack_types(self):
        for sequence in (list, tuple):
            values = unpack_types(sequence(self.TYPES), sequence([b"one", b"2"]), sequence(self.NAMES), 5)
            self.assertEqual(values, ["one", 2, True, None])
            self.assertIsInstance(values, list)
        self.assertEqual(unpack_types([], [], [], 5), [])
        self.assertEqual(unpack_types(types=[Timestamp()], args=[b"1500"], argnames=[], major=4), [1.5])

    def test_unpack_types_fails(self):
        for args, text in (([b"one"], "Error in parameter 2 (b): No value or default given"),
                           ([b"a"] * 5, "Too many parameters given.")):
            with self.assertRaises(FailReply) as caught:
                unpack_types(self.TYPES, args, self.NAMES, 5)
            self.assertEqual(str(caught.exception), text)

    def test_unpack_multiple(self):
        types = [Str(), Int(multiple=True)]
        self.assertEqual(unpack_types(types, [b"a", b"1", b"2", b"3"], self.NAMES, 5), ["a", 1, 2, 3])
        with self.assertRaises(FailReply) as caught:
            unpack_types(types, [b"a", b"1", b"2", b"x"], self.NAMES, 5)
        self.assertTrue(str(caught.exception).startswith("Error in parameter 4 (b): "))
        # None at all counts as one that is missing.
        self.assertEqual(unpack_types([Int(multiple=True, default=7)], [], [], 5), [7])
        self.assertEqual(unpack_types([Int(multiple=True, optional=True)], [], [], 5), [None])
        with self.assertRaises(FailReply):
            unpack_types([Int(multiple=True)], [], [], 5)

    def test_pack_types(self):
        types = [Str(), Int(), Bool(default=True), Str(default="four")]
        for sequence in (list, tuple):
            args = pack_types(sequence(types), sequence(["one", 2]), 5)
            self.assertEqual(args, [b"one", b"2", b"1", b"four"])
            self.assertIsInstance(args, list)
        with self.assertRaises(ValueError) as caught:
            pack_types(types, [1, 2, 3, 4, 5], 5)
        self.assertEqual(str(caught.exception), "Too many arguments to pack.")
        with self.assertRaises(ValueError):
            pack_types(self.TYPES, ["one", 2], 5)
        with self.assertRaises(TypeError):
            pack_types(types, iter(["one", 2]), 5)
        self.assertEqual(pack_types([Int(multiple=True)], [1, 2, 3], 5), [b"1", b"2", b"3"])
        self.assertEqual(pack_types([Int(multiple=True, default=4)], [], 5), [b"4"])
        self.assertEqual(pack_types([Timestamp()], [1.5], 4), [b"1500"])

    def test_parameter(self):
        parameter = Parameter(2, "when", Timestamp(), 4)
        self.assertEqual((parameter.position, parameter.name, parameter.major), (2, "when", 4))
        self.assertEqual(parameter.unpack(b"1500"), 1.5)
        self.assertEqual(parameter.pack(1.5), b"1500")
        with self.assertRaises(FailReply) as caught:
            parameter.unpack(b"x")
        self.assertEqual(str(caught.exception),
                         "Error in parameter 2 (when): Could not parse value 'x' as timestamp.")
        with self.assertRaises(ValueError):
            Parameter(1, "x", Int(max=5), 5).pack(6)

    def test_make_reply(self):
        for types in ((Int(), Regex("a")), [Int(), Regex("a")]):
            self.assertEqual(make_reply("x", types, ("ok", 1, "a"), 5), Message.reply("x", "ok", 1, "a"))
        self.assertEqual(make_reply("x", (), ["fail", "why"], 5), Message.reply("x", "fail", "why"))
        self.assertEqual(make_reply("x", (Timestamp(),), ("ok", 1.5), 4), Message.reply("x", "ok", "1500"))
        for values in (("fail",), ("fail", None), ("fail", 1, 2), ("ok",), ("ok", 1, 2),
                       ("invalid", 1), "ok"):
            with self.assertRaises(ValueError):
                make_reply("x", (Int(),), values, 5)
        for values in (None, Message.reply("x"), iter(["ok", 1])):
            with self.assertRaises(TypeError):
                make_reply("x", (Int(),), values, 5)
        with self.assertRaises(IndexError):
            make_reply("x", (Int(),), (), 5)


class CoroutineDevice(object):
    def __init__(self):
        self.future = None

    @request(Int())
    @return_reply(Int())
    @tornado.gen.coroutine
    def request_wait(self, req, i):
        yield self.future
        if i == 0:
            raise FailReply("zero")
        raise tornado.gen.Return(("ok", i))

    @request(Int())
    @return_reply(Int())
    def request_future(self, req, i):
        return self.future


class TestFutures(tornado.testing.AsyncTestCase):
    def setUp(self):
        super(TestFutures, self).setUp()
        self.device = CoroutineDevice()

    @tornado.testing.gen_test
    def test_pending(self):
        self.device.future = tornado.concurrent.Future()
        replies = [self.device.request_wait(None, Message.request("wait", i)) for i in (5, 0)]
        self.assertFalse(any(reply.done() for reply in replies))
        self.device.future.set_result(None)
        reply = yield replies[0]
        self.assertEqual(str(reply), "!wait ok 5")
        with self.assertRaises(FailReply):
            yield replies[1]

    @tornado.testing.gen_test
    def test_arguments_are_unpacked_at_once(self):
        with self.assertRaises(FailReply):
            self.device.request_wait(None, Message.request("wait", "x"))

    @tornado.testing.gen_test
    def test_other_thread(self):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            self.device.future = pool.submit(lambda: ("ok", 7))
            reply = yield self.device.request_future(None, Message.request("future", 1))
        self.assertEqual(str(reply), "!future ok 7")

    def test_done_already(self):
        for values, text in ((("ok", 5), "!x ok 5"), (("fail", "why"), "!x fail why")):
            future = concurrent.futures.Future()
            future.set_result(values)
            reply = async_make_reply("x", (Int(),), future, 5)
            self.assertEqual(str(reply.result()), text)
        future = concurrent.futures.Future()
        future.set_result(("what",))
        self.assertIsInstance(async_make_reply("x", (), future, 5).exception(), ValueError)
