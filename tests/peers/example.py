"""The device that peers' clients are pointed at; with katcp 0.9.3 beneath it, that which our clients are.

    python example.py VERSION PORT     prints the port it listens on, ends when its input does
"""

from __future__ import absolute_import, division, print_function

import sys

from katcp.core import Message, ProtocolFlags, Sensor
from katcp.kattypes import Int, Timestamp, request, request_timeout_hint, return_reply
from katcp.server import DeviceServer

FLAGS = {
    "4": ProtocolFlags(4, 0, [ProtocolFlags.MULTI_CLIENT]),
    "5.0": ProtocolFlags(5, 0, [b"M", b"I"]),
    "5.1": ProtocolFlags(5, 1, [b"M", b"I", b"T", b"B"]),
}


def make_device(version, threaded=True, port=0):
    """Return an unstarted device that speaks `version`; by default the port is chosen at its start."""
    major = FLAGS[version].major

    class Device(DeviceServer):
        VERSION_INFO = ("peer-api", 1, 2)
        BUILD_INFO = ("peer", 3, 4, "x")
        PROTOCOL_INFO = FLAGS[version]

        def setup_sensors(self):
            for name, value in (("an.int", 3), ("another.int", 7)):
                sensor = Sensor.integer(name, "An integer.", "count", [-50, 50])
                sensor.set(12345.0, Sensor.NOMINAL, value)
                self.add_sensor(sensor)

        @request(Int(), Int())
        @return_reply(Int())
        def request_add(self, req, a, b):
            """Add two integers."""
            return "ok", a + b

        @request(Timestamp(), major=major)
        @return_reply(Timestamp(), major=major)
        def request_later(self, req, when):
            """A time one second later."""
            return "ok", when + 1

        @request_timeout_hint(30)
        @request(Int())
        @return_reply()
        def request_set_int(self, req, value):
            """Set the integer sensor."""
            self.get_sensor("an.int").set(23456.0, Sensor.WARN, value)
            return ("ok",)

        def request_echo(self, req, msg):
            """Give back the arguments."""
            return req.make_reply("ok", *msg.arguments)

        @request()
        @return_reply()
        def request_change_interface(self, req):
            """Add a sensor of each type, and take one away."""
            for sensor, value in (
                    (Sensor.float("new.float", "A float.", "m"), 2.5),
                    (Sensor.boolean("new.bool", "A boolean."), True),
                    (Sensor.discrete("new.disc", "A discrete.", "", ["one", "two"]), "two"),
                    (Sensor.string("new.str", "A string."), "hello \\ there"),
                    (Sensor.timestamp("new.time", "A time."), 99.5),
                    (Sensor.address("new.address", "An address."), ("127.0.0.1", 7148))):
                sensor.set(12345.0, Sensor.NOMINAL, value)
                self.add_sensor(sensor)
            self.remove_sensor("another.int")
            self.mass_inform(Message.inform("interface-changed"))
            return ("ok",)

    device = Device("127.0.0.1", port)
    if not threaded:
        device.set_concurrency_options(thread_safe=False, handler_thread=False)
    return device


def serve(version, port):
    device = make_device(version, port=int(port))
    device.start(timeout=5)
    print(device.bind_address[1])
    sys.stdout.flush()
    sys.stdin.read()
    device.stop()
    device.join()


if __name__ == "__main__":
    serve(*sys.argv[1:])
