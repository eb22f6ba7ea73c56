"""Futures made from other futures, with as little of a loop as can be.

Users ask for states and results before the loop runs, or in threads that have none; what can be told at
once is therefore told with a future that is done already.
"""

from __future__ import absolute_import, division, print_function

import functools
import sys

from tornado.gen import Return, moment

from katcp import compat
from katcp.linked_futures import Waiter, follow, new_waiter, wait_loop


def _fail_quietly(waiter, exc_info):
    """Give a waiter an exception.  A timeout is no mistake to be reported where nobody asks for it."""
    try:
        compat.fail(waiter, exc_info)
        if isinstance(exc_info[1], compat.GenTimeoutError):
            waiter.exception()
    finally:
        del exc_info  # its traceback refers to this frame


class _Derived(Waiter):
    """A future with the result of a function of another future, done as soon as that one is.

    Futures that are not ours tell the loop first.  Whether they are done is therefore looked up, too,
    when somebody asks this one.
    """

    _function = None
    _foreign_source = None

    def derive_from(self, function, source):
        """Wait for the pending future `source`, then take what ``function(source)`` returns or raises."""
        self._function = function
        if not isinstance(source, compat.LoopFuture):
            self._foreign_source = source
        follow(self, source)

    def source_done(self, source):
        function, self._function, self._foreign_source = self._function, None, None
        if function is None:
            return
        if compat.was_cancelled(source):
            super(_Derived, self).source_done(source)
            return
        try:
            result = function(source)
        except Exception:
            _fail_quietly(self, sys.exc_info())
        else:
            compat.resolve(self, result)

    def _look(self):
        source = self._foreign_source
        if source is not None and source.done():
            self.source_done(source)

    def done(self):
        self._look()
        return super(_Derived, self).done()

    def result(self, *args, **kwargs):
        self._look()
        return super(_Derived, self).result(*args, **kwargs)

    def exception(self, *args, **kwargs):
        self._look()
        return super(_Derived, self).exception(*args, **kwargs)


def derive(function, future, always=False):
    """Return a future of ``function(future)``, which is called as soon as `future` is done.

    Parameters
    ----------
    function : callable
        Called with the finished future; what it returns is the result, what it raises the exception.
    future : future
        Of any kind.  If it is cancelled, so is the returned one.
    always : bool, optional
        Whether to call `function` even if by then nobody has the returned future any more.

    Returns
    -------
    future
        Done already if `future` is.
    """
    if not future.done():
        derived = new_waiter(None, _Derived)
        derived.derive_from(function, future)
        if always:
            derived.add_done_callback(_nothing_to_do)
        return derived
    if compat.was_cancelled(future):
        return compat.finished_copy(future)
    try:
        return compat.done_future(function(future))
    except Exception:
        return compat.failed_future(sys.exc_info())


def _nothing_to_do(future):
    # That somebody waits for a future is what keeps it alive.
    pass


def transform_future(transformation, future):
    """Return a future of what `transformation` makes of the result of another.

    Parameters
    ----------
    transformation : callable
        Called with the result of `future`, as soon as there is one.
    future : future

    Returns
    -------
    future
        Fails with the exception of `future`, or of `transformation`.  It is done as soon as `future` is,
        whether or not a loop runs.
    """
    return derive(functools.partial(_apply, transformation), future)


def _apply(transformation, source):
    return transformation(source.result())


def eager_coroutine(function):
    """Decorate a generator function like ``tornado.gen.coroutine``; needs a loop only if it has to wait.

    It can yield futures and ``gen.moment``.  As long as what it yields is done already it is run at once; if
    it comes to its end that way, the future is one of those that need no loop.  Otherwise it goes on, an
    iteration of the loop after what it waits for is done, whether or not anybody has the future.  If what it
    waits for goes away, so does it: tornado 4.5 itself never lets go of a coroutine that is suspended.
    """
    return _eager(function, _RunningGenerator)


def wait_coroutine(function):
    """Decorate like `eager_coroutine`, for what does nothing but wait, for futures alone.

    It goes on as soon as what it waits for is done.  When nobody has the returned future any more, or it is
    cancelled, that is the end of it, and of the waits that it has begun; no timer keeps it.
    """
    return _eager(function, _WaitingGenerator)


def _eager(function, waiter_class):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        try:
            generator = function(*args, **kwargs)
            yielded = next(generator)
            while _is_done(yielded):
                yielded = _resume(generator, yielded)
        except (Return, StopIteration) as finished:
            return compat.done_future(getattr(finished, "value", None))
        except Exception:
            return compat.failed_future(sys.exc_info())
        waiter = new_waiter(None, waiter_class)
        waiter.run(generator, yielded)
        return waiter

    return wrapper


def _is_done(yielded):
    # Tornado's moment is a future that is done, on some versions, but it stands for a pause.
    return compat.is_future(yielded) and yielded.done() and yielded is not moment


def _resume(generator, future):
    """Give a generator the outcome of the finished future it has yielded; return what it yields next."""
    exc_info = compat.future_exc_info(future)
    if exc_info is None:
        return generator.send(future.result())
    try:
        return compat.throw_into(generator, exc_info)
    finally:
        del exc_info  # its traceback refers to this frame


class _WaitingGenerator(Waiter):
    """The future of a generator that waits: it resumes as soon as what it has yielded is done."""

    _generator = None

    def run(self, generator, yielded):
        """Wait for what the generator has yielded, and so on, until it ends."""
        self._generator = generator
        self._wait_for(yielded)

    def _wait_for(self, yielded):
        follow(self, yielded)

    def source_done(self, source):
        self._advance(source)

    def _advance(self, source):
        generator = self._generator
        if generator is None:
            return
        try:
            while _is_done(source):
                source = _resume(generator, source)
        except (Return, StopIteration) as finished:
            self._generator = None
            compat.resolve(self, getattr(finished, "value", None))
        except Exception:
            self._generator = None
            _fail_quietly(self, sys.exc_info())
        else:
            self._wait_for(source)

    def _finished(self):
        # It may have been cancelled: that ends the generator as well.
        self._generator = None
        super(_WaitingGenerator, self)._finished()


class _RunningGenerator(_WaitingGenerator):
    """The future of a generator that does things: resumed by the loop, kept by what it waits for."""

    _ioloop = None

    def run(self, generator, yielded):
        self._ioloop = compat.running_ioloop() or wait_loop(None)
        self.add_done_callback(_nothing_to_do)
        super(_RunningGenerator, self).run(generator, yielded)

    def _wait_for(self, yielded):
        if yielded is moment:
            self._ioloop.add_callback(self._advance, compat.done_future(None))
        else:
            super(_RunningGenerator, self)._wait_for(compat.as_future(yielded))

    def source_done(self, source):
        compat.add_callback_if_open(self._ioloop, self._advance, source)
