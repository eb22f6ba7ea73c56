"""BlockingClient and CallbackClient: requests from threads of the user's own."""

from __future__ import absolute_import, division, print_function

import functools
import re
import threading
import time
import unittest

import katcp.client
from katcp import compat
from katcp.client import (AsyncClient, BlockingClient, CallbackClient, DeviceClient, KatcpClientError,
                          Message, request_check)
from katcp.client import blocking_requests
from tests.support import mock
from tests.support.client_cases import CapturedLog, LIMIT, Recorder, ThreadedTestCase
from tests.support.scripted_server import V4_GREETING, no_reply


def answer(line):
    """What a device might answer: ``?help`` with informs, ``?fail`` with a failure, ``?slow`` not."""
    match = re.match(br"\?([^\[ ]+)(\[\d+\])?(.*)", line)
    name, mid = match.group(1), match.group(2) or b""
    if name == b"help":
        informs = [b"#help" + mid + b" name%d doc\n" % n for n in range(3)]
        return b"".join(informs) + b"!help" + mid + b" ok 3\n"
    if name == b"echo":
        return b"#echo" + mid + match.group(3) + b"\n!echo" + mid + b" ok" + match.group(3) + b"\n"
    if name == b"fail":
        return b"!fail" + mid + b" fail no\\_\xff\n"
    if name == b"slow":
        return b""
    return b"!" + name + mid + b" ok\n"


class BlockingTestCase(ThreadedTestCase):
    greeting = None
    client_class = BlockingClient

    def setUp(self):
        self.server = self.make_server(answer=answer)
        if self.greeting is not None:
            self.server.greeting = self.greeting
        self.client = self.start_client(self.client_class, self.server)
        self.assertTrue(self.client.wait_protocol(LIMIT))


class TestBlockingRequest(BlockingTestCase):
    def test_reply_and_informs(self):
        reply, informs = self.client.blocking_request(Message.request("watchdog"))
        self.assertEqual(reply, Message.reply("watchdog", "ok", mid=1))
        self.assertEqual(informs, [])
        reply, informs = self.client.blocking_request(Message.request("help"), use_mid=False)
        self.assertEqual(reply, Message.reply("help", "ok", 3))
        self.assertEqual([inform.arguments[0] for inform in informs], [b"name0", b"name1", b"name2"])

    def test_ids(self):
        self.client.send_message = mock.Mock()
        seen = []
        for kwargs in ({}, {}, {}, {"use_mid": False}):
            self.client.blocking_request(Message.request("watchdog"), timeout=0, **kwargs)
            seen.append(self.client.send_message.call_args[0][0].mid)
        self.client.blocking_request(Message.request("watchdog", mid=42), timeout=0)
        seen.append(self.client.send_message.call_args[0][0].mid)
        self.assertEqual(seen, [b"1", b"2", b"3", None, b"42"])

    def test_replaced_next_id(self):
        self.client._next_id = lambda: b"99"
        reply, _ = self.client.blocking_request(Message.request("watchdog"))
        self.assertEqual(reply.mid, b"99")
        self.client._server_supports_ids = False
        reply, _ = self.client.blocking_request(Message.request("watchdog"))
        self.assertIsNone(reply.mid)

    def test_timeout(self):
        for use_mid in (True, False):
            msg = Message.request("slow")
            reply, informs = self.client.blocking_request(msg, timeout=0.05, use_mid=use_mid)
            self.assertEqual(reply.mtype, Message.REPLY)
            self.assertEqual((reply.name, reply.mid), ("slow", msg.mid))
            self.assertEqual(reply.arguments[0], Message.FAIL)
            self.assertRegex(reply.arguments[1], br"^Request slow timed out after 0\.\d{6} seconds\.$")
            self.assertEqual(informs, [])
        # A late reply is not mistaken for that of the next request.
        self.server.wait_for_connection().send(b"!slow[1] ok late\n")
        reply, _ = self.client.blocking_request(Message.request("slow"), timeout=0.05)
        self.assertFalse(reply.reply_ok())

    def test_informs_before_the_timeout(self):
        threading.Timer(0.02, lambda: self.server.wait_for_connection().send(b"#slow[1] half\n")).start()
        reply, informs = self.client.blocking_request(Message.request("slow"), timeout=0.3)
        self.assertFalse(reply.reply_ok())
        self.assertEqual(informs, [Message.inform("slow", "half", mid=1)])

    def test_default_timeout_may_be_changed(self):
        self.client._request_timeout = 0.05
        reply, _ = self.client.blocking_request(Message.request("slow"))
        self.assertFalse(reply.reply_ok())

    def test_not_connected(self):
        self.client.auto_reconnect_delay = 1000
        self.server.stop()
        self.assertTrue(self.client.wait_disconnected(LIMIT))
        reply, _ = self.client.blocking_request(Message.request("watchdog"))
        self.assertEqual(reply.arguments[1], b"Not connected to device " +
                         self.client.bind_address_string.encode())

    def test_errors_are_raised(self):
        with self.assertRaises(AssertionError):
            self.client.blocking_request(Message.inform("watchdog"))
        self.client.send_message = mock.Mock(side_effect=ValueError("Not that"))
        with self.assertRaises(ValueError) as caught:
            self.client.blocking_request(Message.request("watchdog"))
        self.assertEqual(str(caught.exception), "Not that")
        self.assertEqual(self.client._async_queue, {})

    def test_in_the_loop(self):
        def ask():
            with self.assertRaises(AssertionError) as caught:
                self.client.blocking_request(Message.request("watchdog"))
            return str(caught.exception)

        self.assertEqual(self.in_loop(self.client, ask), "Cannot call blocking_request() in ioloop")

    def test_overridden_future_request(self):
        future_request = self.client.future_request
        asked = Recorder()

        def counted(msg, timeout=None, use_mid=None):
            asked(msg, timeout, use_mid)
            return future_request(msg, timeout, use_mid)

        self.client.future_request = counted
        reply, informs = self.client.blocking_request(Message.request("help"), timeout=3, use_mid=False)
        self.assertEqual((reply.arguments, len(informs)), ([b"ok", b"3"], 3))
        self.assertEqual(asked.calls[0][1:], (3, False))
        self.client.future_request = mock.Mock(side_effect=ValueError("Overridden"))
        with self.assertRaises(ValueError):
            self.client.blocking_request(Message.request("help"))

    def test_busy_loop_is_no_error(self):
        release = threading.Event()
        self.client.ioloop.add_callback(release.wait)
        threading.Timer(0.3, release.set).start()
        with mock.patch.object(blocking_requests, "BLOCKING_MARGIN", 0.01):
            reply, _ = self.client.blocking_request(Message.request("slow"), timeout=0.01)
        self.assertIn(b"timed out", reply.arguments[1])

    def test_stuck_loop_is_an_error(self):
        release = threading.Event()
        self.addCleanup(release.set)
        self.client.ioloop.add_callback(release.wait)
        with mock.patch.object(blocking_requests, "BLOCKING_MARGIN", 0.01):
            with mock.patch.object(blocking_requests, "BUSY_LOOP_MARGIN", 0.1):
                with self.assertRaises(RuntimeError) as caught:
                    self.client.blocking_request(Message.request("slow"), timeout=0.01)
        self.assertEqual(str(caught.exception), "Unexpected error: Async request handler did not call reply "
                                                "handler within timeout period")

    def test_loop_that_does_not_run_is_an_error(self):
        loop = compat.new_ioloop()
        self.addCleanup(loop.close)
        client = AsyncClient(*self.server.address)
        client.set_ioloop(loop)
        client.start()
        with mock.patch.object(blocking_requests, "BLOCKING_MARGIN", 0.01):
            with self.assertRaises(RuntimeError):
                client.blocking_request(Message.request("slow"), timeout=0.01)
            with self.assertRaises(RuntimeError):
                client.blocking_request(Message.request("slow"), timeout=0)
        loop.run_sync(client.until_connected)
        client.stop()
        loop.run_sync(client.until_stopped)

    def test_several_threads(self):
        failures = []

        def ask(number):
            try:
                for count in range(20):
                    text = b"%d-%d" % (number, count)
                    reply, informs = self.client.blocking_request(Message.request("echo", text),
                                                                  use_mid=bool(number % 2))
                    if reply.arguments != [b"ok", text] or [m.arguments for m in informs] != [[text]]:
                        failures.append((text, reply, informs))
            except Exception as exc:
                failures.append(exc)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        # Without ids the order of requests and of the bytes on the wire is the same.
        self.assertEqual(failures, [])


if not hasattr(TestBlockingRequest, "assertRegex"):  # Python 2
    TestBlockingRequest.assertRegex = TestBlockingRequest.assertRegexpMatches


class TestVersion4(BlockingTestCase):
    greeting = V4_GREETING

    def test_ids(self):
        reply, _ = self.client.blocking_request(Message.request("watchdog"))
        self.assertEqual(reply, Message.reply("watchdog", "ok"))
        for msg, use_mid in ((Message.request("watchdog", mid=42), None),
                             (Message.request("watchdog"), True)):
            reply, informs = self.client.blocking_request(msg, use_mid=use_mid)
            self.assertFalse(reply.reply_ok())
            self.assertEqual(reply.arguments[1], b"Message IDs not supported by server")
            self.assertEqual(informs, [])


class TestNonThreadsafe(BlockingTestCase):
    client_class = AsyncClient

    def test_blocking_request_works(self):
        reply, _ = self.client.blocking_request(Message.request("watchdog"))
        self.assertTrue(reply.reply_ok())
        self.assertFalse(self.client.threadsafe)

    def test_others_do_not(self):
        with self.assertRaises(AssertionError):
            self.client.callback_request(Message.request("watchdog"))
        with self.assertRaises(AssertionError):
            self.client.future_request(Message.request("watchdog")).result()


class TestEnd(BlockingTestCase):
    def ask_in_thread(self, timeout=None, wait=True):
        outcome = []

        def ask():
            try:
                outcome.append(self.client.blocking_request(Message.request("slow"), timeout=timeout))
            except Exception as exc:
                outcome.append(exc)

        thread = threading.Thread(target=ask)
        thread.start()
        if wait:
            self.server.wait_for_lines(1)
        return thread, outcome

    def test_stop_answers(self):
        self.client._request_timeout = None
        thread, outcome = self.ask_in_thread()
        self.client.stop()
        thread.join(LIMIT)
        (reply, informs), = outcome
        self.assertEqual(reply, Message.reply("slow", "fail", "Client stopped before reply was received",
                                              mid=1))
        self.assertEqual(informs, [])

    def test_lost_connection_answers(self):
        self.client._request_timeout = None
        thread, outcome = self.ask_in_thread()
        self.server.wait_for_connection().close()
        thread.join(LIMIT)
        (reply, informs), = outcome
        self.assertEqual(reply, Message.reply("slow", "fail", "Connection closed before reply was received",
                                              mid=1))

    def test_death_of_the_loop_is_an_error(self):
        self.client._request_timeout = None
        thread, outcome = self.ask_in_thread()
        with CapturedLog("katcp.client") as log:
            self.client.ioloop.add_callback(self.client.ioloop.stop)
            thread.join(LIMIT)
            self.client.join(LIMIT)
        self.assertIsInstance(outcome[0], RuntimeError)
        self.assertIn("ended without a stop()", log.messages[0])
        self.assertFalse(self.client.running())
        self.assertFalse(self.client.is_connected())
        with self.assertRaises(RuntimeError):
            self.client.blocking_request(Message.request("watchdog"))
        # And it can be started again.
        self.client.start(timeout=LIMIT)
        self.assertTrue(self.client.wait_protocol(LIMIT))
        reply, _ = self.client.blocking_request(Message.request("watchdog"))
        self.assertTrue(reply.reply_ok())

    def test_request_that_comes_too_late_for_the_loop(self):
        self.client._request_timeout = None
        on_its_way = threading.Event()
        # The thread sends it, and tells the loop when no reply comes; and the loop never sees that.
        self.client._calls.call = lambda *args: on_its_way.set()
        thread, outcome = self.ask_in_thread(wait=False)
        self.assertTrue(on_its_way.wait(LIMIT))
        self.client.stop()
        thread.join(LIMIT)
        (reply, informs), = outcome
        self.assertEqual(reply, Message.reply("slow", "fail", "Client stopped before reply was received",
                                              mid=1))
        self.assertEqual(informs, [])

    def test_after_stop(self):
        self.client.stop()
        self.client.join(LIMIT)
        for call in (self.client.blocking_request, self.client.callback_request, self.client.send_message,
                     self.client.request):
            with self.assertRaises(RuntimeError):
                call(Message.request("watchdog"))
        self.assertFalse(self.client.wait_connected())
        self.assertFalse(self.client.wait_running())
        self.assertTrue(self.client.wait_disconnected())
        self.client.stop()

    def test_before_start(self):
        client = BlockingClient("127.0.0.1", 1)
        for call in (client.blocking_request, client.callback_request, client.send_message, client.request):
            with self.assertRaises(RuntimeError) as caught:
                call(Message.request("watchdog"))
            self.assertTrue(str(caught.exception).startswith("Call start() before "))
        with self.assertRaises(RuntimeError):
            client.future_request(Message.request("watchdog")).result()


class TestCallbackClient(BlockingTestCase):
    client_class = CallbackClient

    def test_callbacks_run_in_the_loop(self):
        reply, inform = Recorder(), Recorder()
        note = functools.partial

        def remember(recorder, msg, *args):
            recorder(msg, threading.current_thread(), *args)

        self.assertIsNone(self.client.callback_request(Message.request("help"), note(remember, reply),
                                                       note(remember, inform), (5, "foo")))
        reply.wait()
        self.assertEqual([call[2:] for call in reply.calls + inform.calls], 4 * [(5, "foo")])
        self.assertEqual(set([call[1].ident for call in reply.calls + inform.calls]),
                         set([self.client.ioloop_thread_id]))
        self.assertEqual(inform.messages, [b"#help[1] name%d doc" % n for n in range(3)])

    def test_fifty_threads(self):
        recorders = [(Recorder(), Recorder()) for _ in range(50)]
        threads = [threading.Thread(target=self.client.callback_request,
                                    args=(Message.request("echo", number), reply, inform))
                   for number, (reply, inform) in enumerate(recorders)]
        for thread in threads:
            thread.start()
        for number, (reply, inform) in enumerate(recorders):
            reply.wait()
            self.assertEqual([msg.arguments for msg, in inform.calls], [[b"%d" % number]])
            self.assertEqual([msg.arguments for msg, in reply.calls], [[b"ok", b"%d" % number]])
        for thread in threads:
            thread.join(LIMIT)
        self.client.blocking_request(Message.request("watchdog"))
        self.assertEqual([len(reply.calls) for reply, _ in recorders], 50 * [1])

    def test_order_of_calls(self):
        for number in range(500):
            self.client.callback_request(Message.request("echo", number))
        self.client.blocking_request(Message.request("last"))
        self.assertEqual([line.split(b" ")[1] for line in self.server.lines[:-1]],
                         [b"%d" % number for number in range(500)])

    def test_future_request_from_another_thread(self):
        future = self.client.future_request(Message.request("help"))
        reply, informs = future.result(LIMIT)
        self.assertEqual((reply.arguments, len(informs)), ([b"ok", b"3"], 3))

    def test_future_of_a_loop_that_has_ended(self):
        futures = [self.client.future_request(Message.request("slow"), timeout=1000)]
        release = threading.Event()
        self.client.ioloop.add_callback(release.wait)
        self.client.ioloop.add_callback(self.client.ioloop.stop)
        futures.append(self.client.future_request(Message.request("slow"), timeout=1000))
        release.set()
        for future in futures:
            with self.assertRaises(RuntimeError):
                future.result(LIMIT)

    def test_errors_are_not_lost(self):
        reply = Recorder()
        with CapturedLog("katcp.client") as log:
            self.client.callback_request(Message.inform("help"), reply, None, (1,))
            reply.wait()
        self.assertEqual(reply.calls[0][0].arguments[0], b"fail")
        self.assertEqual(reply.calls[0][1], 1)
        self.assertEqual(len(log.records), 1)

    def test_set_daemon(self):
        client = self.make_client(CallbackClient, self.server)
        client.setDaemon(True)
        client.start(timeout=LIMIT)
        thread, = [thread for thread in threading.enumerate() if thread.ident == client.ioloop_thread_id]
        self.assertTrue(thread.daemon)
        self.assertFalse(hasattr(DeviceClient("h", 1), "setDaemon"))
        self.assertFalse(hasattr(AsyncClient("h", 1), "setDaemon"))


class Transport(object):
    """Something that comes first in the bases, as in casperfpga."""

    def __init__(self, **kwargs):
        self.host = kwargs["host"]
        self.logger = mock.Mock()
        self._timeout = 10

    def is_connected(self):
        raise NotImplementedError


class KatcpTransport(Transport, CallbackClient):
    def __init__(self, host, port):
        Transport.__init__(self, host=host)
        CallbackClient.__init__(self, host, port, tb_limit=20, timeout=10, logger=mock.Mock(),
                                auto_reconnect=True)
        self.system_info = {}
        self.ready = Recorder()

    @property
    def half_built(self):
        raise ValueError("Nobody may look here")

    def connect(self, timeout=None):
        self.setDaemon(True)
        self.start()
        return self.wait_connected(timeout)

    def disconnect(self):
        self.join(timeout=0.01)

    def is_connected(self):
        return CallbackClient.is_connected(self)

    def unhandled_inform(self, msg):
        self.ready(msg)


class TestDownstream(ThreadedTestCase):
    def test_transport(self):
        server = self.make_server(answer=answer)
        transport = self.make_client(KatcpTransport, server)
        self.assertFalse(transport.is_connected())
        self.assertTrue(transport.connect(LIMIT))
        reply, informs = transport.blocking_request(Message.request("help"), timeout=3)
        self.assertEqual(reply.arguments[0].decode(), "ok")
        self.assertEqual(reply.arguments[1], b"3")
        server.wait_for_connection().send(b"#fpga ready\n")
        transport.ready.wait()
        self.assertEqual("%i" % transport._bindaddr[1], str(server.address[1]))
        transport._stream.max_write_buffer_size *= 2
        transport._stream.max_buffer_size *= 2
        transport.disconnect()
        self.assertTrue(transport.is_connected())

    def test_limits_on_the_class(self):
        class Client(katcp.client.CallbackClient):
            pass

        Client.MAX_MSG_SIZE *= 10
        client = self.start_client(Client, self.make_server())
        self.assertEqual(client._stream.max_buffer_size, 20 * 1024 * 1024)

    def test_probe_of_an_unreachable_device(self):
        server = self.make_server()
        server.stop()
        client = self.make_client(CallbackClient, server, timeout=1, auto_reconnect=False)
        client.setDaemon(True)
        with CapturedLog("katcp.client") as log:
            client.start()
            self.assertFalse(client.wait_connected(0.05))
            client.stop()
            client.join(LIMIT)
        self.assertEqual(log.messages, ["Failed to connect to {!r}".format(server.address)])


class TestRequestCheck(BlockingTestCase):
    class Error(Exception):
        pass

    def setUp(self):
        super(TestRequestCheck, self).setUp()
        self.check = functools.partial(request_check, self.client, self.Error)

    def test_ok(self):
        reply, informs = self.check("echo", 5)
        self.assertEqual((reply.arguments, len(informs)), ([b"ok", b"5"], 1))

    def test_failure(self):
        with self.assertRaises(self.Error) as caught:
            self.check("fail", b"\xfe", mid=17)
        expected = 'Unexpected failure reply "{}"\n with device at {}, request \n"{}"'.format(
            compat.lossy_str(b"!fail[17] fail no\\_\xff"), self.client.bind_address_string,
            compat.lossy_str(b"?fail[17] \xfe"))
        self.assertEqual(str(caught.exception), expected)

    def test_timeout(self):
        with self.assertRaises(self.Error) as caught:
            self.check("slow", timeout=0.01)
        self.assertIn("timed", str(caught.exception))
        client = mock.Mock(spec=["blocking_request", "bind_address_string"])
        client.blocking_request.return_value = (Message.reply("a", "ok"), [])
        request_check(client, self.Error, "a", 1, timeout=None, other=3)
        self.assertEqual(client.blocking_request.call_args, mock.call(Message.request("a", 1)))
        request_check(client, self.Error, "a", 1, timeout=7)
        self.assertEqual(client.blocking_request.call_args, mock.call(Message.request("a", 1), timeout=7))


class TestWaits(BlockingTestCase):
    def test_wait_without_connection(self):
        self.client.auto_reconnect_delay = 1000
        self.server.stop()
        self.assertTrue(self.client.wait_disconnected(LIMIT))
        start = time.time()
        self.assertFalse(self.client.wait_connected(0.1))
        self.assertTrue(0.05 < time.time() - start < 1)
        self.assertFalse(self.client.wait_connected(0))
        self.assertFalse(self.client.wait_connected(-1))

    def test_stop_ends_waits(self):
        self.client.auto_reconnect_delay = 1000
        self.server.stop()
        self.assertTrue(self.client.wait_disconnected(LIMIT))
        results = []
        waiting = threading.Event()

        def wait():
            waiting.set()
            results.append(self.client.wait_connected())

        thread = threading.Thread(target=wait)
        thread.start()
        waiting.wait(LIMIT)
        self.client.stop()
        thread.join(LIMIT)
        self.assertEqual(results, [False])

    def test_in_the_loop(self):
        def wait():
            return self.client.wait_connected(), self.client.wait_disconnected(5)

        self.assertEqual(self.in_loop(self.client, wait), (True, False))

        def wait_for_ever():
            with self.assertRaises(RuntimeError):
                self.client.wait_disconnected()
            return True

        self.assertTrue(self.in_loop(self.client, wait_for_ever))

    def test_nobody_is_left_in_the_event(self):
        self.client._received_protocol_info.clear()
        for _ in range(10):
            self.assertFalse(self.client.wait_protocol(0.001))

        def waiters():
            return len(self.client._received_protocol_info._waiters)

        for _ in range(1000):
            if not self.in_loop(self.client, waiters):
                break
        self.assertEqual(self.in_loop(self.client, waiters), 0)


class TestNotReading(ThreadedTestCase):
    def test_send_message_waits_until_it_is_sent(self):
        server = self.make_server(answer=no_reply)
        client = self.start_client(BlockingClient, server)
        client._stream.max_write_buffer_size = 100 << 20
        release = threading.Event()
        self.addCleanup(release.set)
        server.do(release.wait)
        msg = Message.inform("much", b"x" * (20 << 20))
        with self.assertRaises(katcp.client.TimeoutError):
            client.send_message(msg, timeout=0.05)
        release.set()
        client.send_message(Message.inform("last"), timeout=None)
        self.assertEqual(len(server.wait_for_lines(2)[0]), (20 << 20) + len("#much "))


class TestKatcpClientError(unittest.TestCase):
    def test_is_no_stranger(self):
        self.assertTrue(issubclass(katcp.client.KatcpClientDisconnected, KatcpClientError))
        self.assertTrue(issubclass(katcp.client.KatcpVersionError, KatcpClientError))
