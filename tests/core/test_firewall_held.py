"""A policy on a host whose firewall ufw or firewalld holds: seen in its files, and written to them.

The files and what the programs show are those of ufw 0.36.2, iptables 1.8.9 and firewalld 1.3.3.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui import hazards
from hardentui.assess import assess
from hardentui.changeset import change_of
from hardentui.checklist import load, shipped_folder
from hardentui.model import Action, Finding, Result
from hardentui.operations import LoadHolder, Refusal, ReplaceLine, WriteFile
from hardentui.rehearsal import rehearse, undo
from hardentui.resources import check
from hardentui.resources.firewall.policy import Permit, Policy, firewalld, parse, ufw
from hardentui.session import Session
from hardentui.snapshot import File, Folder, Output, Snapshot, UnitFile

from . import hosts
from .test_closed_loop import moved

CHECKLISTS = load([shipped_folder()], check, hazards.PROBES)
HELD = Path(__file__).parent / "held"
POLICY = """in drop
out drop
in tcp 22 from 10.0.0.0/24,2001:db8::/64 course.ssh
in tcp 80,8000-8010 from any app.web
in udp 162 from 10.0.0.9 a.traps
out udp 53 to 10.0.0.53,2001:db8::53 course.dns"""
OPEN = POLICY.replace("out drop", "out accept")


def text(name: str) -> str:
    return (HELD / name).read_text()


def nft(*objects: Any) -> Output:
    return Output(json.dumps({"nftables": list(objects)}))


def host_of_ufw(**changes: str) -> hosts.DictHost:
    """A host with rules that people gave; ``changes`` are other texts of its files, by name."""
    chains = []
    for family in ("ip", "ip6"):
        named = {"family": family, "table": "filter"}
        chains.append({"chain": {**named, "name": "INPUT", "type": "filter", "hook": "input", "prio": 0}})
        chains.append({"rule": {**named, "chain": "INPUT", "handle": 1, "expr": [{"xt": {"name": "x"}}]}})
    files = {
        ufw.RULES[4]: text("user.rules.low"),
        ufw.RULES[6]: text("user6.rules"),
        ufw.SWITCH: text("ufw.conf"),
        ufw.DEFAULTS: text("default-ufw"),
    }
    return hosts.server(
        files=files | changes,
        commands={
            ("nft", "--json", "list", "ruleset"): nft(*chains),
            ("iptables-nft-save",): Output(text("iptables-save")),
            ("ip6tables-nft-save",): Output(text("ip6tables-save")),
        },
        unit_files=(UnitFile("ufw.service", "enabled"),),
    )


def host_of_firewalld(**shown: str) -> hosts.DictHost:
    """A host as it is once firewalld was installed; ``shown`` are other answers of firewall-cmd, by name."""
    named = {"family": "inet", "table": "firewalld"}
    chain = {**named, "name": "filter_INPUT", "type": "filter", "hook": "input", "prio": 10}
    rule = {**named, "chain": "filter_INPUT", "handle": 1, "expr": [{"reject": {"type": "icmpx"}}]}
    known = {
        "DEFAULT": "public\n",
        "ZONES": text("zones"),
        "POLICIES": text("policies"),
        "DIRECT": "",
        "FILED_ZONES": text("zones"),
        "FILED_POLICIES": text("policies").replace(" (active)", ""),
        "FILED_DIRECT": "",
    }
    commands = {getattr(firewalld, name).argv: Output(said) for name, said in (known | shown).items()}
    settings = "# comment\nDefaultZone=public\nLogDenied=off\n"
    zone = '<?xml version="1.0" encoding="utf-8"?>\n<zone><service name="ssh"/></zone>\n'
    return hosts.server(
        files={firewalld.SETTINGS: settings, "/usr/lib/firewalld/zones/public.xml": zone},
        commands={**commands, ("nft", "--json", "list", "ruleset"): nft({"chain": chain}, {"rule": rule})},
        unit_files=(UnitFile("firewalld.service", "enabled"),),
    )


HOSTS = {"ufw": host_of_ufw, "firewalld": host_of_firewalld}


def decided(made: hosts.DictHost, policy: str = POLICY) -> Session:
    session = Session.begin(CHECKLISTS, hosts.snapshot(made))
    finding = session.finding("firewall.policy")
    assert finding is not None
    return session.decided(session.decision(finding, Action.APPLY, target=policy))


def refusal(made: hosts.DictHost, policy: str = POLICY) -> str:
    return decided(made, policy).compiled().refused.get("firewall.policy", "")


def written(session: Session) -> dict[str, str]:
    """By path, what the script writes."""
    return {one.path: one.content for one in session.compiled().operations if isinstance(one, WriteFile)}


def found(snapshot: Snapshot) -> Finding:
    entry = CHECKLISTS.get("firewall.policy")
    assert entry is not None
    return assess([entry], snapshot, {})[0]


@pytest.mark.parametrize("policy", [POLICY, OPEN])
@pytest.mark.parametrize("holder", HOSTS)
def test_the_script_writes_the_files_of_the_holder_and_the_finding_passes(holder: str, policy: str) -> None:
    session = decided(HOSTS[holder](), policy)
    before = found(session.snapshot)
    assert before.running == before.boot == f"in drop; {holder}"
    change_set = session.compiled()
    assert not change_set.refused
    assert all(step.can_lock_out for step in change_set.operations)
    last = change_set.operations[-1]
    assert isinstance(last, LoadHolder)
    assert last.holder == holder
    after = rehearse(session.snapshot, change_set)
    finding = found(after)
    assert (finding.result, finding.drift) == (Result.PASS, None)
    assert finding.running == finding.boot == policy.replace("\n", "; ")
    assert moved(undo(after, change_set, session.snapshot), session.snapshot) == {}


@pytest.mark.parametrize("holder", HOSTS)
def test_files_that_nothing_loaded_are_no_pass(holder: str) -> None:
    """Somebody put the files there, or the load failed."""
    session = decided(HOSTS[holder]())
    after = rehearse(session.snapshot, session.compiled())
    asked = {one for one, _answer, _at in after.items() if isinstance(one, File | Folder)}
    filed = session.snapshot.with_answers({one: after.ask(one) for one in asked}, after.taken_at)
    finding = found(filed)
    assert finding.result is Result.UNKNOWN
    assert finding.boot == POLICY.replace("\n", "; ")


@pytest.mark.parametrize("holder", HOSTS)
def test_a_plan_that_saw_nothing_of_the_holder_writes_nothing(holder: str) -> None:
    """One of an earlier version, or one from which somebody took the facts away."""
    session = decided(HOSTS[holder]())
    (decision,) = session.plan.decisions
    entry = CHECKLISTS.get("firewall.policy")
    assert entry is not None
    facts = {name: value for name, value in decision.facts.items() if not name.startswith(holder)}
    change = change_of(entry, dataclasses.replace(decision, facts=facts))
    assert isinstance(change, Refusal)
    assert "could not be read" in change.reason


# --- ufw --------------------------------------------------------------------------------------------------


def test_what_the_policy_does_not_name_goes_and_what_is_forwarded_stays() -> None:
    files = written(decided(host_of_ufw()))
    rules = files[ufw.RULES[4]]
    assert "ufw-user-input -p tcp --dport 22 -s 10.0.0.0/8 -j ACCEPT" in text("user.rules.low")
    assert "10.0.0.0/8" not in rules
    assert "--dport 443" not in rules
    assert "-A ufw-user-forward -i host0 -o eth9 -d 10.1.1.1 -j ACCEPT\n" in rules
    assert "### tuple ### allow udp 162 0.0.0.0/0 any 10.0.0.9 in comment=612e7472617073\n" in rules
    assert "10.0.0" not in files[ufw.RULES[6]]
    assert "-A ufw6-user-output -p udp -d 2001:db8::53 --dport 53 -j ACCEPT\n" in files[ufw.RULES[6]]


@pytest.mark.parametrize(
    ("name", "version", "level", "routed"),
    [(f"user.rules.{level}", 4, level, "DROP") for level in ("off", "low", "medium", "high", "full")]
    + [("user6.rules.shut", 6, "medium", "ACCEPT")],
)
def test_a_file_of_ufw_comes_out_as_ufw_wrote_it(name: str, version: int, level: str, routed: str) -> None:
    """Only where this holds is anything written; so a level that comes out otherwise would be refused."""
    made = host_of_ufw(
        **{
            ufw.RULES[version]: text(name),
            ufw.SWITCH: text("ufw.conf").replace("=low", f"={level}"),
            ufw.DEFAULTS: text("default-ufw").replace('FORWARD_POLICY="DROP"', f'FORWARD_POLICY="{routed}"'),
        }
    )
    facts = ufw.facts(hosts.snapshot(made))
    settings = ufw.Settings(("DROP", "DROP", routed), level)
    # The other file is that of the level low, and none of this one.
    assert facts["ufw.obstacle"] == ("" if level == "low" else "format")
    blocks = ufw._blocks(text(name))
    assert blocks is not None
    assert "".join(f"{line}\n" for line in ufw.render(version, blocks, settings)) == text(name)


def test_defaults_that_are_open_are_closed_and_a_log_that_is_off_is_switched_on() -> None:
    """In the files where ufw keeps them; its rules follow both."""
    defaults = text("default-ufw").replace('INPUT_POLICY="DROP"', 'INPUT_POLICY="REJECT"')
    made = host_of_ufw(**{ufw.DEFAULTS: defaults})
    edits = [one for one in decided(made, OPEN).compiled().operations if isinstance(one, ReplaceLine)]
    assert [(one.before, one.after) for one in edits] == [
        ('DEFAULT_INPUT_POLICY="REJECT"', 'DEFAULT_INPUT_POLICY="DROP"'),
        ('DEFAULT_OUTPUT_POLICY="DROP"', 'DEFAULT_OUTPUT_POLICY="ACCEPT"'),
    ]
    assert (
        'ufw-after-logging-output -j LOG --log-prefix "[UFW BLOCK] "' in written(decided(made))[ufw.RULES[4]]
    )
    assert "ufw-after-logging-output -j" not in written(decided(made, OPEN))[ufw.RULES[4]]


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        (ufw.DEFAULTS, "IPV6=yes", "IPV6=no", "drops all of IPv6"),
        (ufw.DEFAULTS, "MANAGE_BUILTINS=no", "MANAGE_BUILTINS=yes", "flushes the rules of others"),
        (ufw.RULES[4], "COMMIT\n", "COMMIT\n# by hand\n", "not as ufw writes them"),
        (ufw.RULES[4], "### END RULES ###", "", "could not be read"),
        (
            ufw.DEFAULTS,
            'OUTPUT_POLICY="DROP"',
            'OUTPUT_POLICY="DROP"\nDEFAULT_OUTPUT_POLICY="ACCEPT"',
            "read",
        ),
    ],
)
def test_files_that_would_not_survive_are_left_alone(path: str, old: str, new: str, said: str) -> None:
    made = host_of_ufw()
    assert old in str(made.files[path])
    made.files[path] = str(made.files[path]).replace(old, new)
    assert said in refusal(made)


def test_a_ufw_that_drops_all_of_one_version_of_ip_is_not_taken_for_the_policy() -> None:
    session = decided(host_of_ufw())
    after = rehearse(session.snapshot, session.compiled())
    half = text("default-ufw").replace("IPV6=yes", "IPV6=no")
    after = after.with_answers({File(ufw.DEFAULTS): half}, after.taken_at)
    assert found(after).boot == "in drop; ufw"


def test_rules_of_ufw_that_only_run_are_not_lost() -> None:
    made = host_of_ufw()
    more = "-A ufw-user-input -s 192.0.2.7/32 -j DROP\nCOMMIT"
    made.commands["iptables-nft-save",] = Output(text("iptables-save").replace("COMMIT", more))
    assert "what is loaded is not what the files of ufw say" in refusal(made)


def test_facts_of_ufw_that_somebody_changed_by_hand_reach_no_script() -> None:
    session = decided(host_of_ufw())
    (decision,) = session.plan.decisions
    entry = CHECKLISTS.get("firewall.policy")
    assert entry is not None
    for name, value in (
        ("ufw.kept4", ("", "### tuple ### allow tcp 23 0.0.0.0/0 any 0.0.0.0/0 in")),
        (
            "ufw.kept4",
            (
                "",
                "### tuple ### route:allow any any 10.1.1.1 any 0.0.0.0/0 in",
                "-A ufw-user-input -j ACCEPT",
            ),
        ),
        ("ufw.kept6", ("COMMIT", "*nat")),
        ("ufw.input", "ENABLED=yes"),
        ("ufw.routed", "$(reboot)"),
        ("ufw.level", "LOGLEVEL=low; reboot"),
        ("ufw.rules4", "$(reboot)"),
        ("ufw.obstacle", "no word of ours"),
    ):
        facts = {**decision.facts, name: value}
        assert isinstance(change_of(entry, dataclasses.replace(decision, facts=facts)), Refusal), name


PEERS = st.lists(
    st.one_of(
        st.ip_addresses(v=4).filter(lambda ip: not (ip.is_loopback or ip.is_multicast)),
        st.ip_addresses(v=6).filter(lambda ip: not (ip.is_loopback or ip.is_multicast or ip.ipv4_mapped)),
    ).map(str),
    max_size=3,
    unique=True,
)


@given(
    st.sampled_from(["in", "out"]),
    st.sampled_from(["tcp", "udp"]),
    st.lists(st.integers(1, 65535), min_size=1, max_size=7, unique=True),
    PEERS,
    st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True),
)
def test_each_permit_comes_back_from_the_files_of_both(
    direction: Any, protocol: Any, ports: list[int], peers: list[str], name: str
) -> None:
    networks = tuple(ipaddress.ip_network(peer) for peer in peers)
    policy = Policy("drop", (Permit(direction, protocol, tuple((p, p) for p in ports), networks, name),))
    settings = ufw.Settings(("DROP", "DROP", "DROP"), "low")
    files = {
        path: "".join(f"{line}\n" for line in ufw.render(version, ufw._ours(version, policy), settings))
        for version, path in ufw.RULES.items()
    }
    assert ufw.at_boot(hosts.snapshot(host_of_ufw(**files))) == policy
    zone = "".join(f"{line}\n" for line in firewalld.render(policy, forward=True))
    assert firewalld.read(zone) == policy


# --- firewalld ----------------------------------------------------------------------------------------------


def test_a_zone_of_our_own_becomes_the_default_one() -> None:
    session = decided(host_of_firewalld())
    files = written(session)
    assert '<zone target="DROP">' in files[firewalld.ZONE_FILE]
    assert "  <forward/>\n" in files[firewalld.ZONE_FILE], "as in the zone that was the default"
    assert '<policy target="DROP">' in files[firewalld.OUT_FILE]
    edits = [one for one in session.compiled().operations if isinstance(one, ReplaceLine)]
    assert [(one.before, one.after) for one in edits] == [("DefaultZone=public", "DefaultZone=hardentui")]
    dropped = '<log prefix="hardentui-drop: " level="info">\n      <limit value="10/m"/>'
    assert all(dropped in text for text in files.values()), "what is dropped is logged, at a rate"


def test_a_zone_that_somebody_changed_is_not_taken_for_the_policy() -> None:
    session = decided(host_of_firewalld())
    after = rehearse(session.snapshot, session.compiled())
    zone = after.ask(File(firewalld.ZONE_FILE))
    assert isinstance(zone, str)
    opened = zone.replace("<forward/>", '<port port="23" protocol="tcp"/>\n  <forward/>')
    after = after.with_answers({File(firewalld.ZONE_FILE): opened}, after.taken_at)
    finding = found(after)
    assert finding.result is Result.UNKNOWN
    assert firewalld.ZONE_FILE in finding.message


def test_a_port_that_only_runs_is_no_policy() -> None:
    session = decided(host_of_firewalld())
    after = rehearse(session.snapshot, session.compiled())
    shown = after.ask(firewalld.ZONES)
    assert isinstance(shown, Output)
    opened = shown.stdout.replace("hardentui\n", "hardentui\n  ports: 99/tcp\n")
    after = after.with_answers({firewalld.ZONES: Output(opened)}, after.taken_at)
    assert found(after).result is Result.UNKNOWN


def _more(zones: str, key: str, value: str) -> str:
    """The zone public with another value."""
    head, name, tail = zones.partition("public\n")
    old = f"  {key}: no\n" if f"  {key}: no\n" in tail else f"  {key}: \n"
    return head + name + tail.replace(old, f"  {key}: {value}\n", 1)


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ({"ZONES": _more(text("zones"), "ports", "99/tcp")}, "its files do not have"),
        ({"DIRECT": "ipv4 filter FORWARD 0 -j ACCEPT\n"}, "its files do not have"),
        ({"ZONES": _more(text("zones"), "interfaces", "eth0")}, ""),
        (
            {name: _more(text("zones"), "interfaces", "eth0") for name in ("ZONES", "FILED_ZONES")},
            "in other zones",
        ),
        (
            {name: _more(text("zones"), "sources", "10.0.0.0/8") for name in ("ZONES", "FILED_ZONES")},
            "in other zones",
        ),
        (
            {name: _more(text("zones"), "masquerade", "yes") for name in ("ZONES", "FILED_ZONES")},
            "masquerades",
        ),
        (
            dict.fromkeys(("DIRECT", "FILED_DIRECT"), "ipv4 filter INPUT 0 -j ACCEPT\n"),
            "beside the zones",
        ),
        (
            {
                name: text("policies").replace(" (active)", "").replace("allow-host-ipv6", "wide")
                for name in ("POLICIES", "FILED_POLICIES")
            },
            "beside the zones",
        ),
    ],
)
def test_what_the_zone_would_not_decide_or_a_reload_would_lose_is_said(
    shown: dict[str, str], said: str
) -> None:
    why = refusal(host_of_firewalld(**shown))
    assert (said in why) if said else not why


def test_facts_of_firewalld_that_somebody_changed_by_hand_reach_no_script() -> None:
    session = decided(host_of_firewalld())
    (decision,) = session.plan.decisions
    entry = CHECKLISTS.get("firewall.policy")
    assert entry is not None
    for name, value in (
        ("firewalld.default", "DefaultZone=$(reboot)"),
        ("firewalld.zone", "$(reboot)"),
        ("firewalld.obstacle", "no word of ours"),
    ):
        facts = {**decision.facts, name: value}
        assert isinstance(change_of(entry, dataclasses.replace(decision, facts=facts)), Refusal), name


def test_text_of_a_policy_with_signs_of_xml_stays_text() -> None:
    policy = parse(f"{POLICY}\ncut in tcp 25 192.0.2.1: </description><service name='telnet'/> & more")
    zone = "".join(f"{line}\n" for line in firewalld.render(policy, forward=False))
    assert "telnet" in zone
    assert "<service" not in zone
    assert firewalld.read(zone) == policy
