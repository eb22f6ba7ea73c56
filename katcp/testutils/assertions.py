"""Assertions about messages and sensors, to be mixed into test cases."""

from __future__ import absolute_import, division, print_function

import re

from katcp.compat import ensure_native_str, lossy_str, string_types
from katcp.sensor import Sensor


def add_mid_to_msg_str(msg_str, mid):
    """Return the text of a message with a message id added.

    Parameters
    ----------
    msg_str : str
        The message as on the wire, without an id.
    mid : object
        The id, formatted with ``%s``; nothing is added if it is false (None, 0, '').

    Examples
    --------
    >>> add_mid_to_msg_str("!watchdog ok", 3)
    '!watchdog[3] ok'

    """
    if not mid:
        return msg_str
    name, space, arguments = msg_str.partition(" ")
    return "%s[%s]%s%s" % (name, mid, space, arguments)


def list_to_native_strings(list_to_coerce):
    """Return a list of native strings.

    Parameters
    ----------
    list_to_coerce : iterable
        Of byte strings (UTF-8), text, or anything else, which goes through ``str``.
    """
    return [ensure_native_str(item) if isinstance(item, string_types) else str(item)
            for item in list_to_coerce]


def reply_argument(reply, index):
    """Return an argument of a message for an error text; an empty string if there is none."""
    return lossy_str(reply.arguments[index]) if len(reply.arguments) > index else ""


class SensorComparisonMixin(object):
    """Assertions about :class:`katcp.Sensor` objects, for a :class:`unittest.TestCase`.

    Attributes
    ----------
    key_fns : dict
        Key of a sensor's description to a function that gives its value for a sensor.  Subclasses may
        have more.
    """

    key_fns = {
        "name": lambda sensor: sensor.name,
        "status": lambda sensor: sensor.status(),
        "type": lambda sensor: Sensor.SENSOR_TYPE_LOOKUP[sensor.stype],
        "value": lambda sensor: sensor.value(),
        "timestamp": lambda sensor: sensor.read()[0],
        "description": lambda sensor: sensor.description,
        "units": lambda sensor: sensor.units,
        "params": lambda sensor: sensor.params,
    }

    def _get_sensor_description(self, sensor, desired_keys=None, ignore_keys=()):
        """Return the dict of a sensor's `desired_keys` (by default all) without the `ignore_keys`."""
        if desired_keys is None:
            desired_keys = self.key_fns
        description = {}
        for key in desired_keys:
            if key in ignore_keys:
                continue
            if key not in self.key_fns:
                raise KeyError("Unknown sensor key: {}".format(key))
            description[key] = self.key_fns[key](sensor)
        return description

    def assert_sensor_equal(self, actual_sensor, desired_sensor, ignore_attributes=()):
        """Assert that two sensors have the same description and reading.

        Parameters
        ----------
        actual_sensor, desired_sensor : katcp.Sensor
            The sensors.
        ignore_attributes : sequence of str, optional
            Keys of `key_fns` that may differ.
        """
        self.assertEqual(
            self._get_sensor_description(actual_sensor, ignore_keys=ignore_attributes),
            self._get_sensor_description(desired_sensor, ignore_keys=ignore_attributes))

    def assert_sensor_equal_description(self, actual_sensor, desired_description):
        """Assert that a sensor is as described.

        Parameters
        ----------
        actual_sensor : katcp.Sensor
            The sensor.
        desired_description : dict
            Keys of `key_fns` to values; keys that are not there are not compared.
        """
        desired = dict(desired_description)
        desired.setdefault("name", actual_sensor.name)
        self.assertEqual(self._get_sensor_description(actual_sensor, desired_keys=desired), desired)

    def assert_sensors_equal_description(self, actual_sensors, desired_description):
        """Assert that there are exactly the sensors described.

        Parameters
        ----------
        actual_sensors : iterable of katcp.Sensor
            The sensors, in any order.
        desired_description : iterable of dict
            One for each sensor, in any order: what `assert_sensor_equal_description` takes, with the key
            ``name``.
        """
        self.maxDiff = None
        desired = dict((description["name"], description) for description in desired_description)
        sensors = dict((sensor.name, sensor) for sensor in actual_sensors)
        self.assertEqual(sorted(sensors), sorted(desired))
        actual = dict((name, self._get_sensor_description(sensor, desired_keys=desired[name]))
                      for name, sensor in sensors.items())
        self.assertEqual(actual, desired)

    def assert_sensors_value_conditions(self, actual_sensors, value_tests):
        """Assert something about the values of sensors.

        Parameters
        ----------
        actual_sensors : iterable of katcp.Sensor
            The sensors.
        value_tests : dict
            Sensor name to a function that is called with the sensor's value and raises AssertionError
            if that is not as it should be.  Sensors that are not there are not looked at.
        """
        sensors = dict((sensor.name, sensor) for sensor in actual_sensors)
        missing = sorted(set(value_tests) - set(sensors))
        self.assertTrue(not missing, "There are no sensors {}".format(missing))
        for name, value_test in value_tests.items():
            value_test(sensors[name].value())


class TestUtilMixin(object):
    """Assertions about lists of messages, for a :class:`unittest.TestCase`.

    Messages are compared by their text on the wire.  As many as there are in both lists are compared
    one by one before the lengths are.
    """

    def _assert_msgs_length(self, actual_msgs, expected_number):
        """Assert how many messages there are."""
        number = len(actual_msgs)
        # Python 3 puts the two numbers in front of the text.
        self.assertEqual(number, expected_number, "Too {} messages received.".format(
            "few" if number < expected_number else "many"))

    def _assert_msgs_equal(self, actual_msgs, expected_msgs, mid=None):
        """Assert that messages equal the given texts, to which the message id is added.

        Parameters
        ----------
        actual_msgs : sequence of Message
            The messages.
        expected_msgs : sequence of str
            Their texts.
        mid : object, optional
            See `add_mid_to_msg_str`.
        """
        for msg, text in zip(actual_msgs, expected_msgs):
            self.assertEqual(str(msg), add_mid_to_msg_str(text, mid))
        self._assert_msgs_length(actual_msgs, len(expected_msgs))

    def _assert_msgs_match(self, actual_msgs, expected):
        """Assert that messages match regular expressions, from the beginning.

        Parameters
        ----------
        actual_msgs : sequence of Message
            The messages.
        expected : sequence of str
            The regular expressions.
        """
        for msg, pattern in zip(actual_msgs, expected):
            self.assertTrue(re.match(pattern, str(msg)),
                            "Message did not match pattern {!r}: {}".format(pattern, msg))
        self._assert_msgs_length(actual_msgs, len(expected))

    def _assert_msgs_like(self, actual_msgs, expected, mid=None):
        """Assert how messages begin and end.

        Parameters
        ----------
        actual_msgs : sequence of Message
            The messages.
        expected : sequence of (str, str)
            Beginning and end of each; an empty one may be anything.
        mid : object, optional
            Added to the beginnings, see `add_mid_to_msg_str`.
        """
        for msg, (prefix, suffix) in zip(actual_msgs, expected):
            text = str(msg)
            if prefix:
                prefix = add_mid_to_msg_str(prefix, mid)
                self.assertTrue(text.startswith(prefix), "Message '{}' does not start with '{}'."
                                .format(text, prefix))
            if suffix:
                self.assertTrue(text.endswith(suffix), "Message '{}' does not end with '{}'."
                                .format(text, suffix))
        self._assert_msgs_length(actual_msgs, len(expected))
