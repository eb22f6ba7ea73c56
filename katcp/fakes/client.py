"""A client that calls functions instead of sending requests to a device.

It replaces the lowest part of a client, the connection.  What is above that is at work as ever: message
ids, the table of pending requests, their timeouts, the hooks on informs.
"""

from __future__ import absolute_import, division, print_function

import functools
import sys

from tornado import gen

from katcp import compat
from katcp.client.async_client import failure_reply
from katcp.client.thread_safety import make_threadsafe, make_threadsafe_blocking
from katcp.compat import get_thread_ident, lossy_str
from katcp.errors import AsyncReply, FailReply, KatcpClientDisconnected
from katcp.fakes.requests import FakeClientRequestConnection, FakeKATCPServer
from katcp.inspecting.inform_hooks import _InformHookDeviceClient
from katcp.log_records import record_text
from katcp.message import Message
from katcp.protocol import ProtocolFlags
from katcp.server.connections import ClientConnection
from katcp.waiting import until_any

# What a fake device speaks, unless the client was told otherwise.
FAKE_PROTOCOL = ProtocolFlags(5, 0, [ProtocolFlags.MULTI_CLIENT, ProtocolFlags.MESSAGE_IDS])


class FakeConnection(object):
    """The part of a `LineConnection` that a client uses, leading nowhere."""

    error = None
    socket = None
    urgent = False

    def __init__(self):
        self._close_callback = None

    def set_close_callback(self, callback):
        self._close_callback = callback

    def start_reading(self, on_line, on_overflow=None):
        pass

    def wake_at_once(self):
        pass

    def flush(self):
        pass

    def close(self, exc_info=False):
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            callback()


class FakeAsyncClient(_InformHookDeviceClient):
    """An `AsyncClient` of a device that is not there: functions answer the requests.

    It is connected as soon as it is started.  Requests for which there is no function succeed.

    Parameters
    ----------
    host, port, *args, **kwargs
        As of `AsyncClient`; where it is that the device is not does not matter.

    Attributes
    ----------
    request_handlers : dict
        Name of a request (native str) to the function that answers it.  ``handler(req, msg)`` is called, in
        the thread of the loop, with a `FakeClientRequestConnection` and the request `Message`; it returns
        what handlers of device servers return, and may be decorated like these.
    background_handlers : dict
        The same, for requests that the device does not list in its ``?help``.
    errors_as_replies : bool
        Whether exceptions in handlers become ``fail`` replies, as on a real device.  By default they come
        out of the future of the request, so that mistakes in a test show.
    refuse_unknown_requests : bool
        Whether requests without a handler get the reply ``invalid``, as on a real device.
    fake_server : FakeKATCPServer
    client_connection : ClientConnection
        What handlers find at ``req.client_connection``.
    """

    errors_as_replies = False
    refuse_unknown_requests = False

    def __init__(self, *args, **kwargs):
        super(FakeAsyncClient, self).__init__(*args, **kwargs)
        self.request_handlers = {}
        self.background_handlers = {}
        self.fake_server = FakeKATCPServer(self.handle_message)
        self.client_connection = ClientConnection(self.fake_server, "fake-async-client")
        # Futures of requests that were not answered at once, by the identity of the request.
        self._unanswered = {}
        self._returns_by_itself = False

    # --- being connected -------------------------------------------------------------------------

    @gen.coroutine
    def _connect_loop(self):
        self._connect()
        while self._running.is_set():
            yield self._disconnected.until_set()
            if not self._returns_by_itself:
                yield until_any(self._connected.until_set(), self._stop_requested.until_set())
            elif self._auto_reconnect and self._running.is_set():
                yield self._wait_to_retry()
                if self._running.is_set():
                    self._connect()
            else:
                break

    def _connect(self):
        """Have the device there (again); return a future that is done."""
        if self._stream is None:
            stream = FakeConnection()
            self._connection_made(stream)
            if self._stream is stream and not self._protocol_confirmed:
                self.protocol_flags = FAKE_PROTOCOL
        return compat.done_future(None)

    def _disconnect(self, exc_info=False):
        """Have the device go away until `_connect` is called."""
        self._returns_by_itself = False
        super(FakeAsyncClient, self)._disconnect(exc_info)

    @make_threadsafe
    def disconnect(self):
        """Close the connection, if there is one; it is made again after ``auto_reconnect_delay``."""
        if self._stream is not None:
            self._returns_by_itself = True
            super(FakeAsyncClient, self)._disconnect()

    # --- requests --------------------------------------------------------------------------------

    def future_request(self, msg, timeout=None, use_mid=None):
        """Make a request and return a future for the answer; see `AsyncClient.future_request`.

        If the handler answers at once the future is done already.
        """
        future = super(FakeAsyncClient, self).future_request(msg, timeout, use_mid)
        if not future.done() and get_thread_ident() == self.ioloop_thread_id:
            self._unanswered[id(msg)] = future
            future.add_done_callback(functools.partial(self._forget, id(msg)))
        return future

    def _forget(self, key, future):
        if self._unanswered.get(key) is future:
            del self._unanswered[key]

    @make_threadsafe_blocking
    def send_message(self, msg):
        """Have a request answered; other messages get lost.  See `AsyncClient.send_message`."""
        if get_thread_ident() != self.ioloop_thread_id:
            self._check_loop_thread("send_message")
        if self._stream is None:
            raise KatcpClientDisconnected("Not connected to device {}".format(self.bind_address_string))
        if msg.mtype == Message.REQUEST:
            self._answer(msg)
        return compat.done_future(None)

    def _answer(self, msg):
        answered = functools.partial(self._reply, msg, *self._pending_entry(msg))
        handler = self.request_handlers.get(msg.name) or self.background_handlers.get(msg.name)
        if handler is None:
            if self.refuse_unknown_requests:
                answered(Message.reply(msg.name, "invalid", "Unknown request."))
            else:
                answered(Message.reply(msg.name, "ok"))
            return
        req = FakeClientRequestConnection(self.client_connection, msg)
        req.on_inform = self.handle_inform
        req.on_reply = answered
        try:
            result = handler(req, msg)
            if not isinstance(result, Message) and compat.is_awaitable(result):
                result = compat.as_future(result)
                if not result.done():
                    compat.add_loop_callback(self._ioloop, result, functools.partial(
                        self._answered_later, msg, answered))
                    return
                result = result.result()
            self._check_is_message(result, msg)
        except AsyncReply:
            return
        except Exception:
            if not self.errors_as_replies:
                raise
            result = self._error_reply(msg, sys.exc_info())
        answered(result)

    def _pending_entry(self, msg):
        """Return the key and the entry of a request that somebody waits for, or two Nones."""
        for key, entry in self._pending.queue.items():
            if entry[0] is msg:
                return key, entry
        return None, None

    @staticmethod
    def _check_is_message(reply, msg):
        if not isinstance(reply, Message):
            raise TypeError("Handler of fake request {} returned {!r} instead of a reply message".format(
                msg.name, type(reply)))

    def _answered_later(self, msg, answered, future):
        exc_info = compat.future_exc_info(future)
        if exc_info is None:
            try:
                self._check_is_message(future.result(), msg)
            except TypeError:
                exc_info = sys.exc_info()
        if exc_info is None:
            answered(future.result())
        elif issubclass(exc_info[0], AsyncReply):
            pass
        elif self.errors_as_replies or id(msg) not in self._unanswered:
            answered(self._error_reply(msg, exc_info))
        else:
            key, entry = self._pending_entry(msg)
            if entry is not None:
                self._pending.remove(key)
                compat.fail(self._unanswered[id(msg)], exc_info)

    def _error_reply(self, msg, exc_info):
        if not issubclass(exc_info[0], FailReply):
            self._logger.error(record_text("Fake request %s failed", msg.name), exc_info=exc_info)
        return failure_reply(msg, lossy_str(exc_info[1]))

    def _expect_late_reply(self, key):
        """Expect nothing: replies know which requests they belong to, with ids and without."""

    def _reply(self, msg, key, entry, reply):
        """Pass on the reply to `msg`, whatever its name is: handlers may serve under several."""
        if entry is not None and self._pending.queue.get(key) is not entry:
            return  # given up meanwhile
        reply.mid = msg.mid
        outer = self._unsent
        if entry is not None:
            self._unsent = (reply, key, entry)
        try:
            self.handle_reply(reply)
        finally:
            self._unsent = outer
