"""Mocks that can be waited for until they have been called."""

from __future__ import absolute_import, division, print_function

import threading

import tornado.ioloop
import tornado.locks
from tornado import gen

from katcp.compat import coroutine
from katcp.object_proxies import ObjectWrapper
from katcp.testutils.deadline import wait_until

# Downstream tests compare with the `mock` that they import, so that comes first where it is installed.
try:
    import mock
except ImportError:
    try:
        from unittest import mock
    except ImportError:
        raise ImportError("katcp.testutils needs the package 'mock' on Python 2 (pip install mock)")

# The class of `call_args_list`, which knows how to look for a sequence of calls.
_CallList = type(mock.Mock().call_args_list)


class AtomicIaddCallback(ObjectWrapper):
    """Stands for a number; ``+=`` changes that number, atomically, and calls a function.

    The result of ``+=`` is this object still; all else gives plain numbers.

    Parameters
    ----------
    ob : number
        The number at first; afterwards it is ``__subject__``.
    callback : callable, optional
        Called with each new value, in the thread that added.
    mutex : lock, optional
        Held while adding, but not while calling; by default a new ``threading.RLock``.
    """

    # Declared here because a wrapper keeps for itself only what its class has.
    _callback = None
    _mutex = None

    def __init__(self, ob, callback=lambda x: x, mutex=None):
        super(AtomicIaddCallback, self).__init__(ob)
        self._callback = callback
        self._mutex = threading.RLock() if mutex is None else mutex

    def __iadd__(self, other):
        with self._mutex:
            value = self.__subject__ + other
            self.__subject__ = value
        self._callback(value)
        return self


class _NotifyingCallList(_CallList):
    """List of a mock's calls that tells when one is appended."""

    def __init__(self, notify):
        super(_NotifyingCallList, self).__init__()
        self._notify = notify

    def append(self, call):
        super(_NotifyingCallList, self).append(call)
        self._notify()


class WaitingMock(mock.Mock):
    """A mock that a thread can wait for, until another thread has called it often enough.

    Its attributes and return values are such mocks, too.  The parameters are those of ``mock.Mock``.

    Examples
    --------
    >>> handler = WaitingMock()
    >>> threading.Timer(0.01, handler, ["an argument"]).start()
    >>> handler.assert_wait_call_count(1, timeout=5)
    >>> handler.assert_called_once_with("an argument")

    """

    def __init__(self, *args, **kwargs):
        super(WaitingMock, self).__init__(*args, **kwargs)
        # Past mock's own __setattr__, which refuses what a `spec_set` does not have.
        self.__dict__["_called"] = threading.Condition()
        self._count_anew()

    def _count_anew(self):
        object.__setattr__(self, "call_count", AtomicIaddCallback(0, self._call_count_callback))
        object.__setattr__(self, "call_args_list", _NotifyingCallList(self._notify))

    def _call_count_callback(self, call_count):
        self._notify()

    def _notify(self):
        with self._called:
            self._called.notify_all()

    def reset_mock(self, *args, **kwargs):
        """Forget all calls, as ``mock.Mock.reset_mock`` does with the same parameters."""
        super(WaitingMock, self).reset_mock(*args, **kwargs)
        self._count_anew()

    def assert_wait_call_count(self, count, timeout=1.0):
        """Wait until the mock has been called a number of times, by other threads.

        A call counts from its beginning, before a ``side_effect`` has run.

        Parameters
        ----------
        count : int
            How often, at least.
        timeout : int or float or None, optional
            For how many seconds to wait at most; None for ever.

        Returns
        -------
        bool or None
            True if it had been called that often already, else None.

        Raises
        ------
        AssertionError
            If it has not been called that often in time.
        RuntimeError
            If it has, but somebody took the calls out of ``call_args_list``.
        """
        if self._has_calls(count):
            return True
        with self._called:
            if wait_until(self._called, lambda: self._has_calls(count), timeout):
                return None
        if self.call_count < count:
            raise AssertionError("Expected {} calls within {} s, but there were {}".format(
                count, timeout, self.call_count))
        raise RuntimeError("call_args_list not updated within timeout.")

    def _has_calls(self, count):
        return self.call_count >= count and len(self.call_args_list) >= count


class AsyncWaitingMock(mock.Mock):
    """A mock that a coroutine can wait for, on the loop whose callbacks call it.

    The parameters are those of ``mock.Mock``.
    """

    def __init__(self, *args, **kwargs):
        super(AsyncWaitingMock, self).__init__(*args, **kwargs)
        self.__dict__["_call_event"] = tornado.locks.Event()

    def _mock_call(self, *args, **kwargs):
        try:
            return super(AsyncWaitingMock, self)._mock_call(*args, **kwargs)
        finally:
            self._call_event.set()

    @coroutine
    def assert_wait_call_count(self, count, timeout=1.0):
        """Wait until the mock has been called a number of times; to be called in the loop's thread.

        Parameters
        ----------
        count : int
            How often, at least.
        timeout : int or float or None, optional
            For how many seconds of real time to wait at most, whatever the loop's clock shows; None
            for ever.

        Returns
        -------
        future
            Resolves to True if the mock had been called that often already, else to None as soon as it
            has; fails with AssertionError if it has not in time.
        """
        if self.call_count >= count:
            raise gen.Return(True)
        timed_out = threading.Event()
        timer = None
        if timeout is not None:
            def give_up():
                timed_out.set()
                self._call_event.set()

            # The clock of the loop may be one that the test moves by hand.
            timer = threading.Timer(
                timeout, tornado.ioloop.IOLoop.current().add_callback, [give_up])
            timer.daemon = True
            timer.start()
        try:
            while self.call_count < count:
                if timed_out.is_set():
                    raise AssertionError("Expected {} calls within {} s, but there were {}".format(
                        count, timeout, self.call_count))
                self._call_event.clear()
                yield self._call_event.wait()
        finally:
            if timer is not None:
                timer.cancel()
                timer.join()
