"""Run by an interpreter that has katcp 0.9.3: the peer's half of test_katcp09.

    python katcp09.py PORT     prints as JSON what a client of that library saw of the device there
"""

from __future__ import absolute_import, division, print_function

import json
import sys
import threading

import katcp


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
    drive(int(sys.argv[1]))
