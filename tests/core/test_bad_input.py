"""Checklists and plans that people write: each mistake is named with its file, line and key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from hardentui import hazards
from hardentui.checklist import load, load_files, shipped_folder
from hardentui.plan import PlanFile
from hardentui.resources import check
from hardentui.tables import MistakesError, key_lines

from .written import CHECKLIST

# (what is replaced, by what, the line of the mistake, its key, a word of what was expected)
CHECKLIST_MISTAKES = [
    ("format = 1", "format = 2", 1, "format", "1"),
    ("format = 1", 'format = "1"', 1, "format", "number"),
    ("number = 2", "number = true", 3, "number", "number"),
    ('version = "1"', "version = 1", 4, "version", "string"),
    ('version = "1"\n', "", 1, "version", "missing"),
    ('chapter = "sysctl"', 'chapter = "sysctl"\ncolour = "red"', 3, "colour", "unknown key"),
    (
        'title = { en = "Kernel", fr = "Noyau" }\n\n',
        'title = { en = "Kernel" }\n\n',
        5,
        "title.fr",
        "missing",
    ),
    (
        'title = { en = "Kernel", fr = "Noyau" }\n\n',
        'title = { en = "Kernel", fr = " " }\n\n',
        5,
        "title.fr",
        "empty",
    ),
    ('title = { en = "Kernel", fr = "Noyau" }\n\n', 'title = "Kernel"\n\n', 5, "title", "table"),
    ('edition = "1"', 'edition = "1"\nlicense = "x"', 10, "documents.course.license", "licence"),
    (', { id = "no", en = "No", fr = "Non" }', "", 15, "questions[0].choices", "two answers"),
    ('{ id = "no", en', '{ id = "no", es', 15, "questions[0].choices[1].en", "missing"),
    ('id = "sysctl.kptr"', 'id = "Sysctl Kptr"', 23, "sections[0].recommendations[0].id", "lower-case"),
    ('id = "sysctl.kptr"', 'id = ""', 23, "sections[0].recommendations[0].id", "lower-case"),
    ('id = "sysctl.kptr"\n', "", 22, "sections[0].recommendations[0].id", "missing"),
    ('resource = "sysctl"', 'resource = "sysctrl"', 25, "sections[0].recommendations[0].resource", "known"),
    (
        '"kernel.kptr_restrict"',
        '"Kernel Pointer"',
        25,
        "sections[0].recommendations[0].resource",
        "kernel parameter",
    ),
    (
        '"kernel.kptr_restrict"',
        '"net.ipv4.conf.*.unheard"',
        25,
        "sections[0].recommendations[0].resource",
        "combines",
    ),
    ("at-least = 1", 'at-least = "x"', 27, "sections[0].recommendations[0].accept.at-least", "whole number"),
    ("at-least = 1", "at-leest = 1", 27, "sections[0].recommendations[0].accept.at-leest", "one of"),
    ("at-least = 1", "at-least = [1, 2]", 27, "sections[0].recommendations[0].accept.at-least", "one value"),
    ("at-least = 1", "at-least = 1, equal = 2", 27, "sections[0].recommendations[0].accept", "exactly one"),
    (
        "at-least = 1",
        'matches = "("',
        27,
        "sections[0].recommendations[0].accept.matches",
        "regular expression",
    ),
    (
        "at-least = 1",
        'covers-range = "1"',
        27,
        "sections[0].recommendations[0].accept.covers-range",
        "LOW HIGH",
    ),
    (
        "at-least = 1",
        'mode-at-most = "rwx"',
        27,
        "sections[0].recommendations[0].accept.mode-at-most",
        "octal",
    ),
    ("accept = { at-least = 1 }\n", "", 27, "sections[0].recommendations[0].target", "accept"),
    ('level = "minimal"', 'level = "low"', 29, "sections[0].recommendations[0].level", "intermediary"),
    ('level-by = "anssi"', 'level-by = "me"', 30, "sections[0].recommendations[0].level-by", "hardentui"),
    ('severity = "low"', 'severity = ["low"]', 31, "sections[0].recommendations[0].severity", "string"),
    (
        'severity = "low"',
        'severity = "low"\nabsent = "error"',
        32,
        "sections[0].recommendations[0].absent",
        "notapplicable",
    ),
    (
        'severity = "low"',
        'severity = "low"\noptional = "yes"',
        32,
        "sections[0].recommendations[0].optional",
        "true or false",
    ),
    ('"course:1"', '"course"', 34, "sections[0].recommendations[0].sources[0]", "DOCUMENT:PLACE"),
    ('"course:1"', '"other:1"', 34, "sections[0].recommendations[0].sources[0]", "course"),
    ('["course:1"]', "[1]", 34, "sections[0].recommendations[0].sources[0]", "string"),
    ('["course:1"]', "[]", 34, "sections[0].recommendations[0].sources", "at least one"),
    ('question = "ipv6"', 'question = "ipv4"', 35, "sections[0].recommendations[0].when[0].question", "ipv6"),
    ('is = ["yes"]', 'is = ["maybe"]', 35, "sections[0].recommendations[0].when[0].is", "yes, no"),
    ('is = ["yes"]', "is = []", 35, "sections[0].recommendations[0].when[0].is", "at least one"),
    ('"container-engine"', '"container"', 36, "sections[0].recommendations[0].hazards[0]", "known"),
    ("[[sections]]", "[sections]", 17, "sections", "array"),
    (
        'hazards = ["container-engine"]',
        'hazards = ["container-engine"]\ndefault = "0"\ndefault-config = "CONFIG_X"',
        38,
        "sections[0].recommendations[0].default-config",
        "not both",
    ),
    ('risk = { en = "Risk", fr = "Risque" }', "risk = 7", 33, "sections[0].recommendations[0].risk", "table"),
]


def read_checklist(path: Path):
    return load_files([path], check, hazards.PROBES)


def test_the_checklist_that_the_mistakes_are_made_in_is_right(tmp_path: Path) -> None:
    path = tmp_path / "right.toml"
    path.write_text(CHECKLIST)
    assert [e.id for e in read_checklist(path).recommendations] == ["sysctl.kptr"]


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "expected"), CHECKLIST_MISTAKES, ids=lambda x: str(x)[:40]
)
def test_a_mistake_in_a_checklist_is_named(
    old: str, new: str, line: int, key: str, expected: str, tmp_path: Path
) -> None:
    assert CHECKLIST.count(old) >= 1
    if old == "[[sections]]":
        new = new + "\n"
    path = tmp_path / "broken.toml"
    path.write_text(CHECKLIST.replace(old, new, 1))
    if old == "[[sections]]":
        path.write_text(path.read_text().partition("[[sections.recommendations]]")[0])
    with pytest.raises(MistakesError) as refused:
        read_checklist(path)
    named = [m for m in refused.value.mistakes if m.startswith(f"{path}:{line}: {key}: ")]
    assert named, refused.value.mistakes
    assert expected in " ".join(named)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text(CHECKLIST.replace('"minimal"', '"low"').replace("number = 2", 'number = "2"'))
    second.write_text("format = \n")
    with pytest.raises(MistakesError) as refused:
        load_files([first, second], check, hazards.PROBES)
    assert len(refused.value.mistakes) == 3
    assert [m.partition(":")[0] for m in refused.value.mistakes] == [str(first), str(first), str(second)]


def test_one_id_in_two_files_is_refused_and_both_files_are_named(tmp_path: Path) -> None:
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    for path in (first, second):
        path.write_text(CHECKLIST)
    with pytest.raises(MistakesError) as refused:
        load_files([first, second], check, hazards.PROBES)
    assert str(first) in str(refused.value)
    assert str(second) in str(refused.value)


def test_a_folder_without_checklists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MistakesError, match=re.escape(str(tmp_path))):
        load([tmp_path], check, hazards.PROBES)


def test_a_file_that_is_not_text_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.toml").write_bytes(b"a = 1\n\xff")
    for name in ("bytes.toml", "missing.toml"):
        with pytest.raises(MistakesError, match=name):
            read_checklist(tmp_path / name)


# --- plans ----------------------------------------------------------------------------------------

PLAN = """\
# why we do this
format = 1
hardentui = "0.1"
language = "en"
checklists = "abc"

[host]
machine-id = "0123"
hostname = "web01"
distribution = "Debian"
kernel = "6.1"

[answers]
ipv6 = "static"

[[decision]]
id = "sysctl.kptr"
action = "apply"
at = 2026-11-21T14:02:31Z
by = "alice"
target = "2"
[decision.facts]
seen = ["0"]
values = { "kernel/kptr_restrict" = "0" }

[[decision]]
id = "sysctl.other"
action = "waive"
reason = "the vendor forbids it"
until = 2027-05-21
at = 2026-11-21T14:02:31Z
by = "alice"
"""
PLAN_MISTAKES = [
    ("format = 1", "format = 2", 2, "format", "newer"),
    ("format = 1", "format = 0", 2, "format", "expected 1"),
    ("format = 1\n", "", 1, "format", "missing"),
    ('language = "en"', 'language = "de"', 4, "language", "fr"),
    ('checklists = "abc"', 'checklists = ["abc"]', 5, "checklists", "string"),
    ('machine-id = "0123"', "machine-id = 123", 8, "host.machine-id", "string"),
    ('hostname = "web01"\n', "", 7, "host.hostname", "missing"),
    ('kernel = "6.1"', 'kernel = "6.1"\ncpu = "x"', 12, "host.cpu", "unknown key"),
    ('ipv6 = "static"', "ipv6 = true", 14, "answers.ipv6", "string"),
    ('action = "apply"', 'action = "aply"', 18, "decision[0].action", "apply, waive"),
    ('action = "apply"', 'action = ""', 18, "decision[0].action", "apply, waive"),
    ('action = "apply"', "action = 1", 18, "decision[0].action", "string"),
    ('id = "sysctl.kptr"\n', "", 16, "decision[0].id", "missing"),
    ("at = 2026-11-21T14:02:31Z\n", "at = 2026-11-21\n", 19, "decision[0].at", "time"),
    ("at = 2026-11-21T14:02:31Z\n", "at = 2026-11-21T14:02:31\n", 19, "decision[0].at", "time"),
    ('by = "alice"\ntarget', "target", 16, "decision[0].by", "missing"),
    ('target = "2"', "target = 2", 21, "decision[0].target", "string"),
    ('target = "2"', 'target = "2"\nuntil = 2027-05-21', 22, "decision[0].until", "waiver"),
    ('target = "2"', 'target = "2"\ntaget = "3"', 22, "decision[0].taget", "unknown key"),
    ('seen = ["0"]', "seen = 1.5", 22, "decision[0].facts", "numbers"),
    ('id = "sysctl.other"', 'id = "sysctl.kptr"', 27, "decision[1].id", "twice"),
    ('"the vendor forbids it"', '"no"', 29, "decision[1].reason", "10"),
    ('reason = "the vendor forbids it"\n', "", 26, "decision[1].reason", "10"),
    ("until = 2027-05-21", 'until = "2027-05-21"', 30, "decision[1].until", "date"),
    ("until = 2027-05-21", "until = 2027-05-21T00:00:00Z", 30, "decision[1].until", "date"),
    (
        'action = "waive"\nreason = "the vendor forbids it"\nuntil = 2027-05-21\n',
        'action = "attest"\n',
        26,
        "decision[1].reason",
        "attestation",
    ),
    ("[[decision]]\nid", "[decision]\nid", 16, "decision", "array"),
    ("[answers]", "[answers", 13, "", "TOML"),
    ('by = "alice"', 'by = "alice"\nby = "bob"', 21, "", "TOML"),
]


def test_the_plan_that_the_mistakes_are_made_in_is_right(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    plan = PlanFile.read(path).plan
    assert [d.action.value for d in plan.decisions] == ["apply", "waive"]
    assert plan.decisions[0].facts == {"seen": ("0",), "values": {"kernel/kptr_restrict": "0"}}


@pytest.mark.parametrize(("old", "new", "line", "key", "expected"), PLAN_MISTAKES, ids=lambda x: str(x)[:40])
def test_a_mistake_in_a_plan_is_named(
    old: str, new: str, line: int, key: str, expected: str, tmp_path: Path
) -> None:
    assert old in PLAN
    text = PLAN.replace(old, new, 1)
    if old.startswith("[[decision]]"):
        text = text.partition("\n[decision.facts]")[0] + "\n"
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(MistakesError) as refused:
        PlanFile.read(path)
    start = f"{path}:{line}: {key}: " if key else f"{path}:{line}: "
    named = [m for m in refused.value.mistakes if m.startswith(start)]
    assert named, refused.value.mistakes
    assert expected in " ".join(named)


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader_of_plans(tmp_path_factory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.toml"
    path.write_text(text, encoding="utf-8", errors="replace", newline="")
    with pytest.raises(MistakesError, match=r"fuzz\.toml"):
        PlanFile.read(path)


VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-5, 5), st.text(max_size=4), st.dates(), st.floats(allow_nan=False)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["format", "hardentui", "language", "checklists", "host", "answers", "decision", "x"]
        ),
        VALUES,
    )
)
def test_no_toml_breaks_the_reader_of_plans(tmp_path_factory, content: dict) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.toml"
    path.write_text(tomlkit.dumps(content), encoding="utf-8", newline="")
    with pytest.raises(MistakesError, match=r"fuzz\.toml:\d+: "):
        PlanFile.read(path)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["format", "chapter", "number", "version", "title", "documents", "questions", "sections"]
        ),
        VALUES,
    )
)
def test_no_toml_breaks_the_reader_of_checklists(tmp_path_factory, content: dict) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.toml"
    path.write_text(tomlkit.dumps(content), encoding="utf-8", newline="")
    with pytest.raises(MistakesError, match=r"fuzz\.toml:\d+: "):
        read_checklist(path)


# --- where keys stand -----------------------------------------------------------------------------

_WORD = st.sampled_from(["a", "b", "a-b", "c_d", '"e.f"', "'g h'", "x1"])
_PIECE = st.one_of(
    st.builds("{} = 1".format, _WORD),
    st.builds("{}.{} = 'v' # c".format, _WORD, _WORD),
    st.builds('{} = """\nb = 2\n[[no]]\n"""'.format, _WORD),
    st.builds("{} = '''one\n[t]\n'''".format, _WORD),
    st.builds("{} = [\n  1,\n  2,\n]".format, _WORD),
    st.builds('{} = {{ k = "=", l = "[" }}'.format, _WORD),
    st.builds("[{}]".format, _WORD),
    st.builds("[{}.{}]  # c".format, _WORD, _WORD),
    st.builds("[[{}]]".format, _WORD),
    st.builds("[[{}.{}]]".format, _WORD, _WORD),
    st.sampled_from(["", "# a = 1", "  "]),
)


def walk(value: object, key: tuple = ()):
    yield key, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from walk(inner, (*key, name))


@settings(max_examples=400, deadline=None)
@given(st.lists(_PIECE, max_size=8).map("\n".join))
def test_keys_stand_where_we_say(text: str) -> None:
    """Of each key that we place: it exists, and its own last word stands on that line."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = text.split("\n")
    known = dict(walk(data))
    for key, line in key_lines(text).items():
        assert key in known, (key, text)
        name = next(part for part in reversed(key) if isinstance(part, str))
        assert name in lines[line - 1]


def test_every_key_of_the_shipped_checklists_is_found_where_it_stands() -> None:
    found = 0
    for path in shipped_folder().glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        lines = text.split("\n")
        places = key_lines(text)
        data = dict(walk(tomllib.loads(text)))
        found += len(places)
        for key, line in places.items():
            assert key in data
            value = data[key]
            if isinstance(value, str) and "\n" not in value and '"' not in value:
                assert f'"{value}"' in lines[line - 1], key
    assert found > 2000
