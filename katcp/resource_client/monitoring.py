"""Telling a function whether a resource is synced."""

from __future__ import absolute_import, division, print_function

from katcp.resource_client.futures import eager_coroutine
from katcp.waiting import AsyncEvent, until_any


@eager_coroutine
def monitor_resource_sync_state(resource, callback, exit_event=None):
    """Call a function whenever a resource becomes synced, and whenever it no longer is.

    Parameters
    ----------
    resource : KATCPClientResource or KATCPClientResourceContainer
        Anything with the methods ``until_synced()`` and ``until_not_synced()``.
    callback : callable
        ``callback(False)`` is called at once, then ``callback(True)`` when the resource is synced, and so
        on by turns, in the thread of the loop.
    exit_event : AsyncEvent, optional
        Set it to end the monitor, before the resource is stopped.  Without, it goes on for as long as the
        resource exists.

    Returns
    -------
    future
        Resolves with None once `exit_event` is set; fails if `callback` raises an exception.

    Examples
    --------
    ::

        exit_event = AsyncEvent()
        monitor_resource_sync_state(client, lamp.set_lit, exit_event)
        ...
        exit_event.set()
    """
    if exit_event is None:
        exit_event = AsyncEvent()
    synced = False
    while True:
        callback(synced)
        until_changed = resource.until_not_synced() if synced else resource.until_synced()
        # In one step, so that the callback comes one iteration of the loop after the change.
        yield until_any(until_changed, exit_event.until_set())
        if exit_event.is_set():
            return
        synced = not synced
