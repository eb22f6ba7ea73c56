"""What was logged while something was done."""

from __future__ import absolute_import, division, print_function

import logging


class LogRecorder(logging.Handler):
    """Context manager that collects the records of a logger and its children.

    Parameters
    ----------
    name : str, optional
        Of the logger; by default the root logger.

    Attributes
    ----------
    records : list of logging.LogRecord
    """

    def __init__(self, name=None):
        super(LogRecorder, self).__init__()
        self._logger = logging.getLogger(name)
        self.records = []

    def emit(self, record):
        self.records.append(record)

    @property
    def messages(self):
        """The texts of the records, without tracebacks."""
        return [record.getMessage() for record in self.records]

    def __enter__(self):
        self._logger.addHandler(self)
        self._level = self._logger.level
        self._logger.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *exc_info):
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)
