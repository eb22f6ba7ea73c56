"""Section 7: sensors, as devices list and report them."""

from __future__ import absolute_import, division, print_function

import unittest
from timeit import default_timer

from katcp.core import Sensor
from katcp.sampling import (SampleDifferential, SampleDifferentialRate, SampleEvent, SampleEventRate,
                            SampleNone)
from tests.conformance.cases import DeviceTestCase, covers
from tests.support.logs import LogRecorder
from tests.support.sampling import SamplingTestCase, timewarp_test

TYPES = set([b"integer", b"float", b"boolean", b"lru", b"timestamp", b"discrete", b"address", b"string"])


class TestSection7(DeviceTestCase):
    @covers("7-unique-names")
    def test_names_are_unique(self):
        self.server.add_sensor(Sensor.boolean("an.int", "Another."))
        lines = self.client.ask(b"?sensor-list")
        self.assertEqual([line for line in lines if b" an.int " in line],
                         [b"#sensor-list an.int Another. \\@ boolean"])

    @covers("7-name-characters")
    def test_other_characters_in_names(self):
        with LogRecorder("katcp.tests.device") as log:
            self.server.add_sensor(Sensor.integer("an odd!name", "Odd."))
            self.server.add_sensor(Sensor.integer("a_good.NAME-2", "Good."))
        self.assertEqual([record.levelname for record in log.records], ["WARNING"])
        self.assertIn("an odd!name", log.messages[0])
        self.check((b"?sensor-list an\\_odd!name",
                    [b"#sensor-list an\\_odd!name Odd. \\@ integer", b"!sensor-list ok 1"]))

    @covers("7-types", "7.2-options")
    def test_types(self):
        types = set()
        for line in self.client.ask(b"?sensor-list")[:-1]:
            fields = line.split(b" ")
            types.add(fields[4])
            if fields[4] == b"discrete":
                self.assertEqual(fields[5:], [b"one", b"two"])
            elif fields[4] not in (b"integer", b"float"):
                self.assertEqual(fields[5:], [])
        self.assertEqual(types, TYPES)

    @covers("7-statuses")
    def test_statuses(self):
        sensor = self.server.get_sensor("an.int")
        for status in (b"unknown", b"nominal", b"warn", b"error", b"failure", b"unreachable", b"inactive"):
            sensor.set(5, Sensor.STATUS_NAMES_RAW[status], 1)
            self.assertEqual(self.client.ask(b"?sensor-value an.int")[0],
                             b"#sensor-value 5.000000 1 an.int " + status + b" 1")
        self.assertEqual(len(Sensor.STATUSES), 7)

    @covers("7-statuses-v4")
    def test_statuses_in_version_4(self):
        self.restart_as("4")
        sensor = self.server.get_sensor("an.int")
        for status in (b"unreachable", b"inactive"):
            sensor.set(5, Sensor.STATUS_NAMES_RAW[status], 1)
            self.assertEqual(self.client.ask(b"?sensor-value an.int")[0],
                             b"#sensor-value 5000 1 an.int " + status + b" 1")

    @covers("7-no-value")
    def test_readings_without_value(self):
        sensor = self.server.get_sensor("an.int")
        self.client.ask(b"?sensor-sampling an.int event")
        for status in (b"unknown", b"failure", b"unreachable", b"inactive"):
            sensor.set(5, Sensor.STATUS_NAMES_RAW[status], 3)
            line = self.client.line()
            self.assertTrue(line.startswith(b"#sensor-status 5.000000 1 an.int " + status + b" "), line)
            sensor.set(6, Sensor.STATUS_NAMES_RAW[status], None)
            self.assertEqual(self.client.line(), b"#sensor-status 6.000000 1 an.int " + status + b" 3")


class TestSection7_2(DeviceTestCase):
    def names(self, line):
        return [line.split(b" ")[1] for line in self.client.ask(line)[:-1]]

    @covers("7.2-list", "7.2-list-one", "7.2-list-unknown", "7.2-list-inform")
    def test_sensor_list(self):
        lines = self.client.ask(b"?sensor-list")
        self.assertEqual(lines.pop(), b"!sensor-list ok %d" % len(self.server.get_sensors()))
        self.assertEqual(len(lines), len(self.server.get_sensors()))
        for line in lines:
            self.assertGreaterEqual(len(line.split(b" ")), 5)
        self.check((b"?sensor-list an.int",
                    [b"#sensor-list an.int An\\_Integer. count integer -5 5", b"!sensor-list ok 1"]))
        self.assert_fails(b"?sensor-list no.such.sensor")

    @covers("7.2-patterns")
    def test_names_between_slashes_are_patterns(self):
        self.server.add_sensor(Sensor.integer("/an.int/", "Hidden."))
        self.assertEqual(self.names(b"?sensor-list /^an\\\\.int$/"), [b"an.int"])
        self.check((b"?sensor-value /no-such-sensor/", b"!sensor-value ok 0"),
                   (b"?sensor-list /no-such-sensor/", b"!sensor-list ok 0"))

    @covers("7.2-ranges")
    def test_ranges(self):
        for name, expected in ((b"unbounded", []), (b"an.int", [b"-5", b"5"]),
                               (b"a.range", [b"0.0", b"10.0", b"-5.0", b"15.0"])):
            self.assertEqual(self.client.ask(b"?sensor-list " + name)[0].split(b" ")[5:], expected)

    @covers("7.2-ranges-v4", "7.2-address-v4")
    def test_version_4(self):
        self.restart_as("4")
        self.assertTrue(self.client.ask(b"?sensor-list unbounded")[0].endswith(b" integer"))
        self.assertTrue(self.client.ask(b"?sensor-list an.address")[0].endswith(b" address"))

    @covers("7.2-status-of-range")
    def test_statuses_are_compared_with_ranges_on_request(self):
        sensor = self.server.get_sensor("a.range")
        sensor.set_value(sensor.warn_range[1] + 1, None)
        self.assertEqual(self.client.ask(b"?sensor-value a.range")[0].split()[4], b"error")

    @covers("7.2-status-of-range")
    def test_statuses_are_not_compared_with_ranges(self):
        sensor = self.server.get_sensor("a.range")
        for value, status in ((5.0, b"nominal"), (12.0, b"warn"), (100.0, b"error")):
            sensor.set_value(value, None, 5)
            self.assertEqual(self.client.ask(b"?sensor-value a.range")[0].split(b" ")[4], status)
        sensor.set(5, Sensor.NOMINAL, 100.0)
        self.check((b"?sensor-value a.range", [b"#sensor-value 5.000000 1 a.range nominal 100.0",
                                               b"!sensor-value ok 1"]))

    @covers("7.2-value", "7.2-value-one", "7.2-value-unknown", "7.2-value-inform")
    def test_sensor_value(self):
        lines = self.client.ask(b"?sensor-value")
        self.assertEqual(lines.pop(), b"!sensor-value ok %d" % len(self.server.get_sensors()))
        self.assertEqual(sorted(line.split(b" ")[3].decode("ascii") for line in lines),
                         sorted(sensor.name for sensor in self.server.get_sensors()))
        self.check((b"?sensor-value an.int", [b"#sensor-value 12345.000000 1 an.int nominal 3",
                                              b"!sensor-value ok 1"]))
        self.assert_fails(b"?sensor-value no.such.sensor")

    @covers("7.2-value-v4")
    def test_sensor_value_in_version_4(self):
        self.restart_as("4")
        self.check((b"?sensor-value a.ts",
                    [b"#sensor-value 12345000 1 a.ts nominal 99500", b"!sensor-value ok 1"]))


class TestSampling(DeviceTestCase):
    """Sections 7.1 and 7.2: strategies."""

    @covers("7.1-quiet")
    def test_nothing_before_it_is_asked_for(self):
        self.server.get_sensor("an.int").set_value(1)
        self.check((b"?watchdog", b"!watchdog ok"))

    @covers("7.1-first-report", "7.2-auto", "7.2-none", "7.2-sampling-reply", "7.3-status-inform")
    def test_first_reports(self):
        for sensor in self.server.get_sensors():
            name = sensor.name.encode("ascii")
            for strategy in (b"auto", b"event", b"period 100", b"event-rate 1 100"):
                report, reply = self.client.ask(b"?sensor-sampling " + name + b" " + strategy)
                self.assertEqual(report.rsplit(b" ", 1)[0],
                                 b"#sensor-status 12345.000000 1 " + name + b" nominal")
                self.assertEqual(reply, b"!sensor-sampling ok " + name + b" " + strategy)
            none = name + b" none"
            self.check((b"?sensor-sampling " + none, b"!sensor-sampling ok " + none))
        for strategy in (b"differential 1", b"differential-rate 1 1 100"):
            self.assertEqual(len(self.client.ask(b"?sensor-sampling an.int " + strategy)), 2)

    @covers("7.2-auto", "7.2-none", "7.2-event")
    def test_reports(self):
        sensor = self.server.get_sensor("an.int")
        self.client.ask(b"?sensor-sampling an.int auto")
        sensor.set(1, Sensor.NOMINAL, 3)
        self.assertEqual(self.client.line(), b"#sensor-status 1.000000 1 an.int nominal 3")
        self.client.ask(b"?sensor-sampling an.int event")
        sensor.set(2, Sensor.NOMINAL, 3)
        sensor.set(3, Sensor.NOMINAL, 4)
        self.assertEqual(self.client.line(), b"#sensor-status 3.000000 1 an.int nominal 4")
        self.client.ask(b"?sensor-sampling an.int none")
        sensor.set(4, Sensor.NOMINAL, 5)
        self.check((b"?watchdog", b"!watchdog ok"))

    @covers("7.2-period", "7.2-period-v4")
    def test_period(self):
        for protocol, period in (("5.0", b"0.01"), ("4", b"10")):
            self.restart_as(protocol)
            for name in (b"an.int", b"a.str"):
                self.client.ask(b"?sensor-sampling " + name + b" none")
                start = default_timer()
                lines = self.client.ask(b"?sensor-sampling " + name + b" period " + period)
                self.assertEqual(lines[1], b"!sensor-sampling ok " + name + b" period " + period)
                self.client.lines(5)
                # Timers are early by less than a period; how late they are is up to the machine.
                self.assertGreater(default_timer() - start, 0.04)
                self.client.send(b"?sensor-sampling " + name + b" none\n")
                self.client.until(b"!sensor-sampling")

    @covers("7.2-differential-format", "7.2-differential-types")
    def test_differences(self):
        self.assert_fails(b"?sensor-sampling an.int differential 0.5")
        self.assert_fails(b"?sensor-sampling an.int differential-rate 0.5 1 2")
        for name in (b"a.str", b"a.bool", b"a.disc", b"an.address", b"an.lru"):
            self.assert_fails(b"?sensor-sampling " + name + b" differential 1")
            self.assert_fails(b"?sensor-sampling " + name + b" differential-rate 1 1 2")
        for name, difference in ((b"an.int", b"2"), (b"a.float", b"0.5"), (b"a.ts", b"0.5")):
            line = name + b" differential " + difference
            self.assertEqual(self.client.ask(b"?sensor-sampling " + line)[-1], b"!sensor-sampling ok " + line)
        self.assert_fails(b"?sensor-sampling a.ts differential-rate 0.5 1 2")

    @covers("7.2-rates-v4")
    def test_no_rates_in_version_4(self):
        self.restart_as("4")
        self.assert_fails(b"?sensor-sampling an.int event-rate 1 2")
        self.assert_fails(b"?sensor-sampling an.int differential-rate 1 1 2")

    @covers("7.2-event-rate", "7.2-differential-rate")
    def test_periods_in_the_wrong_order(self):
        self.assert_fails(b"?sensor-sampling an.int event-rate 2 1")
        self.assert_fails(b"?sensor-sampling an.int differential-rate 1 2 1")

    @covers("7.2-sampling-query")
    def test_query(self):
        self.check((b"?sensor-sampling an.int", b"!sensor-sampling ok an.int none"))
        self.client.ask(b"?sensor-sampling an.int event-rate 0.5 60")
        self.check((b"?sensor-sampling an.int", b"!sensor-sampling ok an.int event-rate 0.5 60"))

    @covers("7.2-bulk", "7.2-bulk-atomic", "7.2-bulk-query")
    def test_bulk(self):
        self.restart_as("5.1")
        self.check((b"?sensor-sampling an.int,a.str event",
                    [b"#sensor-status 12345.000000 1 an.int nominal 3",
                     b"#sensor-status 12345.000000 1 a.str nominal hi\\_there",
                     b"!sensor-sampling ok an.int,a.str event"]))
        self.assert_fails(b"?sensor-sampling an.int,no.such.sensor auto")
        self.assert_fails(b"?sensor-sampling an.int,a.str differential 1")
        self.assert_fails(b"?sensor-sampling an.int,a.str")
        self.check((b"?sensor-sampling an.int", b"!sensor-sampling ok an.int event"))


class TestStrategies(SamplingTestCase):
    """Table 9, with a clock moved by hand."""

    def values(self):
        """Return the values reported since the last call."""
        values, self.reports[:] = [reading.value for reading in self.reports], []
        return values

    @covers("7.2-none")
    @timewarp_test
    def test_none(self):
        strategy = self.make(SampleNone)
        strategy.start()
        self.sensor.set_value(5)
        yield self.set_ioloop_time(self.ioloop_time + 100)
        self.assertEqual(self.values(), [])
        strategy.cancel()

    @covers("7.2-event", "7.2-differential")
    @timewarp_test
    def test_event_and_differential(self):
        for strategy_class, params, expected in (
                (SampleEvent, (), [3, 4, 6, 9]), (SampleDifferential, (2,), [3, 6, 9])):
            self.sensor.set_value(3)
            strategy = self.make(strategy_class, *params)
            strategy.start()
            yield self.wake_ioloop()
            for value in (3, 4, 6, 6, 9):
                self.sensor.set_value(value)
                yield self.wake_ioloop()
            self.assertEqual(self.values(), expected)
            strategy.cancel()

    @covers("7.2-event-rate", "7.2-differential-rate")
    @timewarp_test
    def test_rates(self):
        for strategy_class, params in ((SampleEventRate, (10, 60)), (SampleDifferentialRate, (2, 10, 60))):
            self.sensor.set_value(3)
            strategy = self.make(strategy_class, *params)
            strategy.start()
            yield self.wake_ioloop()
            self.assertEqual(self.values(), [3])
            self.sensor.set_value(9)
            yield self.set_ioloop_time(self.ioloop_time + 9)
            self.assertEqual(self.values(), [])
            yield self.set_ioloop_time(self.ioloop_time + 1.1)
            self.assertEqual(self.values(), [9])
            yield self.set_ioloop_time(self.ioloop_time + 59)
            self.assertEqual(self.values(), [])
            yield self.set_ioloop_time(self.ioloop_time + 1.1)
            self.assertEqual(self.values(), [9])
            strategy.cancel()


class TestNames(unittest.TestCase):
    @covers("7-statuses")
    def test_statuses_of_the_table(self):
        self.assertEqual(sorted(Sensor.STATUSES.values()), [
            "error", "failure", "inactive", "nominal", "unknown", "unreachable", "warn"])
