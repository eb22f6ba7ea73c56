"""Every test has to clean up after itself."""

from __future__ import absolute_import, division, print_function

import gc
import os
import socket
import stat
import threading

import katcp
import pytest
import tornado.ioloop

FDS = "/proc/self/fd"

# Where asyncio is beneath, the first to ask in the main thread has a loop made; that is not to be a test.
first_loop = getattr(tornado.ioloop.IOLoop.current(), "asyncio_loop", None)


def pytest_unconfigure():
    if first_loop is not None:
        first_loop.close()


def pytest_report_header(config):
    return "downstream tests of katcp {} in {}".format(katcp.__version__, os.path.dirname(katcp.__file__))


def open_things():
    """Return how many TCP sockets and loops (epoll instances) are open."""
    sockets = loops = 0
    for fd in os.listdir(FDS):
        try:
            if "eventpoll" in os.readlink(os.path.join(FDS, fd)):
                loops += 1
            elif stat.S_ISSOCK(os.fstat(int(fd)).st_mode):
                copy = socket.fromfd(int(fd), socket.AF_INET, socket.SOCK_STREAM)
                try:
                    sockets += len(copy.getsockname()) == 2 and isinstance(copy.getsockname(), tuple)
                finally:
                    copy.close()
        except OSError:  # the directory's own descriptor, which is closed by now
            pass
    return {"sockets": sockets, "loops": loops}


@pytest.fixture(autouse=True)
def nothing_left_behind():
    threads_before = set(threading.enumerate())
    before = open_things() if os.path.isdir(FDS) else None
    yield
    threads = [thread for thread in threading.enumerate() if thread not in threads_before]
    for thread in threads:
        thread.join(2)
    assert not [thread for thread in threads if thread.is_alive()]
    if before is not None:
        gc.collect()
        after = open_things()
        assert all(after[kind] <= before[kind] for kind in before), (before, after)
