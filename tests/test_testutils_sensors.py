"""Tests of waiting for sensors."""

from __future__ import absolute_import, division, print_function

import threading
import unittest

from tornado import testing

from katcp.compat import queue
from katcp.sensor import Sensor
from katcp.testutils.sensors import (DeviceTestSensor, SensorTransitionStatusWaiter,
                                     SensorTransitionWaiter, suppress_queue_repeats, wait_sensor,
                                     wait_sensor_async)
from tests.support.clock import TimewarpAsyncTestCase


class TestDeviceTestSensor(unittest.TestCase):
    def test_reading_is_taken_as_it_is(self):
        sensor = DeviceTestSensor(
            sensor_type=Sensor.INTEGER, name="an.int", description="An Integer.", units="count",
            params=[-5, 5], timestamp=0, status=Sensor.FAILURE, value=17)
        self.assertEqual(sensor.read(), (0, Sensor.FAILURE, 17))
        self.assertEqual((sensor.name, sensor.description, sensor.units, sensor.params),
                         ("an.int", "An Integer.", "count", [-5, 5]))

    def test_float_sensor_with_integer(self):
        sensor = DeviceTestSensor(DeviceTestSensor.FLOAT, "a.float", "", "", None, 12345,
                                  DeviceTestSensor.NOMINAL, 12)
        self.assertEqual(sensor.read_formatted(), (b"12345.000000", b"nominal", b"12.0"))


class TestSuppressQueueRepeats(unittest.TestCase):
    def setUp(self):
        self.queue = queue.Queue()
        for value in (1, 1, 2, 2, 2, 1, 3):
            self.queue.put(value)

    def test_repeats(self):
        self.assertEqual(list(suppress_queue_repeats(self.queue, 1, read_time=0)), [2, 1, 3])
        self.assertTrue(self.queue.empty())

    def test_for_ever(self):
        values = suppress_queue_repeats(self.queue, None)
        self.assertEqual([next(values) for _ in range(4)], [1, 2, 1, 3])

    def test_clock_starts_at_first_next(self):
        values = suppress_queue_repeats(queue.Queue(), None, read_time=0.01)
        self.assertEqual(list(values), [])


class SensorCase(unittest.TestCase):
    def setUp(self):
        self.sensor = Sensor.float("a.float", "A Float.", default=1.0)

    def tearDown(self):
        self.assertFalse(self.sensor._observers)

    def set_values(self, *values):
        for value in values:
            self.sensor.set_value(value)

    def set_in_thread(self, *values):
        thread = threading.Thread(target=self.set_values, args=values)
        thread.start()
        self.addCleanup(thread.join)


class TestSensorTransitionWaiter(SensorCase):
    def test_transition(self):
        waiter = SensorTransitionWaiter(
            self.sensor, [1, lambda value: value > 1, 7, lambda value: value < 7, 0.5])
        self.assertIn(waiter._observer, self.sensor._observers)
        self.assertEqual(waiter._observer.update, waiter._sensor_callback)
        self.set_values(2, 3, 3, 7, 7, 6, 5, 0.5, 100)
        self.assertIs(waiter.wait(timeout=0), True)
        self.assertFalse(waiter.timed_out)
        self.assertNotIn(waiter._observer, self.sensor._observers)
        self.assertEqual(waiter.received_values, [1, 2, 3, 7, 6, 5, 0.5])

    def test_transition_set_by_other_thread(self):
        for timeout in (10, None):
            self.sensor.set_value(1)
            waiter = SensorTransitionWaiter(self.sensor, (1, 2, 3))
            self.set_in_thread(2, 3)
            self.assertIs(waiter.wait(timeout=timeout), True)

    def test_wrong_transition(self):
        waiter = SensorTransitionWaiter(self.sensor, [1, 2, 3])
        self.set_values(2, 1)
        self.assertIs(waiter.wait(timeout=10), False)
        self.assertFalse(waiter.timed_out)

    def test_timeout(self):
        waiter = SensorTransitionWaiter(self.sensor, [1, 2, 3])
        self.set_values(2)
        self.assertIs(waiter.wait(timeout=0.01), False)
        self.assertTrue(waiter.timed_out)

    def test_what_is_satisfied_already_needs_no_value(self):
        waiter = SensorTransitionWaiter(self.sensor, [1, 1, lambda value: value > 0, 2])
        self.set_values(2)
        self.assertIs(waiter.wait(timeout=0), True)
        for sequence in ([1], []):
            self.sensor.set_value(1)
            self.assertIs(SensorTransitionWaiter(self.sensor, sequence).wait(timeout=0), True)

    def test_initial_condition(self):
        for condition in (2, lambda value: False):
            with self.assertRaises(ValueError) as context:
                SensorTransitionWaiter(self.sensor, [condition, 1])
            self.assertEqual(str(context.exception), "Sensor value does not satisfy initial condition")
            self.assertFalse(self.sensor._observers)

    def test_finished(self):
        waiter = SensorTransitionWaiter(self.sensor, [1])
        waiter.wait(timeout=0)
        with self.assertRaises(RuntimeError) as context:
            waiter.wait(timeout=0)
        self.assertIn("Transition already triggered. Instantiate a new", str(context.exception))

    def test_torn_down(self):
        waiter = SensorTransitionWaiter(self.sensor, [1])
        waiter.teardown()
        waiter.teardown()
        self.assertTrue(waiter._torn_down)
        self.assertNotIn(waiter._observer, self.sensor._observers)
        with self.assertRaises(RuntimeError) as context:
            waiter.wait(timeout=0)
        self.assertIn("This object has been torn down. Instantiate a new", str(context.exception))

    def test_without_sequence(self):
        waiter = SensorTransitionWaiter(self.sensor)
        with self.assertRaises(RuntimeError):
            waiter.wait(timeout=0)
        waiter.teardown()

    def test_get_received_values(self):
        waiter = SensorTransitionWaiter(self.sensor)
        self.set_values(2, 2, 3)
        self.assertEqual(waiter.get_received_values(stop=False, reset=False), [1, 2, 2, 3])
        self.set_values(4)
        self.assertEqual(waiter.get_received_values(stop=False), [1, 2, 2, 3, 4])
        self.set_values(5)
        self.assertEqual(waiter.get_received_values(), [5])
        self.assertTrue(waiter._torn_down)
        self.set_values(6)
        self.assertEqual(waiter.get_received_values(), [])

    def test_no_waiting_after_get_received_values(self):
        waiter = SensorTransitionWaiter(self.sensor, [1, 2])
        waiter.get_received_values(stop=False)
        with self.assertRaises(RuntimeError):
            waiter.wait(timeout=0)
        waiter.teardown()

    def test_hooks_of_subclass(self):
        class Waiter(SensorTransitionWaiter):
            def _get_current_sensor_value(self):
                return -self.sensor.value()

            def _sensor_callback(self, sensor, reading):
                self._value_queue.put(-reading[2])

            def _test_value(self, value, value_test):
                return value == 10 * value_test

        waiter = Waiter(self.sensor, [-0.1, -0.2])
        self.set_values(2)
        self.assertIs(waiter.wait(timeout=0), True)


class TestSensorTransitionStatusWaiter(SensorCase):
    def test_transition(self):
        self.sensor.set(1, Sensor.NOMINAL, 1)
        waiter = SensorTransitionStatusWaiter(
            self.sensor, [(Sensor.NOMINAL, 1), (Sensor.WARN, 1),
                          lambda status_and_value: status_and_value == (Sensor.WARN, 2)])
        self.sensor.set(2, Sensor.NOMINAL, 1)
        self.sensor.set(3, Sensor.WARN, 1)
        self.sensor.set(3, Sensor.WARN, 2)
        self.assertIs(waiter.wait(timeout=0), True)


class TestWaitSensor(SensorCase):
    def test_at_once(self):
        self.assertIs(wait_sensor(self.sensor, 1, timeout=0), True)
        self.assertIs(wait_sensor(self.sensor, 1, status=Sensor.UNKNOWN, timeout=0), True)

    def test_timeout(self):
        self.assertIs(wait_sensor(self.sensor, 2, timeout=0.01), False)
        self.assertIs(wait_sensor(self.sensor, 1, status=Sensor.NOMINAL, timeout=0.01), False)

    def test_set_by_other_thread(self):
        self.set_in_thread(1, 2, 0, 3)
        self.assertIs(wait_sensor(self.sensor, 3, timeout=10), True)
        self.set_in_thread(7)
        self.assertIs(wait_sensor(self.sensor, lambda value: value > 5, timeout=10), True)

    def test_status(self):
        self.sensor.set(0, Sensor.NOMINAL, 0)

        def run():
            for status, value in [(Sensor.NOMINAL, 1), (Sensor.ERROR, 1), (Sensor.ERROR, 0)]:
                self.sensor.set(0, status, value)

        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)
        self.assertIs(wait_sensor(self.sensor, 0, status=Sensor.ERROR, timeout=10), True)
        self.assertIs(wait_sensor(self.sensor, lambda value: value < 1, status=Sensor.ERROR, timeout=0),
                      True)


class TestWaitSensorAsync(TimewarpAsyncTestCase):
    def setUp(self):
        super(TestWaitSensorAsync, self).setUp()
        self.sensor = Sensor.float("a.float", "A Float.", default=1.0)

    @testing.gen_test
    def test_has_value_already(self):
        future = wait_sensor_async(self.sensor, 1)
        self.assertFalse(future.done())
        yield self.wake_ioloop()
        self.assertIs(future.result(), True)
        self.assertFalse(self.sensor._observers)

    @testing.gen_test
    def test_value(self):
        future = wait_sensor_async(self.sensor, 2, ioloop=self.io_loop)
        yield self.wake_ioloop()
        self.sensor.set_value(3)
        yield self.wake_ioloop()
        self.assertFalse(future.done())
        # A value that has gone again, and the same once more.
        for value in (2, 4, 2):
            self.sensor.set_value(value)
        self.assertIs((yield future), True)
        self.assertFalse(self.sensor._observers)
        yield self.wake_ioloop()

    @testing.gen_test
    def test_status(self):
        future = wait_sensor_async(self.sensor, lambda value: value < 5, status=Sensor.NOMINAL)
        yield self.wake_ioloop()
        self.assertFalse(future.done())
        self.sensor.set(0, Sensor.WARN, 1)
        self.sensor.set(0, Sensor.NOMINAL, 6)
        yield self.wake_ioloop()
        self.assertFalse(future.done())
        self.sensor.set(0, Sensor.NOMINAL, 4)
        self.assertIs((yield future), True)

    @testing.gen_test
    def test_set_by_other_thread(self):
        future = wait_sensor_async(self.sensor, 2)
        thread = threading.Thread(target=self.sensor.set_value, args=[2])
        thread.start()
        self.assertIs((yield future), True)
        thread.join()

    @testing.gen_test(timeout=100)
    def test_timeout(self):
        future = wait_sensor_async(self.sensor, 2, timeout=10)
        yield self.set_ioloop_time(9.99)
        self.assertFalse(future.done())
        yield self.set_ioloop_time(10)
        self.assertIs(future.result(), False)
        self.assertFalse(self.sensor._observers)

    @testing.gen_test(timeout=100)
    def test_timer_ends_with_the_waiting(self):
        future = wait_sensor_async(self.sensor, 1, timeout=10)
        self.assertIs((yield future), True)
        yield self.set_ioloop_time(20)
        self.assertIs(future.result(), True)

    @testing.gen_test
    def test_cancelled(self):
        future = wait_sensor_async(self.sensor, 2, timeout=10)
        if future.cancel():
            yield self.wake_ioloop()
            self.assertFalse(self.sensor._observers)
            yield self.wake_ioloop()
            self.sensor.set_value(2)
