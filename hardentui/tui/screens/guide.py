"""A guide's own list, ANSSI's R1 to R80: how each is accounted for, and the findings that stand behind it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import DataTable

from hardentui.export import guide as account_text
from hardentui.guide import Account, account
from hardentui.i18n import _
from hardentui.tui import words
from hardentui.tui.keys import Place, bindings
from hardentui.tui.screens.base import HardenScreen, reading
from hardentui.tui.text import cell, labelled, para, stack
from hardentui.tui.widgets.plain import Page
from hardentui.tui.widgets.table import Column, FactsTable, Row


class GuideScreen(HardenScreen):
    """The recommendations of a guide, one line each, and the one under the cursor in detail."""

    place = Place.GUIDE
    BINDINGS = bindings(Place.GUIDE)

    def __init__(self) -> None:
        super().__init__()
        self._accounts: tuple[Account, ...] = ()

    def compose_body(self) -> ComposeResult:
        """The list, and what stands behind one line of it."""
        with Container(id="body"):
            yield FactsTable(id="list")
            yield Page(id="detail")

    def headline(self) -> Content:
        """Which guide, and how much of it is accounted for."""
        guides = self.harden.guides
        if not guides or not self._accounts:
            return reading()
        return stack(
            [para(str(guides[0].title), "bold $text-primary"), para(account_text.summary(self._accounts))]
        )

    def show_state(self) -> None:
        """Account again: findings may have moved."""
        session, guides = self.harden.session, self.harden.guides
        if session is not None and guides:
            self._accounts = account(guides[0], session.checklists, session.findings)
        super().show_state()

    def show_body(self) -> None:
        """The list, then the detail."""
        columns = [
            Column(cell(_("Nr.")), 5),
            Column(cell(_("Level")), 14),
            Column(cell(_("Result")), 18),
            Column(cell(_("Recommendation"))),
        ]
        self.query_one(FactsTable).fill(columns, [_row(found) for found in self._accounts])
        self._show_detail()

    def on_data_table_row_highlighted(self) -> None:
        """The detail speaks about the line under the cursor."""
        self._show_detail()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Walk on where this recommendation is treated."""
        event.stop()
        found = self._current()
        if found is not None and found.findings:
            entry = found.findings[0].recommendation
            self.app.pop_screen()
            self.harden.open_chapter(entry.chapter, entry.id)

    def _current(self) -> Account | None:
        current = self.query_one(FactsTable).current
        return next((found for found in self._accounts if found.entry.id == current), None)

    def _show_detail(self) -> None:
        found = self._current()
        page = self.query_one("#detail", Page)
        page.show(reading() if found is None else _detail(found))


def _row(found: Account) -> Row:
    mark = words.MARKS[found.result.value] if found.result else " "
    said = words.result(found.result.value) if found.result else _(account_text.STANDINGS[found.standing])
    style = words.STYLES[found.result.value] if found.result else "dim"
    level = words.level(found.entry.level)
    return Row(
        found.entry.id,
        (
            cell(found.entry.id),
            cell(level),
            cell(f"{mark} {said}"),
            cell(str(found.entry.title), style if not found.result else ""),
        ),
    )


def _detail(found: Account) -> Content:
    parts = [para(f"{found.entry.id}  {found.entry.title}", "bold")]
    parts.append(labelled(_("Level"), words.level(found.entry.level)))
    parts.append(labelled(_("Accounted for"), _(account_text.STANDINGS[found.standing])))
    parts.append(para(""))
    for finding in found.findings:
        sign = words.mark(finding)
        entry = finding.recommendation
        parts.append(para(f"{sign} {words.result(finding.result.value)}  {entry.title}", "bold"))
        parts.append(para(f"  {entry.chapter} / {entry.id}" + _(": ") + finding.message))
    if not found.findings:
        parts += [para(text) for text in account_text.details(found)]
    else:
        parts += [para(""), para(_("Enter walks on at the first of them."), "dim")]
    return stack(parts)
