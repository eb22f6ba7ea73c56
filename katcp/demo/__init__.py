"""``python -m katcp demo``: an example device, and a client that shows what a device does.

Without options the two meet over TCP in one process; with ``--serve`` the device waits for others, with
``--connect`` the client goes to a device that is already there.
"""

from __future__ import absolute_import, division, print_function

import errno
import logging
import os
import sys

from katcp.demo.device import DemoDish
from katcp.demo.session import DemoError, Session


def add_parser(commands):
    """Add the ``demo`` command to an argparse sub-parsers object."""
    parser = commands.add_parser(
        "demo", help="show a device and a client at work",
        description="Start an example device, drive it with a client over TCP and show its sensors live.")
    faces = parser.add_mutually_exclusive_group()
    faces.add_argument("--serve", action="store_true",
                       help="keep the example device up for others to connect to, until interrupted")
    faces.add_argument("--connect", metavar="HOST:PORT", type=_address,
                       help="drive the KATCP device (version 4 or 5) that listens there")
    parser.add_argument("--host", default="127.0.0.1",
                        help="address that the example device listens on (default: %(default)s, for this "
                             "machine alone; 0.0.0.0 for all)")
    parser.add_argument("--port", type=_port, default=0,
                        help="port of the example device (default: a free one)")
    parser.add_argument("--seconds", type=_seconds, default=5.0,
                        help="how long to watch the sensors (default: %(default)g)")
    parser.set_defaults(run=run)


def _port(text):
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError(text)
    return port


_port.__name__ = "port number"  # argparse shows it: invalid port number value


def _seconds(text):
    seconds = float(text)
    if not 0 <= seconds <= 86400:  # false for nan as well
        raise ValueError(text)
    return seconds


_seconds.__name__ = "number of seconds"


def _address(text):
    host, separator, port = text.rpartition(":")
    if not separator or not host:
        raise ValueError(text)
    return host.strip("[]"), _port(port)


_address.__name__ = "HOST:PORT"


def run(args):
    """Run the command; return its exit status."""
    # What goes wrong is told in sentences; the library's own log would only repeat it.
    logging.getLogger("katcp").addHandler(logging.NullHandler())
    logging.getLogger("katcp").propagate = False
    try:
        if args.connect:
            Session(*args.connect).run(args.seconds)
            return 0
        device = _start_device(args.host, args.port)
        try:
            if args.serve:
                _serve(device)
            else:
                Session(*device.bind_address, own=True).run(args.seconds)
        finally:
            device.stop()
            device.join()
        return 0
    except DemoError as error:
        sys.stdout.flush()
        print("error: {}".format(error), file=sys.stderr)
        return 1
    except EnvironmentError as error:
        if error.errno != errno.EPIPE:
            raise
        # Who reads the output has seen enough; what is left of it has to go somewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted")
        return 0 if args.serve else 130


def _start_device(host, port):
    device = DemoDish(host, port)
    try:
        device.start(timeout=5)
    except (OSError, IOError) as error:
        raise DemoError("cannot listen on {}:{}: {}".format(host, port, error.strerror or error))
    return device


def _serve(device):
    print("{} listens on {}:{}; Ctrl-C ends it".format(device.version(), *device.bind_address))
    print("try: echo '?sensor-list' | nc {} {}".format(*device.bind_address))
    sys.stdout.flush()
    # In slices: a wait without end cannot be interrupted on Python 2.
    while device.running():
        device.join(timeout=1)
