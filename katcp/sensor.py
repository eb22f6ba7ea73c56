"""Sensors: named values that a device publishes, each with a status and a time."""

from __future__ import absolute_import, division, print_function

import logging
import sys
import threading
import time
import warnings
from collections import namedtuple

from katcp.compat import (ensure_native_str, integer_types, is_bytes, is_recursion_error, reraise,
                          text_type)
from katcp.errors import KatcpSyntaxError, KatcpTypeError
from katcp.katcp_types import Address, Bool, Float, Int, Lru, Timestamp
from katcp.listeners import FailureCounts, check_signature
from katcp.log_records import record_text
from katcp.protocol import DEFAULT_KATCP_MAJOR
from katcp.text_types import Discrete, Str, native_where_possible

logger = logging.getLogger(__name__)

# One for all sensors: observers come and go rarely, and a lock each would keep sensors from being
# copied. Reentrant, since hashing a user's observer runs the user's code.
_observers_lock = threading.RLock()

# Values of these types cannot change under a formatted reading that is kept.
_IMMUTABLE_TYPES = frozenset((float, bool, bytes, text_type) + integer_types)

_new_tuple = tuple.__new__


class Reading(namedtuple("Reading", "timestamp status value")):
    """What a sensor reads at one time.

    Attributes
    ----------
    timestamp : float
        Seconds since the epoch.
    status : int
        One of the status constants of `Sensor`.
    value : object
        Of the type that belongs to the sensor.
    """

    __slots__ = ()


class DiscreteParamsError(ValueError, IndexError):
    """A discrete sensor has no allowed values (an IndexError for the sake of older code)."""


# Class of a type -> an instance and its methods: one set of them does for all sensors of the type.
_shared_types = {}


def _shared_type(kattype):
    shared = _shared_types.get(kattype)
    if shared is None:
        instance = kattype()
        shared = _shared_types.setdefault(kattype, (instance, instance.pack, _parser_of(instance)))
    return shared


def _parser_of(kattype):
    # What others report is taken as it is: `check` is for those who set something. (The types that have
    # methods of their own are users'.)
    return kattype.decode if type(kattype) is Timestamp else kattype.unpack


# The statuses in which a value means nothing (table 8 of the specification).
_WITHOUT_VALUE = (0, 4, 5, 6)


class Sensor(object):
    """A named value of a device, with a status and a time.

    Parameters
    ----------
    sensor_type : int or type
        One of the type constants (`Sensor.INTEGER` and so on), or ``int``, ``float``, ``bool`` or
        ``str``.
    name : str
        Name of the sensor. Strings of any kind are accepted here, for units and for the
        description, and become native ones.
    description : str, optional
        For humans. The default is made of type, name and units.
    units : str, optional
        Units of the value. Not for timestamps: the protocol's version decides on their units.
    params : list, optional
        For a discrete sensor the list of allowed values, required. For integer and float sensors
        optionally ``[nominal minimum, nominal maximum]``, or those two and ``warning minimum, warning
        maximum``: passed on to clients and enforced nowhere, but see `status_of`.
    default : object, optional
        The initial value; without it a value that suits the type.
    initial_status : int, optional
        The initial status; without it `Sensor.UNKNOWN`.

    Attributes
    ----------
    name, description, units : str
    params : list
    formatted_params : list of bytes
        `params` as they appear in messages.
    type, stype : str
        Name of the type (``"integer"``).

    Raises
    ------
    KeyError
        If there is no such type.
    ValueError
        If a timestamp sensor is given units, or a discrete one no allowed values.

    Notes
    -----
    Any thread may read or set a sensor: a reading is replaced as a whole. Observers are told in
    the thread that set it.

    In the statuses of `STATUSES_WITHOUT_VALUE` a value means nothing (section 7 of the
    specification), and may be None. Clients are then sent the last one that could be sent, or the
    initial one.

    Subclasses may override `read` (sensors that are polled) and `set`: `value`, `status` and
    `read_formatted` go through `read`, `set_value` and `set_formatted` through `set`, and `set`
    through `notify`.

    Examples
    --------
    >>> sensor = Sensor.float("wind.speed", "Wind speed at the mast", "m/s", [0.0, 40.0])
    >>> sensor.set_value(7.5, Sensor.NOMINAL, timestamp=12345)
    >>> sensor.read()
    Reading(timestamp=12345, status=1, value=7.5)
    """

    INTEGER, FLOAT, BOOLEAN, LRU, DISCRETE, STRING, TIMESTAMP, ADDRESS = range(8)

    # Type constant -> class of the type, default value (a discrete sensor's is its first one).
    SENSOR_TYPES = {
        INTEGER: (Int, 0),
        FLOAT: (Float, 0.0),
        BOOLEAN: (Bool, False),
        LRU: (Lru, Lru.LRU_NOMINAL),
        DISCRETE: (Discrete, "unknown"),
        STRING: (Str, ""),
        TIMESTAMP: (Timestamp, 0.0),
        ADDRESS: (Address, Address.NULL),
    }
    SENSOR_SHORTCUTS = {int: INTEGER, float: FLOAT, str: STRING, bool: BOOLEAN}
    SENSOR_TYPE_LOOKUP = dict((entry[0].name, constant) for constant, entry in SENSOR_TYPES.items())

    UNKNOWN, NOMINAL, WARN, ERROR, FAILURE, UNREACHABLE, INACTIVE = range(7)

    STATUSES = {
        UNKNOWN: "unknown",
        NOMINAL: "nominal",
        WARN: "warn",
        ERROR: "error",
        FAILURE: "failure",
        UNREACHABLE: "unreachable",
        INACTIVE: "inactive",
    }
    STATUSES_WITHOUT_VALUE = frozenset(_WITHOUT_VALUE)
    STATUSES_RAW = dict((status, text.encode("ascii")) for status, text in STATUSES.items())
    STATUS_NAMES = dict((text, status) for status, text in STATUSES.items())
    STATUS_NAMES_RAW = dict((text, status) for status, text in STATUSES_RAW.items())

    LRU_NOMINAL, LRU_ERROR = Lru.LRU_NOMINAL, Lru.LRU_ERROR
    LRU_VALUES = Lru.LRU_VALUES
    LRU_CONSTANTS = Lru.LRU_CONSTANTS

    TIMESTAMP_TYPE = Timestamp()

    def __init__(self, sensor_type, name, description=None, units=None, params=None, default=None,
                 initial_status=None):
        sensor_type = self.SENSOR_SHORTCUTS.get(sensor_type, sensor_type)
        kattype, default_value = self.SENSOR_TYPES[sensor_type]
        self._sensor_type = sensor_type
        self._observers = frozenset()
        self._observer_failures = None
        self.type = self.stype = kattype.name
        self.name = ensure_native_str(name)
        self.units = ensure_native_str(units) if units is not None else ""
        if sensor_type == self.TIMESTAMP and self.units:
            raise ValueError(
                "Units cannot be specified for TIMESTAMP sensors since their units is defined by "
                "the KATCP spec as either seconds or, for katcp versions 4 and below, milliseconds")
        if description is None:
            description = "{} sensor {!r} {}".format(
                self.type.capitalize(), self.name,
                "in unit " + self.units if self.units else "with no unit")
        self.description = ensure_native_str(description)

        self.params = params if params is not None else []
        if sensor_type == self.DISCRETE:
            self.params = [ensure_native_str(value) for value in self.params]
            if not self.params:
                raise DiscreteParamsError(
                    "Discrete sensor {!r} needs params, the list of its values".format(self.name))
            default_value = self.params[0]
        elif sensor_type in (self.INTEGER, self.FLOAT) and len(self.params) == 2:
            if not self.params[0] <= default_value <= self.params[1]:
                default_value = self.params[0]
        self._use_type()
        self.formatted_params = [self._formatter(param, True) for param in self.params]

        self._current_reading = Reading(
            time.time(),
            initial_status if initial_status is not None else self.UNKNOWN,
            default if default is not None else default_value)
        # What is sent where a reading has no value: the last value that could be.
        self._last_value = self._current_reading.value
        # Whether it has been logged that the sensor cannot be reported; see `katcp.unreadable_sensors`.
        self._is_unreadable = False
        # The last formatted reading, which all clients that are told of an update share: reading,
        # major version, result. One tuple, so that threads see all of it or nothing.
        self._last_formatted = (None, None, None)

    def _use_type(self):
        kattype = self.SENSOR_TYPES[self._sensor_type][0]
        if self._sensor_type == self.DISCRETE:
            self._kattype = kattype(self.params)
            self._formatter, self._parser = self._kattype.pack, self._kattype.unpack
        else:
            self._kattype, self._formatter, self._parser = _shared_type(kattype)

    def __getstate__(self):
        state = self.__dict__.copy()
        # Python 2 cannot pickle methods; those that somebody has put there instead are kept.
        if state["_formatter"] == self._kattype.pack:
            del state["_formatter"]
        if state["_parser"] in (self._kattype.unpack, self._kattype.decode):
            del state["_parser"]
        del state["_kattype"]
        state["_last_formatted"] = (None, None, None)
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._use_type()
        self.__dict__.update(state)

    @classmethod
    def integer(cls, name, description=None, unit='', params=None, default=None,
                initial_status=None):
        """Return a new integer sensor; for the parameters see the class."""
        return cls(cls.INTEGER, name, description, unit, params, default, initial_status)

    @classmethod
    def float(cls, name, description=None, unit='', params=None, default=None,
              initial_status=None):
        """Return a new float sensor; for the parameters see the class."""
        return cls(cls.FLOAT, name, description, unit, params, default, initial_status)

    @classmethod
    def boolean(cls, name, description=None, unit='', default=None, initial_status=None):
        """Return a new boolean sensor; for the parameters see the class."""
        return cls(cls.BOOLEAN, name, description, unit, None, default, initial_status)

    @classmethod
    def lru(cls, name, description=None, unit='', default=None, initial_status=None):
        """Return a new sensor of a line-replaceable unit; for the parameters see the class."""
        return cls(cls.LRU, name, description, unit, None, default, initial_status)

    @classmethod
    def string(cls, name, description=None, unit='', default=None, initial_status=None):
        """Return a new string sensor; for the parameters see the class."""
        return cls(cls.STRING, name, description, unit, None, default, initial_status)

    @classmethod
    def discrete(cls, name, description=None, unit='', params=None, default=None,
                 initial_status=None):
        """Return a new discrete sensor with values `params`; for the parameters see the class."""
        return cls(cls.DISCRETE, name, description, unit, params, default, initial_status)

    @classmethod
    def timestamp(cls, name, description=None, unit='', default=None, initial_status=None):
        """Return a new timestamp sensor; for the parameters see the class."""
        return cls(cls.TIMESTAMP, name, description, unit, None, default, initial_status)

    @classmethod
    def address(cls, name, description=None, unit='', default=None, initial_status=None):
        """Return a new address sensor; for the parameters see the class."""
        return cls(cls.ADDRESS, name, description, unit, None, default, initial_status)

    def __repr__(self):
        cls = type(self)
        return "<{}.{} object name={!r} at 0x{:x}>".format(
            cls.__module__, cls.__name__, self.name, id(self))

    # --- reading ---

    def read(self):
        """Return the current `Reading`."""
        return self._current_reading

    def value(self):
        """Return the current value."""
        return self.read().value

    def status(self):
        """Return the current status, one of the status constants."""
        return self.read().status

    def read_formatted(self, major=DEFAULT_KATCP_MAJOR):
        """Return the current reading as message arguments; see `format_reading`."""
        return self.format_reading(self.read(), major)

    def format_reading(self, reading, major=DEFAULT_KATCP_MAJOR):
        """Return a reading as message arguments.

        Parameters
        ----------
        reading : Reading or sequence of three
            Timestamp in seconds, status and value.
        major : int
            Major version of the protocol.

        Returns
        -------
        tuple of bytes
            Timestamp, status and value.

        Raises
        ------
        KeyError
            If the status is none of the status constants.
        ValueError, TypeError
            If the value does not suit the type of the sensor. In the statuses of
            `STATUSES_WITHOUT_VALUE` the last one that does takes its place.
        """
        last = self._last_formatted
        if last[0] is reading and last[1] == major:
            return last[2]
        timestamp, status, value = reading
        try:
            formatted_value = self._formatter(value, True, major)
        except Exception:
            if status not in _WITHOUT_VALUE:
                raise
            return (self.TIMESTAMP_TYPE.encode(timestamp, major), self.STATUSES_RAW[status],
                    self._value_in_place(major))
        formatted = (self.TIMESTAMP_TYPE.encode(timestamp, major),
                     self.STATUSES_RAW[status],
                     formatted_value)
        if type(reading) is Reading and type(value) in _IMMUTABLE_TYPES:
            self._last_formatted = (reading, major, formatted)
        self._is_unreadable = False
        return formatted

    def _value_in_place(self, major):
        """Return the message argument for a reading that has no value."""
        _, last_major, last_formatted = self._last_formatted
        if last_major == major:
            return last_formatted[2]
        try:
            return self._formatter(self._last_value, True, major)
        except Exception:
            default_value = self.params[0] if self._sensor_type == self.DISCRETE else (
                self.SENSOR_TYPES[self._sensor_type][1])
            return self._formatter(default_value, True, major)

    # --- setting ---

    def set(self, timestamp, status, value):
        """Set the reading and tell the observers; nothing is checked.

        Parameters
        ----------
        timestamp : float
            Seconds since the epoch.
        status : int
            One of the status constants.
        value : object
            Of the type that belongs to the sensor; None if the status says that there is none.
        """
        if status != 1 and status in _WITHOUT_VALUE:
            self._keep_last_value()
        # Half the time of calling the class; it matters in devices with many sensors.
        reading = _new_tuple(Reading, (timestamp, status, value))
        self._current_reading = reading
        self.notify(reading)

    def _keep_last_value(self):
        value = self._current_reading[2]
        if value is not None:
            try:
                self._formatter(value, True)
            except Exception:
                return
            self._last_value = value
            # It may be older.
            self._last_formatted = (None, None, None)

    def set_value(self, value, status=NOMINAL, timestamp=None, major=DEFAULT_KATCP_MAJOR):
        """Set the value, by default with status nominal and the current time.

        Parameters
        ----------
        value : object
            Of the type that belongs to the sensor; None if the status says that there is none.
        status : int or None
            One of the status constants; None for `status_of` the value.
        timestamp : float, optional
            Seconds since the epoch; the current time if None.
        major : int
            Major version of the protocol.

        Raises
        ------
        ValueError
            If the sensor is discrete and `value` is not one of its values.
        """
        if status is None:
            status = self.status_of(value)
        if value is not None or status not in _WITHOUT_VALUE:
            self._kattype.check(value, major)
        if type(value) is not str and self._sensor_type == self.DISCRETE:
            value = native_where_possible(value)
        self.set(time.time() if timestamp is None else timestamp, status, value)

    def set_formatted(self, raw_timestamp, raw_status, raw_value, major=DEFAULT_KATCP_MAJOR):
        """Set the reading from message arguments.

        Parameters
        ----------
        raw_timestamp, raw_status, raw_value : bytes
            As `format_reading` returns them.
        major : int
            Major version of the protocol.

        Raises
        ------
        ValueError
            If timestamp or value cannot be read. In the statuses of `STATUSES_WITHOUT_VALUE` a value
            that cannot be read is None.
        KeyError
            If there is no such status.

        Notes
        -----
        Nothing changes if one of them is wrong.
        """
        timestamp = self.TIMESTAMP_TYPE.decode(raw_timestamp, major)
        status = self.STATUS_NAMES_RAW[raw_status]
        try:
            value = self.parse_value(raw_value, major)
        except ValueError:
            if status not in _WITHOUT_VALUE:
                raise
            value = None
        self.set(timestamp, status, value)

    # --- ranges ---

    @property
    def nominal_range(self):
        """Range of values whose status is nominal: ``(minimum, maximum)``, inclusive, or None."""
        return self._range(0)

    @property
    def warn_range(self):
        """Range of values of which none is an error: ``(minimum, maximum)``, inclusive, or None."""
        return self._range(2)

    def _range(self, start):
        if self._sensor_type not in (self.INTEGER, self.FLOAT) or len(self.params) not in (2, 4):
            return None
        return tuple(self.params[start:start + 2]) or None

    def status_of(self, value):
        """Return the status that a value has by the ranges of the sensor (specification, section 7).

        Parameters
        ----------
        value : object
            Of the type that belongs to the sensor.

        Returns
        -------
        int
            `NOMINAL` within the nominal range and where there is none; outside it `WARN` within the
            warning range and where there is none; outside both `ERROR`. For None, `UNKNOWN`.
        """
        if value is None:
            return self.UNKNOWN
        nominal, warn = self.nominal_range, self.warn_range
        if nominal is None or nominal[0] <= value <= nominal[1]:
            return self.NOMINAL
        if warn is None or warn[0] <= value <= warn[1]:
            return self.WARN
        return self.ERROR

    def parse_value(self, s_value, katcp_major=DEFAULT_KATCP_MAJOR):
        """Return the value that a message argument stands for.

        Parameters
        ----------
        s_value : bytes
        katcp_major : int
            Major version of the protocol.

        Raises
        ------
        KatcpTypeError
            If `s_value` is not bytes.
        ValueError
            If it cannot be read, or is not one of the values of a discrete sensor.
        """
        if not is_bytes(s_value):
            raise KatcpTypeError(
                "Sensor value type must be bytes - not {}".format(type(s_value)))
        return self._parser(s_value, katcp_major)

    def value_parser(self):
        """Return a function with which to parse many values.

        Returns
        -------
        function
            ``function(s_value, katcp_major)`` does what `parse_value` does, but does not check that
            it is given bytes.
        """
        kattype = self._kattype
        if kattype.check_is_idle():
            return kattype.decode
        if self._sensor_type != self.DISCRETE:
            return _parser_of(kattype)
        find = dict(zip(self.formatted_params, self.params)).get

        def parse(s_value, katcp_major):
            value = find(s_value)
            return kattype.unpack(s_value, katcp_major) if value is None else value

        return parse

    # --- observers ---

    def attach(self, observer):
        """Have ``observer.update(sensor, reading)`` called whenever the sensor is set.

        Parameters
        ----------
        observer : object
            Hashable; to attach one twice has no effect.
        """
        # Replaced rather than changed: `notify` may be at it in another thread.
        update = getattr(observer, "update", None)
        if update is None:
            logger.error(record_text("Observer %r of %r has no method update()", observer, self))
        else:
            check_signature(logger, "Observer's method", update, "sensor", "reading")
        with _observers_lock:
            self._observers = self._observers.union((observer,))

    def detach(self, observer):
        """Stop calling `observer`, if it was attached."""
        with _observers_lock:
            self._observers = self._observers.difference((observer,))

    def notify(self, reading):
        """Call ``update(sensor, reading)`` of all observers that are attached now.

        Parameters
        ----------
        reading : Reading

        Raises
        ------
        Exception
            The first exception that an observer raised, after all of them were called. Further
            ones are logged. (A RecursionError is raised at once.)
        """
        observers = self._observers
        if not observers:
            return
        failure = None
        for observer in observers:
            try:
                observer.update(self, reading)
            except Exception as error:
                # Sensors that set one another in circles: to call the other observers as well, at each
                # of hundreds of levels, would never end.
                if is_recursion_error(error):
                    raise
                if failure is None:
                    failure = sys.exc_info()
                else:
                    self._log_failed_observer(observer, sys.exc_info())
        if failure is not None:
            try:
                reraise(failure)
            finally:
                del failure  # its traceback refers to this frame

    def _log_failed_observer(self, observer, exc_info):
        if self._observer_failures is None:
            self._observer_failures = FailureCounts()
        suffix = self._observer_failures.suffix(exc_info, id(observer))
        if suffix is not None:
            logger.exception(record_text("Observer %r failed on an update of %r%s", observer, self, suffix))

    # --- for clients ---

    @classmethod
    def parse_type(cls, type_string):
        """Return the type constant for the name of a type.

        Parameters
        ----------
        type_string : str

        Raises
        ------
        KatcpSyntaxError
            If there is no such type.
        """
        try:
            return cls.SENSOR_TYPE_LOOKUP[type_string]
        except KeyError:
            raise KatcpSyntaxError("Invalid sensor type string %s" % (type_string,))

    @classmethod
    def parse_params(cls, sensor_type, formatted_params, major=DEFAULT_KATCP_MAJOR):
        """Return the values that the parameters in a sensor's description stand for.

        Parameters
        ----------
        sensor_type : int
            One of the type constants.
        formatted_params : list of bytes
        major : int
            Major version of the protocol.

        Returns
        -------
        list

        Raises
        ------
        KeyError
            If there is no such type.
        ValueError
            If a parameter cannot be read.
        """
        kattype = cls.SENSOR_TYPES[sensor_type][0]
        decode = (kattype([]) if sensor_type == cls.DISCRETE else kattype()).decode
        return [decode(param, major) for param in formatted_params]

    # --- deprecated ---

    @property
    def _timestamp(self):
        return self._deprecated("timestamp")

    @property
    def _status(self):
        return self._deprecated("status")

    @property
    def _value(self):
        return self._deprecated("value")

    def _deprecated(self, field):
        warnings.warn("Use of katcp.Sensor._%s attribute is deprecated" % field,
                      DeprecationWarning, stacklevel=3)
        return getattr(self._current_reading, field)
