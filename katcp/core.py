"""What devices, clients and tests share: messages, sensors, protocol flags, events, exceptions.

A door, not a room: everything here lives in a module of its own and can be imported from there as
well.

===================== ==========================================================================
module                 holds
===================== ==========================================================================
`katcp.errors`         the exceptions
`katcp.protocol`       versions of the protocol and `ProtocolFlags`
`katcp.message`        `Message` and `MessageParser`
`katcp.handlers`       how methods of a class become handlers of messages
`katcp.katcp_types`    types of parameters and sensor values (strings: `katcp.text_types`)
`katcp.sensor`         `Sensor` and `Reading`
`katcp.events`         events and states that one waits for
`katcp.waiting`        what else one waits with
`katcp.attrdict`       dictionaries with attribute access
`katcp.compat`         what differs between Pythons
===================== ==========================================================================
"""

from __future__ import absolute_import, division, print_function

# Code written for katcp 0.9 reaches (and its tests patch) modules and helpers through this one:
# ``katcp.core.time.time`` is the clock of the sensors.
import logging
import numbers  # noqa: F401
import re  # noqa: F401
import sys  # noqa: F401
import time  # noqa: F401
import warnings  # noqa: F401
from collections import defaultdict, namedtuple  # noqa: F401
from functools import partial, wraps  # noqa: F401

import tornado
import tornado.concurrent
import tornado.ioloop
from concurrent.futures import Future, TimeoutError  # noqa: F401
from tornado import gen  # noqa: F401
from tornado.concurrent import Future as tornado_Future  # noqa: F401
from tornado.gen import with_timeout  # noqa: F401

from katcp.arguments import encode_utf8_with_error_log  # noqa: F401
from katcp.attrdict import AttrDict, DefaultAttrDict  # noqa: F401
from katcp.compat import (byte_chars, ensure_native_str, is_bytes, is_text,  # noqa: F401
                          string_types as basestring)
from katcp.errors import (AsyncReply, FailReply, KatcpClientDisconnected,  # noqa: F401
                          KatcpClientError, KatcpDeviceError, KatcpSyntaxError, KatcpTypeError,
                          KatcpVersionError)
from katcp.events import AsyncCallbackEvent, AsyncEvent, AsyncState  # noqa: F401
from katcp.handlers import (DeviceMetaclass, DeviceServerMetaclass, convert_method_name,  # noqa: F401
                            steal_docstring_from)
from katcp.katcp_types import Address, Bool, Float, Int, Lru, Timestamp  # noqa: F401
from katcp.message import Message, MessageParser  # noqa: F401
from katcp.protocol import (DEFAULT_KATCP_MAJOR, FLOAT_TS_KATCP_MAJOR,  # noqa: F401
                            INTERFACE_CHANGED_KATCP_MAJOR, MID_KATCP_MAJOR, MS_TO_SEC_FAC,
                            SEC_TO_MS_FAC, SEC_TS_KATCP_MAJOR, VERSION_CONNECT_KATCP_MAJOR,
                            ProtocolFlags)
from katcp.sensor import Reading, Sensor  # noqa: F401
from katcp.text_types import Discrete, Str  # noqa: F401
from katcp.waiting import (LatencyTimer, future_timeout_manager, hashable_identity,  # noqa: F401
                           log_coroutine_exceptions, log_future_exceptions, until_any, until_later,
                           until_some)

logger = logging.getLogger(__name__)

# Star imports brought it along.
range = range
