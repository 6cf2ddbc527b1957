"""What every kind of setting offers: how to look at a subject, and how to change it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Lines
from hardentui.snapshot import File, Reason, Snapshot, Unread


class Resource(Protocol):
    """A kind of setting. Both questions are pure: one reads a snapshot, the other what was kept of it."""

    name: str

    def check(self, subject: str, aspect: str) -> str | None:
        """What is wrong with a subject and aspect in a checklist, or None."""
        ...

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """What the snapshot shows of the recommendation's subject."""
        ...

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """The operations that bring the subject, seen as ``facts``, to ``target``; or why there are none."""
        ...


@runtime_checkable
class Collector(Protocol):
    """A kind of setting that gathers the lines of many decisions in one file of ours."""

    def collects(self, path: str) -> bool:
        """Whether ``path`` is such a file."""
        ...

    def kept(self, lines: Sequence[str], parts: Iterable[Lines]) -> tuple[Lines, ...]:
        """What stays of the file's ``lines`` beside new ``parts``, each marked as kept."""
        ...


_OWNER = re.compile(r"# ([a-z0-9.-]+)(?: \(kept from an earlier plan\))?")


def kept_lines(lines: Sequence[str], replaced: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """The settings of a file of ours that stay, each with the id of the decision above it ("" for none).

    ``replaced`` says of a setting that a new one takes its place. Comments do not come along: those of
    ours are written anew, and the rollback restores the others.
    """
    owner = ""
    for line in lines:
        if line.startswith("#"):
            named = _OWNER.fullmatch(line)
            owner = named[1] if named else ""
        elif line.strip() and not replaced(line):
            yield owner, line


def kept_settings(
    lines: Sequence[str], parts: Iterable[Lines], name_of: Callable[[str], str]
) -> tuple[Lines, ...]:
    """What Collector.kept gives where a line sets one name: an old line gives way to a new one of it.

    ``name_of`` gives the name that a line sets, "" for one that we would not write.

    Raises:
        ValueError: a line that would stay is none that we would write.
    """
    set_now = {name_of(line) for part in parts for line in part.lines if not line.startswith("#")}

    def replaced(line: str) -> bool:
        name = name_of(line)
        if not name:
            raise ValueError(_("{line} is not written by hardentui").format(line=repr(line)))
        return name in set_now

    return tuple(
        Lines(owner=owner, lines=(kept_comment(owner), line)) for owner, line in kept_lines(lines, replaced)
    )


def kept_comment(owner: str) -> str:
    """The comment above lines that an earlier plan wrote for the decision ``owner``."""
    return f"# {owner or 'hardentui'} (kept from an earlier plan)"


def one(value: str, place: str, text: str = "") -> Reading:
    """A reading of a single value, read at one place."""
    return Reading({"": value}, provenance=(Provenance(place, text=text),))


def nothing(unread: Unread, place: str) -> Reading:
    """A reading of what could not be read."""
    return Reading(gap=unread.gap(place))


def names_or_none(found: Iterable[str], gap: Gap | None) -> Mapping[str, str]:
    """The values of a reading that lists names, each once; "none" only where nothing can be missing."""
    listed = ", ".join(dict.fromkeys(found))
    if listed:
        return {"": listed}
    return {} if gap else {"": "none"}


def missing(gap: Gap) -> Observation:
    """An observation of a subject that is not there, or of which nothing can be said."""
    return Observation(Reading(gap=gap))


def of_files(snapshot: Snapshot, seen: Reading, facts: Mapping[str, Fact] | None = None) -> Observation:
    """An observation of what files say that count now and after a boot alike; an image has no now."""
    if not snapshot.live:
        return Observation(None, (seen,), facts or {}, snapshot.taken_at)
    return Observation(seen, (Reading(seen.values, seen.gap),), facts or {}, snapshot.taken_at)


def digest(snapshot: Snapshot, path: str) -> str:
    """The sha256 of a file as it stands, "absent" where there is none, "" where it cannot be read."""
    text = snapshot.ask(File(path))
    if isinstance(text, Unread):
        return "absent" if text.reason is Reason.MISSING else ""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def wrong_subject(subject: str, aspect: str, known: Iterable[str]) -> str | None:
    """What an entry has wrong, for a kind with a few subjects and no aspects; None for nothing."""
    names = tuple(known)
    if aspect or subject not in names:
        return f"expected one of {', '.join(names)} and no aspect, found {subject!r} {aspect!r}"
    return None


def explain(gap: Gap) -> str:
    """Why there is no value, in the language in use."""
    sentences = {
        GapKind.ABSENT: _("not there: {detail}"),
        GapKind.UNSET: _("no file sets it, and the kernel's own value is not known here: {detail}"),
        GapKind.UNTOLD: "{detail}",
        GapKind.DENIED: _("not readable without root: {detail}"),
        GapKind.TIMED_OUT: _("no answer in time: {detail}"),
        GapKind.TOO_LARGE: _("too large to read: {detail}"),
        GapKind.FAILED: _("could not be read: {detail}"),
        GapKind.UNSUPPORTED: _("cannot be asked here: {detail}"),
        GapKind.NOT_RECORDED: _("not in this recording: {detail}"),
        GapKind.ON_DEMAND: _("a search, made on demand: {detail}"),
        GapKind.INCOMPLETE: _("not searched to the end: {detail}"),
        GapKind.STALE: _("what runs is older than its files: {detail}"),
        GapKind.UNMODELLED: _("may be written by what we do not model: {detail}"),
    }
    return sentences[gap.kind].format(detail=gap.detail).rstrip(" :")


def why_not(unread: Unread) -> str:
    """Why there is no answer: what was said of it, else the kind of obstacle; in the language in use."""
    return unread.words() or explain(unread.gap(""))


def text_fact(facts: Mapping[str, Fact], name: str) -> str:
    """A fact that is text; "" when it is not there."""
    value = facts.get(name, "")
    return value if isinstance(value, str) else ""


def table_fact(facts: Mapping[str, Fact], name: str) -> Mapping[str, Fact]:
    """A fact that is a table; empty when it is not there."""
    value = facts.get(name, {})
    return value if isinstance(value, Mapping) else {}


def list_fact(facts: Mapping[str, Fact], name: str) -> tuple[Fact, ...]:
    """A fact that is a list; empty when it is not there."""
    value = facts.get(name, ())
    return value if isinstance(value, tuple) else ()
