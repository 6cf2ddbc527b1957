"""For every recommendation with a change: observe, change, rehearse, pass; undo, and all is as before."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable

import pytest

from hardentui.assess import assess
from hardentui.changeset import compile_plan
from hardentui.model import Action, Drift, Finding, Recommendation, Result
from hardentui.operations import ByHand, ChangeSet, SetSysctl
from hardentui.plan import PlanFile, render
from hardentui.rehearsal import rehearse, undo
from hardentui.session import Session
from hardentui.snapshot import Snapshot

from . import hosts
from .sittings import CHECKLISTS, sitting

HOSTS: dict[str, Callable[[], hosts.DictHost]] = {
    "server": hosts.server,
    "two-interfaces": hosts.two_interfaces,
    "rivals": hosts.rivals,
    "rhel": hosts.rhel,
}
CHANGES = [entry for entry in CHECKLISTS.recommendations if entry.target]
# Each question answered once so that a recommendation applies; the first answer for the others.
TYPED = {
    "host": "192.0.2.10",
    "hosts": "192.0.2.10,192.0.2.11",
    "port": "2514",
    "days": "90",
    "path": "/etc/ssl/certs/log.pem",
    "paths": "/srv/secret",
    "words": "log01",
    "networks": "192.0.2.0/24",
    "permits": "in tcp 443 from any site.web",
}
FIRST = {
    question.id: question.choices[0].id if question.choices else question.proposed or TYPED[question.format]
    for question in CHECKLISTS.questions
}
# Hosts that must have a name, for a certificate is compared with it.
FIRST |= {"log-server": "logs.example.org", "log-senders": "web02.example.org,*.lan.example.org"}


def answers_for(entry: Recommendation) -> dict[str, str]:
    return FIRST | {c.question: c.one_of[0] for c in entry.when if c.question}


@functools.cache
def begun(host: str, answers: tuple[tuple[str, str], ...]) -> Session:
    return sitting(hosts.snapshot(HOSTS[host]()), dict(answers))


def session_for(host: str, entry: Recommendation) -> tuple[Session, Finding]:
    session = begun(host, tuple(sorted(answers_for(entry).items())))
    found = session.finding(entry.id)
    assert found is not None
    return session, found


def decided(session: Session, entries: Iterable[Recommendation]) -> Session:
    for entry in entries:
        finding = session.finding(entry.id)
        session = session.decided(session.decision(finding, Action.APPLY))
    return session


def holds(finding: Finding) -> bool:
    """A pass, or right after a reboot where only a reboot can do it."""
    if finding.result is Result.PASS:
        return True
    later = finding.recommendation.subject == "/tmp" or finding.recommendation.resource == "tmpfiles"
    # A policy is loaded by a start, after every file got its label.
    later = later or finding.recommendation.id == "selinux.not-disabled"
    later = later or finding.recommendation.id == "audit.lock"
    return later and finding.drift is Drift.NOT_YET


# What cannot be loopable on a host, and the very reason that must be given for it.
REFUSALS = (
    "dpkg",
    "no group proc or adm",
    "nothing mounts",
    "already mounts /tmp",
    "no service listens",
    "is not",
    "it is off already",
    "no account but root",
    "authorized key",
    "update-crypto-policies",
    "would still win",
    "a rule with EXEC:",
    "SELinux enforces already",
    "SELinux does not run",
    "no file puts a profile",
    "the boot loader does not start",
    "before any rule of ours",
    "no client of NTP starts",
    "it loads no imuxsock",
)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("entry", CHANGES, ids=lambda entry: entry.id)
def test_the_change_makes_it_pass_and_undoing_brings_everything_back(
    host: str, entry: Recommendation
) -> None:
    session, before = session_for(host, entry)
    if before.result is Result.NOTAPPLICABLE:
        pytest.skip(f"not applicable on {host}: {before.message}")
    assert before.result in {Result.PASS, Result.FAIL, Result.INFORMATIONAL, Result.UNKNOWN}, before.message
    refusal = session.refusal(before)
    if refusal:
        assert any(reason in refusal for reason in REFUSALS), refusal
        pytest.skip(f"refused on {host}: {refusal}")
    session = decided(session, [entry])
    change_set = session.compiled()
    assert not change_set.refused
    if not any(isinstance(operation, ByHand) for operation in change_set.operations):
        after = rehearse(session.snapshot, change_set)
        (found,) = assess([entry], after, session.plan.answers, CHECKLISTS.questions)
        assert holds(found), found.message
        back = undo(after, change_set, session.snapshot)
        assert moved(back, session.snapshot) == {}


def moved(back: Snapshot, before: Snapshot) -> dict[object, object]:
    """The answers that are not those of before: what nothing was asked of is looked at, too."""
    return {asked: answer for asked, answer, _at in back.items() if plain(answer) != plain(before.ask(asked))}


def plain(answer: object) -> object:
    """The kernel writes tabs where we write blanks."""
    return answer.replace("\t", " ") if isinstance(answer, str) else answer


def findings(session: Session, snapshot: object) -> dict[str, Finding]:
    seen = assess(CHECKLISTS.recommendations, snapshot, session.plan.answers, CHECKLISTS.questions)
    return {finding.recommendation.id: finding for finding in seen}


def observations(session: Session, snapshot: object) -> dict[str, object]:
    """All that a person would see of every recommendation, times aside."""
    return {
        id_: (
            f.result,
            f.message,
            f.drift,
            dataclasses.replace(f.observation, seen_at=0.0) if f.observation else None,
        )
        for id_, f in findings(session, snapshot).items()
    }


def test_every_change_is_tried_on_some_host() -> None:
    """A change that no host of ours needs would be tested by nobody."""
    for entry in CHANGES:
        seen = [session_for(host, entry) for host in HOSTS]
        assert any(f.result is not Result.PASS and not s.refusal(f) for s, f in seen), entry.id


def branches() -> list[tuple[str, ...]]:
    """Ways to choose one of each set of alternatives."""
    sets: dict[str, set[str]] = {}
    for entry in CHANGES:
        group, _colon, branch = entry.alternatives.partition(":")
        if group:
            sets.setdefault(group, set()).add(branch)
    most = max((len(found) for found in sets.values()), default=1)
    return [
        tuple(f"{group}:{sorted(found)[n % len(found)]}" for group, found in sorted(sets.items()))
        for n in range(most)
    ]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("branch", branches(), ids="+".join)
def test_everything_at_once_passes_and_goes_back(host: str, branch: tuple[str, ...]) -> None:
    """One plan of all that can be applied here, one of each set of alternatives."""
    chosen = [entry for entry in CHANGES if not entry.alternatives or entry.alternatives in branch]
    wanted = FIRST.copy()
    for entry in chosen:
        if entry.alternatives:
            wanted |= {c.question: c.one_of[0] for c in entry.when if c.question}
    wanted |= {
        c.question: c.one_of[0]
        for e in chosen
        if not e.alternatives
        for c in e.when
        if c.question and c.question != "ipv6"
    }
    session = begun(host, tuple(sorted(wanted.items())))
    applied = [e for e in chosen if not session.refusal(session.finding(e.id))]
    assert len(applied) > 20
    session = decided(session, applied)
    change_set = session.compiled()
    after = rehearse(session.snapshot, change_set)
    found = findings(session, after)
    wrong = {e.id: found[e.id].message for e in applied if not holds(found[e.id])}
    assert not wrong
    back = undo(after, change_set, session.snapshot)
    assert observations(session, back) == observations(session, session.snapshot)


@pytest.mark.parametrize("host", HOSTS)
def test_a_second_run_has_nothing_to_do_now(host: str) -> None:
    """What the plan made is seen as made: compiled anew from the facts after it, it sets no value."""
    session = begun(host, tuple(sorted(FIRST.items())))
    applied = [e for e in CHANGES if not e.alternatives and not session.refusal(session.finding(e.id))]
    session = decided(session, applied)
    again = session.with_snapshot(rehearse(session.snapshot, session.compiled()))
    again = decided(again, [e for e in applied if not again.refusal(again.finding(e.id))])
    moved = [op for op in again.compiled().operations if isinstance(op, SetSysctl) and op.before != op.after]
    assert not moved


@pytest.mark.parametrize("host", HOSTS)
def test_a_plan_compiles_the_same_after_it_was_saved_and_read(host: str, tmp_path) -> None:
    """The facts of every finding make the way through TOML and back: the script would be the same."""
    session = begun(host, tuple(sorted(FIRST.items())))
    changed = 0
    path = tmp_path / "plan.toml"
    for entry in CHANGES:
        finding = session.finding(entry.id)
        if finding.observation is None:
            continue
        one = session.decided(session.decision(finding, Action.APPLY))
        path.write_text(render(one.plan), encoding="utf-8")
        read = PlanFile.read(path).plan
        assert read.decisions[0].facts == one.plan.decisions[0].facts
        compiled = compile_plan(one.plan, CHECKLISTS)
        assert compile_plan(read, CHECKLISTS) == compiled
        changed += bool(compiled.operations)
    assert changed > 20


def test_nothing_is_compiled_that_nobody_decided() -> None:
    session = begun("server", ())
    assert session.compiled() == ChangeSet()
