"""Program: sets sensors of aiokatcp."""

import aiokatcp
from talk import clock, obey


class Observer:
    """Does nothing."""

    def __call__(self, sensor, reading):
        """Take note of a reading."""


def set_value(count, observers):
    """Set a sensor `count` times."""
    sensor = aiokatcp.Sensor(int, "sensor", "A number.", "count")
    for _ in range(observers):
        sensor.attach(Observer())
    start = clock()
    for i in range(count):
        sensor.set_value(i)
    return {"seconds": clock() - start}


if __name__ == "__main__":
    obey(set_value=set_value)
