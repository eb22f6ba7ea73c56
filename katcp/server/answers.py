"""Many informs in answer to one request, sent a piece at a time instead of one by one."""

from __future__ import absolute_import, division, print_function

from katcp.message import Message
from katcp.server.connections import ClientConnection, ClientRequestConnection

# The informs of a batch are handed over in pieces of so many.
PIECE = 256

# What the methods have to be for us to know what they do.  Users override them, tests replace them.
_REQUEST_INFORM = ClientRequestConnection.__dict__["inform"]
_CONNECTION_INFORM = ClientConnection.__dict__["inform"]


class _Lines(Message):
    """Several informs that go over the wire as they are; for the connection it is one."""

    __slots__ = ["_lines"]

    def __bytes__(self):
        return self._lines


class InformBatch(object):
    """Informs that answer a request; collected first, then sent.

    For a request with an inform for each of a thousand sensors, handing them over one by one would take
    several times longer than making them.  Where users or tests have put an ``inform`` of their own,
    that is called for each inform.

    Parameters
    ----------
    req : ClientRequestConnection
        The request.
    """

    __slots__ = ("_req", "_rows")

    def __init__(self, req):
        self._req = req
        self._rows = []

    def add(self, *arguments):
        """Add the inform with these arguments; they are anything that `Message` accepts."""
        self._rows.append(arguments)

    def send(self):
        """Send the informs that were added; once only."""
        req = self._req
        rows = self._rows
        if len(rows) < 2 or not _is_plain(req):
            for row in rows:
                req.inform(*row)
            return
        connection, msg = req.client_connection, req.msg
        name, mid = msg.name, msg.mid
        for start in range(0, len(rows), PIECE):
            piece = _Lines(Message.INFORM, name, None, mid)
            piece._lines = b"\n".join([Message(Message.INFORM, name, row, mid).__bytes__()
                                       for row in rows[start:start + PIECE]])
            connection.inform(piece)


def _is_plain(req):
    """Whether informs of `req` go to its connection, and from there to the network, and nowhere else."""
    return (getattr(req.inform, "__func__", None) is _REQUEST_INFORM
            and getattr(req, "_answered", None) is False
            and getattr(req.client_connection.inform, "__func__", None) is _CONNECTION_INFORM)
