"""What numpy's arrays without dimensions are like, for where there is no numpy."""

from __future__ import absolute_import, division, print_function


class ZeroDimensional(object):
    """An array that holds one scalar, which it can be asked for as numpy's can."""

    shape = ()
    __hash__ = None

    def __init__(self, scalar):
        self._scalar = scalar

    def __getitem__(self, key):
        if key != ():
            raise IndexError("too many indices for array")
        return self._scalar

    def __float__(self):
        return float(self._scalar)

    def __int__(self):
        return int(self._scalar)

    def __bool__(self):
        return bool(self._scalar)

    __nonzero__ = __bool__

    def __repr__(self):
        return "array(%r)" % (self._scalar,)


def zero_dimensional(scalar):
    """Return a list of arrays that hold `scalar`: one like numpy's and, if there is numpy, its own."""
    arrays = [ZeroDimensional(scalar)]
    try:
        import numpy
    except ImportError:
        return arrays
    return arrays + [numpy.array(scalar)]
