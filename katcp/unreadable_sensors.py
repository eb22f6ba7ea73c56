"""Sensors that cannot be read, or whose reading cannot be sent: clients are told the status ``unknown``.

The log has it once, until the sensor can be read again.
"""

from __future__ import absolute_import, division, print_function

import logging
import time
import traceback

from katcp.katcp_types import Timestamp
from katcp.log_records import record_text
from katcp.sensor import Reading, Sensor

_UNKNOWN = Sensor.STATUSES_RAW[Sensor.UNKNOWN]
_encode_timestamp = Timestamp().encode


def log_unreadable(logger, sensor, error, exc_info=None):
    """Log that a sensor could not be read or formatted.

    Parameters
    ----------
    logger : logging.Logger
    sensor : Sensor
        Nothing is logged if that has been done since its last reading that could be formatted.
    error : Exception
        What was raised.
    exc_info : tuple, optional
        What ``sys.exc_info()`` returned, for the traceback to be logged as well.
    """
    if getattr(sensor, "_is_unreadable", False) is True:
        return
    try:
        sensor._is_unreadable = True
    except AttributeError:
        pass  # Not a Sensor, but somebody's own class with slots.
    if logger.isEnabledFor(logging.ERROR):
        reason = " ".join(traceback.format_exception_only(type(error), error)[-1].split())
        logger.error(record_text(
            "Sensor %r of type %r cannot be read or sent; clients are told the status 'unknown'. %s",
            sensor.name, getattr(sensor, "stype", None), reason), exc_info=exc_info)


def reading_in_place():
    """Return the `Reading` of a sensor that cannot be read: status unknown, without value, from now."""
    return Reading(time.time(), Sensor.UNKNOWN, None)


def format_in_place(sensor, reading, major):
    """Return message arguments in the place of a reading that cannot be formatted.

    Parameters
    ----------
    sensor : Sensor
    reading : Reading or None
        The reading, of which only the timestamp is used; None if the sensor could not be read.
    major : int
        Major version of the protocol.

    Returns
    -------
    tuple of bytes
        Timestamp, if need be of now; ``unknown``; and the last value of the sensor that can be sent.
    """
    try:
        timestamp = _encode_timestamp(reading[0], major)
    except Exception:
        timestamp = _encode_timestamp(time.time(), major)
    try:
        value = sensor.format_reading(Reading(0, Sensor.UNKNOWN, None), major)[2]
    except Exception:
        value = b""
    return timestamp, _UNKNOWN, value
