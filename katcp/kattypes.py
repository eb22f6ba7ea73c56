"""Typed parameters and replies for request handlers.

The decorators here turn the bytes of a message into the arguments of a handler, and what it
returns into a reply::

    class Device(DeviceServer):
        @request(Float(), Discrete(["az", "el"]), Timestamp(optional=True))
        @return_reply(Float())
        def request_move(self, req, degrees, axis, when):
            "Move an axis at a time, reply with the position it started from."
            return "ok", self.move(axis, degrees, when)

The types themselves are in `katcp.katcp_types` and `katcp.text_types`; this module has them all.

Handlers may be plain functions, tornado coroutines, ``async def`` functions on Python 3, or return
futures. `request` and `return_reply` can be applied in either order.

Whether timestamps are seconds or milliseconds is decided by the option `major` of each decorator,
not by the server that the handler belongs to. A version 4 server has to say ``major=4``;
``functools.partial(request, major=4)`` saves repetition.
"""

from __future__ import absolute_import, division, print_function

# Most of these are here because star imports of katcp 0.9 brought them along.
import inspect  # noqa: F401
import itertools  # noqa: F401
import logging
import numbers  # noqa: F401
import re  # noqa: F401
import struct  # noqa: F401
from functools import partial, update_wrapper, wraps

from tornado import gen  # noqa: F401

from katcp.chaining import transform
from katcp.compat import (ensure_native_str, get_args, is_awaitable, is_bytes,  # noqa: F401
                          is_text, positional_arg_names)
from katcp.errors import FailReply  # noqa: F401
from katcp.handlers import convert_method_name
from katcp.katcp_types import (Address, Bool, Float, Int, KatcpType, Lru,  # noqa: F401
                               StrictTimestamp, Struct, Timestamp, TimestampOrNow)
from katcp.message import Message
from katcp.packing import Packer, Parameter, Unpacker, pack_types, unpack_types  # noqa: F401
from katcp.protocol import (DEFAULT_KATCP_MAJOR, MS_TO_SEC_FAC, SEC_TO_MS_FAC,  # noqa: F401
                            SEC_TS_KATCP_MAJOR)
from katcp.text_types import Discrete, DiscreteMulti, Regex, Str  # noqa: F401
from katcp.waiting import log_future_exceptions

# What a star import of katcp 0.9 gave, and no more: it shall not hide names of the importer's.
__all__ = [
    "Address", "Bool", "DEFAULT_KATCP_MAJOR", "Discrete", "DiscreteMulti", "FailReply", "Float", "Int",
    "KatcpType", "Lru", "MS_TO_SEC_FAC", "Message", "Parameter", "Regex", "SEC_TO_MS_FAC",
    "SEC_TS_KATCP_MAJOR", "Str", "StrictTimestamp", "Struct", "Timestamp", "TimestampOrNow",
    "async_make_reply", "concurrent_reply", "convert_method_name", "ensure_native_str", "gen",
    "get_args", "has_katcp_protocol_flags", "inform", "inspect", "is_bytes", "is_text", "itertools",
    "logger", "logging", "make_reply", "minimum_katcp_version", "numbers", "object", "pack_types",
    "partial", "re", "request", "request_timeout_hint", "return_reply", "send_reply", "struct",
    "unpack_message", "unpack_types", "update_wrapper", "wraps",
]

logger = logging.getLogger(__name__)

object = object

_REQUEST_PREFIX = "request_"
_PLAIN = (tuple, list)


def _check_types(types):
    """Raise TypeError where a decorator got something that will not do as its types."""
    for kattype in types:
        if isinstance(kattype, type) and issubclass(kattype, KatcpType):
            raise TypeError("An instance of the type is needed: {0}() rather than {0}."
                            .format(kattype.__name__))
    if any(kattype._multiple for kattype in types[:-1]):
        raise TypeError("Only the last parameter type can accept multiple arguments.")


# --- requests ------------------------------------------------------------------------------------

def request(*types, **options):
    """Decorator that gives a request handler typed arguments.

    Parameters
    ----------
    *types : KatcpType
        The types of the request's arguments, in order. Only the last one may be `multiple`.
    include_msg : bool
        Whether the handler gets the message as well, before the arguments. Default False.
    has_req : bool
        Whether there is a request connection `req`; not for handlers of informs and replies.
        Default True.
    major : int
        Major version of the protocol, of importance for timestamps. Default 5, whatever version
        the server speaks.

    Returns
    -------
    callable
        The decorator. What it returns is called ``handler(self, req, msg)``, or
        ``handler(self, msg)`` without `has_req`, and calls the decorated handler with `self`, `req`
        and `msg` as far as it wants them, and then with the values of the message's arguments.
        It returns what the handler returns. If an argument is missing, one too many, or not what
        it should be, it raises FailReply and the handler is not called.

    Raises
    ------
    TypeError
        On decoration, if the types or options will not do.

    Examples
    --------
    ::

        @request(Int(), Float(default=1.0), Bool(optional=True))
        @return_reply(Int(), Float())
        def request_foo(self, req, an_int, a_float, a_bool):
            "Do something."
            return "ok", an_int + 1, a_float / 2.0
    """
    include_msg = options.pop("include_msg", False)
    has_req = options.pop("has_req", True)
    major = options.pop("major", DEFAULT_KATCP_MAJOR)
    options.pop("_check_req", None)
    if options:
        raise TypeError("does not take keyword argument(s) %r." % (list(options),))
    _check_types(types)

    def decorator(handler):
        names = getattr(handler, "_orig_argnames", None)
        if names is None:
            names = positional_arg_names(handler)
        unpack = Unpacker(types, names[1 + bool(has_req) + bool(include_msg):], major)
        # One function for each case: a call has to decide nothing.
        if has_req and include_msg:
            def raw_handler(self, req, msg):
                return handler(self, req, msg, *unpack(msg.arguments))
        elif has_req:
            def raw_handler(self, req, msg):
                return handler(self, req, *unpack(msg.arguments))
        elif include_msg:
            def raw_handler(self, msg):
                return handler(self, msg, *unpack(msg.arguments))
        else:
            def raw_handler(self, msg):
                return handler(self, *unpack(msg.arguments))
        update_wrapper(raw_handler, handler)
        raw_handler._request_decorated = True
        return raw_handler

    return decorator


inform = partial(request, has_req=False)
inform.__name__ = "inform"
inform.__doc__ = """Decorator that gives a client's inform handler typed arguments.

    Takes the same parameters as `request`, but decorates ``inform_...`` methods, which have no
    request connection.

    Examples
    --------
    ::

        @inform(Int(), Float())
        def inform_foo(self, an_int, a_float):
            "Take note of something."
    """

unpack_message = partial(request, has_req=False)
unpack_message.__name__ = "unpack_message"
unpack_message.__doc__ = """Decorator that unpacks the message that a function is called with.

    Takes the same parameters as `request`, but decorates methods of any name that are called with
    a message: ``reply_...`` and ``inform_...`` methods of clients, and callbacks.

    Examples
    --------
    ::

        @unpack_message(Str(), Int())
        def reply_foo(self, status, an_int):
            "Take note of a reply."
    """


# --- replies -------------------------------------------------------------------------------------

class _ReplyMaker(object):
    """Makes replies of what handlers return; made once for each decorated handler."""

    _pack_failure = Packer((Str(),), DEFAULT_KATCP_MAJOR)

    def __init__(self, name, types, major):
        self._name = name
        self._pack = Packer(types, major)
        self._needs_no_check = self._pack.gives_bytes and self._is_good(name)

    @staticmethod
    def _is_good(name):
        try:
            Message(Message.REPLY, name)
        except Exception:  # said when the handler is called
            return False
        return True

    def __call__(self, values):
        args = self._arguments(values)
        if self._needs_no_check:
            return Message._trusted(Message.REPLY, self._name, args)
        return Message(Message.REPLY, self._name, args)

    def reply_to(self, msg, values):
        return Message(Message.REPLY, msg.name, self._arguments(values))

    def _arguments(self, values):
        status = values[0]
        if status == "ok":
            args = self._pack(values[1:])
            args.insert(0, Message.OK)
        elif status == "fail":
            args = self._pack_failure(values[1:])
            args.insert(0, Message.FAIL)
        else:
            raise ValueError("First returned value must be 'ok' or 'fail'.")
        return args


def make_reply(msgname, types, arguments, major):
    """Return the reply that a handler's return value stands for.

    Parameters
    ----------
    msgname : str
        Name of the request.
    types : sequence of KatcpType
        Types of the values after ``"ok"``.
    arguments : tuple or list
        ``("ok", value, ...)`` or ``("fail", reason)``.
    major : int
        Major version of the protocol.

    Returns
    -------
    Message
        Without a message id.

    Raises
    ------
    ValueError
        If `arguments` are of neither form, or a value is missing or not allowed.
    """
    return _ReplyMaker(msgname, types, major)(arguments)


def async_make_reply(msgname, types, arguments_future, major):
    """Return the future of the reply that a future handler's return value stands for.

    Parameters
    ----------
    msgname, types, major
        As for `make_reply`.
    arguments_future : future or, on Python 3, anything that can be awaited
        Resolves to the `arguments` of `make_reply`.

    Returns
    -------
    future
        Resolves to the reply, or fails with the exception of `arguments_future` or of
        `make_reply`. It is done already if `arguments_future` is a future that is done.
    """
    return transform(arguments_future, _ReplyMaker(msgname, types, major))


def _pop_major(decorator_name, options):
    major = options.pop("major", DEFAULT_KATCP_MAJOR)
    if options:
        raise TypeError("%s does not take keyword argument(s) %r."
                        % (decorator_name, list(options)))
    return major


def return_reply(*types, **options):
    """Decorator that makes a reply of what a request handler returns.

    Parameters
    ----------
    *types : KatcpType
        The types of the values that the handler returns after ``"ok"``. Only the last one may be
        `multiple`.
    major : int
        Major version of the protocol, of importance for timestamps. Default 5, whatever version
        the server speaks.

    Returns
    -------
    callable
        The decorator. The handler's name has to start with ``request_``; the reply is named after
        it. The handler returns ``("ok", value, ...)`` or ``("fail", reason)``, or something that
        can be awaited (a future, for instance) and gives such a tuple. The decorated handler
        returns the reply as a Message, or a future of it.

    Raises
    ------
    TypeError
        On decoration, if the types or options will not do.
    ValueError
        On decoration, if the function's name is not that of a request handler; on a call, if the
        handler returns something that is no reply.

    Examples
    --------
    ::

        @request(Int())
        @return_reply(Int(), Float())
        def request_foo(self, req, my_int):
            "Do something."
            if my_int < 0:
                return "fail", "must not be negative"
            return "ok", my_int + 1, my_int * 0.5
    """
    major = _pop_major("return_reply", options)
    _check_types(types)

    def decorator(handler):
        if not handler.__name__.startswith(_REQUEST_PREFIX):
            raise ValueError("This decorator can only be used on a katcp request handler (method"
                             " name should start with 'request_'). Its name is %r." % (handler.__name__,))
        reply = _ReplyMaker(convert_method_name(_REQUEST_PREFIX, handler.__name__), types, major)

        @wraps(handler)
        def raw_handler(self, *args):
            values = handler(self, *args)
            # Asking for the type first saves asking, at some cost, whether it can be awaited.
            if type(values) not in _PLAIN and is_awaitable(values):
                return transform(values, reply)
            return reply(values)

        if not getattr(handler, "_request_decorated", False):
            raw_handler._orig_argnames = positional_arg_names(handler)
        return raw_handler

    return decorator


def send_reply(*types, **options):
    """Decorator that sends what a method returns as the reply to an earlier request.

    For methods that complete requests whose handlers have raised AsyncReply.

    Parameters
    ----------
    *types : KatcpType
        The types of the values that the method returns after ``"ok"``. Only the last one may be
        `multiple`.
    major : int
        Major version of the protocol, of importance for timestamps. Default 5, whatever version
        the server speaks.

    Returns
    -------
    callable
        The decorator. The method returns ``(req, "ok", value, ...)`` or ``(req, "fail", reason)``
        with the request connection `req`, or something that can be awaited and gives such a tuple.
        The decorated method passes the reply to ``req.reply_with_message`` and returns None, or a
        future that resolves to None after that.

    Raises
    ------
    TypeError
        On decoration, if the types or options will not do.
    ValueError
        On a call, if the method returns something that is no reply; nothing is sent then.

    Examples
    --------
    ::

        @send_reply(Int(), Float())
        def finish_foo(self, req, my_int):
            return req, "ok", my_int + 1, my_int * 2.0
    """
    major = _pop_major("send_reply", options)
    _check_types(types)

    reply = _ReplyMaker(None, types, major)

    def send(values):
        req = values[0]
        req.reply_with_message(reply.reply_to(req.msg, values[1:]))

    def decorator(handler):
        @wraps(handler)
        def raw_handler(self, *args):
            values = handler(self, *args)
            if type(values) not in _PLAIN and is_awaitable(values):
                sent = transform(values, send)
                # Callbacks are often called by something that takes no interest in futures, and a
                # client is waiting.
                log_future_exceptions(logger, sent)
                return sent
            return send(values)
        return raw_handler

    return decorator


# --- marks ---------------------------------------------------------------------------------------

def concurrent_reply(handler):
    """Decorator for handlers whose future reply need not hold up the client's next messages.

    Without it, the messages of one client are handled strictly one after the other.
    """
    handler._concurrent_reply = True
    return handler


def minimum_katcp_version(major, minor=0):
    """Decorator for handlers that belong to a version of the protocol and later ones.

    Parameters
    ----------
    major, minor : int
        Classes whose ``PROTOCOL_INFO`` has a lower version are without the handler.
    """
    def decorator(handler):
        handler._minimum_katcp_version = (major, minor)
        return handler
    return decorator


def has_katcp_protocol_flags(protocol_flags):
    """Decorator for handlers that belong to optional features of the protocol.

    Parameters
    ----------
    protocol_flags : iterable of bytes
        Classes whose ``PROTOCOL_INFO`` lacks one of these flags are without the handler.
    """
    def decorator(handler):
        handler._has_katcp_protocol_flags = protocol_flags
        return handler
    return decorator


def request_timeout_hint(timeout_hint):
    """Decorator that tells clients how long a request may take.

    Parameters
    ----------
    timeout_hint : float or None
        Seconds that a client should wait for the reply; None for no hint. ``?request-timeout-hint``
        passes it on.
    """
    if timeout_hint is not None:
        timeout_hint = float(timeout_hint)

    def decorator(handler):
        handler.request_timeout_hint = timeout_hint
        return handler
    return decorator
