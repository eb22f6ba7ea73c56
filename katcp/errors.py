"""The exceptions of the library.

Two of them are messages from a user's request handler to the server rather than errors:
:exc:`FailReply` says "answer with a fail", :exc:`AsyncReply` says "I shall answer later".
"""

from __future__ import absolute_import, division, print_function


class KatcpSyntaxError(ValueError):
    """A message breaks the grammar: a received line, or one that somebody tries to build."""


class KatcpTypeError(TypeError):
    """Something that has to be a byte string is not one."""


class KatcpClientError(Exception):
    """A client cannot do what it was asked to."""


class KatcpVersionError(KatcpClientError):
    """The protocol version or flags of the peer do not allow what was asked for."""


class KatcpClientDisconnected(KatcpClientError):
    """A client was asked to send something while it was not connected."""


class KatcpDeviceError(Exception):
    """Kept for user code that raises or catches it; the library itself never raises it."""


class FailReply(Exception):
    """Raised by a request handler to have the server answer ``!name fail <text>``.

    Examples
    --------
    ::

        def request_point(self, req, msg):
            "Point at a target."
            if not self.ready:
                raise FailReply("The drives are off.")
    """


class AsyncReply(Exception):
    """Raised by a request handler that answers later by itself; as a class or as an instance."""


class KATCPResourceError(Exception):
    """Something went wrong with a resource: the client's picture of a device."""


class KATCPResourceInactive(KATCPResourceError):
    """A request was made of a resource that is switched off."""


class KATCPSensorError(KATCPResourceError):
    """A sensor of a resource cannot do what it was asked to."""


class UnknownSensorError(KATCPSensorError, KeyError):
    """A resource has no sensor of this name, the only argument (a KeyError for the sake of older code)."""

    def __str__(self):
        return "There is no sensor %s" % ", ".join([repr(name) for name in self.args])
