"""Sensor updates, from the inform to the sensor object."""

from __future__ import absolute_import, division, print_function

import collections
import functools
import logging
import sys

from katcp import compat
from katcp.compat import decode_native, lossy_str, ordered_dict
from katcp.listeners import FailureCounts
from katcp.log_records import record_text
from katcp.sensor import Sensor

# What updates return that need not wait for anything: thousands in a second share it.
_APPLIED = compat.done_future(None)

# Updates that may wait for their sensors to be looked up: a device that cannot be inspected may send updates
# for days.
MAX_WAITING_UPDATES = 10000

_UNKNOWN = Sensor.STATUSES_RAW[Sensor.UNKNOWN]

# Pairs of a sensor and a status that does not exist for which that is logged, once.
MAX_LOGGED_STATUSES = 1000
# So many bytes of it are shown.
MAX_SHOWN_STATUS = 50


class SensorUpdates(object):
    """The part of an inspecting client that sets sensor objects.

    It needs from the rest of the client: ``_sensors_index``, ``_sensor_object_cache`` and
    ``_denied_sensors`` of `Inspection`; ``_sensor_object`` and ``future_get_sensor`` of `Lookup`;
    ``state``; ``katcp_client``; ``_calling_ioloop``; ``_logger``.
    """

    def __init__(self):
        # Updates for sensors that are being looked up: name -> deque of (future, arguments), oldest first.
        self._waiting_updates = ordered_dict()
        self._waiting_updates_count = 0
        self._update_failures = FailureCounts()
        # (name of a sensor, status) of what was logged.
        self._logged_statuses = set()
        super(SensorUpdates, self).__init__()

    def _cb_inform_sensor_status(self, msg):
        """Hook: set the sensors that a ``#sensor-status`` or ``#sensor-value`` inform is about."""
        arguments = msg.arguments
        timestamp, count = arguments[0], int(arguments[1])
        if len(arguments) != 2 + 3 * count:
            raise AssertionError("Inform says that it has {} sensors, but has {} arguments".format(
                count, len(arguments)))
        for i in range(2, len(arguments), 3):
            try:
                update = self.update_sensor(decode_native(arguments[i]), timestamp, arguments[i + 1],
                                            arguments[i + 2])
            except (Exception,) + compat.CANCELLED_ERRORS:
                self._log_failed_update(arguments[i])
                continue
            if update is _APPLIED or not compat.is_future(update):
                continue
            if update.done():
                self._check_update(arguments[i], update)
            else:
                compat.add_loop_callback(
                    self._calling_ioloop(), update, functools.partial(self._check_update, arguments[i]))

    def _check_update(self, raw_name, update):
        exc_info = compat.future_exc_info(update)
        if exc_info is not None:
            self._log_failed_update(raw_name, exc_info)

    def _log_failed_update(self, raw_name, exc_info=None):
        exc_info = exc_info or sys.exc_info()
        suffix = self._update_failures.suffix(exc_info, raw_name)
        if suffix is not None:
            self._logger.error(record_text('Could not apply the update received for "%s"%s',
                                           lossy_str(raw_name), suffix), exc_info=exc_info)

    def update_sensor(self, name, timestamp, status, value):
        """Set a sensor from an update of the device.

        If there is no object for the sensor yet, it is looked up first; later updates for the sensor wait
        for their turn.  If too many wait, the oldest of the sensor is given up.

        Parameters
        ----------
        name : str
        timestamp, status, value : bytes
            As they came.

        Returns
        -------
        future
            Resolves with None.  It is done already if nothing had to be waited for.  Fails with what
            ``set_formatted`` of the sensor raises, or the lookup of the sensor.  A status that does not exist
            is taken for ``unknown``, and logged once.
        """
        waiting = self._waiting_updates.get(name)
        if waiting is None:
            sensor = self._sensor_object_cache.get(name)
            try:
                if sensor is None and self.state.data_synced:
                    sensor = self._sensor_object(name)
                if sensor is not None:
                    try:
                        sensor.set_formatted(timestamp, status, value, self.katcp_client.protocol_flags.major)
                    except KeyError:
                        self._set_status_unknown(sensor, name, timestamp, status, value)
                    return _APPLIED
            except Exception:
                return compat.failed_future(sys.exc_info())
            if name in self._denied_sensors:
                if self._logger.isEnabledFor(logging.DEBUG):
                    self._logger.debug(record_text('Received another update for "%s", which does not exist',
                                                   lossy_str(name)))
                return _APPLIED
        future = compat.new_future(self._calling_ioloop())
        update = (future, (timestamp, status, value))
        self._waiting_updates_count += 1
        if waiting is not None:
            waiting.append(update)
            if self._waiting_updates_count > MAX_WAITING_UPDATES:
                self._give_up_oldest(name, waiting)
        else:
            self._waiting_updates[name] = collections.deque([update])
            self._look_up_for_updates(name)
        return future

    def _set_status_unknown(self, sensor, name, timestamp, status, value):
        """Set a sensor that has refused a status with the current KeyError, if that does not exist."""
        if status in Sensor.STATUS_NAMES_RAW:
            raise
        sensor.set_formatted(timestamp, _UNKNOWN, value, self.katcp_client.protocol_flags.major)
        logged = self._logged_statuses
        shown = status[:MAX_SHOWN_STATUS]
        if (name, shown) not in logged and len(logged) < MAX_LOGGED_STATUSES:
            logged.add((name, shown))
            self._logger.warning(record_text(
                'Sensor "%s" was reported with the status "%s", which does not exist; it is taken for '
                '"unknown"', lossy_str(name), lossy_str(shown)))

    def _give_up_oldest(self, name, waiting):
        if self._logger.isEnabledFor(logging.DEBUG):
            self._logger.debug(record_text('Too many updates wait; giving up the oldest for "%s"',
                                           lossy_str(name)))
        self._waiting_updates_count -= 1
        future, _ = waiting.popleft()
        compat.resolve(future)

    def _look_up_for_updates(self, name):
        lookup = self.future_get_sensor(name)
        apply_updates = functools.partial(self._apply_waiting_updates, name)
        if lookup.done():
            apply_updates(lookup)
        else:
            compat.add_loop_callback(self._calling_ioloop(), lookup, apply_updates)

    def _apply_waiting_updates(self, name, lookup):
        exc_info = compat.future_exc_info(lookup)
        updates = self._waiting_updates.pop(name, ())
        self._waiting_updates_count -= len(updates)
        if not updates:  # the client was stopped
            return
        sensor = None
        if exc_info is None:
            sensor = lookup.result()
            if sensor is None:
                self._denied_sensors.add(name)
                self._logger.error(record_text('Received update for "%s", but could not create sensor '
                                               'object.', lossy_str(name)))
        for future, update in updates:
            if exc_info is not None:
                compat.fail(future, exc_info)
                continue
            try:
                if sensor is not None:
                    try:
                        sensor.set_formatted(*(update + (self.katcp_client.protocol_flags.major,)))
                    except KeyError:
                        self._set_status_unknown(sensor, name, *update)
            except Exception:
                compat.fail(future, sys.exc_info())
            else:
                compat.resolve(future)

    def _drop_waiting_updates(self):
        """Let nobody wait for a lookup that may never end."""
        waiting, self._waiting_updates = self._waiting_updates, ordered_dict()
        self._waiting_updates_count = 0
        for updates in waiting.values():
            for future, _ in updates:
                compat.resolve(future)
