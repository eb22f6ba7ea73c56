"""Tests of those who say what a device that is not there has, and does."""

from __future__ import absolute_import, division, print_function

import threading
import unittest

from tornado import gen, testing

from katcp import inspecting_client
from katcp.errors import KatcpSyntaxError
from katcp.fake_clients import fake_inspecting_client_factory
from katcp.fakes.managers import FakeSensor
from katcp.inspecting.states import MODEL_CHANGED, MODEL_UNCHANGED, SYNCED, SYNCING
from katcp.ioloop_manager import IOLoopManager
from katcp.message import Message
from katcp.protocol import ProtocolFlags
from katcp.sensor import Sensor
from tests.support import mock

LIMIT = 10

SENSORS = {
    "an.int": ("An integer", "count", "integer", -5, 5),
    "a.float": (b"A float", u"m", "float", "-123.5", b"123.5"),
    "a.discrete": ("A choice", "", "discrete", "one", b"two", u"three"),
    "a.bool": ("A flag", "", "boolean"),
    "a.string": ("A text", "", b"string"),
    "a.time": ("A time", "s", "timestamp"),
    "an.address": ("An address", "", "address"),
    "an.lru": ("A part", "", "lru"),
}


class ManagerTestCase(testing.AsyncTestCase):
    OPTIONS = {}

    def setUp(self):
        super(ManagerTestCase, self).setUp()
        self.client, self.manager = fake_inspecting_client_factory(
            inspecting_client.InspectingClientAsync, self.OPTIONS, "nowhere", 5000, ioloop=self.io_loop)
        self.states = []
        self.client.set_state_callback(lambda state, changes: self.states.append((state, changes)))

    def tearDown(self):
        self.client.stop()
        if self.client.katcp_client.ioloop_thread_id is not None:
            self.io_loop.run_sync(self.client.until_stopped, timeout=LIMIT)
        super(ManagerTestCase, self).tearDown()

    @gen.coroutine
    def start(self):
        yield self.client.connect()
        yield self.client.until_synced(timeout=LIMIT)
        yield gen.moment

    @gen.coroutine
    def resync(self):
        yield self.client.until_not_synced(timeout=LIMIT)
        yield self.client.until_synced(timeout=LIMIT)

    @gen.coroutine
    def ask(self, *args):
        reply, informs = yield self.client.simple_request(*args)
        raise gen.Return([str(Message(msg.mtype, msg.name, msg.arguments)) for msg in informs + [reply]])


class TestModel(ManagerTestCase):
    @testing.gen_test(timeout=LIMIT)
    def test_states(self):
        yield self.start()
        self.assertEqual([state for state, _ in self.states], [SYNCING, MODEL_CHANGED, SYNCED])
        self.assertEqual(self.states[1][1], {
            "requests": dict(added=set(["help", "sensor-list"]), removed=set())})
        del self.states[:]
        self.manager.add_sensors(dict(SENSORS))
        self.assertTrue(self.client.synced)
        yield self.resync()
        self.assertEqual([state for state, _ in self.states], [SYNCING, MODEL_CHANGED, SYNCED])
        self.assertEqual(self.states[1][1], {"sensors": dict(added=set(SENSORS), removed=set())})
        del self.states[:]
        self.manager.add_sensors({})
        yield self.resync()
        self.assertEqual([state for state, _ in self.states], [SYNCING, MODEL_UNCHANGED, SYNCED])

    @testing.gen_test(timeout=LIMIT)
    def test_sensors(self):
        yield self.client.connect()
        self.manager.add_sensors(SENSORS)
        yield self.client.until_synced(timeout=LIMIT)
        described = {}
        for name in self.client.sensors:
            sensor = yield self.client.future_get_sensor(name)
            described[name] = (sensor.description, sensor.units, sensor.type, sensor.params)
        self.assertEqual(described, {
            "an.int": ("An integer", "count", "integer", [-5, 5]),
            "a.float": ("A float", "m", "float", [-123.5, 123.5]),
            "a.discrete": ("A choice", "", "discrete", ["one", "two", "three"]),
            "a.bool": ("A flag", "", "boolean", []),
            "a.string": ("A text", "", "string", []),
            # Its units go with the version of the protocol, whatever the device says.
            "a.time": ("A time", "", "timestamp", []),
            "an.address": ("An address", "", "address", []),
            "an.lru": ("A part", "", "lru", []),
        })
        self.assertEqual(self.manager.fake_sensor_infos, SENSORS)
        self.assertIs((yield self.client.future_get_sensor("no.such-sensor")), None)

    def test_bad_sensors(self):
        for info, error in [(("", "", "colour"), KatcpSyntaxError),
                            (("", "", "integer", "one", "two"), ValueError), (("", ""), IndexError)]:
            with self.assertRaises(error):
                self.manager.add_sensors({"good": ("", "", "float"), "bad": info})
        self.assertEqual(self.manager.fake_sensor_infos, {})

    @testing.gen_test(timeout=LIMIT)
    def test_removing(self):
        self.manager.add_sensors(SENSORS)
        self.manager.add_request_handlers_dict({"fly": mock.Mock(__doc__="Fly.")})
        yield self.start()
        self.manager.remove_sensors(["an.int", "an.lru"])
        self.manager.remove_request_handlers(["fly"])
        yield self.resync()
        self.assertEqual(self.states[-2][1], {"sensors": dict(added=set(), removed=set(["an.int", "an.lru"])),
                                              "requests": dict(added=set(), removed=set(["fly"]))})
        with self.assertRaises(KeyError):
            self.manager.remove_sensors(["an.int"])
        with self.assertRaises(KeyError):
            self.manager.remove_request_handlers(["fly"])

    @testing.gen_test(timeout=LIMIT)
    def test_edited_by_hand(self):
        yield self.start()
        self.manager.fake_sensor_infos["late"] = ("Late", "", "float")
        self.client.katcp_client.request_handlers["later"] = mock.Mock(__doc__="Later.")
        self.client._interface_changed.set()
        yield self.resync()
        self.assertEqual(self.client.sensors, ["late"])
        self.assertEqual(sorted(self.client.requests), ["help", "later", "sensor-list"])
        self.manager.set_sensor_reading("late", 2.5)
        self.manager.fake_sensor_infos["late"] = ("Late", "", "integer")
        self.assertEqual((yield self.ask("sensor-value", "late")), ["!sensor-value ok"])

    @testing.gen_test(timeout=LIMIT)
    def test_in_another_thread(self):
        yield self.start()
        ioloop_thread = threading.current_thread()
        told = []
        self.client._interface_changed.set = lambda: told.append(threading.current_thread())
        thread = threading.Thread(target=self.manager.add_sensors, args=(SENSORS,))
        thread.start()
        thread.join(LIMIT)
        self.assertEqual(told, [])
        yield gen.moment
        self.assertEqual(told, [ioloop_thread])


class TestHandlers(ManagerTestCase):
    @testing.gen_test(timeout=LIMIT)
    def test_help(self):
        self.manager.add_request_handlers_dict({"fly": mock.Mock(__doc__="  Fly.")})
        yield self.start()
        listing = yield self.ask("help")
        self.assertEqual([line.split()[1] for line in listing], ["fly", "help", "sensor-list", "ok"])
        self.assertEqual((yield self.ask("help", "fly")), ["#help fly Fly.", "!help ok 1"])
        self.assertEqual((yield self.ask("help", "flee")), ["!help fail Unknown\\_request\\_method."])
        self.assertIs((yield self.client.future_get_request("flee")), None)

    @testing.gen_test(timeout=LIMIT)
    def test_sensor_list(self):
        self.manager.add_sensors(SENSORS)
        yield self.start()
        self.assertEqual((yield self.ask("sensor-list", "an.int")),
                         ["#sensor-list an.int An\\_integer count integer -5 5", "!sensor-list ok 1"])
        self.assertEqual((yield self.ask("sensor-list", "/^an/"))[-1], "!sensor-list ok 3")
        self.assertEqual((yield self.ask("sensor-list"))[-1], "!sensor-list ok 8")
        for bad in ("nothing", "/(/", b"\xff"):
            self.assertEqual((yield self.ask("sensor-list", bad)),
                             ["!sensor-list fail Unknown\\_sensor\\_name."])

    @testing.gen_test(timeout=LIMIT)
    def test_objects(self):
        class Device(object):
            request_limit = 5

            def request_turn_round(self, req, msg):
                """Turn round."""
                return req.make_reply("ok", self.request_limit)

            def requested(self):
                """Not a request."""

            @property
            def unfinished(self):
                raise AssertionError("Nobody asked for this")

        self.manager.add_request_handlers_object(Device())
        yield self.start()
        self.assertEqual(sorted(self.client.requests), ["help", "sensor-list", "turn-round"])
        self.assertEqual((yield self.ask("turn-round")), ["!turn-round ok 5"])

    def test_docstrings(self):
        def documented(req, msg):
            """Do something."""

        for undocumented in (lambda req, msg: None, mock.Mock(__doc__="")):
            with self.assertRaises(AssertionError) as raised:
                self.manager.add_request_handlers_dict({"good": documented, "bad": undocumented})
            self.assertEqual(str(raised.exception), "Even fake request handlers must have docstrings")
        self.assertEqual(sorted(self.manager._request_handlers), ["help", "sensor-list"])

    @testing.gen_test(timeout=LIMIT)
    def test_defaults(self):
        yield self.start()
        self.assertEqual((yield self.ask("anything")), ["!anything ok"])
        for args in (("sensor-sampling", "an.int", "event"), ("sensor-value",), ("sensor-value", "an.int")):
            self.assertEqual((yield self.ask(*args)), ["!%s ok" % args[0]])


class TestOptions(ManagerTestCase):
    OPTIONS = {"errors_as_replies": True, "refuse_unknown_requests": True}

    @testing.gen_test(timeout=LIMIT)
    def test_strict(self):
        self.manager.add_request_handlers_dict(
            {"fly": mock.Mock(__doc__="Fly.", side_effect=RuntimeError("too heavy"))})
        with mock.patch.object(self.client.katcp_client, "_logger"):
            yield self.start()
            self.assertEqual((yield self.ask("fly")), ["!fly fail too\\_heavy"])
        self.assertEqual((yield self.ask("anything")), ["!anything invalid Unknown\\_request."])
        self.assertEqual((yield self.ask("sensor-sampling", "an.int", "event")), ["!sensor-sampling ok"])


class TestReadings(ManagerTestCase):
    @testing.gen_test(timeout=LIMIT)
    def test_reported_and_polled(self):
        self.manager.add_sensors(SENSORS)
        yield self.start()
        sensor = yield self.client.future_get_sensor("an.int")
        self.assertEqual(sensor.status(), Sensor.UNKNOWN)
        self.manager.set_sensor_reading("an.int", 3, Sensor.WARN, 12.5)
        self.assertEqual(sensor.read(), (12.5, Sensor.WARN, 3))
        self.assertEqual((yield self.ask("sensor-value", "an.int")),
                         ["#sensor-value 12.500000 1 an.int warn 3", "!sensor-value ok 1"])
        self.assertEqual((yield self.ask("sensor-value", "/^a/"))[-1], "!sensor-value ok 1")
        with self.assertRaises(KeyError):
            self.manager.set_sensor_reading("no.such-sensor", 3)

    @testing.gen_test(timeout=LIMIT)
    def test_all_types(self):
        self.manager.add_sensors(SENSORS)
        yield self.start()
        for name, value in [("a.float", 2.5), ("a.discrete", "two"), ("a.bool", True), ("a.string", "x y"),
                            ("a.time", 1234.5), ("an.address", ("10.0.0.1", 5)),
                            ("an.lru", Sensor.LRU_ERROR)]:
            self.manager.set_sensor_reading(name, value)
            sensor = yield self.client.future_get_sensor(name)
            # The object was made by the first report.
            self.assertEqual(sensor.value(), value)

    @testing.gen_test(timeout=LIMIT)
    def test_readings_without_a_value(self):
        self.manager.add_sensors(SENSORS)
        yield self.start()
        self.manager.set_sensor_reading("an.int", 3)
        for status in sorted(Sensor.STATUSES_WITHOUT_VALUE):
            for name in SENSORS:
                self.manager.set_sensor_reading(name, None, status, timestamp=status)
                sensor = yield self.client.future_get_sensor(name)
                self.assertEqual(sensor.read()[:2], (status, status), name)
            word = Sensor.STATUSES[status]
            # The last value that there was; what there was in the beginning.
            self.assertEqual((yield self.ask("sensor-value", "/^an?[.](int|bool)/")), [
                "#sensor-value %d.000000 1 a.bool %s 0" % (status, word),
                "#sensor-value %d.000000 1 an.int %s 3" % (status, word), "!sensor-value ok 2"])
        # What other devices send.
        sensor = yield self.client.future_get_sensor("an.int")
        for word, value, status in (("failure", "nan", Sensor.FAILURE), ("odd", "", Sensor.UNKNOWN)):
            self.client.katcp_client.handle_message(
                Message.inform("sensor-status", 9, 1, "an.int", word, value))
            self.assertEqual(sensor.read(), (9, status, None))

    @testing.gen_test(timeout=LIMIT)
    def test_before_the_connection(self):
        self.manager.add_sensors(SENSORS)
        with mock.patch("katcp.fakes.managers.time.time", return_value=100.0):
            self.manager.set_sensor_reading("a.string", "early")
        yield self.start()
        self.assertEqual((yield self.ask("sensor-value", "a.string")),
                         ["#sensor-value 100.000000 1 a.string nominal early", "!sensor-value ok 1"])

    @testing.gen_test(timeout=LIMIT)
    def test_reported_when_sampled(self):
        self.manager.add_sensors(SENSORS)
        self.manager.set_sensor_reading("an.int", 3)
        yield self.start()
        sensor = yield self.client.future_get_sensor("an.int")
        yield self.ask("sensor-sampling", "an.int", "none")
        yield self.ask("sensor-sampling", "an.int")
        yield self.ask("sensor-sampling", "no.such-sensor", "event")
        self.assertEqual(sensor.status(), Sensor.UNKNOWN)
        self.assertEqual((yield self.ask("sensor-sampling", "a.float,an.int", "event")),
                         ["!sensor-sampling ok"])
        self.assertEqual(sensor.read()[1:], (Sensor.NOMINAL, 3))

    @testing.gen_test(timeout=LIMIT)
    def test_milliseconds(self):
        self.client.preset_protocol_flags(ProtocolFlags(4, 0, "M"))
        self.manager.add_sensors(SENSORS)
        yield self.start()
        sensor = yield self.client.future_get_sensor("a.float")
        self.manager.set_sensor_reading("a.float", 1.5, timestamp=10)
        self.assertEqual(sensor.read().timestamp, 10)
        self.assertEqual((yield self.ask("sensor-value", "a.float"))[0],
                         "#sensor-value 10000 1 a.float nominal 1.5")


class TestComingAndGoing(ManagerTestCase):
    @testing.gen_test(timeout=LIMIT)
    def test_disconnect(self):
        yield self.start()
        self.manager.disconnect()
        yield self.client.until_state((False, False, False, False), timeout=LIMIT)
        self.assertFalse(self.client.connected)
        self.manager.reconnect()
        yield self.client.until_synced(timeout=LIMIT)

    @testing.gen_test(timeout=LIMIT)
    def test_recovers_from_a_failing_callback(self):
        self.client.initial_resync_timeout = self.client.katcp_client.auto_reconnect_delay = 0.001
        callback = mock.Mock(side_effect=[ZeroDivisionError] + 10 * [None])
        self.client.set_state_callback(callback)
        with mock.patch.object(self.client, "_logger"):
            yield self.client.connect()
            yield self.client.until_synced(timeout=LIMIT)
        self.assertTrue(self.client.connected)


class TestInThread(unittest.TestCase):
    """Programs may run their loop in another thread."""

    def test_readings(self):
        manager = IOLoopManager()
        ioloop = manager.get_ioloop()
        client, fake = fake_inspecting_client_factory(
            inspecting_client.InspectingClientAsync, {}, "nowhere", 5000, ioloop=ioloop)
        fake.add_sensors(SENSORS)
        updated = threading.Event()

        @gen.coroutine
        def watch():
            yield client.connect()
            yield client.until_synced()
            sensor = yield client.future_get_sensor("an.int")
            observer = mock.Mock()
            observer.update = lambda sensor, reading: updated.set()
            sensor.attach(observer)
            watching.set()

        @gen.coroutine
        def finish():
            client.stop()
            yield client.until_stopped()

        watching = threading.Event()
        ioloop.add_callback(watch)
        manager.start(timeout=LIMIT)
        self.addCleanup(manager.join, LIMIT)
        self.addCleanup(manager.stop, callback=finish)
        self.assertTrue(watching.wait(LIMIT))
        fake.set_sensor_reading("an.int", 4)
        self.assertTrue(updated.wait(LIMIT))


class TestFakeSensor(unittest.TestCase):
    def test_update(self):
        sensor = FakeSensor("a.float", SENSORS["a.float"])
        self.assertFalse(sensor.has_reading)
        sensor.set(1.5, Sensor.ERROR, 12.25)
        self.assertTrue(sensor.has_reading)
        self.assertEqual(sensor.update_arguments(5), [b"1.500000", 1, b"a.float", b"error", b"12.25"])
        self.assertEqual(sensor.update_arguments(4)[0], b"1500")
