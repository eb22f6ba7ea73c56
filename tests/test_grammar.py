from __future__ import absolute_import, division, print_function

import random
import re
import unittest

from katcp.compat import is_bytes
from katcp.errors import KatcpSyntaxError
from katcp.line_splitter import LineSplitter
from katcp.message import Message, MessageParser
from tests.support import grammar

# A bytearray, since that gives integers on Python 2 as well.
LETTERS = bytearray(b"abzAZ")
NAME_CHARACTERS = bytearray(b"abzAZ09-")
PLAIN = bytearray(b"abz09?!#[]-_@nret.\x0b\x0c\x7f\x80\xa0\xff")
ESCAPE_CODES = bytearray(b"\\_0nret@")
ANYTHING = bytearray(b"?!#ab0nret1-_@[] \t\\\\\0\n\r\x1b\x0c\xff")


def native(data):
    """Return bytes as a native string of the same characters."""
    return data if isinstance(data, str) else data.decode("latin-1")


def raw(text):
    """Return what `native` was given."""
    return text if is_bytes(text) else text.encode("latin-1")


class Generator(object):
    """Random lines, the same ones in each run."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def characters(self, alphabet, minimum, maximum):
        return bytearray(self.rng.choice(alphabet) for _ in range(self.rng.randint(minimum, maximum)))

    def argument(self):
        result = bytearray()
        for _ in range(self.rng.randint(1, 4)):
            if self.rng.random() < 0.5:
                result += self.characters(PLAIN, 1, 4)
            else:
                result += b"\\"
                result += self.characters(ESCAPE_CODES, 1, 1)
        return result

    def whitespace(self):
        return b" " if self.rng.random() < 0.8 else self.characters(bytearray(b" \t"), 1, 3)

    def valid(self):
        line = self.characters(bytearray(b"?!#"), 1, 1)
        # Few names, so that most of them are known to the parser already.
        line += self.characters(LETTERS, 1, 1) + self.characters(NAME_CHARACTERS, 0, 1)
        if self.rng.random() < 0.3:
            line += b"[" + self.characters(bytearray(b"0123456789"), 1, 3) + b"]"
        for _ in range(self.rng.randint(0, 3)):
            line += self.whitespace()
            line += self.argument()
        if self.rng.random() < 0.1:
            line += self.whitespace()
        return bytes(line)

    def broken(self):
        """Return a line with one to three random changes, which may well be valid still."""
        line = bytearray(self.valid())
        for _ in range(self.rng.randint(1, 3)):
            position = self.rng.randint(0, len(line))
            how = self.rng.random()
            if how < 0.4:
                line[position:position] = self.characters(ANYTHING, 1, 1)
            elif how < 0.7:
                line[position:position + 1] = self.characters(ANYTHING, 1, 1)
            else:
                del line[position:position + 1]
        return bytes(line)

    def noise(self):
        return bytes(self.characters(bytearray(b"?!#"), 0, 1) + self.characters(ANYTHING, 0, 12))


class TestParserAgainstGrammar(unittest.TestCase):
    def setUp(self):
        self.parser = MessageParser()

    def outcome(self, line):
        """Return what the parser makes of a line, in the oracle's words, or None."""
        try:
            msg = self.parser.parse(line)
        except KatcpSyntaxError:
            return None
        return (native(Message.TYPE_SYMBOLS[msg.mtype]), msg.name,
                None if msg.mid is None else native(msg.mid), [native(arg) for arg in msg.arguments])

    def expected(self, line):
        try:
            result = grammar.analyse(native(line))
        except KatcpSyntaxError:
            return None
        if line[-1:] == b"\r" or (line[-1:] == b"\n" and re.search(b"[ \t]", line)):
            # Terminators are not the parser's business; it merely puts up with a LF after the name.
            return None
        return result

    def compare(self, lines):
        accepted = 0
        for line in lines:
            expected = self.expected(line)
            self.assertEqual(self.outcome(line), expected, repr(line))
            accepted += expected is not None
        return accepted

    def test_valid_lines(self):
        generator = Generator(1)
        lines = [generator.valid() for _ in range(10000)]
        self.assertEqual(self.compare(lines), len(lines))

    def test_broken_lines(self):
        generator = Generator(2)
        lines = [generator.broken() for _ in range(15000)]
        accepted = self.compare(lines)
        # Both sorts are among them.
        self.assertGreater(accepted, 3000)
        self.assertLess(accepted, 12000)

    def test_noise(self):
        generator = Generator(3)
        accepted = self.compare([generator.noise() for _ in range(10000)])
        self.assertGreater(accepted, 50)

    def test_whatever_is_unusual_changes_nothing(self):
        # The shortcuts that `parse` takes lead to where the long way does.
        generator = Generator(4)
        for _ in range(20000):
            line = generator.broken()
            outcomes = []
            for parse in (self.parser.parse, self.parser._parse_carefully):
                try:
                    msg = parse(line)
                    outcomes.append((msg.mtype, msg.name, msg.mid, msg.arguments))
                except KatcpSyntaxError as error:
                    outcomes.append(str(error))
            self.assertEqual(outcomes[0], outcomes[1], repr(line))

    def test_round_trips(self):
        generator = Generator(5)
        for _ in range(10000):
            msg = self.parser.parse(generator.valid())
            line = bytes(msg)
            self.assertEqual(self.parser.parse(line), msg)
            self.assertEqual(bytes(self.parser.parse(line)), line)
            self.assertEqual([native(arg) for arg in msg.arguments], grammar.analyse(native(line))[3])

    def test_any_arguments_make_a_valid_line(self):
        generator = Generator(6)
        for _ in range(5000):
            arguments = [bytes(generator.characters(ANYTHING, 0, 8))
                         for _ in range(generator.rng.randint(0, 4))]
            msg = Message.inform("foo", *arguments)
            self.assertEqual(self.outcome(bytes(msg)), ("#", "foo", None, [native(arg) for arg in arguments]))
            self.assertEqual([raw(arg) for arg in grammar.analyse(native(bytes(msg)))[3]], arguments)

    def test_stream(self):
        # From a stream of bytes to messages, with the grammar's idea of where lines end.
        generator = Generator(7)
        lines = []
        for _ in range(3000):
            line = generator.rng.choice([generator.valid, generator.broken, generator.noise])()
            lines.append(line + generator.rng.choice([b"\n", b"\r", b"\r\n"]))
        stream = b"".join(lines)
        splitter = LineSplitter(1000)
        outcomes, position = [], 0
        while position < len(stream):
            end = position + generator.rng.randint(1, 100)
            outcomes += [self.outcome(line) for line in splitter.feed(stream[position:end])]
            position = end
        expected = []
        for line in re.findall(b"[^\r\n]*[\r\n]", stream):
            if not line.strip():
                # Strips form feeds as well, but those lines are none either way.
                if line.strip(b" \t\r\n"):
                    expected.append(None)
                continue
            try:
                expected.append(grammar.analyse(native(line)))
            except KatcpSyntaxError:
                expected.append(None)
        self.assertEqual(outcomes, expected)


class TestGrammar(unittest.TestCase):
    """The oracle itself, with examples; each is given to the parser, too."""

    def check(self, line, *expected):
        self.assertEqual(grammar.analyse(line), expected)
        msg = grammar.parse(line)
        self.assertEqual(msg, MessageParser().parse(line.rstrip("\r\n").encode("ascii")))
        return msg

    def refuse(self, line):
        with self.assertRaises(KatcpSyntaxError):
            grammar.parse(line)
        with self.assertRaises(KatcpSyntaxError):
            MessageParser().parse(line.encode("ascii"))

    def test_simple_messages(self):
        self.check("?foo\n", "?", "foo", None, [])
        self.check("?foo\r", "?", "foo", None, [])
        self.check("!foz baz", "!", "foz", None, ["baz"])
        self.check("#foz baz b", "#", "foz", None, ["baz", "b"])

    def test_escapes(self):
        self.check("!foo \\\\\\_\\0\\n\\r\\e\\t\\@", "!", "foo", None, ["\\ \0\n\r\x1b\t"])
        self.check("?foo \\_\\_ a\\@b", "?", "foo", None, ["  ", "ab"])

    def test_lexer_errors(self):
        for line in ("", "^foo", "?foo tar\0"):
            self.refuse(line)

    def test_grammar_errors(self):
        for line in ("?", "foo", "??foo", "?foo[1][2]", " ?foo", "?foo\n\n", "?foo\nbar", "? foo", "?foo[]",
                     "?foo \\", "?foo \\x", "?[1]", "?foo\n arg"):
            self.refuse(line)

    def test_empty_arguments(self):
        self.check("!foo \\@", "!", "foo", None, [""])
        self.check("!foo \\@ \\@", "!", "foo", None, ["", ""])
        self.check("!foo \\_  \\_  \\@", "!", "foo", None, [" ", " ", ""])

    def test_whitespace(self):
        for line in ("!foo  a b", "!foo a  b", "!foo a b ", "!foo\ta\tb\t", "!foo \t a\t  b \t\n"):
            self.check(line, "!", "foo", None, ["a", "b"])
        self.check("!foo \t", "!", "foo", None, [])

    def test_form_feed_is_data(self):
        self.check("!foo \x0cbaz \x0c", "!", "foo", None, ["\x0cbaz", "\x0c"])
        self.refuse("!foo\x0cbaz")

    def test_ids(self):
        self.assertEqual(self.check("?foo[123]", "?", "foo", "123", []).mid, b"123")
        self.assertEqual(self.check("!foo[1234] a", "!", "foo", "1234", ["a"]).mid, b"1234")
        self.check("#foo[0]", "#", "foo", "0", [])
        self.check("#foo [1]", "#", "foo", None, ["[1]"])
