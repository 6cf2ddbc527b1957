"""How long logs are kept: who rotates each file or deletes it by its age, and which grow without end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation, Role
from hardentui.operations import Change, EnableUnit, Lines, Refusal, WriteFile
from hardentui.resources import tmpfiles
from hardentui.resources.audit import conf as auditd
from hardentui.resources.base import digest, names_or_none, of_files, text_fact
from hardentui.resources.journal import settings as journald
from hardentui.resources.journal import storage as journal
from hardentui.resources.retention import ages, logrotate
from hardentui.snapshot import (
    File,
    Folder,
    Kind,
    Reason,
    Snapshot,
    Stat,
    UnitFiles,
    Units,
    Unread,
)

LOGS = "/var/log"
AGED = "aged "
NO = "no"
FAILED = "timer, last run failed"
_TIMER, _SERVICE = "logrotate.timer", "logrotate.service"
_PROGRAM = "/usr/sbin/logrotate"
_CRON = "/etc/cron.daily/logrotate"
_CRON_UNITS = ("cron.service", "crond.service", "anacron.service")
_SYSTEMD = "/run/systemd/system"  # the job of Debian's cron leaves the work to the timer where this is
_LARGE = 1 << 20
_DEEPEST, _MOST = 5, 5000  # folders below /var/log, and entries in all, that are looked at
# Records with a place for each account: they do not grow with time.
_RECORDS = frozenset({"lastlog", "faillog", "tallylog"})
_DATED = re.compile(r"(?:19|20)\d\d-?(?:0\d|1[0-2])-?[0-3]\d")
# What may be aged: a folder of its own, which nobody else looks after.
_AGEABLE = re.compile(r"/(?:var/log|srv)(?:/[A-Za-z0-9_@:+,-][A-Za-z0-9._@:+,-]*)+")
_OTHERS = ("/var/log/journal", "/var/log/audit")


@dataclass(frozen=True, slots=True)
class Rotation:
    """Who keeps a log file within bounds ("logrotate", "tmpfiles", "journald" or "auditd"), and how.

    ``days`` is how long a line is kept at most, None where it goes by size alone; ``how`` is in the words of
    that program. ``endless`` says why the file is kept for ever all the same; "" where it is not.
    """

    by: str
    days: float | None
    how: str
    place: Provenance
    endless: str = ""


def rotation(snapshot: Snapshot, path: str) -> Rotation | Gap | None:
    """Who rotates or ages a file, and how long it is kept; None where nobody does."""
    if f"{path}/".startswith((f"{journal.DISK}/", f"{journal.MEMORY}/")):
        return _by_journald(snapshot)
    age = ages.age_of(snapshot, path)
    if isinstance(age, Gap):
        return age
    if age is not None:
        return Rotation("tmpfiles", age.days, age.line.text, age.line.place)
    if path.startswith("/var/log/audit/"):
        return _by_auditd(snapshot)
    return _by_logrotate(snapshot, path)


def _by_logrotate(snapshot: Snapshot, path: str) -> Rotation | Gap | None:
    rules = _rules(snapshot)
    if isinstance(rules, Gap):
        return rules
    rule = rules.rule_for(path)
    if rule is None:
        return None
    endless = ""
    if rule.settings.rotate == logrotate.FOREVER and not rule.settings.maxage:
        endless = _("rotate -1 deletes nothing")
    elif rule.matches(path) and _DATED.search(path.rpartition("/")[2]):
        endless = _("its name holds a date: each day has a new file, and logrotate deletes none")
    skipped = logrotate.skips(snapshot, rule, path)
    if isinstance(skipped, Gap):
        return skipped
    if skipped:
        endless = _("logrotate skips it: others than root may write to its folder, and the rule has no su")
    days = None if endless else rule.settings.days
    return Rotation("logrotate", days, rule.settings.words(), rule.place, endless)


def _rules(snapshot: Snapshot) -> logrotate.Rules | Gap:
    """The rules of logrotate; none where it is not installed."""
    rules = snapshot.derive(logrotate.read)
    if isinstance(rules, Gap) and rules.kind is GapKind.ABSENT:
        return logrotate.Rules((), ())
    return rules


def _by_journald(snapshot: Snapshot) -> Rotation | Gap:
    files = journald.configuration(snapshot)
    if isinstance(files, Gap):
        return files
    kept = journald.effective(snapshot, files, "MaxRetentionSec")
    space = journald.effective(snapshot, files, "SystemMaxUse")
    if isinstance(kept, Gap) or isinstance(space, Gap):
        return kept if isinstance(kept, Gap) else Gap(GapKind.UNTOLD, "SystemMaxUse")
    days = None if kept.value == journald.UNLIMITED else float(kept.value)
    return Rotation("journald", days, f"SystemMaxUse={space.value}", space.places[-1])


def _by_auditd(snapshot: Snapshot) -> Rotation | Gap | None:
    found = auditd.settings(snapshot)
    if isinstance(found, Gap):
        return None if found.kind is GapKind.ABSENT else found
    how = f"max_log_file_action = {found['max_log_file_action'].value}"
    number = found["num_logs"].value
    endless = "" if found["max_log_file_action"].value == "rotate" else how
    if not endless and not auditd.rotates(number):
        endless = f"num_logs = {number}"
    return Rotation("auditd", None, how, Provenance(auditd.CONF), endless)


class Retention:
    """The resource "retention".

    "active" is timer, cron, no, or that its last run failed: what runs logrotate. "files" are the large files
    below /var/log that nobody keeps within bounds, or none. "aged FOLDER" is the number of days after which
    what lies in a folder is deleted, or no.
    """

    name = "retention"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        if aspect or (subject not in _SUBJECTS and not subject.startswith(AGED)):
            known = ", ".join((*_SUBJECTS, f"{AGED}FOLDER"))
            return f"expected one of {known} and no aspect, found {subject!r} {aspect!r}"
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if entry.subject in _SUBJECTS:
            return _SUBJECTS[entry.subject](snapshot)
        return _aged(snapshot, entry.subject.removeprefix(AGED))

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        if entry.subject == "active":
            return _activate(entry, facts)
        if entry.subject.startswith(AGED):
            return _age(entry, facts, target)
        return Refusal(_("who writes a file says how long it is needed: see the procedure"))


# --- what runs logrotate ----------------------------------------------------------------------------


def _active(snapshot: Snapshot) -> Observation:
    files, at = snapshot.ask_timed(UnitFiles())
    state = broken = ""
    if isinstance(files, Unread):
        then = Reading(gap=files.gap("systemctl list-unit-files"))
    else:
        state = next((one.state for one in files if one.name == _TIMER), "absent")
        masked = any((one.name, one.state) == (_SERVICE, "masked") for one in files)
        on = state == "enabled" and not masked
        broken = "masked" if masked else ""
        then = _ran_by(snapshot, _TIMER, state, timer=on, cron=_enabled_cron(snapshot))
    facts: dict[str, Fact] = {
        "timer": state,
        "installed": not isinstance(snapshot.ask(Stat(_PROGRAM)), Unread),
        "broken": broken,
    }
    if not snapshot.live:
        return Observation(None, (then,), facts, at)
    units = snapshot.ask(Units())
    if isinstance(units, Unread):
        return Observation(Reading(gap=units.gap("systemctl show")), (then,), facts, at)
    running = {one.name for one in units if one.active == "active"}
    word = "active" if _TIMER in running else "inactive"
    runs = _TIMER in running and broken != "masked"
    now = _ran_by(snapshot, _TIMER, word, timer=runs, cron=bool(running & {*_CRON_UNITS}))
    if now.values.get("") == "timer" and any((one.name, one.active) == (_SERVICE, "failed") for one in units):
        facts["broken"] = "failed"
        now = Reading({"": FAILED}, provenance=(*now.provenance, Provenance(_SERVICE, text="failed")))
    return Observation(now, (then,), facts, at)


def _ran_by(snapshot: Snapshot, unit: str, state: str, *, timer: bool, cron: bool) -> Reading:
    place = Provenance(unit, text=state)
    if isinstance(snapshot.ask(Stat(_PROGRAM)), Unread):
        return Reading({"": NO}, provenance=(Provenance(_PROGRAM, text=_("not there")),))
    if timer:
        return Reading({"": "timer"}, provenance=(place,))
    job = snapshot.ask(File(_CRON))
    if isinstance(job, str) and cron and _SYSTEMD not in job:
        return Reading({"": "cron"}, provenance=(place, Provenance(_CRON)))
    return Reading({"": NO}, provenance=(place,))


def _enabled_cron(snapshot: Snapshot) -> bool:
    files = snapshot.ask(UnitFiles())
    return not isinstance(files, Unread) and any(
        one.name in _CRON_UNITS and one.state == "enabled" for one in files
    )


def _activate(entry: Recommendation, facts: Mapping[str, Fact]) -> Change:
    if not facts.get("installed"):
        return Refusal(_("{program} is not installed").format(program="logrotate"))
    state = text_fact(facts, "timer")
    if broken := text_fact(facts, "broken"):
        words = _("{unit} is {state}: only a person can mend it")
        return Refusal(words.format(unit=_SERVICE, state=broken))
    if state not in {"disabled", "enabled"}:
        return Refusal(
            _("{unit} is {state}: only a person can switch it on").format(
                unit=_TIMER, state=state or _("not known")
            )
        )
    return (EnableUnit(owners=(entry.id,), unit=_TIMER, start=True),)


# --- the files ----------------------------------------------------------------------------------------


def _files(snapshot: Snapshot) -> Observation:
    """The large files below /var/log, each with who keeps it within bounds."""
    bad: list[Provenance] = []
    good: list[Provenance] = []
    gap: Gap | None = None
    for found in _large(snapshot):
        if isinstance(found, Gap):
            gap = gap or found
            continue
        path, size = found
        kept = rotation(snapshot, path)
        if isinstance(kept, Gap):
            gap = gap or kept
            continue
        words = _words(kept)
        place = Provenance(path, text=f"{size / _LARGE:.0f} MiB, {words}")
        (good if kept is not None and not kept.endless else bad).append(place)
    values = names_or_none((place.place for place in bad), gap)
    refused = _refused(snapshot) if bad or good else ()
    return of_files(snapshot, Reading(values, gap, (*bad, *refused, *good)))


def _refused(snapshot: Snapshot) -> tuple[Provenance, ...]:
    """What logrotate leaves out of its own files: often why a file is not rotated."""
    rules = _rules(snapshot)
    text = _("logrotate refuses this, and leaves it out")
    return () if isinstance(rules, Gap) else tuple(Provenance(place, text=text) for place in rules.problems)


def _words(kept: Rotation | None) -> str:
    if kept is None:
        return _("nobody rotates it")
    if kept.endless:
        return f"{kept.by}: {kept.endless}"
    if kept.days is None:
        return _("{who}: {how}, whatever its age").format(who=kept.by, how=kept.how)
    return _("{who}: {how}; {days} days at most").format(who=kept.by, how=kept.how, days=f"{kept.days:g}")


def _large(snapshot: Snapshot) -> Iterator[tuple[str, int] | Gap]:
    """The files below /var/log above a mebibyte with their sizes; the journal's stand for themselves."""
    for number, found in enumerate(_logs(snapshot, LOGS, 0)):
        if isinstance(found, Gap):
            yield found
        elif number >= _MOST:
            yield Gap(GapKind.INCOMPLETE, LOGS)
            return
        else:
            status = snapshot.ask(Stat(found))
            if not isinstance(status, Unread):
                if status.size > _LARGE:
                    yield found, status.size
            elif status.reason is not Reason.MISSING:
                yield status.gap(found)


def _logs(snapshot: Snapshot, folder: str, depth: int) -> Iterator[str | Gap]:
    entries = snapshot.ask(Folder(folder))
    if isinstance(entries, Unread):
        if entries.reason is not Reason.MISSING:
            yield entries.gap(folder)
        return
    for entry in entries:
        path = f"{folder}/{entry.name}"
        if entry.kind is Kind.FILE and entry.name not in _RECORDS:
            yield path
        elif entry.kind is Kind.FOLDER and path != journal.DISK and depth < _DEEPEST:
            yield from _logs(snapshot, path, depth + 1)


# --- by age --------------------------------------------------------------------------------------------


def _aged(snapshot: Snapshot, folder: str) -> Observation:
    if not folder:
        return Observation(None, (Reading(gap=Gap(GapKind.UNTOLD, _("no folder is named"))),))
    age = ages.age_of(snapshot, f"{folder}/file")
    facts: dict[str, Fact] = {
        "before": digest(snapshot, tmpfiles.OURS),
        "rival": ages.rival(snapshot, folder),
        "version": ages.systemd_version(snapshot),
        "masked": "",
    }
    if (cleaner := ages.masked(snapshot)) is not None:
        facts["masked"] = cleaner.place
        return of_files(snapshot, Reading({"": NO}, provenance=(cleaner,)), facts)
    if isinstance(age, Gap):
        return of_files(snapshot, Reading(gap=age), facts)
    if age is None:
        return of_files(
            snapshot, Reading({"": NO}, provenance=(Provenance("tmpfiles.d", Role.DEFAULT),)), facts
        )
    return of_files(snapshot, Reading({"": f"{age.days:g}"}, provenance=(age.line.place,)), facts)


def _age(entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
    folder = entry.subject.removeprefix(AGED)
    fits = _AGEABLE.fullmatch(folder) and not f"{folder}/".startswith(tuple(f"{one}/" for one in _OTHERS))
    if not fits:
        words = _("{path}: only a folder of its own below /var/log or /srv is emptied by age")
        return Refusal(words.format(path=folder or "-"))
    if not re.fullmatch(r"[1-9][0-9]{0,4}", target):
        return Refusal(_("{target} is no number of days").format(target=target))
    if masked := text_fact(facts, "masked"):
        words = _("{unit} is {state}: only a person can mend it")
        return Refusal(words.format(unit=masked, state="masked"))
    if rival := text_fact(facts, "rival"):
        words = _("{file} names {path} too, and is read before any file of ours: change it by hand")
        return Refusal(words.format(file=rival, path=folder))
    version = facts.get("version")
    if isinstance(version, int) and 0 < version < ages.AGE_BY:
        return Refusal(
            _("systemd {version} cannot delete by the time of the last change").format(version=version)
        )
    # m: goes by the last change alone; else a reader, such as a backup, keeps files alive.
    line = f"e {folder} - - - m:{target}d"
    parts = (Lines(owner=entry.id, lines=(f"# {entry.id}", line)),)
    own = (entry.id,)
    return (
        WriteFile(
            owners=own, path=tmpfiles.OURS, before=text_fact(facts, "before"), parts=parts, unique=True
        ),
    )


_SUBJECTS: Mapping[str, Callable[[Snapshot], Observation]] = {"active": _active, "files": _files}
