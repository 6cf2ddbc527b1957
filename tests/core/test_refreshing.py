"""Assessing again without sight gives nothing up: what the plan knew of a subject stays, and is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_cli import run

from hardentui.hazards import find
from hardentui.model import Action
from hardentui.plan import PlanFile
from hardentui.session import Session
from hardentui.snapshot import KernelFile, Mounts, Reason, Unread

from . import hosts
from .test_closed_loop import CHANGES, CHECKLISTS, begun, decided

SYSRQ = next(e for e in CHANGES if e.subject == "kernel.sysrq")
KPTR = next(e for e in CHANGES if e.subject == "kernel.kptr_restrict")
DENIED = Unread(Reason.DENIED)


def refreshed(host: hosts.DictHost, *entries) -> tuple[Session, dict[str, str], Session]:
    before = decided(begun("server", ()), entries)
    again, unseen = Session.begin(CHECKLISTS, hosts.snapshot(host), before.plan).renewed()
    return again, dict(unseen), before


def test_what_cannot_be_read_now_keeps_its_facts_and_the_rest_is_renewed() -> None:
    host = hosts.with_kernel(hosts.server(), {"kernel/sysrq": DENIED, "kernel/kptr_restrict": "1"})
    again, unseen, before = refreshed(host, KPTR, SYSRQ)
    assert list(unseen) == [SYSRQ.id]
    assert again.plan.decision(SYSRQ.id) == before.plan.decision(SYSRQ.id)
    assert again.plan.decision(KPTR.id).running == "1"
    assert again.plan.decision(KPTR.id).facts["values"] == {"kernel/kptr_restrict": "1"}


@pytest.mark.parametrize(
    "entry", [e for e in CHANGES if e.resource in {"mount", "sysctl"}], ids=lambda e: e.id
)
def test_an_ordinary_user_wipes_no_facts(entry) -> None:
    """Nothing can be read: no decision may lose what it knew."""
    session = begun("server", ())
    if not session.finding(entry.id).observation or not session.finding(entry.id).observation.facts:
        pytest.skip("nothing was seen of it")
    host = hosts.server()
    host.kernel = dict.fromkeys(host.kernel, DENIED)
    host.files = dict.fromkeys(host.files, DENIED)
    host.answers[Mounts] = DENIED
    again, unseen, before = refreshed(host, entry)
    assert again.plan.decision(entry.id).facts == before.plan.decision(entry.id).facts
    assert entry.id in unseen


def test_an_image_does_not_wipe_what_was_running() -> None:
    host = hosts.server(name="image")
    again, unseen, before = refreshed(host, SYSRQ)
    assert again.plan.decision(SYSRQ.id).facts == before.plan.decision(SYSRQ.id).facts
    assert list(unseen) == [SYSRQ.id]


def test_a_refresh_that_sees_all_says_nothing() -> None:
    again, unseen, before = refreshed(hosts.server(), KPTR, SYSRQ)
    assert not unseen
    assert [d.action for d in again.plan.decisions] == [Action.APPLY, Action.APPLY]
    assert again.plan.decisions == before.plan.decisions


def test_the_command_says_which_and_ends_with_3(capsys, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LANGUAGE", "en")
    plan, recording = tmp_path / "plan.toml", tmp_path / "host.json"
    both = ["--apply", KPTR.id, "--apply", SYSRQ.id]
    assert run(capsys, "--demo", "plan", "new", "-o", plan, *both)[0] == 0
    assert run(capsys, "--demo", "record", "-o", recording)[0] == 0
    document = json.loads(recording.read_text())
    for entry in document["answers"]:
        if entry["question"] == [KernelFile.__name__, "/proc/sys/kernel/sysrq"]:
            entry["answer"] = {"is": "Unread", "reason": "denied", "detail": ""}
    recording.write_text(json.dumps(document))
    before = PlanFile.read(plan).plan
    code, _out, err = run(capsys, "--recording", recording, "plan", "refresh", plan)
    assert code == 3
    assert SYSRQ.id in err
    assert KPTR.id not in err
    assert PlanFile.read(plan).plan.decisions == before.decisions


def test_an_estimate_is_the_same_at_each_look() -> None:
    """Else every tick on every host would show its facts anew."""
    said = set()
    for processes, seconds in ((481_320, 3600.0), (481_991, 3605.2)):
        host = hosts.server()
        host.kernel |= {
            "/proc/stat": f"cpu  1 2\nprocesses {processes}\n",
            "/proc/uptime": f"{seconds} 9.0\n",
        }
        said |= {hazard.text for hazard in find(hosts.snapshot(host), CHECKLISTS.get("audit.exec"))}
    (estimate,) = (text for text in said if "processes a second" in text)
    assert "began 130 processes a second" in estimate
    assert "about 17000 MiB of log a day" in estimate
