"""Connecting to a device: from a host and a port to a connected socket, without blocking the loop.

Tornado's ``TCPClient`` would do, were it not that from version 5 on it resolves even numeric addresses
in a pool of helper threads that live for ever, and that an attempt under way cannot be given up.
"""

from __future__ import absolute_import, division, print_function

import errno
import os
import socket
import threading

from tornado.ioloop import IOLoop

from katcp import compat

# Seconds that one address gets before the next is tried beside it (RFC 8305 recommends 250 ms): a host
# with an unreachable IPv6 address must not cost the minutes after which the OS gives up.
NEXT_ADDRESS_DELAY = 0.25

_IN_PROGRESS = frozenset([errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN, errno.EINTR])


def lookup_needs_thread(host):
    """Whether looking up `host` may have to wait for a name server."""
    if host == "localhost":  # what the hosts file is for
        return False
    try:
        socket.getaddrinfo(host, None, socket.AF_UNSPEC, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except (socket.error, UnicodeError):
        return True
    return False


def lookup(host, port):
    """Return the ``(family, address)`` pairs of a host and port; blocks.

    Raises
    ------
    socket.error
        If there is no such host.
    """
    try:
        found = socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM)
    except UnicodeError as exc:  # names that no name server could know
        raise socket.gaierror(socket.EAI_NONAME, "Bad host name {!r}: {}".format(host, exc))
    addresses = []
    for family, _, _, _, address in found:
        if (family, address) not in addresses:
            addresses.append((family, address))
    return addresses


class TcpConnector(object):
    """One attempt to connect, which can be given up at any time.

    Addresses of the host are tried in the order of the system's preference.  A numeric address is
    connected to without any helper thread; a name is looked up in a daemon thread that ends with the
    lookup.

    Parameters
    ----------
    ioloop : tornado IOLoop
        All calls are made in its thread.
    host : str
        Name or numeric address, IPv4 or IPv6.
    port : int or str
    """

    def __init__(self, ioloop, host, port):
        self._ioloop = ioloop
        self._host = host
        self._port = port
        self._future = None
        self._addresses = []
        self._attempts = {}  # file descriptor -> socket that is being connected
        self._next_address_timer = None
        self._last_error = None

    def connect(self):
        """Start the attempt; call once.

        Returns
        -------
        tornado future
            Resolves with the connected, non-blocking ``socket.socket``, or with None after `abort`; fails
            with ``socket.error`` if no address of the host can be connected to.
        """
        self._future = compat.new_future(self._ioloop)
        if lookup_needs_thread(self._host):
            thread = threading.Thread(target=self._look_up_in_thread, name="katcp-lookup")
            thread.daemon = True
            thread.start()
        else:
            self._looked_up(*self._look_up())
        return self._future

    def abort(self):
        """Give up: `connect`'s future resolves with None, and no socket stays open.

        Nothing happens if the attempt has ended; a socket that has been handed out is the receiver's.
        """
        self._end(None)

    # --- finding the addresses -------------------------------------------------------------------

    def _look_up(self):
        try:
            return lookup(self._host, self._port), None
        except Exception as exc:
            return [], exc

    def _look_up_in_thread(self):
        addresses, error = self._look_up()
        try:
            self._ioloop.add_callback(self._looked_up, addresses, error)
        except RuntimeError:  # the loop was closed meanwhile
            pass

    def _looked_up(self, addresses, error):
        self._addresses = addresses
        self._last_error = error
        self._try_next_address()

    # --- trying them -----------------------------------------------------------------------------

    def _try_next_address(self):
        self._cancel_timer()
        if self._future.done():
            return
        while self._addresses:
            family, address = self._addresses.pop(0)
            try:
                self._start_attempt(family, address)
            except (socket.error, OverflowError) as exc:  # OverflowError: no such port number
                self._last_error = exc
                continue
            if self._addresses and not self._future.done():
                self._next_address_timer = self._ioloop.call_later(
                    NEXT_ADDRESS_DELAY, self._try_next_address)
            return
        if not self._attempts:
            self._end(None, self._last_error or socket.error(errno.EHOSTUNREACH, "No address to connect to"))

    def _start_attempt(self, family, address):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            code = sock.connect_ex(address)
            if code and code not in _IN_PROGRESS:
                raise socket.error(code, os.strerror(code))
            # Even if it is connected already: success has one path only.
            self._ioloop.add_handler(sock.fileno(), self._attempt_ended, IOLoop.WRITE)
        except BaseException:
            sock.close()
            raise
        self._attempts[sock.fileno()] = sock

    def _attempt_ended(self, fd, events):
        sock = self._attempts.pop(fd, None)
        if sock is None:
            return
        self._ioloop.remove_handler(fd)
        error = self._outcome(sock)
        if error is None:
            self._end(sock)
        else:
            sock.close()
            self._last_error = error
            self._try_next_address()

    @staticmethod
    def _outcome(sock):
        """Return the error of a finished attempt, or None if `sock` is connected to a device."""
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            return socket.error(code, os.strerror(code))
        try:
            # TCP lets a socket connect to itself; who keeps trying a dead port of the ephemeral range on
            # this machine will one day be given just that port for his own end.
            if sock.getpeername() == sock.getsockname():
                return socket.error(errno.ECONNREFUSED, "Connected to itself: nobody listens there")
        except socket.error as exc:
            return exc
        return None

    # --- the end ---------------------------------------------------------------------------------

    def _cancel_timer(self):
        if self._next_address_timer is not None:
            self._ioloop.remove_timeout(self._next_address_timer)
            self._next_address_timer = None

    def _end(self, sock, error=None):
        self._cancel_timer()
        self._addresses = []
        attempts, self._attempts = self._attempts, {}
        for fd, loser in attempts.items():
            self._ioloop.remove_handler(fd)
            loser.close()
        if self._future is None or self._future.done():
            return
        if error is None:
            self._future.set_result(sock)
        else:
            self._future.set_exception(error)
