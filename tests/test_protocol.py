from __future__ import absolute_import, division, print_function

import unittest

from katcp import protocol
from katcp.protocol import ProtocolFlags

M, I, T, B = (ProtocolFlags.MULTI_CLIENT, ProtocolFlags.MESSAGE_IDS,
              ProtocolFlags.REQUEST_TIMEOUT_HINTS, ProtocolFlags.BULK_SET_SENSOR_SAMPLING)


class TestConstants(unittest.TestCase):
    def test_values(self):
        self.assertEqual(protocol.SEC_TO_MS_FAC, 1000)
        self.assertEqual(protocol.MS_TO_SEC_FAC, 0.001)
        self.assertEqual(protocol.DEFAULT_KATCP_MAJOR, 5)
        self.assertEqual(protocol.SEC_TS_KATCP_MAJOR, 5)
        self.assertEqual(protocol.FLOAT_TS_KATCP_MAJOR, 4)
        self.assertEqual(protocol.MID_KATCP_MAJOR, 5)
        self.assertEqual(protocol.VERSION_CONNECT_KATCP_MAJOR, 5)
        self.assertEqual(protocol.INTERFACE_CHANGED_KATCP_MAJOR, 5)

    def test_flags(self):
        self.assertEqual((M, I, T, B), (b"M", b"I", b"T", b"B"))


class TestProtocolFlags(unittest.TestCase):
    def test_attributes(self):
        flags = ProtocolFlags(5, 1, [M, I])
        self.assertEqual((flags.major, flags.minor, flags.flags), (5, 1, {b"M", b"I"}))
        self.assertIs(flags.multi_client, True)
        self.assertIs(flags.message_ids, True)
        self.assertIs(flags.request_timeout_hints, False)
        self.assertIs(flags.bulk_set_sensor_sampling, False)

    def test_attributes_of_new_features(self):
        flags = ProtocolFlags(5, 1, {T, B})
        self.assertTrue(flags.request_timeout_hints)
        self.assertTrue(flags.bulk_set_sensor_sampling)
        self.assertFalse(flags.multi_client)
        self.assertFalse(flags.message_ids)

    def test_flags_are_copied(self):
        given = {M}
        flags = ProtocolFlags(5, 0, given)
        given.add(I)
        self.assertEqual(flags.flags, {M})

    def test_later_changes(self):
        flags = ProtocolFlags(5, 0, {M})
        flags.flags.add(I)
        self.assertTrue(flags.supports(I))
        self.assertEqual(str(flags), "5.0-IM")
        self.assertFalse(flags.message_ids)

    def test_none_counts_as_zero(self):
        flags = ProtocolFlags(None, None, set())
        self.assertEqual((flags.major, flags.minor), (0, 0))
        self.assertEqual(str(flags), "0.0")

    def test_strings_of_flags(self):
        expected = ProtocolFlags(5, 1, {M, I})
        for flags in (b"MI", "MI", u"MI", {"M", "I"}, [u"M", b"I"], (b"MI",), iter([b"I", b"M"])):
            given = ProtocolFlags(5, 1, flags)
            self.assertEqual(given, expected)
            self.assertEqual(given.flags, {b"M", b"I"})
            self.assertTrue(given.multi_client)
            self.assertEqual(str(given), "5.1-IM")
        for flags in (b"", "", u"", ()):
            self.assertEqual(ProtocolFlags(5, 1, flags).flags, set())

    def test_contradictions(self):
        cases = [
            (4, 0, I, "MESSAGE_IDS is only supported in katcp v5 and newer"),
            (5, 0, T, "REQUEST_TIMEOUT_HINTS only suported in katcp v5.1 and newer"),
            (5, 0, B, "BULK_SET_SENSOR_SAMPLING only suported in katcp v5.1 and newer"),
            (4, 9, b"ITB", "MESSAGE_IDS is only supported in katcp v5 and newer"),
            (5, 0, b"ITB", "REQUEST_TIMEOUT_HINTS only suported in katcp v5.1 and newer"),
        ]
        for major, minor, flags, text in cases:
            with self.assertRaises(ValueError) as caught:
                ProtocolFlags(major, minor, flags)
            self.assertEqual(str(caught.exception), text)
        for version in ((5, 1), (5, 2), (6, 0)):
            ProtocolFlags(version[0], version[1], {I, T, B})

    def test_str(self):
        self.assertEqual(str(ProtocolFlags(5, 1, {M, I, T})), "5.1-IMT")
        self.assertEqual(str(ProtocolFlags(5, 0, {M, I, b"U"})), "5.0-IMU")
        self.assertEqual(str(ProtocolFlags(5, 1, {M, I, B})), "5.1-BIM")
        self.assertEqual(str(ProtocolFlags(4, 0, [])), "4.0")
        self.assertIs(type(str(ProtocolFlags(4, 0, [M]))), str)

    def test_repr(self):
        self.assertIn("5, 1", repr(ProtocolFlags(5, 1, {M})))
        self.assertIn("M", repr(ProtocolFlags(5, 1, {M})))

    def test_equality(self):
        flags = ProtocolFlags(5, 0, {M, I})
        same = ProtocolFlags(5, 0, {I, M})
        self.assertTrue(flags == same)
        self.assertFalse(flags != same)
        for other in (ProtocolFlags(5, 1, {M, I}), ProtocolFlags(6, 0, {M, I}), ProtocolFlags(5, 0, {M}),
                      "5.0-IM", None):
            self.assertFalse(flags == other)
            self.assertTrue(flags != other)

    def test_supports(self):
        flags = ProtocolFlags(5, 0, {M, b"X"})
        self.assertTrue(flags.supports(M))
        self.assertTrue(flags.supports(b"X"))
        self.assertFalse(flags.supports(I))

    def test_strategy_allowed(self):
        common = [b"none", b"auto", b"period", b"event", b"differential"]
        new = [b"event-rate", b"differential-rate"]
        v4, v5 = ProtocolFlags(4, 0, ()), ProtocolFlags(5, 1, ())
        for strategy in common:
            self.assertTrue(v4.strategy_allowed(strategy))
            self.assertTrue(v5.strategy_allowed(strategy))
        for strategy in new:
            self.assertFalse(v4.strategy_allowed(strategy))
            self.assertTrue(v5.strategy_allowed(strategy))
        self.assertFalse(v5.strategy_allowed(b"sometimes"))
        self.assertEqual(ProtocolFlags.STRATEGIES_ALLOWED_BY_MAJOR_VERSION,
                         {4: frozenset(common), 5: frozenset(common + new)})

    def test_strategies_of_unknown_versions(self):
        self.assertIs(ProtocolFlags(None, None, ()).strategy_allowed(b"none"), False)

    def test_parse_version(self):
        cases = {
            b"5.0-MI": ProtocolFlags(5, 0, {M, I}),
            b"5.1-MIT": ProtocolFlags(5, 1, {M, I, T}),
            b"5.1-IMB": ProtocolFlags(5, 1, {M, I, B}),
            b"5.0-MIU": ProtocolFlags(5, 0, {M, I, b"U"}),
            b"4.0": ProtocolFlags(4, 0, ()),
            b"5.0-": ProtocolFlags(5, 0, ()),
            b"10.22-m": ProtocolFlags(10, 22, {b"m"}),
            b"5.0-M\n": ProtocolFlags(5, 0, {M}),
            b"5.0-\xff": ProtocolFlags(5, 0, {b"\xff"}),
        }
        for version, expected in cases.items():
            self.assertEqual(ProtocolFlags.parse_version(version), expected)

    def test_parse_version_of_something_else(self):
        for version in (b"foo", b"5", b"5.0MI", b"5.0.1", b"", b"x5.0", b"5.-M", b"-M"):
            self.assertEqual(ProtocolFlags.parse_version(version), ProtocolFlags(None, None, set()))

    def test_parse_version_with_contradictions(self):
        for version in (b"4.0-I", b"5.0-T", b"5.0-B"):
            with self.assertRaises(ValueError):
                ProtocolFlags.parse_version(version)

    def test_parse_version_gives_subclass(self):
        class OwnFlags(ProtocolFlags):
            pass

        self.assertIs(type(OwnFlags.parse_version(b"5.0")), OwnFlags)

    def test_round_trip(self):
        for version in ("5.0-IM", "5.1-BIMT", "4.0", "0.0"):
            self.assertEqual(str(ProtocolFlags.parse_version(version.encode("ascii"))), version)
