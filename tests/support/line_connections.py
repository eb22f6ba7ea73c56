"""Connections of lines, and sockets at their other ends."""

from __future__ import absolute_import, division, print_function

import socket
import struct
import unittest
from timeit import default_timer

from katcp import compat
from katcp.line_connection import LineConnection


class CountingConnection(LineConnection):
    """Knows how often it has asked the OS to send and to receive."""

    sends = 0
    receives = 0

    def _send(self, data):
        self.sends += 1
        return super(CountingConnection, self)._send(data)

    def _recv(self):
        self.receives += 1
        return super(CountingConnection, self)._recv()


def tcp_pair():
    """Return two connected TCP sockets."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    finally:
        listener.close()
    return ours, theirs


class LineConnectionTestCase(unittest.TestCase):
    def setUp(self):
        self.ioloop = compat.new_ioloop()
        self.addCleanup(self.ioloop.close)
        self.lines = []
        self.closed = []

    def connect(self, **kwargs):
        """Return a connection and the socket at its other end."""
        sock, peer = tcp_pair()
        self.addCleanup(peer.close)
        peer.settimeout(5)
        connection = CountingConnection(sock, self.ioloop, **kwargs)
        connection.set_close_callback(lambda: self.closed.append(connection.error))
        self.addCleanup(connection.close)
        return connection, peer

    def turn(self):
        """Run the loop for a moment, in which it looks at its sockets once."""
        # Some loops stop before they look if told so by a callback of the same iteration.
        self.ioloop.add_callback(self.ioloop.add_callback, self.ioloop.stop)
        self.ioloop.start()

    def run_until(self, condition):
        deadline = default_timer() + 5
        while not condition():
            self.assertLess(default_timer(), deadline, "timed out")
            self.turn()

    def settle(self):
        """Run the loop until data sent before has certainly been noticed."""
        ours, theirs = tcp_pair()
        self.addCleanup(theirs.close)
        arrived = []
        witness = LineConnection(ours, self.ioloop)
        witness.start_reading(arrived.append)
        theirs.sendall(b"x\n")
        self.run_until(lambda: arrived)
        witness.close()
        for _ in range(3):
            self.turn()

    @staticmethod
    def reset(sock):
        """Close a socket with a TCP reset."""
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    @staticmethod
    def read_all(sock):
        data = b""
        while True:
            received = sock.recv(65536)
            if not received:
                return data
            data += received
