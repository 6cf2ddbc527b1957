"""How far a sitting is: counts of findings and decisions. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from hardentui.answers import needed, valid
from hardentui.changeset import ConflictError
from hardentui.model import Action, Finding, GapKind, Question, Result
from hardentui.operations import ChangeSet
from hardentui.plan import Standing
from hardentui.session import Session


@dataclass(frozen=True, slots=True)
class Progress:
    """The counts of some findings."""

    results: Mapping[str, int]  # by result
    decided: int
    decidable: int

    @property
    def evaluated(self) -> int:
        """How many were really held against the machine."""
        return sum(self.results[result] for result in Result if result.evaluated)

    @property
    def not_evaluated(self) -> int:
        """How many should be and were not: unknown, error, or waiting for a person."""
        return sum(self.results[r] for r in (Result.UNKNOWN, Result.ERROR, Result.NOTCHECKED))

    @property
    def open(self) -> int:
        """How many wait for a decision."""
        return self.decidable - self.decided


@dataclass(frozen=True)
class Tally:
    """A session as the screens count it, on one day."""

    session: Session
    today: date

    @cached_property
    def standings(self) -> Mapping[str, Standing]:
        """For each decision, whether it still holds."""
        return self.session.standings(self.today)

    @cached_property
    def unanswered(self) -> Mapping[str, Question]:
        """The questions without an answer, by id."""
        questions = self.session.checklists.asked
        answers = valid(questions, self.session.plan.answers)
        return {question.id: question for question in questions if question.id not in answers}

    @cached_property
    def actions(self) -> Mapping[Action, int]:
        """How many decisions of each kind the plan holds."""
        return Counter(decision.action for decision in self.session.plan.decisions)

    @cached_property
    def _compiled(self) -> tuple[ChangeSet, str]:
        try:
            return self.session.compiled(), ""
        except ConflictError as error:
            return ChangeSet(), str(error)

    @property
    def conflict(self) -> str:
        """Why the decisions of the plan cannot hold together; "" when they can."""
        return self._compiled[1]

    @property
    def locking(self) -> int:
        """How many steps of the script can lock one out."""
        return sum(operation.can_lock_out for operation in self._compiled[0].operations)

    @property
    def one_way(self) -> int:
        """How many steps of the script only a reboot can undo."""
        return sum(operation.one_way for operation in self._compiled[0].operations)

    @cached_property
    def denied(self) -> tuple[Finding, ...]:
        """The findings whose facts need more rights than we have."""
        return tuple(found for found in self.session.findings if _is_denied(found))

    def waits_for(self, finding: Finding) -> Question | None:
        """The question that must be answered before this finding can be judged."""
        if finding.result is not Result.NOTCHECKED:
            return None
        entry = self.session.checklists.get(finding.recommendation.id)
        asked = needed(entry) if entry else ()
        return next((self.unanswered[name] for name in asked if name in self.unanswered), None)

    def decidable(self, finding: Finding) -> bool:
        """Whether a finding calls for a decision: a gap, a doubt, or what only a person can see."""
        if finding.result in {Result.FAIL, Result.UNKNOWN}:
            return True
        attestable = finding.recommendation.attest is not None
        return finding.result is Result.NOTCHECKED and attestable and self.waits_for(finding) is None

    def is_open(self, finding: Finding) -> bool:
        """Whether a finding waits for a decision; a waiver that no longer holds is none."""
        return self.decidable(finding) and self.standings.get(finding.recommendation.id) is not Standing.HOLDS

    def progress(self, findings: Iterable[Finding]) -> Progress:
        """The counts of ``findings``."""
        findings = tuple(findings)
        calling = [finding for finding in findings if self.decidable(finding)]
        return Progress(
            results=Counter(finding.result.value for finding in findings),
            decided=sum(not self.is_open(finding) for finding in calling),
            decidable=len(calling),
        )

    def chapter(self, id_: str) -> tuple[Finding, ...]:
        """The findings of one chapter, in the course's order."""
        return tuple(found for found in self.session.findings if found.recommendation.chapter == id_)


def _is_denied(finding: Finding) -> bool:
    seen = finding.observation
    if seen is None:
        return False
    sides = ((seen.running,) if seen.running else ()) + seen.boot
    return any(side.gap is not None and side.gap.kind is GapKind.DENIED for side in sides)
