"""Between a test's thread and the threads that it starts."""

from __future__ import absolute_import, division, print_function

import functools
import logging
import sys
import threading

import concurrent.futures
from tornado import gen

from katcp import compat

logger = logging.getLogger("katcp.testutils")


def start_thread_with_cleanup(test_instance, thread_object, timeout=1, start_timeout=None):
    """Start something that runs in a thread; it is stopped and joined when the test cleans up.

    Parameters
    ----------
    test_instance : unittest.TestCase
        The test that owns it.
    thread_object : object
        Anything with methods ``start([timeout])``, ``stop()`` and ``join(timeout)``: device servers,
        clients, loop managers.
    timeout : int or float or None, optional
        For how many seconds the cleanup waits for the end of the thread.
    start_timeout : int or float, optional
        If given, passed to ``start`` as ``timeout``.
    """
    start_failed = []

    def unless_start_failed(method):
        @functools.wraps(method, assigned=())
        def cleanup(*args, **kwargs):
            try:
                method(*args, **kwargs)
            except Exception:
                # What never ran often cannot be stopped either; the test shows why it did not start.
                if not start_failed:
                    raise
                logger.debug("Cleaning up after a failed start", exc_info=True)

        return cleanup

    test_instance.addCleanup(unless_start_failed(thread_object.join), timeout=timeout)
    test_instance.addCleanup(unless_start_failed(thread_object.stop))
    try:
        if start_timeout is not None:
            thread_object.start(timeout=start_timeout)
        else:
            thread_object.start()
    except BaseException:
        start_failed.append(True)
        raise


def counting_callback(event=None, number_of_calls=1):
    """Return a decorator that counts calls and sets an event after a number of them.

    The decorated function may be called in any thread.  It has some attributes more: ``done`` is the
    event; ``get_no_calls()`` returns the number of calls that have returned (those that raised do not
    count); ``wait(timeout=None)`` waits for the event, in seconds, and returns whether it is set;
    ``assert_wait(timeout=1)`` raises AssertionError if it is not; ``reset()`` starts anew.

    Parameters
    ----------
    event : threading.Event, optional
        Set when the number of calls is reached; by default a new one.
    number_of_calls : int, optional
        At least 1.

    Examples
    --------
    >>> @counting_callback(number_of_calls=2)
    ... def reply_received(msg):
    ...     return msg
    >>> reply_received("first"), reply_received.wait(0)
    ('first', False)
    >>> reply_received("second"), reply_received.assert_wait()
    ('second', True)

    """
    if event is None:
        event = threading.Event()

    def decorate(function):
        if number_of_calls <= 0:
            raise AssertionError("number_of_calls must be at least 1, not {!r}".format(number_of_calls))
        lock = threading.Lock()
        calls = [0]

        # Mocks and partial objects lack some of these attributes.
        @functools.wraps(function, assigned=[
            name for name in functools.WRAPPER_ASSIGNMENTS if hasattr(function, name)])
        def counted(*args, **kwargs):
            result = function(*args, **kwargs)
            with lock:
                calls[0] += 1
                if calls[0] >= number_of_calls:
                    event.set()
            return result

        def get_no_calls():
            return calls[0]

        def assert_wait(timeout=1):
            event.wait(timeout)
            if not event.is_set():
                raise AssertionError("Expected {} calls within {} s, but there were {}".format(
                    number_of_calls, timeout, calls[0]))
            return True

        def reset():
            with lock:
                calls[0] = 0
                event.clear()

        counted.done = event
        counted.get_no_calls = get_no_calls
        counted.wait = event.wait
        counted.assert_wait = assert_wait
        counted.reset = reset
        return counted

    return decorate


def call_in_ioloop(ioloop, fn, *args, **kwargs):
    """Run a function on a loop that runs in another thread, and wait for its result.

    Parameters
    ----------
    ioloop : tornado.ioloop.IOLoop
        A loop that is running, or going to, in another thread than this.
    fn : callable
        Called with the remaining arguments.
    ioloop_timeout : int or float or None, optional
        Keyword only: for how many seconds to wait; 5 by default, None for ever.

    Returns
    -------
    object
        What `fn` returned.  A future is returned as it is, not waited for; generators and native
        coroutines are run, and their result is returned.

    Raises
    ------
    concurrent.futures.TimeoutError
        If there is no result in time; the call goes on.
    RuntimeError
        If called in the thread of the loop, which could not run anything while it waits.
    Exception
        Whatever `fn` raises.
    """
    timeout = kwargs.pop("ioloop_timeout", 5)
    if compat.runs_in_this_thread(ioloop):
        raise RuntimeError("call_in_ioloop() must not be called in the thread of the loop")
    outcome = compat.ThreadsafeFuture()

    @gen.coroutine
    def run():
        result = yield gen.coroutine(lambda: fn(*args, **kwargs))()
        if compat.is_awaitable(result) and not compat.is_future(result):
            result = yield compat.as_future(result)
        raise gen.Return(result)

    def start():
        try:
            future = run()
        except Exception:
            compat.fail(outcome, sys.exc_info())
        else:
            compat.add_loop_callback(ioloop, future, functools.partial(_hand_over, outcome))

    ioloop.add_callback(start)
    try:
        return outcome.result(timeout)
    except concurrent.futures.TimeoutError:
        if outcome.done():
            raise
        raise concurrent.futures.TimeoutError(
            "No result of {!r} on the loop within {} s".format(fn, timeout))


def _hand_over(target, source):
    compat.copy_outcome(source, target)
