"""What pytest has to know: which files an interpreter can run, and which peers it talks to."""

from __future__ import absolute_import, division, print_function

import os
import sys

import tornado.ioloop
import tornado.testing

# Another kind of loop to run the tests on, a dotted name: `tornado.platform.asyncio.AsyncIOLoop` on the
# package trollius is what Python 2 has of asyncio.
if os.environ.get("KATCP_TEST_IOLOOP"):
    tornado.ioloop.IOLoop.configure(os.environ["KATCP_TEST_IOLOOP"])

# Files with ``async def`` are not for Python 2, and those named *_asyncio.py, which run our objects on
# asyncio's own loop, are for tornados whose loop that is.
collect_ignore_glob = []
if sys.version_info[0] == 2:
    collect_ignore_glob.append("py3/*")
elif tornado.version_info < (5,):
    collect_ignore_glob.append("py3/*_asyncio.py")
elif sys.version_info < (3, 7):
    collect_ignore_glob.append("py3/test_examples_asyncio.py")  # they call asyncio.run

# pytest 8.2 and later makes an instance of every test class with the method name "runTest", which
# tornado 4.5 looks up right away.  Any method does: that instance runs no test.
try:
    tornado.testing.AsyncTestCase("runTest")
except ValueError:  # Python 2's unittest refuses the name as well, but its pytest does not use it
    pass
except AttributeError:
    _init = tornado.testing.AsyncTestCase.__init__

    def _init_without_test(self, methodName="runTest", **kwargs):
        _init(self, methodName if hasattr(self, methodName) else "setUp", **kwargs)

    tornado.testing.AsyncTestCase.__init__ = _init_without_test

# Other implementations, and the kernel of notebooks, are talked to where they can be installed.  What is
# left out is said in the report's header; KATCP_REQUIRE_PEERS (names, comma-separated) turns an absence
# into an error.
_peers = {}


def _peer(name, present, where, *files):
    if not present and name in os.environ.get("KATCP_REQUIRE_PEERS", "").split(","):
        raise RuntimeError("{} has to be tested against, but it is missing ({})".format(name, where))
    _peers[name] = "tested" if present else "NOT tested: needs " + where
    if not present:
        collect_ignore_glob.extend(files)


def _importable(name):
    try:
        __import__(name)
    except ImportError:
        return False
    return True


_peer("aiokatcp", _importable("aiokatcp"), "Python 3.10 and 'pip install aiokatcp'",
      "peers/test_aiokatcp.py", "peers/test_resource_on_aiokatcp.py")
_peer("katcpcli", _importable("katcpcli"), "Python 3.10 and 'pip install katcpcli'", "peers/test_katcpcli.py")
_peer("katcp09", bool(os.environ.get("KATCP_PEER_PYTHON")),
      "KATCP_PEER_PYTHON, the path of a Python that has katcp 0.9.3, mock, and pytest before 8.2",
      "peers/test_katcp09.py", "peers/test_resource_on_katcp09.py", "peers/test_downstream_on_katcp09.py")
_peer("notebook", all([_importable(name) for name in ("ipykernel", "nbclient", "nbformat")]),
      "Python 3.10 and 'pip install ipykernel nbclient nbformat'", "notebook/*")


def pytest_report_header(config):
    return ["peer {}: {}".format(name, verdict) for name, verdict in sorted(_peers.items())]
