"""Tools for testing devices and the programs that talk to them: the door to the rooms of this package.

It needs the package ``mock`` on Python 2; on Python 3, ``unittest.mock`` will do.  Besides its own
names the door offers what test code customarily imports from here.  The rooms look up ``time`` here
whenever they ask for the wall clock, so tests can patch it.
"""

from __future__ import absolute_import, division, print_function

# Modules that star-imports have always brought along; `time` and `threading` are patched by tests.
import functools
import logging
import re
import threading
import time
from concurrent.futures import Future, TimeoutError

import tornado
from tornado.concurrent import Future as tornado_Future

from katcp import client
from katcp.compat import ensure_native_str, get_thread_ident, is_bytes, is_text, queue
from katcp.errors import AsyncReply, FailReply
from katcp.handlers import steal_docstring_from
from katcp.kattypes import (Bool, Discrete, Float, Int, Str, concurrent_reply, request,
                            request_timeout_hint, return_reply)
from katcp.message import Message
from katcp.object_proxies import ObjectWrapper
from katcp.protocol import ProtocolFlags
from katcp.sensor import Sensor
from katcp.server import ClientConnection, DeviceServer
from katcp.testutils.assertions import (SensorComparisonMixin, TestUtilMixin, add_mid_to_msg_str,
                                        list_to_native_strings)
from katcp.testutils.clients import BlockingTestClient
from katcp.testutils.clock import TimewarpAsyncTestCase, TimewarpAsyncTestCaseTimeAdvancer
from katcp.testutils.doubles import (ClientConnectionTest, TestLogHandler, handle_mock_req,
                                     mock_req)
from katcp.testutils.mocks import AsyncWaitingMock, AtomicIaddCallback, WaitingMock, mock
from katcp.testutils.recorder import MessageRecorder
from katcp.testutils.sensors import (DeviceTestSensor, SensorTransitionStatusWaiter,
                                     SensorTransitionWaiter, suppress_queue_repeats, wait_sensor,
                                     wait_sensor_async)
from katcp.testutils.servers import (AsyncDeviceTestServer, DeviceTestServer,
                                     DeviceTestServerWithTimeoutHints)
from katcp.testutils.threads import (call_in_ioloop, counting_callback, logger,
                                     start_thread_with_cleanup)
from katcp.waiting import AsyncEvent

get_ident = get_thread_ident
