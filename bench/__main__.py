"""Measure this library next to others: ``python -m bench --help``."""

import argparse
import os
import sys

from bench import codec, clients, crowds, report, resources, sensors, servers
from bench.contest import AIOKATCP, FLOOR, KATCP09, Settings
from bench.processes import ProgramFailed

BENCHMARKS = [benchmark for area in (codec, servers, clients, resources, sensors, crowds)
              for benchmark in area.BENCHMARKS]


def parse_arguments(argv=None):
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=(
        "Measure this library next to aiokatcp, if it is installed, and next to katcp 0.9, if there is an "
        "interpreter that has it. The table shows medians and how many times ours each is; less is better."))
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="benchmarks whose names start with this; by default all: "
                        + ", ".join(name for name, _ in BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="do less of everything")
    parser.add_argument("--rounds", type=int, help="turns of each contestant")
    parser.add_argument("--peer-python", metavar="PATH", default=os.environ.get("KATCP_PEER_PYTHON"),
                        help="interpreter that has katcp 0.9 (default: KATCP_PEER_PYTHON)")
    parser.add_argument("--only", action="append", default=[], choices=[AIOKATCP, KATCP09, FLOOR],
                        help="compare with this alone; may be repeated")
    parser.add_argument("--before", metavar="DIRECTORY",
                        help="another checkout of this library, to see what changes have brought")
    parser.add_argument("--json", metavar="FILE", help="write all samples to this file")
    parser.add_argument("--plot", metavar="FILE", help="draw a picture (needs matplotlib)")
    return parser.parse_args(argv)


def main(argv=None):
    """Run what the command line asks for; return the exit status."""
    args = parse_arguments(argv)
    settings = Settings(quick=args.quick, rounds=args.rounds, peer_python=args.peer_python,
                        before=args.before, only=args.only)
    chosen = [(name, run) for name, run in BENCHMARKS
              if not args.names or any(name.startswith(wanted) for wanted in args.names)]
    if not chosen:
        print("There is no benchmark of that name", file=sys.stderr)
        return 2
    figures, failed = [], False
    table = report.Table([label for label in report.LABELS if settings.takes_part(label)])
    table.header()
    for name, run in chosen:
        try:
            for figure in run(settings):
                figures.append(figure)
                table.add(figure)
        except ProgramFailed as error:
            print("%s: %s" % (name, error))
            failed = True
    for line in report.verdicts(figures):
        print(line)
    if args.json:
        report.write_json(figures, args.json)
    if args.plot:
        from bench import plot
        plot.draw(figures, args.plot)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
