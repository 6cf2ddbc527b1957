"""Who has a file or folder open at this moment, and when anything there was read last: a glance."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from hardentui.host import files
from hardentui.snapshot import Openings, Reason, Unread

MOST = 5000  # files below a folder that are looked at
FOLDERS = 5000  # folders that are looked into


def read(path: str, shut: Sequence[str] = ()) -> Openings | Unread:
    """What is seen of the use of a path. Nothing is opened for it: no time of reading moves.

    What lies in a folder of ``shut`` (its path, with a slash at the end) is not touched: its server may be
    dead.
    """
    try:
        real = os.path.realpath(path, strict=True)
        newest = os.lstat(real).st_atime
    except FileNotFoundError:
        return Unread(Reason.MISSING)
    except OSError as error:
        return files.unread(error)
    count, more = 0, False
    for read_at in _below(real, frozenset(shut)):
        if read_at is None or count == MOST:
            more = True
            break
        count += 1
        newest = max(newest, read_at)
    return Openings(count, more, tuple(sorted(set(_holders(real)))), newest)


def _below(path: str, shut: frozenset[str]) -> Iterator[float | None]:
    """When each file below a folder was read last; of one file, itself. None: there are too many folders."""
    try:
        seen = os.lstat(path)
    except OSError:
        return  # it went away
    if not stat.S_ISDIR(seen.st_mode):
        yield seen.st_atime
        return
    device = seen.st_dev
    folders, looked_into = [path], 0
    while folders:
        if looked_into == FOLDERS:
            yield None
            return
        looked_into += 1
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if f"{entry.path}/" in shut:
                        continue
                    status = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        if status.st_dev == device:
                            folders.append(entry.path)
                    else:
                        yield status.st_atime
        except OSError:
            continue  # it went away, or is closed to us: a glance


def _holders(path: str) -> Iterator[str]:
    """The names of the processes that hold a path, or something below it."""
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and any(
                _is_at(str(number.readlink()), path) for number in (process / "fd").iterdir()
            ):
                yield (process / "comm").read_text(errors="replace").rstrip("\n")
        except OSError:
            continue


def _is_at(target: str, path: str) -> bool:
    return target == path or target.startswith(f"{path}/")
