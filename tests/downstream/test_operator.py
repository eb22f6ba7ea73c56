"""The blocking face, as somebody at a prompt uses it: everything here is called in the test's thread."""

from __future__ import absolute_import, division, print_function

import concurrent.futures
import logging
import threading
import unittest

from katcp import KATCPClientResource, KATCPClientResourceContainer, Sensor
from katcp.core import AttrDict
from katcp.ioloop_manager import IOLoopManager, IOLoopThreadWrapper, ThreadSafeMethodAttrWrapper
from katcp.resource_client import (AttrMappingProxy, ThreadSafeKATCPClientResourceRequestWrapper,
                                   ThreadSafeKATCPClientResourceWrapper, ThreadSafeKATCPSensorWrapper)
from katcp.testutils import TestLogHandler, TestUtilMixin, get_ident, start_thread_with_cleanup, wait_sensor

from acu.control import Operator, antenna_spec
from acu.device import AntennaPositioner

log_handler = TestLogHandler()


def setUpModule():
    logging.getLogger("katcp").addHandler(log_handler)


def tearDownModule():
    logging.getLogger("katcp").removeHandler(log_handler)


LIMIT = 10


class OperatorTestCase(unittest.TestCase, TestUtilMixin):
    def start_device(self):
        device = AntennaPositioner("127.0.0.1", 0)
        device.PIN_SECONDS = 0
        start_thread_with_cleanup(self, device, timeout=LIMIT, start_timeout=LIMIT)
        return device

    def enter(self, operator):
        """Enter a context until the end of the test."""
        self.addCleanup(operator.__exit__)
        return operator.__enter__()


class TestOneAntenna(OperatorTestCase):
    def setUp(self):
        self.device = self.start_device()
        self.resource = KATCPClientResource(antenna_spec(self.device.bind_address, "antenna"))
        self.operator = self.enter(Operator(self.resource, default_timeout=LIMIT))
        self.antenna = self.operator.array

    def test_requests(self):
        reply = self.antenna.req.stop()
        self.assertTrue(reply.succeeded)
        self.assertEqual(reply.reply.arguments, [b"ok", b"stop"])
        reply, informs = self.antenna.req["load_track"](1000, 1, 2)
        self._assert_msgs_length(informs, 1)
        self.assertFalse(self.antenna.req.mode("standing"))

    def test_slew(self):
        thread = threading.Thread(target=self._move_when_slewing)
        thread.start()
        self.addCleanup(thread.join, LIMIT)
        reply = self.antenna.req.slew(30, 40)
        self.assertEqual(reply.reply.arguments, [b"ok", b"30.0", b"40.0"])

    def _move_when_slewing(self):
        wait_sensor(self.device.get_sensor("mode"), "slew", timeout=LIMIT)
        self.device.advance(1000)

    def test_sensors(self):
        self.assertEqual(self.operator.value("pos_actual_azim"), 20.0)
        self.assertEqual(self.antenna.sensor.pos_actual_azim.value, 20.0)
        self.assertEqual(self.antenna.sensor.mode.get_status(), "nominal")
        reading = self.antenna.sensor.mode.get_reading()
        self.assertEqual((reading.value, reading.istatus), ("stop", Sensor.NOMINAL))
        self.assertIs(self.antenna.sensor.mode.reading, self.resource.sensor.mode.reading)

    def test_strategies_and_waiting(self):
        sensor = self.antenna.sensor.mode
        self.assertEqual(sensor.sampling_strategy, ("none",))
        sensor.set_strategy("event")
        self.assertEqual(sensor.sampling_strategy, ("event",))
        self.antenna.req.mode("stow")
        self.assertTrue(sensor.wait("stow"))
        self.assertTrue(self.antenna.wait("mode", lambda reading: reading.status == "nominal"))
        self.assertFalse(self.antenna.wait("mode", "slew", 0.01))
        self.assertEqual(self.antenna.set_sampling_strategies("pos_actual", "period 5"),
                         {"pos_actual_azim": "period 5", "pos_actual_elev": "period 5"})

    def test_listing(self):
        results = self.antenna.list_sensors("drive_ok", refresh=True)
        self.assertEqual([(result.name, result.reading.value) for result in results],
                         [("azim.drive-ok", True), ("elev.drive-ok", True)])

    def test_listeners(self):
        called = threading.Event()
        threads = []

        def listener(sensor, reading):
            if reading.value == "stow":
                threads.append(get_ident())
                called.set()

        self.antenna.set_sensor_listener("mode", listener)
        self.antenna.set_sampling_strategy("mode", "event")
        self.antenna.req.mode("stow")
        self.assertTrue(called.wait(LIMIT))
        self.assertNotEqual(threads[0], get_ident())

    def test_timeouts(self):
        with self.assertRaises(concurrent.futures.TimeoutError):
            self.operator.wrapper.default_timeout = 0.01
            try:
                self.antenna.until_state("disconnected")
            finally:
                self.operator.wrapper.default_timeout = LIMIT
        self.assertTrue(self.antenna.until_state("synced"))
        self.assertTrue(self.antenna.req.stop())

    def test_errors_come_through(self):
        with self.assertRaises(KeyError):
            self.antenna.wait("no_such_sensor", 1)
        with self.assertRaises(AttributeError):
            self.antenna.req.fly()
        with self.assertRaises(ValueError):
            self.antenna.until_state("upside down")
        self.antenna.set_active(False)
        with self.assertRaises(Exception) as raised:
            self.antenna.req.stop()
        self.assertIn("inactive", str(raised.exception))

    def test_not_in_the_loop(self):
        def call_blocking():
            try:
                self.antenna.req.stop()
            except RuntimeError as exc:
                return str(exc)

        text = self.operator.wrapper.call_in_ioloop(call_blocking, (), {})
        self.assertIn("Cannot call a thread-wrapped object from the ioloop", text)

    def test_wrappers(self):
        self.assertIsInstance(self.antenna, KATCPClientResource)
        self.assertIs(type(self.antenna), ThreadSafeKATCPClientResourceWrapper)
        self.assertIs(self.antenna.__subject__, self.resource)
        self.assertEqual(self.antenna.name, "antenna")
        self.assertEqual(self.antenna.address, self.device.bind_address)
        self.assertIsInstance(self.antenna.req, AttrMappingProxy)
        self.assertIsInstance(self.antenna.sensor, AttrMappingProxy)
        self.assertIs(type(self.antenna.sensor.mode), ThreadSafeKATCPSensorWrapper)
        self.assertIs(type(self.antenna.req.stop), ThreadSafeKATCPClientResourceRequestWrapper)
        self.assertEqual(sorted(dir(self.antenna.sensor)), sorted(dict.keys(self.resource.sensor)))
        self.assertEqual(sorted(self.antenna.req), sorted(dict.keys(self.resource.req)))
        self.assertIs(self.antenna.parent, None)
        self.assertEqual(len(self.antenna.children), 0)
        self.assertEqual(self.antenna.sensor.mode, self.resource.sensor.mode)

    def test_several_threads(self):
        replies = []

        def work(number):
            for count in range(5):
                reply = self.antenna.req.echo(number, count)
                replies.append([int(arg) for arg in reply.reply.arguments[1:]])

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        self.assertEqual(sorted(replies), [[number, count] for number in range(4) for count in range(5)])


class TestArray(OperatorTestCase):
    def setUp(self):
        self.devices = dict((name, self.start_device()) for name in ("m000", "m001"))
        self.resource = KATCPClientResourceContainer(dict(
            name="array",
            clients=dict((name, antenna_spec(device.bind_address)) for name, device in self.devices.items()),
            groups=dict(ants=["m000", "m001"])))
        self.operator = self.enter(Operator(self.resource, default_timeout=LIMIT))
        self.array = self.operator.array

    def test_sensors(self):
        self.assertEqual(self.operator.value("m001_mode"), "stop")
        self.assertEqual(len(list(self.array.sensor)), 32)
        self.assertEqual(self.array.children["m000"].sensor.mode.get_value(), "stop")

    def test_children(self):
        child = self.array.children.m001
        self.assertTrue(child.req.mode("stow").succeeded)
        self.assertEqual(child.parent, self.array)
        self.assertIsInstance(self.array.children, AttrMappingProxy)
        self.assertNotIsInstance(self.array.children, AttrDict)
        self.assertEqual(sorted(self.array.children), ["m000", "m001"])

    def test_groups(self):
        ants = self.array.groups.ants
        self.assertEqual((ants.name, len(ants)), ("ants", 2))
        results = ants.req.mode("stow")
        self.assertTrue(results.succeeded)
        self.assertEqual(sorted(results), ["m000", "m001"])
        ants.set_sampling_strategy("mode", "event")
        self.assertEqual(ants.wait("mode", "stow"), {"m000": True, "m001": True})
        self.assertTrue(all(client.req.stop() for client in ants))


class TestWrappers(unittest.TestCase):
    """The wrappers for objects of any kind."""

    class Counter(object):
        """Notes where it was called."""

        def __init__(self):
            self.threads = []

        @property
        def where(self):
            return get_ident()

        def count(self, step, timeout=None):
            self.threads.append(get_ident())
            return len(self.threads) * step

    def setUp(self):
        manager = IOLoopManager()
        self.ioloop = manager.get_ioloop()
        self.wrapper = IOLoopThreadWrapper(self.ioloop)
        self.wrapper.default_timeout = LIMIT
        start_thread_with_cleanup(self, manager, timeout=LIMIT, start_timeout=LIMIT)

    def test_calls(self):
        class SafeCounter(ThreadSafeMethodAttrWrapper):
            @property
            def where(self):
                return self._getattr("where")

        subject = self.Counter()
        counter = ThreadSafeMethodAttrWrapper(subject, self.wrapper)
        self.assertEqual(counter.count(3), 3)
        self.assertEqual(counter.count(step=3, timeout=LIMIT), 6)
        self.assertEqual(counter.where, get_ident())
        self.assertEqual(SafeCounter(subject, self.wrapper).where, subject.threads[0])
        self.assertNotEqual(subject.threads[0], get_ident())
        self.assertEqual(subject.threads[0], subject.threads[1])

    def test_decorated_function(self):
        @self.wrapper.decorate_callable
        def where(add):
            return get_ident() + add

        self.assertNotEqual(where(0), get_ident())
        self.assertEqual(where.__name__, "where")
