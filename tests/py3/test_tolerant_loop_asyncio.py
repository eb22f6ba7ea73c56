"""Tests of katcp.compat.tolerant_loop."""

import asyncio
import threading
import unittest

from tornado.platform.asyncio import AsyncIOLoop

from katcp import compat
from katcp.compat import coroutine_guard
from katcp.compat.tolerant_loop import TolerantIOLoop

TIMEOUT = 10


class TestTolerantLoop(unittest.TestCase):
    def make_ioloop(self):
        return TolerantIOLoop(make_current=False)

    def setUp(self):
        self.ioloop = self.make_ioloop()
        self.addCleanup(self.ioloop.close)
        self.loop = self.ioloop.asyncio_loop
        self.thread = threading.Thread(target=self.ioloop.start)
        self.called = threading.Event()

    def start(self):
        self.thread.start()
        self.addCleanup(self.thread.join)
        self.addCleanup(self.ioloop.add_callback, self.ioloop.stop)
        self.sync()

    def sync(self):
        """Wait until the loop has nothing to do."""
        for _ in range(2):
            done = threading.Event()
            self.ioloop.add_callback(done.set)
            self.assertTrue(done.wait(TIMEOUT))

    def test_callback(self):
        self.start()
        self.loop.call_soon(self.called.set)
        self.assertTrue(self.called.wait(TIMEOUT))

    def test_callback_before_the_loop_runs(self):
        self.loop.call_soon(self.called.set)
        self.start()
        self.assertTrue(self.called.wait(TIMEOUT))

    def test_future(self):
        future = asyncio.Future(loop=self.loop)
        future.add_done_callback(lambda _: self.called.set())
        self.start()
        future.set_result(None)
        self.assertTrue(self.called.wait(TIMEOUT))

    def test_timer(self):
        self.start()
        self.loop.call_later(0.001, self.called.set)
        self.assertTrue(self.called.wait(TIMEOUT))
        self.called.clear()
        self.ioloop.call_later(0.001, self.called.set)
        self.assertTrue(self.called.wait(TIMEOUT))

    def test_cancelled_timers(self):
        self.start()
        early = self.loop.call_later(1000, self.called.set)
        self.sync()
        early.cancel()
        self.assertTrue(early.cancelled())
        self.ioloop.remove_timeout(self.ioloop.call_later(0, self.called.set))
        done = threading.Event()
        self.loop.call_later(0.01, done.set)
        self.assertTrue(done.wait(TIMEOUT))
        self.sync()
        self.assertEqual(len([timer for timer in self.loop._scheduled if not timer.cancelled()]), 0)

    def test_in_its_own_thread_it_is_the_usual_loop(self):
        self.start()
        handles = []

        def schedule():
            handles.append(self.loop.call_soon(handles.append, None))
            handles.append(self.loop.call_later(1000, self.called.set))
            handles[1].cancel()
            self.called.set()

        self.ioloop.add_callback(schedule)
        self.assertTrue(self.called.wait(TIMEOUT))
        self.assertEqual([type(handle) for handle in handles[:2]], [asyncio.Handle, asyncio.TimerHandle])

    if coroutine_guard.Context:
        def enter_here_and_there(self, schedule):
            """Enter a context in this thread, and have the loop enter it too."""
            context = coroutine_guard.Context()
            events = []

            def here():
                schedule(context, events)
                self.sync()  # the loop has tried by now
                events.append("left")

            self.start()
            context.run(here)
            self.sync()
            self.sync()
            self.assertEqual(events, ["left", "entered"])

        def test_callback_that_enters_the_context_of_its_caller(self):
            self.enter_here_and_there(
                lambda context, events: self.ioloop.add_callback(context.run, events.append, "entered"))

        def test_future_that_enters_the_context_of_its_caller(self):
            def schedule(context, events):
                def callback(_):
                    context.run(events.append, "entered")

                callback.__module__ = "tornado.gen"
                future = compat.new_future(self.ioloop)
                future.set_result(None)
                self.ioloop.add_future(future, callback)

            self.enter_here_and_there(schedule)


class TestLoopOfTheUsers(TestTolerantLoop):
    """A loop that somebody else made and runs, from the moment it is current in a second thread."""

    def make_ioloop(self):
        ioloop = AsyncIOLoop(make_current=False)
        thread = threading.Thread(target=self.make_current_twice, args=(ioloop,))
        thread.start()
        thread.join()
        return ioloop

    def make_current_twice(self, ioloop):
        for _ in range(2):
            compat.make_ioloop_current(ioloop)

    def test_class(self):
        self.assertIsInstance(self.ioloop, AsyncIOLoop)
        self.assertEqual(type(self.ioloop).__name__, "PatientAsyncIOLoop")


if __name__ == "__main__":
    unittest.main()
