"""Futures made from other futures, with as little of a loop as can be.

Users ask for states and results before the loop runs, or in threads that have none; what can be told at
once is therefore told with a future that is done already.
"""

from __future__ import absolute_import, division, print_function

import functools
import sys

from tornado.gen import Return, moment

from katcp import compat
from katcp.linked_futures import Waiter, follow, new_waiter


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
        if source.cancelled():
            super(_Derived, self).source_done(source)
            return
        try:
            result = function(source)
        except Exception:
            exc_info = sys.exc_info()
            compat.fail(self, exc_info)
            if isinstance(exc_info[1], compat.GenTimeoutError):
                # As for any wait: having given up is no mistake to be reported where nobody asks.
                self.exception()
            del exc_info  # its traceback refers to this frame
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
    if future.cancelled():
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

    As long as what it yields is done already it is run at once; if it comes to its end that way, the
    future is one of those that need no loop.
    """
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        try:
            generator = function(*args, **kwargs)
            return _run_until_pending(generator)
        except (Return, StopIteration) as finished:
            return compat.done_future(getattr(finished, "value", None))
        except Exception:
            return compat.failed_future(sys.exc_info())

    return wrapper


def _run_until_pending(generator):
    yielded = next(generator)
    while compat.is_future(yielded) and yielded.done() and yielded is not moment:
        exc_info = compat.future_exc_info(yielded)
        if exc_info is None:
            yielded = generator.send(yielded.result())
        else:
            yielded = compat.throw_into(generator, exc_info)
    return _go_on(generator, yielded)


@compat.coroutine
def _go_on(generator, yielded):
    try:
        while True:
            try:
                result = yield yielded
            except (Exception,) + compat.CANCELLED_ERRORS:
                yielded = compat.throw_into(generator, sys.exc_info())
            else:
                yielded = generator.send(result)
    except StopIteration as finished:
        raise Return(getattr(finished, "value", None))
