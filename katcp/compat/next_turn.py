"""The next turn of a loop, taken at the end of the present one.

Who waits for a future is woken in the next turn of the loop, and before that the loop asks the OS for
events.  A client that makes one request after the other spends a sixth of its time on that, for nothing:
what the OS has to tell would be handled after those who are to be woken anyway.  So where a callback is
the last one of its turn it may run what has been scheduled since then on the spot.  The order of everything
stays the same.

The ready list of an asyncio loop is not public.  It has been what it is for as long as there is asyncio;
on loops of other makes, and in debug mode, the loop takes its turns itself.
"""

from __future__ import absolute_import, division, print_function

from katcp.compat.versions import ON_ASYNCIO

if ON_ASYNCIO:
    import asyncio


class NextTurn(object):
    """What a loop has to run when it turns round; use `next_turn_of`.

    Parameters
    ----------
    ready : collections.deque
        The handles of the callbacks that the loop is to run.
    """

    __slots__ = ("_ready",)

    def __init__(self, ready):
        self._ready = ready

    def is_empty(self):
        """Whether the running callback is the last of its turn, and nothing is scheduled for the next."""
        return not self._ready

    def take(self):
        """Run what has been scheduled since the next turn was empty, as the last thing that a callback does.

        What is scheduled in the meantime is left to the loop.
        """
        ready = self._ready
        for _ in range(len(ready)):
            if not ready:
                break  # somebody runs loops within callbacks
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()


def next_turn_of(ioloop):
    """Return the NextTurn of a loop, or None if only the loop itself can take it."""
    if not ON_ASYNCIO:
        return None
    loop = getattr(ioloop, "asyncio_loop", None)
    if getattr(type(loop), "_run_once", None) is not asyncio.BaseEventLoop._run_once or loop.get_debug():
        return None
    return NextTurn(loop._ready)
