"""Tools shared by the tests."""

try:
    from unittest import mock  # noqa: F401
except ImportError:  # Python 2
    import mock  # noqa: F401
