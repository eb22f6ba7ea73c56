"""How resources spell names and sampling strategies."""

from __future__ import absolute_import, division, print_function

from katcp.compat import ensure_native_str, string_types

# What is said of a sensor for which no strategy was set.
NO_STRATEGY = ("none",)


def escape_name(name):
    """Return the Python identifier for the KATCP name of a sensor, request or resource.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        `name` with an underscore for each ``.`` and ``-``.

    Examples
    --------
    >>> escape_name("wind.speed-max")
    'wind_speed_max'
    """
    return name.replace(".", "_").replace("-", "_")


def parameter_text(value):
    """Return one part of a strategy as a native string, with all digits of a float."""
    if isinstance(value, string_types):
        return ensure_native_str(value)
    if isinstance(value, float):
        # Python 2's str() drops digits; subclasses (numpy's) have representations of their own.
        return float.__repr__(value)
    return str(value)


def strategy_parts(parts):
    """Return the parts of a strategy, a string or an iterable, as a list of native strings."""
    if isinstance(parts, string_types):
        return ensure_native_str(parts).split()
    return [parameter_text(part) for part in parts]


def normalize_strategy_parameters(params):
    """Return a sampling strategy in the form in which strategies can be compared.

    Parameters
    ----------
    params : str or iterable
        Name of the strategy and its parameters: a string with spaces between them, or a sequence
        of strings and numbers.

    Returns
    -------
    tuple of str
        Numbers, also those in strings, look like floats: ``"10.0"``.

    Raises
    ------
    TypeError
        If `params` is not iterable or one of them is neither string nor number.

    Examples
    --------
    >>> normalize_strategy_parameters("event-rate 1 2.5")
    ('event-rate', '1.0', '2.5')
    """
    if isinstance(params, string_types):
        params = strategy_parts(params) or [""]
    return tuple(_normalize_parameter(param) for param in params)


def _normalize_parameter(param):
    try:
        return float.__repr__(float(param))
    except ValueError:
        return parameter_text(param)
