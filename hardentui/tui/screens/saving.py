"""A plan that could not be saved: what differs from the one on disk, and the ways on."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.widgets import Input

from hardentui.i18n import _
from hardentui.model import Decision
from hardentui.tui import passes
from hardentui.tui.detail import decision_text
from hardentui.tui.keys import Place, bindings
from hardentui.tui.merge import Choice, Difference, differences, merged
from hardentui.tui.messages import Moved, Reread
from hardentui.tui.screens.base import HardenScreen
from hardentui.tui.store import PlanStore
from hardentui.tui.text import cell, labelled, para, stack
from hardentui.tui.widgets.plain import Field, Page, Plain
from hardentui.tui.widgets.table import Column, FactsTable, Row


class SavingScreen(HardenScreen):
    """The differences, each with the side that is kept; nothing is written before a person says so."""

    place = Place.SAVING
    BINDINGS = bindings(Place.SAVING)

    def __init__(self) -> None:
        super().__init__()
        self._disk: Reread | None = None
        self._ours: set[str] = set()  # the ids of the differences of which our side is kept
        self._says = ""

    def compose_body(self) -> ComposeResult:
        """The differences, the one under the cursor in full, and the line for another name."""
        with Container(id="body"):
            yield FactsTable(id="list")
            yield Page(id="detail")
        with Horizontal(classes="field", id="elsewhere"):
            yield Plain(id="name-label")
            yield Field(id="name")
        yield Plain(id="says")

    def on_mount(self) -> None:
        """Read what someone else wrote."""
        super().on_mount()
        store = self.harden.store
        if store is not None:
            self.run_worker(lambda: self.post_message(passes.reread(store)), thread=True)

    def on_reread(self, message: Reread) -> None:
        """Show what differs."""
        self._disk = message
        self._ours = {difference.id for difference in self._differences if difference.keeps_ours}
        self.show_state()

    # --- showing ----------------------------------------------------------------------------------

    @property
    def _differences(self) -> tuple[Difference, ...]:
        store, session = self.harden.store, self.harden.session
        if store is None or session is None or self._disk is None or self._disk.why:
            return ()
        return differences(store.saved, self._disk.file.plan if self._disk.file else None, session.plan)

    @property
    def _current(self) -> Difference | None:
        key = self.query_one(FactsTable).current
        return next((difference for difference in self._differences if difference.id == key), None)

    def headline(self) -> Content:
        """Which file this is about."""
        path = self.harden.store.path if self.harden.store else ""
        return para(_("The plan {path}").format(path=path), "bold $text-primary")

    def show_body(self) -> None:
        """The differences."""
        rows = [self._row(difference) for difference in self._differences]
        columns = [
            Column(cell(""), 2),
            Column(cell(_("About"))),
            Column(cell(_("On disk")), 16),
            Column(cell(_("Yours")), 16),
            Column(cell(_("Kept")), 10),
        ]
        self.query_one(FactsTable).fill(columns, rows)
        self.query_one("#says", Plain).show(para(self._says, "bold $text-error"))
        self._show_detail()

    def _row(self, difference: Difference) -> Row:
        kept = _("yours") if difference.id in self._ours else _("on disk")
        cells = (
            cell("!" if difference.clash else ""),
            cell(difference.id),
            cell(_short(difference.theirs)),
            cell(_short(difference.ours)),
            cell(kept),
        )
        return Row(difference.id, cells)

    def on_data_table_row_highlighted(self) -> None:
        """The detail follows the cursor."""
        self._show_detail()

    def _show_detail(self) -> None:
        parts = []
        current = self._current
        if current is not None:
            parts = [
                para(self._title(current.id), "bold"),
                labelled(_("On disk"), _sentence(current.theirs)),
                labelled(_("Yours"), _sentence(current.ours)),
            ]
            if current.clash:
                text = _("! Both changed it: Enter says which one is kept.")
                parts.append(para(text, "bold $text-warning"))
            parts.append(para(""))
        self.query_one("#detail", Page).show(stack([*parts, para(self._advice())]))

    def _title(self, id_: str) -> str:
        session = self.harden.session
        if session is None:
            return id_
        entry = session.checklists.get(id_)
        asked = next((question for question in session.checklists.questions if question.id == id_), None)
        return str(entry.title) if entry else str(asked.title) if asked else id_

    def _advice(self) -> str:
        disk = self._disk
        if disk is None:
            return _("reading the file...")
        if disk.why:
            return _("The file on disk is no plan: {why} Press o to save yours to another file.").format(
                why=disk.why
            )
        if disk.file is None:
            return _("There is no such file on disk. Press R to write it, or o for another one.")
        return _(
            "R takes the plan on disk, puts what is kept of yours on top of it, and saves. o saves yours "
            "to another file and leaves this one as it is. Nothing is written before."
        )

    # --- the ways on ------------------------------------------------------------------------------

    def on_data_table_row_selected(self) -> None:
        """Enter, or a click on the chosen row."""
        self.action_choose()

    def action_choose(self) -> None:
        """Keep the other side of this difference."""
        if self._current is not None:
            self._ours ^= {self._current.id}
            self.show_state()

    def action_reload(self) -> None:
        """Take the plan on disk, and what is kept of ours on top of it."""
        session, store, disk = self.harden.session, self.harden.store, self._disk
        if session is None or store is None or disk is None or disk.why:
            return
        kept = tuple(difference for difference in self._differences if difference.id in self._ours)
        plan = disk.file.plan if disk.file else None
        self.app.pop_screen()
        self.harden.go_on_with(merged(session, plan, kept), PlanStore(store.path, disk.file))

    def action_elsewhere(self) -> None:
        """Ask for another name."""
        store = self.harden.store
        if store is None:
            return
        self.add_class("naming")
        self.query_one("#name-label", Plain).show(para(_("Save to"), "bold"))
        field = self.query_one("#name", Field)
        field.put(str(_free(store.path)))
        field.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Save there, and go on with that file."""
        store, session = self.harden.store, self.harden.session
        if store is None or session is None or not event.value.strip():
            return
        path, plan = Path(event.value.strip()).expanduser().absolute(), session.plan
        self.run_worker(lambda: self.post_message(passes.elsewhere(store, path, plan)), thread=True)

    def on_moved(self, message: Moved) -> None:
        """Go on with the new file, or say why there is none."""
        session = self.harden.session
        if message.store is None or session is None:
            self._says = message.why
            self.show_state()
            return
        self.app.pop_screen()
        self.harden.go_on_with(session, message.store)

    def action_back(self) -> None:
        """Close the line for the name; then the screen."""
        if self.has_class("naming"):
            self.remove_class("naming")
            self.query_one(FactsTable).focus()
        else:
            super().action_back()


def _short(choice: Choice | None) -> str:
    if isinstance(choice, Decision):
        return f"{choice.action} {choice.aim}".strip()
    return choice or "-"


def _sentence(choice: Choice | None) -> str:
    return decision_text(choice) if isinstance(choice, Decision) else choice or _("nothing")


def _free(path: Path) -> Path:
    """The first name beside ``path`` that is not taken."""
    number = 2
    while (free := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    return free
