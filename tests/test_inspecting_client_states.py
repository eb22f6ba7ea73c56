"""Inspecting clients: the states they go through, and what the state callback is told."""

from __future__ import absolute_import, division, print_function

from tornado import gen

from katcp import Message, ProtocolFlags
from katcp.compat import TornadoFuture
from katcp.inspecting_client import InspectingClientStateType
from tests.support import mock
from tests.support.client_cases import CapturedLog
from tests.support.inspecting_cases import InspectingTestCase, letters, timewarp_test

ALL = {"requests": {"added": ["help", "watchdog"], "removed": []},
       "sensors": {"added": ["a.string", "an.int"], "removed": []}}


class TestStateType(InspectingTestCase):
    def test_is_a_tuple(self):
        state = InspectingClientStateType(True, False, False, True)
        self.assertEqual(state, (True, False, False, True))
        self.assertEqual(hash(state), hash((True, False, False, True)))
        self.assertEqual(repr(state), "InspectingClientStateType(connected=True, synced=False, "
                                      "model_changed=False, data_synced=True)")

    def test_text(self):
        state = InspectingClientStateType(connected=True, synced=False, model_changed=False, data_synced=True)
        self.assertEqual(str(state), "[connected !synced !model_changed data_synced]")
        self.assertEqual("{}".format(state), str(state))
        self.assertRaises(AttributeError, setattr, state, "anything", 1)

    def test_valid_states(self):
        client = self.make_client()
        self.assertIsInstance(client.valid_states, frozenset)
        self.assertEqual(sorted(letters(state) for state in client.valid_states),
                         ["FFFF", "TFFF", "TFFT", "TFTT", "TTFT"])
        with self.assertRaises(ValueError) as caught:
            client.until_state((False, True, False, False))
        self.assertIn("State must be one of", str(caught.exception))


class TestSequences(InspectingTestCase):
    """What is told in the course of events."""

    @timewarp_test
    def test_connect(self):
        client = self.make_client()
        self.assertEqual(letters(client.state), "FFFF")
        yield client.connect()
        self.assertEqual(self.callback.states, "FFFF")
        yield client.until_synced()
        self.assertEqual(self.callback.states, "FFFF TFFF TFTT TTFT")
        self.assertEqual([changes for _, changes in self.callback.told], [None, None, ALL, None])
        yield self.iterations()
        self.assertEqual(len(self.callback.told), 4)
        self.assertEqual(self.device.asked, ["?help", "?sensor-list"])

    @timewarp_test
    def test_connect_with_timeout(self):
        client = self.make_client()
        yield client.connect(timeout=5)
        self.assertEqual(self.callback.states, "TFFF")
        yield client.until_synced()
        self.assertEqual(self.callback.states, "TFFF TFTT TTFT")

    @timewarp_test
    def test_structure_of_changes(self):
        client = self.make_client()
        calls = []
        client.set_state_callback(lambda state, changes: calls.append((state, changes)))
        yield client.connect()
        yield client.until_synced()
        state, changes = calls[2]
        self.assertTrue(state.model_changed)
        self.assertEqual(changes, {"requests": {"added": set(["help", "watchdog"]), "removed": set()},
                                   "sensors": {"added": set(["a.string", "an.int"]), "removed": set()}})
        self.assertEqual(changes.sensors.added, set(["a.string", "an.int"]))
        for name in changes.sensors.added | changes.requests.added:
            self.assertIs(type(name), str)

    @timewarp_test
    def test_only_what_has_changed_is_told(self):
        yield self.synced_client()
        del self.device.sensors[b"an.int"]
        self.device.interface_changed()
        yield self.callback.until_number(3)
        self.assertEqual(self.callback.told[1],
                         ("TFTT", {"sensors": {"added": [], "removed": ["an.int"]}}))

    @timewarp_test
    def test_no_greeting(self):
        self.device.server.greeting = b""
        client = self.make_client()
        yield client.connect()
        yield self.callback.until("FFFF", "TFFF")
        self.assertTrue(client.connected)
        yield self.iterations(20)
        self.assertEqual(self.callback.states, "FFFF TFFF")
        self.device.inform(Message.inform("version-connect", "katcp-protocol", "5.0-MI"))
        yield client.until_synced()
        yield self.iterations()
        self.assertEqual(self.callback.states, "FFFF TFFF TFTT TTFT")

    @timewarp_test
    def test_preset_protocol_flags(self):
        self.device.server.greeting = b""
        client = self.make_client()
        client.preset_protocol_flags(ProtocolFlags(5, 0, [ProtocolFlags.MESSAGE_IDS]))
        yield client.connect()
        yield client.until_synced()
        self.assertEqual(self.device.server.lines, [b"?help[1]", b"?sensor-list[2]"])

    @timewarp_test
    def test_old_device(self):
        self.device.server.greeting = b"#version old-1.0\n#build-state old-1.0\n"
        client = self.make_client()
        yield client.connect()
        yield client.until_synced()
        self.assertEqual(self.device.server.lines, [b"?help", b"?sensor-list"])

    @timewarp_test
    def test_no_initial_inspection(self):
        client = self.make_client(initial_inspection=False)
        yield client.connect()
        yield client.until_synced()
        self.assertEqual(self.callback.states, "FFFF TFFF TTFT")
        self.assertEqual((client.sensors, client.requests), ([], []))
        self.assertEqual(self.device.asked, [])
        self.callback.forget()
        self.device.interface_changed()
        yield self.callback.until("TFFF", "TFTT", "TTFT")
        self.assertEqual(self.callback.told[1], ("TFTT", ALL))

    @timewarp_test
    def test_no_initial_inspection_of_a_device_that_drops_the_connection(self):
        greeting, self.device.server.greeting = self.device.server.greeting, b""
        client = self.make_client(initial_inspection=False)
        yield client.connect()
        yield self.callback.until("FFFF", "TFFF")
        yield self.iterations()
        connection = self.device.server.wait_for_connection()
        self.device.server.greeting = greeting
        connection.close()
        yield self.callback.until("FFFF", "TFFF", "FFFF")
        yield client.katcp_client._waiting_to_retry.until_set()
        yield self.move_clock(0.5)
        yield client.until_synced()
        # The first one was to be taken as it is, not the next.
        self.assertEqual(self.callback.states, "FFFF TFFF FFFF TFFF TFTT TTFT")
        self.assertEqual(self.callback.told[4], ("TFTT", ALL))

    @timewarp_test
    def test_no_initial_inspection_and_a_stop_before_the_protocol_is_known(self):
        greeting, self.device.server.greeting = self.device.server.greeting, b""
        client = self.make_client(initial_inspection=False)
        yield client.connect()
        yield self.callback.until("FFFF", "TFFF")
        yield self.iterations()
        self.device.server.wait_for_connection()
        client.stop()
        yield client.until_stopped()
        self.device.server.greeting = greeting
        self.callback.forget()
        yield client.connect()
        yield client.until_synced()
        self.assertEqual(self.callback.states, "FFFF TFFF TFTT TTFT")

    @timewarp_test
    def test_interface_changed_and_nothing_new(self):
        for name in ("interface-changed", "device-changed"):
            client = yield self.synced_client()
            self.device.inform(Message.inform(name))
            yield client.until_not_synced()
            yield client.until_synced()
            yield self.iterations()
            self.assertEqual(self.callback.states, "TFFF TFFT TTFT")
            client.stop()
            yield client.until_stopped()

    @timewarp_test
    def test_device_changed_is_deprecated(self):
        with CapturedLog("katcp.inspect_client") as log:
            yield self.synced_client()
            self.device.inform(Message.inform("device-changed"))
            yield self.callback.until("TFFF", "TFFT", "TTFT")
        self.assertIn("Received a deprecated inform: device-changed.", log.messages)

    @timewarp_test
    def test_interface_changed(self):
        client = yield self.synced_client()
        self.device.sensors[b"new"] = (b"New.", b"", b"string")
        del self.device.requests[b"watchdog"]
        self.device.interface_changed()
        yield client.until_not_synced()
        yield client.until_synced()
        self.assertEqual(self.callback.states, "TFFF TFTT TTFT")
        self.assertEqual(self.callback.told[1][1], {"sensors": {"added": ["new"], "removed": []},
                                                    "requests": {"added": [], "removed": ["watchdog"]}})
        self.assertEqual(sorted(client.sensors), ["a.string", "an.int", "new"])
        self.assertEqual(client.requests, ["help"])

    @timewarp_test
    def test_device_goes_and_comes_back(self):
        client = yield self.synced_client()
        self.device.server.wait_for_connection().close()
        yield client.until_not_synced()
        yield self.iterations()
        self.assertEqual(self.callback.told, [("FFFF", None)])
        self.device.sensors[b"new"] = (b"New.", b"", b"string")
        yield self.move_clock(0.5)
        yield client.until_synced()
        self.assertEqual(self.callback.states, "FFFF TFFF TFTT TTFT")
        self.assertEqual(self.callback.told[2][1], {"sensors": {"added": ["new"], "removed": []}})
        self.callback.forget()
        self.device.server.wait_for_connection().close()
        yield client.until_not_synced()
        yield self.move_clock(0.5)
        yield client.until_synced()
        self.assertEqual(self.callback.states, "FFFF TFFF TFFT TTFT")

    @timewarp_test
    def test_stop_while_synced_and_restart(self):
        client = yield self.synced_client()
        client.stop()
        yield client.until_stopped()
        self.assertEqual(self.callback.told, [("FFFF", None)])
        self.assertEqual(sorted(client.sensors), ["a.string", "an.int"])
        self.callback.forget()
        yield client.connect()
        yield client.until_synced()
        self.assertEqual(self.callback.states, "FFFF TFFF TFFT TTFT")

    @timewarp_test
    def test_no_reconnection(self):
        client = yield self.synced_client(auto_reconnect=False)
        self.device.server.wait_for_connection().close()
        yield self.callback.until("FFFF")
        yield self.move_clock(10)
        yield self.iterations()
        self.assertEqual(self.callback.states, "FFFF")
        with self.assertRaises(AssertionError):
            yield client.connect()
        client.stop()
        yield client.until_stopped()
        self.assertEqual(self.callback.states, "FFFF")

    @timewarp_test
    def test_callback_can_be_changed_and_removed(self):
        client = yield self.synced_client()
        other = mock.Mock(return_value=None)
        client.set_state_callback(other)
        self.device.interface_changed()
        yield client.until_not_synced()
        yield client.until_synced()
        self.assertEqual(other.call_count, 3)
        client.set_state_callback(None)
        self.device.interface_changed()
        yield client.until_not_synced()
        yield client.until_synced()
        self.assertEqual((other.call_count, self.callback.told), (3, []))


class TestWaiting(InspectingTestCase):
    @timewarp_test
    def test_values(self):
        client = self.make_client()
        self.assertTrue(client.until_not_synced().done())
        waits = [client.until_synced(), client.until_data_synced(), client.until_connected(),
                 client.until_state((True, False, False, False))]
        self.assertFalse(any(wait.done() for wait in waits))
        yield client.connect()
        results = yield waits
        self.assertEqual(results, [True, True, None, True])
        self.assertIsNone(client.until_connected().result())
        for wait in client.until_synced(), client.until_data_synced(), client.until_state(client.state):
            self.assertTrue(wait.done())
            self.assertIs(wait.result(), True)

    @timewarp_test
    def test_timeouts(self):
        self.device.held.add("help")
        client = self.make_client()
        for wait in (client.until_synced, client.until_data_synced, client.until_connected,
                     lambda timeout: client.until_state((True, True, False, True), timeout)):
            waiting = wait(timeout=0.25)
            yield self.move_clock(0.25)
            with self.assertRaises(gen.TimeoutError):
                yield waiting
        yield client.connect()
        yield self.until_asked(1)
        for wait in client.until_synced, client.until_data_synced:
            waiting = wait(timeout=0.25)
            yield self.move_clock(0.25)
            with self.assertRaises(gen.TimeoutError):
                yield waiting
        self.device.release()
        yield client.until_synced(timeout=0.5)
        waiting = client.until_not_synced(timeout=1)
        yield self.move_clock(1)
        with self.assertRaises(gen.TimeoutError):
            yield waiting

    @timewarp_test
    def test_until_connected_waits_for_protocol(self):
        self.device.server.greeting = b""
        client = self.make_client()
        early = client.until_connected()
        yield client.connect(timeout=10)
        late = client.until_connected()
        yield self.iterations()
        self.assertFalse(early.done() or late.done())
        self.device.inform(Message.inform("version-connect", "katcp-protocol", "5.0"))
        self.assertEqual((yield [early, late]), [None, None])

    @timewarp_test
    def test_until_connected_is_about_this_connection(self):
        client = yield self.synced_client()
        self.device.server.greeting = b""
        self.device.server.wait_for_connection().close()
        yield client.until_not_synced()
        yield self.move_clock(0.5)
        yield self.callback.until("FFFF", "TFFF")
        waiting = client.until_connected()
        yield self.iterations(20)
        # Nothing was asked for by the rules of the last connection.
        self.assertEqual((waiting.done(), len(self.device.asked)), (False, 2))
        self.device.inform(Message.inform("version-connect", "katcp-protocol", "5.0"))
        yield waiting
        yield client.until_synced()

    @timewarp_test
    def test_given_loop_runs_timeouts(self):
        # Made where another loop is current, as in a main thread.
        with mock.patch("katcp.inspecting.client.IOLoop") as ioloop_class:
            client = self.make_client()
        self.assertEqual(ioloop_class.mock_calls, [])
        waiting = client.until_synced(timeout=1)
        yield self.move_clock(1)
        with self.assertRaises(gen.TimeoutError):
            yield waiting

    @timewarp_test
    def test_timed_waits_leave_nothing(self):
        client = yield self.synced_client()
        call_at, remove_timeout, pending = self.io_loop.call_at, self.io_loop.remove_timeout, []

        def watched_call_at(*args, **kwargs):
            handle = call_at(*args, **kwargs)
            pending.append(handle)
            return handle

        def watched_remove_timeout(handle):
            if handle in pending:
                pending.remove(handle)
            return remove_timeout(handle)

        self.io_loop.call_at, self.io_loop.remove_timeout = watched_call_at, watched_remove_timeout
        waits = [client.until_not_synced(timeout=100), client.until_state((True, False, False, False), 100)]
        self.assertEqual(len(pending), 2)
        self.device.interface_changed()
        yield waits
        yield client.until_synced()
        self.assertEqual(len([handle for handle in pending if handle is not None]), 0)


class TestOrder(InspectingTestCase):
    """Who resumes when; it is the same on every tornado."""

    @timewarp_test
    def test_waiters_see_the_state_and_the_callback(self):
        for timeout in (None, 1000):
            for name, expected in (("FFFF", 1), ("TFFF", 2), ("TFTT", 3), ("TTFT", 4)):
                client = self.make_client()
                state = tuple([letter == "T" for letter in name])
                if name == "FFFF":
                    yield client.connect()
                else:
                    waiting = client.until_state(state, timeout)
                    client.connect()
                    yield waiting
                self.assertEqual(letters(client.state), name)
                self.assertEqual(self.callback.told[-1][0], name)
                self.assertEqual(len(self.callback.told), expected)
                client.stop()
                yield client.until_stopped()
                self.callback.forget()

    @timewarp_test
    def test_waiters_for_any_of_several_states(self):
        for timeout in (None, 1000):
            client = self.make_client()
            waiting = client.until_data_synced(timeout)
            client.connect()
            yield waiting
            self.assertEqual((letters(client.state), self.callback.told[-1][0]), ("TFTT", "TFTT"))
            yield client.until_synced(timeout)
            self.assertEqual(self.callback.told[-1][0], "TTFT")
            yield gen.moment
            number = len(self.callback.told)
            self.device.interface_changed()
            yield client.until_not_synced(timeout)
            self.assertEqual((letters(client.state), self.callback.told[-1][0]), ("TFFF", "TFFF"))
            self.assertEqual(len(self.callback.told), number + 1)
            yield client.until_synced()
            self.device.server.wait_for_connection().close()
            yield client.until_not_synced(timeout)
            self.assertEqual((letters(client.state), self.callback.told[-1][0]), ("FFFF", "FFFF"))
            client.stop()
            yield client.until_stopped()

    @timewarp_test
    def test_callback_sees_the_state(self):
        client = self.make_client()
        seen = []
        self.callback.react = lambda state, _: seen.append(letters(client.state))
        yield client.connect()
        yield client.until_synced()
        self.assertEqual(" ".join(seen), self.callback.states)

    @timewarp_test
    def test_reply_after_interface_changed(self):
        client = yield self.synced_client()
        self.device.held.add("watchdog")
        request = client.simple_request("watchdog", mid=77)
        yield self.until_asked(3)
        # One packet: both are handled in the same iteration.
        self.device.inform(Message.inform("interface-changed"), Message.reply("watchdog", "ok", mid=77))
        yield request
        self.assertFalse(client.synced)
        self.assertEqual(self.callback.states, "TFFF")
        yield client.until_synced()
        self.assertEqual(self.callback.states, "TFFF TFFT TTFT")

    @timewarp_test
    def test_reply_after_interface_changed_while_callback_is_slow(self):
        client = self.make_client()
        slow = TornadoFuture()
        self.callback.react = lambda state, _: slow if state == "TTFT" else None
        yield client.connect()
        yield client.until_synced()
        self.device.inform(Message.inform("interface-changed"))
        yield client.simple_request("watchdog")
        self.assertFalse(client.synced)
        waiting = client.until_synced()
        self.callback.react = None
        slow.set_result(None)
        yield waiting
        self.assertEqual(self.callback.states, "FFFF TFFF TFTT TTFT TFFF TFFT TTFT")

    @timewarp_test
    def test_after_connect_there_is_time_to_prepare(self):
        client = self.make_client()
        with mock.patch.object(client, "inspect_requests", wraps=client.inspect_requests) as inspect:
            @gen.coroutine
            def helper():
                yield client.connect(timeout=10)

            yield helper()
            self.assertEqual(inspect.call_count, 0)
            yield client.until_synced()
            self.assertEqual(inspect.call_count, 1)

    @timewarp_test
    def test_nothing_is_pending_when_synced(self):
        client = self.make_client()
        yield client.connect()
        yield client.until_synced()
        yield gen.moment
        number = len(self.callback.told)
        yield self.iterations(20)
        self.assertEqual(len(self.callback.told), number)

    @timewarp_test
    def test_forced_inspection(self):
        client = yield self.synced_client()
        # As the fakes do it.
        client._interface_changed.set()
        self.assertTrue(client.synced)
        yield client.until_not_synced()
        self.assertEqual(self.callback.states, "TFFF")
        yield client.until_synced()
        self.assertEqual(self.callback.states, "TFFF TFFT TTFT")

    @timewarp_test
    def test_inspection_forced_before_the_start_is_the_first_one(self):
        client = self.make_client()
        client._interface_changed.set()
        yield client.connect()
        yield client.until_synced()
        yield self.iterations(20)
        self.assertEqual(self.callback.states, "FFFF TFFF TFTT TTFT")


class TestSlowCallbacks(InspectingTestCase):
    """The next state comes when what the callback returns is done."""

    @timewarp_test
    def test_synced_comes_after_the_callback(self):
        client = self.make_client()
        slow = TornadoFuture()
        self.callback.react = lambda state, _: slow if state == "TFTT" else None
        yield client.connect()
        yield client.until_data_synced()
        yield self.iterations(20)
        self.assertEqual(self.callback.states, "FFFF TFFF TFTT")
        slow.set_result(None)
        yield client.until_synced()

    @timewarp_test
    def test_other_results_are_ignored(self):
        client = self.make_client()
        client.set_state_callback(mock.Mock(side_effect=[[TornadoFuture()], "text", 5, mock.Mock(), True]))
        yield client.connect()
        yield client.until_synced()

    @timewarp_test
    def test_lookups_within_the_callback(self):
        client = self.make_client()
        sensors = []

        @gen.coroutine
        def look_up(state, changes):
            if state == "TFTT":
                for name in sorted(changes.sensors.added):
                    sensors.append((yield client.future_get_sensor(name)))

        self.callback.react = look_up
        yield client.connect()
        yield client.until_synced()
        self.assertEqual([sensor.name for sensor in sensors], ["a.string", "an.int"])

    @timewarp_test
    def test_changes_meanwhile_collapse_into_one_round(self):
        client = yield self.synced_client()
        slow = TornadoFuture()
        self.callback.react = lambda state, _: slow if state == "TFFT" else None
        self.device.interface_changed()
        yield client.until_data_synced()
        yield self.callback.until("TFFF", "TFFT")
        for _ in range(3):
            self.device.interface_changed()
        yield client.simple_request("watchdog")
        self.callback.react = None
        slow.set_result(None)
        yield client.until_synced()
        yield self.iterations(20)
        # It was never in step in between.
        self.assertEqual(self.callback.states, "TFFF TFFT TFFF TFFT TTFT")

    @timewarp_test
    def test_change_during_inspection_is_not_lost(self):
        client = yield self.synced_client()
        self.device.held.add("sensor-list")
        self.device.interface_changed()
        yield self.callback.until("TFFF")
        yield self.until_asked(4)
        self.device.requests[b"new"] = b"New."
        self.device.interface_changed()
        self.device.release()
        yield client.until_synced()
        self.assertEqual(self.callback.states, "TFFF TFFT TFFF TFTT TTFT")
        self.assertIn("new", client.requests)

    @timewarp_test
    def test_reconnection_is_noticed(self):
        for slow_state in ("TFTT", "TTFT"):
            client = self.make_client()
            client.katcp_client.auto_reconnect_delay = 0.001
            slow = TornadoFuture()
            self.callback.react = lambda state, _: slow if state == slow_state else None
            yield client.connect()
            yield client.until_state(tuple([letter == "T" for letter in slow_state]))
            self.device.server.wait_for_connection().close()
            yield client._disconnected.until_set()
            yield self.move_clock(1)
            yield client._connected.until_set()
            self.assertEqual(client._connection_number, 2)
            asked = len(self.device.asked)
            told = len(self.callback.told)
            self.callback.react = None
            slow.set_result(None)
            yield self.callback.until_number(told + 3)
            self.assertEqual(self.callback.states.split()[told:], ["TFFF", "TFFT", "TTFT"])
            self.assertEqual(self.device.asked[asked:], ["?help", "?sensor-list"])
            client.stop()
            yield client.until_stopped()
            self.callback.forget()

    @timewarp_test
    def test_disconnection_during_slow_callback(self):
        client = self.make_client()
        slow = TornadoFuture()
        self.callback.react = lambda state, _: slow if state == "TFTT" else None
        yield client.connect()
        yield client.until_data_synced()
        self.device.server.wait_for_connection().close()
        yield client._disconnected.until_set()
        slow.set_result(None)
        yield client.until_state((False, False, False, False))
        self.assertEqual(self.callback.states, "FFFF TFFF TFTT FFFF")
