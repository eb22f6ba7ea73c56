"""That each program of the benchmarks does what is asked of it, in miniature."""

import contextlib
import io
import json
import os
import tempfile
import unittest

from bench import __main__ as bench_main
from bench import clients, plot, report
from bench.contest import AIOKATCP, FLOOR, KATCP09, OURS, THREADS, Figure, Settings, take_turns
from bench.processes import Listening, Program, ProgramFailed


class TestFigure(unittest.TestCase):
    def test_median_and_ratio(self):
        figure = Figure("a", "", "us", {OURS: [3.0, 1.0, 2.0], AIOKATCP: [8.0]})
        self.assertEqual(figure.median(OURS), 2.0)
        self.assertEqual(figure.ratio(OURS, AIOKATCP), 4.0)
        self.assertIsNone(figure.median(KATCP09))
        self.assertIsNone(figure.ratio(OURS, KATCP09))

    def test_verdicts(self):
        figures = [Figure("server.pipelined", "1 client", "us", {OURS: [1.0], AIOKATCP: [3.5]}),
                   Figure("server.pipelined", "10 clients", "us", {OURS: [1.0], AIOKATCP: [2.5]}),
                   Figure("unheard-of", "", "us", {OURS: [1.0], AIOKATCP: [2.5]})]
        lines = report.verdicts(figures)
        self.assertEqual([line.split()[0] for line in lines], ["ok", "LESS"])

    def test_what_is_drawn(self):
        figures = [Figure("server.pipelined", "1 client", "us",
                          {OURS: [1.0], THREADS: [2.0], KATCP09: [8.0]}),
                   Figure("client.in-flight", "", "us", {OURS: [1.0], AIOKATCP: [2.5]}),
                   Figure("codec", "4 arguments", "us", {OURS: [1.0]})]
        self.assertEqual(plot.bars(figures), [("server.pipelined (1 client)", None, 8.0),
                                              ("server.pipelined (1 client, threads)", None, 4.0),
                                              ("client.in-flight", 2.5, None)])


class TestTurns(unittest.TestCase):
    def test_turns_alternate_and_the_first_does_not_count(self):
        calls = []

        def run(label, contestant):
            calls.append(label)
            return float(len(calls))

        results = take_turns({"a": None, "b": None}, 2, run)
        self.assertEqual(calls, ["a", "b"] * 3)
        self.assertEqual(results, {"a": [3.0, 5.0], "b": [4.0, 6.0]})

    def test_metrics(self):
        results = take_turns({"a": None}, 1, lambda label, contestant: {"x": 1.0, "y": None})
        self.assertEqual(results, {"x": {"a": [1.0]}})

    def test_who_fails_is_out(self):
        def run(label, contestant):
            if label == "b":
                raise ProgramFailed("broken")
            return 1.0

        with contextlib.redirect_stdout(io.StringIO()) as output:
            results = take_turns({"a": None, "b": None}, 2, run)
        self.assertEqual(results, {"a": [1.0, 1.0]})
        self.assertEqual(output.getvalue(), "b is out: broken\n")

    def test_when_all_are_out(self):
        def run(label, contestant):
            raise EOFError("gone")

        with contextlib.redirect_stdout(io.StringIO()), self.assertRaises(ProgramFailed):
            take_turns({"a": None}, 2, run)


class TestEndedProgram(unittest.TestCase):
    def test_a_program_that_has_ended_is_reported_and_closed_in_peace(self):
        with Program("sensor_katcp.py") as program:
            program._process.kill()
            program._process.wait()
            with self.assertRaises(ProgramFailed):
                program.ask("set_value", count=1, observers=0)
            with self.assertRaises(ProgramFailed):
                program.ask("set_value", count=1, observers=0)


class TestServersUnderLoad(unittest.TestCase):
    def load(self, *device):
        with Listening(*device) as server, Program("load.py") as load:
            setup = [] if "floor" in device[0] else ["?sensor-sampling sensor.%05d event" % i
                                                     for i in range(3)]
            load.ask("open", name="x", port=server.port, size=2, setup=setup)
            for how, what in [
                    ("exchange", dict(request="?add[1] 1 2", count=3, lines=1)),
                    ("exchange", dict(request="?sensor-list[1]", count=2, lines=4)),
                    ("pipeline", dict(request="?add[%d] 1 2", count=5, lines=1)),
                    ("broadcast", dict(request="?update-all[1]", count=3, lines=3))]:
                self.assertGreater(load.ask("run", name="x", how=how, **what)["seconds"], 0, how)
            load.ask("close", name="x")
            load.ask("open", name="alone", port=server.port, size=1)
            load.ask("run", name="alone", how="exchange", request="?add[1] 1 2", count=3, lines=1)
            if "floor" not in device[0]:
                # Each is announced to those before it, perhaps to itself, and to one that was there already.
                informs = load.ask("rush", port=server.port, size=5, window=2)["informs"]
                self.assertIn(informs, range(10, 16))
            load.ask("close", name="alone")

    def test_async(self):
        self.load("device_katcp.py", "async", 3)

    def test_threads(self):
        self.load("device_katcp.py", "threads", 3)

    def test_floor(self):
        self.load("device_floor.py", 3)

    def test_a_failure_is_told_and_the_program_goes_on(self):
        with Program("load.py") as load:
            with self.assertRaises(ProgramFailed):
                load.ask("close", name="nobody")
            with self.assertRaises(ProgramFailed):
                load.ask("close", name="nobody")


class TestClients(unittest.TestCase):
    def drive(self, *client, window=None):
        with Listening("raw_server.py", 3) as server, Program(*(client + (server.port,))) as program:
            self.assertGreater(program.ask("one_at_a_time", count=3)["seconds"], 0)
            if window:
                self.assertGreater(program.ask("in_flight", count=6, window=window)["seconds"], 0)

    def test_async(self):
        self.drive("client_katcp.py", "async", window=2)

    def test_blocking(self):
        self.drive("client_katcp.py", "blocking")

    def test_floor(self):
        self.drive("client_floor.py", window=2)

    def test_resource(self):
        with Listening("raw_server.py", 3) as server, Program("resource_katcp.py", server.port) as program:
            answer = program.ask("sync", sensors=3)
            self.assertEqual(sorted(answer), ["both", "strategies", "sync"])
            self.assertGreater(program.ask("updates", count=12)["seconds"], 0)
            program.ask("drop")

    def test_sensor(self):
        with Program("sensor_katcp.py") as program:
            self.assertGreater(program.ask("set_value", count=10, observers=2)["seconds"], 0)


class TestCommand(unittest.TestCase):
    def test_steps_of_clients(self):
        names = [name for name, seconds in clients.steps(count=200, rounds=2) if seconds > 0]
        self.assertEqual(names, ["messages", "waiting for a future", "two threads' wake-ups"])

    def test_profile_of_clients(self):
        with contextlib.redirect_stdout(io.StringIO()) as output:
            clients.profile(count=200, lines=10)
        self.assertIn("function calls", output.getvalue())

    def run_bench(self, *argv):
        with contextlib.redirect_stdout(io.StringIO()) as output:
            status = bench_main.main(argv)
        return status, output.getvalue()

    def test_table_and_file(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "sub", "figures.json")
            # No peers: which are there depends on the machine.
            status, output = self.run_bench("sensor", "--quick", "--rounds", "1", "--only", FLOOR,
                                            "--json", path)
            self.assertEqual(status, 0)
            with open(path) as written:
                figures = json.load(written)["figures"]
        self.assertEqual([figure["sizes"] for figure in figures],
                         ["0 observers", "1 observers", "10 observers"])
        self.assertEqual(output.count("sensor.set-value"), 3)
        self.assertIn(OURS, figures[0]["samples"])

    def test_unknown_name(self):
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(self.run_bench("no-such")[0], 2)

    def test_who_takes_part(self):
        settings = Settings(peer_python=None, only=[FLOOR])
        self.assertTrue(settings.takes_part(OURS) and settings.takes_part(THREADS)
                        and settings.takes_part(FLOOR))
        self.assertFalse(settings.takes_part(AIOKATCP) or settings.takes_part(KATCP09))


if __name__ == "__main__":
    unittest.main()
