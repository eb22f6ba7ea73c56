"""A stream of bytes, as it arrives in chunks, cut into lines."""

from __future__ import absolute_import, division, print_function

# What ``in`` and indexing know for one byte: an integer on Python 3, a character on Python 2.
_LF, _CR = b"\n"[0], b"\r"[0]
_BLANKS = (b" "[0], b"\t"[0])


class LineSplitter(object):
    """Takes chunks of bytes, returns the lines that they complete.

    LF and CR both end a line (section 2.1 of the specification), so that CRLF is a line and an
    empty one.  Empty lines and lines of only spaces and TABs are dropped, as the specification
    asks.  The time taken is proportional to the number of bytes, however small the chunks are.

    Parameters
    ----------
    max_line : int
        Longest line in bytes, its terminator included.

    Attributes
    ----------
    overflow : bool
        Whether a line longer than `max_line` came in. Nothing is accepted from then on.
    pending : int
        Number of bytes waiting for the end of their line.

    Examples
    --------
    >>> splitter = LineSplitter(2097152)
    >>> [line.decode() for line in splitter.feed(b"?watchdog\\r\\n?he")]
    ['?watchdog']
    >>> [line.decode() for line in splitter.feed(b"lp\\n")]
    ['?help']
    """

    __slots__ = ("max_line", "overflow", "pending", "_parts")

    def __init__(self, max_line):
        self.max_line = max_line
        self.overflow = False
        self.pending = 0
        self._parts = []

    def feed(self, data):
        """Take the next chunk and return the lines that it completes.

        Parameters
        ----------
        data : bytes

        Returns
        -------
        list of bytes
            Without terminators. If a line is too long, the good ones before it; :attr:`overflow`
            is set then.
        """
        if self.overflow:
            return []
        if data and data[-1] == _LF and len(data) < self.max_line and not self._parts:
            line = data[:-1]
            if line and _LF not in line and _CR not in line:
                # One line and nothing else, as from peers that wait for answers.
                return [line] if line[0] not in _BLANKS or line.strip(b" \t") else []
        if _CR in data:
            data = data.replace(b"\r", b"\n")
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines:
            if self._parts:
                self._parts.append(lines[0])
                lines[0] = b"".join(self._parts)
                self._parts = []
                self.pending = 0
            if len(data) >= self.max_line or len(lines[0]) >= self.max_line:
                lines = self._up_to_overflow(lines)
            lines = [line for line in lines if line.strip(b" \t")]
        if rest and not self.overflow:
            self._parts.append(rest)
            self.pending += len(rest)
            if self.pending >= self.max_line:
                self._overflow()
        return lines

    def _up_to_overflow(self, lines):
        for i, line in enumerate(lines):
            if len(line) >= self.max_line:
                self._overflow()
                return lines[:i]
        return lines

    def _overflow(self):
        self.overflow = True
        self.pending = 0
        self._parts = []
