"""What the tests of conformance have in common: which statements they test, and a device."""

from __future__ import absolute_import, division, print_function

import unittest

from katcp.compat import lossy_str
from katcp.core import FailReply, Message, ProtocolFlags, Sensor
from katcp.kattypes import (Address, Bool, Float, Int, Lru, Str, StrictTimestamp, Timestamp,
                            TimestampOrNow, request, return_reply)
from tests.conformance.statements import BY_KEY
from tests.support.devices import FLAGS, Device5, ServerTests


def covers(*keys):
    """Return a decorator that notes down which statements a test tests; all must exist."""
    for key in keys:
        BY_KEY[key]

    def decorate(test):
        test.statements = keys
        return test

    return decorate


class Device(Device5):
    """A device with handlers for arguments of each type, and with some that reply strangely."""

    def setup_sensors(self):
        super(Device, self).setup_sensors()
        for sensor, value in (
                (Sensor.boolean("a.bool", "A Boolean."), True),
                (Sensor.lru("an.lru", "A Line-Replaceable Unit."), Sensor.LRU_NOMINAL),
                (Sensor.address("an.address", "An Address."), ("127.0.0.1", 80)),
                (Sensor.float("a.range", "A Float with two ranges.", "", [0.0, 10.0, -5.0, 15.0]), 1.0),
                (Sensor.integer("unbounded", "An Integer without range."), 7)):
            sensor.set(12345.0, Sensor.NOMINAL, value)
            self.add_sensor(sensor)
        self.log_text = "a message"

    @return_reply(Str())
    def request_checked(self, req, msg):
        """Return the arguments as a reply that is checked."""
        return tuple(lossy_str(argument) for argument in msg.arguments)

    @request(StrictTimestamp())
    @return_reply(StrictTimestamp())
    def request_strict(self, req, value):
        """Return a strict timestamp."""
        return "ok", value

    @request(Int())
    @return_reply(Int())
    def request_int(self, req, value):
        """Return an integer."""
        return "ok", value

    @request(Float())
    @return_reply(Float())
    def request_float(self, req, value):
        """Return a float."""
        return "ok", value

    @request(Bool())
    @return_reply(Bool())
    def request_bool(self, req, value):
        """Return a boolean."""
        return "ok", value

    @request(Lru())
    @return_reply(Lru())
    def request_lru(self, req, value):
        """Return an LRU."""
        return "ok", value

    @request(Timestamp())
    @return_reply(Timestamp())
    def request_timestamp(self, req, value):
        """Return a timestamp."""
        return "ok", value

    @request(TimestampOrNow())
    @return_reply(TimestampOrNow())
    def request_when(self, req, value):
        """Return a timestamp or now."""
        return "ok", value

    @request(Address())
    @return_reply(Address())
    def request_address(self, req, value):
        """Return an address."""
        return "ok", value

    @request(Str())
    @return_reply(Str())
    def request_str(self, req, value):
        """Return a string."""
        return "ok", value

    def request_echo(self, req, msg):
        """Return all arguments as they are."""
        return req.make_reply("ok", *msg.arguments)

    def request_reply_with(self, req, msg):
        """Return a reply that consists of the arguments."""
        return req.make_reply(*msg.arguments)

    def request_twice(self, req, msg):
        """Reply twice."""
        req.reply("ok", 1)
        return req.make_reply("ok", 2)

    def request_UPPER(self, req, msg):
        """Have a name in capitals."""
        return req.make_reply("ok")

    def request_fail(self, req, msg):
        """Fail, in a language other than English."""
        raise FailReply(u"d\xe9sol\xe9")

    def request_raise(self, req, msg):
        """Raise an exception."""
        raise ValueError("a reason")

    def request_impersonate(self, req, msg):
        """Send an inform of any name, which is no part of this request's reply."""
        req.client_connection.inform(Message.inform(lossy_str(msg.arguments[0]), *msg.arguments[1:]))
        return req.make_reply("ok")

    def request_log(self, req, msg):
        """Log a message at each level, and one at the two that are not for messages."""
        for level in range(self.log.TRACE, self.log.OFF):
            self.log.log(level, "a %s", self.log.level_name(level), name="a.logger")
        return req.make_reply("ok")

    def request_log_at(self, req, msg):
        """Log a message at the given level."""
        self.log.log(self.log.level_from_name(msg.arguments[0]), self.log_text)
        return req.make_reply("ok")


# No flags at all: by the specification a device for a single client, without message ids.
NO_FLAGS = ProtocolFlags(5, 0, [])


def device_class(protocol):
    """Return the device in a dialect: a key of `devices.FLAGS`, or flags."""
    flags = protocol if isinstance(protocol, ProtocolFlags) else FLAGS[protocol]
    return type("Device", (Device,), {"PROTOCOL_INFO": flags})


class DeviceTestCase(ServerTests, unittest.TestCase):
    """A test case with a device of version 5.0 and a client that has read the greeting."""

    device_class = Device

    def setUp(self):
        super(DeviceTestCase, self).setUp()
        self.client = self.connect()

    def restart_as(self, protocol):
        """Replace the device by one that speaks another dialect; the client is a new one."""
        self.stop_server()
        self.device_class = device_class(protocol)
        self.setUp()

    def check(self, *dialogue):
        """Compare what requests are answered with: pairs of a line, and a line or a list of them."""
        for line, expected in dialogue:
            expected = expected if isinstance(expected, list) else [expected]
            self.assertEqual(self.client.ask(line), expected, line)

    def assert_fails(self, line, code=b"fail"):
        """Check that a request is answered by a failure and one text, and nothing else."""
        answer = self.client.ask(line)
        self.assertEqual(len(answer), 1, answer)
        fields = answer[0].split(b" ")
        self.assertEqual(fields[1], code, answer)
        self.assertEqual(len(fields), 3, answer)
        return fields[2]
