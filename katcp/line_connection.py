"""One TCP connection that speaks lines, as servers and clients use it.

:class:`LineConnection` owns a non-blocking socket on an IOLoop.  It reads in chunks, splits them into
lines, and hands the lines over one by one; whoever receives them may pause the stream at any line,
which in the end is felt by the peer as TCP back-pressure.  What is written is collected and given to
the OS once per loop wake-up, within a bound.

It is no :class:`tornado.iostream.IOStream` since that costs a future, a callback and a scan of the
buffer per line; but it keeps the part of an IOStream's surface that people touch (``socket``,
``write``, ``close``, ``closed``, ``error``, ``max_write_buffer_size``, ...).

Everything here belongs to the thread of the loop.
"""

from __future__ import absolute_import, division, print_function

import collections
import socket
import sys
# Bound here so that tests which patch the time module's functions do not disturb connections.
from timeit import default_timer

from tornado.ioloop import IOLoop
from tornado.iostream import StreamBufferFullError

from katcp import compat
from katcp.line_splitter import LineSplitter
from katcp.socket_output import READ, WOULD_BLOCK, WRITE, SocketOutput

ERROR = IOLoop.ERROR

READ_CHUNK = 64 * 1024
DEFAULT_MAX_BUFFER_SIZE = 2 * 1024 * 1024
DEFAULT_MAX_WRITE_BUFFER_SIZE = 2 * DEFAULT_MAX_BUFFER_SIZE

# A connection that has lines left after this many seconds lets the others run first.
DELIVERY_BUDGET = 0.01

# So many chunks of input are read and dropped before the socket is closed.
MAX_DISCARDED_READS = 64


class LineConnection(SocketOutput):
    """A connected socket that delivers lines and queues output.

    Parameters
    ----------
    sock : socket.socket
        Connected stream socket; the connection owns it from now on.
    ioloop : tornado IOLoop
        Loop whose thread makes all calls, including this one.
    max_buffer_size : int
        Longest accepted line in bytes, terminator included.
    max_write_buffer_size : int or None
        Bound for output not yet taken by the OS, in bytes; None for no bound.  May be assigned at any
        time.
    flush_queue : FlushQueue, optional
        Shared with other connections of the same loop; by default the connection has its own.

    Attributes
    ----------
    socket : socket.socket
    ioloop : tornado IOLoop
    error : BaseException or None
        Why the connection broke; None while it is open and after an orderly end.
    urgent : bool
        Set it to have the next output sent on the spot, not at the end of the loop callback.
    max_held : int or float
        So many pieces of output are collected at most; by default there is no such limit.  For a peer that
        could be at work on the first while the others are being made.
    """

    __slots__ = (
        "max_buffer_size", "_close_callback", "_splitter", "_on_line", "_on_overflow", "_on_batch_end",
        "_lines", "_paused", "_delivery_scheduled", "_waking", "_next_turn", "_overflow", "_eof",
        "_read_error",
    )

    def __init__(self, sock, ioloop, max_buffer_size=DEFAULT_MAX_BUFFER_SIZE,
                 max_write_buffer_size=DEFAULT_MAX_WRITE_BUFFER_SIZE, flush_queue=None):
        super(LineConnection, self).__init__(sock, ioloop, max_write_buffer_size, flush_queue)
        self.max_buffer_size = max_buffer_size
        self._close_callback = None
        self._splitter = None
        self._on_line = None
        self._on_overflow = None
        self._on_batch_end = None
        self._lines = collections.deque()
        self._paused = False
        self._delivery_scheduled = False
        self._waking = False
        self._next_turn = compat.next_turn_of(ioloop)
        self._overflow = False
        self._eof = False
        self._read_error = None

    def __repr__(self):
        return "<%s fd=%s%s>" % (type(self).__name__, "-" if self._closed else self.socket.fileno(),
                                 " closed" if self._closed else "")

    # --- the socket; an encrypted connection would replace these ---------------------------------

    def _recv(self):
        return self.socket.recv(READ_CHUNK)

    def _peek(self):
        return self.socket.recv(1, socket.MSG_PEEK)

    # --- state -----------------------------------------------------------------------------------

    def reading(self):
        """Whether lines are being delivered."""
        return self._on_line is not None and not (self._paused or self.closing())

    def set_close_callback(self, callback):
        """Have ``callback()`` called once, as a loop callback, after the connection closed.

        Lines that were received before the end of input have been delivered by then.  A callback set
        on a closed connection is scheduled at once.
        """
        self._close_callback = callback
        if self._closed:
            self._schedule_close_callback()

    # --- input -----------------------------------------------------------------------------------

    def start_reading(self, on_line, on_overflow=None, on_batch_end=None):
        """Start to deliver lines.

        Parameters
        ----------
        on_line : callable
            ``on_line(line)`` is called for each line that is not blank; `line` is bytes without the
            terminator.
        on_overflow : callable, optional
            ``on_overflow()`` is called, after the lines before it were delivered, when a line is longer
            than `max_buffer_size`.  It may still send something; then the connection closes.
        on_batch_end : callable, optional
            ``on_batch_end()`` is called after each run of lines, before the output is flushed.
        """
        if self._closed:
            return
        self._splitter = LineSplitter(self.max_buffer_size)
        self._on_line = on_line
        self._on_overflow = on_overflow
        self._on_batch_end = on_batch_end
        self._listening = True
        self._update_events()

    def pause(self):
        """Deliver nothing more until `resume`; may be called in ``on_line``.

        Reading stops with the next data that arrive, so that a pause between two lines of a peer that
        waits for answers costs nothing.
        """
        self._paused = True

    def resume(self):
        """Go on after `pause`: lines already received are delivered by a loop callback."""
        if not self._paused:
            return
        self._paused = False
        if self._closed or self._delivering:
            return
        if self._lines or self._eof or self._overflow or self._hung_up:
            self._schedule_delivery()
        else:
            self._listen()

    def _listen(self):
        if not (self._listening or self._closing or self._on_line is None):
            self._listening = True
            self._update_events()

    def _handle_events(self, fd, events):
        if self._closed:
            return
        if self._blocked and events & (WRITE | ERROR):
            self._blocked = False
            self.flush()
            if self._closed:
                return
        if not events & (READ | ERROR):
            return
        if self._paused or self._eof or self._overflow or self._closing:
            self._look_ahead()
        elif self._lines:
            if not self._delivery_scheduled:
                self._deliver()
        else:
            self._read()
        if events & ERROR and not self._closed and not self._listening:
            # Poll-based loops report a hang-up for ever, even without interest in it.
            self._hung_up = True
            self._unregister()

    def _look_ahead(self):
        """Find out why the paused socket became readable, without taking data from it."""
        try:
            if not self._eof and not self._peek():
                self._eof = True
        except socket.error as exc:
            if exc.errno in WOULD_BLOCK:
                return
            if not self._lines:
                self.close(exc)
                return
            self._eof = True
            self._read_error = exc
        self._listening = False
        self._update_events()

    def _read(self):
        try:
            data = self._recv()
        except socket.error as exc:
            if exc.errno in WOULD_BLOCK:
                return
            data = b""
            self._read_error = exc
        if not data:
            self._eof = True
            self._listening = False
            self._update_events()
        else:
            splitter = self._splitter
            self._lines.extend(splitter.feed(data))
            if splitter.overflow:
                self._overflow = True
                self._listening = False
                self._update_events()
            elif not self._lines:
                return
        self._deliver()

    def _schedule_delivery(self):
        if not self._delivery_scheduled:
            self._delivery_scheduled = True
            self.ioloop.add_callback(self._deliver_scheduled)

    def _deliver_scheduled(self):
        self._delivery_scheduled = False
        if self._closed or self._paused or self._delivering:
            return
        if self._lines or self._eof or self._overflow:
            self._deliver()
        elif self._hung_up:
            # The loop no longer watches the socket, but the OS may still hold input.
            self._read()
            if not (self._closed or self._paused):
                self._schedule_delivery()

    def _deliver(self):
        lines = self._lines
        on_line = self._on_line
        # A single line, which is what most reads bring, needs no clock.
        deadline = default_timer() + DELIVERY_BUDGET if len(lines) > 1 else 0
        self._delivering = True
        try:
            while lines:
                on_line(lines.popleft())
                if not lines or self._paused or self._closed or self._closing:
                    break
                if default_timer() > deadline:
                    break
            if self._on_batch_end is not None and not self._closed:
                self._on_batch_end()
        finally:
            self._delivering = False
            if self._lines or self._paused or not self._listening or self._closed:
                self._after_delivery()
            elif self._out:
                self.flush()
            if self._waking:
                self._waking = False
                self._next_turn.take()

    def wake_at_once(self):
        """Have those who wait for futures that `on_line` resolves from now on woken when it has returned.

        For a line after which the peer is likely to wait: where there is a stream of lines it is cheaper to
        wake everybody together, in the next turn of the loop.  Without an effect if the loop has other
        callbacks to run first.
        """
        if self._delivering and not self._lines:
            next_turn = self._next_turn
            self._waking = next_turn is not None and next_turn.is_empty()

    def _after_delivery(self):
        if self._closed:
            return
        if not self._paused:
            if self._lines:
                self._schedule_delivery()
            elif self._overflow and not self._closing:
                if self._on_overflow is not None:
                    self._on_overflow()
                self._finish(StreamBufferFullError("Reached maximum read buffer size"))
                return
            elif self._eof:
                self._finish(self._read_error)
                return
            elif self._hung_up:
                self._schedule_delivery()
            elif not self._listening:
                self._listen()
        if self._out:
            self.flush()

    def _finish(self, error):
        """Close as soon as the output is flushed."""
        if self.error is None:
            self.error = error
        self.close_after_flush()

    # --- the end ---------------------------------------------------------------------------------

    def close_after_flush(self):
        """Deliver and accept nothing more, and close when all output is sent."""
        if self._closed:
            return
        self._closing = True
        self._lines.clear()
        self._blocked = False
        if self._unsent:
            self.flush()
        else:
            self.close()

    def close(self, exc_info=False):
        """Close the connection now; lines and output still queued are dropped.

        Without an error, one attempt is made to send the queued output.

        Parameters
        ----------
        exc_info : bool, tuple or exception
            What becomes `error`: an exception, the exception of an ``exc_info`` triple, or if True that
            of ``sys.exc_info()``.
        """
        if self._closed:
            return
        self._closed = True
        if exc_info is True:
            exc_info = sys.exc_info()
        if isinstance(exc_info, tuple):
            exc_info = exc_info[1]
        if exc_info:
            self.error = exc_info
        else:
            self._send_last_output()
        if self._write_futures:
            self._resolve_write_futures()
        self._unregister()
        self._close_socket()
        self._lines.clear()
        self._out = []
        self._head = None
        self._unsent = 0
        # Closures over the connection would keep it, and all that they hold, alive in a cycle.
        self._on_line = self._on_overflow = self._on_batch_end = None
        self._fail_write_futures()
        self._schedule_close_callback()

    def abandon(self):
        """Close the socket of a connection whose loop is closed: nobody is told, and nothing is sent."""
        self._closed = True
        self._events = self._on_line = self._on_overflow = self._on_batch_end = self._close_callback = None
        self._out, self._head, self._unsent = [], None, 0
        self._close_socket()

    def _send_last_output(self):
        try:
            if self._unsent:
                self._send_queued()
            # Closing a socket with input unread resets the connection, and the OS drops what it has
            # not sent yet.
            for _ in range(MAX_DISCARDED_READS):
                if self._eof or not self._recv():
                    break
        except socket.error as exc:
            if exc.errno not in WOULD_BLOCK:
                self.error = exc

    def _schedule_close_callback(self):
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            self.ioloop.add_callback(callback)
