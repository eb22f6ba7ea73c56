"""``await`` on the futures of resources and sensors, in tasks of asyncio and under tornado."""

import asyncio
import unittest

import tornado.ioloop
import tornado.testing

from katcp import compat
from katcp.resource import KATCPDummyRequest, KATCPSensorError
from tests.support.resources import Manager, Resource, make_sensor


async def use_everything():
    """Await one of everything that can be waited for; return what they resolved to."""
    manager = Manager()
    sensor = make_sensor(manager)
    resource = Resource([sensor])
    ioloop = tornado.ioloop.IOLoop.current()

    async def poll(name):
        await compat.done_future(None)
        sensor.set_value(7)

    manager.on_poll = poll
    results = [await resource.set_sampling_strategies("", "event"),
               await resource.set_sampling_strategy("an.int", "none"),
               await sensor.set_strategy("event")]
    ioloop.add_callback(sensor.set_value, 3)
    results.append(await sensor.wait(3))
    results.append(await sensor.wait(3, timeout=5))
    ioloop.add_callback(sensor.set_value, 4)
    results.append(await resource.wait("an.int", lambda reading: reading.value == 4))
    results.append(await resource.wait("an.int", 5, timeout=0.001))
    results.append((await sensor.get_reading()).value)
    results.append(await sensor.get_value())
    results.append(await sensor.get_status())
    results.append(len(await resource.list_sensors()))
    results.append(len(await resource.list_sensors(refresh=True)))
    for wait in (lambda: sensor.wait(5, timeout=0.001), lambda: resource.wait("no.such", 5)):
        try:
            await wait()
        except (compat.GenTimeoutError, KATCPSensorError) as error:
            results.append(str(error))
    request = KATCPDummyRequest({"name": "x", "description": "", "timeout_hint": None})
    results.append((await request()).succeeded)
    results.append(bool(sensor._listeners))
    return results


EXPECTED = [
    {"an_int": (True, ("event",))}, {"an_int": (True, ("none",))}, (True, ("event",)),
    True, True, True, False, 7, 7, "nominal", 1, 1, "Timeout", "There is no sensor 'no_such'",
    True, False]


class TestUnderTornado(tornado.testing.AsyncTestCase):

    def test_everything(self):
        self.assertEqual(self.io_loop.run_sync(use_everything), EXPECTED)


class TestUnderAsyncio(unittest.TestCase):

    def run_in_asyncio(self, function):
        async def run():
            if not compat.ON_ASYNCIO:
                from tornado.platform.asyncio import AsyncIOMainLoop
                AsyncIOMainLoop(make_current=True)
                self.addCleanup(tornado.ioloop.IOLoop.clear_current)
            return await function()

        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(run())
        finally:
            loop.close()

    def test_everything(self):
        self.assertEqual(self.run_in_asyncio(use_everything), EXPECTED)

    def test_tasks_that_wait(self):
        async def run():
            manager = Manager()
            manager.strategies["an.int"] = ("event",)
            sensor = make_sensor(manager)

            async def wait(value):
                return await sensor.wait(value)

            tasks = [asyncio.ensure_future(wait(value)) for value in (1, 2)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            listening = len(sensor._listeners)
            tasks[1].cancel()
            sensor.set_value(1)
            await asyncio.wait(tasks)
            return listening, tasks[0].result(), tasks[1].cancelled(), len(sensor._listeners)

        listening, result, cancelled, left = self.run_in_asyncio(run)
        self.assertEqual((listening, result, cancelled), (2, True, True))
        if compat.ON_ASYNCIO:  # tornado 4's futures cannot be cancelled
            self.assertEqual(left, 0)

    def test_several_at_once(self):
        async def run():
            manager = Manager()
            manager.strategies["an.int"] = ("event",)
            sensor = make_sensor(manager)
            resource = Resource([sensor])
            waits = asyncio.gather(sensor.wait(1), sensor.wait(2), resource.wait("an.int", 3))
            for value in (1, 2, 3):
                sensor.set_value(value)
            results = await asyncio.wait_for(waits, 5)
            try:
                await asyncio.wait_for(sensor.wait(4), 0.001)
            except asyncio.TimeoutError:
                results.append("timeout")
            return results, len(sensor._listeners)

        if compat.ON_ASYNCIO:  # tornado 4's futures are not asyncio's
            self.assertEqual(self.run_in_asyncio(run), ([True, True, True, "timeout"], 0))
