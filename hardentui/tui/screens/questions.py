"""The questions: what the machine cannot know, and the advice depends on."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import DataTable

from hardentui.answers import FORMATS, needed
from hardentui.i18n import _
from hardentui.model import Question
from hardentui.tui.keys import Place, bindings
from hardentui.tui.screens.asking import AskingScreen
from hardentui.tui.text import cell, para, stack
from hardentui.tui.widgets.entry import Entry
from hardentui.tui.widgets.plain import Page
from hardentui.tui.widgets.table import Column, FactsTable, Row


class QuestionsScreen(AskingScreen):
    """Each question with its answers; the one that was given is marked."""

    place = Place.QUESTIONS
    BINDINGS = bindings(Place.QUESTIONS)

    def __init__(self, question: str = "") -> None:
        super().__init__()
        self._at = question

    def compose_body(self) -> ComposeResult:
        """Questions, and why the one under the cursor is asked."""
        with Container(id="body"):
            yield FactsTable(id="list")
            yield Page(id="detail")
        yield Entry()

    def headline(self) -> Content:
        """How many wait."""
        tally = self.harden.tally
        waiting = len(tally.unanswered) if tally else 0
        sentence = _("Questions: what the machine cannot know; {count} without an answer")
        return para(sentence.format(count=waiting), "bold $text-primary")

    def show_body(self) -> None:
        """Questions and answers."""
        tally = self.harden.tally
        if tally is None:
            return
        rows = []
        for question in tally.session.checklists.asked:
            rows.append(Row(question.id, (cell(str(question.title), "bold"),), heading=True))
            rows += _answers(question, tally.session.plan.answers.get(question.id))
        table = self.query_one(FactsTable)
        table.show_header = False
        table.fill([Column(cell(""))], rows)
        if self._at and table.go_to(self._first_choice(self._at)):
            self._at = ""
        self._show_detail()

    def on_data_table_row_highlighted(self) -> None:
        """The reason follows the cursor."""
        self._show_detail()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click on the chosen row: this is the answer."""
        event.stop()
        self.action_choose()

    def action_choose(self) -> None:
        """This is the answer; one that is text is asked for."""
        id_, _equals, choice = self.query_one(FactsTable).current.partition("=")
        question = self._question(id_)
        if question is not None and question.format:
            self._ask_for(question)
        elif choice:
            self.harden.answer(id_, choice)

    def _ask_for(self, question: Question) -> None:
        assert self.harden.session is not None  # noqa: S101 - for the type checker
        text = self.harden.session.plan.answers.get(question.id, question.proposed)
        expected = _("Expected: {what}").format(what=_(FORMATS[question.format].expected))
        self.ask(question.id, _("Your answer"), text, expected)

    def take(self, subject: str, text: str) -> None:
        """Take the answer; an empty one takes it back."""
        self.harden.answer(subject, text or None)

    def action_undo(self) -> None:
        """Take the answer back."""
        self.harden.answer(self.query_one(FactsTable).current.partition("=")[0], None)

    def _show_detail(self) -> None:
        question = self._question(self.query_one(FactsTable).current.partition("=")[0])
        session = self.harden.session
        if question is None or session is None:
            return
        asked_for = [e for e in session.checklists.recommendations if question.id in needed(e)]
        count = _("Recommendations that depend on it: {count}").format(count=len(asked_for))
        titles = [para(f"  {entry.title}") for entry in asked_for]
        parts = [para(str(question.title), "bold"), para(str(question.why)), para(""), para(count), *titles]
        self.query_one("#detail", Page).show(stack(parts))

    def _question(self, id_: str) -> Question | None:
        session = self.harden.session
        return next((q for q in session.checklists.asked if q.id == id_), None) if session else None

    def _first_choice(self, id_: str) -> str:
        question = self._question(id_)
        return f"{id_}={question.choices[0].id if question.choices else ''}" if question else id_


def _answers(question: Question, given: str | None) -> list[Row]:
    """A line for each choice, the one that was given marked; or one with the text."""
    if question.format:
        shown = _("  {text}  (Enter: another)").format(text=given) if given else _("  Enter: type the answer")
        return [Row(f"{question.id}=", (cell(shown),))]
    return [
        Row(
            f"{question.id}={choice.id}",
            (cell(f"  {'(x)' if choice.id == given else '( )'} {choice.label}"),),
        )
        for choice in question.choices
    ]
