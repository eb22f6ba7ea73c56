"""Tests of the message recorder."""

from __future__ import absolute_import, division, print_function

import threading
import unittest

from katcp.message import Message
from katcp.testutils.recorder import MessageRecorder
from tests.support import mock

INFORM = Message.inform("an-inform", "some text", mid=1)
OTHER_INFORM = Message.inform("other-inform")
REPLY = Message.reply("a-reply", "ok")


class TestFilters(unittest.TestCase):
    def recorded(self, msg_types=(Message.INFORM, Message.REPLY), whitelist=(), regex_filter=None,
                 blacklist=()):
        recorder = MessageRecorder(msg_types, whitelist, regex_filter, blacklist)
        for msg in (INFORM, OTHER_INFORM, REPLY):
            recorder.append_msg(msg)
        return recorder.msgs

    def test_types(self):
        self.assertEqual(self.recorded(), [INFORM, OTHER_INFORM, REPLY])
        self.assertEqual(self.recorded(msg_types=[Message.REPLY]), [REPLY])

    def test_lists(self):
        self.assertEqual(self.recorded(whitelist=["an-inform", "a-reply"]), [INFORM, REPLY])
        self.assertEqual(self.recorded(blacklist=["an-inform"]), [OTHER_INFORM, REPLY])
        # In doubt, not.
        self.assertEqual(self.recorded(whitelist=["an-inform", "a-reply"], blacklist=["an-inform"]),
                         [REPLY])

    def test_regex_sees_the_wire_form(self):
        self.assertEqual(self.recorded(regex_filter=r"#an-inform\[1\] some\\_text$"), [INFORM])
        self.assertEqual(self.recorded(regex_filter="an-inform"), [])
        self.assertEqual(self.recorded(regex_filter=""), [INFORM, OTHER_INFORM, REPLY])

    def test_regex_and_lists(self):
        self.assertEqual(self.recorded(regex_filter="#", blacklist=["an-inform"]),
                         [INFORM, OTHER_INFORM])
        self.assertEqual(self.recorded(regex_filter="#", whitelist=["an-inform"]), [INFORM])

    def test_attributes(self):
        recorder = MessageRecorder([Message.REPLY], ["a"], "b", ["c"])
        self.assertEqual((recorder.msg_types, recorder.whitelist, recorder.blacklist),
                         ([Message.REPLY], ["a"], ["c"]))
        self.assertEqual(recorder.regex_filter.pattern, "b")
        self.assertIsNone(MessageRecorder([], [], "", []).regex_filter)


class TestWaiting(unittest.TestCase):
    def setUp(self):
        self.recorder = MessageRecorder([Message.INFORM], (), None, ())

    def test_wait_number(self):
        self.assertIs(self.recorder.wait_number(0, timeout=0), True)
        self.assertIs(self.recorder.wait_number(0, timeout=None), True)
        self.assertIsNone(self.recorder.wait_number(1, timeout=0.01))
        self.recorder.append_msg(INFORM)
        self.assertIs(self.recorder.wait_number(1, timeout=0), True)

    def test_get_msgs(self):
        self.assertEqual(self.recorder.get_msgs(), [])
        self.assertEqual(self.recorder.get_msgs(min_number=1, timeout=0), [])
        self.recorder.append_msg(INFORM)
        self.recorder.append_msg(OTHER_INFORM)
        self.assertEqual(self.recorder.get_msgs(min_number=1), [INFORM, OTHER_INFORM])
        self.assertEqual(self.recorder.get_msgs(), [])
        self.recorder.append_msg(INFORM)
        self.assertEqual(self.recorder(1, 0), [INFORM])
        self.assertEqual(self.recorder.msgs, [])

    def test_wakes_up_when_a_message_comes(self):
        def append(count):
            for _ in range(count):
                self.recorder.append_msg(INFORM)

        for timeout in (None, 10):
            thread = threading.Thread(target=append, args=[3])
            thread.start()
            self.assertIs(self.recorder.wait_number(3, timeout), True)
            thread.join()
            self.assertEqual(len(self.recorder.get_msgs()), 3)

    def test_nothing_is_lost(self):
        threads = [threading.Thread(target=lambda: [self.recorder.append_msg(INFORM)
                                                    for _ in range(500)]) for _ in range(3)]
        for thread in threads:
            thread.start()
        received = 0
        while received < 1500:
            msgs = self.recorder.get_msgs(min_number=1, timeout=10)
            self.assertTrue(msgs)
            received += len(msgs)
        for thread in threads:
            thread.join()
        self.assertEqual(received, 1500)

    def test_notifies_of_what_is_recorded(self):
        appended = self.recorder._appended = mock.MagicMock()
        self.recorder.append_msg(REPLY)
        self.assertFalse(appended.notify_all.called)
        self.recorder.append_msg(INFORM)
        appended.notify_all.assert_called_once_with()

    def test_event_is_pulsed(self):
        self.recorder.msg_received = mock.Mock()
        self.recorder.append_msg(REPLY)
        self.assertEqual(self.recorder.msg_received.mock_calls, [])
        self.recorder.append_msg(INFORM)
        self.assertEqual(self.recorder.msg_received.mock_calls, [mock.call.set(), mock.call.clear()])
