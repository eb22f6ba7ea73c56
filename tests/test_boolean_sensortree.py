"""Tests of the sensor tree in which a parent is true if all its children are."""

from __future__ import absolute_import, division, print_function

import doctest
import unittest

import katcp.boolean_sensortree
from katcp.sensor import Sensor
from katcp.sensortree import BooleanSensorTree
from tests.support import mock
from tests.support.sampling import in_thread


class TestModule(unittest.TestCase):
    def test_examples(self):
        failed, attempted = doctest.testmod(katcp.boolean_sensortree)
        self.assertEqual(failed, 0)
        self.assertTrue(attempted)


class TestBooleanSensorTree(unittest.TestCase):
    def setUp(self):
        self.tree = BooleanSensorTree()
        self.sensors = [Sensor.boolean("s%d" % i) for i in range(4)]

    def assert_values(self, letters):
        self.assertEqual("".join("FT"[sensor.value()] for sensor in self.sensors), letters)

    def test_sequence(self):
        tree, (s0, s1, s2, s3) = self.tree, self.sensors
        tree.add(s0, s1)
        tree.add(s0, s2)
        tree.add(s1, s3)
        self.assert_values("FFFF")
        s3.set_value(True)
        self.assert_values("FTFT")
        s2.set_value(True)
        self.assert_values("TTTT")
        s3.set_value(False)
        self.assert_values("FFTF")
        s2.set_value(False)
        self.assert_values("FFFF")
        s3.set_value(True)
        tree.remove(s0, s2)
        self.assert_values("TTFT")
        s3.set_value(False)
        tree.remove(s1, s3)
        self.assert_values("TTFF")
        s1.set_value(False)
        tree.remove(s0, s1)
        self.assert_values("TFFF")
        self.assertEqual((tree._child_to_parents, tree._parent_to_children), ({}, {}))
        self.assertEqual(tree._parent_to_not_ok, {})
        for sensor in self.sensors:
            self.assertEqual(sensor._observers, set())

    def test_only_values_count(self):
        tree, (s0, s1) = self.tree, self.sensors[:2]
        tree.add(s0, s1)
        s1.set(1, Sensor.FAILURE, True)
        self.assertEqual(s0.read()[1:], (Sensor.NOMINAL, True))
        s1.set(1, Sensor.UNKNOWN, 0)
        self.assertEqual(s0.read()[1:], (Sensor.NOMINAL, False))

    def test_one_set_for_each_update(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        tree.add(s0, s1)
        tree.add(s0, s2)
        observer = mock.Mock()
        s0.attach(observer)
        s1.set_value(True)
        s1.set_value(True)
        s2.set_value(True)
        self.assertEqual([call[0][1].value for call in observer.update.call_args_list], [False, False, True])

    def test_not_boolean(self):
        tree, (s0, s1) = self.tree, self.sensors[:2]
        other = Sensor.integer("other")
        with self.assertRaises(ValueError) as caught:
            tree.add(other, s1)
        self.assertEqual(str(caught.exception), "Parent sensor %r is not boolean" % (other,))
        with self.assertRaises(ValueError) as caught:
            tree.add(s0, other)
        self.assertEqual(str(caught.exception), "Child sensor %r is not boolean" % (other,))
        self.assertRaises(ValueError, tree.add_links, s0, [s1, other])
        self.assertEqual((tree._child_to_parents, tree._parent_to_children), ({}, {}))
        self.assertEqual(tree._parent_to_not_ok, {})
        self.assertEqual(s0._observers, set())

    def test_unknown_sensors(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        for error in ValueError, KeyError:
            self.assertRaises(error, tree.remove, s0, s1)
            self.assertRaises(error, tree.remove_links, s0, [s1])
        with self.assertRaises(ValueError) as caught:
            tree.remove(s0, s1)
        self.assertEqual(str(caught.exception), "Parent sensor %r not in tree." % (s0,))
        tree.add(s0, s1)
        tree.remove(s0, s2)
        tree.remove(s0, None)
        self.assertEqual(tree.children(s0), set([s1]))
        self.assert_values("FFFF")
        tree.recalculate(s2, (s1,))
        self.assert_values("FFFF")

    def test_links(self):
        tree, (s0, s1, s2, s3) = self.tree, self.sensors
        tree.add_links(s0, (sensor for sensor in (s1, s2)))
        s1.set_value(True)
        self.assert_values("FTFF")
        tree.remove_links(s0, (sensor for sensor in (s2, s3)))
        self.assert_values("TTFF")
        tree.remove_links(s0, [s1])
        self.assertEqual(tree._parent_to_not_ok, {})

    def test_set_by_hand(self):
        tree, (s0, s1) = self.tree, self.sensors[:2]
        tree.add(s0, s1)
        s0.set_value(True)
        self.assert_values("TFFF")
        s1.set_value(False)
        self.assert_values("FFFF")

    def test_child_set_by_another_thread_meanwhile(self):
        # After its value was looked at, before that is taken note of.
        tree, (s0, s1) = self.tree, self.sensors[:2]
        tree.add(s0, s1)
        is_false_child = tree._is_false_child

        def interrupted(parent, child):
            tree._is_false_child = is_false_child
            is_false = is_false_child(parent, child)
            in_thread(s1.set_value, False)
            return is_false

        tree._is_false_child = interrupted
        s1.set_value(True)
        self.assert_values("FFFF")
        self.assertEqual(tree._parent_to_not_ok[s0], set([s1]))

    def test_parent_set_by_another_thread_meanwhile(self):
        # After its value was worked out, before it is set.
        tree, (s0, s1) = self.tree, self.sensors[:2]
        tree.add(s0, s1)
        plain_set_value = s0.set_value

        def interrupted(value):
            s0.set_value = plain_set_value
            in_thread(s1.set_value, False)
            plain_set_value(value)

        s0.set_value = interrupted
        s1.set_value(True)
        self.assert_values("FFFF")

    def test_parent_left_and_came_back_meanwhile(self):
        # After its value was worked out, before it is set.
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        tree.add(s0, s1)
        plain_set_value = s0.set_value

        def interrupted(value):
            s0.set_value = plain_set_value
            in_thread(tree.remove, s0, s1)
            in_thread(tree.add, s0, s2)
            plain_set_value(value)

        s0.set_value = interrupted
        s1.set_value(True)
        self.assert_values("FTFF")

    def test_parent_left_meanwhile(self):
        tree, (s0, s1) = self.tree, self.sensors[:2]
        tree.add(s0, s1)
        plain_set_value = s0.set_value

        def interrupted(value):
            s0.set_value = plain_set_value
            in_thread(tree.remove, s0, s1)
            plain_set_value(value)

        s0.set_value = interrupted
        s1.set_value(False)
        self.assertNotIn(s0, tree)

    def test_rules_run_without_lock(self):
        # Else two trees that set one another's sensors could wait for each other.
        tree, (s0, s1, s2, s3) = self.tree, self.sensors
        tree.add(s0, s1)
        tree.add(s2, s3)
        observer = mock.Mock()
        observer.update.side_effect = lambda *args: in_thread(s3.set_value, True)
        s0.attach(observer)
        s1.set_value(True)
        self.assert_values("TTTT")
