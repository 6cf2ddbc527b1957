"""Whether code can be put into the running kernel: lockdown, signed modules, and what came in already."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import missing, nothing, one, wrong_subject
from hardentui.snapshot import KernelFile, KernelOption, Reason, Snapshot, Unread

_LOCKDOWN = "/sys/kernel/security/lockdown"
_ENFORCE = "/sys/module/module/parameters/sig_enforce"
_TAINTED = "/proc/sys/kernel/tainted"
# Documentation/admin-guide/tainted-kernels.rst: the bits that modules from elsewhere leave.
_FOREIGN: Mapping[int, str] = {0: "proprietary", 12: "out-of-tree", 13: "unsigned"}


class KernelIntegrity:
    """The resource "kernel-integrity": of the running kernel only."""

    name = "kernel-integrity"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if not snapshot.live:
            return missing(Gap(GapKind.UNSUPPORTED, _("an image does not run")))
        return Observation(_SUBJECTS[entry.subject](snapshot), seen_at=snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("the kernel command line decides this: see the procedure"))


def _loading(snapshot: Snapshot) -> Reading:
    """What keeps foreign code out: the lockdown mode, else whether modules must be signed."""
    mode = _lockdown(snapshot)
    if isinstance(mode, Unread) and mode.reason is not Reason.MISSING:
        return nothing(mode, _LOCKDOWN)
    word = "none" if isinstance(mode, Unread) else mode
    places = (Provenance(_LOCKDOWN, text=word),)
    if word not in {"none", ""}:
        return Reading({"": f"lockdown={word}"}, provenance=places)
    enforced = snapshot.ask(KernelFile(_ENFORCE))
    if isinstance(enforced, Unread):
        built = snapshot.ask(KernelOption("CONFIG_MODULES"))
        if built == "n":
            return Reading({"": "no-modules"}, provenance=(*places, Provenance("CONFIG_MODULES", text="n")))
        if enforced.reason is not Reason.MISSING:
            return nothing(enforced, _ENFORCE)
        if isinstance(built, Unread):
            return Reading(gap=built.gap(_ENFORCE), provenance=places)
        enforced = "N"
    signed = Provenance(_ENFORCE, text=enforced)
    return Reading({"": "signed-modules" if enforced == "Y" else "open"}, provenance=(*places, signed))


def _lockdown(snapshot: Snapshot) -> str | Unread:
    text = snapshot.ask(KernelFile(_LOCKDOWN))
    if isinstance(text, Unread):
        return text
    chosen = re.search(r"\[(\w+)\]", text)
    return chosen[1] if chosen else text


def _tainted(snapshot: Snapshot) -> Reading:
    text = snapshot.ask(KernelFile(_TAINTED))
    if isinstance(text, Unread):
        return nothing(text, _TAINTED)
    if not text.isdecimal():
        return Reading(gap=Gap(GapKind.FAILED, f"{_TAINTED}: {text}"))
    words = [word for bit, word in _FOREIGN.items() if int(text) >> bit & 1]
    return one(" ".join(words) or "none", _TAINTED, text)


_SUBJECTS: Mapping[str, Callable[[Snapshot], Reading]] = {"loading": _loading, "foreign-modules": _tainted}
