"""Program: what aiokatcp has in place of resource clients, its sensor watcher.

    python resource_aiokatcp.py PORT
"""

import asyncio
import sys

import aiokatcp
from talk import clock, obey

# So many sensors get the updates of a flood, in turns.
FLOODED = 100


class Watching:
    """The same as in resource_katcp.py; but a watcher is synced when its strategies are set."""

    def __init__(self, port):
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._client = self._watcher = None

    def sync(self, sensors):
        """Connect, get to know everything, set a strategy for each sensor."""
        return self._loop.run_until_complete(self._sync(sensors))

    async def _sync(self, sensors):
        self._flooded = min(FLOODED, sensors)
        start = clock()
        self._client = aiokatcp.Client("127.0.0.1", self._port)
        self._watcher = aiokatcp.SensorWatcher(self._client)
        self._client.add_sensor_watcher(self._watcher)
        await self._watcher.synced.wait()
        seconds = clock() - start
        if len(self._watcher.sensors) != sensors:
            raise RuntimeError("%d sensors" % len(self._watcher.sensors))
        if self._watcher.sensors["sensor.%05d" % (sensors - 1)].value != 0:
            raise RuntimeError("A sensor has no value")
        return {"sync": seconds, "strategies": seconds, "both": seconds}

    def updates(self, count):
        """Have the device send updates, and wait until they are in the sensors."""
        return self._loop.run_until_complete(self._updates(count))

    async def _updates(self, count):
        start = clock()
        await self._client.request("flood", count)
        seconds = clock() - start
        if self._watcher.sensors["sensor.%05d" % ((count - 1) % self._flooded)].value != count - 1:
            raise RuntimeError("The last update is missing")
        return {"seconds": seconds}

    def drop(self):
        """Disconnect."""
        async def close():
            client, self._client = self._client, None
            if client is not None:
                client.close()
                await client.wait_closed()

        self._loop.run_until_complete(close())


def main():
    """Carry out orders."""
    watching = Watching(int(sys.argv[1]))
    try:
        obey(sync=watching.sync, updates=watching.updates, drop=watching.drop)
    finally:
        watching.drop()


if __name__ == "__main__":
    main()
