"""Which versions these are; only the rooms of this package ask."""

from __future__ import absolute_import, division, print_function

import sys

import tornado

PY2 = sys.version_info[0] == 2
TORNADO_MAJOR = tornado.version_info[0]

# On tornado 5 and later a Python 3 loop is a wrapper round asyncio's, and its futures are asyncio's.
ON_ASYNCIO = not PY2 and TORNADO_MAJOR >= 5
