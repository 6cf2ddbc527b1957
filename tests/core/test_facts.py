"""The facts that a plan keeps: edited by hand or brought along, they change nothing but their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from hardentui.changeset import change_of
from hardentui.model import Action, Recommendation
from hardentui.operations import Refusal, SetSysctl
from hardentui.rehearsal import rehearse, undo
from hardentui.session import Session
from hardentui.snapshot import KernelFile

from . import hosts
from .sittings import sitting
from .test_closed_loop import CHECKLISTS, FIRST, begun, decided
from .test_judgement import KPTR, PARANOID, find

SESSION = begun("server", tuple(sorted(FIRST.items())))
PORTS = find("net.ipv4.ip_local_reserved_ports", resource="ports")
LOG, TMP, BOOT = find("/var/log", "options"), find("/tmp", "fstype"), find("/boot", "mode")
FORWARD = find("net.ipv4.ip_forward", target="0", resource="sysctl")
FORWARD6 = find("net.ipv6.conf.all.forwarding")


def compiled(id_: str, target: str = "", **facts: Any) -> object:
    """What becomes of a decision of the synthetic server when its facts are edited; None takes one away."""
    entry = CHECKLISTS.get(id_)
    decision = SESSION.decision(SESSION.finding(id_), Action.APPLY, target=target)
    kept: Mapping[str, Any] = {k: v for k, v in {**decision.facts, **facts}.items() if v is not None}
    return change_of(entry, dataclasses.replace(decision, facts=kept))


def test_the_facts_of_the_host_itself_compile() -> None:
    for id_ in (KPTR, PORTS, LOG, BOOT, FORWARD):
        assert not isinstance(compiled(id_), Refusal), id_


@pytest.mark.parametrize(
    "target",
    [
        "nosuid,nodev,noexec,suid",
        "nosuid,nodev,noexec 0 0",
        "nosuid,nodev,noexec\t9",
        "nosuid,nodev,noexec,,",
    ],
)
def test_mount_options_that_do_not_hold_together_are_refused(target: str) -> None:
    assert isinstance(compiled(LOG, target), Refusal)


@pytest.mark.parametrize("fact", [{"raw": "rw 0 0"}, {"gid": "0,suid"}, {"shown": "x"}, {"group": "root"}])
def test_facts_of_a_mount_that_smuggle_fields_are_refused(fact: dict[str, str]) -> None:
    assert isinstance(compiled(LOG, **fact), Refusal)


@pytest.mark.parametrize("target", ["0700 daemon:daemon", "0700 root:adm"])
def test_the_owner_of_a_folder_is_not_for_a_plan_to_choose(target: str) -> None:
    assert isinstance(compiled(BOOT, target), Refusal)


@pytest.mark.parametrize("seen", [("9" * 30,), (str(1 << 31),), ("-" + "9" * 30,)])
def test_a_value_that_no_kernel_showed_does_not_become_the_target(seen: tuple[str, ...]) -> None:
    change = compiled(PARANOID, seen=seen)
    assert not isinstance(change, Refusal)
    assert [step.after for step in change if isinstance(step, SetSysctl)] == ["2"]


@pytest.mark.parametrize("wanted", ["1-99999999999", "70000", "22,x", "5,4", "40000 = 1", "²"])
def test_a_list_of_ports_that_is_none_is_refused(wanted: str) -> None:
    assert isinstance(compiled(PORTS, wanted=wanted), Refusal)


def test_a_file_with_an_endless_range_of_ports_costs_nothing() -> None:
    text = "net.ipv4.ip_local_reserved_ports = 1-99999999999999\n"
    found = Session.begin(CHECKLISTS, hosts.snapshot(hosts.server(files={"/etc/sysctl.d/10.conf": text})))
    assert found.finding(PORTS).observation is not None


@pytest.mark.parametrize("lacking", ["in-fstab", "shipped", "tmp-unit", "tmp-dropin"])
def test_a_tmpfs_without_its_facts_is_refused_in_words(lacking: str) -> None:
    entry = CHECKLISTS.get(TMP)
    host = hosts.server(files={"/etc/fstab": ""}, mounts=tuple(m for m in hosts.mounts() if m.path != "/tmp"))
    del host.files["/etc/systemd/system/tmp.mount"]
    session = Session.begin(CHECKLISTS, hosts.snapshot(host))
    decision = session.decision(session.finding(TMP), Action.APPLY)
    assert not isinstance(change_of(entry, decision), Refusal)
    facts = {name: fact for name, fact in decision.facts.items() if name != lacking}
    refused = change_of(entry, dataclasses.replace(decision, facts=facts))
    assert isinstance(refused, Refusal)
    assert lacking in refused.reason
    assert "plan refresh" in refused.reason


@pytest.mark.parametrize(
    "edit",
    [
        {"file": "/etc/passwd", "line": "kernel.kptr_restrict = 0", "key": "kernel/kptr_restrict"},
        {"file": "/etc/sysctl.conf", "line": "kernel.sysrq = 1", "key": "kernel/kptr_restrict"},
        {"line": "# nothing", "key": "kernel/kptr_restrict"},
    ],
)
def test_an_edit_of_another_file_or_line_is_refused(edit: dict[str, str]) -> None:
    assert isinstance(compiled(KPTR, edits=(edit,)), Refusal)


# --- forwarding resets what the interfaces have -------------------------------------------------------


@pytest.mark.parametrize(
    ("id_", "folder", "key"),
    [
        (FORWARD, "net/ipv4/conf", "net/ipv4/ip_forward"),
        (FORWARD6, "net/ipv6/conf", "net/ipv6/conf/all/forwarding"),
    ],
)
@pytest.mark.parametrize("all_", ["0", "1"])
def test_a_rollback_gives_each_interface_its_forwarding_back(
    id_: str, folder: str, key: str, all_: str
) -> None:
    entry = CHECKLISTS.get(id_)
    parts = {"default": "0", "lo": "0", "eth0": "1", "br0": "0"}
    host = hosts.with_kernel(
        hosts.server(("lo", "eth0", "br0")),
        {key: "1" if all_ == "1" else "2"} | {f"{folder}/{part}/forwarding": v for part, v in parts.items()},
    )
    session = _answered(host, entry)
    session = decided(session, [entry])
    change_set = session.compiled()
    after = rehearse(session.snapshot, change_set)
    assert {
        part: after.ask(KernelFile(f"/proc/sys/{folder}/{part}/forwarding")) for part in parts
    } == dict.fromkeys(parts, "0")
    back = undo(after, change_set, session.snapshot)
    assert {part: back.ask(KernelFile(f"/proc/sys/{folder}/{part}/forwarding")) for part in parts} == parts


def _answered(host: hosts.DictHost, entry: Recommendation) -> Session:
    return sitting(hosts.snapshot(host), {c.question: c.one_of[0] for c in entry.when})


def test_a_reset_of_another_key_is_refused() -> None:
    for key in ("net/ipv4/conf/eth0/rp_filter", "kernel/core_pattern", "net/ipv6/conf/eth0/forwarding"):
        assert isinstance(compiled(FORWARD, resets={key: "1"}), Refusal)
