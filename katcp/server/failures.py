"""What clients are told when something goes wrong that is not their fault, or not plainly so."""

from __future__ import absolute_import, division, print_function

import threading

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


def reply_to_failed_message(client_conn, msg, exc_info):
    """Answer a request whose handling failed outside of its handler; other messages need no answer."""
    if msg.mtype == Message.REQUEST:
        text = "%s: %s" % (exc_info[0].__name__, reason_text(exc_info[1]))
        client_conn.reply(Message.reply_to_request(msg, "fail", text), msg)
