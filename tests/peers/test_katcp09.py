"""katcp 0.9.3, in an interpreter of its own, as client of our server and as server of our client."""

from __future__ import absolute_import, division, print_function

import json
import os
import subprocess
import threading
import unittest

from katcp.client import BlockingClient
from katcp.core import Message
from tests.peers.example import make_device

HERE = os.path.dirname(os.path.abspath(__file__))


class Peer(object):
    """A run of a program beside this file in the peer's interpreter."""

    def __init__(self, program, *args):
        # The peer must import its own katcp, not this checkout's.
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.process = subprocess.Popen(
            [os.environ["KATCP_PEER_PYTHON"], os.path.join(HERE, program)] + list(args), cwd=HERE, env=env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def finish(self):
        """End its input and return its output, a native str."""
        out, err = self.process.communicate()
        if self.process.returncode:
            raise AssertionError(err.decode("utf-8", "replace"))
        return out.decode("ascii")


class TestItsClientOnOurServer(unittest.TestCase):
    maxDiff = None

    def drive(self, version, threaded):
        device = make_device(version, threaded)
        device.start(timeout=5)
        self.addCleanup(device.join, timeout=5)
        self.addCleanup(device.stop)
        seen = json.loads(Peer("katcp09.py", str(device.bind_address[1])).finish())
        v5 = version != "4"
        times = ("12345.000000", "23456.000000") if v5 else ("12345000", "23456000")
        sampled = seen["sampling"], seen["set"]
        self.assertEqual(seen["protocol"], {"4": "4.0", "5.0": "5.0-IM", "5.1": "5.1-BIMT"}[version])
        self.assertEqual([r["mid"] for r in (seen["watchdog"],) + sampled],
                         ["1", "10", "11"] if v5 else [None] * 3)
        self.assertEqual(seen["add"]["args"], ["ok", "3"])
        self.assertEqual(seen["bad"]["args"][0], "fail")
        self.assertIn("Error in parameter 2 (b): Could not parse value", seen["bad"]["args"][1])
        self.assertEqual(seen["unknown"]["args"], ["invalid", "Unknown request."])
        self.assertEqual(seen["echo"]["args"], ["ok", "a b", "", "\x00\n\t\\"])
        self.assertEqual(seen["later"]["args"], ["ok", "101.000000" if v5 else "101000"])
        self.assertEqual(seen["help"]["informs"], [["add", "Add two integers."]])
        self.assertEqual(seen["sensor-list"]["informs"], [
            [name, "An integer.", "count", "integer", "-50", "50"] for name in ("an.int", "another.int")])
        self.assertEqual(seen["sensor-value"]["informs"], [[times[0], "1", "an.int", "nominal", "3"]])
        self.assertEqual(seen["sampling"]["args"], ["ok", "an.int", "event"])
        self.assertTrue(seen["got_value"])
        self.assertEqual(seen["status"], [[times[0], "1", "an.int", "nominal", "3"],
                                          [times[1], "1", "an.int", "warn", "9"]])
        self.assertEqual(seen["no-such-sensor"]["args"][0], "fail")

    def test_v4(self):
        self.drive("4", threaded=True)

    def test_v4_in_the_loop(self):
        self.drive("4", threaded=False)

    def test_v50(self):
        self.drive("5.0", threaded=True)

    def test_v50_in_the_loop(self):
        self.drive("5.0", threaded=False)

    def test_v51(self):
        self.drive("5.1", threaded=True)

    def test_v51_in_the_loop(self):
        self.drive("5.1", threaded=False)


class StatusRecorder(BlockingClient):
    """A client that keeps the values of the sensor-status informs and tells when a 9 came."""

    def __init__(self, *args, **kwargs):
        super(StatusRecorder, self).__init__(*args, **kwargs)
        self.values = []
        self.got_nine = threading.Event()

    def inform_sensor_status(self, msg):
        """Record the value."""
        self.values.append(msg.arguments[-1])
        if msg.arguments[-1] == b"9":
            self.got_nine.set()


class TestOurClientOnItsServer(unittest.TestCase):
    def drive(self, version, protocol):
        peer = Peer("example.py", version, "0")
        self.addCleanup(peer.finish)
        port = int(peer.process.stdout.readline())
        client = StatusRecorder("127.0.0.1", port)
        client.start(timeout=5)
        self.addCleanup(client.join, timeout=5)
        self.addCleanup(client.stop)
        self.assertTrue(client.wait_protocol(timeout=5))
        v5 = version != "4"

        def ask(name, *args):
            reply, informs = client.blocking_request(Message.request(name, *args), timeout=5)
            self.assertEqual(reply.mid is not None, v5)
            return reply.arguments, [inform.arguments for inform in informs]

        self.assertEqual(str(client.protocol_flags), protocol)
        self.assertEqual(ask("watchdog"), ([b"ok"], []))
        self.assertEqual(ask("add", 1, 2), ([b"ok", b"3"], []))
        self.assertEqual(ask("echo", b"a b", b"", b"\x00\n\t\\"), ([b"ok", b"a b", b"", b"\x00\n\t\\"], []))
        self.assertEqual(ask("later", client.convert_seconds(100)),
                         ([b"ok", b"101.000000" if v5 else b"101000"], []))
        self.assertEqual(ask("help", "add"), ([b"ok", b"1"], [[b"add", b"Add two integers."]]))
        self.assertEqual(ask("no-such")[0], [b"invalid", b"Unknown request."])
        timestamp = b"12345.000000" if v5 else b"12345000"
        self.assertEqual(ask("sensor-value", "/an/"), ([b"ok", b"2"], [
            [timestamp, b"1", b"an.int", b"nominal", b"3"],
            [timestamp, b"1", b"another.int", b"nominal", b"7"]]))
        self.assertEqual(ask("sensor-sampling", "an.int", "event")[0], [b"ok", b"an.int", b"event"])
        if version == "5.1":
            self.assertEqual(ask("sensor-sampling", "an.int,another.int", "auto")[0],
                             [b"ok", b"an.int,another.int", b"auto"])
        self.assertEqual(ask("set-int", 9)[0], [b"ok"])
        self.assertTrue(client.got_nine.wait(5))
        self.assertEqual(client.values, [b"3", b"3", b"7", b"9"] if version == "5.1" else [b"3", b"9"])

    def test_v4(self):
        self.drive("4", "4.0")

    def test_v50(self):
        self.drive("5.0", "5.0-IM")

    def test_v51(self):
        self.drive("5.1", "5.1-BIMT")
