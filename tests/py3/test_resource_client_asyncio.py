"""Resource clients under ``asyncio.run``, without a word about loops."""

import asyncio
import gc
import unittest
import weakref

from katcp import KATCPClientResource, KATCPClientResourceContainer
from tests.support.resource_cases import BULK_PROTOCOL, SensingDevice

# Seconds after which a test that hangs fails.
LIMIT = 10


def run(coroutine):
    """Like ``asyncio.run``, which Python 3.6 does not have."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(asyncio.wait_for(coroutine, LIMIT))
    finally:
        loop.close()


class TestAsyncio(unittest.TestCase):
    def setUp(self):
        self.device = SensingDevice(BULK_PROTOCOL)
        self.addCleanup(self.device.stop)

    def make(self):
        return KATCPClientResource(dict(name="a-device", address=self.device.address, controlled=True))

    def test_resource(self):
        async def use():
            made = self.make()
            made.start()
            await made.until_synced(timeout=LIMIT)
            self.assertTrue(await made.req.watchdog())
            self.assertEqual(await made.sensor.an_int.get_value(), 3)
            await made.set_sampling_strategies("", "event")
            # As tasks, with a timeout, and several at a time.
            await asyncio.wait_for(made.wait("an.int", 3), 5)
            replies = await asyncio.gather(made.req.watchdog(), made.req.help(), made.until_synced())
            self.assertTrue(all(replies))
            done, _ = await asyncio.wait([made.until_not_synced()], timeout=0.01)
            self.assertFalse(done)
            made.stop()
            await made.until_stopped()
            reference = weakref.ref(made)
            made = replies = done = _ = None
            await asyncio.sleep(0)
            gc.collect()
            self.assertIsNone(reference())

        run(use())
        run(use())

    def test_made_before_the_loop(self):
        for made in (self.make(), KATCPClientResourceContainer(dict(
                name="a-container",
                clients={"client-1": dict(address=self.device.address, controlled=True)}))):
            async def use():
                made.start()
                await made.until_synced(LIMIT)
                names = sorted(made.req)
                made.stop()
                await made.until_stopped()
                return names

            # In one loop, and once more in another.
            for _ in range(2):
                self.assertEqual(len(run(use())), 2)

    def test_cancelling(self):
        async def use():
            made = self.make()
            made.start()
            await made.until_synced(LIMIT)
            await made.set_sampling_strategy("an.int", "event")
            for wait in (made.until_not_synced, lambda: made.sensor.an_int.wait(77),
                         lambda: made.wait("an.int", 77, None)):
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(wait(), 0.01)
            self.assertFalse(made.sensor.an_int._listeners)
            self.device.held.add("watchdog")
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(made.req.watchdog(), 0.01)
            self.device.release()
            self.assertTrue(await made.req.watchdog())
            made.stop()
            await made.until_stopped()

        run(use())

    def test_group_waits_that_are_cancelled(self):
        async def use():
            container = KATCPClientResourceContainer(dict(
                name="a-container",
                clients=dict((name, dict(address=self.device.address)) for name in ("a", "b")),
                groups={"all": ["a", "b"]}))
            container.start()
            await container.until_synced(LIMIT)
            await container.set_sampling_strategies("", "event")
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(container.groups.all.wait("an.int", 77), 0.01)
            gc.collect()
            self.assertFalse(container.sensor.a_an_int._listeners)
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(container.until_not_synced(), 0.01)
            container.stop()
            self.assertEqual(await container.until_stopped(), {"a": True, "b": True})

        run(use())
