"""What is known of sshd on one host: its files, what it says of itself, and whether it has read them."""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.resources.families import family_of
from hardentui.resources.sshd.config import MAIN, Config, read
from hardentui.resources.sshd.match import Connection
from hardentui.resources.sshd.questions import asked, groups_of
from hardentui.snapshot import (
    File,
    Folder,
    Kind,
    Link,
    Output,
    Process,
    Processes,
    Reason,
    Snapshot,
    Stat,
    Unread,
)

PROGRAM = "/usr/sbin/sshd"
UNITS = ("ssh.service", "sshd.service")
_WANTS = "/etc/systemd/system/sockets.target.wants"
_WITH_VALUE = "bCcEfghkopu"  # options of sshd(8) that take one


@dataclass(frozen=True, slots=True)
class View:
    """All that the resource needs, worked out once for a snapshot.

    ``plain`` is the configuration as ``sshd -T`` sees it, ``config`` with the options of the unit too.
    ``says`` is what ``sshd -T`` printed of each connection; ``silent`` why it did not. ``gap`` stands where
    the files cannot be taken at their word; ``running`` where the daemon cannot. ``pending`` says which file
    changed since the daemon read them: whatever is new there, a reload puts it in force.
    """

    config: Config
    plain: Config
    says: tuple[tuple[Connection, Mapping[str, tuple[str, ...]]], ...]
    silent: Unread | None
    gap: Gap | None
    running: Gap | None
    loaded: str  # when the daemon read its files, or how it does; "" where that is not known
    pending: str


def view(snapshot: Snapshot) -> View:
    """What this snapshot shows of sshd."""
    plain = read(snapshot)
    options, doubt = _command_line(snapshot)
    seen = read(snapshot, options=options) if options else plain
    says: list[tuple[Connection, Mapping[str, tuple[str, ...]]]] = []
    silent: Unread | None = None
    for question, connection in asked(snapshot, plain):
        answer = snapshot.ask(question)
        if isinstance(answer, Output):
            says.append((connection, printed(answer.stdout)))
        else:
            silent = answer
    gap = _gap(snapshot, seen, silent, spoke=bool(says)) or doubt or _override(snapshot)
    daemon = _daemon(snapshot, seen)
    return View(seen, plain, tuple(says), silent, gap, daemon.gap, daemon.loaded, daemon.pending)


def of_root(snapshot: Snapshot) -> Connection:
    """Root, from anywhere."""
    return Connection(user="root", groups=lambda user: groups_of(snapshot, user))


def printed(text: str) -> dict[str, tuple[str, ...]]:
    """What ``sshd -T`` prints, by keyword; old names of values by their present ones."""
    seen: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        word, _space, value = line.partition(" ")
        value = "prohibit-password" if value == "without-password" else value
        seen[word] = (*seen.get(word, ()), value)
    return seen


def _gap(snapshot: Snapshot, seen: Config, silent: Unread | None, *, spoke: bool) -> Gap | None:
    """Why the files cannot be judged; None when they can."""
    for path, unread in seen.unread:
        if path == MAIN and unread.reason is Reason.MISSING and _is_absent(snapshot):
            return Gap(GapKind.ABSENT, PROGRAM)
        if unread.reason is Reason.MISSING:
            return Gap(GapKind.FAILED, _("{path} is not there, and sshd does not start").format(path=path))
        return unread.gap(path)
    if seen.problems and spoke:
        # It is our reading that must be wrong then.
        return Gap(GapKind.FAILED, _("sshd takes what we cannot read: {line}").format(line=seen.problems[0]))
    if seen.problems:
        return Gap(GapKind.FAILED, _("sshd refuses its files: {line}").format(line=seen.problems[0]))
    refused = silent is not None and silent.reason is Reason.FAILED and re.search(r" line \d+", silent.detail)
    if refused and silent is not None and not spoke:
        return Gap(GapKind.FAILED, _("sshd refuses its files: {line}").format(line=silent.detail))
    return None


def _is_absent(snapshot: Snapshot) -> bool:
    program = snapshot.ask(Stat(PROGRAM))
    return isinstance(program, Unread) and program.reason is Reason.MISSING


# --- how it was started -------------------------------------------------------------------------------


def _command_line(snapshot: Snapshot) -> tuple[tuple[str, ...], Gap | None]:
    """The ``-o`` options that its unit gives it, and what else there makes the files less than all."""
    names = family_of(snapshot)
    if isinstance(names, Gap):
        return (), names  # which file has the options is not known
    path, variable = names.ssh_options
    text = snapshot.ask(File(path))
    if isinstance(text, Unread):
        return (), None if text.reason is Reason.MISSING else text.gap(path)
    values = re.findall(rf"^[ \t]*{variable}=(.*)$", text, re.MULTILINE)
    try:
        # The unit file splits the value once more, so both kinds of quotes go.
        words = shlex.split(" ".join(shlex.split(values[-1]))) if values else []
    except ValueError:
        return (), Gap(GapKind.UNMODELLED, f"{path}: {values[-1]}")
    found: list[str] = []
    for option, value in _options(words):
        if option == "o":
            found.append(value)
        elif option in "pg":
            found.append(("Port " if option == "p" else "LoginGraceTime ") + value)
        elif option in "fC":
            return (), Gap(GapKind.UNMODELLED, f"{path}: -{option} {value}")
    return tuple(found), None


def _override(snapshot: Snapshot) -> Gap | None:
    """A drop-in of the unit that starts something else than the unit itself does."""
    for folder in (f"/etc/systemd/system/{unit}.d" for unit in UNITS):
        entries = snapshot.ask(Folder(folder))
        if isinstance(entries, Unread):
            if entries.reason is not Reason.MISSING:
                return entries.gap(folder)
            continue
        for entry in (e.name for e in entries if e.name.endswith(".conf")):
            text = snapshot.ask(File(f"{folder}/{entry}"))
            if isinstance(text, Unread):
                if text.reason is not Reason.MISSING:
                    return text.gap(f"{folder}/{entry}")
            elif re.search(r"^\s*ExecStart\s*=\s*\S", text, re.MULTILINE):
                return Gap(GapKind.UNMODELLED, f"{folder}/{entry}: ExecStart")
    return None


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    rest = list(words)
    while rest:
        word = rest.pop(0)
        option = word[1:2]
        if not word.startswith("-") or option not in _WITH_VALUE or not option:
            continue
        yield option, word[2:] or (rest.pop(0) if rest else "")


# --- whether the daemon has read its files ------------------------------------------------------------


def pid_file(seen: Config) -> str:
    """Where sshd writes its process number each time that it has read its files; "" for nowhere."""
    path = (seen.effective("pidfile", Connection()).values or ("",))[0]
    return "" if path == "none" else path


class _Daemon(NamedTuple):
    """Why the daemon may have other settings than its files (None: it has not), and the rest of a View."""

    gap: Gap | None
    loaded: str = ""
    pending: str = ""


def _daemon(snapshot: Snapshot, seen: Config) -> _Daemon:
    if not snapshot.live:
        return _Daemon(None)
    processes = snapshot.ask(Processes())
    if isinstance(processes, Unread):
        return _Daemon(processes.gap(_("list of processes")))
    path = pid_file(seen)
    number = snapshot.ask(File(path)) if path else Unread(Reason.MISSING)
    ours = [p for p in processes if p.name == "sshd"]
    daemon = next((p for p in ours if isinstance(number, str) and number.strip() == str(p.pid)), None)
    if daemon is None:
        if any(p.unit in UNITS for p in ours):
            why = _("no file says when it last read its configuration ({path})").format(path=path or "-")
            return _Daemon(Gap(GapKind.STALE, why))
        return _not_running(snapshot)
    # sshd writes the file anew when it starts, and when a reload makes it read everything again.
    status = snapshot.ask(Stat(path))
    if isinstance(status, Unread):
        return _Daemon(status.gap(path))
    if not status.modified:
        return _Daemon(Gap(GapKind.STALE, _("when it read its files is not known")))
    newer = _changed_since(snapshot, seen, status.modified)
    if newer is not None:
        return newer
    restart = _started_before_options(snapshot, daemon)
    if restart is not None:
        return _Daemon(restart)
    return _Daemon(
        None, _("read by process {pid} on {time}").format(pid=daemon.pid, time=_time(status.modified))
    )


def _not_running(snapshot: Snapshot) -> _Daemon:
    """Of a daemon that is not there: its socket may start it, with the files as they are then."""
    names = family_of(snapshot)
    if isinstance(names, Gap):
        return _Daemon(names)
    if not isinstance(snapshot.ask(Link(f"{_WANTS}/{names.ssh_socket}")), Unread):
        started = _("{socket} starts it for the next connection").format(socket=names.ssh_socket)
        return _Daemon(None, started)
    return _Daemon(Gap(GapKind.ABSENT, _("sshd does not run")))


def _started_before_options(snapshot: Snapshot, daemon: Process) -> Gap | None:
    """The options of the unit count when it starts: a reload does not read them again."""
    names = family_of(snapshot)
    if isinstance(names, Gap):
        return names
    path, _variable = names.ssh_options
    status = snapshot.ask(Stat(path))
    if isinstance(status, Unread):
        return None if status.reason is Reason.MISSING else status.gap(path)
    if not daemon.started or status.changed <= daemon.started:
        return None
    words = _("{path} was changed on {changed}, and sshd started on {started}: restart pending")
    return Gap(
        GapKind.STALE,
        words.format(path=path, changed=_time(status.changed), started=_time(daemon.started)),
    )


def _changed_since(snapshot: Snapshot, seen: Config, loaded: float) -> _Daemon | None:
    for path, at in _changes(snapshot, seen):
        if not at:
            return _Daemon(Gap(GapKind.STALE, _("when {path} was changed is not known").format(path=path)))
        if at > loaded:
            words = _("{path} was changed on {changed}, and sshd read its files on {loaded}: reload pending")
            said = words.format(path=path, changed=_time(at), loaded=_time(loaded))
            return _Daemon(Gap(GapKind.STALE, said), pending=said)
    return None


def _changes(snapshot: Snapshot, seen: Config) -> Iterator[tuple[str, float]]:
    """Each file and folder that was read, and when it last changed."""
    folders = {
        pattern.rpartition("/")[0]
        for include in seen.includes
        for pattern in include.patterns
        if re.search(r"[*?[]", pattern.rpartition("/")[2])
    }
    for path in sorted(folders):
        status = snapshot.ask(Stat(path))
        if not isinstance(status, Unread):
            yield path, status.modified  # a file came, went, or took another's name
        elif status.reason is not Reason.MISSING:
            yield path, 0.0
    for file in seen.files:
        path = file
        for _hop in range(8):
            status = snapshot.ask(Stat(path))
            if isinstance(status, Unread):
                yield path, 0.0
                break
            yield path, status.changed
            target = snapshot.ask(Link(path)) if status.kind is Kind.LINK else ""
            if not isinstance(target, str) or not target:
                break
            path = _joined(path, target)


def _joined(link: str, target: str) -> str:
    done = [] if target.startswith("/") else link.split("/")[1:-1]
    for part in target.split("/"):
        if part == "..":
            done = done[:-1]
        elif part not in {"", "."}:
            done.append(part)
    return "/" + "/".join(done)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def in_pattern(path: str, pattern: str) -> bool:
    """Whether an Include pattern brings in a path: its folder is plain, as those of all families are."""
    folder, _slash, name = pattern.rpartition("/")
    return path.rpartition("/")[0] == folder and fnmatch.fnmatchcase(path.rpartition("/")[2], name)
