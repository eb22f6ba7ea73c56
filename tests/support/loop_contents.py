"""What is left on a loop: timers, sockets, tasks."""

from __future__ import absolute_import, division, print_function

from katcp import compat

if compat.PY2:
    def _pending_tasks(loop):
        return []
else:
    import asyncio

    _all_tasks = getattr(asyncio, "all_tasks", None) or asyncio.Task.all_tasks

    def _pending_tasks(loop):
        return [task for task in _all_tasks(loop) if not task.done()]


def loop_contents(ioloop):
    """Return the timers, watched file descriptors and tasks that are on a loop, as a dict of sets."""
    loop = compat.asyncio_loop_of(ioloop)
    if loop is None:
        # Of the loops that tornado has of its own.
        timers = [timer for timer in ioloop._timeouts if timer.callback is not None]
        return {"timers": set(timers), "files": set(ioloop._handlers), "tasks": set()}
    return {
        "timers": set([timer for timer in loop._scheduled if not _is_cancelled(timer)]),
        "files": set(loop._selector.get_map()),
        "tasks": set(_pending_tasks(loop)),
    }


def _is_cancelled(timer):
    return timer._cancelled


def note_futures_given_to(ioloop):
    """Return a list to which whatever awaitable a callback of `ioloop` returns is added from now on.

    A loop wants to hear of the end of such a thing, even when it is closed by then.
    """
    run_callback = ioloop._run_callback
    returned = []

    def run_and_look(callback):
        def look():
            result = callback()
            if result is not None and compat.is_awaitable(result):
                returned.append((callback, result))
            return result

        return run_callback(look)

    ioloop._run_callback = run_and_look
    return returned
