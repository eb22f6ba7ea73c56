"""The library against the specification, statement by statement; see ``docs/conformance.rst``."""
