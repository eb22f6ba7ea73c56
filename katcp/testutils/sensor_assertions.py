"""What a client can assert about the sensors of the device that it is connected to."""

from __future__ import absolute_import, division, print_function

import katcp
from katcp.compat import ensure_native_str, lossy_str
from katcp.message import Message
from katcp.sensor import Sensor
from katcp.testutils.assertions import reply_argument
from katcp.testutils.deadline import Deadline

# As on the wire.
_WITHOUT_VALUE = frozenset(Sensor.STATUSES_RAW[status] for status in Sensor.STATUSES_WITHOUT_VALUE)


class SensorAssertions(object):
    """Methods of :class:`BlockingTestClient` that read sensors, assert their values, and wait for them.

    They need ``blocking_request``, and the test case in ``test``.
    """

    # --- reading sensors -------------------------------------------------------------------------

    @staticmethod
    def expected_sensor_value_tuple(sensorname, value, sensortype=str, places=7):
        """Return the arguments as a tuple, with the defaults of those left out."""
        return sensorname, value, sensortype, places

    def get_sensor(self, sensorname, sensortype=str):
        """Ask the device for a sensor.

        Parameters
        ----------
        sensorname : str
            Name of the sensor.
        sensortype : type or callable, optional
            What makes the value of the argument of the inform, which is bytes; str and bool give what
            one expects.

        Returns
        -------
        tuple of (object, str, float)
            Value, status and timestamp.  The value is None if it cannot be read and the status is one
            without a value (``unknown``, ``failure``, ``unreachable``, ``inactive``).  The timestamp is the
            number that the device sends: seconds since the Unix epoch in version 5 of the protocol,
            milliseconds in version 4.
        """
        test = self.test
        reply, informs = self.blocking_request(Message.request("sensor-value", sensorname))
        test.assertTrue(reply.reply_ok(), "Could not retrieve sensor '%s': %s"
                        % (sensorname, reply_argument(reply, 1)))
        test.assertEqual(
            len(informs), 1, "Expected one sensor value inform for sensor '%s', but received %d."
            % (sensorname, len(informs)))
        arguments = informs[0].arguments
        test.assertEqual(
            len(arguments), 5, "Expected sensor value inform for sensor '%s' to have five arguments, "
            "but received %d." % (sensorname, len(arguments)))
        raw_timestamp, _, _, raw_status, raw_value = arguments

        type_text = repr(sensortype)
        try:
            if sensortype is bool:
                type_text = "%r and then %r" % (int, bool)
                value = bool(int(raw_value))
            elif sensortype is str:
                value = ensure_native_str(raw_value)
            else:
                value = sensortype(raw_value)
        except ValueError as error:
            if raw_status not in _WITHOUT_VALUE:
                test.fail("Could not convert value %r of sensor '%s' to type %s: %s"
                          % (lossy_str(raw_value), sensorname, type_text, error))
            value = None

        status = lossy_str(raw_status)
        test.assertTrue(status in Sensor.STATUSES.values(),
                        "Got invalid status value %r for sensor '%s'." % (status, sensorname))

        try:
            timestamp = float(raw_timestamp)
        except ValueError as error:
            test.fail("Could not convert timestamp %r of sensor '%s' to type %r: %s"
                      % (lossy_str(raw_timestamp), sensorname, float, error))
        return value, status, timestamp

    def get_sensor_value(self, sensorname, sensortype=str):
        """Return the value of a sensor; see :meth:`get_sensor`."""
        return self.get_sensor(sensorname, sensortype)[0]

    def get_sensor_status(self, sensorname):
        """Return the status of a sensor; see :meth:`get_sensor`."""
        return self.get_sensor(sensorname)[1]

    def get_sensor_timestamp(self, sensorname):
        """Return the timestamp of a sensor; see :meth:`get_sensor`."""
        return self.get_sensor(sensorname)[2]

    # --- asserting sensors -----------------------------------------------------------------------

    @staticmethod
    def _text(msg, got, default):
        """Return the text of a failure: a custom one with the value in place of ``%r``, or `default`."""
        if msg is None:
            return default
        if "%r" not in msg:
            return msg
        try:
            return msg % (got,)
        except (TypeError, ValueError):
            return msg.replace("%r", repr(got))

    @staticmethod
    def _places_text(sensortype, places):
        return " (within %d decimal places)" % places if sensortype == float else ""

    def assert_sensor_equals(self, sensorname, expected, sensortype=str, msg=None, places=7,
                             status=None):
        """Assert that a sensor has a value.

        Parameters
        ----------
        sensorname : str
            Name of the sensor.
        expected : object
            The value, as `sensortype` makes it.
        sensortype : type or callable, optional
            See :meth:`get_sensor`.
        msg : str, optional
            Text of the failure if it is the value that differs; ``%r`` in it is replaced by the value.
        places : int, optional
            If `sensortype` is float: to how many decimal places the value has to be equal.
        status : str, optional
            Name of the status that the sensor has to have, too.
        """
        self._assert_sensor_equals(sensorname, expected, sensortype, msg, places, status)

    def _assert_sensor_equals(self, sensorname, expected, sensortype, msg, places, status, suffix=""):
        got, got_status, _ = self.get_sensor(sensorname, sensortype)
        text = self._text(msg, got, "Value of sensor '%s' is %r. Expected %r%s." % (
            sensorname, got, expected, self._places_text(sensortype, places))) + suffix
        if sensortype == float:
            self.test.assertAlmostEqual(got, expected, places, text)
        else:
            self.test.assertEqual(got, expected, text)
        if status is not None:
            self._assert_status(sensorname, got_status, status)

    def _assert_status(self, sensorname, got, expected, msg=None):
        self.test.assertEqual(got, expected, self._text(
            msg, got, "Status of sensor '%s' is %r. Expected %r." % (sensorname, got, expected)))

    def assert_sensor_status_equals(self, sensorname, expected_status, msg=None):
        """Assert that a sensor has a status.

        Parameters
        ----------
        sensorname : str
            Name of the sensor.
        expected_status : str
            Name of the status.
        msg : str, optional
            Text of the failure; ``%r`` in it is replaced by the status.
        """
        self._assert_status(sensorname, self.get_sensor_status(sensorname), expected_status, msg)

    def assert_sensor_not_equal(self, sensorname, expected, sensortype=str, msg=None, places=7):
        """Assert that a sensor has another value; the parameters are as of `assert_sensor_equals`."""
        got = self.get_sensor_value(sensorname, sensortype)
        text = self._text(msg, got, "Value of sensor '%s' is %r. Expected a different value%s." % (
            sensorname, got, self._places_text(sensortype, places)))
        if sensortype == float:
            self.test.assertNotAlmostEqual(got, expected, places, text)
        else:
            self.test.assertNotEqual(got, expected, text)

    def assert_sensors_equal(self, sensor_tuples, msg=None):
        """Assert the values of sensors, one after the other.

        Parameters
        ----------
        sensor_tuples : iterable of tuple
            Each ``(sensorname, value[, sensortype[, places]])``.
        msg : str, optional
            Text of the failure; ``%r`` in it is replaced by the value.
        """
        self._assert_sensors_equal(sensor_tuples, msg)

    def _assert_sensors_equal(self, sensor_tuples, msg, suffix=""):
        for sensor_tuple in sensor_tuples:
            sensorname, value, sensortype, places = self.expected_sensor_value_tuple(*sensor_tuple)
            self._assert_sensor_equals(sensorname, value, sensortype, msg, places, None, suffix)

    def assert_sensors_not_equal(self, sensor_tuples, msg=None):
        """Assert that sensors have other values; the parameters are as of `assert_sensors_equal`."""
        for sensor_tuple in sensor_tuples:
            sensorname, value, sensortype, places = self.expected_sensor_value_tuple(*sensor_tuple)
            self.assert_sensor_not_equal(sensorname, value, sensortype, msg=msg, places=places)

    # --- waiting ---------------------------------------------------------------------------------

    def wait_until_sensors_equal(self, timeout, sensor_tuples, msg=None):
        """Assert that sensors get values in time; the device is asked every 10 ms.

        Parameters
        ----------
        timeout : int or float
            How many seconds to give them.
        sensor_tuples : iterable of tuple
            See :meth:`assert_sensors_equal`.
        msg : str, optional
            Text of the failure, to which the timeout is added; ``%r`` in it is replaced by the value.
        """
        sensor_tuples = list(sensor_tuples)
        deadline = Deadline(timeout)
        while not deadline.passed():
            try:
                self.assert_sensors_equal(sensor_tuples)
                return
            except AssertionError:
                katcp.testutils.time.sleep(0.01)
        self._assert_sensors_equal(sensor_tuples, msg, ": timed out after {}s".format(timeout))

    def wait_until_sensor_equals(self, timeout, sensorname, value, sensortype=str, places=7,
                                 pollperiod=0.02):
        """Assert that a sensor gets a value in time.

        Parameters
        ----------
        timeout : int or float
            How many seconds to give it; the device is asked at least once.
        sensorname : str
            Name of the sensor.
        value : object
            The value, as `sensortype` makes it.
        sensortype : type or callable, optional
            See :meth:`get_sensor`.
        places : int, optional
            If `sensortype` is float: the difference has to be less than ``10**-places``.
        pollperiod : int or float, optional
            How many seconds to wait before asking again.
        """
        last = []

        def equal():
            last[:] = [self.get_sensor_value(sensorname, sensortype)]
            if sensortype == float:
                return abs(last[0] - value) < 10 ** -places
            return last[0] == value

        satisfied, _ = self.wait_condition(timeout, equal, poll_period=pollperiod)
        if not satisfied:
            self.test.fail("Timed out while waiting %ss for %s sensor to become %s. Last value was %s."
                           % (timeout, sensorname, value, last[0]))

    def wait_condition(self, timeout, predicate, *args, **kwargs):
        """Wait until a function returns something true.

        Parameters
        ----------
        timeout : int or float
            For how many seconds to wait.
        predicate : callable
            Called, at least once, with the remaining arguments.
        poll_period : int or float, optional
            Keyword only: how many seconds to wait between calls; 0.02 by default.

        Returns
        -------
        tuple of (object, str)
            What `predicate` returned last, and an empty string if that is true, else a text about the
            timeout.
        """
        poll_period = kwargs.pop("poll_period", 0.02)
        deadline = Deadline(timeout)
        result = predicate(*args, **kwargs)
        while not result and not deadline.passed():
            katcp.testutils.time.sleep(poll_period)
            result = predicate(*args, **kwargs)
        return result, "" if result else "Timed out after %s seconds" % (timeout,)
