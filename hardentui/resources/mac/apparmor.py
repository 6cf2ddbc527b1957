"""AppArmor: whether it runs, its profiles by mode, and programs that run beside the profile they have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, EnableUnit, Refusal, ReloadUnit, ReplaceLine
from hardentui.resources.base import list_fact, missing, nothing, of_files, text_fact, wrong_subject
from hardentui.resources.mac import lsm
from hardentui.resources.pam import ENTRIES
from hardentui.resources.pam.stack import read_stack
from hardentui.snapshot import (
    Confinement,
    File,
    Folder,
    KernelFile,
    Kind,
    Packages,
    Processes,
    Question,
    Reason,
    Snapshot,
    UnitFiles,
    Unread,
)

PROFILES = "/sys/kernel/security/apparmor/profiles"
FOLDER = "/etc/apparmor.d"
UNIT = "apparmor.service"
_PAM_PACKAGES = frozenset({"libpam-apparmor", "pam_apparmor"})  # Debian's name, and SUSE's
_SHOWN = 60
_LOADED = re.compile(r"(?P<name>.+) \((?P<mode>[a-z]+)\)")
# The head of a profile (apparmor.d(5)): a name, what it is attached to, and flags.
_HEAD = re.compile(
    r"\s*(?:profile\s+(?P<name>\"[^\"]+\"|[^\s{(\"]+)(?:\s+(?P<attached>\"[^\"]+\"|[/@][^\s(]*))?"
    r"|(?:\^|hat\s+)(?P<hat>[^\s{(\"]+)"
    r"|(?P<path>\"[/@][^\"]+\"|[/@][^\s(\"]*))"
    r"(?:\s+xattrs=\([^)]*\))?(?:\s+(?:flags=)?\((?P<flags>[^)]*)\))?\s*\{\s*(?:#.*)?"
)
_FLAGS = re.compile(r"\bflags\s*=\s*\(|^\s*\([^)]*\)\s*\{?\s*$")
_LEFT_ALONE = re.compile(r"\..*|.*~|.*\.(?:dpkg-\w+|rpmnew|rpmsave|orig|rej)|README")


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile in a file: its name, the paths it is attached to, its flags, and its head as written."""

    name: str
    attached: str
    flags: tuple[str, ...]
    path: str
    number: int
    line: str


class AppArmor:
    """The resource "apparmor"."""

    name = "apparmor"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if not in_use(snapshot):
            return missing(lsm.nothing_known(lsm.APPARMOR))
        return _SUBJECTS[entry.subject](snapshot)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        if entry.subject == "enabled":
            return _enable(entry, facts)
        if entry.subject == "complaining":
            return _enforce(entry, facts)
        return Refusal(_("a person writes profiles: see the procedure"))


def in_use(snapshot: Snapshot) -> bool:
    """Whether AppArmor is the module of this host: it runs, or it has profiles and no other one runs."""
    if snapshot.live:
        now = lsm.running_module(snapshot)
        if isinstance(now, Unread) or now == lsm.APPARMOR:
            return True
        if now:
            return False
    return not isinstance(snapshot.ask(Folder(FOLDER)), Unread)


# --- whether it runs ------------------------------------------------------------------------------


def _enabled(snapshot: Snapshot) -> Observation:
    boot, facts = boot_state(snapshot)
    if not snapshot.live:
        return Observation(None, (boot,), facts, snapshot.taken_at)
    now = lsm.apparmor_now(snapshot)
    if isinstance(now, Unread):
        return Observation(nothing(now, lsm.APPARMOR_ON), (boot,), facts, snapshot.taken_at)
    value = "enabled" if now else "disabled"
    running = Reading({"": value}, provenance=(Provenance(lsm.APPARMOR_ON, text="Y" if now else "N"),))
    return Observation(running, (boot,), facts, snapshot.taken_at)


def boot_state(snapshot: Snapshot) -> tuple[Reading, dict[str, Fact]]:
    """Whether the next start runs AppArmor: the kernel that has it, the unit that loads its profiles."""
    values: dict[str, str] = {}
    gap: Gap | None = None
    places: list[Provenance] = []
    starts = lsm.starts(snapshot)
    if isinstance(starts, Gap):
        gap = starts
    else:
        chosen = all(start.module == lsm.APPARMOR for start in starts)
        values["kernel"] = "enabled" if chosen else "disabled"
        places += [start.place for start in starts]
    units = snapshot.ask(UnitFiles())
    state = ""
    if isinstance(units, Unread):
        gap = gap or units.gap("systemctl list-unit-files")
    else:
        state = next((one.state for one in units if one.name == UNIT), "absent")
        values[UNIT] = state if state in {"enabled", "absent"} else "disabled"
        places.append(Provenance(f"systemctl is-enabled {UNIT}", text=state))
    facts: dict[str, Fact] = {"unit": state, "kernel": values.get("kernel", "")}
    return Reading(values, gap, tuple(places)), facts


def _enable(entry: Recommendation, facts: Mapping[str, Fact]) -> Change:
    if text_fact(facts, "unit") == "enabled" or text_fact(facts, "kernel") == "disabled":
        return Refusal(_("the boot loader does not start AppArmor: see the procedure"))
    if text_fact(facts, "unit") != "disabled":
        return Refusal(
            _("{unit} is {state}: only a person can switch it on").format(
                unit=UNIT, state=text_fact(facts, "unit") or _("not known")
            )
        )
    return (EnableUnit(owners=(entry.id,), unit=UNIT),)


# --- profiles -------------------------------------------------------------------------------------


def loaded(snapshot: Snapshot) -> Mapping[str, str] | Unread:
    """The profiles that the kernel holds, each with its mode."""
    text = snapshot.ask(KernelFile(PROFILES))
    if isinstance(text, Unread):
        return text
    found = (_LOADED.fullmatch(line) for line in text.splitlines())
    return {one["name"]: one["mode"] for one in found if one}


def written(snapshot: Snapshot) -> tuple[Profile, ...] | Gap:
    """The profiles of the files that a start loads, those that are switched off left out."""
    entries = snapshot.ask(Folder(FOLDER))
    if isinstance(entries, Unread):
        return entries.gap(FOLDER)
    off = _names(snapshot, f"{FOLDER}/disable")
    if isinstance(off, Gap):
        return off
    found: list[Profile] = []
    for entry in entries:  # the folders hold what profiles include: abstractions, tunables, local ...
        if entry.kind is Kind.FOLDER or entry.name in off or _LEFT_ALONE.fullmatch(entry.name):
            continue
        path = f"{FOLDER}/{entry.name}"
        text = snapshot.ask(File(path))
        if isinstance(text, Unread):
            return text.gap(path)
        if _split_heads(text):
            why = _("{path}: the head of a profile goes over several lines, which is not read here")
            return Gap(GapKind.UNTOLD, why.format(path=path))
        found += parse(path, text)
    return tuple(found)


def _split_heads(text: str) -> bool:
    """Whether flags stand apart from the brace that they belong to, where ``parse`` does not see them."""
    lines = (line for line in text.split("\n") if not line.lstrip().startswith("#"))
    return any(_FLAGS.search(line) is not None and not _HEAD.fullmatch(line) for line in lines)


def _names(snapshot: Snapshot, folder: str) -> tuple[str, ...] | Gap:
    entries = snapshot.ask(Folder(folder))
    if isinstance(entries, Unread):
        return () if entries.reason is Reason.MISSING else entries.gap(folder)
    return tuple(one.name for one in entries)


def parse(path: str, text: str) -> Iterator[Profile]:
    """The profiles of a file; one inside another is called as the kernel calls it, OUTER//INNER."""
    around: list[str] = []  # the names of the blocks that are open
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.partition("#")[0].strip()
        if head := _HEAD.fullmatch(line):
            name = "//".join(
                (*filter(None, around), (head["name"] or head["hat"] or head["path"]).strip('"'))
            )
            attached = (head["attached"] or head["path"] or "").strip('"')
            flags = tuple(re.split(r"[\s,]+", head["flags"].strip())) if head["flags"] else ()
            yield Profile(name, attached, flags, path, number, line)
            around.append(name.rpartition("//")[2])
        elif bare.endswith("{"):  # a condition; the braces of patterns such as {a,b} stand within words
            around.append("")
        elif bare == "}" and around:
            around.pop()


def complaining(profiles: tuple[Profile, ...]) -> tuple[Profile, ...]:
    """Those that note and hold nothing back."""
    return tuple(one for one in profiles if "complain" in one.flags)


def _complaining(snapshot: Snapshot) -> Observation:
    """Profiles that only note, now and after a start."""
    boot, facts = _complaining_at_boot(snapshot)
    if not snapshot.live:
        return Observation(None, (boot,), facts, snapshot.taken_at)
    modes = loaded(snapshot)
    if isinstance(modes, Unread):
        return Observation(nothing(modes, PROFILES), (boot,), facts, snapshot.taken_at)
    now = sorted(name for name, mode in modes.items() if mode == "complain")
    gap = None if modes else _no_profile()
    running = Reading({"": ", ".join(now) or "none"} if modes else {}, gap, (Provenance(PROFILES),))
    return Observation(running, (boot,), facts, snapshot.taken_at)


def _no_profile() -> Gap:
    """Where there is none, that none complains is no merit."""
    return Gap(GapKind.ABSENT, _("no profile is loaded"))


def _complaining_at_boot(snapshot: Snapshot) -> tuple[Reading, dict[str, Fact]]:
    profiles = written(snapshot)
    if isinstance(profiles, Gap):
        return Reading(gap=profiles), {}
    forced = _names(snapshot, f"{FOLDER}/force-complain")
    if isinstance(forced, Gap):
        return Reading(gap=forced), {}
    if not profiles:
        return Reading(gap=_no_profile()), {}
    found = complaining(profiles)
    names = sorted({one.name for one in found} | {f"force-complain/{name}" for name in forced})
    places = tuple(Provenance(one.path, line=one.number, text=one.line.strip()) for one in found[:_SHOWN])
    facts: dict[str, Fact] = {
        "heads": tuple({"path": one.path, "line": one.line} for one in found),
        "forced": forced,
    }
    return Reading({"": ", ".join(names) or "none"}, provenance=places or (Provenance(FOLDER),)), facts


def _enforce(entry: Recommendation, facts: Mapping[str, Fact]) -> Change:
    """Without the word complain a profile enforces once it is loaded anew."""
    if forced := list_fact(facts, "forced"):
        return Refusal(
            _("{folder} holds links ({names}): remove them by hand").format(
                folder=f"{FOLDER}/force-complain", names=", ".join(map(str, forced))
            )
        )
    steps = []
    for head in list_fact(facts, "heads"):
        path, line = (
            (str(head.get(key, "")) for key in ("path", "line")) if isinstance(head, Mapping) else ("", "")
        )
        if not re.fullmatch(rf"{FOLDER}/[A-Za-z0-9._@+-]+", path) or not _HEAD.fullmatch(line):
            return Refusal(
                _("{path} holds no profile that we know how to change").format(path=path or FOLDER)
            )
        steps.append(ReplaceLine(owners=(entry.id,), path=path, before=line, after=without_complain(line)))
    if not steps:
        return Refusal(_("no file puts a profile into complain mode"))
    return (*steps, ReloadUnit(owners=(entry.id,), unit=UNIT))


def without_complain(line: str) -> str:
    """The head of a profile without the flag complain, and without empty flags."""

    def flags(found: re.Match[str]) -> str:
        kept = [flag for flag in re.split(r"[\s,]+", found["flags"].strip()) if flag not in {"", "complain"}]
        return f" {found['key']}({', '.join(kept)}) {{" if kept else " {"

    return re.sub(r"\s+(?P<key>(?:flags=)?)\((?P<flags>[^)]*)\)\s*\{", flags, line, count=1)


def after_reload(snapshot: Snapshot) -> dict[Question[Any], Any]:
    """What the kernel would show of the profiles once their files were loaded anew: for a rehearsal."""
    profiles, modes = written(snapshot), loaded(snapshot)
    if isinstance(profiles, Gap) or isinstance(modes, Unread):
        return {}
    wanted = {one.name: "complain" if "complain" in one.flags else "enforce" for one in profiles}
    kept = {
        name: wanted.get(name, mode) if mode in {"complain", "enforce"} else mode
        for name, mode in modes.items()
    }
    return {KernelFile(PROFILES): "\n".join(f"{name} ({mode})" for name, mode in kept.items())}


def _profiles(snapshot: Snapshot) -> Observation:
    """How many profiles are loaded in each mode, as aa-status counts them."""
    if not snapshot.live:
        return Observation(None, seen_at=snapshot.taken_at)
    modes = loaded(snapshot)
    if isinstance(modes, Unread):
        return Observation(nothing(modes, PROFILES), seen_at=snapshot.taken_at)
    counts = Counter(modes.values())
    value = _("{count} profiles").format(count=len(modes))
    value += "".join(f", {number} {mode}" for mode, number in sorted(counts.items()))
    places = tuple(Provenance(name, text=mode) for name, mode in sorted(modes.items()))
    return Observation(Reading({"": value}, provenance=places[:_SHOWN]), seen_at=snapshot.taken_at)


# --- people ----------------------------------------------------------------------------------------


def _logins(snapshot: Snapshot) -> Observation:
    """Whether a login can be given the profile of its person: pam_apparmor, and who asks it."""
    installed = snapshot.ask(Packages())
    if isinstance(installed, Unread):
        return of_files(snapshot, nothing(installed, _("list of packages")))
    package = next((one.name for one in installed if one.name in _PAM_PACKAGES), "")
    if not package:
        return of_files(snapshot, Reading({"": "absent"}, provenance=(Provenance(_("list of packages")),)))
    places = [Provenance(_("list of packages"), text=package)]
    gap: Gap | None = None
    for service in ENTRIES:
        stack = read_stack(snapshot, service, "session")
        if isinstance(stack, Unread):
            gap = gap or (stack.gap(service) if stack.reason is not Reason.MISSING else None)
            continue
        gap = gap or stack.gap
        places += [one.provenance for one in stack.named("pam_apparmor")]
    if len(places) > 1:  # then it does not matter what else could not be read
        return of_files(snapshot, Reading({"": "asked"}, provenance=tuple(places)))
    return of_files(snapshot, Reading({"": "installed"}, gap, tuple(places)))


# --- programs -------------------------------------------------------------------------------------


def is_confined(label: str) -> bool:
    """Whether a label names a profile that holds its program back."""
    return bool(label) and label != "unconfined" and not label.endswith((" (complain)", " (unconfined)"))


def _beside(snapshot: Snapshot) -> Observation:
    """Programs that have a profile and run without it: they were started before it was loaded."""
    if not snapshot.live:
        return Observation(None, seen_at=snapshot.taken_at)
    running, at = snapshot.ask_timed(Confinement())
    if isinstance(running, Unread):
        return Observation(nothing(running, _("processes")), seen_at=at)
    programs = snapshot.ask(Processes())
    if isinstance(programs, Unread):
        return Observation(nothing(programs, _("processes")), seen_at=at)
    modes = loaded(snapshot)
    if isinstance(modes, Unread):
        return Observation(nothing(modes, PROFILES), seen_at=at)
    profiles = written(snapshot)
    if isinstance(profiles, Gap):
        return Observation(Reading(gap=profiles), seen_at=at)
    executables = {one.pid: one.executable for one in programs}
    profile_of = _attachments(profiles, modes)
    free = [one for one in running if one.label == "unconfined"]
    found = [(one, name) for one in free if (name := profile_of(executables.get(one.pid, "")))]
    places = tuple(Provenance(f"{one.name} ({one.pid})", text=name) for one, name in found)
    hidden = any(not one.label_read for one in running)
    gap = Gap(GapKind.DENIED, _("labels of the processes")) if hidden else None
    value = ", ".join(sorted({one.name for one, _name in found})) or "none"
    return Observation(Reading({"": value}, gap, places or (Provenance(PROFILES),)), seen_at=at)


def _attachments(profiles: tuple[Profile, ...], modes: Mapping[str, str]) -> Callable[[str], str]:
    """The name of the loaded profile that takes a program, "" for none."""
    attached = tuple(one for one in profiles if one.name in modes)

    def name_of(path: str) -> str:
        if path in modes:
            return path
        return next((one.name for one in attached if path and attaches(one.attached, path)), "")

    return lambda path: name if (name := name_of(path)) and modes[name] != "unconfined" else ""


def attaches(pattern: str, path: str) -> bool:
    """Whether a profile attached to ``pattern`` takes the program ``path`` (see apparmor.d(5))."""
    translated = _translated(pattern)
    try:
        return translated is not None and re.fullmatch(translated, path) is not None
    except re.error:  # a set such as [z-a], which AppArmor's own parser refuses
        return False


def _translated(pattern: str) -> str | None:
    """The pattern as a regular expression; None where it holds variables or does not close what it opens."""
    if "@{" in pattern or not pattern:
        return None
    out = []
    depth = 0
    for part in re.findall(r"\*\*|\[\^?[^\]]+\]|\\.|.", pattern):
        match part:
            case "**":
                out.append(".*")
            case "*":
                out.append("[^/]*")
            case "?":
                out.append("[^/]")
            case "{":
                depth += 1
                out.append("(?:")
            case "}":
                depth -= 1
                out.append(")")
            case "," if depth:
                out.append("|")
            case _ if part.startswith("[") and len(part) > 1:
                out.append(part)
            case _:
                out.append(re.escape(part[-1]))
    return "".join(out) if depth == 0 else None


_SUBJECTS: Mapping[str, Callable[[Snapshot], Observation]] = {
    "beside-profile": _beside,
    "complaining": _complaining,
    "enabled": _enabled,
    "logins": _logins,
    "profiles": _profiles,
}
