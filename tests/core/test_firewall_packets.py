"""The evaluator of firewall rules against the kernel: real rules and packets, in namespaces."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import shutil
from typing import Any

import pytest

from hardentui.resources.firewall import loaded, script, verdict
from hardentui.resources.firewall.evaluate import Verdict, evaluate
from hardentui.resources.firewall.reach import Door, From, Reachability
from hardentui.resources.firewall.values import Packet
from hardentui.snapshot import Interface, Output

from . import hosts
from .rooted import in_namespaces, needs_namespaces
from .rulesets import IPTABLES, NFT, OPEN

PORTS = [22, 53, 80, 85, 443, 2222, 8080]
WAYS = [
    ("a0", "10.0.0.2", "10.0.0.1"),
    ("a0", "10.0.0.3", "10.0.0.1"),
    ("a0", "192.0.2.9", "10.0.0.1"),
    ("b0", "10.0.1.2", "10.0.1.1"),
    ("a0", "fd00:a::2", "fd00:a::1"),
    ("a0", "fd00:a::3", "fd00:a::1"),
    ("a0", "2001:db8::9", "fd00:a::1"),
]
PROBES = [
    {"interface": way[0], "source": way[1], "destination": way[2], "protocol": protocol, "port": port}
    for way in WAYS
    for protocol in ("tcp", "udp")
    for port in PORTS
]
SHOW = [
    list(loaded.NFT.argv),
    ["iptables-nft-save"],
    ["ip6tables-nft-save"],
    ["iptables-legacy-save"],
    ["ip6tables-legacy-save"],
]


def jobs() -> dict[str, list[Any]]:
    """What loads each ruleset."""
    found: dict[str, list[Any]] = {name: [(("nft", "-f", "-"), text)] for name, text in (NFT | OPEN).items()}
    if shutil.which("iptables-nft-restore"):
        for name, (four, six) in IPTABLES.items():
            for flavour in ("nft", "legacy"):
                load = [((f"iptables-{flavour}-restore",), four)]
                found[f"{name} in iptables-{flavour}"] = load + (
                    [((f"ip6tables-{flavour}-restore",), six)] if six else []
                )
    return found


@functools.cache
def happened(only: str = "", seconds: float = 0.3) -> dict[str, Any]:
    """For each ruleset, what became of every probe, and what the programs showed of it."""
    known = {name: load for name, load in jobs().items() if only in {"", name}}
    job = {
        "ports": PORTS,
        "probes": PROBES,
        "show": SHOW,
        "seconds": seconds,
        "rulesets": [{"load": load} for load in known.values()],
    }
    return dict(zip(known, in_namespaces("namespace_firewall.py", job), strict=True))


def read(answer: dict[str, Any]) -> loaded.Loaded:
    """The loaded rules, as the product reads them from what the programs printed."""
    commands = {tuple(argv.split()): Output(text) for argv, text in answer["shown"].items() if text}
    names = {path: text for path, text in answer["names"].items() if text is not None}
    return loaded.read(hosts.snapshot(hosts.DictHost(kernel=names, commands=commands)))


def foretold(rules: loaded.Loaded, probe: dict[str, Any]) -> set[str]:
    source, destination = ipaddress.ip_address(probe["source"]), ipaddress.ip_address(probe["destination"])
    packet = Packet(probe["interface"], source, destination, probe["protocol"], probe["port"])
    return {verdict.value for verdict in evaluate(rules.rules, packet).verdicts}


def unlike(name: str, answer: dict[str, Any], *, sure: bool) -> list[str]:
    """The probes that ended in another way than the evaluator says."""
    rules = read(answer)
    assert rules.gap is None, rules.gap
    wrong = []
    for probe, end in zip(PROBES, answer["seen"], strict=True):
        possible = foretold(rules, probe)
        # A rejected packet's answer may itself be filtered or limited, and a diverted one end anywhere.
        shut = {"drop", "reject", "diverted"}
        agrees = bool(possible & shut) if end in shut else end in possible
        if not agrees or (sure and len(possible) > 1):
            wrong.append(f"{name}: {probe} ended with {end}, foretold {possible}")
    return wrong


@pytest.mark.parametrize("name", jobs())
def test_the_kernel_does_what_the_evaluator_says(name: str) -> None:
    needs_namespaces("nft", "ip", "nsenter", "iptables-nft-restore")
    wrong = unlike(name, happened()[name], sure=name not in OPEN)
    if wrong:  # a machine that was held up for a moment looks like a drop: it gets all the time it needs
        wrong = unlike(name, happened(name, 3.0)[name], sure=name not in OPEN)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", jobs())
def test_the_answer_for_a_port_is_that_for_each_packet_to_it(name: str) -> None:
    """Rules about other ports are left out beforehand: that may change no answer."""
    needs_namespaces("nft", "ip", "nsenter", "iptables-nft-restore")
    rules = read(happened()[name]).rules
    reachability = Reachability(rules)
    for port in PORTS:
        for interface, source, destination in WAYS:
            door = Door(interface, ipaddress.ip_address(destination))
            for protocol in ("tcp", "udp"):
                packet = Packet(interface, ipaddress.ip_address(source), door.address, protocol, port)
                sure = evaluate(rules, packet).sure
                reach = reachability.of(protocol, port, [door])[door]
                if sure is None or reach.kind in {From.UNKNOWN, From.DIVERTED}:
                    continue
                inside = any(packet.source in ipaddress.ip_network(one) for one in reach.networks)
                outside = any(packet.source in ipaddress.ip_network(one) for one in reach.without)
                let_in = inside or (reach.kind is From.ANY and not outside)
                assert let_in == (sure is Verdict.ACCEPT), (door, source, protocol, port, reach, sure)


def test_every_way_to_end_was_seen() -> None:
    """A harness in which nothing gets through would agree with much."""
    needs_namespaces("nft", "ip", "nsenter", "iptables-nft-restore")
    ends = {end for answer in happened().values() for end in answer["seen"]}
    assert ends == {"accept", "drop", "reject", "diverted"}
    assert len(NFT) + len(OPEN) + len(IPTABLES) > 30


@pytest.mark.parametrize("name", sorted({**NFT, **OPEN}))
def test_a_script_is_read_as_nft_reads_it(name: str) -> None:
    """What the text of a script is said to do at boot is never more closed than what nft made of it."""
    needs_namespaces("nft", "ip", "nsenter", "iptables-nft-restore")
    text = (NFT | OPEN)[name]
    chains = script.read(hosts.snapshot(hosts.DictHost({"/etc/nftables.conf": text})), "/etc/nftables.conf")
    rules = read(happened()[name]).rules
    for version, families in (("IPv4", {"ip", "inet"}), ("IPv6", {"ip6", "inet"})):
        inputs = [one for one in chains.values() if one.hook == "input" and one.family in families]
        number = 4 if version == "IPv4" else 6
        made = [chain for chain in rules.base_chains(number, "input") if not chain.legacy]
        assert len(inputs) == len(made)
        with contextlib.suppress(script.UnclearError):  # that is no verdict
            if any(script.ends(chains, one) == "drop" for one in inputs):
                assert verdict.of_unnamed(rules, version, (Interface("a0", ()),)) == "drop"


def test_most_scripts_are_read_to_the_end() -> None:
    """A reader that gave up on all of them would be wrong about none."""
    unclear = 0
    for text in NFT.values():
        chains = script.read(hosts.snapshot(hosts.DictHost({"/x": text})), "/x")
        try:
            [script.ends(chains, one) for one in chains.values() if one.hook == "input"]
        except script.UnclearError:
            unclear += 1
    assert unclear <= len(NFT) // 3
