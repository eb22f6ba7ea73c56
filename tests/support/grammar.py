"""The grammar of section 2.1 of the specification, written down for ply: an oracle for the parser.

It shares no code with the library's parser, is slow, and says of any line whether it is a message and
which.  It differs from the specification's productions in two ways: the terminator is optional, and
a message id may begin with a zero, as peers do send such.
"""

from __future__ import absolute_import, division, print_function

import sys

from ply import lex, yacc

import katcp.message
from katcp.compat import ensure_native_str
from katcp.errors import KatcpSyntaxError


class Lexer(object):
    """Tokens: those before the first whitespace, and, in the state "argument", those after it.

    ply's patterns are verbose ones: white space and ``#`` have to be escaped.
    """

    tokens = ("TYPE", "NAME", "ID", "WHITESPACE", "PLAIN", "ESCAPE", "EOL")
    states = (("argument", "exclusive"),)

    t_TYPE = r"[?!\#]"
    t_NAME = r"[a-zA-Z][a-zA-Z0-9\-]*"
    t_ID = r"\[[0-9]+\]"

    # A run of <plain>, which in an <argument> is the same as each of them alone, but quicker.
    t_argument_PLAIN = r"[^\\\ \x00\n\r\x1b\t]+"
    t_argument_ESCAPE = r"\\[\\_0nret@]"
    t_ANY_EOL = r"[\n\r]"

    def t_ANY_WHITESPACE(self, token):
        r"[\ \t]+"
        token.lexer.begin("argument")
        return token

    def t_ANY_error(self, token):
        raise KatcpSyntaxError("The lexer does not know what to make of %r." % (token.value[:1],))


tokens = Lexer.tokens


def p_message(p):
    """message : TYPE NAME id arguments eol"""
    p[0] = (p[1], p[2], p[3], p[4])


def p_id(p):
    """id : ID
          | """
    p[0] = p[1][1:-1] if len(p) == 2 else None


def p_eol(p):
    """eol : EOL
           | """


# Recursive on the left where the specification is on the right: the same language, and lists grow
# at their ends.
def p_arguments(p):
    """arguments : more_arguments
                 | more_arguments WHITESPACE"""
    p[0] = p[1]


def p_more_arguments(p):
    """more_arguments : more_arguments WHITESPACE argument"""
    p[0] = p[1] + [p[3]]


def p_no_arguments(p):
    """more_arguments : """
    p[0] = []


def p_argument(p):
    """argument : piece
                | argument piece"""
    p[0] = "".join(p[1:])


def p_plain(p):
    """piece : PLAIN"""
    p[0] = p[1]


def p_escape(p):
    """piece : ESCAPE"""
    code = p[1][1:].encode("ascii")
    p[0] = ensure_native_str(katcp.message.MessageParser.ESCAPE_LOOKUP[code])


def p_error(token):
    raise KatcpSyntaxError("No place for %s." % ("an end" if token is None else repr(token.value),))


_lexer = lex.lex(object=Lexer(), debug=0)
_parser = yacc.yacc(module=sys.modules[__name__], debug=0, write_tables=0)


def analyse(line):
    """Return what a line stands for, or raise KatcpSyntaxError.

    Parameters
    ----------
    line : str
        Native string, with or without terminator.

    Returns
    -------
    (str, str, str or None, list of str)
        Type symbol, name, id and arguments (unescaped).
    """
    _lexer.begin("INITIAL")
    # ply does not take an empty input.
    return _parser.parse(line or " ", lexer=_lexer)


def parse(line):
    """Return the `katcp.message.Message` that a line stands for, or raise KatcpSyntaxError."""
    symbol, name, mid, arguments = analyse(line)
    mtype = katcp.message.Message.TYPE_SYMBOL_LOOKUP[symbol.encode("ascii")]
    return katcp.message.Message(mtype, name, arguments, mid)
