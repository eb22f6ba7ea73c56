"""How the programs speak with the benchmark: lines of JSON, orders on stdin and answers on stdout.

Imported by programs that run on any interpreter, with whatever ``katcp`` that one has.
"""

from __future__ import absolute_import, division, print_function

import json
import sys
import threading
import timeit

clock = timeit.default_timer


def tell(**answer):
    """Send one answer."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def obey(**commands):
    """Carry out orders until there are no more.

    Parameters
    ----------
    commands : callables
        By the name in the order; they get the order's other fields and return a dict.
    """
    # Not "for line in sys.stdin", which reads ahead on Python 2.
    for line in iter(sys.stdin.readline, ""):
        order = json.loads(line)
        try:
            tell(**(commands[order.pop("do")](**order) or {}))
        except Exception as error:
            tell(error=repr(error))


def when_over(callback):
    """Have `callback` called, in another thread, when the benchmark wants no more of this program."""
    def wait():
        sys.stdin.read()
        callback()

    thread = threading.Thread(target=wait)
    thread.daemon = True
    thread.start()


def allow_many_files():
    """Raise the limit of open files as far as a program may do that for itself."""
    import resource
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
