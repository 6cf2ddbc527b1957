"""The tokens of rsyslog's configuration, in which lines of before 2011 and the newer scripts stand mixed.

What a character means depends on what stood before it: in an object, an expression, a comment. Of the
patterns of a state the one wins that takes most text, and of equals the first (flex's rule, on which the
format rests: ``stop`` is a statement, ``stopx`` an account to be written to).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """What the next characters are read as."""

    LINES = "lines"
    OBJECT = "object"
    EXPRESSION = "expression"
    CALL = "call"
    COMMENT = "comment"
    INCLUDE = "include"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: a file, and the line in it."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Token:
    """A token: its kind, the text that it carries, and its place. The kind "end" has no text."""

    kind: str
    text: str
    place: Place


OBJECTS = (
    *("global", "template", "main_queue", "timezone", "parser", "input", "module", "lookup_table", "ruleset"),
    *("property", "constant", "dyn_stats", "perctile_stats", "ratelimit", "include", "action"),
)
_QUOTED = r"\\['\"\\$bntr]|\\x[0-9a-f][0-9a-f]|\\[0-7][0-7][0-7]"
_IN_OBJECT = r"\\['\"?\\abfnrtv]|\\[0-7]{1,3}"
_WORDS = {
    "if": State.EXPRESSION,
    "foreach": State.EXPRESSION,
    "reload_lookup_table": State.EXPRESSION,
    "set": State.EXPRESSION,
    "reset": State.EXPRESSION,
    "unset": State.EXPRESSION,
    "call_indirect": State.EXPRESSION,
    "call": State.CALL,
    "stop": State.LINES,
    "else": State.LINES,
    "continue": State.LINES,
}
_COMPARISONS = (
    *("==", "<=", ">=", "!=", "<>", "<", ">"),
    *("contains_i", "contains", "startswith_i", "startswith", "endswith"),
)


def _patterns(*rules: tuple[str, str]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((kind, re.compile(text, re.IGNORECASE | re.MULTILINE)) for kind, text in rules)


_RULES = {
    State.LINES: _patterns(
        *(("word", word) for word in _WORDS),
        *(("sign", sign) for sign in ("&", r"\{", r"\}")),
        *(("object", rf"{name}[ \n\t]*\(") for name in OBJECTS),
        ("property-filter", r'^[ \t]*:\$?[a-z!.\-]+[ ]*,[ ]*!?[a-z]+[ ]*,[ ]*"(?:\\"|[^"])*"'),
        ("selector", r"^[ \t]*[*a-z][*a-z]*[0-7]*[.,][,!=;.*a-z0-7]+"),
        ("action", r"[~*]|-?/[^*\n][^\n]*|:[a-z0-9]+:[^\n]*|[|.\-@^?~>][^\n]+|[a-z0-9_][a-z0-9_\-+,;]*"),
        ("comment", r"/\*"),
        ("ruleset", r"\$ruleset .*$"),
        ("directive", r"\$[a-z]+.*$"),
        ("block", r"![^ \t\n]+[ \t]*$|[+-]\*[ \t\n]*(?:#.*)?$|^[ \t]*[+-][a-z0-9.:-]+[ \t]*$"),
        ("", r"#.*(?:\n|\Z)|[\n\t ]"),
    ),
    State.OBJECT: _patterns(
        ("close", r"\)"),
        ("name", r"[a-z][a-z0-9_.]*"),
        ("sign", r"[,\[\]=]"),
        ("string", rf'"(?:[^"\\]|{_IN_OBJECT})*"'),
        ("backtick", r"`(?:[^`\\]|\\['`?\\abfnrtv]|\\[0-7]{1,3})*`"),
        ("comment", r"/\*"),
        ("", r"#.*$|[ \n\t]"),
    ),
    State.EXPRESSION: _patterns(
        *(("word", word) for word in ("then", "do", ";", "or", "and", "not", "in", "exists")),
        *(("compare", word) for word in _COMPARISONS),
        ("sign", r"[=,*/%+&\[\]()\-]"),
        ("number", r"0[0-7]+|0x[0-9a-f]+|[1-9][0-9]*|0"),
        ("variable", r"\$[$!./]?[@a-z_]*[!@a-z0-9\-_.\[\]]*"),
        ("string", rf"'(?:[^'\\]|{_QUOTED})*'|\"(?:[^\"\\$]|{_QUOTED})*\""),
        ("backtick", rf"`(?:[^`\\]|{_QUOTED}|\\`)*`"),
        ("function", r"[a-z][a-z0-9_]*"),
        ("comment", r"/\*"),
        ("", r"[ \t\n]"),
    ),
    # A name of one letter is none: rsyslog's own list has the single character first.
    State.CALL: _patterns(("", r"[ \t\n]"), ("wrong", r"."), ("name", r"[a-z][a-z0-9\-_.]*")),
    State.COMMENT: _patterns(("uncomment", r"\*/"), ("", r"[^*]+|.")),
    State.INCLUDE: _patterns(("include", r"[^ \t\n]+"), ("", r".|\n")),
}
_INCLUDE = "$includeconfig"
_MOST_WRONG = 100  # in a file; rsyslog takes none of it after the first, so the rest need not be read
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|([0-7]{1,3})|(.))", re.IGNORECASE | re.DOTALL)
_MEANING = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class Buffer:
    """The text of one file as the lexer sees it: lines joined after a backslash, their ends trimmed."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.at = 0
        self.wrong = 0  # characters that rsyslog cannot read
        self._starts: list[int] = []  # where each piece of a line begins,
        self._lines: list[int] = []  # and its number
        pieces: list[str] = []
        length, goes_on = 0, False
        for number, line in enumerate(text.split("\n"), 1):
            piece = line.rstrip(" \t\r\v\f")
            piece = piece.lstrip(" \t\r\v\f") if goes_on else piece
            goes_on = piece.endswith("\\")
            piece = piece[:-1] if goes_on else f"{piece}\n"
            self._starts.append(length)
            self._lines.append(number)
            pieces.append(piece)
            length += len(piece)
        self.text = "".join(pieces)

    def place(self, at: int) -> Place:
        """The file, and the line of a position."""
        return Place(self.file, self._lines[max(0, bisect_right(self._starts, at) - 1)])


class Lexer:
    """A stack of files that are read as one text: what is included stands where it is asked for."""

    def __init__(self) -> None:
        self._buffers: list[Buffer] = []
        self._state = State.LINES
        self._before_comment = State.LINES
        self._last = Place("", 0)

    def push(self, file: str, text: str) -> None:
        """Read a file now, before what is left of the others."""
        self._buffers.append(Buffer(file, text))

    def is_open(self, file: str) -> bool:
        """Whether a file is being read: it cannot include itself."""
        return any(buffer.file == file for buffer in self._buffers)

    def next(self) -> Token:
        """The next token; of the kind "wrong" for what rsyslog cannot read, "end" behind the last one."""
        while self._buffers:
            buffer = self._buffers[-1]
            if buffer.at >= len(buffer.text):
                self._buffers.pop()
                continue
            token = self._token(buffer)
            if token is not None:
                return token
        return Token("end", "", self._last)

    def _token(self, buffer: Buffer) -> Token | None:
        place = self._last = buffer.place(buffer.at)
        found = [
            (match.end(), kind, match[0])
            for kind, pattern in _RULES[self._state]
            if (match := pattern.match(buffer.text, buffer.at))
        ]
        if not found:
            sign = buffer.text[buffer.at]
            buffer.wrong += 1
            # Each may have been looked for up to the end of the file, as the end of a string is.
            buffer.at = buffer.at + 1 if buffer.wrong < _MOST_WRONG else len(buffer.text)
            return Token("wrong", sign, place)
        end, kind, text = max(found, key=lambda one: one[0])  # the first of equals
        buffer.at = end
        return self._enter(buffer, Token(kind, text, buffer.place(end - len(text.lstrip(" \t\n")))))

    def _enter(self, buffer: Buffer, token: Token) -> Token | None:  # noqa: C901 - one case for each switch
        """Go over to the state that a token brings; the token, unless it only does that."""
        word = token.text.lower()
        match token.kind:
            case "":
                return None
            case "comment":
                self._before_comment, self._state = self._state, State.COMMENT
                return None
            case "uncomment":
                self._state = self._before_comment
                return None
            case "directive" if word.startswith(_INCLUDE):
                buffer.at -= len(token.text) - len(_INCLUDE)
                self._state = State.INCLUDE
                return None
            case "include" | "close":
                self._state = State.LINES
            case "object":
                self._state = State.OBJECT
                return Token(token.kind, word.rstrip("( \n\t"), token.place)
            case "word" if self._state is State.LINES:
                self._state = _WORDS[word]
            case "word" if word in {"then", "do", ";"}:
                self._state = State.LINES
            case "name" if self._state is State.CALL:
                self._state = State.LINES
                return token
            case "string" | "backtick":
                return Token(token.kind, unescaped(token.text[1:-1]), token.place)
        return Token(token.kind, word, token.place) if token.kind in _FOLDED else token


_FOLDED = frozenset({"word", "name", "compare", "function"})  # small and large letters are one


def unescaped(text: str) -> str:
    """The text of a string, its escapes undone."""

    def meant(escape: re.Match[str]) -> str:
        if escape[1] or escape[2]:
            return chr(int(escape[1], 16) if escape[1] else int(escape[2], 8) & 0xFF)
        return _MEANING.get(escape[3], escape[3])

    return _ESCAPE.sub(meant, text)
