"""aiokatcp as client of our server and as server of our clients: version 5 with ids and bulk sampling."""

import asyncio
import threading
import unittest

import aiokatcp

from katcp.client import AsyncClient, BlockingClient
from katcp.core import Message, Sensor
from tests.peers.aiokatcp_device import PeerServer
from tests.peers.example import make_device


class Watcher(aiokatcp.SensorWatcher):
    """Subscribes to every sensor by itself; tells when a value has come."""

    def __init__(self, client):
        super().__init__(client)
        self.nine = asyncio.Event()

    def sensor_updated(self, name, value, status, timestamp):
        super().sensor_updated(name, value, status, timestamp)
        if value == b"9":
            self.nine.set()


class TestItsClientOnOurServer(unittest.TestCase):
    def drive(self, version, threaded):
        device = make_device(version, threaded)
        device.start(timeout=5)
        self.addCleanup(device.join, timeout=5)
        self.addCleanup(device.stop)
        asyncio.run(asyncio.wait_for(self.session(device), 20))

    async def session(self, device):
        client = await aiokatcp.Client.connect("127.0.0.1", device.bind_address[1])
        try:
            self.assertEqual(await client.request("watchdog"), ([], []))
            self.assertEqual((await client.request("add", 1, 2))[0], [b"3"])
            self.assertEqual((await client.request("echo", b"a b", b"", b"\x00\xff\n\\"))[0],
                             [b"a b", b"", b"\x00\xff\n\\"])
            with self.assertRaisesRegex(aiokatcp.FailReply, r"Error in parameter 2 \(b\)"):
                await client.request("add", 1, "x")
            with self.assertRaises(aiokatcp.InvalidReply):
                await client.request("no-such")
            many = await asyncio.gather(*[client.request("add", i, i) for i in range(200)])
            self.assertEqual([int(reply[0]) for reply, _ in many], [2 * i for i in range(200)])
            _, informs = await client.request("help")
            self.assertIn(b"add", [inform.arguments[0] for inform in informs])
            value = await client.sensor_value("an.int")
            self.assertEqual(value, 3)

            watcher = Watcher(client)
            client.add_sensor_watcher(watcher)
            await watcher.synced.wait()
            self.assertEqual({sensor.name: sensor.value for sensor in watcher.sensors.values()},
                             {"an.int": 3, "another.int": 7})
            await client.request("set-int", 9)
            await watcher.nine.wait()
            self.assertEqual(watcher.sensors["an.int"].status, aiokatcp.Sensor.Status.WARN)
            self.assertEqual(watcher.sensors["an.int"].timestamp, 23456.0)

            # The device takes a sensor away, adds one, and says so.
            added = Sensor.string("a.string", "Text.")
            added.set_value("hello")
            device.remove_sensor("another.int")
            device.add_sensor(added)
            desynced = asyncio.Event()
            watcher.state_updated, update = (
                lambda state: (update(state), desynced.set()), watcher.state_updated)
            device.mass_inform(Message.inform("interface-changed"))
            await desynced.wait()
            await watcher.synced.wait()
            self.assertEqual({sensor.name: sensor.value for sensor in watcher.sensors.values()},
                             {"an.int": 9, "a.string": b"hello"})
        finally:
            client.close()
            await client.wait_closed()

    def test_v51_with_bulk_sampling(self):
        self.drive("5.1", threaded=True)

    def test_v51_with_bulk_sampling_in_the_loop(self):
        self.drive("5.1", threaded=False)

    def test_v50(self):
        self.drive("5.0", threaded=True)


class PeerThread:
    """A PeerServer on an asyncio loop in a thread of its own."""

    def __init__(self):
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        self._ready.wait()

    async def _serve(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = PeerServer("127.0.0.1", 0)
        await server.start()
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        await server.stop()

    def stop(self):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


class TestOurClientsOnItsServer(unittest.TestCase):
    def setUp(self):
        self.peer = PeerThread()
        self.addCleanup(self.peer.stop)

    def test_blocking_client(self):
        nine, values = threading.Event(), []

        class Client(BlockingClient):
            def inform_sensor_status(self, msg):
                """Record values."""
                values.append((msg.arguments[2], msg.arguments[4]))
                if msg.arguments[4] == b"9":
                    nine.set()

        client = Client("127.0.0.1", self.peer.port)
        client.start(timeout=5)
        self.addCleanup(client.join, timeout=5)
        self.addCleanup(client.stop)
        self.assertTrue(client.wait_protocol(timeout=5))
        self.assertTrue(client.protocol_flags.message_ids)
        self.assertTrue(client.protocol_flags.bulk_set_sensor_sampling)
        self.assertTrue(client.versions["katcp-device"][0].startswith("peer-api"))
        ask = lambda *args: client.blocking_request(Message.request(*args), timeout=5)  # noqa: E731
        reply, informs = ask("add", 1, 2)
        self.assertEqual((reply.arguments, informs), ([b"ok", b"3"], []))
        self.assertIsNotNone(reply.mid)
        self.assertEqual(ask("add", 1, "x")[0].arguments[0], b"fail")
        self.assertEqual(ask("no-such")[0].arguments[0], b"invalid")
        reply, informs = ask("sensor-list")
        self.assertEqual([inform.arguments[0] for inform in informs], [b"an.int", b"another.int"])
        reply, _ = ask("sensor-sampling", "an.int,another.int", "auto")
        self.assertEqual(reply.arguments, [b"ok", b"an.int,another.int", b"auto"])
        self.assertTrue(ask("set-int", 9)[0].reply_ok())
        self.assertTrue(nine.wait(5))
        self.assertEqual(values, [(b"an.int", b"3"), (b"another.int", b"7"), (b"an.int", b"9")])

    def test_async_client_under_asyncio(self):
        async def session():
            client = AsyncClient("127.0.0.1", self.peer.port)
            client.set_ioloop()
            client.start()
            await client.until_protocol(timeout=5)
            replies = await asyncio.gather(
                *[client.future_request(Message.request("add", i, i)) for i in range(300)])
            client.stop()
            await client.until_stopped(timeout=5)
            return [reply.arguments for reply, _ in replies]

        self.assertEqual(asyncio.run(asyncio.wait_for(session(), 20)),
                         [[b"ok", b"%d" % (2 * i)] for i in range(300)])
