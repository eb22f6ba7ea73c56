"""Coroutines as handlers in the handler thread, where futures can be used in two threads at once.

Tornado's own futures, on Python 2 and tornado 4.5, cannot: see the documentation on where handlers run.
"""

from __future__ import absolute_import, division, print_function

import socket
import unittest

from tornado import gen

from katcp.server import DeviceServer
from tests.test_coroutine_guard import TIMEOUT, LoopThread


class CoroutineDevice(DeviceServer):
    def setup_sensors(self):
        pass

    @gen.coroutine
    def request_wait(self, req, msg):
        """Wait for what is there almost at once."""
        yield gen.sleep(0)
        yield gen.moment
        raise gen.Return(req.make_reply("ok"))


class TestHandlersInTheirThread(unittest.TestCase):
    REQUESTS = 1000

    def drive(self, device):
        device.start(timeout=TIMEOUT)
        self.addCleanup(device.join, TIMEOUT)
        self.addCleanup(device.stop)
        clients = [socket.create_connection(device.bind_address, TIMEOUT) for _ in range(3)]
        lines = [client.makefile("rb") for client in clients]
        for client, replies in zip(clients, lines):
            self.addCleanup(client.close)
            self.addCleanup(replies.close)
            client.sendall(b"".join(b"?wait[%d]\n" % number for number in range(1, self.REQUESTS)))
        for replies in lines:
            for _ in range(3):
                self.assertTrue(replies.readline().startswith(b"#version-connect"))
            for number in range(1, self.REQUESTS):
                self.assertEqual(replies.readline(), b"!wait[%d] ok\n" % number)

    def test_loop_of_the_server(self):
        self.drive(CoroutineDevice("127.0.0.1", 0))

    def test_loop_of_the_users(self):
        device = CoroutineDevice("127.0.0.1", 0)
        device.set_ioloop(LoopThread(self).ioloop)
        self.drive(device)


if __name__ == "__main__":
    unittest.main()
