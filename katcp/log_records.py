"""Texts of log records.

Handlers of users read ``record.msg`` and know nothing of ``record.args``.  All records of this library
therefore are complete texts without arguments; who logs fills the template in first.
"""

from __future__ import absolute_import, division, print_function

import traceback

from katcp import compat


def record_text(template, *args):
    """Return a template with its arguments filled in; never raises because of what they are.

    Parameters
    ----------
    template : str
        With a field ``%s`` or ``%r`` for each argument.
    *args
        Of any type.

    Returns
    -------
    str
        A native string.
    """
    try:
        text = template % args
    except Exception:
        # Objects of users may fail to show themselves, and on Python 2 text and bytes to come together.
        text = template % tuple([_Shown(arg) for arg in args])
    return text if type(text) is str else compat.lossy_str(text)


class _Shown(object):
    """Something that can be shown, in place of something that perhaps cannot."""

    def __init__(self, value):
        self._value = value

    def __str__(self):
        try:
            return compat.lossy_str(self._value)
        except Exception:
            return self._substitute()

    def __repr__(self):
        try:
            return compat.lossy_str(repr(self._value))
        except Exception:
            return self._substitute()

    def _substitute(self):
        return "<%s that cannot be shown>" % (type(self._value).__name__,)


def traceback_text(exc_info, limit):
    """Return a traceback as it is logged, and sent to clients.

    Parameters
    ----------
    exc_info : tuple
        As from ``sys.exc_info()``.
    limit : int
        Largest number of stack frames.

    Returns
    -------
    str
        A native string, with an empty line after each entry.
    """
    entries = traceback.format_exception(exc_info[0], exc_info[1], exc_info[2], limit)
    if exc_info[2] is None:
        # Futures of Python 2 may hold exceptions that were never raised.
        entries.insert(0, "Traceback (most recent call last):\n")
    return compat.lossy_str("\n".join(entries))
