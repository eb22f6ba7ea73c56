"""Clients in native coroutines, on asyncio's own loop."""

import asyncio
import unittest

from tornado.testing import AsyncTestCase, gen_test

from katcp import compat
from katcp.client import AsyncClient, BlockingClient, DeviceClient, Message
from tests.support.client_cases import CapturedLog, LIMIT, Recorder, ServerMixin, ThreadedTestCase
from tests.support.scripted_server import no_reply


class TestOnTornadoLoop(ServerMixin, AsyncTestCase):
    @gen_test
    async def test_everything_can_be_awaited(self):
        server = self.make_server()
        client = AsyncClient(*server.address)
        client.set_ioloop(self.io_loop)
        client.start()
        await client.until_running()
        await client.until_connected(timeout=LIMIT)
        await client.until_protocol(timeout=LIMIT)
        reply, informs = await client.future_request(Message.request("a"))
        self.assertTrue(reply.reply_ok())
        await client.send_message(Message.inform("b"))
        with self.assertRaises(AssertionError):
            await client.future_request(Message.inform("a"))
        client.stop()
        self.assertTrue(await client.until_stopped())

    @gen_test
    async def test_native_handlers(self):
        server = self.make_server(greeting=b"", answer=no_reply)
        seen = Recorder()

        class Client(DeviceClient):
            async def inform_slow(self, msg):
                "A handler that takes its time."
                await asyncio.sleep(0.01) if compat.ON_ASYNCIO else None
                seen(msg)

            async def inform_bad(self, msg):
                "A handler that fails."
                raise ValueError("Bad")

            def inform_end(self, msg):
                "The end."
                seen(msg)

        client = Client(*server.address)
        client.set_ioloop(self.io_loop)
        client.start()
        await client.until_connected()
        with CapturedLog("katcp.client") as log:
            server.wait_for_connection().send(b"#slow 1\n#bad\n#slow 2\n#end\n")
            while len(seen.calls) < 3:
                await client.until_disconnected(timeout=0.01) if not client.is_connected() else None
                await compat.as_future(self.turn())
        self.assertEqual(seen.messages, [b"#slow 1", b"#slow 2", b"#end"])
        self.assertEqual(log.messages, ["Unhandled exception in handle_message() from %s for message '#bad'"
                                        % (client.bind_address_string,)])
        client.stop()
        await client.until_stopped()

    def turn(self):
        future = compat.new_future(self.io_loop)
        self.io_loop.add_callback(future.set_result, None)
        return future

    @gen_test
    async def test_native_handlers_of_requests(self):
        server = self.make_server(greeting=b"#odd\n", answer=lambda line: b"#odd\n!a ok\n")

        async def fail(*args):
            raise ValueError("Bad")

        client = AsyncClient(*server.address)
        client._inform_handlers["odd"] = fail
        client.set_ioloop(self.io_loop)
        with CapturedLog("katcp.client") as log:
            client.start()
            await client.until_connected()
            client.callback_request(Message.request("a"), reply_cb=fail)
            while len(log.records) < 3:
                await self.turn()
        self.assertEqual(log.messages, 2 * ["Inform odd FAIL: Bad"] + ["Callback reply a FAIL: Bad"])
        client.stop()
        await client.until_stopped()


class TestManaged(ThreadedTestCase):
    def test_native_methods_for_threads(self):
        from katcp.client import make_threadsafe_blocking

        class Client(BlockingClient):
            @make_threadsafe_blocking
            async def twice(self, request):
                "Ask twice."
                first = await self.future_request(Message.request(request))
                second = await self.future_request(Message.request(request))
                return first[0].mid, second[0].mid

        client = self.start_client(Client, self.make_server())
        self.assertTrue(client.wait_protocol(LIMIT))
        self.assertEqual(client.twice("a"), (b"1", b"2"))


class TestOnAsyncio(ServerMixin, unittest.TestCase):
    # Tornado 4.5 has loops of its own, which asyncio's coroutines know nothing of.
    __test__ = compat.ON_ASYNCIO

    def run_async(self, coroutine):
        async def limited():
            return await asyncio.wait_for(coroutine, LIMIT)

        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(limited())
        finally:
            loop.close()

    def test_current_loop(self):
        server = self.make_server()

        async def main():
            client = AsyncClient(*server.address)
            client.set_ioloop()
            client.start()
            await client.until_protocol()
            replies = await asyncio.gather(*[client.future_request(Message.request("a", n))
                                             for n in range(50)])
            client.stop()
            await client.until_stopped()
            return replies

        replies = self.run_async(main())
        self.assertEqual([reply.mid for reply, _ in replies], [b"%d" % n for n in range(1, 51)])

    def test_cancelled_task(self):
        server = self.make_server(answer=no_reply)

        async def main():
            client = AsyncClient(*server.address)
            client.set_ioloop()
            client.start()
            await client.until_protocol()
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(client.future_request(Message.request("a")), 0.01)
            with CapturedLog("katcp.client") as log:
                server.wait_for_connection().send(b"!a[1] ok\n")
                later = asyncio.ensure_future(client.until_connected())
                await later
                task = asyncio.ensure_future(client.until_disconnected())
                other = client.until_disconnected()
                await asyncio.sleep(0.01)
                task.cancel()
                client.disconnect()
                await other
            self.assertEqual(log.records, [])
            self.assertEqual(client._async_queue, {})
            client.stop()
            await client.until_stopped()

        self.run_async(main())

    def test_managed_client_beside_a_running_loop(self):
        server = self.make_server()

        async def main():
            client = BlockingClient(*server.address)
            client.start(timeout=LIMIT)
            self.assertTrue(client.wait_protocol(LIMIT))
            reply, _ = client.blocking_request(Message.request("a"))
            client.stop()
            client.join(LIMIT)
            return reply

        self.assertTrue(self.run_async(main()).reply_ok())

    def test_future_of_a_threadsafe_client(self):
        server = self.make_server()
        client = BlockingClient(*server.address)
        client.start(timeout=LIMIT)
        self.addCleanup(client.join, LIMIT)
        self.addCleanup(client.stop)

        async def main():
            return await client.future_request(Message.request("a"))

        reply, _ = self.run_async(main())
        self.assertEqual(reply.name, "a")
