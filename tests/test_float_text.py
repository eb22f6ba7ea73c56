from __future__ import absolute_import, division, print_function

import os
import random
import struct
import subprocess
import sys
import types
import unittest

from katcp.arguments import format_arguments
from katcp.compat import float_text
from katcp.katcp_types import Float
from tests.support import mock

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class TestFloatText(unittest.TestCase):
    """The same digits as `repr`, whether or not msgspec writes them."""

    AWKWARD = [0.0, 1.0, 0.1, 1 / 3, 1e-4, 9.999e-5, 3.1622776e-4, 3.1622777e-4, 1e-5, 5e-324, 123456789.1,
               1e15, 3.162e15, 3.163e15, 9007199254740993.0, 9999999999999998.0, 1e16, 1e17, 1e22, 1e100,
               1e200, 1.7976931348623157e308, float("inf"), float("nan")]

    def numbers(self):
        """Yield floats of many magnitudes, with few and with many digits."""
        rng = random.Random(1)
        for value in self.AWKWARD:
            yield value
            yield -value
        for _ in range(3000):
            yield rng.uniform(-1, 1)
            yield rng.uniform(-1, 1) * 10.0 ** rng.randint(-6, 18)
            yield round(rng.uniform(-1000, 1000), rng.randint(0, 6))
            yield float(rng.getrandbits(rng.randint(1, 60)))
            yield struct.unpack("<d", struct.pack("<Q", rng.getrandbits(64)))[0]

    def test_digits_are_those_of_repr(self):
        for number in self.numbers():
            expected = repr(number).encode("ascii")
            for encoded in (float_text.encode_float(number), format_arguments([number])[0],
                            Float().pack(number)):
                self.assertEqual(encoded, expected)
                self.assertIs(type(encoded), bytes)

    def test_without_extensions(self):
        program = ("from katcp.arguments import format_arguments; from katcp.compat import float_text\n"
                   "assert float_text.plain_decimal is None\n"
                   "for number in (0.1, 2.0, -3.5, 0.0, 1e16, float('inf')):\n"
                   "    assert format_arguments([number]) == [repr(number).encode('ascii')]\n"
                   "    assert float_text.encode_float(number) == repr(number).encode('ascii')\n"
                   "print('done')")
        environment = dict(os.environ, KATCP_NO_EXTENSIONS="1")
        output = subprocess.check_output([sys.executable, "-c", program], env=environment, cwd=CHECKOUT)
        self.assertEqual(output.strip(), b"done")

    def find(self, encode):
        """Return what is found if msgspec's function is `encode`, None if there is no msgspec."""
        modules = dict.fromkeys(["msgspec", "msgspec.json"])  # None: cannot be imported
        if encode is not None:
            json = types.ModuleType("msgspec.json")
            json.encode = encode
            package = types.ModuleType("msgspec")
            package.json = json
            modules = {"msgspec": package, "msgspec.json": json}
        with mock.patch.dict(sys.modules, modules), mock.patch.dict(os.environ):
            os.environ.pop("KATCP_NO_EXTENSIONS", None)
            return float_text._plain_decimal_of_msgspec()

    def test_msgspec_is_used_if_it_writes_floats_as_repr_does(self):
        def as_repr(value):
            return repr(value).encode("ascii")

        self.assertIs(self.find(as_repr), as_repr)
        self.assertIsNone(self.find(None))
        self.assertIsNone(self.find(lambda value: as_repr(value).replace(b".0", b"")))
        self.assertIsNone(self.find(lambda value: ("%.15g" % value).encode("ascii")))


if __name__ == "__main__":
    unittest.main()
