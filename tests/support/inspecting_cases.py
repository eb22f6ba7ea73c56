"""What the tests of inspecting clients have in common."""

from __future__ import absolute_import, division, print_function

from tornado import gen, testing

from katcp.inspecting_client import InspectingClientAsync
from katcp.waiting import AsyncEvent
from tests.support.clock import TimewarpAsyncTestCase
from tests.support.inspectable_device import InspectableDevice

# Its own timeout goes by the clock that the tests move.
timewarp_test = testing.gen_test(timeout=1e12)


def letters(state):
    """A state in four letters: ``TFFF`` is connected and nothing else."""
    return "".join(["T" if field else "F" for field in state])


def plain(changes):
    """Model changes as plain dicts, with sorted lists of names."""
    if changes is None:
        return None
    return dict((kind, dict((what, sorted(names)) for what, names in dict.items(change)))
                for kind, change in dict.items(changes))


class StateRecorder(object):
    """A state callback that notes down what it is told.

    Attributes
    ----------
    told : list of (str, dict)
        States in letters, changes as plain dicts.
    react : callable or None
        ``react(letters, changes)``: its result is what the callback returns.
    """

    def __init__(self):
        self.told = []
        self.react = None
        self._called = AsyncEvent()

    def __call__(self, state, model_changes):
        self.told.append((letters(state), plain(model_changes)))
        self._called.set()
        return self.react(letters(state), model_changes) if self.react is not None else None

    @property
    def states(self):
        """The states, in letters, separated by spaces."""
        return " ".join([state for state, _ in self.told])

    @gen.coroutine
    def until(self, *states):
        """Wait until the states told begin with these."""
        while self.states.split()[:len(states)] != list(states):
            self._called.clear()
            yield self._called.until_set()

    @gen.coroutine
    def until_number(self, number):
        """Wait until told that many states."""
        while len(self.told) < number:
            self._called.clear()
            yield self._called.until_set()

    def forget(self):
        """Forget what was told."""
        del self.told[:]


class InspectingTestCase(TimewarpAsyncTestCase):
    """A device and clients on the loop of the test, the clock of which stands still unless it is moved."""

    still_clock_limit = 15
    protocol = b"5.0-MI"

    def setUp(self):
        super(InspectingTestCase, self).setUp()
        self._clients = []
        self.device = self.make_device()
        self.callback = StateRecorder()

    def make_device(self, **kwargs):
        device = InspectableDevice(self.protocol, **kwargs)
        self.addCleanup(device.stop)
        return device

    def make_client(self, client_class=InspectingClientAsync, **kwargs):
        """Return a client of the device, not started, with ``self.callback`` for its state callback."""
        host, port = self.device.address
        client = client_class(host, port, ioloop=self.io_loop, **kwargs)
        client.set_state_callback(self.callback)
        self._clients.append(client)
        return client

    @gen.coroutine
    def synced_client(self, *args, **kwargs):
        """Return a future of a client that is synced; what its callback was told is forgotten."""
        client = self.make_client(*args, **kwargs)
        yield client.connect()
        yield client.until_synced()
        yield gen.moment
        self.callback.forget()
        raise gen.Return(client)

    def move_clock(self, seconds):
        """Move the clock; to be yielded."""
        return self.set_ioloop_time(self.ioloop_time + seconds)

    @gen.coroutine
    def iterations(self, number=10):
        """Let the loop run a number of iterations."""
        for _ in range(number):
            yield gen.moment

    @gen.coroutine
    def until_asked(self, number):
        """Wait until the device was asked that many things in all."""
        while len(self.device.asked) < number:
            yield gen.moment

    def tearDown(self):
        for client in self._clients:
            client.stop()
            if client.katcp_client.ioloop_thread_id is not None:
                self.io_loop.run_sync(client.until_stopped)
        super(InspectingTestCase, self).tearDown()
