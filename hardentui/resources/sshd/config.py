"""A pure reader of sshd_config(5): what sshd would make of its files, and which line says so.

sshd reads its files twice. At start, it takes the lines outside of Match blocks; for each connection,
those of the blocks that match it, which then stand above the others. In each pass the first line for a
keyword wins, but for the few that add up (``Rule.ADD``) or where the last one wins.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from hardentui.resources.patterns import matching
from hardentui.resources.sshd.keywords import (
    KEYWORDS,
    REMOVED,
    REMOVED_IN_MATCH,
    REST_OF_LINE,
    Rule,
    canonical,
)
from hardentui.resources.sshd.match import Block, Connection, holds, read_criteria
from hardentui.snapshot import File, Folder, Snapshot, Unread

MAIN = "/etc/ssh/sshd_config"
FOLDER = "/etc/ssh"
_DEPTH = 16  # of nested includes, sshd's own limit
_SPACE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Line:
    """One line that sets something: where it stands, its text, and within which Match blocks."""

    file: str
    number: int
    text: str
    keyword: str
    values: tuple[str, ...]  # as sshd prints them
    blocks: tuple[Block, ...] = ()

    @property
    def at_start(self) -> bool:
        """Whether it counts when sshd starts: outside of any block, or for ``all``."""
        return all(not block.criteria for block in self.blocks)

    @property
    def who(self) -> str:
        """For whom it holds, as written; "" for everybody."""
        return ", ".join(block.text for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that sshd refuses, and why; it then does not start."""

    file: str
    number: int
    why: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number}: {self.why}"


@dataclass(frozen=True, slots=True)
class Include:
    """An Include line: the file in which it stands, and the patterns that it names, as absolute paths."""

    file: str
    patterns: tuple[str, ...]
    inside_match: bool


class Explicit(StrEnum):
    """Whether the files say a keyword so that nobody can misread it."""

    ONCE = "once"  # on one line, for everybody
    UNSAID = "unsaid"  # nowhere: the default of this release holds
    REPEATED = "repeated"  # on several lines, of which one wins
    CONDITIONAL = "conditional"  # only for some connections


@dataclass(frozen=True, slots=True)
class Outcome:
    """The value of a keyword, the lines that give it, and those that they beat.

    ``values`` has several entries for keywords that add up. Without a line it is the default, and
    None where that depends on the release. ``who`` says for whom it holds, "" for everybody else.
    """

    values: tuple[str, ...] | None
    lines: tuple[Line, ...] = ()
    beaten: tuple[Line, ...] = ()
    who: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """All that the files say, in the order in which sshd reads them."""

    lines: tuple[Line, ...] = ()
    files: tuple[str, ...] = ()
    includes: tuple[Include, ...] = ()
    removed: tuple[Line, ...] = ()
    problems: tuple[Problem, ...] = ()
    unread: tuple[tuple[str, Unread], ...] = ()

    def of(self, keyword: str) -> tuple[Line, ...]:
        """All lines of a keyword, in any block."""
        return tuple(line for line in self.lines if line.keyword == keyword)

    def effective(self, keyword: str, connection: Connection) -> Outcome:
        """The value for one connection; what is not known of it matches no block, as in ``sshd -T``."""
        lines = self.of(keyword)
        at_start = [line for line in lines if line.at_start]
        chosen = [line for line in lines if line.blocks and all(_holds(line.blocks, connection))]
        if not KEYWORDS[keyword].in_match:
            chosen = []
        return _outcome(keyword, chosen or at_start, lines)

    def outcomes(self, keyword: str, connection: Connection) -> tuple[Outcome, ...]:
        """Every value that a connection may get, of which only some is known: blocks first, as they win.

        A block that can never win, because an earlier one has already decided, is left out.
        """
        lines = self.of(keyword)
        found: list[Outcome] = []
        decided: list[frozenset[object]] = []
        by_block: dict[tuple[Block, ...], list[Line]] = {}
        for line in lines if KEYWORDS[keyword].in_match else ():
            if line.blocks:
                by_block.setdefault(line.blocks, []).append(line)
        for blocks, own in by_block.items():
            answers = _holds(blocks, connection)
            wanted = frozenset(criterion for block in blocks for criterion in block.criteria)
            if False in answers or any(earlier <= wanted for earlier in decided):
                continue
            known = None not in answers
            others = own if not known else [line for line in lines if line.blocks]
            outcome = _outcome(keyword, own, others)
            found.append(outcome if known else _for(outcome, own[0].who))
            decided.append(wanted)
            if known:
                return tuple(found)
        found.append(_outcome(keyword, [line for line in lines if line.at_start], lines))
        return tuple(found)

    def explicit(self, keyword: str) -> Explicit:
        """Whether the keyword is said once, and for everybody."""
        lines = self.of(keyword)
        if not lines:
            return Explicit.UNSAID
        if len(lines) > 1 and KEYWORDS[keyword].rule is not Rule.ADD:
            return Explicit.REPEATED
        return Explicit.ONCE if all(line.at_start for line in lines) else Explicit.CONDITIONAL


def _for(outcome: Outcome, who: str) -> Outcome:
    return Outcome(outcome.values, outcome.lines, outcome.beaten, who)


def _holds(blocks: tuple[Block, ...], connection: Connection) -> list[bool | None]:
    return [holds(block.criteria, connection) for block in blocks]


def _outcome(keyword: str, chosen: Sequence[Line], among: Sequence[Line]) -> Outcome:
    known = KEYWORDS[keyword]
    if not chosen:
        return Outcome((known.default,) if known.default is not None else None, (), tuple(among))
    if known.rule is Rule.ADD:
        values = tuple(value for line in chosen for value in line.values)
        return Outcome(values, tuple(chosen), tuple(line for line in among if line not in chosen))
    winner = chosen[-1] if known.rule is Rule.LAST else chosen[0]
    return Outcome(winner.values, (winner,), tuple(line for line in among if line is not winner))


# --- reading ----------------------------------------------------------------------------------------


def read(snapshot: Snapshot, *, main: str = MAIN, options: Sequence[str] = ()) -> Config:
    """The configuration that begins at ``main``, with ``-o`` options of the command line before it."""
    reader = _Reader(snapshot)
    for option in options:
        reader.line("-o", 0, option, (), _State())
    reader.file(main, (), 0)
    return reader.config()


class _State:
    """Where the reader is in one file: the Match block that is open."""

    def __init__(self) -> None:
        self.block: Block | None = None


class _Reader:
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._lines: list[Line] = []
        self._files: list[str] = []
        self._includes: list[Include] = []
        self._removed: list[Line] = []
        self._problems: list[Problem] = []
        self._unread: list[tuple[str, Unread]] = []
        self._subsystems: set[str] = set()

    def config(self) -> Config:
        return Config(
            tuple(self._lines),
            tuple(dict.fromkeys(self._files)),
            tuple(self._includes),
            tuple(self._removed),
            tuple(self._problems),
            tuple(dict.fromkeys(self._unread)),
        )

    def file(self, path: str, blocks: tuple[Block, ...], depth: int) -> None:
        text = self._snapshot.ask(File(path))
        if isinstance(text, Unread):
            if not (depth and self._is_folder(path)):  # a folder reads as an empty file
                self._unread.append((path, text))
            return
        self._files.append(path)
        state = _State()
        for number, line in enumerate(text.split("\n"), 1):
            self.line(path, number, line, blocks, state, depth)

    def _is_folder(self, path: str) -> bool:
        return not isinstance(self._snapshot.ask(Folder(path)), Unread)

    def line(
        self,
        path: str,
        number: int,
        written: str,
        outer: tuple[Block, ...],
        state: _State,
        depth: int = 0,
    ) -> None:
        """Take in one line of a file that was included within the blocks ``outer``."""
        text = written.lstrip(" \t\r").rstrip(_SPACE + "\f")
        try:
            word, rest = _first_word(text)
            if not word or word.startswith("#"):
                return
            keyword = canonical(word)
            blocks = (*outer, state.block) if state.block else outer
            if keyword == "match":
                state.block = Block(path, number, read_criteria(_match_words(rest)), text)
            elif keyword == "include":
                self._include(path, _split(rest), blocks, depth)
            else:
                self._set(Line(path, number, written, keyword, (), blocks), word, rest)
        except ValueError as error:
            self._problems.append(Problem(path, number, str(error)))

    def _set(self, line: Line, word: str, rest: str) -> None:
        known = KEYWORDS.get(line.keyword)
        if not rest:
            raise ValueError(f"{word} has no value")
        words = _split(rest)
        if known is None and line.keyword not in REMOVED:
            raise ValueError(f"unknown keyword {word}")
        may = known.in_match if known else line.keyword in REMOVED_IN_MATCH
        if not may and not line.at_start:
            raise ValueError(f"{word} is not allowed in a Match block")
        if known is None:
            self._removed.append(line)
            return
        if line.keyword in REST_OF_LINE:
            words = [rest.strip(_SPACE)]
        values = known.read(words)
        if line.keyword == "subsystem" and line.at_start:
            if words[0] in self._subsystems:
                raise ValueError(f"the subsystem {words[0]} is there already")
            self._subsystems.add(words[0])
        if values or known.rule is not Rule.ADD:
            self._lines.append(Line(line.file, line.number, line.text, line.keyword, values, line.blocks))

    def _include(self, path: str, patterns: Sequence[str], blocks: tuple[Block, ...], depth: int) -> None:
        if not patterns or "" in patterns:
            raise ValueError("Include names no file")
        if depth >= _DEPTH:
            raise ValueError("too many files include each other")
        whole = [pattern if pattern[0] in "/~" else f"{FOLDER}/{pattern}" for pattern in patterns]
        self._includes.append(Include(path, tuple(whole), bool(blocks)))
        for pattern in whole:
            names, obstacles = matching(self._snapshot, pattern)
            self._unread += obstacles
            for name in names:
                self.file(name, blocks, depth + 1)


def _first_word(text: str) -> tuple[str, str]:
    """The first word of a line, and the rest: cut at white space, or at one equals sign.

    Raises:
        ValueError: no line of a text file.
    """
    if "\0" in text:
        raise ValueError("a NUL byte")
    if text.startswith('"'):
        word, quote, rest = text[1:].partition('"')
        return (word, rest.lstrip(_SPACE)) if quote else ("", "")
    found = re.match(r'([^ \t\r\n"=]*)([ \t\r\n]*)(=?)[ \t\r\n]*', text)
    if found is None:
        return text, ""
    return found[1], text[found.end() :]


def _match_words(text: str) -> list[str]:
    words = []
    rest = text
    while rest:
        word, rest = _first_word(rest)
        if not word or word.startswith("#"):
            break
        words.append(word)
    return words


def _split(text: str) -> list[str]:  # noqa: C901 - one case for each sign that means something
    """The words of a value: quotes of both kinds, a backslash before quotes, itself and spaces.

    Raises:
        ValueError: a quote is not closed.
    """
    words: list[str] = []
    word: list[str] | None = None
    quote = ""
    signs = iter(enumerate(text))
    for at, sign in signs:
        after = text[at + 1 : at + 2]
        if word is None:
            if sign in " \t":
                continue
            if sign == "#":
                break
            word = []
        if sign == "\\" and after and (after in "'\"\\" or (not quote and after == " ")):
            word.append(after)
            next(signs)
        elif not quote and sign in " \t":
            words.append("".join(word))
            word = None
        elif not quote and sign in "\"'":
            quote = sign
        elif sign == quote:
            quote = ""
        else:
            word.append(sign)
    if quote:
        raise ValueError("a quote is not closed")
    if word is not None:
        words.append("".join(word))
    return words
