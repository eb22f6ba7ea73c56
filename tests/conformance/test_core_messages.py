"""Sections 4 and 5: what every device answers, and what comes with flags."""

from __future__ import absolute_import, division, print_function

import re

import katcp
from katcp.core import Message, ProtocolFlags
from katcp.kattypes import request, request_timeout_hint, return_reply
from tests.conformance.cases import NO_FLAGS, Device, DeviceTestCase, covers


class Queue(object):
    def __init__(self):
        self.items = []

    def put_nowait(self, item):
        self.items.append(item)


class TestSection4_1(DeviceTestCase):
    @covers("4.1-plain-replies", "4.1-watchdog", "4.1-restart-reply")
    def test_plain_replies(self):
        self.server.set_restart_queue(Queue())
        self.check((b"?watchdog", b"!watchdog ok"), (b"?restart", b"!restart ok"), (b"?halt", b"!halt ok"))

    @covers("4.1-surplus-arguments")
    def test_surplus_arguments(self):
        # Standard requests ignore them, those with typed parameters refuse them.
        self.check((b"?watchdog a b", b"!watchdog ok"),
                   (b"?log-level warn b", b"!log-level ok warn"),
                   (b"?sensor-value an.int b", [b"#sensor-value 12345.000000 1 an.int nominal 3",
                                                b"!sensor-value ok 1"]))
        self.assertEqual(self.client.ask(b"?help watchdog b")[-1], b"!help ok 1")
        self.assertEqual(self.client.ask(b"?sensor-list an.int b")[-1], b"!sensor-list ok 1")
        self.assertEqual(self.client.ask(b"?client-list b")[-1], b"!client-list ok 1")
        self.assertEqual(self.client.ask(b"?version-list b")[-1], b"!version-list ok 3")
        self.assert_fails(b"?int 1 2")
        self.assert_fails(b"?sensor-sampling an.int auto 1")
        self.assert_fails(b"?sensor-sampling-clear 1")
        self.check((b"?halt b", b"!halt ok"))

    @covers("4.1-halt", "4.2-disconnect")
    def test_halt(self):
        other = self.connect()
        self.client.send(b"?halt\n")
        farewell = b"#disconnect Device\\_server\\_shutting\\_down.\n\n"
        self.assertEqual(self.client.rest(), b"!halt ok\n" + farewell)
        self.assertEqual(other.rest(), farewell)
        self.server.join(timeout=10)
        self.assertFalse(self.server.running())

    @covers("4.1-help", "4.1-help-inform")
    def test_help(self):
        lines = self.client.ask(b"?help")
        self.assertEqual(lines.pop(), b"!help ok %d" % len(lines))
        self.assertEqual(sorted(line.split(b" ")[1].decode("ascii") for line in lines),
                         sorted(self.server._request_handlers))
        for line in lines:
            self.assertEqual(len(line.split(b" ")), 3, line)

    @covers("4.1-help-one", "4.1-help-unknown")
    def test_help_for_one_request(self):
        self.check((b"?help int", [b"#help int Return\\_an\\_integer.", b"!help ok 1"]))
        self.assert_fails(b"?help no-such-request")
        self.assert_fails(b"?help \\@")

    @covers("4.1-help-syntax")
    def test_help_is_written_as_docstrings_are(self):
        text = self.client.ask(b"?help log-level")[0]
        self.assertTrue(re.search(br"Parameters\\n(\\_)*----------\\n", text), text)
        self.assertNotIn(b"?log-level\\_[", text)

    @covers("4.1-restart")
    def test_restart_is_left_to_others(self):
        self.assert_fails(b"?restart")
        queue = Queue()
        self.server.set_restart_queue(queue)
        self.check((b"?restart", b"!restart ok"), (b"?watchdog", b"!watchdog ok"))
        self.assertEqual(queue.items, [self.server])

    @covers("4.1-version-list", "4.1-version-list-all", "4.2-version-connect", "4.2-katcp-library",
            "4.2-katcp-device", "4.2-more-versions")
    def test_versions(self):
        self.server.extra_versions["a.part"] = ("1.2", "serial-3")
        self.server.extra_versions["another.part"] = ("1.3", None)
        greeting = [line.split(b" ", 1)[1] for line in self.connect(greeted=False).lines(3)]
        lines = self.client.ask(b"?version-list")
        self.assertEqual(lines.pop(), b"!version-list ok 5")
        listed = [line.split(b" ", 1)[1] for line in lines]
        version = katcp.__version__.encode("ascii")
        self.assertEqual(listed, [b"katcp-protocol 5.0-IM",
                                  b"katcp-library katcp-python-" + version + b" " + version,
                                  b"katcp-device dev-api-5.6 dev-build-1.2g",
                                  b"a.part 1.2 serial-3", b"another.part 1.3"])
        self.assertEqual(greeting, listed[:3])


class TestSection4_2(DeviceTestCase):
    def make_server(self):
        server = super(TestSection4_2, self).make_server()
        server._server.MAX_MSG_SIZE = 1000
        return server

    @covers("4.2-disconnect")
    def test_too_long_a_line(self):
        self.client.send(b"?echo " + b"x" * 1000 + b"\n")
        log, farewell = self.client.rest().splitlines()
        self.assertTrue(log.startswith(b"#log error "), log)
        self.assertTrue(farewell.startswith(b"#disconnect Message\\_too\\_long:"), farewell)

    @covers("4.2-disconnect")
    def test_failing_connect_hook(self):
        def fail(client_conn):
            raise ValueError("no room")

        self.server.on_client_connect = fail
        farewell = self.connect(greeted=False).rest().splitlines()[-1]
        self.assertTrue(farewell.startswith(b"#disconnect Device\\_error"), farewell)
        self.assertIn(b"no\\_room", farewell)

    @covers("4.2-disconnect-slow-client")
    def test_client_that_does_not_read(self):
        self.server._server.MAX_WRITE_BUFFER_SIZE = 10000
        client = self.connect()
        inform = Message.inform("news", "x" * 5000)
        while len(self.server._client_conns) == 2:
            self.server.mass_inform(inform)
            self.client.line()
        self.assertNotIn(b"#disconnect", client.rest())

    @covers("4.2-disconnect", "2.1-blank-lines-sent")
    def test_stop(self):
        self.stop_server()
        # The last line is empty.
        self.assertEqual(self.client.rest(), b"#disconnect Device\\_server\\_shutting\\_down.\n\n")

    @covers("4.2-disconnect-after-eof")
    def test_end_of_input(self):
        self.client.send(b"?watchdog\n")
        self.client.shut_down_sending()
        self.assertEqual(self.client.rest(), b"!watchdog ok\n")

    @covers("4.2-flag-m", "9-second-client", "9-no-multi-client", "9-sampling")
    def test_clients_without_the_flag_m(self):
        self.restart_as(NO_FLAGS)
        self.client.ask(b"?sensor-sampling an.int event")
        other = self.connect()
        self.assertEqual(other.ask(b"?sensor-sampling an.int"), [b"!sensor-sampling ok an.int none"])
        self.assertEqual(other.ask(b"?client-list")[-1], b"!client-list ok 2")
        # The first client is still served, and has its strategy.
        self.check((b"?watchdog", b"!watchdog ok"),
                   (b"?sensor-sampling an.int", b"!sensor-sampling ok an.int event"))

    @covers("4.2-flags-t-b", "5-flags")
    def test_flags(self):
        self.assert_fails(b"?request-timeout-hint", b"invalid")
        self.assert_fails(b"?sensor-sampling an.int,a.float event")
        self.restart_as("5.1")
        self.assertEqual(self.client.ask(b"?request-timeout-hint")[-1], b"!request-timeout-hint ok 0")
        self.assertEqual(self.client.ask(b"?sensor-sampling an.int,a.float event")[-1],
                         b"!sensor-sampling ok an.int,a.float event")

    @covers("4.2-katcp-protocol")
    def test_flags_are_unique(self):
        self.assertEqual(str(ProtocolFlags(5, 0, [b"M", b"M", b"I"])), "5.0-IM")

    @covers("4.2-interface-changed")
    def test_changes_of_the_interface_are_not_told(self):
        self.server.remove_sensor("an.int")
        self.server.add_sensor(katcp.Sensor.integer("another.int"))
        self.check((b"?watchdog", b"!watchdog ok"))

    @covers("4.2.1-version", "4.2.1-build-state")
    def test_greeting_in_version_4(self):
        self.restart_as("4")
        client = self.connect(greeted=False)
        self.assertEqual(client.lines(2), [b"#version dev-api-5.6", b"#build-state dev-build-1.2g"])
        self.assertEqual(client.ask(b"?version-list"), [b"!version-list invalid Unknown\\_request."])


class Hinting(Device):
    PROTOCOL_INFO = ProtocolFlags(5, 1, [ProtocolFlags.MULTI_CLIENT, ProtocolFlags.MESSAGE_IDS,
                                         ProtocolFlags.REQUEST_TIMEOUT_HINTS])

    @request_timeout_hint(30)
    @request()
    @return_reply()
    def request_slow(self, req):
        """Take half a minute."""
        return ["ok"]


class TestSection5(DeviceTestCase):
    device_class = Hinting

    @covers("5.1-hints", "5.1-one-hint", "5.1-unknown")
    def test_timeout_hints(self):
        self.check((b"?request-timeout-hint",
                    [b"#request-timeout-hint slow 30.0", b"!request-timeout-hint ok 1"]),
                   (b"?request-timeout-hint slow",
                    [b"#request-timeout-hint slow 30.0", b"!request-timeout-hint ok 1"]),
                   (b"?request-timeout-hint[2] help",
                    [b"#request-timeout-hint[2] help 0.0", b"!request-timeout-hint[2] ok 1"]))
        self.assert_fails(b"?request-timeout-hint no-such-request")

    @covers("4.1-surplus-arguments")
    def test_surplus_arguments(self):
        self.assert_fails(b"?request-timeout-hint help 1")

    @covers("5.1-empty-name")
    def test_empty_name(self):
        self.check((b"?request-timeout-hint \\@",
                    [b"#request-timeout-hint slow 30.0", b"!request-timeout-hint ok 1"]))
