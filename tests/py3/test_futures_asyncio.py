"""What asyncio's own functions make of the futures that are done when one gets them."""

import asyncio
import gc
import unittest

from katcp import compat
from katcp.client import AsyncClient
from katcp.inspecting_client import InspectingClientAsync
from katcp.message import Message
from katcp.resource_client import ClientGroup, KATCPClientResource, KATCPClientResourceContainer
from katcp.waiting import (
    AsyncEvent, AsyncState, future_timeout_manager, until_any, until_later, until_some)
from tests.support.client_cases import CapturedLog
from tests.support.devices import Device5

LIMIT = 10


def run(function):
    """Do what ``asyncio.run(function())`` does, on Python 3.6 as well."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(asyncio.wait_for(function(), LIMIT))
    finally:
        loop.close()


def reached():
    """Return futures of what is reached already."""
    event, state = AsyncEvent(), AsyncState(("a", "b"))
    event.set()
    return [event.until_set(), event.until_set(timeout=LIMIT), state.until_state("a"),
            state.until_state_in("a", "b"), until_any(event.until_set()), until_some(event.until_set()),
            until_some(), until_any(event.until_set(), until_later(1)),
            future_timeout_manager(LIMIT)(event.until_set()), compat.done_future(True)]


RESULTS = [True, True, True, True, True, [(0, True)], [], True, True, True]


class TestReached(unittest.TestCase):
    def test_are_futures(self):
        async def use():
            for future in reached():
                self.assertTrue(future.done())
                self.assertTrue(asyncio.isfuture(future), future)
                self.assertIsInstance(future, asyncio.Future)

        run(use)

    def test_are_taken_by_all_functions(self):
        async def use():
            done, pending = await asyncio.wait(reached(), timeout=LIMIT)
            self.assertEqual((len(done), len(pending)), (len(RESULTS), 0))
            done, _ = await asyncio.wait(reached(), return_when=asyncio.FIRST_COMPLETED)
            self.assertTrue(done)
            self.assertEqual(await asyncio.gather(*reached()), RESULTS)
            self.assertEqual([await asyncio.wait_for(future, LIMIT) for future in reached()], RESULTS)
            self.assertEqual([await asyncio.shield(future) for future in reached()], RESULTS)
            self.assertEqual([await asyncio.ensure_future(future) for future in reached()], RESULTS)
            self.assertEqual(len([await future for future in asyncio.as_completed(reached())]), len(RESULTS))

        run(use)

    def test_callbacks_are_told(self):
        async def use():
            told = []
            for future in reached():
                future.add_done_callback(told.append)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.assertEqual([future.result() for future in told], RESULTS)

        run(use)

    def test_failures(self):
        async def use():
            failed = [compat.done_future(exception=ValueError("x")),
                      until_any(compat.done_future(exception=ValueError("x"))),
                      until_some(1), compat.done_future(exception=StopIteration())]
            for future in failed[:-1]:
                self.assertTrue(asyncio.isfuture(future), future)
            outcomes = await asyncio.gather(*failed[:-1], return_exceptions=True)
            self.assertEqual([type(outcome) for outcome in outcomes],
                             [ValueError, ValueError, AttributeError])
            self.assertIsInstance(failed[-1].exception(), StopIteration)

        run(use)

    def test_failures_that_nobody_looks_at_are_not_logged(self):
        async def use():
            compat.done_future(exception=ValueError("x"))
            compat.failed_future((ValueError, ValueError("y"), None))

        with CapturedLog("asyncio") as log:
            run(use)
            gc.collect()
        self.assertEqual(log.messages, [])


class TestObjects(unittest.TestCase):
    """The same from clients and resources: futures of what they have got to, and of what they have not."""

    def setUp(self):
        self.device = Device5("127.0.0.1", 0)
        self.device.start(timeout=LIMIT)
        self.addCleanup(self.device.join, LIMIT)
        self.addCleanup(self.device.stop)

    def assert_futures(self, subject, *names):
        for name in names:
            for kwargs in {}, {"timeout": LIMIT}:
                future = getattr(subject, name)(**kwargs)
                self.assertTrue(asyncio.isfuture(future), (name, future))

    def test_client(self):
        async def use():
            client = AsyncClient(*self.device.bind_address)
            client.set_ioloop()
            waits = "until_running", "until_connected", "until_disconnected", "until_protocol"
            self.assert_futures(client, *waits)
            client.start()
            await client.until_protocol()
            self.assert_futures(client, "until_stopped", *waits)
            self.assertTrue(asyncio.isfuture(client.future_request(Message.request("watchdog"))))
            client.stop()
            await client.until_stopped()
            self.assert_futures(client, "until_stopped", *waits)
            self.assertTrue(asyncio.isfuture(client.future_request(Message.request("watchdog"))))

        run(use)

    def test_inspecting_client(self):
        async def use():
            client = InspectingClientAsync(*self.device.bind_address)
            waits = "until_connected", "until_synced", "until_not_synced", "until_data_synced"
            self.assert_futures(client, *waits)
            await client.connect()
            await client.until_synced()
            self.assert_futures(client, "until_stopped", "connect", *waits)
            await client.future_get_sensor("an.int")
            for name in "an.int", "unknown":
                self.assertTrue(asyncio.isfuture(client.future_get_sensor(name)))
            client.stop()
            await client.until_stopped()
            self.assert_futures(client, "until_stopped")

        run(use)

    def test_resources(self):
        async def use():
            spec = {"address": self.device.bind_address, "controlled": True}
            container = KATCPClientResourceContainer({"name": "all", "clients": {"device": spec}})
            waits = "until_synced", "until_not_synced"
            self.assert_futures(container, *waits)
            container.start()
            await container.until_synced()
            resource = container.children["device"]
            self.assertIsInstance(resource, KATCPClientResource)
            self.assert_futures(container, *waits)
            self.assert_futures(resource, "wait_connected", "until_stopped", *waits)
            sensor = resource.sensor.an_int
            await sensor.set_strategy("event")
            await sensor.wait(3)
            for future in (sensor.wait(3), sensor.wait(4, timeout=LIMIT), sensor.get_value(),
                           sensor.get_reading(), resource.until_state("synced"),
                           resource.wait("an.int", 3), container.until_any_child_in_state("synced"),
                           container.until_all_children_in_state("synced"),
                           ClientGroup("group", [resource]).wait("an.int", 3)):
                self.assertTrue(asyncio.isfuture(future), future)
            container.stop()
            await container.until_stopped()
            self.assert_futures(resource, "until_stopped")

        run(use)
