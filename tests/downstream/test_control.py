"""The control programs, on the loop of the test, against simulated antennas."""

from __future__ import absolute_import, division, print_function

import logging

from tornado import gen, testing

from katcp import KATCPClientResource, Message, ProtocolFlags, Sensor
from katcp.core import AsyncEvent
from katcp.inspecting_client import InspectingClientAsync
from katcp.resource import KATCPReply, KATCPResourceInactive, KATCPSensor, KATCPSensorError
from katcp.resource_client import monitor_resource_sync_state
from katcp.testutils import (SensorComparisonMixin, TestLogHandler, TestUtilMixin, mock,
                             start_thread_with_cleanup)

from acu.control import AntennaControl, ArrayControl, ControlError
from acu.device import AntennaPositioner, HintingPositioner
from acu.weather import WeatherMast

log_handler = TestLogHandler()


def setUpModule():
    logging.getLogger("katcp").addHandler(log_handler)


def tearDownModule():
    logging.getLogger("katcp").removeHandler(log_handler)


LIMIT = 10


def numbers(reply):
    return [float(arg) for arg in reply.arguments[1:]]


class ControlTestCase(testing.AsyncTestCase, TestUtilMixin):
    DEVICE_CLASS = AntennaPositioner

    def start_device(self, device_class=None):
        device = (device_class or self.DEVICE_CLASS)("127.0.0.1", 0)
        device.PIN_SECONDS = 0
        start_thread_with_cleanup(self, device, timeout=LIMIT, start_timeout=LIMIT)
        return device


class AntennaTestCase(ControlTestCase):
    SPEC = {}

    def setUp(self):
        super(AntennaTestCase, self).setUp()
        self.device = self.start_device()
        self.control = AntennaControl.connect_to(self.device.bind_address, self.io_loop, **self.SPEC)
        self.antenna = self.control.resource

    def tearDown(self):
        self.antenna.stop()
        self.io_loop.run_sync(self.antenna.until_stopped, timeout=LIMIT)
        self.assertEqual(self.antenna.state, "disconnected")
        super(AntennaTestCase, self).tearDown()


class TestAntennaControl(AntennaTestCase):
    @testing.gen_test(timeout=LIMIT)
    def test_slew(self):
        yield self.control.prepare(LIMIT)
        slewing = self.control.slew(24, 22)
        yield self.antenna.wait("mode", "slew", timeout=LIMIT)
        self.assertFalse(slewing.done())
        self.assertEqual(self.antenna.sensor.pos_requested_azim.value, 24)
        self.device.advance(60)
        yield self.control.until_on_target()
        self.assertEqual((yield slewing), (24, 22))
        yield self.antenna.wait("mode", "track", timeout=LIMIT)
        self.assertEqual(self.control.modes[-2:], ["slew", "track"])

    @testing.gen_test(timeout=LIMIT)
    def test_refused(self):
        yield self.control.prepare(LIMIT)
        yield self.antenna.req.emergency_stop(True)
        with self.assertRaises(ControlError) as raised:
            yield self.control.slew(24, 22)
        self.assertEqual(str(raised.exception), "The emergency stop is pressed")

    @testing.gen_test(timeout=LIMIT)
    def test_stow(self):
        yield self.control.prepare(LIMIT)
        self.assertFalse((yield self.control.park_in_wind(3)))
        self.assertTrue((yield self.control.park_in_wind(30)))
        reply = yield self.antenna.req.stow()
        self.assertEqual(str(reply.informs[0].arguments[0].decode("ascii")), "driving")

    @testing.gen_test(timeout=LIMIT)
    def test_not_on_target(self):
        yield self.control.prepare(LIMIT)
        self.device.get_sensor("pos.requested-azim").set_value(100.0)
        yield self.antenna.wait("pos_error", 80, timeout=LIMIT)
        with self.assertRaises(ControlError):
            yield self.control.until_on_target(timeout=0.01)


class TestResource(AntennaTestCase):
    """What the programs rely on."""

    @testing.gen_test(timeout=LIMIT)
    def test_names(self):
        self.assertEqual(self.antenna.state, "disconnected")
        yield self.antenna.until_synced()
        self.assertTrue(self.antenna.synced)
        self.assertEqual(sorted(dict.keys(self.antenna.sensor)),
                         sorted(name.replace(".", "_").replace("-", "_") for name in self.device._sensors))
        self.assertEqual(sorted(dict.keys(self.antenna.req)),
                         sorted(name.replace("-", "_") for name in self.device._request_handlers))
        self.assertEqual((self.antenna.host, self.antenna.port), self.device.bind_address)
        self.assertEqual(self.antenna.versions["katcp-device"],
                         ("antenna-positioner-2.1", "acu-simulator-0.3rc1"))
        self.assertTrue(self.antenna.is_connected())
        self.assertEqual(self.antenna.children, {})

    @testing.gen_test(timeout=LIMIT)
    def test_replies(self):
        yield self.antenna.until_synced()
        reply = yield self.antenna.req.load_track(1000, 1, 2)
        self.assertIsInstance(reply, KATCPReply)
        self.assertTrue(reply)
        self.assertTrue(reply.succeeded)
        message, informs = reply
        self.assertEqual(message.arguments, [b"ok", b"1"])
        self._assert_msgs_length(informs, 1)
        self.assertEqual(repr(reply), "!load-track ok 1\n#load-track 1.0 2.0")
        refused = yield self.antenna.req.mode("standing")
        self.assertFalse(refused)
        self.assertFalse(refused.succeeded)

    @testing.gen_test(timeout=LIMIT)
    def test_message_ids(self):
        yield self.antenna.until_synced()
        reply = yield self.antenna.req.echo("a b", mid=1234)
        self.assertEqual(str(reply), "!echo[1234] ok a\\_b")
        reply = yield self.antenna.req.echo(use_mid=False)
        self.assertEqual(str(reply), "!echo ok")
        reply = yield self.antenna.req.slew(30, 30, timeout=0.01)
        self.assertFalse(reply.succeeded)
        self.assertIn(b"timed out", reply.reply.arguments[1])
        yield self.antenna.req.stop()

    @testing.gen_test(timeout=LIMIT)
    def test_documentation(self):
        yield self.antenna.until_synced()
        self.assertIn("Stop the antenna.", self.antenna.req.stop.__doc__)
        self.assertEqual(self.antenna.req.fit_tiltmeter.name, "fit-tiltmeter")
        self.assertEqual(self.antenna.req["stop"].description, "Stop the antenna.")
        with self.assertRaises(AttributeError):
            self.antenna.req.fly

    @testing.gen_test(timeout=LIMIT)
    def test_sensor_values_of_all_types(self):
        yield self.antenna.until_synced()
        sensor = self.antenna.sensor
        self.assertIs(sensor.pos_actual_azim.value, None)
        self.assertEqual((yield sensor.pos_actual_azim.get_value()), 20.0)
        self.assertIs((yield sensor.drives_ok.get_value()), True)
        self.assertEqual((yield sensor.command_count.get_value()), 0)
        self.assertEqual((yield sensor.mode.get_value()), "stop")
        self.assertEqual((yield sensor.receiver_lru.get_value()), Sensor.LRU_NOMINAL)
        self.assertEqual((yield sensor.pointing_server.get_value()), ("0.0.0.0", 0))
        self.assertEqual((yield sensor.pointing_server.get_status()), "inactive")
        self.assertEqual((yield sensor.last_fault.get_value()), "")
        self.device.get_sensor("last-stow-time").set(1000, Sensor.NOMINAL, 1234.5)
        reading = yield sensor.last_stow_time.get_reading()
        self.assertEqual((reading.timestamp, reading.status, reading.value), (1000, "nominal", 1234.5))
        self.assertGreater(reading.received_timestamp, 0)

    @testing.gen_test(timeout=LIMIT)
    def test_sensor_descriptions(self):
        yield self.antenna.until_synced()
        sensor = self.antenna.sensor.pos_actual_azim
        self.assertIsInstance(sensor, KATCPSensor)
        self.assertEqual((sensor.name, sensor.normalised_name, sensor.units, sensor.type, sensor.description),
                         ("pos.actual-azim", "pos_actual_azim", "deg", "float", "Actual azimuth"))
        self.assertEqual(sensor.parent_name, "antenna")

    @testing.gen_test(timeout=LIMIT)
    def test_listing(self):
        yield self.antenna.until_synced()
        result, = yield self.antenna.list_sensors("^pos_error$", refresh=True)
        self.assertIs(result.object, self.antenna.sensor.pos_error)
        self.assertEqual((result.name, result.python_identifier, result.units),
                         ("pos.error", "pos_error", "deg"))
        self.assertEqual(result.reading.value, 0)
        names = yield self.antenna.list_sensors("drive-ok", use_python_identifiers=False)
        self.assertEqual([result.name for result in names], ["azim.drive-ok", "elev.drive-ok"])
        yield self.antenna.set_sampling_strategy("mode", "event")
        sampled = yield self.antenna.list_sensors(strategy=True, tuple=True)
        self.assertEqual([(entry[0], entry[1], entry[-1]) for entry in sampled],
                         [("mode", "stop", ("event",))])

    @testing.gen_test(timeout=LIMIT)
    def test_strategies(self):
        yield self.antenna.until_synced()
        result = yield self.antenna.set_sampling_strategy("pos.error", "event-rate 1 5")
        self.assertEqual(result, {"pos_error": "event-rate 1 5"})
        self.assertEqual(self.antenna.sensor.pos_error.sampling_strategy, ("event-rate", "1.0", "5.0"))
        results = yield self.antenna.set_sampling_strategies("pos_actual", ("period", 10))
        self.assertEqual(results, {"pos_actual_azim": ("period", 10), "pos_actual_elev": ("period", 10)})
        reply = yield self.antenna.req.sensor_sampling("pos.actual-elev")
        self.assertEqual(reply.reply.arguments[1:], [b"pos.actual-elev", b"period", b"10.0"])
        yield self.antenna.sensor.mode.set_strategy("event")
        self.antenna.drop_sampling_strategy("pos_error")
        self.assertEqual(self.antenna.sensor.pos_error.sampling_strategy, ("none",))
        self.assertEqual((yield self.antenna.set_sampling_strategy("no_such", "event")), {})

    @testing.gen_test(timeout=LIMIT)
    def test_strategy_set_before_there_is_a_device(self):
        yield self.antenna.set_sampling_strategy("mode", "event")
        listener = mock.Mock()
        yield self.antenna.set_sensor_listener("mode", listener)
        yield self.antenna.until_synced()
        self.assertEqual(self.antenna.sensor.mode.sampling_strategy, ("event",))
        yield self.antenna.req.mode("slew")
        yield self.antenna.wait("mode", "slew")
        (sensor, reading), _ = listener.call_args
        self.assertIs(sensor, self.antenna.sensor.mode)
        self.assertEqual((reading.value, reading.status), ("slew", "nominal"))

    @testing.gen_test(timeout=LIMIT)
    def test_listeners(self):
        yield self.antenna.until_synced()
        sensor = self.antenna.sensor.mode
        plain, with_reading = mock.Mock(), mock.Mock()
        sensor.register_listener(plain)
        sensor.register_listener(with_reading, reading=True)
        self.assertTrue(sensor.is_listener(plain))
        self.device.get_sensor("mode").set(5, Sensor.WARN, "stow")
        yield sensor.get_value()
        (received, timestamp, status, value), _ = plain.call_args
        self.assertEqual((timestamp, status, value), (5, "warn", "stow"))
        self.assertEqual(with_reading.call_args[0], (sensor, sensor.reading))
        sensor.unregister_listener(plain)
        yield sensor.get_value()
        self.assertEqual((plain.call_count, with_reading.call_count), (1, 2))

    @testing.gen_test(timeout=LIMIT)
    def test_waiting(self):
        yield self.control.prepare(LIMIT)
        sensor = self.antenna.sensor.mode
        waiting = sensor.wait(lambda reading: reading.value in ("stow", "track"))
        self.assertFalse(waiting.done())
        yield self.antenna.req.mode("stow")
        self.assertTrue((yield waiting))
        with self.assertRaises(gen.TimeoutError):
            yield sensor.wait("slew", timeout=0.01)
        self.assertFalse((yield self.antenna.wait("mode", "slew", timeout=0.01)))
        with self.assertRaises(KATCPSensorError):
            yield self.antenna.wait("last_fault", "smoke")
        with self.assertRaises(KeyError):
            yield self.antenna.wait("no_such_sensor", 1)

    @testing.gen_test(timeout=LIMIT)
    def test_inactive(self):
        yield self.antenna.until_synced()
        self.antenna.set_active(False)
        with self.assertRaises(KATCPResourceInactive):
            self.antenna.req.stop()
        self.antenna.set_active(True)
        self.assertTrue((yield self.antenna.req.stop()))

    @testing.gen_test(timeout=LIMIT)
    def test_interface_change(self):
        yield self.antenna.until_synced()
        # The states follow one another: who waits in this order misses none.
        fitting = self.antenna.req.fit_tiltmeter("north", 1.5)
        yield self.antenna.until_not_synced()
        yield self.antenna.until_synced()
        self.assertTrue((yield fitting))
        self.assertEqual((yield self.antenna.sensor.tilt_north.get_value()), 1.5)
        removing = self.antenna.req.remove_tiltmeter("north")
        yield self.antenna.until_not_synced()
        yield self.antenna.until_synced()
        yield removing
        self.assertNotIn("tilt_north", self.antenna.sensor)

    @testing.gen_test(timeout=LIMIT)
    def test_device_that_comes_back(self):
        yield self.control.prepare(LIMIT)
        sensor = self.antenna.sensor.mode
        self.device.stop()
        yield self.antenna.until_state("disconnected")
        self.assertFalse(self.antenna.is_connected())
        reply = yield self.antenna.req.stop()
        self.assertFalse(reply.succeeded)
        self.device.join(LIMIT)
        self.device.start(LIMIT)
        yield self.antenna.until_synced()
        self.assertIs(self.antenna.sensor.mode, sensor)
        self.assertEqual(sensor.sampling_strategy, ("event",))
        yield self.antenna.req.mode("stow")
        yield sensor.wait("stow")

    @testing.gen_test(timeout=LIMIT)
    def test_timeouts(self):
        with self.assertRaises(gen.TimeoutError):
            yield self.antenna.until_synced(timeout=1e-6)
        yield self.antenna.until_synced(timeout=LIMIT)
        with self.assertRaises(gen.TimeoutError):
            yield self.antenna.until_not_synced(timeout=0.01)
        with self.assertRaises(ValueError):
            self.antenna.until_state("upside down")

    @testing.gen_test(timeout=LIMIT)
    def test_monitor(self):
        synced, exit_event = AsyncEvent(self.io_loop), AsyncEvent(self.io_loop)
        callback = mock.Mock(side_effect=lambda is_synced: is_synced and synced.set())
        monitor = monitor_resource_sync_state(self.antenna, callback, exit_event)
        yield synced.until_set()
        exit_event.set()
        yield monitor
        self.assertEqual([call[0] for call in callback.call_args_list], [(False,), (True,)])


class TestHints(AntennaTestCase):
    DEVICE_CLASS = HintingPositioner

    @testing.gen_test(timeout=LIMIT)
    def test_hints(self):
        yield self.antenna.until_synced()
        self.assertEqual(self.antenna.req.slew.timeout_hint, 120)
        self.assertIs(self.antenna.req.stop.timeout_hint, None)


class TestVersion4(AntennaTestCase):
    DEVICE_CLASS = WeatherMast

    @testing.gen_test(timeout=LIMIT)
    def test_times(self):
        yield self.antenna.until_synced()
        reading = yield self.antenna.sensor.wind_speed.get_reading()
        self.assertEqual((reading.timestamp, reading.value), (1234.5, 3.5))
        yield self.antenna.set_sampling_strategy("wind_speed", "event")
        waiting = self.antenna.wait("wind_speed", 12.5)
        reply = yield self.antenna.req.wind(2000, 12.5)
        self.assertEqual(str(reply), "!wind ok 2000")
        self.assertTrue((yield waiting))
        self.assertEqual(self.antenna.sensor.wind_speed.reading.timestamp, 2.0)


class TestPresetFlags(AntennaTestCase):
    SPEC = dict(preset_protocol_flags=ProtocolFlags(5, 0, [ProtocolFlags.MULTI_CLIENT]))

    @testing.gen_test(timeout=LIMIT)
    def test_no_ids(self):
        yield self.antenna.until_synced()
        self.assertEqual(str((yield self.antenna.req.stop())), "!stop ok stop")


class TestExposure(AntennaTestCase):
    SPEC = dict(controlled=False, always_allowed_requests=["echo", "sensor-value", "stop"],
                always_excluded_requests=["stop"])

    @testing.gen_test(timeout=LIMIT)
    def test_requests(self):
        yield self.antenna.until_synced()
        self.assertEqual(sorted(dict.keys(self.antenna.req)), ["echo", "sensor_value"])
        self.assertEqual((yield self.antenna.sensor.mode.get_value()), "stop")


class TestDummies(AntennaTestCase):
    SPEC = dict(controlled=False, dummy_unknown_requests=True)

    @testing.gen_test(timeout=LIMIT)
    def test_dummies(self):
        yield self.antenna.until_synced()
        reply = yield self.antenna.req.fire_laser("at", "the moon")
        self.assertTrue(reply.succeeded)


class TestArray(ControlTestCase):
    def setUp(self):
        super(TestArray, self).setUp()
        self.devices = dict((name, self.start_device()) for name in ("m000", "m001", "m002"))
        self.mast = self.start_device(WeatherMast)
        self.control = ArrayControl(
            dict((name, device.bind_address) for name, device in self.devices.items()),
            self.io_loop, uncontrolled={"weather": self.mast.bind_address})
        self.array = self.control.resource

    def tearDown(self):
        self.io_loop.run_sync(self.control.stop, timeout=LIMIT)
        super(TestArray, self).tearDown()

    @testing.gen_test(timeout=LIMIT)
    def test_sensors(self):
        yield self.control.prepare(LIMIT)
        self.assertEqual(len(self.array.sensor), 3 * 16 + 1)
        self.assertIs(self.array.sensor.m001_pos_error, self.array.children.m001.sensor.pos_error)
        self.assertEqual((yield self.array.sensor.weather_wind_speed.get_value()), 3.5)
        self.assertTrue(self.array.is_connected())

    @testing.gen_test(timeout=LIMIT)
    def test_requests(self):
        yield self.control.prepare(LIMIT)
        self.assertTrue((yield self.array.req.m002_mode("stow")))
        self.assertEqual(self.devices["m002"].get_sensor("mode").value(), "stow")
        self.assertEqual([name for name in self.array.req if name.startswith("weather")], [])

    @testing.gen_test(timeout=LIMIT)
    def test_group(self):
        yield self.control.prepare(LIMIT)
        self.assertEqual([client.name for client in self.control.ants], ["m000", "m001", "m002"])
        self.assertTrue((yield self.control.mode("stow")))
        results = yield self.control.ants.req.echo("hello")
        self.assertTrue(results.succeeded)
        self.assertEqual(sorted(results), ["m000", "m001", "m002"])
        self.assertEqual([str(reply.messages[0].arguments[1].decode("ascii")) for reply in results.values()],
                         ["hello"] * 3)

    @testing.gen_test(timeout=LIMIT)
    def test_group_with_one_that_refuses(self):
        yield self.control.prepare(LIMIT)
        yield self.array.children.m001.req.drive_ok("azim", False)
        with self.assertRaises(ControlError) as raised:
            yield self.control.mode("track")
        self.assertEqual(str(raised.exception), "Refused by m001")
        reached = yield self.control.ants.wait("mode", "track", timeout=0.02)
        self.assertFalse(reached)
        self.assertEqual(reached, {"m000": True, "m001": False, "m002": True})
        self.assertTrue((yield self.control.ants.wait("mode", "track", timeout=0.02, quorum=2)))
        self.assertTrue((yield self.control.ants.wait("mode", "track", timeout=0.02, quorum=0.6)))

    @testing.gen_test(timeout=LIMIT)
    def test_report(self):
        yield self.control.prepare(LIMIT)
        self.devices["m000"].get_sensor("last-fault").set_value("smoke", Sensor.ERROR)
        self.assertEqual((yield self.control.report("last_fault|wind")), [
            ("m000.last-fault", "error", "smoke"), ("m001.last-fault", "unknown", ""),
            ("m002.last-fault", "unknown", ""), ("weather.wind-speed", "nominal", 3.5)])

    @testing.gen_test(timeout=LIMIT)
    def test_strategies(self):
        yield self.control.prepare(LIMIT)
        results = yield self.array.set_sampling_strategies("pos_actual_azim", "period 5")
        self.assertEqual(results["m000"], {"pos_actual_azim": "period 5"})
        self.assertEqual(sorted(results), ["m000", "m001", "m002"])
        results = yield self.array.set_sampling_strategy("weather_wind_speed", "event")
        self.assertEqual(results, {"weather": {"wind_speed": "event"}})

    @testing.gen_test(timeout=LIMIT)
    def test_antenna_that_goes_away(self):
        yield self.control.prepare(LIMIT)
        self.devices["m001"].stop()
        yield self.array.until_any_child_in_state("disconnected")
        self.assertFalse(self.array.is_connected())
        results = yield self.control.ants.req.echo()
        self.assertEqual(dict((name, bool(reply)) for name, reply in results.items()),
                         {"m000": True, "m001": False, "m002": True})

    @testing.gen_test(timeout=LIMIT)
    def test_antenna_that_joins(self):
        yield self.control.prepare(LIMIT)
        device = self.start_device()
        child = self.array.add_child_resource_client(
            "m003", dict(address=device.bind_address, controlled=True))
        self.assertIsInstance(child, KATCPClientResource)
        yield self.array.until_synced(LIMIT)
        self.assertIn("m003_mode", self.array.sensor)
        self.array.add_group("all", ["m000", "m003"])
        results = yield self.array.groups["all"].req.stop()
        self.assertTrue(results)

    @testing.gen_test(timeout=LIMIT)
    def test_all_inactive(self):
        yield self.control.prepare(LIMIT)
        self.array.set_active(False)
        with self.assertRaises(KATCPResourceInactive):
            self.array.children.m000.req.stop()
        self.array.set_active(True)


class TestInspectingClient(ControlTestCase, SensorComparisonMixin):
    def setUp(self):
        super(TestInspectingClient, self).setUp()
        self.device = self.start_device()
        host, port = self.device.bind_address
        self.client = InspectingClientAsync(host, port, ioloop=self.io_loop)

    def tearDown(self):
        self.client.stop()
        self.io_loop.run_sync(self.client.until_stopped, timeout=LIMIT)
        super(TestInspectingClient, self).tearDown()

    @testing.gen_test(timeout=LIMIT)
    def test_model(self):
        changes = []
        self.client.set_state_callback(lambda state, model: changes.append(model) if model else None)
        yield self.client.connect(timeout=LIMIT)
        yield self.client.until_synced(timeout=LIMIT)
        self.assertEqual(sorted(self.client.sensors), sorted(self.device._sensors))
        self.assertEqual(sorted(self.client.requests), sorted(self.device._request_handlers))
        self.assertEqual(len(changes), 1)
        self.assertEqual(changes[0].sensors.added, set(self.device._sensors))
        sensor = yield self.client.future_get_sensor("pos.actual-azim")
        self.assert_sensor_equal_description(sensor, dict(
            type=Sensor.FLOAT, units="deg", params=[-185.0, 275.0], description="Actual azimuth"))
        request = yield self.client.future_get_request("stop")
        self.assertEqual((request.name, request.description), ("stop", "Stop the antenna."))
        self.assertIs((yield self.client.future_get_sensor("no.such-sensor")), None)

    @testing.gen_test(timeout=LIMIT)
    def test_values(self):
        self.client.handle_sensor_value()
        yield self.client.connect()
        yield self.client.until_synced()
        sensor = yield self.client.future_get_sensor("mode")
        reply, informs = yield self.client.simple_request("sensor-value", "mode")
        self.assertTrue(reply.reply_ok())
        self.assertEqual(sensor.value(), "stop")
        yield self.client.simple_request("sensor-sampling", "mode", "event")
        yield self.client.simple_request("mode", "stow")
        self.assertEqual(sensor.value(), "stow")

    @testing.gen_test(timeout=LIMIT)
    def test_bad_requests(self):
        yield self.client.connect()
        yield self.client.until_synced()
        reply, informs = yield self.client.simple_request("no-such-request")
        self.assertEqual(str(Message.reply(reply.name, *reply.arguments)),
                         "!no-such-request invalid Unknown\\_request.")
        reply, _ = yield self.client.simple_request("slew", 30, 30, timeout=0.01)
        self.assertFalse(reply.reply_ok())
        yield self.client.simple_request("stop")
