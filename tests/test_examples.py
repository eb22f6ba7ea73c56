"""The examples do what they say."""

from __future__ import absolute_import, division, print_function

import re
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
        self.assertIn(
            "#sensor-list[1] wind-speed Wind,\\_mean\\_of\\_the\\_last\\_minute. m/s float 0.0 60.0", out)
        self.assertIn("wind-speed is 3.2 (nominal)\nwind-speed is 21.5 (warn)", out)
        station.interrupt()
        status, _, err = station.finish()
        self.assertIn("KeyboardInterrupt", err)

    def test_control_script_on_two_weather_stations(self):
        ports = [self.program("examples/weather_station.py", 0).port() for _ in range(2)]
        status, out, err = self.program("examples/control_script.py", "127.0.0.1", *ports).finish()
        self.assertEqual((status, err), (0, ""))
        self.assertIn("rain gauge of station-1: set\nrain: 4.5 mm\n", out)
        for name in ("station-1", "station-2"):
            self.assertTrue(re.search(r"wind of %s: !measure-wind\[\d+\] ok 21.5\n" % name, out))
            self.assertIn("%s_wind_speed is 21.5 (warn)\n" % name.replace("-", "_"), out)
        self.assertIn("storm everywhere: True\n", out)
