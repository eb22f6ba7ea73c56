"""How a call gets into the thread of an ioloop from another thread.

`CallQueue` is for those who make many calls and wait for none: a batch of them costs one wake-up of
the loop.  `LoopCall` is for those who make one and block until it is done.
"""

from __future__ import absolute_import, division, print_function

import collections
import concurrent.futures
import functools
import logging
import sys
import threading
from timeit import default_timer

from katcp import compat
from katcp.log_records import record_text

log = logging.getLogger(__name__)

# How many seconds a queue may keep the loop busy before it lets others have a turn.
MAX_DRAIN_TIME = 0.01


class CallQueue(object):
    """Calls on their way into the thread of an ioloop; they are made there in the order given.

    Parameters
    ----------
    ioloop : tornado.ioloop.IOLoop

    Notes
    -----
    All methods may be called from any thread.  What a call adds to the queue is done in the next
    iteration of the loop.  Calls keep their order, and (unless the queue is so long that the loop has
    to see to others in between) come before what the same thread adds to the loop after them.
    """

    #: For how many seconds the queue may keep the loop busy before it lets others have a turn.
    max_drain_time = MAX_DRAIN_TIME

    def __init__(self, ioloop):
        self._ioloop = ioloop
        self._calls = collections.deque()
        self._lock = threading.Lock()
        # Whether the loop is going to call `_drain`.
        self._awake = False
        self._draining = False
        self._closed = False

    def __len__(self):
        return len(self._calls)

    def is_idle(self):
        """Whether all calls that the calling thread has added are done."""
        # In this order: a call is out of the queue only while, or after, it is executed.
        return not self._calls and not self._draining

    def call(self, fn, *args):
        """Call ``fn(*args)`` on the loop; exceptions are logged.  After `close` nothing happens."""
        self._add(fn, args)

    def submit(self, fn, *args):
        """Call ``fn(*args)`` on the loop, and tell what came of it.

        Returns
        -------
        concurrent.futures.Future
            Has the result or exception of `fn`, or of the future that `fn` returns.  After `close`
            it resolves with None.
        """
        future = compat.ThreadsafeFuture()
        if not self._add(self._settle, (future, fn, args)):
            future.set_result(None)
        return future

    def close(self):
        """Accept no more calls.  Those made before are still executed, if the loop runs."""
        with self._lock:
            self._closed = True
            if not compat.ioloop_is_closed(self._ioloop):
                return
            abandoned = list(self._calls)
            self._calls.clear()
        for fn, args in abandoned:
            if fn == self._settle:
                compat.resolve(args[0])

    def _add(self, fn, args):
        with self._lock:
            if self._closed:
                return False
            self._calls.append((fn, args))
            if self._awake:
                return True
            self._awake = True
        if not compat.add_callback_if_open(self._ioloop, self._drain):
            self.close()
        return True

    def _drain(self):
        calls = self._calls
        end = default_timer() + self.max_drain_time
        with self._lock:
            # Who adds a call from now on wakes up the loop again, so that the call comes before whatever
            # else that thread schedules on the loop after it.
            self._awake = False
            self._draining = True
            count = len(calls)
        try:
            # What is added meanwhile has to wait, or a busy queue would starve the loop.
            while count and calls:
                count -= 1
                fn, args = calls.popleft()
                try:
                    fn(*args)
                except (Exception,) + compat.CANCELLED_ERRORS:
                    log.exception("Unhandled exception in a call on the ioloop")
                if default_timer() >= end:
                    break
        finally:
            with self._lock:
                self._draining = False
                again = bool(calls) and not self._awake
                if again:
                    self._awake = True
            if again:
                self._ioloop.add_callback(self._drain)

    def _settle(self, future, fn, args):
        _call_into(future, fn, args, {})


def _call_into(future, fn, args, kwargs):
    """Give the concurrent `future` what comes of ``fn(*args, **kwargs)``.

    Returns the pending future that `fn` has returned and its callback, if there is one.
    """
    try:
        result = fn(*args, **kwargs)
        if compat.is_awaitable(result):
            result = compat.as_future(result)
            if not result.done():
                callback = functools.partial(_copy_outcome, future)
                result.add_done_callback(callback)
                return result, callback
            compat.copy_outcome(result, future)
        else:
            compat.resolve(future, result)
    except BaseException:  # a thread is blocked until it hears of it
        compat.fail(future, sys.exc_info())
    return None


def _copy_outcome(target, source):
    compat.copy_outcome(source, target)


# Who wants to know when an ioloop is closed is a set in an attribute of the loop.  Most watchers refer to
# their loop: anywhere else, a loop that nobody ever closes would be kept for ever, and all that is on it.
_WATCHERS = "_katcp_watchers"
_watchers_lock = threading.Lock()


def watch_loop(ioloop, watcher):
    """Have ``watcher.loop_has_ended()`` called, in the thread of `ioloop`, when a manager closes it.

    Parameters
    ----------
    ioloop : tornado.ioloop.IOLoop
    watcher : object
        It is kept until then; see `unwatch_loop`.
    """
    with _watchers_lock:
        vars(ioloop).setdefault(_WATCHERS, set()).add(watcher)


def unwatch_loop(ioloop, watcher):
    """Undo `watch_loop`; nothing happens if there is nothing to undo."""
    with _watchers_lock:
        vars(ioloop).get(_WATCHERS, set()).discard(watcher)


def loop_has_ended(ioloop):
    """Tell all who watch `ioloop` that it is closed; called by whoever closes it."""
    with _watchers_lock:
        watchers = list(vars(ioloop).pop(_WATCHERS, ()))
    for watcher in watchers:
        try:
            watcher.loop_has_ended()
        except (Exception,) + compat.CANCELLED_ERRORS:
            log.exception(record_text("Unhandled exception telling %r that its ioloop is closed", watcher))


class LoopCall(object):
    """A call into the thread of an ioloop whose outcome another thread waits for.

    Parameters
    ----------
    ioloop : tornado.ioloop.IOLoop
        If it does not run yet, the call is made once it does.
    fn : callable
        Called with `args` and `kwargs` in the thread of `ioloop`; may return a future or, on
        Python 3, anything awaitable, for whose outcome is waited then.
    args : tuple, optional
    kwargs : dict, optional
    """

    def __init__(self, ioloop, fn, args=(), kwargs=None):
        self._ioloop = ioloop
        self._fn = fn
        self._args = args
        self._kwargs = kwargs or {}
        self._future = compat.ConcurrentFuture()
        # The pending future that `fn` returned, and our callback to it.
        self._pending = None
        self._loop_ended = False
        watch_loop(ioloop, self)
        if not compat.add_callback_if_open(ioloop, self._run):
            self.loop_has_ended()

    def wait(self, timeout=None):
        """Block until the call is done.

        Parameters
        ----------
        timeout : float, optional
            How many seconds to block; None means for ever.  A call that takes longer is not
            interrupted; its exception, should there be one, is logged.

        Returns
        -------
        object
            What the call, or the future it returned, resulted in.

        Raises
        ------
        compat.AnyTimeoutError
            When the time is up.
        RuntimeError
            If the loop is closed before the call is done.
        Exception
            What the call, or its future, raised, with the original traceback.
        """
        future = self._future
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError:
            if future.done():
                raise
            future.add_done_callback(self._ended_late)
            raise compat.AnyTimeoutError("Timeout")
        finally:
            if future.done():
                unwatch_loop(self._ioloop, self)
            # A traceback keeps this frame, which must not keep the exception in turn.
            self = future = None

    def forget(self):
        """Wait no longer for the future that the call has returned; for calls without effects."""
        compat.add_callback_if_open(self._ioloop, self._detach)

    def _run(self):
        if not self._future.done():
            self._pending = _call_into(self._future, self._fn, self._args, self._kwargs)

    def _detach(self):
        self._future.cancel()
        if self._pending is not None:
            pending, callback = self._pending
            self._pending = None
            compat.remove_done_callback(pending, callback)

    def loop_has_ended(self):
        """Give up: nothing will ever run on the loop again."""
        self._loop_ended = True
        try:
            raise RuntimeError("IOLoop is closing")
        except RuntimeError:
            compat.fail(self._future, sys.exc_info())

    def _ended_late(self, future):
        unwatch_loop(self._ioloop, self)
        if future.cancelled() or self._loop_ended:
            # Who has given up need not hear that there is no more to come.
            return
        exc_info = compat.future_exc_info(future)
        if exc_info is not None:
            log.error(record_text("Unhandled exception in call of %r, for which nobody waits any more",
                                  self._fn), exc_info=exc_info)
