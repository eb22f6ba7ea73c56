"""Requests that wait for their replies, and the deadlines of them."""

from __future__ import absolute_import, division, print_function

import collections
import operator

from katcp.compat import lossy_str, ordered_dict
from katcp.errors import KatcpClientError

_INFINITE = float("inf")


class PendingRequests(object):
    """The table of requests that were sent and not answered yet.

    An entry is the tuple ``(request, reply_cb, inform_cb, user_data, timeout_handle)``.  A request that
    was sent with a message id is filed under that id.  One that was sent without is filed under a tuple
    with its internal id, so that it can never be taken for one with an id; replies without an id are for
    the oldest request of their name that was sent without.

    Attributes
    ----------
    queue : dict
        Key to entry, oldest first.
    id_stack : dict
        Message name to an ordered dict with the keys of the requests of that name without an id, oldest
        first.  Names without any are not in it.
    """

    def __init__(self):
        self.queue = ordered_dict()
        self.id_stack = {}

    @staticmethod
    def key_for(msg_id, request):
        """Return what a request known as `msg_id` is filed under."""
        return msg_id if request.mid is not None else (msg_id,)

    def add(self, key, entry):
        """File an entry.

        Raises
        ------
        KatcpClientError
            If a pending request has that id; its replies could not be told apart.
        """
        queue = self.queue
        if key in queue:
            raise KatcpClientError("Message ID {} is in use by another pending request".format(
                lossy_str(entry[0].mid)))
        queue[key] = entry
        if type(key) is tuple:
            name = entry[0].name
            keys = self.id_stack.get(name)
            if keys is None:
                keys = self.id_stack[name] = ordered_dict()
            keys[key] = None

    def find(self, msg):
        """Return the key of the request that a received message answers, or None."""
        mid = msg.mid
        if mid is not None:
            entry = self.queue.get(mid)
            return mid if entry is not None and entry[0].name == msg.name else None
        if not self.id_stack:
            return None
        return self.oldest_without_id(msg.name)

    def take(self, msg):
        """Take out and return the entry of the request that a received message answers, or None."""
        mid = msg.mid
        if mid is None:
            key = self.oldest_without_id(msg.name) if self.id_stack else None
            return None if key is None else self.remove(key)
        entry = self.queue.get(mid)
        if entry is None or entry[0].name != msg.name:
            return None
        del self.queue[mid]
        return entry

    def oldest_without_id(self, name):
        """Return the key of the oldest request of that name that was sent without an id, or None."""
        for key in self.id_stack.get(name, ()):
            return key
        return None

    def oldest(self, name):
        """Return the key of the oldest request of that name, or None."""
        for key, entry in self.queue.items():
            if entry[0].name == name:
                return key
        return None

    def remove(self, key):
        """Take out and return the entry that is filed under `key`; KeyError if there is none."""
        entry = self.queue.pop(key)
        if type(key) is tuple:
            name = entry[0].name
            keys = self.id_stack[name]
            del keys[key]
            if not keys:
                del self.id_stack[name]
        return entry

    def remove_all(self):
        """Take out all entries and return them as a list, oldest first."""
        entries = list(self.queue.values())
        self.queue.clear()
        self.id_stack.clear()
        return entries


class TimeoutHandle(object):
    """A deadline as others see it: what can be given to ``ioloop.remove_timeout``.

    Parameters
    ----------
    deadline : list
        See `DeadlineQueue`.
    """

    def __init__(self, deadline):
        self._deadline = deadline

    def cancel(self):
        """Never let it pass."""
        self._deadline[1] = None

    @property
    def callback(self):
        """Poll-based loops cancel a timer by setting this to None."""

    @callback.setter
    def callback(self, callback):
        self.cancel()


def with_handle(entry):
    """Return an entry of the pending requests with a handle in the place of its deadline."""
    deadline = entry[4]
    return entry if type(deadline) is not list else entry[:4] + (TimeoutHandle(deadline),)


class DeadlineQueue(object):
    """The deadlines of any number of requests on one timer of the loop.

    Nearly all requests are answered long before, so that to arm and cancel a timer for each would be most
    of the work that they cost.  So all that is done for one is to see to it that the pending requests are
    looked through before its deadline.  Where all have the same timeout, that happens once in that time.

    A deadline is a list: ``[time, key, start time]``, in seconds by the clock of the loop; without a key it
    never passes.

    Parameters
    ----------
    passed : callable
        ``passed(key, start_time)`` is called when a deadline has passed.
    entries : dict
        The pending requests, oldest first: key to entry, whose last item is the request's deadline.
    """

    def __init__(self, passed, entries):
        self._passed = passed
        self._entries = entries
        self._ioloop = None
        # What was pending when the requests were looked through, next one first.
        self._known = collections.deque()
        # No other deadline is before this, which is when they are looked through again.
        self._next_look = _INFINITE
        self._timer = None
        self._timer_time = None
        # What the clock has shown last.
        self._latest = -_INFINITE

    def add(self, deadline, now, ioloop):
        """Let the deadline of a new entry pass.

        Parameters
        ----------
        deadline : list
        now : float
            The time by the clock of `ioloop`.  If the deadline's start is later the clock has been set back.
        ioloop : tornado IOLoop
        """
        if now < self._latest or now < deadline[2]:
            self._clock_was_set_back(now)
        self._latest = now
        when = deadline[0]
        if when < self._next_look:
            self._next_look = when
            if self._timer is None or when < self._timer_time:
                self._arm(ioloop, when, now)

    def clear(self):
        """Stop the timer, now that no request is pending."""
        self._known.clear()
        self._next_look = _INFINITE
        self._latest = -_INFINITE
        self._disarm()

    def _clock_was_set_back(self, now):
        """Let nobody wait longer, from now on, than he meant to in the beginning."""
        for deadline in self._pending_deadlines():
            if deadline[2] > now:
                deadline[0] += now - deadline[2]
                deadline[2] = now
        self._look()
        if self._timer is not None and self._known:
            self._arm(self._ioloop, self._known[0][0], now)

    def _pending_deadlines(self):
        handles = [entry[-1] for entry in self._entries.values()]
        # Users of the table may have handles of their own, and timeouts that never end.
        return [handle for handle in handles if type(handle) is list and handle[0] < _INFINITE]

    def _look(self):
        """Look through the pending requests."""
        # Equal ones stay in the order of the requests.
        self._known = collections.deque(sorted(self._pending_deadlines(), key=operator.itemgetter(0)))
        self._next_look = _INFINITE

    def _is_pending(self, deadline):
        entry = self._entries.get(deadline[1])
        return entry is not None and entry[-1] is deadline

    def _arm(self, ioloop, time, now):
        self._disarm()
        self._ioloop = ioloop
        self._timer_time = time
        self._timer = ioloop.call_later(max(0, time - now), self._timer_fired)

    def _disarm(self):
        if self._timer is not None:
            self._ioloop.remove_timeout(self._timer)
            self._timer = None

    def _timer_fired(self):
        # A timer has its own idea of the time: do not let one that is a bit early go round again.
        now = max(self._ioloop.time(), self._timer_time)
        self._timer = None
        if self._next_look <= now:
            self._look()
        known = self._known
        passed = []
        while known and (known[0][0] <= now or not self._is_pending(known[0])):
            deadline = known.popleft()
            if self._is_pending(deadline):
                passed.append(deadline)
        # Armed first: what follows may add deadlines.
        next_time = min(known[0][0], self._next_look) if known else self._next_look
        if next_time < _INFINITE:
            self._arm(self._ioloop, next_time, now)
        for deadline in passed:
            if self._is_pending(deadline):
                self._passed(deadline[1], deadline[2])
