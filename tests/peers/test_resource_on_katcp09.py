"""Resources on devices of katcp 0.9.3, in an interpreter of its own, in every version of the protocol."""

from __future__ import absolute_import, division, print_function

from tornado import testing

from tests.peers.test_katcp09 import Peer
from tests.support.resource_session import DeviceProcess, ResourceSession


class TestResourceOnKatcp09(ResourceSession):
    def serve(self, version, port):
        return DeviceProcess(Peer("example.py", version, str(port)).process)

    @testing.gen_test(timeout=40)
    def test_v4(self):
        yield self.session("4")

    @testing.gen_test(timeout=40)
    def test_v50(self):
        yield self.session("5.0")

    @testing.gen_test(timeout=40)
    def test_v51(self):
        yield self.session("5.1")
