"""Tests of katcp.client.shared_line."""

from __future__ import absolute_import, division, print_function

import errno
import socket
import threading
import unittest

from katcp.client.shared_line import SharedLine
from tests.support import mock
from tests.support.line_connections import LineConnectionTestCase, tcp_pair


class SharedLineTestCase(LineConnectionTestCase):
    def connect(self, reading=True, small=False):
        sock, peer = tcp_pair()
        self.addCleanup(peer.close)
        peer.settimeout(5)
        if small:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10000)
        line = SharedLine(sock, self.ioloop)
        line.set_close_callback(lambda: self.closed.append(line.error))
        self.addCleanup(line.close)
        if reading:
            line.start_reading(self.lines.append)
        return line, peer

    def send_in_thread(self, line, data):
        """Return what `send_from_thread` returns in a thread."""
        sent = []
        thread = threading.Thread(target=lambda: sent.append(line.send_from_thread(data)))
        thread.start()
        thread.join(5)
        return sent[0]

    def receive(self, peer, size):
        """Return so many bytes of what arrives while the loop runs."""
        received = []
        peer.setblocking(False)

        def is_complete():
            try:
                received.append(peer.recv(1 << 20))
            except socket.error as exc:
                self.assertIn(exc.errno, (errno.EAGAIN, errno.EWOULDBLOCK))
            return sum(map(len, received)) >= size

        self.run_until(is_complete)
        peer.settimeout(5)
        return b"".join(received)


class TestSendFromThread(SharedLineTestCase):
    def test_sends_without_the_loop(self):
        line, peer = self.connect()
        self.assertTrue(self.send_in_thread(line, b"?a\n"))
        self.assertEqual(peer.recv(100), b"?a\n")

    def test_loop_goes_first(self):
        line, peer = self.connect()
        line.send(b"?first\n")
        self.assertFalse(self.send_in_thread(line, b"?a\n"))
        self.settle()
        self.assertEqual(peer.recv(100), b"?first\n")
        self.assertTrue(self.send_in_thread(line, b"?a\n"))
        self.assertEqual(peer.recv(100), b"?a\n")

    def test_not_while_the_loop_sends(self):
        line, peer = self.connect()
        with line._send_lock:
            self.assertFalse(self.send_in_thread(line, b"?a\n"))

    def test_not_into_a_message_of_the_loop(self):
        line, peer = self.connect(small=True)
        data = b"?" + b"a" * 3000000 + b"\n"
        # The moment between what the OS took of urgent output and the note of what it did not.
        sent = line._send(data)
        self.assertLess(sent, len(data))
        self.receive(peer, sent)
        self.assertFalse(self.send_in_thread(line, b"?b\n"))
        line.send(data[sent:])
        self.assertEqual(self.receive(peer, len(data) - sent), data[sent:])
        self.assertTrue(self.send_in_thread(line, b"?b\n"))
        self.assertEqual(peer.recv(100), b"?b\n")

    def test_not_when_closed_or_not_reading(self):
        line, _ = self.connect(reading=False)
        self.assertFalse(self.send_in_thread(line, b"?a\n"))
        line.start_reading(self.lines.append)
        line.close()
        self.assertFalse(self.send_in_thread(line, b"?a\n"))

    def test_not_when_closing(self):
        line, peer = self.connect(small=True)
        line.send(b"x" * 3000000)
        line.close_after_flush()
        self.assertFalse(line.closed())
        self.assertFalse(self.send_in_thread(line, b"?a\n"))

    def test_errors_are_left_to_the_loop(self):
        line, peer = self.connect()
        peer.close()
        line.socket.shutdown(socket.SHUT_WR)
        self.assertFalse(self.send_in_thread(line, b"?a\n"))
        self.assertFalse(line.closed())

    def test_socket_is_not_closed_meanwhile(self):
        # Its number might be given to another file.
        line, peer = self.connect()
        line._send_lock.acquire()
        closing = threading.Thread(target=line.close)
        closing.start()
        closing.join(0.05)
        self.assertNotEqual(line.socket.fileno(), -1)
        line._send_lock.release()
        closing.join(5)
        self.assertRaises((ValueError, socket.error), line.socket.getpeername)

    def test_what_the_os_does_not_take_comes_first(self):
        for also in (b"", b"?b\n"):
            line, peer = self.connect(small=True)
            data = b"?" + b"a" * 3000000 + b"\n"
            self.assertTrue(self.send_in_thread(line, data))
            self.assertTrue(line._rest)
            self.assertFalse(self.send_in_thread(line, b"?c\n"))
            if also:
                line.send(also)
                line.flush()
            received = self.receive(peer, len(data) + len(also))
            self.assertEqual(len(received), len(data) + len(also))
            self.assertEqual(received, data + also)
            self.assertTrue(self.send_in_thread(line, b"?c\n"))
            self.assertEqual(peer.recv(100), b"?c\n")

    def test_futures_wait_for_what_comes_first(self):
        line, peer = self.connect(small=True)
        data = b"?" + b"a" * 3000000 + b"\n"
        self.assertTrue(self.send_in_thread(line, data))
        future = line.write(b"?b\n")
        self.settle()
        self.receive(peer, 10000)
        self.settle()
        self.assertTrue(line._unsent)
        self.assertFalse(future.done())
        self.receive(peer, line._unsent)
        self.run_until(future.done)

    def test_rest_is_in_the_way_of_urgent_output(self):
        line, peer = self.connect(small=True)
        data = b"?" + b"a" * 3000000 + b"\n"
        self.assertTrue(self.send_in_thread(line, data))
        line.urgent = True
        future = line.write(b"?b\n")
        self.assertFalse(future.done())
        self.assertEqual(self.receive(peer, len(data) + 3), data + b"?b\n")
        self.assertTrue(future.done())

    def test_rest_of_a_closed_connection(self):
        line, peer = self.connect(small=True)
        self.assertTrue(self.send_in_thread(line, b"a" * 3000000))
        line.close()
        self.settle()
        self.assertEqual(self.closed, [None])


class TestReceived(SharedLineTestCase):
    def test_told_between_receiving_and_handling(self):
        line, peer = self.connect()
        line.on_received = lambda: self.lines.append("told")
        peer.sendall(b"#a\n#b\n")
        self.settle()
        self.assertEqual(self.lines, ["told", b"#a", b"#b"])

    def test_not_kept_after_the_end(self):
        line, _ = self.connect()
        line.on_received = mock.Mock()
        line.close()
        self.assertNotIsInstance(line.on_received, mock.Mock)


if __name__ == "__main__":
    unittest.main()
