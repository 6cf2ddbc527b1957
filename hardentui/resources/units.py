"""Units of systemd: whether services that a server seldom needs run now, and start at boot."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, DisableUnit, Refusal
from hardentui.resources.base import nothing, table_fact
from hardentui.resources.families import SERVICES
from hardentui.snapshot import Snapshot, Unit, UnitFile, UnitFiles, Units, Unread

ON, OFF = "on", "off"
_RUNNING = frozenset({"active", "activating", "reloading"})
# States of unit files in which no boot starts the unit by itself (systemctl(1), is-enabled).
_RESTING = frozenset(
    {"disabled", "static", "indirect", "masked", "enabled-runtime", "linked", "linked-runtime", "transient"}
)


class UnitResource:
    """The resource "unit": a service of families.SERVICES, or one of the lists failed and enabled."""

    name = "unit"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        known = (*SERVICES, *_LISTS)
        if aspect or subject not in known:
            return f"expected one of {', '.join(known)} and no aspect, found {subject!r} {aspect!r}"
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if entry.subject in _LISTS:
            return _LISTS[entry.subject](snapshot)
        return _service(snapshot, entry.subject)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        seen = table_fact(facts, "units")
        steps = []
        for name in SERVICES.get(entry.subject, ()):
            enablement, _space, activity = str(seen.get(name, "")).partition(" ")
            if enablement != "enabled" and activity != "active":
                continue
            if enablement not in {"enabled", "disabled", "static", "indirect"}:
                return Refusal(
                    _("{unit} is {state}: only a person can switch it off").format(
                        unit=name, state=enablement
                    )
                )
            active = activity == "active"
            steps.append(DisableUnit(owners=(entry.id,), unit=name, enablement=enablement, active=active))
        return tuple(steps) if steps else Refusal(_("it is off already"))


def _service(snapshot: Snapshot, subject: str) -> Observation:
    files, at = snapshot.ask_timed(UnitFiles())
    running = snapshot.ask(Units())
    loaded = {} if isinstance(running, Unread) else {one.name: one for one in running if one.load == "loaded"}
    known = {} if isinstance(files, Unread) else {one.name: one for one in files if one.state != "alias"}
    names = [name for name in SERVICES[subject] if name in known or name in loaded]
    if not names and not isinstance(files, Unread):
        return Observation(Reading(gap=Gap(GapKind.ABSENT, _("not installed"))), seen_at=at)
    now = nothing(running, "systemctl show") if isinstance(running, Unread) else _running(names, loaded)
    then = (
        nothing(files, "systemctl list-unit-files")
        if isinstance(files, Unread)
        else _boot(names, known, loaded)
    )
    facts: dict[str, Fact] = {}
    if not isinstance(running, Unread) and not isinstance(files, Unread):
        facts["units"] = {name: _seen(known.get(name), loaded.get(name)) for name in names}
    return Observation(now if snapshot.live else None, (then,), facts, at)


def _running(names: list[str], loaded: Mapping[str, Unit]) -> Reading:
    values = {}
    places = []
    for name in names:
        unit = loaded.get(name)
        active = unit.active if unit else "inactive"
        values[name] = ON if active in _RUNNING else OFF
        places.append(Provenance(f"systemctl show {name}", text=active))
    return Reading(values, provenance=tuple(places))


def _boot(names: list[str], known: Mapping[str, UnitFile], loaded: Mapping[str, Unit]) -> Reading:
    values = {}
    places = []
    gap = None
    for name in names:
        state = known[name].state if name in known else "generated"
        unit = loaded.get(name)
        if state == "enabled" or (state == "generated" and unit is not None and unit.wanted_by):
            values[name] = ON
        elif state in _RESTING or state == "generated":
            values[name] = OFF
        else:
            gap = Gap(GapKind.UNMODELLED, f"{name}: {state}")
        places.append(Provenance(f"systemctl is-enabled {name}", text=state))
    return Reading(values, gap, tuple(places))


def _seen(file: UnitFile | None, unit: Unit | None) -> str:
    activity = "active" if unit is not None and unit.active in _RUNNING else "inactive"
    return f"{file.state if file else 'generated'} {activity}"


def needed_by(snapshot: Snapshot, subject: str) -> tuple[str, ...]:
    """The running units, other than its own, that cannot do without a service."""
    running = snapshot.ask(Units())
    if isinstance(running, Unread):
        return ()
    own = SERVICES.get(subject, ())
    active = {one.name for one in running if one.active in _RUNNING}
    needing = {name for one in running if one.name in own for name in one.needed_by}
    return tuple(sorted((needing & active) - set(own)))


def _failed(snapshot: Snapshot) -> Observation:
    running, at = snapshot.ask_timed(Units())
    if isinstance(running, Unread):
        return Observation(nothing(running, "systemctl show") if snapshot.live else None, seen_at=at)
    failed = sorted(one.name for one in running if one.active == "failed")
    places = (Provenance("systemctl list-units --failed"), *(Provenance(name) for name in failed))
    return Observation(Reading({"": ",".join(failed) or "none"}, provenance=places), seen_at=at)


def _enabled(snapshot: Snapshot) -> Observation:
    files, at = snapshot.ask_timed(UnitFiles())
    if isinstance(files, Unread):
        return Observation(None, (nothing(files, "systemctl list-unit-files"),), seen_at=at)
    enabled = [one.name for one in files if one.state == "enabled" and "@." not in one.name]
    wanted = sorted(name for name in enabled if name.endswith((".service", ".socket", ".timer", ".path")))
    places = (Provenance("systemctl list-unit-files --state=enabled"), *(Provenance(name) for name in wanted))
    return Observation(None, (Reading({"": str(len(wanted))}, provenance=places),), seen_at=at)


_LISTS: Mapping[str, Callable[[Snapshot], Observation]] = {"enabled-units": _enabled, "failed-units": _failed}
