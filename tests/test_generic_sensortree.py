"""Tests of the links and updates that all sensor trees share."""

from __future__ import absolute_import, division, print_function

import copy
import threading
import unittest

from katcp.sensor import Sensor
from katcp.sensortree import GenericSensorTree
from tests.support import mock


class RecordingTree(GenericSensorTree):
    """Tree that counts up its parents, and keeps the calls of `recalculate`."""

    def __init__(self):
        super(RecordingTree, self).__init__()
        self.calls = []

    def recalculate(self, parent, updates):
        self.calls.append((parent, updates))
        parent.set_value(parent.value() + 1)


class TestGenericSensorTree(unittest.TestCase):
    def setUp(self):
        self.tree = RecordingTree()
        self.sensors = [Sensor.integer("s%d" % i) for i in range(5)]

    def assert_calls(self, *calls):
        self.assertEqual(self.tree.calls, list(calls))
        del self.tree.calls[:]

    def test_links(self):
        tree, (s1, s2) = self.tree, self.sensors[:2]
        children = [s2]
        tree.add_links(s1, children)
        self.assertIs(tree.calls[0][1], children)
        self.assert_calls((s1, [s2]))
        self.assertEqual(s1._observers, set([tree]))
        self.assertEqual(s2._observers, set([tree]))
        self.assertEqual((tree.children(s1), tree.children(s2)), (set([s2]), set()))
        self.assertEqual((tree.parents(s1), tree.parents(s2)), (set(), set([s1])))
        self.assertIn(s1, tree)
        tree.remove_links(s1, [s2])
        self.assert_calls((s1, [s2]))
        for sensor in s1, s2:
            self.assertEqual(sensor._observers, set())
            self.assertNotIn(sensor, tree)
            with self.assertRaises(ValueError) as caught:
                tree.children(sensor)
            self.assertEqual(str(caught.exception), "Parent sensor %r not in tree." % (sensor,))
            with self.assertRaises(ValueError) as caught:
                tree.parents(sensor)
            self.assertEqual(str(caught.exception), "Child sensor %r not in tree." % (sensor,))
        self.assertEqual((tree._child_to_parents, tree._parent_to_children), ({}, {}))

    def test_answers_are_copies(self):
        tree, (s1, s2) = self.tree, self.sensors[:2]
        tree.add_links(s1, [s2])
        tree.children(s1).clear()
        tree.parents(s2).clear()
        self.assertEqual((tree.children(s1), tree.parents(s2)), (set([s2]), set([s1])))

    def test_contains(self):
        self.assertNotIn(None, self.tree)
        self.assertNotIn("a", self.tree)
        self.assertRaises(TypeError, lambda: [] in self.tree)

    def test_error_texts_of_odd_arguments(self):
        for method in self.tree.children, self.tree.parents:
            with self.assertRaises(ValueError) as caught:
                method((1, 2))
            self.assertIn("(1, 2)", str(caught.exception))

    def test_update(self):
        tree, (s1, s2, s3) = self.tree, self.sensors[:3]
        tree.add_links(s1, [s2, s3])
        self.assert_calls((s1, [s2, s3]))
        s2.set_value(7)
        self.assert_calls((s1, (s2,)))
        s1.set_value(7)
        self.assert_calls()
        # Not in the tree (any more)
        tree.update(self.sensors[4], self.sensors[4].read())
        self.assert_calls()

    def test_update_goes_up(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        tree.add_links(s1, [s2])
        tree.add_links(s0, [s1])
        self.assert_calls((s1, [s2]), (s0, [s1]))
        s2.set_value(7)
        self.assert_calls((s1, (s2,)), (s0, (s1,)))

    def test_diamond(self):
        tree, (top, left, right, leaf) = self.tree, self.sensors[:4]
        tree.add_links(top, [left, right])
        tree.add_links(left, [leaf])
        tree.add_links(right, [leaf])
        del tree.calls[:]
        leaf.set_value(1)
        self.assertEqual(sorted(parent.name for parent, _ in tree.calls), ["s0", "s0", "s1", "s2"])

    def test_recalculates_always(self):
        tree, (s1, s2) = self.tree, self.sensors[:2]
        tree.add_links(s1, [])
        self.assertIn(s1, tree)
        tree.add_links(s1, [s2])
        tree.add_links(s1, [s2])
        tree.remove_links(s2, [s1])
        tree.remove_links(s1, [s2])
        tree.remove_links(s1, [s2])
        self.assert_calls((s1, []), (s1, [s2]), (s1, [s2]), (s2, [s1]), (s1, (s2,)), (s1, [s2]), (s1, [s2]))

    def test_lone_parent_leaves(self):
        tree, s1 = self.tree, self.sensors[0]
        tree.add_links(s1, [])
        self.assertEqual(s1._observers, set([tree]))
        tree.remove_links(s1, [])
        self.assertNotIn(s1, tree)
        self.assertEqual(s1._observers, set())

    def test_still_linked_sensors_stay(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        tree.add_links(s0, [s1])
        tree.add_links(s1, [s2])
        tree.remove_links(s1, [s2, self.sensors[4]])
        self.assertIn(s1, tree)
        self.assertNotIn(s2, tree)
        self.assertEqual(tree.parents(s1), set([s0]))
        self.assertEqual(s1._observers, set([tree]))

    def test_generator_of_children(self):
        tree, (s1, s2) = self.tree, self.sensors[:2]
        tree.add_links(s1, (sensor for sensor in [s2]))
        self.assertEqual(list(tree.calls[0][1]), [])
        self.assertEqual(tree.children(s1), set([s2]))

    def test_links_added_during_update(self):
        tree, (s1, s2, s3) = self.tree, self.sensors[:3]
        tree.add_links(s1, [s2])
        observer = mock.Mock()
        observer.update.side_effect = lambda sensor, reading: tree.add_links(s3, [s2])
        s1.attach(observer)
        s2.set_value(3)
        self.assertEqual(tree.parents(s2), set([s1, s3]))

    def test_links_removed_during_update(self):
        tree, (s1, s2, s3) = self.tree, self.sensors[:3]
        for parent in s1, s3:
            tree.add_links(parent, [s2])
        del tree.calls[:]
        parents = {s1: s3, s3: s1}
        recalculate = tree.recalculate

        def recalculate_and_unlink(parent, updates):
            recalculate(parent, updates)
            if updates == (s2,):
                tree.remove_links(parents[parent], [s2])

        tree.recalculate = recalculate_and_unlink
        s2.set_value(3)
        # The update itself, and the unlinking
        self.assertEqual(len(tree.calls), 2)
        self.assertEqual(len(tree.parents(s2)), 1)

    def test_errors_reach_the_caller(self):
        tree, (s1, s2) = self.tree, self.sensors[:2]
        tree.recalculate = mock.Mock(side_effect=KeyError("mine"))
        self.assertRaises(KeyError, tree.add_links, s1, [s2])
        # But the links are there, and alive.
        self.assertEqual(tree.children(s1), set([s2]))
        self.assertRaises(KeyError, s2.set_value, 3)
        self.assertEqual(s2.value(), 3)
        del tree.recalculate
        s2.set_value(4)
        self.assert_calls((s1, (s2,)))
        tree.recalculate = mock.Mock(side_effect=KeyError("mine"))
        self.assertRaises(KeyError, tree.remove_links, s1, [s2])
        self.assertEqual(s2._observers, set())

    def test_one_failing_parent_does_not_keep_others_from_updates(self):
        tree, (s1, s2, s3, leaf) = self.tree, self.sensors[:4]
        for parent in s1, s2, s3:
            tree.add_links(parent, [leaf])
        recalculate = tree.recalculate
        failed = []

        def fail_twice(parent, updates):
            recalculate(parent, updates)
            if len(failed) < 2:
                failed.append(parent)
                raise RuntimeError("mine %d" % len(failed))

        tree.recalculate = fail_twice
        with mock.patch("katcp.generic_sensortree.log") as log:
            with self.assertRaises(RuntimeError) as caught:
                leaf.set_value(5)
        self.assertEqual(str(caught.exception), "mine 1")
        log.exception.assert_called_once_with("Recalculating %r failed as well" % (failed[1],))
        self.assertEqual([sensor.value() for sensor in (s1, s2, s3)], [2, 2, 2])

    def test_not_a_sensor(self):
        tree, (s1, s2, s3) = self.tree, self.sensors[:3]
        self.assertRaises(AttributeError, tree.add_links, s1, [s2, "s3"])
        self.assertRaises(TypeError, tree.add_links, s1, s2)
        self.assert_calls()
        self.assertEqual((tree._child_to_parents, tree._parent_to_children), ({}, {}))
        self.assertEqual(s1._observers | s2._observers, set())
        # What is there stays as it is.
        tree.add_links(s1, [s2])
        self.assertRaises(AttributeError, tree.add_links, s1, [s3, "s3"])
        self.assertEqual(tree.children(s1), set([s2]))
        self.assertEqual(s1._observers, set([tree]))

    def test_copies(self):
        tree, (s1, s2) = self.tree, self.sensors[:2]
        tree.add_links(s1, [s2])
        copied = copy.deepcopy(s2)
        copied.set_value(3)
        self.assert_calls((s1, [s2]))
        copied_tree, = copied._observers
        copied_parent, = copied_tree.parents(copied)
        self.assertEqual((s1.value(), copied_parent.value()), (1, 2))
        copied_tree.remove_links(copied_parent, [copied])
        self.assertEqual((copied._observers, s2._observers), (set(), set([tree])))

    def test_base_does_not_recalculate(self):
        self.assertRaises(NotImplementedError, GenericSensorTree().add_links, *[self.sensors[0], []])

    def test_cycles(self):
        tree, (s0, s1, s2, s3) = self.tree, self.sensors[:4]
        tree.add_links(s0, [s1])
        tree.add_links(s1, [s2])
        del tree.calls[:]
        for parent, children in ((s2, [s0]), (s2, [s3, s0]), (s1, [s0]), (s2, [s2]), (s3, [s3])):
            self.assertRaises(ValueError, tree.add_links, parent, children)
        self.assert_calls()
        self.assertNotIn(s3, tree)
        self.assertEqual(tree.children(s2), set())
        self.assertEqual(s3._observers, set())
        # Diamonds are none.
        tree.add_links(s0, [s2])

    def test_circles_through_several_trees_end_soon(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        other_tree = RecordingTree()
        for parent in s1, s2:
            tree.add_links(parent, [s0])
        recalculate = tree.recalculate

        def give_up(parent, updates):
            if len(tree.calls) > 10000:
                raise SystemExit("This would take for ever")
            recalculate(parent, updates)

        tree.recalculate = give_up
        self.assertRaises(RuntimeError, other_tree.add_links, s0, [s1, s2])

    def test_hooks(self):
        hooked = []

        class Tree(RecordingTree):
            def _add_sensor(self, sensor):
                hooked.append(("add", sensor))
                super(Tree, self)._add_sensor(sensor)

            def _remove_sensor(self, sensor):
                hooked.append(("remove", sensor))
                super(Tree, self)._remove_sensor(sensor)

        tree, (s1, s2, s3) = Tree(), self.sensors[:3]
        tree.add_links(s1, [s2, s3])
        tree.remove_links(s1, [s3])
        tree.remove_links(s1, [s2])
        self.assertEqual(hooked, [("add", s1), ("add", s2), ("add", s3), ("remove", s3), ("remove", s1),
                                  ("remove", s2)])

    def test_threads_change_links(self):
        tree = self.tree
        tree.recalculate = lambda parent, updates: None
        leaf = Sensor.integer("leaf")
        parents = [Sensor.integer("p%d" % i) for i in range(4)]
        errors = []

        def work(parent):
            try:
                for _ in range(300):
                    tree.add_links(parent, [leaf])
                    leaf.set_value(1)
                    tree.remove_links(parent, [leaf])
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(parent,)) for parent in parents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        self.assertEqual((tree._child_to_parents, tree._parent_to_children), ({}, {}))
        self.assertEqual(leaf._observers, set())
