"""Python values to the bytes that stand for them as arguments of a message."""

from __future__ import absolute_import, division, print_function

import logging
import numbers

from katcp.compat import encode_native, encode_utf8, is_bytes, is_text, text_type
from katcp.compat.float_text import PLAIN_SQUARE_MAX, PLAIN_SQUARE_MIN, plain_decimal

# Part of what used to be one module; log filters of users know it by that name.
logger = logging.getLogger("katcp.core")

# Flags, counts, indexes: most integers that are sent are small.
_SMALL_INTEGERS = [b"%d" % number for number in range(1024)]


def encode_utf8_with_error_log(arg):
    """Return text as UTF-8 bytes; what cannot be encoded is logged and replaced with ``?``.

    Parameters
    ----------
    arg : unicode text

    Returns
    -------
    bytes
    """
    try:
        return text_type.encode(arg, "utf-8")
    except UnicodeEncodeError:
        logger.error("Error encoding message argument to byte str! "
                     "Replacing bad characters with '?'.", exc_info=True)
        return text_type.encode(arg, "utf-8", "replace")


def _format_real(arg):
    """Return a real number that is no float (numpy.float32, Fraction, ...) as a decimal."""
    # Its own notation is the shortest that is exact for its own precision.
    text = str(arg)
    try:
        float(text)
    except ValueError:
        try:
            text = repr(float(arg))
        except OverflowError:
            pass
    return text.encode("ascii")


def _is_numpy_bool(arg):
    kind = type(arg)
    return kind.__module__ == "numpy" and kind.__name__ in ("bool_", "bool")


def scalar_of(value):
    """Return what an array without dimensions (numpy's) holds; anything else as it is."""
    if getattr(value, "shape", None) != ():
        return value
    try:
        return value[()]
    except Exception:
        return value


def _format_unusual(arg):
    """Return the bytes that stand for an argument of a less common type, unescaped."""
    if isinstance(arg, float):
        # Not repr: numpy's float64 is a float whose repr names its type.
        return float.__repr__(arg).encode("ascii")
    if is_bytes(arg):
        return b"".join((arg,))
    if is_text(arg):
        return encode_utf8_with_error_log(arg)
    if isinstance(arg, numbers.Integral):
        return b"%d" % (int(arg),)
    if isinstance(arg, numbers.Real):
        return _format_real(arg)
    if isinstance(arg, bytearray):
        return bytes(arg)
    if isinstance(arg, memoryview):
        return arg.tobytes()
    if _is_numpy_bool(arg):
        return b"1" if arg else b"0"
    scalar = scalar_of(arg)
    if type(scalar) is not type(arg):
        return format_arguments((scalar,))[0]
    text = str(arg)
    return text if is_bytes(text) else encode_utf8_with_error_log(text)


def format_arguments(arguments):
    """Return the bytes that stand for each of the arguments, unescaped.

    Parameters
    ----------
    arguments : iterable
        See :meth:`katcp.message.Message.format_argument` for what becomes of which type.

    Returns
    -------
    list of bytes
    """
    result = []
    for arg in arguments:
        kind = type(arg)
        if kind is text_type:
            try:
                result.append(encode_utf8(arg))
            except UnicodeEncodeError:
                result.append(encode_utf8_with_error_log(arg))
        elif kind is bytes:
            result.append(arg)
        elif kind is float:
            # As `encode_float` does, without a call.
            result.append(plain_decimal(arg) if PLAIN_SQUARE_MIN < arg * arg < PLAIN_SQUARE_MAX
                          else encode_native(repr(arg)))
        elif kind is int:
            result.append(_SMALL_INTEGERS[arg] if 0 <= arg < 1024 else encode_native(str(arg)))
        elif kind is bool:
            result.append(b"1" if arg else b"0")
        else:
            result.append(_format_unusual(arg))
    return result
