from __future__ import absolute_import, division, print_function

import copy
import gc
import pickle
import unittest
import weakref

from katcp.attrdict import AttrDict, DefaultAttrDict


class TestAttrDict(unittest.TestCase):
    def test_construction(self):
        self.assertEqual(AttrDict(), {})
        self.assertEqual(AttrDict({"a": 1}, b=2), {"a": 1, "b": 2})
        self.assertEqual(AttrDict([("a", 1)]).a, 1)

    def test_items_and_attributes_are_the_same(self):
        d = AttrDict(a=1)
        self.assertEqual(d.a, 1)
        d.b = 2
        self.assertEqual(d["b"], 2)
        d["c"] = 3
        self.assertEqual(d.c, 3)
        del d.a
        self.assertNotIn("a", d)
        del d["b"]
        self.assertFalse(hasattr(d, "b"))
        self.assertEqual(d, {"c": 3})

    def test_missing(self):
        d = AttrDict()
        with self.assertRaises(AttributeError) as caught:
            d.nothing
        self.assertIn("nothing", str(caught.exception))
        with self.assertRaises(AttributeError):
            del d.nothing
        with self.assertRaises(KeyError):
            d["nothing"]
        self.assertEqual(getattr(d, "nothing", 5), 5)
        self.assertEqual(d, {})

    def test_keys_need_not_be_identifiers(self):
        d = AttrDict({"a b": 1, 2: 3})
        self.assertEqual(getattr(d, "a b"), 1)
        self.assertEqual(d[2], 3)
        self.assertIn("a b", dir(d))

    def test_item_hides_method(self):
        d = AttrDict(a=1)
        self.assertEqual(list(d.items()), [("a", 1)])
        d["items"] = 5
        self.assertEqual(d.items, 5)
        self.assertEqual(sorted(dict.items(d)), [("a", 1), ("items", 5)])
        del d.items
        self.assertEqual(list(d.items()), [("a", 1)])

    def test_item_does_not_hide_special_methods(self):
        d = AttrDict({"__len__": 1, "__reduce_ex__": 2, "__deepcopy__": 3})
        self.assertEqual(d.__len__(), 3)
        self.assertEqual(copy.copy(d), d)
        self.assertEqual(d["__len__"], 1)

    def test_property_of_subclass(self):
        class WithProperty(AttrDict):
            def _get(self):
                return self["raw"]

            def _set(self, value):
                self["raw"] = value

            value = property(_get, _set)

        d = WithProperty(value=1)
        d.value = 2
        self.assertEqual(d, {"value": 1, "raw": 2})
        self.assertEqual(d.value, 2)

    def test_looks_like_a_dict(self):
        d = AttrDict(a=1)
        self.assertEqual(repr(d), repr({"a": 1}))
        self.assertEqual(d, {"a": 1})
        self.assertEqual({"a": 1}, d)
        self.assertIs(type(d.copy()), dict)
        self.assertEqual(vars(d), {"a": 1})
        self.assertIn("a", dir(d))
        self.assertIn("keys", dir(d))

    def check_copy(self, d, duplicate):
        self.assertIs(type(duplicate), type(d))
        self.assertEqual(duplicate, d)
        duplicate.new = 1
        self.assertEqual(duplicate["new"], 1)
        self.assertNotIn("new", d)
        duplicate["a"] = "other"
        self.assertEqual(duplicate.a, "other")

    def test_copies(self):
        for items in ({"a": [1]}, {"a": [1], "items": 2, "keys": 3, "update": 4, "copy": 5}):
            d = AttrDict(items)
            self.check_copy(d, copy.copy(d))
            self.check_copy(d, copy.deepcopy(d))
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                self.check_copy(d, pickle.loads(pickle.dumps(d, protocol)))
            self.assertIs(copy.copy(d)["a"], d["a"])
            self.assertIsNot(copy.deepcopy(d)["a"], d["a"])

    def test_copy_of_recursive_dict(self):
        d = AttrDict()
        d.me = d
        duplicate = copy.deepcopy(d)
        self.assertIs(duplicate.me, duplicate)
        self.assertIsNot(duplicate, d)

    def test_no_reference_cycle(self):
        gc.collect()
        gc.disable()
        try:
            for cls in (AttrDict, DefaultAttrDict):
                d = cls()
                d.a = 1
                ref = weakref.ref(d)
                del d
                self.assertIsNone(ref())
        finally:
            gc.enable()


class TestDefaultAttrDict(unittest.TestCase):
    def test_factory(self):
        d = DefaultAttrDict(list)
        d.a.append(1)
        self.assertEqual(d, {"a": [1]})
        d["b"].append(2)
        self.assertEqual(d.b, [2])
        self.assertTrue(hasattr(d, "c"))
        self.assertIn("c", d)

    def test_items_and_attributes_are_the_same(self):
        d = DefaultAttrDict(int, {"a": 1})
        d.b = 2
        self.assertEqual((d.a, d["b"]), (1, 2))
        del d.a
        self.assertEqual(dict(d), {"b": 2})

    def test_without_factory(self):
        d = DefaultAttrDict()
        with self.assertRaises(KeyError):
            d.a
        with self.assertRaises(KeyError):
            d["a"]
        d.a = 1
        self.assertEqual(d.a, 1)

    def test_default_factory_is_no_item(self):
        d = DefaultAttrDict(list)
        self.assertIs(d.default_factory, list)
        d.default_factory = dict
        self.assertEqual(d.a, {})
        self.assertEqual(dict(d), {"a": {}})

    def test_special_names_make_no_items(self):
        d = DefaultAttrDict(list)
        self.assertFalse(hasattr(d, "__deepcopy__"))
        self.assertFalse(hasattr(d, "__fspath__"))
        self.assertEqual(dict(d), {})

    def test_copies(self):
        for items in ({"a": [1]}, {"a": [1], "items": 2, "keys": 3, "update": 4, "copy": 5}):
            d = DefaultAttrDict(list, items)
            duplicates = [copy.copy(d), copy.deepcopy(d)]
            duplicates += [pickle.loads(pickle.dumps(d, protocol))
                           for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
            for duplicate in duplicates:
                self.assertIs(type(duplicate), DefaultAttrDict)
                self.assertEqual(duplicate, d)
                self.assertIs(duplicate.default_factory, list)
                duplicate.new.append(1)
                self.assertEqual(duplicate["new"], [1])
                self.assertNotIn("new", d)
