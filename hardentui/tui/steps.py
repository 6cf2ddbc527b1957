"""The steps of a change set, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from hardentui.i18n import N_, _
from hardentui.model import Checklists
from hardentui.operations import (
    ByHand,
    CheckMounts,
    CheckSyntax,
    DisableUnit,
    EnableUnit,
    LoadAuditRules,
    LoadFirewall,
    LoadHolder,
    Operation,
    ReloadManager,
    ReloadUnit,
    Remount,
    ReplaceLine,
    RestartUnit,
    SetMode,
    SetSelinuxMode,
    SetSysctl,
    WriteFile,
)
from hardentui.tui.text import line, para, prose, stack

_KINDS: dict[type[Operation], str] = {
    WriteFile: N_("write file"),
    ReplaceLine: N_("edit line"),
    CheckMounts: N_("check"),
    CheckSyntax: N_("check"),
    ReloadManager: N_("reload"),
    ReloadUnit: N_("reload"),
    LoadAuditRules: N_("reload"),
    LoadFirewall: N_("reload"),
    LoadHolder: N_("reload"),
    RestartUnit: N_("restart"),
    EnableUnit: N_("enable"),
    DisableUnit: N_("disable"),
    SetSysctl: N_("set now"),
    Remount: N_("remount"),
    SetMode: N_("set mode"),
    SetSelinuxMode: N_("set now"),
    ByHand: N_("by hand"),
}


def kind(operation: Operation) -> str:
    """What a step does, in a word or two."""
    return _(_KINDS[type(operation)])


def mark(operation: Operation) -> str:
    """``!`` for what can lock one out, ``1`` for what only a reboot undoes."""
    return ("!" if operation.can_lock_out else "") + ("1" if operation.one_way else "")


def step_text(operation: Operation, checklists: Checklists) -> Content:
    """All about one step."""
    return stack(_step(operation, checklists))


def _step(operation: Operation, checklists: Checklists) -> Iterator[Content]:
    yield line(para(kind(operation), "bold"), para("  "), para(operation.target, "bold"))
    if operation.can_lock_out:
        yield para(_("! It can lock you out: the script goes back unless you confirm."), "$text-error")
    if operation.one_way:
        yield para(_("1 It cannot be undone before a reboot: it is made at confirm, last."), "$text-warning")
    yield from _change(operation)
    yield para("")
    yield para(_("Decided by"), "bold")
    for owner in operation.owners:
        entry = checklists.get(owner)
        yield para(f"  {entry.title if entry else owner}")


def _change(operation: Operation) -> Iterator[Content]:
    match operation:
        case WriteFile():
            yield para(_("mode {mode}").format(mode=operation.mode))
            yield prose(operation.content)
        case ReplaceLine():
            yield para(f"- {operation.before}", "$text-error")
            yield para(f"+ {operation.after}", "$text-success")
        case SetSysctl() | SetSelinuxMode() | Remount():
            yield _from_to(operation.before, operation.after)
        case SetMode():
            before = f"{operation.before_mode} {operation.before_owner}"
            yield _from_to(before, f"{operation.mode} {operation.owner}")
        case ByHand():
            yield prose(str(operation.instructions))
        case _:
            return


def _from_to(before: str, after: str) -> Content:
    return para(_("{before} -> {after}").format(before=before or "-", after=after))
