"""A sensor for tests, and ways of waiting until a sensor has a value."""

from __future__ import absolute_import, division, print_function

import tornado.ioloop

from katcp.compat import new_future, queue, resolve
from katcp.sensor import Sensor
from katcp.testutils.deadline import Deadline


class DeviceTestSensor(Sensor):
    """A sensor that has a reading from the start.

    Parameters
    ----------
    sensor_type : int
        One of the type constants of `Sensor`.
    name, description, units : str
        As of `Sensor`.
    params : list or None
        As of `Sensor`.
    timestamp : int or float
        Time of the reading, seconds since the Unix epoch.
    status : int
        One of the status constants of `Sensor`.
    value : object
        Value of the reading; taken as it is, also if it is not within `params`.
    """

    def __init__(self, sensor_type, name, description, units, params, timestamp, status, value):
        super(DeviceTestSensor, self).__init__(sensor_type, name, description, units, params)
        self.set(timestamp, status, value)


def suppress_queue_repeats(suppressed_queue, initial_value, read_time=None):
    """Yield the values of a queue that differ from the one before.

    Parameters
    ----------
    suppressed_queue : queue.Queue
        The queue to read.
    initial_value : object
        What the first value has to differ from.
    read_time : int or float or None, optional
        For how many seconds to wait for values, counted from the first ``next``; what is in the queue
        by then is still yielded.  None for ever.
    """
    deadline = Deadline(read_time)
    previous = initial_value
    while True:
        try:
            value = suppressed_queue.get(timeout=deadline.remaining())
        except queue.Empty:
            return
        if value != previous:
            previous = value
            yield value


class _Observer(object):
    """What a sensor demands of its observers."""

    def __init__(self, update):
        self.update = update


class SensorTransitionWaiter(object):
    """Waits until the values of a sensor have gone through a sequence.

    It observes the sensor from its construction on: no value is missed, in whatever thread it is set.

    Parameters
    ----------
    sensor : katcp.Sensor
        The sensor.
    value_sequence : sequence, optional
        Values, and functions that take a value and return whether it will do.  The first must hold
        already; the sensor has to keep satisfying each until it satisfies the next.

    Attributes
    ----------
    sensor : katcp.Sensor
        The sensor.
    desired_value_sequence : sequence
        The `value_sequence`.
    received_values : list
        The values taken note of, beginning with that at construction.
    timed_out : bool
        Whether `wait` ran out of time.

    Raises
    ------
    ValueError
        If the sensor's value does not satisfy the beginning of `value_sequence`.

    Examples
    --------
    >>> from katcp import Sensor
    >>> sensor = Sensor.integer("an.int", "An integer.", default=0)
    >>> waiter = SensorTransitionWaiter(sensor, [0, lambda value: value < 3, 3])
    >>> for value in range(1, 5):
    ...     sensor.set_value(value)
    >>> waiter.wait(timeout=1)
    True

    """

    def __init__(self, sensor, value_sequence=None):
        self.sensor = sensor
        self.desired_value_sequence = value_sequence
        self.timed_out = False
        self._done = False
        self._torn_down = False
        # Whether `received_values` still tells where in the sequence the sensor is.
        self._can_wait = value_sequence is not None
        self._value_queue = queue.Queue()
        self._configure_sensor()
        initial_value = self._get_current_sensor_value()
        self.received_values = [initial_value]
        if value_sequence and not self._test_value(initial_value, value_sequence[0]):
            self.teardown()
            raise ValueError("Sensor value does not satisfy initial condition")

    def _get_current_sensor_value(self):
        """Return what the sensor shows now, in the form that is compared."""
        return self.sensor.value()

    def _configure_sensor(self):
        """Begin to observe the sensor."""
        self._observer = _Observer(self._sensor_callback)
        self.sensor.attach(self._observer)

    def _teardown_sensor(self):
        """End observing the sensor."""
        self.sensor.detach(self._observer)

    def _sensor_callback(self, sensor, reading):
        """Queue what a new reading shows; called in the thread that sets the sensor."""
        self._value_queue.put(reading[2])

    def _test_value(self, value, value_test):
        """Return whether `value` satisfies an item of the sequence."""
        return value_test(value) if callable(value_test) else value == value_test

    def wait(self, timeout=5):
        """Wait until the sensor has gone through the sequence; possible once.

        Values that repeat the one before are ignored.

        Parameters
        ----------
        timeout : int or float or None, optional
            For how many seconds to wait at most, for the whole sequence; 0 looks at the values that
            have been set so far, None waits for ever.

        Returns
        -------
        bool
            True when the sequence is complete; False as soon as a value is not part of it, or if time
            is over (then `timed_out` is True).

        Raises
        ------
        RuntimeError
            If this has been called before, or `teardown`, or `get_received_values`; or if there is no
            sequence.
        """
        if self._done:
            raise RuntimeError("Transition already triggered. "
                               "Instantiate a new SensorTransitionWaiter object")
        if self._torn_down:
            raise RuntimeError("This object has been torn down. "
                               "Instantiate a new SensorTransitionWaiter object")
        if not self._can_wait:
            raise RuntimeError("There is no sequence to wait for, or its values have been taken away. "
                               "Instantiate a new SensorTransitionWaiter object")
        try:
            return self._follow_sequence(timeout)
        finally:
            self._done = True
            self.teardown()

    def _follow_sequence(self, timeout):
        values = suppress_queue_repeats(self._value_queue, self.received_values[-1], timeout)
        sequence = list(self.desired_value_sequence)
        for present, following in zip(sequence, sequence[1:]):
            if self._test_value(self.received_values[-1], following):
                continue
            for value in values:
                self.received_values.append(value)
                if self._test_value(value, following):
                    break
                if not self._test_value(value, present):
                    return False
            else:
                self.timed_out = True
                return False
        return True

    def get_received_values(self, stop=True, reset=True):
        """Return all values since construction, repeats included, instead of waiting.

        Parameters
        ----------
        stop : bool, optional
            Whether to end observing the sensor.
        reset : bool, optional
            Whether the next call is to return only what comes from now on.

        Returns
        -------
        list
            The values; the one at construction comes first.
        """
        self._can_wait = False
        if stop:
            self.teardown()
        while True:
            try:
                self.received_values.append(self._value_queue.get_nowait())
            except queue.Empty:
                break
        values = self.received_values
        if reset:
            self.received_values = []
        return values

    def teardown(self):
        """End observing the sensor; may be called again."""
        if not self._torn_down:
            self._torn_down = True
            self._teardown_sensor()


class SensorTransitionStatusWaiter(SensorTransitionWaiter):
    """Waits until the status and value of a sensor have gone through a sequence.

    Like :class:`SensorTransitionWaiter`, with tuples ``(status, value)`` for values; the status is one
    of the constants of `Sensor`.
    """

    def _get_current_sensor_value(self):
        return tuple(self.sensor.read()[1:])

    def _sensor_callback(self, sensor, reading):
        self._value_queue.put(tuple(reading[1:]))


def _reading_test(value, status):
    """Return a function that tells whether a pair ``(status, value)`` is what is waited for."""
    value_test = value if callable(value) else lambda actual: actual == value
    if status is None:
        return lambda status_and_value: value_test(status_and_value[1])
    return lambda status_and_value: (status_and_value[0] == status
                                     and value_test(status_and_value[1]))


def wait_sensor(sensor, value, status=None, timeout=5):
    """Block until a sensor has a value; another thread has to set it.

    Parameters
    ----------
    sensor : katcp.Sensor
        The sensor.
    value : object or callable
        The value, or a function that takes one and returns whether it will do.
    status : int, optional
        The status that is waited for together with the value, one of the constants of `Sensor`.
    timeout : int or float or None, optional
        For how many seconds to wait at most; None for ever.

    Returns
    -------
    bool
        True as soon as the sensor has, or for a moment had, the value; False if time is over.
    """
    waiter = SensorTransitionStatusWaiter(
        sensor, [lambda status_and_value: True, _reading_test(value, status)])
    return waiter.wait(timeout)


def wait_sensor_async(sensor, value, status=None, ioloop=None, timeout=None):
    """Wait on a loop until a sensor has a value; any thread may set it.

    Parameters
    ----------
    sensor : katcp.Sensor
        The sensor.
    value : object or callable
        The value, or a function that takes one, in the thread of the loop, and returns whether it will
        do.
    status : int, optional
        The status that is waited for together with the value, one of the constants of `Sensor`.
    ioloop : tornado.ioloop.IOLoop, optional
        By default the current one.
    timeout : int or float, optional
        For how many seconds of the loop's clock to wait at most.  Without it, and where futures can be
        cancelled, cancelling the future ends the observation of the sensor.

    Returns
    -------
    future
        Resolves on `ioloop`: to True when the sensor has or had the value, at the next iteration of the
        loop if it has it already; to False if time is over.
    """
    if ioloop is None:
        ioloop = tornado.ioloop.IOLoop.current()
    deadline = None if timeout is None else ioloop.time() + timeout
    wanted = _reading_test(value, status)
    future = new_future(ioloop)
    timers = []

    def update(_sensor, reading):
        ioloop.add_callback(check, reading)

    def check(reading):
        if not future.done() and wanted(tuple(reading[1:])):
            finish(True)

    def finish(result):
        clean_up()
        resolve(future, result)

    def clean_up(_future=None):
        sensor.detach(observer)
        while timers:
            ioloop.remove_timeout(timers.pop())

    def begin():
        if future.done():
            return
        if deadline is not None:
            timers.append(ioloop.call_at(deadline, finish, False))
        check(sensor.read())

    observer = _Observer(update)
    sensor.attach(observer)
    future.add_done_callback(clean_up)
    ioloop.add_callback(begin)
    return future
