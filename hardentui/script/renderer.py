"""From a compiled plan to the text of its script. Pure: the same plan gives the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib.resources import files
from typing import Any

from hardentui import __version__, i18n
from hardentui.comparison import Comparison, Operator
from hardentui.model import Action, Checklists, Decision, Plan, Recommendation, Text
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
from hardentui.script.messages import MESSAGES
from hardentui.script.quote import comment, word
from hardentui.visible import visible

# The first lines that bash runs. In POSIX mode a function cannot stand in for exec, and a bash started
# with -p takes neither functions nor options from its environment, of which nothing is left anyway.
_OPENING = """\
# shellcheck disable=SC2329 # a plan uses only some of the functions below
if [[ $- != *p* || ${HARDENTUI_PID-} != "$$" ]]; then
    POSIXLY_CORRECT=1
    exec /usr/bin/env -i HARDENTUI_PID="$$" SUDO_UID="${SUDO_UID-}" \\
        PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C /bin/bash -p -- "${BASH_SOURCE[0]-}" "$@"
fi
"""

# The comparisons that the runtime knows; with any other one, only the value that we set passes.
_COMPARISONS = {
    Operator.EQUAL,
    Operator.ONE_OF,
    Operator.AT_LEAST,
    Operator.AT_MOST,
    Operator.COVERS_RANGE,
}

_HOST = Text("host", "hôte")
_MACHINE = Text("machine-id", "machine-id")
_DISTRIBUTION = Text("distribution", "distribution")
_PLAN = Text("plan", "plan")
_CHECKLISTS = Text("checklists", "listes de contrôle")
_LANGUAGE = Text("language", "langue")
_TITLE = Text(
    "Hardening of {host}, written by hardentui {version}.",
    "Durcissement de {host}, écrit par hardentui {version}.",
)
_HOW = Text(
    "It reads like the plan: the decisions come first, each with the steps that carry it out; below them "
    "stand the messages and the runtime, which is the same in every script.",
    "Il se lit comme le plan : d'abord les décisions, chacune avec les étapes qui la réalisent ; puis les "
    "messages et le moteur, le même dans chaque script.",
)
_WORDS = (
    Text(
        "A decision: its id, its title, and the numbers of the steps that carry it out.",
        "Une décision : son identifiant, son titre, et les numéros des étapes qui la réalisent.",
    ),
    Text(
        "A step: its number, what it may do (reversible, can-lock-out, one-way), its target, what the plan "
        "saw there, and what is to stand there. It stands below the first decision that it serves, but the "
        "number is the order: apply makes step 1 first, whatever stands above it here.",
        "Une étape : son numéro, ce qu'elle peut faire (reversible, can-lock-out, one-way), sa cible, ce que "
        "le plan y a vu, et ce qui doit y être. Elle figure sous la première décision qu'elle sert, mais le "
        "numéro fait l'ordre : apply commence par l'étape 1, où qu'elle figure ici.",
    ),
)
_RULE = Text(
    "apply ends as 'kept' when nothing can lock out and nothing is one-way; else it waits for confirm.",
    "apply se termine par 'kept' si rien ne peut couper l'accès et rien n'est sans retour ; sinon confirm "
    "est attendu.",
)
_WHY = Text("why", "pourquoi")
_SOURCE = Text("source", "source")
_BEFORE = Text("before", "avant")
_AFTER = Text("after", "après")
_RISK = Text("risk", "risque")
_ERRATUM = Text("erratum", "erratum")
_SAYS = Text("the source says", "la source dit")
_RIGHT = Text("right is", "il faut lire")
_BECAUSE = Text("because", "parce que")
_NOW = Text("now {value}", "maintenant {value}")
_BOOT = Text("after a boot {value}", "après un démarrage {value}")
_NOT_SEEN = Text("not seen", "non vu")
_SERVES = Text("step {step} serves: {owners}", "l'étape {step} sert : {owners}")
_NO_CHANGE = Text("no change", "aucun changement")
_BY_HAND = Text("by hand", "à la main")
_WAIVED = Text("waived", "dérogation")
_UNTIL = Text("until", "jusqu'au")
_DEFERRED = Text("deferred", "reporté")
_ATTESTED = Text("attested", "attesté")
_NOT_APPLIED = Text("Decided, and not applied by this script:", "Décidé, et non appliqué par ce script :")


def render(change_set: ChangeSet, plan: Plan, checklists: Checklists | Mapping[str, Recommendation]) -> str:
    """The script of a compiled plan, in the plan's language.

    Raises:
        ValueError: the plan's language is unknown.
    """
    known = checklists.get
    with i18n.speaking(plan.language):
        body = _Body(change_set, plan, known)
        parts = (
            "#!/bin/bash\n",
            _lines(_header(plan)),
            "\n",
            _OPENING,
            "\n",
            _lines(body.about()),
            "\n",
            _lines(body.plan()),
            "\n",
            _lines(_messages()),
            "\n",
            files(__package__).joinpath("runtime.sh").read_text(encoding="utf-8"),
            '\nmain "$@"; exit\n',
        )
    return "".join(parts)


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _one_line(text: Text | str) -> str:
    """A text of ours, whose line breaks are only layout."""
    return " ".join(str(text).split())


def plan_digest(plan: Plan) -> str:
    """The sha256 of what a plan decides (hex): of its data, so that comments in its file do not count."""
    data = json.dumps(_plain(plan), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(data.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return value if isinstance(value, bool | int) or value is None else str(value)


def _header(plan: Plan) -> list[str]:
    host = plan.host
    rows = (
        (_HOST, host.hostname),
        (_MACHINE, host.machine_id),
        (_DISTRIBUTION, host.distribution),
        (_PLAN, f"sha256 {plan_digest(plan)}"),
        (_CHECKLISTS, f"sha256 {plan.checklists}"),
        (_LANGUAGE, plan.language),
    )
    lines = comment(str(_TITLE).format(host=visible(host.hostname), version=__version__))
    lines.append("#")
    for label, value in rows:
        lines += comment(f"{label}: {value}", indent="  ", hanging="    ")
    lines.append("#")
    for text in (_HOW, _RULE):
        lines += comment(str(text))
    lines.append("#")
    for key, text in MESSAGES.items():
        if key.startswith("usage"):
            lines += [f"# {line}".rstrip() for line in str(text).split("\n")]
    return lines


def _messages() -> list[str]:
    # printf reads the formats: a line break is written there as \n, not in the script.
    entries = [
        f"        [{key}]={word(str(text).replace(chr(10), chr(92) + 'n'))}" for key, text in MESSAGES.items()
    ]
    return ["messages() {", "    MESSAGES=(", *entries, "    )", "}"]


class _Body:
    """The part of a script that is its plan's own: decisions as comments, operations as calls."""

    def __init__(self, change_set: ChangeSet, plan: Plan, known: Any) -> None:
        self._plan = plan
        self._known = known
        self._refused = change_set.refused
        self._by_hand = [entry for entry in change_set.operations if isinstance(entry, ByHand)]
        steps = [entry for entry in change_set.operations if not isinstance(entry, ByHand)]
        self._steps = dict(enumerate(steps, 1))

    def about(self) -> list[str]:
        """Which machine the script is for."""
        host = self._plan.host
        return [
            "about() {",
            f"    MACHINE_ID={word(visible(host.machine_id))}",
            f"    HOST_NAME={word(visible(host.hostname))}",
            "}",
        ]

    def plan(self) -> list[str]:
        """Every decision, each step below the first decision that it serves."""
        lines = [line for text in _WORDS for line in comment(str(text))]
        lines += ["plan() {", "    :"]
        shown: set[int] = set()
        applied = [entry for entry in self._plan.decisions if entry.action is Action.APPLY]
        for decision in applied:
            lines += ["", *self._decision(decision, shown)]
        for step in self._steps:
            if step not in shown:  # a step whose decision the plan does not hold
                lines += ["", *_indented(self._call(step))]
        others = [entry for entry in self._plan.decisions if entry.action is not Action.APPLY]
        if others:
            lines += ["", *_indented(comment(str(_NOT_APPLIED)))]
        for decision in others:
            lines += _indented(self._set_aside(decision))
        return [*lines, "}"]

    def _decision(self, decision: Decision, shown: set[int]) -> list[str]:
        own = [step for step, operation in self._steps.items() if decision.id in operation.owners]
        title = self._title(decision)
        lines = comment(f"{decision.id}: {title}")
        lines += self._reasons(decision)
        if reason := self._refused.get(decision.id):
            lines += _labelled(_NO_CHANGE, reason)
        lines.append(" ".join(["decision", word(visible(decision.id)), word(visible(title)), *map(str, own)]))
        for step in own:
            if step not in shown:
                lines += self._call(step)
                shown.add(step)
        for operation in self._by_hand:
            if operation.owners[:1] == (decision.id,):
                lines += self._instructions(operation)
        return _indented(lines)

    def _title(self, decision: Decision) -> str:
        entry: Recommendation | None = self._known(decision.id)
        return _one_line(entry.title) if entry else decision.title

    def _reasons(self, decision: Decision) -> list[str]:
        entry: Recommendation | None = self._known(decision.id)
        sides = ((_NOW, decision.running), (_BOOT, decision.boot))
        seen = "; ".join(str(text).format(value=visible(value)) for text, value in sides if value)
        lines = _labelled(_WHY, _one_line(entry.why)) if entry else []
        lines += _labelled(_SOURCE, decision.source)
        lines += _labelled(_BEFORE, seen or str(_NOT_SEEN))
        lines += _labelled(_AFTER, decision.aim or decision.recommended)
        if entry is None:
            return lines
        if risk := _one_line(entry.risk):
            lines += _labelled(_RISK, risk)
        for erratum in entry.errata:
            lines += comment(f"{_ERRATUM} {erratum.id}", indent="  ", hanging="    ")
            for label, text in ((_SAYS, erratum.says), (_RIGHT, erratum.right), (_BECAUSE, erratum.why)):
                lines += comment(f"{label}: {_one_line(text)}", indent="    ", hanging="      ")
        return lines

    def _set_aside(self, decision: Decision) -> list[str]:
        label = {Action.WAIVE: _WAIVED, Action.ATTEST: _ATTESTED}.get(decision.action, _DEFERRED)
        text = f"{decision.id}: {label}: {self._title(decision)}"
        if decision.reason:
            text += f" ({decision.reason})"
        if decision.until:
            text += f", {_UNTIL} {decision.until.isoformat()}"
        return comment(text, indent="  ", hanging="    ")

    def _instructions(self, operation: ByHand) -> list[str]:
        told = [visible(line.strip()) for line in str(operation.instructions).split("\n") if line.strip()]
        lines = _labelled(_BY_HAND, operation.subject)
        arguments = [",".join(operation.owners), operation.subject]
        call = "by_hand " + " ".join(word(visible(argument)) for argument in arguments)
        return [*lines, *_call(call, [word(line) for line in told])]

    def _call(self, step: int) -> list[str]:
        operation = self._steps[step]
        name, arguments, more = _primitive(operation)
        flags = [
            flag
            for flag, holds in (("can-lock-out", operation.can_lock_out), ("one-way", operation.one_way))
            if holds
        ]
        fixed = [",".join(flags) or "reversible", *arguments]
        call = " ".join([name, str(step), *(word(argument) for argument in fixed)])
        lines = _call(call, [word(line) for line in more])
        if len(operation.owners) == 1:
            return lines
        serves = str(_SERVES).format(step=step, owners=", ".join(operation.owners))
        return [*comment(serves, hanging="  "), *lines]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _labelled(label: Text, text: str) -> list[str]:
    return comment(f"{label}: {text}", indent="  ", hanging="    ")


def _call(start: str, more: Sequence[str]) -> list[str]:
    """A call, with further arguments one on each line."""
    lines = [start, *(f"    {argument}" for argument in more)]
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]


def _primitive(operation: Operation) -> tuple[str, list[str], Sequence[str]]:  # noqa: C901, PLR0912 - one case for each kind
    """The function of the runtime for an operation, its arguments, and those that get lines of their own."""
    match operation:
        case WriteFile():
            content = operation.content.removesuffix("\n").split("\n") if operation.content else []
            return "write_file", [operation.path, _mode(operation.mode), operation.before], content
        case ReplaceLine():
            return "replace_line", [operation.path], [operation.before, operation.after]
        case SetMode():
            before = [_mode(operation.before_mode), operation.before_owner]
            return "set_mode", [operation.path, *before, _mode(operation.mode), operation.owner], []
        case SetSysctl():
            rule = _rule(operation.accept, operation.after)
            return "set_sysctl", [operation.key, operation.before, operation.after, *rule], []
        case Remount():
            words = [operation.before, operation.after, operation.set, operation.unset]
            return "remount", [operation.path, *words], []
        case SetSelinuxMode():
            return "set_selinux_mode", [operation.before, operation.after], []
        case EnableUnit():
            return ("start_unit" if operation.start else "enable_unit"), [operation.unit], []
        case DisableUnit():
            activity = "active" if operation.active else "inactive"
            return "disable_unit", [operation.unit, operation.enablement, activity], []
        case ReloadManager():
            return "reload_manager", [], []
        case ReloadUnit():
            return "reload_unit", [operation.unit], []
        case RestartUnit():
            return "restart_unit", [operation.unit], []
        case LoadAuditRules():
            return "load_audit_rules", [], []
        case LoadFirewall():
            return "load_firewall", [operation.path, operation.before, operation.after], []
        case LoadHolder():
            return "load_holder", [operation.holder], []
        case CheckMounts():
            return "check_mounts", [], []
        case CheckSyntax():
            return "check_syntax", [operation.checker], []
        case _:
            raise TypeError(f"no primitive for {type(operation).__name__}")


def _mode(octal: str) -> str:
    """A mode as stat prints it: no zeros in front."""
    return f"{int(octal, 8):o}"


def _rule(accept: Comparison, after: str) -> list[str]:
    if accept.operator in _COMPARISONS:
        return [str(accept.operator), *accept.operands]
    return [str(Operator.EQUAL), after]
