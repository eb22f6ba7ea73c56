"""Nothing keeps a client alive that is stopped and forgotten."""

from __future__ import absolute_import, division, print_function

import functools
import gc
import weakref

from tornado import gen

from katcp import compat
from katcp.client import AsyncClient, CallbackClient, DeviceClient, Message
from katcp.inspecting_client import InspectingClientAsync
from katcp.resource_client import KATCPClientResource, KATCPClientResourceContainer
from tests.support.client_cases import CapturedLog, LIMIT, ThreadedTestCase, dead_address
from tests.support.devices import CONCURRENCY, Device5
from tests.support.loop_contents import note_futures_given_to
from tests.support.scripted_server import no_reply


class TestInCoroutine(ThreadedTestCase):
    """What is freed as soon as it has stopped, while the coroutine that stopped it goes on."""

    def setUp(self):
        super(TestInCoroutine, self).setUp()
        self.loop = compat.new_ioloop()
        self.addCleanup(self.loop.close)
        self.returned = note_futures_given_to(self.loop)

    def make_device(self):
        device = Device5("localhost", 0)
        device.start(timeout=LIMIT)
        self.addCleanup(device.join, LIMIT)
        self.addCleanup(device.stop)
        return device

    def assert_freed(self, make, run):
        """Assert that nothing keeps what `make` makes, nor its parts, when the coroutine `run` is done."""
        @gen.coroutine
        def make_and_run():
            subject = make()
            references = self.references = [weakref.ref(subject)]
            yield run(subject)
            subject = None
            gc.collect()
            raise gen.Return([reference() for reference in references if reference() is not None])

        gc.disable()
        try:
            self.assertEqual(self.loop.run_sync(make_and_run, timeout=LIMIT), [])
        finally:
            gc.enable()
        self.assertEqual(self.returned, [])

    def make_client(self, address, client_class=AsyncClient):
        client = client_class(*address)
        client.set_ioloop(self.loop)
        return client

    def test_clients(self):
        address = self.make_server().address

        @gen.coroutine
        def run(client):
            client.start()
            yield client.until_protocol()
            client.stop()
            yield client.until_stopped()

        for client_class in DeviceClient, AsyncClient, CallbackClient:
            self.assert_freed(functools.partial(self.make_client, address, client_class), run)

    def test_clients_that_wait_with_a_timeout(self):
        address = self.make_server().address

        @gen.coroutine
        def run(client):
            client.start()
            yield client.until_protocol(timeout=LIMIT)
            client.stop(timeout=LIMIT)
            yield client.until_stopped(timeout=LIMIT)

        self.assert_freed(functools.partial(self.make_client, address), run)

    def test_stopping_has_begun(self):
        @gen.coroutine
        def run(client):
            client.start()
            yield client.until_protocol()
            client.stop()
            yield gen.moment
            yield client.until_stopped()

        self.assert_freed(functools.partial(self.make_client, self.make_server().address), run)

    def test_nobody_there(self):
        @gen.coroutine
        def run(client):
            client.start()
            yield client._waiting_to_retry.until_set()
            client.stop()
            yield client.until_stopped()

        self.assert_freed(functools.partial(self.make_client, dead_address()), run)

    def test_answered_and_pending_requests(self):
        @gen.coroutine
        def run(client):
            client.start()
            yield client.until_protocol()
            yield client.future_request(Message.request("watchdog"))
            pending = client.future_request(Message.request("help"), timeout=1000)
            client.stop()
            yield client.until_stopped()
            yield pending

        self.assert_freed(functools.partial(self.make_client, self.make_device().bind_address), run)

    def test_had_a_loop_of_its_own_before(self):
        address = self.make_server().address

        @gen.coroutine
        def run(client):
            client.start(timeout=LIMIT)
            client.wait_connected(LIMIT)
            client.stop()
            client.join(LIMIT)
            client.set_ioloop(self.loop)
            client.start()
            yield client.until_protocol()
            client.stop()
            yield client.until_stopped()

        self.assert_freed(functools.partial(AsyncClient, *address), run)

    def test_inspecting_client(self):
        address = self.make_device().bind_address

        @gen.coroutine
        def run(client):
            yield client.connect()
            yield client.until_synced()
            self.references.append(weakref.ref(client.katcp_client))
            client.stop()
            yield client.until_stopped()

        self.assert_freed(lambda: InspectingClientAsync(*address, ioloop=self.loop), run)

    def test_resource(self):
        address = self.make_device().bind_address

        def make():
            resource = KATCPClientResource({"name": "device", "address": address, "controlled": True})
            resource.set_ioloop(self.loop)
            return resource

        @gen.coroutine
        def run(resource):
            resource.start()
            yield resource.until_synced()
            yield resource.set_sampling_strategy("an.int", "event")
            for part in resource._inspecting_client, resource.sensor.an_int:
                self.references.append(weakref.ref(part))
            part = None  # noqa: F841
            resource.stop()
            yield resource.until_stopped()

        self.assert_freed(make, run)

    def test_container(self):
        address = self.make_device().bind_address

        def make():
            container = KATCPClientResourceContainer({
                "name": "all", "clients": {"device": {"address": address, "controlled": True}}})
            container.set_ioloop(self.loop)
            return container

        @gen.coroutine
        def run(container):
            container.start()
            yield container.until_synced()
            yield container.set_sampling_strategy("device_an_int", "event")
            self.references.append(weakref.ref(container.children["device"]))
            container.stop()
            yield container.until_stopped()

        self.assert_freed(make, run)

    def test_servers(self):
        def make(thread_safe, handler_thread):
            server = Device5("localhost", 0)
            server.set_concurrency_options(thread_safe, handler_thread)
            server.set_ioloop(self.loop)
            return server

        @gen.coroutine
        def run(server):
            server.start()
            client = self.make_client(server.bind_address)
            client.start()
            yield client.until_protocol()
            reply, _ = yield client.future_request(
                Message.request("sensor-sampling", "an.int", "period", 1000))
            self.assertTrue(reply.reply_ok())
            yield server.stop()
            server.join(LIMIT)
            client.stop()
            yield client.until_stopped()

        for concurrency in CONCURRENCY.values():
            self.assert_freed(functools.partial(make, *concurrency), run)


class TestGarbage(ThreadedTestCase):
    """A client that is stopped and forgotten is freed."""

    def assert_freed(self, make_and_run, *args):
        # The last reference ends with the function.
        reference = make_and_run(*args)
        gc.collect()
        self.assertIsNone(reference())

    def run_managed(self, client):
        client.start(timeout=LIMIT)
        client.wait_connected(0.02)
        client.stop(timeout=0.1)
        client.join(timeout=LIMIT)

    def run_unmanaged(self, client, loop=None):
        @gen.coroutine
        def run():
            client.start()
            try:
                yield client.until_connected(timeout=0.02)
            except compat.GenTimeoutError:
                pass
            client.stop()
            yield client.until_stopped()

        own_loop = loop or compat.new_ioloop()
        client.set_ioloop(own_loop)
        own_loop.run_sync(run, timeout=LIMIT)
        if loop is None:
            own_loop.close()

    def make_and_run(self, client_class, address, *runs, **kwargs):
        client = client_class(*address, **kwargs)
        client.auto_reconnect_delay = 0.01
        for run in runs:
            run(client)
        return weakref.ref(client)

    def test_all_kinds(self):
        address = self.make_server().address
        for client_class in (DeviceClient, AsyncClient, CallbackClient):
            for runs in ((), (self.run_managed,), (self.run_unmanaged,),
                         (self.run_managed, self.run_managed, self.run_unmanaged)):
                self.assert_freed(self.make_and_run, client_class, address, *runs)

    def test_loop_that_lives_on(self):
        loop = compat.new_ioloop()
        self.addCleanup(loop.close)

        def make_and_run(address):
            client = AsyncClient(*address)
            self.run_unmanaged(client, loop)
            return lambda client=weakref.ref(client), watcher=weakref.ref(client._loop_watcher): (
                client() or watcher())

        self.assert_freed(make_and_run, self.make_server().address)

    def test_timers_of_a_loop_that_lives_on(self):
        loop = compat.new_ioloop()
        self.addCleanup(loop.close)

        @gen.coroutine
        def with_pending_request(client):
            client.start()
            yield client.until_connected()
            client.future_request(Message.request("a"), timeout=1000)
            client.stop()
            yield client.until_stopped()

        @gen.coroutine
        def while_waiting_to_retry(client):
            client.auto_reconnect_delay = 1000
            client.start()
            yield client._waiting_to_retry.until_set()
            client.stop()
            yield client.until_stopped()

        def make_and_run(run, address):
            client = AsyncClient(*address)
            client.set_ioloop(loop)
            loop.run_sync(lambda: run(client), timeout=LIMIT)
            return lambda client=weakref.ref(client), wake=weakref.ref(client._connect_loop_wake): (
                client() or wake())

        self.assert_freed(make_and_run, with_pending_request, self.make_server(answer=no_reply).address)
        self.assert_freed(make_and_run, while_waiting_to_retry, dead_address())

    def test_other_loop_was_current(self):
        def make_and_run(address):
            loop = compat.new_ioloop()
            made = []
            loop.run_sync(lambda: made.append(AsyncClient(*address)))
            loop.close()
            client = made.pop()
            self.run_managed(client)
            return weakref.ref(client)

        self.assert_freed(make_and_run, self.make_server().address)

    def test_server_gone_first(self):
        server = self.make_server()

        def run(client):
            client.start(timeout=LIMIT)
            client.wait_connected(LIMIT)
            server.stop()
            client.wait_disconnected(LIMIT)
            client.stop(timeout=0.1)
            client.join(timeout=LIMIT)

        self.assert_freed(self.make_and_run, AsyncClient, server.address, run)

    def test_unreachable(self):
        # pytest keeps the log records, and with them what is in their arguments.
        for auto_reconnect in (True, False):
            with CapturedLog("katcp.client", level=0) as log:
                for run in (self.run_managed, self.run_unmanaged):
                    reference = self.make_and_run(AsyncClient, dead_address(), run,
                                                  auto_reconnect=auto_reconnect)
                    gc.collect()
                    self.assertIsNone(reference())
            self.assertTrue(log.records)

    def test_with_pending_requests(self):
        def run(client):
            client.start(timeout=LIMIT)
            client.wait_connected(LIMIT)
            client.blocking_request(Message.request("a"), timeout=0.01)
            self.in_loop(client, client.future_request, Message.request("a"))
            client.stop()
            client.join(LIMIT)

        self.assert_freed(self.make_and_run, AsyncClient, self.make_server(answer=no_reply).address, run)
