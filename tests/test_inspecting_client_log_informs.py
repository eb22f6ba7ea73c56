# -*- coding: utf-8 -*-
"""What a device logs reaches the users of inspecting clients and of resources."""

from __future__ import absolute_import, division, print_function

import unittest

from tornado import gen
from tornado.testing import AsyncTestCase, gen_test

from katcp import Message, ProtocolFlags
from katcp.compat import lossy_str
from katcp.inspecting_client import InspectingClientAsync
from katcp.ioloop_manager import IOLoopManager, IOLoopThreadWrapper
from katcp.resource_client import KATCPClientResource, ThreadSafeKATCPClientResourceWrapper
from tests.support import mock
from tests.support.client_cases import Recorder
from tests.support.devices import Device4, Device5
from tests.support.logs import LogRecorder


class TestInforms(unittest.TestCase):
    def setUp(self):
        self.client = InspectingClientAsync("127.0.0.1", 1, ioloop=mock.Mock())
        self.told = Recorder()

    def receive(self, *arguments):
        self.client.katcp_client.handle_inform(Message.inform("log", *arguments))

    def test_arguments(self):
        self.client.set_log_listener(lambda *args: self.told(*args))
        self.receive("warn", "1234.5", "root.pumps", u"Pump \xe9 is slow")
        self.receive(b"error", b"x\xff", b"\xff", b"a\xffb", b"more")
        self.assertEqual(self.told.calls, [
            ("warn", 1234.5, "root.pumps", lossy_str(u"Pump \xe9 is slow".encode("utf-8"))),
            ("error", None, lossy_str(b"\xff"), lossy_str(b"a\xffb"))])
        for call in self.told.calls:
            self.assertEqual([type(arg) for arg in call if arg != call[1]], [str] * 3)

    def test_milliseconds_of_old_devices(self):
        self.client.preset_protocol_flags(ProtocolFlags(4, 0, ""))
        self.client.set_log_listener(self.told)
        self.receive("warn", "1234500", "root", "text")
        self.assertEqual(self.told.calls, [("warn", 1234.5, "root", "text")])

    def test_another_listener_takes_its_place(self):
        self.client.set_log_listener(Recorder())
        self.client.set_log_listener(self.told)
        self.receive("warn", "1", "root", "text")
        self.assertEqual(len(self.told.calls), 1)
        self.client.set_log_listener(None)
        self.receive("warn", "1", "root", "text")
        self.assertEqual(len(self.told.calls), 1)

    def test_no_listener_no_hook(self):
        self.client.set_log_listener(None)
        self.assertNotIn("log", self.client.katcp_client._inform_hooks)

    def test_bad_informs(self):
        self.client.set_log_listener(self.told)
        with LogRecorder("katcp") as log:
            for _ in range(100):
                self.receive("warn", "1", "root")
        self.assertEqual(self.told.calls, [])
        self.assertEqual(len(log.records), 10)
        self.assertEqual(log.messages[0], "Ignoring a #log inform that lacks arguments: #log warn 1 root")

    def test_bad_listeners(self):
        def fail(level, timestamp, name, text):
            raise ValueError("listener")

        with LogRecorder("katcp") as log:
            self.client.set_log_listener(lambda msg: None)
        self.assertIn("cannot be called with (level, timestamp, name, text)", log.messages[0])
        for listener, number in ((fail, 10), (lambda msg: None, 3)):
            self.client.set_log_listener(listener)
            with LogRecorder("katcp") as log:
                for _ in range(100):
                    self.receive("warn", "1", "root", "text")
            self.assertEqual(len(log.records), number)
            self.assertTrue(log.messages[0].startswith("Unhandled exception calling log listener <function"))


class TestResources(AsyncTestCase):
    @gen.coroutine
    def check(self, device_class):
        server = device_class("127.0.0.1", 0)
        server.start(timeout=10)
        self.addCleanup(server.join, 10)
        self.addCleanup(server.stop)
        resource = KATCPClientResource(dict(name="device", address=server.bind_address, controlled=True))
        told = Recorder()
        resource.set_log_listener(told)
        for run in range(2):
            # It survives restarts.
            resource.start()
            yield resource.until_synced(timeout=10)
            server.log.warn("Pump %d is slow", run, timestamp=1234.5)
            while len(told.calls) < run + 1:
                yield gen.moment
            resource.stop()
            yield resource.until_stopped(timeout=10)
        self.assertEqual(told.calls, [("warn", 1234.5, "root", "Pump 0 is slow"),
                                      ("warn", 1234.5, "root", "Pump 1 is slow")])

    @gen_test
    def test_version_5(self):
        yield self.check(Device5)

    @gen_test
    def test_version_4(self):
        yield self.check(Device4)

    @gen_test
    def test_while_it_is_running(self):
        server = Device5("127.0.0.1", 0)
        server.start(timeout=10)
        self.addCleanup(server.join, 10)
        self.addCleanup(server.stop)
        resource = KATCPClientResource(dict(name="device", address=server.bind_address))
        resource.start()
        yield resource.until_synced(timeout=10)
        told = Recorder()
        resource.set_log_listener(told)
        server.log.error("Late", timestamp=1.0)
        while not told.calls:
            yield gen.moment
        self.assertEqual(told.calls, [("error", 1.0, "root", "Late")])
        resource.stop()
        yield resource.until_stopped(timeout=10)


class TestOtherThreads(unittest.TestCase):
    def test_wrapper(self):
        server = Device5("127.0.0.1", 0)
        server.start(timeout=10)
        self.addCleanup(server.join, 10)
        self.addCleanup(server.stop)
        manager = IOLoopManager()
        ioloop_wrapper = IOLoopThreadWrapper(manager.get_ioloop())
        ioloop_wrapper.default_timeout = 10
        manager.start()
        self.addCleanup(manager.join, 10)
        self.addCleanup(manager.stop)
        resource = KATCPClientResource(dict(name="device", address=server.bind_address))
        resource.set_ioloop(manager.get_ioloop())
        client = ThreadSafeKATCPClientResourceWrapper(resource, ioloop_wrapper)
        told = Recorder()
        client.start()
        client.until_synced(timeout=10)
        client.set_log_listener(told)
        server.log.warn("Hello", timestamp=1.0)
        told.wait()
        self.assertEqual(told.calls, [("warn", 1.0, "root", "Hello")])
        client.stop()
        client.until_stopped()
