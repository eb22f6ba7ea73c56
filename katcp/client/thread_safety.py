"""Calls from other threads into the thread of a client's loop.

Most methods of a client belong to the thread of its loop.  Those that are marked with
:func:`make_threadsafe` or :func:`make_threadsafe_blocking` may be called in any thread once
``enable_thread_safety`` was called: each is then covered, on that instance, by a function that hops into
the loop if it has to.
"""

from __future__ import absolute_import, division, print_function

import functools
import sys
# Bound here so that tests which patch the time module's functions do not disturb waits.
from timeit import default_timer

from concurrent.futures import TimeoutError

from katcp import compat
from katcp.compat import CANCELLED_ERRORS, get_thread_ident

# Seconds that a call marked with make_threadsafe_blocking waits for its result.
DEFAULT_BLOCKING_TIMEOUT = 5

# A thread that waits looks after so many seconds whether there still is anything to wait for.
LOOK_ROUND_INTERVAL = 1

_MARKS = ("make_threadsafe", "make_threadsafe_blocking")


def make_threadsafe(meth):
    """Mark a method without a result: other threads have it called in the loop, and do not wait.

    Parameters
    ----------
    meth : function

    Returns
    -------
    function
        The same one.
    """
    meth.make_threadsafe = True
    return meth


def make_threadsafe_blocking(meth):
    """Mark a method whose result matters: other threads have it called in the loop and wait for it.

    Such a thread may give a keyword ``timeout`` in seconds, which the method itself does not see: the
    default is 5, None waits for ever.  If the method returns a future, its result is waited for.  When
    time is up ``concurrent.futures.TimeoutError`` is raised; the call itself goes on.

    Parameters
    ----------
    meth : function

    Returns
    -------
    function
        The same one.
    """
    meth.make_threadsafe_blocking = True
    return meth


class Wait(object):
    """What one thread waits for, and another brings.

    Attributes
    ----------
    finished : bool
        Whether the result (or error) is there.
    result : object
    exc_info : tuple or None
        The ``exc_info`` triple of the error.
    """

    __slots__ = ("finished", "result", "exc_info", "_latch")

    def __init__(self):
        self.finished = False
        self.result = None
        self.exc_info = None
        self._latch = compat.Latch()

    def finish(self, result=None, exc_info=None):
        """Bring the result, or the ``exc_info`` triple of an error, and wake the thread."""
        self.result = result
        self.exc_info = exc_info
        self.finished = True
        self._latch.open()

    def follow(self, future):
        """Bring the outcome of a finished future."""
        exc_info = compat.future_exc_info(future)
        if exc_info is None:
            self.finish(future.result())
        else:
            self.finish(exc_info=exc_info)

    def wake(self):
        """Wake the thread though there is no result."""
        self._latch.open()

    def block(self, timeout, look_round=None):
        """Wait up to `timeout` seconds, None for ever, and return whether anybody woke this thread.

        Every now and then `look_round()` is called, which may be what wakes it.
        """
        if timeout is not None and timeout <= LOOK_ROUND_INTERVAL:
            return self._latch.wait(timeout)
        give_up = None if timeout is None else default_timer() + timeout
        # Also without a timeout in slices, so as to look round.
        left = LOOK_ROUND_INTERVAL
        while left > 0:
            if self._latch.wait(left):
                return True
            if look_round is not None:
                look_round()
            if give_up is not None:
                left = min(LOOK_ROUND_INTERVAL, give_up - default_timer())
        # Whoever was woken in the last moment.
        return self._latch.wait(0)

    def outcome(self):
        """Return the result or raise the error."""
        if self.exc_info is not None:
            compat.reraise(self.exc_info)
        return self.result


class _WatchedFuture(object):
    """Takes the place of a Wait for those who wait for a future instead."""

    def __init__(self, future):
        self._future = future

    def wake(self):
        error = RuntimeError("The loop of the client has ended")
        compat.fail(self._future, (RuntimeError, error, None))


class BlockedThreads(object):
    """The threads that wait for a loop, so that nobody waits for one that has gone.

    Attributes
    ----------
    dismissed : bool
        Whether there is nothing to wait for any more.
    """

    def __init__(self):
        self._waits = set()
        self.dismissed = False

    def enter(self):
        """Return a new Wait, or None if there is nothing to wait for any more."""
        wait = Wait()
        # In this order no wait can slip by, without a lock: either it is in the set when the others are
        # woken, or the flag is seen.
        self._waits.add(wait)
        if self.dismissed:
            self._waits.discard(wait)
            return None
        return wait

    def watch(self, future):
        """Have a concurrent future fail if there is nothing to wait for any more before it is done."""
        watched = _WatchedFuture(future)
        self._waits.add(watched)
        future.add_done_callback(lambda future: self._waits.discard(watched))
        if self.dismissed:
            watched.wake()

    def leave(self, wait):
        """Forget a Wait."""
        self._waits.discard(wait)

    def dismiss(self):
        """Wake all, and let nobody in again."""
        self.dismissed = True
        for wait in list(self._waits):
            wait.wake()


def marked_methods(instance):
    """Return ``{name: mark}`` of the methods of `instance` that are marked as thread-safe.

    Looked up without evaluating anything: the instance may be half built, and have properties.
    """
    marked = {}
    attributes = {}
    for cls in reversed(type(instance).__mro__):
        attributes.update(vars(cls))
    attributes.update(vars(instance))
    for name, attribute in attributes.items():
        for mark in _MARKS:
            # Not just true: mocks have every attribute.
            if getattr(attribute, mark, None) is True:
                marked[name] = mark
    return marked


class ThreadSafety(object):
    """The part of a client that lets other threads call into its loop.

    It needs from the rest of the client: ``_calls`` (a `CallQueue` of the loop of the run),
    ``_loop_waits`` (`BlockedThreads`), ``ioloop_thread_id``, ``running()``, ``_check_callable(name)`` and
    ``_notice_closed_loop()``.
    """

    _threadsafe = False
    # Name -> what covers a marked method.
    _covers = {}

    @property
    def threadsafe(self):
        """Whether the marked methods may be called in any thread."""
        return self._threadsafe

    def enable_thread_safety(self):
        """Let the methods that are marked as thread-safe be called in any thread.

        To be called before ``start``; there is no way back.

        Raises
        ------
        RuntimeError
            If the client is running without thread safety.
        """
        if self._threadsafe:
            return
        if self.running():
            raise RuntimeError("Cannot enable thread safety after start")
        self._covers = {}
        for name, mark in marked_methods(self).items():
            cover = getattr(self, "_" + mark)
            self._covers[name] = cover(getattr(self, name))
        vars(self).update(self._covers)
        self._threadsafe = True

    def _make_threadsafe(self, meth):
        """Return a function that calls `meth` in the loop and does not wait for it."""
        @functools.wraps(meth)
        def threadsafe(*args, **kwargs):
            if get_thread_ident() == self.ioloop_thread_id:
                return meth(*args, **kwargs)
            self._check_callable(meth.__name__)
            self._calls.call(self._call_for_thread, meth, args, kwargs)

        return threadsafe

    def _make_threadsafe_blocking(self, meth):
        """Return a function that calls `meth` in the loop and waits for its result."""
        @functools.wraps(meth)
        def threadsafe_blocking(*args, **kwargs):
            timeout = kwargs.pop("timeout", DEFAULT_BLOCKING_TIMEOUT)
            if get_thread_ident() == self.ioloop_thread_id:
                return meth(*args, **kwargs)
            return self._call_and_wait(timeout, meth, args, kwargs)

        return threadsafe_blocking

    def _call_for_thread(self, meth, args, kwargs):
        """Run in the loop what another thread has asked for; a hook to deal with what it raises."""
        meth(*args, **kwargs)

    def _call_and_wait(self, timeout, meth, args, kwargs):
        self._check_callable(meth.__name__)
        waits = self._loop_waits
        wait = waits.enter()
        if wait is None:
            raise RuntimeError("The loop of the client has ended")
        try:
            self._calls.call(self._run_for_wait, wait, meth, args, kwargs)
            if not wait.block(timeout, self._notice_closed_loop):
                raise TimeoutError("{} took more than {} seconds".format(meth.__name__, timeout))
        finally:
            waits.leave(wait)
        if not wait.finished:
            raise RuntimeError("The loop of the client ended before {} was done".format(meth.__name__))
        return wait.outcome()

    def _run_for_wait(self, wait, meth, args, kwargs):
        try:
            result = meth(*args, **kwargs)
            if compat.is_awaitable(result):
                compat.add_loop_callback(self._ioloop, compat.as_future(result), wait.follow)
            else:
                wait.finish(result)
        except (Exception,) + CANCELLED_ERRORS:
            wait.finish(exc_info=sys.exc_info())
