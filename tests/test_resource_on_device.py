"""Resources on devices in processes of their own, in every version of the protocol."""

from __future__ import absolute_import, division, print_function

import os
import subprocess
import sys

from tornado import testing

from tests.support.programs import TOP, environment
from tests.support.resource_session import DeviceProcess, ResourceSession


class TestResourceOnDevice(ResourceSession):
    def serve(self, version, port):
        program = os.path.join(TOP, "tests", "peers", "example.py")
        return DeviceProcess(subprocess.Popen(
            [sys.executable, program, version, str(port)], env=environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE))

    @testing.gen_test(timeout=40)
    def test_v4(self):
        yield self.session("4")

    @testing.gen_test(timeout=40)
    def test_v50(self):
        yield self.session("5.0")

    @testing.gen_test(timeout=40)
    def test_v51(self):
        yield self.session("5.1")
