"""Floats as text, by way of msgspec where that is installed.

Finding the shortest decimal that reads back as the same float takes ``repr`` longer than all else that
is done for an argument. msgspec finds the same digits several times faster. It writes very large and
very small numbers in another way (``1e16``, not ``1e+16``): those are left to ``repr``, as is everything
where msgspec is not installed or the environment has ``KATCP_NO_EXTENSIONS``.
"""

from __future__ import absolute_import, division, print_function

import os

from katcp.compat.strings import encode_native

_SAMPLES = (0.001, 0.1, 1 / 3, 1.0, -2.5, 123456.75, 1e15, 1234567890123456.8)


def _plain_decimal_of_msgspec():
    """Return msgspec's function, or None if there is none that can be used."""
    if os.environ.get("KATCP_NO_EXTENSIONS"):
        return None
    try:
        from msgspec.json import encode
    except ImportError:
        return None
    # Whatever it comes to think of JSON, what peers get to see must not change.
    for sample in _SAMPLES:
        if encode(sample) != encode_native(repr(sample)):
            return None
    return encode


#: Writes a float as ``repr`` does, but as bytes, if its square is between the two that follow. Squares
#: because they are the cheapest way to disregard the sign.  Well within 1e-4 and 1e16, where exponents
#: begin; where there is no such function, no square is between them.
plain_decimal = _plain_decimal_of_msgspec()
PLAIN_SQUARE_MIN, PLAIN_SQUARE_MAX = (1e-7, 1e31) if plain_decimal else (float("inf"), 0.0)


def encode_float(value):
    """Return the shortest decimal that reads back as the same float.

    Parameters
    ----------
    value : float
        Not of a subclass.

    Returns
    -------
    bytes
        What ``repr`` returns, with an exponent where that has one; ``inf`` and ``nan`` have their names.
    """
    if PLAIN_SQUARE_MIN < value * value < PLAIN_SQUARE_MAX:
        return plain_decimal(value)
    return encode_native(repr(value))
