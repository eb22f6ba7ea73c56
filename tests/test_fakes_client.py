"""Tests of the client that calls functions instead of sending requests."""

from __future__ import absolute_import, division, print_function

import gc
import threading
import unittest
import weakref

from tornado import gen, testing

from katcp import compat
from katcp.client.async_client import AsyncClient
from katcp.errors import AsyncReply, FailReply
from katcp.fakes.client import FAKE_PROTOCOL, FakeAsyncClient
from katcp.fakes.requests import FakeClientRequestConnection, FakeKATCPServer, FakeKATCPServerError
from katcp.kattypes import Int, request, return_reply
from katcp.message import Message
from katcp.protocol import ProtocolFlags
from katcp.server.connections import ClientConnection
from katcp.testutils.clock import TimewarpAsyncTestCase
from tests.support import mock
from tests.support.logs import LogRecorder

LIMIT = 10


class Handlers(object):
    """Answers in all the ways there are."""

    def __init__(self):
        self.later = []

    @request(Int(), Int())
    @return_reply(Int())
    def request_add(self, req, a, b):
        req.inform(a, b)
        return ("ok", a + b)

    def request_plain(self, req, msg):
        return req.make_reply("ok", *msg.arguments)

    def request_from_elsewhere(self, req, msg):
        return Message.reply("elsewhere", "ok")

    def request_fail(self, req, msg):
        raise FailReply("No, thanks")

    def request_crash(self, req, msg):
        raise ZeroDivisionError("by zero")

    def request_forget(self, req, msg):
        pass

    @gen.coroutine
    def request_coroutine(self, req, msg):
        yield gen.moment
        raise gen.Return(req.make_reply("ok", "at last"))

    @gen.coroutine
    def request_failing_coroutine(self, req, msg):
        yield gen.moment
        raise FailReply("Not even later")

    @gen.coroutine
    def request_forgetful_coroutine(self, req, msg):
        yield gen.moment

    def request_reply_later(self, req, msg):
        self.later.append(req)
        raise AsyncReply

    def request_reply_at_once(self, req, msg):
        req.reply("ok", "at once")
        raise AsyncReply

    def request_tell_all(self, req, msg):
        req.mass_inform(Message.inform("news", "good"))
        req.client_connection.inform(Message.inform("secret"))
        return req.make_reply("ok")


class FakeClientTestCase(testing.AsyncTestCase):
    def setUp(self):
        super(FakeClientTestCase, self).setUp()
        self.client = FakeAsyncClient("nowhere", 5000)
        self.client.set_ioloop(self.io_loop)
        self.notified = self.client.notify_connected = mock.Mock()
        self.handlers = Handlers()
        for name in dir(Handlers):
            if name.startswith("request_"):
                self.client.request_handlers[name[len("request_"):].replace("_", "-")] = getattr(
                    self.handlers, name)

    def tearDown(self):
        self.client.stop()
        if self.client.ioloop_thread_id is not None:
            self.io_loop.run_sync(self.client.until_stopped, timeout=LIMIT)
        super(FakeClientTestCase, self).tearDown()

    @gen.coroutine
    def start(self):
        self.client.start()
        yield self.client.until_protocol(timeout=LIMIT)

    @gen.coroutine
    def ask(self, *args, **kwargs):
        """Return informs and reply as text."""
        mid = kwargs.pop("mid", None)
        reply, informs = yield self.client.future_request(Message.request(*args, mid=mid), **kwargs)
        raise gen.Return([str(msg) for msg in informs + [reply]])


class TestRequests(FakeClientTestCase):
    @testing.gen_test(timeout=LIMIT)
    def test_answered_at_once(self):
        yield self.start()
        future = self.client.future_request(Message.request("add", 1, 5, mid=123))
        self.assertTrue(future.done())
        reply, informs = future.result()
        self.assertEqual(str(reply), "!add[123] ok 6")
        self.assertEqual([str(msg) for msg in informs], ["#add[123] 1 5"])

    @testing.gen_test(timeout=LIMIT)
    def test_ids(self):
        yield self.start()
        self.assertEqual((yield self.ask("add", 1, 5)), ["#add[1] 1 5", "!add[1] ok 6"])
        self.assertEqual((yield self.ask("plain", "a b")), ["!plain[2] ok a\\_b"])
        self.assertEqual((yield self.ask("add", 1, 5, use_mid=False)), ["#add 1 5", "!add ok 6"])
        self.client.preset_protocol_flags(ProtocolFlags(4, 0, "M"))
        self.assertEqual((yield self.ask("plain")), ["!plain ok"])
        self.assertEqual((yield self.ask("plain", use_mid=True)),
                         ["!plain[5] fail Message\\_IDs\\_not\\_supported\\_by\\_server"])

    @testing.gen_test(timeout=LIMIT)
    def test_coroutines(self):
        yield self.start()
        first = self.ask("coroutine")
        second = self.ask("coroutine", use_mid=False)
        self.assertFalse(first.done())
        self.assertEqual((yield first), ["!coroutine[1] ok at\\_last"])
        self.assertEqual((yield second), ["!coroutine ok at\\_last"])

    @testing.gen_test(timeout=LIMIT)
    def test_async_reply(self):
        yield self.start()
        asking = self.client.future_request(Message.request("reply-later"))
        self.assertFalse(asking.done())
        self.handlers.later[0].inform("soon")
        self.handlers.later[0].reply("ok", 1)
        reply, informs = yield asking
        self.assertEqual([str(msg) for msg in informs + [reply]],
                         ["#reply-later[1] soon", "!reply-later[1] ok 1"])
        with self.assertRaises(RuntimeError):
            self.handlers.later[0].reply("ok")
        with self.assertRaises(RuntimeError):
            self.handlers.later[0].inform("too late")
        self.assertEqual((yield self.ask("reply-at-once")), ["!reply-at-once[2] ok at\\_once"])

    @testing.gen_test(timeout=LIMIT)
    def test_reply_with_message(self):
        yield self.start()
        asking = self.ask("reply-later")
        self.handlers.later[0].reply_with_message(Message.reply("reply-later", "ok", 2))
        self.assertEqual((yield asking), ["!reply-later[1] ok 2"])

    @testing.gen_test(timeout=LIMIT)
    def test_exceptions_reach_the_caller(self):
        yield self.start()
        for name, error in [("fail", FailReply), ("crash", ZeroDivisionError), ("forget", TypeError)]:
            future = self.client.future_request(Message.request(name))
            self.assertTrue(future.done())
            with self.assertRaises(error):
                yield future
        for name, error in [("failing-coroutine", FailReply), ("forgetful-coroutine", TypeError)]:
            with self.assertRaises(error):
                yield self.client.future_request(Message.request(name))
        self.assertEqual(len(self.client._pending.queue), 0)
        self.assertEqual(self.client._unanswered, {})

    @testing.gen_test(timeout=LIMIT)
    def test_exceptions_as_replies(self):
        self.client.errors_as_replies = True
        with LogRecorder("katcp.client"):
            yield self.start()
            self.assertEqual((yield self.ask("fail")), ["!fail[1] fail No,\\_thanks"])
            self.assertEqual((yield self.ask("crash")), ["!crash[2] fail by\\_zero"])
            self.assertEqual((yield self.ask("failing-coroutine")),
                             ["!failing-coroutine[3] fail Not\\_even\\_later"])
            self.assertIn("instead\\_of\\_a\\_reply", (yield self.ask("forgetful-coroutine"))[0])
            self.assertIn("instead\\_of\\_a\\_reply", (yield self.ask("forget"))[0])

    @testing.gen_test(timeout=LIMIT)
    def test_name_of_the_reply_does_not_matter(self):
        yield self.start()
        self.assertEqual((yield self.ask("from-elsewhere")), ["!elsewhere[1] ok"])
        self.assertEqual((yield self.ask("from-elsewhere", use_mid=False)), ["!elsewhere ok"])

    @testing.gen_test(timeout=LIMIT)
    def test_unknown_requests(self):
        yield self.start()
        self.assertEqual((yield self.ask("anything")), ["!anything[1] ok"])
        self.client.refuse_unknown_requests = True
        self.assertEqual((yield self.ask("anything")), ["!anything[2] invalid Unknown\\_request."])
        self.client.background_handlers["anything"] = self.handlers.request_plain
        self.assertEqual((yield self.ask("anything", 5)), ["!anything[3] ok 5"])

    @testing.gen_test(timeout=LIMIT)
    def test_callbacks(self):
        yield self.start()
        reply_cb, inform_cb = mock.Mock(return_value=None), mock.Mock(return_value=None)
        self.client.callback_request(Message.request("add", 2, 2), reply_cb, inform_cb, user_data=("me",))
        self.assertEqual([str(call[0][0]) for call in inform_cb.call_args_list], ["#add[1] 2 2"])
        self.assertEqual([str(call[0][0]) for call in reply_cb.call_args_list], ["!add[1] ok 4"])
        self.assertEqual(reply_cb.call_args[0][1:], ("me",))
        with LogRecorder("katcp.client"):
            self.client.callback_request(Message.request("failing-coroutine"), reply_cb)
            yield self.ask("coroutine")
            yield gen.moment
        self.assertEqual(str(reply_cb.call_args[0][0]), "!failing-coroutine[2] fail Not\\_even\\_later")

    @testing.gen_test(timeout=LIMIT)
    def test_requests_without_a_waiter(self):
        self.client.unhandled_reply = mock.Mock(return_value=None)
        yield self.start()
        self.client.request(Message.request("plain", 5))
        self.assertEqual(str(self.client.unhandled_reply.call_args[0][0]), "!plain[1] ok 5")
        self.client.send_message(Message.inform("to-nobody"))
        self.assertEqual(self.client.unhandled_reply.call_count, 1)

    @testing.gen_test(timeout=LIMIT)
    def test_informs_to_all(self):
        self.client.unhandled_inform = mock.Mock(return_value=None)
        hook = mock.Mock()
        self.client.hook_inform("news", hook)
        yield self.start()
        self.assertEqual((yield self.ask("tell-all")), ["!tell-all[1] ok"])
        self.assertEqual([str(call[0][0]) for call in self.client.unhandled_inform.call_args_list],
                         ["#news good", "#secret"])
        self.assertEqual(hook.call_count, 1)


class TestConnection(FakeClientTestCase):
    @testing.gen_test(timeout=LIMIT)
    def test_connected_when_started(self):
        self.assertFalse(self.client.is_connected())
        self.client.start()
        yield self.client.until_running(timeout=LIMIT)
        self.assertTrue(self.client.is_connected())
        self.assertIsInstance(self.client, AsyncClient)
        self.notified.assert_called_once_with(True)
        self.assertEqual(self.client.protocol_flags, FAKE_PROTOCOL)
        self.assertEqual(str(self.client.protocol_flags), "5.0-IM")
        self.assertLessEqual(self.client.last_connect_time, self.io_loop.time())
        self.assertEqual(self.client.sockname, ("nowhere", -1))

    @testing.gen_test(timeout=LIMIT)
    def test_preset_flags_are_kept(self):
        flags = ProtocolFlags(5, 1, "MIT")
        self.client.preset_protocol_flags(flags)
        yield self.start()
        self.assertEqual(self.client.protocol_flags, flags)

    @testing.gen_test(timeout=LIMIT)
    def test_device_goes_away_and_comes_back(self):
        yield self.start()
        asking = self.ask("reply-later")
        reply_cb = mock.Mock(return_value=None)
        self.client.callback_request(Message.request("reply-later", mid=50), reply_cb)
        self.client._disconnect()
        self.assertFalse(self.client.is_connected())
        self.assertEqual((yield asking),
                         ["!reply-later[1] fail Connection\\_closed\\_before\\_reply\\_was\\_received"])
        # Too late, and nobody's business.
        self.client.unhandled_reply = mock.Mock(return_value=None)
        for req in self.handlers.later:
            req.reply("ok")
        self.assertEqual(self.client.unhandled_reply.call_count, 0)
        self.assertEqual([call[0][0].arguments[0] for call in reply_cb.call_args_list], [b"fail"])
        self.assertEqual((yield self.ask("plain")),
                         ["!plain[2] fail Not\\_connected\\_to\\_device\\_nowhere:5000"])
        yield self.client._connect()
        yield self.client.until_protocol(timeout=LIMIT)
        self.assertEqual((yield self.ask("plain")), ["!plain[3] ok"])
        self.assertEqual([call[0][0] for call in self.notified.call_args_list], [True, False, True])

    @testing.gen_test(timeout=LIMIT)
    def test_disconnect_is_followed_by_a_connection(self):
        self.client.auto_reconnect_delay = 0.001
        yield self.start()
        self.client.disconnect()
        self.assertFalse(self.client.is_connected())
        yield self.client.until_connected(timeout=LIMIT)

    @testing.gen_test(timeout=LIMIT)
    def test_restart(self):
        yield self.start()
        self.client.stop()
        yield self.client.until_stopped(timeout=LIMIT)
        self.assertFalse(self.client.is_connected())
        yield self.start()
        self.assertEqual((yield self.ask("plain")), ["!plain[1] ok"])

    @testing.gen_test(timeout=LIMIT)
    def test_stop_answers_what_is_pending(self):
        yield self.start()
        asking = self.ask("reply-later")
        self.client.stop()
        self.assertEqual((yield asking),
                         ["!reply-later[1] fail Client\\_stopped\\_before\\_reply\\_was\\_received"])

    @testing.gen_test(timeout=LIMIT)
    def test_failing_notification(self):
        self.notified.side_effect = [ZeroDivisionError, None, None]
        with LogRecorder("katcp.client"):
            self.client.start()
            yield self.client.until_running(timeout=LIMIT)
        self.assertFalse(self.client.is_connected())
        self.assertIs(self.client.protocol_flags, None)

    @testing.gen_test(timeout=LIMIT)
    def test_nothing_is_left(self):
        client = FakeAsyncClient("nowhere", 5000)
        client.set_ioloop(self.io_loop)
        client.start()
        yield client.until_protocol()
        yield client.future_request(Message.request("anything"))
        client.stop()
        yield client.until_stopped()
        # As any client's, its own last steps come after that.
        for _ in range(3):
            yield gen.moment
        ref = weakref.ref(client)
        del client
        gc.collect()
        self.assertIs(ref(), None)


class TestTimeouts(TimewarpAsyncTestCase):
    @testing.gen_test(timeout=1000)
    def test_who_returns_by_itself(self):
        client = FakeAsyncClient("nowhere", 5000)
        client.set_ioloop(self.io_loop)
        client.auto_reconnect_delay = 10
        client.start()
        yield client.until_protocol()
        client.disconnect()
        for _ in range(5):
            yield gen.moment
        yield self.set_ioloop_time(9)
        self.assertFalse(client.is_connected())
        yield self.set_ioloop_time(11)
        yield client.until_connected()
        client._disconnect()
        for _ in range(5):
            yield gen.moment
        yield self.set_ioloop_time(100)
        for _ in range(5):
            yield gen.moment
        self.assertFalse(client.is_connected())
        client.stop()
        yield client.until_stopped()

    @testing.gen_test(timeout=1000)
    def test_slow_handler(self):
        client = FakeAsyncClient("nowhere", 5000)
        client.set_ioloop(self.io_loop)
        client.request_handlers["slow"] = lambda req, msg: gen.sleep(20)
        client.start()
        yield client.until_protocol()
        asking = client.future_request(Message.request("slow"), timeout=10)
        yield self.set_ioloop_time(9.9)
        self.assertFalse(asking.done())
        yield self.set_ioloop_time(10.1)
        reply, _ = yield asking
        self.assertIn(b"timed out", reply.arguments[1])
        # The handler's end is nobody's business any more.
        with LogRecorder("katcp.client"):
            yield self.set_ioloop_time(30)
            yield gen.moment
        client.stop()
        yield client.until_stopped()


class TestInThread(unittest.TestCase):
    """On a loop of its own, with thread safety."""

    def test_blocking_request(self):
        client = FakeAsyncClient("nowhere", 5000)
        client.enable_thread_safety()
        threads = []

        def where(req, msg):
            threads.append(compat.get_thread_ident())
            return req.make_reply("ok")

        client.request_handlers["where"] = where
        client.request_handlers["crash"] = Handlers().request_crash
        client.start(timeout=LIMIT)
        self.addCleanup(client.join, LIMIT)
        self.addCleanup(client.stop)
        self.assertTrue(client.wait_protocol(LIMIT))
        reply, informs = client.blocking_request(Message.request("where"))
        self.assertEqual((str(reply), informs), ("!where[1] ok", []))
        self.assertNotEqual(threads, [compat.get_thread_ident()])
        with self.assertRaises(ZeroDivisionError):
            client.blocking_request(Message.request("crash"))
        called = threading.Event()
        client.callback_request(Message.request("where"), reply_cb=lambda reply: called.set())
        self.assertTrue(called.wait(LIMIT))


class TestFakeServer(unittest.TestCase):
    def test_alone(self):
        fake_server = FakeKATCPServer()
        conn = ClientConnection(fake_server, "me")
        self.assertEqual(conn.address, "<fake-client-connection: 'me'>")
        self.assertTrue(conn.flush_on_close().done())
        self.assertTrue(fake_server.flush_on_close().done())
        for send in (conn.inform, conn.mass_inform):
            with self.assertRaises(FakeKATCPServerError):
                send(Message.inform("an-inform"))

    def test_request_alone(self):
        req = FakeClientRequestConnection(ClientConnection(FakeKATCPServer(), "me"),
                                          Message.request("ask", mid=5))
        req.inform(1)
        self.assertEqual([str(msg) for msg in req.informs_sent], ["#ask[5] 1"])
        self.assertEqual(str(req.make_reply("ok")), "!ask[5] ok")
        with self.assertRaises(FakeKATCPServerError):
            req.reply("ok")
