"""Objects for the requests and sensors of a device, made when somebody asks for them."""

from __future__ import absolute_import, division, print_function

import sys
from collections import namedtuple

from tornado import gen

from katcp.compat import (add_loop_callback, done_future, encode_utf8, ensure_native_str, failed_future,
                          is_text)
from katcp.sensor import Sensor

# What stands for a request, unless another factory is set.
RequestType = namedtuple("Request", "name description timeout_hint")


class Lookup(object):
    """The part of an inspecting client that looks up single requests and sensors.

    It needs from the rest of the client: the indexes and inspections of `Inspection`; ``state``;
    ``until_data_synced``; ``ioloop``.
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
    # sensors: they need no coroutine.

    def _check(self, kind, name, update):
        if self.state.data_synced:
            if name in self._index_of(kind):
                return done_future(True)
            if not self._may_ask(update):
                return done_future(False)
        return self._check_slowly(kind, name, update)

    def _get(self, kind, name, update):
        if self.state.data_synced and (name in self._index_of(kind) or not self._may_ask(update)):
            try:
                return done_future(self._object(kind, name))
            except Exception:
                return failed_future(sys.exc_info())
        return self._get_slowly(kind, name, update)

    @gen.coroutine
    def _check_slowly(self, kind, name, update):
        yield self.until_data_synced()
        if name not in self._index_of(kind) and self._may_ask(update):
            yield self._inspect_one(kind, name)
        raise gen.Return(name in self._index_of(kind))

    @gen.coroutine
    def _get_slowly(self, kind, name, update):
        yield self._check_slowly(kind, name, update)
        raise gen.Return(self._object(kind, name))

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
                add_loop_callback(self.ioloop, inspection, self._forget_inspection)
        return inspection

    def _forget_inspection(self, inspection):
        for key, known in list(self._inspections_under_way.items()):
            if known is inspection:
                del self._inspections_under_way[key]
