"""Inspecting clients: what they ask a device, and how they keep what they are told."""

from __future__ import absolute_import, division, print_function

import unittest

import tornado.testing
from tornado import gen

from katcp import Message
from katcp.compat import PY2
from katcp.inspecting import model
from katcp.inspecting_client import AttrDict, InspectingClientAsync, SyncError
from tests.support import mock
from tests.support.client_cases import CapturedLog
from tests.support.inspecting_cases import InspectingTestCase, plain, timewarp_test

AN_INT = {"description": "An Integer.", "units": "count", "sensor_type": "integer", "params": ["-5", "5"]}
A_STRING = {"description": "A String.", "units": "", "sensor_type": "string", "params": []}


class TestIndexByHand(tornado.testing.AsyncTestCase):
    """The methods for those who keep an index themselves."""

    def setUp(self):
        super(TestIndexByHand, self).setUp()
        self.client = InspectingClientAsync("", 0)

    def test_update_index(self):
        index = {}
        data = {"description": "One", "units": "m"}
        self.client._update_index(index, "a", data)
        self.assertIs(index["a"], data)
        index["a"]["obj"] = "object"
        self.client._update_index(index, "a", {"description": "One", "units": "m"})
        self.assertEqual(index, {"a": {"description": "One", "units": "m", "obj": "object"}})
        self.client._update_index(index, "a", {"description": "Two", "units": "m"})
        self.assertEqual(index, {"a": {"description": "Two", "units": "m", "obj": "object",
                                       "_changed": True}})

    def test_difference(self):
        index = {"a": {}, "b": {}, "c": {}}
        self.assertEqual(self.client._difference(["a", "b"], ["b", "c"], None, index),
                         (set(["c"]), set(["a"])))
        self.assertEqual(sorted(index), ["b", "c"])
        self.assertEqual(self.client._difference(["a", "b"], ["b"], "b", index), (set(), set()))
        self.assertEqual(self.client._difference(["a", "b"], ["a", "b"], "unknown", index), (set(), set()))
        self.assertEqual(self.client._difference(["b", "c"], ["c"], "b", index), (set(), set(["b"])))
        self.assertEqual(sorted(index), ["c"])
        self.assertEqual(self.client._difference(["gone"], [], None, index), (set(), set(["gone"])))

    def test_difference_of_changed_items(self):
        index = {"a": {"_changed": True}, "b": {"_changed": False}}
        self.assertEqual(self.client._difference(["a", "b"], ["a", "b"], None, index),
                         (set(["a"]), set(["a"])))
        self.assertEqual(index, {"a": {"_changed": False}, "b": {"_changed": False}})


class TestUnannouncedChanges(unittest.TestCase):
    def setUp(self):
        self.changes = model.UnannouncedChanges()

    def note(self, added=(), removed=()):
        self.changes.note({"sensors": AttrDict(added=set(added), removed=set(removed))})

    def take(self):
        return plain(self.changes.take())

    def test_nothing(self):
        self.changes.note(None)
        self.assertIsNone(self.changes.take())

    def test_what_is_taken_is_forgotten(self):
        self.note("ab")
        self.assertEqual(self.take(), {"sensors": {"added": ["a", "b"], "removed": []}})
        self.assertIsNone(self.take())

    def test_merging(self):
        self.note("abcd")
        self.take()
        # a comes back, b is modified and goes, c is modified, d goes.
        self.note("bc", "abc")
        self.note("a", "bd")
        self.assertEqual(self.take(), {"sensors": {"added": ["a", "c"], "removed": ["a", "b", "c", "d"]}})

    def test_end_of_what_was_never_announced(self):
        self.note("abc")
        self.note("b", "ab")
        self.assertEqual(self.take(), {"sensors": {"added": ["b", "c"], "removed": []}})
        self.note("x")
        self.note("", "x")
        self.assertIsNone(self.take())

    def test_given_back(self):
        self.note("ab")
        self.take()
        self.note("cd", "a")
        changes = self.changes.take()
        self.note("e", "bd")
        self.changes.give_back(changes)
        # d may have been seen.
        self.assertEqual(self.take(), {"sensors": {"added": ["c", "e"], "removed": ["a", "b", "d"]}})
        self.changes.give_back(None)
        self.assertIsNone(self.take())

    def test_pending_can_be_put_back(self):
        self.note("a")
        pending = self.changes.pending
        self.note("b", "a")
        self.changes.pending = pending
        self.assertEqual(self.take(), {"sensors": {"added": ["a"], "removed": []}})


class InspectionTestCase(InspectingTestCase):
    @gen.coroutine
    def idle_client(self, *args, **kwargs):
        """Return a future of a connected client that does not inspect anything by itself."""
        client = self.make_client(*args, **kwargs)
        client._state_loop = mock.Mock()
        yield client.connect(timeout=10)
        yield client.until_connected()
        client._state_loop.assert_called_once_with()
        raise gen.Return(client)


class TestInspection(InspectionTestCase):
    @timewarp_test
    def test_everything(self):
        client = yield self.idle_client()
        self.assertEqual((client.sensors, client.requests), ([], []))
        changes = yield client.inspect()
        self.assertEqual(plain(changes), {"requests": {"added": ["help", "watchdog"], "removed": []},
                                          "sensors": {"added": ["a.string", "an.int"], "removed": []}})
        self.assertEqual(client._sensors_index, {"an.int": AN_INT, "a.string": A_STRING})
        self.assertEqual(client._requests_index, {
            "help": {"name": "help", "description": "Tell what one can do.\n", "timeout_hint": None},
            "watchdog": {"name": "watchdog", "description": "Say that one lives.", "timeout_hint": None}})
        self.assertEqual(self.device.server.lines, [b"?help[1]", b"?sensor-list[2]"])
        for entry in list(client._sensors_index.values()) + list(client._requests_index.values()):
            for value in entry.values():
                if value is not None:
                    for text in value if isinstance(value, list) else [value]:
                        self.assertIs(type(text), str)
        self.assertIsNone((yield client.inspect()))

    @timewarp_test
    def test_lists_are_new(self):
        client = yield self.idle_client()
        yield client.inspect()
        client.sensors.append("x")
        client.requests.append("x")
        self.assertEqual(sorted(client.sensors), ["a.string", "an.int"])
        self.assertEqual(sorted(client.requests), ["help", "watchdog"])

    @timewarp_test
    def test_single_items(self):
        client = yield self.idle_client()
        self.assertEqual((yield client.inspect_sensors("an.int")), {"added": {"an.int"}, "removed": set()})
        self.assertEqual((yield client.inspect_requests("help")), {"added": {"help"}, "removed": set()})
        self.assertIsNone((yield client.inspect_sensors("an.int")))
        self.assertIsNone((yield client.inspect_sensors("unknown")))
        self.assertIsNone((yield client.inspect_requests("unknown")))
        self.assertEqual(client._sensors_index, {"an.int": AN_INT})
        self.assertEqual(client.requests, ["help"])
        self.device.sensors.clear()
        self.device.requests.clear()
        self.assertEqual((yield client.inspect_sensors("an.int")), {"added": set(), "removed": {"an.int"}})
        self.assertEqual((yield client.inspect_requests("help")), {"added": set(), "removed": {"help"}})
        self.assertEqual((client.sensors, client.requests), ([], []))

    @timewarp_test
    def test_several_by_a_regular_expression(self):
        client = yield self.idle_client()
        self.device.sensors[b"/an?\\../"] = (b"", b"", b"string")
        with mock.patch.object(self.device, "_sensor_list", lambda name: [
                Message.inform("sensor-list", "an.int", *self.device.sensors[b"an.int"]),
                Message.inform("sensor-list", "a.string", *self.device.sensors[b"a.string"]),
                Message.reply("sensor-list", "ok", 2)]):
            changes = yield client.inspect_sensors("/an?\\../")
        self.assertEqual(changes, {"added": {"an.int", "a.string"}, "removed": set()})

    @timewarp_test
    def test_modified_items(self):
        client = yield self.idle_client()
        yield client.inspect()
        self.device.sensors[b"an.int"] = (b"An Integer.", b"apples", b"integer", b"-5", b"5")
        self.device.requests[b"watchdog"] = b"Bark."
        changes = yield client.inspect()
        self.assertEqual(plain(changes), {"requests": {"added": ["watchdog"], "removed": ["watchdog"]},
                                          "sensors": {"added": ["an.int"], "removed": ["an.int"]}})
        self.assertEqual(client._sensors_index["an.int"], dict(AN_INT, units="apples"))
        self.assertEqual(client._requests_index["watchdog"]["description"], "Bark.")
        self.assertIsNone((yield client.inspect()))
        for values in ((b"Another.", b"apples", b"integer", b"-5", b"5"),
                       (b"Another.", b"apples", b"float", b"-5", b"5"),
                       (b"Another.", b"apples", b"float", b"-6", b"5"), (b"Another.", b"apples", b"float")):
            self.device.sensors[b"an.int"] = values
            changes = yield client.inspect_sensors("an.int")
            self.assertEqual(changes, {"added": {"an.int"}, "removed": {"an.int"}})

    @timewarp_test
    def test_space_around_descriptions_does_not_count(self):
        client = yield self.idle_client()
        # Servers of this library strip the answer to a ?help for one request.
        self.device.requests[b"help"] = b"Tell what one can do."
        yield client.inspect_requests("help")
        self.device.requests[b"help"] = b"\n  Tell what one can do.\n"
        self.assertEqual(plain((yield client.inspect()))["requests"], {"added": ["watchdog"], "removed": []})
        self.assertEqual(client._requests_index["help"]["description"], "\n  Tell what one can do.\n")
        self.device.requests[b"help"] = b"Tell what one can do."
        self.assertIsNone((yield client.inspect_requests("help")))
        self.assertEqual(client._requests_index["help"]["description"], "\n  Tell what one can do.\n")

    @timewarp_test
    def test_error_replies(self):
        client = yield self.idle_client()
        self.device.broken["help"] = self.device.broken["sensor-list"] = ("fail", "Out of order.")
        with self.assertRaises(SyncError) as caught:
            yield client.inspect_requests()
        self.assertEqual(str(caught.exception), "Error reply during sync process for {}: !help[1] fail "
                                                "Out\\_of\\_order.".format(client.bind_address_string))
        with self.assertRaises(SyncError) as caught:
            yield client.inspect_sensors()
        self.assertEqual(str(caught.exception),
                         "Error reply during sync process: !sensor-list[2] fail Out\\_of\\_order.")
        # Only an answer to a question for one item.
        self.device.broken["help"] = ("fail", "Unknown request method.")
        self.device.broken["sensor-list"] = ("fail", "Unknown sensor name.")
        for inspect in client.inspect_requests, client.inspect_sensors:
            self.assertIsNone((yield inspect("unknown")))
            with self.assertRaises(SyncError):
                yield inspect()
        # Without a text, and not in UTF-8.
        for arguments in (("fail",), ("fail", b"\xff")):
            self.device.broken["help"] = self.device.broken["sensor-list"] = arguments
            for inspect in client.inspect_requests, client.inspect_sensors:
                for name in (None, "unknown"):
                    with self.assertRaises(SyncError):
                        yield inspect(name)

    @timewarp_test
    def test_nothing_changes_if_the_second_half_fails(self):
        client = yield self.idle_client()
        yield client.inspect()
        self.device.requests[b"new"] = b"New."
        self.device.requests[b"help"] = b"Modified."
        self.device.broken["sensor-list"] = ("fail", "Out of order.")
        before = client._requests_index, client._sensors_index
        told = {"requests": {"added": ["help", "watchdog"], "removed": []},
                "sensors": {"added": ["a.string", "an.int"], "removed": []}}
        for _ in range(2):
            with self.assertRaises(SyncError):
                yield client.inspect()
            self.assertEqual((client._requests_index, client._sensors_index), before)
            self.assertEqual(client._requests_index["help"]["description"], "Tell what one can do.\n")
            self.assertEqual(plain(client._unannounced.take()), told)
            told = None
        self.device.broken.clear()
        self.assertEqual(plain((yield client.inspect())),
                         {"requests": {"added": ["help", "new"], "removed": ["help"]}})
        self.assertEqual(client._requests_index["help"]["description"], "Modified.")

    @timewarp_test
    def test_objects_survive_a_failure(self):
        client = yield self.synced_client()
        sensor = yield client.future_get_sensor("an.int")
        request = yield client.future_get_request("help")

        class Trouble(Exception):
            pass

        inspect_sensors = client.inspect_sensors

        @gen.coroutine
        def inspect_and_fail(timeout=None):
            yield inspect_sensors(timeout=timeout)
            raise Trouble("Sorry")

        self.device.sensors[b"an.int"] = (b"Modified.", b"", b"integer")
        self.device.requests[b"help"] = b"Modified."
        client.inspect_sensors = inspect_and_fail
        with self.assertRaises(Trouble):
            yield client.inspect()
        self.assertIs((yield client.future_get_sensor("an.int")), sensor)
        self.assertIs((yield client.future_get_request("help")), request)
        self.assertIs(client._sensor_object_cache["an.int"], sensor)
        del client.inspect_sensors
        self.assertIn("sensors", (yield client.inspect()))

    @timewarp_test
    def test_timeouts(self):
        client = yield self.idle_client()
        self.device.held.update(["help", "sensor-list"])
        for inspect in client.inspect_requests, client.inspect_sensors:
            for timeout, seconds in ((0.25, 0.25), (None, 5), (0, 5)):
                inspection = inspect(timeout=timeout)
                yield self.move_clock(seconds - 0.001)
                yield self.iterations()
                self.assertFalse(inspection.done())
                yield self.move_clock(0.002)
                with self.assertRaises(SyncError):
                    yield inspection

    @timewarp_test
    def test_timeout_of_everything(self):
        client = yield self.idle_client()
        client.sync_timeout = 3
        self.device.held.update(["help", "sensor-list"])
        inspection = client.inspect()
        yield self.until_asked(1)
        yield self.move_clock(2)
        self.device.held.discard("help")
        self.device.release()
        self.device.held.add("sensor-list")
        yield self.until_asked(2)
        yield self.move_clock(0.9)
        yield self.iterations()
        self.assertFalse(inspection.done())
        yield self.move_clock(0.11)
        with self.assertRaises(SyncError):
            yield inspection

    @timewarp_test
    def test_lost_connection(self):
        client = yield self.idle_client()
        self.device.held.add("help")
        inspection = client.inspect()
        yield self.until_asked(1)
        self.device.server.wait_for_connection().close()
        with self.assertRaises(SyncError) as caught:
            yield inspection
        self.assertIn("Connection\\_closed", str(caught.exception))
        with self.assertRaises(SyncError) as caught:
            yield client.inspect()
        self.assertIn("Not\\_connected", str(caught.exception))

    @timewarp_test
    def test_informs_that_make_no_sense(self):
        client = yield self.idle_client()
        bad_text = b"\xff\xfe"
        answers = {
            "_help": [Message.inform("help"), Message.inform("help", "no-text"),
                      Message.inform("help", "good", "Good.", "more"),
                      Message.inform("help", "bad-text", bad_text)],
            "_sensor_list": [Message.inform("sensor-list", "few", "Few.", ""),
                             Message.inform("sensor-list", "good", "Good.", "", "string"),
                             Message.inform("sensor-list", "odd", "Odd.", "", "no-such-type"),
                             Message.inform("sensor-list", "bad", bad_text, "", "string")]}
        for method, informs in answers.items():
            name = method[1:].replace("_", "-")
            setattr(self.device, method,
                    lambda informs=informs, name=name: informs + [Message.reply(name, "ok", len(informs))])
        with CapturedLog("katcp.inspect_client") as log:
            changes = yield client.inspect()
        # On Python 2 native strings are bytes of any kind.
        self.assertEqual(plain(changes), {
            "requests": {"added": ["bad-text", "good"] if PY2 else ["good"], "removed": []},
            "sensors": {"added": ["bad", "good", "odd"] if PY2 else ["good", "odd"], "removed": []}})
        self.assertEqual(len(log.messages), 3 if PY2 else 5)
        for message in log.messages:
            self.assertIn("Ignoring an inform that cannot be understood", message)

    @timewarp_test
    def test_a_device_without_sensor_list_never_syncs(self):
        self.device.broken["sensor-list"] = ("invalid", "Unknown request.")
        client = self.make_client()
        with CapturedLog("katcp.inspect_client") as log:
            yield client.connect()
            while not log.messages:
                yield gen.moment
        self.assertIn("!sensor-list[2] invalid Unknown\\_request.", log.messages[0])


class TestTimeoutHints(InspectionTestCase):
    protocol = b"5.1-MIT"

    def setUp(self):
        super(TestTimeoutHints, self).setUp()
        self.device.hints = {b"watchdog": b"2.5", b"help": b"0"}

    @timewarp_test
    def test_hints(self):
        client = yield self.idle_client()
        yield client.inspect()
        self.assertEqual(client._requests_index["watchdog"]["timeout_hint"], 2.5)
        self.assertIsNone(client._requests_index["help"]["timeout_hint"])
        self.assertEqual(self.device.asked, ["?help", "?request-timeout-hint", "?sensor-list"])
        self.assertEqual((yield client._get_request_timeout_hints()), {"watchdog": 2.5})
        self.assertEqual((yield client._get_request_timeout_hints("watchdog")), {"watchdog": 2.5})

    @timewarp_test
    def test_one_request(self):
        client = yield self.idle_client()
        yield client.inspect_requests("watchdog")
        self.assertEqual(client._requests_index["watchdog"]["timeout_hint"], 2.5)
        self.assertEqual(self.device.asked, ["?help watchdog", "?request-timeout-hint watchdog"])

    @timewarp_test
    def test_unknown_request_is_not_asked_about_further(self):
        client = yield self.idle_client()
        self.assertIsNone((yield client.inspect_requests("unknown")))
        self.assertEqual(self.device.asked, ["?help unknown"])

    @timewarp_test
    def test_modified_hint(self):
        client = yield self.idle_client()
        yield client.inspect()
        self.device.hints[b"watchdog"] = b"3"
        self.assertEqual(plain((yield client.inspect())),
                         {"requests": {"added": ["watchdog"], "removed": ["watchdog"]}})
        self.assertEqual(client._requests_index["watchdog"]["timeout_hint"], 3.0)

    @timewarp_test
    def test_one_can_do_without(self):
        client = yield self.idle_client()
        self.device.broken["request-timeout-hint"] = ("fail", "Out of order.")
        with CapturedLog("katcp.inspect_client") as log:
            yield client.inspect()
        self.assertEqual(log.messages, [
            'Error retrieving request timeout hints: "!request-timeout-hint[2] fail Out\\_of\\_order."\n'
            'in reply to request ?request-timeout-hint[2], continuing with sync'])
        # An exception in a record would keep the client for as long as somebody keeps the record.
        self.assertEqual([type(record.msg) for record in log.records], [str])
        self.assertEqual([record.exc_info for record in log.records], [None])
        self.assertIsNone(client._requests_index["watchdog"]["timeout_hint"])
        with self.assertRaises(SyncError):
            yield client._get_request_timeout_hints()
        self.device.broken.clear()
        yield client.inspect()
        # What was known once is not given up.
        self.device.broken["request-timeout-hint"] = ("fail", "Out of order.")
        self.assertIsNone((yield client.inspect()))
        self.assertEqual(client._requests_index["watchdog"]["timeout_hint"], 2.5)

    @timewarp_test
    def test_hints_that_make_no_sense(self):
        client = yield self.idle_client()
        self.device.hints = {b"help": b"soon", b"watchdog": b"4"}
        with CapturedLog("katcp.inspect_client") as log:
            yield client.inspect()
        self.assertEqual(len(log.messages), 1)
        self.assertEqual(client._requests_index["watchdog"]["timeout_hint"], 4.0)

    @timewarp_test
    def test_timeout_is_for_all_of_it(self):
        client = yield self.idle_client()
        self.device.held.update(["help", "request-timeout-hint"])
        inspection = client.inspect_requests(timeout=2)
        yield self.until_asked(1)
        yield self.move_clock(1.5)
        self.device.held.discard("help")
        self.device.release()
        self.device.held.add("request-timeout-hint")
        yield self.until_asked(2)
        yield self.iterations()
        self.assertFalse(inspection.done())
        yield self.move_clock(0.5)
        yield inspection

    @timewarp_test
    def test_silence(self):
        client = yield self.idle_client()
        self.device.held.add("request-timeout-hint")
        inspection = client.inspect_requests(timeout=2)
        yield self.until_asked(2)
        yield self.move_clock(2)
        yield inspection
        self.assertEqual(sorted(client.requests), ["help", "watchdog"])


class TestUnannouncedItems(InspectingTestCase):
    """What was looked up one by one is told with the next changes."""

    @timewarp_test
    def test_told_with_the_next_changes(self):
        client = yield self.synced_client()
        self.device.sensors[b"new"] = self.device.sensors[b"brief"] = (b"New.", b"", b"string")
        yield client.future_get_sensor("new")
        yield client.future_get_sensor("brief")
        yield self.iterations()
        self.assertEqual(self.callback.told, [])
        del self.device.sensors[b"brief"]
        self.device.interface_changed()
        yield client.until_not_synced()
        yield client.until_synced()
        self.assertEqual(self.callback.told[1], ("TFTT", {"sensors": {"added": ["new"], "removed": []}}))
        self.callback.forget()
        self.device.interface_changed()
        yield client.until_not_synced()
        yield client.until_synced()
        self.assertEqual(self.callback.states, "TFFF TFFT TTFT")

    @timewarp_test
    def test_without_initial_inspection(self):
        client = yield self.synced_client(initial_inspection=False)
        yield client.future_get_sensor("an.int")
        self.assertEqual((client.sensors, client.requests), (["an.int"], []))
        self.device.interface_changed()
        yield client.until_not_synced()
        yield client.until_synced()
        self.assertEqual(self.callback.told[1][1]["sensors"]["added"], ["a.string", "an.int"])

    @timewarp_test
    def test_found_while_the_callback_fails(self):
        client = yield self.synced_client()

        @gen.coroutine
        def fail(state, _):
            if state == "TFTT":
                self.device.sensors[b"later"] = (b"New.", b"", b"string")
                yield client.future_get_sensor("later")
                raise ValueError("Sorry")

        self.device.sensors[b"new"] = (b"New.", b"", b"string")
        self.callback.react = fail
        with CapturedLog("katcp.inspect_client") as log:
            self.device.interface_changed()
            while not log.messages:
                yield gen.moment
        self.callback.react = None
        yield self.callback.until("TFFF", "TFTT", "FFFF")
        self.callback.forget()
        yield self.iterations(20)
        yield self.move_clock(0.5)
        yield client.katcp_client.until_connected()
        yield self.move_clock(100)
        yield client.until_synced()
        self.assertEqual(self.callback.told[1],
                         ("TFTT", {"sensors": {"added": ["later", "new"], "removed": []}}))
