"""A guide's own list of recommendations (ANSSI's R1 to R80), and what the chapters say of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hardentui.checklist import read_text
from hardentui.model import Checklists, Finding, Level, Recommendation, Result, Text
from hardentui.tables import MistakesError, Report, Table, read_toml

FORMAT = 1
_FOLDER = "guides"
# The result of a guide's recommendation is the first of these among the findings that serve it.
_WORST_FIRST = (
    Result.FAIL,
    Result.ERROR,
    Result.UNKNOWN,
    Result.NOTCHECKED,
    Result.PASS,
    Result.INFORMATIONAL,
    Result.NOTAPPLICABLE,
)


class Standing(StrEnum):
    """How a recommendation of a guide is accounted for."""

    CHECKED = "checked"  # a chapter holds the machine against it
    ATTESTED = "attested"  # a chapter asks a person
    TAUGHT = "taught"  # the text of a section explains it
    OUTSIDE = "outside"  # this tool does not look, and says why
    NOT_BUILT = "not built"  # it belongs to a chapter that does not treat it yet
    MISSING = "missing"  # nothing is said of it


@dataclass(frozen=True, slots=True)
class Entry:
    """One recommendation of a guide. At most one of ``chapter``, ``section`` and ``outside`` is given."""

    id: str
    level: Level
    title: Text
    chapter: str = ""  # the chapter that will treat it
    section: str = ""  # the section that teaches it, as CHAPTER/SECTION
    outside: Text | None = None


@dataclass(frozen=True, slots=True)
class Guide:
    """A guide's list. ``document`` is the name under which the checklists' sources cite it."""

    id: str
    title: Text
    document: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """A recommendation of a guide, and what the chapters say of it; ``result`` is None where none judges."""

    entry: Entry
    standing: Standing
    findings: tuple[Finding, ...] = ()
    result: Result | None = None


def load(folders: Iterable[Path]) -> tuple[Guide, ...]:
    """The guides of these folders (guides/*.toml in each), none where a folder has none.

    Raises:
        MistakesError: with every mistake of every file.
    """
    guides: list[Guide] = []
    mistakes: list[str] = []
    for path in (path for folder in folders for path in sorted((folder / _FOLDER).glob("*.toml"))):
        try:
            text, data = read_toml(path)
            report = Report(str(path), text)
            guides.append(_guide(Table(report, data)))
            report.close()
        except MistakesError as error:
            mistakes += error.mistakes
    if mistakes:
        raise MistakesError(mistakes)
    return tuple(guides)


def account(guide: Guide, checklists: Checklists, findings: Sequence[Finding]) -> tuple[Account, ...]:
    """Every recommendation of ``guide``, in its own order, with the findings that cite it."""
    sections = {f"{c.id}/{s.id}" for c in checklists.chapters for s in c.sections}
    return tuple(_account(entry, _citing(guide, entry, findings), sections) for entry in guide.entries)


def counts(accounts: Iterable[Account]) -> Mapping[Standing, int]:
    """How many recommendations are accounted for in each way."""
    found = [entry.standing for entry in accounts]
    return {standing: found.count(standing) for standing in Standing if standing in found}


def _citing(guide: Guide, entry: Entry, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    def cites(recommendation: Recommendation) -> bool:
        return any(s.document == guide.document and s.place == entry.id for s in recommendation.sources)

    return tuple(finding for finding in findings if cites(finding.recommendation))


def _account(entry: Entry, findings: tuple[Finding, ...], sections: set[str]) -> Account:
    if findings:
        asked = all(finding.recommendation.resource == "attestation" for finding in findings)
        found = {finding.result for finding in findings}
        worst = next(result for result in _WORST_FIRST if result in found)
        return Account(entry, Standing.ATTESTED if asked else Standing.CHECKED, findings, worst)
    if entry.outside is not None:
        return Account(entry, Standing.OUTSIDE)
    if entry.section in sections:
        return Account(entry, Standing.TAUGHT)
    return Account(entry, Standing.NOT_BUILT if entry.chapter else Standing.MISSING)


def _guide(top: Table) -> Guide:
    found = top.get("format", int)
    if found != FORMAT:
        top.wrong("format", f"expected {FORMAT}, found {found}")
    entries: dict[str, Entry] = {}
    for table in top.tables("entries"):
        entry = _entry(table)
        if entry.id in entries:
            table.wrong("id", f"{entry.id!r} stands twice in this file")
        entries[entry.id] = entry
    guide = Guide(
        top.string("guide"), read_text(top, "title"), top.string("document"), tuple(entries.values())
    )
    top.close()
    return guide


def _entry(table: Table) -> Entry:
    entry = Entry(
        id=table.string("id"),
        level=table.choice("level", Level),
        title=read_text(table, "title"),
        chapter=table.string("chapter", ""),
        section=table.string("section", ""),
        outside=read_text(table, "outside") if "outside" in table else None,
    )
    if sum(map(bool, (entry.chapter, entry.section, entry.outside))) > 1:
        table.wrong("", "expected one of chapter, section and outside at most")
    table.close()
    return entry
