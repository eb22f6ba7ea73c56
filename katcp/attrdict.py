"""Dictionaries whose items are also their attributes."""

from __future__ import absolute_import, division, print_function

from collections import defaultdict


def _without_items(cls, default_factory=None):
    """Return a new instance as pickle and copy want it: no call of the constructor, no items."""
    instance = cls.__new__(cls)
    if default_factory is not None:
        instance.default_factory = default_factory
    return instance


class _ItemsAsAttributes(object):
    """Attribute access by way of the items, without a second store that could drift apart.

    As with ordinary attributes, properties of the class come before an item of the same name, and
    an item before a method.  Special names are the class' first of all, since Python itself probes
    for them (``__deepcopy__``).
    """

    def __getattribute__(self, name):
        if (name in self and name[:2] != "__"
                and not hasattr(getattr(type(self), name, None), "__set__")):
            return self[name]
        return object.__getattribute__(self, name)

    def __setattr__(self, name, value):
        if hasattr(getattr(type(self), name, None), "__set__"):
            object.__setattr__(self, name, value)
        else:
            self[name] = value

    def __delattr__(self, name):
        try:
            del self[name]
        except KeyError:
            raise AttributeError("%r object has no attribute %r" % (type(self).__name__, name))

    def __dir__(self):
        return sorted(set(dir(type(self))).union(key for key in self if isinstance(key, str)))

    # The inherited ways to copy and pickle ask the instance for ``items``, which may be an item.
    def __reduce__(self):
        return _without_items, (type(self),), None, None, iter(list(dict.items(self)))

    def __reduce_ex__(self, protocol):
        return self.__reduce__()


class AttrDict(_ItemsAsAttributes, dict):
    """A dict whose items can be read, set and deleted as attributes, too.

    A missing attribute raises :exc:`AttributeError`, a missing key :exc:`KeyError`. An item named
    like a method of dict hides that method on the instance: code that handles dicts with arbitrary
    keys calls ``dict.items(d)`` rather than ``d.items()``.

    Examples
    --------
    >>> d = AttrDict(a=1)
    >>> d.a
    1
    >>> d.b = 2
    >>> d["b"]
    2
    """

    # What ``vars`` shows.
    __dict__ = property(lambda self: self)

    def __init__(self, *args, **kwargs):
        super(AttrDict, self).__init__(*args, **kwargs)

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError("%r object has no attribute %r" % (type(self).__name__, name))


class DefaultAttrDict(_ItemsAsAttributes, defaultdict):
    """A defaultdict whose items can be read, set and deleted as attributes, too.

    A missing attribute is treated as a missing key: the default factory makes the item. Without a
    factory it raises :exc:`KeyError`. Missing special names (``__deepcopy__``) are exempt and raise
    :exc:`AttributeError`.
    """

    # What ``vars`` shows.
    __dict__ = property(lambda self: self)

    def __init__(self, *args, **kwargs):
        super(DefaultAttrDict, self).__init__(*args, **kwargs)

    def __getattr__(self, name):
        if name[:2] == "__" and name not in self:
            raise AttributeError("%r object has no attribute %r" % (type(self).__name__, name))
        return self[name]

    def __reduce__(self):
        return (_without_items, (type(self), self.default_factory), None, None,
                iter(list(dict.items(self))))

    # defaultdict brings one of its own, which calls the constructor.
    def __copy__(self):
        duplicate = _without_items(type(self), self.default_factory)
        duplicate.update(self)
        return duplicate
