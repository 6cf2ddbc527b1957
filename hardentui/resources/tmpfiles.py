"""How a folder for temporary files is cleaned: by being in memory, at boot, by age, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Fact, Gap, Observation, Provenance, Reading, Recommendation, Role
from hardentui.operations import Change, Lines, Refusal, WriteFile
from hardentui.resources.base import digest, kept_comment, kept_lines, nothing, text_fact
from hardentui.resources.configuration import by_name, text_of
from hardentui.resources.mount import boot
from hardentui.snapshot import Kind, Mount, Reason, Snapshot, Unread

_FOLDERS = ("/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d")
OURS = "/etc/tmpfiles.d/00-hardentui.conf"


class Tmpfiles:
    """The resource "tmpfiles": the value is tmpfs, boot, age or no."""

    name = "tmpfiles"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        if aspect or not subject.startswith("/"):
            return f"expected an absolute path and no aspect, found {subject!r} {aspect!r}"
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        then = boot.at_boot(snapshot, entry.subject)
        now = boot.mounted(snapshot, entry.subject)
        if isinstance(then, Unread):
            reading = nothing(then, boot.FSTAB)
        elif isinstance(then, boot.BootMount) and then.automatic and then.fstype == "tmpfs":
            reading = Reading({"": "tmpfs"}, provenance=then.provenance)
        elif then is None and isinstance(now, Mount) and now.fstype == "tmpfs":
            reading = Reading({"": "tmpfs"}, provenance=(Provenance("/proc/self/mountinfo"),))
        else:
            reading = _configured(snapshot, entry.subject)
        facts = {"before": digest(snapshot, OURS), "rival": _rival(snapshot, entry.subject)}
        return Observation(None, (reading,), facts, snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        # The first line for a path wins, and the name sorts before the usual ones (tmpfiles.d(5)).
        rival = text_fact(facts, "rival")
        if rival:
            words = _("{file} names {path} too, and is read before any file of ours: change it by hand")
            return Refusal(words.format(file=rival, path=entry.subject))
        line = f"D {entry.subject} 1777 root root -"
        parts = (Lines(owner=entry.id, lines=(f"# {entry.id}", line)),)
        before = text_fact(facts, "before")
        return (WriteFile(owners=(entry.id,), path=OURS, before=before, parts=parts, unique=True),)

    def collects(self, path: str) -> bool:
        """See Collector."""
        return path == OURS

    def kept(self, lines: Sequence[str], parts: Iterable[Lines]) -> tuple[Lines, ...]:
        """See Collector. The path is what a line is about."""
        set_now = {_path(line) for part in parts for line in part.lines}
        return tuple(
            Lines(owner=owner, lines=(kept_comment(owner), line))
            for owner, line in kept_lines(lines, lambda line: _path(line) in set_now)
        )


def _path(line: str) -> str:
    """The path of a line of tmpfiles.d; "" where there is none."""
    fields = line.split()
    if len(fields) < 2 or line.startswith("#"):  # noqa: PLR2004 - type, path
        return ""
    return fields[1].strip("\"'").rstrip("/") or "/"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of tmpfiles.d: where it stands, its type and path, and its age, "-" for none."""

    file: str
    number: int
    text: str
    type: str
    path: str
    age: str

    @property
    def place(self) -> Provenance:
        """Where it stands."""
        return Provenance(self.file, Role.WINS, self.number, self.text)


# Types of lines of which only the first for a path counts; the others (x, R, z ...) stand beside them.
_MAKES = frozenset("fdDvqQpLcbC")


def lines(snapshot: Snapshot) -> tuple[Line, ...] | Gap:
    """All lines, in the order in which they count; a gap where a file cannot be read."""
    files = by_name(snapshot, _FOLDERS)
    if isinstance(files, Gap):
        return files
    found = []
    for file, kind in files:
        text = text_of(snapshot, file, may_be_link=kind is Kind.LINK)
        if isinstance(text, Unread):
            if text.reason is Reason.MISSING:
                continue  # a link that leads nowhere still hides the name
            return text.gap(file)
        for number, line in enumerate(text.split("\n"), 1):
            fields = line.split()
            if path := _path(line.strip()):
                age = fields[5] if len(fields) > 5 else "-"  # noqa: PLR2004 - the sixth field
                found.append(Line(file, number, line.strip(), fields[0], path, age))
    return tuple(found)


def _making(snapshot: Snapshot, path: str) -> Iterator[Line | Reading]:
    """The lines that make ``path``, in the order in which they count; a reading where they cannot be seen."""
    known = lines(snapshot)
    if isinstance(known, Gap):
        yield Reading(gap=known)
        return
    yield from (line for line in known if line.path == path and line.type[0] in _MAKES)


def _configured(snapshot: Snapshot, path: str) -> Reading:
    for line in _making(snapshot, path):
        if isinstance(line, Reading):
            return line
        if line.type.startswith("D"):
            return Reading({"": "boot"}, provenance=(line.place,))
        if "!" in line.type:
            continue  # it counts at boot only: whoever cleans by age goes by the next one
        return Reading({"": "no" if line.age == "-" else "age"}, provenance=(line.place,))
    return Reading({"": "no"}, provenance=(Provenance("tmpfiles.d"),))


def _rival(snapshot: Snapshot, path: str) -> str:
    """A file that names ``path`` and sorts before ours; "" for none."""
    first = next(_making(snapshot, path), None)
    if not isinstance(first, Line):
        return ""
    return first.file if first.file.rpartition("/")[2] < OURS.rpartition("/")[2] else ""
