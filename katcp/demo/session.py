"""The client's part of the demo: look at a device, call requests, watch sensors."""

from __future__ import absolute_import, division, print_function

import socket
import sys
import time

from katcp.client import BlockingClient
from katcp.compat import lossy_str
from katcp.core import Message
from katcp.demo.control import control

# Seconds for a connection, and for a device to say something in KATCP.
CONNECT_TIMEOUT = 5
ANSWER_TIMEOUT = 10
# How much is shown of a device nobody knows beforehand.
MAX_LISTED = 25
MAX_WATCHED = 10
MAX_WIDTH = 110


class DemoError(Exception):
    """Something the person at the terminal should read."""


class _Client(BlockingClient):
    """Prints the sensor updates that arrive."""

    watching_since = None

    def inform_sensor_status(self, msg):
        """Show an update: ``#sensor-status timestamp count name status value`` (count is always 1)."""
        if self.watching_since is None or len(msg.arguments) < 5:
            return
        name, status, value = msg.arguments[2:5]
        _show("  {:5.2f} s  {:<24} {:<8} {}".format(
            time.time() - self.watching_since, lossy_str(name), lossy_str(status), lossy_str(value)))


def _show(line):
    try:
        print(line)
    except UnicodeEncodeError:  # a terminal that cannot show what the device said
        print(line.encode("ascii", "backslashreplace").decode("ascii"))
    sys.stdout.flush()


def _show_short(line):
    _show(line if len(line) <= MAX_WIDTH else line[:MAX_WIDTH - 3] + "...")


def _count(things, noun):
    return "{} {}{}".format(len(things), noun, "" if len(things) == 1 else "s")


class Session(object):
    """One visit to a device.

    Parameters
    ----------
    host : str
    port : int
    own : bool, optional
        Whether the device is the demo's own, of which more is known than that it speaks KATCP.
    """

    def __init__(self, host, port, own=False):
        self._host, self._port, self._own = host, port, own
        self._client = None

    def run(self, seconds):
        """Do the whole visit, watching sensors for `seconds`; raises DemoError where it cannot."""
        self._check_listens()
        self._client = _Client(self._host, self._port, timeout=ANSWER_TIMEOUT, auto_reconnect=False)
        self._client.setDaemon(True)
        self._client.start(timeout=CONNECT_TIMEOUT)
        try:
            self._greet()
            self._list_requests()
            sensors = self._list_sensors()
            if self._own:
                self._call_requests()
            self._watch(sensors, seconds)
        finally:
            self._client.stop()
            self._client.join(timeout=CONNECT_TIMEOUT)
        if self._own and not control(self._host, self._port, _show):
            raise DemoError("the device did not do what it was told")
        _show("done")

    def _check_listens(self):
        """Find out why, where the device cannot be reached; the client would only go on trying."""
        try:
            socket.create_connection((self._host, self._port), CONNECT_TIMEOUT).close()
        except (OSError, IOError) as error:
            raise DemoError("cannot connect to {}:{}: {}".format(
                self._host, self._port, getattr(error, "strerror", None) or error))

    def _ask(self, name, *args, **kwargs):
        reply, informs = self._client.blocking_request(Message.request(name, *args), **kwargs)
        return reply, informs

    def _said(self, reply):
        return " ".join(lossy_str(argument) for argument in reply.arguments)

    def _greet(self):
        not_katcp = DemoError("{}:{} does not answer as a KATCP device".format(self._host, self._port))
        if not self._client.wait_connected(CONNECT_TIMEOUT):
            raise not_katcp
        # Any reply will do: it is KATCP that is asked for, not this request.  Whatever a device tells about
        # itself it tells before.
        reply, _ = self._ask("watchdog", timeout=CONNECT_TIMEOUT)
        if not self._client.is_connected() or "timed out" in self._said(reply):
            raise not_katcp
        flags = self._client.protocol_flags
        _show("connected to {}:{}, KATCP {}".format(
            self._host, self._port, flags if flags is not None else "of a version it does not tell"))
        for name, values in sorted(dict(self._client.versions).items()):
            _show("  {}: {}".format(name, " ".join(values)))

    def _list_requests(self):
        reply, informs = self._ask("help")
        _show("\n" + _count(informs, "request"))
        for inform in informs[:MAX_LISTED]:
            words = [lossy_str(argument) for argument in inform.arguments] + [""]
            summary = words[1].strip().split("\n")[0]
            _show_short("  ?{:<24} {}".format(words[0], summary))
        self._show_left_out(informs)

    def _list_sensors(self):
        reply, informs = self._ask("sensor-list")
        _show("\n" + _count(informs, "sensor"))
        for inform in informs[:MAX_LISTED]:
            name, description, units, kind = ([lossy_str(a) for a in inform.arguments] + [""] * 4)[:4]
            _show_short("  {:<24} {:<10} {:<6} {}".format(name, kind, units, description))
        self._show_left_out(informs)
        return [(inform.arguments[0], inform.arguments[3]) for inform in informs
                if len(inform.arguments) >= 4]

    def _show_left_out(self, informs):
        if len(informs) > MAX_LISTED:
            _show("  ... and {} more".format(len(informs) - MAX_LISTED))

    def _call_requests(self):
        _show("\nrequests")
        for words in (["add", 1, 2], ["reverse", "one", "two", "three"], ["add", 1, "x"],
                      ["point", 200, 45], ["point", 10, 80]):
            started = time.time()
            reply, _ = self._ask(*words)
            _show("  ?{:<22} -> {}   ({:.1f} ms)".format(
                " ".join(str(word) for word in words), self._said(reply), (time.time() - started) * 1e3))

    def _strategies(self, sensors):
        """Pairs of a sensor's name and the words of a strategy for it."""
        if self._own:
            second = self._client.convert_seconds(1)
            return [("mode", ["event"]), ("on-target", ["auto"]), ("wind-speed", ["differential", 2]),
                    ("steps", ["period", second]), ("azimuth", ["event-rate", 0.5, 2])]
        # Every version of the protocol has these two.
        return [(name, ["event"] if kind in (b"discrete", b"boolean", b"lru", b"string") else ["auto"])
                for name, kind in sensors[:MAX_WATCHED]]

    def _watch(self, sensors, seconds):
        strategies = self._strategies(sensors)
        if not strategies:
            _show("\nno sensors to watch")
            return
        _show("\nsensors, as they change, for {:g} seconds".format(seconds))
        self._client.watching_since = started = time.time()
        for name, words in strategies:
            reply, _ = self._ask("sensor-sampling", name, *words)
            if not reply.reply_ok():
                _show("  cannot sample {}: {}".format(lossy_str(name), self._said(reply)))
        if self._own:
            self._ask("point", -10, 60)
        self._client.wait_disconnected(max(0.01, seconds - (time.time() - started)))
        if not self._client.is_connected():
            raise DemoError("the device closed the connection")
        self._client.watching_since = None
        for name, _ in strategies:
            self._ask("sensor-sampling", name, "none")
