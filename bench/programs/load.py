"""Program: clients of a server, as cheap as Python can make them, so that the server is what is measured.

What is sent is prepared beforehand; of what comes back only the ends of lines are counted.
"""

import select
import socket

from talk import allow_many_files, clock, obey

CHUNK = 1 << 16
# Seconds without any byte from the server after which a run has failed.
PATIENCE = 20


class Failed(Exception):
    """The server did not say what it should have."""


class Crowd:
    """Connections to one server.

    Parameters
    ----------
    port : int
    size : int
        Number of connections.
    setup : list of str
        Requests that each connection sends before anything is measured.
    """

    def __init__(self, port, size, setup=()):
        self.socks = []
        self._poll = select.epoll()
        self._by_fd = {}
        for _ in range(size):
            sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socks.append(sock)
            self._by_fd[sock.fileno()] = sock
            self._poll.register(sock, select.EPOLLIN)
        for request in list(setup):
            self._ask_all(request)
        # Twice: by the second time everybody has been told of everybody else.
        self._ask_all("?watchdog")
        self._ask_all("?watchdog")

    def _ask_all(self, request):
        """Send a request on all connections and read until each has its reply, and whatever comes before."""
        data = (request + "\n").encode()
        for sock in self.socks:
            sock.sendall(data)
        for sock in self.socks:
            replied, received = False, b""
            while not replied or not received.endswith(b"\n"):
                received = _receive(sock)
                # Nothing but replies has an exclamation mark.
                replied = replied or b"!" in received

    def close(self):
        """Close all connections."""
        self._poll.close()
        for sock in self.socks:
            sock.close()

    def exchange(self, request, count, lines):
        """Have each connection send `count` requests, each after the `lines` lines in answer to the last.

        Returns
        -------
        float
            Seconds.
        """
        request = (request + "\n").encode()
        if len(self.socks) == 1:
            return self._exchange_alone(request, count, lines)
        socks, poll = self._by_fd, self._poll
        missing = dict.fromkeys(socks, lines)
        left = dict.fromkeys(socks, count)
        busy = len(socks)
        start = clock()
        for sock in self.socks:
            sock.send(request)
        while busy:
            events = poll.poll(PATIENCE)
            if not events:
                raise Failed("The server is silent")
            for fd, _ in events:
                sock = socks[fd]
                missing[fd] -= _receive(sock).count(b"\n")
                if missing[fd] <= 0:
                    if missing[fd]:
                        raise Failed("Too many lines")
                    left[fd] -= 1
                    if left[fd]:
                        missing[fd] = lines
                        sock.send(request)
                    else:
                        busy -= 1
        return clock() - start

    def _exchange_alone(self, request, count, lines):
        sock = self.socks[0]
        send, receive = sock.send, sock.recv
        start = clock()
        for _ in range(count):
            send(request)
            missing = lines
            while missing > 0:
                data = receive(CHUNK)
                if not data:
                    raise Failed("The server closed a connection")
                missing -= data.count(b"\n")
            if missing:
                raise Failed("Too many lines")
        return clock() - start

    def pipeline(self, request, count, lines):
        """Have each connection send `count` requests, as fast as the server takes them.

        `request` contains ``%d``, for an id. Returns seconds.
        """
        data = b"".join((request % (i + 1) + "\n").encode() for i in range(count))
        output = {fd: memoryview(data) for fd in self._by_fd}
        missing = dict.fromkeys(self._by_fd, lines * count)
        try:
            for sock in self.socks:
                sock.setblocking(False)
                self._poll.modify(sock, select.EPOLLIN | select.EPOLLOUT)
            start = clock()
            self._pump(output, missing)
            return clock() - start
        finally:
            for sock in self.socks:
                sock.settimeout(PATIENCE)
                self._poll.modify(sock, select.EPOLLIN)

    def _pump(self, output, missing):
        busy = len(missing)
        while busy:
            events = self._poll.poll(PATIENCE)
            if not events:
                raise Failed("The server is silent")
            for fd, event in events:
                sock = self._by_fd[fd]
                if event & select.EPOLLOUT:
                    output[fd] = output[fd][sock.send(output[fd]):]
                    if not output[fd]:
                        self._poll.modify(sock, select.EPOLLIN)
                if event & ~select.EPOLLOUT:
                    missing[fd] -= _receive(sock).count(b"\n")
                    if missing[fd] <= 0:
                        if missing[fd]:
                            raise Failed("Too many lines")
                        busy -= 1

    def broadcast(self, request, count, lines):
        """Have the first connection send requests, each of which makes `lines` lines for all connections.

        The first one gets a reply besides, and sends the next request when it has it all.

        Returns
        -------
        float
            Seconds until all have everything.
        """
        request = (request + "\n").encode()
        first = self.socks[0]
        first_fd = first.fileno()
        missing = dict.fromkeys(self._by_fd, lines * count)
        missing[first_fd] = count * (lines + 1)
        next_request_at = missing[first_fd] - (lines + 1)
        busy = len(missing)
        start = clock()
        first.send(request)
        while busy:
            events = self._poll.poll(PATIENCE)
            if not events:
                raise Failed("The server is silent")
            for fd, _ in events:
                missing[fd] -= _receive(self._by_fd[fd]).count(b"\n")
                if missing[fd] <= 0:
                    if missing[fd]:
                        raise Failed("Too many lines")
                    busy -= 1
                elif fd == first_fd and missing[fd] == next_request_at:
                    next_request_at -= lines + 1
                    first.send(request)
        return clock() - start


def _receive(sock):
    data = sock.recv(CHUNK)
    if not data:
        raise Failed("The server closed a connection")
    return data


class Rush:
    """Connections that come at once, until each has heard of all that came after it.

    Parameters
    ----------
    port, size : int
    window : int
        No more than so many are waiting for being greeted; some servers lose them otherwise.
    """

    def __init__(self, port, size, window):
        self._port, self._size, self._window = port, size, window
        self._poll = select.epoll()
        self._socks = {}
        self._rest = {}
        self._waiting = set()
        self.informs = 0
        self._replies = 0

    def run(self):
        """Return the seconds that it took."""
        start = clock()
        try:
            while self._waiting or len(self._socks) < self._size:
                while len(self._waiting) < self._window and len(self._socks) < self._size:
                    self._connect()
                self._look()
            # The last client was announced before it was greeted, so that is before these replies.
            for sock in self._socks.values():
                sock.send(b"?watchdog\n")
            while self._replies < self._size:
                self._look()
            return clock() - start
        finally:
            self._poll.close()
            for sock in self._socks.values():
                sock.close()

    def _connect(self):
        sock = socket.socket()
        sock.setblocking(False)
        try:
            sock.connect(("127.0.0.1", self._port))
        except BlockingIOError:
            pass
        fd = sock.fileno()
        self._socks[fd] = sock
        self._rest[fd] = b""
        self._waiting.add(fd)
        self._poll.register(sock, select.EPOLLIN)

    def _look(self):
        events = self._poll.poll(PATIENCE)
        if not events:
            raise Failed("The server is silent; %d of %d clients are greeted, %d replies" % (
                len(self._socks) - len(self._waiting), self._size, self._replies))
        for fd, _ in events:
            # Whole lines only, so that no word is missed that comes in two pieces.
            lines, _, self._rest[fd] = (self._rest[fd] + _receive(self._socks[fd])).rpartition(b"\n")
            self.informs += lines.count(b"#client-connected")
            self._replies += lines.count(b"!watchdog")
            if fd in self._waiting and b"katcp-device" in lines:
                self._waiting.discard(fd)


def rush(port, size, window):
    """Return the seconds that a Rush took, and how often a client was told of another one."""
    clients = Rush(port, size, window)
    return {"seconds": clients.run(), "informs": clients.informs}


def main():
    """Carry out orders."""
    allow_many_files()
    crowds = {}

    def opened(name, port, size, setup=()):
        crowds[name] = Crowd(port, size, setup)

    def closed(name):
        crowds.pop(name).close()

    def run(name, how, **what):
        return {"seconds": getattr(crowds[name], how)(**what)}

    obey(open=opened, close=closed, run=run, rush=rush)


if __name__ == "__main__":
    main()
