"""Tests of katcp.line_connection."""

from __future__ import absolute_import, division, print_function

import errno
import logging
import socket
import unittest

from tornado.iostream import StreamBufferFullError, StreamClosedError

from katcp import line_connection
from tests.support import mock
from tests.support.line_connections import CountingConnection, LineConnectionTestCase


class TestReading(LineConnectionTestCase):
    def test_lines_of_all_sorts(self):
        connection, peer = self.connect()
        connection.start_reading(self.lines.append)
        peer.sendall(b"?a\n?b 1\r\n\n  \t\r?c\r?d \xff\x00\n?half")
        self.run_until(lambda: len(self.lines) == 4)
        self.assertEqual(self.lines, [b"?a", b"?b 1", b"?c", b"?d \xff\x00"])
        peer.sendall(b" a line\n")
        self.run_until(lambda: len(self.lines) == 5)
        self.assertEqual(self.lines[4], b"?half a line")

    def test_single_bytes(self):
        connection, peer = self.connect()
        connection.start_reading(self.lines.append)
        for i in range(5):
            peer.sendall(b"?ab\n\n"[i:i + 1])
            self.settle()
        self.assertEqual(self.lines, [b"?ab"])

    def test_many_lines_take_few_reads(self):
        connection, peer = self.connect()
        peer.sendall(b"?watchdog\n" * 2000)
        self.settle()
        connection.start_reading(self.lines.append)
        self.run_until(lambda: len(self.lines) == 2000)
        self.assertLess(connection.receives, 10)

    def test_batch_end(self):
        connection, peer = self.connect()
        batches = []

        def on_batch_end():
            batches.append(len(self.lines))

        peer.sendall(b"?a\n?b\n?c\n")
        self.settle()
        connection.start_reading(self.lines.append, None, on_batch_end)
        self.run_until(lambda: batches)
        self.assertEqual(batches, [3])

    def test_long_deliveries_let_others_run(self):
        connection, peer = self.connect()
        peer.sendall(b"?a\n?b\n?c\n")
        self.settle()
        events = []

        def on_line(line):
            events.append(line)
            self.ioloop.add_callback(events.append, b"other")

        with mock.patch.object(line_connection, "DELIVERY_BUDGET", -1):
            connection.start_reading(on_line)
            self.run_until(lambda: len(events) == 6)
        self.assertEqual(events, [b"?a", b"other", b"?b", b"other", b"?c", b"other"])

    def test_exception_of_the_receiver_loses_only_its_line(self):
        connection, peer = self.connect()
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)

        def on_line(line):
            self.lines.append(line)
            if line == b"?a":
                raise ValueError("deliberate")

        connection.start_reading(on_line)
        peer.sendall(b"?a\n?b\n")
        self.run_until(lambda: len(self.lines) == 2)
        peer.sendall(b"?c\n")
        self.run_until(lambda: len(self.lines) == 3)
        self.assertEqual(self.lines, [b"?a", b"?b", b"?c"])


class TestPause(LineConnectionTestCase):
    def test_pause_between_lines(self):
        connection, peer = self.connect()

        def on_line(line):
            self.lines.append(line)
            connection.pause()

        connection.start_reading(on_line)
        peer.sendall(b"?a\n?b\n?c\n")
        for count in (1, 2, 3):
            self.run_until(lambda: self.lines)
            self.settle()
            self.assertEqual(len(self.lines), count)
            connection.resume()
            self.assertEqual(len(self.lines), count)  # never inside resume
        peer.sendall(b"?d\n")
        self.run_until(lambda: len(self.lines) == 4)
        self.assertEqual(self.lines, [b"?a", b"?b", b"?c", b"?d"])

    def test_resume_while_delivering(self):
        connection, peer = self.connect()

        def on_line(line):
            self.lines.append(line)
            connection.pause()
            connection.resume()

        connection.start_reading(on_line)
        peer.sendall(b"?a\n?b\n")
        self.run_until(lambda: len(self.lines) == 2)

    def test_pause_at_the_end_of_a_batch(self):
        connection, peer = self.connect()
        connection.start_reading(self.lines.append, None, connection.pause)
        peer.sendall(b"?a\n?b\n")
        self.run_until(lambda: len(self.lines) == 2)
        peer.sendall(b"?c\n")
        self.settle()
        self.assertEqual(len(self.lines), 2)
        connection.resume()
        self.run_until(lambda: len(self.lines) == 3)

    def test_nothing_is_read_while_paused(self):
        connection, peer = self.connect()
        connection.start_reading(self.lines.append)
        connection.pause()
        peer.setblocking(False)
        sent = 0
        try:
            while sent < 64 * 1024 * 1024:
                sent += peer.send(b"?a line of some length\n" * 1000)
                self.turn()
        except socket.error as exc:
            self.assertIn(exc.errno, (errno.EAGAIN, errno.EWOULDBLOCK))
        self.assertEqual(connection.receives, 0)
        self.assertEqual(self.lines, [])
        connection.resume()
        self.run_until(lambda: sum(map(len, self.lines)) + len(self.lines) >= sent - 23)

    def test_paused_connection_is_not_polled_for_ever(self):
        connection, peer = self.connect()
        connection.start_reading(self.lines.append)
        connection.pause()
        peer.sendall(b"?a\n")
        self.settle()
        with mock.patch.object(CountingConnection, "_handle_events") as handle_events:
            self.settle()
        self.assertEqual(handle_events.call_count, 0)

    def test_end_of_input_while_paused_waits(self):
        connection, peer = self.connect()

        def on_line(line):
            self.lines.append(line)
            connection.pause()

        connection.start_reading(on_line)
        peer.sendall(b"?a\n?b\n")
        peer.shutdown(socket.SHUT_WR)
        self.settle()
        self.assertEqual(self.lines, [b"?a"])
        self.assertEqual(self.closed, [])
        connection.send(b"!a ok\n")
        connection.resume()
        self.run_until(lambda: len(self.lines) == 2)
        self.settle()
        self.assertEqual(self.closed, [])
        connection.send(b"!b ok\n")
        connection.resume()
        self.run_until(lambda: self.closed)
        self.assertEqual(self.closed, [None])
        self.assertEqual(self.read_all(peer), b"!a ok\n!b ok\n")

    def test_lost_connection_is_noticed_while_paused(self):
        connection, peer = self.connect()
        connection.start_reading(self.lines.append)
        connection.pause()
        self.reset(peer)
        self.run_until(lambda: self.closed)
        self.assertEqual(self.closed[0].errno, errno.ECONNRESET)

    def test_what_arrived_before_a_reset_is_delivered(self):
        connection, peer = self.connect()
        connection.start_reading(self.lines.append)
        connection.pause()
        peer.sendall(b"?a\n?b\n")
        self.settle()
        self.reset(peer)
        self.settle()
        self.assertEqual(self.closed, [])
        with mock.patch.object(CountingConnection, "_look_ahead") as look_ahead:
            self.settle()
        self.assertEqual(look_ahead.call_count, 0)  # some loops report hang-ups for ever
        connection.resume()
        self.run_until(lambda: self.closed)
        self.assertEqual(self.lines, [b"?a", b"?b"])


class TestEndOfInput(LineConnectionTestCase):
    def test_half_closed_peer_gets_its_answers(self):
        connection, peer = self.connect()

        def on_line(line):
            self.lines.append(line)
            connection.send(b"!" + line[1:] + b"\n")
            self.assertEqual(self.closed, [])

        peer.sendall(b"?a\n?b\n?unfinished")
        peer.shutdown(socket.SHUT_WR)
        connection.start_reading(on_line)
        self.run_until(lambda: self.closed)
        self.assertEqual(self.lines, [b"?a", b"?b"])
        self.assertEqual(self.read_all(peer), b"!a\n!b\n")
        self.assertEqual(self.closed, [None])
        self.assertTrue(connection.closed())

    def test_much_output_to_a_half_closed_peer(self):
        connection, peer = self.connect(max_write_buffer_size=None)
        answer = b"x" * 100000 + b"\n"
        peer.sendall(b"?a\n" * 200)
        peer.shutdown(socket.SHUT_WR)
        connection.start_reading(lambda line: connection.send(answer))
        self.run_until(connection.writing)
        received = []
        peer.setblocking(False)

        def read_some():
            try:
                received.append(len(peer.recv(1 << 20)))
            except socket.error:
                pass
            return received and received[-1] == 0

        self.run_until(read_some)
        self.assertEqual(sum(received), 200 * len(answer))

    def test_reset(self):
        connection, peer = self.connect()
        connection.start_reading(self.lines.append)
        self.reset(peer)
        self.run_until(lambda: self.closed)
        self.assertEqual(self.closed[0].errno, errno.ECONNRESET)
        self.assertIs(connection.error, self.closed[0])


class TestOverflow(LineConnectionTestCase):
    def test_longest_line(self):
        connection, peer = self.connect(max_buffer_size=10)
        connection.start_reading(self.lines.append)
        peer.sendall(b"?23456789\n" * 2)
        self.run_until(lambda: len(self.lines) == 2)
        self.assertEqual(self.closed, [])

    def test_too_long_a_line(self):
        connection, peer = self.connect(max_buffer_size=10)
        overflows = []

        def on_overflow():
            overflows.append(list(self.lines))
            connection.send(b"#too-long\n")

        peer.sendall(b"?a\n?234567890\n?b\n")
        connection.start_reading(self.lines.append, on_overflow)
        self.run_until(lambda: self.closed)
        self.assertEqual(self.lines, [b"?a"])
        self.assertEqual(overflows, [[b"?a"]])
        self.assertIsInstance(self.closed[0], StreamBufferFullError)
        self.assertEqual(self.read_all(peer), b"#too-long\n")

    def test_line_without_end(self):
        connection, peer = self.connect(max_buffer_size=10)
        connection.start_reading(self.lines.append)
        peer.sendall(b"0123456789")
        self.run_until(lambda: self.closed)
        self.assertEqual(self.lines, [])

    def test_overflow_waits_for_the_lines_before(self):
        connection, peer = self.connect(max_buffer_size=10)
        overflows = []

        def on_line(line):
            self.lines.append(line)
            connection.pause()

        connection.start_reading(on_line, lambda: overflows.append(True))
        peer.sendall(b"?a\n?b\n0123456789")
        self.settle()
        self.assertEqual(self.lines, [b"?a"])
        connection.resume()
        self.run_until(lambda: len(self.lines) == 2)
        self.settle()
        self.assertEqual(overflows, [])
        connection.resume()
        self.run_until(lambda: self.closed)
        self.assertEqual(overflows, [True])


class TestClosing(LineConnectionTestCase):
    def test_close_sends_what_is_queued(self):
        connection, peer = self.connect()
        connection.send(b"#bye\n")
        connection.close()
        self.assertEqual(self.read_all(peer), b"#bye\n")

    def test_close_callback_is_called_once_and_later(self):
        connection, peer = self.connect()
        connection.close()
        connection.close()
        self.assertTrue(connection.closed())
        self.assertEqual(self.closed, [])
        self.settle()
        self.assertEqual(self.closed, [None])

    def test_close_callback_of_a_closed_connection(self):
        connection, peer = self.connect()
        connection.close()
        self.settle()
        late = []
        connection.set_close_callback(lambda: late.append(True))
        self.assertEqual(late, [])
        self.settle()
        self.assertEqual(late, [True])

    def test_close_while_delivering(self):
        connection, peer = self.connect()

        def on_line(line):
            self.lines.append(line)
            connection.close()

        connection.start_reading(on_line)
        peer.sendall(b"?a\n?b\n")
        self.run_until(lambda: self.closed)
        self.assertEqual(self.lines, [b"?a"])

    def test_close_with_error(self):
        for exc_info in (ValueError("x"), True, "triple"):
            connection, _ = self.connect()
            try:
                raise ValueError("x")
            except ValueError as exc:
                connection.close((type(exc), exc, None) if exc_info == "triple" else exc_info)
            self.assertIsInstance(connection.error, ValueError)

    def test_use_after_close(self):
        connection, _ = self.connect()
        connection.close()
        with self.assertRaises(StreamClosedError):
            connection.send(b"#a\n")
        with self.assertRaises(StreamClosedError):
            connection.write(b"#a\n")
        connection.flush()
        connection.pause()
        connection.resume()
        connection.set_nodelay(True)
        connection.close_after_flush()
        self.assertFalse(connection.reading())

    def test_close_fails_write_futures(self):
        connection, peer = self.connect(max_write_buffer_size=None)
        future = connection.write(b"x" * 16 * 1024 * 1024)
        self.settle()
        connection.close()
        self.run_until(future.done)
        with self.assertRaises(StreamClosedError):
            future.result()

    def test_close_after_flush(self):
        connection, peer = self.connect(max_write_buffer_size=None)
        size = 16 * 1024 * 1024
        connection.start_reading(self.lines.append)
        connection.send(b"x" * size)
        connection.close_after_flush()
        peer.sendall(b"?a\n")
        self.settle()
        self.assertFalse(connection.closed())
        with self.assertRaises(StreamClosedError):
            connection.send(b"#a\n")
        received = 0
        while received < size:
            self.turn()
            received += len(peer.recv(1 << 20))
        self.run_until(lambda: self.closed)
        self.assertEqual(self.lines, [])
        self.assertEqual(self.closed, [None])

    def test_close_after_flush_with_nothing_to_flush(self):
        connection, peer = self.connect()
        connection.close_after_flush()
        self.assertTrue(connection.closed())

    def test_reading_state(self):
        connection, _ = self.connect()
        self.assertFalse(connection.reading())
        connection.start_reading(self.lines.append)
        self.assertTrue(connection.reading())
        connection.pause()
        self.assertFalse(connection.reading())
        connection.resume()
        self.assertTrue(connection.reading())
        connection.close()
        self.assertFalse(connection.reading())


if __name__ == "__main__":
    unittest.main()
