"""What clients are told when something goes wrong that is not their fault, or not plainly so."""

from __future__ import absolute_import, division, print_function

import threading
import traceback

from katcp import compat
from katcp.message import Message


def must_go_through(exc_type):
    """Return whether an exception is Ctrl-C and this is the thread where somebody waits for it."""
    return (issubclass(exc_type, KeyboardInterrupt)
            and isinstance(threading.current_thread(), threading._MainThread))


def reason_text(exc):
    """Return the text of an exception, whatever its class does when it is asked for it."""
    for to_text in (str, compat.text_type):  # on Python 2 str() refuses text that is not ASCII
        try:
            return to_text(exc)
        except Exception:
            continue
    return "<%s that cannot be shown>" % (type(exc).__name__,)


def traceback_text(exc_info, limit):
    """Return a traceback of at most `limit` frames as clients are sent it."""
    entries = traceback.format_exception(exc_info[0], exc_info[1], exc_info[2], limit)
    if exc_info[2] is None:
        # Futures of Python 2 may hold exceptions that were never raised.
        entries.insert(0, "Traceback (most recent call last):\n")
    return "\n".join(entries)


def reply_to_failed_message(client_conn, msg, exc_info):
    """Answer a request whose handling failed outside of its handler; other messages need no answer."""
    if msg.mtype == Message.REQUEST:
        text = "%s: %s" % (exc_info[0].__name__, reason_text(exc_info[1]))
        client_conn.reply(Message.reply_to_request(msg, "fail", text), msg)
