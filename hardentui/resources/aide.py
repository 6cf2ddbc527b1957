"""The resource "aide": whether files are sealed, the seals checked, and out of an attacker's reach."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, EnableUnit, Refusal
from hardentui.resources.base import missing, nothing, text_fact, wrong_subject
from hardentui.resources.mount.boot import holder
from hardentui.snapshot import File, Folder, Kind, Mounts, Reason, Snapshot, Stat, UnitFiles, Units, Unread

_CONFIGS = ("/etc/aide/aide.conf", "/etc/aide.conf")
_MORE = "/etc/aide/aide.conf.d"
# Programs that seal files, the one that we know best first.
_SEALERS: Mapping[str, tuple[str, ...]] = {
    "aide": ("/usr/bin/aide", "/usr/sbin/aide"),
    "tripwire": ("/usr/sbin/tripwire",),
    "samhain": ("/usr/sbin/samhain",),
    "wazuh": ("/var/ossec/bin/wazuh-syscheckd",),
    "ossec": ("/var/ossec/bin/ossec-syscheckd",),
    "integrit": ("/usr/sbin/integrit",),
}
_TIMERS = ("dailyaidecheck.timer", "aidecheck.timer", "aide-check.timer", "aide.timer")
_CRON = (
    "/etc/cron.daily",
    "/etc/cron.weekly",
    "/etc/cron.d",
    "/etc/crontab",
    "/var/spool/cron/crontabs/root",
)
_CLASSES = {
    "alnum": "A-Za-z0-9",
    "alpha": "A-Za-z",
    "digit": "0-9",
    "lower": "a-z",
    "upper": "A-Z",
    "space": r"\s",
    "word": r"\w",
    "xdigit": "0-9A-Fa-f",
}
_SYSTEM = ("/boot", "/etc", "/usr/bin", "/usr/sbin", "/usr/lib")  # what an attacker has to change
_GROUP = re.compile(r"\([^()]*\)")
_SIGN = re.compile(r"[\\^$.|?*+()\[\]{}]")
_SETTING = re.compile(r"(database_in|database)\s*=\s*(\S+)")
_DEFINE = re.compile(r"@@define\s+(\w+)\s+(\S+)")
_CHECKS = re.compile(r"\baide(?:\.wrapper)?\b.*(?:--check|-C\b|--update|-u\b)|dailyaidecheck")
BUILT, SCHEDULED, ALL = "built", "scheduled", "all"


class Aide:
    """One value for each subject; see the functions below."""

    name = "aide"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        sealer = _sealer(snapshot)
        if entry.subject != "installed" and isinstance(sealer, Gap):
            return missing(sealer)
        if entry.subject != "installed" and sealer != "aide":
            return missing(Gap(GapKind.ABSENT, _("AIDE is not installed")))
        return _SUBJECTS[entry.subject](snapshot)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        timer = text_fact(facts, "timer")
        if entry.subject == "schedule" and timer in _TIMERS:
            return (EnableUnit(owners=(entry.id,), unit=timer, start=True),)
        if entry.subject == "schedule":
            return Refusal(_("the package brings no timer that could be enabled: see the procedure"))
        return Refusal(_("a person must do this: see the procedure"))


def _sealer(snapshot: Snapshot) -> str | Gap:
    """The first program that seals files; "" where none of those that we know is there."""
    unread: Gap | None = None
    for name, paths in _SEALERS.items():
        for path in paths:
            seen = snapshot.ask(Stat(path))
            if not isinstance(seen, Unread):
                return name
            if seen.reason is not Reason.MISSING:
                unread = unread or seen.gap(path)
    return unread or ""


def _of_disk(snapshot: Snapshot, reading: Reading) -> Observation:
    """What is on disk is the same now and at boot."""
    if not snapshot.live:
        return Observation(None, (reading,), seen_at=snapshot.taken_at)
    return Observation(reading, (Reading(reading.values, reading.gap),), seen_at=snapshot.taken_at)


def _installed(snapshot: Snapshot) -> Observation:
    """The program that seals files; "none"."""
    found = _sealer(snapshot)
    if isinstance(found, Gap):
        return _of_disk(snapshot, Reading(gap=found))
    places = tuple(Provenance(path) for name in ([found] if found else _SEALERS) for path in _SEALERS[name])
    return _of_disk(snapshot, Reading({"": found or "none"}, provenance=places))


# --- the configuration ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Config:
    """Where the seals are read from, and the lines that choose files, each with its place."""

    database: str
    place: Provenance
    selections: tuple[Provenance, ...]


def _config(snapshot: Snapshot) -> _Config | Gap:
    texts = list(_texts(snapshot))
    unread = next((text for _path, text in texts if isinstance(text, Gap)), None)
    if unread is not None:
        return unread
    if not texts:
        return Gap(
            GapKind.UNTOLD, _("no configuration of AIDE is at {paths}").format(paths=", ".join(_CONFIGS))
        )
    words: dict[str, str] = {}
    database, place = "/var/lib/aide/aide.db", Provenance(texts[0][0])
    selections: list[Provenance] = []
    for path, text in texts:
        for number, line in enumerate(str(text).split("\n"), 1):
            bare = _filled(line.strip(), words)
            if defined := _DEFINE.fullmatch(bare):
                words[defined[1]] = defined[2]
            elif found := _SETTING.fullmatch(bare):
                database, place = found[2], Provenance(path, line=number, text=bare)
            elif bare.startswith(("/", "!/", "=/", "-/")):
                selections.append(Provenance(path, line=number, text=bare))
    return _Config(database, place, tuple(selections))


def _filled(line: str, words: Mapping[str, str]) -> str:
    return re.sub(r"@@\{(\w+)\}", lambda found: words.get(found[1], found[0]), line)


def _texts(snapshot: Snapshot) -> Iterator[tuple[str, str | Gap]]:
    """The configuration, then what it includes on Debian; nothing where none is there."""
    for path in _CONFIGS:
        text = snapshot.ask(File(path))
        if isinstance(text, Unread):
            if text.reason is not Reason.MISSING:
                yield path, text.gap(path)
            continue
        yield path, text
    entries = snapshot.ask(Folder(_MORE))
    for entry in () if isinstance(entries, Unread) else entries:
        path = f"{_MORE}/{entry.name}"
        text = snapshot.ask(File(path)) if entry.kind is Kind.FILE else Unread(Reason.MISSING)
        if isinstance(text, str):
            yield path, text
        elif text.reason is not Reason.MISSING:
            yield path, text.gap(path)


def _database(snapshot: Snapshot) -> Observation:
    """Whether the seals were made: "built", or "not built"."""
    found = _config(snapshot)
    if isinstance(found, Gap):
        return missing(found)
    path = _local(found.database)
    if not path:
        why = _("the seals lie elsewhere: {place}").format(place=found.database)
        return _of_disk(snapshot, Reading({"": BUILT}, provenance=(Provenance(found.database, text=why),)))
    for name in (path, f"{path}.gz"):
        seen = snapshot.ask(Stat(name))
        if not isinstance(seen, Unread):
            value = BUILT if seen.size else "not built"
            return _of_disk(snapshot, Reading({"": value}, provenance=(found.place, Provenance(name))))
        if seen.reason is not Reason.MISSING:
            return _of_disk(snapshot, nothing(seen, name))
    return _of_disk(snapshot, Reading({"": "not built"}, provenance=(found.place, Provenance(path))))


def _local(database: str) -> str:
    """The path of a database on this host; "" for one elsewhere."""
    scheme, colon, path = database.partition(":")
    if not colon:
        return database
    return re.sub(r"^//+", "/", path) if scheme == "file" else ""


def _scope(snapshot: Snapshot) -> Observation:
    """The folders of the system that no line chooses; "all" where each is chosen."""
    found = _config(snapshot)
    if isinstance(found, Gap):
        return missing(found)
    chosen = [_selection(one.text) for one in found.selections]
    lines = [(mark, pattern) for mark, pattern in chosen if pattern is not None]
    lacking = [folder for folder in _SYSTEM if not _covers(lines, folder)]
    places = tuple(one for one in found.selections if not one.text.startswith(("!", "-")))[:40]
    return _of_disk(snapshot, Reading({"": ", ".join(lacking) or ALL}, provenance=places))


def _selection(line: str) -> tuple[str, re.Pattern[str] | None]:
    """A line that chooses files: its mark ("" chooses, ! leaves out, = without what is below), and what.

    None for what is no expression, or none about the folders of the system.
    """
    mark = line[0] if line[0] in "!=-" else ""
    words = line.removeprefix(mark).split()
    if not _may_hold(words[0]):
        return mark, None
    # AIDE's expressions are PCRE's, which know classes of POSIX by name.
    pattern = re.sub(r"\[:(\w+):\]", lambda found: _CLASSES.get(found[1], ""), words[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # [[ and the like: nobody here can mend it
        try:
            return mark, re.compile(pattern)
        except re.error:
            return mark, None


def _may_hold(pattern: str) -> bool:
    """Whether an expression can hold for a folder of the system, by what it begins with.

    Debian brings more than a thousand lines, and to compile an expression costs more than to look at it.
    """
    if "|" in _GROUP.sub("", pattern):
        return True
    sign = _SIGN.search(pattern)
    start = pattern[: sign.start()] if sign else pattern
    if sign and sign[0] in "?*{":  # the letter before it need not be there
        start = start[:-1]
    return any(f"{folder}/x".startswith(start) for folder in _SYSTEM)


def _covers(lines: list[tuple[str, re.Pattern[str]]], folder: str) -> bool:
    """Whether what lies in a folder is chosen: patterns hold from the beginning of a path on."""
    below = f"{folder}/x"
    if any(mark in {"!", "-"} and pattern.fullmatch(folder) for mark, pattern in lines):
        return False
    return any(not mark and pattern.match(below) for mark, pattern in lines)


# --- who checks, and who may change the seals -----------------------------------------------------


def _schedule(snapshot: Snapshot) -> Observation:
    """Whether the seals are checked again and again: "scheduled", or "not scheduled"."""
    jobs = _cron(snapshot)
    files, running = snapshot.ask(UnitFiles()), snapshot.ask(Units())
    states = {} if isinstance(files, Unread) else {one.name: one.state for one in files}
    active = set() if isinstance(running, Unread) else {one.name for one in running if one.active == "active"}
    there = next((name for name in _TIMERS if name in states), "")
    facts: dict[str, Fact] = {"timer": there}
    then_on = bool(jobs) or any(states.get(name) == "enabled" for name in _TIMERS)
    now_on = bool(jobs) or any(name in active for name in _TIMERS)
    places = jobs or ((Provenance(f"systemctl is-enabled {there}", text=states[there]),) if there else ())
    gap = files.gap("systemctl list-unit-files") if isinstance(files, Unread) and not jobs else None
    then = Reading({} if gap else {"": _scheduled(then_on)}, gap, places)
    if not snapshot.live:
        return Observation(None, (then,), facts, snapshot.taken_at)
    unseen = running.gap("systemctl show") if isinstance(running, Unread) and not jobs else None
    now = Reading({} if unseen else {"": _scheduled(now_on)}, unseen)
    return Observation(now, (then,), facts, snapshot.taken_at)


def _scheduled(is_on: bool) -> str:  # noqa: FBT001 - the word for it
    return SCHEDULED if is_on else "not scheduled"


def _cron(snapshot: Snapshot) -> tuple[Provenance, ...]:
    """Jobs of cron that check; Debian's own in cron.daily leaves it to the timer where systemd runs."""
    return tuple(_jobs(snapshot))


def _jobs(snapshot: Snapshot) -> Iterator[Provenance]:
    for place in _CRON:
        entries = snapshot.ask(Folder(place)) if place.count(".") else ()
        names = (
            [place] if isinstance(entries, Unread) or not entries else [f"{place}/{e.name}" for e in entries]
        )
        for path in names:
            text = snapshot.ask(File(path))
            if isinstance(text, Unread) or "/run/systemd/system" in text:
                continue
            for number, line in enumerate(text.split("\n"), 1):
                if not line.lstrip().startswith("#") and _CHECKS.search(line):
                    yield Provenance(path, line=number, text=line.strip())
                    break


def _guard(snapshot: Snapshot) -> Observation:
    """Whether root of this host could change the seals: "elsewhere", "read-only", else a person says."""
    found = _config(snapshot)
    if isinstance(found, Gap):
        return missing(found)
    path = _local(found.database)
    if not path:
        return _of_disk(snapshot, Reading({"": "elsewhere"}, provenance=(found.place,)))
    mounts = snapshot.ask(Mounts())
    held = None if isinstance(mounts, Unread) else holder(mounts, path)
    if held is not None and "ro" in held.options.split(","):
        return _of_disk(snapshot, Reading({"": "read-only"}, provenance=(found.place, Provenance(held.path))))
    why = _("{path} lies on this host: whether a signed copy elsewhere is compared with it, only people know")
    return _of_disk(
        snapshot, Reading(gap=Gap(GapKind.UNTOLD, why.format(path=path)), provenance=(found.place,))
    )


_SUBJECTS: Mapping[str, Callable[[Snapshot], Observation]] = {
    "database": _database,
    "guard": _guard,
    "installed": _installed,
    "schedule": _schedule,
    "scope": _scope,
}
