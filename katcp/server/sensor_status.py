"""Reports of sensors: formatted and serialised once, however many clients get them."""

from __future__ import absolute_import, division, print_function

from katcp.message import Message

_INFORM = Message.INFORM

# A value without any of these is sent as it is, unless it is empty (section 2.1 of the specification).
_ESCAPED = b"\\ \0\n\r\x1b\t"


class SensorStatus(Message):
    """A ``#sensor-status`` inform that goes to several clients: serialised once, not to be changed."""

    __slots__ = ["_line"]

    def __bytes__(self):
        return self._line

    @classmethod
    def from_message(cls, message):
        """Return a `SensorStatus` with the content of `message`."""
        status = _new_message(cls)
        status.mtype = message.mtype
        status.name = message.name
        status.mid = message.mid
        status.arguments = message.arguments
        status._line = message.__bytes__()
        return status


_new_message = SensorStatus.__new__


class SensorReports(object):
    """The latest report of one sensor, and what all its reports have in common.

    Attributes
    ----------
    reading : Reading or None
        What was reported last; `message` is about it.
    message : SensorStatus or None
    """

    __slots__ = ("reading", "message", "_name", "_raw_name", "_middle")

    def __init__(self):
        self.reading = None
        self.message = None
        self._name = None

    def report(self, sensor, reading, major):
        """Return the inform that reports a reading, and keep both.

        Parameters
        ----------
        sensor : Sensor
            Always the same one.
        reading : Reading
            Never to be changed, nor its value.
        major : int
            Major version of the protocol.

        Returns
        -------
        SensorStatus
        """
        if self._name is not sensor.name:
            self._prepare(sensor.name)
        timestamp, status, value = sensor.format_reading(reading, major)
        arguments = [timestamp, b"1", self._raw_name, status, value]
        # The first is the quicker one, and enough for most values.
        if value.isalnum() or value and len(value.translate(None, _ESCAPED)) == len(value):
            message = _new_message(SensorStatus)
            message.mtype = _INFORM
            message.name = "sensor-status"
            message.mid = None
            message.arguments = arguments
            message._line = b"#sensor-status " + timestamp + self._middle + status + b" " + value
        else:
            message = SensorStatus.from_message(Message.inform("sensor-status", *arguments))
        self.reading = reading
        self.message = message
        return message

    def _prepare(self, name):
        # Serialised as an argument between two others.
        message = Message.inform("a", b"1", name, b"")
        self._raw_name = message.arguments[1]
        self._middle = message.__bytes__()[len(b"#a"):-len(b"\\@")]
        self._name = name
