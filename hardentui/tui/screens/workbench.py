"""The workbench: one service, every directive of systemd with what it would break, and the exposure."""

from __future__ import annotations

from textual.content import Content

from hardentui.changeset import change_of
from hardentui.export import sandbox as export
from hardentui.i18n import _
from hardentui.model import Action, Gap
from hardentui.operations import Refusal
from hardentui.resources.base import explain
from hardentui.resources.sandbox.bench import Bench, Row
from hardentui.resources.sandbox.directives import Choice, parse, write
from hardentui.resources.sandbox.verdict import Effect
from hardentui.snapshot import Confinement, Sockets, UseOf
from hardentui.tui.keys import Place, bindings
from hardentui.tui.messages import Benched
from hardentui.tui.screens.asking import AskingScreen
from hardentui.tui.screens.base import reading
from hardentui.tui.screens.listing import ListingScreen
from hardentui.tui.text import cell, labelled, line, para, prose, stack
from hardentui.tui.widgets.plain import Page
from hardentui.tui.widgets.table import Column
from hardentui.tui.widgets.table import Row as TableRow

_STYLES = {
    Effect.BREAKS: "$text-error",
    Effect.UNKNOWN: "$text-warning",
    Effect.LACKING: "dim",
    Effect.SAFE: "",
}
_CELLS = {Effect.BREAKS: "bold", Effect.UNKNOWN: "", Effect.LACKING: "dim", Effect.SAFE: ""}


class WorkbenchScreen(AskingScreen, ListingScreen):
    """The directives of one service."""

    place = Place.WORKBENCH
    BINDINGS = bindings(Place.WORKBENCH)

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.watches = frozenset({Confinement(), Sockets(), UseOf(unit)})
        self._unit = unit
        self._bench: Bench | Gap | None = None
        self._asking = False
        self._says = ""
        self._insisted: Choice | None = None  # what would break, and was asked for once already
        self._shows_dropin = False

    # --- the service, looked at in a worker ---------------------------------------------------------

    def show_state(self) -> None:
        """Look at the service again where the facts moved, and show what is known."""
        session = self.harden.session
        known = self._bench
        stale = not isinstance(known, Bench) or (
            session is not None and known.snapshot is not session.snapshot
        )
        if session is not None and stale and not self._asking and not isinstance(known, Gap):
            self._asking = True
            chosen = known.chosen if isinstance(known, Bench) else self._decided()
            snapshot, unit = session.snapshot, self._unit
            self.harden.run_worker(
                lambda: self.post_message(Benched.of(snapshot, unit, chosen)), thread=True, exit_on_error=True
            )
        super().show_state()

    def _decided(self) -> Choice | None:
        """What the plan decided about this service; None where it did not."""
        session = self.harden.session
        decision = session.plan.decision(f"sandbox.service:{self._unit}") if session else None
        if decision is None or "=" not in decision.target:
            return None
        try:
            return parse(decision.target)
        except ValueError as error:
            self._says = str(error)
            return None

    def on_benched(self, message: Benched) -> None:
        """The service was looked at; what was chosen meanwhile stays."""
        message.stop()
        self._asking = False
        before = self._bench
        self._bench = message.bench
        if isinstance(before, Bench) and isinstance(self._bench, Bench):
            self._bench = self._bench.choosing(before.chosen)
        super().show_state()

    # --- showing ----------------------------------------------------------------------------------

    def headline(self) -> Content:
        """Which service, its exposure now and with what is chosen, and what was just refused."""
        bench = self._bench
        if bench is None:
            return reading()
        name = para(self._unit, "bold $text-primary")
        if isinstance(bench, Gap):
            return name
        parts = [line(name, para("  "), para(export.exposure(bench)))]
        session = self.harden.session
        decision = session.plan.decision(bench.id) if session else None
        if decision is not None:
            same = "=" in decision.target and decision.target == write(bench.chosen)
            parts.append(
                para(_("in the plan") if same else _("the plan holds another choice (a: this one)"), "dim")
            )
        if self._says:
            parts.append(para(self._says, "bold $text-error"))
        return stack(parts)

    def show_body(self) -> None:
        """The directives, and the detail of the row under the cursor."""
        bench = self._bench
        rows = [row for row in bench.rows if self._is_wanted(row)] if isinstance(bench, Bench) else []
        columns = [
            Column(cell(""), 4),
            Column(cell(_("Directive")), 25),
            Column(cell(_("Now")), 11),
            Column(cell(_("Chosen")), 19),
            Column(cell(_("Verdict"))),
        ]
        self.table.fill(columns, [_table_row(row) for row in rows])
        self.show_detail(from_top=False)

    def _is_wanted(self, row: Row) -> bool:
        return self.has_word(row.directive.name, str(row.directive.does), str(row.directive.replaces))

    def show_detail(self, *, from_top: bool = True) -> None:
        """All about the directive under the cursor, or the drop-in."""
        bench = self._bench
        page = self.query_one("#detail", Page)
        if bench is None:
            page.show(reading())
        elif isinstance(bench, Gap):
            page.show(para(explain(bench)))
        elif self._shows_dropin:
            page.show(_dropin(bench), from_top=from_top)
        else:
            row = self._row()
            page.show(_detail(row, bench) if row else para(""), from_top=from_top)

    def _row(self) -> Row | None:
        """The directive under the cursor."""
        rows = self._bench.rows if isinstance(self._bench, Bench) else ()
        return next((row for row in rows if row.directive.name == self.table.current), None)

    # --- choosing ---------------------------------------------------------------------------------

    def action_value(self, step: int) -> None:
        """The next value of the directive under the cursor; behind the last one it is not chosen."""
        bench, row = self._bench, self._row()
        if row is None or not isinstance(bench, Bench):
            return
        proposed = (row.proposed,) if row.proposed else ()
        offered = tuple(value for value in row.directive.choices if not row.directive.wrong(value))
        values: list[str | None] = [None, *dict.fromkeys((*proposed, *reversed(offered)))]
        at = values.index(row.chosen) if row.chosen in values else 0
        value = values[(at + step) % len(values)]
        name = row.directive.name
        self._choose(bench.without(name) if value is None else bench.setting(name, value))

    def action_more(self) -> None:
        """Type the value of a directive that takes any; of the others, the detail alone."""
        row = self._row()
        if row is not None and row.directive.form is not None and not self.has_class("alone"):
            self._ask_for(row)
        else:
            super().action_more()

    def _ask_for(self, row: Row) -> None:
        name = row.directive.name
        text = next(filter(None, (row.chosen, row.proposed, row.current)), "")
        if row.directive.wrong(text):  # a value that is shown cut
            text = ""
        hint = _("{expected} (an empty line: not chosen)").format(expected=row.directive.expected)
        self.ask(name, _("Value"), text, hint)

    def take(self, subject: str, text: str) -> None:
        """Choose the value of a directive; an empty line takes the directive away."""
        bench = self._bench
        if isinstance(bench, Bench):
            value = " ".join(text.split())
            self._choose(bench.setting(subject, value) if value else bench.without(subject))

    def action_propose(self, which: str) -> None:
        """All that is safe as seen, or what cannot be told too; or nothing."""
        if not isinstance(self._bench, Bench):
            return
        if which == "nothing":
            self._choose(self._bench.choosing({}))
        else:
            self._choose(self._bench.proposing(only_safe=which == "safe"))

    def action_complete(self) -> None:
        """Choose also what the chosen directives need beside them."""
        if isinstance(self._bench, Bench):
            self._choose(self._bench.completed())

    def action_dropin(self) -> None:
        """The text of the drop-in, or the directive again."""
        self._shows_dropin = not self._shows_dropin
        self.show_detail()

    def action_plan(self) -> None:
        """Put what is chosen into the plan; what would break is said first, and asked for again."""
        bench, session = self._bench, self.harden.session
        if not isinstance(bench, Bench) or session is None:
            return
        if bench.breaks and self._insisted != bench.chosen:
            self._insisted = bench.chosen
            self._say(
                _("{names}: would break. a again puts it into the plan all the same.").format(
                    names=", ".join(bench.breaks)
                )
            )
            return
        session = session.seeing(bench.id)
        found = session.finding(bench.id)
        if found is None:
            return
        decision = session.decision(found, Action.APPLY, target=write(bench.chosen))
        change = change_of(found.recommendation, decision)
        if isinstance(change, Refusal):
            self._say(change.reason)
            return
        self._says = ""
        self.harden.decide(decision)

    def action_undo(self) -> None:
        """Take the decision about this service back; what is chosen stays on the workbench."""
        if isinstance(self._bench, Bench):
            self._says = ""
            self.harden.undo(self._bench.id)

    def _choose(self, bench: Bench) -> None:
        self._bench, self._says = bench, ""
        super().show_state()

    def _say(self, sentence: str) -> None:
        self._says = sentence
        super().show_state()


def _table_row(row: Row) -> TableRow:
    found = row.judgement
    mark = "*" if row.chosen is not None else " "
    sign = export.SIGNS[found.effect] if found else " "
    style = _CELLS[found.effect] if found else "dim"
    value = row.chosen if row.chosen is not None else f"({row.proposed})" if row.proposed else ""
    verdict = export.verdict(found) if found else ""
    cells = (f"{mark} {sign}", row.directive.name, row.current, value, verdict)
    return TableRow(row.directive.name, tuple(cell(text, style) for text in cells))


def _detail(row: Row, bench: Bench) -> Content:
    directive, found = row.directive, row.judgement
    parts = [para(directive.name, "bold"), para(str(directive.does)), para("")]
    parts.append(labelled(_("now"), row.current or "-"))
    if row.chosen is not None:
        parts.append(labelled(_("chosen"), row.chosen or "-"))
    if row.proposed:
        parts.append(labelled(_("proposed"), row.proposed))
    if directive.form is not None:
        parts.append(para(_("Enter: type a value"), "dim"))
    if found is not None:
        parts += [
            para(""),
            para(
                f"{export.SIGNS[found.effect]} {_(found.effect.value)}",
                f"bold {_STYLES[found.effect]}".strip(),
            ),
        ]
        parts.append(para(found.why))
        parts += [
            para(_("needs {line} (c: choose it too)").format(line=f"{name}={value}"), "bold")
            for name, value in found.needs.items()
        ]
    parts += [para(""), labelled(_("replaces"), str(directive.replaces))]
    parts.append(labelled("ANSSI", directive.anssi))
    parts.append(labelled("systemd", _("since {version}").format(version=directive.since)))
    parts += [
        para(""),
        para(_("Seen of the service"), "bold"),
        *(para(text) for text in export.facts(bench.seen)),
    ]
    return stack([*parts, para(""), para(export.footer(), "dim"), para(export.follows(bench), "dim")])


def _dropin(bench: Bench) -> Content:
    if not bench.chosen:
        return para(_("Nothing is chosen yet: v chooses a value, s what is safe, m what is recommended."))
    warning = para(export.interruption(bench), "$text-warning")
    return stack([prose(bench.dropin), para(""), warning, para(export.footer(), "dim")])
