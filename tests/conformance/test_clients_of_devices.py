"""Section 8: several clients of one device."""

from __future__ import absolute_import, division, print_function

import unittest

from katcp.core import Sensor
from tests.conformance.cases import DeviceTestCase, covers
from tests.support.raw_client import RawClient


class TestSection8(DeviceTestCase):
    def setUp(self):
        super(TestSection8, self).setUp()
        self.other = self.connect()

    def assert_nothing_more(self, client):
        self.assertEqual(client.ask(b"?watchdog[99]"), [b"!watchdog[99] ok"])

    @covers("8-replies")
    def test_replies(self):
        self.client.ask(b"?help[5]")
        self.client.ask(b"?no-such-request")
        self.assert_nothing_more(self.other)

    @covers("8-greeting", "8.2-client-connected")
    def test_others_are_not_told_who_connects(self):
        self.connect()
        self.assert_nothing_more(self.client)
        self.assert_nothing_more(self.other)

    @covers("8.2-client-connected")
    def test_others_are_told_who_connects_if_the_device_wants_it(self):
        self.server.INFORM_CLIENT_CONNECTED = True
        newcomer = self.connect()
        for client in (self.client, self.other):
            line = client.line()
            self.assertTrue(line.startswith(b"#client-connected "), line)
            self.assertIn(newcomer.name, line)
        self.assert_nothing_more(newcomer)

    @covers("8-disconnect")
    def test_others_are_not_told_who_leaves(self):
        conns = dict((conn.address.encode("ascii"), conn) for conn in self.server._client_conns)
        self.server.ioloop.add_callback(conns[self.other.name].disconnect, "Go away.")
        self.assertEqual(self.other.rest().strip(), b"#disconnect Go\\_away.")
        self.assert_nothing_more(self.client)

    @covers("8-sampling", "9-sampling")
    def test_one_strategy_for_each_client(self):
        self.client.ask(b"?sensor-sampling an.int event")
        self.assertEqual(self.other.ask(b"?sensor-sampling an.int"), [b"!sensor-sampling ok an.int none"])
        self.other.ask(b"?sensor-sampling a.str event")
        self.client.ask(b"?sensor-sampling an.int auto")
        self.server.get_sensor("an.int").set(1, Sensor.NOMINAL, 4)
        self.server.get_sensor("a.str").set(2, Sensor.NOMINAL, "x")
        self.assertEqual(self.client.line(), b"#sensor-status 1.000000 1 an.int nominal 4")
        self.assertEqual(self.other.line(), b"#sensor-status 2.000000 1 a.str nominal x")
        self.assert_nothing_more(self.client)
        self.assert_nothing_more(self.other)

    @covers("8.1-client-list", "8.1-address")
    def test_client_list(self):
        lines = self.client.ask(b"?client-list")
        self.assertEqual(lines.pop(), b"!client-list ok 2")
        self.assertEqual(sorted(lines), sorted(
            b"#client-list " + client.name for client in (self.client, self.other)))


class TestIPv6(DeviceTestCase):
    @covers("8.1-address")
    def test_addresses_have_brackets(self):
        server = self.device_class("::1", 0)
        try:
            server.start(timeout=10)
        except EnvironmentError as error:
            raise unittest.SkipTest("no IPv6 here: {}".format(error))
        try:
            client = RawClient(server.bind_address[:2])
            client.lines(3)
            line = client.ask(b"?client-list")[0]
            self.assertTrue(line.startswith(b"#client-list [::1]:"), line)
            client.close()
        finally:
            server.stop(timeout=10).result(timeout=10)
            server.join(timeout=10)
