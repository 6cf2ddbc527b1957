"""One walk over the local file systems for all rules at once, in a program of its own.

It runs apart from the rest, says how far it is, can be stopped, and tells how complete it is:

    walk = host.walk()          # a live host or an image; a recording holds the answer already
    walk.start()
    walk.progress()             # at any time, from any thread
    walk.stop()                 # at any time; what was found until then is the result
    survey = walk.result()      # waits for the end
    snapshot = snapshot.with_answers({FileSurvey(): survey}, at)
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Protocol, cast, runtime_checkable

from hardentui.host import files
from hardentui.host.filesystems import is_remote
from hardentui.i18n import N_
from hardentui.snapshot import End, Found, LeftOut, Mount, Reason, Survey, Unread

SECONDS = 900.0  # after which a walk ends by itself
_GRACE = 3.0  # seconds that a stopped walk has to report, before it is killed
_PROGRAM = Path(__file__).with_name("walker.py")
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}

# Why a folder is left out; the words stand in recordings.
KERNEL, NETWORK, CONTAINER, IMAGE, TWICE = "kernel", "network", "container", "image", "mounted twice"
# "mounted since" is the program's own word: another file system came while it walked.

_KERNEL_TYPES = re.compile(
    r"autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|efivarfs|fusectl|hugetlbfs|mqueue|"
    r"nfsd|nsfs|proc|pstore|ramfs|resctrl|rpc_pipefs|securityfs|selinuxfs|smackfs|sysfs|tracefs"
)
_KERNEL_FOLDERS = frozenset({"/dev", "/proc", "/sys"})  # of a plain type in a container
_IMAGE_TYPES = frozenset({"squashfs", "iso9660", "erofs", "cramfs", "udf"})
# Whole systems of other people lie there: their files are judged inside the container, not here.
CONTAINERS = (
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/containers/storage",
    "/var/lib/kubelet/pods",
    "/var/lib/lxc",
    "/var/lib/lxd",
    "/var/lib/incus",
    "/var/lib/machines",
    "/run/containerd",
    "/run/docker",
)
# The same of an account without rights: the end of a path.
_CONTAINERS_OF_USERS = ("/.local/share/containers/storage", "/.local/share/docker")
_RPM = ("/usr/lib/sysimage/rpm", "/var/lib/rpm")


@dataclass(frozen=True, slots=True)
class Areas:
    """What a walk enters, and where it stops: a path, and why ("" where it is another area).

    ``mixed`` are the starts below which the device number changes without a mount (btrfs subvolumes).
    """

    starts: tuple[str, ...]
    borders: Mapping[str, str]
    mixed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a walk is. ``expected`` is about how many files and folders there are, 0 where unknown."""

    folders: int = 0
    files: int = 0
    expected: int = 0
    place: str = ""
    found: int = 0
    seconds: float = 0.0

    @property
    def share(self) -> int | None:
        """How much is done, in whole percent, below 100 until the end; None where it is not known."""
        if not self.expected:
            return None
        return min(99, 100 * (self.folders + self.files) // self.expected)


@runtime_checkable
class Walkable(Protocol):
    """A host whose files can be walked."""

    def walk(self) -> Walk:
        """A walk over this host that was not started yet."""
        ...


def areas(mounts: Sequence[Mount], root: str = "/") -> Areas:
    """What to walk at and below ``root``: each local file system once, however often it is mounted."""
    inside = root.rstrip("/") + "/"
    visible = {mount.path: mount for mount in mounts}  # the last one on a path hides the others
    borders: dict[str, str] = {inside.rstrip("/") + path: CONTAINER for path in CONTAINERS}
    around = _covering(visible.values(), root)
    chosen = {root: around}
    for path, mount in visible.items():
        if not path.startswith(inside) or path == root:
            continue
        if any(path.startswith(f"{inside.rstrip('/')}{known}/") for known in CONTAINERS):
            continue
        why = _why_not(mount, path[len(inside) - 1 :]) or _again(mount, chosen.values())
        borders[path] = why
        if not why:
            chosen[path] = mount
    mixed = frozenset(path for path, mount in chosen.items() if mount is not None and mount.fstype == "btrfs")
    return Areas(tuple(chosen), borders, mixed)


def _covering(mounts: Iterable[Mount], root: str) -> Mount | None:
    """The mount in which ``root`` lies, as if ``root`` itself were mounted."""
    around = [m for m in mounts if (root.rstrip("/") + "/").startswith(m.path.rstrip("/") + "/")]
    if not around:
        return None
    mount = max(around, key=lambda one: len(one.path))
    return replace(mount, path=root, root=mount.root.rstrip("/") + root[len(mount.path.rstrip("/")) :])


def _why_not(mount: Mount, path: str) -> str:
    if (
        path in _KERNEL_FOLDERS
        or path.startswith(("/proc/", "/sys/"))
        or _KERNEL_TYPES.fullmatch(mount.fstype)
    ):
        return KERNEL
    if is_remote(mount.fstype) or mount.fstype == "virtiofs":  # the files of the machine around this one
        return NETWORK
    if mount.fstype in _IMAGE_TYPES:
        return IMAGE
    return CONTAINER if mount.fstype == "overlay" else ""


def _again(mount: Mount, taken: Iterable[Mount | None]) -> str:
    """Whether a part of a file system that is walked already is mounted here once more."""
    for known in taken:
        if known is not None and known.device == mount.device:
            above = known.root.rstrip("/") + "/"
            if (mount.root.rstrip("/") + "/").startswith(above):
                return TWICE
    return ""


class Walk:
    """A walk over the files below ``root``. Every method may be called from any thread.

    ``names`` gives the user and group names of an image, by id; without it the running system's count.
    ``dpkg`` is where dpkg's files lie, "" where the host has none.
    """

    def __init__(
        self,
        mounts: tuple[Mount, ...] | Unread,
        *,
        root: str = "/",
        names: tuple[Mapping[int, str], Mapping[int, str]] | None = None,
        dpkg: str = "",
        seconds: float = SECONDS,
    ) -> None:
        self._unread = mounts if isinstance(mounts, Unread) else None
        self._areas = areas(() if isinstance(mounts, Unread) else mounts, root)
        self._root = root
        self._names = names
        self._dpkg = dpkg
        self._seconds = seconds
        self._progress = Progress()
        self._collected = _Collected()
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._survey: Survey | Unread = Unread(Reason.FAILED, N_("not started"))
        self._lock = threading.Lock()
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        """Begin, in the background; a second call does nothing."""
        with self._lock:
            if self._reader is None:
                self._reader = threading.Thread(target=self._run, name="walk", daemon=True)
                self._reader.start()

    def stop(self) -> None:
        """Have it end soon: what was found until then becomes the result, and says so."""
        self._stop.set()

    def progress(self) -> Progress:
        """How far it is."""
        return self._progress

    @property
    def done(self) -> bool:
        """Whether the result is there."""
        return self._ended.is_set()

    def result(self, timeout: float | None = None) -> Survey | Unread | None:
        """What was found, once it ended; None when it has not ended within ``timeout`` seconds.

        An ``Unread`` where no walk could be made at all.
        """
        self.start()
        return self._survey if self._ended.wait(timeout) else None

    def _run(self) -> None:
        try:
            self._survey = self._unread or self._walked()
        except OSError as error:
            self._survey = files.unread(error)
        finally:
            self._ended.set()

    def _walked(self) -> Survey | Unread:
        begin = time.monotonic()
        if not _PROGRAM.is_file():
            return Unread(Reason.UNSUPPORTED, N_("the walk needs its program as a file of its own"))
        expected = _used_inodes(self._areas.starts)
        child = subprocess.Popen(
            (sys.executable, "-I", "-S", "-X", "utf8", str(_PROGRAM)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        try:
            self._give_job(child)
            end = self._listen(child, begin, expected)
        finally:
            _put_away(child)
        survey = self._collected.survey(end, self._areas, self._root, time.monotonic() - begin)
        if not self._dpkg and self._root == "/":
            survey = _with_rpm_owners(survey)
        return survey

    def _give_job(self, child: subprocess.Popen[bytes]) -> None:
        names = self._names and {"users": self._names[0], "groups": self._names[1]}
        job = {
            "root": self._root,
            "areas": [(start, start in self._areas.mixed) for start in self._areas.starts],
            "borders": self._areas.borders,
            "endings": dict.fromkeys(_CONTAINERS_OF_USERS, CONTAINER),
            "names": names,
            "dpkg": self._dpkg,
        }
        with contextlib.suppress(BrokenPipeError), cast("IO[bytes]", child.stdin) as pipe:
            pipe.write(json.dumps(job).encode())

    def _listen(self, child: subprocess.Popen[bytes], begin: float, expected: int) -> End:
        """Take in what the program says until it ends, or until it must."""
        handle = cast("IO[bytes]", child.stdout).fileno()
        rest, end, deadline = b"", End.COMPLETE, begin + self._seconds
        while True:
            now = time.monotonic()
            if end is End.COMPLETE and (self._stop.is_set() or now >= deadline):
                end = End.STOPPED if self._stop.is_set() else End.TIMED_OUT
                deadline = now + _GRACE
                _signal(child, signal.SIGTERM)
            elif now >= deadline:
                return end  # it hangs in the kernel, on a dead disk: what it said must do
            ready, _none, _none2 = select.select([handle], [], [], min(0.1, max(0.0, deadline - now)))
            if not ready:
                continue
            chunk = os.read(handle, 1 << 16)
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._collected.take(json.loads(line))
            self._progress = self._collected.progress(expected, time.monotonic() - begin)
        if self._collected.complete:
            return End.COMPLETE
        return End.BROKEN if end is End.COMPLETE else end


class _Collected:
    """What the program has said so far."""

    def __init__(self) -> None:
        self.complete = False
        self._found: list[Found] = []
        self._counts: dict[str, int] = {}
        self._unread: list[str] = []
        self._unread_count = 0
        self._left_out: list[LeftOut] = []
        self._owners: dict[str, list[str]] = {}
        self._manager = ""
        self._folders = 0
        self._files = 0
        self._place = ""

    def take(self, words: list[Any]) -> None:
        """One line; its words are described in hardentui.host.walker."""
        match words:
            case ["found", *rest]:
                found = Found(*rest)
                self._found.append(found)
                self._counts[found.rule] = self._counts.get(found.rule, 0) + 1
            case ["unread", path]:
                self._unread.append(path)
                self._unread_count += 1
            case ["left out", path, why]:
                self._left_out.append(LeftOut(path, why))
            case ["at", folders, seen, place]:
                self._folders, self._files, self._place = folders, seen, place
            case ["owners", manager, owners]:
                self._manager, self._owners = manager, owners
            case ["end", complete, counts, unread, folders, seen]:
                self.complete, self._counts, self._unread_count = complete, counts, unread
                self._folders, self._files = folders, seen

    def progress(self, expected: int, seconds: float) -> Progress:
        """How far the program is."""
        return Progress(self._folders, self._files, expected, self._place, len(self._found), seconds)

    def survey(self, end: End, walked: Areas, root: str, seconds: float) -> Survey:
        """All of it."""
        inside = root.rstrip("/")
        return Survey(
            end=end,
            found=tuple(self._owned(found) for found in self._found),
            counts=tuple(sorted(self._counts.items())),
            unread=tuple(self._unread),
            unread_count=self._unread_count,
            walked=tuple(path[len(inside) :] or "/" for path in walked.starts),
            left_out=tuple(self._left_out),
            folders=self._folders,
            files=self._files,
            seconds=round(seconds, 1),
            manager=self._manager,
        )

    def _owned(self, found: Found) -> Found:
        package, recorded = self._owners.get(found.path, ("", ""))
        return replace(found, package=package, recorded=recorded) if package or recorded else found


def _used_inodes(paths: Sequence[str]) -> int:
    """About how many files there are on these file systems; 0 where that is not known."""
    total = 0
    for path in paths:
        with contextlib.suppress(OSError):
            seen = os.statvfs(path)
            if not (seen.f_files and Path(path).is_mount()):
                return 0  # btrfs counts none; of a folder within a file system nobody knows
            total += seen.f_files - seen.f_ffree
    return total


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def _put_away(child: subprocess.Popen[bytes]) -> None:
    """No program stays behind; one that hangs in the kernel goes when the kernel lets it."""
    if child.poll() is None:
        _signal(child, signal.SIGKILL)
    cast("IO[bytes]", child.stdout).close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(1.0)


def _with_rpm_owners(survey: Survey) -> Survey:
    """The survey with the packages that own its setuid files, after rpm's records, where rpm is in use."""
    if not any(Path(folder).is_dir() for folder in _RPM):
        return survey
    owners: dict[str, tuple[str, str]] = {}
    for found in survey.found:
        if found.rule in {"setuid", "capability"} and found.path not in owners:
            try:
                owners[found.path] = rpm_owner(found.path)
            except (OSError, subprocess.SubprocessError):
                return survey
    known = tuple(
        replace(found, package=owners[found.path][0], recorded=owners[found.path][1])
        if found.path in owners
        else found
        for found in survey.found
    )
    return replace(survey, found=known, manager="rpm")


def rpm_owner(path: str, options: tuple[str, ...] = ()) -> tuple[str, str]:
    """The package that owns ``path`` and the octal mode that it gives it; ("", "") where none does.

    Raises:
        OSError: rpm cannot be started.
        subprocess.SubprocessError: rpm gave no answer in time.
    """
    rows = r"[%{=NAME}\t%{FILEMODES:octal}\t%{FILENAMES}\n]"
    argv = ("rpm", *options, "-qf", "--qf", rows, "--", path)
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_ENVIRONMENT,
        cwd="/",
        timeout=20.0,
        check=False,
    )
    if done.returncode:
        return "", ""
    for line in done.stdout.decode("utf-8", "surrogateescape").splitlines():
        name, _tab, rest = line.partition("\t")
        mode, _tab, file = rest.partition("\t")
        if file in {path, path.removeprefix("/usr")}:  # listed from before /bin became a link
            return name, mode[-4:]
    return "", ""
