"""The example notebook, run cell by cell in a kernel of its own."""

import asyncio
import os
import unittest

import nbformat
from nbclient import NotebookClient

from tests.support.programs import TOP, environment

EXAMPLES = os.path.join(TOP, "examples")


def result_of(cell):
    """Return what a cell shows as its value, a str."""
    return [output.data["text/plain"] for output in cell.outputs if output.output_type == "execute_result"][0]


def printed_by(cell):
    """Return what a cell prints, a str."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


class TestNotebook(unittest.TestCase):
    def test_notebook(self):
        notebook = nbformat.read(os.path.join(EXAMPLES, "notebook.ipynb"), as_version=4)
        nbformat.validate(notebook)
        self.assertEqual([cell.id for cell in notebook.cells if cell.get("outputs")], [], "saved with output")
        client = NotebookClient(notebook, timeout=60, kernel_name="python3",
                                resources={"metadata": {"path": EXAMPLES}})
        # Raises what a cell raises.
        asyncio.run(client.async_execute(env=environment()))
        cells = {cell.id: cell for cell in notebook.cells}
        self.assertEqual(result_of(cells["resource"]), "['rain', 'wind_speed']")
        self.assertRegex(printed_by(cells["request"]), r"^!set-rain-gauge\[\d+\] ok 4.5\n$")
        self.assertEqual(result_of(cells["request"]), "True")
        self.assertEqual(result_of(cells["reading"]), "(4.5, 'nominal')")
        self.assertEqual(result_of(cells["wait"]), "(True, 'warn')")
        self.assertEqual(result_of(cells["stop"]), "'disconnected'")
