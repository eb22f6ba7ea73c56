"""How long to wait before the next attempt at something that has failed."""

from __future__ import absolute_import, division, print_function

import logging
import random

ic_logger = logging.getLogger("katcp.inspect_client")


class ExponentialRandomBackoff(object):
    """Delays that grow with each failure, up to a maximum, and are random so that clients do not act in step.

    Parameters
    ----------
    delay_initial : float, optional
        Seconds before the first retry, at most; 0 for no delay ever.
    delay_max : float, optional
        Seconds that no delay exceeds.
    exp_fac : float, optional
        By how much the delay grows with each failure; more than 1.
    randomicity : float, optional
        Which part of the delay is random, from 0 (none of it) to 1.

    Attributes
    ----------
    delay_initial, delay_max, exp_fac, randomicity : float
        As given.  May be changed; this takes effect with the next `failed` or `success`.

    Raises
    ------
    AssertionError
        If the parameters make no sense.

    Examples
    --------
    >>> backoff = ExponentialRandomBackoff(1, 90, 3, randomicity=0)
    >>> backoff.delay
    1.0
    >>> backoff.failed()
    >>> backoff.delay
    3.0
    >>> backoff.success()
    >>> backoff.delay
    1.0
    """

    def __init__(self, delay_initial=1., delay_max=90., exp_fac=3., randomicity=0.95):
        self.delay_initial = delay_initial
        self.delay_max = delay_max
        self.exp_fac = exp_fac
        self.randomicity = randomicity
        self._base_delay = delay_initial
        self._update_delay()

    @property
    def delay(self):
        """Seconds to wait if the next attempt is to be made now."""
        return self._delay

    def failed(self):
        """Take note of a failure: the delay grows.

        Never raises; if the parameters make no sense, that is logged and the delay stays.
        """
        try:
            self._validate_parameters()
            self._base_delay = min(self._base_delay * self.exp_fac, self.delay_max)
            self._update_delay()
        except Exception:
            ic_logger.exception("Unhandled exception trying to calculate a retry timeout")

    def success(self):
        """Take note of a success: the delay is again what it was at first.

        Raises
        ------
        AssertionError
            If the parameters make no sense.
        """
        self._base_delay = self.delay_initial
        self._update_delay()

    def _validate_parameters(self):
        # No assert statements, which -O would drop.
        if not 0 <= self.delay_initial <= self.delay_max:
            raise AssertionError("Not 0 <= delay_initial <= delay_max")
        if not 0 <= self.randomicity <= 1:
            raise AssertionError("Not 0 <= randomicity <= 1")
        if not self.exp_fac > 1:
            raise AssertionError("exp_fac is not greater than 1")

    def _update_delay(self):
        self._validate_parameters()
        certain = 1 - self.randomicity
        self._delay = min((certain + self.randomicity * random.random()) * self._base_delay, self.delay_max)
