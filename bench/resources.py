"""How fast clients get to know a device with many sensors, and keep up with it."""

from contextlib import ExitStack

from bench.contest import AIOKATCP, BEFORE, KATCP09, OURS, Figure, take_turns
from bench.processes import Listening

SENSORS = (100, 2000, 10000)
# katcp 0.9 asks for each sensor's strategy in its own request, and takes long for it.
MOST_FOR_KATCP09 = 2000


def _watchers(port):
    return [(OURS, ("resource_katcp.py", port)),
            (BEFORE, ("resource_katcp.py", port)),
            (AIOKATCP, ("resource_aiokatcp.py", port)),
            (KATCP09, ("resource_katcp.py", port))]


def sync(settings):
    """Connect to a device, list its sensors, set a strategy for each; aiokatcp does this in one go."""
    for sensors in SENSORS[:2] if settings.quick else SENSORS:
        with ExitStack() as stack:
            port = stack.enter_context(Listening("raw_server.py", sensors)).port
            watchers = settings.start(_watchers(port), stack)
            if sensors > MOST_FOR_KATCP09:
                watchers.pop(KATCP09, None)

            def run(label, watcher):
                answer = watcher.ask("sync", sensors=sensors)
                watcher.ask("drop")
                return {metric: seconds / sensors * 1e6 for metric, seconds in answer.items()}

            rounds = settings.rounds if sensors < 1000 else min(settings.rounds, 5)
            results = take_turns(watchers, rounds, run)
            for metric, bench in (("sync", "resource.sync"), ("strategies", "resource.strategies"),
                                  ("both", "resource.sync+strategies")):
                yield Figure(bench, "%d sensors" % sensors, "us/sensor", results[metric])


def updates(settings):
    """Take the updates of a hundred sensors, which come as fast as they can be taken."""
    count = settings.count(4000)
    with ExitStack() as stack:
        port = stack.enter_context(Listening("raw_server.py", 100)).port
        watchers = settings.start(_watchers(port), stack)
        for watcher in watchers.values():
            watcher.ask("sync", sensors=100)
        samples = take_turns(watchers, settings.rounds,
                             lambda label, watcher:
                             watcher.ask("updates", count=count)["seconds"] / count * 1e6)
        yield Figure("resource.updates", "", "us/update", samples)


BENCHMARKS = [("resource.sync", sync), ("resource.updates", updates)]
