"""Objects that are made before there is a loop, for ``asyncio.run``."""

import asyncio
import socket
import unittest

from katcp.client import AsyncClient
from katcp.inspecting_client import InspectingClientAsync
from katcp.message import Message
from katcp.resource_client import KATCPClientResource
from katcp.sensor import Sensor
from katcp.server import AsyncDeviceServer

LIMIT = 10


class Device(AsyncDeviceServer):
    def setup_sensors(self):
        self.add_sensor(Sensor.integer("an.int"))

    async def request_answer(self, req, msg):
        """Answer in a while."""
        await asyncio.sleep(0.001)
        return req.make_reply("ok")


def run(coroutine):
    """Do what ``asyncio.run`` does, on Python 3.6 as well."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(asyncio.wait_for(coroutine, LIMIT))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class TestMadeBefore(unittest.TestCase):
    def setUp(self):
        # What `set_event_loop` has changed, if only to None, is not to be found by other tests.
        self.addCleanup(asyncio.set_event_loop_policy, None)
        # The loop that everything would take that asks for one too early.
        never_run = asyncio.new_event_loop()
        self.addCleanup(never_run.close)
        asyncio.set_event_loop(never_run)
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.address = sock.getsockname()
        self.server = Device(*self.address)

    async def stop_all(self, client):
        client.stop()
        await client.until_stopped()
        await asyncio.wrap_future(self.server.stop())
        self.assertFalse(self.server.running())

    def test_low_level_client(self):
        client = AsyncClient(*self.address)
        client.set_ioloop()

        async def main():
            self.server.start()
            client.start()
            await client.until_protocol()
            self.assertTrue(self.server.running())
            reply, _ = await client.future_request(Message.request("answer"))
            self.assertTrue(reply.reply_ok())
            await self.stop_all(client)

        for _ in range(2):
            run(main())

    def test_inspecting_client(self):
        client = InspectingClientAsync(*self.address)

        async def main():
            self.server.start()
            await client.connect()
            await client.until_synced()
            reply, _ = await client.simple_request("answer")
            self.assertTrue(reply.reply_ok())
            await self.stop_all(client)

        for _ in range(2):
            run(main())

    def test_resource(self):
        resource = KATCPClientResource({"name": "device", "address": self.address, "controlled": True})

        async def main():
            self.server.start()
            resource.start()
            await resource.until_synced()
            self.assertTrue((await resource.req.answer()).succeeded)
            await self.stop_all(resource)

        for _ in range(2):
            run(main())
