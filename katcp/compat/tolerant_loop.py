"""Ioloops on asyncio that forgive being used from another thread.

Handlers of a server run in a thread of their own, where the server's loop is the current one.  They
have always been free to start coroutines, timers and futures there, and to resolve tornado futures in
whatever thread.  With asyncio underneath, none of this wakes up the loop, and a coroutine may go on in
the thread of the loop before the thread that started it is out of its context, which ends it for good.
The loops that servers and clients make for themselves put that right, and so do loops of the user's
from the moment that they are made current in a handler thread.

Imported by `loops` only, where there is asyncio.
"""

from __future__ import absolute_import, division, print_function

import asyncio
import functools
from threading import get_ident

from tornado.platform.asyncio import AsyncIOLoop

from katcp.compat.coroutine_guard import CoroutineGuard, make_patient


class _Timer(object):
    """Handle of a timer that was asked for in another thread."""

    _source_traceback = None  # asyncio looks at it

    def __init__(self, loop, start):
        self._loop = loop
        self._start = start
        self._handle = None
        self._cancelled = False
        loop.call_soon_threadsafe(self._start_on_loop)

    def _start_on_loop(self):
        if not self._cancelled:
            self._handle = self._start()

    def cancel(self):
        self._cancelled = True
        self._loop.call_soon(self._cancel_on_loop)

    def _cancel_on_loop(self):
        if self._handle is not None:
            self._handle.cancel()

    def cancelled(self):
        return self._cancelled


@functools.lru_cache(None)
def _tolerant_class(base):
    """Return a subclass of an asyncio loop's class."""
    call_soon_here = base.call_soon
    call_at_here = base.call_at

    class TolerantEventLoop(base):
        forgives_other_threads = True

        def call_soon(self, callback, *args, **kwargs):
            if self._thread_id is None or self._thread_id == get_ident():
                return call_soon_here(self, callback, *args, **kwargs)
            return self.call_soon_threadsafe(callback, *args, **kwargs)

        def call_at(self, when, callback, *args, **kwargs):
            if self._thread_id is None or self._thread_id == get_ident():
                return call_at_here(self, when, callback, *args, **kwargs)
            return _Timer(self, functools.partial(call_at_here, self, when, callback, *args, **kwargs))

    return TolerantEventLoop


def make_tolerant(ioloop):
    """Turn an ioloop on asyncio, running or not, into one that forgives; a second time does nothing."""
    make_patient(ioloop)
    loop = ioloop.asyncio_loop
    # Other implementations of asyncio's interface have no methods that could be put right.
    if isinstance(loop, asyncio.SelectorEventLoop) and not hasattr(loop, "forgives_other_threads"):
        loop.__class__ = _tolerant_class(type(loop))


class TolerantIOLoop(CoroutineGuard, AsyncIOLoop):
    """An ioloop that is tolerant from the start."""

    def initialize(self, **kwargs):
        super(TolerantIOLoop, self).initialize(**kwargs)
        make_tolerant(self)
