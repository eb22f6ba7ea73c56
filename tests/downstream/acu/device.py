"""The control unit of an antenna, with a simulated antenna behind it."""

from __future__ import absolute_import, division, print_function

import math

from tornado import gen

from katcp import (AggregateSensorTree, AsyncReply, BooleanSensorTree, DeviceServer, FailReply, Message,
                   ProtocolFlags, Sensor)
from katcp.core import AsyncEvent
from katcp.kattypes import (Address, Bool, Discrete, DiscreteMulti, Float, Int, Lru, Regex, Str, Timestamp,
                            TimestampOrNow, concurrent_reply, request, request_timeout_hint,
                            return_reply, send_reply)

AZIM_LIMITS = (-185.0, 275.0)
ELEV_LIMITS = (15.0, 92.0)
STOW_ELEV = 90.0

MODES = ("stop", "slew", "track", "stow")
BANDS = ("l-band", "s-band", "u-band", "x-band")

# Degrees.
ON_TARGET = 1e-6


class Axis(object):
    """One axis of the antenna."""

    def __init__(self, rate):
        self.position = 20.0
        self.target = 20.0
        self.rate = rate

    def advance(self, seconds):
        distance = self.target - self.position
        step = self.rate * seconds
        if abs(distance) <= step:
            self.position = self.target
        else:
            self.position += math.copysign(step, distance)

    @property
    def arrived(self):
        return abs(self.target - self.position) < ON_TARGET


class AntennaPositioner(DeviceServer):
    """Device that points an antenna.

    The simulation is moved on by `advance`, or every `tick` seconds of the loop's time if that is given.
    """

    VERSION_INFO = ("antenna-positioner", 2, 1)
    BUILD_INFO = ("acu-simulator", 0, 3, "rc1")

    PIN_SECONDS = 3.0

    def __init__(self, host, port, tick=None, **kwargs):
        self._tick = tick
        self._ticker = None
        self._arrival = None
        self._stowing = None
        self.azim = Axis(rate=2.0)
        self.elev = Axis(rate=1.0)
        self.track = []
        self.clock_syncs = []
        super(AntennaPositioner, self).__init__(host, port, **kwargs)

    # --- sensors ---------------------------------------------------------------------------------

    def setup_sensors(self):
        self._actual_azim = Sensor.float(
            "pos.actual-azim", "Actual azimuth", "deg", list(AZIM_LIMITS), default=20.0)
        self._actual_elev = Sensor.float(
            "pos.actual-elev", "Actual elevation", "deg", list(ELEV_LIMITS), default=20.0)
        self._requested_azim = Sensor(
            Sensor.FLOAT, "pos.requested-azim", "Requested azimuth", "deg", list(AZIM_LIMITS), default=20.0)
        self._requested_elev = Sensor(
            Sensor.FLOAT, "pos.requested-elev", "Requested elevation", "deg", list(ELEV_LIMITS), default=20.0)
        self._error = Sensor.float("pos.error", "Distance from the requested position", "deg")
        self._mode = Sensor.discrete("mode", "What the antenna is doing", "", MODES, default="stop")
        self._commands = Sensor.integer("command-count", "Number of commands accepted", "", [0, 2 ** 31])
        self._estop = Sensor.boolean("emergency-stop", "Whether the emergency stop is pressed", "")
        self._azim_ok = Sensor.boolean("azim.drive-ok", "State of the azimuth drive", "")
        self._elev_ok = Sensor.boolean("elev.drive-ok", "State of the elevation drive", "")
        self._drives_ok = Sensor.boolean("drives-ok", "Whether all drives are fine", "")
        self._receiver = Sensor.lru("receiver-lru", "State of the receiver", "")
        self._fault = Sensor.string("last-fault", "Description of the last fault", "")
        self._stowed_at = Sensor.timestamp("last-stow-time", "When the antenna was last stowed", "")
        self._pointing_server = Sensor.address("pointing-server", "Where corrections come from", "")
        self._status = Sensor.discrete("device-status", "State of the device", "",
                                       ["ok", "degraded", "fail"])
        for sensor in (self._actual_azim, self._actual_elev, self._requested_azim, self._requested_elev,
                       self._error, self._mode, self._commands, self._estop, self._azim_ok, self._elev_ok,
                       self._drives_ok, self._receiver, self._fault, self._stowed_at,
                       self._pointing_server, self._status):
            self.add_sensor(sensor)

        self.drive_tree = BooleanSensorTree()
        self.drive_tree.add(self._drives_ok, self._azim_ok)
        self.drive_tree.add(self._drives_ok, self._elev_ok)

        self.tree = AggregateSensorTree()
        # Known to the tree by name: parts of the antenna may be fitted later.
        self.tree.add_delayed(self._status, self._rate_status, ("drives-ok", "emergency-stop"))
        self.tree.add(self._error, self._compute_error,
                      (self._actual_azim, self._actual_elev, self._requested_azim, self._requested_elev))
        self.tree.register_sensor(self._drives_ok)
        self.tree.register_sensor(self._estop)

        self._mode.set_value("stop")
        self._azim_ok.set_value(True)
        self._elev_ok.set_value(True)
        self._receiver.set_value(Sensor.LRU_NOMINAL)
        self._pointing_server.set_value(("0.0.0.0", 0), Sensor.INACTIVE)
        self._commands.set_value(0)

    def _compute_error(self, parent, children):
        error = math.hypot(self._requested_azim.value() - self._actual_azim.value(),
                           self._requested_elev.value() - self._actual_elev.value())
        parent.set_value(error, Sensor.NOMINAL if error < 0.5 else Sensor.WARN)

    @staticmethod
    def _rate_status(parent, children):
        values = dict((child.name, child.value()) for child in children)
        if values.get("emergency-stop"):
            parent.set_value("fail", Sensor.ERROR)
        elif not values.get("drives-ok", True):
            parent.set_value("degraded", Sensor.WARN)
        else:
            parent.set_value("ok")

    # --- life ------------------------------------------------------------------------------------

    def start(self, timeout=None):
        super(AntennaPositioner, self).start(timeout)
        if self._tick is not None:
            self.ioloop.add_callback(self._start_ticking)

    def stop(self, *args, **kwargs):
        if self._ticker is not None:
            self.ioloop.remove_timeout(self._ticker)
            self._ticker = None
        return super(AntennaPositioner, self).stop(*args, **kwargs)

    def _start_ticking(self):
        self._ticker = self.ioloop.call_later(self._tick, self._on_tick)

    def _on_tick(self):
        self._start_ticking()
        self.advance(self._tick)

    def advance(self, seconds):
        """Let the antenna move for some seconds; may be called in any thread."""
        self.azim.advance(seconds)
        self.elev.advance(seconds)
        self._actual_azim.set_value(self.azim.position)
        self._actual_elev.set_value(self.elev.position)
        if self._arrival is not None and self.azim.arrived and self.elev.arrived:
            self.ioloop.add_callback(self._arrival.set)

    # --- moving ----------------------------------------------------------------------------------

    def _go_to(self, azim, elev):
        if self._estop.value():
            raise FailReply("The emergency stop is pressed")
        self._commands.set_value(self._commands.value() + 1)
        self.azim.target = azim
        self.elev.target = elev
        self._requested_azim.set_value(azim)
        self._requested_elev.set_value(elev)

    @request(Float(min=AZIM_LIMITS[0], max=AZIM_LIMITS[1]), Float(min=ELEV_LIMITS[0], max=ELEV_LIMITS[1]))
    @return_reply(Float(), Float())
    @request_timeout_hint(120)
    @concurrent_reply
    @gen.coroutine
    def request_slew(self, req, azim, elev):
        """Move the antenna to a position, and reply when it is there.

        Parameters
        ----------
        azim, elev : float
            The position in degrees.

        Informs
        -------
        distance : float
            How far it is to that position in degrees.

        Returns
        -------
        success : {'ok', 'fail'}
        azim, elev : float
            Where the antenna is now.
        """
        self._go_to(azim, elev)
        if self._arrival is not None:
            raise FailReply("The antenna is moving already")
        arrival = self._arrival = AsyncEvent(self.ioloop)
        self._mode.set_value("slew")
        req.inform(self._error.value())
        if self.azim.arrived and self.elev.arrived:
            arrival.set()
        yield arrival.until_set()
        self._arrival = None
        if self._mode.value() != "slew":
            raise FailReply("The antenna was stopped")
        self._mode.set_value("track")
        raise gen.Return(("ok", self.azim.position, self.elev.position))

    @request()
    @return_reply(Discrete(MODES))
    def request_stop(self, req):
        """Stop the antenna."""
        mode = self._mode.value()
        self.azim.target = self.azim.position
        self.elev.target = self.elev.position
        self._mode.set_value("stop")
        if self._arrival is not None:
            self.ioloop.add_callback(self._arrival.set)
        return ("ok", mode)

    @request()
    def request_stow(self, req):
        """Stow the antenna, and reply when the pins are in."""
        if self._stowing is not None:
            raise FailReply("Stowing already")
        self._stowing = req
        self.ioloop.add_callback(self._start_stow, req)
        raise AsyncReply()

    def _start_stow(self, req):
        req.inform("driving", STOW_ELEV)
        self._go_to(self.azim.position, STOW_ELEV)
        self._mode.set_value("stow")
        self.ioloop.call_later(self.PIN_SECONDS, self._pins_are_in, req)

    def _pins_are_in(self, req):
        self._stowing = None
        self._stowed_at.set_value(self.ioloop.time())
        self._reply_stowed(req, "pins in")

    @send_reply(Str(), Int())
    def _reply_stowed(self, req, text):
        return (req, "ok", text, self._commands.value())

    @request(Timestamp(), Float(multiple=True))
    @return_reply(Int())
    def request_load_track(self, req, start_time, *points):
        """Load points to move through, from a start time on: azimuth and elevation alternate."""
        if len(points) % 2:
            return ("fail", "Not a whole number of points")
        self.track.append((start_time, list(zip(points[::2], points[1::2]))))
        for azim, elev in self.track[-1][1]:
            req.inform(azim, elev)
        return ("ok", len(points) // 2)

    # --- settings of all types -------------------------------------------------------------------

    @request(Discrete(MODES), Bool(default=False))
    @return_reply(Discrete(MODES), Bool())
    def request_mode(self, req, mode, force):
        """Set the mode."""
        if mode == "track" and not force and not self._drives_ok.value():
            return ("fail", "The drives are not ok")
        self._mode.set_value(mode)
        return ("ok", mode, force)

    @request(Address())
    @return_reply(Address())
    def request_pointing_server(self, req, address):
        """Set where corrections come from."""
        self._pointing_server.set_value(address)
        return ("ok", address)

    @request(Lru())
    @return_reply()
    def request_receiver_state(self, req, state):
        """Set the state of the receiver, which is an LRU."""
        self._receiver.set_value(
            state, Sensor.NOMINAL if state == Sensor.LRU_NOMINAL else Sensor.ERROR)
        return ("ok",)

    @request(TimestampOrNow())
    @return_reply(Bool(), Timestamp(default=0))
    def request_schedule(self, req, when):
        """Schedule something: now, or at some time."""
        now = when is TimestampOrNow.NOW
        return ("ok", now) if now else ("ok", now, when)

    @return_reply(Int(), DiscreteMulti(BANDS))
    @request(DiscreteMulti(BANDS, default=["l-band"]))
    def request_bands(self, req, bands):
        """Choose bands, and reply how many."""
        return ("ok", len(bands), bands)

    @request(Regex(r"m\d\d\d"), Int(min=0, default=1))
    @return_reply(Str())
    def request_name_antenna(self, req, name, number):
        """Give the antenna a name."""
        return ("ok", "{}-{}".format(name, number))

    @request(Str(optional=True))
    @return_reply()
    def request_fault(self, req, text):
        """Report a fault; without a text, all is well again."""
        if text is None:
            self._fault.set_value("")
        else:
            self._fault.set_value(text, Sensor.ERROR)
            self.log.warn("Fault reported: " + text)
        return ["ok"]

    @request(Discrete(("azim", "elev")), Bool())
    @return_reply(Bool())
    def request_drive_ok(self, req, axis, is_ok):
        """Set whether a drive is fine, and reply whether all are."""
        self.get_sensor(axis + ".drive-ok").set_value(is_ok)
        return ("ok", self._drives_ok.value())

    @request(Bool(), include_msg=True)
    @return_reply(Str())
    def request_emergency_stop(self, req, msg, pressed):
        """Press or release the emergency stop."""
        self._estop.set_value(pressed)
        return ("ok", msg.name)

    # --- plain handlers --------------------------------------------------------------------------

    def request_echo(self, req, msg):
        """Reply with the arguments."""
        return req.make_reply("ok", *msg.arguments)

    def request_old_style(self, sock, msg):
        """Reply with the number of arguments, the way it was done long ago."""
        return Message.reply(msg.name, "ok", len(msg.arguments))

    def request_crash(self, req, msg):
        """Fail in an unexpected way."""
        raise RuntimeError("The encoder does not answer")

    def request_whoami(self, req, msg):
        """Tell a client its address, in an inform of its own."""
        req.client_connection.inform(Message.inform("you-are", req.client_connection.address))
        return req.make_reply("ok")

    # --- the interface changes -------------------------------------------------------------------

    @request(Str(), Float(default=0.0))
    @return_reply()
    def request_fit_tiltmeter(self, req, name, value):
        """Add a sensor for a tiltmeter."""
        sensor = Sensor.float("tilt." + name, "Tilt measured by a tiltmeter", "arcsec")
        sensor.set_value(value)
        self.add_sensor(sensor)
        self.mass_inform(Message.inform("interface-changed", "sensor-list"))
        return ("ok",)

    @request(Str())
    @return_reply()
    def request_remove_tiltmeter(self, req, name):
        """Remove the sensor of a tiltmeter."""
        if not self.has_sensor("tilt." + name):
            raise FailReply("There is no tiltmeter " + name)
        self.remove_sensor("tilt." + name)
        self.mass_inform(Message.inform("interface-changed", "sensor-list"))
        return ("ok",)

    # --- from clients ----------------------------------------------------------------------------

    def inform_clock_sync(self, conn, msg):
        """Take note of a clock."""
        self.clock_syncs.append(float(msg.arguments[0]))


class HintingPositioner(AntennaPositioner):
    """Tells clients how long its requests may take."""

    PROTOCOL_INFO = ProtocolFlags(5, 1, [ProtocolFlags.MULTI_CLIENT, ProtocolFlags.MESSAGE_IDS,
                                         ProtocolFlags.REQUEST_TIMEOUT_HINTS])


class AsyncPositioner(AntennaPositioner):
    """Does everything in the thread of its loop."""

    def __init__(self, *args, **kwargs):
        super(AsyncPositioner, self).__init__(*args, **kwargs)
        self.set_concurrency_options(thread_safe=False, handler_thread=False)
