"""A policy as a table of nftables: the text that is loaded, what nft then shows of it, and the way back.

The table is our own and no other is touched. Ports and protocols are numbers, so that it loads on a host
without /etc/services and /etc/protocols. A packet must pass every table: what another one drops, stays
dropped. What this host forwards, for containers or as a router, is not the policy's matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from hardentui.i18n import _
from hardentui.resources.firewall.policy import (
    DIRECTIONS,
    Direction,
    Network,
    Permit,
    Policy,
    parse,
    peer_text,
    span_text,
    write,
)
from hardentui.resources.firewall.ruleset import Json, Span, literal
from hardentui.resources.firewall.sources import networks

FAMILY, TABLE = "inet", "hardentui"
PREFIX = "hardentui-drop: "
CHAINS: Mapping[Direction, str] = {"in": "input", "out": "output"}
_MARK = "#: "  # begins a line of the policy's own text
_OURS = "hardentui: "  # begins the comment of a rule that is always there; no flow is called so
_HEAD = (
    "# The firewall policy of this host, written by hardentui from its plan: change it there.",
    "# The lines that begin with #: are the policy; the table below is what they come to.",
)


@dataclass(frozen=True, slots=True)
class _Part:
    """A match or statement of a rule, as nft reads it and as its JSON shows it."""

    text: str
    json: Json


@dataclass(frozen=True, slots=True)
class _Rule:
    comment: str
    parts: tuple[_Part, ...]

    @property
    def text(self) -> str:
        return f'{" ".join(part.text for part in self.parts)} comment "{self.comment}"'


def digest(policy: Policy) -> str:
    """What tells one file of rules from another: 16 hexadecimal digits, which the loaded table keeps."""
    return hashlib.sha256("\n".join(_lines(policy, "")).encode()).hexdigest()[:16]


def render(policy: Policy) -> tuple[str, ...]:
    """The lines of the file that replaces our table, whole or not at all."""
    return tuple(_lines(policy, digest(policy)))


def _lines(policy: Policy, mark: str) -> list[str]:
    lines = [*_HEAD, *(f"{_MARK}{line}" for line in write(policy).split("\n"))]
    lines += [f"table {FAMILY} {TABLE}", f"delete table {FAMILY} {TABLE}", f"table {FAMILY} {TABLE} {{"]
    for name, version, peers in _sets(policy):
        elements = ", ".join(map(peer_text, peers))
        lines += [
            f"    set {name} {{",
            f"        type ipv{version}_addr; flags interval",
            f"        elements = {{ {elements} }}",
            "    }",
        ]
    for direction in DIRECTIONS:
        chain = CHAINS[direction]
        lines += [f"    chain {chain} {{"]
        lines += [f"        type filter hook {chain} priority 0; policy {_default(policy, direction)};"]
        lines += [f"        {rule.text}" for rule in _rules(policy, direction, mark)]
        lines += ["    }"]
    return [*lines, "}"]


def read(text: str) -> Policy:
    """The policy of a file that ``render`` wrote.

    Raises:
        ValueError: it is none, or somebody changed it; a sentence.
    """
    lines = text.removesuffix("\n").split("\n")
    policy = parse("\n".join(line.removeprefix(_MARK) for line in lines if line.startswith(_MARK)))
    if tuple(lines) != render(policy):
        raise ValueError(_("the rules below the policy are not those that it comes to"))
    return policy


def show(policy: Policy) -> tuple[Json, ...]:
    """What nft shows of the table once it is loaded: objects of libnftables-json(5)."""
    named = {"family": FAMILY, "table": TABLE}
    objects: list[Json] = [{"table": {"family": FAMILY, "name": TABLE, "handle": 1}}]
    for name, version, peers in _sets(policy):
        elements = [_json_of(peer) for peer in peers]
        kind = {"type": f"ipv{version}_addr", "flags": ["interval"], "elem": elements}
        objects.append({"set": {**named, "name": name, "handle": len(objects) + 1, **kind}})
    for direction in DIRECTIONS:
        chain = CHAINS[direction]
        hook = {"type": "filter", "hook": chain, "prio": 0, "policy": _default(policy, direction)}
        objects.append({"chain": {**named, "name": chain, "handle": len(objects) + 1, **hook}})
        for rule in _rules(policy, direction, digest(policy)):
            body = {"chain": chain, "handle": len(objects) + 1, "comment": rule.comment}
            objects.append({"rule": {**named, **body, "expr": [part.json for part in rule.parts]}})
    return tuple(objects)


@dataclass(frozen=True, slots=True)
class Table:
    """Our table as it is loaded: the policy that its rules come to, of which file, and what fits neither."""

    policy: Policy
    digest: str
    foreign: tuple[str, ...]


def loaded(objects: Iterable[Json]) -> Table | None:
    """Our table among the objects that nft shows; None where it is not loaded.

    Raises:
        ValueError: the objects are none of nft.
    """
    try:
        return _loaded(tuple(objects))
    except (KeyError, TypeError, AttributeError, StopIteration, IndexError) as error:
        raise ValueError(f"not the JSON of nft: {error!r}") from error


def is_ours(one: Json) -> bool:
    """Whether an object that nft shows is our table, or stands in it."""
    kind, body = next(iter(one.items())) if isinstance(one, Mapping) and one else ("", None)
    if not isinstance(body, Mapping) or body.get("family") != FAMILY:
        return False
    return body.get("name" if kind == "table" else "table") == TABLE


# --- rules ----------------------------------------------------------------------------------------------


def _rules(policy: Policy, direction: Direction, mark: str) -> Iterator[_Rule]:
    yield from _ALWAYS[direction]
    yield from _dhcp(policy) if direction == "in" else ()
    sets = {peers: name for name, _version, peers in _sets(policy)}
    for permit in policy.permits:
        if permit.direction == direction:
            for peers in _by_version(permit.peers):
                who = (_address(direction, sets[peers], peers),) if peers else ()
                yield _Rule(permit.name, (*who, _ports(permit), _COUNTER, _verdict("accept")))
    if _default(policy, direction) == "drop":
        yield from _DROPPED[direction]
    end = (_COUNTER, _verdict(_default(policy, direction)))
    yield _Rule(f"{_OURS}policy {mark}", end)


def _default(policy: Policy, direction: Direction) -> str:
    return policy.outgoing if direction == "out" else "drop"


def _verdict(word: str) -> _Part:
    return _Part(word, {word: None})


def _match(text: str, left: Json, right: Json, op: str = "==") -> _Part:
    return _Part(text, {"match": {"op": op, "left": left, "right": right}})


def _field(protocol: str, name: str) -> Json:
    return {"payload": {"protocol": protocol, "field": name}}


def _types(protocol: str, *numbers: int) -> _Part:
    listed = ", ".join(map(str, numbers))
    return _match(f"{protocol} type {{ {listed} }}", _field(protocol, "type"), {"set": list(numbers)})


def _only(version: int) -> _Part:
    return _match(f"meta nfproto ipv{version}", {"meta": {"key": "nfproto"}}, f"ipv{version}")


def _sport(port: int) -> _Part:
    return _match(f"udp sport {port}", _field("udp", "sport"), port)


def _dport(port: int) -> _Part:
    return _match(f"udp dport {port}", _field("udp", "dport"), port)


_COUNTER = _Part("counter", {"counter": {"packets": 0, "bytes": 0}})
_LINK_LOCAL = _match("ip6 saddr fe80::/10", _field("ip6", "saddr"), {"prefix": {"addr": "fe80::", "len": 10}})


def _interface(key: str) -> _Rule:
    lo = _match(f'{key} "lo"', {"meta": {"key": key}}, "lo")
    return _Rule(f"{_OURS}loopback", (lo, _verdict("accept")))


def _state(comment: str, states: Sequence[str], *end: _Part) -> _Rule:
    right = states[0] if len(states) == 1 else list(states)
    return _Rule(
        f"{_OURS}{comment}",
        (_match(f"ct state {','.join(states)}", {"ct": {"key": "state"}}, right, "in"), *end),
    )


def _limit(rate: int, per: str, burst: int) -> _Part:
    return _Part(
        f"limit rate {rate}/{per} burst {burst} packets",
        {"limit": {"rate": rate, "burst": burst, "per": per}},
    )


_ECHO = _limit(20, "second", 40)
_HOPS = _match("ip6 hoplimit 255", _field("ip6", "hoplimit"), 255)
# Messages that IP cannot do without (RFC 4890, 4.4): numbers, for names are asked of files that a small
# system does not have. What says that a packet was too large must pass, or connections hang.
_ERRORS_4, _ERRORS_6, _NEIGHBOURS, _LISTENERS = (
    (3, 11, 12),
    (1, 2, 3, 4),
    (133, 134, 135, 136),
    (130, 131, 132, 143),
)
_ACCEPT = _verdict("accept")
_ALWAYS: Mapping[Direction, tuple[_Rule, ...]] = {
    "in": (
        _interface("iifname"),
        _state("established", ("established", "related"), _ACCEPT),
        _Rule(f"{_OURS}errors", (_types("icmp", *_ERRORS_4), _ACCEPT)),
        _Rule(f"{_OURS}errors", (_types("icmpv6", *_ERRORS_6), _ACCEPT)),
        _Rule(f"{_OURS}neighbours", (_HOPS, _types("icmpv6", *_NEIGHBOURS), _ACCEPT)),
        _Rule(f"{_OURS}multicast", (_LINK_LOCAL, _types("icmpv6", *_LISTENERS), _ACCEPT)),
        _state("invalid", ("invalid",), _COUNTER, _verdict("drop")),
        _Rule(f"{_OURS}echo", (_types("icmp", 8), _ECHO, _ACCEPT)),
        _Rule(f"{_OURS}echo", (_types("icmpv6", 128), _ECHO, _ACCEPT)),
    ),
    "out": (
        _interface("oifname"),
        _state("established", ("established", "related"), _ACCEPT),
        _Rule(
            f"{_OURS}icmp",
            (_match("meta l4proto { 1, 2, 58 }", {"meta": {"key": "l4proto"}}, {"set": [1, 2, 58]}), _ACCEPT),
        ),
    ),
}
_NOISE = _match(
    "meta pkttype { broadcast, multicast }",
    {"meta": {"key": "pkttype"}},
    {"set": ["broadcast", "multicast"]},
)
_LOG = _Rule(
    f"{_OURS}log",
    (_limit(10, "minute", 20), _Part(f'log prefix "{PREFIX}"', {"log": {"prefix": PREFIX}})),
)
# What is sent to all is dropped before the log: it would fill it, and hide the rest.
_DROPPED: Mapping[Direction, tuple[_Rule, ...]] = {
    "in": (_Rule(f"{_OURS}noise", (_NOISE, _COUNTER, _verdict("drop"))), _LOG),
    "out": (_LOG,),
}
_DHCP = {
    67: _Rule(f"{_OURS}dhcp", (_only(4), _sport(67), _dport(68), _COUNTER, _ACCEPT)),
    547: _Rule(f"{_OURS}dhcp", (_LINK_LOCAL, _sport(547), _dport(546), _COUNTER, _ACCEPT)),
}


def _dhcp(policy: Policy) -> Iterator[_Rule]:
    """Answers to a DHCP client, where it may ask: they are sent to all, and belong to no connection."""
    for port, rule in _DHCP.items():
        asks = any(permit.direction == "out" and permit.names("udp", port) for permit in policy.permits)
        if asks or policy.outgoing == "accept":
            yield rule


# --- sets and elements ------------------------------------------------------------------------------------


def _by_version(peers: tuple[Network, ...]) -> tuple[tuple[Network, ...], ...]:
    """The peers of each version of IP, where there are some; () alone for any."""
    if not peers:
        return ((),)
    four = tuple(peer for peer in peers if isinstance(peer, IPv4Network))
    six = tuple(peer for peer in peers if isinstance(peer, IPv6Network))
    return tuple(filter(None, (four, six)))


def _sets(policy: Policy) -> list[tuple[str, int, tuple[Network, ...]]]:
    """The sets: name, version, elements; permits with the same peers share one."""
    lists = [peers for permit in policy.permits for peers in _by_version(permit.peers) if peers]
    return [
        (f"peers_{number}", peers[0].version, peers) for number, peers in enumerate(dict.fromkeys(lists), 1)
    ]


def _json_of(peer: Network) -> Json:
    single = peer.prefixlen == peer.max_prefixlen
    address = str(peer.network_address)
    return address if single else {"prefix": {"addr": address, "len": peer.prefixlen}}


def _address(direction: Direction, name: str, peers: tuple[Network, ...]) -> _Part:
    protocol, field = ("ip" if peers[0].version == 4 else "ip6"), ("saddr" if direction == "in" else "daddr")  # noqa: PLR2004 - IPv4
    return _match(f"{protocol} {field} @{name}", _field(protocol, field), f"@{name}")


def _ports(permit: Permit) -> _Part:
    texts = [span_text(*span) for span in permit.ports]
    values: list[Json] = [low if low == high else {"range": [low, high]} for low, high in permit.ports]
    text = texts[0] if len(texts) == 1 else f"{{ {', '.join(texts)} }}"
    right = values[0] if len(values) == 1 else {"set": values}
    return _match(f"{permit.protocol} dport {text}", _field(permit.protocol, "dport"), right)


# --- the way back -----------------------------------------------------------------------------------------


def _loaded(objects: tuple[Json, ...]) -> Table | None:
    own = [(kind, body) for one in objects if is_ours(one) for kind, body in one.items()]
    if not own:
        return None
    sets = {body["name"]: _networks(body.get("elem", ())) for kind, body in own if kind == "set"}
    policies = {body["name"]: body.get("policy", "accept") for kind, body in own if kind == "chain"}
    found = _Found(sets)
    for kind, body in own:
        if kind == "rule":
            found.take(body)
    foreign = [*found.foreign, *(f"chain {name}" for name in policies.keys() - set(CHAINS.values()))]
    if policies.get("input") != "drop":
        foreign.append("chain input: policy accept")
    outgoing = "drop" if policies.get("output") == "drop" else "accept"
    policy = Policy(outgoing, tuple(found.permits))  # type: ignore[arg-type]
    expected = [rule for direction in DIRECTIONS for rule in _fixed(policy, direction)]
    if not found.foreign and found.fixed != expected:
        foreign.append(_("the rules that are always there"))
    return Table(policy, found.digest, tuple(foreign))


def _fixed(policy: Policy, direction: Direction) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The shapes of the rules that belong to no permit."""
    for rule in _rules(policy, direction, ""):
        if rule.comment.startswith(_OURS):
            shape = tuple(_shape(part.json) for part in rule.parts)
            yield CHAINS[direction], _title(rule.comment), shape


def _title(comment: str) -> str:
    return comment.removeprefix(_OURS).partition(" ")[0]


def _shape(node: Json) -> str:
    """What a part asks or does, without what nft prints in more than one way: numbers may have names."""
    kind, body = next(iter(node.items()))
    if kind != "match":
        return str(kind)
    left, right = body["left"], body["right"]
    named = [right] if isinstance(right, str) else right if isinstance(right, list) else []
    words = named if "payload" not in left else []  # interfaces and states have names alone
    return " ".join((kind, str(left), *sorted(map(str, words))))


class _Found:
    """What the rules of a loaded table say, one after the other."""

    def __init__(self, sets: Mapping[str, tuple[Network, ...]]) -> None:
        self._sets = sets
        self.permits: list[Permit] = []
        self.fixed: list[tuple[str, str, tuple[str, ...]]] = []
        self.foreign: list[str] = []
        self.digest = ""

    def take(self, rule: Mapping[str, Any]) -> None:
        """One rule: one that is always there, a permit, or somebody else's."""
        comment = str(rule.get("comment", ""))
        if comment.startswith(_OURS):
            self.fixed.append((rule["chain"], _title(comment), tuple(map(_shape, rule["expr"]))))
            if _title(comment) == "policy":
                self.digest = comment.rpartition(" ")[2]
            return
        try:
            self.permits.append(self._permit(rule, comment))
        except (ValueError, KeyError) as error:
            self.foreign.append(f"{rule['chain']} #{rule.get('handle', '?')}: {error}")

    def _permit(self, rule: Mapping[str, Any], name: str) -> Permit:
        matches = [part["match"] for part in rule["expr"] if "match" in part]
        others = [next(iter(part)) for part in rule["expr"] if "match" not in part]
        direction: Direction = "in" if rule["chain"] == CHAINS["in"] else "out"
        if others != ["counter", "accept"] or not 1 <= len(matches) <= 2:  # noqa: PLR2004 - peers and ports
            raise ValueError(_("a rule that the policy does not come to"))
        peers: tuple[Network, ...] = ()
        if len(matches) > 1:
            peers = self._sets[str(matches[0]["right"]).removeprefix("@")]
            if not peers:
                raise ValueError(_("a set without elements"))
        ports = matches[-1]["left"]["payload"]
        if ports["field"] != "dport":
            raise ValueError(_("a rule that the policy does not come to"))
        right = matches[-1]["right"]
        nodes = right["set"] if isinstance(right, Mapping) and "set" in right else [right]
        spans = [span for span in map(literal, nodes) if isinstance(span, Span)]
        return Permit(direction, ports["protocol"], tuple((s.low, s.high) for s in spans), peers, name)


def _networks(elements: Sequence[Json]) -> tuple[Network, ...]:
    spans = [span for span in map(literal, elements) if isinstance(span, Span)]
    return networks(spans)
