"""The programs that keep a clock right: which of them runs, which starts, and how one is started."""

from __future__ import annotations

from collections.abc import Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, EnableUnit, Refusal
from hardentui.resources.base import nothing, table_fact
from hardentui.resources.families import TIME_CLIENTS
from hardentui.snapshot import Snapshot, UnitFiles, Units, Unread

TIMESYNCD, CHRONY, NOBODY = "timesyncd", "chrony", "none"
_RUNNING = frozenset({"active", "activating", "reloading"})


def observe(snapshot: Snapshot) -> Observation:
    """The clients that run now and after a boot."""
    running, then = now(snapshot), at_boot(snapshot)
    facts: dict[str, Fact] = {"installed": {}}
    files = snapshot.ask(UnitFiles())
    if not isinstance(files, Unread):
        units = {name for names in TIME_CLIENTS.values() for name in names}
        facts["installed"] = {
            one.name: one.state for one in files if one.name in units and one.state != "alias"
        }
    return Observation(running if snapshot.live else None, (then,), facts, snapshot.taken_at)


def now(snapshot: Snapshot) -> Reading:
    """The clients that run, by name, with commas between them; NOBODY for none."""
    units = snapshot.ask(Units())
    if isinstance(units, Unread):
        return nothing(units, "systemctl show")
    return _named({one.name: one.active for one in units}, _RUNNING)


def at_boot(snapshot: Snapshot) -> Reading:
    """The clients that a boot starts, as ``now``."""
    files = snapshot.ask(UnitFiles())
    if isinstance(files, Unread):
        return nothing(files, "systemctl list-unit-files")
    return _named({one.name: one.state for one in files}, frozenset({"enabled"}))


def _named(states: Mapping[str, str], on: frozenset[str]) -> Reading:
    """The clients of which a unit is in one of the states ``on``."""
    seen = {
        name: [(unit, states[unit]) for unit in units if unit in states]
        for name, units in TIME_CLIENTS.items()
    }
    found = [name for name, units in seen.items() if any(state in on for _unit, state in units)]
    places = tuple(Provenance(unit, text=state) for units in seen.values() for unit, state in units)
    return Reading({"": ", ".join(found) or NOBODY}, provenance=places)


def start(entry: Recommendation, facts: Mapping[str, Fact]) -> Change:
    """The operations that start the one client that is installed."""
    installed = {str(unit): str(state) for unit, state in table_fact(facts, "installed").items()}
    known = [unit for units in TIME_CLIENTS.values() for unit in units if unit in installed]
    if len(known) != 1:
        if not known:
            return Refusal(_("no client of NTP is installed: install chrony, or systemd-timesyncd"))
        words = _("several clients of NTP are installed ({names}): take all but one away by hand")
        return Refusal(words.format(names=", ".join(known)))
    if installed[known[0]] not in {"enabled", "disabled"}:
        words = _("{unit} is {state}: only a person can switch it on")
        return Refusal(words.format(unit=known[0], state=installed[known[0]]))
    return (EnableUnit(owners=(entry.id,), unit=known[0], start=True),)
