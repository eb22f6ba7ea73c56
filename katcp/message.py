"""Messages: bytes in, objects out, and back.  No sockets, no loop, no clock.

A line of the protocol goes through :class:`~katcp.line_splitter.LineSplitter` (chunks of bytes to
lines), :class:`MessageParser` (line to :class:`Message`), and back through ``bytes(message)``.

All of it is on the path of every message, which explains the style: one call into C for the whole
line where there is one (``replace``, ``find``, ``split``), tables indexed by exact type or by name,
and the careful, complete code only where the quick test failed.  ``data.find(x) >= 0`` stands for
``x in data``, which is several times slower for bytes on Python 3.
"""

from __future__ import absolute_import, division, print_function

import re

from katcp.arguments import format_arguments
from katcp.compat import encode_utf8, ensure_native_str, is_bytes, is_text, lossy_str, text_type
from katcp.errors import KatcpSyntaxError, KatcpTypeError

_MTYPES = _REQUEST, _REPLY, _INFORM = (0, 1, 2)

# What ``in`` wants for one byte of a byte string: an integer on Python 3, a character on Python 2.
_NUL, _TAB, _LF, _CR, _ESC, _SPACE, _BACKSLASH, _CLOSING = b"\0\t\n\r\x1b \\]"

# What is known to be a good name, so that nobody has to look at it again:
# native name -> {message type -> what a message begins with: without id, and ESC; with an id, up to it}, and
# the first field of a received line -> (message type, native name).
# Peers choose names, hence the bounds; a cache that is full starts afresh.
_MAX_CACHED_NAMES = 2048
_MAX_CACHED_LENGTH = 64
_wire_heads = {}
_parsed_heads = {}

_GOOD_NAME_RE = re.compile(r"[a-zA-Z][a-zA-Z0-9\-]*\Z")
_ALPHANUMERIC_RE = re.compile(r"[a-zA-Z0-9]+\Z")


def _remember(cache, key, value):
    if len(key) <= _MAX_CACHED_LENGTH:
        if len(cache) >= _MAX_CACHED_NAMES:
            cache.clear()
        cache[key] = value


def _check_name(name):
    """Return `name` as a native string, or raise the error that says what is wrong with it."""
    if not name:
        raise KatcpSyntaxError("Command missing command name.")
    without_dashes = name.replace("-", "")
    if not _ALPHANUMERIC_RE.match(without_dashes):
        raise KatcpSyntaxError("Command name should consist only of alphanumeric characters and "
                               "dashes (got %r)." % (name,))
    if not _GOOD_NAME_RE.match(name):
        raise KatcpSyntaxError("Command name should start with an alphabetic character (got %r)."
                               % (name,))
    if is_text(name):
        # By way of the base class: subclasses (of Python 2's future package) return their own kind.
        name = ensure_native_str(text_type.encode(name, "ascii"))
    else:
        name = "".join((name,))
    raw_name = encode_utf8(name)
    heads = [Message.TYPE_SYMBOLS[mtype] + raw_name for mtype in _MTYPES]
    _remember(_wire_heads, name, dict((mtype, (heads[mtype] + b"\x1b", heads[mtype] + b"["))
                                      for mtype in _MTYPES))
    return name


def _mid_to_bytes(mid):
    """Return `mid` as bytes, digits only, or raise KatcpSyntaxError."""
    try:
        raw_mid = b"".join((mid,)) if is_bytes(mid) else str(mid).encode("ascii")
    except UnicodeError:
        raw_mid = b""
    if not raw_mid.isdigit():
        raise KatcpSyntaxError("Invalid message id %r." % (mid,))
    return raw_mid


def _escape(arg):
    """Return the escaped form of one argument."""
    return (arg.replace(b"\\", b"\\\\").replace(b" ", b"\\_").replace(b"\n", b"\\n")
            .replace(b"\t", b"\\t").replace(b"\r", b"\\r").replace(b"\0", b"\\0")
            .replace(b"\x1b", b"\\e"))


def _constructor(mtype, method_name, docstring):
    """Return a class method that makes messages of one type without ids."""
    def construct(cls, name, *args, **kwargs):
        if kwargs or cls is not Message:
            return cls(mtype, name, args, _mid_keyword(kwargs))
        # What `__init__` does; most messages come this way, and calls are what it costs.
        arguments = format_arguments(args)
        if type(name) is not str or name not in _wire_heads:
            name = _check_name(name)
        msg = _new_message(Message)
        msg.mtype = mtype
        msg.name = name
        msg.mid = None
        msg.arguments = arguments
        return msg

    construct.__name__ = method_name
    construct.__qualname__ = "Message." + method_name
    construct.__doc__ = docstring
    return classmethod(construct)


class Message(object):
    """One message of the protocol: a request, reply or inform.

    Parameters
    ----------
    mtype : int
        ``Message.REQUEST``, ``Message.REPLY`` or ``Message.INFORM``.
    name : str
        A letter, followed by letters, digits and dashes.
    arguments : iterable, optional
        The arguments; each is turned into bytes by :meth:`format_argument`.
    mid : int, str or bytes, optional
        Message id: digits only. None means that the message has no id.

    Attributes
    ----------
    mtype : int
    name : str
    mid : bytes or None
    arguments : list of bytes
        Unescaped. All four may be assigned and changed; they are not checked again. Arguments and
        ids that are not bytes are sent as the constructor would have formatted them.

    Raises
    ------
    KatcpSyntaxError
        If type, name or id are not valid.

    Notes
    -----
    The grammar is section 2.1 of the specification, the meaning of the id section 2.2.

    Examples
    --------
    >>> Message.request("set-rate", 5.1, mid=3) == Message(Message.REQUEST, "set-rate", [b"5.1"], b"3")
    True
    """

    __slots__ = ["mtype", "name", "mid", "arguments"]

    REQUEST, REPLY, INFORM = _MTYPES

    TYPE_NAMES = {REQUEST: "REQUEST", REPLY: "REPLY", INFORM: "INFORM"}

    TYPE_SYMBOLS = {REQUEST: b"?", REPLY: b"!", INFORM: b"#"}
    TYPE_SYMBOL_LOOKUP = {b"?": REQUEST, b"!": REPLY, b"#": INFORM}

    # The code after the backslash -> what it stands for.
    ESCAPE_LOOKUP = {
        b"\\": b"\\",
        b"_": b" ",
        b"0": b"\0",
        b"n": b"\n",
        b"r": b"\r",
        b"e": b"\x1b",
        b"t": b"\t",
        b"@": b"",
    }
    REVERSE_ESCAPE_LOOKUP = {
        b"\\": b"\\",
        b" ": b"_",
        b"\0": b"0",
        b"\n": b"n",
        b"\r": b"r",
        b"\x1b": b"e",
        b"\t": b"t",
        b"": b"@",
    }
    ESCAPE_RE = re.compile(br"[\\ \x00\n\r\x1b\t]")

    OK, FAIL, INVALID = b"ok", b"fail", b"invalid"

    def __init__(self, mtype, name, arguments=None, mid=None):
        if arguments is None:
            arguments = []
        elif type(self) is Message:
            arguments = format_arguments(arguments)
        else:
            arguments = [self.format_argument(arg) for arg in arguments]
        if mtype not in _TYPE_SYMBOLS:
            raise KatcpSyntaxError("Invalid command type %r." % (mtype,))
        if mid is not None and (type(mid) is not bytes or not mid.isdigit()):
            mid = _mid_to_bytes(mid)
        if type(name) is not str or name not in _wire_heads:
            name = _check_name(name)
        self.mtype = mtype
        self.name = name
        self.mid = mid
        self.arguments = arguments

    @staticmethod
    def _trusted(mtype, name, arguments, mid=None):
        """Return a message made of parts that are known to be good; nothing is checked or copied.

        Parameters
        ----------
        mtype : int
        name : str
            Native string, a valid name.
        arguments : list of bytes
            Used as it is.
        mid : bytes or None
        """
        msg = _new_message(Message)
        msg.mtype = mtype
        msg.name = name
        msg.mid = mid
        msg.arguments = arguments
        return msg

    def format_argument(self, arg):
        """Return the bytes that stand for one argument, unescaped; subclasses may override it.

        Parameters
        ----------
        arg : object
            Booleans become ``1`` or ``0``, integers decimals, floats the shortest decimal that
            reads back as the same float, text UTF-8; bytes and buffers are taken as they are.
            Numbers of other kinds (numpy's, fractions) become decimals too. Of anything else
            ``str(arg)`` is sent.

        Returns
        -------
        bytes
        """
        return format_arguments((arg,))[0]

    def copy(self, keep_mid=False):
        """Return a new plain message with the same type, name and arguments.

        Parameters
        ----------
        keep_mid : bool
            Whether the copy has the message id, too. By default it has none, so that a request can
            be sent again under an id of its own.

        Returns
        -------
        Message
        """
        return self._trusted(self.mtype, self.name, list(self.arguments),
                             self.mid if keep_mid else None)

    def __bytes__(self):
        try:
            head, head_to_mid = _wire_heads[self.name][self.mtype]
        except KeyError:
            head = self.TYPE_SYMBOLS[self.mtype] + self.name.encode("ascii")
            head, head_to_mid = head + b"\x1b", head + b"["
        arguments = self.arguments
        try:
            if self.mid is not None:
                head = head_to_mid + self.mid + b"]\x1b"
            if not arguments and type(head) is bytes:
                return head[:-1]
            line = head + b"\x1b".join(arguments)
        except (TypeError, UnicodeDecodeError):
            return self._with_bytes().__bytes__()
        if type(line) is not bytes:
            # Python 2 makes text of bytes and text.
            return self._with_bytes().__bytes__()
        if line.count(b"\x1b") != len(arguments) or b"" in arguments:
            return head[:-1] + b" " + b" ".join([_escape(arg) if arg else b"\\@" for arg in arguments])
        # The same for all arguments at once, which ESC separates, since none of them contains it.
        if _BACKSLASH in line:
            line = line.replace(b"\\", b"\\\\")
        if _SPACE in line:
            line = line.replace(b" ", b"\\_")
        if _LF in line:
            line = line.replace(b"\n", b"\\n")
        if _TAB in line:
            line = line.replace(b"\t", b"\\t")
        if _CR in line:
            line = line.replace(b"\r", b"\\r")
        if _NUL in line:
            line = line.replace(b"\0", b"\\0")
        return line.replace(b"\x1b", b" ")

    def _with_bytes(self):
        """Return a message with bytes where this one has something else, which users have put there."""
        raw_mid = None if self.mid is None else _mid_to_bytes(self.mid)
        return self._trusted(self.mtype, self.name, format_arguments(self.arguments), raw_mid)

    def __str__(self):
        """The line that is sent, without terminator, as a native string.

        On Python 3, bytes that are not UTF-8 are shown as ``\\xNN``.
        """
        return lossy_str(self.__bytes__())

    def __repr__(self):
        shown = []
        for arg in self.arguments:
            if not is_bytes(arg):
                shown.append(repr(arg))
                continue
            # Escaping never makes it shorter, so that the rest of a huge argument does not matter.
            escaped = _escape(arg[:1001])
            if len(escaped) > 1000:
                escaped = escaped[:1000] + b"..."
            shown.append(escaped if isinstance(escaped, str) else repr(escaped))
        return "<Message %s %s %s>" % (self.TYPE_NAMES[self.mtype].lower(), self.name,
                                       "(%s)" % ", ".join(shown) if shown else "")

    def log_text(self, limit=1000):
        """Return the line that is sent as a native string for logs; never raises.

        Parameters
        ----------
        limit : int
            That many bytes of the line are shown, then ``...``. What is not shown costs nothing.

        Returns
        -------
        str
            Bytes that are not UTF-8 are shown as ``\\xNN``.
        """
        try:
            shown, length = [], 0
            for arg in self.arguments:
                if not is_bytes(arg):
                    arg = format_arguments((arg,))[0]
                shown.append(arg[:limit])
                length += len(arg) + 1
                if length > limit:
                    break
            line = self._trusted(self.mtype, self.name, shown, self.mid).__bytes__()
            if len(line) > limit:
                line = line[:limit] + b"..."
            return lossy_str(line)
        except Exception:
            # Attributes can be set to anything.
            return object.__repr__(self)

    def __getstate__(self):
        # Python itself copies and pickles slots with protocol 2 and above only. This is the state that
        # it makes then, so that pickles of other versions can be read.
        slots = {}
        for cls in type(self).__mro__:
            names = cls.__dict__.get("__slots__", ())
            for name in (names,) if isinstance(names, str) else names:
                if name not in ("__dict__", "__weakref__") and hasattr(self, name):
                    slots[name] = getattr(self, name)
        return getattr(self, "__dict__", None), slots

    def __setstate__(self, state):
        attributes, slots = state
        for name, value in slots.items():
            setattr(self, name, value)
        if attributes:
            self.__dict__.update(attributes)

    def __eq__(self, other):
        if not isinstance(other, Message):
            return NotImplemented
        return (self.arguments == other.arguments and self.name == other.name
                and self.mtype == other.mtype and self.mid == other.mid)

    def __ne__(self, other):
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def reply_ok(self):
        """Return whether this is a reply whose first argument is ``ok``."""
        return bool(self.mtype == self.REPLY and self.arguments and self.arguments[0] == self.OK)

    request = _constructor(_REQUEST, "request", """Return a request.

        Parameters
        ----------
        name : str
        *args
            The message arguments, see :meth:`format_argument`.
        mid : int, str or bytes, optional
            Message id (keyword only).
        """)

    reply = _constructor(_REPLY, "reply", "Return a reply; parameters as for :meth:`request`.")

    inform = _constructor(_INFORM, "inform", "Return an inform; parameters as for :meth:`request`.")

    @classmethod
    def reply_to_request(cls, req_msg, *args):
        """Return a reply with the name and id of a request.

        Parameters
        ----------
        req_msg : Message
            The request.
        *args
            The message arguments, see :meth:`format_argument`.
        """
        if cls is Message:
            return _with_mid(cls.reply(req_msg.name, *args), req_msg.mid)
        return cls(cls.REPLY, req_msg.name, args, req_msg.mid)

    @classmethod
    def reply_inform(cls, req_msg, *args):
        """Return an inform with the name and id of a request; parameters as for `reply_to_request`."""
        if cls is Message:
            return _with_mid(cls.inform(req_msg.name, *args), req_msg.mid)
        return cls(cls.INFORM, req_msg.name, args, req_msg.mid)


_new_message = Message.__new__
_TYPE_SYMBOLS = Message.TYPE_SYMBOLS


def _with_mid(msg, mid):
    """Give a new message an id, or None, and return it."""
    msg.mid = None if mid is None else _mid_to_bytes(mid)
    return msg


def _mid_keyword(kwargs):
    mid = kwargs.pop("mid", None)
    if kwargs:
        raise TypeError("Invalid keyword argument(s): %r" % (kwargs,))
    return mid


# --- bytes to messages ---------------------------------------------------------------------------

_UNESCAPE_RE = re.compile(br"\\(.?)", re.DOTALL)

# Error texts go to logs and back to the peer, who may have sent megabytes without a blank.
_MAX_ERROR_TEXT = 1000


def _unescape(arg):
    """Return the unescaped form of an argument."""
    # Between double backslashes every other backslash begins an escape of its own.
    parts = arg.split(b"\\\\")
    for i, part in enumerate(parts):
        if _BACKSLASH in part:
            part = (part.replace(b"\\_", b" ").replace(b"\\n", b"\n").replace(b"\\@", b"")
                    .replace(b"\\t", b"\t").replace(b"\\r", b"\r").replace(b"\\0", b"\0")
                    .replace(b"\\e", b"\x1b"))
            if _BACKSLASH in part:
                _refuse_escape(arg)
            parts[i] = part
    return b"\\".join(parts)


def _unescaped_arguments(line, raw):
    """Return the unescaped arguments of a line that separates them by single spaces.

    `raw` is the same line with ESC for the separators and spaces unescaped already.
    """
    double = line.find(b"\\\\") >= 0
    if double:
        # Backslashes that are data step aside as NULs, of which there are none.
        raw = line.replace(b" ", b"\x1b").replace(b"\\\\", b"\0").replace(b"\\_", b" ")
    if _BACKSLASH in raw:
        raw = raw.replace(b"\\n", b"\n").replace(b"\\@", b"")
        if _BACKSLASH in raw:
            raw = raw.replace(b"\\t", b"\t").replace(b"\\r", b"\r")
            if not double:
                raw = raw.replace(b"\\0", b"\0")
            if _BACKSLASH in raw:
                # Escapes for the stand-ins themselves, or broken ones.
                return [_unescape(arg) if _BACKSLASH in arg else arg for arg in line.split(b" ")]
    if double:
        raw = raw.replace(b"\0", b"\\")
    return raw.split(b"\x1b")


def _refuse_escape(arg):
    """Raise the error for the first bad escape in an argument."""
    for code in _UNESCAPE_RE.findall(arg):
        if not code:
            raise KatcpSyntaxError("Escape slash at end of argument.")
        if code not in Message.ESCAPE_LOOKUP:
            raise KatcpSyntaxError("Invalid escape character %r." % (code,))


class MessageParser(object):
    """Turns lines into messages. Has no state; one may serve several connections and threads."""

    TYPE_SYMBOL_LOOKUP = Message.TYPE_SYMBOL_LOOKUP
    ESCAPE_LOOKUP = Message.ESCAPE_LOOKUP

    SPECIAL_RE = re.compile(br"[\x00\n\r\x1b\t ]")
    UNESCAPE_RE = _UNESCAPE_RE
    WHITESPACE_RE = re.compile(br"[ \t]+")
    # The field after the type symbol.
    NAME_RE = re.compile(br"(?P<name>[a-zA-Z][a-zA-Z0-9\-]*)(?:\[(?P<id>[0-9]+)\])?\Z")

    def parse(self, line):
        """Return the message that a line stands for.

        Parameters
        ----------
        line : bytes
            The line without its terminator.

        Returns
        -------
        Message
            With native str name, bytes mid (or None), and a list of unescaped bytes as arguments.

        Raises
        ------
        KatcpSyntaxError
            If the line breaks the grammar (section 2.1 of the specification) in any way, be it by
            bytes that are not even text.
        KatcpTypeError
            If `line` is not a byte string.
        """
        if (type(line) is not bytes or _NUL in line or _LF in line or _CR in line or _ESC in line
                or _TAB in line):
            return self._parse_carefully(line)
        head, space, rest = line.partition(b" ")
        mid = None
        if head in _parsed_heads:
            known = _parsed_heads[head]
        else:
            if _CLOSING not in head:
                return self._parse_carefully(line)
            # If the last byte is another one, then what is left of the id has one that is no digit.
            head, _, mid = head[:-1].partition(b"[")
            known = _parsed_heads.get(head)
            if known is None or not mid.isdigit():
                return self._parse_carefully(line)
        if not space:
            arguments = []
        elif _BACKSLASH in rest:
            # All arguments at once, separated by ESC.  Most escapes are spaces.
            raw = rest.replace(b" ", b"\x1b").replace(b"\\_", b" ")
            arguments = _unescaped_arguments(rest, raw) if _BACKSLASH in raw else raw.split(b"\x1b")
            if b"" in arguments and (line.find(b"  ") >= 0 or line[-1] == _SPACE):
                return self._parse_carefully(line)
        else:
            arguments = rest.split(b" ")
            if b"" in arguments:
                return self._parse_carefully(line)
        msg = _new_message(Message)
        msg.mtype, msg.name = known
        msg.mid = mid
        msg.arguments = arguments
        return msg

    def _parse_carefully(self, line):
        """Do what `parse` does, for lines that have or may have something unusual about them."""
        if not line:
            raise KatcpSyntaxError("Empty message received.")
        if not is_bytes(line):
            raise KatcpTypeError("Line type must be bytes - not %r" % (type(line),))
        line = b"".join((line,))
        mtype = self.TYPE_SYMBOL_LOOKUP.get(line[:1])
        if mtype is None:
            raise KatcpSyntaxError("Bad type character %r." % (_native_if_possible(line[:1]),))
        fields = self.WHITESPACE_RE.split(line)
        if not fields[-1]:
            fields.pop()
        head = fields[0]
        if line[-1:] == b"\n":
            # A message without arguments has always been accepted with its newline.
            head = head[:-1]
        arguments = [self._parse_arg(arg) for arg in fields[1:]]
        match = self.NAME_RE.match(head, 1)
        if match is None:
            raise KatcpSyntaxError("Bad message name (and possibly id) %r."
                                   % (_native_if_possible(fields[0][1:_MAX_ERROR_TEXT]),))
        raw_name, mid = match.group("name", "id")
        name = _check_name(ensure_native_str(raw_name))
        _remember(_parsed_heads, line[:1] + raw_name, (mtype, name))
        return Message._trusted(mtype, name, arguments, mid)

    def _parse_arg(self, arg):
        match = self.SPECIAL_RE.search(arg)
        if match is not None:
            raise KatcpSyntaxError("Un-escaped special %r." % (match.group(),))
        return _unescape(arg) if arg.find(b"\\") >= 0 else arg


def _native_if_possible(data):
    """Return bytes as a native string if they are text, else as they are: for error messages."""
    try:
        return ensure_native_str(data)
    except UnicodeDecodeError:
        return data
