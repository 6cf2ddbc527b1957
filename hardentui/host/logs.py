"""The files below the folders of logs: their sizes, and from when to when they were written.

Of a file at most its first bytes are read, for the time that stands there, and nothing of them is kept. A
walk ends by itself, by the clock and by the number of files. No link is followed, nothing is waited for,
and access times stay where they may: those who clear away what nobody reads go by them.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import struct
import time
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hardentui.host import files, search
from hardentui.snapshot import LeftOut, LogFile, LogTree, Mount

SECONDS = 3.0
FILES = 10_000
TIME, COUNT = "time", "files"  # what cut a walk short; the words stand in recordings
_NAMED = 100  # paths that are named of those that could not be read
_HEAD = 4096  # bytes of a packed file that hold its first line
_LINE = 512  # bytes that are looked at for a time

_PACKED = (".gz", ".xz", ".bz2", ".zst", ".lz4", ".Z")
_JOURNAL = (".journal", ".journal~")
# The header of a journal file as systemd documents it (JOURNAL_FILE_FORMAT), up to its 200th byte.
_HEADER = struct.Struct("<8s80x14Q")
_MAGIC = b"LPKSHHRH"

_ISO = re.compile(rb"(\d{4}-\d\d-\d\d)(?:T| {1,2})(\d\d:\d\d:\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:?\d\d)?")
_EPOCH = re.compile(rb"msg=audit\((\d{1,11})[.:]")
_WEB = re.compile(rb"\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]")
_YEARLESS = re.compile(rb"([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) ")


def read(
    folders: Sequence[str],
    mounts: Sequence[Mount],
    root: str = "",
    *,
    seconds: float = SECONDS,
    count: int = FILES,
) -> LogTree:
    """What lies below ``folders`` of this host, or of the system whose root lies at ``root``.

    Folders are real paths of this host; one that is not there is passed over.
    """
    walk = _Walk(root, time.monotonic() + seconds, count)
    for folder in folders:
        if not any((folder + "/").startswith(f"{other}/") for other in folders if other != folder):
            walk.enter(search.areas(mounts, folder))
    return walk.tree()


class _Walk:
    def __init__(self, root: str, end: float, most: int) -> None:
        self._root = root
        self._end = end
        self._most = most
        self._found: list[LogFile] = []
        self._unread: list[str] = []
        self._unread_count = 0
        self._left_out: list[LeftOut] = []
        self._cut = ""

    def tree(self) -> LogTree:
        return LogTree(
            files=tuple(sorted(self._found, key=lambda one: one.path)),
            left_out=tuple(self._left_out),
            unread=tuple(self._unread),
            unread_count=self._unread_count,
            cut=self._cut,
        )

    def enter(self, areas: search.Areas) -> None:
        for start in areas.starts:
            try:
                device = os.lstat(start).st_dev
            except OSError as error:
                self._cannot_read(start, error)
                continue
            waiting = [start]
            while waiting and not self._cut:
                self._look_into(waiting.pop(), None if start in areas.mixed else device, areas, waiting)

    def _look_into(self, folder: str, device: int | None, areas: search.Areas, waiting: list[str]) -> None:
        try:
            handle = _open(folder, os.O_DIRECTORY)
        except OSError as error:
            self._cannot_read(folder, error)
            return
        try:
            with os.scandir(handle) as entries:
                for entry in entries:
                    if self._is_over():
                        return
                    self._look_at(f"{folder}/{entry.name}", entry, handle, device, areas, waiting)
        except OSError as error:
            self._cannot_read(folder, error)
        finally:
            os.close(handle)

    def _look_at(
        self,
        path: str,
        entry: os.DirEntry[str],
        handle: int,
        device: int | None,
        areas: search.Areas,
        waiting: list[str],
    ) -> None:
        if path in areas.borders:  # before it is touched: its server may be dead
            if areas.borders[path]:
                self._left_out.append(LeftOut(self._shown(path), areas.borders[path]))
            return
        try:
            seen = entry.stat(follow_symlinks=False)
        except OSError as error:
            self._cannot_read(path, error)
            return
        if stat.S_ISDIR(seen.st_mode):
            if device in {None, seen.st_dev}:
                waiting.append(path)
        elif stat.S_ISREG(seen.st_mode):
            self._found.append(self._file(path, seen, handle, entry.name))

    def _file(self, path: str, seen: os.stat_result, handle: int, name: str) -> LogFile:
        content, first, last = -1, 0.0, seen.st_mtime
        if not name.endswith(_PACKED):
            content = seen.st_size
        if seen.st_size:
            try:
                content, first, last = _looked_at(handle, name, seen)
            except OSError as error:
                self._cannot_read(path, error)
        return LogFile(self._shown(path), seen.st_size, 512 * seen.st_blocks, content, first, last)

    def _is_over(self) -> bool:
        if len(self._found) >= self._most:
            self._cut = COUNT
        elif time.monotonic() > self._end:
            self._cut = TIME
        return bool(self._cut)

    def _shown(self, path: str) -> str:
        return path[len(self._root) :]

    def _cannot_read(self, path: str, error: OSError) -> None:
        if files.is_gone(error):
            return  # rotated away since its folder was read
        self._unread_count += 1
        if self._unread_count <= _NAMED:
            self._unread.append(self._shown(path))


def _open(path: str, flags: int = 0, within: int | None = None) -> int:
    flags |= os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        return os.open(path, flags | os.O_NOATIME, dir_fd=within)
    except PermissionError:
        return os.open(path, flags, dir_fd=within)  # only its owner and root may leave it untouched


def _looked_at(folder: int, name: str, seen: os.stat_result) -> tuple[int, float, float]:
    """The bytes of its content (-1: not known), and when its first and last entry were made."""
    handle = _open(name, 0, folder)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return -1, 0.0, seen.st_mtime
        if name.endswith(_JOURNAL):
            return journal_header(os.read(handle, _HEADER.size), seen.st_mtime)
        if name.endswith(".gz"):
            first = first_time(_unpacked(os.read(handle, _HEAD)), seen.st_mtime)
            return _unpacked_size(handle, seen.st_size), first, seen.st_mtime
        if name.endswith(_PACKED):
            return -1, 0.0, seen.st_mtime
        return seen.st_size, first_time(os.read(handle, _LINE), seen.st_mtime), seen.st_mtime
    finally:
        os.close(handle)


def journal_header(data: bytes, changed: float) -> tuple[int, float, float]:
    """What the entries of a journal file take of it, and the times of the first and the last one.

    -1 and 0.0 for what is no header of that form.
    """
    if len(data) < _HEADER.size or not data.startswith(_MAGIC):
        return -1, 0.0, changed
    (_magic, *numbers) = _HEADER.unpack_from(data)
    end, entries, first, last = numbers[6], numbers[8], numbers[12] / 1e6, numbers[13] / 1e6
    if not entries or not 0 < first <= last < 1e11:  # noqa: PLR2004 - no clock shows the year 5000
        return -1, 0.0, changed
    return min(end, 1 << 62), first, last


def _unpacked(head: bytes) -> bytes:
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj(wbits=31).decompress(head, _LINE)
    return b""


def _unpacked_size(handle: int, size: int) -> int:
    """The size that a gzip file gives at its end: below 4 GiB, and of its last part if it has several."""
    if size < 18:  # noqa: PLR2004 - no gzip file is shorter
        return -1
    return int.from_bytes(os.pread(handle, 4, size - 4), "little")


def first_time(head: bytes, changed: float) -> float:
    """When a log begins (epoch seconds), by the first time in its first bytes; 0.0 where none is understood.

    Times without a zone are this machine's own; the year of one that has none is the last one that fits
    ``changed``, the time when the file was last written.
    """
    for pattern, understand in (
        (_EPOCH, lambda found: float(found[1])),
        (_WEB, lambda found: _parsed(found[1], "%d/%b/%Y:%H:%M:%S %z")),
        (_ISO, _iso),
        (_YEARLESS, lambda found: _yearless(found[1], changed)),
    ):
        found = pattern.search(head)
        if found:
            with contextlib.suppress(ValueError, OverflowError, OSError):
                moment = understand(found)
                # A clock that was wrong, or a line that tells of the future, says nothing about the file.
                return moment if 0 < moment <= changed + 1 else 0.0
    return 0.0


def _iso(found: re.Match[bytes]) -> float:
    day, hour, zone = (part.decode() if part else "" for part in found.groups())
    return datetime.fromisoformat(f"{day}T{hour}{zone}").timestamp()


def _parsed(text: bytes, form: str) -> float:
    return datetime.strptime(text.decode("ascii", "replace"), form).timestamp()  # noqa: DTZ007 - local, or %z


def _yearless(text: bytes, changed: float) -> float:
    last = datetime.fromtimestamp(changed, UTC) + timedelta(days=1)
    for year in (last.year, last.year - 1):
        with contextlib.suppress(ValueError):  # 29 February
            moment = _parsed(b"%d %s" % (year, text), "%Y %b %d %H:%M:%S")
            if moment <= changed + 1:
                return moment
    return 0.0
