"""Inspecting clients: what they do when the device, the state callback or a subclass fails."""

from __future__ import absolute_import, division, print_function

from tornado import gen

from katcp.compat import CANCELLED_ERRORS, TornadoFuture
from katcp.inspecting.state_loop import StateCallbackCancelled
from katcp.inspecting_client import AttrDict, InspectingClientAsync, SyncError
from tests.support import mock
from tests.support.client_cases import CapturedLog
from tests.support.inspecting_cases import InspectingTestCase, timewarp_test

ALL = {"requests": {"added": ["help", "watchdog"], "removed": []},
       "sensors": {"added": ["a.string", "an.int"], "removed": []}}


class Trouble(Exception):
    """What goes wrong in these tests."""


class TestFailingInspection(InspectingTestCase):
    """The device does not answer as it should: the client keeps trying."""

    def make_client(self, *args, **kwargs):
        client = super(TestFailingInspection, self).make_client(*args, **kwargs)
        # As long as possible.
        self.random = mock.patch("katcp.inspecting_client.random.random", return_value=1.0)
        self.random.start()
        self.addCleanup(self.random.stop)
        return client

    @timewarp_test
    def test_retries_with_growing_delays(self):
        for name in ("help", "sensor-list"):
            self.device.broken[name] = ("fail", "Broken.")
            client = self.make_client()
            with CapturedLog("katcp.inspect_client") as log:
                yield client.connect()
                for number, delay in enumerate([5, 15, 45, 90, 90]):
                    while len(log.messages) <= number:
                        yield gen.moment
                    yield self.iterations(20)
                    self.assertIn("'Retrying in {}.0s.".format(delay), log.messages[number])
                    self.assertIn("Error reply during sync process", log.messages[number])
                    told = len(self.callback.told)
                    self.assertEqual(self.callback.told[-1], ("TFFF", None))
                    yield self.move_clock(delay - 0.001)
                    yield self.iterations()
                    self.assertEqual(len(self.callback.told), told)
                    if number == 4:
                        self.device.broken.clear()
                    yield self.move_clock(0.001)
                    yield self.callback.until_number(told + 1)
                yield client.until_state((True, False, True, True))
                self.assertEqual(self.callback.told[-1], ("TFTT", ALL))
                yield client.until_synced()
                yield self.iterations()
                self.assertEqual(log.messages[-1], "Succesfully resynced with {} after failure".format(
                    client.bind_address_string))
            # The connection was kept.
            self.assertEqual(len(self.device.server.connections), 1)
            client.stop()
            yield client.until_stopped()
            self.callback.forget()

    @timewarp_test
    def test_delay_is_short_again_after_success(self):
        client = self.make_client()
        for _ in range(2):
            self.device.broken["help"] = ("fail", "Broken.")
            if client._running:
                self.device.interface_changed()
                yield client.until_not_synced()
            else:
                yield client.connect()
            for delay in (5.0, 15.0):
                while client.resync_delay is None or client.resync_delay.delay == delay:
                    yield gen.moment
                yield self.iterations()
                if delay == 15:
                    self.device.broken.clear()
                yield self.move_clock(delay)
            yield client.until_synced()
            yield self.iterations()
            self.assertEqual(client.resync_delay.delay, 5.0)

    @timewarp_test
    def test_success_after_failure_is_told_once(self):
        self.device.broken["help"] = ("fail", "Broken.")
        client = self.make_client()
        with CapturedLog("katcp.inspect_client") as log:
            yield client.connect()
            yield self._until_waiting(client)
            self.device.broken.clear()
            yield self.move_clock(5)
            for _ in range(2):
                yield client.until_synced()
                yield self.iterations()
                self.assertEqual(len(log.messages), 2)
                self.device.interface_changed()
                yield client.until_not_synced()

    @timewarp_test
    def test_initial_and_maximal_delay(self):
        self.device.broken["help"] = ("fail", "Broken.")
        client = self.make_client()
        client.initial_resync_timeout, client.max_resync_timeout = 2, 4
        self.assertIsNone(client.resync_delay)
        yield client.connect()
        self.assertEqual((client.resync_delay.delay_initial, client.resync_delay.delay_max), (2, 4))

    @timewarp_test
    def test_no_delay_at_all(self):
        self.device.broken["help"] = ("fail", "Broken.")
        client = self.make_client()
        client.initial_resync_timeout = 0
        yield client.connect()
        yield self.callback.until_number(6)
        self.assertEqual(self.callback.states[:29], "FFFF TFFF TFFF TFFF TFFF TFFF")
        self.device.broken.clear()
        yield client.until_synced()

    @timewarp_test
    def test_disconnection_during_inspection_is_no_failure(self):
        self.device.held.add("sensor-list")
        client = self.make_client()
        with CapturedLog("katcp.inspect_client") as log:
            yield client.connect()
            yield self.callback.until("FFFF", "TFFF")
            yield self.until_asked(2)
            self.device.server.wait_for_connection().close()
            yield self.callback.until("FFFF", "TFFF", "FFFF")
            self.device.held.clear()
            self.device._unanswered[:] = []
            self.assertEqual(client.resync_delay.delay, 5.0)
            yield self.move_clock(0.5)
            yield client.until_synced()
        self.assertEqual(self.callback.states, "FFFF TFFF FFFF TFFF TFTT TTFT")
        self.assertEqual(log.messages, [])

    @timewarp_test
    def test_disconnection_ends_the_wait_for_a_retry(self):
        self.device.broken["help"] = ("fail", "Broken.")
        client = self.make_client()
        yield client.connect()
        yield self._until_waiting(client)
        self.device.server.wait_for_connection().close()
        yield self.callback.until("FFFF", "TFFF", "FFFF")
        self.device.broken.clear()
        # Much sooner than the retry would have been.
        yield self.move_clock(0.5)
        yield client.until_synced()
        self.assertEqual(self.callback.states, "FFFF TFFF FFFF TFFF TFTT TTFT")

    @timewarp_test
    def test_silent_device(self):
        self.device.held.add("sensor-list")
        client = self.make_client()
        with CapturedLog("katcp.inspect_client") as log:
            yield client.connect()
            yield self.until_asked(2)
            yield self.move_clock(19.9)
            yield self.iterations()
            self.assertEqual(log.messages, [])
            yield self.move_clock(0.2)
            while not log.messages:
                yield gen.moment
        self.assertIn("sensor-list\\_timed\\_out", log.messages[0])

    @gen.coroutine
    def _until_waiting(self, client):
        while client.resync_delay is None or client.resync_delay.delay == 5.0:
            yield gen.moment
        yield self.iterations()


class TestInspectionOfSubclasses(InspectingTestCase):
    """Subclasses may inspect in their own way."""

    @timewarp_test
    def test_changes_are_told(self):
        class Inspector(InspectingClientAsync):
            def inspect(self):
                changes = AttrDict(sensors=AttrDict(added=set(["virtual"]), removed=set()))
                return gen.maybe_future(changes)

        client = self.make_client(Inspector)
        yield client.connect()
        yield client.until_synced()
        self.assertEqual(self.callback.told[2],
                         ("TFTT", {"sensors": {"added": ["virtual"], "removed": []}}))

    @timewarp_test
    def test_cancelled_inspection(self):
        class Inspector(InspectingClientAsync):
            cancelled = None

            def inspect(self):
                if self.cancelled is None:
                    self.cancelled = TornadoFuture()
                    if not self.cancelled.cancel():  # tornado 4
                        self.cancelled.set_exception(CANCELLED_ERRORS[0]())
                    return self.cancelled
                return super(Inspector, self).inspect()

        client = self.make_client(Inspector)
        client.initial_resync_timeout = 0
        with CapturedLog("katcp.inspect_client") as log:
            yield client.connect()
            yield client.until_synced()
        self.assertIn("The inspection was cancelled", log.messages[0])

    @timewarp_test
    def test_disconnection_is_told_during_an_inspection_that_never_ends(self):
        class Inspector(InspectingClientAsync):
            def inspect(self):
                return TornadoFuture()

        client = self.make_client(Inspector)
        yield client.connect()
        yield self.callback.until("FFFF", "TFFF")
        yield self.iterations()
        self.device.server.wait_for_connection().close()
        yield self.callback.until("FFFF", "TFFF", "FFFF")

    @timewarp_test
    def test_disconnection_without_greeting(self):
        self.device.server.greeting = b""
        client = self.make_client()
        yield client.connect()
        yield self.callback.until("FFFF", "TFFF")
        yield self.iterations()
        self.device.server.wait_for_connection().close()
        yield self.callback.until("FFFF", "TFFF", "FFFF")


class TestFailingCallback(InspectingTestCase):
    """The state callback fails: it is logged, and told again over a new connection."""

    def setUp(self):
        super(TestFailingCallback, self).setUp()
        patch = mock.patch("katcp.inspecting_client.random.random", return_value=1.0)
        patch.start()
        self.addCleanup(patch.stop)

    def fail_for(self, name, in_future=False):
        """Have the callback fail whenever it is told that state."""
        def react(state, _):
            if state == name:
                if in_future:
                    future = TornadoFuture()
                    self.io_loop.add_callback(future.set_exception, Trouble("Sorry"))
                    return future
                raise Trouble("Sorry")

        self.callback.react = react

    @gen.coroutine
    def _until_logged(self, log):
        while not log.records:
            yield gen.moment
        yield self.iterations(20)

    @timewarp_test
    def test_failure_in_any_state(self):
        for in_future in (False, True):
            for name, told in (("FFFF", "FFFF"), ("TFFF", "FFFF TFFF FFFF"), ("TFTT", "FFFF TFFF TFTT FFFF"),
                               ("TTFT", "FFFF TFFF TFTT TTFT FFFF")):
                self.fail_for(name, in_future)
                client = self.make_client()
                with CapturedLog("katcp.inspect_client") as log:
                    yield client.connect()
                    yield self._until_logged(log)
                    self.assertEqual(self.callback.states, told)
                    self.assertEqual(
                        [record.getMessage() for record in log.records if record.exc_info],
                        ["Unhandled exception in client-sync loop. Triggering disconnect and Retrying in "
                         "5.0s."])
                    self.assertFalse(client.connected and name != "FFFF")
                    self.callback.forget()
                    self.callback.react = None
                    # There is a new connection soon, but the time is not up.
                    yield self.move_clock(0.5)
                    yield client.katcp_client.until_connected()
                    yield self.iterations(20)
                    self.assertEqual(self.callback.states, "")
                    yield self.move_clock(4.5)
                    yield client.until_synced()
                    yield self.iterations()
                    self.assertIn("Succesfully resynced", log.messages[-1])
                # What was told in vain is told again.
                self.assertEqual(self.callback.states,
                                 "TFFF TFFT TTFT" if name == "TTFT" else "TFFF TFTT TTFT")
                if name != "TTFT":
                    self.assertEqual(self.callback.told[1][1], ALL)
                client.stop()
                yield client.until_stopped()
                self.callback.forget()

    @timewarp_test
    def test_changes_are_merged_with_newer_ones(self):
        client = yield self.synced_client()
        self.device.sensors[b"one"] = self.device.sensors[b"two"] = (b"New.", b"", b"string")
        del self.device.requests[b"watchdog"]
        self.fail_for("TFTT")
        with CapturedLog("katcp.inspect_client") as log:
            self.device.interface_changed()
            yield self._until_logged(log)
        self.assertEqual(self.callback.told[1][1], {"sensors": {"added": ["one", "two"], "removed": []},
                                                    "requests": {"added": [], "removed": ["watchdog"]}})
        self.callback.react = None
        self.callback.forget()
        # The callback may have seen "one".
        del self.device.sensors[b"one"]
        self.device.sensors[b"three"] = (b"New.", b"", b"string")
        yield self.move_clock(5)
        yield client.until_synced()
        self.assertEqual(self.callback.told[1][1],
                         {"sensors": {"added": ["three", "two"], "removed": ["one"]},
                          "requests": {"added": [], "removed": ["watchdog"]}})

    @timewarp_test
    def test_callback_that_always_fails_is_called_with_growing_delays(self):
        def react(state, _):
            raise Trouble("Sorry")

        self.callback.react = react
        client = self.make_client()
        with CapturedLog("katcp.inspect_client") as log:
            yield client.connect()
            for number, delay in enumerate((5, 15, 45)):
                while len([record for record in log.records if "Retrying" in record.getMessage()]) <= number:
                    yield gen.moment
                yield self.iterations(20)
                calls = len(self.callback.told)
                yield self.move_clock(delay - 0.1)
                yield self.iterations(20)
                self.assertEqual(len(self.callback.told), calls)
                yield self.move_clock(0.1)
        self.assertLess(len(self.callback.told), 10)

    @timewarp_test
    def test_callback_that_always_fails_with_a_sync_error(self):
        def react(state, _):
            raise SyncError("Sorry")

        client = yield self.synced_client()
        self.callback.react = react
        with CapturedLog("katcp.inspect_client") as log:
            self.device.server.wait_for_connection().close()
            yield self.callback.until_number(1)
            for number, delay in enumerate((5, 15)):
                yield self.iterations(50)
                self.assertEqual((len(self.callback.told), len(log.messages)), (number + 1, number + 1))
                yield self.move_clock(delay)
                yield client.katcp_client.until_connected()
            yield self.callback.until_number(3)

    @timewarp_test
    def test_cancelled_callback(self):
        slow = TornadoFuture()
        client = self.make_client()
        self.callback.react = lambda state, _: slow if state == "TFTT" else None
        yield client.connect()
        yield client.until_data_synced()
        self.callback.react = None
        with CapturedLog("katcp.inspect_client") as log:
            if not slow.cancel():  # tornado 4
                slow.set_exception(Trouble("Sorry"))
            yield self._until_logged(log)
            yield self.move_clock(5)
            yield client.until_synced()

    @timewarp_test
    def test_callback_that_meets_something_cancelled(self):
        # Such as the result of a future that somebody has cancelled; this may be no `Exception`.
        for error in CANCELLED_ERRORS:
            for name in ("FFFF", "TFFF", "TFTT", "TTFT"):
                def react(state, _):
                    if state == name:
                        self.callback.react = None
                        raise error

                self.callback.react = react
                client = self.make_client()
                with CapturedLog("katcp.inspect_client") as log:
                    yield client.connect()
                    yield self._until_logged(log)
                    yield self.move_clock(0.5)
                    yield self.move_clock(5)
                    yield client.until_synced()
                self.assertTrue(issubclass(log.records[0].exc_info[0], StateCallbackCancelled))
                told = [changes for state, changes in self.callback.told if state == "TFTT"]
                if name == "TFTT":
                    self.assertEqual(told[1], told[0])
                else:
                    self.assertIsNotNone(told[0])
                client.stop()
                yield client.until_stopped()
                self.callback.forget()

    @timewarp_test
    def test_failure_of_the_last_call(self):
        client = yield self.synced_client()
        self.fail_for("FFFF")
        with CapturedLog("katcp.inspect_client") as log:
            client.stop()
            yield client.until_stopped()
        self.assertEqual(self.callback.states, "FFFF")
        self.assertIn("Unhandled exception after client-sync loop ended.", log.messages)

    @timewarp_test
    def test_failing_inspection_of_a_subclass(self):
        class Inspector(InspectingClientAsync):
            trouble = True

            def inspect(self):
                if self.trouble:
                    raise Trouble("Sorry")
                return super(Inspector, self).inspect()

        client = self.make_client(Inspector)
        with CapturedLog("katcp.inspect_client") as log:
            yield client.connect()
            yield self._until_logged(log)
            client.trouble = False
            yield self.move_clock(0.5)
            yield self.move_clock(5)
            yield client.until_synced()
        self.assertTrue(issubclass(log.records[0].exc_info[0], Trouble))
        self.assertFalse(issubclass(Trouble, SyncError))
