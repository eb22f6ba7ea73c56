"""The table of pending requests, and their deadlines."""

from __future__ import absolute_import, division, print_function

import random
import unittest
import weakref

from katcp import compat
from katcp.client import KatcpClientError, Message
from katcp.client.pending import DeadlineQueue, PendingRequests, with_handle
from tests.support.clock import HandClock


class TestPendingRequests(unittest.TestCase):
    def setUp(self):
        self.pending = PendingRequests()

    def add(self, name, mid, internal=None):
        request = Message.request(name, mid=mid)
        entry = (request, None, None, None, None)
        self.pending.add(self.pending.key_for(request.mid or internal, request), entry)
        return entry

    def take(self, msg):
        return self.pending.take(msg)

    def test_informs_need_no_more_than_the_id(self):
        self.add("aaa", 1)
        self.add("aaa", None, b"1")
        for name in ("aaa", "bbb"):
            self.assertEqual(self.pending.find(Message.inform(name, mid=1)), b"1")
            self.assertIsNone(self.pending.find(Message.inform(name, mid=2)))
        self.assertEqual(self.pending.find(Message.inform("aaa")), (b"1",))
        self.assertIsNone(self.pending.find(Message.inform("bbb")))

    def test_ids_and_names_of_replies_must_match(self):
        entry = self.add("aaa", 1)
        self.assertIsNone(self.take(Message.reply("bbb", "ok", mid=1)))
        self.assertIsNone(self.take(Message.reply("aaa", "ok", mid=2)))
        self.assertIsNone(self.take(Message.reply("aaa", "ok")))
        self.assertIs(self.take(Message.reply("aaa", "ok", mid=1)), entry)
        self.assertEqual(self.pending.queue, {})

    def test_internal_ids_are_no_message_ids(self):
        internal = self.add("aaa", None, b"1")
        external = self.add("aaa", 1)
        self.assertIs(self.take(Message.reply("aaa", mid=1)), external)
        self.assertIsNone(self.take(Message.reply("aaa", mid=1)))
        self.assertIs(self.take(Message.reply("aaa")), internal)

    def test_oldest_without_id(self):
        with_id = self.add("aaa", 1)
        first, second = self.add("aaa", None, b"2"), self.add("aaa", None, b"3")
        other = self.add("bbb", None, b"4")
        self.assertIs(self.take(Message.reply("aaa")), first)
        self.assertIs(self.take(Message.reply("aaa")), second)
        self.assertIsNone(self.take(Message.reply("aaa")))
        self.assertIs(self.take(Message.reply("bbb")), other)
        self.assertEqual(self.pending.id_stack, {})
        self.assertEqual(list(self.pending.queue.values()), [with_id])

    def test_duplicate_id(self):
        entry = self.add("aaa", 1)
        with self.assertRaises(KatcpClientError):
            self.add("aaa", 1)
        self.assertEqual(list(self.pending.queue.values()), [entry])

    def test_any_order_of_timeouts_and_replies(self):
        for seed in range(200):
            chance = random.Random(seed)
            self.pending.remove_all()
            number = 0
            sent = {"aaa": [], "bbb": []}  # entries in the order of the server's replies, and their keys
            pending = []
            for _ in range(60):
                name = chance.choice("ab") * 3
                what = chance.randrange(4)
                if what == 0:
                    number += 1
                    entry = self.add(name, None, b"%d" % number)
                    pending.append(((b"%d" % number,), entry))
                    sent[name].append(entry)
                elif what == 1 and pending:
                    key, entry = pending.pop(chance.randrange(len(pending)))
                    self.pending.expect_late_reply(key)
                    self.assertIs(self.pending.remove(key), entry)
                elif what == 2 and pending and chance.random() < 0.3:
                    # Never sent.
                    key, entry = pending.pop(chance.randrange(len(pending)))
                    self.pending.remove(key)
                    sent[entry[0].name] = [item for item in sent[entry[0].name] if item is not entry]
                elif what == 3 and sent[name]:
                    entry = sent[name].pop(0)
                    in_time = [item for item in pending if item[1] is entry]
                    found = self.pending.find(Message.inform(name))
                    self.assertEqual(found, in_time[0][0] if in_time else None)
                    self.assertEqual(self.pending.is_late(name), not in_time)
                    if in_time:
                        self.assertIs(self.take(Message.reply(name)), entry)
                        pending.remove(in_time[0])
            for name, entries in sent.items():
                for entry in entries:
                    if not self.pending.is_late(name):
                        self.assertIs(self.take(Message.reply(name)), entry)
                self.assertFalse(self.pending.is_late(name))
            self.assertEqual((self.pending.queue, self.pending.id_stack, self.pending.owed), ({}, {}, {}))

    def test_remove_all_keeps_the_order(self):
        entries = [self.add("aaa", 9), self.add("aaa", None, b"1"), self.add("bbb", 2),
                   self.add("aaa", None, b"3")]
        self.assertEqual(self.pending.remove_all(), entries)
        self.assertEqual((self.pending.queue, self.pending.id_stack), ({}, {}))


class Key(object):
    """Can be weakly referenced."""


class TestDeadlineQueue(unittest.TestCase):
    def setUp(self):
        self.pending = compat.ordered_dict()
        self.passed = []
        self.loop = compat.new_ioloop()
        self.addCleanup(self.loop.close)
        self.clock = HandClock(1000)
        self.clock.install(self.loop)
        self.queue = DeadlineQueue(self.pass_, self.pending)

    def pass_(self, key, start_time):
        self.passed.append((key, start_time))
        self.pending.pop(key)

    def add(self, timeout, key):
        now = self.loop.time()
        deadline = [now + timeout, key, now]
        self.pending[key] = (None, None, None, None, deadline)
        self.queue.add(deadline, now, self.loop)

    def advance(self, to):
        self.clock.now = to
        self.loop.add_callback(self.loop.add_callback, self.loop.stop)
        self.loop.start()

    def test_order(self):
        for timeout, key in ((3, "c"), (1, "a"), (5, "d"), (1, "b"), (7, "e"), (0, "now")):
            self.add(timeout, key)
        self.advance(1000)
        self.assertEqual(self.passed, [("now", 1000)])
        self.advance(1000.9)
        self.assertEqual(len(self.passed), 1)
        self.advance(1001)
        self.assertEqual(self.passed[1:], [("a", 1000), ("b", 1000)])
        self.advance(1005)
        self.assertEqual(self.passed[3:], [("c", 1000), ("d", 1000)])
        self.advance(1006.9)
        self.assertEqual(len(self.passed), 5)
        self.advance(1007)
        self.assertEqual(self.passed[5:], [("e", 1000)])

    def test_answered_ones_do_not_pass(self):
        self.add(1, "a")
        self.add(2, "b")
        self.add(3, "c")
        del self.pending["a"], self.pending["b"]
        self.advance(1001)
        self.assertEqual(self.queue._timer_time, 1003)
        self.advance(1003)
        self.assertEqual(self.passed, [("c", 1000)])

    def test_answered_ones_have_no_timer(self):
        for key in "abcd":
            self.add(1 + len(self.pending), key)
        self.advance(1001)
        del self.pending["b"], self.pending["c"]
        self.advance(1002)
        self.assertEqual(self.queue._timer_time, 1004)

    def test_handle_can_be_given_to_the_loop(self):
        self.add(1, "a")
        self.add(2, "b")
        self.loop.remove_timeout(with_handle(self.pending["a"])[-1])
        self.advance(1002)
        self.assertEqual(self.passed, [("b", 1000)])

    def test_handles(self):
        for deadline in (None, "somebody's own"):
            entry = (1, 2, 3, 4, deadline)
            self.assertIs(with_handle(entry), entry)
        self.add(1, "a")
        handle = with_handle(self.pending["a"])[-1]
        self.assertIsNone(handle.callback)
        handle.callback = None
        self.add(2, "b")
        self.advance(1002)
        self.assertEqual(self.passed, [("b", 1000)])

    def test_clear(self):
        self.add(1, "a")
        del self.pending["a"]
        self.queue.clear()
        self.assertIsNone(self.queue._timer)
        self.advance(1002)
        self.assertEqual(self.passed, [])
        self.add(1, "b")
        self.advance(1003)
        self.assertEqual(self.passed, [("b", 1002)])

    def test_clock_that_is_set_back(self):
        self.add(1, "a")
        self.add(5, "b")
        self.clock.now = 10
        self.add(3, "c")
        self.advance(11)
        self.assertEqual(self.passed, [("a", 10)])
        self.advance(15)
        self.assertEqual(self.passed[1:], [("c", 10), ("b", 10)])

    def test_order_after_the_clock_was_set_back(self):
        self.add(100, "long")
        self.add(1, "a")
        self.clock.now = 10
        for timeout, key in ((5, "d"), (3, "c"), (2, "b"), (200, "longer"), (6, "e")):
            self.add(timeout, key)
        for now, keys in ((11, "a"), (12, "b"), (13, "c"), (15, "d"), (16, "e")):
            self.advance(now)
            self.assertEqual(self.passed.pop(), (keys, 10))
            self.assertEqual(self.passed, [])
        self.advance(210)
        self.assertEqual(self.passed, [("long", 10), ("longer", 10)])

    def test_any_order(self):
        rng = random.Random(3)
        timeouts = [rng.randrange(50) for _ in range(400)]
        for key, timeout in enumerate(timeouts):
            self.add(timeout, key)
        self.advance(1050)
        in_order = sorted(range(400), key=lambda key: timeouts[key])
        self.assertEqual([key for key, _ in self.passed], in_order)

    def test_nothing_is_kept_of_requests(self):
        for number in range(3000):
            self.add(5, number)
            del self.pending[number]
        for key in (Key(), Key()):
            self.add(5, key)
            del self.pending[key]
            gone = weakref.ref(key)
        del key
        self.assertIsNone(gone())

    def test_requests_are_looked_through_once_in_a_timeout(self):
        looks = []
        look = self.queue._look
        self.queue._look = lambda: (looks.append(self.clock.now), look())
        for number in range(3000):
            self.clock.now += 0.01
            self.add(5, number)
        for _ in range(3000):
            self.advance(self.clock.now + 0.01)
        self.assertEqual(len(self.passed), 3000)
        self.assertLessEqual(len(looks), 8)

    def test_timeouts_that_never_end(self):
        self.add(float("nan"), "strange")
        self.add(2, "b")
        self.add(float("inf"), "for ever")
        self.add(1, "a")
        self.advance(1001)
        self.advance(1002)
        self.assertEqual([key for key, _ in self.passed], ["a", "b"])
        self.assertEqual(list(self.pending), ["strange", "for ever"])
        self.assertIsNone(self.queue._timer)

    def test_other_handles(self):
        self.pending["other"] = (None, None, None, None, object())
        self.add(1, "a")
        self.advance(1001)
        self.assertEqual([key for key, _ in self.passed], ["a"])

    def test_what_passes_may_add(self):
        def pass_(key, start_time):
            self.pass_(key, start_time)
            if key == "a":
                self.add(1, "again")
                self.pending.pop("b")

        self.queue._passed = pass_
        self.add(1, "a")
        self.add(1, "b")
        self.advance(1001)
        self.assertEqual(self.passed, [("a", 1000)])
        self.advance(1002)
        self.assertEqual(self.passed[1:], [("again", 1001)])
