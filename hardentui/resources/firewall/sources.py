"""From where a packet gets in: all source addresses, sorted into classes that no rule tells apart."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hardentui.resources.firewall.ruleset import Elements, Json, Ruleset, Span, Spans, base_family, literal

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Addresses that a packet from another machine can come from: neither "this network", loopback nor multicast.
_UNICAST = {
    4: (Span(4, 0x01000000, 0x7EFFFFFF), Span(4, 0x80000000, 0xDFFFFFFF)),
    6: (Span(6, 2, (0xFF << 120) - 1),),
}
_LINK_LOCAL = Span(6, 0xFE80 << 112, (0xFEC0 << 112) - 1)
_WORK = 4_000_000  # look-ups; a ruleset that needs more is not sorted into classes


@dataclass(frozen=True)
class SourceClass:
    """Sources that every rule treats alike, and one of them to try."""

    spans: tuple[Span, ...]

    @property
    def sample(self) -> Address:
        """One address of the class."""
        first = self.spans[0]
        return ipaddress.IPv4Address(first.low) if first.version == 4 else ipaddress.IPv6Address(first.low)  # noqa: PLR2004 - IPv4


def classes(ruleset: Ruleset, version: int) -> tuple[SourceClass, ...] | None:
    """The classes of sources of an IP version; None when the rules name too many addresses."""
    tests = [spans for spans in (Spans(found) for found in _tests(ruleset, version)) if spans.joined]
    if version == 6:  # noqa: PLR2004 - IPv6
        tests.append(Spans([_LINK_LOCAL]))
    edges = {span.low for span in _UNICAST[version]}
    for test in tests:
        for span in test.joined:
            edges |= {span.low, span.high + 1}
    starts = sorted(edges)
    if len(starts) * (len(tests) + 1) > _WORK:
        return None
    groups: dict[tuple[bool, ...], list[Span]] = {}
    for atom in _atoms(starts, version):
        signature = tuple(test.holds(version, atom.low) for test in tests)
        groups.setdefault(signature, []).append(atom)
    return tuple(SourceClass(tuple(spans)) for spans in groups.values())


def networks(spans: Iterable[Span]) -> tuple[Network, ...]:
    """The spans as networks, as few as can be."""
    found: list[Network] = []
    for span in Spans(spans).joined:
        kind = ipaddress.IPv4Address if span.version == 4 else ipaddress.IPv6Address  # noqa: PLR2004 - IPv4
        found += ipaddress.summarize_address_range(kind(span.low), kind(span.high))
    return tuple(found)


def size(spans: Iterable[Span]) -> int:
    """How many addresses."""
    return sum(span.high - span.low + 1 for span in spans)


def _atoms(starts: list[int], version: int) -> Iterator[Span]:
    for whole in _UNICAST[version]:
        inside = [start for start in starts if whole.low <= start <= whole.high]
        for low, following in zip(inside, [*inside[1:], whole.high + 1], strict=True):
            yield Span(version, low, following - 1)


def _tests(ruleset: Ruleset, version: int) -> Iterator[list[Span]]:
    """What rules ask of addresses: the spans that one question holds for."""
    for chain in ruleset.chains.values():
        if base_family(chain.family) == ("ip6" if version == 4 else "ip"):  # noqa: PLR2004 - the other one
            continue
        for rule in chain.rules:
            for node in _walk(rule.statements):
                span = literal(node) if isinstance(node, str | Mapping) else None
                if isinstance(span, Span) and span.version == version:
                    yield [span]
                elif isinstance(node, Mapping) and isinstance(node.get("set"), list):
                    yield from _of_elements(Elements.of(node["set"]), version)
    for elements in ruleset.sets.values():
        yield from _of_elements(elements, version)


def _walk(node: Json) -> Iterator[Json]:
    """All nodes of a rule, but not the elements of its sets, which are taken together."""
    if isinstance(node, Mapping):
        yield node
        if "range" in node or "prefix" in node:
            return
        for name, inner in node.items():
            if name != "set":
                yield from _walk(inner)
    elif isinstance(node, list | tuple):
        for inner in node:
            yield from _walk(inner)
    else:
        yield node


def _of_elements(elements: Elements, version: int) -> Iterator[list[Span]]:
    """Elements that differ in nothing but an address are one question."""
    alike: dict[object, list[Span]] = {}
    for key, data in elements.items:
        for place, part in enumerate(key):
            if isinstance(part, Span) and part.version == version:
                others = (*key[:place], None, *key[place + 1 :])
                alike.setdefault((place, others, repr(data)), []).append(part)
    yield from alike.values()
