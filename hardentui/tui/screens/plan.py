"""The plan review: what would change, what the findings would be after it, the script, the export."""

from __future__ import annotations

from enum import StrEnum

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content

from hardentui.i18n import N_, _
from hardentui.model import Action, Decision, Finding, Result
from hardentui.operations import ByHand, Operation
from hardentui.plan import PlanError
from hardentui.session import Session
from hardentui.tui import preview, steps, summary, theme, words
from hardentui.tui.detail import finding_text
from hardentui.tui.keys import Place, bindings
from hardentui.tui.messages import Exported, Previewed
from hardentui.tui.screens.base import HardenScreen
from hardentui.tui.text import cell, line, para, stack
from hardentui.tui.widgets.plain import Page, Plain
from hardentui.tui.widgets.script_view import ScriptView
from hardentui.tui.widgets.table import Column, FactsTable, Row


class View(StrEnum):
    """What the review shows."""

    CHANGES = N_("what would change")
    RESULT = N_("rehearsed result")
    SCRIPT = N_("script")


class PlanScreen(HardenScreen):
    """The plan, as the script would bring it about."""

    place = Place.PLAN
    BINDINGS = bindings(Place.PLAN)

    def __init__(self) -> None:
        super().__init__()
        self._view = View.CHANGES
        self._asked: tuple[Session, str] | None = None
        self._preview: Previewed | None = None
        self._exported = Content("")

    def compose_body(self) -> ComposeResult:
        """Steps and detail, or the script; what was exported."""
        with Container(id="body"):
            yield FactsTable(id="steps")
            yield Page(id="detail")
        yield ScriptView(id="script")
        yield Plain(id="exported")

    # --- showing ----------------------------------------------------------------------------------

    def headline(self) -> Content:
        """The plan in numbers, and the view."""
        tally = self.harden.tally
        if tally is None:
            return Content("")
        sentence = _("Plan for {host}: {apply} apply, {waived} waived, {deferred} deferred").format(
            host=tally.session.plan.host.hostname or "-",
            apply=tally.actions[Action.APPLY],
            waived=tally.actions[Action.WAIVE],
            deferred=tally.actions[Action.DEFER],
        )
        view = para(f" {_(self._view.value)} ", "reverse")
        return line(para(sentence, "bold $text-primary"), para("  "), view)

    def show_body(self) -> None:
        """The view; it is worked out again when the plan or the theme is another one."""
        self._work_out()
        script = self._view is View.SCRIPT
        self.query_one("#body").display = not script
        self.query_one("#script").display = script
        self.query_one("#exported", Plain).show(self._exported)
        table, known = self.query_one("#steps", FactsTable), self._preview
        if known is None:
            self.query_one("#detail", Page).show(para(_("working it out...")))
            return
        if script:
            self.query_one(ScriptView).show(known.script or [cell(known.why or _nothing())])
        elif self._view is View.CHANGES:
            table.fill(self._step_columns(), self._step_rows(known))
        else:
            table.fill(self._result_columns(), self._result_rows(known))
        self._show_detail(from_top=False)

    def _work_out(self) -> None:
        session, dark = self.harden.session, self.app.current_theme.dark
        if session is None or (
            self._asked is not None and self._asked[0] is session and self._asked[1] == self.app.theme
        ):
            return
        self._asked = (session, self.app.theme)
        script = preview.script_of(session)
        self.run_worker(
            lambda: self.post_message(preview.preview(session, script, dark=dark)),
            thread=True,
            exit_on_error=False,
            group="preview",
        )

    def on_previewed(self, message: Previewed) -> None:
        """Show it, unless the plan moved on meanwhile."""
        if self._asked is not None and message.session is self._asked[0]:
            self._preview = message
            self.show_state()

    # --- what would change ------------------------------------------------------------------------

    def _step_columns(self) -> list[Column]:
        return [
            Column(cell(""), 3),
            Column(cell(_("Step")), 13),
            Column(cell(_("Target"))),
            Column(cell(_("For")), 6),
        ]

    def _step_rows(self, known: Previewed) -> list[Row]:
        numbered = list(enumerate(known.changes.operations))
        made = [_step_row(at, op) for at, op in numbered if not isinstance(op, ByHand)]
        hands = [_step_row(at, op) for at, op in numbered if isinstance(op, ByHand)]
        refused = [
            Row(f"refused={id_}", (cell("x"), cell(_("refused")), cell(f"{id_}: {reason}"), cell("")))
            for id_, reason in known.changes.refused.items()
        ]
        parts = (
            ("made", _("The script makes these steps, in this order"), made),
            ("hand", _("By hand: the script only shows these"), hands),
            ("refused", _("Refused: decided, and no step comes of it"), refused),
        )
        rows = [row for key, title, found in parts if found for row in (_heading(key, title), *found)]
        return rows or [_heading("nothing", known.why or _nothing())]

    # --- what the findings would be ---------------------------------------------------------------

    def _result_columns(self) -> list[Column]:
        return [
            Column(cell(""), 2),
            Column(cell(_("Now")), 10),
            Column(cell(_("After")), 16),
            Column(cell(_("Recommendation"))),
        ]

    def _result_rows(self, known: Previewed) -> list[Row]:
        if known.why:
            return [_heading("nothing", known.why)]
        session = self.harden.session
        if session is None:
            return []
        after = {finding.recommendation.id: finding for finding in known.after}
        applied = {d.id for d in session.plan.decisions if d.action is Action.APPLY}
        rows = [_heading("counts", self._counts(session.findings, known.after))]
        for before in session.findings:
            id_ = before.recommendation.id
            then = after.get(id_)
            if then is not None and (id_ in applied or then.result is not before.result):
                predictable = id_ not in applied or session.predictable(id_)
                rows.append(self._result_row(before, then, predictable=predictable))
        return rows

    def _result_row(self, before: Finding, after: Finding, *, predictable: bool) -> Row:
        then = f"{words.mark(after)} {words.result(after.result)}" if predictable else _("not predictable")
        style = theme.cell_style(self.app.theme, after.result) if predictable else ""
        cells = (
            cell(words.mark(before), theme.cell_style(self.app.theme, before.result)),
            cell(words.result(before.result), theme.cell_style(self.app.theme, before.result)),
            cell(then, style),
            cell(str(before.recommendation.title)),
        )
        return Row(f"after={before.recommendation.id}", cells)

    def _counts(self, before: tuple[Finding, ...], after: tuple[Finding, ...]) -> str:
        def count(findings: tuple[Finding, ...], result: Result) -> int:
            return sum(finding.result is result for finding in findings)

        return _("pass {before_pass} -> {after_pass}, fail {before_fail} -> {after_fail}").format(
            before_pass=count(before, Result.PASS),
            after_pass=count(after, Result.PASS),
            before_fail=count(before, Result.FAIL),
            after_fail=count(after, Result.FAIL),
        )

    # --- detail -----------------------------------------------------------------------------------

    def on_data_table_row_highlighted(self) -> None:
        """The detail follows the cursor."""
        self._show_detail()

    def _show_detail(self, *, from_top: bool = True) -> None:
        known, tally = self._preview, self.harden.tally
        if known is None or tally is None:
            return
        what, _equals, key = self.query_one("#steps", FactsTable).current.partition("=")
        text = summary.plan(tally)
        if what == "step":
            text = steps.step_text(known.changes.operations[int(key)], tally.session.checklists)
        elif what == "refused":
            text = stack([para(key, "bold"), para(known.changes.refused[key])])
        elif what == "after":
            text = self._after_text(key, known)
        self.query_one("#detail", Page).show(text, from_top=from_top)

    def _after_text(self, id_: str, known: Previewed) -> Content:
        tally = self.harden.tally
        after = next((found for found in known.after if found.recommendation.id == id_), None)
        decision = tally.session.plan.decision(id_) if tally else None
        if tally is None or after is None:
            return Content("")
        parts = [para(_("After the plan:"), "bold reverse"), finding_text(tally, after, None)]
        if _is_applied(decision) and not tally.session.predictable(id_):
            sentence = _("What comes of it cannot be predicted: scan again after it.")
            parts.insert(0, para(sentence, "$text-warning"))
        return stack(parts)

    def action_view(self) -> None:
        """Changes, result, script."""
        views = list(View)
        self._view = views[(views.index(self._view) + 1) % len(views)]
        self.show_state()
        self.query_one("#script" if self._view is View.SCRIPT else "#steps").focus()

    # --- export -----------------------------------------------------------------------------------

    def action_export(self) -> None:
        """Write the script beside the plan: a person asked for it by this key."""
        session, store = self.harden.session, self.harden.store
        if session is None or store is None:
            return
        beside = store.path
        script = preview.script_of(session)
        if not script:
            known = self._preview.why if self._preview else ""
            self.post_message(Exported(beside, known or _nothing()))
            return

        def work() -> None:
            try:
                self.post_message(Exported(preview.export(session, script, beside)))
            except PlanError as error:
                self.post_message(Exported(beside, str(error)))

        self.run_worker(work, thread=True, exit_on_error=False, group="export", exclusive=True)

    def on_exported(self, message: Exported) -> None:
        """Say where it is, and what to do with it."""
        if message.why:
            self._exported = para(_("Not exported: {why}").format(why=message.why), "bold $text-error")
        else:
            sentence = _("Written: {path}. Read it, then: sudo bash {path} review")
            self._exported = para(sentence.format(path=message.path), "bold $text-success")
        self.show_state()


def _nothing() -> str:
    return _("Nothing is to be applied.")


def _heading(key: str, text: str) -> Row:
    return Row(key, (cell("#"), cell(text, "bold")), heading=True)


def _step_row(at: int, operation: Operation) -> Row:
    owners = str(len(operation.owners))
    cells = (cell(steps.mark(operation)), cell(steps.kind(operation)), cell(operation.target), cell(owners))
    return Row(f"step={at}", cells)


def _is_applied(decision: Decision | None) -> bool:
    return decision is not None and decision.action is Action.APPLY
