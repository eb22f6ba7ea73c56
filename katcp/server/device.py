"""The device servers that people subclass: sensors, clients, life cycle, and the standard requests."""

from __future__ import absolute_import, division, print_function

import collections
import functools
import re
import sys

from katcp import compat
from katcp.compat import ThreadsafeFuture, done_future, failed_future, is_future
from katcp.log_records import record_text
from katcp.message import Message
from katcp.protocol import VERSION_CONNECT_KATCP_MAJOR
from katcp.server.device_log import DeviceLogger
from katcp.server.dispatch import DeviceServerBase
from katcp.server.handler_thread import MessageBatch
from katcp.server.requests import StandardRequests, library_version
from katcp.server.sampling_requests import SamplingRequests

# Section 7 of the specification.
_GOOD_SENSOR_NAME_RE = re.compile(r"[a-zA-Z0-9._\-]+\Z")

_NOT_RUNNING = "The server is not running, so there is no ioloop to do this"


class DeviceServer(StandardRequests, SamplingRequests, DeviceServerBase):
    """Server of a device: what :class:`DeviceServerBase` does, plus sensors and the standard requests.

    Subclasses define :meth:`setup_sensors`, requests of their own as ``request_*`` methods, and who
    they are: `VERSION_INFO`, `BUILD_INFO`, and `PROTOCOL_INFO` for the dialect they speak.

    Parameters
    ----------
    host : str
        Name or address to listen on; ``""`` for all interfaces.
    port : int
        Port to listen on; 0 for any free one, see `bind_address`.
    tb_limit : int, optional
        Number of stack frames in the tracebacks that clients get to see.
    logger : logging.Logger, optional
        Where to log. ``?log-level`` sets its level.

    Attributes
    ----------
    VERSION_INFO : tuple
        API implemented by the device: name (str), major and minor version (int).
    BUILD_INFO : tuple
        Software of the device: name (str), major and minor version (int), tag (str).
    SUPPORTED_PROTOCOL_MAJOR_VERSIONS : tuple of int
    INFORM_CLIENT_CONNECTED : bool
        Whether to tell the other clients, with ``#client-connected`` and its address, when one has connected
        (guidelines, section 8.2); False by default.
    log : DeviceLogger
        Log that goes to all clients.
    extra_versions : dict
        What ``?version-list`` tells besides the standard versions; to be edited by the user. Name of
        a component -> (version, build state or serial number or None).

    Raises
    ------
    ValueError
        If `PROTOCOL_INFO` has an unsupported major version.

    Examples
    --------
    >>> from katcp import DeviceServer, Sensor
    >>> from katcp.kattypes import Float, request, return_reply
    >>> class Adder(DeviceServer):
    ...     VERSION_INFO = ("adder-api", 1, 0)
    ...     BUILD_INFO = ("adder", 1, 0, "")
    ...
    ...     def setup_sensors(self):
    ...         self.result = Sensor.float("add.result", "Last ?add result.")
    ...         self.add_sensor(self.result)
    ...
    ...     @request(Float(), Float())
    ...     @return_reply(Float())
    ...     def request_add(self, req, x, y):
    ...         "Add two numbers."
    ...         self.result.set_value(x + y)
    ...         return ("ok", x + y)
    ...
    >>> server = Adder("localhost", 0)
    >>> server.start(timeout=1)
    >>> future = server.stop()
    >>> server.join(timeout=5)
    """

    VERSION_INFO = ("device_stub", 0, 1)

    BUILD_INFO = ("name", 0, 1, "")

    SUPPORTED_PROTOCOL_MAJOR_VERSIONS = (4, 5)

    INFORM_CLIENT_CONNECTED = False

    # Not used, the handlers themselves are marked with what they need; some people look at it.
    UNSUPPORTED_REQUESTS_BY_MAJOR_VERSION = {
        4: set(["version-list"]),
    }

    # Some people take the plain function out of this very class' __dict__.
    request_help = StandardRequests.__dict__["request_help"]

    def __init__(self, *args, **kwargs):
        if self.PROTOCOL_INFO.major not in self.SUPPORTED_PROTOCOL_MAJOR_VERSIONS:
            raise ValueError(
                "Device server only supports katcp procotol versions %r, not %r as specified in "
                "self.PROTOCOL_INFO" % (self.SUPPORTED_PROTOCOL_MAJOR_VERSIONS, self.PROTOCOL_INFO.major))
        super(DeviceServer, self).__init__(*args, **kwargs)
        self.log = DeviceLogger(self, python_logger=self._logger)
        self.extra_versions = {}
        self._restart_queue = None
        # Name -> sensor; changed in any thread.
        self._sensors = {}
        # Name -> (what there was to tell about the sensor, the same as message arguments).
        self._sensor_descriptions = {}
        # The connected clients; changed in the loop's thread.
        self._client_conns = set()
        # Client connection -> {sensor: strategy}; used in the loop's thread only.
        self._strategies = {}
        # Sensor -> SensorReports; used in the loop's thread only.
        self._sensor_reports = {}
        self.setup_sensors()

    # --- versions ------------------------------------------------------------------------------------

    def version(self):
        """Return the version of the device's API, ``"<name>-<major>.<minor>"`` (str)."""
        return "%s-%s.%s" % tuple(self.VERSION_INFO)

    def build_state(self):
        """Return the version of the device's software, ``"<name>-<major>.<minor><tag>"`` (str)."""
        return "%s-%s.%s%s" % tuple(self.BUILD_INFO)

    # --- sensors -------------------------------------------------------------------------------------

    def setup_sensors(self):
        """Create and add the device's sensors; called by the constructor, to be overridden.

        Raises
        ------
        NotImplementedError
            Unless it is overridden.
        """
        raise NotImplementedError("Device server subclasses must implement setup_sensors.")

    def add_sensor(self, sensor):
        """Add a sensor to the device.

        May be called at any time in any thread. Clients are not told; a running server does that with
        ``server.mass_inform(Message.inform("interface-changed"))``.

        Parameters
        ----------
        sensor : Sensor
            The sensor. It takes the place of another one of the same name: clients that sample that
            one go on with this one. A name that has other characters than ``a-z A-Z 0-9 . - _`` is logged
            as a warning, since clients may not be able to use it.
        """
        if not _GOOD_SENSOR_NAME_RE.match(sensor.name):
            self._logger.warning(record_text(
                "Sensor name %r has other characters than a-z A-Z 0-9 . - _", sensor.name))
        replaced = self._sensors.get(sensor.name)
        self._sensors[sensor.name] = sensor
        if replaced is not None and replaced is not sensor:
            self._call_in_ioloop(self._move_sampling, replaced, sensor)

    def remove_sensor(self, sensor):
        """Remove a sensor from the device, and cancel what clients have set up to sample it.

        May be called at any time in any thread. The sensor is removed at once; sampling ends in the
        loop's thread.

        Parameters
        ----------
        sensor : Sensor or str
            The sensor, or its name.

        Raises
        ------
        KeyError
            If the device has no sensor of that name.
        """
        name = compat.ensure_native_str(sensor) if isinstance(sensor, compat.string_types) else sensor.name
        removed = self._sensors.pop(name)
        self._sensor_descriptions.pop(name, None)
        self._call_in_ioloop(self._drop_sampling, removed)

    def has_sensor(self, sensor_name):
        """Return whether the device has a sensor of that name (str)."""
        return sensor_name in self._sensors

    def get_sensor(self, sensor_name):
        """Return the sensor of that name.

        Parameters
        ----------
        sensor_name : str

        Returns
        -------
        Sensor

        Raises
        ------
        ValueError
            If there is none.
        """
        sensor = self._sensors.get(sensor_name)
        if sensor is None:
            raise ValueError("Unknown sensor '%s'." % (sensor_name,))
        return sensor

    def get_sensors(self):
        """Return a list of the device's sensors, in no particular order."""
        return list(self._sensors.values())

    # --- clients -------------------------------------------------------------------------------------

    def on_client_connect(self, client_conn):
        """Greet a client; called in the loop's thread when it has connected.

        Overrides should call this, and may be coroutines. Nothing that the client sends is read until
        they are done.

        Parameters
        ----------
        client_conn : ClientConnection
            The client's connection.

        Returns
        -------
        future
            Resolves when the client may begin; here, is resolved.
        """
        self._assert_in_ioloop_thread()
        # While an override was waiting, the client may have gone, in which case nobody would remove it
        # again.  (Stand-ins for connections need not know.)
        if client_conn.client_disconnect_called is True:
            return done_future()
        self._client_conns.add(client_conn)
        self._strategies[client_conn] = {}
        for inform in self._greeting():
            client_conn.inform(inform)
        if self.INFORM_CLIENT_CONNECTED:
            inform = Message.inform("client-connected", client_conn.address)
            for other in self._client_conns.copy():
                if other is not client_conn:
                    other.inform(inform)
        return done_future()

    def _greeting(self):
        """Return the informs that a new client gets (guidelines, section 4.2)."""
        if self.PROTOCOL_INFO.major < VERSION_CONNECT_KATCP_MAJOR:
            return [Message.inform("version", self.version()),
                    Message.inform("build-state", self.build_state())]
        name = "version-connect"
        return [Message.inform(name, "katcp-protocol", self.PROTOCOL_INFO),
                Message.inform(name, "katcp-library", *library_version()),
                Message.inform(name, "katcp-device", self.version(), self.build_state())]

    def on_client_disconnect(self, client_conn, msg, connection_valid):
        """Take leave of a client; called in the loop's thread when it is disconnected or has gone.

        Overrides should call this, and may be coroutines; but the client is waited for only for a
        second.

        Parameters
        ----------
        client_conn : ClientConnection
            The client's connection.
        msg : str
            Why it is disconnected.
        connection_valid : bool
            Whether the client can still be told.

        Returns
        -------
        future
            Resolves when the client has been told.
        """
        self._client_conns.discard(client_conn)
        if self._server.in_ioloop_thread():
            try:
                return self._part_from_client(client_conn, msg, connection_valid)
            except Exception:
                return failed_future(sys.exc_info())
        return self._submit(self._part_from_client, client_conn, msg, connection_valid)

    def _part_from_client(self, client_conn, msg, connection_valid):
        self.clear_strategies(client_conn, remove_client=True)
        if connection_valid:
            client_conn.inform(Message.inform("disconnect", msg))
            flushed = client_conn.flush_on_close()
            if is_future(flushed):
                return flushed
        return done_future()

    # --- life cycle ----------------------------------------------------------------------------------

    def set_restart_queue(self, restart_queue):
        """Set the queue into which ``?restart`` puts the server.

        Parameters
        ----------
        restart_queue : Queue.Queue or None
            Or another object with `put_nowait`. Whoever reads the queue stops, joins and starts the
            server again. None for no support of restarts.
        """
        self._restart_queue = restart_queue

    # --- the loop's thread -----------------------------------------------------------------------------

    def _assert_in_ioloop_thread(self):
        # No assert statement, which -O would drop.
        if not self._server.in_ioloop_thread():
            raise AssertionError("To be called in the thread of the server's ioloop only")

    def _call_in_ioloop(self, fn, *args):
        """Have ``fn(*args)`` called in the loop's thread: now, if this is it.

        Returns
        -------
        bool
            False if there is no loop to do it, since the server was never started, or has stopped.
        """
        if self._server.in_ioloop_thread():
            fn(*args)
            return True
        if self._server.call_in_order(fn, *args):
            return True
        return self.ioloop is not None and compat.add_callback_if_open(self.ioloop, fn, *args)

    def _submit(self, fn, *args):
        """Have ``fn(*args)`` called in the loop's thread: now, if this is it.

        Returns
        -------
        concurrent.futures.Future
            Gets what `fn` returns or raises; if that is a future, what becomes of it.

        Raises
        ------
        RuntimeError
            If there is no loop to do it.
        """
        future = ThreadsafeFuture()
        if not self._call_in_ioloop(_run_into, future, fn, args):
            raise RuntimeError(_NOT_RUNNING)
        return future

    def _call_after_reply(self, fn):
        """Have ``fn()`` called in the loop's thread, after the handler that runs now has been replied for.

        What a handler sends or returns in a future is on its way when the handler has returned, in the
        queue of the server or that of the loop.

        Raises
        ------
        RuntimeError
            If there is no loop to do it.
        """
        if self.ioloop is None:
            raise RuntimeError(_NOT_RUNNING)
        # Queued twice, to get behind what gets into the queue once.
        call_soon = functools.partial(self.ioloop.add_callback, fn)
        handler_thread = self._handler_thread
        if handler_thread is None or self._server.in_ioloop_thread():
            self.ioloop.add_callback(call_soon)
        else:
            # An empty batch waits for its turn, which comes when the handler has returned.
            handler_thread.handle_batch(MessageBatch(
                None, collections.deque(), None, functools.partial(self._call_in_ioloop, call_soon)))


def _run_into(future, fn, args):
    try:
        outcome = fn(*args)
    except Exception:
        compat.fail(future, sys.exc_info())
    else:
        if is_future(outcome):
            outcome.add_done_callback(functools.partial(compat.copy_outcome, target=future))
        else:
            compat.resolve(future, outcome)
    finally:
        # The traceback refers to this frame, and would keep the future alive that holds it.
        del future


class AsyncDeviceServer(DeviceServer):
    """Device server that runs entirely in an ioloop of yours: the one that is current where it is started.

    Handlers run in the loop's thread and must not block. Nothing of the server but sensors may be
    touched in other threads; use ``server.ioloop.add_callback`` there.

    Parameters are those of :class:`DeviceServer`. `set_ioloop` may be called to choose the loop. Otherwise
    each `start` does: if the loop that was current where the server was made is running, it is that, in
    whatever thread `start` is called; if not, it is the current loop of the calling thread.

    Examples
    --------
    With a subclass ``Device``::

        ioloop = tornado.ioloop.IOLoop.current()
        server = Device("localhost", 5000)
        ioloop.add_callback(server.start)
        ioloop.start()
    """

    def __init__(self, *args, **kwargs):
        super(AsyncDeviceServer, self).__init__(*args, **kwargs)
        self.set_concurrency_options(thread_safe=False, handler_thread=False)
        self.set_ioloop()
        # `start` may be called in a thread without a loop, while that of this one is running.
        self._server.note_current_ioloop()
