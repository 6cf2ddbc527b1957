"""Reading TOML that people write: every mistake is reported as file, line, key and what was expected."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from hardentui.errors import InputError

Key = tuple[str | int, ...]
E = TypeVar("E", bound=StrEnum)
V = TypeVar("V")

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


class MistakesError(InputError):
    """One or more mistakes in a TOML file; each is one line "FILE:LINE: KEY: what is wrong"."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def key_lines(text: str) -> dict[Key, int]:
    """The line (from 1) on which each key or table of a valid TOML text begins."""
    places: dict[Key, int] = {}
    counts: dict[Key, int] = {}
    table: Key = ()
    closing = ""
    for number, line in enumerate(text.splitlines(), 1):
        if closing:
            if closing in line:
                closing = ""
            continue
        if header := _HEADER.match(line):
            table = _open(header, counts)
            places.setdefault(table, number)
        elif found := _ASSIGNMENT.match(line):
            places[table + _parts(found[1])] = number
            for quote in ('"""', "'''"):
                if line[found.end() :].count(quote) == 1:
                    closing = quote
    return places


def _parts(dotted: str) -> Key:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _open(header: re.Match[str], counts: dict[Key, int]) -> Key:
    path: Key = ()
    names = _parts(header[2])
    for position, name in enumerate(names):
        path = (*path, name)
        last = position == len(names) - 1
        if last and header[1] == "[[":
            counts[path] = counts.get(path, -1) + 1
            for inner in [known for known in counts if known[: len(path)] == path and known != path]:
                del counts[inner]
        if path in counts:
            path = (*path, counts[path])
    return path


@dataclass
class Report:
    """The mistakes found in one file, with the means to say where they are."""

    file: str
    text: str
    mistakes: list[str] = field(default_factory=list)
    _places: dict[Key, int] | None = None

    def add(self, key: Key, what: str) -> None:
        """Note a mistake at ``key``."""
        if self._places is None:
            self._places = key_lines(self.text)
        line, known = 1, key
        while known:
            if known in self._places:
                line = self._places[known]
                break
            known = known[:-1]
        name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).lstrip(".")
        self.mistakes.append(f"{self.file}:{line}: {name or 'file'}: {what}")

    def close(self) -> None:
        """Raise what was found.

        Raises:
            MistakesError: at least one mistake was noted.
        """
        if self.mistakes:
            raise MistakesError(self.mistakes)


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """The text and the parsed content of a TOML file.

    Raises:
        MistakesError: it cannot be read, is not UTF-8, or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise MistakesError([f"{path}: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise MistakesError([f"{path}: not UTF-8 text: byte {error.start}"]) from error
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = re.search(r"\(at line (\d+), column (\d+)\)", message)
        line = found[1] if found else str(text.count("\n") + 1)
        raise MistakesError([f"{path}:{line}: not TOML: {message}"]) from error
    except (ValueError, RecursionError) as error:
        raise MistakesError([f"{path}: not TOML that can be read: {type(error).__name__}"]) from error


class Table:
    """A TOML table being read. Getters note mistakes in the report and go on with a stand-in."""

    def __init__(self, report: Report, data: Any, key: Key = ()) -> None:
        self.report = report
        self.key = key
        self._seen: set[str] = set()
        if not isinstance(data, dict):
            report.add(key, f"expected a table, found {_named(data)}")
            data = {}
        self._data: dict[str, Any] = data

    def __contains__(self, name: str) -> bool:
        return name in self._data

    def wrong(self, name: str, what: str) -> None:
        """Note a mistake at ``name``."""
        self.report.add((*self.key, name) if name else self.key, what)

    def get(self, name: str, kind: type[V], default: V | None = None) -> V:
        """The value at ``name``, which must be of ``kind``; required when there is no default."""
        self._seen.add(name)
        value = self._data.get(name)
        if value is None:
            if default is None:
                self.wrong(name, f"missing, expected {_named(kind())}")
                return kind()
            return default
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            self.wrong(name, f"expected {_named(kind())}, found {_named(value)}")
            return kind() if default is None else default
        return value

    def string(self, name: str, default: str | None = None) -> str:
        """A string."""
        return self.get(name, str, default)

    def strings(self, name: str) -> tuple[str, ...]:
        """A list of strings, empty when it is not there."""
        found = self.get(name, list, [])
        for position, item in enumerate(found):
            if not isinstance(item, str):
                self.report.add((*self.key, name, position), f"expected a string, found {_named(item)}")
        return tuple(item for item in found if isinstance(item, str))

    def choice(self, name: str, enum: type[E], default: E | None = None) -> E:
        """One word of an enumeration."""
        value = self.string(name, default.value if default is not None else None)
        try:
            return enum(value)
        except ValueError:
            if isinstance(self._data.get(name), str):  # else it is noted already
                self.wrong(name, f"expected one of {', '.join(enum)}, found {value!r}")
            return next(iter(enum))

    def day(self, name: str) -> date | None:
        """A date, or None when it is not there."""
        self._seen.add(name)
        value = self._data.get(name)
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        self.wrong(name, f"expected a date such as 2027-05-21, found {_named(value)}")
        return None

    def moment(self, name: str) -> datetime:
        """A date and time with its offset."""
        self._seen.add(name)
        value = self._data.get(name)
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value
        self.wrong(name, f"expected a time such as 2026-11-21T14:02:31Z, found {_named(value)}")
        return datetime.fromisoformat("1970-01-01T00:00:00+00:00")

    def table(self, name: str) -> Table | None:
        """A table, or None when it is not there."""
        self._seen.add(name)
        return Table(self.report, self._data[name], (*self.key, name)) if name in self._data else None

    def tables(self, name: str) -> Iterator[Table]:
        """The tables of an array, none when it is not there."""
        self._seen.add(name)
        found = self._data.get(name, [])
        if not isinstance(found, list):
            self.wrong(name, f"expected an array of tables, found {_named(found)}")
            return
        for position, item in enumerate(found):
            yield Table(self.report, item, (*self.key, name, position))

    def named_tables(self, name: str) -> Iterator[tuple[str, Table]]:
        """The tables in a table, by name."""
        inner = self.table(name)
        if inner is not None:
            for key, value in inner.rest().items():
                yield key, Table(self.report, value, (*inner.key, key))

    def rest(self) -> dict[str, Any]:
        """Everything of this table, as parsed; for tables whose keys are data."""
        self._seen.update(self._data)
        return self._data

    def attempt(self, name: str, make: Callable[[], V], instead: V) -> V:
        """What ``make`` gives, or ``instead`` after noting its ValueError at ``name``."""
        try:
            return make()
        except ValueError as error:
            self.wrong(name, str(error))
            return instead

    def close(self) -> None:
        """Note every key that was not asked for: a misspelt key must not be lost in silence."""
        for name in self._data:
            if name not in self._seen:
                self.wrong(name, f"unknown key; known here: {', '.join(sorted(self._seen))}")


def _named(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case str():
            return f"the string {value!r}" if value else "a string"
        case int():
            return f"the number {value}" if value else "a number"
        case list():
            return "a list"
        case dict():
            return "a table"
        case None:
            return "nothing"
        case _:
            return f"{value!r}"
