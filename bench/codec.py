"""How fast messages are built, serialised, parsed and compared.

One round makes 1000 replies of a boolean, an integer, a float and some text each, turns them into
bytes, parses these and compares the result.  Implementations are measured in one run, round by round
in turns, so that whatever else the machine does hits all of them alike::

    python -m bench.codec
    python -m bench.codec --groups 10 --peer-python /path/to/python/with/another/katcp
    python -m bench.codec --steps

This one runs on Python 2 as well; ``python -m bench codec`` does the same next to all else.  aiokatcp
takes part where it is installed; a peer is another interpreter with its own ``katcp``.
"""

from __future__ import absolute_import, division, print_function

import argparse
import contextlib
import functools
import gc
import os
import random
import string
import subprocess
import sys
import time

clock = getattr(time, "perf_counter", time.time)

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PURE = "ours, without extensions"
PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " "


def make_arguments(messages, groups, seed=1):
    """Return the arguments of each message: `groups` times (bool, int, float, text)."""
    rng = random.Random(seed)
    result = []
    for _ in range(messages):
        arguments = []
        for _ in range(groups):
            text = u"".join(rng.choice(PRINTABLE) for _ in range(rng.randrange(40)))
            arguments += [rng.random() < 0.5, rng.randrange(1001), rng.random(), text]
        result.append(tuple(arguments))
    return result


def katcp_round(message_class, parser_class):
    """Return the round for this library's interface (and that of katcp 0.9)."""
    def one_round(all_arguments):
        for arguments in all_arguments:
            message = message_class.reply("foo", *arguments)
            if not parser_class().parse(bytes(message)) == message:
                raise AssertionError("%r came back differently" % (message,))
    return one_round


def aiokatcp_round(aiokatcp):
    """Return the round for aiokatcp's interface."""
    message_class = aiokatcp.Message

    def one_round(all_arguments):
        for arguments in all_arguments:
            message = message_class.reply("foo", *arguments)
            if not message_class.parse(bytes(message)) == message:
                raise AssertionError("%r came back differently" % (message,))
    return one_round


def _uses_extensions():
    """Return whether an optional package helps this library."""
    from katcp.compat.float_text import plain_decimal
    return plain_decimal is not None


def _own_round():
    from katcp.core import Message, MessageParser
    return katcp_round(Message, MessageParser)


def timed(one_round, all_arguments):
    """Return how long one round took, in seconds."""
    gc.collect()
    start = clock()
    one_round(all_arguments)
    return clock() - start


class Peer(object):
    """Another interpreter that runs this file, one round whenever it is told to."""

    def __init__(self, python, messages, groups, path=None, extensions=True):
        environment = dict(os.environ)
        if not extensions:
            environment["KATCP_NO_EXTENSIONS"] = "1"
        environment.pop("PYTHONPATH", None)
        if path is not None:
            environment["PYTHONPATH"] = path
        # Run as a file: what it imports as katcp is its own, not what is in this directory.
        self._process = subprocess.Popen(
            [python, os.path.abspath(__file__), "--serve",
             "--messages", str(messages), "--groups", str(groups)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
            cwd=os.path.dirname(os.path.abspath(__file__)))

    def timed_round(self):
        """Return how long the peer's round took, in seconds; raises EOFError if it has ended."""
        try:
            self._process.stdin.write(b"round\n")
            self._process.stdin.flush()
        except (IOError, OSError):
            raise EOFError("the peer has ended")
        line = self._process.stdout.readline()
        if not line:
            raise EOFError("the peer has ended")
        return float(line)

    def close(self):
        """End the peer."""
        try:
            self._process.stdin.close()
        except (IOError, OSError):  # it has ended already
            pass
        self._process.wait()
        self._process.stdout.close()


def serve(messages, groups):
    """Be a peer: read lines, run a round for each and print how long it took."""
    all_arguments = make_arguments(messages, groups)
    one_round = _own_round()
    while sys.stdin.readline():
        print(repr(timed(one_round, all_arguments)))
        sys.stdout.flush()


@contextlib.contextmanager
def one_processor():
    """Keep this process, and what it starts meanwhile, on one processor, where that can be done.

    Another one may be faster or slower at the moment, which would be taken for the contestant's merit.
    """
    try:
        processors = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(processors)})
    except (AttributeError, OSError):
        processors = None
    try:
        yield
    finally:
        if processors is not None:
            os.sched_setaffinity(0, processors)


def median(values):
    """Return the middle one of the values."""
    return sorted(values)[len(values) // 2]


def measure(messages=1000, groups=1, rounds=15, peer_pythons=()):
    """Measure all implementations in turns, on one processor.

    Parameters
    ----------
    messages, groups : int
        Messages per round, and groups of four arguments per message.
    rounds : int
        Rounds of each implementation; one more each goes before that, to warm up.
    peer_pythons : iterable of str
        Interpreters whose installed ``katcp`` takes part.

    Returns
    -------
    list of (str, list of float)
        Name and times in seconds of each implementation, this one first.
    """
    all_arguments = make_arguments(messages, groups)
    ours = _own_round()
    contestants = [("katcp (here)", lambda: timed(ours, all_arguments))]
    try:
        import aiokatcp
    except ImportError:
        print("aiokatcp is not installed here.")
    else:
        theirs = aiokatcp_round(aiokatcp)
        contestants.append(("aiokatcp %s" % aiokatcp.__version__, lambda: timed(theirs, all_arguments)))
    peers = []
    try:
        with one_processor():
            for python in peer_pythons:
                peer = Peer(python, messages, groups)
                peers.append(peer)
                contestants.append(("katcp of %s" % python, peer.timed_round))
            times = [[] for _ in contestants]
            for i in range(rounds + 1):
                for (_, run), results in zip(contestants, times):
                    seconds = run()
                    if i:
                        results.append(seconds)
    finally:
        for peer in peers:
            peer.close()
    return [(name, results) for (name, _), results in zip(contestants, times)]


def figures(settings):
    """Yield the figures of short and long messages, and of short ones without extensions."""
    from bench.contest import AIOKATCP, BEFORE, KATCP09, OURS, Figure, take_turns
    for groups in (1, 10):
        messages = settings.count(1000)
        all_arguments = make_arguments(messages, groups)
        contestants = {OURS: functools.partial(timed, _own_round(), all_arguments)}
        peers = []
        try:
            with one_processor():
                if settings.takes_part(BEFORE):
                    peers.append(Peer(sys.executable, messages, groups, os.path.abspath(settings.before)))
                    contestants[BEFORE] = peers[-1].timed_round
                if settings.takes_part(AIOKATCP):
                    import aiokatcp
                    contestants[AIOKATCP] = functools.partial(timed, aiokatcp_round(aiokatcp), all_arguments)
                if settings.takes_part(KATCP09):
                    peers.append(Peer(settings.peer_python, messages, groups))
                    contestants[KATCP09] = peers[-1].timed_round
                if groups == 1 and _uses_extensions():
                    peers.append(Peer(sys.executable, messages, groups, CHECKOUT, extensions=False))
                    contestants[PURE] = peers[-1].timed_round
                # These turns are so short that all of them would fit into one bad moment of the machine.
                samples = take_turns(contestants, 6 * settings.rounds,
                                     lambda label, run: run() / messages * 1e6)
            pure = samples.pop(PURE, None)
            sizes, unit = "%d arguments" % (4 * groups), "us/message"
            yield Figure("codec", sizes, unit, samples)
            if pure:
                others = dict((label, samples[label]) for label in (AIOKATCP, KATCP09) if label in samples)
                yield Figure("codec.without-msgspec", sizes, unit, dict(others, **{OURS: pure}))
        finally:
            for peer in peers:
                peer.close()


def steps(messages=1000, groups=1, rounds=15):
    """Measure what a round of this library is made of.

    Returns
    -------
    list of (str, float)
        Name of a step, and the median of its times in seconds.  The last one is no step: it is how long
        it takes to write the floats of the arguments as text, which is part of building.
    """
    from katcp.compat.float_text import encode_float
    from katcp.core import Message, MessageParser
    all_arguments = make_arguments(messages, groups)
    built = [Message.reply("foo", *arguments) for arguments in all_arguments]
    lines = [bytes(message) for message in built]
    parsed = [MessageParser().parse(line) for line in lines]
    floats = [value for arguments in all_arguments for value in arguments if type(value) is float]
    return [(name, median([timed(step, argument) for _ in range(rounds)])) for name, step, argument in [
        ("build", lambda values: [Message.reply("foo", *arguments) for arguments in values], all_arguments),
        ("serialise", lambda values: [bytes(message) for message in values], built),
        ("parse", lambda values: [MessageParser().parse(line) for line in values], lines),
        ("compare", lambda values: [mine == other for mine, other in values], list(zip(built, parsed))),
        ("(floats to text)", lambda values: [encode_float(value) for value in values], floats)]]


BENCHMARKS = [("codec", figures)]


def main():
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1000, help="messages per round")
    parser.add_argument("--groups", type=int, default=1,
                        help="groups of (bool, int, float, text) per message")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--peer-python", action="append", default=[], metavar="PATH",
                        help="another interpreter whose katcp takes part")
    parser.add_argument("--steps", action="store_true", help="show what a round of ours is made of")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.messages, args.groups)
        return
    if args.steps:
        for name, seconds in steps(args.messages, args.groups, args.rounds):
            print("%-20s median %8.3f us/message" % (name, seconds / args.messages * 1e6))
        return
    results = measure(args.messages, args.groups, args.rounds, args.peer_python)
    print("%d messages of %d arguments, Python %s, %s msgspec, milliseconds:"
          % (args.messages, 4 * args.groups, sys.version.split()[0],
             "with" if _uses_extensions() else "without"))
    own_median = median(results[0][1])
    for name, times in results:
        print("%-40s median %8.3f  best %8.3f  %6.2f x ours"
              % (name, median(times) * 1e3, min(times) * 1e3, median(times) / own_median))


if __name__ == "__main__":
    main()
