"""The client as such: one connection at a time, kept up, and messages to and from it."""

from __future__ import absolute_import, division, print_function

import functools
import logging
import socket
import sys
import threading

from tornado import gen

from katcp import compat
from katcp.client.connecting import TcpConnector
from katcp.client.layered import LayeredDict
from katcp.client.lifecycle import ClientLifecycle
from katcp.client.protocol_detection import ProtocolDetection
from katcp.client.thread_safety import ThreadSafety, make_threadsafe, make_threadsafe_blocking
from katcp.compat import CANCELLED_ERRORS, get_thread_ident, lossy_str, with_metaclass
from katcp.errors import KatcpClientDisconnected, KatcpClientError, KatcpVersionError
from katcp.handlers import DeviceMetaclass
from katcp.line_connection import LineConnection
from katcp.listeners import FailureCounts
from katcp.log_records import record_text, traceback_text
from katcp.message import Message, MessageParser

log = logging.getLogger("katcp.client")

# Largest message id that the protocol allows.
MAX_MSG_ID = 2 ** 31 - 1

# Of many messages that are sent at once the server gets so many before the next are made.  A call of the OS
# for each would cost more than that gains.
MAX_HELD_MESSAGES = 64

# A device that is switched off must not fill the log: every so many failures to connect are logged.
LOGGED_CONNECT_FAILURES = 5


def address_to_string(addr_tuple):
    """Return a socket address as text: ``('127.0.0.1', 5000)`` gives ``'127.0.0.1:5000'``.

    Parameters
    ----------
    addr_tuple : tuple

    Returns
    -------
    str
    """
    return ":".join([str(part) for part in addr_tuple])


def _error_text(error):
    """Return an exception as text for a log record, which must not keep frames alive."""
    return lossy_str(repr(error))


class DeviceClient(with_metaclass(DeviceMetaclass, ClientLifecycle, ProtocolDetection, ThreadSafety)):
    """A client that sends messages to a device and hands what it receives to handlers.

    Methods named ``inform_<name>``, ``reply_<name>`` and ``request_<name>`` (message names with ``_`` for
    ``-``) handle received messages; they are called with the message in the thread of the loop.
    Messages that have no handler go to `unhandled_inform`, `unhandled_reply` or `unhandled_request`.

    Parameters
    ----------
    host : str
        Host name or address; nothing stands for ``'0.0.0.0'``.
    port : int
        TCP port.
    tb_limit : int, optional
        How many stack frames of a failed handler are logged.
    logger : logging.Logger, optional
    auto_reconnect : bool, optional
        Whether to keep trying to connect when that fails or the connection is lost.

    Attributes
    ----------
    MAX_MSG_SIZE : int
        Bytes a received line may have.  Like the next it is looked at when a connection is made.
    MAX_WRITE_BUFFER_SIZE : int
        Bytes that may wait for a server that does not read; one that lets more pile up is disconnected.
    auto_reconnect_delay : float
        Seconds between a failure or the loss of a connection and the next attempt.
    last_connect_time : float or None
        ``ioloop.time()`` when the latest connection was made.
    versions : ObjectDict
        What the server told with ``#version-connect``: name to a tuple of native strings.
    ioloop_thread_id : int or None
        Identifier of the thread that runs the loop.

    Notes
    -----
    Lines are handled one by one.  If a handler returns a future, the next line waits for it.

    Examples
    --------
    ::

        class Listener(DeviceClient):
            def inform_log(self, msg):
                "Print what the device logs."
                print(msg)

        client = Listener("localhost", 5000)
        client.start(timeout=1)
        ...
        client.stop()
        client.join()
    """

    MAX_MSG_SIZE = 2 * 1024 * 1024
    MAX_WRITE_BUFFER_SIZE = 2 * MAX_MSG_SIZE
    # Kept for those who set it; the connection itself sees to it that the loop gets its turns.
    MAX_LOOP_LATENCY = 0.03

    _connection_class = LineConnection
    # A reply that is being handled whose request has no callback, or has timed out.
    _expected_reply = None

    def __init__(self, host, port, tb_limit=20, logger=log, auto_reconnect=True):
        self._bindaddr = (host or "0.0.0.0", port)
        self._tb_limit = tb_limit
        self._logger = logger
        self._parser = MessageParser()
        self._auto_reconnect = auto_reconnect
        self.auto_reconnect_delay = 0.5
        self.last_connect_time = None
        self._connect_failures = 0
        self._last_msg_id = 0
        self._id_lock = threading.Lock()
        self._stream = None
        self._tcp_client = None
        self._handler_failures = FailureCounts()
        # Handlers that are put into the tables of a client are that client's only.
        cls = type(self)
        self._request_handlers = LayeredDict(cls._request_handlers)
        self._inform_handlers = LayeredDict(cls._inform_handlers)
        self._reply_handlers = LayeredDict(cls._reply_handlers)
        super(DeviceClient, self).__init__()

    def _init_state_per_run(self, ioloop):
        super(DeviceClient, self)._init_state_per_run(ioloop)
        self._forget_protocol()
        self._stream = None
        self._tcp_client = None

    # --- addresses -------------------------------------------------------------------------------

    @property
    def bind_address(self):
        """``(host, port)`` of the server."""
        return self._bindaddr

    @property
    def bind_address_string(self):
        """``'host:port'`` of the server."""
        return address_to_string(self._bindaddr)

    @property
    def sockname(self):
        """Address of this end of the connection; ``(host of the server, -1)`` while there is none."""
        try:
            return self._stream.socket.getsockname()
        except Exception:  # not connected, or closing in another thread just now
            return (self._bindaddr[0], -1)

    @property
    def sockname_string(self):
        """`sockname` as ``'host:port'``."""
        return address_to_string(self.sockname)

    # --- sending ---------------------------------------------------------------------------------

    @make_threadsafe_blocking
    def send_message(self, msg):
        """Send any message.

        For the thread of the loop.  With thread safety other threads may call it as well: they wait
        until the message is sent, at most for the keyword `timeout` in seconds.

        Parameters
        ----------
        msg : Message

        Returns
        -------
        tornado future
            Resolves when the OS has taken the message; need not be looked at.  None if the connection
            broke in the attempt.

        Raises
        ------
        KatcpClientDisconnected
            If the client is not connected.
        AssertionError
            If this is not the thread of the loop.
        """
        if get_thread_ident() != self.ioloop_thread_id:
            self._check_loop_thread("send_message")
        stream = self._stream
        if stream is None:
            raise KatcpClientDisconnected("Not connected to device {}".format(self.bind_address_string))
        data = msg.__bytes__() + b"\n"
        if self._logger.isEnabledFor(logging.DEBUG):
            self._log_sending(data)
        try:
            return stream.write(data)
        except Exception:
            self._sending_failed(stream, msg)
            return None

    def _log_sending(self, data):
        self._logger.debug(record_text("Sending to %s: %r", self.bind_address_string, data))

    def _sending_failed(self, stream, msg):
        """Close a connection that has not taken a message but raised the current exception."""
        exc_info = sys.exc_info()
        self._logger.warning(record_text("Could not send message %s to %s", msg.log_text(),
                                         self.bind_address_string), exc_info=exc_info)
        if self._stream is stream:
            self._disconnect(exc_info=exc_info)

    def send_request(self, msg):
        """Send a request as it is; what comes back goes to the handlers.

        Parameters
        ----------
        msg : Message

        Raises
        ------
        KatcpVersionError
            If the message has an id and the server is not known to support them.
        KatcpClientDisconnected, AssertionError
            See `send_message`.
        """
        if msg.mtype != Message.REQUEST:
            raise AssertionError("send_request() was given a message that is no request")
        if msg.mid is not None and not self._server_supports_ids:
            raise KatcpVersionError("Message IDs not supported by server")
        self.send_message(msg)

    @make_threadsafe_blocking
    def request(self, msg, use_mid=None):
        """Send a request; what comes back goes to the handlers.

        For the thread of the loop; with thread safety other threads may call it as well.

        Parameters
        ----------
        msg : Message
            Gets a message id, if it has none and one is used.
        use_mid : bool, optional
            Whether to use a message id; by default if the server supports them.

        Returns
        -------
        bytes
            The message id; if none is sent, the number under which the client knows the request.

        Raises
        ------
        KatcpVersionError, KatcpClientDisconnected, AssertionError
            See `send_request`.
        """
        mid = self._get_mid_and_update_msg(msg, use_mid)
        self.send_request(msg)
        return mid

    def _get_mid_and_update_msg(self, msg, use_mid):
        """Return the id under which `msg` is known, having put it into `msg` if it is to be sent."""
        if msg.mid is not None:
            return msg.mid
        mid = self._next_id()
        if self._server_supports_ids if use_mid is None else use_mid:
            msg.mid = mid
        return mid

    def _next_id(self, any_thread=False):
        """Return the next free message id as bytes, within the range that the protocol allows."""
        if get_thread_ident() != self.ioloop_thread_id and not any_thread:
            self._check_loop_thread("_next_id")
        if not self._threadsafe:
            return self._free_id()
        with self._id_lock:
            return self._free_id()

    def _free_id(self):
        """Do what `_next_id` does, where no other thread can do so at the same time."""
        number = self._last_msg_id = self._last_msg_id % MAX_MSG_ID + 1
        return b"%d" % number

    # --- connecting ------------------------------------------------------------------------------

    @gen.coroutine
    def _install(self):
        """Main coroutine: connect and stay connected, until told to stop."""
        run_number = self._run_number
        self.ioloop_thread_id = get_thread_ident()
        self._stopped.clear()
        self._running.set()
        try:
            self._logger.debug(record_text("Starting client loop for %r", self._bindaddr))
            yield self._connect_loop()
            if self._running.is_set():
                # Nothing is left to do; the client is not to look as if it were doing it.
                self.stop()
                yield self._stop_requested.until_set()
        except KatcpClientError as exc:
            # Text only: an exception holds the frames it went through, and these hold the client.
            self._logger.error(lossy_str(exc.args[0]))
        finally:
            self._main_coroutine_ends(run_number)

    @gen.coroutine
    def _connect_loop(self):
        while self._running.is_set():
            try:
                yield self._connect()
            except KatcpClientError:
                if not self._auto_reconnect:
                    raise
            else:
                yield self._disconnected.until_set()
            if not (self._auto_reconnect and self._running.is_set()):
                break
            yield self._wait_to_retry()
        self._logger.info(record_text("Client connect loop for %r finished.", self._bindaddr))

    @gen.coroutine
    def _wait_to_retry(self):
        wake = self._connect_loop_wake
        wake.clear()
        timer = self._ioloop.call_later(self.auto_reconnect_delay, wake.set)
        self._waiting_to_retry.set()
        yield wake.until_set()
        self._ioloop.remove_timeout(timer)
        self._waiting_to_retry.clear()

    @gen.coroutine
    def _connect(self):
        """Make one attempt to connect; raises KatcpClientError if that fails."""
        connector = self._tcp_client = TcpConnector(self._ioloop, *self._bindaddr)
        try:
            sock = yield connector.connect()
        except Exception as exc:
            if self._connect_failures % LOGGED_CONNECT_FAILURES == 0:
                self._logger.debug(record_text("Failed to connect to %r: %s", self._bindaddr, lossy_str(exc)))
            self._connect_failures += 1
            error_text = "Failed to connect to {!r}".format(self._bindaddr)
        else:
            error_text = None
        finally:
            if self._tcp_client is connector:
                self._tcp_client = None
        if error_text is not None:
            raise KatcpClientError(error_text)
        if sock is None:  # given up
            return
        if not self._running.is_set():
            sock.close()
            return
        try:
            stream = self._make_stream(sock)
        except socket.error as exc:  # the server has closed the connection already
            sock.close()
            raise KatcpClientError("Failed to connect to {!r}: {}".format(self._bindaddr, exc))
        self._connection_made(stream)

    def _make_stream(self, sock):
        """Return the LineConnection for a connected socket."""
        stream = self._connection_class(sock, self._ioloop, max_buffer_size=self.MAX_MSG_SIZE,
                                        max_write_buffer_size=self.MAX_WRITE_BUFFER_SIZE)
        stream.set_nodelay(True)
        stream.max_held = MAX_HELD_MESSAGES
        return stream

    def _abort_connect(self):
        if self._tcp_client is not None:
            self._tcp_client.abort()

    def _connection_made(self, stream):
        self._stream = stream
        stream.set_close_callback(functools.partial(self._stream_closed_callback, stream))
        address = self.bind_address_string
        if self._connect_failures >= LOGGED_CONNECT_FAILURES:
            self._logger.warning(record_text("Reconnected to %s", address))
        self._connect_failures = 0
        self._logger.debug(record_text("Connected to %s with client addr %s", address, self.sockname_string))
        self._forget_connection_protocol()
        self._disconnected.clear()
        self._connected.set()
        self.last_connect_time = self._ioloop.time()
        try:
            self.notify_connected(True)
        except (Exception,) + CANCELLED_ERRORS:
            self._logger.exception("Notify connect failed. Disconnecting.")
            self._disconnect()
        self._line_read_loop()

    def _line_read_loop(self):
        """Have the lines of the current connection handled, until it is closed."""
        if self._stream is not None:
            self._stream.start_reading(self._handle_line)

    @make_threadsafe
    def disconnect(self):
        """Close the connection, if there is one.

        The client connects again after `auto_reconnect_delay`; with ``auto_reconnect=False`` it stops.
        For the thread of the loop; with thread safety other threads may call it as well.
        """
        self._disconnect()

    def _disconnect(self, exc_info=False):
        if self._stream is not None:
            self._stream.close(exc_info)

    def _stream_closed_callback(self, stream):
        """Do what has to be done when `stream`, the current connection, is closed."""
        if stream is not self._stream:
            return
        self._stream = None
        self._connected.clear()
        self._disconnected.set()
        if stream.error:
            self._logger.warning(record_text("Client stream for server %s closed with error %s",
                                             self.bind_address_string, _error_text(stream.error)))
        self._logger.debug(record_text("client _line_read_loop() from %s completed",
                                       self.bind_address_string))
        try:
            self.notify_connected(False)
        except (Exception,) + CANCELLED_ERRORS:
            self._logger.exception("Notify connect failed")

    def notify_connected(self, connected):
        """Hook that is called, in the thread of the loop, when the client is connected or disconnected.

        Parameters
        ----------
        connected : bool
        """

    # --- receiving -------------------------------------------------------------------------------

    def _handle_line(self, line):
        """Handle one received line."""
        try:
            msg = self._parser.parse(line)
        except Exception:
            self._log_traceback("BAD COMMAND: %s")
        else:
            self._handle_parsed(msg)

    def _handle_parsed(self, msg):
        try:
            result = self.handle_message(msg)
            if result is not None and compat.is_awaitable(result):
                self._read_on_after(compat.as_future(result), msg)
        except (Exception,) + CANCELLED_ERRORS:
            self._log_failed_handling(msg, sys.exc_info())

    def _read_on_after(self, future, msg):
        """Let the lines that follow wait for a handler's future."""
        if future.done():
            self._look_at_handling(msg, future)
            return
        stream = self._stream
        stream.pause()

        def read_on(future):
            self._look_at_handling(msg, future)
            stream.resume()

        compat.add_loop_callback(self._ioloop, future, read_on)

    def _look_at_handling(self, msg, future):
        exc_info = compat.future_exc_info(future)
        if exc_info is not None:
            self._log_failed_handling(msg, exc_info)

    def _log_failed_handling(self, msg, exc_info):
        suffix = self._handler_failures.suffix(exc_info, msg.mtype, msg.name)
        if suffix is None:
            return
        self._logger.error(record_text("Unhandled exception in handle_message() from %s for message %r%s",
                                       self.bind_address_string, msg.log_text(), suffix), exc_info=exc_info)

    def handle_message(self, msg):
        """Hand a received message to `handle_inform`, `handle_reply` or `handle_request`.

        Parameters
        ----------
        msg : Message

        Returns
        -------
        object
            What they return.
        """
        if self._logger.isEnabledFor(logging.DEBUG):
            self._logger.debug(record_text("received from %s: %r", self.bind_address_string, msg.log_text()))
        mtype = msg.mtype
        if mtype == Message.INFORM:
            return self.handle_inform(msg)
        if mtype == Message.REPLY:
            return self.handle_reply(msg)
        if mtype == Message.REQUEST:
            return self.handle_request(msg)
        self._logger.error(record_text("Unexpected message type from server %r.", mtype))
        return None

    def handle_inform(self, msg):
        """Hand an inform to its handler and return what that returns; its errors are logged."""
        try:
            handler = self._inform_handlers.get(msg.name)
            if handler is None:
                return self._call_unhandled("unhandled_inform", msg)
            return handler(self, msg)
        except (Exception,) + CANCELLED_ERRORS:
            self._log_failed_handler("Inform", msg)
            return None

    def handle_reply(self, msg):
        """Hand a reply to its handler and return what that returns; its errors are logged."""
        try:
            handler = self._reply_handlers.get(msg.name)
            if handler is None:
                return self._call_unhandled("unhandled_reply", msg)
            return handler(self, msg)
        except (Exception,) + CANCELLED_ERRORS:
            self._log_failed_handler("Reply", msg)
            return None

    def handle_request(self, msg):
        """Hand a request of the server to its handler.

        If the handler returns a reply `Message`, it is sent, with the id of the request.

        Returns
        -------
        object
            What the handler returned.
        """
        try:
            handler = self._request_handlers.get(msg.name)
            if handler is None:
                return self._call_unhandled("unhandled_request", msg)
            reply = handler(self, msg)
            if isinstance(reply, Message):
                reply.mid = msg.mid
                if reply.mtype != Message.REPLY:
                    raise AssertionError("Reply message passed for request %s is not a reply" % msg.name)
                if reply.name != msg.name:
                    raise AssertionError("Reply to request %s has the name %s" % (msg.name, reply.name))
                self._logger.info(record_text("%s OK", msg.name))
                self.send_message(reply)
            return reply
        except (Exception,) + CANCELLED_ERRORS:
            self._log_failed_handler("Request", msg)
            return None

    def _call_unhandled(self, hook, msg):
        if hook in self.__dict__:
            # Put there by somebody; plain functions and mocks are called as they would be anywhere.
            return self.__dict__[hook](msg)
        return getattr(type(self), hook)(self, msg)

    def _log_traceback(self, template, *args):
        """Log the current exception as an error; the traceback comes last and is cut to `_tb_limit`."""
        self._logger.error(record_text(template, *(args + (traceback_text(sys.exc_info(), self._tb_limit),))))

    def _log_failed_handler(self, kind, msg, what=None):
        """Log the current exception of a handler or callback, unless it has come often enough."""
        suffix = self._handler_failures.suffix(sys.exc_info(), kind, msg.name)
        if suffix is not None:
            self._log_traceback("%s %s FAIL%s: %s", what or kind, msg.name, suffix)

    def unhandled_inform(self, msg):
        """Hook for informs without a handler.

        Parameters
        ----------
        msg : Message
        """

    def unhandled_reply(self, msg):
        """Hook for replies without a handler; logs, as INFO, what nobody has asked for.

        Parameters
        ----------
        msg : Message
        """
        if msg is not self._expected_reply:
            self._log_unexpected("reply", msg)

    def unhandled_request(self, msg):
        """Hook for requests of the server without a handler; logs them as INFO, no reply is sent.

        Parameters
        ----------
        msg : Message
        """
        self._log_unexpected("request", msg)

    def _log_unexpected(self, kind, msg):
        if self._logger.isEnabledFor(logging.INFO):
            self._logger.info(record_text("Unexpected %s from %s: %s", kind, self.bind_address_string,
                                          msg.log_text()))
