"""The marks and words of results and decisions: never a colour alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hardentui.i18n import N_, _

if TYPE_CHECKING:
    from hardentui.model import Action, Drift, Finding, Level, Role, Severity
    from hardentui.plan import Standing
    from hardentui.snapshot import Question

# Keyed by the values of the enumerations, so that the first frame need not wait for the model.
# One ASCII character each: they stand on a serial console as on a projector.
MARKS = {
    "pass": "=",
    "fail": "!",
    "unknown": "?",
    "error": "x",
    "notapplicable": "-",
    "notchecked": "o",
    "informational": "i",
}
STYLES = {
    "pass": "$text-success",
    "fail": "$text-error",
    "unknown": "$text-warning",
    "error": "$text-error",
    "notapplicable": "$text-muted",
    "notchecked": "$text-warning",
    "informational": "$text-muted",
}
_RESULTS = {
    "pass": N_("pass"),
    "fail": N_("fail"),
    "unknown": N_("unknown"),
    "error": N_("error"),
    "notapplicable": N_("n/a"),
    "notchecked": N_("to answer"),
    "informational": N_("info"),
}
_ACTIONS = {
    "apply": N_("apply"),
    "waive": N_("waived"),
    "defer": N_("deferred"),
    "attest": N_("attested"),
}
_STANDINGS = {"expired": N_("waiver expired"), "moved": N_("value moved")}
_DRIFTS = {
    "right now, lost at reboot": N_("right now, lost at reboot"),
    "right after reboot, not yet": N_("right after a reboot, not yet"),
}
_LEVELS = {
    "minimal": N_("minimal"),
    "intermediary": N_("intermediary"),
    "enhanced": N_("enhanced"),
    "high": N_("high"),
}
_SEVERITIES = {
    "info": N_("for information"),
    "low": N_("low"),
    "medium": N_("medium"),
    "high": N_("high"),
    "critical": N_("critical"),
}
_ROLES = {
    "read": N_("read"),
    "wins": N_("wins"),
    "beaten": N_("beaten"),
    "default": N_("default"),
}
_SEARCHES = {
    "executable": N_("programs"),
    "device": N_("devices"),
    "FileSurvey": N_("all files"),
    "Updates": N_("pending updates"),
    "WrongLabels": N_("SELinux labels"),
}
# The six chapters of the course, short enough for a column; their checklists give the full titles.
CHAPTERS = {
    "partitioning": N_("Partitioning"),
    "sysctl": N_("sysctl"),
    "selinux": N_("SELinux"),
    "ports": N_("Ports"),
    "sandboxing": N_("Sandboxing"),
    "logging": N_("Logging"),
}


def mark(finding: Finding) -> str:
    """The mark of a finding; a drift has its own."""
    return "~" if finding.drift else MARKS[finding.result]


def result(value: str) -> str:
    """The word of a result."""
    return _(_RESULTS[value])


def action(value: Action) -> str:
    """The word of a decision."""
    return _(_ACTIONS[value])


def standing(value: Standing) -> str:
    """What is wrong with a waiver; "" when it holds."""
    return _(_STANDINGS[value]) if value in _STANDINGS else ""


def drift(value: Drift) -> str:
    """A drift in words."""
    return _(_DRIFTS[value])


def level(value: Level) -> str:
    """ANSSI's level in words."""
    return _(_LEVELS[value])


def severity(value: Severity) -> str:
    """A severity in words."""
    return _(_SEVERITIES[value])


def role(value: Role) -> str:
    """What a place that was read means for the value."""
    return _(_ROLES[value])


def chapter(id_: str) -> str:
    """The short name of a chapter."""
    return _(CHAPTERS[id_]) if id_ in CHAPTERS else id_


def search(question: Question[Any]) -> str:
    """What is searched for, and where, as far as the question says it."""
    rule, below = str(getattr(question, "rule", type(question).__name__)), getattr(question, "below", ())
    return " ".join((_(_SEARCHES.get(rule, rule)), *below))
