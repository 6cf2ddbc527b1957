"""The sentences of sudoers: one text to its settings, aliases, rules, includes and errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from hardentui.resources.sudoers.tokens import Kind, Token, tokens


class MemberKind(StrEnum):
    """What a member of a list is."""

    ALL = "all"
    ALIAS = "alias"
    NAME = "name"  # of a user, host or group; #ID is an id
    GROUP = "group"
    NETGROUP = "netgroup"
    ADDRESS = "address"
    COMMAND = "command"
    MYSELF = "myself"  # an empty list of target users: the one who asks


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a list of users, hosts, groups or commands; ``digests`` as "sha256:HEX"."""

    kind: MemberKind
    text: str = ""
    arguments: str | None = None
    negated: bool = False
    digests: tuple[str, ...] = ()

    def show(self) -> str:
        """The member as it may be written."""
        words = {MemberKind.ALL: "ALL", MemberKind.MYSELF: ""}.get(self.kind, self.text)
        arguments = f" {self.arguments}" if self.arguments is not None else ""
        return f"{'!' if self.negated else ''}{words}{arguments}"


@dataclass(frozen=True, slots=True)
class Place:
    """A file and a line of it."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a Defaults line.

    ``scope`` is "" for all, or ":", "@", ">" and "!" for the users, hosts, target users and commands
    of ``members``. ``operator`` is "" for a flag that is set, "!" for one that is unset, "=", "+=", "-=".
    """

    scope: str
    members: tuple[Member, ...]
    name: str
    operator: str
    value: str
    place: Place


@dataclass(frozen=True, slots=True)
class Alias:
    """A named list; ``kind`` is "User", "Runas", "Host" or "Cmnd"."""

    kind: str
    name: str
    members: tuple[Member, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Rule:
    """One command that some users may run on some hosts, with the tags that count for it.

    ``as_users`` and ``as_groups`` are None where none are written: then the target user is
    ``runas_default``, which is root unless it is set.
    """

    users: tuple[Member, ...]
    hosts: tuple[Member, ...]
    command: Member
    as_users: tuple[Member, ...] | None
    as_groups: tuple[Member, ...] | None
    tags: Mapping[str, bool]  # PASSWD, EXEC, SETENV ...: False where NO stands before
    options: Mapping[str, str]
    place: Place


@dataclass(frozen=True, slots=True)
class Include:
    """A file or a folder to be read here; the path as written."""

    path: str
    folder: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Mistake:
    """A line that sudo cannot read."""

    what: str
    place: Place


T = TypeVar("T")
Item = Setting | Alias | Rule | Include | Mistake

_ALIAS_KINDS = {"H": "Host", "C": "Cmnd", "U": "User", "R": "Runas"}
_OPTION_FORMS = {
    "TIMEOUT": re.compile(r"[0-9]+|(?:[0-9]+[dD])?(?:[0-9]+[hH])?(?:[0-9]+[mM])?(?:[0-9]+[sS])?"),
    "NOTBEFORE": re.compile(r"[0-9]{10}(?:[0-9]{2}){0,2}(?:[.,][0-9])?(?:Z|[+-][0-9]{2}(?:[0-9]{2})?)?"),
    "NOTAFTER": re.compile(r"[0-9]{10}(?:[0-9]{2}){0,2}(?:[.,][0-9])?(?:Z|[+-][0-9]{2}(?:[0-9]{2})?)?"),
}
_NAMED = {
    Kind.WORD: MemberKind.NAME,
    Kind.ALIAS: MemberKind.ALIAS,
    Kind.ALL: MemberKind.ALL,
    Kind.GROUP: MemberKind.GROUP,
    Kind.NETGROUP: MemberKind.NETGROUP,
    Kind.ADDRESS: MemberKind.ADDRESS,
    Kind.COMMAND: MemberKind.COMMAND,
}
_GROUPS = frozenset({Kind.WORD, Kind.ALIAS, Kind.ALL})
_USERS = _GROUPS | {Kind.GROUP, Kind.NETGROUP}
_HOSTS = _GROUPS | {Kind.NETGROUP, Kind.ADDRESS}
_COMMANDS = frozenset({Kind.COMMAND, Kind.ALIAS, Kind.ALL})


def parse(text: str, file: str) -> tuple[Item, ...]:
    """What a text says, in order; each line that sudo cannot read is a Mistake, and the rest counts."""
    return tuple(item for line in _lines(tokens(text)) for item in _Line(line, file).items())


def _lines(stream: Iterable[Token]) -> Iterator[list[Token]]:
    line: list[Token] = []
    for token in stream:
        if token.kind is not Kind.END:
            line.append(token)
        elif line:
            yield line
            line = []
    if line:
        # The text ends in the middle of a line that was to go on.
        yield [*line, Token(Kind.ERROR, "end of file", line[-1].line)]


class _SyntaxError(Exception):
    """The line stops making sense; the message says where."""


class _Line:
    """The tokens of one line, read from left to right."""

    def __init__(self, line: list[Token], file: str) -> None:
        self._tokens = line
        self._at = 0
        self._place = Place(file, line[0].line)

    def items(self) -> list[Item]:
        """What the line says: a mistake takes the whole line along, as in sudo."""
        try:
            items = self._statement()
            self._demand_end()
        except _SyntaxError as error:
            return [Mistake(str(error), self._place)]
        return items

    def _statement(self) -> list[Item]:
        first = self._tokens[0]
        match first.kind:
            case Kind.DEFAULTS:
                self._at = 1
                return self._settings(first.text)
            case Kind.ALIASES:
                self._at = 1
                return self._separated(lambda: self._alias(_ALIAS_KINDS[first.text]), ":")
            case Kind.INCLUDE | Kind.INCLUDE_FOLDER:
                self._at = 1
                path = self._take(Kind.WORD).text
                return [Include(path, first.kind is Kind.INCLUDE_FOLDER, self._place)]
            case _:
                users = self._members(_USERS)
                return [rule for rules in self._separated(lambda: self._rules(users), ":") for rule in rules]

    # --- small steps

    def _next(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, *kinds: Kind) -> Token:
        token = self._next()
        if token is None:
            raise _SyntaxError("the line ends too early")
        if token.kind not in kinds:
            raise _SyntaxError(f"unexpected {token.text!r}")
        self._at += 1
        return token

    def _symbol(self, *texts: str) -> str:
        """The symbol that comes next, if it is one of these; else ""."""
        token = self._next()
        if token is None or token.kind is not Kind.SYMBOL or token.text not in texts:
            return ""
        self._at += 1
        return token.text

    def _demand(self, text: str) -> None:
        if not self._symbol(text):
            token = self._next()
            raise _SyntaxError(f"{text!r} expected, found {token.text if token else 'the end of the line'!r}")

    def _demand_end(self) -> None:
        if (token := self._next()) is not None:
            raise _SyntaxError(f"unexpected {token.text!r}")

    def _separated(self, read: Callable[[], T], separator: str) -> list[T]:
        found = [read()]
        while self._symbol(separator):
            found.append(read())
        return found

    # --- lists

    def _members(self, kinds: frozenset[Kind]) -> tuple[Member, ...]:
        return tuple(self._separated(lambda: self._member(kinds), ","))

    def _member(self, kinds: frozenset[Kind]) -> Member:
        negated = bool(self._symbol("!"))
        token = self._take(*kinds)
        return Member(_NAMED[token.kind], token.text, token.arguments, negated)

    def _command(self) -> Member:
        digests: list[str] = []
        while (token := self._next()) is not None and token.kind is Kind.DIGEST_KIND:
            self._at += 1
            self._demand(":")
            digests.append(f"{token.text}:{self._take(Kind.DIGEST).text}")
            if not self._symbol(","):
                break
        member = self._member(_COMMANDS)
        if digests and member.kind is MemberKind.ALIAS:
            raise _SyntaxError("a digest requires a path name")
        return replace(member, digests=tuple(digests))

    # --- statements

    def _settings(self, scope: str) -> list[Item]:
        members: tuple[Member, ...] = ()
        if scope == "!":
            members = tuple(self._separated(self._command, ","))
        elif scope:
            members = self._members(_HOSTS if scope == "@" else _USERS)
        return list(self._separated(lambda: self._setting(scope, members), ","))

    def _setting(self, scope: str, members: tuple[Member, ...]) -> Setting:
        unset = self._symbol("!")
        name = self._take(Kind.SETTING).text
        operator = "" if unset else self._symbol("=", "+=", "-=")
        value = self._take(Kind.WORD).text if operator else ""
        return Setting(scope, members, name, unset or operator, value, self._place)

    def _alias(self, kind: str) -> Alias:
        name = self._take(Kind.ALIAS).text
        self._demand("=")
        if kind == "Cmnd":
            members = tuple(self._separated(self._command, ","))
        else:
            members = self._members(_HOSTS if kind == "Host" else _USERS)
        return Alias(kind, name, members, self._place)

    def _rules(self, users: tuple[Member, ...]) -> list[Rule]:
        hosts = self._members(_HOSTS)
        self._demand("=")
        rules: list[Rule] = []
        while True:
            rules.append(self._rule(users, hosts, rules[-1] if rules else None))
            if not self._symbol(","):
                return rules

    def _rule(self, users: tuple[Member, ...], hosts: tuple[Member, ...], before: Rule | None) -> Rule:
        """One command. What is not written for it is taken from the command before it on the line."""
        as_users, as_groups = self._targets()
        options = self._options()
        tags = self._tags()
        command = self._command()
        if before is not None:
            if as_users is None and as_groups is None:
                as_users, as_groups = before.as_users, before.as_groups
            options = {**before.options, **options}
            # ALL lets the caller set the environment, unless its own tag says otherwise.
            unset = command.kind is MemberKind.ALL and not command.negated and "SETENV" not in tags
            tags = {tag: on for tag, on in before.tags.items() if tag != "SETENV" or not unset} | tags
        return Rule(users, hosts, command, as_users, as_groups, tags, options, self._place)

    def _targets(self) -> tuple[tuple[Member, ...] | None, tuple[Member, ...] | None]:
        if not self._symbol("("):
            return None, None
        users: tuple[Member, ...] | None = None
        groups: tuple[Member, ...] | None = None
        token = self._next()
        if token is not None and (token.kind in _USERS or token.text == "!"):
            users = self._members(_USERS)
        if self._symbol(":"):
            token = self._next()
            if users is not None or (token is not None and token.text != ")"):
                groups = self._members(_GROUPS)
        self._demand(")")
        if users is None and groups is None:
            users = (Member(MemberKind.MYSELF),)
        return users, groups

    def _options(self) -> dict[str, str]:
        options = {}
        while (token := self._next()) is not None and token.kind is Kind.OPTION:
            self._at += 1
            self._demand("=")
            value = self._take(Kind.WORD).text
            form = _OPTION_FORMS.get(token.text)
            if form and not form.fullmatch(value):
                raise _SyntaxError(f"invalid value {value!r} of {token.text}")
            options[token.text] = value
        return options

    def _tags(self) -> dict[str, bool]:
        tags = {}
        while (token := self._next()) is not None and token.kind is Kind.TAG:
            self._at += 1
            tags[token.text.removeprefix("NO")] = not token.text.startswith("NO")
        return tags
