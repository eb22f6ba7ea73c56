"""Starting and stopping resource clients, at any moment and in any thread."""

from __future__ import absolute_import, division, print_function

import gc
import logging
import threading
import unittest
import weakref

from tornado import gen
from tornado.testing import AsyncTestCase

from katcp import compat
from katcp.ioloop_manager import IOLoopManager
from katcp.resource_client import KATCPClientResource, KATCPClientResourceContainer
from tests.support import mock
from tests.support.inspecting_cases import timewarp_test
from tests.support.logs import LogRecorder
from tests.support.loop_contents import loop_contents
from tests.support.resource_cases import BULK_PROTOCOL, Recording, ResourceTestCase, SensingDevice

# Seconds after which a test that hangs fails.
LIMIT = 10
# A port that nobody listens on.
NOWHERE = ("127.0.0.1", 1)


class TestStart(ResourceTestCase):
    @timewarp_test
    def test_at_once(self):
        made = self.make_resource()
        self.assertIsNone(made.start())
        client = made._inspecting_client
        self.assertIs(made.ioloop, self.io_loop)
        self.assertIs(client.ioloop, self.io_loop)
        self.assertEqual(client.sensor_factory, made._sensor_manager.sensor_factory)
        self.assertEqual(client.request_factory, made._request_factory)
        self.assertEqual(made.reapply_sampling_strategies, made._sensor_manager.reapply_sampling_strategies)
        yield made.until_synced()

    @timewarp_test
    def test_as_a_callback(self):
        made = self.make_resource()
        self.io_loop.add_callback(made.start)
        yield made.until_synced()

    def test_before_the_loop_runs(self):
        made = self.make_resource()
        made.start()
        self.io_loop.run_sync(made.until_synced)

    @timewarp_test
    def test_twice(self):
        made = self.make_resource()
        made.start()
        client = made._inspecting_client
        with LogRecorder("katcp.resource_client") as log:
            made.start()
        self.assertIs(made._inspecting_client, client)
        self.assertEqual(len(log.messages), 1)
        yield made.until_synced()
        self.assertEqual(self.device.server.connections_made, 1)

    @timewarp_test
    def test_another_factory(self):
        made = self.make_resource()
        factory = made.inspecting_client_factory
        made.inspecting_client_factory = mock.Mock(side_effect=factory)
        made.start()
        made.inspecting_client_factory.assert_called_once_with(
            self.device.address[0], self.device.address[1], None)
        yield made.until_synced()

    @timewarp_test
    def test_factory_that_fails(self):
        made = self.make_resource()
        made.inspecting_client_factory = mock.Mock(side_effect=ValueError)
        self.assertRaises(ValueError, made.start)
        del made.inspecting_client_factory
        made.start()
        yield made.until_synced()

    @timewarp_test
    def test_address_that_is_none(self):
        for address, error in (("host:5000", ValueError), (("host",), ValueError), (None, TypeError)):
            made = KATCPClientResource(dict(name="a-device", address=address))
            with self.assertRaises(error) as caught:
                made.start()
            self.assertEqual(str(caught.exception),
                             "The address of a-device must be (host, port), not %r" % (address,))
            made.stop()

    @timewarp_test
    def test_connecting_that_fails_is_logged(self):
        made = KATCPClientResource(dict(name="a-device", address=NOWHERE))
        factory = made.inspecting_client_factory

        def failing_factory(*args):
            client = factory(*args)
            client.connect = mock.Mock(return_value=compat.done_future(exception=ValueError("no")))
            return client

        made.inspecting_client_factory = failing_factory
        with LogRecorder("katcp.resource_client") as log:
            made.start()
            yield gen.moment
        self.assertEqual(log.messages, ["Unhandled exception returned by future"])
        made.stop()


class TestStop(ResourceTestCase):
    @timewarp_test
    def test_pending_requests(self):
        made = yield self.synced_resource(controlled=True)
        self.device.held.add("watchdog")
        request = made.req.watchdog()
        self.assertIsNone(made.stop())
        made.stop()
        self.assertIn("Client\\_stopped", str((yield request)))
        self.assertIs((yield made.until_stopped()), True)
        self.assertEqual(made.state, "disconnected")

    @timewarp_test
    def test_until_stopped_before_the_stop(self):
        made = yield self.synced_resource()
        stopped = made.until_stopped()
        yield self.iterations(20)
        self.assertFalse(stopped.done())
        with self.assertRaises(gen.TimeoutError):
            stopped_in_time = made.until_stopped(timeout=1)
            yield self.move_clock(1)
            yield stopped_in_time
        made.stop()
        self.assertIs((yield stopped), True)

    @timewarp_test
    def test_waits_are_told(self):
        made = yield self.synced_resource()
        waiting = made.until_not_synced()
        made.stop()
        yield waiting

    @timewarp_test
    def test_until_stopped_elsewhere(self):
        made = yield self.synced_resource()
        errors = []

        def work():
            try:
                made.until_stopped().result()
            except AssertionError as error:
                errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        self.assertEqual(len(errors), 1)

    @timewarp_test
    def test_restart_without_waiting(self):
        made = yield self.synced_resource(Recording, controlled=True)
        del made.states[:]
        made.stop()
        made.start()
        self.assertEqual(made.state, "disconnected")
        yield made.until_synced()
        # What the old client has to say is not heard any more.
        self.assertEqual(made.states, ["disconnected", "disconnected", "syncing", "syncing", "synced"])
        yield self.iterations(50)
        self.assertEqual(made.state, "synced")
        self.assertTrue((yield made.req.watchdog()))

    @timewarp_test
    def test_restart_in_the_middle_of_an_update(self):
        made = self.make_resource(controlled=True)
        made.set_sampling_strategy("an.int", "event")
        self.device.held.add("sensor-sampling")
        made.start()
        yield self.until(lambda: self.device.samplings)
        self.device.held.clear()
        made.stop()
        made.start()
        yield made.until_synced()
        self.assertEqual(sorted(made.req), ["help", "watchdog"])
        self.assertEqual(made.sensor.an_int.value, 3)
        del self.device.requests[b"watchdog"]
        yield self.resync(made)
        self.assertEqual(sorted(made.req), ["help"])


class TestNothingIsLeft(ResourceTestCase):
    """Wherever it has got to, a resource that is stopped leaves nothing behind."""

    protocol = BULK_PROTOCOL

    def setUp(self):
        super(TestNothingIsLeft, self).setUp()
        # Whoever keeps records keeps the tracebacks in them, and so the clients.
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)

    def note_what_is_there(self):
        self.before = loop_contents(self.io_loop)
        self.threads = threading.active_count()

    def assert_nothing_left(self, *references):
        for reference in references:
            self.assert_freed(reference)
        after = loop_contents(self.io_loop)
        for kind, before in self.before.items():
            left = after[kind] - before
            self.assertFalse(left, "{0} left: {1!r}".format(kind, left))
        self.assertEqual(threading.active_count(), self.threads)

    @gen.coroutine
    def stop(self, made):
        made.stop()
        yield made.until_stopped()

    def used_resource(self, **spec):
        made = self.make_resource(controlled=True, **spec)
        made.set_sampling_strategy("an.int", "event")
        made.set_sampling_strategy("a.string", "event")
        made.set_sensor_listener("an.int", lambda sensor, reading: made)
        return made

    @timewarp_test
    def test_stop_after_any_number_of_iterations(self):
        self.note_what_is_there()
        for number in range(40):
            made = self.used_resource()
            made.start()
            made.until_not_synced()
            made.until_synced(5)
            yield self.iterations(number)
            yield self.stop(made)
            reference = weakref.ref(made)
            made = None
            self.assert_nothing_left(reference)

    @timewarp_test
    def test_stop_after_any_question(self):
        self.note_what_is_there()
        for questions, held in enumerate(["help", "sensor-list", "sensor-sampling"], 1):
            device = self.device = self.make_device(BULK_PROTOCOL)
            device.held.add(held)
            self.note_what_is_there()
            made = self.used_resource()
            made.start()
            yield self.until(lambda: len(device.asked) == questions)
            yield self.iterations(10)
            self.assertEqual(made.state, "syncing")
            yield self.stop(made)
            reference = weakref.ref(made)
            made = None
            self.assert_nothing_left(reference)

    @timewarp_test
    def test_stop_when_never_connected(self):
        self.note_what_is_there()
        for number in (0, 1, 20):
            made = self.used_resource(address=NOWHERE)
            made.start()
            yield self.iterations(number)
            yield self.stop(made)
            reference = weakref.ref(made)
            made = None
            self.assert_nothing_left(reference)

    @timewarp_test
    def test_stop_while_retrying(self):
        self.note_what_is_there()
        self.device.broken["sensor-list"] = ["fail", "Broken"]
        made = self.used_resource()
        with LogRecorder("katcp"):
            made.start()
            yield self.until(lambda: "?sensor-list" in self.device.asked)
            yield self.iterations(20)
            yield self.stop(made)
        self.assertEqual(made.state, "disconnected")
        reference = weakref.ref(made)
        made = None
        self.assert_nothing_left(reference)

    @timewarp_test
    def test_stop_while_reconnecting(self):
        self.note_what_is_there()
        made = self.used_resource()
        made.start()
        yield made.until_synced()
        self.device.stop()
        self.before["files"].update(loop_contents(self.io_loop)["files"])
        yield made.until_not_synced()
        yield self.move_clock(0.6)
        yield self.stop(made)
        reference = weakref.ref(made)
        made = None
        gc.collect()
        self.threads = threading.active_count()
        self.assert_nothing_left(reference)

    @timewarp_test
    def test_stop_after_use(self):
        self.note_what_is_there()
        made = self.used_resource()
        made.start()
        yield made.until_synced()
        yield made.req.watchdog()
        yield made.sensor.an_int.get_value()
        made.wait("an.int", 7)
        made.sensor.an_int.wait(8)
        made.set_sampling_strategies("", "none")
        yield self.resync(made)
        yield self.stop(made)
        reference = weakref.ref(made)
        made = None
        self.assert_nothing_left(reference)

    @timewarp_test
    def test_containers(self):
        self.note_what_is_there()
        for number in (0, 5, 20, 40):
            container = self.make_container(groups={"group-1": ["client-1", "client.2"]})
            container.start()
            container.until_not_synced()
            container.until_synced()
            container.until_any_child_in_state("syncing", 5)
            yield self.iterations(number)
            container.stop()
            yield container.until_stopped()
            references = [weakref.ref(container)] + list(map(weakref.ref, container.children.values()))
            container = None
            self.assert_nothing_left(*references)

    @timewarp_test
    def test_synced_container(self):
        self.note_what_is_there()
        container = yield self.synced_container(groups={"group-1": ["client-1", "client.2"]})
        yield container.set_sampling_strategies("", "event")
        yield container.groups.group_1.req.watchdog()
        yield container.groups.group_1.wait("an.int", 3)
        container.groups.group_1.wait("an.int", 5, quorum=1)
        container.until_not_synced()
        container.stop()
        yield container.until_stopped()
        reference = weakref.ref(container)
        container = None
        self.assert_nothing_left(reference)


class TestOtherThreads(unittest.TestCase):
    """The loop runs elsewhere."""

    def setUp(self):
        self.device = SensingDevice()
        self.addCleanup(self.device.stop)
        self.manager = IOLoopManager()
        self.ioloop = self.manager.get_ioloop()
        self.addCleanup(self.manager.join, LIMIT)
        self.addCleanup(self.manager.stop)

    def in_loop(self, function, *args, **kwargs):
        future = compat.ConcurrentFuture()

        @gen.coroutine
        def call():
            try:
                result = function(*args, **kwargs)
                if isinstance(result, dict):
                    result = yield result
                elif compat.is_future(result):
                    result = yield result
                future.set_result(result)
            except Exception as error:
                future.set_exception(error)

        self.ioloop.add_callback(call)
        return future.result(LIMIT)

    def make(self, started):
        if started:
            self.manager.start(LIMIT)
        made = KATCPClientResource(dict(name="a-device", address=self.device.address, controlled=True))
        made.set_ioloop(self.ioloop)
        return made

    def test_start_and_stop(self):
        for started in (False, True):
            made = self.make(started)
            made.start()
            self.assertIs(made.ioloop, self.ioloop)
            if not started:
                self.manager.start(LIMIT)
            self.in_loop(made.until_synced, 5)
            made.stop()
            self.in_loop(made.until_stopped, 5)
            self.assertEqual(made.state, "disconnected")
            reference = weakref.ref(made)
            del made
            gc.collect()
            self.assertIsNone(reference())
            if not started:
                self.manager.stop().result(LIMIT)
                self.manager.join(LIMIT)
                self.ioloop = self.manager.get_ioloop()

    def test_stop_before_it_has_begun(self):
        made = self.make(started=False)
        made.start()
        made.stop()
        self.manager.start(LIMIT)
        self.assertIs(self.in_loop(made.until_stopped), True)
        self.assertEqual(self.device.server.connections_made, 0)
        self.assertEqual(made.state, "disconnected")

    def test_until_stopped_before_it_has_begun(self):
        made = self.make(started=False)
        stopped = []
        self.ioloop.add_callback(lambda: stopped.append(made.until_stopped()))
        made.start()
        self.manager.start(LIMIT)
        self.in_loop(made.until_synced, 5)
        self.assertFalse(stopped[0].done())
        made.stop()
        self.assertIs(self.in_loop(lambda: stopped[0]), True)
        self.assertEqual(self.device.server.connections_made, 1)

    def test_the_client_is_stopped_in_its_thread(self):
        made = self.make(started=True)
        made.start()
        self.in_loop(made.until_synced, 5)
        client, threads = made._inspecting_client, []
        stop = client.stop
        client.stop = lambda: (threads.append(compat.get_thread_ident()), stop())
        made.stop()
        self.in_loop(made.until_stopped, 5)
        self.assertEqual(threads, [self.in_loop(compat.get_thread_ident)])

    def test_containers(self):
        self.manager.start(LIMIT)
        container = KATCPClientResourceContainer(dict(
            name="a-container", clients={"client-1": dict(address=self.device.address)}))
        container.set_ioloop(self.ioloop)
        container.start()
        self.assertIs(container.children.client_1.ioloop, self.ioloop)
        self.in_loop(container.until_synced, 5)
        container.stop()
        self.assertEqual(self.in_loop(container.until_stopped, 5), {"client_1": True})

    def test_threads_without_a_loop(self):
        made = []

        def make():
            resource = KATCPClientResource(dict(name="a-device", address=self.device.address))
            resource.set_sampling_strategy("an.int", "event")
            resource.set_sensor_listener("an.int", len)
            resource.until_not_synced()
            resource.list_sensors()
            container = KATCPClientResourceContainer(dict(
                name="a-container", clients={"client-1": dict(address=self.device.address)}))
            container.until_not_synced()
            container.set_sampling_strategies("", "event")
            container.list_sensors()
            made.extend([resource, container, compat.current_ioloop()])

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        resource, container, loop = made
        self.assertIsNone(loop)
        self.manager.start(LIMIT)
        for client in (resource, container):
            self.in_loop(client.start)
            self.in_loop(client.until_synced, 5)
            client.stop()
            self.in_loop(client.until_stopped)


class TestClosedLoops(AsyncTestCase):
    def test_stop_when_the_loop_is_closed(self):
        device = SensingDevice()
        self.addCleanup(device.stop)
        loop = compat.new_ioloop()
        made = KATCPClientResource(dict(name="a-device", address=device.address))
        made.set_ioloop(loop)

        @gen.coroutine
        def use():
            made.start()
            yield made.until_synced()

        loop.run_sync(use)
        loop.close(all_fds=True)
        made.stop()
        # With another loop it works again.
        made.set_ioloop(self.io_loop)

        @gen.coroutine
        def use_again():
            made.start()
            yield made.until_synced(timeout=LIMIT)
            made.stop()
            yield made.until_stopped()

        self.io_loop.run_sync(use_again)
