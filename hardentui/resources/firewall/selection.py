"""Which rules are about a packet, by its port and the other machine: the rest let it pass, unasked.

Rules speak of machines and ports by the fields saddr, daddr and dport alone (``values.Fields``). So where
no rule that is left asks for them in another form, packets that differ in nothing else end alike.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from hardentui.resources.firewall.ruleset import Elements, Json, Key, Rule, Ruleset, Span, Spans, literal
from hardentui.resources.firewall.sources import SourceClass

End = Literal["saddr", "daddr"]
Place = tuple[Key, int]  # a rule: its chain, and its number there
Alike = tuple[Ruleset, tuple[SourceClass, ...]]
_EITHER = "th"  # a port of whatever protocol the packet has, as of iptables' multiport
_MOST_TRIED = 64  # ports of a range that are looked at one by one


@dataclass(frozen=True, slots=True)
class Asked:
    """What a rule asks for before it does anything: protocols with ports, and machines; all must hold.

    ``by_port`` and ``by_machine`` say that it asks for these in another form, or later, besides.
    """

    ports: tuple[tuple[str, Spans], ...]
    machines: tuple[Spans, ...]
    by_port: bool
    by_machine: bool


class Selections:
    """The rules of a ruleset that are about one port, for each that is asked for.

    ``end`` is the field in which the other machine stands: "saddr" of packets that come in, else "daddr".
    """

    def __init__(self, ruleset: Ruleset, end: End) -> None:
        self._ruleset = ruleset
        # Where a rule may change the port, no rule is left out for it.
        self._narrow = not any(_changes_ports(rule) for rule in ruleset.rules)
        self._asked = {
            (key, number): _asked(rule, ruleset.sets_of(key), end, narrow=self._narrow)
            for key, chain in ruleset.chains.items()
            for number, rule in enumerate(chain.rules)
        }
        self._naming = [(place, asked) for place, asked in self._asked.items() if asked.ports]
        self._others = [place for place, asked in self._asked.items() if not asked.ports]
        spans = [span for _place, asked in self._naming for _, named in asked.ports for span in named.joined]
        self._edges = sorted({edge for span in spans for edge in (span.low, span.high + 1)})
        self._about: dict[tuple[str, int], Selection] = {}
        self._known: dict[tuple[Place, ...], Selection] = {}

    def about(self, protocol: str, port: int) -> Selection:
        """The rules without those that are about other ports; the same one for ports that are named alike."""
        if (protocol, port) not in self._about:
            named = tuple(
                place
                for place, asked in self._naming
                if all(other in {protocol, _EITHER} and spans.holds(0, port) for other, spans in asked.ports)
            )
            if named not in self._known:
                kept = {place: self._asked[place] for place in (*self._others, *named)}
                self._known[named] = Selection(self._ruleset, kept)
            self._about[protocol, port] = self._known[named]
        return self._about[protocol, port]

    def kinds(self, protocol: str, low: int, high: int) -> tuple[int, ...] | None:
        """One port for each kind of those from ``low`` to ``high`` that the rules tell apart.

        None where each of many may be a kind of its own: rules change ports, or ask for them in another form.
        """
        first, last = (bisect.bisect_right(self._edges, port) for port in (low, high))
        found: dict[Selection, int] = {}
        for port in (low, *self._edges[first:last]):
            found.setdefault(self.about(protocol, port), port)
        if self._narrow and not any(selection.by_port for selection in found):
            return tuple(found.values())
        return tuple(range(low, high + 1)) if high - low < _MOST_TRIED else None


class Selection:
    """Some rules of a ruleset, and those of them that are about each class of machines."""

    def __init__(self, ruleset: Ruleset, kept: Mapping[Place, Asked]) -> None:
        self._ruleset = ruleset
        self._fixed = [place for place, one in kept.items() if not one.machines]
        self._choosy = {place: one.machines for place, one in kept.items() if one.machines}
        self._by_machine = any(one.by_machine for one in kept.values())
        self.by_port = any(one.by_port for one in kept.values())
        self._apart: dict[int, tuple[Alike, ...]] = {}

    def apart(self, version: int, classes: Sequence[SourceClass]) -> tuple[Alike, ...]:
        """The classes that no rule tells apart together, with the rules that are about them."""
        if version not in self._apart:
            self._apart[version] = tuple(self._sorted(version, classes))
        return self._apart[version]

    def _sorted(self, version: int, classes: Sequence[SourceClass]) -> Iterator[Alike]:
        samples = sorted((int(one.sample), number) for number, one in enumerate(classes))
        about: dict[int, list[Place]] = {number: [] for number in range(len(classes))}
        for place, conditions in self._choosy.items():
            first, *more = conditions
            for span in first.joined:
                if span.version == version:
                    low = bisect.bisect_left(samples, (span.low, -1))
                    high = bisect.bisect_right(samples, (span.high, len(classes)))
                    for sample, number in samples[low:high]:
                        if all(other.holds(version, sample) for other in more):
                            about[number].append(place)
        groups: dict[object, list[int]] = {}
        for number, places in about.items():
            groups.setdefault((tuple(places), number if self._by_machine else None), []).append(number)
        for numbers in groups.values():
            yield self._with(about[numbers[0]]), tuple(classes[number] for number in numbers)

    def _with(self, places: Iterable[Place]) -> Ruleset:
        """The rules that ask for no machine, and some of the others."""
        kept: dict[Key, list[int]] = {}
        for key, number in (*self._fixed, *places):
            kept.setdefault(key, []).append(number)
        chains = {
            key: replace(chain, rules=tuple(chain.rules[number] for number in sorted(kept.get(key, ()))))
            for key, chain in self._ruleset.chains.items()
        }
        return Ruleset(chains, self._ruleset.sets)


def _asked(rule: Rule, named: Mapping[str, Elements], end: End, *, narrow: bool) -> Asked:
    """What a rule asks for; of ports only where ``narrow`` says that no rule changes them."""
    ports: list[tuple[str, Spans]] = []
    machines: list[Spans] = []
    for statement in rule.statements:
        kind, body = (
            next(iter(statement.items()), ("", None)) if isinstance(statement, Mapping) else ("", None)
        )
        if kind == "counter":
            continue
        if kind != "match" or not isinstance(body, Mapping):
            break
        left = body.get("left")
        asked = left.get("payload") if isinstance(left, Mapping) else None
        if not isinstance(asked, Mapping) or body.get("op") != "==":
            continue
        spans = _spans(body.get("right"), named)
        if spans is None:
            continue
        protocol, name = str(asked.get("protocol")), asked.get("field")
        if narrow and name == "dport" and protocol in {"tcp", "udp", _EITHER}:
            ports.append((protocol, spans))
        elif name == end and protocol in {"ip", "ip6"}:
            machines.append(spans)
    mentioned = list(_fields(rule.statements))
    return Asked(
        tuple(ports),
        tuple(machines),
        by_port=mentioned.count("dport") > len(ports),
        by_machine=mentioned.count(end) > len(machines),
    )


def _spans(right: Json, named: Mapping[str, Elements]) -> Spans | None:
    """The values that a match accepts; None where they are not all plain."""
    if isinstance(right, str) and right.startswith("@"):
        elements = named.get(right[1:])
        return elements.spans if elements else None
    nodes = right["set"] if isinstance(right, Mapping) and isinstance(right.get("set"), list) else [right]
    found = [one for one in map(literal, nodes) if isinstance(one, Span)]
    return Spans(found) if len(found) == len(nodes) else None


def _fields(node: Json) -> Iterator[str]:
    """The names of all header fields that a rule asks for."""
    if isinstance(node, Mapping):
        if isinstance(node.get("field"), str):
            yield node["field"]
        for inner in node.values():
            yield from _fields(inner)
    elif isinstance(node, list | tuple):
        for inner in node:
            yield from _fields(inner)


def _changes_ports(rule: Rule) -> bool:
    """Whether a rule may send a packet on to another port; what iptables only asks for does not."""
    found = [next(iter(one.items())) for one in rule.statements if isinstance(one, Mapping) and one]
    return any(
        kind in {"dnat", "redirect", "mangle"}
        or (kind == "xt" and not (isinstance(body, Mapping) and body.get("type") == "match"))
        for kind, body in found
    )
