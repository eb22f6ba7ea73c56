"""What servers do with malformed, hostile and merely odd input: a table of what comes back.

After each entry the connection and that of another client have to work as if nothing had happened.
"""

from __future__ import absolute_import, division, print_function

import os
import re
import unittest

from katcp.compat import ensure_native_str, lossy_str
from katcp.message import Message
from katcp.sampling import MIN_TIMER_SPACING
from katcp.server import KATCPServer
from tests.support.devices import Device4, Device51, ServerTests, in_all_modes
from tests.support.logs import LogRecorder

PID = os.getpid()
TIMESTAMP_RE = re.compile(br"\A#log error \d+(\.\d{6})? root ")


def wire(*args):
    """What a message looks like on the wire."""
    return bytes(Message(*args))


def bad(text):
    """The inform about a line that is no message."""
    return wire(Message.INFORM, "log", ["error", "T", "root", "KatcpSyntaxError: %s\n" % text])


def bad_name(name):
    return bad("Bad message name (and possibly id) %r." % (name,))


def fail(request, text):
    return wire(Message.REPLY, request, ["fail", text])


def sampling(text):
    return fail("sensor-sampling", text)


def invalid(text):
    """The reply to a request for sampling that a server with bulk sampling cannot fulfil."""
    return sampling("Invalid strategy requested: %s." % text)


def unknown(request):
    return b"!" + request + b" invalid Unknown\\_request."


def error(function, *args):
    """The text of the exception that a function of Python's raises; it depends on the version."""
    try:
        function(*args)
    except Exception as exc:
        return str(exc)


def bad_pattern(request, pattern):
    pattern = ensure_native_str(pattern)
    return fail(request, "Invalid regular expression %r: %s." % (pattern, error(re.compile, pattern)))


def undecodable(decodable, not_decodable):
    """What comes back for bytes that are not UTF-8: on Python 2 they are a string like any other."""
    return not_decodable if lossy_str(b"\xff") == "\\xff" else decodable


def passed(text, *params):
    return text + " Parameters passed: %r, in pid : PID" % (params,)


OK = [b"!watchdog ok"]
INT = b"#sensor-status 12345.000000 1 an.int nominal 3"
TAKES_ONE = "The 'period' strategy takes one parameter."
POSITIVE = "The period must be a positive float in seconds."
ONE_DIFFERENCE = "The 'differential' strategy takes one parameter."
FLOAT_DIFFERENCE = "The diff amount must be a positive float."
ONLY_NUMBERS = "The 'differential' strategy is only valid for float, integer and timestamp sensors."
ORDER = "The shortest and longest periods must satisfy 0 <= shortest_period <= longest_period"

# What it is, input without the final LF, lines that come back
UNPARSABLE = [
    ("no type character", b"bad msg", [bad("Bad type character 'b'.")]),
    ("blank before the type", b" ?watchdog", [bad("Bad type character ' '.")]),
    ("tab before the type", b"\t?watchdog", [bad("Bad type character '\\t'.")]),
    ("wrong type character", b">watchdog", [bad("Bad type character '>'.")]),
    ("nothing but a type", b"?", [bad_name("")]),
    ("blank after the type", b"? watchdog", [bad_name("")]),
    ("two type characters", b"?!watchdog", [bad_name("!watchdog")]),
    ("name begins with a digit", b"?1abc", [bad_name("1abc")]),
    ("name begins with a dash", b"?-abc", [bad_name("-abc")]),
    ("underscore in the name", b"?watch_dog", [bad_name("watch_dog")]),
    ("umlaut in the name", u"?w\xe4tchdog".encode("utf-8"), [bad_name(ensure_native_str(u"w\xe4tchdog"))]),
    ("latin-1 in the name", b"?w\xe4tchdog", [bad_name(b"w\xe4tchdog")]),
    ("form feed in the name", b"?watchdog\x0c", [bad_name("watchdog\x0c")]),
    ("NUL in the name", b"?watch\0dog", [bad_name("watch\0dog")]),
    ("escape in the name", b"?watch\\_dog", [bad_name("watch\\_dog")]),
    ("id is no number", b"?watchdog[abc]", [bad_name("watchdog[abc]")]),
    ("id is negative", b"?watchdog[-1]", [bad_name("watchdog[-1]")]),
    ("id has a fraction", b"?watchdog[1.5]", [bad_name("watchdog[1.5]")]),
    ("id is empty", b"?watchdog[]", [bad_name("watchdog[]")]),
    ("id is not closed", b"?watchdog[1", [bad_name("watchdog[1")]),
    ("id is followed by something", b"?watchdog[1]x", [bad_name("watchdog[1]x")]),
    ("two ids", b"?watchdog[1][2]", [bad_name("watchdog[1][2]")]),
    ("id of the wrong digits", u"?watchdog[\u0661]".encode("utf-8"),
     [bad_name(ensure_native_str(u"watchdog[\u0661]"))]),
    ("id without name", b"?[1]", [bad_name("[1]")]),
    ("unknown escape", b"?watchdog a\\q", [bad("Invalid escape character %r." % (b"q",))]),
    ("escape of nothing", b"?watchdog a\\", [bad("Escape slash at end of argument.")]),
    ("escape of a byte that is not UTF-8", b"?watchdog \\\xff",
     [bad("Invalid escape character %r." % (b"\xff",))]),
    ("NUL in an argument", b"?watchdog a\0b", [bad("Un-escaped special %r." % (b"\0",))]),
    ("ESC in an argument", b"?watchdog \x1b[A", [bad("Un-escaped special %r." % (b"\x1b",))]),
    ("a byte that is not UTF-8", b"\xff", [bad("Bad type character %r." % (b"\xff",))]),
    ("UTF-16", u"?watchdog".encode("utf-16-le"), [bad_name("\0w\0a\0t\0c\0h\0d\0o\0g\0")]),
    ("byte order mark", b"\xef\xbb\xbf?watchdog", [bad("Bad type character %r." % (b"\xef",))]),
    ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r",
     [bad("Bad type character 'G'."), bad("Bad type character 'H'.")]),
    ("several bad lines among good ones", b"x\n?watchdog[1]\ny\n?watchdog[2]\nz",
     [bad("Bad type character 'x'."), b"!watchdog[1] ok", bad("Bad type character 'y'."), b"!watchdog[2] ok",
      bad("Bad type character 'z'.")]),
    ("a long bad line", b"x" * 100000, [bad("Bad type character 'x'.")]),
]

ODD_BUT_VALID = [
    ("id zero", b"?watchdog[0]", [b"!watchdog[0] ok"]),
    ("id with leading zeros", b"?watchdog[007]", [b"!watchdog[007] ok"]),
    ("id too large", b"?watchdog[99999999999999999999]", [b"!watchdog[99999999999999999999] ok"]),
    ("what looks like an id", b"?watchdog [1]", OK),
    ("a lone tab between the fields", b"?log-level\twarn", [b"!log-level ok warn"]),
    ("many blanks", b"?log-level   \t  warn \t ", [b"!log-level ok warn"]),
    ("empty line", b"", []),
    ("empty lines of all kinds", b"\r\n\r\r\n\n", []),
    ("lines of blanks", b"  \n\t\n \t \r", []),
    ("CR ends a line", b"?watchdog[1]\r?watchdog[2]\r", [b"!watchdog[1] ok", b"!watchdog[2] ok"]),
    ("CR LF and LF CR", b"?watchdog[1]\r\n?watchdog[2]\n\r?watchdog[3]\r\n\r",
     [b"!watchdog[1] ok", b"!watchdog[2] ok", b"!watchdog[3] ok"]),
    ("form feed in an argument", b"?help \x0c", [fail("help", "Unknown request method.")]),
    ("a byte that is not UTF-8 as a surplus argument", b"?watchdog \xff", OK),
    ("surplus arguments", b"?watchdog" + b" x" * 50000, OK),
    ("a long surplus argument", b"?watchdog " + b"x" * 1000000, OK),
    ("empty surplus arguments", b"?watchdog \\@ \\@\\@", OK),
]

NOT_FOR_SERVERS = [
    ("reply", b"!watchdog ok", []),
    ("reply with id", b"!watchdog[3] ok", []),
    ("unknown reply", b"!no-such fail x", []),
    ("inform", b"#watchdog", []),
    ("unknown inform", b"#no-such \xff", []),
    ("log inform", b"#log error 1.0 root text", []),
    ("disconnect inform", b"#disconnect bye", []),
    ("version inform", b"#version-connect katcp-protocol 4.0", []),
    ("reply with bytes that are not UTF-8", b"!\x66oo \xff\xfe", []),
]

REQUESTS = [
    ("unknown request", b"?no-such", [unknown(b"no-such")]),
    ("unknown request with id", b"?no-such[5] x", [unknown(b"no-such[5]")]),
    ("unknown request with bytes that are not UTF-8", b"?no-such \xff", [unknown(b"no-such")]),
    ("upper case", b"?WATCHDOG", [unknown(b"WATCHDOG")]),
    ("name of a method", b"?request-help", [unknown(b"request-help")]),
    ("long name", b"?a" + b"-" * 100000, [unknown(b"a" + b"-" * 100000)]),
    ("help on an unknown request", b"?help no-such", [fail("help", "Unknown request method.")]),
    ("help on an empty name", b"?help \\@", [fail("help", "Unknown request method.")]),
    ("help on a name that is not UTF-8", b"?help \xff", [fail("help", "Unknown request method.")]),
    ("unknown log level", b"?log-level loud", [fail("log-level", "Unknown logging level name 'loud'")]),
    ("empty log level", b"?log-level \\@", [fail("log-level", "Unknown logging level name ''")]),
    ("log level in upper case", b"?log-level WARN", [fail("log-level", "Unknown logging level name 'WARN'")]),
    ("number of a log level", b"?log-level 3", [fail("log-level", "Unknown logging level name '3'")]),
    ("log level that is not UTF-8", b"?log-level \xff",
     [fail("log-level", "Unknown logging level name '%s'" % lossy_str(b"\xff"))]),
    ("restart without queue", b"?restart",
     [fail("restart", "No restart queue registered -- cannot restart.")]),
    ("surplus argument of sampling-clear", b"?sensor-sampling-clear x",
     [fail("sensor-sampling-clear", "Too many parameters given.")]),
    ("surplus argument, not UTF-8", b"?sensor-sampling-clear \xff",
     [fail("sensor-sampling-clear", "Too many parameters given.")]),
]

SENSORS = []
for _name in "sensor-list", "sensor-value":
    _unknown = fail(_name, "Unknown sensor name.")
    _ok0 = b"!" + _name.encode() + b" ok 0"
    SENSORS += [(what + " in ?" + _name, b"?" + _name.encode() + b" " + argument, answer)
                for what, argument, answer in [
        ("unknown sensor", b"no.such", [_unknown]),
        ("empty name", b"\\@", [_unknown]),
        ("comma list", b"an.int,a.float", [_unknown]),
        ("half a pattern", b"/an.int", [_unknown]),
        ("name that is not UTF-8", b"an.int\xff", [_unknown]),
        ("name with every special character", b"\\_\\0\\n\\r\\e\\t\\\\", [_unknown]),
        ("pattern that is not UTF-8", b"/\xff/", [undecodable(_ok0, _unknown)]),
        ("pattern without match", b"/^int/", [_ok0]),
        ("unclosed group", b"/(/", [bad_pattern(_name, b"(")]),
        ("unclosed set", b"/[/", [bad_pattern(_name, b"[")]),
        ("nothing to repeat", b"/*/", [bad_pattern(_name, b"*")]),
        ("bad range", b"/[z-a]/", [bad_pattern(_name, b"[z-a]")]),
        ("bad repetition", b"/a{3,1}/", [bad_pattern(_name, b"a{3,1}")]),
        ("bad group name", b"/(?P<1>x)/", [bad_pattern(_name, b"(?P<1>x)")]),
        ("huge repetition", b"/x{99999999999999999999}/", [bad_pattern(_name, b"x{99999999999999999999}")]),
        ("pattern with a newline", b"/(\\n/", [bad_pattern(_name, b"(\n")]),
        ("backslash at the end", b"/x\\\\/", [bad_pattern(_name, b"x\\")]),
    ]]

# For a server with bulk sampling
SAMPLING = [
    ("no sensor", b"", [sampling("No sensor name given.")]),
    ("empty name", b"\\@", [sampling("Unknown sensor name: .")]),
    ("empty name with strategy", b"\\@ event", [sampling("Unknown sensor names: [''].")]),
    ("unknown sensor", b"nope", [sampling("Unknown sensor name: nope.")]),
    ("unknown sensor with strategy", b"nope event", [sampling("Unknown sensor names: ['nope'].")]),
    ("sensor that is not UTF-8", b"an.int\xff",
     [sampling("Unknown sensor name: %s." % lossy_str(b"an.int\xff"))]),
    ("sensor that is not UTF-8, with strategy", b"an.int\xff event",
     [sampling("Unknown sensor names: %s." % [lossy_str(b"an.int\xff")])]),
    ("pattern", b"/an/ event", [sampling("Unknown sensor names: ['/an/'].")]),
    ("nothing but a comma", b",", [sampling("Cannot query multiple sensors.")]),
    ("nothing but a comma, with strategy", b", event", [sampling("Unknown sensor names: ['', ''].")]),
    ("comma at the end", b"an.int, event", [sampling("Unknown sensor names: [''].")]),
    ("comma at the beginning", b",an.int event", [sampling("Unknown sensor names: [''].")]),
    ("query of a list", b"an.int,a.float", [sampling("Cannot query multiple sensors.")]),
    ("query of a list of unknown sensors", b"x,y", [sampling("Cannot query multiple sensors.")]),
    ("unknown sensors in a list", b"x,an.int,y,x event",
     [sampling("Unknown sensor names: ['x', 'y', 'x'].")]),
    ("blank in a list", b"an.int,\\_a.float event", [sampling("Unknown sensor names: [' a.float'].")]),
    ("a sensor twice", b"an.int,an.int event", [INT, b"!sensor-sampling ok an.int,an.int event"]),
    ("a sensor ten thousand times", b"an.int" + 9999 * b",an.int" + b" none",
     [b"!sensor-sampling ok an.int" + 9999 * b",an.int" + b" none"]),
    ("unknown strategy", b"an.int bogus",
     [sampling("Invalid request: names ['an.int'], strategy 'bogus', params [].")]),
    ("unknown strategy for a list", b"an.int,a.float bogus 1 2.5",
     [sampling("Invalid request: names ['an.int', 'a.float'], strategy 'bogus', params ['1', '2.5'].")]),
    ("empty strategy", b"an.int \\@",
     [sampling("Invalid request: names ['an.int'], strategy '', params [].")]),
    ("strategy in upper case", b"an.int EVENT",
     [sampling("Invalid request: names ['an.int'], strategy 'EVENT', params [].")]),
    ("strategy that is not UTF-8", b"an.int \xff \xfe",
     [sampling("Invalid request: names ['an.int'], strategy '%s', params %s." % (
         lossy_str(b"\xff"), [lossy_str(b"\xfe")]))]),
    ("parameter for none", b"an.int none 1", [invalid("The 'none' strategy takes no parameters.")]),
    ("parameter for auto", b"an.int auto 1", [invalid("The 'auto' strategy takes no parameters.")]),
    ("empty parameter for event", b"an.int event \\@",
     [invalid("The 'event' strategy takes no parameters.")]),
    ("period: none", b"an.int period", [invalid(passed(TAKES_ONE))]),
    ("period: two", b"an.int period 1 2", [invalid(passed(TAKES_ONE, b"1", b"2"))]),
    ("period: empty", b"an.int period \\@", [invalid(error(float, b""))]),
    ("period: text", b"an.int period foo", [invalid(error(float, b"foo"))]),
    ("period: not UTF-8", b"an.int period \xff", [invalid(error(float, b"\xff"))]),
    ("period: zero", b"an.int period 0", [invalid(passed(POSITIVE, b"0"))]),
    ("period: minus zero", b"an.int period -0.0", [invalid(passed(POSITIVE, b"-0.0"))]),
    ("period: negative", b"an.int period -1", [invalid(passed(POSITIVE, b"-1"))]),
    ("period: too small for a float", b"an.int period 1e-400", [invalid(passed(POSITIVE, b"1e-400"))]),
    ("period: NaN", b"an.int period nan", [invalid(passed(POSITIVE, b"nan"))]),
    ("period: infinite", b"an.int period inf", [invalid(passed(POSITIVE, b"inf"))]),
    ("period: minus infinite", b"an.int period -inf", [invalid(passed(POSITIVE, b"-inf"))]),
    ("period: too large for a float", b"an.int period 1e400", [invalid(passed(POSITIVE, b"1e400"))]),
    ("period: longer than the universe is old", b"an.int period 1e300",
     [INT, b"!sensor-sampling ok an.int period 1e300"]),
    ("period: hundreds of years", b"an.int period 1e10", [INT, b"!sensor-sampling ok an.int period 1e10"]),
    ("differential: none", b"an.int differential", [invalid(ONE_DIFFERENCE)]),
    ("differential: two", b"an.int differential 1 2", [invalid(ONE_DIFFERENCE)]),
    ("differential: zero", b"an.int differential 0",
     [invalid("The diff amount must be a positive integer.")]),
    ("differential: fraction of an integer", b"an.int differential 1.5", [invalid(error(int, b"1.5"))]),
    ("differential: NaN of an integer", b"an.int differential nan", [invalid(error(int, b"nan"))]),
    ("differential: NaN", b"a.float differential nan", [invalid(FLOAT_DIFFERENCE)]),
    ("differential: infinite", b"a.float differential inf", [invalid(FLOAT_DIFFERENCE)]),
    ("differential: huge integer", b"an.int differential " + b"9" * 400,
     [INT, b"!sensor-sampling ok an.int differential " + b"9" * 400]),
    ("differential: text sensor", b"a.str differential 1",
     [invalid(ONLY_NUMBERS)]),
    ("differential: list with one that it does not suit", b"an.int,a.disc differential 1",
     [invalid(ONLY_NUMBERS)]),
    ("event-rate: none", b"an.int event-rate", [invalid("The 'event-rate' strategy takes two parameters.")]),
    ("event-rate: one", b"an.int event-rate 1", [invalid("The 'event-rate' strategy takes two parameters.")]),
    ("event-rate: reversed", b"an.int event-rate 2 1", [invalid(ORDER)]),
    ("event-rate: negative", b"an.int event-rate -1 1", [invalid(ORDER)]),
    ("event-rate: NaN", b"an.int event-rate nan nan", [invalid(ORDER)]),
    ("event-rate: never", b"an.int event-rate inf inf", [invalid(ORDER)]),
    ("event-rate: text", b"an.int event-rate a b", [invalid(error(float, b"a"))]),
    ("event-rate: no bound", b"an.int event-rate 0 inf",
     [INT, b"!sensor-sampling ok an.int event-rate 0 inf"]),
    ("differential-rate: two", b"an.int differential-rate 1 2",
     [invalid("The 'differential-rate' strategy takes three parameters.")]),
    ("differential-rate: reversed", b"an.int differential-rate 1 2 1", [invalid(ORDER)]),
    ("differential-rate: fraction of an integer", b"an.int differential-rate 0.5 1 2",
     [invalid(error(int, b"0.5"))]),
    ("differential-rate: text sensor", b"a.str differential-rate 1 1 2",
     [invalid("The differential-rate strategy can only be defined for integer or float sensors")]),
]

HINTS = [
    ("hint for an unknown request", b"?request-timeout-hint nope",
     [fail("request-timeout-hint", "Unknown request method")]),
    ("hint for a request that is not UTF-8", b"?request-timeout-hint \xff",
     [fail("request-timeout-hint", undecodable(
         "Unknown request method",
         "Error in parameter 1 (request): %s" % error(b"\xff".decode, "utf-8")))]),
    ("surplus argument of ?request-timeout-hint", b"?request-timeout-hint help x",
     [fail("request-timeout-hint", "Too many parameters given.")]),
]

# For a server of version 4
SAMPLING4 = [
    ("list", b"an.int,a.float event", [sampling("Unknown sensor name: an.int,a.float.")]),
    ("unknown strategy", b"an.int bogus", [sampling("Unknown strategy name: bogus.")]),
    ("strategy that is not UTF-8", b"an.int \xff",
     [sampling("Unknown strategy name: %s." % lossy_str(b"\xff"))]),
    ("strategy of version 5", b"an.int event-rate 1 2",
     [sampling("Strategy event-rate not allowed for version 4 of katcp")]),
    ("another strategy of version 5", b"an.int differential-rate",
     [sampling("Strategy differential-rate not allowed for version 4 of katcp")]),
    ("period: none", b"an.int period", [sampling(passed(TAKES_ONE))]),
    ("period: two", b"an.int period 1 2", [sampling(passed(TAKES_ONE, b"1", b"2"))]),
    ("period: text", b"an.int period foo", [sampling(error(float, b"foo"))]),
    ("period: zero", b"an.int period 0", [sampling(passed(POSITIVE, 0.0))]),
    ("period: NaN", b"an.int period nan", [sampling(passed(POSITIVE, float("nan")))]),
    ("period: too large for a float", b"an.int period 1e400", [sampling(passed(POSITIVE, float("inf")))]),
    ("period: not UTF-8", b"an.int period \xff", [sampling(error(float, b"\xff"))]),
]

TABLE_FOR_ALL = UNPARSABLE + ODD_BUT_VALID + NOT_FOR_SERVERS + REQUESTS + SENSORS


def _sampling_requests(table):
    return [("?sensor-sampling, " + what, b"?sensor-sampling " + arguments, answer)
            for what, arguments, answer in table]


class _BadInput(ServerTests):
    table = []

    def check(self, data, answer):
        client, other = self.connect(), self.connect()
        client.send(data + b"\n?watchdog[77]\n")
        expected = [line.replace(b"\\_PID", b"\\_%d" % PID) for line in answer] + [b"!watchdog[77] ok"]
        lines = [TIMESTAMP_RE.sub(b"#log error T root ", client.line()) for _ in expected]
        self.assertEqual(lines, expected)
        # Nothing more comes, and whatever it was, it changed nothing.
        self.assertEqual(client.ask(b"?watchdog[78]"), [b"!watchdog[78] ok"])
        self.assertEqual(other.ask(b"?sensor-value an.int")[-1], b"!sensor-value ok 1")
        self.assertEqual(self.connect().ask(b"?watchdog"), OK)


class _BadInput51(_BadInput):
    device_class = Device51


class _BadInput4(_BadInput):
    device_class = Device4


def _add_tests(tests, table):
    for number, (what, data, answer) in enumerate(table):
        def test(self, data=data, answer=answer):
            self.check(data, answer)

        test.__name__ = "test_%03d_%s" % (number, re.sub(r"\W+", "_", what))
        setattr(tests, test.__name__, test)


_add_tests(_BadInput51, TABLE_FOR_ALL + HINTS + _sampling_requests(SAMPLING))
_add_tests(_BadInput4, TABLE_FOR_ALL + _sampling_requests(SAMPLING4))


class _Hostile(ServerTests):
    """What takes more than a line to tell."""

    limit = 1000

    def make_server(self):
        server = super(_Hostile, self).make_server()
        server._server.MAX_MSG_SIZE = self.limit
        return server

    def check_others(self):
        self.assertEqual(self.other.ask(b"?sensor-value an.int")[-1], b"!sensor-value ok 1")
        self.assertEqual(self.connect().ask(b"?watchdog"), OK)

    def setUp(self):
        super(_Hostile, self).setUp()
        self.other = self.connect()

    def too_long(self):
        return wire(Message.INFORM, "log", [
            "error", "T", "root",
            "Message too long: the limit is %d bytes. Disconnecting." % self.limit])

    def goodbye(self):
        return wire(Message.INFORM, "disconnect", [
            "Message too long: the limit is %d bytes. Disconnecting." % self.limit])

    def test_half_a_line_and_silence(self):
        client = self.connect()
        client.send(b"?watchdog[1]\n?watch")
        self.assertEqual(client.line(), b"!watchdog[1] ok")
        self.check_others()
        client.send(b"dog[2]")
        self.check_others()
        client.send(b"\n")
        self.assertEqual(client.line(), b"!watchdog[2] ok")

    def test_piece_by_piece(self):
        client = self.connect()
        for piece in b"?log-level", b" ", b"\\", b"@", b"\r", b"\n", b"?watch", b"dog", b"\n":
            client.send(piece)
            self.check_others()
        self.assertEqual(client.lines(2), [fail("log-level", "Unknown logging level name ''"), OK[0]])

    def test_longest_line(self):
        client = self.connect()
        line = b"?watchdog[1] ".ljust(self.limit - 1, b"x")
        self.assertEqual(client.ask(line), [b"!watchdog[1] ok"])

    def check_overflow(self, data):
        counted = []

        def request_count(server, req, msg):
            """Count."""
            counted.append(msg)
            return req.make_reply("ok", len(counted))

        self.server._request_handlers = dict(self.server._request_handlers, count=request_count)
        client = self.connect()
        client.send(b"?count\n" + data)
        lines = [TIMESTAMP_RE.sub(b"#log error T root ", line) for line in client.rest().splitlines() if line]
        self.assertEqual(lines, [b"!count ok 1", self.too_long(), self.goodbye()])
        self.check_others()
        self.assertEqual(len(counted), 1)

    def test_a_line_that_is_too_long(self):
        self.check_overflow(b"?watchdog ".ljust(self.limit, b"x") + b"\n?count\n")

    def test_a_line_that_is_too_long_and_has_no_end(self):
        self.check_overflow(b"?watchdog ".ljust(self.limit, b"x"))

    def test_a_line_of_blanks_that_is_too_long(self):
        self.check_overflow(b" " * self.limit + b"\n")

    def test_bytes_of_all_kinds(self):
        # No byte here makes a request of it.
        garbage = bytes(bytearray(byte for byte in range(256) if byte not in bytearray(b"?!#")))
        client = self.connect()
        client.send(garbage * 200 + b"\n?watchdog[5]\n")
        lines = client.until(b"!watchdog")
        self.assertEqual(lines[-1], b"!watchdog[5] ok")
        self.assertEqual(set([line.split(b" ")[0] for line in lines[:-1]]), {b"#log"})
        self.check_others()

    def test_end_of_input_in_the_middle_of_a_line(self):
        client = self.connect()
        client.send(b"?watchdog[1]\n?watchdog[2]")
        client.shut_down_sending()
        self.assertEqual(client.rest().rstrip(b"\n"), b"!watchdog[1] ok")
        self.check_others()

    def test_reset_in_the_middle_of_everything(self):
        for _ in range(5):
            client = self.connect()
            client.send(b"?sensor-sampling an.int event\n?help\n" * 20 + b"?watch")
            client.abort()
        self.check_others()
        self.server.get_sensor("an.int").set_value(4)
        self.check_others()

    def test_reports_without_end(self):
        # Whatever period a client asks for, it and the others are answered.
        client = self.connect()
        for period in b"1e-9", b"1e-300", b"4.9e-324":
            client.send(b"?sensor-sampling an.int period " + period + b"\n")
            client.until(b"!sensor-sampling ok")
            self.check_others()
            self.assertEqual(client.ask(b"?watchdog[9]")[-1], b"!watchdog[9] ok")
        client.send(b"?sensor-sampling an.int none\n")
        client.until(b"!sensor-sampling ok an.int none")
        self.assertEqual(client.ask(b"?watchdog"), OK)

    def test_reports_are_a_millisecond_apart(self):
        client = self.connect()
        start = self.server.ioloop.time()
        client.send(b"?sensor-sampling an.int period 1e-9\n")
        client.lines(1 + 50)
        # Two of the lines need no waiting: the initial report and the reply.
        self.assertGreater(self.server.ioloop.time() - start, 48 * MIN_TIMER_SPACING)

    def test_everything_at_once_with_debug_messages(self):
        client = self.connect()
        with LogRecorder("katcp.tests.device") as log:
            for _, data, _ in TABLE_FOR_ALL:
                if len(data) < self.limit and b"warn" not in data:
                    client.send(data + b"\n")
            client.send(b"?sensor-sampling an.int \xff\n?sensor-sampling \xff event\n?watchdog[77]\n")
            client.until(b"!watchdog[77]")
            self.check_others()
        self.assertIn("received: ?watchdog[77]", log.messages)

    def test_the_same_request_again_and_again(self):
        client = self.connect()
        for _ in range(100):
            client.ask(b"?sensor-sampling an.int event-rate 0 1e9")
        conn, = [conn for conn in self.server._client_conns if conn.address.encode() == client.name]
        self.assertEqual(len(self.server._strategies[conn]), 1)
        self.assertEqual(len(self.server.get_sensor("an.int")._observers), 1)


class TestDefaultLimit(ServerTests, unittest.TestCase):
    def test_limit(self):
        limit = KATCPServer.MAX_MSG_SIZE
        self.assertEqual(limit, 2097152)
        client = self.connect()
        self.assertEqual(client.ask(b"?watchdog ".ljust(limit - 1, b"x")), OK)
        client.send(b"?watchdog ".ljust(limit, b"x"))
        self.assertIn(b"too\\_long", client.rest())


for _base in _BadInput51, _BadInput4, _Hostile:
    in_all_modes(globals(), _base)
