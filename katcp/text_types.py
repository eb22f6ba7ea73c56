"""Types of parameters and values that are strings: any, one or several of a list, or matching."""

from __future__ import absolute_import, division, print_function

import re

from katcp.arguments import scalar_of
from katcp.compat import (decode_native, ensure_native_str, is_bytes, is_text, string_types,
                          text_type)
from katcp.katcp_types import KatcpType, plain_bytes
from katcp.protocol import DEFAULT_KATCP_MAJOR


def native_where_possible(value):
    """Return any string as a native one where possible, everything else as it is."""
    if type(value) is str:
        return value
    if not isinstance(value, string_types):
        value = scalar_of(value)
        if not isinstance(value, string_types):
            return value
    try:
        return ensure_native_str(value)
    except UnicodeDecodeError:
        return value


def _text_where_possible(value):
    """Return any string as text where possible, everything else as it is."""
    value = scalar_of(value)
    if is_bytes(value):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return value


def _lower(value):
    return value.lower() if isinstance(value, string_types) else value


class Str(KatcpType):
    """A native string; any object can be packed."""

    name = "string"

    def encode(self, value, major):
        """Return bytes as they are, text and the ``str`` of anything else as UTF-8."""
        if type(value) is bytes:
            return value
        if not isinstance(value, string_types):
            value = scalar_of(value)
            if not isinstance(value, string_types):
                value = str(value)
        if is_text(value):
            # Subclasses of text may return something else than plain bytes from their encode().
            return text_type.encode(value, "utf-8")
        return plain_bytes(value)

    def decode(self, value, major):
        """Return a native string; on Python 3 the bytes `value` have to be UTF-8."""
        return decode_native(value)


class Discrete(Str):
    """One of a set of strings.

    Parameters
    ----------
    values : iterable of str
        The allowed values.
    case_insensitive : bool
        Whether upper and lower case are the same. Values are passed on as they were given.
    **kwargs
        As for `KatcpType`.
    """

    name = "discrete"

    def __init__(self, values, case_insensitive=False, **kwargs):
        super(Discrete, self).__init__(**kwargs)
        self._case_insensitive = case_insensitive
        self._values = [native_where_possible(value) for value in values]
        self._valid_values = set(self._values)
        if case_insensitive:
            self._valid_values_lower = set(_lower(value) for value in self._values)

    def check(self, value, major):
        """Raise ValueError if `value` is not one of the allowed values."""
        value = native_where_possible(value)
        if self._case_insensitive:
            if _lower(value) in self._valid_values_lower:
                return
            remark = " (case-insensitive)"
        else:
            if value in self._valid_values:
                return
            remark = ""
        raise ValueError("Discrete value '%s' is not one of %s%s." % (value, self._values, remark))


class DiscreteMulti(Discrete):
    """A list of strings out of a set of strings.

    Packing accepts any iterable; unpacking gives a list, sorted without regard to case.
    Repetitions are kept.

    Parameters
    ----------
    values : iterable of str
        The allowed values.
    all_keyword : str or None
        What stands for all of the allowed values in a message.
    separator : str
        What separates the values in a message.
    **kwargs
        As for `Discrete`.
    """

    name = "discretemulti"

    def __init__(self, values, all_keyword="all", separator=",", **kwargs):
        self.all_keyword = native_where_possible(all_keyword)
        self.separator = native_where_possible(separator)
        super(DiscreteMulti, self).__init__(values, **kwargs)

    def get_default(self):
        """Return the default; of a list a new copy, which handlers may change."""
        default = super(DiscreteMulti, self).get_default()
        return list(default) if isinstance(default, list) else default

    def pack(self, value, nocheck=False, major=DEFAULT_KATCP_MAJOR):
        """Return a value as the bytes of a message argument; see `KatcpType.pack`."""
        if value is not None and not isinstance(value, string_types):
            # Checking would use up an iterator.
            value = list(value)
        return super(DiscreteMulti, self).pack(value, nocheck, major)

    def check(self, value, major):
        """Raise ValueError if one of the strings in `value` is not allowed."""
        for item in value:
            super(DiscreteMulti, self).check(item, major)

    def encode(self, value, major):
        """Return the sorted strings of `value`, joined with the separator."""
        items = sorted((native_where_possible(item) for item in value), key=_lower)
        return super(DiscreteMulti, self).encode(self.separator.join(items), major)

    def decode(self, value, major):
        """Return the sorted list of the strings in the bytes `value`."""
        value = super(DiscreteMulti, self).decode(value, major)
        if self._means_all(value):
            items = self._values
        else:
            items = (item.strip() for item in value.split(self.separator))
        return sorted(items, key=_lower)

    def _means_all(self, value):
        if not self.all_keyword:
            return False
        if self._case_insensitive:
            return value.lower() == self.all_keyword.lower()
        return value == self.all_keyword


class Regex(Str):
    """A string whose beginning matches a regular expression.

    Text after the match is allowed; end the expression with ``\\Z`` to forbid that.

    Parameters
    ----------
    regex : str or compiled regular expression
        On Python 2, one of text (unicode) is matched with the characters of a value, one of bytes
        with its bytes; both kinds of strings are values.
    **kwargs
        As for `KatcpType`.
    """

    name = "regex"

    _re_flags = [("I", re.I), ("L", re.L), ("M", re.M), ("S", re.S), ("U", re.U), ("X", re.X)]

    def __init__(self, regex, **kwargs):
        super(Regex, self).__init__(**kwargs)
        if not hasattr(regex, "pattern"):
            regex = re.compile(regex if is_text(regex) else native_where_possible(regex))
        elif is_bytes(regex.pattern) and type(regex.pattern) is not str:
            # Values are native strings, for which there is no locale-dependent matching.
            regex = re.compile(ensure_native_str(regex.pattern), regex.flags & ~re.L)
        self._use(regex)
        self._flags = ",".join(letter for letter, flag in self._re_flags if regex.flags & flag)

    def _use(self, regex):
        self._compiled = regex
        self._pattern = regex.pattern
        # To the kind of string that the expression is for.
        self._convert = _text_where_possible if is_text(regex.pattern) else native_where_possible

    def __getstate__(self):
        # Before Python 3.7, compiled expressions cannot be copied deeply.
        state = self.__dict__.copy()
        del state["_compiled"], state["_convert"]
        return state, self._compiled.flags

    def __setstate__(self, state):
        attributes, flags = state
        self.__dict__.update(attributes)
        self._use(re.compile(self._pattern, flags))

    def check(self, value, major):
        """Raise ValueError if `value` does not begin with a match."""
        if not self._compiled.match(self._convert(value)):
            raise ValueError("Value '%s' does not match regex '%s' with flags '%s'."
                             % (native_where_possible(value), native_where_possible(self._pattern),
                                self._flags))
