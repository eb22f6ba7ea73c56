"""Processes that are measured, or that help to measure; each runs one of the programs."""

import json
import os
import select
import subprocess
import sys

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Seconds that a program may take for one order, and for ending.
PATIENCE = 300
END_PATIENCE = 20


class ProgramFailed(Exception):
    """A program said nothing sensible, or nothing at all."""


class Program:
    """One running program.

    Parameters
    ----------
    script : str
        Name of the file in ``programs``.
    args : objects
        Its arguments.
    python : str, optional
        The interpreter; by default this one.
    path : str or None, optional
        Directory whose ``katcp`` the program gets; None for what the interpreter has.
    """

    def __init__(self, script, *args, python=None, path=CHECKOUT):
        environment = dict(os.environ)
        environment.pop("PYTHONPATH", None)
        if path is not None:
            environment["PYTHONPATH"] = path
        self.name = script
        self._rest = b""
        self._process = subprocess.Popen(
            [python or sys.executable, os.path.join(PROGRAMS, script)] + [str(arg) for arg in args],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROGRAMS, env=environment)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def ask(self, do, **what):
        """Have an order carried out and return the answer (dict)."""
        try:
            self._process.stdin.write(json.dumps(dict(what, do=do)).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ProgramFailed("%s ended" % self.name)
        return self.answer()

    def answer(self):
        """Return the next answer (dict)."""
        stdout = self._process.stdout.fileno()
        while b"\n" not in self._rest:
            readable, _, _ = select.select([stdout], [], [], PATIENCE)
            data = os.read(stdout, 1 << 16) if readable else b""
            if not data:
                raise ProgramFailed("%s %s" % (self.name, "ended" if readable else "does not answer"))
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        answer = json.loads(line)
        if "error" in answer:
            raise ProgramFailed("%s: %s" % (self.name, answer["error"]))
        return answer

    def cpu_seconds(self):
        """Return how long the program has been on a processor, or None where that is not known."""
        try:
            total = 0
            tasks = "/proc/%d/task" % self._process.pid
            for task in os.listdir(tasks):
                with open(os.path.join(tasks, task, "schedstat")) as stat:
                    total += int(stat.read().split()[0])
            return total * 1e-9
        except (OSError, IndexError):
            return None

    def keep_on(self, number):
        """Keep the program, and the threads it starts from now on, on one processor, where that can be done.

        Parameters
        ----------
        number : int
            Which one of those that this process may use.
        """
        try:
            processors = sorted(os.sched_getaffinity(0))
            for task in os.listdir("/proc/%d/task" % self._process.pid):
                os.sched_setaffinity(int(task), {processors[number % len(processors)]})
        except (AttributeError, OSError):
            pass

    def memory(self):
        """Return the bytes of memory that the program does not share, or None where that is not known."""
        try:
            with open("/proc/%d/status" % self._process.pid) as status:
                for line in status:
                    if line.startswith("RssAnon:"):
                        return int(line.split()[1]) * 1024
        except OSError:
            pass
        return None

    def close(self):
        """End the program, the hard way if it does not want to."""
        try:
            self._process.stdin.close()
        except BrokenPipeError:  # it has ended already, with an order unread
            pass
        try:
            self._process.wait(END_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Listening(Program):
    """A program that starts by telling the port it listens on.

    Attributes
    ----------
    port : int
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        try:
            self.port = self.answer()["port"]
        except BaseException:
            self.close()
            raise
