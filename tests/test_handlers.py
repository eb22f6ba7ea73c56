from __future__ import absolute_import, division, print_function

import os
import subprocess
import sys
import unittest

from katcp.compat import with_metaclass
from katcp.handlers import (DeviceMetaclass, DeviceServerMetaclass, convert_method_name,
                            steal_docstring_from)
from katcp.protocol import ProtocolFlags


class Base(with_metaclass(DeviceMetaclass, object)):
    def request_foo(self, msg):
        """Foo."""

    def request_foo_bar(self, msg):
        """Foo bar."""

    def inform_log(self, msg):
        """Log."""

    def reply_watch_dog(self, msg):
        ""

    def reply_inform(self, msg):
        pass

    def requested(self):
        pass


class TestDeviceMetaclass(unittest.TestCase):
    def test_tables(self):
        self.assertEqual(sorted(Base._request_handlers), ["foo", "foo-bar"])
        self.assertEqual(list(Base._inform_handlers), ["log"])
        self.assertEqual(list(Base._reply_handlers), ["watch-dog"])
        self.assertEqual(Base._request_handlers["foo-bar"], Base.request_foo_bar)
        self.assertEqual(Base._inform_handlers["log"], Base.inform_log)
        for name in Base._request_handlers:
            self.assertIs(type(name), str)

    def test_handlers_take_self(self):
        class Device(with_metaclass(DeviceMetaclass, object)):
            def request_who(self, msg):
                """Who."""
                return self, msg

        device = Device()
        self.assertEqual(Device._request_handlers["who"](device, 1), (device, 1))

    def test_inheritance(self):
        class Derived(Base):
            def request_foo(self, msg):
                """Another foo."""

            def request_new(self, msg):
                """New."""

            request_foo_bar = None
            inform_log = 1

        self.assertEqual(sorted(Derived._request_handlers), ["foo", "new"])
        self.assertEqual(Derived._request_handlers["foo"], Derived.request_foo)
        self.assertEqual(Derived._inform_handlers, {})
        self.assertEqual(list(Derived._reply_handlers), ["watch-dog"])
        self.assertEqual(sorted(Base._request_handlers), ["foo", "foo-bar"])

    def test_tables_are_new_for_each_class(self):
        class Derived(Base):
            pass

        Derived._request_handlers["x"] = None
        self.assertNotIn("x", Base._request_handlers)

    def test_tables_can_be_edited_through_an_instance(self):
        class Derived(Base):
            pass

        device = Derived()
        device._request_handlers["sparkling-new"] = device.request_foo
        self.assertIn("sparkling-new", Derived._request_handlers)
        self.assertIn("sparkling-new", Derived()._request_handlers)

    def test_mixins(self):
        class Mixin(object):
            def request_mixed_in(self, msg):
                """Mixed in."""

        class Derived(Mixin, Base):
            pass

        self.assertEqual(sorted(Derived._request_handlers), ["foo", "foo-bar", "mixed-in"])

    def test_missing_docstrings(self):
        def handler(self, msg):
            pass

        for attribute, text in (("request_foo_bar", "Request 'foo-bar' has no docstring."),
                                ("inform_foo", "Inform 'foo' has no docstring."),
                                ("reply_foo", "Reply 'foo' has no docstring.")):
            for metaclass in (DeviceMetaclass, DeviceServerMetaclass):
                with self.assertRaises(AssertionError) as caught:
                    metaclass("Device", (object,),
                              {attribute: handler, "PROTOCOL_INFO": ProtocolFlags(5, 0, "")})
                self.assertEqual(str(caught.exception), text)

    def test_check_protocol_can_be_overridden(self):
        class Picky(with_metaclass(DeviceMetaclass, object)):
            @classmethod
            def check_protocol(cls, handler):
                return handler.__name__.endswith("good")

            def request_good(self, msg):
                """Good."""

            def request_bad(self, msg):
                pass

            def inform_bad(self, msg):
                """Bad."""

        self.assertEqual(list(Picky._request_handlers), ["good"])
        self.assertEqual(Picky._inform_handlers, {})
        self.assertIs(DeviceMetaclass.check_protocol(Base, None), True)

    def test_other_attributes_are_not_evaluated(self):
        class Trap(object):
            def __get__(self, instance, owner):
                raise RuntimeError("evaluated")

        DeviceMetaclass("Device", (object,), {"something": Trap(), "request": Trap()})

    def test_attributes_that_come_and_go(self):
        class Absent(object):
            def __get__(self, instance, owner):
                raise AttributeError("not here")

        device = DeviceMetaclass("Device", (object,), {"request_foo": Absent()})
        self.assertEqual(device._request_handlers, {})


class TestDeviceServerMetaclass(unittest.TestCase):
    HANDLERS = {
        "plain": {},
        "min-5-1": {"_minimum_katcp_version": (5, 1)},
        "min-5-0": {"_minimum_katcp_version": (5, 0)},
        "flags-m-i": {"_has_katcp_protocol_flags": [b"M", b"I"]},
        "flag-m": {"_has_katcp_protocol_flags": [b"M"]},
        "both": {"_minimum_katcp_version": (5, 1), "_has_katcp_protocol_flags": [b"M"]},
        "no-flags": {"_has_katcp_protocol_flags": []},
    }

    def make_base(self, protocol_info):
        attributes = {"PROTOCOL_INFO": protocol_info}
        for name, markers in self.HANDLERS.items():
            def handler(self, req, msg):
                """Some docstring."""
            for marker, value in markers.items():
                setattr(handler, marker, value)
            attributes["request_" + name.replace("-", "_")] = handler
        return DeviceServerMetaclass("Device", (object,), attributes)

    MATRIX = [
        (ProtocolFlags(5, 1, "MIT"),
         {"plain", "min-5-1", "min-5-0", "flags-m-i", "flag-m", "both", "no-flags"}),
        (ProtocolFlags(5, 1, ""), {"plain", "min-5-1", "min-5-0", "no-flags"}),
        (ProtocolFlags(5, 1, "M"), {"plain", "min-5-1", "min-5-0", "flag-m", "both", "no-flags"}),
        (ProtocolFlags(5, 0, "MI"), {"plain", "min-5-0", "flags-m-i", "flag-m", "no-flags"}),
        (ProtocolFlags(4, 0, "M"), {"plain", "flag-m", "no-flags"}),
    ]

    def test_matrix(self):
        for protocol_info, expected in self.MATRIX:
            self.assertEqual(set(self.make_base(protocol_info)._request_handlers), expected)

    def test_subclass_with_another_protocol(self):
        for base_info, _ in self.MATRIX:
            base = self.make_base(base_info)
            for protocol_info, expected in self.MATRIX:
                derived = DeviceServerMetaclass("Derived", (base,), {"PROTOCOL_INFO": protocol_info})
                self.assertEqual(set(derived._request_handlers), expected)

    def test_protocol_info_is_needed(self):
        with self.assertRaises(AttributeError):
            class Device(with_metaclass(DeviceServerMetaclass, object)):
                def request_foo(self, req, msg):
                    """Foo."""

    def test_excluded_handlers_need_no_docstring(self):
        def handler(self, req, msg):
            pass

        handler._minimum_katcp_version = (6, 0)
        device = DeviceServerMetaclass("Device", (object,), {"request_foo": handler,
                                                             "PROTOCOL_INFO": ProtocolFlags(5, 1, "")})
        self.assertEqual(device._request_handlers, {})


class TestConvertMethodName(unittest.TestCase):
    def test_names(self):
        self.assertEqual(convert_method_name("request_", "request_sensor_list"), "sensor-list")
        self.assertEqual(convert_method_name("inform_", "inform_log"), "log")
        self.assertEqual(convert_method_name("xyz", "reply_a"), "ly-a")


class TestStealDocstring(unittest.TestCase):
    def test_alone(self):
        def function():
            pass

        self.assertIs(steal_docstring_from(Base.request_foo)(function), function)
        self.assertEqual(function.__doc__, "Foo.")

    def test_with_own_docstring(self):
        @steal_docstring_from(Base.request_foo)
        def function():
            """More."""

        self.assertEqual(function.__doc__, "Foo.\n\nMore.")

    def test_nothing_to_steal(self):
        def victim():
            pass

        with self.assertRaises(TypeError):
            @steal_docstring_from(victim)
            def function():
                """More."""


class TestOptimisation(unittest.TestCase):
    """With -O there are no assert statements, with -OO there are no docstrings."""

    PROGRAM = """if True:
        from katcp.handlers import DeviceMetaclass, steal_docstring_from

        def undocumented(self, msg):
            pass

        def function():
            "More."

        try:
            steal_docstring_from(undocumented)(function)
            print("stolen", function.__doc__)
        except TypeError:
            print("nothing to steal")
        try:
            print("accepted", sorted(DeviceMetaclass("Device", (object,), {"request_foo": undocumented})
                                     ._request_handlers))
        except AssertionError as error:
            print(error)
        """

    def run_program(self, *options):
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        program = "from __future__ import print_function\n" + self.PROGRAM
        output = subprocess.check_output([sys.executable] + list(options) + ["-c", program], cwd=root)
        return output.decode("ascii").split("\n")[:-1]

    def test_o(self):
        self.assertEqual([line.strip() for line in self.run_program("-O")],
                         ["nothing to steal", "Request 'foo' has no docstring."])

    def test_oo(self):
        self.assertEqual([line.strip() for line in self.run_program("-OO")],
                         ["stolen None", "accepted ['foo']"])
