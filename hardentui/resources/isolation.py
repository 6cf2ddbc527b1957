"""How programs are cut off from each other: other roots, filters of system calls, namespaces."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from hardentui.i18n import _, ngettext
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources import capabilities
from hardentui.resources.base import names_or_none, nothing, wrong_subject
from hardentui.resources.containers.running import name_of
from hardentui.resources.listeners import listeners, server_of
from hardentui.snapshot import (
    NAMESPACES,
    ConfinedProcess,
    Confinement,
    KernelFile,
    KernelOption,
    Reason,
    Snapshot,
    Unread,
)

Programs = tuple[ConfinedProcess, ...]

_FIRST = 1  # the pid of the first process, whose namespaces are those of the system
_FILTER = 2  # seccomp(2): a filter of system calls
_SHOWN = 8  # names on one line
# With one of these a process of root leaves its root directory again (chroot(2), capabilities(7)).
_LEAVES = sum(1 << capabilities.NAMES.index(name) for name in ("cap_sys_chroot", "cap_sys_admin"))
# What puts a unit into a namespace of each kind (systemd.exec(5)).
_DIRECTIVES = {
    "mnt": "PrivateTmp=, ProtectSystem=, ProtectHome=",
    "uts": "ProtectHostname=",
    "ipc": "PrivateIPC=",
    "user": "PrivateUsers=",
    "pid": "PrivatePIDs= (systemd 257)",
    "net": "PrivateNetwork=",
    "cgroup": "ProtectControlGroups=private (systemd 257)",
    "time": "-",
}
_USER_NAMESPACES = "/proc/sys/user/max_user_namespaces"
# What of Debian's and Ubuntu's kernels keeps user namespaces from ordinary accounts, the value that
# does so, and the word for it.
_KEPT_FROM_USERS = (
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "root"),
    ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "apparmor"),
)


class Isolation:
    """The resource "isolation"."""

    name = "isolation"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if not snapshot.live:
            return Observation(None, seen_at=snapshot.taken_at)
        running, at = snapshot.ask_timed(Confinement())
        if isinstance(running, Unread):
            return Observation(nothing(running, _("processes")), seen_at=at)
        return Observation(_SUBJECTS[entry.subject](snapshot, running), seen_at=at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("how a service is confined is decided unit by unit: hardentui sandbox UNIT"))


def owner(one: ConfinedProcess) -> str:
    """The container or the unit of a process, or its own name where it is in none."""
    return name_of(one.cgroup) or one.unit or one.name or str(one.pid)


def listed(names: Iterable[str]) -> str:
    """Names on one line, each once, the most frequent first; the rest as a number."""
    counted = [name for name, _count in Counter(names).most_common()]
    more = len(counted) - _SHOWN
    shown = ", ".join(counted[:_SHOWN])
    return shown if more <= 0 else _("{names} and {count} more").format(names=shown, count=more)


def _hidden(running: Programs, what: str, lacks: Callable[[ConfinedProcess], bool]) -> Gap | None:
    """What could not be read of some processes, as a gap."""
    count = sum(map(lacks, running))
    if not count:
        return None
    sentence = ngettext("{what} of {count} process", "{what} of {count} processes", count)
    return Gap(GapKind.DENIED, sentence.format(what=what, count=count))


# --- chroot -----------------------------------------------------------------------------------------


def _in_other_roots(running: Programs) -> Programs:
    """The processes whose root is another folder. That of a container is "/" again (pivot_root(2))."""
    return tuple(one for one in running if one.root not in {"", "/"})


def _no_root(running: Programs) -> Gap | None:
    return _hidden(running, _("the root directory"), lambda one: not one.root)


def _chroots(_snapshot: Snapshot, running: Programs) -> Reading:
    found = _in_other_roots(running)
    by_root = _grouped(found, lambda one: one.root)
    places = tuple(Provenance(root, text=listed(map(owner, inside))) for root, inside in by_root.items())
    # The plan keeps the value: one that speaks no language is the same in each.
    value = ", ".join(f"{root} {len(inside)}" for root, inside in by_root.items()) or "none"
    return Reading({"": value}, _no_root(running), places)


def _leavable_chroots(_snapshot: Snapshot, running: Programs) -> Reading:
    """Chroots that hold nothing: their process is root, or may call chroot once more."""
    found = _in_other_roots(running)
    loose = []
    places = []
    for one in found:
        held = capabilities.names((one.cap_effective or 0) & _LEAVES)
        leaves = one.euid == 0 or bool(held)
        loose += [owner(one)] if leaves else []
        words = [one.user, one.root, *held] if leaves else [one.user, one.root]
        places.append((not leaves, Provenance(owner(one), text=", ".join(word for word in words if word))))
    gap = _no_root(running) or _hidden(
        found, _("the capabilities"), lambda one: one.cap_effective is None or one.euid is None
    )
    ordered = tuple(place for _fine, place in sorted(places, key=lambda place: place[0]))
    return Reading(names_or_none(loose, gap), gap, ordered)


# --- seccomp ----------------------------------------------------------------------------------------


def _seccomp(snapshot: Snapshot, running: Programs) -> Reading:
    """How many processes run in each mode of seccomp, and which are filtered."""
    modes = Counter(one.seccomp for one in running)
    value = f"none {modes[0]}, strict {modes[1]}, filter {modes[_FILTER]}"
    places = []
    for option in ("CONFIG_SECCOMP", "CONFIG_SECCOMP_FILTER"):
        built = snapshot.ask(KernelOption(option))
        if isinstance(built, str):
            places.append(Provenance(_("build of the kernel"), text=f"{option}={built}"))
    filtered = [one for one in running if one.seccomp]
    for unit, inside in _grouped(filtered, owner).items():
        most = max(one.seccomp_filters or 0 for one in inside)
        filters = ngettext("{count} filter", "{count} filters", most).format(count=most)
        text = _("strict") if inside[0].seccomp == 1 else filters
        places.append(Provenance(unit, text=text))
    gap = _hidden(running, _("the seccomp mode"), lambda one: one.seccomp is None)
    return Reading({"": value}, gap, tuple(places))


def _unfiltered(snapshot: Snapshot, running: Programs) -> Reading:
    """Services that other machines can reach, and that may make every system call."""
    found = listeners(snapshot)
    if isinstance(found, Gap):
        return Reading(gap=found)
    exposed = [one for one in found if one.exposed]
    if not exposed:
        return Reading(gap=Gap(GapKind.ABSENT, _("nothing can be reached from other machines")))
    first = next((one for one in running if one.pid == _FIRST), None)
    inherited = (first.seccomp_filters or 0) if first else 0
    known = {one.pid: one for one in running}
    bare = []
    gap = None
    places: dict[str, Provenance] = {}
    for listener in exposed:
        server = server_of(listener, known)
        if server is None or server.seccomp is None:
            gap = gap or Gap(GapKind.DENIED, _("what serves {socket}").format(socket=listener.name))
            continue
        filtered = server.seccomp == _FILTER and (not inherited or (server.seccomp_filters or 0) > inherited)
        bare += [] if filtered else [owner(server)]
        text = _("system calls filtered") if filtered else _("every system call is allowed")
        places.setdefault(owner(server), Provenance(owner(server), text=f"{text}, {listener.name}"))
    return Reading(names_or_none(bare, gap), gap, tuple(places.values()))


# --- namespaces -------------------------------------------------------------------------------------


def _namespaces(_snapshot: Snapshot, running: Programs) -> Reading:
    """For each kind, how many namespaces there are beside those of the first process, and whose."""
    first = next((one for one in running if one.pid == _FIRST), None)
    if first is None or not first.namespaces:
        return Reading(gap=Gap(GapKind.DENIED, _("the namespaces of the first process")))
    values = {}
    places = []
    gap = None
    for kind in NAMESPACES:
        own = first.namespaces.get(kind)
        if own is None:
            values[kind] = "-"  # the kernel is older than this kind
            continue
        apart = [one for one in running if one.namespaces.get(kind, own) != own]
        values[kind] = str(len({one.namespaces[kind] for one in apart}))
        names = listed(map(owner, apart)) or _("nobody")
        places.append(Provenance(kind, text=f"{names}; {_DIRECTIVES[kind]}"))
        gap = gap or _hidden(running, _("the namespaces"), lambda one, kind=kind: kind not in one.namespaces)  # type: ignore[misc]
    return Reading(values, gap, tuple(places))


def _user_namespaces(snapshot: Snapshot, _running: Programs) -> Reading:
    """Who may make a user namespace, in which it is root: everyone, root, or what AppArmor lets."""
    most = snapshot.ask(KernelFile(_USER_NAMESPACES))
    if isinstance(most, Unread):
        if most.reason is Reason.MISSING:
            return Reading(gap=Gap(GapKind.ABSENT, _USER_NAMESPACES))
        return nothing(most, _USER_NAMESPACES)
    places = [Provenance(_USER_NAMESPACES, text=most)]
    value = "nobody" if most == "0" else "everyone"
    for path, shut, word in _KEPT_FROM_USERS:
        seen = snapshot.ask(KernelFile(path))
        if isinstance(seen, Unread):
            if seen.reason is not Reason.MISSING:
                return nothing(seen, path)
            continue
        places.append(Provenance(path, text=seen))
        if seen == shut and value == "everyone":
            value = word
    return Reading({"": value}, provenance=tuple(places))


def _grouped(running: Iterable[ConfinedProcess], by: Callable[[ConfinedProcess], str]) -> dict[str, Programs]:
    groups: dict[str, list[ConfinedProcess]] = defaultdict(list)
    for one in running:
        groups[by(one)].append(one)
    return {name: tuple(inside) for name, inside in sorted(groups.items())}


_SUBJECTS: Mapping[str, Callable[[Snapshot, Programs], Reading]] = {
    "chroots": _chroots,
    "leavable-chroots": _leavable_chroots,
    "namespaces": _namespaces,
    "seccomp": _seccomp,
    "unfiltered": _unfiltered,
    "user-namespaces": _user_namespaces,
}
