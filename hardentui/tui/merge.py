"""Two versions of a plan, ours and the one on disk, held against the one that both began with. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from hardentui import i18n
from hardentui.model import Decision, Plan
from hardentui.session import Session

Choice = Decision | str  # what was decided about a recommendation, or answered to a question


@dataclass(frozen=True, slots=True)
class Difference:
    """One recommendation or question about which the two say different things; None says nothing.

    ``theirs`` is what stands on disk. ``clash`` tells that both moved away from where they began: only
    a person knows which is right.
    """

    id: str
    theirs: Choice | None
    ours: Choice | None
    clash: bool
    ours_moved: bool

    @property
    def keeps_ours(self) -> bool:
        """Which one is kept unless a person says otherwise: the one that moved; on disk, if both did."""
        return self.ours_moved and not self.clash


def differences(base: Plan | None, theirs: Plan | None, ours: Plan) -> tuple[Difference, ...]:
    """What the plan on disk (None: there is no file) and ours say differently, answers first.

    ``base`` is the plan that was last the same in both; None when there was none. A file that is gone
    took nothing back.
    """
    return tuple(_differences(_choices(base if theirs else None), _choices(theirs), _choices(ours)))


def merged(session: Session, theirs: Plan | None, kept: tuple[Difference, ...]) -> Session:
    """``session`` on the plan on disk, with our side of the differences in ``kept`` put on top of it.

    The findings are those of before: other answers ask for another pass.
    """
    ours = session.plan
    begin = theirs or replace(ours, decisions=(), answers={})
    plan = replace(begin, checklists=ours.checklists, language=i18n.language())
    answers = dict(plan.answers)
    session = replace(session, plan=plan)
    for difference in kept:
        if isinstance(difference.ours, Decision):
            session = session.decided(difference.ours)
        elif isinstance(difference.ours, str):
            answers[difference.id] = difference.ours
        elif isinstance(difference.theirs, Decision):
            session = session.undecided(difference.id)
        else:
            answers.pop(difference.id, None)
    return replace(session, plan=replace(session.plan, answers=answers))


def _choices(plan: Plan | None) -> Mapping[str, Choice]:
    if plan is None:
        return {}
    return {**plan.answers, **{decision.id: decision for decision in plan.decisions}}


def _differences(
    base: Mapping[str, Choice], theirs: Mapping[str, Choice], ours: Mapping[str, Choice]
) -> Iterator[Difference]:
    for id_ in dict.fromkeys((*theirs, *ours)):
        was, there, here = base.get(id_), theirs.get(id_), ours.get(id_)
        if there != here:
            yield Difference(id_, there, here, clash=was not in (there, here), ours_moved=here != was)
