"""From a host and a port to a connected socket."""

from __future__ import absolute_import, division, print_function

import socket
import threading

from tornado import gen
from tornado.testing import gen_test

from katcp.client import connecting
from katcp.client.connecting import TcpConnector
from tests.support import mock
from tests.support.client_cases import LIMIT, LoopTestCase, SilentListener, dead_address


class TestConnecting(LoopTestCase):
    def connect(self, host, port):
        self.connector = TcpConnector(self.io_loop, host, port)
        return self.connector.connect()

    def test_needs_thread(self):
        for host in ("127.0.0.1", "::1", "0.0.0.0", "localhost", u"10.1.2.3"):
            self.assertFalse(connecting.lookup_needs_thread(host), host)
        for host in ("device.example", "127.0.0.1.example", "x" * 300):
            self.assertTrue(connecting.lookup_needs_thread(host), host)

    @gen_test
    def test_numeric(self):
        server = self.make_server()
        before = set(threading.enumerate())
        sock = yield self.connect(*server.address)
        self.assertEqual(set(threading.enumerate()), before)
        self.assertEqual(sock.getpeername(), server.address)
        sock.close()

    @gen_test
    def test_name(self):
        server = self.make_server()
        threads = []

        def lookup(host, port):
            threads.append(threading.current_thread())
            return [(socket.AF_INET, server.address)]

        with mock.patch.object(connecting, "lookup", lookup):
            sock = yield self.connect("device.example", server.address[1])
        self.assertEqual(sock.getpeername(), server.address)
        sock.close()
        self.assertTrue(threads[0].daemon)
        threads[0].join(LIMIT)
        self.assertFalse(threads[0].is_alive())

    @gen_test
    def test_localhost(self):
        server = self.make_server()
        sock = yield self.connect("localhost", server.address[1])
        self.assertEqual(sock.getpeername(), server.address)
        sock.close()

    @gen_test
    def test_failures(self):
        for host, port in (dead_address(), ("x" * 300, 1), ("127.0.0.1", 1 << 20),
                           ("127.0.0.1", "no-service"), ("a..b", 1)):
            with self.assertRaises((socket.error, OverflowError)):
                yield self.connect(host, port)

    @gen_test
    def test_next_address(self):
        server = self.make_server()
        listener = SilentListener()
        self.addCleanup(listener.close)
        addresses = [(socket.AF_INET, dead_address()), (socket.AF_INET, listener.address),
                     (socket.AF_INET, server.address)]
        with mock.patch.object(connecting, "NEXT_ADDRESS_DELAY", 0.01):
            with mock.patch.object(connecting, "lookup", lambda host, port: list(addresses)):
                sock = yield self.connect("device.example", 1)
        self.assertEqual(sock.getpeername(), server.address)
        sock.close()
        self.assertEqual(self.connector._attempts, {})

    @gen_test
    def test_abort(self):
        listener = SilentListener()
        self.addCleanup(listener.close)
        future = self.connect(*listener.address)
        attempt, = self.connector._attempts.values()
        self.connector.abort()
        self.assertIsNone((yield future))
        self.assertRaises(socket.error, attempt.getsockname)
        self.connector.abort()

    @gen_test
    def test_abort_during_lookup(self):
        release, found = threading.Event(), threading.Event()
        self.addCleanup(release.set)
        server = self.make_server()

        def lookup(host, port):
            release.wait(LIMIT)
            found.set()
            return [(socket.AF_INET, server.address)]

        with mock.patch.object(connecting, "lookup", lookup):
            future = self.connect("device.example", 1)
            yield gen.moment
            self.connector.abort()
            self.assertIsNone((yield future))
            release.set()
            self.assertTrue(found.wait(LIMIT))
            for _ in range(10):
                yield gen.moment
        self.assertEqual(server.connections_made, 0)

    @gen_test
    def test_connection_to_itself_is_none(self):
        sock = socket.socket()
        self.addCleanup(sock.close)
        sock.bind(("127.0.0.1", 0))
        sock.connect(sock.getsockname())
        self.assertIsInstance(TcpConnector._outcome(sock), socket.error)
        yield []
