"""Running the project's own programs in processes of their own."""

from __future__ import absolute_import, division, print_function

import os
import signal
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def environment(path=()):
    """The environment in which a child finds this checkout's package, and what else is in `path`."""
    return dict(os.environ, PYTHONPATH=os.pathsep.join([TOP] + list(path)), PYTHONUNBUFFERED="1")


def _heed_interrupts():
    # Shells have their background jobs ignore it, and children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Program(object):
    """A Python program that runs until it ends or is stopped; output is native str.

    Keywords: `cwd`, by default the top of this checkout, and `path`, more directories of modules.
    """

    def __init__(self, *args, **kwargs):
        self._process = subprocess.Popen(
            [sys.executable] + [str(arg) for arg in args], cwd=kwargs.get("cwd", TOP),
            env=environment(kwargs.get("path", ())), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=_heed_interrupts)

    def line(self):
        """The next line it prints; blocks until there is one."""
        return self._process.stdout.readline().decode("utf-8").rstrip("\n")

    def port(self):
        """The port number at the end of the next line."""
        line = self.line()
        if ":" not in line:
            raise AssertionError("no port in {!r}; {}".format(line, self.finish()))
        return int(line.split(";")[0].rpartition(":")[2])

    def interrupt(self):
        """What Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def close_output(self):
        """Read no more of what it prints, as ``head`` does in the end."""
        self._process.stdout.close()
        self._process.stdout = None

    def finish(self):
        """Wait for its end; return (exit status, the rest of its output, its errors)."""
        out, err = self._process.communicate()
        return self._process.returncode, (out or b"").decode("utf-8"), err.decode("utf-8")

    def kill(self):
        """For clean-up: end it if it has not ended, and close its pipes."""
        if self._process.poll() is None:
            self._process.kill()
        if not self._process.stderr.closed:
            self._process.communicate()
