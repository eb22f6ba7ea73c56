"""Coroutines that raise what ends a loop.

Tornado's coroutines and asyncio's tasks hand on exceptions to who waits for them, except for SystemExit,
KeyboardInterrupt and their like: those come out of the loop, which ends, and a tornado coroutine's future is
never done.
"""

from __future__ import absolute_import, division, print_function

from tornado.gen import Runner

from katcp.compat.futures import fail

_RUNNER_CODE = Runner.run.__code__
_CO_COROUTINE = 0x80  # inspect.CO_COROUTINE, which Python 2 does not have


def fail_coroutines(ioloop, exc_info):
    """Have an exception that came out of a loop be that of the coroutines which it came from.

    Parameters
    ----------
    ioloop : tornado.ioloop.IOLoop
        The loop, which runs no more, and is going to be run again if it was a coroutine.
    exc_info : tuple
        As from ``sys.exc_info()`` where the loop was run.

    Returns
    -------
    bool
        Whether it came from a coroutine.  Who waits for that one hears of it when the loop runs.
    """
    found = False
    entry = exc_info[2]
    while entry is not None:
        frame = entry.tb_frame
        if frame.f_code is _RUNNER_CODE:
            future = frame.f_locals["self"].result_future
            if future is not None:
                # On the loop, since the futures of tornado 5 tell the loop that is the current one.
                ioloop.add_callback(fail, future, exc_info)
            found = True
        elif frame.f_code.co_flags & _CO_COROUTINE:
            # An asyncio task has given it to its future already.
            found = True
        entry = entry.tb_next
    return found
