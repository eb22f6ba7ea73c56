"""Tests of katcp.client.blocking_requests: requests that the waiting thread sends itself."""

from __future__ import absolute_import, division, print_function

import re
import threading
import unittest

from katcp.client import AsyncClient, BlockingClient, Message
from katcp.client.shared_line import SharedLine
from tests.support import mock
from tests.support.client_cases import LIMIT, Recorder, ThreadedTestCase
from tests.support.scripted_server import reply_ok


class Unprintable(object):
    """Something that is no argument of a message."""

    def __str__(self):
        raise TypeError("It cannot be shown.")


class DirectTestCase(ThreadedTestCase):
    client_class = BlockingClient

    def setUp(self):
        self.server = self.make_server(answer=self.answer)
        self.client = self.start_client(self.client_class, self.server)
        self.assertTrue(self.client.wait_protocol(LIMIT))
        # Until the loop has come to rest.
        self.in_loop(self.client, lambda: None)

    def answer(self, line):
        return reply_ok(line) if not line.startswith(b"?silent") else b""

    def hold_loop(self):
        """Keep the loop busy until the returned event is set."""
        busy, release = threading.Event(), threading.Event()

        def be_busy():
            busy.set()
            release.wait(LIMIT)

        # By a timer, so that nothing waits behind it.
        self.client.ioloop.add_callback(self.client.ioloop.call_later, 0.001, be_busy)
        self.assertTrue(busy.wait(LIMIT))
        self.addCleanup(release.set)
        return release

    def ask_in_thread(self, *args, **kwargs):
        """Return a thread that makes a request, and the list that will have the outcome."""
        outcome = []

        def ask():
            try:
                outcome.append(self.client.blocking_request(*args, **kwargs))
            except Exception as exc:
                outcome.append(exc)

        thread = threading.Thread(target=ask)
        thread.start()
        return thread, outcome

    def wait_until(self, condition):
        done = threading.Event()
        for _ in range(int(LIMIT / 0.005)):
            if condition():
                return
            done.wait(0.005)
        raise AssertionError("Waited in vain")

    def finish(self, thread, outcome):
        thread.join(LIMIT)
        (reply, informs), = outcome
        return reply


class TestSending(DirectTestCase):
    def test_loop_is_not_needed(self):
        release = self.hold_loop()
        thread, outcome = self.ask_in_thread(Message.request("a"))
        self.assertEqual(self.server.wait_for_lines(1), [b"?a[1]"])
        self.assertEqual(outcome, [])
        release.set()
        self.assertEqual(self.finish(thread, outcome), Message.reply("a", "ok", mid=1))
        self.assertEqual((self.client._async_queue, list(self.client._notes)), ({}, []))

    def sent_by_loop(self, *args, **kwargs):
        """Return the reply to a request that has to wait for the loop."""
        release = self.hold_loop()
        before = list(self.server.lines)
        thread, outcome = self.ask_in_thread(*args, **kwargs)
        thread.join(0.05)
        self.assertEqual(self.server.lines, before)
        release.set()
        return self.finish(thread, outcome)

    def test_requests_that_the_loop_sends(self):
        for args, kwargs in (((Message.request("a", mid=7),), {}),
                             ((Message.request("a"),), {"use_mid": False}),
                             ((Message.request("a"),), {"timeout": 0.09})):
            self.sent_by_loop(*args, **kwargs)

    def test_what_is_replaced_is_called(self):
        for name in ("callback_request", "send_request", "send_message", "future_request", "_next_id"):
            with mock.patch.object(self.client, name, side_effect=ValueError("Replaced")):
                with self.assertRaises(ValueError):
                    self.client.blocking_request(Message.request("a"))

        def refuse(self, *args, **kwargs):
            """Refuse."""
            raise ValueError("Replaced")

        # Not marked as thread-safe, as methods of users are.
        for name in ("callback_request", "send_request", "send_message", "future_request", "_next_id"):
            client = self.start_client(type("Other", (BlockingClient,), {name: refuse}), self.server)
            self.assertTrue(client.wait_protocol(LIMIT))
            with self.assertRaises(ValueError):
                client.blocking_request(Message.request("a"))
        self.assertEqual(self.server.lines, [])

    def check_order(self, ask_first, expected):
        """Check that what a thread does first, while the loop is busy, is done before its request is sent."""
        release = self.hold_loop()
        outcome = []

        def ask():
            ask_first(Message.request("first"))
            outcome.append(self.client.blocking_request(Message.request("second")))

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(0.05)
        release.set()
        self.assertTrue(self.finish(thread, outcome).reply_ok())
        self.assertEqual(self.server.lines, expected)

    def test_what_the_thread_asked_for_before_goes_first(self):
        self.client._stream._next_turn = None  # on some loops nobody knows what waits for its turn
        self.check_order(self.client.callback_request, [b"?first[1]", b"?second[2]"])

    def test_callbacks_go_first_where_they_are_known(self):
        if self.client._stream._next_turn is not None:
            self.check_order(lambda msg: self.client.ioloop.add_callback(self.client.send_request, msg),
                             [b"?first", b"?second[1]"])

    def test_calls_that_are_being_made_go_first(self):
        # Out of the queue, and not done.
        self.client._stream._next_turn = None
        started, release = threading.Event(), threading.Event()

        def send_late(msg):
            started.set()
            release.wait(LIMIT)
            self.client.send_request(msg)

        self.client._calls.call(send_late, Message.request("first"))
        self.assertTrue(started.wait(LIMIT))
        thread, outcome = self.ask_in_thread(Message.request("second"))
        thread.join(0.05)
        release.set()
        self.assertTrue(self.finish(thread, outcome).reply_ok())
        self.assertEqual(self.server.lines, [b"?first", b"?second[1]"])

    def test_large_request(self):
        text = b"x" * 3000000
        self.server.answer = lambda line: b"!a" + line[2:5] + b" ok %d\n" % len(line)
        for _ in range(2):
            reply, _ = self.client.blocking_request(Message.request("a", text))
            self.assertEqual(reply.arguments, [b"ok", b"%d" % len(b"?a[1] " + text)])

    def test_request_that_is_too_large(self):
        self.client.auto_reconnect_delay = 1000
        self.in_loop(self.client, setattr, self.client._stream, "max_write_buffer_size", 1000)
        reply, _ = self.client.blocking_request(Message.request("a", b"x" * 1000))
        self.assertFalse(reply.reply_ok())
        self.assertTrue(self.client.wait_disconnected(LIMIT))
        self.assertEqual(self.server.lines, [])

    def test_bad_request(self):
        msg = Message.request("a")
        msg.arguments.append(Unprintable())
        with self.assertRaises(TypeError):
            self.client.blocking_request(msg)
        self.assertEqual((self.client._async_queue, list(self.client._notes)), ({}, []))
        reply, _ = self.client.blocking_request(Message.request("b"))
        self.assertTrue(reply.reply_ok())

    def test_clients_without_thread_safety_leave_it_to_the_loop(self):
        self.client = self.start_client(AsyncClient, self.server)
        self.assertTrue(self.client.wait_protocol(LIMIT))
        self.assertIsNot(type(self.client._stream), SharedLine)
        self.assertTrue(self.sent_by_loop(Message.request("a")).reply_ok())


class TestNotes(DirectTestCase):
    def test_timeout_counts_from_the_start(self):
        release = self.hold_loop()
        thread, outcome = self.ask_in_thread(Message.request("silent"), timeout=0.2)
        thread.join(0.35)
        release.set()
        reply = self.finish(thread, outcome)
        match = re.match(br"Request silent timed out after (.*) seconds\.$", reply.arguments[1])
        self.assertGreater(float(match.group(1)), 0.3)

    def test_clock_that_is_set_back_before_the_loop_looks(self):
        ioloop = self.client.ioloop

        def look():
            now = ioloop.time()
            deadline = [now + 3605, b"7", now + 3600]
            self.client._notes.append((b"7", (Message.request("a", mid=7), None, None, None, deadline)))
            self.client._read_notes()
            self.client._pending.remove_all()
            return deadline[0] - deadline[2], deadline[2] - now

        timeout, late = self.in_loop(self.client, look)
        self.assertAlmostEqual(timeout, 5, 3)
        self.assertLess(late, 100)

    def test_loop_is_told_of_requests_without_reply(self):
        thread, outcome = self.ask_in_thread(Message.request("silent"))
        self.server.wait_for_lines(1)
        self.wait_until(lambda: self.client._async_queue)
        self.assertEqual(list(self.client._async_queue), [b"1"])
        self.server.wait_for_connection().send(b"#silent[1] well\n!silent[1] ok\n")
        thread.join(LIMIT)
        self.assertEqual(outcome, [(Message.reply("silent", "ok", mid=1),
                                    [Message.inform("silent", "well", mid=1)])])

    def test_connection_that_is_lost_before_the_loop_looks(self):
        release = self.hold_loop()
        thread, outcome = self.ask_in_thread(Message.request("silent"))
        self.server.wait_for_lines(1)
        self.server.wait_for_connection().close()
        release.set()
        self.assertEqual(self.finish(thread, outcome), Message.reply(
            "silent", "fail", "Connection closed before reply was received", mid=1))
        self.assertEqual(self.client._async_queue, {})

    def test_stop_before_the_loop_looks(self):
        release = self.hold_loop()
        thread, outcome = self.ask_in_thread(Message.request("silent"))
        self.server.wait_for_lines(1)
        self.client.stop()
        release.set()
        self.assertEqual(self.finish(thread, outcome), Message.reply(
            "silent", "fail", "Client stopped before reply was received", mid=1))

    def refuse(self, then=lambda: None):
        """Have the stream refuse to send, as one does that is closing."""
        def send_from_thread(stream, data):
            then()
            return False

        return mock.patch.object(SharedLine, "send_from_thread", send_from_thread)

    def test_loop_sends_what_the_thread_could_not(self):
        with self.refuse():
            reply, _ = self.client.blocking_request(Message.request("a"))
        self.assertEqual(reply, Message.reply("a", "ok", mid=1))
        self.assertEqual(self.server.lines, [b"?a[1]"])

    def test_connection_that_is_lost_while_sending(self):
        self.client.auto_reconnect_delay = 1000

        def lose():
            self.client.disconnect()
            self.assertTrue(self.client.wait_disconnected(LIMIT))

        with self.refuse(lose):
            reply, _ = self.client.blocking_request(Message.request("a"))
        self.assertEqual(reply, Message.reply(
            "a", "fail", "Connection closed before reply was received", mid=1))
        reply, _ = self.client.blocking_request(Message.request("a"))
        self.assertIn(b"Not connected to device", reply.arguments[1])
        self.assertEqual(self.server.lines, [])

    def test_failure_to_send_in_the_loop(self):
        self.client.auto_reconnect_delay = 1000
        stream = self.client._stream

        def lose():
            # After the note has been read, or the end of the connection would answer the request.
            self.client._stream = None

        with self.refuse(lose):
            reply, _ = self.client.blocking_request(Message.request("a"))
        self.client._stream = stream
        self.assertEqual(reply.mid, b"1")
        self.assertIn(b"Not connected to device", reply.arguments[1])

    def test_id_that_is_taken_in_the_meantime(self):
        release = self.hold_loop()
        thread, outcome = self.ask_in_thread(Message.request("silent"))
        self.server.wait_for_lines(1)
        self.client._async_queue[b"1"] = entry = (Message.request("other"), None, None, None, None)
        release.set()
        reply = self.finish(thread, outcome)
        self.assertEqual(reply.arguments, [b"fail", b"Message ID 1 is in use by another pending request"])
        self.assertIs(self.client._async_queue.pop(b"1"), entry)


class TestManyThreads(DirectTestCase):
    def answer(self, line):
        head, _, argument = line.partition(b" ")
        return b"#" + head[1:] + b" " + argument + b"\n!" + head[1:] + b" ok " + argument + b"\n"

    def test_each_gets_its_own_replies(self):
        failures = []
        callbacks = Recorder()

        def ask(number):
            try:
                for count in range(100):
                    text = b"%d-%d" % (number, count)
                    reply, informs = self.client.blocking_request(Message.request("echo", text))
                    if reply.arguments != [b"ok", text] or [m.arguments for m in informs] != [[text]]:
                        failures.append((text, reply, informs))
                    if count % 5 == number % 5:
                        self.client.callback_request(Message.request("echo", text), callbacks)
                    if count % 7 == number % 7:
                        reply, _ = self.client.future_request(Message.request("echo", text)).result(LIMIT)
                        if reply.arguments != [b"ok", text]:
                            failures.append((text, reply))
            except Exception as exc:
                failures.append(exc)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(7)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        callbacks.wait(7 * 20)
        self.assertEqual(failures, [])
        ids = [line.partition(b"[")[2].partition(b"]")[0] for line in self.server.lines]
        self.assertEqual(sorted(map(int, ids)), list(range(1, len(ids) + 1)))
        self.assertEqual(self.client._async_queue, {})

    def test_ids_are_given_out_one_by_one(self):
        ids = []
        thread = threading.Thread(target=lambda: ids.append(self.client._next_id(any_thread=True)))
        with self.client._id_lock:
            thread.start()
            thread.join(0.05)
            self.assertEqual(ids, [])
        thread.join(LIMIT)
        self.assertEqual(ids, [b"1"])

    def test_connections_that_break(self):
        self.client.auto_reconnect_delay = 0.001
        self.client._request_timeout = None
        outcomes = []
        stop = threading.Event()

        def ask(number):
            while not stop.is_set():
                text = b"%d" % (number,)
                try:
                    reply, _ = self.client.blocking_request(Message.request("echo", text))
                    outcomes.append(reply.arguments == [b"ok", text] or reply.arguments[:1] == [b"fail"]
                                    or reply)
                except Exception as exc:
                    outcomes.append(exc)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(30):
            # It may be gone again by the time that this thread is told.
            self.wait_until(self.client.wait_connected)
            stop.wait(0.005)
            for connection in list(self.server.connections):
                connection.reset()
        stop.set()
        for thread in threads:
            thread.join(LIMIT)
            self.assertFalse(thread.is_alive())
        self.assertEqual([outcome for outcome in outcomes if outcome is not True], [])


if __name__ == "__main__":
    unittest.main()
