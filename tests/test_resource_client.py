"""Resource clients: what they are made of, what they show, and how one waits for their states."""

from __future__ import absolute_import, division, print_function

import gc
import unittest
import weakref

from tornado import gen
from tornado.testing import AsyncTestCase, gen_test

import katcp
from katcp import Message, ProtocolFlags, Sensor, compat, resource
from katcp.core import AttrDict, DefaultAttrDict
from katcp.inspecting_client import SyncError
from katcp.resource_client import (
    ClientGroup, KATCPClientResource, KATCPClientResourceContainer, KATCPClientResourceRequest,
    KATCPClientResourceSensorsManager, KATCPReply, ReplyWrappedInspectingClientAsync,
    _normalise_request_name_set, list_sensors)
from tests.support import mock
from tests.support.clock import TimewarpAsyncTestCase
from tests.support.inspecting_cases import timewarp_test
from tests.support.logs import LogRecorder

SPEC = {"name": "a-device", "address": ("1.2.3.4", 5000)}


def make_resource(cls=KATCPClientResource, parent=None, **spec):
    return cls(dict(SPEC, **spec), parent=parent)


class FakeClient(object):
    """Stands for an inspecting client that knows everything at once."""

    def __init__(self, resource):
        self.resource = resource
        self.asked = []
        self.sensors = []

    def future_get_request(self, name):
        self.asked.append(name)
        return compat.done_future(KATCPClientResourceRequest(
            {"name": name, "description": "What {0} does.".format(name), "timeout_hint": None}, self))

    def future_get_sensor(self, name):
        self.asked.append(name)
        client = mock.Mock()
        client.ioloop.time = len
        manager = mock.create_autospec(KATCPClientResourceSensorsManager(client, self.resource.name))
        manager.get_sampling_strategy.return_value = ("none",)
        manager.time = lambda: 0
        return compat.done_future(
            resource.KATCPSensor({"name": name, "sensor_type": Sensor.INTEGER}, manager))

    def wrapped_request(self, name, *args, **kwargs):
        return compat.done_future(KATCPReply(Message.reply(name, "ok", *args), []))


def with_fake_client(made):
    made._inspecting_client = FakeClient(made)
    return made


class TestProperties(unittest.TestCase):
    def test_defaults(self):
        made = make_resource()
        self.assertIsInstance(made, resource.KATCPResource)
        self.assertIs(katcp.KATCPClientResource, KATCPClientResource)
        self.assertEqual((made.name, made.description, made.parent), ("a-device", "", None))
        self.assertEqual((made.address, made.host, made.port), (("1.2.3.4", 5000), "1.2.3.4", 5000))
        self.assertEqual(made.address_string, "1.2.3.4:5000")
        self.assertEqual(made.children, {})
        self.assertIs(type(made.children), dict)
        self.assertIs(made.controlled, False)
        self.assertIs(made.dummy_unknown_requests, False)
        self.assertEqual((made.auto_reconnect, made.auto_reconnect_delay), (True, 0.5))
        self.assertEqual((made.always_allowed_requests, made.always_excluded_requests), (set(), set()))
        self.assertEqual((made.state, made.synced, made.is_connected()), ("disconnected", False, False))
        self.assertEqual((made.req, made.sensor), ({}, {}))
        self.assertTrue(made.is_active())
        self.assertFalse(hasattr(made, "ioloop"))
        self.assertFalse(hasattr(made, "_inspecting_client"))
        with self.assertRaises(AttributeError) as caught:
            made.parent_name
        self.assertEqual(str(caught.exception), "'NoneType' object has no attribute 'name'")

    def test_given(self):
        parent = mock.Mock()
        made = make_resource(
            parent=parent, description="A device.", controlled=True, auto_reconnect=False,
            auto_reconnect_delay=3, dummy_unknown_requests=1, always_allowed_requests=["a-b"],
            always_excluded_requests=("c.d",), anything=5)
        self.assertIs(made.parent, parent)
        self.assertIs(made.parent_name, parent.name)
        self.assertEqual(made.description, "A device.")
        self.assertIs(made.controlled, True)
        self.assertIs(made.dummy_unknown_requests, True)
        self.assertEqual((made.auto_reconnect, made.auto_reconnect_delay), (False, 3))
        self.assertEqual((made.always_allowed_requests, made.always_excluded_requests), ({"a_b"}, {"c_d"}))

    def test_what_is_required(self):
        for missing, left in (("address", {"name": "x"}), ("address", {}), ("name", {"address": None})):
            with self.assertRaises(KeyError) as caught:
                KATCPClientResource(left)
            self.assertEqual(caught.exception.args, (missing,))

    def test_read_only(self):
        made = make_resource()
        for name in ("name", "req", "sensor", "state", "synced", "controlled", "address", "versions",
                     "children", "parent", "description", "host", "port", "last_connect_time"):
            with self.assertRaises(AttributeError):
                setattr(made, name, 1)

    def test_repr(self):
        class Special(KATCPClientResource):
            pass

        made = make_resource()
        self.assertEqual(repr(made), "<katcp.resource_client.KATCPClientResource(name=a-device) at 0x{0:x}>"
                         .format(id(made)))
        self.assertEqual(str(made), repr(made))
        self.assertIn(__name__ + ".Special(name=a-device)", repr(make_resource(Special)))

    def test_logger(self):
        logger = mock.Mock()
        self.assertIs(KATCPClientResource(SPEC, logger=logger)._logger, logger)
        self.assertEqual(make_resource()._logger.name, "katcp.resource_client")

    def test_normalised_names(self):
        self.assertEqual(_normalise_request_name_set(["a-b", "a_b", "c.d"]), {"a_b", "c_d"})
        # A single name is no list of letters.
        for name in ("he-lp", u"he-lp", b"he-lp"):
            self.assertEqual(_normalise_request_name_set(name), {"he_lp"})
        self.assertEqual(_normalise_request_name_set([b"he-lp"]), {"he_lp"})
        self.assertEqual(make_resource(always_allowed_requests="help").always_allowed_requests, {"help"})


class TestLowLevelClient(AsyncTestCase):
    def test_before_the_start(self):
        made = make_resource()
        for name in ("versions", "last_connect_time"):
            with self.assertRaises(RuntimeError) as caught:
                getattr(made, name)
            self.assertEqual(str(caught.exception),
                             "Cannot find inspecting client, have you called start()?")

    def test_mocks_of_resources(self):
        # They read every attribute there is.
        made = make_resource()
        mock.Mock(spec_set=made).until_synced()
        mock.create_autospec(made).until_synced(3)
        self.assertFalse(hasattr(made, "versions"))

    def test_passed_through(self):
        made = make_resource()
        made._inspecting_client = client = mock.Mock()
        self.assertIs(made.versions, client.katcp_client.versions)
        self.assertIs(made.last_connect_time, client.katcp_client.last_connect_time)

    def test_factory(self):
        made = make_resource(auto_reconnect=False)
        client = made.inspecting_client_factory("1.2.3.4", 5000, None)
        self.assertIsInstance(client, ReplyWrappedInspectingClientAsync)
        self.assertEqual(client.bind_address, ("1.2.3.4", 5000))
        self.assertIs(client.katcp_client._auto_reconnect, False)


class TestRequests(AsyncTestCase):
    """Which requests are exposed."""

    names = ("req-one", "req.two", "req-three")

    @gen.coroutine
    def exposed(self, **spec):
        made = with_fake_client(make_resource(**spec))
        yield made._add_requests(self.names)
        raise gen.Return(sorted(made.req))

    @gen_test
    def test_which(self):
        everything = ["req_one", "req_three", "req_two"]
        for spec, expected in (
                ({}, []),
                ({"controlled": True}, everything),
                ({"always_allowed_requests": ["req-one", "req_two", "other"]}, ["req_one", "req_two"]),
                ({"controlled": True, "always_excluded_requests": ["req_one", "req-two"]}, ["req_three"]),
                ({"controlled": True, "always_allowed_requests": ["req-one"],
                  "always_excluded_requests": ["req.one"]}, ["req_three", "req_two"]),
                ({"always_allowed_requests": ["req-one"], "always_excluded_requests": ["req-one"]}, [])):
            self.assertEqual((yield self.exposed(**spec)), expected, spec)

    @gen_test
    def test_adding_and_removing(self):
        parent = mock.Mock()
        made = with_fake_client(make_resource(controlled=True, parent=parent))
        req = made.req
        yield made._add_requests(["req-one", "req-two"])
        self.assertIs(made.req, req)
        self.assertIsInstance(req, AttrDict)
        self.assertEqual(req.req_one.name, "req-one")
        parent._child_add_requests.assert_called_once_with(made, ["req_one", "req_two"])
        yield made._remove_requests(["req-one", "unknown"])
        parent._child_remove_requests.assert_called_once_with(made, ["req_one"])
        yield made._remove_requests(["req-one"])
        yield made._add_requests([])
        self.assertEqual(parent._child_remove_requests.call_count, 1)
        self.assertEqual(parent._child_add_requests.call_count, 1)
        self.assertEqual(list(req), ["req_two"])
        with self.assertRaises(AttributeError) as caught:
            req.x
        self.assertEqual(str(caught.exception), "'AttrDict' object has no attribute 'x'")

    @gen_test
    def test_lookups_of_other_kinds(self):
        made = with_fake_client(make_resource(controlled=True))
        done, pending = compat.ConcurrentFuture(), compat.new_future(self.io_loop)
        done.set_result(None)
        made._inspecting_client.future_get_request = mock.Mock(side_effect=[pending, done])
        adding = made._add_requests(["a", "b"])
        self.assertFalse(adding.done())
        pending.set_result(mock.Mock())
        yield adding
        self.assertEqual(list(made.req), ["a"])

    @gen_test
    def test_factory(self):
        made = with_fake_client(make_resource())
        request = made._request_factory(name="a", description="", timeout_hint=3)
        self.assertIs(request._client, made._inspecting_client)
        made.set_active(False)
        self.assertRaises(resource.KATCPResourceInactive, request)
        made.set_active(True)
        self.assertTrue((yield request()))

    @gen_test
    def test_the_loop_gets_its_turn(self):
        made = with_fake_client(make_resource(controlled=True))
        made.MAX_LOOP_LATENCY = -1
        seen = []
        made._inspecting_client.future_get_request = lambda name: (
            self.io_loop.add_callback(seen.append, name) or compat.done_future(mock.Mock()))
        adding = made._add_requests("abc")
        self.assertFalse(adding.done())
        yield gen.moment
        self.assertEqual(seen, ["a"])
        yield adding
        self.assertEqual(sorted(made.req), ["a", "b", "c"])


class TestDummyRequests(AsyncTestCase):
    @gen_test
    def test_dummies(self):
        made = with_fake_client(make_resource(dummy_unknown_requests=True, controlled=True))
        yield made._add_requests(["req-one"])
        self.assertIsInstance(made.req, DefaultAttrDict)
        self.assertEqual(made.req.req_one.name, "req-one")
        dummy = made.req.anything
        self.assertIsInstance(dummy, resource.KATCPDummyRequest)
        self.assertEqual((dummy.name, dummy.description), ("dummy", "No help for dummies"))
        reply = yield made.req["something-else"](1, timeout=2)
        self.assertTrue(reply.succeeded)
        self.assertEqual(str(reply), "!fake ok")
        yield made._add_requests(["anything"])
        self.assertEqual(made.req.anything.name, "anything")

    def test_asking_leaves_no_trace(self):
        made = make_resource(dummy_unknown_requests=True)
        self.assertTrue(hasattr(made.req, "anything"))
        made.req["something"]
        self.assertNotIn("anything", made.req)
        self.assertEqual(list(made.req), [])
        group = ClientGroup("group", [made, make_resource(dummy_unknown_requests=True)])
        group.req.whatever()
        self.assertEqual([list(client.req) for client in group], [[], []])
        self.assertEqual(list(group.req), [])

    def test_inactive(self):
        made = make_resource(dummy_unknown_requests=True)
        group = ClientGroup("group", [make_resource(), made])
        group.req.anything()
        made.set_active(False)
        self.assertRaises(resource.KATCPResourceInactive, made.req.anything)
        self.assertRaises(resource.KATCPResourceInactive, group.req.anything)

    def test_without(self):
        self.assertRaises(AttributeError, getattr, make_resource().req, "anything")


class TestSensors(AsyncTestCase):
    @gen_test
    def test_adding_and_removing(self):
        parent = mock.Mock()
        made = with_fake_client(make_resource(parent=parent))
        sensor = made.sensor
        yield made._add_sensors(["an.int", "a-float"])
        self.assertIs(made.sensor, sensor)
        self.assertEqual(sorted(sensor), ["a_float", "an_int"])
        self.assertEqual(sensor.an_int.name, "an.int")
        parent._child_add_sensors.assert_called_once_with(made, ["a_float", "an_int"])
        yield made._add_sensors([])
        parent._child_add_sensors.assert_called_with(made, [])
        yield made._remove_sensors(["an.int", "unknown"])
        parent._child_remove_sensors.assert_called_with(made, ["an_int"])
        self.assertEqual(list(sensor), ["a_float"])

    @gen_test
    def test_presets_go_through_the_sensor(self):
        made = with_fake_client(make_resource())
        listener = mock.Mock()
        self.assertEqual((yield made.set_sampling_strategy("an-int", ["period", 1])), {})
        self.assertEqual((yield made.set_sensor_listener("an.int", listener)), {})
        self.assertEqual(made._sensor_strategy_cache, {"an_int": ["period", 1]})
        self.assertEqual(made._sensor_listener_cache, {"an_int": [listener]})
        yield made._add_sensors(["an.int"])
        sensor = made.sensor.an_int
        sensor._manager.set_sampling_strategy.assert_called_once_with("an.int", ["period", 1])
        self.assertTrue(sensor.is_listener(listener))
        sensor.set(1, Sensor.NOMINAL, 2)
        listener.assert_called_once_with(sensor, sensor.reading)

    @gen_test
    def test_setting_that_raises(self):
        made = make_resource()
        good, bad = mock.Mock(), mock.Mock()
        good.set_sampling_strategy.return_value = compat.done_future((True, ("event",)))
        bad.set_sampling_strategy.side_effect = ValueError("no")
        bad.register_listener.side_effect = ValueError("no")
        dict.update(made.sensor, good=good, bad=bad)
        with LogRecorder("katcp.resource_client") as log:
            self.assertEqual((yield made.set_sampling_strategy("good", "event")), {"good": "event"})
            self.assertEqual((yield made.set_sampling_strategy("bad", "event")), {"bad": "no"})
            self.assertEqual((yield made.set_sensor_listener("good", len)), {"good": len})
            self.assertEqual((yield made.set_sensor_listener("bad", len)), {"bad": "no"})
            self.assertEqual(len(log.messages), 2)
            self.assertEqual((yield made._set_strategies({"good": 3, "bad": 3})), {"good": 3, "bad": "no"})
        self.assertEqual(made._sensor_strategy_cache, {"good": 3, "bad": 3})
        good.register_listener.assert_called_once_with(len, reading=True)

    @gen_test
    def test_names_of_all_kinds(self):
        made = make_resource()
        for name in (u"an.int", b"an.int", "an_int"):
            yield made.set_sampling_strategy(name, "event")
            yield made.set_sensor_listener(name, len)
            self.assertEqual(list(made._sensor_strategy_cache), ["an_int"])
            self.assertEqual(dict(made._sensor_listener_cache), {"an_int": [len]})
            made.drop_sampling_strategy(name)
            self.assertEqual(made._sensor_strategy_cache, {})

    @gen_test
    def test_listeners_once_and_no_more(self):
        made = with_fake_client(make_resource())
        calls = []

        class Listener(object):
            def method(self, sensor, reading):
                calls.append(reading.value)

        listener = Listener()
        for _ in range(3):
            yield made.set_sensor_listener("an.int", listener.method)
        self.assertEqual(len(made._sensor_listener_cache["an_int"]), 1)
        yield made._add_sensors(["an.int"])
        yield made.set_sensor_listener("an.int", listener.method)
        made.sensor.an_int.set_value(1)
        made.sensor.an_int.set_value(1)
        self.assertEqual(calls, [1, 1])
        made.remove_sensor_listener("an.int", len)
        made.remove_sensor_listener("an-int", listener.method)
        made.remove_sensor_listener("unknown", len)
        made.sensor.an_int.set_value(1)
        self.assertEqual(calls, [1, 1])
        self.assertEqual(dict(made._sensor_listener_cache), {})
        yield made._remove_sensors(["an.int"])
        yield made._add_sensors(["an.int"])
        made.sensor.an_int.set_value(1)
        self.assertEqual(calls, [1, 1])

    @gen_test
    def test_listeners_that_cannot_be_registered(self):
        made = with_fake_client(make_resource())
        yield made.set_sensor_listener("an.int", len)
        sensor = mock.Mock()
        sensor.register_listener.side_effect = ValueError
        made._inspecting_client.future_get_sensor = lambda name: compat.done_future(sensor)
        with LogRecorder("katcp.resource_client") as log:
            yield made._add_sensors(["an.int"])
        self.assertEqual(log.messages, ["Exception trying to pre-set sensor listeners for sensor an_int"])

    @gen_test
    def test_a_sensor_that_cannot_be_made_does_not_hide_the_others(self):
        made = with_fake_client(make_resource())
        get_sensor = made._inspecting_client.future_get_sensor
        made._inspecting_client.future_get_sensor = lambda name: (
            compat.done_future(exception=katcp.KatcpSyntaxError("bad type")) if name == "bad"
            else get_sensor(name))
        with LogRecorder("katcp.resource_client") as log:
            yield made._add_sensors(["bad", "an.int"])
        self.assertEqual(list(made.sensor), ["an_int"])
        self.assertEqual(log.messages, ["Cannot make an object for sensor bad"])

    @gen_test
    def test_lookups_that_the_device_does_not_answer(self):
        made = with_fake_client(make_resource())
        made._inspecting_client.future_get_sensor = lambda name: compat.done_future(exception=SyncError("x"))
        with self.assertRaises(SyncError):
            yield made._add_sensors(["an.int"])

    def test_nothing_started_yet(self):
        made = make_resource()
        made.set_sampling_strategy("an.int", "event")
        made.drop_sampling_strategy("an.int")
        made.drop_sampling_strategy("unknown")
        self.assertEqual(made._sensor_strategy_cache, {})

    @gen_test
    def test_overridden_setting_is_asked_for_each(self):
        made = with_fake_client(make_resource())
        yield made._add_sensors(["an.int", "another.int"])
        made.set_sampling_strategy = mock.Mock(side_effect=[
            compat.done_future({"an_int": "event"}), ValueError("no")])
        with LogRecorder("katcp.resource_client") as log:
            results = yield made.set_sampling_strategies("int", "event")
        self.assertEqual(results, {"an_int": "event", "another_int": None})
        self.assertEqual(made.set_sampling_strategy.call_args_list,
                         [mock.call("an_int", "event"), mock.call("another_int", "event")])
        self.assertEqual(len(log.messages), 1)

    @gen_test
    def test_subclasses_that_override_setting(self):
        class Shouting(KATCPClientResource):
            def set_sampling_strategy(self, sensor_name, strategy_and_parms):
                return super(Shouting, self).set_sampling_strategy(sensor_name, strategy_and_parms.upper())

        made = with_fake_client(make_resource(Shouting))
        yield made._add_sensors(["an.int"])
        yield made.set_sampling_strategies("int", "event")
        made.sensor.an_int._manager.set_sampling_strategy.assert_called_once_with("an.int", "EVENT")
        self.assertEqual(made._sensor_strategy_cache, {"an_int": "EVENT"})

    @gen_test
    def test_waiting(self):
        made = with_fake_client(make_resource())
        yield made._add_sensors(["an.int"])
        with self.assertRaises(KeyError):
            yield made.wait("unknown", 1)
        with self.assertRaises(resource.KATCPSensorError):
            yield made.wait("unknown", 1)
        with self.assertRaises(resource.KATCPSensorError):
            yield made.wait("an.int", 1)
        made.sensor.an_int._manager.get_sampling_strategy.return_value = ("event",)
        waiting = made.wait("an.int", 1)
        made.sensor.an_int.set_value(1)
        self.assertIs((yield waiting), True)
        self.assertIs((yield made.wait("an-int", 2, timeout=0.001)), False)


class TestCollisions(AsyncTestCase):
    """Different names with the same identifier."""

    @gen_test
    def test_the_first_in_the_alphabet_is_shown(self):
        for names in (["an-int", "an.int"], ["an.int", "an-int"]):
            made = with_fake_client(make_resource())
            with LogRecorder("katcp.resource_client") as log:
                for name in names:
                    yield made._add_sensors([name])
            self.assertEqual(made.sensor.an_int.name, "an-int")
            self.assertEqual(log.messages, ["The sensors an-int and an.int have the same identifier, an_int: "
                                            "only an-int can be reached by it"])
            # Whichever goes, the other remains.
            yield made._remove_sensors(["an-int"])
            self.assertEqual(made.sensor.an_int.name, "an.int")
            yield made._add_sensors(["an-int"])
            yield made._remove_sensors(["an.int"])
            self.assertEqual(made.sensor.an_int.name, "an-int")
            yield made._remove_sensors(["an-int"])
            self.assertEqual(made.sensor, {})

    @gen_test
    def test_new_objects_for_hidden_ones(self):
        made = with_fake_client(make_resource())
        with LogRecorder("katcp.resource_client"):
            yield made._add_sensors(["a.b", "a-b", "a_b"])
            yield made._add_sensors(["a.b", "a-b", "a_b"])
        names = []
        while made.sensor:
            names.append(made.sensor.a_b.name)
            yield made._remove_sensors(names[-1:])
        self.assertEqual(names, ["a-b", "a.b", "a_b"])

    @gen_test
    def test_only_what_is_shown_is_found(self):
        made = with_fake_client(make_resource())
        with LogRecorder("katcp.resource_client"):
            yield made._add_sensors(["a.b", "a-b"])
        self.assertIs(made._exposed_sensors.get("a-b"), made.sensor.a_b)
        self.assertIsNone(made._exposed_sensors.get("a.b"))
        self.assertIsNone(made._exposed_sensors.get("c"))
        self.assertEqual(sorted(made._exposed_sensors.names()), ["a-b", "a.b"])

    @gen_test
    def test_requests(self):
        made = with_fake_client(make_resource(controlled=True))
        with LogRecorder("katcp.resource_client"):
            yield made._add_requests(["a.b", "a-b"])
        self.assertEqual(made.req.a_b.name, "a-b")


class TestListing(AsyncTestCase):
    @gen.coroutine
    def make(self):
        made = with_fake_client(make_resource())
        yield made._add_sensors(["sens.one", "sens.two", "sens-three"])
        made.sensor.sens_one.set(1234, Sensor.NOMINAL, 5)
        raise gen.Return(made)

    @gen_test
    def test_all(self):
        made = yield self.make()
        listing = made.list_sensors()
        self.assertTrue(listing.done())
        names = [result.python_identifier for result in listing.result()]
        self.assertEqual(names, ["sens_one", "sens_three", "sens_two"])
        self.assertEqual(listing.result()[0], resource.SensorResultTuple(
            object=made.sensor.sens_one, name="sens.one", python_identifier="sens_one",
            description=made.sensor.sens_one.description, type="integer", units="",
            reading=made.sensor.sens_one.reading))
        self.assertEqual((yield made.list_sensors(filter="one", tuple=True)),
                         [("sens.one", 5, 1234, "integer", "", 0, "nominal", ("none",))])

    @gen_test
    def test_filters(self):
        made = yield self.make()

        @gen.coroutine
        def listed(*args, **kwargs):
            results = yield made.list_sensors(*args, **kwargs)
            raise gen.Return([result.name for result in results])

        self.assertEqual((yield listed("t")), ["sens-three", "sens.two"])
        self.assertEqual((yield listed(r"\.t", use_python_identifiers=False)), ["sens.two"])
        self.assertEqual((yield listed(status="nominal")), ["sens.one"])
        self.assertEqual((yield listed(status=["unknown"])), ["sens-three", "sens.two"])
        self.assertEqual((yield listed(strategy=True)), [])
        made.sensor.sens_two._manager.get_sampling_strategy.return_value = ("event",)
        self.assertEqual((yield listed(strategy=True)), ["sens.two"])
        with self.assertRaises(Exception):
            yield made.list_sensors("(")

    @gen_test
    def test_function(self):
        made = yield self.make()
        args = (dict.items(made.sensor), "one", False, "", True, False, False)
        self.assertEqual((yield list_sensors(made, *args))[0].name, "sens.one")
        container = KATCPClientResourceContainer({"name": "c", "clients": {}})
        made.sensor.sens_one._manager.resource_name = "res-1.x"
        self.assertEqual((yield list_sensors(container, *args))[0].name, "res-1.x.sens.one")

    @gen_test
    def test_sensors_that_are_called_like_methods(self):
        made = with_fake_client(make_resource())
        yield made._add_sensors(["items", "values", "keys", "get", "update"])
        self.assertEqual(len((yield made.list_sensors())), 5)
        self.assertEqual(made.sensor.items.name, "items")
        yield made._remove_sensors(["items"])
        self.assertEqual(sorted(made.sensor), ["get", "keys", "update", "values"])


class TestStates(TimewarpAsyncTestCase):
    still_clock_limit = 15

    def test_what_holds_is_done_at_once(self):
        made = make_resource()
        for state, expected in (("disconnected", (False, True, False)), ("syncing", (False, True, True)),
                                ("synced", (True, False, True)), ("disconnected", (False, True, False))):
            made._state.set_state(state)
            self.assertEqual((made.until_synced().done(), made.until_not_synced().done(),
                              made.wait_connected().done()), expected)
            self.assertEqual((made.synced, made.is_connected()), (expected[0], expected[2]))
            self.assertEqual(made.state, state)
            self.assertTrue(made.until_state(state).done())
            self.assertIs(made.until_state(state).result(), True)

    def test_no_such_state(self):
        with self.assertRaises(ValueError) as caught:
            make_resource().until_state("bogus")
        self.assertTrue(str(caught.exception).startswith("State must be one of frozenset("))
        self.assertTrue(str(caught.exception).endswith(", not bogus"))

    @timewarp_test
    def test_waiting(self):
        made = make_resource()
        futures = [made.until_synced(), made.wait_connected(), made.until_state("syncing")]
        made._state.set_state("syncing")
        self.assertEqual([future.done() for future in futures], [False, True, True])
        made._state.set_state("synced")
        self.assertTrue(futures[0].done())
        waiting = made.until_not_synced()
        made._state.set_state("disconnected")
        self.assertIs((yield waiting), True)

    @timewarp_test
    def test_timeouts(self):
        made = make_resource()
        waits = [made.until_synced(1), made.wait_connected(timeout=1), made.until_state("syncing", 1)]
        forever = [made.until_synced(0), made.until_synced(None)]
        yield self.set_ioloop_time(0.9)
        self.assertFalse(any(wait.done() for wait in waits))
        yield self.set_ioloop_time(1)
        for wait in waits:
            with self.assertRaises(gen.TimeoutError):
                yield wait
        yield self.set_ioloop_time(1000)
        self.assertFalse(any(wait.done() for wait in forever))

    @timewarp_test
    def test_waits_leave_nothing_behind(self):
        made = make_resource()
        for wait in (made.until_synced, made.wait_connected):
            for _ in range(5):
                wait(1)
                wait()
        waits = made._state._waiters
        gc.collect()
        self.assertEqual(sum(len(waiters) for waiters in waits.values()), 0)
        waiting = [made.until_synced(1) for _ in range(5)]
        yield self.set_ioloop_time(2)
        self.assertTrue(all(wait.done() for wait in waiting))
        self.assertEqual(sum(len(waiters) for waiters in waits.values()), 0)

    def test_on_the_loop_that_was_set(self):
        loop = mock.Mock(wraps=self.io_loop)
        made = make_resource()
        made.set_ioloop(loop)
        waiting = made.until_synced(5)
        self.assertTrue(loop.call_at.called)
        del waiting

    def test_events_of_old(self):
        made = make_resource()
        made._connected.set()
        self.assertEqual(made.state, "syncing")
        made._sensors_synced.set()
        self.assertEqual(made.state, "syncing")
        made._requests_synced.set()
        self.assertEqual(made.state, "synced")
        made._connected.clear()
        self.assertEqual(made.state, "disconnected")


class TestObjects(unittest.TestCase):
    def test_weak_references_and_attributes(self):
        made = make_resource()
        reference = weakref.ref(made)
        made.anything = 1
        made.until_synced = mock.create_autospec(made.until_synced)
        del made
        gc.collect()
        self.assertIsNone(reference())

    def test_harmless_before_the_start(self):
        class Careful(KATCPClientResource):
            def __init__(self, name):
                super(Careful, self).__init__(dict(SPEC, name=name))

            def __del__(self):
                self.stop()

        made = Careful("x")
        made.stop()
        self.assertIs(made.until_stopped().result(), True)
        made.drop_sampling_strategy("x")
        del made

    def test_protocol_flags(self):
        flags = ProtocolFlags(5, 0, "M")
        self.assertIs(make_resource(preset_protocol_flags=flags)._preset_protocol_flags, flags)
