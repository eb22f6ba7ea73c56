"""The connection of a client whose requests other threads may send."""

from __future__ import absolute_import, division, print_function

import errno
import socket
import threading

from katcp.line_connection import LineConnection
from katcp.socket_output import READ


def _do_nothing():
    """Stand for callbacks that are not there."""


class SharedLine(LineConnection):
    """A `LineConnection` with one method for other threads: `send_from_thread`.

    Attributes
    ----------
    on_received : callable
        ``on_received()`` is called, in the thread of the loop, after data were received and before they are
        looked at: whatever a thread has done before it sent a request can be seen then.
    """

    __slots__ = ("on_received", "_send_lock", "_rest", "_is_cut")

    def __init__(self, *args, **kwargs):
        super(SharedLine, self).__init__(*args, **kwargs)
        self.on_received = _do_nothing
        # Held while the OS is given something, and while the socket is closed: its number may be that of
        # another file the moment after.
        self._send_lock = threading.Lock()
        # What the OS did not take of a message of another thread; it comes before all other output.
        self._rest = b""
        # Whether the OS has taken a part of what the loop has sent last; that it has the rest may not be
        # noted yet.
        self._is_cut = False

    def next_turn_is_empty(self):
        """Whether nothing waits for its turn on the loop, as far as can be seen; for any thread."""
        return self._next_turn is None or self._next_turn.is_empty()

    def send_from_thread(self, data):
        """Give the OS a message now, if nothing else is on its way; for any thread.

        Parameters
        ----------
        data : bytes

        Returns
        -------
        bool
            Whether the message is sent.  If not, nothing of it is, and the loop has to do it.
        """
        if not self._send_lock.acquire(False):
            return False
        try:
            if (self._closed or self._closing or self._unsent or self._rest or self._is_cut
                    or self._events != READ):
                return False
            limit = self.max_write_buffer_size
            if limit is not None and len(data) > limit:
                return False
            try:
                sent = self.socket.send(data)
            except socket.error:
                return False  # what is the matter is found out by the loop
            if sent == len(data):
                return True
            self._rest = data[sent:]
        finally:
            self._send_lock.release()
        self.ioloop.add_callback(self._queue_rest)
        return True

    def _queue_rest(self):
        with self._send_lock:
            rest, self._rest = self._rest, b""
        if self._closed or not rest:
            return
        if self._head is not None:
            # Nothing of it is sent, for the rest was in its way.
            self._out.insert(0, self._head.tobytes())
            self._head = None
        self._out.insert(0, rest)
        self._unsent += len(rest)
        self._sent_total -= len(rest)  # so that what was queued before is not taken for sent too early
        self._blocked = False
        self.flush()

    # --- what LineConnection does with the socket ------------------------------------------------

    def _recv(self):
        data = LineConnection._recv(self)
        self.on_received()
        return data

    def _send(self, data):
        with self._send_lock:
            if self._rest:
                self._rest = self._rest[self.socket.send(self._rest):]
                if self._rest:
                    raise socket.error(errno.EAGAIN, "The rest of another message comes first")
            sent = self.socket.send(data)
            self._is_cut = sent < len(data)
            return sent

    def _close_socket(self):
        with self._send_lock:
            self.socket.close()
        self.on_received = _do_nothing  # it knows the client, which knows the connection
