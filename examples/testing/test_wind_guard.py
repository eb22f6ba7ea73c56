"""Tests of a program that controls devices, with devices that are not there and a clock moved by hand."""

import unittest

from tornado import gen, testing

from katcp import KATCPClientResource
from katcp.fake_clients import fake_KATCP_client_resource_factory
from katcp.kattypes import request, return_reply
from katcp.testutils import TimewarpAsyncTestCase

from wind_guard import StowError, WindGuard


class FakeAntenna(object):
    """What the antenna would do: methods written like the handlers of a device."""

    stuck = False
    stowed = False

    @request()
    @return_reply()
    def request_stow(self, req):
        """Stow the antenna."""
        if self.stuck:
            return ("fail", "The pins are stuck")
        self.stowed = True
        return ("ok",)

    @request()
    @return_reply()
    def request_release(self, req):
        """Release the antenna."""
        self.stowed = False
        return ("ok",)


class TestWindGuard(TimewarpAsyncTestCase):
    def setUp(self):
        super(TestWindGuard, self).setUp()
        mast, self.mast_manager = self.fake_resource("mast")
        self.mast_manager.add_sensors({"wind-speed": ("Wind speed", "m/s", "float", 0, 60)})
        self.mast_manager.set_sensor_reading("wind-speed", 3)
        antenna, manager = self.fake_resource("antenna")
        self.antenna = FakeAntenna()
        manager.add_request_handlers_object(self.antenna)
        self.guard = WindGuard(mast, antenna)

    def fake_resource(self, name):
        resource, manager = fake_KATCP_client_resource_factory(
            KATCPClientResource, {}, dict(name=name, address=("nowhere", 5000), controlled=True))
        resource.set_ioloop(self.io_loop)
        resource.start()
        self.addCleanup(resource.stop)
        return resource, manager

    @gen.coroutine
    def set_wind(self, speed):
        # As if the device had reported it.
        self.mast_manager.set_sensor_reading("wind-speed", speed)
        # Nothing comes from a network here: what there is to do is done within a few turns of the loop.
        for _ in range(10):
            yield gen.moment

    @testing.gen_test
    def test_stowed_when_windy(self):
        yield self.guard.prepare()
        self.guard.ride_out_storm()
        yield self.set_wind(10)
        self.assertFalse(self.antenna.stowed)
        yield self.set_wind(20)
        self.assertTrue(self.antenna.stowed)

    # The timeout counts seconds of the clock that the test moves.
    @testing.gen_test(timeout=10000)
    def test_released_when_calm_for_long_enough(self):
        yield self.guard.prepare()
        riding = self.guard.ride_out_storm()
        yield self.set_wind(20)
        yield self.set_wind(10)
        yield self.set_ioloop_time(599)
        self.assertTrue(self.antenna.stowed)
        yield self.set_wind(20)
        yield self.set_ioloop_time(1000)
        yield self.set_wind(10)
        yield self.set_ioloop_time(1599)
        self.assertTrue(self.antenna.stowed)
        yield self.set_ioloop_time(1601)
        yield riding
        self.assertFalse(self.antenna.stowed)

    @testing.gen_test
    def test_stuck(self):
        yield self.guard.prepare()
        riding = self.guard.ride_out_storm()
        self.antenna.stuck = True
        yield self.set_wind(20)
        with self.assertRaises(StowError):
            yield riding


if __name__ == "__main__":
    unittest.main()
