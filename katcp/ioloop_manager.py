"""Whose ioloop it is, in which thread it runs, and how other threads call into it.

`IOLoopManager` runs a loop of its own in a thread, or hands out one that somebody else runs.
`IOLoopThreadWrapper` and `ThreadSafeMethodAttrWrapper` let other threads use objects that belong to
the thread of a loop.
"""

from __future__ import absolute_import, division, print_function

import functools
import inspect
import logging
import sys
import threading
import time
from concurrent.futures import Future, TimeoutError  # noqa: F401

import tornado
import tornado.ioloop
from tornado import gen  # noqa: F401
from tornado.concurrent import Future as tornado_Future  # noqa: F401

from katcp import compat, handover
from katcp.compat import AsyncIOLoop, get_thread_ident  # noqa: F401
from katcp.log_records import record_text
from katcp.object_proxies import AbstractProxy, ObjectWrapper
from katcp.waiting import until_done_or, wait_loop

log = logging.getLogger("katcp.ioloop_manager")

# How many seconds the asyncio tasks that are left when a managed loop stops have to end themselves.
TASK_END_TIMEOUT = 0.5

# How many seconds `IOLoopManager.on_loop_end` may take.
TIDY_UP_TIMEOUT = 5.0
# How many seconds longer to block than a function that knows its own timeout may take: what it has to
# say when its time is up tells more than that it is.
TIMEOUT_GRACE = 0.1


def with_relative_timeout(timeout, future, io_loop=None):
    """Put a time limit on a future.

    Parameters
    ----------
    timeout : float
        Seconds from now, by the wall clock.
    future : future
        It is not cancelled when the time is up.
    io_loop : tornado.ioloop.IOLoop, optional
        The loop that runs the timeout; by default the current one.

    Returns
    -------
    future
        Resolves like `future`, or fails with ``tornado.gen.TimeoutError`` when the time is up.
    """
    deadline = time.time() + timeout
    if future.done():
        return future
    return until_done_or(deadline, future, wait_loop(io_loop))


class _ManagedRun(object):
    """One run of a loop in a thread of ours, from `IOLoopManager.start` until the loop is closed."""

    def __init__(self, ioloop):
        self.ioloop = ioloop
        self.thread = None
        # Whether the loop has been told to stop; its manager can then begin the next run.
        self.stopping = False
        # What `IOLoopManager.stop` has returned.
        self.stop_futures = []


class IOLoopManager(object):
    """Manages an ioloop: one of its own, in a thread of its own, or somebody else's.

    All methods may be called from any thread.

    Parameters
    ----------
    managed_default : bool, optional
        Whether the loop is made here and run in its own thread (*managed*); otherwise it is the
        current loop of the thread that first calls `get_ioloop`, or what `set_ioloop` is given, and
        somebody else runs it (*unmanaged*).
    logger : logging.Logger, optional

    Attributes
    ----------
    on_loop_end : callable or None
        ``on_loop_end()`` is called on a managed loop that has ended without `stop`, before it is
        closed; may return a future, which is waited for, though not for long.  To be set before `start`.

    Examples
    --------
    ::

        manager = IOLoopManager()
        ioloop = manager.get_ioloop()
        manager.start(timeout=1)
        ioloop.add_callback(work)
        ...
        manager.stop()
        manager.join()

    Notes
    -----
    A managed loop never becomes the current loop of the thread that makes it, and can be started from
    code that an asyncio loop is running.
    """

    def __init__(self, managed_default=True, logger=log):
        self._ioloop_managed = managed_default
        self._logger = logger
        self._ioloop_thread = None
        self._ioloop = None
        # Whether somebody has chosen the unmanaged loop, so that `loop_for_start` must not.
        self._ioloop_given = False
        self._running = threading.Event()
        self._start_lock = threading.Lock()
        self._daemonize = False
        self.on_loop_end = None
        # The latest `_ManagedRun`, until its loop is closed.
        self._run = None
        # The futures of stops asked for before the managed loop was started.
        self._early_stop_futures = []

    @property
    def managed(self):
        """Whether the loop is run in a thread of ours."""
        return self._ioloop_managed

    def setDaemon(self, daemonic):
        """Set whether the thread of a managed loop keeps the program from ending; before `start`."""
        self._daemonize = daemonic

    def get_ioloop(self):
        """Return the loop, which is made (managed) or looked up (unmanaged) the first time.

        It stays the same until a managed loop is stopped; then there will be a new one.
        """
        with self._start_lock:
            run = self._run
            if (run is not None and run.stopping
                    and run.thread is threading.current_thread()):
                # What the loop runs while it is being stopped is about this loop, not the next.
                return run.ioloop
            if self._ioloop is None:
                if self._ioloop_managed:
                    self._ioloop = compat.new_ioloop()
                else:
                    self._ioloop = tornado.ioloop.IOLoop.current()
            return self._ioloop

    def set_ioloop(self, ioloop, managed=None):
        """Use `ioloop`.

        Parameters
        ----------
        ioloop : tornado.ioloop.IOLoop or None
            None leaves it to `get_ioloop`.
        managed : bool, optional
            Whether to run the loop in a thread of ours, and close it in the end; by default as the
            manager was made.

        Raises
        ------
        RuntimeError
            If there is a loop already.
        """
        with self._start_lock:
            if managed is not None:
                self._ioloop_managed = managed
            if self._ioloop is not None:
                raise RuntimeError("IOLoop instance already set")
            if ioloop is not None:
                self._ioloop = ioloop
                self._ioloop_given = True

    def note_current_ioloop(self):
        """Note the current loop of this thread, if it has one, as one that `loop_for_start` may choose."""
        self._ioloop = compat.current_ioloop()

    def loop_for_start(self):
        """Return the loop to start something on now.

        Returns
        -------
        tornado.ioloop.IOLoop
            As of `get_ioloop`, but for an unmanaged loop that `set_ioloop` was not given.  That is chosen
            anew: the last one if it is running, in whatever thread; otherwise the current one of this
            thread; or if there is none, the last one, unless it is closed.
        """
        with self._start_lock:
            if not self._ioloop_managed and not self._ioloop_given:
                self._ioloop = self._choose_ioloop(self._ioloop)
        return self.get_ioloop()

    @staticmethod
    def _choose_ioloop(last):
        if last is not None and compat.ioloop_is_running(last):
            return last
        current = compat.current_ioloop()
        if current is not None and not compat.ioloop_is_closed(current):
            return current
        if last is not None and not compat.ioloop_is_closed(last):
            return last
        return tornado.ioloop.IOLoop.current()

    def start(self, timeout=None):
        """Run the managed loop in its thread; of an unmanaged one note that it is in use.

        Everything that has been added to the loop with ``add_callback`` before is run before the
        loop counts as running.

        Parameters
        ----------
        timeout : float, optional
            For how many seconds to wait until a managed loop runs.  An unmanaged one, for which
            somebody else is responsible, counts as running at once.

        Returns
        -------
        bool or None
            Whether the loop runs; None without a timeout.

        Raises
        ------
        RuntimeError
            If there is no loop yet (call `get_ioloop` or `set_ioloop` first), or the managed loop
            has been started and not stopped.
        """
        with self._start_lock:
            if self._ioloop is None:
                raise RuntimeError("Call get_ioloop() or set_ioloop() first")
            compat.allow_late_timers(self._ioloop)
            if not self._ioloop_managed:
                self._running.set()
            elif self._run is not None and not self._run.stopping:
                raise RuntimeError("Seems that managed ioloop has already been started, can only "
                                   "restart after stop()")
            else:
                self._run_managed_ioloop()
        if timeout:
            return self._running.wait(timeout)

    def _run_managed_ioloop(self):
        assert self._ioloop_managed
        run = _ManagedRun(self._ioloop)
        run.stop_futures = self._early_stop_futures
        run.thread = threading.Thread(
            target=self._run_in_thread, args=(run, self._run), name="katcp-ioloop")
        run.thread.daemon = self._daemonize
        run.ioloop.add_callback(self._running.set)
        run.thread.start()
        self._run = run
        self._ioloop_thread = run.thread
        self._early_stop_futures = []

    def _run_in_thread(self, run, previous):
        try:
            if previous is not None:
                previous.thread.join()
            self._run_until_closed(run)
        except BaseException:  # SystemExit, too, would end this thread without a word
            self._logger.error("Error running tornado IOloop: ", exc_info=True)
        handover.loop_has_ended(run.ioloop)
        with self._start_lock:
            self._retire(run)
            if self._run is run:
                self._run = None
        self._logger.info(record_text("Managed tornado IOloop %s stopped", run.ioloop))
        for future in run.stop_futures:
            compat.resolve(future)

    def _run_until_closed(self, run):
        ioloop = run.ioloop
        if compat.ioloop_is_running(ioloop):
            raise RuntimeError("Somebody else runs this IOLoop")
        try:
            self._run_until_stopped(run)
        finally:
            with self._start_lock:
                # Whoever stops it from now on has only to wait for its end.
                was_stopped, run.stopping = run.stopping, True
                self._retire(run)
            try:
                if self.on_loop_end is not None and not was_stopped:
                    self._tidy_up(ioloop)
                for task in compat.cancel_pending_work(ioloop, TASK_END_TIMEOUT):
                    self._logger.warning(record_text("Task %r did not end when it was cancelled", task))
            finally:
                ioloop.close(all_fds=True)

    def _run_until_stopped(self, run):
        while True:
            try:
                run.ioloop.start()
                return
            except BaseException:
                exc_info = sys.exc_info()
                compat.ready_to_run_again(run.ioloop)
                # That a coroutine called `sys.exit` concerns who waits for it, and not the others here.
                if not compat.fail_coroutines(run.ioloop, exc_info) or run.stopping:
                    raise
                self._logger.error(record_text("Coroutine raised %s: ",
                                               exc_info[0].__name__), exc_info=exc_info)
            finally:
                exc_info = None  # its frames refer to this one

    def _tidy_up(self, ioloop):
        try:
            ioloop.run_sync(self.on_loop_end, TIDY_UP_TIMEOUT)
        except BaseException:
            self._logger.error("Error at the end of the ioloop: ", exc_info=True)

    def _retire(self, run):
        """Let go of the loop of `run`, unless there is a new one; call with the lock held."""
        if self._run is run:
            self._running.clear()
        if self._ioloop is run.ioloop:
            self._ioloop = None

    def stop(self, timeout=None, callback=None):
        """Stop the managed loop and close it; of an unmanaged one note that it is no longer in use.

        Parameters
        ----------
        timeout : float, optional
            For how many seconds to wait for the loop to have *started* before.  It does not limit the
            time that stopping takes.
        callback : function, optional
            Called in the thread of the loop before anything else; may return a future, or on Python
            3 anything awaitable, that is waited for.  Its exceptions are logged.

        Returns
        -------
        concurrent.futures.Future
            Resolves with None, in the thread of the loop: for a managed loop when it has been closed
            (only its thread may take a moment longer, see `join`), otherwise when the callback is
            done.  If there is nothing to stop it is done already.
        """
        if timeout:
            self._running.wait(timeout)
        future = compat.ThreadsafeFuture()
        with self._start_lock:
            run, ioloop = self._run, self._ioloop
            if run is not None and ioloop in (None, run.ioloop):
                # The end of the run resolves the future, whatever becomes of the callback.
                run.stop_futures.append(future)
                if not run.stopping:
                    compat.add_callback_if_open(
                        run.ioloop, self._stop_on_loop, run.ioloop, future, callback)
                return future
            if ioloop is not None and self._ioloop_managed:
                # Not started: it shall stop as soon as it is.  Only the callback needs waiting for.
                if callback is None:
                    future.set_result(None)
                else:
                    self._early_stop_futures.append(future)
        if (ioloop is None or compat.ioloop_is_closed(ioloop) or not
                compat.add_callback_if_open(ioloop, self._stop_on_loop, ioloop, future, callback)):
            compat.resolve(future)
        return future

    def _stop_on_loop(self, ioloop, future, callback):
        if callback is not None:
            try:
                result = callback()
                if compat.is_awaitable(result):
                    compat.add_loop_callback(
                        ioloop, compat.as_future(result),
                        functools.partial(self._callback_done, ioloop, future))
                    return
            except Exception:
                self._logger.exception("Unhandled exception calling stop callback")
        self._stop_after_callback(ioloop, future)

    def _callback_done(self, ioloop, future, callback_future):
        try:
            callback_future.result()
        except (Exception,) + compat.CANCELLED_ERRORS:
            self._logger.exception("Unhandled exception calling stop callback")
        self._stop_after_callback(ioloop, future)

    def _stop_after_callback(self, ioloop, future):
        with self._start_lock:
            run = self._run
        if run is not None and run.ioloop is ioloop:
            if run.stopping:
                return  # the end of the run resolves the future
            self._logger.info(record_text("Stopping ioloop %r", ioloop))
            # One more iteration, for what the callback has added to the loop.
            ioloop.add_callback(self._halt, run)
        else:
            self._running.clear()
            compat.resolve(future)

    def _halt(self, run):
        with self._start_lock:
            if run.stopping:
                # By another stop: to be told again would disturb the loop at its last duties.
                return
            run.stopping = True
            self._retire(run)
        run.ioloop.stop()

    def join(self, timeout=None):
        """Wait for the thread of a managed loop to end; for an unmanaged one do nothing.

        Parameters
        ----------
        timeout : float, optional
            How many seconds to wait at most; by default for ever.

        Raises
        ------
        RuntimeError
            If the managed loop was never started, or when called in its thread.
        """
        thread = self._ioloop_thread
        if thread is None:
            if self._ioloop_managed:
                raise RuntimeError("Cannot join if not started")
            return
        thread.join(timeout)


class IOLoopThreadWrapper(object):
    """Lets other threads call functions in the thread of an ioloop, and wait for what they return.

    Parameters
    ----------
    ioloop : tornado.ioloop.IOLoop, optional
        By default the current one.

    Attributes
    ----------
    default_timeout : float or None
        For how many seconds a call may block unless it says otherwise itself; None means for ever.
        It may be changed at any time.
    """

    default_timeout = None

    def __init__(self, ioloop=None):
        self.ioloop = ioloop or tornado.ioloop.IOLoop.current()
        self._thread_id = None
        self.ioloop.add_callback(self._install)

    def _install(self):
        self._thread_id = get_thread_ident()

    def call_in_ioloop(self, fn, args, kwargs, timeout=None):
        """Call ``fn(*args, **kwargs)`` in the thread of the loop and wait for the outcome.

        Parameters
        ----------
        fn : callable
            If it returns a future (on Python 3: anything awaitable), that is waited for.
        args : tuple
        kwargs : dict
        timeout : float, optional
            For how many seconds to block; None and 0 mean `default_timeout`.

        Returns
        -------
        object
            What `fn`, or its future, resulted in.

        Raises
        ------
        concurrent.futures.TimeoutError
            When the time is up (it can be caught as ``tornado.gen.TimeoutError`` as well); the call
            goes on in the loop all the same.  Also when `fn` fails with ``tornado.gen.TimeoutError``.
        RuntimeError
            If called in the thread of the loop, or if the loop is closed.
        Exception
            What `fn`, or its future, raised, with the original traceback.
        """
        if (compat.runs_in_this_thread(self.ioloop) or self._thread_id == get_thread_ident()
                and not compat.ioloop_is_closed(self.ioloop)):
            raise RuntimeError("Cannot call a thread-wrapped object from the ioloop")
        try:
            return handover.LoopCall(self.ioloop, fn, args, kwargs).wait(
                timeout or self.default_timeout)
        except compat.GenTimeoutError as error:
            if isinstance(error, TimeoutError):
                raise
            # Who blocks expects the other kind of TimeoutError.
            both = compat.AnyTimeoutError(*error.args)
            compat.reraise((type(both), both, sys.exc_info()[2]))

    def decorate_callable(self, callable_):
        """Return a function that calls `callable_` with `call_in_ioloop`.

        If it is given the keyword argument ``timeout`` (seconds), that is how long it may block.  A
        `callable_` that takes such an argument is given it, too, and gets a moment longer to end on
        its own account.
        """
        def decorated(*args, **kwargs):
            timeout = kwargs.get("timeout")
            if "timeout" in kwargs:
                if not compat.accepts_keyword(callable_, "timeout"):
                    del kwargs["timeout"]
                elif timeout:
                    timeout += TIMEOUT_GRACE
            return self.call_in_ioloop(callable_, args, kwargs, timeout)

        for name in functools.WRAPPER_ASSIGNMENTS:
            # Instances and partials have no name.
            if hasattr(callable_, name):
                setattr(decorated, name, getattr(callable_, name))
        decorated.__wrapped__ = callable_
        decorated.__doc__ = _THREADSAFE_PREAMBLE + inspect.cleandoc(
            getattr(callable_, "__doc__", None) or "")
        return decorated


_THREADSAFE_PREAMBLE = """\
Call the wrapped function in the thread of its ioloop, and block until it is done.

Pass the keyword argument timeout (seconds) to limit the time this may take;
concurrent.futures.TimeoutError is raised when it is up.

"""


class ThreadSafeMethodAttrWrapper(ObjectWrapper):
    """Proxy of an object that belongs to the thread of an ioloop, for use in other threads.

    Its methods run in the thread of the loop, and block until they are done (see
    `IOLoopThreadWrapper.decorate_callable`).  Other attributes are read, and all of them are set, in
    the calling thread; so are operators applied.

    Parameters
    ----------
    subject : object
    ioloop_wrapper : IOLoopThreadWrapper
    """

    _ioloop_wrapper = None
    _decorated = None

    def __init__(self, subject, ioloop_wrapper):
        self._ioloop_wrapper = ioloop_wrapper
        self._decorated = {}
        super(ThreadSafeMethodAttrWrapper, self).__init__(subject)

    def __getattr__(self, attr):
        value = super(ThreadSafeMethodAttrWrapper, self).__getattr__(attr)
        if not _is_function(value):
            return value
        known, decorated = self._decorated.get(attr, (None, None))
        if not _same_function(known, value):
            decorated = self._ioloop_wrapper.decorate_callable(value)
            self._decorated[attr] = value, decorated
        return decorated

    def _getattr(self, attr):
        """Return an attribute of the subject, read in the thread of the loop."""
        return self._ioloop_wrapper.call_in_ioloop(getattr, (self.__subject__, attr), {})


def _is_function(value):
    while isinstance(value, AbstractProxy) and hasattr(type(value), "__subject__"):
        # A proxy is callable whatever it stands for.
        value = value.__subject__
    return callable(value) and not inspect.isclass(value)


def _same_function(known, value):
    if known is value:
        return True
    function = getattr(value, "__func__", None)
    return (function is not None and getattr(known, "__func__", None) is function
            and known.__self__ is value.__self__)
