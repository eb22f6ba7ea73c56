"""Objects that stand for other objects.

A *proxy* hands everything on to its subject: attributes, operators, built-in functions.  A *wrapper*
is a proxy whose class may add to or replace what the subject has.

=================================== =========================================================
class                               subject
=================================== =========================================================
`ObjectProxy`, `ObjectWrapper`      a given object
`CallbackProxy`, `CallbackWrapper`  what a function returns, called for each access
`LazyProxy`, `LazyWrapper`          what a function returns, called for the first access
=================================== =========================================================

Examples
--------
>>> class Loud(ObjectWrapper):
...     def speak(self):
...         return self.__subject__.speak().upper()
"""

from __future__ import absolute_import, division, print_function

import copy
import math
import operator

from katcp import compat


def _unary(function):
    def method(self):
        return function(self.__subject__)
    return method


def _binary(function):
    def method(self, arg):
        return function(self.__subject__, arg)
    return method


def _comparison(function):
    def method(self, ob):
        return function(self.__subject__, ob)
    return method


def _reflected(function):
    def method(self, arg):
        return function(arg, self.__subject__)
    return method


def _in_place(function):
    def method(self, arg):
        place = type(self).__subject__
        if isinstance(place, property) and place.fset is None:
            # Before anything is computed, which might change the subject.
            raise AttributeError("can't set attribute '__subject__'")
        self.__subject__ = function(self.__subject__, arg)
        return self
    return method


_UNARY = {
    "__repr__": repr, "__str__": str, "__hash__": hash, "__bytes__": bytes, "__dir__": dir,
    "__len__": len, "__iter__": iter, "__reversed__": reversed,
    "__bool__": bool, "__nonzero__": bool, "__abs__": abs, "__neg__": operator.neg,
    "__pos__": operator.pos, "__invert__": operator.invert,
    "__int__": int, "__float__": float, "__complex__": complex, "__index__": operator.index,
    "__trunc__": math.trunc, "__floor__": math.floor, "__ceil__": math.ceil,
    "__copy__": copy.copy,
}
_UNARY.update(compat.EXTRA_UNARY_METHODS)
_BINARY = {
    "__getitem__": operator.getitem, "__delitem__": operator.delitem,
    "__contains__": operator.contains, "__format__": format, "__deepcopy__": copy.deepcopy,
}
_BINARY.update(compat.EXTRA_BINARY_METHODS)
_COMPARISONS = ("lt", "le", "eq", "ne", "gt", "ge")
# {special name: name of the function in `operator`}; "/" is true division everywhere.
_ARITHMETIC = dict((name, name) for name in (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "lshift", "rshift", "matmul"))
_ARITHMETIC.update({"and": "and_", "or": "or_", "xor": "xor", "div": "truediv"})


def _special_methods():
    """Return the dictionary of the special methods that apply to the subject."""
    methods = {}
    for name, function in _UNARY.items():
        methods[name] = _unary(function)
    for name, function in _BINARY.items():
        methods[name] = _binary(function)
    for name in _COMPARISONS:
        methods["__{0}__".format(name)] = _comparison(getattr(operator, name))
    for name, function_name in _ARITHMETIC.items():
        function = getattr(operator, function_name, None)
        if function is None:  # matrix multiplication, on Python 2
            continue
        methods["__{0}__".format(name)] = _binary(function)
        methods["__r{0}__".format(name)] = _reflected(function)
        methods["__i{0}__".format(name)] = _in_place(
            getattr(operator, "i" + function_name.rstrip("_")))
    methods["__divmod__"] = _binary(divmod)
    methods["__rdivmod__"] = _reflected(divmod)
    methods["__rpow__"] = _reflected(pow)
    methods["__ipow__"] = _in_place(operator.ipow)
    for name, method in methods.items():
        method.__name__ = name
    return methods


class AbstractProxy(object):
    """Delegates everything to ``self.__subject__``, which its subclasses supply."""

    __slots__ = ()

    def __getattribute__(self, name):
        subject = object.__getattribute__(self, "__subject__")
        return subject if name == "__subject__" else getattr(subject, name)

    def __setattr__(self, name, value):
        if name == "__subject__":
            object.__setattr__(self, name, value)
        else:
            setattr(self.__subject__, name, value)

    def __delattr__(self, name):
        if name == "__subject__":
            object.__delattr__(self, name)
        else:
            delattr(self.__subject__, name)

    def __call__(self, *args, **kw):
        return self.__subject__(*args, **kw)

    def __setitem__(self, arg, value):
        self.__subject__[arg] = value

    def __pow__(self, arg, *modulo):
        return pow(self.__subject__, arg, *modulo)

    def __round__(self, *ndigits):
        return round(self.__subject__, *ndigits)

    def __enter__(self):
        return self.__subject__.__enter__()

    def __exit__(self, *exc_info):
        return self.__subject__.__exit__(*exc_info)

    def __await__(self):
        return self.__subject__.__await__()


for _name, _method in _special_methods().items():
    setattr(AbstractProxy, _name, _method)
del _name, _method


class ObjectProxy(AbstractProxy):
    """Proxy of an object.

    Parameters
    ----------
    subject : object
        Can be replaced later by assigning to ``__subject__``.
    """

    __slots__ = "__subject__"

    def __init__(self, subject):
        self.__subject__ = subject


class CallbackProxy(AbstractProxy):
    """Proxy of what `func` returns, which is called for every single access.

    Parameters
    ----------
    func : function()
    """

    __slots__ = "__callback__"

    def __init__(self, func):
        set_callback(self, func)

    @property
    def __subject__(self):
        return get_callback(self)()


get_callback = CallbackProxy.__callback__.__get__
set_callback = CallbackProxy.__callback__.__set__


class LazyProxy(CallbackProxy):
    """Proxy of what `func` returns, which is called when something is asked of the proxy first.

    Parameters
    ----------
    func : function()
        If it raises an exception, that goes to whoever asked, and it is called again next time.
    """

    __slots__ = "__cache__"

    @property
    def __subject__(self):
        try:
            return get_cache(self)
        except AttributeError:
            pass
        subject = get_callback(self)()
        set_cache(self, subject)
        return subject

    @__subject__.setter
    def __subject__(self, subject):
        set_cache(self, subject)


get_cache = LazyProxy.__cache__.__get__
set_cache = LazyProxy.__cache__.__set__


def _own(cls, name):
    """Whether the attribute `name` of wrappers of class `cls` is the wrapper's, not the subject's."""
    if name.startswith("__"):
        return name == "__subject__"
    if name in _PLAIN_METHODS:
        for base in cls.__mro__:
            if name in base.__dict__:
                return base is not AbstractProxy
    return hasattr(cls, name)


# Special methods that do not look like it (Python 2's `next`).
_PLAIN_METHODS = frozenset(name for name in _UNARY if not name.startswith("__"))


class AbstractWrapper(AbstractProxy):
    """Mixes attributes of its own class into a proxy.

    Names that the class of the wrapper has are read from, set and deleted on the wrapper itself, all
    others on the subject; names that begin with two underscores are always the subject's, though
    operators and built-in functions do use the special methods that the class overrides.  So the
    private attributes of a wrapper must be declared in its class.  They can be set before there is a
    subject.
    """

    __slots__ = ()

    def __getattribute__(self, name):
        if name[:2] == "__" and name != "__subject__" or name in _PLAIN_METHODS:
            if not _own(type(self), name):
                return getattr(self.__subject__, name)
        return object.__getattribute__(self, name)

    def __getattr__(self, name):
        if name == "__subject__":
            # There is none yet, or its function has failed: once more, for the error.
            return object.__getattribute__(self, name)
        return getattr(self.__subject__, name)

    def __setattr__(self, name, value):
        if _own(type(self), name):
            object.__setattr__(self, name, value)
        else:
            setattr(self.__subject__, name, value)

    def __delattr__(self, name):
        if _own(type(self), name):
            object.__delattr__(self, name)
        else:
            delattr(self.__subject__, name)


class ObjectWrapper(ObjectProxy, AbstractWrapper):
    """Wrapper of an object; see `ObjectProxy` and `AbstractWrapper`."""

    __slots__ = ()


class CallbackWrapper(CallbackProxy, AbstractWrapper):
    """Wrapper of what a function returns; see `CallbackProxy` and `AbstractWrapper`."""

    __slots__ = ()


class LazyWrapper(LazyProxy, AbstractWrapper):
    """Wrapper of what a function returns, once; see `LazyProxy` and `AbstractWrapper`."""

    __slots__ = ()
