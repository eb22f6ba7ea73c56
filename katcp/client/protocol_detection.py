"""Which dialect of the protocol a server speaks, from what it says about itself.

Servers of version 5 announce themselves with ``#version-connect katcp-protocol 5.0-MI``, those of version
4 and older with ``#version`` and ``#build-state``, and some with both.  What was found holds for one
connection: a server may come back upgraded.
"""

from __future__ import absolute_import, division, print_function

from tornado.util import ObjectDict

from katcp.compat import lossy_str
from katcp.protocol import FLOAT_TS_KATCP_MAJOR, SEC_TO_MS_FAC, SEC_TS_KATCP_MAJOR, ProtocolFlags

# No server has as many parts; one that never ends to name more must not fill the memory.
MAX_VERSIONS = 1000

# Logged as one text each, since people's log filters and tests look at the first argument of the call.
_WARNING = ("Protocol Version Warning: Ignoring inform received from server indicating a katcp protocol "
            "revision inconsistent with the static configuration. "
            "Static configuration: '{}'. Inform received: '{}'")
_ERROR = ("Protocol Version Error: Inform received from server indicating a katcp protocol revision "
          "inconsistent with the previously detected version. Disconnecting in disgust. "
          "Previous version: '{}'. Inform received: '{}'")


def _flags_text(flags):
    try:
        return str(flags)
    except Exception:  # flags of strange types are possible
        return repr(flags)


class ProtocolDetection(object):
    """The part of a client that finds out, or is told, what its server speaks.

    It needs from the rest of the client: ``_logger``, ``_disconnect()``, ``_auto_reconnect`` and the event
    ``_received_protocol_info``.
    """

    _static_protocol_configuration = False
    _static_protocol_flags = None
    # Whether a contradiction, and nobody else, has switched automatic reconnection off.
    _reconnecting_given_up = False

    def _forget_protocol(self):
        """Return to what is known before the first connection: nothing, or what was preset."""
        self.versions = ObjectDict()
        self._protocol_flags = None
        if self._reconnecting_given_up:
            self._reconnecting_given_up = False
            self._auto_reconnect = True
        self._forget_connection_protocol()

    def _forget_connection_protocol(self):
        """Expect that a new connection speaks anything.

        The flags themselves stay until better ones are known, for the sake of those who look at them
        between two connections; but message ids have to be announced before they are used.
        """
        # Whether the flags were found in, or assigned during, the current connection ...
        self._protocol_confirmed = False
        # ... and whether only because of #version or #build-state, which leave the minor version open.
        self._protocol_implied = False
        if self._static_protocol_configuration:
            self.protocol_flags = self._static_protocol_flags
        else:
            self._server_supports_ids = False
            self._received_protocol_info.clear()

    @property
    def protocol_flags(self):
        """The `ProtocolFlags` of the server, None as long as they are not known."""
        return self._protocol_flags

    @protocol_flags.setter
    def protocol_flags(self, protocol_flags):
        supports_ids = protocol_flags.supports(ProtocolFlags.MESSAGE_IDS)
        self._protocol_flags = protocol_flags
        self._protocol_confirmed = True
        self._protocol_implied = False
        self._server_supports_ids = supports_ids
        self._received_protocol_info.set()

    def preset_protocol_flags(self, protocol_flags):
        """Fix what the server speaks, instead of finding it out.

        Contradicting informs of the server are logged and ignored.  Survives restarts.

        Parameters
        ----------
        protocol_flags : ProtocolFlags
        """
        self._static_protocol_configuration = True
        self._static_protocol_flags = protocol_flags
        self.protocol_flags = protocol_flags

    def convert_seconds(self, time_seconds):
        """Convert seconds to what the server expects in arguments that are times.

        Parameters
        ----------
        time_seconds : int or float

        Returns
        -------
        int or float
            Seconds for version 5 and newer; milliseconds for version 4, whole ones for older versions.

        Raises
        ------
        AttributeError
            If the version is not known yet.
        """
        major = self.protocol_flags.major
        if major >= SEC_TS_KATCP_MAJOR:
            return time_seconds
        milliseconds = time_seconds * SEC_TO_MS_FAC
        return milliseconds if major >= FLOAT_TS_KATCP_MAJOR else int(milliseconds)

    # --- what servers say ------------------------------------------------------------------------

    def inform_version_connect(self, msg):
        """Process a #version-connect message: learn versions, the protocol's above all."""
        if len(msg.arguments) < 2:
            return
        # Builds and serial numbers may be anything, and must not get in the way of the protocol.
        name = lossy_str(msg.arguments[0])
        if len(self.versions) >= MAX_VERSIONS and name not in self.versions:
            return
        self.versions[name] = tuple([lossy_str(arg) for arg in msg.arguments[1:]])
        if name == "katcp-protocol":
            self._set_protocol_from_inform(ProtocolFlags.parse_version(msg.arguments[1]), msg)

    def inform_version(self, msg):
        """Process a #version message: the server speaks version 4 or older."""
        self._set_v4_protocol(msg)

    def inform_build_state(self, msg):
        """Process a #build-state message: the server speaks version 4 or older."""
        self._set_v4_protocol(msg)

    def _set_v4_protocol(self, inform):
        known = self._protocol_confirmed
        if known and self._protocol_flags.major < SEC_TS_KATCP_MAJOR:
            return  # nothing new, and less precise than an announcement
        self._set_protocol_from_inform(ProtocolFlags(4, 0, ""), inform)
        if not known:
            self._protocol_implied = True

    def _set_protocol_from_inform(self, protocol_flags, inform):
        """Adopt the flags that `inform` stands for, unless they contradict what is known."""
        if not self._protocol_confirmed:
            self.protocol_flags = protocol_flags
            return
        current = self._protocol_flags
        if protocol_flags == current:
            self._protocol_implied = False
        elif self._static_protocol_configuration:
            # Called by this name because that is what people's stand-in loggers have.
            warn = getattr(self._logger, "warn", self._logger.warning)
            warn(_WARNING.format(_flags_text(current), inform.log_text()))
        elif self._protocol_implied and protocol_flags.major < SEC_TS_KATCP_MAJOR:
            self.protocol_flags = protocol_flags
        else:
            self._logger.error(_ERROR.format(_flags_text(current), inform.log_text()))
            self._reconnecting_given_up |= bool(self._auto_reconnect)
            self._auto_reconnect = False
            self._disconnect()
            self.protocol_flags = protocol_flags
