"""Event loops: making them, whose they are, whether they run, closing them."""

from __future__ import absolute_import, division, print_function

import contextlib
import sys

import tornado.ioloop

from katcp.compat import coroutine_guard
from katcp.compat.language import get_thread_ident
from katcp.compat.versions import ON_ASYNCIO, PY2

if not PY2:
    import asyncio

if PY2:
    # There is none to look for on Python 2.
    AsyncIOLoop = None

    def new_ioloop():
        """Return a new IOLoop that is nobody's current loop."""
        return tornado.ioloop.IOLoop(make_current=False)
else:
    from tornado.platform.asyncio import AsyncIOLoop

    if ON_ASYNCIO:
        from katcp.compat import tolerant_loop
        _NewIOLoop = tolerant_loop.TolerantIOLoop
    else:
        _NewIOLoop = AsyncIOLoop

    def new_ioloop():
        """Return a new IOLoop that is nobody's current loop (an asyncio one on Python 3)."""
        return _NewIOLoop(make_current=False)


if PY2:
    # Seconds that a loop may wait for something to happen; asyncio limits itself to as many.
    MAX_POLL_TIME = 24 * 3600

    def allow_late_timers(ioloop):
        """Let timers of `ioloop` be any time away; a second time does nothing.

        Trollius gives the time to the next timer to the OS as it is.  If it is more than 2^31 ms away, that
        raises OverflowError, which ends the loop.
        """
        selector = getattr(asyncio_loop_of(ioloop), "_selector", None)
        if selector is None or "select" in vars(selector):
            return
        select = selector.select

        def select_in_time(timeout=None):
            return select(timeout if timeout is None else min(timeout, MAX_POLL_TIME))

        selector.select = select_in_time
else:
    def allow_late_timers(ioloop):
        """Let timers of `ioloop` be any time away; on Python 3 they may be."""


def asyncio_loop_of(ioloop):
    """Return the asyncio event loop under `ioloop`, or None where there is none."""
    return getattr(ioloop, "asyncio_loop", None)


def runs_in_this_thread(ioloop):
    """Whether the calling code is being run by `ioloop`."""
    asyncio_loop = asyncio_loop_of(ioloop)
    if asyncio_loop is not None:
        if PY2:  # trollius: asyncio as it was before it could say which loop is running
            return asyncio_loop._thread_id == get_thread_ident()
        return asyncio._get_running_loop() is asyncio_loop
    # Nothing public tells; these are attributes of the PollIOLoop of tornado 4.5, and 5.1 on Python 2.
    return (getattr(ioloop, "_running", False)
            and getattr(ioloop, "_thread_ident", None) == get_thread_ident())


if ON_ASYNCIO:
    def running_ioloop():
        """Return the IOLoop that is running in this thread right now, or None."""
        if asyncio._get_running_loop() is None:
            return None
        # Under an asyncio loop that no IOLoop knows yet (``asyncio.run``), this wraps it in one.
        return tornado.ioloop.IOLoop.current()

    def current_ioloop():
        """Return the current IOLoop of this thread, running or not, or None if it has none.

        Unlike ``IOLoop.current`` this makes no loop as a side effect.
        """
        if asyncio._get_running_loop() is not None:
            return tornado.ioloop.IOLoop.current()
        if sys.version_info < (3, 14):
            # Asking asyncio in the main thread would make a loop there.
            local = getattr(asyncio.get_event_loop_policy(), "_local", None)
            if getattr(local, "_loop", None) is None:
                return None
        return tornado.ioloop.IOLoop.current(instance=False)
else:
    def running_ioloop():
        """Return the IOLoop that is running in this thread right now, or None."""
        ioloop = tornado.ioloop.IOLoop.current(instance=False)
        return ioloop if ioloop is not None and runs_in_this_thread(ioloop) else None

    def current_ioloop():
        """Return the current IOLoop of this thread, running or not, or None if it has none."""
        return tornado.ioloop.IOLoop.current(instance=False)


def make_ioloop_current(ioloop):
    """Make `ioloop` the current one of this thread, which does not run it; None for none at all."""
    if not PY2:
        asyncio.set_event_loop(None if ioloop is None else asyncio_loop_of(ioloop))
    if ON_ASYNCIO:
        if ioloop is not None:
            tolerant_loop.make_tolerant(ioloop)
    elif ioloop is None:
        tornado.ioloop.IOLoop.clear_current()
    else:
        coroutine_guard.make_patient(ioloop)
        ioloop.make_current()


@contextlib.contextmanager
def ioloop_current_for(ioloop):
    """Context in which `ioloop` is the current one of this thread, unless the thread has another."""
    if current_ioloop() is not None:
        yield
        return
    # In the main thread asyncio makes a loop for who asks, until somebody has set one, if only to None.
    local = None
    if not PY2 and sys.version_info < (3, 14):
        local = getattr(asyncio.get_event_loop_policy(), "_local", None)
    somebody_set_one = getattr(local, "_set_called", None)
    make_ioloop_current(ioloop)
    try:
        yield
    finally:
        make_ioloop_current(None)
        if somebody_set_one is not None:
            local._set_called = somebody_set_one


def add_callback_if_open(ioloop, callback, *args):
    """Run ``callback(*args)`` on `ioloop`, from any thread; return False if the loop is closed."""
    try:
        ioloop.add_callback(callback, *args)
    except RuntimeError:  # what tornado 4.5 does on asyncio; other loops drop the callback
        return False
    return not ioloop_is_closed(ioloop)


def ioloop_is_running(ioloop):
    """Whether any thread is running `ioloop`, however busy it may be."""
    asyncio_loop = asyncio_loop_of(ioloop)
    if asyncio_loop is not None:
        return asyncio_loop.is_running() is True
    return getattr(ioloop, "_running", False) is True


def ready_to_run_again(ioloop):
    """Have a loop that an exception has ended forget that it was running; in the thread that ran it."""
    if asyncio_loop_of(ioloop) is None:
        ioloop._running = False  # the loops of tornado 4.5, and 5.1 on Python 2, leave it set


def ioloop_is_closed(ioloop):
    """Whether `ioloop` is closed, so that nothing added to it will ever run."""
    asyncio_loop = asyncio_loop_of(ioloop)
    if asyncio_loop is not None:
        return asyncio_loop.is_closed() is True
    return getattr(ioloop, "_closing", False) is True


if PY2:
    def cancel_pending_work(ioloop, timeout):
        """Cancel the asyncio tasks left on a stopped loop; Python 2 has none."""
        return []
else:
    _all_tasks = getattr(asyncio, "all_tasks", None) or asyncio.Task.all_tasks

    def cancel_pending_work(ioloop, timeout):
        """Cancel the asyncio tasks left on a stopped loop and close its async generators.

        Otherwise closing the loop leaves "Task was destroyed but it is pending" behind, and
        ``finally`` clauses that never run.

        Parameters
        ----------
        ioloop : tornado.ioloop.IOLoop
            Stopped but not closed, and run by the calling thread so far.
        timeout : float
            How many seconds a task may take to end itself.

        Returns
        -------
        list
            The tasks that did not.
        """
        loop = asyncio_loop_of(ioloop)
        if loop is None or loop.is_closed():
            return []
        tasks = [task for task in _all_tasks(loop) if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=timeout))
        for task in tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                loop.call_exception_handler({
                    "message": "Unhandled exception in a task that was cancelled",
                    "exception": task.exception(),
                    "task": task,
                })
        if getattr(loop, "_asyncgens", True):
            loop.run_until_complete(asyncio.wait([_close_asyncgens(loop)], timeout=timeout))
        return [task for task in tasks if not task.done()]

    def _close_asyncgens(loop):
        return asyncio.ensure_future(loop.shutdown_asyncgens(), loop=loop)
