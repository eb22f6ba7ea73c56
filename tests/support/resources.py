"""Managers and resources without a device behind them."""

from __future__ import absolute_import, division, print_function

from katcp.attrdict import AttrDict
from katcp.compat import done_future
from katcp.resource import (KATCPResource, KATCPSensor, KATCPSensorsManager,
                            normalize_strategy_parameters)
from katcp.sensor_listing import list_sensors


class Manager(KATCPSensorsManager):
    """Keeps strategies in a dict; a poll does what the test says.

    Attributes
    ----------
    now : float
        What `time` returns.
    strategies : dict
    polls : list of str
        Names of the sensors that were polled.
    on_poll : function(name)
        Called by `poll_sensor`, whose result its result is.
    """

    resource_name = "a-device"

    def __init__(self):
        self.now = 1000.0
        self.strategies = {}
        self.polls = []
        self.on_poll = lambda name: done_future(None)

    def time(self):
        return self.now

    def get_sampling_strategy(self, sensor_name):
        return self.strategies.get(sensor_name, ("none",))

    def set_sampling_strategy(self, sensor_name, strategy_and_parms):
        strategy = normalize_strategy_parameters(strategy_and_parms)
        if strategy[0] == "bogus":
            return done_future((False, "no such strategy"))
        self.strategies[sensor_name] = strategy
        return done_future((True, strategy))

    def drop_sampling_strategy(self, sensor_name):
        self.strategies.pop(sensor_name, None)

    def poll_sensor(self, sensor_name):
        self.polls.append(sensor_name)
        return self.on_poll(sensor_name)

    def reapply_sampling_strategies(self):
        return done_future(None)


class Resource(KATCPResource):
    """A resource with the sensors and children it is given.

    Parameters
    ----------
    sensors : iterable of KATCPSensor
    children : dict, optional
    """

    name = "a-device"
    description = "A device."
    address = ("localhost", 5000)
    is_connected = True
    parent = None

    def __init__(self, sensors=(), children=None):
        super(Resource, self).__init__()
        self._sensor = AttrDict((sensor.normalised_name, sensor) for sensor in sensors)
        self._children = AttrDict(children or {})

    @property
    def req(self):
        return AttrDict()

    @property
    def sensor(self):
        return self._sensor

    @property
    def children(self):
        return self._children

    def list_sensors(self, *args, **kwargs):
        return list_sensors(dict.items(self._sensor), *args, **kwargs)


def make_sensor(manager, name="an.int", cls=KATCPSensor, **description):
    """Return a sensor, an integer one unless `description` says otherwise."""
    description.setdefault("sensor_type", 0)
    return cls(dict(description, name=name), manager)
