"""A device with native coroutines as request handlers, on the loop of the program (Python 3).

    python async_device.py [PORT]
"""

import asyncio
import signal
import sys

from katcp import AsyncDeviceServer, Sensor
from katcp.kattypes import Float, concurrent_reply, request, return_reply


class Heater(AsyncDeviceServer):
    VERSION_INFO = ("heater-api", 1, 0)
    BUILD_INFO = ("heater", 1, 0, "")

    def setup_sensors(self):
        self.temperature = Sensor.float("temperature", "Temperature of the plate.", "degC", [0, 100])
        self.add_sensor(self.temperature)
        self.temperature.set_value(20.0)

    @concurrent_reply
    @request(Float(min=0.0, max=100.0))
    @return_reply(Float())
    async def request_heat(self, req, target):
        """Heat the plate, a degree every 10 ms; other requests go on meanwhile (?heat degrees)."""
        while self.temperature.value() < target:
            await asyncio.sleep(0.01)
            self.temperature.set_value(self.temperature.value() + 1)
        return "ok", self.temperature.value()

    async def request_cool(self, req, msg):
        """Open the lid (?cool)."""
        self.temperature.set_value(20.0)
        return req.make_reply("ok")


async def main(port):
    heater = Heater("127.0.0.1", port)
    heater.start()
    print("listening on {}:{}".format(*heater.bind_address))
    sys.stdout.flush()
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stopping.set)
    await stopping.wait()
    await asyncio.wrap_future(heater.stop())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000))
