"""What all sensor trees share: the links, and the updates that go up along them."""

from __future__ import absolute_import, division, print_function

import contextlib
import logging
import sys
import threading

from katcp.compat import is_recursion_error, ordered_dict, reraise
from katcp.listeners import FailureCounts
from katcp.log_records import record_text

# The name under which users know these messages.
log = logging.getLogger("katcp.sensortree")

# Of the rules of all trees.
_failures = FailureCounts()


class UnknownSensorError(ValueError, KeyError):
    """A sensor is asked about that is not in the tree.

    It is a ValueError by meaning; the `KeyError` is for code that expects what katcp 0.9 raised.
    """

    __str__ = ValueError.__str__


class CycleError(ValueError):
    """A link would make a sensor its own ancestor."""


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
        # Within `_one_change`: arguments of the recalculations that wait until it is made.
        self._postponed = None

    def __getstate__(self):
        # Who copies a sensor copies its observers. Locks cannot be copied.
        state = self.__dict__.copy()
        del state["_lock"]
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
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

        Raises
        ------
        Exception
            The first that :meth:`recalculate` raises, after it was called for all parents.  Further
            ones are logged.
        """
        with self._lock:
            parents = list(self._child_to_parents.get(sensor, ()))
        failure = None
        # One rule that fails is no reason for the other parents to be out of date. (Spelled out here,
        # since each function more between a sensor and its parent is a lower limit to the depth of trees.)
        for parent in parents:
            # Somebody may have unlinked the two since the sensor was set, and may do so at any time.
            if not self._is_linked(parent, sensor):
                continue
            try:
                self.recalculate(parent, (sensor,))
            except Exception as error:
                if self._is_excused(error, parent, sensor):
                    continue
                # Trees that set one another's sensors in circles: see `Sensor.notify`.
                if is_recursion_error(error):
                    raise
                if failure is None:
                    failure = sys.exc_info()
                else:
                    self._log_failed_rule(parent, sys.exc_info())
        if failure is not None:
            try:
                reraise(failure)
            finally:
                del failure  # its traceback refers to this frame

    def _log_failed_rule(self, parent, exc_info):
        suffix = _failures.suffix(exc_info, id(parent))
        if suffix is not None:
            log.exception(record_text("Recalculating %r failed as well%s", parent, suffix))

    def _is_linked(self, parent, child):
        return parent in self._child_to_parents.get(child, ())

    def _is_excused(self, error, parent, child):
        """Return whether an error only tells that a parent and its child were unlinked meanwhile."""
        return (isinstance(error, KeyError) and error.args == (parent,)
                and not self._is_linked(parent, child))

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
        AttributeError
            If something is not a sensor; nothing is changed then.
        Exception
            What :meth:`recalculate` raises; the links are there all the same.
        """
        with self._lock:
            self._link(parent, list(children))
            if self._postponed is not None:
                self._postponed.append((parent, children))
                return
        self.recalculate(parent, children)

    def _link(self, parent, children):
        self._check_acyclic(parent, children)
        new_sensors = list(ordered_dict.fromkeys(
            sensor for sensor in [parent] + children if sensor not in self))
        attached = []
        try:
            for sensor in new_sensors:
                sensor.attach(self)
                attached.append(sensor)
        except Exception:
            for sensor in attached:
                sensor.detach(self)
            raise
        for sensor in new_sensors:
            self._add_sensor(sensor)
        for child in children:
            self._parent_to_children[parent].add(child)
            self._child_to_parents[child].add(parent)

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
                raise CycleError("Sensor %r cannot be a child of %r, which it depends on." % (child, parent))

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
            self._unlink(parent, list(children))
            if self._postponed is not None:
                self._postponed.append((parent, children))
                return
        self.recalculate(parent, children)

    def _unlink(self, parent, children):
        for child in children:
            if self._is_linked(parent, child):
                self._parent_to_children[parent].discard(child)
                self._child_to_parents[child].discard(parent)
        for sensor in [parent] + children:
            linked = self._child_to_parents.get(sensor) or self._parent_to_children.get(sensor)
            if sensor in self and not linked:
                self._remove_sensor(sensor)
                sensor.detach(self)

    @contextlib.contextmanager
    def _one_change(self):
        """Hold the lock, and recalculate what gets or loses links after it is released."""
        postponed = []
        try:
            with self._lock:
                outer, self._postponed = self._postponed, postponed
                try:
                    yield
                finally:
                    self._postponed = outer
                    if outer is not None:
                        outer.extend(postponed)
                        postponed = ()
        finally:
            call_for_each(self._recalculate_later, postponed)

    def _recalculate_later(self, parent, updates):
        """Recalculate a parent at the end of `_one_change`."""
        self.recalculate(parent, updates)

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
    failure = None
    for args in arguments:
        try:
            function(*args)
        except Exception:
            if failure is None:
                failure = sys.exc_info()
            else:
                log.exception(record_text("A change of the sensor tree failed for %r as well", args[0]))
    if failure is not None:
        try:
            reraise(failure)
        finally:
            del failure  # its traceback refers to this frame
