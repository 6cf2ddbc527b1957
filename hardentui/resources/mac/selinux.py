"""SELinux: its mode, policy, booleans, contexts and labels, now and after a boot."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation, Role
from hardentui.operations import (
    ByHand,
    Change,
    Lines,
    Operation,
    Refusal,
    ReplaceLine,
    SetSelinuxMode,
    WriteFile,
)
from hardentui.resources.base import digest, missing, nothing, of_files, text_fact, wrong_subject
from hardentui.resources.mac import lsm
from hardentui.resources.mac.lsm import DISABLED, ENFORCING, PERMISSIVE
from hardentui.snapshot import (
    ConfinedProcess,
    Confinement,
    File,
    FileLabel,
    Folder,
    Packages,
    PolicyIs,
    Reason,
    SecurityPolicy,
    Snapshot,
    Stat,
    Unread,
    WrongLabels,
)

CONFIG = "/etc/selinux/config"
RELABEL = "/.autorelabel"  # while it is there, the next start gives every file its label
LOADED = "/sys/fs/selinux/policy"
_MODES = (ENFORCING, PERMISSIVE, DISABLED)
_TYPE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_POLICY = re.compile(r"policy\.(\d+)")
_SHOWN = 60
# Where a wrong label shows that the files were never labelled, or not since SELinux was off.
_MARKERS = ("/etc/passwd", "/etc/shadow", "/usr/sbin/sshd", "/usr/bin/login", "/var/log")
_EXAMPLES = (
    "/etc",
    "/etc/passwd",
    "/etc/shadow",
    "/usr/bin/passwd",
    "/var/log",
    "/var/www",
    "/root",
    "/home",
)
_UNLABELLED = frozenset({"unlabeled_t", "file_t", "default_t"})
# Domains to which the policy of a distribution allows everything (its unconfined module), or nearly so.
UNCONFINED = frozenset(
    {"unconfined_t", "unconfined_service_t", "initrc_t", "init_t", "kernel_t", "kernel_generic_helper_t"}
)
# Switches of R48: the names that policies have for each, and the state that restricts.
BOOLEANS: Mapping[str, tuple[tuple[str, bool], ...]] = {
    "boolean-execheap": (("selinuxuser_execheap", False), ("allow_execheap", False)),
    "boolean-execmem": (("deny_execmem", True), ("allow_execmem", False)),
    "boolean-execstack": (("selinuxuser_execstack", False), ("allow_execstack", False)),
    "boolean-insmod": (("secure_mode_insmod", True),),
    "boolean-ssh-sysadm": (("ssh_sysadm_login", False),),
}
_OF_FILES = frozenset({"mode", "file-contexts"})  # subjects that say something while SELinux is off
_DEBUGGERS = frozenset({"setroubleshoot", "setroubleshoot-server", "setroubleshoot-plugins"})


@dataclass(frozen=True, slots=True)
class Config:
    """What /etc/selinux/config says: the mode ("" for none), its line as written, and the policy's name."""

    mode: str = ""
    line: str = ""
    number: int = 0
    policy: str = "targeted"  # libselinux's own default


class Selinux:
    """The resource "selinux"."""

    name = "selinux"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if entry.subject == "debugging-tools":
            return _debugging_tools(snapshot)
        if not in_use(snapshot) or (entry.subject not in _OF_FILES and _is_off(snapshot)):
            return missing(lsm.nothing_known(lsm.SELINUX))
        return _SUBJECTS[entry.subject](snapshot)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        if entry.subject != "mode":
            return Refusal(_("a person changes the policy: see the procedure"))
        if target == PERMISSIVE:
            return _to_permissive(entry, facts)
        return (
            _to_enforcing(entry, facts)
            if target == ENFORCING
            else Refusal(_("SELinux is never switched off"))
        )


def in_use(snapshot: Snapshot) -> bool:
    """Whether SELinux is the module of this host: it runs, or it is configured and no other one runs."""
    if snapshot.live:
        now = lsm.running_module(snapshot)
        if isinstance(now, Unread) or now == lsm.SELINUX:
            return True
        if now:
            return False
    found = snapshot.ask(File(CONFIG))
    return not (isinstance(found, Unread) and found.reason is Reason.MISSING)


def _is_off(snapshot: Snapshot) -> bool:
    """Whether no policy is loaded: then what the next start would load holds nothing back either."""
    return snapshot.live and lsm.selinux_now(snapshot) == DISABLED


def config(snapshot: Snapshot) -> Config | Unread:
    """The configuration as libselinux reads it (selinux_config(5))."""
    text = snapshot.ask(File(CONFIG))
    if isinstance(text, Unread):
        return Config() if text.reason is Reason.MISSING else text
    found = parse_config(text)
    # A policy that no line gives a mode is loaded, and permissive: selinux_init_load_policy(3).
    return found if found.mode else replace(found, mode=PERMISSIVE)


def parse_config(text: str) -> Config:
    """The first line with a mode counts, and the last with a name of a policy, as in libselinux."""
    found = Config()
    for number, line in enumerate(text.split("\n"), 1):
        if not found.mode and line.startswith("SELINUX="):
            given = line.removeprefix("SELINUX=").lstrip().lower()
            mode = next((mode for mode in _MODES if given.startswith(mode)), "")
            if mode:
                found = Config(mode, line, number, found.policy)
        stripped = line.lstrip()
        if stripped[:12].upper() == "SELINUXTYPE=":
            found = Config(found.mode, found.line, found.number, stripped[12:].strip())
    return found


# --- mode -----------------------------------------------------------------------------------------


def _mode(snapshot: Snapshot) -> Observation:
    written = config(snapshot)
    boot = nothing(written, CONFIG) if isinstance(written, Unread) else boot_mode(snapshot, written)
    now = lsm.selinux_now(snapshot)
    if not snapshot.live:
        return Observation(None, (boot,), seen_at=snapshot.taken_at)
    running = (
        nothing(now, lsm.ENFORCE)
        if isinstance(now, Unread)
        else Reading({"": now}, provenance=(Provenance(lsm.ENFORCE, text=now),))
    )
    facts: dict[str, Fact] = {}
    if not isinstance(written, Unread) and not isinstance(now, Unread):
        facts = _facts(snapshot, written, now)
    return Observation(running, (boot,), facts, snapshot.taken_at)


def boot_mode(snapshot: Snapshot, written: Config) -> Reading:
    """The mode after a boot: the boot loader chooses the module, its enforcing= beats the file."""
    place = Provenance(CONFIG, Role.READ, written.number, written.line)
    starts = lsm.starts(snapshot)
    if isinstance(starts, Gap):
        # What the file says is known; a mode that it does not give, no command line would bring.
        off = {"": DISABLED} if written.mode in {"", DISABLED} else {}
        return Reading(off, None if off else starts, (place,))
    judged = {start.title: _mode_of(start, written) for start in starts}
    places = (place, *(start.place for start in starts))
    if len(set(judged.values())) == 1:
        return Reading({"": next(iter(judged.values()))}, provenance=places)
    return Reading(judged, provenance=places)


def _mode_of(start: lsm.Start, written: Config) -> str:
    if start.module != lsm.SELINUX or written.mode in {"", DISABLED}:
        return DISABLED
    if start.enforcing:
        return PERMISSIVE if start.enforcing == "0" else ENFORCING
    return written.mode


def _facts(snapshot: Snapshot, written: Config, now: str) -> dict[str, Fact]:
    starts = lsm.starts(snapshot)
    known = () if isinstance(starts, Gap) else starts
    return {
        "running": now,
        "mode": written.mode,
        "line": written.line,
        "overridden": any(start.enforcing == "0" for start in known),
        "other_module": any(start.module != lsm.SELINUX for start in known),
        "policy": policy_file(snapshot, written.policy) is not None,
        "unlabelled": _unlabelled(snapshot) if now != DISABLED else "",
        "relabels": not isinstance(snapshot.ask(Stat(RELABEL)), Unread),
        "before": digest(snapshot, RELABEL),
    }


def _unlabelled(snapshot: Snapshot) -> str:
    """The first of some telling files that has no label of the policy; "" for none."""
    for path in _MARKERS:
        label = snapshot.ask(FileLabel(path))
        if isinstance(label, Unread):
            if label.reason is Reason.MISSING and isinstance(snapshot.ask(Stat(path)), Unread):
                continue  # no such file here
            return path
        if _field(label, 2) in _UNLABELLED:
            return path
    return ""


def _to_permissive(entry: Recommendation, facts: Mapping[str, Fact]) -> Change:
    """From disabled: SELinux comes with the next start, which labels every file first."""
    if text_fact(facts, "mode") in {ENFORCING, PERMISSIVE}:
        if text_fact(facts, "running") == DISABLED:
            return Refusal(_("the boot loader does not start SELinux: see the procedure"))
        return Refusal(_("SELinux is not switched off"))
    if facts.get("other_module") is True:
        return Refusal(_("the boot loader does not start SELinux: see the procedure"))
    if facts.get("policy") is not True:
        return Refusal(_("there is no compiled policy to load: install one first"))
    steps: list[Operation] = [
        ReplaceLine(
            owners=(entry.id,), path=CONFIG, before=text_fact(facts, "line"), after=f"SELINUX={PERMISSIVE}"
        ),
        WriteFile(
            owners=(entry.id,),
            path=RELABEL,
            before=text_fact(facts, "before"),
            parts=(Lines(owner=entry.id, lines=()),),
        ),
    ]
    if entry.procedure is not None:
        steps.append(ByHand(owners=(entry.id,), subject=CONFIG, instructions=entry.procedure))
    return tuple(steps)


def _to_enforcing(entry: Recommendation, facts: Mapping[str, Fact]) -> Change:
    """From permissive, once every file has its label; the script looks at the denials before it does it."""
    running = text_fact(facts, "running")
    if refusal := _not_ready(facts, running):
        return Refusal(refusal)
    steps: list[Operation] = []
    if text_fact(facts, "mode") != ENFORCING:
        steps.append(
            ReplaceLine(
                owners=(entry.id,),
                path=CONFIG,
                before=text_fact(facts, "line"),
                after=f"SELINUX={ENFORCING}",
                can_lock_out=True,
            )
        )
    if running == PERMISSIVE:
        steps.append(
            SetSelinuxMode(owners=(entry.id,), before=PERMISSIVE, after=ENFORCING, can_lock_out=True)
        )
    return tuple(steps) if steps else Refusal(_("SELinux enforces already"))


def _not_ready(facts: Mapping[str, Fact], running: str) -> str:
    """What must come before SELinux enforces; "" for nothing."""
    if running not in {PERMISSIVE, ENFORCING}:
        return _(
            "SELinux does not run: first permissive, a start that labels every file, a look at the denials"
        )
    if text_fact(facts, "mode") in {"", DISABLED}:
        return _("{path} would switch SELinux off at the next start: first permissive").format(path=CONFIG)
    if facts.get("relabels") is True:
        return _("{path} waits for a start that labels every file: start the machine anew first").format(
            path=RELABEL
        )
    if path := text_fact(facts, "unlabelled"):
        return _(
            "{path} has no label of the policy: restorecon gives it one; where many files have none, label"
            " all of them first (touch {relabel}, reboot)"
        ).format(path=path, relabel=RELABEL)
    if facts.get("overridden") is True:
        return _("the kernel command line says enforcing=0, which beats {path}").format(path=CONFIG)
    return ""


# --- policy ---------------------------------------------------------------------------------------


def policy_file(snapshot: Snapshot, name: str) -> str | None:
    """The compiled policy of this name with the highest version; None where there is none."""
    if not _TYPE.fullmatch(name):
        return None
    folder = f"/etc/selinux/{name}/policy"
    entries = snapshot.ask(Folder(folder))
    if isinstance(entries, Unread):
        return None
    versions = [int(found[1]) for found in (_POLICY.fullmatch(entry.name) for entry in entries) if found]
    return f"{folder}/policy.{max(versions)}" if versions else None


def _policy(snapshot: Snapshot) -> Observation:
    written = config(snapshot)
    if isinstance(written, Unread):
        return of_files(snapshot, nothing(written, CONFIG))
    path = policy_file(snapshot, written.policy)
    if path is None:
        value = _("{name}, not compiled").format(name=written.policy)
        return of_files(snapshot, Reading({"": value}, provenance=(Provenance(CONFIG),)))
    places = [Provenance(CONFIG, text=f"SELINUXTYPE={written.policy}")]
    for place in (path, LOADED) if snapshot.live else (path,):
        seen = snapshot.ask(PolicyIs(place))
        text = "" if isinstance(seen, Unread) else _about(seen)
        places.append(Provenance(place, text=text))
    if modules := _modules(snapshot, written.policy):
        places.append(modules)
    return of_files(snapshot, Reading({"": written.policy}, provenance=tuple(places)))


def _about(seen: SecurityPolicy) -> str:
    return _("version {version}, {types} types, {booleans} booleans").format(
        version=seen.version, types=seen.types, booleans=len(seen.booleans)
    )


def _modules(snapshot: Snapshot, name: str) -> Provenance | None:
    """How many modules the policy is made of: those of semodule -l. Only root may look."""
    folder = f"/var/lib/selinux/{name}/active/modules"
    priorities = snapshot.ask(Folder(folder))
    if isinstance(priorities, Unread):
        return None
    names: set[str] = set()
    for entry in priorities:
        inside = snapshot.ask(Folder(f"{folder}/{entry.name}"))
        if entry.name.isdecimal() and not isinstance(inside, Unread):
            names.update(one.name for one in inside)
    off = snapshot.ask(Folder(f"{folder}/disabled"))
    names.difference_update(() if isinstance(off, Unread) else (one.name for one in off))
    return Provenance(folder, text=_("{count} modules").format(count=len(names)))


def policies(snapshot: Snapshot) -> tuple[SecurityPolicy | Unread | None, SecurityPolicy | Unread]:
    """The policy that is loaded (None on an image), and the one that the next start loads."""
    loaded = snapshot.ask(PolicyIs(LOADED)) if snapshot.live else None
    written = config(snapshot)
    if isinstance(written, Unread):
        return loaded, written
    path = policy_file(snapshot, written.policy)
    return loaded, snapshot.ask(PolicyIs(path)) if path else Unread(Reason.MISSING, written.policy)


def _of_policies(snapshot: Snapshot, judge: Callable[[SecurityPolicy, str], Reading]) -> Observation:
    """An observation of what the loaded policy says, and the one of the next start."""
    loaded, written = policies(snapshot)
    then = nothing(written, "/etc/selinux") if isinstance(written, Unread) else judge(written, "/etc/selinux")
    if loaded is None:
        return Observation(None, (then,), seen_at=snapshot.taken_at)
    now = nothing(loaded, LOADED) if isinstance(loaded, Unread) else judge(loaded, LOADED)
    return Observation(now, (then,), seen_at=snapshot.taken_at)


def _permissive_domains(snapshot: Snapshot) -> Observation:
    return _of_policies(
        snapshot,
        lambda seen, place: Reading(
            {"": ", ".join(seen.permissive) or "none"}, provenance=(Provenance(place),)
        ),
    )


def _boolean(subject: str) -> Callable[[Snapshot], Observation]:
    def judge(seen: SecurityPolicy, place: str) -> Reading:
        states = dict(seen.booleans)
        for name, restricts in BOOLEANS[subject]:
            if name in states:
                value = "restricted" if states[name] is restricts else "open"
                text = f"{name} {'on' if states[name] else 'off'}"
                return Reading({"": value}, provenance=(Provenance(place, text=text),))
        return Reading(gap=Gap(GapKind.ABSENT, _("a boolean {name}").format(name=BOOLEANS[subject][0][0])))

    return lambda snapshot: _of_policies(snapshot, judge)


def _booleans(snapshot: Snapshot) -> Observation:
    """How many switches the policy has; those that a start would set otherwise come first."""
    loaded, written = policies(snapshot)
    seen = written if loaded is None else loaded
    if isinstance(seen, Unread):
        return Observation(nothing(seen, LOADED), seen_at=snapshot.taken_at)
    then = {} if isinstance(written, Unread) else dict(written.booleans)
    moved = [name for name, state in seen.booleans if then.get(name, state) is not state]
    places = [Provenance(name, text=_switch(dict(seen.booleans)[name], then.get(name))) for name in moved]
    places += [
        Provenance(name, text=_switch(True, then.get(name)))
        for name, on in seen.booleans
        if on and name not in moved
    ]
    value = _("{count} booleans, {on} on, {moved} otherwise after a start").format(
        count=len(seen.booleans), on=sum(on for _name, on in seen.booleans), moved=len(moved)
    )
    gap = written.gap("/etc/selinux") if isinstance(written, Unread) else None
    return Observation(Reading({"": value}, gap, tuple(places[:_SHOWN])), seen_at=snapshot.taken_at)


def _switch(now: bool, then: bool | None) -> str:  # noqa: FBT001 - a state
    words = {True: "on", False: "off"}
    text = _("now {state}").format(state=words[now])
    return text if then is None else text + ", " + _("after a start {state}").format(state=words[then])


# --- contexts -------------------------------------------------------------------------------------


def _field(context: str, number: int) -> str:
    parts = context.split(":", 3)
    return parts[number] if len(parts) > number else ""


def is_confined(label: str) -> bool:
    """Whether the policy holds back the domain of this context; without a policy it has no domain."""
    return bool(_field(label, 2)) and _field(label, 2) not in UNCONFINED


def _fields(context: str) -> str:
    """The four fields of a context, named. Without levels in the policy there are three."""
    names = (_("user"), _("role"), _("domain"), _("level"))
    return ", ".join(f"{name} {_field(context, at)}" for at, name in enumerate(names) if _field(context, at))


def _contexts(snapshot: Snapshot) -> Observation:
    """In which domain each service runs."""
    if not snapshot.live:
        return Observation(None, seen_at=snapshot.taken_at)
    running, at = snapshot.ask_timed(Confinement())
    if isinstance(running, Unread):
        return Observation(nothing(running, _("processes")), seen_at=at)
    services: dict[str, ConfinedProcess] = {}
    for one in sorted(running, key=lambda one: one.pid):
        if one.unit.endswith(".service") or one.pid == 1:
            services.setdefault(one.unit if one.pid != 1 else "init", one)
    places = tuple(
        Provenance(unit, text=f"{one.label}: {_fields(one.label)}" if one.label else _("no context read"))
        for unit, one in sorted(services.items())
    )
    held = sum(is_confined(one.label) for one in services.values())
    value = _("{held} of {count} services confined").format(held=held, count=len(services))
    hidden = [unit for unit, one in services.items() if not one.label_read]
    gap = Gap(GapKind.DENIED, _("contexts of {names}").format(names=", ".join(hidden))) if hidden else None
    return Observation(Reading({"": value}, gap, places), seen_at=at)


def _file_contexts(snapshot: Snapshot) -> Observation:
    """The labels of some files, as ls -Z shows them; that of /etc is the course's example."""
    places = []
    for path in _EXAMPLES:
        label = snapshot.ask(FileLabel(path))
        if not isinstance(label, Unread):
            places.append(Provenance(path, text=label))
    label = snapshot.ask(FileLabel("/etc"))
    seen = (
        nothing(label, "/etc")
        if isinstance(label, Unread)
        else Reading({"": label}, provenance=tuple(places))
    )
    return Observation(seen, seen_at=snapshot.taken_at)


def _labels(snapshot: Snapshot) -> Observation:
    """Files whose label is not the policy's: how many, and the first of them."""
    if not snapshot.live:
        return missing(Gap(GapKind.UNSUPPORTED, "restorecon"))
    wrong, at = snapshot.ask_timed(WrongLabels())
    if isinstance(wrong, Unread):
        return Observation(nothing(wrong, "restorecon -n"), seen_at=at)
    places = tuple(
        Provenance(one.path, text=f"{one.label or '-'} → {one.expected}") for one in wrong[:_SHOWN]
    )
    return Observation(Reading({"": str(len(wrong))}, provenance=places), seen_at=at)


def _logins(snapshot: Snapshot) -> Observation:
    """The SELinux user that people get at login."""
    written = config(snapshot)
    if isinstance(written, Unread):
        return of_files(snapshot, nothing(written, CONFIG))
    path = f"/etc/selinux/{written.policy}/seusers"
    text = snapshot.ask(File(path)) if _TYPE.fullmatch(written.policy) else Unread(Reason.MISSING)
    if isinstance(text, Unread):
        return of_files(snapshot, nothing(text, path))
    users: dict[str, str] = {}
    places = []
    for number, line in enumerate(text.splitlines(), 1):
        login, colon, rest = line.strip().partition(":")
        if colon and not login.startswith("#"):
            users[login] = rest.partition(":")[0]
            places.append(Provenance(path, line=number, text=line.strip()))
    if "__default__" not in users:
        return of_files(snapshot, Reading(gap=Gap(GapKind.UNSET, path)))
    return of_files(snapshot, Reading({"": users["__default__"]}, provenance=tuple(places)))


def _debugging_tools(snapshot: Snapshot) -> Observation:
    installed = snapshot.ask(Packages())
    if isinstance(installed, Unread):
        return of_files(snapshot, nothing(installed, _("list of packages")))
    names = sorted({one.name for one in installed} & _DEBUGGERS)
    value = ", ".join(names) or "none"
    return of_files(snapshot, Reading({"": value}, provenance=(Provenance(_("list of packages")),)))


_SUBJECTS: Mapping[str, Callable[[Snapshot], Observation]] = {
    "booleans": _booleans,
    "contexts": _contexts,
    "debugging-tools": _debugging_tools,
    "file-contexts": _file_contexts,
    "labels": _labels,
    "logins": _logins,
    "mode": _mode,
    "permissive-domains": _permissive_domains,
    "policy": _policy,
    **{subject: _boolean(subject) for subject in BOOLEANS},
}
