"""The sensor tree in which each parent has a rule of its own."""

from __future__ import absolute_import, division, print_function

from katcp.compat import get_thread_ident
from katcp.generic_sensortree import GenericSensorTree, call_for_each, log
from katcp.log_records import record_text


class NoRuleError(KeyError):
    """A sensor has no rule, or one that is waiting for children."""


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
        # Parent -> (rule, children) for the last run of a rule that is not in force any more
        self._last_rules = {}
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
            rule = self._find_rule(parent)
            while rule is not None:
                rule_function, children = rule
                rule_function(parent, children)
                with self._lock:
                    if not run[1]:
                        self._forget_run(parent, run)
                        return
                    run[1] = False
                    rule = self._present_rule(parent)
        finally:
            with self._lock:
                self._forget_run(parent, run)

    def _is_excused(self, error, parent, child):
        # There may be a rule again. Whoever put it in force applies it.
        return (super(AggregateSensorTree, self)._is_excused(error, parent, child)
                or isinstance(error, NoRuleError) and error.args == (parent,) and parent in self._aggregates)

    def _present_rule(self, parent):
        """Return the rule of a parent and the children that it has now, all of them or not; or None."""
        if parent in self._incomplete_aggregates:
            rule_function, _, children = self._incomplete_aggregates[parent]
            return rule_function, set(children)
        return self._aggregates.get(parent)

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
        TypeError, AttributeError
            If `children` are no sensors; nothing is changed then.
        Exception
            What the rule raises; it is in force all the same.
        """
        with self._one_change():
            self._check_no_rule(parent)
            self._aggregates[parent] = (rule_function, children)
            try:
                self.add_links(parent, children)
            except Exception:
                del self._aggregates[parent]
                raise

    def _check_no_rule(self, parent):
        if parent in self._aggregates or parent in self._incomplete_aggregates:
            raise ValueError("Sensor %r already has an aggregate rule associated" % (parent,))

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
        with self._one_change():
            self._check_no_rule(parent)
            names = set(child_names)
            missing = names.difference(self._registered_sensors)
            children = set(self._registered_sensors[name] for name in names - missing)
            if missing:
                self._incomplete_aggregates[parent] = (rule_function, missing, children)
            else:
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
        with self._one_change():
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
                        completed.append((parent, rule_function, children))
            call_for_each(self.add, completed)

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
        with self._one_change():
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
                    self._incomplete_aggregates[parent] = (rule_function, set([name]), set(remaining))
                    self._retire(parent, rule_function, remaining)

    def _retire(self, parent, rule_function, children):
        """Unlink a parent from its children; its rule is applied to these when `_one_change` is over."""
        del self._aggregates[parent]
        self._last_rules[parent] = (rule_function, children)
        self.remove_links(parent, self.children(parent) if parent in self else ())

    def _recalculate_later(self, parent, updates):
        last_rule = self._last_rules.get(parent)
        try:
            self.recalculate(parent, updates)
        except NoRuleError as error:
            # It may have been removed before its turn came.
            if error.args != (parent,):
                raise
        finally:
            with self._lock:
                if self._last_rules.get(parent) is last_rule:
                    self._last_rules.pop(parent, None)

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
        removed = False
        try:
            with self._one_change():
                if self._incomplete_aggregates.pop(parent, None) is not None:
                    return
                if parent not in self._aggregates:
                    raise ValueError("Sensor %r does not have an aggregate rule associated" % (parent,))
                removed = True
                if parent in self:
                    self._retire(parent, *self._aggregates[parent])
                else:
                    del self._aggregates[parent]
        except Exception:
            if not removed:
                raise
            # Nobody is interested in what a rule says to its own removal.
            log.debug(record_text("Aggregate rule of %r failed when it was removed", parent), exc_info=True)

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
        return self._find_rule(parent)

    def _find_rule(self, parent):
        with self._lock:
            # Rules may ask for themselves in their last run, too.
            rule = self._aggregates.get(parent) or self._last_rules.get(parent)
        if rule is None:
            raise NoRuleError(parent)
        return rule
