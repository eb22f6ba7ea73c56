"""Views of mappings that wrap the values."""

from __future__ import absolute_import, division, print_function

import copy
import unittest

from katcp.core import AttrDict, DefaultAttrDict
from katcp.resource_client import AttrMappingProxy, MappingProxy


class Wrapped(object):
    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return isinstance(other, Wrapped) and self.value == other.value

    __hash__ = None


class TestMappingProxy(unittest.TestCase):
    cls = MappingProxy

    def setUp(self):
        self.mapping = AttrDict(a=1, b=2)
        self.proxy = self.cls(self.mapping, Wrapped)

    def test_reading(self):
        self.assertEqual(self.proxy["a"], Wrapped(1))
        self.assertEqual(self.proxy.get("b"), Wrapped(2))
        self.assertIsNone(self.proxy.get("c"))
        with self.assertRaises(KeyError) as caught:
            self.proxy["c"]
        self.assertEqual(caught.exception.args, ("c",))
        self.assertEqual(len(self.proxy), 2)
        self.assertIn("a", self.proxy)
        self.assertNotIn("c", self.proxy)
        self.assertEqual(list(self.proxy), list(self.mapping))
        self.assertEqual(list(self.proxy.keys()), list(self.mapping.keys()))
        self.assertEqual(dict(self.proxy.items()), {"a": Wrapped(1), "b": Wrapped(2)})
        self.assertEqual(sorted(value.value for value in self.proxy.values()), [1, 2])

    def test_is_live(self):
        self.mapping["c"] = 3
        del self.mapping["a"]
        self.assertEqual(self.proxy, {"b": Wrapped(2), "c": Wrapped(3)})

    def test_equality(self):
        self.assertEqual(self.proxy, self.cls({"b": 2, "a": 1}, Wrapped))
        self.assertEqual(self.proxy, {"a": Wrapped(1), "b": Wrapped(2)})
        self.assertEqual({"a": Wrapped(1), "b": Wrapped(2)}, self.proxy)
        self.assertNotEqual(self.proxy, {"a": Wrapped(1)})
        self.assertNotEqual(self.proxy, self.mapping)
        self.assertNotEqual(self.proxy, [("a", Wrapped(1)), ("b", Wrapped(2))])
        self.assertFalse(self.proxy == 3)

    def test_is_not_hashable_nor_writable(self):
        self.assertRaises(TypeError, hash, self.proxy)
        with self.assertRaises(TypeError):
            self.proxy["a"] = 3

    def test_changes_while_iterating(self):
        for iterate in (iter, lambda proxy: iter(proxy.values()), lambda proxy: iter(proxy.items())):
            iterator = iterate(self.proxy)
            next(iterator)
            self.mapping["new"] = 1
            self.mapping.pop("a")
            next(iterator)
            self.assertRaises(StopIteration, next, iterator)
            self.mapping.pop("new")
            self.mapping["a"] = 1

    def test_items_that_are_called_like_methods(self):
        self.mapping.update(items=3, keys=4, values=5)
        self.assertEqual(len(list(self.proxy.items())), 5)
        self.assertEqual(len(list(self.proxy.values())), 5)
        self.assertEqual(self.proxy["keys"], Wrapped(4))
        self.assertEqual(self.proxy, self.cls(dict(self.mapping), Wrapped))

    def test_copy(self):
        duplicate = copy.copy(self.proxy)
        self.assertIsInstance(duplicate, self.cls)
        self.assertEqual(duplicate, self.proxy)
        self.mapping["c"] = 3
        self.assertEqual(len(duplicate), 3)

    def test_repr(self):
        self.assertIn(self.cls.__name__, repr(self.proxy))


class TestAttrMappingProxy(TestMappingProxy):
    cls = AttrMappingProxy

    def test_attributes(self):
        self.assertEqual(self.proxy.a, Wrapped(1))
        with self.assertRaises(AttributeError) as caught:
            self.proxy.c
        self.assertIn("'c'", str(caught.exception))
        self.assertEqual(sorted(dir(self.proxy)), ["a", "b"])
        self.assertTrue(hasattr(self.proxy, "b"))
        self.assertFalse(hasattr(self.proxy, "__anything__"))

    def test_methods_come_first(self):
        self.mapping["keys"] = 3
        self.assertEqual(sorted(self.proxy.keys()), ["a", "b", "keys"])

    def test_items_that_are_made_up(self):
        mapping = DefaultAttrDict(lambda: 5, a=1)
        proxy = AttrMappingProxy(mapping, Wrapped)
        self.assertNotIn("b", proxy)
        self.assertEqual(proxy.b, Wrapped(5))
        self.assertEqual(proxy["c"], Wrapped(5))
        self.assertEqual(proxy.get("d"), Wrapped(5))
        self.assertEqual(sorted(proxy), ["a", "b", "c", "d"])
