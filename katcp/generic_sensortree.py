"""What all sensor trees share: the links, and the updates that go up along them."""

from __future__ import absolute_import, division, print_function

import sys
import threading

from katcp.compat import reraise


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


def call_for_each(function, arguments):
    """Call ``function(*args)`` for each tuple of arguments; raise the first error in the end."""
    first_error = None
    for args in arguments:
        try:
            function(*args)
        except Exception:
            first_error = first_error or sys.exc_info()
    if first_error is not None:
        reraise(first_error)
