"""Which files make up the policy of sudo, in which order, and what they say together."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from hardentui.i18n import N_, _
from hardentui.model import Gap
from hardentui.resources.sudoers.grammar import (
    Alias,
    Include,
    Member,
    MemberKind,
    Mistake,
    Place,
    Rule,
    Setting,
    parse,
)
from hardentui.snapshot import File, Folder, KernelIs, Kind, Link, Reason, Snapshot, Stat, Status, Unread

SUDOERS = "/etc/sudoers"
FOLDER = "/etc/sudoers.d"
_DEPTH = 128  # of includes, as in sudo
_FILES = 1000  # that we read at the most: includes may go round in circles that branch
_HOPS = 8


@dataclass(frozen=True, slots=True)
class Policy:
    """All that sudo reads, in its order.

    ``ignored`` are files and folders that sudo leaves out, and why. ``gaps`` are those that we could
    not read. ``folder_line`` is the line of /etc/sudoers that includes /etc/sudoers.d, 0 for none.
    """

    settings: tuple[Setting, ...]
    aliases: tuple[Alias, ...]
    rules: tuple[Rule, ...]
    mistakes: tuple[Mistake, ...]
    ignored: tuple[Mistake, ...]
    gaps: tuple[Gap, ...]
    folder_line: int

    @property
    def log_files(self) -> tuple[Setting, ...]:
        """The settings that give sudo a log file: the last of those for all, and each that is for some.

        One that names no absolute path is none to sudo.
        """
        given = [
            one
            for one in self.settings
            if one.name == "logfile" and (one.operator != "=" or one.value.startswith("/"))
        ]
        for_all = [one for one in given if not one.scope][-1:]
        named = (*for_all, *(one for one in given if one.scope))
        return tuple(one for one in named if one.operator == "=")

    def commands(self, rule: Rule) -> Iterator[Member]:
        """The commands of a rule, the names of lists replaced by what stands in them."""
        return self._expanded(rule.command, "Cmnd", frozenset())

    def targets(self, members: Iterable[Member]) -> Iterator[Member]:
        """Target users, the names of lists replaced by what stands in them."""
        for member in members:
            yield from self._expanded(member, "Runas", frozenset())

    def _expanded(self, member: Member, kind: str, seen: frozenset[str]) -> Iterator[Member]:
        if member.kind is not MemberKind.ALIAS or member.text in seen:
            yield member
            return
        found = next((a for a in self.aliases if (a.kind, a.name) == (kind, member.text)), None)
        for inner in found.members if found else ():
            turned = replace(inner, negated=inner.negated != member.negated)
            yield from self._expanded(turned, kind, seen | {member.text})
        if found is None:
            yield member


def read_policy(snapshot: Snapshot) -> Policy | Unread:
    """The policy; Unread when /etc/sudoers itself cannot be read (MISSING: there is no sudo)."""
    main = snapshot.ask(File(SUDOERS))
    if isinstance(main, Unread):
        return main
    return _Reader(snapshot).policy()


class _Reader:
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._settings: list[Setting] = []
        self._aliases: dict[tuple[str, str], Alias] = {}
        self._rules: list[Rule] = []
        self._mistakes: list[Mistake] = []
        self._ignored: list[Mistake] = []
        self._gaps: list[Gap] = []
        self._files = 0
        self._folder_line = 0

    def policy(self) -> Policy:
        self._file(SUDOERS, Place(SUDOERS, 0), 0)
        return Policy(
            settings=tuple(self._settings),
            aliases=tuple(self._aliases.values()),
            rules=tuple(self._rules),
            mistakes=tuple(self._mistakes),
            ignored=tuple(self._ignored),
            gaps=tuple(self._gaps),
            folder_line=self._folder_line,
        )

    def _file(self, path: str, place: Place, depth: int) -> None:
        if depth > _DEPTH or self._files >= _FILES:
            self._mistakes.append(Mistake(_("too many levels of includes"), place))
            return
        refused = self._insecure(path, Kind.FILE)
        text = self._snapshot.ask(File(path))
        if refused:
            # Without its main file, and without one that is included by name, sudo has no policy.
            by_name = place.file != posixpath.dirname(path)
            (self._mistakes if by_name else self._ignored).append(Mistake(refused, Place(path, 0)))
        elif not isinstance(text, Unread):
            self._files += 1
            self._items(text, path, depth)
        elif text.reason is Reason.MISSING:
            self._mistakes.append(Mistake(_("{path} is not there").format(path=path), place))
        else:
            self._gaps.append(text.gap(path))

    def _items(self, text: str, path: str, depth: int) -> None:
        for item in parse(text, path):
            match item:
                case Setting():
                    self._settings.append(item)
                case Alias():
                    self._define(item)
                case Rule():
                    self._rules.append(item)
                case Mistake():
                    self._mistakes.append(item)
                case Include():
                    self._include(item, path, depth)

    def _define(self, alias: Alias) -> None:
        key = (alias.kind, alias.name)
        if key in self._aliases:
            what = _("{name} is defined already").format(name=alias.name)
            self._mistakes.append(Mistake(what, alias.place))
        else:
            self._aliases[key] = alias

    def _include(self, include: Include, path: str, depth: int) -> None:
        name = include.path
        if "%h" in name:
            kernel = self._snapshot.ask(KernelIs())
            if isinstance(kernel, Unread):
                self._gaps.append(kernel.gap(name))
                return
            name = name.replace("%h", kernel.hostname.partition(".")[0])
        absolute = posixpath.join(posixpath.dirname(path), name)
        if include.folder:
            self._folder(absolute, include.place, depth)
        else:
            self._file(absolute, include.place, depth + 1)

    def _folder(self, path: str, place: Place, depth: int) -> None:
        path = path.rstrip("/") or "/"
        entries = self._snapshot.ask(Folder(path))
        if isinstance(entries, Unread) and entries.reason is not Reason.MISSING:
            self._gaps.append(entries.gap(path))
            return
        if refused := self._insecure(path, Kind.FOLDER):
            self._ignored.append(Mistake(refused, Place(path, 0)))
            return
        if (path, place.file) == (FOLDER, SUDOERS):
            self._folder_line = self._folder_line or place.line
        # By the bytes of the name; a name with a dot or with a ~ at its end is left out.
        names = [] if isinstance(entries, Unread) else [entry.name for entry in entries]
        for name in sorted(names, key=os.fsencode):
            if "." not in name and not name.endswith("~") and self._is_file(f"{path}/{name}"):
                self._file(f"{path}/{name}", Place(path, 0), depth + 1)

    def _is_file(self, path: str) -> bool:
        _at, status = behind(self._snapshot, path)
        return isinstance(status, Unread) or status.kind is Kind.FILE

    def _insecure(self, path: str, kind: Kind) -> str:
        """Why sudo does not trust a file or folder; "" when it does, or when nobody can say."""
        _at, status = behind(self._snapshot, path)
        if isinstance(status, Unread):
            if status.reason is not Reason.MISSING:
                self._gaps.append(status.gap(path))
            return ""
        if status.kind is not kind:
            return _("{path} is not what sudo expects there").format(path=path)
        if status.uid != 0:
            return _("{path} belongs to {user}, not to root: sudo ignores it").format(
                path=path, user=status.user
            )
        if status.mode & 0o002 or (status.mode & 0o020 and status.gid != 0):
            return _("{path} may be written by others than root: sudo ignores it").format(path=path)
        return ""


def behind(snapshot: Snapshot, path: str) -> tuple[str, Status | Unread]:
    """What a path leads to, by links as well: where it lies, and its status."""
    for _hop in range(_HOPS):
        status = snapshot.ask(Stat(path))
        if isinstance(status, Unread) or status.kind is not Kind.LINK:
            return path, status
        target = snapshot.ask(Link(path))
        if isinstance(target, Unread):
            return path, target
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return path, Unread(Reason.FAILED, N_("too many levels of symbolic links"))


def is_sudo_rs(snapshot: Snapshot) -> bool:
    """Whether sudo is the one written in Rust (Ubuntu since 25.10), which knows few settings."""
    return any(
        isinstance(link := snapshot.ask(Link(path)), str) and re.search(r"/cargo/|sudo-rs", link) is not None
        for path in ("/etc/alternatives/sudo", "/usr/bin/sudo")
    )
