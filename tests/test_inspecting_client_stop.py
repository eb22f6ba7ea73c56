"""Inspecting clients that stop, at any moment: nothing is left behind."""

from __future__ import absolute_import, division, print_function

import gc
import socket
import threading
import weakref

from tornado import gen

from katcp import Message
from katcp.compat import TornadoFuture
from katcp.errors import KatcpClientError
from katcp.inspecting_client import InspectingClientAsync
from tests.support import mock
from tests.support.client_cases import CapturedLog
from tests.support.inspecting_cases import InspectingTestCase, timewarp_test


class StopTestCase(InspectingTestCase):
    def setUp(self):
        super(StopTestCase, self).setUp()
        self._watch_timers()
        # On Python 2 clients that are never stopped end there.
        gc.collect()
        self.garbage_before = len(gc.garbage)
        self.logs = [CapturedLog(name) for name in ("katcp", "asyncio", "tornado")]
        for log in self.logs:
            log.__enter__()
            self.addCleanup(log.__exit__)

    def _watch_timers(self):
        self.timers = timers = []
        call_at, remove_timeout = self.io_loop.call_at, self.io_loop.remove_timeout

        def watched_call_at(deadline, callback, *args, **kwargs):
            def run():
                timers.remove(handle)
                return callback(*args, **kwargs)

            handle = call_at(deadline, run)
            timers.append(handle)
            return handle

        def watched_remove_timeout(handle):
            timers[:] = [known for known in timers if known is not handle]
            return remove_timeout(handle)

        self.io_loop.call_at, self.io_loop.remove_timeout = watched_call_at, watched_remove_timeout

    def new_client(self, client_class=InspectingClientAsync, address=None, **kwargs):
        """Return a client that this test case does not keep."""
        host, port = address or self.device.address
        client = client_class(host, port, ioloop=self.io_loop, **kwargs)
        client.set_state_callback(self.callback)
        return client

    @gen.coroutine
    def check_stop(self, clients, last=("FFFF",)):
        """Stop the client in a list; the clock stands still meanwhile."""
        self.callback.forget()
        self.callback.react = None
        now = self.ioloop_time
        clients[0].stop()
        clients[0].stop()
        yield clients[0].until_stopped()
        self.assertEqual(tuple(self.callback.states.split()), last)
        self.assertEqual(clients[0].state, (False, False, False, False))
        self.assertFalse(clients[0].connected)
        clients[0].join()
        reference = weakref.ref(clients.pop())
        gc.collect()
        self.assertIsNone(reference())
        self.assertEqual(self.timers, self.timers_before)
        self.assertEqual(self.ioloop_time, now)
        self.assertEqual([thread for thread in threading.enumerate() if thread.name.startswith("katcp-")], [])
        yield self.iterations()
        self.assertEqual(tuple(self.callback.states.split()), last)
        self.device.server.wait_for(lambda server: not server.connections)
        self.assertEqual(gc.garbage[self.garbage_before:], [])
        self.assertEqual([message for log in self.logs for message in log.messages
                          if not message.startswith("Error syncing")], [])

    @gen.coroutine
    def check_failure(self, futures, error_class):
        """Check that the future in a list fails; keep nothing of it, nor of the frames it went through."""
        with self.assertRaises(error_class):
            yield futures.pop()

    @property
    def timers_before(self):
        # That of the test itself.
        return self.timers[:1]


class TestStop(StopTestCase):
    @timewarp_test
    def test_never_started(self):
        client = self.new_client()
        client.stop()
        client.close()
        client.join()
        self.assertEqual(self.callback.told, [])
        reference = weakref.ref(client)
        del client
        gc.collect()
        self.assertIsNone(reference())

    @timewarp_test
    def test_at_once(self):
        clients = [self.new_client()]
        connecting = clients[0].connect()
        yield self.check_stop(clients, last=())
        yield connecting

    @timewarp_test
    def test_after_connect(self):
        clients = [self.new_client()]
        yield clients[0].connect()
        self.assertEqual(self.callback.states, "FFFF")
        yield self.check_stop(clients, last=())

    @timewarp_test
    def test_never_connected(self):
        unused = socket.socket()
        unused.bind(("127.0.0.1", 0))
        self.addCleanup(unused.close)
        clients = [self.new_client(address=unused.getsockname())]
        yield clients[0].connect()
        yield clients[0].katcp_client._waiting_to_retry.until_set()
        yield self.iterations()
        yield self.check_stop(clients, last=())

    @timewarp_test
    def test_never_connected_without_reconnection(self):
        unused = socket.socket()
        unused.bind(("127.0.0.1", 0))
        self.addCleanup(unused.close)
        clients = [self.new_client(address=unused.getsockname(), auto_reconnect=False)]
        yield clients[0].connect()
        while not self.logs[0].messages:
            yield gen.moment
        self.assertEqual(len(self.logs[0].messages), 1)
        self.assertIn("Failed to connect to", self.logs[0].messages[0])
        del self.logs[0].records[:]
        yield self.iterations()
        yield self.check_stop(clients, last=())

    @timewarp_test
    def test_without_greeting(self):
        self.device.server.greeting = b""
        clients = [self.new_client()]
        yield clients[0].connect()
        yield self.callback.until("FFFF", "TFFF")
        yield self.iterations()
        yield self.check_stop(clients)

    @timewarp_test
    def test_during_inspection(self):
        for name in ("help", "sensor-list"):
            self.device.held.add(name)
            clients = [self.new_client()]
            yield clients[0].connect()
            while ("?" + name) not in self.device.asked:
                yield gen.moment
            yield self.check_stop(clients)
            del self.device.server.lines[:]
            self.device.held.clear()
            del self.device._unanswered[:]

    @timewarp_test
    def test_during_an_inspection_that_never_ends(self):
        class Inspector(InspectingClientAsync):
            def inspect(self):
                inspecting.append(True)
                return TornadoFuture()

        inspecting = []
        clients = [self.new_client(Inspector)]
        yield clients[0].connect()
        while not inspecting:
            yield gen.moment
        yield self.check_stop(clients)

    @timewarp_test
    def test_while_waiting_to_retry(self):
        self.device.broken["help"] = ("fail", "Out of order.")
        clients = [self.new_client()]
        yield clients[0].connect()
        while not self.logs[0].messages:
            yield gen.moment
        yield self.iterations()
        self.assertGreater(len(self.timers), len(self.timers_before))
        yield self.check_stop(clients)

    @timewarp_test
    def test_while_waiting_to_reconnect(self):
        def fail(state, _):
            if state == "TFTT":
                raise ValueError("Sorry")

        self.callback.react = fail
        clients = [self.new_client()]
        yield clients[0].connect()
        yield self.callback.until("FFFF", "TFFF", "TFTT", "FFFF")
        yield self.iterations()
        for log in self.logs:
            del log.records[:]
        yield self.check_stop(clients, last=())

    @timewarp_test
    def test_during_a_slow_callback(self):
        for name in ("FFFF", "TFFF", "TFTT", "TTFT"):
            self.callback.react = lambda state, _: TornadoFuture() if state == name else None
            self.callback.forget()
            clients = [self.new_client()]
            connecting = clients[0].connect()
            yield clients[0].until_state(tuple([letter == "T" for letter in name]))
            yield connecting
            yield self.iterations()
            # It never ends.
            yield self.check_stop(clients, last=() if name == "FFFF" else ("FFFF",))

    @timewarp_test
    def test_synced(self):
        clients = [self.new_client()]
        yield clients[0].connect()
        yield clients[0].until_synced()
        yield self.check_stop(clients)

    @timewarp_test
    def test_synced_with_objects(self):
        clients = [self.new_client()]
        yield clients[0].connect()
        yield clients[0].until_synced()
        yield [clients[0].future_get_sensor("an.int"), clients[0].future_get_request("help")]
        self.device.inform(Message.inform("sensor-status", "5", "1", "an.int", "nominal", "3"))
        yield clients[0].simple_request("watchdog")
        yield self.check_stop(clients)

    @timewarp_test
    def test_after_the_device_has_gone(self):
        clients = [self.new_client()]
        yield clients[0].connect()
        yield clients[0].until_synced()
        self.device.server.wait_for_connection().close()
        yield clients[0].until_not_synced()
        yield self.iterations()
        yield self.check_stop(clients, last=())

    @timewarp_test
    def test_amid_lookups_and_requests(self):
        clients = [self.new_client()]
        yield clients[0].connect()
        yield clients[0].until_synced()
        self.device.held.update(["help", "sensor-list", "watchdog"])
        request = clients[0].simple_request("watchdog")
        clients[0].future_get_request("unknown").add_done_callback(lambda future: future.exception())
        clients[0].future_get_sensor("unknown").add_done_callback(lambda future: future.exception())
        clients[0].update_sensor("unknown", b"5", b"nominal", b"3")
        clients[0].set_sampling_strategies({"an.int": ("event",)})
        yield self.until_asked(6)
        yield self.check_stop(clients)
        reply, _ = yield request
        self.assertIn(b"Client stopped", reply.arguments[1])

    @timewarp_test
    def test_amid_lookups_that_wait_for_data(self):
        self.device.held.add("help")
        clients = [self.new_client()]
        yield clients[0].connect()
        yield self.until_asked(1)
        clients[0].future_get_request("help")
        clients[0].future_get_sensor("an.int")
        clients[0].update_sensor("an.int", b"5", b"nominal", b"3")
        yield self.check_stop(clients)

    @timewarp_test
    def test_waits_that_were_given_up(self):
        clients = [self.new_client()]
        for wait in clients[0].until_not_synced, clients[0].until_synced, clients[0].until_data_synced:
            wait(timeout=1000)
            wait()
        del wait
        yield clients[0].connect()
        yield clients[0].until_synced()
        clients[0].until_not_synced(timeout=1000)
        clients[0].until_state((True, False, False, True), timeout=1000)
        yield self.check_stop(clients)

    @timewarp_test
    def test_within_the_callback(self):
        clients = [self.new_client()]
        self.callback.react = lambda state, _: clients[0].stop() if state == "TFTT" else None
        yield clients[0].connect()
        yield self.callback.until("FFFF", "TFFF", "TFTT", "FFFF")
        yield self.check_stop(clients, last=())

    @timewarp_test
    def test_last_callback_is_waited_for(self):
        client = self.make_client()
        yield client.connect()
        yield client.until_synced()
        slow = TornadoFuture()
        self.callback.react = lambda state, _: slow if state == "FFFF" else None
        client.stop()
        stopped = client.until_stopped()
        limited = client.until_stopped(timeout=1)
        yield self.iterations(30)
        self.assertFalse(stopped.done())
        yield self.move_clock(1)
        with self.assertRaises(gen.TimeoutError):
            yield limited
        slow.set_result(None)
        self.assertIs((yield stopped), True)
        self.assertTrue(client.until_stopped().done())

    @timewarp_test
    def test_restart_while_the_last_callback_is_slow(self):
        client = self.make_client()
        yield client.connect()
        yield client.until_synced()
        self.callback.forget()
        slow = TornadoFuture()
        self.callback.react = lambda state, _: slow if state == "FFFF" else None
        client.stop()
        yield client.katcp_client.until_stopped()
        yield self.iterations()
        self.callback.react = None
        yield client.connect()
        slow.set_result(None)
        yield client.until_synced()
        yield self.iterations(20)
        self.assertEqual(self.callback.states, "FFFF FFFF TFFF TFFT TTFT")

    @timewarp_test
    def test_callback_that_fails_after_the_stop(self):
        client = self.make_client()
        slow = TornadoFuture()
        self.callback.react = lambda state, _: slow if state == "TFTT" else None
        yield client.connect()
        yield client.until_data_synced()
        client.stop()
        yield client.until_stopped()
        slow.set_exception(ValueError("Sorry"))
        yield self.iterations()
        gc.collect()
        self.assertEqual([message for log in self.logs for message in log.messages],
                         ["Unhandled exception returned by future"])

    @timewarp_test
    def test_changes_that_were_not_dealt_with_come_again(self):
        client = self.make_client()
        slow = TornadoFuture()
        self.callback.react = lambda state, _: slow if state == "TFTT" else None
        yield client.connect()
        yield client.until_data_synced()
        changes = self.callback.told[-1][1]
        client.stop()
        yield client.until_stopped()
        self.callback.react = None
        self.callback.forget()
        yield client.connect()
        yield client.until_synced()
        self.assertEqual(self.callback.told[2], ("TFTT", changes))

    @timewarp_test
    def test_in_another_thread(self):
        client = self.make_client()
        yield client.connect()
        yield client.until_synced()
        thread = threading.Thread(target=client.stop)
        thread.start()
        thread.join()
        yield client.until_stopped()
        self.assertEqual(client.state, (False, False, False, False))

    @timewarp_test
    def test_rounds_leave_nothing(self):
        client = self.make_client()
        yield client.connect()
        yield client.until_synced()
        counts = []
        for number in range(40):
            self.device.interface_changed()
            yield client.until_not_synced()
            yield client.until_synced()
            if number in (9, 39):
                yield self.iterations()
                gc.collect()
                counts.append(len(gc.get_objects()))
        self.assertLess(counts[1] - counts[0], 100)


class TestConnect(StopTestCase):
    """Starting, and what can go wrong with it."""

    def setUp(self):
        super(TestConnect, self).setUp()
        self.unused = socket.socket()
        self.unused.bind(("127.0.0.1", 0))
        self.addCleanup(self.unused.close)

    @timewarp_test
    def test_running_already(self):
        client = self.make_client()
        connecting = client.connect()
        with self.assertRaises(AssertionError):
            yield client.connect()
        yield connecting
        with self.assertRaises(AssertionError):
            yield client.start()
        self.assertTrue(client._running)

    @timewarp_test
    def test_timeout(self):
        clients = [self.new_client(address=self.unused.getsockname())]
        connecting = [clients[0].connect(timeout=2)]
        for _ in range(2):
            yield self.iterations(20)
            self.assertFalse(connecting[0].done())
            yield self.move_clock(1)
        yield self.check_failure(connecting, gen.TimeoutError)
        self.assertEqual(self.callback.told, [])
        # It may be tried again.
        self.unused.close()
        device = self.make_device(port=clients[0].bind_address[1])
        yield clients[0].connect(timeout=2)
        yield clients[0].until_synced()
        self.assertEqual(self.callback.states, "TFFF TFTT TTFT")
        self.device = device
        yield self.check_stop(clients)

    @timewarp_test
    def test_timeout_without_reconnection(self):
        clients = [self.new_client(address=self.unused.getsockname(), auto_reconnect=False)]
        connecting = [clients[0].connect(timeout=2)]
        while not self.logs[0].messages:
            yield gen.moment
        yield self.iterations()
        self.assertFalse(connecting[0].done())
        yield self.move_clock(2)
        yield self.check_failure(connecting, gen.TimeoutError)
        self.assertEqual(len(self.logs[0].messages), 1)
        self.assertIn("Failed to connect", self.logs[0].messages[0])
        del self.logs[0].records[:]
        yield self.check_stop(clients, last=())

    @timewarp_test
    def test_stopped_meanwhile(self):
        clients = [self.new_client(address=self.unused.getsockname())]
        connecting = [clients[0].connect(timeout=2)]
        yield self.iterations()
        clients[0].stop()
        yield self.check_failure(connecting, KatcpClientError)
        yield self.check_stop(clients, last=())

    @timewarp_test
    def test_low_level_client_runs_already(self):
        client = self.make_client()
        client.katcp_client.start()
        yield client.katcp_client.until_running()
        with self.assertRaises(RuntimeError) as caught:
            yield client.connect()
        self.assertEqual(str(caught.exception), "Device client already started.")
        self.assertFalse(client._running)
        client.katcp_client.stop()
        yield client.katcp_client.until_stopped()
        yield client.connect()
        yield client.until_synced()

    @timewarp_test
    def test_too_soon_after_a_stop(self):
        clients = [self.new_client()]
        yield clients[0].connect()
        yield clients[0].until_synced()
        clients[0].stop()
        yield self.check_failure([clients[0].connect()], RuntimeError)
        yield clients[0].until_stopped()
        self.assertEqual(self.callback.states.split()[-2:], ["TTFT", "FFFF"])
        yield clients[0].connect()
        yield clients[0].until_synced()
        yield self.check_stop(clients)

    @timewarp_test
    def test_low_level_client_does_not_start(self):
        client = self.make_client()
        failed = TornadoFuture()
        failed.set_exception(ValueError("Sorry"))
        with mock.patch.object(client.katcp_client, "until_running", return_value=failed):
            with self.assertRaises(ValueError):
                yield client.connect()
        self.assertEqual(self.logs[0].messages, ["Failed to start katcp_client: Sorry"])
        self.assertFalse(client._running)
        yield self.iterations()
        self.assertFalse(client.katcp_client.running())
        self.assertTrue(client.katcp_client.until_stopped().done())

    @timewarp_test
    def test_state_loop_can_be_suppressed(self):
        client = self.make_client()
        client._state_loop = mock.Mock()
        yield client.connect(timeout=10)
        yield self.iterations(20)
        client._state_loop.assert_called_once_with()
        self.assertEqual(self.callback.told, [])
        client.stop()
        yield client.until_stopped()

    @timewarp_test
    def test_restart_again_and_again(self):
        client = self.make_client()
        for _ in range(5):
            yield client.connect()
            yield client.until_synced()
            client.stop()
            yield client.until_stopped()
            self.assertEqual(self.callback.states.split()[-2:], ["TTFT", "FFFF"])

    @timewarp_test
    def test_waiting_before_the_start(self):
        client = self.make_client()
        waits = [client.until_connected(), client.until_synced(), client.until_data_synced()]
        yield client.connect()
        yield waits
        client.stop()
        yield client.until_stopped()
        self.assertRaises(AssertionError, self.make_client().until_stopped)

    @timewarp_test
    def test_request_before_the_start(self):
        with self.assertRaises(AssertionError):
            yield self.make_client().simple_request("watchdog")
