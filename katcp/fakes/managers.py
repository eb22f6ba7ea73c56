"""Who says what a device that is not there has, and does."""

from __future__ import absolute_import, division, print_function

import re
import time

from katcp import compat
from katcp.compat import ensure_native_str
from katcp.errors import FailReply
from katcp.handlers import convert_method_name
from katcp.message import Message
from katcp.sensor import Sensor
from katcp.server.dispatch import construct_name_filter
from katcp.server.requests import StandardRequests, sensor_name_of

_request_help = StandardRequests.__dict__["request_help"]

# Without any docstrings (-OO) handlers cannot be blamed for having none.
_HAVE_DOCSTRINGS = __doc__ is not None


class FakeSensor(object):
    """What a fake device says about one of its sensors.

    Parameters
    ----------
    name : str
    info : sequence
        ``(description, units, type, *params)``.

    Raises
    ------
    IndexError
        If there is no type.
    KatcpSyntaxError
        If there is no such type.
    ValueError
        If the parameters do not fit the type.
    """

    def __init__(self, name, info):
        self.info = info
        # As they are on the wire, whatever they are given as.
        arguments = Message.inform("sensor-list", name, *info).arguments
        self._wire_name = arguments[0]
        self._type = Sensor.parse_type(ensure_native_str(arguments[3]))
        self._params = Sensor.parse_params(self._type, arguments[4:])
        # Keeps the reading, once there is one, and knows how to format it.
        self._sensor = None

    @property
    def has_reading(self):
        """Whether it was ever set."""
        return self._sensor is not None

    def set(self, timestamp, status, value):
        """Set the reading; see `Sensor.set`."""
        if self._sensor is None:
            self._sensor = Sensor(self._type, self._wire_name, params=self._params)
        self._sensor.set(timestamp, status, value)

    def update_arguments(self, major):
        """Return the arguments of the inform that reports the reading."""
        timestamp, status, value = self._sensor.read_formatted(major)
        return [timestamp, 1, self._wire_name, status, value]


class FakeInspectingClientManager(object):
    """Says what the device of a fake inspecting client has, and does.

    May be used in any thread; in that of the client's loop it takes effect at once.  What is added becomes
    known to the client when it has inspected its device again, which it begins to do soon, but not before
    the caller is through.

    Parameters
    ----------
    fake_inspecting_client : InspectingClientAsync
        From `fake_inspecting_client_factory`.
    options : dict, optional
        See there.

    Attributes
    ----------
    fake_sensor_infos : dict
        Name of each sensor to its ``(description, units, type, *params)``.
    """

    def __init__(self, fake_inspecting_client, options=None):
        options = options or {}
        self._fic = fake_inspecting_client
        self._fkc = fake_inspecting_client.katcp_client
        self._fkc.errors_as_replies = bool(options.get("errors_as_replies", False))
        self._fkc.refuse_unknown_requests = bool(options.get("refuse_unknown_requests", False))
        self._fkc.background_handlers.update({
            "sensor-value": self._answer_sensor_value,
            "sensor-sampling": self._answer_sensor_sampling,
        })
        self.fake_sensor_infos = {}
        self._sensors = {}
        self.add_request_handlers_object(self)

    @property
    def _request_handlers(self):
        return self._fkc.request_handlers

    def _call(self, function, *args):
        """Call a function in the thread of the loop: now if this is it, or as long as there is none."""
        ioloop = self._fic.ioloop
        if compat.runs_in_this_thread(ioloop) or not compat.ioloop_is_running(ioloop):
            function(*args)
        else:
            compat.add_callback_if_open(ioloop, function, *args)

    def _interface_changed(self):
        self._call(self._fic._interface_changed.set)

    # --- sensors ---------------------------------------------------------------------------------

    def add_sensors(self, sensor_infos):
        """Give the device more sensors.

        Parameters
        ----------
        sensor_infos : dict
            Name of each sensor (native str) to ``(description, units, type, *params)``, as on the wire
            (section 7.3 of the guidelines): str, bytes or numbers.  Replaces sensors of the same name.

        Raises
        ------
        KatcpSyntaxError, ValueError, IndexError
            If there is no such type, parameters do not fit it, or something is missing.  Nothing is added
            then.
        """
        sensors = dict((name, FakeSensor(name, info)) for name, info in sensor_infos.items())
        self._sensors.update(sensors)
        self.fake_sensor_infos.update(sensor_infos)
        self._interface_changed()

    def remove_sensors(self, names):
        """Take sensors away from the device.

        Parameters
        ----------
        names : iterable of str

        Raises
        ------
        KeyError
            If there is no such sensor.
        """
        for name in names:
            del self.fake_sensor_infos[name]
            self._sensors.pop(name, None)
        self._interface_changed()

    def set_sensor_reading(self, name, value, status=Sensor.NOMINAL, timestamp=None):
        """Give a sensor a reading, which the device reports at once, and again when it is polled.

        Parameters
        ----------
        name : str
        value : object
            Of the type of the sensor; None if the status says that there is none.
        status : int, optional
            One of the constants of `Sensor`.
        timestamp : float, optional
            Seconds since 1970; by default now.

        Raises
        ------
        KeyError
            If there is no such sensor.
        """
        sensor = self._fake_sensor(name)
        if timestamp is None:
            timestamp = time.time()
        self._call(self._set_and_report, sensor, timestamp, status, value)

    def _set_and_report(self, sensor, *reading):
        sensor.set(*reading)
        if self._fkc.is_connected():
            self._report(sensor)

    def _report(self, sensor):
        self._fkc.handle_message(Message.inform("sensor-status", *self._update_arguments(sensor)))

    def _fake_sensor(self, name):
        # The infos are public, and may have been edited.
        info = self.fake_sensor_infos[name]
        sensor = self._sensors.get(name)
        if sensor is None or sensor.info is not info:
            sensor = self._sensors[name] = FakeSensor(name, info)
        return sensor

    def _update_arguments(self, sensor):
        return sensor.update_arguments(self._fkc.protocol_flags.major)

    def _selected_sensors(self, msg):
        """Return the names that a request is about, sorted."""
        pattern = sensor_name_of(msg.arguments[0]) if msg.arguments else None
        if msg.arguments and pattern is None:
            return []
        try:
            _, is_selected = construct_name_filter(pattern)
        except re.error:
            return []
        return sorted(name for name in self.fake_sensor_infos if is_selected(name))

    def _answer_sensor_value(self, req, msg):
        sensors = [self._fake_sensor(name) for name in self._selected_sensors(msg)]
        count = 0
        for sensor in sensors:
            if sensor.has_reading:
                req.inform(*self._update_arguments(sensor))
                count += 1
        # Without any reading it succeeds all the same, and sensors stay as they are.
        return req.make_reply("ok", *([count] if count else []))

    def _answer_sensor_sampling(self, req, msg):
        # However it is sampled, a device first says how things stand.
        if len(msg.arguments) > 1 and msg.arguments[1] != b"none":
            for name in (sensor_name_of(msg.arguments[0]) or "").split(","):
                if name in self.fake_sensor_infos and self._fake_sensor(name).has_reading:
                    self._report(self._fake_sensor(name))
        return req.make_reply("ok")

    # --- requests --------------------------------------------------------------------------------

    def add_request_handlers_dict(self, rh_dict):
        """Let the device have more requests.

        Parameters
        ----------
        rh_dict : dict
            Name of each request (native str, with dashes) to its handler; see
            `FakeAsyncClient.request_handlers`.  Replaces handlers of the same name.

        Raises
        ------
        AssertionError
            If a handler has no docstring, which is what ``?help`` shows.  Nothing is added then.
        """
        if _HAVE_DOCSTRINGS and not all(handler.__doc__ for handler in rh_dict.values()):
            raise AssertionError("Even fake request handlers must have docstrings")
        self._request_handlers.update(rh_dict)
        self._interface_changed()

    def add_request_handlers_object(self, rh_obj):
        """Let the device have the requests that an object has methods for.

        Parameters
        ----------
        rh_obj : object
            Its methods ``request_<name>``, with underscores for dashes, are taken as handlers; see
            `add_request_handlers_dict`.
        """
        handlers = {}
        for attribute in dir(rh_obj):
            if attribute.startswith("request_") and callable(getattr(rh_obj, attribute)):
                handlers[convert_method_name("request_", attribute)] = getattr(rh_obj, attribute)
        self.add_request_handlers_dict(handlers)

    def remove_request_handlers(self, names):
        """Take requests away from the device.

        Parameters
        ----------
        names : iterable of str

        Raises
        ------
        KeyError
            If there is no such request.
        """
        for name in names:
            del self._request_handlers[name]
        self._interface_changed()

    # --- the device as a whole -------------------------------------------------------------------

    def disconnect(self):
        """Have the device go away: the client is disconnected until `reconnect` is called."""
        self._call(self._fkc._disconnect)

    def reconnect(self):
        """Have the device come back."""
        self._call(self._fkc._connect)

    def take_over(self, other):
        """Let the device have, and do, what that of another manager has and does.

        Parameters
        ----------
        other : FakeInspectingClientManager
        """
        own = set(name for name, handler in other._request_handlers.items()
                  if getattr(handler, "__self__", None) is other)
        self._request_handlers.update(
            (name, handler) for name, handler in other._request_handlers.items() if name not in own)
        self.fake_sensor_infos = other.fake_sensor_infos
        self._sensors = other._sensors
        self._interface_changed()

    # --- what any device can be asked ------------------------------------------------------------

    def request_help(self, req, msg):
        """Describe what the device can be asked for: all requests, or the one that is named."""
        try:
            return _request_help(self, req, msg)
        except FailReply as error:
            return req.make_reply("fail", str(error))

    def request_sensor_list(self, req, msg):
        """Describe the sensors: all, the one that is named, or those that match a /pattern/."""
        names = self._selected_sensors(msg)
        if msg.arguments and not names:
            return req.make_reply("fail", "Unknown sensor name.")
        for name in names:
            req.inform(name, *self.fake_sensor_infos[name])
        return req.make_reply("ok", len(names))


class FakeKATCPClientResourceManager(object):
    """Says what the device of a fake resource has, and does.

    Its methods are those of `FakeInspectingClientManager`; they can be used once the resource is started.
    What the device has, it still has after a restart of the resource.

    Parameters
    ----------
    fake_katcp_resource_client : KATCPClientResource
        From `fake_KATCP_client_resource_factory`.
    """

    def __init__(self, fake_katcp_resource_client):
        self._fake_katcp_resource_client = fake_katcp_resource_client

    @property
    def _fic_manager(self):
        manager = getattr(self._fake_katcp_resource_client, "fake_inspecting_client_manager", None)
        if manager is None:
            raise RuntimeError("Fake KATCPClientResource must be started before it can be managed")
        return manager

    @property
    def fake_sensor_infos(self):
        """Name of each sensor to its ``(description, units, type, *params)``."""
        return self._fic_manager.fake_sensor_infos

    def add_sensors(self, sensor_infos):
        """Give the device more sensors; see `FakeInspectingClientManager.add_sensors`."""
        self._fic_manager.add_sensors(sensor_infos)

    def remove_sensors(self, names):
        """Take sensors away; see `FakeInspectingClientManager.remove_sensors`."""
        self._fic_manager.remove_sensors(names)

    def set_sensor_reading(self, name, value, status=Sensor.NOMINAL, timestamp=None):
        """Give a sensor a reading; see `FakeInspectingClientManager.set_sensor_reading`."""
        self._fic_manager.set_sensor_reading(name, value, status, timestamp)

    def add_request_handlers_object(self, rh_obj):
        """Add requests; see `FakeInspectingClientManager.add_request_handlers_object`."""
        self._fic_manager.add_request_handlers_object(rh_obj)

    def add_request_handlers_dict(self, rh_dict):
        """Add requests; see `FakeInspectingClientManager.add_request_handlers_dict`."""
        self._fic_manager.add_request_handlers_dict(rh_dict)

    def remove_request_handlers(self, names):
        """Take requests away; see `FakeInspectingClientManager.remove_request_handlers`."""
        self._fic_manager.remove_request_handlers(names)

    def disconnect(self):
        """Have the device go away; see `FakeInspectingClientManager.disconnect`."""
        self._fic_manager.disconnect()

    def reconnect(self):
        """Have the device come back."""
        self._fic_manager.reconnect()


class FakeKATCPClientResourceContainerManager(object):
    """Says what the devices of a fake container have, and do.

    Parameters
    ----------
    fake_katcp_resource_container : KATCPClientResourceContainer
        From `fake_KATCP_client_resource_container_factory`.
    """

    def __init__(self, fake_katcp_resource_container):
        self._fake_katcp_resource_container = fake_katcp_resource_container

    @property
    def child_managers(self):
        """Python identifier of each child to its `FakeKATCPClientResourceManager`."""
        return self._fake_katcp_resource_container.fake_client_resource_managers

    def add_sensors(self, child_name, sensor_infos):
        """Give the device of a child more sensors; see `FakeInspectingClientManager.add_sensors`."""
        self.child_managers[child_name].add_sensors(sensor_infos)

    def remove_sensors(self, child_name, names):
        """Take sensors away; see `FakeInspectingClientManager.remove_sensors`."""
        self.child_managers[child_name].remove_sensors(names)

    def set_sensor_reading(self, child_name, name, value, status=Sensor.NOMINAL, timestamp=None):
        """Give a sensor a reading; see `FakeInspectingClientManager.set_sensor_reading`."""
        self.child_managers[child_name].set_sensor_reading(name, value, status, timestamp)

    def add_request_handlers_object(self, child_name, rh_obj):
        """Add requests; see `FakeInspectingClientManager.add_request_handlers_object`."""
        self.child_managers[child_name].add_request_handlers_object(rh_obj)

    def add_request_handlers_dict(self, child_name, rh_dict):
        """Add requests; see `FakeInspectingClientManager.add_request_handlers_dict`."""
        self.child_managers[child_name].add_request_handlers_dict(rh_dict)

    def remove_request_handlers(self, child_name, names):
        """Take requests away; see `FakeInspectingClientManager.remove_request_handlers`."""
        self.child_managers[child_name].remove_request_handlers(names)

    def disconnect(self, child_name):
        """Have the device of a child go away; see `FakeInspectingClientManager.disconnect`."""
        self.child_managers[child_name].disconnect()

    def reconnect(self, child_name):
        """Have the device of a child come back."""
        self.child_managers[child_name].reconnect()
