"""Tests of what all sampling strategies share: threads, starting and stopping, errors."""

from __future__ import absolute_import, division, print_function

import threading
import time
import unittest

import tornado.ioloop

from katcp.compat import get_thread_ident, new_ioloop
from katcp.sample_strategy import SampleStrategy, update_in_ioloop
from katcp.sampling import (
    SampleAuto, SampleDifferential, SampleDifferentialRate, SampleEvent, SampleEventRate, SampleNone,
    SamplePeriod)
from katcp.sensor import Reading, Sensor
from tests.support import mock
from tests.support.logs import LogRecorder
from tests.support.sampling import SamplingTestCase, in_thread, timewarp_test

OBSERVERS = [(SampleAuto, ()), (SampleEvent, ()), (SampleDifferential, (2,)), (SampleEventRate, (0, 10)),
             (SampleDifferentialRate, (2, 0, 10))]
REPORTERS = OBSERVERS + [(SamplePeriod, (10,))]
ALL = REPORTERS + [(SampleNone, ())]


class TestUpdateInIOLoop(SamplingTestCase):
    """The decorator, on a class that is no strategy."""

    class Observer(object):
        def __init__(self, ioloop):
            self.ioloop = ioloop
            self.updates = []

        @update_in_ioloop
        def update(self, sensor, reading):
            """Keep it."""
            self.updates.append((sensor, reading, get_thread_ident()))
            if reading == "bad":
                raise RuntimeError("bad")
            return 17

    def test_wraps(self):
        self.assertEqual(self.Observer.update.__name__, "update")
        self.assertEqual(self.Observer.update.__doc__, "Keep it.")

    def test_not_started(self):
        with self.assertRaises(AttributeError) as caught:
            self.Observer(None).update("sensor", "reading")
        self.assertIn("_ioloop_thread_id", str(caught.exception))

    def test_arguments_of_hop(self):
        ioloop = mock.Mock()
        observer = self.Observer(ioloop)
        observer._ioloop_thread_id = None
        self.assertIsNone(observer.update("sensor", "reading"))
        (undecorated, got_self, sensor, reading), _ = ioloop.add_callback.call_args
        self.assertEqual((got_self, sensor, reading), (observer, "sensor", "reading"))
        undecorated(observer, "sensor", "reading")
        self.assertEqual(len(observer.updates), 1)

    @timewarp_test
    def test_threads(self):
        observer = self.Observer(self.io_loop)
        observer._ioloop_thread_id = self.ioloop_thread_id
        self.assertIsNone(observer.update("s", 1))
        self.assertEqual(observer.updates, [("s", 1, self.ioloop_thread_id)])
        self.assertRaises(RuntimeError, observer.update, "s", "bad")
        del observer.updates[:]
        in_thread(lambda: [observer.update("s", i) for i in range(3)])
        self.assertEqual(observer.updates, [])
        yield self.wake_ioloop()
        self.assertEqual(observer.updates, [("s", i, self.ioloop_thread_id) for i in range(3)])


class TestBase(unittest.TestCase):
    def test_attributes(self):
        sensor = Sensor.integer("an.int")
        callback = object()
        params = ("1", 2, b"3")
        ioloop = object()
        strategy = SampleStrategy(callback, sensor, *params, ioloop=ioloop, whatever=3)
        self.assertIs(strategy._inform_callback, callback)
        self.assertIs(strategy._sensor, sensor)
        self.assertEqual(strategy._params, params)
        self.assertIs(strategy.ioloop, ioloop)
        self.assertIsNone(strategy.update(sensor, sensor.read()))
        self.assertIsNone(strategy.cancel_timeouts())
        self.assertRaises(NotImplementedError, strategy.get_sampling)
        with self.assertRaises(AttributeError) as caught:
            strategy._ioloop_thread_id
        self.assertIn("'SampleStrategy' object has no attribute '_ioloop_thread_id'", str(caught.exception))

    def test_current_ioloop(self):
        ioloop = new_ioloop()
        self.addCleanup(ioloop.close)
        strategies = []

        def make():
            strategies.append(SampleAuto(None, Sensor.integer("an.int"), ioloop=None))
            strategies.append(SampleAuto(None, Sensor.integer("an.int")))
            ioloop.stop()

        ioloop.add_callback(make)
        ioloop.start()
        self.assertEqual([strategy.ioloop for strategy in strategies], [ioloop] * 2)

    def test_no_current_ioloop(self):
        ioloop = object()
        with mock.patch.object(tornado.ioloop.IOLoop, "current", side_effect=RuntimeError("none")):
            strategy = SampleAuto(None, Sensor.integer("an.int"))
            self.assertRaises(RuntimeError, lambda: strategy.ioloop)
        with mock.patch.object(tornado.ioloop.IOLoop, "current", return_value=ioloop):
            self.assertIs(strategy.ioloop, ioloop)
        self.assertIs(strategy.ioloop, ioloop)

    def test_in_a_thread_without_ioloop(self):
        # Whatever tornado makes of it, construction must not fail.
        def make():
            for cls, params in ALL:
                cls(None, Sensor.integer("an.int"), *params)

        in_thread(make)


class TestLifecycle(SamplingTestCase):
    @timewarp_test
    def test_one_iteration_is_enough(self):
        for cls, params in REPORTERS:
            strategy = self.make(cls, *params)
            self.assertIsNone(strategy.start())
            reported = []
            self.io_loop.add_callback(
                lambda: reported.append((len(self.reports), len(self.sensor._observers))))
            self.assert_reported()
            self.assertEqual(self.sensor._observers, set())
            yield self.wake_ioloop()
            self.assertEqual(reported, [(1, int(cls.OBSERVE_UPDATES))], cls)
            self.assert_reported(3)
            self.assertIsNone(strategy.cancel())
            self.assertEqual(self.sensor._observers, set())
            yield self.wake_ioloop()

    @timewarp_test
    def test_start_and_cancel_in_another_thread(self):
        for cls, params in REPORTERS:
            strategy = self.make(cls, *params)
            in_thread(strategy.start)
            self.assert_reported()
            yield self.wake_ioloop()
            self.assert_reported(3)
            in_thread(strategy.cancel)
            self.assertNotIn(strategy, self.sensor._observers)
            yield self.wake_ioloop()
            yield self.set_ioloop_time(self.ioloop_time + 1000)
            self.assert_reported()

    @timewarp_test
    def test_cancelled_before_it_began(self):
        for cls, params in ALL:
            strategy = self.make(cls, *params)
            self.sensor.read = mock.Mock()
            strategy.start()
            strategy.cancel()
            yield self.wake_ioloop()
            self.sensor.read.assert_not_called()
            del self.sensor.read
            self.set(13)
            yield self.set_ioloop_time(self.ioloop_time + 1000)
            self.assert_reported()
            self.assertEqual(self.sensor._observers, set())
            # It can still be started.
            strategy.start()
            yield self.wake_ioloop()
            self.assert_reported(*[13] if cls is not SampleNone else [])
            strategy.cancel()
            yield self.wake_ioloop()

    @timewarp_test
    def test_started_and_cancelled_and_started(self):
        for cls, params in REPORTERS:
            strategy = self.make(cls, *params)
            strategy.start()
            strategy.cancel()
            strategy.start()
            yield self.wake_ioloop()
            self.assert_reported(3)
            yield self.set_ioloop_time(self.ioloop_time + 10)
            self.assertTrue(len(self.reports) <= 1)
            del self.reports[:]
            strategy.cancel()
            yield self.wake_ioloop()

    @timewarp_test
    def test_started_twice(self):
        for cls, params in REPORTERS:
            strategy = self.make(cls, *params)
            strategy.start()
            strategy.start()
            yield self.wake_ioloop()
            strategy.start()
            yield self.wake_ioloop()
            self.assert_reported(3)
            strategy.cancel()
            yield self.wake_ioloop()
            yield self.set_ioloop_time(self.ioloop_time + 1000)
            self.assert_reported()

    @timewarp_test
    def test_cancelled_without_start(self):
        with LogRecorder("katcp.sampling") as log, LogRecorder("tornado.application") as tornado_log:
            for cls, params in ALL:
                strategy = self.make(cls, *params)
                strategy.cancel()
                strategy.cancel()
                yield self.wake_ioloop()
        self.assertEqual(log.records + tornado_log.records, [])

    @timewarp_test
    def test_restart(self):
        for cls, params in REPORTERS:
            strategy = self.make(cls, *params)
            strategy.start()
            yield self.wake_ioloop()
            strategy.cancel()
            yield self.wake_ioloop()
            strategy.start()
            yield self.wake_ioloop()
            again = cls in (SampleAuto, SamplePeriod)
            self.assert_reported(*[3, 3] if again else [3])
            strategy.cancel()
            self.set(13)
            strategy.start()
            yield self.wake_ioloop()
            self.assert_reported(13)
            strategy.cancel()
            self.set(3)

    @timewarp_test
    def test_no_report_after_cancel(self):
        # Neither of updates that wait for the loop, nor by the sensor, which may not have noticed yet.
        for cls, params in OBSERVERS:
            strategy = self.make(cls, *params)
            strategy.start()
            yield self.wake_ioloop()
            self.assert_reported(3)
            in_thread(self.set, 13)
            strategy.cancel()
            strategy.update(self.sensor, Reading(1, 1, 23))
            strategy.attach()
            self.assertEqual(self.sensor._observers, set())
            in_thread(strategy.update, self.sensor, Reading(1, 1, 33))
            yield self.wake_ioloop()
            yield self.set_ioloop_time(self.ioloop_time + 1000)
            self.assert_reported()
            self.set(3)

    @timewarp_test
    def test_no_report_between_cancel_and_restart(self):
        for cls, params in ((SamplePeriod, (10,)), (SampleEventRate, (1, 10))):
            strategy = self.make(cls, *params)
            strategy.start()
            yield self.wake_ioloop()
            self.set(13)
            del self.reports[:]
            strategy.cancel()
            self.ioloop_time += 100
            strategy.start()
            yield self.wake_ioloop()
            self.assert_reported(13)
            strategy.cancel()
            self.set(3)
            yield self.wake_ioloop()

    @timewarp_test
    def test_callback_cancels_at_initial_report(self):
        for cls, params in REPORTERS:
            def inform(sensor, reading):
                self.reports.append(reading)
                strategy.cancel()

            strategy = cls(inform, self.sensor, *params, ioloop=self.io_loop)
            strategy.start()
            yield self.wake_ioloop()
            self.assertEqual(self.sensor._observers, set())
            self.set(13)
            yield self.set_ioloop_time(self.ioloop_time + 1000)
            self.assert_reported(3)
            self.set(3)

    @timewarp_test
    def test_overridden_start(self):
        class Strategy(SampleAuto):
            def start(self):
                super(Strategy, self).start()
                self.ioloop.add_callback(self.first)

            def first(self):
                self.seen = (self._ioloop_thread_id, self in self._sensor._observers)

        yield self.start(Strategy)
        self.assertEqual(self.strategy.seen, (self.ioloop_thread_id, True))


class TestAttach(SamplingTestCase):
    def test_not_started(self):
        for cls, params in OBSERVERS:
            with self.assertRaises(AttributeError) as caught:
                self.make(cls, *params).attach()
            self.assertIn("_ioloop_thread_id", str(caught.exception))
            self.assertEqual(self.sensor._observers, set())

    @timewarp_test
    def test_again(self):
        yield self.start(SampleAuto)
        self.strategy.attach()
        self.assert_reported(3, 3)
        self.strategy.cancel()
        yield self.start(SampleEvent)
        self.strategy.attach()
        self.assert_reported(3)
        self.strategy.detach()
        self.strategy.detach()
        self.set(13)
        self.assert_reported()
        self.strategy.attach()
        self.assert_reported(13)

    @timewarp_test
    def test_update_by_another_thread_meanwhile(self):
        # In between reading and attaching, where no observer is told.
        for cls, params in OBSERVERS:
            strategy = self.make(cls, *params)
            plain_attach = self.sensor.attach

            def attach(observer):
                in_thread(self.set, 13)
                plain_attach(observer)

            self.sensor.attach = attach
            strategy.start()
            yield self.wake_ioloop()
            yield self.wake_ioloop()
            self.assert_reported(13)
            del self.sensor.attach
            strategy.cancel()
            self.set(3)

    @timewarp_test
    def test_update_by_another_thread_once_attached(self):
        for cls, params in OBSERVERS:
            strategy = self.make(cls, *params)
            plain_attach = self.sensor.attach

            def attach(observer):
                plain_attach(observer)
                in_thread(self.set, 13)
                in_thread(self.set, 23)

            self.sensor.attach = attach
            strategy.start()
            yield self.wake_ioloop()
            yield self.wake_ioloop()
            # The initial report is the first, the last word is the sensor's.
            self.assert_reported(*[23, 13, 23, 23] if cls is SampleAuto else [23, 13, 23])
            del self.sensor.attach
            strategy.cancel()
            self.set(3)

    @timewarp_test
    def test_callback_sets_sensor(self):
        for cls, params in OBSERVERS:
            def inform(sensor, reading):
                self.reports.append(reading)
                if reading.value == 3:
                    self.set(13)

            strategy = cls(inform, self.sensor, *params, ioloop=self.io_loop)
            strategy.start()
            yield self.wake_ioloop()
            self.assert_reported(3, 13)
            self.set(13)
            self.assert_reported(*[13] if cls is SampleAuto else [])
            strategy.cancel()
            self.set(3)

    @timewarp_test
    def test_sensor_that_is_polled(self):
        # Each of these gives exactly one initial report.
        class Polled(Sensor):
            value_now = 3

            def read(self):
                self.value_now += 10
                return Reading(self.value_now, Sensor.NOMINAL, self.value_now)

        class SetWhenRead(Polled):
            def read(self):
                self.set(*super(SetWhenRead, self).read())
                return self._current_reading

        class SetWhenReadTuple(SetWhenRead):
            def read(self):
                return tuple(super(SetWhenReadTuple, self).read())

        for sensor_class in Polled, SetWhenRead, SetWhenReadTuple:
            for cls, params in OBSERVERS:
                self.sensor = sensor_class(Sensor.INTEGER, "a.sensor")
                yield self.start(cls, *params)
                self.assert_reported(13)
                self.strategy.cancel()

    @timewarp_test
    def test_sensor_that_is_a_fake(self):
        self.sensor = mock.Mock()
        self.sensor.read.return_value = (1, 2, 3)
        yield self.start(SampleAuto)
        self.assertEqual(self.reports, [(1, 2, 3)])
        self.sensor.attach.assert_called_once_with(self.strategy)
        in_thread(self.strategy.update, self.sensor, (4, 5, 6))
        yield self.wake_ioloop()
        self.assertEqual(self.reports, [(1, 2, 3), (4, 5, 6)])

    @timewarp_test
    def test_sensor_that_cannot_be_read(self):
        self.sensor.read = mock.Mock(side_effect=RuntimeError("out of order"))
        with LogRecorder("katcp.sampling") as log:
            for cls, params in OBSERVERS:
                yield self.start(cls, *params)
                self.assertEqual([reading[1] for reading in self.reports], [Sensor.UNKNOWN])
                self.assertLess(abs(self.reports[0].timestamp - time.time()), 60)
                self.assert_reported(None)
                self.strategy.cancel()
        self.assertEqual(len(log.records), 1)
        self.assertIn("'a.sensor'", log.messages[0])
        self.assertIn("out of order", str(log.records[0].exc_info[1]))
        for cls, params in OBSERVERS:
            yield self.start(cls, *params)
            self.assert_reported(None)
            self.set(13)
            self.assert_reported(13)
            self.strategy.cancel()
            self.set(3)

    @timewarp_test
    def test_failing_update(self):
        class Strategy(SampleEvent):
            @update_in_ioloop
            def update(self, sensor, reading):
                raise RuntimeError("mine")

        with LogRecorder("katcp.sampling") as log:
            yield self.start(Strategy)
        self.assertEqual(len(log.records), 1)
        self.assertEqual(self.sensor._observers, set())
        self.assertRaises(RuntimeError, self.strategy.attach)
        self.assertEqual(self.sensor._observers, set())
        self.strategy.cancel()

    @timewarp_test
    def test_cancelled_by_another_thread_meanwhile(self):
        for cls, params in OBSERVERS:
            strategy = self.make(cls, *params)
            plain_attach = self.sensor.attach

            def attach(observer):
                in_thread(strategy.cancel)
                plain_attach(observer)

            self.sensor.attach = attach
            strategy.start()
            yield self.wake_ioloop()
            self.assertEqual(self.sensor._observers, set())
            self.assert_reported()
            del self.sensor.attach


class TestOtherThreads(SamplingTestCase):
    @timewarp_test
    def test_update_in_loop_does_not_overtake(self):
        for cls, params in OBSERVERS:
            yield self.start(cls, *params)
            self.assert_reported(3)
            in_thread(self.set, 13)
            in_thread(self.set, 23)
            self.assert_reported()
            self.set(33)
            self.assert_reported(13, 23, 33)
            yield self.wake_ioloop()
            self.assert_reported()
            in_thread(self.set, 43)
            yield self.wake_ioloop()
            self.assert_reported(43)
            self.strategy.cancel()
            self.set(3)

    @timewarp_test
    def test_callback_cancels_in_between(self):
        yield self.start(SampleAuto)
        self.assert_reported(3)

        def inform(sensor, reading):
            self.reports.append(reading)
            self.strategy.cancel()

        self.strategy._inform_callback = inform
        in_thread(self.set, 13)
        self.set(23)
        self.assert_reported(13)

    @timewarp_test
    def test_callback_sets_sensor_in_between(self):
        yield self.start(SampleAuto)
        self.assert_reported(3)

        def inform(sensor, reading):
            self.reports.append(reading)
            if reading.value == 13:
                self.set(99)

        self.strategy._inform_callback = inform
        in_thread(lambda: [self.set(13), self.set(23)])
        yield self.wake_ioloop()
        self.assert_reported(13, 23, 99)

    @timewarp_test
    def test_last_word_is_the_sensors(self):
        # A thread is interrupted after it has stored its reading, and before it tells the observers.
        for cls, params in OBSERVERS:
            yield self.start(cls, *params)
            self.set(13)
            self.assert_reported(3, 13)
            in_thread(self.sensor.notify, Reading(1, Sensor.NOMINAL, 23))
            yield self.wake_ioloop()
            self.assert_reported(23, 13)
            for value in 33, 43:
                in_thread(self.sensor.notify, Reading(1, Sensor.NOMINAL, value))
            yield self.wake_ioloop()
            self.assert_reported(33, 13, 43, 13)
            self.set(13)
            self.assert_reported(*[13] if cls is SampleAuto else [])
            self.strategy.cancel()
            self.set(3)

    @timewarp_test
    def test_order_among_sensors(self):
        sensors = [self.sensor, self.make_sensor(Sensor.INTEGER, 3), self.make_sensor(Sensor.INTEGER, 3)]
        order = []
        for sensor in sensors:
            SampleAuto(lambda sensor, reading: order.append((sensors.index(sensor), reading.value)), sensor,
                       ioloop=self.io_loop).start()
        yield self.wake_ioloop()
        del order[:]
        sets = [(0, 1), (1, 2), (0, 3), (2, 4), (1, 5), (2, 6)]
        in_thread(lambda: [sensors[i].set(1, 1, value) for i, value in sets])
        yield self.wake_ioloop()
        self.assertEqual(order, sets)

    @timewarp_test
    def test_order_when_threads_come_to_the_loop_crosswise(self):
        yield self.start(SampleAuto)
        self.assert_reported(3)
        callbacks = []
        with mock.patch.object(self.io_loop, "add_callback", lambda *call: callbacks.append(call)):
            in_thread(lambda: [self.set(value) for value in (4, 5, 6)])
        for call in reversed(callbacks):
            call[0](*call[1:])
        self.assert_reported(4, 5, 6)

    @timewarp_test
    def test_decorated_update_that_calls_another(self):
        test = self

        class Strategy(SampleAuto):
            @update_in_ioloop
            def update(self, sensor, reading):
                # Another thread comes in right now.
                if reading.value == 13:
                    in_thread(test.set, 23)
                super(Strategy, self).update(sensor, reading)

        yield self.start(Strategy)
        self.set(13)
        self.assert_reported(3, 13)
        yield self.wake_ioloop()
        self.assert_reported(23)

    @timewarp_test
    def test_failing_update(self):
        class Strategy(SampleAuto):
            @update_in_ioloop
            def update(self, sensor, reading):
                if reading.value == 13:
                    raise RuntimeError("mine")
                super(Strategy, self).update(sensor, reading)

        yield self.start(Strategy)
        self.assert_reported(3)
        with LogRecorder("katcp.sampling") as log:
            in_thread(lambda: [self.set(13), self.set(23)])
            self.set(33)
        self.assertEqual(len(log.records), 1)
        self.assert_reported(23, 33)
        # In the loop's thread it is the business of who sets the sensor.
        self.assertRaises(RuntimeError, self.set, 13)

    @timewarp_test
    def test_call_in_loop(self):
        call_in_loop = mock.Mock()
        strategy = SampleStrategy.get_strategy("event", self.inform, self.sensor, ioloop=self.io_loop,
                                               call_in_loop=call_in_loop)
        strategy.start()
        yield self.wake_ioloop()
        in_thread(self.set, 13)
        yield self.wake_ioloop()
        self.assert_reported(3)
        call, _ = call_in_loop.call_args
        call[0](*call[1:])
        self.assert_reported(13)

    @timewarp_test
    def test_loop_moves_to_another_thread(self):
        yield self.start(SampleAuto)
        self.strategy._ioloop_thread_id = None
        self.set(13)
        yield self.wake_ioloop()
        self.assertEqual(self.strategy._ioloop_thread_id, self.ioloop_thread_id)
        self.assert_reported(3, 13)


class TestClosedLoop(unittest.TestCase):
    def test_updates_are_dropped(self):
        sensor = Sensor.integer("an.int")
        reports = []
        ioloop = new_ioloop()
        thread = threading.Thread(target=ioloop.start)
        strategy = SampleAuto(lambda *args: reports.append(args), sensor, ioloop=ioloop)
        strategy.start()
        ioloop.add_callback(ioloop.stop)
        thread.start()
        thread.join()
        ioloop.close()
        self.assertEqual(len(reports), 1)
        self.assertIn(strategy, sensor._observers)
        for value in range(10):
            sensor.set_value(value)
        self.assertEqual(len(reports), 1)
        self.assertFalse(strategy._foreign_updates)
        # Nor do they hurt observers that are no strategies.
        observer = TestUpdateInIOLoop.Observer(ioloop)
        observer._ioloop_thread_id = None
        observer.update("sensor", "reading")
        self.assertEqual(observer.updates, [])


class TestInform(SamplingTestCase):
    def test_calls_back(self):
        self.ioloop_thread_id = get_thread_ident()
        strategy = self.make(SampleStrategy)
        reading = self.sensor.read()
        self.assertIsNone(strategy.inform(reading))
        self.assertIs(self.reports[0], reading)

    @timewarp_test
    def test_failing_callback(self):
        for cls, params in REPORTERS:
            callback = mock.Mock(side_effect=RuntimeError("broken pipe"))
            strategy = cls(callback, self.sensor, *params, ioloop=self.io_loop)
            with LogRecorder("katcp.sampling") as log:
                strategy.start()
                yield self.wake_ioloop()
            self.assertEqual(log.messages, ["Unhandled exception trying to send {!r} for sensor 'a.sensor' "
                                            "of type 'integer'".format(self.sensor.read())])
            self.assertEqual(log.records[0].levelname, "ERROR")
            self.assertEqual(str(log.records[0].exc_info[1]), "broken pipe")
            # It counts as sent.
            strategy._inform_callback = self.inform
            self.set(3)
            self.assert_reported(*[3] if cls is SampleAuto else [])
            self.assertEqual(strategy in self.sensor._observers, cls.OBSERVE_UPDATES)
            strategy.cancel()
            yield self.wake_ioloop()
