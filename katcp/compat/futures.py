"""Futures that behave the same on every tornado; making, ending and following them."""

from __future__ import absolute_import, division, print_function

import concurrent.futures
import functools
import inspect
import sys
import threading

import tornado.concurrent
import tornado.gen

from katcp.compat.versions import ON_ASYNCIO, PY2, TORNADO_MAJOR

if not PY2:
    import asyncio

TornadoFuture = tornado.concurrent.Future
ConcurrentFuture = concurrent.futures.Future
is_future = tornado.gen.is_future
# The class that tornado raises; its identity differs between tornado versions.
GenTimeoutError = tornado.gen.TimeoutError

if issubclass(GenTimeoutError, concurrent.futures.TimeoutError):
    _TIMEOUT_BASES = (GenTimeoutError,)  # on new versions these are one class
else:
    _TIMEOUT_BASES = (concurrent.futures.TimeoutError, GenTimeoutError)


# A wait took too long; whoever catches the TimeoutError of either concurrent.futures or tornado is served.
AnyTimeoutError = type("AnyTimeoutError", _TIMEOUT_BASES, {})


if PY2:
    CANCELLED_ERRORS = (concurrent.futures.CancelledError,)
    AnyCancelledError = concurrent.futures.CancelledError
else:
    # On Python 3.8 and later these are two classes, and asyncio's is no `Exception`.
    CANCELLED_ERRORS = (concurrent.futures.CancelledError, asyncio.CancelledError)
    if concurrent.futures.CancelledError is asyncio.CancelledError:
        AnyCancelledError = asyncio.CancelledError
    else:
        class AnyCancelledError(concurrent.futures.CancelledError, asyncio.CancelledError):
            """What was waited for is cancelled; whoever catches either class is served.

            It is an `Exception`: with anything else coroutines of tornado before 6.6 hang for ever.
            """


class _FinishedAwait(object):
    """Iterator of an ``await`` that never has to wait (generators cannot return on Python 2)."""

    def __init__(self, future):
        self._future = future

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration(self._future.result())


class DoneFuture(ConcurrentFuture):
    """A future that is done from the start, needs no event loop and can be awaited anywhere.

    Tornado's futures need an event loop in the thread that makes them (tornado 5 and later on
    Python 3); code that merely has to say "already done" in a thread of the user's uses this.
    """

    # Making a lock and lists for each would take ten times as long as everything else. Nobody ever
    # waits for these futures, so they can share: ``concurrent.futures.wait`` and its like only
    # take the lock (a reentrant one) and add to and remove from the list.
    _condition = threading.Condition()
    _state = "FINISHED"
    _waiters = []
    _done_callbacks = ()
    _traceback = None  # asked for by the futures package on Python 2

    def __init__(self, result=None, exception=None):
        self._result = result
        self._exception = exception

    def __await__(self):
        return _FinishedAwait(self)

    def remove_done_callback(self, callback):
        """Return 0: callbacks run when they are added (``asyncio.wait`` removes its own)."""
        return 0


class _FollowedFuture(object):
    """What our futures do beyond tornado's: they tell other futures of ours without delay.

    The callbacks of tornado 5 and 6 are run by the loop, an iteration later; a chain of futures
    would take an iteration for each link.  `followers` is told while the outcome is being set, so
    that a chain of our futures is done as a whole and only what waits at its end is scheduled.
    """

    # An object with a method ``source_done(future)``, or None while nothing follows this future.
    followers = None

    def _finished(self):
        followers = self.followers
        if followers is not None:
            self.followers = None
            followers.source_done(self)


if ON_ASYNCIO:
    class LoopFuture(_FollowedFuture, asyncio.Future):
        """A future that belongs to a loop, and tells its followers at once (see `new_future`).

        It may also be given its outcome when the loop is closed: nobody there is left to be told.
        """

        def set_result(self, result):
            try:
                asyncio.Future.set_result(self, result)
            except RuntimeError:
                self._check_told_nobody()
            self._finished()

        def set_exception(self, exception):
            try:
                asyncio.Future.set_exception(self, exception)
            except RuntimeError:
                self._check_told_nobody()
            self._finished()

        def _check_told_nobody(self):
            """Raise the current exception again, unless the loop is closed."""
            if not (self._loop.is_closed() and self.done()):
                raise

        def cancel(self, *args, **kwargs):
            try:
                cancelled = asyncio.Future.cancel(self, *args, **kwargs)
            except RuntimeError:
                self._check_told_nobody()
                cancelled = True
            if cancelled:
                self._finished()
            return cancelled

    if TORNADO_MAJOR == 5:
        class LoopFuture(LoopFuture):  # noqa: F811
            """A future that wakes tornado coroutines after one loop iteration, as on 4.5 and 6.

            Tornado 5's ``add_future`` passes a callback which itself only schedules another one,
            and asyncio schedules that callback in its turn: two iterations.  Calling tornado's
            part inline is safe, since it does nothing but schedule.
            """

            _schedulers = ()

            def add_done_callback(self, callback, **kwargs):
                if getattr(callback, "__module__", None) != "tornado.ioloop":
                    super(LoopFuture, self).add_done_callback(callback, **kwargs)
                elif self.done():
                    callback(self)
                else:
                    self._schedulers += (callback,)

            def remove_done_callback(self, callback):
                kept = tuple(known for known in self._schedulers if known != callback)
                removed = len(self._schedulers) - len(kept)
                self._schedulers = kept
                return removed + super(LoopFuture, self).remove_done_callback(callback)

            def _finished(self):
                super(LoopFuture, self)._finished()
                schedulers, self._schedulers = self._schedulers, ()
                for callback in schedulers:
                    callback(self)

    def new_future(ioloop, cls=LoopFuture):
        """Return a new pending future that delivers its callbacks on `ioloop`.

        Parameters
        ----------
        ioloop : tornado.ioloop.IOLoop
        cls : type, optional
            A subclass of `LoopFuture` to make instead.
        """
        return cls(loop=ioloop.asyncio_loop)

    def plain_future_factory(ioloop):
        """Return a function without arguments that makes pending futures of a loop, the fastest to await.

        For users alone: on tornado 6 they are of asyncio's own class, and tell our futures as late as
        everybody else (see `LoopFuture`).
        """
        if TORNADO_MAJOR == 5:
            return functools.partial(new_future, ioloop)
        loop = ioloop.asyncio_loop
        if getattr(type(loop), "create_future", None) is asyncio.BaseEventLoop.create_future:
            # What that method does.
            return functools.partial(asyncio.Future, loop=loop)
        return loop.create_future
else:
    class LoopFuture(_FollowedFuture, TornadoFuture):
        """A future that belongs to a loop, and tells its followers at once (see `new_future`)."""

        _loop = None

        def _set_done(self):
            self._done = True
            self._finished()
            if TORNADO_MAJOR < 5:
                super(LoopFuture, self)._set_done()
                return
            callbacks, self._callbacks = self._callbacks, None
            for callback in callbacks or ():
                # Tornado 5's ``add_future`` schedules what its callback then schedules again; on
                # 4.5 and 6 waking a coroutine takes one loop iteration, so it shall here.
                if getattr(callback, "__module__", None) == "tornado.ioloop":
                    callback(self)
                else:
                    self._loop.add_callback(callback, self)

        def remove_done_callback(self, callback):
            """Remove all instances of `callback`; return how many there were."""
            if not self._callbacks:
                return 0
            # A new list, because tornado may be iterating over the old one.
            kept = [known for known in self._callbacks if known != callback]
            removed = len(self._callbacks) - len(kept)
            self._callbacks = kept
            return removed

        if not PY2:
            def __await__(self):
                if self.done():
                    return _FinishedAwait(self)
                if _in_asyncio_task():
                    return _asyncio_copy(self).__await__()
                return super(LoopFuture, self).__await__()

    def _in_asyncio_task():
        current_task = getattr(asyncio, "current_task", None) or asyncio.Task.current_task
        try:
            return current_task() is not None
        except RuntimeError:
            return False

    def _asyncio_copy(future):
        copy = asyncio.Future()
        future.add_done_callback(lambda source: copy_outcome(source, copy))
        return copy

    def new_future(ioloop, cls=LoopFuture):
        """Return a new pending future that delivers its callbacks on `ioloop`.

        Parameters
        ----------
        ioloop : tornado.ioloop.IOLoop
        cls : type, optional
            A subclass of `LoopFuture` to make instead.
        """
        future = cls()
        future._loop = ioloop
        return future

    def plain_future_factory(ioloop):
        """Return a function without arguments that makes pending futures of a loop."""
        return functools.partial(new_future, ioloop)


if ON_ASYNCIO:
    _running_asyncio_loop = asyncio._get_running_loop

    def done_future(result=None, exception=None):
        """Return a future that is done already; works in any thread, with or without a loop.

        Parameters
        ----------
        result : object
            What the future resolves to.
        exception : Exception, optional
            If given, what the future fails with instead.

        Returns
        -------
        future
            Yieldable in tornado coroutines, awaitable on Python 3.  Where a loop is running it is one of
            asyncio's, which functions such as ``asyncio.isfuture`` know.
        """
        loop = _running_asyncio_loop()
        # An asyncio future refuses StopIteration.
        if loop is None or isinstance(exception, StopIteration):
            return DoneFuture(result, exception)
        future = asyncio.Future(loop=loop)
        if exception is None:
            future.set_result(result)
        else:
            future.set_exception(exception)
            # It is not to be reported if nobody looks at it.
            future.exception()
        return future

    def failed_future(exc_info):
        """Return a future that has failed with an ``exc_info`` triple; like `done_future`."""
        return done_future(exception=exc_info[1])
else:
    def done_future(result=None, exception=None):
        """Return a future that is done already; works in any thread, with or without a loop.

        Parameters
        ----------
        result : object
            What the future resolves to.
        exception : Exception, optional
            If given, what the future fails with instead.

        Returns
        -------
        future
            Yieldable in tornado coroutines, awaitable on Python 3.
        """
        future = LoopFuture()
        if exception is None:
            future.set_result(result)
        else:
            future.set_exception(exception)
        return future

    def failed_future(exc_info):
        """Return a future that has failed with an ``exc_info`` triple; like `done_future`."""
        future = LoopFuture()
        future.set_exc_info(exc_info)
        return future


def finished_copy(future):
    """Return a future with the outcome of a finished one that needs no loop; see `done_future`."""
    exc_info = future_exc_info(future)
    return done_future(future.result()) if exc_info is None else failed_future(exc_info)


class ThreadsafeFuture(ConcurrentFuture):
    """A future for a thread that runs no loop: resolved from any thread, waited for in any.

    Coroutines can yield it and, on Python 3, await it; ``result(timeout)`` blocks.
    """

    if ON_ASYNCIO:
        def __await__(self):
            return asyncio.wrap_future(self).__await__()
    elif not PY2:
        def __await__(self):
            if _in_asyncio_task():
                return asyncio.wrap_future(self).__await__()
            # Tornado 4.5's own loop takes concurrent futures, but none of asyncio's.
            return TornadoFuture.__await__(self)


def resolve(future, result=None):
    """Give `future` its result, unless it is done (a consumer may have cancelled it)."""
    if not future.done():
        future.set_result(result)


def fail(future, exc_info):
    """Give `future` the exception of an ``exc_info`` triple, unless it is done."""
    if future.done():
        return
    if hasattr(future, "set_exc_info"):
        future.set_exc_info(exc_info)
    elif hasattr(future, "set_exception_info"):  # Python 2's futures package
        future.set_exception_info(exc_info[1], exc_info[2])
    else:
        future.set_exception(exc_info[1])


def future_exc_info(future):
    """Return the ``exc_info`` triple with which a finished future failed, or None.

    Retrieving it counts: no "exception was never retrieved" message follows.  A cancelled future
    gives `AnyCancelledError`.
    """
    try:
        if hasattr(future, "exc_info"):
            return future.exc_info()
        if hasattr(future, "exception_info"):  # Python 2's futures package
            exception, traceback = future.exception_info()
        else:
            exception = future.exception()
            traceback = getattr(exception, "__traceback__", None)
    except CANCELLED_ERRORS:
        return AnyCancelledError, AnyCancelledError(), sys.exc_info()[2]
    if exception is None:
        return None
    return type(exception), exception, traceback


def copy_outcome(source, target):
    """Give future `target` the outcome of the finished future `source`, unless it is done.

    A future of ours that belongs to a loop is not cancelled with its source, but fails with
    `AnyCancelledError`; so does a tornado 4 future, which cannot be cancelled.
    """
    if target.done():
        return
    ours = isinstance(target, LoopFuture)
    if not ours and was_cancelled(source) and target.cancel():
        return
    exc_info = future_exc_info(source)
    if exc_info is None:
        target.set_result(source.result())
        return
    fail(target, exc_info)
    if ours and was_cancelled(source):
        # Nothing to be reported where nobody asks: look at it.
        future_exc_info(target)


def was_cancelled(future):
    """Whether a finished future was cancelled, or has failed because what it waited for was."""
    if future.cancelled():
        return True
    exc_info = future_exc_info(future)
    return exc_info is not None and exc_info[0] is AnyCancelledError


def remove_done_callback(future, callback):
    """Undo ``future.add_done_callback(callback)`` on a future of any kind, if it is still pending."""
    if hasattr(future, "remove_done_callback"):
        future.remove_done_callback(callback)
    elif isinstance(future, ConcurrentFuture):
        with future._condition:
            callbacks = future._done_callbacks
            callbacks[:] = [known for known in callbacks if known != callback]
    elif getattr(future, "_callbacks", None):
        # A new list, because tornado may be iterating over the old one.
        future._callbacks = [known for known in future._callbacks if known != callback]


if PY2 or ON_ASYNCIO:
    coroutine = tornado.gen.coroutine
else:
    def coroutine(function):
        """Decorate a generator like ``tornado.gen.coroutine``; the futures can be awaited anywhere.

        Those of tornado 4.5 itself mean nothing to asyncio's tasks.
        """
        start = tornado.gen.coroutine(function)

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            source = start(*args, **kwargs)
            future = LoopFuture()
            source.add_done_callback(functools.partial(copy_outcome, target=future))
            return future

        return wrapper


if PY2:
    def is_awaitable(value):
        """Whether `value` is a future or, on Python 3, anything that can be awaited."""
        return is_future(value)
else:
    def is_awaitable(value):
        """Whether `value` is a future or, on Python 3, anything that can be awaited."""
        if is_future(value):
            return True
        # Proxies have an `__await__` in their class whatever they stand for; reading the attribute
        # asks the object itself.  Generators can be awaitable without having one.
        return inspect.isawaitable(value) and (
            inspect.isgenerator(value) or hasattr(value, "__await__"))


def as_future(value):
    """Return the future of anything awaitable; call it in the thread of the running loop.

    Futures are returned as they are (``concurrent.futures`` ones as well: tornado coroutines can
    yield them); native coroutines are started.
    """
    if is_future(value):
        return value
    return tornado.gen.convert_yielded(value)


if ON_ASYNCIO:
    def add_loop_callback(ioloop, future, callback):
        """Have ``callback(future)`` run on `ioloop` once `future` is done.

        To be called in the thread that runs `ioloop`; concurrent futures may be resolved anywhere.
        """
        if isinstance(future, asyncio.Future):
            # One iteration sooner than add_future on tornado 5.
            future.add_done_callback(callback)
        else:
            ioloop.add_future(future, callback)

    def add_threadsafe_callback(future, callback):
        """Have ``callback(future)`` run once `future` is done, in a thread of the future's choice.

        To be called in a thread that does not run the loop to which the future belongs.
        """
        if isinstance(future, asyncio.Future):
            # asyncio futures may be touched in the thread of their loop only.
            asyncio_loop = future._loop if sys.version_info < (3, 7) else future.get_loop()
            asyncio_loop.call_soon_threadsafe(future.add_done_callback, callback)
        else:
            future.add_done_callback(callback)
else:
    def add_loop_callback(ioloop, future, callback):
        """Have ``callback(future)`` run on `ioloop` once `future` is done.

        To be called in the thread that runs `ioloop`; concurrent futures may be resolved anywhere.
        """
        if TORNADO_MAJOR == 5 and type(future) is TornadoFuture and not future.done():
            # Tornado's own schedules its callbacks on whatever loop is the current one of the thread
            # that resolves it.
            future._loop = ioloop
            future.__class__ = LoopFuture
        ioloop.add_future(future, callback)

    def add_threadsafe_callback(future, callback):
        """Have ``callback(future)`` run once `future` is done, in a thread of the future's choice.

        To be called in a thread that does not run the loop to which the future belongs.
        """
        future.add_done_callback(callback)
