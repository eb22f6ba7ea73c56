"""Program: a device made with ``katcp``, whichever the interpreter has, this one or 0.9.

    python device_katcp.py (async | threads) SENSORS
"""

from __future__ import absolute_import, division, print_function

import logging
import sys

import tornado.ioloop

from katcp import AsyncDeviceServer, DeviceServer, Message, Sensor
from katcp.kattypes import Int, request, return_reply
from talk import allow_many_files, tell, when_over


class Parts(object):
    """What both kinds of device have."""

    VERSION_INFO = ("benchmark-api", 1, 0)
    BUILD_INFO = ("benchmark", 1, 0, "")

    def setup_sensors(self):
        """Make as many sensors as the command line wants."""
        self.values = [Sensor.integer("sensor.%05d" % i, "A number.", "count", [-1000000000, 1000000000])
                       for i in range(int(sys.argv[2]))]
        for sensor in self.values:
            self.add_sensor(sensor)
        self.rounds = 0

    @request(Int(), Int())
    @return_reply(Int())
    def request_add(self, req, a, b):
        """Add two integers."""
        return "ok", a + b

    @request()
    @return_reply()
    def request_update_all(self, req):
        """Give each sensor a new value."""
        self.rounds += 1
        for sensor in self.values:
            sensor.set_value(self.rounds)
        return ("ok",)


class AsyncDevice(Parts, AsyncDeviceServer):
    """All in one loop."""

    def on_client_connect(self, client_conn):
        """Tell the others of a client, as aiokatcp does by itself."""
        self.mass_inform(Message.inform("client-connected", "A client has connected."))
        return super(AsyncDevice, self).on_client_connect(client_conn)


class ThreadedDevice(Parts, DeviceServer):
    """As by default: a loop in a thread of its own, and handlers in another one."""

    def on_client_connect(self, client_conn):
        """Tell the others of a client, as aiokatcp does by itself."""
        self.mass_inform(Message.inform("client-connected", "A client has connected."))
        return super(ThreadedDevice, self).on_client_connect(client_conn)


def run_threads():
    """Run until stdin ends."""
    device = ThreadedDevice("127.0.0.1", 0)
    device.start(timeout=10)
    tell(port=device.bind_address[1])
    sys.stdin.read()
    device.stop()
    device.join(timeout=10)


def run_async():
    """Run until stdin ends."""
    ioloop = tornado.ioloop.IOLoop()
    device = AsyncDevice("127.0.0.1", 0)
    device.set_ioloop(ioloop)

    def start():
        device.start()
        tell(port=device.bind_address[1])

    def stop():
        device.stop()
        ioloop.call_later(0.1, ioloop.stop)

    ioloop.add_callback(start)
    when_over(lambda: ioloop.add_callback(stop))
    ioloop.start()


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)
    allow_many_files()
    {"threads": run_threads, "async": run_async}[sys.argv[1]]()
