"""What other threads may do with a client, and how its methods are marked for them."""

from __future__ import absolute_import, division, print_function

import threading
import unittest

from tornado import gen

from katcp import compat
from katcp.client import (AsyncClient, CallbackClient, DeviceClient, Message, TimeoutError, make_threadsafe,
                          make_threadsafe_blocking)
from katcp.client.thread_safety import BlockedThreads, marked_methods
from katcp.compat import get_thread_ident
from tests.support import mock
from tests.support.client_cases import CapturedLog, LIMIT, Recorder, ThreadedTestCase


class Client(AsyncClient):
    """With methods of all kinds."""

    def __init__(self, *args, **kwargs):
        super(Client, self).__init__(*args, **kwargs)
        self.called = Recorder()

    @make_threadsafe
    def shout(self, *args, **kwargs):
        "Without a result."
        self.called(get_thread_ident(), args, kwargs)
        return "result"

    @make_threadsafe
    def stumble(self):
        "Fails without anybody waiting."
        self.called()
        raise ValueError("Stumbled")

    @make_threadsafe_blocking
    def ask(self, *args, **kwargs):
        "With a result."
        return get_thread_ident(), args, kwargs

    @make_threadsafe_blocking
    def ask_later(self, result):
        "With a future."
        return self._later(result)

    @gen.coroutine
    def _later(self, result):
        yield gen.moment
        if isinstance(result, Exception):
            raise result
        raise gen.Return(result)

    @make_threadsafe_blocking
    def give_up(self):
        "Gives up on what it waits for."
        raise compat.CANCELLED_ERRORS[-1]()

    @make_threadsafe_blocking
    def never(self):
        "With a future that is never resolved."
        return compat.new_future(self.ioloop)

    @make_threadsafe_blocking
    def fail(self):
        "Fails while somebody waits."
        self.hidden_in_traceback()

    def hidden_in_traceback(self):
        raise ValueError("Failed")

    def disconnect(self):
        """Overrides a marked method without being marked."""
        return get_thread_ident()

    @property
    def explosive(self):
        raise Exception("Properties must not be looked at")

    stand_in = mock.Mock()


class TestMarks(unittest.TestCase):
    def test_decorators_return_the_function(self):
        def function():
            pass

        self.assertIs(make_threadsafe(function), function)
        self.assertIs(function.make_threadsafe, True)
        self.assertIs(make_threadsafe_blocking(function), function)
        self.assertIs(function.make_threadsafe_blocking, True)

    def test_marked_methods(self):
        self.assertEqual(marked_methods(DeviceClient("h", 1)), {
            "disconnect": "make_threadsafe", "request": "make_threadsafe_blocking",
            "send_message": "make_threadsafe_blocking"})
        self.assertEqual(marked_methods(AsyncClient("h", 1))["callback_request"], "make_threadsafe")

    def test_enable(self):
        client = Client("h", 1)
        self.assertFalse(client.threadsafe)
        client.on_instance = make_threadsafe(lambda: None)
        client.on_instance.__name__ = "on_instance"
        client.enable_thread_safety()
        self.assertTrue(client.threadsafe)
        wrapped = sorted(name for name, value in vars(client).items() if hasattr(value, "__wrapped__")
                         or getattr(value, "__doc__", None) in ("Without a result.", "With a result."))
        self.assertIn("shout", wrapped)
        self.assertNotIn("disconnect", vars(client))
        self.assertNotIn("stand_in", vars(client))
        self.assertIn("ask", vars(client))
        self.assertEqual(client.ask.__name__, "ask")
        self.assertEqual(client.ask.__doc__, "With a result.")
        self.assertIs(client.ask.make_threadsafe_blocking, True)
        shout = client.shout
        client.enable_thread_safety()
        self.assertIs(client.shout, shout)
        with self.assertRaises(RuntimeError):
            client.on_instance()


class TestCalls(ThreadedTestCase):
    def setUp(self):
        self.client = self.make_client(Client, self.make_server())
        self.client.enable_thread_safety()
        self.client.start(timeout=LIMIT)
        self.loop_thread = self.client.ioloop_thread_id

    def test_without_result(self):
        self.assertIsNone(self.client.shout(1, two=2))
        self.client.called.wait()
        self.assertEqual(self.client.called.calls, [(self.loop_thread, (1,), {"two": 2})])
        self.assertEqual(self.in_loop(self.client, self.client.shout), "result")

    def test_failure_without_result(self):
        with CapturedLog("katcp.client") as log:
            self.client.stumble()
            self.client.called.wait()
            self.client.ask()
        self.assertEqual(log.messages, ["Unhandled exception in stumble() called by another thread"])
        with self.assertRaises(ValueError):
            compat.reraise(self.in_loop(self.client, self.exc_info_of, self.client.stumble))

    @staticmethod
    def exc_info_of(function):
        future = compat.ThreadsafeFuture()
        try:
            future.set_result(function())
        except Exception as exc:
            future.set_exception(exc)
        return compat.future_exc_info(future)

    def test_with_result(self):
        self.assertEqual(self.client.ask(1, two=2), (self.loop_thread, (1,), {"two": 2}))
        self.assertEqual(self.client.ask(timeout=3), (self.loop_thread, (), {}))
        self.assertEqual(self.in_loop(self.client, lambda: self.client.ask(timeout=3)),
                         (self.loop_thread, (), {}))

    def test_with_future(self):
        self.assertEqual(self.client.ask_later(7), 7)
        with self.assertRaises(ValueError):
            self.client.ask_later(ValueError("Late"))
        self.assertTrue(compat.is_future(self.in_loop(self.client, self.client.ask_later, 7)))

    def test_failure_has_the_traceback(self):
        import traceback
        try:
            self.client.fail()
        except ValueError:
            self.assertIn("hidden_in_traceback", traceback.format_exc())
        else:
            self.fail("No exception")

    def test_timeout(self):
        with self.assertRaises(TimeoutError):
            self.client.never(timeout=0.01)
        self.assertEqual(self.client.ask()[0], self.loop_thread)

    def test_cancelled(self):
        with self.assertRaises(compat.CANCELLED_ERRORS):
            self.client.give_up(timeout=LIMIT)

    def test_reason_of_a_failure_may_be_anything(self):
        def fail(msg):
            raise ValueError("100%d")

        self.client.send_message = fail
        with CapturedLog("katcp.client") as log:
            self.client.callback_request(Message.request("a"), fail)
            self.client.ask()
        self.assertEqual([text.split("FAIL")[0] for text in log.messages],
                         ["Unhandled exception in callback_request() called by another thread",
                          "Callback reply during failure 100%d, a "])

    def test_stop_ends_calls(self):
        errors = []
        waiting = threading.Event()

        def wait():
            waiting.set()
            try:
                self.client.never(timeout=None)
            except Exception as exc:
                errors.append(exc)

        thread = threading.Thread(target=wait)
        thread.start()
        waiting.wait(LIMIT)
        self.client.ask()
        self.client.stop()
        thread.join(LIMIT)
        self.assertEqual([type(error) for error in errors], [RuntimeError])

    def test_enable_after_start(self):
        client = self.start_client(AsyncClient, self.make_server())
        with self.assertRaises(RuntimeError) as caught:
            client.enable_thread_safety()
        self.assertEqual(str(caught.exception), "Cannot enable thread safety after start")

    def test_disconnect(self):
        client = self.make_client(CallbackClient, self.make_server())
        client.auto_reconnect_delay = 0.01
        lost = threading.Event()
        client.notify_connected = lambda connected: connected or lost.set()
        client.start()
        self.assertTrue(client.wait_connected(LIMIT))
        first = client._stream
        self.assertIsNone(client.disconnect())
        self.assertTrue(lost.wait(LIMIT))
        self.assertTrue(client.wait_connected(LIMIT))
        self.assertIsNot(client._stream, first)

    def test_calls_before_the_loop_has_turned(self):
        client = self.make_client(CallbackClient, self.make_server())
        client.auto_reconnect_delay = 0.01
        reply = Recorder()
        client.start()
        client.callback_request(Message.request("a"), reply)
        self.assertTrue(client.wait_running(LIMIT))
        # It is behind the start; the connection may have been quicker.
        self.assertEqual(reply.wait()[0][0].name, "a")
        self.assertTrue(client.wait_connected(LIMIT))


class TestBlockedThreads(unittest.TestCase):
    def test_dismiss(self):
        threads = BlockedThreads()
        wait = threads.enter()
        self.assertFalse(wait.block(0))
        threads.dismiss()
        self.assertTrue(wait.block(0))
        self.assertFalse(wait.finished)
        self.assertIsNone(threads.enter())
        threads.leave(wait)
        threads.leave(wait)

    def test_very_long_timeouts(self):
        wait = BlockedThreads().enter()
        threading.Timer(0.01, wait.finish, (5,)).start()
        self.assertTrue(wait.block(1e20))
        self.assertEqual(wait.outcome(), 5)
