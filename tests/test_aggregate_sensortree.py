"""Tests of the sensor tree in which each parent has a rule of its own."""

from __future__ import absolute_import, division, print_function

import unittest

from katcp.sensor import Sensor
from katcp.sensortree import AggregateSensorTree
from tests.support import mock
from tests.support.sampling import in_thread


def add_up(parent, children):
    parent.set_value(sum(child.value() for child in children))


class TestAggregateSensorTree(unittest.TestCase):
    def setUp(self):
        self.tree = AggregateSensorTree()
        self.sensors = [Sensor.integer("s%d" % i) for i in range(4)]

    def assert_values(self, *values):
        self.assertEqual(tuple(sensor.value() for sensor in self.sensors[:len(values)]), values)

    def test_basic(self):
        tree, (s0, s1, s2, s3) = self.tree, self.sensors
        tree.add(s0, add_up, (s1,))
        tree.add(s1, add_up, (s2, s3))
        s2.set_value(1)
        self.assert_values(1, 1, 1, 0)
        s3.set_value(2)
        self.assert_values(3, 3, 1, 2)
        tree.remove(s1)
        self.assert_values(3, 3, 1, 2)
        s1.set_value(5)
        self.assert_values(5, 5, 1, 2)
        tree.remove(s0)
        self.assert_values(5, 5, 1, 2)
        s1.set_value(7)
        self.assert_values(5, 7, 1, 2)
        self.assertEqual((tree._child_to_parents, tree._aggregates, tree._runs), ({}, {}, {}))

    def test_relinking(self):
        tree, (s0, s1) = self.tree, self.sensors[:2]
        tree.add(s0, add_up, (s1,))
        s1.set_value(1)
        self.assert_values(1, 1)
        tree.remove_links(s0, [s1])
        tree.add_links(s0, [s1])
        self.assert_values(1, 1)
        s1.set_value(2)
        self.assert_values(2, 2)

    def test_rule_arguments(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        rule = mock.Mock()
        children = [s1]
        tree.add(s0, rule, children)
        rule.assert_called_once_with(s0, [s1])
        self.assertIs(rule.call_args[0][1], children)
        self.assertEqual(tree.fetch(s0), (rule, children))
        self.assertIs(tree.fetch(s0)[1], children)
        children.append(s2)
        s1.set_value(3)
        rule.assert_called_with(s0, [s1, s2])
        self.assertEqual(rule.call_count, 2)
        s2.set_value(3)
        self.assertEqual(rule.call_count, 2)
        self.assertEqual(tree._aggregates, {s0: (rule, children)})

    def test_twice(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        tree.add(s0, add_up, (s1,))
        already = "Sensor %r already has an aggregate rule associated" % (s0,)
        for method, children in ((tree.add, (s2,)), (tree.add_delayed, ("s2",))):
            with self.assertRaises(ValueError) as caught:
                method(s0, add_up, children)
            self.assertEqual(str(caught.exception), already)
        tree.remove(s0)
        with self.assertRaises(ValueError) as caught:
            tree.remove(s0)
        self.assertEqual(str(caught.exception),
                         "Sensor %r does not have an aggregate rule associated" % (s0,))
        tree.add_delayed(s0, add_up, ("s2",))
        self.assertRaises(ValueError, tree.add, s0, add_up, (s1,))
        self.assertRaises(ValueError, tree.add_delayed, s0, add_up, ("s1",))
        self.assertRaises(ValueError, tree.remove, (1, 2))

    def test_fetch_and_recalculate_without_rule(self):
        self.tree.add_delayed(self.sensors[1], add_up, ["missing"])
        for sensor in self.sensors[:2]:
            with self.assertRaises(KeyError) as caught:
                self.tree.fetch(sensor)
            self.assertEqual(caught.exception.args, (sensor,))
            self.assertRaises(KeyError, self.tree.recalculate, sensor, ())
        self.assertEqual(self.tree._runs, {})

    def test_delayed(self):
        tree, (s0, s1, s2, s3) = self.tree, self.sensors
        tree.add_delayed(s0, add_up, ("s1",))
        tree.add_delayed(s1, add_up, ("s2", "s3"))
        self.assert_values(0, 0, 0, 0)
        s2.set_value(1)
        s3.set_value(2)
        self.assert_values(0, 0, 1, 2)
        self.assertNotIn(s0, tree)
        tree.register_sensor(s2)
        self.assertEqual(tree._incomplete_aggregates[s1], (add_up, set(["s3"]), set([s2])))
        self.assertEqual(s2._observers, set())
        self.assertIsNone(tree.register_sensor(s3))
        self.assert_values(0, 3, 1, 2)
        tree.register_sensor(s1)
        self.assert_values(3, 3, 1, 2)
        self.assertEqual(tree._incomplete_aggregates, {})
        self.assertEqual(tree._registered_sensors, {"s1": s1, "s2": s2, "s3": s3})
        self.assertEqual(tree.fetch(s1), (add_up, set([s2, s3])))

    def test_delayed_but_complete(self):
        tree, (s0, s1) = self.tree, self.sensors[:2]
        s1.set_value(3)
        tree.register_sensor(s1)
        tree.add_delayed(s0, add_up, (name for name in ["s1"]))
        self.assert_values(3, 3)
        rule = mock.Mock()
        tree.add_delayed(s1, rule, [])
        rule.assert_called_once_with(s1, set())

    def test_register_twice(self):
        tree, s1 = self.tree, self.sensors[1]
        tree.register_sensor(s1)
        for sensor in s1, Sensor.integer("s1"):
            with self.assertRaises(ValueError) as caught:
                tree.register_sensor(sensor)
            self.assertEqual(str(caught.exception),
                             "Sensor %r already registered with aggregate tree" % (sensor,))
        tree.deregister_sensor(Sensor.integer("s1"))
        with self.assertRaises(ValueError) as caught:
            tree.deregister_sensor(s1)
        self.assertEqual(str(caught.exception), "Sensor 's1' not registered with aggregate tree")

    def test_deregister(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        tree.add_delayed(s0, add_up, ("s1", "s2"))
        tree.register_sensor(s1)
        tree.register_sensor(s2)
        s1.set_value(9)
        s2.set_value(9)
        self.assert_values(18, 9, 9)
        tree.deregister_sensor(s1)
        self.assert_values(9, 9, 9)
        s1.set_value(100)
        s2.set_value(22)
        self.assert_values(9, 100, 22)
        tree.register_sensor(s1)
        s1.set_value(10)
        self.assert_values(32, 10, 22)
        tree.deregister_sensor(s1)
        tree.deregister_sensor(s2)
        s1.set_value(100)
        s2.set_value(100)
        self.assert_values(22, 100, 100)
        tree.register_sensor(s1)
        tree.register_sensor(s2)
        s1.set_value(1)
        s2.set_value(1)
        self.assert_values(2, 1, 1)

    def test_deregister_only_child_of_several(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        tree.add_delayed(s0, add_up, ("s2",))
        tree.add_delayed(s1, add_up, ("s2",))
        tree.register_sensor(s2)
        s2.set_value(3)
        self.assert_values(3, 3, 3)
        tree.deregister_sensor(s2)
        self.assert_values(0, 0, 3)
        self.assertEqual(tree._aggregates, {})
        self.assertEqual(sorted(tree._incomplete_aggregates.values(), key=repr),
                         [(add_up, set(["s2"]), set())] * 2)
        self.assertEqual(tree._child_to_parents, {})
        tree.register_sensor(s2)
        self.assert_values(3, 3, 3)
        s2.set_value(4)
        self.assert_values(4, 4, 4)

    def test_deregister_child_of_boolean_parent(self):
        # The parent has what the rule makes of the others.
        tree = self.tree
        parent, child, other = [Sensor.boolean(name, default=True) for name in ("parent", "child", "other")]

        def all_true(parent, children):
            parent.set_value(all(child.value() for child in children))

        tree.add_delayed(parent, all_true, ("child", "other"))
        tree.register_sensor(child)
        tree.register_sensor(other)
        tree.deregister_sensor(child)
        self.assertIs(parent.value(), True)

    def test_deregister_child_of_incomplete_rule(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        tree.add_delayed(s0, add_up, ("s1", "s2"))
        tree.register_sensor(s1)
        tree.deregister_sensor(s1)
        tree.register_sensor(s2)
        s2.set_value(3)
        self.assert_values(0, 0, 3)
        replacement = Sensor.integer("s1", default=4)
        tree.register_sensor(replacement)
        self.assert_values(7, 0, 3)
        s1.set_value(100)
        self.assert_values(7, 100, 3)

    def test_deregister_child_of_rule_with_sequence(self):
        for children_type in tuple, list, set:
            tree, (s0, s1, s2) = self.tree, self.sensors[:3]
            tree.register_sensor(s1)
            tree.add(s0, add_up, children_type([s1, s2]))
            s1.set_value(1)
            s2.set_value(2)
            self.assert_values(3, 1, 2)
            tree.deregister_sensor(s1)
            self.assert_values(2, 1, 2)
            s2.set_value(5)
            self.assert_values(2, 1, 5)
            self.assertEqual(tree._incomplete_aggregates, {s0: (add_up, set(["s1"]), set([s2]))})
            tree.register_sensor(s1)
            self.assert_values(6, 1, 5)
            tree.remove(s0)
            tree.deregister_sensor(s1)

    def test_deregister_inner_sensor(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        tree.add_delayed(s0, add_up, ("s1",))
        tree.add_delayed(s1, add_up, ("s2",))
        tree.register_sensor(s1)
        tree.register_sensor(s2)
        s2.set_value(3)
        self.assert_values(3, 3, 3)
        tree.deregister_sensor(s2)
        self.assert_values(0, 0, 3)
        s1.set_value(8)
        self.assert_values(8, 8, 3)

    def test_deregister_after_unlinking(self):
        tree, (s0, s1) = self.tree, self.sensors[:2]
        tree.add_delayed(s0, add_up, ("s1",))
        tree.register_sensor(s1)
        tree.remove_links(s0, [s1])
        tree.deregister_sensor(s1)
        s1.set_value(3)
        tree.register_sensor(s1)
        self.assert_values(3, 3)

    def test_deregister_with_failing_rule(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        rule = mock.Mock()
        tree.add_delayed(s0, rule, ("s2",))
        tree.add_delayed(s1, rule, ("s2",))
        tree.register_sensor(s2)
        rule.side_effect = RuntimeError("mine")
        with mock.patch("katcp.generic_sensortree.log") as log:
            self.assertRaises(RuntimeError, tree.deregister_sensor, s2)
        self.assertEqual(log.exception.call_count, 1)
        self.assertEqual(set(tree._incomplete_aggregates), set([s0, s1]))
        self.assertEqual((tree._aggregates, tree._child_to_parents), ({}, {}))

    def test_register_with_failing_rule(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        rule = mock.Mock(side_effect=RuntimeError("mine"))
        tree.add_delayed(s0, rule, ("s2",))
        tree.add_delayed(s1, rule, ("s2",))
        with mock.patch("katcp.generic_sensortree.log") as log:
            self.assertRaises(RuntimeError, tree.register_sensor, s2)
        self.assertEqual(log.exception.call_count, 1)
        self.assertEqual(rule.call_count, 2)
        self.assertEqual(set(tree._aggregates), set([s0, s1]))
        rule.side_effect = add_up
        s2.set_value(3)
        self.assert_values(3, 3, 3)

    def test_failing_rule(self):
        tree, (s0, s1) = self.tree, self.sensors[:2]
        rule = mock.Mock(side_effect=RuntimeError("mine"))
        self.assertRaises(RuntimeError, tree.add, s0, rule, (s1,))
        self.assertRaises(RuntimeError, s1.set_value, 3)
        self.assertEqual(s1.value(), 3)
        rule.side_effect = add_up
        s1.set_value(4)
        self.assert_values(4, 4)
        rule.side_effect = RuntimeError("mine")
        tree.remove(s0)
        self.assertEqual(rule.call_count, 4)
        self.assertEqual((tree._aggregates, tree._child_to_parents, tree._runs), ({}, {}, {}))

    def test_remove_child_of_another(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        tree.add(s0, add_up, (s1,))
        tree.add(s1, add_up, (s2,))
        tree.remove(s1)
        self.assertIn(s1, tree)
        self.assertNotIn(s2, tree)
        tree.add(s1, add_up, (s2,))
        s2.set_value(3)
        self.assert_values(3, 3, 3)

    def test_remove_after_unlinking(self):
        tree, (s0, s1) = self.tree, self.sensors[:2]
        rule = mock.Mock()
        tree.add(s0, rule, (s1,))
        tree.remove_links(s0, [s1])
        self.assertNotIn(s0, tree)
        self.assertEqual(rule.call_count, 2)
        tree.remove(s0)
        self.assertEqual(rule.call_count, 2)
        tree.add(s0, add_up, (s1,))
        s1.set_value(3)
        self.assert_values(3, 3)

    def test_remove_delayed(self):
        tree, (s0, s1) = self.tree, self.sensors[:2]
        tree.add_delayed(s0, add_up, ("s1",))
        tree.remove(s0)
        self.assertRaises(ValueError, tree.remove, s0)
        s1.set_value(3)
        tree.register_sensor(s1)
        self.assert_values(0, 3)

    def test_remove_without_children(self):
        tree, s0 = self.tree, self.sensors[0]
        tree.add(s0, add_up, [])
        self.assertIn(s0, tree)
        tree.remove(s0)
        self.assertNotIn(s0, tree)

    def test_removed_during_update(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        parents = {s0: s1, s1: s0}
        removed = []

        def remove_other(parent, children):
            if s2.value() == 3 and not removed:
                removed.append(parents[parent])
                tree.remove(parents[parent])

        tree.add(s0, remove_other, (s2,))
        tree.add(s1, remove_other, (s2,))
        s2.set_value(3)
        self.assertEqual(list(tree._aggregates), [parents[removed[0]]])

    def test_removed_by_another_thread_meanwhile(self):
        # After the parents were looked up, before the rule is.
        tree, (s0, s1) = self.tree, self.sensors[:2]
        tree.add(s0, add_up, (s1,))
        recalculate = tree.recalculate

        def interrupted(parent, updates):
            del tree.recalculate
            in_thread(tree.remove, s0)
            recalculate(parent, updates)

        tree.recalculate = interrupted
        s1.set_value(3)
        self.assertNotIn(s0, tree)

    def test_cycles(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        tree.add(s0, add_up, (s1,))
        self.assertRaises(ValueError, tree.add, s1, add_up, (s2, s0))
        self.assertEqual(set(tree._aggregates), set([s0]))
        self.assertNotIn(s2, tree)
        tree.add(s1, add_up, (s2,))
        s2.set_value(3)
        self.assert_values(3, 3, 3)
        tree.add_delayed(s2, add_up, ("s0",))
        self.assertRaises(ValueError, tree.register_sensor, s0)
        s2.set_value(4)
        self.assert_values(4, 4, 4)

    def test_references(self):
        class Tree(AggregateSensorTree):
            def _get_sensor_reference(self, sensor):
                return sensor.name.upper()

        tree, (s0, s1) = Tree(), self.sensors[:2]
        tree.add_delayed(s0, add_up, ("S1",))
        tree.register_sensor(s1)
        s1.set_value(3)
        self.assert_values(3, 3)
        self.assertIs(tree._child_from_reference("S1"), s1)
        self.assertIs(tree._child_from_reference("S0"), s0)
        self.assertIsNone(tree._child_from_reference("s1"))
        with self.assertRaises(ValueError) as caught:
            tree.deregister_sensor(s0)
        self.assertEqual(str(caught.exception), "Sensor 'S0' not registered with aggregate tree")

    def test_child_set_by_another_thread_meanwhile(self):
        # After the rule has looked at it, before it sets the parent.
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        runs = []

        def interrupted(parent, children):
            total = sum(child.value() for child in children)
            runs.append(total)
            if total == 1:
                in_thread(s2.set_value, 10)
            parent.set_value(total)

        tree.add(s0, interrupted, (s1, s2))
        s1.set_value(1)
        self.assert_values(11, 1, 10)
        self.assertEqual(runs, [0, 1, 11, 11])
        self.assertEqual(tree._runs, {})

    def test_rule_that_leads_to_itself(self):
        tree, (s0, s1) = self.tree, self.sensors[:2]
        runs = []

        def rule(parent, children):
            runs.append(s1.value())
            if s1.value() == 1:
                s1.set_value(2)
            add_up(parent, children)

        tree.add(s0, rule, (s1,))
        s1.set_value(1)
        self.assert_values(2, 2)
        self.assertEqual(runs, [0, 1, 2])

    def test_failed_add_can_be_repeated(self):
        tree, (s0, s1) = self.tree, self.sensors[:2]
        self.assertRaises(TypeError, tree.add, s0, add_up, s1)
        self.assertRaises(AttributeError, tree.add, s0, add_up, ["s1"])
        self.assertEqual((tree._aggregates, tree._child_to_parents), ({}, {}))
        tree.add(s0, add_up, [s1])
        s1.set_value(3)
        self.assert_values(3, 3)

    # --- rules that change the tree --------------------------------------------------------------

    def test_rule_removes_itself(self):
        tree, (s0, s1) = self.tree, self.sensors[:2]
        runs = []

        def add_up_once(parent, children):
            add_up(parent, children)
            runs.append(parent.value())
            if parent.value():
                tree.remove(parent)

        tree.add(s0, add_up_once, (s1,))
        s1.set_value(3)
        s1.set_value(4)
        self.assert_values(3, 4)
        # That, and the last run
        self.assertEqual(runs, [0, 3, 3])
        self.assertEqual((tree._aggregates, tree._child_to_parents), ({}, {}))

    def test_rule_deregisters_another_child(self):
        tree, (s0, s1, s2, s3) = self.tree, self.sensors

        def all_or_none(parent, children):
            add_up(parent, children)
            if len(children) == 2 and "s2" in tree._registered_sensors:
                tree.deregister_sensor(s2)

        for sensor in s1, s2, s3:
            sensor.set_value(3)
            tree.register_sensor(sensor)
        tree.add_delayed(s0, all_or_none, ["s1", "s2", "s3"])
        tree.deregister_sensor(s1)
        self.assertEqual(tree._incomplete_aggregates, {s0: (all_or_none, set(["s1", "s2"]), set([s3]))})
        tree.register_sensor(s1)
        tree.register_sensor(s2)
        self.assert_values(9, 3, 3, 3)

    def test_rule_registers_a_replacement(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        replacement = Sensor.integer("s1", default=4)

        def rule(parent, children):
            add_up(parent, children)
            if "s1" not in tree._registered_sensors:
                tree.register_sensor(replacement)

        tree.register_sensor(s1)
        tree.register_sensor(s2)
        tree.add_delayed(s0, rule, ["s1", "s2"])
        tree.deregister_sensor(s1)
        self.assert_values(4)
        self.assertEqual(tree.fetch(s0), (rule, set([replacement, s2])))
        replacement.set_value(5)
        s1.set_value(100)
        self.assert_values(5)

    def test_rule_removes_another_whose_turn_has_not_come(self):
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        others = {s0: s1, s1: s0}
        ran = []

        def only_one(parent, children):
            add_up(parent, children)
            ran.append(parent)
            if len(ran) == 1:
                tree.remove(others[parent])

        tree.add_delayed(s0, only_one, ["s2"])
        tree.add_delayed(s1, only_one, ["s2"])
        tree.register_sensor(s2)
        first = ran[0]
        self.assertEqual((set(tree._aggregates), tree.parents(s2)), (set([first]), set([first])))
        s2.set_value(3)
        self.assertEqual((first.value(), others[first].value()), (3, 0))

    def test_rule_is_there_in_its_last_run(self):
        tree, (s0, s1) = self.tree, self.sensors[:2]
        fetched = []

        def rule(parent, children):
            fetched.append(tree.fetch(parent))

        tree.register_sensor(s1)
        tree.add_delayed(s0, rule, ["s1"])
        tree.deregister_sensor(s1)
        tree.register_sensor(s1)
        tree.remove(s0)
        self.assertEqual(fetched, [(rule, set([s1])), (rule, set()), (rule, set([s1])), (rule, set([s1]))])
        self.assertRaises(KeyError, tree.fetch, s0)
        self.assertEqual(tree._last_rules, {})

    def test_overridden_methods_are_used(self):
        calls = []

        class Tree(AggregateSensorTree):
            def add(self, parent, rule_function, children):
                calls.append("add")
                super(Tree, self).add(parent, rule_function, children)

            def add_links(self, parent, children):
                calls.append("add_links")
                super(Tree, self).add_links(parent, children)

            def remove_links(self, parent, children):
                calls.append("remove_links")
                super(Tree, self).remove_links(parent, children)

            def recalculate(self, parent, updates):
                calls.append("recalculate")
                super(Tree, self).recalculate(parent, updates)

        def assert_calls(*expected):
            self.assertEqual(calls, list(expected))
            del calls[:]

        tree, (s0, s1) = Tree(), self.sensors[:2]
        tree.add_delayed(s0, add_up, ["s1"])
        assert_calls()
        tree.register_sensor(s1)
        assert_calls("add", "add_links", "recalculate")
        tree.deregister_sensor(s1)
        assert_calls("remove_links", "recalculate")
        tree.register_sensor(s1)
        assert_calls("add", "add_links", "recalculate")
        tree.remove(s0)
        assert_calls("remove_links", "recalculate")

    # --- threads that change the tree ------------------------------------------------------------

    def prepare(self, rule=add_up):
        """Return the tree with a delayed rule that has all but s1; s1 and s2 are 9."""
        tree, (s0, s1, s2) = self.tree, self.sensors[:3]
        s1.set_value(9)
        s2.set_value(9)
        tree.add_delayed(s0, rule, ["s1", "s2"])
        tree.register_sensor(s2)
        return tree

    def test_deregistered_by_another_thread_before_the_rule_is_applied(self):
        tree, s1 = self.prepare(), self.sensors[1]
        recalculate = tree.recalculate

        def interrupted(parent, updates):
            del tree.recalculate
            in_thread(tree.deregister_sensor, s1)
            recalculate(parent, updates)

        tree.recalculate = interrupted
        tree.register_sensor(s1)
        self.assert_values(9, 9, 9)
        self.assertEqual((tree._aggregates, tree._last_rules, tree._child_to_parents), ({}, {}, {}))
        tree.register_sensor(s1)
        self.assert_values(18, 9, 9)

    def test_registered_by_another_thread_before_the_last_run(self):
        tree, s1 = self.prepare(), self.sensors[1]
        tree.register_sensor(s1)
        recalculate = tree.recalculate

        def interrupted(parent, updates):
            del tree.recalculate
            in_thread(tree.register_sensor, s1)
            recalculate(parent, updates)

        tree.recalculate = interrupted
        tree.deregister_sensor(s1)
        self.assert_values(18, 9, 9)
        s1.set_value(1)
        self.assert_values(10, 1, 9)
        self.assertEqual((tree._incomplete_aggregates, tree._last_rules), ({}, {}))

    def test_deregistered_by_another_thread_while_the_rule_runs(self):
        interruptions = [None, None]

        def interrupted(parent, children):
            total = sum(child.value() for child in children)
            if total == 11 and interruptions.pop():
                in_thread(self.tree.deregister_sensor, self.sensors[1])
            parent.set_value(total)

        tree, s1 = self.prepare(interrupted), self.sensors[1]
        tree.register_sensor(s1)
        interruptions.append(True)
        s1.set_value(2)
        self.assert_values(9, 2, 9)
        tree.register_sensor(s1)
        self.assert_values(11, 2, 9)

    def test_replaced_by_another_thread_when_a_child_is_set(self):
        # Between two looks at the tables.
        tree, s1 = self.prepare(), self.sensors[1]
        tree.register_sensor(s1)
        find_rule = tree._find_rule

        def interrupted(parent):
            tree._find_rule = find_rule
            in_thread(tree.deregister_sensor, s1)
            try:
                return find_rule(parent)
            finally:
                in_thread(tree.register_sensor, s1)

        tree._find_rule = interrupted
        s1.set_value(2)
        self.assert_values(11, 2, 9)

    def test_links_without_rule_are_not_excused(self):
        tree, (s0, s1) = self.tree, self.sensors[:2]
        self.assertRaises(KeyError, tree.add_links, s0, [s1])
        self.assertRaises(KeyError, s1.set_value, 3)
