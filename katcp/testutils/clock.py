"""A loop whose clock is moved by hand, and a thread that moves it.

What a test waits for in real time makes it slow, and flaky on a busy machine.  The test case here
keeps its loop's time in an attribute; timers fire when the test moves it past their deadline, and
only then.
"""

from __future__ import absolute_import, division, print_function

import functools
import itertools
import logging
import threading

import tornado.testing

from katcp.compat import allow_late_timers, asyncio_loop_of, get_thread_ident, new_future, resolve
from katcp.log_records import record_text

logger = logging.getLogger("katcp.testutils")


class _Deadline(float):
    """A point in time that counts as earlier than its value; equal ones stand in order of creation.

    asyncio runs a timer once its deadline lies *before* the clock plus a nanosecond.  A clock of ten
    million seconds or more does not notice the nanosecond, and the timer that is due right now would
    not run.  Its heap of timers does not keep the order of equal deadlines either.  It asks for
    ``<`` and ``>=`` only.
    """

    _numbers = itertools.count()

    def __new__(cls, value):
        deadline = float.__new__(cls, value)
        deadline.number = next(cls._numbers)
        return deadline

    def __lt__(self, other):
        if isinstance(other, _Deadline) and self == other:
            return self.number < other.number
        return float.__le__(self, other)

    def __ge__(self, other):
        return not self < other


class HandClock(object):
    """A clock that moves when told to, for the timers of event loops.

    Timers run in the order of their deadlines, equal ones in that of their creation, on every loop.

    Parameters
    ----------
    now : int or float, optional
        What it shows at first, in seconds.

    Attributes
    ----------
    now : int or float
        What the clock shows, in seconds.  May be assigned in the thread of the loop; the timers that
        are due then run at the end of the loop's next iteration.

    Examples
    --------
    >>> from tornado.ioloop import IOLoop
    >>> loop = IOLoop(make_current=False)
    >>> clock = HandClock()
    >>> clock.install(loop)
    >>> _ = loop.call_later(3600, loop.stop)
    >>> clock.now = 3600
    >>> loop.start()      # returns at once
    >>> loop.close()

    """

    def __init__(self, now=0):
        self.now = now

    def time(self):
        """Return what the clock shows, in seconds."""
        return self.now

    def install(self, ioloop):
        """Let the timers of `ioloop` follow this clock.

        Parameters
        ----------
        ioloop : tornado.ioloop.IOLoop
            A loop on which no timer is pending yet.
        """
        allow_late_timers(ioloop)
        ioloop.time = self.time
        asyncio_loop = asyncio_loop_of(ioloop)
        if asyncio_loop is None:
            return
        asyncio_loop.time = self.time
        tornado_call_at, asyncio_call_at = ioloop.call_at, asyncio_loop.call_at
        # What tornado was asked for: it makes a delay of it, 0 at least, which asyncio turns back into a
        # time.  Rounding, and an order of those in the past that only asyncio has, come of that.
        wanted = []

        @functools.wraps(tornado_call_at)
        def call_at(when, callback, *args, **kwargs):
            wanted.append(when)
            try:
                return tornado_call_at(when, callback, *args, **kwargs)
            finally:
                del wanted[:]

        @functools.wraps(asyncio_call_at)
        def call_at_exactly(when, callback, *args, **kwargs):
            when = _Deadline(wanted[0] if wanted else when)
            return asyncio_call_at(when, callback, *args, **kwargs)

        ioloop.call_at = call_at
        asyncio_loop.call_at = call_at_exactly


class _Watchdog(threading.Thread):
    """Stops the loop of a test whose clock stood still too long: nothing else would ever end it."""

    def __init__(self, clock, ioloop, limit):
        super(_Watchdog, self).__init__(name="TimewarpWatchdog")
        self.daemon = True
        self._clock = clock
        self._ioloop = ioloop
        self._limit = limit
        self._test_ended = threading.Event()
        # Whether it has stopped the loop.
        self.has_bitten = False

    def run(self):
        last_seen = None
        while not self._test_ended.wait(self._limit):
            now = self._clock.now
            if now == last_seen:
                logger.error(record_text("The test's clock stood at %s for more than %s seconds of real "
                                         "time; "
                                         "ending the test", now, self._limit))
                self.has_bitten = True
                self._ioloop.add_callback(self._ioloop.stop)
                return
            last_seen = now

    def stop(self):
        self._test_ended.set()
        self.join()


class TimewarpAsyncTestCase(tornado.testing.AsyncTestCase):
    """A test case whose loop's clock stands still until the test moves it.

    All timers of ``self.io_loop`` follow the clock: ``call_later``, ``gen.sleep``,
    ``gen.with_timeout``, asyncio's own, and also the timeout of ``gen_test``, which therefore counts
    seconds of this clock (the default is 5).  ``time.time`` stays what it is.  Subclasses that have
    a ``setUp`` must call the one here.

    Attributes
    ----------
    io_loop : tornado.ioloop.IOLoop
        The loop of the test.
    ioloop_time : int or float
        What the clock shows, in seconds; 0 when the test starts.  May be assigned.
    ioloop_thread_id : int
        Identifier of the thread in which the loop runs, known from the loop's first iteration on.
    still_clock_limit : int or float or None
        How many seconds of real time (once to twice as many) the clock may stand still before the
        test is ended with tornado's timeout error; None for ever.

    Examples
    --------
    >>> from tornado import gen, testing
    >>> class TestSleep(TimewarpAsyncTestCase):
    ...     @testing.gen_test(timeout=100)
    ...     def test_sleep(self):
    ...         sleeping = gen.sleep(50)
    ...         yield self.set_ioloop_time(49.9)
    ...         self.assertFalse(sleeping.done())
    ...         yield self.set_ioloop_time(50)
    ...         self.assertTrue(sleeping.done())

    """

    still_clock_limit = 300

    def setUp(self):
        super(TimewarpAsyncTestCase, self).setUp()
        self._clock = HandClock()
        self._clock.install(self.io_loop)
        self.ioloop_thread_id = None
        self.io_loop.add_callback(self._note_thread)
        if self.still_clock_limit is not None:
            watchdog = _Watchdog(self._clock, self.io_loop, self.still_clock_limit)
            watchdog.start()
            self.addCleanup(watchdog.stop)

    def _note_thread(self):
        self.ioloop_thread_id = get_thread_ident()

    @property
    def ioloop_time(self):
        return self._clock.now

    @ioloop_time.setter
    def ioloop_time(self, new_time):
        self._clock.now = new_time

    def wake_ioloop(self):
        """Let the loop run one iteration.

        Returns
        -------
        future
            Resolves to None.  Whoever yields it goes on after the callbacks and due timers of the
            iteration have run, and before the callbacks that these added.
        """
        future = new_future(self.io_loop)
        self.io_loop.add_callback(resolve, future)
        return future

    def set_ioloop_time(self, new_time, wake_ioloop=True):
        """Move the clock forward.

        Parameters
        ----------
        new_time : int or float
            What the clock is to show, in seconds; must be later than ``ioloop_time``.
        wake_ioloop : bool, optional
            Whether to wake the loop, too.

        Returns
        -------
        future or None
            That of :meth:`wake_ioloop`: when who yields it goes on, all timers due at `new_time` or
            before have run.  None unless `wake_ioloop`.

        Raises
        ------
        AssertionError
            If `new_time` is not later than ``ioloop_time``.
        """
        if not new_time > self.ioloop_time:
            raise AssertionError("Cannot move the clock from {!r} to {!r}: that is not later"
                                 .format(self.ioloop_time, new_time))
        self.ioloop_time = new_time
        if wake_ioloop:
            return self.wake_ioloop()


class TimewarpAsyncTestCaseTimeAdvancer(threading.Thread):
    """Thread that moves the clock of a :class:`TimewarpAsyncTestCase` on and on, in small steps.

    For tests in which several things happen one after another at times that do not matter.

    Parameters
    ----------
    test_instance : TimewarpAsyncTestCase
        The test whose clock to move.
    quantum : float, optional
        How far each step moves the clock, in seconds.
    rate : float, optional
        Number of steps per second of real time, at most.
    """

    def __init__(self, test_instance, quantum=0.05, rate=1000.):
        super(TimewarpAsyncTestCaseTimeAdvancer, self).__init__(name="TimewarpTimeAdvancer")
        # A test that fails before it stops this thread must not keep the interpreter from exiting.
        self.daemon = True
        self.test_instance = test_instance
        self.quantum = quantum
        self.rate = rate
        self._running = threading.Event()
        self._stopping = threading.Event()
        # Set when a step is over, or none will be.
        self._stepped = threading.Event()

    def start(self):
        """Start moving the clock; the test stops and joins the thread when it cleans up."""
        self.test_instance.addCleanup(self._stop_and_join)
        super(TimewarpAsyncTestCaseTimeAdvancer, self).start()

    def run(self):
        self._running.set()
        ioloop = self.test_instance.io_loop
        while True:
            self._stepped.clear()
            # In this order: ``stop`` sets the other first.
            if self._stopping.is_set():
                break
            ioloop.add_callback(self._advance)
            self._stepped.wait()
            self._stopping.wait(1. / self.rate)
        self._running.clear()

    def _advance(self):
        if self._stopping.is_set():
            return
        test = self.test_instance
        test.set_ioloop_time(test.ioloop_time + self.quantum).add_done_callback(self._step_done)

    def _step_done(self, _future):
        self._stepped.set()

    def stop(self, timeout=None):
        """End the thread; may be called at any time, in any thread, and more than once.

        Parameters
        ----------
        timeout : int or float, optional
            How long to wait until the thread runs, in seconds; by default not at all.  A stop that
            comes before the start is not forgotten: the thread then does nothing.
        """
        if timeout:
            self._running.wait(timeout)
        self._stopping.set()
        self._stepped.set()

    def _stop_and_join(self):
        self.stop()
        # Fails in a test that could not even start the thread.
        if self.ident is not None:
            self.join()
