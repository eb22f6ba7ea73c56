"""Inspecting clients: setting many sampling strategies in few requests."""

from __future__ import absolute_import, division, print_function

import unittest

from tornado import gen

from katcp.inspecting import bulk_sampling
from katcp.inspecting.bulk_sampling import group_strategies, split
from katcp.message import Message
from tests.support import mock
from tests.support.inspecting_cases import InspectingTestCase, timewarp_test

EVENT = ("event",)
PERIOD = ("period", 2.5)


class TestGrouping(unittest.TestCase):
    def test_equal_strategies_are_put_together(self):
        other = ("period", "3")
        self.assertEqual(group_strategies([("a", EVENT), ("b", PERIOD), ("c", EVENT), ("d", other)]),
                         [(["a", "c"], EVENT), (["b"], PERIOD), (["d"], other)])
        self.assertEqual(group_strategies([]), [])

    def test_names_have_a_limit(self):
        strategies = [(name, EVENT) for name in ("aaa", "bbb", "ccc", "ddd")]
        for limit, groups in ((15, [["aaa", "bbb", "ccc", "ddd"]]), (14, [["aaa", "bbb", "ccc"], ["ddd"]]),
                              (7, [["aaa", "bbb"], ["ccc", "ddd"]]),
                              (6, [["aaa"], ["bbb"], ["ccc"], ["ddd"]]),
                              (1, [["aaa"], ["bbb"], ["ccc"], ["ddd"]])):
            self.assertEqual([names for names, _ in group_strategies(strategies, limit)], groups)
            for names in groups:
                self.assertTrue(len(",".join(names)) <= limit or len(names) == 1)

    def test_bytes_count(self):
        self.assertEqual(len(group_strategies([(u"\u00e9", EVENT), (u"\u00e8", EVENT)], 4)), 2)
        self.assertEqual(len(group_strategies([(u"\u00e9", EVENT), (u"\u00e8", EVENT)], 5)), 1)

    def test_split(self):
        self.assertEqual(split([1, 2, 3], 2), [[1], [2], [3]])
        self.assertEqual(split(list(range(10)), 4), [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]])
        self.assertEqual(sum(split(list(range(1000))), []), list(range(1000)))
        self.assertEqual(len(split(list(range(1000)))), bulk_sampling.PARTS_OF_REFUSED)


class BulkTestCase(InspectingTestCase):
    def setUp(self):
        super(BulkTestCase, self).setUp()
        self.refused = set()
        self.device._sensor_sampling = self.sample

    def sample(self, names, *strategy):
        if self.refused.intersection(names.split(b",")):
            return [Message.reply("sensor-sampling", "fail", "Unknown sensor names.")]
        return [Message.reply("sensor-sampling", "ok", names, *strategy)]

    @property
    def sampling(self):
        return [line for line in self.device.asked if line.startswith("?sensor-sampling")]


class TestBulkSampling(BulkTestCase):
    protocol = b"5.1-MIB"

    @timewarp_test
    def test_few_requests(self):
        client = yield self.synced_client()
        answers = yield client.set_sampling_strategies(
            [("a", EVENT), ("b", PERIOD), ("c", ["event"]), (u"d", (b"period", b"2.5"))])
        self.assertEqual(self.sampling, ["?sensor-sampling a,c event", "?sensor-sampling b,d period 2.5"])
        self.assertEqual(sorted(answers), ["a", "b", "c", "d"])
        for name, (reply, informs) in answers.items():
            self.assertTrue(reply.reply_ok())
            self.assertIn(name, reply.arguments[1].decode("ascii").split(","))
            self.assertEqual(informs, [])

    @timewarp_test
    def test_mapping(self):
        client = yield self.synced_client()
        answers = yield client.set_sampling_strategies({"a": EVENT})
        self.assertEqual(list(answers), ["a"])
        self.assertEqual((yield client.set_sampling_strategies({})), {})

    @timewarp_test
    def test_thousands_of_sensors(self):
        client = yield self.synced_client()
        names = ["sensor.number.{:05d}".format(number) for number in range(10000)]
        answers = yield client.set_sampling_strategies((name, EVENT) for name in names)
        self.assertEqual(list(answers), names)
        self.assertLess(len(self.sampling), 15)
        for line in self.sampling:
            self.assertLess(len(line), bulk_sampling.MAX_NAMES_LENGTH + 40)

    @timewarp_test
    def test_one_refused(self):
        client = yield self.synced_client()
        names = ["sensor.{:04d}".format(number) for number in range(1000)]
        self.refused.add(b"sensor.0567")
        answers = yield client.set_sampling_strategies((name, EVENT) for name in names)
        self.assertEqual([name for name in names if not answers[name][0].reply_ok()], ["sensor.0567"])
        self.assertEqual(sorted(answers), names)
        self.assertLess(len(self.sampling), 40)

    @timewarp_test
    def test_all_refused(self):
        client = yield self.synced_client()
        self.device.broken["sensor-sampling"] = ("fail", "No.")
        answers = yield client.set_sampling_strategies((str(number), EVENT) for number in range(100))
        self.assertEqual(len(answers), 100)
        self.assertFalse(any(reply.reply_ok() for reply, _ in answers.values()))
        self.assertLess(len(self.sampling), 115)

    @timewarp_test
    def test_not_wanted_any_more(self):
        client = yield self.synced_client()
        self.device.held.add("sensor-sampling")
        self.refused.add(b"a")
        unwanted = set()
        setting = client.set_sampling_strategies({"a": EVENT, "b": EVENT, "c": EVENT},
                                                 is_wanted=lambda name: name not in unwanted)
        unwanted.add("b")
        yield self.until_asked(3)
        self.device.release()
        answers = yield setting
        self.assertEqual(sorted(answers), ["a", "c"])
        self.assertTrue(answers["c"][0].reply_ok())
        self.assertEqual(sorted(self.sampling[1:]), ["?sensor-sampling a event", "?sensor-sampling c event"])

    @timewarp_test
    def test_silence_is_no_refusal(self):
        client = yield self.synced_client()
        self.device.held.add("sensor-sampling")
        future = client.set_sampling_strategies({"a": EVENT, "b": EVENT}, timeout=2)
        yield self.until_asked(3)
        yield self.move_clock(2)
        answers = yield future
        self.assertEqual(len(self.sampling), 1)
        for reply, _ in answers.values():
            self.assertIn(b"timed out", reply.arguments[1])

    @timewarp_test
    def test_lost_connection_is_no_refusal(self):
        client = yield self.synced_client()
        self.device.held.add("sensor-sampling")
        future = client.set_sampling_strategies({"a": EVENT, "b": EVENT})
        yield self.until_asked(3)
        self.device.server.wait_for_connection().close()
        answers = yield future
        self.assertEqual(len(self.sampling), 1)
        self.assertIn(b"Connection closed", answers["a"][0].arguments[1])
        answers = yield client.set_sampling_strategies({"a": EVENT, "b": EVENT})
        self.assertIn(b"Not connected", answers["a"][0].arguments[1])

    @timewarp_test
    def test_refused_without_a_timeout_of_ones_own(self):
        client = yield self.synced_client()
        self.refused.add(b"b")
        answers = yield client.set_sampling_strategies({"a": EVENT, "b": EVENT}, timeout=None)
        self.assertEqual([answers[name][0].reply_ok() for name in ("a", "b")], [True, False])

    @timewarp_test
    def test_failing_requests(self):
        client = yield self.synced_client()
        failed = gen.maybe_future(None)

        @gen.coroutine
        def fail(*args, **kwargs):
            yield failed
            raise KeyError("Sorry")

        with mock.patch.object(client.katcp_client, "future_request", fail):
            with self.assertRaises(KeyError):
                yield client.set_sampling_strategies({"a": EVENT, "b": PERIOD})


class TestSingleSampling(BulkTestCase):
    """The device takes one name in a request."""

    @timewarp_test
    def test_requests_are_pipelined(self):
        client = yield self.synced_client()
        self.device.held.add("sensor-sampling")
        future = client.set_sampling_strategies((str(number), EVENT) for number in range(200))
        yield self.until_asked(2 + bulk_sampling.MAX_OUTSTANDING)
        yield self.iterations(20)
        self.assertEqual(len(self.sampling), bulk_sampling.MAX_OUTSTANDING)
        self.refused.add(b"150")
        self.device.release()
        answers = yield future
        self.assertEqual(self.sampling, ["?sensor-sampling {} event".format(number) for number in range(200)])
        self.assertEqual([name for name, (reply, _) in answers.items() if not reply.reply_ok()], ["150"])

    @timewarp_test
    def test_answers_that_are_there_at_once(self):
        client = yield self.synced_client()
        answer = (Message.reply("sensor-sampling", "ok"), [])
        with mock.patch.object(client.katcp_client, "future_request",
                               lambda *args, **kwargs: gen.maybe_future(answer)):
            future = client.set_sampling_strategies((str(number), EVENT) for number in range(5000))
            self.assertTrue(future.done())
            self.assertEqual(len((yield future)), 5000)
