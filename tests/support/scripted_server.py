"""A server whose every byte is up to the test: a raw socket, a script, and one thread."""

from __future__ import absolute_import, division, print_function

import collections
import re
import select
import socket
import struct
import threading
from timeit import default_timer

V5_GREETING = (b"#version-connect katcp-library scripted-1.0 build\n"
               b"#version-connect katcp-protocol 5.0-MI\n"
               b"#version-connect katcp-device scripted-2.0\n")
V4_GREETING = b"#version scripted-1.0\n#build-state scripted-2.0\n"

_REQUEST_RE = re.compile(br"\?([^\[ ]+)(\[\d+\])?")


def reply_ok(line):
    """Answer any request with ``ok``."""
    match = _REQUEST_RE.match(line)
    return b"!" + match.group(1) + (match.group(2) or b"") + b" ok\n" if match else b""


def no_reply(line):
    """Answer nothing."""
    return b""


class ScriptedConnection(object):
    """The server's end of one connection."""

    def __init__(self, server, sock):
        self._server = server
        self.socket = sock
        self.unsplit = b""

    def send(self, data):
        """Send bytes, from any thread."""
        self.socket.sendall(data)

    def close(self):
        """Close the connection in an orderly way."""
        self._server.do(self._close)

    def reset(self):
        """Close the connection so that the peer gets an error."""
        self._server.do(self._reset)

    def _close(self):
        if self in self._server.connections:
            self._server.connections.remove(self)
            self.socket.close()

    def _reset(self):
        if self in self._server.connections:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._close()


class ScriptedServer(object):
    """Listens on a port of this machine, greets whoever connects, and answers lines.

    Parameters
    ----------
    greeting : bytes
        Sent to each new connection.
    answer : callable
        ``answer(line)`` returns the bytes to send for a received line (without terminator); called in the
        server's thread.

    Attributes
    ----------
    address : tuple
        Where to connect to.
    lines : list of bytes
        All that was received.
    connections : list of ScriptedConnection
        The open ones, oldest first.
    """

    def __init__(self, greeting=V5_GREETING, answer=reply_ok, port=0):
        self.greeting = greeting
        self.answer = answer
        self.lines = []
        self.connections = []
        self.connections_made = 0
        self._changed = threading.Condition()
        self._to_do = collections.deque()
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", port))
        self._listener.listen(64)
        self.address = self._listener.getsockname()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="ScriptedServer")
        self._thread.daemon = True
        self._thread.start()

    def stop(self):
        """Close everything and end the thread."""
        if not self._stopping:
            self.do(self._stop)
            self._thread.join()
            self._wake_writer.close()

    def do(self, function):
        """Call a function in the server's thread, soon."""
        self._to_do.append(function)
        self._wake_writer.sendall(b"x")

    def wait_for(self, condition, timeout=5):
        """Block until ``condition(server)`` is true; AssertionError if it does not become so."""
        give_up = default_timer() + timeout
        with self._changed:
            while not condition(self):
                if default_timer() >= give_up:
                    raise AssertionError("Server waited in vain; it got {!r}".format(self.lines[-10:]))
                self._changed.wait(max(0, give_up - default_timer()))

    def wait_for_lines(self, number, timeout=5):
        """Block until that many lines were received in all, and return them."""
        self.wait_for(lambda server: len(server.lines) >= number, timeout)
        return self.lines

    def wait_for_connection(self, number=1, timeout=5):
        """Block until that many connections were made in all, and return the latest."""
        self.wait_for(lambda server: server.connections_made >= number and server.connections, timeout)
        return self.connections[-1]

    # --- in the thread ---------------------------------------------------------------------------

    def _run(self):
        while not self._stopping:
            sockets = dict((connection.socket, connection) for connection in self.connections)
            readable, _, _ = select.select([self._listener, self._wake_reader] + list(sockets), [], [])
            for sock in readable:
                if sock is self._listener:
                    self._accept()
                elif sock is self._wake_reader:
                    sock.recv(1)
                    self._to_do.popleft()()
                else:
                    self._read(sockets[sock])
            with self._changed:
                self._changed.notify_all()

    def _accept(self):
        sock, _ = self._listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = ScriptedConnection(self, sock)
        # In this order: who finds the connection may change the greeting; who was greeted finds it.
        greeting = self.greeting
        self.connections.append(connection)
        self.connections_made += 1
        sock.sendall(greeting)

    def _read(self, connection):
        if connection not in self.connections:
            return
        try:
            data = connection.socket.recv(1 << 20)
        except socket.error:
            data = b""
        if not data:
            connection._close()
            return
        lines = (connection.unsplit + data).split(b"\n")
        connection.unsplit = lines.pop()
        self.lines.extend(lines)
        try:
            connection.socket.sendall(b"".join([self.answer(line) for line in lines]))
        except socket.error:
            connection._close()

    def _stop(self):
        self._stopping = True
        self._listener.close()
        self._wake_reader.close()
        for connection in list(self.connections):
            connection._close()
