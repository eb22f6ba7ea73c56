"""The function behind the ``list_sensors`` of resources and containers."""

from __future__ import absolute_import, division, print_function

from katcp import sensor_listing
from katcp.resource_client.container import KATCPClientResourceContainer
from katcp.resource_client.container_sensors import container_sensor_name


def list_sensors(parent_class, sensor_items, filter, strategy, status, use_python_identifiers, tuple,
                 refresh):
    """List sensors.

    Parameters
    ----------
    parent_class : KATCPResource
        The resource; if it is a container, sensors are listed with the names of their resources before
        theirs.
    sensor_items : iterable of (str, KATCPSensor)
        Python identifiers and sensors.
    filter, strategy, status, use_python_identifiers, tuple, refresh
        See `KATCPClientResource.list_sensors`.

    Returns
    -------
    future
        As of that method.
    """
    is_container = isinstance(parent_class, KATCPClientResourceContainer)
    return sensor_listing.list_sensors(
        sensor_items, filter, strategy, status, use_python_identifiers, tuple, refresh,
        container_sensor_name if is_container else sensor_listing.katcp_name)
