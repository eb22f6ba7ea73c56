"""Benchmarks: this library next to others, in one run; see ``docs/benchmarks.rst``."""
