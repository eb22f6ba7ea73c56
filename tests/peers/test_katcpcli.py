"""katcpcli, the text client, in a pseudo-terminal on our server."""

from __future__ import absolute_import, division, print_function

import os
import pty
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from tests.peers.example import make_device


class TestKatcpcli(unittest.TestCase):
    def start(self, port):
        home = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, home)
        self.terminal, slave = pty.openpty()
        self.addCleanup(os.close, self.terminal)
        self.shown = b""
        process = subprocess.Popen(
            [sys.executable, "-m", "katcpcli.main", "--nofs", "127.0.0.1:%d" % port],
            stdin=slave, stdout=slave, stderr=slave, env=dict(os.environ, TERM="dumb", HOME=home))
        os.close(slave)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def wait_for(self, text):
        # It redraws a clock every second, so silence is no sign.
        deadline = time.monotonic() + 20
        while text not in self.shown:
            ready, _, _ = select.select([self.terminal], [], [], max(0, deadline - time.monotonic()))
            self.assertTrue(ready, "{!r} did not come; shown: {!r}".format(text, self.shown))
            self.shown += os.read(self.terminal, 65536)
            self.assertLess(time.monotonic(), deadline, "{!r} did not come".format(text))

    def ask(self, command, answer):
        self.shown = b""
        os.write(self.terminal, command + b"\r")
        self.wait_for(answer)

    def test_requests_and_sensors(self):
        device = make_device("5.1")
        device.start(timeout=5)
        self.addCleanup(device.join, timeout=5)
        self.addCleanup(device.stop)
        self.start(device.bind_address[1])
        self.wait_for(b"established")
        self.ask(b"?watchdog", b"!watchdog")
        self.ask(b"?add 40 2", b"42")
        self.ask(b"?sensor-value an.int", b"NOMINAL")
        self.ask(b"?help add", b"Add two integers.")
