"""What one thread waits at until another lets it pass."""

from __future__ import absolute_import, division, print_function

import threading

from katcp.compat.versions import PY2

if PY2:
    import errno
    import fcntl
    import os
    import select
    from timeit import default_timer

    class _Pipe(object):
        """Where one thread sleeps until another writes something."""

        def __init__(self):
            self.pid = os.getpid()
            self._read_end, self._write_end = os.pipe()
            for end in (self._read_end, self._write_end):
                fcntl.fcntl(end, fcntl.F_SETFL, fcntl.fcntl(end, fcntl.F_GETFL) | os.O_NONBLOCK)
                fcntl.fcntl(end, fcntl.F_SETFD, fcntl.fcntl(end, fcntl.F_GETFD) | fcntl.FD_CLOEXEC)
            self._poll = select.poll()
            self._poll.register(self._read_end, select.POLLIN)

        def sleep(self, timeout):
            """Return after `timeout` seconds, or when somebody calls `wake`, or for no reason."""
            try:
                # Rounded up: a poll that is over too soon would be followed by many that do not wait.
                if self._poll.poll(timeout * 1000 + 1):
                    os.read(self._read_end, 4096)
            except (select.error, OSError) as exc:
                if exc.args[0] not in (errno.EINTR, errno.EAGAIN):
                    raise

        def wake(self):
            """Have `sleep` return, now or when it is called next; for any thread."""
            try:
                os.write(self._write_end, b"w")
            except OSError as exc:
                if exc.errno != errno.EAGAIN:  # there is more than enough in it
                    raise

        def __del__(self, close=os.close):
            close(self._read_end)
            close(self._write_end)

    _of_thread = threading.local()

    def _pipe_of_this_thread():
        pipe = getattr(_of_thread, "pipe", None)
        # A process that was forked shares its pipes with its parent.
        if pipe is None or pipe.pid != os.getpid():
            pipe = _of_thread.pipe = _Pipe()
        return pipe

    class Latch(object):
        """Lets one thread wait until another opens it; both work once.

        A ``threading.Event`` that is waited for with a timeout looks every now and then, up to 50 ms
        apart, whether it is set: Python 2 has no locks that can be waited for with a timeout.
        """

        __slots__ = ("_open", "_pipe")

        def __init__(self):
            self._open = False
            self._pipe = None

        def open(self):
            """Let the other thread pass; may be repeated."""
            # In this order: whoever waits shows its pipe before it looks for the last time.
            self._open = True
            pipe = self._pipe
            if pipe is not None:
                pipe.wake()

        def wait(self, timeout):
            """Wait up to `timeout` seconds; return whether the latch is open."""
            if self._open:
                return True
            deadline = default_timer() + timeout
            pipe = self._pipe = _pipe_of_this_thread()
            while not self._open:
                remaining = deadline - default_timer()
                if remaining <= 0:
                    break
                pipe.sleep(remaining)
            self._pipe = None
            return self._open
else:
    class Latch(object):
        """Lets one thread wait until another opens it; both work once.

        A ``threading.Event`` does the same with several locks and as many chances to get in each
        other's way.
        """

        __slots__ = ("_lock",)

        def __init__(self):
            self._lock = threading.Lock()
            self._lock.acquire()

        def open(self):
            """Let the other thread pass; may be repeated."""
            try:
                self._lock.release()
            except RuntimeError:  # it is open
                pass

        def wait(self, timeout):
            """Wait up to `timeout` seconds; return whether the latch is open."""
            return self._lock.acquire(timeout=max(0, timeout))
