"""Requests that wait for their replies, and the deadlines of them."""

from __future__ import absolute_import, division, print_function

import heapq

from katcp.compat import lossy_str, ordered_dict
from katcp.errors import KatcpClientError

# Deadlines of requests that were answered are dropped when they outnumber the others by this much.
_SPARE_DEADLINES = 128

_NO_ENTRY = (None,)


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
        if key in self.queue:
            raise KatcpClientError("Message ID {} is in use by another pending request".format(
                lossy_str(entry[0].mid)))
        self.queue[key] = entry
        if entry[0].mid is None:
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


class Deadline(list):
    """When a pending request is given up: ``[time, serial number, key, start time]``.

    Until it is added to a `DeadlineQueue` it is ``[timeout, None, key, None]``, with the timeout in seconds.
    It is what pending requests have for a timeout handle, and can be given to
    ``ioloop.remove_timeout`` like the handle of a timer; but there is no need to.
    """

    __slots__ = ()

    def cancel(self):
        """Never let it pass."""
        self[2] = None

    def __setattr__(self, name, value):
        if name == "callback" and value is None:  # how poll-based loops cancel a timer
            self.cancel()
        else:
            super(Deadline, self).__setattr__(name, value)


class DeadlineQueue(object):
    """The deadlines of any number of requests on one timer of the loop.

    Nearly all requests are answered long before, so that to arm and cancel a timer for each would be most
    of the work that they cost.

    Parameters
    ----------
    passed : callable
        ``passed(key, start_time)`` is called when a deadline has passed.
    entries : dict
        The pending requests: key to entry, whose last item is the request's deadline.
    """

    def __init__(self, passed, entries):
        self._passed = passed
        self._entries = entries
        self._ioloop = None
        self._heap = []
        # No deadline in the heap is after this.
        self._last_time = 0
        self._spare = _SPARE_DEADLINES
        self._serial = 0
        self._timer = None
        self._timer_time = None
        # When the latest deadline was added.
        self._latest = None

    def add(self, deadline, ioloop, since=None):
        """Let a new Deadline pass when its timeout is over, by the clock of `ioloop`.

        The time starts now, or was `since` on that clock when it started.
        """
        timeout = deadline[0]
        now = ioloop.time()
        if since is None or since > now:
            since = now
        if self._latest is not None and now < self._latest:
            self._clock_was_set_back(ioloop, now)
        self._latest = now
        self._serial += 1
        when = since + timeout
        deadline[0], deadline[1], deadline[3] = when, self._serial, since
        heap = self._heap
        if len(heap) >= self._spare:
            self._drop_answered()
            heap = self._heap
        if not heap or when >= self._last_time:
            # Where all have the same timeout each goes to the end, which is cheaper to do than to find out.
            self._last_time = when
            heap.append(deadline)
        else:
            heapq.heappush(heap, deadline)
        if self._timer is None or when < self._timer_time:
            self._arm(ioloop, when, max(0, timeout - (now - since)))

    def clear(self):
        """Drop all deadlines."""
        self._heap = []
        self._latest = None
        self._disarm()

    def _clock_was_set_back(self, ioloop, now):
        """Let nobody wait longer, from now on, than he meant to in the beginning."""
        heap = self._heap
        for deadline in heap:
            if deadline[3] > now:
                deadline[0] += now - deadline[3]
                deadline[3] = now
        heapq.heapify(heap)
        if heap:
            self._last_time = max(heap)[0]
            self._arm(ioloop, heap[0][0], max(0, heap[0][0] - now))

    def _is_pending(self, deadline):
        return self._entries.get(deadline[2], _NO_ENTRY)[-1] is deadline

    def _drop_answered(self):
        entries = self._entries
        self._heap = [deadline for deadline in self._heap
                      if entries.get(deadline[2], _NO_ENTRY)[-1] is deadline]
        heapq.heapify(self._heap)
        self._spare = 2 * len(self._heap) + _SPARE_DEADLINES

    def _arm(self, ioloop, time, delay):
        self._disarm()
        self._ioloop = ioloop
        self._timer_time = time
        self._timer = ioloop.call_later(delay, self._timer_fired)

    def _disarm(self):
        if self._timer is not None:
            self._ioloop.remove_timeout(self._timer)
            self._timer = None

    def _timer_fired(self):
        # A timer has its own idea of the time: do not let one that is a bit early go round again.
        now = max(self._ioloop.time(), self._timer_time)
        self._timer = None
        heap = self._heap
        passed = []
        while heap:
            deadline = heap[0]
            pending = self._is_pending(deadline)
            if pending and deadline[0] > now:
                # Armed first: what follows may add deadlines.
                self._arm(self._ioloop, deadline[0], deadline[0] - now)
                break
            heapq.heappop(heap)
            if pending:
                passed.append(deadline)
        for deadline in passed:
            if self._is_pending(deadline):
                self._passed(deadline[2], deadline[3])
