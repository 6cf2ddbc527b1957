"""One consistent pass over a host: typed questions, each asked at most once, answered with a time.

Resources ask the snapshot and nothing else. Answers are values: what was read, or an ``Unread``
that says why not. Nothing here touches the system; a ``Host`` does (see hardentui.host).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any, Protocol, TypeVar, cast

from hardentui.snapshot.answers import (
    NAMESPACES,
    NOT_INSTALLED,
    Account,
    ConfinedProcess,
    Connection,
    ControlGroup,
    Denial,
    Distribution,
    End,
    Entry,
    Found,
    Group,
    Interface,
    Kernel,
    Kind,
    LastLogin,
    LeftOut,
    LogFile,
    Login,
    LogTree,
    Mislabelled,
    Mount,
    Openings,
    Output,
    Package,
    Password,
    Privileges,
    Process,
    Reason,
    SecurityPolicy,
    ServiceSettings,
    ServiceUse,
    Socket,
    Status,
    Survey,
    Unit,
    UnitFile,
    Unread,
    Update,
    Usage,
)
from hardentui.snapshot.questions import (
    QUESTIONS,
    Accounts,
    BootId,
    Clock,
    Command,
    Confinement,
    Connections,
    ControlGroups,
    Cost,
    Denials,
    DistributionIs,
    File,
    FileLabel,
    FileSurvey,
    Folder,
    Groups,
    Interfaces,
    KernelFile,
    KernelIs,
    KernelOption,
    LastLogins,
    Link,
    LogFiles,
    Logins,
    Mounts,
    NisEntries,
    OpeningsOf,
    Packages,
    Passwords,
    PolicyIs,
    PrivilegesAre,
    Processes,
    Question,
    SandboxSettings,
    Search,
    SlowCommand,
    Sockets,
    SpaceUsed,
    Stat,
    UnitFiles,
    Units,
    Updates,
    UseOf,
    WrongLabels,
    fields,
)
from hardentui.snapshot.secrets import HIDDEN, HIDDEN_LOGIN, is_of_postgresql, without_secrets

__all__ = [
    "HIDDEN",
    "HIDDEN_LOGIN",
    "NAMESPACES",
    "NOT_INSTALLED",
    "QUESTIONS",
    "Account",
    "Accounts",
    "BootId",
    "Clock",
    "Command",
    "ConfinedProcess",
    "Confinement",
    "Connection",
    "Connections",
    "ControlGroup",
    "ControlGroups",
    "Cost",
    "Denial",
    "Denials",
    "Distribution",
    "DistributionIs",
    "End",
    "Entry",
    "File",
    "FileLabel",
    "FileSurvey",
    "Folder",
    "Found",
    "Group",
    "Groups",
    "Host",
    "Interface",
    "Interfaces",
    "Kernel",
    "KernelFile",
    "KernelIs",
    "KernelOption",
    "Kind",
    "LastLogin",
    "LastLogins",
    "LeftOut",
    "Link",
    "LogFile",
    "LogFiles",
    "LogTree",
    "Login",
    "Logins",
    "Mislabelled",
    "Mount",
    "Mounts",
    "NisEntries",
    "Openings",
    "OpeningsOf",
    "Output",
    "Package",
    "Packages",
    "Password",
    "Passwords",
    "PolicyIs",
    "Privileges",
    "PrivilegesAre",
    "Process",
    "Processes",
    "Question",
    "Reason",
    "SandboxSettings",
    "Search",
    "SecurityPolicy",
    "ServiceSettings",
    "ServiceUse",
    "SlowCommand",
    "Snapshot",
    "Socket",
    "Sockets",
    "SpaceUsed",
    "Stat",
    "Status",
    "Survey",
    "Unit",
    "UnitFile",
    "UnitFiles",
    "Units",
    "Unread",
    "Update",
    "Updates",
    "Usage",
    "UseOf",
    "WrongLabels",
    "fields",
    "is_of_postgresql",
]

T = TypeVar("T")


class Host(Protocol):
    """Where answers come from: the live system, a mounted image, or a recording."""

    name: str  # "live", "image" or "recording"
    label: str  # what a person reads: "this host", the folder, the file

    def answer(self, question: Question[T]) -> tuple[T | Unread, float]:
        """The answer and when it was read (epoch seconds). Never raises for what a host may hold."""
        ...


class Snapshot:
    """The answers of one pass. Asking twice gives the same answer; a frozen one asks no more.

    Questions that cost a search of file systems are answered only when the snapshot is ``deep``.
    """

    def __init__(
        self,
        host: Host,
        kept: Mapping[Question[Any], tuple[Any, float]] | None = None,
        *,
        deep: bool = False,
    ) -> None:
        self.host = host
        self.deep = deep
        self._answers: dict[Question[Any], tuple[Any, float]] = dict(kept or {})
        self._derived: dict[Callable[[Snapshot], Any], Any] = {}
        self._frozen = False

    def ask(self, question: Question[T]) -> T | Unread:
        """The answer to ``question``."""
        return self.ask_timed(question)[0]

    def ask_timed(self, question: Question[T]) -> tuple[T | Unread, float]:
        """The answer, and when it was read (epoch seconds)."""
        known = self._answers.get(question)
        if known is None:
            replayed = getattr(self.host, "replays", self.host.name == "recording")
            if question.cost is Cost.DEMAND and not self.deep and not replayed:
                return Unread(Reason.ON_DEMAND), 0.0
            if self._frozen:
                return Unread(Reason.NOT_RECORDED), 0.0
            answer, at = self.host.answer(question)
            known = without_secrets(question, answer), at
            self._answers[question] = known
        return cast("tuple[T | Unread, float]", known)

    def derive(self, work_out: Callable[[Snapshot], T]) -> T:
        """What ``work_out`` makes of this snapshot, worked out once: for what many resources need."""
        if work_out not in self._derived:
            self._derived[work_out] = work_out(self)
        return cast("T", self._derived[work_out])

    def freeze(self) -> Snapshot:
        """Ask nothing more: what was not asked is NOT_RECORDED from now on."""
        self._frozen = True
        return self

    def refreshed(self, *costs: Cost, also: Container[Question[Any]] = ()) -> Snapshot:
        """A new snapshot of the same host that asks some things again, and keeps the rest.

        Asked again is what has one of ``costs``, and what is among ``also``.
        """
        kept = {
            question: known
            for question, known in self._answers.items()
            if question.cost not in costs and question not in also
        }
        return Snapshot(self.host, kept, deep=self.deep)

    def with_answers(self, answers: Mapping[Question[Any], Any], at: float) -> Snapshot:
        """A copy in which these questions have these answers; what a rehearsal stands on."""
        kept = dict(self._answers)
        kept.update({question: (answer, at) for question, answer in answers.items()})
        copy = Snapshot(self.host, kept, deep=self.deep)
        copy._frozen = self._frozen
        return copy

    def items(self) -> Iterator[tuple[Question[Any], Any, float]]:
        """Every question that was asked, with its answer and time."""
        for question, (answer, at) in self._answers.items():
            yield question, answer, at

    @property
    def live(self) -> bool:
        """Whether the running side can be seen: not on an image."""
        return self.host.name != "image"

    @property
    def as_root(self) -> bool:
        """Whether root asks; not where that cannot be told."""
        who = self.ask(PrivilegesAre())
        return not isinstance(who, Unread) and who.uid == 0

    @property
    def taken_at(self) -> float:
        """The host's clock at the pass (epoch seconds); recorded with a recording."""
        now = self.ask(Clock())
        return now if isinstance(now, float) else 0.0
