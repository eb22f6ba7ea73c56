"""Resources on a device of aiokatcp: version 5 with ids and bulk sampling."""

import os
import subprocess
import sys

from tornado import testing

from tests.support.resource_session import DeviceProcess, ResourceSession

PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "aiokatcp_device.py")


class TestResourceOnAiokatcp(ResourceSession):
    def serve(self, version, port):
        return DeviceProcess(subprocess.Popen(
            [sys.executable, PEER, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE))

    @testing.gen_test(timeout=40)
    def test_v51(self):
        yield self.session("5.1")
