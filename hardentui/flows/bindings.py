"""Who is who: the answers about applications, as versions, roles of this host and networks of each object."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hardentui.answers import FORMATS, items_of, misfits, valid
from hardentui.flows.profile import ANY, LIBRARY, Flow, Object, Profile
from hardentui.i18n import _
from hardentui.model import Checklists, Gap
from hardentui.resources import rsyslog
from hardentui.resources.connections import contacts
from hardentui.resources.firewall.passage import EVERYWHERE
from hardentui.resources.firewall.policy import Address, Network, peer_text
from hardentui.snapshot import File, Interfaces, Snapshot, Sockets, Units, Unread

APPLICATIONS = "applications"  # the question which applications this host serves
OUTGOING = "outgoing"  # the question what becomes of flows to the outside that nobody names
BASE = "course"  # the profile that every host has
_NAMESERVER = re.compile(r"^nameserver\s+(\S+)", re.MULTILINE)
_RESOLVERS = ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf")
_CLOCKS = re.compile(r"(?:systemd-timesyncd|chronyd?|ntpd?|ntpsec|openntpd)\.service")
_DHCP = {("udp", 68), ("udp6", 546)}
_NTP = 123
_RELAYS = frozenset({"relp", "tcp"})


@dataclass(frozen=True, slots=True)
class Bound:
    """The machines of an object: networks, and names that no firewall can filter by. ``by``: who says so."""

    networks: tuple[Network, ...] = ()
    names: tuple[str, ...] = ()
    by: str = ""

    @classmethod
    def everybody(cls, by: str) -> Bound:
        """Every address there is."""
        return cls(EVERYWHERE, (), by)

    @property
    def known(self) -> bool:
        """Whether anything is said of it."""
        return bool(self.networks or self.names)

    @property
    def anybody(self) -> bool:
        """Whether it is every address there is."""
        return set(EVERYWHERE) <= set(self.networks)

    def holds(self, address: Address) -> bool:
        """Whether a machine is one of these, as far as addresses tell."""
        return any(address in network for network in self.networks)

    def may_hold(self, address: Address) -> bool:
        """The same, where a name may be any machine."""
        return bool(self.names) or self.holds(address)

    def __str__(self) -> str:
        if self.anybody:
            return ANY
        return ", ".join((*map(peer_text, self.networks), *self.names))


@dataclass(frozen=True)
class Application:
    """A profile that was chosen, as it is on this host: its version, and what this host is in it."""

    profile: Profile
    version: str
    roles: frozenset[str]
    objects: Mapping[str, Bound]

    @property
    def flows(self) -> tuple[Flow, ...]:
        """The flows of this version."""
        return tuple(self.profile.flows_of(self.version))


@dataclass(frozen=True)
class Bindings:
    """The applications of this host, and in sentences what is still to be said."""

    applications: tuple[Application, ...]
    troubles: tuple[str, ...]
    outgoing_open: bool  # what goes out and is not named may pass


def asking(checklists: Checklists, profiles: Sequence[Profile]) -> Checklists:
    """The checklists with the questions of the profiles, and with what APPLICATIONS may name."""
    names = tuple(dict.fromkeys((*_known(profiles), BASE)))
    chapters = tuple(
        replace(
            chapter,
            questions=tuple(
                replace(question, names=names) if question.id == APPLICATIONS else question
                for question in chapter.questions
            ),
        )
        for chapter in checklists.chapters
    )
    asked = {question.id: question for profile in profiles for question in profile.questions}
    return replace(checklists, chapters=chapters, bindings=tuple(asked.values()))


def _known(profiles: Iterable[Profile]) -> dict[str, Profile]:
    return {profile.id: profile for profile in profiles if profile.id != LIBRARY}


def bind(profiles: Iterable[Profile], answers: Mapping[str, str], snapshot: Snapshot) -> Bindings:
    """What the answers make of the profiles; the course's own policy holds for every host."""
    known = _known(profiles)
    wanted = dict.fromkeys((*items_of(answers.get(APPLICATIONS, "")), BASE))
    troubles = [
        _("no profile of an application is called {name}; known: {known}").format(
            name=name, known=", ".join(known)
        )
        for name in wanted
        if name not in known and name != BASE
    ]
    own = own_addresses(snapshot)
    chosen = []
    for name in wanted:
        if name in known:
            application, said = _application(known[name], answers, own, snapshot)
            chosen.append(application)
            troubles += said
    return Bindings(tuple(chosen), tuple(dict.fromkeys(troubles)), answers.get(OUTGOING) == "all")


def own_addresses(snapshot: Snapshot) -> frozenset[Address]:
    """The addresses of this host's interfaces."""
    seen = snapshot.ask(Interfaces())
    texts = () if isinstance(seen, Unread) else (text for one in seen for text in one.addresses)
    return frozenset(ipaddress.ip_address(text) for text in texts)


def _application(
    profile: Profile, answers: Mapping[str, str], own: frozenset[Address], snapshot: Snapshot
) -> tuple[Application, list[str]]:
    own_answers = {q.id: answers[q.id] for q in profile.questions if q.id in answers}
    given = valid(profile.questions, own_answers)
    troubles = [
        _("{question}: {why}; it counts as not answered").format(question=question, why=why)
        for question, why in misfits(profile.questions, own_answers).items()
    ]
    objects = {one.id: _bound(one, given, snapshot) for one in profile.objects}
    version = given.get(profile.version_question, "")
    if profile.versions and not version:
        version = profile.versions[0].id
        troubles.append(
            _("{application}: no version is chosen, so {version} is taken").format(
                application=profile.title, version=profile.versions[0].label
            )
        )
    able = {one.id for one in profile.objects if one.role}
    told = frozenset(items_of(given.get(profile.roles_question, "")))
    here = {one for one in able if any(objects[one].holds(a) for a in own) and not objects[one].anybody}
    roles = told | here or (frozenset(able) if len(able) == 1 else frozenset())
    if able and not roles:
        troubles.append(
            _("{application}: nobody has said what this host is in it").format(application=profile.title)
        )
    return Application(profile, version, roles, objects), troubles


def _bound(one: Object, given: Mapping[str, str], snapshot: Snapshot) -> Bound:
    """The machines of an object: what was answered, else what the host shows, else what is proposed."""
    if one.question in given:
        return _parsed(given[one.question], "answer")
    if one.seen:
        seen = ", ".join(sorted(snapshot.derive(_SEEN[one.seen])))
        if seen:
            return _parsed(seen, "seen")
    return _parsed(one.proposed, "proposed") if one.proposed else Bound()


def _parsed(text: str, by: str) -> Bound:
    networks: list[Network] = []
    names = []
    for item in items_of(text):
        if item == ANY:
            networks += EVERYWHERE
            continue
        try:
            networks.append(ipaddress.ip_network(item, strict=False))
        except ValueError:
            names.append(item)
    return Bound(tuple(dict.fromkeys(networks)), tuple(names), by)


# --- what a host shows by itself -------------------------------------------------------------------------


def _resolvers(snapshot: Snapshot) -> frozenset[str]:
    """The name servers of the host that are other machines."""
    for path in _RESOLVERS:
        text = snapshot.ask(File(path))
        if isinstance(text, Unread):
            continue
        found = frozenset(word for word in _NAMESERVER.findall(text) if _is_elsewhere(word))
        if found:
            return found
    return frozenset()


def _is_elsewhere(text: str) -> bool:
    """Whether it is the address of another machine."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not address.is_loopback and "%" not in text


def _time_servers(snapshot: Snapshot) -> frozenset[str]:
    seen = contacts(snapshot)
    if isinstance(seen, Gap):
        return frozenset()
    return frozenset(one.peer for one in seen if one.direction == "out" and one.port == _NTP)


def _log_servers(snapshot: Snapshot) -> frozenset[str]:
    return frozenset(host for host, _port in snapshot.derive(log_relays) if _is_host(host))


def _is_host(text: str) -> bool:
    return FORMATS["host"].fits(text)


def log_relays(snapshot: Snapshot) -> tuple[tuple[str, int], ...]:
    """The hosts and TCP ports to which rsyslog's files send the messages of this host."""
    found = rsyslog.destinations(snapshot, "authpriv", "info")
    if isinstance(found, Gap):
        return ()
    listed = ((one.host, one.port) for one in found if one.kind == "remote" and one.protocol in _RELAYS)
    return tuple((host, int(port)) for host, port in listed if FORMATS["port"].fits(port))


_SEEN = {"resolvers": _resolvers, "time-servers": _time_servers, "log-servers": _log_servers}


def is_needed(snapshot: Snapshot, need: str) -> bool:
    """Whether a host is seen to use what a flow is for: "dhcp", "ntp" or "relp"; "" is always needed."""
    match need:
        case "dhcp":
            sockets = snapshot.ask(Sockets())
            return not isinstance(sockets, Unread) and any((s.protocol, s.port) in _DHCP for s in sockets)
        case "ntp":
            units = snapshot.ask(Units())
            running = () if isinstance(units, Unread) else (u for u in units if u.active == "active")
            return bool(_time_servers(snapshot)) or any(_CLOCKS.fullmatch(unit.name) for unit in running)
        case "relp":
            return bool(snapshot.derive(log_relays))
    return True
