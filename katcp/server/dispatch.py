"""The server of a device without standard requests and sensors: its threads, its life, its voice."""

from __future__ import absolute_import, division, print_function

import logging
import re
import time
import traceback
from functools import partial, wraps

from katcp import compat
from katcp.attrdict import AttrDict
from katcp.compat import done_future, is_future, with_metaclass
from katcp.handlers import DeviceServerMetaclass
from katcp.handover import LoopCall
from katcp.listeners import FailureCounts
from katcp.log_records import record_text
from katcp.message import Message
from katcp.protocol import DEFAULT_KATCP_MAJOR, SEC_TO_MS_FAC, SEC_TS_KATCP_MAJOR, ProtocolFlags
from katcp.server.backend import KATCPServer
from katcp.server.connections import (ClientConnection, ClientRequestConnection,
                                      ThreadsafeClientConnection)
from katcp.server.handler_thread import MessageHandlerThread
from katcp.server.message_handling import MessageHandling

log = logging.getLogger("katcp.server")

BASE_REQUESTS = frozenset([
    "client-list",
    "halt",
    "help",
    "log-level",
    "new-command",
    "raise-exception",
    "raise-fail",
    "restart",
    "sensor-list",
    "sensor-sampling",
    "sensor-sampling-clear",
    "sensor-value",
    "version-list",
    "watchdog",
])


def return_future(fn):
    """Decorate `fn` so that what it returns is a future: as it is if it is one, else resolved already.

    The decorated function runs in the calling thread; what it raises goes to the caller.
    """
    @wraps(fn)
    def decorated(*args, **kwargs):
        result = fn(*args, **kwargs)
        return result if is_future(result) else done_future(result)
    return decorated


def construct_name_filter(pattern):
    """Return how to select names by a name or regular expression.

    Parameters
    ----------
    pattern : str or None
        None selects everything, ``/regex/`` the names in which the expression is found, anything else
        the name that is equal.

    Returns
    -------
    exact : bool
        Whether `pattern` is a plain name.
    filter_func : callable
        ``filter_func(name)`` returns whether the name is selected.

    Raises
    ------
    re.error
        If the regular expression is not valid.
    """
    if pattern is None:
        return False, lambda name: True
    if pattern.startswith("/") and pattern.endswith("/"):
        search = re.compile(pattern[1:-1]).search
        return False, lambda name: search(name) is not None
    return True, lambda name: name == pattern


class DeviceServerBase(with_metaclass(DeviceServerMetaclass, MessageHandling)):
    """A server that hands messages to its handler methods.

    Methods named ``request_*``, ``inform_*`` and ``reply_*`` handle the messages of these names, with
    dashes for underscores; each needs a docstring. There are no standard requests; see
    :class:`DeviceServer`.

    A request handler is called as ``request_name(req, msg)`` with a :class:`ClientRequestConnection`
    and the request :class:`Message`. It returns the reply message, or a future of it (tornado's,
    concurrent, resolved in any thread), or on Python 3 anything that can be awaited; or it raises
    :class:`FailReply`, or :class:`AsyncReply` and later calls ``req.reply(...)``. Inform and reply
    handlers are called with the :class:`ClientConnection` and the message.

    Parameters
    ----------
    host : str
        Host name or address to listen on; ``''`` for all interfaces.
    port : int
        Port to listen on; 0 for a free one, see `bind_address`.
    tb_limit : int
        Largest number of stack frames in the tracebacks that clients are sent.
    logger : logging.Logger
        Where to log.

    Attributes
    ----------
    PROTOCOL_INFO : ProtocolFlags
        The dialect of the server; overridden by subclasses.
    ioloop : tornado IOLoop or None
        The server's loop once it has been started.
    """

    PROTOCOL_INFO = ProtocolFlags(DEFAULT_KATCP_MAJOR, 0, set([
        ProtocolFlags.MULTI_CLIENT,
        ProtocolFlags.MESSAGE_IDS,
    ]))

    def __init__(self, host, port, tb_limit=20, logger=log):
        self._logger = logger
        self._tb_limit = tb_limit
        self._handler_failures = FailureCounts()
        self._daemonic = False
        self._handler_thread = None
        self._on_message = None
        self._live_handler = None
        self.ioloop = None
        self._server = KATCPServer(self, host, port, tb_limit, logger)
        self.set_concurrency_options()

    # --- configuration ---------------------------------------------------------------------------

    @property
    def bind_address(self):
        """``(host, port)`` that the server listens on; the real ones as soon as it is started."""
        return self._server.bind_address

    def setDaemon(self, daemonic):
        """Set whether the threads of the server are daemon threads; before `start`.

        Parameters
        ----------
        daemonic : bool
            If True, the server does not keep the process alive.
        """
        self._daemonic = daemonic
        self._server.setDaemon(daemonic)
        if self._handler_thread is not None:
            self._handler_thread.setDaemon(daemonic)

    def set_ioloop(self, ioloop=None):
        """Have the server run on a loop that somebody else runs; before `start`.

        Parameters
        ----------
        ioloop : tornado IOLoop or None
            None stands for ``IOLoop.current()`` of the thread that calls `start`.
        """
        self._server.set_ioloop(ioloop)
        self.ioloop = self._server.ioloop

    def set_concurrency_options(self, thread_safe=True, handler_thread=True):
        """Set where handlers run and from where may be sent; before `start`.

        Parameters
        ----------
        thread_safe : bool
            Whether informs and replies may be sent from any thread.
        handler_thread : bool
            Whether message handlers run in a thread of their own, where they may block. Otherwise they
            run in the thread of the loop.

        Raises
        ------
        AssertionError
            If a handler thread is asked for without thread safety.
        """
        if handler_thread and not thread_safe:
            raise AssertionError("handler_thread=True requires thread_safe=True")
        self._server.client_connection_factory = (
            ThreadsafeClientConnection if thread_safe else ClientConnection)
        self._live_handler = self.handle_message
        if handler_thread:
            self._handler_thread = MessageHandlerThread(
                self._live_handler, self.create_log_inform, self._logger)
            self._handler_thread.setDaemon(self._daemonic)
            self._on_message = self._handler_thread.on_message
        else:
            self._handler_thread = None
            self._on_message = return_future(self._live_handler)
        self._concurrency_options = AttrDict(thread_safe=thread_safe, handler_thread=handler_thread)

    # --- lifecycle -------------------------------------------------------------------------------

    def start(self, timeout=None):
        """Start the server: its loop (unless that is the user's), its port, its handler thread.

        Parameters
        ----------
        timeout : float or None
            How long to wait for each of them to be running, in seconds; None for not at all.

        Raises
        ------
        RuntimeError
            If the server has been started already.
        OSError
            If the port cannot be bound.
        """
        handler_thread = self._handler_thread
        if handler_thread is not None and not handler_thread.end_if_stopping():
            raise RuntimeError("Message handler thread already started")
        # All is set up before the first client is accepted.
        if not self._server.prepare():
            return
        self.ioloop = ioloop = self._server.ioloop
        if handler_thread is not None:
            handler_thread.set_ioloop(ioloop)
            handler_thread.start(timeout)
        if self._server.start_prepared():
            if timeout:
                self._server.wait_running(timeout)
        elif handler_thread is not None:
            # Another thread has stopped the server, perhaps before there was a handler thread to stop.
            handler_thread.stop()

    def stop(self, timeout=1.0):
        """Stop the server; callable from any thread, handlers included.

        Parameters
        ----------
        timeout : float or None
            Not needed any more: a server that is just being started is stopped all the same.

        Returns
        -------
        concurrent.futures.Future
            Resolves with None when the port is closed and all clients are disconnected. Can be yielded
            in coroutines.
        """
        stopped = self._server.stop(timeout)
        if self._handler_thread is not None:
            self._handler_thread.stop(timeout)
        return stopped

    def _on_server_lost(self):
        # Otherwise `join` would wait for ever for the handler thread of a server whose loop has ended.
        if self._handler_thread is not None:
            self._handler_thread.stop()

    def join(self, timeout=None):
        """Wait until the server has stopped.

        Parameters
        ----------
        timeout : float or None
            How long to wait for each of its threads, in seconds. Without a timeout, a server on a loop
            of the user's is not waited for.

        Raises
        ------
        RuntimeError
            If the server runs its own loop and was never started.
        """
        self._server.join(timeout)
        if self._handler_thread is not None:
            self._handler_thread.join(timeout)

    def running(self):
        """Return whether the server is running."""
        return self._server.running()

    def wait_running(self, timeout=None):
        """Wait until the server is running.

        Parameters
        ----------
        timeout : float or None
            How long to wait, in seconds; None for as long as it takes.

        Returns
        -------
        bool
            Whether it is running.
        """
        return self._server.wait_running(timeout)

    def sync_with_ioloop(self, timeout=None):
        """Wait until all that is scheduled on the server's loop now has run.

        Parameters
        ----------
        timeout : float or None
            How long to wait, in seconds; None for as long as it takes.

        Returns
        -------
        None or tornado future
            In the thread of the loop nothing is waited for, but a future returned.

        Raises
        ------
        concurrent.futures.TimeoutError
            If it took longer than `timeout`.
        RuntimeError
            If the loop is closed, or the server was never started.
        """
        if self.ioloop is None:
            raise RuntimeError("The server was never started, so there is no ioloop to wait for")
        if self._server.in_ioloop_thread():
            return self._until_synced()
        LoopCall(self.ioloop, self._until_synced).wait(timeout)

    def _until_synced(self):
        future = compat.new_future(self.ioloop)
        synced = partial(compat.resolve, future)
        # What other threads have sent may be more than the loop takes in one iteration.
        if not self._server.call_soon(synced):
            self.ioloop.add_callback(synced)
        return future

    def on_client_connect(self, conn):
        """Called in the loop thread when a client has connected; nothing is read from it before it is done.

        Overrides may return None or a future, and should call this method.

        Parameters
        ----------
        conn : ClientConnection
            The new client.

        Returns
        -------
        future
            Resolved already.
        """
        return done_future()

    def on_client_disconnect(self, conn, msg, connection_valid):
        """Called in the loop thread, once for each client, before or after its connection closes.

        Overrides may return None or a future, and should call this method.

        Parameters
        ----------
        conn : ClientConnection
            The client.
        msg : str
            Why it is disconnected.
        connection_valid : bool
            Whether it can still be sent something.

        Returns
        -------
        future
            Resolved already.
        """
        return done_future()

    # --- sending ---------------------------------------------------------------------------------

    def _plain_connection(self, connection, method, better):
        """Return the client connection, also where old code passes a request connection."""
        if isinstance(connection, ClientRequestConnection):
            self._logger.warning(record_text(
                "Deprecation warning: do not use self.%s() within a reply handler context -- use %s\n"
                "Traceback:\n %s", method, better, "".join(traceback.format_stack()[:-2])))
            return connection.client_connection
        return connection

    def inform(self, connection, msg):
        """Send an inform to a client.

        Parameters
        ----------
        connection : ClientConnection
            The client.
        msg : Message
            The inform.
        """
        self._plain_connection(connection, "inform", "req.inform()").inform(msg)

    def reply(self, connection, reply, orig_req):
        """Send the reply to a request.

        Parameters
        ----------
        connection : ClientConnection
            The client.
        reply : Message
            The reply; its id is set to that of the request.
        orig_req : Message
            The request.
        """
        self._plain_connection(
            connection, "reply", "req.reply(*msg_args)\nor req.reply_with_message(msg)"
        ).reply(reply, orig_req)

    def reply_inform(self, connection, inform, orig_req):
        """Send an inform that is part of the answer to a request.

        Parameters
        ----------
        connection : ClientConnection
            The client.
        inform : Message
            The inform; its id is set to that of the request.
        orig_req : Message
            The request.
        """
        self._plain_connection(
            connection, "reply_inform", "req.inform(*inform_arguments)"
        ).reply_inform(inform, orig_req)

    def mass_inform(self, msg):
        """Send an inform to all clients, from any thread; does nothing while the server is stopped.

        Parameters
        ----------
        msg : Message
            The inform.

        Raises
        ------
        AssertionError
            If `msg` is no inform.
        """
        assert msg.mtype == Message.INFORM
        self._server.mass_send_message_from_thread(msg)

    def create_log_inform(self, level_name, msg, name, timestamp=None):
        """Return a ``#log`` inform.

        Parameters
        ----------
        level_name : str
            Level of the message (``"error"``, ``"warn"``, ...).
        msg : str
            The text.
        name : str
            Name of the logger.
        timestamp : float or None
            Unix time in seconds; None for now.

        Returns
        -------
        Message
        """
        if timestamp is None:
            timestamp = time.time()
        if self.PROTOCOL_INFO.major >= SEC_TS_KATCP_MAJOR:
            timestamp_msg = "%.6f" % timestamp
        else:
            timestamp_msg = str(int(timestamp * SEC_TO_MS_FAC))
        return Message.inform("log", level_name, timestamp_msg, name, msg)

    # --- dispatch --------------------------------------------------------------------------------

    def on_message(self, client_conn, msg):
        """Take a message from the network and have it handled.

        Parameters
        ----------
        client_conn : ClientConnection
            The client that sent it.
        msg : Message
            The message.

        Returns
        -------
        future
            Resolves when the message has been handled and, unless it is to be answered later, been
            answered. Until then, nothing more is read from the client.
        """
        if self._on_message is None:
            raise RuntimeError("set_concurrency_options() need to be called once before on_message")
        return self._on_message(client_conn, msg)

    def _message_route(self):
        """Return what `on_message` amounts to, for the backend to take the direct way.

        Returns
        -------
        tuple of (callable, MessageHandlerThread or None), or None
            What handles messages, and the thread in which; None if `on_message` has been overridden and
            has to be asked.
        """
        if "on_message" in vars(self) or type(self).on_message != _STANDARD_ON_MESSAGE:
            return None
        return self._live_handler, self._handler_thread


_STANDARD_ON_MESSAGE = DeviceServerBase.on_message
