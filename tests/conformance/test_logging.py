"""Section 6: the log of a device."""

from __future__ import absolute_import, division, print_function

import re

from tests.conformance.cases import DeviceTestCase, covers
from tests.support.logs import LogRecorder

LEVELS = [b"trace", b"debug", b"info", b"warn", b"error", b"fatal"]


class TestSection6(DeviceTestCase):
    def logged(self, level):
        """Set the level, have one message logged at each level, and return at which ones they came."""
        self.check((b"?log-level " + level, b"!log-level ok " + level))
        return [line.split(b" ")[1] for line in self.client.ask(b"?log")[:-1]]

    @covers("6-log", "6.1-levels", "6.2-reply")
    def test_levels(self):
        for number, level in enumerate(LEVELS):
            self.assertEqual(self.logged(level), LEVELS[number:])
        self.assertEqual(self.logged(b"off"), [])
        self.assertEqual(self.logged(b"all"), LEVELS)

    @covers("6-level")
    def test_complaints_about_messages_come_at_any_level(self):
        self.check((b"?log-level off", b"!log-level ok off"))
        self.client.send(b"not a message\n")
        self.assertTrue(self.client.line().startswith(b"#log error "))

    @covers("6-one-level", "8-log")
    def test_one_level_for_all_clients(self):
        other = self.connect()
        other.ask(b"?log-level error")
        self.check((b"?log-level", b"!log-level ok error"))
        lines = self.client.ask(b"?log")[:-1]
        self.assertEqual([line.split(b" ")[1] for line in lines], [b"error", b"fatal"])
        self.assertEqual(other.lines(2), lines)

    @covers("6-level-persists", "6.2-query")
    def test_the_level_persists(self):
        self.check((b"?log-level debug", b"!log-level ok debug"))
        self.client.close()
        self.client = self.connect()
        self.check((b"?log-level", b"!log-level ok debug"), (b"?log-level", b"!log-level ok debug"))

    @covers("6-second-log", "A.6-python-logging")
    def test_python_gets_the_messages_too(self):
        with LogRecorder("katcp.tests.device") as log:
            self.client.ask(b"?log-level info")
            self.client.ask(b"?log")
        self.assertEqual([message for message in log.messages if message.startswith("a ")],
                         ["a info", "a warn", "a error", "a fatal"])

    @covers("6.1-off-and-all")
    def test_messages_at_the_levels_off_and_all(self):
        self.client.ask(b"?log-level off")
        self.assertTrue(self.client.ask(b"?log-at off")[0].startswith(b"#log off "))
        self.client.ask(b"?log-level all")
        self.assertTrue(self.client.ask(b"?log-at all")[0].startswith(b"#log all "))

    @covers("6.3-log", "6.3-timestamp", "6.3-name", "6.3-timestamp-v4")
    def test_form_of_informs(self):
        for protocol, timestamp in (("5.0", br"\d{10}\.\d{6}"), ("4", br"\d{13}")):
            self.restart_as(protocol)
            line = self.client.ask(b"?log")[0]
            self.assertTrue(re.match(br"#log warn " + timestamp + br" a\.logger a\\_warn\Z", line), line)
