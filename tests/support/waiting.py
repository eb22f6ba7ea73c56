"""A test case for what one waits with: an event, and a coroutine that waits."""

from __future__ import absolute_import, division, print_function

import gc

import tornado.gen

from katcp.events import AsyncEvent
from tests.support.clock import TimewarpAsyncTestCase


@tornado.gen.coroutine
def waiting_for(future, resumed):
    """Wait in a coroutine, which is held by nothing but what it waits for."""
    try:
        resumed.append((yield future))
    except Exception as exc:
        resumed.append(type(exc))


class WaitingTestCase(TimewarpAsyncTestCase):

    def setUp(self):
        super(WaitingTestCase, self).setUp()
        self.event = AsyncEvent(self.io_loop)

    def assert_nobody_waits(self, *events):
        gc.collect()
        for event in events or (self.event,):
            self.assertEqual(len(event._waiters), 0)
