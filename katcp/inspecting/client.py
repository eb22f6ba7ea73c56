"""The inspecting client as a whole: its life, and what it passes on to the low-level client."""

from __future__ import absolute_import, division, print_function

import sys

from tornado import gen
from tornado.ioloop import IOLoop

from katcp import compat
from katcp.client.async_client import AsyncClient
from katcp.compat import coroutine, lossy_str
from katcp.errors import KatcpClientError
from katcp.handlers import steal_docstring_from
from katcp.inspecting.backoff import ic_logger
from katcp.inspecting.bulk_sampling import BulkSampling
from katcp.inspecting.inform_hooks import _InformHookDeviceClient
from katcp.inspecting.inspection import Inspection
from katcp.inspecting.log_informs import LogInforms
from katcp.inspecting.lookup import Lookup
from katcp.inspecting.state_loop import StateLoop
from katcp.inspecting.updates import SensorUpdates
from katcp.linked_futures import wait_loop
from katcp.log_records import record_text
from katcp.message import Message
from katcp.waiting import AsyncEvent, future_timeout_manager, until_any

# Iterations of the loop that the low-level client may take, on any tornado, to end when it has stopped.
STOP_ITERATIONS = 4


class InspectingClientAsync(StateLoop, Inspection, Lookup, SensorUpdates, BulkSampling, LogInforms):
    """A client that finds out which requests and sensors a device has, and keeps that up to date.

    It inspects the device when it is connected, when it is connected again, and when the device says that
    its interface has changed.  Sensor objects are set when the device reports their values.

    Parameters
    ----------
    host : str
        Host name or address of the device.
    port : int
    ioloop : tornado.ioloop.IOLoop, optional
        The loop to run on; by default the current one.  Everything happens in its thread, and once the
        client is started all methods have to be called there.
    initial_inspection : bool, optional
        Whether to inspect the device when first connected, which is the default.  Without, requests and
        sensors become known one by one, as they are looked up, until the device's interface changes.
    auto_reconnect : bool, optional
        Whether to keep trying to connect when that fails or the connection is lost.
    logger : logging.Logger, optional

    Attributes
    ----------
    sensor_factory : callable
        Makes the objects of sensors, from the keyword arguments ``name``, ``sensor_type`` (a constant of
        `katcp.Sensor`), ``description``, ``units`` and ``params`` (a list).  By default `katcp.Sensor`.
        Like the next it may be replaced at any time, and is used when an object is first asked for.
    request_factory : callable
        Makes the objects of requests, from ``name``, ``description`` and ``timeout_hint`` (seconds, or
        None).  By default `RequestType`.
    sync_timeout : float
        Seconds that an inspection may take.
    initial_resync_timeout, max_resync_timeout : float
        Seconds before the first retry after a failure, and the most that it ever takes; read at the start.
    ioloop : tornado.ioloop.IOLoop
        The loop.
    katcp_client : AsyncClient
        The low-level client.

    Examples
    --------
    ::

        client = InspectingClientAsync("localhost", 5000)
        yield client.connect()
        yield client.until_synced(timeout=5)
        print(client.sensors)
        sensor = yield client.future_get_sensor("wind.speed")
        reply, informs = yield client.simple_request("sensor-sampling", "wind.speed", "event")
        ...
        client.stop()
        yield client.until_stopped()
    """

    def __init__(self, host, port, ioloop=None, initial_inspection=None, auto_reconnect=True,
                 logger=ic_logger):
        self._logger = logger
        # What somebody has chosen, if anybody has.
        self._ioloop_set_to = ioloop
        self.ioloop = ioloop or self._current_ioloop()
        self._running = False
        # The futures of `connect` and of the state loop that it starts.
        self._connecting = None
        self._state_loop_future = None
        # Whether a stop has come to its end.
        self._stopped = True
        self._cb_register = {}
        super(InspectingClientAsync, self).__init__(
            ioloop, True if initial_inspection is None else bool(initial_inspection))
        self.katcp_client = self.inform_hook_client_factory(
            host, port, auto_reconnect=auto_reconnect, logger=logger)
        self.katcp_client.set_ioloop(ioloop)
        self.katcp_client.notify_connected = self._cb_connection_state
        for name, callback in (("sensor-status", self._cb_inform_sensor_status),
                               ("interface-changed", self._cb_inform_interface_change),
                               ("device-changed", self._cb_inform_interface_change),
                               ("device-changed", self._cb_inform_deprecated)):
            self.katcp_client.hook_inform(name, callback)

    @staticmethod
    def _current_ioloop():
        try:
            return IOLoop.current()
        except RuntimeError:  # this thread has none; the client has to be started in another
            return None

    def _calling_ioloop(self):
        """Return the loop that runs the caller: that of the client, once it is known."""
        return compat.running_ioloop() or wait_loop(self.ioloop)

    def inform_hook_client_factory(self, host, port, *args, **kwargs):
        """Return the low-level client; called by the constructor, for subclasses to override.

        Parameters
        ----------
        host, port, *args, **kwargs
            As of `AsyncClient`.

        Returns
        -------
        AsyncClient
            With a method ``hook_inform(inform_name, callback)``.
        """
        return _InformHookDeviceClient(host, port, *args, **kwargs)

    def _cb_inform_deprecated(self, msg):
        """Hook: complain about an inform that newer versions of the protocol do not have."""
        self._logger.warning(record_text("Received a deprecated inform: %s.", msg.name))

    def handle_sensor_value(self):
        """From now on set sensors also from the replies to ``?sensor-value`` requests."""
        self.katcp_client.hook_inform("sensor-value", self._cb_inform_sensor_status)

    # --- the low-level client --------------------------------------------------------------------

    @property
    def bind_address(self):
        """``(host, port)`` of the device."""
        return self.katcp_client.bind_address

    @property
    def bind_address_string(self):
        """``'host:port'`` of the device."""
        return self.katcp_client.bind_address_string

    @property
    def connected(self):
        """Whether there is a TCP connection right now; the `state` may lag behind."""
        return self.katcp_client.is_connected()

    def is_connected(self):
        """Return whether there is a TCP connection right now; the `state` may lag behind."""
        return self.katcp_client.is_connected()

    def set_ioloop(self, ioloop):
        """Set the loop to run on, before the start; the attribute `ioloop` follows at the start.

        Parameters
        ----------
        ioloop : tornado.ioloop.IOLoop

        Raises
        ------
        RuntimeError
            If the constructor was given one.
        """
        self.katcp_client.set_ioloop(ioloop)
        self._ioloop_set_to = ioloop

    @steal_docstring_from(AsyncClient.preset_protocol_flags)
    def preset_protocol_flags(self, protocol_flags):
        return self.katcp_client.preset_protocol_flags(protocol_flags)

    def simple_request(self, request, *args, **kwargs):
        """Send a request.

        Parameters
        ----------
        request : str
            Its name.
        *args
            Its arguments, see `Message`.
        timeout : float, optional
            Seconds; by default the timeout of the low-level client.
        mid : int or str, optional
            The message id; by default the next one.
        use_mid : bool, optional
            Whether to use a message id; by default if the device supports them.

        Returns
        -------
        future
            Resolves with ``(reply, informs)``, a Message and a list of Messages.  If the device cannot be
            reached or does not answer in time, the reply says ``fail`` and why.

        Raises
        ------
        KatcpSyntaxError
            At once, if name or id are not valid.
        """
        msg = Message.request(request, *args, mid=kwargs.get("mid"))
        return self.katcp_client.future_request(msg, kwargs.get("timeout"), kwargs.get("use_mid"))

    # --- life ------------------------------------------------------------------------------------

    def connect(self, timeout=None):
        """Start the client: from now on it tries to be connected to its device, and in step with it.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait for a TCP connection; by default there is no waiting for it.

        Returns
        -------
        future
            Resolves with None when the state callback has been called for the first time; the inspection
            begins after that.

        Raises
        ------
        AssertionError
            In the future: if the client is running.
        tornado.gen.TimeoutError
            In the future: if there was no connection in time.  The client is stopped then.
        KatcpClientError
            In the future: if the client was stopped while it waited for a connection.

        Notes
        -----
        If the client was given a loop that is not the current one of this thread, all of this happens when
        that loop runs, in its thread.
        """
        ioloop = self._ioloop_set_to
        if ioloop is None or compat.current_ioloop() is ioloop:
            return self._connect_here(timeout)
        connected = compat.ThreadsafeFuture()
        ioloop.add_callback(self._connect_for, connected, timeout)
        return connected

    start = connect

    def _connect_for(self, connected, timeout):
        compat.add_loop_callback(self._ioloop_set_to, self._connect_here(timeout),
                                 lambda future: compat.copy_outcome(future, connected))

    def _connect_here(self, timeout):
        if self._running or (self._connecting is not None and not self._connecting.done()):
            return compat.done_future(exception=AssertionError("The client is running already"))
        self._connecting = self._connect(timeout)
        return self._connecting

    @coroutine
    def _connect(self, timeout):
        self.ioloop = self._ioloop_set_to or IOLoop.current()
        maybe_timeout = future_timeout_manager(timeout, self.ioloop)
        self.katcp_client.start()
        self._stopped = False
        # Another one than that of the last run, which may not have come to its end yet.
        stop = self._stop_requested = AsyncEvent(self._ioloop_set_to)
        try:
            # Not in another coroutine, which would take longer: the state callback is to hear that the client
            # is not connected before it is.
            yield until_any(maybe_timeout(self.katcp_client.until_running()), stop.until_set())
        except Exception as error:
            self._logger.error(record_text("Failed to start katcp_client: %s", lossy_str(error)))
            self.katcp_client.stop()
            raise
        if timeout:
            yield self._until_tcp_connected(maybe_timeout, stop)
        if not stop.is_set():
            self._running = True
            self._state_loop_future = self._state_loop()

    @coroutine
    def _until_tcp_connected(self, maybe_timeout, stop):
        try:
            yield until_any(maybe_timeout(self.katcp_client.until_connected()), stop.until_set())
        except Exception:
            exc_info = sys.exc_info()
            # So that the caller can try again.
            self.katcp_client.stop()
            yield self.katcp_client.until_stopped()
            compat.reraise(exc_info)
        if stop.is_set():
            raise KatcpClientError("The client was stopped before it was connected to {}".format(
                self.bind_address_string))

    def stop(self, timeout=None):
        """Stop the client: disconnect, and leave nothing behind that runs or waits.

        Returns at once; see `until_stopped`.  Requests without a reply get one that says so.  Afterwards the
        client may be connected again.  Does nothing if it was never started.

        Parameters
        ----------
        timeout : float, optional
            As of the low-level client.
        """
        self._running = False
        if self._stopped or compat.running_ioloop() is self.ioloop or compat.ioloop_is_closed(self.ioloop):
            self._stop_state_loop(self._stop_requested)
        else:
            self.ioloop.add_callback(self._stop_state_loop, self._stop_requested)
        self.katcp_client.stop(timeout)

    def _stop_state_loop(self, stop):
        stop.set()
        self._drop_waiting_updates()

    def close(self):
        """Stop the client; the same as `stop`."""
        self.stop()

    def join(self, timeout=None):
        """Return at once: the client never has a thread of its own.

        Parameters
        ----------
        timeout : float, optional
        """
        self.katcp_client.join(timeout)

    def until_connected(self, timeout=None):
        """Wait for a connection, and for what the device says about the protocol that it speaks.

        May be called before the start.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None and 0 mean for ever.

        Returns
        -------
        future
            Resolves with None; fails with ``tornado.gen.TimeoutError`` when the time is up.
        """
        return self.katcp_client.until_protocol(timeout)

    def until_stopped(self, timeout=None):
        """Wait until the client has stopped, after a `stop`; for the thread of the loop.

        The last state callback has finished by then.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None and 0 mean for ever.

        Returns
        -------
        future
            Resolves with True; fails with ``tornado.gen.TimeoutError`` when the time is up.

        Raises
        ------
        AssertionError
            In another thread, or before the first start.
        """
        stopped = self.katcp_client.until_stopped(timeout)
        if self._stopped:
            return stopped
        return self._until_all_stopped(stopped, timeout)

    @coroutine
    def _until_all_stopped(self, stopped, timeout):
        maybe_timeout = future_timeout_manager(timeout, self.ioloop)
        yield stopped
        # A client that was stopped at once has not begun to run when it is asked for the first time.
        yield maybe_timeout(self._until_finished(self._connecting))
        yield maybe_timeout(self.katcp_client.until_stopped())
        if compat.is_future(self._state_loop_future):
            yield maybe_timeout(self._until_finished(self._state_loop_future))
        # The low-level client's stop itself ends a little later.  Nothing is to hold on to a client that has
        # stopped.
        for _ in range(STOP_ITERATIONS):
            yield gen.moment
        self._stopped = not self._running
        raise gen.Return(True)
