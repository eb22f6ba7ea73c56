"""The requests and sensors of all children of a container, under one roof.

The dictionaries are made when they are asked for.  They are replaced rather than changed, since another
thread may be reading them.
"""

from __future__ import absolute_import, division, print_function

import weakref

from katcp.attrdict import AttrDict
from katcp.log_records import record_text
from katcp.resource_client import tracked_items
from katcp.resource_names import escape_name

# Items whose identifiers begin so are shown without the name of their resource before it.
AGGREGATE_PREFIX = "agg_"


class _Aggregate(object):
    """The items of one kind."""

    def __init__(self):
        # How often children have told of changes.
        self._changes = 0
        # The items, and for what they were made: the state of each child's items, the number of changes, and
        # the latest change of any items anywhere, or None if that does not tell.
        self._made = None, None, None, None

    @property
    def dirty(self):
        """Whether children have told of changes since the items were made."""
        return self._made[2] != self._changes

    def mark_dirty(self):
        """Take note of a change."""
        self._changes += 1

    def get(self, make, children, attr):
        """Return the items, as made by ``make(attr)`` if they are not up to date."""
        # Read before: other threads read as well, and what changes meanwhile may not be in what is made.
        changes, latest = self._changes, tracked_items.latest_change
        items, states, made_for, made_at = self._made
        if made_at is latest and made_for == changes and len(states) == len(children):
            return items
        # Children tell of changes.  To look as well is for the sake of those who add items by hand.
        each = [(name, child, getattr(child, attr)) for name, child in dict.items(dict(children))]
        new_states = [(name, id(child), tracked_items.state_of(of_child)) for name, child, of_child in each]
        if made_for != changes or states != new_states:
            items = make(attr)
        # Children of other kinds may have plain dictionaries, which have to be looked at each time.
        if not all([isinstance(of_child, tracked_items.TrackedItems) for _, _, of_child in each]):
            latest = None
        self._made = items, new_states, changes, latest
        return items


class ContainerItems(object):
    """The part of a container that shows the requests and sensors of its children.

    It needs from the rest of the container: ``_children``, ``_groups``, ``_name``, ``_logger``.
    """

    def __init__(self):
        self._aggregates = {"req": _Aggregate(), "sensor": _Aggregate()}
        # Those that are no children any more; what they are about when they are stopped, they finish.
        self._former_children = weakref.WeakSet()
        super(ContainerItems, self).__init__()

    @property
    def req(self):
        """The requests of all children: an AttrDict from Python identifiers to request objects."""
        return self._aggregate("req")

    @property
    def sensor(self):
        """The sensors of all children: an AttrDict from Python identifiers to `KATCPSensor`."""
        return self._aggregate("sensor")

    @property
    def sensors(self):
        """The same as `sensor`."""
        return self._aggregate("sensor")

    def _aggregate(self, attr):
        return self._aggregates[attr].get(self._create_attrdict_from_children, self._children, attr)

    def _create_attrdict_from_children(self, attr):
        """Return an AttrDict of the items in the attribute `attr` of all children."""
        aggregate = AttrDict()
        for child_name, child in sorted(dict.items(self._children)):
            for item_name, item in list(dict.items(getattr(child, attr))):
                name = item_name
                if not item_name.startswith(AGGREGATE_PREFIX):
                    name = child_name + "_" + item_name
                    if name in aggregate:
                        self._logger.warning(record_text(
                            "Several children of %s have an item with the identifier %s: "
                            "that of %s can be reached by it", self._name, name, child_name))
                aggregate[name] = item
        return aggregate

    @property
    def _children_dirty(self):
        return any(aggregate.dirty for aggregate in self._aggregates.values())

    @_children_dirty.setter
    def _children_dirty(self, dirty):
        if dirty:
            self._mark_dirty("req", "sensor")

    def _mark_dirty(self, *attrs):
        for attr in attrs:
            self._aggregates[attr].mark_dirty()

    def _child_add_requests(self, child, sensor_keys):
        """What a child calls when it has got requests."""
        self._child_requests_changed(child)

    def _child_remove_requests(self, child, sensor_keys):
        """What a child calls when it has lost requests."""
        self._child_requests_changed(child)

    def _child_requests_changed(self, child):
        self._check_child(child)
        self._mark_dirty("req")
        self._dirty_groups(child)

    def _child_add_sensors(self, child, sensor_keys):
        """What a child calls when it has got sensors."""
        self._check_child(child)
        self._mark_dirty("sensor")

    def _child_remove_sensors(self, child, sensor_keys):
        """What a child calls when it has lost sensors."""
        self._check_child(child)
        self._mark_dirty("sensor")

    def _check_child(self, child):
        if escape_name(child.name) not in self._children and child not in self._former_children:
            raise AssertionError("{0!r} is no child of {1!r}".format(child, self))

    def _dirty_groups(self, child):
        """Tell the groups of a child that its requests have changed."""
        for group in dict.values(self._groups):
            if child in group.clients:
                group.client_updated(child)
