"""The nouns of hardentui, as frozen dataclasses: no I/O here, and no knowledge of any other room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from hardentui import i18n

if TYPE_CHECKING:
    from hardentui.comparison import Comparison

# What a plan can keep of an observation: TOML and JSON have a form for each of these.
Fact = str | int | bool | tuple["Fact", ...] | Mapping[str, "Fact"]


@dataclass(frozen=True, slots=True)
class Text:
    """A text in every language that we speak."""

    en: str
    fr: str

    def __str__(self) -> str:
        return self.fr if i18n.language() == "fr" else self.en


class Result(StrEnum):
    """The result of a finding, in XCCDF's words."""

    PASS = "pass"  # noqa: S105 - XCCDF's word, not a secret
    FAIL = "fail"
    UNKNOWN = "unknown"  # it should be evaluated, and something could not be read
    ERROR = "error"  # our own failure
    NOTAPPLICABLE = "notapplicable"
    NOTCHECKED = "notchecked"  # a person must answer first
    INFORMATIONAL = "informational"

    @property
    def evaluated(self) -> bool:
        """Whether the machine was really held against the recommendation."""
        return self in {Result.PASS, Result.FAIL}


class Level(StrEnum):
    """ANSSI's levels, lowest first."""

    MINIMAL = "minimal"
    INTERMEDIARY = "intermediary"
    ENHANCED = "enhanced"
    HIGH = "high"


class Severity(StrEnum):
    """How much harm the gap allows, least first."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a statement comes from: a document of the checklist's [sources], and a place in it."""

    document: str
    place: str


@dataclass(frozen=True, slots=True)
class Erratum:
    """An error of a source: what it says, what is right, why. ``id`` is E01 to E47."""

    id: str
    says: Text
    right: Text
    why: Text


@dataclass(frozen=True, slots=True)
class Choice:
    """One possible answer to a question."""

    id: str
    label: Text


@dataclass(frozen=True, slots=True)
class Question:
    """What the machine cannot know and the advice depends on. Asked once, kept in the plan.

    The answer is one of the choices, or text of a ``format`` (see hardentui.answers).
    """

    id: str
    title: Text
    why: Text
    choices: tuple[Choice, ...] = ()
    format: str = ""
    proposed: str = ""  # a text that is offered; nothing is answered by it
    names: tuple[str, ...] = ()  # the only words that a list of them may hold; () for any


@dataclass(frozen=True, slots=True)
class Condition:
    """When a recommendation applies: an answer, or the family of the distribution, is one of these."""

    question: str  # the id of a question, or "" for a condition on the family
    one_of: tuple[str, ...]


EACH = "*"  # the subject of an entry that stands for each of its kind
PROPOSED = "proposed"  # the target of an entry about one of them: what is worked out for that one


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One entry of a checklist: what should hold, why, and from which source.

    One whose subject is EACH is a pattern: decisions are about its subjects one by one, see ``about``.
    """

    id: str
    chapter: str
    section: str
    title: Text
    resource: str  # the kind of setting, see hardentui.resources
    subject: str  # what it is about: a key, a mount point, a path
    aspect: str  # the side of the subject that is judged; "" where there is only one
    accept: Comparison | None  # what passes; None for what is only shown
    target: str  # what we would set; "" where nothing can be set
    absent: Result  # what it means when the subject does not exist on this host
    level: Level
    level_by: str  # "anssi", or "hardentui" where ANSSI gives none
    severity: Severity
    why: Text
    risk: Text
    sources: tuple[Source, ...]
    covers: tuple[str, ...] = ()
    errata: tuple[Erratum, ...] = ()
    hazards: tuple[str, ...] = ()
    when: tuple[Condition, ...] = ()
    alternatives: str = ""  # of the recommendations with the same word here, one at most is applied
    optional: bool = False  # a gap is informational, not a failure
    attest: Text | None = None  # what a person is asked, where no tool can see
    procedure: Text | None = None  # how it is done by hand, where no script can
    passes: Text | None = None  # what passes, where accept would say it in signs: a pattern
    default: str = ""  # the kernel's value when nothing sets it, if it is the same everywhere
    default_config: str = ""  # or the kernel build option that says it
    renamed_from: tuple[str, ...] = ()
    unanswered: tuple[Question, ...] = ()  # those whose answers are still to come into these texts

    @property
    def expected(self) -> str:
        """What passes, in words, in the language in use; "" for what is only shown."""
        if self.passes is not None:
            return self._told(str(self.passes))
        return self._told(self.accept.describe()) if self.accept else ""

    @property
    def aim(self) -> str:
        """What we would set, as a person reads it; "" where nothing can be set."""
        return self._told(self.target)

    def _told(self, text: str) -> str:
        """The text with the title of each open question where its answer will stand."""
        for question in self.unanswered:
            text = text.replace(f"{{{question.id}}}", f"«{question.title}»")
        return text

    def about(self, subject: str) -> Recommendation:
        """The entry about one subject of a pattern; its id is that of the pattern, a colon, the subject."""
        title = Text(f"{self.title.en}: {subject}", f"{self.title.fr} : {subject}")
        return replace(
            self, id=f"{self.id}:{subject}", title=title, subject=subject, target=PROPOSED, covers=()
        )


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a chapter: the teaching text, and its recommendations in order."""

    id: str
    title: Text
    text: Text
    covers: tuple[str, ...]
    recommendations: tuple[Recommendation, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A source document: its title, publisher and edition."""

    id: str
    title: str
    edition: str
    licence: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """One of the six chapters of the course, as its checklist gives it."""

    id: str
    number: int
    title: Text
    version: str
    documents: tuple[Document, ...]
    questions: tuple[Question, ...]
    sections: tuple[Section, ...]

    @property
    def recommendations(self) -> tuple[Recommendation, ...]:
        """All recommendations of the chapter, in the course's order."""
        return tuple(entry for section in self.sections for entry in section.recommendations)


@dataclass(frozen=True, slots=True)
class Checklists:
    """All chapters that were loaded, and a digest of the files they came from (sha256, hex).

    ``bindings`` are the questions of application profiles: who is who in their flows.
    """

    chapters: tuple[Chapter, ...]
    digest: str
    bindings: tuple[Question, ...] = ()

    @property
    def recommendations(self) -> tuple[Recommendation, ...]:
        """All recommendations, in chapter order."""
        return tuple(entry for chapter in self.chapters for entry in chapter.recommendations)

    @property
    def asked(self) -> tuple[Question, ...]:
        """The questions of the chapters; one that two of them ask stands once."""
        return tuple({question.id: question for c in self.chapters for question in c.questions}.values())

    @property
    def questions(self) -> tuple[Question, ...]:
        """All questions, those of application profiles too."""
        known = {question.id for question in self.asked}
        return (*self.asked, *(question for question in self.bindings if question.id not in known))

    def get(self, id_: str) -> Recommendation | None:
        """The recommendation with this id, or one that was once called so."""
        for entry in self.recommendations:
            if entry.id == id_ or id_ in entry.renamed_from:
                return entry
        pattern, colon, subject = id_.partition(":")
        found = self.get(pattern) if colon and subject else None
        return found.about(subject) if found is not None and found.subject == EACH else None

    def with_subjects(self, ids: Iterable[str]) -> Checklists:
        """The checklists with the entries about single subjects that ``ids`` name, behind their patterns."""
        known = {entry.id for entry in self.recommendations}
        made = [
            entry for id_ in ids if id_ not in known and (entry := self.get(id_)) and entry.id not in known
        ]
        if not made:
            return self

        def grown(section: Section) -> Section:
            entries = [
                each
                for entry in section.recommendations
                for each in (entry, *(new for new in made if new.id.partition(":")[0] == entry.id))
            ]
            return replace(section, recommendations=tuple(entries))

        chapters = (
            replace(c, sections=tuple(grown(section) for section in c.sections)) for c in self.chapters
        )
        return replace(self, chapters=tuple(chapters))

    def document(self, id_: str) -> Document | None:
        """The source document with this id."""
        return next((d for c in self.chapters for d in c.documents if d.id == id_), None)


class GapKind(StrEnum):
    """Why there is no value."""

    ABSENT = "absent"  # the subject does not exist on this host
    UNSET = "unset"  # no configuration says anything, and the default is not known
    UNTOLD = "untold"  # nothing on this host tells; the detail is the whole sentence
    DENIED = "denied"  # more rights are needed
    TIMED_OUT = "timed out"
    TOO_LARGE = "too large"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"  # this host or this view of it cannot answer
    NOT_RECORDED = "not recorded"
    ON_DEMAND = "on demand"  # a search of file systems that nobody asked for yet
    INCOMPLETE = "incomplete"  # a search that did not come to its end
    STALE = "stale"  # a program runs with what its files held before they were changed
    UNMODELLED = "unmodelled"  # something that we do not model may write it


@dataclass(frozen=True, slots=True)
class Gap:
    """A value that is not there, and why; ``detail`` is a sentence or a path."""

    kind: GapKind
    detail: str = ""


class Role(StrEnum):
    """What a place that was read means for the value."""

    READ = "read"
    WINS = "wins"
    BEATEN = "beaten"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a value was read: a path or command, the line (0 for none), its text, and what it means."""

    place: str
    role: Role = Role.READ
    line: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """One side of an observation, now or after a boot.

    ``values`` holds what is compared, part by part: one part "" for a single value, or one per
    interface. ``gap`` says that something could not be read; the values are then what could.
    ``by`` names the reader where there are several ("systemd-sysctl", "procps").
    """

    values: Mapping[str, str] = field(default_factory=dict)
    gap: Gap | None = None
    provenance: tuple[Provenance, ...] = ()
    by: str = ""

    def show(self) -> str:
        """The values on one line: one value where all parts agree, else part by part."""
        distinct = set(self.values.values())
        if len(distinct) == 1:
            return distinct.pop()
        return ", ".join(f"{part} {value}".strip() for part, value in self.values.items())


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of one subject.

    ``boot`` has one reading for each program that would set the subject at boot, and none where
    the kind of setting has no such side. ``facts`` is what a change needs to know; the plan keeps it.
    """

    running: Reading | None
    boot: tuple[Reading, ...] = ()
    facts: Mapping[str, Fact] = field(default_factory=dict)
    seen_at: float = 0.0


class Drift(StrEnum):
    """Running and boot disagree about the verdict."""

    LOST_AT_REBOOT = "right now, lost at reboot"
    NOT_YET = "right after reboot, not yet"


@dataclass(frozen=True, slots=True)
class Hazard:
    """Something seen on this host that the change would break; ``refuses`` when it must not be made."""

    id: str
    text: str
    refuses: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A recommendation held against an observation."""

    recommendation: Recommendation
    result: Result
    message: str
    observation: Observation | None = None
    drift: Drift | None = None
    hazards: tuple[Hazard, ...] = ()

    @property
    def running(self) -> str:
        """The running value on one line; "" where there is none."""
        seen = self.observation
        return seen.running.show() if seen and seen.running else ""

    @property
    def boot(self) -> str:
        """The value after a boot on one line; both where two readers disagree."""
        if not self.observation or not self.observation.boot:
            return ""
        shown = {reading.by: reading.show() for reading in self.observation.boot}
        if len(set(shown.values())) == 1:
            return next(iter(shown.values()))
        return "; ".join(f"{by}: {value or '-'}" for by, value in shown.items())

    @property
    def expected(self) -> str:
        """What passes, in words; "" for what is only shown."""
        return self.recommendation.expected

    @property
    def provenance(self) -> tuple[Provenance, ...]:
        """Every place that was read for it, running first."""
        seen = self.observation
        if seen is None:
            return ()
        readings = ((seen.running,) if seen.running else ()) + seen.boot
        return tuple(dict.fromkeys(place for reading in readings for place in reading.provenance))


class Action(StrEnum):
    """What was decided about a recommendation."""

    APPLY = "apply"
    WAIVE = "waive"
    DEFER = "defer"
    ATTEST = "attest"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about one recommendation, and what was seen when they did.

    ``until`` ends a waiver. ``running`` and ``boot`` are what the finding showed; a waiver holds only
    while they stay. ``facts`` are those of the observation, from which the change is compiled.
    """

    id: str
    action: Action
    title: str
    source: str
    running: str
    boot: str
    recommended: str
    at: datetime
    by: str
    target: str = ""
    reason: str = ""
    until: date | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def aim(self) -> str:
        """The target on one line."""
        return "; ".join(filter(None, self.target.split("\n")))


@dataclass(frozen=True, slots=True)
class HostIdentity:
    """Which host a plan is for."""

    machine_id: str
    hostname: str
    distribution: str
    kernel: str

    def fits(self, seen: HostIdentity) -> bool:
        """Whether a host that shows itself as ``seen`` is this one. Without machine-ids, all must agree."""
        if self.machine_id or seen.machine_id:
            return self.machine_id == seen.machine_id
        return bool(self.hostname) and self == seen


@dataclass(frozen=True, slots=True)
class Plan:
    """Decisions and answers for one host.

    ``files`` holds, by path, the lines of those files of ours that stood there when a decision that
    writes them was made: what an earlier plan wrote there stays.
    """

    host: HostIdentity
    checklists: str  # the digest of the checklists at the last assessment
    language: str
    answers: Mapping[str, str] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def decision(self, id_: str) -> Decision | None:
        """The decision about this recommendation, if one was made."""
        return next((entry for entry in self.decisions if entry.id == id_), None)
