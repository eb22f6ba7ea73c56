"""The examples with native coroutines do what they say."""

import unittest

from katcp.client import BlockingClient
from katcp.core import Message
from tests.support.programs import Program


class TestExamples(unittest.TestCase):
    def program(self, *args):
        program = Program(*args)
        self.addCleanup(program.kill)
        return program

    def test_asyncio_client_on_async_device(self):
        device = self.program("examples/async_device.py", 0)
        port = device.port()
        status, out, err = self.program("examples/asyncio_client.py", "127.0.0.1", port).finish()
        self.assertEqual((status, err), (0, ""))
        self.assertIn("!watchdog", out)
        self.assertIn("temperature nominal 20.0", out)
        client = BlockingClient("127.0.0.1", port)
        client.start(timeout=5)
        self.addCleanup(client.join)
        self.addCleanup(client.stop)
        self.assertTrue(client.wait_protocol(5))
        reply, _ = client.blocking_request(Message.request("heat", 25))
        self.assertEqual(reply.arguments, [b"ok", b"25.0"])
        self.assertTrue(client.blocking_request(Message.request("cool"))[0].reply_ok())
        device.interrupt()
        self.assertEqual(device.finish()[0], 0)

    def test_asyncio_control_on_async_device(self):
        device = self.program("examples/async_device.py", 0)
        status, out, err = self.program("examples/asyncio_control.py", "127.0.0.1", device.port()).finish()
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(out, "20.0 degC\nhalf of the way\nheat: 30.0\nall succeeded: True\ncold again\n")
