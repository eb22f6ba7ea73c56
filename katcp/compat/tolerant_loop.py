"""An ioloop on asyncio that forgives being used from another thread.

Handlers of a server run in a thread of their own, where the server's loop is the current one.  They
have always been free to start coroutines, timers and futures there, and to resolve tornado futures in
whatever thread.  With asyncio underneath, none of this wakes up the loop, and a coroutine may go on in
the thread of the loop before the thread that started it is out of its context, which ends it for good.
The loops that servers and clients make for themselves put that right.

Imported by `loops` only, where there is asyncio.
"""

from __future__ import absolute_import, division, print_function

import asyncio
import functools
from threading import get_ident

from tornado.platform.asyncio import AsyncIOLoop

try:
    from contextvars import Context
except ImportError:  # before Python 3.7 there are no contexts to get stuck in
    Context = ()


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
        def call_soon(self, callback, *args, **kwargs):
            if self._thread_id is None or self._thread_id == get_ident():
                return call_soon_here(self, callback, *args, **kwargs)
            return self.call_soon_threadsafe(callback, *args, **kwargs)

        def call_at(self, when, callback, *args, **kwargs):
            if self._thread_id is None or self._thread_id == get_ident():
                return call_at_here(self, when, callback, *args, **kwargs)
            return _Timer(self, functools.partial(call_at_here, self, when, callback, *args, **kwargs))

    return TolerantEventLoop


class TolerantIOLoop(AsyncIOLoop):
    """The ioloop described above."""

    def initialize(self, **kwargs):
        super(TolerantIOLoop, self).initialize(**kwargs)
        loop = self.asyncio_loop
        if isinstance(loop, asyncio.SelectorEventLoop):
            # Older tornado versions do not let the loop be chosen; they differ in nothing but methods.
            loop.__class__ = _tolerant_class(type(loop))

    def add_callback(self, callback, *args, **kwargs):
        if (asyncio._get_running_loop() is not self.asyncio_loop
                and isinstance(getattr(callback, "__self__", None), Context)):
            callback = functools.partial(self._enter_when_free, callback)
        super(TolerantIOLoop, self).add_callback(callback, *args, **kwargs)

    def add_future(self, future, callback):
        if (asyncio._get_running_loop() is not self.asyncio_loop
                and getattr(callback, "__module__", None) == "tornado.gen"):
            callback = functools.partial(self._enter_when_free, callback)
        super(TolerantIOLoop, self).add_future(future, callback)

    def _enter_when_free(self, callback, *args):
        """Call what enters the context of a coroutine, once the thread that made it has left that."""
        try:
            return callback(*args)
        except RuntimeError as exc:
            if not str(exc).startswith("cannot enter context"):
                raise
        self.asyncio_loop.call_soon(self._run_callback,
                                    functools.partial(self._enter_when_free, callback, *args))
