"""The next turn of a loop, taken early: by whom it may be, in which order, and that clients do it."""

import asyncio
import unittest

from tornado.ioloop import IOLoop

from katcp import compat
from katcp.client import AsyncClient, Message
from tests.support.client_cases import LIMIT, ServerMixin


def run(coroutine):
    """Do what asyncio.run does, which Python 3.6 does not have."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


class TestNextTurn(unittest.TestCase):
    def run_in_loop(self, function):
        async def main():
            ioloop = IOLoop.current()
            # Older tornados have something to do first on a loop that is new to them.
            await asyncio.sleep(0)
            done = asyncio.get_event_loop().create_future()

            def call():
                try:
                    function(ioloop, compat.next_turn_of(ioloop))
                except Exception as exc:
                    done.set_exception(exc)
                else:
                    # In the turn after the next.
                    ioloop.add_callback(ioloop.add_callback, done.set_result, None)

            asyncio.get_event_loop().call_soon(call)
            await done

        run(main())

    def test_runs_what_was_scheduled_in_order(self):
        seen = []

        def call(ioloop, next_turn):
            self.assertTrue(next_turn.is_empty())
            for i in range(3):
                ioloop.asyncio_loop.call_soon(seen.append, i)
            ioloop.asyncio_loop.call_soon(seen.append, "cancelled").cancel()
            self.assertFalse(next_turn.is_empty())
            next_turn.take()
            self.assertTrue(next_turn.is_empty())
            seen.append("end")

        self.run_in_loop(call)
        self.assertEqual(seen, [0, 1, 2, "end"])

    def test_what_is_scheduled_meanwhile_is_left_to_the_loop(self):
        seen = []

        def call(ioloop, next_turn):
            ioloop.asyncio_loop.call_soon(ioloop.asyncio_loop.call_soon, seen.append, "later")
            next_turn.take()
            self.assertFalse(next_turn.is_empty())
            seen.append("end")

        self.run_in_loop(call)
        self.assertEqual(seen, ["end", "later"])

    def test_a_failing_callback_is_reported_and_the_others_run(self):
        seen = []

        def call(ioloop, next_turn):
            ioloop.asyncio_loop.set_exception_handler(
                lambda loop, context: seen.append(type(context["exception"])))
            ioloop.asyncio_loop.call_soon(int, "x")
            ioloop.asyncio_loop.call_soon(seen.append, 2)
            next_turn.take()

        self.run_in_loop(call)
        self.assertEqual(seen, [ValueError, 2])

    def test_exits_leave_the_others_to_the_loop(self):
        seen = []

        def leave():
            raise KeyboardInterrupt

        def call(ioloop, next_turn):
            ioloop.asyncio_loop.call_soon(leave)
            ioloop.asyncio_loop.call_soon(seen.append, 2)
            self.assertRaises(KeyboardInterrupt, next_turn.take)
            self.assertEqual(seen, [])

        self.run_in_loop(call)
        self.assertEqual(seen, [2])

    def test_callbacks_that_run_others_themselves(self):
        seen = []

        def call(ioloop, next_turn):
            # As a loop does that is run within a callback.
            ioloop.asyncio_loop.call_soon(next_turn.take)
            ioloop.asyncio_loop.call_soon(seen.append, 1)
            next_turn.take()

        self.run_in_loop(call)
        self.assertEqual(seen, [1])

    def test_not_empty_while_others_of_the_same_turn_are_to_run(self):
        seen = []

        async def main():
            next_turn = compat.next_turn_of(IOLoop.current())
            loop = asyncio.get_event_loop()
            for _ in range(2):
                loop.call_soon(lambda: seen.append(next_turn.is_empty()))
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        run(main())
        self.assertFalse(seen[0])

    def test_only_of_loops_that_turn_as_asyncio_does(self):
        class OtherLoop(asyncio.SelectorEventLoop):
            def _run_once(self):
                super()._run_once()

        async def taken():
            return compat.next_turn_of(IOLoop.current()) is not None

        for make, debug, expected in ((asyncio.SelectorEventLoop, False, True),
                                      (asyncio.SelectorEventLoop, True, False),
                                      (OtherLoop, False, False)):
            loop = make()
            loop.set_debug(debug)
            self.addCleanup(loop.close)
            self.assertEqual(loop.run_until_complete(taken()), expected)

    def test_none_without_asyncio(self):
        self.assertIsNone(compat.next_turn_of(object()))


class TestClient(ServerMixin, unittest.TestCase):
    def requests(self, make):
        """Return the numbers of turns that the loop takes for requests that `make` sends."""
        server = self.make_server()

        async def main():
            client = AsyncClient(*server.address)
            client.set_ioloop(IOLoop.current())
            client.start()
            await client.until_protocol(timeout=LIMIT)
            loop = asyncio.get_event_loop()
            select, polls = loop._selector.select, []

            def counting_select(timeout=None):
                events = select(timeout)
                polls.append(events)
                return events

            loop._selector.select = counting_select
            await make(client)
            turns = len(polls)
            client.stop()
            await client.until_stopped()
            return turns

        return run(main())

    def test_one_turn_for_each_request(self):
        async def make(client):
            for _ in range(100):
                reply, _ = await client.future_request(Message.request("a"))
                self.assertTrue(reply.reply_ok())

        # Two without the turn taken early.
        self.assertLess(self.requests(make), 110)

    def test_order_is_that_of_the_loop(self):
        seen = []

        async def make(client):
            loop = asyncio.get_event_loop()

            def on_reply(reply):
                loop.call_soon(seen.append, "callback")
                future.set_result(None)

            async def wait():
                await future
                seen.append("waiter")

            future = loop.create_future()
            waiter = asyncio.ensure_future(wait())
            client.callback_request(Message.request("a"), on_reply)
            await waiter
            for _ in range(3):
                await asyncio.sleep(0)

        self.requests(make)
        self.assertEqual(seen, ["callback", "waiter"])


if __name__ == "__main__":
    unittest.main()
