"""The JSON Schemas agree with the readers: what one refuses the other does, and they know the same keys."""

from __future__ import annotations

import datetime as dt
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from hardentui import schema
from hardentui.checklist import load_files, shipped_folder
from hardentui.hazards import PROBES
from hardentui.model import Action
from hardentui.plan import PlanFile, render
from hardentui.resources import check
from hardentui.tables import MistakesError

from .test_bad_input import CHECKLIST_MISTAKES, PLAN, PLAN_MISTAKES
from .test_closed_loop import begun
from .test_earlier_plans import hardened
from .written import CHECKLIST

CHECKLISTS = Draft202012Validator(schema.checklist())
PLANS = Draft202012Validator(schema.plan(), format_checker=FormatChecker(["date"]))
# What only a reader can know: how a value relates to the rest, or to what the program knows of Linux.
BEYOND_A_SCHEMA = (
    "whole number",
    "one value",
    "regular expression",
    "LOW HIGH",
    "octal",
    "combines",
    "kernel parameter",
    "twice",
    "TOML",
)


def as_json(value: Any) -> Any:
    """TOML as an editor hands it to a schema: dates are text."""
    match value:
        case dict():
            return {name: as_json(item) for name, item in value.items()}
        case list():
            return [as_json(item) for item in value]
        case dt.datetime() | dt.date():
            return value.isoformat()
        case _:
            return value


def refused(validator: Draft202012Validator, text: str) -> bool:
    return not validator.is_valid(as_json(tomllib.loads(text)))


def test_the_schemas_are_schemas() -> None:
    for validator in (CHECKLISTS, PLANS):
        Draft202012Validator.check_schema(validator.schema)


@pytest.mark.parametrize("path", sorted(shipped_folder().glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_checklist_is_valid(path: Path) -> None:
    errors = list(CHECKLISTS.iter_errors(as_json(tomllib.loads(path.read_text(encoding="utf-8")))))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_a_plan_with_every_kind_of_decision_is_valid() -> None:
    session, entries = hardened()
    session = session.answered("ipv6", "static")
    for entry in entries:
        session = session.decided(session.decision(session.finding(entry.id), Action.APPLY))
    waived, attested, deferred = (session.finding(entry.id) for entry in entries[:3])
    end = dt.date(2099, 5, 21)
    for decision in (
        session.decision(waived, Action.WAIVE, reason="the vendor forbids it", until=end),
        session.decision(attested, Action.ATTEST, reason="seen with my own eyes"),
        session.decision(deferred, Action.DEFER),
    ):
        session = session.decided(decision)
    assert session.plan.files
    errors = list(PLANS.iter_errors(as_json(tomllib.loads(render(session.plan)))))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_a_new_plan_is_valid() -> None:
    assert not refused(PLANS, render(begun("server", ()).plan))


def within(mistakes):
    """The mistakes that a schema can see: in one place, and not in a date, which is text to it."""
    related = ('"other:1"', '"ipv4"', '"maybe"')
    return [
        (old, new, line, key, expected)
        for old, new, line, key, expected in mistakes
        if expected not in {"time", "date"}
        and not any(word in expected for word in BEYOND_A_SCHEMA)
        and not any(word in new for word in related)
    ]


def test_most_mistakes_are_within_a_schema() -> None:
    assert len(within(CHECKLIST_MISTAKES)) > 30
    assert len(within(PLAN_MISTAKES)) > 15


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "expected"), within(CHECKLIST_MISTAKES), ids=lambda x: str(x)[:40]
)
def test_a_mistake_in_a_checklist_is_refused(old: str, new: str, line: int, key: str, expected: str) -> None:
    text = CHECKLIST.replace(old, new + "\n" if old == "[[sections]]" else new, 1)
    if old == "[[sections]]":
        text = text.partition("[[sections.recommendations]]")[0]
    assert refused(CHECKLISTS, text)


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "expected"), within(PLAN_MISTAKES), ids=lambda x: str(x)[:40]
)
def test_a_mistake_in_a_plan_is_refused(old: str, new: str, line: int, key: str, expected: str) -> None:
    text = PLAN.replace(old, new, 1)
    if old.startswith("[[decision]]"):
        text = text.partition("\n[decision.facts]")[0] + "\n"
    assert refused(PLANS, text)


# --- the same keys, and the same kinds of value ---------------------------------------------------------


def tables(node: Any, path: tuple = ()):
    """Every table of a parsed file, with its place."""
    if isinstance(node, dict):
        yield path, node
        for name, inner in node.items():
            yield from tables(inner, (*path, name))
    elif isinstance(node, list):
        for number, inner in enumerate(node):
            yield from tables(inner, (*path, number))


FULL_CHECKLIST = (
    CHECKLIST.replace('edition = "1"', 'edition = "1"\nlicence = "x"')
    + """\
aspect = ""
absent = "pass"
covers = ["S1"]
alternatives = "a:b"
optional = true
attest = { en = "a", fr = "a" }
procedure = { en = "a", fr = "a" }
default = "0"
renamed-from = ["old"]
[[sections.recommendations.errata]]
id = "E1"
says = { en = "a", fr = "a" }
right = { en = "a", fr = "a" }
why = { en = "a", fr = "a" }
"""
)
FULL_PLAN = (
    PLAN
    + """\
title = "t"
source = "s"
running = "0"
boot = "0"
recommended = "1"
[files]
"/etc/sysctl.d/99-zz-hardentui.conf" = ["a = 1", ""]
"""
)
ODD = ("", "x", 7, -1, True, 1.5, [], ["x"], [7], {}, {"x": "y"}, [{}], dt.date(2027, 1, 1))


def read_checklist(folder: Path, data: dict) -> bool:
    import tomlkit

    path = folder / "c.toml"
    path.write_text(tomlkit.dumps(data), encoding="utf-8")
    try:
        load_files([path], check, PROBES)
    except MistakesError:
        return False
    return True


def read_plan(folder: Path, data: dict) -> bool:
    import tomlkit

    path = folder / "p.toml"
    path.write_text(tomlkit.dumps(data), encoding="utf-8")
    try:
        PlanFile.read(path)
    except MistakesError:
        return False
    return True


RELATED = {"questions", "documents", "course"}  # what another part of the file speaks of
SUBJECTS = pytest.mark.parametrize(
    ("text", "validator", "read"),
    [(FULL_CHECKLIST, CHECKLISTS, read_checklist), (FULL_PLAN, PLANS, read_plan)],
    ids=["checklist", "plan"],
)


@SUBJECTS
def test_the_full_file_is_taken_by_both(text, validator, read, tmp_path: Path) -> None:
    assert not refused(validator, text)
    assert read(tmp_path, tomllib.loads(text))


@SUBJECTS
def test_a_key_that_is_taken_away_is_missed_by_both_or_by_neither(
    text, validator, read, tmp_path: Path
) -> None:
    for place, table in tables(tomllib.loads(text)):
        for name in table.keys() - RELATED:
            data = tomllib.loads(text)
            _at(data, place).pop(name)
            assert read(tmp_path, data) == validator.is_valid(as_json(data)), (place, name)


@SUBJECTS
def test_a_key_that_nobody_knows_is_refused_by_both_or_by_neither(
    text, validator, read, tmp_path: Path
) -> None:
    for place, _table in tables(tomllib.loads(text)):
        data = tomllib.loads(text)
        _at(data, place)["colour"] = "red"
        assert read(tmp_path, data) == validator.is_valid(as_json(data)), place


def _at(data: Any, place: tuple) -> Any:
    for part in place:
        data = data[part]
    return data


@SUBJECTS
def test_what_the_schema_refuses_the_reader_refuses(text, validator, read, tmp_path: Path) -> None:
    """An editor must not underline what the program takes. (The reader may know more, and refuse more.)"""
    refusals = 0
    for place, table in tables(tomllib.loads(text)):
        for name in table:
            for value in ODD:
                data = tomllib.loads(text)
                _at(data, place)[name] = value
                if not validator.is_valid(as_json(data)):
                    refusals += 1
                    assert not read(tmp_path, data), (place, name, value)
    assert refusals > 200
