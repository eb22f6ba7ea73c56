"""The log of a device: what the device has to say, to its clients and to Python's logging.

The levels are the protocol's.  A client sets, with ``?log-level``, from which level on ``#log``
informs are sent; there is one level for a server, not one for each client.
"""

from __future__ import absolute_import, division, print_function

from katcp.compat import is_bytes, lossy_str, string_types
from katcp.log_records import record_text


class DeviceLogger(object):
    """Log that goes to all clients of a device server as ``#log`` informs, and to a Python logger.

    Its methods may be called from any thread, in any concurrency mode, and also while the server is
    not running (then only the Python logger gets the message).  They never raise because of what is
    logged: a message that does not fit its arguments is logged as it is, followed by them.

    Parameters
    ----------
    device_server : DeviceServerBase
        Whose clients to inform; its `create_log_inform` and `mass_inform` are used.
    root_logger : str
        Name that messages are logged under unless ``name=`` is given.
    python_logger : logging.Logger or None
        Where messages go besides.  `set_log_level` sets its level too.

    Examples
    --------
    In a handler of a device::

        self.log.warn("Pump %d is slow", 3)
        self.log.error("Pump %d failed", 3, name="pumps", timestamp=time_of_failure)
    """

    # Levels and their names, as in the specification's section on logging.
    ALL, TRACE, DEBUG, INFO, WARN, ERROR, FATAL, OFF = range(8)

    LEVELS = ["all", "trace", "debug", "info", "warn", "error", "fatal", "off"]

    # Levels of Python's logging; nothing is below 0, which therefore stands for ALL as well.
    PYTHON_LEVEL = {TRACE: 0, DEBUG: 10, INFO: 20, WARN: 30, ERROR: 40, FATAL: 50, OFF: 60}

    def __init__(self, device_server, root_logger="root", python_logger=None):
        self._device_server = device_server
        self._python_logger = python_logger
        self._log_level = self.WARN
        self._root_logger_name = root_logger

    def level_name(self, level=None):
        """Return the name of a level.

        Parameters
        ----------
        level : int or None
            The level; None for the current one.

        Returns
        -------
        str

        Raises
        ------
        IndexError
            If there is no such level.
        """
        if level is None:
            level = self._log_level
        return self.LEVELS[level]

    def level_from_name(self, level_name):
        """Return the level of that name.

        Parameters
        ----------
        level_name : str or bytes
            One of `LEVELS`.

        Returns
        -------
        int

        Raises
        ------
        ValueError
            If there is no such level.
        """
        name = lossy_str(level_name)
        if name not in self.LEVELS:
            raise ValueError("Unknown logging level name '%s'" % (name,))
        return self.LEVELS.index(name)

    def set_log_level(self, level):
        """Set the level from which on messages are logged, here and in the Python logger.

        Parameters
        ----------
        level : int
            One of the level constants of this class.
        """
        self._log_level = level
        if self._python_logger is not None:
            self._python_logger.setLevel(self.PYTHON_LEVEL.get(level, 0))

    def set_log_level_by_name(self, level_name):
        """Set the level from which on messages are logged.

        Parameters
        ----------
        level_name : str or bytes
            One of `LEVELS`.

        Raises
        ------
        ValueError
            If there is no such level.
        """
        self.set_log_level(self.level_from_name(level_name))

    def log(self, level, msg, *args, **kwargs):
        """Log a message.

        Parameters
        ----------
        level : int
            One of the level constants of this class.
        msg : str
            The message, with ``%`` fields for `args`.
        name : str, optional
            Name to log under, by default the root logger's.
        timestamp : float, optional
            When it happened, in seconds since the epoch; by default now.
        """
        timestamp = kwargs.get("timestamp")
        informing = level >= self._log_level
        python_logger = self._python_logger
        if python_logger is not None:
            python_level = self.PYTHON_LEVEL.get(level, 0)
            is_enabled_for = getattr(python_logger, "isEnabledFor", None)
            if is_enabled_for is not None and not is_enabled_for(python_level):
                python_logger = None
        if not informing and python_logger is None:
            return
        text = _format(msg, args)
        if python_logger is not None:
            # A text without arguments goes there as it is, percent signs and all.
            record_msg = lossy_str(msg if not args and isinstance(msg, string_types) else text)
            if timestamp is not None:
                record_msg = record_text("katcp timestamp: %r ", timestamp) + record_msg
            python_logger.log(python_level, record_msg)
        if informing:
            server = self._device_server
            server.mass_inform(server.create_log_inform(
                self.level_name(level), text, kwargs.get("name") or self._root_logger_name,
                timestamp=timestamp))

    def trace(self, msg, *args, **kwargs):
        """Log a message of level trace; parameters as in `log`."""
        self.log(self.TRACE, msg, *args, **kwargs)

    def debug(self, msg, *args, **kwargs):
        """Log a message of level debug; parameters as in `log`."""
        self.log(self.DEBUG, msg, *args, **kwargs)

    def info(self, msg, *args, **kwargs):
        """Log a message of level info; parameters as in `log`."""
        self.log(self.INFO, msg, *args, **kwargs)

    def warn(self, msg, *args, **kwargs):
        """Log a message of level warn; parameters as in `log`."""
        self.log(self.WARN, msg, *args, **kwargs)

    def error(self, msg, *args, **kwargs):
        """Log a message of level error; parameters as in `log`."""
        self.log(self.ERROR, msg, *args, **kwargs)

    def fatal(self, msg, *args, **kwargs):
        """Log a message of level fatal; parameters as in `log`."""
        self.log(self.FATAL, msg, *args, **kwargs)

    @classmethod
    def log_to_python(cls, logger, msg):
        """Log a ``#log`` inform that came from a device.

        Parameters
        ----------
        logger : logging.Logger
            Where to log it, as ``"<timestamp> <name>: <text>"``.
        msg : Message
            The inform; its arguments are level, timestamp, name and text.

        Raises
        ------
        KeyError
            If there is no such level.
        ValueError
            If the number of arguments is wrong.
        """
        level, timestamp, name, text = msg.arguments
        logger.log(_PYTHON_LEVEL_OF_NAME[level],
                   record_text("%s %s: %s", lossy_str(timestamp), lossy_str(name), lossy_str(text)))


_PYTHON_LEVEL_OF_NAME = dict(
    (DeviceLogger.LEVELS[level].encode("ascii"), DeviceLogger.PYTHON_LEVEL[level])
    for level in range(DeviceLogger.TRACE, DeviceLogger.OFF))


def _format(msg, args):
    """Return the text of a message; `args` are appended if they do not fit it."""
    values = args
    if len(args) == 1 and isinstance(args[0], dict) and args[0]:
        values = args[0]  # as Python's logging does
    try:
        return msg % values
    except Exception:
        pass
    # Anything may be logged: objects that are no strings, and ones whose own conversion fails.
    try:
        if not args:
            return msg if is_bytes(msg) else lossy_str(msg)
        return ("%s %s" % (lossy_str(msg), args)).strip()
    except Exception:
        return "<message that cannot be shown>"
