"""Request handlers that are native coroutines."""

import asyncio
import unittest

from tornado import gen

from katcp import compat
from katcp.errors import AsyncReply, FailReply
from katcp.kattypes import concurrent_reply
from katcp.message import Message
from katcp.server import DeviceServerBase
from tests.support.devices import ServerTests, in_all_modes
from tests.support.logs import LogRecorder


class Device(DeviceServerBase):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.handled = []
        self.waiting = []

    async def request_echo(self, req, msg):
        """Return the arguments, after a moment."""
        self.handled.append((msg.arguments, compat.get_thread_ident()))
        req.inform("wait")
        await gen.sleep(0.001)
        return req.make_reply("ok", *msg.arguments)

    async def request_quick(self, req, msg):
        """Return the arguments at once."""
        return req.make_reply("ok", *msg.arguments)

    async def request_outcome(self, req, msg):
        """Do what the argument says."""
        await gen.sleep(0)
        outcome = msg.arguments[0]
        if outcome == b"fail":
            raise FailReply("not now")
        if outcome == b"raise":
            raise ValueError("boom")
        if outcome == b"exit":
            raise SystemExit(3)
        if outcome == b"interrupt":
            raise KeyboardInterrupt()
        if outcome == b"later":
            self.waiting.append(req)
            raise AsyncReply

    async def request_wait(self, req, msg):
        """Wait until somebody resolves the future."""
        future = compat.new_future(self.ioloop)
        self.waiting.append((req, future))
        return await future

    @concurrent_reply
    async def request_concurrent(self, req, msg):
        """Wait until somebody resolves the future, and let others go on meanwhile."""
        return await self.request_wait(req, msg)

    def request_awaitable(self, req, msg):
        """Return something that can be awaited but is neither coroutine nor future."""
        class Awaitable:
            def __await__(self):
                yield from gen.sleep(0.001).__await__()
                return req.make_reply("ok", "awaited")

        return Awaitable()

    async def inform_note(self, conn, msg):
        """Take note, after a moment."""
        await gen.sleep(0)
        self.handled.append((conn, msg))
        if msg.arguments:
            raise ValueError("inform boom")


class _NativeHandlers(ServerTests):
    device_class = Device

    def setUp(self):
        super().setUp()
        self.client = self.connect(greeted=False)
        self.log = LogRecorder(self.server._logger.name)
        self.log.__enter__()
        self.addCleanup(self.log.__exit__)

    def wait_until(self, condition):
        for _ in range(100000):
            if condition():
                return
            self.server.sync_with_ioloop(timeout=10)
        self.fail("waited in vain")

    def test_replies(self):
        self.client.send(b"?echo[1] a\n?quick[2] b\n?echo[3] c\n?awaitable[4]\n")
        self.assertEqual(self.client.lines(6), [
            b"#echo[1] wait", b"!echo[1] ok a", b"!quick[2] ok b", b"#echo[3] wait", b"!echo[3] ok c",
            b"!awaitable[4] ok awaited"])

    def test_they_run_in_the_thread_of_the_loop(self):
        self.client.ask(b"?echo x")
        self.assertEqual(self.server.handled, [([b"x"], self.server._server.ioloop_thread_id)])

    def test_outcomes(self):
        for outcome, start in ((b"fail", b"!outcome fail not\\_now"),
                               (b"raise", b"!outcome fail Traceback"),
                               (b"nothing", b"!outcome fail Traceback")):
            self.assertTrue(self.client.ask(b"?outcome " + outcome)[0].startswith(start), outcome)

    def test_coroutines_that_would_end_the_loop(self):
        with LogRecorder("katcp.ioloop_manager"):
            for outcome in (b"exit", b"interrupt"):
                reply, = self.client.ask(b"?outcome " + outcome)
                self.assertTrue(reply.startswith(b"!outcome fail Traceback"), reply)
                self.assertEqual(self.client.ask(b"?quick"), [b"!quick ok"])

    def test_answer_later(self):
        self.client.send(b"?outcome later\n?quick\n")
        self.assertEqual(self.client.line(), b"!quick ok")
        self.wait_until(lambda: self.server.waiting)
        req = self.server.waiting.pop()
        self.server.ioloop.add_callback(req.reply, "ok", "late")
        self.assertEqual(self.client.line(), b"!outcome ok late")

    def test_next_request_waits(self):
        self.client.send(b"?wait\n?echo 1\n")
        self.wait_until(lambda: self.server.waiting)
        self.server.sync_with_ioloop(timeout=10)
        self.assertEqual(self.server.handled, [])
        req, future = self.server.waiting.pop()
        self.server.ioloop.add_callback(future.set_result, req.make_reply("ok"))
        self.assertEqual(self.client.lines(3), [b"!wait ok", b"#echo wait", b"!echo ok 1"])

    def test_concurrent_reply(self):
        self.client.send(b"?concurrent\n?quick 1\n")
        self.assertEqual(self.client.line(), b"!quick ok 1")
        self.wait_until(lambda: self.server.waiting)
        req, future = self.server.waiting.pop()
        self.server.ioloop.add_callback(future.set_result, req.make_reply("ok"))
        self.assertEqual(self.client.line(), b"!concurrent ok")

    def test_inform_handlers(self):
        self.client.send(b"#note\n#note 1\n")
        self.wait_until(lambda: len(self.server.handled) == 2)
        self.assertEqual([msg for _, msg in self.server.handled],
                         [Message.inform("note"), Message.inform("note", 1)])
        self.wait_until(lambda: any("Inform note FAIL: " in text for text in self.log.messages))

    def test_stop_can_be_awaited(self):
        async def stop():
            await self.server.stop()
            return self.server.running()

        self.assertFalse(asyncio.run_coroutine_threadsafe(stop(), self.other_loop()).result(10))

    def other_loop(self):
        """Return an asyncio loop that runs in another thread."""
        import threading
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        self.addCleanup(loop.close)
        self.addCleanup(thread.join)
        self.addCleanup(loop.call_soon_threadsafe, loop.stop)
        return loop


in_all_modes(globals(), _NativeHandlers)


class _HandleMessage(ServerTests):
    """An override of `handle_message` that is a native coroutine."""

    class device_class(Device):
        seen = ()

        async def handle_message(self, client_conn, msg):
            self.seen += (msg.name,)
            await gen.sleep(0)
            result = super().handle_message(client_conn, msg)
            if result is not None:
                await compat.as_future(result)

    def test_it_is_awaited(self):
        client = self.connect(greeted=False)
        client.send(b"?quick 1\n#note\n?quick 2\n")
        self.assertEqual(client.lines(2), [b"!quick ok 1", b"!quick ok 2"])
        self.assertEqual(self.server.seen, ("quick", "note", "quick"))


in_all_modes(globals(), _HandleMessage)


class TestUnstarted(unittest.TestCase):
    def test_a_coroutine_needs_a_running_server(self):
        import warnings
        from unittest import mock
        connection = mock.Mock()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Device("", 0).handle_message(connection, Message.request("quick"))
        self.assertEqual(connection.reply.call_args[0][0].arguments[0], b"fail")
        self.assertEqual(caught, [])


if __name__ == "__main__":
    unittest.main()
