"""The device that peers' clients are pointed at."""

from __future__ import absolute_import, division, print_function

from katcp.core import ProtocolFlags, Sensor
from katcp.kattypes import Int, Timestamp, request, request_timeout_hint, return_reply
from katcp.server import DeviceServer

FLAGS = {
    "4": ProtocolFlags(4, 0, [ProtocolFlags.MULTI_CLIENT]),
    "5.0": ProtocolFlags(5, 0, [b"M", b"I"]),
    "5.1": ProtocolFlags(5, 1, [b"M", b"I", b"T", b"B"]),
}


def make_device(version, threaded=True):
    """Return an unstarted device that speaks `version`, on a port to be chosen at its start."""
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

    device = Device("127.0.0.1", 0)
    if not threaded:
        device.set_concurrency_options(thread_safe=False, handler_thread=False)
    return device


