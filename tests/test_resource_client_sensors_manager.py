"""What sensors ask of the device: readings and strategies."""

from __future__ import absolute_import, division, print_function

from tornado import gen
from tornado.concurrent import Future
from tornado.testing import AsyncTestCase, gen_test

from katcp import Message, Sensor, compat, resource
from katcp.inspecting_client import SyncError
from katcp.resource_client import (
    KATCPClientResourceSensorsManager, KATCPReply, KATCPSensorError, ReplyWrappedInspectingClientAsync)
from tests.support import mock
from tests.support.logs import LogRecorder


class Client(object):
    """An inspecting client that answers at once, or when it is told to."""

    def __init__(self, ioloop):
        self.ioloop = ioloop
        self.asked = []
        self.bulk = []
        self.checked = []
        self.sensors = []
        self.elsewhere = set()
        self.answers = {}
        self.hold = None

    def wrapped_request(self, name, *args, **kwargs):
        self.asked.append((name,) + args)
        if self.hold is not None:
            return self.hold
        return compat.done_future(KATCPReply(*self._answer(args[0])))

    def set_sampling_strategies(self, strategies, is_wanted=None):
        self.bulk.append(list(strategies.items()))
        return compat.done_future(dict((name, self._answer(name)) for name in strategies))

    def future_check_sensor(self, name):
        self.checked.append(name)
        if name == "fails":
            return compat.done_future(exception=ValueError("fails"))
        return compat.done_future(name in self.elsewhere)

    def _answer(self, name):
        return Message.reply("sensor-sampling", *self.answers.get(name, ("ok",))), []


class ManagerTestCase(AsyncTestCase):
    def setUp(self):
        super(ManagerTestCase, self).setUp()
        self.client = Client(self.io_loop)
        self.manager = KATCPClientResourceSensorsManager(self.client, "a-device")


class TestManager(ManagerTestCase):
    def test_is_a_manager(self):
        self.assertIsInstance(self.manager, resource.KATCPSensorsManager)
        self.assertEqual(self.manager.resource_name, "a-device")
        self.assertEqual(self.manager.time, self.io_loop.time)

    def test_mocks(self):
        manager = KATCPClientResourceSensorsManager(mock.Mock(), "test")
        specced = mock.create_autospec(manager)
        specced.get_sampling_strategy("x")
        KATCPClientResourceSensorsManager(
            mock.Mock(spec_set=ReplyWrappedInspectingClientAsync("", 0)), "test")

    @gen_test
    def test_with_a_mock_for_a_client_setting_fails(self):
        manager = KATCPClientResourceSensorsManager(mock.Mock(), "test")
        with LogRecorder("katcp.resource_client"):
            accepted, text = yield manager.set_sampling_strategy("x", "event")
            self.assertIs(accepted, False)
            results = yield manager.set_sampling_strategies({"x": "event", "y": "event"})
        self.assertEqual([results[name][0] for name in "xy"], [False, False])

    def test_sensors(self):
        sensor = self.manager.sensor_factory(name="an.int", sensor_type=Sensor.INTEGER, params=[1, 2])
        self.assertIsInstance(sensor, resource.KATCPSensor)
        self.assertEqual(sensor.parent_name, "a-device")
        self.assertEqual(sensor.sampling_strategy, ("none",))
        self.assertEqual(self.client.asked, [])

    def test_sensors_that_are_made_again(self):
        self.manager.set_sampling_strategy("an.int", "event")
        del self.client.asked[:]
        sensor = self.manager.sensor_factory(name="an.int", sensor_type=Sensor.INTEGER)
        self.assertEqual(sensor.sampling_strategy, ("event",))
        self.assertEqual(self.client.asked, [("sensor-sampling", "an.int", "event")])
        self.manager.begin_model_update({"a.float": sensor})
        self.assertIsNot(
            self.manager.sensor_factory(name="an.int", sensor_type=Sensor.INTEGER), sensor)
        self.assertIs(
            self.manager.sensor_factory(name="a.float", sensor_type=Sensor.FLOAT, units="m"), sensor)
        self.assertEqual((sensor.type, sensor.units), ("float", "m"))
        self.manager.end_model_update()
        self.assertEqual(len(self.client.asked), 1)


class TestPolling(ManagerTestCase):
    @gen_test
    def test_poll(self):
        self.assertIsNone((yield self.manager.poll_sensor("an.int")))
        self.assertEqual(self.client.asked, [("sensor-value", "an.int")])

    @gen_test
    def test_failure(self):
        self.client.answers["an.int"] = ("fail", "Switched off")
        with self.assertRaises(KATCPSensorError) as caught:
            yield self.manager.poll_sensor("an.int")
        self.assertEqual(str(caught.exception),
                         "Error polling sensor an.int: \n!sensor-sampling fail Switched\\_off")


class TestStrategies(ManagerTestCase):
    @gen_test
    def test_set(self):
        result = yield self.manager.set_sampling_strategy("an.int", ["event-rate", 1, 2.5])
        self.assertEqual(result, (True, ("event-rate", "1.0", "2.5")))
        self.assertEqual(self.client.asked, [("sensor-sampling", "an.int", "event-rate", "1.0", "2.5")])
        self.assertEqual(self.manager._strategy_cache, {"an.int": ("event-rate", "1.0", "2.5")})
        for name in ("an.int", "an_int"):
            self.assertEqual(self.manager.get_sampling_strategy(name), ("event-rate", "1.0", "2.5"))
            self.assertEqual(self.manager._get_strategy_cache_key(name), "an.int")
        self.assertEqual(self.manager.get_sampling_strategy("a_float"), ("none",))
        self.assertEqual(self.manager._get_strategy_cache_key("a_float"), "a_float")

    def test_kept_and_sent_at_once(self):
        self.client.hold = Future()
        self.assertFalse(self.manager.set_sampling_strategy("an.int", "event").done())
        self.assertEqual(self.manager.get_sampling_strategy("an.int"), ("event",))
        self.assertEqual(len(self.client.asked), 1)

    @gen_test
    def test_refused(self):
        self.client.answers["an.int"] = ("fail", "Unknown")
        with LogRecorder("katcp.resource_client") as log:
            accepted, text = yield self.manager.set_sampling_strategy("an.int", "bogus")
        self.assertIs(accepted, False)
        self.assertEqual(text, "Error setting strategy for sensor an.int: \n!sensor-sampling fail Unknown")
        self.assertEqual(len(log.messages), 1)
        self.assertIn("an.int", log.messages[0])
        self.assertIn("a-device", log.messages[0])
        # It may do better some other time.
        self.assertEqual(self.manager.get_sampling_strategy("an.int"), ("bogus",))

    @gen_test
    def test_failures_are_logged_even_if_nobody_waits(self):
        self.client.hold = compat.new_future(self.io_loop)
        with LogRecorder("katcp.resource_client") as log:
            self.manager.set_sampling_strategy("an.int", "event")
            self.client.hold.set_exception(AssertionError("Not running"))
            yield gen.moment
        self.assertEqual(len(log.messages), 1)
        self.assertIn("Not running", log.messages[0])

    @gen_test
    def test_nonsense(self):
        with LogRecorder("katcp.resource_client"):
            result = yield self.manager.set_sampling_strategy("an.int", 3)
            self.assertEqual(result, (False, "'int' object is not iterable"))
            results = yield self.manager.set_sampling_strategies({"an.int": 3, "x": "event"})
        self.assertEqual(results, {"an.int": (False, "'int' object is not iterable"),
                                   "x": (True, ("event",))})
        self.assertEqual(self.manager.get_sampling_strategy("an.int"), ("none",))

    @gen_test
    def test_empty_strategies(self):
        yield self.manager.set_sampling_strategy("an.int", "")
        yield self.manager.set_sampling_strategy("a.float", ())
        self.assertEqual(self.manager.get_sampling_strategy("an.int"), ("",))
        self.assertEqual(self.manager.get_sampling_strategy("a.float"), ("none",))

    def test_drop(self):
        for name in ("an.int", "an_int"):
            self.manager.set_sampling_strategy("an.int", "event")
            self.manager.drop_sampling_strategy(name)
            self.assertEqual(self.manager.get_sampling_strategy("an.int"), ("none",))
            self.assertEqual(self.manager._strategy_cache, {})
            self.assertEqual(self.manager._get_strategy_cache_key("an_int"), "an_int")
        self.manager.drop_sampling_strategy("unknown")
        self.assertEqual(len(self.client.asked), 2)

    def test_somebody_is_told(self):
        told = []
        self.manager.strategy_noted = lambda *args: told.append(args)
        self.manager.set_sampling_strategy("an.int", "event")
        self.manager.set_sampling_strategies({"an.int": ["auto"]})
        self.manager.drop_sampling_strategy("an_int")
        self.manager.drop_sampling_strategy("an_int")
        self.assertEqual(told, [("an.int", "event"), ("an.int", ["auto"]), ("an.int", None)])


class TestManyStrategies(ManagerTestCase):
    @gen_test
    def test_all_in_one_call(self):
        results = yield self.manager.set_sampling_strategies({"a": "event", "b": "period 1"})
        self.assertEqual(results, {"a": (True, ("event",)), "b": (True, ("period", "1.0"))})
        self.assertEqual([sorted(call) for call in self.client.bulk],
                         [[("a", ("event",)), ("b", ("period", "1.0"))]])
        self.assertEqual(self.client.asked, [])
        self.assertEqual(self.manager.get_sampling_strategy("b"), ("period", "1.0"))

    @gen_test
    def test_nothing_to_do(self):
        self.assertEqual((yield self.manager.set_sampling_strategies({})), {})
        self.assertEqual(self.client.bulk, [])

    @gen_test
    def test_failures_are_told_and_logged_once(self):
        names = ["s%02d" % number for number in range(30)]
        self.client.answers.update((name, ("fail", "Off")) for name in names[:25])
        with LogRecorder("katcp.resource_client") as log:
            results = yield self.manager.set_sampling_strategies(dict.fromkeys(names, "event"))
        self.assertEqual(sorted(name for name in names if results[name][0]), names[25:])
        self.assertEqual(results["s24"], (
            False, "Error setting strategy for sensor s24: \n!sensor-sampling fail Off"))
        self.assertEqual(len(log.messages), 1)
        self.assertIn("s00, s01, s02, s03, s04, s05, s06, s07, s08, s09 and 15 others", log.messages[0])

    @gen_test
    def test_client_that_fails(self):
        self.client.set_sampling_strategies = mock.Mock(
            return_value=compat.done_future(exception=AssertionError("Not running")))
        with LogRecorder("katcp.resource_client") as log:
            results = yield self.manager.set_sampling_strategies({"a": "event", "b": "event"})
            self.client.set_sampling_strategies = mock.Mock(side_effect=AssertionError("Not running"))
            self.assertEqual((yield self.manager.set_sampling_strategies({"a": "event"}))["a"][0], False)
        self.assertEqual(results, {"a": (False, "Not running"), "b": (False, "Not running")})
        self.assertEqual(len(log.messages), 2)


class TestReapplying(ManagerTestCase):
    def setUp(self):
        super(TestReapplying, self).setUp()
        self.manager.set_sampling_strategies({"a": "event", "b": "auto", "c": "none"})
        del self.client.bulk[:]
        self.client.sensors = ["a", "b", "c"]

    @gen_test
    def test_all_in_one_call(self):
        self.assertIsNone((yield self.manager.reapply_sampling_strategies()))
        self.assertEqual(self.client.bulk, [[("a", ("event",)), ("b", ("auto",)), ("c", ("none",))]])
        self.assertEqual(self.client.checked, [])

    @gen_test
    def test_sensors_that_are_not_known(self):
        self.client.sensors = ["a"]
        self.client.elsewhere.add("b")
        with LogRecorder("katcp.resource_client") as log:
            yield self.manager.reapply_sampling_strategies()
        self.assertEqual(sorted(self.client.checked), ["b", "c"])
        self.assertEqual([name for name, _ in self.client.bulk[0]], ["a", "b"])
        self.assertEqual(log.messages, ["Did not set strategy for non-existing sensor c"])
        # It may come back.
        self.assertEqual(self.manager.get_sampling_strategy("c"), ("none",))

    @gen_test
    def test_checks_that_fail(self):
        self.manager.set_sampling_strategy("fails", "event")
        with LogRecorder("katcp.resource_client") as log:
            yield self.manager.reapply_sampling_strategies()
            self.assertEqual(len(log.messages), 1)
            self.client.future_check_sensor = mock.Mock(side_effect=ValueError)
            yield self.manager.reapply_sampling_strategies()
        self.assertEqual(len(self.client.bulk[0]), 3)

    @gen_test
    def test_checks_that_fail_because_the_connection_was_lost(self):
        self.client.sensors = ["a", "b"]
        self.client.future_check_sensor = mock.Mock(side_effect=SyncError("Connection closed"))
        with LogRecorder("katcp.resource_client") as log:
            yield self.manager.reapply_sampling_strategies()
        self.assertEqual(log.messages, ["Error reapplying strategy for sensor c: Connection closed"])
        self.assertIsNone(log.records[0].exc_info)

    @gen_test
    def test_what_was_just_set_is_left_out(self):
        self.manager.begin_model_update({})
        yield self.manager.set_sampling_strategy("a", "event")
        yield self.manager.set_sampling_strategies({"b": "auto"})
        del self.client.bulk[:]
        yield self.manager.reapply_sampling_strategies()
        self.manager.end_model_update()
        self.assertEqual(self.client.bulk, [[("c", ("none",))]])
        yield self.manager.reapply_sampling_strategies()
        self.assertEqual(len(self.client.bulk[1]), 3)

    @gen_test
    def test_what_is_no_strategy_is_left_out(self):
        self.manager.set_sampling_strategy("a", ())
        yield self.manager.reapply_sampling_strategies()
        self.assertEqual([name for name, _ in self.client.bulk[0]], ["b", "c"])

    @gen_test
    def test_what_was_dropped_meanwhile_is_left_out(self):
        self.client.sensors = ["a"]
        check = compat.new_future(self.io_loop)
        self.client.future_check_sensor = lambda name: check
        reapplying = self.manager.reapply_sampling_strategies()
        self.manager.drop_sampling_strategy("a")
        check.set_result(True)
        yield reapplying
        self.assertEqual([name for name, _ in self.client.bulk[0]], ["b", "c"])
