"""Servers and clients on an AsyncIOLoop of the user's; on Python 2 that one is made of trollius."""

from __future__ import absolute_import, division, print_function

import concurrent.futures
import unittest

from tornado import gen

import katcp
from katcp import compat
from katcp.ioloop_manager import IOLoopManager
from katcp.kattypes import Int, concurrent_reply, request, return_reply
from katcp.server import AsyncDeviceServer
from katcp.testutils import BlockingTestClient
from tests.support.devices import Device5

try:
    from tornado.platform.asyncio import AsyncIOLoop
except ImportError:  # Python 2 without trollius
    AsyncIOLoop = None


class _CoroutineHandlers(object):
    @request(Int())
    @return_reply(Int())
    @gen.coroutine
    def request_double(self, req, number):
        """Answer with twice the number, a turn of the loop later."""
        yield gen.moment
        raise gen.Return(("ok", 2 * number))

    @request(Int())
    @return_reply(Int())
    @concurrent_reply
    @gen.coroutine
    def request_concurrent_double(self, req, number):
        """Answer with twice the number, and let other requests overtake."""
        yield gen.sleep(0.001)
        raise gen.Return(("ok", 2 * number))


class CoroutineDevice(_CoroutineHandlers, Device5):
    pass


class AsyncCoroutineDevice(_CoroutineHandlers, AsyncDeviceServer, Device5):
    pass


@unittest.skipUnless(AsyncIOLoop, "there is no asyncio, nor trollius")
class TestAsyncIOLoop(unittest.TestCase):
    def setUp(self):
        previous = compat.current_ioloop()
        self.ioloop = AsyncIOLoop()
        self.addCleanup(self.ioloop.close)
        self.addCleanup(compat.make_ioloop_current, previous)
        self.ioloop.make_current()

    def run_for(self, device):
        @gen.coroutine
        def talk():
            device.start()
            client = katcp.AsyncClient(*device.bind_address)
            client.set_ioloop(self.ioloop)
            client.start()
            yield client.until_protocol(timeout=5)
            replies = []
            for name in "double", "concurrent-double", "help":
                argument = "watchdog" if name == "help" else 21
                reply, _ = yield client.future_request(katcp.Message.request(name, argument))
                replies.append(reply.arguments)
            client.stop()
            yield client.until_stopped(timeout=5)
            yield device.stop()
            raise gen.Return(replies)

        return self.ioloop.run_sync(talk, timeout=20)

    def test_everything_on_the_loop(self):
        self.assertEqual(self.run_for(AsyncCoroutineDevice("localhost", 0)), [
            [b"ok", b"42"], [b"ok", b"42"], [b"ok", b"1"]])

    def test_device_with_handler_thread_on_the_loop(self):
        device = CoroutineDevice("localhost", 0)
        device.set_ioloop(self.ioloop)
        self.assertEqual(self.run_for(device), [[b"ok", b"42"], [b"ok", b"42"], [b"ok", b"1"]])
        device.join(5)

    def test_threads_of_our_own_beside_it(self):
        device = CoroutineDevice("localhost", 0)
        device.start(timeout=5)
        self.addCleanup(device.join, 5)
        self.addCleanup(device.stop)
        client = katcp.BlockingClient(*device.bind_address)
        client.start(timeout=5)
        self.addCleanup(client.join, 5)
        self.addCleanup(client.stop)
        self.assertTrue(client.wait_protocol(timeout=5))
        reply, _ = client.blocking_request(katcp.Message.request("double", 21), timeout=5)
        self.assertEqual(reply.arguments, [b"ok", b"42"])
        test_client = BlockingTestClient(self, *device.bind_address)
        test_client.start(timeout=5)
        self.addCleanup(test_client.join, 5)
        self.addCleanup(test_client.stop)
        self.assertTrue(test_client.wait_protocol(timeout=5))
        test_client.assert_request_succeeds("concurrent-double", 4, args_equal=["8"])
        test_client.assert_sensor_equals("an.int", 3, int)

    def test_timers_may_be_far_away(self):
        manager = IOLoopManager(managed_default=True)
        ioloop = AsyncIOLoop(make_current=False)
        manager.set_ioloop(ioloop, managed=True)
        ioloop.call_later(1e9, self.fail)
        manager.start(timeout=5)
        ran = compat.ConcurrentFuture()
        # In the second turn the loop has nothing but that timer to wait for.
        ioloop.add_callback(ioloop.add_callback, ran.set_result, True)
        self.assertTrue(ran.result(5))
        again = compat.ConcurrentFuture()
        # Long enough for a loop to end that cannot wait as long.
        self.assertRaises(concurrent.futures.TimeoutError, again.result, 0.05)
        ioloop.add_callback(again.set_result, True)
        self.assertTrue(again.result(5))
        manager.stop().result(5)
        manager.join(5)
