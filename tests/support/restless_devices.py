"""Devices that come and go and change all the time, as a random number generator has it."""

from __future__ import absolute_import, division, print_function

import socket

from katcp.core import Message, ProtocolFlags, Sensor
from katcp.server import AsyncDeviceServer

FLAGS = {
    "4": ProtocolFlags(4, 0, [ProtocolFlags.MULTI_CLIENT]),
    "5.0": ProtocolFlags(5, 0, [b"M", b"I"]),
    "5.1": ProtocolFlags(5, 1, [b"M", b"I", b"T", b"B"]),
}

# What a device may have: each of these is there at times.
SENSOR_NAMES = tuple("rack.s-%d" % number for number in range(8))
REQUEST_NAMES = tuple("do-%d" % number for number in range(4))


class CountingDevice(AsyncDeviceServer):
    """A device on the loop of its user that notes down what it is asked.

    Attributes
    ----------
    asked : list of str
        Names of requests.
    """

    VERSION_INFO = ("restless-api", 1, 0)
    BUILD_INFO = ("restless", 1, 0, "")
    PROTOCOL_INFO = FLAGS["5.1"]

    def __init__(self, port, ioloop, version="5.1"):
        self.PROTOCOL_INFO = FLAGS[version]
        super(CountingDevice, self).__init__("127.0.0.1", port)
        self.set_ioloop(ioloop)
        self._request_handlers = dict(self._request_handlers)
        self.asked = []

    def setup_sensors(self):
        """Have none."""

    def handle_request(self, client_conn, msg):
        """Note down the name."""
        self.asked.append(msg.name)
        return super(CountingDevice, self).handle_request(client_conn, msg)

    def vanish(self):
        """Close all connections without a word, as if the process were killed, and stop."""
        for connection in list(self._server._connections):
            connection.close()
        return self.stop()


class ReservedPort(object):
    """A port that nobody else is given while a device that listens there comes and goes."""

    def __init__(self):
        # Bound, but not listening: on Linux another socket may still be bound to it and listen.
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number = self._socket.getsockname()[1]

    def close(self):
        """Give it back."""
        self._socket.close()


class RestlessDevice(object):
    """What is known of a device whether it is up or not.

    Parameters
    ----------
    name : str
    version : str
        Of the protocol.
    ioloop : tornado.ioloop.IOLoop
    rng : random.Random

    Attributes
    ----------
    server : CountingDevice or None
        None while the device is down.
    values : dict
        Name of each sensor there can be to its value, an int that only ever increases.
    """

    def __init__(self, name, version, ioloop, rng):
        self.name = name
        self.version = version
        self._ioloop = ioloop
        self._rng = rng
        self._port = ReservedPort()
        self.address = ("127.0.0.1", self._port.number)
        self.server = None
        self._stopping = False
        self.values = dict.fromkeys(SENSOR_NAMES, 0)
        # Name to sensor, and name to handler.
        self.sensors = {}
        self.requests = {}
        for sensor_name in SENSOR_NAMES[::2]:
            self.sensors[sensor_name] = self._new_sensor(sensor_name)
        for request_name in REQUEST_NAMES[::2]:
            self.requests[request_name] = self._new_handler(request_name)

    def close(self):
        """Stop for good."""
        if self.server is not None:
            self.server.stop()
        self._port.close()

    # --- coming and going ------------------------------------------------------------------------

    def start(self):
        """Be up."""
        if self.server is not None or self._stopping:
            return
        server = CountingDevice(self._port.number, self._ioloop, self.version)
        for sensor in self.sensors.values():
            server.add_sensor(sensor)
        server._request_handlers.update(self.requests)
        server.start()
        self.server = server

    def stop(self):
        """Say good-bye and be down."""
        self._go_down("stop")

    def vanish(self):
        """Be down without a word."""
        self._go_down("vanish")

    def _go_down(self, how):
        if self.server is None:
            return
        server, self.server = self.server, None
        self._stopping = True
        self._ioloop.add_future(getattr(server, how)(), self._stopped)

    def _stopped(self, future):
        self._stopping = False

    def drop_connections(self):
        """Close the connections, but stay up."""
        if self.server is not None:
            for connection in list(self.server._server._connections):
                connection.close()

    # --- changes ---------------------------------------------------------------------------------

    def update(self, sensor_name=None):
        """Give a sensor, by default any, a new value."""
        sensor_name = sensor_name or self._rng.choice(SENSOR_NAMES)
        self.values[sensor_name] += 1
        sensor = self.sensors.get(sensor_name)
        if sensor is not None:
            self._set(sensor)

    def _set(self, sensor):
        sensor.set_value(self.values[sensor.name], self._rng.choice((Sensor.NOMINAL, Sensor.WARN)))

    def change_sensor(self):
        """Add, remove or modify a sensor, and tell clients."""
        sensor_name = self._rng.choice(SENSOR_NAMES)
        if sensor_name in self.sensors and self._rng.random() < 0.5:
            del self.sensors[sensor_name]
            if self.server is not None:
                self.server.remove_sensor(sensor_name)
        else:
            sensor = self.sensors[sensor_name] = self._new_sensor(sensor_name)
            if self.server is not None:
                self.server.add_sensor(sensor)
        self._tell()

    def change_request(self):
        """Add, remove or modify a request, and tell clients."""
        request_name = self._rng.choice(REQUEST_NAMES)
        if request_name in self.requests and self._rng.random() < 0.5:
            del self.requests[request_name]
            if self.server is not None:
                del self.server._request_handlers[request_name]
        else:
            handler = self.requests[request_name] = self._new_handler(request_name)
            if self.server is not None:
                self.server._request_handlers[request_name] = handler
        self._tell()

    def _tell(self):
        if self.server is not None:
            self.server.mass_inform(Message.inform("interface-changed"))

    def _new_sensor(self, sensor_name):
        kind = self._rng.choice((Sensor.integer, Sensor.float))
        sensor = kind(sensor_name, "Sensor number %d." % self._rng.randrange(1000), self._rng.choice("msV"))
        self._set(sensor)
        return sensor

    def _new_handler(self, request_name):
        number = self._rng.randrange(1000)

        def handler(server, req, msg):
            return req.make_reply("ok", number)

        handler.__doc__ = "Return %d." % number
        handler.number = number
        return handler
