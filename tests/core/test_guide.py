"""A guide's list accounts for each of its recommendations, and its own mistakes are said with their place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hardentui import checklist, guide, hazards, resources
from hardentui.assess import assess
from hardentui.guide import Account, Guide, Standing
from hardentui.host.recording import demo_host
from hardentui.model import Checklists, Result
from hardentui.snapshot import Snapshot
from hardentui.tables import MistakesError

CHAPTERS = ("partitioning", "sysctl", "selinux", "ports", "sandboxing", "logging")


@pytest.fixture(scope="module")
def shipped() -> Checklists:
    return checklist.load([checklist.shipped_folder()], resources.check, hazards.PROBES)


@pytest.fixture(scope="module")
def anssi() -> Guide:
    (found,) = guide.load([checklist.shipped_folder()])
    return found


@pytest.fixture(scope="module")
def accounts(shipped: Checklists, anssi: Guide) -> dict[str, Account]:
    findings = assess(shipped.recommendations, Snapshot(demo_host()), {}, shipped.questions)
    return {found.entry.id: found for found in guide.account(anssi, shipped, findings)}


def test_all_eighty_recommendations_are_accounted_for(accounts):
    assert list(accounts) == [f"R{number}" for number in range(1, 81)]
    assert [id_ for id_, found in accounts.items() if found.standing is Standing.MISSING] == []


def test_a_chapter_that_treats_a_recommendation_is_not_also_said_to_be_missing(accounts):
    for found in accounts.values():
        assert not (found.findings and found.entry.outside), found.entry.id
        assert found.entry.chapter in {"", *CHAPTERS}


def test_every_citation_of_the_guide_is_of_a_recommendation_that_it_has(shipped, anssi):
    known = {entry.id for entry in anssi.entries}
    cited = {
        source.place
        for entry in shipped.recommendations
        for source in entry.sources
        if source.document == anssi.document
    }
    assert cited <= known


def test_the_worst_finding_gives_the_result(accounts):
    found = accounts["R12"]
    assert found.standing is Standing.CHECKED
    results = {finding.result for finding in found.findings}
    assert found.result is (Result.FAIL if Result.FAIL in results else found.result)
    assert Result.FAIL in results  # the recorded host is as Debian installs it


def test_what_nothing_cites_is_said_to_be_missing(anssi, shipped):
    bare = replace(anssi, entries=tuple(replace(e, chapter="", outside=None) for e in anssi.entries))
    standings = {found.standing for found in guide.account(bare, shipped, ())}
    assert standings == {Standing.MISSING}


HEAD = """format = 1
guide = "g"
document = "d"
title = { en = "a", fr = "b" }
"""
ENTRY = """[[entries]]
id = "R1"
title = { en = "a", fr = "b" }
level = "high"
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ENTRY.replace("high", "top"), ".toml:8: entries[0].level: expected one of minimal"),
        (ENTRY + 'chaptre = "x"\n', ".toml:9: entries[0].chaptre: unknown key"),
        (ENTRY + 'chapter = "a"\nsection = "b"\n', "expected one of chapter, section and outside"),
        (ENTRY + ENTRY, ".toml:10: entries[1].id: 'R1' stands twice"),
    ],
)
def test_a_mistake_is_reported_with_file_line_and_key(tmp_path, text, said):
    folder = tmp_path / "guides"
    folder.mkdir()
    (folder / "g.toml").write_text(HEAD + text)
    with pytest.raises(MistakesError) as raised:
        guide.load([tmp_path])
    assert said in str(raised.value)
