"""What the tests of resource clients have in common."""

from __future__ import absolute_import, division, print_function

import gc
import weakref

from tornado import gen

from katcp.message import Message
from katcp.resource_client import KATCPClientResource, KATCPClientResourceContainer
from tests.support.clock import TimewarpAsyncTestCase
from tests.support.inspectable_device import InspectableDevice

BULK_PROTOCOL = b"5.1-MIB"


class SensingDevice(InspectableDevice):
    """An `InspectableDevice` that knows about sampling.

    Attributes
    ----------
    readings : dict
        Name of a sensor to the timestamp, status and value of its reading, all bytes; by default
        ``12345``, ``nominal``, ``3``.
    refused : set
        Sensors (bytes) whose strategies cannot be set.
    """

    def __init__(self, *args, **kwargs):
        self.readings = {}
        self.refused = set()
        super(SensingDevice, self).__init__(*args, **kwargs)

    @property
    def samplings(self):
        """The requests for strategies, without message ids, from the names on."""
        return [line.split(" ", 1)[1] for line in self.asked if line.startswith("?sensor-sampling ")]

    def update(self, name, value, timestamp=b"12346", status=b"nominal"):
        """Send a ``#sensor-status`` to the latest client."""
        self.inform(Message.inform("sensor-status", timestamp, 1, name, status, value))

    def _sensor_sampling(self, names, *strategy):
        split_names = names.split(b",")
        unknown = [name for name in split_names if name not in self.sensors or name in self.refused]
        if unknown:
            return [Message.reply("sensor-sampling", "fail", b"Not " + b",".join(unknown))]
        if strategy[:1] == (b"bogus",):
            return [Message.reply("sensor-sampling", "fail", "No such strategy")]
        informs = [] if strategy[:1] == (b"none",) else [
            self._reading("sensor-status", name) for name in split_names]
        return informs + [Message.reply("sensor-sampling", "ok", names, *strategy)]

    def _sensor_value(self, name):
        if name not in self.sensors:
            return [Message.reply("sensor-value", "fail", "Unknown sensor name.")]
        return [self._reading("sensor-value", name), Message.reply("sensor-value", "ok", 1)]

    def _reading(self, inform, name):
        timestamp, status, value = self.readings.get(name, (b"12345", b"nominal", b"3"))
        return Message.inform(inform, timestamp, 1, name, status, value)


class Recording(KATCPClientResource):
    """A resource that notes down its states."""

    def __init__(self, *args, **kwargs):
        super(Recording, self).__init__(*args, **kwargs)
        self.states = []
        set_state = self._state.set_state

        def note_state(state):
            self.states.append(state)
            set_state(state)

        self._state.set_state = note_state


class ResourceTestCase(TimewarpAsyncTestCase):
    """Devices and resources on the loop of the test, the clock of which stands still unless it is moved."""

    still_clock_limit = 15
    protocol = b"5.0-MI"

    def setUp(self):
        super(ResourceTestCase, self).setUp()
        self._resources = []
        self.device = self.make_device()

    def make_device(self, protocol=None, **kwargs):
        device = SensingDevice(protocol or self.protocol, **kwargs)
        self.addCleanup(device.stop)
        return device

    def make_resource(self, cls=KATCPClientResource, device=None, **spec):
        """Return a resource of the device, not started."""
        spec.setdefault("name", "a-device")
        spec.setdefault("address", (device or self.device).address)
        return self.look_after(cls(spec))

    def make_container(self, cls=KATCPClientResourceContainer, clients=("client-1", "client.2"), **spec):
        """Return a container, not started, of clients of the device."""
        spec.setdefault("name", "a-container")
        spec["clients"] = dict((name, dict(address=self.device.address, controlled=True))
                               for name in clients)
        return self.look_after(cls(spec))

    def look_after(self, resource):
        """Have a resource stopped after the test, unless it is gone by then."""
        self._resources.append(weakref.ref(resource))
        return resource

    @gen.coroutine
    def synced_resource(self, *args, **kwargs):
        """Return a future of a resource that is synced."""
        resource = self.make_resource(*args, **kwargs)
        resource.start()
        yield resource.until_synced()
        raise gen.Return(resource)

    @gen.coroutine
    def synced_container(self, *args, **kwargs):
        """Return a future of a container that is synced."""
        container = self.make_container(*args, **kwargs)
        container.start()
        yield container.until_synced()
        raise gen.Return(container)

    @gen.coroutine
    def resync(self, resource):
        """Have the interface of the device change, and wait until the resource is synced again."""
        self.device.interface_changed()
        yield resource.until_state("syncing")
        yield resource.until_synced()

    @gen.coroutine
    def iterations(self, number=10):
        """Let the loop run a number of iterations."""
        for _ in range(number):
            yield gen.moment

    @gen.coroutine
    def until(self, condition):
        """Let the loop run until ``condition()`` is true."""
        while not condition():
            yield gen.moment

    def move_clock(self, seconds):
        """Move the clock; to be yielded."""
        return self.set_ioloop_time(self.ioloop_time + seconds)

    def assert_freed(self, reference):
        """Fail unless what a weak reference refers to can be collected."""
        gc.collect()
        resource = reference()
        if resource is not None:
            self.fail("{0!r} is still referred to by {1!r}".format(
                resource, [type(referrer) for referrer in gc.get_referrers(resource)]))

    def tearDown(self):
        for reference in self._resources:
            resource = reference()
            if resource is not None:
                resource.stop()
                self.io_loop.run_sync(lambda: self._until_stopped(resource))
        super(ResourceTestCase, self).tearDown()

    @staticmethod
    @gen.coroutine
    def _until_stopped(resource):
        yield resource.until_stopped()
