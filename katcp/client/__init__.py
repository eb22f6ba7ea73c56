"""Clients of KATCP devices: the door through which they are imported.

==============================  ===================================================================
`DeviceClient`                  sends messages, hands received ones to handlers
`AsyncClient`                   matches replies with requests; for coroutines and callbacks
`CallbackClient`                the same for programs with threads of their own
`BlockingClient`                the same, by the name of what it is used for
`request_check`                 a blocking request that raises an exception if it fails
`make_threadsafe`               marks methods of a client that other threads may call
`make_threadsafe_blocking`      ... and wait for
==============================  ===================================================================

For clients that know the sensors and requests of a device see `katcp.resource_client`.
"""

from __future__ import absolute_import, division, print_function

# Everything that can be imported from here is part of the interface, also what only passes through.
import logging  # noqa: F401
import sys  # noqa: F401
import traceback  # noqa: F401
from concurrent.futures import Future, TimeoutError  # noqa: F401
from functools import partial, wraps  # noqa: F401

import tornado  # noqa: F401
import tornado.ioloop  # noqa: F401
import tornado.iostream  # noqa: F401
import tornado.tcpclient  # noqa: F401
from tornado import gen  # noqa: F401
from tornado.concurrent import Future as tornado_Future  # noqa: F401
from tornado.util import ObjectDict  # noqa: F401

from katcp.client.async_client import AsyncClient  # noqa: F401
from katcp.client.blocking import BlockingClient, CallbackClient, request_check  # noqa: F401
from katcp.client.device_client import DeviceClient, address_to_string, log  # noqa: F401
from katcp.client.thread_safety import make_threadsafe, make_threadsafe_blocking  # noqa: F401
from katcp.compat import ensure_native_str, get_thread_ident  # noqa: F401
from katcp.errors import KatcpClientDisconnected, KatcpClientError, KatcpVersionError  # noqa: F401
from katcp.handlers import DeviceMetaclass  # noqa: F401
from katcp.ioloop_manager import IOLoopManager  # noqa: F401
from katcp.message import Message, MessageParser  # noqa: F401
from katcp.protocol import (FLOAT_TS_KATCP_MAJOR, SEC_TO_MS_FAC, SEC_TS_KATCP_MAJOR,  # noqa: F401
                            ProtocolFlags)
from katcp.waiting import AsyncEvent, LatencyTimer, until_later  # noqa: F401
