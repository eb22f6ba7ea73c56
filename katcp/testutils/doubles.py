"""Stand-ins for what a device server has to do with: clients, requests, log handlers."""

from __future__ import absolute_import, division, print_function

import contextlib
import logging
import threading
import warnings

from tornado.ioloop import IOLoop

import katcp.server
from katcp.compat import ThreadsafeFuture, current_ioloop, ioloop_is_closed
from katcp.compat.loops import ioloop_current_for
from katcp.message import Message
from katcp.server.connections import ClientConnection
from katcp.testutils.mocks import WaitingMock, mock


class ClientConnectionTest(object):
    """A client connection that keeps what is sent, for a device server that need not be started.

    Attributes
    ----------
    messages : list of Message
        What `inform` and `reply` were called with, in order.
    mass_informs : list of Message
        What `mass_inform` was called with.

    Examples
    --------
    >>> from katcp.testutils import DeviceTestServer, Message
    >>> client = ClientConnectionTest()
    >>> _ = DeviceTestServer("", 0).handle_message(client, Message.request("watchdog"))
    >>> str(client.messages[0])
    '!watchdog ok'

    """

    def __init__(self):
        self.messages = []
        self.mass_informs = []

    def inform(self, msg):
        """Keep an inform."""
        self.messages.append(msg)

    def reply(self, msg, req_msg):
        """Keep a reply."""
        self.messages.append(msg)

    def mass_inform(self, msg):
        """Keep an inform to all clients."""
        self.mass_informs.append(msg)

    @property
    def informs(self):
        """The informs among `messages`."""
        return [msg for msg in self.messages if msg.mtype == Message.INFORM]

    @property
    def replies(self):
        """The replies among `messages`."""
        return [msg for msg in self.messages if msg.mtype == Message.REPLY]


class TestLogHandler(logging.Handler):
    """A log handler that keeps the records, in the list `_records`, and shows nothing."""

    __test__ = False  # or pytest wonders about the name

    def __init__(self):
        logging.Handler.__init__(self)
        self._records = []

    def emit(self, record):
        """Keep a record."""
        self._records.append(record)

    def clear(self):
        """Start a new list of records."""
        self._records = []


def mock_req(req_name, *args, **kwargs):
    """Return a mock of the ``req`` with which request handlers are called.

    Parameters
    ----------
    req_name : str
        Name of the request.
    *args
        Its arguments, anything that `Message` accepts.
    mid : str or bytes or int, optional
        Its message id.
    server : DeviceServer, optional
        If given, ``client_connection`` is a real :class:`~katcp.server.ClientConnection` of it.
    sock : object, optional
        The handle of that connection; by default a WaitingMock.
    client_conn : object, optional
        The ``client_connection``; by default, and without `server`, a WaitingMock.

    Returns
    -------
    WaitingMock
        ``msg`` is the request message.  ``make_reply``, ``reply`` and ``inform`` do what those of the
        real one do, except that nothing is sent: the messages are found in ``inform_msgs`` (a list)
        and ``reply_msg`` (None before the reply).  ``reply_and_inform_msgs_future`` resolves to
        ``(reply_msg, inform_msgs)``, in the thread that replies; it can be yielded on any loop, and in
        a thread without one its ``result(timeout)`` blocks.  A second reply raises RuntimeError.

    Raises
    ------
    TypeError
        If keywords are given that exclude each other.

    Examples
    --------
    >>> from katcp.testutils import DeviceTestServer
    >>> req = mock_req("help", "watchdog")
    >>> str(DeviceTestServer("", 0).request_help(req, req.msg))
    '!help ok 1'
    >>> req.inform_msgs[0].arguments[0] == b"watchdog"
    True

    """
    server = kwargs.pop("server", None)
    client_conn = kwargs.pop("client_conn", None)
    sock = kwargs.pop("sock", None)
    mid = kwargs.pop("mid", None)
    if kwargs:
        warnings.warn("mock_req() ignores the keyword(s) {}".format(", ".join(sorted(kwargs))),
                      stacklevel=2)
    if server is not None and client_conn is not None:
        raise TypeError("Specify either server or client_conn, not both")
    if client_conn is not None and sock is not None:
        raise TypeError("Specify either client_conn or sock, not both")
    if server is not None:
        client_conn = ClientConnection(server._server, WaitingMock() if sock is None else sock)

    req = WaitingMock()
    req.msg = Message.request(req_name, *args, mid=mid)
    if client_conn is not None:
        req.client_connection = client_conn
    req.reply_msg = None
    req.inform_msgs = []
    req.reply_and_inform_msgs_future = ThreadsafeFuture()

    def make_reply(*reply_args):
        return Message.reply_to_request(req.msg, *reply_args)

    def reply(*reply_args):
        req.reply_msg = make_reply(*reply_args)
        if req.reply_and_inform_msgs_future.done():
            raise RuntimeError("Reply to request {!r} already sent.".format(req.msg))
        req.reply_and_inform_msgs_future.set_result((req.reply_msg, req.inform_msgs))

    def inform(*inform_args):
        req.inform_msgs.append(Message.reply_inform(req.msg, *inform_args))

    req.make_reply.side_effect = make_reply
    req.reply.side_effect = reply
    req.inform.side_effect = inform
    return req


def handle_mock_req(dev, req):
    """Have a device server handle a mock request, in the calling thread.

    Parameters
    ----------
    dev : DeviceServer
        Need not be started for handlers that reply at once.  For those that reply later it needs a loop:
        its own, or the calling thread's current one.
    req : WaitingMock
        From :func:`mock_req`.

    Returns
    -------
    future
        ``req.reply_and_inform_msgs_future``; done already if the handler replied at once.

    Examples
    --------
    >>> from katcp.testutils import DeviceTestServer
    >>> req = mock_req("raise-fail")
    >>> reply, informs = handle_mock_req(DeviceTestServer("", 0), req).result()
    >>> str(reply)
    '!raise-fail fail There\\\\_was\\\\_a\\\\_problem\\\\_with\\\\_your\\\\_request.'

    """
    if dev.ioloop is None:
        ioloop = current_ioloop()
        if ioloop is not None and not ioloop_is_closed(ioloop):
            dev.ioloop = ioloop
    _forward_replies(req)
    # Coroutines among the handlers go on where they began, and that is not here if here is no loop.
    with _substitute_request(req), _device_loop_current(dev):
        dev.handle_request(req.client_connection, req.msg)
    return req.reply_and_inform_msgs_future


@contextlib.contextmanager
def _device_loop_current(dev):
    if isinstance(dev.ioloop, IOLoop) and not ioloop_is_closed(dev.ioloop):
        with ioloop_current_for(dev.ioloop):
            yield
    else:
        yield


class _ReplyForwarder(object):
    """The ``reply`` of a client connection that gives replies to the mock requests they belong to.

    A connection may have several of them at a time.
    """

    def __init__(self, otherwise):
        self._requests = []
        self._otherwise = otherwise

    def add(self, req):
        if req not in self._requests:
            self._requests.append(req)

    def __call__(self, rep_msg, req_msg):
        for req in self._requests:
            if req.msg is req_msg:
                req.reply(*rep_msg.arguments)
                return None
        return self._otherwise(rep_msg, req_msg)


def _forward_replies(req):
    connection = req.client_connection
    if isinstance(connection.reply, mock.NonCallableMock):
        holder, attribute, otherwise = connection.reply, "side_effect", _default_return_value
        current = holder.side_effect
        if callable(current):
            otherwise = current
    else:
        holder, attribute, otherwise = connection, "reply", connection.reply
        current = otherwise
    if not isinstance(current, _ReplyForwarder):
        current = _ReplyForwarder(otherwise)
        setattr(holder, attribute, current)
    current.add(req)


def _default_return_value(*args):
    return mock.DEFAULT


class _substitute_request(object):
    """While in this context, ``katcp.server.ClientRequestConnection`` gives `req` for its message.

    For all others it gives what it gave before, as real servers may be at work in other threads.
    """

    _lock = threading.Lock()
    _requests = []
    _original = None

    def __init__(self, req):
        self._req = req

    def __enter__(self):
        cls = _substitute_request
        with cls._lock:
            if katcp.server.ClientRequestConnection is not cls._make:
                cls._original = katcp.server.ClientRequestConnection
                katcp.server.ClientRequestConnection = cls._make
            cls._requests.append(self._req)

    def __exit__(self, *exc_info):
        cls = _substitute_request
        with cls._lock:
            cls._requests.remove(self._req)
            if not cls._requests and katcp.server.ClientRequestConnection is cls._make:
                katcp.server.ClientRequestConnection = cls._original

    @staticmethod
    def _make(client_connection, req_msg):
        for req in list(_substitute_request._requests):
            if req.msg is req_msg and req.client_connection is client_connection:
                return req
        return _substitute_request._original(client_connection, req_msg)
