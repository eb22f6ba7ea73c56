"""The moment at which a blocking wait gives up."""

from __future__ import absolute_import, division, print_function

import katcp


class Deadline(object):
    """A moment `timeout` seconds from now, by the wall clock.

    The clock is ``katcp.testutils.time``, looked up for each use, because users replace it in tests
    of their own.

    Parameters
    ----------
    timeout : int or float or None
        Seconds from now; None for never.
    """

    def __init__(self, timeout):
        self._when = None if timeout is None else katcp.testutils.time.time() + timeout

    def remaining(self):
        """Return the number of seconds until the deadline, 0 once it is over; None for never."""
        if self._when is None:
            return None
        return max(0, self._when - katcp.testutils.time.time())

    def passed(self):
        """Return whether the deadline is over."""
        return self._when is not None and katcp.testutils.time.time() >= self._when


def wait_until(condition, predicate, timeout):
    """Wait on a condition variable, whose lock the caller holds, until `predicate` is true.

    Parameters
    ----------
    condition : threading.Condition
        Must be notified of whatever changes what `predicate` returns.
    predicate : callable
        Called without arguments; at least once.
    timeout : int or float or None
        For how many seconds to wait at most; None for ever.

    Returns
    -------
    object
        What `predicate` returned last.
    """
    deadline = Deadline(timeout)
    satisfied = predicate()
    while not satisfied and not deadline.passed():
        condition.wait(deadline.remaining())
        satisfied = predicate()
    return satisfied
