"""Sensors, trees of sensors, and the tools to watch and fake them."""

from __future__ import absolute_import, division, print_function

import logging
import threading
import unittest

from tornado import testing

from katcp import AggregateSensorTree, BooleanSensorTree, GenericSensorTree, Sensor
from katcp.testutils import (AsyncWaitingMock, AtomicIaddCallback, DeviceTestSensor, SensorComparisonMixin,
                             SensorTransitionWaiter, TestLogHandler, WaitingMock, counting_callback,
                             list_to_native_strings, mock, suppress_queue_repeats, wait_sensor,
                             wait_sensor_async)
from katcp.testutils import queue

from acu.device import AntennaPositioner

log_handler = TestLogHandler()


def setUpModule():
    logging.getLogger("katcp").addHandler(log_handler)


def tearDownModule():
    logging.getLogger("katcp").removeHandler(log_handler)


LIMIT = 10


def run_in_thread(test, function, *args):
    """Run something in a thread that the test waits for at its end."""
    thread = threading.Thread(target=function, args=args)
    test.addCleanup(thread.join, LIMIT)
    thread.start()


class TestDeviceSensors(unittest.TestCase, SensorComparisonMixin):
    def setUp(self):
        self.device = AntennaPositioner("127.0.0.1", 0)

    def test_descriptions(self):
        sensors = [self.device.get_sensor(name) for name in ("mode", "pos.actual-azim", "last-fault")]
        self.assert_sensors_equal_description(sensors, [
            dict(name="last-fault", type=Sensor.STRING, params=[], units="", status=Sensor.UNKNOWN),
            dict(name="mode", type=Sensor.DISCRETE, params=["stop", "slew", "track", "stow"], units="",
                 status=Sensor.NOMINAL),
            dict(name="pos.actual-azim", type=Sensor.FLOAT, params=[-185.0, 275.0], units="deg",
                 status=Sensor.UNKNOWN),
        ])
        with self.assertRaises(AssertionError):
            self.assert_sensor_equal_description(sensors[0], dict(value="slew"))

    def test_value_conditions(self):
        sensors = [self.device.get_sensor(name) for name in ("pos.actual-azim", "command-count")]
        self.assert_sensors_value_conditions(sensors, {
            "pos.actual-azim": lambda value: self.assertGreater(value, 0),
            "command-count": lambda value: self.assertEqual(value, 0)})
        with self.assertRaises(AssertionError):
            self.assert_sensors_value_conditions(
                sensors, {"pos.actual-azim": lambda value: self.assertGreater(value, 100)})

    def test_comparison(self):
        sensor = DeviceTestSensor(Sensor.FLOAT, "pos.actual-azim", "Actual azimuth", "deg", [-185.0, 275.0],
                                  1234, Sensor.WARN, 21.5)
        actual = self.device.get_sensor("pos.actual-azim")
        actual.set(1234, Sensor.WARN, 21.5)
        self.assert_sensor_equal(actual, sensor)
        actual.set(1234, Sensor.NOMINAL, 21.5)
        self.assert_sensor_equal(actual, sensor, ignore_attributes=["status"])
        with self.assertRaises(AssertionError):
            self.assert_sensor_equal(actual, sensor)

    def test_test_sensor(self):
        sensor = DeviceTestSensor(DeviceTestSensor.INTEGER, "an.int", "An integer", "count", [-5, 5],
                                  timestamp=0, status=DeviceTestSensor.ERROR, value=7)
        self.assertEqual(sensor.read(), (0, Sensor.ERROR, 7))
        self.assertEqual(sensor.read_formatted(), (b"0.000000", b"error", b"7"))
        self.device.add_sensor(sensor)
        self.assertIs(self.device.get_sensor("an.int"), sensor)

    def test_formatted_values(self):
        address = self.device.get_sensor("pointing-server")
        address.set_formatted(b"1.5", b"nominal", b"10.0.0.1:99")
        self.assertEqual(address.read(), (1.5, Sensor.NOMINAL, ("10.0.0.1", 99)))
        self.device.get_sensor("receiver-lru").set_value(Sensor.LRU_ERROR, Sensor.ERROR, 2)
        self.assertEqual(self.device.get_sensor("receiver-lru").read_formatted(),
                         (b"2.000000", b"error", b"error"))

    def test_missing_sensor(self):
        self.assertFalse(self.device.has_sensor("rain"))
        with self.assertRaises(ValueError):
            self.device.get_sensor("rain")


class TestWaiters(unittest.TestCase):
    def setUp(self):
        self.sensor = DeviceTestSensor(Sensor.INTEGER, "count", "", "", None, 1, Sensor.NOMINAL, 0)

    def count(self, *values):
        for value in values:
            self.sensor.set_value(value)

    def test_transitions(self):
        waiter = SensorTransitionWaiter(self.sensor, [0, 1, lambda value: value > 1, 10])
        run_in_thread(self, self.count, 1, 1, 2, 3, 4, 10, 11)
        self.assertTrue(waiter.wait(timeout=LIMIT))
        self.assertFalse(self.sensor._observers)

    def test_wrong_transition(self):
        waiter = SensorTransitionWaiter(self.sensor, [0, 1, 2])
        self.count(1, 5, 2)
        self.assertFalse(waiter.wait(timeout=LIMIT))
        self.assertFalse(waiter.timed_out)

    def test_too_late(self):
        waiter = SensorTransitionWaiter(self.sensor, [0, 1, 2])
        self.count(1)
        self.assertFalse(waiter.wait(timeout=0))
        self.assertTrue(waiter.timed_out)
        with self.assertRaises(RuntimeError):
            waiter.wait(timeout=0)

    def test_wrong_start(self):
        with self.assertRaises(ValueError):
            SensorTransitionWaiter(self.sensor, [1, 2])
        self.assertFalse(self.sensor._observers)

    def test_received_values(self):
        waiter = SensorTransitionWaiter(self.sensor)
        self.count(1, 1, 2)
        self.assertEqual(waiter.get_received_values(), [0, 1, 1, 2])
        self.count(3)
        self.assertFalse(self.sensor._observers)

    def test_wait_sensor(self):
        run_in_thread(self, self.count, 1, 2, 3)
        self.assertTrue(wait_sensor(self.sensor, 3, timeout=LIMIT))
        self.assertTrue(wait_sensor(self.sensor, lambda value: value > 2, timeout=LIMIT))
        self.assertFalse(wait_sensor(self.sensor, 3, status=Sensor.ERROR, timeout=0.001))
        run_in_thread(self, self.sensor.set, 2, Sensor.ERROR, 3)
        self.assertTrue(wait_sensor(self.sensor, 3, status=Sensor.ERROR, timeout=LIMIT))
        self.assertFalse(self.sensor._observers)

    def test_repeats_in_a_queue(self):
        values = queue.Queue()
        for value in (1, 1, 2, 2, 2, 1, 3):
            values.put(value)
        self.assertEqual(list(suppress_queue_repeats(values, 1, read_time=0)), [2, 1, 3])


class TestWaitersOnLoop(testing.AsyncTestCase):
    @testing.gen_test(timeout=LIMIT)
    def test_value_set_in_another_thread(self):
        sensor = Sensor.string("text", "", "")
        waiting = wait_sensor_async(sensor, "done", status=Sensor.NOMINAL, ioloop=self.io_loop)
        run_in_thread(self, sensor.set, 1, Sensor.NOMINAL, "done")
        self.assertTrue((yield waiting))
        self.assertTrue((yield wait_sensor_async(sensor, "done")))
        self.assertFalse(sensor._observers)

    @testing.gen_test(timeout=LIMIT)
    def test_async_mock(self):
        called = AsyncWaitingMock(return_value=5)
        self.io_loop.add_callback(called, "a", b=1)
        yield called.assert_wait_call_count(1, timeout=LIMIT)
        called.assert_called_once_with("a", b=1)
        self.io_loop.add_callback(called)
        yield called.assert_wait_call_count(2, timeout=LIMIT)
        with self.assertRaises(AssertionError):
            yield called.assert_wait_call_count(3, timeout=0.01)


class TestMocks(unittest.TestCase):
    def test_waiting_mock(self):
        called = WaitingMock(side_effect=lambda x: 2 * x)
        run_in_thread(self, called, 4)
        called.assert_wait_call_count(1, timeout=LIMIT)
        called.assert_called_once_with(4)
        self.assertEqual(called(5), 10)
        self.assertEqual(called.call_count, 2)
        called.reset_mock()
        self.assertEqual(called.call_count, 0)
        with self.assertRaises(AssertionError):
            called.assert_wait_call_count(1, timeout=0.01)

    def test_children(self):
        called = WaitingMock()
        run_in_thread(self, called.drive.start, "azim")
        called.drive.start.assert_wait_call_count(1, timeout=LIMIT)
        self.assertIsInstance(called, mock.Mock)

    def test_counter(self):
        counts = []
        counter = proxy = AtomicIaddCallback(5, counts.append)
        counter += 2
        counter += 1
        self.assertIs(counter, proxy)
        self.assertEqual(counter, 8)
        self.assertEqual(counts, [7, 8])
        self.assertEqual("{0}".format(counter - 1), "7")

    def test_counting_callback(self):
        @counting_callback(number_of_calls=2)
        def add(a, b):
            return a + b

        self.assertEqual(add(1, b=2), 3)
        self.assertFalse(add.done.is_set())
        run_in_thread(self, add, 1, 1)
        self.assertTrue(add.assert_wait(timeout=LIMIT))
        add.reset()
        self.assertEqual(add.get_no_calls(), 0)
        with self.assertRaises(AssertionError):
            add.assert_wait(timeout=0.001)
        self.assertEqual(add.__name__, "add")

    def test_native_strings(self):
        self.assertEqual(list_to_native_strings([b"a", u"b", 1, 1.5, None]), ["a", "b", "1", "1.5", "None"])


class TestTrees(unittest.TestCase):
    def setUp(self):
        self.device = AntennaPositioner("127.0.0.1", 0)
        self.get = self.device.get_sensor

    def test_boolean(self):
        self.assertIs(self.get("drives-ok").value(), True)
        self.get("azim.drive-ok").set_value(False)
        self.assertIs(self.get("drives-ok").value(), False)
        self.device.drive_tree.remove(self.get("drives-ok"), self.get("azim.drive-ok"))
        self.assertIs(self.get("drives-ok").value(), True)
        self.assertEqual(self.device.drive_tree.children(self.get("drives-ok")),
                         set([self.get("elev.drive-ok")]))

    def test_aggregate(self):
        self.get("pos.requested-azim").set_value(23.0)
        self.get("pos.requested-elev").set_value(24.0)
        self.assertEqual(self.get("pos.error").read()[1:], (Sensor.WARN, 5.0))
        self.get("pos.actual-azim").set_value(23.0)
        self.get("pos.actual-elev").set_value(24.0)
        self.assertEqual(self.get("pos.error").read()[1:], (Sensor.NOMINAL, 0.0))
        self.device.tree.remove(self.get("pos.error"))
        self.get("pos.actual-azim").set_value(0.0)
        self.assertEqual(self.get("pos.error").value(), 0.0)

    def test_tree_on_tree(self):
        self.get("elev.drive-ok").set_value(False)
        self.assertEqual(self.get("device-status").read()[1:], (Sensor.WARN, "degraded"))
        self.get("emergency-stop").set_value(True)
        self.assertEqual(self.get("device-status").read()[1:], (Sensor.ERROR, "fail"))

    def test_part_taken_off_and_fitted_again(self):
        self.device.tree.deregister_sensor(self.get("emergency-stop"))
        self.get("emergency-stop").set_value(True)
        self.assertEqual(self.get("device-status").value(), "ok")
        self.device.tree.register_sensor(self.get("emergency-stop"))
        self.assertEqual(self.get("device-status").value(), "fail")
        with self.assertRaises(ValueError):
            self.device.tree.register_sensor(self.get("emergency-stop"))

    def test_delayed(self):
        tree = AggregateSensorTree()
        total = Sensor.integer("total", "", "")
        parts = [Sensor.integer("part-%d" % number, "", "") for number in range(3)]
        tree.add_delayed(total, lambda parent, children: parent.set_value(sum(c.value() for c in children)),
                         [part.name for part in parts])
        for part in parts:
            self.assertNotIn(total, tree)
            tree.register_sensor(part)
        self.assertIn(total, tree)
        for number, part in enumerate(parts):
            part.set_value(number)
        self.assertEqual(total.value(), 3)
        self.assertEqual(tree.fetch(total)[1], set(parts))

    def test_own_tree(self):
        class MaximumTree(GenericSensorTree):
            def recalculate(self, parent, updates):
                parent.set_value(max([child.value() for child in self.children(parent)] or [0]))

        tree = MaximumTree()
        top, left, right = [Sensor.integer(name, "", "") for name in ("top", "left", "right")]
        tree.add_links(top, [left, right])
        left.set_value(5)
        right.set_value(3)
        self.assertEqual(top.value(), 5)
        tree.remove_links(top, [left])
        self.assertEqual(top.value(), 3)
        self.assertEqual(tree.parents(right), set([top]))
        with self.assertRaises(ValueError):
            tree.parents(left)

    def test_not_boolean(self):
        with self.assertRaises(ValueError):
            BooleanSensorTree().add(Sensor.integer("an.int", "", ""), Sensor.boolean("a.bool", "", ""))

    def test_all_kinds_of_observers(self):
        observer = mock.Mock()
        mode = self.get("mode")
        mode.attach(observer)
        mode.set(12, Sensor.NOMINAL, "slew")
        (sensor, reading), _ = observer.update.call_args
        self.assertIs(sensor, mode)
        self.assertEqual((reading.timestamp, reading.status, reading.value), (12, Sensor.NOMINAL, "slew"))
        mode.detach(observer)
        mode.set_value("stop")
        self.assertEqual(observer.update.call_count, 1)
