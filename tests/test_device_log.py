from __future__ import absolute_import, division, print_function

import logging
import unittest

from katcp.message import Message
from katcp.server.device_log import DeviceLogger
from tests.support import mock
from tests.support.devices import Device4, Device5, ServerTests, in_all_modes


class Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self):
        logging.Handler.__init__(self)
        self.records = []

    def emit(self, record):
        self.records.append((record.levelno, record.getMessage()))


class LoggerTestCase(unittest.TestCase):
    """A logger of a device that does not run, with the informs and records that it makes."""

    device_class = Device5

    def setUp(self):
        self.python_logger = logging.getLogger("katcp.tests.device_log")
        self.python_logger.setLevel(1)
        self.python_logger.propagate = False
        self.handler = Records()
        self.python_logger.addHandler(self.handler)
        self.addCleanup(self.python_logger.removeHandler, self.handler)
        self.server = self.device_class("", 0, logger=self.python_logger)
        self.server.mass_inform = mock.Mock()
        self.log = self.server.log
        patch = mock.patch("katcp.server.time.time", return_value=1234)
        patch.start()
        self.addCleanup(patch.stop)

    def informs(self):
        return [call[0][0] for call in self.server.mass_inform.call_args_list]

    def texts(self):
        return [inform.arguments[3] for inform in self.informs()]

    def messages(self):
        return [message for _, message in self.handler.records]


class TestLevels(LoggerTestCase):
    NAMES = ["all", "trace", "debug", "info", "warn", "error", "fatal", "off"]

    def test_constants(self):
        self.assertEqual(DeviceLogger.LEVELS, self.NAMES)
        self.assertEqual([DeviceLogger.ALL, DeviceLogger.TRACE, DeviceLogger.DEBUG, DeviceLogger.INFO,
                          DeviceLogger.WARN, DeviceLogger.ERROR, DeviceLogger.FATAL, DeviceLogger.OFF],
                         list(range(8)))
        self.assertEqual(DeviceLogger.PYTHON_LEVEL, {1: 0, 2: 10, 3: 20, 4: 30, 5: 40, 6: 50, 7: 60})

    def test_names(self):
        self.assertEqual(self.log.level_name(), "warn")
        for level, name in enumerate(self.NAMES):
            self.assertEqual(self.log.level_name(level), name)
            self.assertEqual(self.log.level_from_name(name), level)
            self.assertEqual(self.log.level_from_name(name.encode("ascii")), level)
        self.assertRaises(IndexError, self.log.level_name, 8)
        for bad, shown in ((b"Warn", "Warn"), ("", ""), (b"\xff", None)):
            with self.assertRaises(ValueError) as caught:
                self.log.level_from_name(bad)
            if shown is not None:
                self.assertEqual(str(caught.exception), "Unknown logging level name '%s'" % shown)

    def test_the_python_logger_follows(self):
        python_levels = [logging.NOTSET, 0, 10, 20, 30, 40, 50, 60]
        for name, python_level in zip(self.NAMES, python_levels):
            self.log.set_log_level_by_name(name)
            self.assertEqual(self.log.level_name(), name)
            self.assertEqual(self.python_logger.level, python_level)
        self.log.set_log_level(DeviceLogger.ERROR)
        self.assertEqual(self.log.level_name(), "error")
        self.assertEqual(self.python_logger.level, logging.ERROR)
        self.assertRaises(ValueError, self.log.set_log_level_by_name, "loud")
        self.assertEqual(self.log.level_name(), "error")

    def test_each_level_informs_from_itself_upwards(self):
        methods = [self.log.trace, self.log.debug, self.log.info, self.log.warn, self.log.error,
                   self.log.fatal]
        for level, name in enumerate(self.NAMES):
            self.log._log_level = level
            self.server.mass_inform.reset_mock()
            for method in methods:
                method("text")
            self.assertEqual([inform.arguments[0].decode() for inform in self.informs()],
                             self.NAMES[max(level, 1):7])

    def test_a_message_of_level_all(self):
        self.log.set_log_level(DeviceLogger.ALL)
        self.log.log(DeviceLogger.ALL, "everything")
        self.assertEqual([inform.arguments[0] for inform in self.informs()], [b"all"])

    def test_python_logging_does_not_depend_on_the_katcp_level(self):
        self.log._log_level = DeviceLogger.OFF
        self.log.info("for python only")
        self.assertEqual(self.informs(), [])
        self.assertEqual(self.handler.records, [(20, "for python only")])


class TestInforms(LoggerTestCase):
    def test_inform(self):
        self.log.error("An error")
        self.log.warn("Pump %d is %s", 3, "slow", name="pumps", timestamp=1001.5, nonsense=1)
        self.assertEqual(self.informs(), [
            Message.inform("log", "error", "1234.000000", "root", "An error"),
            Message.inform("log", "warn", "1001.500000", "pumps", "Pump 3 is slow"),
        ])
        self.assertEqual(self.handler.records, [
            (40, "An error"), (30, "katcp timestamp: 1001.5 Pump 3 is slow")])

    def test_root_logger(self):
        log = DeviceLogger(self.server, root_logger="top")
        log.error("x")
        self.assertEqual(self.informs()[0].arguments[2], b"top")
        self.assertEqual(self.handler.records, [])

    def test_both_methods_of_the_server_are_looked_up_at_call_time(self):
        self.server.create_log_inform = mock.Mock(return_value=Message.inform("log"))
        self.log.error("x", timestamp=5)
        self.server.create_log_inform.assert_called_once_with("error", "x", "root", timestamp=5)
        self.assertEqual(self.informs(), [Message.inform("log")])

    def test_nothing_is_formatted_for_nobody(self):
        self.python_logger.setLevel(logging.ERROR)

        costly = mock.MagicMock()
        self.log.info("%s", costly)
        self.assertEqual(costly.__str__.call_count, 0)
        self.log.error("%s", costly)
        self.assertGreater(costly.__str__.call_count, 0)
        self.server.mass_inform.reset_mock()
        self.handler.records[:] = []
        self.log.info("%s", costly)
        self.assertEqual(self.informs(), [])
        self.assertEqual(self.handler.records, [])


class TestInforms4(LoggerTestCase):
    device_class = Device4

    def test_milliseconds(self):
        self.log.error("An error", timestamp=1234)
        self.assertEqual(self.informs(), [Message.inform("log", "error", "1234000", "root", "An error")])


class TestWhatDoesNotFit(LoggerTestCase):
    """Logging never raises, and loses nothing."""

    def setUp(self):
        super(TestWhatDoesNotFit, self).setUp()
        patch = mock.patch.object(logging.Handler, "handleError")
        self.handle_error = patch.start()
        self.addCleanup(patch.stop)

    def tearDown(self):
        self.assertEqual(self.handle_error.call_args_list, [])

    def test_percent_without_arguments(self):
        for msg in ("100%", "50 % of it", "%s", "%d%", "%(a)s"):
            self.log.warn(msg)
        self.assertEqual(self.texts(), [b"100%", b"50 % of it", b"%s", b"%d%", b"%(a)s"])
        self.assertEqual(self.messages(), ["100%", "50 % of it", "%s", "%d%", "%(a)s"])

    def test_doubled_percent(self):
        self.log.warn("100%% sure")
        self.log.warn("%d%% sure", 99)
        self.assertEqual(self.texts(), [b"100% sure", b"99% sure"])

    def test_percent_with_timestamp(self):
        self.log.warn("100%", timestamp=5)
        self.log.warn("%d%%", 99, timestamp=5)
        self.assertEqual(self.messages(), ["katcp timestamp: 5 100%", "katcp timestamp: 5 99%"])

    def test_wrong_arguments(self):
        self.log.warn("no field", 1)
        self.log.warn("%d", "x")
        self.log.warn("%s %s", 1)
        self.log.warn("50%", 1)
        expected = ["no field (1,)", "%%d %r" % (("x",),), "%s %s (1,)", "50% (1,)"]
        self.assertEqual(self.texts(), [text.encode("ascii") for text in expected])
        self.assertEqual(self.messages(), expected)

    def test_wrong_arguments_with_timestamp(self):
        self.log.warn("50%", 1, timestamp=5)
        self.assertEqual(self.messages(), ["katcp timestamp: 5 50% (1,)"])

    def test_dictionary(self):
        self.log.warn("%(a)s!", {"a": 1})
        self.assertEqual(self.texts(), [b"1!"])
        self.assertEqual(self.messages(), ["1!"])

    def test_no_string(self):
        self.log.warn(ValueError("bad value"))
        self.log.warn(5)
        self.log.warn(None)
        self.assertEqual(self.texts(), [b"bad value", b"5", b"None"])
        self.log.warn(ValueError("bad value"), 7)
        self.assertEqual(self.texts()[-1], b"bad value (7,)")

    def test_bytes_that_are_not_text(self):
        self.log.warn(b"\xff\xfe")
        self.log.warn("%s", b"\xff")
        self.assertEqual(self.texts()[0], b"\xff\xfe")
        self.assertEqual(len(self.texts()), 2)

    def test_unicode(self):
        self.log.warn(u"caf\xe9")
        self.log.warn(u"caf\xe9 %s", u"\xe9")
        self.assertEqual(self.texts(), [b"caf\xc3\xa9", b"caf\xc3\xa9 \xc3\xa9"])

    def test_objects_that_cannot_be_shown(self):
        class Broken(object):
            def __str__(self):
                raise RuntimeError("broken")
            __repr__ = __str__

        self.log.warn("%s", Broken())
        self.log.warn(Broken())
        self.assertEqual(len(self.texts()), 2)


class TestLogToPython(unittest.TestCase):
    def setUp(self):
        self.logger = logging.getLogger("katcp.tests.log_to_python")
        self.logger.setLevel(1)
        self.logger.propagate = False
        self.handler = Records()
        self.logger.addHandler(self.handler)
        self.addCleanup(self.logger.removeHandler, self.handler)

    def log(self, *arguments):
        DeviceLogger.log_to_python(self.logger, Message.inform("log", *arguments))

    def test_levels(self):
        self.logger = mock.Mock()
        for level in ("trace", "debug", "info", "warn", "error", "fatal"):
            self.log(level, "1234.5", "root.x", "some text")
        self.assertEqual([call[0][0] for call in self.logger.log.call_args_list],
                         [0, 10, 20, 30, 40, 50])

    def test_text(self):
        self.log("warn", "1234.5", "root.x", "100%s sure")
        self.log("error", "1234500", "root", b"\xff")
        self.assertEqual(self.handler.records[0], (30, "1234.5 root.x: 100%s sure"))
        self.assertEqual(self.handler.records[1][0], 40)

    def test_errors(self):
        self.assertRaises(KeyError, self.log, "all", "1", "root", "x")
        self.assertRaises(KeyError, self.log, "loud", "1", "root", "x")
        self.assertRaises(ValueError, self.log, "warn", "1", "root")
        self.assertRaises(ValueError, self.log, "warn", "1", "root", "x", "y")


class _OnTheWire(ServerTests):
    def test_log_informs_reach_all_clients(self):
        clients = [self.connect(), self.connect()]
        with mock.patch("katcp.server.time.time", return_value=1234):
            self.server.log.error("An error, %d%%", 100)
        for client in clients:
            self.assertEqual(client.line(), b"#log error 1234.000000 root An\\_error,\\_100%")

    def test_a_stopped_server_keeps_silent(self):
        server = self.device_class("127.0.0.1", 0)
        server.log.error("before start")
        self.server.stop().result(timeout=10)
        self.server.join(timeout=10)
        self.server.log.error("after stop")


in_all_modes(globals(), _OnTheWire)
