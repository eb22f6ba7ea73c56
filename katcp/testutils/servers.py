"""Device servers to test clients against."""

from __future__ import absolute_import, division, print_function

import threading

from katcp.compat import ThreadsafeFuture, add_callback_if_open, coroutine, queue, resolve
from katcp.errors import AsyncReply, FailReply
from katcp.handlers import steal_docstring_from
from katcp.kattypes import (Bool, Float, Int, Str, concurrent_reply, request, request_timeout_hint,
                            return_reply, unpack_types)
from katcp.protocol import ProtocolFlags
from katcp.sensor import Sensor
from katcp.server.device import DeviceServer
from katcp.testutils.sensors import DeviceTestSensor
from katcp.waiting import AsyncEvent


class _SlowCommand(ThreadsafeFuture):
    """The running slow command of a client; resolved once, by whoever comes first, in any thread."""

    def __init__(self, reply):
        super(_SlowCommand, self).__init__()
        self._reply = reply
        self._lock = threading.Lock()

    def release(self):
        """Reply now."""
        with self._lock:
            resolve(self, self._reply)

    def abandon(self):
        """End without a reply."""
        with self._lock:
            if not self.done():
                self.set_exception(AsyncReply())


class DeviceTestServer(DeviceServer):
    """A device server with some sensors and requests, and ways of seeing and breaking what it does.

    Parameters
    ----------
    *args, **kwargs
        As of :class:`katcp.DeviceServer`.

    Attributes
    ----------
    break_help, break_sensor_list : bool or str
        If this is a non-empty text, the request fails with it.
    restart_queue : queue.Queue
        Where the server is put by ``?restart``.
    proceed_on_client_connect : AsyncEvent
        While it is not set, clients that connect are told nothing and nothing is read from them.  To
        be set in the thread of the server's loop.
    restarted : bool
        False; for users.

    Examples
    --------
    >>> server = DeviceTestServer("", 0)
    >>> server.start(timeout=1)
    >>> host, port = server.bind_address
    >>> _ = server.stop()
    >>> server.join(timeout=5)

    """

    def __init__(self, *args, **kwargs):
        self._messages = []
        # Pairs of a number of messages and the future that waits for it.
        self._cnt_futures = set()
        self._messages_lock = threading.Lock()
        self._slow_futures = {}
        self._slow_lock = threading.Lock()
        super(DeviceTestServer, self).__init__(*args, **kwargs)
        # Tests add and remove handlers of this server, not of its class.
        self._request_handlers = dict(self._request_handlers)
        self._inform_handlers = dict(self._inform_handlers)
        self._reply_handlers = dict(self._reply_handlers)
        self.break_help = False
        self.break_sensor_list = False
        self.restart_queue = queue.Queue()
        self.set_restart_queue(self.restart_queue)
        self.proceed_on_client_connect = AsyncEvent()
        self.proceed_on_client_connect.set()

    def setup_sensors(self):
        """Add the sensors ``an.int``, ``a.discrete``, ``a.float`` and ``a.floatwithzero``."""
        self.restarted = False
        for sensor_type, name, description, units, params, value in [
                (Sensor.INTEGER, "an.int", "An Integer.", "count", [-5, 5], 3),
                (Sensor.DISCRETE, "a.discrete", "A Discrete.", "", ["one", "two", "three"], "one"),
                (Sensor.FLOAT, "a.float", "A Float.", "", [-123.4, 123.4], 12),
                (Sensor.FLOAT, "a.floatwithzero", "A Float with zero.", "", [-123.0, 123.0], 12)]:
            self.add_sensor(DeviceTestSensor(
                sensor_type, name, description, units, params, 12345, Sensor.NOMINAL, value))

    # --- what the server has seen ----------------------------------------------------------------

    @property
    def messages(self):
        """The list of all messages that clients have sent, whatever their type."""
        return self._messages

    @property
    def request_names(self):
        """List of the names of the requests that the server knows."""
        return list(self._request_handlers.keys())

    @property
    def sensor_names(self):
        """List of the names of the server's sensors."""
        return list(self._sensors.keys())

    def until_messages(self, cnt):
        """Wait until a number of messages have arrived; they need not have been answered.

        Parameters
        ----------
        cnt : int
            How many messages, counted from the construction of the server.

        Returns
        -------
        concurrent.futures.Future
            Resolves, in the thread that handles messages, to the list of the messages until then.
            Coroutines can yield it.
        """
        future = ThreadsafeFuture()
        with self._messages_lock:
            self._cnt_futures.add((cnt, future))
        self._check_cnt_futures()
        return future

    def _check_cnt_futures(self):
        """Resolve the futures of all who wait for no more messages than there are."""
        if not self._cnt_futures:
            return
        with self._messages_lock:
            messages = list(self._messages)
            satisfied = [item for item in self._cnt_futures if item[0] <= len(messages)]
            self._cnt_futures.difference_update(satisfied)
        for _, future in satisfied:
            resolve(future, messages)

    def handle_message(self, req, msg):
        """Note a message, then handle it as any server does."""
        with self._messages_lock:
            self._messages.append(msg)
        self._check_cnt_futures()
        return super(DeviceTestServer, self).handle_message(req, msg)

    # --- life cycle ------------------------------------------------------------------------------

    def on_client_connect(self, client_conn):
        """Greet a client once `proceed_on_client_connect` is set."""
        if self.proceed_on_client_connect.is_set():
            return super(DeviceTestServer, self).on_client_connect(client_conn)
        return self._greet_later(client_conn)

    @coroutine
    def _greet_later(self, client_conn):
        yield self.proceed_on_client_connect.until_set()
        yield super(DeviceTestServer, self).on_client_connect(client_conn)

    def stop(self, *args, **kwargs):
        """Stop the server; slow commands end without a reply.

        Parameters
        ----------
        *args, **kwargs
            As of :meth:`katcp.DeviceServer.stop`.

        Returns
        -------
        concurrent.futures.Future
            As of :meth:`katcp.DeviceServer.stop`.
        """
        # They do not reply, for clients are to see what a server does that goes away amidst a request.
        with self._slow_lock:
            slow_commands = list(self._slow_futures.values())
        for slow_command in slow_commands:
            slow_command.abandon()
        return super(DeviceTestServer, self).stop(*args, **kwargs)

    # --- requests --------------------------------------------------------------------------------

    def request_new_command(self, req, msg):
        """Reply with two parameters."""
        return req.make_reply("ok", "param1", "param2")

    def request_raise_exception(self, req, msg):
        """Raise an exception."""
        raise Exception("An exception occurred!")

    def request_raise_fail(self, req, msg):
        """Raise a FailReply."""
        raise FailReply("There was a problem with your request.")

    @request(Str(), Float(), Int(), Bool())
    @return_reply(Str(), Float(), Int(), Bool())
    def request_decorated(self, req, _string, _float, _int, do_raise):
        """Tell the Python types of the parameters, and reply with the parameters."""
        if do_raise:
            raise Exception("An exception occurred!")
        for name, value in [("_string", _string), ("_float", _float), ("_int", _int),
                            ("do_raise", do_raise)]:
            req.inform(name, str(type(value)))
        return "ok", _string, _float, _int, do_raise

    @return_reply()
    def request_decorated_return_exception(self, req, msg):
        """Reply with an exception for the reason of a failure."""
        return "fail", Exception("An exception occurred!")

    @steal_docstring_from(DeviceServer.request_help)
    def request_help(self, req, msg):
        if self.break_help:
            return req.make_reply("fail", self.break_help)
        return super(DeviceTestServer, self).request_help(req, msg)

    @steal_docstring_from(DeviceServer.request_sensor_list)
    def request_sensor_list(self, req, msg):
        if self.break_sensor_list:
            return req.make_reply("fail", self.break_sensor_list)
        return super(DeviceTestServer, self).request_sensor_list(req, msg)

    @request_timeout_hint(99)
    @concurrent_reply
    def request_slow_command(self, req, msg):
        """Reply after a number of seconds.

        Parameters
        ----------
        wait_time : float
            Number of seconds.

        Informs
        -------
        None

        Returns
        -------
        success : {'ok', 'fail'}
            Whether a slow command could be begun; each client can have one at a time.
        """
        wait_time, = unpack_types((Float(),), msg.arguments, ["wait_time"], self.PROTOCOL_INFO.major)
        return self._begin_slow_command(req, wait_time, req.make_reply("ok"))

    def request_cancel_slow_command(self, req, msg):
        """Cancel slow command request, resulting in it replying immediately."""
        with self._slow_lock:
            slow_command = self._slow_futures.get(req.client_connection)
        if slow_command is not None:
            slow_command.release()
        return req.make_reply("ok")

    def _begin_slow_command(self, req, wait_time, reply):
        """Return `reply`, or a future that resolves to it `wait_time` seconds of the loop from now."""
        connection = req.client_connection
        if wait_time <= 0:
            return reply
        slow_command = _SlowCommand(reply)
        with self._slow_lock:
            if connection in self._slow_futures:
                raise FailReply("A slow command is already running for this connection")
            self._slow_futures[connection] = slow_command
        slow_command.add_done_callback(lambda _slow_command: self._forget_slow_command(connection))
        self.ioloop.add_callback(self._time_slow_command, slow_command, wait_time)
        return slow_command

    def _forget_slow_command(self, connection):
        with self._slow_lock:
            self._slow_futures.pop(connection, None)

    def _time_slow_command(self, slow_command, wait_time):
        ioloop = self.ioloop
        timer = ioloop.call_later(wait_time, slow_command.release)
        slow_command.add_done_callback(
            lambda _slow_command: add_callback_if_open(ioloop, ioloop.remove_timeout, timer))


class AsyncDeviceTestServer(DeviceTestServer):
    """A :class:`DeviceTestServer` whose handlers run in the thread of its loop."""

    def __init__(self, *args, **kwargs):
        super(AsyncDeviceTestServer, self).__init__(*args, **kwargs)
        self.set_concurrency_options(thread_safe=False, handler_thread=False)

    @request_timeout_hint(99)
    @concurrent_reply
    @request(Float())
    @return_reply()
    @steal_docstring_from(DeviceTestServer.request_slow_command)
    def request_slow_command(self, req, wait_time):
        return self._begin_slow_command(req, wait_time, ("ok",))


class DeviceTestServerWithTimeoutHints(DeviceTestServer):
    """A :class:`DeviceTestServer` that has timeout hints for requests.

    Attributes
    ----------
    request_timeout_hints : dict
        Name of a request to its hint, in seconds.
    """

    PROTOCOL_INFO = ProtocolFlags(5, 1, [
        ProtocolFlags.MULTI_CLIENT,
        ProtocolFlags.MESSAGE_IDS,
        ProtocolFlags.REQUEST_TIMEOUT_HINTS,
    ])

    def __init__(self, *args, **kwargs):
        super(DeviceTestServerWithTimeoutHints, self).__init__(*args, **kwargs)
        self.request_timeout_hints = {"slow-command": 10.5, "raise-fail": 2.3}

    @request(Str(optional=True))
    @return_reply(Int())
    def request_request_timeout_hint(self, req, name):
        """Return timeout hints for requests.

        Parameters
        ----------
        name : str, optional
            A request, which need not exist; by default all that have a hint.

        Informs
        -------
        request : str
            Name of a request.
        timeout_hint : float
            The hint in seconds, 0 if there is none.

        Returns
        -------
        success : {'ok', 'fail'}
            Whether the request succeeded.
        informs : int
            Number of #request-timeout-hint informs.
        """
        hints = self.request_timeout_hints
        names = [name] if name else list(hints)
        for known_name in names:
            req.inform(known_name, hints.get(known_name, 0))
        return "ok", len(names)
