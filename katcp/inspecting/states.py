"""The states of an inspecting client."""

from __future__ import absolute_import, division, print_function

from collections import namedtuple


class InspectingClientStateType(namedtuple(
        "InspectingClientStateType", "connected synced model_changed data_synced")):
    """How far a client is in step with its device; equal to the plain tuple of its four fields.

    Attributes
    ----------
    connected : bool
        There is a TCP connection.
    synced : bool
        The client knows what the device has, and the state callback has finished dealing with it.  Implies
        `connected` and `data_synced`.
    model_changed : bool
        With this state the callback is told what has changed.
    data_synced : bool
        The client knows what the device has.
    """

    __slots__ = []

    def __str__(self):
        return "[{}]".format(" ".join(
            [name if value else "!" + name for name, value in zip(self._fields, self)]))


# connected, synced, model_changed, data_synced
DISCONNECTED = InspectingClientStateType(False, False, False, False)
SYNCING = InspectingClientStateType(True, False, False, False)
MODEL_CHANGED = InspectingClientStateType(True, False, True, True)
MODEL_UNCHANGED = InspectingClientStateType(True, False, False, True)
SYNCED = InspectingClientStateType(True, True, False, True)

VALID_STATES = frozenset([DISCONNECTED, SYNCING, MODEL_CHANGED, MODEL_UNCHANGED, SYNCED])
DATA_SYNCED_STATES = tuple([state for state in VALID_STATES if state.data_synced])
NOT_SYNCED_STATES = tuple([state for state in VALID_STATES if not state.synced])
