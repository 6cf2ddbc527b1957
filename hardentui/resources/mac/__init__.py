"""Mandatory access control, whichever module does it: what holds, whom it leaves free, what it denied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import missing, nothing, why_not, wrong_subject
from hardentui.resources.listeners import listeners, server_of
from hardentui.resources.mac import apparmor, lsm, selinux
from hardentui.resources.mac.apparmor import AppArmor
from hardentui.resources.mac.selinux import Selinux
from hardentui.snapshot import Confinement, Denials, KernelFile, Snapshot, Unread

__all__ = ["AppArmor", "Mac", "Selinux"]

_SHOWN = 60
_NONE = "none"


class Mac:
    """The resource "mac"."""

    name = "mac"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        return _SUBJECTS[entry.subject](snapshot)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("SELinux and AppArmor each have recommendations of their own"))


# --- does one enforce -----------------------------------------------------------------------------


def _enforces(snapshot: Snapshot) -> Observation:
    boot = _at_boot(snapshot)
    return Observation(_running(snapshot) if snapshot.live else None, (boot,), seen_at=snapshot.taken_at)


def _running(snapshot: Snapshot) -> Reading:
    module = lsm.running_module(snapshot)
    if isinstance(module, Unread):
        return nothing(module, lsm.ENFORCE)
    if module == lsm.SELINUX:
        mode = str(lsm.selinux_now(snapshot))
        return Reading({lsm.NAMES[module]: mode}, provenance=(Provenance(lsm.ENFORCE, text=mode),))
    if not module:
        return Reading({"": _NONE}, provenance=(Provenance(lsm.MODULES),))
    modes = apparmor.loaded(snapshot)
    if isinstance(modes, Unread):
        return nothing(modes, apparmor.PROFILES)
    count = sum(mode == "enforce" for mode in modes.values())
    text = _("{count} of {all} profiles enforce").format(count=count, all=len(modes))
    value = lsm.ENFORCING if count else lsm.PERMISSIVE
    return Reading({lsm.NAMES[module]: value}, provenance=(Provenance(apparmor.PROFILES, text=text),))


def _at_boot(snapshot: Snapshot) -> Reading:
    starts = lsm.starts(snapshot)
    if isinstance(starts, Gap):
        return Reading(gap=starts)
    if all(start.module == lsm.SELINUX for start in starts):
        written = selinux.config(snapshot)
        if isinstance(written, Unread):
            return nothing(written, selinux.CONFIG)
        seen = selinux.boot_mode(snapshot, written)
        return Reading(
            {f"{lsm.NAMES[lsm.SELINUX]} {part}".strip(): value for part, value in seen.values.items()},
            seen.gap,
            seen.provenance,
        )
    if all(start.module == lsm.APPARMOR for start in starts):
        seen, facts = apparmor.boot_state(snapshot)
        value = lsm.ENFORCING if facts["unit"] == "enabled" else "no profile loaded"
        return Reading({lsm.NAMES[lsm.APPARMOR]: value} if facts["unit"] else {}, seen.gap, seen.provenance)
    modules = {start.title: lsm.NAMES.get(start.module, _NONE) for start in starts}
    return Reading(
        modules if len(set(modules.values())) > 1 else {"": _NONE},
        provenance=tuple(start.place for start in starts),
    )


def _modules(snapshot: Snapshot) -> Observation:
    """The security modules of the kernel, in the order in which it asks them."""
    if not snapshot.live:
        return Observation(None, seen_at=snapshot.taken_at)
    text, at = snapshot.ask_timed(KernelFile(lsm.MODULES))
    if isinstance(text, Unread):
        return Observation(nothing(text, lsm.MODULES), seen_at=at)
    return Observation(Reading({"": text}, provenance=(Provenance(lsm.MODULES),)), seen_at=at)


# --- whom it leaves free --------------------------------------------------------------------------


def _listeners(snapshot: Snapshot) -> Observation:
    """Programs that can be reached over the network, and that no module holds back."""
    if not snapshot.live:
        return Observation(None, seen_at=snapshot.taken_at)
    module = lsm.running_module(snapshot)
    if isinstance(module, Unread):
        return missing(module.gap(lsm.ENFORCE))
    running, at = snapshot.ask_timed(Confinement())
    heard = listeners(snapshot)
    if isinstance(running, Unread):
        return Observation(nothing(running, _("processes")), seen_at=at)
    if isinstance(heard, Gap):
        return Observation(Reading(gap=heard), seen_at=at)
    reachable = [one for one in heard if one.exposed]
    processes = {one.pid: one for one in running}
    free: dict[str, str] = {}
    held = []
    hidden = {
        one.socket.port for one in reachable if one.socket.pid not in processes and not one.waiting_unit
    }
    for one in sorted(reachable, key=lambda one: (one.socket.port, one.socket.protocol)):
        process = server_of(one, processes)
        if process is None or process.pid == 1:  # systemd holds the sockets of units that nobody called yet
            continue
        if not process.label_read:
            hidden.add(one.socket.port)
            continue
        name = f"{one.socket.protocol} {one.socket.port} {process.name}"
        place = Provenance(name, text=process.label or "unconfined")
        if _is_held(module, process.label):
            held.append(place)
        else:
            free[process.name] = free.get(process.name, "") or process.label or "unconfined"
            held.insert(0, place)
    gap = None
    if hidden:
        gap = Gap(
            GapKind.DENIED, _("whose the ports {ports} are").format(ports=", ".join(map(str, sorted(hidden))))
        )
    return Observation(Reading({"": ", ".join(sorted(free)) or _NONE}, gap, tuple(held[:_SHOWN])), seen_at=at)


def _is_held(module: str, label: str) -> bool:
    if module == lsm.SELINUX:
        return selinux.is_confined(label)
    return module == lsm.APPARMOR and apparmor.is_confined(label)


# --- what was denied ------------------------------------------------------------------------------


def _denials(snapshot: Snapshot) -> Observation:
    """What was denied, or noted, since this start, by domain or profile."""
    if not snapshot.live:
        return Observation(None, seen_at=snapshot.taken_at)
    module = lsm.running_module(snapshot)
    if not isinstance(module, Unread) and not module:
        return missing(Gap(GapKind.ABSENT, _("neither SELinux nor AppArmor runs")))
    found, at = snapshot.ask_timed(Denials())
    if isinstance(found, Unread):
        return Observation(nothing(found, _("records of denials")), seen_at=at)
    places = tuple(
        Provenance(
            one.subject,
            text=f"{one.operation} → {one.target}: {one.count} "
            + (_("denied") if one.enforced else _("noted")),
        )
        for one in found
    )
    value = _("{denied} denied, {noted} noted").format(
        denied=sum(one.count for one in found if one.enforced),
        noted=sum(one.count for one in found if not one.enforced),
    )
    if shares := _by_subject(snapshot):
        value += f": {shares}"
    return Observation(Reading({"": value}, provenance=places[:_SHOWN]), seen_at=at)


def _by_subject(snapshot: Snapshot) -> str:
    """The domains or profiles that were denied most: "udev_t 6, getty_t 1"."""
    found = snapshot.ask(Denials())
    counts: Counter[str] = Counter()
    for one in () if isinstance(found, Unread) else found:
        counts[one.subject] += one.count
    return ", ".join(f"{name} {count}" for name, count in counts.most_common(5))


def denied_so_far(snapshot: Snapshot, module: str) -> str | None:
    """What a module would have denied, in a few words; None for nothing, or where the other one runs."""
    if lsm.running_module(snapshot) != module:
        return None
    found = snapshot.ask(Denials())
    if isinstance(found, Unread):
        return _("what would be denied could not be read ({why})").format(why=why_not(found))
    shares = _by_subject(snapshot)
    return _("since this start it would have denied: {names}").format(names=shares) if shares else None


_SUBJECTS: Mapping[str, Callable[[Snapshot], Observation]] = {
    "denials": _denials,
    "enforces": _enforces,
    "listeners": _listeners,
    "modules": _modules,
}
