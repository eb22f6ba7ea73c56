"""The statements, their tests, and the page of departures agree."""

from __future__ import absolute_import, division, print_function

import importlib
import io
import os
import re
import unittest

from tests.conformance.statements import BY_KEY, CONFORMS, DEPARTS, DEVICE, STATEMENTS, keys

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, os.pardir, os.pardir, "docs", "conformance.rst")


def covered_keys():
    """Return the keys that the tests of this package name, with the number of tests of each."""
    result = {}
    for filename in sorted(os.listdir(HERE)):
        name, extension = os.path.splitext(filename)
        if extension != ".py" or not name.startswith("test_") or name == "test_page":
            continue
        module = importlib.import_module("tests.conformance." + name)
        for case in vars(module).values():
            if isinstance(case, type) and issubclass(case, unittest.TestCase):
                for method in unittest.TestLoader().getTestCaseNames(case):
                    for key in getattr(getattr(case, method), "statements", ()):
                        result[key] = result.get(key, 0) + 1
    return result


def page():
    with io.open(PAGE, encoding="utf-8") as stream:
        return stream.read()


class TestStatements(unittest.TestCase):
    def test_keys(self):
        self.assertEqual(len(BY_KEY), len(STATEMENTS))
        for statement in STATEMENTS:
            self.assertTrue(re.match(r"[0-9A-B.]+-[a-z0-9-]+\Z", statement.key), statement.key)
            self.assertIn(statement.verdict, (CONFORMS, DEPARTS, DEVICE))
            self.assertTrue(statement.text.endswith("."), statement.key)

    def test_each_statement_has_a_test(self):
        # Except those that speak to those who make devices.
        self.assertEqual(set(covered_keys()), keys(CONFORMS, DEPARTS))


class TestPage(unittest.TestCase):
    def test_each_departure_has_a_row(self):
        rows = re.findall(r"(?m)^   \* - ``([^`]+)``$", page())
        departures = [statement.key for statement in STATEMENTS if statement.verdict == DEPARTS]
        self.assertEqual(rows, departures)

    def test_each_row_has_all_columns(self):
        for row in re.split(r"(?m)^   \* - ``", page())[1:]:
            row = re.split(r"\n\S", row)[0]
            self.assertTrue(re.match(r".*\n\n       \S", row), row)
            self.assertEqual(len(re.findall(r"(?m)^     - \S", row)), 2, row)

    def test_numbers(self):
        numbers = [int(number) for number in re.search(
            r"(\d+) statements.*?(\d+) speak to those.*?(\d+) of the\s+others.*?(\d+) departures",
            page(), re.DOTALL).groups()]
        self.assertEqual(numbers, [len(STATEMENTS)] + [len(keys(verdict))
                                                       for verdict in (DEVICE, CONFORMS, DEPARTS)])
