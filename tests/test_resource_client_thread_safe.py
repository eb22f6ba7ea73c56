"""Resources in the hands of other threads than that of their loop."""

from __future__ import absolute_import, division, print_function

import concurrent.futures
import threading
import unittest

import tornado.gen

from katcp import compat, resource
from katcp.core import AttrDict
from katcp.ioloop_manager import IOLoopManager
from katcp.resource_client import (
    AttrMappingProxy, ClientGroup, IOLoopThreadWrapper, KATCPClientResource, KATCPClientResourceContainer,
    KATCPReply, ThreadSafeKATCPClientGroupWrapper, ThreadSafeKATCPClientResourceRequestWrapper,
    ThreadSafeKATCPClientResourceWrapper, ThreadSafeKATCPSensorWrapper, ThreadSafeMethodAttrWrapper)
from tests.support.logs import LogRecorder
from tests.support.resource_cases import SensingDevice

# Seconds after which a test that hangs fails.
LIMIT = 10


class ThreadSafeTestCase(unittest.TestCase):
    def setUp(self):
        self.device = SensingDevice()
        self.addCleanup(self.device.stop)
        self.manager = IOLoopManager()
        self.ioloop = self.manager.get_ioloop()
        self.ioloop_wrapper = IOLoopThreadWrapper(self.ioloop)
        self.ioloop_wrapper.default_timeout = LIMIT
        self.manager.start()
        self.addCleanup(self.manager.join, LIMIT)
        self.addCleanup(self.manager.stop)

    def wrap(self, subject):
        subject.set_ioloop(self.ioloop)
        wrapper = ThreadSafeKATCPClientResourceWrapper(subject, self.ioloop_wrapper)
        wrapper.start()
        self.addCleanup(wrapper.until_stopped)
        self.addCleanup(wrapper.stop)
        wrapper.until_synced(timeout=LIMIT)
        return wrapper

    def resource(self, **spec):
        return self.wrap(KATCPClientResource(
            dict(dict(name="a-device", address=self.device.address, controlled=True), **spec)))

    def container(self):
        return self.wrap(KATCPClientResourceContainer(dict(
            name="a-container",
            clients=dict((name, dict(address=self.device.address, controlled=True))
                         for name in ("client-1", "client.2")),
            groups={"group-1": ["client-1", "client.2"]})))


class TestResource(ThreadSafeTestCase):
    def test_stands_for_the_resource(self):
        wrapper = self.resource()
        subject = wrapper.__subject__
        self.assertIsInstance(wrapper, KATCPClientResource)
        self.assertIs(type(wrapper), ThreadSafeKATCPClientResourceWrapper)
        self.assertTrue(issubclass(type(wrapper), ThreadSafeMethodAttrWrapper))
        self.assertEqual(wrapper, subject)
        self.assertEqual(wrapper, ThreadSafeKATCPClientResourceWrapper(subject, self.ioloop_wrapper))
        self.assertEqual(repr(wrapper), repr(subject))
        self.assertEqual((wrapper.name, wrapper.state, wrapper.synced), ("a-device", "synced", True))
        self.assertTrue(wrapper.is_connected())
        self.assertEqual(wrapper.versions["katcp-protocol"], ("5.0-MI",))
        with self.assertRaises(AttributeError):
            wrapper.sensor = 1
        wrapper.anything = 5
        self.assertEqual(subject.anything, 5)
        self.assertIsNone(wrapper.parent)
        self.assertIsInstance(wrapper.children, AttrDict)
        self.assertEqual(wrapper.children, {})
        self.assertRaises(AttributeError, getattr, wrapper, "groups")
        self.assertRaises(AttributeError, getattr, wrapper, "nonsense")

    def test_requests(self):
        wrapper = self.resource()
        self.assertIsInstance(wrapper.req, AttrMappingProxy)
        self.assertEqual(sorted(dir(wrapper.req)), ["help", "watchdog"])
        request = wrapper.req.watchdog
        self.assertIs(type(request), ThreadSafeKATCPClientResourceRequestWrapper)
        self.assertIsInstance(request, resource.KATCPRequest)
        self.assertEqual(request.name, "watchdog")
        result = request()
        self.assertIsInstance(result, KATCPReply)
        self.assertTrue(result.succeeded)
        reply, informs = wrapper.req["help"]("watchdog")
        self.assertEqual(len(informs), 1)
        wrapper.set_active(False)
        self.assertRaises(resource.KATCPResourceInactive, request)
        self.assertRaises(AttributeError, getattr, wrapper.req, "unknown")

    def test_sensors(self):
        wrapper = self.resource()
        for name in ("sensor", "sensors"):
            self.assertEqual(sorted(getattr(wrapper, name)), ["a_string", "an_int"])
        self.assertEqual(sorted(sensor.name for sensor in wrapper.sensor.values()), ["a.string", "an.int"])
        sensor = getattr(wrapper.sensor, "an_int")
        self.assertIs(type(sensor), ThreadSafeKATCPSensorWrapper)
        self.assertEqual(sensor.get_value(), 3)
        self.assertIn("?sensor-value an.int", self.device.asked)
        subject = wrapper.__subject__.sensor.an_int
        self.assertIs(sensor.reading, subject.reading)
        self.assertEqual((sensor.value, sensor.status, sensor.get_status()), (3, "nominal", "nominal"))
        self.assertEqual(sensor.sampling_strategy, ("none",))
        self.assertEqual(sensor.nominal_range, subject.nominal_range)
        self.assertEqual(sensor.set_strategy("event"), (True, ("event",)))
        self.assertEqual(sensor.set_sampling_strategy("period 3"), (True, ("period", "3.0")))
        self.assertEqual(sensor.sampling_strategy, ("period", "3.0"))
        self.assertIs(sensor.wait(3), True)
        self.assertIs(wrapper.wait("an.int", 3), True)
        self.assertEqual(wrapper.set_sampling_strategy("an.int", "event"), {"an_int": "event"})
        self.assertIs(wrapper.list_sensors("int")[0].object, subject)

    def test_timeouts(self):
        wrapper = self.resource()
        self.device.held.add("watchdog")
        # A request knows best what has happened to it.
        self.assertIn("timed\\_out", str(wrapper.req.watchdog(timeout=0.05)))
        wrapper.sensor.an_int.set_strategy("event")
        for expected in (concurrent.futures.TimeoutError, tornado.gen.TimeoutError):
            self.assertRaises(expected, wrapper.until_state, "disconnected", timeout=0.05)
            self.assertRaises(expected, wrapper.until_not_synced, timeout=0.05)
            self.assertRaises(expected, wrapper.sensor.an_int.wait, 77, timeout=0.05)
        self.assertIs(wrapper.wait("an.int", 77, timeout=0.05), False)
        self.ioloop_wrapper.default_timeout = 0.001
        self.assertRaises(concurrent.futures.TimeoutError, wrapper.until_state, "disconnected")
        self.ioloop_wrapper.default_timeout = LIMIT
        self.device.release()
        self.assertTrue(wrapper.req.watchdog())
        self.assertRaises(ValueError, wrapper.until_state, "bogus")

    def test_timeouts_are_those_of_the_loop(self):
        # Made in this thread, it waits in the other.
        wrapper = self.resource()
        waits = []

        def wait():
            waits.append(wrapper.__subject__.until_not_synced(0.05))
            return waits[0]

        self.assertRaises(tornado.gen.TimeoutError, self.ioloop_wrapper.call_in_ioloop, wait, (), {})
        self.assertTrue(waits[0].done())

    def test_in_the_thread_of_the_loop(self):
        wrapper = self.resource()
        errors = []
        done = threading.Event()

        def work():
            try:
                wrapper.until_synced()
            except RuntimeError as error:
                errors.append(str(error))
            done.set()

        self.ioloop.add_callback(work)
        self.assertTrue(done.wait(LIMIT))
        self.assertEqual(errors, ["Cannot call a thread-wrapped object from the ioloop"])

    def test_stopping(self):
        wrapper = self.resource()
        self.assertIsNone(wrapper.stop())
        self.assertIs(wrapper.until_stopped(), True)
        self.assertEqual(wrapper.state, "disconnected")
        wrapper.start()
        wrapper.until_synced(timeout=LIMIT)

    def test_wrapped_before_the_loop_runs(self):
        manager = IOLoopManager()
        loop = manager.get_ioloop()
        subject = KATCPClientResource(dict(name="a-device", address=self.device.address))
        wrapper = ThreadSafeKATCPClientResourceWrapper(subject, IOLoopThreadWrapper(loop))
        loop.add_callback(subject.start)
        self.assertEqual(dict(wrapper.sensor), {})
        manager.start()
        wrapper.until_synced(timeout=LIMIT)
        self.assertEqual(len(wrapper.sensor), 2)
        wrapper.stop()
        wrapper.until_stopped()
        manager.stop()
        manager.join(LIMIT)

    def test_reading_while_the_loop_writes(self):
        for number in range(200):
            self.device.sensors[("sensor.%03d" % number).encode("ascii")] = (b"", b"", b"integer")
        wrapper = self.container()
        children = list(wrapper.__subject__.children.values())
        stopping = threading.Event()

        def change():
            for child in children:
                child._remove_sensors(["sensor.%03d" % number for number in range(100)])
                child._add_sensors(["sensor.%03d" % number for number in range(100)])
            if not stopping.is_set():
                # A loop that never rests leaves the reading thread next to no time of the interpreter.
                self.ioloop.call_later(0.001, change)

        self.ioloop.add_callback(change)
        try:
            for _ in range(30):
                for proxy in (wrapper.sensor, wrapper.children.client_1.sensor):
                    for name, sensor in proxy.items():
                        self.assertTrue(sensor.name)
                    list(proxy)
                    list(proxy.values())
                self.assertGreaterEqual(len(wrapper.sensor), 204)
        finally:
            stopping.set()


class TestContainer(ThreadSafeTestCase):
    def test_children(self):
        wrapper = self.container()
        self.assertIsInstance(wrapper, KATCPClientResourceContainer)
        child = wrapper.children.client_1
        self.assertIs(type(child), ThreadSafeKATCPClientResourceWrapper)
        self.assertEqual(child, wrapper.__subject__.children.client_1)
        self.assertEqual(child.sensor.an_int.get_value(), 3)
        self.assertEqual(child.parent, wrapper)
        self.assertIs(type(child.parent), ThreadSafeKATCPClientResourceWrapper)
        self.assertEqual(sorted(wrapper.children), ["client_1", "client_2"])
        child.until_state("synced", timeout=LIMIT)

    def test_items(self):
        wrapper = self.container()
        self.assertTrue(wrapper.req.client_2_watchdog())
        self.assertEqual(wrapper.sensor.client_1_an_int.get_value(), 3)
        self.assertEqual(wrapper.sensors, wrapper.sensor)
        self.assertEqual(wrapper.set_sampling_strategies("an_int", "event"), {
            "client-1": {"an_int": "event"}, "client.2": {"an_int": "event"}})
        self.assertEqual(len(wrapper.list_sensors()), 4)

    def test_groups(self):
        wrapper = self.container()
        group = wrapper.groups.group_1
        self.assertIs(type(group), ThreadSafeKATCPClientGroupWrapper)
        self.assertIsInstance(group, ClientGroup)
        self.assertEqual((group.name, len(group)), ("group-1", 2))
        self.assertIsInstance(group.clients, list)
        for clients in (group.clients, list(group), [group[0], group[1]], group[:]):
            self.assertEqual([type(client) for client in clients], [ThreadSafeKATCPClientResourceWrapper] * 2)
            self.assertEqual([client.name for client in clients], ["client-1", "client.2"])
        results = group.req.watchdog()
        self.assertTrue(results)
        self.assertEqual(sorted(results), ["client-1", "client.2"])
        group.set_sampling_strategy("an.int", "event")
        self.assertTrue(group.wait("an.int", 3))
        self.assertTrue(group.is_connected())

    def test_attributes_that_are_resources(self):
        wrapper = self.container()
        subject = wrapper.__subject__
        subject.favourite = subject.children.client_1
        subject.favourites = subject.groups.group_1
        self.assertEqual(wrapper.favourite.sensor.an_int.get_value(), 3)
        self.assertEqual(sorted(wrapper.favourites.req.watchdog()), ["client-1", "client.2"])

    def test_stopping(self):
        wrapper = self.container()
        with LogRecorder() as log:
            self.assertRaises(concurrent.futures.TimeoutError, wrapper.until_stopped, timeout=0.01)
            # By then the other child has been late, too.
            self.ioloop_wrapper.call_in_ioloop(tornado.gen.sleep, (0.01,), {})
        self.assertEqual(log.messages, [])
        wrapper.stop()
        self.assertEqual(wrapper.until_stopped(), {"client_1": True, "client_2": True})
        self.assertFalse(wrapper.is_connected())

    def test_adding_children(self):
        wrapper = self.container()
        child = wrapper.add_child_resource_client("new", {"address": self.device.address})
        self.assertIs(type(child), KATCPClientResource)
        wrapper.until_synced(timeout=LIMIT)
        self.assertEqual(wrapper.sensor.new_an_int.get_value(), 3)
        self.assertIs(compat.is_future(wrapper.children.new.until_synced(timeout=LIMIT)), False)
