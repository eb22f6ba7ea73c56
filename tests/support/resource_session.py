"""What a resource does with a device in a process of its own, whoever has made the device."""

from __future__ import absolute_import, division, print_function

from tornado import gen, testing

from katcp.core import Sensor
from katcp.resource_client import KATCPClientResource
from katcp.waiting import AsyncEvent

# Sensors that the device has after ?change-interface: type, units, value.
NEW_SENSORS = {
    "new.float": ("float", "m", 2.5),
    "new.bool": ("boolean", "", True),
    "new.disc": ("discrete", "", "two"),
    "new.str": ("string", "", "hello \\ there"),
    "new.time": ("timestamp", "", 99.5),
    "new.address": ("address", "", ("127.0.0.1", 7148)),
}


class DeviceProcess(object):
    """A process that prints the port its device listens on; it can be killed.

    Parameters
    ----------
    process : subprocess.Popen
        With pipes for standard input and output.
    """

    def __init__(self, process):
        self._process = process
        line = process.stdout.readline()
        self.port = int(line)

    def kill(self):
        """End it without warning, if it has not ended, and close its pipes."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


class ResourceSession(testing.AsyncTestCase):
    """Base of test cases; not one itself."""

    def serve(self, version, port):
        """Start a device and return it as a `DeviceProcess`.

        It has the sensors and requests of `tests.peers.example`.
        """
        raise NotImplementedError

    def start_device(self, version, port=0):
        device = self.serve(version, port)
        self.addCleanup(device.kill)
        return device

    @gen.coroutine
    def session(self, version):
        device = self.start_device(version)
        resource = KATCPClientResource({
            "name": "a-peer", "address": ("127.0.0.1", device.port), "controlled": True,
            "auto_reconnect_delay": 0.05})
        # For a sensor that is not there yet.
        yield resource.set_sampling_strategy("new.float", "event")
        resource.start()
        try:
            yield resource.until_synced(timeout=10)
            yield self.look_around(resource, version)
            yield self.call_requests(resource)
            yield self.watch_sensors(resource, version)
            yield self.follow_interface(resource)
            yield self.survive_restart(resource, device, version)
        finally:
            resource.stop()
        yield resource.until_stopped(timeout=10)
        self.assertEqual(resource.state, "disconnected")

    def look_around(self, resource, version):
        self.assertEqual(sorted(resource.sensor), ["an_int", "another_int"])
        sensor = resource.sensor.an_int
        self.assertEqual((sensor.name, sensor.type, sensor.units, sensor.description),
                         ("an.int", "integer", "count", "An integer."))
        for name in ("add", "set_int", "echo", "change_interface", "sensor_value", "watchdog", "help"):
            self.assertIn(name, resource.req)
        self.assertEqual(resource.req.add.description.strip(), "Add two integers.")
        self.assertFalse(hasattr(resource.req, "no_such"))
        if version != "4":  # which calls it something else
            self.assertIn("peer-api", " ".join(resource.versions["katcp-device"]))
        return gen.moment

    @gen.coroutine
    def call_requests(self, resource):
        reply = yield resource.req.add(1, 2)
        self.assertTrue(reply.succeeded)
        self.assertEqual(reply.reply.arguments, [b"ok", b"3"])
        self.assertEqual(reply.informs, [])
        reply = yield resource.req.add(1, "x")
        self.assertFalse(reply)
        self.assertEqual(reply.reply.arguments[0], b"fail")
        words = [b"a b", b"", b"\x00\n\t\\"]
        reply, informs = yield resource.req.echo(*words)
        self.assertEqual(reply.arguments[1:], words)
        reply = yield resource.req.sensor_value()
        self.assertEqual([inform.arguments[2] for inform in reply.informs], [b"an.int", b"another.int"])
        # Many at once, each gets the reply that is its own.
        replies = yield [resource.req.add(number, number) for number in range(100)]
        self.assertEqual([int(reply.arguments[1]) for reply, _ in replies], list(range(0, 200, 2)))

    @gen.coroutine
    def watch_sensors(self, resource, version):
        sensor = resource.sensor.an_int
        reading = yield sensor.get_reading()
        self.assertEqual((reading.value, reading.status, reading.timestamp), (3, "nominal", 12345.0))
        results = yield resource.set_sampling_strategies("int$", "auto")
        self.assertEqual(results, {"an_int": "auto", "another_int": "auto"})
        success, text = yield sensor.set_strategy("no-such-strategy")
        self.assertFalse(success)
        self.assertIn("fail", text)
        # In the units of the device, milliseconds before version 5.
        success, strategy = yield sensor.set_strategy("period", "50" if version == "4" else "0.05")
        self.assertTrue(success, strategy)
        yield self.until_updated(sensor, 3)
        success, strategy = yield sensor.set_strategy("event")
        self.assertTrue(success, strategy)
        self.assertEqual(sensor.sampling_strategy, ("event",))
        seen = []
        yield resource.set_sensor_listener("an.int", lambda sensor, reading: seen.append(reading))
        waiting = resource.wait("an.int", 9, timeout=10)
        self.assertTrue((yield resource.req.set_int(9)).succeeded)
        self.assertTrue((yield waiting))
        self.assertEqual((sensor.reading.status, sensor.reading.timestamp), ("warn", 23456.0))
        self.assertEqual([(reading.value, reading.timestamp) for reading in seen], [(9, 23456.0)])
        self.assertEqual(resource.sensor.another_int.value, 7)
        self.assertFalse((yield resource.wait("an.int", 10, timeout=0.01)))

    @gen.coroutine
    def until_updated(self, sensor, times):
        updates, enough = [], AsyncEvent()

        def listener(sensor, reading):
            updates.append(reading)
            if len(updates) == times:
                enough.set()

        sensor.register_listener(listener, reading=True)
        yield enough.until_set()
        sensor.unregister_listener(listener)

    @gen.coroutine
    def follow_interface(self, resource):
        an_int = resource.sensor.an_int
        got_float = AsyncEvent()
        yield resource.set_sensor_listener("new.float", lambda sensor, reading: got_float.set())
        left = resource.until_not_synced(timeout=10)
        self.assertTrue((yield resource.req.change_interface()).succeeded)
        yield left
        yield resource.until_synced(timeout=10)
        self.assertEqual(sorted(resource.sensor),
                         ["an_int"] + sorted(name.replace(".", "_") for name in NEW_SENSORS))
        self.assertIs(resource.sensor.an_int, an_int)
        # That of which the strategy had been set beforehand.
        self.assertEqual(resource.sensor.new_float.sampling_strategy, ("event",))
        self.assertEqual(resource.sensor.new_float.value, 2.5)
        for name, (kind, units, value) in NEW_SENSORS.items():
            sensor = resource.sensor[name.replace(".", "_")]
            self.assertEqual((sensor.name, sensor.type, sensor.units), (name, kind, units))
            reading = yield sensor.get_reading()
            self.assertEqual(reading.value, value, name)
            self.assertEqual((reading.status, reading.timestamp), ("nominal", 12345.0))
        self.assertEqual(resource.sensor.new_disc.parent_name, "a-peer")
        self.assertEqual(Sensor.parse_type(resource.sensor.new_disc.type), Sensor.DISCRETE)
        listed = yield resource.list_sensors("new_", strategy=True)
        self.assertEqual([item.name for item in listed], ["new.float"])

    @gen.coroutine
    def survive_restart(self, resource, device, version):
        an_int = resource.sensor.an_int
        device.kill()
        yield resource.until_state("disconnected", timeout=10)
        reply = yield resource.req.add(1, 2)
        self.assertFalse(reply)
        self.assertIn(b"Not connected", reply.reply.arguments[1])
        # What is set meanwhile counts when the device is back.
        yield resource.set_sampling_strategy("another.int", "event")
        device = self.start_device(version, device.port)
        yield resource.until_synced(timeout=10)
        self.assertEqual(sorted(resource.sensor), ["an_int", "another_int"])
        self.assertIs(resource.sensor.an_int, an_int)
        self.assertEqual(an_int.reading.value, 3)
        self.assertEqual(resource.sensor.another_int.sampling_strategy, ("event",))
        waiting = an_int.wait(lambda reading: reading.value == 11 and reading.status == "warn", timeout=10)
        self.assertTrue((yield resource.req.set_int(11)).succeeded)
        yield waiting
        # Strategies for sensors that are gone by now have not been forgotten.
        left = resource.until_not_synced(timeout=10)
        yield resource.req.change_interface()
        yield left
        yield resource.until_synced(timeout=10)
        self.assertEqual(resource.sensor.new_float.value, 2.5)
        device.kill()
        yield resource.until_state("disconnected", timeout=10)
