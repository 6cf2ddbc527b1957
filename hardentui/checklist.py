"""Checklists: TOML files to recommendations. What they cannot mean is refused, with file, line and key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hardentui import answers
from hardentui.comparison import Comparison, Operator
from hardentui.model import (
    Chapter,
    Checklists,
    Choice,
    Condition,
    Document,
    Erratum,
    Level,
    Question,
    Recommendation,
    Result,
    Section,
    Severity,
    Source,
    Text,
)
from hardentui.tables import MistakesError, Report, Table, read_toml

FORMAT = 1
ID = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")  # of a recommendation
ABSENT = (Result.PASS, Result.FAIL, Result.NOTAPPLICABLE)  # what an absent subject may mean
LEVEL_BY = ("anssi", "hardentui")
_NOTHING = Text("", "")

# (resource, subject, aspect) -> what is wrong with it, or None; see hardentui.resources.check.
Check = Callable[[str, str, str], str | None]


def shipped_folder() -> Path:
    """The folder of the checklists that travel with the package, or stand beside it in the repository."""
    inside = Path(__file__).parent / "checklists"
    beside = Path(__file__).parent.parent / "checklists"
    # The repository's are the truth while one develops: an editable install may hold a stale copy.
    return beside if (beside / "partitioning.toml").is_file() else inside


def load(folders: Iterable[Path], check: Check, hazards: Iterable[str]) -> Checklists:
    """All chapters of these folders (*.toml directly in them), in chapter order.

    A chapter that stands in two files is joined: a site's own checklist adds sections to it.

    Raises:
        MistakesError: with every mistake of every file.
    """
    paths = []
    for folder in folders:
        found = sorted(folder.glob("*.toml"), key=lambda path: path.stem)  # "x" before "x-more"
        if not found and not (folder / "applications").is_dir():
            raise MistakesError([f"{folder}: no checklist (*.toml) in this folder"])
        paths += found
    return load_files(paths, check, hazards)


def load_files(
    paths: Iterable[Path], check: Check, hazards: Iterable[str], asked_elsewhere: Iterable[Question] = ()
) -> Checklists:
    """The chapters of these files, as ``load``. They may depend on each other's questions, and on others."""
    known_hazards = frozenset(hazards)
    digest = hashlib.sha256()
    mistakes: list[list[str]] = []  # of each file in turn, filled while it is read
    files: list[_File] = []
    asked = _Asked(asked_elsewhere)
    for path in paths:
        try:
            text, data = read_toml(path)
        except MistakesError as error:
            mistakes.append(error.mistakes)
            continue
        digest.update(text.encode())
        report = Report(str(path), text)
        mistakes.append(report.mistakes)
        top = Table(report, data)
        files.append(_File(report, top, asked.read(top)))
    chapters: dict[str, Chapter] = {}
    origins: dict[str, str] = {}
    for file in files:
        chapter = _chapter(file, check, known_hazards, asked.questions)
        for entry in chapter.recommendations:
            if entry.id in origins:
                file.report.add((), f"recommendation {entry.id} stands already in {origins[entry.id]}")
            origins[entry.id] = file.report.file
        known = chapters.get(chapter.id)
        chapters[chapter.id] = _joined(known, chapter) if known else chapter
    if any(mistakes):
        raise MistakesError([mistake for found in mistakes for mistake in found])
    ordered = tuple(sorted(chapters.values(), key=lambda chapter: chapter.number))
    return Checklists(ordered, digest.hexdigest())


@dataclass(frozen=True)
class _File:
    """A checklist of which the questions are read, and nothing else yet."""

    report: Report
    top: Table
    questions: tuple[Question, ...]


class _Asked:
    """The questions of all files, so that one file may depend on what another asks."""

    def __init__(self, elsewhere: Iterable[Question]) -> None:
        self.questions = {question.id: question for question in elsewhere}

    def read(self, top: Table) -> tuple[Question, ...]:
        """The questions of one more file."""
        found = []
        for table in top.tables("questions"):
            question = _question(table)
            known = self.questions.setdefault(question.id, question)
            if {choice.id for choice in known.choices} != {choice.id for choice in question.choices}:
                expected = ", ".join(choice.id for choice in known.choices)
                table.wrong("choices", f"{question.id!r} is asked already, and its answers are {expected}")
            elif known.format != question.format:
                table.wrong("format", f"{question.id!r} is asked already, and its format is {known.format!r}")
            found.append(question)
        return tuple(found)


def _joined(first: Chapter, more: Chapter) -> Chapter:
    return Chapter(
        id=first.id,
        number=first.number,
        title=first.title,
        version=first.version,
        documents=first.documents + more.documents,
        questions=first.questions + more.questions,
        sections=first.sections + more.sections,
    )


def _chapter(file: _File, check: Check, hazards: frozenset[str], asked: Mapping[str, Question]) -> Chapter:
    top = file.top
    found = top.get("format", int)
    if found != FORMAT:
        top.wrong("format", f"expected {FORMAT}, found {found}")
    id_ = top.string("chapter")
    documents = tuple(_document(name, table) for name, table in top.named_tables("documents"))
    reader = _Reader(id_, check, hazards, asked, {d.id for d in documents})
    sections = tuple(reader.section(table) for table in top.tables("sections"))
    chapter = Chapter(
        id=id_,
        number=top.get("number", int),
        title=read_text(top, "title"),
        version=top.string("version"),
        documents=documents,
        questions=file.questions,
        sections=sections,
    )
    top.close()
    return chapter


def _document(id_: str, table: Table) -> Document:
    document = Document(id_, table.string("title"), table.string("edition"), table.string("licence", ""))
    table.close()
    return document


def _question(table: Table) -> Question:
    choices = []
    for inner in table.tables("choices"):
        choices.append(Choice(inner.string("id"), Text(inner.string("en"), inner.string("fr"))))
        inner.close()
    question = Question(
        id=table.string("id"),
        title=read_text(table, "title"),
        why=read_text(table, "why"),
        choices=tuple(choices),
        format=table.string("format", ""),
        proposed=table.string("proposed", ""),
    )
    if question.format and question.format not in answers.FORMATS:
        table.wrong("format", f"expected one of {', '.join(answers.FORMATS)}, found {question.format!r}")
    elif question.format and choices:
        table.wrong("format", "give choices or a format, not both")
    elif question.format and question.proposed and not answers.fits(question, question.proposed):
        table.wrong("proposed", f"{question.proposed!r} is no answer of this format")
    elif not question.format and len(choices) < 2:  # noqa: PLR2004 - a question has two answers at least
        table.wrong("choices", "expected at least two answers, or a format")
    table.close()
    return question


def read_text(table: Table, name: str) -> Text:
    """The text at ``name``, in both languages; what is lacking is noted as a mistake."""
    inner = table.table(name)
    if inner is None:
        table.wrong(name, "missing, expected a text in both languages: { en = ..., fr = ... }")
        return _NOTHING
    text = Text(inner.string("en").strip(), inner.string("fr").strip())
    for language in ("en", "fr"):
        if language in inner and not getattr(text, language):
            inner.wrong(language, "the text is empty")
    inner.close()
    return text


def _optional_text(table: Table, name: str) -> Text | None:
    return read_text(table, name) if name in table else None


class _Reader:
    """Reads sections and recommendations, holding what they may refer to."""

    def __init__(
        self,
        chapter: str,
        check: Check,
        hazards: frozenset[str],
        questions: Mapping[str, Question],
        documents: set[str],
    ) -> None:
        self._chapter = chapter
        self._check = check
        self._hazards = hazards
        self._questions = questions
        self._documents = documents
        self._ids: set[str] = set()

    def section(self, table: Table) -> Section:
        id_ = table.string("id")
        section = Section(
            id=id_,
            title=read_text(table, "title"),
            text=read_text(table, "text"),
            covers=table.strings("covers"),
            recommendations=tuple(
                self._recommendation(inner, id_) for inner in table.tables("recommendations")
            ),
        )
        table.close()
        return section

    def _recommendation(self, table: Table, section: str) -> Recommendation:
        id_ = table.string("id")
        if "id" in table and not ID.fullmatch(id_):
            table.wrong("id", f"expected lower-case words joined by dots and dashes, found {id_!r}")
        if id_ in self._ids:
            table.wrong("id", f"{id_!r} stands twice in this file")
        self._ids.add(id_)
        resource = table.string("resource")
        subject = table.string("subject")
        aspect = table.string("aspect", "")
        if "resource" in table and (problem := self._check(resource, subject, aspect)):
            table.wrong("resource", problem)
        entry = Recommendation(
            id=id_,
            chapter=self._chapter,
            section=section,
            title=read_text(table, "title"),
            resource=resource,
            subject=subject,
            aspect=aspect,
            accept=self._accept(table),
            target=table.string("target", ""),
            absent=table.choice("absent", Result, Result.NOTAPPLICABLE),
            level=table.choice("level", Level),
            level_by=table.string("level-by"),
            severity=table.choice("severity", Severity),
            why=read_text(table, "why"),
            risk=read_text(table, "risk"),
            sources=self._sources(table),
            covers=table.strings("covers"),
            errata=tuple(self._erratum(inner) for inner in table.tables("errata")),
            hazards=self._hazard_ids(table),
            when=tuple(self._condition(inner) for inner in table.tables("when")),
            alternatives=table.string("alternatives", ""),
            optional=table.get("optional", bool, default=False),
            attest=_optional_text(table, "attest"),
            procedure=_optional_text(table, "procedure"),
            passes=_optional_text(table, "passes"),
            default=table.string("default", ""),
            default_config=table.string("default-config", ""),
            renamed_from=table.strings("renamed-from"),
        )
        self._agree(table, entry)
        table.close()
        return entry

    def _agree(self, table: Table, entry: Recommendation) -> None:
        if entry.absent not in ABSENT:
            table.wrong("absent", f"expected pass, fail or notapplicable, found {entry.absent}")
        if entry.level_by not in LEVEL_BY:
            table.wrong("level-by", f"expected anssi or hardentui, found {entry.level_by!r}")
        if entry.target and entry.accept is None:
            table.wrong("target", "a target needs an accept that says what passes")
        if entry.passes is not None and entry.accept is None:
            table.wrong("passes", "it says in words what accept says, which is not given")
        for name in answers.named(entry):
            if name not in self._questions:
                known = ", ".join(sorted(self._questions)) or "none"
                where = {"subject": entry.subject, "target": entry.target}
                key = next((key for key, text in where.items() if f"{{{name}}}" in text), "accept")
                table.wrong(key, f"{{{name}}} is no question; asked in these checklists: {known}")
        if entry.default and entry.default_config:
            table.wrong("default-config", "give default or default-config, not both")

    @staticmethod
    def _accept(table: Table) -> Comparison | None:
        inner = table.table("accept")
        if inner is None:
            return None
        given = inner.rest()
        if len(given) != 1:
            table.wrong("accept", f"expected exactly one of {', '.join(Operator)}")
            return None
        name, value = next(iter(given.items()))
        if name not in {operator.value for operator in Operator}:
            inner.wrong(name, f"unknown comparison, expected one of {', '.join(Operator)}")
            return None
        operands = value if isinstance(value, list) else [value]
        operator = Operator(name)
        return inner.attempt(name, lambda: Comparison(operator, tuple(str(item) for item in operands)), None)

    def _sources(self, table: Table) -> tuple[Source, ...]:
        sources = []
        for position, written in enumerate(table.strings("sources")):
            document, colon, place = written.partition(":")
            if not colon or document not in self._documents:
                known = ", ".join(sorted(self._documents))
                key = (*table.key, "sources", position)
                table.report.add(
                    key, f"expected DOCUMENT:PLACE with a document of {known}, found {written!r}"
                )
            sources.append(Source(document, place))
        if not sources:
            table.wrong("sources", "expected at least one DOCUMENT:PLACE")
        return tuple(sources)

    def _hazard_ids(self, table: Table) -> tuple[str, ...]:
        named = table.strings("hazards")
        for position, name in enumerate(named):
            if name not in self._hazards:
                known = ", ".join(sorted(self._hazards))
                table.report.add(
                    (*table.key, "hazards", position), f"unknown hazard {name!r}; known: {known}"
                )
        return named

    def _condition(self, table: Table) -> Condition:
        if "family" in table:
            condition = Condition("", table.strings("family"))
        else:
            condition = Condition(table.string("question"), table.strings("is"))
            question = self._questions.get(condition.question)
            if condition.question and question is None:
                known = ", ".join(sorted(self._questions)) or "none"
                table.wrong(
                    "question", f"unknown question {condition.question!r}; asked in these checklists: {known}"
                )
            elif question is not None:
                ids = [choice.id for choice in question.choices]
                for answer in condition.one_of if ids else ():
                    if answer not in ids:
                        table.wrong(
                            "is", f"{answer!r} is no answer to {question.id}; expected {', '.join(ids)}"
                        )
        if not condition.one_of:
            table.wrong("is", "expected at least one answer")
        table.close()
        return condition

    @staticmethod
    def _erratum(table: Table) -> Erratum:
        erratum = Erratum(
            table.string("id"), read_text(table, "says"), read_text(table, "right"), read_text(table, "why")
        )
        table.close()
        return erratum
