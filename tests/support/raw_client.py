"""A client that is nothing but a socket, for tests of what crosses it."""

from __future__ import absolute_import, division, print_function

import socket
import struct


class RawClient(object):
    """A TCP connection that reads lines; everything is bytes, and every read ends in `timeout` seconds."""

    def __init__(self, address, timeout=10):
        self._socket = socket.create_connection(address, timeout)
        self._data = b""

    @property
    def name(self):
        """The address of this end as the server shows it, ``b"host:port"``."""
        return ("%s:%d" % self._socket.getsockname()).encode("ascii")

    def send(self, data):
        """Send bytes as they are."""
        self._socket.sendall(data)

    def line(self):
        """Return the next line, without its LF; raise EOFError if there is none."""
        while b"\n" not in self._data:
            received = self._socket.recv(65536)
            if not received:
                raise EOFError("connection closed after {!r}".format(self._data))
            self._data += received
        line, _, self._data = self._data.partition(b"\n")
        return line

    def lines(self, count):
        """Return the next `count` lines."""
        return [self.line() for _ in range(count)]

    def until(self, *starts):
        """Return the lines up to and including the first one that starts with one of `starts`."""
        lines = [self.line()]
        while not lines[-1].startswith(starts):
            lines.append(self.line())
        return lines

    def ask(self, request):
        """Send one request, given without its LF; return the lines up to and including its reply."""
        self.send(request + b"\n")
        head = b"!" + request.split(b" ")[0][1:]
        return self.until(head + b" ", head + b"\n")

    def shut_down_sending(self):
        """Tell the server that nothing more will come."""
        self._socket.shutdown(socket.SHUT_WR)

    def rest(self):
        """Return everything up to the end of the connection, as bytes."""
        data, self._data = self._data, b""
        while True:
            try:
                received = self._socket.recv(65536)
            except socket.timeout:
                raise
            except socket.error:  # the server closed with input unread
                return data
            if not received:
                return data
            data += received

    def abort(self):
        """Close the connection with a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self):
        """Close the connection."""
        self._socket.close()
