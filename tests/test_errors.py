from __future__ import absolute_import, division, print_function

import pickle
import unittest

from katcp import errors


class TestErrors(unittest.TestCase):
    BASES = {
        errors.KatcpSyntaxError: ValueError,
        errors.KatcpTypeError: TypeError,
        errors.KatcpClientError: Exception,
        errors.KatcpVersionError: errors.KatcpClientError,
        errors.KatcpClientDisconnected: errors.KatcpClientError,
        errors.KatcpDeviceError: Exception,
        errors.FailReply: Exception,
        errors.AsyncReply: Exception,
    }

    def test_bases(self):
        for error, base in self.BASES.items():
            self.assertEqual(error.__bases__, (base,))

    def test_unknown_sensors(self):
        for args, text in ((("a.b",), "There is no sensor 'a.b'"), (("a", 1), "There is no sensor 'a', 1"),
                           ((), "There is no sensor ")):
            self.assertEqual(str(errors.UnknownSensorError(*args)), text)

    def test_arguments(self):
        for error in self.BASES:
            self.assertEqual(error().args, ())
            self.assertEqual(error("a", 1).args, ("a", 1))
            self.assertEqual(str(error("what went wrong")), "what went wrong")

    def test_pickle(self):
        for error in self.BASES:
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                copy = pickle.loads(pickle.dumps(error("text"), protocol))
                self.assertIs(type(copy), error)
                self.assertEqual(copy.args, ("text",))
