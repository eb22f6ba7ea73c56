"""Dictionaries of items that make known when they have changed.

Whoever shows the items of many such dictionaries as one need not look at all of them each time.
"""

from __future__ import absolute_import, division, print_function

from katcp.attrdict import AttrDict, DefaultAttrDict

# Another object with each change of any of these dictionaries.
latest_change = object()


def _note_change(items):
    # After the change: who reads it before looks again.  Not plainly an attribute, items have any names.
    global latest_change
    latest_change = change = object()
    object.__setattr__(items, "_changed_at", change)


class TrackedItems(object):
    """The part of a dictionary that makes its changes known.

    Attributes
    ----------
    _changed_at : object
        The `latest_change` of this dictionary.
    """

    __slots__ = ()

    def __new__(cls, *args, **kwargs):
        items = super(TrackedItems, cls).__new__(cls, *args, **kwargs)
        _note_change(items)
        return items

    def __setitem__(self, key, value):
        super(TrackedItems, self).__setitem__(key, value)
        _note_change(self)

    def __delitem__(self, key):
        super(TrackedItems, self).__delitem__(key)
        _note_change(self)

    def __ior__(self, other):
        TrackedItems.update(self, other)
        return self

    def pop(self, *args):
        """Do what any dict does."""
        value = super(TrackedItems, self).pop(*args)
        _note_change(self)
        return value

    def popitem(self):
        """Do what any dict does."""
        item = super(TrackedItems, self).popitem()
        _note_change(self)
        return item

    def setdefault(self, *args):
        """Do what any dict does."""
        value = super(TrackedItems, self).setdefault(*args)
        _note_change(self)
        return value

    def update(self, *args, **kwargs):
        """Do what any dict does."""
        try:
            super(TrackedItems, self).update(*args, **kwargs)
        finally:
            _note_change(self)

    def clear(self):
        """Do what any dict does."""
        super(TrackedItems, self).clear()
        _note_change(self)


class TrackedAttrDict(TrackedItems, AttrDict):
    """An AttrDict whose changes can be seen."""

    __slots__ = ("_changed_at",)

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            # To users it is an AttrDict.
            raise AttributeError("'AttrDict' object has no attribute %r" % (name,))


class MadeUpItems(DefaultAttrDict):
    """A DefaultAttrDict that does not keep what its factory makes: asking for an item leaves no trace."""

    def __missing__(self, key):
        return self.default_factory()


class TrackedMadeUpItems(TrackedItems, MadeUpItems):
    """`MadeUpItems` whose changes can be seen."""

    __slots__ = ("_changed_at",)


def state_of(items):
    """Return something that is equal to what was returned before if the items are the same as then.

    Of dictionaries that are not tracked it shows no more than how many items there are.
    """
    if isinstance(items, TrackedItems):
        return len(items), object.__getattribute__(items, "_changed_at")
    return len(items), None
