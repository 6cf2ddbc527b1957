"""What listens on this host: for whom, by which process, and whether the firewall lets others reach it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hardentui.i18n import N_, _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import wrong_subject
from hardentui.resources.firewall import loaded
from hardentui.resources.firewall.reach import Door, From, Reach, Reachability
from hardentui.resources.sockets import address_of, scope_of, socket_units, takes_both, unit_of
from hardentui.snapshot import (
    ConfinedProcess,
    Interface,
    Interfaces,
    Snapshot,
    Socket,
    Sockets,
    Unread,
)

_SCOPES = {
    "loopback": N_("loopback"),
    "link-local": N_("link-local"),
    "multicast": N_("multicast"),
    "private": N_("private"),
    "public": N_("public"),
    "any": N_("any address"),
}
# Ports of services that hand out data or work to whoever connects, by protocol.
DATABASES = {
    "tcp": frozenset(
        {1433, 1521, 2375, 2379, 2380, 3306, 4369, 5432, 5672, 5984, 6379, 7000, 7001, 8086, 9042, 9092}
        | {9200, 9300, 11211, 15672, 25672, 26379, 27017, 27018, 27019, 28017, 33060, 61616}
    ),
    "udp": frozenset({11211}),
}
# Services that send passwords in clear, or trust addresses, or tell strangers about the host.
LEGACY = {
    "tcp": frozenset({7, 9, 11, 13, 15, 17, 19, 21, 23, 37, 79, 111, 512, 513, 514, 540, *range(6000, 6064)}),
    "udp": frozenset({7, 9, 13, 17, 19, 37, 69, 111, 137, 138, 177, 514, 517, 518, 1900, 5353}),
}
MAIL = {"tcp": frozenset({25, 465, 587}), "udp": frozenset[int]()}


@dataclass(frozen=True)
class Listener:
    """A listening TCP or UDP socket; ``reach`` is None where no firewall can let anybody in (an image)."""

    socket: Socket
    scope: str
    interfaces: tuple[str, ...]
    process: str  # with a note where it is hidden
    unit: str
    dual: bool  # an IPv6 socket that takes IPv4, too
    reach: Mapping[str, Reach]  # by interface and address; one entry "" where all are alike
    doors: Mapping[Door, Reach] = field(default_factory=dict)  # the same by each way in, where there are any

    @property
    def protocol(self) -> str:
        """Either "tcp" or "udp"."""
        return self.socket.protocol.removesuffix("6")

    @property
    def exposed(self) -> bool:
        """Whether other machines could reach it if no rule forbade it."""
        return self.scope != "loopback"

    @property
    def name(self) -> str:
        """How the socket is named in a list."""
        address = f"[{self.socket.address}]" if ":" in self.socket.address else self.socket.address
        return f"{self.protocol} {address}:{self.socket.port} {self.socket.process or '?'}"

    @property
    def waiting_unit(self) -> str:
        """The socket unit for which systemd listens; "" for a socket of a program.

        Without root nobody sees who holds a socket; systemd says for which ports it listens all the same.
        """
        return self.unit if self.unit.endswith(".socket") and self.socket.pid in {0, 1} else ""

    def reachable(self, say: Callable[[Reach], str] = Reach.value) -> str:
        """From where, on one line; in words of a plan, or with ``Reach.show`` in the language in use."""
        if set(self.reach) == {""}:
            return say(self.reach[""])
        return "; ".join(f"{place}: {say(one)}" for place, one in self.reach.items())


def listeners(snapshot: Snapshot) -> tuple[Listener, ...] | Gap:
    """All listening TCP sockets and unconnected UDP sockets."""
    seen = snapshot.ask(Sockets())
    if isinstance(seen, Unread):
        return seen.gap(_("listening sockets"))
    return snapshot.derive(_listeners)


def server_of(listener: Listener, running: Mapping[int, ConfinedProcess]) -> ConfinedProcess | None:
    """The process behind a listening socket; for a socket unit, one that it started, if there is any."""
    if not listener.waiting_unit:
        return running.get(listener.socket.pid)
    stem = listener.waiting_unit.removesuffix(".socket")
    started = (one for one in running.values() if one.unit.endswith(".service"))
    return next((one for one in started if one.unit[: -len(".service")].partition("@")[0] == stem), None)


def ways_in(snapshot: Snapshot, protocol: str, port: int) -> Mapping[Door, Reach] | Gap:
    """By every way in, from where the loaded firewall lets packets through to a port, listened to or not."""
    return snapshot.derive(_reader).ways_in(protocol, port)


def kinds_in(snapshot: Snapshot, protocol: str, low: int, high: int) -> tuple[int, ...] | None:
    """One port for each kind of a range that the loaded rules tell apart; None where they are too many."""
    return snapshot.derive(_reader).kinds_in(protocol, low, high)


def _reader(snapshot: Snapshot) -> _Reader:
    seen = snapshot.ask(Sockets())
    return _Reader(
        snapshot, () if isinstance(seen, Unread) else tuple(s for s in seen if s.protocol != "unix")
    )


def _listeners(snapshot: Snapshot) -> tuple[Listener, ...]:
    reading = snapshot.derive(_reader)
    ordered = sorted(reading.sockets, key=lambda s: (s.protocol.removesuffix("6"), s.port, s.address, s.pid))
    return tuple(reading.listener(socket) for socket in ordered)


class _Reader:
    """What all listeners of a snapshot share."""

    def __init__(self, snapshot: Snapshot, sockets: tuple[Socket, ...]) -> None:
        self.sockets = sockets
        found = snapshot.ask(Interfaces())
        self._interfaces = () if isinstance(found, Unread) else found
        self._no_interfaces = found.gap(_("interfaces")) if isinstance(found, Unread) else None
        self._root = snapshot.as_root
        self._units = socket_units(snapshot)
        self._dual = takes_both(snapshot)
        # Beside a socket for the same port of IPv4, one for [::] cannot be for both.
        self._taken = {(s.protocol, s.port) for s in sockets if s.address == "0.0.0.0"}  # noqa: S104 - what is seen
        now = snapshot.derive(loaded.read)
        self._gap = now.gap
        self._reachability = Reachability(now.rules) if now.gap is None else None
        self._known: dict[tuple[str, int, str, bool], Mapping[str, Reach]] = {}
        self._ways: dict[tuple[str, int], Mapping[Door, Reach]] = {}

    def listener(self, socket: Socket) -> Listener:
        scope = scope_of(socket.address)
        dual = socket.address == "::" and self._dual and (socket.protocol[:3], socket.port) not in self._taken
        hidden = "" if self._root or socket.process else _("(hidden: needs root)")
        doors = self._doors(socket.address, dual=dual)
        key = (socket.protocol[:3], socket.port, socket.address, dual)
        if key not in self._known:
            self._known[key] = self._reach(socket, scope, doors)
        return Listener(
            socket=socket,
            scope=scope,
            interfaces=tuple(dict.fromkeys(door.interface for door in doors)),
            process=socket.process or hidden,
            unit=unit_of(socket, self._units),
            dual=dual,
            reach=self._known[key],
            doors={} if scope == "loopback" else self._through(socket.protocol[:3], socket.port, doors),
        )

    def ways_in(self, protocol: str, port: int) -> Mapping[Door, Reach] | Gap:
        gap = self._gap or self._no_interfaces
        if gap is not None:
            return gap
        either = (*self._doors("0.0.0.0", dual=False), *self._doors("::", dual=False))  # noqa: S104 - all of them
        return self._through(protocol, port, either)

    def kinds_in(self, protocol: str, low: int, high: int) -> tuple[int, ...] | None:
        return (low,) if self._reachability is None else self._reachability.kinds(protocol, low, high)

    def _through(self, protocol: str, port: int, doors: tuple[Door, ...]) -> Mapping[Door, Reach]:
        """For each of these doors; what was worked out once for a port is not worked out again."""
        if self._reachability is None or self._no_interfaces is not None:
            return {}
        known = self._ways.setdefault((protocol, port), {})
        if lacking := [door for door in doors if door not in known]:
            known = {**known, **self._reachability.of(protocol, port, lacking)}
            self._ways[protocol, port] = known
        return {door: known[door] for door in doors}

    def _doors(self, address: str, *, dual: bool) -> tuple[Door, ...]:
        """The interfaces and addresses by which packets come to a socket at this address."""
        wanted = address_of(address)
        found = []
        for interface in self._interfaces:
            for text in interface.addresses:
                own = ipaddress.ip_address(text)
                if own.is_loopback or _is_loopback(interface):
                    continue
                spoken = own.version == wanted.version or (dual and isinstance(own, ipaddress.IPv4Address))
                if own == wanted or (wanted.is_unspecified and spoken):
                    found.append(Door(interface.name, own))
        return tuple(found)

    def _reach(self, socket: Socket, scope: str, doors: tuple[Door, ...]) -> Mapping[str, Reach]:
        if scope == "loopback":
            return {"": Reach(From.LOOPBACK)}
        gap = self._gap or self._no_interfaces
        if gap is not None or self._reachability is None:
            return {"": Reach(From.UNKNOWN, gap=gap)}
        if scope == "multicast":
            return {"": Reach(From.UNKNOWN, why=N_("packets to a group are not followed"))}
        if not doors:
            return {"": Reach(From.NOBODY)}  # no interface has an address of that kind
        found = self._through(socket.protocol[:3], socket.port, doors)
        if len(set(found.values())) == 1:
            return {"": next(iter(found.values()))}
        by_version: dict[str, Reach] = {}
        for door, one in found.items():
            by_version.setdefault(f"{door.interface} IPv{door.address.version}", one)
            if by_version[f"{door.interface} IPv{door.address.version}"] != one:
                return {f"{d.interface} {d.address}": r for d, r in found.items()}
        return by_version


def _is_loopback(interface: Interface) -> bool:
    return interface.name == "lo" or any(ipaddress.ip_address(a).is_loopback for a in interface.addresses)


def scope_word(listener: Listener) -> str:
    """The scope in the language in use, and whether IPv4 is in it."""
    word = _(_SCOPES[listener.scope])
    return _("{scope}, IPv4 too").format(scope=word) if listener.dual else word


class Listeners:
    """The resource "listeners"."""

    name = "listeners"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if not snapshot.live:
            return Observation(Reading(gap=Gap(GapKind.UNSUPPORTED, _("an image does not run"))))
        found = listeners(snapshot)
        at = snapshot.ask_timed(Sockets())[1]
        if isinstance(found, Gap):
            return Observation(Reading(gap=found), seen_at=at)
        return Observation(_SUBJECTS[entry.subject](found), seen_at=at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("where a service listens is set in its own configuration, by hand"))


def _listed(found: list[Listener]) -> Reading:
    """These sockets by name, each with from where it is reached; "none" where there are none."""
    # One value, so that a waiver or an attestation no longer stands beside a list that has grown.
    value = "; ".join(f"{one.name} from {one.reachable()}" for one in found) or "none"
    places = tuple(Provenance(one.name, text=_about(one)) for one in found)
    return Reading({"": value}, provenance=places or (Provenance(_("listening sockets")),))


def _about(one: Listener) -> str:
    hidden = "" if one.socket.process else one.process
    words = (hidden, one.socket.user, one.unit, scope_word(one), ", ".join(one.interfaces))
    return ", ".join(word for word in words if word)


def _exposed(found: tuple[Listener, ...]) -> Reading:
    """Every socket that is not for this machine alone."""
    return _listed([one for one in found if one.exposed])


def _among(ports: Mapping[str, frozenset[int]]) -> Callable[[tuple[Listener, ...]], Reading]:
    """The exposed sockets at some ports."""

    def read(found: tuple[Listener, ...]) -> Reading:
        return _listed([one for one in found if one.exposed and one.socket.port in ports[one.protocol]])

    return read


def _mail(found: tuple[Listener, ...]) -> Reading:
    if not any(one.socket.port in MAIL[one.protocol] for one in found):
        return Reading(gap=Gap(GapKind.ABSENT, _("no program waits for mail")))
    return _among(MAIL)(found)


_SUBJECTS: Mapping[str, Callable[[tuple[Listener, ...]], Reading]] = {
    "databases": _among(DATABASES),
    "exposed": _exposed,
    "legacy": _among(LEGACY),
    "mail": _mail,
}
