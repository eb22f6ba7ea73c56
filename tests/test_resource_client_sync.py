"""Resource clients in step with their device."""

from __future__ import absolute_import, division, print_function

from tornado import gen

from katcp import ProtocolFlags, Sensor
from katcp.inspecting_client import SyncError
from katcp.resource import KATCPResourceInactive
from katcp.resource_client import KATCPClientResource
from tests.support import mock
from tests.support.inspecting_cases import timewarp_test
from tests.support.logs import LogRecorder
from tests.support.resource_cases import BULK_PROTOCOL, Recording, ResourceTestCase


class TestSync(ResourceTestCase):
    @timewarp_test
    def test_first_sync(self):
        made = self.make_resource(Recording, controlled=True)
        made.start()
        yield made.until_synced()
        self.assertEqual(made.states, ["disconnected", "syncing", "syncing", "synced"])
        self.assertEqual(self.device.asked, ["?help", "?sensor-list"])
        self.assertEqual(sorted(made.req), ["help", "watchdog"])
        self.assertEqual(sorted(made.sensor), ["a_string", "an_int"])
        sensor = made.sensor.an_int
        self.assertEqual((sensor.name, sensor.type, sensor.units, sensor.parent_name),
                         ("an.int", "integer", "count", "a-device"))
        self.assertEqual(made.versions["katcp-protocol"], ("5.0-MI",))
        self.assertEqual(made.last_connect_time, self.ioloop_time)
        self.assertIs(made.ioloop, self.io_loop)

    @timewarp_test
    def test_all_states_are_seen(self):
        made = self.make_resource()
        made.start()
        yield made.until_state("syncing")
        self.assertEqual(made.state, "syncing")
        yield made.until_state("synced")
        for _ in range(3):
            self.device.interface_changed()
            yield made.until_state("syncing")
            yield made.until_state("synced")

    @timewarp_test
    def test_requests(self):
        made = yield self.synced_resource(controlled=True)
        reply = yield made.req.watchdog()
        self.assertEqual(str(reply), "!watchdog[3] ok")
        self.assertEqual(str((yield made.req.watchdog(mid=77))), "!watchdog[77] ok")
        self.assertEqual(str((yield made.req["watchdog"](use_mid=False))), "!watchdog ok")
        made.set_active(False)
        with self.assertRaises(KATCPResourceInactive):
            made.req.watchdog()
        self.assertEqual((yield made.sensor.an_int.get_value()), 3)
        made.set_active(True)
        self.assertTrue((yield made.req.watchdog()))

    @timewarp_test
    def test_requests_are_sent_at_once(self):
        made = yield self.synced_resource(controlled=True)
        future = made.req.watchdog()
        self.device.server.wait_for_lines(3)
        self.assertTrue((yield future))

    @timewarp_test
    def test_sensor_values(self):
        made = yield self.synced_resource()
        sensor = made.sensor.an_int
        self.assertEqual(tuple(sensor.reading), (0, 0, 0, None))
        self.device.readings[b"an.int"] = (b"1.5", b"warn", b"4")
        self.assertEqual((yield sensor.get_value()), 4)
        self.assertEqual((yield sensor.get_status()), "warn")
        self.assertEqual((yield sensor.get_reading()).timestamp, 1.5)
        self.assertEqual(self.device.asked[2:], ["?sensor-value an.int"] * 3)
        listed = yield made.list_sensors("int", refresh=True)
        self.assertEqual(listed[0].reading.value, 4)

    @timewarp_test
    def test_modified_items_have_their_new_description(self):
        made = yield self.synced_resource(controlled=True)
        request, sensor, other = made.req.watchdog, made.sensor.an_int, made.sensor.a_string
        readings = []
        sensor.register_listener(lambda sensor, reading: readings.append(reading.value), reading=True)
        yield sensor.set_strategy("event")
        waiting = sensor.wait(b"now a word".decode())
        self.device.requests[b"watchdog"] = b"New text."
        self.device.sensors[b"an.int"] = (b"New description.", b"words", b"string")
        self.device.readings[b"an.int"] = (b"2", b"nominal", b"now a word")
        yield self.resync(made)
        # Whoever holds the objects sees the news.
        self.assertIs(made.req.watchdog, request)
        self.assertIs(made.sensor.an_int, sensor)
        self.assertIs(made.sensor.a_string, other)
        self.assertEqual(request.description, "New text.")
        self.assertIn("New text.", request.__doc__)
        self.assertEqual((sensor.description, sensor.units, sensor.type),
                         ("New description.", "words", "string"))
        self.device.update(b"an.int", b"now a word")
        yield waiting
        self.assertEqual(readings[0], 3)
        self.assertEqual(sensor.value, readings[-1])
        self.assertEqual(sensor.sampling_strategy, ("event",))
        self.assertTrue((yield made.req.watchdog()))

    @timewarp_test
    def test_interface_changes(self):
        made = yield self.synced_resource(controlled=True)
        old = made.sensor.an_int
        del self.device.requests[b"watchdog"], self.device.sensors[b"a.string"]
        self.device.requests[b"new-one"] = b"A new one."
        self.device.sensors[b"new.sensor"] = (b"A new one.", b"", b"boolean")
        yield self.resync(made)
        self.assertEqual(sorted(made.req), ["help", "new_one"])
        self.assertEqual(sorted(made.sensor), ["an_int", "new_sensor"])
        self.assertIs(made.sensor.an_int, old)
        self.device.requests.clear()
        self.device.sensors.clear()
        yield self.resync(made)
        self.assertEqual((made.req, made.sensor), ({}, {}))

    @timewarp_test
    def test_nothing_is_given_to_those_who_wait_before_everything_is_there(self):
        made = self.make_resource()
        made.set_sampling_strategy("an.int", "event")
        self.device.held.add("sensor-sampling")
        made.start()
        yield self.until(lambda: len(self.device.asked) == 3)
        yield self.iterations(20)
        self.assertEqual(made.state, "syncing")
        self.assertEqual(sorted(made.sensor), ["a_string", "an_int"])
        self.device.release()
        yield made.until_synced()
        self.assertEqual(made.sensor.an_int.value, 3)

    @timewarp_test
    def test_device_that_cannot_be_inspected(self):
        self.device.broken["help"] = ["fail", "Broken"]
        made = self.make_resource(controlled=True)
        with LogRecorder("katcp"):
            made.start()
            yield self.until(lambda: "?help" in self.device.asked)
            yield self.iterations(20)
            self.assertEqual(made.state, "syncing")
            self.assertTrue(made.is_connected())
            self.device.broken.clear()
            yield self.move_clock(5)
            yield made.until_synced()
        self.assertIn("watchdog", made.req)

    @timewarp_test
    def test_update_that_fails_is_repeated(self):
        made = self.make_resource(controlled=True)
        update, failures = made._update_model, [SyncError("once")]

        def fail_once(changes):
            if failures:
                raise failures.pop()
            return update(changes)

        made._update_model = fail_once
        with LogRecorder("katcp"):
            made.start()
            yield self.until(lambda: not failures)
            while not made.synced:
                yield self.move_clock(0.6)
        self.assertEqual(sorted(made.req), ["help", "watchdog"])
        self.assertEqual(sorted(made.sensor), ["a_string", "an_int"])

    @timewarp_test
    def test_sensor_of_an_unknown_type(self):
        self.device.sensors[b"odd"] = (b"Odd.", b"", b"complex-number")
        with LogRecorder("katcp"):
            made = yield self.synced_resource()
        self.assertEqual(sorted(made.sensor), ["a_string", "an_int"])

    @timewarp_test
    def test_sensors_that_report_before_they_are_known(self):
        made = yield self.synced_resource()
        self.device.sensors[b"new.sensor"] = (b"A new one.", b"", b"integer")
        self.device.update(b"new.sensor", b"7")
        yield self.until(lambda: "?sensor-list new.sensor" in self.device.asked)
        yield self.resync(made)
        self.assertEqual(sorted(made.sensor), ["a_string", "an_int", "new_sensor"])
        self.device.update(b"new.sensor", b"8")
        yield made.set_sampling_strategy("new.sensor", "event")
        yield made.wait("new.sensor", 3)

    @timewarp_test
    def test_collisions(self):
        self.device.sensors[b"an-int"] = (b"Another Integer.", b"", b"integer")
        with LogRecorder("katcp.resource_client") as log:
            made = yield self.synced_resource()
            self.assertEqual(made.sensor.an_int.name, "an-int")
            del self.device.sensors[b"an-int"]
            yield self.resync(made)
        self.assertEqual(made.sensor.an_int.name, "an.int")
        self.assertEqual(len([text for text in log.messages if "same identifier" in text]), 1)

    @timewarp_test
    def test_parent_is_told(self):
        parent = mock.Mock()
        made = self.look_after(KATCPClientResource(
            dict(name="a-device", address=self.device.address, controlled=True), parent))
        made.start()
        yield made.until_synced()
        parent._child_add_requests.assert_called_once_with(made, ["help", "watchdog"])
        parent._child_add_sensors.assert_called_once_with(made, ["a_string", "an_int"])


class TestReconnecting(ResourceTestCase):
    @timewarp_test
    def test_while_disconnected_and_afterwards(self):
        made = yield self.synced_resource(Recording, controlled=True)
        request, sensor = made.req.watchdog, made.sensor.an_int
        del made.states[:]
        self.device.stop()
        yield made.until_not_synced()
        self.assertEqual(made.state, "disconnected")
        self.assertFalse(made.is_connected())
        self.assertEqual(sorted(made.req), ["help", "watchdog"])
        reply = yield made.req.watchdog()
        self.assertFalse(reply.succeeded)
        self.device = self.make_device(port=self.device.address[1])
        self.device.sensors[b"new.sensor"] = (b"A new one.", b"", b"boolean")
        yield self.move_clock(0.6)
        yield made.until_synced()
        self.assertEqual(made.states, ["disconnected", "syncing", "syncing", "synced"])
        self.assertIs(made.req.watchdog, request)
        self.assertIs(made.sensor.an_int, sensor)
        self.assertIn("new_sensor", made.sensor)
        self.assertTrue((yield made.req.watchdog()))

    @timewarp_test
    def test_delay(self):
        self.device.stop()
        made = self.make_resource(auto_reconnect_delay=3)
        made.start()
        self.assertEqual(made._inspecting_client.katcp_client.auto_reconnect_delay, 3)
        yield self.iterations(20)
        self.device = self.make_device(port=self.device.address[1])
        yield self.move_clock(2.9)
        yield self.iterations(20)
        self.assertEqual(made.state, "disconnected")
        yield self.move_clock(0.2)
        yield made.until_synced()

    @timewarp_test
    def test_not_wanted(self):
        made = yield self.synced_resource(auto_reconnect=False)
        self.device.stop()
        yield made.until_not_synced()
        self.device = self.make_device(port=self.device.address[1])
        yield self.move_clock(10)
        yield self.iterations(20)
        self.assertEqual(made.state, "disconnected")
        made.stop()
        yield made.until_stopped()
        made.start()
        yield made.until_synced()


class TestPresetFlags(ResourceTestCase):
    @timewarp_test
    def test_in_force_at_once(self):
        for flags in (ProtocolFlags(4, 0, ""), ProtocolFlags(5, 0, "M"), ProtocolFlags(5, 0, "I")):
            made = self.make_resource(preset_protocol_flags=flags)
            made.start()
            self.assertIs(made._inspecting_client.katcp_client.protocol_flags, flags)
        yield self.iterations(1)

    @timewarp_test
    def test_of_version_4(self):
        made = yield self.synced_resource(controlled=True, preset_protocol_flags=ProtocolFlags(4, 0, ""))
        self.device.readings[b"an.int"] = (b"12345", b"nominal", b"3")
        self.assertEqual((yield made.sensor.an_int.get_reading()).timestamp, 12.345)
        self.assertEqual(str((yield made.req.watchdog())), "!watchdog ok")
        yield made.set_sampling_strategy("an.int", "period 250")
        self.assertEqual(self.device.samplings, ["an.int period 250.0"])
        self.assertEqual(made.versions["katcp-protocol"], ("5.0-MI",))
        self.device.stop()
        yield made.until_not_synced()
        self.device = self.make_device(port=self.device.address[1])
        yield self.move_clock(0.6)
        yield made.until_synced()
        self.assertFalse([line for line in self.device.server.lines if b"[" in line])


class TestStrategies(ResourceTestCase):
    @timewarp_test
    def test_presets(self):
        made = self.make_resource()
        listener = mock.Mock()
        made.set_sampling_strategy("an.int", "period 2.5")
        made.set_sensor_listener("an.int", listener)
        made.start()
        yield made.until_synced()
        # Once is enough.
        self.assertEqual(self.device.samplings, ["an.int period 2.5"])
        sensor = made.sensor.an_int
        self.assertEqual(sensor.sampling_strategy, ("period", "2.5"))
        self.assertEqual(made._sensor_strategy_cache, {"an_int": "period 2.5"})
        self.assertEqual(made._sensor_manager._strategy_cache, {"an.int": ("period", "2.5")})
        self.assertEqual(sensor.value, 3)
        self.assertFalse(listener.called)
        self.device.update(b"an.int", b"4")
        yield sensor.wait(4)
        listener.assert_called_once_with(sensor, sensor.reading)
        # When somebody asks for it, all are set once more.
        yield made.reapply_sampling_strategies()
        self.assertEqual(self.device.samplings, ["an.int period 2.5"] * 2)

    @timewarp_test
    def test_once_per_connection(self):
        made = yield self.synced_resource()
        self.assertEqual((yield made.set_sampling_strategy("an_int", "event")), {"an_int": "event"})
        self.assertEqual((yield made.set_sampling_strategy("an-int", ["auto"])), {"an_int": ["auto"]})
        self.assertEqual((yield made.sensor.a_string.set_strategy("event")), (True, ("event",)))
        self.assertEqual(self.device.samplings, ["an.int event", "an.int auto", "a.string event"])
        self.device.stop()
        yield made.until_not_synced()
        self.device = self.make_device(port=self.device.address[1])
        yield self.move_clock(0.6)
        yield made.until_synced()
        self.assertEqual(self.device.samplings, ["a.string event", "an.int auto"])
        yield self.resync(made)
        self.assertEqual(self.device.samplings[2:], ["a.string event", "an.int auto"])

    @timewarp_test
    def test_sensors_that_come_back(self):
        made = yield self.synced_resource()
        listener = mock.Mock()
        made.set_sensor_listener("an.int", listener)
        yield made.set_sampling_strategy("an.int", "event")
        listener.reset_mock()
        description = self.device.sensors.pop(b"an.int")
        with LogRecorder("katcp.resource_client") as log:
            yield self.resync(made)
        self.assertEqual(log.messages, ["Did not set strategy for non-existing sensor an.int"])
        self.assertEqual(self.device.samplings, ["an.int event"])
        self.device.sensors[b"an.int"] = description
        yield self.resync(made)
        self.assertEqual(self.device.samplings, ["an.int event"] * 2)
        self.device.update(b"an.int", b"5")
        yield made.sensor.an_int.wait(5)
        self.assertEqual(listener.call_count, 1)

    @timewarp_test
    def test_set_without_waiting_for_it(self):
        made = yield self.synced_resource()
        made.sensor.an_int.set_strategy("event")
        yield made.sensor.an_int.wait(3)
        made.set_sampling_strategy("a.string", "event")
        self.assertEqual(made.sensor.a_string.sampling_strategy, ("event",))

    @timewarp_test
    def test_the_last_one_counts(self):
        made = yield self.synced_resource()
        yield made.set_sampling_strategy("an.int", "event")
        yield made.sensor.an_int.set_strategy("period", 5)
        self.assertEqual(made._sensor_strategy_cache, {"an_int": "period 5"})
        yield made.sensor.a_string.set_strategy("auto")
        made.stop()
        yield made.until_stopped()
        made.start()
        yield made.until_synced()
        self.assertEqual(self.device.samplings[3:], ["a.string auto", "an.int period 5.0"])
        self.assertEqual(made.sensor.an_int.sampling_strategy, ("period", "5.0"))
        made.sensor.an_int.drop_sampling_strategy()
        self.assertEqual(made._sensor_strategy_cache, {"a_string": "auto"})

    @timewarp_test
    def test_drop(self):
        made = yield self.synced_resource()
        made.drop_sampling_strategy("unknown")
        yield made.set_sampling_strategy("an.int", "event")
        yield made.set_sampling_strategy("a.string", "event")
        self.device.stop()
        yield made.until_not_synced()
        made.drop_sampling_strategy("an.int")
        self.assertEqual(made.sensor.an_int.sampling_strategy, ("none",))
        self.assertEqual(made._sensor_strategy_cache, {"a_string": "event"})
        self.assertEqual(made._sensor_manager._strategy_cache, {"a.string": ("event",)})
        self.device = self.make_device(port=self.device.address[1])
        yield self.move_clock(0.6)
        yield made.until_synced()
        self.assertEqual(self.device.samplings, ["a.string event"])

    @timewarp_test
    def test_failures(self):
        made = yield self.synced_resource()
        with LogRecorder("katcp.resource_client") as log:
            self.assertEqual((yield made.set_sampling_strategy("an.int", "bogus")), {"an_int": "bogus"})
            self.assertEqual((yield made.set_sampling_strategy("an.int", 3)), {"an_int": 3})
            self.assertEqual((yield made.sensor.an_int.set_sampling_strategy("bogus"))[0], False)
            self.device.stop()
            yield made.until_not_synced()
            self.assertEqual((yield made.set_sampling_strategy("an.int", "event")), {"an_int": "event"})
        self.assertEqual(len(log.messages), 4)
        # It is set as soon as there is a device again.
        self.device = self.make_device(port=self.device.address[1])
        yield self.move_clock(0.6)
        yield made.until_synced()
        self.assertEqual(self.device.samplings, ["an.int event"])

    @timewarp_test
    def test_many_by_a_filter(self):
        made = yield self.synced_resource()
        self.assertEqual((yield made.set_sampling_strategies("", "event")),
                         {"an_int": "event", "a_string": "event"})
        self.assertEqual((yield made.set_sampling_strategies("^an", ["auto"])), {"an_int": ["auto"]})
        self.assertEqual((yield made.set_sampling_strategies("nothing", "event")), {})
        self.assertEqual(self.device.samplings, ["a.string event", "an.int event", "an.int auto"])
        self.assertEqual(made._sensor_strategy_cache, {"an_int": ["auto"], "a_string": "event"})
        # Only sensors there are now.
        self.device.sensors[b"new.int"] = (b"A new one.", b"", b"integer")
        yield self.resync(made)
        self.assertEqual(made.sensor.new_int.sampling_strategy, ("none",))

    @timewarp_test
    def test_sent_together(self):
        for number in range(50):
            self.device.sensors[b"sensor.%02d" % number] = (b"", b"", b"integer")
        made = yield self.synced_resource()
        self.device.held.add("sensor-sampling")
        setting = made.set_sampling_strategies("sensor", "event")
        # All are on their way before the first is answered.
        yield self.until(lambda: len(self.device.samplings) == 50)
        self.device.release()
        yield setting
        self.assertEqual(made.sensor.sensor_49.value, 3)

    @timewarp_test
    def test_the_last_one_counts_however_many_wait_to_be_sent(self):
        for number in range(100):
            self.device.sensors[b"sensor.%02d" % number] = (b"", b"", b"integer")
        made = yield self.synced_resource()
        setting = made.set_sampling_strategies("sensor", "event")
        yield [made.sensor.sensor_90.set_strategy("period", 1), setting]
        self.assertEqual([line for line in self.device.samplings if line.startswith("sensor.90")],
                         ["sensor.90 period 1.0"])
        self.assertEqual(len(self.device.samplings), 100)
        # The same goes for those that are set again with a new synchronisation.
        del self.device.server.lines[:]
        self.device.held.add("sensor-sampling")
        self.device.interface_changed()
        yield self.until(lambda: self.device.samplings)
        made.set_sampling_strategy("sensor.91", "auto")
        made.drop_sampling_strategy("sensor.92")
        self.device.release()
        yield made.until_synced()
        self.assertEqual([line for line in self.device.samplings if line.startswith("sensor.9")],
                         ["sensor.91 auto", "sensor.90 period 1.0"]
                         + ["sensor.9%d event" % number for number in range(3, 10)])


class TestBulkStrategies(ResourceTestCase):
    """Devices that take strategies for many sensors in one request."""

    protocol = BULK_PROTOCOL

    def setUp(self):
        super(TestBulkStrategies, self).setUp()
        self.names = []
        for number in range(40):
            name = b"sensor.%02d" % number
            self.device.sensors[name] = (b"A sensor.", b"", b"integer")
            self.names.append(name.decode())

    @timewarp_test
    def test_by_a_filter(self):
        made = yield self.synced_resource()
        results = yield made.set_sampling_strategies("sensor", "event")
        self.assertEqual(len(results), 40)
        self.assertEqual(self.device.samplings, [",".join(self.names) + " event"])
        self.assertEqual(made.sensor.sensor_17.sampling_strategy, ("event",))
        self.assertEqual(made.sensor.sensor_39.value, 3)

    @timewarp_test
    def test_presets_and_resynchronisation(self):
        made = self.make_resource()
        for number, name in enumerate(self.names):
            made.set_sampling_strategy(name, "event" if number % 2 else ("period", 10))
        made.start()
        yield made.until_synced()
        expected = [",".join(self.names[::2]) + " period 10.0", ",".join(self.names[1::2]) + " event"]
        self.assertEqual(self.device.samplings, expected)
        self.device.stop()
        yield made.until_not_synced()
        sensors = self.device.sensors
        self.device = self.make_device(port=self.device.address[1])
        self.device.sensors = sensors
        yield self.move_clock(0.6)
        yield made.until_synced()
        self.assertEqual(self.device.samplings, expected)
        self.assertTrue(all(sensor.value == 3 for sensor in dict.values(made.sensor)
                            if sensor.name.startswith("sensor")))

    @timewarp_test
    def test_one_bad_sensor(self):
        self.device.refused.add(b"sensor.13")
        made = self.make_resource()
        for name in self.names:
            made.set_sampling_strategy(name, "event")
        with LogRecorder("katcp.resource_client") as log:
            made.start()
            yield made.until_synced()
        self.assertEqual([sensor.name for sensor in dict.values(made.sensor)
                          if sensor.value is None and sensor.name.startswith("sensor")], ["sensor.13"])
        self.assertEqual(len(log.messages), 1)
        self.assertIn("sensor.13", log.messages[0])
        self.assertNotIn("sensor.12", log.messages[0])

    @timewarp_test
    def test_the_last_one_counts_when_a_list_is_refused(self):
        self.device.refused.add(b"sensor.13")
        made = yield self.synced_resource()
        with LogRecorder("katcp.resource_client") as log:
            setting = made.set_sampling_strategies("sensor", "event")
            yield [made.sensor.sensor_14.set_strategy("auto"), setting]
        lists = [line.split(" ")[0].split(",") for line in self.device.samplings if line.endswith(" event")]
        self.assertEqual([len(names) for names in lists if "sensor.14" in names], [40])
        self.assertIn("sensor.14 auto", self.device.samplings)
        # That is nothing to be logged.
        self.assertEqual(len(log.messages), 1)
        self.assertNotIn("sensor.14", log.messages[0])

    @timewarp_test
    def test_a_single_one(self):
        made = yield self.synced_resource()
        yield made.set_sampling_strategy("sensor.01", "event")
        self.assertEqual(self.device.samplings, ["sensor.01 event"])


class TestListeners(ResourceTestCase):
    @timewarp_test
    def test_each_update_once(self):
        made = yield self.synced_resource()
        listener = mock.Mock()
        self.assertEqual((yield made.set_sensor_listener("an.int", listener)), {"an_int": listener})
        self.assertFalse(listener.called)
        for value in (1, 1, 2, 3, 3, 4):
            made.sensor.an_int.set(0, Sensor.NOMINAL, value)
        self.assertEqual([call[0][1].value for call in listener.call_args_list], [1, 1, 2, 3, 3, 4])

    @timewarp_test
    def test_exceptions(self):
        made = yield self.synced_resource()
        good = mock.Mock()
        made.set_sensor_listener("an.int", mock.Mock(side_effect=ValueError))
        made.set_sensor_listener("an.int", good)
        with LogRecorder("katcp.resource") as log:
            made.sensor.an_int.set_value(1)
        self.assertTrue(good.called)
        self.assertEqual(len(log.messages), 1)

    @gen.coroutine
    def restart(self, made):
        made.stop()
        yield made.until_stopped()
        made.start()
        yield made.until_synced()

    @timewarp_test
    def test_restart(self):
        made = yield self.synced_resource(controlled=True)
        listener = mock.Mock()
        made.set_sensor_listener("an.int", listener)
        old_sensor = made.sensor.an_int
        del self.device.sensors[b"a.string"], self.device.requests[b"watchdog"]
        yield self.restart(made)
        # What has gone meanwhile is gone.
        self.assertEqual(sorted(made.sensor), ["an_int"])
        self.assertEqual(sorted(made.req), ["help"])
        self.assertIsNot(made.sensor.an_int, old_sensor)
        made.sensor.an_int.set_value(1)
        self.assertEqual(listener.call_count, 1)
        self.device.sensors.clear()
        self.device.requests.clear()
        yield self.restart(made)
        self.assertEqual((made.sensor, made.req), ({}, {}))
