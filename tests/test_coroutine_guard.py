"""Tests of katcp.compat.coroutine_guard."""

from __future__ import absolute_import, division, print_function

import threading
import unittest

from tornado import gen

from katcp import compat

TIMEOUT = 10


class LoopThread(object):
    """A loop that runs in a thread of its own."""

    def __init__(self, case):
        self.ioloop = compat.new_ioloop()
        case.addCleanup(self.ioloop.close)
        self._thread = threading.Thread(target=self.ioloop.start)
        self._thread.start()
        case.addCleanup(self._thread.join)
        case.addCleanup(self.ioloop.add_callback, self.ioloop.stop)

    def sync(self, add_callback):
        done = threading.Event()
        add_callback(done.set)
        if not done.wait(TIMEOUT):
            raise AssertionError("the loop does not run")


class TestCoroutineGuard(unittest.TestCase):
    def test_thread_that_is_slow_to_let_go(self):
        loop_thread = LoopThread(self)
        ioloop = loop_thread.ioloop
        compat.make_ioloop_current(ioloop)
        self.addCleanup(compat.make_ioloop_current, None)
        add_callback, add_future = ioloop.add_callback, ioloop.add_future
        here = compat.get_thread_ident()
        finished = threading.Event()

        def let_the_loop_try():
            if compat.get_thread_ident() == here:
                loop_thread.sync(add_callback)
                loop_thread.sync(add_callback)

        def slow_add_callback(callback, *args, **kwargs):
            add_callback(callback, *args, **kwargs)
            let_the_loop_try()

        def slow_add_future(future, callback):
            add_future(future, callback)
            let_the_loop_try()

        @gen.coroutine
        def coroutine():
            yield compat.done_future()
            yield gen.moment
            finished.set()

        ioloop.add_callback, ioloop.add_future = slow_add_callback, slow_add_future
        try:
            coroutine()
        finally:
            del ioloop.add_callback, ioloop.add_future
        self.assertTrue(finished.wait(TIMEOUT))

    def test_timers_of_another_thread(self):
        loop_thread = LoopThread(self)
        ioloop = loop_thread.ioloop
        loop_thread.sync(ioloop.add_callback)
        compat.make_ioloop_current(ioloop)
        self.addCleanup(compat.make_ioloop_current, None)
        fired = []
        for cancelled in (ioloop.call_later(0, fired.append, 1), ioloop.call_later(1000, fired.append, 2)):
            ioloop.remove_timeout(cancelled)
        armed = ioloop.call_later(1000, fired.append, 3)
        loop_thread.sync(ioloop.add_callback)
        ioloop.remove_timeout(armed)
        done = threading.Event()
        ioloop.call_later(0.001, done.set)
        self.assertTrue(done.wait(TIMEOUT))
        if not compat.ON_ASYNCIO and hasattr(ioloop, "_timeouts"):
            loop_thread.sync(ioloop.add_callback)
            self.assertEqual([timeout for timeout in ioloop._timeouts if timeout.callback], [])
        self.assertNotIn(2, fired)
        self.assertNotIn(3, fired)

    def test_twice_is_once(self):
        loop_thread = LoopThread(self)
        for _ in range(2):
            compat.make_ioloop_current(loop_thread.ioloop)
        self.addCleanup(compat.make_ioloop_current, None)
        self.assertEqual(type(loop_thread.ioloop).__name__.count("Patient"),
                         0 if compat.ON_ASYNCIO else 1)
        loop_thread.sync(loop_thread.ioloop.add_callback)


if __name__ == "__main__":
    unittest.main()
