"""A control script without a loop of its own: several weather stations, and one of them in detail.

Everything blocks until it is done.

    python control_script.py HOST PORT [PORT ...]
"""

from __future__ import absolute_import, division, print_function

import sys

from katcp import KATCPClientResourceContainer
from katcp.ioloop_manager import IOLoopManager, IOLoopThreadWrapper
from katcp.resource_client import ThreadSafeKATCPClientResourceWrapper


def control(stations):
    """Drive some stations; `stations` is a wrapped container."""
    stations.until_synced(timeout=5)
    # One by one: requests and sensors are attributes.
    first = stations.children["station_1"]
    reply = first.req.set_rain_gauge(4.5)
    print("rain gauge of {}: {}".format(first.name, "set" if reply.succeeded else reply))
    print("rain: {} mm".format(first.sensor.rain.get_value()))
    # All at once, by way of a group: results are true if all of them succeeded.
    everywhere = stations.groups.everywhere
    everywhere.set_sampling_strategy("wind-speed", "event")
    results = everywhere.req.measure_wind(21.5)
    for name, reply in sorted(results.items()):
        print("wind of {}: {}".format(name, reply))
    stormy = everywhere.wait("wind-speed", lambda reading: reading.status == "warn", timeout=5)
    print("storm everywhere: {}".format(bool(stormy)))
    for name, sensor in sorted(stations.sensor.items()):
        print("{} is {} ({})".format(name, sensor.value, sensor.status))
    return bool(results and stormy)


def main(host, ports):
    manager = IOLoopManager()
    ioloop = manager.get_ioloop()
    names = ["station-{}".format(number) for number in range(1, len(ports) + 1)]
    container = KATCPClientResourceContainer({
        "name": "stations",
        "clients": {name: {"address": (host, port), "controlled": True} for name, port in zip(names, ports)},
        "groups": {"everywhere": names}})
    container.set_ioloop(ioloop)
    ioloop_wrapper = IOLoopThreadWrapper(ioloop)
    ioloop_wrapper.default_timeout = 10  # of whatever blocks and has no timeout of its own
    stations = ThreadSafeKATCPClientResourceWrapper(container, ioloop_wrapper)
    manager.start()
    try:
        stations.start()
        return 0 if control(stations) else 1
    finally:
        stations.stop()
        stations.until_stopped()
        manager.stop()
        manager.join()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], [int(port) for port in sys.argv[2:]]))
