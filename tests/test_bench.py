"""That the benchmarks run, on every interpreter as far as they can; how fast anything is, is not tested."""

from __future__ import absolute_import, division, print_function

import os
import subprocess
import sys
import unittest

from bench import codec

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class TestCodec(unittest.TestCase):
    def test_all_messages_survive_a_round(self):
        results = codec.measure(messages=50, groups=2, rounds=2)
        self.assertEqual(results[0][0], "katcp (here)")
        for _, times in results:
            self.assertEqual(len(times), 2)
            self.assertTrue(all(seconds > 0 for seconds in times))

    def test_arguments_are_the_same_for_everybody(self):
        first, second = codec.make_arguments(20, 3), codec.make_arguments(20, 3)
        self.assertEqual(first, second)
        self.assertEqual([len(arguments) for arguments in first], [12] * 20)
        self.assertEqual([type(value) for value in first[0][:3]], [bool, int, float])

    def test_a_message_that_comes_back_differently_is_noticed(self):
        class Forgetful(object):
            def parse(self, line):
                return None

        from katcp.core import Message
        with self.assertRaises(AssertionError):
            codec.katcp_round(Message, Forgetful)([(1, 2)])

    def test_a_peer_takes_part(self):
        # The peer's katcp is that of its interpreter: here, the one that is being tested.
        peer = codec.Peer(sys.executable, 10, 1, path=CHECKOUT)
        try:
            self.assertGreater(peer.timed_round(), 0)
        finally:
            peer.close()

    def test_a_peer_that_has_ended(self):
        peer = codec.Peer(sys.executable, 10, 1, path=CHECKOUT)
        peer._process.kill()
        peer._process.wait()
        self.assertRaises(EOFError, peer.timed_round)
        peer.close()

    def test_command(self):
        output = subprocess.check_output(
            [sys.executable, "-m", "bench.codec", "--messages", "20", "--rounds", "2"], cwd=CHECKOUT)
        self.assertIn("20 messages of 4 arguments", output.decode())

    def test_steps(self):
        names = [name for name, seconds in codec.steps(messages=20, rounds=3) if seconds > 0]
        self.assertEqual(names, ["build", "serialise", "parse", "compare", "(floats to text)"])


if __name__ == "__main__":
    unittest.main()
