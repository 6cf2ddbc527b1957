"""Searches of all local file systems, made on demand only: files that should not be as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources import acl, capabilities, setuid
from hardentui.resources.base import nothing, wrong_subject
from hardentui.snapshot import (
    Accounts,
    End,
    FileSurvey,
    Found,
    Groups,
    Mounts,
    Reason,
    Search,
    Snapshot,
    Survey,
    Unread,
)

_SHOWN = 20  # places of a count
_LISTED = 200  # places of a list that is there to be read
_TMP = ("/tmp/", "/var/tmp/")  # noqa: S108 - what is searched


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a subject makes of a survey; ``gap`` is what keeps it from being whole, beside the walk's end."""

    places: tuple[Provenance, ...]
    count: int
    value: str = ""  # "" for the count itself
    gap: Gap | None = None


_Look = Callable[[Snapshot, Survey], _Seen]


class Searches:
    """The resource "search": the value is how many files were found, or for a list a line about it."""

    name = "search"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        survey, at = snapshot.ask_timed(FileSurvey())
        if isinstance(survey, Unread):
            old = _from_older_recording(snapshot, entry.subject, survey)
            reading = old or nothing(survey, _("all local file systems"))
        else:
            reading = _reading(snapshot, survey, entry.subject)
        if snapshot.live:
            return Observation(reading, seen_at=at)
        return Observation(None, (reading,), seen_at=at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("what was found is for a person to judge"))


def _reading(snapshot: Snapshot, survey: Survey, subject: str) -> Reading:
    """What the survey says of a subject: never less than what is there, and a gap where it may be more."""
    look, below = _SUBJECTS[subject]
    seen = look(snapshot, survey)
    gap = seen.gap or _incomplete(survey, below)
    places = (*seen.places, _extent(survey))
    if gap is None:
        return Reading({"": seen.value or str(seen.count)}, provenance=places)
    # Found is found: a search that ended early may fail, and never passes.
    values = {"": seen.value or f"≥ {seen.count}"} if seen.count else {}
    return Reading(values, gap, places)


def _incomplete(survey: Survey, below: tuple[str, ...]) -> Gap | None:
    """Why there may be more than what was found, or None."""
    if survey.end is End.TIMED_OUT:
        return Gap(GapKind.TIMED_OUT, _("the search of the files"))
    if survey.end is not End.COMPLETE:
        why = _("it was stopped") if survey.end is End.STOPPED else _("it broke off")
        return Gap(GapKind.INCOMPLETE, why)
    unread = survey.unread
    if below and survey.unread_count == len(unread):
        unread = tuple(path for path in unread if (path + "/").startswith(below))
        count = len(unread)
    else:
        count = survey.unread_count
    if not count:
        return None
    return Gap(
        GapKind.DENIED,
        _("{count} folders or files, such as {path}").format(count=count, path=unread[0] if unread else "/"),
    )


def _extent(survey: Survey) -> Provenance:
    """What was searched, and what was left out on purpose."""
    text = _("{files} files in {folders} folders").format(files=survey.files, folders=survey.folders)
    left = [f"{one.path} ({one.why})" for one in survey.left_out if one.why != "kernel"]
    if left:
        text += "; " + _("left out: {paths}").format(paths=", ".join(left[:_SHOWN]))
    return Provenance(" ".join(survey.walked), text=text)


def _owner(found: Found) -> str:
    return f"{found.mode:04o} {found.user or found.uid}:{found.group or found.gid}"


def _count(rule: str, _snapshot: Snapshot, survey: Survey) -> _Seen:
    """All that a rule picked."""
    return _seen(survey.of(rule), survey.count(rule))


def _seen(found: Iterable[Found], count: int) -> _Seen:
    places = tuple(Provenance(one.path, text=_owner(one)) for one in found)
    return _Seen(places[:_SHOWN], count)


# --- setuid, setgid, capabilities -------------------------------------------------------------------


def _manager_gap(survey: Survey) -> Gap | None:
    if survey.manager:
        return None
    return Gap(GapKind.UNSUPPORTED, _("which package owns a file is not known here"))


def _setuid(_snapshot: Snapshot, survey: Survey) -> _Seen:
    found = survey.of("setuid")
    places = tuple(
        Provenance(one.path, text=f"{_owner(one)}, {setuid.standing(survey, one)}") for one in found[:_LISTED]
    )
    root = sum(
        1 for one in found if (one.mode & 0o4000 and not one.uid) or (one.mode & 0o2000 and not one.gid)
    )
    value = _("{count} programs, {root} as root").format(count=survey.count("setuid"), root=root)
    return _Seen(places, survey.count("setuid"), value)


def _setuid_foreign(_snapshot: Snapshot, survey: Survey) -> _Seen:
    if gap := _manager_gap(survey):
        return _Seen((), 0, gap=gap)
    found = tuple(one for one in survey.of("setuid") if setuid.is_foreign(survey, one))
    places = tuple(
        Provenance(one.path, text=f"{_owner(one)}, {setuid.standing(survey, one)}") for one in found
    )
    more = survey.count("setuid") > len(survey.of("setuid"))
    gap = Gap(GapKind.TOO_LARGE, _("more files than are kept")) if more else None
    return _Seen(places[:_SHOWN], len(found), gap=gap)


def _capabilities(_snapshot: Snapshot, survey: Survey) -> _Seen:
    places = []
    strong = 0
    for one in survey.of("capability")[:_LISTED]:
        try:
            mask, text = capabilities.of_file(one.detail)
        except ValueError as error:
            places.append(Provenance(one.path, text=str(error)))
            continue
        flagged = capabilities.flagged(mask, one.path.rpartition("/")[2])
        if flagged:
            strong += 1
            text += ", " + _("as good as root: {names}").format(names=", ".join(flagged))
        package = one.package or (_("of no package") if survey.manager else _("package not known"))
        places.append(Provenance(one.path, text=f"{text}, {package}"))
    count = survey.count("capability")
    value = _("{count} programs, {strong} as good as root").format(count=count, strong=strong)
    return _Seen(tuple(places), count, value)


# --- files and folders ------------------------------------------------------------------------------


def _keys(snapshot: Snapshot, survey: Survey) -> _Seen:
    """Keys that more than the owner, and users and groups made for a service, can open.

    One that can only read is as it should be when it belongs to the system (ssl-cert, ssh_keys, a service's
    own) and is no user or group of people.
    """
    lists = {one.path: one.detail for one in survey.of("acl")}
    loose: list[tuple[Found, tuple[acl.Entry, ...]]] = []
    gap: Gap | None = None
    for one in survey.of("key"):
        try:
            entries = acl.parse(lists[one.path]) if one.path in lists else ()
        except ValueError:
            gap = Gap(GapKind.FAILED, _("{path}: its access list cannot be read").format(path=one.path))
            entries = ()
        if one.mode & 0o007 or any(_is_too_much(*each) for each in _beside_owner(one, entries)):
            loose.append((one, entries))
    # Without a right in the place of the group, where a list has its mask, no list opens anything.
    unlisted = survey.count("acl") > len(survey.of("acl")) and any(
        one.mode & 0o070 and one.path not in lists for one in survey.of("key")
    )
    if unlisted or survey.count("key") > len(survey.of("key")):
        gap = Gap(GapKind.TOO_LARGE, _("more files than are kept"))
    names = _names(snapshot) if any(entries for _one, entries in loose) else ({}, {})
    texts = ((one.path, (_owner(one), *acl.lines(entries, *names))) for one, entries in loose[:_SHOWN])
    places = tuple(Provenance(path, text=", ".join(text)) for path, text in texts)
    return _Seen(places, len(loose), gap=gap)


def _beside_owner(one: Found, entries: tuple[acl.Entry, ...]) -> Iterator[tuple[int, int, bool]]:
    """What the group may, and those whom a list names: number, rights (rwx as 4, 2, 1), whether a user."""
    if not entries:
        yield one.gid, one.mode >> 3 & 7, False
    for each in entries:
        if each.is_owning_group:
            yield one.gid, acl.effective(each, entries), False
        elif each.named and each.who:
            yield each.who, acl.effective(each, entries), each.is_user


def _is_too_much(number: int, rights: int, is_user: bool) -> bool:  # noqa: FBT001 - as _beside_owner gives it
    of_people = number >= 1000 or (number == 100 and not is_user)  # noqa: PLR2004 - login.defs; 100 is "users"
    return bool(rights & 3 or (rights & 4 and of_people))


def _names(snapshot: Snapshot) -> tuple[Mapping[int, str], Mapping[int, str]]:
    """The names of users and groups by number, as far as they can be read."""
    accounts, groups = snapshot.ask(Accounts()), snapshot.ask(Groups())
    return (
        {} if isinstance(accounts, Unread) else {one.uid: one.name for one in accounts},
        {} if isinstance(groups, Unread) else {one.gid: one.name for one in groups},
    )


# --- access control lists ---------------------------------------------------------------------------


def _lists(snapshot: Snapshot, survey: Survey) -> _Seen:
    """Every object with an extended list, its entries, and what the mask leaves of them."""
    users, groups = _names(snapshot)
    texts: dict[str, list[str]] = {}
    for rule in ("acl", "default-acl"):
        for one in survey.of(rule)[:_LISTED]:
            try:
                entries = acl.parse(one.detail)
                shown = acl.lines(entries, users, groups, default=rule == "default-acl")
            except ValueError as error:
                shown = (str(error),)
            texts.setdefault(one.path, [_owner(one)]).extend(shown)
    places = tuple(Provenance(path, text=", ".join(text)) for path, text in sorted(texts.items()))
    count = max(len(texts), survey.count("acl"), survey.count("default-acl"))
    return _Seen(places, count, _("{count} objects").format(count=count))


# --- recordings of before ---------------------------------------------------------------------------

_DISKS = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "vfat", "overlay", "reiserfs", "jfs"}
)


def _from_older_recording(snapshot: Snapshot, subject: str, survey: Unread) -> Reading | None:
    """What a recording says that was made when each rule was a search of its own."""
    if survey.reason is not Reason.NOT_RECORDED:
        return None
    if subject == "executables-in-tmp":
        question = Search("executable", ("/tmp", "/var/tmp"))  # noqa: S108 - what was searched
    elif subject == "device-nodes":
        mounts = snapshot.ask(Mounts())
        below = () if isinstance(mounts, Unread) else tuple(m.path for m in mounts if m.fstype in _DISKS)
        question = Search("device", tuple(dict.fromkeys(below)))
    else:
        return None
    found = snapshot.ask(question)
    if isinstance(found, Unread):
        return None
    return Reading({"": str(len(found))}, provenance=tuple(Provenance(path) for path in found[:_SHOWN]))


# Each subject: how it looks at a survey, and the folders that matter to it (none: all).
_SUBJECTS: Mapping[str, tuple[_Look, tuple[str, ...]]] = {
    "acl": (_lists, ()),
    "capabilities": (_capabilities, ()),
    "device-nodes": (partial(_count, "device"), ()),
    "executables-in-tmp": (partial(_count, "temporary"), _TMP),
    "open-files": (partial(_count, "open-file"), ()),
    "open-folders": (partial(_count, "open-folder"), ()),
    "ownerless": (partial(_count, "ownerless"), ()),
    "pipes": (partial(_count, "pipe"), ()),
    "private-keys": (_keys, ()),
    "setuid": (_setuid, ()),
    "setuid-foreign": (_setuid_foreign, ()),
    "shared-folders": (partial(_count, "shared-folder"), ()),
}
