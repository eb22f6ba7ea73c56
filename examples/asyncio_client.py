"""A client in a program that has an event loop (Python 3, tornado 5 or later).

    python asyncio_client.py HOST PORT
"""

import asyncio
import sys

from katcp import AsyncClient, Message


async def main(host, port):
    client = AsyncClient(host, port)
    client.set_ioloop()  # the loop that runs
    client.start()
    try:
        await client.until_protocol(timeout=5)
        # Many requests may be on their way at the same time.
        answers = await asyncio.gather(
            client.future_request(Message.request("watchdog")),
            client.future_request(Message.request("sensor-value")),
            client.future_request(Message.request("help", "watchdog")))
        for reply, informs in answers:
            for inform in informs:
                print(inform)
            print(reply)
    finally:
        client.stop()
        await client.until_stopped()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
