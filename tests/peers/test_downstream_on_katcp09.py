"""What users have written for katcp 0.9.3 runs on it: else it would say nothing that it runs on ours, too."""

from __future__ import absolute_import, division, print_function

import os
import subprocess
import unittest

DOWNSTREAM = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "downstream")


class TestDownstreamOnKatcp09(unittest.TestCase):
    def test_unchanged(self):
        # The peer must import its own katcp, not this checkout's.
        env = dict((name, value) for name, value in os.environ.items() if name != "PYTHONPATH")
        # It needs pytest before 8.2, and mock.
        process = subprocess.Popen(
            [os.environ["KATCP_PEER_PYTHON"], "-B", "-m", "pytest", "-p", "no:cacheprovider",
             "-c", os.devnull, "--rootdir", ".", "--confcutdir", ".", "."],
            cwd=DOWNSTREAM, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        out, _ = process.communicate()
        out = out.decode("utf-8", "replace")
        self.assertEqual(process.returncode, 0, out)
        self.assertIn("downstream tests of katcp 0.9.3", out)
