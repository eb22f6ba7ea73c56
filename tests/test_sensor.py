# -*- coding: utf-8 -*-
"""Tests of sensors: making them, reading, setting, observing, and what clients do with types."""

from __future__ import absolute_import, division, print_function

import copy
import pickle
import sys
import threading
import unittest
import warnings

from katcp.errors import KatcpSyntaxError, KatcpTypeError
from katcp.katcp_types import Lru
from katcp.sensor import Reading, Sensor
from tests.support import mock


class Observer(object):
    def __init__(self, error=None):
        self.updates = []
        self.error = error

    def update(self, sensor, reading):
        self.updates.append((sensor, reading))
        if self.error is not None:
            raise self.error


class TestConstruction(unittest.TestCase):
    def test_attributes(self):
        sensor = Sensor(Sensor.INTEGER, "an.int", "An integer.", "count", [-4, 3])
        self.assertEqual((sensor.name, sensor.description, sensor.units), ("an.int", "An integer.", "count"))
        self.assertEqual((sensor.type, sensor.stype, sensor._sensor_type), ("integer", "integer", 0))
        self.assertEqual((sensor.params, sensor.formatted_params), ([-4, 3], [b"-4", b"3"]))
        self.assertEqual((sensor.value(), sensor.status()), (0, Sensor.UNKNOWN))
        self.assertTrue(repr(sensor).startswith("<katcp.sensor.Sensor object name='an.int' at 0x"))

    def test_default_description(self):
        self.assertEqual(Sensor.integer("a sens").description, "Integer sensor 'a sens' with no unit")
        self.assertEqual(Sensor.float("fsens", unit="microseconds").description,
                         "Float sensor 'fsens' in unit microseconds")
        self.assertEqual(Sensor(Sensor.BOOLEAN, "b").units, "")
        self.assertEqual(Sensor.boolean("b", None, None).units, "")

    def test_any_kind_of_string(self):
        for name, description, units in ((b"n", b"d", b"u"), (u"n", u"d", u"u")):
            sensor = Sensor(Sensor.INTEGER, name, description, units)
            self.assertEqual((sensor.name, sensor.description, sensor.units), ("n", "d", "u"))
            self.assertTrue(all(type(text) is str
                                for text in (sensor.name, sensor.description, sensor.units)))
        for args in ((5,), ("n", 5), ("n", "d", 5)):
            with self.assertRaises(TypeError):
                Sensor(Sensor.INTEGER, *args)

    def test_shortcuts(self):
        for python_type, name in ((int, "integer"), (float, "float"), (str, "string"), (bool, "boolean")):
            self.assertEqual(Sensor(python_type, "x").type, name)
        with self.assertRaises(KeyError):
            Sensor(99, "x")

    def test_factories(self):
        for factory, name, default in (
                (Sensor.integer, "integer", 0), (Sensor.float, "float", 0.0),
                (Sensor.boolean, "boolean", False), (Sensor.lru, "lru", Sensor.LRU_NOMINAL),
                (Sensor.string, "string", ""), (Sensor.timestamp, "timestamp", 0.0),
                (Sensor.address, "address", ("0.0.0.0", None))):
            sensor = factory("x")
            self.assertEqual((sensor.type, sensor.value(), sensor.params), (name, default, []))
            self.assertEqual(sensor.SENSOR_TYPE_LOOKUP[sensor.stype], sensor._sensor_type)
            sensor = factory("x", "d", "", default=None, initial_status=Sensor.WARN)
            self.assertEqual((sensor.value(), sensor.status()), (default, Sensor.WARN))
        # These have no params: what comes after the units is the default.
        self.assertEqual(Sensor.boolean("x", "d", "u", True).value(), True)
        self.assertEqual(Sensor.integer("x", "d", "u", [1, 9], 5, Sensor.NOMINAL).value(), 5)
        self.assertIsInstance(type("Mine", (Sensor,), {}).integer("x"), Sensor)

    def test_default_within_params(self):
        for params, value in (([5, 9], 5), ([-9, -5], -9), ([-1, 1], 0), ([5], 0), ([5, 6, 7], 0), (None, 0)):
            self.assertEqual(Sensor.integer("x", params=params).value(), value)
        self.assertEqual(Sensor.integer("x", params=[5, 9], default=2).value(), 2)
        params = [2.5, 5.0]
        sensor = Sensor.float("x", params=params)
        self.assertIs(sensor.value(), params[0])
        self.assertIs(sensor.params, params)

    def test_discrete(self):
        sensor = Sensor.discrete("x", params=(text for text in (b"on", u"off")))
        self.assertEqual((sensor.params, sensor.formatted_params), (["on", "off"], [b"on", b"off"]))
        self.assertTrue(all(type(text) is str for text in sensor.params))
        self.assertEqual(sensor.value(), "on")
        for params in (None, []):
            for error in (IndexError, ValueError):
                with self.assertRaises(error) as caught:
                    Sensor.discrete("a.sensor", params=params)
                self.assertIn("'a.sensor' needs params", str(caught.exception))
        with self.assertRaises(TypeError):
            Sensor.discrete("x", params=[1])

    def test_timestamp_has_no_units(self):
        with self.assertRaises(ValueError) as caught:
            Sensor.timestamp("x", unit="s")
        self.assertTrue(str(caught.exception).startswith("Units cannot be specified for TIMESTAMP"))

    def test_clock(self):
        with mock.patch("time.time", return_value=1234.5):
            sensor = Sensor.integer("x")
        self.assertEqual(sensor.read(), (1234.5, Sensor.UNKNOWN, 0))
        with mock.patch("time.time", return_value=1235.5):
            sensor.set_value(5)
        self.assertEqual(sensor.read(), (1235.5, Sensor.NOMINAL, 5))

    def test_constants(self):
        self.assertEqual((Sensor.INTEGER, Sensor.ADDRESS), (0, 7))
        self.assertEqual([Sensor.STATUSES[i] for i in range(7)],
                         "unknown nominal warn error failure unreachable inactive".split())
        self.assertEqual(len(Sensor.STATUSES), 7)
        for names, statuses in ((Sensor.STATUS_NAMES, Sensor.STATUSES),
                                (Sensor.STATUS_NAMES_RAW, Sensor.STATUSES_RAW)):
            self.assertEqual(names, dict((name, status) for status, name in statuses.items()))
        self.assertEqual(Sensor.STATUSES_RAW[Sensor.WARN], b"warn")
        self.assertIs(Sensor.LRU_VALUES, Lru.LRU_VALUES)
        self.assertEqual(Sensor.LRU_CONSTANTS[b"error"], Sensor.LRU_ERROR)
        self.assertEqual(Sensor.TIMESTAMP_TYPE.name, "timestamp")


class TestReadings(unittest.TestCase):
    # Sensor, value, formatted for version 5 and 4.
    CASES = [
        (Sensor.integer("x"), 3, b"3", b"3"),
        (Sensor.float("x"), 2.5, b"2.5", b"2.5"),
        (Sensor.boolean("x"), True, b"1", b"1"),
        (Sensor.lru("x"), Sensor.LRU_ERROR, b"error", b"error"),
        (Sensor.discrete("x", params=["on", "off"]), "off", b"off", b"off"),
        (Sensor.string("x"), "zwoelf", b"zwoelf", b"zwoelf"),
        (Sensor.timestamp("x"), 1001.9, b"1001.900000", b"1001900"),
        (Sensor.address("x"), ("::1", 80), b"[::1]:80", b"[::1]:80"),
    ]

    def test_format(self):
        for sensor, value, v5, v4 in self.CASES:
            sensor.set(12345, Sensor.WARN, value)
            self.assertEqual(sensor.read(), Reading(12345, Sensor.WARN, value))
            self.assertEqual(sensor.read_formatted(), (b"12345.000000", b"warn", v5))
            self.assertEqual(sensor.read_formatted(4), (b"12345000", b"warn", v4))
            self.assertEqual(sensor.read_formatted(major=5), (b"12345.000000", b"warn", v5))
            self.assertEqual(sensor.format_reading([1, Sensor.ERROR, value], 4), (b"1000", b"error", v4))

    def test_set_formatted(self):
        for sensor, value, v5, v4 in self.CASES:
            sensor.set_formatted(b"12345.5", b"failure", v5)
            self.assertEqual(sensor.read(), (12345.5, Sensor.FAILURE, value))
            sensor.set_formatted(b"12345678", b"nominal", v4, major=4)
            self.assertEqual(sensor.read(), (12345.678, Sensor.NOMINAL, value))
            self.assertEqual(sensor.parse_value(v4, katcp_major=4), value)

    def test_nothing_is_set_if_anything_is_wrong(self):
        sensor = Sensor.integer("x")
        before = sensor.read()
        for args, error in (((b"x", b"nominal", b"1"), ValueError), ((b"1", b"good", b"1"), KeyError),
                            ((b"1", b"nominal", b"x"), ValueError)):
            with self.assertRaises(error):
                sensor.set_formatted(*args)
        self.assertIs(sensor.read(), before)

    def test_parse_value_wants_bytes(self):
        for wrong in (u"1", 1, bytearray(b"1")):
            if type(wrong) is bytes:
                continue
            with self.assertRaises(KatcpTypeError) as caught:
                Sensor.integer("x").parse_value(wrong)
            self.assertEqual(str(caught.exception),
                             "Sensor value type must be bytes - not %s" % type(wrong))

    def test_unknown_status(self):
        sensor = Sensor.integer("x")
        sensor.set(1, 99, 5)
        with self.assertRaises(KeyError):
            sensor.read_formatted()

    def test_set_value(self):
        sensor = Sensor.integer("x", params=[0, 10])
        sensor.set_value(99)  # the limits are for information only
        self.assertEqual(sensor.read()[1:], (Sensor.NOMINAL, 99))
        sensor.set_value(5, Sensor.WARN, 0)
        self.assertEqual(sensor.read(), (0, Sensor.WARN, 5))
        sensor.set_value(5, status=Sensor.ERROR, timestamp=3.5, major=4)
        self.assertEqual(sensor.read(), (3.5, Sensor.ERROR, 5))

    def test_set_value_of_discrete(self):
        sensor = Sensor.discrete("x", params=["on", "off"])
        for value in ("off", b"off", u"off"):
            sensor.set_value("on")
            sensor.set_value(value)
            self.assertEqual(sensor.value(), "off")
            self.assertIs(type(sensor.value()), str)
        with self.assertRaises(ValueError) as caught:
            sensor.set_value("maybe")
        self.assertEqual(str(caught.exception), "Discrete value 'maybe' is not one of ['on', 'off'].")
        self.assertEqual(sensor.value(), "off")

    def test_strings(self):
        sensor = Sensor.string("x")
        sensor.set_value([1, 2, 3])
        self.assertEqual(sensor.value(), [1, 2, 3])
        self.assertEqual(sensor.read_formatted()[2], b"[1, 2, 3]")
        sensor.set_value(b"\x00\xff")
        self.assertEqual(sensor.read_formatted()[2], b"\x00\xff")
        sensor.set_value(u"r\xe4m")
        self.assertEqual(sensor.read_formatted()[2], b"r\xc3\xa4m")
        sensor.set_value(None)
        with self.assertRaises(ValueError) as caught:
            sensor.read_formatted()
        self.assertEqual(str(caught.exception), "No value or default given")

    def test_each_reading_is_formatted_once(self):
        sensor = Sensor.integer("x")
        sensor.set_value(5)
        formatted = sensor.read_formatted()
        self.assertIs(sensor.read_formatted(), formatted)
        self.assertIs(sensor.format_reading(sensor.read()), formatted)
        self.assertNotEqual(sensor.read_formatted(4), formatted)
        self.assertEqual(sensor.read_formatted(), formatted)

    def test_equal_readings_may_look_different(self):
        sensor = Sensor.string("x")
        for value, formatted in ((1, b"1"), (True, b"True"), (1.0, b"1.0")):
            sensor.set(1.5, Sensor.NOMINAL, value)
            self.assertEqual(sensor.read_formatted()[2], formatted)

    def test_what_can_change_is_formatted_anew(self):
        sensor = Sensor.string("x")
        value = [1]
        sensor.set_value(value)
        self.assertEqual(sensor.read_formatted()[2], b"[1]")
        value.append(2)
        self.assertEqual(sensor.read_formatted()[2], b"[1, 2]")
        reading = [1.0, Sensor.NOMINAL, "a"]
        self.assertEqual(sensor.format_reading(reading)[2], b"a")
        reading[2] = "b"
        self.assertEqual(sensor.format_reading(reading)[2], b"b")

    def test_subclass_that_polls(self):
        class Polled(Sensor):
            def read(self):
                return Reading(1, self.WARN, 7)

        sensor = Polled.integer("x")
        self.assertEqual((sensor.value(), sensor.status()), (7, Sensor.WARN))
        self.assertEqual(sensor.read_formatted(), (b"1.000000", b"warn", b"7"))

    def test_subclass_that_sets(self):
        class Doubled(Sensor):
            def set(self, timestamp, status, value):
                super(Doubled, self).set(timestamp, status, 2 * value)

            def parse_value(self, s_value, katcp_major=5):
                return 100 + super(Doubled, self).parse_value(s_value, katcp_major)

        sensor = Doubled.integer("x")
        sensor.set_value(5)
        self.assertEqual(sensor.value(), 10)
        sensor.set_formatted(b"1", b"nominal", b"1")
        self.assertEqual(sensor.value(), 202)

    def test_deprecated_attributes(self):
        sensor = Sensor.integer("x")
        sensor.set(1.5, Sensor.WARN, 5)
        for name, expected in (("_timestamp", 1.5), ("_status", Sensor.WARN), ("_value", 5)):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                self.assertEqual(getattr(sensor, name), expected)
            self.assertEqual([(w.category, str(w.message), w.filename.rsplit(".", 1)[0]) for w in caught],
                             [(DeprecationWarning, "Use of katcp.Sensor.%s attribute is deprecated" % name,
                               __file__.rsplit(".", 1)[0])])
            with self.assertRaises(AttributeError):
                setattr(sensor, name, 1)

    def test_copy(self):
        sensor = Sensor.integer("x")
        sensor.set_value(5)
        self.assertEqual(copy.copy(sensor).value(), 5)

    def test_all_copies(self):
        discrete = Sensor.discrete("a", "b", "c", ["one", "two"], "two")
        for sensor, value in ((Sensor.integer("x", params=[1, 2]), 2), (Sensor.float("x"), 1.5),
                              (Sensor.address("x"), ("h", 1)), (Sensor.string("x"), "a"), (discrete, "one"),
                              (Mine(Sensor.INTEGER, "x"), 5)):
            sensor.set(1.5, Sensor.WARN, value)
            sensor.read_formatted()
            sensor.set(2.5, Sensor.FAILURE, None)
            for duplicate in [copy.copy(sensor), copy.deepcopy(sensor)] + [
                    pickle.loads(pickle.dumps(sensor, protocol))
                    for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]:
                self.assertIs(type(duplicate), type(sensor))
                self.assertEqual(duplicate.read(), sensor.read())
                self.assertEqual(duplicate.read_formatted(), sensor.read_formatted())
                self.assertEqual(set(duplicate.__dict__), set(sensor.__dict__))
                for name in "name", "type", "description", "units", "params", "formatted_params":
                    self.assertEqual(getattr(duplicate, name), getattr(sensor, name))
                duplicate.set_formatted(*duplicate.format_reading((3.5, Sensor.WARN, value)))
                self.assertEqual(duplicate.read(), (3.5, Sensor.WARN, value))
                self.assertEqual(sensor.read()[0], 2.5)

    def test_copies_of_sensors_with_methods_of_others(self):
        sensor = Sensor.integer("x")
        sensor._formatter = sensor._parser = format_differently
        for duplicate in copy.copy(sensor), pickle.loads(pickle.dumps(sensor, 0)):
            self.assertEqual(duplicate.read_formatted()[2], b"different")
            self.assertEqual(duplicate.parse_value(b""), b"different")


class Mine(Sensor):
    """A subclass."""


def format_differently(value, *args):
    return b"different"


class TestRanges(unittest.TestCase):
    INF = float("inf")
    NAN = float("nan")

    def test_names(self):
        for factory in Sensor.integer, Sensor.float:
            for params, nominal, warn in (([0, 5, -1, 6], (0, 5), (-1, 6)), ([0, 5], (0, 5), None),
                                          ((0, 5, -1, 6), (0, 5), (-1, 6)), ([], None, None),
                                          ([1], None, None), ([1, 2, 3], None, None), ([1] * 5, None, None)):
                sensor = factory("x", params=params)
                self.assertEqual((sensor.nominal_range, sensor.warn_range), (nominal, warn))
                self.assertIs(sensor.params, params)
                with self.assertRaises(AttributeError):
                    sensor.warn_range = (1, 2)
        for sensor in (Sensor.discrete("x", params=["a", "b"]), Sensor.discrete("x", params=list("abcd")),
                       Sensor.string("x"), Sensor(Sensor.TIMESTAMP, "x", params=[1, 2])):
            self.assertEqual((sensor.nominal_range, sensor.warn_range), (None, None))

    def test_status(self):
        unknown, nominal, warn, error = range(4)
        for params, statuses in (
                ([0, 5, -1, 6], ((0, nominal), (5, nominal), (2.5, nominal), (-0.5, warn), (-1, warn),
                                 (6, warn), (-2, error), (7, error), (self.INF, error), (self.NAN, error),
                                 (None, unknown))),
                ([0, 5], ((0, nominal), (5, nominal), (-1, warn), (99, warn), (self.NAN, warn),
                          (None, unknown))),
                ([], ((0, nominal), (self.INF, nominal), (self.NAN, nominal), (None, unknown)))):
            sensor = Sensor.float("x", params=params)
            for value, status in statuses:
                self.assertEqual(sensor.status_of(value), status, (params, value))
                sensor.set_value(value, None, 1.5)
                self.assertEqual(sensor.read()[:2], (1.5, status))
            # It is set on request only.
            sensor.set_value(99)
            self.assertEqual(sensor.status(), nominal)
        self.assertEqual(Sensor.string("x").status_of("a"), nominal)


class TestObservers(unittest.TestCase):
    def setUp(self):
        self.sensor = Sensor.integer("x")

    def test_updates(self):
        observers = [Observer() for _ in range(3)]
        for observer in observers:
            self.sensor.attach(observer)
            self.sensor.attach(observer)
        for _ in range(2):  # on every set, even if nothing changes
            self.sensor.set(1.5, Sensor.NOMINAL, 5)
        reading = self.sensor.read()
        for observer in observers:
            self.assertEqual(observer.updates, [(self.sensor, reading)] * 2)
            self.assertIs(observer.updates[1][1], reading)
        self.sensor.detach(observers[0])
        self.sensor.detach(observers[0])
        self.sensor.set_value(6)
        self.assertEqual([len(observer.updates) for observer in observers], [2, 3, 3])

    def test_reading_is_current_in_update(self):
        class Reader(object):
            def update(self, sensor, reading):
                self.same = sensor.read() is reading
        reader = Reader()
        self.sensor.attach(reader)
        self.sensor.set_value(5)
        self.assertTrue(reader.same)

    def test_looks_like_a_set(self):
        one, two = Observer(), Observer()
        self.assertEqual(self.sensor._observers, set())
        self.sensor.attach(one)
        self.assertIn(one, self.sensor._observers)
        self.assertNotIn(two, self.sensor._observers)
        self.assertEqual(self.sensor._observers, set([one]))
        with self.assertRaises(TypeError):
            self.sensor.attach([])

    def test_changes_during_notification(self):
        sensor, late = self.sensor, Observer()

        class Fickle(object):
            def update(self, sensor, reading):
                sensor.detach(self)
                sensor.attach(late)
        sensor.attach(Fickle())
        sensor.attach(Fickle())
        sensor.set_value(1)
        self.assertEqual(late.updates, [])
        self.assertEqual(sensor._observers, set([late]))
        sensor.set_value(2)
        self.assertEqual(len(late.updates), 1)

    def test_failing_observers(self):
        failing = [Observer(ValueError("one")), Observer(ValueError("two"))]
        others = [Observer() for _ in range(5)]
        for observer in failing + others:
            self.sensor.attach(observer)
        logged = []
        with mock.patch("katcp.sensor.logger") as logger:
            logger.exception.side_effect = lambda *args: logged.append(str(sys.exc_info()[1]))
            with self.assertRaises(ValueError) as caught:
                self.sensor.set(1, Sensor.NOMINAL, 5)
        self.assertEqual([len(observer.updates) for observer in failing + others], [1] * 7)
        self.assertEqual(self.sensor.value(), 5)
        self.assertEqual(sorted(logged + [str(caught.exception)]), ["one", "two"])

    def test_circles_end_soon(self):
        calls = []

        class Circular(object):
            def update(self, sensor, reading):
                calls.append(reading)
                if len(calls) > 10000:
                    raise SystemExit("This would take for ever")
                sensor.set_value(reading.value + 1)

        self.sensor.attach(Circular())
        self.sensor.attach(Circular())
        # RecursionError where there is one
        self.assertRaises(RuntimeError, self.sensor.set_value, 1)

    def test_notify_can_be_overridden(self):
        class Quiet(Sensor):
            def notify(self, reading):
                self.notified = reading
        sensor = Quiet.integer("x")
        sensor.set_value(5)
        self.assertIs(sensor.notified, sensor.read())

    def test_threads(self):
        """Two threads attach at the same time, and neither observer gets lost."""
        sensor, other = self.sensor, Observer()
        attaching = threading.Thread(target=sensor.attach, args=(other,))

        class SlowToHash(Observer):
            def __hash__(self):
                if attaching.ident is None:
                    attaching.start()
                    attaching.join(0.05)  # without a lock it gets through, and is overwritten
                return 1

        slow = SlowToHash()
        sensor.attach(slow)
        attaching.join(10)
        self.assertEqual(sensor._observers, set([slow, other]))


class TestValueParser(unittest.TestCase):
    def test_it_does_what_parse_value_does(self):
        sensors = [Sensor(sensor_type, "x") for sensor_type in range(8) if sensor_type != Sensor.DISCRETE]
        sensors.append(Sensor.discrete("x", params=["one", "two", u"\u00e9"]))
        for sensor in sensors:
            parse = sensor.value_parser()
            for raw in (b"1", b"2.5", b"x", b"", b"nominal", b"one", b"two", b"\xc3\xa9", b"\xff", b"h:1"):
                for major in (4, 5):
                    try:
                        expected = sensor.parse_value(raw, major)
                    except ValueError as error:
                        with self.assertRaises(type(error)) as caught:
                            parse(raw, major)
                        self.assertEqual(str(caught.exception), str(error))
                    else:
                        self.assertEqual(parse(raw, major), expected)
                        self.assertIs(type(parse(raw, major)), type(expected))


class TestTypesForClients(unittest.TestCase):
    def test_parse_type(self):
        self.assertEqual(Sensor.parse_type("float"), Sensor.FLOAT)
        self.assertEqual(sorted(Sensor.SENSOR_TYPE_LOOKUP.values()), list(range(8)))
        with self.assertRaises(KatcpSyntaxError) as caught:
            Sensor.parse_type("fish")
        self.assertEqual(str(caught.exception), "Invalid sensor type string fish")

    def test_parse_params(self):
        for args, params in (((Sensor.INTEGER, [b"1", b"5"]), [1, 5]), ((Sensor.FLOAT, [b"1.5"]), [1.5]),
                             ((Sensor.DISCRETE, [b"a", b"b"]), ["a", "b"]), ((Sensor.STRING, []), []),
                             ((Sensor.TIMESTAMP, [b"1500"], 4), [1.5])):
            self.assertEqual(Sensor.parse_params(*args), params)
        with self.assertRaises(KeyError):
            Sensor.parse_params(99, [])
        with self.assertRaises(ValueError):
            Sensor.parse_params(Sensor.INTEGER, [b"x"])
