"""Program: a device made with aiokatcp.

    python device_aiokatcp.py SENSORS
"""

import asyncio
import logging
import sys

import aiokatcp
from talk import allow_many_files, tell, when_over


class Device(aiokatcp.DeviceServer):
    """The same as in device_katcp.py."""

    VERSION = "benchmark-api-1.0"
    BUILD_STATE = "benchmark-1.0"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.values = [aiokatcp.Sensor(int, "sensor.%05d" % i, "A number.", "count")
                       for i in range(int(sys.argv[1]))]
        for sensor in self.values:
            self.sensors.add(sensor)
        self.rounds = 0

    async def request_add(self, ctx, a: int, b: int) -> int:
        """Add two integers."""
        return a + b

    async def request_update_all(self, ctx) -> None:
        """Give each sensor a new value."""
        self.rounds += 1
        for sensor in self.values:
            sensor.set_value(self.rounds)


async def main():
    """Run until stdin ends."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    when_over(lambda: loop.call_soon_threadsafe(over.set))
    device = Device("127.0.0.1", 0)
    await device.start()
    tell(port=device.sockets[0].getsockname()[1])
    await over.wait()
    await device.stop()


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)
    allow_many_files()
    asyncio.run(main())
