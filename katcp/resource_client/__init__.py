"""Devices as those who use them hold them: `KATCPClientResource` and what belongs to it.

A door, not a room:

==================== ===================================================================================
room                 holds
==================== ===================================================================================
`client_resource`    `KATCPClientResource`: a device, its state and life
`model_update`       keeping its requests and sensors in step with the device
`exposure`           requests and sensors under their Python identifiers
`presets`            sampling strategies and listeners, which survive reconnections
`sensors_manager`    what sensors ask of the device
`requests`           the objects that one calls, and the client that sends the requests
`container`          `KATCPClientResourceContainer`: several devices
`container_items`    their requests and sensors under one roof
`container_sensors`  listing these sensors, setting their strategies
`groups`             `ClientGroup`: several devices of which the same is asked
`listing`            `list_sensors`
`monitoring`         `monitor_resource_sync_state`
`thread_safe`        all of that for other threads than that of the loop
`mapping_proxies`    views of mappings that wrap the values
`futures`            futures made from other futures
==================== ===================================================================================
"""

from __future__ import absolute_import, division, print_function

# Code written for katcp 0.9 reaches modules and helpers through this one.
import collections  # noqa: F401
import logging
import math  # noqa: F401
import re  # noqa: F401
import sys  # noqa: F401
from concurrent.futures import Future  # noqa: F401
from functools import partial  # noqa: F401

import tornado  # noqa: F401
from tornado.concurrent import Future as tornado_Future  # noqa: F401
from tornado.gen import Return  # noqa: F401

from katcp import inspecting_client, resource  # noqa: F401
from katcp.attrdict import AttrDict, DefaultAttrDict  # noqa: F401
from katcp.compat import PY2, Mapping  # noqa: F401
from katcp.errors import KATCPSensorError  # noqa: F401
from katcp.handlers import steal_docstring_from  # noqa: F401
from katcp.ioloop_manager import IOLoopThreadWrapper, ThreadSafeMethodAttrWrapper  # noqa: F401
from katcp.message import Message  # noqa: F401
from katcp.resource_client.client_resource import KATCPClientResource
from katcp.resource_client.container import KATCPClientResourceContainer
from katcp.resource_client.exposure import _normalise_request_name_set  # noqa: F401
from katcp.resource_client.futures import transform_future
from katcp.resource_client.groups import ClientGroup, GroupRequest, GroupResults
from katcp.resource_client.listing import list_sensors
from katcp.resource_client.mapping_proxies import AttrMappingProxy, MappingProxy
from katcp.resource_client.monitoring import monitor_resource_sync_state
from katcp.resource_client.requests import (
    KATCPClientResourceRequest, ReplyWrappedInspectingClientAsync)
from katcp.resource_client.sensors_manager import KATCPClientResourceSensorsManager
from katcp.resource_client.thread_safe import (
    ThreadSafeKATCPClientGroupWrapper, ThreadSafeKATCPClientResourceRequestWrapper,
    ThreadSafeKATCPClientResourceWrapper, ThreadSafeKATCPSensorWrapper)
from katcp.resource_request import KATCPReply  # noqa: F401
from katcp.waiting import (  # noqa: F401
    AsyncCallbackEvent, AsyncEvent, AsyncState, LatencyTimer, log_future_exceptions, until_any, until_some)

log = logging.getLogger(__name__)

# What these say of themselves is where users find them.
for _item in (AttrMappingProxy, ClientGroup, GroupRequest, GroupResults, KATCPClientResource,
              KATCPClientResourceContainer, KATCPClientResourceRequest, KATCPClientResourceSensorsManager,
              MappingProxy, ReplyWrappedInspectingClientAsync, ThreadSafeKATCPClientGroupWrapper,
              ThreadSafeKATCPClientResourceRequestWrapper, ThreadSafeKATCPClientResourceWrapper,
              ThreadSafeKATCPSensorWrapper, list_sensors, monitor_resource_sync_state, transform_future):
    _item.__module__ = __name__
del _item
