"""What this host records: classes of events, what would write each down, and where that ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import wrong_subject
from hardentui.resources.events.catalogue import BY_ID, CLASSES, Line
from hardentui.resources.events.told import Side, State, told, told_of
from hardentui.resources.firewall import logs
from hardentui.resources.firewall.logs import LogRule
from hardentui.snapshot import Snapshot

RATE, ALL = "firewall-rate", "all"
LIMITED, UNLIMITED = "limited", "unlimited"
# The classes of each line that programs tell of, or rules of the firewall; those of audit rules alone are
# judged rule by rule.
_LINES: Mapping[str, tuple[str, ...]] = {
    line.name.lower(): tuple(one.id for one in CLASSES if one.line is line and (one.voices or one.special))
    for line in Line
}


class Events:
    """The resource "events": a class of events, or a line of the course with those that programs tell of.

    Each part of the value is a class: "kept", "until the reboot" or "not recorded". The subject "all" shows
    how many there are of each; "firewall-rate" says whether what is refused is logged at a limited rate.
    """

    name = "events"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, (*BY_ID, *_LINES, ALL, RATE))

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if entry.subject == RATE:
            running = _rate(logs.now(snapshot)) if snapshot.live else None
            return Observation(running, (_rate(logs.at_boot(snapshot)),), seen_at=snapshot.taken_at)
        if entry.subject == ALL:
            found, read = snapshot.derive(told), _counts
        else:
            wanted = _LINES.get(entry.subject, (entry.subject,))
            found, read = told_of(snapshot, [BY_ID[kind] for kind in wanted]), _reading
        now = {one.kind.id: one.now for one in found if one.now is not None}
        then = {one.kind.id: one.boot for one in found}
        return Observation(read(now) if snapshot.live else None, (read(then),), seen_at=snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("where events end is set by journald, rsyslog, sudo and sshd: decide there"))


def _reading(sides: Mapping[str, Side]) -> Reading:
    """What comes of these classes, those that cannot happen here left out."""
    possible = {kind: side for kind, side in sides.items() if side.state is not State.ABSENT}
    if not possible:
        return Reading(gap=Gap(GapKind.ABSENT, _("no program here could tell of it")))
    known = {kind: side.state.value for kind, side in possible.items() if side.state is not State.UNKNOWN}
    gaps = [side.gaps[0] for side in possible.values() if side.state is State.UNKNOWN]
    return Reading(known, gaps[0] if gaps else None, tuple(_places(possible)))


def _counts(sides: Mapping[str, Side]) -> Reading:
    """How many classes come to what, and which are not recorded."""
    states = [side.state for side in sides.values() if side.state is not State.UNKNOWN]
    values = {state.value: str(states.count(state)) for state in State if state in states}
    gap = next((side.gaps[0] for side in sides.values() if side.state is State.UNKNOWN), None)
    lost = tuple(
        Provenance(kind, text=" ".join(side.silent)) for kind, side in sides.items() if not side.full
    )
    return Reading(values, gap, lost)


def _places(sides: Mapping[str, Side]) -> Sequence[Provenance]:
    """The rule that records each class, and where that ends; of what is not recorded, why."""
    places = []
    for kind, side in sides.items():
        for witness in side.witnesses:
            stores = ", ".join(store.place for store in witness.stores)
            places.append(Provenance(kind, text=f"{witness.rule}: {stores}"))
        if not side.full:
            places += [Provenance(kind, text=sentence) for sentence in side.silent]
    return places


def _rate(rules: tuple[LogRule, ...] | Gap) -> Reading:
    """Whether all rules that log what is refused have a limit."""
    if isinstance(rules, Gap):
        return Reading(gap=rules)
    refusing = [rule for rule in rules if rule.refused]
    if not refusing:
        return Reading(gap=Gap(GapKind.ABSENT, _("no rule of the firewall logs what it refuses")))
    places = tuple(Provenance(rule.place, text=rule.prefix) for rule in refusing)
    return Reading({"": LIMITED if all(rule.limited for rule in refusing) else UNLIMITED}, provenance=places)
