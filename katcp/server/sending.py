"""How messages get from the device to its clients, from whatever thread.

In the thread of the loop a message is appended to its connection's output.  What other threads send to
one client is collected until the loop looks, which it is asked to do once; so a thousand replies cost
the loop one wake-up.  Serialising is done in the sender's thread, once for each message.
"""

from __future__ import absolute_import, division, print_function

import sys
import threading
from functools import partial

from tornado.iostream import StreamBufferFullError, StreamClosedError

from katcp import compat
from katcp.compat import ThreadsafeFuture, done_future, get_thread_ident
from katcp.flush_queue import FlushQueue
from katcp.handover import CallQueue
from katcp.line_connection import LineConnection
from katcp.log_records import record_text
from katcp.message import Message
from katcp.socket_output import EARLY_FLUSH_SIZE


class Outbox(object):
    """What other threads have sent to one client since the loop last looked.

    Attributes
    ----------
    chunks : list of bytes
    future : ThreadsafeFuture or None
        Resolves with the write future of the last chunk when the loop has taken them; None while nobody wants
        to know.
    turn : int
        Identifies a time during which nothing else got into the queue for the loop; what comes later
        must not be put in here, or it would overtake that.
    """

    __slots__ = ("chunks", "future", "turn")

    def __init__(self, turn):
        self.chunks = []
        self.future = None
        self.turn = turn

    def wanted_future(self):
        """Return the future, having made it if there was none; with the lock that guards the outbox."""
        future = self.future
        if future is None:
            future = self.future = ThreadsafeFuture()
        return future

    def take(self):
        """Return the chunks, in one piece unless that would be a large one."""
        chunks = self.chunks
        if len(chunks) > 1 and sum(map(len, chunks)) <= EARLY_FLUSH_SIZE:
            return [b"".join(chunks)]
        return chunks


class ClientLine(LineConnection):
    """Connection of a client, with what the server has to remember about it.

    Attributes
    ----------
    peer_address : tuple
        As from ``socket.accept``.
    output_ended : bool
        Whether nothing more is to be sent, because the connection is being flushed to be closed.
    held_back : list of bytes, or None
        Informs to all clients, kept until this one has been greeted; None when it has been.
    held_back_size : int
        Their size in bytes.
    outbox : Outbox or None
        What other threads have sent.
    sent : tuple of futures
        The latest write future, and the resolved future that has it as its result.
    on_end_of_input : callable or None
        ``on_end_of_input(connection)`` is called when all that the client sent before it closed its
        side has been handled.  If it returns true the connection is not closed.
    """

    __slots__ = ("peer_address", "output_ended", "held_back", "held_back_size", "outbox", "sent",
                 "on_end_of_input", "_kept_for_output")

    def __init__(self, *args, **kwargs):
        super(ClientLine, self).__init__(*args, **kwargs)
        self.peer_address = None
        self.output_ended = False
        self.held_back = None
        self.held_back_size = 0
        self.outbox = None
        self.sent = (None, None)
        self.on_end_of_input = None
        self._kept_for_output = False

    def output_progress(self):
        """Return something that changes when output is queued or sent."""
        return self._sent_total, self._unsent

    def _finish(self, error):
        on_end, self.on_end_of_input = self.on_end_of_input, None
        if error is None and on_end is not None:
            self._kept_for_output = on_end(self)
        if error is None and self._kept_for_output:
            self.flush()
        else:
            super(ClientLine, self)._finish(error)


class _LoopCalls(CallQueue):
    """Calls from other threads; what they send is flushed when a drain is through, not a loop turn later."""

    # Long, for what is left over then might be overtaken by the replies of coroutines.
    max_drain_time = 0.1

    def __init__(self, ioloop, flush_queue):
        super(_LoopCalls, self).__init__(ioloop)
        self._flush_queue = flush_queue

    def _drain(self):
        self._flush_queue.hold()
        try:
            super(_LoopCalls, self)._drain()
        finally:
            self._flush_queue.release()

    def finish(self):
        """Accept no more calls, and make those that are waiting; loop thread only."""
        self.close()
        while len(self):
            self._drain()


class Sending(object):
    """The part of :class:`~katcp.server.KATCPServer` that sends."""

    def __init__(self):
        # Connections with output to be flushed, and what other threads want done; None without a loop.
        self._flush_queue = None
        self._calls = None
        # Guards _calls, _turn and the outboxes.
        self._outbox_lock = threading.Lock()
        self._turn = 0
        # What other threads have sent to all clients.
        self._mass_outbox = None

    # --- in the thread of the loop ---------------------------------------------------------------

    def send_message(self, stream, msg):
        """Send a message to a client; loop thread only.

        Network troubles do not raise: they close the connection.

        Parameters
        ----------
        stream : hashable
            The identity of the connection that its :class:`ClientConnection` was made with.
        msg : Message
            The message.

        Returns
        -------
        tornado future or None
            Resolves when the message has been given to the OS; None if it could not be sent.

        Raises
        ------
        AssertionError
            In another thread.
        """
        assert get_thread_ident() == self.ioloop_thread_id or self._is_over(stream)
        return self._write(stream, msg.__bytes__() + b"\n")

    def post_message(self, stream, msg):
        """Do what `send_message` does, but tell nobody when the message is sent."""
        assert get_thread_ident() == self.ioloop_thread_id or self._is_over(stream)
        self._post(stream, msg.__bytes__() + b"\n")

    def mass_send_message(self, msg):
        """Send a message to all clients; loop thread only.

        A client whose `on_client_connect` is not done gets it after that.

        Parameters
        ----------
        msg : Message
            The message.

        Raises
        ------
        AssertionError
            In another thread.
        """
        assert self.in_ioloop_thread()
        self._mass_write(msg.__bytes__() + b"\n")

    def flush_on_close(self, stream):
        """Send nothing more to a client than what has been sent so far, and an empty line; loop thread only.

        Parameters
        ----------
        stream : hashable
            The identity of the connection.

        Returns
        -------
        tornado future
            Resolves when all has been given to the OS.
        """
        assert self.in_ioloop_thread()
        if stream.closed() is True:
            return done_future()
        flushed = self._write(stream, b"\n")
        stream.output_ended = True
        stream.flush()
        return done_future() if flushed is None else flushed

    def _is_over(self, stream):
        """Whether the server is stopped and the connection closed: then nothing is sent anyway."""
        return self.ioloop_thread_id is None and isinstance(stream, ClientLine) and stream.closed()

    def _write(self, stream, data):
        if stream.output_ended is True:
            return None
        try:
            return stream.write(data)
        except (StreamClosedError, StreamBufferFullError) as exc:
            self._write_failed(stream, data, exc)
            return None

    def _post(self, stream, data):
        """Do what `_write` does, without a future."""
        if not isinstance(stream, ClientLine):
            self._write(stream, data)
        elif stream.output_ended is not True:
            try:
                stream.send(data)
            except (StreamClosedError, StreamBufferFullError) as exc:
                self._write_failed(stream, data, exc)

    def _write_failed(self, stream, data, error):
        # One record per connection: a handler may have a lot more to say to a client that is gone.
        stream.output_ended = True
        text = compat.lossy_str(data[:100].rstrip(b"\n"))
        self._logger.warning(record_text("Could not send message '%s%s' to %s: %r",
                                         text, "..." if len(data) > 101 else "", self.get_address(stream),
                                         error))
        stream.close(error)

    def _tell_reason(self, stream, reason):
        """Tell a client why the server disconnects it, unless it was told or has gone."""
        if stream.output_ended is not True and not stream.closing():
            self._post(stream, Message.inform("disconnect", reason).__bytes__() + b"\n")

    def _mass_write(self, data):
        for stream in list(self._connections):
            if stream.closed():
                continue
            if stream.held_back is not None:
                self._hold_back(stream, data)
            else:
                self._post(stream, data)

    def _hold_back(self, stream, data):
        """Keep what goes to all clients until this one has been greeted."""
        limit = stream.max_write_buffer_size
        if limit is not None and stream.held_back_size + len(data) > limit:
            self._tell_reason(stream, "Too many informs came before the connection was initialised.")
            stream.flush()
            self._write_failed(stream, data, StreamBufferFullError("Reached maximum write buffer size"))
        else:
            stream.held_back.append(data)
            stream.held_back_size += len(data)

    def _release_held_back(self, stream):
        """Send what went to all clients while this one was being greeted."""
        held_back, stream.held_back = stream.held_back, None
        for data in held_back:
            self._write(stream, data)

    # --- in any thread ---------------------------------------------------------------------------

    def send_message_from_thread(self, stream, msg):
        """Send a message to a client, from any thread.

        Parameters
        ----------
        stream : hashable
            The identity of the connection.
        msg : Message
            The message.

        Returns
        -------
        future
            Resolves with what `send_message` returns; in the thread of the loop it has done so already.
            It resolves with None if the server is not running.
        """
        if self.in_ioloop_thread():
            write_future = self.send_message(stream, msg)
            if not isinstance(stream, ClientLine):
                return done_future(write_future)
            # The messages of one loop callback share a write future.
            latest, resolved = stream.sent
            if resolved is None or latest is not write_future:
                resolved = done_future(write_future)
                stream.sent = (write_future, resolved)
            return resolved
        if not isinstance(stream, ClientLine):
            return self.call_from_thread(partial(self.send_message, stream, msg))
        data = msg.__bytes__() + b"\n"
        with self._outbox_lock:
            if self._calls is None:
                return done_future()
            return self._put_into_outbox(stream, data).wanted_future()

    def post_message_from_thread(self, stream, msg):
        """Do what `send_message_from_thread` does, but tell nobody when the message is sent."""
        if self.in_ioloop_thread():
            self.post_message(stream, msg)
        elif not isinstance(stream, ClientLine):
            self.send_message_from_thread(stream, msg)
        else:
            data = msg.__bytes__() + b"\n"
            with self._outbox_lock:
                if self._calls is not None:
                    self._put_into_outbox(stream, data)

    def _put_into_outbox(self, stream, data):
        """Return the outbox that the loop will find `data` in; with the lock."""
        self._mass_outbox = None
        outbox = stream.outbox
        if outbox is None or outbox.turn != self._turn:
            outbox = stream.outbox = Outbox(self._turn)
            self._calls.call(self._empty_outbox, stream, outbox)
        outbox.chunks.append(data)
        return outbox

    def _empty_outbox(self, stream, outbox):
        with self._outbox_lock:
            if stream.outbox is outbox:
                stream.outbox = None
        # Nobody else has it now.
        if outbox.future is None:
            for data in outbox.take():
                self._post(stream, data)
        else:
            for data in outbox.take():
                write_future = self._write(stream, data)
            compat.resolve(outbox.future, write_future)

    def mass_send_message_from_thread(self, msg):
        """Send a message to all clients, from any thread.

        Parameters
        ----------
        msg : Message
            The message.

        Returns
        -------
        future
            Resolves with None when the message is on its way to all of them, or if the server is not
            running.
        """
        if self.in_ioloop_thread():
            self.mass_send_message(msg)
            return done_future()
        data = msg.__bytes__() + b"\n"
        with self._outbox_lock:
            if self._calls is None:
                return done_future()
            outbox = self._mass_outbox
            if outbox is None or outbox.turn != self._turn:
                self._turn += 1
                outbox = self._mass_outbox = Outbox(self._turn)
                self._calls.call(self._empty_mass_outbox, outbox)
            outbox.chunks.append(data)
            return outbox.wanted_future()

    def _empty_mass_outbox(self, outbox):
        with self._outbox_lock:
            if self._mass_outbox is outbox:
                self._mass_outbox = None
        for data in outbox.take():
            self._mass_write(data)
        compat.resolve(outbox.wanted_future())

    def call_from_thread(self, fn):
        """Have ``fn()`` called in the thread of the loop: now if the caller is in it.

        Parameters
        ----------
        fn : callable

        Returns
        -------
        future
            Resolves with the result or exception of `fn`, which is logged as well; with None if the
            server is not running. In the thread of the loop it has done so already.
        """
        if self.in_ioloop_thread():
            try:
                return done_future(fn())
            except Exception as exc:
                self._logger.exception("Error executing wrapped async callback")
                return done_future(exception=exc)
        return self._submit(fn)

    def call_soon(self, fn):
        """Have ``fn()`` called on the loop, after what was sent before; from any thread.

        Returns
        -------
        bool
            False if the server is not running; then nothing is called.
        """
        with self._outbox_lock:
            calls = self._calls
            if calls is not None:
                calls.call(fn)
        return calls is not None

    def call_in_order(self, fn, *args):
        """Have ``fn(*args)`` called on the loop, after what was sent before and before what is sent later.

        Returns
        -------
        bool
            False if the server is not running: then it is not called.
        """
        with self._outbox_lock:
            if self._calls is None:
                return False
            self._turn += 1
            self._calls.call(fn, *args)
            return True

    def _submit(self, fn, *args):
        with self._outbox_lock:
            if self._calls is None:
                return done_future()
            future = ThreadsafeFuture()
            self._turn += 1
            self._calls.call(self._settle, future, fn, args)
            return future

    def _settle(self, future, fn, args):
        # A future that `fn` returns is a result, not something to wait for.
        try:
            compat.resolve(future, fn(*args))
        except Exception:
            self._logger.exception("Error executing wrapped async callback")
            compat.fail(future, sys.exc_info())

    # --- life ------------------------------------------------------------------------------------

    def _open_calls(self, ioloop):
        self._flush_queue = FlushQueue(ioloop)
        self._calls = _LoopCalls(ioloop, self._flush_queue)

    def _close_calls(self):
        """Drop what other threads want from now on; loop thread only, or before the loop has started."""
        with self._outbox_lock:
            calls, self._calls = self._calls, None
            self._mass_outbox = None
        calls.finish()
        self._flush_queue.flush()
