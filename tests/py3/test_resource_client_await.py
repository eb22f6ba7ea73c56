"""Resource clients in native coroutines on tornado's loop; what can be awaited can be yielded as well."""

from tornado import gen

from katcp.core import AsyncEvent
from katcp.resource_client import monitor_resource_sync_state, transform_future
from tests.support.inspecting_cases import timewarp_test
from tests.support.resource_cases import ResourceTestCase


class TestAwaiting(ResourceTestCase):
    @timewarp_test
    async def test_resource(self):
        made = self.make_resource(controlled=True)
        self.assertEqual(await made.set_sampling_strategy("an.int", "event"), {})
        made.start()
        self.assertIs(await made.wait_connected(), True)
        self.assertIs(await made.until_state("syncing"), True)
        self.assertIs(await made.until_synced(timeout=5), True)
        reply, informs = await made.req.watchdog()
        self.assertTrue(reply.reply_ok())
        self.assertEqual(await made.sensor.an_int.get_value(), 3)
        self.assertEqual(await made.sensor.a_string.set_strategy("event"), (True, ("event",)))
        self.assertEqual(await made.set_sampling_strategies("", "auto"),
                         {"an_int": "auto", "a_string": "auto"})
        self.assertEqual(await made.set_sensor_listener("an.int", len), {"an_int": len})
        self.assertEqual(len(await made.list_sensors()), 2)
        self.assertEqual(len(await made.list_sensors(refresh=True)), 2)
        self.assertIs(await made.wait("an.int", 3), True)
        self.assertIs(await made.sensor.an_int.wait(3), True)
        self.assertEqual(await transform_future(str, made.sensor.an_int.get_value()), "3")
        made.stop()
        self.assertIs(await made.until_not_synced(), True)
        self.assertIs(await made.until_stopped(), True)

    @timewarp_test
    async def test_both_ways(self):
        made = await self.synced_resource(controlled=True)

        @gen.coroutine
        def old():
            yield made.until_synced()
            reply = yield made.req.watchdog()
            value = yield made.sensor.an_int.get_value()
            raise gen.Return((reply.succeeded, value))

        async def new():
            await made.until_synced()
            reply = await made.req.watchdog()
            return reply.succeeded, await made.sensor.an_int.get_value()

        self.assertEqual(await old(), (True, 3))
        self.assertEqual(await new(), (True, 3))

    @timewarp_test
    async def test_container(self):
        container = self.make_container(groups={"group-1": ["client-1", "client.2"]})
        container.start()
        await container.until_any_child_in_state("syncing")
        await container.until_all_children_in_state("synced")
        await container.until_synced(timeout=5)
        results = await container.groups.group_1.req.watchdog()
        self.assertTrue(results)
        await container.set_sampling_strategies("an_int", "event")
        self.assertEqual(await container.set_sampling_strategy("client-1.an.int", "auto"),
                         {"client-1": {"an_int": "auto"}})
        self.assertTrue(await container.groups.group_1.wait("an.int", 3))
        self.assertEqual(await container.groups.group_1.set_sampling_strategy("an.int", "event"),
                         {"client-1": {"an_int": "event"}, "client.2": {"an_int": "event"}})
        self.assertEqual(await container.set_sensor_listener("client-1.an.int", len),
                         {"client-1": {"an_int": len}})
        self.assertEqual(len(await container.list_sensors()), 4)
        container.stop()
        await container.until_not_synced()
        self.assertEqual(await container.until_stopped(), {"client_1": True, "client_2": True})

    @timewarp_test
    async def test_monitor(self):
        made = await self.synced_resource()
        calls = []
        exit_event = AsyncEvent()
        monitor = monitor_resource_sync_state(made, calls.append, exit_event)
        self.assertEqual(calls, [False, True])
        self.device.interface_changed()
        await made.until_not_synced()
        await made.until_synced()
        exit_event.set()
        await monitor
        self.assertEqual(calls, [False, True, False, True])

    @timewarp_test
    async def test_native_listeners_and_conditions(self):
        made = await self.synced_resource()
        await made.set_sampling_strategy("an.int", "event")
        waiting = made.sensor.an_int.wait(lambda reading: reading.value > 5)
        self.device.update(b"an.int", b"7")
        self.assertIs(await waiting, True)
