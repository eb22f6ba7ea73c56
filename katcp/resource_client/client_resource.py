"""A device as its users hold it: `KATCPClientResource`."""

from __future__ import absolute_import, division, print_function

import logging

from katcp import compat
from katcp.log_records import record_text
from katcp.resource_base import KATCPResource
from katcp.resource_client.exposure import Exposure, _normalise_request_name_set
from katcp.resource_client.model_update import ModelUpdates
from katcp.resource_client.presets import SensorPresets
from katcp.resource_client.requests import ReplyWrappedInspectingClientAsync
from katcp.resource_client.sensors_manager import KATCPClientResourceSensorsManager
from katcp.resource_client.tracked_items import TrackedAttrDict, TrackedMadeUpItems
from katcp.resource_names import escape_name
from katcp.resource_request import KATCPDummyRequest
from katcp.waiting import AsyncCallbackEvent, AsyncState, log_future_exceptions

log = logging.getLogger("katcp.resource_client")

# What a dummy request says about itself.
_DUMMY_DESCRIPTION = {"name": "dummy", "description": "No help for dummies", "timeout_hint": None}


class NotStartedError(RuntimeError, AttributeError):
    """Something was asked for that a resource only has once it is started.

    An AttributeError as well, so that who looks at all attributes there are is not interrupted.
    """


def new_dummy_request(is_active):
    """Return a request that does nothing and always succeeds, while ``is_active()``."""
    return KATCPDummyRequest(_DUMMY_DESCRIPTION, is_active)


class KATCPClientResource(ModelUpdates, SensorPresets, KATCPResource):
    """A device that is controlled over KATCP: its requests and sensors, kept in step with the device.

    Parameters
    ----------
    resource_spec : dict
        ``address``
            ``(host, port)``, required.
        ``name``
            str, required.
        ``description``
            str.
        ``controlled``
            Whether requests are exposed at all; False by default.
        ``always_allowed_requests``, ``always_excluded_requests``
            Names of requests that are exposed, or are not, whatever ``controlled`` says; the latter take
            precedence.  It does not matter whether there are ``-`` or ``_`` in the names.
        ``auto_reconnect``
            Whether to keep trying to connect when that fails or the connection is lost; True by default.
        ``auto_reconnect_delay``
            Seconds between these attempts; 0.5 by default.
        ``dummy_unknown_requests``
            Whether requests that do not exist can be made all the same: they always succeed.
        ``preset_protocol_flags``
            `katcp.ProtocolFlags` of the device, for devices that do not tell.
    parent : KATCPClientResourceContainer, optional
    logger : logging.Logger, optional

    Attributes
    ----------
    always_allowed_requests, always_excluded_requests : set of str
        Python identifiers.
    auto_reconnect : bool
    auto_reconnect_delay : float
        Seconds.
    ioloop : tornado.ioloop.IOLoop
        The loop that everything happens in; only once started.

    Notes
    -----
    Sampling strategies and listeners that are set here are set again whenever the device is connected again.

    All methods but `stop` are for the thread of the loop.  The futures they return can be yielded in
    coroutines and awaited in native ones; see `ThreadSafeKATCPClientResourceWrapper` for other threads.

    Examples
    --------
    ::

        @tornado.gen.coroutine
        def demo():
            client = KATCPClientResource(dict(name="demo", address=("localhost", 5000), controlled=True))
            client.start()
            yield client.until_synced(timeout=5)
            reply, informs = yield client.req.add(1, 2)
            client.set_sampling_strategy("wind.speed", "event-rate 1 10")
            yield client.sensor.wind_speed.wait(lambda reading: reading.value > 20)
            client.stop()
            yield client.until_stopped()
    """

    def __init__(self, resource_spec, parent=None, logger=log):
        self._address = resource_spec["address"]
        self._name = resource_spec["name"]
        self._description = resource_spec.get("description", "")
        self._parent = parent
        self._logger = logger
        self.always_allowed_requests = _normalise_request_name_set(
            resource_spec.get("always_allowed_requests", ()))
        self.always_excluded_requests = _normalise_request_name_set(
            resource_spec.get("always_excluded_requests", ()))
        self._controlled = resource_spec.get("controlled", False)
        self.auto_reconnect = resource_spec.get("auto_reconnect", True)
        self.auto_reconnect_delay = resource_spec.get("auto_reconnect_delay", 0.5)
        self._dummy_unknown_requests = bool(resource_spec.get("dummy_unknown_requests", False))
        self._preset_protocol_flags = resource_spec.get("preset_protocol_flags")
        self._ioloop_set_to = None
        self._log_listener = None
        # Whether it was started and not stopped since.
        self._started = False
        # Whether the inspecting client has been told to connect, which may have to wait for its loop.
        self._connecting = False
        self._state = AsyncState(("disconnected", "syncing", "synced"))
        # For subclasses that use them; nothing here does.
        self._connected = AsyncCallbackEvent(self._update_state)
        self._sensors_synced = AsyncCallbackEvent(self._update_state)
        self._requests_synced = AsyncCallbackEvent(self._update_state)
        self._sensor = TrackedAttrDict()
        if self._dummy_unknown_requests:
            self._req = TrackedMadeUpItems(self._new_dummy_request)
        else:
            self._req = TrackedAttrDict()
        self._exposed_requests = Exposure(self._req, "request", logger)
        self._exposed_sensors = Exposure(self._sensor, "sensor", logger)
        super(KATCPClientResource, self).__init__()

    def __repr__(self):
        cls = type(self)
        return "<{0}.{1}(name={2}) at 0x{3:x}>".format(cls.__module__, cls.__name__, self.name, id(self))

    # --- what it is ------------------------------------------------------------------------------

    @property
    def name(self):
        """Name of the resource."""
        return self._name

    @property
    def description(self):
        """Description of the resource."""
        return self._description

    @property
    def address(self):
        """``(host, port)`` of the device."""
        return self._address

    @property
    def host(self):
        """Host of the device."""
        return self._address[0]

    @property
    def port(self):
        """TCP port of the device."""
        return self._address[1]

    @property
    def address_string(self):
        """``'host:port'`` of the device."""
        return "{0}:{1}".format(*self._address)

    @property
    def controlled(self):
        """Whether requests are exposed, apart from those that are always excluded."""
        return self._controlled

    @property
    def dummy_unknown_requests(self):
        """Whether requests that do not exist can be made all the same."""
        return self._dummy_unknown_requests

    @property
    def parent(self):
        """The container that this is a child of, or None."""
        return self._parent

    @property
    def parent_name(self):
        """Name of the container that this is a child of; AttributeError if there is none."""
        return self._parent.name

    @property
    def children(self):
        """An empty dict."""
        return {}

    @property
    def req(self):
        """The exposed requests: an AttrDict from Python identifiers to `KATCPClientResourceRequest`."""
        return self._req

    @property
    def sensor(self):
        """The sensors: an AttrDict from Python identifiers to `KATCPSensor`."""
        return self._sensor

    @property
    def versions(self):
        """What the device said about its versions: name to a tuple of str."""
        return self._started_client().katcp_client.versions

    @property
    def last_connect_time(self):
        """When the latest connection was made, by the clock of the loop; None if there was none yet."""
        return self._started_client().katcp_client.last_connect_time

    def _started_client(self):
        try:
            return self._inspecting_client
        except AttributeError:
            raise NotStartedError("Cannot find inspecting client, have you called start()?")

    def _is_exposed(self, request_name):
        identifier = escape_name(request_name)
        return (identifier not in self.always_excluded_requests
                and bool(self._controlled or identifier in self.always_allowed_requests))

    def _new_dummy_request(self):
        return new_dummy_request(self.is_active)

    # --- state -----------------------------------------------------------------------------------

    @property
    def state(self):
        """``'disconnected'``, ``'syncing'`` or ``'synced'``.

        While it is syncing, requests that are there can be made, but there may be others than the device
        has.  Once it is synced, requests and sensors are as on the device, and all strategies set.
        """
        return self._state.state

    @property
    def synced(self):
        """Whether the state is ``'synced'``."""
        return self._state.state == "synced"

    def is_connected(self):
        """Return whether the state is not ``'disconnected'``."""
        return self._state.state != "disconnected"

    def until_state(self, state, timeout=None):
        """Wait for a state.

        Parameters
        ----------
        state : str
            See `state`.
        timeout : float, optional
            Seconds; None and 0 mean for ever.

        Returns
        -------
        future
            Resolves with True; is done already if that is the state.  Fails with
            ``tornado.gen.TimeoutError`` when the time is up.

        Raises
        ------
        ValueError
            At once, if there is no such state.
        """
        return self._state.until_state(state, timeout)

    def until_synced(self, timeout=None):
        """Wait until the resource is synced; see `until_state`."""
        return self._state.until_state("synced", timeout)

    def until_not_synced(self, timeout=None):
        """Wait until the resource is not synced; see `until_state`."""
        return self._state.until_state_in("disconnected", "syncing", timeout=timeout)

    def wait_connected(self, timeout=None):
        """Wait until the device is connected; see `until_state`."""
        return self._state.until_state_in("syncing", "synced", timeout=timeout)

    def _update_state(self, _flag=None):
        """Derive the state from the events that subclasses may set."""
        if not self._connected.is_set():
            self._state.set_state("disconnected")
        elif self._sensors_synced.is_set() and self._requests_synced.is_set():
            self._state.set_state("synced")
        else:
            self._state.set_state("syncing")

    # --- life ------------------------------------------------------------------------------------

    def set_ioloop(self, ioloop=None):
        """Set the loop to use, before the start.

        Parameters
        ----------
        ioloop : tornado.ioloop.IOLoop, optional
            None stands for the one that is current when the resource is started.
        """
        self._ioloop_set_to = ioloop
        self._state.bind(ioloop)

    def inspecting_client_factory(self, host, port, ioloop_set_to):
        """Return the client that does the work; for subclasses to override.

        Parameters
        ----------
        host : str
        port : int
        ioloop_set_to : tornado.ioloop.IOLoop or None

        Returns
        -------
        ReplyWrappedInspectingClientAsync
        """
        return ReplyWrappedInspectingClientAsync(host, port, ioloop=ioloop_set_to,
                                                 auto_reconnect=self.auto_reconnect)

    def set_log_listener(self, listener):
        """Have a function called with each message that the device logs (``#log``).

        May be called before the start or later.  The device logs from the level on that was set with
        ``?log-level``, ``warn`` by default.

        Parameters
        ----------
        listener : callable or None
            ``listener(level, timestamp, name, text)`` is called in the thread of the loop. `level`, such as
            ``"warn"``, the `name` of the device's logger and `text` are native strings; `timestamp` is in
            seconds since the epoch (float), None if it cannot be read.  Its exceptions are logged.  It takes
            the place of the listener before it; None for no listener.

        Examples
        --------
        ::

            def on_log(level, timestamp, name, text):
                print("The receiver says: {}: {}".format(level, text))

            receiver.set_log_listener(on_log)
        """
        self._log_listener = listener
        client = self.__dict__.get("_inspecting_client")
        if client is not None:
            client.set_log_listener(listener)

    def start(self):
        """Start the client of the device: from now on it tries to be connected and synced.

        Returns at once.  To be called in the thread of the loop, before or after the loop is started; if the
        loop was set (`set_ioloop`), any thread will do.  After a `stop` the resource can be started again.
        Nothing happens if it is started already.

        Raises
        ------
        ValueError or TypeError
            If the address is no pair of host and port.
        """
        if self._started:
            self._logger.warning(record_text("%r is started already", self))
            return
        try:
            # Of "host:port" the first two characters would do, too, and never be connected to.
            host, port = self._address
        except (TypeError, ValueError) as exc:
            raise type(exc)("The address of %s must be (host, port), not %r"
                            % (self.name, self._address))
        previous = self.__dict__.get("_inspecting_client")
        client = self._inspecting_client = self.inspecting_client_factory(host, port, self._ioloop_set_to)
        self._started, self._connecting = True, False
        if previous is not None:
            # It may still be on its way to its end.
            previous.set_state_callback(None)
            self._state.set_state("disconnected")
        self.ioloop = client.ioloop
        if self._preset_protocol_flags:
            client.preset_protocol_flags(self._preset_protocol_flags)
        client.katcp_client.auto_reconnect_delay = self.auto_reconnect_delay
        client.set_state_callback(self._inspecting_client_state_callback)
        client.request_factory = self._request_factory
        manager = self._sensor_manager = KATCPClientResourceSensorsManager(
            client, self.name, logger=self._logger)
        manager.strategy_noted = self._strategy_noted
        if self._log_listener is not None:
            client.set_log_listener(self._log_listener)
        client.handle_sensor_value()
        client.sensor_factory = manager.sensor_factory
        self.reapply_sampling_strategies = manager.reapply_sampling_strategies
        self._expects_whole_model = True
        if self._may_use_loop():
            self._connect(client)
        else:
            self.ioloop.add_callback(self._connect, client)

    def _may_use_loop(self):
        return compat.runs_in_this_thread(self.ioloop) or (
            compat.current_ioloop() is self.ioloop and not compat.ioloop_is_running(self.ioloop))

    def _connect(self, client):
        if self._started and not self._connecting and client is self._inspecting_client:
            self._connecting = True
            log_future_exceptions(self._logger, client.connect())

    def stop(self):
        """Stop the client of the device: disconnect, and leave nothing behind that runs or waits.

        Returns at once, in any thread; see `until_stopped`.  Requests without a reply get one that says so.
        Nothing happens if the resource was never started.
        """
        client = self.__dict__.get("_inspecting_client")
        if client is None:
            return
        self._started = False
        if compat.runs_in_this_thread(client.ioloop) or not compat.ioloop_is_running(client.ioloop):
            client.stop()
        else:
            compat.add_callback_if_open(client.ioloop, client.stop)

    def until_stopped(self, timeout=None):
        """Wait until the client of the device has stopped, after a `stop`; for the thread of the loop.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None and 0 mean for ever.

        Returns
        -------
        future
            Resolves with True, at once if the resource was never started.  Fails with
            ``tornado.gen.TimeoutError`` when the time is up.

        Raises
        ------
        AssertionError
            In another thread.
        """
        client = self.__dict__.get("_inspecting_client")
        if client is None:
            return compat.done_future(True)
        if self._started:
            # If it has been waiting for its loop, that is here now.
            self._connect(client)
        elif self._sensor_manager is not None and not self._connecting:
            # It was stopped before its loop ran.
            return compat.done_future(True)
        return client.until_stopped(timeout)
