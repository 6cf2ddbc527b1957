"""The walk through a chapter: the recommendations in the course's order, and all about the one chosen."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content

from hardentui.i18n import N_, _
from hardentui.model import Action, Chapter, Finding, Recommendation, Result, Section
from hardentui.plan import Standing
from hardentui.tui import theme, words
from hardentui.tui.detail import finding_text, section_text
from hardentui.tui.keys import Place, bindings
from hardentui.tui.progress import Tally
from hardentui.tui.screens.listing import ListingScreen
from hardentui.tui.text import cell, para, stack
from hardentui.tui.widgets.panel import DecisionPanel
from hardentui.tui.widgets.plain import Field, Page
from hardentui.tui.widgets.table import Column, FactsTable, Row

_SECTION = "section:"
_SMALL = 76  # columns; below, the values give way to what they are about
_WALKING = frozenset(
    {"apply", "waive", "defer", "attest", "undo", "next_open", "filter", "search", "lesson", "chapter"}
)


class Filter(StrEnum):
    """What the list shows."""

    ALL = N_("all")
    FAILING = N_("failing")
    OPEN = N_("undecided")
    UNKNOWN = N_("unknown")


class ChapterScreen(ListingScreen):
    """One chapter, recommendation by recommendation."""

    place = Place.WALK
    BINDINGS = bindings(Place.WALK)

    def __init__(self, chapter: str, at: str = "") -> None:
        super().__init__()
        self._chapter = chapter
        self._at = at
        self._filter = Filter.ALL
        self._lesson = False
        self._says = ""  # why the key that was just pressed does nothing here

    def compose_body(self) -> ComposeResult:
        """List and detail, the search line and the decision panel."""
        with Container(id="body"):
            yield FactsTable(id="list")
            yield Page(id="detail")
        yield Field(id="search")
        yield DecisionPanel()

    # --- showing ----------------------------------------------------------------------------------

    @property
    def chapter(self) -> Chapter:
        """The chapter that is walked."""
        return next(c for c in self.tally.session.checklists.chapters if c.id == self._chapter)

    @property
    def tally(self) -> Tally:
        """The session; a chapter is opened only when there is one."""
        assert self.harden.tally is not None  # noqa: S101 - for the type checker
        return self.harden.tally

    @property
    def key_place(self) -> Place:
        """The panel has its own keys, and so has the line for a word."""
        return Place.PANEL if self.has_class("deciding") else super().key_place

    def headline(self) -> Content:
        """The chapter, its counts, and what the list shows of it."""
        counts = self.tally.progress(self.tally.chapter(self._chapter))
        sentence = _("{evaluated} evaluated, {not_evaluated} not; {failed} fail; {open} open").format(
            evaluated=counts.evaluated,
            not_evaluated=counts.not_evaluated,
            failed=counts.results[Result.FAIL],
            open=counts.open,
        )
        name = self.chapter.title if self.wide else words.chapter(self._chapter)
        parts = [para(f"{self.chapter.number} {name}", "bold $text-primary"), para(sentence)]
        if self._filter is not Filter.ALL:
            parts.append(para(_("shown: {what}").format(what=_(self._filter.value)), "reverse"))
        if self._search:
            parts.append(para(_("with: {word}").format(word=self._search), "reverse"))
        said = [para(self._says, "bold $text-warning")] if self._says else []
        return stack([Content("  ").join(parts), *said])

    def show_body(self) -> None:
        """The list, and the detail of the row under the cursor."""
        self.table.fill(self._columns(), list(self._rows()))
        if self._at and self.table.go_to(self._at):
            self._at = ""
        self.show_detail(from_top=False)

    def _columns(self) -> list[Column]:
        small = self.app.size.width < _SMALL
        return [
            Column(cell(""), 2),
            Column(cell(_("Result")), 10),
            Column(cell(_("Subject"))),
            Column(cell(_("Running")), 8 if small else 14),
            Column(cell(_("Recommended")), 6 if small else 12),
            Column(cell(_("Decision")), 9 if small else 10),
        ]

    def _rows(self) -> list[Row]:
        rows = []
        for section in self.chapter.sections:
            found = [f for e in section.recommendations if (f := self._wanted(e)) is not None]
            if found or (self._filter is Filter.ALL and not self._search):
                title = cell(str(section.title), "bold")
                rows.append(Row(_SECTION + section.id, (cell("#"), title), heading=True))
            rows += [self._row(finding) for finding in found]
        return rows

    def _wanted(self, entry: Recommendation) -> Finding | None:
        finding = self.tally.session.finding(entry.id)
        if finding is None or not self._passes_filter(finding):
            return None
        named = self.has_word(entry.id, entry.subject, str(entry.title), finding.running)
        return finding if named else None

    def _passes_filter(self, finding: Finding) -> bool:
        match self._filter:
            case Filter.FAILING:
                return finding.result is Result.FAIL
            case Filter.OPEN:
                return self.tally.is_open(finding)
            case Filter.UNKNOWN:
                return finding.result in {Result.UNKNOWN, Result.ERROR, Result.NOTCHECKED}
            case _:
                return True

    def _row(self, finding: Finding) -> Row:
        entry = finding.recommendation
        style = theme.cell_style(self.app.theme, finding.result)
        moved = entry.id in self.harden.moved
        running = _running(finding)
        return Row(
            entry.id,
            (
                cell(words.mark(finding), style),
                cell(words.result(finding.result), style),
                cell(_name(entry)),
                cell(f"* {running}" if moved else running, theme.changed_style() if moved else ""),
                cell(finding.expected),
                cell(self._decision(entry)),
            ),
        )

    def _decision(self, entry: Recommendation) -> str:
        decision = self.tally.session.plan.decision(entry.id)
        if decision is not None:
            holds = self.tally.standings[entry.id] is Standing.HOLDS
            word = words.action(decision.action)
            return word if holds else f"! {word}"
        finding = self.tally.session.finding(entry.id)
        return _("open") if finding is not None and self.tally.is_open(finding) else ""

    # --- the detail -------------------------------------------------------------------------------

    def on_data_table_row_highlighted(self) -> None:
        """Another row, another finding; Textual calls the list's own handler, too."""
        self._lesson = False
        if self._says:
            self._say("")

    def show_detail(self, *, from_top: bool = True) -> None:
        """The finding, or the course's text of its section."""
        section, finding = self._section(), self._finding()
        page = self.query_one("#detail", Page)
        if finding is not None and not self._lesson:
            moved = self.harden.moved.get(finding.recommendation.id)
            page.show(finding_text(self.tally, finding, moved), from_top=from_top)
        elif section is not None:
            page.show(section_text(section), from_top=from_top)
        else:
            page.show(para(_("Nothing here: press f for another filter, or / for another word.")))

    def _finding(self) -> Finding | None:
        return self.tally.session.finding(self.table.current)

    def _section(self) -> Section | None:
        current, finding = self.table.current, self._finding()
        wanted = finding.recommendation.section if finding else current.removeprefix(_SECTION)
        return next((s for s in self.chapter.sections if s.id == wanted), None)

    def action_more(self) -> None:
        """The detail alone, or beside the list again; Enter records while the panel asks."""
        if self.has_class("deciding"):
            self.action_record()
        else:
            super().action_more()

    def action_lesson(self) -> None:
        """The course's text of the section, or the finding again."""
        self._lesson = not self._lesson
        self.show_detail()

    def action_back(self) -> None:
        """Close what is open: panel, search, the detail alone, the filter; then the chapter."""
        if self.has_class("deciding"):
            self._close_panel()
        else:
            super().action_back()

    # --- finding one's way --------------------------------------------------------------------------

    def action_filter(self) -> None:
        """The next of all, failing, undecided, unknown."""
        filters = list(Filter)
        self._filter = filters[(filters.index(self._filter) + 1) % len(filters)]
        self.show_state()

    def action_next_open(self) -> None:
        """The next point that waits for a decision: below the cursor, then from the top, then elsewhere."""
        keys = list(self.table.keys)
        at = keys.index(self.table.current) + 1 if self.table.current in keys else 0
        for key in keys[at:] + keys[:at]:
            finding = self.tally.session.finding(key)
            if finding is not None and self.tally.is_open(finding):
                self.table.go_to(key)
                return
        elsewhere = next((f for f in self.tally.session.findings if self.tally.is_open(f)), None)
        if elsewhere is not None:
            self.harden.open_chapter(elsewhere.recommendation.chapter, elsewhere.recommendation.id)

    def action_chapter(self, step: int) -> None:
        """Walk the next chapter, or the one before."""
        loaded = [chapter.id for chapter in self.tally.session.checklists.chapters]
        at = loaded.index(self._chapter) + step
        if 0 <= at < len(loaded):
            self.harden.open_chapter(loaded[at])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While the panel asks about one recommendation, no key acts on another."""
        if self.has_class("deciding") and action in _WALKING:
            return False
        return super().check_action(action, parameters)

    # --- deciding ---------------------------------------------------------------------------------

    def action_apply(self) -> None:
        """Ask for the value; the hazards stand beside it."""
        self._ask(Action.APPLY)

    def action_waive(self) -> None:
        """Ask for reason and end."""
        self._ask(Action.WAIVE)

    def action_attest(self) -> None:
        """Ask for what was seen, where a person is asked."""
        finding = self._finding()
        if finding is not None and finding.recommendation.attest is None:
            self._say(_("Nobody is asked here: what holds is read from the host (a, w or d decides)."))
        else:
            self._ask(Action.ATTEST)

    def action_defer(self) -> None:
        """Decide later: nothing to ask."""
        finding = self._finding()
        if finding is not None:
            self.harden.decide(self.tally.session.decision(finding, Action.DEFER))
        else:
            self._say_heading()

    def action_undo(self) -> None:
        """Take the decision back."""
        finding = self._finding()
        if finding is not None:
            self.harden.undo(finding.recommendation.id)

    def action_answer(self) -> None:
        """The question that this finding waits for, or all of them."""
        finding = self._finding()
        question = self.tally.waits_for(finding) if finding is not None else None
        self.harden.action_questions(question.id if question else "")

    def _ask(self, action: Action) -> None:
        finding = self._finding()
        if finding is None:
            self._say_heading()
            return
        self._says = ""
        self.remove_class("alone", "searching")
        self.add_class("deciding")
        self.call_after_refresh(lambda: self.table.go_to(finding.recommendation.id))
        panel = self.query_one(DecisionPanel)
        panel.ask(action, finding, self.tally.today)
        if action is Action.APPLY:
            panel.say(self.tally.session.refusal(finding))
        self.show_state()

    def _say_heading(self) -> None:
        self._say(_("This is a heading: choose a line below it."))

    def _say(self, sentence: str) -> None:
        self._says = sentence
        self.show_state()

    def action_record(self) -> None:
        """Enter outside a field, or a click on the key bar."""
        if self.has_class("deciding"):
            self.query_one(DecisionPanel).record(self.tally.today)

    def on_decision_panel_wanted(self, wanted: DecisionPanel.Wanted) -> None:
        """Take the decision, unless the session refuses it: its sentence is shown then."""
        session = self.tally.session
        finding = session.finding(wanted.finding.recommendation.id) or wanted.finding
        if wanted.action is Action.APPLY:
            refused = session.refusal(finding, wanted.target)
            if refused:
                self.query_one(DecisionPanel).say(refused)
                return
        until: date | None = wanted.until
        decision = session.decision(
            finding, wanted.action, target=wanted.target, reason=wanted.reason, until=until
        )
        self._close_panel()
        self.harden.decide(decision)

    def _close_panel(self) -> None:
        self.remove_class("deciding")
        self.table.focus()
        self.show_state()


def _name(entry: Recommendation) -> str:
    """What a row is about: a key or a path where there is one, else the title."""
    if not entry.subject.startswith("/") and "." not in entry.subject:
        return str(entry.title)
    return f"{entry.subject} {entry.aspect}".strip()


def _running(finding: Finding) -> str:
    """The running value, and the one after a boot where it differs."""
    if not finding.boot or finding.boot == finding.running:
        return finding.running
    if not finding.running:
        return _("boot {boot}").format(boot=finding.boot)
    return _("{running}, boot {boot}").format(running=finding.running, boot=finding.boot)
