"""Replies without message ids that come after their requests have timed out."""

from __future__ import absolute_import, division, print_function

import logging

from tornado import gen
from tornado.testing import gen_test

from katcp.client import AsyncClient, BlockingClient, Message
from katcp.client.pending import MAX_TIMEOUTS_IN_A_ROW
from tests.support.client_cases import CapturedLog, Recorder, ServerMixin, ThreadedTestCase
from tests.support.clock import TimewarpAsyncTestCase
from tests.support.scripted_server import V4_GREETING, V5_GREETING, no_reply


class ReplacedSteps(AsyncClient):
    """A client whose replies go through its methods one by one."""

    def handle_message(self, msg):
        return AsyncClient.handle_message(self, msg)

    def handle_reply(self, msg):
        return AsyncClient.handle_reply(self, msg)

    def send_message(self, msg):
        return AsyncClient.send_message(self, msg)


class LateRepliesTestCase(ServerMixin, TimewarpAsyncTestCase):
    client_class = AsyncClient
    greeting = V4_GREETING

    def setUp(self):
        super(LateRepliesTestCase, self).setUp()
        self.server = self.make_server(greeting=self.greeting, answer=no_reply)
        self.client = self.client_class(*self.server.address)
        self.client.set_ioloop(self.io_loop)
        self.client.unhandled_inform, self.client.unhandled_reply = Recorder(), Recorder()
        self.client.start()
        self.io_loop.run_sync(self.client.until_protocol)
        self.now = 0

    def tearDown(self):
        self.client.stop()
        self.io_loop.run_sync(self.client.until_stopped)
        super(LateRepliesTestCase, self).tearDown()

    def request(self, name="read", mid=None, timeout=5, use_mid=None):
        return self.client.future_request(Message.request(name, mid=mid), timeout, use_mid)

    @gen.coroutine
    def advance(self, seconds):
        self.now += seconds
        yield self.set_ioloop_time(self.now)

    @gen.coroutine
    def until_reconnected(self):
        made = self.server.connections_made
        yield self.client._waiting_to_retry.until_set()
        yield self.advance(1)
        yield self.client.until_connected()
        self.server.wait_for(lambda server: server.connections_made == made + 1)

    @gen.coroutine
    def answer_with(self, data):
        """Send lines, and return when the client has handled them."""
        seen = self.client.unhandled_inform
        seen.calls = []
        self.server.connections[-1].send(data + b"#end\n")
        while not seen.messages[-1:] == [b"#end"]:
            yield gen.moment
        del seen.calls[-1]

    @gen.coroutine
    def time_out(self, name="read"):
        future = self.request(name)
        yield self.advance(6)
        reply, _ = yield future
        self.assertIn(b"timed out", reply.arguments[1])

    def assert_late(self, *lines):
        self.assertEqual(self.client.unhandled_reply.messages, list(lines))
        self.client.unhandled_reply.calls = []


class TestLateReplies(LateRepliesTestCase):
    @gen_test(timeout=1000)
    def test_after_the_next_request_was_sent(self):
        yield self.time_out()
        future = self.request()
        with CapturedLog("katcp.client", logging.INFO) as log:
            yield self.answer_with(b"#read late\n!read ok late\n#read 1\n!read ok right\n")
        reply, informs = yield future
        self.assertEqual(str(reply), "!read ok right")
        self.assertEqual([str(inform) for inform in informs], ["#read 1"])
        # They go where replies and informs go that belong to no request.
        self.assertEqual(self.client.unhandled_inform.messages, [b"#read late"])
        self.assert_late(b"!read ok late")
        record, = log.records
        self.assertEqual((record.levelname, record.args), ("INFO", ()))
        self.assertEqual(record.msg, "Reply from %s came after its request had timed out: !read ok late"
                         % self.client.bind_address_string)

    @gen_test(timeout=1000)
    def test_logged_once(self):
        del self.client.unhandled_reply
        yield self.time_out()
        with CapturedLog("katcp.client", logging.INFO) as log:
            yield self.answer_with(b"!read ok late\n!read ok nobody's\n")
        self.assertEqual([message.split(" from ")[0] for message in log.messages],
                         ["Reply", "Unexpected reply"])

    @gen_test(timeout=1000)
    def test_before_the_next_request_is_sent(self):
        yield self.time_out()
        yield self.answer_with(b"!read ok late\n")
        self.assert_late(b"!read ok late")
        future = self.request()
        yield self.answer_with(b"!read ok right\n")
        self.assertEqual(str((yield future)[0]), "!read ok right")
        yield self.answer_with(b"!read ok more\n")
        self.assert_late(b"!read ok more")

    @gen_test(timeout=1000)
    def test_each_reply_comes_while_the_next_request_waits(self):
        for number in range(8):
            future = self.request()
            if number:
                yield self.answer_with(b"!read ok %d\n" % (number - 1))
                self.assert_late(b"!read ok %d" % (number - 1))
            self.assertFalse(future.done())
            yield self.advance(6)
            self.assertTrue(future.done())
        future = self.request()
        yield self.answer_with(b"!read ok 7\n!read ok 8\n")
        self.assertEqual(str((yield future)[0]), "!read ok 8")

    @gen_test(timeout=1000)
    def test_as_many_as_are_owed(self):
        for _ in range(3):
            yield self.time_out()
        yield self.time_out("other")
        futures = [self.request(), self.request()]
        yield self.answer_with(b"!read ok a\n!read ok b\n!read ok c\n!read ok 1\n!read ok 2\n")
        self.assertEqual([str(future.result()[0]) for future in futures], ["!read ok 1", "!read ok 2"])
        self.assert_late(b"!read ok a", b"!read ok b", b"!read ok c")

    @gen_test(timeout=1000)
    def test_younger_request_times_out_first(self):
        older, younger = self.request(timeout=100), self.request(timeout=1)
        yield self.advance(2)
        self.assertTrue(younger.done())
        youngest = self.request(timeout=100)
        yield self.answer_with(b"#read x\n!read ok older\n#read y\n!read ok younger\n"
                               b"#read z\n!read ok youngest\n")
        self.assertEqual([str(inform) for inform in older.result()[1]], ["#read x"])
        self.assertEqual(str(older.result()[0]), "!read ok older")
        self.assertEqual([str(inform) for inform in youngest.result()[1]], ["#read z"])
        self.assertEqual(str(youngest.result()[0]), "!read ok youngest")
        self.assert_late(b"!read ok younger")

    @gen_test(timeout=1000)
    def test_requests_with_callbacks_and_without(self):
        seen = Recorder()
        for callbacks in ((), (Recorder(),), (None, Recorder())):
            self.client.callback_request(Message.request("read"), *callbacks, timeout=1)
        yield self.advance(2)
        self.client.callback_request(Message.request("read"), seen, seen, timeout=1)
        yield self.answer_with(b"!read ok a\n!read ok b\n!read ok c\n#read 1\n!read ok d\n")
        self.assertEqual(seen.messages, [b"#read 1", b"!read ok d"])
        self.assert_late(b"!read ok a", b"!read ok b", b"!read ok c")

    @gen_test(timeout=1000)
    def test_cancelled_request(self):
        for times_out in (False, True):
            self.request().cancel()
            if times_out:
                yield self.advance(6)
            future = self.request()
            yield self.answer_with(b"#read a\n!read ok cancelled\n#read b\n!read ok right\n")
            reply, informs = yield future
            self.assertEqual(str(reply), "!read ok right")
            self.assertEqual([str(inform) for inform in informs], ["#read b"])

    @gen_test(timeout=1000)
    def test_request_that_could_not_be_sent(self):
        with self.assertRaises(Exception):
            self.client.callback_request(Message.inform("read"))
        self.client.future_request(Message.request("read", mid=5))
        future = self.request()
        yield self.answer_with(b"!read ok right\n")
        self.assertEqual(str((yield future)[0]), "!read ok right")

    @gen_test(timeout=1000)
    def test_another_connection_owes_nothing(self):
        yield self.time_out()
        for close in (lambda: self.server.connections[0].close(), self.client.disconnect):
            close()
            yield self.until_reconnected()
            future = self.request()
            yield self.answer_with(b"!read ok right\n")
            self.assertEqual(str((yield future)[0]), "!read ok right")
            yield self.time_out()

    @gen_test(timeout=1000)
    def test_bounded(self):
        for number in range(1100):
            self.client.callback_request(Message.request("read"), timeout=1)
            self.client.callback_request(Message.request("read-%d" % number), timeout=1)
        yield self.advance(2)
        pending = self.client._pending
        self.assertEqual((pending.queue, pending.id_stack), ({}, {}))
        self.assertLessEqual(len(pending.owed), 1000)

    # --- a server that has lost a reply ---

    @gen.coroutine
    def be_one_behind(self, times):
        yield self.time_out()
        for _ in range(times):
            future = self.request()
            yield self.answer_with(b"!read ok\n")
            yield self.advance(6)
            self.assertTrue(future.done())

    @gen_test(timeout=1000)
    def test_lost_reply(self):
        yield self.be_one_behind(MAX_TIMEOUTS_IN_A_ROW - 1)
        self.assertTrue(self.client.is_connected())
        with CapturedLog("katcp.client") as log:
            future = self.request()
            yield self.answer_with(b"!read ok\n")
            yield self.advance(6)
        self.assertIn(b"timed out", future.result()[0].arguments[1])
        self.assertFalse(self.client.is_connected())
        self.assertEqual([(record.levelname, record.msg, record.args) for record in log.records], [(
            "WARNING", "Replies of %s to ?read come too late, or one of them got lost: 10 requests in a row "
            "had none in time. Connecting anew." % self.client.bind_address_string, ())])
        yield self.until_reconnected()
        future = self.request()
        yield self.answer_with(b"!read ok right\n")
        self.assertEqual(str((yield future)[0]), "!read ok right")

    @gen_test(timeout=1000)
    def test_slow_server_is_connected_to_once_more_only(self):
        yield self.be_one_behind(MAX_TIMEOUTS_IN_A_ROW)
        self.assertFalse(self.client.is_connected())
        yield self.until_reconnected()
        yield self.be_one_behind(2 * MAX_TIMEOUTS_IN_A_ROW)
        self.assertTrue(self.client.is_connected())

    @gen_test(timeout=1000)
    def test_replies_in_time_in_between(self):
        for _ in range(2):
            yield self.be_one_behind(MAX_TIMEOUTS_IN_A_ROW - 1)
            future = self.request()
            yield self.answer_with(b"!read ok a\n!read ok b\n")
            self.assertEqual(str((yield future)[0]), "!read ok b")
            # A server that says nothing at all is another matter.
            for _ in range(MAX_TIMEOUTS_IN_A_ROW + 1):
                yield self.time_out()
            yield self.answer_with((MAX_TIMEOUTS_IN_A_ROW + 1) * b"!read ok\n")
        self.assertTrue(self.client.is_connected())

    @gen_test(timeout=1000)
    def test_client_that_does_not_reconnect(self):
        self.client._auto_reconnect = False
        with CapturedLog("katcp.client") as log:
            yield self.be_one_behind(2 * MAX_TIMEOUTS_IN_A_ROW)
        self.assertTrue(self.client.is_connected())
        self.assertEqual(len(log.records), 1)


class TestServerWithIds(LateRepliesTestCase):
    greeting = V5_GREETING

    @gen_test(timeout=1000)
    def test_requests_without_ids(self):
        self.client.callback_request(Message.request("read"), timeout=1, use_mid=False)
        yield self.advance(2)
        with_id, without = self.request(mid=7), self.request(use_mid=False)
        yield self.answer_with(b"!read ok late\n!read[7] ok x\n!read ok y\n")
        self.assertEqual([str(future.result()[0]) for future in (with_id, without)],
                         ["!read[7] ok x", "!read ok y"])

    @gen_test(timeout=1000)
    def test_requests_with_ids_owe_nothing(self):
        self.request()
        yield self.advance(6)
        future = self.request(use_mid=False)
        yield self.answer_with(b"!read ok right\n!read[1] ok late\n")
        self.assertEqual(str((yield future)[0]), "!read ok right")


class TestLateRepliesStepByStep(TestLateReplies):
    client_class = ReplacedSteps


class TestBlockingRequests(ThreadedTestCase):
    def test_late_reply(self):
        for use_mid in (None, False):
            server = self.make_server(greeting=V4_GREETING, answer=no_reply)
            client = self.start_client(BlockingClient, server)
            self.assertTrue(client.wait_protocol(5))
            late = client.unhandled_reply = Recorder()
            reply, _ = client.blocking_request(Message.request("read"), timeout=0.01, use_mid=use_mid)
            self.assertIn(b"timed out", reply.arguments[1])
            server.wait_for(lambda server: server.lines)
            server.answer = lambda line: b"#read a\n!read ok late\n#read b\n!read ok right\n"
            reply, informs = client.blocking_request(Message.request("read"), timeout=5, use_mid=use_mid)
            self.assertEqual(str(reply), "!read ok right")
            self.assertEqual([str(inform) for inform in informs], ["#read b"])
            self.assertEqual(late.messages, [b"!read ok late"])
