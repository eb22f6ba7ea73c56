"""The socket that a server listens on."""

from __future__ import absolute_import, division, print_function

import errno
import socket

from tornado.ioloop import IOLoop

from katcp.log_records import record_text

# The queue of the OS for clients not yet accepted is at least this long: with a short one, a burst of
# connecting clients would have to wait for their own retries, seconds later.
MIN_BACKLOG = 1024

# So many clients are accepted before the loop sees to the others.
ACCEPT_BATCH = 64

# When the process has run out of files: seconds until the next attempt to accept clients.
ACCEPT_RETRY = 1.0

_OUT_OF_FILES = frozenset([errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
_NOBODY_THERE = frozenset([errno.EAGAIN, errno.EWOULDBLOCK])


class Accepting(object):
    """The part of :class:`~katcp.server.KATCPServer` that listens for clients.

    It needs from the rest of the server: ``ioloop``, ``_logger``, ``_running`` and
    ``_handle_stream(sock, address)``.
    """

    BACKLOG = 5

    def __init__(self):
        super(Accepting, self).__init__()
        self._listener = None
        self._accept_timer = None

    def _bind_socket(self, bindaddr):
        """Return a listening socket; all in the calling thread, so that the port is known at once."""
        host = bindaddr[0]
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setblocking(False)
            sock.bind(bindaddr)
            sock.listen(max(self.BACKLOG, MIN_BACKLOG))
        except Exception:
            self._logger.exception("Unable to bind to %s" % (bindaddr,))
            sock.close()
            raise
        return sock

    def _start_accepting(self):
        self._accept_timer = None
        self.ioloop.add_handler(self._listener, self._accept, IOLoop.READ)

    def _close_listener(self):
        listener, self._listener = self._listener, None
        if self._accept_timer is not None:
            self.ioloop.remove_timeout(self._accept_timer)
            self._accept_timer = None
        elif self._running.is_set():
            self.ioloop.remove_handler(listener)
        listener.close()

    def _accept(self, fd, events):
        for _ in range(ACCEPT_BATCH):
            if self._listener is None:
                return
            try:
                sock, address = self._listener.accept()
            except socket.error as exc:
                if exc.errno in _OUT_OF_FILES:
                    self._logger.error(record_text("Cannot accept clients: %s", exc))
                    self.ioloop.remove_handler(self._listener)
                    self._accept_timer = self.ioloop.call_later(ACCEPT_RETRY, self._start_accepting)
                    return
                if exc.errno in _NOBODY_THERE:
                    return
                continue  # a client that has gone already
            try:
                self._handle_stream(sock, address)
            except Exception:
                self._logger.exception(record_text("Error accepting client %r", address))
