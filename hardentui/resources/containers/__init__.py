"""Containers: which engines there are, who may command them, what their containers share with the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hardentui.i18n import _, ngettext
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.accounts import accounts_elsewhere
from hardentui.resources.base import names_or_none
from hardentui.resources.containers.engines import ENGINES, Engine
from hardentui.resources.containers.published import published, settings
from hardentui.resources.containers.running import Container, containers
from hardentui.resources.sockets import scope_of
from hardentui.snapshot import (
    Accounts,
    ConfinedProcess,
    Confinement,
    File,
    Folder,
    Groups,
    Kind,
    Reason,
    Snapshot,
    Sockets,
    Stat,
    Status,
    Unread,
)

_OTHERS_WRITE, _GROUP_WRITES = 0o002, 0o020
_SET_USER_ID = 0o4000
_FIRST = 1  # the process that is never away
_DOCKER_PORTS = frozenset({2375, 2376})  # without and with TLS
_LXC = "/var/lib/lxc"
_MACHINES = "/var/lib/machines"
_NSPAWN = "/etc/systemd/nspawn"
_FIREJAIL = ("/usr/bin/firejail", "/usr/local/bin/firejail")
_PROFILES = "/etc/firejail"


class Containers:
    """The resource "containers"."""

    name = "containers"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        known = (*_SUBJECTS, *_OF_FILES)
        if aspect or subject not in known:
            return f"expected one of {', '.join(known)} and no aspect, found {subject!r} {aspect!r}"
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if entry.subject in _OF_FILES:
            seen = _OF_FILES[entry.subject](snapshot)
            if not snapshot.live:
                return Observation(None, (seen,), seen_at=snapshot.taken_at)
            return Observation(seen, seen_at=snapshot.taken_at)
        if not snapshot.live:
            return Observation(None, seen_at=snapshot.taken_at)
        return Observation(_SUBJECTS[entry.subject](snapshot), seen_at=snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("what containers may do is for those who run them to decide"))


# --- engines ----------------------------------------------------------------------------------------


def _programs(snapshot: Snapshot) -> tuple[ConfinedProcess, ...] | Gap:
    """What runs; nothing on an image."""
    if not snapshot.live:
        return ()
    running = snapshot.ask(Confinement())
    return running.gap(_("processes")) if isinstance(running, Unread) else running


def _installed(snapshot: Snapshot, engine: Engine) -> str | Gap:
    """The file of an engine's main program, "" where there is none."""
    for path in engine.programs:
        seen = snapshot.ask(Stat(path))
        if not isinstance(seen, Unread):
            return path
        if seen.reason is not Reason.MISSING:
            return seen.gap(path)
    return ""


def _engines(snapshot: Snapshot) -> Reading:
    """Every engine that is installed or runs, and as whom."""
    running = _programs(snapshot)
    if isinstance(running, Gap):
        return Reading(gap=running)
    names = []
    places = []
    gap = None
    for engine in ENGINES:
        path = _installed(snapshot, engine)
        if isinstance(path, Gap):
            gap = gap or path
            path = ""
        users = dict.fromkeys(one.user or str(one.euid) for one in running if one.name in engine.processes)
        if not path and not users:
            continue
        state = _("runs as {users}").format(users=", ".join(users)) if users else _("does not run")
        names.append(f"{engine.name} ({', '.join(users)})" if users else engine.name)
        places.append(Provenance(path or engine.name, text=f"{engine.name}: {state}"))
    if not names and gap is None:
        return Reading(gap=Gap(GapKind.ABSENT, _("no container engine")))
    return Reading(names_or_none(names, gap), gap, tuple(places))


def _is_there(snapshot: Snapshot) -> bool | Gap:
    """Whether any engine is installed or runs."""
    seen = _engines(snapshot)
    if seen.values:
        return True
    return False if seen.gap is None or seen.gap.kind is GapKind.ABSENT else seen.gap


# --- who may command them ---------------------------------------------------------------------------


def _commanders(snapshot: Snapshot) -> Reading:
    """The accounts, beside root, that may tell an engine of root what to do."""
    who: list[str] = []
    places: list[Provenance] = []
    gap: Gap | None = None
    for path in dict.fromkeys(path for engine in ENGINES for path in engine.sockets):
        seen = snapshot.ask(Stat(path))
        if isinstance(seen, Unread):
            gap = gap or (None if seen.reason is Reason.MISSING else seen.gap(path))
            continue
        if seen.kind is not Kind.SOCKET:
            continue
        users = _writers(snapshot, seen)
        if isinstance(users, Gap):
            gap, users = gap or users, []
        who += users
        those = ", ".join(users) or _("root alone")
        places.append(Provenance(path, text=f"{seen.mode:04o} {seen.user}:{seen.group}: {those}"))
    ports, unread = _open_to_network(snapshot)
    who += ["the network"] if ports else []
    places += [Provenance(name, text=_("whoever reaches the port")) for name in ports]
    gap = gap or unread
    if not places and gap is None:
        return Reading(gap=Gap(GapKind.ABSENT, _("no container engine takes commands")))
    return Reading(names_or_none(who, gap), gap, tuple(places))


def _writers(snapshot: Snapshot, socket: Status) -> list[str] | Gap:
    """Who beside root may write to a socket: names of accounts, or "everyone"."""
    if socket.mode & _OTHERS_WRITE:
        return ["everyone"]
    found = [socket.user] if socket.uid else []
    if not socket.mode & _GROUP_WRITES:
        return found
    groups, accounts = snapshot.ask(Groups()), snapshot.ask(Accounts())
    if isinstance(groups, Unread):
        return groups.gap("/etc/group")
    if isinstance(accounts, Unread):
        return accounts.gap("/etc/passwd")
    found += [one.name for one in accounts if one.gid == socket.gid]
    found += [member for one in groups if one.gid == socket.gid for member in one.members]
    return [name for name in found if name != "root"] or accounts_elsewhere(snapshot) or []


def _open_to_network(snapshot: Snapshot) -> tuple[list[str], Gap | None]:
    """The TCP sockets on which Docker itself takes commands, as a list names them; or what hides them."""
    sockets = snapshot.ask(Sockets())
    if isinstance(sockets, Unread):
        return [], sockets.gap(_("listening sockets"))
    exposed = [
        one for one in sockets if one.protocol.startswith("tcp") and scope_of(one.address) != "loopback"
    ]
    found = [
        f"{one.protocol} {one.address}:{one.port}"
        for one in exposed
        if one.process == "dockerd" or (one.pid == _FIRST and one.port in _DOCKER_PORTS)  # docker.socket
    ]
    hidden = {one.port for one in exposed if not one.pid}
    if hidden and not _may_run(snapshot, "dockerd"):
        hidden &= _DOCKER_PORTS
    if not hidden:
        return found, None
    ports = ", ".join(map(str, sorted(hidden)))
    return found, Gap(GapKind.DENIED, _("whose the ports {ports} are").format(ports=ports))


def _may_run(snapshot: Snapshot, process: str) -> bool:
    """Whether a process of this name runs, or may where they are hidden (hidepid of proc(5))."""
    running = _programs(snapshot)
    if isinstance(running, Gap) or all(one.pid != _FIRST for one in running):
        return True
    return any(one.name == process for one in running)


# --- what runs --------------------------------------------------------------------------------------


def _open_containers(snapshot: Snapshot) -> Reading:
    """The containers whose root is as good as that of the host; all of them are shown."""
    found = snapshot.derive(containers)
    if isinstance(found, Gap):
        return Reading(gap=found)
    if not found:
        return Reading(gap=Gap(GapKind.ABSENT, _("no container runs")))
    ordered = sorted(found, key=lambda one: not one.holes)
    gap = next((one.gap for one in found if one.gap), None)
    places = tuple(Provenance(one.name, text=_isolation(one)) for one in ordered)
    return Reading(names_or_none((one.name for one in ordered if one.holes), gap), gap, places)


def _isolation(one: Container) -> str:
    """What a container may do and share, in words."""
    words = [_("users of its own") if one.own_users else _("the users of the host"), *one.holes]
    if one.shares:
        words.append(_("shares with the host: {kinds}").format(kinds=", ".join(one.shares)))
    return ", ".join(words)


def _published(snapshot: Snapshot) -> Reading:
    """The databases and brokers that an engine publishes to other machines; all published ports are shown."""
    found, gap = published(snapshot)
    if not found:
        there = _is_there(snapshot)
        if there is False:
            return Reading(gap=Gap(GapKind.ABSENT, _("no container engine")))
        gap = gap or (there if isinstance(there, Gap) else None)
    places = tuple(Provenance(one.name, text=one.by) for one in found)
    data = (one.name for one in found if one.is_data)
    return Reading(names_or_none(data, gap), gap, (*places, *settings(snapshot)))


# --- LXC, systemd-nspawn, firejail ------------------------------------------------------------------


def _lxc(snapshot: Snapshot) -> Reading:
    """The containers that LXC knows, and whether root in them is root here."""
    entries = snapshot.ask(Folder(_LXC))
    if isinstance(entries, Unread):
        return Reading(gap=entries.gap(_LXC))
    values = {}
    places = []
    gap = None
    for entry in entries:
        path = f"{_LXC}/{entry.name}/config"
        text = snapshot.ask(File(path)) if entry.kind is Kind.FOLDER else Unread(Reason.MISSING)
        if isinstance(text, Unread):
            gap = gap or (None if text.reason is Reason.MISSING else text.gap(path))
            continue
        mapped = any(line.split("=")[0].strip() in {"lxc.idmap", "lxc.id_map"} for line in text.splitlines())
        values[entry.name] = "unprivileged" if mapped else "privileged"
        places.append(
            Provenance(path, text=_("root in it is nobody here") if mapped else _("root in it is root here"))
        )
    if not values and gap is None:
        return Reading(gap=Gap(GapKind.ABSENT, _LXC))
    return Reading(values, gap, tuple(places))


def _machines(snapshot: Snapshot) -> Reading:
    """The machines that systemd-nspawn keeps, and their settings."""
    names: dict[str, str] = {}
    gap = None
    for folder, suffix in ((_MACHINES, ""), (_NSPAWN, ".nspawn")):
        entries = snapshot.ask(Folder(folder))
        if isinstance(entries, Unread):
            gap = gap or (None if entries.reason is Reason.MISSING else entries.gap(folder))
            continue
        for entry in entries:
            if entry.name.endswith(suffix) and not entry.name.startswith("."):
                names[entry.name.removesuffix(suffix)] = f"{folder}/{entry.name}"
    running = snapshot.derive(containers) if snapshot.live else ()
    if isinstance(running, Gap):
        gap, running = gap or running, ()
    states = {
        one.name.partition(" ")[2]: _isolation(one)
        for one in running
        if one.name.startswith(("machine ", "systemd-nspawn "))
    }
    places = tuple(
        Provenance(names.get(name, name), text=states.get(name, _("does not run")))
        for name in {**names, **states}
    )
    if not places and gap is None:
        return Reading(gap=Gap(GapKind.ABSENT, _MACHINES))
    return Reading(names_or_none({**names, **states}, gap), gap, places)


def _firejail(snapshot: Snapshot) -> Reading:
    """Whether firejail is there, whether it is a setuid program, and how many profiles it has."""
    for path in _FIREJAIL:
        seen = snapshot.ask(Stat(path))
        if isinstance(seen, Unread):
            if seen.reason is not Reason.MISSING:
                return Reading(gap=seen.gap(path))
            continue
        profiles = snapshot.ask(Folder(_PROFILES))
        count = sum(one.name.endswith(".profile") for one in profiles) if isinstance(profiles, tuple) else 0
        places = (
            Provenance(path, text=f"{seen.mode:04o} {seen.user}:{seen.group}"),
            Provenance(
                _PROFILES, text=ngettext("{count} profile", "{count} profiles", count).format(count=count)
            ),
        )
        value = "setuid" if seen.mode & _SET_USER_ID else "without setuid"
        return Reading({"": value}, provenance=places)
    return Reading(gap=Gap(GapKind.ABSENT, _FIREJAIL[0]))


_SUBJECTS: Mapping[str, Callable[[Snapshot], Reading]] = {
    "commanders": _commanders,
    "open": _open_containers,
    "published": _published,
}
# What files alone show: on an image too.
_OF_FILES: Mapping[str, Callable[[Snapshot], Reading]] = {
    "engines": _engines,
    "firejail": _firejail,
    "lxc": _lxc,
    "machines": _machines,
}
