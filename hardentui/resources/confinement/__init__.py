"""What holds the services that run: the matrix of them, and the recommendations about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from hardentui.i18n import N_, _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import names_or_none
from hardentui.resources.confinement.matrix import Door, Matrix, Service, matrix
from hardentui.resources.families import FAMILIES
from hardentui.snapshot import Confinement, Snapshot

_RATE = re.compile(r"[0-9]\.[0-9]|10\.0")
_LOGINS = frozenset(family.ssh_unit for family in FAMILIES.values())
# Units in which people's sessions run, or begin: what held them would hold whoever logs in.
_SESSIONS = re.compile(r"(?:user@|user-runtime-dir@|ssh@|sshd@|(?:serial-|console-)?getty|emergency|rescue)")
_OPEN: Mapping[Door, str] = {
    Door.PRIVILEGES: N_("the programs that it starts can gain privileges"),
    Door.CAPABILITIES: N_("it can come by every capability"),
    Door.FILES: N_("it sees the same files as the whole system"),
}


class ConfinementOf:
    """The resource "confinement". The subject "exposure" has as aspect the figure from which on it fails."""

    name = "confinement"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        if subject not in _SUBJECTS:
            return f"expected one of {', '.join(_SUBJECTS)}, found {subject!r}"
        if subject == "exposure":
            fits = _RATE.fullmatch(aspect)
            return None if fits else f"expected an exposure from 0.0 to 10.0 as aspect, found {aspect!r}"
        return f"expected no aspect, found {aspect!r}" if aspect else None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if not snapshot.live:
            return Observation(None, seen_at=snapshot.taken_at)
        found = matrix(snapshot)
        at = snapshot.ask_timed(Confinement())[1]
        if isinstance(found, Gap):
            return Observation(Reading(gap=found), seen_at=at)
        return Observation(_SUBJECTS[entry.subject](found, entry.aspect), seen_at=at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("how a service is confined is decided unit by unit: hardentui sandbox UNIT"))


@dataclass(frozen=True, slots=True)
class _Judged:
    """A service, whether it is too open (None: not known), and in words what was seen of it."""

    service: Service
    is_open: bool | None
    text: str


def _opens_sessions(one: Service) -> bool:
    return one.unit in _LOGINS or _SESSIONS.match(one.unit) is not None


def _services(found: Matrix, _aspect: str) -> Reading:
    """All services, the most exposed first."""
    places = tuple(
        Provenance(
            one.unit,
            text=_("exposure {rate}, {count} of {all} doors open").format(
                rate="?" if one.exposure is None else f"{one.exposure:.1f}",
                count=one.open_doors,
                all=len(one.doors),
            ),
        )
        for one in found.services
    )
    bare = sum(all(one.doors.values()) for one in found.services)
    value = _("{count} services, {free} of them root with nothing that holds them").format(
        count=len(places), free=bare
    )
    return Reading({"": value}, next(iter(found.gaps), None), places)


def _root_without_sandbox(found: Matrix, _aspect: str) -> Reading:
    """The services of root, and whether nothing at all holds them."""
    judged = []
    for one in found.services:
        if one.doors[Door.ROOT] is not False:
            known = [is_open for is_open in one.doors.values() if is_open is not None]
            whole = len(known) == len(one.doors)
            is_open = False if False in known else True if whole else None
            judged.append(
                _Judged(
                    one,
                    is_open,
                    _("{count} of {all} doors open").format(count=one.open_doors, all=len(one.doors)),
                )
            )
    return _reading(judged)


def _exposure(one: Service, aspect: str) -> _Judged:
    if one.exposure is None:
        return _Judged(one, None, _("exposure not known"))
    return _Judged(
        one, one.exposure >= float(aspect), _("exposure {rate}").format(rate=f"{one.exposure:.1f}")
    )


def _door(door: Door) -> Callable[[Service, str], _Judged]:
    def judge(one: Service, _aspect: str) -> _Judged:
        is_open = one.doors[door]
        words = {True: _(_OPEN[door]), False: _("held"), None: _("not known")}
        return _Judged(one, is_open, words[is_open])

    return judge


def _reached(
    judge: Callable[[Service, str], _Judged], lacking: Callable[[Matrix], Gap | None] = lambda _found: None
) -> Callable[[Matrix, str], Reading]:
    """A reading of what ``judge`` says of the services that other machines can reach.

    ``lacking`` says why nothing is known of any of them, where that is so.
    """

    def read(found: Matrix, aspect: str) -> Reading:
        reached = [one for one in found.services if one.exposed]
        all_heard = all(one.ears_known for one in found.services)
        if not reached and all_heard:
            return Reading(gap=Gap(GapKind.ABSENT, _("nothing can be reached from other machines")))
        gap = None if all_heard else Gap(GapKind.DENIED, _("which services listen"))
        return _reading([judge(one, aspect) for one in reached], gap, lacking(found))

    return read


def _reading(judged: Iterable[_Judged], gap: Gap | None = None, lacking: Gap | None = None) -> Reading:
    """Those that are too open by name; services that open people's sessions are shown and not judged."""
    wide, dark, places = [], [], []
    for one in judged:
        unit = one.service.unit
        if _opens_sessions(one.service):
            text = _("not judged: what holds it would hold those who log in; {seen}").format(seen=one.text)
            places.append((1, Provenance(unit, text=text)))
            continue
        wide += [unit] if one.is_open else []
        dark += [unit] if one.is_open is None else []
        places.append((0 if one.is_open else 1, Provenance(unit, text=one.text)))
    if dark:
        gap = lacking or Gap(GapKind.DENIED, _("what holds {names}").format(names=", ".join(dark)))
    ordered = sorted(places, key=lambda place: place[0])
    return Reading(names_or_none(wide, gap), gap, tuple(place for _rank, place in ordered))


_SUBJECTS: Mapping[str, Callable[[Matrix, str], Reading]] = {
    "capabilities": _reached(_door(Door.CAPABILITIES)),
    "exposure": _reached(_exposure, lambda found: found.unrated),
    "files": _reached(_door(Door.FILES)),
    "new-privileges": _reached(_door(Door.PRIVILEGES)),
    "root-without-sandbox": _root_without_sandbox,
    "services": _services,
}
