"""Who has a file or folder open at this moment, and when anything there was read last: a glance."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hardentui.host import files
from hardentui.snapshot import Openings, Reason, Unread

MOST = 5000  # files below a folder that are looked at


def read(path: str) -> Openings | Unread:
    """What is seen of the use of a path. Nothing is opened for it: no time of reading moves."""
    try:
        real = os.path.realpath(path, strict=True)
        newest = os.lstat(real).st_atime
    except FileNotFoundError:
        return Unread(Reason.MISSING)
    except OSError as error:
        return files.unread(error)
    count = 0
    for entry in _below(real):
        count += 1
        if count > MOST:
            break
        newest = max(newest, entry)
    return Openings(min(count, MOST), count > MOST, tuple(sorted(set(_holders(real)))), newest)


def _below(path: str) -> Iterator[float]:
    """When each file below a folder was read last; of one file, itself."""
    if not Path(path).is_dir():
        yield os.lstat(path).st_atime
        return
    device = os.lstat(path).st_dev
    folders = [path]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
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
