"""Two plans, one after the other, on one host: the script of the second keeps the lines of the first."""

from __future__ import annotations

import dataclasses

import pytest
from core.sittings import CHECKLISTS
from plans import DROPIN, decision, plan, sha256

from hardentui.changeset import compile_plan
from hardentui.model import Decision
from hardentui.script import render

KPTR, DMESG = "kernel.kptr_restrict", "kernel.dmesg_restrict"


def applied(subject: str, before: str) -> Decision:
    """A decision that writes the drop-in, and sets nothing now."""
    entry = next(e for e in CHECKLISTS.recommendations if e.subject == subject)
    facts = {"values": {}, "dropin": DROPIN, "before": before}
    return decision(entry.id, target=entry.target, facts=facts)


def script_of(subject: str, before: str, files: dict[str, tuple[str, ...]]) -> str:
    made = dataclasses.replace(plan(applied(subject, before)), files=files)
    return render(compile_plan(made, CHECKLISTS), made, CHECKLISTS)


@pytest.fixture
def later(box) -> str:
    """The script of a second plan, after the first one was applied and kept."""
    box.install(script_of(KPTR, "absent", {}))
    box.run("apply")
    ours = box.etc / "sysctl.d/99-zz-hardentui.conf"
    lines = tuple(ours.read_text().split("\n"))
    return box.install(script_of(DMESG, sha256(ours), {DROPIN: lines}), "later.sh")


def test_the_second_script_shows_and_keeps_what_the_first_wrote(box, later: str) -> None:
    ours = box.etc / "sysctl.d/99-zz-hardentui.conf"
    first = ours.read_text()
    assert f"{KPTR} = 2" in first
    assert "kept from an earlier plan" in box.run("review", script=later, expected=None)
    assert ours.read_text() == first
    box.run("apply", script=later)
    assert f"{KPTR} = 2\n" in ours.read_text()
    assert f"{DMESG} = 1\n" in ours.read_text()
    box.run("rollback", script=later)
    assert ours.read_text() == first


def test_a_file_that_moved_since_is_not_written_over(box, later: str) -> None:
    ours = box.etc / "sysctl.d/99-zz-hardentui.conf"
    ours.write_text(ours.read_text() + "kernel.sysrq = 0\n")
    before = ours.read_text()
    assert box.call("bash", later, "apply").returncode != 0
    assert ours.read_text() == before


def test_the_newest_run_is_the_newest_beyond_four_digits_too(box, later: str) -> None:
    """By their names alone 10000 would come before 9999."""
    (first,) = (box.state / "runs").iterdir()
    first.rename(first.with_name(first.name.replace("0001", "9999")))
    ours = box.etc / "sysctl.d/99-zz-hardentui.conf"
    before = ours.read_text()
    box.run("apply", script=later)
    assert sorted(run.name.partition("-")[0] for run in (box.state / "runs").iterdir()) == ["10000", "9999"]
    said = box.run("status")
    assert "replaced" in said, "what the later run wrote over is no drift of the earlier one"
    box.run("rollback", script=later)
    assert ours.read_text() == before
