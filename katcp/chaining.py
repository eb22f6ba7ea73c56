"""What a handler's future resolves to, turned into something else: its reply, for instance."""

from __future__ import absolute_import, division, print_function

import sys
from functools import partial

from katcp.compat import (TornadoFuture, ThreadsafeFuture, add_loop_callback,
                          add_threadsafe_callback, as_future, copy_outcome, current_ioloop,
                          done_future, fail, failed_future, future_exc_info, ioloop_is_closed,
                          is_future, new_future, resolve, running_ioloop, was_cancelled)


def transform(awaitable, function):
    """Return a future of what `function` makes of the result of `awaitable`.

    Parameters
    ----------
    awaitable : future or, on Python 3, anything that can be awaited
        Coroutines are started: on the loop that is running in this thread or, if there is none,
        on its current one. In a thread without any, those succeed that need not wait.
    function : callable
        Called with the result. If it raises an exception, the returned future fails with that.

    Returns
    -------
    future
        Fails with the exception of `awaitable`, if there is one. It is done already if `awaitable`
        is a future that is done. Otherwise it is resolved on the loop that is running in this
        thread or, if there is none, in the thread in which `awaitable` is.
    """
    if is_future(awaitable):
        if awaitable.done():
            return _transform_now(awaitable, function)
        ioloop = running_ioloop()
        if ioloop is None:
            # Nothing in this thread could deliver the callbacks of a loop's future.
            target = ThreadsafeFuture()
            add_threadsafe_callback(awaitable, partial(_pass_on, target, function))
            return target
    else:
        ioloop = running_ioloop()
        if ioloop is None:
            return _transform_elsewhere(awaitable, function)
        awaitable = as_future(awaitable)
    target = new_future(ioloop)
    add_loop_callback(ioloop, awaitable, partial(_pass_on, target, function))
    return target


def _transform_now(source, function):
    exc_info = future_exc_info(source)
    if exc_info is None:
        try:
            return done_future(function(source.result()))
        except Exception:
            exc_info = sys.exc_info()
    elif isinstance(source, TornadoFuture) and not source.cancelled():
        return source
    try:
        return failed_future(exc_info)
    finally:
        del exc_info  # its traceback refers to this frame


def _transform_elsewhere(awaitable, function):
    ioloop = current_ioloop()
    if ioloop is None or ioloop_is_closed(ioloop):
        return _transform_now(_run_without_loop(awaitable), function)
    target = ThreadsafeFuture()
    ioloop.add_callback(_start, ioloop, awaitable, target, function)
    return target


def _run_without_loop(awaitable):
    """Return the done future of a coroutine that does not really wait for anything."""
    steps = awaitable.__await__() if hasattr(awaitable, "__await__") else awaitable
    try:
        next(steps)
    except StopIteration as finished:
        return done_future(finished.value)
    except Exception:
        return failed_future(sys.exc_info())
    steps.close()
    return done_future(exception=RuntimeError(
        "%r has to wait, and this thread has no event loop" % (awaitable,)))


def _start(ioloop, awaitable, target, function):
    try:
        add_loop_callback(ioloop, as_future(awaitable), partial(_pass_on, target, function))
    except Exception:
        fail(target, sys.exc_info())


def _pass_on(target, function, source):
    if was_cancelled(source):
        copy_outcome(source, target)
        return
    exc_info = future_exc_info(source)
    if exc_info is None:
        try:
            resolve(target, function(source.result()))
            return
        except Exception:
            exc_info = sys.exc_info()
    try:
        fail(target, exc_info)
    finally:
        del exc_info  # its traceback refers to this frame
