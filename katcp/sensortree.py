"""Sensors whose values follow from those of other sensors.

A tree observes its sensors.  When one of them is set, the tree recalculates that sensor's parents, these
being set has their parents recalculated in turn, and so on up to the roots; all of this happens before
the first ``set_value`` returns, in the thread that called it.  "Tree" is meant loosely: a sensor may have
several parents, but it may not be its own ancestor.

Sensors may be set and links be changed in several threads.  The trees hold no lock while they
recalculate, so that whatever a rule waits for, it does not wait for another thread's rule.

Examples
--------
>>> from katcp import Sensor
>>> total, a, b = [Sensor.integer(name) for name in ("total", "a", "b")]
>>> def add_up(parent, children):
...     parent.set_value(sum(child.value() for child in children))
>>> tree = AggregateSensorTree()
>>> tree.add(total, add_up, (a, b))
>>> a.set_value(3)
>>> b.set_value(4)
>>> total.value()
7

"""

from __future__ import absolute_import, division, print_function

import logging
import sys
import threading

from katcp.compat import get_thread_ident, reraise

log = logging.getLogger("katcp.sensortree")


class UnknownSensorError(ValueError, KeyError):
    """A sensor is asked about that is not in the tree.

    It is a ValueError by meaning; the `KeyError` is for code that expects what katcp 0.9 raised.
    """

    __str__ = ValueError.__str__


class CycleError(ValueError):
    """A link would make a sensor its own ancestor."""

    def __init__(self, parent, child):
        super(CycleError, self).__init__("Sensor %r cannot be a child of %r, which it depends on."
                                         % (child, parent))
        self.parent = parent


class GenericSensorTree(object):
    """Base class of the trees: keeps the links, and sees to it that parents are recalculated.

    Subclasses say in :meth:`recalculate` how.
    """

    def __init__(self):
        # Every sensor in the tree is a key of both.
        self._child_to_parents = {}
        self._parent_to_children = {}
        # Guards all tables of the tree.  Never held while something is recalculated: sensors set
        # meanwhile may belong to other trees, which have locks of their own.
        self._lock = threading.RLock()

    # --- what subclasses override ----------------------------------------------------------------

    def recalculate(self, parent, updates):
        """Set the value of a parent anew.

        Called without any lock, and so possibly in several threads at once.

        Parameters
        ----------
        parent : katcp.Sensor
            The sensor to set, with ``parent.set_value`` or the like.
        updates : iterable of katcp.Sensor
            What made it necessary: the child that was set, or the children that were linked or unlinked.
        """
        raise NotImplementedError

    def _add_sensor(self, sensor):
        """Enter a sensor into the tables."""
        self._child_to_parents[sensor] = set()
        self._parent_to_children[sensor] = set()

    def _remove_sensor(self, sensor):
        """Take a sensor out of the tables."""
        del self._child_to_parents[sensor]
        del self._parent_to_children[sensor]

    # --- observing -------------------------------------------------------------------------------

    def update(self, sensor, reading):
        """Recalculate the parents of a sensor; sensors call this when they are set.

        Parameters
        ----------
        sensor : katcp.Sensor
            The sensor that was set.
        reading : katcp.core.Reading
            Its new timestamp, status and value.
        """
        with self._lock:
            parents = list(self._child_to_parents.get(sensor, ()))
        for parent in parents:
            # Somebody may have unlinked the two since the sensor was set, and may do so at any time.
            if self._is_linked(parent, sensor):
                try:
                    self.recalculate(parent, (sensor,))
                except KeyError as error:
                    if error.args != (parent,) or self._is_linked(parent, sensor):
                        raise

    def _is_linked(self, parent, child):
        return parent in self._child_to_parents.get(child, ())

    # --- links -----------------------------------------------------------------------------------

    def add_links(self, parent, children):
        """Make sensors the children of another one, and recalculate that.

        Parameters
        ----------
        parent : katcp.Sensor
            Recalculated in any case, also if `children` is empty or nothing new.
        children : iterable of katcp.Sensor
            Those that are children already stay it.

        Raises
        ------
        ValueError
            If a sensor would become its own ancestor; nothing is changed then.
        Exception
            What :meth:`recalculate` raises; the links are there all the same.
        """
        with self._lock:
            new_children = list(children)
            self._check_acyclic(parent, new_children)
            new_sensors = []
            for sensor in [parent] + new_children:
                if sensor not in self:
                    self._add_sensor(sensor)
                    new_sensors.append(sensor)
            for child in new_children:
                self._parent_to_children[parent].add(child)
                self._child_to_parents[child].add(parent)
            for sensor in new_sensors:
                sensor.attach(self)
        self.recalculate(parent, children)

    def _check_acyclic(self, parent, children):
        ancestors = set()
        to_visit = [parent]
        while to_visit:
            sensor = to_visit.pop()
            if sensor not in ancestors:
                ancestors.add(sensor)
                to_visit.extend(self._child_to_parents.get(sensor, ()))
        for child in children:
            if child in ancestors:
                raise CycleError(parent, child)

    def remove_links(self, parent, children):
        """Make sensors no longer the children of another one, and recalculate that.

        Sensors that are left with neither parents nor children leave the tree.

        Parameters
        ----------
        parent : katcp.Sensor
            Recalculated in any case.
        children : iterable of katcp.Sensor
            Those that are not its children are ignored.

        Raises
        ------
        Exception
            What :meth:`recalculate` raises; the links are gone all the same.
        """
        with self._lock:
            old_children = list(children)
            for child in old_children:
                if self._is_linked(parent, child):
                    self._parent_to_children[parent].discard(child)
                    self._child_to_parents[child].discard(parent)
            for sensor in [parent] + old_children:
                linked = self._child_to_parents.get(sensor) or self._parent_to_children.get(sensor)
                if sensor in self and not linked:
                    self._remove_sensor(sensor)
                    sensor.detach(self)
        self.recalculate(parent, children)

    def children(self, parent):
        """Return a new set of the direct children of a sensor.

        Raises
        ------
        ValueError
            If `parent` is not in the tree.
        """
        with self._lock:
            if parent not in self:
                raise UnknownSensorError("Parent sensor %r not in tree." % (parent,))
            return set(self._parent_to_children[parent])

    def parents(self, child):
        """Return a new set of the direct parents of a sensor.

        Raises
        ------
        ValueError
            If `child` is not in the tree.
        """
        with self._lock:
            if child not in self:
                raise UnknownSensorError("Child sensor %r not in tree." % (child,))
            return set(self._child_to_parents[child])

    def __contains__(self, sensor):
        return sensor in self._child_to_parents


class BooleanSensorTree(GenericSensorTree):
    """Tree of boolean sensors, in which a parent is true if all its children are.

    Only values count: the status of the children is ignored, and that of the parents is nominal.  A
    parent without children is true.

    Examples
    --------
    >>> from katcp import Sensor
    >>> device_ok, power_ok, link_ok = [Sensor.boolean(name) for name in ("ok", "power", "link")]
    >>> tree = BooleanSensorTree()
    >>> tree.add(device_ok, power_ok)
    >>> tree.add(device_ok, link_ok)
    >>> power_ok.set_value(True)
    >>> device_ok.value()
    False
    >>> link_ok.set_value(True)
    >>> device_ok.value()
    True

    """

    def __init__(self):
        super(BooleanSensorTree, self).__init__()
        # Sensor -> set of those of its children that are false
        self._parent_to_not_ok = {}

    def add(self, parent, child):
        """Make a sensor a child of another one.

        Parameters
        ----------
        parent, child : katcp.Sensor
            Boolean sensors.

        Raises
        ------
        ValueError
            If one of them is not boolean, or the parent would become its own ancestor; nothing is
            changed then.
        """
        self.add_links(parent, (child,))

    def remove(self, parent, child):
        """Make a sensor no longer a child of another one.

        Parameters
        ----------
        parent : katcp.Sensor
        child : katcp.Sensor
            Ignored if it is no child of `parent`.

        Raises
        ------
        ValueError
            If `parent` is not in the tree.
        """
        self.remove_links(parent, (child,))

    def add_links(self, parent, children):
        children = tuple(children)
        self._check_boolean("Parent", parent)
        for child in children:
            self._check_boolean("Child", child)
        super(BooleanSensorTree, self).add_links(parent, children)

    def _check_boolean(self, role, sensor):
        if sensor not in self and sensor.stype != "boolean":
            raise ValueError("%s sensor %r is not boolean" % (role, sensor))

    def _add_sensor(self, sensor):
        super(BooleanSensorTree, self)._add_sensor(sensor)
        self._parent_to_not_ok[sensor] = set()

    def remove_links(self, parent, children):
        children = tuple(children)
        if parent not in self:
            raise UnknownSensorError("Parent sensor %r not in tree." % (parent,))
        try:
            super(BooleanSensorTree, self).remove_links(parent, children)
        finally:
            # Not in `_remove_sensor`: a parent that has just left is recalculated once more.
            with self._lock:
                for sensor in (parent,) + children:
                    if sensor not in self:
                        self._parent_to_not_ok.pop(sensor, None)

    def recalculate(self, parent, updates):
        """Set a parent to whether all its children are true, `updates` being those that may have changed."""
        not_ok = self._parent_to_not_ok.get(parent)
        if not_ok is None:
            return
        for child in updates:
            while True:
                is_false = self._is_false_child(parent, child)
                if is_false:
                    not_ok.add(child)
                else:
                    not_ok.discard(child)
                # Another thread may have set the child since, and have been here before us.
                if self._is_false_child(parent, child) == is_false:
                    break
        while True:
            value = not not_ok
            parent.set_value(value)
            # The same here: whoever sets the parent last must have looked last.
            if (not not_ok) == value:
                break

    def _is_false_child(self, parent, child):
        return self._is_linked(parent, child) and not child.value()


class AggregateSensorTree(GenericSensorTree):
    """Tree in which each parent has a rule of its own.

    A rule is a function ``rule(parent, children)``, which has to set the parent.  It is called when
    one of the children has been set, and also when it is added and when links are changed.

    Rules can be added before their children exist, by the children's names; they come into force when
    the last of these is registered.
    """

    def __init__(self):
        super(AggregateSensorTree, self).__init__()
        # Parent -> (rule, children), the children as they are passed to the rule
        self._aggregates = {}
        # Parent -> (rule, set of the names that are missing, set of the sensors that are there)
        self._incomplete_aggregates = {}
        # Name -> sensor
        self._registered_sensors = {}
        # Parent -> list of [thread, whether to run again] for each run of its rule going on
        self._runs = {}

    # --- references; may be overridden -----------------------------------------------------------

    def _get_sensor_reference(self, sensor):
        """Return what :meth:`add_delayed` knows a sensor by: its name."""
        return sensor.name

    def _child_from_reference(self, reference):
        """Return a sensor of the tree that has this reference, or None."""
        with self._lock:
            sensors = list(self._child_to_parents)
        for sensor in sensors:
            if self._get_sensor_reference(sensor) == reference:
                return sensor
        return None

    # --- rules -----------------------------------------------------------------------------------

    def recalculate(self, parent, updates):
        """Apply the rule of a parent.

        Raises
        ------
        KeyError
            If the parent has no (complete) rule.
        Exception
            What the rule raises.
        """
        run = [get_thread_ident(), False]
        with self._lock:
            runs = self._runs.setdefault(parent, [])
            # What another thread is about to set may be out of date by now; that thread has to look
            # again then.  (In our own thread it is a rule that led to itself, and nothing is lost.)
            for other in runs:
                other[1] = other[1] or other[0] != run[0]
            runs.append(run)
        try:
            while True:
                run[1] = False
                rule_function, children = self._aggregates[parent]
                rule_function(parent, children)
                with self._lock:
                    if not run[1]:
                        self._forget_run(parent, run)
                        return
        finally:
            with self._lock:
                self._forget_run(parent, run)

    def _forget_run(self, parent, run):
        left = [other for other in self._runs.pop(parent, ()) if other is not run]
        if left:
            self._runs[parent] = left

    def add(self, parent, rule_function, children):
        """Add a rule, and apply it.

        Parameters
        ----------
        parent : katcp.Sensor
            The sensor that the rule sets.
        rule_function : callable
            ``rule_function(parent, children)``, where `children` is the very object passed here.
        children : sequence or set of katcp.Sensor
            The sensors that it depends on.

        Raises
        ------
        ValueError
            If the parent has a rule already, or would become its own ancestor.
        Exception
            What the rule raises; it is in force all the same.
        """
        with self._lock:
            self._check_no_rule(parent)
            self._aggregates[parent] = (rule_function, children)
        self._enforce(parent, children)

    def _check_no_rule(self, parent):
        if parent in self._aggregates or parent in self._incomplete_aggregates:
            raise ValueError("Sensor %r already has an aggregate rule associated" % (parent,))

    def _enforce(self, parent, children):
        """Link a parent, whose rule is complete, and its children."""
        try:
            self.add_links(parent, children)
        except CycleError as error:
            if error.parent is parent:
                del self._aggregates[parent]
            raise

    def add_delayed(self, parent, rule_function, child_names):
        """Add a rule that comes into force when all its children are registered.

        Parameters
        ----------
        parent : katcp.Sensor
            The sensor that the rule sets.
        rule_function : callable
            ``rule_function(parent, children)``, where `children` is a set of sensors.
        child_names : iterable of str
            Names (native strings) of the sensors that it depends on.

        Raises
        ------
        ValueError
            If the parent has a rule already, or (with all children registered) would become its own
            ancestor.
        Exception
            What the rule raises; it is in force all the same.
        """
        with self._lock:
            self._check_no_rule(parent)
            names = set(child_names)
            missing = names.difference(self._registered_sensors)
            children = set(self._registered_sensors[name] for name in names - missing)
            if missing:
                self._incomplete_aggregates[parent] = (rule_function, missing, children)
                return
        self.add(parent, rule_function, children)

    def register_sensor(self, child):
        """Make a sensor available to the rules that were added by name.

        Parameters
        ----------
        child : katcp.Sensor

        Raises
        ------
        ValueError
            If a sensor of that name is registered already.
        Exception
            What the first failing one of the rules raises that come into force; all of them do.
        """
        completed = []
        with self._lock:
            name = self._get_sensor_reference(child)
            if name in self._registered_sensors:
                raise ValueError("Sensor %r already registered with aggregate tree" % (child,))
            self._registered_sensors[name] = child
            for parent, (rule_function, missing, children) in list(self._incomplete_aggregates.items()):
                if name in missing:
                    missing.remove(name)
                    children.add(child)
                    if not missing:
                        del self._incomplete_aggregates[parent]
                        self._aggregates[parent] = (rule_function, children)
                        completed.append((parent, children))
        _call_for_each(self._enforce, completed)

    def deregister_sensor(self, child):
        """Make a sensor unavailable to the rules.

        Rules that depend on it are applied to their other children once more, and then wait until a
        sensor of that name is registered again.

        Parameters
        ----------
        child : katcp.Sensor
            The sensor, or any other of the same name.

        Raises
        ------
        ValueError
            If no sensor of that name is registered.
        Exception
            What the first failing one of the rules raises; all of them wait afterwards.
        """
        affected = []
        with self._lock:
            name = self._get_sensor_reference(child)
            if name not in self._registered_sensors:
                raise ValueError("Sensor %r not registered with aggregate tree" % (name,))
            sensor = self._registered_sensors.pop(name)
            for rule_function, missing, children in self._incomplete_aggregates.values():
                if sensor in children:
                    children.remove(sensor)
                    missing.add(name)
            for parent, (rule_function, children) in list(self._aggregates.items()):
                if sensor in children or self._is_linked(parent, sensor):
                    remaining = set(children)
                    remaining.discard(sensor)
                    self._aggregates[parent] = (rule_function, remaining)
                    affected.append((parent, name))
        _call_for_each(self._suspend, affected)

    def _suspend(self, parent, missing_name):
        """Let a parent, whose children do not contain the missing one any more, wait for that."""
        try:
            self._unlink_children(parent)
        finally:
            with self._lock:
                rule_function, remaining = self._aggregates.pop(parent)
                self._incomplete_aggregates[parent] = (rule_function, set([missing_name]), remaining)

    def _unlink_children(self, parent):
        with self._lock:
            children = list(self._parent_to_children.get(parent, ()))
        self.remove_links(parent, children)

    def remove(self, parent):
        """Remove a rule.

        The rule, unless it is still waiting for children, is applied a last time.

        Parameters
        ----------
        parent : katcp.Sensor

        Raises
        ------
        ValueError
            If the parent has no rule.
        """
        with self._lock:
            if self._incomplete_aggregates.pop(parent, None) is not None:
                return
            if parent not in self._aggregates:
                raise ValueError("Sensor %r does not have an aggregate rule associated" % (parent,))
        try:
            if parent in self:
                self._unlink_children(parent)
        except Exception:
            # Nobody is interested in what a rule says to its own removal.
            log.debug("Aggregate rule of %r failed when it was removed", parent, exc_info=True)
        finally:
            with self._lock:
                self._aggregates.pop(parent, None)

    def fetch(self, parent):
        """Return the rule of a parent.

        Returns
        -------
        rule_function : callable
        children : sequence or set of katcp.Sensor
            As passed to the rule.

        Raises
        ------
        KeyError
            If the parent has no rule, or one that is waiting for children.
        """
        return self._aggregates[parent]


def _call_for_each(function, arguments):
    """Call ``function(*args)`` for each tuple of arguments; raise the first error in the end."""
    first_error = None
    for args in arguments:
        try:
            function(*args)
        except Exception:
            first_error = first_error or sys.exc_info()
    if first_error is not None:
        reraise(first_error)
