"""What all sampling strategies share: observing a sensor, the loop's thread, starting and stopping.

A strategy lives in the thread of its event loop; all its reports are made there.  Sensors may be set
in any thread, so :func:`update_in_ioloop` brings what other threads set over to the loop, and in
order: an update made in the loop's thread first handles those of other threads that came before it.

When each kind of strategy reports is told in :mod:`katcp.sampling`, which is also where to import
the names of this module from.
"""

from __future__ import absolute_import, division, print_function

import collections
import functools
import logging
import sys

import tornado.ioloop

from katcp.compat import add_callback_if_open, get_thread_ident, is_bytes, is_text, lossy_str
from katcp.listeners import FailureCounts
from katcp.log_records import record_text
from katcp.unreadable_sensors import log_unreadable, reading_in_place

log = logging.getLogger("katcp.sampling")

# In seconds.  Deadlines this late or later mean "never": no timer is made for them.
AGE_OF_UNIVERSE = 4.32329886e17

# What `_wanted` of a strategy is after `cancel`.
_CANCELLED = object()


def update_in_ioloop(update):
    """Decorate an observer's ``update`` method to run in the thread of the observer's loop.

    Parameters
    ----------
    update : function
        Method with the signature ``update(self, sensor, reading)``.  Its object must have the
        attributes ``ioloop`` and ``_ioloop_thread_id`` (what ``threading.get_ident()`` gives in the
        loop's thread); sampling strategies have the latter once they are started.

    Returns
    -------
    function
        Method that returns None.  Called in the loop's thread it calls `update` on the spot;
        exceptions reach the caller.  Called in any other thread it returns at once, and `update` is
        called in a later iteration of the loop, once for each call, in the order of the calls.

    """
    @functools.wraps(update)
    def updater(self, sensor, reading):
        in_loop = get_thread_ident() == self._ioloop_thread_id
        try:
            running = self._begun is self._wanted
        except AttributeError:
            # Not a strategy, but somebody's own observer.
            if in_loop:
                update(self, sensor, reading)
            else:
                add_callback_if_open(self.ioloop, update, self, sensor, reading)
            return
        if not in_loop:
            self._queue_foreign_update(update, sensor, reading)
        elif running:
            # The newest reading itself comes again where one decorated method calls another.
            if self._foreign_updates and reading is not self._newest_reading:
                self._handle_foreign_updates(self._foreign_updates[-1])
                if self._begun is not self._wanted:
                    return
            self._newest_reading = reading
            update(self, sensor, reading)
    return updater


class SampleStrategy(object):
    """Base class of the sampling strategies: decides when a sensor's readings are reported.

    Parameters
    ----------
    inform_callback : callable
        ``inform_callback(sensor, reading)`` is called in the loop's thread for each report.  What it
        raises is logged, and changes nothing else.
    sensor : katcp.Sensor
        The sensor to sample.
    params : bytes, str or number
        The parameters of the strategy; times are in seconds.
    ioloop : tornado.ioloop.IOLoop, optional
        The loop to run in (keyword argument); by default the current one.
    call_in_loop : callable, optional
        ``call_in_loop(fn, *args)`` is called in other threads that set the sensor, and has to see to it
        that ``fn(*args)`` is called in the loop's (keyword argument).  By default the loop's own
        ``add_callback``.

    Raises
    ------
    ValueError
        If the parameters are not what the strategy takes.

    Notes
    -----
    A subclass defines :meth:`get_sampling`, and any of :meth:`update` (decorated with
    :func:`update_in_ioloop`; with ``OBSERVE_UPDATES = True``), :meth:`start` and
    :meth:`cancel_timeouts`.
    """

    # Sampling strategy constants
    NONE, AUTO, PERIOD, EVENT, DIFFERENTIAL, EVENT_RATE, DIFFERENTIAL_RATE = range(7)

    #: Name, as it stands in requests, of each strategy constant.
    SAMPLING_LOOKUP = {
        NONE: b"none",
        AUTO: b"auto",
        PERIOD: b"period",
        EVENT: b"event",
        DIFFERENTIAL: b"differential",
        EVENT_RATE: b"event-rate",
        DIFFERENTIAL_RATE: b"differential-rate",
    }

    #: Strategy constant of each name.
    SAMPLING_LOOKUP_REV = {name: constant for constant, name in SAMPLING_LOOKUP.items()}

    #: Whether the strategy wants to be told of each update of the sensor.
    OBSERVE_UPDATES = False

    # Class of each strategy constant; katcp.sampling fills it in.
    _classes = {}

    # Updates from other threads that wait for the loop; a deque as soon as there is one.
    _foreign_updates = None

    def __init__(self, inform_callback, sensor, *params, **kwargs):
        # `start` and `cancel` say what is wanted, in any thread, with a new object for each start; the
        # loop's thread notes which start it has carried out.  Unless the two are the same, nothing is
        # reported.  (They are in a strategy that was never started.)
        self._wanted = self._begun = None
        # The reading that is being handled, or was handled last.
        self._newest_reading = None
        self._inform_callback = inform_callback
        self._sensor = sensor
        self._params = params
        self._call_in_loop = kwargs.get("call_in_loop")
        ioloop = kwargs.get("ioloop")
        if not ioloop:
            try:
                ioloop = tornado.ioloop.IOLoop.current()
            except RuntimeError:
                # This thread has no loop (yet); `__getattr__` asks again when it is needed.
                return
        self.ioloop = ioloop

    def __getattr__(self, name):
        if name == "ioloop":
            self.ioloop = tornado.ioloop.IOLoop.current()
            return self.ioloop
        raise AttributeError("{!r} object has no attribute {!r}".format(type(self).__name__, name))

    @classmethod
    def get_strategy(cls, strategyName, inform_callback, sensor, *params, **kwargs):
        """Create a strategy by name.

        Parameters
        ----------
        strategyName : bytes or str
            Name of the strategy as in a ``?sensor-sampling`` request, for example ``b"event"``.
        inform_callback, sensor, params, ioloop
            As in the constructor.

        Returns
        -------
        SampleStrategy
            A new strategy, not started yet.

        Raises
        ------
        ValueError
            If there is no strategy of that name, or the parameters are not what it takes.
        """
        name = strategyName.encode("ascii") if is_text(strategyName) else strategyName
        constant = cls.SAMPLING_LOOKUP_REV.get(name)
        if constant is None:
            raise ValueError("Unknown sampling strategy '{}'. Known strategies are {}.".format(
                lossy_str(name), [lossy_str(known) for _, known in sorted(cls.SAMPLING_LOOKUP.items())]))
        return cls._classes[constant](inform_callback, sensor, *params, **kwargs)

    def get_sampling(self):
        """Return the constant of this kind of strategy, for example ``SampleStrategy.EVENT``."""
        raise NotImplementedError

    def get_sampling_formatted(self):
        """Return the strategy as one would request it.

        Returns
        -------
        name : bytes
            Name of the strategy.
        params : list of bytes
            The parameters as they were given; times are in seconds.
        """
        return self.SAMPLING_LOOKUP[self.get_sampling()], [_format_param(param) for param in self._params]

    # --- starting and stopping -------------------------------------------------------------------

    def start(self):
        """Start the strategy; returns at once, and may be called in any thread.

        In the loop's next iteration the strategy attaches itself to the sensor, if it wants to
        observe it, and makes its initial report.  Starting a strategy that is started does nothing;
        a cancelled one may be started again.

        Subclasses that override this must call it before they schedule work of their own.
        """
        if self._wanted is None or self._wanted is _CANCELLED:
            self._wanted = start = object()
            self.ioloop.add_callback(self._begin, start)

    def cancel(self):
        """Stop the strategy; returns at once, and may be called in any thread.

        The strategy detaches itself from the sensor; its timers are removed in the loop's next
        iteration.  Called in the loop's thread, no report is made after the call; called in another
        thread, only one that is being made at that very moment may still be on its way.
        """
        self._wanted = _CANCELLED
        if self.OBSERVE_UPDATES:
            self.detach()
        self.ioloop.add_callback(self.cancel_timeouts)

    def _begin(self, start):
        # Unless it was cancelled in the meantime.
        if start is not self._wanted:
            return
        self._begun = start
        self._ioloop_thread_id = get_thread_ident()
        if self.OBSERVE_UPDATES:
            try:
                self.attach()
            except Exception:
                log.exception(record_text("Could not attach a sampling strategy to sensor %r",
                                          self._sensor.name))
        self._start_timers()

    def _is_running(self):
        """Whether reports may be made; to be asked in the loop's thread."""
        return self._begun is self._wanted

    def _start_timers(self):
        """Begin what the strategy does on time; called in the loop's thread, after `attach`.

        A callback of `attach` may have cancelled the strategy.
        """

    def cancel_timeouts(self):
        """Remove pending timers; called in the loop's thread."""

    def _call_at(self, deadline, callback):
        """Have `callback()` called at a time of the loop's clock; return a handle, or None for never."""
        if deadline >= AGE_OF_UNIVERSE:
            return None
        return self.ioloop.call_at(deadline, callback)

    def attach(self):
        """Report the sensor's reading, as far as the strategy wants it reported, and observe the sensor.

        Updates made while this runs are reported after it.  A sensor that cannot be read is observed
        all the same; its status is reported as unknown.

        Raises
        ------
        Exception
            What :meth:`update` raises; the sensor is not observed then.  Strategies that were never
            started raise an `AttributeError`.
        """
        sensor = self._sensor
        # Nobody tells us of what is set between reading and attaching, unless we look.  Reading twice
        # would not do: a sensor that is polled by reading it gives a new reading each time.
        stored_before = getattr(sensor, "_current_reading", None)
        reading = self._read_sensor()
        sensor.attach(self)
        try:
            stored = getattr(sensor, "_current_reading", None)
            if stored is not stored_before:
                reading = stored
            # With this, updates of other threads wait for their turn, which is after this one.
            self._newest_reading = reading
            self.update(sensor, reading)
        except Exception:
            sensor.detach(self)
            raise
        # Another thread may have cancelled, and detached before we attached.
        if not self._is_running():
            sensor.detach(self)

    def detach(self):
        """Stop observing the sensor.  Timers stay as they are."""
        self._sensor.detach(self)

    # --- updates and reports ---------------------------------------------------------------------

    def update(self, sensor, reading):
        """Take note of a new reading; the sensor calls this, in the thread that sets it.

        Parameters
        ----------
        sensor : katcp.Sensor
            The sensor that was set.
        reading : katcp.core.Reading
            Its new timestamp, status and value.
        """

    def inform(self, reading):
        """Report a reading.

        Parameters
        ----------
        reading : katcp.core.Reading
            Timestamp (in seconds), status (a constant of `Sensor`) and value; None as value of a sensor
            that cannot be read.
        """
        try:
            self._inform_callback(self._sensor, reading)
        except Exception:
            self._log_failure("send", "Unhandled exception trying to send %r for sensor %r of type %r",
                              reading, self._sensor.name, self._sensor.type)

    def _read_sensor(self):
        """Return the sensor's reading; if it cannot be read, one with status unknown and no value."""
        try:
            return self._sensor.read()
        except Exception as error:
            log_unreadable(log, self._sensor, error, exc_info=sys.exc_info())
            return reading_in_place()

    def _log_failure(self, what, template, *args):
        """Log the current exception, unless it has come often enough."""
        failures = self.__dict__.get("_failures")
        if failures is None:
            failures = self._failures = FailureCounts()
        suffix = failures.suffix(sys.exc_info(), what)
        if suffix is not None:
            log.exception(record_text(template, *args) + suffix)

    def _queue_foreign_update(self, update, sensor, reading):
        """Have ``update(self, sensor, reading)`` called in the loop's thread; called in any other."""
        queue = self._foreign_updates
        if queue is None:
            # Two threads may be here at the same time.
            queue = self.__dict__.setdefault("_foreign_updates", collections.deque())
        queued = [update, sensor, reading]
        queue.append(queued)
        # One call for each update keeps the order among sensors.
        if self._call_in_loop is not None:
            self._call_in_loop(self._handle_foreign_updates, queued)
        elif not add_callback_if_open(self.ioloop, self._handle_foreign_updates, queued):
            queue.clear()

    def _handle_foreign_updates(self, last):
        """Handle what other threads have set, up to the queue entry `last`; called in the loop's thread."""
        self._ioloop_thread_id = get_thread_ident()
        queue = self._foreign_updates
        # Unless `last` has been handled before.
        while last[0] is not None and queue:
            queued = queue.popleft()
            update, sensor, reading = queued
            queued[0] = None
            if self._begun is not self._wanted:
                continue
            handled_before = self._newest_reading
            self._newest_reading = reading
            try:
                update(self, sensor, reading)
                if handled_before is not None and handled_before is not reading:
                    self._check_last_word(update, sensor, handled_before)
            except Exception:
                self._log_failure("update", "Could not handle an update of sensor %r", sensor.name)

    def _check_last_word(self, update, sensor, handled_before):
        # A thread may have stored its reading, but have come to telling us only after a newer one had
        # been stored and handled.  That one has to be our last word.
        if getattr(sensor, "_current_reading", None) is handled_before:
            self._newest_reading = handled_before
            update(self, sensor, handled_before)


def _format_param(param):
    if not is_bytes(param):
        param = str(param)
    return param.encode("ascii") if is_text(param) else param
