"""Tests of fake inspecting clients, resources and containers, through the door `katcp.fake_clients`."""

from __future__ import absolute_import, division, print_function

import gc
import weakref

from tornado import gen, testing

from katcp import fake_clients, resource_client
from katcp.client.async_client import AsyncClient
from katcp.errors import FailReply
from katcp.inspecting_client import InspectingClientAsync
from katcp.kattypes import Float, Int, request, return_reply
from katcp.protocol import ProtocolFlags
from katcp.sensor import Sensor
from tests.support import mock

LIMIT = 10

SENSORS = {"an-int": ("An integer", "count", "integer", -5, 5),
           "a.string": ("A text", "", "string")}


class Requests(object):
    @request(Int(), Int())
    @return_reply(Int())
    def request_add_test(self, req, a, b):
        """Add two numbers."""
        req.inform(a + 1, b * 3)
        return ("ok", a + b)

    @request(Float(), Float())
    @return_reply(Float())
    @gen.coroutine
    def request_async_divide(self, req, a, b):
        """Divide two numbers."""
        req.inform(a, b)
        yield gen.moment
        req.inform("is-real meat")
        raise gen.Return(("ok", a / b))

    def request_refuse(self, req, msg):
        """Refuse."""
        raise FailReply("no")


class FakesTestCase(testing.AsyncTestCase):
    def stop_later(self, thing):
        self._things.append(thing)

    def setUp(self):
        super(FakesTestCase, self).setUp()
        self._things = []

    def tearDown(self):
        for thing in self._things:
            thing.stop()
            self.io_loop.run_sync(lambda: self._until_stopped(thing), timeout=LIMIT)
        super(FakesTestCase, self).tearDown()

    @gen.coroutine
    def _until_stopped(self, thing):
        # A dict of futures, if it is a container.
        yield thing.until_stopped()


class TestFakeInspectingClient(FakesTestCase):
    @testing.gen_test(timeout=LIMIT)
    def test_classes(self):
        class Inspecting(InspectingClientAsync):
            pass

        client, manager = fake_clients.fake_inspecting_client_factory(
            Inspecting, {}, "nowhere", 5000, ioloop=self.io_loop, initial_inspection=False)
        self.stop_later(client)
        self.assertIsInstance(client, Inspecting)
        self.assertIsInstance(client.katcp_client, AsyncClient)
        self.assertIsInstance(client.katcp_client, fake_clients.FakeAsyncClient)
        self.assertIsInstance(manager, fake_clients.FakeInspectingClientManager)
        self.assertEqual(client.bind_address, ("nowhere", 5000))
        self.assertFalse(client.initial_inspection)
        self.assertIs(manager._fic, client)
        self.assertIs(manager._fkc, client.katcp_client)
        yield client.connect()
        yield client.until_synced(timeout=LIMIT)

    @testing.gen_test(timeout=LIMIT)
    def test_requests(self):
        client, manager = fake_clients.fake_inspecting_client_factory(
            InspectingClientAsync, None, "nowhere", 5000, ioloop=self.io_loop)
        self.stop_later(client)
        manager.add_request_handlers_object(Requests())
        yield client.connect()
        yield client.until_synced(timeout=LIMIT)
        reply, informs = yield client.simple_request("add-test", 1, 5, mid=123)
        self.assertEqual(str(reply), "!add-test[123] ok 6")
        self.assertEqual([str(msg) for msg in informs], ["#add-test[123] 2 15"])
        reply, informs = yield client.simple_request("async-divide", 3.5, 0.25, mid="112")
        self.assertEqual(str(reply), "!async-divide[112] ok 14.0")
        self.assertEqual([str(msg) for msg in informs],
                         ["#async-divide[112] 3.5 0.25", "#async-divide[112] is-real\\_meat"])
        with self.assertRaises(FailReply):
            yield client.simple_request("refuse")


class TestFakeResource(FakesTestCase):
    SPEC = dict(name="thing", address=("nowhere", 5000), controlled=True)

    def make(self, cls=resource_client.KATCPClientResource, options=None, **spec):
        resource, manager = fake_clients.fake_KATCP_client_resource_factory(
            cls, options or {}, dict(self.SPEC, **spec))
        self.stop_later(resource)
        return resource, manager

    @testing.gen_test(timeout=LIMIT)
    def test_sensors(self):
        resource, manager = self.make()
        resource.start()
        yield resource.until_synced(timeout=LIMIT)
        self.assertEqual(len(resource.sensor), 0)
        self.assertEqual(sorted(dict.keys(resource.req)), ["help", "sensor_list"])
        manager.add_sensors(SENSORS)
        yield resource.until_state("syncing", timeout=LIMIT)
        yield resource.until_synced(timeout=LIMIT)
        self.assertEqual(sorted(dict.keys(resource.sensor)), ["a_string", "an_int"])
        self.assertEqual(manager.fake_sensor_infos, SENSORS)

    @testing.gen_test(timeout=LIMIT)
    def test_readings(self):
        resource, manager = self.make()
        resource.start()
        manager.add_sensors(SENSORS)
        yield resource.until_synced(timeout=LIMIT)
        self.assertEqual((yield resource.set_sampling_strategy("an_int", "event")), {"an_int": "event"})
        self.assertEqual(resource.sensor.an_int.sampling_strategy, ("event",))
        self.assertIs((yield resource.sensor.an_int.get_value()), None)
        waiting = resource.wait("an_int", 4)
        manager.set_sensor_reading("an-int", 4, Sensor.WARN, 1.5)
        self.assertTrue((yield waiting))
        self.assertEqual((resource.sensor.an_int.status, resource.sensor.an_int.reading.timestamp),
                         ("warn", 1.5))
        # By hand it can be set to what the device does not say; asking the device puts it right.
        resource.sensor.an_int.set_value(5)
        self.assertEqual(resource.sensor.an_int.value, 5)
        self.assertEqual((yield resource.sensor.an_int.get_value()), 4)

    @testing.gen_test(timeout=LIMIT)
    def test_requests(self):
        resource, manager = self.make(options={"errors_as_replies": True})
        resource.start()
        manager.add_request_handlers_object(Requests())
        manager.add_request_handlers_dict({"fly": mock.Mock(__doc__="Fly.")})
        manager.remove_request_handlers(["fly"])
        yield resource.until_synced(timeout=LIMIT)
        self.assertNotIn("fly", resource.req)
        reply = yield resource.req.add_test(1, 5, mid="1233")
        self.assertEqual([str(msg) for msg in reply.messages],
                         ["!add-test[1233] ok 6", "#add-test[1233] 2 15"])
        reply = yield resource.req.refuse()
        self.assertEqual((reply.succeeded, reply.reply.arguments), (False, [b"fail", b"no"]))

    @testing.gen_test(timeout=LIMIT)
    def test_coming_and_going(self):
        resource, manager = self.make()
        resource.start()
        manager.add_sensors(SENSORS)
        yield resource.until_synced(timeout=LIMIT)
        manager.disconnect()
        yield resource.until_state("disconnected", timeout=LIMIT)
        self.assertFalse((yield resource.req.help()).succeeded)
        manager.remove_sensors(["an-int"])
        manager.reconnect()
        yield resource.until_synced(timeout=LIMIT)
        self.assertEqual(list(dict.keys(resource.sensor)), ["a_string"])

    @testing.gen_test(timeout=LIMIT)
    def test_restart(self):
        resource, manager = self.make()
        resource.start()
        manager.add_sensors(SENSORS)
        manager.set_sensor_reading("an-int", 2)
        manager.add_request_handlers_object(Requests())
        yield resource.until_synced(timeout=LIMIT)
        resource.stop()
        yield resource.until_stopped()
        resource.start()
        yield resource.until_synced(timeout=LIMIT)
        self.assertEqual(sorted(dict.keys(resource.sensor)), ["a_string", "an_int"])
        self.assertEqual((yield resource.sensor.an_int.get_value()), 2)
        self.assertTrue((yield resource.req.add_test(1, 2)))
        # The device that is asked is the new one.
        manager.add_request_handlers_dict({"fly": mock.Mock(__doc__="Fly.")})
        yield resource.until_state("syncing", timeout=LIMIT)
        yield resource.until_synced(timeout=LIMIT)
        self.assertIn("fly", resource.req)

    @testing.gen_test(timeout=LIMIT)
    def test_classes_under_test_are_used(self):
        class Inspecting(resource_client.ReplyWrappedInspectingClientAsync):
            @gen.coroutine
            def future_get_sensor(self, name, update=None):
                sensor = yield super(Inspecting, self).future_get_sensor(name, update)
                sensor.special = True
                raise gen.Return(sensor)

        class Resource(resource_client.KATCPClientResource):
            def inspecting_client_factory(self, host, port, ioloop_set_to):
                return Inspecting(host, port, ioloop=ioloop_set_to)

        resource, manager = self.make(Resource, auto_reconnect=False)
        self.assertIsInstance(resource, Resource)
        resource.start()
        self.assertIs(resource.fake_inspecting_client_manager._fic, resource._inspecting_client)
        self.assertFalse(resource._inspecting_client.katcp_client._auto_reconnect)
        manager.add_sensors(SENSORS)
        yield resource.until_synced(timeout=LIMIT)
        self.assertTrue(resource.sensor.an_int.special)

    @testing.gen_test(timeout=LIMIT)
    def test_preset_protocol(self):
        flags = ProtocolFlags(4, 0, "M")
        resource, manager = self.make(preset_protocol_flags=flags)
        resource.start()
        yield resource.until_synced(timeout=LIMIT)
        self.assertEqual(resource._inspecting_client.katcp_client.protocol_flags, flags)
        self.assertEqual(str((yield resource.req.help("help")).reply), "!help ok 1")

    def test_not_started(self):
        resource, manager = fake_clients.fake_KATCP_client_resource_factory(
            resource_client.KATCPClientResource, {}, self.SPEC)
        for call in (lambda: manager.add_sensors({}), lambda: manager.add_request_handlers_dict({}),
                     lambda: manager.fake_sensor_infos):
            with self.assertRaises(RuntimeError) as raised:
                call()
            self.assertEqual(str(raised.exception),
                             "Fake KATCPClientResource must be started before it can be managed")

    @testing.gen_test(timeout=LIMIT)
    def test_nothing_is_left(self):
        resource, manager = self.make()
        del self._things[:]
        resource.start()
        manager.add_sensors(SENSORS)
        yield resource.until_synced(timeout=LIMIT)
        manager.set_sensor_reading("an-int", 2)
        resource.stop()
        yield resource.until_stopped()
        ref = weakref.ref(resource)
        del resource, manager
        gc.collect()
        self.assertIs(ref(), None)


class TestFakeContainer(FakesTestCase):
    def make(self, cls=resource_client.KATCPClientResourceContainer, **kwargs):
        container, manager = fake_clients.fake_KATCP_client_resource_container_factory(cls, {}, dict(
            name="things", groups=dict(all=["client1", "client-2"]), clients={
                "client1": dict(address=("nowhere", 1), controlled=True),
                "client-2": dict(address=("nowhere", 2), controlled=True),
                "another-client": dict(address=("nowhere", 3))}), **kwargs)
        self.stop_later(container)
        return container, manager

    @testing.gen_test(timeout=LIMIT)
    def test_sensors(self):
        container, manager = self.make()
        container.start()
        self.assertEqual(len(container.sensor), 0)
        manager.add_sensors("client_2", SENSORS)
        yield container.until_any_child_in_state("syncing", timeout=LIMIT)
        yield container.until_synced(timeout=LIMIT)
        self.assertEqual(sorted(dict.keys(container.sensor)), ["client_2_a_string", "client_2_an_int"])
        manager.add_sensors("client1", {"a.float": ("A float", "", "float")})
        yield container.until_any_child_in_state("syncing", timeout=LIMIT)
        yield container.until_synced(timeout=LIMIT)
        self.assertIn("client1_a_float", container.sensor)
        manager.set_sensor_reading("client1", "a.float", 2.5)
        self.assertEqual(container.sensor.client1_a_float.value, 2.5)
        for name in ("client-2", "client3"):
            with self.assertRaises(KeyError):
                manager.add_sensors(name, SENSORS)

    @testing.gen_test(timeout=LIMIT)
    def test_requests(self):
        container, manager = self.make()
        container.start()
        yield container.until_synced(timeout=LIMIT)
        self.assertEqual(sorted(dict.keys(container.req)),
                         ["client1_help", "client1_sensor_list", "client_2_help", "client_2_sensor_list"])
        manager.add_request_handlers_object("client1", Requests())
        manager.add_request_handlers_dict("client_2", {"fly": mock.Mock(__doc__="Fly.")})
        yield container.until_any_child_in_state("syncing", timeout=LIMIT)
        yield container.until_synced(timeout=LIMIT)
        self.assertIn("client_2_fly", container.req)
        reply = yield container.req.client1_add_test(1, 5, mid="1233")
        self.assertEqual(str(reply), "!add-test[1233] ok 6\n#add-test[1233] 2 15")

    @testing.gen_test(timeout=LIMIT)
    def test_less_and_less(self):
        container, manager = self.make()
        container.start()
        manager.add_sensors("client_2", SENSORS)
        manager.add_request_handlers_object("client_2", Requests())
        child = container.children["client_2"]
        yield child.until_synced(timeout=LIMIT)
        manager.remove_sensors("client_2", ["an-int"])
        manager.remove_request_handlers("client_2", ["add-test"])
        yield child.until_state("syncing", timeout=LIMIT)
        yield child.until_synced(timeout=LIMIT)
        self.assertEqual(sorted(dict.keys(container.sensor)), ["client_2_a_string"])
        self.assertNotIn("client_2_add_test", container.req)
        manager.disconnect("client_2")
        yield child.until_state("disconnected", timeout=LIMIT)
        manager.reconnect("client_2")
        yield child.until_synced(timeout=LIMIT)

    @testing.gen_test(timeout=LIMIT)
    def test_children(self):
        class Child(resource_client.KATCPClientResource):
            pass

        class Container(resource_client.KATCPClientResourceContainer):
            def client_resource_factory(self, res_spec, parent, logger):
                return Child(res_spec, parent=parent, logger=logger)

        logger = mock.Mock()
        container, manager = self.make(Container, logger=logger)
        self.assertIsInstance(container, Container)
        self.assertEqual(sorted(manager.child_managers), ["another_client", "client1", "client_2"])
        self.assertIs(manager.child_managers, container.fake_client_resource_managers)
        for name, child in dict.items(container.children):
            self.assertIsInstance(child, Child)
            self.assertIs(child.parent, container)
            self.assertIs(child._logger, logger)
        container.start()
        added = container.add_child_resource_client("new-one", dict(address=("nowhere", 4)))
        manager.add_sensors("new_one", SENSORS)
        yield added.until_synced(timeout=LIMIT)
        self.assertIn("new_one_an_int", container.sensor)
