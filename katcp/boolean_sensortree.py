"""The sensor tree in which a parent is true if all its children are."""

from __future__ import absolute_import, division, print_function

from katcp.generic_sensortree import GenericSensorTree, UnknownSensorError


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
            # The same here: whoever sets the parent last must have looked last. (The parent may have left
            # the tree, and have come back with another set.)
            not_ok = self._parent_to_not_ok.get(parent)
            if not_ok is None or (not not_ok) == value:
                break

    def _is_false_child(self, parent, child):
        return self._is_linked(parent, child) and not child.value()
