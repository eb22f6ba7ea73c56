"""Coroutines that raise what ends a loop.

Tornado's coroutines and asyncio's tasks hand on exceptions to who waits for them, except for SystemExit,
KeyboardInterrupt and their like: those come out of the loop, which ends, and a tornado coroutine's future is
never done.
"""

from __future__ import absolute_import, division, print_function

import functools
import sys

import tornado
from tornado.gen import Runner
from tornado.ioloop import IOLoop

from katcp.compat.futures import fail
from katcp.compat.versions import PY2

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


if not PY2 and sys.version_info >= (3, 8) and tornado.version_info[:2] < (6, 6):
    import asyncio

    class _CancellationTeller(object):
        """What makes an ioloop tell who waits for a coroutine; goes before the ioloop's own class."""

        def _run_callback(self, callback):
            # A partial, since tornado logs what it was given: that shows the callback.
            super(_CancellationTeller, self)._run_callback(functools.partial(self._call_and_tell, callback))

        def _call_and_tell(self, callback):
            try:
                return callback()
            except asyncio.CancelledError:
                fail_coroutines(self, sys.exc_info())
                raise

    _telling_classes = {}

    def tell_of_cancellations(ioloop):
        """Have coroutines on `ioloop` end that meet a cancellation while they wait.

        Tornado before 6.6 forgets them, since asyncio's CancelledError is no `Exception`: who waits for one
        waits for ever.
        """
        base = type(ioloop)
        if issubclass(base, _CancellationTeller) or not issubclass(base, IOLoop):  # a stand-in of a test
            return
        if base not in _telling_classes:
            _telling_classes[base] = type("Telling" + base.__name__, (_CancellationTeller, base), {})
        # The classes differ in nothing but a method, and the loop may be in use already.
        ioloop.__class__ = _telling_classes[base]
else:
    def tell_of_cancellations(ioloop):
        """Have coroutines on `ioloop` end that meet a cancellation while they wait; here they do anyway."""
