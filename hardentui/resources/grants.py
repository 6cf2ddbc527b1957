"""Whom the access list of a file or folder lets at it by name: what its mode does not show.

With such a list the group bits of a mode are the list's mask, the most that any of these may have.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Gap, GapKind, Text
from hardentui.operations import ByHand, Refusal
from hardentui.resources import acl
from hardentui.snapshot import Accounts, Groups, Snapshot, Status, Unread

READ, WRITE = 4, 2
_PATH = re.compile(r"/[^\x00-\x1f\x7f-\x9f\u2028\u2029]*")
_ONE = r"(?:default:)?(?:user|group):[^\s:,]+:[r-][w-][x-]"
_LISTED = re.compile(rf"{_ONE}(?:, {_ONE})*")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a list gives to one user or group: rights (rwx as 4, 2, 1) that are left after the mask.

    ``kind`` is "user" or "group"; ``default`` where it is given on what is made in a folder.
    """

    kind: str
    name: str
    rights: int
    default: bool = False

    @property
    def who(self) -> str:
        """The one that it is given to, as getfacl writes it."""
        return f"{'default:' if self.default else ''}{self.kind}:{self.name}"

    def __str__(self) -> str:
        return f"{self.who}:{acl.letters(self.rights)}"


def grants(snapshot: Snapshot, path: str, status: Status) -> tuple[Grant, ...] | Gap:
    """What the lists of a path say by name, refusals too ("---"); nothing of root, who may do all anyway."""
    if not status.acl and not status.default_acl:
        return ()
    accounts, groups = snapshot.ask(Accounts()), snapshot.ask(Groups())
    if isinstance(accounts, Unread):
        return accounts.gap("/etc/passwd")
    if isinstance(groups, Unread):
        return groups.gap("/etc/group")
    users, names = {one.uid: one.name for one in accounts}, {one.gid: one.name for one in groups}
    found: list[Grant] = []
    for attribute, default in ((status.acl, False), (status.default_acl, True)):
        if not attribute:
            continue
        try:
            found += _named(acl.parse(attribute), users, names, default=default)
        except ValueError:
            return Gap(GapKind.FAILED, _("{path}: its access list cannot be read").format(path=path))
    return tuple(found)


def _named(
    entries: tuple[acl.Entry, ...], users: Mapping[int, str], groups: Mapping[int, str], *, default: bool
) -> Iterator[Grant]:
    for one in entries:
        if one.named and one.who:
            names = users if one.is_user else groups
            kind = "user" if one.is_user else "group"
            yield Grant(kind, names.get(one.who, str(one.who)), acl.effective(one, entries), default)


def group_rights(status: Status) -> int:
    """What the group of a path may: rwx as 4, 2, 1."""
    try:
        entries = acl.parse(status.acl) if status.acl else ()
    except ValueError:
        entries = ()
    own = next((acl.effective(one, entries) for one in entries if one.is_owning_group), None)
    return status.mode >> 3 & 7 if own is None else own


def beyond(found: Iterable[Grant], groups: Container[str], users: Container[str] = ()) -> tuple[Grant, ...]:
    """Those that do more than let these groups and users read."""

    def usual(one: Grant) -> bool:
        return one.name in (users if one.kind == "user" else groups) and not one.rights & WRITE

    return tuple(one for one in found if one.rights and not usual(one))


def by_hand(owner: str, path: str, given: str) -> ByHand | Refusal:
    """What a person does about the list of a path: it may be there for a reason, so no script removes it.

    Path and list come from a plan, and lines that somebody wrote into them would be steps, too.
    """
    if not (_PATH.fullmatch(path) and _LISTED.fullmatch(given)):
        said = f"{path!r}: {given!r}"
        return Refusal(_("the facts of this decision speak of something else: {what}").format(what=said))
    word = shlex.quote(path)
    return ByHand(
        owners=(owner,),
        subject=path,
        instructions=Text(
            f"The access list of {word} gives {given}.\n"
            f"1. Keep it: getfacl -p {word} > list-before.\n"
            f"2. Take away what nobody needs: setfacl -x user:NAME {word}, or all of it: setfacl -b {word}.\n"
            "3. Way back: setfacl --restore=list-before.",
            f"La liste d'accès de {word} donne {given}.\n"
            f"1. Gardez-la : getfacl -p {word} > liste-avant.\n"
            f"2. Ôtez ce qui ne sert à personne : setfacl -x user:NOM {word}, ou tout : setfacl -b {word}.\n"
            "3. Retour : setfacl --restore=liste-avant.",
        ),
    )
