"""When the output of connections is given to the OS: together, at the end of a loop callback."""

from __future__ import absolute_import, division, print_function


class FlushQueue(object):
    """Connections that have unsent output, to be flushed together at the end of a loop callback.

    Sharing one among the connections of a server means that an inform to a thousand clients costs one
    scheduled callback.

    Parameters
    ----------
    ioloop : tornado IOLoop
        The loop that the connections are on.
    """

    __slots__ = ("_ioloop", "_waiting", "_scheduled", "_held")

    def __init__(self, ioloop):
        self._ioloop = ioloop
        self._waiting = []
        self._scheduled = False
        self._held = 0

    def add(self, connection):
        """Have `connection` flushed soon."""
        self._waiting.append(connection)
        if not self._scheduled and not self._held:
            self._scheduled = True
            self._ioloop.add_callback(self._run)

    def hold(self):
        """Schedule nothing until the matching `release`, which flushes on the spot."""
        self._held += 1

    def release(self):
        """Undo one `hold`; the last one flushes all connections that have output."""
        self._held -= 1
        if not self._held:
            self.flush()

    def flush(self):
        """Flush all waiting connections now."""
        waiting, self._waiting = self._waiting, []
        for connection in waiting:
            connection.flush()

    def _run(self):
        self._scheduled = False
        self.flush()
