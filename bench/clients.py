"""How fast clients get answers from a server that takes next to no time.

What requests consist of, whoever makes them::

    python -m bench.clients

and where our client spends its time::

    python -m bench.clients --profile
"""

import argparse
import asyncio
import cProfile
import pstats
import statistics
import sys
import threading
import time
from contextlib import ExitStack

from bench.contest import (AIOKATCP, BEFORE, BEFORE_THREADS, FLOOR, KATCP09, OURS, THREADS, Figure,
                           take_turns)
from bench.processes import PROGRAMS, Listening

IN_FLIGHT = 100


def _async_clients(port):
    return [(OURS, ("client_katcp.py", "async", port)),
            (BEFORE, ("client_katcp.py", "async", port)),
            (AIOKATCP, ("client_aiokatcp.py", port)),
            (KATCP09, ("client_katcp.py", "async", port)),
            (FLOOR, ("client_floor.py", port))]


def _blocking_clients(port):
    return [(THREADS, ("client_katcp.py", "blocking", port)),
            (BEFORE_THREADS, ("client_katcp.py", "blocking", port)),
            (KATCP09, ("client_katcp.py", "blocking", port))]


def _measure(settings, bench, programs, count, do, processors=None, **what):
    """Yield the figures for wall time and processor time.

    `processors` are the numbers of those that the server and the clients are kept on; by default the OS
    moves them about, and has two programs that wait for each other on one processor now and on two then.
    """
    count = settings.count(count)
    with ExitStack() as stack:
        server = stack.enter_context(Listening("raw_server.py", 100))
        clients = settings.start(programs(server.port), stack)
        if processors is not None:
            server.keep_on(processors[0])
            for client in clients.values():
                client.keep_on(processors[1])

        def run(label, client):
            cpu = client.cpu_seconds()
            seconds = client.ask(do, count=count, **what)["seconds"]
            return {"wall": seconds / count * 1e6,
                    "cpu": None if cpu is None else (client.cpu_seconds() - cpu) / count * 1e6}

        results = take_turns(clients, settings.rounds, run)
        yield Figure(bench, "", "us/request", results["wall"])
        if "cpu" in results:
            yield Figure(bench + ".cpu", "", "us/request", results["cpu"])


def one_at_a_time(settings):
    """One request after the other.

    The two ends are never at work at the same time.  With a processor for each, what would be measured is
    mostly how long one takes that has gone to sleep to wake up.
    """
    return _measure(settings, "client.one-at-a-time", _async_clients, 1500, "one_at_a_time", (0, 0))


def in_flight(settings):
    """A hundred tasks that do so."""
    return _measure(settings, "client.in-flight", _async_clients, 10000, "in_flight", (0, 1),
                    window=IN_FLIGHT)


def blocking(settings):
    """A thread that waits for each reply."""
    return _measure(settings, "client.blocking", _blocking_clients, 1500, "one_at_a_time")


BENCHMARKS = [("client.one-at-a-time", one_at_a_time), ("client.in-flight", in_flight),
              ("client.blocking", blocking)]


def _messages(count):
    from katcp import Message, MessageParser
    parse = MessageParser().parse
    for _ in range(count):
        request = Message.request("add", 1, 2)
        request.mid = b"1234"
        bytes(request)
        if not parse(b"!add[1234] ok 3").reply_ok():
            raise AssertionError("That was a good reply")


def _wakes(count):
    """Have a hundred tasks wait for one future after the other."""
    loop = asyncio.new_event_loop()
    waiting = []

    async def worker():
        for _ in range(count // IN_FLIGHT):
            future = loop.create_future()
            waiting.append(future)
            await future

    def resolve():
        for future in waiting:
            future.set_result(None)
        del waiting[:]
        loop.call_soon(resolve)

    async def workers():
        await asyncio.gather(*[worker() for _ in range(IN_FLIGHT)])

    loop.call_soon(resolve)
    loop.run_until_complete(workers())
    loop.close()


def _thread_wakes(count):
    """Have two threads wake each other in turns."""
    locks = [threading.Lock() for _ in range(2)]
    for lock in locks:
        lock.acquire()

    def answer():
        for _ in range(count):
            locks[0].acquire()
            locks[1].release()

    thread = threading.Thread(target=answer)
    thread.start()
    for _ in range(count):
        locks[0].release()
        locks[1].acquire()
    thread.join()


def steps(count=10000, rounds=15):
    """Measure what requests consist of besides the client's own work.

    Returns
    -------
    list of (str, float)
        Name of a step, and the median of its times in seconds for one request.
    """
    results = []
    for name, step in (("messages", _messages), ("waiting for a future", _wakes),
                       ("two threads' wake-ups", _thread_wakes)):
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            step(count)
            times.append((time.perf_counter() - start) / count)
        results.append((name, statistics.median(times)))
    return results


def profile(count=20000, lines=20):
    """Print in which functions this library's client spends its time while a hundred tasks make requests.

    Parameters
    ----------
    count : int
        Requests.
    lines : int
        How many functions to list.
    """
    sys.path.insert(0, PROGRAMS)  # as for the programs themselves
    try:
        from client_katcp import Async
    finally:
        sys.path.remove(PROGRAMS)
    with Listening("raw_server.py", 100) as server:
        client = Async(server.port)
        try:
            client.in_flight(IN_FLIGHT, IN_FLIGHT)
            profiler = cProfile.Profile()
            profiler.runcall(client.in_flight, count, IN_FLIGHT)
        finally:
            client.close()
    stats = pstats.Stats(profiler)
    stats.strip_dirs().sort_stats("tottime").print_stats(lines)


def main(argv=None):
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.clients", description=(
        "Show what requests consist of, whoever makes them; python -m bench client measures clients."))
    parser.add_argument("--profile", action="store_true",
                        help="show where this library's client spends its time, with many requests in flight")
    if parser.parse_args(argv).profile:
        profile()
    else:
        for name, seconds in steps():
            print("%-24s median %8.3f us/request" % (name, seconds * 1e6))


if __name__ == "__main__":
    main()
