from __future__ import absolute_import, division, print_function

import unittest

from tornado import gen
from tornado.testing import AsyncTestCase, gen_test

from katcp.compat import CANCELLED_ERRORS, ConcurrentFuture, done_future, new_future
from katcp.errors import KatcpTypeError
from katcp.resource import KATCPSensor, KATCPSensorError, KATCPSensorReading, KATCPSensorsManager
from katcp.sensor import Sensor
from tests.support import mock
from tests.support.logs import LogRecorder
from tests.support.resources import Manager, make_sensor


class OddlyShownFloat(float):
    """Like numpy's."""

    def __repr__(self):
        return "OddlyShownFloat(...)"


class TestKATCPSensorReading(unittest.TestCase):

    def test_fields(self):
        reading = KATCPSensorReading(1, 2, Sensor.WARN, 4)
        self.assertEqual(reading, (1, 2, Sensor.WARN, 4))
        self.assertEqual(reading._fields, ("received_timestamp", "timestamp", "istatus", "value"))
        with self.assertRaises(AttributeError):
            reading.something = 1

    def test_status(self):
        for istatus, status in ((Sensor.NOMINAL, "nominal"), (Sensor.INACTIVE, "inactive"),
                                (1.5, "nominal"), ("2", "warn"), (None, "unknown"), ([], "unknown"),
                                (99, "unknown"), (-1, "unknown")):
            self.assertEqual(KATCPSensorReading(0, 0, istatus, None).status, status)


class TestKATCPSensorsManager(unittest.TestCase):

    def test_it_is_abstract(self):
        with self.assertRaises(TypeError) as caught:
            KATCPSensorsManager()
        for name in ("time", "get_sampling_strategy", "set_sampling_strategy",
                     "drop_sampling_strategy", "poll_sensor", "reapply_sampling_strategies"):
            self.assertIn(name, str(caught.exception))

    def test_registration(self):
        class Registered(object):
            pass

        KATCPSensorsManager.register(Registered)
        self.assertIsInstance(Registered(), KATCPSensorsManager)


class SensorTestCase(unittest.TestCase):

    def setUp(self):
        super(SensorTestCase, self).setUp()
        self.manager = Manager()
        self.sensor = make_sensor(self.manager, description="An Integer.", units="count",
                                  params=[-5, 5])


class TestDescription(SensorTestCase):

    def test_properties(self):
        sensor = self.sensor
        self.assertEqual(sensor.name, "an.int")
        self.assertEqual(sensor.normalised_name, "an_int")
        self.assertEqual(sensor.parent_name, "a-device")
        self.assertEqual(sensor.description, "An Integer.")
        self.assertEqual(sensor.units, "count")
        self.assertEqual(sensor.type, "integer")
        for name in ("name", "reading", "value", "status", "type", "sampling_strategy"):
            with self.assertRaises(AttributeError):
                setattr(sensor, name, 1)

    def test_ranges(self):
        self.assertEqual((self.sensor.nominal_range, self.sensor.warn_range), ((-5, 5), None))
        self.sensor.update_description(
            {"name": "an.int", "sensor_type": Sensor.INTEGER, "params": [0, 5, -1, 6]})
        self.assertEqual((self.sensor.nominal_range, self.sensor.warn_range), ((0, 5), (-1, 6)))
        sensor = make_sensor(self.manager, sensor_type=Sensor.DISCRETE, params=["a", "b"])
        self.assertEqual((sensor.nominal_range, sensor.warn_range), (None, None))

    def test_nothing_has_been_read_at_first(self):
        for description in ({}, {"default": 3, "initial_status": Sensor.NOMINAL}):
            sensor = make_sensor(self.manager, **description)
            self.assertEqual(sensor.reading, (0, 0, Sensor.UNKNOWN, None))
            self.assertIs(sensor.value, None)
            self.assertEqual(sensor.status, "unknown")

    def test_wrong_descriptions(self):
        for description in ({"name": "x"}, {"sensor_type": 0},
                            {"name": "x", "sensor_type": 0, "bogus": 1}):
            with self.assertRaises(TypeError):
                KATCPSensor(description, self.manager)

    def test_repr(self):
        self.assertIn(".KATCPSensor object name='an.int' at 0x", repr(self.sensor))

    def test_new_description(self):
        listener = mock.Mock()
        self.sensor.register_listener(listener, reading=True)
        self.sensor.set(1, Sensor.NOMINAL, 3)
        self.sensor.update_description(
            {"name": "an.int", "sensor_type": Sensor.INTEGER, "description": "Another."})
        self.assertEqual(self.sensor.description, "Another.")
        self.assertEqual(self.sensor.units, "")
        self.assertEqual(self.sensor.value, 3)
        self.sensor.set(2, Sensor.NOMINAL, 4)
        self.assertEqual(listener.call_count, 2)

    def test_new_type(self):
        self.sensor.set(1, Sensor.NOMINAL, 3)
        self.sensor.update_description(
            {"name": "an.int", "sensor_type": Sensor.DISCRETE, "params": ["a", "b"]})
        self.assertEqual(self.sensor.type, "discrete")
        self.assertEqual(self.sensor.reading, (0, 0, Sensor.UNKNOWN, None))
        self.sensor.set_formatted(b"1", b"nominal", b"b")
        self.assertEqual(self.sensor.value, "b")


class TestSetting(SensorTestCase):

    def test_set(self):
        self.sensor.set(12.5, Sensor.WARN, 3)
        self.assertEqual(self.sensor.reading, (1000.0, 12.5, Sensor.WARN, 3))
        self.assertIs(type(self.sensor.reading), KATCPSensorReading)
        self.assertEqual(self.sensor.value, 3)
        self.assertEqual(self.sensor.status, "warn")

    def test_set_value(self):
        self.sensor.set_value(3)
        self.assertEqual(self.sensor.reading, (1000.0, 1000.0, Sensor.NOMINAL, 3))
        self.sensor.set_value(4, Sensor.ERROR, 5)
        self.assertEqual(self.sensor.reading, (1000.0, 5, Sensor.ERROR, 4))
        self.sensor.set_value(4, timestamp=0)
        self.assertEqual(self.sensor.reading.timestamp, 0)

    def test_neither_type_nor_range_is_checked(self):
        for value in (100, "text", None):
            self.sensor.set_value(value)
            self.assertEqual(self.sensor.value, value)
        self.sensor.set_formatted(b"1", b"nominal", b"100")
        self.assertEqual(self.sensor.value, 100)

    def test_set_formatted(self):
        self.sensor.set_formatted(b"12500", b"warn", b"3", 5)
        self.assertEqual(self.sensor.reading, (1000.0, 12500.0, Sensor.WARN, 3))
        self.sensor.set_formatted(b"12500", b"nominal", b"4", 4)
        self.assertEqual(self.sensor.reading, (1000.0, 12.5, Sensor.NOMINAL, 4))
        self.sensor.set_formatted(b"12500.25", b"nominal", b"5")
        self.assertEqual(self.sensor.reading, (1000.0, 12500.25, Sensor.NOMINAL, 5))

    def test_set_formatted_for_all_types(self):
        for sensor_type, raw, value in (
                (Sensor.INTEGER, b"-7", -7), (Sensor.FLOAT, b"2.5", 2.5), (Sensor.BOOLEAN, b"1", True),
                (Sensor.LRU, b"error", Sensor.LRU_ERROR), (Sensor.DISCRETE, b"two", "two"),
                (Sensor.STRING, b"some text", "some text"), (Sensor.TIMESTAMP, b"12.5", 12.5),
                (Sensor.ADDRESS, b"10.0.0.1:7147", ("10.0.0.1", 7147))):
            params = ["one", "two"] if sensor_type == Sensor.DISCRETE else None
            sensor = make_sensor(self.manager, sensor_type=sensor_type, params=params)
            sensor.set_formatted(b"1", b"nominal", raw, 5)
            self.assertEqual(sensor.value, value)
            self.assertIs(type(sensor.value), type(value))
            self.assertEqual(sensor.parse_value(raw), value)
            with self.assertRaises(KatcpTypeError):
                sensor.parse_value(bytearray(raw))
            with self.assertRaises(KatcpTypeError):
                sensor.set_formatted(b"1", b"nominal", bytearray(raw), 5)

    def test_readings_without_a_value(self):
        for sensor_type, raw_values in (
                (Sensor.INTEGER, (b"", b"nan", b"1.5")), (Sensor.FLOAT, (b"", b"none")),
                (Sensor.BOOLEAN, (b"", b"nan", b"2")), (Sensor.LRU, (b"", b"nan")),
                (Sensor.DISCRETE, (b"", b"three", b"\xff")), (Sensor.TIMESTAMP, (b"", b"never")),
                (Sensor.ADDRESS, (b"[::1", b"a:b"))):
            params = ["one", "two"] if sensor_type == Sensor.DISCRETE else None
            sensor = make_sensor(self.manager, sensor_type=sensor_type, params=params)
            plain, readings = mock.Mock(), mock.Mock()
            sensor.register_listener(plain)
            sensor.register_listener(readings, reading=True)
            for raw_value in raw_values:
                for status in ("unknown", "failure", "unreachable", "inactive"):
                    for major in (4, 5):
                        raw_timestamp = b"7000" if major == 4 else b"7"
                        sensor.set_formatted(raw_timestamp, status.encode("ascii"), raw_value, major)
                        reading = sensor.reading
                        self.assertEqual(reading, (1000.0, 7, Sensor.STATUS_NAMES[status], None))
                        self.assertIsInstance(reading, KATCPSensorReading)
                        self.assertEqual((sensor.status, sensor.value), (status, None))
                        self.assertEqual((reading.raw_value, type(reading.raw_value)), (raw_value, bytes))
                        self.assertEqual(repr(reading), repr(KATCPSensorReading(*reading)))
                        plain.assert_called_with(1000.0, 7, status, None)
                        readings.assert_called_with(sensor, reading)
                for status in ("nominal", "warn", "error"):
                    with self.assertRaises(ValueError):
                        sensor.set_formatted(b"7", status.encode("ascii"), raw_value)
                self.assertIs(sensor.reading, reading)

    def test_values_that_mean_nothing_are_kept(self):
        self.sensor.set_formatted(b"7", b"failure", b"3")
        self.assertEqual(self.sensor.reading, (1000.0, 7, Sensor.FAILURE, 3))
        self.assertIs(type(self.sensor.reading), KATCPSensorReading)
        self.assertIsNone(self.sensor.reading.raw_value)
        string = make_sensor(self.manager, sensor_type=Sensor.STRING)
        string.set_formatted(b"7", b"unknown", b"")
        self.assertEqual((string.value, string.reading.raw_value), ("", None))

    def test_a_value_after_none(self):
        self.sensor.set_formatted(b"7", b"failure", b"nan")
        self.sensor.set(8, Sensor.FAILURE, None)
        self.assertIsNone(self.sensor.reading.raw_value)
        self.sensor.set_formatted(b"9", b"nominal", b"3")
        self.assertEqual(self.sensor.reading, (1000.0, 9, Sensor.NOMINAL, 3))
        self.assertIs(type(self.sensor.reading), KATCPSensorReading)

    def test_overridden_set_is_told_of_readings_without_a_value(self):
        class Told(KATCPSensor):
            def set(self, timestamp, status, value):
                told.append((timestamp, status, value))
                super(Told, self).set(timestamp, status, value)

        told = []
        sensor = make_sensor(self.manager, cls=Told)
        sensor.set_formatted(b"7", b"failure", b"nan", 5)
        self.assertEqual(told, [(7, Sensor.FAILURE, None)])
        self.assertEqual(sensor.reading.raw_value, b"nan")

    def test_times_of_older_versions(self):
        sensor = make_sensor(self.manager, sensor_type=Sensor.TIMESTAMP)
        sensor.set_formatted(b"12500", b"nominal", b"3500", 4)
        self.assertEqual(sensor.reading, (1000.0, 12.5, Sensor.NOMINAL, 3.5))

    def test_bad_arguments_change_nothing(self):
        discrete = make_sensor(self.manager, sensor_type=Sensor.DISCRETE, params=["one"])
        for sensor, value in ((self.sensor, b"3"), (discrete, b"one")):
            sensor.set_formatted(b"1", b"nominal", value)
            before = sensor.reading
            for arguments, error in (((b"x", b"nominal", value), ValueError),
                                     ((b"1", b"bogus", value), KeyError),
                                     ((b"1", b"nominal", b"x"), ValueError)):
                with self.assertRaises(error):
                    sensor.set_formatted(*arguments)
            self.assertIs(sensor.reading, before)

    def test_set_can_be_overridden(self):
        class Doubling(KATCPSensor):
            def set(self, timestamp, status, value):
                super(Doubling, self).set(timestamp, status, 2 * value)

        sensor = make_sensor(self.manager, cls=Doubling)
        sensor.set_value(2)
        self.assertEqual(sensor.value, 4)
        sensor.set_formatted(b"1", b"nominal", b"3", 5)
        self.assertEqual(sensor.value, 6)

    def test_a_manager_may_be_a_mock(self):
        manager = mock.Mock()
        sensor = make_sensor(manager)
        sensor.set_value(3)
        self.assertEqual(sensor.reading.received_timestamp, manager.time.return_value)
        self.assertIs(sensor.parent_name, manager.resource_name)

    def test_readings_put_in_place(self):
        self.sensor._reading = KATCPSensorReading(1, 2, Sensor.ERROR, 4)
        self.assertEqual(self.sensor.reading, (1, 2, Sensor.ERROR, 4))
        self.assertEqual((self.sensor.value, self.sensor.status), (4, "error"))


class TestListeners(SensorTestCase):

    def test_arguments(self):
        plain, with_reading = mock.Mock(), mock.Mock()
        self.sensor.register_listener(plain)
        self.sensor.register_listener(with_reading, reading=True)
        self.sensor.set(5, Sensor.WARN, 3)
        plain.assert_called_once_with(1000.0, 5, "warn", 3)
        with_reading.assert_called_once_with(self.sensor, (1000.0, 5, Sensor.WARN, 3))
        self.assertIs(type(with_reading.call_args[0][1]), KATCPSensorReading)

    def test_every_update_counts(self):
        listener = mock.Mock()
        self.sensor.register_listener(listener)
        self.assertFalse(listener.called)
        for _ in range(3):
            self.sensor.set(5, Sensor.WARN, 3)
        self.assertEqual(listener.call_count, 3)

    def test_registering_again_replaces(self):
        listener = mock.Mock()
        self.sensor.register_listener(listener)
        self.sensor.register_listener(listener, reading=True)
        self.assertEqual(len(self.sensor._listeners), 1)
        self.sensor.set_value(3)
        listener.assert_called_once_with(self.sensor, self.sensor.reading)

    def test_bound_methods(self):
        class Listener(object):
            calls = 0

            def listen(self, *args):
                self.calls += 1

        listener, other = Listener(), Listener()
        self.sensor.register_listener(listener.listen)
        self.sensor.register_listener(listener.listen)
        self.assertTrue(self.sensor.is_listener(listener.listen))
        self.assertFalse(self.sensor.is_listener(other.listen))
        self.sensor.set_value(3)
        self.assertEqual(listener.calls, 1)
        self.sensor.unregister_listener(listener.listen)
        self.assertFalse(self.sensor._listeners)
        self.sensor.set_value(3)
        self.assertEqual(listener.calls, 1)

    def test_unregistering(self):
        kept, gone = mock.Mock(), mock.Mock()
        for listener in (kept, gone):
            self.sensor.register_listener(listener)
        self.sensor.unregister_listener(gone)
        self.sensor.unregister_listener(gone)
        self.sensor.unregister_listener(mock.Mock())
        self.assertTrue(self.sensor.is_listener(kept))
        self.assertFalse(self.sensor.is_listener(gone))
        self.sensor.set_value(3)
        self.assertTrue(kept.called)
        self.assertFalse(gone.called)
        self.sensor.clear_listeners()
        self.assertFalse(self.sensor._listeners)
        self.sensor.set_value(3)
        self.assertEqual(kept.call_count, 1)

    def test_order(self):
        order = []
        listeners = [self._noting(order, number) for number in range(20)]
        for listener in listeners:
            self.sensor.register_listener(listener)
        self.sensor.register_listener(listeners[3], reading=True)
        self.sensor.set_value(3)
        self.assertEqual(order, list(range(20)))

    @staticmethod
    def _noting(order, number):
        return lambda *args: order.append(number)

    def test_exceptions_do_not_reach_others(self):
        bad, good = mock.Mock(side_effect=ValueError("oh")), mock.Mock()
        self.sensor.register_listener(bad)
        self.sensor.register_listener(good)
        with LogRecorder("katcp.resource") as log:
            self.sensor.set_value(3)
        self.assertTrue(good.called)
        self.assertEqual(len(log.records), 1)
        self.assertEqual(log.messages[0],
                         "Unhandled exception calling KATCPSensor callback %r" % (bad,))
        self.assertIs(log.records[0].exc_info[0], ValueError)

    def test_cancellations_do_not_reach_others_either(self):
        for error in CANCELLED_ERRORS:
            bad, good = mock.Mock(side_effect=error), mock.Mock()
            self.sensor.clear_listeners()
            self.sensor.register_listener(bad)
            self.sensor.register_listener(good)
            with LogRecorder("katcp.resource") as log:
                self.sensor.set_value(3)
            self.assertTrue(good.called)
            self.assertIs(log.records[0].exc_info[0], error)

    def test_those_registered_when_the_sensor_is_set_are_called(self):
        late = mock.Mock()

        def first(*args):
            self.sensor.register_listener(late)
            self.sensor.unregister_listener(second)

        second = mock.Mock()
        self.sensor.register_listener(first)
        self.sensor.register_listener(second)
        self.sensor.set_value(3)
        self.assertTrue(second.called)
        self.assertFalse(late.called)
        self.sensor.set_value(4)
        self.assertEqual(second.call_count, 1)
        self.assertTrue(late.called)

    def test_sensors_set_by_listeners(self):
        seen = []

        def listener(sensor, reading):
            seen.append(reading.value)
            if reading.value < 3:
                sensor.set_value(reading.value + 1)

        self.sensor.register_listener(listener, reading=True)
        self.sensor.set_value(1)
        self.assertEqual(seen, [1, 2, 3])
        self.assertEqual(self.sensor.value, 3)

    def test_calling_them_directly(self):
        listener = mock.Mock()
        self.sensor.register_listener(listener)
        self.sensor.call_listeners(KATCPSensorReading(1, 2, 3, 4))
        listener.assert_called_once_with(1, 2, "error", 4)
        self.assertIs(self.sensor.value, None)


class TestStrategies(SensorTestCase):

    def setUp(self):
        super(TestStrategies, self).setUp()
        self.mock_manager = mock.Mock()
        self.sensor = make_sensor(self.mock_manager)

    def test_sampling_strategy(self):
        self.assertIs(self.sensor.sampling_strategy,
                      self.mock_manager.get_sampling_strategy.return_value)
        self.mock_manager.get_sampling_strategy.assert_called_once_with("an.int")

    def assert_set(self, arguments, strategy):
        self.mock_manager.reset_mock()
        self.assertIs(self.sensor.set_strategy(*arguments),
                      self.mock_manager.set_sampling_strategy.return_value)
        self.mock_manager.set_sampling_strategy.assert_called_once_with("an.int", strategy)
        self.assertIs(type(self.mock_manager.set_sampling_strategy.call_args[0][1]), str)

    def test_set_strategy(self):
        self.assert_set(("none",), "none")
        self.assert_set(("none", None), "none")
        self.assert_set(("none", ""), "none")
        self.assert_set(("none", []), "none")
        self.assert_set(("period", 0.5), "period 0.5")
        self.assert_set(("period", 0), "period 0")
        self.assert_set(("period", 0.0), "period 0.0")
        self.assert_set(("period", u"2"), "period 2")
        self.assert_set(("period", b"2"), "period 2")
        self.assert_set(("event-rate", "1.1 1.2"), "event-rate 1.1 1.2")
        self.assert_set(("event-rate", "1.1  1.2"), "event-rate 1.1 1.2")
        self.assert_set(("event-rate", [1.1, 1.2]), "event-rate 1.1 1.2")
        self.assert_set(("event-rate", (1, "2")), "event-rate 1 2")
        self.assert_set(("period", 1234567.1234567), "period 1234567.1234567")
        self.assert_set(("period", OddlyShownFloat(2.5)), "period 2.5")
        self.assert_set(("event-rate 1 2",), "event-rate 1 2")
        self.assert_set((["event-rate", 1, 2],), "event-rate 1 2")
        self.assert_set((("event-rate", 1), 2), "event-rate 1 2")

    def test_set_sampling_strategy(self):
        for strategy in ("period 2", ("period", 2), ["event"]):
            self.mock_manager.reset_mock()
            self.assertIs(self.sensor.set_sampling_strategy(strategy),
                          self.mock_manager.set_sampling_strategy.return_value)
            arguments, keywords = self.mock_manager.set_sampling_strategy.call_args
            self.assertEqual((arguments, keywords), (("an.int", strategy), {}))
            self.assertIs(arguments[1], strategy)

    def test_drop_sampling_strategy(self):
        self.assertIs(self.sensor.drop_sampling_strategy(), None)
        self.mock_manager.drop_sampling_strategy.assert_called_once_with("an.int")


class TestPolling(AsyncTestCase):

    def setUp(self):
        super(TestPolling, self).setUp()
        self.manager = Manager()
        self.sensor = make_sensor(self.manager)

    def methods(self):
        return ((self.sensor.get_reading, (1000.0, 1, Sensor.WARN, 7)),
                (self.sensor.get_value, 7), (self.sensor.get_status, "warn"))

    @gen_test
    def test_the_new_reading_is_returned(self):
        listener = mock.Mock()
        self.sensor.register_listener(listener)

        @gen.coroutine
        def poll(name):
            yield gen.moment
            self.sensor.set(1, Sensor.WARN, 7)

        self.manager.on_poll = poll
        for method, expected in self.methods():
            self.sensor.set_value(0)
            self.assertEqual((yield method()), expected)
        self.assertEqual(self.manager.polls, ["an.int"] * 3)
        self.assertEqual(listener.call_count, 6)

    @gen_test
    def test_managers_may_answer_at_once(self):
        self.sensor.set(1, Sensor.WARN, 7)
        concurrent = ConcurrentFuture()
        concurrent.set_result(None)
        for answer in (done_future(None), concurrent, None):
            self.manager.on_poll = lambda name: answer
            for method, expected in self.methods():
                self.assertEqual((yield method()), expected)

    @gen_test
    def test_exceptions(self):
        @gen.coroutine
        def fail_later(name):
            yield gen.moment
            raise KATCPSensorError("oh")

        def fail_now(name):
            raise KATCPSensorError("oh")

        for poll in (fail_later, fail_now):
            self.manager.on_poll = poll
            for method, _ in self.methods():
                future = method()
                with self.assertRaises(KATCPSensorError):
                    yield future

    @gen_test
    def test_the_request_is_made_at_once(self):
        answer = new_future(self.io_loop)
        self.manager.on_poll = lambda name: answer
        future = self.sensor.get_value()
        self.assertEqual(self.manager.polls, ["an.int"])
        self.assertFalse(future.done())
        answer.set_result(None)
        self.assertIs((yield future), None)
