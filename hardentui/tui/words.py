"""The marks and words of results and decisions: never a colour alone."""

from __future__ import annotations

from hardentui.i18n import N_, _
from hardentui.model import Action, Drift, Finding, Level, Result, Role, Severity
from hardentui.plan import Standing

# One ASCII character each: they stand on a serial console as on a projector.
MARKS = {
    Result.PASS: "=",
    Result.FAIL: "!",
    Result.UNKNOWN: "?",
    Result.ERROR: "x",
    Result.NOTAPPLICABLE: "-",
    Result.NOTCHECKED: "o",
    Result.INFORMATIONAL: "i",
}
STYLES = {
    Result.PASS: "$text-success",
    Result.FAIL: "$text-error",
    Result.UNKNOWN: "$text-warning",
    Result.ERROR: "$text-error",
    Result.NOTAPPLICABLE: "$text-muted",
    Result.NOTCHECKED: "$text-warning",
    Result.INFORMATIONAL: "$text-muted",
}
_RESULTS = {
    Result.PASS: N_("pass"),
    Result.FAIL: N_("fail"),
    Result.UNKNOWN: N_("unknown"),
    Result.ERROR: N_("error"),
    Result.NOTAPPLICABLE: N_("n/a"),
    Result.NOTCHECKED: N_("to answer"),
    Result.INFORMATIONAL: N_("info"),
}
_ACTIONS = {
    Action.APPLY: N_("apply"),
    Action.WAIVE: N_("waived"),
    Action.DEFER: N_("deferred"),
    Action.ATTEST: N_("attested"),
}
_STANDINGS = {Standing.EXPIRED: N_("waiver expired"), Standing.MOVED: N_("value moved")}
_DRIFTS = {
    Drift.LOST_AT_REBOOT: N_("right now, lost at reboot"),
    Drift.NOT_YET: N_("right after a reboot, not yet"),
}
_LEVELS = {
    Level.MINIMAL: N_("minimal"),
    Level.INTERMEDIARY: N_("intermediary"),
    Level.ENHANCED: N_("enhanced"),
    Level.HIGH: N_("high"),
}
_SEVERITIES = {
    Severity.INFO: N_("for information"),
    Severity.LOW: N_("low"),
    Severity.MEDIUM: N_("medium"),
    Severity.HIGH: N_("high"),
    Severity.CRITICAL: N_("critical"),
}
_ROLES = {
    Role.READ: N_("read"),
    Role.WINS: N_("wins"),
    Role.BEATEN: N_("beaten"),
    Role.DEFAULT: N_("default"),
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


def result(value: Result) -> str:
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
