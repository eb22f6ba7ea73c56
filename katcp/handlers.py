"""How the methods of a device class become handlers of messages.

A method ``request_sensor_list`` handles ``?sensor-list``, ``inform_...`` and ``reply_...``
likewise.  The tables from message names to handlers are made once, when the class is defined.
"""

from __future__ import absolute_import, division, print_function

# An API method of the server that merely looks like a handler.
_NOT_A_HANDLER = "reply_inform"

# Another object after each change of an attribute of any class with handlers.
latest_change = object()


def _docstrings_are_kept():
    """Whether Python keeps docstrings (with ``-OO`` there are none anywhere)."""
    return _docstrings_are_kept.__doc__ is not None


def _note_change():
    global latest_change
    latest_change = object()


def convert_method_name(prefix, name):
    """Return the message name that a handler method stands for.

    Parameters
    ----------
    prefix : str
        The prefix to drop (``"request_"``); it is not checked.
    name : str
        Name of the method.

    Returns
    -------
    str
        ``convert_method_name("request_", "request_sensor_list")`` is ``"sensor-list"``.
    """
    return name[len(prefix):].replace("_", "-")


class DeviceMetaclass(type):
    """Metaclass that collects the message handlers of a class.

    It sets ``_request_handlers``, ``_inform_handlers`` and ``_reply_handlers`` on the class: new
    dicts from message name (native str) to handler, for all callable attributes, inherited ones
    included, whose names start with ``request_``, ``inform_`` and ``reply_``. A subclass drops an
    inherited handler by setting its name to something that cannot be called.

    Raises
    ------
    AssertionError
        On class definition, if a handler has no docstring: docstrings are what ``?help`` sends.
    """

    def __init__(mcs, name, bases, dct):
        super(DeviceMetaclass, mcs).__init__(name, bases, dct)
        mcs._request_handlers = {}
        mcs._inform_handlers = {}
        mcs._reply_handlers = {}
        tables = (("request_", "Request", mcs._request_handlers),
                  ("inform_", "Inform", mcs._inform_handlers),
                  ("reply_", "Reply", mcs._reply_handlers))
        for attribute in dir(mcs):
            if not attribute.startswith(("request_", "inform_", "reply_")):
                continue
            if attribute == _NOT_A_HANDLER:
                continue
            handler = getattr(mcs, attribute, None)
            if not callable(handler) or not mcs.check_protocol(handler):
                continue
            for prefix, kind, handlers in tables:
                if attribute.startswith(prefix):
                    message_name = convert_method_name(prefix, attribute)
                    if handler.__doc__ is None and _docstrings_are_kept():
                        # No assert statement, which -O would drop.
                        raise AssertionError("%s %r has no docstring." % (kind, message_name))
                    handlers[message_name] = handler

    def __setattr__(mcs, name, value):
        super(DeviceMetaclass, mcs).__setattr__(name, value)
        _note_change()

    def __delattr__(mcs, name):
        super(DeviceMetaclass, mcs).__delattr__(name)
        _note_change()

    def check_protocol(mcs, handler):
        """Return whether `handler` belongs to the protocol that the class speaks.

        Classes may override it with a classmethod of that name. Here: always True.
        """
        return True


class DeviceServerMetaclass(DeviceMetaclass):
    """Metaclass of servers: keeps only the handlers that suit the class' ``PROTOCOL_INFO``.

    The decorators :func:`katcp.kattypes.minimum_katcp_version` and
    :func:`katcp.kattypes.has_katcp_protocol_flags` mark handlers with what they need.
    """

    def check_protocol(mcs, handler):
        """Return whether ``PROTOCOL_INFO`` has the version and all the flags `handler` needs."""
        protocol_info = mcs.PROTOCOL_INFO
        version = (protocol_info.major, protocol_info.minor)
        if version < getattr(handler, "_minimum_katcp_version", version):
            return False
        return protocol_info.flags.issuperset(getattr(handler, "_has_katcp_protocol_flags", ()))


def steal_docstring_from(obj):
    """Return a decorator that gives a function the docstring of `obj`.

    Parameters
    ----------
    obj : object
        Whose docstring to take. The function's own docstring, if any, is put after it.

    Raises
    ------
    TypeError
        If `obj` has no docstring (unless Python was told to strip all docstrings).
    """
    def decorator(function):
        if obj.__doc__ is None and not _docstrings_are_kept():
            return function
        if obj.__doc__ is None:
            raise TypeError("%r has no docstring to take over" % (obj,))
        if function.__doc__:
            function.__doc__ = obj.__doc__ + "\n\n" + function.__doc__
        else:
            function.__doc__ = obj.__doc__
        return function
    return decorator
