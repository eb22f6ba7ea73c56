"""Telling a function whether a resource is synced."""

from __future__ import absolute_import, division, print_function

import gc
import weakref

from tornado import gen
from tornado.testing import AsyncTestCase, gen_test

from katcp.core import AsyncEvent
from katcp.resource_client import KATCPClientResource, monitor_resource_sync_state
from tests.support import mock


class Trouble(Exception):
    """What goes wrong in these tests."""


class Standin(object):
    """What a resource has for a monitor."""

    def __init__(self):
        self.synced, self.not_synced = AsyncEvent(), AsyncEvent()

    def set_synced(self, synced):
        first, second = (self.not_synced, self.synced) if synced else (self.synced, self.not_synced)
        first.clear()
        second.set()

    def until_synced(self):
        return self.synced.until_set()

    def until_not_synced(self):
        return self.not_synced.until_set()


class TestMonitoring(AsyncTestCase):
    def setUp(self):
        super(TestMonitoring, self).setUp()
        self.resource = Standin()
        self.exit_event = AsyncEvent()
        self.calls = []

    def monitor(self, *args):
        return monitor_resource_sync_state(self.resource, self.calls.append, *args)

    @gen_test
    def test_one_iteration_is_enough(self):
        monitor = self.monitor(self.exit_event)
        self.assertEqual(self.calls, [False])
        for synced in (True, False, True):
            self.resource.set_synced(synced)
            yield gen.moment
            self.assertIs(self.calls[-1], synced)
        self.exit_event.set()
        yield gen.moment
        self.assertTrue(monitor.done())
        self.assertIsNone(monitor.result())
        self.assertEqual(self.calls, [False, True, False, True])

    @gen_test
    def test_synced_already(self):
        self.resource.set_synced(True)
        self.monitor()
        yield gen.moment
        self.assertEqual(self.calls, [False, True])

    def test_exit_set_beforehand(self):
        self.exit_event.set()
        self.resource.set_synced(True)
        self.assertTrue(self.monitor(self.exit_event).done())
        self.assertEqual(self.calls, [False])

    @gen_test
    def test_callbacks_that_fail(self):
        monitor = monitor_resource_sync_state(self.resource, mock.Mock(side_effect=[None, Trouble]))
        self.resource.set_synced(True)
        with self.assertRaises(Trouble):
            yield monitor

    @gen_test
    def test_resource(self):
        resource = KATCPClientResource(dict(name="x", address=("localhost", 1)))
        monitor = monitor_resource_sync_state(resource, self.calls.append, self.exit_event)
        for state in ("synced", "syncing", "disconnected", "synced"):
            resource._state.set_state(state)
            yield gen.moment
        self.assertEqual(self.calls, [False, True, False, True])
        self.exit_event.set()
        yield monitor

    @gen_test
    def test_nothing_is_kept(self):
        resource = KATCPClientResource(dict(name="x", address=("localhost", 1)))
        monitor_resource_sync_state(resource, self.calls.append)
        yield gen.moment
        reference = weakref.ref(resource)
        del resource
        gc.collect()
        self.assertIsNone(reference())
