from __future__ import absolute_import, division, print_function

import copy
import math
import operator
import pickle
import unittest
import weakref

from katcp import compat
from katcp.object_proxies import (
    AbstractProxy, AbstractWrapper, CallbackProxy, CallbackWrapper, LazyProxy, LazyWrapper,
    ObjectProxy, ObjectWrapper, get_cache, get_callback, set_cache, set_callback)


class Thing(object):
    """A thing."""

    shared = "of the class"

    def __init__(self, value=None):
        self.value = value

    def me(self):
        return self

    def __eq__(self, other):
        return self.value == other.value

    def __hash__(self):
        return hash(self.value)


class Matrix(object):
    def __matmul__(self, other):
        return "product"


class Managed(object):
    entered = None

    def __enter__(self):
        self.entered = True
        return "resource"

    def __exit__(self, exc_type, exc, tb):
        self.entered = False
        return exc_type is KeyError


def all_proxies_of(subject):
    return [cls(subject) for cls in (ObjectProxy, ObjectWrapper)] + [
        cls(lambda: subject) for cls in (CallbackProxy, LazyProxy, CallbackWrapper, LazyWrapper)]


class TestProxies(unittest.TestCase):
    """What holds for all kinds of proxies."""

    def test_hierarchy(self):
        self.assertEqual(ObjectWrapper.__mro__[:4],
                         (ObjectWrapper, ObjectProxy, AbstractWrapper, AbstractProxy))
        self.assertTrue(issubclass(LazyProxy, CallbackProxy))
        self.assertTrue(issubclass(CallbackWrapper, AbstractWrapper))
        self.assertTrue(issubclass(LazyWrapper, (LazyProxy, AbstractWrapper)))

    def test_attributes(self):
        for proxy in all_proxies_of(Thing(3)):
            subject = proxy.__subject__
            subject.value = 3
            self.assertEqual(proxy.value, 3)
            proxy.value = 4
            self.assertEqual(subject.value, 4)
            proxy.new = 5
            self.assertEqual(subject.new, 5)
            del proxy.new
            self.assertFalse(hasattr(subject, "new"))
            self.assertIs(proxy.me(), subject)
            self.assertIs(proxy.__class__, Thing)
            self.assertEqual(proxy.__doc__, "A thing.")
            self.assertIs(proxy.__dict__, subject.__dict__)
            self.assertIsInstance(proxy, Thing)
            self.assertIsInstance(proxy, AbstractProxy)
            self.assertIsNot(type(proxy), Thing)
            self.assertEqual(dir(proxy), dir(subject))
            with self.assertRaises(AttributeError) as caught:
                proxy.missing
            self.assertIn("Thing", str(caught.exception))

    def test_numbers(self):
        for number in (7, -2.5):
            for p in all_proxies_of(number):
                results = [
                    abs(p), int(p), float(p), complex(p), bool(p), -p, +p, p + 2, 2 + p, p - 2, 2 - p,
                    p * 2, 2 * p, p / 2, 2 / p, p // 2, 2 // p, p % 2, 2 % p, p ** 2, 2 ** p,
                    divmod(p, 2), divmod(2, p), repr(p), str(p), hash(p), format(p, "08.3f"),
                    "%s" % p, "%.2f" % p, math.floor(p), math.ceil(p), math.trunc(p), round(p),
                    round(p, 1)]
                p = number
                self.assertEqual(results, [
                    abs(p), int(p), float(p), complex(p), bool(p), -p, +p, p + 2, 2 + p, p - 2, 2 - p,
                    p * 2, 2 * p, p / 2, 2 / p, p // 2, 2 // p, p % 2, 2 % p, p ** 2, 2 ** p,
                    divmod(p, 2), divmod(2, p), repr(p), str(p), hash(p), format(p, "08.3f"),
                    "%s" % p, "%.2f" % p, math.floor(p), math.ceil(p), math.trunc(p), round(p),
                    round(p, 1)])

    def test_integers(self):
        for p in all_proxies_of(6):
            self.assertEqual(
                [~p, p << 1, 1 << p, p >> 1, 100 >> p, p & 3, 3 & p, p | 1, 1 | p, p ^ 3, 3 ^ p,
                 pow(p, 2, 5), operator.index(p), [0] * p, "abcdefg"[p], hex(p), oct(p), range(p)[-1]],
                [-7, 12, 64, 3, 1, 2, 2, 7, 7, 5, 5, 1, 6, [0] * 6, "g", hex(6), oct(6), 5])

    def test_truth_follows_the_subject(self):
        for falsy in (0, "", [], None, False):
            for proxy in all_proxies_of(falsy):
                self.assertFalse(proxy)
        for proxy in all_proxies_of(object()):
            self.assertTrue(proxy)

    def test_comparisons(self):
        for p in all_proxies_of(3):
            self.assertTrue(p == 3 and 3 == p and p != 4 and p < 4 and p <= 3 and p > 2 and p >= 3)
            self.assertFalse(p != 3 or p == 4 or p < 3 or p > 3 or 3 < p)
            for other in all_proxies_of(3):
                self.assertTrue(p == other)
                self.assertFalse(p != other)
            self.assertEqual({3: "x"}[p], "x")

    def test_containers(self):
        for p in all_proxies_of([3, 1, 2]):
            self.assertEqual(
                [len(p), p[0], p[1:], p[:-1], list(p), 3 in p, 5 in p, list(reversed(p)), sorted(p)],
                [3, 3, [1, 2], [3, 1], [3, 1, 2], True, False, [2, 1, 3], [1, 2, 3]])
            p[0] = 9
            p[1:2] = [7, 8]
            del p[-1]
            self.assertEqual(p.__subject__, [9, 7, 8])
            p[:] = [3, 1, 2]

    def test_iterators(self):
        for p in all_proxies_of(iter([])):
            self.assertRaises(StopIteration, next, p)
        p = ObjectProxy(iter([1, 2]))
        self.assertEqual(next(p), 1)
        self.assertEqual(list(p), [2])

    def test_calls(self):
        for p in all_proxies_of(dict):
            self.assertEqual(p([("a", 1)], b=2), {"a": 1, "b": 2})
            self.assertTrue(callable(p))

    def test_context_managers(self):
        for p in all_proxies_of(Managed()):
            with p as resource:
                self.assertEqual(resource, "resource")
                self.assertTrue(p.entered)
                raise KeyError("swallowed")
            self.assertFalse(p.entered)

    def test_matrix_multiplication(self):
        if hasattr(operator, "matmul"):
            self.assertEqual(operator.matmul(ObjectProxy(Matrix()), 3), "product")

    def test_bytes(self):
        self.assertEqual(bytes(ObjectProxy(b"abc")), b"abc")

    def test_copies_are_plain(self):
        for p in all_proxies_of([Thing(1)]):
            for made in (copy.copy(p), copy.deepcopy(p), pickle.loads(pickle.dumps(p, 2))):
                self.assertIs(type(made), list)
                self.assertEqual(made, [Thing(1)])
                self.assertIsNot(made, p.__subject__)

    def test_proxies_of_values_are_not_awaitable(self):
        for p in all_proxies_of(3):
            self.assertFalse(compat.is_awaitable(p))
        for p in all_proxies_of(compat.done_future()):
            self.assertTrue(compat.is_awaitable(p))

    def test_weak_references_are_refused(self):
        self.assertRaises(TypeError, weakref.ref, ObjectProxy([]))


class TestSubjects(unittest.TestCase):

    def test_objects_can_be_replaced(self):
        for cls in (ObjectProxy, ObjectWrapper):
            p = cls(1)
            p.__subject__ = "two"
            self.assertEqual(p, "two")

    def test_in_place_operators(self):
        for p in (ObjectProxy(6), ObjectWrapper(6), LazyProxy(lambda: 6)):
            same = p
            for change, expected in (
                    (operator.iadd, 8), (operator.isub, 6), (operator.imul, 12),
                    (operator.itruediv, 6.0), (operator.ifloordiv, 3.0), (operator.ipow, 9.0),
                    (operator.imod, 1.0)):
                p = change(p, 2)
                self.assertIs(p, same)
                self.assertEqual(p.__subject__, expected)
            p.__subject__ = 6
            for change, expected in (
                    (operator.ilshift, 24), (operator.irshift, 6), (operator.iand, 2),
                    (operator.ior, 2), (operator.ixor, 0)):
                p = change(p, 2)
                self.assertEqual(p.__subject__, expected)
        subject = [1]
        p = ObjectProxy(subject)
        p += [2]
        self.assertIs(p.__subject__, subject)
        self.assertEqual(subject, [1, 2])
        p = ObjectProxy(7)
        p /= 2
        self.assertEqual(p, 3.5)

    def test_callback(self):
        calls = iter(range(1, 10))
        p = CallbackProxy(lambda: next(calls))
        self.assertEqual([p + 0, p + 0, p + 0], [1, 2, 3])
        with self.assertRaises(AttributeError):
            p.__subject__ = 5
        subject = [1]
        p = CallbackProxy(lambda: subject)
        with self.assertRaises(AttributeError):
            p += [2]
        self.assertEqual(subject, [1])
        set_callback(p, lambda: "other")
        self.assertEqual(p, "other")
        self.assertEqual(get_callback(p)(), "other")

    def test_lazy(self):
        calls = []

        def make():
            calls.append(1)
            if len(calls) == 1:
                raise AttributeError("not yet")
            return [len(calls)]

        p = LazyProxy(make)
        self.assertRaises(AttributeError, get_cache, p)
        self.assertRaises(AttributeError, len, p)
        self.assertEqual(p, [2])
        self.assertEqual(p[0], 2)
        self.assertEqual(len(calls), 2)
        self.assertIs(get_cache(p), p.__subject__)
        set_cache(p, "other")
        self.assertEqual(p, "other")
        p.__subject__ = "third"
        self.assertEqual(get_cache(p), "third")


class Wrapper(ObjectWrapper):

    _private = None
    counter = 0

    def __init__(self, subject, private=None):
        self._private = private
        super(Wrapper, self).__init__(subject)

    @property
    def computed(self):
        return self._private, self.__subject__

    def own(self):
        return "own"

    def __iadd__(self, other):
        self.counter += 1
        self.__subject__ += other
        return self

    @property
    def __call__(self):
        return lambda *args: ("called", args)

    def __iter__(self):
        return iter(["mine"])

    def __getitem__(self, key):
        return "item %s" % key


class SlottedWrapper(ObjectWrapper):
    __slots__ = ("extra",)


class Forwarding(ObjectWrapper):
    def __getattr__(self, name):
        return "%s of %s" % (super(Forwarding, self).__getattr__(name), name)


class TestWrappers(unittest.TestCase):

    def test_names_of_the_class_are_the_wrappers(self):
        subject = Thing(3)
        subject.counter = subject._private = subject.own = "subject's"
        w = Wrapper(subject, "secret")
        self.assertEqual((w._private, w.counter, w.own()), ("secret", 0, "own"))
        self.assertEqual(w.computed, ("secret", subject))
        w.counter = 5
        self.assertEqual((w.counter, subject.counter), (5, "subject's"))
        del w.counter
        self.assertEqual(w.counter, 0)
        self.assertEqual(Wrapper.counter, 0)

    def test_other_names_are_the_subjects(self):
        subject = Thing(3)
        w = Wrapper(subject)
        w.value = 4
        w._other = 5
        self.assertEqual((subject.value, subject._other, w._other), (4, 5, 5))
        del w.value
        self.assertFalse(hasattr(subject, "value"))

    def test_undeclared_names_need_a_subject(self):
        class Careless(ObjectWrapper):
            def __init__(self):
                self.undeclared = 1
        with self.assertRaises(AttributeError) as caught:
            Careless()
        self.assertIn("__subject__", str(caught.exception))

    def test_slots(self):
        w = SlottedWrapper(Thing(1))
        w.extra = 4
        self.assertEqual(w.extra, 4)
        self.assertFalse(hasattr(w.__subject__, "extra"))
        del w.extra
        w.__subject__.extra = "subject's"
        self.assertEqual(w.extra, "subject's")

    def test_overridden_special_methods_count_for_operators(self):
        w = Wrapper(6)
        same = w
        w += 1
        self.assertIs(w, same)
        self.assertEqual((w, w.counter), (7, 1))
        self.assertEqual(w(1, 2), ("called", (1, 2)))
        self.assertEqual(list(w), ["mine"])
        self.assertEqual(w[3], "item 3")

    def test_special_names_are_the_subjects(self):
        w = Wrapper([1])
        self.assertEqual(list(w.__iter__()), [1])
        self.assertEqual(w.__class__, list)
        self.assertIs(type(w), Wrapper)

    def test_missing_names_go_through_getattr(self):
        w = Forwarding(Thing("x"))
        self.assertEqual(w.value, "x of value")
        self.assertRaises(AttributeError, getattr, w, "missing")

    def test_plain_names_of_special_methods_are_the_subjects(self):
        class HasNext(object):
            next = "a value"
        self.assertEqual(Wrapper(HasNext()).next, "a value")
        w = Wrapper(HasNext())
        w.next = "another"
        self.assertEqual(w.__subject__.next, "another")

    def test_instances_are_the_wrapped_ones(self):
        subject = Thing(3)
        self.assertIsInstance(Wrapper(subject), Thing)
        self.assertEqual(Wrapper(subject), Wrapper(Thing(3)))
        self.assertIs(Wrapper(subject).__subject__, subject)
