"""A client for testing a device server over a real connection."""

from __future__ import absolute_import, division, print_function

import threading

from katcp import client
from katcp.message import Message
from katcp.testutils.recorder import MessageRecorder
from katcp.testutils.request_assertions import RequestAssertions
from katcp.testutils.sensor_assertions import SensorAssertions


class BlockingTestClient(SensorAssertions, RequestAssertions, client.BlockingClient):
    """A :class:`katcp.BlockingClient` with assertions about the device that it is connected to.

    All methods that send requests block; they must not be called in the thread of the client's loop.
    A request that fails or times out fails the assertion.

    Parameters
    ----------
    test : unittest.TestCase
        Its assertion methods are used.  If it has an attribute ``sensor_lag``, that is the number of
        seconds which the device may take to update its sensors after a request.
    *args, **kwargs
        As of :class:`katcp.BlockingClient`.
    """

    def __init__(self, test, *args, **kwargs):
        self.test = test
        # Replaced when a recorder comes or goes, never changed: the loop's thread iterates over it.
        self._message_recorders = {}
        self._recorders_lock = threading.Lock()
        super(BlockingTestClient, self).__init__(*args, **kwargs)

    @client.make_threadsafe
    def raw_send(self, chunk):
        """Send bytes as they are: a part of a message, or several of them.

        Parameters
        ----------
        chunk : bytes
            Called in another thread than that of the client's loop, this returns at once; the order is
            that of the calls.  What goes wrong is then only logged.
        """
        # The connection takes its users' word for it, and cannot go on after text that it queued.
        if not isinstance(chunk, (bytes, bytearray, memoryview)):
            raise TypeError("raw_send() takes bytes, not {!r}".format(chunk))
        self._stream.write(bytes(bytearray(chunk)))

    def message_recorder(self, whitelist=(), blacklist=(), regex_filter=None, informs=True,
                         replies=False):
        """Record what the client receives from now on.

        Parameters
        ----------
        whitelist : iterable of str, optional
            Names of the messages to record; if it is empty, all.
        blacklist : iterable of str, optional
            Names of messages not to record.
        regex_filter : str, optional
            Regular expression that has to match, from its beginning, the message as on the wire.  The
            blacklist then has no effect.
        informs, replies : bool, optional
            Which types of message to record.

        Returns
        -------
        MessageRecorder
            It records until it is given to :meth:`remove_message_recorder`.
        """
        msg_types = []
        if informs:
            msg_types.append(Message.INFORM)
        if replies:
            msg_types.append(Message.REPLY)
        recorder = MessageRecorder(msg_types, set(whitelist), regex_filter, set(blacklist))
        with self._recorders_lock:
            recorders = dict(self._message_recorders)
            recorders[id(recorder)] = recorder.append_msg
            self._message_recorders = recorders
        return recorder

    def remove_message_recorder(self, recorder):
        """End what :meth:`message_recorder` began; the recorder keeps its messages.

        Parameters
        ----------
        recorder : MessageRecorder
            The recorder.
        """
        with self._recorders_lock:
            recorders = dict(self._message_recorders)
            recorders.pop(id(recorder), None)
            self._message_recorders = recorders

    def _record(self, msg):
        for append_msg in self._message_recorders.values():
            append_msg(msg)

    def handle_inform(self, msg):
        """Record an inform, then do what the base class does with it."""
        self._record(msg)
        return super(BlockingTestClient, self).handle_inform(msg)

    def handle_reply(self, msg):
        """Record a reply, then do what the base class does with it."""
        # The base class also passes here what it replies itself when a request cannot be sent.
        if self._unsent is None or self._unsent[0] is not msg:
            self._record(msg)
        return super(BlockingTestClient, self).handle_reply(msg)
