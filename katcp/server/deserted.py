"""Connections that clients have closed while a request of theirs is being handled."""

from __future__ import absolute_import, division, print_function

import socket
import sys

# A connection that its client has closed is kept so long, at least, for an answer that gets nowhere.
DESERTED_TIMEOUT = 30.0

# Linux tells the state of a connection without reading from it: the first byte of TCP_INFO.
_TCP_INFO = getattr(socket, "TCP_INFO", None) if sys.platform.startswith("linux") else None
_TCP_CLOSE, _TCP_CLOSE_WAIT = 7, 8


def is_closed_by_peer(sock):
    """Whether the peer has closed its sending side, or all; always False where the OS keeps it secret.

    Input that has not been read does not hide it, as it does from those who read.
    """
    if _TCP_INFO is None:
        return False
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 1)
    except socket.error:
        return False
    return bytearray(info)[0] in (_TCP_CLOSE, _TCP_CLOSE_WAIT)


class DesertedConnections(object):
    """Closes connections whose clients are not there any more, perhaps, if there is no answer for long.

    Nothing is read from a client while its request is being handled.  A client that closes its sending side
    may still be there for the reply; but those that gave up waiting for a handler that never ends would use
    up all the files that the process may open.

    Parameters
    ----------
    *groups : iterable
        Of :class:`~katcp.server.sending.ClientLine`: the server's connections.
    """

    def __init__(self, *groups):
        self._groups = groups
        self._ioloop = None
        self._timer = None
        # Connection that its client has closed -> how far its output had got
        self._suspects = {}

    def watch(self, ioloop):
        """Look after the connections from now on, until there are none; loop thread only."""
        if self._timer is None:
            self._ioloop = ioloop
            self._timer = ioloop.call_later(DESERTED_TIMEOUT, self._on_timer)

    def stop(self):
        """Do not look after them any more; loop thread only."""
        if self._timer is not None:
            self._ioloop.remove_timeout(self._timer)
            self._timer = None
        self._suspects = {}
        self._ioloop = None

    def _on_timer(self):
        self._timer = None
        self.close_deserted()
        if self._streams():
            self.watch(self._ioloop)

    def _streams(self):
        return [stream for group in self._groups for stream in group]

    def close_deserted(self):
        """Close those that have got nowhere since the last call; loop thread only."""
        suspects, self._suspects = self._suspects, {}
        for stream in self._streams():
            if stream.closed() or stream.reading() or not is_closed_by_peer(stream.socket):
                continue
            progress = stream.output_progress()
            if suspects.get(stream) == progress:
                stream.close()
            else:
                self._suspects[stream] = progress
