"""What a logger is told, kept for a test to look at (Python 2's unittest has no ``assertLogs``)."""

from __future__ import absolute_import, division, print_function

import logging


class CapturedLog(logging.Handler):
    """Context manager that keeps the records of a logger, and keeps them to itself.

    Parameters
    ----------
    name : str
        Name of the logger.

    Attributes
    ----------
    records : list of logging.LogRecord
    """

    def __init__(self, name):
        logging.Handler.__init__(self)
        self._captured = logging.getLogger(name)
        self.records = []

    @property
    def texts(self):
        """The records' messages, with their arguments put in."""
        return [record.getMessage() for record in self.records]

    def emit(self, record):
        self.records.append(record)

    def __enter__(self):
        self._propagate = self._captured.propagate
        self._captured.propagate = False
        self._captured.addHandler(self)
        return self

    def __exit__(self, *exc_info):
        self._captured.removeHandler(self)
        self._captured.propagate = self._propagate
