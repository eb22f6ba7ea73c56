"""Tests of katcp.client.steps: whatever is put in the place of a client's methods is called."""

from __future__ import absolute_import, division, print_function

import logging

from tornado import gen
from tornado.testing import gen_test

from katcp import compat
from katcp.client import AsyncClient, DeviceClient, Message
from katcp.client import steps
from katcp.client.blocking_requests import BlockingRequests
from katcp.client.pending import DeadlineQueue
from katcp.line_connection import LineConnection
from tests.support import mock
from tests.support.client_cases import LIMIT, CapturedLog, LoopTestCase, ServerMixin
from tests.support.scripted_server import reply_ok

SENDING = ("callback_request", "send_request", "send_message", "_next_id")
RECEIVING = ("handle_message", "handle_reply")


class Mixin(object):
    """Of a kind that tells nobody when it is changed."""


class MixedClient(Mixin, AsyncClient):
    """A client with a base of that kind."""


class PlainClient(AsyncClient):
    """A client that replaces nothing."""


class StepsTestCase(LoopTestCase, ServerMixin):
    client_class = AsyncClient

    def setUp(self):
        super(StepsTestCase, self).setUp()
        self.server = self.make_server(answer=reply_ok)
        self.client = self.make_loop_client(self.client_class, self.server)
        self.client.start()
        self.io_loop.run_sync(self.client.until_protocol, timeout=LIMIT)
        self.ask()

    def tearDown(self):
        self.client.stop()
        self.io_loop.run_sync(self.client.until_stopped, timeout=LIMIT)
        super(StepsTestCase, self).tearDown()

    def ask(self):
        """Make a request, and see it answered."""
        number = self.client._last_msg_id + 1
        reply, _ = self.io_loop.run_sync(lambda: self.client.future_request(Message.request("a")),
                                         timeout=LIMIT)
        self.assertEqual(reply, Message.reply("a", "ok", mid=number))
        self.assertEqual(self.server.lines[-1], b"?a[%d]" % number)

    def calls_through(self, owner, name, **patching):
        """Have a method of a class or client replaced; return how often it is called for a request."""
        calls = []
        method = getattr(owner, name, None) or getattr(AsyncClient, name)

        def replacement(*args, **kwargs):
            calls.append(args)
            return method(*args, **kwargs)

        self.ask()
        with mock.patch.object(owner, name, replacement, **patching):
            self.ask()
            number = len(calls)
            self.ask()
            self.assertEqual(len(calls), 2 * number)
        self.ask()
        self.assertEqual(len(calls), 2 * number)
        return number


class TestSteps(StepsTestCase):
    def test_on_an_instance(self):
        for name in SENDING + RECEIVING:
            self.assertEqual(self.calls_through(self.client, name), 1, name)

    def test_on_the_class(self):
        for name in SENDING + RECEIVING:
            self.assertEqual(self.calls_through(AsyncClient, name), 1, name)

    def test_on_a_base(self):
        for name in ("send_request", "send_message", "_next_id", "handle_message"):
            self.assertEqual(self.calls_through(DeviceClient, name), 1, name)
        self.assertEqual(self.calls_through(DeviceClient, "handle_reply"), 0)

    def test_in_the_namespace_of_an_instance(self):
        calls = []
        for name in SENDING + RECEIVING:
            vars(self.client)[name] = mock.Mock(side_effect=getattr(self.client, name))
            self.ask()
            calls.append(vars(self.client).pop(name).call_count)
        self.assertEqual(calls, 6 * [1])

    def test_what_is_called_from_a_callback_is_replaced_at_once(self):
        seen = []
        done = compat.new_future(self.io_loop)

        def replied(reply):
            seen.append(reply.arguments[0])
            if len(seen) == 1:
                self.client.handle_reply = lambda msg: replied(msg)
            else:
                done.set_result(None)

        for _ in range(2):
            self.client.callback_request(Message.request("a"), replied)
        self.io_loop.run_sync(lambda: done, timeout=LIMIT)
        self.assertEqual(seen, [b"ok", b"ok"])
        del self.client.handle_reply
        # What has taken the place of handle_reply has taken nothing out of the table.
        self.assertEqual(len(self.client._pending.remove_all()), 1)

    @gen_test
    def test_requests_that_a_replaced_step_makes_have_their_own_time(self):
        started = []
        send_message = self.client.send_message

        def send(msg):
            if msg.name == "outer":
                start = self.io_loop.time()
                while self.io_loop.time() == start:
                    pass
                started.append(self.client.future_request(Message.request("inner")))
            return send_message(msg)

        with mock.patch.object(self.client, "send_message", send):
            with mock.patch.object(DeadlineQueue, "_clock_was_set_back") as set_back:
                started.append(self.client.future_request(Message.request("outer")))
        self.assertFalse(set_back.called)
        replies = yield started
        self.assertEqual([reply.name for reply, _ in replies], ["inner", "outer"])

    def test_last_reply_wakes_at_once(self):
        woken = []

        def wake_at_once(stream):
            woken.append(list(self.client._async_queue))

        with mock.patch.object(LineConnection, "wake_at_once", wake_at_once):
            self.io_loop.run_sync(
                lambda: gen.multi([self.client.future_request(Message.request("a")) for _ in range(3)]),
                timeout=LIMIT)
        self.assertEqual(woken, [[]])

    def test_requests_that_are_sent_on_the_spot(self):
        def on_the_spot(number):
            with mock.patch.object(LineConnection, "_send_now", autospec=True,
                                   side_effect=LineConnection._send_now) as send_now:
                self.io_loop.run_sync(lambda: gen.multi(
                    [self.client.future_request(Message.request("a")) for _ in range(number)]), timeout=LIMIT)
            return send_now.call_count

        self.assertEqual([on_the_spot(number) for number in (1, 1, 3, 3)], [1, 1, 1, 1])

    def test_debug_log_has_all_messages(self):
        logger = logging.getLogger("katcp.client")
        self.addCleanup(logger.setLevel, logger.level)
        logger.setLevel(logging.DEBUG)
        with CapturedLog("katcp.client", logging.DEBUG) as log:
            self.ask()
        number = self.client._last_msg_id
        self.assertEqual(len(log.messages), 2, log.messages)
        self.assertIn("?a[%d]" % number, log.messages[0])
        self.assertIn("!a[%d] ok" % number, log.messages[1])

    def test_connections_of_other_kinds_are_written_to(self):
        stream = self.client._stream
        other = mock.Mock(wraps=stream)
        self.client._stream = other
        try:
            self.ask()
        finally:
            self.client._stream = stream
        other.write.assert_called_once_with(self.server.lines[-1] + b"\n")

    @gen_test
    def test_connection_that_takes_nothing(self):
        self.client._stream.max_write_buffer_size = 10
        request = Message.request("a", "too long for that")
        with CapturedLog("katcp.client") as log:
            reply, _ = yield self.client.future_request(request)
        self.assertEqual(reply, Message.reply("a", "fail", "Connection closed before reply was received",
                                              mid=request.mid))
        self.assertIn("Could not send message ?a[", log.messages[0])


class TestSubclass(StepsTestCase):
    client_class = PlainClient

    def test_on_the_class(self):
        for cls in (PlainClient, AsyncClient):
            for name in SENDING + RECEIVING:
                self.assertEqual(self.calls_through(cls, name), 1, (cls, name))

    def test_other_classes(self):
        class Other(AsyncClient):
            """Has nothing to do with it."""

        for name in SENDING + RECEIVING:
            self.assertEqual(self.calls_through(Other, name), 0, name)

    def test_steps_in_one(self):
        self.assertTrue(self.client._keeps_sending)
        self.assertTrue(self.client._keeps_receiving)
        for names, keeps in ((("handle_message",), (True, False)), (("send_message",), (False, True)),
                             (("_next_id", "handle_reply"), (False, False))):
            cls = type("Replacing", (AsyncClient,), dict((name, lambda self: None) for name in names))
            client = cls("localhost", 1)
            client._look_at_class()
            self.assertEqual((client._keeps_sending, client._keeps_receiving), keeps)

    def test_class_is_looked_at_once(self):
        with mock.patch.object(steps, "steps_of", side_effect=steps.steps_of) as steps_of:
            for _ in range(3):
                self.ask()
            self.assertEqual(steps_of.call_count, 0)
            PlainClient.something = "new"
            self.addCleanup(delattr, PlainClient, "something")
            for _ in range(3):
                self.ask()
            self.assertEqual(steps_of.call_count, 1)

    def test_what_comes_to_light_again(self):
        calls = []

        class Replacing(PlainClient):
            """Sees what is sent."""

            def send_request(self, msg):
                """Count."""
                calls.append(msg)
                super(Replacing, self).send_request(msg)

        class Restoring(Replacing):
            """Undoes that."""

            send_request = DeviceClient.__dict__["send_request"]

        self.client.__class__ = Restoring
        self.client._look_at_class()
        self.ask()
        self.assertEqual(len(calls), 0)
        del Restoring.send_request
        self.ask()
        self.assertEqual(len(calls), 1)


class TestMixin(StepsTestCase):
    client_class = MixedClient

    def test_on_a_base_of_another_kind(self):
        for name in SENDING + RECEIVING:
            self.assertEqual(self.calls_through(Mixin, name, create=True), 1, name)

    def test_on_a_mixin_of_the_library(self):
        self.assertEqual(self.calls_through(BlockingRequests, "send_message", create=True), 1)
