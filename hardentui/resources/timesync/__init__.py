"""One source of time: which program keeps the clock, with which servers, and whether it is right now."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import missing, nothing
from hardentui.resources.timesync import clients, servers
from hardentui.snapshot import Command, File, Link, Output, Reason, Snapshot, Stat, Unread

SERVERS = "servers "
_CONTAINER = "/run/systemd/container"
_RTC = "/etc/adjtime"
_ZONE = "/etc/localtime"
_CLOCK = Command(("timedatectl", "show"))
_TRACKING = Command(("chronyc", "-c", "tracking"))
_OFFSET, _LEAP = 4, 13  # fields of chronyc -c tracking: seconds, and the status
_MOST_OFF = 1.0  # seconds; a record's time is to be right to the second


class Timesync:
    """The resource "timesync".

    "client" is the program that keeps the clock, all of them where there are several, or none. "servers
    HOSTS" are those that it asks, in the order of HOSTS, the others behind. "synchronised" is yes, no, or by
    how much the clock is off; "rtc" is what the hardware clock holds, UTC or local; "zone" the time zone.
    """

    name = "timesync"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        if aspect or (subject not in _SUBJECTS and not subject.startswith(SERVERS)):
            known = ", ".join((*_SUBJECTS, f"{SERVERS}HOSTS"))
            return f"expected one of {known} and no aspect, found {subject!r} {aspect!r}"
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if entry.subject != "zone" and not isinstance(snapshot.ask(Stat(_CONTAINER)), Unread):
            why = _("a container has the clock of its host, which alone can keep it")
            return missing(Gap(GapKind.ABSENT, why))
        if entry.subject in _SUBJECTS:
            return _SUBJECTS[entry.subject](snapshot)
        return servers.observe(snapshot, servers.hosts_of(entry.subject.removeprefix(SERVERS)))

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        if entry.subject == "client":
            return clients.start(entry, facts)
        if entry.subject.startswith(SERVERS):
            return servers.change(entry, facts, servers.hosts_of(target))
        return Refusal(_("a person decides this: see the procedure"))


# --- whether it is right ----------------------------------------------------------------------------


def _synchronised(snapshot: Snapshot) -> Observation:
    """Now alone: what a clock will be after a boot, nobody knows."""
    if not snapshot.live:
        return Observation(None, seen_at=snapshot.taken_at)
    said, at = snapshot.ask_timed(_CLOCK)
    if isinstance(said, Unread):
        return Observation(nothing(said, " ".join(_CLOCK.argv)), seen_at=at)
    word = _property(said, "NTPSynchronized")
    if word not in {"yes", "no"}:
        gap = Gap(GapKind.UNTOLD, _("{program} does not say it").format(program=" ".join(_CLOCK.argv)))
        return Observation(Reading(gap=gap), seen_at=at)
    places = [Provenance(" ".join(_CLOCK.argv), text=f"NTPSynchronized={word}")]
    value = word
    if clients.CHRONY in clients.now(snapshot).values.get("", "").split(", "):
        tracking = snapshot.ask(_TRACKING)
        if isinstance(tracking, Output):
            value = _tracked(tracking.stdout, word)
            places.append(Provenance(" ".join(_TRACKING.argv), text=tracking.stdout.strip()))
    return Observation(Reading({"": value}, provenance=tuple(places)), seen_at=at)


def _property(said: Output, name: str) -> str:
    found = re.search(rf"^{name}=(.*)$", said.stdout, re.MULTILINE)
    return found[1].strip() if found else ""


def _tracked(line: str, word: str) -> str:
    """What chrony says of the clock; where it says nothing that we know, the kernel's word stands."""
    fields = line.strip().split(",")
    if len(fields) <= _LEAP:
        return word
    if fields[_LEAP] == "Not synchronised":
        return "no"
    try:
        off = abs(float(fields[_OFFSET]))
    except ValueError:
        return word
    return word if off <= _MOST_OFF else f"{off:.1f} s off"


# --- the hardware clock and the zone ----------------------------------------------------------------


def _rtc(snapshot: Snapshot) -> Observation:
    text, at = snapshot.ask_timed(File(_RTC))
    if isinstance(text, Unread):
        if text.reason is not Reason.MISSING:
            return Observation(None, (nothing(text, _RTC),), seen_at=at)
        text = ""  # without the file it is UTC (hwclock(8))
    third = text.split("\n")[2:3]
    value = "local" if third and third[0].strip() == "LOCAL" else "UTC"
    reading = Reading({"": value}, provenance=(Provenance(_RTC, line=3, text="".join(third)),))
    return Observation(reading if snapshot.live else None, (Reading(reading.values),), seen_at=at)


def _zone(snapshot: Snapshot) -> Observation:
    target, at = snapshot.ask_timed(Link(_ZONE))
    if isinstance(target, Unread):
        status = snapshot.ask(Stat(_ZONE))
        if isinstance(status, Unread) and status.reason is Reason.MISSING:
            value = "UTC"  # without the file it is UTC (localtime(5))
        else:
            why = _("{path} is no link: it does not say which zone it holds").format(path=_ZONE)
            return Observation(None, (Reading(gap=Gap(GapKind.UNTOLD, why)),), seen_at=at)
    else:
        value = target.partition("zoneinfo/")[2] or target
    reading = Reading({"": value}, provenance=(Provenance(_ZONE, text=value),))
    return Observation(reading if snapshot.live else None, (Reading(reading.values),), seen_at=at)


_SUBJECTS: Mapping[str, Callable[[Snapshot], Observation]] = {
    "client": clients.observe,
    "rtc": _rtc,
    "synchronised": _synchronised,
    "zone": _zone,
}
