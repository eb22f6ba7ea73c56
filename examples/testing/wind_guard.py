"""Stows an antenna while it is windy."""

from tornado import gen


class StowError(Exception):
    """The antenna could not be stowed."""


class WindGuard(object):
    """Watches the wind at a mast and looks after an antenna; both are resources."""

    WINDY = 15.0  # metres per second
    CALM_TIME = 600.0  # seconds

    def __init__(self, mast, antenna):
        self.mast = mast
        self.antenna = antenna

    @gen.coroutine
    def prepare(self):
        """Wait for the devices, and have the mast report the wind."""
        yield [self.mast.until_synced(), self.antenna.until_synced()]
        yield self.mast.set_sampling_strategy("wind_speed", "event")

    @gen.coroutine
    def ride_out_storm(self):
        """Wait for a storm, and stow the antenna until it has been calm for long enough."""
        wind = self.mast.sensor.wind_speed
        yield wind.wait(self._is_windy)
        reply = yield self.antenna.req.stow()
        if not reply.succeeded:
            raise StowError(str(reply))
        windy = True
        while windy:
            yield wind.wait(self._is_calm)
            try:
                yield wind.wait(self._is_windy, timeout=self.CALM_TIME)
            except gen.TimeoutError:
                windy = False
        yield self.antenna.req.release()

    def _is_windy(self, reading):
        return reading.value > self.WINDY

    def _is_calm(self, reading):
        return not self._is_windy(reading)
