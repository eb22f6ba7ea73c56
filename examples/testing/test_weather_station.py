"""Tests of a device: its handlers without a network, and the whole of it over one."""

import unittest

from katcp import Sensor
from katcp.testutils import (BlockingTestClient, handle_mock_req, mock_req, start_thread_with_cleanup,
                             wait_sensor)

from weather_station import WeatherStation


class TestHandlers(unittest.TestCase):
    def setUp(self):
        # It need not be started, as long as its handlers answer at once.
        self.station = WeatherStation("127.0.0.1", 0)

    def test_rain_gauge(self):
        req = mock_req("set-rain-gauge", 12.5)
        handle_mock_req(self.station, req)
        self.assertEqual(str(req.reply_msg), "!set-rain-gauge ok 12.5")
        self.assertEqual(self.station.get_sensor("rain").value(), 12.5)

    def test_rain_does_not_fall_upwards(self):
        req = mock_req("set-rain-gauge", -1)
        handle_mock_req(self.station, req)
        self.assertEqual(req.reply_msg.arguments[0], b"fail")

    def test_storm(self):
        handle_mock_req(self.station, mock_req("measure-wind", 30))
        timestamp, status, value = self.station.get_sensor("wind-speed").read()
        self.assertEqual((status, value), (Sensor.WARN, 30))


class TestOverTheNetwork(unittest.TestCase):
    def setUp(self):
        self.station = WeatherStation("127.0.0.1", 0)
        # Stopped and joined at the end of the test, whatever happens in between.
        start_thread_with_cleanup(self, self.station, start_timeout=5)
        host, port = self.station.bind_address
        self.client = BlockingTestClient(self, host, port)
        start_thread_with_cleanup(self, self.client, start_timeout=5)
        self.assertTrue(self.client.wait_protocol(timeout=5))

    def test_interface(self):
        self.client.test_sensor_list([
            ("wind-speed", "Wind, mean of the last minute.", "m/s", "float", 0, 60),
            ("rain", "Rain since midnight.", "mm", "float", 0, 500),
        ])
        self.client.test_help(["set-rain-gauge", "measure-wind", "request-timeout-hint"])

    def test_rain_gauge(self):
        self.client.test_setter_request("set-rain-gauge", "rain", float, good=[0, 12.5], bad=[-1, "much"])

    def test_storm(self):
        self.client.assert_request_succeeds("measure-wind", 30, args_equal=["30.0"])
        self.client.assert_sensor_equals("wind-speed", 30, float, status="warn")
        self.client.assert_request_fails("measure-wind", "strong", status_equals="fail")

    def test_reports(self):
        reports = self.client.message_recorder(whitelist=["sensor-status"])
        self.client.assert_request_succeeds("sensor-sampling", "wind-speed", "event")
        for speed in (5, 30):
            self.client.assert_request_succeeds("measure-wind", speed)
        values = [msg.arguments[3:] for msg in reports.get_msgs(min_number=3, timeout=5)]
        self.assertEqual(values, [[b"nominal", b"3.2"], [b"nominal", b"5.0"], [b"warn", b"30.0"]])

    def test_waiting_for_the_device(self):
        self.client.raw_send(b"?measure-wind 22\n")
        self.assertTrue(wait_sensor(self.station.get_sensor("wind-speed"), 22, timeout=5))


if __name__ == "__main__":
    unittest.main()
