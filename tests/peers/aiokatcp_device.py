"""A device of aiokatcp that our clients are pointed at.

    python aiokatcp_device.py PORT     prints the port it listens on, ends when its input does
"""

import asyncio
import enum
import sys

import aiokatcp


class Number(enum.Enum):
    ONE = 1
    TWO = 2


class PeerServer(aiokatcp.DeviceServer):
    VERSION = "peer-api-1.2"
    BUILD_STATE = "peer-3.4"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name, value in (("an.int", 3), ("another.int", 7)):
            sensor = aiokatcp.Sensor(int, name, "An integer.", "count")
            sensor.set_value(value, timestamp=12345.0)
            self.sensors.add(sensor)

    async def request_add(self, ctx, a: int, b: int) -> int:
        """Add two integers."""
        return a + b

    async def request_echo(self, ctx, *args: bytes) -> tuple:
        """Give back the arguments."""
        return args

    async def request_set_int(self, ctx, value: int) -> None:
        """Set the integer sensor."""
        self.sensors["an.int"].set_value(value, timestamp=23456.0, status=aiokatcp.Sensor.Status.WARN)

    async def request_change_interface(self, ctx) -> None:
        """Add a sensor of each type, and take one away."""
        for kind, name, units, value in (
                (float, "new.float", "m", 2.5),
                (bool, "new.bool", "", True),
                (Number, "new.disc", "", Number.TWO),
                (str, "new.str", "", "hello \\ there"),
                (aiokatcp.Timestamp, "new.time", "", aiokatcp.Timestamp(99.5)),
                (aiokatcp.Address, "new.address", "", aiokatcp.Address.parse(b"127.0.0.1:7148"))):
            sensor = aiokatcp.Sensor(kind, name, "A sensor.", units)
            sensor.set_value(value, timestamp=12345.0, status=aiokatcp.Sensor.Status.NOMINAL)
            self.sensors.add(sensor)
        del self.sensors["another.int"]
        self.mass_inform("interface-changed")


async def main(port):
    server = PeerServer("127.0.0.1", port)
    await server.start()
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
