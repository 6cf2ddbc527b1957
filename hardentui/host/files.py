"""Reading files and folders carefully: regular files only, bounded, never below a dead mount."""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from functools import cache
from typing import TypeVar

from hardentui.i18n import N_
from hardentui.snapshot import Entry, Kind, Reason, Status, Unread, Usage

T = TypeVar("T")

SIZE_LIMIT = 4 * 1024 * 1024  # bytes; configuration is far smaller, logs are not read

_REASONS = {
    errno.ENOENT: Reason.MISSING,
    errno.ENOTDIR: Reason.MISSING,
    errno.EACCES: Reason.DENIED,
    errno.EPERM: Reason.DENIED,
    errno.ESTALE: Reason.VANISHED,
    errno.ENODEV: Reason.VANISHED,
    errno.ENXIO: Reason.VANISHED,
    errno.ESRCH: Reason.VANISHED,
    errno.EOPNOTSUPP: Reason.UNSUPPORTED,
}

_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.FOLDER,
    stat.S_IFLNK: Kind.LINK,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
}


def unread(error: OSError) -> Unread:
    """The answer that an operating system error stands for."""
    reason = _REASONS.get(error.errno or 0, Reason.FAILED)
    detail = "" if reason in {Reason.MISSING, Reason.DENIED} else os.strerror(error.errno or 0)
    return Unread(reason, detail)


def is_gone(error: OSError) -> bool:
    """Whether a path is no longer there, or no longer what its folder said it was."""
    reason = _REASONS.get(error.errno or 0, Reason.FAILED)
    return error.errno == errno.ELOOP or reason in {Reason.MISSING, Reason.VANISHED}


def read_text(path: str) -> str | Unread:
    """The text of a regular file of at most SIZE_LIMIT bytes; stray bytes as surrogate escapes."""
    try:
        # NONBLOCK: opening a FIFO or a device must not wait; what is no file is refused below.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        return unread(error)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return Unread(Reason.FAILED, N_("not a regular file"))
        chunks = []
        left = SIZE_LIMIT + 1
        while left > 0 and (chunk := os.read(handle, min(left, 1 << 17))):
            chunks.append(chunk)
            left -= len(chunk)
    except OSError as error:
        return unread(error)
    finally:
        os.close(handle)
    if left <= 0:
        return Unread(Reason.TOO_LARGE, f"> {SIZE_LIMIT} bytes")
    return b"".join(chunks).decode("utf-8", "surrogateescape")


def read_folder(path: str) -> tuple[Entry, ...] | Unread:
    """The entries of a folder, sorted by name."""
    try:
        with os.scandir(path) as found:
            return tuple(
                sorted((Entry(item.name, _entry_kind(item)) for item in found), key=lambda e: e.name)
            )
    except OSError as error:
        return unread(error)


def _entry_kind(item: os.DirEntry[str]) -> Kind:
    if item.is_symlink():
        return Kind.LINK
    if item.is_dir(follow_symlinks=False):
        return Kind.FOLDER
    if item.is_file(follow_symlinks=False):
        return Kind.FILE
    with contextlib.suppress(OSError):
        return _KINDS.get(stat.S_IFMT(item.stat(follow_symlinks=False).st_mode), Kind.FILE)
    return Kind.FILE


def read_link(path: str) -> str | Unread:
    """Where a symbolic link points, as written."""
    try:
        return os.readlink(path)  # noqa: PTH115 - no Path is made for each of many reads
    except OSError as error:
        if error.errno == errno.EINVAL:
            return Unread(Reason.FAILED, N_("not a symbolic link"))
        return unread(error)


def read_status(path: str, *, names: bool = True) -> Status | Unread:
    """Lstat of a path. ``names`` off leaves user and group as numbers (an image has its own)."""
    try:
        seen = os.lstat(path)
    except OSError as error:
        return unread(error)
    kind = _KINDS.get(stat.S_IFMT(seen.st_mode), Kind.FILE)
    return Status(
        kind=kind,
        mode=stat.S_IMODE(seen.st_mode),
        uid=seen.st_uid,
        gid=seen.st_gid,
        user=user_name(seen.st_uid) if names else str(seen.st_uid),
        group=group_name(seen.st_gid) if names else str(seen.st_gid),
        size=seen.st_size,
        device=f"{os.major(seen.st_dev)}:{os.minor(seen.st_dev)}",
        modified=seen.st_mtime,
        changed=seen.st_ctime,
        acl="" if kind is Kind.LINK else _list(path, "access"),
        default_acl=_list(path, "default") if kind is Kind.FOLDER else "",
    )


def _list(path: str, which: str) -> str:
    """An access list of a path in hex: "" where there is none, "?" where that cannot be read."""
    try:
        return os.getxattr(path, f"system.posix_acl_{which}", follow_symlinks=False).hex()
    except OSError as error:
        return "" if error.errno in {errno.ENODATA, errno.EOPNOTSUPP, errno.ENOENT} else "?"


def read_usage(path: str) -> Usage | Unread:
    """How full the file system of a path is."""
    try:
        seen = os.statvfs(path)
    except OSError as error:
        return unread(error)
    return Usage(
        blocks_used=_share(seen.f_blocks - seen.f_bfree, seen.f_blocks - seen.f_bfree + seen.f_bavail),
        inodes_used=_share(seen.f_files - seen.f_ffree, seen.f_files),
        size=seen.f_blocks * seen.f_frsize,
        free=seen.f_bavail * seen.f_frsize,
        reserved=max(seen.f_bfree - seen.f_bavail, 0) * seen.f_frsize,
        inodes=seen.f_files,
        inodes_free=seen.f_favail,
    )


def _share(used: int, total: int) -> int:
    return -(-100 * used // total) if total else 0


@cache
def user_name(uid: int) -> str:
    """The name of a user id, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@cache
def group_name(gid: int) -> str:
    """The name of a group id, or the number where it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def rows(text: str, columns: int) -> Iterator[list[str]]:
    """The colon-separated rows of a passwd-like file that have this many columns."""
    for line in text.splitlines():
        cells = line.split(":")
        if len(cells) == columns and not line.startswith("#"):
            yield cells
