"""What may be wrong with functions that users register to be called, and how much of it is logged.

A function that cannot be called in the way it will be is noticed when it is registered, where that can be
seen without calling it.  One that fails whenever it is called must not fill the log: of failures of the
same kind (the same exception class, raised at the same place) the first ones are logged, then a few that
say how many there were.
"""

from __future__ import absolute_import, division, print_function

import functools
import types
from timeit import default_timer

from katcp.log_records import record_text

# So many failures of a kind are logged, and then one in so many seconds of real time ...
LOGGED_FAILURES = 10
LOG_INTERVAL = 10.0
# ... unless the function was not even entered, for that fails in the same way each time.

# So many kinds of failures are remembered.
MAX_KINDS = 1000

_VARARGS = 0x04


def can_be_called_with(function, count):
    """Whether a function can be called with `count` positional arguments.

    Parameters
    ----------
    function : callable
    count : int
        Without the object of a bound method.

    Returns
    -------
    bool
        True as well if it cannot be seen.  Decorators are taken as they are, whatever they wrap.
    """
    if isinstance(function, functools.partial):
        # Keywords may take the place of any argument.
        return bool(function.keywords) or can_be_called_with(function.func, count + len(function.args))
    if isinstance(function, types.MethodType):
        if function.__self__ is not None:
            count += 1
        function = function.__func__
    elif not isinstance(function, (types.FunctionType, type)):
        call = getattr(type(function), "__call__", None)
        function = getattr(call, "__func__", call)
        count += 1
    if not isinstance(function, types.FunctionType):
        return True
    code = function.__code__
    required_keywords = getattr(code, "co_kwonlyargcount", 0) - len(getattr(function, "__kwdefaults__", None)
                                                                    or ())
    return (code.co_argcount - len(function.__defaults__ or ()) <= count
            and (count <= code.co_argcount or bool(code.co_flags & _VARARGS))
            and required_keywords <= 0)


def check_signature(logger, kind, function, *arguments):
    """Log an error if a function that is being registered cannot be called with some arguments.

    Parameters
    ----------
    logger : logging.Logger
    kind : str
        What the function is to be, for the log.
    function : callable
    *arguments : str
        Names of the arguments that it will be called with, by position.
    """
    if not can_be_called_with(function, len(arguments)):
        logger.error(record_text("%s %r cannot be called with (%s), as it will be", kind, function,
                                 ", ".join(arguments)))


def _place_of(tb):
    """Return where an exception was raised, and whether that was in the frame that caught it."""
    if tb is None:  # on Python 2 futures may hold exceptions that were never raised
        return None, False
    here = tb
    while tb.tb_next is not None:
        tb = tb.tb_next
    return (tb.tb_frame.f_code.co_filename, tb.tb_lineno), tb is here


class FailureCounts(object):
    """How often failures of the same kind have come."""

    def __init__(self):
        # Kind -> [how many, how many when one was logged last, when that was]
        self._counts = {}

    def suffix(self, exc_info, *who):
        """Count a failure, and return what is to be logged of it.

        Parameters
        ----------
        exc_info : tuple
            As from ``sys.exc_info()``, where the function was called.
        *who : hashable
            What has failed.  Must not keep objects of users alive.

        Returns
        -------
        str or None
            None if nothing is to be logged; else the end of the text: how many there were by now, if some of
            them have not been logged, or nothing.
        """
        place, not_entered = _place_of(exc_info[2])
        kind = (exc_info[0], place) + who
        entry = self._counts.get(kind)
        if entry is None:
            if len(self._counts) >= MAX_KINDS:
                self._counts.clear()
            entry = self._counts[kind] = [0, 0, 0.0]
        entry[0] = count = entry[0] + 1
        if not_entered and issubclass(exc_info[0], TypeError):
            is_logged = _is_power_of_ten(count)
        else:
            is_logged = count <= LOGGED_FAILURES or default_timer() - entry[2] >= LOG_INTERVAL
        if not is_logged:
            return None
        text = "" if entry[1] == count - 1 else " (%d times by now)" % (count,)
        entry[1:] = count, default_timer()
        return text


def _is_power_of_ten(number):
    while number % 10 == 0:
        number //= 10
    return number == 1
