"""How long it takes to set a sensor."""

from contextlib import ExitStack

from bench.contest import AIOKATCP, BEFORE, KATCP09, OURS, Figure, take_turns

OBSERVERS = (0, 1, 10)


def set_value(settings):
    """Set a sensor that is watched by observers that do nothing."""
    count = settings.count(20000)
    with ExitStack() as stack:
        setters = settings.start([(OURS, ("sensor_katcp.py",)), (BEFORE, ("sensor_katcp.py",)),
                                  (AIOKATCP, ("sensor_aiokatcp.py",)), (KATCP09, ("sensor_katcp.py",))],
                                 stack)
        for observers in OBSERVERS:
            def run(label, setter):
                return setter.ask("set_value", count=count, observers=observers)["seconds"] / count * 1e6

            samples = take_turns(setters, settings.rounds, run)
            yield Figure("sensor.set-value", "%d observers" % observers, "us", samples)


BENCHMARKS = [("sensor.set-value", set_value)]
