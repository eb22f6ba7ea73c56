"""Tests with the fixtures of `katcp.testutils.pytest_plugin`; run by test_testutils_pytest_plugin.

Those whose names begin with ``test_bad`` fail, and leave it to the fixtures to clean up.
"""

from __future__ import absolute_import, division, print_function

import threading

import pytest
import tornado.ioloop
from tornado import gen

from katcp import KATCPClientResource
from katcp.testutils import DeviceTestServer

pytest_plugins = ["katcp.testutils.pytest_plugin"]

started = []


@pytest.fixture(autouse=True)
def nothing_is_left():
    threads_before = set(threading.enumerate())
    del started[:]
    yield
    assert set(threading.enumerate()) <= threads_before
    for device in started:
        assert not device.running()


def make_device():
    started.append(DeviceTestServer("127.0.0.1", 0))
    return started[-1]


def test_device(katcp_device):
    device = make_device()
    assert katcp_device(device) is device
    assert device.running()
    assert katcp_device(make_device()).running()


def test_client(katcp_device, katcp_client):
    device = katcp_device(make_device())
    for client in (katcp_client(device), katcp_client(device.bind_address)):
        client.assert_request_succeeds("new-command", args_equal=["param1", "param2"])
        with pytest.raises(AssertionError):
            client.assert_request_succeeds("raise-fail")


def test_bad_client(katcp_device, katcp_client):
    katcp_client(katcp_device(make_device())).assert_request_succeeds("raise-fail")


def test_loop(katcp_loop):
    @gen.coroutine
    def double(number, after):
        assert tornado.ioloop.IOLoop.current() is katcp_loop.ioloop
        yield gen.sleep(after)
        raise gen.Return(2 * number)

    assert katcp_loop.run(double, 4, after=0.001) == 8
    assert katcp_loop.run(max, 4, 5) == 5
    assert katcp_loop.run(dict) == {}
    with pytest.raises(ZeroDivisionError):
        katcp_loop.run(lambda: 1 / 0)


def test_loop_that_takes_too_long(katcp_loop):
    katcp_loop.timeout = 0.01
    with pytest.raises(tornado.ioloop.TimeoutError):
        katcp_loop.run(gen.Future)


def test_clock(katcp_loop, katcp_clock):
    @gen.coroutine
    def sleep():
        sleeping = gen.sleep(3600)
        yield katcp_clock.move(3599)
        assert not sleeping.done()
        yield katcp_clock.move_to(3600)
        assert sleeping.done()
        with pytest.raises(ValueError):
            katcp_clock.move_to(3600)

    katcp_loop.run(sleep)
    assert katcp_loop.ioloop.time() == katcp_clock.now == 3600


def test_clock_that_stands_still(katcp_loop, katcp_clock):
    katcp_loop.timeout = 0.01
    with pytest.raises(tornado.ioloop.TimeoutError):
        katcp_loop.run(gen.sleep, 1)


class Requests(object):
    def request_echo(self, req, msg):
        """Reply with the arguments."""
        return req.make_reply("ok", *msg.arguments)


@pytest.mark.parametrize("requests", [Requests(), {"echo": Requests().request_echo}])
def test_fake_resource(katcp_loop, katcp_fake_resource, requests):
    class Resource(KATCPClientResource):
        pass

    resource, manager = katcp_fake_resource(
        "thing", {"a.float": ("A float", "", "float")}, requests, cls=Resource,
        options={"refuse_unknown_requests": True}, always_excluded_requests=["help"])
    assert isinstance(resource, Resource)

    @gen.coroutine
    def use():
        yield resource.until_synced()
        manager.set_sensor_reading("a.float", 2.5)
        reply = yield resource.req.echo(5)
        raise gen.Return(str(reply))

    assert katcp_loop.run(use) == "!echo[3] ok 5"
    assert resource.sensor.a_float.value == 2.5
    assert "help" not in resource.req
    assert resource.name == "thing"


def test_bad_fake_resource(katcp_fake_resource):
    katcp_fake_resource("thing")
    raise AssertionError("on purpose")


def test_cleanups():
    from katcp.testutils.pytest_plugin import _Cleanups

    done = []

    def fail():
        done.append("failed")
        raise ZeroDivisionError

    cleanups = _Cleanups()
    cleanups.addCleanup(done.append, "first")
    cleanups.addCleanup(fail)
    cleanups.addCleanup(done.append, "last")
    with pytest.raises(ZeroDivisionError):
        cleanups.run()
    assert done == ["last", "failed", "first"]
