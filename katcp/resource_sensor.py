"""Sensors as a client sees them: readings that arrive, and those who want to know.

A `KATCPSensor` has no value of its own. Somebody, usually an inspecting client, sets what the device
has reported, and the sensor tells its listeners. What has to be asked of the device (a new reading, a
sampling strategy) is asked through the sensor's manager.
"""

from __future__ import absolute_import, division, print_function

import abc
import logging
import sys
import threading
from collections import namedtuple

from katcp.chaining import transform
from katcp.compat import (CANCELLED_ERRORS, Sequence, add_callback_if_open, done_future, fail, failed_future,
                          is_awaitable, ordered_dict, resolve, string_types, with_metaclass)
from katcp.errors import KATCPSensorError
from katcp.linked_futures import Deadline, Place, Waiter, new_waiter, wait_loop
from katcp.listeners import FailureCounts, check_signature
from katcp.log_records import record_text
from katcp.protocol import DEFAULT_KATCP_MAJOR
from katcp.resource_names import NO_STRATEGY, escape_name, parameter_text, strategy_parts
from katcp.sensor import Sensor
from katcp.waiting import hashable_identity

# The name under which users know these messages.
logger = logging.getLogger("katcp.resource")

# One for all sensors: listeners come and go rarely. Reentrant, because a garbage collection inside
# may end a wait, which takes its listener away.
_listeners_lock = threading.RLock()

# What listeners are called with.
_READING_ARGUMENTS = ("sensor", "reading")
_PLAIN_ARGUMENTS = ("received_timestamp", "timestamp", "status", "value")

_new_tuple = tuple.__new__
_decode_timestamp = Sensor.TIMESTAMP_TYPE.decode
_STATUS_NUMBERS = Sensor.STATUS_NAMES_RAW
_WITHOUT_VALUE = Sensor.STATUSES_WITHOUT_VALUE


# --- readings ------------------------------------------------------------------------------------

class KATCPSensorReading(namedtuple("KATCPSensorReading",
                                    "received_timestamp timestamp istatus value")):
    """What a sensor of a device read at one time.

    Attributes
    ----------
    received_timestamp : float
        When this client got to know it, in seconds since the epoch.
    timestamp : float
        When the device read the sensor, in seconds since the epoch.
    istatus : int
        One of the status constants of `katcp.Sensor`.
    value : object
        Of the type that belongs to the sensor; None if nothing has been received yet, or if the status is
        one without a value and what the device sent is none.
    raw_value : bytes or None
        What the device sent where that is no value, else None.
    """

    __slots__ = []

    raw_value = None

    @property
    def status(self):
        """The status as a word, a native str; ``"unknown"`` for status numbers that do not exist."""
        try:
            return Sensor.STATUSES[self.istatus]
        except (KeyError, TypeError):
            pass
        try:
            return Sensor.STATUSES.get(int(self.istatus), "unknown")
        except TypeError:
            return "unknown"


class _ReadingWithoutValue(KATCPSensorReading):
    """A reading with what the device sent instead of a value."""

    def __repr__(self):
        return repr(KATCPSensorReading(*self))


_NOTHING_RECEIVED = KATCPSensorReading(0, 0, Sensor.UNKNOWN, None)


# --- managers ------------------------------------------------------------------------------------

class KATCPSensorsManager(with_metaclass(abc.ABCMeta)):
    """What a `KATCPSensor` needs from the client that it belongs to.

    Besides the methods, a manager has an attribute ``resource_name``, the name (str) of the resource
    whose sensors it manages.
    """

    @abc.abstractmethod
    def time(self):
        """Return the current time in float seconds since the epoch."""

    @abc.abstractmethod
    def get_sampling_strategy(self, sensor_name):
        """Return the sampling strategy of a sensor.

        Parameters
        ----------
        sensor_name : str
            KATCP name of the sensor.

        Returns
        -------
        tuple of str
            Normalised (`normalize_strategy_parameters`); ``("none",)`` if none was set.
        """

    @abc.abstractmethod
    def set_sampling_strategy(self, sensor_name, strategy_and_parms):
        """Set the sampling strategy of a sensor, now and whenever the device is connected anew.

        Parameters
        ----------
        sensor_name : str
            KATCP name of the sensor.
        strategy_and_parms : str or sequence
            See `normalize_strategy_parameters`.

        Returns
        -------
        future
            Resolves with ``(True, normalised strategy)`` or ``(False, error text)``.
        """

    @abc.abstractmethod
    def drop_sampling_strategy(self, sensor_name):
        """Forget the sampling strategy of a sensor, without telling the device.

        Parameters
        ----------
        sensor_name : str
            KATCP name of the sensor.
        """

    @abc.abstractmethod
    def poll_sensor(self, sensor_name):
        """Ask the device for a reading of a sensor.

        Parameters
        ----------
        sensor_name : str
            KATCP name of the sensor.

        Returns
        -------
        future
            Resolves once the reading has been set. Fails with `KATCPSensorError`.
        """

    @abc.abstractmethod
    def reapply_sampling_strategies(self):
        """Set all sampling strategies on the device again.

        Returns
        -------
        future
            Resolves with None.
        """


# --- waiting -------------------------------------------------------------------------------------

class _ReadingWaiter(Waiter):
    """A future for a reading; a reading that is already on its way into it beats the deadline."""

    found = False

    def expire(self):
        if not self.found:
            super(_ReadingWaiter, self).expire()


class _ReadingWait(Place):
    """The listener that looks for the reading a waiter waits for.

    As a place of the waiter it keeps it alive only while somebody waits for it in turn, and stops
    listening when the waiter is done or gone.
    """

    __slots__ = ("_sensor", "_condition", "_is_met", "_ioloop")

    def __init__(self, sensor, condition_or_value, waiter, ioloop):
        super(_ReadingWait, self).__init__(waiter)
        self._sensor = sensor
        self._condition = condition_or_value
        self._is_met = condition_or_value if callable(condition_or_value) else self._has_value
        self._ioloop = ioloop
        waiter.wait_in(self)

    def _has_value(self, reading):
        return reading.value == self._condition

    def __call__(self, sensor, reading):
        waiter = self._waiter()
        if waiter is None:
            # It died while another listener was being registered, which undid `stop_listening`.
            sensor.unregister_listener(self)
            return
        if waiter.found:
            return
        try:
            if not self._is_met(reading):
                return
            settle, outcome = resolve, True
        except Exception:
            if reading.raw_value is not None:
                # Conditions may be made for values: such a reading has none to be tested.
                return
            settle, outcome = fail, sys.exc_info()
        waiter.found = True
        self.stop_listening()
        # Sensors may be set in any thread, futures only in that of their loop.
        add_callback_if_open(self._ioloop, settle, waiter, outcome)

    def test_first(self, reading):
        """Test the reading that was there when the wait began."""
        sensor = self._sensor
        if sensor is not None:
            self(sensor, reading)

    def stop_listening(self):
        sensor, self._sensor = self._sensor, None
        if sensor is not None:
            sensor.unregister_listener(self)

    def discard(self, waiter):
        self._held = self._reference = None
        self.stop_listening()


# --- sensors -------------------------------------------------------------------------------------

class KATCPSensor(with_metaclass(abc.ABCMeta)):
    """A sensor of a device, as its client knows it.

    Parameters
    ----------
    sensor_description : dict
        Keyword arguments of `katcp.Sensor`: ``sensor_type``, ``name``, and optionally
        ``description``, ``units``, ``params``.
    sensor_manager : KATCPSensorsManager

    Raises
    ------
    TypeError
        If `sensor_description` lacks something or has unknown keys.

    Notes
    -----
    Belongs to the thread of the client's ioloop. Other threads use the wrappers in
    `katcp.resource_client`.

    Examples
    --------
    ::

        @tornado.gen.coroutine
        def watch(client):
            sensor = client.sensor.wind_speed
            yield sensor.set_strategy("event-rate", [0.5, 10])
            sensor.register_listener(lambda sensor, reading: print(reading.value), reading=True)
            yield sensor.wait(lambda reading: reading.value > 20, timeout=3600)
    """

    # How often listeners have failed, once one has.
    _listener_failures = None
    # What the device sent where that is no value, while the sensor is being set.
    _raw_value = None

    def __init__(self, sensor_description, sensor_manager):
        self._manager = sensor_manager
        self._reading = _NOTHING_RECEIVED
        # {identity of listener: (listener, whether it takes readings)}; replaced rather than changed,
        # so that it can be gone through without a copy at every update.
        self._listeners = ordered_dict()
        self._describe(sensor_description)

    def _describe(self, sensor_description):
        self._sensor = sensor = Sensor(**sensor_description)
        self._name = sensor.name
        self._normalised_name = escape_name(sensor.name)
        self._parse = sensor.value_parser()

    def update_description(self, sensor_description):
        """Take over what the device says about the sensor now; listeners and waits stay.

        Parameters
        ----------
        sensor_description : dict
            As for the class. If the type has changed, the last reading makes no sense any more: the
            sensor has none then, as in the beginning.
        """
        old_type = self._sensor.type
        self._describe(sensor_description)
        if self._sensor.type != old_type:
            self._reading = _NOTHING_RECEIVED

    def __repr__(self):
        cls = type(self)
        return "<{}.{} object name={!r} at 0x{:x}>".format(
            cls.__module__, cls.__name__, self._name, id(self))

    @property
    def parent_name(self):
        """Name of the resource that the sensor belongs to."""
        return self._manager.resource_name

    @property
    def name(self):
        """KATCP name of the sensor, a native str."""
        return self._name

    @property
    def normalised_name(self):
        """Name of the sensor as a Python identifier (`escape_name`)."""
        return self._normalised_name

    @property
    def description(self):
        """What the device says about the sensor, a native str."""
        return self._sensor.description

    @property
    def units(self):
        """Units of the value, a native str."""
        return self._sensor.units

    @property
    def type(self):
        """KATCP name of the sensor's type (``"integer"``)."""
        return self._sensor.type

    @property
    def nominal_range(self):
        """Range of values whose status is nominal, as the device has it; see `katcp.Sensor.nominal_range`."""
        return self._sensor.nominal_range

    @property
    def warn_range(self):
        """Range of values of which none is an error, as the device has it; see `katcp.Sensor.warn_range`."""
        return self._sensor.warn_range

    @property
    def reading(self):
        """The last `KATCPSensorReading`."""
        return self._reading

    @property
    def value(self):
        """Value of the last reading; None if there has been none."""
        return self._reading.value

    @property
    def status(self):
        """Status of the last reading, as a word (``"nominal"``)."""
        return self._reading.status

    def parse_value(self, s_value):
        """Return the value that a message argument stands for.

        Parameters
        ----------
        s_value : bytes

        Raises
        ------
        KatcpTypeError
            If `s_value` is not bytes.
        ValueError
            If it cannot be read.
        """
        return self._sensor.parse_value(s_value)

    # --- setting ---

    def set(self, timestamp, status, value):
        """Set what the device reads, and call the listeners; nothing is checked.

        Parameters
        ----------
        timestamp : float
            Seconds since the epoch.
        status : int
            One of the status constants of `katcp.Sensor`.
        value : object
            Of the type that belongs to the sensor; None if the status says that there is none.
        """
        # Half the time of calling the class; clients may get tens of thousands of these a second.
        reading = _new_tuple(KATCPSensorReading, (self._manager.time(), timestamp, status, value))
        if value is None and self._raw_value is not None:
            reading = _ReadingWithoutValue(*reading)
            reading.raw_value = self._raw_value
        self._reading = reading
        self.call_listeners(reading)

    def set_value(self, value, status=Sensor.NOMINAL, timestamp=None):
        """Set the value, by default with status nominal and the current time; nothing is checked.

        Parameters
        ----------
        value : object
            Of the type that belongs to the sensor.
        status : int
            One of the status constants of `katcp.Sensor`.
        timestamp : float, optional
            Seconds since the epoch; the current time if None.
        """
        self.set(self._manager.time() if timestamp is None else timestamp, status, value)

    def set_formatted(self, raw_timestamp, raw_status, raw_value, major=DEFAULT_KATCP_MAJOR):
        """Set what the device reads from message arguments.

        Parameters
        ----------
        raw_timestamp, raw_status, raw_value : bytes
        major : int
            Major version of the protocol, on which the units of times depend.

        Raises
        ------
        ValueError
            If timestamp or value cannot be read.
        KeyError
            If there is no such status.

        Notes
        -----
        Nothing changes if one of them is wrong.  In the statuses ``unknown``, ``failure``, ``unreachable``
        and ``inactive`` a value means nothing (specification, section 7): one that cannot be read is None,
        and the reading has `raw_value`.
        """
        timestamp = _decode_timestamp(raw_timestamp, major)
        status = _STATUS_NUMBERS[raw_status]
        parse = self._parse if type(raw_value) is bytes else self._sensor.parse_value
        try:
            value = parse(raw_value, major)
        except ValueError:
            if status not in _WITHOUT_VALUE:
                raise
            self._set_without_value(timestamp, status, raw_value)
        else:
            self.set(timestamp, status, value)

    def _set_without_value(self, timestamp, status, raw_value):
        # By way of `set`, which subclasses may override.
        self._raw_value = raw_value
        try:
            self.set(timestamp, status, None)
        finally:
            self._raw_value = None

    # --- asking the device ---

    def get_reading(self):
        """Ask the device for a new reading.

        Returns
        -------
        future
            Resolves with a `KATCPSensorReading` after the listeners were called. Fails with
            `KATCPSensorError` if the device does not answer as it should.
        """
        return self._poll(lambda polled: self._reading)

    def get_value(self):
        """Ask the device for a new reading; the future resolves with its value. See `get_reading`."""
        return self._poll(lambda polled: self._reading.value)

    def get_status(self):
        """Ask the device for a new reading; the future resolves with its status, a word.

        See `get_reading`.
        """
        return self._poll(lambda polled: self._reading.status)

    def _poll(self, result):
        try:
            polled = self._manager.poll_sensor(self._name)
        except Exception:
            return failed_future(sys.exc_info())
        return transform(polled if is_awaitable(polled) else done_future(), result)

    # --- strategies ---

    @property
    def sampling_strategy(self):
        """The current sampling strategy, a tuple of str; ``("none",)`` if none was set."""
        return self._manager.get_sampling_strategy(self._name)

    def set_strategy(self, strategy, params=None):
        """Set how the device is to sample the sensor.

        Parameters
        ----------
        strategy : str or sequence
            Name of the strategy; parameters may follow.
        params : str, number or sequence of them, optional
            (More) parameters of the strategy, strings with spaces between them. Units are those of
            the protocol's version (seconds since version 5).

        Returns
        -------
        future
            What the manager returns: resolves with ``(True, strategy)`` or ``(False, error text)``.

        Examples
        --------
        ::

            yield sensor.set_strategy("period", 0.5)
            yield sensor.set_strategy("event-rate", "0.5 10")
        """
        parts = strategy_parts(strategy)
        if params is not None:
            try:
                parts = parts + strategy_parts(params)
            except TypeError:
                parts.append(parameter_text(params))
        return self.set_sampling_strategy(" ".join(parts))

    def set_sampling_strategy(self, strategy):
        """Set how the device is to sample the sensor.

        Parameters
        ----------
        strategy : str or sequence
            Name of the strategy and its parameters, see `normalize_strategy_parameters`.

        Returns
        -------
        future
            What the manager returns: resolves with ``(True, strategy)`` or ``(False, error text)``.
        """
        return self._manager.set_sampling_strategy(self._name, strategy)

    def drop_sampling_strategy(self):
        """Forget the sampling strategy, without telling the device."""
        self._manager.drop_sampling_strategy(self._name)

    # --- listeners ---

    def register_listener(self, listener, reading=False):
        """Have a function called whenever the sensor is set.

        Parameters
        ----------
        listener : callable
            Called in the thread that sets the sensor, after the listeners registered before. Its
            exceptions are logged. One listener is called once, however often it is registered.
        reading : bool
            If true, `listener` is called with this sensor and a `KATCPSensorReading`, else with
            received timestamp, timestamp, status (as a word) and value.
        """
        identity = hashable_identity(listener)
        if identity not in self._listeners:
            arguments = _READING_ARGUMENTS if reading else _PLAIN_ARGUMENTS
            check_signature(logger, "Listener", listener, *arguments)
        with _listeners_lock:
            listeners = self._listeners.copy()
            listeners[identity] = (listener, bool(reading))
            self._listeners = listeners

    def unregister_listener(self, listener):
        """Stop calling `listener`, if it was registered."""
        identity = hashable_identity(listener)
        with _listeners_lock:
            if identity in self._listeners:
                listeners = self._listeners.copy()
                del listeners[identity]
                self._listeners = listeners

    def is_listener(self, listener):
        """Return whether `listener` is registered."""
        return hashable_identity(listener) in self._listeners

    def clear_listeners(self):
        """Stop calling any listener."""
        with _listeners_lock:
            self._listeners = ordered_dict()

    def call_listeners(self, reading):
        """Call all listeners that are registered now, in the order in which they were registered.

        Parameters
        ----------
        reading : KATCPSensorReading
        """
        for listener, takes_reading in self._listeners.values():
            try:
                if takes_reading:
                    listener(self, reading)
                else:
                    received_timestamp, timestamp, _, value = reading
                    listener(received_timestamp, timestamp, reading.status, value)
            except (Exception,) + CANCELLED_ERRORS:
                self._log_failed_listener(listener, sys.exc_info())

    def _log_failed_listener(self, listener, exc_info):
        if self._listener_failures is None:
            self._listener_failures = FailureCounts()
        suffix = self._listener_failures.suffix(exc_info, hashable_identity(listener))
        if suffix is not None:
            logger.exception(record_text("Unhandled exception calling KATCPSensor callback %r%s",
                                         listener, suffix))

    # --- waiting ---

    def wait(self, condition_or_value, timeout=None):
        """Wait for a reading.

        Parameters
        ----------
        condition_or_value : callable or object
            A function that is called with each `KATCPSensorReading` and returns whether it is the
            one, or the value to wait for. The reading that is there already counts as well.
        timeout : float, optional
            After how many seconds to give up; None and 0 mean never.

        Returns
        -------
        future
            Resolves with True, even if the reading was soon replaced by another one. Fails with
            ``tornado.gen.TimeoutError`` when the time is up, or with the exception that the
            condition raises. When it is cancelled or dropped the wait is over.

        Raises
        ------
        KATCPSensorError
            At once, if no sampling strategy is set: there would be no readings.
        NotImplementedError
            At once, if a list or tuple is given. To wait for an address, use a function.

        Examples
        --------
        ::

            yield sensor.wait(5, timeout=10)
            yield sensor.wait(lambda reading: reading.status == "nominal")
        """
        if isinstance(condition_or_value, Sequence) and not isinstance(condition_or_value, string_types):
            raise NotImplementedError("Currently only single conditions are supported")
        if self.sampling_strategy == NO_STRATEGY:
            raise KATCPSensorError("Cannot wait on a sensor that does not have a strategy set")
        ioloop = wait_loop(None)
        waiter = new_waiter(ioloop, _ReadingWaiter)
        wait = _ReadingWait(self, condition_or_value, waiter, ioloop)
        self.register_listener(wait, reading=True)
        if timeout:
            Deadline(waiter, ioloop, ioloop.time() + timeout, _ReadingWaiter.expire)
        ioloop.add_callback(wait.test_first, self._reading)
        return waiter
