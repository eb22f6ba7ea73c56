"""Requests that a device understands, as objects to call, and the replies that come back."""

from __future__ import absolute_import, division, print_function

import abc
from collections import namedtuple

from katcp.compat import done_future, lossy_str, with_metaclass
from katcp.errors import KATCPResourceInactive
from katcp.message import Message

_KATCPReplyTuple = namedtuple("_KATCPReplyTuple", "reply informs")


class KATCPReply(_KATCPReplyTuple):
    """The reply to a request and the informs that came before it.

    It is true if the request succeeded, can be unpacked (``reply, informs = result``), and prints
    itself as the messages look on the wire.

    Attributes
    ----------
    reply : katcp.Message
    informs : list of katcp.Message
    """

    __slots__ = []

    def __repr__(self):
        """Return a line for each message, as text for humans: without escapes and message id."""
        return "\n".join(_readable(message) for message in self.messages)

    def __str__(self):
        """Return a line for each message, as on the wire."""
        return "\n".join(_wire_text(message) for message in self.messages)

    def __bool__(self):
        return self.succeeded

    __nonzero__ = __bool__

    @property
    def messages(self):
        """List of all messages: the reply, then the informs."""
        return [self.reply] + list(self.informs)

    @property
    def succeeded(self):
        """Whether the reply is an ``ok``."""
        return bool(self.reply.reply_ok())


def _readable(message):
    symbol = lossy_str(Message.TYPE_SYMBOLS[message.mtype])
    return "%s%s %s" % (symbol, message.name,
                        " ".join([lossy_str(argument) for argument in message.arguments]))


def _wire_text(message):
    try:
        return str(message)
    except UnicodeDecodeError:
        return lossy_str(bytes(message))


class KATCPRequest(with_metaclass(abc.ABCMeta)):
    """A request that a device understands; call it to make the request.

    Subclasses define `issue_request`.

    Parameters
    ----------
    request_description : dict
        ``name`` (str), ``description`` (str) and ``timeout_hint`` (float seconds or None).
    is_active : function
        Called without arguments, returns whether requests may be made.

    Raises
    ------
    ValueError
        If one of the three is missing.
    """

    def __init__(self, request_description, is_active=lambda: True):
        self._is_active = is_active
        self._describe(request_description)

    def _describe(self, request_description):
        for key in ("name", "description", "timeout_hint"):
            if key not in request_description:
                raise ValueError("Required request_description key {!r} not present".format(key))
        self._request_description = description = dict(request_description)
        self.__doc__ = "\n".join([
            "KATCP Documentation", "===================", description["description"],
            "KATCPRequest Documentation", "==========================", type(self).__doc__ or ""])

    def update_description(self, request_description):
        """Take over what the device says about the request now.

        Parameters
        ----------
        request_description : dict
            As for the class.
        """
        self._describe(request_description)

    @property
    def name(self):
        """KATCP name of the request, a native str."""
        return self._request_description["name"]

    @property
    def description(self):
        """The device's help text, a native str."""
        return self._request_description["description"]

    @property
    def timeout_hint(self):
        """How many seconds the device says the request may take, a float; None if it does not say."""
        return self._request_description["timeout_hint"]

    def is_active(self):
        """Return whether requests may be made."""
        return self._is_active()

    def __call__(self, *args, **kwargs):
        """Make the request.

        Parameters
        ----------
        *args
            Arguments of the request.
        timeout : float, optional
            How many seconds to wait for the reply.
        mid : int or str, optional
            Message id to use instead of one made up.

        Returns
        -------
        future
            Resolves with a `KATCPReply`, which tells of failures as well.

        Raises
        ------
        KATCPResourceInactive
            At once, if the resource is not active.
        """
        if not self.is_active():
            raise KATCPResourceInactive(
                "Can't make ?{} request; resource is inactive".format(self.name))
        return self.issue_request(*args, **kwargs)

    @abc.abstractmethod
    def issue_request(self, *args, **kwargs):
        """Make the request whether or not it is active; for the rest see `__call__`."""


class KATCPDummyRequest(KATCPRequest):
    """A request that always succeeds and that no device ever sees."""

    def issue_request(self, *args, **kwargs):
        """Return a future that has a successful `KATCPReply` already."""
        return done_future(KATCPReply(Message.reply("fake", "ok"), []))
