"""What rules do with packets that no rule names: whether the firewall is closed by default."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from hardentui.model import Gap, GapKind
from hardentui.resources.firewall import sources
from hardentui.resources.firewall.evaluate import Verdict, evaluate
from hardentui.resources.firewall.ruleset import Json, Ruleset, Span, literal
from hardentui.resources.firewall.values import Packet
from hardentui.snapshot import Interface, Interfaces, Snapshot, Unread

# Interfaces to containers and virtual machines of this host: the way in from the network is another.
_INSIDE = re.compile(
    r"lo|docker\d+|br-[0-9a-f]{12}|veth.*|virbr.*|vnet\d+|lxcbr\d+|lxdbr\d+|cni.*|podman\d+|cali.*"
)
_SAMPLES = {"IPv4": ipaddress.ip_address("192.0.2.1"), "IPv6": ipaddress.ip_address("2001:db8::1")}
_UNKNOWN = (Interface("eth0", ()),)  # where a host shows no interface


def interfaces(snapshot: Snapshot) -> tuple[Interface, ...]:
    """The interfaces by which other machines reach this one; a made-up one where none is known."""
    seen = snapshot.ask(Interfaces())
    found = () if isinstance(seen, Unread) else tuple(one for one in seen if not _INSIDE.fullmatch(one.name))
    return found or _UNKNOWN


def of_unnamed(rules: Ruleset, version: str, ways: Iterable[Interface]) -> str | Gap:
    """Either "drop", or "accept" with the interfaces for which it holds, or the rules that leave it open."""
    number = 4 if version == "IPv4" else 6
    classes = sources.classes(rules, number)
    if classes is None:
        return Gap(GapKind.TOO_LARGE, "nft")
    source = max(classes, key=lambda one: sources.size(one.spans)).sample
    ports = _unnamed_ports(rules)
    open_ = []
    ways = tuple(ways)
    for way in ways:
        address = _address(way, number) or _SAMPLES[version]
        ends: set[Verdict] = set()
        for port in ports:
            for protocol in ("tcp", "udp"):
                outcome = evaluate(rules, Packet(way.name, source, address, protocol, port))
                if outcome.sure is None:
                    return Gap(GapKind.UNMODELLED, "; ".join(outcome.doubts[:3]))
                ends.add(outcome.sure)
        if Verdict.ACCEPT in ends:
            open_.append(way.name)
    if not open_:
        return "drop"
    return "accept" if len(open_) == len(ways) else f"accept ({', '.join(open_)})"


def _address(way: Interface, version: int) -> sources.Address | None:
    for text in way.addresses:
        address = ipaddress.ip_address(text)
        if address.version == version:
            return address
    return None


def _unnamed_ports(rules: Ruleset) -> tuple[int, ...]:
    """A low and a high port that stand in no rule; any two where rules name all of them."""
    named: set[int] = set()
    for rule in rules.rules:
        for span in _spans(rule.statements):
            if span.high - span.low < 0xFFFF:  # noqa: PLR2004 - all ports are no choice of ports
                named |= set(range(span.low, min(span.high, 0xFFFF) + 1))
    for elements in rules.sets.values():
        for key, _data in elements.items:
            for part in key:
                if isinstance(part, Span) and not part.version:
                    named |= set(range(part.low, min(part.high, 0xFFFF) + 1))
    low = next((port for port in range(1, 0xFFFF) if port not in named), 1)
    return low, next((port for port in range(0xFFFE, 0, -1) if port not in named), 0xFFFF)


def _spans(node: Json) -> Iterable[Span]:
    if isinstance(node, dict):
        found = literal(node) if {"range", "elem"} & set(node) else None
        if isinstance(found, Span) and not found.version:
            yield found
            return
        for inner in node.values():
            yield from _spans(inner)
    elif isinstance(node, list | tuple):
        for inner in node:
            yield from _spans(inner)
    elif isinstance(node, int) and not isinstance(node, bool):
        yield Span(0, node, node)
