"""Requests of threads that wait for the reply.

To wake the loop so that it sends a request takes longer than all else that is done for it.  So the thread
sends the request itself if it can, and leaves a note for the loop, which finds it when the reply wakes it.
"""

from __future__ import absolute_import, division, print_function

import collections
import functools
import logging
import sys

from katcp import compat, handlers
from katcp.client.shared_line import SharedLine
from katcp.compat import CANCELLED_ERRORS, get_thread_ident, lossy_str
from katcp.errors import KatcpClientError
from katcp.message import Message

# Seconds that blocking_request grants the loop beyond the timeout of the request ...
BLOCKING_MARGIN = 1
# ... and then once more to a loop that is running, but busy.
BUSY_LOOP_MARGIN = 30

# A thread that has sent a request itself tells the loop after so many seconds without a reply ...
NOTICE_AFTER = 0.01
# ... which is nothing for timeouts (seconds) from here on.
MIN_TIMEOUT = 0.1

_NO_REPLY = "Unexpected error: Async request handler did not call reply handler within timeout period"
STOPPED = "Client stopped before reply was received"


def failure_reply(request, text):
    """Return the reply with which the client itself answers a request that got no other."""
    reply = Message.reply(request.name, "fail", text)
    reply.mid = request.mid
    return reply


class BlockingRequests(object):
    """The part of an :class:`~katcp.client.AsyncClient` that lets other threads wait for replies."""

    def __init__(self, *args, **kwargs):
        # (key, entry) of requests that threads have sent, or are about to.
        self._notes = collections.deque()
        super(BlockingRequests, self).__init__(*args, **kwargs)

    def enable_thread_safety(self):
        """Let the methods that are marked as thread-safe be called in any thread; see `DeviceClient`."""
        super(BlockingRequests, self).enable_thread_safety()
        self._connection_class = SharedLine

    def _make_stream(self, sock):
        stream = super(BlockingRequests, self)._make_stream(sock)
        if type(stream) is SharedLine:
            stream.on_received = self._read_notes
        return stream

    def blocking_request(self, msg, timeout=None, use_mid=None):
        """Send a request and wait for the reply; for any thread but that of the loop.

        Parameters
        ----------
        msg, timeout, use_mid
            See `callback_request`.

        Returns
        -------
        reply : Message
            Timeouts and lost connections give one that says ``fail``.
        informs : list of Message

        Raises
        ------
        AssertionError
            If this is the thread of the loop, or `msg` is no request.
        RuntimeError
            If the loop of the client is not running.
        """
        if get_thread_ident() == self.ioloop_thread_id:
            raise AssertionError("Cannot call blocking_request() in ioloop")
        self._check_callable("blocking_request")
        waits = self._loop_waits
        wait = waits.enter()
        if wait is None:
            raise RuntimeError("IOLoop is closing: the client has stopped, cannot call blocking_request()")
        try:
            if not self._send_in_this_thread(wait, msg, timeout, use_mid):
                self._calls.call(self._start_blocking_request, wait, msg, timeout, use_mid)
                self._block(wait, timeout)
            elif not wait.block(NOTICE_AFTER):
                self._calls.call(self._read_notes)
                self._block(wait, timeout)
        finally:
            waits.leave(wait)
        if wait.finished:
            return wait.outcome()
        if waits.dismissed and self._stop_requested.is_set():
            return failure_reply(msg, STOPPED), []
        raise RuntimeError(_NO_REPLY)

    def _block(self, wait, timeout):
        """Wait until somebody wakes this thread, or the loop has had time enough to do so."""
        patience = self._request_timeout if timeout is None else timeout
        if patience is not None:
            patience += BLOCKING_MARGIN
        if not wait.block(patience, self._notice_closed_loop) and compat.ioloop_is_running(self._ioloop):
            wait.block(BUSY_LOOP_MARGIN)

    # --- sent by the loop ------------------------------------------------------------------------

    def _start_blocking_request(self, wait, msg, timeout, use_mid):
        try:
            if self._future_request_is_replaced():
                future = self.future_request(msg, timeout, use_mid)
                compat.add_loop_callback(self._ioloop, future, wait.follow)
                return
            # Otherwise a future, and the loop iteration that it needs to tell, can be done without.
            informs = []
            self.callback_request(msg, reply_cb=functools.partial(_finish_wait, wait, informs),
                                  inform_cb=informs.append, timeout=timeout, use_mid=use_mid)
            if self._stream is not None and not len(self._calls):
                # A thread waits; nothing else that could be sent along is on its way.
                self._stream.flush()
        except (Exception,) + CANCELLED_ERRORS:
            wait.finish(exc_info=sys.exc_info())

    def _future_request_is_replaced(self):
        return "future_request" in self.__dict__ or type(self).future_request != self._original_steps[0][0]

    def _is_any_step_replaced(self):
        """Whether users or tests have put anything in the place of what a request goes through."""
        if self._steps_seen_at is not handlers.latest_change:
            self._look_at_class()
        own, covers = self.__dict__, self._covers
        # Methods of subclasses are not covered unless they are marked.
        return (not self._keeps_sending
                or own.get("callback_request") is not covers.get("callback_request")
                or own.get("send_message") is not covers.get("send_message")
                or "future_request" in own or "send_request" in own or "_next_id" in own)

    # --- sent by the thread that waits -----------------------------------------------------------

    def _send_in_this_thread(self, wait, msg, timeout, use_mid):
        """Send a request in the calling thread, if nothing speaks against it; return whether it is sent."""
        stream = self._stream
        if type(stream) is not SharedLine or not self._overtakes_nothing(stream):
            return False
        if timeout is None:
            timeout = self._request_timeout
        if not (timeout is None or type(timeout) in (int, float) and timeout >= MIN_TIMEOUT):
            return False
        if not (use_mid in (None, True) and self._server_supports_ids is True and type(msg) is Message
                and msg.mtype == Message.REQUEST and msg.mid is None):
            return False
        if self._is_any_step_replaced():
            return False
        msg.mid = key = self._next_id(any_thread=True)
        data = msg.__bytes__() + b"\n"
        informs = []
        now = self._ioloop.time()
        entry = (msg, functools.partial(_finish_wait, wait, informs), informs.append, None,
                 None if timeout is None else [now + timeout, key, now])
        if self._logger.isEnabledFor(logging.DEBUG):
            self._log_sending(data)
        # Before it is sent, so that it is there when the reply is.
        self._notes.append((key, entry))
        if not stream.send_from_thread(data):
            self._calls.call(self._send_noted, key, entry)
        return True

    def _overtakes_nothing(self, stream):
        """Whether nothing is on its way into the loop that this thread might have asked for before."""
        return self._calls.is_idle() and stream.next_turn_is_empty()

    def _read_notes(self):
        """File the requests that other threads have sent as pending ones."""
        notes = self._notes
        while notes:
            key, entry = notes.popleft()
            try:
                self._pending.add(key, entry)
            except KatcpClientError as exc:
                self._call_back("Callback reply", entry[1], failure_reply(entry[0], lossy_str(exc)), None)
            else:
                if entry[4] is not None:
                    self._deadlines.add(entry[4], self._ioloop.time(), self._ioloop)

    def _send_noted(self, key, entry):
        """Send what a thread could not, unless it has been given up already."""
        self._read_notes()
        if self._pending.queue.get(key) is entry:
            try:
                self.send_request(entry[0])
            except KatcpClientError as exc:
                self._fail_unsent(key, entry, lossy_str(exc))


def _finish_wait(wait, informs, reply):
    wait.finish((reply, informs))
