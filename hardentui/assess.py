"""Recommendations held against a snapshot and the answers: findings. Pure, and the only judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hardentui import hazards
from hardentui.answers import filled, items_of, needed, valid
from hardentui.comparison import Operator
from hardentui.i18n import _
from hardentui.model import (
    Drift,
    Finding,
    GapKind,
    Observation,
    Question,
    Reading,
    Recommendation,
    Result,
)
from hardentui.resources import RESOURCES
from hardentui.resources.base import explain
from hardentui.snapshot import DistributionIs, Snapshot, Unread

_FAMILIES = {"debian": "Debian", "rhel": "RHEL"}


def assess(
    recommendations: Iterable[Recommendation],
    snapshot: Snapshot,
    answers: Mapping[str, str],
    questions: Iterable[Question] = (),
) -> tuple[Finding, ...]:
    """A finding for every recommendation, in order. A failure of our own is a finding too: error."""
    asked = tuple(questions)
    given = valid(asked, answers)
    return tuple(_finding(entry, snapshot, given, asked) for entry in recommendations)


def _finding(
    entry: Recommendation, snapshot: Snapshot, answers: Mapping[str, str], asked: Iterable[Question]
) -> Finding:
    excluded = _excluded(entry, snapshot, answers)
    open_question = next((name for name in needed(entry) if name not in answers), "")
    entry = filled(entry, answers, asked)
    if excluded:
        return Finding(entry, Result.NOTAPPLICABLE, excluded)
    try:
        seen = RESOURCES[entry.resource].observe(snapshot, entry)
        found = hazards.find(snapshot, entry)
    except Exception as error:  # noqa: BLE001 - one broken probe must not take the others along
        return Finding(entry, Result.ERROR, f"{type(error).__name__}: {error}")
    result, message, drift = _judge(entry, seen, snapshot)
    if open_question:
        titles = {question.id: str(question.title) for question in asked}
        message = _("answer the question first: {title}").format(
            title=titles.get(open_question, open_question)
        )
        result, drift = Result.NOTCHECKED, None
    return Finding(entry, result, message, seen, drift, found)


def _excluded(entry: Recommendation, snapshot: Snapshot, answers: Mapping[str, str]) -> str:
    """Why a recommendation does not concern this host; "" when it does, or when nobody knows yet."""
    for condition in entry.when:
        if condition.question:
            answer = answers.get(condition.question)
            if answer is not None and not set(condition.one_of) & {answer, *items_of(answer)}:
                return _("not asked of this host: {question} is {answer}").format(
                    question=condition.question, answer=answer
                )
            continue
        system = snapshot.ask(DistributionIs())
        if not isinstance(system, Unread) and system.family not in condition.one_of:
            names = ", ".join(_FAMILIES.get(family, family) for family in condition.one_of)
            return _("for the family {names} only").format(names=names)
    return ""


def _judge(entry: Recommendation, seen: Observation, snapshot: Snapshot) -> tuple[Result, str, Drift | None]:
    sides = ([seen.running] if seen.running else []) + list(seen.boot)
    if not sides:
        if not snapshot.live and entry.attest is None:
            return Result.NOTCHECKED, _("an image does not run"), None
        return Result.NOTCHECKED, _("asked of a person: no tool can see it"), None
    if all(_is_absent(side) for side in sides):
        return entry.absent, "; ".join(dict.fromkeys(explain(side.gap) for side in sides if side.gap)), None
    sides = [side for side in sides if not _is_absent(side)]
    verdicts = [_verdict(entry, side, snapshot) for side in sides]
    result = next(
        (r for r in (Result.FAIL, Result.UNKNOWN, Result.NOTCHECKED, Result.INFORMATIONAL) if r in verdicts),
        Result.PASS,
    )
    gap = next((side.gap for side in sides if side.gap), None)
    if result in {Result.UNKNOWN, Result.NOTCHECKED} and gap is not None:
        if entry.attest is not None:
            return Result.NOTCHECKED, _("asked of a person: {why}").format(why=explain(gap)), None
        return result, explain(gap), None
    if result is Result.PASS:
        return result, _passing(entry, seen, snapshot), None
    if result is Result.INFORMATIONAL:
        return result, sides[0].show(), None
    drift = _drift(entry, seen, snapshot)
    message = _failing(entry, seen, drift)
    return (Result.INFORMATIONAL if entry.optional else Result.FAIL), message, drift


def _is_absent(side: Reading) -> bool:
    return side.gap is not None and side.gap.kind is GapKind.ABSENT and not side.values


def _verdict(entry: Recommendation, side: Reading, snapshot: Snapshot) -> Result:
    if entry.accept is not None and any(not entry.accept.accepts(value) for value in side.values.values()):
        return Result.FAIL
    if side.gap is not None:
        asked_later = side.gap.kind is GapKind.ON_DEMAND
        image = side.gap.kind is GapKind.UNSUPPORTED and not snapshot.live
        return Result.NOTCHECKED if asked_later or image else Result.UNKNOWN
    return Result.INFORMATIONAL if entry.accept is None else Result.PASS


def _drift(entry: Recommendation, seen: Observation, snapshot: Snapshot) -> Drift | None:
    if seen.running is None or not seen.boot:
        return None
    now = _verdict(entry, seen.running, snapshot) if not _is_absent(seen.running) else Result.FAIL
    then = {_verdict(entry, side, snapshot) for side in seen.boot}
    if now is Result.PASS and Result.FAIL in then:
        return Drift.LOST_AT_REBOOT
    if now is Result.FAIL and then == {Result.PASS}:
        return Drift.NOT_YET
    return None


def _passing(entry: Recommendation, seen: Observation, snapshot: Snapshot) -> str:
    if not snapshot.live and seen.running is None:
        return _("right at boot; an image does not run")
    if entry.target and entry.accept and _is_short_of(entry, seen):
        return _("passes; {target} is better").format(target=entry.target)
    return _("as recommended")


def _is_short_of(entry: Recommendation, seen: Observation) -> bool:
    """Whether a passing value is still not the one that we would set, where that is a plain number."""
    try:
        target = int(entry.target)
        values = [int(value) for value in seen.running.values.values()] if seen.running else []
    except ValueError:
        return False
    if entry.accept is not None and entry.accept.operator is Operator.AT_MOST:
        return any(value > target for value in values)
    return any(value != target and (value < target) == (target > 0) for value in values)


def _failing(entry: Recommendation, seen: Observation, drift: Drift | None) -> str:
    if drift is Drift.LOST_AT_REBOOT:
        return _("right now, lost at reboot: {what}").format(what=_wrong(entry, seen.boot))
    if drift is Drift.NOT_YET:
        return _("right after a reboot, not yet: {what}").format(
            what=_wrong(entry, (seen.running,) if seen.running else ())
        )
    sides = ((seen.running,) if seen.running else ()) + seen.boot
    return _wrong(entry, sides)


def _wrong(entry: Recommendation, sides: Iterable[Reading]) -> str:
    """The first part that does not pass, and what was expected there."""
    for side in sides:
        for part, value in side.values.items():
            if entry.accept is not None and not entry.accept.accepts(value):
                shown = f"{part} {value}".strip()
                return _("{value}, expected {expected}").format(value=shown, expected=entry.expected)
        if side.gap is not None:
            return explain(side.gap)
    return ""
