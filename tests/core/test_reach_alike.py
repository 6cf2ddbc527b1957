"""Sources that no rule tells apart are followed once: the answer is that of each packet by itself."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.resources.firewall import sources
from hardentui.resources.firewall.evaluate import Verdict, evaluate
from hardentui.resources.firewall.policy import peer_text
from hardentui.resources.firewall.reach import Door, From, Reachability
from hardentui.resources.firewall.ruleset import Ruleset, build
from hardentui.resources.firewall.selection import Selections
from hardentui.resources.firewall.values import Packet

DOORS = [Door("eth0", ipaddress.ip_address(own)) for own in ("192.0.2.1", "2001:db8::1", "fe80::1")]
NAMED: Mapping[str, Any] = {"family": "inet", "table": "filter"}
NETWORKS = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "192.168.0.0/24", "2001:db8:1::/48", "fe80::/64"]


def _network(text: str) -> Any:
    address, _slash, length = text.partition("/")
    return address if length in {"32", "128"} else {"prefix": {"addr": address, "len": int(length)}}


def _payload(protocol: str, name: str) -> Any:
    return {"payload": {"protocol": protocol, "field": name}}


def _match(left: Any, right: Any, op: str = "==") -> Any:
    return {"match": {"op": op, "left": left, "right": right}}


def _header(network: str) -> str:
    return "ip6" if ":" in network else "ip"


_ONE = st.sampled_from(NETWORKS)
_OF_SOURCE = st.one_of(
    st.builds(
        lambda one, op: _match(_payload(_header(one), "saddr"), _network(one), op),
        _ONE,
        st.sampled_from(["==", "==", "!="]),
    ),
    st.builds(
        lambda some: _match(_payload("ip", "saddr"), {"set": [_network(one) for one in some]}),
        st.lists(st.sampled_from(NETWORKS[:4]), min_size=1, unique=True).filter(lambda some: len(some) < 3),
    ),
    st.sampled_from(["@some", "@none", "@missing"]).map(lambda name: _match(_payload("ip", "saddr"), name)),
    st.builds(
        lambda one: _match(
            {"concat": [_payload("ip", "saddr"), _payload("tcp", "dport")]},
            {"set": [{"concat": [_network(one), 22]}]},
        ),
        st.sampled_from(NETWORKS[:4]),
    ),
)
_OF_PORT = st.one_of(
    st.sampled_from([22, 80]).map(lambda port: _match(_payload("tcp", "dport"), port)),
    st.sampled_from([22, 80]).map(lambda port: _match(_payload("th", "dport"), port, "!=")),
    st.just(_match(_payload("th", "dport"), {"set": [22, {"range": [70, 90]}]})),
    st.just({"xt": {"type": "match", "name": "hl"}}),
    st.just(_match(_payload("udp", "dport"), {"set": [22, {"range": [80, 90]}]})),
    st.just(_match({"meta": {"key": "iifname"}}, "eth0")),
    st.just({"limit": {"rate": 3, "per": "second"}}),
    st.just({"counter": {"packets": 1, "bytes": 1}}),
)
_END = st.sampled_from(
    [
        {"accept": None},
        {"drop": None},
        {"return": None},
        {"jump": {"target": "more"}},
        {"redirect": {"port": 22}},
    ]
)
_RULES = st.lists(
    st.tuples(st.lists(st.one_of(_OF_SOURCE, _OF_PORT), max_size=3), _END).map(lambda one: [*one[0], one[1]]),
    max_size=6,
)


def ruleset(policy: str, rules: list[list[Any]], more: list[list[Any]]) -> Ruleset:
    chain = {**NAMED, "name": "input", "type": "filter", "hook": "input", "prio": 0, "policy": policy}
    sets = {"some": [_network(NETWORKS[1]), _network(NETWORKS[3])], "none": []}
    listed = [("input", one) for one in rules]
    listed += [("more", [part for part in one if "jump" not in part]) for one in more]
    return build(
        [
            {"chain": chain},
            {"chain": {**NAMED, "name": "more"}},
            *({"set": {**NAMED, "name": name, "type": "ipv4_addr", "elem": e}} for name, e in sets.items()),
            *(
                {"rule": {**NAMED, "chain": name, "handle": number, "expr": parts}}
                for number, (name, parts) in enumerate(listed, 1)
            ),
        ]
    )


def let_in(rules: Ruleset, protocol: str, port: int, door: Door) -> list[sources.Network] | None:
    """The networks whose packets come in, each class followed alone; None where one is in doubt."""
    found = []
    for one in sources.classes(rules, door.address.version) or ():
        if door.address.is_link_local and not one.sample.is_link_local:
            continue
        verdict = evaluate(rules, Packet(door.interface, one.sample, door.address, protocol, port)).sure
        if verdict is None:
            return None
        if verdict is Verdict.ACCEPT:
            found += one.spans
    return list(sources.networks(found))


@given(st.sampled_from(["accept", "drop"]), _RULES, _RULES)
def test_what_is_followed_together_ends_as_each_packet_does(
    policy: str, rules: list[list[Any]], more: list[list[Any]]
) -> None:
    made = ruleset(policy, rules, more)
    reachability = Reachability(made)
    for protocol, port in (("tcp", 22), ("tcp", 80), ("tcp", 443), ("udp", 22), ("udp", 443)):
        for door in DOORS:
            reach = reachability._at(protocol, port, door)
            alone = let_in(made, protocol, port, door)
            if alone is None:
                assert reach.kind is From.UNKNOWN
            elif reach.kind is From.SOME:
                assert list(reach.networks) == [peer_text(one) for one in alone]
            elif reach.kind is From.ANY:
                assert alone
                outside = [ipaddress.ip_network(one) for one in reach.without]
                assert not any(one.overlaps(other) for one in alone for other in outside)
            else:
                assert reach.kind is not From.UNKNOWN
                assert not alone


@pytest.mark.parametrize("port", [22, 80])
def test_a_thousand_banned_networks_are_named_for_every_port(port: int) -> None:
    """Once they were too many to follow, and the answer was not known."""
    banned = [ipaddress.ip_network((0x0A000000 + 512 * n, 24)) for n in range(1000)]
    rules = [[_match(_payload("ip", "saddr"), _network(str(one))), {"drop": None}] for one in banned]
    found = Reachability(ruleset("accept", rules, [])).of("tcp", port, DOORS)
    assert found[DOORS[0]].kind is From.ANY
    assert found[DOORS[0]].without == tuple(map(str, banned))
    assert found[DOORS[1]].without == ()


@given(st.sampled_from(["accept", "drop"]), _RULES, _RULES)
def test_what_goes_out_to_machines_that_no_rule_tells_apart_ends_alike(
    policy: str, rules: list[list[Any]], more: list[list[Any]]
) -> None:
    outgoing = ruleset(
        policy, *(json.loads(json.dumps(one).replace("saddr", "daddr")) for one in (rules, more))
    )
    made = Ruleset(
        {key: replace(c, hook=c.hook and "output") for key, c in outgoing.chains.items()}, outgoing.sets
    )
    selections = Selections(made, "daddr")
    for protocol, port in (("tcp", 22), ("tcp", 443), ("udp", 22)):
        for version, own in ((4, DOORS[0].address), (6, DOORS[1].address)):
            kinds = sources.classes(made, version)
            assert kinds is not None
            parted = selections.about(protocol, port).apart(version, kinds)
            assert sorted(str(kind.sample) for _rules, alike in parted for kind in alike) == sorted(
                str(kind.sample) for kind in kinds
            )
            for few, alike in parted:
                ends = {
                    evaluate(which, Packet("eth0", own, to, protocol, port, outgoing=True)).verdicts
                    for which, to in (*((made, kind.sample) for kind in alike), (few, alike[0].sample))
                }
                assert len(ends) == 1
