"""Tests of katcp.server.backend, accepting and sending."""

from __future__ import absolute_import, division, print_function

import errno
import gc
import logging
import socket
import struct
import threading
import unittest
import weakref
from contextlib import closing

from tornado import gen

from katcp import compat
from katcp.line_connection import LineConnection
from katcp.message import Message
from katcp.server import DeviceServerBase, KATCPServer, accepting
from katcp.server.client_input import DirectInput
from tests.support import mock
from tests.support.devices import ServerTests, in_all_modes
from tests.support.logs import LogRecorder
from tests.support.raw_client import RawClient

TIMEOUT = 10


# What no `except Exception` catches; Ctrl-C does not end anything but the main thread.
BASE_EXCEPTIONS = (SystemExit, GeneratorExit, KeyboardInterrupt) + compat.CANCELLED_ERRORS


def raiser(exc_class):
    def hook(conn):
        raise exc_class("unwelcome")
    return hook


class Device(DeviceServerBase):
    """Notes who comes and goes."""

    def __init__(self, *args, **kwargs):
        super(Device, self).__init__(*args, **kwargs)
        self.connected = []
        self.disconnected = []
        self.handled = []
        # What the hooks do, besides taking note.
        self.connect_hook = self.disconnect_hook = lambda conn: None

    def on_client_connect(self, conn):
        self.connected.append(conn)
        assert self.ioloop is not None
        assert self._handler_thread is None or self._handler_thread.isAlive()
        return self.connect_hook(conn)

    def on_client_disconnect(self, conn, msg, connection_valid):
        self.disconnected.append((conn, msg, connection_valid))
        return self.disconnect_hook(conn)

    def request_echo(self, req, msg):
        """Return the arguments."""
        self.handled.append(msg.arguments)
        return req.make_reply("ok", *msg.arguments)

    def request_big(self, req, msg):
        """Return a lot."""
        return req.make_reply("ok", b"x" * 10000)

    def request_stop(self, req, msg):
        """Stop the server."""
        self.stop()
        return req.make_reply("ok")


class DeviceTests(ServerTests):
    """Tests of a running device."""

    device_class = Device

    def setUp(self):
        super(DeviceTests, self).setUp()
        # What is logged is either looked at or none of the tests' business.
        self.log = LogRecorder(self.server._logger.name)
        self.log.__enter__()
        self.addCleanup(self.log.__exit__)

    def connect_and_ask(self):
        client = self.connect(greeted=False)
        self.assertEqual(client.ask(b"?echo hi"), [b"!echo ok hi"])
        return client

    def in_loop(self, fn):
        """Return what ``fn()`` returns or raises in the thread of the loop."""
        return self.server._server.call_from_thread(fn).result(TIMEOUT)

    def wait_until(self, condition):
        """Let the loop run until ``condition()`` is true."""
        for _ in range(100000):
            if condition():
                return
            self.server.sync_with_ioloop(timeout=TIMEOUT)
        self.fail("waited in vain")

    def wait_for_disconnects(self, count):
        self.wait_until(lambda: len(self.server.disconnected) == count)


class TestConstruction(unittest.TestCase):
    def test_no_io(self):
        before = threading.active_count()
        with mock.patch("socket.socket") as make_socket:
            server = KATCPServer(mock.Mock(), "example.org", 1234)
        self.assertFalse(make_socket.called)
        self.assertEqual(threading.active_count(), before)
        self.assertEqual(server.bind_address, ("example.org", 1234))
        self.assertIsNone(server.ioloop)
        self.assertIsNone(server.ioloop_thread_id)
        self.assertFalse(server.running())
        self.assertFalse(server.wait_running(0.001))
        self.assertFalse(server.in_ioloop_thread())

    def test_numbers(self):
        self.assertEqual(KATCPServer.BACKLOG, 5)
        self.assertEqual(KATCPServer.MAX_MSG_SIZE, 2097152)
        self.assertEqual(KATCPServer.MAX_WRITE_BUFFER_SIZE, 4194304)
        self.assertEqual(KATCPServer.DISCONNECT_TIMEOUT, 1)

    def test_never_started(self):
        server = Device("127.0.0.1", 0)
        self.assertIsNone(server.stop(timeout=None).result(0))
        self.assertIsNone(server.stop(timeout=1000).result(0))  # waits for nothing
        with self.assertRaises(RuntimeError) as caught:
            server.join(timeout=1)
        self.assertEqual(str(caught.exception), "Cannot join if not started")
        server.mass_inform(Message.inform("x"))
        self.assertIsNone(server._server.call_from_thread(lambda: 1).result(0))

    def test_address_of_strangers(self):
        server = KATCPServer(mock.Mock(), "", 0)
        for stranger in (mock.Mock(), "conn-id", None, object()):
            with LogRecorder("katcp.server") as log:
                self.assertEqual(server.get_address(stranger), "<error>")
            self.assertIn("Could not determine address of stream", log.messages[0])

    def test_stand_in_for_a_stream(self):
        server = KATCPServer(mock.Mock(), "", 0)
        server.ioloop_thread_id = compat.get_thread_ident()
        stream = mock.Mock()
        self.assertIs(server.send_message(stream, Message.inform("x", 1)), stream.write.return_value)
        stream.write.assert_called_once_with(b"#x 1\n")
        future = server.send_message_from_thread(stream, Message.inform("x", 2))
        self.assertIs(future.result(0), stream.write.return_value)
        for post in (server.post_message, server.post_message_from_thread):
            stream.write.reset_mock()
            post(stream, Message.inform("x", 3))
            stream.write.assert_called_once_with(b"#x 3\n")

    def test_other_threads_must_not_send(self):
        server = KATCPServer(mock.Mock(), "", 0)
        for send in (lambda: server.send_message(mock.Mock(), Message.inform("x")),
                     lambda: server.post_message(mock.Mock(), Message.inform("x")),
                     lambda: server.mass_send_message(Message.inform("x")),
                     lambda: server.flush_on_close(mock.Mock())):
            with self.assertRaises(AssertionError):
                send()


class _Life(DeviceTests):
    def test_start(self):
        host, port = self.server.bind_address
        self.assertEqual(host, "127.0.0.1")
        self.assertGreater(port, 0)
        self.assertTrue(self.server.running())
        self.assertTrue(self.server.wait_running(0))
        self.assertIs(self.server.ioloop, self.server._server.ioloop)
        self.assertNotEqual(self.server._server.ioloop_thread_id, compat.get_thread_ident())
        self.assertFalse(self.server._server.in_ioloop_thread())
        self.assertTrue(self.in_loop(self.server._server.in_ioloop_thread))
        expected = ("Message handler thread already started" if self.concurrency[1]
                    else "Server already started")
        with self.assertRaises(RuntimeError) as caught:
            self.server.start()
        self.assertEqual(str(caught.exception), expected)
        self.connect_and_ask()

    def test_stop_and_restart(self):
        address = self.server.bind_address
        for _ in range(3):
            client = self.connect_and_ask()
            loop = self.server.ioloop
            self.assertIsNone(self.server.stop().result(TIMEOUT))
            self.assertFalse(self.server.running())
            self.assertIsNone(self.server._server.ioloop)
            self.assertIsNone(self.server._server.ioloop_thread_id)
            self.assertEqual(client.rest(), b"")
            self.server.join(TIMEOUT)
            self.assertEqual(self.server._server._connections, {})
            self.assertEqual(self.server.bind_address, address)
            with self.assertRaises(socket.error):
                RawClient(address)
            self.server.start(timeout=TIMEOUT)
            self.assertIsNot(self.server.ioloop, loop)
            self.assertEqual(self.server.bind_address, address)

    def test_stop_many_times(self):
        futures = [self.server.stop() for _ in range(3)]
        for future in futures:
            self.assertIsNone(future.result(TIMEOUT))
        self.server.join(TIMEOUT)
        self.assertIsNone(self.server.stop().result(0))
        self.server.join(TIMEOUT)

    def test_stop_in_a_handler(self):
        client = self.connect(greeted=False)
        client.send(b"?stop\n")
        client.rest()
        self.server.join(TIMEOUT)
        self.assertFalse(self.server.running())

    def test_start_right_after_clients_have_seen_the_end(self):
        client = self.connect_and_ask()
        self.server.stop()
        client.rest()
        self.server.start(timeout=TIMEOUT)
        self.connect_and_ask()

    def test_stop_while_requests_are_pouring_in(self):
        client = self.connect_and_ask()
        client.send(b"?echo\n" * 5000)
        self.server.stop().result(TIMEOUT)
        data = client.rest()
        self.assertEqual(data, b"!echo ok\n" * data.count(b"\n"))

    def test_calls_while_stopped(self):
        conn = self.connect_and_ask() and self.server.connected[0]
        self.server.stop().result(TIMEOUT)
        self.server.join(TIMEOUT)
        self.server.mass_inform(Message.inform("x"))
        called = []
        self.assertIsNone(self.server._server.call_from_thread(lambda: called.append(1)).result(0))
        self.assertEqual(called, [])
        if self.concurrency[0]:
            self.assertIsNone(conn.inform(Message.inform("x")).result(0))

    def test_stopped_server_can_be_collected(self):
        self.connect_and_ask()
        server, self.server = self.server, None
        self._cleanups[:] = [entry for entry in self._cleanups if entry[0] != self.stop_server]
        server.stop().result(TIMEOUT)
        server.join(TIMEOUT)
        reference = weakref.ref(server)
        del server
        gc.collect()
        self.assertIsNone(reference())

    def test_call_from_thread(self):
        future = self.server._server.call_from_thread(lambda: 3)
        self.assertIsInstance(future, compat.ConcurrentFuture)
        self.assertEqual(future.result(TIMEOUT), 3)
        with self.assertRaises(ZeroDivisionError):
            self.server._server.call_from_thread(lambda: 1 // 0).result(TIMEOUT)
        inner = self.in_loop(lambda: self.server._server.call_from_thread(lambda: 4))
        self.assertTrue(inner.done())
        self.assertEqual(inner.result(), 4)
        inner = self.in_loop(lambda: self.server._server.call_from_thread(lambda: 1 // 0))
        with self.assertRaises(ZeroDivisionError):
            inner.result()
        self.assertEqual(len(self.log.messages), 2)


in_all_modes(globals(), _Life)


class TestStarting(unittest.TestCase):
    def make_server(self, *args):
        server = Device(*(args or ("127.0.0.1", 0)))
        self.addCleanup(lambda: server.running() and (server.stop(), server.join(TIMEOUT)))
        return server

    def test_port_in_use(self):
        occupant = socket.socket()
        self.addCleanup(occupant.close)
        occupant.bind(("127.0.0.1", 0))
        occupant.listen(1)
        server = self.make_server(*occupant.getsockname())
        threads = threading.active_count()
        with LogRecorder("katcp.server") as log:
            for _ in range(2):
                with self.assertRaises(socket.error):
                    server.start(timeout=TIMEOUT)
        self.assertTrue(log.messages[0].startswith("Unable to bind to "), log.messages)
        self.assertEqual(threading.active_count(), threads)
        self.assertIsNone(server.stop().result(0))
        occupant.close()
        server.start(timeout=TIMEOUT)
        self.assertTrue(server.running())

    def test_address_is_known_at_once(self):
        server = self.make_server()
        self.assertIsNone(server.start())
        RawClient(server.bind_address).close()
        self.assertTrue(server.wait_running(TIMEOUT))

    def test_start_of_the_backend_tells_whether_it_runs(self):
        server = KATCPServer(mock.Mock(), "127.0.0.1", 0)
        self.assertTrue(server.start(timeout=TIMEOUT))
        server.stop().result(TIMEOUT)
        server.join(TIMEOUT)

    def test_stop_right_after_start(self):
        server = self.make_server()
        server.start()
        server.stop(timeout=None).result(TIMEOUT)
        server.join(TIMEOUT)
        self.assertFalse(server.running())

    def check_stopped_while_starting(self, interrupted):
        """Stop a server when its start is about to call a method, given as (object, name)."""
        server = self.make_server()
        for owner, name in interrupted(server):
            futures = []
            original = getattr(owner, name)

            def stop_first(*args):
                setattr(owner, name, original)
                # Not before that one has ended, or asked somebody else to do it later.
                thread = threading.Thread(target=lambda: futures.append(server.stop()))
                thread.start()
                thread.join(TIMEOUT)
                return original(*args)

            setattr(owner, name, stop_first)
            before = set(threading.enumerate())
            self.assertIsNone(server.start(timeout=TIMEOUT))
            self.assertIsNone(futures[0].result(TIMEOUT))
            server._handler_thread.join(TIMEOUT)
            self.assertEqual([thread for thread in threading.enumerate() if thread not in before], [])
            self.assertFalse(server.running())
            self.assertIsNone(server._server.ioloop)
            with self.assertRaises(socket.error):
                RawClient(server.bind_address)
            server.start(timeout=TIMEOUT)
            client = RawClient(server.bind_address)
            self.assertEqual(client.ask(b"?echo"), [b"!echo ok"])
            client.close()
            server.stop().result(TIMEOUT)
            server.join(TIMEOUT)

    def test_stop_while_the_port_is_being_bound(self):
        self.check_stopped_while_starting(lambda server: [(server._server, "_bind_socket")])

    def test_stop_while_the_handler_thread_is_being_started(self):
        self.check_stopped_while_starting(lambda server: [
            (server._handler_thread, "start"), (server._server, "start_prepared")])

    def test_stop_while_the_start_is_failing(self):
        server = KATCPServer(mock.Mock(), "127.0.0.1", 0)
        futures = []

        def fail(address):
            futures.append(server.stop())
            raise socket.error(errno.EADDRINUSE, "in use")

        server._bind_socket = fail
        with self.assertRaises(socket.error):
            server.start()
        self.assertIsNone(futures[0].result(0))
        del server._bind_socket
        self.assertTrue(server.start(timeout=TIMEOUT))
        server.stop().result(TIMEOUT)
        server.join(TIMEOUT)

    def test_all_interfaces(self):
        server = self.make_server("", 0)
        server.start(timeout=TIMEOUT)
        self.assertEqual(server.bind_address[0], "0.0.0.0")
        RawClient(server.bind_address).close()

    def test_ipv6(self):
        server = self.make_server("::1", 0)
        server.start(timeout=TIMEOUT)
        self.assertEqual((len(server.bind_address), server.bind_address[0]), (2, "::1"))
        client = RawClient(server.bind_address)
        self.addCleanup(client.close)
        client.ask(b"?echo")
        self.assertRegex_(server.connected[0].address, r"\[::1\]:\d+$")

    def assertRegex_(self, text, regex):
        import re
        self.assertTrue(re.match(regex, text), text)

    def test_daemon(self):
        server = self.make_server()
        server.setDaemon(True)
        before = set(threading.enumerate())
        server.start(timeout=TIMEOUT)
        threads = set(threading.enumerate()) - before
        self.assertEqual([thread.daemon for thread in threads], [True, True])

    def test_not_daemon(self):
        server = self.make_server()
        before = set(threading.enumerate())
        server.start(timeout=TIMEOUT)
        threads = set(threading.enumerate()) - before
        self.assertEqual([thread.daemon for thread in threads], [False, False])

    def test_many_clients_at_once(self):
        server = self.make_server()
        server.start(timeout=TIMEOUT)
        clients = []
        for _ in range(300):
            clients.append(RawClient(server.bind_address))
            self.addCleanup(clients[-1].close)
        for client in clients:
            client.send(b"?echo 1\n")
        for client in clients:
            self.assertEqual(client.line(), b"!echo ok 1")
        self.assertEqual(len(server._server._connections), 300)


class UnmanagedTestCase(unittest.TestCase):
    """A server on the test's own loop, which runs in the test's thread."""

    concurrency = (False, False)

    def setUp(self):
        self.ioloop = compat.new_ioloop()
        self.addCleanup(self.ioloop.close)
        self.server = Device("127.0.0.1", 0)
        self.server.set_concurrency_options(*self.concurrency)
        self.server.set_ioloop(self.ioloop)
        self.addCleanup(self.stop)

    def run_sync(self, function):
        return self.ioloop.run_sync(gen.coroutine(function), timeout=TIMEOUT)

    def stop(self):
        self.run_sync(self.server.stop)
        self.server.join(TIMEOUT)

    @staticmethod
    def until_ended(connection):
        future = compat.ConcurrentFuture()
        connection.set_close_callback(lambda: future.set_result(None))
        return future

    def connect(self, on_line):
        connection = LineConnection(socket.create_connection(self.server.bind_address), self.ioloop)
        self.addCleanup(connection.close)
        connection.start_reading(on_line)
        return connection


class TestUnmanaged(UnmanagedTestCase):
    def test_start_in_the_loop(self):
        def use():
            self.server.start()
            self.assertGreater(self.server.bind_address[1], 0)
            self.assertFalse(self.server.running())
            self.assertIs(self.server.ioloop, self.ioloop)
            yield gen.moment
            self.assertTrue(self.server.running())
            lines = []
            connection = self.connect(lines.append)
            connection.send(b"?echo 1\n")
            while not lines:
                yield gen.moment
            self.assertEqual(lines, [b"!echo ok 1"])
            self.assertIsNone((yield self.server.stop()))
            self.assertFalse(self.server.running())

        self.run_sync(use)

    def test_restart_in_the_loop(self):
        def use():
            for _ in range(3):
                self.server.start()
                yield gen.moment
                self.assertTrue(self.server.running())
                yield self.server.stop()
                self.assertFalse(self.server.running())

        self.run_sync(use)

    def test_restart_when_the_client_has_seen_the_end(self):
        def use():
            self.server.start()
            yield gen.moment
            for _ in range(3):
                connection = self.connect(lambda line: None)
                ended = self.until_ended(connection)
                while not self.server.connected:
                    yield gen.moment
                self.server.stop()
                yield ended
                self.server.start()
                yield gen.moment
                self.assertTrue(self.server.running())
                del self.server.connected[:]

        self.run_sync(use)

    def test_stopping_without_clients_takes_one_callback(self):
        def use():
            self.server.start()
            yield gen.moment
            self.assertTrue(self.server._server._uninstall().done())
            self.assertFalse(self.server.running())

        self.run_sync(use)

    def test_join(self):
        self.server.join()  # nothing to wait for
        self.server.join(timeout=1000)

        def use():
            self.server.start()
            yield gen.moment
            self.server.join()  # must not wait for itself

        self.run_sync(use)

    def test_set_ioloop(self):
        other = compat.new_ioloop()
        self.addCleanup(other.close)
        self.server.set_ioloop(other)
        self.server.set_ioloop(self.ioloop)  # the last one counts
        self.assertIsNone(self.server.ioloop)

        def use():
            self.server.start()
            yield gen.moment
            self.assertIs(self.server.ioloop, self.ioloop)
            with self.assertRaises(RuntimeError) as caught:
                self.server.set_ioloop(other)
            self.assertEqual(str(caught.exception), "IOLoop instance already set")

        self.run_sync(use)

    def test_current_loop(self):
        self.server.set_ioloop()

        def use():
            self.server.start()
            yield gen.moment
            self.assertIs(self.server.ioloop, self.ioloop)

        self.run_sync(use)


class TestClosedLoop(unittest.TestCase):
    def run_on_new_loop(self, server, function):
        ioloop = compat.new_ioloop()
        try:
            server.set_ioloop(ioloop)
            ioloop.run_sync(gen.coroutine(function), timeout=TIMEOUT)
        finally:
            ioloop.close()

    def test_loop_that_is_closed_without_a_stop(self):
        for concurrency in ((False, False), (True, True)):
            server = Device("127.0.0.1", 0)
            server.set_concurrency_options(*concurrency)
            clients = []

            def start():
                server.start()
                clients.append(socket.create_connection(server.bind_address))
                while not server._server._connections:
                    yield gen.moment

            def start_and_stop():
                server.start()
                yield gen.moment
                yield server.stop()

            self.run_on_new_loop(server, start)
            server.stop().result(TIMEOUT)
            server.join(TIMEOUT)
            self.assertFalse(server.running())
            with closing(clients[0]) as client:
                client.settimeout(TIMEOUT)
                while client.recv(1000):
                    pass
            self.run_on_new_loop(server, start_and_stop)
            self.assertFalse(server.running())


class TestUnmanagedWithHandlerThread(UnmanagedTestCase):
    concurrency = (True, True)

    def test_requests(self):
        def use():
            for _ in range(2):
                self.server.start()
                lines = []
                connection = self.connect(lines.append)
                connection.send(b"?echo 1\n?echo 2\n")
                while len(lines) < 2:
                    yield gen.moment
                self.assertEqual(lines, [b"!echo ok 1", b"!echo ok 2"])
                yield self.server.stop()

        self.run_sync(use)


class _Connecting(DeviceTests):
    def test_sync_hook(self):
        self.server.connect_hook = lambda conn: "no future"
        self.connect_and_ask()

    def test_nothing_is_read_before_the_hook_is_done(self):
        futures = []
        self.server.connect_hook = lambda conn: futures.append(
            compat.new_future(self.server.ioloop)) or futures[0]
        client = self.connect(greeted=False)
        client.send(b"?echo early\n")
        self.wait_until(lambda: futures)
        self.server.sync_with_ioloop(timeout=TIMEOUT)
        self.assertEqual(self.server.handled, [])
        self.server.ioloop.add_callback(futures[0].set_result, None)
        self.assertEqual(client.line(), b"!echo ok early")

    def test_informs_to_all_wait_for_the_greeting(self):
        greeted = self.connect_and_ask()
        futures = []

        def hook(conn):
            futures.append(compat.new_future(self.server.ioloop))
            return futures[0]

        self.server.connect_hook = hook
        client = self.connect(greeted=False)
        self.wait_until(lambda: futures)
        self.server.mass_inform(Message.inform("news", 1))
        self.server.mass_inform(Message.inform("news", 2))
        self.assertEqual(greeted.lines(2), [b"#news 1", b"#news 2"])

        def greet():
            self.server.connected[1].inform(Message.inform("welcome"))
            futures[0].set_result(None)

        self.server.ioloop.add_callback(greet)
        self.assertEqual(client.lines(3), [b"#welcome", b"#news 1", b"#news 2"])

    def test_failing_hook(self):
        def fail(conn):
            raise ValueError("unwelcome")

        @gen.coroutine
        def fail_later(conn):
            yield gen.moment
            raise ValueError("unwelcome")

        for hook in (fail, fail_later):
            del self.server.disconnected[:]
            self.server.connect_hook = hook
            client = self.connect(greeted=False)
            (line, goodbye, end) = client.rest().split(b"\n")
            self.assertEqual(goodbye, b"#disconnect Device\\_error\\_initialising\\_connection.\\_"
                                      b"ValueError:\\_unwelcome")
            fields = line.split(b" ")
            self.assertEqual((fields[:2], len(fields)), ([b"#log", b"error"], 5))
            self.assertTrue(fields[4].startswith(b"Device\\_error\\_initialising\\_connection\\_Traceback"))
            self.assertTrue(fields[4].endswith(b"ValueError:\\_unwelcome\\n"))
            self.wait_for_disconnects(1)
            self.assertEqual(self.server.disconnected,
                             [(self.server.connected[-1], repr(ValueError("unwelcome")), False)])
            self.assertEqual(self.server._server._connections, {})

    def test_hook_that_raises_what_would_end_the_loop(self):
        for exc_class in BASE_EXCEPTIONS:
            del self.server.disconnected[:]
            self.server.connect_hook = raiser(exc_class)
            client = self.connect(greeted=False)
            self.assertTrue(client.rest().startswith(b"#log error"))
            self.wait_for_disconnects(1)
            self.assertEqual(self.server.disconnected[0][1:], (repr(exc_class("unwelcome")), False))
            self.assertEqual(self.server._server._connections, {})
        self.server.connect_hook = lambda conn: None
        self.connect_and_ask()

    def test_client_that_leaves_before_it_is_greeted(self):
        futures = []
        self.server.connect_hook = lambda conn: futures.append(
            compat.new_future(self.server.ioloop)) or futures[0]
        client = self.connect(greeted=False)
        self.wait_until(lambda: futures)
        client._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        self.wait_for_disconnects(1)
        self.assertTrue(self.server.connected[0].client_disconnect_called)
        self.server.ioloop.add_callback(futures[0].set_result, None)
        self.server.sync_with_ioloop(timeout=TIMEOUT)
        self.assertEqual(len(self.server.disconnected), 1)
        self.assertEqual(self.server._server._connections, {})


in_all_modes(globals(), _Connecting)


class _Disconnecting(DeviceTests):
    def test_client_leaves(self):
        client = self.connect_and_ask()
        client.close()
        self.wait_for_disconnects(1)
        self.assertEqual(self.server.disconnected, [(self.server.connected[0], "Socket EOF", False)])
        self.assertEqual(self.server._server._connections, {})

    def test_server_disconnects(self):
        client = self.connect_and_ask()
        (conn,) = self.server.connected
        self.assertIsNone(self.in_loop(lambda: conn.disconnect("boring")))
        self.assertEqual(client.rest(), b"")
        self.assertEqual(self.server.disconnected, [(conn, "boring", True)])
        self.wait_until(lambda: not self.server._server._connections)
        self.in_loop(lambda: conn.disconnect("again"))
        self.assertEqual(len(self.server.disconnected), 1)

    def test_server_stops(self):
        clients = [self.connect_and_ask() for _ in range(3)]
        self.server.stop().result(TIMEOUT)
        for client in clients:
            self.assertEqual(client.rest(), b"")
        self.assertEqual(sorted(entry[1:] for entry in self.server.disconnected),
                         [("Device server shutting down.", True)] * 3)

    def test_stream_is_closed_by_somebody(self):
        client = self.connect_and_ask()
        ((stream, conn),) = list(self.server._server._connections.items())
        self.server.ioloop.add_callback(stream.close)
        self.assertEqual(client.rest(), b"")
        self.wait_for_disconnects(1)
        self.assertEqual(self.server.disconnected, [(conn, "Socket EOF", False)])
        self.assertEqual(self.server._server._connections, {})

    def test_last_words(self):
        def goodbye(conn):
            conn.inform(Message.inform("disconnect", "bye bye"))
            flushed = conn.flush_on_close()
            self.server.mass_inform(Message.inform("too-late"))
            return flushed

        self.server.disconnect_hook = goodbye
        client = self.connect_and_ask()
        self.server.stop().result(TIMEOUT)
        self.assertEqual(client.rest(), b"#disconnect bye\\_bye\n\n")
        self.assertEqual([m for m in self.log.messages if "Could not send" in m], [])

    def test_failing_hook(self):
        def fail(conn):
            raise ValueError("cannot say goodbye")

        @gen.coroutine
        def fail_later(conn):
            yield gen.moment
            raise ValueError("cannot say goodbye")

        for hook in (fail, fail_later):
            self.server.disconnect_hook = hook
            client = self.connect_and_ask()
            conn = self.server.connected[-1]
            self.in_loop(lambda: conn.disconnect("x y"))
            self.assertEqual(client.rest(), b"#disconnect x\\_y\n")
            self.assertIn("Error while calling on_client_disconnect for client " + conn.address,
                          self.log.messages)

    def test_hook_that_fails_when_the_client_was_told(self):
        def fail(conn):
            conn.inform(Message.inform("disconnect", "bye"))
            conn.flush_on_close()
            raise ValueError("cannot say goodbye")

        self.server.disconnect_hook = fail
        client = self.connect_and_ask()
        self.in_loop(lambda: self.server.connected[-1].disconnect("x"))
        self.assertEqual(client.rest(), b"#disconnect bye\n\n")
        self.assertEqual([m for m in self.log.messages if "Could not send" in m], [])

    def test_hook_that_raises_what_would_end_the_loop(self):
        for exc_class in BASE_EXCEPTIONS:
            self.server.disconnect_hook = raiser(exc_class)
            client = self.connect_and_ask()
            conn = self.server.connected[-1]
            self.in_loop(lambda: conn.disconnect("x"))
            self.assertEqual(client.rest(), b"#disconnect x\n")
            self.connect_and_ask().close()
            self.assertEqual(self.log.messages.count(
                "Error while calling on_client_disconnect for client " + conn.address), 1)
        clients = [self.connect_and_ask() for _ in range(2)]
        self.server.stop().result(TIMEOUT)
        for client in clients:
            self.assertEqual(client.rest(), b"#disconnect Device\\_server\\_shutting\\_down.\n")

    def test_hook_that_never_ends(self):
        self.server._server.DISCONNECT_TIMEOUT = 0.01
        self.server.disconnect_hook = lambda conn: compat.new_future(self.server.ioloop)
        client = self.connect_and_ask()
        conn = self.server.connected[0]
        self.in_loop(lambda: conn.disconnect("x"))
        self.assertEqual(client.rest(), b"#disconnect x\n")
        self.assertIn("Error while calling on_client_disconnect for client " + conn.address,
                      self.log.messages)

    def test_stop_waits_for_the_hooks(self):
        done = []

        @gen.coroutine
        def hook(conn):
            yield gen.sleep(0.005)
            done.append(conn)

        self.server.disconnect_hook = hook
        client = self.connect_and_ask()
        self.server.stop().result(TIMEOUT)
        self.assertEqual(done, self.server.connected)
        self.assertEqual(client.rest(), b"")

    def test_clients_do_not_wait_for_each_other(self):
        futures = []

        def hook(conn):
            futures.append(compat.new_future(self.server.ioloop))
            if len(futures) == 3:
                for future in futures:
                    future.set_result(None)
            return futures[-1]

        self.server._server.DISCONNECT_TIMEOUT = 1000
        self.server.disconnect_hook = hook
        for _ in range(3):
            self.connect_and_ask()
        self.server.stop().result(TIMEOUT)
        self.assertEqual(len(futures), 3)


in_all_modes(globals(), _Disconnecting)


class _Limits(DeviceTests):
    def make_server(self):
        server = super(_Limits, self).make_server()
        server._server.MAX_MSG_SIZE = 100
        return server

    def test_longest_message(self):
        client = self.connect_and_ask()
        client.send(b"?echo " + b"x" * 93 + b"\n")
        self.assertEqual(client.line(), b"!echo ok " + b"x" * 93)

    def test_too_long_a_message(self):
        client = self.connect(greeted=False)
        client.send(b"?echo 1\n?echo " + b"x" * 94 + b"\n?echo 2\n")
        lines = client.rest().split(b"\n")
        self.assertEqual((lines[0], lines[3:]), (b"!echo ok 1", [b""]))
        self.assertTrue(lines[1].startswith(b"#log error "))
        self.assertIn(b"Message\\_too\\_long", lines[1])
        self.assertEqual(lines[2], b"#disconnect Message\\_too\\_long:\\_the\\_limit\\_is\\_100\\_bytes.\\_"
                                   b"Disconnecting.")
        self.assertEqual(self.server.handled, [[b"1"]])
        self.wait_for_disconnects(1)
        conn, reason, valid = self.server.disconnected[0]
        self.assertIn("StreamBufferFullError", reason)
        self.assertFalse(valid)

    def test_client_that_does_not_read(self):
        self.server._server.MAX_WRITE_BUFFER_SIZE = 16384
        slow = self.connect(greeted=False)
        slow._socket.settimeout(TIMEOUT)

        def pump():
            try:
                while True:
                    slow.send(b"?big\n" * 1000)
            except socket.error:
                pass

        pumping = threading.Thread(target=pump)
        pumping.start()
        other = self.connect_and_ask()
        self.wait_for_disconnects(1)
        pumping.join(TIMEOUT)
        self.assertFalse(pumping.is_alive())
        self.assertIn("StreamBufferFullError", self.server.disconnected[0][1])
        other.ask(b"?echo")
        self.assertEqual(len([m for m in self.log.messages if "Could not send message" in m]), 1)

    def test_flood_of_rubbish_from_a_client_that_does_not_read(self):
        self.server._server.MAX_WRITE_BUFFER_SIZE = 16384
        self.server._logger.setLevel(logging.CRITICAL)
        vandal = self.connect(greeted=False)
        with self.assertRaises(socket.error):
            while True:
                vandal.send(b"x\n" * 10000)
        self.connect_and_ask()
        self.assertEqual(len(self.server._server._connections), 1)

    def test_rubbish_costs_no_traceback_where_errors_are_not_logged(self):
        self.server._logger.setLevel(logging.CRITICAL)
        client = self.connect_and_ask()
        with mock.patch("katcp.server.backend.traceback_text") as traceback_text:
            client.send(b"rubbish\n")
            client.until(b"#log error ")
            self.assertEqual(traceback_text.call_count, 0)

    def test_informs_to_a_client_that_does_not_read(self):
        self.server._server.MAX_WRITE_BUFFER_SIZE = 16384
        self.connect_and_ask()
        reading = self.connect_and_ask()
        inform = Message.inform("news", "x" * 10000)
        while len(self.server.disconnected) < 1:
            self.server.mass_inform(inform)
            reading.line()
        self.assertIs(self.server.disconnected[0][0], self.server.connected[0])

    def test_informs_held_back_are_bounded(self):
        self.server._server.MAX_WRITE_BUFFER_SIZE = 1000
        self.server.connect_hook = lambda conn: compat.new_future(self.server.ioloop)
        client = self.connect(greeted=False)
        self.wait_until(lambda: self.server.connected)
        for _ in range(11):
            self.server.mass_inform(Message.inform("news", "x" * 100))
        self.wait_for_disconnects(1)
        self.assertEqual(client.rest(), b"#disconnect Too\\_many\\_informs\\_came\\_before\\_the\\_connection"
                                        b"\\_was\\_initialised.\n")

    def test_connections_that_cannot_be_made(self):
        self.server._server.client_connection_factory = mock.Mock(side_effect=ValueError("no connection"))
        client = self.connect(greeted=False)
        self.assertEqual(client.rest(), b"#disconnect Device\\_error\\_accepting\\_connection.\n")
        self.assertEqual(self.server._server._connections, {})


in_all_modes(globals(), _Limits)


class TestSending(DeviceTests, unittest.TestCase):
    # Without a handler thread, which would have something to tell the loop after its reply.
    concurrency = (True, False)

    def test_informs_to_all_are_serialised_once(self):
        class Counted(Message):
            count = 0

            def __bytes__(self):
                Counted.count += 1
                return super(Counted, self).__bytes__()

        clients = [self.connect_and_ask() for _ in range(5)]
        self.server.mass_inform(Counted.inform("x"))
        for client in clients:
            self.assertEqual(client.line(), b"#x")
        self.assertEqual(Counted.count, 1)

    def test_many_messages_wake_the_loop_once(self):
        client = self.connect_and_ask()
        (conn,) = self.server.connected
        blocked, release = threading.Event(), threading.Event()
        self.server.ioloop.add_callback(lambda: (blocked.set(), release.wait(TIMEOUT)))
        blocked.wait(TIMEOUT)
        with mock.patch.object(self.server.ioloop, "add_callback",
                               wraps=self.server.ioloop.add_callback) as add_callback:
            futures = set(conn.inform(Message.inform("x", i)) for i in range(1000))
        release.set()
        self.assertEqual(add_callback.call_count, 1)
        self.assertEqual(len(futures), 1)
        self.assertEqual(client.lines(1000), [b"#x %d" % i for i in range(1000)])

    def test_sent_messages_come_before_what_is_scheduled_after_them(self):
        # Otherwise coroutines, which go on in the thread of the loop, would overtake what they have sent
        # from the handler thread.
        client = self.connect_and_ask()
        (conn,) = self.server.connected
        blocked, release = threading.Event(), threading.Event()
        # Keeps the loop busy in the very queue that messages go through.
        self.server._server.call_soon(lambda: (blocked.set(), release.wait(TIMEOUT)))
        blocked.wait(TIMEOUT)
        conn.inform(Message.inform("first"))
        self.server.ioloop.add_callback(conn.inform, Message.inform("second"))
        release.set()
        self.assertEqual(client.lines(2), [b"#first", b"#second"])


class TestAccepting(unittest.TestCase):
    def test_out_of_files(self):
        server = KATCPServer(mock.Mock(), "127.0.0.1", 0)
        server.ioloop = mock.Mock()
        server._listener = listener = mock.Mock()
        server._running.set()
        error = socket.error(errno.EMFILE, "Too many open files")
        listener.accept.side_effect = error
        with LogRecorder("katcp.server") as log:
            server._accept(listener, 0)
        self.assertEqual(len(log.messages), 1)
        server.ioloop.remove_handler.assert_called_once_with(listener)
        (delay, retry) = server.ioloop.call_later.call_args[0]
        self.assertEqual(delay, accepting.ACCEPT_RETRY)
        retry()
        server.ioloop.add_handler.assert_called_once_with(listener, server._accept, mock.ANY)
        # A server that is stopped meanwhile owns the timer.
        server._accept(listener, 0)
        server._close_listener()
        server.ioloop.remove_timeout.assert_called_once_with(server.ioloop.call_later.return_value)

    def test_client_that_is_gone_already(self):
        server = KATCPServer(mock.Mock(), "127.0.0.1", 0)
        server.ioloop = mock.Mock()
        server._listener = mock.Mock()
        server._listener.accept.side_effect = [
            socket.error(errno.ECONNABORTED, "gone"), socket.error(errno.EAGAIN, "nobody")]
        server._accept(server._listener, 0)
        self.assertFalse(server.ioloop.remove_handler.called)


class TestDirectInput(unittest.TestCase):
    def test_future_resolved_in_another_thread(self):
        future = compat.ConcurrentFuture()
        line_connection = mock.Mock()
        reader = DirectInput(KATCPServer(mock.Mock(), "", 0), line_connection, mock.Mock(),
                             lambda conn, msg: future)
        reader.on_line(b"?x")
        line_connection.pause.assert_called_once_with()
        future.set_result(None)
        self.assertFalse(line_connection.resume.called)
        (callback_args, _) = line_connection.ioloop.add_callback.call_args
        callback_args[0](*callback_args[1:])
        line_connection.resume.assert_called_once_with()


class TestInterrupt(unittest.TestCase):
    def test_it_reaches_the_main_thread_only(self):
        def handle(conn, msg):
            raise KeyboardInterrupt()

        reader = DirectInput(KATCPServer(mock.Mock(), "", 0), mock.Mock(), mock.Mock(), handle)
        with self.assertRaises(KeyboardInterrupt):
            reader.on_line(b"?x")
        with LogRecorder("katcp.server") as log:
            thread = threading.Thread(target=reader.on_line, args=(b"?x",))
            thread.start()
            thread.join()
        self.assertEqual(log.messages, ["Error handling message ?x"])


class TestMockDevice(unittest.TestCase):
    def test_messages(self):
        device = mock.Mock()
        server = KATCPServer(device, "127.0.0.1", 0)
        server.start(timeout=TIMEOUT)
        client = RawClient(server.bind_address)
        self.addCleanup(client.close)
        client.send(b"?a 1\n#b\n")
        client.shut_down_sending()
        self.assertEqual(client.rest(), b"")
        server.stop().result(TIMEOUT)
        server.join(TIMEOUT)
        self.assertEqual([call[0][1] for call in device.on_message.call_args_list],
                         [Message.request("a", 1), Message.inform("b")])
        self.assertEqual(device.on_client_connect.call_count, 1)
        self.assertEqual(device.on_client_disconnect.call_count, 1)


if __name__ == "__main__":
    unittest.main()
