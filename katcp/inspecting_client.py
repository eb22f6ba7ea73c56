"""A client that finds out which requests and sensors a device has, and keeps that up to date.

`InspectingClientAsync` is what `katcp.resource_client` is built on; use that one unless you need the
details.  This module is a door: what is behind it is in the rooms of `katcp.inspecting`.
"""

from __future__ import absolute_import, division, print_function

# Code written for katcp 0.9 reaches these through this module, and patches ``random.random``.
import copy  # noqa: F401
import logging  # noqa: F401
import random  # noqa: F401
from collections import defaultdict, namedtuple  # noqa: F401

import tornado  # noqa: F401
from tornado.gen import Return, maybe_future  # noqa: F401

import katcp  # noqa: F401
from katcp.attrdict import AttrDict  # noqa: F401
from katcp.compat import ensure_native_str  # noqa: F401
from katcp.handlers import steal_docstring_from  # noqa: F401
from katcp.inspecting.backoff import ExponentialRandomBackoff, ic_logger  # noqa: F401
from katcp.inspecting.client import InspectingClientAsync  # noqa: F401
from katcp.inspecting.inform_hooks import _InformHookDeviceClient  # noqa: F401
from katcp.inspecting.inspection import SyncError  # noqa: F401
from katcp.inspecting.lookup import RequestType  # noqa: F401
from katcp.inspecting.states import InspectingClientStateType  # noqa: F401
from katcp.waiting import future_timeout_manager, until_any  # noqa: F401
