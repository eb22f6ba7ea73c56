"""What a client makes of what a server says about its protocol, without any server."""

from __future__ import absolute_import, division, print_function

import unittest

from katcp.client import AsyncClient, DeviceClient, KatcpVersionError, Message, ProtocolFlags
from tests.support import mock

V5_IDS = "#version-connect katcp-protocol 5.0-I"


def message(text):
    parts = text.split(" ")
    return Message.inform(parts[0][1:], *parts[1:])


class ClientTestCase(unittest.TestCase):
    def setUp(self):
        self.client = DeviceClient("localhost", 0)
        self.client._logger = mock.Mock()
        self.client._disconnect = mock.Mock()

    def say(self, *informs):
        for inform in informs:
            self.client.handle_message(message(inform))

    def assert_protocol(self, major, ids, flags=None):
        self.assertTrue(self.client._received_protocol_info.isSet())
        self.assertEqual(self.client.protocol_flags.major, major)
        self.assertEqual(self.client._server_supports_ids, ids)
        if flags is not None:
            self.assertEqual(str(self.client.protocol_flags), flags)

    def assert_quiet(self):
        self.assertEqual(self.client._logger.warn.call_count, 0)
        self.assertEqual(self.client._logger.error.call_count, 0)
        self.assertEqual(self.client._disconnect.call_count, 0)
        self.assertTrue(self.client._auto_reconnect)

    def assert_conflict(self):
        self.assertEqual(self.client._logger.error.call_count, 1)
        self.assertIn("Protocol Version Error", self.client._logger.error.call_args[0][0])
        self.assertEqual(self.client._disconnect.call_count, 1)
        self.assertFalse(self.client._auto_reconnect)

    def assert_warnings(self, number):
        self.assertEqual(self.client._logger.warn.call_count, number)
        if number:
            self.assertIn("Protocol Version Warning", self.client._logger.warn.call_args[0][0])
        self.assertEqual(self.client._disconnect.call_count, 0)
        self.assertTrue(self.client._auto_reconnect)


class TestDetection(ClientTestCase):
    def test_nothing_is_known_at_first(self):
        self.assertFalse(self.client._received_protocol_info.isSet())
        self.assertIsNone(self.client.protocol_flags)
        self.assertFalse(self.client._server_supports_ids)
        self.assertEqual(self.client.versions, {})

    def test_version_5(self):
        self.say(V5_IDS)
        self.assert_protocol(5, True, "5.0-I")
        self.assertEqual(self.client.convert_seconds(1), 1)
        self.assert_quiet()

    def test_version_4(self):
        for informs in (["#version x", "#build-state y"], ["#build-state y", "#version x"],
                        ["#version"], ["#build-state a b c"]):
            self.setUp()
            self.say(*informs)
            self.assert_protocol(4, False, "4.0")
            self.assertEqual(self.client.convert_seconds(1), 1000)
            self.assert_quiet()

    def test_version_4_announced_more_precisely(self):
        for informs in (["#version x", "#version-connect katcp-protocol 4.9-M"],
                        ["#version-connect katcp-protocol 4.9-M", "#version x", "#build-state y"],
                        ["#build-state y", "#version x", "#version-connect katcp-protocol 4.9-M",
                         "#version-connect katcp-protocol 4.9-M"]):
            self.setUp()
            self.say(*informs)
            self.assert_protocol(4, False, "4.9-M")
            self.assert_quiet()

    def test_contradictions(self):
        for informs, flags in ((["#version x", V5_IDS], "5.0-I"),
                               ([V5_IDS, "#version x"], "4.0"),
                               ([V5_IDS, "#build-state x", "#version x"], "4.0"),
                               (["#version-connect katcp-protocol 5.0-M",
                                 "#version-connect katcp-protocol 5.0-MI"], "5.0-IM"),
                               (["#version-connect katcp-protocol 4.9-M",
                                 "#version-connect katcp-protocol 4.8-M"], "4.8-M"),
                               (["#version x", "#version-connect katcp-protocol 4.9-M",
                                 "#version-connect katcp-protocol 4.8-M"], "4.8-M")):
            self.setUp()
            self.say(*informs)
            self.assert_conflict()
            # The new flags are adopted anyway.
            self.assertEqual(str(self.client.protocol_flags), flags)

    def test_error_names_flags_and_inform(self):
        self.say("#version x", V5_IDS)
        text = self.client._logger.error.call_args[0][0]
        self.assertIn("'4.0'", text)
        self.assertIn(V5_IDS, text)

    def test_same_again_is_no_contradiction(self):
        self.say(V5_IDS, V5_IDS)
        self.assert_protocol(5, True)
        self.assert_quiet()

    def test_versions(self):
        self.say("#version-connect katcp-library lib-1.0 build", V5_IDS, "#version-connect short",
                 "#version-connect device dev-2.0 ser-1 extra")
        self.assertEqual(self.client.versions, {
            "katcp-library": ("lib-1.0", "build"), "katcp-protocol": ("5.0-I",),
            "device": ("dev-2.0", "ser-1", "extra")})
        self.assertEqual(self.client.versions.device[0], "dev-2.0")
        for build in self.client.versions["katcp-library"]:
            self.assertIs(type(build), str)

    def test_other_versions_say_nothing_about_the_protocol(self):
        self.say("#version-connect not-katcp 5.71a3")
        self.assertFalse(self.client._received_protocol_info.isSet())
        self.assertEqual(self.client._logger.error.call_count, 0)

    def test_unknown_protocol(self):
        self.say("#version-connect katcp-protocol gibberish")
        self.assert_protocol(0, False, "0.0")
        self.assertEqual(self.client.convert_seconds(1.2345), 1234)

    def test_impossible_flags_are_not_adopted(self):
        self.say("#version-connect katcp-protocol 4.0-I")
        self.assertFalse(self.client._received_protocol_info.isSet())
        self.assertEqual(self.client._logger.error.call_count, 1)
        self.assertEqual(self.client.versions["katcp-protocol"], ("4.0-I",))

    def test_number_of_versions_is_bounded(self):
        for number in range(2000):
            self.say("#version-connect part-%d 1" % number)
        self.assertEqual(len(self.client.versions), 1000)
        self.say("#version-connect part-7 2")
        self.assertEqual(self.client.versions["part-7"], ("2",))

    def test_build_that_is_not_utf8(self):
        self.client.handle_message(Message.inform("version-connect", "katcp-device", b"1.0", b"\xff\xfe"))
        self.assertEqual(self.client.versions["katcp-device"][0], "1.0")
        self.client.handle_message(Message.inform("version-connect", b"\xff", b"1.0"))
        self.say(V5_IDS)
        self.assert_protocol(5, True)
        self.client.handle_message(Message.inform("version-connect", "katcp-protocol", b"5.0-\xff"))
        self.assert_conflict()


class TestPreset(ClientTestCase):
    def test_preset(self):
        self.client.preset_protocol_flags(ProtocolFlags(5, 0, [ProtocolFlags.MESSAGE_IDS]))
        self.assert_protocol(5, True, "5.0-I")
        self.client._received_protocol_info.clear()
        self.client.preset_protocol_flags(ProtocolFlags(4, 0, ""))
        self.assert_protocol(4, False, "4.0")

    def test_contradictions_are_ignored(self):
        self.client.preset_protocol_flags(ProtocolFlags(4, 0, ""))
        self.say(V5_IDS)
        self.assert_warnings(1)
        self.assert_protocol(4, False, "4.0")
        self.say("#version x", "#build-state y")
        self.assert_warnings(1)

    def test_version_4_contradicts_5(self):
        self.client.preset_protocol_flags(ProtocolFlags(5, 0, [ProtocolFlags.MESSAGE_IDS]))
        self.say(V5_IDS)
        self.assert_warnings(0)
        for number, inform in enumerate(["#build-state x", "#version x",
                                         "#version-connect katcp-protocol 5.0"]):
            self.say(inform)
            self.assert_warnings(number + 1)
            self.assert_protocol(5, True, "5.0-I")

    def test_versions_are_still_noted(self):
        self.client.preset_protocol_flags(ProtocolFlags(4, 0, ""))
        self.say("#version-connect device dev-1")
        self.assertEqual(self.client.versions["device"], ("dev-1",))

    def test_logger_without_warn(self):
        self.client._logger = mock.Mock(spec=["warning", "error", "debug", "isEnabledFor"])
        self.client.preset_protocol_flags(ProtocolFlags(4, 0, ""))
        self.say(V5_IDS)
        self.assertEqual(self.client._logger.warning.call_count, 1)

    def test_no_flags(self):
        with self.assertRaises(AttributeError):
            self.client.protocol_flags = None
        with self.assertRaises(AttributeError):
            self.client.convert_seconds(1)


class TestNewConnection(ClientTestCase):
    """A server may come back with another version."""

    def test_other_version(self):
        self.say(V5_IDS)
        self.client._forget_connection_protocol()
        # The flags are still there to be looked at, but ids are not used before they are announced.
        self.assertEqual(self.client.protocol_flags.major, 5)
        self.assertFalse(self.client._server_supports_ids)
        self.assertFalse(self.client._received_protocol_info.isSet())
        self.say("#version x")
        self.assert_protocol(4, False)
        self.assert_quiet()
        self.client._forget_connection_protocol()
        self.say(V5_IDS)
        self.assert_protocol(5, True)
        self.assert_quiet()

    def test_preset_holds(self):
        self.client.preset_protocol_flags(ProtocolFlags(5, 0, [ProtocolFlags.MESSAGE_IDS]))
        self.client._forget_connection_protocol()
        self.assert_protocol(5, True)

    def test_new_run_reconnects_again(self):
        self.say("#version x", V5_IDS)
        self.assertFalse(self.client._auto_reconnect)
        self.client._forget_protocol()
        self.assertTrue(self.client._auto_reconnect)
        self.client._auto_reconnect = False  # as the user wants it
        self.client._forget_protocol()
        self.assertFalse(self.client._auto_reconnect)
        self.say("#version x", V5_IDS)
        self.client._forget_protocol()
        self.assertFalse(self.client._auto_reconnect)


class TestConvertSeconds(ClientTestCase):
    def test_conversion(self):
        for flags, seconds, expected in (((5, 0), 1, 1), ((5, 0), 1.5, 1.5), ((6, 0), 2, 2),
                                         ((4, 0), 1, 1000), ((4, 0), 1.5, 1500.0),
                                         ((3, 0), 1.2345, 1234), ((3, 0), 1, 1000)):
            self.client.protocol_flags = ProtocolFlags(flags[0], flags[1], "")
            converted = self.client.convert_seconds(seconds)
            self.assertEqual(converted, expected)
            self.assertIs(type(converted), type(expected))


class TestSendRequest(unittest.TestCase):
    def test_ids_need_a_server_that_supports_them(self):
        client = DeviceClient("localhost", 0)
        client.send_message = mock.Mock()
        with self.assertRaises(KatcpVersionError):
            client.send_request(Message.request("watchdog", mid=55))
        self.assertFalse(client.send_message.called)
        client._server_supports_ids = True
        request = Message.request("watchdog", mid=55)
        client.send_request(request)
        self.assertEqual(client.send_message.call_args, mock.call(request))

    def test_only_requests(self):
        client = DeviceClient("localhost", 0)
        client.send_message = mock.Mock()
        for msg in (Message.reply("watchdog", "ok"), Message.inform("watchdog")):
            with self.assertRaises(AssertionError):
                client.send_request(msg)


class TestUnstarted(unittest.TestCase):
    def test_every_attribute_can_be_read(self):
        for client in (DeviceClient("host", 1), AsyncClient("host", 1)):
            stand_in = mock.Mock(spec_set=client)
            stand_in.versions = {}
            stand_in.last_connect_time = 1.0
            for name in dir(client):
                getattr(client, name)
