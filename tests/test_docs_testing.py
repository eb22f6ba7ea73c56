"""The page about testing shows nothing but what is run here."""

from __future__ import absolute_import, division, print_function

import os
import re
import unittest

from tests.support.programs import TOP, Program

PAGE = os.path.join(TOP, "docs", "testing.rst")
EXAMPLES = os.path.join("examples", "testing")

# What runs each file of tests, and how many tests there are in it.
RUNNERS = {
    "test_weather_station.py": (["-m", "unittest"], 8),
    "test_wind_guard.py": (["-m", "unittest"], 3),
    "test_with_pytest.py": (
        ["-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", "."], 2),
}


class TestExamples(unittest.TestCase):
    def execute(self, name):
        command, number = RUNNERS[name]
        argument = name if "pytest" in command else name[:-len(".py")]
        program = Program(*(command + [argument]), cwd=os.path.join(TOP, EXAMPLES),
                          path=[os.path.join(TOP, "examples")])
        self.addCleanup(program.kill)
        status, out, err = program.finish()
        self.assertEqual(status, 0, out + err)
        ran = re.search(r"Ran (\d+) tests|(\d+) passed", out + err)
        self.assertEqual(int(ran.group(1) or ran.group(2)), number, out + err)

    def test_device(self):
        self.execute("test_weather_station.py")

    def test_program(self):
        self.execute("test_wind_guard.py")

    def test_pytest(self):
        self.execute("test_with_pytest.py")


class TestPage(unittest.TestCase):
    def test_shows_what_is_run(self):
        with open(PAGE) as page:
            text = page.read()
        shown = re.findall(r"literalinclude:: (\S+)", text)
        paths = [os.path.relpath(os.path.join(TOP, "docs", path), os.path.join(TOP, EXAMPLES))
                 for path in shown]
        self.assertEqual(sorted(paths), sorted(list(RUNNERS) + ["wind_guard.py"]))
        self.assertNotIn("code-block", text)
        self.assertNotIn("::\n\n    ", text)

    def test_nothing_is_left_out(self):
        names = os.listdir(os.path.join(TOP, EXAMPLES))
        self.assertEqual(sorted(name for name in names if name.startswith("test_")), sorted(RUNNERS))
