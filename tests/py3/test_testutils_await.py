"""Tests of katcp.testutils with native coroutines."""

import asyncio
import threading
import unittest

from tornado import testing

from katcp.compat import asyncio_loop_of, new_ioloop
from katcp.sensor import Sensor
from katcp.testutils import (AsyncWaitingMock, DeviceTestServer, call_in_ioloop, handle_mock_req,
                             mock_req, wait_sensor_async)
from tests.support.clock import TimewarpAsyncTestCase


class TestAwait(TimewarpAsyncTestCase):
    @testing.gen_test(timeout=100)
    async def test_clock(self):
        ran = []
        self.io_loop.call_later(10, ran.append, 1)
        await self.wake_ioloop()
        await self.set_ioloop_time(9.9)
        self.assertEqual(ran, [])
        await self.set_ioloop_time(10)
        self.assertEqual(ran, [1])

    @testing.gen_test(timeout=100)
    async def test_asyncio_follows_the_clock(self):
        if asyncio_loop_of(self.io_loop) is None:
            return
        sleeping = asyncio.ensure_future(asyncio.sleep(20))
        waiting = asyncio.ensure_future(asyncio.wait_for(asyncio.Event().wait(), 10))
        await self.wake_ioloop()
        await self.set_ioloop_time(10)
        with self.assertRaises(asyncio.TimeoutError):
            await waiting
        self.assertFalse(sleeping.done())
        await self.set_ioloop_time(20)
        await sleeping

    @testing.gen_test
    async def test_mocks(self):
        waiting_mock = AsyncWaitingMock()
        self.io_loop.add_callback(waiting_mock)
        await waiting_mock.assert_wait_call_count(1, timeout=10)

    @testing.gen_test
    async def test_sensor(self):
        sensor = Sensor.integer("an.int", default=0)
        self.io_loop.add_callback(sensor.set_value, 5)
        self.assertIs(await wait_sensor_async(sensor, 5), True)

    @testing.gen_test
    async def test_mock_request(self):
        async def request_native(server, req, msg):
            """Reply from a native coroutine."""
            await self.wake_ioloop()
            return req.make_reply("ok")

        device = DeviceTestServer("", 0)
        device._request_handlers["native"] = request_native
        reply, informs = await handle_mock_req(device, mock_req("native"))
        self.assertEqual((str(reply), informs), ("!native ok", []))
        # Replied to by another thread.
        req = mock_req("native")
        threading.Thread(target=req.reply, args=["ok"]).start()
        reply, informs = await req.reply_and_inform_msgs_future
        self.assertEqual(str(reply), "!native ok")


class TestCallInIOLoop(unittest.TestCase):
    def test_native_coroutine_is_run(self):
        loop = new_ioloop()
        thread = threading.Thread(target=lambda: (loop.start(), loop.close()))
        thread.start()

        async def add(x, y):
            await asyncio.sleep(0)
            return x + y

        self.assertEqual(call_in_ioloop(loop, add, 1, y=2), 3)
        loop.add_callback(loop.stop)
        thread.join()
