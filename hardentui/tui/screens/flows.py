"""The matrix of flows: who may reach which port, who is who, and the firewall policy that it comes to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

from textual.content import Content

from hardentui import i18n
from hardentui.answers import FORMATS
from hardentui.changeset import change_of
from hardentui.export import flows as export
from hardentui.flows.bindings import APPLICATIONS, BASE, OUTGOING, Application
from hardentui.flows.draft import ADDED, DECISION, Draft, permit
from hardentui.flows.matrix import Line
from hardentui.flows.needs import Party
from hardentui.flows.profile import Object
from hardentui.i18n import N_, _
from hardentui.model import Action, Question
from hardentui.operations import Refusal
from hardentui.plan import months_after
from hardentui.resources.connections import Contact
from hardentui.resources.firewall.policy.lockout import Entrance
from hardentui.snapshot import Connections, Sockets
from hardentui.tui import theme
from hardentui.tui.keys import Place, bindings
from hardentui.tui.messages import Drafted
from hardentui.tui.screens.asking import AskingScreen
from hardentui.tui.screens.base import reading
from hardentui.tui.screens.listing import ListingScreen
from hardentui.tui.text import cell, labelled, para, stack
from hardentui.tui.widgets.plain import Page
from hardentui.tui.widgets.table import Column, Row

_CELL = export.CELL
_QUESTION, _CUT, _LINE, _CLAUSE, _SAID = "question ", "cut ", "policy ", "clause ", "said "
_NEW = "new"  # the subject of the line for a flow that is added


class View(StrEnum):
    """What the list shows."""

    MATRIX = N_("flows")
    WHO = N_("who is who")
    POLICY = N_("policy")


class FlowsScreen(AskingScreen, ListingScreen):
    """The flows of the applications of this host."""

    place = Place.FLOWS
    BINDINGS = bindings(Place.FLOWS)
    watches = frozenset({Connections(), Sockets()})

    def __init__(self) -> None:
        super().__init__()
        self._view = View.MATRIX
        self._draft: Draft | None = None
        self._made_of: object = None
        self._asking = False
        self._from = 0  # the first column that is shown beside the port
        self._only_differing = False
        self._says = ""

    # --- the draft, worked out in a worker ------------------------------------------------------------

    def show_state(self) -> None:
        """Work the flows out again where facts or answers moved, and show what is known."""
        session = self.harden.session
        if session is not None and not self._asking:
            decision = session.plan.decision(DECISION)
            of = (id(session.snapshot), dict(session.plan.answers), i18n.language())
            if of != self._made_of:
                self._asking = True
                kept = self._draft.text if self._draft else decision.target if decision else ""
                profiles, answers, snapshot = self.harden.profiles, session.plan.answers, session.snapshot
                self.harden.run_worker(
                    lambda: self.post_message(Drafted.made(profiles, answers, snapshot, kept, of)),
                    thread=True,
                    exit_on_error=True,
                )
        super().show_state()

    def on_drafted(self, message: Drafted) -> None:
        """It is worked out; what was acknowledged meanwhile stays."""
        message.stop()
        self._asking = False
        cuts = self._draft.policy.cuts if self._draft else ()
        self._draft, self._made_of = message.draft.with_cuts(cuts), message.of
        self.show_state()

    # --- showing ----------------------------------------------------------------------------------

    def headline(self) -> Content:
        """The flows in numbers, the view, and what was just refused."""
        draft, session = self._draft, self.harden.session
        if draft is None or session is None:
            return reading()
        parts = [para(_("Flows (never complete)"), "bold $text-primary"), para(export.summary(draft))]
        parts.append(para(f" {_(self._view.value)} ", "reverse"))
        if self._only_differing and self._view is View.MATRIX:
            parts.append(para(_("shown: {what}").format(what=_("those to look at")), "reverse"))
        if self._search:
            parts.append(para(_("with: {word}").format(word=self._search), "reverse"))
        lines = [Content("  ").join(parts)]
        decision = session.plan.decision(DECISION)
        if decision is not None:
            same = decision.target == draft.text
            lines.append(
                para(_("in the plan") if same else _("the plan holds another policy (a: this one)"), "dim")
            )
        if self._says:  # in place of the warnings: there is room for five lines only
            return stack([*lines, para(self._says, "bold $text-error")])
        return stack([*lines, *(para(warning, "$text-warning") for warning in _warnings(draft))])

    def show_body(self) -> None:
        """The view, and the detail of the row under the cursor."""
        draft = self._draft
        self.table.show_header = self._view is View.MATRIX
        if draft is None:
            self.table.fill([Column(cell(""))], [])
        elif self._view is View.MATRIX:
            self._show_matrix(draft)
        elif self._view is View.WHO:
            self.table.fill([Column(cell("")), Column(cell(""), self._half)], list(self._who_rows(draft)))
        else:
            self.table.fill([Column(cell(""))], list(self._policy_rows(draft)))
        self.show_detail(from_top=False)

    @property
    def _half(self) -> int:
        return self.app.size.width // 2

    def _show_matrix(self, draft: Draft) -> None:
        columns = self._columns(draft)
        _head, size = export.widths([one.title for one in columns], self.app.size.width - 2)
        headings = [Column(cell(_("Port"))), *(Column(cell(one.title), size) for one in columns)]
        rows = [
            self._matrix_row(line, columns)
            for line in draft.matrix.lines
            if (line.differs or not self._only_differing) and self._is_named(line)
        ]
        self.table.fill(headings, rows)

    def _columns(self, draft: Draft) -> list[Party]:
        """This host, and the others for which there is room, from the one that was chosen on."""
        here = draft.matrix.columns[0]
        others = [one for one in export.shown_columns(draft.matrix) if one is not here]
        room = max((self.app.size.width - 2 - export.HEAD) // _CELL - 1, 1)
        self._from = min(self._from, max(len(others) - room, 0))
        return [here, *others[self._from : self._from + room]]

    def _is_named(self, line: Line) -> bool:
        return self.has_word(export.head(line), *(f"{need.name} {need.title}" for need in line.needs))

    def _matrix_row(self, line: Line, columns: list[Party]) -> Row:
        bad = theme.bad_style(self.app.theme)
        cells = [cell(export.head(line), bad if line.differs else "")]
        for column in columns:
            one = line.cells.get(column.id)
            style = bad if one and one.state.differs else "" if one and one.needed else "dim"
            cells.append(cell(export.word(one), style))
        return Row(line.id, tuple(cells))

    def _who_rows(self, draft: Draft) -> Iterator[Row]:
        for question in self._general:
            yield self._question_row(question, {ADDED: _("none"), APPLICATIONS: BASE}.get(question.id, ""))
        for application in draft.matrix.bindings.applications:
            yield Row(
                f"of {application.profile.id}", (cell(str(application.profile.title), "bold"),), heading=True
            )
            used = {
                application.profile.object(id_)
                for flow in application.flows
                for id_ in (*flow.origins, *flow.destinations)
            }
            taken = {one.question: _taken(application, one) for one in used if one}
            taken[application.profile.roles_question] = ", ".join(export.roles(application))
            for question in application.profile.questions:
                if question.choices or question.id in taken:
                    yield self._question_row(question, taken.get(question.id, ""))

    def _question_row(self, question: Question, known: str) -> Row:
        """A question with its answer; in brackets what is taken without one."""
        session = self.harden.session
        given = session.plan.answers.get(question.id, "") if session else ""
        label = next((str(choice.label) for choice in question.choices if choice.id == given), given)
        taken = next((str(choice.label) for choice in question.choices[:1]), known)
        shown = label or (f"({taken})" if taken else _("(say who)"))
        style = "" if label else "dim" if taken else theme.bad_style(self.app.theme)
        return Row(f"{_QUESTION}{question.id}", (cell(f"  {question.title}"), cell(shown, style)))

    @property
    def _general(self) -> list[Question]:
        """The questions that no application asks by itself."""
        session = self.harden.session
        asked = session.checklists.asked if session else ()
        return [question for question in asked if question.id in {APPLICATIONS, OUTGOING, ADDED}]

    def _policy_rows(self, draft: Draft) -> Iterator[Row]:
        bad = theme.bad_style(self.app.theme)
        for one in draft.unsaid:
            yield Row(f"{_CUT}{one}", (cell(f"! {export.would_cut(one)}", bad),))
        for clause in export.clauses(draft.matrix):
            yield Row(f"{_CLAUSE}{clause.id}", (cell(f"* {clause.title}"),))
        for at, trouble in enumerate(draft.troubles):
            yield Row(f"{_SAID}{at}", (cell(f"? {trouble}"),))
        for text in draft.text.splitlines():
            yield Row(f"{_LINE}{text}", (cell(f"  {text}"),))

    # --- the detail -------------------------------------------------------------------------------

    def show_detail(self, *, from_top: bool = True) -> None:
        """All about the row under the cursor."""
        draft = self._draft
        page = self.query_one("#detail", Page)
        page.show(reading() if draft is None else self._detail(draft), from_top=from_top)

    def _detail(self, draft: Draft) -> Content:
        session, key = self.harden.session, self.table.current
        line = draft.matrix.line(key)
        if line is not None and session is not None:
            parts = [_shown(one) for one in export.details(line, draft.matrix, session.snapshot)]
            return stack([*parts, para(""), *_footer()])
        question = self._question(key.removeprefix(_QUESTION)) if key.startswith(_QUESTION) else None
        if question is not None:
            return stack([para(str(question.title), "bold"), para(str(question.why)), para(""), *_footer()])
        if key.startswith(_CUT):
            one = _ending(draft, key)
            how = para(_how_to_come_in() if isinstance(one, Entrance) else _how_to_keep())
            return stack([para(key.removeprefix(_CUT), "bold"), how, para(""), *_footer()])
        if key.startswith(_CLAUSE):
            return self._of_clause(draft, key.removeprefix(_CLAUSE))
        if key.startswith(_SAID):
            return stack([para(draft.troubles[int(key.removeprefix(_SAID))]), para(""), *_footer()])
        if key.startswith(_LINE):
            return self._of_permit(draft, key.removeprefix(_LINE))
        of = key.removeprefix("of ")
        profile = next((a.profile for a in draft.matrix.bindings.applications if a.profile.id == of), None)
        return (
            stack([*(para(text) for text in str(profile.text).splitlines())]) if profile else stack(_footer())
        )

    def _of_clause(self, draft: Draft, id_: str) -> Content:
        clause = next(one for one in export.clauses(draft.matrix) if one.id == id_)
        waive = _("w waives {recommendation} for {count} months").format(
            recommendation=clause.recommendation, count=clause.months
        )
        return stack(
            [
                para(str(clause.title), "bold"),
                labelled(_("the vendor says"), str(clause.says)),
                labelled(_("instead"), str(clause.instead)),
                para(waive, "dim"),
            ]
        )

    def _of_permit(self, draft: Draft, text: str) -> Content:
        name = text.rpartition(" ")[2]
        needs = [need for need in draft.matrix.needs if need.name == name]
        parts = [para(text, "bold")]
        parts += [para(f"{need.title}: {need.flow.text or ''}".rstrip(": ")) for need in needs if need.flow]
        return stack([*parts, para(""), *_footer()])

    # --- finding one's way --------------------------------------------------------------------------

    def action_view(self) -> None:
        """The matrix, who is who, the policy."""
        views = list(View)
        self._view = views[(views.index(self._view) + 1) % len(views)]
        self._says = ""
        self.show_state()

    def action_columns(self, step: int) -> None:
        """Show the next columns beside the port, or those before."""
        self._from = max(self._from + step, 0)
        self.show_state()

    def action_filter(self) -> None:
        """All rows, or those to look at."""
        self._only_differing = not self._only_differing
        self.show_state()

    def action_cut(self) -> None:
        """The next thing that the policy would end, and why it may."""
        draft = self._draft
        if draft is None or not draft.unsaid:
            return
        self._view = View.POLICY
        self.show_state()
        if not self.table.current.startswith(_CUT):
            self.table.go_to(f"{_CUT}{draft.unsaid[0]}")
        self._ask_why(self.table.current)

    # --- asking -----------------------------------------------------------------------------------

    def action_more(self) -> None:
        """Answer the question or acknowledge the cut under the cursor; else the details alone, and back."""
        key = self.table.current
        question = self._question(key.removeprefix(_QUESTION)) if key.startswith(_QUESTION) else None
        if question is not None and question.choices:
            self._choose_next(question)
        elif question is not None:
            self._ask_for(question)
        elif key.startswith(_CUT):
            self._ask_why(key)
        else:
            super().action_more()

    def action_add(self) -> None:
        """Ask for a flow that no profile knows."""
        self.ask(_NEW, _("New flow"), "", _(FORMATS["permits"].expected))

    def _ask_for(self, question: Question) -> None:
        session = self.harden.session
        given = session.plan.answers.get(question.id, question.proposed) if session else ""
        expected = _("Expected: {what}").format(what=_(FORMATS[question.format].expected))
        self.ask(f"{_QUESTION}{question.id}", _("Your answer"), given, expected)

    def _ask_why(self, key: str) -> None:
        self.ask(key, _("It may end"), "", _("Expected: the reason why, in a few words"))

    def ask(self, subject: str, label: str, text: str, hint: str) -> None:
        """As everywhere; what was refused before is no longer said."""
        self._says = ""
        super().ask(subject, label, text, hint)

    def take(self, subject: str, text: str) -> None:
        """A flow, the reason why something may end, or an answer; an empty one takes the answer back."""
        session, draft = self.harden.session, self._draft
        if session is None or draft is None:
            return
        if subject == _NEW:
            known = session.plan.answers.get(ADDED, "")
            self.harden.answer(ADDED, "; ".join(filter(None, (known, str(permit(text))))))
        elif subject.startswith(_CUT):
            one = _ending(draft, subject)
            self._draft = draft.acknowledging(one, text) if one else draft
        else:
            question = subject.removeprefix(_QUESTION)
            self.harden.answer(question, text or None)

    def _choose_next(self, question: Question) -> None:
        """The next of the answers to choose from."""
        session = self.harden.session
        ids = [choice.id for choice in question.choices]
        given = session.plan.answers.get(question.id, "") if session else ""
        self.harden.answer(question.id, ids[(ids.index(given) + 1) % len(ids)] if given in ids else ids[0])

    def _question(self, id_: str) -> Question | None:
        session = self.harden.session
        questions = session.checklists.questions if session else ()
        return next((question for question in questions if question.id == id_), None)

    # --- deciding ---------------------------------------------------------------------------------

    def action_plan(self) -> None:
        """Put the policy into the plan, unless it would end what nobody acknowledged."""
        draft, session = self._draft, self.harden.session
        if draft is None or session is None:
            return
        if draft.unsaid:
            self._say(_refusal(draft.unsaid[0]))
            return
        found = session.finding(DECISION)
        if found is None:
            self._say(_("no recommendation has the id {id}{hint}").format(id=DECISION, hint=""))
            return
        decision = session.decision(found, Action.APPLY, target=draft.text)
        change = change_of(found.recommendation, decision)
        if isinstance(change, Refusal):
            self._say(change.reason)
            return
        self._says = ""
        self.harden.decide(decision)

    def action_waive(self) -> None:
        """Bear for some months what the vendor of the line under the cursor asks for."""
        draft, session, key = self._draft, self.harden.session, self.table.current
        if draft is None or session is None or not key.startswith(_CLAUSE):
            return
        clause = next(one for one in export.clauses(draft.matrix) if one.id == key.removeprefix(_CLAUSE))
        found = session.finding(clause.recommendation)
        if found is None:
            self._say(_("no recommendation has the id {id}{hint}").format(id=clause.recommendation, hint=""))
            return
        until = months_after(datetime.now().astimezone().date(), clause.months)
        self._says = ""
        self.harden.decide(session.decision(found, Action.WAIVE, reason=str(clause.reason), until=until))
        self._say(_("{id}: waived until {day}").format(id=clause.recommendation, day=until.isoformat()))

    def action_undo(self) -> None:
        """Take back the answer under the cursor, or else the decision about the policy."""
        key = self.table.current
        self._says = ""
        if key.startswith(_QUESTION):
            self.harden.answer(key.removeprefix(_QUESTION), None)
        else:
            self.harden.undo(DECISION)

    def _say(self, sentence: str) -> None:
        self._says = sentence
        self.show_state()


def _taken(application: Application, one: Object) -> str:
    """Who an object is taken for, whether that was answered or not; "" where somebody must say."""
    known = str(application.objects[one.id])
    if not known and one.id in application.roles:
        return _("this host")
    return known or (_("none") if one.upstream else "")


def _shown(one: export.Detail) -> Content:
    style = "bold $text-error" if one.stands_out else ""
    return labelled(one.label, one.text, style) if one.label else para(f"  {one.text}", "dim")


def _footer() -> list[Content]:
    return [para(export.legend(), "dim"), para(export.incomplete(), "dim")]


def _warnings(draft: Draft) -> Iterator[str]:
    """What keeps the policy out of the plan; where it is not connections, what the policy lacks too."""
    first = draft.unsaid[0] if draft.unsaid else None
    if isinstance(first, Contact):
        sentence = _("open connections that the policy would cut: {count} (c: say why they may end)")
        yield sentence.format(count=len(draft.unsaid))
        return
    if first is not None:
        yield _refusal(first)
    if draft.troubles:
        # Somebody who cannot be named gets no line in the policy: not even who administers.
        sentence = _("still to be said, and not in the policy: {first} ({count} in all; v shows them)")
        yield sentence.format(first=draft.troubles[0], count=len(draft.troubles))


def _refusal(one: Entrance | Contact) -> str:
    """Why the policy does not go into the plan, and the keys that mend it."""
    what = export.would_cut(one)
    if isinstance(one, Entrance):
        return _("{what} (+: permit it; c: say why)").format(what=what)
    return _("{cut}: add a flow for it (+), or say why it may end (c)").format(cut=what)


def _ending(draft: Draft, key: str) -> Entrance | Contact | None:
    """What the line of this key says that the policy would end."""
    return next((one for one in draft.unsaid if f"{_CUT}{one}" == key), None)


def _how_to_come_in() -> str:
    return _(
        "This is how administrators come in, and no line of the policy lets any machine do so. Say who they "
        "are (v: who is who), add a flow for them (+), or press Enter and say why nobody needs it: the "
        "reason is kept with the policy."
    )


def _how_to_keep() -> str:
    return _(
        "Somebody is connected this way now, and no line of the policy lets it through. Add a flow for it "
        "(+), or press Enter and say why it may end: the reason is kept with the policy."
    )
