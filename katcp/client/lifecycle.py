"""Starting and stopping a client, and waiting for what it gets to.

A client goes through any number of runs.  Each begins with ``start`` and ends when its main coroutine has
ended after a ``stop``; from then on the client may be started again.
"""

from __future__ import absolute_import, division, print_function

import functools
import sys
import threading
import weakref

# Bound here so that tests which patch the time module's functions do not disturb waits.
from timeit import default_timer

from katcp import compat, handover
from katcp.client.thread_safety import BlockedThreads
from katcp.compat import get_thread_ident
from katcp.ioloop_manager import IOLoopManager
from katcp.linked_futures import Waiter, follow, new_waiter
from katcp.waiting import AsyncEvent

# Where a client is between start and stop.
NEW, STARTED, STOPPING, ENDED = "new", "started", "stopping", "ended"

# The events of a run, and whether they are set when it begins.
_EVENTS = {
    "_stopped": True,
    "_running": False,
    "_waiting_to_retry": False,
    "_connected": False,
    "_disconnected": True,
    "_received_protocol_info": False,
    # Internal: something for the connect loop to wake up for, the wish to stop, and what came of it.
    "_connect_loop_wake": False,
    "_stop_requested": False,
    "_run_ended": False,
}


class ClientNotStarted(RuntimeError, AssertionError):
    """A method needs a client that was started; which of the two it would be has differed between methods."""


class _EventWaiter(Waiter):
    """Resolves with None when an event is set."""

    def source_done(self, source):
        if source.cancelled() or source.exception() is not None:
            super(_EventWaiter, self).source_done(source)
        else:
            self.set_result(None)


class _StopWaiter(Waiter):
    """Ends the run of a client when the main coroutine has ended, or the time for that is up."""

    def ends(self, client, run_number):
        self._client = weakref.ref(client)
        self._run_number = run_number

    def source_done(self, source):
        client = self._client()
        if client is not None:
            client._end_run_number(self._run_number)
        super(_StopWaiter, self).source_done(source)


def _log_failure(logger, message, future):
    exc_info = compat.future_exc_info(future)
    if exc_info is not None:
        logger.error(message, exc_info=exc_info)


class _LoopWatcher(object):
    """Sees to it that nobody waits for a loop that has been closed."""

    def __init__(self, client, calls, loop_waits):
        # A loop may live longer than its clients.
        self._client = weakref.ref(client)
        self._calls = calls
        self._loop_waits = loop_waits

    def loop_has_ended(self):
        client = self._client()
        if client is not None:
            client._loop_ended(self)
        self._calls.close()
        self._loop_waits.dismiss()


class ClientLifecycle(object):
    """The part of a client that is started, stopped and waited for.

    It needs from the rest of the client: ``_install()``, the main coroutine; ``_disconnect()``;
    ``_abort_connect()``; ``_logger``.
    """

    # What belongs to the loop that the state was made for: calls into it and who waits for it.
    _calls = None
    _calls_loop = None
    _loop_waits = None
    _loop_watcher = None
    # Who waits for something that happens during a run.
    _run_waits = None

    def __init__(self):
        self._ioloop_manager = IOLoopManager(managed_default=True)
        self._ioloop = None
        self.ioloop_thread_id = None
        self._run_state = NEW
        self._run_number = 0
        # Held to change _run_state, and until a start is complete: who stops the client meanwhile, in another
        # thread, must not be overtaken by what is started.  Somebody else's callbacks may run under it.
        self._run_lock = threading.RLock()
        self._init_state_per_run(None)

    def _init_state_per_run(self, ioloop):
        """Make everything as it has to be when a run on `ioloop` begins (None: no loop is known yet)."""
        if self._run_waits is None or self._calls_loop is not ioloop:
            self._init_state_per_loop(ioloop)
        self._run_waits = BlockedThreads()
        for name, is_set in _EVENTS.items():
            event = getattr(self, name)
            if is_set:
                event.set()
            else:
                event.clear()

    def _init_state_per_loop(self, ioloop):
        # Who waits on the loop of the previous run already is served by the next one; so is who waits
        # before it is known which loop that will be.
        keep_events = self._calls_loop is None and self._run_waits is not None
        for name in _EVENTS:
            if keep_events:
                getattr(self, name).bind(ioloop)
            else:
                setattr(self, name, AsyncEvent(ioloop))
        self._calls = handover.CallQueue(ioloop) if ioloop is not None else None
        self._calls_loop = ioloop
        self._loop_waits = BlockedThreads()

    # --- the loop --------------------------------------------------------------------------------

    @property
    def ioloop(self):
        """The IOLoop of the client, or None if it has none yet.

        After a client with a loop of its own has stopped, the old, closed loop until the next start.
        """
        return self._ioloop

    def set_ioloop(self, ioloop=None):
        """Have the client use a loop that somebody else runs, instead of one of its own.

        Parameters
        ----------
        ioloop : tornado IOLoop, optional
            By default the one that is current when the client is started.

        Raises
        ------
        RuntimeError
            If a loop is set already.
        """
        manager = self._ioloop_manager
        if manager._ioloop is not None:  # the manager would take a loop of ours for somebody else's
            raise RuntimeError("IOLoop instance already set")
        manager.set_ioloop(ioloop, managed=False)
        self._ioloop = ioloop
        if ioloop is not None:
            # For those who wait for something before the start.
            self._init_state_per_run(ioloop)

    def _managed(self):
        return self._ioloop_manager.managed

    def _thread_is_alive(self):
        thread = self._ioloop_manager._ioloop_thread
        return self._managed() and thread is not None and thread.is_alive()

    def _watch_loop(self):
        watcher = self._loop_watcher = _LoopWatcher(self, self._calls, self._loop_waits)
        handover.watch_loop(self._ioloop, watcher)

    def _notice_closed_loop(self):
        """Return whether the loop is closed, having dealt with it: who closes his own loop tells nobody."""
        ioloop = self._ioloop
        if ioloop is None or not compat.ioloop_is_closed(ioloop):
            return False
        watcher = self._loop_watcher
        if watcher is not None and not self._managed():
            watcher.loop_has_ended()
        return True

    def _loop_ended(self, watcher):
        """The loop has been closed, in an orderly way or not; called in its thread, or when it is noticed."""
        with self._run_lock:  # several threads may notice it at once
            if watcher is not self._loop_watcher:
                return
            if self._managed():
                # Any thread may be given the identifier of this one next.
                self.ioloop_thread_id = None
            if self._run_state == ENDED:
                return
            if self._managed():
                self._logger.error("The loop of the client ended without a stop()")
            # Nobody can be woken on that loop, and nothing can be done there in good order.
            self._running.clear()
            self._connected.clear()
            stream, self._stream = self._stream, None
            if hasattr(stream, "abandon"):  # there may be none, or not a real one
                stream.abandon()
            self._disconnected.set()
            self._stopped.set()
            self._end_run()

    # --- start -----------------------------------------------------------------------------------

    def start(self, timeout=None):
        """Start the client: from now on it tries to connect, and to stay connected.

        May be called in any thread.  Unless `set_ioloop` was called, the client runs in a thread of its
        own.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait until the client is running; by default it returns at once.  Nothing is raised
            when they are over.  In the thread of a running loop it never waits.

        Raises
        ------
        RuntimeError
            If the client has been started and has not stopped since; a client with its own thread also
            has to be joined.  Also if the loop that it was given is closed.
        """
        give_up = default_timer() + (timeout or 0)
        with self._run_lock:
            self._notice_closed_loop()
            if self._run_state in (STARTED, STOPPING) or self._running.is_set() or self._thread_is_alive():
                raise RuntimeError("Device client already started.")
            previous, self._run_state = self._run_state, STARTED
            self._run_number += 1
            try:
                self._start_on(self._loop_for_start())
            except BaseException:
                self._run_state = previous
                raise
        if timeout:
            self.wait_running(max(0, give_up - default_timer()))

    def _loop_for_start(self):
        ioloop = self._ioloop_manager.loop_for_start()
        if not self._managed() and compat.ioloop_is_closed(ioloop):
            raise RuntimeError("The ioloop of the client is closed")
        return ioloop

    def _start_on(self, ioloop):
        self._ioloop = ioloop
        if compat.running_ioloop() is ioloop:
            # Known before the main coroutine runs: calls right after the start are in order.
            self.ioloop_thread_id = get_thread_ident()
        self._init_state_per_run(ioloop)
        ioloop.add_callback(self._begin_run, self._run_number)
        self._watch_loop()
        if self._managed():
            self._ioloop_manager.start()

    def _begin_run(self, run_number):
        if run_number != self._run_number:  # of a start that failed, for want of a thread
            return
        try:
            main = self._install()
            if compat.is_awaitable(main):
                # Not the client's method: the loop would keep the client for a while after its end.
                compat.add_loop_callback(self._ioloop, compat.as_future(main), functools.partial(
                    _log_failure, self._logger, "Unhandled exception in the main coroutine of the client"))
        except Exception:
            self._logger.exception("Unhandled exception in the main coroutine of the client")

    # --- stop ------------------------------------------------------------------------------------

    def stop(self, timeout=None):
        """Have the client disconnect and end; may be called in any thread, more than once.

        Returns at once.  To wait until the client has stopped, `join` it if it has its own thread, and
        yield `until_stopped` otherwise.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait for a client with its own thread to begin to run, and that its main coroutine
            has to end; then its loop is stopped all the same.

        Raises
        ------
        RuntimeError
            If the client was never started, nor given a loop to run on.
        """
        with self._run_lock:
            if self._run_state == NEW and self._managed():
                raise RuntimeError("Call start() before stop()")
            if self._run_state != STARTED:
                self._notice_closed_loop()
                return
            self._run_state = STOPPING
        if self._managed():
            self._ioloop_manager.stop(timeout, callback=lambda: self._stop_in_loop(timeout))
        elif not self._notice_closed_loop():
            self._ioloop.add_callback(self._stop_on_loop_of_others, timeout)

    def _stop_on_loop_of_others(self, timeout):
        """Stop, without anything on the loop that would keep the client once it has stopped."""
        failed = functools.partial(
            _log_failure, self._logger, "Unhandled exception while the client was stopping")
        compat.add_loop_callback(self._ioloop, self._stop_in_loop(timeout), failed)

    def _stop_in_loop(self, timeout):
        """Begin to stop; return a future that resolves when the run has ended."""
        run_number = self._run_number
        try:
            self._about_to_stop()
            self._running.clear()
            self._stop_requested.set()
            self._connect_loop_wake.set()
            self._abort_connect()
            self._disconnect()
        except (Exception,) + compat.CANCELLED_ERRORS:
            self._end_run_number(run_number)
            return compat.failed_future(sys.exc_info())
        stopped = self._stopped.until_set(timeout)
        if stopped.done():
            self._end_run_number(run_number)
            return stopped
        waiter = new_waiter(self._ioloop, _StopWaiter)
        waiter.ends(self, run_number)
        follow(waiter, stopped)
        return waiter

    def _end_run_number(self, run_number):
        if run_number == self._run_number:  # somebody may have been quicker to start the next
            self._end_run()

    def _about_to_stop(self):
        """Hook: what has to happen before the connection is closed."""

    def _end_run(self):
        """The main coroutine has ended after a stop: from now on the client may be started again."""
        with self._run_lock:
            self._run_state = ENDED
        self._run_ended.set()
        self._run_waits.dismiss()
        if not self._managed():
            # The loop is going to live on.
            handover.unwatch_loop(self._ioloop, self._loop_watcher)

    def _main_coroutine_ends(self, run_number=None):
        """To be called by the main coroutine as the last thing, with what `_run_number` was when it began."""
        if run_number not in (None, self._run_number):
            # It did not end, but was thrown away together with its loop.
            return
        if not self._running.is_set():
            self._end_run()
        self._stopped.set()

    def join(self, timeout=None):
        """Wait for the client's own thread to end; returns at once if it has none.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; nothing tells whether they were enough.

        Raises
        ------
        RuntimeError
            If the client was never started.
        """
        self._ioloop_manager.join(timeout)

    # --- state, for any thread -------------------------------------------------------------------

    def running(self):
        """Whether the client is running, connected or not."""
        return self._running.is_set()

    def is_connected(self):
        """Whether the client is connected."""
        return self._connected.is_set()

    def wait_running(self, timeout=None):
        """Block until the client is running; not for the thread of the loop.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most, by default for ever.

        Returns
        -------
        bool
            Whether it is running.  Also returns when the client stops.

        Raises
        ------
        RuntimeError
            If the client was never started.
        """
        return self._wait_for("_running", timeout, "wait_running")

    def wait_connected(self, timeout=None):
        """Block until the client is connected; see `wait_running`."""
        return self._wait_for("_connected", timeout, "wait_connected")

    def wait_disconnected(self, timeout=None):
        """Block until the client is not connected; see `wait_running`."""
        return self._wait_for("_disconnected", timeout, "wait_disconnected")

    def wait_protocol(self, timeout=None):
        """Block until the client knows the protocol of the server; see `wait_running`."""
        return self._wait_for("_received_protocol_info", timeout, "wait_protocol")

    def _wait_for(self, event_name, timeout, caller):
        self._check_started(caller)
        self._notice_closed_loop()
        event = getattr(self, event_name)
        if event.is_set():
            return True
        if compat.running_ioloop() is self._ioloop:
            # Nothing can happen while the loop waits.
            if timeout is None:
                raise RuntimeError("Cannot call {}() in the ioloop".format(caller))
            return False
        run_waits = self._run_waits
        wait = run_waits.enter()
        if wait is not None:
            try:
                self._calls.call(self._follow_event, wait, event, timeout)
                wait.block(timeout, self._notice_closed_loop)
            finally:
                run_waits.leave(wait)
        return event.is_set()

    def _follow_event(self, wait, event, timeout):
        # The waiter inside the event must not outlast the thread's interest, hence the timeout; 0, which
        # events take for none, needs no waiter at all.
        if timeout is None or timeout > 0:
            compat.add_loop_callback(self._ioloop, event.until_set(timeout), wait.follow)

    # --- state, for coroutines on the loop -------------------------------------------------------

    def until_running(self, timeout=None):
        """Return a future that resolves when the client is running.

        Parameters
        ----------
        timeout : float, optional
            Seconds, by the loop's clock, after which the future fails with ``tornado.gen.TimeoutError``.
            0 and None mean none.

        Returns
        -------
        tornado future
            Fails with RuntimeError if nothing is known yet about the loop to wait on.
        """
        if self._ioloop is None and self._managed():
            return self._not_started("until_running")
        return self._running.until_set(timeout)

    def until_connected(self, timeout=None):
        """Return a future that resolves when the client is connected; for the thread of the loop.

        Parameters and errors are those of `until_running`; in other threads the future fails with
        AssertionError.
        """
        return self._until("_connected", timeout, "until_connected")

    def until_disconnected(self, timeout=None):
        """Return a future that resolves when the client is running but not connected.

        For the thread of the loop; parameters and errors are those of `until_connected`.
        """
        return self._until("_disconnected", timeout, "until_disconnected")

    def until_protocol(self, timeout=None):
        """Return a future that resolves when the client knows the protocol of the server.

        For the thread of the loop; parameters and errors are those of `until_connected`.
        """
        return self._until("_received_protocol_info", timeout, "until_protocol")

    def until_stopped(self, timeout=None):
        """Return a future that resolves with True when the main coroutine has ended.

        For the thread of the loop.  It does not itself stop anything.

        Parameters
        ----------
        timeout : float, optional
            Seconds after which the future fails with ``tornado.gen.TimeoutError``; 0 and None mean none.

        Raises
        ------
        AssertionError
            In another thread, or before the first start.
        """
        self._check_loop_thread("until_stopped")
        if self._run_state == STOPPING and self._stopped.is_set():
            # The main coroutine has not begun, but is going to.
            return self._run_ended.until_set(timeout)
        return self._stopped.until_set(timeout)

    def _until(self, event_name, timeout, caller):
        if self._ioloop is None and self._managed():
            return self._not_started(caller)
        if self.ioloop_thread_id is not None or self._managed():
            try:
                self._check_loop_thread(caller)
            except AssertionError:
                return compat.failed_future(sys.exc_info())
        if not self._running.is_set():
            return self._until_running_and(event_name, timeout)
        event = getattr(self, event_name)
        if event.is_set():
            return compat.done_future(None)
        # No coroutine: who no longer wants to know just drops the future, and nothing is left behind.
        waiter = new_waiter(self._ioloop, _EventWaiter)
        follow(waiter, event.until_set(timeout))
        return waiter

    @compat.coroutine
    def _until_running_and(self, event_name, timeout):
        ioloop = self._ioloop or compat.current_ioloop()
        give_up = ioloop.time() + timeout if timeout else None
        yield self._running.until_set(timeout)
        event = getattr(self, event_name)
        if give_up is not None and not event.is_set():
            # Zero would mean for ever.
            timeout = (give_up - ioloop.time()) or -1
        yield event.until_set(timeout)

    # --- checks ----------------------------------------------------------------------------------

    def _check_loop_thread(self, caller):
        if get_thread_ident() != self.ioloop_thread_id:
            raise AssertionError("{}() belongs to the thread of the client's ioloop".format(caller))

    def _check_started(self, caller):
        if self._run_state == NEW:
            raise ClientNotStarted("Call start() before {}()".format(caller))

    def _check_callable(self, caller):
        """Raise RuntimeError if no loop could run a call of another thread."""
        self._check_started(caller)
        if self.ioloop_thread_id is None:
            with self._run_lock:  # another thread may be about to start the client: calls come after that
                pass
        self._notice_closed_loop()
        if self._loop_waits.dismissed:
            raise RuntimeError("IOLoop is closing: the client has stopped, cannot call {}()".format(caller))

    def _not_started(self, caller):
        error = RuntimeError("Call start() before {}()".format(caller))
        return compat.failed_future((RuntimeError, error, None))
