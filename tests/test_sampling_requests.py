from __future__ import absolute_import, division, print_function

import collections
import functools
import re
import threading
import time
import unittest

from tornado import gen

from katcp.compat import ConcurrentFuture
from katcp.errors import FailReply
from katcp.kattypes import Int, request, return_reply
from katcp.message import Message
from katcp.sampling import SampleStrategy, format_inform
from katcp.sensor import Sensor
from katcp.server.sensor_status import SensorReports, SensorStatus
from tests.support import mock
from tests.support.devices import Device4, Device5, Device51, ServerTests, in_all_modes
from tests.support.logs import LogRecorder


def status(timestamp, rest):
    return b"#sensor-status " + timestamp + b" 1 " + rest


def fail(text):
    return bytes(Message.reply("sensor-sampling", "fail", text))


class _SamplingTestCase(ServerTests):
    timestamp = b"12345.000000"

    def in_loop(self, fn, *args):
        """Return what fn(*args) returns in the loop's thread."""
        future = ConcurrentFuture()

        def run():
            try:
                future.set_result(fn(*args))
            except Exception as exc:
                future.set_exception(exc)

        self.server.ioloop.add_callback(run)
        return future.result(timeout=10)

    def query(self, client, name):
        answer, = client.ask(b"?sensor-sampling " + name)
        return answer.replace(b"!sensor-sampling ok " + name + b" ", b"")


class _Sampling(_SamplingTestCase):
    """Dialogues in which what follows does not depend on what went before."""

    INT = status(b"12345.000000", b"an.int nominal 3")
    FLOAT = status(b"12345.000000", b"a.float nominal 12.0")
    TS = status(b"12345.000000", b"a.ts nominal 99.500000")

    # arguments of the request, lines that come back
    dialogue = []
    # arguments of the request, regular expression that the text of the fail reply matches
    failures = []

    def test_dialogue(self):
        client = self.connect()
        for arguments, answer in self.dialogue:
            request = b" ".join([b"?sensor-sampling"] + arguments.split())
            self.assertEqual(client.ask(request), answer, arguments)

    def test_ids_are_in_replies_only(self):
        client = self.connect()
        for arguments, answer in self.dialogue:
            request = b" ".join([b"?sensor-sampling[8]"] + arguments.split())
            answer = answer[:-1] + [answer[-1].replace(b"!sensor-sampling", b"!sensor-sampling[8]")]
            self.assertEqual(client.ask(request), answer, arguments)

    def test_initial_informs_precede_replies_when_pipelined(self):
        client = self.connect()
        client.send(b"".join([b"?sensor-sampling " + arguments + b"\n" for arguments, _ in self.dialogue]))
        expected = sum([answer for _, answer in self.dialogue], [])
        self.assertEqual(client.lines(len(expected)), expected)

    def test_failures_leave_the_strategy_alone(self):
        client = self.connect()
        for name in b"an.int", b"a.float", b"a.disc", b"a.str", b"a.ts":
            client.ask(b"?sensor-sampling " + name + b" auto")
        conn, = self.server._client_conns
        before = dict(self.server._strategies[conn])
        for arguments, pattern in self.failures:
            reply, = client.ask(b"?sensor-sampling " + arguments)
            text = reply.replace(b"!sensor-sampling fail ", b"").replace(b"\\_", b" ").decode()
            self.assertTrue(re.match(pattern + r"\Z", text), (arguments, text))
            self.assertNotIn("\\n", text)
            self.assertEqual(dict(self.server._strategies[conn]), before)
        self.assertEqual(len(before), 5)


class _Sampling5(_Sampling):
    dialogue = [
        (b"an.int", [b"!sensor-sampling ok an.int none"]),
        (b"an.int none", [b"!sensor-sampling ok an.int none"]),
        (b"an.int auto", [_Sampling.INT, b"!sensor-sampling ok an.int auto"]),
        (b"an.int", [b"!sensor-sampling ok an.int auto"]),
        (b"an.int event", [_Sampling.INT, b"!sensor-sampling ok an.int event"]),
        (b"an.int event", [_Sampling.INT, b"!sensor-sampling ok an.int event"]),
        (b"an.int differential 2", [_Sampling.INT, b"!sensor-sampling ok an.int differential 2"]),
        (b"an.int event-rate 2 3", [_Sampling.INT, b"!sensor-sampling ok an.int event-rate 2 3"]),
        (b"an.int event-rate 0.50 inf", [_Sampling.INT, b"!sensor-sampling ok an.int event-rate 0.50 inf"]),
        (b"an.int differential-rate 2 1.5 2.5",
         [_Sampling.INT, b"!sensor-sampling ok an.int differential-rate 2 1.5 2.5"]),
        (b"an.int period 2.007e3", [_Sampling.INT, b"!sensor-sampling ok an.int period 2.007e3"]),
        (b"an.int period 1e30", [_Sampling.INT, b"!sensor-sampling ok an.int period 1e30"]),
        (b"an.int", [b"!sensor-sampling ok an.int period 1e30"]),
        (b"a.float differential 1.5", [_Sampling.FLOAT, b"!sensor-sampling ok a.float differential 1.5"]),
        (b"a.ts differential 4.12", [_Sampling.TS, b"!sensor-sampling ok a.ts differential 4.12"]),
        (b"a.str event", [status(b"12345.000000", b"a.str nominal hi\\_there"),
                          b"!sensor-sampling ok a.str event"]),
        (b"an.int none", [b"!sensor-sampling ok an.int none"]),
        (b"a.float none", [b"!sensor-sampling ok a.float none"]),
        (b"a.ts none", [b"!sensor-sampling ok a.ts none"]),
        (b"a.str none", [b"!sensor-sampling ok a.str none"]),
    ]
    failures = [
        (b"", "No sensor name given."),
        (b"\\@", "Unknown sensor name: ."),
        (b"nope", "Unknown sensor name: nope."),
        (b"nope event", "Unknown sensor name: nope."),
        (b"AN.INT", "Unknown sensor name: AN.INT."),
        (b"an.int,a.float", "Unknown sensor name: an.int,a.float."),
        (b"an.int,a.float event", "Unknown sensor name: an.int,a.float."),
        (b"an.int bogus", "Unknown strategy name: bogus."),
        (b"an.int EVENT", "Unknown strategy name: EVENT."),
        (b"an.int \\@", "Unknown strategy name: ."),
        (b"an.int none 1", "The 'none' strategy takes no parameters."),
        (b"an.int auto 1", "The 'auto' strategy takes no parameters."),
        (b"an.int event 1", "The 'event' strategy takes no parameters."),
        (b"an.int period", "The 'period' strategy takes one parameter. .*"),
        (b"an.int period 1 2", "The 'period' strategy takes one parameter. .*"),
        (b"an.int period 0", "The period must be a positive float in seconds. .*"),
        (b"an.int period -1", "The period must be a positive float in seconds. .*"),
        (b"an.int period nan", "The period must be a positive float in seconds. .*"),
        (b"an.int period inf", "The period must be a positive float in seconds. .*"),
        (b"an.int period foo", ".*foo.*"),
        (b"an.int differential", "The 'differential' strategy takes one parameter."),
        (b"an.int differential 0", "The diff amount must be a positive integer."),
        (b"an.int differential 1.5", ".*1.5.*"),
        (b"a.float differential nan", "The diff amount must be a positive float."),
        (b"a.ts differential -1", "The diff amount must be a positive number of seconds."),
        (b"a.disc differential 1", "The 'differential' strategy is only valid for .*"),
        (b"an.int event-rate", "The 'event-rate' strategy takes two parameters."),
        (b"an.int event-rate 2 1", "The shortest and longest periods must satisfy .*"),
        (b"an.int differential-rate 1 2", "The 'differential-rate' strategy takes three parameters."),
        (b"a.str differential-rate 1 1 2", "The differential-rate strategy can only be defined .*"),
    ]


class _Sampling4(_Sampling):
    device_class = Device4
    timestamp = b"12345000"

    INT = status(b"12345000", b"an.int nominal 3")
    TS = status(b"12345000", b"a.ts nominal 99500")

    dialogue = [
        (b"an.int", [b"!sensor-sampling ok an.int none"]),
        (b"an.int event", [INT, b"!sensor-sampling ok an.int event"]),
        (b"an.int auto", [INT, b"!sensor-sampling ok an.int auto"]),
        (b"an.int differential 2", [INT, b"!sensor-sampling ok an.int differential 2"]),
        (b"an.int period 1000000", [INT, b"!sensor-sampling ok an.int period 1000000"]),
        (b"an.int", [b"!sensor-sampling ok an.int period 1000000"]),
        (b"an.int period 2.007e7", [INT, b"!sensor-sampling ok an.int period 20070000"]),
        (b"an.int period 5000000.75", [INT, b"!sensor-sampling ok an.int period 5000000.75"]),
        # seconds here, as in later versions, although the values are in milliseconds
        (b"a.ts differential 4.12", [TS, b"!sensor-sampling ok a.ts differential 4.12"]),
        (b"an.int none", [b"!sensor-sampling ok an.int none"]),
        (b"a.ts none", [b"!sensor-sampling ok a.ts none"]),
    ]
    failures = [failure for failure in _Sampling5.failures if b"-rate" not in failure[0]] + [
        (b"an.int event-rate 1 2", "Strategy event-rate not allowed for version 4 of katcp"),
        (b"an.int differential-rate 1 1 2", "Strategy differential-rate not allowed for version 4 of katcp"),
    ]

    def test_periods_are_milliseconds(self):
        client = self.connect()
        client.ask(b"?sensor-sampling an.int period 1000")
        conn, = self.server._client_conns
        strategy, = self.server._strategies[conn].values()
        self.assertEqual(strategy._period, 1.0)

    def test_replies_do_not_lose_a_millisecond(self):
        client = self.connect()
        for period in [b"1000", b"1001", b"4007", b"9999999", b"123456789"]:
            reply = client.ask(b"?sensor-sampling a.disc period " + period)[-1]
            self.assertEqual(reply, b"!sensor-sampling ok a.disc period " + period)


class _Sampling51(_Sampling):
    device_class = Device51

    BOTH = [_Sampling.INT, _Sampling.FLOAT]
    dialogue = _Sampling5.dialogue + [
        (b"an.int,a.float event", BOTH + [b"!sensor-sampling ok an.int,a.float event"]),
        (b"a.float,an.int event", BOTH[::-1] + [b"!sensor-sampling ok a.float,an.int event"]),
        (b"an.int,a.float period 1e30", BOTH + [b"!sensor-sampling ok an.int,a.float period 1e30"]),
        (b"an.int", [b"!sensor-sampling ok an.int period 1e30"]),
        (b"a.float", [b"!sensor-sampling ok a.float period 1e30"]),
        (b"a.float period 3.14e9", [_Sampling.FLOAT, b"!sensor-sampling ok a.float period 3.14e9"]),
        (b"an.int", [b"!sensor-sampling ok an.int period 1e30"]),
        # named twice, sampled once
        (b"an.int,an.int period 1e30", [_Sampling.INT, b"!sensor-sampling ok an.int,an.int period 1e30"]),
        (b"an.int,a.float none", [b"!sensor-sampling ok an.int,a.float none"]),
        (b"a.float", [b"!sensor-sampling ok a.float none"]),
    ]
    failures = [
        (b"", "No sensor name given."),
        (b"\\@", "Unknown sensor name: ."),
        (b"nope", "Unknown sensor name: nope."),
        (b"nope event", r"Unknown sensor names: \['nope'\]\."),
        (b"an.int,a.float", r"Cannot query multiple sensors\."),
        (b"nope,nada", r"Cannot query multiple sensors\."),
        (b"an.int,nope,nada,nope event", r"Unknown sensor names: \['nope', 'nada', 'nope'\]\."),
        (b"an.int, event", r"Unknown sensor names: \[''\]\."),
        (b", event", r"Unknown sensor names: \['', ''\]\."),
        (b"\\@ event", r"Unknown sensor names: \[''\]\."),
        (b"an.int\\_ event", r"Unknown sensor names: \['an.int '\]\."),
        (b"an.int bogus", r"Invalid request: names \['an.int'\], strategy 'bogus', params \[\]\."),
        (b"an.int,a.float bogus 2.5 1",
         r"Invalid request: names \['an.int', 'a.float'\], strategy 'bogus', params \['2.5', '1'\]\."),
        (b"an.int \\@", r"Invalid request: names \['an.int'\], strategy '', params \[\]\."),
        (b"an.int auto 1", r"Invalid strategy requested: The 'auto' strategy takes no parameters\.\."),
        (b"an.int period 1 2", r"Invalid strategy requested: The 'period' strategy takes one parameter\. .*"),
        (b"an.int,a.disc differential 1", r"Invalid strategy requested: The 'differential' strategy is only "
                                          r"valid for float, integer and timestamp sensors\.\."),
        (b"an.int period nan", r"Invalid strategy requested: The period must be .*"),
    ]


for _base in _Sampling5, _Sampling4, _Sampling51:
    in_all_modes(globals(), _base)


class _Strategies(_SamplingTestCase):
    """What happens to strategies, on a running server."""

    device_class = Device51

    def test_updates_go_to_those_who_asked_for_them(self):
        samples, other = self.connect(), self.connect()
        samples.ask(b"?sensor-sampling an.int event")
        other.ask(b"?watchdog")
        sensor = self.server.get_sensor("an.int")
        sensor.set(1.0, Sensor.WARN, 4)
        self.assertEqual(samples.line(), status(b"1.000000", b"an.int warn 4"))
        sensor.set(2.0, Sensor.WARN, 4)
        sensor.set(3.0, Sensor.ERROR, 4)
        self.assertEqual(samples.line(), status(b"3.000000", b"an.int error 4"))
        self.assertEqual(other.ask(b"?watchdog"), [b"!watchdog ok"])

    def test_many_clients_get_the_same(self):
        clients = [self.connect() for _ in range(5)]
        for client in clients:
            client.ask(b"?sensor-sampling an.int,a.str auto")
        for number in range(20):
            self.server.get_sensor("an.int").set(float(number), Sensor.NOMINAL, number)
            self.server.get_sensor("a.str").set(float(number), Sensor.NOMINAL, "%d %d" % (number, number))
        for client in clients:
            for number in range(20):
                self.assertEqual(client.line(), status(b"%d.000000" % number, b"an.int nominal %d" % number))
                self.assertEqual(client.line(), status(b"%d.000000" % number,
                                                       b"a.str nominal %d\\_%d" % (number, number)))

    def test_a_reading_is_formatted_once(self):
        clients = [self.connect() for _ in range(5)]
        for client in clients:
            client.ask(b"?sensor-sampling an.int auto")
        sensor = self.server.get_sensor("an.int")
        with mock.patch.object(sensor, "format_reading", wraps=sensor.format_reading) as format_reading:
            sensor.set(1.0, Sensor.NOMINAL, 1)
            for client in clients:
                self.assertEqual(client.line(), status(b"1.000000", b"an.int nominal 1"))
            self.assertEqual(format_reading.call_count, 1)

    def test_a_value_that_may_change_in_place_is_formatted_each_time(self):
        sensor = self.server.get_sensor("a.str")
        value = [1]
        sensor.set(1.0, Sensor.NOMINAL, value)
        first, second = self.connect(), self.connect()
        self.assertEqual(first.ask(b"?sensor-sampling a.str auto")[0],
                         status(b"1.000000", b"a.str nominal [1]"))
        value.append(2)
        self.assertEqual(second.ask(b"?sensor-sampling a.str auto")[0],
                         status(b"1.000000", b"a.str nominal [1,\\_2]"))

    def test_a_report_that_cannot_be_made(self):
        client, other = self.connect(), self.connect()
        for each in client, other:
            each.ask(b"?sensor-sampling an.int auto")
        sensor = self.server.get_sensor("an.int")
        with LogRecorder() as log:
            for reading in ((1.0, Sensor.NOMINAL, "no integer"), (1.0, Sensor.NOMINAL, None),
                            (1.0, "no status", 1), (2.0, Sensor.NOMINAL, 2)):
                sensor.set(*reading)
            for each in client, other:
                for value in 3, 3, 3:
                    self.assertEqual(each.line(), status(b"1.000000", b"an.int unknown %d" % value))
                self.assertEqual(each.line(), status(b"2.000000", b"an.int nominal 2"))
            self.assertEqual(len(log.messages), 1)
            self.assertTrue(log.messages[0].startswith(
                "Sensor 'an.int' of type 'integer' cannot be read or sent; clients are told the status "
                "'unknown'. TypeError: "), log.messages)
            self.assertFalse(log.records[0].exc_info)
            # It is logged anew once it has been readable.
            sensor.set(3.0, Sensor.WARN, 1.5j)
            for each in client, other:
                self.assertEqual(each.line(), status(b"3.000000", b"an.int unknown 2"))
            self.assertEqual(len(log.messages), 2)

    def test_time_that_cannot_be_sent(self):
        client = self.connect()
        client.ask(b"?sensor-sampling an.int auto")
        self.server.get_sensor("an.int").set("noon", Sensor.NOMINAL, 4)
        words = client.line().split()
        self.assertLess(abs(float(words[1]) - time.time()), 60)
        self.assertEqual(words[2:], [b"1", b"an.int", b"unknown", b"3"])

    def test_clear(self):
        client, other = self.connect(), self.connect()
        for each in client, other:
            each.ask(b"?sensor-sampling an.int,a.float event")
        self.assertEqual(client.ask(b"?sensor-sampling-clear surplus"),
                         [b"!sensor-sampling-clear fail Too\\_many\\_parameters\\_given."])
        self.assertEqual(self.query(client, b"an.int"), b"event")
        self.assertEqual(client.ask(b"?sensor-sampling-clear[3]"), [b"!sensor-sampling-clear[3] ok"])
        self.assertEqual(self.query(client, b"an.int"), b"none")
        self.assertEqual(self.query(other, b"an.int"), b"event")
        self.assertEqual(client.ask(b"?sensor-sampling-clear"), [b"!sensor-sampling-clear ok"])
        self.server.get_sensor("an.int").set(1.0, Sensor.NOMINAL, 1)
        self.assertEqual(other.line(), status(b"1.000000", b"an.int nominal 1"))
        self.assertEqual(client.ask(b"?sensor-sampling an.int event")[0],
                         status(b"1.000000", b"an.int nominal 1"))

    def test_clear_strategies(self):
        client = self.connect()
        client.ask(b"?sensor-sampling an.int period 0.125")
        conn, = self.server._client_conns
        self.assertRaises(AssertionError, self.server.clear_strategies, conn)
        self.in_loop(self.server.clear_strategies, conn)
        self.assertEqual(self.server._strategies, {conn: {}})
        client.send(b"?sensor-sampling an.int\n")
        self.assertEqual(client.until(b"!")[-1], b"!sensor-sampling ok an.int none")
        self.assertEqual(client.ask(b"?sensor-sampling an.int period 100")[-1],
                         b"!sensor-sampling ok an.int period 100")
        self.in_loop(self.server.clear_strategies, "unknown client")
        self.in_loop(self.server.clear_strategies, conn, True)
        self.assertEqual(self.server._strategies, {})

    def test_nothing_is_left_of_a_client(self):
        sensor = self.server.get_sensor("an.int")
        client = self.connect()
        client.ask(b"?sensor-sampling an.int event")
        self.assertEqual(len(sensor._observers), 1)
        gone = threading.Event()
        on_client_disconnect = self.server.on_client_disconnect

        def hook(*args):
            result = on_client_disconnect(*args)
            gone.set()
            return result

        self.server.on_client_disconnect = hook
        client.close()
        self.assertTrue(gone.wait(10))
        self.assertEqual(self.server._strategies, {})
        self.assertEqual(self.server._client_conns, set())
        self.assertEqual(sensor._observers, set())

    def test_nothing_is_left_after_stop(self):
        sensor = self.server.get_sensor("an.int")
        self.connect().ask(b"?sensor-sampling an.int event-rate 1 2")
        self.server.stop().result(timeout=10)
        self.assertEqual(self.server._strategies, {})
        self.assertEqual(sensor._observers, set())
        sensor.set_value(4)

    def test_a_client_that_has_vanished(self):
        msg = Message.request("sensor-sampling", "an.int", "event")
        req = mock.Mock(msg=msg)
        req.make_reply.side_effect = lambda *args: Message.reply_to_request(msg, *args)
        for arguments in ([b"an.int", b"event"], [b"an.int"]):
            msg.arguments = arguments
            reply = self.server.request_sensor_sampling(req, msg).result(timeout=10)
            self.assertEqual(reply, Message.reply("sensor-sampling", "fail", "Client is not connected."))
        self.assertEqual(self.server.get_sensor("an.int")._observers, set())
        self.assertEqual(self.server._strategies, {})

    def test_removed_sensor(self):
        client = self.connect()
        sensor = self.server.get_sensor("an.int")
        client.ask(b"?sensor-sampling an.int event")
        self.server.remove_sensor("an.int")
        self.server.sync_with_ioloop(timeout=10)
        self.assertEqual(sensor._observers, set())
        self.assertEqual(client.ask(b"?sensor-sampling an.int event")[-1],
                         fail("Unknown sensor names: ['an.int']."))
        self.server.add_sensor(sensor)
        self.assertEqual(self.query(client, b"an.int"), b"none")
        self.assertEqual(client.ask(b"?sensor-sampling an.int event"),
                         [status(self.timestamp, b"an.int nominal 3"), b"!sensor-sampling ok an.int event"])
        sensor.set(1.0, Sensor.NOMINAL, 1)
        self.assertEqual(client.line(), status(b"1.000000", b"an.int nominal 1"))

    def test_replaced_sensor(self):
        client, other = self.connect(), self.connect()
        client.ask(b"?sensor-sampling an.int differential-rate 2 0 1000")
        old = self.server.get_sensor("an.int")
        new = Sensor.integer("an.int")
        new.set(1.0, Sensor.NOMINAL, 7)
        self.server.add_sensor(new)
        self.assertEqual(client.line(), status(b"1.000000", b"an.int nominal 7"))
        self.assertEqual(old._observers, set())
        old.set_value(1000)
        new.set(2.0, Sensor.NOMINAL, 10)
        self.assertEqual(client.line(), status(b"2.000000", b"an.int nominal 10"))
        self.assertEqual(self.query(client, b"an.int"), b"differential-rate 2 0 1000")
        self.assertEqual(self.query(other, b"an.int"), b"none")
        self.server.add_sensor(new)
        self.assertEqual(self.query(client, b"an.int"), b"differential-rate 2 0 1000")

    def test_a_client_may_sample_the_new_sensor_before_the_old_ones_strategies_are_moved(self):
        client = self.connect()
        client.ask(b"?sensor-sampling an.int differential 2")
        old = self.server.get_sensor("an.int")
        new = self.server._sensors["an.int"] = Sensor.integer("an.int")
        client.ask(b"?sensor-sampling an.int event")
        self.in_loop(self.server._move_sampling, old, new)
        self.assertEqual(self.query(client, b"an.int"), b"event")
        self.assertEqual((len(old._observers), len(new._observers)), (0, 1))

    def test_a_sensor_named_often_costs_one_strategy(self):
        client = self.connect()
        with mock.patch.object(SampleStrategy, "get_strategy",
                               side_effect=SampleStrategy.get_strategy) as get_strategy:
            client.ask(b"?sensor-sampling an.int,a.float,an.int,an.int event")
        self.assertEqual(get_strategy.call_count, 2)

    def test_replaced_by_a_sensor_that_the_strategy_does_not_suit(self):
        client = self.connect()
        client.ask(b"?sensor-sampling an.int differential 2")
        old = self.server.get_sensor("an.int")
        self.server.add_sensor(Sensor.string("an.int"))
        self.assertEqual(self.query(client, b"an.int"), b"none")
        self.assertEqual(old._observers, set())

    def test_a_short_period_does_not_keep_others_waiting(self):
        client, other = self.connect(), self.connect()
        client.ask(b"?sensor-sampling an.int period 1e-9")
        for _ in range(20):
            self.assertEqual(other.ask(b"?watchdog"), [b"!watchdog ok"])
        self.assertEqual(client.ask(b"?sensor-sampling an.int none")[-1], b"!sensor-sampling ok an.int none")
        self.assertEqual(client.ask(b"?watchdog"), [b"!watchdog ok"])

    def test_period(self):
        client = self.connect()
        client.ask(b"?sensor-sampling an.int period 0.03125")
        self.assertEqual(client.lines(5), [status(self.timestamp, b"an.int nominal 3")] * 5)

    def test_handlers_may_be_made_coroutines(self):
        # Only the future that comes of one matters.
        future = ConcurrentFuture()
        self.server._handle_sensor_sampling = lambda req, msg: future
        msg = Message.request("sensor-sampling")
        outcome = self.server.request_sensor_sampling(mock.Mock(msg=msg), msg)
        future.set_result("reply")
        self.assertEqual(outcome.result(timeout=10), "reply")

    def test_coroutines_may_yield_what_they_override(self):
        seen = []

        @gen.coroutine
        def override(original, req, msg):
            try:
                reply = yield original(req, msg)
            except FailReply as exc:
                seen.append(str(exc))
                raise
            seen.append(reply.name)
            raise gen.Return(reply)

        for name in ("_handle_sensor_sampling", "_handle_bulk_set_sensor_sampling"):
            setattr(self.server, name, functools.partial(override, getattr(self.server, name)))
        client = self.connect()
        for arguments, answer in (("an.int", "ok an.int none"), ("an.int auto", "ok an.int auto"),
                                  ("an.int none", "ok an.int none"),
                                  ("nope", "fail Unknown\\_sensor\\_name:\\_nope.")):
            self.assertEqual(client.ask(("?sensor-sampling " + arguments).encode())[-1],
                             ("!sensor-sampling " + answer).encode())
        self.assertEqual(seen, ["sensor-sampling"] * 3 + ["Unknown sensor name: nope."])


in_all_modes(globals(), _Strategies)


class _Directly(_SamplingTestCase):
    """The handlers called in the test's own thread, with stand-ins for request and client."""

    device_class = Device51

    def setUp(self):
        super(_Directly, self).setUp()
        self.client = mock.Mock()
        self.server._strategies[self.client] = {}

    def call(self, *arguments):
        msg = Message.request("sensor-sampling", *arguments)
        req = mock.Mock(msg=msg, client_connection=self.client)
        req.make_reply.side_effect = lambda *args: Message.reply_to_request(msg, *args)
        future = self.server.request_sensor_sampling(req, msg)
        self.assertIsInstance(future, ConcurrentFuture)
        return future.result(timeout=10)

    def informs(self):
        return [call[0][0] for call in self.client.inform.call_args_list]

    def assert_fails(self, text, *arguments):
        with self.assertRaises(FailReply) as caught:
            self.call(*arguments)
        self.assertEqual(str(caught.exception), text)

    def test_set_and_query(self):
        self.assertEqual(self.call("an.int", "event"),
                         Message.reply("sensor-sampling", "ok", "an.int", "event"))
        self.assertEqual(self.informs(), [
            Message.inform("sensor-status", "12345.000000", 1, "an.int", "nominal", 3)])
        strategy = self.server._strategies[self.client][self.server.get_sensor("an.int")]
        self.assertIsInstance(strategy, SampleStrategy)
        self.assertIs(strategy.ioloop, self.server.ioloop)
        self.assertEqual(self.call("an.int"), Message.reply("sensor-sampling", "ok", "an.int", "event"))
        self.call("an.int", "none")
        self.assertEqual(self.server._strategies[self.client], {})

    def test_bulk_informs_in_order_of_the_names(self):
        self.call("an.int,a.float", "event")
        self.assertEqual([inform.arguments[2:] for inform in self.informs()],
                         [[b"an.int", b"nominal", b"3"], [b"a.float", b"nominal", b"12.0"]])

    def test_failure_changes_nothing(self):
        self.call("an.int,a.disc", "event")
        before = dict(self.server._strategies[self.client])
        self.assert_fails("Unknown sensor names: ['nope'].", "an.int,nope", "auto")
        self.assert_fails("Invalid strategy requested: The 'differential' strategy is only valid for float, "
                          "integer and timestamp sensors..", "an.int,a.disc", "differential", "1")
        self.assertEqual(dict(self.server._strategies[self.client]), before)
        self.assertEqual(self.server.get_sensor("an.int")._observers,
                         {before[self.server.get_sensor("an.int")]})

    def test_any_two_level_mapping_will_do(self):
        self.server._strategies = collections.defaultdict(lambda: {})
        self.client = mock.Mock()
        self.assertEqual(self.call("an.int"), Message.reply("sensor-sampling", "ok", "an.int", "none"))
        self.assertEqual(self.call("an.int", "period", "1.5"),
                         Message.reply("sensor-sampling", "ok", "an.int", "period", "1.5"))
        self.assertEqual(self.server._strategies[self.client][self.server.get_sensor("an.int")]._period, 1.5)
        self.in_loop(self.server.clear_strategies, self.client)

    def test_a_client_whose_inform_fails(self):
        self.client.inform.side_effect = ValueError("no")
        with mock.patch("katcp.sample_strategy.log"):
            self.assertEqual(self.call("an.int", "event"),
                             Message.reply("sensor-sampling", "ok", "an.int", "event"))

    def test_clear_calls_clear_strategies(self):
        conn = mock.Mock(spec=["reply", "inform"])
        self.server.clear_strategies = mock.Mock()
        try:
            done = self.server.handle_message(conn, Message.request("sensor-sampling-clear"))
            done.result(timeout=10)
            self.server.sync_with_ioloop(timeout=10)
            self.server.clear_strategies.assert_called_once_with(conn)
            (reply, _), _ = conn.reply.call_args
            self.assertEqual(reply, Message.reply("sensor-sampling-clear", "ok"))
        finally:
            del self.server.clear_strategies


in_all_modes(globals(), _Directly)


class _Order(_SamplingTestCase):
    """Reports and what a handler sends come in the order in which the handler brought them about."""

    class device_class(Device5):
        @request(Int())
        @return_reply()
        def request_put(self, req, value):
            """Set a sensor."""
            req.inform("before")
            self.get_sensor("an.int").set(12345, Sensor.NOMINAL, value)
            req.inform("after")
            return ("ok",)

    def test_order(self):
        client = self.connect()
        client.ask(b"?sensor-sampling an.int event")
        values = range(100, 150)
        client.send(b"".join([b"?put %d\n" % value for value in values]))
        expected = []
        for value in values:
            expected += [b"#put before", status(b"12345.000000", b"an.int nominal %d" % value), b"#put after",
                         b"!put ok"]
        self.assertEqual(client.lines(len(expected)), expected)


in_all_modes(globals(), _Order)


class TestSensorStatus(unittest.TestCase):
    def test_is_like_the_message(self):
        message = Message.inform("sensor-status", 1.5, 1, "a b", "nominal", "")
        sensor_status = SensorStatus.from_message(message)
        self.assertEqual(sensor_status, message)
        self.assertEqual(bytes(sensor_status), b"#sensor-status 1.5 1 a\\_b nominal \\@")
        self.assertEqual(str(sensor_status), str(message))
        self.assertEqual(repr(sensor_status), repr(message))


class TestSensorReports(unittest.TestCase):
    def check(self, sensor, major=5):
        reading = sensor.read()
        reports = SensorReports()
        message = reports.report(sensor, reading, major)
        expected = format_inform(sensor, reading, major)
        self.assertEqual(message, expected)
        self.assertEqual(bytes(message), bytes(expected))
        self.assertTrue(reports.reading is reading and reports.message is message)

    def test_reports_are_like_plain_messages(self):
        for value in ("plain", "", "a b", "\\", "\0", "\n", "\r", "\x1b", "\t", u"\u00e9"):
            for name in ("a.name", "a name", u"n\u00e4me"):
                self.check(Sensor.string(name, default=value))
        for value in (0, -5, 10 ** 30):
            self.check(Sensor.integer("an.int", default=value))
        for value in (1.5, float("nan"), float("-inf")):
            self.check(Sensor.float("a.float", default=value), 4)
        self.check(Sensor.timestamp("a.time", default=12.345), 4)

    def test_renamed_sensor(self):
        sensor, reports = Sensor.integer("a.name"), SensorReports()
        reports.report(sensor, sensor.read(), 5)
        sensor.name = "other.name"
        sensor.set(1.0, Sensor.WARN, 7)
        self.assertEqual(bytes(reports.report(sensor, sensor.read(), 5)),
                         b"#sensor-status 1.000000 1 other.name warn 7")


class TestStoppedServer(unittest.TestCase):
    def test_sensors_come_and_go_before_start(self):
        server = Device5("", 0)
        sensor = server.get_sensor("an.int")
        server.remove_sensor(sensor)
        self.assertFalse(server.has_sensor("an.int"))
        server.add_sensor(sensor)
        server.add_sensor(Sensor.integer("an.int"))
        self.assertRaises(KeyError, server.remove_sensor, "nope")

    def test_clear_strategies_wants_the_loop_thread(self):
        self.assertRaises(AssertionError, Device5("", 0).clear_strategies, mock.Mock())
