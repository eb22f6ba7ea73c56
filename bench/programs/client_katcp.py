"""Program: a client made with ``katcp``, whichever the interpreter has, this one or 0.9.

    python client_katcp.py (async | blocking) PORT
"""

import logging
import sys

import tornado.gen
import tornado.ioloop

from katcp import AsyncClient, BlockingClient, Message
from talk import allow_many_files, clock, obey


class Async:
    """In the loop."""

    def __init__(self, port):
        self._port = port
        self._ioloop = tornado.ioloop.IOLoop()
        self._crowd = []
        self._client = self._ioloop.run_sync(self._connected)

    async def _connected(self):
        client = AsyncClient("127.0.0.1", self._port)
        client.set_ioloop(self._ioloop)
        client.start()
        await client.until_protocol()
        return client

    def one_at_a_time(self, count):
        """Send one request after the other."""
        return self.in_flight(count, 1)

    def in_flight(self, count, window):
        """Keep `window` requests in flight."""
        async def worker():
            request = self._client.future_request
            for _ in range(count // window):
                reply, _ = await request(Message.request("add", 1, 2))
                if not reply.reply_ok():
                    raise RuntimeError(str(reply))

        async def workers():
            start = clock()
            await tornado.gen.multi([worker() for _ in range(window)])
            return clock() - start

        return {"seconds": self._ioloop.run_sync(workers)}

    def more(self, count):
        """Connect more clients."""
        async def connect():
            self._crowd += await tornado.gen.multi([self._connected() for _ in range(count)])

        self._ioloop.run_sync(connect)

    def stop(self):
        """Disconnect."""
        async def stop():
            for client in self._crowd + [self._client]:
                client.stop()
            for client in self._crowd + [self._client]:
                await client.until_stopped()

        self._ioloop.run_sync(stop)

    def close(self):
        """Disconnect, and close the loop."""
        self.stop()
        self._ioloop.close()


class Blocking:
    """From a thread that waits."""

    def __init__(self, port):
        self._client = BlockingClient("127.0.0.1", port)
        self._client.start(timeout=10)
        self._client.wait_protocol(timeout=10)

    def one_at_a_time(self, count):
        """Send one request after the other."""
        request = self._client.blocking_request
        start = clock()
        for _ in range(count):
            reply, _ = request(Message.request("add", 1, 2))
            if not reply.reply_ok():
                raise RuntimeError(str(reply))
        return {"seconds": clock() - start}

    in_flight = more = None

    def stop(self):
        """Disconnect."""
        self._client.stop()
        self._client.join(timeout=10)


def main():
    """Carry out orders."""
    logging.basicConfig(level=logging.ERROR)
    allow_many_files()
    client = {"async": Async, "blocking": Blocking}[sys.argv[1]](int(sys.argv[2]))
    try:
        obey(one_at_a_time=client.one_at_a_time, in_flight=client.in_flight, more=client.more)
    finally:
        client.stop()


if __name__ == "__main__":
    main()
