"""Nothing keeps a client alive that is stopped and forgotten."""

from __future__ import absolute_import, division, print_function

import gc
import weakref

from tornado import gen

from katcp import compat
from katcp.client import AsyncClient, CallbackClient, DeviceClient, Message
from tests.support.client_cases import CapturedLog, LIMIT, ThreadedTestCase, dead_address
from tests.support.scripted_server import no_reply


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
