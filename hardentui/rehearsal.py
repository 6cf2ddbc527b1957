"""A change set applied to a snapshot in memory, to show what the findings would be after it; and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from hardentui.errors import InputError
from hardentui.operations import (
    ChangeSet,
    DisableUnit,
    EnableUnit,
    LoadAuditRules,
    LoadFirewall,
    Operation,
    ReloadUnit,
    Remount,
    ReplaceLine,
    RestartUnit,
    SetMode,
    SetSelinuxMode,
    SetSysctl,
    WriteFile,
)
from hardentui.resources import bind, rsyslog, sandbox
from hardentui.resources.audit import rehearsed as audit
from hardentui.resources.firewall import loaded as firewall
from hardentui.resources.firewall.policy import applied
from hardentui.resources.mac import apparmor, lsm
from hardentui.resources.sshd import rehearsed as sshd
from hardentui.resources.sshd.state import UNITS as SSHD_UNITS
from hardentui.resources.sysctl import kernel
from hardentui.snapshot import (
    Entry,
    File,
    Folder,
    KernelFile,
    Kind,
    Link,
    Mount,
    Mounts,
    Processes,
    Question,
    Reason,
    SandboxSettings,
    Snapshot,
    Sockets,
    Stat,
    Status,
    Unit,
    UnitFile,
    UnitFiles,
    Units,
    Unread,
)

_WANTS = "/etc/systemd/system/local-fs.target.wants"
_ENFORCE = KernelFile(lsm.ENFORCE)
_PROFILES = KernelFile(apparmor.PROFILES)
# Options of the file system as a whole; the others belong to the mount.
_OF_FILE_SYSTEM = ("hidepid=", "gid=", "size=", "mode=", "uid=")
_SHOWN = {
    "hidepid=1": "hidepid=noaccess",
    "hidepid=2": "hidepid=invisible",
    "hidepid=4": "hidepid=ptraceable",
}


class RehearsalError(InputError):
    """An operation that does not fit the facts: the sentence says which."""


def rehearse(snapshot: Snapshot, change_set: ChangeSet) -> Snapshot:
    """The facts as they would be after ``change_set``.

    Raises:
        RehearsalError: a line to be replaced is not there, or there twice.
    """
    before = snapshot
    for operation in change_set.operations:
        snapshot = _do(snapshot, operation)
    if _reloads_sshd(change_set):
        snapshot = _answer(snapshot, sshd.after_reload(before, snapshot))
    if _reloads(change_set, apparmor.UNIT):
        snapshot = _answer(snapshot, apparmor.after_reload(snapshot))
    if _loads_audit_rules(change_set):
        snapshot = _answer(snapshot, audit.after_loading(snapshot))
    return snapshot


def _loads_audit_rules(change_set: ChangeSet) -> bool:
    return any(isinstance(step, LoadAuditRules) for step in change_set.operations)


def _reloads_sshd(change_set: ChangeSet) -> bool:
    return _reloads(change_set, *SSHD_UNITS)


def _reloads(change_set: ChangeSet, *units: str) -> bool:
    return any(isinstance(step, ReloadUnit) and step.unit in units for step in change_set.operations)


def undo(  # noqa: C901, PLR0912 - one case for each kind
    snapshot: Snapshot, change_set: ChangeSet, before: Snapshot
) -> Snapshot:
    """The facts after a rollback of ``change_set``; ``before`` holds the originals that apply saved."""
    for operation in _rollback_order(change_set.operations):
        match operation:
            case SetSysctl():
                snapshot = _do(
                    snapshot, dataclasses.replace(operation, before=operation.after, after=operation.before)
                )
            case ReplaceLine():
                snapshot = _do(
                    snapshot, dataclasses.replace(operation, before=operation.after, after=operation.before)
                )
            case SetMode():
                snapshot = _set_mode(snapshot, operation.path, operation.before_mode, operation.before_owner)
            case SetSelinuxMode():
                snapshot = _answer(snapshot, {_ENFORCE: before.ask(_ENFORCE)})
            case Remount():
                snapshot = _remount(snapshot, operation.path, operation.unset)
            case RestartUnit():
                moved: tuple[Question[Any], ...] = (SandboxSettings(), Processes(), Sockets())
                snapshot = _answer(snapshot, {question: before.ask(question) for question in moved})
            case WriteFile():
                snapshot = _restore(snapshot, operation.path, before)
            case DisableUnit():
                questions: tuple[Question[Any], ...] = (Units(), UnitFiles())
                snapshot = _answer(snapshot, {question: before.ask(question) for question in questions})
            case LoadFirewall():
                snapshot = _answer(snapshot, {firewall.NFT: before.ask(firewall.NFT)})
            case EnableUnit():
                link = Link(f"{_WANTS}/{operation.unit}")
                links: tuple[Question[Any], ...] = (Folder(_WANTS), link, UnitFiles(), Units())
                snapshot = _answer(snapshot, {question: before.ask(question) for question in links})
            case _:
                pass
    if _reloads_sshd(change_set):
        snapshot = _answer(snapshot, {question: before.ask(question) for question in sshd.moved(before)})
    if _reloads(change_set, apparmor.UNIT):
        snapshot = _answer(snapshot, {_PROFILES: before.ask(_PROFILES)})
    if _loads_audit_rules(change_set):
        snapshot = _answer(snapshot, {question: before.ask(question) for question in audit.MOVED})
    return snapshot


def _rollback_order(operations: Iterable[Operation]) -> list[Operation]:
    return sorted(operations, key=lambda operation: operation.phase)


def _answer(snapshot: Snapshot, answers: dict[Question[Any], Any]) -> Snapshot:
    return snapshot.with_answers(answers, snapshot.taken_at)


def _do(snapshot: Snapshot, operation: Operation) -> Snapshot:  # noqa: C901 - one case for each kind
    match operation:
        case WriteFile():
            return _write(_made(snapshot, operation), operation.path, operation.content)
        case ReplaceLine():
            return _replace(snapshot, operation)
        case SetSysctl():
            return _set_value(snapshot, operation)
        case SetMode():
            return _set_mode(snapshot, operation.path, operation.mode, operation.owner)
        case Remount():
            return _remount(snapshot, operation.path, operation.set)
        case RestartUnit():
            anew = {
                **sandbox.after_restart(snapshot, operation.unit),
                **rsyslog.after_restart(snapshot, operation.unit),
                **bind.after_restart(snapshot, operation.unit),
            }
            return _answer(snapshot, anew)
        case DisableUnit():
            return _disable(snapshot, operation.unit)
        case SetSelinuxMode():
            return _answer(snapshot, {_ENFORCE: "1" if operation.after == lsm.ENFORCING else "0"})
        case LoadFirewall():
            return _answer(snapshot, applied.after_load(snapshot, operation.path))
        case EnableUnit():
            if operation.start:
                snapshot = _started(snapshot, operation.unit)
            return _enabled(snapshot, operation.unit)
        case _:
            return snapshot


def _write(snapshot: Snapshot, path: str, content: str) -> Snapshot:
    return _add_entry(_answer(snapshot, {File(path): content}), path, Kind.FILE)


def _made(snapshot: Snapshot, operation: WriteFile) -> Snapshot:
    """A file that we write belongs to root and has the mode that we give it."""
    mode, size = int(operation.mode, 8), len(operation.content)
    now = snapshot.taken_at
    status = Status(Kind.FILE, mode, 0, 0, "root", "root", size, "", now, now)
    return _answer(snapshot, {Stat(operation.path): status})


def _add_entry(snapshot: Snapshot, path: str, kind: Kind) -> Snapshot:
    folder, _slash, name = path.rpartition("/")
    known = snapshot.ask(Folder(folder))
    entries = () if isinstance(known, Unread) else known
    others = tuple(entry for entry in entries if entry.name != name)
    named = tuple(sorted((*others, Entry(name, kind)), key=lambda entry: entry.name))
    return _answer(snapshot, {Folder(folder): named, Link(path): Unread(Reason.FAILED)})


def _enabled(snapshot: Snapshot, name: str) -> Snapshot:
    """A unit that the next start starts; one that the plan itself brings has no file yet."""
    files = snapshot.ask(UnitFiles())
    if isinstance(files, Unread):
        return snapshot
    others = tuple(one for one in files if one.name != name)
    snapshot = _answer(snapshot, {UnitFiles(): (*others, UnitFile(name, "enabled"))})
    # Of the links only those of mount units are looked at.
    return _add_entry(snapshot, f"{_WANTS}/{name}", Kind.LINK) if name.endswith(".mount") else snapshot


def _started(snapshot: Snapshot, name: str) -> Snapshot:
    """A unit that runs now."""
    running = snapshot.ask(Units())
    if isinstance(running, Unread):
        return snapshot
    known = next((one for one in running if one.name == name), Unit(name, "loaded", "inactive"))
    others = tuple(one for one in running if one.name != name)
    started = dataclasses.replace(known, load="loaded", active="active", sub="running", stale=False)
    return _answer(snapshot, {Units(): (*others, started)})


def _disable(snapshot: Snapshot, name: str) -> Snapshot:
    """A unit that is stopped, and no longer enabled."""
    answers: dict[Question[Any], Any] = {}
    running, files = snapshot.ask(Units()), snapshot.ask(UnitFiles())
    if not isinstance(running, Unread):
        answers[Units()] = tuple(
            dataclasses.replace(one, active="inactive", sub="dead", pid=0) if one.name == name else one
            for one in running
        )
    if not isinstance(files, Unread):
        answers[UnitFiles()] = tuple(
            dataclasses.replace(one, state="disabled") if one.name == name and one.state == "enabled" else one
            for one in files
        )
    return _answer(snapshot, answers)


def _restore(snapshot: Snapshot, path: str, before: Snapshot) -> Snapshot:
    folder = path.rpartition("/")[0]
    questions: tuple[Question[Any], ...] = (File(path), Folder(folder), Link(path), Stat(path))
    return _answer(snapshot, {question: before.ask(question) for question in questions})


def _replace(snapshot: Snapshot, operation: ReplaceLine) -> Snapshot:
    known = snapshot.ask(File(operation.path))
    text = "" if isinstance(known, Unread) else known
    lines = text.split("\n")
    if not operation.before:
        body = lines[:-1] if lines[-1] == "" else lines
        return _write(snapshot, operation.path, "\n".join([*body, operation.after, ""]))
    if lines.count(operation.before) != 1:
        raise RehearsalError(
            f"{operation.path}: the line {operation.before!r} stands {lines.count(operation.before)} times"
        )
    at = lines.index(operation.before)
    lines[at : at + 1] = [operation.after] if operation.after else []
    return _answer(snapshot, {File(operation.path): "\n".join(lines)})


def _set_value(snapshot: Snapshot, operation: SetSysctl) -> Snapshot:
    path = f"/proc/sys/{operation.key}"
    known = snapshot.ask(KernelFile(path))
    answers: dict[Question[Any], Any] = {}
    if known != operation.after:
        interfaces = {
            folder: tuple(entry.name for entry in entries)
            for folder in kernel.LEAVES
            if not isinstance(entries := snapshot.ask(Folder(f"/proc/sys/{folder}")), Unread)
        }
        effects = kernel.side_effects(operation.key, operation.after, interfaces)
        answers |= {KernelFile(f"/proc/sys/{key}"): value for key, value in effects.items()}
    answers[KernelFile(path)] = operation.after
    return _answer(snapshot, answers)


def _set_mode(snapshot: Snapshot, path: str, mode: str, owner: str) -> Snapshot:
    status = snapshot.ask(Stat(path))
    if isinstance(status, Unread):
        return snapshot
    user, _colon, group = owner.partition(":")
    return _answer(
        snapshot, {Stat(path): dataclasses.replace(status, mode=int(mode, 8), user=user, group=group)}
    )


def _remount(snapshot: Snapshot, path: str, words: str) -> Snapshot:
    mounts = snapshot.ask(Mounts())
    if isinstance(mounts, Unread):
        return snapshot
    at = max((n for n, mount in enumerate(mounts) if mount.path == path), default=None)
    if at is None:
        raise RehearsalError(f"{path} is not mounted")
    changed = [*mounts]
    changed[at] = _with_options(mounts[at], words.split(","))
    return _answer(snapshot, {Mounts(): tuple(changed)})


def _with_options(mount: Mount, words: list[str]) -> Mount:
    """The mount as mountinfo would show it after a remount with ``words``."""
    own, whole = mount.options.split(","), mount.super_options.split(",")
    for word in words:
        if word.startswith(_OF_FILE_SYSTEM):
            key = word.partition("=")[0] + "="
            whole = [old for old in whole if not old.startswith(key)]
            if not word.endswith("=0"):
                whole.append(_SHOWN.get(word, word))
        elif word in {"ro", "rw"}:
            own = [word if old in {"ro", "rw"} else old for old in own]
            whole = [word if old in {"ro", "rw"} else old for old in whole]
        elif word.startswith("no"):
            own = [*(old for old in own if old != word), word]
        else:
            own = [old for old in own if old != f"no{word}"]
    return dataclasses.replace(mount, options=",".join(own), super_options=",".join(whole))
