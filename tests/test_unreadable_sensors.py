"""Tests of what clients are told of sensors that have no value, or none that can be sent."""

from __future__ import absolute_import, division, print_function

import logging
import sys
import time
import unittest

from katcp.compat import is_bytes
from katcp.message import Message
from katcp.sensor import Reading, Sensor
from katcp.unreadable_sensors import format_in_place, log_unreadable, reading_in_place
from tests.support.devices import Device4, Device5, Device51, ServerTests, in_all_modes
from tests.support.logs import LogRecorder

# Type of sensor, a good value and how it is sent, the value of a new sensor as it is sent,
# values that cannot be sent
TYPES = [
    ("integer", 5, b"5", b"0", ["text", float("nan")]),
    ("float", 2.5, b"2.5", b"0.0", ["text", [1]]),
    ("boolean", True, b"1", b"0", []),
    ("lru", Sensor.LRU_ERROR, b"error", b"nominal", ["error", 7]),
    ("discrete", "two", b"two", b"one", []),
    ("string", "a b", b"a\\_b", b"\\@", []),
    ("timestamp", 1.5, b"1.500000", b"0.000000", ["noon"]),
    ("address", ("h", 80), b"h:80", b"0.0.0.0", ["h:80", 5]),
]
STATUSES = sorted(Sensor.STATUSES_WITHOUT_VALUE)


def make_sensors():
    """Return a list of a sensor of each type, each named after its type, and not set yet."""
    sensors = []
    for name, _, _, _, _ in TYPES:
        kwargs = {"params": ["one", "two"]} if name == "discrete" else {}
        sensors.append(getattr(Sensor, name)("s." + name, "A sensor.", **kwargs))
    return sensors


class Unreadable(Sensor):
    """A sensor that asks its hardware, which is out of order."""

    def read(self):
        raise RuntimeError("out of order")


class TestFormatReading(unittest.TestCase):
    def test_values_that_mean_nothing(self):
        for sensor, (_, good, wire, default, bad_values) in zip(make_sensors(), TYPES):
            for status in STATUSES:
                sensor.set(1.0, status, None)
                self.check(sensor, status, default)
            sensor.set(1.0, Sensor.NOMINAL, good)
            for status in STATUSES:
                for value in [None] + bad_values:
                    sensor.set(2.0, status, value)
                    self.check(sensor, status, wire)
            sensor.set(1.0, Sensor.INACTIVE, good)
            self.check(sensor, Sensor.INACTIVE, wire)

    def check(self, sensor, status, wire):
        timestamp, raw_status, value = sensor.read_formatted()
        self.assertEqual(raw_status, Sensor.STATUSES_RAW[status])
        self.assertEqual(bytes(Message.inform("x", value)), b"#x " + wire)
        # Twice, as it may have been kept.
        self.assertEqual(sensor.read_formatted(), (timestamp, raw_status, value))

    def test_values_that_should_mean_something(self):
        for sensor, (_, _, _, _, bad_values) in zip(make_sensors(), TYPES):
            for status in Sensor.NOMINAL, Sensor.WARN, Sensor.ERROR:
                for value in [None] + bad_values:
                    sensor.set(1.0, status, value)
                    with self.assertRaises((ValueError, TypeError)):
                        sensor.read_formatted()

    def test_last_value_is_the_latest(self):
        sensor = Sensor.integer("x", default=3)
        for major in 4, 5:
            sensor.set(1.0, Sensor.FAILURE, None)
            self.assertEqual(sensor.read_formatted(major)[2], b"3")
        for value in 4, 5:
            sensor.set(1.0, Sensor.NOMINAL, value)
            sensor.read_formatted()
        for value in 6, 7:
            sensor.set(1.0, Sensor.ERROR, value)
        sensor.set(1.0, Sensor.UNREACHABLE, None)
        sensor.set(1.0, Sensor.UNKNOWN, float("nan"))
        sensor.set(1.0, Sensor.FAILURE, None)
        self.assertEqual(sensor.read_formatted()[2], b"7")
        sensor.set(1.0, Sensor.NOMINAL, 5)
        sensor.read_formatted()
        sensor.set(1.0, Sensor.NOMINAL, 7)
        sensor.set(1.0, Sensor.FAILURE, None)
        self.assertEqual(sensor.read_formatted()[2], b"7")

    def test_default_that_cannot_be_sent(self):
        sensor = Sensor.integer("x", default="none")
        self.assertEqual(sensor.read_formatted()[1:], (b"unknown", b"0"))
        sensor = Sensor.discrete("x", params=["one", "two"], default=None)
        sensor._last_value = None
        sensor.set(1.0, Sensor.FAILURE, None)
        self.assertEqual(sensor.read_formatted()[1:], (b"failure", b"one"))

    def test_sensors_that_compute_their_reading(self):
        readings = [(1.0, Sensor.FAILURE, None), (2.0, Sensor.NOMINAL, 9), (3.0, Sensor.INACTIVE, None)]

        class Polled(Sensor):
            def read(self):
                return Reading(*readings.pop(0))

        sensor = Polled(Sensor.INTEGER, "x")
        self.assertEqual([sensor.read_formatted(4) for _ in range(3)],
                         [(b"1000", b"failure", b"0"), (b"2000", b"nominal", b"9"),
                          (b"3000", b"inactive", b"9")])

    def test_python_values_stay(self):
        sensor = Sensor.integer("x")
        sensor.set(1.0, Sensor.NOMINAL, 5)
        sensor.set(2.0, Sensor.FAILURE, None)
        self.assertEqual(sensor.read(), (2.0, Sensor.FAILURE, None))
        self.assertIsNone(sensor.value())

    def test_set_value(self):
        for sensor in make_sensors():
            for status in STATUSES:
                sensor.set_value(None, status, 1.5)
                self.assertEqual(sensor.read(), (1.5, status, None))
        discrete = make_sensors()[4]
        with self.assertRaises(ValueError):
            discrete.set_value(None)
        with self.assertRaises(ValueError):
            discrete.set_value("three", Sensor.FAILURE)

    def test_set_formatted(self):
        for sensor in make_sensors():
            if sensor.type == "string" and is_bytes("native"):
                continue
            for status in STATUSES:
                sensor.set(1.0, Sensor.NOMINAL, "something")
                sensor.set_formatted(b"1.5", Sensor.STATUSES_RAW[status], b"\xff\xfe[")
                self.assertEqual(sensor.read(), (1.5, status, None) if sensor.type != "address" or
                                 not is_bytes("native") else (1.5, status, (b"\xff\xfe[", None)))
            for status in b"nominal", b"warn", b"error":
                if sensor.type != "address" or not is_bytes("native"):
                    with self.assertRaises(ValueError):
                        sensor.set_formatted(b"2.5", status, b"\xff\xfe[")
            self.assertEqual(sensor.read()[0], 1.5)


class TestInPlace(unittest.TestCase):
    def test_format(self):
        sensor = Sensor.integer("x", default=3)
        self.assertEqual(format_in_place(sensor, (1.5, Sensor.NOMINAL, "text"), 5),
                         (b"1.500000", b"unknown", b"3"))
        self.assertEqual(format_in_place(sensor, (1.5, "bad", "text"), 4), (b"1500", b"unknown", b"3"))
        for reading in (None, ("noon", 1, 2), (None, 1, 2), 5, (float("nan"), 1, 2), (float("inf"), 1, 2)):
            timestamp, status, value = format_in_place(sensor, reading, 4)
            self.assertLess(abs(int(timestamp) - 1000 * time.time()), 60000)
            self.assertEqual((status, value), (b"unknown", b"3"))

    def test_format_of_other_classes(self):
        class Own(object):
            def format_reading(self, reading, major):
                raise ValueError(reading)

        self.assertEqual(format_in_place(Own(), (1.5, Sensor.NOMINAL, 5), 5), (b"1.500000", b"unknown", b""))

    def test_reading(self):
        reading = reading_in_place()
        self.assertIs(type(reading), Reading)
        self.assertLess(abs(reading.timestamp - time.time()), 60)
        self.assertEqual(reading[1:], (Sensor.UNKNOWN, None))

    def test_log(self):
        class Slots(object):
            __slots__ = ("name", "stype")

        logger = logging.getLogger("katcp.tests.unreadable")
        sensor, slots = Sensor.integer("x"), Slots()
        slots.name, slots.stype = "slots", "own"
        with LogRecorder("katcp.tests.unreadable") as log:
            for each in sensor, sensor, slots, sensor:
                try:
                    each.nothing_of_the_kind
                except AttributeError as error:
                    log_unreadable(logger, each, error, exc_info=sys.exc_info() if each is slots else None)
        self.assertEqual([record.msg.partition(". ")[0] for record in log.records], [
            "Sensor %s cannot be read or sent; clients are told the status 'unknown'" % text
            for text in ("'x' of type 'integer'", "'slots' of type 'own'")])
        self.assertIn("'unknown'. AttributeError: ", log.records[0].msg)
        self.assertFalse(any(record.args for record in log.records))
        self.assertFalse(log.records[0].exc_info)
        self.assertIn("nothing_of_the_kind", str(log.records[1].exc_info[1]))

    def test_log_is_one_line(self):
        class Unprintable(Exception):
            def __str__(self):
                raise ValueError("no text")

        for error, text in ((ValueError("two\nlines"), "ValueError: two lines"),
                            (Unprintable(), "Unprintable")):
            with LogRecorder("katcp.tests.unreadable") as log:
                log_unreadable(logging.getLogger("katcp.tests.unreadable"), Sensor.integer("x"), error)
            self.assertIn(text, log.messages[0])
            self.assertNotIn("\n", log.messages[0])


class _Values(ServerTests):
    """Requests of clients about such sensors."""

    def add_sensors(self):
        for sensor in make_sensors():
            self.server.add_sensor(sensor)

    def wire(self, name, value):
        """Return how a value is sent in the device's version."""
        if name == "timestamp" and self.server.PROTOCOL_INFO.major < 5:
            return b"%d" % round(1000 * float(value))
        return value

    def time(self, seconds):
        return b"%d" % (1000 * seconds) if self.server.PROTOCOL_INFO.major < 5 else b"%.6f" % seconds

    def test_sensor_value_without_value(self):
        self.add_sensors()
        client = self.connect()
        for index, status in enumerate(STATUSES):
            expected = []
            for name, good, wire, default, _ in sorted(TYPES):
                sensor = self.server.get_sensor("s." + name)
                if index:
                    sensor.set(1.5, Sensor.NOMINAL, good)
                sensor.set(2.5, status, None)
                expected.append(b" ".join([
                    b"#sensor-value", self.time(2.5), b"1", sensor.name.encode(), Sensor.STATUSES_RAW[status],
                    self.wire(name, wire if index else default)]))
                self.assertEqual(client.ask(b"?sensor-value " + sensor.name.encode()),
                                 [expected[-1], b"!sensor-value ok 1"])
            self.assertEqual(client.ask(b"?sensor-value /^s\\\\./"), expected + [b"!sensor-value ok 8"])

    def test_strategies_without_value(self):
        self.add_sensors()
        client = self.connect()
        client.ask(b"?watchdog")
        for name, good, wire, default, bad_values in TYPES:
            sensor = self.server.get_sensor("s." + name)
            raw_name = sensor.name.encode()
            strategies = [b"auto", b"event", b"period 10000"]
            if self.server.PROTOCOL_INFO.major >= 5:
                strategies.append(b"event-rate 0 1000")
                strategies += [b"differential-rate 1 0 1000"] * (name in ("integer", "float"))
            strategies += [b"differential 1"] * (name in ("integer", "float", "timestamp"))
            for strategy in strategies:
                sensor.set(1.5, Sensor.NOMINAL, good)
                sensor.set(2.5, Sensor.FAILURE, None)
                self.assertEqual(
                    client.ask(b"?sensor-sampling " + raw_name + b" " + strategy),
                    [self.report(raw_name, 2.5, b"failure", name, wire),
                     b"!sensor-sampling ok " + raw_name + b" " + strategy])
                if not strategy.startswith(b"period"):
                    sensor.set(3.5, Sensor.UNREACHABLE, None)
                    self.assertEqual(client.line(), self.report(raw_name, 3.5, b"unreachable", name, wire))
                    for value in bad_values:
                        sensor.set(4.5, Sensor.INACTIVE, value)
                        self.assertEqual(client.line(), self.report(raw_name, 4.5, b"inactive", name, wire))
                        sensor.set(5.5, Sensor.NOMINAL, good)
                        self.assertEqual(client.line(), self.report(raw_name, 5.5, b"nominal", name, wire))
                self.assertEqual(len(client.ask(b"?sensor-sampling " + raw_name + b" none")), 1)

    def report(self, raw_name, seconds, status, type_name, wire):
        return b" ".join([b"#sensor-status", self.time(seconds), b"1", raw_name, status,
                          self.wire(type_name, wire)])

    def test_one_sensor_that_cannot_be_sent(self):
        client = self.connect()
        expected = client.ask(b"?sensor-value")
        self.server.get_sensor("a.float").set(2.5, Sensor.NOMINAL, "text")
        expected[1] = b"#sensor-value %s 1 a.float unknown 12.0" % self.time(2.5)
        with LogRecorder() as log:
            self.assertEqual(client.ask(b"?sensor-value"), expected)
            self.assertEqual(client.ask(b"?sensor-value //"), expected)
            self.assertEqual(client.ask(b"?sensor-value a.float"), [expected[1], b"!sensor-value ok 1"])
        self.assertEqual(self.complaints(log), [
            "Sensor 'a.float' of type 'float' cannot be read or sent; clients are told the status 'unknown'. "
            "ValueError: Could not encode value ''text'' as float."])
        # Once more when it has been readable.
        self.server.get_sensor("a.float").set(3.5, Sensor.NOMINAL, 1.5)
        expected[1] = b"#sensor-value %s 1 a.float nominal 1.5" % self.time(3.5)
        self.assertEqual(client.ask(b"?sensor-value"), expected)
        self.server.get_sensor("a.float").set(4.5, 99, 1.5)
        expected[1] = b"#sensor-value %s 1 a.float unknown 1.5" % self.time(4.5)
        with LogRecorder() as log:
            self.assertEqual(client.ask(b"?sensor-value"), expected)
        self.assertEqual(len(self.complaints(log)), 1)

    @staticmethod
    def complaints(log):
        return [text for text in log.messages if "cannot be read or sent" in text]

    def test_one_sensor_that_cannot_be_read(self):
        client = self.connect()
        expected = client.ask(b"?sensor-value")
        self.server.add_sensor(Unreadable(Sensor.STRING, "zz"))
        with LogRecorder() as log:
            lines = client.ask(b"?sensor-value")
            words = lines.pop(-2).split()
            self.assertEqual(lines, expected[:-1] + [b"!sensor-value ok 6"])
            self.assertEqual(words[2:], [b"1", b"zz", b"unknown", b"\\@"])
            unit = 1 if self.server.PROTOCOL_INFO.major >= 5 else 1000
            self.assertLess(abs(float(words[1]) / unit - time.time()), 60)
            # Strategies share the one record.
            for strategy in b"event", b"auto":
                lines = client.ask(b"?sensor-sampling zz " + strategy)
                self.assertEqual(lines[0].split()[2:], [b"1", b"zz", b"unknown", b"\\@"])
                self.assertEqual(lines[1:], [b"!sensor-sampling ok zz " + strategy])
        self.assertEqual(len(self.complaints(log)), 1)
        self.assertIn("'zz'", self.complaints(log)[0])

    def test_one_sensor_that_cannot_be_described(self):
        client = self.connect()
        expected = client.ask(b"?sensor-list")
        for name in "an.aa", "zz":
            self.server.add_sensor(Sensor.integer(name))
            self.server.get_sensor(name).formatted_params = None
        with LogRecorder() as log:
            self.assertEqual(client.ask(b"?sensor-list"), expected)
            self.assertEqual(client.ask(b"?sensor-list /a/"), expected)
            self.assertEqual(client.ask(b"?sensor-list zz"), [Message.reply(
                "sensor-list", "fail", "No sensor that was asked for can be described.").__bytes__()])
        self.assertIn("Sensor 'zz' cannot be described", log.messages)


class _Values4(_Values):
    device_class = Device4

    def test_time_that_is_no_number(self):
        self.server.get_sensor("an.int").set(float("nan"), Sensor.NOMINAL, 4)
        client = self.connect()
        with LogRecorder() as log:
            for _ in range(3):
                value = client.ask(b"?sensor-value an.int")[0].split()
                self.assertLess(abs(int(value[1]) / 1000 - time.time()), 60)
                self.assertEqual(value[2:4], [b"1", b"an.int"])
        self.assertEqual(self.complaints(log), [
            "Sensor 'an.int' of type 'integer' cannot be read or sent; clients are told the status "
            "'unknown'. ValueError: Timestamp nan cannot be told in milliseconds."])


class _Values5(_Values):
    device_class = Device5


class _Values51(_Values):
    device_class = Device51

    def test_bulk_sampling(self):
        for sensor in make_sensors():
            sensor.set(2.5, Sensor.FAILURE, None)
            self.server.add_sensor(sensor)
        bad = Sensor.integer("t.bad")
        bad.set(3.5, Sensor.NOMINAL, "text")
        self.server.add_sensor(bad)
        self.server.add_sensor(Unreadable(Sensor.STRING, "unreadable"))
        client = self.connect()
        names = [b"s." + entry[0].encode() for entry in TYPES] + [b"t.bad", b"unreadable", b"an.int"]
        joined = b",".join(names)
        lines = client.ask(b"?sensor-sampling " + joined + b" event")
        self.assertEqual(lines.pop(), b"!sensor-sampling ok " + joined + b" event")
        for line, (name, _, _, default, _) in zip(lines, TYPES):
            self.assertEqual(line, self.report(b"s." + name.encode(), 2.5, b"failure", name, default))
        self.assertEqual(lines[8], self.report(b"t.bad", 3.5, b"unknown", "integer", b"0"))
        self.assertEqual(lines[9].split()[2:], [b"1", b"unreadable", b"unknown", b"\\@"])
        self.assertEqual(lines[10:], [self.report(b"an.int", 12345, b"nominal", "integer", b"3")])


for _tests in (_Values4, _Values5, _Values51):
    in_all_modes(globals(), _tests)
