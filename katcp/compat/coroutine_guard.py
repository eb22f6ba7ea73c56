"""Keeps a loop from going on with a coroutine that another thread has not let go of yet.

A coroutine that is started in a handler thread runs there up to its first unresolved ``yield``; what it
waits for may be there before the thread is out of it.  Tornado's runner ignores being told to go on while
it is running, and where there are contexts (Python 3.7 and later) the loop cannot enter one that is
entered elsewhere.  Either way the coroutine would never end.  The loop tries again instead.
"""

from __future__ import absolute_import, division, print_function

from functools import partial

from tornado.gen import Runner

from katcp.compat.language import get_thread_ident

try:
    from contextvars import Context
except ImportError:  # before Python 3.7 there are no contexts to get stuck in
    Context = ()


def _runner_among(callables):
    """Return the runner of a coroutine that one of `callables` will have go on, or None."""
    for function in callables:
        owner = getattr(function, "__self__", None)
        if isinstance(owner, Runner):
            return owner
        for cell in getattr(function, "__closure__", None) or ():
            if isinstance(cell.cell_contents, Runner):
                return cell.cell_contents
    return None


class _TimerFromElsewhere(object):
    """Handle of a timer that a thread asked for which does not run the loop."""

    def __init__(self, ioloop, arm):
        self._ioloop = ioloop
        self._arm = arm
        self._timeout = None
        self._cancelled = False
        ioloop.add_callback(self._arm_in_loop)

    def _arm_in_loop(self):
        if not self._cancelled:
            self._timeout = self._arm()

    def cancel(self):
        self._cancelled = True
        self._ioloop.add_callback(self._disarm_in_loop)

    def _disarm_in_loop(self):
        if self._timeout is not None:
            self._ioloop.remove_timeout(self._timeout)


class CoroutineGuard(object):
    """What makes an ioloop patient; goes before the ioloop's own class."""

    # The thread that last ran a guarded callback is the loop's own, which needs no guard.
    _guarded_thread = None

    def add_callback(self, callback, *args, **kwargs):
        if self._guarded_thread != get_thread_ident():
            runner = _runner_among((callback,) + args)
            if runner is not None or isinstance(getattr(callback, "__self__", None), Context):
                callback = partial(self._go_on_when_free, runner, callback)
        super(CoroutineGuard, self).add_callback(callback, *args, **kwargs)

    def add_future(self, future, callback):
        if self._guarded_thread != get_thread_ident():
            runner = _runner_among((callback,))
            if runner is not None or getattr(callback, "__module__", None) == "tornado.gen":
                callback = partial(self._go_on_when_free, runner, callback)
        super(CoroutineGuard, self).add_future(future, callback)

    def call_at(self, when, callback, *args, **kwargs):
        arm = partial(super(CoroutineGuard, self).call_at, when, callback, *args, **kwargs)
        # Loops keep their timers in a heap that one thread alone may touch, and do not wake up for a
        # new one from another; those of `tolerant_loop` see to that themselves.
        asyncio_loop = getattr(self, "asyncio_loop", None)
        if asyncio_loop is None:
            thread = getattr(self, "_thread_ident", None)
        elif hasattr(asyncio_loop, "forgives_other_threads"):
            thread = None
        else:
            thread = getattr(asyncio_loop, "_thread_id", None)
        if thread is None or thread == get_thread_ident():
            return arm()
        return _TimerFromElsewhere(self, arm)

    def remove_timeout(self, timeout):
        if isinstance(timeout, _TimerFromElsewhere):
            timeout.cancel()
        else:
            super(CoroutineGuard, self).remove_timeout(timeout)

    def _go_on_when_free(self, runner, callback, *args):
        self._guarded_thread = get_thread_ident()
        if runner is None or not runner.running:
            try:
                return callback(*args)
            except RuntimeError as exc:
                if not str(exc).startswith("cannot enter context"):
                    raise
        super(CoroutineGuard, self).add_callback(self._go_on_when_free, runner, callback, *args)


_guarded_classes = {}


def make_patient(ioloop):
    """Turn an ioloop, running or not, into one that is guarded; a second time does nothing."""
    base = type(ioloop)
    if issubclass(base, CoroutineGuard):
        return
    if base not in _guarded_classes:
        _guarded_classes[base] = type("Patient" + base.__name__, (CoroutineGuard, base), {})
    # The classes differ in nothing but methods, and the loop may be in use already.
    ioloop.__class__ = _guarded_classes[base]
