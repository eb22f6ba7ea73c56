"""Asking a device what requests and sensors it has."""

from __future__ import absolute_import, division, print_function

from tornado import gen

from katcp.attrdict import AttrDict
from katcp.compat import coroutine, lossy_str
from katcp.inspecting import model
from katcp.message import Message
from katcp.waiting import future_timeout_manager


class SyncError(Exception):
    """The device could not be inspected."""


def _wire_text(msg):
    return lossy_str(msg.__bytes__())


class Inspection(object):
    """The part of an inspecting client that fills its indexes.

    It needs from the rest of the client: ``simple_request``, ``katcp_client``, ``ioloop``, ``_logger``,
    ``bind_address_string``.

    Attributes
    ----------
    _requests_index, _sensors_index : dict
        See `katcp.inspecting.model`.
    _sensor_object_cache : dict
        Name to object of the sensors that have one.
    """

    # Cumulative seconds for one inspection of everything.
    sync_timeout = 20

    def __init__(self):
        self._requests_index = {}
        self._sensors_index = {}
        self._sensor_object_cache = {}
        self._unannounced = model.UnannouncedChanges()
        # Sensors that the device has sent updates for, and yet said that it does not have them.
        self._denied_sensors = set()
        super(Inspection, self).__init__()

    @property
    def requests(self):
        """List of the names (native str) of the requests that the device is known to have."""
        return list(self._requests_index)

    @property
    def sensors(self):
        """List of the names (native str) of the sensors that the device is known to have."""
        return list(self._sensors_index)

    @coroutine
    def inspect(self):
        """Inspect all requests and sensors of the device; `sync_timeout` is the time for all of it.

        Returns
        -------
        future
            Resolves with None if nothing has changed, otherwise with an AttrDict with the items
            ``requests`` and ``sensors``, as far as there are changes, as described for
            `inspect_requests`.

        Raises
        ------
        SyncError
            If the device did not answer as it should.  Nothing has changed then.
        """
        before = (self._requests_index, self._sensors_index, self._sensor_object_cache,
                  self._unannounced.pending)
        remaining = future_timeout_manager(self.sync_timeout, self.ioloop).remaining
        changes = AttrDict()
        try:
            for kind, inspect in (("requests", self.inspect_requests), ("sensors", self.inspect_sensors)):
                change = yield inspect(timeout=remaining())
                if change:
                    changes[kind] = change
        except Exception:
            (self._requests_index, self._sensors_index, self._sensor_object_cache,
             self._unannounced.pending) = before
            raise
        raise gen.Return(changes or None)

    @coroutine
    def inspect_requests(self, name=None, timeout=None):
        """Inspect all requests of the device, or one.

        Parameters
        ----------
        name : str, optional
        timeout : float, optional
            Seconds for the whole of it; None and 0 stand for the timeout that any request has.

        Returns
        -------
        future
            Resolves with None if nothing has changed, otherwise with an AttrDict of two sets of names,
            ``added`` and ``removed``.  What has been modified is in both.

        Raises
        ------
        SyncError
            If the device did not answer as it should.
        """
        remaining = future_timeout_manager(timeout, self.ioloop).remaining
        reply, informs = yield self._inspection_request("help", name, timeout)
        if not self._is_answer(reply, name, b"Unknown request"):
            raise SyncError("Error reply during sync process for {}: {}".format(
                self.bind_address_string, _wire_text(reply)))
        descriptions = model.parse_informs(informs, model.parse_request_inform, self._logger)
        hints = {}
        if descriptions:
            try:
                hints = yield self._get_request_timeout_hints(name, remaining())
            except SyncError as error:
                # One can do without.  Those known before are better than none.
                # Text only: who keeps the record would keep the client, through the frames of the exception.
                self._logger.warning(lossy_str(error))
                hints = dict((known, entry.get("timeout_hint"))
                             for known, entry in self._requests_index.items())
        inspected = dict((request, {"name": request, "description": description,
                                    "timeout_hint": hints.get(request)})
                         for request, description in descriptions.items())
        raise gen.Return(self._requests_inspected(inspected, name))

    @coroutine
    def inspect_sensors(self, name=None, timeout=None):
        """Inspect all sensors of the device, or one.

        Parameters
        ----------
        name : str, optional
            Also ``/regular expression/``, if the device knows these.
        timeout : float, optional
            As for `inspect_requests`.

        Returns
        -------
        future
            As of `inspect_requests`.

        Raises
        ------
        SyncError
            If the device did not answer as it should.
        """
        reply, informs = yield self._inspection_request("sensor-list", name, timeout)
        if not self._is_answer(reply, name, b"Unknown sensor"):
            raise SyncError("Error reply during sync process: {}".format(_wire_text(reply)))
        inspected = model.parse_informs(informs, model.parse_sensor_inform, self._logger)
        raise gen.Return(self._sensors_inspected(inspected, name))

    @coroutine
    def _get_request_timeout_hints(self, name=None, timeout=None):
        """Return a future of a dict from names of requests to hints in seconds, greater than 0.

        Empty for devices that have none.  Fails with SyncError if the device did not answer as it should.
        """
        flags = self.katcp_client.protocol_flags
        if flags is None or not flags.request_timeout_hints:
            raise gen.Return({})
        request = Message.request("request-timeout-hint", *(() if name is None else (name,)))
        reply, informs = yield self.katcp_client.future_request(request, timeout=timeout or None)
        if not reply.reply_ok():
            raise SyncError(
                'Error retrieving request timeout hints: "{}"\nin reply to request {}, continuing with sync'
                .format(_wire_text(reply), _wire_text(request)))
        hints = model.parse_informs(informs, model.parse_hint_inform, self._logger)
        raise gen.Return(dict((request, hint) for request, hint in hints.items() if hint > 0))

    def _inspection_request(self, request, name, timeout):
        return self.simple_request(request, *(() if name is None else (name,)), timeout=timeout or None)

    @staticmethod
    def _is_answer(reply, name, unknown):
        """Whether a reply answers the question, be it by saying that there is no such thing."""
        return reply.reply_ok() or (
            name is not None and len(reply.arguments) > 1 and unknown in reply.arguments[1])

    # --- the indexes -----------------------------------------------------------------------------

    def _requests_inspected(self, inspected, name):
        comparison = model.Comparison(self._requests_index, inspected)
        self._requests_index, removed = self._new_index(self._requests_index, comparison, name)
        return self._changed("requests", comparison.added, comparison.modified, removed)

    def _sensors_inspected(self, inspected, name):
        comparison = model.Comparison(self._sensors_index, inspected)
        self._sensors_index, removed = self._new_index(self._sensors_index, comparison, name)
        if name is None:
            self._denied_sensors.clear()
        outdated = removed | comparison.modified
        if outdated:
            self._sensor_object_cache = dict(
                (sensor_name, sensor) for sensor_name, sensor in self._sensor_object_cache.items()
                if sensor_name not in outdated)
        return self._changed("sensors", comparison.added, comparison.modified, removed)

    @staticmethod
    def _new_index(index, comparison, name):
        """Return the index after an inspection of everything, or of `name`, and the set of names removed."""
        entries = comparison.entries
        if name is None:
            return entries, set(index).difference(entries)
        # In place: a device with thousands of sensors may be looked up one by one.
        index.update(entries)
        removed = set()
        if name not in entries and index.pop(name, None) is not None:
            removed.add(name)
        return index, removed

    def _changed(self, kind, added, modified, removed):
        changes = model.changes_or_none(added | modified, removed | modified)
        if changes is not None:
            self._unannounced.note({kind: changes})
        return changes

    def _update_index(self, index, name, data):
        """Enter `data` about an item into an index, for those who keep one by hand.

        If that changes anything about a known item, it is marked: ``_changed`` is set to True.
        """
        entry = index.setdefault(name, data)
        if entry is data:
            return
        for key, value in data.items():
            if key not in entry or entry[key] != value:
                entry[key] = value
                entry["_changed"] = True

    def _difference(self, original_keys, updated_keys, name, item_index):
        """Return how an index kept with `_update_index` has changed, and delete what was removed from it.

        Parameters
        ----------
        original_keys, updated_keys : iterable of str
            Names before and after.
        name : str or None
            The only item that was inspected.
        item_index : dict

        Returns
        -------
        added, removed : set of str
            Items that are marked as changed are in both; they are not marked afterwards.
        """
        original_keys, updated_keys = set(original_keys), set(updated_keys)
        added = updated_keys - original_keys
        removed = original_keys - updated_keys
        if name is not None:
            removed &= set([name])
        for key in removed:
            item_index.pop(key, None)
        for key in original_keys & updated_keys:
            entry = item_index.get(key)
            if entry and entry.get("_changed"):
                entry["_changed"] = False
                added.add(key)
                removed.add(key)
        return added, removed
