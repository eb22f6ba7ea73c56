from __future__ import absolute_import, division, print_function

import collections
import logging
import pickle
import unittest

import tornado.concurrent
import tornado.gen

from katcp import compat, core, resource


class TestDoor(unittest.TestCase):

    def test_names_of_katcp_09(self):
        for name in ("KATCPResourceError", "KATCPResourceInactive", "KATCPSensorError",
                     "SensorResultTuple", "normalize_strategy_parameters", "escape_name",
                     "KATCPResource", "KATCPRequest", "KATCPDummyRequest", "KATCPSensorReading",
                     "KATCPSensorsManager", "KATCPSensor", "KATCPReply", "_KATCPReplyTuple"):
            self.assertTrue(callable(getattr(resource, name)))

    def test_what_is_visible_besides(self):
        self.assertIs(resource.Message, core.Message)
        self.assertIs(resource.Sensor, core.Sensor)
        self.assertIs(resource.hashable_identity, core.hashable_identity)
        self.assertIs(resource.ensure_native_str, core.ensure_native_str)
        self.assertIs(resource.Future, tornado.concurrent.Future)
        self.assertIs(resource.Return, tornado.gen.Return)
        self.assertIs(resource.with_timeout, tornado.gen.with_timeout)
        self.assertIs(resource.basestring, core.basestring)
        self.assertIs(resource.PY2, compat.PY2)
        self.assertIs(resource.collections, collections)
        self.assertIs(resource.tornado, tornado)

    def test_logger(self):
        self.assertIs(resource.logger, logging.getLogger("katcp.resource"))

    def test_readings_can_be_stored(self):
        reading = resource.KATCPSensorReading(1, 2, 3, 4)
        stored = pickle.loads(pickle.dumps(reading))
        self.assertEqual(stored, reading)
        self.assertIs(type(stored), resource.KATCPSensorReading)
