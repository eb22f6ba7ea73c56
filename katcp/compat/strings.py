"""Native strings, bytes and text."""

from __future__ import absolute_import, division, print_function

import operator

from katcp.compat.versions import PY2

if PY2:
    text_type = unicode  # noqa: F821
    string_types = (str, unicode)  # noqa: F821
    integer_types = (int, long)  # noqa: F821
    # Text to UTF-8 without a Python frame.
    encode_utf8 = operator.methodcaller("encode", "utf-8")
    # Native strings (not of subclasses) to UTF-8, likewise.
    encode_native = str

    def ensure_native_str(value):
        """Return `value` as a native string.

        Parameters
        ----------
        value : str, bytes or unicode text
            Text is converted to UTF-8, a byte string is returned as it is.

        Returns
        -------
        str

        Raises
        ------
        TypeError
            If `value` is no string.
        """
        if type(value) is str:
            return value
        if isinstance(value, unicode):  # noqa: F821
            return unicode.encode(value, "utf-8")  # noqa: F821
        if isinstance(value, str):
            # The `future` package's bytes, which print themselves as b'...', know their native form.
            native = getattr(value, "__native__", None)
            return value if native is None else native()
        raise TypeError("Invalid type for string conversion: {!r}".format(type(value)))
else:
    text_type = str
    string_types = (str, bytes)
    integer_types = (int,)
    # Text to UTF-8 without a Python frame.
    encode_utf8 = encode_native = str.encode

    def ensure_native_str(value):
        """Return `value` as a native string.

        Parameters
        ----------
        value : str, bytes or unicode text
            Bytes are decoded as UTF-8, text is returned as it is.

        Returns
        -------
        str

        Raises
        ------
        TypeError
            If `value` is no string.
        UnicodeDecodeError
            If `value` holds bytes that are not UTF-8 (Python 3 only).
        """
        if isinstance(value, str):
            return value
        if isinstance(value, bytes):
            return value.decode("utf-8")
        raise TypeError("Invalid type for string conversion: {!r}".format(type(value)))


def byte_chars(byte_string):
    """Return the list of the length-one slices of a byte string (``b"ab"`` gives ``[b"a", b"b"]``)."""
    return [byte_string[i:i + 1] for i in range(len(byte_string))]


def is_bytes(value):
    """Whether `value` is a byte string (``str`` on Python 2, ``bytes`` on Python 3)."""
    return isinstance(value, bytes)


def is_text(value):
    """Whether `value` is unicode text (``unicode`` on Python 2, ``str`` on Python 3)."""
    return isinstance(value, text_type)


if PY2:
    def decode_native(value):
        """Return wire bytes as a native string: on Python 2 they are one already."""
        return value

    decode_native_ascii = decode_native
else:
    def decode_native(value):
        """Return wire bytes as a native string: on Python 3 they have to be UTF-8."""
        return value.decode("utf-8")

    def decode_native_ascii(value):
        """Return wire bytes as a native string: on Python 3 they have to be ASCII."""
        return value.decode("ascii")


def lossy_str(value):
    """Return a native string for logs and error texts; undecodable bytes never raise here.

    Parameters
    ----------
    value : object
        Bytes are decoded as UTF-8 with undecodable ones shown as ``\\xNN``; anything else goes
        through ``str``.
    """
    if PY2:
        try:
            return str(value)
        except UnicodeError:  # text, or an exception with text in it
            return text_type(value).encode("utf-8")
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)
