# -*- coding: utf-8 -*-
"""Tests of katcp.server.dispatch and katcp.server.message_handling."""

from __future__ import absolute_import, division, print_function

import concurrent.futures
import logging
import re
import sys
import threading
import unittest

from tornado import gen
from tornado.ioloop import IOLoop

from katcp import compat
from katcp.compat import ConcurrentFuture, is_future
from katcp.errors import AsyncReply, FailReply
from katcp.kattypes import concurrent_reply
from katcp.message import Message
from katcp.protocol import ProtocolFlags
from katcp.server import (BASE_REQUESTS, ClientConnection, DeviceServerBase, construct_name_filter,
                          return_future)
from katcp.server.deserted import is_closed_by_peer
from katcp.server.handler_thread import MAX_QUEUED_MESSAGES
from tests.support import mock
from tests.support.devices import ServerTests, in_all_modes
from tests.support.logs import LogRecorder


class Unprintable(object):
    """Something that is no argument of a message."""

    def __str__(self):
        raise TypeError("It cannot be shown.")


class RecordingConnection(object):
    """A client connection that keeps what is sent on it."""

    def __init__(self):
        self.sent = []

    def inform(self, msg):
        self.sent.append(msg)

    def reply(self, reply, orig_req):
        reply.mid = orig_req.mid
        self.sent.append(reply)

    def reply_inform(self, inform, orig_req):
        inform.mid = orig_req.mid
        self.sent.append(inform)


class Base(DeviceServerBase):
    """Requests with all sorts of outcomes."""

    def __init__(self, *args, **kwargs):
        super(Base, self).__init__(*args, **kwargs)
        self.handled = []
        self.waiting = []
        self.thread_ids = []

    def request_echo(self, req, msg):
        """Return the arguments."""
        self.handled.append(msg.arguments)
        return req.make_reply("ok", *msg.arguments)

    def request_old_style(self, sock, msg):
        """Return a reply without id."""
        return Message.reply(msg.name, "ok", *msg.arguments)

    def request_informs(self, req, msg):
        """Send informs, then reply."""
        for i in range(3):
            req.inform(i)
        return req.make_reply("ok", 3)

    def request_fail(self, req, msg):
        """Refuse."""
        raise FailReply("not now")

    def request_fail_text(self, req, msg):
        """Refuse with text that is not ASCII."""
        raise FailReply(u"zu hei\xdf")

    def request_raise(self, req, msg):
        """Have a bug."""
        raise ValueError("boom")

    def request_exit(self, req, msg):
        """Try to end the program."""
        raise SystemExit(3)

    def request_interrupt(self, req, msg):
        """Behave like Ctrl-C."""
        raise KeyboardInterrupt()

    def request_later(self, req, msg):
        """Keep the request, to be answered later."""
        self.waiting.append(req)
        raise AsyncReply

    def request_later_instance(self, req, msg):
        """Keep the request, to be answered later."""
        self.waiting.append(req)
        raise AsyncReply("soon")

    def request_nothing(self, req, msg):
        """Return None."""

    def request_wrong_name(self, req, msg):
        """Reply to something else."""
        return Message.reply("other", "ok")

    def request_wrong_type(self, req, msg):
        """Return an inform."""
        return Message.inform(msg.name, "ok")

    def request_twice(self, req, msg):
        """Reply, and return a reply as well."""
        req.reply("ok", "first")
        return req.make_reply("ok", "second")

    def request_need_text(self, req, msg):
        """Decode the argument."""
        return req.make_reply("ok", msg.arguments[0].decode("utf-8"))

    def inform_note(self, conn, msg):
        """Take note."""
        self.handled.append((conn, msg))
        if msg.arguments:
            raise ValueError("inform boom")

    def reply_note(self, conn, msg):
        """Take note."""
        self.handled.append((conn, msg))
        if msg.arguments:
            raise SystemExit("reply boom")


class UnstartedServerTestCase(unittest.TestCase):
    server_class = Base

    def setUp(self):
        self.server = self.server_class("", 0)
        self.connection = RecordingConnection()
        log = LogRecorder("katcp.server")
        log.__enter__()
        self.addCleanup(log.__exit__)
        self.log = log

    def ask(self, name, *args, **kwargs):
        """Handle a request and return what was sent."""
        del self.connection.sent[:]
        self.assertIsNone(self.server.handle_message(
            self.connection, Message.request(name, *args, **kwargs)))
        return self.connection.sent

    def ask_for_failure(self, name, *args):
        (reply,) = self.ask(name, *args)
        self.assertEqual((reply.name, reply.arguments[0]), (name, b"fail"))
        return reply.arguments[1].decode("utf-8")


class TestRequests(UnstartedServerTestCase):
    def test_reply(self):
        self.assertEqual(self.ask("echo", 1, b"\xff", mid=7),
                         [Message.reply("echo", "ok", 1, b"\xff", mid=7)])
        self.assertEqual(self.ask("old-style", 1, mid=7), [Message.reply("old-style", "ok", 1, mid=7)])

    def test_informs_come_first(self):
        self.assertEqual([str(msg) for msg in self.ask("informs", mid=1)],
                         ["#informs[1] 0", "#informs[1] 1", "#informs[1] 2", "!informs[1] ok 3"])

    def test_reply_of_the_connection_may_be_replaced(self):
        class OwnConnection(ClientConnection):
            replies = []

            def reply(self, reply, orig_req):
                self.replies.append(reply)

        network = mock.Mock(spec=self.server._server)
        patched = ClientConnection(network, "conn-id")
        patched.reply = mock.Mock()
        own = OwnConnection(network, "conn-id")
        request = Message.request("echo", 1)
        for connection in (patched, own, ClientConnection(network, "conn-id")):
            self.assertIsNone(self.server.handle_message(connection, request))
        expected = Message.reply("echo", "ok", 1)
        patched.reply.assert_called_once_with(expected, request)
        self.assertEqual(own.replies, [expected])
        network.post_message.assert_called_once_with("conn-id", expected)

    def test_unknown_request(self):
        self.assertEqual(self.ask("nope", mid=3),
                         [Message.reply("nope", "invalid", "Unknown request.", mid=3)])
        self.assertIn("nope INVALID: Unknown request.", self.log.messages)

    def test_fail_reply(self):
        self.assertEqual(self.ask("fail", mid=3), [Message.reply("fail", "fail", "not now", mid=3)])
        self.assertIn("Request fail FAIL: not now", self.log.messages)
        self.assertEqual(self.ask_for_failure("fail-text"), u"zu hei\xdf")

    def test_async_reply(self):
        for name in ("later", "later-instance"):
            self.assertEqual(self.ask(name, mid=3), [])
            self.server.waiting.pop().reply("ok")
            self.assertEqual(self.connection.sent, [Message.reply(name, "ok", mid=3)])

    def test_traceback(self):
        text = self.ask_for_failure("raise")
        self.assertTrue(text.startswith("Traceback (most recent call last):\n\n"), text)
        self.assertTrue(text.endswith("ValueError: boom\n"), text)
        self.assertIn("Request raise FAIL: " + text, self.log.messages)

    def test_traceback_limit(self):
        def recurse(server, req, msg, depth=30):
            raise ValueError("deep") if not depth else recurse(server, req, msg, depth - 1)

        self.server._request_handlers = dict(self.server._request_handlers, deep=recurse)
        self.server._tb_limit = 3
        text = self.ask_for_failure("deep")
        self.assertLessEqual(text.count("File "), 3)

    def test_no_exception_gets_away(self):
        self.assertTrue(self.ask_for_failure("exit").endswith("SystemExit: 3\n"))

    def test_control_c_in_the_main_thread_gets_through(self):
        with self.assertRaises(KeyboardInterrupt):
            self.ask("interrupt")

    def test_interrupt_in_another_thread_does_not(self):
        texts = []
        thread = threading.Thread(target=lambda: texts.append(self.ask_for_failure("interrupt")))
        thread.start()
        thread.join()
        self.assertTrue(texts[0].rstrip().endswith("KeyboardInterrupt"), texts)

    def test_handlers_that_do_not_return_a_reply(self):
        for name in ("nothing", "wrong-name", "wrong-type"):
            self.assertTrue(self.ask_for_failure(name).startswith("Traceback"))

    def test_second_reply_is_dropped(self):
        self.assertEqual(self.ask("twice"), [Message.reply("twice", "ok", "first")])
        self.assertIn("Request twice was answered already, dropping a second reply: !twice ok second",
                      self.log.messages)

    def test_undecodable_arguments(self):
        # The log takes everything, see LogRecorder.
        self.assertIn("UnicodeDecodeError", self.ask_for_failure("need-text", b"\xff"))
        self.assertEqual(self.ask("nope", b"\xff")[0].arguments[0], b"invalid")
        self.ask("raise", b"\xff")

    def test_future_needs_a_running_server(self):
        self.server._request_handlers = dict(
            self.server._request_handlers, future=lambda server, req, msg: ConcurrentFuture())
        self.assertTrue(self.ask_for_failure("future").startswith("Traceback"))

    def test_handlers_of_an_instance(self):
        self.server._request_handlers = self.server._request_handlers.copy()
        self.server._request_handlers["new"] = lambda server, req, msg: req.make_reply("ok", "new")
        del self.server._request_handlers["echo"]
        self.assertEqual(self.ask("new"), [Message.reply("new", "ok", "new")])
        self.assertEqual(self.ask("echo")[0].arguments[0], b"invalid")
        self.assertIn("echo", Base._request_handlers)

    def test_request_connection_is_looked_up_at_the_door(self):
        req = mock.Mock()
        req.make_reply.return_value = Message.reply("echo", "ok", "mocked")
        with mock.patch("katcp.server.ClientRequestConnection", return_value=req) as factory:
            msg = Message.request("echo", 1)
            self.server.handle_request(self.connection, msg)
        factory.assert_called_once_with(self.connection, msg)
        self.assertEqual(self.connection.sent, [Message.reply("echo", "ok", "mocked")])

    def test_create_exception_reply_and_log(self):
        try:
            raise ValueError("boom")
        except ValueError:
            reply = self.server.create_exception_reply_and_log(Message.request("x", mid=2), sys.exc_info())
        self.assertEqual(str(reply)[:18], "!x[2] fail Traceba")


class TestInformsAndReplies(UnstartedServerTestCase):
    def test_known(self):
        for make in (Message.inform, Message.reply):
            msg = make("note")
            self.assertIsNone(self.server.handle_message(self.connection, msg))
            self.assertEqual(self.server.handled.pop(), (self.connection, msg))

    def test_unknown(self):
        self.server.handle_message(self.connection, Message.inform("unheard"))
        self.server.handle_message(self.connection, Message.reply("unheard"))
        self.assertEqual(self.connection.sent, [])
        self.assertIn("unheard INVALID: Unknown inform.", self.log.messages)
        self.assertIn("unheard INVALID: Unknown reply.", self.log.messages)

    def test_failing_handlers(self):
        self.server.handle_message(self.connection, Message.inform("note", 1))
        self.assertIn("Inform note FAIL: Traceback", self.log.messages[-1])
        self.assertIn("inform boom", self.log.messages[-1])
        self.server.handle_message(self.connection, Message.reply("note", 1))
        self.assertIn("Reply note FAIL: Traceback", self.log.messages[-1])
        self.assertEqual(self.connection.sent, [])

    def test_unknown_type(self):
        msg = Message.inform("note")
        msg.mtype = 77
        with mock.patch.object(Message, "log_text", lambda self: "odd"):
            self.server.handle_message(self.connection, msg)
        (sent,) = self.connection.sent
        self.assertEqual(sent.name, "log")
        self.assertEqual(sent.arguments[0], b"error")
        self.assertEqual(sent.arguments[2:],
                         [b"root", b"Unexpected message type received by server ['odd']."])


class TestSending(UnstartedServerTestCase):
    def test_to_a_connection(self):
        request = Message.request("x", mid=4)
        self.server.inform(self.connection, Message.inform("a"))
        self.server.reply(self.connection, Message.reply("x"), request)
        self.server.reply_inform(self.connection, Message.inform("x"), request)
        self.assertEqual([str(msg) for msg in self.connection.sent], ["#a", "!x[4]", "#x[4]"])

    def test_to_a_request_connection(self):
        from katcp.server import ClientRequestConnection
        req = ClientRequestConnection(self.connection, Message.request("x", mid=4))
        self.server.inform(req, Message.inform("x"))
        self.assertEqual([str(msg) for msg in self.connection.sent], ["#x"])
        self.assertTrue(self.log.messages[-1].startswith("Deprecation warning:"))
        self.assertIn("test_to_a_request_connection", self.log.messages[-1])

    def test_mass_inform(self):
        self.server.mass_inform(Message.inform("x"))  # nobody there, not even a loop
        with self.assertRaises(AssertionError):
            self.server.mass_inform(Message.reply("x"))

    def test_log_inform(self):
        inform = self.server.create_log_inform("warn", "text", "name", timestamp=1234.5)
        self.assertEqual(inform, Message.inform("log", "warn", "1234.500000", "name", "text"))
        with mock.patch("katcp.server.time.time", return_value=99.0):
            self.assertEqual(self.server.create_log_inform("warn", "text", "name").arguments[1], b"99.000000")
        self.server.PROTOCOL_INFO = ProtocolFlags(4, 0, [])
        inform = self.server.create_log_inform("warn", "text", "name", timestamp=1234.5678)
        self.assertEqual(inform.arguments[1], b"1234567")


class TestConfiguration(UnstartedServerTestCase):
    def test_handler_thread_needs_thread_safety(self):
        with self.assertRaises(AssertionError) as caught:
            self.server.set_concurrency_options(thread_safe=False, handler_thread=True)
        self.assertEqual(str(caught.exception), "handler_thread=True requires thread_safe=True")

    def test_options(self):
        self.assertEqual(dict(self.server._concurrency_options),
                         {"thread_safe": True, "handler_thread": True})
        self.assertIsNotNone(self.server._handler_thread)
        self.server.set_concurrency_options(False, False)
        self.assertFalse(self.server._concurrency_options.thread_safe)
        self.assertFalse(self.server._concurrency_options.handler_thread)
        self.assertIsNone(self.server._handler_thread)

    def test_on_message(self):
        msg = Message.request("echo")
        future = self.server.on_message(self.connection, msg)
        self.assertFalse(future.done())  # no thread to handle it yet
        self.server.set_concurrency_options(False, False)
        future = self.server.on_message(self.connection, msg)
        self.assertTrue(is_future(future) and future.done())
        self.assertIsNone(future.result())
        self.assertEqual(len(self.connection.sent), 1)

    def test_sync_with_ioloop_before_start(self):
        for timeout in (None, 1):
            with self.assertRaises(RuntimeError):
                Base("", 0).sync_with_ioloop(timeout)

    def test_ioloop_before_start(self):
        self.assertIsNone(self.server.ioloop)

    def test_protocol_info(self):
        self.assertEqual(str(DeviceServerBase.PROTOCOL_INFO), "5.0-IM")

    def test_hooks(self):
        for future in (self.server.on_client_connect(self.connection),
                       self.server.on_client_disconnect(self.connection, "x", False)):
            self.assertTrue(is_future(future) and future.done())
        self.assertEqual(self.connection.sent, [])


class TestHelpers(unittest.TestCase):
    def test_base_requests(self):
        self.assertEqual(len(BASE_REQUESTS), 14)
        self.assertIn("sensor-sampling-clear", BASE_REQUESTS)
        self.assertNotIn("request-timeout-hint", BASE_REQUESTS)

    def test_return_future(self):
        @return_future
        def function(value, fail=False):
            """Documentation."""
            if fail:
                raise ValueError("no")
            return value

        self.assertEqual(function.__name__, "function")
        self.assertEqual(function.__doc__, "Documentation.")
        future = function(3)
        self.assertTrue(is_future(future) and future.done())
        self.assertEqual(future.result(), 3)
        self.assertIs(function(future), future)
        with self.assertRaises(ValueError):
            function(3, fail=True)

    def test_name_filter(self):
        names = ["a.int", "int", "b", ""]
        for pattern, exact, expected in (
                (None, False, names),
                ("//", False, names),
                ("/", False, names),
                ("/int/", False, ["a.int", "int"]),
                ("/^int/", False, ["int"]),
                ("int", True, ["int"]),
                ("/int", True, []),
                ("", True, [""])):
            is_exact, selects = construct_name_filter(pattern)
            self.assertEqual((is_exact, [name for name in names if selects(name)]), (exact, expected))
        with self.assertRaises(re.error):
            construct_name_filter("/(/")


class Unspeakable(FailReply):
    """Fails when it is asked for its text."""

    def __str__(self):
        raise ValueError("no text")


class Live(Base):
    """Requests whose answers take time."""

    def request_unspeakable(self, req, msg):
        """Fail for a reason that cannot be told."""
        raise Unspeakable

    def request_other(self, req, msg):
        """Reply with something that is no reply to this request."""
        req.reply_with_message(Message.reply("something-else", "ok"))

    def request_unserialisable(self, req, msg):
        """Return a reply that cannot be sent."""
        reply = req.make_reply("ok")
        reply.arguments.append(Unprintable())
        return reply

    def request_future(self, req, msg):
        """Wait until somebody resolves the future."""
        future = ConcurrentFuture()
        self.waiting.append((req, future))
        return future

    @concurrent_reply
    def request_concurrent(self, req, msg):
        """Wait until somebody resolves the future, and let others go on meanwhile."""
        return self.request_future(req, msg)

    @concurrent_reply
    @gen.coroutine
    def request_concurrent_at_once(self, req, msg):
        """Do what the argument says, without waiting."""
        outcome = msg.arguments[0]
        req.inform("at-once")
        if outcome == b"fail":
            raise FailReply("not now")
        if outcome == b"raise":
            raise ValueError("boom")
        if outcome == b"later":
            self.waiting.append(req)
            raise AsyncReply
        raise gen.Return(req.make_reply("ok"))

    @gen.coroutine
    def request_coroutine(self, req, msg):
        """Wait a little, then do what the argument says."""
        self.thread_ids.append(compat.get_thread_ident())
        yield gen.moment
        outcome = msg.arguments[0]
        if outcome == b"fail":
            raise FailReply("coroutine fails")
        if outcome == b"raise":
            raise ValueError("coroutine boom")
        if outcome == b"later":
            self.waiting.append(req)
            raise AsyncReply
        if outcome == b"wrong":
            raise gen.Return("no message")
        if outcome == b"other":
            self.request_other(req, msg)
        if outcome == b"unspeakable":
            self.request_unspeakable(req, msg)
        if outcome == b"unserialisable":
            raise gen.Return(self.request_unserialisable(req, msg))
        if outcome == b"cancelled":
            raise compat.CANCELLED_ERRORS[-1]()
        if outcome == b"exit":
            sys.exit(3)
        if outcome == b"interrupt":
            raise KeyboardInterrupt()
        if outcome == b"nested":
            yield self.request_coroutine(req, Message.request("coroutine", "exit"))
        raise gen.Return(req.make_reply(*msg.arguments))

    @gen.coroutine
    def request_sleep(self, req, msg):
        """Wait for a timer."""
        yield gen.sleep(0.001)
        raise gen.Return(req.make_reply("ok"))

    def request_tornado_future(self, req, msg):
        """Have a tornado future resolved in another thread."""
        future = gen.Future()
        proceed = threading.Event()
        self.waiting.append(proceed)

        def resolve():
            proceed.wait(10)
            future.set_result(req.make_reply("ok"))

        threading.Thread(target=resolve).start()
        return future

    @gen.coroutine
    def request_quick_coroutine(self, req, msg):
        """Reply without waiting."""
        raise gen.Return(req.make_reply("ok", *msg.arguments))

    def request_current_loop(self, req, msg):
        """Say whether the server's loop is the current one."""
        return req.make_reply("ok", IOLoop.current() is self.ioloop)

    def request_thread(self, req, msg):
        """Say whether the handler runs in the thread of the loop."""
        return req.make_reply("ok", self._server.in_ioloop_thread())


class _LiveServer(ServerTests):
    device_class = Live

    def setUp(self):
        super(_LiveServer, self).setUp()
        self.client = self.connect(greeted=False)
        self.log = LogRecorder(self.server._logger.name)
        self.log.__enter__()
        self.addCleanup(self.log.__exit__)

    def waiting(self):
        """Return what a handler has left to be answered, once it has."""
        while not self.server.waiting:
            self.server.sync_with_ioloop(timeout=10)
        return self.server.waiting.pop()

    def test_all_sorts_in_order(self):
        self.client.send(b"?echo[1] a\n?nope\n?informs[2]\n?fail\n?old-style b\n?coroutine ok\n?echo \\@\n")
        self.assertEqual(self.client.lines(10), [
            b"!echo[1] ok a",
            b"!nope invalid Unknown\\_request.",
            b"#informs[2] 0", b"#informs[2] 1", b"#informs[2] 2", b"!informs[2] ok 3",
            b"!fail fail not\\_now",
            b"!old-style ok b",
            b"!coroutine ok",
            b"!echo ok \\@"])

    def test_thread_of_handlers(self):
        in_loop = not self.concurrency[1]
        self.assertEqual(self.client.ask(b"?thread"), [b"!thread ok %d" % in_loop])
        self.assertEqual(self.client.ask(b"?current-loop"), [b"!current-loop ok 1"])

    def test_next_request_waits_for_the_answer(self):
        other = self.connect(greeted=False)
        self.client.send(b"?future[1]\n?echo 1\n")
        req, future = self.waiting()
        other.ask(b"?echo 2")
        self.server.sync_with_ioloop(timeout=10)
        self.assertEqual(self.server.handled, [[b"2"]])
        future.set_result(req.make_reply("ok"))
        self.assertEqual(self.client.lines(2), [b"!future[1] ok", b"!echo ok 1"])

    def test_concurrent_reply_lets_the_next_request_go_on(self):
        self.client.send(b"?concurrent[1]\n?echo 1\n")
        req, future = self.waiting()
        self.assertEqual(self.client.line(), b"!echo ok 1")
        future.set_result(req.make_reply("ok"))
        self.assertEqual(self.client.line(), b"!concurrent[1] ok")

    def test_concurrent_reply_that_is_done_at_once_comes_first(self):
        outcomes = ((b"ok", b"!concurrent-at-once ok"), (b"fail", b"!concurrent-at-once fail not\\_now"),
                    (b"raise", b"!concurrent-at-once fail Traceback"))
        self.client.send(b"".join([
            b"?concurrent-at-once " + outcome + b"\n?echo\n" for outcome, _ in outcomes]))
        for _, start in outcomes:
            inform, reply, next_reply = self.client.lines(3)
            self.assertEqual(inform, b"#concurrent-at-once at-once")
            self.assertTrue(reply.startswith(start), reply)
            self.assertEqual(next_reply, b"!echo ok")

    def test_concurrent_reply_that_comes_after_all(self):
        self.client.send(b"?concurrent-at-once later\n?echo\n")
        self.client.shut_down_sending()
        self.assertEqual(self.client.lines(2), [b"#concurrent-at-once at-once", b"!echo ok"])
        req = self.waiting()
        self.server._server.call_from_thread(lambda: req.reply("ok", "late"))
        self.assertEqual(self.client.line(), b"!concurrent-at-once ok late")

    def test_outcomes_of_coroutines(self):
        for outcome, start, end in (
                (b"ok x", b"!coroutine ok x", b""),
                (b"fail", b"!coroutine fail coroutine\\_fails", b""),
                (b"raise", b"!coroutine fail Traceback", b"ValueError:\\_coroutine\\_boom\\n"),
                (b"wrong", b"!coroutine fail Traceback", b"\\n")):
            (line,) = self.client.ask(b"?coroutine " + outcome)
            self.assertTrue(line.startswith(start) and line.endswith(end), line)

    def test_coroutine_that_meets_a_cancellation(self):
        (line,) = self.client.ask(b"?coroutine cancelled")
        self.assertTrue(line.startswith(b"!coroutine fail Traceback"), line)

    def test_coroutine_that_answers_later(self):
        self.client.send(b"?coroutine later\n?echo\n")
        self.assertEqual(self.client.line(), b"!echo ok")
        req = self.waiting()
        self.server._server.call_from_thread(lambda: req.reply("ok", "late"))
        self.assertEqual(self.client.line(), b"!coroutine ok late")

    def test_coroutine_that_does_not_wait(self):
        self.client.send(b"?quick-coroutine 1\n?quick-coroutine 2\n")
        self.assertEqual(self.client.lines(2), [b"!quick-coroutine ok 1", b"!quick-coroutine ok 2"])

    def test_many_coroutines(self):
        # In handler threads they are started by one thread and continued by another.
        self.client.send(b"?coroutine ok\n" * 300)
        self.assertEqual(self.client.lines(300), [b"!coroutine ok"] * 300)

    def test_coroutine_with_a_timer(self):
        self.client.send(b"?sleep\n" * 5)
        self.assertEqual(self.client.lines(5), [b"!sleep ok"] * 5)

    def test_tornado_future_resolved_in_another_thread(self):
        self.client.send(b"?tornado-future\n")
        proceed = self.waiting()
        self.server.sync_with_ioloop(timeout=10)
        # From here on nothing else wakes the loop up.
        proceed.set()
        self.assertEqual(self.client.line(), b"!tornado-future ok")

    def test_outcomes_of_concurrent_futures(self):
        def cancel(req, future):
            future.cancel()

        def fail(req, future):
            future.set_exception(FailReply("no way"))

        def boom(req, future):
            future.set_exception(ValueError("boom"))

        def wrong(req, future):
            future.set_result(Message.reply("other"))

        for resolve, start in ((cancel, b"!future fail Traceback"),
                               (fail, b"!future fail no\\_way"),
                               (boom, b"!future fail Traceback"),
                               (wrong, b"!future fail Traceback")):
            self.client.send(b"?future\n")
            resolve(*self.waiting())
            self.assertTrue(self.client.line().startswith(start))

    def test_bad_lines_are_answered_in_their_turn(self):
        self.client.send(b"?echo 1\nbad msg\r\n?echo \\q\n?echo 2\n")
        lines = self.client.lines(4)
        self.assertEqual([lines[0], lines[3]], [b"!echo ok 1", b"!echo ok 2"])
        self.assertTrue(lines[1].startswith(b"#log error "))
        self.assertTrue(lines[1].endswith(b"KatcpSyntaxError:\\_Bad\\_type\\_character\\_'b'.\\n"), lines[1])
        self.assertIn(b"Invalid\\_escape\\_character", lines[2])
        self.assertEqual(len(lines[2].split(b" ")), 5)

    def test_arguments_that_are_not_text(self):
        # Debug records are made here, of these messages too.
        self.client.send(b"?echo \xff\xfe\n?need-text \xff\n?nope \xff\n#inform \xff\n!reply \xff\n"
                         b"rubbish\xff\n?raise \xff\n?coroutine raise \xff\n?echo fine\n")
        starts = [b"!echo ok \xff\xfe", b"!need-text fail Traceback", b"!nope invalid", b"#log error",
                  b"!raise fail Traceback", b"!coroutine fail Traceback", b"!echo ok fine"]
        for start, line in zip(starts, self.client.lines(len(starts))):
            self.assertTrue(line.startswith(start), line)

    def test_no_exception_ends_the_service(self):
        self.assertTrue(self.client.ask(b"?exit")[0].endswith(b"SystemExit:\\_3\\n"))
        self.assertTrue(self.client.ask(b"?interrupt")[0].startswith(b"!interrupt fail"))
        self.assertEqual(self.client.ask(b"?echo"), [b"!echo ok"])

    def test_whatever_cannot_be_sent_is_answered_all_the_same(self):
        for name in (b"unspeakable", b"coroutine unspeakable"):
            self.assertEqual(self.client.ask(b"?" + name),
                             [b"!%s fail <Unspeakable\\_that\\_cannot\\_be\\_shown>" % name.split()[0]])
        for name in (b"other", b"coroutine other"):
            (line,) = self.client.ask(b"?" + name)
            self.assertTrue(line.startswith(b"!%s fail Traceback" % name.split()[0]), line)
        for name in (b"unserialisable", b"coroutine unserialisable"):
            line = self.client.ask(b"?" + name)[-1]
            self.assertTrue(line.startswith(b"!%s fail TypeError:" % name.split()[0]), line)
        self.assertEqual(self.client.ask(b"?echo"), [b"!echo ok"])

    def test_coroutines_that_would_end_the_loop(self):
        with LogRecorder("katcp.ioloop_manager"):
            for outcome, end in ((b"exit", b"SystemExit:\\_3\\n"), (b"interrupt", b"KeyboardInterrupt\\n"),
                                 (b"nested", b"SystemExit:\\_3\\n")):
                reply, = self.client.ask(b"?coroutine " + outcome)
                self.assertTrue(reply.startswith(b"!coroutine fail Traceback"), reply)
                self.assertTrue(reply.endswith(end), reply)
                self.assertEqual(self.client.ask(b"?coroutine ok"), [b"!coroutine ok"])

    def test_the_loop_ends_by_itself(self):
        for end in (lambda: self.server.ioloop.stop(), lambda: sys.exit(3)):
            with LogRecorder("katcp.ioloop_manager"):
                self.server.ioloop.add_callback(end)
                self.assertEqual(self.client.rest(), b"")
                # Not only for the loop, but for the handler thread, too; and it need not be stopped.
                self.server.join()
            self.assertFalse(self.server.running())
            self.assertIn("The ioloop of the server has ended: the server stops", self.log.messages)
            self.assertIsNone(self.server.stop().result(0))
            self.server.start(timeout=10)
            self.client = self.connect(greeted=False)
            self.assertEqual(self.client.ask(b"?echo"), [b"!echo ok"])

    def test_half_closed_client_gets_all_answers(self):
        self.client.send(b"?echo 1\n?coroutine ok\n?informs\n?echo 2\n?unfinished")
        self.client.shut_down_sending()
        self.assertEqual(self.client.rest().split(b"\n"), [
            b"!echo ok 1", b"!coroutine ok", b"#informs 0", b"#informs 1", b"#informs 2", b"!informs ok 3",
            b"!echo ok 2", b""])

    def half_close(self, requests):
        """Have the client send `requests`, and nothing more; wait until the device thinks that it is gone."""
        gone = threading.Event()

        def on_client_disconnect(conn, reason, connected):
            self.assertEqual((reason, connected), ("Socket EOF", False))
            gone.set()

        self.server.on_client_disconnect = on_client_disconnect
        self.client.send(requests)
        self.client.shut_down_sending()
        self.assertTrue(gone.wait(10))
        self.server.sync_with_ioloop(timeout=10)

    def answer(self, req, *args):
        if self.concurrency[0]:
            req.reply(*args)
        else:
            self.server.ioloop.add_callback(req.reply, *args)

    def test_half_closed_client_gets_answers_that_come_later(self):
        self.half_close(b"?later[1]\n?later-instance[2]\n?concurrent[3]\n?echo\n")
        self.assertEqual(self.client.line(), b"!echo ok")
        first, second, (req, future) = self.server.waiting
        self.answer(first, "ok")
        self.assertEqual(self.client.line(), b"!later[1] ok")
        future.set_result(req.make_reply("ok"))
        self.assertEqual(self.client.line(), b"!concurrent[3] ok")
        self.server._server.call_from_thread(lambda: second.inform("nearly")).result(10)
        self.answer(second, "ok")
        self.assertEqual(self.client.rest(), b"#later-instance[2] nearly\n!later-instance[2] ok\n")

    def test_half_closed_client_is_not_kept_for_ever(self):
        with mock.patch("katcp.server.half_closed.HALF_CLOSED_TIMEOUT", 0.001):
            self.half_close(b"?later\n")
            self.assertEqual(self.client.rest(), b"")
        with LogRecorder(self.server._logger.name):
            self.answer(self.waiting(), "ok")
            self.server.sync_with_ioloop(timeout=10)

    def test_half_closed_client_of_whom_nobody_thinks(self):
        self.client.send(b"?later\n")
        self.waiting()
        self.assertEqual(self.client.ask(b"?echo"), [b"!echo ok"])
        self.half_close(b"?echo 2\n")
        self.assertEqual(self.client.rest(), b"!echo ok 2\n")

    @unittest.skipUnless(sys.platform.startswith("linux"), "needs to see the state of a connection")
    def test_clients_that_gave_up_waiting_for_an_answer_are_not_kept_for_ever(self):
        self.server.stop().result(10)
        self.server.join(10)
        with mock.patch("katcp.server.deserted.DESERTED_TIMEOUT", 0.001):
            self.server.start(timeout=10)
            patient = self.connect(greeted=False)
            patient.send(b"?future\n")
            req, future = self.waiting()
            for data in (b"", b"?echo\n"):
                client = self.connect(greeted=False)
                client.send(b"?future\n")
                self.waiting()
                client.send(data)
                client.shut_down_sending()
                self.assertEqual(client.rest(), b"")
            future.set_result(req.make_reply("ok"))
            self.assertEqual(patient.line(), b"!future ok")
            self.assertEqual(len(self.server._server._connections), 1)
            self.server.stop().result(10)
        self.assertIsNone(self.server._server._deserted._timer)

    @unittest.skipUnless(sys.platform.startswith("linux"), "needs to see the state of a connection")
    def test_deserted_connections_are_kept_while_they_get_somewhere(self):
        backend = self.server._server
        self.client.send(b"?future\n?future\n?echo\n")
        self.client.shut_down_sending()
        for _ in range(2):
            req, future = self.waiting()
            while not [stream for stream in backend._connections if is_closed_by_peer(stream.socket)]:
                self.server.sync_with_ioloop(timeout=10)
            backend.call_from_thread(backend._deserted.close_deserted).result(10)
            future.set_result(req.make_reply("ok"))
            self.assertEqual(self.client.line(), b"!future ok")
        self.assertEqual(self.client.rest(), b"!echo ok\n")

    def test_stop_does_not_wait_for_half_closed_clients(self):
        self.half_close(b"?later\n")
        req = self.waiting()
        self.server.stop().result(10)
        self.assertEqual(self.client.rest(), b"")
        self.assertEqual(len(self.server._server._half_closed), 0)
        del req

    def test_pipelined_requests(self):
        count = 5000
        self.client.send(b"".join(b"?echo[%d] %d\n" % (i, i) for i in range(1, count + 1)))
        self.assertEqual(self.client.lines(count), [b"!echo[%d] ok %d" % (i, i) for i in range(1, count + 1)])
        self.assertEqual(len(self.server.handled), count)

    def test_asynchronous_reply(self):
        self.client.send(b"?later[5]\n")
        req = self.waiting()
        self.assertEqual(self.client.ask(b"?echo"), [b"!echo ok"])
        if self.concurrency[0]:
            req.reply("ok", "foreign")
        else:
            self.server.ioloop.add_callback(req.reply, "ok", "foreign")
        self.assertEqual(self.client.line(), b"!later[5] ok foreign")

    def test_sync_with_ioloop(self):
        done = []
        for _ in range(3):
            self.server.ioloop.add_callback(done.append, 1)
        self.assertIsNone(self.server.sync_with_ioloop(timeout=10))
        self.assertEqual(done, [1, 1, 1])
        blocked, release = threading.Event(), threading.Event()
        self.server.ioloop.add_callback(lambda: (blocked.set(), release.wait(10)))
        blocked.wait(10)
        try:
            with self.assertRaises(concurrent.futures.TimeoutError):
                self.server.sync_with_ioloop(timeout=0.001)
        finally:
            release.set()
        future = self.server._server.call_from_thread(self.server.sync_with_ioloop).result(10)
        self.assertTrue(is_future(future))
        self.server.sync_with_ioloop(timeout=10)
        self.assertTrue(future.done())


in_all_modes(globals(), _LiveServer)


class TestBlockedHandlerThread(ServerTests, unittest.TestCase):
    device_class = Live

    def test_more_clients_than_the_queue_takes_are_answered(self):
        blocked, release = threading.Event(), threading.Event()

        def request_block(server, req, msg):
            blocked.set()
            release.wait(10)
            return req.make_reply("ok")

        self.server._request_handlers = dict(self.server._request_handlers, block=request_block)
        blocker = self.connect(greeted=False)
        blocker.send(b"?block\n")
        self.addCleanup(release.set)
        blocked.wait(10)
        clients = [self.connect(greeted=False) for _ in range(MAX_QUEUED_MESSAGES + 20)]
        for client in clients:
            client.send(b"?echo 1\n?echo 2\n")
        self.server.sync_with_ioloop(timeout=10)
        release.set()
        self.assertEqual(blocker.line(), b"!block ok")
        for client in clients:
            self.assertEqual(client.lines(2), [b"!echo ok 1", b"!echo ok 2"])


class Overriding(Live):
    """Sees all messages before they are handled."""

    seen = ()

    def handle_message(self, client_conn, msg):
        self.seen += (msg.name,)
        if msg.name == "explode":
            raise ValueError("outside of a handler")
        if msg.name == "unspeakable":
            raise Unspeakable
        return super(Overriding, self).handle_message(client_conn, msg)


class OverridingCoroutine(Live):
    """Sees all messages before they are handled, and takes its time."""

    seen = ()

    @gen.coroutine
    def handle_message(self, client_conn, msg):
        self.seen += (msg.name,)
        yield gen.moment
        if msg.name == "explode":
            raise ValueError("outside of a handler")
        if msg.name == "unspeakable":
            raise Unspeakable
        yield super(OverridingCoroutine, self).handle_message(client_conn, msg) or []


class _OverriddenHandleMessage(ServerTests):
    device_class = Overriding

    def test_it_is_called(self):
        client = self.connect(greeted=False)
        client.send(b"?echo 1\n#inform\n?coroutine ok\n!reply\n?echo 2\n")
        self.assertEqual(client.lines(3), [b"!echo ok 1", b"!coroutine ok", b"!echo ok 2"])
        self.assertEqual(self.server.seen, ("echo", "inform", "coroutine", "reply", "echo"))

    def test_its_failures_are_answered(self):
        client = self.connect(greeted=False)
        with LogRecorder(self.server._logger.name) as log:
            line = client.ask(b"?explode[3]")[-1]
            self.assertEqual(line, b"!explode[3] fail ValueError:\\_outside\\_of\\_a\\_handler")
            line = client.ask(b"?unspeakable[4]")[-1]
            self.assertEqual(
                line, b"!unspeakable[4] fail Unspeakable:\\_<Unspeakable\\_that\\_cannot\\_be\\_shown>")
            client.send(b"#explode\n")
            self.assertEqual(client.ask(b"?echo[9]")[-1], b"!echo[9] ok")
        self.assertIn("Error", " ".join(log.messages))


in_all_modes(globals(), _OverriddenHandleMessage)


class _OverriddenHandleMessageCoroutine(_OverriddenHandleMessage):
    device_class = OverridingCoroutine


in_all_modes(globals(), _OverriddenHandleMessageCoroutine)


class OverridingOnMessage(Live):
    """Sees messages as they come from the network."""

    seen = ()

    def on_message(self, client_conn, msg):
        self.seen += (msg.name,)
        return super(OverridingOnMessage, self).on_message(client_conn, msg)


class _OverriddenOnMessage(ServerTests):
    device_class = OverridingOnMessage

    def test_it_is_called(self):
        client = self.connect(greeted=False)
        client.send(b"?echo 1\n#inform\n?coroutine ok\n?echo 2\n")
        self.assertEqual(client.lines(3), [b"!echo ok 1", b"!coroutine ok", b"!echo ok 2"])
        self.assertEqual(self.server.seen, ("echo", "inform", "coroutine", "echo"))


in_all_modes(globals(), _OverriddenOnMessage)


class _DebugLogOff(ServerTests):
    device_class = Live

    def test_messages_are_not_formatted(self):
        logger = self.server._logger
        self.addCleanup(logger.setLevel, logger.level)
        logger.setLevel(logging.WARNING)
        client = self.connect(greeted=False)
        with mock.patch.object(Message, "log_text") as log_text:
            client.ask(b"?echo 1")
        self.assertEqual(log_text.call_count, 0)


in_all_modes(globals(), _DebugLogOff)


if __name__ == "__main__":
    unittest.main()
