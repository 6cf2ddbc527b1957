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
from hardentui.resources.firewall import loaded
from hardentui.resources.firewall.policy import Permit, Policy, firewalld, parse, ufw, ufw_around
from hardentui.session import Session
from hardentui.snapshot import File, Folder, Kind, Output, Reason, Snapshot, Stat, Status, UnitFile, Unread

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


def around_people(save: str, place: str) -> str:
    """The file of what stands before or after people's rules, from what is loaded of it."""
    begins = tuple(f"-A ufw{version}-{name}" for version in ("", "6") for name in (place, "not-local"))
    rules = [line for line in text(save).split("\n") if line.startswith(begins)]
    kept = (line for line in rules if "-logging-" not in line.split()[1] and "-user-" not in line)
    return "\n".join(["*filter", *kept, "COMMIT", ""])


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
    for version, save in ((4, "iptables-save"), (6, "ip6tables-save")):
        for path, place in zip(ufw_around.FILES[version], ("before", "after"), strict=True):
            files[path] = around_people(save, place)
    made = hosts.server(
        files=files | changes,
        commands={
            ("nft", "--json", "list", "ruleset"): nft(*chains),
            ("iptables-nft-save",): Output(text("iptables-save")),
            ("ip6tables-nft-save",): Output(text("ip6tables-save")),
        },
        unit_files=(UnitFile("ufw.service", "enabled"),),
    )
    made.kernel["/proc/net/if_inet6"] = ""
    return made


def host_of_firewalld(**shown: str) -> hosts.DictHost:
    """A host as it is once firewalld was installed; ``shown`` are other answers of firewall-cmd, by name."""
    named = {"family": "inet", "table": "firewalld"}
    chain = {**named, "name": "filter_INPUT", "type": "filter", "hook": "input", "prio": 10}
    rule = {**named, "chain": "filter_INPUT", "handle": 1, "expr": [{"reject": {"type": "icmpx"}}]}
    known = {
        "DEFAULT": "public\n",
        "ZONES": text("zones"),
        "POLICIES": text("policies"),
        "FILED_ZONES": text("zones"),
        "FILED_POLICIES": text("policies").replace(" (active)", ""),
        "SETS": "\n",
        "FILED_SETS": "\n",
    }
    commands = {one.argv: Output("") for one in (*firewalld.DIRECT, *firewalld.FILED_DIRECT)}
    for name, said in (known | shown).items():
        # The name of a question, or the words behind firewall-cmd.
        argv = getattr(firewalld, name).argv if name.isupper() else ("firewall-cmd", *name.split())
        commands[argv] = Output(said)
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


def image_of(made: hosts.DictHost, after: Snapshot, *paths: str) -> hosts.DictHost:
    """The host as an image, with these files as they are then."""
    made.name = "image"
    made.files |= {path: text for path in paths if isinstance(text := after.ask(File(path)), str)}
    return made


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


def test_defaults_become_those_of_the_policy() -> None:
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


def test_what_is_open_without_a_log_is_closed_and_logged() -> None:
    """A host where ufw logs nothing, and lets everything in."""
    low, off = ufw.Settings(("DROP", "DROP", "DROP"), "low"), ufw.Settings(("ACCEPT", "DROP", "DROP"), "off")
    blocks = {
        version: ufw._blocks(text(name)) for version, name in ((4, "user.rules.low"), (6, "user6.rules"))
    }
    made = host_of_ufw(
        **{
            ufw.SWITCH: text("ufw.conf").replace("LOGLEVEL=low", "LOGLEVEL=off"),
            ufw.DEFAULTS: text("default-ufw").replace('INPUT_POLICY="DROP"', 'INPUT_POLICY="ACCEPT"'),
        },
        **{
            ufw.RULES[n]: "".join(f"{line}\n" for line in ufw.render(n, b, off))
            for n, b in blocks.items()
            if b
        },
    )
    for name in ("iptables", "ip6tables"):
        own = "ufw" if name == "iptables" else "ufw6"
        more = f":INPUT ACCEPT\n-A {own}-track-input -p tcp -m conntrack --ctstate NEW -j ACCEPT"
        made.commands[f"{name}-nft-save",] = Output(text(f"{name}-save").replace(":INPUT DROP", more))
    session = decided(made)
    edits = [one for one in session.compiled().operations if isinstance(one, ReplaceLine)]
    assert [(one.before, one.after) for one in edits] == [
        ('DEFAULT_INPUT_POLICY="ACCEPT"', 'DEFAULT_INPUT_POLICY="DROP"'),
        ("LOGLEVEL=off", "LOGLEVEL=low"),
    ]
    logged = [line for line in ufw.render(4, (), low) if "-logging-" in line and line.startswith("-")]
    assert set(logged) <= set(written(session)[ufw.RULES[4]].split("\n"))
    assert found(rehearse(session.snapshot, session.compiled())).result is Result.PASS


def test_what_goes_out_is_closed_where_ufw_let_all_of_it_pass() -> None:
    """Its rules that follow the default go with it."""
    made = host_of_ufw(
        **{ufw.DEFAULTS: text("default-ufw").replace('OUTPUT_POLICY="DROP"', 'OUTPUT_POLICY="ACCEPT"')}
    )
    for version, name in ((4, "iptables"), (6, "ip6tables")):
        own = ufw_around.PREFIX[version]
        saved = text(f"{name}-save").replace(":OUTPUT DROP", ":OUTPUT ACCEPT")
        saved = saved.replace(
            f"{own}-skip-to-policy-output -j DROP", f"{own}-skip-to-policy-output -j ACCEPT"
        )
        more = f"-A {own}-track-output -p tcp -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT"
        made.commands[f"{name}-nft-save",] = Output(saved.replace("COMMIT", more))
        rules = ufw._blocks(str(made.files[ufw.RULES[version]]))
        assert rules is not None
        settings = ufw.Settings(("DROP", "ACCEPT", "DROP"), "low")
        made.files[ufw.RULES[version]] = "".join(f"{line}\n" for line in ufw.render(version, rules, settings))
    session = decided(made)
    assert not session.compiled().refused
    assert found(rehearse(session.snapshot, session.compiled())).running == POLICY.replace("\n", "; ")


def hazards_of(made: hosts.DictHost) -> str:
    return " ".join(one.text for one in found(hosts.snapshot(made)).hazards)


def test_rules_of_ufw_that_shut_something_out_are_named_before_they_go() -> None:
    made = host_of_ufw()
    banned = "deny any any 0.0.0.0/0 any 203.0.113.0/24 in\n-A ufw-user-input -s 203.0.113.0/24 -j DROP"
    more = f"### RULES ###\n\n### tuple ### {banned}\n"
    made.files[ufw.RULES[4]] = str(made.files[ufw.RULES[4]]).replace("### RULES ###\n", more)
    # One rule for both versions of IP is one; what is routed, or allowed, is none.
    assert "2 here (deny any any from 203.0.113.0/24, limit tcp 443 from any)" in hazards_of(made)
    made.files[ufw.SWITCH] = str(made.files[ufw.SWITCH]).replace("ENABLED=yes", "ENABLED=no")
    assert "shut something out" not in hazards_of(made)


def test_rules_of_the_default_zone_that_shut_something_out_are_named_before_they_go() -> None:
    rule = 'rule family="ipv4" source address="203.0.113.0/24" reject'
    head, name, tail = text("zones").partition("public\n")
    few = 'rule service name="ssh" accept limit value="3/m"'
    open_ = 'rule service name="http" log limit value="1/m" accept'
    zones = head + name + tail.replace("rich rules: ", f"rich rules: \n\t{rule}\n\t{few}\n\t{open_}", 1)
    zones = _more(zones, "icmp-blocks", "echo-request")
    said = hazards_of(host_of_firewalld(ZONES=zones, FILED_ZONES=zones))
    assert f"3 here ({rule}, {few}, icmp-block echo-request)" in said
    assert "shut something out" not in hazards_of(host_of_firewalld())


OPENINGS = [
    "-A INPUT -p tcp -m tcp --dport 23 -j ACCEPT",
    "-A INPUT -j ACCEPT",
    "-A INPUT ! -i lo -j ACCEPT",
    "-A INPUT -s 192.0.2.0/24 -j theirs",
    "-A INPUT -p tcp -m tcp --dport 23 -j NFQUEUE --queue-num 0",
    "-A ufw-before-input -p tcp -m tcp --dport 23 -j ACCEPT",
    "-A ufw-before-input -p udp -m udp --dport 5353 -j ACCEPT",
    "-A ufw-before-input -p tcp -m tcp --sport 67 --dport 68 -j ACCEPT",
    "-A ufw-before-input -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT",
    "-A ufw-after-input -p tcp -m tcp --dport 23 -j ufw-user-limit-accept",
    "-A ufw-track-input -p tcp -m conntrack --ctstate NEW -j ACCEPT",
    "-A OUTPUT -p tcp -m tcp --dport 23 -j ACCEPT",
]
HARMLESS = [
    "-A INPUT -i lo -j ACCEPT",
    "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd",
    "-A INPUT -s 192.0.2.7/32 -j DROP",
    "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT",
    "-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT",
    "-A FORWARD -j ACCEPT",
]
# What those of others jump to: chains that let something through, and that do not.
THEIRS = """:theirs - [0:0]
:f2b-sshd - [0:0]
-A theirs -p tcp -m tcp --dport 23 -j ACCEPT
-A f2b-sshd -s 192.0.2.66/32 -j REJECT --reject-with icmp-port-unreachable
-A f2b-sshd -j RETURN"""


def with_rule(snapshot: Snapshot, rule: str) -> Snapshot:
    """With one more rule loaded."""
    saved = snapshot.ask(loaded.SAVE["ip"])
    assert isinstance(saved, Output)
    more = saved.stdout.replace("COMMIT", f"{THEIRS}\n{rule}\nCOMMIT")
    return snapshot.with_answers({loaded.SAVE["ip"]: Output(more)}, snapshot.taken_at)


@pytest.mark.parametrize("rule", OPENINGS)
def test_a_rule_that_opens_a_port_beside_the_policy_of_ufw_is_no_pass(rule: str) -> None:
    session = decided(host_of_ufw())
    after = rehearse(session.snapshot, session.compiled())
    finding = found(with_rule(after, rule))
    assert finding.result is not Result.PASS
    assert "beside the policy" in finding.message or finding.running == "in accept; ufw"


@pytest.mark.parametrize("rule", HARMLESS)
def test_a_rule_that_opens_no_port_leaves_the_policy_of_ufw_as_it_is(rule: str) -> None:
    session = decided(host_of_ufw())
    after = rehearse(session.snapshot, session.compiled())
    assert found(with_rule(after, rule)).result is Result.PASS


def test_what_goes_out_by_a_rule_of_others_matters_where_the_policy_closes_it() -> None:
    made = host_of_ufw()
    rule = "-A OUTPUT -p tcp -m tcp --dport 23 -j ACCEPT\nCOMMIT"
    made.commands["iptables-nft-save",] = Output(text("iptables-save").replace("COMMIT", rule))
    assert "beside the policy" in refusal(made)
    assert not refusal(made, OPEN)


@pytest.mark.parametrize("rule", OPENINGS[:5])
def test_a_policy_is_not_written_to_a_ufw_that_others_opened(rule: str) -> None:
    made = host_of_ufw()
    more = f"{THEIRS}\n{rule}\nCOMMIT"
    made.commands["iptables-nft-save",] = Output(text("iptables-save").replace("COMMIT", more))
    assert "open ports beside the policy" in refusal(made)


@pytest.mark.parametrize("path", [path for paths in ufw_around.FILES.values() for path in paths])
def test_a_port_that_the_files_around_people_open_is_no_pass_at_boot(path: str) -> None:
    """Lines as people write them there, and not yet loaded."""
    session = decided(host_of_ufw())
    after = rehearse(session.snapshot, session.compiled())
    made = image_of(host_of_ufw(), after, *ufw.RULES.values(), ufw.DEFAULTS, ufw.SWITCH)
    assert found(hosts.snapshot(made)).result is Result.PASS
    own = "ufw6" if "6" in path else "ufw"
    place = "before" if "before" in path else "after"
    opened = f"-A {own}-{place}-input -p tcp --dport 23 -j ACCEPT\nCOMMIT"
    made.files[path] = str(made.files[path]).replace("COMMIT", opened)
    finding = found(hosts.snapshot(made))
    assert finding.result is Result.UNKNOWN
    assert path in finding.message


def test_the_files_of_ufw_as_they_are_shipped_open_nothing() -> None:
    """Their lines that accept, in their own spelling."""
    shipped = {
        ufw_around.FILES[4][0]: """*filter
:ufw-before-input - [0:0]
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j ufw-logging-deny
# ok icmp codes for INPUT
-A ufw-before-input -p icmp --icmp-type destination-unreachable -j ACCEPT
-A ufw-before-input -p udp --sport 67 --dport 68 -j ACCEPT
-A ufw-before-input -p udp -d 224.0.0.251 --dport 5353 -j ACCEPT
-A ufw-before-input -p udp -d 239.255.255.250 --dport 1900 -j ACCEPT
-I ufw-before-input 1 -s 192.0.2.7 -j DROP
COMMIT
""",
        ufw_around.FILES[6][0]: """*filter
:ufw6-before-input - [0:0]
-A ufw6-before-input -p icmpv6 --icmpv6-type router-solicitation -m hl --hl-eq 255 -j ACCEPT
-A ufw6-before-input -p udp -s fe80::/10 --sport 547 -d fe80::/10 --dport 546 -j ACCEPT
-A ufw6-before-input -p udp -d ff02::fb --dport 5353 -j ACCEPT
-A ufw6-before-input -p udp -d ff02::f --dport 1900 -j ACCEPT
COMMIT
""",
    }
    assert ufw_around.filed(hosts.snapshot(host_of_ufw(**shipped)), ("input", "output")) is None


def test_a_program_that_ufw_runs_when_it_loads_leaves_open_what_passes() -> None:
    session = decided(host_of_ufw())
    after = rehearse(session.snapshot, session.compiled())
    program = Status(Kind.FILE, 0o755, 0, 0, "root", "root", 9, "8:1")
    after = after.with_answers({Stat("/etc/ufw/after.init"): program}, after.taken_at)
    assert found(after).result is Result.UNKNOWN


def test_rules_around_people_that_only_run_are_not_lost() -> None:
    made = host_of_ufw()
    more = "-A ufw-before-input -s 192.0.2.7/32 -j DROP\nCOMMIT"
    made.commands["iptables-nft-save",] = Output(text("iptables-save").replace("COMMIT", more))
    assert "what is loaded is not what the files of ufw say" in refusal(made)


def test_a_kernel_without_ipv6_needs_no_rules_for_it() -> None:
    """ufw leaves them alone there, in its file and in the kernel."""
    made = host_of_ufw(**{ufw.RULES[6]: "*filter\n:ufw6-user-input - [0:0]\n### RULES ###\nCOMMIT\n"})
    made.commands["ip6tables-nft-save",] = Output("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")
    assert "could not be read" in refusal(made)
    del made.kernel["/proc/net/if_inet6"]
    session = decided(made)
    assert not session.compiled().refused
    assert "2001:db8::" in written(session)[ufw.RULES[6]], "for the day when it has IPv6"
    assert found(rehearse(session.snapshot, session.compiled())).result is Result.PASS


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


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("zones/public.xml", '<zone><interface name="eth0"/><service name="telnet"/></zone>', "other zones"),
        ("zones/public.xml", '<zone><source address="192.0.2.0/24"/></zone>', "other zones"),
        ("zones/public.xml", '<zone><service name="telnet"/></zone>', ""),
        (
            "policies/wide.xml",
            '<policy target="ACCEPT"><ingress-zone name="ANY"/><egress-zone name="HOST"/></policy>',
            "beside the zones",
        ),
        (
            "policies/routed.xml",
            '<policy target="ACCEPT"><ingress-zone name="ANY"/><egress-zone name="ANY"/></policy>',
            "",
        ),
        ("policies/torn.xml", "<policy", "torn.xml"),
        ("direct.xml", '<direct><rule ipv="ipv4" table="filter" chain="INPUT">x</rule></direct>', "beside"),
        ("direct.xml", '<direct><passthrough ipv="ipv4">-I INPUT -j ACCEPT</passthrough></direct>', "beside"),
        ("direct.xml", '<direct><rule ipv="ipv4" table="filter" chain="FORWARD">x</rule></direct>', ""),
    ],
)
def test_what_else_lets_packets_in_at_boot_is_no_pass(path: str, content: str, said: str) -> None:
    """Seen on an image, where nobody asks firewall-cmd."""
    session = decided(host_of_firewalld())
    after = rehearse(session.snapshot, session.compiled())
    made = image_of(host_of_firewalld(), after, firewalld.ZONE_FILE, firewalld.OUT_FILE, firewalld.SETTINGS)
    made.files[f"/etc/firewalld/{path}"] = content
    finding = found(hosts.snapshot(made))
    assert finding.result is (Result.UNKNOWN if said else Result.PASS)
    assert said in finding.message


def _more(zones: str, key: str, value: str) -> str:
    """The zone public with another value."""
    head, name, tail = zones.partition("public\n")
    old = f"  {key}: no\n" if f"  {key}: no\n" in tail else f"  {key}: \n"
    return head + name + tail.replace(old, f"  {key}: {value}\n", 1)


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ({"ZONES": _more(text("zones"), "ports", "99/tcp")}, "its files do not have"),
        ({"--direct --get-all-rules": "ipv4 filter FORWARD 0 -j ACCEPT\n"}, "its files do not have"),
        ({"--direct --get-all-chains": "ipv4 filter more\n"}, "its files do not have"),
        ({"--direct --get-all-passthroughs": "ipv4 -N more\n"}, "its files do not have"),
        ({"SETS": "banned\n", "--ipset=banned --get-entries": "192.0.2.1\n"}, "its files do not have"),
        (
            dict.fromkeys(("SETS", "FILED_SETS"), "banned\n")
            | {"--ipset=banned --get-entries": "192.0.2.1\n192.0.2.2\n"}
            | {"--permanent --ipset=banned --get-entries": "192.0.2.1\n"},
            "its files do not have",
        ),
        (
            dict.fromkeys(("SETS", "FILED_SETS"), "banned\n")
            | {"--ipset=banned --get-entries": "192.0.2.1\n192.0.2.2\n"}
            | {"--permanent --ipset=banned --get-entries": "192.0.2.2\n192.0.2.1\n"},
            "",
        ),
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
            dict.fromkeys(
                ("--direct --get-all-rules", "--permanent --direct --get-all-rules"),
                "ipv4 filter INPUT 0 -j ACCEPT\n",
            ),
            "beside the zones",
        ),
        (
            dict.fromkeys(
                ("--direct --get-all-passthroughs", "--permanent --direct --get-all-passthroughs"),
                "ipv4 -I INPUT -p tcp --dport 23 -j ACCEPT\n",
            ),
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


def test_a_set_that_cannot_be_read_is_not_taken_for_an_empty_one() -> None:
    for reason, said in ((Reason.TIMED_OUT, "could not be read"), (Reason.FAILED, "")):
        made = host_of_firewalld(SETS="banned\n", FILED_SETS="banned\n")
        for where in ((), ("--permanent",)):
            made.commands["firewall-cmd", *where, "--ipset=banned", "--get-entries"] = Unread(reason)
        why = refusal(made)
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
