"""Objects for the requests and sensors of a device, made when somebody asks for them."""

from __future__ import absolute_import, division, print_function

import sys
from collections import namedtuple

from katcp.compat import (add_loop_callback, done_future, encode_utf8, ensure_native_str, fail,
                          failed_future, is_text, new_future, resolve)
from katcp.sensor import Sensor

# What stands for a request, unless another factory is set.
RequestType = namedtuple("Request", "name description timeout_hint")


class _SlowLookup(object):
    """A lookup that has to wait, for the client to know what the device has, or for an answer of the device.

    It may wait until long after everybody has forgotten about it, which is why this is no coroutine:
    tornado 4.5 keeps those that never resume, and everything they know, for ever.

    Parameters
    ----------
    client : Lookup
    kind, name, update
        See `Lookup._check`.
    answer : callable
        ``answer(kind, name)`` returns what `future` resolves with, as soon as that can be told.
    """

    def __init__(self, client, kind, name, update, answer):
        self._client = client
        self._kind = kind
        self._name = name
        self._update = update
        self._answer = answer
        self.future = new_future(client._calling_ioloop())
        self._after(client.until_data_synced(), self._data_synced)

    def _after(self, future, step):
        if future.done():
            step(future)
        else:
            add_loop_callback(self._client._calling_ioloop(), future, step)

    def _data_synced(self, _):
        client, kind, name = self._client, self._kind, self._name
        try:
            if client._is_known(kind, name) or not client._may_ask(self._update):
                self._finish(None)
            else:
                self._after(client._inspect_one(kind, name), self._finish)
        except Exception:
            fail(self.future, sys.exc_info())

    def _finish(self, inspection):
        try:
            if inspection is not None:
                inspection.result()
            resolve(self.future, self._answer(self._kind, self._name))
        except Exception:
            fail(self.future, sys.exc_info())


class Lookup(object):
    """The part of an inspecting client that looks up single requests and sensors.

    It needs from the rest of the client: the indexes and inspections of `Inspection`; ``state``;
    ``until_data_synced``; ``_calling_ioloop``.
    """

    sensor_factory = Sensor
    request_factory = RequestType

    # Whether to ask the device about names that are not known, unless the caller decides.
    _update_on_lookup = True

    def __init__(self):
        # What the device is being asked about: (kind, name) -> future of the inspection.
        self._inspections_under_way = {}
        super(Lookup, self).__init__()

    def future_check_sensor(self, name, update=None):
        """Tell whether the device has a sensor.

        Waits, without limit, until the client knows what the device has at present: answers do not come
        from before a change of its interface, or from an earlier connection.

        Parameters
        ----------
        name : str
        update : bool, optional
            Whether to ask the device if the name is not known; by default it is asked.

        Returns
        -------
        future
            Resolves with a bool; fails with SyncError if the device did not answer as it should.
        """
        return self._check("sensor", name, update)

    def future_check_request(self, name, update=None):
        """Tell whether the device has a request; see `future_check_sensor`."""
        return self._check("request", name, update)

    def future_get_sensor(self, name, update=None):
        """Return the object of a sensor.

        It is made by `sensor_factory` when first asked for; later calls return the same object, until the
        device changes or removes the sensor.  Waits as `future_check_sensor` does.

        Parameters
        ----------
        name : str
        update : bool, optional
            As for `future_check_sensor`.

        Returns
        -------
        future
            Resolves with the object, or None if there is no such sensor.  Fails with SyncError if the
            device did not answer as it should, with KatcpSyntaxError if the type of the sensor is not
            known, with ValueError if its parameters cannot be read, and with what the factory raises.
        """
        return self._get("sensor", name, update)

    def future_get_request(self, name, update=None):
        """Return the object of a request, made by `request_factory`; see `future_get_sensor`."""
        return self._get("request", name, update)

    # Nearly all lookups are for names that are known, thousands of them at a time when somebody wants all
    # sensors: these need not wait.

    def _check(self, kind, name, update):
        if self.state.data_synced:
            if name in self._index_of(kind):
                return done_future(True)
            if not self._may_ask(update):
                return done_future(False)
        return _SlowLookup(self, kind, name, update, self._is_known).future

    def _get(self, kind, name, update):
        if self.state.data_synced and (name in self._index_of(kind) or not self._may_ask(update)):
            try:
                return done_future(self._object(kind, name))
            except Exception:
                return failed_future(sys.exc_info())
        return _SlowLookup(self, kind, name, update, self._object).future

    def _is_known(self, kind, name):
        return name in self._index_of(kind)

    def _may_ask(self, update):
        return self._update_on_lookup if update is None else update

    def _index_of(self, kind):
        return self._sensors_index if kind == "sensor" else self._requests_index

    def _object(self, kind, name):
        """Return the object of an item, made now if need be, or None if the item is not known."""
        if kind == "sensor":
            return self._sensor_object(name)
        entry = self._requests_index.get(name)
        if entry is None:
            return None
        if "obj" not in entry:
            entry["obj"] = self.request_factory(name=entry["name"], description=entry["description"],
                                                timeout_hint=entry["timeout_hint"])
        return entry["obj"]

    def _sensor_object(self, name):
        """Return the object of a sensor, made now if need be, or None if the sensor is not known."""
        entry = self._sensors_index.get(name)
        if entry is None:
            return None
        if "obj" not in entry:
            sensor_type = Sensor.parse_type(entry["sensor_type"])
            params = entry["params"]
            if params:
                params = Sensor.parse_params(sensor_type, [
                    encode_utf8(param) if is_text(param) else param for param in params])
            entry["obj"] = self._sensor_object_cache[name] = self.sensor_factory(
                name=ensure_native_str(name), sensor_type=sensor_type, description=entry["description"],
                # The protocol says what the units of a timestamp are, and so no `Sensor` takes any.
                units=entry["units"] if sensor_type != Sensor.TIMESTAMP else "",
                params=list(params))
        return entry["obj"]

    def _inspect_one(self, kind, name):
        """Ask the device about one item, unless it is being asked; return the future of that inspection."""
        key = (kind, name)
        inspection = self._inspections_under_way.get(key)
        if inspection is None or inspection.done():
            inspect = self.inspect_sensors if kind == "sensor" else self.inspect_requests
            inspection = inspect(name)
            if not inspection.done():
                self._inspections_under_way[key] = inspection
                add_loop_callback(self._calling_ioloop(), inspection, self._forget_inspection)
        return inspection

    def _forget_inspection(self, inspection):
        for key, known in list(self._inspections_under_way.items()):
            if known is inspection:
                del self._inspections_under_way[key]
