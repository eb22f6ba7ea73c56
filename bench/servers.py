"""How fast servers answer and send updates."""

from contextlib import ExitStack

from bench.contest import (AIOKATCP, BEFORE, BEFORE_THREADS, FLOOR, KATCP09, OURS, THREADS, Figure,
                           take_turns)
from bench.processes import Program

CLIENTS = (1, 10, 100)
SENSORS = (100, 1000, 10000)


def devices(sensors, floor=True):
    """Return the labels and programs of servers that have that many sensors."""
    return [(OURS, ("device_katcp.py", "async", sensors)),
            (THREADS, ("device_katcp.py", "threads", sensors)),
            (BEFORE, ("device_katcp.py", "async", sensors)),
            (BEFORE_THREADS, ("device_katcp.py", "threads", sensors)),
            (AIOKATCP, ("device_aiokatcp.py", sensors)),
            (KATCP09, ("device_katcp.py", "threads", sensors))] + [
            (FLOOR, ("device_floor.py", sensors))] * floor


class Loading:
    """Servers with clients, and what the clients do.

    Parameters
    ----------
    settings : Settings
    stack : contextlib.ExitStack
        Ends what is started.
    sensors, clients : int
    sampled : bool
        Whether all clients sample all sensors.
    """

    def __init__(self, settings, stack, sensors, clients, sampled=False):
        self._settings = settings
        self._servers = settings.start(devices(sensors), stack, listening=True)
        self._load = stack.enter_context(Program("load.py"))
        setup = ["?sensor-sampling sensor.%05d event" % i for i in range(sensors)] if sampled else []
        for label, server in self._servers.items():
            self._load.ask("open", name=label, port=server.port, size=clients,
                           setup=[] if label == FLOOR else setup)

    def measure(self, bench, sizes, unit, per_run, how, **what):
        """Yield the figures for wall time and processor time.

        Parameters
        ----------
        bench, sizes, unit : str
            See `Figure`.
        per_run : int
            How many of what `unit` says are in one run.
        how : str
            Method of the load generator's crowd.
        what : objects
            Its arguments.
        """
        def run(label, server):
            cpu = server.cpu_seconds()
            seconds = self._load.ask("run", name=label, how=how, **what)["seconds"]
            return {"wall": seconds / per_run * 1e6,
                    "cpu": None if cpu is None else (server.cpu_seconds() - cpu) / per_run * 1e6}

        results = take_turns(self._servers, self._settings.rounds, run)
        yield Figure(bench, sizes, "us/" + unit, results["wall"])
        if "cpu" in results:
            yield Figure(bench + ".cpu", sizes, "us/" + unit, results["cpu"])


def _plural(count, noun):
    return "%d %s%s" % (count, noun, "" if count == 1 else "s")


def one_at_a_time(settings):
    """Clients that wait for each reply before the next request."""
    for clients in CLIENTS:
        with ExitStack() as stack:
            loading = Loading(settings, stack, 100, clients)
            count = max(1, settings.count(1500) // clients)
            yield from loading.measure("server.one-at-a-time", _plural(clients, "client"), "request",
                                       count * clients, "exchange", request="?add[1] 1 2", count=count,
                                       lines=1)


def pipelined(settings):
    """Clients that send all their requests at once."""
    for clients in CLIENTS:
        with ExitStack() as stack:
            loading = Loading(settings, stack, 100, clients)
            count = max(1, settings.count(4000) // clients)
            yield from loading.measure("server.pipelined", _plural(clients, "client"), "request",
                                       count * clients, "pipeline", request="?add[%d] 1 2", count=count,
                                       lines=1)


def sensor_list(settings):
    """Clients that ask for the list of all sensors, one list after the other."""
    for sensors, clients in [(100, clients) for clients in CLIENTS] + [(n, 1) for n in SENSORS[1:]]:
        with ExitStack() as stack:
            loading = Loading(settings, stack, sensors, clients)
            count = max(1, settings.count(7000) // sensors // clients)
            yield from loading.measure(
                "server.sensor-list", _plural(sensors, "sensor") + ", " + _plural(clients, "client"),
                "sensor", count * clients * sensors, "exchange", request="?sensor-list[1]", count=count,
                lines=sensors + 1)


def updates(settings):
    """Clients that get updates of all sensors, whenever one of them has all sensors set."""
    for sensors, clients in [(100, clients) for clients in CLIENTS] + [(n, 1) for n in SENSORS[1:]]:
        if settings.quick and sensors > 1000:
            continue
        with ExitStack() as stack:
            loading = Loading(settings, stack, sensors, clients, sampled=True)
            count = max(1, settings.count(7000) // sensors // clients)
            yield from loading.measure(
                "server.updates", _plural(sensors, "sensor") + ", " + _plural(clients, "client"),
                "update", count * clients * sensors, "broadcast", request="?update-all[1]", count=count,
                lines=sensors)


BENCHMARKS = [("server.one-at-a-time", one_at_a_time), ("server.pipelined", pipelined),
              ("server.updates", updates), ("server.sensor-list", sensor_list)]
