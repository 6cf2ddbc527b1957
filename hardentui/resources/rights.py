"""Modes and owners of the sensitive files of a family of distributions (ANSSI's R50)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Operation, Refusal, SetMode
from hardentui.resources import grants
from hardentui.resources.audit import conf as auditd
from hardentui.resources.base import nothing, table_fact, text_fact
from hardentui.resources.guarded import GUARDED, Guarded
from hardentui.snapshot import (
    Accounts,
    DistributionIs,
    Groups,
    Kind,
    Reason,
    Snapshot,
    Stat,
    Status,
    Unread,
)

_KEPT = "ok"  # the value where every file is as it should be
_MODE = re.compile(r"0[0-7]{3,4}")


class Rights:
    """The resource "rights": for each file that is too open, its mode and owner; or "ok"."""

    name = "rights"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        known = sorted({name for tables in GUARDED.values() for name in tables})
        if aspect or subject not in known:
            return f"expected one of {', '.join(known)} and no aspect, found {subject!r} {aspect!r}"
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        system = snapshot.ask(DistributionIs())
        if isinstance(system, Unread):
            return _both(snapshot, nothing(system, "/etc/os-release"))
        table = GUARDED.get(system.family)
        if table is None:
            why = _("which modes are right is not known for {name}").format(name=system.name)
            return _both(snapshot, Reading(gap=Gap(GapKind.UNSUPPORTED, why)))
        return _observed(snapshot, system.family, table[entry.subject])

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        table = GUARDED.get(text_fact(facts, "family"), {}).get(entry.subject)
        if table is None:
            return Refusal(_("the plan does not say which family of distributions it saw"))
        known = {one.path: one for one in table}
        operations: list[Operation] = []
        for path, given in table_fact(facts, "lists").items():
            if path not in known or not isinstance(given, str):
                return Refusal(_("{path} is not one of the files of this recommendation").format(path=path))
            by_hand = grants.by_hand(entry.id, path, given)
            if isinstance(by_hand, Refusal):
                return by_hand
            operations.append(by_hand)
        for path, seen in table_fact(facts, "files").items():
            if path not in known:
                return Refusal(_("{path} is not one of the files of this recommendation").format(path=path))
            mode = text_fact(seen, "mode") if isinstance(seen, Mapping) else ""
            owner = text_fact(seen, "owner") if isinstance(seen, Mapping) else ""
            anew = text_fact(seen, "anew") if isinstance(seen, Mapping) else ""
            if not _MODE.fullmatch(mode):
                return Refusal(_("the plan holds no mode of {path}").format(path=path))
            operations.append(_tightened(entry.id, known[path], mode, owner, anew))
        return tuple(operations)


def _both(snapshot: Snapshot, reading: Reading, facts: Mapping[str, Fact] | None = None) -> Observation:
    """What is on disk is the same now and at boot."""
    at = snapshot.taken_at
    if not snapshot.live:
        return Observation(None, (reading,), facts or {}, at)
    return Observation(reading, (Reading(reading.values, reading.gap),), facts or {}, at)


def _observed(snapshot: Snapshot, family: str, table: tuple[Guarded, ...]) -> Observation:
    loose: dict[str, str] = {}
    files: dict[str, Fact] = {}
    lists: dict[str, Fact] = {}
    places: list[Provenance] = []
    gap: Gap | None = None
    for one in table:
        seen = snapshot.ask(Stat(one.path))
        if isinstance(seen, Unread):
            if seen.reason is not Reason.MISSING:
                gap = gap or seen.gap(one.path)
            continue
        if seen.kind is Kind.LINK:
            continue  # its own mode says nothing, and what it points to is another path
        given = grants.grants(snapshot, one.path, seen)
        if isinstance(given, Gap):
            gap = gap or given
            given = ()
        owner = _owner(snapshot, seen)
        shown = " ".join((f"{seen.mode:04o} {owner}", *map(str, given)))
        places.append(Provenance(one.path, text=shown))
        open_ = bool(seen.mode & ~int(one.mode, 8)) or owner not in one.owners
        listed = grants.beyond(given, [each.partition(":")[2] for each in one.owners])
        if open_ or listed:
            loose[one.path] = f"{shown} (≤ {one.mode} {' / '.join(one.owners)})"
        if open_:
            anew = auditd.rights_of_log(snapshot).get(one.path, "")
            files[one.path] = {"mode": f"0{seen.mode:03o}", "owner": owner, "anew": anew}
        if listed:
            lists[one.path] = ", ".join(map(str, listed))
    if not places and gap is None:
        return _both(snapshot, Reading(gap=Gap(GapKind.ABSENT, ", ".join(one.path for one in table))))
    values = loose or ({"": _KEPT} if gap is None else {})
    facts: dict[str, Fact] = {"family": family, "files": files, "lists": lists}
    return _both(snapshot, Reading(values, gap, tuple(places)), facts)


def _owner(snapshot: Snapshot, seen: Status) -> str:
    """Owner and group by name; those of an image by its own files."""
    if snapshot.live:
        return f"{seen.user}:{seen.group}"
    accounts, groups = snapshot.ask(Accounts()), snapshot.ask(Groups())
    users = {} if isinstance(accounts, Unread) else {one.uid: one.name for one in accounts}
    names = {} if isinstance(groups, Unread) else {one.gid: one.name for one in groups}
    user = users.get(seen.uid, "root" if seen.uid == 0 else str(seen.uid))
    return f"{user}:{names.get(seen.gid, 'root' if seen.gid == 0 else str(seen.gid))}"


def _tightened(owner: str, one: Guarded, mode: str, owned_by: str, anew: str) -> SetMode:
    """The bits that may stay, of those that are set: never more than was there.

    ``anew`` is what a daemon sets at each start: set by us, too, where it may be so, or a rollback would take
    the daemon's for somebody's change.
    """
    bits, _space, group = anew.partition(" ")
    if _MODE.fullmatch(bits) and not int(bits, 8) & ~int(one.mode, 8) and group in one.owners:
        return SetMode(
            owners=(owner,), path=one.path, before_mode=mode, before_owner=owned_by, mode=bits, owner=group
        )
    return SetMode(
        owners=(owner,),
        path=one.path,
        before_mode=mode,
        before_owner=owned_by,
        mode=f"0{int(mode, 8) & int(one.mode, 8):03o}",
        owner=owned_by if owned_by in one.owners else one.owners[0],
    )
