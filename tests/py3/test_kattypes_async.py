"""Tests of typed handlers that are ``async def`` functions."""

import asyncio
import concurrent.futures
import threading
import unittest
from unittest import mock

import tornado.concurrent
import tornado.gen
import tornado.testing

from katcp import compat
from katcp.chaining import transform
from katcp.errors import FailReply
from katcp.kattypes import Int, Str, inform, request, return_reply, send_reply
from katcp.message import Message


class Device:
    def __init__(self):
        self.future = None

    @request(Int(), Str(default="x"))
    @return_reply(Int(), Str())
    async def request_one(self, req, i, s):
        if self.future is not None:
            await self.future
        if i == 0:
            raise FailReply("zero")
        if i == 1:
            return "fail", "one"
        return "ok", i, s

    @return_reply(Int())
    @request(Int())
    async def request_two(self, req, number):
        return "ok", number

    @request(Int())
    async def request_three(self, req, i):
        return i

    @inform(Int())
    async def inform_one(self, i):
        return i

    @send_reply(Int())
    async def finish(self, req, i):
        if self.future is not None:
            await self.future
        return req, "ok", i

    @return_reply()
    async def request_thread(self, req):
        return "fail", threading.current_thread().name


class TestInLoop(tornado.testing.AsyncTestCase):
    def setUp(self):
        super().setUp()
        self.device = Device()

    def ask(self, *args):
        return self.device.request_one(None, Message.request("one", *args))

    @tornado.testing.gen_test
    def test_at_once(self):
        self.assertEqual(str((yield self.ask(5))), "!one ok 5 x")
        self.assertEqual(str((yield self.ask(1))), "!one fail one")
        with self.assertRaises(FailReply):
            yield self.ask(0)
        reply = yield self.device.request_two(None, Message.request("two", 5))
        self.assertEqual(str(reply), "!two ok 5")

    @tornado.testing.gen_test
    def test_later(self):
        self.device.future = tornado.concurrent.Future()
        reply, failure = self.ask(5), self.ask(0)
        yield tornado.gen.moment
        self.assertFalse(reply.done())
        self.device.future.set_result(None)
        self.assertEqual(str((yield reply)), "!one ok 5 x")
        with self.assertRaises(FailReply):
            yield failure

    @tornado.testing.gen_test
    async def test_awaited(self):
        self.assertEqual(str(await self.ask(5)), "!one ok 5 x")
        done = tornado.concurrent.Future()
        done.set_result(5)
        self.assertEqual(await transform(done, str), "5")

    @tornado.testing.gen_test
    async def test_without_return_reply(self):
        self.assertEqual(await self.device.request_three(None, Message.request("three", 3)), 3)
        self.assertEqual(await self.device.inform_one(Message.inform("one", 3)), 3)

    @tornado.testing.gen_test
    def test_arguments_are_unpacked_at_once(self):
        with self.assertRaises(FailReply) as caught:
            self.ask("x")
        self.assertEqual(str(caught.exception),
                         "Error in parameter 1 (i): Could not parse value 'b'x'' as integer.")
        with self.assertRaises(FailReply) as caught:
            self.device.request_two(None, Message.request("two"))
        self.assertEqual(str(caught.exception),
                         "Error in parameter 1 (number): No value or default given")

    @tornado.testing.gen_test
    def test_send_reply(self):
        for future in (None, tornado.concurrent.Future()):
            req = mock.Mock()
            req.msg.name = "two"
            self.device.future = future
            sent = self.device.finish(req, 5)
            if future is not None:
                future.set_result(None)
            self.assertIsNone((yield sent))
            req.reply_with_message.assert_called_once_with(Message.reply("two", "ok", 5))

    @tornado.testing.gen_test
    def test_thread_whose_loop_runs_elsewhere(self):
        """In a message handler thread the coroutine runs on the loop of the server."""
        def handle():
            compat.make_ioloop_current(loop)
            return self.device.request_thread(None)
        loop = compat.running_ioloop()
        if compat.asyncio_loop_of(loop):
            compat.asyncio_loop_of(loop).set_debug(True)  # it then refuses calls from other threads
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            reply = yield pool.submit(handle)
            message = yield reply
        self.assertEqual(message.arguments, [b"fail", threading.current_thread().name.encode()])


class TestWithoutLoop(unittest.TestCase):
    """Handlers called straight from a test, in a thread that has no loop."""

    def call(self, function):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return pool.submit(function).result(10)

    def test_handler_that_need_not_wait(self):
        device = Device()
        for i, expected in ((5, "!one ok 5 x"), (1, "!one fail one")):
            reply = self.call(lambda: device.request_one(None, Message.request("one", i)))
            self.assertEqual(str(reply.result(0)), expected)
        reply = self.call(lambda: device.request_one(None, Message.request("one", 0)))
        self.assertIsInstance(reply.exception(0), FailReply)

    def test_handler_that_has_to_wait(self):
        class Never:
            def __await__(self):
                yield

        device = Device()
        device.future = Never()
        reply = self.call(lambda: device.request_one(None, Message.request("one", 5)))
        self.assertIn("has to wait", str(reply.exception(0)))


class TestAsyncio(unittest.TestCase):
    def test_handler_that_waits_for_asyncio(self):
        device = Device()
        device.future = asyncio.sleep(0.001)
        loop = compat.new_ioloop()
        self.addCleanup(loop.close)
        reply = loop.run_sync(lambda: device.request_one(None, Message.request("one", 5)))
        self.assertEqual(str(reply), "!one ok 5 x")
