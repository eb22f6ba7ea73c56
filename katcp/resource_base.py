"""What every resource is: a device or a collection of devices, with their requests and sensors."""

from __future__ import absolute_import, division, print_function

import abc
import sys
from collections import namedtuple

from tornado import gen

from katcp.compat import (GenTimeoutError, abstract_property, as_future, coroutine, failed_future,
                          future_exc_info, is_awaitable, with_metaclass)
from katcp.errors import KATCPSensorError, UnknownSensorError
from katcp.linked_futures import Waiter, follow, new_waiter
from katcp.resource_names import escape_name


class SensorResultTuple(namedtuple(
        "SensorResultTuple", "object name python_identifier description type units reading")):
    """A sensor in the result of `KATCPResource.list_sensors`.

    Attributes
    ----------
    object : KATCPSensor
    name : str
        KATCP name, in containers with the name of the resource before it.
    python_identifier : str
        Key of the sensor in the resource's ``sensor``.
    description, type, units : str
    reading : KATCPSensorReading
    """

    __slots__ = []


class _InTime(Waiter):
    """Resolves with whether the future that it follows was done before its timeout."""

    def source_done(self, source):
        exc_info = future_exc_info(source)
        if exc_info is None:
            self.set_result(True)
        elif isinstance(exc_info[1], GenTimeoutError):
            self.set_result(False)
        else:
            super(_InTime, self).source_done(source)


class KATCPResource(with_metaclass(abc.ABCMeta)):
    """A device or a collection of devices that can be controlled over KATCP.

    Notes
    -----
    Belongs to the thread of its ioloop; the wrappers in `katcp.resource_client` are for other
    threads.
    """

    def __init__(self):
        self._active = True

    @abstract_property
    def name(self):
        """Name of the resource, a native str."""

    @abstract_property
    def description(self):
        """Description of the resource, a native str."""

    @abstract_property
    def address(self):
        """``(host, port)`` of the device; None if the resource is a collection of devices."""

    @abstract_property
    def is_connected(self):
        """Whether the device, or all of them, is connected."""

    @abstract_property
    def req(self):
        """Requests: attributes, and items, named by their escaped names (`escape_name`).

        Each is a `KATCPRequest`; call it to make the request.
        """

    @abstract_property
    def sensor(self):
        """Sensors: attributes, and items, named by their escaped names (`escape_name`).

        Each is a `KATCPSensor`.
        """

    @abstract_property
    def parent(self):
        """The resource that this one is a child of, or None."""

    @abstract_property
    def children(self):
        """Dict of the resources that this one is made of, by name; may be empty."""

    @abc.abstractmethod
    def list_sensors(self, filter="", strategy=False, status="", use_python_identifiers=True,
                     tuple=False, refresh=False):
        """Return a list of sensors.

        Parameters
        ----------
        filter : str
            Regular expression, searched for in the names.
        strategy : bool
            Whether to list only sensors for which a sampling strategy is set.
        status : str or collection of str
            If not empty, only sensors whose status is contained in it are listed:
            ``"warn,error"``.
        use_python_identifiers : bool
            Whether `filter` is about escaped names rather than KATCP names.
        tuple : bool
            Whether to return plain tuples ``(name, value, timestamp, type, units, received
            timestamp, status, strategy)``.
        refresh : bool
            Whether to ask the device for new readings first.

        Returns
        -------
        future
            Resolves with a list of `SensorResultTuple`, in the order of their Python identifiers.
            Fails with ``re.error`` if `filter` is wrong.
        """

    def is_active(self):
        """Return whether requests may be made; see `set_active`."""
        return self._active

    def set_active(self, active):
        """Allow or forbid to make requests of this resource and its children.

        While it is not active, requests raise `KATCPResourceInactive`. All else goes on.

        Parameters
        ----------
        active : bool
        """
        self._active = bool(active)
        children = self.children
        # By key, since a child may be called "values".
        for name in list(children):
            children[name].set_active(active)

    def wait(self, sensor_name, condition_or_value, timeout=5):
        """Wait for a reading of a sensor.

        Parameters
        ----------
        sensor_name : str
            KATCP name or escaped name.
        condition_or_value : callable or object
            See `KATCPSensor.wait`.
        timeout : float or None
            After how many seconds to give up; None and 0 mean never.

        Returns
        -------
        future
            Resolves with True when there is such a reading, with False when the time is up. Fails
            with `KATCPSensorError` if there is no such sensor (a KeyError as well) or if it has no
            sampling strategy, with NotImplementedError for a list or tuple, and with the exception
            that the condition raises.
        """
        try:
            source = as_future(self._find_sensor(sensor_name).wait(condition_or_value, timeout))
        except Exception:
            return failed_future(sys.exc_info())
        in_time = new_waiter(None, _InTime)
        if source.done():
            in_time.source_done(source)
        else:
            follow(in_time, source)
        return in_time

    def _find_sensor(self, sensor_name):
        escaped_name = escape_name(sensor_name)
        try:
            return self.sensor[escaped_name]
        except KeyError:
            raise UnknownSensorError(escaped_name)

    @coroutine
    def set_sampling_strategies(self, filter, strategy_and_params):
        """Set the sampling strategy of all sensors that match.

        Parameters
        ----------
        filter : str
            Regular expression, searched for in the escaped names.
        strategy_and_params : str or sequence
            See `normalize_strategy_parameters`.

        Returns
        -------
        future
            Resolves with a dict of results as of `set_sampling_strategy`.
        """
        results = {}
        for sensor in (yield self.list_sensors(filter)):
            name = sensor.object.normalised_name
            try:
                results.update((yield self.set_sampling_strategy(name, strategy_and_params)))
            except Exception:
                results[name] = (False, sys.exc_info())
        raise gen.Return(results)

    @coroutine
    def set_sampling_strategy(self, sensor_name, strategy_and_params):
        """Set the sampling strategy of a sensor.

        Parameters
        ----------
        sensor_name : str
            KATCP name or escaped name.
        strategy_and_params : str or sequence
            See `normalize_strategy_parameters`.

        Returns
        -------
        future
            Resolves with a dict of one item: the escaped name, and ``(True, strategy)`` (a tuple of
            str) or ``(False, exc_info)`` (a triple like that of ``sys.exc_info``).
        """
        name = escape_name(sensor_name)
        try:
            sensor = self._find_sensor(sensor_name)
            name = sensor.normalised_name
            outcome = sensor.set_sampling_strategy(strategy_and_params)
            if is_awaitable(outcome):
                outcome = yield outcome
            if isinstance(outcome, tuple) and outcome[:1] == (False,):
                raise KATCPSensorError(*outcome[1:])
            result = (True, sensor.sampling_strategy)
        except Exception:
            result = (False, sys.exc_info())
        raise gen.Return({name: result})
