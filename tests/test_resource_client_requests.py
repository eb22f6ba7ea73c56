"""The objects that one calls to make a request, and the client that sends it."""

from __future__ import absolute_import, division, print_function

from tornado import gen
from tornado.testing import AsyncTestCase, gen_test

from katcp import KatcpSyntaxError, Message, compat, resource
from katcp.core import AttrDict
from katcp.resource_client import (
    KATCPClientResourceRequest, KATCPReply, ReplyWrappedInspectingClientAsync)
from tests.support import mock
from tests.support.inspecting_cases import InspectingTestCase, timewarp_test


class TestKATCPClientResourceRequest(AsyncTestCase):
    def make_request(self, timeout_hint=None, **kwargs):
        self.client = mock.Mock(spec_set=["wrapped_request"])
        description = {"name": "the-request", "description": "What it does.", "timeout_hint": timeout_hint}
        return KATCPClientResourceRequest(description, self.client, **kwargs)

    def test_description(self):
        request = self.make_request(33.34)
        self.assertIsInstance(request, resource.KATCPRequest)
        self.assertEqual((request.name, request.description, request.timeout_hint),
                         ("the-request", "What it does.", 33.34))
        self.assertTrue(request.is_active())
        self.assertTrue(request.__doc__.startswith(
            "KATCP Documentation\n===================\nWhat it does.\n"
            "KATCPRequest Documentation\n==========================\nCallable"))

    def test_something_missing(self):
        with self.assertRaises(ValueError) as caught:
            KATCPClientResourceRequest({"name": "x"}, None)
        self.assertEqual(str(caught.exception), "Required request_description key 'description' not present")

    def test_the_hint_is_the_timeout(self):
        request = self.make_request(33.34)
        result = request("parm1", 2)
        self.client.wrapped_request.assert_called_once_with("the-request", "parm1", 2, timeout=33.34)
        self.assertIs(result, self.client.wrapped_request.return_value)

    def test_no_hint(self):
        self.make_request()("parm1", 2)
        self.client.wrapped_request.assert_called_once_with("the-request", "parm1", 2, timeout=None)

    def test_another_timeout(self):
        request = self.make_request(33.34)
        for timeout, expected in ((1.5, 1.5), (0, 0), (None, 33.34)):
            request(timeout=timeout)
            self.client.wrapped_request.assert_called_with("the-request", timeout=expected)

    def test_other_keywords(self):
        self.make_request()(mid=12, use_mid=True)
        self.client.wrapped_request.assert_called_once_with(
            "the-request", timeout=None, mid=12, use_mid=True)

    def test_inactive(self):
        request = self.make_request(is_active=lambda: False)
        with self.assertRaises(resource.KATCPResourceInactive) as caught:
            request()
        self.assertEqual(str(caught.exception), "Can't make ?the-request request; resource is inactive")
        self.assertFalse(self.client.wrapped_request.called)
        request.issue_request()
        self.assertTrue(self.client.wrapped_request.called)


class TestWrappedRequest(InspectingTestCase):
    def make(self, **kwargs):
        return self.make_client(ReplyWrappedInspectingClientAsync, **kwargs)

    @timewarp_test
    def test_reply(self):
        client = yield self.synced_client(ReplyWrappedInspectingClientAsync)
        result = yield client.wrapped_request("help", "watchdog")
        self.assertIsInstance(result, KATCPReply)
        self.assertTrue(result)
        self.assertEqual(str(result), "!help[3] ok 1\n#help[3] watchdog Say\\_that\\_one\\_lives.")
        reply, informs = result
        self.assertEqual(len(informs), 1)

    @timewarp_test
    def test_message_ids(self):
        client = yield self.synced_client(ReplyWrappedInspectingClientAsync)
        for kwargs, line in (({"mid": "77"}, "!watchdog[77] ok"), ({"mid": 78}, "!watchdog[78] ok"),
                             ({"use_mid": False}, "!watchdog ok"), ({"anything": 1}, "!watchdog[4] ok")):
            self.assertEqual(str((yield client.wrapped_request("watchdog", **kwargs))), line)

    @timewarp_test
    def test_request_that_cannot_be_built(self):
        client = yield self.synced_client(ReplyWrappedInspectingClientAsync)
        for args, mid in ((("bad name",), None), (("watchdog",), "abc")):
            future = client.wrapped_request(*args, mid=mid)
            with self.assertRaises(KatcpSyntaxError):
                yield future

    @timewarp_test
    def test_before_the_start(self):
        with self.assertRaises(RuntimeError):
            yield self.make().wrapped_request("watchdog")

    @timewarp_test
    def test_timeout(self):
        client = yield self.synced_client(ReplyWrappedInspectingClientAsync)
        self.device.held.add("watchdog")
        for timeout, moves in ((0.5, (0.4, 0.2)), (None, (4.9, 0.2))):
            request = client.wrapped_request("watchdog", timeout=timeout)
            yield self.move_clock(moves[0])
            self.assertFalse(request.done())
            yield self.move_clock(moves[1])
            reply = yield request
            self.assertFalse(reply.succeeded)
            self.assertIn("timed\\_out", str(reply))

    @timewarp_test
    def test_not_connected(self):
        client = yield self.synced_client(ReplyWrappedInspectingClientAsync)
        self.device.stop()
        yield client.until_not_synced()
        reply = yield client.wrapped_request("watchdog")
        self.assertFalse(reply)
        self.assertEqual(reply.reply.mtype, Message.REPLY)
        self.assertIn("Not\\_connected", str(reply))

    @timewarp_test
    def test_another_wrapper(self):
        class Client(ReplyWrappedInspectingClientAsync):
            reply_wrapper = staticmethod(lambda x: AttrDict(reply=x[0], count=len(x[1])))

        client = yield self.synced_client(Client)
        result = yield client.wrapped_request("help", "watchdog")
        self.assertEqual(result.count, 1)

    @timewarp_test
    def test_done_as_soon_as_the_low_level_request_is(self):
        client = yield self.synced_client(ReplyWrappedInspectingClientAsync)
        order = []

        @gen.coroutine
        def wait(name, future):
            yield future
            order.append(name)

        wrapped = wait("wrapped", client.wrapped_request("watchdog"))
        plain = wait("plain", client.simple_request("watchdog"))
        yield [wrapped, plain]
        self.assertEqual(order, ["wrapped", "plain"])

    @timewarp_test
    def test_low_level_request_may_be_replaced(self):
        client = yield self.synced_client(ReplyWrappedInspectingClientAsync)
        client.katcp_client.future_request = mock.Mock(wraps=client.katcp_client.future_request)
        reply = yield client.wrapped_request("watchdog")
        self.assertTrue(reply.succeeded)
        yield client.simple_request("watchdog")
        self.assertEqual(client.katcp_client.future_request.call_count, 2)
        ours, client.katcp_client = client.katcp_client, mock.Mock()
        client.katcp_client.future_request.return_value = compat.done_future((reply.reply, []))
        try:
            other = yield client.wrapped_request("watchdog")
        finally:
            client.katcp_client = ours
        self.assertTrue(other.succeeded)

    def test_mocks(self):
        client = mock.Mock(spec_set=ReplyWrappedInspectingClientAsync)
        client.future_get_request.side_effect = ValueError
        client.wrapped_request.side_effect = ValueError
        client = mock.Mock(spec_set=self.make())
        self.assertTrue(hasattr(client.katcp_client, "versions"))
        self.assertTrue(hasattr(client.katcp_client, "last_connect_time"))


class TestUnwrappedClient(AsyncTestCase):
    @gen_test
    def test_anything_with_the_method_will_do(self):
        class Client(object):
            def wrapped_request(self, name, *args, **kwargs):
                return gen.maybe_future((name, args, kwargs))

        request = KATCPClientResourceRequest(
            {"name": "x", "description": "", "timeout_hint": None}, Client())
        self.assertEqual((yield request(1)), ("x", (1,), {"timeout": None}))
