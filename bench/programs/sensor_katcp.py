"""Program: sets sensors of ``katcp``, whichever the interpreter has, this one or 0.9."""

from __future__ import absolute_import, division, print_function

from katcp import Sensor
from talk import clock, obey


class Observer(object):
    """Does nothing."""

    def update(self, sensor, reading):
        """Take note of a reading."""


def set_value(count, observers):
    """Set a sensor `count` times."""
    sensor = Sensor.integer("sensor", "A number.", "count", [-1000000000, 1000000000])
    for _ in range(observers):
        sensor.attach(Observer())
    start = clock()
    for i in range(count):
        sensor.set_value(i)
    return {"seconds": clock() - start}


if __name__ == "__main__":
    obey(set_value=set_value)
