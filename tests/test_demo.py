"""``python -m katcp demo`` in all its faces, as processes of their own."""

from __future__ import absolute_import, division, print_function

import re
import socket
import unittest

from katcp.__main__ import main
from tests.support import mock
from tests.support.programs import Program


class TestDemo(unittest.TestCase):
    def program(self, *args):
        program = Program("-m", "katcp", "demo", *args)
        self.addCleanup(program.kill)
        return program

    def listener(self):
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.1", 0))
        return listener

    def test_device_and_client_in_one(self):
        status, out, err = self.program("--seconds", "1").finish()
        self.assertEqual((status, err), (0, ""))
        self.assertIn("KATCP 5.1-BIMT", out)
        self.assertIn("?point", out)
        self.assertIn("?add 1 2", out)
        self.assertIn("-> ok 3", out)
        self.assertIn("-> fail Error in parameter 2 (b)", out)
        for sensor in ("mode", "on-target", "wind-speed", "steps", "azimuth"):
            self.assertTrue(re.search(r" s  {} +(nominal|warn|unknown)".format(sensor), out), sensor)
        self.assertIn("dish.req.add(40, 2)               -> !add[4] ok 42\n", out)
        self.assertIn("dish.sensor.mode.wait('stow')     -> True\n", out)
        self.assertTrue(out.endswith("done\n"))

    def test_serve_and_connect(self):
        server = self.program("--serve")
        port = server.port()
        status, out, err = self.program("--connect", "127.0.0.1:%d" % port, "--seconds", "0.5").finish()
        self.assertEqual((status, err), (0, ""))
        self.assertIn("connected to 127.0.0.1:%d, KATCP 5.1-BIMT" % port, out)
        self.assertIn("demo-dish-api-1.0 demo-dish-1.0", out)
        self.assertIn("wind-speed", out)
        server.interrupt()
        self.assertEqual(server.finish()[0], 0)

    def test_reader_that_has_seen_enough(self):
        program = self.program("--seconds", "0.1")
        program.line()
        program.close_output()
        status, _, err = program.finish()
        self.assertEqual((status, err), (1, ""))

    def test_port_taken(self):
        listener = self.listener()
        listener.listen(1)
        port = listener.getsockname()[1]
        status, _, err = self.program("--serve", "--port", port).finish()
        self.assertEqual(status, 1)
        self.assertIn("error: cannot listen on 127.0.0.1:%d: " % port, err)
        self.assertNotIn("Traceback", err)

    def test_connection_refused(self):
        port = self.listener().getsockname()[1]
        status, _, err = self.program("--connect", "127.0.0.1:%d" % port).finish()
        self.assertEqual(status, 1)
        self.assertIn("error: cannot connect to 127.0.0.1:%d: Connection refused" % port, err)

    def test_not_a_katcp_device(self):
        listener = self.listener()
        listener.listen(5)
        program = self.program("--connect", "127.0.0.1:%d" % listener.getsockname()[1])
        # Like a web server: whatever comes is an error, and it hangs up.
        probe, _ = listener.accept()
        self.addCleanup(probe.close)
        connection, _ = listener.accept()
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()
        status, _, err = program.finish()
        self.assertEqual(status, 1)
        self.assertIn("does not answer as a KATCP device", err)

    def test_bad_arguments(self):
        status, _, err = self.program("--connect", "nowhere").finish()
        self.assertEqual(status, 2)
        self.assertIn("usage:", err)
        self.assertIn("invalid HOST:PORT value: 'nowhere'", err)
        for args in (["--connect", ":5000"], ["--port", "99999"], ["--seconds", "nan"],
                     ["--serve", "--connect", "a:1"]):
            with mock.patch("argparse.ArgumentParser.error", side_effect=SystemExit) as error:
                self.assertRaises(SystemExit, main, ["demo"] + args)
            self.assertEqual(error.call_count, 1)
