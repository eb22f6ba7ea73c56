"""Connections that are kept for replies alone."""

from __future__ import absolute_import, division, print_function

import unittest

from katcp.server.deserted import DesertedConnections
from katcp.server.half_closed import HALF_CLOSED_TIMEOUT, HalfClosedConnections
from tests.support import mock


class TestHalfClosedConnections(unittest.TestCase):
    def setUp(self):
        self.connections = HalfClosedConnections()
        self.ioloop, self.stream = mock.Mock(), mock.Mock()
        self.connections.add(self.stream, self.ioloop)

    def test_time_is_up(self):
        (delay, callback, stream), _ = self.ioloop.call_later.call_args
        self.assertEqual(delay, HALF_CLOSED_TIMEOUT)
        callback(stream)
        self.stream.close_after_flush.assert_called_once_with()

    def test_one_that_takes_no_output_stays_until_it_is_closed(self):
        self.connections.end(self.stream)
        self.ioloop.remove_timeout.assert_called_once_with(self.ioloop.call_later.return_value)
        self.assertEqual(list(self.connections), [self.stream])
        self.connections.forget(self.stream)
        self.assertEqual(len(self.connections), 0)

    def test_one_that_takes_no_output_is_deserted(self):
        deserted = DesertedConnections({}, self.connections)
        self.stream.closed.return_value = self.stream.reading.return_value = False
        with mock.patch("katcp.server.deserted.is_closed_by_peer", return_value=True):
            for expected in (False, True):
                deserted.close_deserted()
                self.assertEqual(self.stream.close.called, expected)

    def test_forget_all(self):
        other = mock.Mock()
        self.connections.add(other, self.ioloop)
        self.connections.forget_all()
        self.assertEqual(len(self.connections), 0)
        self.assertEqual(self.ioloop.remove_timeout.call_count, 2)
        self.connections.end(self.stream)
        self.assertEqual(self.ioloop.remove_timeout.call_count, 2)
