"""A client that tells others of the informs it receives."""

from __future__ import absolute_import, division, print_function

import sys
from collections import defaultdict

from katcp.client.async_client import AsyncClient
from katcp.compat import CANCELLED_ERRORS, lossy_str
from katcp.listeners import check_signature
from katcp.log_records import record_text
from katcp.waiting import hashable_identity


class _InformHookDeviceClient(AsyncClient):
    """An `AsyncClient` with hooks: functions that are called on informs, before anything else is.

    Parameters
    ----------
    host, port, *args, **kwargs
        See `AsyncClient`.
    """

    def __init__(self, *args, **kwargs):
        super(_InformHookDeviceClient, self).__init__(*args, **kwargs)
        # Name -> list of functions.  Lists are replaced, not changed: one may be being gone through.
        self._inform_hooks = defaultdict(list)

    def hook_inform(self, inform_name, callback):
        """Have a function called on all informs of a name, also on those that belong to a request.

        Hooks are called in the order in which they were added, before the inform reaches its request or
        its handler.

        Parameters
        ----------
        inform_name : str
        callback : callable
            ``callback(msg)`` is called with the Message.  A function that is equal to one that is there
            already is not added again.
        """
        hooks = self._inform_hooks[inform_name]
        if callback not in hooks:
            check_signature(self._logger, "Hook", callback, "msg")
            self._inform_hooks[inform_name] = hooks + [callback]

    def handle_inform(self, msg):
        """Call the hooks for an inform, then do with it what any `AsyncClient` does."""
        hooks = self._inform_hooks.get(msg.name)
        if hooks:
            for hook in hooks:
                try:
                    hook(msg)
                except (Exception,) + CANCELLED_ERRORS:
                    self._log_failed_hook(hook, msg, sys.exc_info())
        return super(_InformHookDeviceClient, self).handle_inform(msg)

    def _log_failed_hook(self, hook, msg, exc_info):
        suffix = self._handler_failures.suffix(exc_info, hashable_identity(hook))
        if suffix is not None:
            self._logger.warning(record_text('Call to function "%s" with message "%s".%s', lossy_str(hook),
                                             msg.log_text(), suffix), exc_info=exc_info)
