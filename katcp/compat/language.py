"""Details of the language that the Pythons do differently."""

from __future__ import absolute_import, division, print_function

import inspect

from katcp.compat.versions import PY2

if PY2:
    from thread import get_ident as get_thread_ident  # noqa: F401

    def reraise(exc_info):
        """Raise the exception of an ``exc_info`` triple with its own traceback."""
        _reraise(exc_info[0], exc_info[1], exc_info[2])  # noqa: F821

    exec("def _reraise(tp, value, tb):\n    raise tp, value, tb\n")

    def throw_into(generator, exc_info):
        """Raise the exception of an ``exc_info`` triple where `generator` is; return what it yields."""
        return generator.throw(*exc_info)

    def is_recursion_error(error):
        """Return whether an exception says that functions call one another without end."""
        return isinstance(error, RuntimeError) and "recursion depth" in repr(error.args)

    get_args = inspect.getargspec
else:
    from threading import get_ident as get_thread_ident  # noqa: F401

    def reraise(exc_info):
        """Raise the exception of an ``exc_info`` triple with its own traceback."""
        try:
            raise exc_info[1].with_traceback(exc_info[2])
        finally:
            del exc_info

    def throw_into(generator, exc_info):
        """Raise the exception of an ``exc_info`` triple where `generator` is; return what it yields."""
        return generator.throw(exc_info[1])

    def is_recursion_error(error):
        """Return whether an exception says that functions call one another without end."""
        return isinstance(error, RecursionError)

    get_args = inspect.getfullargspec


def positional_arg_names(function):
    """Return the names of the positional parameters of `function`, ``self`` included, as a list.

    Decorators that name what they wrap (``__wrapped__``) are followed.
    """
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    try:
        return list(get_args(function).args)
    except TypeError:
        return []


if PY2:
    def accepts_keyword(function, name):
        """Whether `function` can be called with the keyword argument `name` (True if unknown)."""
        function = getattr(function, "__wrapped__", function)
        try:
            spec = inspect.getargspec(function)
        except TypeError:
            return True
        return spec.keywords is not None or name in spec.args
else:
    def accepts_keyword(function, name):
        """Whether `function` can be called with the keyword argument `name` (True if unknown)."""
        try:
            parameters = inspect.signature(function).parameters
        except (TypeError, ValueError):
            return True
        parameter = parameters.get(name)
        if parameter is not None:
            return parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        return any(known.kind == known.VAR_KEYWORD for known in parameters.values())


if PY2:
    import Queue as queue  # noqa: F401
    from abc import abstractproperty as abstract_property  # noqa: F401
    from collections import Mapping, MutableMapping, Sequence  # noqa: F401
    from collections import OrderedDict as ordered_dict  # noqa: F401
else:
    import queue  # noqa: F401
    from abc import abstractmethod
    from collections.abc import Mapping, MutableMapping, Sequence  # noqa: F401

    # CPython 3.6's remembers the order of insertion already.
    ordered_dict = dict

    def abstract_property(getter):
        """Decorate the getter of a property that subclasses have to define."""
        return property(abstractmethod(getter))


def with_metaclass(meta, *bases):
    """Return a base class that makes its subclasses instances of `meta`, on both Pythons."""
    class Metaclass(meta):
        def __new__(mcs, name, this_bases, namespace):
            return meta(name, bases or (object,), namespace)
    # Made by `type` itself, because `meta` may demand more of a class than this one has.
    return type.__new__(Metaclass, "temporary_class", (), {})


# What an object that stands for another has to delegate besides the special methods that both Pythons
# know: {name of the method: function to apply to the other}.
if PY2:
    EXTRA_UNARY_METHODS = {
        "next": next, "__hex__": hex, "__oct__": oct,
        "__long__": long, "__unicode__": unicode,  # noqa: F821
    }
    EXTRA_BINARY_METHODS = {"__cmp__": cmp, "__coerce__": coerce}  # noqa: F821
else:
    EXTRA_UNARY_METHODS = {"__next__": next}
    EXTRA_BINARY_METHODS = {}
