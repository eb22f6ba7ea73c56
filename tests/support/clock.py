"""The clock moved by hand, where the tests of the library look for it."""

from katcp.testutils.clock import (  # noqa: F401
    HandClock, TimewarpAsyncTestCase, TimewarpAsyncTestCaseTimeAdvancer)
