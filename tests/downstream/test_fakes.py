"""The control programs against antennas that are not there: no socket, no thread, no device."""

from __future__ import absolute_import, division, print_function

import logging

from tornado import gen, testing

from katcp import KATCPClientResource, KATCPClientResourceContainer, Sensor
from katcp.fake_clients import (FakeInspectingClientManager, fake_inspecting_client_factory,
                                fake_KATCP_client_resource_container_factory,
                                fake_KATCP_client_resource_factory)
from katcp.inspecting_client import InspectingClientAsync
from katcp.kattypes import Discrete, Float, Int, Str, request, return_reply
from katcp.testutils import SensorComparisonMixin, TestLogHandler, TestUtilMixin

from acu.control import AntennaControl, ControlError, antenna_spec

log_handler = TestLogHandler()


def setUpModule():
    logging.getLogger("katcp").addHandler(log_handler)


def tearDownModule():
    logging.getLogger("katcp").removeHandler(log_handler)


LIMIT = 10

NOWHERE = ("nowhere.example.org", 5000)

SENSORS = {
    "pos.error": ("Distance from the requested position", "deg", "float"),
    "pos.actual-azim": ("Actual azimuth", "deg", "float", -185, 275),
    "mode": ("What the antenna is doing", "", "discrete", b"stop", b"slew", b"track", b"stow"),
    "command-count": ("Number of commands accepted", "", "integer", 0, 1000),
}


class FakeRequests(object):
    """What the antenna would do."""

    def __init__(self):
        self.slews = []
        self.refuse = None

    @request(Float(), Float())
    @return_reply(Float(), Float())
    def request_slew(self, req, azim, elev):
        """Move the antenna."""
        if self.refuse:
            return ("fail", self.refuse)
        req.inform("moving")
        self.slews.append((azim, elev))
        return ("ok", azim, elev)

    @request(Discrete(("stop", "slew", "track", "stow")))
    @return_reply(Str())
    @gen.coroutine
    def request_mode(self, req, mode):
        """Set the mode."""
        yield gen.moment
        raise gen.Return(("ok", mode))

    def request_stow(self, req, msg):
        """Stow the antenna."""
        return req.make_reply("ok", "pins in", len(msg.arguments))

    @request(Int(), Int())
    @return_reply(Int())
    def request_add_test(self, req, a, b):
        """Add numbers, and multiply them on the way."""
        req.inform(a, b, a * b)
        return ("ok", a + b)


class TestFakeAntenna(testing.AsyncTestCase):
    def setUp(self):
        super(TestFakeAntenna, self).setUp()
        self.antenna, self.manager = fake_KATCP_client_resource_factory(
            KATCPClientResource, {}, antenna_spec(NOWHERE, "antenna"))
        self.control = AntennaControl(self.antenna)
        self.antenna.start()
        self.requests = FakeRequests()
        self.manager.add_sensors(SENSORS)
        self.manager.add_request_handlers_object(self.requests)

    def tearDown(self):
        self.antenna.stop()
        self.io_loop.run_sync(self.antenna.until_stopped, timeout=LIMIT)
        super(TestFakeAntenna, self).tearDown()

    @testing.gen_test(timeout=LIMIT)
    def test_model(self):
        yield self.antenna.until_synced()
        self.assertEqual(sorted(dict.keys(self.antenna.sensor)),
                         ["command_count", "mode", "pos_actual_azim", "pos_error"])
        self.assertEqual(sorted(dict.keys(self.antenna.req)),
                         ["add_test", "help", "mode", "sensor_list", "slew", "stow"])
        self.assertEqual(self.antenna.req.slew.description, "Move the antenna.")
        self.assertEqual(self.antenna.sensor.pos_actual_azim.units, "deg")
        self.assertEqual(sorted(self.manager.fake_sensor_infos), sorted(SENSORS))

    @testing.gen_test(timeout=LIMIT)
    def test_slew(self):
        yield self.control.prepare(LIMIT)
        self.assertEqual((yield self.control.slew(20, 30)), (20, 30))
        self.assertEqual(self.requests.slews, [(20, 30)])
        self.requests.refuse = "Birds on the dish"
        with self.assertRaises(ControlError) as raised:
            yield self.control.slew(40, 30)
        self.assertEqual(str(raised.exception), "Birds on the dish")
        self.assertEqual(self.requests.slews, [(20, 30)])

    @testing.gen_test(timeout=LIMIT)
    def test_stow(self):
        yield self.control.prepare(LIMIT)
        self.assertTrue((yield self.control.park_in_wind(20)))

    @testing.gen_test(timeout=LIMIT)
    def test_sensors_are_set_by_the_test(self):
        yield self.control.prepare(LIMIT)
        self.assertEqual(self.antenna.sensor.pos_error.sampling_strategy, ("event",))
        self.antenna.sensor.pos_error.set_value(2.5, Sensor.WARN)
        arriving = self.control.until_on_target()
        self.antenna.sensor.pos_error.set(12, Sensor.NOMINAL, 0.01)
        yield arriving
        self.antenna.sensor.mode.set_value("track")
        self.assertEqual(self.control.modes, ["track"])

    @testing.gen_test(timeout=LIMIT)
    def test_replies(self):
        yield self.antenna.until_synced()
        reply = yield self.antenna.req.add_test(1, 5, mid="1233")
        self.assertEqual(str(reply.reply), "!add-test[1233] ok 6")
        self.assertEqual([str(inform) for inform in reply.informs], ["#add-test[1233] 1 5 5"])
        reply = yield self.antenna.req.mode("track")
        self.assertEqual(reply.reply.arguments, [b"ok", b"track"])

    @testing.gen_test(timeout=LIMIT)
    def test_interface_changes(self):
        yield self.antenna.until_synced()
        self.manager.add_sensors({"tilt.north": ("Tilt", "arcsec", "float")})
        yield self.antenna.until_state("syncing")
        yield self.antenna.until_synced()
        self.assertIn("tilt_north", self.antenna.sensor)

        def fly(req, msg):
            """Fly."""
            return req.make_reply("fail", "too heavy")

        self.manager.add_request_handlers_dict({"fly-away": fly})
        yield self.antenna.until_state("syncing")
        yield self.antenna.until_synced()
        reply = yield self.antenna.req.fly_away()
        self.assertFalse(reply.succeeded)
        with self.assertRaises(AssertionError):
            self.manager.add_request_handlers_dict({"undocumented": lambda req, msg: None})

    def test_must_be_started(self):
        resource, manager = fake_KATCP_client_resource_factory(
            KATCPClientResource, {}, antenna_spec(NOWHERE, "antenna"))
        self.assertIsInstance(resource, KATCPClientResource)
        with self.assertRaises(RuntimeError):
            manager.add_sensors(SENSORS)


class TestFakeArray(testing.AsyncTestCase):
    def setUp(self):
        super(TestFakeArray, self).setUp()
        self.array, self.manager = fake_KATCP_client_resource_container_factory(
            KATCPClientResourceContainer, {}, dict(
                name="array", groups=dict(ants=["m000", "m001"]),
                clients={"m000": antenna_spec(NOWHERE), "m001": antenna_spec(NOWHERE),
                         "weather-mast": dict(address=NOWHERE)}))
        self.array.start()
        self.requests = dict((name, FakeRequests()) for name in ("m000", "m001"))
        for name, requests in self.requests.items():
            self.manager.add_sensors(name, SENSORS)
            self.manager.add_request_handlers_object(name, requests)

    def tearDown(self):
        self.array.stop()
        self.io_loop.run_sync(self._stop, timeout=LIMIT)
        super(TestFakeArray, self).tearDown()

    @gen.coroutine
    def _stop(self):
        yield self.array.until_stopped()

    @testing.gen_test(timeout=LIMIT)
    def test_sensors(self):
        yield self.array.until_synced()
        self.assertEqual(len(self.array.sensor), 2 * len(SENSORS))
        self.manager.add_sensors("weather_mast", {"wind-speed": ("Wind", "m/s", "float", 0, 60)})
        yield self.array.until_any_child_in_state("syncing")
        yield self.array.until_synced()
        self.assertIn("weather_mast_wind_speed", self.array.sensor)
        self.assertEqual(sorted(self.manager.child_managers), ["m000", "m001", "weather_mast"])
        with self.assertRaises(KeyError):
            self.manager.add_sensors("weather-mast", {})

    @testing.gen_test(timeout=LIMIT)
    def test_group_requests(self):
        yield self.array.until_synced()
        results = yield self.array.groups.ants.req.slew(100, 50)
        self.assertTrue(results.succeeded)
        self.requests["m001"].refuse = "No"
        results = yield self.array.groups.ants.req.slew(110, 50)
        self.assertFalse(results.succeeded)
        self.assertTrue(results["m000"].succeeded)
        self.assertEqual(self.requests["m001"].slews, [(100, 50)])

    @testing.gen_test(timeout=LIMIT)
    def test_requests(self):
        yield self.array.until_synced()
        self.assertIn("m001_add_test", self.array.req)
        self.assertNotIn("weather_mast_help", self.array.req)
        reply = yield self.array.req.m000_add_test(3, 4)
        self.assertEqual(reply.reply.arguments, [b"ok", b"7"])


class TestFakeInspectingClient(testing.AsyncTestCase, SensorComparisonMixin, TestUtilMixin):
    @testing.gen_test(timeout=LIMIT)
    def test_inspection(self):
        client, manager = fake_inspecting_client_factory(
            InspectingClientAsync, {}, *NOWHERE, ioloop=self.io_loop)
        self.assertIsInstance(manager, FakeInspectingClientManager)
        yield client.connect()
        manager.add_sensors(SENSORS)
        yield client.until_not_synced()
        yield client.until_synced()
        self.assertEqual(sorted(client.sensors), sorted(SENSORS))
        self.assertEqual(sorted(client.requests), ["help", "sensor-list"])
        sensor = yield client.future_get_sensor("command-count")
        self.assert_sensor_equal_description(sensor, dict(
            name="command-count", type=Sensor.INTEGER, params=[0, 1000], units=""))
        mode = yield client.future_get_sensor("mode")
        self.assertEqual(mode.params, ["stop", "slew", "track", "stow"])
        reply, informs = yield client.simple_request("help", "sensor-list")
        self._assert_msgs_length(informs, 1)
        self.assertTrue(reply.reply_ok())
        reply, _ = yield client.simple_request("anything-at-all")
        self.assertTrue(reply.reply_ok())
        client.stop()
        yield client.until_stopped()
