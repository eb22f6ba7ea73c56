"""Lists of types and what they do to lists of arguments, with what is needed prepared once.

`Unpacker` and `Packer` are made when a handler is decorated and do the work for each message.
"""

from __future__ import absolute_import, division, print_function

import logging

from katcp.compat import lossy_str
from katcp.errors import FailReply
from katcp.katcp_types import KatcpType
from katcp.log_records import record_text

logger = logging.getLogger(__name__)


class Parameter(object):
    """One parameter of a handler.

    Parameters
    ----------
    position : int
        Its place among the arguments of the message, from 1.
    name : str
        Its name, for error messages.
    kattype : KatcpType
    major : int
        Major version of the protocol.
    """

    def __init__(self, position, name, kattype, major):
        self.position = position
        self.name = name
        self._kattype = kattype
        self.major = major

    def pack(self, value):
        """Return a value as the bytes of a message argument; see `KatcpType.pack`."""
        return self._kattype.pack(value, False, self.major)

    def unpack(self, value):
        """Return the value of a message argument.

        Parameters
        ----------
        value : bytes or None
            None stands for a missing argument.

        Raises
        ------
        FailReply
            If the argument cannot be read or its value is not allowed. The text names the
            parameter.
        """
        try:
            return self._kattype.unpack(value, self.major)
        except Exception as error:
            raise self.complaint(error)

    def complaint(self, error):
        """Return the FailReply that tells a client what `error` is wrong with this parameter."""
        if isinstance(error, FailReply):
            return error
        if not isinstance(error, ValueError):
            # The client is not to blame alone, the type ought to have coped.
            logger.warning(record_text("%r cannot unpack parameter %s (%s)", self._kattype, self.position,
                                       self.name), exc_info=True)
        return FailReply("Error in parameter %s (%s): %s"
                         % (self.position, self.name, lossy_str(error)))


def _match(items, args, multiple, complaint):
    """Return `items` and `args` at equal length: args padded with None, or the last item repeated."""
    missing = len(items) - len(args)
    if missing > 0:
        return items, list(args) + [None] * missing
    if missing < 0:
        if not multiple:
            raise complaint
        items = list(items) + [items[-1]] * -missing
    return items, args


def _is_from_base(bound_method, name):
    return getattr(bound_method, "__func__", None) is KatcpType.__dict__[name]


class Unpacker(object):
    """Turns message arguments into Python values.

    Parameters
    ----------
    types, argnames, major
        As for `unpack_types`.
    """

    def __init__(self, types, argnames, major):
        self._types = types
        self._names = argnames
        self._major = major
        self._multiple = bool(types) and types[-1]._multiple
        self._steps = [self._steps_of(kattype) for kattype in types]

    @staticmethod
    def _steps_of(kattype):
        """Return `unpack` of a type and, if that is the usual one, `decode` and `check` or None."""
        unpack = kattype.unpack
        decode = getattr(kattype, "decode", None)
        if decode is None or not _is_from_base(unpack, "unpack"):
            return unpack, None, None
        return unpack, decode, None if kattype.check_is_idle() else kattype.check

    def __call__(self, args):
        steps = self._steps
        if not steps and not args:
            return []
        if len(steps) != len(args):
            steps, args = _match(steps, args, self._multiple,
                                 FailReply("Too many parameters given."))
        major = self._major
        values = []
        try:
            for (unpack, decode, check), arg in zip(steps, args):
                if decode is None or arg is None:
                    value = unpack(arg, major)
                else:
                    value = decode(arg, major)
                    if check is not None and value is not None:
                        check(value, major)
                values.append(value)
        except Exception as error:
            raise self._parameter(len(values)).complaint(error)
        return values

    def _parameter(self, index):
        # A type for any number of arguments lends its name to all of them.
        of_type = min(index, len(self._types) - 1)
        name = self._names[of_type] if of_type < len(self._names) else ""
        return Parameter(index + 1, name, self._types[of_type], self._major)


class Packer(object):
    """Turns Python values into message arguments.

    Parameters
    ----------
    types, major
        As for `pack_types`.

    Attributes
    ----------
    gives_bytes : bool
        Whether the arguments are known to be bytes, as they should: types of users may do anything.
    """

    def __init__(self, types, major):
        self._major = major
        self._multiple = bool(types) and types[-1]._multiple
        self._steps = [self._steps_of(kattype) for kattype in types]
        self.gives_bytes = all(encode is not None and encode.__module__.startswith("katcp.")
                               for _, encode, _ in self._steps)

    @staticmethod
    def _steps_of(kattype):
        """Return `pack` of a type and, if that is the usual one, `encode` and `check` or None."""
        pack = kattype.pack
        encode = getattr(kattype, "encode", None)
        if encode is None or not _is_from_base(pack, "pack"):
            return pack, None, None
        return pack, encode, None if kattype.check_is_idle() else kattype.check

    def __call__(self, values):
        steps = self._steps
        if not steps and not values:
            return []
        if len(steps) != len(values):
            steps, values = _match(steps, values, self._multiple,
                                   ValueError("Too many arguments to pack."))
        major = self._major
        args = []
        for (pack, encode, check), value in zip(steps, values):
            if encode is None or value is None:
                args.append(pack(value, False, major))
            else:
                if check is not None:
                    check(value, major)
                args.append(encode(value, major))
        return args


def unpack_types(types, args, argnames, major):
    """Return the values of message arguments.

    Parameters
    ----------
    types : sequence of KatcpType
        If the last one is `multiple`, it stands for all further arguments.
    args : sequence of bytes
        The arguments. Those missing at the end are up to the types' defaults.
    argnames : sequence of str
        Names of the parameters, for error messages.
    major : int
        Major version of the protocol.

    Returns
    -------
    list

    Raises
    ------
    FailReply
        If there are too many arguments, or one cannot be read or is not allowed.
    """
    return Unpacker(types, argnames, major)(args)


def pack_types(types, args, major):
    """Return values as message arguments.

    Parameters
    ----------
    types : sequence of KatcpType
        If the last one is `multiple`, it stands for all further values.
    args : sequence
        The values. Those missing at the end are up to the types' defaults.
    major : int
        Major version of the protocol.

    Returns
    -------
    list of bytes

    Raises
    ------
    ValueError
        If there are too many values, or one is missing or not allowed.
    """
    multiple = bool(types) and types[-1]._multiple
    types, args = _match(types, args, multiple, ValueError("Too many arguments to pack."))
    return [kattype.pack(arg, False, major) for kattype, arg in zip(types, args)]
