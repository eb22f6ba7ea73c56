"""Program: a server so cheap that the client is what is measured; it looks answers up.

    python raw_server.py SENSORS
"""

import re
import socket
import sys
import threading

from talk import tell

NAMES = [b"sensor.%05d" % i for i in range(int(sys.argv[1]))]
GREETING = (b"#version-connect katcp-protocol 5.1-MIB\n"
            b"#version-connect katcp-library raw-1.0\n"
            b"#version-connect katcp-device raw-1.0 raw-1.0\n")
REQUESTS = [b"add", b"cancel-slow-command", b"client-list", b"flood", b"halt", b"help", b"log-level",
            b"restart", b"sensor-list", b"sensor-sampling", b"sensor-sampling-clear", b"sensor-value",
            b"version-list", b"watchdog"]
# So many sensors get the updates of a flood, in turns.
FLOODED = 100
REQUEST = re.compile(rb"\?([a-z-]+)(\[\d+\])? ?(.*)")


def _help(mid, args):
    lines = [b"#help%s %s What\\_it\\_does.\n" % (mid, name) for name in REQUESTS]
    return b"".join(lines) + b"!help%s ok %d\n" % (mid, len(lines))


def _sensor_list(mid, args):
    # Nobody measured here asks by pattern.
    names = [args] if args else NAMES
    lines = [b"#sensor-list%s %s A\\_number. count integer\n" % (mid, name) for name in names]
    return b"".join(lines) + b"!sensor-list%s ok %d\n" % (mid, len(lines))


def _sensor_value(mid, args):
    names = [args] if args else NAMES
    lines = [b"#sensor-value%s 1234567890.123456 1 %s nominal 0\n" % (mid, name) for name in names]
    return b"".join(lines) + b"!sensor-value%s ok %d\n" % (mid, len(lines))


def _sensor_sampling(mid, args):
    lines = [b"#sensor-status 1234567890.123456 1 %s nominal 0\n" % name
             for name in args.split(b" ")[0].split(b",")]
    return b"".join(lines) + b"!sensor-sampling%s ok %s\n" % (mid, args)


def _flood(mid, args):
    return UPDATES[int(args)] + b"!flood%s ok\n" % mid


def _add(mid, args):
    return b"!add%s ok 3\n" % mid


class Updates(dict):
    """Number -> so many updates; made when first asked for."""

    def __missing__(self, count):
        names = NAMES[:FLOODED]
        self[count] = b"".join(b"#sensor-status 1234567890.123456 1 %s nominal %d\n"
                               % (names[i % len(names)], i) for i in range(count))
        return self[count]


UPDATES = Updates()
ANSWERS = {b"add": _add, b"help": _help, b"sensor-list": _sensor_list, b"sensor-value": _sensor_value,
           b"sensor-sampling": _sensor_sampling, b"flood": _flood}


def answer(line):
    """Return what comes back for a line."""
    name, mid, args = REQUEST.match(line).groups()
    mid = mid or b""
    make = ANSWERS.get(name)
    return make(mid, args) if make else b"!%s%s ok\n" % (name, mid)


def serve(sock):
    """Serve one client."""
    with sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(GREETING)
        rest = b""
        while True:
            try:
                data = sock.recv(1 << 16)
            except ConnectionError:
                return
            if not data:
                return
            lines = (rest + data).split(b"\n")
            rest = lines.pop()
            sock.sendall(b"".join([answer(line) for line in lines if line]))


def accept(listener):
    """Serve each client in a thread of its own: that has the fewest calls for each request."""
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


def main():
    """Run until stdin ends."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
    tell(port=listener.getsockname()[1])
    sys.stdin.read()


if __name__ == "__main__":
    main()
