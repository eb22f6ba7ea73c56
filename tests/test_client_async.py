"""AsyncClient: which reply belongs to which request, and what becomes of requests without one."""

from __future__ import absolute_import, division, print_function

import gc
import logging
import re
import unittest
import weakref

from tornado import gen
from tornado.testing import gen_test

from katcp import compat
from katcp.client import AsyncClient, DeviceClient, KatcpClientError, Message
from tests.support import mock
from tests.support.client_cases import (CapturedLog, LIMIT, LoopTestCase, Recorder, ServerMixin,
                                        ThreadedTestCase)
from tests.support.clock import TimewarpAsyncTestCase
from tests.support.scripted_server import V4_GREETING, no_reply, reply_ok

STOPPED = "Client stopped before reply was received"
CLOSED = "Connection closed before reply was received"


class ClientTestCase(LoopTestCase):
    greeting = None
    answer = staticmethod(reply_ok)

    def setUp(self):
        super(ClientTestCase, self).setUp()
        self.server = self.make_server(answer=self.answer)
        if self.greeting is not None:
            self.server.greeting = self.greeting
        self.client = self.make_loop_client(AsyncClient, self.server)
        self.client.start()
        self.io_loop.run_sync(self.client.until_protocol, timeout=LIMIT)
        self.connection = self.server.wait_for_connection()

    def tearDown(self):
        self.client.stop()
        self.io_loop.run_sync(self.client.until_stopped, timeout=LIMIT)
        self.assertEqual(self.client._async_queue, {})
        self.assertEqual(self.client._async_id_stack, {})
        super(ClientTestCase, self).tearDown()

    def assert_failure(self, reply, request, text):
        self.assertEqual(reply, Message.reply(request.name, "fail", text, mid=request.mid))
        self.assertIs(type(reply), Message)
        self.assertFalse(reply.reply_ok())

    @gen.coroutine
    def until_called(self, recorder, number=1):
        while len(recorder.calls) < number:
            yield gen.moment


class TestUnexpectedMessages(ClientTestCase):
    answer = staticmethod(no_reply)

    def setUp(self):
        super(TestUnexpectedMessages, self).setUp()
        self.end = Recorder()
        self.client._inform_handlers["end"] = lambda client, msg: self.end(msg)

    @gen.coroutine
    def logged(self, data):
        """Return what is logged, as INFO or above, while the client receives `data`."""
        with CapturedLog("katcp.client", level=logging.INFO) as log:
            self.connection.send(data + b"#end\n")
            yield self.until_called(self.end)
        del self.end.calls[:]
        raise gen.Return([(record.levelname, record.msg, record.args) for record in log.records])

    def unexpected(self, kind, message):
        return ("INFO", "Unexpected %s from %s: %s" % (kind, self.client.bind_address_string, message), ())

    @gen_test
    def test_they_are_logged(self):
        for kind, data in (("reply", b"!ghost[77] ok 1"), ("reply", b"!ghost ok"),
                           ("request", b"?ghost[5] x")):
            logged = yield self.logged(data + b"\n")
            self.assertEqual(logged, [self.unexpected(kind, data.decode("ascii"))])
        logged = yield self.logged(b"!x \xff\n")
        self.assertEqual(len(logged), 1)

    @gen_test
    def test_a_reply_that_is_late(self):
        reply, _ = yield self.client.future_request(Message.request("slow", mid=8), timeout=0.001)
        self.assertFalse(reply.reply_ok())
        logged = yield self.logged(b"!slow[8] ok\n")
        self.assertEqual(logged, [self.unexpected("reply", "!slow[8] ok")])

    @gen_test
    def test_expected_ones_are_not(self):
        self.client.callback_request(Message.request("quiet", mid=9))
        future = self.client.future_request(Message.request("asked", mid=10))
        self.client._reply_handlers["handled"] = lambda client, msg: None
        self.client._request_handlers["handled"] = lambda client, msg: None
        logged = yield self.logged(b"!quiet[9] ok\n!asked[10] ok\n!handled ok\n?handled\n#unknown\n")
        self.assertEqual(logged, [])
        yield future
        self.client.unhandled_reply = self.client.unhandled_request = lambda msg: None
        logged = yield self.logged(b"!ghost[77] ok\n?ghost\n")
        self.assertEqual(logged, [])


class TestRequests(ClientTestCase):
    @staticmethod
    def answer(line):
        name = re.match(br"\?([^\[ ]+)(\[\d+\])?", line)
        head = name.group(1) + (name.group(2) or b"")
        if name.group(1) == b"help":
            return b"#" + head + b" a doc-a\n#" + head + b" b doc-b\n!" + head + b" ok 2\n"
        if name.group(1) == b"silent":
            return b""
        return b"!" + head + b" ok\n"

    @gen_test
    def test_future_request(self):
        reply, informs = yield self.client.future_request(Message.request("help"))
        self.assertEqual(reply, Message.reply("help", "ok", 2, mid=1))
        self.assertEqual(informs, [Message.inform("help", "a", "doc-a", mid=1),
                                   Message.inform("help", "b", "doc-b", mid=1)])
        self.assertEqual(self.server.lines, [b"?help[1]"])

    @gen_test
    def test_use_mid(self):
        results = yield [self.client.future_request(Message.request("a")),
                         self.client.future_request(Message.request("b"), use_mid=False),
                         self.client.future_request(Message.request("c", mid=42)),
                         self.client.future_request(Message.request("d"), use_mid=True),
                         self.client.future_request(Message.request("e"), None, False)]
        self.assertEqual([reply.mid for reply, _ in results], [b"1", None, b"42", b"3", None])
        self.assertEqual(self.server.lines, [b"?a[1]", b"?b", b"?c[42]", b"?d[3]", b"?e"])

    @gen_test
    def test_nothing_is_sent_with_a_timeout_that_is_none(self):
        with self.assertRaises(TypeError):
            yield self.client.future_request(Message.request("a"), timeout="5")
        yield self.client.future_request(Message.request("b"))
        self.assertEqual(self.server.lines, [b"?b[2]"])

    @gen_test
    def test_callbacks(self):
        informs, reply = Recorder(), Recorder()
        result = self.client.callback_request(Message.request("help"), reply, informs)
        self.assertIsNone(result)
        yield self.until_called(reply)
        self.assertEqual(informs.messages, [b"#help[1] a doc-a", b"#help[1] b doc-b"])
        self.assertEqual(reply.messages, [b"!help[1] ok 2"])

    @gen_test
    def test_user_data(self):
        for user_data, expected in (((5, "foo"), (5, "foo")), ("ab", ("a", "b")), ((), ()),
                                    (iter([1]), None), ([None], (None,))):
            informs, reply = Recorder(), Recorder()
            if expected is None:  # an iterator can be used once only
                informs, expected = None, (1,)
            self.client.callback_request(msg=Message.request("help"), reply_cb=reply, inform_cb=informs,
                                         user_data=user_data, timeout=3, use_mid=True)
            yield self.until_called(reply)
            self.assertEqual(reply.calls[0][1:], expected)
            for call in informs.calls if informs else ():
                self.assertEqual(call[1:], expected)

    @gen_test
    def test_failing_callbacks(self):
        def fail(msg):
            reply(msg)
            raise ValueError("Failure of a callback")

        reply = Recorder()
        with CapturedLog("katcp.client") as log:
            self.client.callback_request(Message.request("help"), fail, fail)
            yield self.until_called(reply, 3)
        self.assertEqual([text.split("\n")[0] for text in log.messages],
                         2 * ["Callback inform help FAIL: Traceback (most recent call last):"]
                         + ["Callback reply help FAIL: Traceback (most recent call last):"])

    @gen_test
    def test_cancelled_callbacks(self):
        def cancelled(msg):
            reply(msg)
            raise compat.CANCELLED_ERRORS[-1]()

        reply = Recorder()
        with CapturedLog("katcp.client") as log:
            self.client.callback_request(Message.request("help"), cancelled, cancelled)
            yield self.until_called(reply, 3)
            self.client.disconnect()
            yield self.client.until_disconnected()
            self.client.callback_request(Message.request("unsent"), cancelled)
        self.assertEqual([text.split(":")[0] for text in log.messages],
                         2 * ["Callback inform help FAIL"]
                         + ["Callback reply help FAIL", "Callback reply unsent FAIL"])

    @gen_test
    def test_without_callbacks_handlers_are_called(self):
        seen = Recorder()
        self.client._inform_handlers["help"] = lambda client, msg: seen(msg, client)
        self.client._reply_handlers["help"] = lambda client, msg: seen(msg, client)
        self.client.callback_request(Message.request("help"))
        yield self.until_called(seen, 3)
        self.assertEqual(seen.messages, [b"#help[1] a doc-a", b"#help[1] b doc-b", b"!help[1] ok 2"])
        self.assertEqual([call[1] for call in seen.calls], 3 * [self.client])

    @gen_test
    def test_informs_to_handlers_reply_to_callback(self):
        seen, reply = Recorder(), Recorder()
        self.client.unhandled_inform = seen
        self.client.callback_request(Message.request("help"), reply)
        yield self.until_called(reply)
        self.assertEqual(len(seen.calls), 2)

    @gen_test
    def test_same_message_again(self):
        msg = Message.request("help")
        yield self.client.future_request(msg)
        reply, informs = yield self.client.future_request(msg)
        self.assertEqual(reply.mid, b"1")
        self.assertEqual(len(informs), 2)
        self.assertEqual(self.client._last_msg_id, 1)

    @gen_test
    def test_id_in_use(self):
        seen = Recorder()
        self.client.callback_request(Message.request("silent", mid=5), seen)
        reply, _ = yield self.client.future_request(Message.request("silent", mid=5))
        self.assertEqual(reply.mtype, Message.REPLY)
        self.assertEqual(reply.arguments, [b"fail", b"Message ID 5 is in use by another pending request"])
        self.assertEqual(seen.calls, [])
        self.connection.send(b"!silent[5] ok\n")
        yield self.until_called(seen)
        self.assertEqual(self.server.wait_for_lines(1), [b"?silent[5]"])

    @gen_test
    def test_ids_in_use_are_skipped(self):
        self.client.callback_request(Message.request("silent", mid=1), Recorder())
        self.client.callback_request(Message.request("silent", mid=3), Recorder())
        ids = []
        for _ in range(3):
            msg = Message.request("a")
            yield self.client.future_request(msg)
            ids.append(msg.mid)
        self.assertEqual(ids, [b"2", b"4", b"5"])

    @gen_test
    def test_ids_that_were_not_sent_are_skipped_too(self):
        without_id = Message.request("silent")
        self.client.callback_request(without_id, Recorder(), use_mid=False)
        self.client._last_msg_id = 0
        msg = Message.request("a")
        yield self.client.future_request(msg)
        self.assertEqual((without_id.mid, msg.mid), (None, b"2"))

    @gen_test
    def test_cancelled_future(self):
        future = self.client.future_request(Message.request("silent"))
        if not hasattr(future, "cancel") or not future.cancel():
            compat.resolve(future, "given up")  # tornado's own futures cannot be cancelled
        with CapturedLog("katcp.client") as log:
            self.connection.send(b"!silent[1] ok\n")
            yield self.client.future_request(Message.request("a"))
        self.assertEqual(log.records, [])

    @gen_test
    def test_future_is_done_with_the_reply(self):
        future = self.client.future_request(Message.request("silent"))
        self.assertFalse(future.done())
        self.client.handle_message(Message.reply("silent", "ok", mid=1))
        self.assertTrue(future.done())

    @gen_test
    def test_handlers_that_return_futures_are_not_waited_for(self):
        seen = Recorder()
        futures = []

        def handler(client, msg):
            seen(msg)
            futures.append(compat.new_future(self.io_loop))
            return futures[-1]

        self.client._inform_handlers["slow"] = handler
        self.assertIsNone(self.client.handle_inform(Message.inform("slow")))
        self.connection.send(b"#slow 1\n#slow 2\n")
        yield self.until_called(seen, 3)
        with CapturedLog("katcp.client") as log:
            futures[0].set_result(None)
            futures[1].set_exception(ValueError("Late failure"))
            yield gen.moment
            yield gen.moment
        self.assertEqual(log.messages, ["Inform slow FAIL: Late failure"])

    @gen_test
    def test_coroutines_as_callbacks(self):
        @gen.coroutine
        def fail(msg):
            yield gen.moment
            raise ValueError("Late failure")

        self.client._reply_handlers["a"] = lambda client, msg: fail(msg)
        with CapturedLog("katcp.client") as log:
            self.client.callback_request(Message.request("help"), reply_cb=fail)
            self.client.callback_request(Message.request("a"))
            while len(log.records) < 2:
                yield gen.moment
        self.assertEqual(sorted(log.messages), ["Callback reply help FAIL: Late failure",
                                                "Reply a FAIL: Late failure"])


class TestMatching(ClientTestCase):
    answer = staticmethod(no_reply)

    def request(self, name, **kwargs):
        seen = Recorder()
        self.client.callback_request(Message.request(name), seen, seen, **kwargs)
        return seen

    @gen.coroutine
    def answer_with(self, data):
        seen = self.client.unhandled_inform = Recorder()
        self.connection.send(data + b"#end\n")
        yield self.until_called(seen)

    @gen_test
    def test_any_order(self):
        first, second = self.request("a"), self.request("a")
        yield self.answer_with(b"#a[2] x\n#a[1] y\n!a[2] ok\n!a[1] ok\n")
        self.assertEqual(first.messages, [b"#a[1] y", b"!a[1] ok"])
        self.assertEqual(second.messages, [b"#a[2] x", b"!a[2] ok"])

    @gen_test
    def test_informs_of_another_name(self):
        with_id, without = self.request("a"), self.request("b", use_mid=False)
        self.client.callback_request(Message.request("c"))
        yield self.answer_with(b"#progress[1] 50\n#a[1] x\n#c[1] y\n!a[1] ok\n#progress[1] z\n!b ok\n")
        self.assertEqual(with_id.messages, [b"#progress[1] 50", b"#a[1] x", b"#c[1] y", b"!a[1] ok"])
        self.assertEqual(without.messages, [b"!b ok"])
        yield self.answer_with(b"#progress[3] 1\n#progress 2\n#b 3\n!c[3] ok\n")
        self.assertEqual(self.client.unhandled_inform.messages, [
            b"#progress[3] 1", b"#progress 2", b"#b 3", b"#end"])

    @gen_test
    def test_without_ids_in_order(self):
        first, second, third = (self.request("a", use_mid=False), self.request("b", use_mid=False),
                                self.request("a", use_mid=False))
        yield self.answer_with(b"#a 1\n#b 2\n!a ok\n#a 3\n!a ok\n!b ok\n")
        self.assertEqual(first.messages, [b"#a 1", b"!a ok"])
        self.assertEqual(second.messages, [b"#b 2", b"!b ok"])
        self.assertEqual(third.messages, [b"#a 3", b"!a ok"])

    @gen_test
    def test_mixed(self):
        with_id, without = self.request("a"), self.request("a", use_mid=False)
        yield self.answer_with(b"!a ok\n!a[1] ok\n")
        self.assertEqual(with_id.messages, [b"!a[1] ok"])
        self.assertEqual(without.messages, [b"!a ok"])

    @gen_test
    def test_unmatched(self):
        seen = self.client.unhandled_reply = Recorder()
        request = self.request("a")
        yield self.answer_with(b"!a ok\n!a[7] ok\n!b[1] ok\n!b ok\n!a[1] ok\n!a[1] late\n")
        self.assertEqual(seen.messages, [b"!a ok", b"!a[7] ok", b"!b[1] ok", b"!b ok", b"!a[1] late"])
        self.assertEqual(request.messages, [b"!a[1] ok"])

    @gen_test
    def test_overridden_handle_inform_sees_all(self):
        seen = Recorder()

        def handle_inform(msg):
            seen(msg)
            return AsyncClient.handle_inform(self.client, msg)

        self.client.handle_inform = handle_inform
        request = self.request("a")
        yield self.answer_with(b"#a[1] x\n#b\n!a[1] ok\n")
        self.assertEqual(seen.messages, [b"#a[1] x", b"#b", b"#end"])
        self.assertEqual(request.messages, [b"#a[1] x", b"!a[1] ok"])


class TestTable(ClientTestCase):
    """The table of pending requests as subclasses use it."""

    answer = staticmethod(no_reply)

    @gen_test
    def test_push_peek_pop(self):
        request, other = Message.request("a", mid=7), Message.request("a")
        self.client._push_async_request(b"7", request, 1, 2, 3, 4)
        self.client._push_async_request(b"8", other, 5, 6, 7, 8)
        self.assertEqual(self.client._async_queue[b"7"], (request, 1, 2, 3, 4))
        self.assertEqual(self.client._msg_id_for_name("a"), b"7")
        self.assertEqual(self.client._peek_async_request(b"7", "a"), (request, 1, 2, 3, 4))
        self.assertEqual(self.client._peek_async_request(None, "a"), (request, 1, 2, 3, 4))
        self.assertEqual(self.client._pop_async_request(b"8", None), (other, 5, 6, 7, 8))
        self.assertEqual(self.client._pop_async_request(None, "a"), (request, 1, 2, 3, 4))
        for msg_id, name in ((b"7", "a"), (None, "a"), (b"8", None)):
            self.assertEqual(self.client._pop_async_request(msg_id, name), 5 * (None,))
            self.assertEqual(self.client._peek_async_request(msg_id, name), 5 * (None,))
        self.assertIsNone(self.client._msg_id_for_name("a"))

    @gen_test
    def test_entries(self):
        request, reply, inform = Message.request("a"), Recorder(), Recorder()
        self.client.callback_request(request, reply, inform, (1,), timeout=7)
        (key, entry), = self.client._async_queue.items()
        self.assertEqual(key, b"1")
        self.assertEqual(entry[:4], (request, reply, inform, (1,)))
        self.assertIsNotNone(entry[4])
        self.client._pop_async_request(b"1", None)
        self.client._request_timeout = None
        self.client.callback_request(request, reply, inform)
        self.assertIsNone(self.client._async_queue[b"1"][4])
        self.client._reset_async_requests()
        self.assertEqual(self.client._async_queue, {})

    @gen_test
    def test_timeout_of_an_unknown_id(self):
        self.client._handle_timeout(b"123", self.io_loop.time())

    @gen_test
    def test_other_threads(self):
        self.client.ioloop_thread_id, me = -1, self.client.ioloop_thread_id
        try:
            for call in (lambda: self.client._push_async_request(b"7", Message.request("a"), *4 * (None,)),
                         lambda: self.client._pop_async_request(b"7", None),
                         lambda: self.client._peek_async_request(b"7", None),
                         lambda: self.client.callback_request(Message.request("a", mid=1))):
                self.assertRaises(AssertionError, call)
            with self.assertRaises(AssertionError):
                self.client.future_request(Message.request("a")).result()
        finally:
            self.client.ioloop_thread_id = me
        self.assertEqual(self.client._async_queue, {})


class TestFailedSending(ClientTestCase):
    answer = staticmethod(no_reply)

    @gen_test
    def test_not_connected(self):
        self.client.disconnect()
        yield self.client.until_disconnected()
        request = Message.request("a")
        future = self.client.future_request(request)
        self.assertTrue(future.done())
        reply, informs = yield future
        self.assert_failure(reply, request, "Not connected to device " + self.client.bind_address_string)
        self.assertEqual(informs, [])

    @gen_test
    def test_no_ids(self):
        self.client._server_supports_ids = False
        for request, use_mid in ((Message.request("a", mid=5), None), (Message.request("a"), True)):
            seen = Recorder()
            self.client.callback_request(request, seen, use_mid=use_mid)
            self.assertEqual(len(seen.calls), 1)
            self.assert_failure(seen.calls[0][0], request, "Message IDs not supported by server")
        request = Message.request("a")
        self.client.callback_request(request, seen)
        self.assertIsNone(request.mid)

    @gen_test
    def test_replaced_send_message(self):
        self.client.send_message = mock.Mock(side_effect=KatcpClientError("Error foo"))
        for use_mid in (True, False):
            seen = Recorder()
            request = Message.request("foo")
            self.client.callback_request(request, reply_cb=seen, use_mid=use_mid)
            self.assertEqual(len(seen.calls), 1)
            self.assert_failure(seen.calls[0][0], request, "Error foo")
            self.assertEqual(self.client.send_message.call_args, mock.call(request))

    @gen_test
    def test_failure_belongs_to_its_own_request(self):
        pending, failed = Recorder(), Recorder()
        self.client.callback_request(Message.request("a"), pending, use_mid=False)
        self.client.send_message = mock.Mock(side_effect=KatcpClientError("Error foo"))
        self.client.callback_request(Message.request("a"), failed, use_mid=False)
        self.assertEqual((len(pending.calls), len(failed.calls)), (0, 1))

    @gen_test
    def test_without_callback_the_handlers_get_it(self):
        seen = self.client.unhandled_reply = Recorder()
        self.client.send_message = mock.Mock(side_effect=KatcpClientError("Error foo"))
        self.client.callback_request(Message.request("foo"))
        self.assertEqual(seen.messages, [b"!foo[1] fail Error\\_foo"])

    @gen_test
    def test_callback_that_tries_again(self):
        seen = Recorder()
        self.client.send_message = mock.Mock(side_effect=KatcpClientError("Error foo"))

        def again(msg):
            seen(msg)
            if len(seen.calls) < 3:
                self.client.callback_request(Message.request("foo"), again)

        self.client.callback_request(Message.request("foo"), again)
        self.assertEqual(len(seen.calls), 3)

    @gen_test
    def test_other_errors_leave_nothing_behind(self):
        with self.assertRaises(AssertionError):
            self.client.callback_request(Message.inform("a"), Recorder())
        self.assertEqual(self.client._async_queue, {})
        with self.assertRaises(AssertionError):
            yield self.client.future_request(Message.inform("a"))
        self.client.send_message = mock.Mock(side_effect=ValueError("Other"))
        with self.assertRaises(ValueError):
            yield self.client.future_request(Message.request("a"))
        self.assertEqual(self.client._async_queue, {})


class TestEnds(ClientTestCase):
    answer = staticmethod(no_reply)

    @gen_test
    def test_disconnect(self):
        order = []
        self.client.notify_connected = lambda connected: order.append(connected)
        requests = [Message.request("slow", mid=55), Message.request("a"), Message.request("b")]
        futures = [self.client.future_request(requests[0])]
        futures.append(self.client.future_request(requests[1], use_mid=False))
        self.client.callback_request(requests[2], lambda msg: order.append(msg.name))
        self.client.callback_request(Message.request("nobody-cares"))
        self.client._disconnect()
        replies = yield futures
        for (reply, informs), request in zip(replies, requests):
            self.assert_failure(reply, request, CLOSED)
            self.assertEqual(informs, [])
        self.assertEqual(order, [False, "b"])

    @gen_test
    def test_stop(self):
        request = Message.request("slow", mid=56)
        future = self.client.future_request(request)
        self.client.stop()
        reply, _ = yield future
        self.assert_failure(reply, request, STOPPED)

    @gen_test
    def test_callback_may_ask_again(self):
        again = []

        def ask(msg):
            again.append(self.client.future_request(Message.request("more")))

        self.client.callback_request(Message.request("slow"), ask)
        self.client._disconnect()
        while not again:
            yield gen.moment
        reply, _ = yield again[0]
        self.assertIn(b"Not connected", reply.arguments[1])

    @gen_test
    def test_failing_callback(self):
        def fail(msg):
            raise ValueError("No")

        with CapturedLog("katcp.client") as log:
            self.client.callback_request(Message.request("slow"), fail)
            future = self.client.future_request(Message.request("slow"))
            self.client._disconnect()
            yield future
        self.assertTrue(log.messages[0].startswith(
            "Callback reply during failure %s, slow FAIL: " % CLOSED), log.messages)

    @gen_test
    def test_cancelled_notify_connected(self):
        def notify_connected(connected):
            raise compat.CANCELLED_ERRORS[-1]()

        self.client.notify_connected = notify_connected
        request = Message.request("slow")
        future = self.client.future_request(request, timeout=3 * LIMIT)
        self.client._disconnect()
        reply, _ = yield future
        self.assert_failure(reply, request, CLOSED)

    @gen_test
    def test_replies_before_the_end_count(self):
        for _ in range(20):
            yield self.client.until_connected()
            connection = self.server.wait_for_connection()
            future, other = (self.client.future_request(Message.request("a"), use_mid=False),
                             self.client.future_request(Message.request("b"), use_mid=False))
            self.client._stream.flush()
            self.server.wait_for_lines(2)
            connection.send(b"#a 1\n!a ok\n#b 2\n!b o")
            connection.close()
            self.client.auto_reconnect_delay = 0.001
            reply, informs = yield future
            self.assertEqual((reply.arguments, len(informs)), ([b"ok"], 1))
            reply, informs = yield other
            self.assertEqual((reply.arguments[1], len(informs)), (CLOSED.encode(), 1))
            yield self.client.until_disconnected()
            del self.server.lines[:]


class TestVersion4(ClientTestCase):
    greeting = V4_GREETING

    @gen_test
    def test_no_ids_by_default(self):
        reply, _ = yield self.client.future_request(Message.request("watchdog"))
        self.assertEqual(reply, Message.reply("watchdog", "ok"))
        self.assertEqual(self.server.lines, [b"?watchdog"])
        self.assertEqual(self.client.versions, {})


class TestTime(ServerMixin, TimewarpAsyncTestCase):
    """Under a clock that is moved by hand."""

    def setUp(self):
        super(TestTime, self).setUp()
        self.server = self.make_server(answer=no_reply)
        self.client = AsyncClient(*self.server.address)
        self.client.set_ioloop(self.io_loop)

    def tearDown(self):
        self.client.stop()
        self.io_loop.run_sync(self.client.until_stopped)
        super(TestTime, self).tearDown()

    @gen_test(timeout=1000)
    def test_timeouts(self):
        self.client.start()
        yield self.client.until_protocol()
        start = 10
        for default, argument, expected in ((5, None, 5), (3, None, 3), (3, 1, 1), (None, 7, 7)):
            self.client._request_timeout = default
            yield self.set_ioloop_time(start)
            request = Message.request("slow")
            future = self.client.future_request(request, timeout=argument)
            yield self.set_ioloop_time(start + expected * 0.9999)
            self.assertFalse(future.done())
            yield self.set_ioloop_time(start + expected * 1.0001)
            self.assertTrue(future.done())
            reply, informs = yield future
            self.assertEqual(reply, Message.reply(
                "slow", "fail", "Request slow timed out after {:f} seconds.".format(expected * 1.0001),
                mid=request.mid))
            self.assertEqual(informs, [])
            start += 100

    @gen_test(timeout=1000)
    def test_no_timeout(self):
        self.client._request_timeout = None
        self.client.start()
        yield self.client.until_protocol()
        future = self.client.future_request(Message.request("slow"))
        yield self.set_ioloop_time(900)
        self.assertFalse(future.done())

    @gen_test(timeout=1000)
    def test_timeout_0(self):
        self.client.start()
        yield self.client.until_protocol()
        future = self.client.future_request(Message.request("slow"), timeout=0)
        self.assertFalse(future.done())
        reply, _ = yield future
        self.assertEqual(reply.arguments[1], b"Request slow timed out after 0.000000 seconds.")

    @gen_test(timeout=1000)
    def test_without_id(self):
        self.client.start()
        yield self.client.until_protocol()
        late = self.client.unhandled_reply = Recorder()
        future = self.client.future_request(Message.request("slow"), use_mid=False, timeout=1)
        yield self.set_ioloop_time(1.1)
        reply, _ = yield future
        self.assertIsNone(reply.mid)
        # The late reply does no harm.
        self.server.wait_for_connection().send(b"!slow ok\n")
        while not late.calls:
            yield gen.moment
        future = self.client.future_request(Message.request("slow"), use_mid=False)
        self.server.wait_for_connection().send(b"!slow ok 2\n")
        reply, _ = yield future
        self.assertEqual(reply.arguments, [b"ok", b"2"])

    @gen_test(timeout=1000)
    def test_callback_runs_in_the_timer(self):
        self.client.start()
        yield self.client.until_protocol()
        seen, silent = Recorder(), self.client.unhandled_reply
        self.client.callback_request(Message.request("slow"), seen, user_data=(1,), timeout=1)
        self.client.callback_request(Message.request("slow"), timeout=1)
        yield self.set_ioloop_time(1)
        self.assertEqual(len(seen.calls), 1)
        self.assertEqual(seen.calls[0][1:], (1,))
        self.assertEqual(self.client._async_queue, {})
        self.assertEqual(silent, self.client.unhandled_reply)

    @gen_test(timeout=1000)
    def test_cancelled_callback_leaves_others_theirs(self):
        def cancelled(msg):
            raise compat.CANCELLED_ERRORS[-1]()

        self.client.start()
        yield self.client.until_protocol()
        self.client.callback_request(Message.request("slow"), cancelled, timeout=1)
        future = self.client.future_request(Message.request("slow"), timeout=1)
        yield self.set_ioloop_time(1)
        self.assertTrue(future.done())

    @gen_test(timeout=1000)
    def test_last_connect_time_and_retries(self):
        self.server.stop()
        self.client.auto_reconnect_delay = 20
        yield self.set_ioloop_time(100)
        self.client.start()
        yield self.client._waiting_to_retry.until_set()
        self.assertIsNone(self.client.last_connect_time)
        server = self.make_server(port=self.server.address[1])
        yield self.set_ioloop_time(119.9)
        yield gen.moment
        self.assertTrue(self.client._waiting_to_retry.is_set())
        yield self.set_ioloop_time(120.1)
        yield self.client.until_connected()
        self.assertFalse(self.client._waiting_to_retry.is_set())
        self.assertEqual(self.client.last_connect_time, 120.1)
        yield self.set_ioloop_time(200)
        self.assertEqual(self.client.last_connect_time, 120.1)
        server.wait_for_connection().close()
        yield self.client._waiting_to_retry.until_set()
        self.assertEqual(self.client.last_connect_time, 120.1)
        yield self.set_ioloop_time(220)
        yield self.client.until_connected()
        self.assertEqual(self.client.last_connect_time, 220)

    @gen_test(timeout=1000)
    def test_one_timeout_for_running_and_connected(self):
        self.server.stop()
        connected = self.client.until_connected(timeout=10)
        yield self.set_ioloop_time(4)
        self.client.start()
        yield self.client._waiting_to_retry.until_set()
        yield self.set_ioloop_time(9.9)
        self.assertFalse(connected.done())
        yield self.set_ioloop_time(10)
        yield gen.moment
        self.assertTrue(connected.done())
        with self.assertRaises(compat.GenTimeoutError):
            yield connected

    @gen_test(timeout=1000)
    def test_until_with_timeouts(self):
        self.server.greeting = b""
        self.client.start()
        connected = self.client.until_connected(timeout=10)
        yield connected
        protocol = self.client.until_protocol(timeout=10)
        yield self.set_ioloop_time(9.9)
        self.assertFalse(protocol.done())
        yield self.set_ioloop_time(10.1)
        with self.assertRaises(compat.GenTimeoutError):
            yield protocol
        self.server.wait_for_connection().send(b"#version x\n")
        yield self.client.until_protocol(timeout=10)
        for timeout in (0, -1, 0.0001):
            yield self.client.until_protocol(timeout=timeout)


class TestMemory(ThreadedTestCase):
    def test_answered_requests_leave_nothing(self):
        server = self.make_server()
        client = self.start_client(AsyncClient, server)
        self.assertTrue(client.wait_protocol(LIMIT))
        msg = Message.request("a")
        reply, informs = client.blocking_request(msg)
        self.assertTrue(reply.reply_ok())

        class Callback(object):
            def __call__(self, msg):
                pass

        callback = Callback()
        reference = weakref.ref(callback)
        self.in_loop(client, client.callback_request, Message.request("a"), callback)
        client.blocking_request(Message.request("b"))
        del callback
        gc.collect()
        self.assertIsNone(reference())
        self.assertEqual(client._async_queue, {})
        self.assertEqual(client._async_id_stack, {})


class TestSubclasses(unittest.TestCase):
    def test_constructor(self):
        logger = mock.Mock()
        client = AsyncClient("h", 1, 7, 8.5, logger, False)
        self.assertEqual((client._tb_limit, client._request_timeout, client._logger, client._auto_reconnect),
                         (7, 8.5, logger, False))
        client = DeviceClient("h", 1, 7, logger, False)
        self.assertEqual((client._tb_limit, client._logger, client._auto_reconnect), (7, logger, False))
