"""From where the ports of applications can be reached: what listens, and what the loaded firewall lets in."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from hardentui.answers import items_of
from hardentui.comparison import PLACEHOLDER
from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import nothing
from hardentui.resources.containers.published import Published, published
from hardentui.resources.firewall import orphans
from hardentui.resources.firewall.passage import EVERYWHERE, Share, passage
from hardentui.resources.firewall.policy import Network, parse_ports
from hardentui.resources.listeners import Listener, listeners
from hardentui.snapshot import Snapshot, Socket, Sockets, Unread

ALL = "input"  # the subject that stands for every opening of the firewall
_SUBJECT = re.compile(r"(tcp|udp) ([0-9,-]+)(?: from (.*))?")
# What no router of the internet carries: RFC 1918, RFC 6598, link-local, unique local.
_INNER = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
        *("fc00::/7", "fe80::/10"),
    )
)


@dataclass(frozen=True)
class _Wanted:
    """What an entry is about: ports, and the machines that may come."""

    protocol: str
    spans: tuple[tuple[int, int], ...]
    allowed: tuple[Network, ...]
    names: tuple[str, ...]

    def holds(self, protocol: str, low: int, high: int) -> bool:
        return protocol == self.protocol and any(a <= high and low <= b for a, b in self.spans)


class Openings:
    """The resource "openings": who reaches some ports. Where nothing listens, the subject is absent."""

    name = "openings"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        known = (*_ASPECTS, _SILENT)
        if (subject == ALL) != (aspect == "orphans") or aspect not in {*known, "orphans"}:
            return f"expected {ALL} with orphans, or PROTOCOL PORTS with one of {', '.join(known)}"
        if subject == ALL:
            return None
        try:
            _wanted(PLACEHOLDER.sub("any", subject))
        except ValueError as error:
            return str(error)
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if not snapshot.live:
            return Observation(Reading(gap=Gap(GapKind.UNSUPPORTED, _("an image does not run"))))
        seen, at = snapshot.ask_timed(Sockets())
        if entry.aspect == _SILENT:
            return Observation(_silent(_wanted(entry.subject), seen), seen_at=at)
        if entry.subject == ALL:
            return Observation(orphans.read(snapshot, seen), seen_at=at)
        found = listeners(snapshot)
        if isinstance(found, Gap):
            return Observation(Reading(gap=found), seen_at=at)
        try:
            wanted = _wanted(entry.subject)
        except ValueError:
            return Observation(
                Reading(gap=Gap(GapKind.UNTOLD, _("nobody has said who may come"))), seen_at=at
            )
        mine = [one for one in found if wanted.holds(one.protocol, one.socket.port, one.socket.port)]
        diverted = [p for p in published(snapshot)[0] if p.high and wanted.holds(p.protocol, p.low, p.high)]
        return Observation(_ASPECTS[entry.aspect](wanted, mine, diverted), seen_at=at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("the policy of the firewall decides: hardentui flows"))


def _wanted(subject: str) -> _Wanted:
    """What a subject is about.

    Raises:
        ValueError: it is of no such form; a sentence.
    """
    found = _SUBJECT.fullmatch(subject)
    if found is None:
        raise ValueError(f"expected PROTOCOL PORTS, or PROTOCOL PORTS from NETWORKS, found {subject!r}")
    networks: list[Network] = []
    names = []
    for item in items_of(found[3] or ""):
        try:
            networks += EVERYWHERE if item == "any" else (ipaddress.ip_network(item, strict=False),)
        except ValueError:
            names.append(item)
    if found[3] is not None and not networks and not names:
        raise ValueError(f"expected networks behind from, found {subject!r}")
    return _Wanted(found[1], parse_ports(found[2]), tuple(networks), tuple(names))


# --- the aspects: each makes a reading of the sockets at the ports, and of what is published there ---------


def _closed(wanted: _Wanted, mine: list[Listener], diverted: list[Published]) -> Reading:
    """The value "closed", or the sockets that other machines reach."""
    del wanted
    return _reading(mine, diverted, (), "closed")


def _only(wanted: _Wanted, mine: list[Listener], diverted: list[Published]) -> Reading:
    """The value "nobody else", or the sockets that others reach than those who may."""
    if wanted.names:
        sentence = _("{names}: no firewall knows names; answer with addresses")
        return Reading(gap=Gap(GapKind.UNTOLD, sentence.format(names=", ".join(wanted.names))))
    return _reading(mine, diverted, wanted.allowed, "nobody else")


def _private(wanted: _Wanted, mine: list[Listener], diverted: list[Published]) -> Reading:
    """The value "not public", or the public addresses at which machines of the internet get in."""
    del wanted
    if not mine and not diverted:
        return _nothing()
    public: list[str] = []
    gap = None
    for one in mine:
        for door, reach in one.doors.items():
            passing = passage({door: reach}, EVERYWHERE, _INNER) if door.address.is_global else None
            if passing is None or passing.share is Share.NONE:
                continue
            if passing.share is Share.UNKNOWN:
                gap = Gap(GapKind.UNMODELLED, passing.why)
            else:
                public.append(f"{one.protocol} {door.address} port {one.socket.port}")
    value = "; ".join(dict.fromkeys(public)) or "not public"
    return Reading({} if gap and not public else {"": value}, gap, _places(mine, diverted))


def _silent(wanted: _Wanted, seen: tuple[Socket, ...] | Unread) -> Reading:
    """The value "none", or what listens, for whomever: the rules of the firewall are not asked."""
    if isinstance(seen, Unread):
        return nothing(seen, _("listening sockets"))
    found = [s for s in seen if s.protocol != "unix" and wanted.holds(s.protocol[:3], s.port, s.port)]
    names = (f"{one.protocol[:3]} {one.address} port {one.port} {one.process or '?'}" for one in found)
    places = (Provenance(_("listening sockets")),)
    return Reading({"": "; ".join(dict.fromkeys(names)) or "none"}, provenance=places)


_ASPECTS: Mapping[str, Callable[[_Wanted, list[Listener], list[Published]], Reading]] = {
    "closed": _closed,
    "only": _only,
    "private": _private,
}
_SILENT = "silent"  # the aspect that asks for the sockets alone


def _reading(
    mine: list[Listener], diverted: list[Published], allowed: Iterable[Network], closed: str
) -> Reading:
    """The sockets that others than ``allowed`` reach; the word ``closed`` where there are none."""
    if not mine and not diverted:
        return _nothing()
    open_ = [f"{one.name} published" for one in diverted]  # past the rules for what comes in
    gap = None
    known = tuple(allowed)
    for one in mine:
        reaches = {reach.gap for reach in one.reach.values() if reach.gap is not None}
        passing = passage(one.doors, EVERYWHERE, known)
        if reaches or (passing is not None and passing.share is Share.UNKNOWN):
            gap = next(iter(reaches), None) or Gap(GapKind.UNMODELLED, passing.why if passing else "")
        elif passing is not None and passing.share is not Share.NONE:
            open_.append(f"{one.name} from {one.reachable()}")
    value = "; ".join(dict.fromkeys(open_)) or closed
    return Reading({} if gap and not open_ else {"": value}, gap, _places(mine, diverted))


def _nothing() -> Reading:
    return Reading(gap=Gap(GapKind.ABSENT, _("nothing listens there")))


def _places(mine: Iterable[Listener], diverted: Iterable[Published]) -> tuple[Provenance, ...]:
    found = [Provenance(one.name, text=", ".join(filter(None, (one.unit, one.reachable())))) for one in mine]
    found += [Provenance(one.name, text=one.by) for one in diverted]
    return tuple(found) or (Provenance(_("listening sockets")),)
