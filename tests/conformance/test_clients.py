"""What the specification says about clients, tested with those of the library."""

from __future__ import absolute_import, division, print_function

import logging

import tornado.testing

from katcp.client import AsyncClient, BlockingClient, CallbackClient, DeviceClient
from katcp.compat import PY2
from katcp.core import Message, ProtocolFlags, Sensor
from tests.conformance.cases import covers
from tests.support.client_cases import LIMIT, CapturedLog, Recorder, ThreadedTestCase
from tests.support.resource_cases import ResourceTestCase
from tests.support.scripted_server import V4_GREETING, V5_GREETING

CLIENTS = (DeviceClient, AsyncClient, BlockingClient, CallbackClient)


class TestMessages(ThreadedTestCase):
    """Sections 2 and 2.1."""

    def receive(self, client_class, *lines):
        """Have a client receive lines and, last, an inform; return what it sent and the texts it logged."""
        server = self.make_server()
        with CapturedLog("katcp", level=logging.INFO) as log:
            client = self.start_client(client_class, server)
            received = Recorder()
            client.unhandled_inform = received
            server.wait_for_connection().send(b"".join([line + b"\n" for line in lines]) + b"#last\n")
            received.wait()
            # Whatever was sent because of the lines precedes this.
            self.in_loop(client, client.send_message, Message.inform("last"))
            server.wait_for(lambda server: b"#last" in server.lines)
        return server.lines[:server.lines.index(b"#last")], log.messages

    @covers("2-silent-client", "2-client-logs")
    def test_bad_messages_and_unexpected_replies(self):
        for client_class in CLIENTS:
            sent, logged = self.receive(client_class, b"^what-is-this", b"!unexpected[5] ok")
            self.assertEqual(sent, [])
            for text in ("Bad type character", "!unexpected[5] ok"):
                self.assertTrue([message for message in logged if text in message], logged)

    @covers("2-reply-from-client", "2-no-unasked-replies")
    def test_requests_are_not_replied_to(self):
        for client_class in CLIENTS:
            requests = []

            class Client(client_class):
                def unhandled_request(self, msg):
                    requests.append(msg.__bytes__())

            sent, logged = self.receive(client_class, b"?watchdog", b"?no-such-request[7] x")
            self.assertEqual(sent, [])
            self.assertTrue([message for message in logged if "?no-such-request[7] x" in message], logged)
            self.assertEqual(self.receive(Client, b"?watchdog", b"?no-such-request[7] x")[0], [])
            self.assertEqual(requests, [b"?watchdog", b"?no-such-request[7] x"])

    @covers("2-symmetric")
    def test_requests_with_handlers(self):
        class Client(AsyncClient):
            def request_ping(self, msg):
                """Reply."""
                return Message.reply("ping", "ok")

        self.assertEqual(self.receive(Client, b"?ping[3]")[0], [b"!ping[3] ok"])

    @covers("2.1-blank-lines")
    def test_blank_lines(self):
        for client_class in CLIENTS:
            sent, logged = self.receive(client_class, b"", b" \t", b"\r", b" ")
            self.assertEqual(sent, [])
            self.assertFalse([message for message in logged if "BAD" in message], logged)


class TestIds(ThreadedTestCase):
    """Section 2.2."""

    def ask(self, greeting, last_id=0):
        """Have a client make three requests after a greeting; return what was sent, and the client."""
        server = self.make_server(greeting)
        client = self.start_client(BlockingClient, server)
        if greeting:
            self.assertTrue(client.wait_protocol(LIMIT))
        client._last_msg_id = last_id
        for _ in range(3):
            self.assertTrue(client.blocking_request(Message.request("watchdog"), timeout=LIMIT)[0].reply_ok())
        return server.lines, client

    @covers("2.2-client-makes-ids", "2.2-client-looks")
    def test_ids_of_clients(self):
        self.assertEqual(self.ask(V5_GREETING)[0], [b"?watchdog[1]", b"?watchdog[2]", b"?watchdog[3]"])
        self.assertEqual(self.ask(V5_GREETING, last_id=2 ** 31 - 2)[0],
                         [b"?watchdog[2147483647]", b"?watchdog[1]", b"?watchdog[2]"])

    @covers("2.2-client-looks", "2.2-no-version-connect", "1-deprecated-modules")
    def test_no_ids(self):
        for greeting in (b"", V4_GREETING, b"#version-connect katcp-protocol 5.0-M\n"):
            self.assertEqual(self.ask(greeting)[0], [b"?watchdog"] * 3)

    @covers("2.2-range")
    def test_ids_of_users_are_sent_as_they_are(self):
        lines, client = self.ask(V5_GREETING)
        for mid in (0, 2 ** 31, "007"):
            reply, _ = client.blocking_request(Message.request("watchdog", mid=mid), timeout=LIMIT)
            self.assertTrue(reply.reply_ok())
        self.assertEqual(lines[-3:], [b"?watchdog[0]", b"?watchdog[2147483648]", b"?watchdog[007]"])

    @covers("4.2-more-flags", "4.2-more-versions", "4.2.1-clients")
    def test_greetings(self):
        for greeting, expected in (
                (b"#version-connect a.part 1.0\n#version-connect katcp-protocol 5.2-IMXZ\n", "5.2-IMXZ"),
                (b"#version-connect katcp-library a\n#version-connect katcp-protocol 5.0\n", "5.0"),
                (V4_GREETING, "4.0")):
            client = self.ask(greeting)[1]
            self.assertEqual(str(client.protocol_flags), expected)
        self.assertTrue(ProtocolFlags(5, 2, b"X").supports(b"X"))


class TestSensors(ResourceTestCase):
    """Section 7, with high-level clients."""

    @tornado.testing.gen_test
    def check_reading(self, stype, value, expected, params=()):
        """Compare the value of a sensor after an update, of status nominal."""
        self.device.sensors[b"a.sensor"] = (b"A sensor.", b"", stype) + params
        resource = yield self.synced_resource()
        self.device.update(b"a.sensor", value)
        yield self.until(lambda: resource.sensor.a_sensor.reading.timestamp == 12346)
        self.assertEqual(resource.sensor.a_sensor.reading.value, expected)
        self.assertEqual(resource.sensor.a_sensor.reading.istatus, Sensor.NOMINAL)

    @covers("7.2-beyond-range")
    def test_values_beyond_the_range(self):
        self.check_reading(b"integer", b"100", 100, (b"0", b"10"))

    @covers("7.2-ranges")
    def test_four_parameters(self):
        self.check_reading(b"float", b"12", 12.0, (b"0", b"10", b"-5", b"15"))

    @covers("7-no-value")
    @tornado.testing.gen_test
    def test_readings_without_value(self):
        resource = yield self.synced_resource()
        for timestamp, status in enumerate((b"unknown", b"failure", b"unreachable", b"inactive"), 20):
            self.device.update(b"an.int", b"", timestamp=b"%d" % timestamp, status=status)
            yield self.until(lambda: resource.sensor.an_int.reading.timestamp == timestamp)
            reading = resource.sensor.an_int.reading
            self.assertEqual((reading.status, reading.value), (status.decode("ascii"), None))

    @covers("3-string-sensors")
    @tornado.testing.gen_test
    def test_string_that_is_not_text(self):
        self.device.sensors[b"a.sensor"] = (b"A sensor.", b"", b"string")
        resource = yield self.synced_resource()
        self.device.update(b"a.sensor", b"\xff\xfe", timestamp=b"5")
        self.device.update(b"an.int", b"4", timestamp=b"6")
        yield self.until(lambda: resource.sensor.an_int.reading.timestamp == 6)
        reading = resource.sensor.a_sensor.reading
        self.assertEqual((reading.timestamp, reading.value), (5, b"\xff\xfe") if PY2 else (0, None))

    @covers("7-name-characters")
    @tornado.testing.gen_test
    def test_other_characters_in_names(self):
        self.device.sensors[b"an odd!name"] = (b"Odd.", b"", b"integer")
        resource = yield self.synced_resource()
        self.device.update(b"an odd!name", b"4")
        yield self.until(lambda: resource.sensor["an odd!name"].reading.timestamp == 12346)
        self.assertEqual(resource.sensor["an odd!name"].reading.value, 4)

    @covers("7.3-several")
    @tornado.testing.gen_test
    def test_informs_about_several_sensors(self):
        resource = yield self.synced_resource()
        self.device.inform(Message.inform(
            "sensor-status", 7, 2, "an.int", "warn", 4, "a.string", "nominal", "x"))
        yield self.until(lambda: resource.sensor.a_string.reading.timestamp == 7)
        self.assertEqual(resource.sensor.a_string.reading.value, "x")
        self.assertEqual(resource.sensor.an_int.reading.value, 4)

    @covers("4.2-interface-changed-forms")
    @tornado.testing.gen_test
    def test_changes_of_the_interface(self):
        resource = yield self.synced_resource()
        for number, arguments in enumerate([
                (), ("sensor-list",), ("request-list",), ("sensor", "an.int", "modified"),
                ("sensor", "sensor-2", "added"), ("request", "watchdog", "removed")]):
            name = "sensor-%d" % number
            self.device.sensors[name.encode("ascii")] = (b"New.", b"", b"boolean")
            self.device.inform(Message.inform("interface-changed", *arguments))
            yield resource.until_state("syncing")
            yield resource.until_synced()
            self.assertIn(name.replace("-", "_"), resource.sensor)


class TestVersion4(ResourceTestCase):
    protocol = b"4.0-M"

    @covers("7.2-period-v4-client")
    @tornado.testing.gen_test
    def test_periods_are_sent_as_they_are_given(self):
        resource = yield self.synced_resource()
        yield resource.set_sampling_strategy("an.int", "period 0.5")
        self.assertEqual(self.device.samplings, ["an.int period 0.5"])
