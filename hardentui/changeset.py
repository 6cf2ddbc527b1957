"""The compiler: a plan's decisions to operations, merged by target and ordered by phase. Pure."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar, cast

from hardentui.answers import filled, named, valid
from hardentui.errors import InputError
from hardentui.i18n import _
from hardentui.model import Action, Checklists, Decision, Plan, Recommendation
from hardentui.operations import (
    ByHand,
    ChangeSet,
    CheckMounts,
    CheckSyntax,
    DisableUnit,
    EnableUnit,
    LoadAuditRules,
    LoadFirewall,
    LoadHolder,
    Operation,
    Phase,
    Refusal,
    ReloadManager,
    ReloadUnit,
    Remount,
    ReplaceLine,
    RestartUnit,
    SetMode,
    SetSelinuxMode,
    SetSysctl,
    WriteFile,
    with_words,
)
from hardentui.resources import RESOURCES, collects, kept

O = TypeVar("O", bound=Operation)  # noqa: E741 - the operation's kind


class ConflictError(InputError):
    """Decisions of a plan that cannot hold together; the sentence names them."""


def compile_plan(plan: Plan, checklists: Checklists) -> ChangeSet:
    """The change set of all ``apply`` decisions of a plan.

    Raises:
        ConflictError: two decisions want different things, are alternatives of each other, or would
            erase what an earlier plan wrote.
    """
    chosen: list[tuple[Recommendation, Decision]] = []
    refused: dict[str, str] = {}
    given = valid(checklists.questions, plan.answers)
    for decision in plan.decisions:
        entry = checklists.get(decision.id)
        if decision.action is not Action.APPLY:
            continue
        if entry is None:
            refused[decision.id] = _("no recommendation has this id")
            continue
        if waiting := [name for name in named(entry) if name not in given]:
            refused[decision.id] = _("a question is not answered: {name}").format(name=", ".join(waiting))
            continue
        chosen.append((filled(entry, given), decision))
    _check_alternatives([entry for entry, _decision in chosen])
    operations: list[Operation] = []
    for entry, decision in chosen:
        change = change_of(entry, decision)
        if isinstance(change, Refusal):
            refused[decision.id] = change.reason
        else:
            operations += change
    merged = [_keeping(operation, plan.files) for operation in _merged(operations)]
    return ChangeSet(_ordered(merged), refused)


def change_of(entry: Recommendation, decision: Decision) -> tuple[Operation, ...] | Refusal:
    """The operations of one decision, or why there are none."""
    try:
        return _change(entry, decision)
    except ValueError as error:
        return Refusal(_("this change cannot be written safely: {error}").format(error=error))


def _change(entry: Recommendation, decision: Decision) -> tuple[Operation, ...] | Refusal:
    if not entry.target:
        if entry.procedure is None:
            return Refusal(_("nothing can be set here"))
        return (ByHand(owners=(entry.id,), subject=entry.subject, instructions=entry.procedure),)
    target = decision.target or entry.target
    if target != entry.target and entry.accept is not None and not entry.accept.accepts(target):
        return Refusal(
            _("the target {target} would not pass: {expected}").format(target=target, expected=entry.expected)
        )
    return RESOURCES[entry.resource].change(entry, decision.facts, target)


def are_alternatives(one: Recommendation, other: Recommendation) -> bool:
    """Whether at most one of the two may be applied: same group, another branch ("GROUP:BRANCH")."""
    group, _colon, branch = one.alternatives.partition(":")
    other_group, _colon, other_branch = other.alternatives.partition(":")
    return bool(group) and group == other_group and branch != other_branch


def _check_alternatives(entries: Iterable[Recommendation]) -> None:
    for first, second in itertools.combinations(entries, 2):
        if are_alternatives(first, second):
            raise ConflictError(
                _("{first} and {second} are alternatives: apply one of them").format(
                    first=first.id, second=second.id
                )
            )


def _merged(operations: Iterable[Operation]) -> list[Operation]:
    """One operation for each target: those that can be joined are, the others must agree."""
    merged: dict[tuple[object, ...], Operation] = {}
    for operation in operations:
        key = _key(operation)
        known = merged.get(key)
        merged[key] = operation if known is None else _join(known, operation)
    return list(merged.values())


def _keeping(operation: Operation, files: Mapping[str, tuple[str, ...]]) -> Operation:
    """The operation, with the lines of an earlier plan that its file holds and this plan does not set."""
    if not isinstance(operation, WriteFile) or not collects(operation.path):
        return operation
    lines = files.get(operation.path)
    if lines is None:
        if operation.before in {"", "absent"}:
            return operation
        raise ConflictError(
            _(
                "{path} holds lines of an earlier plan, and this one does not know them: "
                "run `hardentui plan refresh` first"
            ).format(path=operation.path)
        )
    try:
        parts = (*kept(operation.path, lines, operation.parts), *operation.parts)
    except ValueError as error:
        raise ConflictError(
            _("{path} holds a line that cannot be kept: {error}").format(path=operation.path, error=error)
        ) from error
    before = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    return replace(operation, parts=parts, before=before)


def _key(operation: Operation) -> tuple[object, ...]:
    before = operation.before if isinstance(operation, ReplaceLine) else None
    after = operation.after if isinstance(operation, ReplaceLine) and not operation.before else None
    owners = (
        operation.owners if isinstance(operation, ByHand) else None
    )  # two procedures for one subject are two
    return (type(operation), operation.target, before, after, owners)


def _join(first: Operation, second: Operation) -> Operation:
    join = cast("Callable[[Operation, Operation], Operation]", _JOINS[type(first)])
    joined = join(first, second)
    return replace(
        joined,
        owners=tuple(dict.fromkeys((*first.owners, *second.owners))),
        can_lock_out=first.can_lock_out or second.can_lock_out,
        one_way=joined.one_way,
    )


def _conflict(first: Operation, second: Operation) -> ConflictError:
    return ConflictError(
        _("{first} and {second} want different things of {target}").format(
            first=", ".join(first.owners), second=", ".join(second.owners), target=first.target
        )
    )


def _join_files(first: WriteFile, second: WriteFile) -> WriteFile:
    parts = list(dict.fromkeys((*first.parts, *second.parts)))
    joined = replace(first, parts=tuple(parts), before=first.before or second.before)
    if (first.mode, first.unique, first.late) != (second.mode, second.unique, second.late):
        raise _conflict(first, second)
    if not first.unique:
        if first.parts != second.parts:
            raise _conflict(first, second)
        return first
    options = [line for part in parts for line in part.lines if line.startswith("Options=")]
    if options:
        words = options[0].removeprefix("Options=")
        for other in options[1:]:
            added = [w for w in other.removeprefix("Options=").split(",") if w not in words.split(",")]
            words = with_words(words, added)
        parts = [
            replace(
                p,
                lines=tuple(f"Options={words}" if line.startswith("Options=") else line for line in p.lines),
            )
            for p in parts
        ]
        joined = replace(joined, parts=tuple(parts))
    settings: dict[str, str] = {}
    for line in (line for part in joined.parts for line in part.lines):
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#") and settings.setdefault(key.strip(), value) != value:
            raise _conflict(first, second)
    return joined


def _join_lines(first: ReplaceLine, second: ReplaceLine) -> ReplaceLine:
    if first.after == second.after:
        return first
    if first.path != "/etc/fstab":
        raise _conflict(first, second)
    field = 3
    before = first.before.split()[field].split(",")
    added = [word for word in second.after.split()[field].split(",") if word not in before]
    return replace(first, after=with_words(first.after, added, field=field))


def _join_values(first: SetSysctl, second: SetSysctl) -> SetSysctl:
    # One that only restores what another change resets gives way to one that was decided.
    if first.before == first.after:
        return second
    if second.after in {second.before, first.after}:
        return first
    raise _conflict(first, second)


def _join_remounts(first: Remount, second: Remount) -> Remount:
    def joined(one: str, other: str) -> str:
        return ",".join(dict.fromkeys((*one.split(","), *other.split(","))))

    return replace(
        first,
        after=joined(first.after, second.after),
        set=joined(first.set, second.set),
        unset=joined(first.unset, second.unset),
    )


def _join_enabling(first: EnableUnit, second: EnableUnit) -> EnableUnit:
    return replace(first, start=first.start or second.start)


def _same(first: O, second: O) -> O:
    if replace(first, owners=(), can_lock_out=False) != replace(second, owners=(), can_lock_out=False):
        raise _conflict(first, second)
    return first


_JOINS: Mapping[type[Operation], object] = {
    ByHand: _same,
    CheckMounts: _same,
    CheckSyntax: _same,
    DisableUnit: _same,
    EnableUnit: _join_enabling,
    LoadAuditRules: _same,
    LoadFirewall: _same,
    LoadHolder: _same,
    ReloadManager: _same,
    ReloadUnit: _same,
    Remount: _join_remounts,
    ReplaceLine: _join_lines,
    RestartUnit: _same,
    SetMode: _same,
    SetSelinuxMode: _same,
    SetSysctl: _join_values,
    WriteFile: _join_files,
}
_KINDS = list[type[Operation]](
    (
        WriteFile,
        ReplaceLine,
        CheckMounts,
        CheckSyntax,
        ReloadManager,
        LoadFirewall,
        LoadHolder,
        EnableUnit,
        ReloadUnit,
        RestartUnit,
        LoadAuditRules,
        DisableUnit,
        SetSysctl,
        Remount,
        SetMode,
        SetSelinuxMode,
        ByHand,
    )
)


def _ordered(operations: list[Operation]) -> tuple[Operation, ...]:
    def place(operation: Operation) -> tuple[int, int, int]:
        phase = Phase.ONE_WAY if operation.one_way else operation.phase
        if isinstance(operation, WriteFile) and operation.late:
            phase = Phase.VALUES
        rank = operation.rank if isinstance(operation, SetSysctl) else 0
        return phase, _KINDS.index(type(operation)), rank

    return tuple(sorted(operations, key=place))
