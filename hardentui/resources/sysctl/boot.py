"""What the boot will write into /proc/sys: both programs that read sysctl.d, and who else may write.

systemd-sysctl (252, src/sysctl/sysctl.c) and procps ``sysctl --system`` (4.0.2, src/sysctl.c) order the
same files differently where /etc/sysctl.conf comes in, and treat doubles and exclusions differently.
ufw (0.36, ufw-init-functions) writes a file of its own when it starts, in no order with the first.
"""

from __future__ import annotations

import configparser
import fnmatch
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.resources.configuration import mask_of, text_of
from hardentui.resources.mount.boot import container, holder
from hardentui.snapshot import File, Folder, KernelFile, Kind, Mounts, Reason, Snapshot, Stat, Unread

SYSTEMD = "systemd-sysctl"
PROCPS = "procps"
UFW = "ufw"
CONF = "/etc/sysctl.conf"
UFW_CONF = "/etc/ufw/sysctl.conf"
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
        return not _GLOB.isdisjoint(self.key)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one reader would write to one path: the assignment that wins, and those that it beats."""

    winner: Assignment | None
    beaten: tuple[Assignment, ...] = ()


@dataclass(frozen=True)
class Reader:
    """One program's reading of its files: the assignments in its order, and what it could not read.

    ``over`` is another whose values it finds there, and leaves where it sets none.
    """

    name: str
    assignments: tuple[Assignment, ...]
    gap: Gap | None = None
    over: Reader | None = None

    @property
    def order(self) -> tuple[Assignment, ...]:
        """All assignments that count, those of the program before it first."""
        return (*(self.over.order if self.over else ()), *self.assignments)

    def outcome(self, path: str) -> Outcome:
        """What there is at ``path`` (below /proc/sys, with slashes) after it, by whichever of its names."""
        own = self._by_any_name(path)
        if self.over is None:
            return own
        below = self.over.outcome(path)
        if own.winner is None:
            return below
        beaten = (below.winner,) if below.winner else ()
        return Outcome(own.winner, (*own.beaten, *beaten, *below.beaten))

    def _by_any_name(self, path: str) -> Outcome:
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
    ufw: tuple[Assignment, ...] = ()

    def all(self) -> Iterator[Assignment]:
        """Every assignment, whoever reads it."""
        for assignments in (*self.names.values(), self.conf, self.ufw):
            yield from assignments

    def readers(self, *paths: str) -> tuple[Reader, ...]:
        """The two programs' readings, and ufw's where it sets any of ``paths``.

        procps reads /etc/sysctl.conf last. ufw starts beside systemd-sysctl: what it sets must be right
        whichever of the two comes last.
        """
        ordered = sorted(self.names, key=lambda name: name.encode("utf-8", "surrogateescape"))
        # systemd skips hidden files; procps does not take off the blanks behind a dash.
        systemd = tuple(a for name in ordered if not name.startswith(".") for a in self.names[name])
        shared = tuple(a for name in ordered for a in self.names[name])
        procps = tuple(a for a in shared + self.conf if not _BLANK_BEHIND_DASH.match(a.text))
        first = Reader(SYSTEMD, systemd, self.gap)
        names = {*paths, *(ALIASES[path] for path in paths if path in ALIASES)}
        ufw = any(matches(each, path) for each in self.ufw for path in names)
        also = (Reader(UFW, self.ufw, self.gap, over=first),) if ufw else ()
        return first, Reader(PROCPS, procps, self.gap), *also


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
            text = text_of(snapshot, path, may_be_link=entry.kind is Kind.LINK)
            if isinstance(text, Unread):
                names[entry.name] = ()
                gap = gap or (None if text.reason is Reason.MISSING else text.gap(path))
            else:
                names[entry.name] = parse(path, text)
                # systemd ends a line here, procps does not: what each makes of it is not followed.
                gap = gap or (Gap(GapKind.UNMODELLED, path) if _LONE_RETURN.search(text) else None)
    gap = gap or mask_of(snapshot, "systemd-sysctl.service")
    conf = snapshot.ask(File(CONF))
    if isinstance(conf, Unread):
        gap = gap or (None if conf.reason is Reason.MISSING else conf.gap(CONF))
        conf = ""
    ufw, unread = _ufw(snapshot)
    return Files(names, paths, parse(CONF, conf), gap or unread, ufw)


# In ufw's files, which a shell reads.
_SHELL = r"""^[ \t]*{name}=(["']?)(?P<value>[^"'\s#]*)\1"""
_ENABLED = re.compile(_SHELL.format(name="ENABLED"), re.MULTILINE)
_IPT_SYSCTL = re.compile(_SHELL.format(name="IPT_SYSCTL"), re.MULTILINE)


def _ufw(snapshot: Snapshot) -> tuple[tuple[Assignment, ...], Gap | None]:
    """What ufw writes when it starts, if it does, and what of it could not be read."""
    if "ufw.service" not in snapshot.derive(enabled_units):
        return (), None
    settings = []
    for path, pattern in (("/etc/ufw/ufw.conf", _ENABLED), ("/etc/default/ufw", _IPT_SYSCTL)):
        text = snapshot.ask(File(path))
        if isinstance(text, Unread):
            return (), None if text.reason is Reason.MISSING else text.gap(path)
        said = [found["value"] for found in pattern.finditer(text)]
        settings.append(said[-1] if said else "")
    enabled, path = settings
    if enabled.lower() != "yes" or not path:
        return (), None
    if path != UFW_CONF:
        return (), Gap(GapKind.UNMODELLED, f"ufw: {path}")
    text = snapshot.ask(File(path))
    if isinstance(text, Unread):
        return (), None if text.reason is Reason.MISSING else text.gap(path)
    return parse(path, text), None


# --- interfaces -----------------------------------------------------------------------------------

_PIECE = re.compile(r"\[[!^]?\]?[^\]]*\]|.", re.DOTALL)
_LONGEST_NAME = 15  # bytes of an interface's name (linux/if.h, IFNAMSIZ)


def interfaces_of(files: Files, folder: str, leaf: str) -> Mapping[str, str]:
    """The interfaces that lines about ``leaf`` below ``folder`` name: what is written, and a name for it.

    The two differ for a pattern, whose name is one that it matches: an interface that may come.
    """
    found: dict[str, str] = {}
    for each in files.all():
        parts = each.key.split("/")
        if len(parts) != 5 or parts[3] in {"all", "default"}:  # noqa: PLR2004 - net/ipv4/conf/INTERFACE/LEAF
            continue
        name = example(parts[3])
        if len(name.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
            continue
        if name not in {"", "all", "default"} and matches(each, f"{folder}/{name}/{leaf}"):
            found.setdefault(parts[3], name)
    return found


def example(pattern: str) -> str:
    """A name that a pattern matches; a name without wildcards is its own example."""
    if not _GLOB & set(pattern):
        return pattern
    return "".join(_one_of(piece) for piece in _PIECE.findall(pattern))


def _one_of(piece: str) -> str:
    if piece == "*":
        return "any"
    if piece != "?" and not piece.startswith("["):
        return piece
    wanted = piece.replace("[^", "[!")
    return next(
        (char for char in string.ascii_lowercase + string.digits if fnmatch.fnmatchcase(char, wanted)), ""
    )


# --- who else writes ------------------------------------------------------------------------------

_ROUTING = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/*/forwarding",
    "net/ipv4/conf/*/route_localnet",
    "net/ipv6/conf/*/forwarding",
)
# Units that write parameters by themselves once they run, and which: from their documentation.
_BRIDGES = (*_ROUTING, "net/ipv6/conf/*/disable_ipv6", "net/ipv6/conf/*/autoconf")
_KUBERNETES = (*_ROUTING, "net/ipv4/conf/*/rp_filter", "kernel/panic_on_oops")
_WRITERS: Mapping[str, tuple[str, ...]] = {
    "docker.*": _ROUTING,
    "containerd.service": _ROUTING,
    "crio.service": _ROUTING,
    "snap.docker.*": _ROUTING,
    "k3s*.service": _KUBERNETES,
    "rke2-*.service": _KUBERNETES,
    "kubelet.service": _KUBERNETES,
    "snap.microk8s.*": _KUBERNETES,
    "libvirtd*": _BRIDGES,
    "virtnetworkd*": _BRIDGES,
    "lxc-net.service": _ROUTING,
    "lxd.*": _BRIDGES,
    "snap.lxd.*": _BRIDGES,
    "incus*": _BRIDGES,
    "NetworkManager.service": ("net/ipv6/conf/*/disable_ipv6",),
    "systemd-networkd.service": ("net/ipv6/conf/*/disable_ipv6",),  # links that ask for IPv6 get it
}
_APPORT = "/usr/share/apport/apport"
_OF_APPORT = frozenset({"fs/suid_dumpable", "kernel/core_pattern", "kernel/core_pipe_limit"})
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
        patterns = snapshot.derive(_tuned_keys) if unit == "tuned.service" else _written_by(unit)
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns):
            return Gap(GapKind.UNMODELLED, unit)
    return _apport(snapshot) if path in _OF_APPORT else None


def _written_by(unit: str) -> Iterator[str]:
    for name, keys in _WRITERS.items():
        if fnmatch.fnmatchcase(unit, name):
            yield from keys


def _apport(snapshot: Snapshot) -> Gap | None:
    """Ubuntu's crash collector, started by a unit or a script of System V, unless its own file says no."""
    installed = snapshot.ask(Stat(_APPORT))
    if isinstance(installed, Unread):
        return None if installed.reason is Reason.MISSING else installed.gap(_APPORT)
    settings = snapshot.ask(File("/etc/default/apport"))
    if isinstance(settings, str) and re.search(r"^\s*enabled=0\b", settings, re.MULTILINE):
        return None
    return Gap(GapKind.UNMODELLED, "apport")


def of_the_host(snapshot: Snapshot, path: str) -> Gap | None:
    """Why a key is not this system's to set: a container shows keys of its host, read-only."""
    marker = container(snapshot) if snapshot.live else None
    if marker is None:
        return None
    mounts = snapshot.ask(Mounts())
    held = None if isinstance(mounts, Unread) else holder(mounts, f"/proc/sys/{path}")
    if held is not None and "ro" not in held.options.split(","):
        return None
    words = _("this is a container ({marker}), and the key belongs to its host").format(marker=marker.detail)
    return Gap(GapKind.UNSUPPORTED, words)


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


def kernel_arguments(snapshot: Snapshot) -> Mapping[str, str] | Unread:
    """What ``sysctl.KEY=VALUE`` on the kernel's command line sets before any file is read."""
    line = snapshot.ask(KernelFile("/proc/cmdline"))
    if isinstance(line, Unread):
        return {} if line.reason is Reason.MISSING else line
    pairs = (
        word.removeprefix("sysctl.").partition("=") for word in line.split() if word.startswith("sysctl.")
    )
    return {normalize(key): value for key, equals, value in pairs if equals}


def unseen_arguments(unread: Unread, *, live: bool) -> Gap:
    """Why a default says nothing: the command line that might set the key cannot be seen."""
    if live:
        return unread.gap("/proc/cmdline")
    return Gap(GapKind.UNMODELLED, _("the kernel's command line, which an image does not show"))
