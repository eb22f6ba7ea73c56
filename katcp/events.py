"""Events and states that coroutines wait for, and other threads too.

For how waits behave, and whose clock counts, see `katcp.waiting`.
"""

from __future__ import absolute_import, division, print_function

import logging
import sys

from katcp import compat, handover
from katcp.linked_futures import Waiters, expect_within, new_waiter
from katcp.listeners import FailureCounts, check_signature
from katcp.log_records import record_text

# The name under which users know these messages.
log = logging.getLogger("katcp.core")


class AsyncEvent(object):
    """A flag that coroutines can wait for: the ``threading.Event`` of an ioloop.

    Parameters
    ----------
    ioloop : tornado.ioloop.IOLoop, optional
        The loop that runs the timeouts; by default the one of the thread that begins to wait.

    Examples
    --------
    ::

        connected = AsyncEvent()

        @tornado.gen.coroutine
        def greet():
            yield connected.until_set(timeout=5)
            print("Hello")
    """

    def __init__(self, ioloop=None):
        self._given_ioloop = ioloop
        self._flag = False
        self._waiters = Waiters()

    @property
    def _ioloop(self):
        return self._given_ioloop or compat.current_ioloop()

    def bind(self, ioloop):
        """Have `ioloop`, from now on, run the timeouts: for events made before it is known."""
        self._given_ioloop = ioloop

    def is_set(self):
        """Return whether the event is set; may be called from any thread."""
        return self._flag

    isSet = is_set

    def set(self):
        """Set the event.

        The futures of all who wait are done when this returns; their coroutines resume in the next
        iteration of the loop, even if the event has been cleared again by then.
        """
        self._flag = True
        self._waiters.resolve_all(True)

    def clear(self):
        """Unset the event."""
        self._flag = False

    def until_set(self, timeout=None):
        """Wait for the event to be set.

        Parameters
        ----------
        timeout : float, optional
            After how many seconds to give up; None and 0 mean never.

        Returns
        -------
        future
            Resolves with True; is done already if the event is set.  Fails with
            ``tornado.gen.TimeoutError`` when the time is up.  It is the caller's own: cancelling it
            disturbs nobody.
        """
        if self._flag:
            return compat.done_future(True)
        waiter = new_waiter(self._given_ioloop)
        self._waiters.add(waiter)
        waiter.wait_in(self._waiters)
        expect_within(waiter, timeout, self._given_ioloop)
        return waiter

    def wait_with_ioloop(self, ioloop, timeout=None):
        """Block until the event is set; for threads other than that of `ioloop`.

        Parameters
        ----------
        ioloop : tornado.ioloop.IOLoop
            The loop in whose thread the event is set.
        timeout : float, optional
            How many seconds to block at most (0 is possible); None means for ever.

        Returns
        -------
        bool
            Whether the event is set.

        Raises
        ------
        RuntimeError
            If called in the thread of `ioloop` without a timeout (nothing could set the event
            then), or if `ioloop` is closed before the event is set.
        """
        if self._flag:
            return True
        if timeout is None and compat.runs_in_this_thread(ioloop):
            raise RuntimeError("Waiting here would block the ioloop that sets the event")
        call = handover.LoopCall(ioloop, self.until_set)
        try:
            return call.wait(timeout)
        except compat.AnyTimeoutError:
            call.forget()
            return self._flag


class AsyncCallbackEvent(AsyncEvent):
    """An event that also calls a function whenever it is set or cleared.

    Parameters
    ----------
    callback : function(bool), optional
        Called after every `set` with True and after every `clear` with False, whether or not that
        changed the state; `is_set` already tells the new state.  Its exceptions are logged.
    ioloop : tornado.ioloop.IOLoop, optional
        As for `AsyncEvent`.
    """

    def __init__(self, callback=lambda x: x, ioloop=None):
        super(AsyncCallbackEvent, self).__init__(ioloop)
        check_signature(log, "Callback of an event", callback, "flag")
        self._callback = callback
        self._failures = FailureCounts()

    def set(self):
        """Set the event, then call the callback with True."""
        super(AsyncCallbackEvent, self).set()
        self._call_back(True)

    def clear(self):
        """Unset the event, then call the callback with False."""
        super(AsyncCallbackEvent, self).clear()
        self._call_back(False)

    def _call_back(self, flag):
        try:
            self._callback(flag)
        except (Exception,) + compat.CANCELLED_ERRORS:
            suffix = self._failures.suffix(sys.exc_info())
            if suffix is not None:
                log.exception(record_text("Unhandled exception calling event change callback%s", suffix))


class AsyncState(object):
    """A state out of a fixed set of states, which coroutines can wait for.

    Parameters
    ----------
    valid_states : iterable of hashable
        All states there are.
    initial_state : hashable, optional
        By default the first of `valid_states`.
    ioloop : tornado.ioloop.IOLoop, optional
        The loop that runs the timeouts; by default the one of the thread that begins to wait.

    Examples
    --------
    ::

        light = AsyncState(("red", "amber", "green"))
        yield light.until_state("green", timeout=30)
    """

    def __init__(self, valid_states, initial_state=None, ioloop=None):
        valid_states = list(valid_states)
        self._valid_states = frozenset(valid_states)
        self._given_ioloop = ioloop
        if initial_state is None:
            initial_state = valid_states[0]
        if initial_state not in self._valid_states:
            raise AssertionError("Initial state must be one of {0}, not {1}".format(
                self._valid_states, initial_state))
        self._state = initial_state
        self._waiters = {}

    @property
    def _ioloop(self):
        return self._given_ioloop or compat.current_ioloop()

    def bind(self, ioloop):
        """Have `ioloop`, from now on, run the timeouts: for states made before it is known."""
        self._given_ioloop = ioloop

    @property
    def state(self):
        """The state."""
        return self._state

    @property
    def valid_states(self):
        """The frozenset of all states there are."""
        return self._valid_states

    def set_state(self, state):
        """Change the state, and wake all who wait for the new one.

        Their futures are done when this returns; their coroutines resume in the next iteration of
        the loop, even if the state has changed again by then.

        Raises
        ------
        ValueError
            If `state` is none of the valid states.
        """
        self._check(state)
        self._state = state
        waiters = self._waiters.get(state)
        if waiters is not None:
            waiters.resolve_all(True)

    def until_state(self, state, timeout=None):
        """Wait for a state.

        Parameters
        ----------
        state : hashable
            One of the valid states.
        timeout : float, optional
            After how many seconds to give up; None and 0 mean never.

        Returns
        -------
        future
            Resolves with True; is done already if this is the state.  Fails with
            ``tornado.gen.TimeoutError`` when the time is up.

        Raises
        ------
        ValueError
            At once, if `state` is none of the valid states.
        """
        return self.until_state_in(state, timeout=timeout)

    def until_state_in(self, *states, **kwargs):
        """Wait for the first of several states.

        Parameters
        ----------
        states : hashable
            Valid states.  With none at all the wait never ends, but by its timeout.
        timeout : float, optional
            As for `until_state`.

        Returns
        -------
        future
            As of `until_state`.

        Raises
        ------
        ValueError
            At once, if any of `states` is none of the valid states.
        """
        for state in states:
            self._check(state)
        if self._state in states:
            return compat.done_future(True)
        waiter = new_waiter(self._given_ioloop)
        for state in states:
            waiters = self._waiters.get(state)
            if waiters is None:
                waiters = self._waiters[state] = Waiters()
            waiters.add(waiter)
            waiter.wait_in(waiters)
        expect_within(waiter, kwargs.get("timeout"), self._given_ioloop)
        return waiter

    def _check(self, state):
        if state not in self._valid_states:
            raise ValueError("State must be one of {0}, not {1}".format(self._valid_states, state))
