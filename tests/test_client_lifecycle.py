"""Starting, stopping and restarting clients; and that nothing is left of them."""

from __future__ import absolute_import, division, print_function

import threading
import time
import unittest

from tornado import gen
from tornado.testing import gen_test

from katcp import compat
from katcp.client import (AsyncClient, BlockingClient, CallbackClient, DeviceClient, KatcpClientDisconnected,
                          Message, ProtocolFlags)
from katcp.compat import get_thread_ident
from katcp.ioloop_manager import IOLoopManager
from tests.support import mock
from tests.support.client_cases import (CapturedLog, LIMIT, LoopTestCase, Recorder, SilentListener,
                                        ThreadedTestCase, dead_address)
from tests.support.scripted_server import no_reply

EVENTS = ("_stopped", "_running", "_waiting_to_retry", "_connected", "_disconnected",
          "_received_protocol_info")


class TestManaged(ThreadedTestCase):
    def states(self, client):
        return client.running(), client.is_connected(), client._stopped.isSet()

    def test_states(self):
        server = self.make_server()
        client = self.make_client(DeviceClient, server)
        self.assertEqual(self.states(client), (False, False, True))
        self.assertIsNone(client.ioloop)
        self.assertIsNone(client.ioloop_thread_id)
        client.start()
        self.assertIsNotNone(client.ioloop)
        self.assertTrue(client.wait_connected(LIMIT))
        self.assertEqual(self.states(client), (True, True, False))
        client.stop()
        client.join(LIMIT)
        self.assertEqual(self.states(client), (False, False, True))
        self.assertIsNotNone(client.ioloop)

    def test_events_have_the_loop(self):
        client = self.make_client(DeviceClient, self.make_server())
        for _ in range(2):
            client.start(timeout=LIMIT)
            for name in EVENTS:
                self.assertIs(getattr(client, name)._ioloop, client.ioloop)
            client.stop()
            client.join(LIMIT)

    def test_threads(self):
        server = self.make_server()
        before = set(threading.enumerate())
        client = self.make_client(DeviceClient, server)
        self.assertEqual(set(threading.enumerate()), before)
        for _ in range(3):
            client.start(timeout=LIMIT)
            self.assertTrue(client.wait_protocol(LIMIT))
            self.assertEqual(len(threading.enumerate()), len(before) + 1)
            client.stop(timeout=LIMIT)
            client.join(timeout=LIMIT)
            self.assertFalse(client._running.isSet())
            self.assertEqual(set(threading.enumerate()), before)

    def test_started_twice(self):
        client = self.make_client(DeviceClient, self.make_server())
        client.start()
        with self.assertRaises(RuntimeError) as caught:
            client.start()
        self.assertEqual(str(caught.exception), "Device client already started.")
        client.wait_running(LIMIT)
        self.assertRaises(RuntimeError, client.start)

    def test_started_before_the_thread_has_ended(self):
        client = self.make_client(DeviceClient, self.make_server())
        client.start(timeout=LIMIT)
        release = threading.Event()
        client.ioloop.add_callback(release.wait)
        client.stop()
        self.assertRaises(RuntimeError, client.start)
        release.set()
        client.join(LIMIT)
        client.start(timeout=LIMIT)
        self.assertTrue(client.wait_connected(LIMIT))

    def test_started_while_the_thread_is_ending(self):
        client = self.start_client(DeviceClient, self.make_server())
        stopped, release = threading.Event(), threading.Event()
        self.addCleanup(release.set)

        def block(future):
            stopped.set()
            release.wait(LIMIT)

        self.in_loop(client, lambda: client.ioloop.add_future(client.until_stopped(), block))
        client.stop()
        self.assertTrue(stopped.wait(LIMIT))
        with self.assertRaises(RuntimeError) as caught:
            client.start()
        self.assertEqual(str(caught.exception), "Device client already started.")
        release.set()
        client.join(LIMIT)
        client.start(timeout=LIMIT)

    def test_stopped_in_the_midst_of_start(self):
        class Client(BlockingClient):
            def _init_state_per_run(self, ioloop):
                if ioloop is not None:
                    self.stopper = threading.Thread(target=self.stop)
                    self.stopper.start()
                    self.stopper.join(0.1)
                super(Client, self)._init_state_per_run(ioloop)

        client = self.make_client(Client, self.make_server())
        for _ in range(2):
            client.start()
            client.stopper.join(LIMIT)
            client.join(LIMIT)
            self.assertEqual(self.states(client), (False, False, True))

    def test_called_in_the_midst_of_start(self):
        outcome = []

        class Client(BlockingClient):
            def _init_state_per_run(self, ioloop):
                super(Client, self)._init_state_per_run(ioloop)
                if ioloop is not None:
                    self.caller = threading.Thread(target=self.call)
                    self.caller.start()
                    self.caller.join(0.1)

            def call(self):
                try:
                    outcome.append(self.request(Message.request("a")))
                except KatcpClientDisconnected:
                    outcome.append(b"1")

        client = self.make_client(Client, self.make_server())
        client.start()
        client.caller.join(LIMIT)
        self.assertEqual(outcome, [b"1"])

    def test_start_that_fails_for_want_of_a_thread(self):
        server = self.make_server()
        client = self.make_client(BlockingClient, server)
        with mock.patch.object(threading.Thread, "start", side_effect=RuntimeError("No more threads")):
            self.assertRaises(RuntimeError, client.start)
        client.start()
        self.assertTrue(client.wait_protocol(LIMIT))
        client.blocking_request(Message.request("a"))
        self.assertEqual(server.connections_made, 1)

    def test_thread_that_has_the_identifier_of_an_earlier_loop(self):
        client = self.start_client(BlockingClient, self.make_server())
        client.stop()
        client.join(LIMIT)
        # The OS gives identifiers again.
        self.assertIsNone(client.ioloop_thread_id)
        for call in (client.blocking_request, client.callback_request, client.send_message):
            with self.assertRaises(RuntimeError):
                call(Message.request("a"))
        self.assertIsInstance(client.until_connected().exception(), AssertionError)
        client.start()
        client.blocking_request(Message.request("a"))

    def test_restart_after_the_death_of_the_loop(self):
        server = self.make_server(answer=no_reply)
        client = self.start_client(AsyncClient, server)
        self.in_loop(client, client.future_request, Message.request("a"))
        with CapturedLog("katcp.client") as log:
            client.ioloop.add_callback(client.ioloop.stop)
            client.join(LIMIT)
        self.assertEqual(log.messages, ["The loop of the client ended without a stop()"])
        self.assertEqual(self.states(client), (False, False, True))
        self.assertTrue(client.wait_disconnected(0))
        client.start(timeout=LIMIT)
        self.assertEqual(client._async_queue, {})
        reply, _ = client.blocking_request(Message.request("a"), timeout=0.01)
        self.assertFalse(reply.reply_ok())
        self.assertEqual(self.states(client), (True, client.is_connected(), False))

    def test_stop_and_join_before_start(self):
        for client in (DeviceClient("h", 1), AsyncClient("h", 1), BlockingClient("h", 1)):
            with self.assertRaises(RuntimeError) as caught:
                client.stop()
            self.assertEqual(str(caught.exception), "Call start() before stop()")
            with self.assertRaises(RuntimeError) as caught:
                client.join()
            self.assertEqual(str(caught.exception), "Cannot join if not started")
            for name in ("running", "connected", "disconnected", "protocol"):
                with self.assertRaises(RuntimeError) as caught:
                    getattr(client, "wait_" + name)(timeout=1)
                self.assertEqual(str(caught.exception), "Call start() before wait_{}()".format(name))
            for until in (client.until_running, client.until_connected, client.until_protocol):
                self.assertIsInstance(until().exception(), RuntimeError)
            self.assertRaises(AssertionError, client.until_stopped)

    def test_stop_is_asynchronous_and_repeatable(self):
        for client_class in (DeviceClient, AsyncClient):
            client = self.start_client(client_class, self.make_server())
            release = threading.Event()
            client.ioloop.add_callback(release.wait)
            self.assertIsNone(client.stop())
            self.assertIsNone(client.stop())
            self.assertTrue(client.running())
            release.set()
            client.join(LIMIT)
            start = time.time()
            self.assertIsNone(client.stop())
            self.assertIsNone(client.stop(timeout=LIMIT))
            self.assertLess(time.time() - start, LIMIT / 2)

    def test_stop_right_after_start(self):
        for timeout in (None, LIMIT):
            client = self.make_client(AsyncClient, self.make_server())
            client.start()
            client.stop(timeout)
            client.join(LIMIT)
            self.assertEqual(self.states(client), (False, False, True))

    def test_stop_from_everywhere(self):
        for where in ("callback", "handler", "notify", "reply"):
            server = self.make_server()
            client = self.make_client(AsyncClient, server)
            if where == "handler":
                client.unhandled_reply = lambda msg, client=client: client.stop()
            elif where == "notify":
                client.notify_connected = lambda connected, client=client: connected and client.stop()
            client.start(timeout=LIMIT)
            if where == "callback":
                client.ioloop.add_callback(client.stop)
            elif where == "handler":
                client.wait_connected(LIMIT)
                server.wait_for_connection().send(b"!a ok\n")
            elif where == "reply":
                client.wait_connected(LIMIT)
                client.ioloop.add_callback(client.callback_request, Message.request("a"),
                                           lambda msg, client=client: client.stop())
            client.join(LIMIT)
            self.assertEqual(self.states(client), (False, False, True), where)

    def test_what_was_sent_before_stop_arrives(self):
        server = self.make_server()
        client = self.start_client(DeviceClient, server)

        def send_and_stop():
            for _ in range(100):
                client.send_message(Message.inform("last-words"))
            client.stop()
            return True

        self.assertTrue(self.in_loop(client, send_and_stop))
        client.join(LIMIT)
        self.assertEqual(server.wait_for_lines(100), 100 * [b"#last-words"])

    def test_notifications(self):
        server = self.make_server()
        client = self.make_client(DeviceClient, server)
        client.notify_connected = Recorder()
        client.start(timeout=LIMIT)
        client.wait_connected(LIMIT)
        client.stop()
        client.join(LIMIT)
        self.assertEqual(client.notify_connected.calls, [(True,), (False,)])

    def test_server_ends(self):
        server = self.make_server()
        client = self.start_client(DeviceClient, server)
        lost = Recorder()
        client.notify_connected = lost
        server.stop()
        self.assertEqual(lost.wait(), [(False,)])
        self.assertFalse(client.is_connected())
        self.assertTrue(client.running())

    def test_stream_closed_behind_its_back(self):
        server = self.make_server()
        client = self.start_client(DeviceClient, server)
        client.auto_reconnect_delay = 0.01
        stream = client._stream
        self.assertEqual(stream.socket.getpeername(), server.address)
        client.ioloop.add_callback(stream.close)
        server.wait_for_connection(2)
        self.assertTrue(client.wait_connected(LIMIT))
        self.assertIsNot(client._stream, stream)
        self.assertEqual(client._stream.socket.getpeername(), server.address)

    def test_reset_by_a_restart(self):
        server = self.make_server()
        client = self.start_client(AsyncClient, server)
        self.assertTrue(client.wait_protocol(LIMIT))
        connect_time = client.last_connect_time
        client.stop()
        client.join(LIMIT)
        server.greeting = b""
        client.start(timeout=LIMIT)
        self.assertTrue(client.wait_connected(LIMIT))
        self.assertEqual(client.versions, {})
        self.assertIsNone(client.protocol_flags)
        self.assertFalse(client._server_supports_ids)
        self.assertGreater(client.last_connect_time, connect_time)
        client.stop()
        client.join(LIMIT)
        client.preset_protocol_flags(ProtocolFlags(5, 0, [ProtocolFlags.MESSAGE_IDS]))
        client.start(timeout=LIMIT)
        self.assertTrue(client.wait_protocol(0))
        self.assertTrue(client._server_supports_ids)

    def test_managed_then_unmanaged(self):
        server = self.make_server()
        client = self.start_client(AsyncClient, server)
        with self.assertRaises(RuntimeError):
            client.set_ioloop()
        client.stop()
        client.join(LIMIT)
        loop = compat.new_ioloop()
        self.addCleanup(loop.close)
        client.set_ioloop(loop)
        self.assertIs(client.ioloop, loop)
        client.start()
        loop.run_sync(client.until_connected, timeout=LIMIT)
        self.assertEqual(client.ioloop_thread_id, get_thread_ident())
        client.stop()
        loop.run_sync(client.until_stopped, timeout=LIMIT)

    def test_start_without_waiting(self):
        client = self.make_client(CallbackClient, self.make_server())
        with self.assertRaises(TypeError):
            client.start(daemon=True)
        client.start()
        self.assertTrue(client.wait_protocol(LIMIT))

    def test_join_without_stop(self):
        client = self.start_client(DeviceClient, self.make_server())
        self.assertIsNone(client.join(timeout=0.01))
        self.assertTrue(client.running())


class TestUnreachable(ThreadedTestCase):
    def test_without_reconnecting(self):
        address = dead_address()
        client = self.make_client(AsyncClient, address, auto_reconnect=False)
        with CapturedLog("katcp.client") as log:
            client.start(timeout=LIMIT)
            for _ in range(1000):
                if client._stopped.isSet():
                    break
                self.in_loop(client, int)
            self.assertEqual(log.messages, ["Failed to connect to {!r}".format(address)])
            self.assertIsNone(log.records[0].exc_info)
        self.assertTrue(client._stopped.isSet())
        self.assertTrue(client.running())
        self.assertFalse(client.is_connected())
        reply, _ = client.blocking_request(Message.request("a"))
        self.assertIn(b"Not connected", reply.arguments[1])
        client.stop()
        client.join(LIMIT)
        self.assertFalse(client.running())

    def test_lost_without_reconnecting(self):
        for client_class in (DeviceClient, AsyncClient):
            server = self.make_server()
            client = self.start_client(client_class, server, auto_reconnect=False)
            server.stop()
            client.join(LIMIT)
            self.assertFalse(client.running())
            client.stop()

    def test_stop_while_waiting_to_retry(self):
        client = self.make_client(DeviceClient, dead_address())
        client.auto_reconnect_delay = 1000
        client.start(timeout=LIMIT)
        for _ in range(1000):
            if client._waiting_to_retry.isSet():
                break
            self.in_loop(client, int)
        self.assertTrue(client._waiting_to_retry.isSet())
        client.stop()
        client.join(LIMIT)
        self.assertFalse(client.running())
        self.assertFalse(client._waiting_to_retry.isSet())

    def test_stop_while_connecting(self):
        listener = SilentListener()
        self.addCleanup(listener.close)
        client = self.make_client(DeviceClient, listener.address)
        client.notify_connected = Recorder()
        client.start(timeout=LIMIT)
        self.in_loop(client, int)
        self.assertIsNotNone(client._tcp_client)
        client.stop()
        client.join(LIMIT)
        self.assertTrue(client._stopped.isSet())
        self.assertFalse(client.running())
        self.assertEqual(client.notify_connected.calls, [])

    def test_failures_are_logged_now_and_then(self):
        logger = mock.Mock()
        logger.isEnabledFor.return_value = False
        client = self.make_client(DeviceClient, dead_address(), logger=logger)
        client.auto_reconnect_delay = 0.0001
        client.start(timeout=LIMIT)
        for _ in range(100000):
            if client._connect_failures >= 11:
                break
            self.in_loop(client, int)
        client.stop()
        client.join(LIMIT)
        logged = [call for call in logger.debug.call_args_list if call[0][0].startswith("Failed to connect")]
        self.assertEqual(len(logged), (client._connect_failures - 1) // 5 + 1)


class TestUnmanaged(LoopTestCase):
    def setUp(self):
        super(TestUnmanaged, self).setUp()
        self.server = self.make_server()
        self.client = self.make_loop_client(AsyncClient, self.server)

    @gen_test
    def test_restart(self):
        for _ in range(3):
            self.client.start()
            self.assertFalse(self.client.running())
            self.assertRaises(RuntimeError, self.client.start)
            yield self.client.until_protocol()
            reply, _ = yield self.client.future_request(Message.request("a"))
            self.assertTrue(reply.reply_ok())
            self.client.stop()
            self.assertRaises(RuntimeError, self.client.start)
            self.assertTrue((yield self.client.until_stopped()))
            self.assertFalse(self.client.running())
            self.assertFalse(self.client.is_connected())
        self.assertIsNone(self.client.join())

    @gen_test
    def test_stopped_before_the_main_coroutine_begins(self):
        for _ in range(3):
            self.client.start()
            self.client.stop()
            self.assertTrue((yield self.client.until_stopped()))
        self.client.start()
        yield self.client.until_connected()

    @gen_test
    def test_current_loop(self):
        client = AsyncClient(*self.server.address)
        client.set_ioloop()
        self.assertIsNone(client.ioloop)
        connected = client.until_connected()
        client.start()
        self.assertIs(client.ioloop, self.io_loop)
        yield connected
        client.stop()
        yield client.until_stopped()

    @gen_test
    def test_set_ioloop_twice(self):
        with self.assertRaises(RuntimeError) as caught:
            self.client.set_ioloop(self.io_loop)
        self.assertEqual(str(caught.exception), "IOLoop instance already set")
        self.assertIs(self.client.ioloop, self.io_loop)
        yield []

    @gen_test
    def test_stop_before_start_and_again(self):
        self.assertIsNone(self.client.stop())
        self.client.start()
        yield self.client.until_running()
        self.client.stop()
        self.client.stop(timeout=1)
        yield self.client.until_stopped()
        start = time.time()
        self.client.stop(timeout=LIMIT)
        self.assertLess(time.time() - start, LIMIT / 2)

    @gen_test
    def test_requests_right_after_start(self):
        # In the thread of the loop nothing has to be waited for to be told that there is no connection.
        self.client.start()
        reply, _ = yield self.client.future_request(Message.request("a"))
        self.assertIn(b"Not connected", reply.arguments[1])

    @gen_test
    def test_waiting_before_start_and_between_runs(self):
        waits = [self.client.until_running(), self.client.until_connected(), self.client.until_protocol()]
        self.client.start()
        yield waits
        self.client.stop()
        yield self.client.until_stopped()
        waits = [self.client.until_running(), self.client.until_connected(), self.client.until_protocol()]
        yield gen.moment
        self.assertEqual([wait.done() for wait in waits], [False, False, False])
        self.client.start()
        yield waits

    @gen_test
    def test_start_with_timeout_does_not_block_its_loop(self):
        start = time.time()
        self.client.start(timeout=LIMIT)
        self.assertLess(time.time() - start, LIMIT / 2)
        yield self.client.until_running()

    @gen_test
    def test_until_timeouts(self):
        self.server.stop()
        self.client.start()
        for until in (self.client.until_connected, self.client.until_protocol):
            with self.assertRaises(compat.GenTimeoutError):
                yield until(timeout=0.0001)
        with self.assertRaises(compat.GenTimeoutError):
            yield self.client.until_stopped(timeout=0.01)
        yield self.client.until_running(timeout=0.0001)
        yield self.client.until_disconnected()

    @gen_test
    def test_until_in_another_thread(self):
        self.client.start()
        yield self.client.until_running()
        outcomes = []

        def ask():
            for until in (self.client.until_connected, self.client.until_protocol):
                outcomes.append(until().exception())
            try:
                self.client.until_stopped()
            except AssertionError as exc:
                outcomes.append(exc)

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(LIMIT)
        self.assertEqual([type(outcome) for outcome in outcomes], 3 * [AssertionError])

    @gen_test
    def test_lost_without_reconnecting(self):
        client = self.make_loop_client(AsyncClient, self.server, auto_reconnect=False)
        client.start()
        yield client.until_connected()
        self.server.wait_for_connection().close()
        yield client.until_stopped()
        self.assertFalse(client.running())
        client.start()
        yield client.until_connected()

    @gen_test
    def test_blocking_request_of_another_thread(self):
        self.client.start()
        yield self.client.until_protocol()
        outcome = []
        thread = threading.Thread(target=lambda: outcome.append(
            self.client.blocking_request(Message.request("a"))))
        thread.start()
        while not outcome:
            yield gen.moment
        thread.join(LIMIT)
        self.assertTrue(outcome[0][0].reply_ok())

    def test_loop_that_is_closed_first(self):
        loop = compat.new_ioloop()
        client = AsyncClient(*self.server.address)
        client.set_ioloop(loop)
        client.start()
        loop.run_sync(client.until_connected, timeout=LIMIT)
        loop.close(all_fds=True)
        client.stop()
        self.assertFalse(client.running())
        self.assertFalse(client.is_connected())
        self.assertTrue(client._stopped.is_set())
        with self.assertRaises(RuntimeError) as caught:
            client.start()
        self.assertEqual(str(caught.exception), "The ioloop of the client is closed")

    def test_waiting_for_a_loop_that_somebody_has_closed(self):
        loop = compat.new_ioloop()
        client = BlockingClient(*self.server.address, timeout=None)
        client.set_ioloop(loop)
        client.enable_thread_safety()
        client.start()
        loop.run_sync(client.until_protocol, timeout=LIMIT)
        client._received_protocol_info.clear()
        outcomes = {}
        calls = {
            "protocol": client.wait_protocol,
            "request": lambda: client.blocking_request(Message.request("a")),
            "send": lambda: client.send_message(Message.request("a"), timeout=None),
        }

        def wait(name):
            try:
                outcomes[name] = calls[name]()
            except RuntimeError:
                outcomes[name] = RuntimeError

        for is_closed in (False, True):  # who waits already, and who comes too late
            outcomes.clear()
            threads = [threading.Thread(target=wait, args=(name,)) for name in calls]
            for thread in threads:
                thread.daemon = True
                thread.start()
            if not is_closed:
                while len(client._loop_waits._waits) + len(client._run_waits._waits) < 3:
                    pass
                loop.close(all_fds=True)
            for thread in threads:
                thread.join(LIMIT)
            self.assertEqual(outcomes, {"protocol": False, "request": RuntimeError, "send": RuntimeError})
            self.assertFalse(client.running())
            self.assertTrue(client.wait_disconnected())

    def test_current_loop_of_each_start(self):
        client = AsyncClient(*self.server.address)
        client.set_ioloop()
        for stop, close in ((True, True), (True, False), (False, True), (False, True)):
            loop = compat.new_ioloop()

            @gen.coroutine
            def use():
                client.start()
                self.assertIs(client.ioloop, loop)
                yield client.until_protocol()
                reply, _ = yield client.future_request(Message.request("a"))
                self.assertTrue(reply.reply_ok())
                if stop:
                    client.stop()
                    yield client.until_stopped()

            loop.run_sync(use, timeout=LIMIT)
            if close:
                loop.close(all_fds=True)
            else:
                self.addCleanup(loop.close)
        client.stop()
        self.assertFalse(client.running())

    def test_loop_of_a_manager(self):
        manager = IOLoopManager()
        client = BlockingClient(*self.server.address)
        client.set_ioloop(manager.get_ioloop())
        client.start()
        manager.start(timeout=LIMIT)
        self.assertTrue(client.wait_protocol(LIMIT))
        release = threading.Event()
        self.addCleanup(release.set)
        client._request_timeout = None
        self.server.do(release.wait)
        errors = []

        def ask():
            try:
                client.blocking_request(Message.request("a"))
            except RuntimeError as exc:
                errors.append(exc)

        thread = threading.Thread(target=ask)
        thread.start()
        while not client._async_queue:
            pass
        manager.stop()
        manager.join(LIMIT)
        thread.join(LIMIT)
        self.assertEqual(len(errors), 1)
        self.assertFalse(client.running())
        client.stop()


class FakeConnectionClient(AsyncClient):
    """Overrides the coroutines, as clients without a socket do."""

    def __init__(self, *args, **kwargs):
        self.notified = []
        super(FakeConnectionClient, self).__init__(*args, **kwargs)

    @gen.coroutine
    def _install(self):
        self.ioloop_thread_id = get_thread_ident()
        self._running.set()
        yield self._connect()

    @gen.coroutine
    def _connect(self):
        self._stream = mock.Mock(spec=["error"])
        self._stream.error = None
        self._connected.set()
        self.notify_connected(True)
        self.preset_protocol_flags(ProtocolFlags(5, 0, set([b"M", b"I"])))

    def _disconnect(self):
        if self._stream is not None:
            self._stream_closed_callback(self._stream)

    def notify_connected(self, connected):
        self.notified.append(connected)

    @gen.coroutine
    def future_request(self, msg, timeout=None, use_mid=None):
        mid = self._get_mid_and_update_msg(msg, use_mid)
        raise gen.Return((Message.reply(msg.name, "ok", mid=mid), []))


class TestOverriddenCoroutines(LoopTestCase):
    @gen_test
    def test_unmanaged(self):
        client = FakeConnectionClient("nowhere", 0)
        client.set_ioloop(self.io_loop)
        for _ in range(2):
            client.start()
            yield client.until_running()
            yield client.until_connected()
            yield client.until_protocol()
            yield client.until_stopped()
            reply, _ = yield client.future_request(Message.request("a"))
            self.assertTrue(reply.reply_ok())
            client.stop()
            while client.running():
                yield gen.moment
            yield gen.moment
            self.assertFalse(client.is_connected())
        self.assertEqual(client.notified, [True, False, True, False])
        self.assertEqual(client.sockname, ("nowhere", -1))

    def test_managed(self):
        client = FakeConnectionClient("nowhere", 0)
        client.start(timeout=LIMIT)
        self.assertTrue(client.wait_connected(LIMIT))
        self.assertTrue(client.wait_protocol(LIMIT))
        reply, _ = client.blocking_request(Message.request("a"))
        self.assertEqual(reply, Message.reply("a", "ok", mid=1))
        client.stop()
        client.join(LIMIT)
        self.assertEqual(client.notified, [True, False])

    def test_main_coroutine_that_fails(self):
        client = FakeConnectionClient("nowhere", 0)
        client._install = mock.Mock(side_effect=ValueError("No"))
        with CapturedLog("katcp.client") as log:
            client.start()
            client.stop()
            client.join(LIMIT)
        self.assertEqual(len(log.records), 1)


class TestUnstarted(unittest.TestCase):
    def test_events(self):
        client = DeviceClient("h", 1)
        self.assertEqual([name for name in EVENTS if getattr(client, name).isSet()],
                         ["_stopped", "_disconnected"])
