"""Servers for devices: the door to the rooms of this package.

People subclass :class:`DeviceServer`, or :class:`AsyncDeviceServer` if their own code runs on an
IOLoop.  Besides the server's own names the door offers what server code customarily imports from
here.
"""

from __future__ import absolute_import, division, print_function

# Modules that star-imports have always brought along; tests patch `katcp.server.time.time`.
import logging
import re
import socket
import sys
import threading
import time
import traceback
from collections import deque
from concurrent.futures import Future
from functools import partial, wraps

import tornado
from tornado import gen, iostream
from tornado.concurrent import Future as tornado_Future
from tornado.concurrent import chain_future
from tornado.util import ObjectDict

import katcp
from katcp.compat import ensure_native_str, get_thread_ident, with_metaclass
from katcp.errors import AsyncReply, FailReply
from katcp.handlers import DeviceServerMetaclass
from katcp.ioloop_manager import IOLoopManager, with_relative_timeout
from katcp.kattypes import (Int, Str, has_katcp_protocol_flags, minimum_katcp_version, request,
                            return_reply)
from katcp.message import Message, MessageParser
from katcp.protocol import (DEFAULT_KATCP_MAJOR, MS_TO_SEC_FAC, SEC_TO_MS_FAC, SEC_TS_KATCP_MAJOR,
                            VERSION_CONNECT_KATCP_MAJOR, ProtocolFlags)
from katcp.sampling import SampleNone, SampleStrategy, format_inform_v4, format_inform_v5
from katcp.server.backend import KATCPServer
from katcp.server.connections import (ClientConnection, ClientRequestConnection,
                                      ThreadsafeClientConnection)
from katcp.server.device import AsyncDeviceServer, DeviceServer
from katcp.server.device_log import DeviceLogger
from katcp.server.dispatch import (BASE_REQUESTS, DeviceServerBase, construct_name_filter, log,
                                   return_future)
from katcp.server.handler_thread import MessageHandlerThread
