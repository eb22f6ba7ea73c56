# -*- coding: utf-8 -*-
from __future__ import absolute_import, division, print_function

import unittest

from katcp.compat import is_future
from katcp.message import Message
from katcp.resource import (KATCPDummyRequest, KATCPReply, KATCPRequest, KATCPResourceError,
                            KATCPResourceInactive)
from tests.support import mock

DESCRIPTION = {"name": "the-request", "description": "Do it.\nNow.", "timeout_hint": 33.3}


class Request(KATCPRequest):
    """How this one is made."""

    def issue_request(self, *args, **kwargs):
        return args, kwargs


class TestKATCPRequest(unittest.TestCase):

    def test_it_is_abstract(self):
        with self.assertRaises(TypeError):
            KATCPRequest(DESCRIPTION)

    def test_description(self):
        request = Request(DESCRIPTION)
        self.assertEqual(request.name, "the-request")
        self.assertEqual(request.description, "Do it.\nNow.")
        self.assertEqual(request.timeout_hint, 33.3)
        with self.assertRaises(AttributeError):
            request.name = "another"

    def test_description_is_copied(self):
        description = dict(DESCRIPTION, something_else=1)
        request = Request(description)
        description["name"] = "changed"
        self.assertEqual(request.name, "the-request")

    def test_incomplete_description(self):
        description = {}
        for key, value in (("name", "x"), ("description", "x"), ("timeout_hint", None)):
            with self.assertRaises(ValueError) as caught:
                Request(description)
            self.assertEqual(str(caught.exception),
                             "Required request_description key '%s' not present" % key)
            description[key] = value
        self.assertIs(Request(description).timeout_hint, None)

    def test_docstring(self):
        self.assertEqual(Request(DESCRIPTION).__doc__.splitlines(), [
            "KATCP Documentation", "===================", "Do it.", "Now.",
            "KATCPRequest Documentation", "==========================", "How this one is made."])

    def test_docstring_of_a_class_without_one(self):
        class Undocumented(Request):
            pass

        Undocumented.issue_request = Request.issue_request
        self.assertEqual(Undocumented(DESCRIPTION).__doc__.splitlines()[-1],
                         "==========================")

    def test_new_description(self):
        request = Request(DESCRIPTION)
        request.update_description(dict(DESCRIPTION, description="Don't.", timeout_hint=None))
        self.assertEqual(request.description, "Don't.")
        self.assertIs(request.timeout_hint, None)
        self.assertIn("Don't.", request.__doc__.splitlines())

    def test_arguments_and_result_are_passed_on(self):
        request = Request(DESCRIPTION)
        self.assertEqual(request("a", 1, timeout=5), (("a", 1), {"timeout": 5}))

    def test_only_active_requests_are_issued(self):
        active = [True]
        request = Request(DESCRIPTION, is_active=lambda: active[0])
        request.issue_request = mock.Mock()
        self.assertTrue(request.is_active())
        self.assertIs(request(1), request.issue_request.return_value)
        active[0] = False
        self.assertFalse(request.is_active())
        with self.assertRaises(KATCPResourceInactive) as caught:
            request(2)
        self.assertIsInstance(caught.exception, KATCPResourceError)
        self.assertEqual(str(caught.exception),
                         "Can't make ?the-request request; resource is inactive")
        request.issue_request.assert_called_once_with(1)
        active[0] = True
        request(3)
        self.assertEqual(request.issue_request.call_count, 2)

    def test_dummies(self):
        request = KATCPDummyRequest(DESCRIPTION)
        future = request("anything", 5, timeout=3)
        self.assertTrue(is_future(future) and future.done())
        self.assertEqual(str(future.result()), "!fake ok")
        self.assertTrue(future.result().succeeded)
        self.assertEqual(future.result().informs, [])
        with self.assertRaises(KATCPResourceInactive):
            KATCPDummyRequest(DESCRIPTION, lambda: False)()


class TestKATCPReply(unittest.TestCase):

    def setUp(self):
        self.reply = Message.reply("watchdog", "ok", mid=123)
        self.informs = [Message.inform("watchdog", "this is a", "test", mid=123)]

    def test_it_is_a_pair(self):
        result = KATCPReply(self.reply, self.informs)
        reply, informs = result
        self.assertIs(reply, self.reply)
        self.assertIs(informs, self.informs)
        self.assertEqual(result, (self.reply, self.informs))
        self.assertEqual(result.reply, self.reply)
        with self.assertRaises(AttributeError):
            result.something = 1

    def test_messages(self):
        self.assertEqual(KATCPReply(self.reply, self.informs).messages, [self.reply] + self.informs)
        self.assertEqual(KATCPReply(self.reply, tuple(self.informs)).messages,
                         [self.reply] + self.informs)

    def test_truth(self):
        for arguments, succeeded in (
                (["ok"], True), (["ok", "1"], True), (["fail", "ok"], False), (["invalid"], False),
                ([], False)):
            result = KATCPReply(Message.reply("watchdog", *arguments), [])
            self.assertIs(bool(result), succeeded)
            self.assertIs(result.succeeded, succeeded)
        # What a client makes up when it is not connected.
        self.assertFalse(KATCPReply(Message.request("watchdog", "ok"), []))

    def test_str_is_the_wire_form(self):
        self.assertEqual(str(KATCPReply(self.reply, self.informs)),
                         "!watchdog[123] ok\n#watchdog[123] this\\_is\\_a test")

    def test_repr_is_for_humans(self):
        self.assertEqual(repr(KATCPReply(self.reply, self.informs)),
                         "!watchdog ok\n#watchdog this is a test")
        self.assertEqual(repr(KATCPReply(Message.reply("help"), [])), "!help ")

    def test_bytes_that_are_no_text(self):
        result = KATCPReply(Message.reply("help", "ok", b"\xff\x00", u"\xe9"), [])
        for text in (str(result), repr(result)):
            self.assertIs(type(text), str)
            self.assertTrue(text.startswith("!help ok "))
