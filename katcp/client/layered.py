"""A dict of one's own over a dict that one shares."""

from __future__ import absolute_import, division, print_function

from katcp.compat import MutableMapping

_REMOVED = object()


class LayeredDict(MutableMapping):
    """Shows the items of another dict, as they are at any moment, but keeps changes to itself.

    Parameters
    ----------
    base : dict
        Never changed from here.
    """

    __slots__ = ("_base", "_own")

    def __init__(self, base):
        self._base = base
        self._own = {}

    def get(self, key, default=None):
        """Return the value for `key`, or `default`."""
        own = self._own
        if own and key in own:
            value = own[key]
            return default if value is _REMOVED else value
        return self._base.get(key, default)

    def __getitem__(self, key):
        value = self._own[key] if key in self._own else self._base[key]
        if value is _REMOVED:
            raise KeyError(key)
        return value

    def __setitem__(self, key, value):
        self._own[key] = value

    def __delitem__(self, key):
        self[key]  # KeyError if there is none
        if key in self._base:
            self._own[key] = _REMOVED
        else:
            del self._own[key]

    def __iter__(self):
        for key in list(self._base):
            if self._own.get(key) is not _REMOVED:
                yield key
        for key, value in list(self._own.items()):
            if value is not _REMOVED and key not in self._base:
                yield key

    def __len__(self):
        return sum(1 for _ in self)

    def __repr__(self):
        return "{}({!r})".format(type(self).__name__, dict(self))
