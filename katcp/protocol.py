"""Versions of the protocol: which major version brought what, and the flags of a dialect."""

from __future__ import absolute_import, division, print_function

import re

from katcp.compat import byte_chars, ensure_native_str, is_bytes, is_text

SEC_TO_MS_FAC = 1000
MS_TO_SEC_FAC = 1. / 1000

# The dialect that is spoken unless somebody says otherwise.
DEFAULT_KATCP_MAJOR = 5
# First major version with timestamps in seconds instead of milliseconds.
SEC_TS_KATCP_MAJOR = 5
# First major version that allows fractions in timestamps.
FLOAT_TS_KATCP_MAJOR = 4
# First major version with message ids.
MID_KATCP_MAJOR = 5
# First major version with #version-connect.
VERSION_CONNECT_KATCP_MAJOR = 5
# First major version with #interface-changed.
INTERFACE_CHANGED_KATCP_MAJOR = 5


def _single_byte_flags(flags):
    """Return the set of single bytes meant by `flags`: an iterable of flags, or a string of them."""
    if is_bytes(flags) or is_text(flags):
        flags = (flags,)
    result = set()
    for flag in flags:
        if is_text(flag):
            flag = flag.encode("utf-8")
        if is_bytes(flag):
            result.update(byte_chars(flag))
        else:
            result.add(flag)
    return result


class ProtocolFlags(object):
    """The dialect of a server or client: protocol version and optional features.

    Parameters
    ----------
    major, minor : int or None
        Version of the protocol; None counts as 0.
    flags : iterable of bytes
        The features, single characters each: ``MULTI_CLIENT``, ``MESSAGE_IDS``,
        ``REQUEST_TIMEOUT_HINTS``, ``BULK_SET_SENSOR_SAMPLING`` or ones unknown to this library.
        Native strings and whole strings of flags (``"MI"``) are understood as well.

    Attributes
    ----------
    major, minor : int
    flags : set of bytes
    multi_client, message_ids, request_timeout_hints, bulk_set_sensor_sampling : bool
        Whether the feature was among the flags at construction.

    Raises
    ------
    ValueError
        If a flag is not defined for that version of the protocol.

    Examples
    --------
    >>> str(ProtocolFlags(5, 1, {ProtocolFlags.MULTI_CLIENT, ProtocolFlags.MESSAGE_IDS}))
    '5.1-IM'
    """

    MULTI_CLIENT = b"M"
    MESSAGE_IDS = b"I"
    REQUEST_TIMEOUT_HINTS = b"T"
    BULK_SET_SENSOR_SAMPLING = b"B"

    REQUEST_TIMEOUT_HINTS_MIN_VERSION = (5, 1)
    BULK_SET_SENSOR_SAMPLING_MIN_VERSION = (5, 1)

    STRATEGIES_V4 = frozenset([b"none", b"auto", b"period", b"event", b"differential"])
    STRATEGIES_V5 = STRATEGIES_V4 | frozenset([b"event-rate", b"differential-rate"])
    STRATEGIES_ALLOWED_BY_MAJOR_VERSION = {4: STRATEGIES_V4, 5: STRATEGIES_V5}

    VERSION_RE = re.compile(br"^(?P<major>\d+)\.(?P<minor>\d+)(-(?P<flags>.*))?$")

    def __init__(self, major, minor, flags):
        self.major = major if major is not None else 0
        self.minor = minor if minor is not None else 0
        self.flags = _single_byte_flags(flags)
        self.multi_client = self.MULTI_CLIENT in self.flags
        self.message_ids = self.MESSAGE_IDS in self.flags
        self.request_timeout_hints = self.REQUEST_TIMEOUT_HINTS in self.flags
        self.bulk_set_sensor_sampling = self.BULK_SET_SENSOR_SAMPLING in self.flags
        version = (self.major, self.minor)
        if self.message_ids and self.major < MID_KATCP_MAJOR:
            raise ValueError("MESSAGE_IDS is only supported in katcp v5 and newer")
        if self.request_timeout_hints and version < self.REQUEST_TIMEOUT_HINTS_MIN_VERSION:
            raise ValueError("REQUEST_TIMEOUT_HINTS only suported in katcp v5.1 and newer")
        if self.bulk_set_sensor_sampling and version < self.BULK_SET_SENSOR_SAMPLING_MIN_VERSION:
            raise ValueError("BULK_SET_SENSOR_SAMPLING only suported in katcp v5.1 and newer")

    def __eq__(self, other):
        if not isinstance(other, ProtocolFlags):
            return NotImplemented
        return (self.major == other.major and self.minor == other.minor
                and self.flags == other.flags)

    def __ne__(self, other):
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __str__(self):
        version = "%d.%d" % (self.major, self.minor)
        if not self.flags:
            return version
        return "%s-%s" % (version, ensure_native_str(b"".join(sorted(self.flags))))

    def __repr__(self):
        return "%s(%r, %r, %r)" % (type(self).__name__, self.major, self.minor, sorted(self.flags))

    def supports(self, flag):
        """Return whether `flag` (a single byte, known to this library or not) is set."""
        return flag in self.flags

    def strategy_allowed(self, strategy):
        """Return whether this version of the protocol knows a sampling strategy.

        Parameters
        ----------
        strategy : bytes
            Name of the strategy.

        Returns
        -------
        bool
            False for every strategy if the version is not one that this library knows.
        """
        return strategy in self.STRATEGIES_ALLOWED_BY_MAJOR_VERSION.get(self.major, ())

    @classmethod
    def parse_version(cls, version_str):
        """Return the flags that a peer's version string stands for.

        Parameters
        ----------
        version_str : bytes
            ``<major>.<minor>`` or ``<major>.<minor>-<flags>``.

        Returns
        -------
        ProtocolFlags
            Version 0.0 without flags if the string is no version string.

        Raises
        ------
        ValueError
            If the string contradicts itself (``b"4.0-I"``). It comes from a remote peer, so
            callers have to expect that.
        """
        match = cls.VERSION_RE.match(version_str)
        if match is None:
            return cls(None, None, set())
        return cls(int(match.group("major")), int(match.group("minor")),
                   byte_chars(match.group("flags") or b""))
