"""Devices and clients that speak KATCP, the Karoo Array Telescope control protocol.

Write a device by subclassing :class:`DeviceServer`; talk to one with a :class:`BlockingClient`, an
:class:`AsyncClient` or a :class:`KATCPClientResource`.
"""

from __future__ import absolute_import, division, print_function

from katcp.version import find_version as _find_version

# Before the rooms below: the server sends it to clients.
__version__ = _find_version("katcp")

from katcp import (  # noqa: E402,F401
    client, compat, core, inspecting_client, ioloop_manager, kattypes, object_proxies, resource,
    resource_client, sampling, sensortree, server)
from katcp.client import (  # noqa: E402,F401
    AsyncClient, BlockingClient, CallbackClient, DeviceClient)
from katcp.core import (  # noqa: E402,F401
    AsyncReply, AttrDict, DeviceMetaclass, FailReply, KatcpClientError, KatcpDeviceError,
    KatcpSyntaxError, KatcpTypeError, Message, MessageParser, ProtocolFlags, Sensor)
from katcp.resource_client import (  # noqa: E402,F401
    KATCPClientResource, KATCPClientResourceContainer)
from katcp.server import (  # noqa: E402,F401
    AsyncDeviceServer, DeviceLogger, DeviceServer, DeviceServerBase)
from katcp.sensortree import (  # noqa: E402,F401
    AggregateSensorTree, BooleanSensorTree, GenericSensorTree)
