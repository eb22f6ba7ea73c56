"""The examples do what they say."""

from __future__ import absolute_import, division, print_function

import unittest

from tests.support.programs import Program


class TestExamples(unittest.TestCase):
    def program(self, *args):
        program = Program(*args)
        self.addCleanup(program.kill)
        return program

    def test_blocking_client_on_weather_station(self):
        station = self.program("examples/weather_station.py", 0)
        port = station.port()
        status, out, err = self.program("examples/blocking_client.py", "127.0.0.1", port).finish()
        self.assertEqual((status, err), (0, ""))
        self.assertIn("#sensor-list[1] wind-speed Wind,\\_mean\\_of\\_the\\_last\\_minute. m/s float 0.0 60.0", out)
        self.assertIn("wind-speed is 3.2 (nominal)\nwind-speed is 21.5 (warn)", out)
        station.interrupt()
        status, _, err = station.finish()
        self.assertIn("KeyboardInterrupt", err)
