"""A device that can be inspected, every byte and every moment of which is up to the test."""

from __future__ import absolute_import, division, print_function

import re

from katcp.message import Message, MessageParser
from tests.support.scripted_server import ScriptedServer

GREETING = b"#version-connect katcp-protocol %s\n"


class InspectableDevice(object):
    """Answers ``?help``, ``?sensor-list`` and ``?request-timeout-hint`` from dicts, other requests with ok.

    Parameters
    ----------
    protocol : bytes, optional
        What it says that it speaks.

    Attributes
    ----------
    requests : dict
        Name to description, all bytes.
    sensors : dict
        Name to the tuple of description, units, type and parameters, all bytes.
    hints : dict
        Name of a request to its timeout hint, all bytes.
    broken : dict
        Name of a request (native str) to the arguments with which it is answered instead.
    held : set
        Names of requests (native str) that are not answered until `release`.
    server : ScriptedServer
    """

    def __init__(self, protocol=b"5.0-MI", port=0):
        self.requests = {b"help": b"Tell what one can do.\n", b"watchdog": b"Say that one lives."}
        self.sensors = {b"an.int": (b"An Integer.", b"count", b"integer", b"-5", b"5"),
                        b"a.string": (b"A String.", b"", b"string")}
        self.hints = {}
        self.broken = {}
        self.held = set()
        self._unanswered = []
        self.server = ScriptedServer(GREETING % protocol, self._answer, port)

    @property
    def address(self):
        """Where to connect to."""
        return self.server.address

    @property
    def asked(self):
        """Everything that was asked for, without message ids, as native str."""
        return [re.sub(br"\[\d+\]", b"", line).decode("ascii") for line in self.server.lines]

    def stop(self):
        """Close everything."""
        self.server.stop()

    def inform(self, *messages):
        """Send messages to the latest client, in one piece."""
        self.server.wait_for_connection().send(b"".join([msg.__bytes__() + b"\n" for msg in messages]))

    def interface_changed(self):
        """Tell that the interface has changed."""
        self.inform(Message.inform("interface-changed"))

    def release(self):
        """Answer everything that was held, and hold nothing more."""
        self.held.clear()
        unanswered, self._unanswered = self._unanswered, []
        self.server.wait_for_connection().send(b"".join([self._answer(line) for line in unanswered]))

    def _answer(self, line):
        msg = MessageParser().parse(line)
        if msg.name in self.held:
            self._unanswered.append(line)
            return b""
        if msg.name in self.broken:
            messages = [Message.reply(msg.name, *self.broken[msg.name])]
        else:
            respond = getattr(self, "_" + msg.name.replace("-", "_"), None)
            messages = [Message.reply(msg.name, "ok")] if respond is None else respond(*msg.arguments)
        for message in messages:
            message.mid = msg.mid
        return b"".join([message.__bytes__() + b"\n" for message in messages])

    def _help(self, name=None):
        return self._listing("help", name, b"Unknown request method.",
                             dict((key, (text,)) for key, text in self.requests.items()))

    def _sensor_list(self, name=None):
        return self._listing("sensor-list", name, b"Unknown sensor name.", self.sensors)

    def _request_timeout_hint(self, name=None):
        if name is not None:
            return self._listing("request-timeout-hint", name, b"Unknown request method.",
                                 {name: (self.hints.get(name, b"0"),)} if name in self.requests else {})
        return self._listing("request-timeout-hint", None, b"",
                             dict((key, (hint,)) for key, hint in self.hints.items()))

    @staticmethod
    def _listing(request, name, unknown, items):
        if name is not None:
            if name not in items:
                return [Message.reply(request, "fail", unknown)]
            items = {name: items[name]}
        return ([Message.inform(request, key, *items[key]) for key in sorted(items)]
                + [Message.reply(request, "ok", len(items))])
