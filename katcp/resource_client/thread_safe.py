"""Resources for other threads than that of their loop: interactive use, and programs without a loop."""

from __future__ import absolute_import, division, print_function

import functools

from tornado import gen

from katcp.attrdict import AttrDict
from katcp.ioloop_manager import ThreadSafeMethodAttrWrapper
from katcp.resource_base import KATCPResource
from katcp.resource_client.groups import ClientGroup
from katcp.resource_client.mapping_proxies import AttrMappingProxy


class ThreadSafeKATCPSensorWrapper(ThreadSafeMethodAttrWrapper):
    """A `KATCPSensor` for other threads: methods block until the device has answered.

    Parameters
    ----------
    subject : KATCPSensor
    ioloop_wrapper : katcp.ioloop_manager.IOLoopThreadWrapper
    """

    @property
    def sampling_strategy(self):
        """See `KATCPSensor.sampling_strategy`."""
        return self._getattr("sampling_strategy")


class ThreadSafeKATCPClientResourceRequestWrapper(ThreadSafeMethodAttrWrapper):
    """A request for other threads: a call blocks until the reply is there, and returns it.

    Parameters
    ----------
    subject : KATCPRequest or GroupRequest
    ioloop_wrapper : katcp.ioloop_manager.IOLoopThreadWrapper
    """

    def __call__(self, *args, **kwargs):
        """Make the request.

        Parameters
        ----------
        *args
            Arguments of the request.
        timeout : float, optional
            Seconds that the request may take.
        **kwargs
            See `KATCPClientResourceRequest.issue_request`.

        Returns
        -------
        KATCPReply or GroupResults
        """
        return self._ioloop_wrapper.decorate_callable(self.__subject__)(*args, **kwargs)


class ThreadSafeKATCPClientGroupWrapper(ThreadSafeMethodAttrWrapper):
    """A `ClientGroup` for other threads.

    Parameters
    ----------
    subject : ClientGroup
    ioloop_wrapper : katcp.ioloop_manager.IOLoopThreadWrapper
    """

    __slots__ = ["RequestWrapper", "ResourceWrapper"]

    def __init__(self, subject, ioloop_wrapper):
        super(ThreadSafeKATCPClientGroupWrapper, self).__init__(subject, ioloop_wrapper)
        self.RequestWrapper = functools.partial(
            ThreadSafeKATCPClientResourceRequestWrapper, ioloop_wrapper=ioloop_wrapper)
        self.ResourceWrapper = functools.partial(
            ThreadSafeKATCPClientResourceWrapper, ioloop_wrapper=ioloop_wrapper)

    @property
    def clients(self):
        """List of the clients, wrapped."""
        return [self.ResourceWrapper(client) for client in self.__subject__.clients]

    @property
    def req(self):
        """The requests, wrapped."""
        return AttrMappingProxy(self.__subject__.req, self.RequestWrapper)

    def __iter__(self):
        return iter(self.clients)

    def __getitem__(self, index):
        return self.clients[index]


class ThreadSafeKATCPClientResourceWrapper(ThreadSafeMethodAttrWrapper):
    """A resource or container for other threads than that of its loop.

    Methods, and requests, block until they are done; sensors, requests, groups and children are wrapped in
    their turn.  Attributes are read in the calling thread: they are replaced rather than changed.

    Parameters
    ----------
    subject : KATCPClientResource or KATCPClientResourceContainer
    ioloop_wrapper : katcp.ioloop_manager.IOLoopThreadWrapper
        Its `default_timeout` is for how many seconds a call may block.

    Examples
    --------
    ::

        manager = IOLoopManager()
        ioloop_wrapper = IOLoopThreadWrapper(manager.get_ioloop())
        ioloop_wrapper.default_timeout = 5
        manager.start()
        resource = KATCPClientResource(dict(name="demo", address=("localhost", 5000), controlled=True))
        resource.set_ioloop(manager.get_ioloop())
        client = ThreadSafeKATCPClientResourceWrapper(resource, ioloop_wrapper)
        client.start()
        client.until_synced(timeout=5)
        print(client.req.add(1, 2))
        print(client.sensor.wind_speed.get_value())
        client.stop()
        client.until_stopped()
        manager.stop()
        manager.join()
    """

    __slots__ = ["ResourceWrapper", "SensorWrapper", "RequestWrapper", "GroupWrapper"]

    def __init__(self, subject, ioloop_wrapper):
        super(ThreadSafeKATCPClientResourceWrapper, self).__init__(subject, ioloop_wrapper)
        for name, wrapper in (("ResourceWrapper", type(self)),
                              ("SensorWrapper", ThreadSafeKATCPSensorWrapper),
                              ("RequestWrapper", ThreadSafeKATCPClientResourceRequestWrapper),
                              ("GroupWrapper", ThreadSafeKATCPClientGroupWrapper)):
            setattr(self, name, functools.partial(wrapper, ioloop_wrapper=ioloop_wrapper))

    def __getattr__(self, attr):
        value = super(ThreadSafeKATCPClientResourceWrapper, self).__getattr__(attr)
        if isinstance(value, KATCPResource):
            return self.ResourceWrapper(value)
        if isinstance(value, ClientGroup):
            return self.GroupWrapper(value)
        return value

    @property
    def sensor(self):
        """The sensors, wrapped."""
        return AttrMappingProxy(self.__subject__.sensor, self.SensorWrapper)

    @property
    def sensors(self):
        """The same as `sensor`."""
        return self.sensor

    @property
    def req(self):
        """The requests, wrapped."""
        return AttrMappingProxy(self.__subject__.req, self.RequestWrapper)

    @property
    def groups(self):
        """The groups of a container, wrapped."""
        return AttrMappingProxy(self.__subject__.groups, self.GroupWrapper)

    @property
    def children(self):
        """The children, wrapped; an empty AttrDict if there are none."""
        children = self.__subject__.children
        return AttrMappingProxy(children, self.ResourceWrapper) if children else AttrDict()

    @property
    def parent(self):
        """The parent, wrapped, or None."""
        parent = self.__subject__.parent
        return None if parent is None else self.ResourceWrapper(parent)

    def until_stopped(self, timeout=None):
        """Block until the resource, or all children of the container, have stopped.

        Parameters
        ----------
        timeout : float, optional
            Seconds; by default that of the loop's wrapper.
        """
        return self._ioloop_wrapper.decorate_callable(self._until_stopped)(timeout=timeout)

    def _until_stopped(self, timeout=None):
        stopped = self.__subject__.until_stopped(timeout)
        if not isinstance(stopped, dict):
            return stopped
        # All children are late at the same time; it is enough to be told of one.
        return gen.multi(dict(stopped), quiet_exceptions=gen.TimeoutError)
