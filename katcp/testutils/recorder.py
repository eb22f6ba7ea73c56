"""Keeps the messages that a client receives, for a test to look at."""

from __future__ import absolute_import, division, print_function

import re
import threading

from katcp.testutils.deadline import wait_until


class MessageRecorder(object):
    """Keeps messages, those that pass its filters; any thread may append and any thread wait.

    Parameters
    ----------
    msg_types : container of int
        Types of message to keep, of `Message.REQUEST`, `Message.REPLY` and `Message.INFORM`.
    whitelist : container of str
        Names of messages to keep; if it is empty, all.
    regex_filter : str or None
        Regular expression that has to match, from its beginning, the message as on the wire.
    blacklist : container of str
        Names of messages not to keep.  With a regular expression it has no effect.

    Attributes
    ----------
    msgs : list of Message
        What has been kept since the last `get_msgs`.
    msg_received : threading.Event
        Set and cleared again for each message kept.
    """

    def __init__(self, msg_types, whitelist, regex_filter, blacklist):
        self.msgs = []
        self.msg_types = msg_types
        self.whitelist = whitelist
        self.regex_filter = re.compile(regex_filter) if regex_filter else None
        self.blacklist = blacklist
        self.msg_received = threading.Event()
        self._appended = threading.Condition()

    def _record_predicate(self, msg):
        """Return whether to keep `msg`."""
        if msg.mtype not in self.msg_types:
            return False
        if self.whitelist and msg.name not in self.whitelist:
            return False
        if self.regex_filter is not None:
            return self.regex_filter.match(str(msg)) is not None
        return msg.name not in self.blacklist

    def append_msg(self, msg):
        """Keep a message if it passes the filters.

        Parameters
        ----------
        msg : Message
            The message.
        """
        if not self._record_predicate(msg):
            return
        with self._appended:
            self.msgs.append(msg)
            self._appended.notify_all()
        self.msg_received.set()
        self.msg_received.clear()

    def wait_number(self, number, timeout=1):
        """Wait until there are a number of messages.

        Parameters
        ----------
        number : int
            How many, at least.
        timeout : int or float or None, optional
            For how many seconds to wait at most; None for ever.

        Returns
        -------
        bool or None
            True as soon as there are that many, None if there are not in time.
        """
        with self._appended:
            if wait_until(self._appended, lambda: len(self.msgs) >= number, timeout):
                return True
        return None

    def get_msgs(self, min_number=0, timeout=1):
        """Return the messages, and forget them.

        Parameters
        ----------
        min_number : int, optional
            How many messages to wait for.
        timeout : int or float or None, optional
            For how many seconds to wait at most; None for ever.

        Returns
        -------
        list of Message
            All that are there; fewer than `min_number` if they did not come in time.
        """
        self.wait_number(min_number, timeout)
        with self._appended:
            msgs = self.msgs[:]
            del self.msgs[:]
        return msgs

    def __call__(self, min_number=0, timeout=1):
        """Same as `get_msgs`."""
        return self.get_msgs(min_number, timeout)
