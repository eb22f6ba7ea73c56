"""The requests of a client to a device that is not there, as the functions that answer them see them."""

from __future__ import absolute_import, division, print_function

from katcp.compat import done_future
from katcp.server.connections import ClientRequestConnection

_CANNOT_SEND = "Cannot send messages via fake request/connection object"


class FakeKATCPServerError(Exception):
    """A handler tried to send something, and there is no client that could receive it."""


class FakeKATCPServer(object):
    """What a `ClientConnection` needs of a server, for a client in the same thread.

    Parameters
    ----------
    deliver : callable, optional
        ``deliver(msg)`` is called with each message that is sent; by default they are refused.
    """

    def __init__(self, deliver=None):
        self._deliver = deliver

    def get_address(self, conn_id):
        """Return a text that stands for the address of a client."""
        return "<fake-client-connection: {!r}>".format(conn_id)

    def send_message(self, conn_id, msg):
        """Give a message to the client; FakeKATCPServerError if there is none."""
        if self._deliver is None:
            raise FakeKATCPServerError(_CANNOT_SEND)
        self._deliver(msg)
        return done_future(None)

    def mass_send_message(self, msg):
        """Give a message to all clients, of which there is but one."""
        return self.send_message(None, msg)

    def flush_on_close(self, conn_id=None):
        """Return a future that is done: there is never anything left to send."""
        return done_future(None)


class FakeClientRequestConnection(ClientRequestConnection):
    """The `req` of a handler that answers instead of a device.

    Parameters
    ----------
    client_connection : ClientConnection
        Of a `FakeKATCPServer`.
    req_msg : Message
        The request.

    Attributes
    ----------
    informs_sent : list of Message
        The informs that the handler has sent as part of its answer.
    """

    # Functions of one argument, set by who wants to know: called with each inform, and with the reply.
    on_inform = None
    on_reply = None

    def __init__(self, *args, **kwargs):
        super(FakeClientRequestConnection, self).__init__(*args, **kwargs)
        self.informs_sent = []

    def inform(self, *args):
        """Send an inform that is part of the answer; its name and id are those of the request."""
        if self._answered:
            return self.inform_after_reply(*args)
        inform = self.msg.reply_inform(self.msg, *args)
        self.informs_sent.append(inform)
        if self.on_inform is not None:
            self.on_inform(inform)
        return done_future(None)

    def reply(self, *args):
        """Send the reply, for a handler that has raised `AsyncReply` or is about to."""
        return self.reply_with_message(self.make_reply(*args))

    def reply_with_message(self, rep_msg):
        """Send a ready-made reply; see `reply`."""
        if self._answered:
            return self.reply_again(rep_msg)
        if self.on_reply is None:
            raise FakeKATCPServerError(_CANNOT_SEND)
        self._answered = True
        self.on_reply(rep_msg)
        return done_future(None)
