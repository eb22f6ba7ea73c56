"""Listing the sensors of all children of a container, and setting strategies and listeners for them."""

from __future__ import absolute_import, division, print_function

from tornado import gen

from katcp import compat
from katcp.log_records import record_text
from katcp.resource_client.container_items import AGGREGATE_PREFIX
from katcp.resource_client.exposure import identifier_of
from katcp.resource_client.futures import eager_coroutine
from katcp.resource_client.presets import SensorPresets
from katcp.resource_names import escape_name
from katcp.sensor_listing import list_sensors


def container_sensor_name(sensor):
    """Return the name under which a container lists a sensor: with that of its resource before it."""
    if sensor.name.startswith(AGGREGATE_PREFIX):
        return sensor.name
    return "{0}.{1}".format(sensor.parent_name, sensor.name)


class ContainerSensors(object):
    """The part of a container that deals with the sensors of its children.

    It needs from the rest of the container: ``sensor``, ``_children``, ``_logger``.
    """

    def list_sensors(self, filter="", strategy=False, status="", use_python_identifiers=True,
                     tuple=False, refresh=False):
        """List sensors of all children.

        Parameters
        ----------
        filter, strategy, status, use_python_identifiers, tuple, refresh
            See `KATCPClientResource.list_sensors`.

        Returns
        -------
        future
            As of that method.  The names of sensors have that of their resource before them
            (``mast-1.wind.speed``), unless they begin with ``agg_``.
        """
        return list_sensors(dict.items(self.sensor), filter, strategy, status, use_python_identifiers,
                            tuple, refresh, container_sensor_name)

    @eager_coroutine
    def set_sampling_strategies(self, filter, strategy_and_parms):
        """Set the sampling strategy of all sensors there are now, of all children, that match.

        On devices with the protocol flag B this takes few round trips, however many sensors there are.

        Parameters
        ----------
        filter : str
            Regular expression that is searched for in the identifiers that the sensors have here.
        strategy_and_parms : str or sequence
            See `KATCPClientResource.set_sampling_strategy`.

        Returns
        -------
        future
            Resolves with a dict from the names of the resources to dicts from the identifiers of their
            sensors to the strategy, as given; None for sensors whose strategy could not be set because of
            an exception.  What devices refuse is logged.
        """
        listed = yield self.list_sensors(filter=filter)
        results = yield self._set_strategies([item.object for item in listed], strategy_and_parms)
        raise gen.Return(results)

    @eager_coroutine
    def set_sampling_strategy(self, sensor_name, strategy_and_parms):
        """Set the sampling strategy of a sensor of a child.

        Parameters
        ----------
        sensor_name : str
            Name (``mast-1.wind.speed``) or identifier that the sensor has here, or a regular expression that
            matches the whole of the identifier.
        strategy_and_parms : str or sequence
            See `KATCPClientResource.set_sampling_strategy`.

        Returns
        -------
        future
            As of `set_sampling_strategies`.  If there is no such sensor, the dict is empty, and nothing is
            kept for later.
        """
        sensors = yield self._find_sensors(sensor_name)
        results = yield self._set_strategies(sensors, strategy_and_parms)
        raise gen.Return(results)

    @eager_coroutine
    def set_sensor_listener(self, sensor_name, listener):
        """Have a function called with each reading of a sensor of a child.

        Parameters
        ----------
        sensor_name : str
            As of `set_sampling_strategy`.
        listener : callable
            See `KATCPClientResource.set_sensor_listener`.

        Returns
        -------
        future
            Resolves with a dict from the name of the resource to a dict from the identifier of its sensor
            to the listener, or None if there was an exception.  If there is no such sensor, the dict is
            empty, and nothing is kept for later.
        """
        results = {}
        for sensor in (yield self._find_sensors(sensor_name)):
            result = None
            try:
                child = self._children[escape_name(sensor.parent_name)]
                yield compat.as_future(child.set_sensor_listener(sensor.normalised_name, listener))
                result = listener
            except Exception as error:
                self._logger.exception(record_text("Cannot set sensor listener on resource %s for %s (%s)",
                                                   sensor.parent_name, sensor.normalised_name, error))
            results.setdefault(sensor.parent_name, {})[sensor.normalised_name] = result
        raise gen.Return(results)

    @eager_coroutine
    def _find_sensors(self, name):
        """Return a future of the list of the sensors that a name, or regular expression, stands for."""
        sensor = dict.get(self.sensor, identifier_of(name))
        if sensor is not None:
            raise gen.Return([sensor])
        listed = yield self.list_sensors(filter="^(?:{0})$".format(compat.ensure_native_str(name)))
        raise gen.Return([item.object for item in listed])

    @eager_coroutine
    def _set_strategies(self, sensors, strategy_and_parms):
        names_by_resource = {}
        for sensor in sensors:
            names_by_resource.setdefault(sensor.parent_name, []).append(sensor.normalised_name)
        # All children at once.
        settings = [(resource_name, self._set_child_strategies(resource_name, names, strategy_and_parms))
                    for resource_name, names in sorted(names_by_resource.items())]
        results = {}
        for resource_name, setting in settings:
            results[resource_name] = yield setting
        raise gen.Return(results)

    @eager_coroutine
    def _set_child_strategies(self, resource_name, names, strategy_and_parms):
        child = dict.get(self._children, escape_name(resource_name))
        if isinstance(child, SensorPresets) and not child._sets_strategies_singly():
            results = yield child._set_strategies(
                compat.ordered_dict.fromkeys(names, strategy_and_parms))
            raise gen.Return(results)
        results = {}
        for name in names:
            results[name] = None
            try:
                yield compat.as_future(child.set_sampling_strategy(name, strategy_and_parms))
                results[name] = strategy_and_parms
            except Exception as error:
                self._logger.exception(record_text("Cannot set sampling strategy on resource %s for %s (%s)",
                                                   resource_name, name, error))
        raise gen.Return(results)
