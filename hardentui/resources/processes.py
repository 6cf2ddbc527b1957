"""What runs, as whom, with which rights, and what of it can be reached: views for a person to judge."""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources import capabilities
from hardentui.resources.base import nothing, wrong_subject
from hardentui.snapshot import (
    Accounts,
    KernelFile,
    Process,
    Processes,
    Snapshot,
    Socket,
    Sockets,
    Unread,
)

_FIRST_FREE_PORT = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
_DEFAULT_FREE_PORT = 1024
_KERNEL_THREADS = 2  # kthreadd, and the parent of all kernel threads
# Units that hold people's sessions: what runs there runs as whom it should.
_SESSIONS = re.compile(r"(?:user@|user-runtime-dir@|getty@|serial-getty@|console-getty|emergency|rescue)")
_FILTER = 2  # seccomp(2): a filter of system calls


class ProcessViews:
    """The resource "processes"."""

    name = "processes"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if not snapshot.live:
            return Observation(None, seen_at=snapshot.taken_at)
        running, at = snapshot.ask_timed(Processes())
        if isinstance(running, Unread):
            return Observation(nothing(running, _("processes")), seen_at=at)
        if all(one.effective_uid < 0 for one in running):
            return Observation(
                Reading(gap=Gap(GapKind.NOT_RECORDED, _("users of the processes"))), seen_at=at
            )
        programs = tuple(one for one in running if _KERNEL_THREADS not in {one.pid, one.ppid})
        return Observation(_SUBJECTS[entry.subject](snapshot, programs), seen_at=at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("as whom a service runs is for a person to decide"))


def _by_service(programs: Iterable[Process]) -> Mapping[str, list[Process]]:
    """The processes of each service unit, sessions aside, by pid."""
    services: dict[str, list[Process]] = defaultdict(list)
    for one in sorted(programs, key=lambda one: one.pid):
        if one.unit.endswith(".service") and not _SESSIONS.match(one.unit):
            services[one.unit].append(one)
    return dict(sorted(services.items()))


def _no_services() -> Reading:
    return Reading(gap=Gap(GapKind.ABSENT, _("no process belongs to a systemd service")))


def _user_names(snapshot: Snapshot) -> Callable[[Process], str]:
    """The name of the user whose rights a process has."""
    accounts = snapshot.ask(Accounts())
    known = {} if isinstance(accounts, Unread) else {one.uid: one.name for one in accounts}

    def name(one: Process) -> str:
        if one.effective_uid == one.uid and one.user:
            return one.user
        return known.get(one.effective_uid, str(one.effective_uid))

    return name


def _accounts(snapshot: Snapshot, programs: tuple[Process, ...]) -> Reading:
    """Which account each service runs as: accounts that two unrelated services share, and root's services."""
    services = _by_service(programs)
    if not services:
        return _no_services()
    user = _user_names(snapshot)
    units: dict[str, list[str]] = defaultdict(list)
    for unit, members in services.items():
        for name in dict.fromkeys(user(one) for one in members):
            units[name].append(unit)
    shared = {
        name: names
        for name, names in sorted(units.items())
        if name != "root" and len({_family(unit) for unit in names}) > 1
    }
    root = units.get("root", [])
    places = [
        *(Provenance(name, text=", ".join(names)) for name, names in shared.items()),
        *(
            Provenance(name, text=", ".join(names))
            for name, names in sorted(units.items())
            if name not in shared
        ),
    ]
    value = _("shared: {names}; services of root: {count}").format(
        names=", ".join(shared) or _("none"), count=len(root)
    )
    return Reading({"": value}, provenance=tuple(places))


def _family(unit: str) -> str:
    """Instances of one template are related: postgresql@15-main, postgresql@16-main."""
    return unit.removesuffix(".service").partition("@")[0]


# --- listeners --------------------------------------------------------------------------------------


def _listeners(snapshot: Snapshot) -> tuple[Socket, ...] | Unread:
    sockets = snapshot.ask(Sockets())
    return sockets if isinstance(sockets, Unread) else tuple(s for s in sockets if s.protocol != "unix")


def _hidden(listeners: Iterable[Socket]) -> Gap | None:
    """Listeners whose process cannot be seen are a gap, not a service without fault."""
    hidden = sorted({one.port for one in listeners if not one.pid})
    if not hidden:
        return None
    return Gap(GapKind.DENIED, _("whose the ports {ports} are").format(ports=", ".join(map(str, hidden))))


def _exposure(address: str) -> str:
    try:
        seen = ipaddress.ip_address(address)
    except ValueError:
        return address
    if seen.is_unspecified:
        return _("every address")
    return _("this host only") if seen.is_loopback else address


def _place(one: Socket) -> str:
    address = f"[{one.address}]" if ":" in one.address else one.address
    return f"{one.protocol} {address}:{one.port}"


def _root_listeners(snapshot: Snapshot, programs: tuple[Process, ...]) -> Reading:
    """Processes of user 0 that listen: whoever takes one over has the system."""
    listeners = _listeners(snapshot)
    if isinstance(listeners, Unread):
        return nothing(listeners, _("listening sockets"))
    root = {one.pid: one for one in programs if one.effective_uid == 0}
    found = [one for one in listeners if one.pid in root]
    places = tuple(
        Provenance(_place(one), text=f"{_owner(one)}, {_exposure(one.address)}")
        for one in sorted(found, key=lambda one: (one.port, one.protocol))
    )
    names = sorted({one.process for one in found})
    return Reading({"": ", ".join(names) or "none"}, _hidden(listeners), places)


def _owner(one: Socket) -> str:
    if one.pid == 1:
        return _("systemd, for a socket unit")
    return f"{one.process} ({one.unit})" if one.unit else one.process


def _privileged_ports(snapshot: Snapshot, programs: tuple[Process, ...]) -> Reading:
    """Listeners on ports that ask for a privilege, and how much of it their process still has."""
    listeners = _listeners(snapshot)
    if isinstance(listeners, Unread):
        return nothing(listeners, _("listening sockets"))
    start = snapshot.ask(KernelFile(_FIRST_FREE_PORT))
    first = int(start) if isinstance(start, str) and start.isdigit() else _DEFAULT_FREE_PORT
    low = sorted((one for one in listeners if one.port < first), key=lambda one: (one.port, one.protocol))
    processes = {one.pid: one for one in programs}
    whole = set()
    places = []
    for one in low:
        owner = processes.get(one.pid)
        if owner is not None and owner.effective_uid == 0:
            whole.add(one.port)
        text = f"{_owner(one)}: {_rights(owner)}" if one.pid else _rights(None)
        places.append(Provenance(_place(one), text=text))
    value = _("as root: {ports}").format(ports=", ".join(map(str, sorted(whole))) or _("none"))
    return Reading({"": value}, _hidden(low), tuple(places))


def _rights(one: Process | None) -> str:
    if one is None:
        return _("process not seen")
    if one.effective_uid == 0:
        bare = 0 <= one.bounding < (1 << len(capabilities.NAMES)) - 1
        return _("root, with some capabilities taken away") if bare else _("root, with all its capabilities")
    if one.capabilities == capabilities.NET_BIND_SERVICE:
        return _("{user}, with nothing but cap_net_bind_service").format(user=one.user)
    if one.capabilities > 0:
        return _("{user}, with {names}").format(
            user=one.user, names=", ".join(capabilities.names(one.capabilities))
        )
    return _("{user}, without a capability").format(user=one.user)


# --- services ---------------------------------------------------------------------------------------


def _separation(snapshot: Snapshot, programs: tuple[Process, ...]) -> Reading:
    """Services that start as root and hand the work to processes of another user, as trees."""
    services = _by_service(programs)
    if not services:
        return _no_services()
    user = _user_names(snapshot)
    of_root = {
        unit: members for unit, members in services.items() if any(m.effective_uid == 0 for m in members)
    }
    separated = [pair for pair in of_root.items() if any(one.effective_uid > 0 for one in pair[1])]
    kept = [pair for pair in of_root.items() if pair not in separated]
    places = [Provenance(unit, text=_tree(members, user)) for unit, members in (*separated, *kept)]
    value = _("{count} hand work to another user, {kept} stay root").format(
        count=len(separated), kept=len(kept)
    )
    return Reading({"": value}, provenance=tuple(places))


def _tree(members: list[Process], user: Callable[[Process], str]) -> str:
    """The processes of a service, parents before children: "root nginx > www-data nginx (4)"."""
    inside = {one.pid for one in members}
    children: dict[int, list[Process]] = defaultdict(list)
    for one in members:
        children[one.ppid if one.ppid in inside else 0].append(one)

    def branch(parent: int) -> str:
        counted: dict[str, int] = {}
        for one in children[parent]:
            below = branch(one.pid)
            label = f"{user(one)} {one.name}" + (f" > {below}" if below else "")
            counted[label] = counted.get(label, 0) + 1
        return ", ".join(label if count == 1 else f"{label} ({count})" for label, count in counted.items())

    return branch(0)


def _capabilities(snapshot: Snapshot, programs: tuple[Process, ...]) -> Reading:
    """Processes that are not root's and have capabilities all the same."""
    user = _user_names(snapshot)
    found = [one for one in programs if one.effective_uid > 0 and one.permitted > 0]
    strong = 0
    places = []
    for one in sorted(found, key=lambda one: one.pid):
        text = ", ".join(capabilities.names(one.permitted))
        flagged = capabilities.flagged(one.permitted)
        if flagged:
            strong += 1
            text += "; " + _("as good as root: {names}").format(names=", ".join(flagged))
        places.append(Provenance(f"{user(one)} {one.name}", text=text))
    value = _("{count} processes, {strong} as good as root").format(count=len(found), strong=strong)
    unread = any(one.permitted < 0 for one in programs)
    gap = Gap(GapKind.DENIED, _("capabilities of the processes")) if unread else None
    return Reading({"": value}, gap, tuple(places))


def _confinement(snapshot: Snapshot, programs: tuple[Process, ...]) -> Reading:
    """How each service is held: user, new privileges, filter of system calls, bounding set."""
    services = _by_service(programs)
    if not services:
        return _no_services()
    user = _user_names(snapshot)
    # In a container everything is held as its first process is: only what goes further counts.
    first = next((one for one in programs if one.pid == 1), None)
    full = first.bounding if first else -1
    filtered = first.seccomp if first else 0
    free = 0
    places = []
    for unit, members in services.items():
        main = members[0]
        holds = [
            *([_("no new privileges")] if main.no_new_privileges == 1 else []),
            *([_("system calls filtered")] if main.seccomp == _FILTER != filtered else []),
            *([_("capabilities bounded")] if 0 <= main.bounding < full else []),
        ]
        if main.effective_uid == 0 and not holds:
            free += 1
        held = ", ".join(holds) or _("nothing holds it")
        places.append(Provenance(unit, text=f"{user(main)}: {held}"))
    value = _("{count} services, {free} of them root with nothing that holds them").format(
        count=len(services), free=free
    )
    return Reading({"": value}, provenance=tuple(places))


_SUBJECTS: Mapping[str, Callable[[Snapshot, tuple[Process, ...]], Reading]] = {
    "accounts": _accounts,
    "capabilities": _capabilities,
    "confinement": _confinement,
    "privileged-ports": _privileged_ports,
    "root-listeners": _root_listeners,
    "separation": _separation,
}
