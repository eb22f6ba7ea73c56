"""How fast this library wants to be, compared with others in the same run."""

from collections import namedtuple

from bench.contest import AIOKATCP, KATCP09, OURS, THREADS

#: `other` shall need at least `ratio` times what `label` needs; `sizes` as in the table, None for all.
Goal = namedtuple("Goal", "bench label other ratio sizes")
Goal.__new__.__defaults__ = (None,)

GOALS = [
    # Messages as in the benchmark of katcp 0.9's release notes.
    Goal("codec", OURS, AIOKATCP, 2.4, "4 arguments"),
    Goal("codec", OURS, KATCP09, 3.0, "4 arguments"),
    Goal("server.pipelined", OURS, AIOKATCP, 3.0),
    Goal("server.one-at-a-time", OURS, AIOKATCP, 1.3),
    Goal("server.updates", OURS, AIOKATCP, 3.0),
    Goal("server.sensor-list", OURS, AIOKATCP, 2.0),
    Goal("server.pipelined", THREADS, KATCP09, 5.0),
    Goal("server.one-at-a-time", THREADS, KATCP09, 1.5),
    Goal("client.in-flight", OURS, AIOKATCP, 2.0),
    Goal("client.one-at-a-time", OURS, AIOKATCP, 1.1),
    Goal("client.blocking", THREADS, KATCP09, 1.8),
    Goal("resource.updates", OURS, AIOKATCP, 1.5),
    Goal("resource.sync", OURS, AIOKATCP, 1.0),
    Goal("resource.strategies", OURS, AIOKATCP, 1.0),
    Goal("crowd.rush", OURS, AIOKATCP, 5.0, "1000 clients"),
    Goal("memory.connection", OURS, AIOKATCP, 1.0),
]
