"""What one waits with: events, states, the first or some of several futures, deadlines.

Every wait here costs one iteration of the loop between its cause and the resumption of the coroutine
that waits, however many of these functions are put one round the other; see `katcp.linked_futures`.

All times are in seconds, all timeouts relative, and all of them are measured by ``ioloop.time()`` and
armed on the ioloop.  Where no ioloop is given, that of the thread that begins to wait is taken, so
that the objects can be made in any thread, before there is any loop.

Events and states have a room of their own, `katcp.events`, but are at home here as well.

But for `AsyncEvent.is_set` and `AsyncEvent.wait_with_ioloop` nothing here is thread safe: it belongs
to the thread of its ioloop.
"""

from __future__ import absolute_import, division, print_function

import functools
import logging
import sys
import warnings

from katcp import compat
from katcp.events import AsyncCallbackEvent, AsyncEvent, AsyncState  # noqa: F401
from katcp.linked_futures import Deadline, Waiter, expect_within, follow, new_waiter, wait_loop

# The name under which users know these messages.
log = logging.getLogger("katcp.core")


# --- several futures -----------------------------------------------------------------------------

def until_later(delay, ioloop=None):
    """Return a future that resolves with None `delay` seconds later, by the clock of `ioloop`."""
    ioloop = wait_loop(ioloop)
    waiter = new_waiter(ioloop)
    Deadline(waiter, ioloop, ioloop.time() + delay, compat.resolve)
    return waiter


def until_any(*futures, **kwargs):
    """Wait for the first of several futures.

    Parameters
    ----------
    futures : futures
        Tornado's, ``concurrent.futures``' or, on Python 3, anything awaitable.  The others are left
        running, and forget about this wait.  With none at all the wait never ends, but by its timeout.
    timeout : float, optional
        After how many seconds to give up; None and 0 mean never.
    ioloop : tornado.ioloop.IOLoop, optional
        The loop that runs the timeout; by default the current one.

    Returns
    -------
    future
        Takes the result or the exception of the first future that is done, and is done itself as
        soon as that one is; of several that are done already it takes the first in the order given.
        Fails with ``tornado.gen.TimeoutError`` when the time is up.
    """
    timeout = kwargs.pop("timeout", None)
    ioloop = kwargs.pop("ioloop", None)
    if kwargs:
        warnings.warn("until_any() knows no keyword arguments {0}; they are ignored".format(
            ", ".join(sorted(kwargs))), stacklevel=2)
    futures = [_as_future(future) for future in futures]
    for future in futures:
        if future.done():
            return compat.finished_copy(future)
    waiter = new_waiter(ioloop)
    for future in futures:
        follow(waiter, future, ioloop)
    expect_within(waiter, timeout, ioloop)
    return waiter


def _as_future(value):
    if not compat.is_awaitable(value):
        raise AttributeError("{0!r} is no future".format(value))
    return compat.as_future(value)


def future_timeout_manager(timeout=None, ioloop=None):
    """Put one deadline on several waits in turn.

    Parameters
    ----------
    timeout : float, optional
        Seconds from now until the deadline; None and 0 mean there is none.
    ioloop : tornado.ioloop.IOLoop, optional
        The loop whose clock counts; by default the current one.

    Returns
    -------
    function
        ``maybe_timeout(future)`` returns a future with the outcome of `future`, but for failing with
        ``tornado.gen.TimeoutError`` at the deadline; a future that is done passes even after it.
        ``maybe_timeout.remaining()`` returns the seconds left (negative after the deadline), or None
        if there is no deadline.

    Examples
    --------
    ::

        maybe_timeout = future_timeout_manager(timeout)
        yield maybe_timeout(client.until_connected())
        yield maybe_timeout(client.until_protocol())
    """
    if not timeout:
        def maybe_timeout(future):
            return future

        maybe_timeout.remaining = _no_limit
        return maybe_timeout

    ioloop = wait_loop(ioloop)
    deadline = ioloop.time() + timeout

    def maybe_timeout(future):
        future = _as_future(future)
        return future if future.done() else until_done_or(deadline, future, ioloop)

    maybe_timeout.remaining = lambda: deadline - ioloop.time()
    return maybe_timeout


def _no_limit():
    return None


def until_done_or(deadline, future, ioloop):
    """Return a future like the pending `future`, but for failing when ``ioloop.time()`` is `deadline`."""
    waiter = new_waiter(ioloop)
    follow(waiter, future, ioloop)
    Deadline(waiter, ioloop, deadline)
    return waiter


class _SomeWaiter(Waiter):
    """Collects the results of several futures as they are done."""

    def expect(self, keyed_futures, results, at_least):
        """Wait for pending futures, until there are so many results.

        Parameters
        ----------
        keyed_futures : list of (key, future)
        results : list of (key, result)
            What is done already.
        at_least : int
        """
        self._results = results
        self._at_least = at_least
        self._keys = {}
        for key, future in keyed_futures:
            self._keys.setdefault(id(future), []).append(key)
        for _, future in keyed_futures:
            follow(self, future)

    def source_done(self, source):
        if source.cancelled() or source.exception() is not None:
            super(_SomeWaiter, self).source_done(source)
            return
        for key in self._keys.pop(id(source), ()):
            self._results.append((key, source.result()))
            if len(self._results) >= self._at_least:
                self.set_result(self._results)
                return


def until_some(*args, **kwargs):
    """Wait for some, or all, of several futures.

    Parameters
    ----------
    args or kwargs : futures
        Given by position or by keyword, but not both.
    done_at_least : int, optional
        How many must be done; by default all.
    timeout : float, optional
        After how many seconds to give up; None and 0 mean never.

    Returns
    -------
    future
        Resolves with a list of pairs (position or keyword, result) in the order in which the futures
        were done: exactly `done_at_least` of them, even if more are done.  Fails with the exception
        of the first that fails, with ``tornado.gen.TimeoutError`` when the time is up (the futures
        are left as they are and can be waited for again), or with ``ValueError`` if futures are given
        both by position and by keyword.
    """
    done_at_least = kwargs.pop("done_at_least", None)
    timeout = kwargs.pop("timeout", None)
    try:
        if args and kwargs:
            raise ValueError("You must provide args or kwargs, not both")
        keyed = enumerate(args) if args else kwargs.items()
        keyed_futures = [(key, _as_future(future)) for key, future in keyed]
    except Exception:
        return compat.failed_future(sys.exc_info())
    at_least = len(keyed_futures)
    if done_at_least is not None:
        at_least = max(min(at_least, done_at_least), 1)
    results, pending = [], []
    for key, future in keyed_futures:
        if not future.done():
            pending.append((key, future))
        elif future.cancelled() or future.exception() is not None:
            return compat.finished_copy(future)
        else:
            results.append((key, future.result()))
            if len(results) >= at_least:
                break
    if not pending or len(results) >= at_least:
        return compat.done_future(results)
    waiter = new_waiter(None, _SomeWaiter)
    waiter.expect(pending, results, at_least)
    expect_within(waiter, timeout, None)
    return waiter


class LatencyTimer(object):
    """Tells a coroutine that keeps getting futures that are done when to let others have the loop.

    Yielding a future that is done does not give up control, so that a busy coroutine can starve
    everything else on its loop.

    Parameters
    ----------
    max_loop_latency : float
        For how many seconds to go on without a pause.
    ioloop : tornado.ioloop.IOLoop, optional
        The loop whose clock counts; by default the current one.

    Examples
    --------
    ::

        timer = LatencyTimer(0.03)
        while True:
            future = read()
            timer.check_future(future)
            if timer.time_to_yield():
                yield gen.moment
            line = yield future
    """

    def __init__(self, max_loop_latency, ioloop=None):
        self.max_loop_latency = max_loop_latency
        self.ioloop = ioloop or compat.current_ioloop()
        self.prev_done = False
        self.done = False
        self.done_since = 0
        self._advised = False

    def check_future(self, fut):
        """Take note of whether `fut`, which is about to be yielded, is done."""
        self.prev_done = self.done
        self.done = fut.done()
        # After a pause has been advised the time counts anew.
        if self.done and (not self.prev_done or self._advised):
            self.done_since = self._time()
        self._advised = False

    def time_to_yield(self):
        """Return whether futures have been done for longer than the maximum latency."""
        if not self.done or self._time() - self.done_since <= self.max_loop_latency:
            return False
        self._advised = True
        return True

    def _time(self):
        if self.ioloop is None:
            self.ioloop = wait_loop(None)
        return self.ioloop.time()


# --- exceptions that nobody waits for ------------------------------------------------------------

def log_coroutine_exceptions(coro):
    """Decorate a method that returns a future so that its exceptions are logged as well.

    They go to ``self._logger``.  An exception that the method raises, rather than its future, is
    handed to the caller in the future, too.
    """
    message = "Unhandled exception calling coroutine {0!r}".format(coro)

    @functools.wraps(coro)
    def wrapper(self, *args, **kwargs):
        try:
            future = coro(self, *args, **kwargs)
        except Exception:
            future = compat.failed_future(sys.exc_info())
        _log_failure(future, getattr(self, "_logger", log), message, ())
        return future

    return wrapper


def log_future_exceptions(logger, f, ignore=()):
    """Log the exception of a future, now or when it fails.

    Parameters
    ----------
    logger : logging.Logger
    f : future
        Tornado's or ``concurrent.futures``'.
    ignore : exception class or tuple of them, optional
        What is not worth a message.
    """
    _log_failure(f, logger, "Unhandled exception returned by future", ignore)


def _log_failure(future, logger, message, ignore):
    def check(future):
        if compat.was_cancelled(future):
            return
        try:
            future.result()
        except ignore:
            pass
        except Exception:
            logger.exception(message)

    if future.done():
        check(future)
    else:
        future.add_done_callback(check)


# --- identity ------------------------------------------------------------------------------------

def hashable_identity(obj):
    """Return a key by which to know a listener again, whether or not it is hashable.

    A bound method is a new object each time it is asked for, so it is known by its function and its
    object; strings are known by their value, everything else by its ``id``.  Keep a reference to
    `obj` as long as the key is in use.
    """
    if isinstance(obj, compat.string_types):
        return obj
    try:
        function, instance = obj.__func__, obj.__self__
    except AttributeError:
        pass
    else:
        return id(function), id(instance)
    if type(obj) is _BUILTIN_METHOD and obj.__self__ is not None:
        return id(obj.__self__), obj.__name__
    return id(obj)


_BUILTIN_METHOD = type([].append)
