from __future__ import absolute_import, division, print_function

import gc
import re

from tornado import gen
from tornado.testing import gen_test

from katcp.compat import PY2, ConcurrentFuture, done_future, new_future
from katcp.resource import (KATCPResource, KATCPResourceError, KATCPResourceInactive,
                            KATCPSensorError, SensorResultTuple)
from tests.support import mock
from tests.support.clock import TimewarpAsyncTestCase
from tests.support.resources import Manager, Resource, make_sensor


class ResourceTestCase(TimewarpAsyncTestCase):

    def setUp(self):
        super(ResourceTestCase, self).setUp()
        self.manager = Manager()
        self.sensors = [make_sensor(self.manager, name)
                        for name in ("an.int", "another-int", "third.int")]
        self.resource = Resource(self.sensors)


class TestKATCPResource(ResourceTestCase):

    def test_it_is_abstract(self):
        with self.assertRaises(TypeError) as caught:
            KATCPResource()
        for name in ("name", "description", "address", "is_connected", "req", "sensor", "parent",
                     "children", "list_sensors"):
            self.assertIn(name, str(caught.exception))

    def test_methods_may_take_the_place_of_properties(self):
        class Connected(Resource):
            def is_connected(self):
                return True

        self.assertTrue(Connected().is_connected())

    def test_registration(self):
        class Registered(object):
            pass

        KATCPResource.register(Registered)
        self.assertIsInstance(Registered(), KATCPResource)

    def test_active(self):
        self.assertIs(self.resource.is_active(), True)
        self.resource.set_active(0)
        self.assertIs(self.resource.is_active(), False)
        self.resource.set_active([1])
        self.assertIs(self.resource.is_active(), True)

    def test_active_children(self):
        children = dict((name, Resource()) for name in ("one", "values", "items"))
        self.resource = Resource(children=children)
        self.resource.set_active(False)
        for child in children.values():
            self.assertFalse(child.is_active())
        self.resource.set_active(True)
        for child in children.values():
            self.assertTrue(child.is_active())

    def test_exceptions(self):
        for exception in (KATCPResourceInactive, KATCPSensorError):
            self.assertTrue(issubclass(exception, KATCPResourceError))

    def test_sensor_results(self):
        result = SensorResultTuple("o", "n", "p", "d", "t", "u", "r")
        self.assertEqual(result, SensorResultTuple(
            object="o", name="n", python_identifier="p", description="d", type="t", units="u",
            reading="r"))
        with self.assertRaises(AttributeError):
            result.something = 1


class TestWait(ResourceTestCase):

    def setUp(self):
        super(TestWait, self).setUp()
        self.sensor = self.sensors[0]
        self.manager.strategies["an.int"] = ("event",)

    @gen_test(timeout=1000)
    def test_in_time(self):
        for name in ("an.int", "an_int", "an-int"):
            future = self.resource.wait(name, 3)
            yield self.wake_ioloop()
            self.assertFalse(future.done())
            self.sensor.set_value(3)
            self.assertIs((yield future), True)
            self.sensor.set_value(0)

    @gen_test(timeout=1000)
    def test_too_late(self):
        for timeout in (5, 7):
            arguments = () if timeout == 5 else (timeout,)
            future = self.resource.wait("an.int", lambda reading: reading.value == 3, *arguments)
            yield self.set_ioloop_time(self.ioloop_time + timeout - 0.1)
            self.assertFalse(future.done())
            yield self.set_ioloop_time(self.ioloop_time + 0.1)
            self.assertIs((yield future), False)
            self.assertFalse(self.sensor._listeners)

    @gen_test(timeout=1000)
    def test_for_ever(self):
        futures = [self.resource.wait("an.int", 3, timeout) for timeout in (None, 0)]
        yield self.set_ioloop_time(500)
        self.sensor.set_value(3)
        self.assertEqual((yield futures), [True, True])

    @gen_test(timeout=1000)
    def test_unknown_sensors(self):
        future = self.resource.wait("no.such", 3)
        for error in (KeyError, KATCPSensorError):
            with self.assertRaises(error) as caught:
                yield future
        self.assertEqual(caught.exception.args, ("no_such",))
        self.assertEqual(str(caught.exception), "There is no sensor 'no_such'")

    @gen_test(timeout=1000)
    def test_errors_are_in_the_future(self):
        no_strategy = self.resource.wait("another-int", 3)
        with self.assertRaises(KATCPSensorError):
            yield no_strategy
        sequence = self.resource.wait("an.int", [3])
        with self.assertRaises(NotImplementedError):
            yield sequence
        bad_condition = self.resource.wait("an.int", lambda reading: 1 / 0)
        with self.assertRaises(ZeroDivisionError):
            yield bad_condition
        if not PY2:
            bad_name = self.resource.wait(b"an.int", 3)
            with self.assertRaises(TypeError):
                yield bad_name

    @gen_test(timeout=1000)
    def test_what_sensors_may_return(self):
        concurrent, pending = ConcurrentFuture(), new_future(self.io_loop)
        concurrent.set_result(True)
        for future in (done_future(True), concurrent, pending):
            self.resource.sensor["a_mock"] = sensor = mock.Mock()
            sensor.wait.return_value = future
            result = self.resource.wait("a.mock", 3, 6)
            if not future.done():
                self.assertFalse(result.done())
                future.set_result(True)
                # It is done as a whole, however many futures there are in between.
                self.assertTrue(result.done())
            self.assertIs((yield result), True)
            sensor.wait.assert_called_once_with(3, 6)
        sensor.wait.return_value = done_future(exception=gen.TimeoutError("late"))
        self.assertIs((yield self.resource.wait("a_mock", 3)), False)

    @gen_test(timeout=1000)
    def test_nothing_is_left_of_dropped_futures(self):
        self.resource.wait("an.int", 3, None)
        gc.collect()
        self.assertFalse(self.sensor._listeners)
        future = self.resource.wait("an.int", 3, None)
        yield self.wake_ioloop()
        gc.collect()
        self.assertTrue(self.sensor._listeners)
        if future.cancel():  # tornado 4's futures cannot be cancelled
            gc.collect()
            self.assertFalse(self.sensor._listeners)


class TestStrategies(ResourceTestCase):

    def assert_failed(self, result, error, text):
        success, exc_info = result
        self.assertIs(success, False)
        self.assertIs(exc_info[0], type(exc_info[1]))
        self.assertIsInstance(exc_info[1], error)
        self.assertEqual(str(exc_info[1]), text)
        self.assertIsNot(exc_info[2], None)

    @gen_test
    def test_one_sensor(self):
        for name in ("an.int", "an_int"):
            result = yield self.resource.set_sampling_strategy(name, "period 2")
            self.assertEqual(result, {"an_int": (True, ("period", "2.0"))})
        self.assertEqual(self.manager.strategies, {"an.int": ("period", "2.0")})

    @gen_test
    def test_sensors_listed_under_another_name(self):
        self.resource.sensor["device_an_int"] = self.sensors[0]
        result = yield self.resource.set_sampling_strategy("device.an.int", "event")
        self.assertEqual(result, {"an_int": (True, ("event",))})

    @gen_test
    def test_unknown_sensors(self):
        results = yield self.resource.set_sampling_strategy("no.such", "event")
        self.assertEqual(list(results), ["no_such"])
        self.assert_failed(results["no_such"], KATCPSensorError, "There is no sensor 'no_such'")

    @gen_test
    def test_refused_strategies(self):
        results = yield self.resource.set_sampling_strategy("an.int", "bogus")
        self.assertEqual(list(results), ["an_int"])
        self.assert_failed(results["an_int"], KATCPSensorError, "no such strategy")

    @gen_test
    def test_exceptions(self):
        results = yield self.resource.set_sampling_strategy("an.int", 5)
        self.assert_failed(results["an_int"], TypeError, str(results["an_int"][1][1]))

        @gen.coroutine
        def fail_later(name, strategy):
            yield gen.moment
            raise ValueError("oh")

        self.manager.set_sampling_strategy = fail_later
        results = yield self.resource.set_sampling_strategy("an.int", "event")
        self.assert_failed(results["an_int"], ValueError, "oh")

    @gen_test
    def test_what_managers_may_return(self):
        concurrent = ConcurrentFuture()
        concurrent.set_result((True, ("event",)))
        for answer in (None, "anything", concurrent, (True, ("event",))):
            self.manager.set_sampling_strategy = lambda name, strategy: answer
            self.manager.strategies["an.int"] = ("event",)
            results = yield self.resource.set_sampling_strategy("an.int", "event")
            self.assertEqual(results, {"an_int": (True, ("event",))})

    @gen_test
    def test_matching_sensors(self):
        results = yield self.resource.set_sampling_strategies("^an", ("event",))
        self.assertEqual(results, {"an_int": (True, ("event",)), "another_int": (True, ("event",))})
        self.assertEqual(self.manager.strategies, {"an.int": ("event",), "another-int": ("event",)})
        results = yield self.resource.set_sampling_strategies("nothing", "event")
        self.assertEqual(results, {})

    @gen_test
    def test_some_fail(self):
        def fail(name, strategy):
            if name == "an.int":
                raise ValueError("oh")
            return Manager.set_sampling_strategy(self.manager, name, strategy)

        self.manager.set_sampling_strategy = fail
        results = yield self.resource.set_sampling_strategies("^an", "event")
        self.assertEqual(results["another_int"], (True, ("event",)))
        self.assert_failed(results["an_int"], ValueError, "oh")

    @gen_test
    def test_overridden_setters_that_raise(self):
        with mock.patch.object(self.resource, "set_sampling_strategy", side_effect=ValueError("oh")):
            results = yield self.resource.set_sampling_strategies("^an_", "event")
        self.assert_failed(results["an_int"], ValueError, "oh")

    @gen_test
    def test_bad_filters(self):
        future = self.resource.set_sampling_strategies("(", "event")
        with self.assertRaises(re.error):
            yield future
