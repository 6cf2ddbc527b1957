"""The walk over the files, as a program of its own: read, look, report; nothing is kept open or changed.

It runs apart (see hardentui.host.search), with low priority, so that it may be stopped at any moment,
and it needs the standard library only. It reads its job from standard input, one JSON object, and
writes what it finds to standard output, one JSON array a line:

    ["found", rule, path, mode, uid, gid, user, group, detail]
    ["unread", path]
    ["left out", path, why]
    ["at", folders, files, folder]                      where it is, a few times a second
    ["owners", manager, {path: [package, mode]}]        whose the setuid files are
    ["end", complete, counts, unread, folders, files]   the last line

SIGTERM ends the walk early; what was found until then is still reported whole.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import json
import os
import pwd
import re
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

KEPT = 1000  # paths reported for each rule; more are only counted
_EVERY = 0.2  # seconds between two lines that say where the walk is
_KEY_NAME = re.compile(r".*\.(?:key|pem)|.*privkey.*|.*_key|id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?", re.DOTALL)
_KEY_LINE = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----|-----BEGIN EC PARAMETERS-----")
_KEY_SIZE = 1 << 16  # bytes; a key is far smaller
_REMARKABLE = 0o6177  # set-user-ID, set-group-ID, executable, or open to others than the owner
_FIRST_LINE = 128  # bytes that are looked at, at most
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE})
_XATTRS = {
    "security.capability": "capability",
    "system.posix_acl_access": "acl",
    "system.posix_acl_default": "default-acl",
}


class Walker:
    """One walk; see the module for what it writes."""

    def __init__(self, job: Mapping[str, Any], write: Callable[[str], object]) -> None:
        self._root: str = job["root"].rstrip("/")
        self._areas: list[tuple[str, bool]] = job["areas"]
        self._borders: dict[str, str] = job["borders"]
        self._endings: dict[str, str] = job["endings"]
        self._temporary = tuple(f"{self._root}{path}/" for path in ("/tmp", "/var/tmp"))  # noqa: S108 - searched
        self._write = write
        names = job["names"]
        self._user = _Names(names and names["users"], lambda uid: pwd.getpwuid(uid).pw_name)
        self._group = _Names(names and names["groups"], lambda gid: grp.getgrgid(gid).gr_name)
        self._dpkg: str = job["dpkg"]
        self._counts: dict[str, int] = {}
        self._owned: set[str] = set()
        self._unread = 0
        self._folders = 0
        self._files = 0
        self._told = 0.0
        self._starts: set[tuple[int, int]] = set()
        self._device: int | None = None  # of the area that is walked; None where it may change
        self._named: set[tuple[int, int]] = set()
        self.stopped = False

    def run(self) -> None:
        """Walk all areas, then look up the owners of what was found."""
        devices = {}
        for area, mixed in self._areas:
            try:
                seen = os.lstat(area)
            except OSError as error:
                self._cannot_read(area, error)
                continue
            self._starts.add((seen.st_dev, seen.st_ino))
            devices[area] = None if mixed else seen.st_dev
        for area, device in devices.items():
            self._device = device
            self._walk(area)
        if self._dpkg:
            self._report_owners()
        complete = not self.stopped
        self._say("end", complete, self._counts, self._unread, self._folders, self._files)

    def _say(self, *words: object) -> None:
        self._write(json.dumps(words) + "\n")

    def _tell_where(self, folder: str) -> None:
        now = time.monotonic()
        if now - self._told >= _EVERY:
            self._told = now
            self._say("at", self._folders, self._files, self._shown(folder))

    def _shown(self, path: str) -> str:
        """The path as the system below the root knows it."""
        return path[len(self._root) :] or "/"

    def _cannot_read(self, path: str, error: OSError) -> None:
        if error.errno in _GONE:
            return  # it vanished, or became a link, since its folder was read
        self._unread += 1
        if self._unread <= KEPT:
            self._say("unread", self._shown(path))

    def _walk(self, area: str) -> None:
        waiting = [area]
        while waiting and not self.stopped:
            folder = waiting.pop()
            self._tell_where(folder)
            try:
                handle = _open(folder, os.O_DIRECTORY)
            except OSError as error:
                self._cannot_read(folder, error)
                continue
            self._folders += 1
            try:
                with os.scandir(handle) as entries:
                    self._look_at(folder.rstrip("/") + "/", handle, entries, waiting)
            except OSError as error:
                self._cannot_read(folder, error)
            finally:
                os.close(handle)

    def _look_at(
        self, prefix: str, handle: int, entries: Iterable[os.DirEntry[str]], waiting: list[str]
    ) -> None:
        denied = None
        for item in entries:
            if self.stopped:
                return
            try:
                seen = item.stat(follow_symlinks=False)
            except OSError as error:
                denied = None if error.errno in _GONE else error
                continue
            path = prefix + item.name
            if stat.S_ISDIR(seen.st_mode):
                if self._is_border(path, seen):
                    continue
                waiting.append(path)
                self._look_at_folder(path, seen)
            else:
                self._files += 1
                self._look_at_file(path, seen, handle, item.name)
            if (seen.st_uid, seen.st_gid) not in self._named and not self._has_owners(seen):
                self._found("ownerless", path, seen)
        if denied is not None:
            self._cannot_read(prefix.rstrip("/") or "/", denied)

    def _has_owners(self, seen: os.stat_result) -> bool:
        """Whether owner and group have names; remembered, for most files have the same ones."""
        named = bool(self._user.name(seen.st_uid) and self._group.name(seen.st_gid))
        if named:
            self._named.add((seen.st_uid, seen.st_gid))
        return named

    def _is_border(self, path: str, seen: os.stat_result) -> bool:
        """Whether a folder is another mount, is walked elsewhere, or is left out; the last is said."""
        why = self._borders.get(path)
        if why is None and self._device not in {None, seen.st_dev}:
            why = "mounted since"
        if why is None and path.endswith(tuple(self._endings)):
            why = next(word for ending, word in self._endings.items() if path.endswith(ending))
        if why:
            self._say("left out", self._shown(path), why)
        return why is not None or (seen.st_dev, seen.st_ino) in self._starts

    def _look_at_folder(self, path: str, seen: os.stat_result) -> None:
        mode = seen.st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            self._found("open-folder", path, seen)
        elif mode & stat.S_IWOTH and seen.st_uid:
            self._found("shared-folder", path, seen)
        self._look_at_attributes(path, seen)

    def _look_at_file(self, path: str, seen: os.stat_result, handle: int, name: str) -> None:
        mode = seen.st_mode
        if stat.S_ISREG(mode):
            if mode & _REMARKABLE:
                self._look_at_mode(path, seen, handle, name)
            self._look_at_attributes(path, seen)
        elif stat.S_ISFIFO(mode):
            if mode & (stat.S_IROTH | stat.S_IWOTH):
                self._found("pipe", path, seen)
        # Device 0:0 is how an overlay marks a file as deleted: it opens nothing.
        elif seen.st_rdev and not self._shown(path).startswith("/dev/"):
            self._found("device", path, seen)

    def _look_at_mode(self, path: str, seen: os.stat_result, handle: int, name: str) -> None:
        mode = seen.st_mode
        if mode & (stat.S_ISUID | stat.S_ISGID):
            self._owned.add(path)
            self._found("setuid", path, seen)
        if mode & stat.S_IWOTH:
            self._found("open-file", path, seen)
        if mode & 0o111 and path.startswith(self._temporary):
            self._found("temporary", path, seen)
        if mode & 0o077 and seen.st_size <= _KEY_SIZE and _KEY_NAME.fullmatch(name) and self._is_own(path):
            try:
                is_key = _begins_a_key(handle, name)
            except OSError as error:
                self._cannot_read(path, error)
            else:
                if is_key:
                    self._found("key", path, seen)

    def _is_own(self, path: str) -> bool:
        """Whether a key there could be a secret: what a package ships everybody can download."""
        shown = self._shown(path)
        return not shown.startswith("/usr/") or shown.startswith("/usr/local/")

    def _look_at_attributes(self, path: str, seen: os.stat_result) -> None:
        try:
            names = os.listxattr(path, follow_symlinks=False)
            for name in names:
                rule = _XATTRS.get(name)
                if rule is None:
                    continue
                value = os.getxattr(path, name, follow_symlinks=False)
                if rule == "capability":
                    self._owned.add(path)
                self._found(rule, path, seen, value.hex())
        except OSError as error:
            if error.errno not in {errno.ENOTSUP, errno.ENODATA}:
                self._cannot_read(path, error)

    def _found(self, rule: str, path: str, seen: os.stat_result, detail: str = "") -> None:
        count = self._counts.get(rule, 0) + 1
        self._counts[rule] = count
        if count > KEPT:
            return
        self._say(
            "found",
            rule,
            self._shown(path),
            stat.S_IMODE(seen.st_mode),
            seen.st_uid,
            seen.st_gid,
            self._user.name(seen.st_uid),
            self._group.name(seen.st_gid),
            detail,
        )

    def _report_owners(self) -> None:
        wanted = {self._shown(path) for path in self._owned}
        try:
            aliases = Aliases(
                (f"/{top}", f"/usr/{top}")
                for top in ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
                if os.path.islink(f"{self._root}/{top}")  # noqa: PTH114 - one look-up
            )
            owners = dpkg_owners(self._dpkg, wanted, aliases)
            modes = statoverrides(self._dpkg)
        except OSError:
            return
        known = {path: [owners.get(path, ""), modes.get(path, "")] for path in wanted}
        self._say("owners", "dpkg", known)


class _Names:
    """Names of user or group ids: those given, or those of the running system, each asked once."""

    def __init__(self, given: Mapping[str, str] | None, ask: Callable[[int], str]) -> None:
        self._given = given
        self._ask = ask
        self._known: dict[int, str] = {}

    def name(self, number: int) -> str:
        """The name of an id, "" where it has none."""
        known = self._known.get(number)
        if known is None:
            known = self._known[number] = self._look_up(number)
        return known

    def _look_up(self, number: int) -> str:
        if self._given is not None:
            return self._given.get(str(number), "")
        try:
            return self._ask(number)
        except KeyError:
            return ""


def _open(path: str, flags: int, within: int | None = None) -> int:
    """Open for reading: no link is followed, nothing is waited for, the access time stays if it may."""
    flags |= os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        return os.open(path, flags | os.O_NOATIME, dir_fd=within)
    except PermissionError:
        return os.open(path, flags, dir_fd=within)  # only its owner and root may leave it untouched


def _begins_a_key(folder: int, name: str) -> bool:
    handle = _open(name, 0, folder)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return False
        return _KEY_LINE.match(os.read(handle, _FIRST_LINE)) is not None
    finally:
        os.close(handle)


class Aliases:
    """Folders that are links to another, (link, target): /bin is /usr/bin, and packages list either."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = tuple(pairs)

    def real(self, path: str) -> str:
        """Where a path leads."""
        for link, target in self._pairs:
            if path.startswith(link + "/"):
                return target + path[len(link) :]
        return path

    def names(self, path: str) -> list[str]:
        """All names of a path, itself the first."""
        others = [link + path[len(target) :] for link, target in self._pairs if path.startswith(target + "/")]
        return [path, *others]


def dpkg_owners(folder: str, wanted: Iterable[str], aliases: Aliases) -> dict[str, str]:
    """Which package owns each of ``wanted``, after dpkg's files below ``folder`` (/var/lib/dpkg).

    A diverted file counts for the package whose file was moved there.

    Raises:
        OSError: dpkg's files cannot be read.
    """
    paths = set(wanted)
    moved = {aliases.real(old): (aliases.real(new), package) for old, new, package in _diversions(folder)}
    sources = paths | {old for old, (new, _by) in moved.items() if new in paths}
    # Every name under which a package may list one of the files, and the file that it means.
    listed = {os.fsencode(name): source for source in sources for name in aliases.names(source)}
    owners: dict[str, str] = {}
    for package, lines in _lists(folder):
        for line in listed.keys() & set(lines):
            source = listed[line]
            target, by = moved.get(source, (source, package))
            owners[source if by == package else target] = package
    return {path: owners[path] for path in paths if path in owners}


def _lists(folder: str) -> Iterator[tuple[str, list[bytes]]]:
    """Each package, and the lines of its list of files."""
    info = os.path.join(folder, "info")  # noqa: PTH118 - plain text in, plain text out
    for file in sorted(os.listdir(info)):  # noqa: PTH208 - as above
        if file.endswith(".list"):
            with open(os.path.join(info, file), "rb") as text:  # noqa: PTH118, PTH123 - as above
                yield file.removesuffix(".list").partition(":")[0], text.read().split(b"\n")


def _diversions(folder: str) -> list[tuple[str, str, str]]:
    """(path, where it was moved to, the package that may still have it there; ":" for none)."""
    lines = _lines(os.path.join(folder, "diversions"))  # noqa: PTH118 - as above
    return list(zip(lines[0::3], lines[1::3], lines[2::3], strict=False))


def statoverrides(folder: str) -> dict[str, str]:
    """The octal modes that dpkg-statoverride keeps, by path."""
    rows = (line.split(" ", 3) for line in _lines(os.path.join(folder, "statoverride")))  # noqa: PTH118 - as above
    return {row[3]: row[2] for row in rows if len(row) == 4}  # noqa: PLR2004 - user group mode path


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as text:  # noqa: PTH123 - as above
            return text.read().splitlines()
    except FileNotFoundError:
        return []


def main() -> None:
    """Walk as standard input says."""
    os.nice(19)
    walker = Walker(json.loads(sys.stdin.buffer.read()), _writer())

    def stop(_signal: int, _frame: object) -> None:
        walker.stopped = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started us
    with contextlib.suppress(BrokenPipeError):
        walker.run()
        sys.stdout.flush()


def _writer() -> Callable[[str], object]:
    def write(line: str) -> None:
        sys.stdout.write(line)
        sys.stdout.flush()

    return write


if __name__ == "__main__":
    main()
