"""Device servers for tests, in all dialects and concurrency modes."""

from __future__ import absolute_import, division, print_function

import logging
import unittest

from katcp.protocol import ProtocolFlags
from katcp.sensor import Sensor
from katcp.server import DeviceServer
from tests.support.raw_client import RawClient

# thread_safe, handler_thread
CONCURRENCY = {
    "Threaded": (True, True),
    "ThreadSafe": (True, False),
    "Async": (False, False),
}

FLAGS = {
    "4": ProtocolFlags(4, 0, [ProtocolFlags.MULTI_CLIENT]),
    "5.0": ProtocolFlags(5, 0, [ProtocolFlags.MULTI_CLIENT, ProtocolFlags.MESSAGE_IDS]),
    "5.1": ProtocolFlags(5, 1, [ProtocolFlags.MULTI_CLIENT, ProtocolFlags.MESSAGE_IDS,
                                ProtocolFlags.REQUEST_TIMEOUT_HINTS,
                                ProtocolFlags.BULK_SET_SENSOR_SAMPLING]),
}


class Device5(DeviceServer):
    """A device with a sensor of nearly every type."""

    VERSION_INFO = ("dev-api", 5, 6)
    BUILD_INFO = ("dev-build", 1, 2, "g")
    PROTOCOL_INFO = FLAGS["5.0"]

    def setup_sensors(self):
        for sensor, value in (
                (Sensor.integer("an.int", "An Integer.", "count", [-5, 5]), 3),
                (Sensor.float("a.float", "A Float.", "", [-123.4, 123.4]), 12.0),
                (Sensor.discrete("a.disc", "A Discrete.", "", ["one", "two"]), "one"),
                (Sensor.string("a.str", "A String."), "hi there"),
                (Sensor.timestamp("a.ts", "A Timestamp."), 99.5)):
            sensor.set(12345.0, Sensor.NOMINAL, value)
            self.add_sensor(sensor)


class Device4(Device5):
    """The same in version 4."""

    PROTOCOL_INFO = FLAGS["4"]


class Device51(Device5):
    """The same in version 5.1 with all flags."""

    PROTOCOL_INFO = FLAGS["5.1"]


class ServerTests(object):
    """Mixin for test cases: a running server, which is talked to over a socket."""

    device_class = Device5
    concurrency = (True, True)

    def setUp(self):
        self.server = self.make_server()
        self.server.start(timeout=10)
        self.addCleanup(self.stop_server)

    def make_server(self):
        # Not the default one: clients set its level, which must not be felt elsewhere.
        logger = logging.getLogger("katcp.tests.device")
        logger.setLevel(logging.NOTSET)
        server = self.device_class("127.0.0.1", 0, logger=logger)
        server.set_concurrency_options(*self.concurrency)
        return server

    def stop_server(self):
        self.server.stop(timeout=10).result(timeout=10)
        self.server.join(timeout=10)

    def connect(self, greeted=True):
        """Return a new client; `greeted` says whether the greeting has been read."""
        client = RawClient(self.server.bind_address)
        self.addCleanup(client.close)
        if greeted:
            client.lines(2 if self.server.PROTOCOL_INFO.major < 5 else 3)
        return client


class ServerTestCase(ServerTests, unittest.TestCase):
    """A test case with a running server in the default concurrency mode."""


def in_all_modes(namespace, tests):
    """Put a test case for each concurrency mode into a test module's namespace.

    Parameters
    ----------
    namespace : dict
        The ``globals()`` of the module.
    tests : class
        A subclass of `ServerTests`, which is no test case itself.
    """
    for mode, concurrency in CONCURRENCY.items():
        name = "Test" + tests.__name__.lstrip("_") + mode
        namespace[name] = type(name, (tests, unittest.TestCase), {
            "concurrency": concurrency, "__module__": tests.__module__})
