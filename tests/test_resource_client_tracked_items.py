"""Dictionaries that make their changes known, and those who need not look at all of them each time."""

from __future__ import absolute_import, division, print_function

import copy
import pickle
import random
import unittest

from katcp.attrdict import AttrDict, DefaultAttrDict
from katcp.resource_client import KATCPClientResource, KATCPClientResourceContainer, tracked_items
from katcp.resource_client.tracked_items import TrackedAttrDict, TrackedMadeUpItems, state_of
from tests.support import mock


class Item(object):
    """A sensor or request as far as containers look at it."""

    description = "An item."


class TestTrackedItems(unittest.TestCase):
    def setUp(self):
        self.items = TrackedAttrDict(a=1, b=2)

    def change(self, function, *args, **kwargs):
        """Call a function that is to be seen as a change of the items."""
        state, latest = state_of(self.items), tracked_items.latest_change
        result = function(*args, **kwargs)
        self.assertIsNot(tracked_items.latest_change, latest)
        self.assertNotEqual(state_of(self.items), state)
        self.assertEqual(state_of(self.items), state_of(self.items))
        return result

    def test_changes(self):
        items = self.items
        self.change(items.__setitem__, "a", 1)
        self.change(setattr, items, "c", 3)
        self.change(items.__delitem__, "c")
        self.change(delattr, items, "b")
        self.assertEqual(self.change(items.setdefault, "d", 4), 4)
        self.assertIsNone(self.change(items.setdefault, "e"))
        self.assertEqual(self.change(items.pop, "d"), 4)
        self.assertEqual(self.change(items.pop, "d", 5), 5)
        self.change(items.update, {"f": 6}, g=7)
        self.change(items.__ior__, {"h": 8})
        self.assertIs(items.__ior__({}), items)
        self.assertEqual(items, {"a": 1, "e": None, "f": 6, "g": 7, "h": 8})
        number = len(items)
        self.assertIn(self.change(items.popitem)[0], "aefgh")
        self.assertEqual(len(items), number - 1)
        self.change(items.clear)
        self.assertEqual(items, {})
        self.change(self.assertRaises, ZeroDivisionError, items.update, ((i, 1 // (1 - i)) for i in range(2)))
        self.assertEqual(items, {0: 1})

    def test_what_is_no_change(self):
        latest, state = tracked_items.latest_change, state_of(self.items)
        self.assertEqual((self.items.a, self.items["b"], self.items.get("c")), (1, 2, None))
        for attempt in (lambda: self.items.pop("c"), lambda: self.items["c"]):
            self.assertRaises(KeyError, attempt)
        with self.assertRaises(KeyError):
            del self.items["c"]
        self.assertEqual(sorted(self.items), ["a", "b"])
        self.assertIs(tracked_items.latest_change, latest)
        self.assertEqual(state_of(self.items), state)

    def test_one_changes(self):
        other = TrackedAttrDict()
        state = state_of(self.items)
        other["a"] = 1
        self.assertEqual(state_of(self.items), state)

    def test_it_is_an_attrdict(self):
        self.assertIsInstance(self.items, AttrDict)
        self.assertEqual(repr(TrackedAttrDict(a=1)), "{'a': 1}")
        with self.assertRaises(AttributeError) as caught:
            self.items.x
        self.assertEqual(str(caught.exception), "'AttrDict' object has no attribute 'x'")
        for duplicate in (copy.copy(self.items), copy.deepcopy(self.items),
                          pickle.loads(pickle.dumps(self.items, 2))):
            self.assertIs(type(duplicate), TrackedAttrDict)
            self.assertEqual(duplicate, self.items)
            self.assertNotEqual(state_of(duplicate), state_of(self.items))

    def test_items_named_like_methods(self):
        for name in ("update", "pop", "clear", "setdefault"):
            self.change(self.items.__setitem__, name, 1)
            self.assertEqual(getattr(self.items, name), 1)
            self.change(dict.__getattribute__(self.items, "__delitem__"), name)

    def test_made_up_items(self):
        self.items = TrackedMadeUpItems(Item)
        self.assertIsInstance(self.items, DefaultAttrDict)
        state = state_of(self.items)
        self.assertIsInstance(self.items.a, Item)
        self.assertEqual((self.items, state_of(self.items)), ({}, state))
        self.change(self.items.__setitem__, "a", 1)
        self.assertEqual(self.items.a, 1)

    def test_other_dictionaries(self):
        self.assertEqual(state_of({}), state_of(AttrDict()))
        self.assertNotEqual(state_of({}), state_of({"a": 1}))


def make_container(number, **kwargs):
    names = ["m-%d" % i for i in range(number)]
    return KATCPClientResourceContainer({
        "name": "array", "clients": dict((name, {"address": ("localhost", 1)}) for name in names),
        "groups": {"all": names}}, **kwargs)


class TestLooks(unittest.TestCase):
    """How often a container and a group look at their children."""

    def setUp(self):
        self.container = make_container(8)
        for child in self.container.children.values():
            child.sensor["a"], child.req["a"] = Item(), Item()
        self.looks = 0

    def count_looks(self):
        """Return a context manager, from which on reading a child's items counts."""
        def counted(attr):
            def read(child):
                self.looks += 1
                return getattr(child, attr)
            return property(read)

        return mock.patch.multiple(KATCPClientResource, sensor=counted("_sensor"), req=counted("_req"))

    def read(self):
        for items in (self.container.sensor, self.container.sensors, self.container.req):
            self.assertEqual(len(items), 8)
            self.assertIsInstance(items.m_3_a, Item)
        self.assertEqual(list(self.container.groups.all.req), ["a"])

    def test_once_is_enough(self):
        with self.count_looks():
            self.read()
            self.assertGreater(self.looks, 0)
            self.looks = 0
            for _ in range(100):
                self.read()
            self.assertEqual(self.looks, 0)
            # Changes elsewhere make them look again, which finds nothing new, once.
            sensor = self.container.sensor
            TrackedAttrDict()["x"] = 1
            for _ in range(100):
                self.read()
            self.assertLessEqual(self.looks, 8 * 4)
            self.assertIs(self.container.sensor, sensor)

    def test_children_with_plain_dictionaries(self):
        child = self.container.children.m_3
        child._sensor, child._req = AttrDict(child._sensor), AttrDict(child._req)
        self.container._child_add_sensors(child, [])
        self.read()
        self.read()
        child._sensor["b"] = Item()
        child._req["b"] = Item()
        self.assertIn("m_3_b", self.container.sensor)
        self.assertIn("b", self.container.groups.all.req)

    def test_group_with_other_clients(self):
        group = self.container.groups.all
        self.read()
        child = self.container.children.m_3
        child.req["only"] = Item()
        self.assertIn("only", group.req)
        group.replace_client(child, None)
        self.assertNotIn("only", group.req)
        group.clients = (child,)
        self.assertIn("only", group.req)


class TestAlwaysCurrent(unittest.TestCase):
    def expected(self, container, attr):
        items = {}
        for child_name, child in sorted(container.children.items()):
            for name, item in getattr(child, attr).items():
                items[name if name.startswith("agg_") else child_name + "_" + name] = item
        return items

    def test_whatever_happens(self):
        for seed in range(30):
            chance = random.Random(seed)
            container = make_container(4, logger=mock.Mock())
            container.client_resource_factory = lambda spec, parent, logger: mock.Mock(
                spec=["name", "set_ioloop", "start", "stop", "sensor", "req"], sensor=TrackedAttrDict(),
                req=AttrDict() if chance.random() < 0.3 else TrackedAttrDict())
            for step in range(60):
                what = chance.randrange(8)
                child = chance.choice(list(container.children.values()) or [None])
                attr = chance.choice(["sensor", "req"])
                name = chance.choice(["a", "b", "c", "0_a", "agg_x"])
                if what == 0:
                    new = "m-%d" % chance.randrange(6)
                    made = container.add_child_resource_client(new, {"address": ("localhost", 1)})
                    made.name = new
                elif what == 1 and child is not None:
                    container.remove_child_resource_client(chance.choice(list(container.children)))
                elif what == 2 and child is not None:
                    # The container may be asked before the child tells.
                    getattr(child, attr)[name] = Item()
                elif what == 3 and child is not None:
                    getattr(child, attr).pop(name, None)
                elif what == 4 and child is not None:
                    # As many as before.
                    items = getattr(child, attr)
                    items.pop(name, None)
                    items[chance.choice("de")] = Item()
                    if not isinstance(items, TrackedAttrDict):
                        container._children_dirty = True
                elif what == 5 and child is not None:
                    getattr(child, attr).clear()
                elif what == 6:
                    container.children["by_hand"] = mock.Mock(sensor=TrackedAttrDict(x=step), req={})
                elif what == 7:
                    container.children.pop("by_hand", None)
                if what == 2 and child is not None and not isinstance(getattr(child, attr), TrackedAttrDict):
                    container._children_dirty = True
                for attr in ("sensor", "req"):
                    if chance.random() < 0.7:
                        self.assertEqual(getattr(container, attr), self.expected(container, attr))

    def test_replaced_item(self):
        container = make_container(3)
        child = container.children.m_1
        child.sensor["a"] = Item()
        self.assertIs(container.sensor.m_1_a, child.sensor.a)
        child.sensor["a"] = Item()
        self.assertIs(container.sensor.m_1_a, child.sensor.a)
