"""Very many clients at once, and how much memory things need."""

from contextlib import ExitStack

from bench.clients import _async_clients
from bench.contest import AIOKATCP, FLOOR, KATCP09, Figure, take_turns
from bench.processes import Listening, Program
from bench.servers import devices

CONNECTIONS = (100, 1000)
SENSORS = 10000
CLIENTS = 200


def rush(settings):
    """Clients that connect all at once; each is told of all that come after it."""
    sizes = CONNECTIONS[:1] if settings.quick else CONNECTIONS
    # With a window nobody loses clients but katcp 0.9, and without it only this library loses none.
    for window, what in ((64, "crowd.rush"), (None, "crowd.rush.no-window")):
        for size in sizes:
            yield from _rush(settings, what, size, window or size)


def _rush(settings, bench, size, window):
    with ExitStack() as stack:
        servers = settings.start(devices(10, floor=False), stack, listening=True)
        servers.pop(KATCP09, None)
        if window > 100:
            servers.pop(AIOKATCP, None)
        load = stack.enter_context(Program("load.py"))

        def run(label, server):
            answer = load.ask("rush", port=server.port, size=size, window=window)
            informs = answer["informs"]
            return {"total": answer["seconds"] * 1e3,
                    "inform": answer["seconds"] / informs * 1e6 if informs else None}

        results = take_turns(servers, min(settings.rounds, 5), run)
        yield Figure(bench, "%d clients" % size, "ms", results["total"])
        yield Figure(bench + ".inform", "%d clients" % size, "us/inform", results["inform"])


def connection_memory(settings):
    """What a server needs for each connection."""
    size = 1000
    with ExitStack() as stack:
        servers = settings.start(devices(10), stack, listening=True)
        load = stack.enter_context(Program("load.py"))
        # It misses clients that come quickly one after the other.
        servers.pop(KATCP09, None)
        samples = {}
        for label, server in servers.items():
            # What is needed for the first clients is needed once.
            load.ask("open", name="first", port=server.port, size=20)
            before = server.memory()
            load.ask("open", name="crowd", port=server.port, size=size)
            if before is not None:
                samples[label] = [(server.memory() - before) / size / 1024]
            load.ask("close", name="crowd")
            load.ask("close", name="first")
        yield Figure("memory.connection", "", "KiB", samples)


def sensor_memory(settings):
    """What a server needs for each sensor, before anybody has asked for it."""
    with ExitStack() as stack:
        few = settings.start(devices(10, floor=False), stack, listening=True)
        many = settings.start(devices(10 + SENSORS, floor=False), stack, listening=True)
        yield Figure("memory.sensor", "", "KiB", {
            label: [(many[label].memory() - few[label].memory()) / SENSORS / 1024]
            for label in few if few[label].memory() is not None})


def client_memory(settings):
    """What each of many clients in one process needs."""
    with ExitStack() as stack:
        port = stack.enter_context(Listening("raw_server.py", 10)).port
        clients = settings.start(_async_clients(port), stack)
        clients.pop(FLOOR, None)
        samples = {}
        for label, client in clients.items():
            client.ask("more", count=10)
            before = client.memory()
            client.ask("more", count=CLIENTS)
            if before is not None:
                samples[label] = [(client.memory() - before) / CLIENTS / 1024]
        yield Figure("memory.client", "", "KiB", samples)


BENCHMARKS = [("crowd.rush", rush), ("memory.connection", connection_memory),
              ("memory.sensor", sensor_memory), ("memory.client", client_memory)]
