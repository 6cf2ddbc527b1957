"""What a host may call: the evaluator of rules for what goes out, against the kernel and real calls."""

from __future__ import annotations

import functools
import ipaddress
import json
from typing import Any

import pytest

from hardentui.resources.firewall import loaded
from hardentui.resources.firewall.departure import departure
from hardentui.resources.firewall.passage import Share
from hardentui.snapshot import Interface, Interfaces, Output, Reason, Snapshot, Unread

from . import hosts
from .rooted import in_namespaces, needs_namespaces

NEIGHBOURS = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n  "
HEAD = (
    "table inet out {\n chain output { type filter hook output priority filter; policy drop;\n  " + NEIGHBOURS
)
TAIL = "\n }\n}\n"
RULESETS = {
    "nothing": "",
    "shut": HEAD + TAIL,
    "one port": HEAD + "tcp dport 53 accept" + TAIL,
    "one machine": HEAD + "ip daddr 10.0.0.2 tcp dport { 53, 80 } accept" + TAIL,
    "networks": HEAD + "ip6 daddr fd00:a::2/127 udp dport 53 accept\n  ip daddr 10.0.0.3 accept" + TAIL,
    "by interface": HEAD + 'oifname "v0" tcp dport 80 accept\n  oifname "v9" accept' + TAIL,
    "states": HEAD + "ct state established,related accept\n  ct state new udp dport 53 accept" + TAIL,
    "refused": "table ip t { chain o { type filter hook output priority 0; tcp dport 80 reject; }\n}\n",
    "not these": HEAD + "ip daddr != 10.0.0.2 tcp dport 80 accept" + TAIL,
    "late": "table inet t { chain p { type filter hook postrouting priority 0; udp dport 53 drop; }\n}\n",
    "sets": "table inet out {\n set dns { type ipv4_addr; flags interval; elements = { 10.0.0.2/31 } }\n"
    " chain output { type filter hook output priority filter; policy drop;\n  "
    + NEIGHBOURS
    + "ip daddr @dns meta l4proto { tcp, udp } th dport 53 accept"
    + TAIL,
}


@functools.cache
def happened() -> dict[str, Any]:
    job = {"ports": [53, 80], "rulesets": list(RULESETS.values())}
    return dict(zip(RULESETS, in_namespaces("namespace_departure.py", job), strict=True))


def seen(rules: Output | Unread) -> Snapshot:
    made = hosts.DictHost(commands={loaded.NFT.argv: rules})
    made.answers[Interfaces] = (Interface("lo", ("127.0.0.1",)), Interface("v0", ("10.0.0.1", "fd00:a::1")))
    return hosts.snapshot(made)


@pytest.mark.parametrize("name", RULESETS)
def test_it_says_what_the_kernel_does(name: str) -> None:
    needs_namespaces("nft")
    answer = happened()[name]
    snapshot = seen(Output(answer["shown"]))
    for protocol, peer, port, arrived in answer["calls"]:
        found = departure(snapshot, protocol, port, [ipaddress.ip_network(peer)])
        assert found.share is (Share.ALL if arrived else Share.NONE), (protocol, peer, port)


def test_of_networks_a_part() -> None:
    nft = '{"nftables": [{"chain": {"family": "inet", "table": "t", "name": "o", "type": "filter", '
    nft += '"hook": "output", "prio": 0, "policy": "drop"}}, {"rule": {"family": "inet", "table": "t", '
    nft += '"chain": "o", "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "ip", '
    nft += '"field": "daddr"}}, "right": "10.0.0.2"}}, {"accept": null}]}}]}'
    both = [ipaddress.ip_network("10.0.0.0/24")]
    assert departure(seen(Output(nft)), "tcp", 80, both).share is Share.SOME


def test_what_cannot_be_read_is_not_known() -> None:
    found = departure(
        seen(Unread(Reason.DENIED, "needs root")), "tcp", 80, [ipaddress.ip_network("10.0.0.2")]
    )
    assert found.share is Share.UNKNOWN
    assert "needs root" in found.why


@pytest.mark.parametrize(("count", "share"), [(1000, Share.SOME), (2500, Share.UNKNOWN)])
def test_rules_that_name_more_machines_than_are_sorted_leave_it_unknown(count: int, share: Share) -> None:
    """Nobody is said to be shut out for want of an answer."""
    named = {"family": "inet", "table": "out", "chain": "output"}
    left = {"payload": {"protocol": "ip", "field": "daddr"}}
    chain = {
        "family": "inet",
        "table": "out",
        "name": "output",
        "type": "filter",
        "hook": "output",
        "prio": 0,
    }
    banned = [str(ipaddress.ip_address(0x0A000000 + 2 * number)) for number in range(count)]
    rules = [
        {**named, "handle": n, "expr": [{"match": {"op": "==", "left": left, "right": one}}, {"drop": None}]}
        for n, one in enumerate(banned, 1)
    ]
    shown = {"nftables": [{"chain": {**chain, "policy": "accept"}}, *({"rule": one} for one in rules)]}
    snapshot = seen(Output(json.dumps(shown)))
    assert departure(snapshot, "tcp", 80, [ipaddress.ip_network("0.0.0.0/0")]).share is share
    if share is Share.SOME:
        alone = [ipaddress.ip_network(banned[7]), ipaddress.ip_network("192.0.2.0/24")]
        assert [departure(snapshot, "tcp", 80, [one]).share for one in alone] == [Share.NONE, Share.ALL]
