"""The decision panel: docked at the bottom, so that the list stays in sight and few bytes move."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from hardentui.i18n import _
from hardentui.model import Action, Finding
from hardentui.plan import REASON_LENGTH, WAIVER_MONTHS, months_after
from hardentui.tui.detail import hazards_text
from hardentui.tui.text import para, prose, stack
from hardentui.tui.widgets.plain import Field, Page, Plain


class DecisionPanel(Vertical):
    """Asks for what a decision needs: a value, a reason and an end, or a sentence."""

    @dataclass
    class Wanted(Message):
        """A person wants this decision; the screen asks the session, and answers with ``say`` or closes."""

        action: Action
        finding: Finding
        target: str = ""
        reason: str = ""
        until: date | None = None

    def __init__(self) -> None:
        super().__init__()
        self._action = Action.APPLY
        self._finding: Finding | None = None

    def compose(self) -> ComposeResult:
        """A title, what is at stake, two fields, and what is wrong with them."""
        yield Plain(id="asked")
        yield Page(id="stakes")
        with Horizontal(classes="field", id="first"):
            yield Plain(id="first-label")
            yield Field(id="first-field")
        with Horizontal(classes="field", id="second"):
            yield Plain(id="second-label")
            yield Field(id="second-field")
        yield Plain(id="says")

    def ask(self, action: Action, finding: Finding, today: date) -> None:
        """Ask for this decision."""
        self._action, self._finding = action, finding
        entry = finding.recommendation
        self._plain("asked").show(para(_title(action, finding), "bold $text-primary"))
        stakes = hazards_text(finding)
        if action is Action.ATTEST and entry.attest is not None:
            stakes = para(str(entry.attest))
        elif action is Action.APPLY and not entry.target and entry.procedure is not None:
            stakes = stack([stakes, para(_("By hand"), "bold"), prose(str(entry.procedure))])
        self.query_one("#stakes", Page).show(stakes)
        first, second = self.query_one("#first-field", Field), self.query_one("#second-field", Field)
        self.query_one("#first").display = action is not Action.APPLY or bool(entry.target)
        self.query_one("#second").display = action is Action.WAIVE
        labels = {Action.APPLY: _("Value"), Action.WAIVE: _("Reason"), Action.ATTEST: _("Seen")}
        self._plain("first-label").show(para(labels[action], "bold"))
        self._plain("second-label").show(para(_("Until"), "bold"))
        first.put(entry.target if action is Action.APPLY else "")
        second.put(months_after(today, WAIVER_MONTHS).isoformat())
        self.say("")
        (first if self.query_one("#first").display else self.query_one("#stakes", Page)).focus()

    def say(self, sentence: str) -> None:
        """Say what is wrong, or what is asked for when nothing is."""
        if sentence:
            self._plain("says").show(para(sentence, "bold $text-error"))
        else:
            self._plain("says").show(para(_hint(self._action), "dim"))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in a field records."""
        event.stop()
        self.record(date.today())  # noqa: DTZ011 - the day that the administrator has

    def record(self, today: date) -> None:
        """Ask for the decision that stands in the fields, or say what is missing."""
        if self._finding is None:
            return
        text = self.query_one("#first-field", Field).value.strip()
        wanted = self.Wanted(self._action, self._finding)
        if self._action is Action.APPLY:
            wanted.target = text if self._finding.recommendation.target else ""
        elif not self._fill_reason(wanted, text, today):
            return
        self.post_message(wanted)

    def _fill_reason(self, wanted: Wanted, text: str, today: date) -> bool:
        wanted.reason = text
        if len(text) < REASON_LENGTH:
            sentence = _("{least} characters at least are needed; here are {count}.")
            self.say(sentence.format(least=REASON_LENGTH, count=len(text)))
            return False
        if self._action is not Action.WAIVE:
            return True
        try:
            wanted.until = date.fromisoformat(self.query_one("#second-field", Field).value.strip())
        except ValueError:
            usual = months_after(today, WAIVER_MONTHS)
            self.say(_("The end is a date such as {example}.").format(example=usual))
            return False
        if wanted.until < today:
            self.say(_("The end lies in the past."))
            return False
        return True

    def _plain(self, id_: str) -> Plain:
        return self.query_one(f"#{id_}", Plain)


def _title(action: Action, finding: Finding) -> str:
    title = str(finding.recommendation.title)
    texts = {
        Action.APPLY: _("APPLY  {title}"),
        Action.WAIVE: _("WAIVE  {title}"),
        Action.ATTEST: _("ATTEST  {title}"),
    }
    return texts[action].format(title=title)


def _hint(action: Action) -> str:
    if action is Action.APPLY:
        return _("Enter puts it into the plan. Nothing is changed on this host.")
    if action is Action.WAIVE:
        return _("Enter records the waiver. It holds while the value stays and until the date.")
    return _("Enter records what you have seen, with today's date. The finding stays unchecked.")
