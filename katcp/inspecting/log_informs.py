"""What a device logs: from ``#log`` informs to a listener of the user's."""

from __future__ import absolute_import, division, print_function

import sys

from katcp.compat import CANCELLED_ERRORS, lossy_str
from katcp.katcp_types import Timestamp
from katcp.listeners import FailureCounts, check_signature
from katcp.log_records import record_text
from katcp.protocol import DEFAULT_KATCP_MAJOR

_decode_timestamp = Timestamp().decode


class LogInforms(object):
    """The part of an inspecting client that passes on what its device logs.

    It needs from the rest of the client: ``katcp_client`` and ``_logger``.
    """

    def __init__(self):
        self._log_listener = None
        self._log_failures = FailureCounts()
        super(LogInforms, self).__init__()

    def set_log_listener(self, listener):
        """Have a function called with each message that the device logs (``#log``).

        Which these are is up to the device, see ``?log-level``.

        Parameters
        ----------
        listener : callable or None
            ``listener(level, timestamp, name, text)`` is called in the thread of the loop. `level`, such as
            ``"warn"``, the `name` of the device's logger and `text` are native strings; `timestamp` is in
            seconds since the epoch (float), None if it cannot be read.  Its exceptions are logged.  It takes
            the place of the listener before it; None for no listener.
        """
        if listener is not None:
            check_signature(self._logger, "Log listener", listener, "level", "timestamp", "name", "text")
            self.katcp_client.hook_inform("log", self._cb_inform_log)
        self._log_listener = listener

    def _cb_inform_log(self, msg):
        """Hook: pass on what the device logs."""
        listener = self._log_listener
        if listener is None:
            return
        try:
            level, timestamp, name, text = msg.arguments[:4]
        except ValueError:
            suffix = self._log_failures.suffix(sys.exc_info())
            if suffix is not None:
                self._logger.error(record_text("Ignoring a #log inform that lacks arguments: %s%s",
                                               msg.log_text(), suffix))
            return
        try:
            listener(lossy_str(level), self._log_time(timestamp), lossy_str(name), lossy_str(text))
        except (Exception,) + CANCELLED_ERRORS:
            suffix = self._log_failures.suffix(sys.exc_info(), id(listener))
            if suffix is not None:
                self._logger.exception(record_text("Unhandled exception calling log listener %r%s",
                                                   listener, suffix))

    def _log_time(self, timestamp):
        flags = self.katcp_client.protocol_flags
        try:
            return _decode_timestamp(timestamp, DEFAULT_KATCP_MAJOR if flags is None else flags.major)
        except ValueError:
            return None
