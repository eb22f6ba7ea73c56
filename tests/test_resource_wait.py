from __future__ import absolute_import, division, print_function

import gc
import threading
import weakref

from tornado import gen
from tornado.testing import gen_test

from katcp import compat
from katcp.resource import KATCPSensorError, KATCPSensorReading
from katcp.sensor import Sensor
from katcp.waiting import until_any
from tests.support import mock
from tests.support.clock import TimewarpAsyncTestCase
from tests.support.logs import LogRecorder
from tests.support.resources import Manager, make_sensor


class WaitTestCase(TimewarpAsyncTestCase):

    def setUp(self):
        super(WaitTestCase, self).setUp()
        self.manager = Manager()
        self.manager.strategies["an.int"] = ("event",)
        self.sensor = make_sensor(self.manager)

    def assert_nobody_listens(self):
        gc.collect()
        self.assertFalse(self.sensor._listeners)


class TestWait(WaitTestCase):

    @gen_test(timeout=1000)
    def test_for_a_value(self):
        future = self.sensor.wait(3)
        self.sensor.set_value(2)
        yield self.wake_ioloop()
        self.assertFalse(future.done())
        self.assertTrue(self.sensor._listeners)
        self.sensor.set_value(3)
        self.assert_nobody_listens()
        self.assertIs((yield future), True)

    @gen_test(timeout=1000)
    def test_for_what_is_there_already(self):
        self.sensor.set_value(3)
        future = self.sensor.wait(3)
        self.assertFalse(future.done())
        self.assertIs((yield future), True)
        self.assert_nobody_listens()

    @gen_test(timeout=1000)
    def test_what_was_there_when_the_wait_began_counts(self):
        self.sensor.set_value(3)
        future = self.sensor.wait(3)
        self.sensor.set_value(4)
        self.assertIs((yield future), True)
        self.assert_nobody_listens()

    @gen_test(timeout=1000)
    def test_what_was_there_before_does_not_count(self):
        self.sensor.set_value(3)
        self.sensor.set_value(4)
        future = self.sensor.wait(3)
        yield self.wake_ioloop()
        yield self.wake_ioloop()
        self.assertFalse(future.done())

    @gen_test(timeout=1000)
    def test_for_none(self):
        self.sensor.set_value(3)
        future = self.sensor.wait(None)
        yield self.wake_ioloop()
        self.assertFalse(future.done())
        self.sensor.set_value(None)
        self.assertIs((yield future), True)

    @gen_test(timeout=1000)
    def test_with_a_condition(self):
        condition = mock.Mock(side_effect=lambda reading: [reading.value] if (reading.value or 0) > 5 else [])
        future = self.sensor.wait(condition)
        yield self.wake_ioloop()
        for value in (4, 5, 6, 7):
            self.sensor.set_value(value)
        self.assertIs((yield future), True)
        readings = [call[0][0] for call in condition.call_args_list]
        self.assertEqual([reading.value for reading in readings], [None, 4, 5, 6])
        for reading in readings:
            self.assertIs(type(reading), KATCPSensorReading)
        self.assert_nobody_listens()

    @gen_test(timeout=1000)
    def test_for_value_and_status(self):
        future = self.sensor.wait(lambda reading: reading.value == 3 and reading.status == "warn")
        self.sensor.set_value(3)
        self.sensor.set_value(2, Sensor.WARN)
        yield self.wake_ioloop()
        self.assertFalse(future.done())
        self.sensor.set_value(3, Sensor.WARN)
        self.assertIs((yield future), True)

    @gen_test(timeout=1000)
    def test_readings_without_a_value(self):
        self.sensor.set_value(3)
        futures = [self.sensor.wait(lambda reading: reading.status == "failure"),
                   self.sensor.wait(lambda reading: {4: True, 3: False}[reading.value]),
                   self.sensor.wait(4)]
        yield self.wake_ioloop()
        self.sensor.set_formatted(b"1", b"failure", b"nan")
        yield self.wake_ioloop()
        # It has no value for which the second condition could be true or false.
        self.assertEqual([future.done() for future in futures], [True, False, False])
        # The same for the reading that is there.
        futures.append(self.sensor.wait(lambda reading: {4: True}[reading.value]))
        yield self.wake_ioloop()
        self.assertFalse(futures[-1].done())
        self.sensor.set_formatted(b"2", b"nominal", b"4")
        self.assertEqual((yield futures), 4 * [True])
        self.assert_nobody_listens()

    @gen_test(timeout=1000)
    def test_short_moments_count(self):
        future = self.sensor.wait(3)
        self.sensor.set_value(3)
        self.sensor.set_value(4)
        self.assertIs((yield future), True)

    @gen_test(timeout=1000)
    def test_what_is_there_and_what_comes(self):
        """Both would do; only one may set the result."""
        self.sensor.set_value(3)
        future = self.sensor.wait(3)
        self.sensor.set_value(3)
        self.sensor.set_value(3)
        with LogRecorder() as log:
            self.assertIs((yield future), True)
            yield self.wake_ioloop()
            yield self.wake_ioloop()
        self.assertEqual(log.messages, [])
        self.assert_nobody_listens()

    @gen_test(timeout=1000)
    def test_conditions_are_not_asked_again(self):
        """Not even where a listener before them sets the sensor, which calls all of them twice."""
        def set_again(sensor, reading):
            if reading.value == 2:
                sensor.set_value(3)

        self.sensor.register_listener(set_again, reading=True)
        condition = mock.Mock(side_effect=lambda reading: reading.value in (2, 3))
        future = self.sensor.wait(condition)
        yield self.wake_ioloop()
        condition.reset_mock()
        self.sensor.set_value(2)
        self.assertEqual([call[0][0].value for call in condition.call_args_list], [3])
        self.assertIs((yield future), True)

    @gen_test(timeout=1000)
    def test_conditions_that_raise(self):
        future = self.sensor.wait(lambda reading: {None: False, 1: True}[reading.value])
        yield self.wake_ioloop()
        self.sensor.set_value(2)
        self.assertFalse(self.sensor._listeners)
        with self.assertRaises(KeyError):
            yield future
        self.sensor.set_value(1)
        yield self.wake_ioloop()

    @gen_test(timeout=1000)
    def test_conditions_that_raise_on_what_is_there(self):
        future = self.sensor.wait(lambda reading: 1 / 0, timeout=5)
        with self.assertRaises(ZeroDivisionError):
            yield future
        self.assert_nobody_listens()

    @gen_test(timeout=1000)
    def test_several_waits(self):
        futures = [self.sensor.wait(value) for value in (1, 2, 1)]
        listener = mock.Mock()
        self.sensor.register_listener(listener)
        self.sensor.set_value(1)
        yield futures[0]
        yield futures[2]
        self.assertFalse(futures[1].done())
        self.sensor.set_value(2)
        yield futures[1]
        self.assertEqual(len(self.sensor._listeners), 1)
        self.assertEqual(listener.call_count, 2)

    @gen_test(timeout=1000)
    def test_coroutines_resume_in_the_next_iterations(self):
        resumed = []

        @gen.coroutine
        def wait():
            resumed.append((yield self.sensor.wait(3)))

        waiting = wait()
        yield self.wake_ioloop()
        self.sensor.set_value(3)
        yield self.wake_ioloop()  # sets the result
        yield self.wake_ioloop()  # the coroutine goes on
        self.assertEqual(resumed, [True])
        yield waiting

    @gen_test(timeout=1000)
    def test_a_new_description_does_not_end_waits(self):
        future = self.sensor.wait(3.5)
        self.sensor.update_description({"name": "an.int", "sensor_type": Sensor.FLOAT})
        self.sensor.set_formatted(b"1", b"nominal", b"3.5")
        self.assertIs((yield future), True)


class TestRefusal(WaitTestCase):

    def test_sequences(self):
        for sequence in ([], [3], (3,), KATCPSensorReading(1, 2, 3, 4)):
            with self.assertRaises(NotImplementedError) as caught:
                self.sensor.wait(sequence)
            self.assertEqual(str(caught.exception),
                             "Currently only single conditions are supported")
        self.assert_nobody_listens()

    @gen_test(timeout=1000)
    def test_strings_are_values(self):
        for value in ("text", u"text", b"text"):
            future = self.sensor.wait(value)
            self.sensor.set_value(value)
            self.assertIs((yield future), True)

    def test_sensors_without_strategy(self):
        self.manager.strategies.clear()
        with self.assertRaises(KATCPSensorError) as caught:
            self.sensor.wait(3)
        self.assertEqual(str(caught.exception),
                         "Cannot wait on a sensor that does not have a strategy set")
        self.assert_nobody_listens()


class TestTimeouts(WaitTestCase):

    @gen_test(timeout=1000)
    def test_timeout(self):
        future = self.sensor.wait(3, timeout=10)
        yield self.set_ioloop_time(9.9)
        self.assertFalse(future.done())
        yield self.set_ioloop_time(10)
        with self.assertRaises(gen.TimeoutError):
            yield future
        self.assert_nobody_listens()
        self.sensor.set_value(3)
        yield self.wake_ioloop()

    @gen_test(timeout=1000)
    def test_timeout_with_a_condition(self):
        future = self.sensor.wait(lambda reading: reading.value == 3, timeout=10)
        self.sensor.set_value(2)
        yield self.set_ioloop_time(10)
        with self.assertRaises(gen.TimeoutError):
            yield future
        self.assert_nobody_listens()

    @gen_test(timeout=1000)
    def test_no_timeout(self):
        futures = [self.sensor.wait(3, timeout=timeout) for timeout in (None, 0)]
        yield self.set_ioloop_time(500)
        for future in futures:
            self.assertFalse(future.done())

    @gen_test(timeout=1000)
    def test_negative_timeouts(self):
        with self.assertRaises(gen.TimeoutError):
            yield self.sensor.wait(3, timeout=-1)
        self.assert_nobody_listens()

    @gen_test(timeout=1000)
    def test_nothing_is_left_of_a_timeout_after_success(self):
        remove_timeout = self.io_loop.remove_timeout
        with mock.patch.object(self.io_loop, "remove_timeout", side_effect=remove_timeout) as remove:
            future = self.sensor.wait(3, timeout=10)
            self.sensor.set_value(3)
            yield future
            self.assertEqual(remove.call_count, 1)
        yield self.set_ioloop_time(10)
        self.assertIs(future.result(), True)

    @gen_test(timeout=1000)
    def test_a_reading_that_came_in_time(self):
        """It is on its way into the future when the time is up, in the same iteration."""
        future = self.sensor.wait(3, timeout=10)
        self.io_loop.call_at(9, self.sensor.set_value, 3)
        yield self.set_ioloop_time(10)
        self.assertIs((yield future), True)

    @gen_test(timeout=1000)
    def test_no_noise_about_timeouts_that_nobody_asks_for(self):
        future = self.sensor.wait(3, timeout=10)
        yield self.set_ioloop_time(10)
        self.assertTrue(future.done())
        with LogRecorder() as log:
            del future
            gc.collect()
        self.assertEqual(log.messages, [])


class TestLeftovers(WaitTestCase):

    def test_dropped_futures(self):
        for timeout in (None, 10):
            self.sensor.wait(3, timeout=timeout)
            self.assert_nobody_listens()

    @gen_test(timeout=1000)
    def test_futures_dropped_later(self):
        future = self.sensor.wait(3)
        yield self.wake_ioloop()
        gc.collect()
        self.assertTrue(self.sensor._listeners)
        del future
        self.assert_nobody_listens()

    @gen_test(timeout=1000)
    def test_futures_that_somebody_waits_for_stay(self):
        resumed = []

        @gen.coroutine
        def wait():
            resumed.append((yield until_any(self.sensor.wait(3), self.sensor.wait(4))))

        wait()
        for _ in range(3):
            yield self.wake_ioloop()
            gc.collect()
        self.sensor.set_value(4)
        for _ in range(3):
            yield self.wake_ioloop()
        self.assertEqual(resumed, [True])
        self.assert_nobody_listens()

    @gen_test(timeout=1000)
    def test_losers(self):
        yield until_any(self.sensor.wait(3), compat.done_future(5))
        self.assert_nobody_listens()
        with self.assertRaises(gen.TimeoutError):
            waiting = until_any(self.sensor.wait(3), timeout=10)
            yield self.set_ioloop_time(10)
            yield waiting
        self.assert_nobody_listens()

    @gen_test(timeout=1000)
    def test_cancelled_futures(self):
        future = self.sensor.wait(3)
        yield self.wake_ioloop()
        if future.cancel():  # tornado 4's futures cannot be cancelled
            self.assert_nobody_listens()
            self.sensor.set_value(3)
            yield self.wake_ioloop()
            self.assertTrue(future.cancelled())

    @gen_test(timeout=1000)
    def test_futures_cancelled_when_the_reading_is_there(self):
        future = self.sensor.wait(3)
        self.sensor.set_value(3)
        future.cancel()
        with LogRecorder() as log:
            yield self.wake_ioloop()
            yield self.wake_ioloop()
        self.assertEqual(log.messages, [])

    @gen_test(timeout=1000)
    def test_sensors_are_freed(self):
        future = self.sensor.wait(3)
        yield self.wake_ioloop()
        reference = weakref.ref(self.sensor)
        self.sensor = None
        self.assertIsNot(reference(), None)  # held by the wait
        del future
        gc.collect()
        self.assertIs(reference(), None)

    @gen_test(timeout=1000)
    def test_listeners_whose_wait_has_died_go(self):
        """As if it had died while something else was changing the listeners."""
        future = self.sensor.wait(3)
        yield self.wake_ioloop()
        listeners = self.sensor._listeners
        del future
        gc.collect()
        self.sensor._listeners = listeners
        with LogRecorder() as log:
            self.sensor.set_value(3)
        self.assertEqual(log.messages, [])
        self.assert_nobody_listens()

    @gen_test(timeout=1000)
    def test_clearing_the_listeners(self):
        future = self.sensor.wait(3, timeout=5)
        self.sensor.clear_listeners()
        self.sensor.set_value(3)
        yield self.set_ioloop_time(5)
        with self.assertRaises(gen.TimeoutError):
            yield future


class TestThreads(WaitTestCase):

    def run_in_thread(self, function, *args):
        thread = threading.Thread(target=function, args=args)
        thread.start()
        thread.join()

    @gen_test(timeout=1000)
    def test_sensors_set_in_another_thread(self):
        threads = []
        future = self.sensor.wait(3)
        yield self.wake_ioloop()
        future.add_done_callback(lambda future: threads.append(compat.get_thread_ident()))
        self.run_in_thread(self.sensor.set_value, 3)
        self.assertFalse(future.done())
        self.assertIs((yield future), True)
        self.assertEqual(threads, [self.ioloop_thread_id])

    @gen_test(timeout=1000)
    def test_conditions_that_raise_in_another_thread(self):
        future = self.sensor.wait(lambda reading: reading.value == 3 and 1 / 0)
        yield self.wake_ioloop()
        self.run_in_thread(self.sensor.set_value, 3)
        self.assertFalse(future.done())
        with self.assertRaises(ZeroDivisionError):
            yield future

    def test_closed_loops(self):
        ioloop = compat.new_ioloop()

        @gen.coroutine
        def wait():
            future = self.sensor.wait(3)
            yield gen.moment
            raise gen.Return([future])

        future, = ioloop.run_sync(wait)
        ioloop.close(all_fds=True)
        self.sensor.set_value(3)
        self.assertFalse(future.done())
        self.assert_nobody_listens()
