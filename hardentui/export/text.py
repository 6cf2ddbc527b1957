"""Findings, recommendations and plans as plain text, at most as wide as the terminal."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime

from hardentui.i18n import N_, _, ngettext
from hardentui.model import (
    Action,
    Checklists,
    Decision,
    Finding,
    Level,
    Plan,
    Provenance,
    Recommendation,
    Result,
    Role,
    Severity,
)
from hardentui.plan import Standing
from hardentui.visible import visible

MARKS: Mapping[Result, str] = {
    Result.PASS: "=",
    Result.FAIL: "!",
    Result.UNKNOWN: "?",
    Result.ERROR: "E",
    Result.NOTAPPLICABLE: "-",
    Result.NOTCHECKED: "…",
    Result.INFORMATIONAL: "i",
}
WORDS: Mapping[Result, str] = {
    Result.PASS: N_("pass"),
    Result.FAIL: N_("fail"),
    Result.UNKNOWN: N_("unknown"),
    Result.ERROR: N_("error"),
    Result.NOTAPPLICABLE: N_("not applicable"),
    Result.NOTCHECKED: N_("not checked"),
    Result.INFORMATIONAL: N_("informational"),
}
ACTIONS: Mapping[Action, str] = {
    Action.APPLY: N_("apply"),
    Action.WAIVE: N_("waive"),
    Action.DEFER: N_("defer"),
    Action.ATTEST: N_("attest"),
}
STANDINGS: Mapping[Standing, str] = {
    Standing.HOLDS: N_("holds"),
    Standing.EXPIRED: N_("its end date has passed"),
    Standing.MOVED: N_("no longer holds: the value is not the one that was waived"),
}
LEVELS: Mapping[Level, str] = {
    Level.MINIMAL: N_("minimal"),
    Level.INTERMEDIARY: N_("intermediary"),
    Level.ENHANCED: N_("enhanced"),
    Level.HIGH: N_("high"),
}
SEVERITIES: Mapping[Severity, str] = {
    Severity.INFO: N_("for information"),
    Severity.LOW: N_("low"),
    Severity.MEDIUM: N_("medium"),
    Severity.HIGH: N_("high"),
    Severity.CRITICAL: N_("critical"),
}
ROLES: Mapping[Role, str] = {
    Role.READ: N_("read"),
    Role.WINS: N_("wins"),
    Role.BEATEN: N_("beaten"),
    Role.DEFAULT: N_("default"),
}


def summary(found: Iterable[Finding]) -> str:
    """What was evaluated and what was not, in one sentence; the not evaluated are never left out."""
    counts = Counter(finding.result for finding in found)
    evaluated = counts[Result.PASS] + counts[Result.FAIL]
    rest = ", ".join(sentence.format(count=count) for count, sentence in _not_evaluated(counts) if count)
    first = _("Evaluated {evaluated} of {all}: {passed} pass, {failed} fail.").format(
        evaluated=evaluated, all=counts.total(), passed=counts[Result.PASS], failed=counts[Result.FAIL]
    )
    return first + (" " + _("Not evaluated: {rest}.").format(rest=rest) if rest else "")


def _not_evaluated(counts: Mapping[Result, int]) -> Iterator[tuple[int, str]]:
    """How many there are of each result that is no verdict, and the words for so many."""
    count = counts[Result.UNKNOWN]
    yield count, ngettext("{count} unknown", "{count} unknown", count)
    count = counts[Result.ERROR]
    yield count, ngettext("{count} error", "{count} errors", count)
    count = counts[Result.NOTCHECKED]
    yield count, ngettext("{count} not checked", "{count} not checked", count)
    count = counts[Result.NOTAPPLICABLE]
    yield count, ngettext("{count} not applicable", "{count} not applicable", count)
    count = counts[Result.INFORMATIONAL]
    yield count, ngettext("{count} informational", "{count} informational", count)


def table(found: Iterable[Finding], plan: Plan, width: int) -> Iterator[str]:
    """Findings by chapter and section, one line each, and under it why it does not pass."""
    section = ""
    name_width = max(30, min(46, width // 2))
    for finding in found:
        entry = finding.recommendation
        if section != (section := f"{entry.chapter} / {entry.section}"):
            yield ""
            yield visible(section)
        decision = plan.decision(entry.id)
        decided = f"  [{_(ACTIONS[decision.action])}]" if decision else ""
        value = finding.running or finding.boot
        word = _(WORDS[finding.result])[:14]
        line = f" {MARKS[finding.result]} {word:14} {entry.id:{name_width}} {value}{decided}"
        yield cut(visible(line), width)
        if finding.result not in {Result.PASS, Result.NOTAPPLICABLE}:
            yield from wrapped(finding.message, width, "     ")


def explain(
    entry: Recommendation, finding: Finding | None, checklists: Checklists, width: int
) -> Iterator[str]:
    """All that is known of one recommendation, and of this host under it."""
    yield visible(entry.id)
    yield from wrapped(str(entry.title), width)
    yield ""
    yield from _seen(entry, finding, width)
    for number, place in enumerate(finding.provenance if finding else ()):
        yield from _labelled("" if number else _("Read at"), show_place(place), width)
    rank = _("{level} (ANSSI)") if entry.level_by == "anssi" else _("{level} (ours)")
    yield from _labelled(_("Level"), rank.format(level=_(LEVELS[entry.level])), width)
    yield from _labelled(_("Severity"), _(SEVERITIES[entry.severity]), width)
    yield from _reasons(entry, finding, width)
    for erratum in entry.errata:
        text = _("The source says: {says}\nRight is: {right}\nBecause: {why}").format(
            says=erratum.says, right=erratum.right, why=erratum.why
        )
        yield from _labelled(_("Erratum {id}").format(id=erratum.id), text, width)
    yield from _of_a_person(entry, width)
    yield from _labelled(_("Source"), sources(entry, checklists), width)


def brief(finding: Finding, width: int) -> Iterator[str]:
    """What one must know of a finding to decide about it: the long form is ``explain``."""
    entry = finding.recommendation
    yield from wrapped(str(entry.title), width)
    yield visible(entry.id)
    yield from _seen(entry, finding, width)
    yield from _reasons(entry, finding, width)
    yield from _of_a_person(entry, width)


def _seen(entry: Recommendation, finding: Finding | None, width: int) -> Iterator[str]:
    if finding is not None:
        yield from _labelled(_("Result"), _(WORDS[finding.result]) + _(": ") + finding.message, width)
        yield from _labelled(_("Running"), finding.running or "-", width)
        yield from _labelled(_("Boot"), finding.boot or "-", width)
    if entry.accept is not None:
        yield from _labelled(_("Expected"), entry.expected, width)
    if entry.target:
        yield from _labelled(_("Target"), entry.aim, width)


def _reasons(entry: Recommendation, finding: Finding | None, width: int) -> Iterator[str]:
    yield from _labelled(_("Why"), str(entry.why), width)
    yield from _labelled(_("Risk"), str(entry.risk), width)
    for hazard in finding.hazards if finding else ():
        yield from _labelled(_("Hazard"), hazard.text, width)


def _of_a_person(entry: Recommendation, width: int) -> Iterator[str]:
    if entry.attest:
        yield from _labelled(_("Asked"), str(entry.attest), width)
    if entry.procedure:
        yield from _labelled(_("By hand"), str(entry.procedure), width)


def sources(entry: Recommendation, checklists: Checklists) -> str:
    """The sources of a recommendation: each document's title, and all places in it."""
    places: dict[str, list[str]] = {}
    for source in entry.sources:
        document = checklists.document(source.document)
        title = f"{document.title} {document.edition}" if document else source.document
        places.setdefault(title, [title]).append(source.place)
    return _("; ").join(", ".join(named) for named in places.values())


def show_place(place: Provenance) -> str:
    """A place that was read, on one line: "/etc/sysctl.d/x.conf:3 wins: key = 1"."""
    where = f"{place.place}:{place.line}" if place.line else place.place
    text = _(": ") + place.text if place.text else ""
    role = "" if place.role is Role.DEFAULT else f" {_(ROLES[place.role])}"
    return visible(f"{where}{role}{text}")


def plan(
    plan_: Plan, standings: Mapping[str, Standing], misfits: Mapping[str, str], width: int
) -> Iterator[str]:
    """A plan's answers and decisions; ``misfits`` says why answers count as none, by question."""
    host = plan_.host
    yield visible(f"{host.hostname}  {host.distribution}  {host.kernel}  {host.machine_id}")
    for question, answer in plan_.answers.items():
        yield visible(f"  {question} = {answer}")
        if question in misfits:
            sentence = _("! counts as not answered: {why}").format(why=misfits[question])
            yield from wrapped(sentence, width, "    ")
    for decision in plan_.decisions:
        yield ""
        yield from _decision(decision, standings.get(decision.id), width)


def _decision(decision: Decision, held: Standing | None, width: int) -> Iterator[str]:
    """One decision, and what is wrong with it today."""
    line = f"{_(ACTIONS[decision.action])}  {decision.id}"
    if decision.target:
        line += f" → {decision.aim}"
    yield cut(visible(line), width)
    seen = _("seen {running}, at boot {boot}; recommended {recommended}").format(
        running=decision.running or "-", boot=decision.boot or "-", recommended=decision.recommended or "-"
    )
    yield from wrapped(seen, width, "  ")
    if decision.reason:
        until = _(" until {day}").format(day=decision.until) if decision.until else ""
        yield from wrapped(decision.reason + until, width, "  ")
    if held is not None and held is not Standing.HOLDS:
        yield from wrapped(f"! {_(STANDINGS[held])}", width, "  ")
    yield from wrapped(_("{who}, {when}").format(who=decision.by, when=decision.at.isoformat()), width, "  ")


def differences(old: Plan, new: Plan) -> Iterator[str]:
    """What changed from one plan to another, a line each."""
    for question in sorted({*old.answers, *new.answers}):
        before, after = old.answers.get(question, "-"), new.answers.get(question, "-")
        if before != after:
            yield visible(f"  {question}: {before} → {after}")
    for id_ in dict.fromkeys([d.id for d in old.decisions] + [d.id for d in new.decisions]):
        first, second = old.decision(id_), new.decision(id_)
        before, after = _short(first), _short(second)
        if before != after:
            yield visible(f"  {id_}: {before} → {after}")


def _short(decision: Decision | None) -> str:
    if decision is None:
        return "-"
    until: date | datetime | str = decision.until or ""
    return " ".join(filter(None, (_(ACTIONS[decision.action]), decision.aim, decision.reason, str(until))))


def _labelled(label: str, text: str, width: int) -> Iterator[str]:
    first = f"{label:11} "
    for paragraph in text.splitlines() or [""]:
        yield from textwrap.wrap(
            visible(paragraph), max(40, width), initial_indent=first, subsequent_indent=" " * 12
        ) or [first.rstrip()]
        first = " " * 12


def wrapped(text: str, width: int, indent: str = "", hanging: str = "") -> Iterator[str]:
    """A paragraph, broken to at most ``width`` columns; ``hanging`` sets what follows its first line off."""
    yield from textwrap.wrap(
        visible(text), max(40, width), initial_indent=indent, subsequent_indent=indent + hanging
    )


def cut(line: str, width: int) -> str:
    """A line that is at most ``width`` long, with a mark where it was cut."""
    return line if len(line) <= width else line[: width - 1] + "…"
