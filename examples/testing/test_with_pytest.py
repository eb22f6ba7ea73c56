"""The same kinds of test as in the other files, with pytest."""

from tornado import gen

from katcp import Sensor

from weather_station import WeatherStation
from wind_guard import WindGuard

pytest_plugins = ["katcp.testutils.pytest_plugin"]


def test_storm(katcp_device, katcp_client):
    station = katcp_device(WeatherStation("127.0.0.1", 0))
    client = katcp_client(station)
    client.assert_request_succeeds("measure-wind", 30, args_equal=["30.0"])
    assert station.get_sensor("wind-speed").status() == Sensor.WARN


def request_stow(req, msg):
    """Stow the antenna."""
    return req.make_reply("ok")


def request_release(req, msg):
    """Release the antenna."""
    return req.make_reply("ok")


def test_ride_out_storm(katcp_loop, katcp_clock, katcp_fake_resource):
    mast, manager = katcp_fake_resource("mast", {"wind-speed": ("Wind speed", "m/s", "float", 0, 60)})
    antenna, _ = katcp_fake_resource("antenna", requests={"stow": request_stow, "release": request_release})
    manager.set_sensor_reading("wind-speed", 20)
    guard = WindGuard(mast, antenna)

    @gen.coroutine
    def storm():
        yield guard.prepare()
        riding = guard.ride_out_storm()
        yield katcp_clock.move(3600)
        manager.set_sensor_reading("wind-speed", 5)
        # Until the program has seen it, and waits for the calm to last.
        for _ in range(10):
            yield gen.moment
        yield katcp_clock.move(599)
        assert not riding.done()
        yield katcp_clock.move(1)
        yield riding

    katcp_loop.run(storm)
