"""Control groups: which version the kernel mounts, what systemd puts into them, their limits and use."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import nothing, wrong_subject
from hardentui.snapshot import ControlGroup, ControlGroups, KernelFile, Mounts, Snapshot, Unread

_SERVICES = "/system.slice/"
_UNLIMITED = "max"
_MEBIBYTE = 1 << 20
_MICROSECONDS = 1_000_000
_LIMITS = {
    "memory_max": "MemoryMax=",
    "memory_high": "MemoryHigh=",
    "tasks_max": "TasksMax=",
    "cpu_max": "CPUQuota=",
    "io_max": "IO*Max=",
}


class Cgroups:
    """The resource "cgroups"."""

    name = "cgroups"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if not snapshot.live:
            return Observation(None, seen_at=snapshot.taken_at)
        return Observation(_SUBJECTS[entry.subject](snapshot), seen_at=snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("which limit a service bears is for a person to decide"))


def _version(snapshot: Snapshot) -> Reading:
    """Either "v2", "v1" or "hybrid" (both), with the controllers of each."""
    mounts = snapshot.ask(Mounts())
    if isinstance(mounts, Unread):
        return nothing(mounts, "/proc/self/mountinfo")
    second = [one for one in mounts if one.fstype == "cgroup2"]
    first = [one for one in mounts if one.fstype == "cgroup"]
    places = [Provenance(one.path, text=f"{one.fstype} {one.super_options}") for one in (*second, *first)]
    if not places:
        return Reading(gap=Gap(GapKind.ABSENT, _("no control group file system is mounted")))
    for one in second:
        controllers = snapshot.ask(KernelFile(f"{one.path}/cgroup.controllers"))
        if isinstance(controllers, str):
            places.append(Provenance(f"{one.path}/cgroup.controllers", text=controllers))
    version = "hybrid" if first and second else "v1" if first else "v2"
    return Reading({"": version}, provenance=tuple(places))


def _services(snapshot: Snapshot) -> tuple[ControlGroup, ...] | Reading:
    """The groups of the services; or a reading that says why there are none."""
    groups = snapshot.ask(ControlGroups())
    if isinstance(groups, Unread):
        return nothing(groups, _("control groups"))
    found = tuple(one for one in groups if one.path.startswith(_SERVICES) and one.path.endswith(".service"))
    if not found:
        return Reading(gap=Gap(GapKind.ABSENT, _("no service has a control group below system.slice")))
    return found


def _name(one: ControlGroup) -> str:
    return one.path.rpartition("/")[2]


def _tree(snapshot: Snapshot) -> Reading:
    """The slices and what lies in each, as systemd-cgls shows them."""
    groups = snapshot.ask(ControlGroups())
    if isinstance(groups, Unread):
        return nothing(groups, _("control groups"))
    if not groups:
        return Reading(gap=Gap(GapKind.ABSENT, _("every process is in the first control group")))
    slices = [one for one in groups if one.path.endswith(".slice")]
    places = tuple(
        Provenance(above.path, text=", ".join(_name(one) for one in groups if _above(one) == above.path))
        for above in slices
    )
    others = [_name(one) for one in groups if _above(one) == "" and one not in slices]
    if others:
        places = (*places, Provenance("/", text=", ".join(others)))
    services = sum(one.path.startswith(_SERVICES) and one.path.endswith(".service") for one in groups)
    value = _("{count} services in system.slice, {groups} groups").format(count=services, groups=len(groups))
    return Reading({"": value}, provenance=places)


def _above(one: ControlGroup) -> str:
    return one.path.rpartition("/")[0]


def _limits(snapshot: Snapshot) -> Reading:
    """Which services may take all the memory: each with the limits that it has, the unlimited first."""
    services = _services(snapshot)
    if isinstance(services, Reading):
        return services
    places = []
    free = unread = 0
    for one in services:
        limits = {word: getattr(one, field) for field, word in _LIMITS.items()}
        set_ = [f"{word}{_size(word, text)}" for word, text in limits.items() if text not in {"", _UNLIMITED}]
        unread += not one.memory_max
        boundless = one.memory_max == _UNLIMITED
        free += boundless
        if boundless:
            set_.append(_("memory without a limit"))
        places.append((not boundless, Provenance(_name(one), text=", ".join(set_))))
    gap = Gap(GapKind.FAILED, _("memory limits of {count} services").format(count=unread)) if unread else None
    value = _("{free} of {count} services may take all the memory").format(free=free, count=len(services))
    ordered = tuple(place for _limited, place in sorted(places, key=lambda place: place[0]))
    return Reading({"": value}, gap, ordered)


def _size(word: str, text: str) -> str:
    """A limit as a unit file would say it: memory in MiB, the rest as it is."""
    return mebibytes(text) if word.startswith("Memory") else text


def mebibytes(text: str) -> str:
    """A number of bytes in MiB; a word such as "max" as it stands."""
    return f"{int(text) // _MEBIBYTE}M" if text.isdecimal() else text


def _use(snapshot: Snapshot) -> Reading:
    """What each service uses, those with most memory first: one page of systemd-cgtop."""
    services = _services(snapshot)
    if isinstance(services, Reading):
        return services
    ordered = sorted(
        services,
        key=lambda one: int(one.memory_current) if one.memory_current.isdecimal() else -1,
        reverse=True,
    )
    places = []
    for one in ordered:
        words = [
            mebibytes(one.memory_current),
            _("tasks {count}").format(count=one.tasks_current) if one.tasks_current else "",
            _("{seconds} s of processor").format(seconds=one.cpu_usage // _MICROSECONDS)
            if one.cpu_usage is not None
            else "",
        ]
        places.append(Provenance(_name(one), text=", ".join(word for word in words if word)))
    measured = [one for one in services if one.memory_current.isdecimal()]
    total = sum(int(one.memory_current) for one in measured) // _MEBIBYTE
    value = _("{count} services, {total} MiB").format(count=len(services), total=total)
    unread = len(services) - len(measured)
    gap = Gap(GapKind.FAILED, _("memory of {count} services").format(count=unread)) if unread else None
    return Reading({"": value}, gap, tuple(places))


_SUBJECTS: Mapping[str, Callable[[Snapshot], Reading]] = {
    "limits": _limits,
    "tree": _tree,
    "use": _use,
    "version": _version,
}
