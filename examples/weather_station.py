"""A weather station: a device with sensors and a request, in the default concurrency mode.

    python weather_station.py [PORT]
"""

from __future__ import absolute_import, division, print_function

import sys

from katcp import DeviceServer, ProtocolFlags, Sensor
from katcp.kattypes import Float, request, return_reply


class WeatherStation(DeviceServer):
    VERSION_INFO = ("weather-api", 1, 0)
    BUILD_INFO = ("weather-station", 1, 0, "")
    PROTOCOL_INFO = ProtocolFlags(5, 1, [
        ProtocolFlags.MULTI_CLIENT, ProtocolFlags.MESSAGE_IDS,
        ProtocolFlags.REQUEST_TIMEOUT_HINTS, ProtocolFlags.BULK_SET_SENSOR_SAMPLING])

    def setup_sensors(self):
        self.wind = Sensor.float("wind-speed", "Wind, mean of the last minute.", "m/s", [0, 60])
        self.rain = Sensor.float("rain", "Rain since midnight.", "mm", [0, 500])
        self.add_sensor(self.wind)
        self.add_sensor(self.rain)
        self.wind.set_value(3.2)

    @request(Float(min=0.0))
    @return_reply(Float())
    def request_set_rain_gauge(self, req, height):
        """Set the rain gauge after it was emptied (?set-rain-gauge millimetres)."""
        self.rain.set_value(height)
        return "ok", height

    @request(Float(min=0.0))
    @return_reply(Float())
    def request_measure_wind(self, req, speed):
        """Feed in a measurement of the wind (?measure-wind metres-per-second)."""
        self.wind.set_value(speed, Sensor.WARN if speed > 15 else Sensor.NOMINAL)
        return "ok", speed


def main(port):
    station = WeatherStation("127.0.0.1", port)
    station.start(timeout=5)
    print("listening on {}:{}".format(*station.bind_address))
    sys.stdout.flush()
    try:
        # Until somebody sends ?halt. The loop is for Python 2, where a wait without an end
        # cannot be interrupted.
        while station.running():
            station.join(timeout=1)
    finally:
        station.stop()
        station.join()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
