"""What a device says about its requests and sensors, and how that compares with what was known before.

Nothing here has to do with sockets or loops.  An *index* is a dict from a name (native str) to an entry,
a dict of what is known about the item:

* of a request: ``name``, ``description`` and ``timeout_hint`` (seconds, or None);
* of a sensor: ``description``, ``units``, ``sensor_type`` and ``params`` (list of native str, as they
  came);
* ``obj``, the object that was made for the item, once there is one.

Entries are replaced, not changed, when the item changes: whoever keeps an old index has it as it was.
"""

from __future__ import absolute_import, division, print_function

from katcp.attrdict import AttrDict
from katcp.compat import decode_native
from katcp.log_records import record_text

_MISSING = object()


def parse_request_inform(arguments):
    """Return ``(name, description)`` from the arguments of a ``#help`` inform.

    Raises
    ------
    ValueError
        If there are too few, or they are not UTF-8 (Python 3).
    """
    name, description = arguments[:2]
    return decode_native(name), decode_native(description)


def parse_sensor_inform(arguments):
    """Return ``(name, entry)`` from the arguments of a ``#sensor-list`` inform; raises what the others do."""
    name, description, units, sensor_type = arguments[:4]
    return decode_native(name), {
        "description": decode_native(description),
        "units": decode_native(units),
        "sensor_type": decode_native(sensor_type),
        "params": [decode_native(param) for param in arguments[4:]],
    }


def parse_hint_inform(arguments):
    """Return ``(name, seconds)`` from a ``#request-timeout-hint`` inform; raises what the others do."""
    name, hint = arguments[:2]
    return decode_native(name), float(hint)


def parse_informs(informs, parse, logger):
    """Return a dict of what each of some informs says.

    Parameters
    ----------
    informs : list of Message
    parse : callable
        One of the functions above.
    logger : logging.Logger
        Told of informs that make no sense, which are left out: one bad item must not hide all others.
    """
    items = {}
    for inform in informs:
        try:
            name, item = parse(inform.arguments)
        except ValueError as error:
            logger.error(record_text("Ignoring an inform that cannot be understood (%s): %s", error,
                                     inform.log_text()))
        else:
            items[name] = item
    return items


class Comparison(object):
    """How what a device has now compares with an index.

    Parameters
    ----------
    index : dict
    inspected : dict
        Name to the entry that the device's informs make, without ``obj``.

    Attributes
    ----------
    entries : dict
        Name to entry of all in `inspected`: that of the index where nothing has changed.
    added, modified : set of str
    """

    def __init__(self, index, inspected):
        self.entries = entries = {}
        self.added = set()
        self.modified = set()
        for name, new in inspected.items():
            old = index.get(name)
            if old is None:
                self.added.add(name)
            elif not _same(old, new):
                self.modified.add(name)
            else:
                new = _latest_text(old, new)
            entries[name] = new


def _same(old, new):
    for key, value in new.items():
        known = old.get(key, _MISSING)
        if known != value and not (
                # The answer to a ?help for a single request comes without the space around the text.
                key == "description" and known is not _MISSING and known.strip() == value.strip()):
            return False
    return True


def _latest_text(old, new):
    # Of two texts that differ in the space around them, keep the one that has it.
    if len(new["description"]) > len(old["description"]):
        return dict(old, description=new["description"])
    return old


def changes_or_none(added, removed):
    """Return an AttrDict with two sets of names, or None if both are empty."""
    return AttrDict(added=added, removed=removed) if added or removed else None


class UnannouncedChanges(object):
    """Changes of the model of which the state callback has still to be told.

    They pile up when the callback fails, and when single items are inspected between two
    synchronisations.

    Attributes
    ----------
    pending : dict
        ``"requests"`` and ``"sensors"``, where there is something, to a pair of frozensets: names added,
        names removed.  A new one with each change, so that an old one can be kept and put back.
    """

    def __init__(self):
        self.pending = {}
        # What the callback has heard of, so that it is not told of the end of what it never knew.
        self._announced = {"requests": frozenset(), "sensors": frozenset()}

    def note(self, changes):
        """Add changes that came after those that are known already.

        Parameters
        ----------
        changes : mapping or None
            ``"requests"`` and ``"sensors"``, if anything has changed there, to a mapping of ``"added"``
            and ``"removed"`` to sets of names; modified items are in both.
        """
        if not changes:
            return
        pending = dict(self.pending)
        for kind, change in dict.items(changes):
            added, removed = pending.get(kind, (frozenset(), frozenset()))
            pending[kind] = ((added - change["removed"]).union(change["added"]),
                             removed.union(change["removed"]))
        self.pending = pending

    def take(self):
        """Return what is to be announced now; from here on it counts as announced.

        Returns
        -------
        AttrDict or None
            In the form in which the state callback gets it.  If the callback fails, `note` it again.
        """
        changes = AttrDict()
        for kind, (added, removed) in self.pending.items():
            announced = self._announced[kind]
            change = changes_or_none(set(added), set(removed & announced))
            if change is not None:
                changes[kind] = change
            self._announced[kind] = (announced - removed) | added
        self.pending = {}
        return changes or None

    def give_back(self, changes):
        """Undo a `take`, whose changes may have been seen in part; newer ones are kept."""
        newer, self.pending = self.pending, {}
        self.note(changes)
        for kind, change in dict.items(changes or {}):
            self._announced[kind] |= change["removed"]
        self.note(dict((kind, {"added": added, "removed": removed})
                       for kind, (added, removed) in newer.items()))
