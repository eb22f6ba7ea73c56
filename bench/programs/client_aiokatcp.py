"""Program: a client made with aiokatcp.

    python client_aiokatcp.py PORT
"""

import asyncio
import sys

import aiokatcp
from talk import allow_many_files, clock, obey


class Client:
    """The same as in client_katcp.py."""

    def __init__(self, port):
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._crowd = []
        self._client = self._loop.run_until_complete(self._connected())

    async def _connected(self):
        return await aiokatcp.Client.connect("127.0.0.1", self._port)

    def one_at_a_time(self, count):
        """Send one request after the other."""
        return self.in_flight(count, 1)

    def in_flight(self, count, window):
        """Keep `window` requests in flight."""
        async def worker():
            request = self._client.request
            for _ in range(count // window):
                await request("add", 1, 2)

        async def workers():
            start = clock()
            await asyncio.gather(*[worker() for _ in range(window)])
            return clock() - start

        return {"seconds": self._loop.run_until_complete(workers())}

    def more(self, count):
        """Connect more clients."""
        async def connect():
            self._crowd += await asyncio.gather(*[self._connected() for _ in range(count)])

        self._loop.run_until_complete(connect())

    def stop(self):
        """Disconnect."""
        async def stop():
            for client in self._crowd + [self._client]:
                client.close()
            for client in self._crowd + [self._client]:
                await client.wait_closed()

        self._loop.run_until_complete(stop())
        self._loop.close()


def main():
    """Carry out orders."""
    allow_many_files()
    client = Client(int(sys.argv[1]))
    try:
        obey(one_at_a_time=client.one_at_a_time, in_flight=client.in_flight, more=client.more)
    finally:
        client.stop()


if __name__ == "__main__":
    main()
