"""KATCP: devices and clients that speak the Karoo Array Telescope control protocol."""

from __future__ import absolute_import, division, print_function

from katcp.version import find_version as _find_version

# Before the rooms below: the server sends it to clients.
__version__ = _find_version("katcp")
