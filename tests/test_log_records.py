# -*- coding: utf-8 -*-
"""Records of the log are complete texts: handlers of users read ``record.msg`` and nothing else."""

from __future__ import absolute_import, division, print_function

import ast
import io
import logging
import os
import sys
import threading
import unittest
from functools import partial

from tornado import gen
from tornado.testing import AsyncTestCase, gen_test

import katcp
from katcp.client import CallbackClient
from katcp.compat import lossy_str
from katcp.errors import AsyncReply, FailReply
from katcp.kattypes import concurrent_reply
from katcp.log_records import record_text, traceback_text
from katcp.message import Message
from katcp.resource_client import KATCPClientResource
from katcp.sensor import Sensor
from katcp.testutils import DeviceTestServer
from tests.support.client_cases import dead_address
from tests.support.devices import Device5, ServerTests, in_all_modes
from tests.support.logs import LogRecorder
from tests.support.scripted_server import V5_GREETING, ScriptedServer

PACKAGE = os.path.dirname(os.path.abspath(katcp.__file__))
METHODS = frozenset(["debug", "info", "warning", "warn", "error", "exception", "critical", "fatal"])


class Broken(object):
    """Cannot be shown."""

    def __str__(self):
        raise RuntimeError("broken")

    __repr__ = __str__


class TestRecordText(unittest.TestCase):
    def test_fields(self):
        self.assertEqual(record_text("none"), "none")
        self.assertEqual(record_text("%s and %r", 1, "two"), "1 and 'two'")
        self.assertEqual(record_text("%s", (1, 2)), "(1, 2)")
        self.assertEqual(record_text("%s", "100%s"), "100%s")

    def test_it_is_a_native_string(self):
        for value in (u"\xe9", u"\xe9".encode("utf-8"), b"\xff"):
            self.assertIs(type(record_text("%s", value)), str)
            self.assertIs(type(record_text("%s %s", value, lossy_str(u"\xe9"))), str)
        self.assertIn(lossy_str(u"\xe9"), record_text("%s", u"\xe9"))

    def test_what_cannot_be_shown(self):
        shown = "<Broken that cannot be shown>"
        self.assertEqual(record_text("%s, %r: %s", Broken(), Broken(), "text"),
                         "%s, %s: text" % (shown, shown))

    def test_traceback(self):
        try:
            raise ValueError("boom")
        except ValueError:
            text = traceback_text(sys.exc_info(), 20)
        lines = text.split("\n")
        self.assertEqual(lines[:2], ["Traceback (most recent call last):", ""])
        self.assertEqual(lines[-2:], ["ValueError: boom", ""])


def logging_calls(tree):
    """Yield the calls of methods of loggers in a syntax tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            owner = node.func.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if name.rpartition("_")[2] in ("log", "logger"):
                yield node


class TestSource(unittest.TestCase):
    def test_loggers_are_given_complete_texts(self):
        seen, bad = 0, []
        for directory, _, names in os.walk(PACKAGE):
            for name in sorted(names):
                if not name.endswith(".py"):
                    continue
                path = os.path.join(directory, name)
                with io.open(path, "rb") as source:
                    tree = ast.parse(source.read(), path)
                for call in logging_calls(tree):
                    seen += 1
                    # The methods of DeviceLogger fill in templates themselves.
                    if len(call.args) != 1 and not path.endswith("device_log.py"):
                        bad.append("%s:%d" % (path, call.lineno))
        self.assertEqual(bad, [])
        self.assertGreater(seen, 100)

    def test_such_calls_are_noticed(self):
        def count(source):
            return len(list(logging_calls(ast.parse(source))))

        self.assertEqual(count('self._logger.error("x", 1)'), 1)
        self.assertEqual(count('log.debug("x %s", 1)\nic_logger.info("y")'), 2)
        self.assertEqual(count('future.exception()\nparser.error("z")'), 0)


class CompleteRecords(LogRecorder):
    """Listens at the root logger, as handlers of users do; fails at the end if a record is not complete."""

    def __init__(self):
        super(CompleteRecords, self).__init__()
        self.has_errors = threading.Event()

    def emit(self, record):
        super(CompleteRecords, self).emit(record)
        if record.levelno >= logging.ERROR:
            self.has_errors.set()

    def own(self):
        """The records of this library."""
        return [record for record in self.records if record.name.startswith("katcp")]

    def texts(self, level=0):
        """``(level name, msg)`` of the records of this library."""
        return [(record.levelname, record.msg) for record in self.own() if record.levelno >= level]

    def __exit__(self, exc_type, exc, tb):
        super(CompleteRecords, self).__exit__(exc_type, exc, tb)
        if exc_type is None:
            bad = [(record.name, record.msg, record.args) for record in self.own()
                   if record.args or type(record.msg) is not str]
            if bad:
                raise AssertionError("Records that are not complete: %r" % (bad,))


class TalkativeDevice(Device5):
    """Gives cause for records of all kinds."""

    greeting_fails = goodbye_fails = False

    def on_client_connect(self, conn):
        if self.greeting_fails:
            raise ValueError("no greeting")
        return super(TalkativeDevice, self).on_client_connect(conn)

    def on_client_disconnect(self, conn, msg, connection_valid):
        result = super(TalkativeDevice, self).on_client_disconnect(conn, msg, connection_valid)
        if self.goodbye_fails:
            raise ValueError("no goodbye")
        return result

    def request_good(self, req, msg):
        """Answer."""
        return req.make_reply("ok")

    def request_refuse(self, req, msg):
        """Refuse."""
        raise FailReply("100% of %s")

    def request_crash(self, req, msg):
        """Crash."""
        raise ValueError("100% of %s")

    def request_nothing(self, req, msg):
        """Return nothing."""

    def request_twice(self, req, msg):
        """Answer twice."""
        req.reply("ok")
        return req.make_reply("ok")

    def request_late(self, req, msg):
        """Answer later."""
        self.ioloop.add_callback(req.reply, "ok")
        raise AsyncReply()

    @gen.coroutine
    def request_future(self, req, msg):
        """Answer by a future."""
        yield gen.moment
        raise gen.Return(req.make_reply("ok"))

    @gen.coroutine
    def request_future_refuse(self, req, msg):
        """Refuse by a future."""
        yield gen.moment
        raise FailReply("no")

    @gen.coroutine
    def request_future_crash(self, req, msg):
        """Crash in a future."""
        yield gen.moment
        raise ValueError("boom")

    @concurrent_reply
    @gen.coroutine
    def request_concurrent(self, req, msg):
        """Answer by a future that nobody waits for."""
        yield gen.moment
        raise gen.Return(req.make_reply("ok"))

    def request_old(self, req, msg):
        """Send an inform as was usual once."""
        self.inform(req, Message.inform("old"))
        self.reply_inform(req, Message.inform("old"), msg)
        self.reply(req, Message.reply("old", "ok"), msg)
        raise AsyncReply()

    def request_say(self, req, msg):
        """Log."""
        self.log.warn("Pump %d is %s", 3, "slow")
        self.log.warn("%(name)s", {"name": "pump"})
        self.log.error("100%% plain")
        self.log.error("%s", "timed", timestamp=12.5)
        self.log.error(b"bytes")
        self.log.error("%d", "misfit")
        return req.make_reply("ok")

    def inform_crash(self, conn, msg):
        """Crash."""
        raise ValueError("boom")

    def reply_crash(self, conn, msg):
        """Crash."""
        raise ValueError("boom")


class _ServerRecords(ServerTests):
    device_class = TalkativeDevice

    def session(self, *lines):
        """Send lines, then return what was logged for them: ``(level name, first line of msg)``."""
        client = self.connect()
        with CompleteRecords() as log:
            client.send(b"".join([line + b"\n" for line in lines]))
            # One that the others do not overtake; answered when their records are there.
            client.ask(b"?watchdog")
            client.close()
        return [(level, text.split("\n")[0]) for level, text in log.texts()
                if "watchdog" not in text
                and not text.startswith(("received: ", "Reading loop", "Stream for client"))]

    def test_requests(self):
        fail = "Request %s FAIL: Traceback (most recent call last):"
        for line, expected in (
                (b"?good", [("DEBUG", "good OK")]),
                (b"?nope[1] x", [("ERROR", "nope INVALID: Unknown request.")]),
                (b"?refuse", [("ERROR", "Request refuse FAIL: 100% of %s")]),
                (b"?crash", [("ERROR", fail % "crash")]),
                (b"?nothing", [("ERROR", fail % "nothing")]),
                (b"?late", [("DEBUG", "late ASYNC OK")]),
                (b"?future", [("DEBUG", "future FUTURE OK"), ("DEBUG", "future FUTURE replied")]),
                (b"?future-refuse", [("DEBUG", "future-refuse FUTURE OK"),
                                     ("ERROR", "Request future-refuse FUTURE FAIL: no")]),
                (b"?future-crash", [("DEBUG", "future-crash FUTURE OK"), ("ERROR", fail % "future-crash")]),
                (b"?say", [("WARNING", "Pump 3 is slow"), ("WARNING", "pump"), ("ERROR", "100%% plain"),
                           ("ERROR", "katcp timestamp: 12.5 timed"), ("ERROR", "bytes"),
                           ("ERROR", "%d ('misfit',)"), ("DEBUG", "say OK")]),
                (b"?sensor-sampling an.int period x", [
                    ("DEBUG", "sensor-sampling FUTURE OK"),
                    ("ERROR", "Request sensor-sampling FUTURE FAIL: "
                              "could not convert string to float: b'x'".replace(
                                  "b'x'", "x" if sys.version_info[0] == 2 else "b'x'"))]),
                (b"#crash", [("ERROR", "Inform crash FAIL: Traceback (most recent call last):")]),
                (b"!crash", [("ERROR", "Reply crash FAIL: Traceback (most recent call last):")]),
                (b"#nope", [("WARNING", "nope INVALID: Unknown inform.")]),
                (b"!nope", [("WARNING", "nope INVALID: Unknown reply.")])):
            self.assertEqual(self.session(line), expected)

    def test_concurrent_replies(self):
        texts = self.session(b"?concurrent")
        self.assertEqual(texts[0], ("DEBUG", "concurrent FUTURE CONCURRENT OK"))

    def test_two_replies(self):
        self.assertIn(("ERROR", "Request twice was answered already, dropping a second reply: !twice ok"),
                      self.session(b"?twice"))

    def test_unknown_names_are_no_errors(self):
        """A client may ask for names that are not there (any more)."""
        for line in (b"?help nope", b"?help \xff", b"?sensor-list nope", b"?sensor-value nope",
                     b"?sensor-list \xff", b"?sensor-value \xff"):
            client = self.connect()
            with CompleteRecords() as log:
                reply = client.ask(line)[-1]
                client.ask(b"?watchdog")
            client.close()
            start = line.split()[0].replace(b"?", b"!") + b" fail Unknown\\_"
            self.assertTrue(reply.startswith(start), reply)
            self.assertEqual([text for text in log.texts(logging.INFO)
                              if not text[1].startswith(("Reading loop", "Stream for client"))], [])
            self.assertIn(("DEBUG", lossy_str(line.split()[0][1:]) + " OK"), log.texts())

    def test_bad_lines(self):
        client = self.connect()
        with CompleteRecords() as log:
            for line in (b"garbage \xff", b"?1x", b"?good \\q"):
                client.send(line + b"\n")
                client.until(b"#log error ")
            client.ask(b"?watchdog")
        texts = [text for level, text in log.texts() if level == "ERROR"]
        self.assertEqual(len(texts), 3)
        for text, line in zip(texts, (b"garbage \xff", b"?1x", b"?good \\q")):
            self.assertTrue(text.startswith("BAD COMMAND: Traceback (most recent call last):\n\n"), text)
            self.assertTrue(text.endswith("\n in line %r" % (line,)), text)

    def test_old_ways(self):
        client = self.connect()
        with CompleteRecords() as log:
            client.ask(b"?old")
        texts = [text for level, text in log.texts() if level == "WARNING"]
        for text, method, better in zip(
                texts, ("inform", "reply_inform", "reply"),
                ("req.inform()", "req.inform(*inform_arguments)",
                 "req.reply(*msg_args)\nor req.reply_with_message(msg)")):
            start = ("Deprecation warning: do not use self.%s() within a reply handler context -- use %s\n"
                     "Traceback:\n   File " % (method, better))
            self.assertTrue(text.startswith(start), text)
        self.assertEqual(len(texts), 3)

    def test_connections(self):
        with CompleteRecords() as log:
            self.connect().abort()
            self.server.greeting_fails = True
            self.assertIn(b"no\\_greeting", self.connect(greeted=False).rest())
            self.server.greeting_fails = False
            self.server.goodbye_fails = True
            client = self.connect()
            self.server._server.call_from_thread(
                lambda: list(self.server._client_conns)[-1].disconnect("go")).result(10)
            client.rest()
            self.server.goodbye_fails = False
            client = self.connect()
            self.server._server._max_msg_size = 100
            small = self.connect()
            small.send(b"?good " + b"x" * 200 + b"\n")
            small.rest()
            self.server.get_sensor("an.int").set(1.0, Sensor.NOMINAL, 1)
            self.server._server.get_address("nobody")
            self.server._server.call_from_thread(partial(int, "x")).exception(10)
            client.ask(b"?halt")
            client.rest()
            self.server.join(timeout=10)
        texts = log.texts()
        self.assertIn(("WARNING", "Could not determine address of stream"), texts)
        self.assertIn(("ERROR", "Error executing wrapped async callback"), texts)
        for start in ("Stream for client 127.0.0.1:", "Reading loop for client 127.0.0.1:",
                      "Client 127.0.0.1:",
                      "Error while calling on_client_disconnect for client 127.0.0.1:",
                      "Device error initialising connection Traceback", "Stopping ioloop <",
                      "Managed tornado IOloop <"):
            self.assertTrue([text for _, text in texts if text.startswith(start)], start)


in_all_modes(globals(), _ServerRecords)


class TalkativeClient(CallbackClient):
    def inform_crash(self, msg):
        """Crash."""
        raise ValueError("inform %s")

    def reply_crash(self, msg):
        """Crash."""
        raise ValueError("reply %s")

    def request_crash(self, msg):
        """Crash."""
        raise ValueError("request %s")

    def request_good(self, msg):
        """Answer."""
        return Message.reply("good", "ok")

    @gen.coroutine
    def request_future(self, msg):
        """Crash later."""
        yield gen.moment
        raise ValueError("later")


class TestClientRecords(unittest.TestCase):
    def test_a_session(self):
        server = ScriptedServer(V5_GREETING)
        self.addCleanup(server.stop)
        client = TalkativeClient(*server.address)
        client.auto_reconnect_delay = 0.01
        fail = "%s FAIL: Traceback (most recent call last):\n\n"
        with CompleteRecords() as log:
            client.start(timeout=10)
            self.addCleanup(client.stop)
            client.wait_protocol(timeout=10)
            connection = server.connections[0]
            connection.send(b"#crash\n!crash ok\n?crash\n?good\n?future\ngarbage\n#x \\q\n#unknown \xff\n")
            client.callback_request(Message.request("a"), reply_cb=partial(int, "x"))
            client.blocking_request(Message.request("b"), timeout=10)
            connection.send(b"#version-connect katcp-protocol 4.0\n")
            client.join(timeout=10)
        texts = log.texts()
        for level, start in (
                ("ERROR", fail % "Inform crash"), ("ERROR", fail % "Reply crash"),
                ("ERROR", fail % "Request crash"), ("INFO", "good OK"),
                ("ERROR", "Unhandled exception in handle_message() from %s for message '?future'"
                          % client.bind_address_string),
                ("ERROR", "BAD COMMAND: Traceback (most recent call last):\n\n"),
                ("ERROR", fail % "Callback reply a"),
                ("ERROR", "Protocol Version Error: "),
                ("DEBUG", "Starting client loop for ('127.0.0.1', "),
                ("DEBUG", "Connected to %s with client addr 127.0.0.1:" % client.bind_address_string),
                ("DEBUG", "received from %s: '?good'" % client.bind_address_string),
                ("DEBUG", "Sending to %s: %r" % (client.bind_address_string, b"!good ok\n")),
                ("DEBUG", "client _line_read_loop() from %s completed" % client.bind_address_string),
                ("INFO", "Client connect loop for ('127.0.0.1', ")):
            self.assertTrue([text for record_level, text in texts
                             if record_level == level and text.startswith(start)], (level, start))

    def test_nobody_there(self):
        client = TalkativeClient(*dead_address(), auto_reconnect=False)
        with CompleteRecords() as log:
            client.start()
            self.addCleanup(client.join, timeout=10)
            self.addCleanup(client.stop)
            self.assertTrue(log.has_errors.wait(10))
        self.assertIn(("ERROR", "Failed to connect to %r" % (client.bind_address,)), log.texts())


class TestResourceRecords(AsyncTestCase):
    @gen_test
    def test_a_session(self):
        server = DeviceTestServer("127.0.0.1", 0)
        server.start(timeout=10)
        self.addCleanup(server.join, 10)
        self.addCleanup(server.stop)
        resource = KATCPClientResource(dict(name="device", address=server.bind_address, controlled=True,
                                            auto_reconnect_delay=0.01))

        def bad_listener(sensor, reading):
            raise ValueError("listener")

        with CompleteRecords() as log:
            resource.set_sampling_strategy("an.int", "event")
            resource.set_sampling_strategy("an.int", "nonsense")
            resource.set_sensor_listener("an.int", bad_listener)
            resource.start()
            resource.start()
            yield resource.until_synced(timeout=10)
            yield resource.set_sampling_strategy("an.int", "event")
            yield resource.req.new_command()
            yield resource.req.raise_exception()
            server.mass_inform(Message.inform("sensor-status", "1.0", "1", "no.such", "nominal", "1"))
            server.mass_inform(Message.inform("sensor-status", "1.0", "2", "an.int", "nominal", "1"))
            server.mass_inform(Message.inform("sensor-status", "1.0", "1", "an.int", "nominal", "x"))
            server.mass_inform(Message.inform("device-changed"))
            yield resource.until_not_synced(timeout=10)
            yield resource.until_synced(timeout=10)
            server.get_sensor("an.int").set(5.0, Sensor.NOMINAL, 2)
            yield resource.wait("an.int", 2, timeout=10)
            resource.stop()
            yield resource.until_stopped(timeout=10)
        texts = log.texts()
        for start in ("%r is started already" % (resource,), "Received a deprecated inform: device-changed.",
                      "Unhandled exception calling KATCPSensor callback <function ",
                      'Call to function "', 'Could not apply the update received for "an.int"',
                      'Received update for "no.such", but could not create sensor object.'):
            self.assertTrue([text for _, text in texts if text.startswith(start)], start)
