"""Clients that have closed their sending side and wait for what is answered later."""

from __future__ import absolute_import, division, print_function

# So many seconds they have to get it.
HALF_CLOSED_TIMEOUT = 30.0


class HalfClosedConnections(object):
    """Connections that are kept for replies alone, each until its last reply or its time is up.

    Loop thread only.
    """

    def __init__(self):
        # Connection -> (loop, timer)
        self._timers = {}

    def __iter__(self):
        return iter(list(self._timers))

    def __len__(self):
        return len(self._timers)

    def add(self, stream, ioloop):
        """Keep a connection, though not for long."""
        self._timers[stream] = ioloop, ioloop.call_later(HALF_CLOSED_TIMEOUT, self.end, stream)

    def end(self, stream):
        """Close a connection once all that was sent on it has gone; until then it is still one of these."""
        if stream in self._timers:
            ioloop, timer = self._timers[stream]
            ioloop.remove_timeout(timer)
        stream.close_after_flush()

    def forget(self, stream):
        """Look after a connection, if it is one of these, no more."""
        if stream in self._timers:
            ioloop, timer = self._timers.pop(stream)
            ioloop.remove_timeout(timer)

    def forget_all(self):
        """Look after none of them any more."""
        for stream in self:
            self.forget(stream)
