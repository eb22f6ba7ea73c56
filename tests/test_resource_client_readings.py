"""Readings that devices report without a value, as resources show them."""

from __future__ import absolute_import, division, print_function

from tornado import gen
from tornado.testing import gen_test

from katcp.sensor import Sensor
from tests.support.client_cases import CapturedLog
from tests.support.resource_cases import BULK_PROTOCOL, ResourceTestCase

# Names of sensors to what the device says about them, and what it sends instead of a value.
SENSORS = {
    b"s.int": ((b"An int.", b"", b"integer"), b"nan"),
    b"s.float": ((b"A float.", b"", b"float", b"-1", b"1"), b""),
    b"s.bool": ((b"A bool.", b"", b"boolean"), b""),
    b"s.lru": ((b"An LRU.", b"", b"lru"), b""),
    b"s.discrete": ((b"A discrete.", b"", b"discrete", b"one", b"two"), b"three"),
    b"s.timestamp": ((b"A timestamp.", b"", b"timestamp"), b""),
    b"s.address": ((b"An address.", b"", b"address"), b"[::1"),
    b"s.string": ((b"A string.", b"", b"string"), b"\xff\xfe"),
}
UNREADABLE_ON_PYTHON_3 = b"s.string"


class TestReadings(ResourceTestCase):
    def setUp(self):
        super(TestReadings, self).setUp()
        self.device.sensors = dict((name, description) for name, (description, _) in SENSORS.items())
        self.told = []

    def listen(self, sensor, reading):
        self.told.append((reading.timestamp, reading.status))

    def assert_has_no_value(self, sensor, timestamp, status):
        raw_value = SENSORS[sensor.name.encode("ascii")][1]
        reading = sensor.reading
        self.assertEqual((reading.timestamp, reading.istatus), (timestamp, Sensor.STATUS_NAMES[status]))
        if sensor.name.encode("ascii") == UNREADABLE_ON_PYTHON_3 and str is bytes:
            self.assertEqual((reading.value, reading.raw_value), (raw_value, None))
        else:
            self.assertEqual((reading.value, reading.raw_value), (None, raw_value))

    @gen.coroutine
    def until_handled(self, resource):
        yield resource._inspecting_client.simple_request("watchdog")

    @gen_test(timeout=1000)
    def test_issued_while_sampled(self):
        self.device.readings.update(dict(
            (name, (b"7", b"unknown", raw_value)) for name, (_, raw_value) in SENSORS.items()))
        resource = yield self.synced_resource(controlled=True)
        with CapturedLog("katcp") as log:
            for name in sorted(SENSORS):
                name = name.decode("ascii").replace(".", "_")
                yield resource.set_sensor_listener(name, self.listen)
                yield resource.set_sampling_strategy(name, "event")
                self.assert_has_no_value(resource.sensor[name], 7, "unknown")
                resource.wait(name, lambda reading: reading.value > 20)
            self.assertEqual(self.told, len(SENSORS) * [(7, "unknown")])
            for status in ("failure", "unreachable", "inactive"):
                wait = resource.wait("s.int", lambda reading: reading.status == status)
                for name, (_, raw_value) in SENSORS.items():
                    self.device.update(name, raw_value, b"8", status.encode("ascii"))
                yield self.until_handled(resource)
                self.assertTrue((yield wait))
                for sensor in resource.sensor.values():
                    self.assert_has_no_value(sensor, 8, status)
            self.device.update(b"s.int", b"9", b"9")
            yield self.until_handled(resource)
        self.assertEqual(resource.sensor.s_int.reading[1:], (9, Sensor.NOMINAL, 9))
        self.assertEqual(log.messages, [])
        listed = yield resource.list_sensors("s_bool", status="inactive")
        self.assertEqual([(item.name, item.reading.value) for item in listed], [("s.bool", None)])

    @gen_test(timeout=1000)
    def test_polled(self):
        resource = yield self.synced_resource(controlled=True)
        for name, (_, raw_value) in sorted(SENSORS.items()):
            self.device.readings[name] = (b"7", b"failure", raw_value)
            sensor = resource.sensor[name.decode("ascii").replace(".", "_")]
            reading = yield sensor.get_reading()
            self.assertIs(reading, sensor.reading)
            self.assert_has_no_value(sensor, 7, "failure")
            self.assertEqual((yield sensor.get_status()), "failure")
        self.assertIsNone((yield resource.sensor.s_int.get_value()))
        reply, informs = yield resource._inspecting_client.simple_request("sensor-value", "s.int")
        self.assertEqual(informs[0].arguments[-1], b"nan")

    @gen_test(timeout=1000)
    def test_many_at_a_time(self):
        self.device.readings[b"s.int"] = (b"7", b"failure", b"nan")
        self.device.readings[b"s.bool"] = (b"7", b"unreachable", b"")
        self.device.readings[b"s.float"] = (b"7", b"splendid", b"2.5")
        with CapturedLog("katcp") as log:
            resource = yield self.synced_resource(controlled=True)
            yield resource.set_sampling_strategies("s_(int|bool|float)", "event")
        self.assert_has_no_value(resource.sensor.s_int, 7, "failure")
        self.assert_has_no_value(resource.sensor.s_bool, 7, "unreachable")
        self.assertEqual(resource.sensor.s_float.reading[1:], (7, Sensor.UNKNOWN, 2.5))
        self.assertEqual([record.levelname for record in log.records], ["WARNING"])


class TestVersion51(TestReadings):
    protocol = BULK_PROTOCOL
