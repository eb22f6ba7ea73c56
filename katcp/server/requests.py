"""The standard requests, except those about sampling.

What each does is told by its docstring, which is also what ``?help`` sends.
"""

from __future__ import absolute_import, division, print_function

import functools
import re

import katcp
from katcp.compat import ThreadsafeFuture, done_future, ensure_native_str, lossy_str
from katcp.errors import FailReply
from katcp.kattypes import Int, Str, has_katcp_protocol_flags, minimum_katcp_version, request, return_reply
from katcp.message import Message
from katcp.protocol import ProtocolFlags
from katcp.server.answers import InformBatch
from katcp.server.dispatch import construct_name_filter

# What compiling a regular expression from the network may raise: besides re.error, patterns that are
# nested too deeply (RuntimeError), and numbers that are too large (OverflowError).
_PATTERN_ERRORS = (re.error, RuntimeError, OverflowError, ValueError)

# What ?help shows for a handler without docstring; with -OO no handler has one.
_NO_DESCRIPTION = "" if __doc__ is None else "None"


def sensor_name_of(argument):
    """Return the sensor name in a request's argument.

    Parameters
    ----------
    argument : bytes

    Returns
    -------
    str or None
        None if the bytes cannot be a name, not being UTF-8 (Python 3).
    """
    try:
        return ensure_native_str(argument)
    except UnicodeDecodeError:
        return None


class StandardRequests(object):
    """Mixin for device servers: the standard requests of the guidelines' sections 4 to 8."""

    # --- about the device --------------------------------------------------------------------------

    def request_help(self, req, msg):
        """Return help on the available requests.

        Return a description of the available requests using a sequence of
        #help informs.

        Parameters
        ----------
        request : str, optional
            The name of the request to return help for (the default is to
            return help for all requests).

        Informs
        -------
        request : str
            The name of a request.
        description : str
            Documentation for the named request.

        Returns
        -------
        success : {'ok', 'fail'}
            Whether sending the help succeeded.
        informs : int
            Number of #help inform messages sent.

        Examples
        --------
        ::

            ?help
            #help halt ...description...
            #help help ...description...
            ...
            !help ok 5

            ?help halt
            #help halt ...description...
            !help ok 1

        """
        # Uses nothing of the server but its handler table: other classes borrow this very function.
        batch = InformBatch(req)
        if not msg.arguments:
            # A copy, since handlers may come and go in other threads.
            handlers = sorted(dict(self._request_handlers).items())
            for name, handler in handlers:
                description = _NO_DESCRIPTION if handler.__doc__ is None else handler.__doc__
                batch.add(name, description)
            batch.send()
            return req.make_reply("ok", len(handlers))
        name = lossy_str(msg.arguments[0])
        handler = self._request_handlers.get(name)
        if handler is None:
            raise FailReply("Unknown request method.")
        description = _NO_DESCRIPTION if handler.__doc__ is None else handler.__doc__.strip()
        batch.add(name, description)
        batch.send()
        return req.make_reply("ok", 1)

    def request_watchdog(self, req, msg):
        """Check that the server is still alive.

        Returns
        -------
        success : {'ok'}

        Examples
        --------
        ::

            ?watchdog
            !watchdog ok

        """
        return req.make_reply("ok")

    def request_version_list(self, req, msg):
        """Request the list of versions of roles and subcomponents.

        Informs
        -------
        name : str
            Name of the role or component.
        version : str
            A string identifying the version of the component. Individual
            components may define the structure of this argument as they
            choose. In the absence of other information clients should treat
            it as an opaque string.
        build_state_or_serial_number : str
            A unique identifier for a particular instance of a component.
            This should change whenever the component is replaced or updated.

        Returns
        -------
        success : {'ok', 'fail'}
            Whether sending the version list succeeded.
        informs : int
            Number of #version-list inform messages sent.

        Examples
        --------
        ::

            ?version-list
            #version-list katcp-protocol 5.0-MI
            #version-list katcp-library katcp-python-0.4 katcp-python-0.4.1-py2
            #version-list katcp-device foodevice-1.0 foodevice-1.0.0rc1
            !version-list ok 3

        """
        library_version = katcp.__version__
        versions = [
            ("katcp-protocol", (self.PROTOCOL_INFO, None)),
            ("katcp-library", ("katcp-python-%s" % library_version, library_version)),
            ("katcp-device", (self.version(), self.build_state())),
        ]
        versions.extend(sorted(dict(self.extra_versions).items(), key=_name_of_item))
        for name, (version, build_state) in versions:
            if build_state is None:
                req.inform(name, version)
            else:
                req.inform(name, version, build_state)
        return req.make_reply("ok", len(versions))

    request_version_list = minimum_katcp_version(5, 0)(request_version_list)

    @has_katcp_protocol_flags([ProtocolFlags.REQUEST_TIMEOUT_HINTS])
    @request(Str(optional=True))
    @return_reply(Int())
    def request_request_timeout_hint(self, req, request):
        """Return timeout hints for requests.

        KATCP requests should generally take less than 5s to complete, but some
        requests are unavoidably slow. This results in spurious client timeout
        errors. This request provides timeout hints that clients can use to
        select suitable request timeouts.

        Parameters
        ----------
        request : str, optional
            The name of the request to return a timeout hint for (the default is
            to return hints for all requests that have timeout hints). Returns
            one inform per request. Must be an existing request if specified.

        Informs
        -------
        request : str
            The name of the request.
        suggested_timeout : float
            Suggested request timeout in seconds for the request. If
            suggested_timeout is zero (0), no timeout hint is available.

        Returns
        -------
        success : {'ok', 'fail'}
            Whether sending the timeout hints succeeded.
        informs : int
            Number of #request-timeout-hint inform messages sent.

        Examples
        --------
        ::

            ?request-timeout-hint
            #request-timeout-hint halt 5
            #request-timeout-hint very-slow-request 500
            ...
            !request-timeout-hint ok 5

            ?request-timeout-hint moderately-slow-request
            #request-timeout-hint moderately-slow-request 20
            !request-timeout-hint ok 1

        Notes
        -----
        ?request-timeout-hint without a parameter will only return informs for
        requests that have specific timeout hints, so it will most probably be a
        subset of all the requests, or even no informs at all.

        """
        if request:
            handler = self._request_handlers.get(request)
            if handler is None:
                raise FailReply("Unknown request method")
            hints = [(request, _timeout_hint(handler))]
        else:
            hints = []
            for name, handler in sorted(dict(self._request_handlers).items(), key=_name_of_item):
                hint = _timeout_hint(handler)
                if hint:
                    hints.append((name, hint))
        for name, hint in hints:
            req.inform(name, hint)
        return ("ok", len(hints))

    # --- life and death ----------------------------------------------------------------------------

    def request_halt(self, req, msg):
        """Halt the device server.

        Returns
        -------
        success : {'ok', 'fail'}
            Whether scheduling the halt succeeded.

        Examples
        --------
        ::

            ?halt
            !halt ok

        """
        self._call_after_reply(functools.partial(self.stop, timeout=None))
        future = ThreadsafeFuture()
        future.set_result(req.make_reply("ok"))
        return future

    def request_restart(self, req, msg):
        """Restart the device server.

        Returns
        -------
        success : {'ok', 'fail'}
            Whether scheduling the restart succeeded.

        Examples
        --------
        ::

            ?restart
            !restart ok

        """
        if self._restart_queue is None:
            raise FailReply("No restart queue registered -- cannot restart.")
        # Whoever sees the reply finds the server in the queue.
        self._restart_queue.put_nowait(self)
        return done_future(req.make_reply("ok"))

    # --- log -----------------------------------------------------------------------------------------

    def request_log_level(self, req, msg):
        """Query or set the current logging level.

        Parameters
        ----------
        level : {'all', 'trace', 'debug', 'info', 'warn', 'error', 'fatal', \
                 'off'}, optional
            Name of the logging level to set the device server to (the default
            is to leave the log level unchanged).

        Returns
        -------
        success : {'ok', 'fail'}
            Whether the request succeeded.
        level : {'all', 'trace', 'debug', 'info', 'warn', 'error', 'fatal', \
                 'off'}
            The log level after processing the request.

        Examples
        --------
        ::

            ?log-level
            !log-level ok warn

            ?log-level info
            !log-level ok info

        """
        if msg.arguments:
            try:
                self.log.set_log_level_by_name(msg.arguments[0])
            except ValueError as exc:
                raise FailReply(str(exc))
        return req.make_reply("ok", self.log.level_name())

    # --- clients -------------------------------------------------------------------------------------

    def request_client_list(self, req, msg):
        """Request the list of connected clients.

        The list of clients is sent as a sequence of #client-list informs.

        Informs
        -------
        addr : str
            The address of the client as host:port with host in dotted quad
            notation. If the address of the client could not be determined
            (because, for example, the client disconnected suddenly) then
            a unique string representing the client is sent instead.

        Returns
        -------
        success : {'ok', 'fail'}
            Whether sending the client list succeeded.
        informs : int
            Number of #client-list inform messages sent.

        Examples
        --------
        ::

            ?client-list
            #client-list 127.0.0.1:53600
            !client-list ok 1

        """
        # A copy, since the loop thread changes the set.
        clients = self._client_conns.copy()
        for client_conn in clients:
            req.inform(client_conn.address)
        return req.make_reply("ok", len(clients))

    # --- sensors -------------------------------------------------------------------------------------

    def request_sensor_list(self, req, msg):
        """Request the list of sensors.

        The list of sensors is sent as a sequence of #sensor-list informs.

        Parameters
        ----------
        name : str, optional
            Name of the sensor to list (the default is to list all sensors).
            If name starts and ends with '/' it is treated as a regular
            expression and all sensors whose names contain the regular
            expression are returned.

        Informs
        -------
        name : str
            The name of the sensor being described.
        description : str
            Description of the named sensor.
        units : str
            Units for the value of the named sensor.
        type : str
            Type of the named sensor.
        params : list of str, optional
            Additional sensor parameters (type dependent). For integer and
            float sensors the additional parameters are the minimum and maximum
            sensor value. For discrete sensors the additional parameters are
            the allowed values. For all other types no additional parameters
            are sent.

        Returns
        -------
        success : {'ok', 'fail'}
            Whether sending the sensor list succeeded.
        informs : int
            Number of #sensor-list inform messages sent.

        Examples
        --------
        ::

            ?sensor-list
            #sensor-list psu.voltage PSU\\_voltage. V float 0.0 5.0
            #sensor-list cpu.status CPU\\_status. \\@ discrete on off error
            ...
            !sensor-list ok 5

            ?sensor-list cpu.power.on
            #sensor-list cpu.power.on Whether\\_CPU\\_has\\_power. \\@ boolean
            !sensor-list ok 1

            ?sensor-list /voltage/
            #sensor-list psu.voltage PSU\\_voltage. V float 0.0 5.0
            #sensor-list cpu.voltage CPU\\_voltage. V float 0.0 3.0
            !sensor-list ok 2

        """
        sensors = self._selected_sensors(msg)
        self._send_sensor_value_informs(req, sensors)
        return req.make_reply("ok", len(sensors))

    def _send_sensor_value_informs(self, req, sensors):
        """Send the informs of ``?sensor-list``.

        Parameters
        ----------
        req : ClientRequestConnection
        sensors : list of (str, Sensor)
            Names and sensors, in the order in which to send them.
        """
        batch = InformBatch(req)
        descriptions = self._sensor_descriptions
        for name, sensor in sensors:
            fields = (name, sensor.description, sensor.units, sensor.stype) + tuple(sensor.formatted_params)
            # Descriptions hardly ever change, but nothing forbids it: compare before reuse.
            description = descriptions.get(name)
            if description is None or description[0] != fields:
                description = descriptions[name] = (fields, Message.inform("sensor-list", *fields).arguments)
            batch.add(*description[1])
        batch.send()

    def request_sensor_value(self, req, msg):
        """Request the value of a sensor or sensors.

        A list of sensor values as a sequence of #sensor-value informs.

        Parameters
        ----------
        name : str, optional
            Name of the sensor to poll (the default is to send values for all
            sensors). If name starts and ends with '/' it is treated as a
            regular expression and all sensors whose names contain the regular
            expression are returned.

        Informs
        -------
        timestamp : float
            Timestamp of the sensor reading in seconds since the Unix
            epoch, or milliseconds for katcp versions <= 4.
        count : {1}
            Number of sensors described in this #sensor-value inform. Will
            always be one. It exists to keep this inform compatible with
            #sensor-status.
        name : str
            Name of the sensor whose value is being reported.
        status : {'unknown', 'nominal', 'warn', 'error', 'failure', \
                  'unreachable', 'inactive'}
            Status of the sensor.
        value : object
            Value of the named sensor. Type depends on the type of the sensor.

        Returns
        -------
        success : {'ok', 'fail'}
            Whether sending the list of values succeeded.
        informs : int
            Number of #sensor-value inform messages sent.

        Examples
        --------
        ::

            ?sensor-value
            #sensor-value 1244631611.415231 1 psu.voltage nominal 4.5
            #sensor-value 1244631611.415200 1 cpu.status nominal off
            ...
            !sensor-value ok 5

            ?sensor-value cpu.power.on
            #sensor-value 1244631611.415231 1 cpu.power.on nominal 0
            !sensor-value ok 1

        """
        sensors = self._selected_sensors(msg)
        major = self.PROTOCOL_INFO.major
        batch = InformBatch(req)
        for name, sensor in sensors:
            timestamp, status, value = sensor.read_formatted(major)
            batch.add(timestamp, b"1", name, status, value)
        batch.send()
        return req.make_reply("ok", len(sensors))

    def _selected_sensors(self, msg):
        """Return the sensors that ``?sensor-list`` or ``?sensor-value`` asks for.

        Returns
        -------
        list of (str, Sensor)
            Sorted by name.

        Raises
        ------
        FailReply
        """
        # Copies, since other threads add and remove sensors.
        if not msg.arguments:
            return sorted(self._sensors.copy().items(), key=_name_of_item)
        pattern = sensor_name_of(msg.arguments[0])
        if pattern is None:
            raise FailReply("Unknown sensor name.")
        try:
            exact, is_selected = construct_name_filter(pattern)
        except _PATTERN_ERRORS as exc:
            raise FailReply("Invalid regular expression %r: %s." % (pattern[1:-1], exc))
        if exact:
            sensor = self._sensors.get(pattern)
            if sensor is None:
                raise FailReply("Unknown sensor name.")
            return [(pattern, sensor)]
        return sorted([item for item in self._sensors.copy().items() if is_selected(item[0])],
                      key=_name_of_item)


def _name_of_item(item):
    return item[0]


def _timeout_hint(handler):
    return float(getattr(handler, "request_timeout_hint", None) or 0.0)
