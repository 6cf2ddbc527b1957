"""What a packet holds, as rules ask for it, and how rules compare it. None is: not known here."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from hardentui.resources.firewall.ruleset import Anything, Elements, Json, Literal, Span, Word

_PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "tcp": 6,
    "udp": 17,
    "dccp": 33,
    "ipv6": 41,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "icmpv6": 58,
    "ipv6-icmp": 58,
    "comp": 108,
    "vrrp": 112,
    "sctp": 132,
    "udplite": 136,
}
_FAMILIES = {"ipv4": 2, "ipv6": 10}
FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
_SYN = FLAGS["syn"]
_TRANSPORT = {"tcp": 6, "udp": 17}


# The value of an expression: a number, an address, words of which some hold; None is not known.
Value = Span | frozenset[str] | str | None


class AbsentError(Exception):
    """The packet has no such field: a rule that asks for it does not match."""


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a connection, or a lone datagram. ``sport`` None is any source port.

    ``interface`` is the one by which it comes, or leaves: when it is ``outgoing``, this host sends it.
    """

    interface: str
    source: ipaddress.IPv4Address | ipaddress.IPv6Address
    destination: ipaddress.IPv4Address | ipaddress.IPv6Address
    protocol: str  # "tcp" or "udp"
    dport: int
    sport: int | None = None
    outgoing: bool = False

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.source.version


@dataclass(frozen=True, slots=True)
class State:
    """What rules can change about a packet; None is not known."""

    mark: int | None = 0
    connection_mark: int | None = 0
    tracked: bool | None = True
    diverted: str | None = ""
    dport: int | None = 0


class Fields:
    """The values of one packet; ``tracking`` says whether connections are known by now, at this hook."""

    def __init__(self, packet: Packet) -> None:
        self.packet = packet
        self.tracking = False

    def of(self, left: Json, state: State) -> Value:  # noqa: C901 - one case for each expression
        """The packet's value of an expression; None where it is not known."""
        if isinstance(left, int) and not isinstance(left, bool):
            return Span(0, left, left)
        if not isinstance(left, Mapping):
            return None
        kind, body = next(iter(left.items()))
        match kind:
            case "meta":
                return self._meta(body["key"], state)
            case "payload":
                return self._payload(body, state)
            case "ct":
                return self._connection(body, state)
            case "fib":
                return self._route(body, outgoing=self.packet.outgoing)
            case "exthdr":
                # The packet has no extension headers: a rule may ask for that, or for what they hold.
                if "field" in body:
                    raise AbsentError
                return plain(0)
            case "&" | "|" | "^" | "<<" | ">>":
                if not isinstance(body, list) or len(body) != 2:  # noqa: PLR2004 - both sides
                    return None
                one = self.of(body[0], state)
                number = number_of(body[1], names_of(body[0]))
                if not isinstance(one, Span) or one.version or number is None:
                    return None
                result = _BITS[kind](one.low, number)
                return Span(0, result, result)
            case _:
                return None

    def _meta(self, key: str, state: State) -> Value:
        packet = self.packet
        match key:
            case "iifname" | "iif":
                if packet.outgoing:
                    raise AbsentError
                return packet.interface
            case "oifname" | "oif":
                if not packet.outgoing:
                    raise AbsentError
                return packet.interface
            case "l4proto":
                return plain(_TRANSPORT[packet.protocol])
            case "nfproto":
                return plain(2 if packet.version == 4 else 10)  # noqa: PLR2004 - IPv4, AF_INET6
            case "protocol":
                return "ip" if packet.version == 4 else "ip6"  # noqa: PLR2004 - IPv4
            case "mark":
                return None if state.mark is None else plain(state.mark)
            case "pkttype":
                return None if packet.outgoing else "host"
            case _:
                return None

    def _payload(self, body: Json, state: State) -> Value:  # noqa: C901, PLR0912 - one case for each header
        packet = self.packet
        header, name = body.get("protocol"), body.get("field")
        if header in {"ip", "ip6"}:
            if (header == "ip") != (packet.version == 4):  # noqa: PLR2004 - IPv4
                raise AbsentError
            match name:
                case "saddr":
                    return Span(packet.version, int(packet.source), int(packet.source))
                case "daddr":
                    return Span(packet.version, int(packet.destination), int(packet.destination))
                case "protocol" | "nexthdr":
                    return plain(_TRANSPORT[packet.protocol])
                case "version":
                    return plain(packet.version)
                case "frag-off":
                    return plain(0)
                case _:
                    return None
        if header in {"tcp", "udp", "th"}:
            if header not in {"th", packet.protocol}:
                raise AbsentError
            match name:
                case "dport":
                    return None if state.dport is None else plain(state.dport)
                case "sport":
                    return None if packet.sport is None else plain(packet.sport)
                case "flags" if packet.protocol == "tcp":
                    return plain(_SYN)
                case _:
                    return None
        if (header, name) == ("ether", "type"):
            return self._meta("protocol", state)
        if header in {"icmp", "icmpv6", "igmp", "sctp", "dccp", "udplite", "esp", "ah", "comp", "arp"}:
            raise AbsentError
        return None

    def _connection(self, body: Json, state: State) -> Value:
        key = body["key"]
        if not self.tracking or state.tracked is None:
            return None
        match key:
            case "state":
                return frozenset({"new"} if state.tracked else {"untracked"})
            case "mark":
                return None if state.connection_mark is None else plain(state.connection_mark)
            case "direction":
                return frozenset({"original"})
            case "status":
                # What is diverted for sure never comes to a question about it.
                return None if state.diverted is None else frozenset()
            case _:
                return None

    @staticmethod
    def _route(body: Json, *, outgoing: bool) -> Value:
        flags = body.get("flags", ())
        flags = {flags} if isinstance(flags, str) else set(flags)
        match body.get("result"):
            case "type":
                if flags & {"daddr", "saddr"}:
                    # One end is this host, the other is another machine.
                    return "local" if ("daddr" in flags) != outgoing else "unicast"
                return None
            case "oif" | "oifname" if "saddr" in flags:
                return plain(1)  # the way back exists: see the module
            case _:
                return None


_BITS: Mapping[str, Callable[[int, int], int]] = {
    "&": lambda one, other: one & other,
    "|": lambda one, other: one | other,
    "^": lambda one, other: one ^ other,
    "<<": lambda one, other: one << min(other, 32),
    ">>": lambda one, other: one >> other,
}


def plain(number: int) -> Span:
    """A number as a value."""
    return Span(0, number, number)


def names_of(left: Json) -> Mapping[str, int]:
    """The names that stand for numbers on the right of an expression."""
    if not isinstance(left, Mapping):
        return {}
    kind, body = next(iter(left.items()))
    if kind in {"&", "|", "^"} and isinstance(body, list) and body:
        return names_of(body[0])
    if not isinstance(body, Mapping):
        return {}
    wanted = (kind, body.get("protocol"), body.get("field") or body.get("key"))
    match wanted:
        case ("payload", "tcp", "flags"):
            return FLAGS
        case ("meta", None, "l4proto") | ("payload", "ip", "protocol") | ("payload", "ip6", "nexthdr"):
            return _PROTOCOLS
        case ("meta", None, "nfproto"):
            return _FAMILIES
        case _:
            return {}


def number_of(node: Json, names: Mapping[str, int]) -> int | None:
    """A number, or names that stand for bits of one."""
    if isinstance(node, bool):
        return int(node)
    if isinstance(node, int):
        return node
    if isinstance(node, str):
        return names.get(node)
    if isinstance(node, Mapping) and "|" in node:
        node = node["|"]
    if isinstance(node, list):
        bits = [number_of(one, names) for one in node]
        known = [bit for bit in bits if bit is not None]
        return sum(set(known)) if len(known) == len(bits) else None
    return None


def words_of(node: Json) -> frozenset[str] | None:
    """The words on the right of an expression, of which one must hold."""
    if isinstance(node, Mapping) and "|" in node:
        node = node["|"]
    if isinstance(node, str):
        return frozenset({node})
    if isinstance(node, list) and all(isinstance(word, str) for word in node):
        return frozenset(node)
    return None


def equal(value: Span | str, other: Literal | None, names: Mapping[str, int]) -> bool | None:
    """Whether a value is what stands on the right, or lies in it."""
    if other is None:
        return None
    if isinstance(other, Anything):
        return True
    if isinstance(value, str):
        if isinstance(other, Span):
            return False  # the number of an interface that is gone
        text = other.text
        return value.startswith(text[:-1]) if text.endswith("*") else value == text
    if isinstance(other, Word):
        number = names.get(other.text)
        return None if number is None else value.low == number
    return value.version == other.version and other.low <= value.low <= other.high


def holds(value: Value, other: Literal | None, names: Mapping[str, int]) -> bool | None:
    """The same for any value."""
    if value is None:
        return None
    if isinstance(value, frozenset):
        return other.text in value if isinstance(other, Word) else None
    return equal(value, other, names)


def among(value: Span | frozenset[str] | str, elements: Elements, names: Mapping[str, int]) -> bool | None:
    """Whether a value is in a set."""
    spans = elements.spans
    if spans is not None and isinstance(value, Span):
        return spans.holds(value.version, value.low)
    return any_of(holds(value, key[0], names) if len(key) == 1 else None for key, _data in elements.items)


def ordered(value: Value, operator: str, other: Literal | None) -> bool | None:
    """Whether a number, or an address, is less or more than another."""
    if not isinstance(value, Span) or not isinstance(other, Span) or value.version != other.version:
        return None
    one, two = value.low, other.low
    return {"<": one < two, ">": one > two, "<=": one <= two, ">=": one >= two}[operator]


def negated(held: bool | None) -> bool | None:  # noqa: FBT001 - what is turned round
    """Not: what is not known stays so."""
    return None if held is None else not held


def any_of(held: Iterable[bool | None]) -> bool | None:
    """Whether one holds; not known where none does for sure and one may."""
    seen = set(held)
    return True if True in seen else (None if None in seen else False)


def all_of(held: Iterable[bool | None]) -> bool | None:
    """Whether all hold; not known where none fails for sure and one may."""
    seen = set(held)
    return False if False in seen else (None if None in seen else True)
