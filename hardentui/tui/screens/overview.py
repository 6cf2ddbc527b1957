"""The overview: the host, the six chapters and how far they are, and what stands in the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import DataTable

from hardentui.i18n import _
from hardentui.tui import words
from hardentui.tui.keys import Place, bindings, views
from hardentui.tui.screens.base import HardenScreen, reading
from hardentui.tui.text import cell, line, para, stack
from hardentui.tui.widgets.plain import Page, key_hint
from hardentui.tui.widgets.table import Column, FactsTable, Row

if TYPE_CHECKING:
    from hardentui.model import Chapter
    from hardentui.tui.progress import Progress, Tally

_COUNTED = ("pass", "fail", "unknown", "notchecked", "notapplicable")
_SMALL = 76  # columns


class OverviewScreen(HardenScreen):
    """Where one starts, and comes back to."""

    place = Place.OVERVIEW
    BINDINGS = bindings(Place.OVERVIEW)

    def compose_body(self) -> ComposeResult:
        """The chapters, and the state of the plan."""
        yield FactsTable(id="chapters")
        yield Page(id="summary")

    def headline(self) -> Content:
        """Which host this is, and when it was read."""
        tally = self.harden.tally
        name = para("hardentui", "bold $text-primary")
        if tally is None:
            return line(name, para("  "), reading())
        from hardentui.tui import summary  # noqa: PLC0415 - not on the way to the first frame

        return line(name, para("  "), summary.host(tally.session.snapshot))

    def show_body(self) -> None:
        """Chapters and counts."""
        table = self.query_one(FactsTable)
        tally = self.harden.tally
        rows = [self._row(number, id_, tally) for number, id_ in self._chapters()]
        table.styles.height = len(rows) + 1
        table.fill(self._columns(), rows)
        hints = Content("  ").join(key_hint(key) for key in views())
        self.query_one("#summary", Page).head(Content(" ") + hints + Content(" "))
        self._show_summary()

    def on_data_table_row_highlighted(self) -> None:
        """The summary speaks about the chapter under the cursor."""
        self._show_summary()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Walk the chapter under the cursor."""
        event.stop()
        self.action_open()

    def action_open(self) -> None:
        """Walk the chapter under the cursor."""
        current = self.query_one(FactsTable).current
        self.harden.when_read(lambda: self._open(current))

    def _open(self, id_: str) -> None:
        if self._loaded(id_) is not None:
            self.harden.open_chapter(id_)

    def action_chapter(self, number: int) -> None:
        """Walk the chapter of this number."""
        id_ = dict(self._chapters()).get(number, "")
        if self.query_one(FactsTable).go_to(id_):
            self.action_open()

    def action_next_open(self) -> None:
        """Walk on at the first point that waits for a decision."""
        self.harden.when_read(self._open_next)

    def action_back(self) -> None:
        """There is nothing to go back to, but a wish can be taken back."""
        self.harden.forget_wish()

    def _open_next(self) -> None:
        tally = self.harden.tally
        if tally is None:
            return
        found = next((f for f in tally.session.findings if tally.is_open(f)), None)
        if found is not None:
            self.harden.open_chapter(found.recommendation.chapter, found.recommendation.id)

    # --- the table --------------------------------------------------------------------------------

    def _chapters(self) -> list[tuple[int, str]]:
        """The six of the course, and what a site's own checklists add."""
        known = {id_: number for number, id_ in enumerate(words.CHAPTERS, 1)}
        session = self.harden.session
        own = [c.id for c in session.checklists.chapters if c.id not in known] if session else []
        return list(enumerate([*known, *own], 1))

    def _loaded(self, id_: str) -> Chapter | None:
        session = self.harden.session
        return next((c for c in session.checklists.chapters if c.id == id_), None) if session else None

    @property
    def _counted(self) -> tuple[str, ...]:
        """The results with a column; a small terminal has the others in the summary only."""
        return _COUNTED if self.app.size.width >= _SMALL else _COUNTED[:2]

    def _columns(self) -> list[Column]:
        first = [_("evaluated"), _("not evaluated")] if self.wide else [_("eval."), _("not")]
        headings = [*first, *(words.result(result) for result in self._counted)]
        counts = [Column(cell(word), max(len(word), 4) + 2) for word in headings]
        return [Column(cell(_("Chapter"))), *counts, Column(cell(_("decided")), 20 if self.wide else 12)]

    def _row(self, number: int, id_: str, tally: Tally | None) -> Row:
        chapter = self._loaded(id_)
        name = str(chapter.title) if chapter and self.wide else words.chapter(id_)
        style = "" if chapter else "dim"
        title, empty = cell(f"{number} {name}", style), (cell(""),) * (len(self._counted) + 2)
        if tally is None:
            return Row(id_, (title, *empty, cell(_("reading..."), style)))
        if chapter is None:
            return Row(id_, (title, *empty, cell(_("comes later"), style)))
        counts = tally.progress(tally.chapter(id_))
        shown = [counts.evaluated, counts.not_evaluated, *(counts.results[r] for r in self._counted)]
        return Row(id_, (title, *(cell(str(count)) for count in shown), cell(self._decided(counts))))

    def _decided(self, counts: Progress) -> str:
        text = _("{decided} of {all}").format(decided=counts.decided, all=counts.decidable)
        if not self.wide or not counts.decidable:
            return text
        full = counts.decided * 8 // counts.decidable
        return "#" * full + "." * (8 - full) + " " + text

    # --- the summary ------------------------------------------------------------------------------

    def _show_summary(self) -> None:
        tally, store = self.harden.tally, self.harden.store
        page = self.query_one("#summary", Page)
        if tally is None or store is None:
            page.show(reading())
            return
        from hardentui.tui import summary  # noqa: PLC0415 - as above

        current = self.query_one(FactsTable).current
        about = summary.chapter(tally, current, self._loaded(current))
        parts = [about, para(""), *summary.unread(tally), summary.questions(tally), summary.plan(tally)]
        page.show(stack([*parts, summary.saved(tally, store), para(""), summary.promise()]), from_top=False)
