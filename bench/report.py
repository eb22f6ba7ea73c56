"""Tables, verdicts and files."""

import json
import os
import platform
import sys

import tornado

from katcp.compat.float_text import plain_decimal

from bench.contest import (AIOKATCP, BEFORE, BEFORE_THREADS, FLOOR, KATCP09, OURS, THREADS)
from bench.goals import GOALS

LABELS = (OURS, THREADS, BEFORE, BEFORE_THREADS, AIOKATCP, KATCP09, FLOOR)
NAME_WIDTH, CELL_WIDTH = 58, 18


class Table:
    """Prints figures as they come, each contestant's median and how many times ours that is."""

    def __init__(self, labels):
        self._labels = labels

    def header(self):
        """Print who takes part, and what with."""
        print("Python %s, tornado %s, %s msgspec" % (
            platform.python_version(), tornado.version, "with" if plain_decimal else "without"))
        print("".ljust(NAME_WIDTH) + "".join(label.rjust(CELL_WIDTH) for label in self._labels))

    def add(self, figure):
        """Print one line."""
        name = "%s %s (%s)" % (figure.bench, figure.sizes, figure.unit)
        print(name.replace("  ", " ").ljust(NAME_WIDTH)
              + "".join(self._cell(figure, label).rjust(CELL_WIDTH) for label in self._labels))
        sys.stdout.flush()

    def _cell(self, figure, label):
        median = figure.median(label)
        if median is None:
            return "-"
        ratio = figure.ratio(_reference(figure), label)
        return "%.4g" % median + (" (%.2fx)" % ratio if ratio else "").rjust(9)


def _reference(figure):
    return OURS if OURS in figure.samples else THREADS


def present(figures):
    """Return the labels that have figures, in order."""
    return [label for label in LABELS if any(label in figure.samples for figure in figures)]


def verdicts(figures):
    """Return lines about the goals that these figures tell something about."""
    lines = []
    for goal in GOALS:
        for figure in figures:
            if figure.bench != goal.bench or goal.sizes not in (None, figure.sizes):
                continue
            ratio = figure.ratio(goal.label, goal.other)
            if ratio is not None:
                lines.append("%-5s %-26s %-24s %s needs %5.2f times what %s needs (goal %.2f)" % (
                    "ok" if ratio >= goal.ratio else "LESS", figure.bench, figure.sizes, goal.other, ratio,
                    goal.label, goal.ratio))
    return lines


def write_json(figures, path):
    """Write all samples, and what they were measured with."""
    directory = os.path.dirname(path)
    if directory:
        os.makedirs(directory, exist_ok=True)
    content = {
        "python": platform.python_version(), "tornado": tornado.version, "machine": platform.machine(),
        "processors": os.cpu_count(), "msgspec": plain_decimal is not None,
        "figures": [{"bench": figure.bench, "sizes": figure.sizes, "unit": figure.unit,
                     "samples": figure.samples} for figure in figures]}
    with open(path, "w") as output:
        json.dump(content, output, indent=1)
        output.write("\n")
