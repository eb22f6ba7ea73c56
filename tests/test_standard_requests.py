from __future__ import absolute_import, division, print_function

import logging
import re
import threading
import unittest

from tornado import gen

import katcp
from katcp.compat import ConcurrentFuture
from katcp.errors import FailReply
from katcp.kattypes import request_timeout_hint
from katcp.message import Message
from katcp.sensor import Sensor
from katcp.server import DeviceServer
from katcp.server.connections import ClientRequestConnection
from tests.support import mock
from tests.support.devices import Device4, Device5, Device51, ServerTestCase, ServerTests, in_all_modes
from tests.support.logs import LogRecorder
from tests.support.loop_contents import note_futures_given_to

STANDARD_REQUESTS = ["client-list", "halt", "help", "log-level", "restart", "sensor-list",
                     "sensor-sampling", "sensor-sampling-clear", "sensor-value", "version-list",
                     "watchdog"]

SENSOR_LIST = [
    b"a.disc A\\_Discrete. \\@ discrete one two",
    b"a.float A\\_Float. \\@ float -123.4 123.4",
    b"a.str A\\_String. \\@ string",
    b"a.ts A\\_Timestamp. \\@ timestamp",
    b"an.int An\\_Integer. count integer -5 5",
]
SENSOR_VALUES = [
    b"1 a.disc nominal one",
    b"1 a.float nominal 12.0",
    b"1 a.str nominal hi\\_there",
    b"1 a.ts nominal 99.500000",
    b"1 an.int nominal 3",
]
SENSOR_VALUES_4 = [value.replace(b"99.500000", b"99500") for value in SENSOR_VALUES]


class Queue(object):
    def __init__(self):
        self.items = []

    def put_nowait(self, item):
        self.items.append(item)


class _StandardRequests(ServerTests):
    """Each request with what comes back, as it is on the wire."""

    # request, lines that come back; a message id in the request is expected in all of them
    dialogue = [
        (b"?watchdog", [b"!watchdog ok"]),
        (b"?watchdog surplus", [b"!watchdog ok"]),
        (b"?no-such", [b"!no-such invalid Unknown\\_request."]),
        (b"?help no-such", [b"!help fail Unknown\\_request\\_method."]),
        (b"?help \\@", [b"!help fail Unknown\\_request\\_method."]),
        (b"?log-level", [b"!log-level ok warn"]),
        (b"?log-level trace", [b"!log-level ok trace"]),
        (b"?log-level", [b"!log-level ok trace"]),
        (b"?log-level all surplus", [b"!log-level ok all"]),
        (b"?log-level off", [b"!log-level ok off"]),
        (b"?log-level fatal", [b"!log-level ok fatal"]),
        (b"?log-level bogus", [b"!log-level fail Unknown\\_logging\\_level\\_name\\_'bogus'"]),
        (b"?log-level \\@", [b"!log-level fail Unknown\\_logging\\_level\\_name\\_''"]),
        (b"?log-level", [b"!log-level ok fatal"]),
        (b"?restart", [b"!restart fail No\\_restart\\_queue\\_registered\\_--\\_cannot\\_restart."]),
        (b"?sensor-list", [b"#sensor-list " + line for line in SENSOR_LIST] + [b"!sensor-list ok 5"]),
        (b"?sensor-list //", [b"#sensor-list " + line for line in SENSOR_LIST] + [b"!sensor-list ok 5"]),
        (b"?sensor-list /", [b"#sensor-list " + line for line in SENSOR_LIST] + [b"!sensor-list ok 5"]),
        (b"?sensor-list an.int", [b"#sensor-list " + SENSOR_LIST[4], b"!sensor-list ok 1"]),
        (b"?sensor-list an.int a.float", [b"#sensor-list " + SENSOR_LIST[4], b"!sensor-list ok 1"]),
        (b"?sensor-list /t$/", [b"#sensor-list " + SENSOR_LIST[1], b"#sensor-list " + SENSOR_LIST[4],
                                b"!sensor-list ok 2"]),
        (b"?sensor-list /^int/", [b"!sensor-list ok 0"]),
        (b"?sensor-list /an.int", [b"!sensor-list fail Unknown\\_sensor\\_name."]),
        (b"?sensor-list an", [b"!sensor-list fail Unknown\\_sensor\\_name."]),
        (b"?sensor-list \\@", [b"!sensor-list fail Unknown\\_sensor\\_name."]),
        (b"?sensor-value no.such", [b"!sensor-value fail Unknown\\_sensor\\_name."]),
        (b"?sensor-value /^int/", [b"!sensor-value ok 0"]),
    ]
    sensor_values = SENSOR_VALUES
    timestamp = b"12345.000000"

    def full_dialogue(self):
        values = [b"#sensor-value " + self.timestamp + b" " + value for value in self.sensor_values]
        return self.dialogue + [
            (b"?sensor-value", values + [b"!sensor-value ok 5"]),
            (b"?sensor-value //", values + [b"!sensor-value ok 5"]),
            (b"?sensor-value a.ts", [values[3], b"!sensor-value ok 1"]),
            (b"?sensor-value /^a/", values + [b"!sensor-value ok 5"]),
            (b"?sensor-value /^a\\\\./", values[:4] + [b"!sensor-value ok 4"]),
        ]

    def test_dialogue(self):
        client = self.connect()
        for request, answer in self.full_dialogue():
            self.assertEqual(client.ask(request), answer)

    def test_ids_come_back_in_every_dialect(self):
        client = self.connect()
        for mid, (request, answer) in enumerate(self.full_dialogue(), 17):
            request, answer = [
                [line.replace(line.split(b" ")[0], line.split(b" ")[0] + b"[%d]" % mid, 1)
                 for line in lines] for lines in ([request], answer)]
            self.assertEqual(client.ask(request[0]), answer)

    def test_pipelined(self):
        client = self.connect()
        dialogue = self.full_dialogue()
        client.send(b"".join([request + b"\n" for request, _ in dialogue]))
        expected = sum([answer for _, answer in dialogue], [])
        self.assertEqual(client.lines(len(expected)), expected)

    def requests(self):
        return STANDARD_REQUESTS

    def test_help(self):
        client = self.connect()
        informs = client.ask(b"?help")
        self.assertEqual(informs.pop(), b"!help ok %d" % len(self.requests()))
        self.assertEqual([inform.split(b" ")[1].decode() for inform in informs], self.requests())
        doc = DeviceServer.request_watchdog.__doc__
        self.assertEqual(informs[-1], bytes(Message.inform("help", "watchdog", doc)))

    def test_help_on_each_request(self):
        client = self.connect()
        for name in self.requests():
            doc = self.server._request_handlers[name].__doc__
            self.assertEqual(client.ask(b"?help[5] " + name.encode()), [
                bytes(Message.inform("help", name, doc.strip(), mid=5)), b"!help[5] ok 1"])

    def test_client_list(self):
        first, second = self.connect(), self.connect()
        second.ask(b"?watchdog")
        expected = {b"#client-list[3] " + first.name, b"#client-list[3] " + second.name}
        lines = first.ask(b"?client-list[3]")
        self.assertEqual(set(lines[:2]), expected)
        self.assertEqual(lines[2:], [b"!client-list[3] ok 2"])

    def test_restart(self):
        queue = Queue()
        self.server.set_restart_queue(queue)
        client = self.connect()
        self.assertEqual(client.ask(b"?restart[1]"), [b"!restart[1] ok"])
        self.assertEqual(queue.items, [self.server])
        self.assertEqual(client.ask(b"?watchdog"), [b"!watchdog ok"])

    def test_restart_with_a_full_queue(self):
        self.server.set_restart_queue(mock.Mock(put_nowait=mock.Mock(side_effect=ValueError("full"))))
        line, = self.connect().ask(b"?restart")
        self.assertTrue(line.startswith(b"!restart fail Traceback"), line)
        self.assertTrue(line.endswith(b"ValueError:\\_full\\n"), line)

    def test_halt(self):
        client, other = self.connect(), self.connect()
        other.ask(b"?watchdog")
        client.send(b"?halt[1] surplus\n")
        bye = b"#disconnect Device\\_server\\_shutting\\_down.\n"
        self.assertEqual(client.rest().rstrip(b"\n") + b"\n", b"!halt[1] ok\n" + bye)
        self.assertEqual(other.rest().rstrip(b"\n") + b"\n", bye)
        self.server.join(timeout=10)
        self.assertFalse(self.server.running())

    def test_halt_gives_the_loop_no_future(self):
        returned = note_futures_given_to(self.server.ioloop)
        with LogRecorder() as log:
            self.assertEqual(self.connect().ask(b"?halt"), [b"!halt ok"])
            self.server.join(timeout=10)
        self.assertFalse(self.server.running())
        self.assertEqual(returned, [])
        self.assertEqual([record.getMessage() for record in log.records
                          if record.levelno > logging.INFO or record.exc_info], [])

    def test_halt_with_a_stop_that_fails_later(self):
        @gen.coroutine
        def fail(timeout):
            yield gen.moment
            raise ValueError("Stuck")

        returned = note_futures_given_to(self.server.ioloop)
        stop = self.server.stop
        self.server.stop = fail
        try:
            with LogRecorder(self.server._logger.name) as log:
                client = self.connect()
                self.assertEqual(client.ask(b"?halt"), [b"!halt ok"])
                client.ask(b"?watchdog")
                client.ask(b"?watchdog")
                for _ in range(1000):
                    if log.records and log.records[-1].exc_info:
                        break
                    client.ask(b"?watchdog")
        finally:
            self.server.stop = stop
        errors = [record for record in log.records if record.exc_info]
        self.assertEqual([str(record.exc_info[1]) for record in errors], ["Stuck"])
        self.assertEqual(returned, [])

    def test_halt_uses_the_public_stop(self):
        stop = self.server.stop
        called = threading.Event()

        def record(*args, **kwargs):
            self.assertEqual((args, kwargs), ((), {"timeout": None}))
            self.assertTrue(self.server._server.in_ioloop_thread())
            called.set()
        self.server.stop = record
        try:
            self.assertEqual(self.connect().ask(b"?halt"), [b"!halt ok"])
            self.assertTrue(called.wait(10))
        finally:
            self.server.stop = stop

    def test_log_levels(self):
        client, other = self.connect(), self.connect()
        other.ask(b"?watchdog")
        client.ask(b"?log-level debug")
        self.server.log.trace("not this one")
        with mock.patch("katcp.server.time.time", return_value=1234):
            self.server.log.debug("A message")
        timestamp = b"1234000" if self.timestamp == b"12345000" else b"1234.000000"
        for each in client, other:
            self.assertEqual(each.line(), b"#log debug " + timestamp + b" root A\\_message")

    def test_sensors_at_run_time(self):
        client = self.connect()
        sensor = Sensor.boolean("a.bool", "A Boolean.")
        sensor.set(5.0, Sensor.WARN, True)
        self.server.add_sensor(sensor)
        self.assertEqual(client.ask(b"?sensor-list a.bool"),
                         [b"#sensor-list a.bool A\\_Boolean. \\@ boolean", b"!sensor-list ok 1"])
        sensor.description = "Another description."
        sensor.units = "bit"
        self.assertEqual(client.ask(b"?sensor-list a.bool"),
                         [b"#sensor-list a.bool Another\\_description. bit boolean", b"!sensor-list ok 1"])
        self.assertEqual(client.ask(b"?sensor-value a.bool")[0].split(b" ")[2:],
                         [b"1", b"a.bool", b"warn", b"1"])
        self.server.remove_sensor("a.bool")
        self.assertEqual(client.ask(b"?sensor-list a.bool"), [b"!sensor-list fail Unknown\\_sensor\\_name."])

    def test_many_sensors(self):
        names = ["many.%03d" % number for number in range(600)]
        for name in names:
            self.server.add_sensor(Sensor.integer(name))
        client = self.connect()
        for request in b"?sensor-list[7]", b"?sensor-value[8]":
            lines = client.ask(request + b" /many/")
            self.assertEqual(lines.pop(), b"!" + request[1:] + b" ok 600")
            self.assertEqual(set([line.split(b" ")[0] for line in lines]), {b"#" + request[1:]})
            self.assertEqual(sorted(re.findall(r"many\.\d+ ", b" ".join(lines).decode())),
                             [name + " " for name in names])

    def test_sensors_that_compute_their_value_when_read(self):
        class Polled(Sensor):
            def read(self):
                return 1.0, Sensor.NOMINAL, 42

        self.server.add_sensor(Polled(Sensor.INTEGER, "polled"))
        value = self.connect().ask(b"?sensor-value polled")[0]
        self.assertEqual(value.split(b" ")[2:], [b"1", b"polled", b"nominal", b"42"])


class _StandardRequests5(_StandardRequests):
    dialogue = _StandardRequests.dialogue + [
        (b"?version-list surplus", [
            b"#version-list katcp-protocol 5.0-IM",
            ("#version-list katcp-library katcp-python-%s %s" % ((katcp.__version__,) * 2)).encode(),
            b"#version-list katcp-device dev-api-5.6 dev-build-1.2g",
            b"!version-list ok 3"]),
        (b"?request-timeout-hint", [b"!request-timeout-hint invalid Unknown\\_request."]),
    ]

    def test_extra_versions(self):
        self.server.extra_versions["pump"] = ("pump-3", None)
        self.server.extra_versions["fan"] = ("fan-1.0", "fan-1.0.5")
        self.assertEqual(self.connect().ask(b"?version-list")[3:], [
            b"#version-list fan fan-1.0 fan-1.0.5", b"#version-list pump pump-3", b"!version-list ok 5"])


class _StandardRequests4(_StandardRequests):
    device_class = Device4
    dialogue = _StandardRequests.dialogue + [
        (b"?version-list", [b"!version-list invalid Unknown\\_request."]),
        (b"?request-timeout-hint", [b"!request-timeout-hint invalid Unknown\\_request."]),
    ]
    sensor_values = SENSOR_VALUES_4
    timestamp = b"12345000"

    def requests(self):
        return [name for name in STANDARD_REQUESTS if name != "version-list"]


class _StandardRequests51(_StandardRequests):
    device_class = Device51
    dialogue = _StandardRequests.dialogue + [
        (b"?request-timeout-hint", [b"!request-timeout-hint ok 0"]),
        (b"?request-timeout-hint \\@", [b"!request-timeout-hint ok 0"]),
        (b"?request-timeout-hint help", [
            b"#request-timeout-hint help 0.0", b"!request-timeout-hint ok 1"]),
        (b"?request-timeout-hint no-such", [b"!request-timeout-hint fail Unknown\\_request\\_method"]),
        (b"?request-timeout-hint help surplus", [
            b"!request-timeout-hint fail Too\\_many\\_parameters\\_given."]),
    ]

    def requests(self):
        return sorted(STANDARD_REQUESTS + ["request-timeout-hint"])

    def test_timeout_hints(self):
        handlers = self.server._request_handlers = dict(self.server._request_handlers)

        @request_timeout_hint(99)
        def slow(server, req, msg):
            """Be slow."""

        handlers["very-slow"] = slow
        handlers["help"] = request_timeout_hint(25.5)(lambda server, req, msg: None)
        handlers["watchdog"] = request_timeout_hint(None)(lambda server, req, msg: None)
        client = self.connect()
        self.assertEqual(client.ask(b"?request-timeout-hint"), [
            b"#request-timeout-hint help 25.5", b"#request-timeout-hint very-slow 99.0",
            b"!request-timeout-hint ok 2"])
        self.assertEqual(client.ask(b"?request-timeout-hint watchdog"), [
            b"#request-timeout-hint watchdog 0.0", b"!request-timeout-hint ok 1"])


for _base in _StandardRequests5, _StandardRequests4, _StandardRequests51:
    in_all_modes(globals(), _base)


class HandlersTestCase(unittest.TestCase):
    """Handlers of a server that was never started, called directly."""

    device_class = Device5

    def setUp(self):
        self.server = self.device_class("", 0)

    def call(self, name, *arguments):
        """Call a handler with a stand-in for its `req`; return (reply, list of informs' arguments)."""
        msg = Message.request(name, *arguments)
        req = mock.Mock(msg=msg)
        req.make_reply.side_effect = lambda *args: Message.reply_to_request(msg, *args)
        handler = getattr(self.server, "request_" + name.replace("-", "_"))
        reply = handler(req, msg)
        return reply, [call[0] for call in req.inform.call_args_list]


class TestHandlersDirectly(HandlersTestCase):
    def test_plain_handlers_return_messages(self):
        for name, arguments in (("help", ["ok", 11]), ("watchdog", ["ok"]), ("log-level", ["ok", "warn"]),
                                ("client-list", ["ok", 0]), ("sensor-list", ["ok", 5]),
                                ("sensor-value", ["ok", 5]), ("version-list", ["ok", 3])):
            reply, _ = self.call(name)
            self.assertEqual(reply, Message.reply(name, *arguments))

    def test_informs_go_through_req(self):
        _, informs = self.call("sensor-value", "an.int")
        self.assertEqual(informs, [(b"12345.000000", b"1", "an.int", b"nominal", b"3")])
        _, informs = self.call("help", "watchdog")
        self.assertEqual(informs, [("watchdog", DeviceServer.request_watchdog.__doc__.strip())])

    def test_informs_go_through_the_inform_method_of_a_subclass(self):
        class Req(ClientRequestConnection):
            informs = []

            def inform(self, *args):
                self.informs.append(Message.reply_inform(self.msg, *args))

        for name, count in (("sensor-list", 5), ("sensor-value", 5), ("help", 11), ("version-list", 3)):
            Req.informs = []
            msg = Message.request(name, mid=7)
            getattr(self.server, "request_" + name.replace("-", "_"))(Req(None, msg), msg)
            self.assertEqual([(inform.name, inform.mid) for inform in Req.informs], [(name, b"7")] * count)

    def test_informs_go_through_the_inform_method_of_a_connection(self):
        class Connection(object):
            informs = []

            def inform(self, msg):
                self.informs.append(msg)

        msg = Message.request("sensor-list", "/t$/", mid=7)
        self.server.request_sensor_list(ClientRequestConnection(Connection(), msg), msg)
        self.assertEqual(Connection.informs, [
            Message.inform("sensor-list", "a.float", "A Float.", "", "float", -123.4, 123.4, mid=7),
            Message.inform("sensor-list", "an.int", "An Integer.", "count", "integer", -5, 5, mid=7)])

    def test_informs_go_through_the_inform_of_one_request(self):
        msg = Message.request("sensor-list")
        req = ClientRequestConnection(None, msg)
        req.inform = mock.Mock()
        self.server.request_sensor_list(req, msg)
        self.assertEqual(req.inform.call_count, 5)

    def test_no_informs_after_the_reply(self):
        msg = Message.request("sensor-list")
        req = ClientRequestConnection(mock.Mock(), msg)
        req.reply("ok")
        self.assertRaises(RuntimeError, self.server.request_sensor_list, req, msg)

    def test_restart(self):
        with self.assertRaises(FailReply) as caught:
            self.call("restart")
        self.assertEqual(str(caught.exception), "No restart queue registered -- cannot restart.")
        self.server.set_restart_queue(Queue())
        future, _ = self.call("restart")
        self.assertEqual(future.result(), Message.reply("restart", "ok"))

    def test_requests_that_need_a_loop_say_so(self):
        for name in "halt", "sensor-sampling", "sensor-sampling-clear":
            self.assertRaises(RuntimeError, self.call, name)

    def test_help_needs_nothing_but_a_table_of_handlers(self):
        function = DeviceServer.__dict__["request_help"]

        class Other(object):
            def __init__(self):
                self._request_handlers = {"zoo": function, "abc": None.__class__.__repr__}

            request_help = function

        msg = Message.request("help")
        req = mock.Mock(msg=msg)
        req.make_reply.side_effect = lambda *args: Message.reply_to_request(msg, *args)
        self.assertEqual(Other().request_help(req, msg), Message.reply("help", "ok", 2))
        self.assertEqual([call[0][0] for call in req.inform.call_args_list], ["abc", "zoo"])

    def test_help_on_a_handler_without_docstring(self):
        handlers = self.server._request_handlers = {"bare": lambda server, req, msg: None}
        self.assertEqual(self.call("help"), (Message.reply("help", "ok", 1), [("bare", "None")]))
        self.assertEqual(self.call("help", "bare"), (Message.reply("help", "ok", 1), [("bare", "None")]))
        del handlers["bare"]
        self.assertEqual(self.call("help"), (Message.reply("help", "ok", 0), []))

    def test_one_line_for_a_bad_pattern(self):
        for pattern in ("/(/", "/[/", "/*/", "/a{2,1}/", "/(?P<x/", "/" + "(" * 5000 + ")" * 5000 + "/",
                        "/a{99999999999999999999}/", "/(\n/"):
            for name in "sensor-list", "sensor-value":
                try:
                    self.call(name, pattern)
                except FailReply as exc:
                    self.assertTrue(str(exc).startswith("Invalid regular expression "), str(exc))
                    self.assertNotIn("\n", str(exc))
                else:
                    self.assertEqual(pattern[:3], "/((", pattern)

    def test_client_list_is_taken_of_a_copy(self):
        conns = self.server._client_conns
        for i in range(5):
            conns.add(mock.Mock(address="host:%d" % i))
        msg = Message.request("client-list")
        req = mock.Mock(msg=msg)
        req.make_reply.side_effect = lambda *args: Message.reply_to_request(msg, *args)
        req.inform.side_effect = lambda address: conns.add(mock.Mock(address="host:x"))
        self.assertEqual(self.server.request_client_list(req, msg), Message.reply("client-list", "ok", 5))

    def test_sensors_may_come_while_they_are_listed(self):
        class Prolific(Sensor):
            def read(polled):
                self.server.add_sensor(Sensor.integer("x%d" % len(self.server.get_sensors())))
                return 1.0, Sensor.NOMINAL, 2

        for name in "b.1", "b.2":
            self.server.add_sensor(Prolific(Sensor.INTEGER, name))
        reply, _ = self.call("sensor-value")
        self.assertEqual(reply, Message.reply("sensor-value", "ok", 7))

    def test_sensor_list_informs_can_be_overridden(self):
        send = self.server._send_sensor_value_informs = mock.Mock()
        self.call("sensor-list", "an.int")
        (_, sensors), _ = send.call_args
        self.assertEqual(sensors, [("an.int", self.server.get_sensor("an.int"))])


class TestReturnTypes(ServerTestCase):
    def call(self, name, *arguments):
        msg = Message.request(name, *arguments)
        req = mock.Mock(msg=msg)
        req.make_reply.side_effect = lambda *args: Message.reply_to_request(msg, *args)
        return getattr(self.server, "request_" + name.replace("-", "_"))(req, msg)

    def test_halt(self):
        future = self.call("halt")
        self.assertIsInstance(future, ConcurrentFuture)
        self.assertEqual(future.result(timeout=10), Message.reply("halt", "ok"))
        self.server.join(timeout=10)
        self.assertFalse(self.server.running())

    def test_halt_within_a_handler_that_replies_itself(self):
        def request_bye(server, req, msg):
            """Say good-bye."""
            server.request_halt(req, msg)
            return req.make_reply("ok", "bye")

        self.server._request_handlers = dict(self.server._request_handlers, bye=request_bye)
        client = self.connect()
        client.send(b"?bye[4]\n")
        self.assertEqual(client.rest().split(b"\n")[:2], [
            b"!bye[4] ok bye", b"#disconnect Device\\_server\\_shutting\\_down."])
