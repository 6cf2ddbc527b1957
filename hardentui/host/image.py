"""A mounted system image: its files are read inside its root, and none of its programs is run."""

from __future__ import annotations

import os
import time
from typing import Any, TypeVar, cast

from hardentui.host import files, logins, logs, packages, passwords, search, selinux, units
from hardentui.host.distribution import read_distribution
from hardentui.host.live import DPKG_FOLDER, accounts, briefly, groups, read_mounts
from hardentui.i18n import N_
from hardentui.snapshot import (
    Accounts,
    Clock,
    Distribution,
    DistributionIs,
    File,
    FileLabel,
    FileSurvey,
    Folder,
    Groups,
    Kernel,
    KernelIs,
    LastLogins,
    Link,
    LogFiles,
    Logins,
    LogTree,
    NisEntries,
    Packages,
    Passwords,
    PolicyIs,
    Privileges,
    PrivilegesAre,
    Question,
    Reason,
    Stat,
    UnitFiles,
    Unread,
)

T = TypeVar("T")

_HOPS = 40  # links followed at the most, as the kernel does


class ImageHost:
    """The system below ``root``. What only a running system knows is UNSUPPORTED."""

    name = "image"

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self.label = root

    def answer(self, question: Question[T]) -> tuple[T | Unread, float]:
        """See snapshot.Host."""
        return cast("T | Unread", self._answer(question)), time.time()

    def _answer(self, question: Question[Any]) -> Any:  # noqa: C901, PLR0912 - one case for each question
        match question:
            case File(path):
                return self._inside(path, files.read_text)
            case Folder(path):
                return self._inside(path, files.read_folder)
            case Link(path):
                return self._inside(path, files.read_link, follow=False)
            case Stat(path):
                return self._inside(path, lambda p: files.read_status(p, names=False), follow=False)
            case FileLabel(path):
                return self._inside(path, selinux.read_label, follow=False)
            case PolicyIs(path):
                return self._inside(path, selinux.read_policy)
            case Accounts():
                return accounts(self._inside("/etc/passwd", files.read_text))
            case Groups():
                return groups(self._inside("/etc/group", files.read_text))
            case Passwords():
                return passwords.read(lambda path: self._inside(path, files.read_text))
            case NisEntries():
                return passwords.nis_entries(lambda path: self._inside(path, files.read_text))
            case LastLogins():
                known = accounts(self._inside("/etc/passwd", files.read_text))
                return logins.last_logins(lambda path: self._resolve(path, follow=True), known)
            case Logins():
                return logins.logins(lambda path: self._resolve(path, follow=True))
            case FileSurvey():
                return self.walk().result()
            case LogFiles(below):
                return self._logs(below)
            case Packages():
                return packages.installed(lambda path: self._inside(path, files.read_text), None)
            case DistributionIs():
                return self._distribution()
            case UnitFiles():
                return units.files(briefly, self.root)
            case PrivilegesAre():
                return Privileges(
                    os.geteuid(), os.environ.get("SUDO_USER") or files.user_name(os.geteuid()), ""
                )
            case KernelIs():
                name = self._inside("/etc/hostname", files.read_text)
                return Kernel(name.strip() if isinstance(name, str) else "", "", "")
            case Clock():
                return time.time()
            case _:
                return Unread(Reason.UNSUPPORTED, N_("an image does not run"))

    def walk(self) -> search.Walk:
        """A walk over the files of the image, with its own names of users and groups."""
        users = accounts(self._inside("/etc/passwd", files.read_text))
        groups_ = groups(self._inside("/etc/group", files.read_text))
        names = (
            {user.uid: user.name for user in users} if not isinstance(users, Unread) else {},
            {group.gid: group.name for group in groups_} if not isinstance(groups_, Unread) else {},
        )
        dpkg = self._resolve(DPKG_FOLDER, follow=True)
        here = "" if isinstance(dpkg, Unread) else dpkg
        return search.Walk(read_mounts(), root=self.root, names=names, dpkg=here)

    def _logs(self, below: tuple[str, ...]) -> LogTree | Unread:
        mounts = read_mounts()
        if isinstance(mounts, Unread):
            return mounts
        real = [self._resolve(path, follow=True) for path in below]
        return logs.read([path for path in real if not isinstance(path, Unread)], mounts, self.root)

    def _distribution(self) -> Distribution | Unread:
        """What os-release says, wherever its links lead inside the image."""
        for path in ("/etc/os-release", "/usr/lib/os-release"):
            text = self._inside(path, files.read_text)
            if isinstance(text, Unread):
                if text.reason is Reason.MISSING:
                    continue
                return text
            real = self._resolve(path, follow=True)
            return real if isinstance(real, Unread) else read_distribution(real)
        return Unread(Reason.MISSING, "os-release")

    def _inside(self, path: str, read: Any, *, follow: bool = True) -> Any:
        real = self._resolve(path, follow=follow)
        return real if isinstance(real, Unread) else read(real)

    def _resolve(self, path: str, *, follow: bool) -> str | Unread:
        """Where ``path`` of the image lies on this host: absolute links begin at the image's root."""
        left = [part for part in path.split("/") if part]
        done: list[str] = []
        hops = 0
        while left:
            part = left.pop(0)
            if part == ".":
                continue
            if part == "..":
                done = done[:-1]
                continue
            here = "/".join([self.root, *done, part])
            target = files.read_link(here) if left or follow else Unread(Reason.FAILED)
            if isinstance(target, Unread):
                if target.reason is not Reason.FAILED:
                    return target
                done.append(part)
                continue
            hops += 1
            if hops > _HOPS:
                return Unread(Reason.FAILED, N_("too many levels of symbolic links"))
            left = [piece for piece in target.split("/") if piece] + left
            if target.startswith("/"):
                done = []
        return "/".join([self.root, *done])
