"""Policies against the kernel: they are loaded, and traffic is sent for every flow and every other one."""

from __future__ import annotations

import functools
import ipaddress
import json
from dataclasses import replace
from typing import Any

import pytest

from hardentui.flows.draft import Draft
from hardentui.resources.firewall import loaded
from hardentui.resources.firewall.evaluate import Verdict, evaluate
from hardentui.resources.firewall.policy import Policy, nftables, parse
from hardentui.resources.firewall.reach import Door, From, Reach, Reachability
from hardentui.resources.firewall.ruleset import Ruleset, build
from hardentui.resources.firewall.values import Packet
from hardentui.snapshot import Output

from . import hosts
from .applications import PROFILES, snapshot
from .namespace_policy import probes
from .rooted import in_namespaces, needs_namespaces

ADMINISTRATOR, USER = "10.1.0.2,fd00:1::2", "10.2.0.0/24,fd00:2::/64"
# Docker publishes port 8088: it is led to a container before any input chain sees it.
DOCKER = """
table ip nat {
    chain PREROUTING { type nat hook prerouting priority dstnat; policy accept; jump DOCKER; }
    chain DOCKER { tcp dport 8088 dnat to 10.4.0.2:80; }
}
"""
# Another program closes a port that the policy opens.
CLOSED = "table inet other { chain in { type filter hook input priority 5; tcp dport 443 drop; }; }"
POLICIES = {
    "the course": f"""in drop
out drop
in tcp 22 from {ADMINISTRATOR} course.ssh
out udp 53 to 10.1.0.2,fd00:1::2 course.dns
out tcp 53 to 10.1.0.2,fd00:1::2 course.dns
out udp 67,547 to any course.dhcp
out tcp 80,443 to any course.web""",
    "an application": f"""in drop
out accept
in tcp 22 from {ADMINISTRATOR} app.ssh
in tcp 15672 from {ADMINISTRATOR} app.broker
in tcp 80,443 from any app.web
in tcp 5672,8080-8083 from {USER} app.events
in udp 162 from 10.2.0.2 app.traps
in udp 161 from fd00:1::/64 app.snmp""",
    "nobody": "in drop\nout drop",
    "only IPv4": "in drop\nout drop\nin tcp 22 from 0.0.0.0/0 a.ssh\nout tcp 22 to 0.0.0.0/0 a.out",
}
UNNAMED = (23, 8088, 40000)
# Who is who in the matrices of the applications; the stranger is nobody in any.
_PLAYED = {"users": USER, "events": USER, "snmp": "10.2.0.2", "agents": USER}


def of_applications() -> dict[str, str]:
    """The policies that the flows of both applications propose, for each version and each role of a host."""
    found = {}
    for profile in (one for one in PROFILES if one.id in {"canopsis", "roboconf"}):
        for version in profile.versions:
            for role in (one.id for one in profile.objects if one.role):
                played = {one.question: _PLAYED.get(one.id, ADMINISTRATOR) for one in profile.objects}
                answers = {question: who.replace(",", ", ") for question, who in played.items()}
                answers |= {"applications": profile.id, profile.version_question: version.id}
                answers |= {profile.roles_question: role}
                text = Draft.open(PROFILES, answers, snapshot(sockets=())).text
                found[f"{profile.id}, {version.id}, {role}"] = text
    return found


POLICIES |= of_applications()


def ports(policy: Policy) -> list[int]:
    """The ports that the policy names, the one after each range, and some that it does not know."""
    ranges = [one for permit in policy.permits for one in permit.ports]
    return sorted({*UNNAMED, *(p for low, high in ranges for p in (low, high, high + 1))})


def file(policy: Policy) -> str:
    return "\n".join(nftables.render(policy)) + "\n"


@functools.cache
def jobs() -> dict[str, dict[str, Any]]:
    """By name, the rules that are loaded, the policy among them, and what is asked."""
    web = POLICIES["an application"]
    found = {name: ([], text) for name, text in POLICIES.items()}
    found |= {"beside Docker": ([DOCKER], web), "beside a closed chain": ([CLOSED], web)}
    return {name: _job(name, others, parse(text)) for name, (others, text) in found.items()}


def _job(name: str, others: list[str], policy: Policy) -> dict[str, Any]:
    asked = probes(ports(policy), ["administrator", "user", "stranger"])
    for probe in asked:
        probe["expected"] = _expected(name, policy, probe)
    return {"load": [*others, file(policy)], "probes": asked}


def _expected(name: str, policy: Policy, probe: dict[str, Any]) -> bool:
    """Whether an answer must come: as the policy says, but for what others loaded beside it."""
    way = (probe["direction"], probe["protocol"], probe["port"])
    peer = ipaddress.ip_address(probe["peer"])
    if name == "beside a closed chain" and way == ("in", "tcp", 443):
        return False
    if name == "beside Docker" and peer.version == 4 and way == ("in", "tcp", 8088):
        return True
    return policy.lets(*way, peer)


@functools.cache
def happened() -> dict[str, dict[str, Any]]:
    known = jobs()
    listened = {probe["port"] for one in known.values() for probe in one["probes"]}
    job = {"listen": sorted(listened), "firewalls": list(known.values())}
    return dict(zip(known, in_namespaces("namespace_policy.py", job), strict=True))


def rules(answer: dict[str, Any]) -> Ruleset:
    """The loaded rules, as the product reads them."""
    now = loaded.read(hosts.snapshot(hosts.DictHost(commands={loaded.NFT.argv: Output(answer["shown"])})))
    assert now.gap is None, now.gap
    return now.rules


def admits(reach: Reach, source: str) -> bool | None:
    """Whether the product says that this source gets in; None where it says that it cannot tell."""
    address = ipaddress.ip_address(source)
    match reach.kind:
        case From.ANY:
            return not any(address in ipaddress.ip_network(one) for one in reach.without)
        case From.SOME:
            return any(address in ipaddress.ip_network(one) for one in reach.networks)
        case From.DIVERTED:
            return True
        case From.UNKNOWN:
            return None
        case _:
            return False


def wrongs(name: str) -> list[str]:
    """The probes of which the policy, or the product's reachability, foretells another end."""
    answer = happened()[name]
    loaded_rules = rules(answer)
    reachability = Reachability(loaded_rules)
    found = []
    for probe, came in zip(jobs()[name]["probes"], answer["seen"], strict=True):
        peer = ipaddress.ip_address(probe["peer"])
        protocol, port = probe["protocol"], probe["port"]
        if came != probe["expected"]:
            found.append(f"{name}: {probe} came through: {came}")
        if probe["direction"] == "out":
            own = ipaddress.ip_address(probe["own"])
            sent = evaluate(
                loaded_rules, Packet(probe["interface"], own, peer, protocol, port, outgoing=True)
            )
            if (sent.sure is Verdict.ACCEPT) != came:
                found.append(f"{name}: {probe} came through: {came}, computed {sent}")
        else:
            door = Door(probe["interface"], ipaddress.ip_address(probe["own"]))
            reach = reachability.of(protocol, port, [door])[door]
            # What a DHCP client hears depends on the port that it comes from, which is not known beforehand.
            if (protocol, port) in {("udp", 68), ("udp", 546)} and not came:
                assert reach.kind in {From.UNKNOWN, From.NOBODY}
            elif admits(reach, probe["peer"]) != came:
                found.append(f"{name}: {probe} came through: {came}, computed {reach}")
    return found


@pytest.mark.parametrize("name", jobs())
def test_traffic_does_what_the_policy_and_the_reachability_say(name: str) -> None:
    needs_namespaces("nft", "ip", "nsenter")
    wrong = wrongs(name)
    assert not wrong, "\n".join(wrong[:20])


def test_much_came_through_and_much_did_not() -> None:
    """A harness in which all or nothing gets through would prove nothing."""
    needs_namespaces("nft", "ip", "nsenter")
    for direction in ("in", "out"):
        for version in (4, 6):
            seen = {
                came
                for name, answer in happened().items()
                for probe, came in zip(jobs()[name]["probes"], answer["seen"], strict=True)
                if probe["direction"] == direction and ipaddress.ip_address(probe["peer"]).version == version
            }
            assert seen == {True, False}, (direction, version)


def test_both_matrices_permit_something_to_each_of_their_roles() -> None:
    """A policy without permits would agree with any traffic."""
    found = of_applications()
    assert {name.partition(",")[0] for name in found} == {"canopsis", "roboconf"}
    alone = [
        name for name, text in found.items() if not any(p.direction == "in" for p in parse(text).permits)
    ]
    assert not alone


def test_a_published_port_is_reported_although_the_policy_does_not_name_it() -> None:
    needs_namespaces("nft", "ip", "nsenter")
    answer = happened()["beside Docker"]
    door = Door("c0", ipaddress.ip_address("10.3.0.1"))
    reach = Reachability(rules(answer)).of("tcp", 8088, [door])[door]
    assert reach.kind is From.DIVERTED
    assert reach.value() == "diverted to 10.4.0.2:80"


@pytest.mark.parametrize("name", POLICIES)
def test_what_nft_shows_is_read_as_the_policy_that_was_loaded(name: str) -> None:
    """The way back is held against the real program, and so is what a rehearsal shows in its place."""
    needs_namespaces("nft", "ip", "nsenter")
    policy = parse(POLICIES[name])
    objects = json.loads(happened()[name]["shown"])["nftables"]
    table = nftables.loaded(objects)
    assert table == nftables.Table(policy, nftables.digest(policy), ())
    assert nftables.loaded(nftables.show(policy)) == table
    rehearsed = Reachability(build(nftables.show(policy)))
    real = Reachability(rules(happened()[name]))
    for port in ports(policy):
        for door in (
            Door("a0", ipaddress.ip_address("10.1.0.1")),
            Door("a0", ipaddress.ip_address("fd00:1::1")),
        ):
            for protocol in ("tcp", "udp"):
                foretold, seen = (one.of(protocol, port, [door])[door] for one in (rehearsed, real))
                assert replace(foretold, why="") == replace(seen, why="")
