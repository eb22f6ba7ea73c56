"""What a client can assert about the requests of the device that it is connected to, and their effects."""

from __future__ import absolute_import, division, print_function

import katcp
from katcp.compat import ensure_native_str, lossy_str, text_type
from katcp.message import Message
from katcp.server.device import DeviceServer
from katcp.testutils.assertions import list_to_native_strings, reply_argument


def _normal_parameter(sensor_type, param):
    """Return a parameter of a sensor list in the form in which a server sends it, if that is possible."""
    try:
        if sensor_type == "float":
            return repr(float(param))
        if sensor_type == "integer" and not isinstance(param, float):
            return str(int(param))
    except (TypeError, ValueError):
        pass  # shown as it is, as a difference
    return lossy_str(param)


def _normal_sensor(description, ignore_description):
    """Return an item of a sensor list as a tuple of native strings."""
    header = [ensure_native_str(field) for field in description[:4]]
    params = [_normal_parameter(header[3], param) for param in description[4:]]
    if ignore_description:
        del header[1]
    return tuple(header + params)


def _lines(items):
    return "\n".join(sorted(str(item) for item in items))


class RequestAssertions(object):
    """Methods of :class:`BlockingTestClient` that assert what a device offers and how it replies.

    They need ``blocking_request``, the test case in ``test``, and :class:`SensorAssertions`.
    """

    def _sensor_lag(self):
        """Return the number of seconds that the device may take to update its sensors."""
        return getattr(self.test, "sensor_lag", 0)

    # --- testing interfaces ----------------------------------------------------------------------

    def _compare(self, what, them, expected, received):
        missing, unexpected = expected - received, received - expected
        self.test.assertEqual(
            received, expected,
            "%s list differs from expected list.\nThese %s are missing:\n%s\n"
            "Found these unexpected %s:\n%s"
            % (what, them, _lines(missing), them, _lines(unexpected)))

    def test_sensor_list(self, expected_sensors, ignore_descriptions=False):
        """Assert that the device has exactly the sensors expected.

        Parameters
        ----------
        expected_sensors : iterable of tuple
            Each ``(name, description, units, type, *params)``; the first four are str or bytes.
        ignore_descriptions : bool, optional
            Whether the descriptions may differ.
        """
        reply, informs = self.blocking_request(Message.request("sensor-list"))
        self.test.assertTrue(reply.reply_ok(),
                             "Could not retrieve sensor list: %s" % reply_argument(reply, 1))
        self._compare(
            "Sensor", "sensors",
            set(_normal_sensor(sensor, ignore_descriptions) for sensor in expected_sensors),
            set(_normal_sensor(inform.arguments, ignore_descriptions) for inform in informs))

    def test_help(self, expected_requests, full_descriptions=False, exclude_defaults=True):
        """Assert that the device has exactly the requests expected.

        Parameters
        ----------
        expected_requests : sequence of str, or of (str, str)
            The names, or the names and descriptions.
        full_descriptions : bool, optional
            Whether to compare more than the first line of the descriptions.
        exclude_defaults : bool, optional
            Whether to leave out those requests of the device that a plain :class:`DeviceServer` has.
        """
        reply, informs = self.blocking_request(Message.request("help"))
        self.test.assertTrue(reply.reply_ok(), "Could not retrieve help list: %s" % reply_argument(reply, 1))
        received = [tuple(lossy_str(argument) for argument in inform.arguments) for inform in informs]
        if exclude_defaults:
            received = [item for item in received if item[0] not in DeviceServer._request_handlers]

        if not expected_requests or isinstance(expected_requests[0], (str, text_type)):
            expected = set(ensure_native_str(name) for name in expected_requests)
            received = set(item[0] for item in received)
        else:
            def item(name, description):
                description = lossy_str(description)
                if not full_descriptions:
                    description = description.partition("\n")[0]
                return ensure_native_str(name), description

            expected = set(item(name, description) for name, description in expected_requests)
            received = set(item(*pair) for pair in received)
        self._compare("Help", "requests", expected, received)

    # --- testing requests ------------------------------------------------------------------------

    def _request(self, requestname, params):
        if not isinstance(requestname, (str, text_type)):
            raise TypeError("Name of the request must be a native string, not {!r}".format(requestname))
        return self.blocking_request(Message.request(requestname, *params))

    def assert_request_succeeds(self, requestname, *params, **kwargs):
        """Assert that a request succeeds, and what it replies.

        Parameters
        ----------
        requestname : str
            Name of the request.
        *params
            Its arguments, anything that `Message` accepts.
        args_echo : bool, optional
            Whether the reply has to have the arguments of the request after the ``ok``.
        args_equal : sequence, optional
            What arguments the reply has to have after the ``ok``; compared as strings.
        args_in : sequence of sequence, optional
            Several of them, of which the reply has to have one.  Without `args_equal` only.
        args_length : int, optional
            How many arguments the reply has to have after the ``ok``.  Without the two above only.
        informs_count : int, optional
            How many informs have to come before the reply.
        informs_args_equal : sequence of sequence, optional
            The arguments of the informs, in order; compared as strings.

        Returns
        -------
        list of str
            The arguments of the reply after the ``ok``.
        """
        test = self.test
        called = "request '%s' called with parameters %r" % (requestname, params)
        reply, informs = self._request(requestname, params)
        test.assertEqual(reply.name, requestname,
                         "Reply to request '%s' has name '%s'." % (requestname, reply.name))
        if len(reply.arguments) > 1:
            problem = "failed with error '%s'." % reply_argument(reply, 1)
        else:
            problem = "failed (with no error message)."
        test.assertTrue(reply.reply_ok(), "Expected %s to succeed, but it %s" % (called, problem))

        args = list_to_native_strings(reply.arguments[1:])
        args_equal = kwargs.get("args_equal")
        args_in = kwargs.get("args_in")
        args_length = kwargs.get("args_length")
        if kwargs.get("args_echo"):
            args_equal = params
        expected_reply = "Expected reply to %s to have " % called
        if args_equal is not None:
            args_equal = list_to_native_strings(args_equal)
            test.assertEqual(args, args_equal, "%sarguments %s, but received %s."
                             % (expected_reply, args_equal, args))
        elif args_in is not None:
            args_in = [list_to_native_strings(choice) for choice in args_in]
            test.assertTrue(args in args_in, "%sarguments in %s, but received %s."
                            % (expected_reply, args_in, args))
        elif args_length is not None:
            test.assertEqual(len(args), args_length, "%s%d arguments, but received %d: %s."
                             % (expected_reply, args_length, len(args), args))

        informs_count = kwargs.get("informs_count")
        if informs_count is not None:
            test.assertEqual(len(informs), informs_count,
                             "Expected %d informs in reply to %s, but received %d."
                             % (informs_count, called, len(informs)))
        informs_args_equal = kwargs.get("informs_args_equal")
        if informs_args_equal is not None:
            expected = [list_to_native_strings(arguments) for arguments in informs_args_equal]
            received = [list_to_native_strings(inform.arguments) for inform in informs]
            test.assertEqual(received, expected,
                             "Expected inform arguments %s in reply to %s, but received %r."
                             % (expected, called, received))
        return args

    def assert_request_fails(self, requestname, *params, **kwargs):
        """Assert that a request fails, and how.

        Parameters
        ----------
        requestname : str
            Name of the request.
        *params
            Its arguments, anything that `Message` accepts.
        status_equals : str or bytes, optional
            What the reply has to begin with (``fail``, ``invalid``); anything but ``ok`` by default.
        error_equals : str or bytes, optional
            The error text that the reply has to have.

        Returns
        -------
        tuple of (bytes or str, str or None)
            What the reply begins with (a str if `status_equals` was given, else bytes), and the error
            text if it has one.
        """
        test = self.test
        expected = "Expected request '%s' called with parameters %r to " % (requestname, params)
        reply, _ = self._request(requestname, params)
        test.assertEqual(reply.name, requestname,
                         "Reply to request '%s' has name '%s'." % (requestname, reply.name))
        test.assertFalse(reply.reply_ok(), expected + "fail, but it was successful.")
        status = reply.arguments[0] if reply.arguments else None
        error = lossy_str(reply.arguments[1]) if len(reply.arguments) > 1 else None

        status_equals = kwargs.get("status_equals")
        if status_equals is not None:
            status_equals = ensure_native_str(status_equals)
            status = None if status is None else lossy_str(status)
            test.assertEqual(status, status_equals, "%sreturn status %s, but the status was %r."
                             % (expected, status_equals, status))
        error_equals = kwargs.get("error_equals")
        if error_equals is not None:
            error_equals = ensure_native_str(error_equals)
            test.assertEqual(error, error_equals, "%sfail with error %s, but the error was %r."
                             % (expected, error_equals, error))
        return status, error

    def test_setter_request(self, requestname, sensorname, sensortype=str, good=(), bad=(), places=7,
                            args_echo=False):
        """Assert that a request with one parameter sets a sensor to it.

        Parameters
        ----------
        requestname : str
            Name of the request.
        sensorname : str
            Name of the sensor.
        sensortype : type or callable, optional
            See :meth:`get_sensor`.
        good : iterable, optional
            Values that have to be accepted, and then be the sensor's.
        bad : iterable, optional
            Values that have to be refused.
        places : int, optional
            See :meth:`assert_sensor_equals`.
        args_echo : bool, optional
            See :meth:`assert_request_succeeds`.
        """
        for value in good:
            self.assert_request_succeeds(requestname, value, args_echo=args_echo)
            katcp.testutils.time.sleep(self._sensor_lag())
            self._assert_sensor_after(
                "After request '%s' was called with parameter %r, " % (requestname, value),
                sensorname, value, sensortype, places)
        for value in bad:
            self.assert_request_fails(requestname, value)

    def _assert_sensor_after(self, after, sensorname, expected, sensortype, places):
        got = self.get_sensor_value(sensorname, sensortype)
        text = "%svalue of sensor '%s' is %r. Expected %r%s." % (
            after, sensorname, got, expected, self._places_text(sensortype, places))
        if sensortype == float:
            self.test.assertAlmostEqual(got, expected, places, text)
        else:
            self.test.assertEqual(got, expected, text)

    def test_multi_setter_request(self, requestname, good=(), bad=()):
        """Assert that a request sets sensors.

        Parameters
        ----------
        requestname : str
            Name of the request.
        good : iterable of tuple, optional
            Each ``(params, sensor_tuples[, options])``: the parameters of the request, what
            :meth:`assert_sensors_equal` takes, and a dict that may have ``statuses``, a list of
            ``(sensorname, status)``, and ``delay``, a number of seconds to wait before looking.
        bad : iterable of tuple, optional
            Parameters with which the request has to fail.
        """
        for item in good:
            params, sensor_tuples = item[:2]
            options = item[2] if len(item) > 2 else {}
            self.assert_request_succeeds(requestname, *params)
            katcp.testutils.time.sleep(self._sensor_lag() + options.get("delay", 0))
            after = "After request '%s' was called with parameters %r, " % (requestname, params)
            for sensor_tuple in sensor_tuples:
                self._assert_sensor_after(after, *self.expected_sensor_value_tuple(*sensor_tuple))
            for sensorname, status in options.get("statuses", ()):
                got = self.get_sensor_status(sensorname)
                self.test.assertEqual(got, status, "%sstatus of sensor '%s' is %r. Expected %r."
                                      % (after, sensorname, got, status))
        for params in bad:
            self.assert_request_fails(requestname, *params)
