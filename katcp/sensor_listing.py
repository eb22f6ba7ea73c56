"""Which sensors of a resource match, and what is told of them: the work behind ``list_sensors``."""

from __future__ import absolute_import, division, print_function

import collections
import re
import sys
from operator import itemgetter

from tornado import gen

from katcp.compat import coroutine, done_future, failed_future, reraise
from katcp.resource_base import SensorResultTuple
from katcp.resource_names import NO_STRATEGY

# Polls that may be waiting for their replies: a device answers one after the other, and the timeout of a
# poll is not to pass while it is busy with thousands of others.
MAX_OUTSTANDING = 16


def katcp_name(sensor):
    """Return the name by which the device knows a sensor."""
    return sensor.name


def list_sensors(sensor_items, filter="", strategy=False, status="", use_python_identifiers=True,
                 tuple=False, refresh=False, listed_name=katcp_name):
    """Return the sensors that match; for the other parameters see `KATCPResource.list_sensors`.

    Parameters
    ----------
    sensor_items : iterable of (str, KATCPSensor)
        Python identifiers and sensors.
    listed_name : function(sensor)
        Returns the name under which a sensor is listed.

    Returns
    -------
    future
        Is done already unless the sensors are to be refreshed. They are polled `MAX_OUTSTANDING` at a
        time; if that fails for any no more are polled, and the future fails when all that were have
        answered.
    """
    try:
        matching = _matching(sensor_items, filter, strategy, use_python_identifiers)
        if not refresh:
            return done_future(_results(matching, status, tuple, listed_name))
    except Exception:
        return failed_future(sys.exc_info())
    return _list_refreshed(matching, status, tuple, listed_name)


def _matching(sensor_items, filter, strategy, use_python_identifiers):
    search = re.compile(filter).search
    return [(identifier, sensor)
            for identifier, sensor in sorted(sensor_items, key=itemgetter(0))
            if search(identifier if use_python_identifiers else sensor.name)
            and not (strategy and sensor.sampling_strategy == NO_STRATEGY)]


def _results(matching, status, tuple, listed_name):
    results = []
    for identifier, sensor in matching:
        reading = sensor.reading
        if status and reading.status not in status:
            continue
        name = listed_name(sensor)
        if tuple:
            results.append((name, reading.value, reading.timestamp, sensor.type, sensor.units,
                            reading.received_timestamp, reading.status, sensor.sampling_strategy))
        else:
            results.append(SensorResultTuple(sensor, name, identifier, sensor.description,
                                             sensor.type, sensor.units, reading))
    return results


@coroutine
def _list_refreshed(matching, status, tuple, listed_name):
    failure = None
    outstanding = collections.deque()
    to_poll = iter(matching)
    while True:
        while failure is None and len(outstanding) < MAX_OUTSTANDING:
            try:
                outstanding.append(next(to_poll)[1].get_value())
            except StopIteration:
                break
        if not outstanding:
            break
        try:
            yield outstanding.popleft()
        except Exception:
            failure = failure or sys.exc_info()
    if failure:
        try:
            reraise(failure)
        finally:
            del failure  # its traceback refers to this frame
    raise gen.Return(_results(matching, status, tuple, listed_name))
