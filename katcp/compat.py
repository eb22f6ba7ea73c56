"""Every difference between Python 2 and 3, and between tornado 4.5, 5.1 and 6.

No other module of the library asks for a version.  What is here falls into three parts: strings,
language details, and futures and loops.

The string helpers are public (:func:`ensure_native_str`, :func:`byte_chars`, :func:`is_bytes`,
:func:`is_text`).  Throughout the documentation *native string* means ``str``: a byte string on
Python 2, a text string on Python 3.
"""

from __future__ import absolute_import, division, print_function

import concurrent.futures
import inspect
import operator
import sys

import tornado
import tornado.concurrent
import tornado.gen
import tornado.ioloop

PY2 = sys.version_info[0] == 2
TORNADO_MAJOR = tornado.version_info[0]

# On tornado 5 and later a Python 3 loop is a wrapper round asyncio's, and its futures are asyncio's.
ON_ASYNCIO = not PY2 and TORNADO_MAJOR >= 5

if not PY2:
    import asyncio


# --- strings -------------------------------------------------------------------------------------

if PY2:
    text_type = unicode  # noqa: F821
    string_types = (str, unicode)  # noqa: F821
    integer_types = (int, long)  # noqa: F821
    # Text to UTF-8 without a Python frame.
    encode_utf8 = operator.methodcaller("encode", "utf-8")

    def ensure_native_str(value):
        """Return `value` as a native string.

        Parameters
        ----------
        value : str, bytes or unicode text
            Text is converted to UTF-8, a byte string is returned as it is.

        Returns
        -------
        str

        Raises
        ------
        TypeError
            If `value` is no string.
        """
        if type(value) is str:
            return value
        if isinstance(value, unicode):  # noqa: F821
            return value.encode("utf-8")
        if isinstance(value, str):
            return value
        raise TypeError("Invalid type for string conversion: {!r}".format(type(value)))
else:
    text_type = str
    string_types = (str, bytes)
    integer_types = (int,)
    # Text to UTF-8 without a Python frame.
    encode_utf8 = str.encode

    def ensure_native_str(value):
        """Return `value` as a native string.

        Parameters
        ----------
        value : str, bytes or unicode text
            Bytes are decoded as UTF-8, text is returned as it is.

        Returns
        -------
        str

        Raises
        ------
        TypeError
            If `value` is no string.
        UnicodeDecodeError
            If `value` holds bytes that are not UTF-8 (Python 3 only).
        """
        if isinstance(value, str):
            return value
        if isinstance(value, bytes):
            return value.decode("utf-8")
        raise TypeError("Invalid type for string conversion: {!r}".format(type(value)))


def byte_chars(byte_string):
    """Return the list of the length-one slices of a byte string (``b"ab"`` gives ``[b"a", b"b"]``)."""
    return [byte_string[i:i + 1] for i in range(len(byte_string))]


def is_bytes(value):
    """Whether `value` is a byte string (``str`` on Python 2, ``bytes`` on Python 3)."""
    return isinstance(value, bytes)


def is_text(value):
    """Whether `value` is unicode text (``unicode`` on Python 2, ``str`` on Python 3)."""
    return isinstance(value, text_type)


if PY2:
    def decode_native(value):
        """Return wire bytes as a native string: on Python 2 they are one already."""
        return value
else:
    def decode_native(value):
        """Return wire bytes as a native string: on Python 3 they have to be UTF-8."""
        return value.decode("utf-8")


def lossy_str(value):
    """Return a native string for logs and error texts; undecodable bytes never raise here.

    Parameters
    ----------
    value : object
        Bytes are decoded as UTF-8 with undecodable ones shown as ``\\xNN``; anything else goes
        through ``str``.
    """
    if PY2:
        if isinstance(value, text_type):
            return value.encode("utf-8")
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


# --- language details ----------------------------------------------------------------------------

if PY2:
    from thread import get_ident as get_thread_ident  # noqa: F401

    def reraise(exc_info):
        """Raise the exception of an ``exc_info`` triple with its own traceback."""
        _reraise(exc_info[0], exc_info[1], exc_info[2])

    exec("def _reraise(tp, value, tb):\n    raise tp, value, tb\n")

    get_args = inspect.getargspec
else:
    from threading import get_ident as get_thread_ident  # noqa: F401

    def reraise(exc_info):
        """Raise the exception of an ``exc_info`` triple with its own traceback."""
        try:
            raise exc_info[1].with_traceback(exc_info[2])
        finally:
            del exc_info

    get_args = inspect.getfullargspec


def positional_arg_names(function):
    """Return the names of the positional parameters of `function`, ``self`` included, as a list.

    Decorators that name what they wrap (``__wrapped__``) are followed.
    """
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    try:
        return list(get_args(function).args)
    except TypeError:
        return []


def with_metaclass(meta, *bases):
    """Return a base class that makes its subclasses instances of `meta`, on both Pythons."""
    class Metaclass(meta):
        def __new__(mcs, name, this_bases, namespace):
            if this_bases is None:
                return type.__new__(mcs, name, (), namespace)
            return meta(name, bases or (object,), namespace)
    return Metaclass("temporary_class", None, {})


# --- futures -------------------------------------------------------------------------------------

TornadoFuture = tornado.concurrent.Future
ConcurrentFuture = concurrent.futures.Future
is_future = tornado.gen.is_future
# The class that tornado raises; its identity differs between tornado versions.
GenTimeoutError = tornado.gen.TimeoutError


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

    def __init__(self, result=None, exception=None):
        super(DoneFuture, self).__init__()
        if exception is None:
            self.set_result(result)
        else:
            self.set_exception(exception)

    def __await__(self):
        return _FinishedAwait(self)


if ON_ASYNCIO and TORNADO_MAJOR == 5:
    class _LoopFuture(asyncio.Future):
        """Future that wakes tornado coroutines after one loop iteration, as on 4.5 and 6.

        Tornado 5's ``add_future`` passes a callback which itself only schedules another one, and
        asyncio schedules that callback in its turn: two iterations.  Calling tornado's part inline
        is safe, since it does nothing but schedule.
        """

        def __init__(self, loop):
            super(_LoopFuture, self).__init__(loop=loop)
            self._prompt_callbacks = []

        def add_done_callback(self, callback, **kwargs):
            if getattr(callback, "__module__", None) != "tornado.ioloop":
                super(_LoopFuture, self).add_done_callback(callback, **kwargs)
            elif self.done():
                callback(self)
            else:
                self._prompt_callbacks.append(callback)

        def _run_prompt_callbacks(self):
            callbacks, self._prompt_callbacks = self._prompt_callbacks, []
            for callback in callbacks:
                callback(self)

        def set_result(self, result):
            super(_LoopFuture, self).set_result(result)
            self._run_prompt_callbacks()

        def set_exception(self, exception):
            super(_LoopFuture, self).set_exception(exception)
            self._run_prompt_callbacks()

        def cancel(self):
            cancelled = super(_LoopFuture, self).cancel()
            if cancelled:
                self._run_prompt_callbacks()
            return cancelled

    def new_future(ioloop):
        """Return a new pending future that delivers its callbacks on `ioloop`."""
        return _LoopFuture(ioloop.asyncio_loop)
elif ON_ASYNCIO:
    def new_future(ioloop):
        """Return a new pending future that delivers its callbacks on `ioloop`."""
        return asyncio.Future(loop=ioloop.asyncio_loop)
elif TORNADO_MAJOR == 5:
    class _LoopFuture(TornadoFuture):
        """Future that wakes tornado coroutines after one loop iteration, as on 4.5 and 6."""

        def _set_done(self):
            self._done = True
            callbacks, self._callbacks = self._callbacks, None
            for callback in callbacks:
                if callback.__module__ == "tornado.ioloop":
                    callback(self)
                else:
                    self._loop.add_callback(callback, self)

    def new_future(ioloop):
        """Return a new pending future that delivers its callbacks on `ioloop`."""
        future = _LoopFuture()
        future._loop = ioloop
        return future
else:
    def new_future(ioloop):
        """Return a new pending future that delivers its callbacks on `ioloop`."""
        return TornadoFuture()


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
    if ON_ASYNCIO:
        return DoneFuture(result, exception)
    future = TornadoFuture()
    if exception is None:
        future.set_result(result)
    else:
        future.set_exception(exception)
    return future


def failed_future(exc_info):
    """Return a future that has failed already with an ``exc_info`` triple; see :func:`done_future`."""
    if ON_ASYNCIO:
        return DoneFuture(exception=exc_info[1])
    future = TornadoFuture()
    fail(future, exc_info)
    return future


class ThreadsafeFuture(ConcurrentFuture):
    """A future for a thread that runs no loop: resolved from any thread, waited for in any.

    Coroutines can yield it and, on Python 3, await it; ``result(timeout)`` blocks.
    """

    if not PY2:
        def __await__(self):
            return asyncio.wrap_future(self).__await__()


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
    gives its ``CancelledError``.
    """
    try:
        future.result()
    except BaseException:  # CancelledError is one, and must not escape from callbacks
        return sys.exc_info()
    return None


def copy_outcome(source, target):
    """Give future `target` the outcome of the finished future `source`, unless it is done."""
    if target.done():
        return
    exc_info = future_exc_info(source)
    if exc_info is None:
        target.set_result(source.result())
    else:
        fail(target, exc_info)


if PY2:
    def is_awaitable(value):
        """Whether `value` is a future or, on Python 3, anything that can be awaited."""
        return is_future(value)
else:
    def is_awaitable(value):
        """Whether `value` is a future or, on Python 3, anything that can be awaited."""
        return is_future(value) or inspect.isawaitable(value)


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
        ioloop.add_future(future, callback)

    def add_threadsafe_callback(future, callback):
        """Have ``callback(future)`` run once `future` is done, in a thread of the future's choice.

        To be called in a thread that does not run the loop to which the future belongs.
        """
        future.add_done_callback(callback)


# --- loops ---------------------------------------------------------------------------------------

if PY2:
    def new_ioloop():
        """Return a new IOLoop that is nobody's current loop."""
        return tornado.ioloop.IOLoop(make_current=False)
else:
    from tornado.platform.asyncio import AsyncIOLoop

    def new_ioloop():
        """Return a new IOLoop that is nobody's current loop (an asyncio one on Python 3)."""
        return AsyncIOLoop(make_current=False)


def _polls_in_this_thread(ioloop):
    # Nothing public tells; these are attributes of the PollIOLoop of tornado 4.5, and 5.1 on Python 2.
    return (getattr(ioloop, "_running", False)
            and getattr(ioloop, "_thread_ident", None) == get_thread_ident())


if ON_ASYNCIO:
    def running_ioloop():
        """Return the IOLoop that is running in this thread right now, or None."""
        if asyncio._get_running_loop() is None:
            return None
        return tornado.ioloop.IOLoop.current(instance=False)
elif PY2:
    def running_ioloop():
        """Return the IOLoop that is running in this thread right now, or None."""
        ioloop = tornado.ioloop.IOLoop.current(instance=False)
        return ioloop if _polls_in_this_thread(ioloop) else None
else:
    def running_ioloop():
        """Return the IOLoop that is running in this thread right now, or None."""
        ioloop = tornado.ioloop.IOLoop.current(instance=False)
        if ioloop is None:
            return None
        asyncio_loop = getattr(ioloop, "asyncio_loop", None)
        if asyncio_loop is not None:
            return ioloop if asyncio._get_running_loop() is asyncio_loop else None
        return ioloop if _polls_in_this_thread(ioloop) else None


def current_ioloop():
    """Return the current IOLoop of this thread, running or not, or None if it has none."""
    return tornado.ioloop.IOLoop.current(instance=False)


def asyncio_loop_of(ioloop):
    """Return the asyncio event loop under `ioloop`, or None where there is none."""
    return getattr(ioloop, "asyncio_loop", None)


def ioloop_is_closed(ioloop):
    """Whether `ioloop` is closed, so that nothing added to it will ever run."""
    asyncio_loop = getattr(ioloop, "asyncio_loop", None)
    if asyncio_loop is not None:
        return asyncio_loop.is_closed() is True
    return getattr(ioloop, "_closing", False) is True
