"""A control script for the weather station: asks, sets, and watches a sensor.

    python blocking_client.py HOST PORT
"""

from __future__ import absolute_import, division, print_function

import sys
import threading

from katcp import BlockingClient, Message


class StationClient(BlockingClient):
    """Methods named inform_* get the informs that answer no request of this client's."""

    def __init__(self, *args, **kwargs):
        super(StationClient, self).__init__(*args, **kwargs)
        self.storm = threading.Event()

    def inform_sensor_status(self, msg):
        """Print the reading, and tell the main thread when it blows."""
        timestamp, _, name, status, value = [argument.decode() for argument in msg.arguments]
        print("{} is {} ({})".format(name, value, status))
        if status == "warn":
            self.storm.set()


def main(host, port):
    client = StationClient(host, port)
    client.start()
    try:
        if not client.wait_protocol(timeout=5):
            raise SystemExit("nothing there")
        reply, informs = client.blocking_request(Message.request("sensor-list"))
        for inform in informs:
            print(inform)
        reply, _ = client.blocking_request(Message.request("set-rain-gauge", 4.5))
        if not reply.reply_ok():
            raise SystemExit(reply)
        client.blocking_request(Message.request("sensor-sampling", "wind-speed", "event"))
        client.blocking_request(Message.request("measure-wind", 21.5))
        client.storm.wait(timeout=5)
    finally:
        client.stop()
        client.join()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
