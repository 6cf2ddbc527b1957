"""Unix sockets with a path: who may connect, and whether the folder lets others put one in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import nothing
from hardentui.snapshot import Kind, Reason, Snapshot, Sockets, Stat, Status, Unread

# To connect to a socket one must be allowed to write to it; reading alone gives nothing (unix(7)).
_STICKY, _OTHERS_WRITE, _OTHERS_ENTER = 0o1000, 0o002, 0o001
# Open to everyone on purpose: the service behind it asks who is calling.
_PUBLIC = re.compile(
    r"/run/(?:acpid|avahi-daemon|chrony|cups|dbus|gssproxy|mysqld|nscd|pcscd|postgresql|rpcbind|snapd|systemd|"
    r"udev|uuidd)(?:[./].*)?"
)


class Endpoints:
    """The resource "endpoints": the value is the number of sockets that everyone may use, of how many."""

    name = "endpoints"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        if aspect or subject != "unix-sockets":
            return f"expected unix-sockets and no aspect, found {subject!r} {aspect!r}"
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:  # noqa: ARG002
        """See Resource."""
        if not snapshot.live:
            return Observation(None, seen_at=snapshot.taken_at)
        sockets, at = snapshot.ask_timed(Sockets())
        if isinstance(sockets, Unread):
            return Observation(nothing(sockets, _("listening sockets")), seen_at=at)
        owners = {one.address: one.process for one in reversed(sockets) if one.protocol == "unix"}
        return Observation(_reading(snapshot, owners), seen_at=at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("who may use a socket is for a person to decide"))


def _reading(snapshot: Snapshot, owners: Mapping[str, str]) -> Reading:
    places: list[tuple[int, Provenance]] = []
    gap: Gap | None = None
    count = loose = 0
    for path, process in sorted(owners.items()):
        seen = snapshot.ask(Stat(path))
        if isinstance(seen, Unread):
            if seen.reason not in {Reason.MISSING, Reason.VANISHED}:
                gap = gap or seen.gap(path)
            continue
        if seen.kind is not Kind.SOCKET:
            continue
        count += 1
        faults = _faults(snapshot, path, seen)
        loose += bool(faults)
        words = [f"{seen.mode:04o} {seen.user}:{seen.group}", *([process] if process else []), *faults]
        places.append((not faults, Provenance(path, text=", ".join(words))))
    if not count and gap is None:
        return Reading(gap=Gap(GapKind.ABSENT, _("no socket with a path")))
    value = _("{count} sockets, {loose} to look at").format(count=count, loose=loose)
    ordered = sorted(places, key=lambda place: place[0])
    return Reading({"": value}, gap, tuple(place for _fine, place in ordered))


def _faults(snapshot: Snapshot, path: str, seen: Status) -> list[str]:
    folders = _folders(snapshot, path)
    faults = []
    public = _PUBLIC.fullmatch(path.replace("/var/run/", "/run/", 1))
    reached = all(folder.mode & _OTHERS_ENTER for folder in folders)
    if seen.mode & _OTHERS_WRITE and reached and not public:
        faults.append(_("everyone may use it"))
    if any(folder.mode & _OTHERS_WRITE and not folder.mode & _STICKY for folder in folders):
        faults.append(_("everyone may replace it"))
    return faults


def _folders(snapshot: Snapshot, path: str) -> list[Status]:
    """The status of each folder above a path that can be seen; links among them say nothing."""
    found = []
    while path := path.rpartition("/")[0]:
        seen = snapshot.ask(Stat(path))
        if isinstance(seen, Status) and seen.kind is Kind.FOLDER:
            found.append(seen)
    return found
