"""The words of sudoers: as in sudo, a scanner with states, in which the longest match wins.

The rules stand in the order that counts where two matches are equally long.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What a token is. SYMBOL is one of ``, = : ! ( ) += -=``."""

    END = auto()  # of a line
    WORD = auto()
    GROUP = auto()
    NETGROUP = auto()
    ADDRESS = auto()
    ALL = auto()
    ALIAS = auto()
    COMMAND = auto()
    DIGEST = auto()
    DIGEST_KIND = auto()
    OPTION = auto()  # TIMEOUT, CWD and the like, before a "="
    TAG = auto()
    SETTING = auto()
    SYMBOL = auto()
    DEFAULTS = auto()  # its text is the scope: "", ":", "@", ">" or "!"
    ALIASES = auto()  # its text is the first letter of the kind
    INCLUDE = auto()
    INCLUDE_FOLDER = auto()
    ERROR = auto()


class _State(Enum):
    INITIAL = auto()
    GOT_DEFAULTS = auto()
    START_SETTINGS = auto()
    IN_SETTINGS = auto()
    STRING = auto()
    ARGUMENTS = auto()
    ARGUMENT_REGEX = auto()
    WANT_DIGEST = auto()
    INCLUDE = auto()
    PATH = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A token; ``arguments`` are those of a command, None where none are written."""

    kind: Kind
    text: str
    line: int
    arguments: str | None = None


_WORD = r'(?:[^#>!=:,() \t\r\n\\"]|\\[^\t\n])+'
_ID = r"#-?[0-9]+"
_PATH = r"/(?:\\[,:= \t#]|[^,:=\\ \t\r\n#])+"
_REGEX = r"\^(?:[^#\r\n$\\]|\\[^\r\n])*\$"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_GAP = re.compile("(?=::)")  # also those that overlap
_IPV6 = rf"(?:(?:[0-9A-Fa-f]{{0,4}}:){{2,6}}:?{_IPV4}|(?:[0-9A-Fa-f]{{0,4}}:){{2,7}}(?:[0-9A-Fa-f]{{1,4}})?)"
_TAGS = "(?:NO)?(?:PASSWD|EXEC|INTERCEPT|SETENV|LOG_OUTPUT|LOG_INPUT|MAIL|FOLLOW)"
_DIGEST_BYTES = {"sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}

_ANY = frozenset(_State)
_INITIAL = frozenset({_State.INITIAL})
_NAMES = frozenset({_State.INITIAL, _State.GOT_DEFAULTS})
# The states that know, besides their own rules, those that name no state.
_OPEN = frozenset({_State.INITIAL, _State.GOT_DEFAULTS, _State.WANT_DIGEST, _State.PATH})
_SETTINGS = frozenset({_State.START_SETTINGS, _State.IN_SETTINGS})
_COMMENTS = _INITIAL | _SETTINGS


def _in(*states: _State) -> frozenset[_State]:
    return frozenset(states)


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a sudoers file. What fits nothing is an ERROR; each line ends with END."""
    return _Scanner(text if text.endswith("\n") or not text else text + "\n").run()


def unescaped(text: str) -> str:
    r"""A word without the backslashes that quote its characters; \xHH is a character by its number."""

    def plain(found: re.Match[str]) -> str:
        return chr(int(found[1], 16)) if found[1] else found[2]

    return re.sub(r"\\(?:x([0-9A-Fa-f]{2})|(.))", plain, text, flags=re.DOTALL)


class _Scanner:
    """Goes through a text once. Each action is given what its rule matched, and makes a token or none."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._start = 0
        self._line = 1
        self._state = _State.INITIAL
        self._before = _State.INITIAL  # the state that a string or a path goes back to
        self._continued = False
        self._saw_blank = False
        self._string = ""
        self._command = ""
        self._arguments: str | None = None
        self._digest_bytes = 0

    def run(self) -> Iterator[Token]:
        while self._at < len(self._text):
            self._start = self._at
            found, action = self._longest()
            self._at += len(found)
            token = action(self, found)
            if token is not None:
                yield token

    def _longest(self) -> tuple[str, _Action]:
        best = ""
        chosen: _Action = _Scanner.nothing
        for pattern, action in _RULES_OF[self._state]:
            match = pattern.match(self._text, self._at)
            if match is not None and len(match[0]) > len(best):
                best, chosen = match[0], action
        return best or self._text[self._at], chosen

    def _token(self, kind: Kind, text: str) -> Token:
        return Token(kind, text, self._line)

    def _back_to(self, end: int) -> None:
        """Take only so many characters of what was matched."""
        self._at = self._start + end

    # --- settings of a Defaults line

    def comma(self, _found: str) -> Token:
        return self._token(Kind.SYMBOL, ",")

    def settings(self, _found: str) -> None:
        self._state = _State.START_SETTINGS

    def setting(self, found: str) -> Token:
        self._state = _State.IN_SETTINGS
        return self._token(Kind.SETTING, found)

    def next_setting(self, _found: str) -> Token:
        self._state = _State.START_SETTINGS
        return self._token(Kind.SYMBOL, ",")

    def symbol(self, found: str) -> Token:
        return self._token(Kind.SYMBOL, found)

    def word(self, found: str) -> Token:
        return self._token(Kind.WORD, unescaped(found))

    # --- strings

    def quote(self, _found: str) -> None:
        self._string = ""
        self._before = _State.INITIAL if self._state is _State.INCLUDE else self._state
        self._state = _State.STRING

    def string(self, found: str) -> None:
        self._string += found

    def string_continues(self, _found: str) -> None:
        self._line += 1

    def unquote(self, _found: str) -> Token:
        self._state = self._before
        text = unescaped(self._string)
        if not text:
            return self._token(Kind.ERROR, "empty string")
        if self._before is not _State.IN_SETTINGS and text[0] in "%+":
            if text in {"%", "%:", "+"}:
                return self._token(Kind.ERROR, "empty group")
            return self._token(Kind.GROUP if text[0] == "%" else Kind.NETGROUP, text)
        return self._token(Kind.WORD, text)

    # --- commands and their arguments

    def command(self, found: str) -> Token | None:
        self._command, self._arguments, self._saw_blank = _command(found), None, False
        if found.endswith("/") and found.startswith("/"):
            return self._token(Kind.COMMAND, self._command)  # a folder has no arguments
        self._state = _State.ARGUMENTS
        return None

    def whole_command(self, found: str) -> Token:
        return self._token(Kind.COMMAND, _command(found))

    def _add(self, text: str, *, blank: bool) -> None:
        gap = " " if blank and self._arguments is not None else ""
        self._arguments = (self._arguments or "") + gap + text
        self._saw_blank = False

    def argument(self, found: str) -> None:
        self._add(found, blank=self._saw_blank)

    def escaped_argument(self, found: str) -> None:
        self._add(found[1:], blank=self._saw_blank)

    def argument_or_regex(self, found: str) -> None:
        if self._arguments is None and found.startswith("^"):
            self._state = _State.ARGUMENT_REGEX
            self._back_to(0)
            self._arguments = ""
            return
        self._add(found, blank=self._saw_blank)

    def command_ends(self, _found: str) -> Token:
        self._state = _State.INITIAL
        self._back_to(0)
        return Token(Kind.COMMAND, self._command, self._line, self._arguments)

    def regex(self, found: str) -> None:
        self._add(found.lstrip(" \t") if self._continued else found, blank=False)
        self._continued = False

    def regex_ends(self, _found: str) -> Token:
        self._add("$", blank=False)
        self._state = _State.INITIAL
        self._continued = False
        return Token(Kind.COMMAND, self._command, self._line, self._arguments)

    def regex_breaks(self, _found: str) -> Token:
        self._state = _State.INITIAL
        self._back_to(0)
        return self._token(Kind.ERROR, "unterminated regular expression")

    def digest_kind(self, found: str) -> Token:
        self._state = _State.WANT_DIGEST
        self._digest_bytes = _DIGEST_BYTES[found]
        return self._token(Kind.DIGEST_KIND, found)

    def digest(self, found: str) -> Token | None:
        self._state = _State.INITIAL
        size = self._digest_bytes
        hexadecimal = re.fullmatch(r"[0-9A-Fa-f]+", found) is not None and len(found) == 2 * size
        padded = 4 * ((size + 2) // 3) if found.endswith("=") else (4 * size + 2) // 3
        return self._token(Kind.DIGEST, found) if hexadecimal or len(found) == padded else None

    # --- what begins a line

    def _begin(self, kind: Kind, text: str, state: _State) -> Token:
        if self._continued:
            return self._token(Kind.ERROR, "invalid line continuation")
        self._state = state
        return self._token(kind, text)

    def include(self, _found: str) -> Token:
        return self._begin(Kind.INCLUDE, "", _State.INCLUDE)

    def include_folder(self, _found: str) -> Token:
        return self._begin(Kind.INCLUDE_FOLDER, "", _State.INCLUDE)

    def hash_include(self, _found: str) -> Token:
        self._back_to(len("#include"))
        return self.include("")

    def hash_include_folder(self, _found: str) -> Token:
        self._back_to(len("#includedir"))
        return self.include_folder("")

    def include_word(self, found: str) -> Token:
        self._state = _State.INITIAL
        return self.word(found)

    def defaults(self, found: str) -> Token:
        after = found.index("Defaults") + len("Defaults")
        scope = found[after : after + 1]
        if scope:
            rest = found[after + 1 :]
            self._back_to(after + 1 + len(rest) - len(rest.lstrip(" \t")))
        return self._begin(Kind.DEFAULTS, scope, _State.GOT_DEFAULTS)

    def aliases(self, found: str) -> Token:
        return self._begin(Kind.ALIASES, found.strip()[0], _State.INITIAL)

    # --- names

    def tag(self, found: str) -> Token:
        return self._token(Kind.TAG, found.rstrip(": \t"))

    def empty_group(self, _found: str) -> Token:
        return self._token(Kind.ERROR, "empty group")

    def netgroup(self, found: str) -> Token:
        return self._token(Kind.NETGROUP, unescaped(found))

    def group(self, found: str) -> Token:
        return self._token(Kind.GROUP, unescaped(found))

    def address(self, found: str) -> Token:
        # All that sudo asks beyond the pattern; a lone colon in front is no trouble to it.
        if any(len(_GAP.findall(part)) > 1 for part in found.split("/")):
            return self._token(Kind.ERROR, "invalid IPv6 address")
        return self._token(Kind.ADDRESS, found)

    def all(self, found: str) -> Token:
        return self._token(Kind.ALL, found)

    def option(self, found: str) -> Token:
        return self._token(Kind.OPTION, found)

    def path_option(self, found: str) -> Token:
        self._before = self._state
        self._state = _State.PATH
        return self._token(Kind.OPTION, found)

    def path_word(self, found: str) -> Token:
        self._state = self._before
        return self.word(found)

    def alias(self, found: str) -> Token:
        return self._token(Kind.ALIAS, found)

    # --- blanks, ends and the rest

    def negation(self, found: str) -> Token | None:
        return self._token(Kind.SYMBOL, "!") if len(found) % 2 else None

    def newline(self, _found: str) -> Token:
        if self._state is _State.STRING:
            self._state = _State.INITIAL
            self._back_to(0)
            return self._token(Kind.ERROR, "unexpected line break in string")
        return self._end()

    def _end(self) -> Token:
        token = self._token(Kind.END, "")
        self._state = _State.INITIAL
        self._line += 1
        self._continued = False
        return token

    def blank(self, _found: str) -> None:
        self._saw_blank = True

    def continuation(self, _found: str) -> None:
        self._saw_blank = True
        self._continued = True
        self._line += 1

    def comment(self, found: str) -> Token:
        if not found.endswith("\n") and self._at < len(self._text):
            return self._token(Kind.ERROR, found)  # a number stands glued to something else
        return self._end()

    def nothing(self, found: str) -> Token:
        return self._token(Kind.ERROR, found)


def _command(found: str) -> str:
    return re.sub(r"\\([,:= \t#])", r"\1", found) if found.startswith("/") else found


_Action = Callable[[_Scanner, str], Token | None]

# (states, pattern, action): the first of the longest matches counts.
_RULES: tuple[tuple[frozenset[_State], str, _Action], ...] = (
    (_in(_State.GOT_DEFAULTS), r"[ \t]*,[ \t]*", _Scanner.comma),
    (_in(_State.GOT_DEFAULTS), r"[ \t]+", _Scanner.settings),
    (_in(_State.START_SETTINGS), r"[a-z_]+", _Scanner.setting),
    (_in(_State.IN_SETTINGS), r",", _Scanner.next_setting),
    (_in(_State.IN_SETTINGS), r"[+-]?=", _Scanner.symbol),
    (_in(_State.IN_SETTINGS), r'"', _Scanner.quote),
    (
        _in(_State.IN_SETTINGS),
        r'(?:[^#!=, \t\r\n\\"]|\\[^\r\n])(?:[^#=, \t\r\n\\"]|\\[^\r\n])*',
        _Scanner.word,
    ),
    (_in(_State.STRING), r"\\[ \t]*\r?\n[ \t]*", _Scanner.string_continues),
    (_in(_State.STRING), r'"', _Scanner.unquote),
    (_in(_State.STRING), r"\\", _Scanner.string),
    (_in(_State.STRING), r'(?:[^"\r\n\\]|\\")+', _Scanner.string),
    (_in(_State.ARGUMENTS), r"\\[*?\[\]!^]", _Scanner.argument),
    (_in(_State.ARGUMENTS), r"\\[:\\,= \t#]", _Scanner.escaped_argument),
    (_in(_State.ARGUMENTS), r"[#:,=\r\n]", _Scanner.command_ends),
    (_in(_State.ARGUMENTS), r"[^#\\:, \t\r\n]+", _Scanner.argument_or_regex),
    (_in(_State.ARGUMENT_REGEX), r"\\[^\r\n]", _Scanner.regex),
    (_in(_State.ARGUMENT_REGEX), r"[#\r\n]", _Scanner.regex_breaks),
    (_in(_State.ARGUMENT_REGEX), r"\$", _Scanner.regex_ends),
    (_in(_State.ARGUMENT_REGEX), r"[^#\\\r\n$]+", _Scanner.regex),
    (_in(_State.WANT_DIGEST), r"[A-Za-z0-9+/=]+", _Scanner.digest),
    (_INITIAL, r"@include", _Scanner.include),
    (_INITIAL, r"@includedir", _Scanner.include_folder),
    (_INITIAL, r"^#include[ \t]+[^\n]*\n?", _Scanner.hash_include),
    (_INITIAL, r"^#includedir[ \t]+[^\n]*\n?", _Scanner.hash_include_folder),
    (_INITIAL, rf'^[ \t]*Defaults(?:[:@>!][ \t]*!*"?(?:{_ID}|{_WORD}))?', _Scanner.defaults),
    (_INITIAL, r"^[ \t]*(?:Host|Cmnd|Cmd|User|Runas)_Alias", _Scanner.aliases),
    (_OPEN, rf"{_TAGS}[ \t]*:", _Scanner.tag),
    (_NAMES, r"\+|%:?", _Scanner.empty_group),
    (_OPEN, rf"\+{_WORD}", _Scanner.netgroup),
    (_OPEN, rf"%:?(?:{_WORD}|{_ID})", _Scanner.group),
    (_OPEN, rf"{_IPV4}(?:/{_IPV4})?", _Scanner.address),
    (_OPEN, rf"{_IPV4}/(?:3[0-2]|[12]?[0-9])", _Scanner.address),
    (_OPEN, rf"{_IPV6}(?:/{_IPV6})?", _Scanner.address),
    (_OPEN, rf"{_IPV6}/(?:12[0-8]|1[01][0-9]|[1-9][0-9]|[0-9])", _Scanner.address),
    (_OPEN, r"ALL", _Scanner.all),
    (_INITIAL, r"TIMEOUT|NOTBEFORE|NOTAFTER|ROLE|TYPE|APPARMOR_PROFILE", _Scanner.option),
    (_INITIAL, r"CWD|CHROOT", _Scanner.path_option),
    (_OPEN, r"[A-Z][A-Z0-9_]*", _Scanner.alias),
    (_in(_State.GOT_DEFAULTS), rf"{_PATH}|{_REGEX}|sudoedit", _Scanner.whole_command),
    (_OPEN, r"sha(?:224|256|384|512)", _Scanner.digest_kind),
    (_OPEN, r"sudoedit|list", _Scanner.command),
    (_in(_State.PATH), rf"{_PATH}|{_WORD}", _Scanner.path_word),
    (_OPEN, _PATH, _Scanner.command),
    (_OPEN, _REGEX, _Scanner.command),
    (_NAMES, r'"', _Scanner.quote),
    (_NAMES, rf"{_ID}|{_WORD}", _Scanner.word),
    (_in(_State.INCLUDE), r'(?:[^"\s\\]|\\[^\r\n])(?:[^\s\\]|\\[ \t]|\\(?=\S))*', _Scanner.include_word),
    (_in(_State.INCLUDE), r'"', _Scanner.quote),
    (_OPEN, r"[(),=:]", _Scanner.symbol),
    (_ANY, r"!+", _Scanner.negation),
    (_ANY, r"\r?\n", _Scanner.newline),
    (_ANY, r"[ \t]+", _Scanner.blank),
    (_ANY, r"\\[ \t]*\r?\n", _Scanner.continuation),
    (_COMMENTS, r"#(?:-[^\r\n0-9][^\n]*|[^\r\n0-9-][^\n]*)?\n?", _Scanner.comment),
    (_ANY, r".", _Scanner.nothing),
)
_RULES_OF: dict[_State, list[tuple[re.Pattern[str], _Action]]] = {
    state: [
        (re.compile(pattern, re.MULTILINE), action) for states, pattern, action in _RULES if state in states
    ]
    for state in _State
}
