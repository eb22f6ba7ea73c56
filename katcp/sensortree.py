"""Sensors whose values follow from those of other sensors.

A tree observes its sensors.  When one of them is set, the tree recalculates that sensor's parents, these
being set has their parents recalculated in turn, and so on up to the roots; all of this happens before
the first ``set_value`` returns, in the thread that called it.  "Tree" is meant loosely: a sensor may have
several parents, but it may not be its own ancestor.

Sensors may be set and links be changed in several threads.  The trees hold no lock while they
recalculate, so that whatever a rule waits for, it does not wait for another thread's rule.

A door, not a room:

============================ =================================================================
module                       holds
============================ =================================================================
`katcp.generic_sensortree`   `GenericSensorTree`: the links, and the updates that go up them
`katcp.boolean_sensortree`   `BooleanSensorTree`: a parent is true if all its children are
`katcp.aggregate_sensortree` `AggregateSensorTree`: a rule for each parent, also one for
                             children that are still to come
============================ =================================================================

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

from katcp.aggregate_sensortree import AggregateSensorTree  # noqa: F401
from katcp.boolean_sensortree import BooleanSensorTree  # noqa: F401
from katcp.generic_sensortree import CycleError, GenericSensorTree, UnknownSensorError  # noqa: F401

log = logging.getLogger("katcp.sensortree")
