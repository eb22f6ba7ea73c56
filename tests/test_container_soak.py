"""Containers and resources in the thick of it: many restless devices, and one with very many sensors.

KATCP_SOAK_SECONDS says how long the devices are restless, KATCP_SOAK_SEED what they do.
"""

from __future__ import absolute_import, division, print_function

import gc
import logging
import os
import random
import weakref

from tornado import gen, testing

from katcp.core import Message, Sensor
from katcp.resource_client import KATCPClientResource, KATCPClientResourceContainer
from katcp.resource_names import escape_name, normalize_strategy_parameters
from katcp.waiting import AsyncEvent
from tests.support.restless_devices import (
    REQUEST_NAMES, SENSOR_NAMES, CountingDevice, ReservedPort, RestlessDevice)

SECONDS = float(os.environ.get("KATCP_SOAK_SECONDS", 8))
SEED = int(os.environ.get("KATCP_SOAK_SEED", 1))

DEVICES = 50
VERSIONS = ("5.1", "5.1", "5.0", "4")
# Seconds of turmoil between two times of peace, and things that happen per second meanwhile.
TURMOIL = 1.5
EVENTS_PER_SECOND = 150
UPDATES_PER_EVENT = 20
# Seconds in which everything has to be in step again.
PEACE_LIMIT = 60

STRATEGIES = {
    "4": ("event", "auto", "period 30"),
    "5.0": ("event", "auto", "period 0.03", "event-rate 0.001 0.05"),
    "5.1": ("event", "auto", "period 0.03", "event-rate 0.001 0.05"),
}


class Complaints(logging.Handler):
    """Collects what was logged that must not be: tracebacks, failures to inspect a device."""

    # Sensors may change their types: until a client hears of it, values make no sense to it.  And a
    # connection may be gone before anybody hears of that.
    EXPECTED = ("Could not apply the update received", "Could not send message")

    def __init__(self):
        super(Complaints, self).__init__(logging.WARNING)
        self.texts = []

    def emit(self, record):
        text = record.getMessage()
        if (record.exc_info and not text.startswith(self.EXPECTED)) or text.startswith("Error syncing"):
            self.texts.append(self.format(record))


class TestRestlessDevices(testing.AsyncTestCase):
    maxDiff = None

    def setUp(self):
        super(TestRestlessDevices, self).setUp()
        self.rng = random.Random(SEED)
        self.complaints = Complaints()
        log = logging.getLogger("katcp")
        log.addHandler(self.complaints)
        self.addCleanup(log.removeHandler, self.complaints)
        # Who keeps records with tracebacks keeps all that is in the frames: here, that would be pytest.
        self.addCleanup(setattr, log, "propagate", log.propagate)
        log.propagate = False
        self.devices = []
        for number in range(DEVICES):
            device = RestlessDevice("rack-%d" % number, VERSIONS[number % len(VERSIONS)], self.io_loop,
                                    self.rng)
            self.addCleanup(device.close)
            self.devices.append(device)
        # (name of device, name of sensor) -> strategy, value seen last
        self.strategies = {}
        self.seen = {}
        self.requests = []
        self.removed = {}

    # --- the container ---------------------------------------------------------------------------

    def spec(self, device):
        return {"address": device.address, "controlled": True, "auto_reconnect_delay": 0.05}

    def make_container(self):
        self.container = KATCPClientResourceContainer({
            "name": "restless", "clients": {device.name: self.spec(device) for device in self.devices},
            "groups": {"all": [device.name for device in self.devices],
                       "few": [device.name for device in self.devices[:5]]}})
        for device in self.devices:
            self.preset(device)

    def child(self, device):
        return self.container.children.get(escape_name(device.name))

    def preset(self, device):
        """Set strategies and listeners of all sensors, of which most are not there yet."""
        child = self.child(device)
        for sensor_name in SENSOR_NAMES:
            self.set_strategy(device, sensor_name)
            # A reading must never be followed by one that is older, whatever happens to connections.
            self.seen[device.name, sensor_name] = 0
            child.set_sensor_listener(sensor_name, self.listener(device, sensor_name))

    def listener(self, device, sensor_name):
        key = device.name, sensor_name

        def listener(sensor, reading):
            if not self.seen[key] <= reading.value <= device.values[sensor_name]:
                self.complaints.texts.append("{0} was {1}, is {2} on the device, and now came {3}".format(
                    key, self.seen[key], device.values[sensor_name], reading))
            self.seen[key] = reading.value

        return listener

    def set_strategy(self, device, sensor_name):
        strategy = self.rng.choice(STRATEGIES[device.version])
        self.strategies[device.name, sensor_name] = strategy
        self.child(device).set_sampling_strategy(sensor_name, strategy)

    # --- turmoil ---------------------------------------------------------------------------------

    def happen(self, end):
        """Have something happen, and the next thing a bit later; set an event in the end."""
        if self.io_loop.time() >= end:
            self.turmoil_over.set()
            return
        self.io_loop.call_later(self.rng.expovariate(EVENTS_PER_SECOND), self.happen, end)
        device = self.rng.choice(self.devices)
        what = self.rng.random()
        if what < 0.05:
            device.stop()
        elif what < 0.1:
            device.vanish()
        elif what < 0.25:
            device.start()
        elif what < 0.3:
            device.drop_connections()
        elif what < 0.45:
            device.change_sensor()
        elif what < 0.55:
            device.change_request()
        elif what < 0.57:
            self.remove_or_add(device)
        elif self.child(device) is not None:
            if what < 0.65:
                self.set_strategy(device, self.rng.choice(SENSOR_NAMES))
            elif what < 0.9:
                self.call_request(device)
            elif "watchdog" in self.container.groups.few.req:
                self.requests.append(self.container.groups.few.req.watchdog())
        for _ in range(UPDATES_PER_EVENT):
            self.rng.choice(self.devices).update()

    def remove_or_add(self, device):
        if self.child(device) is None:
            self.container.add_child_resource_client(device.name, self.spec(device))
            self.preset(device)
        else:
            # Its strategies and listeners go with it.
            child = self.container.remove_child_resource_client(device.name)
            self.removed[device.name] = weakref.ref(child)
            self.requests.append(child.until_stopped(timeout=PEACE_LIMIT))

    def call_request(self, device):
        child = self.child(device)
        names = [name for name in map(escape_name, REQUEST_NAMES) if name in child.req]
        name = self.rng.choice(names + ["watchdog", "sensor_value"])
        if name in child.req:
            self.requests.append(child.req[name]())

    @gen.coroutine
    def turmoil(self, seconds):
        self.turmoil_over = AsyncEvent()
        self.happen(self.io_loop.time() + seconds)
        yield self.turmoil_over.until_set()

    # --- peace -----------------------------------------------------------------------------------

    @gen.coroutine
    def peace(self):
        """Have all devices up, and compare what the container knows to what they are."""
        for device in self.devices:
            if self.child(device) is None:
                self.remove_or_add(device)
        while not all([device.server for device in self.devices]):
            for device in self.devices:
                device.start()
            yield gen.moment
        self.answers = yield self.requests
        self.requests = []
        # Until what devices have said before is known: they may not be as synced as they look.
        yield [self.child(device).wait_connected(timeout=PEACE_LIMIT) for device in self.devices]
        yield [self.until_answered(device) for device in self.devices]
        yield self.container.until_synced(timeout=PEACE_LIMIT)
        for device in self.devices:
            yield self.compare(device)
        self.compare_container()
        self.assertEqual(self.complaints.texts, [])

    @gen.coroutine
    def until_answered(self, device):
        child = self.child(device)
        while True:
            yield child.until_synced(timeout=PEACE_LIMIT)
            reply = yield child.req.watchdog(timeout=PEACE_LIMIT)
            if reply.succeeded:
                break

    @gen.coroutine
    def compare(self, device):
        child = self.child(device)
        self.assertEqual(set(child.sensor), set(map(escape_name, device.sensors)), device.name)
        own_requests = set(map(escape_name, REQUEST_NAMES)).intersection(child.req)
        self.assertEqual(own_requests, set(map(escape_name, device.requests)), device.name)
        for request_name, handler in device.requests.items():
            request = child.req[escape_name(request_name)]
            self.assertEqual(request.description, handler.__doc__)
            reply = yield request()
            self.assertEqual(reply.reply.arguments, [b"ok", b"%d" % handler.number])
        for sensor_name, on_device in device.sensors.items():
            yield self.compare_sensor(device, child.sensor[escape_name(sensor_name)], on_device)

    @gen.coroutine
    def compare_sensor(self, device, sensor, on_device):
        text = "{0} {1}".format(device.name, sensor.name)
        self.assertEqual((sensor.name, sensor.description, sensor.units, sensor.type),
                         (on_device.name, on_device.description, on_device.units, on_device.type), text)
        strategy = self.strategies[device.name, sensor.name]
        self.assertEqual(sensor.sampling_strategy, normalize_strategy_parameters(strategy), text)
        reply = yield self.child(device).req.sensor_sampling(sensor.name)
        self.assertEqual(reply.reply.arguments[2], strategy.split()[0].encode("ascii"), text)
        yield self.until_as_on_device(sensor, on_device)
        # Listeners are not told of the reading with which a sensor appears, but of all others.
        device.update(sensor.name)
        yield self.until_as_on_device(sensor, on_device)
        self.assertEqual(self.seen[device.name, sensor.name], device.values[sensor.name], text)

    def until_as_on_device(self, sensor, on_device):
        timestamp, status, value = on_device.read()
        return sensor.wait(lambda reading: (reading.value, reading.istatus) == (value, status),
                           timeout=PEACE_LIMIT)

    def compare_container(self):
        expected = {}
        for device in self.devices:
            for identifier, sensor in dict.items(self.child(device).sensor):
                expected[escape_name(device.name) + "_" + identifier] = sensor
        self.assertEqual(dict(self.container.sensor), expected)

    @testing.gen_test(timeout=SECONDS + 2 * PEACE_LIMIT)
    def test_restless_devices(self):
        self.make_container()
        for device in self.devices[::2]:
            device.start()
        self.container.start()
        end = self.io_loop.time() + SECONDS
        try:
            while self.io_loop.time() < end:
                yield self.turmoil(min(TURMOIL, SECONDS / 2))
                yield self.peace()
        except Exception:
            print("The seed was {0}.".format(SEED))
            raise
        self.assertGreater(sum(bool(answer) for answer in self.answers), 0)
        yield self.check_nothing_is_left()

    @gen.coroutine
    def check_nothing_is_left(self):
        container = weakref.ref(self.container)
        self.container.stop()
        yield self.container.until_stopped(timeout=PEACE_LIMIT)
        self.answers = self.container = None
        gc.collect()
        self.assertIsNone(container())
        self.assertEqual([name for name, child in self.removed.items() if child() is not None], [])
        self.assertEqual(self.complaints.texts, [])


class TestManySensors(testing.AsyncTestCase):
    """One device with very many sensors: everything about them is done in few round trips."""

    SENSORS = 10000
    # Requests for strategies name as many sensors as fit: these names are 16 bytes long at most.
    MOST_SAMPLING_REQUESTS = 12

    def setUp(self):
        super(TestManySensors, self).setUp()
        self.port = ReservedPort()
        self.addCleanup(self.port.close)
        self.sensors = []
        for number in range(self.SENSORS):
            sensor = Sensor.integer("group-%d.s-%05d" % (number % 100, number), "A sensor.", "count")
            sensor.set(12345.0, Sensor.NOMINAL, number)
            self.sensors.append(sensor)
        self.start_device()

    def start_device(self):
        self.device = CountingDevice(self.port.number, self.io_loop)
        for sensor in self.sensors:
            self.device.add_sensor(sensor)
        self.device.start()
        self.addCleanup(self.device.stop)

    def take_asked(self):
        """Return how often each request was made since the last call."""
        asked, self.device.asked = self.device.asked, []
        return dict((name, asked.count(name)) for name in set(asked))

    @testing.gen_test(timeout=120)
    def test_many_sensors(self):
        resource = KATCPClientResource({
            "name": "many", "address": ("127.0.0.1", self.port.number), "controlled": True,
            "auto_reconnect_delay": 0.05})
        resource.start()
        try:
            yield resource.until_synced(timeout=60)
            self.assertEqual(len(resource.sensor), self.SENSORS)
            self.assertEqual(self.take_asked(), {"help": 1, "request-timeout-hint": 1, "sensor-list": 1})

            results = yield resource.set_sampling_strategies("", "event")
            self.assertEqual(len(results), self.SENSORS)
            self.check_few_requests_for_strategies(self.take_asked())
            self.check_values(resource, 0)
            yield self.update_all(resource, 1)
            self.assertEqual(self.take_asked(), {})

            # The interface changes: one sensor goes, one comes.
            left = resource.until_not_synced(timeout=60)
            self.device.remove_sensor(self.sensors.pop())
            new = Sensor.integer("new", "A sensor.", "count")
            self.device.add_sensor(new)
            self.device.mass_inform(Message.inform("interface-changed"))
            yield left
            yield resource.until_synced(timeout=60)
            self.assertEqual(len(resource.sensor), self.SENSORS)
            self.assertIn("new", resource.sensor)
            self.device.remove_sensor(new)
            self.take_asked()

            yield self.device.vanish()
            yield resource.until_state("disconnected", timeout=60)
            self.start_device()
            yield resource.until_synced(timeout=60)
            self.assertEqual(len(resource.sensor), self.SENSORS - 1)
            asked = self.take_asked()
            # The one that is gone may be asked for, by name.
            self.assertLessEqual(asked.pop("sensor-list"), 2)
            self.assertEqual((asked.pop("help"), asked.pop("request-timeout-hint")), (1, 1))
            self.check_few_requests_for_strategies(asked)
            self.check_values(resource, 1)
            yield self.update_all(resource, 2)
        finally:
            resource.stop()
        yield resource.until_stopped(timeout=60)

    def check_few_requests_for_strategies(self, asked):
        self.assertEqual(list(asked), ["sensor-sampling"])
        self.assertLessEqual(asked["sensor-sampling"], self.MOST_SAMPLING_REQUESTS)

    def check_values(self, resource, rise):
        wrong = [sensor.name for sensor in self.sensors
                 if resource.sensor[escape_name(sensor.name)].value != sensor.value()]
        self.assertEqual(wrong, [])
        self.assertEqual(self.sensors[0].value(), rise)

    @gen.coroutine
    def update_all(self, resource, rise):
        for number, sensor in enumerate(self.sensors):
            sensor.set(12345.0 + rise, Sensor.WARN, number + rise)
        # Updates come in order.
        last = resource.sensor[escape_name(self.sensors[-1].name)]
        yield last.wait(self.sensors[-1].value(), timeout=60)
        self.check_values(resource, rise)
