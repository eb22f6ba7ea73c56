"""Groups of clients."""

from __future__ import absolute_import, division, print_function

import gc

from tornado import gen
from tornado.testing import AsyncTestCase, gen_test

from katcp import Message, Sensor, compat
from katcp.core import AttrDict
from katcp.resource import KATCPResourceInactive, KATCPSensorError
from katcp.resource_client import (
    ClientGroup, GroupRequest, GroupResults, KATCPClientResource, KATCPReply)
from tests.support import mock
from tests.support.clock import TimewarpAsyncTestCase
from tests.support.inspecting_cases import timewarp_test
from tests.support.logs import LogRecorder
from tests.support.resource_cases import ResourceTestCase
from tests.support.resources import Manager, make_sensor

OK = KATCPReply(Message.reply("a", "ok"), [])
FAILED = KATCPReply(Message.reply("a", "fail"), [])


class Request(object):
    """A request that replies at once."""

    def __init__(self, reply=OK, description="Text."):
        self.description = description
        self.calls = []
        self.reply = reply

    def __call__(self, *args, **kwargs):
        self.calls.append((args, kwargs))
        return self.reply if compat.is_future(self.reply) else compat.done_future(self.reply)


def make_clients(number=3, cls=KATCPClientResource):
    """Return a list of resources that are called ``client-1`` and so on."""
    return [cls(dict(name="client-{0}".format(index + 1), address=("localhost", index)))
            for index in range(number)]


class TestGroupResults(AsyncTestCase):
    def test_truth(self):
        for values, expected in (([], True), ([OK], True), ([OK, FAILED], False), ([OK, None], False)):
            results = GroupResults(enumerate(values))
            self.assertIs(results.succeeded, expected)
            self.assertIs(bool(results), expected)
            self.assertEqual(results, dict(enumerate(values)))


class TestGroupRequest(AsyncTestCase):
    def setUp(self):
        super(TestGroupRequest, self).setUp()
        self.clients = make_clients()
        self.group = ClientGroup("the-group", self.clients)

    def test_description(self):
        request = GroupRequest(self.group, "req_one", "What it does.")
        self.assertIs(request.group, self.group)
        self.assertEqual((request.name, request.description), ("req_one", "What it does."))
        self.assertTrue(request.__doc__.startswith(
            "KATCP Documentation\n===================\nWhat it does.\n"
            "GroupRequest Documentation\n==========================\nCallable"))
        self.assertRaises(TypeError, GroupRequest, self.group, "req_one", None)

    @gen_test
    def test_all_have_it(self):
        requests = [Request(), Request(), Request(FAILED)]
        for client, request in zip(self.clients, requests):
            client.req["a"] = request
        results = yield self.group.req.a(1, timeout=2)
        self.assertIsInstance(results, GroupResults)
        self.assertEqual(results, {"client-1": OK, "client-2": OK, "client-3": FAILED})
        self.assertFalse(results)
        for request in requests:
            self.assertEqual(request.calls, [((1,), {"timeout": 2})])

    @gen_test
    def test_some_have_it(self):
        self.clients[1].req["a"] = Request()
        results = yield self.group.req.a()
        self.assertEqual(results, {"client-1": None, "client-2": OK, "client-3": None})
        self.assertFalse(results.succeeded)

    @gen_test
    def test_all_are_asked_at_once(self):
        pending = [compat.new_future(self.io_loop) for _ in self.clients]
        for client, future in zip(self.clients, pending):
            client.req["a"] = Request(future)
        calling = self.group.req.a()
        self.assertEqual([len(client.req.a.calls) for client in self.clients], [1, 1, 1])
        pending[2].set_result(OK)
        pending[0].set_result(OK)
        yield gen.moment
        self.assertFalse(calling.done())
        pending[1].set_result(FAILED)
        self.assertEqual((yield calling)["client-2"], FAILED)

    @gen_test
    def test_inactive(self):
        first = Request()
        self.clients[0].req["a"] = first
        self.clients[1].req["a"] = mock.Mock(side_effect=KATCPResourceInactive, description="")
        with self.assertRaises(KATCPResourceInactive):
            yield self.group.req.a()
        self.assertEqual(len(first.calls), 1)

    @gen_test
    def test_requests_that_are_called_like_methods(self):
        self.clients[0].req["clear"] = Request()
        results = yield self.group.req["clear"]()
        self.assertEqual(results, {"client-1": OK, "client-2": None, "client-3": None})


class TestClientGroup(AsyncTestCase):
    def setUp(self):
        super(TestClientGroup, self).setUp()
        self.clients = make_clients()
        self.group = ClientGroup("the-group", iter(self.clients))

    def test_sequence(self):
        self.assertEqual(self.group.name, "the-group")
        self.assertEqual(self.group.clients, tuple(self.clients))
        self.assertEqual(list(self.group), self.clients)
        self.assertIs(self.group[1], self.clients[1])
        self.assertEqual(self.group[1:], tuple(self.clients[1:]))
        self.assertEqual(len(self.group), 3)

    def test_requests(self):
        self.clients[0].req["a"] = Request(description="First.")
        self.clients[1].req["a"] = Request(description="Second.")
        self.clients[2].req["b"] = Request()
        req = self.group.req
        self.assertIs(type(req), AttrDict)
        self.assertEqual(sorted(req), ["a", "b"])
        self.assertEqual((req.a.name, req.a.description), ("a", "First."))
        self.assertIs(self.group.req, req)
        self.assertRaises(AttributeError, getattr, req, "c")

    def test_requests_follow_the_clients(self):
        # Nobody tells a group of one's own.
        self.assertEqual(self.group.req, {})
        self.clients[1].req["a"] = Request()
        self.assertEqual(list(self.group.req), ["a"])
        self.clients[1].req["a"] = Request(description="New.")
        self.assertEqual(self.group.req.a.description, "New.")
        del self.clients[1].req["a"]
        self.assertEqual(self.group.req, {})

    def test_client_updated(self):
        req = self.group.req
        self.group.client_updated(self.clients[0])
        self.assertIsNot(self.group.req, req)
        self.assertRaises(AssertionError, self.group.client_updated, make_clients(1)[0])

    def test_replacing_clients(self):
        new, = make_clients(1)
        new.req["a"] = Request()
        self.group.replace_client(self.clients[1], new)
        self.assertEqual(self.group.clients, (self.clients[0], new, self.clients[2]))
        self.assertEqual(list(self.group.req), ["a"])
        self.group.replace_client(new, None)
        self.assertEqual(self.group.clients, (self.clients[0], self.clients[2]))

    def test_is_connected(self):
        self.assertFalse(self.group.is_connected())
        for client in self.clients:
            client._state.set_state("syncing")
        self.assertTrue(self.group.is_connected())
        self.assertTrue(ClientGroup("none", []).is_connected())

    @gen_test
    def test_strategies(self):
        for method in ("set_sampling_strategy", "set_sampling_strategies"):
            for client in self.clients:
                setattr(client, method, mock.Mock(return_value=compat.done_future(client.name)))
            results = yield getattr(self.group, method)("name", "event")
            self.assertEqual(results, dict((client.name, client.name) for client in self.clients))
            for client in self.clients:
                getattr(client, method).assert_called_once_with("name", "event")


class TestWait(TimewarpAsyncTestCase):
    """Waiting for a sensor of so many clients."""

    still_clock_limit = 15

    def setUp(self):
        super(TestWait, self).setUp()
        self.clients = make_clients()
        self.group = ClientGroup("the-group", self.clients)
        self.sensors = []
        for client in self.clients:
            manager = Manager()
            manager.strategies["an.int"] = ("event",)
            client.sensor["an_int"] = make_sensor(manager)
            self.sensors.append(client.sensor.an_int)

    def set(self, *values):
        for sensor, value in zip(self.sensors, values):
            sensor.set(0, Sensor.NOMINAL, value)

    def assert_no_listeners(self):
        gc.collect()
        self.assertFalse(any(sensor._listeners for sensor in self.sensors))

    @timewarp_test
    def test_all(self):
        waiting = self.group.wait("an.int", 1)
        self.set(1, 1, 1)
        results = yield waiting
        self.assertEqual(results, {"client-1": True, "client-2": True, "client-3": True})
        self.assertTrue(results)
        self.assert_no_listeners()

    @timewarp_test
    def test_one_is_missing(self):
        waiting = self.group.wait("an.int", 1, timeout=0.4)
        self.set(1, 1, 0)
        yield self.set_ioloop_time(0.2)
        yield self.set_ioloop_time(0.39)
        self.assertFalse(waiting.done())
        yield self.set_ioloop_time(0.4)
        results = yield waiting
        self.assertEqual(results, {"client-1": True, "client-2": True, "client-3": False})
        self.assertFalse(results)
        self.assert_no_listeners()

    @timewarp_test
    def test_late_ones_within_the_grace_period(self):
        waiting = self.group.wait("an.int", 1, quorum=2)
        self.set(1, 1, 0)
        yield gen.moment
        yield gen.moment
        yield gen.moment
        self.assertFalse(waiting.done())
        yield self.set_ioloop_time(0.9)
        self.set(1, 1, 1)
        self.assertEqual((yield waiting), {"client-1": True, "client-2": True, "client-3": True})

    @timewarp_test
    def test_quorum(self):
        for quorum, satisfied, expected in (
                (None, 2, False), (1, 1, True), (1, 0, False), (2, 1, False), (2, 2, True), (4, 3, False),
                (0.1, 1, True), (0.34, 1, False), (0.34, 2, True), (1.0, 2, False), (1.0, 3, True),
                (0, 0, True), (0.0, 0, True)):
            self.set(0, 0, 0)
            waiting = self.group.wait("an.int", 1, timeout=0.2, quorum=quorum)
            self.set(*[1] * satisfied)
            while not waiting.done():
                yield self.set_ioloop_time(self.ioloop_time + 0.05)
            results = waiting.result()
            self.assertIs(bool(results), expected, (quorum, satisfied))
            self.assertEqual(sum(results.values()), satisfied)

    @timewarp_test
    def test_quorum_that_makes_no_sense(self):
        with self.assertRaises(TypeError) as caught:
            yield self.group.wait("an.int", 1, quorum=1.1)
        self.assertEqual(str(caught.exception),
                         "Quorum parameter 1.1 must be an integer if outside range [0, 1]")

    @timewarp_test
    def test_timeouts_of_the_clients(self):
        for kwargs, expected in (
                ({}, [4.0, 1.0]), ({"timeout": 3, "max_grace_period": 2}, [1.5, 1.5]),
                ({"timeout": None}, [None, 1.0])):
            for client in self.clients:
                client.wait = mock.Mock(side_effect=lambda *args: compat.done_future(False))
            self.clients[0].wait = mock.Mock(side_effect=lambda *args: compat.done_future(True))
            results = yield self.group.wait("s", 1, **kwargs)
            self.assertEqual(results, {"client-1": True, "client-2": False, "client-3": False})
            self.assertEqual(self.clients[0].wait.call_args_list, [mock.call("s", 1, expected[0])])
            for client in self.clients[1:]:
                self.assertEqual(client.wait.call_args_list,
                                 [mock.call("s", 1, timeout) for timeout in expected])

    @timewarp_test
    def test_without_a_grace_period(self):
        waiting = self.group.wait("an.int", 1, timeout=5, quorum=1, max_grace_period=0)
        self.set(1, 0, 0)
        self.assertEqual((yield waiting), {"client-1": True, "client-2": False, "client-3": False})
        self.assert_no_listeners()

    @timewarp_test
    def test_quorum_of_nobody(self):
        waiting = self.group.wait("an.int", 1, quorum=0, max_grace_period=0)
        self.assertTrue(waiting.done())
        self.assertTrue((yield waiting))

    @timewarp_test
    def test_grace_until_the_timeout(self):
        waiting = self.group.wait("an.int", 1, timeout=5, quorum=1, max_grace_period=None)
        self.set(1, 0, 0)
        yield self.set_ioloop_time(4.9)
        self.assertFalse(waiting.done())
        self.set(0, 1, 0)
        yield self.set_ioloop_time(5.1)
        self.assertEqual((yield waiting), {"client-1": True, "client-2": True, "client-3": False})

    @timewarp_test
    def test_no_timeout(self):
        for timeout in (0, None):
            self.set(0, 0, 0)
            waiting = self.group.wait("an.int", 1, timeout=timeout, quorum=1)
            yield self.set_ioloop_time(self.ioloop_time + 1000)
            self.assertFalse(waiting.done())
            self.set(0, 1, 0)
            yield gen.moment
            yield self.set_ioloop_time(self.ioloop_time + 1.1)
            self.assertEqual((yield waiting), {"client-1": False, "client-2": True, "client-3": False})

    @timewarp_test
    def test_errors(self):
        yield self.expect_error(KeyError, "unknown")
        self.sensors[1]._manager.strategies.clear()
        yield self.expect_error(KATCPSensorError, "an.int")
        self.assert_no_listeners()

    @gen.coroutine
    def expect_error(self, expected, name):
        # In a coroutine of its own, because on Python 2 an exception stays as long as who has caught it.
        with self.assertRaises(expected):
            yield self.group.wait(name, 1)

    @timewarp_test
    def test_who_gives_up_leaves_nothing_behind(self):
        waiting = self.group.wait("an.int", 1, timeout=1000)
        self.assertTrue(self.sensors[0]._listeners)
        del waiting
        self.assert_no_listeners()
        yield gen.moment

    @timewarp_test
    def test_clients_with_odd_names(self):
        clients = [KATCPClientResource(dict(name=name, address=("localhost", 1)))
                   for name in ("timeout", "done_at_least", "self")]
        for client, sensor in zip(clients, self.sensors):
            client.sensor["an_int"] = sensor
        waiting = ClientGroup("odd", clients).wait("an.int", 1)
        self.set(1, 1, 1)
        self.assertEqual((yield waiting), {"timeout": True, "done_at_least": True, "self": True})

    @timewarp_test
    def test_nobody(self):
        results = yield ClientGroup("none", []).wait("an.int", 1)
        self.assertEqual(results, {})
        self.assertTrue(results)


class TestWithDevice(ResourceTestCase):
    @timewarp_test
    def test_in_a_container(self):
        container = yield self.synced_container(groups={"group-1": ["client-1", "client.2"]})
        group = container.groups.group_1
        self.assertTrue(group.is_connected())
        results = yield group.req.watchdog()
        self.assertTrue(results)
        self.assertEqual(sorted(results), ["client-1", "client.2"])
        group.set_sampling_strategies("int", "event")
        results = yield group.wait("an.int", 3, timeout=None)
        self.assertTrue(results)
        with LogRecorder("katcp.resource_client") as log:
            results = yield group.set_sampling_strategy("an.int", "bogus")
        self.assertEqual(results, {"client-1": {"an_int": "bogus"}, "client.2": {"an_int": "bogus"}})
        self.assertEqual(len(log.messages), 2)
