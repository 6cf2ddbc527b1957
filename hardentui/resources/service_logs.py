"""The log of each service (ANSSI R72): whether the service itself may read, change or remove it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources import grants
from hardentui.resources.base import names_or_none, wrong_subject
from hardentui.resources.confinement.matrix import Matrix, matrix
from hardentui.resources.grants import Grant
from hardentui.snapshot import (
    Account,
    Accounts,
    Folder,
    Group,
    Groups,
    Kind,
    Reason,
    Snapshot,
    Stat,
    Status,
    Unread,
)

FOLDER = "/var/log"
_DEPTH = 3  # folders of folders below it
_MOST = 1000  # files that are looked at
_NOBODYS = frozenset({f"{FOLDER}/journal", f"{FOLDER}/audit"})  # kept by journald and auditd for all
# Those whose work it is to keep the logs of all others.
_KEEPERS = frozenset(
    {
        "rsyslog.service",
        "syslog-ng.service",
        "systemd-journald.service",
        "systemd-journal-remote.service",
        "auditd.service",
    }
)


class ServiceLogs:
    """The resource "service-logs". The subject "own": services that may touch their own logs, or "none"."""

    name = "service-logs"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, ("own",))

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:  # noqa: ARG002 - one subject
        """See Resource."""
        running = _own(snapshot) if snapshot.live else None
        return Observation(running, seen_at=snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("where a service logs is set in its own configuration"))


@dataclass(frozen=True, slots=True)
class _Identity:
    """As whom a service runs: the name of a user, and its groups by number and name."""

    user: str
    groups: Mapping[int, str]


def _own(snapshot: Snapshot) -> Reading:
    """The services that may read, change or remove a log below /var/log that is theirs."""
    found = matrix(snapshot)
    if isinstance(found, Gap):
        return Reading(gap=found)
    identities = _identities(snapshot, found)
    if isinstance(identities, Gap):
        return Reading(gap=identities)
    files, gap = _files(snapshot)
    faults: dict[str, list[Provenance]] = {}
    for path, status in files if identities else ():
        given = grants.grants(snapshot, path, status)
        if isinstance(given, Gap):
            gap = gap or given
            continue
        for unit, who in identities:
            if verb := _power(status, who, given):
                owner = " ".join((f"{status.user}:{status.group} {status.mode:04o}", *map(str, given)))
                words = _("{unit} may {verb} as {user} ({owner})")
                text = words.format(unit=unit, verb=verb, user=who.user, owner=owner)
                faults.setdefault(unit, []).append(Provenance(path, text=text))
    dark = next((one for one in found.services if not one.users), None)
    gap = gap or (Gap(GapKind.DENIED, dark.unit) if dark is not None else None)
    places = tuple(place for listed in faults.values() for place in listed)
    return Reading(names_or_none(faults, gap), gap, places)


def _identities(snapshot: Snapshot, found: Matrix) -> list[tuple[str, _Identity]] | Gap:
    """The services that do not run as root alone, as whom they run. Root may do anything with any log."""
    accounts, groups = snapshot.ask(Accounts()), snapshot.ask(Groups())
    if isinstance(accounts, Unread):
        return accounts.gap("/etc/passwd")
    if isinstance(groups, Unread):
        return groups.gap("/etc/group")
    known = {account.name: account for account in accounts}
    return [
        (one.unit, _Identity(user, _groups_of(user, known.get(user), groups)))
        for one in found.services
        if one.unit not in _KEEPERS and not one.unit.startswith("user@")
        for user in one.users
        if user != "root"
    ]


def _groups_of(user: str, account: Account | None, groups: tuple[Group, ...]) -> Mapping[int, str]:
    own = -1 if account is None else account.gid
    named = {group.gid: group.name for group in groups if user in group.members or group.gid == own}
    return named if own in named or account is None else {**named, own: str(own)}


def _files(snapshot: Snapshot) -> tuple[list[tuple[str, Status]], Gap | None]:
    """All files and folders below /var/log, and what of them could not be read."""
    found: list[tuple[str, Status]] = []
    gaps: list[Gap] = []
    for path, status in _walk(snapshot, FOLDER, _DEPTH):
        if isinstance(status, Unread):
            gaps.append(status.gap(path))
        else:
            found.append((path, status))
        if len(found) >= _MOST:
            gaps.append(
                Gap(GapKind.INCOMPLETE, _("{path}: more than {count} files").format(path=FOLDER, count=_MOST))
            )
            break
    return found, gaps[0] if gaps else None


def _walk(snapshot: Snapshot, folder: str, depth: int) -> Iterator[tuple[str, Status | Unread]]:
    entries = snapshot.ask(Folder(folder))
    if isinstance(entries, Unread):
        if entries.reason is not Reason.MISSING:
            yield folder, entries
        return
    for entry in entries:
        path = f"{folder}/{entry.name}"
        if path in _NOBODYS:
            continue
        status = snapshot.ask(Stat(path))
        if isinstance(status, Unread) and status.reason in {Reason.MISSING, Reason.VANISHED}:
            continue
        if entry.kind in {Kind.FILE, Kind.FOLDER}:
            yield path, status
        if entry.kind is Kind.FOLDER and depth > 1:
            yield from _walk(snapshot, path, depth - 1)


def _power(status: Status, who: _Identity, given: tuple[Grant, ...]) -> str:
    """What a service may do with a log of its user or group; "" for nothing, or for one of others."""
    if status.user == who.user:
        return _("change it")  # its owner may give itself every right
    rights = _rights(status, who, given)
    if rights & grants.WRITE:
        return _("remove it") if status.kind is Kind.FOLDER and not status.mode & 0o1000 else _("change it")
    return _("read it") if rights & grants.READ and status.kind is Kind.FILE else ""


def _rights(status: Status, who: _Identity, given: tuple[Grant, ...]) -> int:
    """What a path gives to a service by name, or to one of its groups: rwx as 4, 2, 1."""
    named = {one.who: one.rights for one in given}
    if (own := named.get(f"user:{who.user}")) is not None:
        return own
    rights = grants.group_rights(status) if status.gid in who.groups and status.gid != 0 else 0
    for name in who.groups.values():
        rights |= named.get(f"group:{name}", 0)
    return rights
