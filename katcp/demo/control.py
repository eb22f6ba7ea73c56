"""The last part of the demo: the device as an object, with its requests and sensors as attributes."""

from __future__ import absolute_import, division, print_function

from katcp.ioloop_manager import IOLoopManager, IOLoopThreadWrapper
from katcp.resource_client import KATCPClientResource, ThreadSafeKATCPClientResourceWrapper

# Seconds for the device to be inspected, and for the dish to arrive.
SYNC_TIMEOUT = 10
ARRIVE_TIMEOUT = 20


def control(host, port, show):
    """Drive the demo's dish through a resource client.

    Parameters
    ----------
    host : str
    port : int
    show : callable
        ``show(line)`` prints a line.

    Returns
    -------
    bool
        Whether the dish did what it was told.
    """
    manager = IOLoopManager()
    ioloop = manager.get_ioloop()
    manager.start(timeout=SYNC_TIMEOUT)
    resource = KATCPClientResource({"name": "dish", "address": (host, port), "controlled": True})
    resource.set_ioloop(ioloop)
    ioloop.add_callback(resource.start)
    dish = ThreadSafeKATCPClientResourceWrapper(resource, IOLoopThreadWrapper(ioloop))
    try:
        show("\nthe device as an object")
        dish.until_synced(timeout=SYNC_TIMEOUT)
        show("  dish.req.add(40, 2)               -> {}".format(dish.req.add(40, 2)))
        dish.sensor.mode.set_strategy("event")
        show("  dish.sensor.mode.get_value()      -> {}".format(dish.sensor.mode.get_value()))
        reply = dish.req.stow()
        show("  dish.req.stow()                   -> {}".format(reply))
        stowed = dish.sensor.mode.wait("stow", timeout=ARRIVE_TIMEOUT)
        show("  dish.sensor.mode.wait('stow')     -> {}".format(stowed))
        return bool(reply.succeeded and stowed)
    finally:
        dish.stop()
        manager.stop(callback=resource.until_stopped)
        manager.join(timeout=SYNC_TIMEOUT)
