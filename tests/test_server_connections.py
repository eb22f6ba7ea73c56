"""Tests of katcp.server.connections."""

from __future__ import absolute_import, division, print_function

import threading
import unittest

from katcp import compat
from katcp.message import Message
from katcp.server import (ClientConnection, ClientRequestConnection, DeviceServerBase, KATCPServer,
                          ThreadsafeClientConnection)
from katcp.server.failures import reason_text
from tests.support import mock
from tests.support.devices import ServerTestCase

REQUEST = Message.request("watchdog", mid=42)


def mock_server():
    return mock.Mock(spec=KATCPServer(mock.Mock(), "", 0))


class TestClientConnection(unittest.TestCase):
    def setUp(self):
        self.server = mock_server()
        self.connection = ClientConnection(self.server, "conn-id")

    def test_inform(self):
        inform = Message.inform("sensor-status", 1)
        result = self.connection.inform(inform)
        self.server.send_message.assert_called_once_with("conn-id", inform)
        self.assertIs(self.server.send_message.call_args[0][1], inform)
        self.assertIs(result, self.server.send_message.return_value)

    def test_reply_and_reply_inform_get_the_id_of_the_request(self):
        for method, msg in ((self.connection.reply, Message.reply("watchdog", "ok")),
                            (self.connection.reply_inform, Message.inform("watchdog", "x"))):
            self.server.send_message.reset_mock()
            result = method(msg, REQUEST)
            self.assertEqual(msg.mid, b"42")
            self.assertIs(self.server.send_message.call_args[0][1], msg)
            self.assertIs(result, self.server.send_message.return_value)

    def test_answers_of_which_nobody_wants_to_know_when_they_are_sent(self):
        for cls, post in ((ClientConnection, self.server.post_message),
                          (ThreadsafeClientConnection, self.server.post_message_from_thread)):
            connection = cls(self.server, "conn-id")
            reply = Message.reply("watchdog", "ok")
            self.assertIsNone(connection._answer(reply, REQUEST))
            self.assertEqual(reply.mid, b"42")
            post.assert_called_once_with("conn-id", reply)
            for wrong in (Message.inform("watchdog"), Message.reply("other")):
                with self.assertRaises(AssertionError):
                    connection._answer(wrong, REQUEST)
            self.assertEqual(post.call_count, 1)

    def test_parameter_names(self):
        self.connection.inform(msg=Message.inform("x"))
        self.connection.reply(reply=Message.reply("watchdog"), orig_req=REQUEST)
        self.connection.reply_inform(inform=Message.inform("watchdog"), orig_req=REQUEST)
        self.connection.mass_inform(msg=Message.inform("x"))
        self.connection.disconnect(reason="x")

    def test_wrong_messages_are_not_sent(self):
        for method, args in (
                (self.connection.inform, (Message.reply("watchdog"),)),
                (self.connection.reply, (Message.inform("watchdog"), REQUEST)),
                (self.connection.reply, (Message.reply("other"), REQUEST)),
                (self.connection.reply_inform, (Message.reply("watchdog"), REQUEST)),
                (self.connection.reply_inform, (Message.inform("other"), REQUEST)),
                (self.connection.mass_inform, (Message.reply("watchdog"),))):
            with self.assertRaises(AssertionError):
                method(*args)
        self.assertFalse(self.server.send_message.called)
        self.assertFalse(self.server.mass_send_message.called)

    def test_mass_inform(self):
        inform = Message.inform("x")
        self.connection.mass_inform(inform)
        self.server.mass_send_message.assert_called_once_with(inform)

    def test_address(self):
        self.server.get_address.return_value = "127.0.0.1:1234"
        self.assertEqual(self.connection.address, "127.0.0.1:1234")
        self.server.get_address.assert_called_once_with("conn-id")

    def test_disconnect(self):
        self.server._disconnect_client = mock.Mock()
        self.assertIsNone(self.connection.disconnect("why"))
        self.server._disconnect_client.assert_called_once_with("conn-id", self.connection, "why")

    def test_flush_on_close(self):
        self.connection.flush_on_close()
        self.server.flush_on_close.assert_called_once_with("conn-id")

    def test_disconnect_hook_is_noted_once(self):
        self.assertFalse(self.connection.client_disconnect_called)
        self.connection.on_client_disconnect_was_called()
        self.assertTrue(self.connection.client_disconnect_called)
        with self.assertRaises(RuntimeError) as caught:
            self.connection.on_client_disconnect_was_called()
        self.assertEqual(str(caught.exception),
                         '"on_client_disconnect" already called for this connection')

    def test_minimal_server(self):
        server = mock.Mock(spec=["get_address", "send_message", "mass_send_message", "flush_on_close"])
        connection = ClientConnection(server, "conn-id")
        self.assertEqual(server.mock_calls, [])
        self.assertIn(connection, {connection: 1})

    def test_can_be_a_spec(self):
        server = KATCPServer(mock.Mock(), "", 0)
        connection = mock.Mock(spec=ClientConnection(server, mock.Mock()))
        connection.inform("x")
        connection.reply("x", "y")
        connection.flush_on_close()
        connection.disconnect("x")
        connection.mass_inform("x")

    def test_threadsafe_class(self):
        connection = ThreadsafeClientConnection(self.server, "conn-id")
        self.assertIsInstance(connection, ClientConnection)
        inform = Message.inform("x")
        connection.inform(inform)
        self.server.send_message_from_thread.assert_called_once_with("conn-id", inform)
        connection.mass_inform(inform)
        self.server.mass_send_message_from_thread.assert_called_once_with(inform)


class TestClientRequestConnection(unittest.TestCase):
    def setUp(self):
        self.connection = mock.Mock(spec=ClientConnection(mock_server(), "conn-id"))
        self.msg = Message.request("foo", mid=42)
        self.req = ClientRequestConnection(self.connection, self.msg)

    def test_attributes(self):
        self.assertIs(self.req.client_connection, self.connection)
        self.assertIs(self.req.msg, self.msg)
        self.assertEqual(self.req.mass_inform, self.connection.mass_inform)

    def test_needs_a_request(self):
        with self.assertRaises(AssertionError):
            ClientRequestConnection(self.connection, Message.inform("foo"))

    def test_inform(self):
        result = self.req.inform("bar", 1.5, b"\xff")
        self.connection.inform.assert_called_once_with(Message.inform("foo", "bar", 1.5, b"\xff", mid=42))
        self.assertIs(result, self.connection.inform.return_value)

    def test_make_reply(self):
        for _ in range(2):
            self.assertEqual(self.req.make_reply("ok", 1), Message.reply("foo", "ok", 1, mid=42))
        self.req.reply("ok")
        self.assertEqual(self.req.make_reply("ok", 1).mid, b"42")
        self.assertEqual(self.connection.reply.call_count, 1)

    def test_reply_once(self):
        result = self.req.reply("ok", 3)
        self.connection.reply.assert_called_once_with(Message.reply("foo", "ok", 3, mid=42), self.msg)
        self.assertIs(self.connection.reply.call_args[0][1], self.msg)
        self.assertIs(result, self.connection.reply.return_value)
        for again in (lambda: self.req.reply("ok"),
                      lambda: self.req.reply_with_message(Message.reply("foo", "ok"))):
            with self.assertRaises(RuntimeError) as caught:
                again()
            self.assertEqual(str(caught.exception),
                             "Reply to request %r already sent." % (self.msg,))
        with self.assertRaises(RuntimeError) as caught:
            self.req.inform("late")
        self.assertEqual(str(caught.exception),
                         "Cannot send inform for request %r after sending reply." % (self.msg,))
        self.assertEqual(self.connection.reply.call_count, 1)
        self.assertEqual(self.connection.inform.call_count, 0)

    def test_reply_with_message(self):
        reply = Message.reply("foo", "ok")
        self.req.reply_with_message(reply)
        self.connection.reply.assert_called_once_with(reply, self.msg)
        with self.assertRaises(RuntimeError):
            self.req.reply("ok")

    def test_failing_send_counts_as_answer(self):
        self.connection.reply.side_effect = ValueError
        with self.assertRaises(ValueError):
            self.req.reply("ok")
        with self.assertRaises(RuntimeError):
            self.req.reply("ok")

    def test_reply_that_cannot_be_made_does_not_count(self):
        class Bad(object):
            def __str__(self):
                raise ValueError("cannot be shown")

        with self.assertRaises(ValueError):
            self.req.reply(Bad())
        self.req.reply("ok")

    def test_users_may_put_attributes_on_it(self):
        self.req.started = 3
        self.assertEqual(self.req.started, 3)


class TestReasonText(unittest.TestCase):
    def test_whatever_the_exception_does(self):
        class Silent(Exception):
            def __str__(self):
                raise ValueError("No")

            __unicode__ = __str__

        class Undecodable(Silent):
            def __str__(self):
                return b"\xff".decode("ascii")

            __unicode__ = __str__

        self.assertEqual(reason_text(ValueError("why")), "why")
        self.assertEqual(reason_text(ValueError(u"\xe9")), u"\xe9")
        self.assertEqual(reason_text(Silent()), "<Silent that cannot be shown>")
        self.assertEqual(reason_text(Undecodable()), "<Undecodable that cannot be shown>")


class Base(DeviceServerBase):
    """A server whose clients tests can get hold of."""

    def request_hold(self, req, msg):
        """Keep the request for later."""
        self.held = req
        return req.make_reply("ok")


class TestOverTheNetwork(ServerTestCase):
    device_class = Base

    def setUp(self):
        super(TestOverTheNetwork, self).setUp()
        self.client = self.connect(greeted=False)
        self.client.ask(b"?hold")
        self.connection = self.server.held.client_connection

    def in_loop(self, fn):
        """Return what ``fn()`` returns or raises in the thread of the loop."""
        return self.server._server.call_from_thread(fn).result(10)

    def test_address(self):
        name = self.client.name
        self.assertEqual(self.connection.address.encode("ascii"), name)
        self.client.close()
        self.server.stop().result(10)
        self.assertEqual(self.connection.address.encode("ascii"), name)

    def test_send_from_other_threads(self):
        future = self.connection.inform(Message.inform("a", 1))
        self.assertIsInstance(future, compat.ConcurrentFuture)
        self.assertEqual(self.client.line(), b"#a 1")
        write_future = future.result(10)
        self.assertTrue(compat.is_future(write_future))
        self.connection.mass_inform(Message.inform("b"))
        self.assertEqual(self.client.line(), b"#b")

    def test_send_from_the_loop(self):
        future = self.in_loop(lambda: self.connection.inform(Message.inform("a")))
        self.assertTrue(future.done())
        self.assertTrue(compat.is_future(future.result()))
        self.assertEqual(self.client.line(), b"#a")
        # What is sent together shares the future.
        first, second = self.in_loop(lambda: [self.connection.inform(Message.inform("a")) for _ in range(2)])
        self.assertIs(first, second)

    def test_order_of_one_thread(self):
        # With the loop kept busy all is collected in the meantime.
        blocked, release = threading.Event(), threading.Event()
        self.server.ioloop.add_callback(lambda: (blocked.set(), release.wait(10)))
        blocked.wait(10)
        ways = [lambda i: self.connection.inform(Message.inform("x", i)),
                lambda i: self.server.mass_inform(Message.inform("x", i)),
                lambda i: self.server._server.call_from_thread(
                    lambda: self.connection.inform(Message.inform("x", i))),
                lambda i: self.server._server.call_in_order(self.connection.inform, Message.inform("x", i))]
        # All ways after all others, and after themselves.
        order = [0, 0, 1, 0, 1, 1, 0, 2, 0, 2, 2, 1, 2, 3, 3, 0, 3, 1, 3, 2, 1, 0, 3, 0, 1, 3]
        try:
            for i, way in enumerate(order):
                ways[way](i)
        finally:
            release.set()
        self.assertEqual(self.client.lines(len(order)), [b"#x %d" % i for i in range(len(order))])

    def test_many_threads(self):
        def work(number):
            for i in range(200):
                self.connection.inform(Message.inform("t%d" % number, i))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lines = self.client.lines(800)
        for number in range(4):
            mine = [line for line in lines if line.startswith(b"#t%d " % number)]
            self.assertEqual(mine, [b"#t%d %d" % (number, i) for i in range(200)])

    def test_sending_to_a_client_that_is_gone(self):
        self.client.close()
        self.in_loop(lambda: [stream.close() for stream in list(self.server._server._connections)])
        self.assertIsNone(self.connection.inform(Message.inform("a")).result(10))
        self.assertIsNone(self.in_loop(lambda: self.connection.inform(Message.inform("a"))).result())

    def test_sending_while_the_server_is_stopped(self):
        self.server.stop().result(10)
        self.server.join(10)
        self.assertIsNone(self.connection.inform(Message.inform("a")).result(10))
        self.assertIsNone(self.connection.mass_inform(Message.inform("a")).result(10))

    def test_disconnect(self):
        self.in_loop(lambda: self.connection.disconnect("go away"))
        self.assertEqual(self.client.rest(), b"")

    def test_flush_on_close(self):
        def flush():
            self.connection.inform(Message.inform("last"))
            future = self.connection.flush_on_close()
            self.connection.inform(Message.inform("too-late"))
            return future.done()

        self.assertTrue(self.in_loop(flush))
        self.in_loop(lambda: self.connection.disconnect("go away"))
        self.assertEqual(self.client.rest(), b"#last\n\n")


class TestPlainConnectionOverTheNetwork(ServerTestCase):
    device_class = Base
    concurrency = (False, False)

    def test_other_threads_must_not_send(self):
        client = self.connect(greeted=False)
        client.ask(b"?hold")
        for call in (lambda: self.server.held.client_connection.inform(Message.inform("a")),
                     lambda: self.server.held.reply("ok"),
                     lambda: self.server.held.client_connection.mass_inform(Message.inform("a"))):
            with self.assertRaises(AssertionError):
                call()
        # The device's own is thread-safe always.
        self.server.mass_inform(Message.inform("b"))
        self.assertEqual(client.line(), b"#b")


if __name__ == "__main__":
    unittest.main()
