"""What the tests of clients have in common."""

from __future__ import absolute_import, division, print_function

import logging
import socket
import threading
import unittest
from timeit import default_timer

from tornado.testing import AsyncTestCase

from tests.support.logs import LogRecorder
from tests.support.scripted_server import ScriptedServer

# Seconds after which a test that hangs fails.
LIMIT = 10


def dead_address():
    """Return an address where nobody listens."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    address = sock.getsockname()
    sock.close()
    return address


class SilentListener(object):
    """Takes no connections: attempts to connect never end, as with a host behind a black hole."""

    def __init__(self):
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.address = self._listener.getsockname()
        self._fillers = []
        # A full backlog makes the OS drop what comes in.
        for _ in range(5):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self.address)
            self._fillers.append(filler)

    def close(self):
        for sock in self._fillers + [self._listener]:
            sock.close()


class CapturedLog(LogRecorder):
    """A `LogRecorder` that leaves aside what is below a level.

    Nobody else gets the records: test runners would keep them, and with them the objects whose end is
    waited for.
    """

    def __init__(self, name, level=logging.WARNING):
        super(CapturedLog, self).__init__(name)
        self.setLevel(level)

    def __enter__(self):
        self._logger.propagate = False
        return super(CapturedLog, self).__enter__()

    def __exit__(self, *exc_info):
        super(CapturedLog, self).__exit__(*exc_info)
        self._logger.propagate = True


class Recorder(object):
    """Notes down what it is called with; other threads can wait for it."""

    def __init__(self):
        self.calls = []
        self._called = threading.Condition()

    def __call__(self, *args):
        with self._called:
            self.calls.append(args)
            self._called.notify_all()

    @property
    def messages(self):
        """The messages that were the first arguments, as bytes."""
        return [args[0].__bytes__() for args in self.calls]

    def wait(self, number=1):
        """Block until called that many times, and return the calls."""
        give_up = default_timer() + LIMIT
        with self._called:
            while len(self.calls) < number:
                if default_timer() >= give_up:
                    raise AssertionError("{} calls instead of {}".format(len(self.calls), number))
                self._called.wait(max(0, give_up - default_timer()))
        return self.calls


class ServerMixin(object):
    """Makes servers and clients that the test need not stop."""

    def make_server(self, *args, **kwargs):
        server = ScriptedServer(*args, **kwargs)
        self.addCleanup(server.stop)
        return server

    def make_client(self, client_class, server, *args, **kwargs):
        """Return a client, not started, with a loop of its own."""
        host, port = server.address if isinstance(server, ScriptedServer) else server
        client = client_class(host, port, *args, **kwargs)
        self.addCleanup(self._stop_client, client)
        return client

    def start_client(self, client_class, server, *args, **kwargs):
        """Return a client that is connected."""
        client = self.make_client(client_class, server, *args, **kwargs)
        client.start(timeout=LIMIT)
        self.assertTrue(client.wait_connected(LIMIT))
        return client

    @staticmethod
    def _stop_client(client):
        try:
            client.stop()
        except RuntimeError:  # never started
            return
        client.join(LIMIT)


class ThreadedTestCase(ServerMixin, unittest.TestCase):
    """For clients with threads of their own."""

    def in_loop(self, client, function, *args):
        """Call a function in the loop of a client, and return what it returns."""
        result = []
        done = threading.Event()

        def call():
            try:
                result.append(function(*args))
            finally:
                done.set()

        client.ioloop.add_callback(call)
        self.assertTrue(done.wait(LIMIT))
        return result[0]


class LoopTestCase(ServerMixin, AsyncTestCase):
    """For clients on the loop of the test."""

    def make_loop_client(self, client_class, server, *args, **kwargs):
        """Return a client, not started, on the test's loop."""
        host, port = server.address if isinstance(server, ScriptedServer) else server
        client = client_class(host, port, *args, **kwargs)
        client.set_ioloop(self.io_loop)
        self._loop_clients.append(client)
        return client

    def setUp(self):
        super(LoopTestCase, self).setUp()
        self._loop_clients = []

    def tearDown(self):
        for client in self._loop_clients:
            client.stop()
            if client.ioloop_thread_id is not None:
                self.io_loop.run_sync(client.until_stopped, timeout=LIMIT)
        super(LoopTestCase, self).tearDown()
