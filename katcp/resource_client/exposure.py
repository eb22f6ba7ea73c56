"""Requests and sensors under their Python identifiers: what users reach as ``resource.req.x``.

Different KATCP names can have the same identifier (``an.int`` and ``an-int``).  Then the one that comes
first in the alphabet is shown, whichever came first from the device, and the other is kept for when it goes.
"""

from __future__ import absolute_import, division, print_function

from katcp.compat import ensure_native_str, is_bytes, is_text
from katcp.log_records import record_text
from katcp.resource_names import escape_name


def identifier_of(name):
    """Return the Python identifier, a native string, of a name that may be text or UTF-8 bytes."""
    return escape_name(ensure_native_str(name))


def _normalise_request_name_set(reqs):
    """Return the set of the identifiers of some names; a single string counts as one name."""
    if is_bytes(reqs) or is_text(reqs):
        reqs = (reqs,)
    return set(identifier_of(name) for name in reqs)


class Exposure(object):
    """Puts objects into a dictionary under the identifiers of their names.

    Parameters
    ----------
    items : dict
        Identifier to object.  Others may change it, too.
    kind : str
        What the objects are, for the log.
    logger : logging.Logger
    """

    def __init__(self, items, kind, logger):
        self._items = items
        self._kind = kind
        self._logger = logger
        # Identifier -> {name: object} of those that others hide.
        self._hidden = {}

    def get(self, name):
        """Return the object that is shown for a KATCP name, or None."""
        shown = dict.get(self._items, escape_name(name))
        return shown if _name_of(shown, name) == name else None

    def names(self):
        """Return the list of the KATCP names of all objects."""
        names = [_name_of(shown, identifier) for identifier, shown in dict.items(self._items)]
        for hidden in self._hidden.values():
            names.extend(hidden)
        return names

    def add(self, name, new):
        """Show an object, in the place of any that had the same name; return the identifier."""
        identifier = escape_name(name)
        shown = dict.get(self._items, identifier)
        shown_name = _name_of(shown, name)
        if shown is not None and shown_name != name:
            first, second = sorted((name, shown_name))
            self._logger.warning(record_text("The %ss %s and %s have the same identifier, %s: only %s can "
                                             "be reached "
                                             "by it", self._kind, first, second, identifier, first))
            hidden = self._hidden.setdefault(identifier, {})
            if first != name:
                hidden[name] = new
                return identifier
            hidden[shown_name] = shown
        self._items[identifier] = new
        return identifier

    def remove(self, name):
        """Remove an object, if there is one of that name; return the identifier, or None."""
        identifier = escape_name(name)
        hidden = self._hidden.get(identifier)
        if hidden and hidden.pop(name, None) is not None:
            if not hidden:
                del self._hidden[identifier]
            return identifier
        shown = dict.get(self._items, identifier)
        if shown is None or _name_of(shown, name) != name:
            return None
        if hidden:
            self._items[identifier] = hidden.pop(min(hidden))
            if not hidden:
                del self._hidden[identifier]
        else:
            del self._items[identifier]
        return identifier


def _name_of(item, default):
    """Return the KATCP name of an object, or `default` if it cannot tell."""
    name = getattr(item, "name", None)
    return name if isinstance(name, str) else default
