"""Requests that wait for their replies, and the deadlines of them."""

from __future__ import absolute_import, division, print_function

import collections
import operator

from katcp.compat import lossy_str, ordered_dict
from katcp.errors import KatcpClientError

_INFINITE = float("inf")

# Of so many names it is known how many replies are owed.
MAX_OWED_NAMES = 1000

# After so many timeouts of requests of a name, each with a late reply before it, a connection is given up.
MAX_TIMEOUTS_IN_A_ROW = 10


class PendingRequests(object):
    """The table of requests that were sent and not answered yet.

    An entry is the tuple ``(request, reply_cb, inform_cb, user_data, timeout_handle)``.  A request that
    was sent with a message id is filed under that id.  One that was sent without is filed under a tuple
    with its internal id, so that it can never be taken for one with an id; replies without an id are for
    the oldest request of their name that was sent without.

    Requests without an id that were given up stay in the order of their name: the server still owes their
    replies.  Each of these replies is late, and belongs to no pending request.

    Attributes
    ----------
    queue : dict
        Key to entry, oldest first.
    id_stack : dict
        Message name to an ordered dict with the keys of the requests of that name without an id, oldest
        first, and how many replies are owed before that to the key.  Names without any are not in it.
    owed : dict
        Message name to how many replies are owed after that to the youngest pending request of that name,
        or to none if there is no such request.  Names without any are not in it.
    lost_replies : LostReplies
    """

    __slots__ = ("queue", "id_stack", "owed", "lost_replies")

    def __init__(self):
        self.queue = ordered_dict()
        self.id_stack = {}
        self.owed = ordered_dict()
        self.lost_replies = LostReplies()

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
            keys[key] = self.owed.pop(name, 0) if self.owed else 0

    def find(self, inform):
        """Return the key of the request that a received inform belongs to, or None.

        An id is enough: the inform may have another name than the request.
        """
        mid = inform.mid
        if mid is not None:
            return mid if mid in self.queue else None
        keys = self.id_stack.get(inform.name)
        if keys is not None:
            for key in keys:
                # What precedes a late reply belongs to the same request as that.
                return None if keys[key] else key
        return None

    def take(self, msg):
        """Take out and return the entry of the request that a received reply answers, or None."""
        mid = msg.mid
        if mid is None:
            key = self.oldest_without_id(msg.name) if self.id_stack else None
            return None if key is None else self.remove(key)
        entry = self.queue.get(mid)
        if entry is None or entry[0].name != msg.name:
            return None
        del self.queue[mid]
        return entry

    def is_late(self, name):
        """Return whether a reply without an id is late; if so it is not owed any more from here on."""
        keys, key = self.id_stack.get(name), self.oldest_without_id(name)
        if key is not None:
            if not keys[key]:
                return False
            keys[key] -= 1
        elif name in self.owed:
            self.owed[name] -= 1
            if not self.owed[name]:
                del self.owed[name]
        else:
            return False
        return True

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
            if keys[key]:
                self._pass_on(name, keys, key)
            del keys[key]
            if not keys:
                del self.id_stack[name]
        return entry

    def expect_late_reply(self, key):
        """Take note that the request under `key`, which is about to be removed, is answered later."""
        if type(key) is tuple:
            self.id_stack[self.queue[key][0].name][key] += 1

    def _pass_on(self, name, keys, key):
        """Let what is owed before the reply to `key` be owed before that to the next request instead."""
        found = False
        for other in keys:
            if found:
                keys[other] += keys[key]
                return
            found = other == key
        self.owed[name] = self.owed.get(name, 0) + keys[key]
        if len(self.owed) > MAX_OWED_NAMES:
            del self.owed[next(iter(self.owed))]

    def remove_all(self):
        """Take out all entries and return them as a list, oldest first; no reply is owed any more."""
        entries = list(self.queue.values())
        self.queue.clear()
        self.id_stack.clear()
        self.owed.clear()
        self.lost_replies.connection_is_gone()
        return entries


class LostReplies(object):
    """Finds out that a server seems to have lost the reply to a request without an id.

    From then on each reply is taken for the late one to the request before, and each request times out.
    A server that is always late looks the same.  The remedy for both is a new connection.
    """

    __slots__ = ("_late", "_tried")

    def __init__(self):
        # Name -> [whether a reply was late since the last timeout, how many timeouts in a row that was so].
        self._late = {}
        # Names for which a remedy has been tried, until no reply is owed.
        self._tried = frozenset()

    def reply_was_late(self, name):
        """Take note of a late reply that came while another request of that name waited."""
        if name not in self._late and len(self._late) >= MAX_OWED_NAMES:
            self._late.clear()
        self._late.setdefault(name, [False, 0])[0] = True

    def request_timed_out(self, name):
        """Take note of a timeout; return whether it is time for a remedy, once for each name."""
        late = self._late.get(name)
        if late is None:
            return False
        late[1] = late[1] + 1 if late[0] else 0
        late[0] = False
        if late[1] < MAX_TIMEOUTS_IN_A_ROW or name in self._tried or len(self._tried) >= MAX_OWED_NAMES:
            return False
        self._tried = self._tried.union((name,))
        return True

    def is_in_step(self, name):
        """Take note that no reply has got lost: one was in time, or none is owed while no request waits."""
        self._late.pop(name, None)
        self._tried = self._tried.difference((name,))

    def connection_is_gone(self):
        """Forget what was the matter with a connection."""
        self._late.clear()


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
