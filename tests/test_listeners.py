"""Functions that users register: what is logged of those that cannot be called, or that always fail."""

from __future__ import absolute_import, division, print_function

import functools
import sys
import unittest

import tornado.ioloop

from katcp import listeners
from katcp.client import AsyncClient
from katcp.events import AsyncCallbackEvent
from katcp.generic_sensortree import GenericSensorTree
from katcp.inspecting.inform_hooks import _InformHookDeviceClient
from katcp.inspecting_client import InspectingClientAsync
from katcp.listeners import FailureCounts, can_be_called_with
from katcp.message import Message
from katcp.resource import KATCPSensor
from katcp.sample_strategy import SampleStrategy
from katcp.sensor import Sensor
from katcp.testutils import DeviceTestServer
from tests.support import mock
from tests.support.logs import LogRecorder


def no_arguments():
    pass


def two(first, second):
    pass


def two_or_three(first, second, third=None):
    pass


def any_number(*args):
    pass


def failing(*args):
    raise ValueError("failing")


class Methods(object):
    def method(self, first, second):
        pass

    @classmethod
    def class_method(cls, first, second):
        pass

    @staticmethod
    def static_method(first, second):
        pass

    def __call__(self, first, second):
        pass


class TestSignatures(unittest.TestCase):
    def test_by_number_of_arguments(self):
        methods = Methods()
        for function, expected in (
                (no_arguments, "0"), (two, "2"), (two_or_three, "23"), (any_number, "0123"),
                (methods.method, "2"), (Methods.class_method, "2"), (methods.static_method, "2"),
                (methods, "2"), (Methods.method, "3"), (lambda: None, "0"),
                (functools.partial(two, 1), "1"), (functools.partial(methods.method, 1), "1"),
                (functools.partial(two_or_three, third=3), "0123"),
                # What cannot be seen is taken for good.
                (mock.Mock(), "0123"), (len, "0123"), (int, "0123"), ([].append, "0123"), (None, "0123")):
            accepted = "".join([str(n) for n in range(4) if can_be_called_with(function, n)])
            self.assertEqual(accepted, expected, function)

    @unittest.skipIf(sys.version_info[0] == 2, "keyword-only arguments are Python 3's")
    def test_keywords_that_are_required(self):
        namespace = {}
        exec("def f(a, *, b): pass\ndef g(a, *, b=1): pass", namespace)
        self.assertFalse(can_be_called_with(namespace["f"], 1))
        self.assertTrue(can_be_called_with(namespace["g"], 1))


class FailureTestCase(unittest.TestCase):
    def setUp(self):
        self.now = 1000.0
        patch = mock.patch.object(listeners, "default_timer", lambda: self.now)
        patch.start()
        self.addCleanup(patch.stop)


class TestFailureCounts(FailureTestCase):
    def suffixes(self, function, number, counts, *who):
        suffixes = []
        for _ in range(number):
            try:
                function(1, 2)
            except Exception:
                suffixes.append(counts.suffix(sys.exc_info(), *who))
        return [suffix for suffix in suffixes if suffix is not None]

    def test_functions_that_are_not_entered(self):
        counts = FailureCounts()
        self.assertEqual(self.suffixes(no_arguments, 1234, counts),
                         ["", " (10 times by now)", " (100 times by now)", " (1000 times by now)"])
        self.now += 3600
        self.assertEqual(self.suffixes(no_arguments, 1, counts), [])

    def test_functions_that_fail(self):
        counts = FailureCounts()
        self.assertEqual(self.suffixes(failing, 1000, counts), [""] * 10)
        self.now += 9.9
        self.assertEqual(self.suffixes(failing, 1, counts), [])
        self.now += 0.1
        self.assertEqual(self.suffixes(failing, 2, counts), [" (1002 times by now)"])
        self.now += 10
        self.assertEqual(self.suffixes(failing, 1, counts), [" (1004 times by now)"])
        self.now += 10
        self.assertEqual(self.suffixes(failing, 1, counts), [""])

    def test_kinds_of_failures(self):
        counts = FailureCounts()
        self.suffixes(failing, 20, counts, "a")
        self.assertEqual(self.suffixes(failing, 1, counts, "a"), [])
        self.assertEqual(self.suffixes(failing, 1, counts, "b"), [""])
        self.assertEqual(self.suffixes(lambda *args: [][0], 1, counts, "a"), [""])
        self.assertEqual(self.suffixes(lambda *args: [][1], 1, counts, "a"), [""])

    def test_without_a_traceback(self):
        self.assertEqual(FailureCounts().suffix((ValueError, ValueError("x"), None)), "")

    def test_they_are_bounded(self):
        counts = FailureCounts()
        for number in range(3 * listeners.MAX_KINDS):
            counts.suffix((ValueError, ValueError("x"), None), number)
        self.assertLessEqual(len(counts._counts), listeners.MAX_KINDS)


class WithoutUpdate(object):
    pass


class Observer(object):
    def __init__(self, update):
        self.update = update


class TestListeners(FailureTestCase):
    """Everything that takes a function: noticed when it is registered, and logged a few times only."""

    NOT_ENTERED = ["", " (10 times by now)", " (100 times by now)"]

    def check(self, registered, register, call, text, good, wrong=no_arguments):
        """Register a function of the wrong signature, and call it many times.

        Parameters
        ----------
        registered : str
            Start of the record at registration.
        register : callable
            ``register(function)``.
        call : callable
            ``call()`` has the function called.
        text : str
            Part of the records of the failures.
        good : callable
            A function of the right signature.
        """
        with LogRecorder("katcp") as log:
            register(good)
        self.assertEqual(log.messages, [])
        with LogRecorder("katcp") as log:
            register(wrong)
        self.assertEqual([record.levelname for record in log.records], ["ERROR"], log.messages)
        self.assertTrue(log.messages[0].startswith(registered), log.messages)
        self.assertIn("cannot be called with (", log.messages[0])
        self.check_calls(call, text)

    def check_calls(self, call, text):
        with LogRecorder("katcp") as log:
            for _ in range(150):
                call()
        messages = [message for message in log.messages if text in message]
        self.assertEqual(len(messages), 3, log.messages[:5])
        for message, suffix in zip(messages, self.NOT_ENTERED):
            self.assertIn(suffix, message)

    def sensor(self):
        return Sensor.integer("an.int")

    def test_listeners_of_resource_sensors(self):
        sensor = KATCPSensor(dict(name="x", sensor_type=Sensor.INTEGER), mock.Mock())
        for reading, good in ((True, two), (False, lambda a, b, c, d: None)):
            sensor.clear_listeners()
            self.check("Listener <function no_arguments", lambda f: sensor.register_listener(f, reading),
                       lambda: sensor.set(1.0, Sensor.NOMINAL, 1), "calling KATCPSensor callback", good)
            # Not once more, when it is registered again.
            with LogRecorder("katcp") as log:
                sensor.register_listener(no_arguments, reading)
            self.assertEqual(log.messages, [])

    def test_listeners_that_always_fail(self):
        sensor = KATCPSensor(dict(name="x", sensor_type=Sensor.INTEGER), mock.Mock())
        sensor.register_listener(failing, True)
        with LogRecorder("katcp") as log:
            for _ in range(1000):
                sensor.set(1.0, Sensor.NOMINAL, 1)
        self.assertEqual(len(log.records), listeners.LOGGED_FAILURES)
        self.assertIs(log.records[-1].exc_info[0], ValueError)

    def test_observers_of_sensors(self):
        sensor = self.sensor()

        def update():
            with self.assertRaises(TypeError):
                sensor.set_value(1)

        # The first failure comes out of the sensor, as it always has; the other is logged.
        with LogRecorder("katcp") as log:
            sensor.attach(Observer(two))
            sensor.attach(Observer(no_arguments))
            sensor.attach(Observer(no_arguments))
        self.assertEqual([message[:17] for message in log.messages], ["Observer's method"] * 2)
        self.check_calls(update, "failed on an update of")

    def test_observers_without_update(self):
        sensor = self.sensor()
        with LogRecorder("katcp") as log:
            sensor.attach(WithoutUpdate())
        self.assertEqual(len(log.messages), 1)
        self.assertIn("has no method update()", log.messages[0])

    def test_events(self):
        events = []
        self.check("Callback of an event <function no_arguments",
                   lambda f: events.append(AsyncCallbackEvent(f)), lambda: events[-1].set(),
                   "calling event change callback", good=lambda flag: None)

    def test_hooks(self):
        client = _InformHookDeviceClient("127.0.0.1", 1)
        self.check("Hook <function no_arguments", lambda f: client.hook_inform("x", f),
                   lambda: client.handle_inform(Message.inform("x")), "Call to function", good=lambda m: None)

    def test_handlers_and_callbacks_of_clients(self):
        client = AsyncClient("127.0.0.1", 1)
        client._inform_handlers["x"] = client._reply_handlers["x"] = client._request_handlers["x"] = (
            lambda client: None)
        for kind, message in (("Inform", Message.inform("x")), ("Reply", Message.reply("x", "ok")),
                              ("Request", Message.request("x"))):
            self.check_calls(lambda: client.handle_message(message), kind + " x FAIL")
        self.check_calls(lambda: client._call_back("Callback reply", no_arguments, Message.reply("y"), None),
                         "Callback reply y FAIL")
        numbers = iter(range(1000))
        self.check_calls(lambda: client._do_fail_callback("reason %d" % next(numbers), Message.request("z"),
                                                          no_arguments, None, None, None),
                         "Callback reply during failure reason ")

    def test_handlers_of_servers(self):
        server = DeviceTestServer("127.0.0.1", 0)
        server._inform_handlers = server._reply_handlers = {"x": lambda server: None}
        for kind, message in (("Inform", Message.inform("x")), ("Reply", Message.reply("x"))):
            self.check_calls(lambda: server.handle_message(mock.Mock(), message), kind + " x FAIL")

    def test_state_callbacks(self):
        client = InspectingClientAsync("127.0.0.1", 1, ioloop=mock.Mock())
        with LogRecorder("katcp") as log:
            client.set_state_callback(two)
            client.set_state_callback(None)
        self.assertEqual(log.messages, [])
        with LogRecorder("katcp") as log:
            client.set_state_callback(no_arguments)
        self.assertTrue(log.messages[0].startswith("State callback <function no_arguments"), log.messages)

    def test_updates_of_sensors_whose_observer_fails(self):
        client = InspectingClientAsync("127.0.0.1", 1, ioloop=mock.Mock())
        client.katcp_client._protocol_flags = mock.Mock(major=5)
        sensor = client._sensor_object_cache["an.int"] = self.sensor()
        sensor.attach(Observer(no_arguments))
        inform = Message.inform("sensor-status", "1.0", "1", "an.int", "nominal", "1")
        with LogRecorder("katcp") as log:
            for _ in range(100):
                client._cb_inform_sensor_status(inform)
        self.assertEqual(len(log.records), listeners.LOGGED_FAILURES)
        self.assertEqual(sensor.value(), 1)

    def test_sampling(self):
        strategy = SampleStrategy(no_arguments, self.sensor(), ioloop=mock.Mock(spec=tornado.ioloop.IOLoop))
        self.check_calls(lambda: strategy.inform(None), "Unhandled exception trying to send")

    def test_rules_of_trees(self):
        class Tree(GenericSensorTree):
            def recalculate(self, parent, updates):
                if enabled:
                    raise ValueError("rule")

        tree, child, enabled = Tree(), self.sensor(), []
        for name in ("a", "b"):
            tree.add_links(Sensor.integer(name), [child])
        enabled.append(True)
        with LogRecorder("katcp") as log:
            for _ in range(100):
                with self.assertRaises(ValueError):
                    child.set_value(1)
        self.assertEqual(len(log.records), listeners.LOGGED_FAILURES)
