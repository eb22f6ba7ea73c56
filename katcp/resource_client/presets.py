"""What users set for sensors, whether or not these exist yet: sampling strategies and listeners.

It is kept under the identifiers of the sensors, and applied when a sensor appears.  What the sensors manager
keeps, under KATCP names, is the same as far as sensors exist: whichever of the two a strategy comes by,
the other is told, and the last one counts.
"""

from __future__ import absolute_import, division, print_function

from collections import defaultdict

from tornado import gen

from katcp import compat
from katcp.compat import lossy_str, ordered_dict
from katcp.log_records import record_text
from katcp.resource_client.exposure import identifier_of
from katcp.resource_client.futures import eager_coroutine
from katcp.resource_names import escape_name
from katcp.resource_sensor import KATCPSensor
from katcp.sensor_listing import list_sensors
from katcp.waiting import hashable_identity


class SensorPresets(object):
    """The part of a resource that sets strategies and listeners, and lists sensors.

    It needs from the rest of the resource: ``sensor``; ``_logger``; once started, ``_sensor_manager``.

    Attributes
    ----------
    _sensor_strategy_cache : dict
        Identifier to strategy, in the form in which it was given.
    _sensor_listener_cache : dict
        Identifier to list of listeners.
    """

    # The manager of the sensors while there is one, see `KATCPClientResource.start`.
    _sensor_manager = None

    def __init__(self):
        self._sensor_strategy_cache = {}
        self._sensor_listener_cache = defaultdict(list)
        super(SensorPresets, self).__init__()

    def list_sensors(self, filter="", strategy=False, status="", use_python_identifiers=True,
                     tuple=False, refresh=False):
        """List sensors of the resource.

        Parameters
        ----------
        filter : str, optional
            Regular expression that is searched for in the names; by default all sensors are listed.
        strategy : bool, optional
            Whether to list only sensors for which a sampling strategy other than ``none`` is set.
        status : str or collection of str, optional
            Only sensors whose status is contained in it (as a word, or as a part of the string) are listed;
            by default any status will do.
        use_python_identifiers : bool, optional
            Whether the names that `filter` is about are Python identifiers, rather than KATCP names.
        tuple : bool, optional
            Whether to list plain tuples ``(name, value, timestamp, type, units, received timestamp, status,
            strategy)``.
        refresh : bool, optional
            Whether to ask the device for the readings first.

        Returns
        -------
        future
            Resolves with a list, sorted by identifier, of `katcp.resource.SensorResultTuple`.  It is done
            already unless `refresh` is set.  Fails with ``re.error`` if `filter` makes no sense.
        """
        return list_sensors(dict.items(self.sensor), filter, strategy, status, use_python_identifiers,
                            tuple, refresh)

    # --- strategies ------------------------------------------------------------------------------

    @eager_coroutine
    def set_sampling_strategies(self, filter, strategy_and_parms):
        """Set the sampling strategy of all sensors there are now and that match.

        On devices with the protocol flag B this takes few round trips, however many sensors there are.

        Parameters
        ----------
        filter : str
            Regular expression that is searched for in the Python identifiers of the sensors.
        strategy_and_parms : str or sequence
            The strategy and its parameters, see `set_sampling_strategy`.

        Returns
        -------
        future
            Resolves with a dict from the identifiers to the strategy, as given; None for sensors whose
            strategy could not be set because of an exception.  What the device refuses is logged.
        """
        listed = yield self.list_sensors(filter=filter)
        names = [item.object.normalised_name for item in listed]
        if self._sets_strategies_singly():
            results = yield self._set_strategies_singly(names, strategy_and_parms)
        else:
            results = yield self._set_strategies(ordered_dict.fromkeys(names, strategy_and_parms))
        raise gen.Return(results)

    def _sets_strategies_singly(self):
        # Somebody may want to have a hand in each.
        return ("set_sampling_strategy" in self.__dict__
                or type(self).set_sampling_strategy != SensorPresets.set_sampling_strategy)

    @eager_coroutine
    def _set_strategies_singly(self, names, strategy_and_parms):
        results = {}
        for name in names:
            try:
                yield compat.as_future(self.set_sampling_strategy(name, strategy_and_parms))
                results[name] = strategy_and_parms
            except Exception:
                self._logger.exception(record_text("Unhandled exception trying to set sensor strategies %r "
                                                   "for %s", strategy_and_parms, lossy_str(name)))
                results[name] = None
        raise gen.Return(results)

    @eager_coroutine
    def set_sampling_strategy(self, sensor_name, strategy_and_parms):
        """Set the sampling strategy of a sensor, now and whenever the device is connected again.

        Parameters
        ----------
        sensor_name : str
            KATCP name or Python identifier.  If there is no such sensor yet, the strategy is set when it
            appears.
        strategy_and_parms : str or sequence
            The strategy and its parameters: ``'event'``, ``'period 2.5'``, ``('event-rate', 1, 10)``.
            Times are in the units of the device: seconds, but milliseconds before version 5 of the protocol.

        Returns
        -------
        future
            Resolves with a dict from the identifier to the strategy, as given, or to the text of an
            exception; empty if there is no such sensor yet.  What the device refuses is logged; to be told
            of it, use ``sensor.set_sampling_strategy``.
        """
        identifier = identifier_of(sensor_name)
        self._sensor_strategy_cache[identifier] = strategy_and_parms
        sensor = dict.get(self.sensor, identifier)
        if sensor is None:
            raise gen.Return({})
        raise gen.Return({identifier: (yield self._set_strategy(identifier, sensor, strategy_and_parms))})

    @eager_coroutine
    def _set_strategy(self, identifier, sensor, strategy_and_parms):
        try:
            yield compat.as_future(sensor.set_sampling_strategy(strategy_and_parms))
        except Exception as error:
            self._logger.exception(record_text("Unhandled exception trying to set sensor strategy %r for "
                                               "sensor %s", strategy_and_parms, identifier))
            raise gen.Return(str(error))
        raise gen.Return(strategy_and_parms)

    @eager_coroutine
    def _set_strategies(self, strategies):
        """Set the strategies of sensors that exist.

        Parameters
        ----------
        strategies : dict
            Identifier to strategy.

        Returns
        -------
        future
            Resolves with a dict as `set_sampling_strategy` does.
        """
        results = dict(strategies)
        at_once = ordered_dict()
        singly = []
        for identifier, strategy in strategies.items():
            self._sensor_strategy_cache[identifier] = strategy
            sensor = self.sensor[identifier]
            if isinstance(sensor, KATCPSensor) and sensor._manager is self._sensor_manager:
                at_once[sensor.name] = strategy
            else:
                singly.append((identifier, self._set_strategy(identifier, sensor, strategy)))
        if at_once:
            yield self._sensor_manager.set_sampling_strategies(at_once)
        for identifier, result in singly:
            results[identifier] = yield result
        raise gen.Return(results)

    def drop_sampling_strategy(self, sensor_name):
        """Forget the sampling strategy of a sensor; the device is not told.

        Parameters
        ----------
        sensor_name : str
            KATCP name or Python identifier; nothing happens if no strategy was set.
        """
        identifier = identifier_of(sensor_name)
        self._sensor_strategy_cache.pop(identifier, None)
        if self._sensor_manager is not None:
            self._sensor_manager.drop_sampling_strategy(identifier)

    def _strategy_noted(self, sensor_name, strategy_and_params):
        """Follow what was set or dropped (None) by way of the sensor."""
        identifier = escape_name(sensor_name)
        if strategy_and_params is None:
            self._sensor_strategy_cache.pop(identifier, None)
        else:
            self._sensor_strategy_cache[identifier] = strategy_and_params

    # --- listeners -------------------------------------------------------------------------------

    def set_sensor_listener(self, sensor_name, listener):
        """Have a function called with each reading of a sensor that is received.

        Parameters
        ----------
        sensor_name : str
            KATCP name or Python identifier.  If there is no such sensor yet, the listener is registered
            when it appears, and again whenever it does.
        listener : callable
            ``listener(sensor, reading)`` is called with a `KATCPSensorReading` in the thread of the loop.

        Returns
        -------
        future
            Resolves with a dict from the identifier to the listener, or to the text of an exception; empty
            if there is no such sensor yet.
        """
        identifier = identifier_of(sensor_name)
        listeners = self._sensor_listener_cache[identifier]
        if hashable_identity(listener) not in [hashable_identity(known) for known in listeners]:
            listeners.append(listener)
        sensor = dict.get(self.sensor, identifier)
        if sensor is None:
            return compat.done_future({})
        try:
            sensor.register_listener(listener, reading=True)
        except Exception as error:
            self._logger.exception(record_text("Unhandled exception trying to set sensor listener %r for "
                                               "sensor %s", listener, identifier))
            return compat.done_future({identifier: str(error)})
        return compat.done_future({identifier: listener})

    def remove_sensor_listener(self, sensor_name, listener):
        """Undo `set_sensor_listener`.

        Parameters
        ----------
        sensor_name : str
            KATCP name or Python identifier.
        listener : callable
            Nothing happens if it was not set.
        """
        identifier = identifier_of(sensor_name)
        known = self._sensor_listener_cache.get(identifier, ())
        kept = [other for other in known if hashable_identity(other) != hashable_identity(listener)]
        if kept:
            self._sensor_listener_cache[identifier] = kept
        else:
            self._sensor_listener_cache.pop(identifier, None)
        sensor = dict.get(self.sensor, identifier)
        if sensor is not None:
            sensor.unregister_listener(listener)

    # --- when sensors appear ---------------------------------------------------------------------

    @eager_coroutine
    def _apply_presets(self, identifiers):
        """Set the strategies, and then the listeners, of sensors that have just appeared."""
        strategies = ordered_dict((identifier, self._sensor_strategy_cache[identifier])
                                  for identifier in identifiers if identifier in self._sensor_strategy_cache)
        if strategies:
            try:
                yield self._set_strategies(strategies)
            except Exception:
                self._logger.exception("Exception trying to pre-set sensor strategies")
        for identifier in identifiers:
            for listener in self._sensor_listener_cache.get(identifier, ()):
                try:
                    self.sensor[identifier].register_listener(listener, reading=True)
                except Exception:
                    self._logger.exception(record_text("Exception trying to pre-set sensor listeners for "
                                                       "sensor %s", identifier))
