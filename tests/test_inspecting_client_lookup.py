"""Inspecting clients: looking up sensors and requests, and the updates of sensors."""

from __future__ import absolute_import, division, print_function

import gc

from katcp import KatcpSyntaxError, Message, ProtocolFlags, Sensor
from katcp.compat import CANCELLED_ERRORS, PY2, TornadoFuture
from katcp.inspecting_client import InspectingClientAsync, RequestType, SyncError
from tests.support import mock
from tests.support.client_cases import CapturedLog
from tests.support.inspecting_cases import InspectingTestCase, timewarp_test


def status(*fields, **kwargs):
    """A #sensor-status inform."""
    return Message.inform(kwargs.get("name", "sensor-status"), *fields)


class TestLookup(InspectingTestCase):
    @timewarp_test
    def test_sensors(self):
        self.device.sensors.update({
            b"a.float": (b"A Float.", b"m", b"float", b"-123.4", b"123.4"),
            b"a.discrete": (b"A Discrete.", b"", b"discrete", b"one", b"two", b"three"),
            b"a.timestamp": (b"A Timestamp.", b"s", b"timestamp"),
            b"a.boolean": (b"A Boolean.", b"", b"boolean"), b"an.lru": (b"An LRU.", b"", b"lru"),
            b"an.address": (b"An Address.", b"", b"address")})
        client = yield self.synced_client()
        for name, stype, params in (("an.int", "integer", [-5, 5]), ("a.string", "string", []),
                                    ("a.float", "float", [-123.4, 123.4]), ("a.boolean", "boolean", []),
                                    ("a.discrete", "discrete", ["one", "two", "three"]),
                                    ("a.timestamp", "timestamp", []), ("an.lru", "lru", []),
                                    ("an.address", "address", [])):
            sensor = yield client.future_get_sensor(name)
            self.assertIsInstance(sensor, Sensor)
            self.assertEqual((sensor.name, sensor.stype, sensor.params), (name, stype, params))
            self.assertIs((yield client.future_get_sensor(name)), sensor)
            self.assertIs((yield client.future_check_sensor(name)), True)
            self.assertIs(client._sensors_index[name]["obj"], sensor)
            self.assertIs(client._sensor_object_cache[name], sensor)
        self.assertEqual(len(self.device.asked), 2)

    @timewarp_test
    def test_ranges_of_sensors(self):
        self.device.sensors[b"a.float"] = (b"A Float.", b"m", b"float", b"0", b"1.5", b"-1", b"2.5")
        client = yield self.synced_client()
        sensor = yield client.future_get_sensor("a.float")
        self.assertEqual((sensor.nominal_range, sensor.warn_range), ((0.0, 1.5), (-1.0, 2.5)))
        sensor = yield client.future_get_sensor("an.int")
        self.assertEqual((sensor.nominal_range, sensor.warn_range), ((-5, 5), None))

    @timewarp_test
    def test_requests(self):
        client = yield self.synced_client()
        request = yield client.future_get_request("help")
        self.assertEqual(request, RequestType("help", "Tell what one can do.\n", None))
        self.assertEqual(repr(request),
                         "Request(name='help', description='Tell what one can do.\\n', timeout_hint=None)")
        self.assertEqual(RequestType.__name__, "Request")
        self.assertIs((yield client.future_get_request("help")), request)
        self.assertIs((yield client.future_check_request("help")), True)

    @timewarp_test
    def test_what_is_not_there(self):
        client = yield self.synced_client()
        self.assertIsNone((yield client.future_get_sensor("unknown")))
        self.assertIsNone((yield client.future_get_request("unknown")))
        self.assertIs((yield client.future_check_sensor("unknown")), False)
        self.assertIs((yield client.future_check_request("unknown")), False)
        self.assertEqual(self.device.asked[2:], ["?sensor-list unknown", "?help unknown"] * 2)
        self.assertNotIn("unknown", client.sensors + client.requests)

    @timewarp_test
    def test_whether_to_ask(self):
        client = yield self.synced_client()
        self.device.sensors[b"new"] = (b"New.", b"", b"string")
        self.device.requests[b"new"] = b"New."
        for _ in range(2):
            self.assertIs((yield client.future_check_sensor("new", update=False)), False)
            self.assertIs((yield client.future_check_request("new", update=False)), False)
            self.assertIsNone((yield client.future_get_sensor("new", False)))
            self.assertIsNone((yield client.future_get_request("new", False)))
            client._update_on_lookup = False
            self.assertIs((yield client.future_check_sensor("new")), False)
        self.assertEqual(len(self.device.asked), 2)
        self.assertIs((yield client.future_check_sensor("new", True)), True)
        client._update_on_lookup = True
        self.assertEqual((yield client.future_get_request("new")).description, "New.")
        self.assertEqual((yield client.future_get_sensor("new")).description, "New.")
        self.assertEqual(len(self.device.asked), 4)
        self.assertEqual(self.callback.told, [])

    @timewarp_test
    def test_names_of_either_kind(self):
        client = yield self.synced_client()
        sensor = yield client.future_get_sensor(u"an.int")
        self.assertIs(type(sensor.name), str)
        if PY2:
            self.assertIs((yield client.future_get_sensor(b"an.int")), sensor)
        else:
            self.assertIsNone((yield client.future_get_sensor(b"an.int")))

    @timewarp_test
    def test_lookups_wait_for_current_data(self):
        client = self.make_client()
        lookups = [client.future_get_sensor("an.int"), client.future_get_request("help"),
                   client.future_check_sensor("an.int"), client.future_check_request("unknown")]
        yield client.connect()
        self.assertFalse(any(lookup.done() for lookup in lookups))
        sensor, request, has_sensor, has_request = yield lookups
        self.assertEqual((sensor.name, request.name, has_sensor, has_request),
                         ("an.int", "help", True, False))
        self.device.held.add("help")
        self.device.interface_changed()
        yield client.until_not_synced()
        lookup = client.future_get_sensor("an.int")
        yield self.iterations(20)
        self.assertFalse(lookup.done())
        del self.device.sensors[b"an.int"]
        self.device.release()
        self.assertIsNone((yield lookup))

    @timewarp_test
    def test_known_names_take_no_iteration(self):
        client = yield self.synced_client()
        futures = [client.future_get_sensor("an.int"), client.future_check_sensor("an.int"),
                   client.future_get_request("help"), client.future_check_request("help")]
        self.assertTrue(all(future.done() for future in futures))
        yield futures

    @timewarp_test
    def test_refused_questions(self):
        client = yield self.synced_client()
        self.device.broken["sensor-list"] = self.device.broken["help"] = ("fail", "Out of order.")
        for look_up in (client.future_get_sensor, client.future_check_sensor, client.future_get_request,
                        client.future_check_request):
            with self.assertRaises(SyncError):
                yield look_up("unknown")

    @timewarp_test
    def test_sensors_that_cannot_be_made(self):
        self.device.sensors[b"odd"] = (b"Odd.", b"", b"no-such-type")
        self.device.sensors[b"bad"] = (b"Bad.", b"", b"integer", b"one")
        client = yield self.synced_client()
        for _ in range(2):
            with self.assertRaises(KatcpSyntaxError) as caught:
                yield client.future_get_sensor("odd")
            self.assertIn("Invalid sensor type string no-such-type", str(caught.exception))
            with self.assertRaises(ValueError):
                yield client.future_get_sensor("bad")
        self.assertIs((yield client.future_check_sensor("odd")), True)
        self.assertEqual((yield client.future_get_sensor("an.int")).name, "an.int")

    @timewarp_test
    def test_questions_are_shared(self):
        client = yield self.synced_client()
        lookups = [look_up("unknown") for look_up in (
            client.future_get_sensor, client.future_get_sensor, client.future_check_sensor,
            client.future_get_request, client.future_check_request)]
        self.assertEqual((yield lookups), [None, None, False, None, False])
        self.assertEqual(sorted(self.device.asked[2:]), ["?help unknown", "?sensor-list unknown"])
        yield self.iterations()
        self.assertEqual(client._inspections_under_way, {})
        # The answer may be another one later.
        self.device.sensors[b"unknown"] = (b"New.", b"", b"string")
        self.assertIs((yield client.future_check_sensor("unknown")), True)

    @timewarp_test
    def test_factories(self):
        client = self.make_client()
        yield client.connect()
        client.sensor_factory, client.request_factory = mock.Mock(), mock.Mock()
        sensor = yield client.future_get_sensor("an.int")
        request = yield client.future_get_request("help")
        self.assertIs(sensor, client.sensor_factory.return_value)
        self.assertIs(request, client.request_factory.return_value)
        yield client.future_get_sensor("an.int")
        yield client.future_get_request("help")
        client.sensor_factory.assert_called_once_with(
            units="count", sensor_type=Sensor.INTEGER, params=[-5, 5], description="An Integer.",
            name="an.int")
        client.request_factory.assert_called_once_with(
            name="help", description="Tell what one can do.\n", timeout_hint=None)

    @timewarp_test
    def test_failing_factory(self):
        client = yield self.synced_client()
        client.sensor_factory = mock.Mock(side_effect=KeyError("Sorry"))
        with self.assertRaises(KeyError):
            yield client.future_get_sensor("an.int")
        del client.sensor_factory
        self.assertIsInstance((yield client.future_get_sensor("an.int")), Sensor)

    @timewarp_test
    def test_modified_items_get_new_objects(self):
        client = yield self.synced_client()
        old = yield [client.future_get_sensor("an.int"), client.future_get_sensor("a.string"),
                     client.future_get_request("help"), client.future_get_request("watchdog")]
        self.device.sensors[b"an.int"] = (b"Modified.", b"apples", b"integer")
        self.device.requests[b"help"] = b"Modified."
        self.device.interface_changed()
        yield client.until_not_synced()
        yield client.until_synced()
        new = yield [client.future_get_sensor("an.int"), client.future_get_sensor("a.string"),
                     client.future_get_request("help"), client.future_get_request("watchdog")]
        self.assertIsNot(new[0], old[0])
        self.assertIs(new[1], old[1])
        self.assertEqual((new[0].description, new[0].units, new[0].params), ("Modified.", "apples", []))
        self.assertEqual(new[2].description, "Modified.")
        self.assertIs(new[3], old[3])
        # Updates are for the new one.
        self.device.inform(status("5", "1", "an.int", "warn", "4"))
        yield client.simple_request("watchdog")
        self.assertEqual((new[0].value(), old[0].value()), (4, 0))
        # Also if nobody has asked for it yet.
        self.device.sensors[b"an.int"] = (b"Modified again.", b"", b"integer")
        self.device.interface_changed()
        yield client.until_not_synced()
        yield client.until_synced()
        self.device.inform(status("6", "1", "an.int", "warn", "5"))
        yield client.simple_request("watchdog")
        self.assertEqual(new[0].value(), 4)
        self.assertEqual(client._sensor_object_cache["an.int"].value(), 5)

    @timewarp_test
    def test_request_modified_before_anybody_asks_for_it(self):
        client = yield self.synced_client()
        self.device.requests[b"help"] = b"Modified."
        self.device.interface_changed()
        yield client.until_not_synced()
        yield client.until_synced()
        self.assertEqual((yield client.future_get_request("help")), RequestType("help", "Modified.", None))

    @timewarp_test
    def test_removed_and_added_again(self):
        client = yield self.synced_client()
        old = yield client.future_get_sensor("an.int")
        description = self.device.sensors.pop(b"an.int")
        self.device.interface_changed()
        yield client.until_not_synced()
        yield client.until_synced()
        self.assertEqual(client._sensor_object_cache, {})
        self.assertIsNone((yield client.future_get_sensor("an.int")))
        self.device.sensors[b"an.int"] = description
        self.assertIsNot((yield client.future_get_sensor("an.int")), old)


class TestUpdates(InspectingTestCase):
    @timewarp_test
    def test_sensor_status(self):
        client = yield self.synced_client()
        sensors = yield [client.future_get_sensor("an.int"), client.future_get_sensor("a.string")]
        self.device.inform(status("12345.5", "2", "an.int", "warn", "7", "a.string", "nominal", "text"))
        yield client.simple_request("watchdog")
        self.assertEqual([sensor.read() for sensor in sensors],
                         [(12345.5, Sensor.WARN, 7), (12345.5, Sensor.NOMINAL, "text")])

    @timewarp_test
    def test_status_that_does_not_exist(self):
        client = yield self.synced_client()
        sensors = yield [client.future_get_sensor("an.int"), client.future_get_sensor("a.string")]
        with CapturedLog("katcp.inspect_client") as log:
            for number in range(3):
                self.device.inform(status("12345", "2", "an.int", "splendid", str(number),
                                          "a.string", "nominal", "text"))
            yield client.simple_request("watchdog")
            self.assertEqual([sensor.read() for sensor in sensors],
                             [(12345, Sensor.UNKNOWN, 2), (12345, Sensor.NOMINAL, "text")])
            self.assertEqual([(record.levelname, record.msg, record.args) for record in log.records], [(
                "WARNING", 'Sensor "an.int" was reported with the status "splendid", which does not exist; '
                'it is taken for "unknown"', ())])
            # Of a sensor that has to be looked up first.
            self.device.sensors[b"new"] = (b"New.", b"", b"string")
            self.device.inform(status("12345", "1", "new", 1000 * b"\xff", "text"))
            yield client.simple_request("watchdog")
            self.assertEqual((yield client.future_get_sensor("new")).read(), (12345, Sensor.UNKNOWN, "text"))
            self.assertEqual(len(log.records), 2)
            self.assertLess(len(log.records[1].msg), 400)
            # However many there are.
            for number in range(2000):
                yield client.update_sensor("an.int", b"5", b"s-%d" % number, b"3")
            self.assertEqual(len(log.records), 1000)

    @timewarp_test
    def test_milliseconds_of_old_devices(self):
        client = self.make_client()
        client.preset_protocol_flags(ProtocolFlags(4, 0, ""))
        yield client.connect()
        sensor = yield client.future_get_sensor("an.int")
        self.device.inform(status("12345500", "1", "an.int", "nominal", "7"))
        yield client.simple_request("watchdog")
        self.assertEqual(sensor.read().timestamp, 12345.5)

    @timewarp_test
    def test_sensor_value(self):
        client = yield self.synced_client()
        sensor = yield client.future_get_sensor("an.int")
        self.device._sensor_value = lambda name: [
            status("12345", "1", "an.int", "nominal", "7", name="sensor-value"),
            Message.reply("sensor-value", "ok", 1)]
        yield client.simple_request("sensor-value", "an.int")
        self.assertEqual(sensor.value(), 0)
        client.handle_sensor_value()
        client.handle_sensor_value()
        with mock.patch.object(client, "update_sensor", wraps=client.update_sensor) as update:
            _, informs = yield client.simple_request("sensor-value", "an.int")
            # Before the reply gets to whoever asked.
            self.assertEqual(sensor.read(), (12345, Sensor.NOMINAL, 7))
            update.assert_called_once_with("an.int", b"12345", b"nominal", b"7")
        self.assertEqual(len(informs), 1)

    @timewarp_test
    def test_update_makes_the_object(self):
        client = yield self.synced_client()
        update = client.update_sensor("an.int", b"5", b"nominal", b"3")
        self.assertTrue(update.done())
        self.assertIsNone((yield update))
        self.assertEqual(client._sensor_object_cache["an.int"].read(), (5, Sensor.NOMINAL, 3))

    @timewarp_test
    def test_arguments_of_the_object(self):
        client = yield self.synced_client()
        client.sensor_factory = mock.Mock()
        yield client.update_sensor("an.int", b"5", b"nominal", b"3")
        client.sensor_factory.return_value.set_formatted.assert_called_once_with(
            b"5", b"nominal", b"3", 5)

    @timewarp_test
    def test_updates_of_a_known_sensor_share_a_future(self):
        client = yield self.synced_client()
        yield client.future_get_sensor("an.int")
        updates = [client.update_sensor("an.int", b"5", b"nominal", value) for value in (b"1", b"2")]
        self.assertIs(updates[0], updates[1])
        yield updates
        self.assertEqual((yield updates[0]), None)

    @timewarp_test
    def test_updates_while_not_synced(self):
        client = yield self.synced_client()
        sensor = yield client.future_get_sensor("an.int")
        self.device.held.add("help")
        self.device.interface_changed()
        yield client.until_not_synced()
        self.device.inform(status("5", "1", "an.int", "nominal", "3"),
                           status("5", "1", "a.string", "nominal", "first"),
                           status("6", "1", "a.string", "nominal", "second"))
        yield client.simple_request("watchdog")
        self.assertEqual(sensor.value(), 3)
        self.assertNotIn("a.string", client._sensor_object_cache)
        self.device.release()
        yield client.until_synced()
        self.assertEqual(client._sensor_object_cache["a.string"].value(), "second")

    @timewarp_test
    def test_order_of_arrival(self):
        client = yield self.synced_client(initial_inspection=False)
        seen = []

        class Recorder(Sensor):
            def set(self, *reading):
                seen.append(reading[2])
                super(Recorder, self).set(*reading)

        client.sensor_factory = Recorder
        self.device.held.add("sensor-list")
        updates = [client.update_sensor("an.int", b"5", b"nominal", b"%d" % value) for value in range(4)]
        yield self.until_asked(1)
        # Somebody else gets the object first, another update follows.
        lookup = client.future_get_sensor("an.int")
        lookup.add_done_callback(
            lambda _: updates.append(client.update_sensor("an.int", b"5", b"nominal", b"4")))
        self.device.release()
        yield lookup
        yield self.iterations()
        yield updates
        self.assertEqual(seen, [0, 1, 2, 3, 4])
        self.assertEqual(self.device.asked, ["?sensor-list an.int"])
        self.assertEqual((client.sensors, client.requests), (["an.int"], []))
        self.assertEqual(client._waiting_updates, {})

    @timewarp_test
    def test_oldest_are_given_up_if_too_many_wait(self):
        # As they do, without end, if the device cannot be inspected.
        client = self.make_client()
        with mock.patch("katcp.inspecting.updates.MAX_WAITING_UPDATES", 10):
            other = client.update_sensor("a.string", b"5", b"nominal", b"text")
            updates = [client.update_sensor("an.int", b"5", b"nominal", b"%d" % value)
                       for value in range(100)]
        self.assertEqual([update.done() for update in updates], [True] * 91 + [False] * 9)
        self.assertFalse(other.done())
        yield updates[:91]
        seen = []
        client.sensor_factory = lambda **kwargs: mock.Mock(
            set_formatted=lambda timestamp, status, value, major: seen.append(value))
        yield client.connect()
        yield updates + [other]
        self.assertEqual(seen, [b"text"] + [b"%d" % value for value in range(91, 100)])
        self.assertEqual((client._waiting_updates, client._waiting_updates_count), ({}, 0))

    @timewarp_test
    def test_nothing_overtakes_what_waits(self):
        client = yield self.synced_client()
        sensor = Sensor.integer("an.int")
        values = []
        sensor.attach(mock.Mock(update=lambda _, reading: values.append(reading.value)))
        lookup = TornadoFuture()
        client._sensors_index.clear()
        with mock.patch.object(client, "future_get_sensor", return_value=lookup):
            first = client.update_sensor("an.int", b"5", b"nominal", b"1")
        client._sensor_object_cache["an.int"] = sensor
        second = client.update_sensor("an.int", b"5", b"nominal", b"2")
        lookup.set_result(sensor)
        yield [first, second]
        self.assertEqual(values, [1, 2])
        self.assertTrue(client.update_sensor("an.int", b"5", b"nominal", b"3").done())
        self.assertEqual(values, [1, 2, 3])

    @timewarp_test
    def test_unknown_sensor(self):
        client = yield self.synced_client()
        with CapturedLog("katcp.inspect_client") as log:
            for _ in range(3):
                self.device.inform(status("5", "1", "unknown", "nominal", "3"))
            for _ in range(3):
                yield client.simple_request("watchdog")
            yield client.update_sensor("unknown", b"5", b"nominal", b"3")
            self.assertEqual(log.messages,
                             ['Received update for "unknown", but could not create sensor object.'])
            # The device was asked once; it is again when everything was inspected.
            self.assertEqual(self.device.asked.count("?sensor-list unknown"), 1)
            self.device.interface_changed()
            yield client.until_not_synced()
            yield client.until_synced()
            yield client.update_sensor("unknown", b"5", b"nominal", b"3")
            self.assertEqual(len(log.messages), 2)
            self.device.sensors[b"unknown"] = (b"New.", b"", b"integer")
            sensor = yield client.future_get_sensor("unknown")
            yield client.update_sensor("unknown", b"5", b"nominal", b"3")
            self.assertEqual(sensor.value(), 3)

    @timewarp_test
    def test_one_bad_update_among_good_ones(self):
        self.device.sensors[b"odd"] = (b"Odd.", b"", b"no-such-type")
        client = yield self.synced_client()
        yield client.future_get_sensor("an.int")
        with CapturedLog("katcp.inspect_client") as log:
            self.device.inform(status("5", "5", "an.int", "no-such-status", "3", "an.int", "nominal", "three",
                                      b"\xff", "nominal", "3", "odd", "nominal", "3",
                                      "a.string", "nominal", "good"))
            yield client.simple_request("watchdog")
            yield client.simple_request("watchdog")
            yield self.iterations()
        self.assertEqual(client._sensor_object_cache["a.string"].value(), "good")
        self.assertEqual(len(log.messages), 4)
        for name in "an.int", "odd", "\xff" if PY2 else "\\xff":
            self.assertTrue(any('for "{}"'.format(name) in message for message in log.messages), log.messages)

    @timewarp_test
    def test_sensor_that_meets_something_cancelled(self):
        client = yield self.synced_client()
        good = yield client.future_get_sensor("a.string")
        for number, error in enumerate(CANCELLED_ERRORS):
            client._sensor_object_cache["an.int"] = mock.Mock(set_formatted=mock.Mock(side_effect=error))
            with CapturedLog("katcp.inspect_client") as log:
                self.device.inform(status("5", "2", "an.int", "nominal", "3",
                                          "a.string", "nominal", str(number)))
                yield client.simple_request("watchdog")
            self.assertEqual(good.value(), str(number))
            self.assertEqual(log.messages, ['Could not apply the update received for "an.int"'])

    @timewarp_test
    def test_failures_are_in_the_future(self):
        client = yield self.synced_client()
        with self.assertRaises(ValueError):
            yield client.update_sensor("an.int", b"5", b"nominal", b"nan")
        broken = mock.Mock(set_formatted=mock.Mock(side_effect=KeyError("my own")))
        client._sensor_object_cache["a.string"] = broken
        for raw_status, calls in ((b"warn", 1), (b"no-such-status", 2)):
            broken.set_formatted.reset_mock()
            with self.assertRaises(KeyError):
                yield client.update_sensor("a.string", b"5", raw_status, b"3")
            self.assertEqual(broken.set_formatted.call_count, calls)
        self.device.broken["sensor-list"] = ("fail", "Out of order.")
        with self.assertRaises(SyncError):
            yield client.update_sensor("unknown", b"5", b"nominal", b"3")

    @timewarp_test
    def test_refused_question_makes_no_noise(self):
        client = yield self.synced_client()
        self.device.broken["sensor-list"] = ("fail", "Out of order.")
        with CapturedLog("katcp.inspect_client") as log:
            with CapturedLog("asyncio") as asyncio_log, CapturedLog("tornado") as tornado_log:
                self.device.inform(status("5", "1", "unknown", "nominal", "3"))
                yield client.simple_request("watchdog")
                yield client.simple_request("watchdog")
                yield self.iterations()
                gc.collect()
            self.assertEqual(asyncio_log.messages + tornado_log.messages, [])
        self.assertEqual(log.messages, ['Could not apply the update received for "unknown"'])

    @timewarp_test
    def test_bad_informs(self):
        client = yield self.synced_client()
        with CapturedLog("katcp.inspect_client") as log:
            for fields in (("5", "2", "an.int", "nominal", "3"), ("5",), (), ("5", "one", "an.int")):
                self.device.inform(status(*fields))
            yield client.simple_request("watchdog")
        self.assertEqual(len(log.messages), 4)
        self.assertIn("_cb_inform_sensor_status", log.messages[0])
        self.assertIn("#sensor-status 5 2 an.int nominal 3", log.messages[0])

    @timewarp_test
    def test_overridden_update(self):
        class Listener(InspectingClientAsync):
            def update_sensor(self, name, timestamp, status, value):
                updates.append((name, timestamp, status, value))

        updates = []
        client = yield self.synced_client(Listener)
        self.device.inform(status("5", "1", "an.int", "nominal", "3"))
        yield client.simple_request("watchdog")
        self.assertEqual(updates, [("an.int", b"5", b"nominal", b"3")])

    @timewarp_test
    def test_informs_can_be_simulated(self):
        client = yield self.synced_client()
        client._cb_inform_sensor_status(status("5", "1", "an.int", "nominal", "3"))
        self.assertEqual(client._sensor_object_cache["an.int"].value(), 3)
        client._cb_inform_interface_change(Message.inform("interface-changed"))
        yield client.until_not_synced()
        yield client.until_synced()

    @timewarp_test
    def test_stop_does_not_keep_updates_waiting(self):
        client = self.make_client()
        yield client.connect()
        update = client.update_sensor("an.int", b"5", b"nominal", b"3")
        client.stop()
        self.assertIsNone((yield update))
        self.assertEqual(client._waiting_updates_count, 0)
        yield client.until_stopped()
