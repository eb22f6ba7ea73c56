"""Sensor sampling: the requests, and the table of the clients' strategies.

Strategies live in the loop's thread, and so does everything that touches the table.  A request may
come in any thread; it is carried over to the loop, where it is checked and done, and its future is
resolved one loop iteration after the new strategies were started: by then they have made their
initial reports, which therefore precede the reply.
"""

from __future__ import absolute_import, division, print_function

import functools
import sys

from katcp import compat
from katcp.compat import ThreadsafeFuture, done_future, failed_future, is_future, lossy_str
from katcp.errors import FailReply
from katcp.kattypes import request
from katcp.log_records import record_text
from katcp.message import Message
from katcp.protocol import MS_TO_SEC_FAC, SEC_TO_MS_FAC, SEC_TS_KATCP_MAJOR
from katcp.sampling import SampleStrategy, format_inform
from katcp.sensor import Reading
from katcp.server.requests import sensor_name_of
from katcp.server.sensor_status import SensorReports
from katcp.unreadable_sensors import format_in_place, log_unreadable

# Values that cannot change while somebody holds them, so that what they look like on the wire
# cannot either.
_IMMUTABLE_TYPES = frozenset((bool, float, bytes, compat.text_type) + compat.integer_types)


class SamplingRequests(object):
    """Mixin for device servers: ``?sensor-sampling`` and what belongs to it (section 7 of the guidelines).

    Attributes
    ----------
    _strategies : dict
        Client connection -> {sensor: its strategy}. The strategy "none" has no entry. Loop thread.
    """

    def request_sensor_sampling(self, req, msg):
        """Tell or set when the values of a sensor are reported to this client.

        Reports are #sensor-status informs. Each strategy but none begins with one, before the reply.

        Parameters
        ----------
        names : str
            The sensor. To set the strategy of several at once, their names with commas between them
            (if the server has the protocol flag B); either all of them get it, or none.
        strategy : str, optional
            The new strategy; without it, the present one is told.
        params : str, any number of them
            As the strategy demands.

            none
                Report nothing.
            auto
                Report each update of the sensor.
            event
                Report when value or status change.
            period seconds
                Report regularly.
            differential difference
                Report when the value has changed by more than that since the last report, or the
                status has changed. For numbers only, as is differential-rate.
            event-rate shortest longest
                As event, but no sooner than the shortest, and no later than the longest time in
                seconds after the last report.
            differential-rate difference shortest longest
                As differential, with the same bounds.

            In version 4 there are no -rate strategies, and the period is in milliseconds.

        Informs
        -------
        timestamp : timestamp
            When the sensor was read: seconds since 1970 (UTC), milliseconds in version 4.
        count : 1
            Number of sensors in the inform.
        name : str
            Name of the sensor.
        status : {unknown, nominal, warn, error, failure, unreachable, inactive}
            What to think of the value.
        value : depends on the sensor
            The value.

        Returns
        -------
        ok : str
            The name or names, as in the request.
        strategy : str
            The strategy, now.
        params : str, any number of them
            Its parameters.

        Examples
        --------
        ::

            ?sensor-sampling wind.speed
            !sensor-sampling ok wind.speed none

            ?sensor-sampling wind.speed event-rate 0.5 60
            #sensor-status 1700000000.250000 1 wind.speed warn 14.5
            !sensor-sampling ok wind.speed event-rate 0.5 60

            ?sensor-sampling door.lower,door.upper event
            #sensor-status 1700000003.000000 1 door.lower nominal shut
            #sensor-status 1699990000.125000 1 door.upper nominal shut
            !sensor-sampling ok door.lower,door.upper event
        """
        return self._submit(self._sample, req, msg)

    def _sample(self, req, msg):
        if self._is_bulk_sampling_required(msg.arguments):
            return self._handle_bulk_set_sensor_sampling(req, msg)
        return self._handle_sensor_sampling(req, msg)

    def _is_bulk_sampling_required(self, msg_args):
        """Return whether a ``?sensor-sampling`` with these arguments is one for several sensors.

        If the server can do that, all that set a strategy are.
        """
        return bool(self.PROTOCOL_INFO.bulk_set_sensor_sampling and msg_args
                    and (len(msg_args) > 1 or b"," in msg_args[0]))

    def _handle_sensor_sampling(self, req, msg):
        """Handle ``?sensor-sampling`` for one sensor; loop thread.

        Returns
        -------
        future
            Resolves with the reply, or fails with a FailReply; for coroutines of subclasses to yield.
        """
        return _outcome(self._sample_one, req, msg)

    def _sample_one(self, req, msg):
        arguments = msg.arguments
        if not arguments:
            raise FailReply("No sensor name given.")
        sensor = self._sensors.get(sensor_name_of(arguments[0]))
        if sensor is None:
            raise FailReply("Unknown sensor name: %s." % (lossy_str(arguments[0]),))
        strategies = self._strategies_of(req.client_connection)
        if strategies is None:
            return self._reply_to_nobody(req)
        if len(arguments) == 1:
            return self._sampling_reply(req, arguments[0], strategies.get(sensor, None))
        strategy_name, params = arguments[1], arguments[2:]
        if strategy_name not in SampleStrategy.SAMPLING_LOOKUP_REV:
            raise FailReply("Unknown strategy name: %s." % (lossy_str(strategy_name),))
        if not self.PROTOCOL_INFO.strategy_allowed(strategy_name):
            raise FailReply("Strategy %s not allowed for version %d of katcp"
                            % (lossy_str(strategy_name), self.PROTOCOL_INFO.major))
        try:
            strategy = self._new_strategy(req.client_connection, sensor, strategy_name, params)
        except Exception as exc:
            raise FailReply(_one_line(exc))
        return self._set_strategies(req, strategies, [(sensor, strategy)], arguments[0])

    def _handle_bulk_set_sensor_sampling(self, req, msg):
        """Handle ``?sensor-sampling`` for a list of sensors, all or nothing; loop thread.

        Returns
        -------
        future
            Resolves with the reply, or fails with a FailReply; for coroutines of subclasses to yield.
        """
        return _outcome(self._sample_many, req, msg)

    def _sample_many(self, req, msg):
        arguments = msg.arguments
        raw_names = arguments[0].split(b",")
        if len(arguments) < 2:
            raise FailReply("Cannot query multiple sensors.")
        sensors = [self._sensors.get(sensor_name_of(name)) for name in raw_names]
        if any([sensor is None for sensor in sensors]):
            raise FailReply("Unknown sensor names: %s." % (
                [lossy_str(name) for name, sensor in zip(raw_names, sensors) if sensor is None],))
        strategies = self._strategies_of(req.client_connection)
        if strategies is None:
            return self._reply_to_nobody(req)
        strategy_name, params = arguments[1], arguments[2:]
        if not self.PROTOCOL_INFO.strategy_allowed(strategy_name):
            raise FailReply("Invalid request: names %s, strategy '%s', params %s." % (
                [lossy_str(name) for name in raw_names], lossy_str(strategy_name),
                [lossy_str(param) for param in params]))
        new_strategies = []
        seen = set()
        for sensor in sensors:
            if sensor in seen:
                continue
            seen.add(sensor)
            try:
                strategy = self._new_strategy(req.client_connection, sensor, strategy_name, params)
            except Exception as exc:
                raise FailReply("Invalid strategy requested: %s." % (_one_line(exc),))
            new_strategies.append((sensor, strategy))
        return self._set_strategies(req, strategies, new_strategies, arguments[0])

    def _strategies_of(self, client_conn):
        # Indexed, since the table may be a mapping that makes up what it lacks.
        try:
            return self._strategies[client_conn]
        except KeyError:
            return None

    @staticmethod
    def _reply_to_nobody(req):
        # The client went away while its request was waiting: nothing to log about.
        return req.make_reply("fail", "Client is not connected.")

    def _new_strategy(self, client_conn, sensor, name, params):
        """Return a new strategy, not started, that reports to `client_conn`.

        Parameters
        ----------
        client_conn : ClientConnection
        sensor : Sensor
        name : bytes
            Name of the strategy.
        params : list of bytes
            As in the request.

        Raises
        ------
        ValueError
            If the parameters are not what the strategy takes.
        """
        if name == b"period" and len(params) == 1 and self.PROTOCOL_INFO.major < SEC_TS_KATCP_MAJOR:
            params = [float(params[0]) * MS_TO_SEC_FAC]
        return self._make_strategy(client_conn, sensor, name, params)

    def _make_strategy(self, client_conn, sensor, name, params):
        """Do what `_new_strategy` does, with all times in seconds."""
        # What a handler sends, in its thread, after it has set a sensor must not overtake the report.
        return SampleStrategy.get_strategy(name, functools.partial(self._report, client_conn), sensor,
                                           *params, ioloop=self.ioloop,
                                           call_in_loop=self._server.call_in_order)

    def _set_strategies(self, req, strategies, new_strategies, raw_names):
        """Put new strategies in the place of old ones; loop thread.

        Returns
        -------
        Message or future of one
            The reply; as a future if strategies were started.
        """
        started = False
        for sensor, strategy in new_strategies:
            old_strategy = strategies.pop(sensor, None)
            if old_strategy is not None:
                old_strategy.cancel()
            if strategy.get_sampling() != SampleStrategy.NONE:
                strategies[sensor] = strategy
                strategy.start()
                started = True
        reply = self._sampling_reply(req, raw_names, strategy)
        if not started:
            return reply
        # Queued behind what `start` queued, which includes the initial reports.
        future = ThreadsafeFuture()
        self.ioloop.add_callback(compat.resolve, future, reply)
        return future

    def _sampling_reply(self, req, raw_names, strategy):
        """Return the reply that tells which strategy is in force."""
        if strategy is None:
            return req.make_reply("ok", raw_names, b"none")
        name, params = strategy.get_sampling_formatted()
        if name == b"period" and self.PROTOCOL_INFO.major < SEC_TS_KATCP_MAJOR:
            params = [_milliseconds(float(params[0]))]
        return req.make_reply("ok", raw_names, name, *params)

    def _report(self, client_conn, sensor, reading):
        """Tell a client of a sensor's reading; loop thread.

        Clients that sample the same sensor get the same reading one after the other, so the last
        message of each sensor is kept.
        """
        reports = self._sensor_reports.get(sensor)
        if reports is not None and reports.reading is reading:
            client_conn.inform(reports.message)
            return
        major = SEC_TS_KATCP_MAJOR if self.PROTOCOL_INFO.major >= SEC_TS_KATCP_MAJOR else 4
        try:
            if type(reading) is not Reading or type(reading.value) not in _IMMUTABLE_TYPES:
                message = format_inform(sensor, reading, major)
            else:
                if reports is None:
                    reports = self._sensor_reports[sensor] = SensorReports()
                message = reports.report(sensor, reading, major)
        except Exception as error:
            log_unreadable(self._logger, sensor, error)
            timestamp, status, value = format_in_place(sensor, reading, major)
            message = Message.inform("sensor-status", timestamp, b"1", sensor.name, status, value)
        client_conn.inform(message)

    @request()
    def request_sensor_sampling_clear(self, req):
        """Report no sensors to this client any more.

        Sets the strategy of all sensors to none, as far as this client is concerned.

        Returns
        -------
        ok

        Examples
        --------
        ::

            ?sensor-sampling-clear
            !sensor-sampling-clear ok
        """
        return self._submit(self._clear_sampling, req)

    def _clear_sampling(self, req):
        self.clear_strategies(req.client_connection)
        return req.make_reply("ok")

    def clear_strategies(self, client_conn, remove_client=False):
        """Clear the sensor strategies of a client connection.

        To be called in the loop's thread.

        Parameters
        ----------
        client_conn : ClientConnection
            The connection whose strategies to cancel; one that is not known is ignored.
        remove_client : bool, optional
            Whether to remove the connection from the table, too.

        Raises
        ------
        AssertionError
            In any other thread.
        """
        self._assert_in_ioloop_thread()
        if remove_client:
            strategies = self._strategies.pop(client_conn, None)
        else:
            strategies = self._strategies.get(client_conn, None)
        if strategies:
            for sensor, strategy in list(strategies.items()):
                strategies.pop(sensor, None)
                strategy.cancel()

    # --- when sensors come and go ------------------------------------------------------------------

    def _drop_sampling(self, sensor):
        """Cancel all clients' strategies on a sensor; loop thread."""
        for strategies in list(self._strategies.values()):
            strategy = strategies.pop(sensor, None)
            if strategy is not None:
                strategy.cancel()
        self._sensor_reports.pop(sensor, None)

    def _move_sampling(self, old_sensor, new_sensor):
        """Have the clients that sample a sensor sample another, in the same way; loop thread.

        Where the strategy does not suit the new sensor, the client is left without.
        """
        for client_conn, strategies in list(self._strategies.items()):
            old_strategy = strategies.pop(old_sensor, None)
            if old_strategy is None:
                continue
            old_strategy.cancel()
            if new_sensor in strategies or self._sensors.get(new_sensor.name) is not new_sensor:
                continue
            name, params = old_strategy.get_sampling_formatted()
            try:
                strategy = self._make_strategy(client_conn, new_sensor, name, params)
            except ValueError as exc:
                self._logger.warning(record_text("Sampling of the replaced sensor %r ends: %s",
                                                 new_sensor.name, exc))
                continue
            strategies[new_sensor] = strategy
            strategy.start()
        self._sensor_reports.pop(old_sensor, None)


def _outcome(fn, *args):
    """Return a future of what ``fn(*args)`` returns or raises; of a future, that."""
    try:
        outcome = fn(*args)
    except Exception:
        return failed_future(sys.exc_info())
    return outcome if is_future(outcome) else done_future(outcome)


def _one_line(exc):
    """Return the text of an exception for a fail reply."""
    return " ".join(str(exc).splitlines()) or type(exc).__name__


def _milliseconds(seconds):
    # Rounded to a nanosecond, far from what binary fractions lose; a fraction only if there is one.
    milliseconds = round(seconds * SEC_TO_MS_FAC, 6)
    return int(milliseconds) if milliseconds.is_integer() else milliseconds
