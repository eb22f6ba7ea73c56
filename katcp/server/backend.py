"""The server's side of the network: the listening socket, the clients' connections, the loop.

It knows nothing of requests and sensors; what comes in goes to a *device* object, which sends by way
of the connections it was given.
"""

from __future__ import absolute_import, division, print_function

import logging
import sys
import threading
from functools import partial
from timeit import default_timer

from tornado import gen

from katcp import compat
from katcp.compat import ThreadsafeFuture, get_thread_ident, is_awaitable
from katcp.ioloop_manager import IOLoopManager, with_relative_timeout
from katcp.log_records import record_text, traceback_text
from katcp.server.accepting import Accepting
from katcp.server.client_input import BatchInput, DirectInput
from katcp.server.connections import ClientConnection
from katcp.server.deserted import DesertedConnections
from katcp.server.failures import must_go_through, reason_text, reply_to_failed_message
from katcp.server.half_closed import HalfClosedConnections
from katcp.server.sending import ClientLine, Sending

log = logging.getLogger("katcp.server")

# So much of a line that is no message goes into the log.
MAX_LOGGED_LINE = 1000

# How long a start waits for the end of the loop's thread that is just stopping, in seconds.
RESTART_TIMEOUT = 5.0

_STOPPED, _PREPARING, _PREPARED, _STARTED, _STOPPING = (
    "stopped", "preparing", "prepared", "started", "stopping")


class KATCPServer(Accepting, Sending):
    """Listens on a port and connects clients with a device.

    Parameters
    ----------
    device : object
        Has ``on_client_connect(conn)``, ``on_client_disconnect(conn, reason, open)`` and
        ``on_message(conn, msg)``, all of which may return futures, and ``create_log_inform``. See
        :class:`DeviceServerBase`.
    host : str
        Host name or address to listen on; ``''`` for all interfaces.
    port : int
        Port to listen on; 0 for a free one, see `bind_address`.
    tb_limit : int
        Largest number of stack frames in tracebacks.
    logger : logging.Logger
        Where to log.

    Attributes
    ----------
    BACKLOG : int
        Least number of clients that may wait for being accepted.
    MAX_MSG_SIZE : int
        Longest accepted message in bytes, terminator included; read by `start`.
    MAX_WRITE_BUFFER_SIZE : int
        A client that leaves more bytes than this unread is disconnected; read when it connects.
    DISCONNECT_TIMEOUT : float
        How long a disconnect waits for the device's `on_client_disconnect`, in seconds.
    client_connection_factory : callable
        ``client_connection_factory(server, conn_id)`` returns the :class:`ClientConnection` of a new
        client.
    ioloop : tornado IOLoop or None
        The loop, while the server is running.
    ioloop_thread_id : int or None
        Identity of the loop's thread, while the server is running.
    """

    MAX_MSG_SIZE = 2 * 1024 * 1024
    MAX_WRITE_BUFFER_SIZE = 2 * MAX_MSG_SIZE
    DISCONNECT_TIMEOUT = 1
    client_connection_factory = ClientConnection

    def __init__(self, device, host, port, tb_limit=20, logger=log):
        super(KATCPServer, self).__init__()
        self._device = device
        self._bindaddr = (host, port)
        self._tb_limit = tb_limit
        self._logger = logger
        self._daemonic = False
        self._ioloop_manager = self._new_manager()
        self.ioloop = None
        self.ioloop_thread_id = None
        self._running = threading.Event()
        self._stopped = threading.Event()
        self._stopped.set()
        # Guards _state and _stop_future.
        self._state_lock = threading.Lock()
        self._state = _STOPPED
        self._stop_future = None
        # The future of the orderly end, once that has begun.
        self._uninstalled = None
        self._has_run = False
        self._max_msg_size = self.MAX_MSG_SIZE
        # LineConnection -> ClientConnection
        self._connections = {}
        self._half_closed = HalfClosedConnections()
        self._deserted = DesertedConnections(self._connections, self._half_closed)

    # --- configuration and state -----------------------------------------------------------------

    @property
    def bind_address(self):
        """``(host, port)`` as given, and from `start` on the real ones."""
        return self._bindaddr

    def setDaemon(self, daemonic):
        """Set whether the thread of the loop is a daemon; before `start`, for the server's own loop."""
        self._daemonic = daemonic
        self._ioloop_manager.setDaemon(daemonic)

    def set_ioloop(self, ioloop=None):
        """Use a loop that somebody else runs; before `start`. The last call counts.

        Parameters
        ----------
        ioloop : tornado IOLoop or None
            None stands for ``IOLoop.current()`` of the thread that calls `start`.

        Raises
        ------
        RuntimeError
            If the server has been started.
        """
        if self._state != _STOPPED:
            raise RuntimeError("IOLoop instance already set")
        self._ioloop_manager = self._new_manager()
        self._ioloop_manager.setDaemon(self._daemonic)
        self._ioloop_manager.set_ioloop(ioloop, managed=False)

    def note_current_ioloop(self):
        """Note the current loop of this thread for when `start` is called in a thread without one."""
        self._ioloop_manager.note_current_ioloop()

    def running(self):
        """Return whether the server is running."""
        return self._running.is_set()

    def wait_running(self, timeout=None):
        """Wait until the server is running, at most `timeout` seconds; return whether it is."""
        self._running.wait(timeout)
        return self._running.is_set()

    def in_ioloop_thread(self):
        """Return whether the caller is in the thread of the loop."""
        return get_thread_ident() == self.ioloop_thread_id

    def get_address(self, stream):
        """Return the address of a client as native string ``host:port``; from any thread.

        It is ``<error>`` for what is no connection of this server.
        """
        address = getattr(stream, "peer_address", None)
        if not isinstance(address, tuple):
            self._logger.warning("Could not determine address of stream")
            return "<error>"
        host, port = address[:2]
        return "%s:%s" % ("[%s]" % host if ":" in host else host, port)

    # --- life ------------------------------------------------------------------------------------

    def prepare(self):
        """Bind the port and get the loop, so that they are known before the first client comes.

        Returns
        -------
        bool
            False if another thread has stopped the server meanwhile.

        Raises
        ------
        RuntimeError
            If the server has been started already.
        OSError
            If the port cannot be bound; the server may be started again then.
        """
        with self._state_lock:
            if self._state != _STOPPED:
                raise RuntimeError("Server already started")
            self._state = _PREPARING
        try:
            manager = self._ioloop_manager
            if manager.managed and self._has_run:
                # Clients see the end of a server a moment before its loop is closed.
                manager.join(timeout=RESTART_TIMEOUT)
            self._listener = self._bind_socket(self._bindaddr)
            self._bindaddr = self._listener.getsockname()[:2]
            self._max_msg_size = self.MAX_MSG_SIZE
            self.ioloop = manager.loop_for_start()
            compat.tell_of_cancellations(self.ioloop)
            self._open_calls(self.ioloop)
        except BaseException:
            if self._listener is not None:
                self._listener.close()
                self._listener = None
            with self._state_lock:
                stopping = self._state == _STOPPING
                self._state = _STOPPED
            if stopping:
                compat.resolve(self._stop_future)
            raise
        with self._state_lock:
            if self._state == _PREPARING:
                self._state = _PREPARED
                return True
        self._undo_prepare(self._stop_future)
        return False

    def _undo_prepare(self, stop_future):
        self._close_listener()
        self._set_stopped()
        compat.resolve(stop_future)

    def start(self, timeout=None):
        """Start the server, and its loop unless that is the user's.

        When it returns, the port is bound. Clients are accepted as soon as the loop runs.

        Parameters
        ----------
        timeout : float or None
            How long to wait until the server is running, in seconds; None for not at all.

        Returns
        -------
        bool or None
            If a timeout was given, whether the server is running. If another thread stops the server
            before it has been started, it is not.

        Raises
        ------
        RuntimeError
            If the server has been started already.
        OSError
            If the port cannot be bound.
        """
        started = (self._state == _PREPARED or self.prepare()) and self.start_prepared()
        if timeout:
            return started and self.wait_running(timeout)

    def start_prepared(self):
        """Do the rest of `start` after `prepare`.

        Returns
        -------
        bool
            False if another thread has stopped the server since.
        """
        with self._state_lock:
            if self._state != _PREPARED:
                return False
            self._stopped.clear()
            self._uninstalled = None
            self._has_run = True
            self._ioloop_manager.start()
            self.ioloop.add_callback(self._install)
            self._state = _STARTED
        return True

    def stop(self, timeout=1.0):
        """Close the port, disconnect all clients, and stop the loop unless that is the user's.

        May be called from any thread, and any number of times.

        Parameters
        ----------
        timeout : float or None
            Not needed any more: a server that is just being started is stopped all the same.

        Returns
        -------
        concurrent.futures.Future
            Resolves with None when that is done; can be yielded in coroutines.
        """
        with self._state_lock:
            if self._state == _STOPPING:
                return self._stop_future
            self._stop_future = future = ThreadsafeFuture()
            if self._state == _STOPPED:
                future.set_result(None)
                return future
            previous, self._state = self._state, _STOPPING
        if previous == _PREPARING:
            return future  # whoever is preparing finds out
        if previous == _PREPARED:
            self._undo_prepare(future)
            return future
        if not self._ioloop_manager.managed and compat.ioloop_is_closed(self.ioloop):
            self._abandon(future)
            return future
        manager_stopped = self._ioloop_manager.stop(callback=self._uninstall)
        manager_stopped.add_done_callback(lambda _: compat.resolve(future))
        return future

    def join(self, timeout=None):
        """Wait until the server has stopped.

        Parameters
        ----------
        timeout : float or None
            How long to wait, in seconds. Without a timeout, a server on a loop of the user's is not
            waited for.

        Raises
        ------
        RuntimeError
            If the server runs its own loop and was never started.
        """
        start = default_timer()
        self._ioloop_manager.join(timeout=timeout)
        if timeout:
            self._stopped.wait(max(0, timeout - (default_timer() - start)))

    def _new_manager(self):
        manager = IOLoopManager(managed_default=True)
        manager.on_loop_end = self._loop_ended
        return manager

    def _install(self):
        self.ioloop_thread_id = get_thread_ident()
        self._start_accepting()
        self._running.set()

    def _uninstall(self):
        if self._uninstalled is None:
            self._uninstalled = self._uninstall_once()
        return self._uninstalled

    @gen.coroutine
    def _uninstall_once(self):
        self._close_listener()
        self._deserted.stop()
        try:
            # All at once: one that is stuck must not keep the others waiting.
            hooks = [self._call_disconnect_hook(stream, conn, "Device server shutting down.",
                                                not stream.closing())
                     for stream, conn in list(self._connections.items())]
            for hook in hooks:
                yield hook
        except Exception:
            self._logger.exception("Error disconnecting clients")
        finally:
            streams = list(self._connections) + list(self._half_closed)
            self._connections.clear()
            self._half_closed.forget_all()
            # Before any client can see the end: who does may start the server again.
            self._set_stopped()
            for stream in streams:
                stream.close()
            self._stopped.set()

    def _abandon(self, stop_future):
        """Stop on a loop of the user's that is closed, where nobody can be told of anything."""
        self._listener.close()
        self._listener = self._accept_timer = None
        for stream in list(self._connections) + list(self._half_closed):
            stream.abandon()
        self._connections = {}
        self._half_closed = HalfClosedConnections()
        self._deserted = DesertedConnections(self._connections, self._half_closed)
        self._ioloop_manager.stop()
        self._set_stopped()
        self._stopped.set()
        compat.resolve(stop_future)

    def _loop_ended(self):
        """Stop, since somebody has stopped the loop or something has ended it; on that loop, once more."""
        with self._state_lock:
            if self._state == _STARTED:
                self._logger.error("The ioloop of the server has ended: the server stops")
                self._state = _STOPPING
                self._stop_future = ThreadsafeFuture()
        if self._state != _STOPPING:
            return None
        on_server_lost = getattr(self._device, "_on_server_lost", None)
        if on_server_lost is not None:
            on_server_lost()
        ioloop = self.ioloop
        uninstalled = self._uninstall()
        compat.add_loop_callback(ioloop, uninstalled, lambda _: compat.resolve(self._stop_future))
        return uninstalled

    def _set_stopped(self):
        self._close_calls()
        self.ioloop = None
        self.ioloop_thread_id = None
        self._running.clear()
        self._state = _STOPPED

    # --- new clients -----------------------------------------------------------------------------

    def _handle_stream(self, sock, address):
        stream = ClientLine(sock, self.ioloop, self._max_msg_size, self.MAX_WRITE_BUFFER_SIZE,
                            self._flush_queue)
        stream.set_nodelay(True)
        stream.peer_address = address
        stream.held_back = []
        stream.on_end_of_input = self._input_ended
        try:
            conn = self.client_connection_factory(self, stream)
        except Exception:
            self._tell_reason(stream, "Device error accepting connection.")
            stream.close()
            raise
        self._connections[stream] = conn
        self._deserted.watch(self.ioloop)
        stream.set_close_callback(partial(self._stream_closed_callback, stream, conn))
        # What only has to be noticed meanwhile is that the client goes away.
        self._start_reading(stream, conn)
        stream.pause()
        try:
            result = self._device.on_client_connect(conn)
            future = compat.as_future(result) if is_awaitable(result) else None
        except BaseException:  # this client's affair, not that of the others on the loop
            exc_info = sys.exc_info()
            if must_go_through(exc_info[0]):
                raise
            future = compat.failed_future(exc_info)
        if future is None or future.done():
            self._greeted(stream, conn, future)
        else:
            compat.add_loop_callback(self.ioloop, future, partial(self._greeted, stream, conn))

    def _start_reading(self, stream, conn):
        route = getattr(type(self._device), "_message_route", None)
        route = route(self._device) if route is not None else None
        if route is None:
            reader = DirectInput(self, stream, conn, self._device.on_message)
        else:
            handle, handler_thread = route
            if handler_thread is None:
                reader = DirectInput(self, stream, conn, handle)
            else:
                reader = BatchInput(self, stream, conn, handler_thread)
        stream.start_reading(reader.on_line, reader.on_overflow, reader.on_batch_end)

    def _greeted(self, stream, conn, future):
        """Go on with a new client when the device's connect hook is done."""
        exc_info = compat.future_exc_info(future) if future is not None else None
        if stream.closed():
            if exc_info is not None:
                self._logger.error("Device error initialising connection", exc_info=exc_info)
            return
        if exc_info is not None:
            text = "Device error initialising connection %s" % (traceback_text(exc_info, self._tb_limit),)
            self._logger.error(text)
            conn.inform(self._device.create_log_inform("error", text, "root"))
            self._tell_reason(stream, "Device error initialising connection. %s: %s"
                              % (exc_info[0].__name__, reason_text(exc_info[1])))
            stream.flush()
            stream.close(exc_info)
            return
        self._release_held_back(stream)
        stream.resume()

    # --- trouble with what clients send ----------------------------------------------------------

    def describe_bad_line(self, line, exc_info):
        """Return what `report_bad_line` takes of a line that is no message.

        Parameters
        ----------
        line : bytes
        exc_info : tuple
            As from ``sys.exc_info()``; what the parser raised.

        Returns
        -------
        tuple of (str, str or None)
            Texts for the client and for the log, None if errors are not logged. They do not refer to the
            exception.
        """
        text = "%s: %s\n" % (exc_info[0].__name__, compat.lossy_str(exc_info[1]))
        # A traceback costs a hundred times as much as the line itself.
        if not self._logger.isEnabledFor(logging.ERROR):
            return text, None
        shown = repr(line[:MAX_LOGGED_LINE]) + ("..." if len(line) > MAX_LOGGED_LINE else "")
        return text, "BAD COMMAND: %s in line %s" % (traceback_text(exc_info, self._tb_limit), shown)

    def report_bad_line(self, conn, text, logged_text):
        """Tell the log and the client that a line is no message; in the thread that handles messages."""
        if logged_text is not None:
            self._logger.error(logged_text)
        conn.inform(self._device.create_log_inform("error", text, "root"))

    def report_failed_message(self, conn, msg, exc_info):
        """Tell the log, and the client if it expects an answer, that a message could not be handled.

        What goes wrong in a request handler is answered before it gets here.
        """
        if must_go_through(exc_info[0]):
            compat.reraise(exc_info)
        self._logger.error(record_text("Error handling message %s", msg.log_text()), exc_info=exc_info)
        try:
            reply_to_failed_message(conn, msg, exc_info)
        except Exception:
            self._logger.exception(record_text("Error answering message %s", msg.log_text()))

    def report_overflow(self, stream, conn):
        """Tell the log and the client that its line was too long, before it is disconnected."""
        text = "Message too long: the limit is %d bytes. Disconnecting." % (self._max_msg_size,)
        self._logger.error(record_text("Client %s: %s", conn.address, text))
        conn.inform(self._device.create_log_inform("error", text, "root"))
        self._tell_reason(stream, text)

    # --- disconnecting ---------------------------------------------------------------------------

    @gen.coroutine
    def _disconnect_client(self, stream, conn, reason):
        """Call the device's disconnect hook, if that has not been done, and close the connection."""
        try:
            yield self._call_disconnect_hook(stream, conn, reason, not stream.closing())
        finally:
            stream.close()

    @gen.coroutine
    def _call_disconnect_hook(self, stream, conn, reason, is_open):
        """Call the device's disconnect hook once per connection, and wait for it, but not for ever."""
        if conn.client_disconnect_called:
            return
        conn.on_client_disconnect_was_called()
        try:
            result = self._device.on_client_disconnect(conn, reason, is_open)
            future = compat.as_future(result) if is_awaitable(result) else None
            if future is None or future.done():
                if future is not None:
                    future.result()
                return
        except BaseException:  # this client's affair, not that of the others on the loop
            self._goodbye_failed(stream, conn, reason, is_open, sys.exc_info())
            return
        try:
            yield with_relative_timeout(self.DISCONNECT_TIMEOUT, future, self.ioloop)
        except (Exception,) + compat.CANCELLED_ERRORS:
            self._goodbye_failed(stream, conn, reason, is_open, sys.exc_info())

    def _goodbye_failed(self, stream, conn, reason, is_open, exc_info):
        self._logger.error(record_text("Error while calling on_client_disconnect for client %s",
                                       conn.address), exc_info=exc_info)
        if is_open:
            self._tell_reason(stream, reason)
        if must_go_through(exc_info[0]):
            compat.reraise(exc_info)

    def _input_ended(self, stream):
        """Return whether to keep the connection of a client that sends nothing more, for its replies.

        To the device the client is gone: it may be in fact, and devices stop what it was doing then.
        """
        conn = self._connections.get(stream)
        wait_for_replies = getattr(conn, "_wait_for_replies", None)
        if wait_for_replies is None or not wait_for_replies(
                lambda: self.call_soon(partial(self._half_closed.end, stream))):
            return False
        del self._connections[stream]
        self._half_closed.add(stream, self.ioloop)
        self._call_disconnect_hook(stream, conn, "Socket EOF", False)
        return True

    def _stream_closed_callback(self, stream, conn):
        self._connections.pop(stream, None)
        self._half_closed.forget(stream)
        if stream.held_back is None:  # its greeting came to an end
            self._logger.info(record_text("Reading loop for client %s completed", conn.address))
        if stream.error is not None:
            self._logger.warning(record_text("Stream for client %s closed with error %r", conn.address,
                                             stream.error))
            reason = repr(stream.error)
        else:
            reason = "Socket EOF"
        self._call_disconnect_hook(stream, conn, reason, False)
