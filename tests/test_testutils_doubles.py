"""Tests of the stand-ins for clients, requests and log handlers."""

from __future__ import absolute_import, division, print_function

import logging
import threading
import unittest
import warnings

from tornado import gen, testing

import katcp.server
from katcp.compat import current_ioloop
from katcp.errors import AsyncReply
from katcp.kattypes import Float, request, return_reply
from katcp.message import Message
from katcp.testutils import (ClientConnectionTest, DeviceTestServer, TestLogHandler, WaitingMock,
                             handle_mock_req, mock_req, start_thread_with_cleanup)
from tests.support import mock


class Device(DeviceTestServer):
    """Handlers that answer in all the ways there are."""

    def request_return_reply(self, req, msg):
        """Return a reply."""
        req.inform("working")
        return req.make_reply("ok", *msg.arguments)

    def request_reply_at_once(self, req, msg):
        """Reply and raise AsyncReply."""
        req.inform("working")
        req.reply("ok", 1)
        raise AsyncReply

    def request_reply_later(self, req, msg):
        """Keep the request."""
        self.req = req
        raise AsyncReply

    @request(Float())
    @return_reply(Float())
    @gen.coroutine
    def request_coroutine(self, req, value):
        """Reply from a coroutine."""
        yield gen.moment
        raise gen.Return(("ok", 2 * value))


class TestClientConnectionTest(unittest.TestCase):
    def test_keeps_messages(self):
        conn = ClientConnectionTest()
        inform, reply, mass = Message.inform("a"), Message.reply("b"), Message.inform("c")
        self.assertIsNone(conn.inform(inform))
        self.assertIsNone(conn.reply(reply, Message.request("b", mid=5)))
        self.assertIsNone(conn.mass_inform(mass))
        self.assertEqual(conn.messages, [inform, reply])
        self.assertEqual(conn.informs, [inform])
        self.assertEqual(conn.replies, [reply])
        self.assertEqual(conn.mass_informs, [mass])
        self.assertIsNone(reply.mid)
        self.assertNotEqual(hash(conn), hash(ClientConnectionTest()))

    def test_with_unstarted_server(self):
        conn = ClientConnectionTest()
        DeviceTestServer("", 0).handle_message(conn, Message.request("sensor-value", "an.int"))
        self.assertEqual([str(msg) for msg in conn.messages], [
            "#sensor-value 12345.000000 1 an.int nominal 3", "!sensor-value ok 1"])


class TestTestLogHandler(unittest.TestCase):
    def test_records(self):
        handler = TestLogHandler()
        self.assertEqual(handler.level, logging.NOTSET)
        logger = logging.Logger("a logger")
        logger.addHandler(handler)
        logger.debug("Something %s", "happened")
        records = handler._records
        self.assertEqual([record.getMessage() for record in records], ["Something happened"])
        handler.clear()
        self.assertEqual(handler._records, [])
        self.assertEqual(len(records), 1)


class TestMockReq(unittest.TestCase):
    def test_parts(self):
        req = mock_req("a-request", 1, "two")
        self.assertEqual(req.msg, Message.request("a-request", 1, "two"))
        self.assertIsNone(req.msg.mid)
        self.assertIsInstance(req, WaitingMock)
        self.assertIsInstance(req.client_connection, WaitingMock)
        self.assertIsNone(req.reply_msg)
        self.assertEqual(req.inform_msgs, [])
        self.assertFalse(req.reply_and_inform_msgs_future.done())

    def test_reply_and_informs(self):
        req = mock_req("a-request", mid=5)
        self.assertEqual(str(req.make_reply("fail")), "!a-request[5] fail")
        self.assertIsNone(req.inform("one", 2))
        self.assertIsNone(req.reply("ok", 3))
        self.assertIsNone(req.inform("late"))
        self.assertEqual(str(req.reply_msg), "!a-request[5] ok 3")
        self.assertEqual([str(msg) for msg in req.inform_msgs],
                         ["#a-request[5] one 2", "#a-request[5] late"])
        self.assertEqual(req.reply_and_inform_msgs_future.result(),
                         (req.reply_msg, req.inform_msgs))
        req.reply.assert_called_once_with("ok", 3)
        self.assertEqual(req.inform.call_args_list, [mock.call("one", 2), mock.call("late")])
        req.make_reply.assert_called_once_with("fail")

    def test_mid_may_be_set_later(self):
        req = mock_req("a-request")
        req.msg.mid = b"7"
        req.reply("ok")
        self.assertEqual(str(req.reply_msg), "!a-request[7] ok")

    def test_second_reply(self):
        req = mock_req("a-request")
        req.reply("ok")
        with self.assertRaises(RuntimeError):
            req.reply("fail")
        self.assertEqual(str(req.reply_msg), "!a-request fail")
        self.assertEqual(str(req.reply_and_inform_msgs_future.result()[0]), "!a-request ok")

    def test_connections(self):
        conn = object()
        self.assertIs(mock_req("r", client_conn=conn).client_connection, conn)
        server = DeviceTestServer("", 0)
        sock = object()
        conn = mock_req("r", server=server, sock=sock).client_connection
        self.assertIsInstance(conn, katcp.server.ClientConnection)
        self.assertIs(conn._conn_key, sock)
        self.assertIsInstance(mock_req("r", server=server).client_connection._conn_key, WaitingMock)

    def test_contradictory_keywords(self):
        with self.assertRaises(TypeError) as context:
            mock_req("r", server=mock.Mock(), client_conn=mock.Mock())
        self.assertEqual(str(context.exception), "Specify either server or client_conn, not both")
        with self.assertRaises(TypeError) as context:
            mock_req("r", client_conn=mock.Mock(), sock=mock.Mock())
        self.assertEqual(str(context.exception), "Specify either client_conn or sock, not both")

    def test_unknown_keywords_are_told(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            mock_req("r", colour="red")
        self.assertEqual([str(warning.message) for warning in caught],
                         ["mock_req() ignores the keyword(s) colour"])
        self.assertIn("test_testutils_doubles", caught[0].filename)

    def test_thread_without_loop(self):
        def run():
            reqs.append(mock_req("a-request"))
            reqs[0].reply("ok")

        reqs = []
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        self.assertEqual(str(reqs[0].reply_and_inform_msgs_future.result()[0]), "!a-request ok")


class TestHandleMockReq(unittest.TestCase):
    def setUp(self):
        self.device = Device("", 0)
        self.original = katcp.server.ClientRequestConnection

    def tearDown(self):
        self.assertIs(katcp.server.ClientRequestConnection, self.original)

    def handle(self, *args, **kwargs):
        req = mock_req(*args, **kwargs)
        future = handle_mock_req(self.device, req)
        self.assertIs(future, req.reply_and_inform_msgs_future)
        self.assertTrue(future.done())
        reply, informs = future.result()
        self.assertEqual((reply, informs), (req.reply_msg, req.inform_msgs))
        return [str(msg) for msg in informs + [reply]]

    def test_all_ways_of_replying(self):
        self.assertEqual(self.handle("return-reply", "x"),
                         ["#return-reply working", "!return-reply ok x"])
        self.assertEqual(self.handle("reply-at-once"), ["#reply-at-once working", "!reply-at-once ok 1"])
        self.assertEqual(self.handle("no-such-request"), [r"!no-such-request invalid Unknown\_request."])
        self.assertEqual(self.handle("raise-fail"), [
            r"!raise-fail fail There\_was\_a\_problem\_with\_your\_request."])
        self.assertRegex("".join(self.handle("raise-exception")), "^!raise-exception fail Traceback")
        self.assertEqual(self.handle("help", "watchdog", mid=5)[1:], ["!help[5] ok 1"])

    if not hasattr(unittest.TestCase, "assertRegex"):
        assertRegex = unittest.TestCase.assertRegexpMatches

    def test_reply_is_called_with_arguments_as_on_the_wire(self):
        req = mock_req("return-reply", 5)
        handle_mock_req(self.device, req)
        req.reply.assert_called_once_with(b"ok", b"5")

    def test_reply_later(self):
        req = mock_req("reply-later")
        future = handle_mock_req(self.device, req)
        self.assertFalse(future.done())
        self.assertIs(self.device.req, req)
        req.reply("ok")
        self.assertTrue(future.done())

    def test_connection_shared_by_requests(self):
        conn = WaitingMock()
        first = mock_req("reply-later", client_conn=conn)
        second = mock_req("return-reply", client_conn=conn)
        handle_mock_req(self.device, first)
        handle_mock_req(self.device, second)
        self.assertEqual(str(second.reply_msg), "!return-reply ok")
        self.assertIsNone(first.reply_msg)
        conn.reply(first.make_reply("ok", "at last"), first.msg)
        self.assertEqual(str(first.reply_msg), r"!reply-later ok at\_last")

    def test_earlier_side_effect_is_kept(self):
        req = mock_req("return-reply")
        req.client_connection.reply.side_effect = lambda reply, req_msg: "sent"
        handle_mock_req(self.device, req)
        other = Message.request("other")
        self.assertEqual(req.client_connection.reply(Message.reply("other"), other), "sent")
        self.assertEqual(req.reply_msg.name, "return-reply")

    def test_real_connection(self):
        req = mock_req("return-reply", "x", server=self.device)
        handle_mock_req(self.device, req)
        self.assertEqual(str(req.reply_msg), "!return-reply ok x")

    def test_patched_request_connection_is_used_for_other_requests(self):
        made = []

        def request_inner(server, req, msg):
            """Handle another request meanwhile."""
            made.append(katcp.server.ClientRequestConnection("conn", "message"))
            made.append(katcp.server.ClientRequestConnection(req.client_connection, req.msg))
            made.append(req)
            return req.make_reply("ok")

        self.device._request_handlers["inner"] = request_inner
        with mock.patch("katcp.server.ClientRequestConnection") as patched:
            self.handle("inner")
            self.assertIs(katcp.server.ClientRequestConnection, patched)
        patched.assert_called_once_with("conn", "message")
        self.assertEqual(made, [patched.return_value, made[2], made[2]])

    def test_nested(self):
        def request_inner(server, req, msg):
            """Handle another mock request meanwhile."""
            inner.append(mock_req("return-reply"))
            handle_mock_req(server, inner[0])
            self.assertIs(katcp.server.ClientRequestConnection(req.client_connection, req.msg), req)
            return req.make_reply("ok")

        inner = []
        self.device._request_handlers["inner"] = request_inner
        self.assertEqual(self.handle("inner"), ["!inner ok"])
        self.assertEqual(str(inner[0].reply_msg), "!return-reply ok")


class TestHandleMockReqInThread(unittest.TestCase):
    """The test's thread has no loop, while the device runs on its own."""

    def test_coroutine_of_started_device(self):
        device = Device("127.0.0.1", 0)
        start_thread_with_cleanup(self, device, timeout=10, start_timeout=10)
        current_before = current_ioloop()
        reply, _ = handle_mock_req(device, mock_req("coroutine", 1.5)).result(10)
        self.assertEqual(str(reply), "!coroutine ok 3.0")
        self.assertIs(current_ioloop(), current_before)


class TestHandleMockReqOnLoop(testing.AsyncTestCase):
    @testing.gen_test
    def test_coroutine_needs_no_started_server(self):
        device = Device("", 0)
        reply, informs = yield handle_mock_req(device, mock_req("coroutine", 1.5))
        self.assertEqual(str(reply), "!coroutine ok 3.0")
        self.assertEqual(informs, [])

    @testing.gen_test
    def test_set_ioloop(self):
        device = Device("", 0)
        device.set_ioloop(self.io_loop)
        reply, _ = yield handle_mock_req(device, mock_req("coroutine", 1.5))
        self.assertEqual(str(reply), "!coroutine ok 3.0")
