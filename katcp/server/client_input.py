"""From a client's lines to messages for the device, one at a time.

A request is not handled before the one before it has been answered (unless that chose to be answered
later); until then nothing more is read from the client.  There are two ways to get there: in the
thread of the loop messages are handled as the lines come in, and the connection is paused while an
answer takes time; for the handler thread all complete lines that are there become one batch, and the
connection is paused until the thread has worked through it.
"""

from __future__ import absolute_import, division, print_function

import collections
import sys
from functools import partial

from katcp import compat
from katcp.compat import is_awaitable
from katcp.message import MessageParser
from katcp.server.handler_thread import MessageBatch

_parse = MessageParser().parse


class DirectInput(object):
    """Has the messages of one client handled in the thread of the loop.

    Parameters
    ----------
    server : KATCPServer
        Told about what cannot be handled.
    line_connection : LineConnection
        Where the lines come from.
    client_connection : ClientConnection
        What the device knows the client as.
    handle : callable
        ``handle(client_connection, msg)``; if it returns something to wait for, that is waited for.
    """

    __slots__ = ("_server", "_line_connection", "_client_connection", "_handle")

    on_batch_end = None

    def __init__(self, server, line_connection, client_connection, handle):
        self._server = server
        self._line_connection = line_connection
        self._client_connection = client_connection
        self._handle = handle

    def on_line(self, line):
        """Handle the message on a line."""
        try:
            msg = _parse(line)
        except Exception:
            self._server.report_bad_line(self._client_connection,
                                         *self._server.describe_bad_line(line, sys.exc_info()))
            return
        try:
            result = self._handle(self._client_connection, msg)
        except BaseException:
            self._server.report_failed_message(self._client_connection, msg, sys.exc_info())
            return
        if result is not None and is_awaitable(result):
            self._wait(result, msg)

    def on_overflow(self):
        """Tell the client that its line was too long."""
        self._server.report_overflow(self._line_connection, self._client_connection)

    def _wait(self, awaitable, msg):
        try:
            future = compat.as_future(awaitable)
        except Exception:
            future = compat.failed_future(sys.exc_info())
        if future.done():
            self._check(future, msg)
            return
        self._line_connection.pause()
        if isinstance(future, compat.ConcurrentFuture):
            # Most are resolved in this very thread, right after the answer was sent.
            future.add_done_callback(partial(self._done_somewhere, msg))
        else:
            compat.add_loop_callback(self._line_connection.ioloop, future, partial(self._done, msg))

    def _done_somewhere(self, msg, future):
        if self._server.in_ioloop_thread():
            self._done(msg, future)
        else:
            self._line_connection.ioloop.add_callback(self._done, msg, future)

    def _done(self, msg, future):
        self._check(future, msg)
        self._line_connection.resume()

    def _check(self, future, msg):
        exc_info = compat.future_exc_info(future)
        if exc_info is not None:
            self._server.report_failed_message(self._client_connection, msg, exc_info)


class BatchInput(object):
    """Has the messages of one client handled in the handler thread, a batch at a time.

    Parameters
    ----------
    server : KATCPServer
        Told about what cannot be handled.
    line_connection : LineConnection
        Where the lines come from.
    client_connection : ClientConnection
        What the device knows the client as; a thread-safe one.
    handler_thread : MessageHandlerThread
        Where the messages go.
    """

    __slots__ = ("_server", "_line_connection", "_client_connection", "_handler_thread", "_batch")

    def __init__(self, server, line_connection, client_connection, handler_thread):
        self._server = server
        self._line_connection = line_connection
        self._client_connection = client_connection
        self._handler_thread = handler_thread
        # There is only one at a time, since the connection is paused meanwhile.
        self._batch = MessageBatch(client_connection, collections.deque(), line_connection.closing,
                                   self._finished)

    def on_line(self, line):
        """Add the message on a line to the batch."""
        try:
            msg = _parse(line)
        except Exception:
            # Reported in its turn, between the answers to what came before and after it.
            msg = partial(self._server.report_bad_line, self._client_connection,
                          *self._server.describe_bad_line(line, sys.exc_info()))
        self._batch.messages.append(msg)

    def on_batch_end(self):
        """Hand the batch over."""
        if self._batch.messages:
            self._line_connection.pause()
            self._handler_thread.handle_batch(self._batch)

    def on_overflow(self):
        """Tell the client that its line was too long."""
        self._server.report_overflow(self._line_connection, self._client_connection)

    def _finished(self):
        # In the same queue as the answers, so that they are on their way when reading goes on.
        self._server.call_soon(self._line_connection.resume)
