"""Fakes of inspecting clients and resources, to test what is built on them without any device.

This module is a door: what is behind it is in the rooms of `katcp.fakes`.
"""

from __future__ import absolute_import, division, print_function

# Code written for katcp 0.9 reaches these through this module.
import tornado  # noqa: F401
from tornado.concurrent import Future  # noqa: F401
from tornado.gen import Return  # noqa: F401

from katcp import client, kattypes, resource, server  # noqa: F401
from katcp.attrdict import AttrDict  # noqa: F401
from katcp.compat import get_thread_ident  # noqa: F401
from katcp.fakes.client import FakeAsyncClient  # noqa: F401
from katcp.fakes.factories import (fake_inspecting_client_factory,  # noqa: F401
                                   fake_KATCP_client_resource_container_factory,
                                   fake_KATCP_client_resource_factory)
from katcp.fakes.managers import (FakeInspectingClientManager,  # noqa: F401
                                  FakeKATCPClientResourceContainerManager, FakeKATCPClientResourceManager)
from katcp.fakes.requests import (FakeClientRequestConnection, FakeKATCPServer,  # noqa: F401
                                  FakeKATCPServerError)
from katcp.handlers import convert_method_name  # noqa: F401
from katcp.message import Message  # noqa: F401
from katcp.protocol import ProtocolFlags  # noqa: F401
from katcp.sensor import Sensor  # noqa: F401
