"""What the firewall writes down: the script that a boot loads and the rules that nft lists say the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.model import Gap
from hardentui.resources.firewall import loaded, logs
from hardentui.resources.firewall.logs import LogRule
from hardentui.snapshot import Output, Snapshot, UnitFile

from . import hosts
from .rooted import in_namespaces, needs_namespaces

CHAIN = (
    "table inet filter {{\n chain input {{\n"
    "  type filter hook input priority 0; policy {policy};\n{rules}\n }}\n}}\n"
)


def script(*rules: str, policy: str = "drop") -> str:
    return "flush ruleset\n" + CHAIN.format(policy=policy, rules="\n".join(f"  {rule}" for rule in rules))


# The script, and of each rule that logs: prefix, whether it refuses, has a limit, speaks to ulogd.
SCRIPTS: dict[str, tuple[str, list[tuple[str, bool, bool, bool]]]] = {
    "silent": (script("tcp dport 22 accept"), []),
    "before the policy": (
        script('limit rate 10/minute log prefix "hardentui-drop: " level info'),
        [("hardentui-drop: ", True, True, False)],
    ),
    "with its verdict": (
        script('tcp dport 81 log prefix "no " drop', policy="accept"),
        [("no ", True, False, False)],
    ),
    "of what is let in": (script('tcp dport 22 log prefix "ssh " accept'), [("ssh ", False, False, False)]),
    "before a rule that rejects": (
        script("limit rate 5/second burst 9 packets log flags all", "reject", policy="accept"),
        [("", True, True, False)],
    ),
    "to a program": (script('log prefix "u" group 2', policy="drop"), [("u", True, False, True)]),
    "of nothing that is refused": (
        script('log prefix "seen "', policy="accept"),
        [("seen ", False, False, False)],
    ),
    "by a word of the prefix": (
        'flush ruleset\ntable ip x {\n chain logged {\n  log prefix "[BLOCK] "\n }\n}\n',
        [("[BLOCK] ", True, False, False)],
    ),
}


def at_boot(unit: str, **files: str) -> tuple[LogRule, ...] | Gap:
    """What is logged after a boot of a host with this unit; files by the last part of their path."""
    units = (UnitFile(f"{unit}.service", "enabled"),)
    known = {PATHS[name]: text for name, text in files.items()}
    return logs.at_boot(Snapshot(hosts.DictHost(files=known, unit_files=units)))


PATHS = {
    "nftables": "/etc/nftables.conf",
    "ufw": "/etc/ufw/ufw.conf",
    "defaults": "/etc/default/ufw",
    "firewalld": "/etc/firewalld/firewalld.conf",
    "zone": "/etc/firewalld/zones/public.xml",
    "rules": "/etc/iptables/rules.v4",
}


def told(found: tuple[LogRule, ...] | Gap) -> list[tuple[Any, ...]]:
    assert not isinstance(found, Gap), found
    return [(rule.prefix, rule.refused, rule.limited, rule.group) for rule in found]


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_script_of_the_next_boot(name: str) -> None:
    text, expected = SCRIPTS[name]
    assert told(at_boot("nftables", nftables=text)) == expected


def test_the_rules_that_the_kernel_lists_say_the_same() -> None:
    needs_namespaces("nft")
    listed = in_namespaces("namespace_loglines.py", [text for text, _expected in SCRIPTS.values()])
    for (name, (_text, expected)), answer in zip(SCRIPTS.items(), listed, strict=True):
        made = hosts.DictHost(commands={loaded.NFT.argv: Output(answer)})
        assert told(logs.now(Snapshot(made))) == expected, name


NODES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["log", "limit", "xt", "drop", "prefix", "name"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(st.lists(NODES, max_size=4))
def test_no_statement_breaks_the_reader(statements: list[Any]) -> None:
    chain = {"family": "inet", "table": "x", "name": "c", "hook": "input", "prio": 0, "policy": "drop"}
    rule = {"family": "inet", "table": "x", "chain": "c", "expr": statements}
    listed = json.dumps({"nftables": [{"chain": chain}, {"rule": rule}]})
    found = logs.now(Snapshot(hosts.DictHost(commands={loaded.NFT.argv: Output(listed)})))
    assert isinstance(found, Gap) or all(isinstance(one.prefix, str) for one in found)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("off", []),
        ("low", [("[UFW BLOCK] ", True, True, False)]),
        ("full", [("[UFW BLOCK] ", True, False, False)]),
    ],
)
def test_ufw(level: str, expected: list[tuple[Any, ...]]) -> None:
    files = {"ufw": f"ENABLED=yes\nLOGLEVEL={level}\n", "defaults": 'DEFAULT_INPUT_POLICY="DROP"\nIPV6=yes\n'}
    assert told(at_boot("ufw", **files)) == expected


@pytest.mark.parametrize(("denied", "count"), [("off", 0), ("unicast", 1), ("all", 1)])
def test_firewalld(denied: str, count: int) -> None:
    files = {"firewalld": f"DefaultZone=public\nLogDenied={denied}\n", "zone": "<zone/>"}
    assert len(told(at_boot("firewalld", **files))) == count


def test_saved_rules_of_iptables() -> None:
    rules = '-A INPUT -m limit --limit 3/min -j LOG --log-prefix "[drop] "\n-A INPUT -p tcp -j NFLOG\n'
    text = f"*filter\n:INPUT DROP [0:0]\n{rules}COMMIT\n"
    assert told(at_boot("netfilter-persistent", rules=text)) == [
        ("[drop] ", True, True, False),
        ("", True, False, True),
    ]


def test_what_loads_rules_in_a_way_of_its_own_is_not_known() -> None:
    assert isinstance(at_boot("shorewall"), Gap)
