"""Fixtures for pytest.

They are there for who asks for them, in a test module or in the topmost ``conftest.py``::

    pytest_plugins = ["katcp.testutils.pytest_plugin"]

Whatever a test starts with them is stopped when it ends.
"""

from __future__ import absolute_import, division, print_function

import sys
import unittest

import pytest
from tornado import gen
from tornado.ioloop import TimeoutError

from katcp import compat
from katcp.fakes.factories import fake_KATCP_client_resource_factory
from katcp.resource_client import KATCPClientResource
from katcp.testutils.clients import BlockingTestClient
from katcp.testutils.clock import HandClock, _Watchdog
from katcp.testutils.threads import start_thread_with_cleanup

# Seconds for what takes milliseconds, unless something is wrong.
PATIENCE = 10


class _Assertions(unittest.TestCase):
    """What the methods of test clients assert with."""

    def runTest(self):
        """Do nothing; a test case must have a test."""


class _Cleanups(object):
    """The part of a test case that `start_thread_with_cleanup` needs."""

    def __init__(self):
        self._functions = []

    def addCleanup(self, function, *args, **kwargs):
        self._functions.append((function, args, kwargs))

    def run(self):
        """Call what was added, last first, and raise the first exception afterwards."""
        failure = None
        while self._functions:
            function, args, kwargs = self._functions.pop()
            try:
                function(*args, **kwargs)
            except Exception:
                failure = failure or sys.exc_info()
        if failure is not None:
            compat.reraise(failure)


class LoopRunner(object):
    """Runs what belongs on the loop of a test.

    Attributes
    ----------
    ioloop : tornado.ioloop.IOLoop
        The loop, which is also the current one of the test's thread.
    timeout : float
        Seconds of real time that `run` may take; with a `LoopClock`, that the clock may stand still.
    clock : LoopClock or None
        The clock of the loop, if it is one that the test moves.
    """

    def __init__(self, ioloop):
        self.ioloop = ioloop
        self.timeout = PATIENCE
        self.clock = None

    def run(self, function, *args, **kwargs):
        """Call a function on the loop, and wait for its future if it returns one.

        Parameters
        ----------
        function : callable
            A coroutine function, native or not, or any other.
        *args, **kwargs
            Its arguments.

        Returns
        -------
        object
            What the function returns, or what the future that it returns resolves to.

        Raises
        ------
        tornado.ioloop.TimeoutError
            If it takes too long.
        """
        @gen.coroutine
        def call():
            result = function(*args, **kwargs)
            if compat.is_awaitable(result):
                result = yield compat.as_future(result)
            raise gen.Return(result)

        if self.clock is None:
            return self.ioloop.run_sync(call, timeout=self.timeout)
        watchdog = _Watchdog(self.clock, self.ioloop, self.timeout)
        watchdog.start()
        try:
            return self.ioloop.run_sync(call)
        except RuntimeError:
            if watchdog.has_bitten:  # what newer tornados say of a loop that somebody has stopped
                raise TimeoutError("Nobody moved the clock of the test for {} seconds".format(self.timeout))
            raise
        finally:
            watchdog.stop()


class LoopClock(HandClock):
    """The clock of a loop, which stands still until the test moves it; see `HandClock`.

    Parameters
    ----------
    ioloop : tornado.ioloop.IOLoop
        A loop on which no timer is pending yet.
    """

    def __init__(self, ioloop):
        super(LoopClock, self).__init__()
        self._ioloop = ioloop
        self.install(ioloop)

    def move_to(self, now):
        """Move the clock forward.

        Parameters
        ----------
        now : int or float
            What it is to show, in seconds.

        Returns
        -------
        future
            Resolves when the timers that are due by then have run.

        Raises
        ------
        ValueError
            If it shows that already, or more.
        """
        if not now > self.now:
            raise ValueError("Cannot move the clock from {!r} to {!r}: that is not later".format(
                self.now, now))
        self.now = now
        future = compat.new_future(self._ioloop)
        self._ioloop.add_callback(compat.resolve, future)
        return future

    def move(self, seconds):
        """Move the clock forward by some seconds; see `move_to`."""
        return self.move_to(self.now + seconds)


@pytest.fixture
def katcp_device():
    """Start a device: ``katcp_device(device)`` returns it when it is running."""
    cleanups = _Cleanups()

    def start(device):
        start_thread_with_cleanup(cleanups, device, timeout=PATIENCE, start_timeout=PATIENCE)
        return device

    yield start
    cleanups.run()


@pytest.fixture
def katcp_client():
    """Connect to a device: ``katcp_client(device)`` returns a `BlockingTestClient`.

    Instead of the device its ``(host, port)`` will do.
    """
    cleanups = _Cleanups()

    def connect(device):
        host, port = getattr(device, "bind_address", device)
        client = BlockingTestClient(_Assertions(), host, port)
        start_thread_with_cleanup(cleanups, client, timeout=PATIENCE, start_timeout=PATIENCE)
        assert client.wait_protocol(PATIENCE), "No device at {}:{}".format(host, port)
        return client

    yield connect
    cleanups.run()


@pytest.fixture
def katcp_loop():
    """A `LoopRunner`: ``katcp_loop.run(coroutine_function, *args)`` runs a coroutine to its end."""
    ioloop = compat.new_ioloop()
    previous = compat.current_ioloop()
    compat.make_ioloop_current(ioloop)
    yield LoopRunner(ioloop)
    compat.cancel_pending_work(ioloop, PATIENCE)
    compat.make_ioloop_current(previous)
    ioloop.close(all_fds=True)


@pytest.fixture
def katcp_clock(katcp_loop):
    """The `LoopClock` of the loop of the test: ``yield katcp_clock.move(10)`` lets 10 seconds pass."""
    katcp_loop.clock = LoopClock(katcp_loop.ioloop)
    return katcp_loop.clock


@pytest.fixture
def katcp_fake_resource(katcp_loop):
    """Make a resource for a device that is not there, on the loop of the test.

    ``katcp_fake_resource(name, sensors=None, requests=None, cls=KATCPClientResource, options=None,
    **spec)`` returns the resource, started, and its `FakeKATCPClientResourceManager`.  For `sensors` and
    `requests`, an object with methods or a dict of functions, see there; for `options` see
    `fake_KATCP_client_resource_factory`.  More items of the resource's specification may follow; requests are
    exposed unless it says otherwise.
    """
    cleanups = _Cleanups()

    def make(name, sensors=None, requests=None, cls=KATCPClientResource, options=None, **spec):
        spec = dict(dict(address=("nowhere", 5000), controlled=True), name=name, **spec)
        resource, manager = fake_KATCP_client_resource_factory(cls, options or {}, spec)
        resource.set_ioloop(katcp_loop.ioloop)
        resource.start()
        cleanups.addCleanup(katcp_loop.run, resource.until_stopped)
        cleanups.addCleanup(resource.stop)
        if sensors:
            manager.add_sensors(sensors)
        if isinstance(requests, dict):
            manager.add_request_handlers_dict(requests)
        elif requests is not None:
            manager.add_request_handlers_object(requests)
        return resource, manager

    yield make
    cleanups.run()
