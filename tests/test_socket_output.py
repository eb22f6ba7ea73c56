"""Tests of katcp.socket_output, by way of whole connections."""

from __future__ import absolute_import, division, print_function

from tornado.iostream import StreamBufferFullError

from katcp.flush_queue import FlushQueue
from tests.support import mock
from tests.support.line_connections import LineConnectionTestCase


class TestWriting(LineConnectionTestCase):
    def test_one_system_call_for_the_answers_to_a_batch(self):
        connection, peer = self.connect()
        peer.sendall(b"?a\n?b\n?c\n")
        self.settle()
        connection.start_reading(lambda line: connection.send(b"!" + line[1:] + b"\n"))
        self.run_until(lambda: connection.sends)
        self.assertEqual(connection.sends, 1)
        self.assertEqual(peer.recv(100), b"!a\n!b\n!c\n")

    def test_one_system_call_for_the_output_of_a_callback(self):
        connection, peer = self.connect()
        connection.send(b"#a\n")
        connection.send(b"#b\n")
        self.assertTrue(connection.writing())
        self.assertEqual(connection.sends, 0)
        self.run_until(lambda: not connection.writing())
        self.assertEqual(connection.sends, 1)
        self.assertEqual(peer.recv(100), b"#a\n#b\n")

    def test_write_future(self):
        connection, peer = self.connect()
        first = connection.write(b"#a\n")
        second = connection.write(b"#b\n")
        self.assertFalse(first.done())
        self.run_until(second.done)
        self.assertTrue(first.done())
        self.assertIsNone(second.result())
        self.assertFalse(connection.write(b"#c\n").done())

    def test_cancelled_write_future_does_not_affect_others(self):
        connection, peer = self.connect()
        connection.write(b"#a\n").cancel()  # of no effect with some versions of tornado
        future = connection.write(b"#b\n")
        self.run_until(future.done)
        self.assertIsNone(future.result())
        self.assertEqual(peer.recv(100), b"#a\n#b\n")

    def test_write_futures_wait_for_the_reader(self):
        connection, peer = self.connect(max_write_buffer_size=None)
        size = 16 * 1024 * 1024
        first = connection.write(b"x" * size)
        self.settle()
        second = connection.write(b"y" * 10)
        self.assertFalse(first.done())
        received = 0
        while received < size + 10:
            self.turn()
            received += len(peer.recv(1 << 20))
        self.run_until(second.done)
        self.assertTrue(first.done())

    def test_output_survives_partial_sends(self):
        connection, peer = self.connect(max_write_buffer_size=None)
        expected = b"".join(b"%d\n" % i for i in range(300000))
        for start in range(0, len(expected), 10000):
            connection.send(expected[start:start + 10000])
        received = b""
        while len(received) < len(expected):
            self.turn()
            received += peer.recv(1 << 20)
        self.assertEqual(received, expected)

    def test_write_limit(self):
        connection, peer = self.connect(max_write_buffer_size=1000)
        connection.send(b"x" * 1000)
        connection.send(b"x" * 1000)  # there is room as soon as the OS is asked
        with self.assertRaises(StreamBufferFullError):
            connection.send(b"x" * 1001)
        self.assertFalse(connection.closed())
        taken = 2000
        with self.assertRaises(StreamBufferFullError):
            while taken < 64 * 1024 * 1024:
                connection.send(b"x" * 1000)
                taken += 1000
        received = 0
        while received < taken:
            self.turn()
            received += len(peer.recv(1 << 20))
        connection.send(b"y" * 1000)
        self.run_until(lambda: not connection.writing())

    def test_write_limit_can_be_changed(self):
        connection, _ = self.connect()
        connection.max_write_buffer_size = 10
        with self.assertRaises(StreamBufferFullError):
            connection.write(b"x" * 11)

    def test_lost_connection_is_noticed_when_writing(self):
        connection, peer = self.connect()
        self.reset(peer)
        connection.send(b"#a\n")
        self.run_until(lambda: self.closed)
        self.assertIsNotNone(connection.error)

    def test_flush_queue_is_shared(self):
        flush_queue = FlushQueue(self.ioloop)
        connections = [self.connect(flush_queue=flush_queue)[0] for _ in range(3)]
        with mock.patch.object(self.ioloop, "add_callback") as add_callback:
            for connection in connections * 2:
                connection.send(b"#a\n")
            self.assertEqual(add_callback.call_count, 1)
        self.assertEqual(flush_queue._waiting, connections)
        flush_queue.flush()
        self.assertEqual([connection.sends for connection in connections], [1, 1, 1])

    def test_many_pieces_are_not_all_held(self):
        connection, peer = self.connect()
        connection.max_held = 10
        numbers = []
        for number in range(35):
            connection.send(b"#a %d\n" % number)
            numbers.append(number)
            # The last of so many takes the others with it.
            self.assertEqual(connection.sends, len(numbers) // 10)
        self.settle()
        self.assertEqual(connection.sends, 4)
        expected = b"".join([b"#a %d\n" % number for number in numbers])
        self.assertEqual(peer.recv(10000), expected)
        connection.send(b"#b\n")
        self.assertEqual(connection.sends, 4)
        self.settle()
        self.assertEqual(peer.recv(10000), b"#b\n")

    def test_write_futures_of_what_was_not_held(self):
        connection, _ = self.connect()
        connection.max_held = 3
        futures = [connection.write(b"#a\n") for _ in range(4)]
        self.assertEqual([future.done() for future in futures], [True, True, True, False])
        self.settle()
        self.assertTrue(futures[3].done())

    def test_held_flush_queue(self):
        flush_queue = FlushQueue(self.ioloop)
        connection, peer = self.connect(flush_queue=flush_queue)
        flush_queue.hold()
        connection.send(b"#a\n")
        self.settle()
        self.assertEqual(connection.sends, 0)
        flush_queue.release()
        self.assertEqual(connection.sends, 1)
