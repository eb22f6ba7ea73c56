"""Live views of mappings that hand out their values wrapped."""

from __future__ import absolute_import, division, print_function

from katcp.compat import Mapping


class MappingProxy(Mapping):
    """A read-only view of a mapping that wraps each value when it is asked for.

    Parameters
    ----------
    mapping : mapping
        May change later; the proxy follows.  Even another thread may change it while somebody iterates
        over the proxy: iterations go over what was there when they began.
    wrapper : callable
        ``wrapper(value)`` returns what stands for a value.

    Notes
    -----
    Equal to any mapping with the same keys and equal (wrapped) values.
    """

    def __init__(self, mapping, wrapper):
        self._mapping = mapping
        self._wrapper = wrapper

    def __getitem__(self, key):
        return self._wrapper(self._mapping[key])

    def __iter__(self):
        return iter(list(self._mapping))

    def __len__(self):
        return len(self._mapping)

    def __contains__(self, key):
        # Not by way of __getitem__, which may make items up.
        return key in self._mapping

    def __eq__(self, other):
        if not isinstance(other, Mapping):
            return NotImplemented
        # By the methods of the classes: items of dictionaries with attribute access hide them.
        return _plain(self) == _plain(other)

    def __ne__(self, other):
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    __hash__ = None

    def __repr__(self):
        return "<{0} of {1!r}>".format(type(self).__name__, self._mapping)

    def _snapshot(self):
        return MappingProxy(dict(self._mapping), self._wrapper)

    def items(self):
        """Return the pairs of keys and wrapped values there are now: a view, on Python 2 a list."""
        return super(MappingProxy, self._snapshot()).items()

    def values(self):
        """Return the wrapped values there are now: a view, on Python 2 a list."""
        return super(MappingProxy, self._snapshot()).values()


def _plain(mapping):
    if isinstance(mapping, dict):
        return dict(mapping)
    return dict((key, mapping[key]) for key in mapping)


class AttrMappingProxy(MappingProxy):
    """A `MappingProxy` of a mapping with attribute access, which it has as well.

    Methods of mappings come before items: ``proxy.keys`` is the method, whatever the keys are.
    """

    def __getattr__(self, name):
        if name[:1] == "_" and (name in ("_mapping", "_wrapper") or name[:2] == "__"):
            # Python probes for special names, `copy` does so before the instance is filled.
            raise AttributeError("{0!r} object has no attribute {1!r}".format(type(self).__name__, name))
        return self._wrapper(getattr(self._mapping, name))

    def __dir__(self):
        return list(self._mapping)
