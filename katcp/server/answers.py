"""Many informs in answer to one request, sent at one go."""

from __future__ import absolute_import, division, print_function

from katcp.message import Message
from katcp.server.connections import ClientConnection, ClientRequestConnection, ThreadsafeClientConnection

_OUR_CONNECTIONS = (ThreadsafeClientConnection, ClientConnection)


class InformBatch(object):
    """Informs that answer a request; collected first, then sent together.

    That takes one hand-over to the loop's thread and one write, where a request with an inform for
    each of some thousand sensors would take thousands.  For a `req` that is not plainly ours (users
    may override `inform`, tests have stand-ins) it comes to calling ``req.inform`` for each.

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
        """Add the inform with these arguments."""
        self._rows.append(arguments)

    def send(self):
        """Send the informs that were added; once only."""
        req = self._req
        for row in self._rows:
            req.inform(*row)
