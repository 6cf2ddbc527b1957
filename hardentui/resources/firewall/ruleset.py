"""Loaded firewall rules as data: the JSON of ``nft --json list ruleset``, sorted into chains and sets.

Statements and expressions stay as libnftables-json(5) writes them; evaluate.py reads them. What is no
such JSON is refused with ValueError.
"""

from __future__ import annotations

import bisect
import functools
import ipaddress
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Json = Any  # one node of libnftables JSON

# The versions of IP that tables of a family see.
_VERSIONS = {"ip": (4,), "ip6": (6,), "inet": (4, 6), "netdev": (4, 6)}
# Order in which a packet that comes in passes the hooks.
HOOKS = ("ingress", "prerouting", "input")
WAY_OUT = ("output", "postrouting")  # of a packet that this host sends


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers or addresses from ``low`` to ``high``; ``version`` is 4 or 6, or 0 for plain numbers."""

    version: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Word:
    """A name: of an interface (a trailing * stands for any end), a state, a protocol."""

    text: str


@dataclass(frozen=True, slots=True)
class Anything:
    """The catch-all element of a set."""


Literal = Span | Word | Anything


def literal(node: Json) -> Literal | None:
    """A value of a rule or set; None for what is not understood."""
    if isinstance(node, bool):
        return Span(0, int(node), int(node))
    if isinstance(node, int):
        return Span(0, node, node)
    if isinstance(node, str):
        return _from_text(node)
    if isinstance(node, Mapping):
        if "elem" in node and isinstance(node["elem"], Mapping):
            return literal(node["elem"].get("val"))
        if "range" in node:
            low, high = (literal(end) for end in node["range"])
            if isinstance(low, Span) and isinstance(high, Span) and low.version == high.version:
                return Span(low.version, low.low, high.high)
        if isinstance(node.get("prefix"), Mapping):  # that of a log statement is a text
            return _prefix(node["prefix"])
    return None


@functools.lru_cache(4096)  # the same constants are asked for with every packet
def _from_text(text: str) -> Literal:
    if text == "*":
        return Anything()
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return Word(text)
    return Span(address.version, int(address), int(address))


def _prefix(node: Mapping[str, Json]) -> Span | None:
    return _network(f"{node.get('addr')}/{node.get('len')}")


@functools.lru_cache(4096)
def _network(text: str) -> Span | None:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return Span(network.version, int(network.network_address), int(network.broadcast_address))


def parts(node: Json) -> tuple[Literal | None, ...]:
    """The fields of a set element: one, or several of a concatenation."""
    if isinstance(node, Mapping) and "elem" in node and isinstance(node["elem"], Mapping):
        node = node["elem"].get("val")
    if isinstance(node, Mapping) and "concat" in node:
        return tuple(literal(part) for part in node["concat"])
    return (literal(node),)


@dataclass(frozen=True)
class Elements:
    """The elements of a set or map; ``data`` is what a map holds for it, None in a set."""

    items: tuple[tuple[tuple[Literal | None, ...], Json], ...]

    @classmethod
    def of(cls, nodes: Iterable[Json]) -> Elements:
        """From the JSON list of a set (values) or a map (pairs)."""
        items = []
        for node in nodes:
            if isinstance(node, list) and len(node) == 2:  # noqa: PLR2004 - key and data
                items.append((parts(node[0]), node[1]))
            else:
                items.append((parts(node), None))
        return cls(tuple(items))

    @cached_property
    def spans(self) -> Spans | None:
        """All elements as one list of spans, where each is one span and none has data; else None."""
        plain = [
            key[0] for key, data in self.items if len(key) == 1 and isinstance(key[0], Span) and data is None
        ]
        return Spans(plain) if len(plain) == len(self.items) else None


class Spans:
    """Spans of one kind, joined and sorted, for quick look-ups."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self.joined: list[Span] = []
        for span in sorted(spans, key=lambda one: (one.version, one.low, one.high)):
            last = self.joined[-1] if self.joined else None
            if last and last.version == span.version and span.low <= last.high + 1:
                self.joined[-1] = Span(last.version, last.low, max(last.high, span.high))
            else:
                self.joined.append(span)
        self._starts = [(span.version, span.low) for span in self.joined]

    def holds(self, version: int, number: int) -> bool:
        """Whether the number lies in one of the spans."""
        at = bisect.bisect_right(self._starts, (version, number)) - 1
        if at < 0:
            return False
        span = self.joined[at]
        return span.version == version and span.low <= number <= span.high


@dataclass(frozen=True)
class Rule:
    """One rule; ``place`` names it as a reader would look it up."""

    place: str
    statements: tuple[Json, ...]


@dataclass(frozen=True)
class Chain:
    """A chain; ``hook`` is "" for one that is only jumped to. ``legacy`` marks those of iptables-legacy."""

    family: str
    table: str
    name: str
    hook: str = ""
    type: str = ""
    priority: int = 0
    policy: str = "accept"
    devices: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    legacy: bool = False

    @property
    def place(self) -> str:
        """Family, table and name."""
        return f"{self.family} {self.table} {self.name}"


Key = tuple[str, str, str]


@dataclass(frozen=True)
class Ruleset:
    """All chains and named sets, by family, table and name; legacy tables have families of their own."""

    chains: Mapping[Key, Chain] = field(default_factory=dict)
    sets: Mapping[Key, Elements] = field(default_factory=dict)

    def base_chains(self, version: int, hook: str) -> tuple[Chain, ...]:
        """The chains that see a packet of this IP version at a hook, in their order."""
        return self._base.get((version, hook), ())

    @cached_property
    def _base(self) -> Mapping[tuple[int, str], tuple[Chain, ...]]:
        found: dict[tuple[int, str], tuple[Chain, ...]] = {}
        for chain in sorted(self.chains.values(), key=lambda one: one.priority):
            for version in _VERSIONS.get(base_family(chain.family), ()) if chain.hook else ():
                found[version, chain.hook] = (*found.get((version, chain.hook), ()), chain)
        return found

    def joined(self, other: Ruleset) -> Ruleset:
        """Both together; where a chain stands in both, that of ``other``."""
        return Ruleset({**self.chains, **other.chains}, {**self.sets, **other.sets})

    def without_table(self, family: str, table: str) -> Ruleset:
        """All but one table."""
        return Ruleset(
            {key: chain for key, chain in self.chains.items() if key[:2] != (family, table)},
            {key: elements for key, elements in self.sets.items() if key[:2] != (family, table)},
        )

    def only_table(self, family: str, table: str) -> Ruleset:
        """One table alone."""
        return Ruleset(
            {key: chain for key, chain in self.chains.items() if key[:2] == (family, table)},
            {key: elements for key, elements in self.sets.items() if key[:2] == (family, table)},
        )

    def sets_of(self, chain: Key) -> Mapping[str, Elements]:
        """The named sets and maps that the rules of a chain may ask, by name."""
        return self._sets.get(chain[:2], {})

    @cached_property
    def _sets(self) -> Mapping[tuple[str, str], Mapping[str, Elements]]:
        found: dict[tuple[str, str], dict[str, Elements]] = {}
        for (family, table, name), elements in self.sets.items():
            found.setdefault((family, table), {})[name] = elements
        return found

    @property
    def foreign_tables(self) -> frozenset[tuple[str, str]]:
        """Tables with rules that iptables-nft wrote and that JSON does not show in full."""
        return frozenset(
            key[:2]
            for key, chain in self.chains.items()
            if key[0] in {"ip", "ip6"} and any(is_foreign(node) for r in chain.rules for node in r.statements)
        )

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """All rules of all chains."""
        return tuple(rule for chain in self.chains.values() for rule in chain.rules)


def base_family(family: str) -> str:
    """The family without the mark of legacy tables."""
    return family.removesuffix("-legacy")


def is_foreign(node: Json) -> bool:
    """Whether a statement is an extension of iptables, of which JSON gives the name at most."""
    return isinstance(node, Mapping) and "xt" in node


def parse(text: str) -> Ruleset:
    """The ruleset that ``nft --json list ruleset`` printed.

    Raises:
        ValueError: it is no such JSON.
    """
    try:
        document = json.loads(text)
        return build(document["nftables"])
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not the JSON of nft: {error!r}") from error


def build(nodes: Iterable[Json], *, legacy: bool = False) -> Ruleset:
    """A ruleset of the objects of libnftables JSON: chains, rules, sets and maps."""
    chains: dict[Key, dict[str, Any]] = {}
    rules: dict[Key, list[Rule]] = {}
    sets: dict[Key, Elements] = {}
    mark = "-legacy" if legacy else ""
    for node in nodes:
        if chain := node.get("chain"):
            devices = chain.get("dev", ())
            chains[(chain["family"] + mark, chain["table"], chain["name"])] = {
                "hook": chain.get("hook", ""),
                "type": chain.get("type", ""),
                "priority": int(chain.get("prio", 0)),
                "policy": chain.get("policy", "accept"),
                "devices": (devices,) if isinstance(devices, str) else tuple(devices),
            }
        elif rule := node.get("rule"):
            key = (rule["family"] + mark, rule["table"], rule["chain"])
            number = rule.get("handle", len(rules.get(key, ())) + 1)
            place = f"{' '.join(key)} #{number}"
            rules.setdefault(key, []).append(Rule(place, tuple(rule["expr"])))
        elif named := node.get("set") or node.get("map"):
            key = (named["family"] + mark, named["table"], named["name"])
            sets[key] = Elements.of(named.get("elem", ()))
    return Ruleset(
        {
            key: Chain(*key, rules=tuple(rules.get(key, ())), legacy=legacy, **known)
            for key, known in chains.items()
        },
        sets,
    )
