"""An old weather mast, which speaks version 4 of the protocol: its times are in milliseconds."""

from __future__ import absolute_import, division, print_function

import functools

from katcp import DeviceServer, ProtocolFlags, Sensor
from katcp.kattypes import Float, Timestamp, request, return_reply

request = functools.partial(request, major=4)
return_reply = functools.partial(return_reply, major=4)


class WeatherMast(DeviceServer):
    """Measures the wind."""

    VERSION_INFO = ("weather-mast", 1, 4)
    BUILD_INFO = ("mast", 1, 0, "")
    PROTOCOL_INFO = ProtocolFlags(4, 0, [ProtocolFlags.MULTI_CLIENT])

    def setup_sensors(self):
        self._wind = Sensor.float("wind-speed", "Mean wind speed", "m/s", [0.0, 60.0])
        self.add_sensor(self._wind)
        self._wind.set(1234.5, Sensor.NOMINAL, 3.5)

    @request(Timestamp(), Float())
    @return_reply(Timestamp())
    def request_wind(self, req, when, speed):
        """Say how windy it was, and when."""
        self._wind.set(when, Sensor.WARN if speed > 10 else Sensor.NOMINAL, speed)
        return ("ok", when)
