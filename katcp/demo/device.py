"""The example device: a small dish that turns, with weather around it."""

from __future__ import absolute_import, division, print_function

import math
import time

from katcp.core import AsyncReply, ProtocolFlags, Sensor
from katcp.kattypes import Float, Int, Str, request, request_timeout_hint, return_reply
from katcp.server import DeviceServer

# Seconds between two steps of the simulation, and degrees that the dish turns in one.
STEP = 0.1
TURN = 2.0


class DemoDish(DeviceServer):
    """A dish that can be pointed, stowed and watched."""

    VERSION_INFO = ("demo-dish-api", 1, 0)
    BUILD_INFO = ("demo-dish", 1, 0, "")
    PROTOCOL_INFO = ProtocolFlags(5, 1, [
        ProtocolFlags.MULTI_CLIENT, ProtocolFlags.MESSAGE_IDS, ProtocolFlags.REQUEST_TIMEOUT_HINTS,
        ProtocolFlags.BULK_SET_SENSOR_SAMPLING])

    def setup_sensors(self):
        """Make the sensors; their values are set by the simulation and by requests."""
        self._azimuth = Sensor.float("azimuth", "Where the dish points, from north.", "deg", [-180, 180])
        self._elevation = Sensor.float("elevation", "Where the dish points, above the horizon.", "deg",
                                       [0, 90])
        self._mode = Sensor.discrete("mode", "What the dish is doing.", params=["stow", "slew", "track"])
        self._on_target = Sensor.boolean("on-target", "Whether the dish points where it was told to.")
        self._wind = Sensor.float("wind-speed", "Wind at the dish.", "m/s", [0, 40])
        self._steps = Sensor.integer("steps", "Steps of the simulation so far.", "count")
        self._started = Sensor.timestamp("started", "When the device was started.")
        for sensor in (self._azimuth, self._elevation, self._mode, self._on_target, self._wind,
                       self._steps, self._started):
            self.add_sensor(sensor)
        self._azimuth.set_value(0.0)
        self._elevation.set_value(90.0)
        self._mode.set_value("stow")
        self._on_target.set_value(True)
        self._wind.set_value(3.0)
        self._target = 0.0, 90.0
        # Requests that are answered when the dish has arrived.
        self._waiting = []
        self._next_step = None

    def start(self, timeout=None):
        """Start the device and its simulation (see `DeviceServer.start`)."""
        super(DemoDish, self).start(timeout)
        self._started.set_value(time.time())
        self.ioloop.add_callback(self._step)

    def stop(self, timeout=1.0):
        """Stop the simulation and the device (see `DeviceServer.stop`)."""
        if self.ioloop is not None:
            self.ioloop.add_callback(self._stop_stepping)
        return super(DemoDish, self).stop(timeout)

    def _stop_stepping(self):
        if self._next_step is not None:
            self.ioloop.remove_timeout(self._next_step)

    def _step(self):
        self._next_step = self.ioloop.call_later(STEP, self._step)
        steps = self._steps.value() + 1
        self._steps.set_value(steps)
        speed = 8 + 6 * math.sin(steps / 11.0) + 2 * math.sin(steps / 2.3)
        self._wind.set_value(round(speed, 2), Sensor.WARN if speed > 13 else Sensor.NOMINAL)
        here = self._azimuth.value(), self._elevation.value()
        if here == self._target:
            return
        for sensor, target in zip((self._azimuth, self._elevation), self._target):
            away = target - sensor.value()
            if away:
                sensor.set_value(round(sensor.value() + max(-TURN, min(TURN, away)), 6))
        if (self._azimuth.value(), self._elevation.value()) == self._target:
            self._arrive()

    def _arrive(self):
        self._mode.set_value("stow" if self._target == (0.0, 90.0) else "track")
        self._on_target.set_value(True)
        waiting, self._waiting = self._waiting, []
        for req in waiting:
            req.reply("ok", *self._target)

    def _go(self, req, azimuth, elevation):
        """Turn towards a direction; `req` is answered on arrival. Loop thread."""
        for interrupted in self._waiting:
            interrupted.reply("fail", "Interrupted by another request.")
        self._target = azimuth, elevation
        self._waiting = [req]
        if (self._azimuth.value(), self._elevation.value()) == self._target:
            self._arrive()
        else:
            self._mode.set_value("slew")
            self._on_target.set_value(False)

    @request(Int(), Int())
    @return_reply(Int())
    def request_add(self, req, a, b):
        """Add two integers (?add a b)."""
        return "ok", a + b

    @request(Str(multiple=True))
    @return_reply(Str(multiple=True))
    def request_reverse(self, req, *words):
        """Give back the arguments in reverse order (?reverse word ...)."""
        return ("ok",) + words[::-1]

    @request_timeout_hint(20)
    @request(Float(min=-180.0, max=180.0), Float(min=0.0, max=90.0))
    def request_point(self, req, azimuth, elevation):
        """Point the dish; answered when it has arrived (?point azimuth elevation, in degrees)."""
        self.ioloop.add_callback(self._go, req, azimuth, elevation)
        raise AsyncReply

    @request_timeout_hint(20)
    def request_stow(self, req, msg):
        """Point the dish at the zenith; answered when it has arrived (?stow)."""
        self.ioloop.add_callback(self._go, req, 0.0, 90.0)
        raise AsyncReply
