"""What handlers and devices hold of a client: its connection, and the request being answered.

Neither does any I/O; they know what may be said on a connection and pass it on to the
:class:`~katcp.server.KATCPServer`.
"""

from __future__ import absolute_import, division, print_function

import threading
import weakref
from functools import partial

from katcp.message import Message

REQUEST = Message.REQUEST
REPLY = Message.REPLY
INFORM = Message.INFORM


# What `ClientRequestConnection._answered` is, besides False and True: answered, but not sent.
_REPLY_FAILED = "failed"

# Taken once for a connection.
_replies_due_lock = threading.Lock()


class ClientConnection(object):
    """One client of a server, for use in the thread of the server's loop.

    Parameters
    ----------
    server : KATCPServer
        Or whatever has its `get_address`, `send_message`, `mass_send_message` and `flush_on_close`.
    conn_id : hashable
        The server's handle of the TCP connection.

    Attributes
    ----------
    flush_on_close : callable
        ``flush_on_close()`` ends the output to this client; returns a tornado future that resolves
        when all that was sent has been given to the OS. Loop thread only.
    """

    def __init__(self, server, conn_id):
        self._server = server
        self._conn_key = conn_id
        self._get_address = server.get_address
        self._bind_send_methods(server)
        self.flush_on_close = partial(server.flush_on_close, conn_id)
        self._disconnect_called = False
        # Requests that are going to be answered later. A request that nobody keeps will not be.
        self._replies_due = None
        self._when_answered = None

    def _bind_send_methods(self, server):
        self._send_message = server.send_message
        self._post_message = getattr(server, "post_message", self._send_message)
        self._mass_send_message = server.mass_send_message

    @property
    def address(self):
        """Address of the client as native string ``"host:port"``; kept after it disconnected."""
        return self._get_address(self._conn_key)

    @property
    def client_disconnect_called(self):
        """Whether the device's `on_client_disconnect` has been called for this client."""
        return self._disconnect_called

    def inform(self, msg):
        """Send an inform to this client.

        Parameters
        ----------
        msg : Message
            The inform.

        Returns
        -------
        future or None
            A tornado future that resolves when the inform has been given to the OS, or None if it
            could not be sent. Nobody has to look at it. See `ThreadsafeClientConnection` for what the
            thread-safe class returns.

        Raises
        ------
        AssertionError
            If `msg` is no inform; nothing is sent.
        """
        assert msg.mtype == INFORM
        return self._send_message(self._conn_key, msg)

    def reply_inform(self, inform, orig_req):
        """Send an inform that is part of the answer to a request.

        Parameters
        ----------
        inform : Message
            Its id is set to that of the request.
        orig_req : Message
            The request; the inform must have the same name.

        Returns
        -------
        future or None
            As for `inform`.

        Raises
        ------
        AssertionError
            If `inform` is no inform or has another name; nothing is sent.
        """
        assert inform.mtype == INFORM
        assert inform.name == orig_req.name
        inform.mid = orig_req.mid
        return self._send_message(self._conn_key, inform)

    def reply(self, reply, orig_req):
        """Send the reply to a request.

        Parameters
        ----------
        reply : Message
            Its id is set to that of the request.
        orig_req : Message
            The request; the reply must have the same name.

        Returns
        -------
        future or None
            As for `inform`.

        Raises
        ------
        AssertionError
            If `reply` is no reply or has another name; nothing is sent.
        """
        assert reply.mtype == REPLY
        assert reply.name == orig_req.name
        reply.mid = orig_req.mid
        return self._send_message(self._conn_key, reply)

    def _answer(self, reply, orig_req):
        """Do what `reply` does, but tell nobody when the reply is sent, which is cheaper."""
        assert reply.mtype == REPLY
        assert reply.name == orig_req.name
        reply.mid = orig_req.mid
        self._post_message(self._conn_key, reply)

    def mass_inform(self, msg):
        """Send an inform to all clients of the server.

        Parameters
        ----------
        msg : Message
            The inform.

        Raises
        ------
        AssertionError
            If `msg` is no inform; nothing is sent.
        """
        assert msg.mtype == INFORM
        return self._mass_send_message(msg)

    def disconnect(self, reason):
        """Disconnect this client; loop thread only.

        The device's `on_client_disconnect` is called, which tells the client the reason; then the
        connection is closed. Returns at once, all this goes on asynchronously.

        Parameters
        ----------
        reason : str
            What the client is told.
        """
        self._server._disconnect_client(self._conn_key, self, reason)

    def on_client_disconnect_was_called(self):
        """Note that the device's `on_client_disconnect` is being called for this client.

        Raises
        ------
        RuntimeError
            If that has been noted before.
        """
        if self._disconnect_called:
            raise RuntimeError('"on_client_disconnect" already called for this connection')
        self._disconnect_called = True

    # --- replies that come later, all in any thread

    def _reply_is_due(self, req):
        """Note that `req` is going to be answered later."""
        if self._replies_due is None:
            with _replies_due_lock:
                # Most connections never need one.
                if self._replies_due is None:
                    self._replies_due = weakref.WeakSet()
        self._replies_due.add(req)
        req._on_sent = self._reply_was_sent
        if getattr(req, "_sent", False) is True:
            self._replies_due.discard(req)

    def _reply_was_sent(self, req):
        """Note that `req` has been answered; after its reply was sent."""
        self._replies_due.discard(req)
        if self._when_answered is not None and not self._replies_due:
            self._when_answered()

    def _wait_for_replies(self, callback):
        """Return whether replies are due; have ``callback()`` called when the last of them is sent."""
        self._when_answered = callback
        return bool(self._replies_due)


class ThreadsafeClientConnection(ClientConnection):
    """One client of a server; `inform`, `reply_inform`, `reply` and `mass_inform` from any thread.

    Called outside the thread of the loop they return a `concurrent.futures.Future` whose result is
    what the method of `ClientConnection` returns; in the loop thread, a future that has this result
    already.
    """

    def _bind_send_methods(self, server):
        self._send_message = server.send_message_from_thread
        self._post_message = getattr(server, "post_message_from_thread", self._send_message)
        self._mass_send_message = server.mass_send_message_from_thread


class ClientRequestConnection(object):
    """A request that is being answered: the `req` of request handlers.

    Its thread-safety is that of its connection.

    Parameters
    ----------
    client_connection : ClientConnection
        The client that asks.
    req_msg : Message
        The request.

    Attributes
    ----------
    client_connection : ClientConnection
    msg : Message
        The request.
    """

    # With a __dict__, made when needed, so that users can put marks of their own on it.
    __slots__ = ("client_connection", "msg", "_answered", "_sent", "_on_sent", "__dict__", "__weakref__")

    def __init__(self, client_connection, req_msg):
        assert req_msg.mtype == REQUEST
        self.client_connection = client_connection
        self.msg = req_msg
        self._answered = False

    @property
    def mass_inform(self):
        """`ClientConnection.mass_inform` of the connection: send an inform to all clients."""
        return self.client_connection.mass_inform

    def inform(self, *args):
        """Send an inform that is part of the answer.

        Parameters
        ----------
        *args
            Arguments of the inform, anything that `Message` accepts. Name and id are the request's.

        Returns
        -------
        future or None
            As for `ClientConnection.inform`.

        Raises
        ------
        RuntimeError
            If the request has been answered.
        """
        if self._answered:
            return self.inform_after_reply(*args)
        msg = self.msg
        return self.client_connection.inform(Message(INFORM, msg.name, args, msg.mid))

    def reply(self, *args):
        """Send the reply.

        Parameters
        ----------
        *args
            Arguments of the reply, anything that `Message` accepts. Name and id are the request's.

        Returns
        -------
        future or None
            As for `ClientConnection.inform`.

        Raises
        ------
        RuntimeError
            If the request has been answered.
        """
        if self._answered:
            return self.reply_again(*args)
        msg = self.msg
        reply = Message(REPLY, msg.name, args, msg.mid)
        return self._send_reply(reply)

    def reply_with_message(self, rep_msg):
        """Send a ready-made reply.

        Parameters
        ----------
        rep_msg : Message
            A reply with the name of the request; its id is set to the request's.

        Returns
        -------
        future or None
            As for `ClientConnection.inform`.

        Raises
        ------
        RuntimeError
            If the request has been answered.
        AssertionError
            If `rep_msg` is no reply, or has another name.
        """
        if self._answered:
            return self.reply_again(rep_msg)
        return self._send_reply(rep_msg)

    def _send_reply(self, reply):
        self._answered = True
        try:
            result = self.client_connection.reply(reply, self.msg)
        except BaseException:
            # The handler has had its chance, but the client is still to be told of the failure.
            self._answered = _REPLY_FAILED
            raise
        # Whether the connection waits for the reply may be settled in another thread at this moment.
        self._sent = True
        on_sent = getattr(self, "_on_sent", None)
        if on_sent is not None:
            on_sent(self)
        return result

    def make_reply(self, *args):
        """Return a reply to the request, to be returned by its handler; nothing is sent.

        Parameters
        ----------
        *args
            Arguments of the reply, anything that `Message` accepts. Name and id are the request's.

        Returns
        -------
        Message
        """
        msg = self.msg
        return Message(REPLY, msg.name, args, msg.mid)

    def reply_again(self, *args):
        """Raise the RuntimeError of a request that is answered twice."""
        raise RuntimeError("Reply to request %r already sent." % (self.msg,))

    def inform_after_reply(self, *args):
        """Raise the RuntimeError of an inform sent after the reply."""
        raise RuntimeError("Cannot send inform for request %r after sending reply." % (self.msg,))
