from __future__ import absolute_import, division, print_function

import collections
import re

from tornado import gen
from tornado.testing import AsyncTestCase, gen_test

from katcp.compat import done_future, new_future
from katcp.resource import KATCPSensorError, SensorResultTuple
from katcp.sensor import Sensor
from katcp.sensor_listing import MAX_OUTSTANDING, list_sensors
from tests.support import mock
from tests.support.logs import LogRecorder
from tests.support.resources import Manager, make_sensor


class ListingTestCase(AsyncTestCase):

    def setUp(self):
        super(ListingTestCase, self).setUp()
        self.manager = Manager()
        self.sensors = dict(
            (sensor.normalised_name, sensor)
            for sensor in (make_sensor(self.manager, "b.float", sensor_type=Sensor.FLOAT,
                                       description="A Float.", units="m"),
                           make_sensor(self.manager, "an.int"),
                           make_sensor(self.manager, "c-int")))

    def names(self, *args, **kwargs):
        """Return the names in a list that is there at once."""
        listed = list_sensors(self.sensors.items(), *args, **kwargs)
        self.assertTrue(listed.done())
        self.assertEqual(self.manager.polls, [])
        return [result.name for result in listed.result()]


class TestFilters(ListingTestCase):

    def test_order(self):
        self.assertEqual(self.names(), ["an.int", "b.float", "c-int"])

    def test_nothing(self):
        self.assertEqual(list_sensors([]).result(), [])

    def test_names(self):
        self.assertEqual(self.names("int"), ["an.int", "c-int"])
        self.assertEqual(self.names("^c_int$"), ["c-int"])
        self.assertEqual(self.names("c-int"), [])
        self.assertEqual(self.names("c-int", use_python_identifiers=False), ["c-int"])
        self.assertEqual(self.names("_", use_python_identifiers=False), [])

    def test_bad_filters(self):
        future = list_sensors(self.sensors.items(), "(")
        with self.assertRaises(re.error):
            future.result()

    def test_strategy(self):
        self.assertEqual(self.names(strategy=True), [])
        self.manager.strategies.update({"an.int": ("event",), "b.float": ("none",)})
        self.assertEqual(self.names(strategy=True), ["an.int"])
        self.assertEqual(len(self.names(strategy=False)), 3)

    def test_strategies_are_not_asked_for_in_vain(self):
        self.manager.get_sampling_strategy = mock.Mock()
        self.names()
        self.assertFalse(self.manager.get_sampling_strategy.called)

    def test_status(self):
        self.sensors["an_int"].set_value(1)
        self.sensors["b_float"].set_value(1, Sensor.WARN)
        self.assertEqual(self.names(status="nominal"), ["an.int"])
        self.assertEqual(self.names(status="nominal|warn"), ["an.int", "b.float"])
        self.assertEqual(self.names(status="nom"), [])
        self.assertEqual(self.names(status=["unknown", "warn"]), ["b.float", "c-int"])
        self.assertEqual(len(self.names(status=[])), 3)

    def test_all_conditions_have_to_hold(self):
        self.sensors["an_int"].set_value(1)
        self.manager.strategies.update({"an.int": ("event",), "c-int": ("event",)})
        self.assertEqual(self.names("int", True, "nominal"), ["an.int"])


class TestResults(ListingTestCase):

    def test_results(self):
        sensor = self.sensors["b_float"]
        sensor.set(5, Sensor.WARN, 2.5)
        result, = list_sensors(self.sensors.items(), "float").result()
        self.assertEqual(result, SensorResultTuple(
            sensor, "b.float", "b_float", "A Float.", "float", "m", (1000.0, 5, Sensor.WARN, 2.5)))
        self.assertIs(type(result), SensorResultTuple)
        self.assertIs(result.reading, sensor.reading)

    def test_tuples(self):
        self.manager.strategies["b.float"] = ("event",)
        self.sensors["b_float"].set(5, Sensor.WARN, 2.5)
        listed = list_sensors(self.sensors.items(), "b|c", tuple=True).result()
        self.assertEqual(listed, [
            ("b.float", 2.5, 5, "float", "m", 1000.0, "warn", ("event",)),
            ("c-int", None, 0, "integer", "", 0, "unknown", ("none",))])
        self.assertIs(type(listed[0]), tuple)

    def test_listed_names(self):
        for as_tuple in (False, True):
            listed = list_sensors(
                self.sensors.items(), "int", tuple=as_tuple,
                listed_name=lambda sensor: sensor.parent_name + "." + sensor.name).result()
            self.assertEqual([result[0] if as_tuple else result.name for result in listed],
                             ["a-device.an.int", "a-device.c-int"])


class TestRefreshing(ListingTestCase):

    @gen_test
    def test_refreshing(self):
        def poll(name):
            self.sensors[name.replace("-", "_").replace(".", "_")].set_value(
                1, Sensor.ERROR if name == "an.int" else Sensor.NOMINAL)
            return done_future(None)

        self.manager.on_poll = poll
        self.manager.strategies.update({"an.int": ("event",), "b.float": ("event",)})
        listed = yield list_sensors(
            self.sensors.items(), strategy=True, status="error", refresh=True)
        self.assertEqual([result.name for result in listed], ["an.int"])
        self.assertEqual(listed[0].reading.value, 1)
        self.assertEqual(self.manager.polls, ["an.int", "b.float"])

    @gen_test
    def test_several_are_polled_at_once(self):
        answers = []

        def poll(name):
            answers.append(new_future(self.io_loop))
            return answers[-1]

        self.manager.on_poll = poll
        listing = list_sensors(self.sensors.items(), refresh=True)
        self.assertEqual(len(answers), 3)
        self.assertFalse(listing.done())
        for answer in answers:
            answer.set_result(None)
        self.assertEqual(len((yield listing)), 3)

    def poll_many(self):
        """Have far more sensors than may be polled at a time; return a deque of the polls to answer."""
        self.sensors = dict((name, make_sensor(self.manager, name))
                            for name in ["s%02d" % number for number in range(3 * MAX_OUTSTANDING + 1)])
        answers = collections.deque()

        def poll(name):
            answers.append(new_future(self.io_loop))
            return answers[-1]

        self.manager.on_poll = poll
        return answers

    @gen_test
    def test_no_poll_waits_for_thousands_of_others(self):
        answers = self.poll_many()
        listing = list_sensors(self.sensors.items(), refresh=True)
        self.assertEqual(len(answers), MAX_OUTSTANDING)
        while len(self.manager.polls) < len(self.sensors):
            self.assertEqual(len(answers), MAX_OUTSTANDING)
            answers.popleft().set_result(None)
            polled = len(self.manager.polls)
            while len(self.manager.polls) == polled:
                yield gen.moment
        for answer in answers:
            answer.set_result(None)
        self.assertEqual(len((yield listing)), len(self.sensors))
        self.assertEqual(self.manager.polls, sorted(self.sensors))

    @gen_test
    def test_no_more_are_polled_after_a_failure(self):
        answers = self.poll_many()
        listing = list_sensors(self.sensors.items(), refresh=True)
        answers.popleft().set_exception(KATCPSensorError("Sorry"))
        for _ in range(10):
            yield gen.moment
        self.assertFalse(listing.done())
        for answer in answers:
            answer.set_result(None)
        with self.assertRaises(KATCPSensorError):
            yield listing
        self.assertEqual(len(self.manager.polls), MAX_OUTSTANDING)

    @gen_test
    def test_failures(self):
        def poll(name):
            return done_future(exception=KATCPSensorError(name))

        self.manager.on_poll = poll
        listing = list_sensors(self.sensors.items(), refresh=True)
        with LogRecorder() as log:
            with self.assertRaises(KATCPSensorError) as caught:
                yield listing
        self.assertEqual(caught.exception.args, ("an.int",))
        self.assertEqual(self.manager.polls, ["an.int", "b.float", "c-int"])
        self.assertEqual(log.messages, [])
