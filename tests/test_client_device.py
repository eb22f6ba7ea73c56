"""DeviceClient: what it sends, what it does with what it receives."""

from __future__ import absolute_import, division, print_function

import logging
import threading
import unittest

from tornado import gen
from tornado.iostream import StreamClosedError
from tornado.testing import gen_test

from katcp import compat
from katcp.client import (DeviceClient, KatcpClientDisconnected, KatcpVersionError, Message,
                          address_to_string)
from katcp.compat import get_thread_ident
from tests.support import mock
from tests.support.client_cases import CapturedLog, LIMIT, LoopTestCase, Recorder, ThreadedTestCase
from tests.support.scripted_server import V4_GREETING, no_reply


class RecordingClient(DeviceClient):
    def __init__(self, *args, **kwargs):
        super(RecordingClient, self).__init__(*args, **kwargs)
        self.received = Recorder()
        self.connections = Recorder()

    def unhandled_inform(self, msg):
        self.received(msg)

    def unhandled_reply(self, msg):
        self.received(msg)

    def unhandled_request(self, msg):
        self.received(msg)

    def notify_connected(self, connected):
        self.connections(connected)


class TestAddresses(unittest.TestCase):
    def test_address_to_string(self):
        self.assertEqual(address_to_string(("a", 1)), "a:1")
        self.assertEqual(address_to_string(("::1", 1, 0, 0)), "::1:1:0:0")

    def test_properties(self):
        client = DeviceClient("somewhere", 5000)
        self.assertEqual(client.bind_address, ("somewhere", 5000))
        self.assertEqual(client.bind_address_string, "somewhere:5000")
        self.assertEqual(client.sockname, ("somewhere", -1))
        self.assertEqual(client.sockname_string, "somewhere:-1")
        for nothing in ("", None):
            self.assertEqual(DeviceClient(nothing, 1).bind_address, ("0.0.0.0", 1))


class TestSending(ThreadedTestCase):
    def setUp(self):
        self.server = self.make_server()
        self.client = self.make_client(RecordingClient, self.server)
        self.client.enable_thread_safety()
        self.client.start(timeout=LIMIT)
        self.assertTrue(self.client.wait_protocol(LIMIT))

    def test_versions(self):
        self.client.send_request(Message.request("watchdog"))
        self.client.received.wait()
        self.assertEqual(self.client.versions, {"katcp-library": ("scripted-1.0", "build"),
                                                "katcp-protocol": ("5.0-MI",),
                                                "katcp-device": ("scripted-2.0",)})

    def test_send_request(self):
        self.client._server_supports_ids = False
        with self.assertRaises(KatcpVersionError):
            self.client.send_request(Message.request("watchdog", mid=55))
        self.client.send_request(Message.request("watchdog"))
        self.client._server_supports_ids = True
        self.client.send_request(Message.request("watchdog", mid=55))
        self.client.received.wait(2)
        self.assertEqual(self.server.lines, [b"?watchdog", b"?watchdog[55]"])
        self.assertEqual(self.client.received.messages, [b"!watchdog ok", b"!watchdog[55] ok"])

    def test_send_message(self):
        self.client.send_message(Message.inform("random-inform", "a b"))
        self.assertEqual(self.server.wait_for_lines(1), [b"#random-inform a\\_b"])

    def test_request_assigns_ids(self):
        self.assertEqual(self.client.request(Message.request("a")), b"1")
        msg = Message.request("b")
        self.assertEqual(self.client.request(msg, use_mid=False), b"2")
        self.assertIsNone(msg.mid)
        self.assertEqual(self.client.request(Message.request("c", mid=77)), b"77")
        msg = Message.request("d")
        self.assertEqual(self.client.request(msg), b"3")
        self.assertEqual(msg.mid, b"3")
        self.client._server_supports_ids = False
        self.assertEqual(self.client.request(Message.request("e")), b"4")
        self.assertEqual(self.server.wait_for_lines(5),
                         [b"?a[1]", b"?b", b"?c[77]", b"?d[3]", b"?e"])

    def test_ids_wrap_around(self):
        self.client._last_msg_id = 2 ** 31 - 2
        ids = [self.client.request(Message.request("a")) for _ in range(3)]
        self.assertEqual(ids, [b"2147483647", b"1", b"2"])

    def test_ids_survive_a_restart(self):
        self.client.request(Message.request("a"))
        self.client.stop()
        self.client.join(LIMIT)
        self.client.start(timeout=LIMIT)
        self.assertTrue(self.client.wait_protocol(LIMIT))
        self.assertEqual(self.client.request(Message.request("a")), b"2")

    def test_sockname(self):
        connection = self.server.wait_for_connection()
        self.assertEqual(self.client.sockname, connection.socket.getpeername())

    def test_debug_log_of_binary_data(self):
        with CapturedLog("katcp.client", logging.DEBUG) as log:
            self.client.send_message(Message.request("x", b"\xff\xfe", mid=1))
            self.server.wait_for_connection().send(b"#binary \xff\xfe\n")
            self.client.received.wait(2)
        self.assertIn(b"#binary \xff\xfe", self.client.received.messages)
        texts = [text for text in log.messages if "binary" in text or "?x" in text]
        self.assertEqual(len(texts), 2)
        self.assertTrue(texts[0].startswith("Sending to 127.0.0.1:"), texts)
        self.assertTrue(texts[1].startswith("received from 127.0.0.1:"), texts)
        self.assertIn("\\xfe", texts[1])


class TestNotConnected(ThreadedTestCase):
    def test_send(self):
        server = self.make_server()
        address = server.address
        server.stop()
        client = self.make_client(DeviceClient, address)
        client.enable_thread_safety()
        client.start(timeout=LIMIT)
        with self.assertRaises(KatcpClientDisconnected) as caught:
            client.send_message(Message.request("x"))
        self.assertEqual(str(caught.exception), "Not connected to device 127.0.0.1:%d" % address[1])
        with self.assertRaises(KatcpClientDisconnected):
            client.request(Message.request("x"))

    def test_wrong_thread(self):
        client = self.start_client(DeviceClient, self.make_server())
        for method in (client.send_message, client.send_request, client.request):
            with self.assertRaises(AssertionError):
                method(Message.request("x"))
        with self.assertRaises(AssertionError):
            client._next_id()

    def test_before_start(self):
        client = DeviceClient("127.0.0.1", 1)
        self.assertIsNone(client.disconnect())
        self.assertFalse(client.running())
        self.assertFalse(client.is_connected())
        client.enable_thread_safety()
        for method in (client.send_message, client.request):
            with self.assertRaises(RuntimeError):
                method(Message.request("x"))


class TestOverflowOfOutput(LoopTestCase):
    @gen_test
    def test_connection_is_closed(self):
        server = self.make_server()
        client = self.make_loop_client(RecordingClient, server)
        client.MAX_WRITE_BUFFER_SIZE = 100000
        client.start()
        yield client.until_connected()
        release = threading.Event()
        self.addCleanup(release.set)
        server.do(release.wait)  # nobody reads any more
        with CapturedLog("katcp.client") as log:
            for _ in range(1000):
                sent = client.send_message(Message.inform("much", b"x" * 90000))
                if sent is None:
                    break
            else:
                self.fail("There is no limit")
            self.assertTrue(client.is_connected())
            yield client.until_disconnected()
        self.assertIn("Could not send message #much", log.messages[0])
        self.assertTrue(log.records[0].exc_info)
        self.assertIn("closed with error StreamBufferFullError", log.messages[1])
        self.assertEqual(client.connections.calls, [(True,), (False,)])

    @gen_test
    def test_future_of_what_was_sent(self):
        server = self.make_server()
        client = self.make_loop_client(RecordingClient, server)
        client.start()
        yield client.until_connected()
        yield client.send_message(Message.inform("hello"))
        server.wait_for_lines(1)
        release = threading.Event()
        self.addCleanup(release.set)
        server.do(release.wait)
        client._stream.max_write_buffer_size = 100 << 20
        future = client.send_message(Message.inform("much", b"x" * (50 << 20)))
        client.disconnect()
        with self.assertRaises(StreamClosedError):
            yield future


class TestHandlers(LoopTestCase):
    def make_pair(self, client_class=RecordingClient, **kwargs):
        server = self.make_server(greeting=b"", answer=no_reply)
        client = self.make_loop_client(client_class, server, **kwargs)
        client.start()
        return client, server

    @gen.coroutine
    def connection(self, client, server):
        yield client.until_connected()
        raise gen.Return(server.wait_for_connection())

    @gen.coroutine
    def until_received(self, client, number):
        while len(client.received.calls) < number:
            yield gen.moment

    @gen_test
    def test_routing(self):
        handled = Recorder()

        class Client(RecordingClient):
            def inform_two_words(self, msg):
                "An inform."
                handled(msg, "inform", get_thread_ident())

            def reply_foo(self, msg):
                "A reply."
                handled(msg, "reply", get_thread_ident())

            def request_foo(self, msg):
                "A request."
                handled(msg, "request", get_thread_ident())
                return Message.reply("foo", "ok", "with space")

            def request_bad_type(self, msg):
                "A request."
                return Message.inform("bad-type")

            def request_bad_name(self, msg):
                "A request."
                return Message.reply("other", "ok")

            def request_fails(self, msg):
                "A request."
                raise ValueError("A good reason")

        client, server = self.make_pair(Client)
        connection = yield self.connection(client, server)
        with CapturedLog("katcp.client") as log:
            connection.send(b"#two-words 1\n!foo 2\n?foo[5] 3\n?bad-type\n?bad-name\n?fails\n"
                            b"#other\n!other\n?other\n")
            yield self.until_received(client, 3)
        me = get_thread_ident()
        self.assertEqual([call[1:] for call in handled.calls],
                         [("inform", me), ("reply", me), ("request", me)])
        self.assertEqual(handled.messages, [b"#two-words 1", b"!foo 2", b"?foo[5] 3"])
        self.assertEqual(client.received.messages, [b"#other", b"!other", b"?other"])
        # There is a reply to the request that has one, and no other.
        client.send_message(Message.inform("end"))
        yield client._stream.write(b"")
        self.assertEqual(server.wait_for_lines(2), [b"!foo[5] ok with\\_space", b"#end"])
        texts = [record.getMessage() for record in log.records if record.levelno >= logging.ERROR]
        self.assertEqual(len(texts), 3)
        for text, name in zip(texts, ["bad-type", "bad-name", "fails"]):
            self.assertTrue(text.startswith("Request %s FAIL: " % name), text)
        self.assertIn("A good reason", texts[2])

    @gen_test
    def test_failing_handlers(self):
        class Client(RecordingClient):
            def inform_foo(self, msg):
                "Fails."
                self.recurse(100)

            def reply_foo(self, msg):
                "Fails."
                raise UnicodeError(b"\xff")

            def recurse(self, times):
                if not times:
                    raise ValueError("Deep down")
                self.recurse(times - 1)

        client, server = self.make_pair(Client, tb_limit=3)
        connection = yield self.connection(client, server)
        with CapturedLog("katcp.client") as log:
            connection.send(b"#foo\n!foo\n#end\n")
            yield self.until_received(client, 1)
        self.assertEqual(len(log.records), 2)
        self.assertTrue(log.messages[0].startswith("Inform foo FAIL: Traceback"))
        self.assertIn("Deep down", log.messages[0])
        self.assertEqual(log.messages[0].count("File "), 3)
        self.assertTrue(log.messages[1].startswith("Reply foo FAIL: Traceback"))

    @gen_test
    def test_cancelled_handlers(self):
        def cancelled(client, msg):
            raise compat.CANCELLED_ERRORS[-1]()

        client, server = self.make_pair()
        for handlers in (client._inform_handlers, client._reply_handlers, client._request_handlers):
            handlers["foo"] = cancelled
        connection = yield self.connection(client, server)
        with CapturedLog("katcp.client") as log:
            connection.send(b"#foo\n!foo\n?foo\n#end\n")
            yield self.until_received(client, 1)
        self.assertEqual([text.split(":")[0] for text in log.messages],
                         ["Inform foo FAIL", "Reply foo FAIL", "Request foo FAIL"])

    @gen_test
    def test_messages_wait_for_futures(self):
        client, server = self.make_pair()
        futures = []

        def handler(client, msg):
            client.received(msg)
            futures.append(compat.new_future(self.io_loop))
            return futures[-1]

        client._inform_handlers["slow"] = handler
        connection = yield self.connection(client, server)
        connection.send(b"#slow 1\n#slow 2\n#fast 3\n")
        yield self.until_received(client, 1)
        yield gen.sleep(0.01)
        self.assertEqual(client.received.messages, [b"#slow 1"])
        futures[0].set_result(None)
        yield self.until_received(client, 2)
        yield gen.sleep(0.01)
        self.assertEqual(client.received.messages, [b"#slow 1", b"#slow 2"])
        with CapturedLog("katcp.client") as log:
            futures[1].set_exception(ValueError("Slow failure"))
            yield self.until_received(client, 3)
        self.assertEqual(client.received.messages[2:], [b"#fast 3"])
        self.assertEqual(log.messages, [
            "Unhandled exception in handle_message() from %s for message '#slow 2'"
            % (client.bind_address_string,)])

    @gen_test
    def test_done_future_does_not_delay(self):
        client, server = self.make_pair()
        client.handle_message = lambda msg: (client.received(msg), compat.done_future())[1]
        connection = yield self.connection(client, server)
        connection.send(b"#a\n#b\n")
        yield self.until_received(client, 2)

    @gen_test
    def test_failing_handle_message(self):
        client, server = self.make_pair()

        def handle_message(msg):
            client.received(msg)
            raise ValueError("No")

        client.handle_message = handle_message
        connection = yield self.connection(client, server)
        with CapturedLog("katcp.client") as log:
            connection.send(b"#a\n#b \xff\n")
            yield self.until_received(client, 2)
        self.assertEqual(len(log.records), 2)
        self.assertIn("Unhandled exception in handle_message()", log.messages[0])

    @gen_test
    def test_hooks_on_the_instance(self):
        client, server = self.make_pair()
        client.unhandled_inform = Recorder()
        client.handle_reply = Recorder()
        connection = yield self.connection(client, server)
        connection.send(b"#a\n!b\n?c\n")
        yield self.until_received(client, 1)
        self.assertEqual(client.unhandled_inform.messages, [b"#a"])
        self.assertEqual(client.handle_reply.messages, [b"!b"])
        self.assertEqual(client.received.messages, [b"?c"])

    @gen_test
    def test_garbage(self):
        client, server = self.make_pair()
        connection = yield self.connection(client, server)
        with CapturedLog("katcp.client") as log:
            connection.send(b"garbage\n#\n# leading\n#1\n#bad_name\n#bad \\x\n#bad \\\n#bad[x]\n#\xff\xfe\n"
                            b"\xff\n#nul \0\n\r\n\n\r\n   \n#go\\od arg\n#good \xff\r#split ")
            yield self.until_received(client, 1)
            self.assertEqual(client.received.messages, [b"#good \xff"])
            for byte in (b"o", b"v", b"e", b"r", b"\n"):
                connection.send(byte)
            yield self.until_received(client, 2)
        self.assertEqual(client.received.messages[1:], [b"#split over"])
        self.assertTrue(client.is_connected())
        self.assertEqual(len(log.records), 12)
        for text in log.messages:
            self.assertTrue(text.startswith("BAD COMMAND: "), text)
            self.assertIn("Traceback", text)

    @gen_test
    def test_oversize_line(self):
        client, server = self.make_pair()
        client.MAX_MSG_SIZE = 100000
        client.auto_reconnect_delay = 0.01
        connection = yield self.connection(client, server)
        first = client._stream
        # Together they may be longer than the limit.
        for _ in range(5):
            connection.send(b"#fits " + b"x" * 90000 + b"\n")
        yield self.until_received(client, 5)
        self.assertIs(client._stream, first)
        connection.send(b"#before\n")
        with CapturedLog("katcp.client") as log:
            try:
                connection.send(b"#no " + b"x" * 3000000)
            except IOError:
                pass
            while client._stream in (first, None):
                yield gen.moment
        self.assertEqual([msg[:7] for msg in client.received.messages], 5 * [b"#fits x"] + [b"#before"])
        self.assertEqual(client.connections.calls, [(True,), (False,), (True,)])
        self.assertIn("closed with error", log.messages[0])

    @gen_test
    def test_last_lines_before_the_end(self):
        for _ in range(20):
            client, server = self.make_pair()
            server.greeting = b"#a\n#b\n#unfinished"
            seen = client.connections = Recorder()
            client.unhandled_inform = lambda msg, client=client, seen=seen: seen(msg.name)
            client.notify_connected = lambda connected, seen=seen: seen(connected)
            connection = yield self.connection(client, server)
            connection.close()
            yield client.until_disconnected()
            self.assertEqual(seen.calls, [(True,), ("a",), ("b",), (False,)])
            client.stop()

    @gen_test
    def test_flood_leaves_the_loop_its_turns(self):
        client, server = self.make_pair()
        connection = yield self.connection(client, server)
        lines = 50000
        sender = threading.Thread(target=connection.send, args=(b"#flood\n" * lines,))
        sender.start()
        turns = set()
        while len(client.received.calls) < lines:
            yield gen.moment
            turns.add(len(client.received.calls))
        sender.join()
        self.assertGreater(len(turns), 5)


class TestHandlerTables(unittest.TestCase):
    class Client(DeviceClient):
        def inform_a(self, msg):
            "An inform."

    def test_only_known_handlers(self):
        self.assertEqual(sorted(DeviceClient._inform_handlers), ["build-state", "version", "version-connect"])
        self.assertEqual(DeviceClient._reply_handlers, {})
        self.assertEqual(DeviceClient._request_handlers, {})

    def test_own_handlers_are_not_shared(self):
        client, other = self.Client("h", 1), self.Client("h", 1)
        handler = mock.Mock(return_value=None)
        client._inform_handlers["b"] = handler
        msg = Message.inform("b")
        client.handle_message(msg)
        self.assertEqual(handler.call_args, mock.call(client, msg))
        other.handle_message(msg)
        self.assertEqual(handler.call_count, 1)
        self.assertNotIn("b", self.Client._inform_handlers)
        self.assertIn("b", client._inform_handlers)
        self.assertIn("a", client._inform_handlers)
        del client._inform_handlers["a"]
        self.assertNotIn("a", client._inform_handlers)
        self.assertIn("a", other._inform_handlers)
        self.assertEqual(sorted(client._inform_handlers), ["b", "build-state", "version", "version-connect"])
        self.assertEqual(len(client._inform_handlers), 4)

    def test_later_handlers_of_the_class(self):
        client = self.Client("h", 1)
        handler = mock.Mock(return_value=None)
        with mock.patch.dict(self.Client._inform_handlers, {"late": handler}):
            client.handle_message(Message.inform("late"))
        self.assertEqual(handler.call_count, 1)

    def test_unknown_type(self):
        client = self.Client("h", 1)
        msg = Message.inform("a")
        msg.mtype = 7
        with CapturedLog("katcp.client") as log:
            self.assertIsNone(client.handle_message(msg))
        self.assertEqual(len(log.records), 1)

    def test_class_attribute_that_is_no_method(self):
        class Client(DeviceClient):
            unhandled_inform = mock.Mock(return_value=None)

        client, msg = Client("h", 1), Message.inform("b")
        client.handle_message(msg)
        self.assertEqual(Client.unhandled_inform.call_args, mock.call(client, msg))


class TestConnections(LoopTestCase):
    @gen_test
    def test_order_of_events(self):
        server = self.make_server()
        client = self.make_loop_client(RecordingClient, server)
        client.auto_reconnect_delay = 0.01
        states = []

        def notify_connected(connected):
            states.append((connected, client.is_connected(), client._disconnected.is_set(),
                           client.last_connect_time is not None))

        client.notify_connected = notify_connected
        client.start()
        yield client.until_connected()
        self.assertEqual(states, [(True, True, False, True)])
        first = client._stream
        self.assertEqual(first.socket.getpeername(), server.address)
        client.disconnect()
        self.assertTrue(client.is_connected())  # until the loop has its turn
        yield client.until_disconnected()
        self.assertEqual(states[1:], [(False, False, True, True)])
        yield client.until_connected()
        self.assertIsNot(client._stream, first)
        self.assertEqual(states[2:], [(True, True, False, True)])

    @gen_test
    def test_end_of_another_connection(self):
        client = self.make_loop_client(RecordingClient, self.make_server())
        client.start()
        yield client.until_connected()
        stream = client._stream
        client._stream_closed_callback(mock.Mock())
        self.assertIs(client._stream, stream)
        self.assertTrue(client.is_connected())

    @gen_test
    def test_failing_notify_connected(self):
        server = self.make_server()
        client = self.make_loop_client(RecordingClient, server)
        client.auto_reconnect_delay = 0.01
        calls = []

        def notify_connected(connected):
            calls.append(connected)
            if len(calls) < 3:
                raise ValueError("No")

        client.notify_connected = notify_connected
        with CapturedLog("katcp.client") as log:
            client.start()
            while len(calls) < 3:
                yield gen.moment
        self.assertEqual(calls, [True, False, True])
        self.assertEqual(log.messages, ["Notify connect failed. Disconnecting.", "Notify connect failed"])
        self.assertTrue(client.is_connected())

    @gen_test
    def test_cancelled_notify_connected(self):
        # On new versions of Python that is no `Exception`.
        server = self.make_server()
        client = self.make_loop_client(RecordingClient, server)
        client.auto_reconnect_delay = 0.01
        calls = []

        def notify_connected(connected):
            calls.append(connected)
            if len(calls) < 3:
                raise compat.CANCELLED_ERRORS[-1]()

        client.notify_connected = notify_connected
        with CapturedLog("katcp.client") as log:
            client.start()
            while len(calls) < 3:
                yield gen.moment
        self.assertEqual(calls, [True, False, True])
        self.assertEqual(log.messages, ["Notify connect failed. Disconnecting.", "Notify connect failed"])
        yield client.until_protocol()

    @gen_test
    def test_normal_end_is_not_worth_a_warning(self):
        server = self.make_server()
        client = self.make_loop_client(RecordingClient, server)
        client.start()
        yield client.until_protocol()
        with CapturedLog("katcp.client") as log:
            server.wait_for_connection().close()
            yield client.until_disconnected()
        self.assertEqual(log.records, [])

    @gen_test
    def test_reset_is_worth_a_warning(self):
        server = self.make_server()
        client = self.make_loop_client(RecordingClient, server)
        client.start()
        yield client.until_protocol()
        with CapturedLog("katcp.client") as log:
            server.wait_for_connection().reset()
            yield client.until_disconnected()
        self.assertEqual([record.levelname for record in log.records], ["WARNING"])
        self.assertTrue(log.messages[0].startswith(
            "Client stream for server %s closed with error " % client.bind_address_string))

    @gen_test
    def test_server_of_another_version_comes_back(self):
        server = self.make_server()
        client = self.make_loop_client(RecordingClient, server)
        client.auto_reconnect_delay = 0.01
        client.start()
        yield client.until_protocol()
        self.assertEqual(client.protocol_flags.major, 5)
        server.greeting = V4_GREETING
        with CapturedLog("katcp.client") as log:
            server.wait_for_connection().close()
            yield client.until_disconnected()
            self.assertTrue(client.wait_protocol())  # late, but it is known what it was
            yield client.until_connected()
            yield client.until_protocol()
        self.assertEqual(client.protocol_flags.major, 4)
        self.assertFalse(client._server_supports_ids)
        self.assertTrue(client._auto_reconnect)
        self.assertEqual(log.records, [])

    @gen_test
    def test_contradiction_stops_the_client(self):
        server = self.make_server(greeting=b"#version x\n#version-connect katcp-protocol 5.0-MI\n")
        client = self.make_loop_client(RecordingClient, server)
        with CapturedLog("katcp.client") as log:
            client.start()
            yield client.until_running()
            yield client.until_stopped()
        self.assertFalse(client.running())
        self.assertEqual(client.connections.calls, [(True,), (False,)])
        self.assertEqual([record.levelname for record in log.records], ["ERROR"])
        # The next start is a fresh one.
        server.greeting = V4_GREETING
        client.start()
        yield client.until_protocol()
        self.assertTrue(client._auto_reconnect)

    @gen_test
    def test_reconnected_is_logged(self):
        server = self.make_server()
        client = self.make_loop_client(RecordingClient, server)
        client._connect_failures = 5
        with CapturedLog("katcp.client") as log:
            client.start()
            yield client.until_connected()
        self.assertEqual(log.messages, ["Reconnected to " + client.bind_address_string])
        self.assertEqual(client._connect_failures, 0)

    @gen_test
    def test_port_as_text(self):
        server = self.make_server()
        client = self.make_loop_client(RecordingClient, ("127.0.0.1", str(server.address[1])))
        client.start()
        yield client.until_connected()
        self.assertEqual(client.bind_address_string, "127.0.0.1:%d" % server.address[1])

    @gen_test
    def test_limits_are_looked_at_when_connecting(self):
        client = self.make_loop_client(RecordingClient, self.make_server())
        client.MAX_MSG_SIZE = 1000
        client.start()
        yield client.until_connected()
        self.assertEqual(client._stream.max_buffer_size, 1000)
        self.assertEqual(client._stream.max_write_buffer_size, 4 * 1024 * 1024)
