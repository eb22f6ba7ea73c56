"""Keeping in step with the device: the loop that goes through the states of an inspecting client.

A round of it: tell that the client is (dis)connected; wait for a connection, and to hear what the device
speaks; inspect; tell what has changed; tell that the client is in step; wait until it no longer is,
because the interface has changed or the connection is gone.

Anything may happen while a round waits.  Each wait therefore ends when the client stops, and what is
found out about a connection is worth nothing if it is not the same connection any more: connections are
counted.
"""

from __future__ import absolute_import, division, print_function

from tornado import gen

from katcp import compat
from katcp.compat import CANCELLED_ERRORS, GenTimeoutError, coroutine, lossy_str
from katcp.inspecting.backoff import ExponentialRandomBackoff
from katcp.inspecting.inspection import SyncError
from katcp.inspecting.states import (DATA_SYNCED_STATES, DISCONNECTED, MODEL_CHANGED, MODEL_UNCHANGED,
                                     NOT_SYNCED_STATES, SYNCED, SYNCING, VALID_STATES,
                                     InspectingClientStateType)
from katcp.listeners import check_signature
from katcp.log_records import record_text
from katcp.waiting import (AsyncEvent, AsyncState, log_coroutine_exceptions, log_future_exceptions,
                           until_any)

# Iterations of the loop for which a client that was started does nothing: who waits for `connect`, be it in
# a coroutine within a coroutine, may have preparations to make for the inspection.
START_ITERATIONS = 5


class _RoundInterrupted(Exception):
    """The connection is not the one that the round began with, or the client stops."""


class StateCallbackCancelled(Exception):
    """Somebody has cancelled the future of a state callback, so that it did not finish."""


class StateLoop(object):
    """The part of an inspecting client that keeps it in step with its device.

    It needs from the rest of the client: ``inspect`` and ``_unannounced`` of `Inspection`;
    ``katcp_client``; ``ioloop``; ``_calling_ioloop``; ``_logger``; ``bind_address_string``.

    Parameters
    ----------
    ioloop : tornado.ioloop.IOLoop or None
        That of the client; None for the one that is current when somebody waits.
    initial_inspection : bool
        Whether the first round inspects the device.

    Attributes
    ----------
    valid_states : frozenset of InspectingClientStateType
    resync_delay : ExponentialRandomBackoff or None
        Says how long to wait after a failure; None until the client is started.
    initial_inspection : bool
        Whether the next round inspects the device. True after the first round, and after a connection that
        ended before the protocol was known.
    """

    # Seconds before the first retry, and the most that it ever takes.
    initial_resync_timeout = 5
    max_resync_timeout = 90

    valid_states = VALID_STATES

    def __init__(self, ioloop, initial_inspection):
        self.initial_inspection = initial_inspection
        self.resync_delay = None
        self._state = AsyncState(VALID_STATES, DISCONNECTED, ioloop)
        self._state_cb = None
        # The state that the callback was told last, and whether it has failed (or not finished yet).
        self._told_state = None
        self._told_in_vain = False
        self._interface_changed = AsyncEvent(ioloop)
        self._connected = AsyncEvent(ioloop)
        self._disconnected = AsyncEvent(ioloop)
        self._connection_number = 0
        # Set when the state loop has to end; each run has one of its own.
        self._stop_requested = AsyncEvent(ioloop)
        super(StateLoop, self).__init__()

    # --- state, for users ------------------------------------------------------------------------

    @property
    def state(self):
        """The current `InspectingClientStateType`."""
        return self._state.state

    @property
    def synced(self):
        """Whether the client knows what the device has, and the state callback has dealt with it."""
        return self._state.state.synced

    def set_state_callback(self, cb):
        """Have a function called whenever the state has changed.

        Parameters
        ----------
        cb : callable or None
            ``cb(state, model_changes)`` is called in the thread of the loop.  If it returns a future or, on
            Python 3, anything else that can be awaited, the next state comes when that is done.  In the
            meantime it must not wait for things that need a later state, as lookups do until
            ``state.data_synced``.

            `model_changes` is None unless ``state.model_changed``; then it is an AttrDict with the items
            ``requests`` and ``sensors``, as far as there are changes, each an AttrDict with two sets of
            names (native str), ``added`` and ``removed``.  What has been modified is in both.

            If the callback fails, the client connects anew after a while; changes are then told again.
        """
        if cb is not None:
            check_signature(self._logger, "State callback", cb, "state", "model_changes")
        self._state_cb = cb

    def until_state(self, desired_state, timeout=None):
        """Wait for a state.

        Whoever waits goes on after the state callback was called, and before the state changes again.

        Parameters
        ----------
        desired_state : InspectingClientStateType or tuple of four bools
        timeout : float, optional
            Seconds; None and 0 mean for ever.

        Returns
        -------
        future
            Resolves with True; fails with ``tornado.gen.TimeoutError`` when the time is up.

        Raises
        ------
        ValueError
            If it is none of `valid_states`.
        """
        return self._state.until_state(desired_state, timeout)

    def until_synced(self, timeout=None):
        """Wait until the client is synced; see `until_state`.  May be called before the start."""
        return self._state.until_state(SYNCED, timeout)

    def until_not_synced(self, timeout=None):
        """Wait until the client is not synced; see `until_state`."""
        return self._state.until_state_in(*NOT_SYNCED_STATES, timeout=timeout)

    def until_data_synced(self, timeout=None):
        """Wait until the client knows what the device has; see `until_state`."""
        return self._state.until_state_in(*DATA_SYNCED_STATES, timeout=timeout)

    # --- what happens meanwhile ------------------------------------------------------------------

    def _cb_connection_state(self, connected):
        """Take note that a connection was made or lost; what the low-level client calls."""
        if connected:
            self._connection_number += 1
            self._disconnected.clear()
            self._connected.set()
        else:
            self._connected.clear()
            self._disconnected.set()
            self._leave_synced(DISCONNECTED)

    def _cb_inform_interface_change(self, msg):
        """Hook: have everything inspected again."""
        self._interface_changed.set()
        self._leave_synced(SYNCING)

    def _leave_synced(self, state):
        # At once: who gets a reply to a request after this must not find the client synced.  In this order
        # (the events first) the state loop, which calls the callback, resumes before anybody who waits for
        # the state.
        if self.synced:
            self._state.set_state(state)

    # --- the loop --------------------------------------------------------------------------------

    @log_coroutine_exceptions
    @coroutine
    def _state_loop(self):
        """Keep in step with the device until the client is stopped."""
        stop = self._stop_requested
        self.resync_delay = ExponentialRandomBackoff(self.initial_resync_timeout, self.max_resync_timeout)
        self._told_state = None
        failed = False
        pause = START_ITERATIONS
        while not stop.is_set():
            retry = None
            try:
                # The ends of a round are in this coroutine, not in others that it waits for, which would take
                # longer: who waits for the state that begins the next round resumes just after this.
                yield self._tell_connected()
                for _ in range(pause):
                    yield gen.moment
                pause = 1
                yield self._until_protocol_known(stop)
                connection = self._connection_number
                yield self._synchronise(stop, connection)
                if not self._interface_changed.is_set():
                    yield self._send_state(*SYNCED)
                    yield gen.moment
                    self.resync_delay.success()
                    if failed:
                        self._logger.warning(record_text("Succesfully resynced with %s after failure",
                                                         self.bind_address_string))
                        failed = False
                    self._check_round(stop, connection)
                    yield until_any(self._interface_changed.until_set(), self._disconnected.until_set(),
                                    stop.until_set())
            except _RoundInterrupted:
                pass
            except SyncError as error:
                if not stop.is_set():
                    retry = self._wait_to_retry
                    delay = self._next_delay()
                    self._logger.warning(record_text("Error syncing with device %s: %s 'Retrying in %ss.",
                                                     self.bind_address_string, lossy_str(error), delay))
            except Exception:
                if stop.is_set():
                    self._logger.exception("Unhandled exception in client-sync loop, which was to end.")
                else:
                    retry = self._wait_to_reconnect
                    delay = self._next_delay()
                    self._logger.exception(record_text("Unhandled exception in client-sync loop. "
                                                       "Triggering disconnect "
                                                       "and Retrying in %ss.", delay))
                    self.katcp_client.disconnect()
            if retry is not None:
                failed = True
                yield retry(delay, stop)
        if self._told_state != DISCONNECTED:
            try:
                yield self._send_state(*DISCONNECTED)
            except Exception:
                self._logger.exception("Unhandled exception after client-sync loop ended.")

    @coroutine
    def _until_protocol_known(self, stop):
        """Wait for a connection, and for what the device says about itself when it is made."""
        while not self._connected.is_set():
            yield self._tell_connected()
            yield gen.moment
            yield until_any(self._connected.until_set(), stop.until_set())
            if stop.is_set():
                raise _RoundInterrupted
        if self._told_state != SYNCING:
            yield self._tell_connected()
            yield gen.moment
        connection = self._connection_number
        self._check_round(stop, connection)
        yield until_any(self.katcp_client.until_protocol(), self._disconnected.until_set(), stop.until_set())
        try:
            self._check_round(stop, connection)
        except _RoundInterrupted:
            # Another device may answer on the next connection.
            self.initial_inspection = True
            raise

    @coroutine
    def _synchronise(self, stop, connection):
        """Inspect the device and tell what has changed."""
        if self.initial_inspection:
            # What was announced before the inspection begins is seen by it.
            self._interface_changed.clear()
            inspection = compat.as_future(self.inspect())
            yield self._until_finished(inspection, self._disconnected, stop)
            self._check_round(stop, connection)
            self._unannounced.note(self._inspection_result(inspection))
            yield self._tell_model_changes(stop)
            yield gen.moment
        self.initial_inspection = True
        self._check_round(stop, connection)

    @staticmethod
    def _inspection_result(inspection):
        try:
            return inspection.result()
        except CANCELLED_ERRORS:  # which may be no `Exception`, and would end the loop
            raise SyncError("The inspection was cancelled")

    def _check_round(self, stop, connection):
        if stop.is_set() or connection != self._connection_number or not self._connected.is_set():
            raise _RoundInterrupted

    # --- after failures --------------------------------------------------------------------------

    def _next_delay(self):
        """Return how many seconds to wait after a failure, and have the next take longer."""
        delay = self.resync_delay.delay
        self.resync_delay.failed()
        return delay

    @coroutine
    def _wait_to_retry(self, delay, stop):
        """Wait, but not any longer once the connection is lost."""
        if self._connected.is_set():
            yield self._pause(delay, stop, self._disconnected)
        else:  # the error is the callback's, which may have it again at once
            yield self._pause(delay, stop)

    @coroutine
    def _wait_to_reconnect(self, delay, stop):
        """Wait, the connection being about to be lost; a new one would not be any better at once."""
        give_up = self.ioloop.time() + delay
        yield self._pause(delay, stop, self._disconnected)
        if self._told_state != DISCONNECTED and not (self._connected.is_set() or stop.is_set()):
            try:
                yield self._tell_connected()
            except Exception:
                self._logger.exception("Unhandled exception in client-sync loop, which has disconnected.")
        yield self._pause(give_up - self.ioloop.time(), stop)

    @coroutine
    def _pause(self, delay, *events):
        if delay <= 0:
            yield gen.moment
            return
        try:
            yield until_any(*[event.until_set() for event in events], timeout=delay, ioloop=self.ioloop)
        except GenTimeoutError:
            pass

    # --- telling ---------------------------------------------------------------------------------

    def _tell_connected(self):
        """Tell that there is a connection, or that there is none, unless that was told last."""
        if self._connected.is_set():
            return self._send_state(*SYNCING)
        if self._told_state == DISCONNECTED and not self._told_in_vain:
            return compat.done_future(None)
        return self._send_state(*DISCONNECTED)

    @coroutine
    def _tell_model_changes(self, stop):
        changes = self._unannounced.take()
        try:
            if changes:
                yield self._send_state(*MODEL_CHANGED, model_changes=changes)
            else:
                yield self._send_state(*MODEL_UNCHANGED)
        except Exception:
            self._unannounced.give_back(changes)
            raise
        if stop.is_set():
            # The callback may not have got to the end of them.
            self._unannounced.give_back(changes)

    @coroutine
    def _send_state(self, connected, synced, model_changed, data_synced, model_changes=None):
        """Set the state and call the callback, in one go; the future is done when that has finished.

        Then the loop has to be left to others for an iteration, so that those who wait for a state see it.
        """
        state = InspectingClientStateType(connected, synced, model_changed, data_synced)
        stop = self._stop_requested
        # A stop does not wait for what was begun before it, but it does for what it leads to.
        interrupts = () if stop.is_set() else (stop,)
        self._told_state = state
        self._told_in_vain = True
        self._state.set_state(state)
        result = self._call_back(state, model_changes)
        if compat.is_awaitable(result):
            is_ours = not compat.is_future(result)
            result = compat.as_future(result)
            yield self._until_finished(result, *interrupts)
            if result.done():
                self._check_callback(result)
            else:
                log_future_exceptions(self._logger, result)
                if is_ours:
                    result.cancel()
        self._told_in_vain = False

    def _call_back(self, state, model_changes):
        callback = self._state_cb
        if callback is None:
            return None
        try:
            return callback(state, model_changes)
        except CANCELLED_ERRORS:
            # As below; it may have asked a future that somebody has cancelled for its result.
            raise StateCallbackCancelled("The state callback has met something that was cancelled")

    @staticmethod
    def _check_callback(result):
        exc_info = compat.future_exc_info(result)
        if exc_info is None:
            return
        if issubclass(exc_info[0], CANCELLED_ERRORS):
            # Which may be no `Exception`, and would end the loop.
            raise StateCallbackCancelled("The future of the state callback was cancelled")
        compat.reraise(exc_info)

    def _until_finished(self, future, *events):
        """Wait until `future` is done, whatever its outcome, or one of `events` is set."""
        finished = AsyncEvent(self.ioloop)

        def finish(future):
            # Seen, should nobody wait any more; whoever does looks again.
            compat.future_exc_info(future)
            finished.set()

        if future.done():
            finish(future)
        else:
            compat.add_loop_callback(self._calling_ioloop(), future, finish)
        return until_any(finished.until_set(), *[event.until_set() for event in events])
