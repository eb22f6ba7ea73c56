"""How a message is handled: from its handler, whatever that does, to the answer.

A request is answered exactly once: with what its handler returned, now or later, or with the reason why
there is nothing better to say.
"""

from __future__ import absolute_import, division, print_function

import logging
import sys
from functools import partial

from katcp import compat
from katcp.compat import ThreadsafeFuture, add_loop_callback, is_awaitable
from katcp.errors import AsyncReply, FailReply
from katcp.log_records import record_text, traceback_text
from katcp.message import Message
from katcp.server.connections import ClientConnection
from katcp.server.failures import must_go_through, reason_text, reply_to_failed_message

REQUEST = Message.REQUEST
REPLY = Message.REPLY
INFORM = Message.INFORM

# Users override it, tests replace it.
_PLAIN_REPLY = ClientConnection.__dict__["reply"]

# Where tests put another ClientRequestConnection: it is looked up there for each request.
_door = sys.modules["katcp.server"]


def _note_due(connection, req):
    """Tell the connection that a request is answered later; those of tests need not know of it."""
    note = getattr(connection, "_reply_is_due", None)
    if note is not None:
        note(req)


def _check_reply(reply, msg):
    if not isinstance(reply, Message):
        raise TypeError("Handler of request %s returned %r instead of a reply message."
                        % (msg.name, type(reply)))
    if reply.mtype != REPLY or reply.name != msg.name:
        raise ValueError("Handler of request %s returned a message that is no reply to it: %r."
                         % (msg.name, reply))


class MessageHandling(object):
    """The part of :class:`~katcp.server.DeviceServerBase` that calls handlers and answers."""

    def handle_message(self, client_conn, msg):
        """Handle a message of any type; the place to override in order to see all of them.

        Parameters
        ----------
        client_conn : ClientConnection
            The client that sent it.
        msg : Message
            The message.

        Returns
        -------
        future or None
            See `handle_request`.
        """
        if self._logger.isEnabledFor(logging.DEBUG):
            self._logger.debug(record_text("received: %s", msg.log_text()))
        mtype = msg.mtype
        if mtype == REQUEST:
            return self.handle_request(client_conn, msg)
        if mtype == INFORM:
            return self.handle_inform(client_conn, msg)
        if mtype == REPLY:
            return self.handle_reply(client_conn, msg)
        reason = "Unexpected message type received by server ['%s']." % (msg.log_text(),)
        client_conn.inform(self.create_log_inform("error", reason, "root"))

    def handle_request(self, connection, msg):
        """Call the handler of a request and answer.

        Parameters
        ----------
        connection : ClientConnection
            The client that asks.
        msg : Message
            The request.

        Returns
        -------
        concurrent.futures.Future or None
            If the handler returned something to wait for, a future that resolves with None, never with
            an exception, after the reply has been given to ``connection.reply``. Otherwise None: the
            request has been answered, or nothing more should wait for the answer.
        """
        req = _door.ClientRequestConnection(connection, msg)
        name = msg.name
        handler = self._request_handlers.get(name)
        if handler is None:
            self._logger.error(record_text("%s INVALID: Unknown request.", name))
            connection.reply(Message.reply_to_request(msg, "invalid", "Unknown request."), msg)
            return None
        try:
            reply = handler(self, req, msg)
            if type(reply) is not Message and is_awaitable(reply):
                return self._reply_later(reply, handler, req, connection, msg)
            _check_reply(reply, msg)
        except BaseException:
            reply = self._reply_to_exception(msg, sys.exc_info())
            if reply is None:
                _note_due(connection, req)
                return None
        else:
            if self._logger.isEnabledFor(logging.DEBUG):
                self._logger.debug(record_text("%s OK", name))
        self._send_reply(reply, req, connection, msg)
        return None

    def _send_reply(self, reply, req, connection, msg):
        # `is True`, for in tests the request may be a mock.
        if getattr(req, "_answered", None) is True:
            self._logger.error(record_text("Request %s was answered already, dropping a second reply: %s",
                                           msg.name, reply.log_text()))
            return
        if getattr(connection.reply, "__func__", None) is _PLAIN_REPLY:
            connection._answer(reply, msg)
        else:
            connection.reply(reply, msg)

    def _reply_to_exception(self, msg, exc_info, how=""):
        """Return the reply to a request whose handler raised, or None if there is to be none (yet)."""
        exc_type, exc, _ = exc_info
        if issubclass(exc_type, AsyncReply):
            if self._logger.isEnabledFor(logging.DEBUG):
                self._logger.debug(record_text("%s%s ASYNC OK", msg.name, how))
            return None
        if issubclass(exc_type, FailReply):
            reason = reason_text(exc)
            self._logger.error(record_text("Request %s%s FAIL: %s", msg.name, how, reason))
            return Message.reply_to_request(msg, "fail", reason)
        if must_go_through(exc_type):
            compat.reraise(exc_info)
        return self.create_exception_reply_and_log(msg, exc_info)

    def create_exception_reply_and_log(self, req_msg, exc_info):
        """Log the exception of a handler and return the reply that tells the client.

        Parameters
        ----------
        req_msg : Message
            The request.
        exc_info : tuple
            As from ``sys.exc_info()``.

        Returns
        -------
        Message
            A ``fail`` reply with the traceback.
        """
        reason = traceback_text(exc_info, self._tb_limit)
        self._logger.error(record_text("Request %s FAIL: %s", req_msg.name, reason))
        return Message.reply_to_request(req_msg, "fail", reason)

    # Replies that come later.  From the moment the handler returned a pending future all happens in the
    # loop thread, where alone sending is always allowed.

    def _reply_later(self, awaitable, handler, req, connection, msg):
        ioloop = self.ioloop
        if ioloop is None:
            if hasattr(awaitable, "close"):
                awaitable.close()  # a coroutine that nobody is going to await would complain
            raise RuntimeError("Request %s is answered by a future, which needs a running server."
                               % (msg.name,))
        if getattr(handler, "_concurrent_reply", False):
            done, how = None, " FUTURE CONCURRENT"
        else:
            done, how = ThreadsafeFuture(), " FUTURE"
        if self._logger.isEnabledFor(logging.DEBUG):
            self._logger.debug(record_text("%s%s OK", msg.name, how))
        if done is None:
            if compat.is_future(awaitable) and awaitable.done():
                # Before the next request is handled, which does not wait for this one.
                self._reply_from_done_future(done, how, req, connection, msg, awaitable)
                return None
            _note_due(connection, req)
        ioloop.add_callback(self._await_reply, awaitable, done, how, req, connection, msg)
        return done

    def _await_reply(self, awaitable, done, how, req, connection, msg):
        try:
            future = compat.as_future(awaitable)
        except Exception:
            future = compat.failed_future(sys.exc_info())
        if future.done():
            self._reply_from_future(done, how, req, connection, msg, future)
        else:
            add_loop_callback(self.ioloop, future, partial(
                self._reply_from_future, done, how, req, connection, msg))

    def _reply_from_future(self, done, how, req, connection, msg, future):
        if not compat.runs_in_this_thread(self.ioloop):
            # The future belongs to another loop.
            self.ioloop.add_callback(self._reply_from_future, done, how, req, connection, msg, future)
        else:
            self._reply_from_done_future(done, how, req, connection, msg, future)

    def _reply_from_done_future(self, done, how, req, connection, msg, future):
        try:
            exc_info = compat.future_exc_info(future)
            if exc_info is None:
                try:
                    reply = future.result()
                    _check_reply(reply, msg)
                except Exception:
                    exc_info = sys.exc_info()
                    reply = self.create_exception_reply_and_log(msg, exc_info)
            else:
                reply = self._reply_to_exception(msg, exc_info, how)
            if reply is None:
                _note_due(connection, req)
            else:
                self._send_reply(reply, req, connection, msg)
                on_sent = getattr(req, "_on_sent", None)
                if on_sent is not None:
                    on_sent(req)
                if exc_info is None and self._logger.isEnabledFor(logging.DEBUG):
                    self._logger.debug(record_text("%s%s replied", msg.name, how))
        except Exception:
            exc_info = sys.exc_info()
            self._logger.error(record_text("Error answering request %s", msg.name), exc_info=exc_info)
            reply_to_failed_message(connection, msg, exc_info)
        finally:
            if done is not None:
                compat.resolve(done)

    def handle_inform(self, connection, msg):
        """Call the handler of an inform; its exceptions are logged.

        Parameters
        ----------
        connection : ClientConnection
            The client that sent it.
        msg : Message
            The inform.
        """
        self._handle_one_way("Inform", self._inform_handlers, connection, msg)

    def handle_reply(self, connection, msg):
        """Call the handler of a reply; its exceptions are logged.

        Parameters
        ----------
        connection : ClientConnection
            The client that sent it.
        msg : Message
            The reply.
        """
        self._handle_one_way("Reply", self._reply_handlers, connection, msg)

    def _handle_one_way(self, kind, handlers, connection, msg):
        handler = handlers.get(msg.name)
        if handler is None:
            self._logger.warning(record_text("%s INVALID: Unknown %s.", msg.name, kind.lower()))
            return
        try:
            result = handler(self, connection, msg)
            if result is not None and is_awaitable(result) and self.ioloop is not None:
                self.ioloop.add_callback(self._watch_one_way, kind, msg, result)
        except BaseException:
            exc_info = sys.exc_info()
            if must_go_through(exc_info[0]):
                raise
            self._log_one_way_failure(kind, msg, exc_info)

    def _watch_one_way(self, kind, msg, awaitable):
        add_loop_callback(self.ioloop, compat.as_future(awaitable),
                          partial(self._one_way_done, kind, msg))

    def _one_way_done(self, kind, msg, future):
        exc_info = compat.future_exc_info(future)
        if exc_info is not None:
            self._log_one_way_failure(kind, msg, exc_info)

    def _log_one_way_failure(self, kind, msg, exc_info):
        suffix = self._handler_failures.suffix(exc_info, kind, msg.name)
        if suffix is not None:
            self._logger.error(record_text("%s %s FAIL%s: %s", kind, msg.name, suffix,
                                           traceback_text(exc_info, self._tb_limit)))
