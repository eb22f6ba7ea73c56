"""The thread in which message handlers run, where they may block.

Messages come in from the loop's thread, one by one through `MessageHandlerThread.on_message` or a
connection's batch at a time, and wait in one queue.  Waking the thread costs more than handling a
message, hence it is woken once, when the queue was empty, and not for each message.
"""

from __future__ import absolute_import, division, print_function

import collections
import logging
import sys
import threading
from functools import partial
from timeit import default_timer

from katcp import compat
from katcp.compat import ThreadsafeFuture, is_awaitable, is_future
from katcp.message import Message
from katcp.server.failures import reply_to_failed_message

log = logging.getLogger("katcp.server")

MAX_QUEUED_MESSAGES = 300

# A batch that has messages left after this many seconds lets the others in the queue go first.
BATCH_BUDGET = 0.002

# How long a start waits for the end of the thread that has just been told to stop, in seconds.
RESTART_TIMEOUT = 1.0


class MessageBatch(object):
    """Messages of one connection, to be handled one after the other.

    Parameters
    ----------
    connection : ClientConnection
        The client that sent them.
    messages : collections.deque
        The messages. What is no :class:`~katcp.Message` is called instead of handled.
    is_closing : callable
        ``is_closing()`` tells whether the client is gone; then the rest is dropped.
    on_finished : callable
        ``on_finished()`` is called, in any thread, when all have been handled or dropped.
    """

    __slots__ = ("connection", "messages", "is_closing", "on_finished")

    def __init__(self, connection, messages, is_closing, on_finished):
        self.connection = connection
        self.messages = messages
        self.is_closing = is_closing
        self.on_finished = on_finished

    def drop(self):
        """Handle no more of the messages."""
        self.messages.clear()
        self.on_finished()


class MessageHandlerThread(object):
    """Calls ``handler(client_conn, msg)`` for the messages of all connections, in one thread.

    In that thread ``IOLoop.current()`` is the server's loop, so that handlers may be coroutines; what
    follows their first wait runs in the thread of the loop.

    Parameters
    ----------
    handler : bound method
        ``handler(client_conn, msg)``. May return a future, or anything else that can be awaited.
    log_inform_formatter : callable
        ``log_inform_formatter(level_name, text, logger_name)`` returns a ``#log`` inform for the client
        whose message could not be handled.
    logger : logging.Logger
        Where to log.

    Attributes
    ----------
    name : str
        Name of the thread.
    ioloop : tornado IOLoop or None
        The loop that futures of the handler belong to.
    """

    def __init__(self, handler, log_inform_formatter, logger=log):
        self.handler = handler
        self.log_inform_formatter = log_inform_formatter
        owner = handler.__self__
        self.name = "%s.message_handler" % (getattr(owner, "name", type(owner).__name__),)
        self.ioloop = None
        self._logger = logger
        self._daemonic = False
        self._thread = None
        self._running = threading.Event()
        # Batches, and (future, client_conn, msg) for single messages.
        self._msg_queue = collections.deque()
        # Guards the four below; the thread sleeps on _wake, which is locked unless it is to wake up.
        self._lock = threading.Lock()
        self._sleeping = False
        self._stop_requested = False
        self._ended = False
        self._wake = threading.Lock()
        self._wake.acquire()

    def set_ioloop(self, ioloop):
        """Set the loop that futures of the handler belong to."""
        self.ioloop = ioloop

    def setDaemon(self, daemonic):
        """Set whether the thread is a daemon; before `start`."""
        self._daemonic = daemonic

    # --- handing over ----------------------------------------------------------------------------

    def on_message(self, client_conn, msg):
        """Have a message handled.

        Parameters
        ----------
        client_conn : ClientConnection
            The client that sent it.
        msg : Message
            The message.

        Returns
        -------
        concurrent.futures.Future
            Resolves when the handler is done, and if it returned a future, when that is done; fails with
            its exception.

        Raises
        ------
        RuntimeError
            If 300 messages are waiting already.
        """
        if len(self._msg_queue) >= MAX_QUEUED_MESSAGES:
            raise RuntimeError("MessageHandlerThread unhandled message queue full, not handling message")
        future = ThreadsafeFuture()
        self._put((future, client_conn, msg))
        return future

    def handle_batch(self, batch):
        """Have the messages of a :class:`MessageBatch` handled, each when the one before is answered."""
        self._put(batch)

    def _put(self, entry):
        with self._lock:
            if not self._ended:
                self._msg_queue.append(entry)
                if self._sleeping:
                    self._sleeping = False
                    self._wake.release()
                return
        self._drop(entry)

    @staticmethod
    def _drop(entry):
        if isinstance(entry, MessageBatch):
            entry.drop()
        else:
            compat.resolve(entry[0])

    # --- life ------------------------------------------------------------------------------------

    def start(self, timeout=None):
        """Start the thread.

        Parameters
        ----------
        timeout : float or None
            How long to wait until it runs, in seconds; None for not at all.

        Returns
        -------
        bool or None
            If a timeout was given, whether it runs.

        Raises
        ------
        RuntimeError
            If it runs already.
        """
        if not self.end_if_stopping():
            raise RuntimeError("Cannot start since thread is already running")
        self._stop_requested = False
        self._ended = False
        self._thread = threading.Thread(target=self.run, name=self.name)
        self._thread.daemon = self._daemonic
        self._thread.start()
        if timeout:
            return self.wait_running(timeout)

    def end_if_stopping(self):
        """Return whether the thread has ended, giving one that has been told to a moment to do so."""
        thread = self._thread
        if thread is None or not thread.is_alive():
            return True
        if not self._stop_requested or thread is threading.current_thread():
            return False
        thread.join(RESTART_TIMEOUT)
        return not thread.is_alive()

    def stop(self, timeout=1.0):
        """Have the thread end when the messages in the queue are handled; does not wait for that.

        Parameters
        ----------
        timeout : float or None
            Not needed any more: a thread that is just being started is stopped all the same.
        """
        with self._lock:
            self._stop_requested = True
            if self._sleeping:
                self._sleeping = False
                self._wake.release()

    def join(self, timeout=None):
        """Wait until the thread has ended, at most `timeout` seconds."""
        if self._thread is not None:
            self._thread.join(timeout)

    def isAlive(self):
        """Return whether the thread is alive; None if it was never started."""
        return None if self._thread is None else self._thread.is_alive()

    def running(self):
        """Return whether messages are being handled."""
        return self._running.is_set()

    def wait_running(self, timeout=None):
        """Wait until messages are being handled, at most `timeout` seconds; return whether they are."""
        self._running.wait(timeout)
        return self._running.is_set()

    def run(self):
        """Handle messages until `stop` is called; this is what the thread executes."""
        if self.ioloop is not None:
            compat.make_ioloop_current(self.ioloop)
        self._running.set()
        try:
            self._handle_queue()
        finally:
            with self._lock:
                self._ended = True
                left, self._msg_queue = self._msg_queue, collections.deque()
            self._running.clear()
            for entry in left:
                self._drop(entry)
            if self.ioloop is not None:
                compat.make_ioloop_current(None)
        self._logger.info("Message handler thread stopped.")

    def _handle_queue(self):
        queue = self._msg_queue
        while True:
            if not queue:
                with self._lock:
                    if queue:
                        continue
                    if self._stop_requested:
                        return
                    self._sleeping = True
                self._wake.acquire()
                continue
            entry = queue.popleft()
            try:
                if isinstance(entry, MessageBatch):
                    self._handle_batch(entry)
                else:
                    self._handle_single(*entry)
            except BaseException:
                self._handle_the_rest(entry, sys.exc_info())

    def _handle_the_rest(self, entry, exc_info):
        """Go on after what has failed was no handler but the report of a failure to log or client."""
        try:
            self._logger.error("Error reporting a failure", exc_info=exc_info)
        except BaseException:
            pass  # the log itself is what fails
        if isinstance(entry, MessageBatch) and entry.messages:
            self._put(entry)
        else:
            self._drop(entry)

    # --- handling --------------------------------------------------------------------------------

    def _handle_single(self, ready_future, client_conn, msg):
        try:
            result = self.handler(client_conn, msg)
        except BaseException:  # the thread has to survive whatever a handler does
            exc_info = sys.exc_info()
            self._report(client_conn, msg, exc_info)
            compat.fail(ready_future, exc_info)
            return
        if result is None or not is_awaitable(result):
            compat.resolve(ready_future)
        else:
            self._when_done(result, partial(self._single_done, ready_future, client_conn, msg))

    def _single_done(self, ready_future, client_conn, msg, future):
        exc_info = compat.future_exc_info(future)
        if exc_info is None:
            compat.resolve(ready_future)
        else:
            self._report(client_conn, msg, exc_info)
            compat.fail(ready_future, exc_info)

    def _handle_batch(self, batch):
        handler = self.handler
        connection = batch.connection
        messages = batch.messages
        is_closing = batch.is_closing
        queue = self._msg_queue
        deadline = None
        while messages and not is_closing():
            msg = messages.popleft()
            if type(msg) is not Message:
                msg()
                continue
            try:
                result = handler(connection, msg)
            except BaseException:
                self._report(connection, msg, sys.exc_info())
                continue
            if result is not None and is_awaitable(result):
                if is_future(result) and result.done():
                    exc_info = compat.future_exc_info(result)
                    if exc_info is not None:
                        self._report(connection, msg, exc_info)
                else:
                    self._when_done(result, partial(self._continue_batch, batch, msg))
                    return
            if queue and messages:
                now = default_timer()
                if deadline is None:
                    deadline = now + BATCH_BUDGET
                elif now > deadline:
                    self._put(batch)
                    return
        batch.drop()

    def _continue_batch(self, batch, msg, future):
        exc_info = compat.future_exc_info(future)
        if exc_info is not None:
            self._report(batch.connection, msg, exc_info)
        if batch.messages:
            self._put(batch)
        else:
            batch.drop()

    def _when_done(self, awaitable, callback):
        """Have ``callback(future)`` called, in any thread, when what a handler returned is done."""
        if isinstance(awaitable, compat.ConcurrentFuture):
            awaitable.add_done_callback(callback)
        else:
            self.ioloop.add_callback(self._watch, awaitable, callback)

    def _watch(self, awaitable, callback):
        try:
            future = compat.as_future(awaitable)
        except Exception:
            future = compat.failed_future(sys.exc_info())
        if future.done():
            callback(future)
        else:
            compat.add_loop_callback(self.ioloop, future, callback)

    def _report(self, client_conn, msg, exc_info):
        """Tell the log and the client that the handler failed; request handlers never end up here."""
        try:
            text = "Error calling message handler for msg:\n %s" % (msg.log_text(),)
            self._logger.error(text, exc_info=exc_info)
            client_conn.inform(self.log_inform_formatter("error", "See device logs:\n" + text, "root"))
            reply_to_failed_message(client_conn, msg, exc_info)
        except Exception:
            self._logger.error("Error reporting a failure to a client", exc_info=True)
