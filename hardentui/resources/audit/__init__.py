"""The audit system of Linux: the rules that the kernel holds and will hold, and what they ought to record."""

from hardentui.resources.audit.cover import Verdict, covers, judge
from hardentui.resources.audit.daemon import Auditd
from hardentui.resources.audit.rules import Rule
from hardentui.resources.audit.sets import AuditRules
from hardentui.resources.audit.state import at_boot, loaded

__all__ = ["AuditRules", "Auditd", "Rule", "Verdict", "at_boot", "covers", "judge", "loaded"]
