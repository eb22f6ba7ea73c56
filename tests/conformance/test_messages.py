# -*- coding: utf-8 -*-
"""Sections 1 and 2: the protocol of messages, as devices speak it."""

from __future__ import absolute_import, division, print_function

import logging
import re
import time

from katcp.core import KatcpSyntaxError, Message, MessageParser, Sensor
from tests.conformance.cases import NO_FLAGS, DeviceTestCase, covers
from tests.support.logs import LogRecorder
from tests.support.raw_client import RawClient

LOG_ERROR_RE = re.compile(br"#log error \d+\.\d{6} root [^ ]+\Z")


class TestSection1(DeviceTestCase):
    @covers("1-required-requests")
    def test_required_requests(self):
        listed = [line.split(b" ")[1] for line in self.client.ask(b"?help")[:-1]]
        for name in (b"halt", b"help", b"log-level", b"restart", b"sensor-list", b"sensor-sampling",
                     b"sensor-value", b"version-list", b"watchdog"):
            self.assertIn(name, listed)

    @covers("1-required-informs")
    def test_required_informs(self):
        client = self.connect(greeted=False)
        client.send(b"not a message\n?sensor-sampling an.int auto\n")
        lines = client.until(b"!sensor-sampling")
        self.stop_server()
        lines.append(client.line())
        names = set([re.match(b"#([a-z-]+)", line).group(1) for line in lines if line[:1] == b"#"])
        self.assertEqual(names, set([b"version-connect", b"log", b"sensor-status", b"disconnect"]))

    @covers("1-one-client-module")
    def test_clients_are_served_side_by_side(self):
        other = self.connect()
        self.check((b"?watchdog", b"!watchdog ok"))
        self.assertEqual(other.ask(b"?client-list")[-1], b"!client-list ok 2")

    @covers("1.1-version", "4.2-katcp-protocol")
    def test_version_is_told(self):
        for protocol, expected in (("5.0", b"5.0-IM"), ("5.1", b"5.1-BIMT"), (NO_FLAGS, b"5.0")):
            self.restart_as(protocol)
            greeting = self.connect(greeted=False).lines(3)
            self.assertIn(b"#version-connect katcp-protocol " + expected, greeting)

    @covers("1.1-seconds", "1.1-utc")
    def test_seconds_since_the_epoch(self):
        before = time.time()
        self.server.get_sensor("an.int").set_value(4)
        self.client.send(b"not a message\n?sensor-value an.int\n")
        log, value = self.client.lines(2)
        for timestamp in (log.split(b" ")[2], value.split(b" ")[1]):
            self.assertTrue(before - 1e-6 <= float(timestamp) <= time.time(), timestamp)


class TestSection2(DeviceTestCase):
    @covers("2-tcp", "2-lines", "2-types", "2-symmetric")
    def test_lines_over_tcp(self):
        self.client.send(b"?watchdog\n#an-inform 1\n!a-reply ok\n?sensor-list an.int\n")
        lines = self.client.lines(3)
        self.assertEqual([line[:1] for line in lines], [b"!", b"#", b"!"])

    @covers("2-reply-from-device", "2-reply-name")
    def test_each_request_is_replied_to(self):
        for name in (b"watchdog", b"fail", b"raise", b"no-such-request", b"int"):
            self.assertTrue(self.client.ask(b"?" + name)[-1].startswith(b"!" + name + b" "))

    @covers("2-no-reply-to-informs", "2-unexpected-informs")
    def test_informs_are_not_replied_to(self):
        self.client.send(b"#watchdog\n#no-such-inform 1 2\n?watchdog\n")
        self.assertEqual(self.client.line(), b"!watchdog ok")

    @covers("2-no-unasked-replies")
    def test_one_reply_per_request(self):
        self.client.send(b"?twice\n?watchdog\n")
        self.assertEqual(self.client.lines(2), [b"!twice ok 1", b"!watchdog ok"])

    @covers("2-return-code")
    def test_codes_are_not_checked(self):
        self.client.send(b"?reply-with\n")
        self.assertEqual(self.client.line(), b"!reply-with")
        self.check((b"?reply-with odd", b"!reply-with odd"),
                   (b"?reply-with 1 2", b"!reply-with 1 2"),
                   (b"?checked ok x", b"!checked ok x"),
                   (b"?checked fail x", b"!checked fail x"))
        self.assertIn(b"must\\_be\\_'ok'\\_or\\_'fail'", self.assert_fails(b"?checked odd x"))

    @covers("2-ok")
    def test_ok_means_success(self):
        self.assertTrue(Message.reply("x", "ok").reply_ok())
        for code in ("OK", "fail", "invalid", "okay", ""):
            self.assertFalse(Message.reply("x", code).reply_ok())
        self.assertFalse(Message.reply("x").reply_ok())

    @covers("2-invalid")
    def test_bad_arguments_are_failures(self):
        self.assert_fails(b"?no-such-request", b"invalid")
        for line in (b"?int", b"?int x", b"?int 1 2", b"?bool 2", b"?log-level loud", b"?sensor-sampling"):
            self.assert_fails(line, b"fail")

    @covers("2-fail")
    def test_fail(self):
        self.assert_fails(b"?fail")
        self.assert_fails(b"?raise")

    @covers("2-failure-text")
    def test_texts_of_failures_are_not_demanded(self):
        self.check((b"?reply-with fail", b"!reply-with fail"),
                   (b"?reply-with invalid", b"!reply-with invalid"))
        self.assertIn(b"ValueError", self.assert_fails(b"?checked fail"))

    @covers("2-bad-line-at-device")
    def test_bad_lines_are_logged_to_the_client(self):
        for line in (b"^foo", b"?", b"foo bar", b"?foo \\x", b"?foo[1][2]", b"?fo_o\xff", b"? foo"):
            self.client.send(line + b"\n")
            self.assertTrue(LOG_ERROR_RE.match(self.client.line()), line)

    @covers("2-reply-at-device")
    def test_unexpected_replies_are_logged_by_the_device_alone(self):
        with LogRecorder("katcp.tests.device") as log:
            self.client.send(b"!watchdog ok\n!no-such-request[3] ok\n")
            self.check((b"?echo", b"!echo ok"))
        warnings = [record.getMessage() for record in log.records if record.levelno == logging.WARNING]
        self.assertEqual(warnings, ["watchdog INVALID: Unknown reply.",
                                    "no-such-request INVALID: Unknown reply."])

    @covers("2-human-readable")
    def test_texts_are_not_restricted_to_ascii(self):
        text = u"d\xe9sol\xe9".encode("utf-8")
        self.check((b"?fail", b"!fail fail " + text))
        self.server.add_sensor(Sensor.integer("french", text))
        self.check((b"?sensor-list french",
                    [b"#sensor-list french " + text + b" \\@ integer", b"!sensor-list ok 1"]))
        self.server.log_text = u"d\xe9sol\xe9"
        self.assertTrue(self.client.ask(b"?log-at error")[0].endswith(b" root " + text))


class TestSection2_1(DeviceTestCase):
    def parsed(self, line):
        msg = MessageParser().parse(line)
        return msg.mtype, msg.name, msg.mid, msg.arguments

    @covers("2.1-name")
    def test_names(self):
        for name in (b"a", b"Z9", b"a-b-", b"a--1"):
            self.check((b"?" + name + b"[1]", b"!" + name + b"[1] invalid Unknown\\_request."))
        for name in (b"1a", b"-a", b"a.b", b"\xc3\xa9", b""):
            with self.assertRaises(KatcpSyntaxError):
                self.parsed(b"?" + name)

    @covers("2.1-id-zeros")
    def test_ids_with_zeros_are_kept(self):
        self.check((b"?watchdog[007]", b"!watchdog[007] ok"), (b"?watchdog[00]", b"!watchdog[00] ok"),
                   # Names that the parser has not seen go another way.
                   (b"?unheard-of[007]", b"!unheard-of[007] invalid Unknown\\_request."))

    @covers("2.1-whitespace")
    def test_whitespace(self):
        self.check((b"?echo \t a\tb  c \t", b"!echo ok a b c"), (b"?echo ", b"!echo ok"))

    @covers("2.1-line-end")
    def test_line_ends(self):
        self.client.send(b"?echo 1\r?echo 2\n?echo 3\r\n")
        self.assertEqual(self.client.lines(3), [b"!echo ok 1", b"!echo ok 2", b"!echo ok 3"])

    @covers("2.1-escapes", "2.1-specials", "3-escaped")
    def test_escapes(self):
        self.check((b"?echo \\\\\\_\\0\\n\\r\\e\\t", b"!echo ok \\\\\\_\\0\\n\\r\\e\\t"))
        self.assertEqual(self.parsed(b"#x \\\\\\_\\0\\n\\r\\e\\t")[3], [b"\\ \0\n\r\x1b\t"])
        for code in bytearray(range(256)):
            if code not in bytearray(b"\\_0nret@"):
                with self.assertRaises(KatcpSyntaxError):
                    self.parsed(b"#x a\\" + bytes(bytearray([code])))
        for special in (b"\0", b"\x1b", b"\n", b"\r"):
            with self.assertRaises(KatcpSyntaxError):
                self.parsed(b"#x a" + special + b"b")

    @covers("2.1-plain")
    def test_all_other_bytes(self):
        plain = bytes(bytearray([code for code in range(256) if code not in bytearray(b"\\ \0\n\r\x1b\t")]))
        self.check((b"?echo " + plain, b"!echo ok " + plain))

    @covers("2.1-empty-argument", "2.1-empty-escape", "2.1-empty-escape-sent")
    def test_empty_escape(self):
        self.check((b"?echo \\@ a\\@b \\@\\@", b"!echo ok \\@ ab \\@"))

    @covers("2.1-blank-lines")
    def test_blank_lines(self):
        self.client.send(b"\n \n\t \n\r\n?watchdog\n")
        self.assertEqual(self.client.line(), b"!watchdog ok")

    @covers("2.1-lower-case-constants")
    def test_constants_are_lower_case(self):
        self.assert_fails(b"?WATCHDOG", b"invalid")
        self.assert_fails(b"?log-level INFO")
        self.assert_fails(b"?sensor-sampling an.int AUTO")
        for line in self.client.ask(b"?sensor-list")[:-1]:
            stype = line.split(b" ")[4]
            self.assertEqual(stype, stype.lower())
        names = [line.split(b" ")[1] for line in self.client.ask(b"?help")[:-1]]
        self.assertEqual([name for name in names if name != name.lower()], [b"UPPER"])

    @covers("2.1-lower-case-names")
    def test_names_in_capitals_are_handled(self):
        self.check((b"?UPPER", b"!UPPER ok"), (b"?upper", b"!upper invalid Unknown\\_request."))
        self.assertEqual(bytes(Message.inform("UPPER")), b"#UPPER")


class TestSection2_2(DeviceTestCase):
    @covers("2.2-reply")
    def test_replies_have_the_id(self):
        self.check((b"?watchdog[1]", b"!watchdog[1] ok"),
                   (b"?no-such[2147483647]", b"!no-such[2147483647] invalid Unknown\\_request."))
        self.assertTrue(self.client.ask(b"?raise[5]")[0].startswith(b"!raise[5] fail "))

    @covers("2.2-range")
    def test_any_digits_are_an_id(self):
        for mid in (b"0", b"2147483648", b"9" * 30):
            self.check((b"?watchdog[" + mid + b"]", b"!watchdog[" + mid + b"] ok"))
            self.assertEqual(Message.request("x", mid=mid).mid, mid)
        for mid in (b"-1", b"", b"1.0", b"+1", b"a"):
            self.client.send(b"?watchdog[" + mid + b"]\n")
            self.assertTrue(LOG_ERROR_RE.match(self.client.line()), mid)

    @covers("2.2-not-unique")
    def test_an_id_twice(self):
        self.client.send(b"?echo[1] a\n?echo[1] b\n")
        self.assertEqual(self.client.lines(2), [b"!echo[1] ok a", b"!echo[1] ok b"])

    @covers("2.2-server-without-ids")
    def test_ids_where_there_should_be_none(self):
        for protocol in ("4", NO_FLAGS):
            self.restart_as(protocol)
            self.check((b"?watchdog[7]", b"!watchdog[7] ok"),
                       (b"?sensor-list[8] unbounded",
                        [b"#sensor-list[8] unbounded An\\_Integer\\_without\\_range. \\@ integer",
                         b"!sensor-list[8] ok 1"]))


class TestSection2_3(DeviceTestCase):
    @covers("2.3-before-reply", "2.3-count", "2.3-name", "2.3-id")
    def test_informs_of_replies(self):
        for name in (b"help", b"sensor-list", b"sensor-value", b"client-list", b"version-list"):
            lines = self.client.ask(b"?" + name + b"[12]")
            self.assertEqual(lines.pop().split(b" "), [b"!" + name + b"[12]", b"ok", b"%d" % len(lines)])
            for line in lines:
                self.assertTrue(line.startswith(b"#" + name + b"[12] "), line)

    @covers("2.3-name-of-others")
    def test_names_of_other_informs_are_not_checked(self):
        self.check((b"?impersonate watchdog 1", [b"#watchdog 1", b"!impersonate ok"]))


class TestWithoutGreeting(DeviceTestCase):
    @covers("8-shared")
    def test_commands_are_accepted_from_everyone(self):
        others = [RawClient(self.server.bind_address) for _ in range(3)]
        for client in others:
            self.addCleanup(client.close)
            client.lines(3)
        for number, client in enumerate(others):
            self.assertEqual(client.ask(b"?int %d" % number), [b"!int ok %d" % number])
