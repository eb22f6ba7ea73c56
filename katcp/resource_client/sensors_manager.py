"""What the sensors of a resource ask of its device: readings, and sampling strategies.

Strategies are kept, because a device forgets them whenever the connection is lost.
"""

from __future__ import absolute_import, division, print_function

import functools
import logging
import sys

from katcp import compat
from katcp.compat import lossy_str
from katcp.errors import KATCPSensorError
from katcp.inspecting.inspection import SyncError
from katcp.log_records import record_text
from katcp.resource_client.futures import derive, eager_coroutine, transform_future
from katcp.resource_names import NO_STRATEGY, escape_name, normalize_strategy_parameters
from katcp.resource_request import KATCPReply
from katcp.resource_sensor import KATCPSensor, KATCPSensorsManager

log = logging.getLogger("katcp.resource_client")

# How many sensors are named in one message of the log.
LOGGED_NAMES = 10

# What becomes of a strategy that has not been sent when another one is set.
_SUPERSEDED = "Another strategy was set, or this one dropped, before it was sent"


class KATCPClientResourceSensorsManager(object):
    """Implementation of `KATCPSensorsManager` on an inspecting client.

    Parameters
    ----------
    inspecting_client : ReplyWrappedInspectingClientAsync
    resource_name : str
    logger : logging.Logger, optional

    Attributes
    ----------
    time : callable
        Returns the time of the loop in seconds.
    strategy_noted : callable or None
        ``strategy_noted(sensor_name, strategy_and_params)`` is called whenever a strategy is set or, with
        None, dropped; `strategy_and_params` are as given.
    """

    strategy_noted = None

    def __init__(self, inspecting_client, resource_name, logger=log):
        self._inspecting_client = inspecting_client
        self.time = inspecting_client.ioloop.time
        self._resource_name = resource_name
        self._logger = logger
        # KATCP name -> normalised strategy.
        self._strategy_cache = {}
        # Escaped name -> key of the cache.
        self._cache_keys = {}
        # While the model is updated: the strategies that were sent since that began.
        self._sent = None
        # While the model is updated: KATCP name -> object of the sensors that the device has modified.
        self._modified = {}

    @property
    def resource_name(self):
        """Name of the resource whose sensors these are."""
        return self._resource_name

    # --- sensor objects --------------------------------------------------------------------------

    def sensor_factory(self, **sensor_description):
        """Return the object for a sensor.

        Parameters
        ----------
        **sensor_description
            Keyword arguments of `katcp.Sensor`.

        Returns
        -------
        KATCPSensor
            If the device has only modified the sensor, the object that it had before, with the new
            description.
        """
        name = sensor_description["name"]
        sensor = self._modified.pop(name, None)
        if sensor is None:
            sensor = KATCPSensor(sensor_description, self)
        else:
            sensor.update_description(sensor_description)
        strategy = self._strategy_cache.get(name)
        if strategy and self._sent is None:
            # A sensor that was looked up; those that are found by inspections get theirs all at once.
            self._send_one(name, strategy)
        return sensor

    def begin_model_update(self, modified_sensors):
        """Prepare for new sensor objects, whose strategies are set with `reapply_sampling_strategies`.

        Parameters
        ----------
        modified_sensors : dict
            KATCP name to object of sensors that are not new, but have another description than before.
        """
        self._sent = {}
        self._modified = modified_sensors

    def end_model_update(self):
        """Undo `begin_model_update`."""
        self._sent = None
        self._modified = {}

    # --- readings --------------------------------------------------------------------------------

    def poll_sensor(self, sensor_name):
        """Ask the device for the reading of a sensor.

        Parameters
        ----------
        sensor_name : str
            KATCP name.

        Returns
        -------
        future
            Resolves with None; by then the sensor object is set.  Fails with KATCPSensorError if the
            device does not tell.
        """
        answer = self._inspecting_client.wrapped_request("sensor-value", sensor_name)
        return transform_future(functools.partial(self._check_poll, sensor_name), answer)

    @staticmethod
    def _check_poll(sensor_name, reply):
        if not reply.succeeded:
            raise KATCPSensorError("Error polling sensor {0}: \n{1}".format(sensor_name, reply))

    # --- the strategies --------------------------------------------------------------------------

    def get_sampling_strategy(self, sensor_name):
        """Return the strategy that was set for a sensor.

        Parameters
        ----------
        sensor_name : str
            KATCP name or escaped name.

        Returns
        -------
        tuple of str
            Name of the strategy and its parameters; ``('none',)`` if none was set.
        """
        strategy = self._strategy_cache.get(sensor_name)
        if strategy is None:
            strategy = self._strategy_cache.get(self._get_strategy_cache_key(sensor_name))
        return strategy or NO_STRATEGY

    def _get_strategy_cache_key(self, sensor_name):
        """Return the key under which the strategy of a sensor is kept; the name itself if there is none."""
        if sensor_name in self._strategy_cache:
            return sensor_name
        return self._cache_keys.get(escape_name(sensor_name), sensor_name)

    def _note(self, sensor_name, strategy, strategy_and_params):
        self._strategy_cache[sensor_name] = strategy
        self._cache_keys[escape_name(sensor_name)] = sensor_name
        if self._sent is not None:
            self._sent[sensor_name] = strategy
        if self.strategy_noted is not None:
            self.strategy_noted(sensor_name, strategy_and_params)

    def drop_sampling_strategy(self, sensor_name):
        """Forget the strategy of a sensor; the device is not told.

        Parameters
        ----------
        sensor_name : str
            KATCP name or escaped name; nothing happens if no strategy was set.
        """
        key = self._get_strategy_cache_key(sensor_name)
        if self._strategy_cache.pop(key, None) is not None:
            self._cache_keys.pop(escape_name(key), None)
            if self.strategy_noted is not None:
                self.strategy_noted(key, None)

    def set_sampling_strategy(self, sensor_name, strategy_and_params):
        """Set the strategy of a sensor, and keep it for when the device is connected again.

        The request is sent at once, and the strategy kept whether or not the device accepts it.

        Parameters
        ----------
        sensor_name : str
            KATCP name.
        strategy_and_params : str or sequence
            See `normalize_strategy_parameters`.

        Returns
        -------
        future
            Resolves with ``(True, normalised strategy)`` or ``(False, what went wrong)``.  Failures are
            logged as well.
        """
        try:
            strategy = normalize_strategy_parameters(strategy_and_params)
            self._note(sensor_name, strategy, strategy_and_params)
        except Exception as error:
            return compat.done_future(self._failed(sensor_name, error))
        return self._send_one(sensor_name, strategy)

    def _send_one(self, sensor_name, strategy):
        """Send a normalised strategy; the future is that of `set_sampling_strategy`."""
        try:
            answer = compat.as_future(self._inspecting_client.wrapped_request(
                "sensor-sampling", sensor_name, *strategy))
        except Exception as error:
            return compat.done_future(self._failed(sensor_name, error))
        # Who does not care for the result still wants failures to be logged.
        return derive(functools.partial(self._outcome, sensor_name, strategy), answer, always=True)

    def _outcome(self, sensor_name, strategy, answer):
        try:
            self._check_sampling_reply(sensor_name, answer.result())
        except Exception as error:
            return self._failed(sensor_name, error)
        return True, strategy

    def _failed(self, sensor_name, error):
        text = lossy_str(error)
        self._logger.error(record_text("Could not set the sampling strategy of sensor %s of %s: %s",
                                       lossy_str(sensor_name), self._resource_name, text))
        return False, text

    @staticmethod
    def _check_sampling_reply(sensor_name, reply):
        if not reply.succeeded:
            raise KATCPSensorError("Error setting strategy for sensor {0}: \n{1}".format(sensor_name, reply))

    # --- many at a time --------------------------------------------------------------------------

    def set_sampling_strategies(self, strategies):
        """Set the strategies of many sensors, in as few round trips as the device allows for.

        Devices with the protocol flag B are sent one request for many sensors.  If they refuse it, it is
        split, so that a sensor which cannot have its strategy does not keep the others from theirs.

        Parameters
        ----------
        strategies : dict
            KATCP name of a sensor to its strategy, as for `set_sampling_strategy`.

        Returns
        -------
        future
            Resolves with a dict from names to what `set_sampling_strategy` would resolve with.
        """
        results = {}
        normalised = compat.ordered_dict()
        previous = previous_normalised = None
        for sensor_name, strategy_and_params in strategies.items():
            # Usually one and the same object for all of them.
            if previous is None or strategy_and_params is not previous:
                try:
                    previous_normalised = normalize_strategy_parameters(strategy_and_params)
                except Exception as error:
                    results[sensor_name] = self._failed(sensor_name, error)
                    continue
                previous = strategy_and_params
            normalised[sensor_name] = previous_normalised
            self._note(sensor_name, previous_normalised, strategy_and_params)
        return transform_future(functools.partial(_merge, results), self._send(normalised))

    def _send(self, strategies):
        """Send the normalised strategies of sensors; return a future of a dict of results."""
        if not strategies:
            return compat.done_future({})

        def is_wanted(sensor_name):
            # Requests wait for one another.  Meanwhile users may set something else, and that counts.
            return self._strategy_cache.get(sensor_name) == strategies.get(sensor_name)

        try:
            answers = compat.as_future(
                self._inspecting_client.set_sampling_strategies(strategies, is_wanted=is_wanted))
        except Exception:
            answers = compat.failed_future(sys.exc_info())
        return derive(functools.partial(self._outcomes, strategies), answers, always=True)

    def _outcomes(self, strategies, answers):
        results = {}
        failures = []
        try:
            answers = answers.result()
        except Exception as error:
            text = lossy_str(error)
            self._log_failures(list(strategies), text)
            return dict((sensor_name, (False, text)) for sensor_name in strategies)
        for sensor_name, strategy in strategies.items():
            if sensor_name not in answers:
                results[sensor_name] = (False, _SUPERSEDED)
                continue
            reply, informs = answers[sensor_name]
            if reply.reply_ok():
                results[sensor_name] = (True, strategy)
                continue
            try:
                self._check_sampling_reply(sensor_name, KATCPReply(reply, informs))
            except KATCPSensorError as error:
                results[sensor_name] = (False, lossy_str(error))
            failures.append(sensor_name)
        if failures:
            self._log_failures(failures, results[failures[0]][1])
        return results

    def _log_failures(self, sensor_names, text):
        names = ", ".join([lossy_str(name) for name in sorted(sensor_names)[:LOGGED_NAMES]])
        if len(sensor_names) > LOGGED_NAMES:
            names += " and {0} others".format(len(sensor_names) - LOGGED_NAMES)
        self._logger.error(record_text("Could not set the sampling strategies of sensors of %s: %s. For "
                                       "one of them: %s", self._resource_name, names, text))

    @eager_coroutine
    def reapply_sampling_strategies(self):
        """Set all strategies again; for when the device may have forgotten them.

        Only while the inspecting client is data-synced: it is asked whether the sensors exist.

        Returns
        -------
        future
            Resolves with None.  What goes wrong is logged.
        """
        sent = self._sent or {}
        known = self._known_sensors()
        present = []
        checks = []
        for sensor_name, strategy in list(self._strategy_cache.items()):
            if sent.get(sensor_name) == strategy:
                continue
            if sensor_name in known:
                present.append(sensor_name)
            else:
                checks.append((sensor_name, self._check_sensor(sensor_name)))
        for sensor_name, check in checks:
            try:
                exists = yield check
            except SyncError as error:
                # The connection was lost, most likely; then there is going to be another time.
                self._logger.error(record_text("Error reapplying strategy for sensor %s: %s",
                                               lossy_str(sensor_name), lossy_str(error)))
                continue
            except Exception:
                self._logger.exception(record_text("Unhandled exception reapplying strategy for sensor %s",
                                                   lossy_str(sensor_name)))
                continue
            if exists:
                present.append(sensor_name)
            else:
                self._logger.warning(record_text("Did not set strategy for non-existing sensor %s",
                                                 lossy_str(sensor_name)))
        # As they are now, after all the waiting; without those that are empty.
        strategies = [(sensor_name, self._strategy_cache.get(sensor_name)) for sensor_name in sorted(present)]
        yield self._send(compat.ordered_dict([item for item in strategies if item[1]]))

    def _known_sensors(self):
        """Return the set of the names that need not be asked about."""
        try:
            return frozenset(self._inspecting_client.sensors)
        except TypeError:  # a stand-in
            return frozenset()

    def _check_sensor(self, sensor_name):
        try:
            return compat.as_future(self._inspecting_client.future_check_sensor(sensor_name))
        except Exception:
            return compat.failed_future(sys.exc_info())


def _merge(results, more_results):
    results.update(more_results)
    return results


# Not a subclass: it has nothing to inherit.
KATCPSensorsManager.register(KATCPClientResourceSensorsManager)
