"""What the boot will write into /proc/sys: both programs that read sysctl.d, and who else may write.

systemd-sysctl (252, src/sysctl/sysctl.c) and procps ``sysctl --system`` (4.0.2, src/sysctl.c) order the
same files differently where /etc/sysctl.conf comes in, and treat doubles and exclusions differently.
"""

from __future__ import annotations

import configparser
import fnmatch
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hardentui.model import Gap, GapKind
from hardentui.snapshot import File, Folder, KernelFile, Kind, Link, Reason, Snapshot, Unread

SYSTEMD = "systemd-sysctl"
PROCPS = "procps"
CONF = "/etc/sysctl.conf"
FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d")
_PROCPS_ALSO = "/lib/sysctl.d"
# Two names of one value: writing either writes both (net/ipv4/devinet.c).
ALIASES = {"net/ipv4/ip_forward": "net/ipv4/conf/all/forwarding"}
_GLOB = frozenset("*?[")
_BLANKS = " \t\r"
_LONE_RETURN = re.compile(r"\r(?!\n|\Z)")
_BLANK_BEHIND_DASH = re.compile(r"[ \t]*-[ \t]")


@dataclass(frozen=True, slots=True)
class Assignment:
    """One line of a sysctl file: ``key`` is a path below /proc/sys or a glob, ``value`` None excludes."""

    file: str
    line: int
    text: str
    key: str
    value: str | None

    @property
    def is_glob(self) -> bool:
        """Whether the key is a pattern."""
        return bool(_GLOB & set(self.key))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one reader would write to one path: the assignment that wins, and those that it beats."""

    winner: Assignment | None
    beaten: tuple[Assignment, ...] = ()


@dataclass(frozen=True)
class Reader:
    """One program's reading of all files: the assignments in its order, and what it could not read."""

    name: str
    assignments: tuple[Assignment, ...]
    gap: Gap | None = None

    def outcome(self, path: str) -> Outcome:
        """What it would write to ``path`` (below /proc/sys, with slashes), by whichever of its names."""
        own = self._outcome(path)
        if path not in ALIASES:
            return own
        other = self._outcome(ALIASES[path])
        winners = sorted((o.winner for o in (own, other) if o.winner), key=self.assignments.index)
        return Outcome(_last(winners), (*winners[:-1], *own.beaten, *other.beaten))

    def _outcome(self, path: str) -> Outcome:
        matching = [a for a in self.assignments if matches(a, path)]
        kept = _kept_by_systemd(self.assignments) if self.name == SYSTEMD else self.assignments
        counting = [a for a in kept if matches(a, path)]
        explicit = [a for a in counting if a.key == path]
        # What is named keeps all patterns away, even where it is only named to be left out.
        winner = _last([a for a in explicit or counting if a.value is not None])
        beaten = tuple(a for a in matching if a is not winner and a.value is not None)
        return Outcome(winner, beaten)


def _last(assignments: list[Assignment]) -> Assignment | None:
    return assignments[-1] if assignments else None


def _kept_by_systemd(assignments: Sequence[Assignment]) -> Sequence[Assignment]:
    """One assignment for each key or pattern: a new value takes a new place, an equal one keeps the old."""
    kept: dict[str, Assignment] = {}
    for each in assignments:
        if each.key in kept and kept[each.key].value == each.value:
            continue
        kept.pop(each.key, None)
        kept[each.key] = each
    return tuple(kept.values())


def matches(assignment: Assignment, path: str) -> bool:
    """Whether an assignment names ``path``, itself or by a pattern."""
    if assignment.key == path:
        return True
    if not assignment.is_glob or assignment.value is None:
        return False
    wanted, parts = assignment.key.split("/"), path.split("/")
    wanted = [part.replace("[^", "[!") for part in wanted]  # C knows both, Python one
    return len(wanted) == len(parts) and all(map(fnmatch.fnmatchcase, parts, wanted))


def normalize(key: str) -> str:
    """A key as a path below /proc/sys: if the first separator is a dot, dots and slashes change places."""
    first = next((char for char in key if char in "./"), "")
    if first == ".":
        key = key.translate({ord("."): "/", ord("/"): "."})
    return "/".join(part for part in key.split("/") if part)


def spell(path: str) -> str:
    """A path below /proc/sys as sysctl.d writes it: with dots, unless a part holds a dot itself."""
    return path if "." in path else path.replace("/", ".")


def parse(file: str, text: str) -> tuple[Assignment, ...]:
    """The assignments of one file, as both programs read them. Other lines are not for us to judge."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: a form feed ends no line here
        stripped = line.strip(_BLANKS)
        if not stripped or stripped[0] in "#;":
            continue
        key, equals, value = stripped.partition("=")
        if not equals and not key.startswith("-"):
            continue
        key = normalize(key.removeprefix("-").strip(_BLANKS))
        if key:
            found.append(Assignment(file, number, line, key, value.strip(_BLANKS) if equals else None))
    return tuple(found)


@dataclass(frozen=True)
class Files:
    """The files that count, by name order, and the first that could not be read."""

    names: Mapping[str, tuple[Assignment, ...]]
    paths: Mapping[str, str]
    conf: tuple[Assignment, ...]
    gap: Gap | None

    def readers(self) -> tuple[Reader, Reader]:
        """The two programs' readings: procps takes /etc/sysctl.conf last."""
        ordered = sorted(self.names, key=lambda name: name.encode("utf-8", "surrogateescape"))
        # systemd skips hidden files; procps does not take off the blanks behind a dash.
        systemd = tuple(a for name in ordered if not name.startswith(".") for a in self.names[name])
        shared = tuple(a for name in ordered for a in self.names[name])
        procps = tuple(a for a in shared + self.conf if not _BLANK_BEHIND_DASH.match(a.text))
        return Reader(SYSTEMD, systemd, self.gap), Reader(PROCPS, procps, self.gap)


def read_files(snapshot: Snapshot) -> Files:
    """All sysctl files of a host, the first folder winning where two have a file of one name."""
    names: dict[str, tuple[Assignment, ...]] = {}
    paths: dict[str, str] = {}
    gap: Gap | None = None
    for folder in (*FOLDERS, _PROCPS_ALSO):
        entries = snapshot.ask(Folder(folder))
        if isinstance(entries, Unread):
            gap = gap or (None if entries.reason is Reason.MISSING else entries.gap(folder))
            continue
        for entry in entries:
            if not entry.name.endswith(".conf") or entry.name in names:
                continue
            path = f"{folder}/{entry.name}"
            paths[entry.name] = path
            if entry.kind is Kind.FOLDER:
                names[entry.name] = ()  # it hides the name in later folders all the same
                continue
            text = _text(snapshot, path, is_link=entry.kind is Kind.LINK)
            if isinstance(text, Unread):
                names[entry.name] = ()
                gap = gap or (None if text.reason is Reason.MISSING else text.gap(path))
            else:
                names[entry.name] = parse(path, text)
                # systemd ends a line here, procps does not: what each makes of it is not followed.
                gap = gap or (Gap(GapKind.UNMODELLED, path) if _LONE_RETURN.search(text) else None)
    if snapshot.ask(Link("/etc/systemd/system/systemd-sysctl.service")) == "/dev/null":
        gap = gap or Gap(GapKind.UNMODELLED, "systemd-sysctl.service -> /dev/null")
    conf = snapshot.ask(File(CONF))
    if isinstance(conf, Unread):
        gap = gap or (None if conf.reason is Reason.MISSING else conf.gap(CONF))
        conf = ""
    return Files(names, paths, parse(CONF, conf), gap)


def _text(snapshot: Snapshot, path: str, *, is_link: bool) -> str | Unread:
    if is_link:
        target = snapshot.ask(Link(path))
        if isinstance(target, str) and posixpath.normpath(posixpath.join(path, "..", target)) == "/dev/null":
            return ""  # masked: the name hides the files of later folders and sets nothing
    return snapshot.ask(File(path))


# --- who else writes ------------------------------------------------------------------------------

_ROUTING = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/*/forwarding",
    "net/ipv4/conf/*/route_localnet",
    "net/ipv6/conf/*/forwarding",
)
# Services that write parameters by themselves once they run, and which: from their documentation.
_WRITERS: Mapping[str, tuple[str, ...]] = {
    "docker.service": _ROUTING,
    "docker.socket": _ROUTING,
    "containerd.service": _ROUTING,
    "k3s.service": (*_ROUTING, "net/ipv4/conf/*/rp_filter"),
    "kubelet.service": (*_ROUTING, "net/ipv4/conf/*/rp_filter", "kernel/panic_on_oops"),
    "libvirtd.service": (*_ROUTING, "net/ipv6/conf/*/disable_ipv6", "net/ipv6/conf/*/autoconf"),
    "virtnetworkd.service": (*_ROUTING, "net/ipv6/conf/*/disable_ipv6", "net/ipv6/conf/*/autoconf"),
    "lxc-net.service": _ROUTING,
    "NetworkManager.service": ("net/ipv6/conf/*/disable_ipv6",),
}
_WANTS = (
    "/etc/systemd/system/multi-user.target.wants",
    "/etc/systemd/system/sockets.target.wants",
)


def enabled_units(snapshot: Snapshot) -> frozenset[str]:
    """The units that the usual targets start at boot."""
    found: set[str] = set()
    for folder in _WANTS:
        entries = snapshot.ask(Folder(folder))
        if not isinstance(entries, Unread):
            found |= {entry.name for entry in entries}
    return frozenset(found)


def other_writer(snapshot: Snapshot, path: str) -> Gap | None:
    """A service that starts at boot and may write ``path`` after the files were read, if there is one."""
    for folder in _WANTS:
        entries = snapshot.ask(Folder(folder))
        if isinstance(entries, Unread) and entries.reason is not Reason.MISSING:
            return entries.gap(folder)
    for unit in sorted(snapshot.derive(enabled_units)):
        patterns = _WRITERS.get(unit, ())
        if unit == "tuned.service":
            patterns = snapshot.derive(_tuned_keys)
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns):
            return Gap(GapKind.UNMODELLED, unit)
    return None


def _tuned_keys(snapshot: Snapshot) -> tuple[str, ...]:
    """The keys of tuned's active profile and of those it includes; every key when one cannot be read."""
    name = snapshot.ask(File("/etc/tuned/active_profile"))
    if isinstance(name, Unread):
        return ("*",)
    keys: list[str] = []
    left = name.split()
    seen: set[str] = set()
    while left:
        profile = left.pop()
        if profile in seen:
            continue
        seen.add(profile)
        text = snapshot.ask(File(f"/etc/tuned/{profile}/tuned.conf"))
        if isinstance(text, Unread):
            text = snapshot.ask(File(f"/usr/lib/tuned/{profile}/tuned.conf"))
        if isinstance(text, Unread):
            return ("*",)
        parser = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",))
        try:
            parser.read_string(text)
        except configparser.Error:
            return ("*",)
        left += [
            part.strip() for part in parser.get("main", "include", fallback="").split(",") if part.strip()
        ]
        if parser.has_section("sysctl"):
            keys += [normalize(key) for key in parser["sysctl"]]
    return tuple(keys)


def kernel_arguments(snapshot: Snapshot) -> Mapping[str, str]:
    """What ``sysctl.KEY=VALUE`` on the kernel's command line sets before any file is read."""
    line = snapshot.ask(KernelFile("/proc/cmdline"))
    if isinstance(line, Unread):
        return {}
    pairs = (
        word.removeprefix("sysctl.").partition("=") for word in line.split() if word.startswith("sysctl.")
    )
    return {normalize(key): value for key, equals, value in pairs if equals}
