"""Inspecting clients with native coroutines, on the loop of ``asyncio.run``."""

import asyncio
import gc
import unittest
import weakref

from katcp.compat import current_ioloop
from katcp.inspecting_client import InspectingClientAsync
from tests.support.client_cases import CapturedLog
from tests.support.inspectable_device import InspectableDevice
from tests.support.inspecting_cases import StateRecorder, letters

LIMIT = 10


def run(coroutine):
    """What ``asyncio.run`` does, on Python 3.6 as well."""
    loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(asyncio.wait_for(coroutine, LIMIT))
    finally:
        asyncio.set_event_loop_policy(None)  # other tests are to find nothing that was set, not even None
        loop.close()


def all_tasks():
    """The tasks that are not done."""
    get = getattr(asyncio, "all_tasks", None) or asyncio.Task.all_tasks
    return [task for task in get() if not task.done()]


class TestAwait(unittest.TestCase):
    def setUp(self):
        self.device = InspectableDevice()
        self.addCleanup(self.device.stop)
        self.callback = StateRecorder()
        self.logs = [CapturedLog(name) for name in ("katcp", "asyncio", "tornado")]
        for log in self.logs:
            log.__enter__()
            self.addCleanup(log.__exit__)

    def tearDown(self):
        gc.collect()
        self.assertEqual([message for log in self.logs for message in log.messages], [])

    def make_client(self, **kwargs):
        client = InspectingClientAsync(*self.device.address, **kwargs)
        client.set_state_callback(self.callback)
        return client

    def test_everything_can_be_awaited(self):
        async def use(client):
            # Made before there was this loop, the client runs on it all the same.
            await client.connect(timeout=LIMIT)
            await client.until_connected()
            await client.until_data_synced()
            self.assertIs(await client.until_synced(timeout=LIMIT), True)
            sensor = await client.future_get_sensor("an.int")
            self.assertEqual((await client.future_get_request("help")).name, "help")
            self.assertIs(await client.future_check_sensor("unknown"), False)
            self.assertIs(await client.future_check_request("help"), True)
            reply, informs = await client.simple_request("help", "watchdog")
            self.assertTrue(reply.reply_ok())
            await client.update_sensor("an.int", b"5", b"nominal", b"3")
            self.assertEqual(sensor.value(), 3)
            await client.update_sensor("a.string", b"5", b"nominal", b"text")
            answers = await client.set_sampling_strategies({"an.int": ("event",)})
            self.assertTrue(answers["an.int"][0].reply_ok())
            self.assertIsNone(await client.inspect())
            self.device.interface_changed()
            await client.until_not_synced()
            await client.until_synced()
            client.stop()
            self.assertIs(await client.until_stopped(), True)
            self.assertEqual(self.callback.states, "TFFF TFTT TTFT TFFF TFFT TTFT FFFF")

        client = self.make_client()
        made = current_ioloop()
        if made is not None:
            self.addCleanup(made.close)
        run(use(client))

    def test_timeouts_run_on_this_loop(self):
        async def use():
            client = self.make_client()
            # tornado's TimeoutError is another one on every tornado.
            with self.assertRaises(Exception) as caught:
                await client.until_synced(timeout=0.01)
            self.assertEqual(type(caught.exception).__name__, "TimeoutError")

        run(use())

    def test_native_callback(self):
        async def react(state, changes):
            await asyncio.sleep(0.001)
            if state == "TFTT":
                for name in changes.sensors.added:
                    sensors.append((await client.future_get_sensor(name)).name)
            seen.append(letters(client.state))

        async def use():
            nonlocal client
            client = self.make_client()
            self.callback.react = react
            await client.connect()
            await client.until_synced()
            client.stop()
            await client.until_stopped()
            self.assertEqual(" ".join(seen), self.callback.states.replace("TTFT ", ""))
            self.assertEqual(sorted(sensors), ["a.string", "an.int"])
            self.assertEqual([task for task in all_tasks() if "react" in repr(task)], [])

        client, seen, sensors = None, [], []
        run(use())

    def test_stop_ends_a_native_callback(self):
        async def react(state, changes):
            if state == "TFTT":
                try:
                    await asyncio.sleep(1000)
                finally:
                    ended.append(state)

        async def use():
            clients = [self.make_client()]
            self.callback.react = react
            await clients[0].connect()
            await clients[0].until_data_synced()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            clients[0].stop()
            await clients[0].until_stopped()
            self.assertEqual(ended, ["TFTT"])
            self.assertEqual(self.callback.states, "FFFF TFFF TFTT FFFF")
            self.assertEqual([task for task in all_tasks() if "react" in repr(task)], [])
            reference = weakref.ref(clients.pop())
            gc.collect()
            self.assertIsNone(reference())

        ended = []
        run(use())

    def test_cancelled_native_callback(self):
        async def react(state, changes):
            if state == "TFTT":
                asyncio.get_event_loop().call_soon(
                    [task for task in all_tasks() if "react" in repr(task)][0].cancel)
                await asyncio.sleep(1000)

        async def use():
            client = self.make_client()
            client.initial_resync_timeout = 0.001
            client.katcp_client.auto_reconnect_delay = 0.001
            self.callback.react = react
            await client.connect()
            await self.callback.until("FFFF", "TFFF", "TFTT", "FFFF")
            self.callback.react = None
            await client.until_synced()
            self.assertEqual([changes for state, changes in self.callback.told if state == "TFTT"][-1],
                             self.callback.told[2][1])
            client.stop()
            await client.until_stopped()
            messages = [message for log in self.logs for message in log.messages]
            self.assertIn("Unhandled exception in client-sync loop", messages[0])
            for log in self.logs:
                del log.records[:]

        run(use())

    def test_waits_within_a_task_that_is_cancelled(self):
        async def use():
            client = self.make_client()
            waiting = [asyncio.ensure_future(client.until_synced()),
                       asyncio.ensure_future(client.future_get_sensor("an.int"))]
            await asyncio.sleep(0)
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
            await client.connect()
            await client.until_synced()
            self.assertEqual((await client.future_get_sensor("an.int")).name, "an.int")
            client.stop()
            await client.until_stopped()

        run(use())

    def test_nothing_is_left(self):
        async def use():
            before = len(all_tasks())
            clients = [self.make_client()]
            await clients[0].connect()
            await clients[0].until_synced()
            clients[0].stop()
            await clients[0].until_stopped()
            self.assertEqual(len(all_tasks()), before)
            reference = weakref.ref(clients.pop())
            gc.collect()
            self.assertIsNone(reference())

        run(use())
