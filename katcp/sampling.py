"""Sampling strategies: when the readings of a sensor are reported to a client.

=================  =========================  =========================================================
strategy           parameters                 reports, besides the reading at the start
=================  =========================  =========================================================
none                                          nothing, not even at the start
auto                                          every update of the sensor, changed or not
period             period                     the sensor's reading once a period
event                                         updates that change status or value
differential       difference                 updates that change the status, or the value by more than
                                              the difference
event-rate         shortest, longest          as event, but not before `shortest` has passed since the
                                              last report; and the sensor's reading when `longest` has
                                              passed since the last report
differential-rate  difference, shortest,      as differential, with the same two bounds
                   longest
=================  =========================  =========================================================

All times are in seconds, and all changes are measured against the last *reported* reading.  See
section 7 of the KATCP specification.

Strategies go by the time of their loop (``ioloop.time()``).  Reports made because time has passed are
at least :data:`MIN_TIMER_SPACING` apart, however short the period asked for; updates of the sensor are
not held up by that.

Examples
--------
>>> from tornado.ioloop import IOLoop
>>> from katcp import Sensor
>>> def show(sensor, reading):
...     print(sensor.name, reading.value)
>>> loop = IOLoop(make_current=False)
>>> voltage = Sensor.float("voltage", "Voltage of the mains", "V", default=230.0,
...                        initial_status=Sensor.NOMINAL)
>>> strategy = SampleStrategy.get_strategy("differential", show, voltage, 5, ioloop=loop)
>>> strategy.start()
>>> for value in 231.0, 226.0, 224.0:
...     loop.add_callback(voltage.set_value, value)
>>> loop.add_callback(strategy.cancel)
>>> loop.add_callback(loop.stop)
>>> loop.start()
voltage 230.0
voltage 224.0
>>> loop.close()

"""

from __future__ import absolute_import, division, print_function

import logging  # noqa: F401
import os
from functools import wraps  # noqa: F401

import tornado.ioloop  # noqa: F401

from katcp.compat import PY2, get_thread_ident, is_bytes, is_text  # noqa: F401
from katcp.message import Message
from katcp.sample_strategy import AGE_OF_UNIVERSE, SampleStrategy, log, update_in_ioloop  # noqa: F401
from katcp.sensor import Sensor

# Users find it here on both Pythons.
range = range

#: Shortest time between two reports that a timer makes, in seconds.  Without it a client that asks for
#: ``period 1e-9`` would keep the loop busy with nothing but its reports.
MIN_TIMER_SPACING = 0.001

_INFINITY = float("inf")


# --- informs -------------------------------------------------------------------------------------

def format_inform_v4(sensor, *reading):
    """Return the ``#sensor-status`` inform of a reading in KATCP version 4 (times in milliseconds).

    Parameters, result and errors are those of :func:`format_inform_v5`.
    """
    return format_inform(sensor, reading, 4)


def format_inform_v5(sensor, *reading):
    """Return the ``#sensor-status`` inform of a reading in KATCP version 5 (times in seconds).

    Parameters
    ----------
    sensor : katcp.Sensor
        The sensor that was read.
    timestamp : float
        Time of the reading in seconds since the epoch.
    status : int
        Status constant of `Sensor`.
    value : object
        Value of the sensor.

    Returns
    -------
    katcp.Message
        A new message.

    Raises
    ------
    KeyError
        If `status` is no status constant.
    ValueError
        If the value cannot be encoded.
    """
    return format_inform(sensor, reading, 5)


def format_inform(sensor, reading, major):
    """Return the ``#sensor-status`` inform of a reading (timestamp, status, value) in a major version."""
    timestamp, status, value = sensor.format_reading(reading, major)
    return Message.inform("sensor-status", timestamp, b"1", sensor.name, status, value)


# --- parameters and changes ----------------------------------------------------------------------

def _number(convert, param):
    """Return ``convert(param)``; all that is wrong with the value is a ValueError."""
    try:
        return convert(param)
    except OverflowError as error:
        raise ValueError(str(error))


def _positive(convert, param, complaint):
    """Return ``convert(param)`` if that is positive and finite."""
    number = _number(convert, param)
    if not 0 < number < _INFINITY:
        raise ValueError(complaint)
    return number


def _finite(convert, param, complaint):
    """Return ``convert(param)`` if that is finite."""
    number = _number(convert, param)
    if not -_INFINITY < number < _INFINITY:
        raise ValueError(complaint)
    return number


def _differs(value, other):
    """Whether two sensor values are different, as NaN is from itself."""
    try:
        return bool(value != other)
    except Exception:
        # Values that know no equality, such as arrays.
        return True


def _differs_by_more(value, other, difference):
    """Whether two sensor values are more than `difference` apart.

    Where there is no difference to speak of (None, NaN), different values are; NaN is like itself then.
    """
    try:
        apart = abs(value - other)
        if apart == apart:
            return bool(apart > difference)
        if value != value and other != other:
            return False
    except Exception:
        pass
    return _differs(value, other)


# --- the strategies ------------------------------------------------------------------------------

class SampleNone(SampleStrategy):
    """Strategy that reports nothing, ever.

    Takes no parameters.
    """

    def __init__(self, inform_callback, sensor, *params, **kwargs):
        SampleStrategy.__init__(self, inform_callback, sensor, *params, **kwargs)
        if params:
            raise ValueError("The 'none' strategy takes no parameters.")

    def start(self):
        """Do nothing."""

    def get_sampling(self):
        return SampleStrategy.NONE


class SampleAuto(SampleStrategy):
    """Strategy that reports every update of the sensor, whether or not anything has changed.

    Takes no parameters.
    """

    OBSERVE_UPDATES = True

    def __init__(self, inform_callback, sensor, *params, **kwargs):
        SampleStrategy.__init__(self, inform_callback, sensor, *params, **kwargs)
        if params:
            raise ValueError("The 'auto' strategy takes no parameters.")

    @update_in_ioloop
    def update(self, sensor, reading):
        self.inform(reading)

    def get_sampling(self):
        return SampleStrategy.AUTO


class SamplePeriod(SampleStrategy):
    """Strategy that reports the sensor's reading at fixed intervals.

    Parameters
    ----------
    period : bytes, str or number
        Time between two reports in seconds; positive and finite.

    Notes
    -----
    The reports are due at the time of the start plus a multiple of the period.  A loop that is more
    than a period late makes one report and counts anew from there.
    """

    def __init__(self, inform_callback, sensor, *params, **kwargs):
        SampleStrategy.__init__(self, inform_callback, sensor, *params, **kwargs)
        passed = " Parameters passed: {!r}, in pid : {}".format(params, os.getpid())
        if len(params) != 1:
            raise ValueError("The 'period' strategy takes one parameter." + passed)
        self._period = _positive(float, params[0], "The period must be a positive float in seconds." + passed)
        self.next_time = None
        self.next_timeout_handle = None

    def _start_timers(self):
        self.next_time = self.ioloop.time()
        self._run_once()

    def _run_once(self):
        """Report, and arrange for the next time."""
        self._ioloop_thread_id = get_thread_ident()
        self.next_timeout_handle = None
        if not self._is_running():
            return
        self.inform(self._read_sensor())
        now = self.ioloop.time()
        spacing = max(self._period, MIN_TIMER_SPACING)
        self.next_time += spacing
        # Later than that it can only be if the clock has been set back.
        if not now <= self.next_time <= now + 2 * spacing:
            self.next_time = now + spacing
        self.next_timeout_handle = self._call_at(self.next_time, self._run_once)

    def cancel_timeouts(self):
        if self.next_timeout_handle is not None:
            self.ioloop.remove_timeout(self.next_timeout_handle)
            self.next_timeout_handle = None

    def get_sampling(self):
        return SampleStrategy.PERIOD


class SampleDifferential(SampleStrategy):
    """Strategy that reports updates that change the status, or the value by more than a difference.

    For integer, float and timestamp sensors.

    Parameters
    ----------
    difference : bytes, str or number
        Positive and finite.  An integer for integer sensors; in seconds for timestamp sensors,
        whatever the version of the protocol.
    """

    OBSERVE_UPDATES = True

    # How the difference is read, for each type of sensor.
    _DIFFERENCES = {
        Sensor.INTEGER: (int, "The diff amount must be a positive integer."),
        Sensor.FLOAT: (float, "The diff amount must be a positive float."),
        Sensor.TIMESTAMP: (float, "The diff amount must be a positive number of seconds."),
    }

    def __init__(self, inform_callback, sensor, *params, **kwargs):
        SampleStrategy.__init__(self, inform_callback, sensor, *params, **kwargs)
        if len(params) != 1:
            raise ValueError("The 'differential' strategy takes one parameter.")
        if sensor._sensor_type not in self._DIFFERENCES:
            raise ValueError("The 'differential' strategy is only valid for float, integer and "
                             "timestamp sensors.")
        convert, complaint = self._DIFFERENCES[sensor._sensor_type]
        self._threshold = _positive(convert, params[0], complaint)
        # Of the last report
        self._lastStatus = None
        self._lastValue = None

    @update_in_ioloop
    def update(self, sensor, reading):
        _, status, value = reading
        if status != self._lastStatus or _differs_by_more(value, self._lastValue, self._threshold):
            # Before the report: its callback may set the sensor, and so bring us here again.
            self._lastStatus = status
            self._lastValue = value
            self.inform(reading)

    def get_sampling(self):
        return SampleStrategy.DIFFERENTIAL


class SampleEventRate(SampleStrategy):
    """Strategy that reports changes, but neither too often nor too seldom.

    Parameters
    ----------
    shortest_period : bytes, str or number
        No report is made before this many seconds have passed since the last one; at least 0, and
        finite.  A change that comes too early is reported when they have passed, with the reading
        that the sensor has then.
    longest_period : bytes, str or number
        A report is made when this many seconds have passed since the last one, changed or not; not
        less than `shortest_period`.  ``inf`` is allowed.
    """

    OBSERVE_UPDATES = True

    def __init__(self, inform_callback, sensor, *params, **kwargs):
        SampleStrategy.__init__(self, inform_callback, sensor, *params, **kwargs)
        if len(params) != 2:
            raise ValueError("The 'event-rate' strategy takes two parameters.")
        shortest, longest = _number(float, params[0]), _number(float, params[1])
        if not 0 <= shortest <= longest or shortest == _INFINITY:
            raise ValueError("The shortest and longest periods must satisfy "
                             "0 <= shortest_period <= longest_period")
        self._shortest_period = shortest
        self._longest_period = longest
        # Whether the time does not matter at all
        self._timeless = shortest == 0 and longest >= AGE_OF_UNIVERSE
        # When the next report may and must be made
        self._not_before = 0
        self._not_after = 0
        self._last_reading_sent = (None, None, None)
        self._short_timeout_handle = None
        self._periodic_timeout_handle = None
        # For when the periodic timer is armed
        self._next_periodic = 1e99

    def _sensor_changed(self, reading):
        """Return whether `reading` differs from the last report."""
        last_reading = self._last_reading_sent
        return reading[1] != last_reading[1] or _differs(reading[2], last_reading[2])

    @update_in_ioloop
    def update(self, sensor, reading):
        if self._sensor_changed(reading):
            if self._shortest_period == 0:
                self.inform(reading)
            else:
                now = self.ioloop.time()
                if now >= self._not_before:
                    self.inform(reading)
                else:
                    self._defer(now)

    def inform(self, reading):
        # Before the report: its callback may set the sensor, and so bring us here again.
        self._last_reading_sent = reading
        if self._timeless:
            self._not_after = self._longest_period
        else:
            self._note_report_time()
        SampleStrategy.inform(self, reading)

    def _note_report_time(self):
        now = self.ioloop.time()
        self._not_before = now + self._shortest_period
        longest = self._longest_period
        self._not_after = now + (longest if longest > MIN_TIMER_SPACING else MIN_TIMER_SPACING)
        if self._periodic_timeout_handle is not None and self._next_periodic > self._not_after:
            # The clock has been set back, and the timer would take that much longer.
            self._arm_periodic_timer()

    def _defer(self, now):
        """Arrange for a report when it may be made."""
        if self._not_before > now + self._shortest_period:
            # The clock has been set back since the last report.
            self._not_before = now + self._shortest_period
            self._remove_short_timer()
        if self._short_timeout_handle is None:
            self._short_timeout_handle = self._call_at(self._not_before, self._short_timeout_handler)

    def _short_timeout_handler(self):
        """Make the report that was deferred."""
        self._ioloop_thread_id = get_thread_ident()
        self._short_timeout_handle = None
        if not self._is_running():
            return
        reading = self._read_sensor()
        now = self.ioloop.time()
        if now >= self._not_before:
            self.inform(reading)
        elif self._sensor_changed(reading):
            # There was another report in the meantime, or the clock has been set back.
            self._defer(now)

    def _start_timers(self):
        self._periodic_sampling()

    def _periodic_sampling(self):
        """Make the report that is due when there was none for the longest period."""
        self._ioloop_thread_id = get_thread_ident()
        if not self._is_running():
            return
        now = self.ioloop.time()
        spacing = max(self._longest_period, MIN_TIMER_SPACING)
        if now >= self._not_after:
            reading = self._read_sensor()
            # Reading a sensor may set it, and so have made the report already.
            if now >= self._not_after:
                self.inform(reading)
        elif self._not_after > now + spacing:
            # The clock has been set back since the last report.
            self._not_after = now + spacing
        self._arm_periodic_timer()

    def _arm_periodic_timer(self):
        self._remove_periodic_timer()
        # Reports that are made until then only move `_not_after`.
        self._periodic_timeout_handle = self._call_at(self._not_after, self._periodic_sampling)
        self._next_periodic = self._not_after

    def _remove_periodic_timer(self):
        if self._periodic_timeout_handle is not None:
            self.ioloop.remove_timeout(self._periodic_timeout_handle)
            self._periodic_timeout_handle = None

    def _remove_short_timer(self):
        if self._short_timeout_handle is not None:
            self.ioloop.remove_timeout(self._short_timeout_handle)
            self._short_timeout_handle = None

    def cancel_timeouts(self):
        self._remove_short_timer()
        self._remove_periodic_timer()

    def get_sampling(self):
        return SampleStrategy.EVENT_RATE


class SampleEvent(SampleEventRate):
    """Strategy that reports updates that change the status or the value.

    Takes no parameters.
    """

    def __init__(self, inform_callback, sensor, *params, **kwargs):
        if params:
            raise ValueError("The 'event' strategy takes no parameters.")
        SampleEventRate.__init__(self, inform_callback, sensor, 0, 1e99, **kwargs)
        # The two are not for the client's eyes.
        self._params = ()

    def get_sampling(self):
        return SampleStrategy.EVENT


class SampleDifferentialRate(SampleEventRate):
    """Strategy that reports sizable changes, but neither too often nor too seldom.

    For integer and float sensors.

    Parameters
    ----------
    difference : bytes, str or number
        Changes are updates that change the status, or the value by more than this; finite, and an
        integer for integer sensors (of other numbers, as opposed to strings, the fraction is cut off).
        Every update is a change if it is negative.
    shortest_period, longest_period : bytes, str or number
        As in :class:`SampleEventRate`.
    """

    # How the difference is read, for each type of sensor.
    _DIFFERENCES = {
        "integer": (int, "The diff amount must be an integer."),
        "float": (float, "The diff amount must be a finite float."),
    }

    def __init__(self, inform_callback, sensor, *params, **kwargs):
        if len(params) != 3:
            raise ValueError("The 'differential-rate' strategy takes three parameters.")
        SampleEventRate.__init__(self, inform_callback, sensor, *params[1:], **kwargs)
        self._params = params
        if sensor.stype not in self._DIFFERENCES:
            raise ValueError("The differential-rate strategy can only be defined for integer or "
                             "float sensors")
        convert, complaint = self._DIFFERENCES[sensor.stype]
        self.difference = _finite(convert, params[0], complaint)
        self._last_reading_sent = (None, None, 1e99)

    def _sensor_changed(self, reading):
        last_reading = self._last_reading_sent
        return (reading[1] != last_reading[1]
                or _differs_by_more(reading[2], last_reading[2], self.difference))

    def get_sampling(self):
        return SampleStrategy.DIFFERENTIAL_RATE


SampleStrategy._classes.update({
    SampleStrategy.NONE: SampleNone,
    SampleStrategy.AUTO: SampleAuto,
    SampleStrategy.PERIOD: SamplePeriod,
    SampleStrategy.EVENT: SampleEvent,
    SampleStrategy.DIFFERENTIAL: SampleDifferential,
    SampleStrategy.EVENT_RATE: SampleEventRate,
    SampleStrategy.DIFFERENTIAL_RATE: SampleDifferentialRate,
})
