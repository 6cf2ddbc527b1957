"""A policy on a host: seen as loaded and as a boot loads it, and brought there by who holds the firewall."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from hardentui import hazards
from hardentui.assess import assess
from hardentui.changeset import change_of
from hardentui.checklist import load, shipped_folder
from hardentui.model import Action, Drift, Finding, Gap, GapKind, Result
from hardentui.operations import LoadFirewall, Refusal, WriteFile
from hardentui.rehearsal import rehearse
from hardentui.resources import check
from hardentui.resources.firewall import loaded, logs
from hardentui.resources.firewall.policy import nftables, parse, place
from hardentui.session import Session
from hardentui.snapshot import Output, Reason, Socket, UnitFile, Unread

from . import hosts

CHECKLISTS = load([shipped_folder()], check, hazards.PROBES)
ENTRY = CHECKLISTS.get("firewall.policy")
assert ENTRY is not None
POLICY = (
    "in drop\nout accept\nin tcp 22 from 10.0.0.0/24,2001:db8::/64 course.ssh\nin udp 162 from any a.traps"
)
OTHER = "in drop\nout drop\nin tcp 22 from any course.ssh"
ENABLED = (UnitFile(place.UNIT, "enabled"),)


def nft(*objects: Any) -> dict[tuple[str, ...], Output]:
    return {loaded.NFT.argv: Output(json.dumps({"nftables": list(objects)}))}


def host(now: str = "", boot: str = "", *, more: tuple[Any, ...] = (), **changes: Any) -> hosts.DictHost:
    """A host with one policy loaded and another in the file that a boot loads; "" for none."""
    objects = (*(nftables.show(parse(now)) if now else ()), *more)
    files = {place.FILE: "\n".join(nftables.render(parse(boot))) + "\n"} if boot else {}
    given = {"files": files, "commands": nft(*objects), "unit_files": ENABLED if boot else (), **changes}
    return hosts.server(**given)


def found(made: hosts.DictHost) -> Finding:
    assert ENTRY is not None
    return assess([ENTRY], hosts.snapshot(made), {})[0]


def changed(made: hosts.DictHost, target: str = POLICY) -> Any:
    session = Session.begin(CHECKLISTS, hosts.snapshot(made))
    finding = session.finding("firewall.policy")
    assert finding is not None
    return change_of(finding.recommendation, session.decision(finding, Action.APPLY, target=target))


def test_a_policy_that_runs_and_stays_passes() -> None:
    finding = found(host(POLICY, POLICY))
    assert (finding.result, finding.drift) == (Result.PASS, None)
    assert finding.running == finding.boot == POLICY.replace("\n", "; ")


def test_what_only_runs_is_lost_at_the_next_boot() -> None:
    finding = found(host(POLICY))
    assert (finding.result, finding.drift) == (Result.FAIL, Drift.LOST_AT_REBOOT)


def test_what_only_a_boot_loads_is_not_yet_there() -> None:
    finding = found(host(boot=POLICY))
    assert (finding.result, finding.drift) == (Result.FAIL, Drift.NOT_YET)


def test_a_loaded_policy_that_is_not_the_one_of_the_file_is_no_pass() -> None:
    """Somebody changed the file, and nothing loaded it since."""
    finding = found(host(POLICY, OTHER))
    assert finding.result is Result.UNKNOWN
    assert finding.observation is not None
    assert finding.observation.running is not None
    gap = finding.observation.running.gap
    assert gap is not None
    assert gap.kind is GapKind.STALE
    assert finding.running == POLICY.replace("\n", "; ")


@pytest.mark.parametrize(
    "change",
    [
        # A port opened past the policy, a rule without a name, a chain that accepts, a rule that is gone.
        lambda objects: [*objects, _rule("input", _dport(23), {"accept": None})],
        lambda objects: [*objects, _rule("input", {"accept": None}, comment="hardentui: loopback")],
        lambda objects: [_opened(one) for one in objects],
        lambda objects: [one for one in objects if one.get("rule", {}).get("comment") != "hardentui: log"],
        lambda objects: [*objects, {"chain": {"family": "inet", "table": "hardentui", "name": "more"}}],
        # What is always let through is let through from elsewhere, or before it was answered.
        lambda objects: json.loads(json.dumps(objects).replace('"lo"', '"eth0"')),
        lambda objects: json.loads(json.dumps(objects).replace('"established"', '"new"')),
    ],
)
def test_rules_that_somebody_changed_in_our_table_are_no_pass(change: Any) -> None:
    objects = change(list(nftables.show(parse(POLICY))))
    finding = found(host(boot=POLICY, commands=nft(*objects)))
    assert finding.result is Result.UNKNOWN
    assert "somebody changed the loaded table" in finding.message


def _rule(chain: str, *parts: Any, **more: Any) -> dict[str, Any]:
    body = {"family": "inet", "table": "hardentui", "chain": chain, "handle": 99, "expr": list(parts), **more}
    return {"rule": body}


def _dport(port: int) -> dict[str, Any]:
    left = {"payload": {"protocol": "tcp", "field": "dport"}}
    return {"match": {"op": "==", "left": left, "right": port}}


def _opened(one: dict[str, Any]) -> dict[str, Any]:
    chain = one.get("chain", {})
    return {"chain": {**chain, "policy": "accept"}} if chain.get("name") == "input" else one


def test_a_file_that_somebody_changed_is_said_to_be_so() -> None:
    made = host(POLICY, POLICY)
    made.files[place.FILE] = str(made.files[place.FILE]).replace("dport 162", "dport 23")
    finding = found(made)
    assert finding.result is Result.UNKNOWN
    assert place.FILE in finding.message


def test_the_proposal_keeps_what_listens_reachable_and_closes_the_rest() -> None:
    made = host(
        sockets=(
            Socket("tcp", "0.0.0.0", 22, "sshd"),
            Socket("tcp6", "::", 22, "sshd"),
            Socket("tcp", "0.0.0.0", 443, "Nginx: master\n; flush ruleset"),
            Socket("tcp", "127.0.0.1", 5432, "postgres"),
            Socket("tcp6", "::ffff:127.0.0.1", 8005, "java"),
            Socket("udp", "0.0.0.0", 161, "snmpd"),
            Socket("udp", "0.0.0.0", 68, "dhclient"),
            Socket("udp", "0.0.0.0", 51234, "rsyslogd"),
            Socket("tcp6", "fe80::1%eth0", 9000, ""),
            Socket("unix", "/run/x", 0, "x"),
        )
    )
    steps = changed(made, "proposed")
    text = steps[0].content
    proposed = [line.removeprefix("#: ") for line in text.splitlines() if line.startswith("#: ")]
    assert proposed == [
        "in drop",
        "out accept",
        "in tcp 22 from any host.sshd",
        "in tcp 443 from any host.nginx-master-flush-ruleset",
        "in tcp 9000 from any host.unknown",
        "in udp 161 from any host.snmpd",
    ]


def test_the_steps_load_the_table_and_enable_what_loads_it_at_boot() -> None:
    steps = changed(host())
    assert isinstance(steps, tuple)
    assert [type(step).__name__ for step in steps] == [
        "WriteFile",
        "WriteFile",
        "ReloadManager",
        "LoadFirewall",
        "EnableUnit",
    ]
    assert all(step.can_lock_out for step in steps if type(step).__name__ != "ReloadManager")
    assert [step.path for step in steps if isinstance(step, WriteFile)] == [place.FILE, place.UNIT_FILE]


def test_a_second_policy_replaces_the_first_also_in_the_rehearsal() -> None:
    """What the plan no longer permits is closed again: the removal of a flow takes its rule along."""
    made = host(POLICY, POLICY)
    session = Session.begin(CHECKLISTS, hosts.snapshot(made))
    finding = session.finding("firewall.policy")
    assert finding is not None
    session = session.decided(session.decision(finding, Action.APPLY, target=OTHER))
    change_set = session.compiled()
    load_step = next(step for step in change_set.operations if isinstance(step, LoadFirewall))
    assert load_step.before == nftables.digest(parse(POLICY))
    after = rehearse(session.snapshot, change_set)
    assert ENTRY is not None
    (seen,) = assess([ENTRY], after, {})
    assert seen.result is Result.PASS
    assert seen.running == seen.boot == OTHER.replace("\n", "; ")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("in drop", "the policy cannot be read"),
        ("in accept\nout accept", "would not pass"),
        (f"{POLICY}\nin tcp 80 from any a; flush ruleset", "the policy cannot be read"),
        (f"{POLICY}\nin tcp 80 from 10.0.0.1/8 a", "did you mean 10.0.0.0/8"),
    ],
)
def test_a_policy_that_is_none_is_refused_with_its_line(target: str, said: str) -> None:
    refusal = changed(host(), target)
    assert isinstance(refusal, Refusal)
    assert said in refusal.reason


def test_without_nftables_the_package_to_install_is_said() -> None:
    made = host(commands={loaded.NFT.argv: Unread(Reason.UNSUPPORTED, "nft is not installed")})
    del made.stats["/usr/sbin/nft"]
    assert found(made).running == "none"
    refusal = changed(made)
    assert isinstance(refusal, Refusal)
    assert "install the package nftables" in refusal.reason


def test_rules_of_another_author_are_not_fought_with() -> None:
    chain = {
        "family": "inet",
        "table": "filter",
        "name": "input",
        "hook": "input",
        "type": "filter",
        "prio": 0,
    }
    made = host(more=({"chain": {**chain, "policy": "drop"}},))
    refusal = changed(made)
    assert isinstance(refusal, Refusal)
    assert "nftables holds the firewall" in refusal.reason


def test_facts_that_somebody_changed_by_hand_reach_no_script() -> None:
    assert ENTRY is not None
    session = Session.begin(CHECKLISTS, hosts.snapshot(host()))
    finding = session.finding("firewall.policy")
    assert finding is not None
    decision = session.decision(finding, Action.APPLY, target=POLICY)
    for name in ("file", "unit", "loaded"):
        facts = {**decision.facts, name: "$(reboot)"}
        assert isinstance(change_of(ENTRY, dataclasses.replace(decision, facts=facts)), Refusal)
    facts = {**decision.facts, "holder": "$(reboot)"}
    assert isinstance(change_of(ENTRY, dataclasses.replace(decision, facts=facts)), Refusal)


def test_an_image_is_judged_by_its_boot() -> None:
    made = host(boot=POLICY)
    made.name = "image"
    finding = found(made)
    assert finding.running == ""
    assert finding.boot == POLICY.replace("\n", "; ")


def test_what_the_policy_drops_is_logged_now_and_after_a_boot() -> None:
    """The chapter on logging sees it, and so does the entry about a closed firewall."""
    session = Session.begin(CHECKLISTS, hosts.snapshot(host()))
    finding = session.finding("firewall.policy")
    assert finding is not None
    session = session.decided(session.decision(finding, Action.APPLY, target=OTHER))
    after = rehearse(session.snapshot, session.compiled())
    both = tuple(now(after) for now in (logs.now, logs.at_boot))
    for rules in both:
        assert not isinstance(rules, Gap)
        assert {rule.prefix for rule in rules} == {nftables.PREFIX}
        assert all(rule.refused and rule.limited for rule in rules)
        assert len(rules) == 2, "what comes in and what goes out"
    closed = CHECKLISTS.get("principle.filter-network-globally-and-locally")
    assert closed is not None
    assert assess([closed], after, {})[0].result is Result.PASS
