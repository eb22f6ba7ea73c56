"""``await`` on the futures of the library, in tasks of asyncio and in coroutines that tornado runs."""

import asyncio
import threading
import unittest

import tornado.ioloop
import tornado.testing

from katcp import compat
from katcp.handover import CallQueue
from katcp.ioloop_manager import IOLoopManager, with_relative_timeout
from katcp.waiting import (
    AsyncEvent, AsyncState, future_timeout_manager, until_any, until_later, until_some)
from tests.support import mock
from tests.support.logs import LogRecorder


async def use_everything():
    """Await one of everything that can be waited for; return what they resolved to."""
    event, state = AsyncEvent(), AsyncState(("a", "b"))
    ioloop = tornado.ioloop.IOLoop.current()
    results = [await compat.done_future(1)]
    waits = [
        event.until_set(), event.until_set(timeout=10), until_any(event.until_set(), timeout=10),
        until_any(until_any(event.until_set())), until_some(event.until_set()),
        state.until_state("b"), state.until_state_in("b", timeout=10),
        future_timeout_manager(10)(event.until_set()),
        with_relative_timeout(10, event.until_set())]
    ioloop.add_callback(event.set)
    ioloop.add_callback(state.set_state, "b")
    for wait in waits:
        results.append(await wait)
    results.append(await event.until_set())
    try:
        await AsyncEvent().until_set(timeout=0.001)
    except compat.GenTimeoutError as error:
        results.append(str(error))
    try:
        await until_any(compat.done_future(exception=ValueError("oh")))
    except ValueError as error:
        results.append(str(error))
    return results


EXPECTED = [1] + [True] * 4 + [[(0, True)]] + [True] * 5 + ["Timeout", "oh"]


def run_in_asyncio(coroutine):
    """Do what ``asyncio.run`` does, which Python 3.6 lacks."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


class TestUnderTornado(tornado.testing.AsyncTestCase):

    def test_everything(self):
        self.assertEqual(self.io_loop.run_sync(use_everything), EXPECTED)

    def test_native_coroutines_can_be_waited_for(self):
        async def answer():
            return 5

        async def wait():
            return await until_any(answer()), await until_some(answer(), answer())

        self.assertEqual(self.io_loop.run_sync(wait), (5, [(0, 5), (1, 5)]))


class TestUnderAsyncio(unittest.TestCase):
    """Where the current IOLoop is the one of asyncio, as it always is since tornado 5."""

    def run_in_asyncio(self, function):
        async def run():
            if not compat.ON_ASYNCIO:
                from tornado.platform.asyncio import AsyncIOMainLoop
                AsyncIOMainLoop(make_current=True)
                self.addCleanup(tornado.ioloop.IOLoop.clear_current)
            return await function()
        return run_in_asyncio(run())

    def test_everything(self):
        self.assertEqual(self.run_in_asyncio(use_everything), EXPECTED)

    def test_cancelled_waits_leave_nothing_behind(self):
        async def wait(event):
            await until_any(event.until_set(), until_later(50))

        async def run():
            event = AsyncEvent()
            task = asyncio.ensure_future(wait(event))
            patient = asyncio.ensure_future(wait(event))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            waiting = len(event._waiters)
            task.cancel()
            done, _ = await asyncio.wait([task])
            self.assertTrue(task.cancelled())
            left = len(event._waiters)
            event.set()
            await patient
            return waiting, left

        waiting, left = self.run_in_asyncio(run)
        self.assertEqual(waiting, 2)
        if compat.ON_ASYNCIO:  # tornado 4's futures cannot be cancelled
            self.assertEqual(left, 1)

    def test_asyncio_functions_take_our_futures(self):
        async def run():
            event = AsyncEvent()
            asyncio.get_event_loop().call_later(0.001, event.set)
            futures = [event.until_set(), event.until_set(timeout=5), compat.done_future(True)]
            if compat.ON_ASYNCIO:
                return await asyncio.wait_for(asyncio.gather(*futures), 5)
            return [await future for future in futures]

        self.assertEqual(self.run_in_asyncio(run), [True] * 3)

    def test_a_shared_event_survives_wait_for(self):
        async def wait_briefly(event):
            try:
                await asyncio.wait_for(event.until_set(), 0.001)
            except asyncio.TimeoutError:
                return "timeout"

        async def run():
            event = AsyncEvent()
            patient = event.until_set()
            outcome = await wait_briefly(event)
            event.set()
            return outcome, await patient, len(event._waiters)

        if compat.ON_ASYNCIO:
            self.assertEqual(self.run_in_asyncio(run), ("timeout", True, 0))

    def test_threadsafe_futures(self):
        async def run():
            future = compat.ThreadsafeFuture()
            threading.Timer(0.001, future.set_result, (3,)).start()
            return await future

        self.assertEqual(self.run_in_asyncio(run), 3)

    def test_a_managed_loop_beside_a_running_one(self):
        async def run():
            before = asyncio.get_event_loop()
            manager = IOLoopManager()
            ioloop = manager.get_ioloop()
            self.assertTrue(manager.start(timeout=5))
            self.assertIs(asyncio.get_event_loop(), before)
            answer = await CallQueue(ioloop).submit(lambda: asyncio.get_event_loop())
            self.assertIs(answer, ioloop.asyncio_loop)
            await manager.stop()
            self.assertIsNone(manager.join(5))
            return "stopped"

        self.assertEqual(self.run_in_asyncio(run), "stopped")

    def test_the_unmanaged_loop_is_the_running_one(self):
        async def run():
            manager = IOLoopManager(managed_default=False)
            self.assertIs(manager.get_ioloop().asyncio_loop, asyncio.get_event_loop())
            manager.start(timeout=5)
            called = []

            async def callback():
                await asyncio.sleep(0)
                called.append(True)

            await manager.stop(callback=callback)
            return called

        self.assertEqual(self.run_in_asyncio(run), [True])


class TestWhatIsLeftOnAManagedLoop(unittest.TestCase):

    def test_tasks_and_generators_are_ended(self):
        ended = []

        async def work():
            try:
                await asyncio.sleep(1000)
            finally:
                ended.append("task")

        async def generate():
            try:
                yield 1
            finally:
                await asyncio.sleep(0)
                ended.append("generator")

        kept = []

        async def begin():
            kept.append(asyncio.ensure_future(work()))
            kept.append(generate())
            await kept[1].__anext__()
            kept.append(asyncio.ensure_future(fail_when_cancelled()))
            await asyncio.sleep(0)

        async def fail_when_cancelled():
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                raise ValueError("while ending")

        manager = IOLoopManager()
        ioloop = manager.get_ioloop()
        manager.start(timeout=5)
        CallQueue(ioloop).submit(begin).result(5)
        with LogRecorder() as log:
            manager.stop().result(5)
            manager.join(5)
            kept = None
        self.assertEqual(sorted(ended), ["generator", "task"])
        self.assertTrue(ioloop.asyncio_loop.is_closed())
        errors = [record.getMessage() for record in log.records if record.levelname == "ERROR"]
        self.assertEqual(len(errors), 1)
        self.assertIn("Unhandled exception in a task that was cancelled", errors[0])

    def test_a_stop_callback_that_ends_late_does_not_keep_tasks_from_ending(self):
        ended = []

        async def work():
            try:
                await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(0.001)
                await asyncio.sleep(0.001)
                ended.append("task")

        async def callback():
            tasks.append(asyncio.ensure_future(work()))
            asyncio.get_event_loop().call_soon(began.set)
            await asyncio.sleep(1000)

        tasks, began = [], threading.Event()
        manager = IOLoopManager()
        manager.get_ioloop()
        manager.start(timeout=5)
        with LogRecorder() as log:
            first = manager.stop(callback=callback)
            self.assertTrue(began.wait(5))
            second = manager.stop()
            self.assertIsNone(first.result(5))
            self.assertIsNone(second.result(5))
            manager.join(5)
        self.assertEqual(ended, ["task"])
        # The callback was cancelled, and that is all there is to report; tornado 4.5 runs it without a task.
        errors = [record.getMessage() for record in log.records if record.levelname == "ERROR"]
        self.assertEqual(errors, ["Unhandled exception calling stop callback"] if compat.ON_ASYNCIO else [])

    def test_a_task_that_does_not_end_is_left_behind(self):
        async def stubborn():
            while not released.is_set():
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    pass

        released = threading.Event()
        manager = IOLoopManager()
        ioloop = manager.get_ioloop()
        manager.start(timeout=5)

        async def begin():
            task = asyncio.ensure_future(stubborn())
            await asyncio.sleep(0)
            return task

        task = CallQueue(ioloop).submit(begin).result(5)
        with LogRecorder() as log, mock.patch("katcp.ioloop_manager.TASK_END_TIMEOUT", 0.01):
            manager.stop().result(5)
            manager.join(5)
        self.assertFalse(task.done())
        self.assertTrue(any("did not end" in message for message in log.messages))
        released.set()
        task._log_destroy_pending = False
