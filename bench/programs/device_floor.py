"""Program: the least that a server on tornado's streams can do: read lines, write constants.

    python device_floor.py SENSORS
"""

import sys

import tornado.ioloop
import tornado.iostream
import tornado.tcpserver

from talk import allow_many_files, tell, when_over

NAMES = [b"sensor.%05d" % i for i in range(int(sys.argv[1]))]
UPDATES = b"".join(b"#sensor-status 1234567890.123456 1 %s nominal 12345\n" % name for name in NAMES)
ANSWERS = {
    b"?add": b"!add[1] ok 3\n",
    b"?sen": (b"".join(b"#sensor-list[1] %s A\\_number. count integer\n" % name for name in NAMES)
              + b"!sensor-list[1] ok %d\n" % len(NAMES)),
    b"?upd": b"!update-all[1] ok\n",
}


class Server(tornado.tcpserver.TCPServer):
    """Answers each line by its first letters."""

    def __init__(self):
        super().__init__()
        self.streams = set()

    async def handle_stream(self, stream, address):
        """Serve one client."""
        stream.set_nodelay(True)
        stream.write(b"#version-connect katcp-protocol 5.0-MI\n#version-connect katcp-device floor\n")
        self.streams.add(stream)
        try:
            while True:
                line = await stream.read_until(b"\n")
                if line.startswith(b"?upd"):
                    for other in self.streams:
                        other.write(UPDATES)
                stream.write(ANSWERS.get(line[:4], b"!watchdog ok\n"))
        except tornado.iostream.StreamClosedError:
            self.streams.discard(stream)


def main():
    """Run until stdin ends."""
    ioloop = tornado.ioloop.IOLoop.current()
    server = Server()

    def start():
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1", backlog=1024)
        server.add_sockets(sockets)
        tell(port=sockets[0].getsockname()[1])

    ioloop.add_callback(start)
    when_over(lambda: ioloop.add_callback(ioloop.stop))
    ioloop.start()
    server.stop()


if __name__ == "__main__":
    allow_many_files()
    main()
