"""A change set applied to a snapshot in memory, to show what the findings would be after it; and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hardentui.errors import InputError
from hardentui.operations import (
    ChangeSet,
    DisableUnit,
    EnableUnit,
    LoadAuditRules,
    LoadFirewall,
    LoadHolder,
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
from hardentui.resources import bind, daemons, sandbox
from hardentui.resources.audit import rehearsed as audit
from hardentui.resources.firewall import loaded as firewall
from hardentui.resources.firewall.policy import applied
from hardentui.resources.journal import storage as journal
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
# Options of the file system as a whole; the others belong to the mount.
_OF_FILE_SYSTEM = ("hidepid=", "gid=", "size=", "mode=", "uid=")
_SHOWN = {
    "hidepid=1": "hidepid=noaccess",
    "hidepid=2": "hidepid=invisible",
    "hidepid=4": "hidepid=ptraceable",
}


class RehearsalError(InputError):
    """An operation that does not fit the facts: the sentence says which."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """A program that reads its files when a step tells it to.

    ``after`` gives what it shows then, from the facts before all steps and those with the new files;
    ``moved`` the questions that it answers.
    """

    told: Callable[[Operation], bool]
    after: Callable[[Snapshot, Snapshot], Mapping[Question[Any], Any]]
    moved: Callable[[Snapshot], Iterable[Question[Any]]]


def _reloaded(*units: str) -> Callable[[Operation], bool]:
    return lambda step: isinstance(step, ReloadUnit) and step.unit in units


_READERS = (
    _Reader(_reloaded(*SSHD_UNITS), sshd.after_reload, sshd.moved),
    _Reader(
        _reloaded(apparmor.UNIT),
        lambda _before, now: apparmor.after_reload(now),
        lambda _before: (KernelFile(apparmor.PROFILES),),
    ),
    _Reader(
        lambda step: isinstance(step, LoadAuditRules),
        lambda _before, now: audit.after_loading(now),
        lambda _before: audit.MOVED,
    ),
)


def rehearse(snapshot: Snapshot, change_set: ChangeSet) -> Snapshot:
    """The facts as they would be after ``change_set``.

    Raises:
        RehearsalError: a line to be replaced is not there, or there twice.
    """
    before = snapshot
    for operation in change_set.operations:
        snapshot = _do(snapshot, operation)
    for reader in _told(change_set):
        snapshot = _answer(snapshot, reader.after(before, snapshot))
    return snapshot


def undo(snapshot: Snapshot, change_set: ChangeSet, before: Snapshot) -> Snapshot:
    """The facts after a rollback of ``change_set``; ``before`` holds the originals that apply saved."""
    for operation in sorted(change_set.operations, key=lambda operation: operation.phase):
        match operation:
            case SetSysctl() | ReplaceLine():
                # Written back, for one value may have reset others, and a file have had other edits.
                snapshot = _do(
                    snapshot, dataclasses.replace(operation, before=operation.after, after=operation.before)
                )
            case SetMode():
                snapshot = _set_mode(snapshot, operation.path, operation.before_mode, operation.before_owner)
            case Remount():
                snapshot = _remount(snapshot, operation.path, operation.unset)
            case _:
                snapshot = _as_before(snapshot, before, _touched(operation, before))
    for reader in _told(change_set):
        snapshot = _as_before(snapshot, before, reader.moved(before))
    return snapshot


def _told(change_set: ChangeSet) -> Iterator[_Reader]:
    return (reader for reader in _READERS if any(map(reader.told, change_set.operations)))


def _touched(operation: Operation, before: Snapshot) -> tuple[Question[Any], ...]:
    """What is restored as a whole when an operation is undone."""
    match operation:
        case WriteFile(path=path):
            return (File(path), Folder(path.rpartition("/")[0]), Link(path), Stat(path))
        case RestartUnit():
            return _moved(before, operation.unit)
        case DisableUnit():
            return (Units(), UnitFiles())
        case EnableUnit():
            return (Units(), UnitFiles(), Folder(_WANTS), Link(f"{_WANTS}/{operation.unit}"))
        case SetSelinuxMode():
            return (_ENFORCE,)
        case LoadFirewall():
            return (firewall.NFT,)
        case LoadHolder(holder=holder):
            return applied.HOLDERS[holder].moved
        case _:
            return ()


def _as_before(snapshot: Snapshot, before: Snapshot, questions: Iterable[Question[Any]]) -> Snapshot:
    return _answer(snapshot, {question: before.ask(question) for question in questions})


def _restarted(snapshot: Snapshot, unit: str) -> dict[Question[Any], Any]:
    """What a unit shows that started anew: its settings, since when it runs, its sockets, its journal."""
    answers = sandbox.after_restart(snapshot, unit) | daemons.after_restart(snapshot, unit)
    return answers | journal.after_restart(snapshot, unit) | bind.after_restart(snapshot, unit)


def _moved(snapshot: Snapshot, unit: str) -> tuple[Question[Any], ...]:
    """What ``_restarted`` answers."""
    return (SandboxSettings(), Processes(), Sockets(), *journal.moved(snapshot, unit))


def _answer(snapshot: Snapshot, answers: Mapping[Question[Any], Any]) -> Snapshot:
    return snapshot.with_answers(answers, snapshot.taken_at)


def _do(snapshot: Snapshot, operation: Operation) -> Snapshot:  # noqa: C901, PLR0912 - one case for each kind
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
            return _answer(snapshot, _restarted(snapshot, operation.unit))
        case DisableUnit():
            return _disable(snapshot, operation.unit)
        case SetSelinuxMode():
            return _answer(snapshot, {_ENFORCE: "1" if operation.after == lsm.ENFORCING else "0"})
        case LoadFirewall():
            return _answer(snapshot, applied.after_load(snapshot, operation.path))
        case LoadHolder():
            return _answer(snapshot, applied.HOLDERS[operation.holder].after_load(snapshot))
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
