"""Who takes part, how turns are taken, and what comes out of it."""

import os
import statistics
import sys
from collections import OrderedDict

from bench.processes import CHECKOUT, Listening, Program, ProgramFailed

OURS, THREADS, BEFORE, BEFORE_THREADS = "ours", "ours, threads", "before", "before, threads"
AIOKATCP, KATCP09, FLOOR = "aiokatcp", "katcp 0.9", "floor"


class Figure:
    """What was measured in one place.

    Parameters
    ----------
    bench : str
        Name of the benchmark.
    sizes : str
        How much of what, for instance ``"10 clients"``; may be empty.
    unit : str
        Of the samples; less is better.
    samples : dict
        Label of a contestant -> list of float.
    """

    def __init__(self, bench, sizes, unit, samples):
        self.bench, self.sizes, self.unit, self.samples = bench, sizes, unit, samples

    def median(self, label):
        """Return the median of a contestant, or None if there are no samples."""
        samples = self.samples.get(label)
        return statistics.median(samples) if samples else None

    def ratio(self, label, other):
        """Return how many times as much another contestant needs as this one, or None."""
        ours, theirs = self.median(label), self.median(other)
        return theirs / ours if ours and theirs else None


class Settings:
    """What a run was asked for.

    Parameters
    ----------
    quick : bool
        Whether to do little of everything.
    rounds : int
        Turns of each contestant.
    peer_python : str or None
        Interpreter that has katcp 0.9.
    before : str or None
        Another checkout of this library that takes part.
    only : iterable of str
        Labels of the contestants that take part besides ours; empty for all.
    """

    # Short turns, and many of them: processors may change their speed every few seconds.
    ROUNDS, QUICK_ROUNDS = 21, 3

    def __init__(self, quick=False, rounds=None, peer_python=None, before=None, only=()):
        self.quick = quick
        self.rounds = rounds or (self.QUICK_ROUNDS if quick else self.ROUNDS)
        self.peer_python = peer_python
        self.before = before
        self.only = frozenset(only)
        try:
            import aiokatcp
        except ImportError:
            self.aiokatcp = None
        else:
            self.aiokatcp = aiokatcp.__version__

    def count(self, full):
        """Return how many of something to do in a turn where a full run does `full` (int)."""
        return max(1, full // 3) if self.quick else full

    def takes_part(self, label):
        """Return whether a contestant (str) takes part."""
        if label in (BEFORE, BEFORE_THREADS):
            return self.before is not None
        if label in (OURS, THREADS):
            return True
        if self.only and label not in self.only:
            return False
        if label == AIOKATCP:
            return self.aiokatcp is not None
        if label == KATCP09:
            return self.peer_python is not None
        return True

    def start(self, programs, stack, listening=False):
        """Start a program for each contestant that takes part.

        Parameters
        ----------
        programs : iterable of (str, tuple)
            Label of a contestant, and the program's file and arguments.
        stack : contextlib.ExitStack
            Ends the programs.
        listening : bool
            Whether they tell the port that they listen on.

        Returns
        -------
        OrderedDict
            Label -> Program.
        """
        started = OrderedDict()
        for label, command in programs:
            if not self.takes_part(label):
                continue
            where = {"path": CHECKOUT, "python": sys.executable}
            if label in (BEFORE, BEFORE_THREADS):
                where["path"] = os.path.abspath(self.before)
            elif label == KATCP09:
                where = {"path": None, "python": self.peer_python}
            started[label] = stack.enter_context((Listening if listening else Program)(*command, **where))
        return started


def take_turns(contestants, rounds, run):
    """Measure contestants round by round, so that what else the machine does hits them alike.

    Those that fail are out.

    Parameters
    ----------
    contestants : dict
        Label -> object to measure.
    rounds : int
        One more goes before that, to warm up.
    run : callable
        ``run(label, contestant)`` measures once and returns a float, or a dict of them by metric.

    Returns
    -------
    dict
        Label -> samples; if `run` returns dicts, metric -> label -> samples.

    Raises
    ------
    ProgramFailed
        If nobody is left.
    """
    results = OrderedDict()
    contestants = OrderedDict(contestants)
    for i in range(rounds + 1):
        for label, contestant in list(contestants.items()):
            try:
                measured = run(label, contestant)
            except (ProgramFailed, EOFError) as error:
                print("%s is out: %s" % (label, error))
                del contestants[label]
                continue
            if not i:
                continue
            if not isinstance(measured, dict):
                measured = {None: measured}
            for metric, value in measured.items():
                if value is not None:
                    results.setdefault(metric, OrderedDict()).setdefault(label, []).append(value)
    if not results:
        raise ProgramFailed("nobody is left")
    return results[None] if None in results else results
