"""The objects that users hold: resources, their requests and sensors, replies and readings.

What they are; how a device is behind them is the matter of `katcp.resource_client`.

A door, not a room:

======================== ===========================================================================
module                   holds
======================== ===========================================================================
`katcp.resource_base`    `KATCPResource`
`katcp.resource_request` `KATCPRequest`, `KATCPReply`
`katcp.resource_sensor`  `KATCPSensor`, its readings and its manager
`katcp.resource_names`   how names and strategies are spelled
`katcp.errors`           the exceptions
======================== ===========================================================================
"""

from __future__ import absolute_import, division, print_function

# Code written for katcp 0.9 reaches modules and helpers through this one.
import abc  # noqa: F401
import collections  # noqa: F401
import logging
import sys  # noqa: F401

import tornado  # noqa: F401
from tornado.concurrent import Future  # noqa: F401
from tornado.gen import Return, with_timeout  # noqa: F401

from katcp.compat import PY2, ensure_native_str, string_types as basestring  # noqa: F401
from katcp.errors import (KATCPResourceError, KATCPResourceInactive, KATCPSensorError,  # noqa: F401
                          UnknownSensorError)
from katcp.message import Message  # noqa: F401
from katcp.resource_base import KATCPResource, SensorResultTuple  # noqa: F401
from katcp.resource_names import escape_name, normalize_strategy_parameters  # noqa: F401
from katcp.resource_request import (KATCPDummyRequest, KATCPReply, KATCPRequest,  # noqa: F401
                                    _KATCPReplyTuple)
from katcp.resource_sensor import KATCPSensor, KATCPSensorReading, KATCPSensorsManager  # noqa: F401
from katcp.sensor import Sensor  # noqa: F401
from katcp.waiting import hashable_identity  # noqa: F401

logger = logging.getLogger(__name__)
