"""A control program with native coroutines: a resource client for the heater of async_device.py.

Needs Python 3.7 and tornado 5 or later.

    python asyncio_control.py HOST PORT
"""

import asyncio
import sys

from katcp import KATCPClientResource


async def main(host, port):
    heater = KATCPClientResource({"name": "heater", "address": (host, port), "controlled": True})
    # Strategies and listeners may be set before there is a connection; they survive reconnections.
    await heater.set_sampling_strategy("temperature", "event")
    heater.start()
    try:
        await heater.until_synced(timeout=5)
        temperature = heater.sensor.temperature
        print("{} {}".format(temperature.value, temperature.units))
        # The request takes its time. Meanwhile, wait for the sensor.
        heating = asyncio.ensure_future(ask(heater.req.heat, 30))
        await temperature.wait(lambda reading: reading.value >= 25, timeout=5)
        print("half of the way")
        print("heat: {}".format(await heating))
        # Many at once.
        replies = await asyncio.gather(heater.req.watchdog(), heater.req.cool())
        print("all succeeded: {}".format(all(replies)))
        await temperature.wait(20.0, timeout=5)
        print("cold again")
    finally:
        heater.stop()
        await heater.until_stopped()


async def ask(request, *args):
    """Call a request; raise what the device says, if that is not ok."""
    reply = await request(*args)
    if not reply.succeeded:
        raise RuntimeError(str(reply))
    return reply.reply.arguments[1].decode()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
