"""Tests of the door to the sensor trees."""

from __future__ import absolute_import, division, print_function

import doctest
import unittest

import katcp
from katcp import aggregate_sensortree, boolean_sensortree, generic_sensortree, sensortree


class TestModule(unittest.TestCase):
    def test_names(self):
        for name, module in (("GenericSensorTree", generic_sensortree),
                             ("BooleanSensorTree", boolean_sensortree),
                             ("AggregateSensorTree", aggregate_sensortree)):
            self.assertIs(getattr(sensortree, name), getattr(module, name))
            self.assertIs(getattr(katcp, name), getattr(module, name))
        self.assertEqual(sensortree.log.name, "katcp.sensortree")
        self.assertIs(aggregate_sensortree.log, sensortree.log)

    def test_examples(self):
        failed, attempted = doctest.testmod(sensortree)
        self.assertEqual(failed, 0)
        self.assertTrue(attempted)
