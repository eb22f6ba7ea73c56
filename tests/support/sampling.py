"""A test case for sampling strategies: a clock moved by hand, and a list of what was reported."""

from __future__ import absolute_import, division, print_function

import threading

from tornado import testing

from katcp.compat import current_ioloop, get_thread_ident
from katcp.sensor import Sensor
from tests.support.clock import TimewarpAsyncTestCase

# Its own timeout goes by the clock that the tests move.
timewarp_test = testing.gen_test(timeout=1e12)


def in_thread(function, *args):
    """Call ``function(*args)`` in another thread, and wait until it has returned."""
    errors = []

    def run():
        try:
            function(*args)
        except Exception as error:
            errors.append(error)
        finally:
            # Tornado makes one for a thread that asks for it.
            ioloop = current_ioloop()
            if ioloop is not None:
                ioloop.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


class SamplingTestCase(TimewarpAsyncTestCase):
    """Test case with an integer sensor, ``self.sensor``, which is nominal 3 at the time 12345."""

    def setUp(self):
        super(SamplingTestCase, self).setUp()
        self.reports = []
        self.sensor = self.make_sensor(Sensor.INTEGER, 3)

    def make_sensor(self, sensor_type, value, **kwargs):
        sensor = Sensor(sensor_type, "a.sensor", **kwargs)
        sensor.set(12345, Sensor.NOMINAL, value)
        return sensor

    def inform(self, sensor, reading):
        """The strategies' callback."""
        self.assertEqual(get_thread_ident(), self.ioloop_thread_id)
        self.assertIs(sensor, self.sensor)
        self.reports.append(reading)

    def make(self, strategy_class, *params):
        """Return a new strategy for ``self.sensor`` that reports to ``self.reports``."""
        return strategy_class(self.inform, self.sensor, *params, ioloop=self.io_loop)

    def start(self, strategy_class, *params):
        """Make a strategy, start it, as ``self.strategy``, and let the loop run once; to be yielded."""
        self.strategy = self.make(strategy_class, *params)
        self.strategy.start()
        return self.wake_ioloop()

    def set(self, value, status=Sensor.NOMINAL, timestamp=12345):
        self.sensor.set(timestamp, status, value)

    def assert_reported(self, *values):
        """Check the values reported since the last time, and forget them."""
        self.assertEqual([reading[2] for reading in self.reports], list(values))
        del self.reports[:]

    def watch_timers(self):
        """Return a list that always holds the handles of the timers that are pending from now on."""
        pending = []
        call_at, remove_timeout = self.io_loop.call_at, self.io_loop.remove_timeout

        def watched_call_at(deadline, callback):
            def run():
                pending.remove(handle)
                callback()

            handle = call_at(deadline, run)
            pending.append(handle)
            return handle

        def watched_remove_timeout(handle):
            remove_timeout(handle)
            if handle in pending:
                pending.remove(handle)

        self.io_loop.call_at, self.io_loop.remove_timeout = watched_call_at, watched_remove_timeout
        return pending
