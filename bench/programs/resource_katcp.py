"""Program: resource clients of ``katcp``, whichever the interpreter has, this one or 0.9.

    python resource_katcp.py PORT
"""

import logging
import sys

import tornado.gen
import tornado.ioloop

from katcp.resource_client import KATCPClientResource
from talk import clock, obey

# So many sensors get the updates of a flood, in turns.
FLOODED = 100


class Watching:
    """One resource at a time."""

    def __init__(self, port):
        self._port = port
        self._ioloop = tornado.ioloop.IOLoop()
        self._resource = None

    def sync(self, sensors):
        """Connect, get to know everything, set a strategy for each sensor."""
        return self._ioloop.run_sync(lambda: self._sync(sensors))

    async def _sync(self, sensors):
        self._flooded = min(FLOODED, sensors)
        start = clock()
        resource = KATCPClientResource(
            {"name": "device", "address": ("127.0.0.1", self._port), "controlled": True})
        resource.start()
        await resource.until_synced()
        synced = clock()
        await resource.set_sampling_strategies("", "event")
        set_up = clock()
        names = list(resource.sensor)
        if len(names) != sensors:
            raise RuntimeError("%d sensors" % len(names))
        if resource.sensor[sorted(names)[-1]].reading.value != 0:
            raise RuntimeError("A sensor has no value")
        self._resource = resource
        return {"sync": synced - start, "strategies": set_up - synced, "both": set_up - start}

    def updates(self, count):
        """Have the device send updates, and wait until they are in the sensors."""
        return self._ioloop.run_sync(lambda: self._updates(count))

    async def _updates(self, count):
        start = clock()
        reply = await self._resource.req.flood(count)
        seconds = clock() - start
        if not reply.succeeded:
            raise RuntimeError(str(reply))
        last = self._resource.sensor["sensor_%05d" % ((count - 1) % self._flooded)]
        if last.reading.value != count - 1:
            raise RuntimeError("The last update is missing")
        return {"seconds": seconds}

    def drop(self):
        """Disconnect."""
        async def stop():
            resource, self._resource = self._resource, None
            if resource is not None:
                resource.stop()
                await resource.until_stopped()

        self._ioloop.run_sync(stop)


def main():
    """Carry out orders."""
    logging.basicConfig(level=logging.ERROR)
    watching = Watching(int(sys.argv[1]))
    try:
        obey(sync=watching.sync, updates=watching.updates, drop=watching.drop)
    finally:
        watching.drop()


if __name__ == "__main__":
    main()
