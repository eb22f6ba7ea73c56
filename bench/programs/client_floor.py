"""Program: the least that a client on one of tornado's streams can do: write constants, read lines.

    python client_floor.py PORT
"""

import sys

import tornado.ioloop
import tornado.tcpclient

from talk import clock, obey

REQUEST = b"?add[1] 1 2\n"


class Client:
    """The same as in client_katcp.py, except that it knows what the replies are."""

    def __init__(self, port):
        self._ioloop = tornado.ioloop.IOLoop()
        self._stream = self._ioloop.run_sync(lambda: self._connected(port))

    async def _connected(self, port):
        stream = await tornado.tcpclient.TCPClient().connect("127.0.0.1", port)
        stream.set_nodelay(True)
        await stream.read_until(b"katcp-device")
        await stream.read_until(b"\n")
        return stream

    def one_at_a_time(self, count):
        """Send one request after the other."""
        return self.in_flight(count, 1)

    def in_flight(self, count, window):
        """Keep `window` requests in flight."""
        async def exchange():
            start = clock()
            self._stream.write(REQUEST * window)
            for _ in range(count - window):
                await self._stream.read_until(b"\n")
                self._stream.write(REQUEST)
            for _ in range(window):
                await self._stream.read_until(b"\n")
            return clock() - start

        return {"seconds": self._ioloop.run_sync(exchange)}

    def stop(self):
        """Disconnect."""
        self._stream.close()


def main():
    """Carry out orders."""
    client = Client(int(sys.argv[1]))
    try:
        obey(one_at_a_time=client.one_at_a_time, in_flight=client.in_flight)
    finally:
        client.stop()


if __name__ == "__main__":
    main()
