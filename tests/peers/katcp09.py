"""Run by an interpreter that has katcp 0.9.3: the peer's half of test_katcp09.

    python katcp09.py serve 5.1     prints the port it listens on, ends when its input does
    python katcp09.py drive PORT    prints as JSON what a client of that library saw of the device there
"""

from __future__ import absolute_import, division, print_function

import json
import sys
import threading

import katcp
from katcp.kattypes import Int, Timestamp, request, return_reply

INFO = {
    "4": katcp.ProtocolFlags(4, 0, [katcp.ProtocolFlags.MULTI_CLIENT]),
    "5.0": katcp.ProtocolFlags(5, 0, [b"M", b"I"]),
    "5.1": katcp.ProtocolFlags(5, 1, [b"M", b"I", b"T", b"B"]),
}


def serve(version):
    major = INFO[version].major

    class Device(katcp.DeviceServer):
        VERSION_INFO = ("peer-api", 1, 2)
        BUILD_INFO = ("peer", 3, 4, "x")
        PROTOCOL_INFO = INFO[version]

        def setup_sensors(self):
            for name, value in (("an.int", 3), ("another.int", 7)):
                sensor = katcp.Sensor.integer(name, "An integer.", "count", [-50, 50])
                sensor.set(12345.0, katcp.Sensor.NOMINAL, value)
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

        @request(Int())
        @return_reply()
        def request_set_int(self, req, value):
            """Set the integer sensor."""
            self.get_sensor("an.int").set(23456.0, katcp.Sensor.WARN, value)
            return ("ok",)

        def request_echo(self, req, msg):
            """Give back the arguments."""
            return req.make_reply("ok", *msg.arguments)

    device = Device("127.0.0.1", 0)
    device.start(timeout=5)
    print(device.bind_address[1])
    sys.stdout.flush()
    sys.stdin.read()
    device.stop()
    device.join()


def drive(port):
    seen = {"status": []}
    got_value = threading.Event()

    class Client(katcp.BlockingClient):
        def unhandled_inform(self, msg):
            if msg.name == "sensor-status":
                seen["status"].append([a.decode() for a in msg.arguments])
                if msg.arguments[-1] == b"9":
                    got_value.set()

    def shown(name, *args, **kwargs):
        reply, informs = client.blocking_request(katcp.Message.request(name, *args), timeout=5, **kwargs)
        return {"ok": bool(reply.reply_ok()), "args": [a.decode("latin-1") for a in reply.arguments],
                "mid": reply.mid.decode() if reply.mid else None,
                "informs": [[a.decode() for a in i.arguments] for i in informs]}

    client = Client("127.0.0.1", port)
    client.start(timeout=5)
    client.wait_protocol(timeout=5)
    client._last_msg_id = 0
    try:
        seen["protocol"] = str(client.protocol_flags)
        seen["watchdog"] = shown("watchdog")
        seen["add"] = shown("add", 1, 2)
        seen["bad"] = shown("add", 1, "x")
        seen["unknown"] = shown("no-such-request")
        seen["echo"] = shown("echo", b"a b", b"", b"\x00\n\t\\")
        seen["later"] = shown("later", client.convert_seconds(100))
        seen["help"] = shown("help", "add")
        seen["sensor-list"] = shown("sensor-list")
        seen["sensor-value"] = shown("sensor-value", "an.int")
        seen["sampling"] = shown("sensor-sampling", "an.int", "event")
        seen["set"] = shown("set-int", 9)
        seen["got_value"] = got_value.wait(5)
        seen["no-such-sensor"] = shown("sensor-sampling", "nope", "event")
    finally:
        client.stop()
        client.join(timeout=5)
    print(json.dumps(seen))


if __name__ == "__main__":
    {"serve": serve, "drive": lambda port: drive(int(port))}[sys.argv[1]](sys.argv[2])
