"""A client that tells others of the informs it receives."""

from __future__ import absolute_import, division, print_function

from collections import defaultdict

from katcp.client.async_client import AsyncClient
from katcp.compat import CANCELLED_ERRORS, lossy_str
from katcp.log_records import record_text


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
            self._inform_hooks[inform_name] = hooks + [callback]

    def handle_inform(self, msg):
        """Call the hooks for an inform, then do with it what any `AsyncClient` does."""
        hooks = self._inform_hooks.get(msg.name)
        if hooks:
            for hook in hooks:
                try:
                    hook(msg)
                except (Exception,) + CANCELLED_ERRORS:
                    self._logger.warning(record_text('Call to function "%s" with message "%s".',
                                                     lossy_str(hook), msg.log_text()), exc_info=True)
        return super(_InformHookDeviceClient, self).handle_inform(msg)
