"""A socket on a loop, and the output that waits for it: the part of a connection that sends.

What is written is collected and given to the OS once per loop wake-up, within a bound.
"""

from __future__ import absolute_import, division, print_function

import collections
import errno
import socket

from tornado.ioloop import IOLoop
from tornado.iostream import StreamBufferFullError, StreamClosedError

from katcp import compat
from katcp.flush_queue import FlushQueue

READ = IOLoop.READ
WRITE = IOLoop.WRITE

# Output of one delivery is sent early when it exceeds this, to bound memory and to let the peer start.
EARLY_FLUSH_SIZE = 256 * 1024

# What sockets say that are only not ready.
WOULD_BLOCK = frozenset([errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR])

# What `write` returns for bytes that have been sent already.
_SENT = compat.done_future()


class SocketOutput(object):
    """A non-blocking socket on a loop, with a queue of output; base class of `LineConnection`.

    Subclasses define ``_handle_events(fd, events)``, ``close(error)`` and ``close_after_flush()``, and say
    by ``_listening`` whether they want to know of input and by ``_delivering`` that they will flush soon.

    Parameters
    ----------
    sock, ioloop, max_write_buffer_size, flush_queue
        See `LineConnection`.
    """

    __slots__ = (
        "socket", "ioloop", "max_write_buffer_size", "error", "urgent", "max_held",
        "_closed", "_events", "_hung_up", "_listening", "_delivering",
        "_flush_queue", "_in_flush_queue", "_out", "_head", "_unsent", "_blocked", "_closing",
        "_sent_total", "_write_futures", "_batch_future",
        "__weakref__",
    )

    def __init__(self, sock, ioloop, max_write_buffer_size, flush_queue):
        sock.setblocking(False)
        self.socket = sock
        self.ioloop = ioloop
        self.max_write_buffer_size = max_write_buffer_size
        self.error = None
        self.urgent = False
        self.max_held = float("inf")
        self._closed = False
        self._events = None  # what is registered with the loop; None for not registered
        self._hung_up = False  # both directions are shut: the loop can tell nothing new about the socket
        self._listening = False  # whether read events are wanted
        self._delivering = False
        self._flush_queue = FlushQueue(ioloop) if flush_queue is None else flush_queue
        self._in_flush_queue = False
        self._out = []
        self._head = None  # the part of the output that is being sent
        self._unsent = 0
        self._blocked = False  # the OS takes no more for now
        self._closing = False  # to be closed when all output is sent
        self._sent_total = 0
        self._write_futures = None  # deque of [total bytes sent by then, future]
        self._batch_future = None  # the last of them, while nothing has been sent since

    # --- the socket; an encrypted connection would replace these ---------------------------------

    def _send(self, data):
        return self.socket.send(data)

    def _close_socket(self):
        self.socket.close()

    # --- state -----------------------------------------------------------------------------------

    def fileno(self):
        """Return the socket's file descriptor."""
        return self.socket.fileno()

    def closed(self):
        """Whether the socket is closed."""
        return self._closed

    def closing(self):
        """Whether the connection is closed, or accepts no more output and closes when it is flushed."""
        return self._closed or self._closing

    def writing(self):
        """Whether there is output that the OS has not taken yet."""
        return self._unsent > 0

    def set_nodelay(self, value):
        """Switch Nagle's algorithm off (true) or on (false)."""
        if not self._closed:
            try:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1 if value else 0)
            except socket.error as exc:
                # A socket that the peer has reset already gives EINVAL on some systems.
                if exc.errno != errno.EINVAL:
                    raise

    # --- output ----------------------------------------------------------------------------------

    def send(self, data):
        """Queue bytes to be sent at the end of the current loop callback.

        Raises
        ------
        tornado.iostream.StreamClosedError
            The connection is closed, or about to be.
        tornado.iostream.StreamBufferFullError
            The peer has left more than `max_write_buffer_size` bytes unread.
        """
        if self._closed or self._closing:
            raise StreamClosedError(real_error=self.error)
        unsent = self._unsent + len(data)
        limit = self.max_write_buffer_size
        if limit is not None and unsent > limit:
            self._make_room(len(data), limit)
            unsent = self._unsent + len(data)
        if self.urgent:
            self._send_now(data)
            return
        self._out.append(data)
        self._unsent = unsent
        if self._delivering:
            if unsent > EARLY_FLUSH_SIZE and not self._blocked:
                self.flush()
        elif not (self._in_flush_queue or self._blocked):
            self._in_flush_queue = True
            self._flush_queue.add(self)
        elif len(self._out) >= self.max_held and not self._blocked:
            self.flush()

    def _make_room(self, size, limit):
        """Have the OS take output, so that `size` bytes more can be queued, or raise an error."""
        # Perhaps nobody has asked it yet.
        self._blocked = False
        self.flush()
        if self._closed:
            raise StreamClosedError(real_error=self.error)
        if self._unsent + size > limit:
            raise StreamBufferFullError("Reached maximum write buffer size")

    def _send_now(self, data):
        """Send urgent output, after what is queued already."""
        self.urgent = False
        if not self._unsent and self._events == READ:
            # Nothing is queued or blocked: what most requests of clients find.
            try:
                sent = self._send(data)
            except socket.error as exc:
                if exc.errno not in WOULD_BLOCK:
                    self.close(exc)
                    return
            else:
                self._sent_total += sent
                if sent == len(data):
                    return
                data = data[sent:]
        self._out.append(data)
        self._unsent += len(data)
        self.flush()

    def write(self, data):
        """Queue bytes as `send` does and return a future.

        Returns
        -------
        tornado future
            Resolves with None when the OS has taken the bytes, fails with ``StreamClosedError`` if the
            connection closes before.  It need not be looked at.
        """
        self.send(data)
        if not self._unsent:
            if self._closed:
                raise StreamClosedError(real_error=self.error)
            return _SENT
        if self._write_futures is None:
            self._write_futures = collections.deque()
        # One that is done already has been cancelled by somebody.
        if self._batch_future is None or self._batch_future[1].done():
            self._batch_future = [0, compat.new_future(self.ioloop)]
            self._write_futures.append(self._batch_future)
        self._batch_future[0] = self._sent_total + self._unsent
        return self._batch_future[1]

    def flush(self):
        """Give the OS what it takes of the queued output now."""
        self._in_flush_queue = False
        if self._closed or self._blocked or not self._unsent:
            return
        try:
            self._send_queued()
        except socket.error as exc:
            self.close(exc)
            return
        if self._write_futures:
            self._resolve_write_futures()
        if self._unsent:
            self._blocked = True
        elif self._closing:
            self.close()
            return
        if self._blocked or self._events != READ:
            self._update_events()

    def _send_queued(self):
        """Send until the OS takes no more or nothing is left."""
        while self._unsent:
            head = self._head
            if head is None:
                out = self._out
                head = out[0] if len(out) == 1 else b"".join(out)
                self._out = []
            try:
                sent = self._send(head)
            except socket.error as exc:
                if exc.errno not in WOULD_BLOCK:
                    raise
                sent = 0
            self._unsent -= sent
            self._sent_total += sent
            if sent == len(head):
                self._head = None
            else:
                # Views, not slices: a large backlog must not be copied each time a bit of it goes.
                self._head = memoryview(head)[sent:]
                return

    def _resolve_write_futures(self):
        self._batch_future = None
        futures = self._write_futures
        while futures and futures[0][0] <= self._sent_total:
            compat.resolve(futures.popleft()[1])

    def _fail_write_futures(self):
        """Tell those who wait for output that will not be sent."""
        if self._write_futures:
            error = StreamClosedError(real_error=self.error)
            for _, future in self._write_futures:
                compat.fail(future, (StreamClosedError, error, None))
                compat.future_exc_info(future)  # nobody is obliged to look at it
            self._write_futures = None

    # --- registration with the loop --------------------------------------------------------------

    def _update_events(self):
        if self._closed or self._hung_up:
            return
        events = (READ if self._listening else 0) | (WRITE if self._blocked else 0)
        if events == self._events:
            return
        if self._events is not None:
            self.ioloop.update_handler(self.socket, events)
        elif events:
            self.ioloop.add_handler(self.socket, self._handle_events, events)
        else:
            return
        self._events = events

    def _unregister(self):
        if self._events is not None:
            self._events = None
            self.ioloop.remove_handler(self.socket)
