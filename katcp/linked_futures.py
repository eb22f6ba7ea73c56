"""Futures that stand for other things to come: an event, a deadline, the first of several futures.

Two rules shape what is here.

*A chain takes one loop iteration, however long it is.*  The callbacks of tornado 5 and 6 are run by
the loop, an iteration after the future is done, so that every link of a chain would cost one.  Our
futures tell those that follow them while their outcome is being set (`followers`); only what waits
at the end of the chain is scheduled.

*Who gives up leaves nothing behind.*  Each wait has a future of its own (a `Waiter`), which is noted
down in `Waiters` lists of the things it waits for.  Such a list holds a waiter weakly, until somebody
waits for the waiter in turn: the event that never comes must not collect the waiters of everybody who
once asked for it, and yet must keep alive the coroutines that do wait for it.  "Somebody waits" is
handed up the chain.

Nothing here is thread safe: all of it belongs to the thread of its ioloop.
"""

from __future__ import absolute_import, division, print_function

import collections
import itertools
import weakref

import tornado.ioloop

from katcp import compat

_arrivals = itertools.count()


class _WeakEntry(weakref.ref):
    """A reference that strikes itself off the list when its waiter dies."""

    __slots__ = ("key", "entries")

    def __new__(cls, waiter, entries):
        return super(_WeakEntry, cls).__new__(cls, waiter, _strike_off)

    def __init__(self, waiter, entries):
        super(_WeakEntry, self).__init__(waiter, _strike_off)
        self.key = id(waiter)
        self.entries = entries


def _strike_off(reference):
    entry = reference.entries.get(reference.key)
    if entry is not None and entry[1] is reference:
        del reference.entries[reference.key]


class Waiters(object):
    """The waiters for one thing, in the order of their arrival."""

    __slots__ = ("_entries",)

    def __init__(self):
        # {id(waiter): (arrival, waiter or _WeakEntry)}
        self._entries = {}

    def __len__(self):
        return len(self._entries)

    def add(self, waiter):
        """Note `waiter` down."""
        self._entries[id(waiter)] = (next(_arrivals), _WeakEntry(waiter, self._entries))

    def discard(self, waiter):
        """Forget `waiter`, noted down or not."""
        self._entries.pop(id(waiter), None)

    def hold(self, waiter):
        """Keep `waiter` alive from here, if it is noted down: somebody waits for it."""
        entry = self._entries.get(id(waiter))
        if entry is not None:
            self._entries[id(waiter)] = (entry[0], waiter)

    def release(self, waiter):
        """Undo `hold`."""
        entry = self._entries.get(id(waiter))
        if entry is not None:
            self._entries[id(waiter)] = (entry[0], _WeakEntry(waiter, self._entries))

    def take(self):
        """Return the list of the waiters, in order, and forget them all."""
        if not self._entries:
            return []
        entries = sorted(self._entries.values(), key=_arrival)
        self._entries = {}
        waiters = []
        for _, waiter in entries:
            if type(waiter) is _WeakEntry:
                waiter = waiter()
            if waiter is not None:
                waiters.append(waiter)
        return waiters

    def resolve_all(self, result):
        """Give all waiters their result."""
        for waiter in self.take():
            compat.resolve(waiter, result)

    def source_done(self, source):
        """Tell the waiters that the future they follow is done, and those who follow them."""
        to_tell = collections.deque([(source, self)])
        while to_tell:
            source, waiters = to_tell.popleft()
            for waiter in waiters.take():
                if waiter.done():
                    continue
                # Told from here instead of by recursion: chains may be of any length.
                followers, waiter.followers = waiter.followers, None
                waiter.source_done(source)
                if followers is None:
                    continue
                if waiter.done():
                    to_tell.append((waiter, followers))
                else:
                    waiter.followers = followers


def _arrival(entry):
    return entry[0]


class Waiter(compat.LoopFuture):
    """A future for one wait; make it with `new_waiter`."""

    # What it is noted down in: objects with the methods `discard`, `hold` and `release`.
    _places = ()
    # The waiters among the futures that it follows.
    _followed_waiters = ()
    # How many wait for this future: its callbacks, and those followers for whom somebody waits.
    _demand = 0

    def wait_in(self, place):
        """Remember that `place` knows this waiter, so as to be struck off it when done."""
        self._places += (place,)
        if self._demand:
            place.hold(self)

    def source_done(self, source):
        """Take the outcome of `source`, a finished future that this one follows."""
        compat.copy_outcome(source, self)
        if not source.cancelled() and isinstance(source.exception(), compat.GenTimeoutError):
            self.exception()

    def expire(self):
        """Fail with ``tornado.gen.TimeoutError``."""
        if not self.done():
            self.set_exception(compat.GenTimeoutError("Timeout"))
            # Having given up is no mistake to be reported where nobody asks: look at it.
            self.exception()

    def change_demand(self, change):
        """Account for so many more who wait for this future, or fewer if `change` is negative."""
        changes = [(self, change)]
        while changes:
            waiter, change = changes.pop()
            before = waiter._demand
            waiter._demand = after = before + change
            if after and before or waiter.done():
                continue
            for place in waiter._places:
                if after:
                    place.hold(waiter)
                else:
                    place.release(waiter)
            changes.extend((followed, 1 if after else -1) for followed in waiter._followed_waiters)

    def add_done_callback(self, callback, **kwargs):
        super(Waiter, self).add_done_callback(callback, **kwargs)
        if not self.done():
            self.change_demand(1)

    def remove_done_callback(self, callback):
        removed = super(Waiter, self).remove_done_callback(callback)
        if removed and not self.done():
            self.change_demand(-removed)
        return removed

    def _finished(self):
        places, self._places = self._places, ()
        for place in places:
            place.discard(self)
        followed_waiters, self._followed_waiters = self._followed_waiters, ()
        if self._demand:
            for followed in followed_waiters:
                followed.change_demand(-1)
        super(Waiter, self)._finished()


def wait_loop(ioloop):
    """Return the loop for a wait that begins now: the given, the running, or the current one."""
    return ioloop or compat.current_ioloop() or tornado.ioloop.IOLoop.current()


def new_waiter(ioloop, cls=Waiter):
    """Return a new waiter.

    Parameters
    ----------
    ioloop : tornado.ioloop.IOLoop or None
        Whose callbacks wake those who wait; the loop that is running here has precedence, because
        that is where they are.
    cls : type, optional
        A subclass of `Waiter` to make instead.
    """
    return compat.new_future(compat.running_ioloop() or wait_loop(ioloop), cls)


class Place(object):
    """Something that knows a single waiter; holds it weakly until it is held."""

    __slots__ = ("_held", "_reference", "__weakref__")

    def __init__(self, waiter):
        self._held = None
        self._reference = weakref.ref(waiter, self._waiter_died)

    def _waiter(self):
        reference = self._reference
        return reference and reference()

    def _waiter_died(self, reference):
        self.discard(None)

    def hold(self, waiter):
        self._held = waiter

    def release(self, waiter):
        self._held = None


class Deadline(Place):
    """Ends the wait of `waiter` when the clock of `ioloop` shows `when`.

    Parameters
    ----------
    waiter : Waiter
    ioloop : tornado.ioloop.IOLoop
    when : float
        In terms of ``ioloop.time()``.
    act : function(waiter), optional
        What to do with the waiter then; by default it fails with ``tornado.gen.TimeoutError``.
    """

    __slots__ = ("_ioloop", "_timer", "_act")

    def __init__(self, waiter, ioloop, when, act=Waiter.expire):
        super(Deadline, self).__init__(waiter)
        self._ioloop = ioloop
        self._act = act
        self._timer = ioloop.call_at(when, self._reached)
        waiter.wait_in(self)

    def _reached(self):
        self._timer = None
        waiter = self._waiter()
        if waiter is not None:
            self._act(waiter)

    def _waiter_died(self, reference):
        # The garbage collector may run in any thread, but timers are the loop's.
        if compat.runs_in_this_thread(self._ioloop):
            self.discard(None)

    def discard(self, waiter):
        timer, self._timer = self._timer, None
        self._held = self._reference = None
        if timer is not None:
            self._ioloop.remove_timeout(timer)


def expect_within(waiter, timeout, ioloop=None):
    """Have `waiter` fail after `timeout` seconds; None and 0 mean never."""
    if timeout:
        ioloop = wait_loop(ioloop)
        Deadline(waiter, ioloop, ioloop.time() + timeout)


class _Watch(Place):
    """Tells `waiter` when `future`, which is not one of ours, is done."""

    __slots__ = ("_future", "_ioloop")

    def __init__(self, waiter, future, ioloop):
        super(_Watch, self).__init__(waiter)
        self._future = future
        self._ioloop = ioloop if isinstance(future, compat.ConcurrentFuture) else None
        waiter.wait_in(self)
        future.add_done_callback(self)

    def __call__(self, future):
        if self._ioloop is None:
            self._tell()
        else:
            # This may be any thread.
            compat.add_callback_if_open(self._ioloop, self._tell)

    def _tell(self):
        future, waiter = self._future, self._waiter()
        if waiter is not None and future is not None and not waiter.done():
            waiter.source_done(future)

    def discard(self, waiter):
        future, self._future = self._future, None
        self._held = self._reference = None
        if future is not None and not future.done():
            compat.remove_done_callback(future, self)


def follow(waiter, future, ioloop=None):
    """Have ``waiter.source_done(future)`` called as soon as `future` is done.

    Parameters
    ----------
    waiter : Waiter
        Pending; it keeps `future` alive.
    future : future
        Pending, of any kind.
    ioloop : tornado.ioloop.IOLoop, optional
        Where `waiter` lives; only asked for when `future` may be resolved in other threads.
    """
    if not isinstance(future, compat.LoopFuture):
        if isinstance(future, compat.ConcurrentFuture):
            ioloop = compat.running_ioloop() or wait_loop(ioloop)
        _Watch(waiter, future, ioloop)
        return
    if future.followers is None:
        future.followers = Waiters()
    future.followers.add(waiter)
    waiter.wait_in(_Followed(future))
    if isinstance(future, Waiter):
        waiter._followed_waiters += (future,)
        if waiter._demand:
            future.change_demand(1)


class _Followed(object):
    """A waiter's entry among the followers of a future, which it keeps alive."""

    __slots__ = ("_future",)

    def __init__(self, future):
        self._future = future

    def discard(self, waiter):
        if self._future.followers is not None:
            self._future.followers.discard(waiter)

    def hold(self, waiter):
        if self._future.followers is not None:
            self._future.followers.hold(waiter)

    def release(self, waiter):
        if self._future.followers is not None:
            self._future.followers.release(waiter)
