"""Sampling strategies for many sensors in few requests.

Devices with the protocol flag B take a comma-separated list of names in ``?sensor-sampling``, and set the
strategy for all of them or, if there is anything wrong, for none.  With other devices each sensor needs a
request of its own; these are sent without waiting for one another.
"""

from __future__ import absolute_import, division, print_function

import collections
import functools

from katcp import compat
from katcp.compat import encode_utf8, ensure_native_str, is_text, ordered_dict
from katcp.message import Message

# Bytes of names in one request.  Devices that bound their lines at all allow for more.
MAX_NAMES_LENGTH = 16 * 1024

# Requests that may be waiting for their replies, so that the timeout of one does not have to allow for
# thousands of others.
MAX_OUTSTANDING = 64

# Seconds that a device has for the reply to a request, for those who have no opinion.
DEFAULT_TIMEOUT = 5.0

# Into how many parts a refused list is split, to find out which sensors it was refused for.
PARTS_OF_REFUSED = 8


def _length(name):
    return len(encode_utf8(name) if is_text(name) else name)


def group_strategies(strategies, max_length=MAX_NAMES_LENGTH):
    """Put together the sensors that can share a bulk request.

    Parameters
    ----------
    strategies : iterable of (name, strategy)
        The strategy is a tuple of message arguments: its name and its parameters.
    max_length : int, optional
        Bytes that the names of one request have, with the commas between them; a longer name is alone.

    Returns
    -------
    list of (names, strategy)
        `names` is a list; it is in the order in which they came.
    """
    groups = []
    # Strategy -> the list of names of the group that it is being added to, and its length.
    open_groups = {}
    for name, strategy in strategies:
        length = _length(name) + 1
        names, total = open_groups.get(strategy, (None, 0))
        if names is None or total + length > max_length + 1:
            names, total = [], 0
            groups.append((names, strategy))
        names.append(name)
        open_groups[strategy] = (names, total + length)
    return groups


def split(names, parts=PARTS_OF_REFUSED):
    """Split a list into at most so many lists of about the same length; a short one into its items."""
    size = -(-len(names) // parts) if len(names) > 2 * parts else 1
    return [names[i:i + size] for i in range(0, len(names), size)]


class _BulkRequest(object):
    """Sends the requests for a number of strategies, and collects the replies."""

    def __init__(self, client, groups, timeout, is_wanted):
        self._client = client
        self._is_wanted = is_wanted
        self._ioloop = client._calling_ioloop()
        self._timeout = timeout
        self._to_send = collections.deque(groups)
        self._outstanding = 0
        self._sending = False
        self._results = ordered_dict()
        self.future = compat.new_future(self._ioloop)

    def send(self):
        """Send as much as may be outstanding; resolve the future when there is nothing more to do."""
        if self._sending:
            return
        self._sending = True
        while self._to_send and self._outstanding < MAX_OUTSTANDING:
            names, strategy = self._to_send.popleft()
            if self._is_wanted is not None:
                names = [name for name in names if self._is_wanted(name)]
                if not names:
                    continue
            request = Message.request("sensor-sampling", ",".join(names), *strategy)
            sent_at = self._ioloop.time()
            answer = self._client.katcp_client.future_request(request, timeout=self._timeout)
            self._outstanding += 1
            answered = functools.partial(self._answered, names, strategy, sent_at)
            if answer.done():
                answered(answer)
            else:
                compat.add_loop_callback(self._ioloop, answer, answered)
        self._sending = False
        if not (self._to_send or self._outstanding):
            compat.resolve(self.future, self._results)

    def _answered(self, names, strategy, sent_at, answer):
        self._outstanding -= 1
        exc_info = compat.future_exc_info(answer)
        if exc_info is not None:
            self._to_send.clear()
            compat.fail(self.future, exc_info)
            return
        result = answer.result()
        if len(names) > 1 and self._is_refusal(result[0], sent_at):
            self._to_send.extend([(part, strategy) for part in split(names)])
        else:
            for name in names:
                self._results[name] = result
        self.send()

    def _is_refusal(self, reply, sent_at):
        """Whether the device does not like something about the request.

        If it cannot be reached, or does not answer in time, smaller requests would not help.
        """
        return (not reply.reply_ok() and self._client.is_connected()
                and self._ioloop.time() - sent_at < self._timeout)


class BulkSampling(object):
    """The part of an inspecting client that sets many sampling strategies at once.

    It needs from the rest of the client: ``katcp_client``, ``_calling_ioloop``, ``is_connected``.
    """

    def set_sampling_strategies(self, strategies, timeout=5.0, is_wanted=None):
        """Set the sampling strategies of any number of sensors, in as few round trips as possible.

        See section 7.1 of the guidelines.

        Parameters
        ----------
        strategies : dict or iterable of pairs
            Name of a sensor to a sequence of message arguments, the strategy and its parameters:
            ``("event-rate", 1, 10)``.
        timeout : float, optional
            Seconds for each request.
        is_wanted : callable, optional
            ``is_wanted(name)``, with a native string, is asked right before each request that is about a
            sensor.  If it returns false, because something else was set while this had to wait for the
            device, the sensor is left out of the request, and of the result unless it is there already.

        Returns
        -------
        future
            Resolves with a dict from each name to ``(reply, informs)``, the answer to the request that
            was, in the end, about it.  With a device that takes lists, sensors share answers; if the
            device refuses a list, it is asked for parts of it, so that a failure concerns but one
            sensor.  If the device cannot be reached, or does not answer in time, replies say so.
        """
        if timeout is None:
            # The time has to be known: a refusal is told from silence by it.
            timeout = DEFAULT_TIMEOUT
        if hasattr(strategies, "items"):
            strategies = strategies.items()
        strategies = ordered_dict(
            (ensure_native_str(name), tuple(Message.request("sensor-sampling", *strategy).arguments))
            for name, strategy in strategies)
        flags = self.katcp_client.protocol_flags
        if flags is not None and flags.bulk_set_sensor_sampling:
            groups = group_strategies(strategies.items())
        else:
            groups = [([name], strategy) for name, strategy in strategies.items()]
        bulk_request = _BulkRequest(self, groups, timeout, is_wanted)
        bulk_request.send()
        return bulk_request.future
