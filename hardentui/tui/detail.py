"""All that is known about one recommendation on this host, as one text. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from textual.content import Content

from hardentui.i18n import _
from hardentui.model import (
    Action,
    Checklists,
    Decision,
    Erratum,
    Finding,
    GapKind,
    Provenance,
    Reading,
    Recommendation,
    Role,
    Section,
)
from hardentui.plan import Standing
from hardentui.resources.base import explain
from hardentui.tui import words
from hardentui.tui.passes import Move
from hardentui.tui.progress import Tally
from hardentui.tui.text import labelled, line, para, prose, stack


def finding_text(tally: Tally, finding: Finding, moved: Move | None) -> Content:
    """The detail of a finding: what is seen first, then what is wanted and why, then where from."""
    return stack(_finding(tally, finding, moved))


def section_text(section: Section) -> Content:
    """The course's text of a section."""
    return stack([para(str(section.title), "bold"), para(""), prose(str(section.text))])


def hazards_text(finding: Finding) -> Content:
    """What the change would break on this host, and what it risks anywhere."""
    return stack([*_hazards(finding), labelled(_("Risk"), str(finding.recommendation.risk))])


def _finding(tally: Tally, finding: Finding, moved: Move | None) -> Iterator[Content]:
    entry = finding.recommendation
    yield para(str(entry.title), "bold")
    yield _result(finding)
    if finding.drift is not None:
        yield para("~ " + words.drift(finding.drift), "bold $text-warning")
    if moved is not None:
        yield _moved(moved)
    if _is_search(finding):
        yield para(_("Press D to search now. It is slow; D again stops it."), "bold $text-warning")
    waiting = tally.waits_for(finding)
    if waiting is not None:
        yield para(_("Press A to answer: {title}").format(title=waiting.title), "bold $text-warning")
    decision = tally.session.plan.decision(entry.id)
    if decision is not None:
        yield from _decision(decision, tally.standings[entry.id])
    yield from _hazards(finding)
    yield from _values(finding)
    yield para("")
    yield labelled(_("Why"), str(entry.why))
    yield labelled(_("Risk"), str(entry.risk))
    for erratum in entry.errata:
        yield from _erratum(erratum)
    yield from _by_person(entry)
    yield from _origins(finding)
    yield from _origin(entry, tally.session.checklists)


def _is_search(finding: Finding) -> bool:
    seen = finding.observation.running if finding.observation else None
    return seen is not None and seen.gap is not None and seen.gap.kind is GapKind.ON_DEMAND


def _result(finding: Finding) -> Content:
    word = f"{words.mark(finding)} {words.result(finding.result)}"
    return line(para(word, f"bold {words.STYLES[finding.result]}"), para("  "), para(finding.message))


def _moved(moved: Move) -> Content:
    at = datetime.fromtimestamp(moved.at).astimezone().strftime("%H:%M:%S")
    sentence = _("* changed at {time}; before: {running}, boot {boot}")
    text = sentence.format(time=at, running=moved.running or "-", boot=moved.boot or "-")
    return para(text, "bold $text-accent")


def decision_text(decision: Decision) -> str:
    """A decision in a sentence."""
    texts = {
        Action.APPLY: _("apply {target}, by {who} on {day}"),
        Action.WAIVE: _("waived until {until}, by {who} on {day}: {reason}"),
        Action.DEFER: _("deferred, by {who} on {day}"),
        Action.ATTEST: _("attested, by {who} on {day}: {reason}"),
    }
    return texts[decision.action].format(
        target=decision.aim or _("(by hand)"),
        who=decision.by or "-",
        day=decision.at.astimezone().strftime("%Y-%m-%d"),
        until=decision.until or _("no end"),
        reason=decision.reason,
    )


def _decision(decision: Decision, standing: Standing) -> Iterator[Content]:
    yield labelled(_("Decided"), decision_text(decision))
    problem = words.standing(standing)
    if problem:
        seen = _("{problem}: it was decided when this showed {running}, boot {boot}")
        yield para(
            seen.format(problem=problem, running=decision.running or "-", boot=decision.boot or "-"),
            "bold $text-warning",
        )


def _hazards(finding: Finding) -> Iterator[Content]:
    for hazard in finding.hazards:
        label = _("Refused on this host:") if hazard.refuses else _("Hazard on this host:")
        yield line(para(f"! {label} ", "bold $text-error"), para(hazard.text))


def _values(finding: Finding) -> Iterator[Content]:
    """Now, after a reboot, wanted: the values alone, so that they stand together."""
    for label, reading in _readings(finding, together=True):
        yield labelled(label, reading.show() or (explain(reading.gap) if reading.gap else "-"))
        if reading.values and reading.gap is not None:
            yield para("  " + explain(reading.gap), "$text-warning")
    if finding.expected:
        yield labelled(_("Expected"), finding.expected)
    if finding.recommendation.target:
        yield labelled(_("Would set"), finding.recommendation.aim)


def _origins(finding: Finding) -> Iterator[Content]:
    """Where the values were read, and which place wins over which."""
    found = [(label, reading) for label, reading in _readings(finding) if reading.provenance]
    if found:
        yield para("")
        yield para(_("Where the values come from"), "bold")
    for label, reading in found:
        yield para(f"  {label}")
        for place in reading.provenance:
            yield _place(place)


def _readings(finding: Finding, *, together: bool = False) -> Iterator[tuple[str, Reading]]:
    """Each reading with what it is; ``together`` names the readers that agree in one."""
    seen = finding.observation
    if seen is None:
        return
    if seen.running is not None:
        yield _("Running"), seen.running
    agree = together and len({(reading.show(), reading.gap) for reading in seen.boot}) == 1
    for reading in seen.boot[:1] if agree else seen.boot:
        readers = ", ".join(one.by for one in seen.boot if one.by) if agree else reading.by
        yield _("Boot ({reader})").format(reader=readers) if readers else _("Boot"), reading


def _place(place: Provenance) -> Content:
    where = f"{place.place}:{place.line}" if place.line else place.place
    style = "dim" if place.role is Role.BEATEN else ""
    shown = where if place.role is Role.DEFAULT else f"{words.role(place.role)}  {where}"
    return para(f"    {shown}  {place.text}" if place.text else f"    {shown}", style)


def _erratum(erratum: Erratum) -> Iterator[Content]:
    yield para(_("Erratum {id}: the source errs here").format(id=erratum.id), "bold $text-warning")
    yield labelled("  " + _("It says"), str(erratum.says))
    yield labelled("  " + _("Right is"), str(erratum.right))
    yield labelled("  " + _("Because"), str(erratum.why))


def _by_person(entry: Recommendation) -> Iterator[Content]:
    if entry.attest is not None:
        yield labelled(_("Asked of you (e attests)"), str(entry.attest))
    if entry.procedure is not None:
        yield para(_("By hand"), "bold")
        yield prose(str(entry.procedure))


def _origin(entry: Recommendation, checklists: Checklists) -> Iterator[Content]:
    rank = _("{level} (ANSSI)") if entry.level_by == "anssi" else _("{level} (ours)")
    yield labelled(_("Level"), rank.format(level=words.level(entry.level)))
    yield labelled(_("Severity"), words.severity(entry.severity))
    for source in entry.sources:
        document = checklists.document(source.document)
        title = f"{document.title} {document.edition}" if document else source.document
        yield labelled(_("Source"), f"{title}, {source.place}")
    yield para(entry.id, "dim")
