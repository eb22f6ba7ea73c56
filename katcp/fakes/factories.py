"""Making the fakes: clients and resources of the very classes under test, but for their connections."""

from __future__ import absolute_import, division, print_function

from katcp.fakes.client import FakeAsyncClient
from katcp.fakes.managers import (FakeInspectingClientManager, FakeKATCPClientResourceContainerManager,
                                  FakeKATCPClientResourceManager)
from katcp.resource_names import escape_name


def fake_inspecting_client_factory(InspectingClass, fake_options, host, port, *args, **kwargs):
    """Make an inspecting client of a device that is not there.

    Parameters
    ----------
    InspectingClass : type
        `InspectingClientAsync` or a subclass.
    fake_options : dict
        ``errors_as_replies``
            Whether exceptions in handlers become ``fail`` replies, as on a real device; by default they
            come out of the future of the request.
        ``refuse_unknown_requests``
            Whether requests that were not added get the reply ``invalid``, as on a real device; by
            default they succeed.
    host, port, *args, **kwargs
        As of `InspectingClass`.

    Returns
    -------
    client : InspectingClientAsync
        Of a subclass of `InspectingClass`; to be started as usual.
    manager : FakeInspectingClientManager

    Examples
    --------
    ::

        client, manager = fake_inspecting_client_factory(InspectingClientAsync, {}, "nowhere", 5000)
        manager.add_sensors({"wind-speed": ("Wind speed", "m/s", "float", 0, 60)})
        yield client.connect()
        yield client.until_synced()
    """
    class FakeInspectingClient(InspectingClass):
        def inform_hook_client_factory(self, host, port, *args, **kwargs):
            """Return a client that calls functions instead of sending requests."""
            return FakeAsyncClient(host, port, *args, **kwargs)

    client = FakeInspectingClient(host, port, *args, **kwargs)
    return client, FakeInspectingClientManager(client, fake_options)


def fake_KATCP_client_resource_factory(KATCPClientResourceClass, fake_options, resource_spec,
                                       *args, **kwargs):
    """Make a resource for a device that is not there.

    Parameters
    ----------
    KATCPClientResourceClass : type
        `KATCPClientResource` or a subclass.
    fake_options : dict
        See `fake_inspecting_client_factory`.
    resource_spec, *args, **kwargs
        As of `KATCPClientResourceClass`; the address may be any.

    Returns
    -------
    resource : KATCPClientResource
        Of a subclass of `KATCPClientResourceClass`; to be started as usual.
    manager : FakeKATCPClientResourceManager
        Can be used once the resource is started.

    Examples
    --------
    ::

        resource, manager = fake_KATCP_client_resource_factory(
            KATCPClientResource, {}, dict(name="mast", address=("nowhere", 5000), controlled=True))
        resource.start()
        manager.add_sensors({"wind-speed": ("Wind speed", "m/s", "float", 0, 60)})
        yield resource.until_synced()
        manager.set_sensor_reading("wind-speed", 3.5)
    """
    class FakeKATCPClientResource(KATCPClientResourceClass):
        fake_inspecting_client_manager = None

        def inspecting_client_factory(self, host, port, ioloop_set_to):
            """Return a fake of the client that the resource would have."""
            # Never started; it is only to be known of what class it would be.
            real = super(FakeKATCPClientResource, self).inspecting_client_factory(host, port, ioloop_set_to)
            client, manager = fake_inspecting_client_factory(
                type(real), fake_options, host, port, ioloop=ioloop_set_to,
                auto_reconnect=self.auto_reconnect)
            if self.fake_inspecting_client_manager is not None:
                manager.take_over(self.fake_inspecting_client_manager)
            self.fake_inspecting_client_manager = manager
            return client

    resource = FakeKATCPClientResource(resource_spec, *args, **kwargs)
    return resource, FakeKATCPClientResourceManager(resource)


def fake_KATCP_client_resource_container_factory(KATCPClientResourceContainerClass, fake_options,
                                                 resources_spec, *args, **kwargs):
    """Make a container of resources for devices that are not there.

    Parameters
    ----------
    KATCPClientResourceContainerClass : type
        `KATCPClientResourceContainer` or a subclass.
    fake_options : dict
        See `fake_inspecting_client_factory`.
    resources_spec, *args, **kwargs
        As of `KATCPClientResourceContainerClass`; the addresses may be any.

    Returns
    -------
    container : KATCPClientResourceContainer
        Of a subclass of `KATCPClientResourceContainerClass`; to be started as usual.
    manager : FakeKATCPClientResourceContainerManager
        Can be used once the container is started.
    """
    class FakeKATCPClientResourceContainer(KATCPClientResourceContainerClass):
        def __init__(self, *args, **kwargs):
            # Filled while the constructor of the container makes the children.
            self.fake_client_resource_managers = {}
            super(FakeKATCPClientResourceContainer, self).__init__(*args, **kwargs)

        def client_resource_factory(self, res_spec, parent, logger):
            """Return a fake of the child that the container would have."""
            real = super(FakeKATCPClientResourceContainer, self).client_resource_factory(
                res_spec, parent, logger)
            resource, manager = fake_KATCP_client_resource_factory(
                type(real), fake_options, res_spec, parent=parent, logger=logger)
            self.fake_client_resource_managers[escape_name(resource.name)] = manager
            return resource

    container = FakeKATCPClientResourceContainer(resources_spec, *args, **kwargs)
    return container, FakeKATCPClientResourceContainerManager(container)
