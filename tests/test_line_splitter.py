from __future__ import absolute_import, division, print_function

import random
import re
import unittest

from katcp.line_splitter import LineSplitter

# A bytearray, since that gives integers on Python 2 as well.
ALPHABET = bytearray(b"?a \t\n\r\\\x0c")


class TestLineSplitter(unittest.TestCase):
    def feed_all(self, chunks, max_line=1000):
        splitter = LineSplitter(max_line)
        lines = []
        for chunk in chunks:
            lines += splitter.feed(chunk)
        self.assertFalse(splitter.overflow)
        return lines

    def test_terminators(self):
        for terminator in (b"\n", b"\r", b"\r\n", b"\n\r", b"\n\n\r"):
            data = terminator.join([b"?foo", b"?bar a", b"!baz", b""])
            self.assertEqual(self.feed_all([data]), [b"?foo", b"?bar a", b"!baz"])
            # Byte by byte.
            self.assertEqual(self.feed_all(data[i:i + 1] for i in range(len(data))),
                             [b"?foo", b"?bar a", b"!baz"])

    def test_blank_lines_are_dropped(self):
        self.assertEqual(self.feed_all([b"\n\r \n\t\r \t \n?foo\n  "]), [b"?foo"])
        self.assertEqual(self.feed_all([b"  ", b"\t", b"\n?foo\n"]), [b"?foo"])

    def test_only_spaces_and_tabs_are_blank(self):
        self.assertEqual(self.feed_all([b"\x0c\n\x0b\n\0\n\xa0\n"]), [b"\x0c", b"\x0b", b"\0", b"\xa0"])

    def test_blanks_belong_to_lines(self):
        self.assertEqual(self.feed_all([b" ?foo \t\n"]), [b" ?foo \t"])

    def test_pending(self):
        splitter = LineSplitter(100)
        self.assertEqual((splitter.pending, splitter.overflow), (0, False))
        self.assertEqual(splitter.feed(b"?fo"), [])
        self.assertEqual(splitter.pending, 3)
        self.assertEqual(splitter.feed(b""), [])
        self.assertEqual(splitter.feed(b"o a"), [])
        self.assertEqual(splitter.pending, 6)
        self.assertEqual(splitter.feed(b"\n?bar\n?b"), [b"?foo a", b"?bar"])
        self.assertEqual(splitter.pending, 2)
        self.assertEqual(splitter.feed(b"\r"), [b"?b"])
        self.assertEqual(splitter.pending, 0)
        self.assertEqual(splitter.feed(b"\n"), [])

    def test_longest_line(self):
        # Ten bytes, the terminator included.
        for chunks in ([b"?12345678\n"], [b"?12345678", b"\n"], [b"?1234", b"5678\r?"],
                       [b"?foo\n?12345678\n?"], [b"?foo\n?123456", b"78\n"]):
            splitter = LineSplitter(10)
            lines = []
            for chunk in chunks:
                lines += splitter.feed(chunk)
            self.assertEqual(lines[-1], b"?12345678")
            self.assertFalse(splitter.overflow)

    def test_many_short_lines_at_once(self):
        splitter = LineSplitter(10)
        self.assertEqual(splitter.feed(b"?foo\n" * 100), [b"?foo"] * 100)
        self.assertFalse(splitter.overflow)

    def test_complete_line_too_long(self):
        for chunks in ([b"?foo\n?bar\n?123456789\n?baz\n"], [b"?foo\n?b", b"ar\n?123456", b"789\n?baz\n"],
                       [b"?foo\n?bar\n?12345678", b"9\n?baz\n"], [b"?foo\n?bar\n" + b"?" * 100 + b"\n?baz\n"],
                       [b"?foo\n?bar\n" + b" " * 10 + b"\n?baz\n"]):
            splitter = LineSplitter(10)
            lines = []
            for chunk in chunks:
                lines += splitter.feed(chunk)
            self.assertEqual(lines, [b"?foo", b"?bar"])
            self.assertTrue(splitter.overflow)

    def test_unterminated_line_too_long(self):
        splitter = LineSplitter(10)
        self.assertEqual(splitter.feed(b"?foo\n?12345678"), [b"?foo"])
        self.assertFalse(splitter.overflow)
        self.assertEqual(splitter.feed(b"9"), [])
        self.assertTrue(splitter.overflow)
        self.assertEqual(splitter.pending, 0)

    def test_nothing_after_overflow(self):
        splitter = LineSplitter(10)
        self.assertEqual(splitter.feed(b"?foo\n" + b"?" * 20), [b"?foo"])
        self.assertTrue(splitter.overflow)
        self.assertEqual(splitter.feed(b"\n?bar\n"), [])
        self.assertTrue(splitter.overflow)
        self.assertEqual(splitter.pending, 0)

    def test_random_chunks(self):
        rng = random.Random(7)
        for _ in range(2000):
            data = bytes(bytearray(rng.choice(ALPHABET) for _ in range(rng.randrange(60))))
            chunks, start = [], 0
            while start < len(data):
                end = start + rng.randrange(1, 12)
                chunks.append(data[start:end])
                start = end
            expected = [line for line in re.split(b"[\r\n]", data)[:-1] if line.strip(b" \t")]
            self.assertEqual(self.feed_all(chunks), expected)

    def test_chunks_are_not_joined_until_the_line_ends(self):
        # What makes dribbled input linear: a chunk is looked at once.
        class Chunk(bytes):
            looked_at = 0

            def split(self, *args):
                self.looked_at += 1
                return bytes.split(self, *args)

        splitter = LineSplitter(1000000)
        chunks = [Chunk(b"x" * 10) for _ in range(1000)]
        for chunk in chunks:
            self.assertEqual(splitter.feed(chunk), [])
        self.assertEqual(splitter.pending, 10000)
        self.assertEqual(set(chunk.looked_at for chunk in chunks), {1})
        self.assertEqual(splitter.feed(b"\n"), [b"x" * 10000])
