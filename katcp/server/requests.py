"""The standard requests, except those about sampling.

What each does is told by its docstring, which is also what ``?help`` sends.
"""

from __future__ import absolute_import, division, print_function

import re
import sys

import katcp
from katcp.compat import (
    ThreadsafeFuture, as_future, done_future, ensure_native_str, is_awaitable, lossy_str)
from katcp.errors import FailReply
from katcp.kattypes import Int, Str, has_katcp_protocol_flags, minimum_katcp_version, request, return_reply
from katcp.log_records import record_text
from katcp.message import Message
from katcp.protocol import ProtocolFlags
from katcp.server.answers import InformBatch
from katcp.server.dispatch import construct_name_filter
from katcp.unreadable_sensors import format_in_place, log_unreadable
from katcp.waiting import log_future_exceptions

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


def library_version():
    """Return what devices tell of this library: version and build state (both str)."""
    return "katcp-python-%s" % katcp.__version__, katcp.__version__


class StandardRequests(object):
    """Mixin for device servers: the standard requests of the guidelines' sections 4 to 8."""

    # --- about the device --------------------------------------------------------------------------

    def request_help(self, req, msg):
        """Describe what the device can be asked for.

        Parameters
        ----------
        request : str, optional
            The request to describe; without it, all are described.

        Informs
        -------
        request : str
            Name of a request. The informs are sorted by it.
        description : str
            What the request does, what it takes, and what it answers.

        Returns
        -------
        ok : int
            Number of informs.

        Examples
        --------
        ::

            ?help watchdog
            #help watchdog Answer,\\_to\\_show...
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
            # Returned, not raised: that would be logged as an error.
            return req.make_reply("fail", "Unknown request method.")
        description = _NO_DESCRIPTION if handler.__doc__ is None else handler.__doc__.strip()
        batch.add(name, description)
        batch.send()
        return req.make_reply("ok", 1)

    def request_watchdog(self, req, msg):
        """Answer, to show that the device is alive.

        Returns
        -------
        ok

        Examples
        --------
        ::

            ?watchdog
            !watchdog ok
        """
        return req.make_reply("ok")

    @minimum_katcp_version(5, 0)
    def request_version_list(self, req, msg):
        """Tell the versions of the device, its parts, and the protocol.

        The informs include all that a client gets as #version-connect when it connects.

        Informs
        -------
        name : str
            What it is the version of: katcp-protocol, katcp-library, katcp-device, or a part of
            this particular device.
        version : str
            The version.
        build : str, optional
            Build state or serial number; another one means that the part was replaced or updated.

        Returns
        -------
        ok : int
            Number of informs.

        Examples
        --------
        ::

            ?version-list
            #version-list katcp-protocol 5.0-IM
            #version-list katcp-library katcp-python-1.2.3 1.2.3
            #version-list katcp-device receiver-api-1.0 receiver-2.5rc1
            !version-list ok 3
        """
        versions = [
            ("katcp-protocol", (self.PROTOCOL_INFO, None)),
            ("katcp-library", library_version()),
            ("katcp-device", (self.version(), self.build_state())),
        ]
        versions.extend(sorted(dict(self.extra_versions).items(), key=_name_of_item))
        for name, (version, build_state) in versions:
            if build_state is None:
                req.inform(name, version)
            else:
                req.inform(name, version, build_state)
        return req.make_reply("ok", len(versions))

    @has_katcp_protocol_flags([ProtocolFlags.REQUEST_TIMEOUT_HINTS])
    @request(Str(optional=True))
    @return_reply(Int())
    def request_request_timeout_hint(self, req, request):
        """Tell how long to wait for the replies to slow requests.

        Parameters
        ----------
        request : str, optional
            The request to tell about; without it, all that have a hint are listed.

        Informs
        -------
        request : str
            Name of a request. The informs are sorted by it.
        hint : float
            How many seconds a client should wait for the reply; 0 if there is no suggestion.

        Returns
        -------
        ok : int
            Number of informs.

        Examples
        --------
        ::

            ?request-timeout-hint
            #request-timeout-hint point-antenna 300.0
            !request-timeout-hint ok 1

            ?request-timeout-hint watchdog
            #request-timeout-hint watchdog 0.0
            !request-timeout-hint ok 1
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
        """Stop the device server.

        The reply comes first; then all clients are disconnected.

        Returns
        -------
        ok

        Examples
        --------
        ::

            ?halt
            !halt ok
            #disconnect Device\\_server\\_shutting\\_down.
        """
        self._call_after_reply(self._halt)
        future = ThreadsafeFuture()
        future.set_result(req.make_reply("ok"))
        return future

    def _halt(self):
        # The loop gets no future: it would want to hear of its end, when it is closed.
        stopped = self.stop(timeout=None)
        if is_awaitable(stopped):
            log_future_exceptions(self._logger, as_future(stopped))

    def request_restart(self, req, msg):
        """Have the device server started anew.

        The server only asks for it; whoever runs the server does it. If nobody is prepared to,
        the request fails.

        Returns
        -------
        ok

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
        """Tell or set the level from which on #log informs are sent.

        There is one level for all clients.

        Parameters
        ----------
        level : {all, trace, debug, info, warn, error, fatal, off}, optional
            The new level; without it, the level stays as it is.

        Returns
        -------
        ok : {all, trace, debug, info, warn, error, fatal, off}
            The level, now.

        Examples
        --------
        ::

            ?log-level debug
            !log-level ok debug

            ?log-level
            !log-level ok debug
        """
        if msg.arguments:
            try:
                self.log.set_log_level_by_name(msg.arguments[0])
            except ValueError as exc:
                raise FailReply(str(exc))
        return req.make_reply("ok", self.log.level_name())

    # --- clients -------------------------------------------------------------------------------------

    def request_client_list(self, req, msg):
        """List the connected clients.

        Informs
        -------
        address : str
            Where a client connected from, as host:port.

        Returns
        -------
        ok : int
            Number of informs.

        Examples
        --------
        ::

            ?client-list
            #client-list 10.0.0.17:40312
            !client-list ok 1
        """
        # A copy, since the loop thread changes the set.
        clients = self._client_conns.copy()
        batch = InformBatch(req)
        for client_conn in clients:
            batch.add(client_conn.address)
        batch.send()
        return req.make_reply("ok", len(clients))

    # --- sensors -------------------------------------------------------------------------------------

    def request_sensor_list(self, req, msg):
        """List the sensors, with what there is to know about them.

        Parameters
        ----------
        name : str, optional
            The sensor to list; without it, all are. Between two slashes stands a regular expression
            (Python's), which selects the sensors in whose names it is found.

        Informs
        -------
        name : str
            Name of a sensor. The informs are sorted by it.
        description : str
            What it measures.
        units : str
            In which units; may be empty.
        type : {integer, float, boolean, lru, discrete, string, timestamp, address}
            Type of its values.
        params : str, any number of them
            For discrete sensors, the possible values. For integer and float ones the expected
            minimum and maximum, if these are known.

        Returns
        -------
        ok : int
            Number of informs.

        Examples
        --------
        ::

            ?sensor-list wind.speed
            #sensor-list wind.speed Speed\\_at\\_the\\_mast. m/s float 0.0 60.0
            !sensor-list ok 1

            ?sensor-list /^door/
            #sensor-list door.lower Lower\\_door. \\@ discrete open shut
            #sensor-list door.upper Upper\\_door. \\@ discrete open shut
            !sensor-list ok 2
        """
        sensors = self._selected_sensors(msg)
        if sensors is None:
            return req.make_reply("fail", "Unknown sensor name.")
        number_selected = len(sensors)
        self._send_sensor_value_informs(req, sensors)
        if number_selected and not sensors:
            raise FailReply("No sensor that was asked for can be described.")
        return req.make_reply("ok", len(sensors))

    def _send_sensor_value_informs(self, req, sensors):
        """Send the informs of ``?sensor-list``.

        Parameters
        ----------
        req : ClientRequestConnection
        sensors : list of (str, Sensor)
            Names and sensors, in the order in which to send them. A sensor that cannot be described
            is logged, and removed from the list.
        """
        batch = InformBatch(req)
        descriptions = self._sensor_descriptions
        failed = []
        for item in sensors:
            name, sensor = item
            try:
                fields = (name, sensor.description, sensor.units, sensor.stype) + tuple(
                    sensor.formatted_params)
                # Descriptions hardly ever change, but nothing forbids it: compare before reuse.
                description = descriptions.get(name)
                if description is None or description[0] != fields:
                    description = descriptions[name] = (
                        fields, Message.inform("sensor-list", *fields).arguments)
            except Exception:
                self._logger.error(record_text("Sensor %r cannot be described", name), exc_info=True)
                failed.append(item)
            else:
                batch.add(*description[1])
        for item in failed:
            sensors.remove(item)
        batch.send()

    def request_sensor_value(self, req, msg):
        """Tell the values of sensors.

        Parameters
        ----------
        name : str, optional
            The sensor to read; without it, all are. Between two slashes stands a regular expression
            (Python's), which selects the sensors in whose names it is found.

        Informs
        -------
        timestamp : timestamp
            When the sensor was read: seconds since 1970 (UTC), milliseconds in version 4.
        count : 1
            Number of sensors in the inform.
        name : str
            Name of the sensor. The informs are sorted by it.
        status : {unknown, nominal, warn, error, failure, unreachable, inactive}
            What to think of the value.
        value : depends on the sensor
            The value.

        Returns
        -------
        ok : int
            Number of informs.

        Examples
        --------
        ::

            ?sensor-value wind.speed
            #sensor-value 1700000000.250000 1 wind.speed warn 14.5
            !sensor-value ok 1
        """
        sensors = self._selected_sensors(msg)
        if sensors is None:
            return req.make_reply("fail", "Unknown sensor name.")
        major = self.PROTOCOL_INFO.major
        batch = InformBatch(req)
        for name, sensor in sensors:
            try:
                timestamp, status, value = sensor.read_formatted(major)
            except Exception as error:
                timestamp, status, value = self._formatted_in_place(sensor, major, error)
            batch.add(timestamp, b"1", name, status, value)
        batch.send()
        return req.make_reply("ok", len(sensors))

    def _formatted_in_place(self, sensor, major, error):
        """Return timestamp, status and value of a sensor of which that failed; logs the error."""
        try:
            reading = sensor.read()
        except Exception as read_error:
            reading = None
            log_unreadable(self._logger, sensor, read_error, exc_info=sys.exc_info())
        else:
            log_unreadable(self._logger, sensor, error)
        return format_in_place(sensor, reading, major)

    def _selected_sensors(self, msg):
        """Return the sensors that ``?sensor-list`` or ``?sensor-value`` asks for.

        Returns
        -------
        list of (str, Sensor) or None
            Sorted by name; None if there is no sensor of that name, for which a reply is returned rather than
            raised: clients may ask for names, and that would be logged as an error.

        Raises
        ------
        FailReply
            If a regular expression cannot be used.
        """
        # Copies, since other threads add and remove sensors.
        if not msg.arguments:
            return sorted(self._sensors.copy().items(), key=_name_of_item)
        pattern = sensor_name_of(msg.arguments[0])
        if pattern is None:
            return None
        try:
            exact, is_selected = construct_name_filter(pattern)
        except _PATTERN_ERRORS as exc:
            raise FailReply("Invalid regular expression %r: %s." % (pattern[1:-1], exc))
        if exact:
            sensor = self._sensors.get(pattern)
            return None if sensor is None else [(pattern, sensor)]
        return sorted([item for item in self._sensors.copy().items() if is_selected(item[0])],
                      key=_name_of_item)


def _name_of_item(item):
    return item[0]


def _timeout_hint(handler):
    return float(getattr(handler, "request_timeout_hint", None) or 0.0)
