"""Keeping the requests and sensors of a resource in step with its device."""

from __future__ import absolute_import, division, print_function

from timeit import default_timer

from tornado import gen

from katcp import compat
from katcp.compat import lossy_str
from katcp.inspecting.inspection import SyncError
from katcp.log_records import record_text
from katcp.resource_client.futures import eager_coroutine
from katcp.resource_client.requests import KATCPClientResourceRequest


class ModelUpdates(object):
    """The part of a resource that follows the states and the model of its inspecting client.

    It needs from the rest of the resource: ``_state``; ``_exposed_requests`` and ``_exposed_sensors``;
    ``_apply_presets``; ``_is_exposed``; ``_parent``; ``_logger``; once started, ``_inspecting_client``,
    ``_sensor_manager`` and ``reapply_sampling_strategies``.
    """

    # How many seconds objects are made for at a stretch before the loop gets its turn.
    MAX_LOOP_LATENCY = 0.03

    def __init__(self):
        # Whether the next changes are the whole model, because nothing has been heard of it yet.
        self._expects_whole_model = False
        # While the model is updated: name -> object of the requests that the device has modified.
        self._modified_requests = {}
        super(ModelUpdates, self).__init__()

    # --- states ----------------------------------------------------------------------------------

    def _inspecting_client_state_callback(self, state, model_changes):
        """Follow a state of the inspecting client, which waits for the returned future."""
        if not state.connected:
            self._state.set_state("disconnected")
        elif state.synced:
            self._state.set_state("synced")
        else:
            self._state.set_state("syncing")
            if state.data_synced:
                return self._synchronise(model_changes)
        return compat.done_future(None)

    @eager_coroutine
    def _synchronise(self, model_changes):
        # After a stop and another start, while this waits, there are others.
        client, manager = self._inspecting_client, self._sensor_manager
        changes = dict(model_changes or {})
        stale = self._stale_items(changes) if self._expects_whole_model else {}
        manager.begin_model_update(_modified(self._exposed_sensors, changes.get("sensors")))
        self._modified_requests = _modified(self._exposed_requests, changes.get("requests"))
        try:
            yield self._remove_requests(stale.get("requests", ()))
            yield self._remove_sensors(stale.get("sensors", ()))
            if model_changes:
                yield self._update_model(model_changes)
            yield self.reapply_sampling_strategies()
        finally:
            manager.end_model_update()
        if client is self._inspecting_client:
            self._modified_requests = {}
            self._expects_whole_model = False

    def _stale_items(self, changes):
        """Return the names of what is left over from before the start, and is not there any more."""
        stale = {}
        for kind, exposed in (("requests", self._exposed_requests), ("sensors", self._exposed_sensors)):
            present = changes[kind]["added"] if kind in changes else ()
            stale[kind] = set(exposed.names()).difference(present)
        return stale

    # --- the model -------------------------------------------------------------------------------

    @eager_coroutine
    def _update_model(self, model_changes):
        """Follow changes of the device's model.

        Parameters
        ----------
        model_changes : mapping
            ``"requests"`` and ``"sensors"``, if anything has changed there, to a mapping of ``"added"``
            and ``"removed"`` to sets of KATCP names.  What was modified is in both.
        """
        changes = dict(model_changes)
        requests, sensors = changes.get("requests"), changes.get("sensors")
        if requests:
            yield self._remove_requests(requests["removed"])
            yield self._add_requests(requests["added"])
        if sensors:
            yield self._remove_sensors(sensors["removed"])
            yield self._add_sensors(sensors["added"])

    @eager_coroutine
    def _add_requests(self, request_keys):
        """Make objects for the requests of these KATCP names, as far as they are to be exposed."""
        keys = sorted(key for key in request_keys if self._is_exposed(key))
        added = yield self._look_up("request", keys, self._inspecting_client.future_get_request)
        identifiers = [self._exposed_requests.add(key, request) for key, request in added]
        if identifiers and self._parent is not None:
            self._parent._child_add_requests(self, identifiers)

    def _remove_requests(self, request_keys):
        """Forget the requests of these KATCP names."""
        identifiers = [self._exposed_requests.remove(key) for key in list(request_keys)]
        identifiers = [identifier for identifier in identifiers if identifier is not None]
        if identifiers and self._parent is not None:
            self._parent._child_remove_requests(self, identifiers)
        return compat.done_future(None)

    @eager_coroutine
    def _add_sensors(self, sensor_keys):
        """Make objects for the sensors of these KATCP names, and apply what was set for them before."""
        added = yield self._look_up("sensor", sorted(sensor_keys), self._inspecting_client.future_get_sensor)
        identifiers = [self._exposed_sensors.add(key, sensor) for key, sensor in added]
        yield self._apply_presets(identifiers)
        if self._parent is not None:
            self._parent._child_add_sensors(self, identifiers)

    def _remove_sensors(self, sensor_keys):
        """Forget the sensors of these KATCP names."""
        identifiers = [self._exposed_sensors.remove(key) for key in list(sensor_keys)]
        identifiers = [identifier for identifier in identifiers if identifier is not None]
        if self._parent is not None:
            self._parent._child_remove_sensors(self, identifiers)
        return compat.done_future(None)

    @eager_coroutine
    def _look_up(self, kind, keys, look_up):
        """Return a future of a list of pairs: names, and the objects of those that have one."""
        found = []
        pending = []
        pause_at = default_timer() + self.MAX_LOOP_LATENCY
        for key in keys:
            future = compat.as_future(look_up(key))
            if future.done():
                self._note_found(kind, key, future, found)
            else:
                pending.append((key, future))
            if default_timer() >= pause_at:
                yield gen.moment
                pause_at = default_timer() + self.MAX_LOOP_LATENCY
        for key, future in pending:
            try:
                yield future
            except Exception:
                pass  # looked at below
            self._note_found(kind, key, future, found)
        raise gen.Return(found)

    def _note_found(self, kind, key, future, found):
        try:
            item = future.result()
        except SyncError:
            # That says nothing about the item: the connection may be gone.
            raise
        except Exception:
            self._logger.exception(record_text("Cannot make an object for %s %s", kind, lossy_str(key)))
        else:
            if item is not None:
                found.append((key, item))

    def _request_factory(self, **request_description):
        """Return the object for a request; if the device has only modified it, the one it had before."""
        request = self._modified_requests.pop(request_description["name"], None)
        if request is not None:
            request.update_description(request_description)
            return request
        return KATCPClientResourceRequest(request_description, self._inspecting_client, self.is_active)


def _modified(exposed, changes):
    """Return name to object of what is both added and removed."""
    modified = {}
    for name in set(changes["added"]).intersection(changes["removed"]) if changes else ():
        item = exposed.get(name)
        if item is not None and hasattr(item, "update_description"):
            modified[name] = item
    return modified
