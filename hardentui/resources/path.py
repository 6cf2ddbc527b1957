"""Modes and owners of files and folders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Reading, Recommendation
from hardentui.operations import Change, Refusal, SetMode
from hardentui.resources import acl, grants
from hardentui.resources.base import missing, nothing, one, text_fact
from hardentui.resources.mount import boot
from hardentui.snapshot import Kind, Snapshot, Stat, Unread

# The groups that the distributions' own access lists let read (tmpfiles.d/systemd.conf).
_USUAL: Mapping[str, frozenset[str]] = {"/var/log/journal": frozenset({"adm", "systemd-journal", "wheel"})}


class Path:
    """The resource "path": the value is "MODE USER:GROUP", the same now and at boot.

    Whom an access list lets at it beside that is a part of its own, "user:NAME" with what it may do.
    """

    name = "path"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        if not subject.startswith("/"):
            return f"expected an absolute path, found {subject!r}"
        return None if aspect == "mode" else f"expected the aspect mode, found {aspect!r}"

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        waiting = _unmounted(snapshot, entry.subject)
        if waiting is not None:
            return missing(waiting)
        status, at = snapshot.ask_timed(Stat(entry.subject))
        if isinstance(status, Unread):
            reading = nothing(status, entry.subject)
            return Observation(reading if snapshot.live else None, (reading,), seen_at=at)
        owner = f"{status.user}:{status.group}" if snapshot.live else _names(status.uid, status.gid)
        reading = one(f"{status.mode:04o} {owner}", f"stat {entry.subject}")
        given = grants.grants(snapshot, entry.subject, status)
        if isinstance(given, Gap):
            reading, given = replace(reading, gap=given), ()
        listed = grants.beyond(given, _USUAL.get(entry.subject, ()))
        values = {**reading.values, **{each.who: acl.letters(each.rights) for each in listed}}
        reading = replace(reading, values=values)
        facts: dict[str, Fact] = {
            "list": ", ".join(map(str, listed)),
            "mode": f"{status.mode:04o}",
            "owner": owner,
            "plain": status.kind in {Kind.FILE, Kind.FOLDER},
        }
        return Observation(
            reading if snapshot.live else None, (Reading(reading.values, reading.gap),), facts, at
        )

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        mode, _gap, owner = target.partition(" ")
        if not facts.get("plain"):
            return Refusal(_("{path} is no plain file or folder").format(path=entry.subject))
        wanted = entry.target.partition(" ")[2]
        if owner not in {"", wanted}:
            words = _("the owner of {path} is to be {owner}, nobody else")
            return Refusal(words.format(path=entry.subject, owner=wanted or text_fact(facts, "owner")))
        seen = text_fact(facts, "mode")
        # Never more than was there: the bits that the target allows, of those that are set.
        kept = f"{int(seen, 8) & int(mode, 8):04o}" if re.fullmatch(r"[0-7]{4}", seen) else mode
        tightened = SetMode(
            owners=(entry.id,),
            path=entry.subject,
            before_mode=seen,
            before_owner=text_fact(facts, "owner"),
            mode=kept,
            owner=owner or text_fact(facts, "owner"),
        )
        listed = text_fact(facts, "list")
        if not listed:
            return (tightened,)
        by_hand = grants.by_hand(entry.id, entry.subject, listed)
        return by_hand if isinstance(by_hand, Refusal) else (tightened, by_hand)


def _unmounted(snapshot: Snapshot, path: str) -> Gap | None:
    """A mount point whose file system waits to be mounted by hand shows its own mode, which says nothing."""
    then = boot.at_boot(snapshot, path) if snapshot.live else None
    if isinstance(then, boot.BootMount) and not then.automatic and boot.mounted(snapshot, path) is None:
        return Gap(GapKind.ABSENT, _("{path} is not mounted now (noauto)").format(path=path))
    return None


def _names(uid: int, gid: int) -> str:
    return f"{'root' if uid == 0 else uid}:{'root' if gid == 0 else gid}"
