"""Types of request parameters, reply values and sensor values: Python objects to and from bytes.

Those whose values are strings are in `katcp.text_types`; `katcp.kattypes` has them all.

A type object says how one argument of a message is written and read, what values it may have, and
what to do when it is missing. Type objects do not change after they were made and may be shared
between threads.

Examples
--------
>>> Int(min=0, max=10).unpack(b"7")
7
>>> Bool(default=True).pack(None) == b"1"
True
"""

from __future__ import absolute_import, division, print_function

import decimal
import numbers
import re
import struct

from katcp.arguments import scalar_of
from katcp.compat import decode_native_ascii, ensure_native_str, is_text, string_types
from katcp.compat.float_text import encode_float
from katcp.protocol import (DEFAULT_KATCP_MAJOR, MS_TO_SEC_FAC, SEC_TO_MS_FAC,
                            SEC_TS_KATCP_MAJOR)


class KatcpType(object):
    """Base class of the types.

    Subclasses set `name`, define ``encode(value, major)``, which returns bytes, and
    ``decode(value, major)``, which takes bytes, override `check` where not every value is allowed,
    and pass further keyword arguments on to this constructor.

    Parameters
    ----------
    default : object, optional
        The value to use where none is given.
    optional : bool
        Whether a value may be missing although there is no default; handlers then receive None.
    multiple : bool
        Whether this type stands for any number of further arguments. For the last type of a
        handler only. No argument at all counts as one that is missing.
    """

    name = "unknown"

    def __init__(self, default=None, optional=False, multiple=False):
        self._default = default
        self._optional = optional
        self._multiple = multiple

    def get_default(self):
        """Return the default.

        Raises
        ------
        ValueError
            If there is none although the type is not optional.
        """
        if self._default is None and not self._optional:
            raise ValueError("No value or default given")
        return self._default

    def check(self, value, major):
        """Raise ValueError if `value` is not allowed. Here every value is.

        Parameters
        ----------
        value : object
            Python value, before packing or after unpacking.
        major : int
            Major version of the protocol.
        """

    def pack(self, value, nocheck=False, major=DEFAULT_KATCP_MAJOR):
        """Return a value as the bytes of a message argument (before escaping).

        Parameters
        ----------
        value : object or None
            None stands for the default.
        nocheck : bool
            Whether to leave out `check`.
        major : int
            Major version of the protocol.

        Returns
        -------
        bytes

        Raises
        ------
        ValueError
            If the value is not allowed, or missing without a default. Values of a wrong Python
            type may give a TypeError.
        """
        if value is None:
            value = self.get_default()
            if value is None:
                raise ValueError("Cannot pack a None value.")
        if not nocheck:
            self.check(value, major)
        return self.encode(value, major)

    def unpack(self, packed_value, major=DEFAULT_KATCP_MAJOR):
        """Return the Python value of a message argument.

        Parameters
        ----------
        packed_value : bytes or None
            The argument (after unescaping); None stands for the default.
        major : int
            Major version of the protocol.

        Returns
        -------
        object
            None only for a missing value of an optional type without default.

        Raises
        ------
        ValueError
            If the argument cannot be read or its value is not allowed, or if it is missing without
            a default.
        """
        if packed_value is None:
            value = self.get_default()
        else:
            value = self.decode(packed_value, major)
        if value is not None:
            self.check(value, major)
        return value

    def check_is_idle(self):
        """Return whether `check` accepts everything, so that hot paths need not call it."""
        return getattr(self.check, "__func__", None) is _CHECK_OF_BASE


_CHECK_OF_BASE = KatcpType.__dict__["check"]


def plain_bytes(value):
    """Return bytes of any subclass as plain ones: the others format and join in ways of their own."""
    return value if type(value) is bytes else b"".join([b"", value])


# --- numbers -------------------------------------------------------------------------------------

class _Ranged(KatcpType):
    """A number with optional inclusive limits."""

    _KIND = None

    def __init__(self, min=None, max=None, **kwargs):
        super(_Ranged, self).__init__(**kwargs)
        self._min = min
        self._max = max

    def check(self, value, major):
        """Raise ValueError unless `value` is within the limits; NaN is within none."""
        # Comparisons with NaN are false: hence "not inside" rather than "outside".
        if self._min is not None and not value >= self._min:
            raise ValueError("%s %s is lower than minimum %s."
                             % (self._KIND, self._shown(value), self._shown(self._min)))
        if self._max is not None and not value <= self._max:
            raise ValueError("%s %s is higher than maximum %s."
                             % (self._KIND, self._shown(value), self._shown(self._max)))

    def check_is_idle(self):
        """Return whether `check` accepts everything: there are no limits."""
        return (self._min is None and self._max is None
                and getattr(self.check, "__func__", None) is _CHECK_OF_RANGED)


_CHECK_OF_RANGED = _Ranged.__dict__["check"]


class Int(_Ranged):
    """An integer.

    Parameters
    ----------
    min, max : int, optional
        Limits, inclusive.
    **kwargs
        As for `KatcpType`.
    """

    name = "integer"
    _KIND = "Integer"

    @staticmethod
    def _shown(number):
        return "%d" % number if isinstance(number, numbers.Integral) else "%s" % (number,)

    def encode(self, value, major):
        """Return `value` as decimal digits; fractions are cut off."""
        return b"%d" % (value,)

    def decode(self, value, major):
        """Return the int that the bytes `value` spell."""
        try:
            return int(value)
        except Exception:
            raise ValueError("Could not parse value '%s' as integer." % (value,))


class Float(_Ranged):
    """A floating-point number; any real number can be packed.

    Parameters
    ----------
    min, max : float, optional
        Limits, inclusive.
    **kwargs
        As for `KatcpType`.
    """

    name = "float"
    _KIND = "Float"

    @staticmethod
    def _shown(number):
        return "%g" % number

    def encode(self, value, major):
        """Return the shortest decimal number that reads back as the same float."""
        if type(value) is not float:
            if not isinstance(scalar_of(value), numbers.Real):
                raise ValueError("Could not encode value '%r' as float." % (value,))
            # numpy's numbers, fractions and the like have representations of their own.
            value = float(value)
        return encode_float(value)

    def decode(self, value, major):
        """Return the float that the bytes `value` spell."""
        try:
            return float(value)
        except Exception:
            raise ValueError("Could not parse value '%s' as float." % (value,))


# --- enumerations --------------------------------------------------------------------------------

class Bool(KatcpType):
    """A truth value, ``1`` or ``0`` in messages; packing takes the truth of any object."""

    name = "boolean"

    def encode(self, value, major):
        """Return ``b"1"`` or ``b"0"``."""
        return b"1" if value else b"0"

    def decode(self, value, major):
        """Return the bool that ``b"1"`` or ``b"0"`` stands for."""
        if value == b"1":
            return True
        if value == b"0":
            return False
        raise ValueError("Boolean value must be b'0' or b'1' but is '%s'." % (value,))


class Lru(KatcpType):
    """The state of a line-replaceable unit: `LRU_NOMINAL` or `LRU_ERROR`."""

    name = "lru"

    LRU_NOMINAL, LRU_ERROR = range(2)

    LRU_VALUES = {LRU_NOMINAL: b"nominal", LRU_ERROR: b"error"}
    LRU_CONSTANTS = dict((text, constant) for constant, text in LRU_VALUES.items())

    def encode(self, value, major):
        """Return ``b"nominal"`` or ``b"error"``."""
        value = scalar_of(value)
        if value not in self.LRU_VALUES:
            raise ValueError("Lru value must be LRU_NOMINAL or LRU_ERROR.")
        return self.LRU_VALUES[value]

    def decode(self, value, major):
        """Return `LRU_NOMINAL` or `LRU_ERROR`."""
        if value not in self.LRU_CONSTANTS:
            raise ValueError("Lru value must be 'nominal' or 'error'.")
        return self.LRU_CONSTANTS[value]


# --- times, addresses, structures ----------------------------------------------------------------

_INFINITIES = (float("inf"), float("-inf"))


def _check_finite(seconds):
    if seconds != seconds or seconds in _INFINITIES:
        raise ValueError("Timestamp %s cannot be told in milliseconds." % (seconds,))


class Timestamp(KatcpType):
    """A time: float seconds in Python, whatever the protocol version.

    Messages hold seconds with six decimals, or integer milliseconds before version 5. Sensor
    readings and requests of a version 4 server need ``major=4``: a type does not know the server
    that uses it.
    """

    name = "timestamp"

    def encode(self, value, major):
        """Return the time `value`, anything that ``float`` takes, as seconds or milliseconds."""
        if major >= SEC_TS_KATCP_MAJOR:
            return b"%.6f" % float(value)
        seconds = float(value)
        _check_finite(seconds)
        milliseconds = seconds * SEC_TO_MS_FAC
        nearest = round(milliseconds)
        # Fractions are cut off, except for those that the multiplication itself brought about:
        # 1.001 * 1000 is a little less than 1001.
        if abs(milliseconds - nearest) <= abs(milliseconds) * 2.0 ** -51:
            milliseconds = nearest
        return b"%d" % int(milliseconds)

    def decode(self, value, major):
        """Return the time that the bytes `value` spell, in float seconds."""
        try:
            seconds = float(value)
        except Exception:
            raise ValueError("Could not parse value '%s' as timestamp."
                             % (ensure_native_str(value),))
        if major < SEC_TS_KATCP_MAJOR:
            seconds *= MS_TO_SEC_FAC
        return seconds

    def check(self, value, major):
        """Raise ValueError if `value` is NaN or infinite in version 4, which has integers only."""
        if major < SEC_TS_KATCP_MAJOR:
            _check_finite(value)


class _Now(object):
    def __repr__(self):
        return "TimestampOrNow.NOW"

    def __reduce__(self):
        # Copies and pickles give the same object, since it is compared by identity.
        return _get_now, ()


def _get_now():
    return TimestampOrNow.NOW


class TimestampOrNow(Timestamp):
    """A time, or `NOW` (to be compared by identity), which is ``now`` in messages."""

    name = "timestamp_or_now"

    NOW = _Now()

    def encode(self, value, major):
        """Return ``b"now"`` for `NOW`, else as `Timestamp`."""
        if value is self.NOW:
            return b"now"
        return super(TimestampOrNow, self).encode(value, major)

    def decode(self, value, major):
        """Return `NOW` for ``b"now"``, else as `Timestamp`."""
        if value == b"now":
            return self.NOW
        return super(TimestampOrNow, self).decode(value, major)


class StrictTimestamp(KatcpType):
    """A time in seconds, not negative, written without exponent; the same in all versions."""

    name = "strict_timestamp"

    def encode(self, value, major):
        """Return the real number `value` as digits, with a point if it is no integer."""
        value = scalar_of(value)
        if isinstance(value, numbers.Integral):
            return b"%d" % int(value)
        if not isinstance(value, numbers.Real):
            raise ValueError("Could not encode value '%r' as strict timestamp." % (value,))
        value = float(value) + 0.0  # no negative zero
        if value != value or value in _INFINITIES:
            raise ValueError("Could not encode value '%r' as strict timestamp." % (value,))
        encoded = b"%r" % value
        if b"e" in encoded:
            encoded = format(decimal.Decimal(repr(value)), "f").encode("ascii")
        return encoded

    def decode(self, value, major):
        """Return the float seconds that the bytes `value` spell: digits, optionally with a point."""
        try:
            seconds, point, fraction = value.partition(b".")
            int(seconds)
            if point:
                int(fraction)
            return float(value)
        except Exception:
            raise ValueError("Could not parse value '%s' as strict timestamp." % (value,))

    def check(self, value, major):
        """Raise ValueError if `value` is negative."""
        if float(value) < 0:
            raise ValueError("Strict timestamps may not be negative.")


class Address(KatcpType):
    """A network address: a tuple of host (native str) and port (int or None).

    In messages ``host`` or ``host:port``; a host with colons (IPv6) stands in brackets. Hosts are
    not checked, host names are fine.
    """

    name = "address"

    NULL = ("0.0.0.0", None)

    IPV4_RE = re.compile(br"^(?P<host>[^:\r\n]*)(:(?P<port>\d+))?\Z")
    IPV6_RE = re.compile(br"^\[(?P<host>[^\[\r\n]*)\](:(?P<port>\d+))?\Z")

    _MAX_PORT = 65535

    def encode(self, value, major):
        """Return the pair `value` as the bytes of an address."""
        host, port = self._host_and_port(value)
        host = host.encode("ascii") if is_text(host) else plain_bytes(host)
        host.decode("ascii")  # bytes have to be ASCII as well
        if b":" in host:
            host = b"[" + host + b"]"
        if port is None:
            return host
        if not 0 <= port <= self._MAX_PORT:
            raise ValueError("Port of address %r is not between 0 and %d."
                             % (value, self._MAX_PORT))
        return host + b":%d" % port

    @staticmethod
    def _host_and_port(value):
        try:
            if isinstance(value, string_types):
                raise ValueError("a string of two characters is no pair")
            host, port = value
            if not isinstance(host, string_types) or isinstance(port, string_types):
                raise ValueError("a string and a number are needed")
        except (TypeError, ValueError):
            raise ValueError("Could not extract host and port from value %r" % (value,))
        return host, port

    def decode(self, value, major):
        """Return the tuple of host and port that the bytes `value` spell."""
        pattern = self.IPV6_RE if value.startswith(b"[") else self.IPV4_RE
        match = pattern.match(value)
        port = match.group("port") if match else None
        if not match or (port is not None and int(port) > self._MAX_PORT):
            raise ValueError("Could not parse '%s' as an address." % (value,))
        return decode_native_ascii(match.group("host")), None if port is None else int(port)


class Struct(KatcpType):
    """A binary structure: a tuple in Python, see the standard module `struct`.

    Parameters
    ----------
    fmt : str
        Format of the structure, for `struct.pack`.
    **kwargs
        As for `KatcpType`.
    """

    name = "struct"

    def __init__(self, fmt, **kwargs):
        super(Struct, self).__init__(**kwargs)
        self._fmt = fmt

    def encode(self, value, major):
        """Return the items of `value` as a binary structure."""
        try:
            return struct.pack(self._fmt, *value)
        except struct.error as error:
            raise ValueError("Could not pack %s into struct with format %s: %s"
                             % (value, self._fmt, error))

    def decode(self, value, major):
        """Return the tuple of the items in the binary structure `value`."""
        try:
            return struct.unpack(self._fmt, value)
        except struct.error as error:
            raise ValueError("Could not unpack %s from struct with format %s: %s"
                             % (value, self._fmt, error))
