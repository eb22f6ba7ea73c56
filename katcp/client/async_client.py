"""A client that knows which request a reply belongs to."""

from __future__ import absolute_import, division, print_function

import functools
import logging
import sys

from katcp import compat, handlers
from katcp.client.blocking_requests import STOPPED, BlockingRequests, failure_reply
from katcp.client.device_client import MAX_MSG_ID, DeviceClient, log
from katcp.client.pending import MAX_TIMEOUTS_IN_A_ROW, DeadlineQueue, PendingRequests, with_handle
from katcp.client.steps import Steps
from katcp.client.thread_safety import make_threadsafe
from katcp.compat import CANCELLED_ERRORS, get_thread_ident, lossy_str
from katcp.errors import KatcpClientError
from katcp.line_connection import LineConnection
from katcp.log_records import record_text
from katcp.message import Message

_REQUEST, _REPLY = Message.REQUEST, Message.REPLY

_CLOSED = "Connection closed before reply was received"

_NOTHING = (None, None, None, None, None)


class AsyncClient(BlockingRequests, Steps, DeviceClient):
    """A `DeviceClient` that matches replies and informs with the requests it has sent.

    Requests are sent with `callback_request`, `future_request` or, from other threads,
    `blocking_request`.  Each gets exactly one reply: if the server gives none in time, or cannot be reached,
    the client makes one that says ``fail`` and why.

    Parameters
    ----------
    host, port, tb_limit, logger, auto_reconnect
        See `DeviceClient`.
    timeout : float or None, optional
        Seconds that a request may take unless it has a timeout of its own; None for ever.

    Examples
    --------
    ::

        client = AsyncClient("localhost", 5000)
        client.set_ioloop()
        client.start()
        yield client.until_protocol()
        reply, informs = yield client.future_request(Message.request("sensor-list"))
    """

    # (reply, key, entry) of the request that could not be sent, while its failure is being handled.
    _unsent = None

    def __init__(self, host, port, tb_limit=20, timeout=5.0, logger=log, auto_reconnect=True):
        self._request_timeout = timeout
        self._pending = PendingRequests()
        self._async_queue = self._pending.queue
        self._async_id_stack = self._pending.id_stack
        self._deadlines = DeadlineQueue(self._deadline_passed, self._async_queue)
        super(AsyncClient, self).__init__(host, port, tb_limit=tb_limit, logger=logger,
                                          auto_reconnect=auto_reconnect)

    def _init_state_per_run(self, ioloop):
        super(AsyncClient, self)._init_state_per_run(ioloop)
        self._new_plain_future = None if ioloop is None else compat.plain_future_factory(ioloop)
        # Left behind on a loop that was closed without a stop: their timer will never fire.
        self._reset_async_requests()

    def stop(self, *args, **kwargs):
        """Stop the client as `DeviceClient.stop` does; pending requests are answered with a failure."""
        super(AsyncClient, self).stop(*args, **kwargs)

    # --- requests --------------------------------------------------------------------------------

    @make_threadsafe
    def callback_request(self, msg, reply_cb=None, inform_cb=None, user_data=None, timeout=None,
                         use_mid=None):
        """Send a request and have callbacks called with the reply and the informs that belong to it.

        For the thread of the loop, where the callbacks run; with thread safety other threads may call it
        as well.

        Parameters
        ----------
        msg : Message
            The request.  Gets a message id, if it has none and one is used.
        reply_cb : callable, optional
            ``reply_cb(reply, *user_data)`` is called exactly once, after all informs.  Without it the reply
            goes to the handlers.
        inform_cb : callable, optional
            ``inform_cb(inform, *user_data)`` is called for each inform.  Without it they go to the
            handlers.
        user_data : iterable, optional
            More arguments for the callbacks.
        timeout : float, optional
            Seconds after which the client replies with a failure; by default the client's timeout.
        use_mid : bool, optional
            Whether to use a message id; by default if the server supports them.

        Raises
        ------
        AssertionError
            If `msg` is no request, or this is not the thread of the loop.
        """
        if get_thread_ident() != self.ioloop_thread_id:
            self._check_loop_thread("callback_request")
        if timeout is None:
            timeout = self._request_timeout
        if self._steps_seen_at is not handlers.latest_change:
            self._look_at_class()
        own = self.__dict__
        stream = self._stream
        # Thread-safe clients have covers for some of their steps.
        direct = (self._keeps_sending and type(stream) is LineConnection
                  and self._server_supports_ids and msg.mtype == _REQUEST and "send_request" not in own
                  and "send_message" not in own and "_next_id" not in own)
        key = msg.mid
        if key is None:
            key = self._free_id() if direct else self._next_id()
            if self._server_supports_ids if use_mid is None else use_mid:
                msg.mid = key
            else:
                key = (key,)
        if timeout is None:
            deadline = None
        else:
            now = self._ioloop.time()
            # A timeout that is no number fails here, before anything is sent.
            deadline = [now + timeout, key, now]
        entry = (msg, reply_cb, inform_cb, user_data, deadline)
        pending = self._pending
        if stream is not None:
            # While others are pending there is likely to be more to send along with this.
            stream.urgent = not pending.queue
        try:
            pending.add(key, entry)
            if direct:
                data = msg.__bytes__() + b"\n"
                if self._logger.isEnabledFor(logging.DEBUG):
                    self._log_sending(data)
                try:
                    stream.send(data)
                except Exception:
                    self._sending_failed(stream, msg)
            else:
                self.send_request(msg)
                if deadline is not None:
                    # Whoever has replaced a step may have made other requests meanwhile.
                    now = self._ioloop.time()
            if deadline is not None:
                self._deadlines.add(deadline, now, self._ioloop)
        except KatcpClientError as exc:
            self._fail_unsent(key, entry, lossy_str(exc))
        except BaseException:
            if pending.queue.get(key) is entry:
                pending.remove(key)
            raise

    def _free_id(self):
        queue = self._async_queue
        number = self._last_msg_id
        while True:
            number = number % MAX_MSG_ID + 1
            mid = b"%d" % number
            if mid not in queue and not (self._async_id_stack and (mid,) in queue):
                self._last_msg_id = number
                return mid

    def future_request(self, msg, timeout=None, use_mid=None):
        """Send a request and return a future for the answer.

        For the thread of the loop.  With thread safety other threads may call it as well and wait for the
        future's result.

        Parameters
        ----------
        msg, timeout, use_mid
            See `callback_request`.

        Returns
        -------
        future
            Resolves with ``(reply, informs)``, a Message and a list of Messages.  Timeouts and lost
            connections give a reply that says ``fail``; the errors that `callback_request` raises make the
            future fail.
        """
        if get_thread_ident() != self.ioloop_thread_id:
            return self._future_request_from_thread(msg, timeout, use_mid)
        return self._request_for(self._new_plain_future(), msg, timeout, use_mid)

    def linked_request(self, msg, timeout=None, use_mid=None):
        """Do what `future_request` does, for callers whose own futures follow the returned one.

        It tells them at once (see `katcp.linked_futures`), and is slower to wait for.
        """
        if get_thread_ident() != self.ioloop_thread_id or self._future_request_is_replaced():
            return self.future_request(msg, timeout, use_mid)
        return self._request_for(compat.new_future(self._ioloop), msg, timeout, use_mid)

    def _request_for(self, future, msg, timeout, use_mid):
        """Send a request and have `future` resolved with the answer; return it."""
        informs = []
        try:
            self.callback_request(msg, functools.partial(_resolve, future, informs), informs.append, None,
                                  timeout, use_mid)
        except Exception:
            compat.fail(future, sys.exc_info())
        return future

    def _future_request_from_thread(self, msg, timeout, use_mid):
        try:
            self._check_started("future_request")
            if not self.threadsafe:
                self._check_loop_thread("future_request")
        except Exception:
            return compat.failed_future(sys.exc_info())
        future = self._request_for(compat.ThreadsafeFuture(), msg, timeout, use_mid)
        self._loop_waits.watch(future)
        return future

    def _call_for_thread(self, meth, args, kwargs):
        try:
            meth(*args, **kwargs)
        except (Exception,) + CANCELLED_ERRORS as exc:
            self._logger.error(record_text("Unhandled exception in %s() called by another thread",
                                           meth.__name__), exc_info=True)
            if meth.__name__ == "callback_request":
                self._reply_for_thread(lossy_str(exc), *args, **kwargs)

    def _reply_for_thread(self, reason, msg, reply_cb=None, inform_cb=None, user_data=None, timeout=None,
                          use_mid=None):
        """Who called callback_request in another thread gets no exception: reply instead."""
        if isinstance(msg, Message):
            self._do_fail_callback(reason, msg, reply_cb, inform_cb, user_data, None)

    # --- received messages -----------------------------------------------------------------------

    def _handle_line(self, line):
        try:
            msg = self._parser.parse(line)
        except Exception:
            self._log_traceback("BAD COMMAND: %s")
            return
        if msg.mtype == _REPLY:
            queue = self._async_queue
            entry = queue.get(msg.mid)
            if entry is not None:
                request, reply_cb, _, user_data, _ = entry
                if self._steps_seen_at is not handlers.latest_change:
                    self._look_at_class()
                own = self.__dict__
                if (reply_cb is not None and request.name == msg.name and self._keeps_receiving
                        and "handle_message" not in own and "handle_reply" not in own
                        and not self._logger.isEnabledFor(logging.DEBUG)):
                    del queue[msg.mid]
                    if not queue:
                        self._expect_nothing()
                    self._call_back("Callback reply", reply_cb, msg, user_data)
                    return
        self._handle_parsed(msg)

    def _expect_nothing(self):
        if self._stream is not None:
            # Whoever made this request is likely to make the next one.
            self._stream.wake_at_once()

    def handle_inform(self, msg):
        """Give an inform to the callback of its request; others go to the handlers.

        Futures of handlers are not waited for.
        """
        pending = self._pending
        if pending.queue:
            key = pending.find(msg)
            if key is not None:
                _, _, inform_cb, user_data, _ = pending.queue[key]
                if inform_cb is not None:
                    self._call_back("Callback inform", inform_cb, msg, user_data)
                    return
        self._watch("Inform", msg, super(AsyncClient, self).handle_inform(msg))

    def handle_reply(self, msg):
        """Give a reply to the callback of its request; others go to the handlers.

        Futures of handlers are not waited for.
        """
        pending = self._pending
        unsent = self._unsent
        if unsent is not None and unsent[0] is msg:
            _, key, entry = unsent
            self._unsent = None
            if pending.queue.get(key) is entry:
                pending.remove(key)
        else:
            if msg.mid is None:
                entry = self._take_without_id(msg)
            else:
                entry = pending.take(msg)
            if not pending.queue:
                self._expect_nothing()
        if entry is None:
            self._watch("Reply", msg, super(AsyncClient, self).handle_reply(msg))
        elif entry[1] is None:
            outer, self._expected_reply = self._expected_reply, msg
            try:
                self._watch("Reply", msg, super(AsyncClient, self).handle_reply(msg))
            finally:
                self._expected_reply = outer
        else:
            self._call_back("Callback reply", entry[1], msg, entry[3])

    def _take_without_id(self, reply):
        """Take out and return the entry of the request that a reply without an id answers, or None.

        For a late reply that is one without callbacks.
        """
        pending, name = self._pending, reply.name
        if pending.is_late(name):
            if name in pending.id_stack:
                pending.lost_replies.reply_was_late(name)
            elif name not in pending.owed:
                pending.lost_replies.is_in_step(name)
            if self._logger.isEnabledFor(logging.INFO):
                self._logger.info(record_text("Reply from %s came after its request had timed out: %s",
                                              self.bind_address_string, reply.log_text()))
            return _NOTHING
        entry = pending.take(reply)
        if entry is not None:
            pending.lost_replies.is_in_step(name)
        return entry

    def _call_back(self, kind, callback, msg, user_data, what=None):
        try:
            result = callback(msg) if user_data is None else callback(msg, *user_data)
        except (Exception,) + CANCELLED_ERRORS:
            self._log_failed_handler(kind, msg, what)
        else:
            if result is not None:
                self._watch(kind, msg, result)

    def _watch(self, kind, msg, result):
        """Have the failure of a handler's future logged, which nobody waits for."""
        if result is None or not compat.is_awaitable(result):
            return
        name = msg.name

        def log_failure(future):
            exc_info = compat.future_exc_info(future)
            suffix = None if exc_info is None else self._handler_failures.suffix(
                exc_info, kind, name)
            if suffix is not None:
                self._logger.error(record_text("%s %s FAIL: %s%s", kind, name, lossy_str(exc_info[1]),
                                               suffix), exc_info=exc_info)

        try:
            future = compat.as_future(result)
            if future.done():
                log_failure(future)
            else:
                compat.add_loop_callback(self._ioloop, future, log_failure)
        except Exception:
            self._log_failed_handler(kind, msg)

    # --- replies that the client makes -----------------------------------------------------------

    def _fail_unsent(self, key, entry, text):
        """Answer a request that could not be sent."""
        reply = failure_reply(entry[0], text)
        outer, self._unsent = self._unsent, (reply, key, entry)
        try:
            self.handle_reply(reply)
        finally:
            self._unsent = outer
            if not self._pending.queue:
                # A client that has been stopped must not be kept by a timer for nothing.
                self._deadlines.clear()

    def _deadline_passed(self, key, start_time):
        try:
            self._handle_timeout(key, start_time)
        except (Exception,) + CANCELLED_ERRORS:
            self._logger.exception("Unhandled exception when a request timed out")

    def _handle_timeout(self, msg_id, start_time):
        """Answer a pending request that took too long; nothing happens if it is not pending."""
        key = self._find_async_request(msg_id, None, "_handle_timeout")
        if key is not None:
            self._expect_late_reply(key)
        request, reply_cb, inform_cb, user_data, handle = self._pop_async_request(msg_id, None)
        if request is None:
            return
        reason = "Request {} timed out after {:f} seconds.".format(
            request.name, self._ioloop.time() - start_time)
        self._do_fail_callback(reason, request, reply_cb, inform_cb, user_data, handle)
        if type(key) is tuple and self._pending.lost_replies.request_timed_out(request.name):
            self._get_in_step(request.name)

    def _expect_late_reply(self, key):
        self._pending.expect_late_reply(key)

    def _get_in_step(self, name):
        """Do something about replies without ids that have all been late for some time."""
        text = record_text("Replies of %s to ?%s come too late, or one of them got lost: %d requests in a "
                           "row had none in time", self.bind_address_string, name, MAX_TIMEOUTS_IN_A_ROW)
        if not self._auto_reconnect:
            self._logger.warning(text)
            return
        self._logger.warning(text + ". Connecting anew.")
        self._disconnect()

    def _do_fail_callback(self, reason, msg, reply_cb, inform_cb, user_data, timeout_handle):
        """Give the callback of a request a reply that says why there is no other."""
        if reply_cb is None:
            return
        self._call_back("Callback reply", reply_cb, failure_reply(msg, reason), user_data,
                        "Callback reply during failure {},".format(reason))

    def _fail_waiting_requests(self, reason):
        """Have all pending requests answered with a failure, soon."""
        self._read_notes()
        entries = self._pending.remove_all()
        self._deadlines.clear()
        for entry in entries:
            self._ioloop.add_callback(self._do_fail_callback, reason, *entry)

    def _about_to_stop(self):
        self._fail_waiting_requests(STOPPED)

    def _stream_closed_callback(self, stream):
        if stream is self._stream:
            super(AsyncClient, self)._stream_closed_callback(stream)
            self._fail_waiting_requests(_CLOSED)

    # --- the table of pending requests -----------------------------------------------------------

    def _push_async_request(self, msg_id, request, reply_cb, inform_cb, user_data, timeout_handle):
        """Note down a request that is going to be sent."""
        self._check_loop_thread("_push_async_request")
        self._pending.add(self._pending.key_for(msg_id, request),
                          (request, reply_cb, inform_cb, user_data, timeout_handle))

    def _pop_async_request(self, msg_id, msg_name):
        """Take out and return the entry of a pending request, or five Nones.

        An id of None stands for the oldest request of that name.
        """
        key = self._find_async_request(msg_id, msg_name, "_pop_async_request")
        return _NOTHING if key is None else with_handle(self._pending.remove(key))

    def _peek_async_request(self, msg_id, msg_name):
        """Return the entry of a pending request, or five Nones; see `_pop_async_request`."""
        key = self._find_async_request(msg_id, msg_name, "_peek_async_request")
        return _NOTHING if key is None else with_handle(self._async_queue[key])

    def _find_async_request(self, msg_id, msg_name, caller):
        self._check_loop_thread(caller)
        if msg_id is None:
            return self._pending.oldest(msg_name)
        for key in (msg_id, (msg_id,)):
            if key in self._async_queue:
                return key
        return None

    def _msg_id_for_name(self, msg_name):
        """Return the id of the oldest pending request of that name, or None."""
        key = self._pending.oldest(msg_name)
        return key[0] if type(key) is tuple else key

    def _reset_async_requests(self):
        """Forget all pending requests without answering them."""
        self._notes.clear()
        self._pending.remove_all()
        self._deadlines.clear()


def _resolve(future, informs, reply):
    if not future.done():  # nobody may want it any more
        future.set_result((reply, informs))


AsyncClient._defines_steps()
