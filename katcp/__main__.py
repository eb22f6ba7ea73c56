"""``python -m katcp``: what the library offers on the command line."""

from __future__ import absolute_import, division, print_function

import argparse
import sys

from katcp import demo


def main(argv=None):
    """Run the command that `argv` (default: the process's arguments) names; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m katcp", description="KATCP devices and clients.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    demo.add_parser(commands)
    args = parser.parse_args(argv)
    if args.command is None:  # Python 2 insists by itself, Python 3 does not
        parser.error("a command is needed: demo")
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
