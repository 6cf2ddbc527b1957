"""One sitting with one host: what was seen, found and decided. Every change gives a new session.

The screen, the numbered walk and the commands are three faces of this one state.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from hardentui import i18n
from hardentui.answers import cleaned, filled, valid
from hardentui.assess import assess
from hardentui.changeset import are_alternatives, change_of, compile_plan
from hardentui.i18n import _
from hardentui.model import (
    Action,
    Checklists,
    Decision,
    Finding,
    GapKind,
    HostIdentity,
    Plan,
    Recommendation,
    Result,
)
from hardentui.operations import ByHand, ChangeSet, Refusal, WriteFile
from hardentui.plan import Standing, standing
from hardentui.rehearsal import rehearse
from hardentui.resources import collects
from hardentui.snapshot import DistributionIs, File, KernelIs, PrivilegesAre, Reason, Snapshot, Unread

_MACHINE_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Session:
    """The state of a sitting."""

    checklists: Checklists
    snapshot: Snapshot
    findings: tuple[Finding, ...]
    plan: Plan

    @classmethod
    def begin(cls, checklists: Checklists, snapshot: Snapshot, plan: Plan | None = None) -> Session:
        """A session on what ``snapshot`` shows, going on with ``plan`` or with an empty one."""
        if plan is None:
            plan = Plan(identity(snapshot), checklists.digest, i18n.language())
        plan = replace(plan, checklists=checklists.digest)
        checklists = checklists.with_subjects(decision.id for decision in plan.decisions)
        findings = assess(checklists.recommendations, snapshot, plan.answers, checklists.questions)
        return cls(checklists, snapshot, findings, plan)

    def with_snapshot(self, snapshot: Snapshot) -> Session:
        """The same plan on newer facts."""
        return Session.begin(self.checklists, snapshot, self.plan)

    def finding(self, id_: str) -> Finding | None:
        """The finding of this recommendation."""
        return next((found for found in self.findings if found.recommendation.id == id_), None)

    def entry(self, id_: str) -> Recommendation | None:
        """The recommendation with this id, with the answers that its texts use."""
        found, asked = self.checklists.get(id_), self.checklists.questions
        return filled(found, valid(asked, self.plan.answers), asked) if found else None

    def answered(self, question: str, answer: str | None) -> Session:
        """The session with a question answered, or with its answer taken back (None).

        Raises:
            ValueError: it is no answer to this question; a sentence.
        """
        return Session.begin(self.checklists, self.snapshot, self.answering(question, answer))

    def answering(self, question: str, answer: str | None) -> Plan:
        """The plan with a question answered, or with its answer taken back; raises as ``answered``."""
        answers = dict(self.plan.answers)
        if answer is None:
            answers.pop(question, None)
        else:
            asked = next(known for known in self.checklists.questions if known.id == question)
            answers[question] = cleaned(asked, answer)
        return replace(self.plan, answers=answers)

    def seeing(self, id_: str) -> Session:
        """The session with the entry about one subject of a pattern, and its finding."""
        checklists = self.checklists.with_subjects([id_])
        if checklists is self.checklists:
            return self
        known = {found.recommendation.id: found for found in self.findings}
        new = [entry for entry in checklists.recommendations if entry.id not in known]
        found = assess(new, self.snapshot, self.plan.answers, checklists.questions)
        known |= {one.recommendation.id: one for one in found}
        findings = tuple(known[entry.id] for entry in checklists.recommendations)
        return replace(self, checklists=checklists, findings=findings)

    def decided(self, decision: Decision) -> Session:
        """The session with a decision made, in chapter order; one about the same entry is replaced."""
        if self.checklists.with_subjects([decision.id]) is not self.checklists:
            return self.seeing(decision.id).decided(decision)
        others = {known.id: known for known in self.plan.decisions}
        others[decision.id] = decision
        order = {entry.id: place for place, entry in enumerate(self.checklists.recommendations)}
        decisions = sorted(others.values(), key=lambda known: order.get(known.id, len(order)))
        plan = replace(self.plan, decisions=tuple(decisions), files=self._files(decision))
        return replace(self, plan=plan)

    def _files(self, decision: Decision) -> Mapping[str, tuple[str, ...]]:
        """The plan's files, with what stands now in those that this decision adds lines to."""
        entry = self.entry(decision.id)
        if entry is None or decision.action is not Action.APPLY:
            return self.plan.files
        change = change_of(entry, decision)
        files = dict(self.plan.files)
        for step in () if isinstance(change, Refusal) else change:
            if not isinstance(step, WriteFile) or not collects(step.path):
                continue
            text = self.snapshot.ask(File(step.path))
            if not isinstance(text, Unread):
                files[step.path] = tuple(text.split("\n"))
            elif text.reason is Reason.MISSING:
                files.pop(step.path, None)
        return files

    def renewed(self) -> tuple[Session, Mapping[str, str]]:
        """The session with what its ``apply`` decisions saw brought up to what is seen now.

        And, by decision id, why one was not: less can be seen now than when it was made, so what the
        plan knew of it stays.
        """
        session, unseen = self, dict[str, str]()
        for decision in self.plan.decisions:
            found = self.finding(decision.id)
            if decision.action is not Action.APPLY or found is None:
                continue
            why = _unseen(found, decision)
            if why:
                unseen[decision.id] = why
                continue
            seen = self.decision(found, decision.action, target=decision.target, reason=decision.reason)
            session = session.decided(replace(seen, at=decision.at, by=decision.by))
        return session, unseen

    def undecided(self, id_: str) -> Session:
        """The session without a decision about this recommendation."""
        kept = tuple(known for known in self.plan.decisions if known.id != id_)
        return replace(self, plan=replace(self.plan, decisions=kept))

    def decision(
        self,
        finding: Finding,
        action: Action,
        *,
        target: str = "",
        reason: str = "",
        until: date | None = None,
    ) -> Decision:
        """A decision about a finding, bound to what it shows now."""
        entry = finding.recommendation
        who = self.snapshot.ask(PrivilegesAre())
        return Decision(
            id=entry.id,
            action=action,
            title=str(entry.title),
            source=", ".join(f"{source.document} {source.place}" for source in entry.sources),
            running=finding.running,
            boot=finding.boot,
            recommended=finding.expected,
            at=datetime.now(UTC).replace(microsecond=0),
            by=who.user if not isinstance(who, Unread) else "",
            target=target or (entry.target if action is Action.APPLY else ""),
            reason=reason,
            until=until,
            facts=finding.observation.facts if action is Action.APPLY and finding.observation else {},
        )

    def refusal(self, finding: Finding, target: str = "") -> str:
        """Why this finding cannot be applied by the script; "" when it can.

        Applying what already passes is allowed: it pins a value that only happens to be right.
        """
        if finding.result in {Result.NOTAPPLICABLE, Result.ERROR}:
            return finding.message
        if finding.observation is None:
            return finding.message
        if finding.result is Result.NOTCHECKED:
            return finding.message
        refusing = next((hazard.text for hazard in finding.hazards if hazard.refuses), "")
        if refusing:
            return refusing
        rival = self.rival(finding.recommendation)
        if rival:
            return _("{other} is applied already, and the two are alternatives").format(other=rival)
        change = change_of(finding.recommendation, self.decision(finding, Action.APPLY, target=target))
        return change.reason if isinstance(change, Refusal) else ""

    def rival(self, entry: Recommendation) -> str:
        """The id of an applied alternative to this recommendation; "" when there is none."""
        for decision in self.plan.decisions if entry.alternatives else ():
            other = self.checklists.get(decision.id)
            if other is not None and decision.action is Action.APPLY and are_alternatives(entry, other):
                return other.id
        return ""

    def compiled(self) -> ChangeSet:
        """The change set of all apply decisions.

        Raises:
            ConflictError: decisions that cannot hold together.
        """
        return compile_plan(self.plan, self.checklists)

    def rehearsed(self) -> tuple[Finding, ...]:
        """What the findings would be after the plan.

        Raises:
            ConflictError: see ``compiled``.
            RehearsalError: the plan does not fit the facts.
        """
        after = rehearse(self.snapshot, self.compiled())
        return assess(self.checklists.recommendations, after, self.plan.answers, self.checklists.questions)

    def predictable(self, id_: str) -> bool:
        """Whether the rehearsal models the change of this decision."""
        decision, entry = self.plan.decision(id_), self.entry(id_)
        if decision is None or entry is None or decision.action is not Action.APPLY:
            return False
        change = change_of(entry, decision)
        return not isinstance(change, Refusal) and not any(isinstance(step, ByHand) for step in change)

    def standings(self, today: date) -> Mapping[str, Standing]:
        """For each decision, whether it still holds."""
        return {d.id: standing(d, self.finding(d.id), today) for d in self.plan.decisions}


# Why a value is not there although it may be: nothing that was known of it is given up for these.
_SIGHTLESS = {
    GapKind.DENIED,
    GapKind.TIMED_OUT,
    GapKind.TOO_LARGE,
    GapKind.UNSUPPORTED,
    GapKind.NOT_RECORDED,
    GapKind.ON_DEMAND,
}


def _unseen(finding: Finding, decision: Decision) -> str:
    """Why this finding shows less than the decision about it saw; "" when it does not."""
    seen = finding.observation
    if seen is None:
        return finding.message
    running = (seen.running,) if seen.running else ()
    lost = any(
        known not in {"", now}
        and (not readings or any(r.gap is not None and r.gap.kind in _SIGHTLESS for r in readings))
        for known, now, readings in (
            (decision.running, finding.running, running),
            (decision.boot, finding.boot, seen.boot),
        )
    )
    return finding.message if lost or (decision.facts and not seen.facts) else ""


def identity(snapshot: Snapshot) -> HostIdentity:
    """Which host a snapshot shows."""
    machine = snapshot.ask(File("/etc/machine-id"))
    known = isinstance(machine, str) and _MACHINE_ID.fullmatch(machine.strip())  # not "uninitialized"
    kernel = snapshot.ask(KernelIs())
    system = snapshot.ask(DistributionIs())
    return HostIdentity(
        machine_id=known[0] if known else "",
        hostname="" if isinstance(kernel, Unread) else kernel.hostname,
        distribution="" if isinstance(system, Unread) else system.name,
        kernel="" if isinstance(kernel, Unread) else kernel.release,
    )
