"""A firewall policy as people write and review it: what may come in, what may go out, one permit a line.

    in drop
    out drop
    in tcp 22 from 10.0.0.0/24,2001:db8::/64 course.ssh
    out udp 53 to 10.0.0.53 course.dns
    cut out tcp 389 10.0.0.5: the directory moves to LDAPS

Loopback, connections that were let through, and the ICMP that IP cannot do without always pass, and are
not written. A ``cut`` line permits nothing: it keeps why a connection that was seen may end, or, for any
peer, why nobody may come in where sshd listens.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, cast

from hardentui.i18n import _

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Direction = Literal["in", "out"]
Protocol = Literal["tcp", "udp"]

DIRECTIONS: tuple[Direction, ...] = ("in", "out")
PROTOCOLS: tuple[Protocol, ...] = ("tcp", "udp")
_LAST_PORT = 65535
_MOST_LINES = 4096
_LONGEST_LINE = 4096
_LONGEST_REASON = 200
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_NUMBER = re.compile(r"[1-9][0-9]{0,4}")
_PERMIT = re.compile(r"(in|out) (\S+) (\S+) (from|to) (\S+) (\S+)")
_CUT = re.compile(r"cut (in|out) (\S+) (\S+) (\S+): (\S.*)")
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")  # IPv4 as a socket of IPv6 shows it; no packet has it
_WORDS = {"in": "from", "out": "to"}
_ANY = "any"


@dataclass(frozen=True, slots=True)
class Permit:
    """One kind of connection that may be made.

    ``ports`` are the destination's, as ranges (first, last), sorted and apart; ``peers`` are the other
    ends, sorted and as few as can be, () for any; ``name`` is the id of the flow that asks for it.

    Raises:
        ValueError: with a sentence, when a part is none of these.
    """

    direction: Direction
    protocol: Protocol
    ports: tuple[tuple[int, int], ...]
    peers: tuple[Network, ...]
    name: str

    def __post_init__(self) -> None:
        _among(self.direction, DIRECTIONS)
        _among(self.protocol, PROTOCOLS)
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                _("{name} is no id of a flow: expected a-z, 0-9, . and -").format(name=ascii(self.name))
            )
        object.__setattr__(self, "ports", _joined_ports(self.ports))
        object.__setattr__(self, "peers", _joined_peers(self.peers, self.direction))

    def names(self, protocol: str, port: int) -> bool:
        """Whether that port of the destination is one of its ports, whoever the peer is."""
        return protocol == self.protocol and any(low <= port <= high for low, high in self.ports)

    def lets(self, protocol: str, port: int, peer: Address) -> bool:
        """Whether it is about a connection with ``peer`` to that port of the destination."""
        return self.names(protocol, port) and (
            not self.peers or any(peer in network for network in self.peers)
        )

    def __str__(self) -> str:
        ports = ",".join(span_text(*span) for span in self.ports)
        peers = ",".join(map(peer_text, self.peers)) or _ANY
        return f"{self.direction} {self.protocol} {ports} {_WORDS[self.direction]} {peers} {self.name}"


@dataclass(frozen=True, slots=True)
class Cut:
    """A connection that was seen, that no permit is about, and why it may end: said by a person.

    ``peer`` is None for all that there are at this port, those that nobody has made yet among them.

    Raises:
        ValueError: with a sentence, when a part is none of these.
    """

    direction: Direction
    protocol: Protocol
    port: int
    peer: Address | None
    reason: str

    def __post_init__(self) -> None:
        _among(self.direction, DIRECTIONS)
        _among(self.protocol, PROTOCOLS)
        _joined_ports([(self.port, self.port)])
        object.__setattr__(self, "reason", self.reason.strip())
        if not self.reason or len(self.reason) > _LONGEST_REASON:
            raise ValueError(
                _("a reason is needed, of at most {count} characters").format(count=_LONGEST_REASON)
            )
        if not self.reason.isprintable() or "\\" in self.reason:
            raise ValueError(_("a reason is one line of plain text, without backslashes"))

    def __str__(self) -> str:
        return f"cut {self.direction} {self.protocol} {self.port} {self.peer or _ANY}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Policy:
    """What may come in, and what may go out; the order of permits has no meaning, and is always the same.

    What comes in and is not permitted is dropped; ``outgoing`` says what becomes of what goes out. Permits
    that differ in nothing but their peers become one.
    """

    outgoing: Literal["accept", "drop"]
    permits: tuple[Permit, ...] = ()
    cuts: tuple[Cut, ...] = ()

    def __post_init__(self) -> None:
        _among(self.outgoing, ("accept", "drop"))
        object.__setattr__(self, "permits", tuple(sorted(_joined_permits(self.permits), key=_order)))
        object.__setattr__(self, "cuts", tuple(sorted(dict.fromkeys(self.cuts), key=str)))

    def permit(self, direction: Direction, protocol: str, port: int, peer: Address) -> Permit | None:
        """The first permit for a connection, if any; that everything may go out is no permit."""
        own = (one for one in self.permits if one.direction == direction)
        return next((one for one in own if one.lets(protocol, port, peer)), None)

    def lets(self, direction: Direction, protocol: str, port: int, peer: Address) -> bool:
        """Whether a connection with ``peer`` to that port of the destination may be made."""
        if direction == "out" and self.outgoing == "accept":
            return True
        return self.permit(direction, protocol, port, peer) is not None


def write(policy: Policy) -> str:
    """The text of a policy, one line for each permit; ``parse`` gives the same policy again."""
    return "\n".join(("in drop", f"out {policy.outgoing}", *map(str, policy.permits), *map(str, policy.cuts)))


def parse(text: str) -> Policy:
    """The policy that a text holds.

    Raises:
        ValueError: a line is none of a policy, or is said twice; the sentence names the line.
    """
    lines = text.split("\n")
    if len(lines) > _MOST_LINES:
        raise ValueError(_("a policy has at most {count} lines").format(count=_MOST_LINES))
    found: dict[object, Permit | Cut | tuple[str, str]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            said = _line(line)
            key = said[0] if isinstance(said, tuple) else said
            if key in found:
                raise ValueError(_("it is said twice"))  # noqa: TRY301 - like every other mistake of a line
        except ValueError as error:
            shown = ascii(line[:80])
            raise ValueError(
                _("line {number}, {line}: {error}").format(number=number, line=shown, error=error)
            ) from error
        found[key] = said
    for direction in DIRECTIONS:
        if direction not in found:
            raise ValueError(
                _("the line with the default of {direction} is missing").format(direction=direction)
            )
    said_out = cast("tuple[str, Literal['accept', 'drop']]", found["out"])
    return Policy(
        said_out[1],
        tuple(one for one in found.values() if isinstance(one, Permit)),
        tuple(one for one in found.values() if isinstance(one, Cut)),
    )


def _line(line: str) -> Permit | Cut | tuple[str, str]:
    """What a line says; a default as the direction and what becomes of the rest."""
    if len(line) > _LONGEST_LINE or not line.isprintable():
        raise ValueError(_("it is too long, or holds what is no text"))
    plain = " ".join(line.split())
    if plain in {"in drop", "out accept", "out drop"}:
        direction, _space, end = plain.partition(" ")
        return direction, end
    if cut := _CUT.fullmatch(line.strip()):
        _direction, protocol, port, peer, reason = cut.groups()
        return Cut(
            cast("Direction", cut[1]),
            cast("Protocol", protocol),
            _number(port),
            None if peer == _ANY else _address(peer),
            reason,
        )
    permit = _PERMIT.fullmatch(plain)
    if permit is None or _WORDS[permit[1]] != permit[4]:
        raise ValueError(
            _("expected: in|out tcp|udp PORTS from|to PEERS NAME, or cut in|out tcp|udp PORT PEER: REASON")
        )
    direction, protocol, ports, _word, peers, name = permit.groups()
    return Permit(
        cast("Direction", direction),
        cast("Protocol", protocol),
        parse_ports(ports),
        parse_peers(peers),
        name,
    )


def parse_ports(text: str) -> tuple[tuple[int, int], ...]:
    """Ports as ranges, from "22", "8080,8443" or "6000-6010".

    Raises:
        ValueError: it is no list of ports, or names one twice.
    """
    found = []
    for item in text.split(","):
        low, dash, high = item.partition("-")
        found.append((_number(low), _number(high) if dash else _number(low)))
    joined = _joined_ports(found)
    if _count(joined) != _count(found):
        raise ValueError(_("a port stands twice in {text}").format(text=ascii(text)))
    return joined


def parse_peers(text: str) -> tuple[Network, ...]:
    """Addresses and networks, of both families; () for "any".

    Raises:
        ValueError: an item is none, has host bits, or stands twice.
    """
    if text == _ANY:
        return ()
    found = [_network(item) for item in text.split(",")]
    if len(set(found)) != len(found):
        raise ValueError(_("a peer stands twice in {text}").format(text=ascii(text)))
    return tuple(found)


def span_text(low: int, high: int) -> str:
    """Ports as the policy writes them: a single one without its end."""
    return str(low) if low == high else f"{low}-{high}"


def peer_text(network: Network) -> str:
    """A peer as the policy writes it: a single address without its length."""
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if single else str(network)


def _among(value: str, known: Iterable[str]) -> None:
    names = tuple(known)
    if value not in names:
        raise ValueError(
            _("expected one of {names}, found {value}").format(names=", ".join(names), value=ascii(value))
        )


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(_("{text} is no port: expected 1 to 65535").format(text=ascii(text)))
    return int(text)


def _address(text: str) -> Address:
    try:
        found = ipaddress.ip_address(text)
    except ValueError as error:
        raise ValueError(_("{text} is no address").format(text=ascii(text))) from error
    if "%" in text:
        raise ValueError(_("{text}: an address of a policy names no interface").format(text=ascii(text)))
    return found


def _network(text: str) -> Network:
    if "/" not in text:
        return ipaddress.ip_network(_address(text))
    _address(text.partition("/")[0])
    if not re.fullmatch(r"[0-9]{1,3}", text.partition("/")[2]):
        raise ValueError(_("{text} is no network: expected ADDRESS/BITS").format(text=ascii(text)))
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        try:
            meant = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError(
                _("{text} is no network: expected ADDRESS/BITS").format(text=ascii(text))
            ) from error
        raise ValueError(
            _("{text} has bits set beyond its length: did you mean {meant}?").format(
                text=ascii(text), meant=meant
            )
        ) from error


def _count(ports: Iterable[tuple[int, int]]) -> int:
    return sum(high - low + 1 for low, high in ports)


def _joined_ports(ports: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The ranges sorted, those that touch as one."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ports):
        if not 1 <= low <= high <= _LAST_PORT:
            raise ValueError(_("{low}-{high} are no ports: expected 1 to 65535").format(low=low, high=high))
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    if not joined:
        raise ValueError(_("a permit names at least one port"))
    return tuple(joined)


def _joined_peers(peers: Iterable[Network], direction: Direction) -> tuple[Network, ...]:
    """The networks as few as can be; all of both families is any."""
    networks = tuple(peers)
    four = list(ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv4Network)))
    six = list(ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv6Network)))
    joined: tuple[Network, ...] = (*four, *six)
    for network in joined:
        if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
            raise ValueError(_("{network}: write the IPv4 address").format(network=peer_text(network)))
        if network.prefixlen and (network.is_loopback or (network.is_multicast and direction == "in")):
            raise ValueError(_("{network}: nothing comes from there").format(network=peer_text(network)))
    if [network.prefixlen for network in joined] == [0, 0]:
        return ()
    return joined


def _joined_permits(permits: Iterable[Permit]) -> tuple[Permit, ...]:
    joined: dict[tuple[object, ...], Permit] = {}
    for permit in permits:
        key = (permit.direction, permit.protocol, permit.ports, permit.name)
        known = joined.setdefault(key, permit)
        peers = (*known.peers, *permit.peers) if known.peers and permit.peers else ()
        joined[key] = replace(known, peers=peers)
    return tuple(joined.values())


def _order(permit: Permit) -> tuple[object, ...]:
    return DIRECTIONS.index(permit.direction), permit.protocol, permit.ports, str(permit)
