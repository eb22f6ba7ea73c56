"""Programs that drive antennas: coroutines on a loop, and a blocking face for people at a prompt."""

from __future__ import absolute_import, division, print_function

from tornado import gen

from katcp import KATCPClientResource, KATCPClientResourceContainer, ioloop_manager, resource_client


class ControlError(Exception):
    """Something that was asked of the antennas did not work."""


def antenna_spec(address, name=None, **more):
    """Return what a resource for an antenna at an address is made from."""
    spec = dict(address=address, controlled=True, auto_reconnect_delay=0.01)
    if name is not None:
        spec["name"] = name
    spec.update(more)
    return spec


class AntennaControl(object):
    """Drives one antenna through a resource, which may be a fake one."""

    POSITION_STRATEGY = "event"

    def __init__(self, resource):
        self.resource = resource
        self.modes = []

    @classmethod
    def connect_to(cls, address, ioloop, **more):
        resource = KATCPClientResource(antenna_spec(address, "antenna", **more))
        resource.set_ioloop(ioloop)
        resource.start()
        return cls(resource)

    @gen.coroutine
    def prepare(self, timeout=None):
        """Wait for the antenna and watch what it does."""
        yield self.resource.until_synced(timeout)
        yield self.resource.set_sampling_strategies("pos_.*", self.POSITION_STRATEGY)
        yield self.resource.set_sampling_strategy("mode", "event")
        yield self.resource.set_sensor_listener("mode", self._mode_changed)

    def _mode_changed(self, sensor, reading):
        self.modes.append(reading.value)

    @gen.coroutine
    def slew(self, azim, elev, **kwargs):
        """Move the antenna and return where it is then."""
        reply, informs = yield self.resource.req.slew(azim, elev, **kwargs)
        if not reply.reply_ok():
            raise ControlError(str(reply.arguments[1].decode("utf-8")))
        raise gen.Return(tuple(float(arg) for arg in reply.arguments[1:]))

    @gen.coroutine
    def until_on_target(self, timeout=5):
        """Wait until the antenna is where it is meant to be."""
        arrived = yield self.resource.wait(
            "pos_error", lambda reading: reading.status == "nominal" and reading.value < 0.1, timeout)
        if not arrived:
            raise ControlError("The antenna did not arrive")

    @gen.coroutine
    def park_in_wind(self, wind_speed):
        """Stow the antenna if there is too much wind; return whether it was stowed."""
        if wind_speed < 15:
            raise gen.Return(False)
        reply = yield self.resource.req.stow()
        if not reply.succeeded:
            raise ControlError("Not stowed: {}".format(reply))
        raise gen.Return(True)


class ArrayControl(object):
    """Drives a number of antennas."""

    def __init__(self, addresses, ioloop=None, uncontrolled=None):
        clients = dict((name, antenna_spec(address)) for name, address in addresses.items())
        for name, address in (uncontrolled or {}).items():
            clients[name] = dict(address=address)
        self.resource = KATCPClientResourceContainer(dict(
            name="array", description="All antennas", clients=clients,
            groups={"ants": sorted(addresses)}))
        if ioloop is not None:
            self.resource.set_ioloop(ioloop)

    @property
    def ants(self):
        return self.resource.groups.ants

    @gen.coroutine
    def prepare(self, timeout=None):
        self.resource.start()
        yield self.resource.until_synced(timeout)
        yield self.ants.set_sampling_strategies("pos_error", "event")
        yield self.ants.set_sampling_strategy("mode", "event")

    @gen.coroutine
    def mode(self, mode):
        """Set the mode of all antennas and wait until most are in it."""
        results = yield self.ants.req.mode(mode)
        if not results.succeeded:
            raise ControlError("Refused by " + ", ".join(
                sorted(name for name, reply in results.items() if not reply)))
        reached = yield self.ants.wait("mode", mode, timeout=10, quorum=0.5)
        raise gen.Return(bool(reached))

    @gen.coroutine
    def report(self, filter=""):
        """Return name, status and value of sensors, as the antennas have them now."""
        sensors = yield self.resource.list_sensors(filter, refresh=True)
        raise gen.Return([(result.name, result.reading.status, result.reading.value) for result in sensors])

    @gen.coroutine
    def stop(self):
        self.resource.stop()
        yield self.resource.until_stopped()


class Operator(object):
    """A blocking face to antennas, for a prompt: its loop runs in a thread of its own."""

    def __init__(self, resource, default_timeout=10):
        self._manager = ioloop_manager.IOLoopManager()
        ioloop = self._manager.get_ioloop()
        wrapper = resource_client.IOLoopThreadWrapper(ioloop)
        wrapper.default_timeout = default_timeout
        resource.set_ioloop(ioloop)
        self.wrapper = wrapper
        self.array = resource_client.ThreadSafeKATCPClientResourceWrapper(resource, wrapper)

    def __enter__(self):
        self._manager.start(timeout=self.wrapper.default_timeout)
        self.array.start()
        self.array.until_synced()
        return self

    def __exit__(self, *exc_info):
        self.wrapper.call_in_ioloop(self._stop, (), {})
        self._manager.stop()
        self._manager.join(self.wrapper.default_timeout)

    @gen.coroutine
    def _stop(self):
        resource = self.array.__subject__
        resource.stop()
        # A container has a future for each of its children.
        yield resource.until_stopped()

    def value(self, sensor_name):
        """Ask for the value of a sensor."""
        return self.array.sensor[sensor_name].get_value()
