"""Containers: several devices under one roof."""

from __future__ import absolute_import, division, print_function

import copy

from tornado import gen
from tornado.ioloop import IOLoop
from tornado.testing import AsyncTestCase, gen_test

import katcp
from katcp import Message, Sensor, compat, resource
from katcp.core import AttrDict
from katcp.resource_client import (
    ClientGroup, KATCPClientResource, KATCPClientResourceContainer, KATCPClientResourceRequest,
    KATCPReply)
from tests.support import mock
from tests.support.clock import TimewarpAsyncTestCase
from tests.support.inspecting_cases import timewarp_test
from tests.support.logs import LogRecorder
from tests.support.resource_cases import BULK_PROTOCOL, ResourceTestCase
from tests.support.resources import Manager, make_sensor

SPEC = {
    "name": "a-container",
    "description": "Everything.",
    "clients": {
        "client1": {"address": ("localhost", 1), "controlled": True},
        "another-client": {"address": ("localhost", 2), "controlled": True},
        "res-2.int": {"address": ("localhost", 3), "always_allowed_requests": ["req-1"]},
    },
    "groups": {"group-1.x": ["client1", "another-client"], "group2": ["res_2_int", "client1"]},
}


def make_container(cls=KATCPClientResourceContainer, **spec):
    return cls(dict(copy.deepcopy(SPEC), **spec))


class Client(object):
    """Stands for an inspecting client that knows everything at once."""

    def future_get_request(self, name):
        return compat.done_future(KATCPClientResourceRequest(
            {"name": name, "description": "", "timeout_hint": None}, self))

    def wrapped_request(self, name, *args, **kwargs):
        return compat.done_future(KATCPReply(Message.reply(name, "ok"), []))


def add_sensors(container):
    """Add some sensors to the children, as an update of their models does."""
    for child_name, names in (("client1", ["sensor-1", "sensor.2", "agg_sensor"]),
                              ("another_client", ["sensor-1"]), ("res_2_int", ["sensor-1", "b.c"])):
        child = container.children[child_name]
        manager = Manager()
        manager.resource_name = child.name
        for name in names:
            sensor = make_sensor(manager, name)
            child.sensor[sensor.normalised_name] = sensor
        container._child_add_sensors(child, names)


class TestConstruction(AsyncTestCase):
    def test_properties(self):
        logger = mock.Mock()
        container = KATCPClientResourceContainer(copy.deepcopy(SPEC), logger=logger)
        self.assertIsInstance(container, resource.KATCPResource)
        self.assertIs(katcp.KATCPClientResourceContainer, KATCPClientResourceContainer)
        self.assertEqual((container.name, container.description), ("a-container", "Everything."))
        self.assertEqual((container.address, container.parent), (None, None))
        self.assertIsInstance(container.children, AttrDict)
        self.assertEqual(sorted(container.children), ["another_client", "client1", "res_2_int"])
        child = container.children.res_2_int
        self.assertIs(type(child), KATCPClientResource)
        self.assertEqual((child.name, child.parent_name), ("res-2.int", "a-container"))
        self.assertIs(child.parent, container)
        self.assertIs(child._logger, logger)
        self.assertEqual((container.req, container.sensor), ({}, {}))
        self.assertIs(container.sensors, container.sensor)
        self.assertTrue(container.is_active())
        self.assertFalse(container.is_connected())
        for name in ("state", "synced", "until_state", "wait_connected", "drop_sampling_strategy",
                     "versions"):
            self.assertFalse(hasattr(container, name))
        self.assertEqual(
            repr(container),
            "<katcp.resource_client.KATCPClientResourceContainer(name=a-container) at 0x{0:x}>".format(
                id(container)))

    def test_groups(self):
        container = make_container()
        self.assertIsInstance(container.groups, AttrDict)
        self.assertEqual(sorted(container.groups), ["group2", "group_1_x"])
        group = container.groups.group_1_x
        self.assertIsInstance(group, ClientGroup)
        self.assertEqual(group.name, "group-1.x")
        self.assertEqual([client.name for client in group], ["client1", "another-client"])
        self.assertEqual([client.name for client in container.groups.group2], ["res-2.int", "client1"])
        self.assertRaises(KeyError, make_container, groups={"x": ["unknown"]})

    def test_names_that_have_the_same_identifier(self):
        with LogRecorder("katcp.resource_client") as log:
            container = make_container(
                clients={"a.1": {"address": 1}, "a-1": {"address": 2}, "b": {"address": 3}},
                groups={"g-1": ["b"], "g.1": ["a-1"]})
            self.assertEqual(sorted(child.name for child in container.children.values()), ["a.1", "b"])
            self.assertEqual(container.groups.g_1.name, "g.1")
            container.add_group("g_1", ["b"])
            container.add_group("g_1", ["b"])
            container.client_resource_factory = mock.Mock()
            container.add_child_resource_client("b", {"address": 4})
        self.assertEqual(log.messages, [
            "The clients a-1 and a.1 of a-container have the same identifier, a_1: only a.1 is there",
            "The groups g-1 and g.1 of a-container have the same identifier, g_1: only g.1 is there",
            "The groups g.1 and g_1 of a-container have the same identifier, g_1: only g_1 is there"])

    def test_what_is_required(self):
        for missing, left in (("name", {"clients": {}}), ("clients", {"name": "x"})):
            with self.assertRaises(KeyError) as caught:
                KATCPClientResourceContainer(left)
            self.assertEqual(caught.exception.args, (missing,))

    def test_the_specification_is_left_alone(self):
        spec = copy.deepcopy(SPEC)
        container = KATCPClientResourceContainer(spec)
        container.add_group("new", ["client1"])
        self.assertEqual(spec, SPEC)

    def test_factory(self):
        made = []

        class Container(KATCPClientResourceContainer):
            def __init__(self, *args, **kwargs):
                self.mine = True
                super(Container, self).__init__(*args, **kwargs)

            def client_resource_factory(self, res_spec, parent, logger):
                assert self.mine
                made.append((res_spec["name"], parent, logger))
                return KATCPClientResource(res_spec, parent=parent, logger=logger)

        container = make_container(Container)
        self.assertEqual(sorted(item[0] for item in made), sorted(SPEC["clients"]))
        self.assertTrue(all(item[1:] == (container, container._logger) for item in made))

    def test_empty(self):
        container = KATCPClientResourceContainer({"name": "x", "clients": {}})
        self.assertTrue(container.until_synced().done())
        self.assertFalse(container.until_not_synced().done())
        self.assertFalse(container.until_any_child_in_state("synced").done())
        self.assertEqual(container.until_stopped(), {})
        self.assertTrue(container.is_connected())
        container.start()
        container.stop()


class TestGroupsAndChildren(AsyncTestCase):
    def test_adding_groups(self):
        container = make_container()
        kept = container.groups.group2
        container.add_group("new-one", ("client1", "res-2.int"))
        self.assertEqual([client.name for client in container.groups.new_one], ["client1", "res-2.int"])
        self.assertIs(container.groups.group2, kept)
        self.assertRaises(KeyError, container.add_group, "bad", ["unknown"])
        container.add_group("group2", ["client1"])
        self.assertEqual(len(container.groups.group2), 1)
        self.assertEqual(sorted(container.groups), ["group2", "group_1_x", "new_one"])

    def test_adding_children(self):
        container = make_container()
        container.client_resource_factory = mock.Mock(side_effect=self.make_child)
        loop = compat.new_ioloop()
        self.addCleanup(loop.close)
        container.set_ioloop(loop)
        spec = {"address": ("localhost", 4)}
        child = container.add_child_resource_client("new-child", spec)
        self.assertEqual(spec, {"address": ("localhost", 4)})
        self.assertIs(container.children.new_child, child)
        self.assertEqual((child.name, child.parent), ("new-child", container))
        child.set_ioloop.assert_called_once_with(loop)
        child.start.assert_called_once_with()

    def make_child(self, spec, parent, logger):
        child = KATCPClientResource(spec, parent, logger)
        child.start, child.stop, child.set_ioloop = mock.Mock(), mock.Mock(), mock.Mock()
        return child

    def test_replacing_children(self):
        container = make_container()
        container.client_resource_factory = self.make_child
        old = container.children.client1
        old.stop = mock.Mock()
        new = container.add_child_resource_client("client1", {"address": ("localhost", 4)})
        old.stop.assert_called_once_with()
        self.assertIs(container.children.client1, new)
        self.assertIs(container.groups.group2[1], new)
        self.assertIs(container.groups.group_1_x[0], new)

    def test_removing_children(self):
        container = make_container()
        add_sensors(container)
        self.assertIn("client1_sensor_1", container.sensor)
        child = container.children.client1
        child.stop = mock.Mock()
        self.assertIs(container.remove_child_resource_client("client1"), child)
        child.stop.assert_called_once_with()
        self.assertNotIn("client1", container.children)
        self.assertEqual([client.name for client in container.groups.group2], ["res-2.int"])
        self.assertNotIn("client1_sensor_1", container.sensor)
        self.assertRaises(KeyError, container.remove_child_resource_client, "client1")
        container.remove_child_resource_client("res-2.int")

    def test_only_children_may_tell(self):
        container = make_container()
        stranger = KATCPClientResource({"name": "stranger", "address": None})
        for name in ("add_requests", "remove_requests", "add_sensors", "remove_sensors"):
            self.assertRaises(AssertionError, getattr(container, "_child_" + name), stranger, [])

    def test_removed_children_may_finish_what_they_are_about(self):
        container = make_container()
        child = container.remove_child_resource_client("client1")
        for name in ("add_requests", "remove_requests", "add_sensors", "remove_sensors"):
            getattr(container, "_child_" + name)(child, [])
        self.assertNotIn("client1", container.children)

    def test_activity(self):
        container = make_container()
        mocks = {"client1": mock.Mock(), "values": mock.Mock()}
        dict.update(container.children, mocks)
        container.set_active(False)
        self.assertFalse(container.is_active())
        self.assertFalse(container.children.another_client.is_active())
        for child in mocks.values():
            child.set_active.assert_called_once_with(False)


class TestItems(AsyncTestCase):
    @gen_test
    def test_requests(self):
        container = make_container()
        for child in container.children.values():
            child._inspecting_client = Client()
            yield child._add_requests(["req-1", "agg_req"])
        self.assertEqual(sorted(container.req), [
            "agg_req", "another_client_req_1", "client1_req_1", "res_2_int_req_1"])
        self.assertIs(container.req.client1_req_1, container.children.client1.req.req_1)
        # The last in the alphabet of those that have it.
        self.assertIs(container.req.agg_req, container.children.client1.req.agg_req)

    def test_sensors(self):
        container = make_container()
        add_sensors(container)
        self.assertEqual(sorted(container.sensor), [
            "agg_sensor", "another_client_sensor_1", "client1_sensor_1", "client1_sensor_2", "res_2_int_b_c",
            "res_2_int_sensor_1"])
        self.assertIs(container.sensor.res_2_int_b_c, container.children.res_2_int.sensor.b_c)
        self.assertIs(container.sensor, container.sensor)
        self.assertIs(container.sensors, container.sensor)

    @gen_test
    def test_always_up_to_date(self):
        for first, second in (("req", "sensor"), ("sensor", "req")):
            container = make_container()
            self.assertEqual((getattr(container, first), getattr(container, second)), ({}, {}))
            child = container.children.client1
            child._inspecting_client = Client()
            yield child._add_requests(["req-1"])
            add_sensors(container)
            self.assertEqual([bool(getattr(container, name)) for name in (first, second)], [True, True])
            yield child._remove_requests(["req-1"])
            yield child._remove_sensors(["sensor-1"])
            self.assertEqual(container.req, {})
            self.assertNotIn("client1_sensor_1", container.sensor)
            # As many as before, but others.
            yield child._add_requests(["req-2"])
            self.assertEqual(list(container.req), ["client1_req_2"])
            yield child._remove_requests(["req-2"])
            yield child._add_requests(["req-3"])
            self.assertEqual(list(container.req), ["client1_req_3"])
            child.sensor["sensor_4"] = dict.pop(child.sensor, "sensor_2")
            container._child_add_sensors(child, ["sensor_4"])
            self.assertIn("client1_sensor_4", container.sensor)
            self.assertNotIn("client1_sensor_2", container.sensor)
            # Also what nobody tells of.
            child.sensor["new"] = child.sensor.sensor_4
            self.assertIn("client1_new", container.sensor)

    def test_changes_while_another_thread_reads(self):
        container = make_container()
        add_sensors(container)
        child = container.children.client1
        make = container._create_attrdict_from_children

        def make_slowly(attr):
            made = make(attr)
            if "sensor_2" in child.sensor:
                # What the loop may do in the meantime.
                child.sensor["sensor_4"] = dict.pop(child.sensor, "sensor_2")
                container._child_add_sensors(child, ["sensor_4"])
            return made

        container._create_attrdict_from_children = make_slowly
        self.assertIn("client1_sensor_2", container.sensor)
        self.assertEqual([name for name in ("client1_sensor_2", "client1_sensor_4")
                          if name in container.sensor], ["client1_sensor_4"])

    def test_collisions(self):
        container = make_container(groups={}, clients={"a": {"address": 1}, "a-b": {"address": 2}})
        manager = Manager()
        for child, name in (("a", "b.c"), ("a_b", "c")):
            sensor = make_sensor(manager, name)
            container.children[child].sensor[sensor.normalised_name] = sensor
        with LogRecorder("katcp.resource_client") as log:
            self.assertEqual(container.sensor.a_b_c.name, "c")
        self.assertEqual(len(log.messages), 1)

    def test_dirtiness_by_hand(self):
        container = make_container()
        req, sensor = container.req, container.sensor
        self.assertFalse(container._children_dirty)
        container._children_dirty = True
        self.assertTrue(container._children_dirty)
        self.assertIsNot(container.req, req)
        self.assertIsNot(container.sensor, sensor)

    @gen_test
    def test_groups_follow(self):
        container = make_container()
        for child in container.children.values():
            child._inspecting_client = Client()
        group = container.groups.group_1_x
        self.assertEqual(group.req, {})
        yield container.children.client1._add_requests(["req-1"])
        results = yield group.req.req_1()
        self.assertFalse(results)
        self.assertTrue(results["client1"].succeeded)
        self.assertEqual(sorted(results), ["another-client", "client1"])
        self.assertIsNone(results["another-client"])
        yield container.children.another_client._add_requests(["req-1"])
        self.assertTrue((yield group.req.req_1()))
        yield container.children.res_2_int._add_requests(["req-1"])
        self.assertEqual(list(container.groups.group2.req), ["req_1"])
        yield container.children.client1._remove_requests(["req-1"])
        yield container.children.another_client._remove_requests(["req-1"])
        self.assertEqual(group.req, {})

    def test_groups_are_told(self):
        container = make_container()
        for group in container.groups.values():
            group.client_updated = mock.Mock()
        child = container.children.another_client
        container._child_add_requests(child, ["a"])
        container._child_remove_requests(child, ["a"])
        container._child_add_sensors(child, ["a"])
        self.assertEqual(container.groups.group_1_x.client_updated.call_args_list, [mock.call(child)] * 2)
        self.assertFalse(container.groups.group2.client_updated.called)


class TestWaiting(TimewarpAsyncTestCase):
    still_clock_limit = 15

    def setUp(self):
        super(TestWaiting, self).setUp()
        self.container = make_container()
        self.children = list(dict.values(self.container.children))

    def set_states(self, *states):
        for child, state in zip(self.children, states):
            child._state.set_state(state)

    def test_what_holds_is_done_at_once(self):
        for states, expected in ((("disconnected",) * 3, (False, True)), (("synced",) * 3, (True, False)),
                                 (("synced", "syncing", "synced"), (False, True))):
            self.set_states(*states)
            self.assertEqual((self.container.until_synced().done(), self.container.until_not_synced().done()),
                             expected)
        self.assertIsNone(self.container.until_not_synced().result())
        self.assertTrue(self.container.until_any_child_in_state("syncing").done())
        self.assertFalse(self.container.until_all_children_in_state("synced").done())
        self.set_states("synced", "synced", "synced")
        self.assertIsNone(self.container.until_all_children_in_state("synced").result())
        self.assertTrue(self.container.is_connected())

    def test_methods_of_the_children_are_asked(self):
        for name in ("until_synced", "until_not_synced"):
            for child in self.children:
                method = mock.create_autospec(getattr(child, name))
                method.return_value = compat.done_future(True) if name == "until_synced" else gen.Future()
                setattr(child, name, method)
        self.assertTrue(self.container.until_synced().done())
        self.children[0].until_synced.assert_called_once_with(None)
        self.assertFalse(self.container.until_not_synced().done())
        self.children[1].until_not_synced.return_value.set_result(True)
        self.assertTrue(self.container.until_not_synced().done())
        self.children[2].until_synced.return_value = gen.Future()
        self.assertFalse(self.container.until_synced().done())

    @timewarp_test
    def test_all_at_the_same_time(self):
        waiting = self.container.until_synced()
        self.set_states("synced", "synced", "disconnected")
        self.set_states("syncing", "synced", "synced")
        yield gen.moment
        self.assertFalse(waiting.done())
        self.set_states("synced")
        self.assertIsNone((yield waiting))

    @timewarp_test
    def test_other_waits(self):
        not_synced = [self.container.until_not_synced(), self.container.until_any_child_in_state("syncing"),
                      self.container.until_all_children_in_state("syncing")]
        self.set_states("synced", "synced", "synced")
        not_synced[0] = self.container.until_not_synced()
        self.set_states("synced", "syncing")
        self.assertEqual([wait.done() for wait in not_synced], [True, True, False])
        self.set_states("syncing", "synced")
        self.set_states("synced", "synced", "syncing")
        self.assertEqual((yield gen.multi(not_synced)), [None, True, None])

    @timewarp_test
    def test_timeouts(self):
        self.set_states("synced", "syncing", "synced")
        with LogRecorder() as log:
            waits = [self.container.until_synced(1),
                     self.container.until_any_child_in_state("disconnected", 1),
                     self.container.until_all_children_in_state("synced", timeout=1)]
            yield self.set_ioloop_time(1)
            for wait in waits:
                with self.assertRaises(gen.TimeoutError):
                    yield wait
            self.set_states("synced", "synced", "synced")
            waiting = self.container.until_not_synced(timeout=1)
            self.assertTrue(self.container.until_synced(timeout=1).done())
            yield self.set_ioloop_time(2)
            with self.assertRaises(gen.TimeoutError):
                yield waiting
            yield gen.moment
        self.assertFalse([text for text in log.messages if "exception" in text.lower()])

    @timewarp_test
    def test_the_timeout_is_for_all_of_it(self):
        waiting = self.container.until_synced(1)
        yield self.set_ioloop_time(0.9)
        self.set_states("synced", "synced", "disconnected")
        self.set_states("disconnected", "synced", "synced")
        yield self.set_ioloop_time(1.1)
        with self.assertRaises(gen.TimeoutError):
            yield waiting

    def add_child(self):
        """Return a new child, which is neither connected nor started."""
        def make_child(spec, parent, logger):
            child = KATCPClientResource(spec, parent, logger)
            child.start = mock.Mock()
            return child

        self.container.client_resource_factory = make_child
        return self.container.add_child_resource_client("new", {"address": ("localhost", 4)})

    @timewarp_test
    def test_children_that_go_are_not_waited_for(self):
        self.set_states("synced", "synced", "disconnected")
        waits = [self.container.until_synced(), self.container.until_synced(timeout=5),
                 self.container.until_all_children_in_state("synced"),
                 self.container.until_all_children_in_state("synced", timeout=5)]
        self.assertEqual([wait.done() for wait in waits], [False] * 4)
        self.container.remove_child_resource_client(self.children[2].name)
        self.assertEqual((yield waits), [None] * 4)
        # The end of one that has gone is not that of the others.
        waiting = self.container.until_not_synced()
        self.container.remove_child_resource_client(self.children[1].name)
        self.set_states("synced", "disconnected")
        yield gen.moment
        self.assertFalse(waiting.done())
        self.set_states("syncing")
        self.assertIsNone((yield waiting))

    @timewarp_test
    def test_children_that_come_are_waited_for(self):
        self.set_states("synced", "synced", "disconnected")
        synced = [self.container.until_synced(), self.container.until_all_children_in_state("synced")]
        new = self.add_child()
        self.set_states("synced", "synced", "synced")
        yield gen.moment
        self.assertEqual([wait.done() for wait in synced], [False, False])
        new._state.set_state("syncing")
        not_synced = self.container.until_not_synced()
        self.assertTrue(not_synced.done())
        new._state.set_state("synced")
        self.assertEqual((yield synced), [None, None])
        # Children that are replaced come and go at the same time.
        not_synced = self.container.until_not_synced()
        self.assertFalse(not_synced.done())
        disconnected = self.container.until_any_child_in_state("disconnected")
        syncing = self.container.until_any_child_in_state("syncing", timeout=1)
        self.assertIsNot(self.add_child(), new)
        self.assertIsNone((yield not_synced))
        self.assertTrue((yield disconnected))
        yield self.set_ioloop_time(1)
        with self.assertRaises(gen.TimeoutError):
            yield syncing

    def test_no_such_state(self):
        self.assertRaises(ValueError, self.container.until_any_child_in_state, "bogus")
        self.assertRaises(ValueError, self.container.until_all_children_in_state("bogus").result)

    def test_sensors(self):
        self.assertRaises(NotImplementedError, self.container.wait, "x", 1)


class TestSensors(AsyncTestCase):
    def setUp(self):
        super(TestSensors, self).setUp()
        self.container = make_container()
        add_sensors(self.container)
        self.setters = {}
        for name, child in dict.items(self.container.children):
            self.setters[name] = child.set_sampling_strategy = mock.Mock(side_effect=self.setting)
            child.set_sensor_listener = mock.Mock(side_effect=self.setting)

    @staticmethod
    def setting(name, what):
        # Futures of other threads will do.
        future = compat.ConcurrentFuture()
        future.set_result({name: what})
        return future

    def calls(self):
        """What was asked of the children since the last time: names of a child and a sensor."""
        calls = []
        for name, setter in sorted(self.setters.items()):
            calls.extend((name, call[0][0]) for call in setter.call_args_list)
            setter.reset_mock()
        return calls

    @gen_test
    def test_listing(self):
        listed = yield self.container.list_sensors()
        self.assertEqual([(result.name, result.python_identifier) for result in listed], [
            ("agg_sensor", "agg_sensor"), ("another-client.sensor-1", "another_client_sensor_1"),
            ("client1.sensor-1", "client1_sensor_1"), ("client1.sensor.2", "client1_sensor_2"),
            ("res-2.int.b.c", "res_2_int_b_c"), ("res-2.int.sensor-1", "res_2_int_sensor_1")])
        self.container.sensor.client1_sensor_1.set(1, Sensor.WARN, 2)
        listed = yield self.container.list_sensors(
            r"-1", status="warn", use_python_identifiers=False, tuple=True)
        self.assertEqual(listed[0][:2], ("client1.sensor-1", 2))
        self.assertEqual(len(listed), 1)

    @gen_test
    def test_one_strategy(self):
        for name, expected in (
                ("client1_sensor_1", ("client1", "sensor_1")), ("client1.sensor_1", ("client1", "sensor_1")),
                ("client1.sensor-1", ("client1", "sensor_1")), ("agg_sensor", ("client1", "agg_sensor")),
                ("res-2.int.b.c", ("res_2_int", "b_c")),
                ("another.client.*1", ("another_client", "sensor_1"))):
            results = yield self.container.set_sampling_strategy(name, ["period", 1])
            resource_name = self.container.children[expected[0]].name
            self.assertEqual(results, {resource_name: {expected[1]: ["period", 1]}}, name)
            self.assertEqual(self.calls(), [expected])
        self.container.children.client1.set_sampling_strategy("x", "y")
        for name in ("unknown", "sensor_1", "client1_sensor"):
            self.assertEqual((yield self.container.set_sampling_strategy(name, "event")), {})

    @gen_test
    def test_many_strategies(self):
        results = yield self.container.set_sampling_strategies("sensor_1", "event")
        self.assertEqual(results, dict((name, {"sensor_1": "event"}) for name in SPEC["clients"]))
        self.assertEqual(self.calls(), [
            ("another_client", "sensor_1"), ("client1", "sensor_1"), ("res_2_int", "sensor_1")])
        for setter in self.setters.values():
            setter.side_effect = ValueError("no")
        with LogRecorder("katcp.resource_client") as log:
            results = yield self.container.set_sampling_strategies("client1", "event")
        self.assertEqual(results, {"client1": {"sensor_1": None, "sensor_2": None}})
        self.assertEqual(len(log.messages), 2)
        self.assertEqual(log.messages[0],
                         "Cannot set sampling strategy on resource client1 for sensor_1 (no)")
        with self.assertRaises(Exception):
            yield self.container.set_sampling_strategies("(", "event")

    @gen_test
    def test_children_of_another_kind(self):
        child = mock.Mock()
        child.set_sampling_strategy.side_effect = self.setting
        self.container._children["client1"] = child
        results = yield self.container._set_strategies(
            [make_sensor(mock.Mock(resource_name="client1"), "x")], "event")
        self.assertEqual(results, {"client1": {"x": "event"}})
        child.set_sampling_strategy.assert_called_once_with("x", "event")

    @gen_test
    def test_listeners(self):
        results = yield self.container.set_sensor_listener("res-2.int.sensor-1", len)
        self.assertEqual(results, {"res-2.int": {"sensor_1": len}})
        child = self.container.children.res_2_int
        child.set_sensor_listener.assert_called_once_with("sensor_1", len)
        self.assertFalse(self.container.children.client1.set_sensor_listener.called)
        child.set_sensor_listener.side_effect = ValueError("no")
        with LogRecorder("katcp.resource_client") as log:
            results = yield self.container.set_sensor_listener("res_2_int_sensor_1", len)
        self.assertEqual(results, {"res-2.int": {"sensor_1": None}})
        self.assertEqual(len(log.messages), 1)
        self.assertEqual((yield self.container.set_sensor_listener("unknown", len)), {})


class TestLoops(AsyncTestCase):
    def test_the_one_that_was_set(self):
        loop = compat.new_ioloop()
        self.addCleanup(loop.close)
        container = make_container()
        container.set_ioloop(loop)
        self.assertIsNot(IOLoop.current(), loop)
        container.start()
        self.addCleanup(container.stop)
        self.assertIs(container.ioloop, loop)
        for child in container.children.values():
            self.assertIs(child.ioloop, loop)

    def test_the_current_one(self):
        container = make_container()
        self.assertIs(container.ioloop, self.io_loop)
        container.start()
        self.addCleanup(container.stop)
        self.assertIs(container.children.client1.ioloop, self.io_loop)

    @gen_test
    def test_the_running_one(self):
        other = compat.new_ioloop()
        self.addCleanup(other.close)
        with mock.patch.object(compat, "current_ioloop", return_value=other):
            container = make_container()
        self.assertIs(container.ioloop, other)
        container.start()
        self.assertIs(container.ioloop, self.io_loop)
        container.stop()
        yield container.until_stopped()

    def test_stopping_goes_on_after_an_error(self):
        container = make_container()
        for child in container.children.values():
            child.stop = mock.Mock(side_effect=ValueError)
        with LogRecorder("katcp.resource_client") as log:
            container.stop()
        self.assertTrue(all(child.stop.called for child in container.children.values()))
        self.assertEqual(log.messages[1], "Exception stopping child 'client1'")


class TestWithDevice(ResourceTestCase):
    protocol = BULK_PROTOCOL

    @timewarp_test
    def test_all_together(self):
        container = yield self.synced_container(groups={"all.of-them": ["client-1", "client.2"]})
        self.assertTrue(container.is_connected())
        self.assertEqual(sorted(container.sensor),
                         ["client_1_a_string", "client_1_an_int", "client_2_a_string", "client_2_an_int"])
        self.assertEqual(sorted(container.req),
                         ["client_1_help", "client_1_watchdog", "client_2_help", "client_2_watchdog"])
        self.assertTrue((yield container.req.client_2_watchdog()))
        self.assertTrue((yield container.groups.all_of_them.req.watchdog()))
        self.assertEqual((yield container.sensor.client_1_an_int.get_value()), 3)

    @timewarp_test
    def test_strategies_in_few_requests(self):
        container = yield self.synced_container()
        results = yield container.set_sampling_strategies("", "event")
        self.assertEqual(results, dict.fromkeys(
            ("client-1", "client.2"), {"an_int": "event", "a_string": "event"}))
        self.assertEqual(self.device.samplings, ["a.string,an.int event"] * 2)
        self.assertEqual(container.sensor.client_2_an_int.value, 3)
        results = yield container.set_sampling_strategy("client-1.an.int", "auto")
        self.assertEqual(results, {"client-1": {"an_int": "auto"}})
        self.assertEqual(self.device.samplings[2:], ["an.int auto"])

    @timewarp_test
    def test_timeout_of_syncing(self):
        container = self.make_container()
        container.start()
        self.device.held.add("help")
        waiting = container.until_synced(0.001)
        yield self.move_clock(0.002)
        with self.assertRaises(gen.TimeoutError):
            yield waiting
        self.device.release()
        yield container.until_synced(0.5)

    @timewarp_test
    def test_stopping(self):
        container = yield self.synced_container()
        container.stop()
        stopped = container.until_stopped()
        self.assertIsInstance(stopped, dict)
        self.assertEqual(sorted(stopped), ["client_1", "client_2"])
        self.assertEqual((yield stopped), {"client_1": True, "client_2": True})

    @timewarp_test
    def test_children_that_come_and_go(self):
        container = yield self.synced_container(groups={"group": ["client-1", "client.2"]})
        new = container.add_child_resource_client(
            "new", {"address": self.device.address, "controlled": True})
        yield container.until_synced()
        self.assertIn("new_an_int", container.sensor)
        removed = container.remove_child_resource_client("client-1")
        yield removed.until_stopped()
        self.assertEqual([child.state for child in (new, removed)], ["synced", "disconnected"])
        self.assertNotIn("client_1_an_int", container.sensor)
        self.assertEqual(sorted((yield container.groups.group.req.watchdog())), ["client.2"])
