"""The walk without a screen: numbered questions, line by line, for screen readers and dumb terminals.

It stands on the same session and saves to the same plan as the screen. No cursor moves, nothing is drawn
again, and a number means the same wherever it is offered.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime

from hardentui.answers import FORMATS
from hardentui.cli import output
from hardentui.export import text
from hardentui.i18n import N_, _, ngettext
from hardentui.model import Action, Chapter, Decision, Finding, Question
from hardentui.plan import REASON_LENGTH, WAIVER_MONTHS, PlanError, months_after
from hardentui.session import Session
from hardentui.tui import words
from hardentui.tui.progress import Tally
from hardentui.tui.store import PlanStore

# The numbers of the choices about one recommendation.
_APPLY, _WAIVE, _DEFER, _ATTEST, _UNDO, _MORE, _SKIP, _BACK = "1", "2", "3", "4", "5", "6", "7", "8"
_QUIT = "0"
_LABELS: Mapping[str, str] = {
    _APPLY: N_("apply"),
    _WAIVE: N_("waive, with a reason and an end"),
    _DEFER: N_("defer"),
    _ATTEST: N_("attest what you have seen"),
    _UNDO: N_("take the decision back"),
    _MORE: N_("all that is known of it"),
    _SKIP: N_("skip"),
    _BACK: N_("back"),
    _QUIT: N_("quit"),
}


class _QuitError(Exception):
    """The person wants to leave, or the input is at its end."""


class Walk:
    """One walk, from the first question to the last decision. Each is saved as soon as it is made."""

    def __init__(self, session: Session, store: PlanStore) -> None:
        self._session = session
        self._store = store
        self._unsaved = ""

    def run(self) -> int:
        """Walk until the person leaves or the input ends; the exit code says whether all is saved."""
        code = 0
        try:
            self._chapters()
        except _QuitError:
            pass
        except KeyboardInterrupt:
            code = output.INTERRUPTED
        return self._end() or code

    def _end(self) -> int:
        output.say("")
        if self._unsaved:
            self._save()  # the disk may have room again
        if self._unsaved:
            return output.USAGE
        plan = self._session.plan
        if self._store.saved is None:
            output.say(_("Nothing was decided, and nothing was written."))
        else:
            count = len(plan.decisions)
            said = ngettext(
                "{count} decision is saved in {path}.", "{count} decisions are saved in {path}.", count
            )
            output.say(said.format(count=count, path=self._store.path))
        return 0

    @property
    def _tally(self) -> Tally:
        return Tally(self._session, datetime.now().astimezone().date())

    # --- chapters ---------------------------------------------------------------------------------

    def _chapters(self) -> None:
        output.say(text.summary(self._session.findings))
        while True:
            chapters = self._session.checklists.chapters
            choices = {str(number): self._progress(c) for number, c in enumerate(chapters, 1)}
            wanted = _chosen(_("Chapters"), {**choices, _QUIT: _("quit")})
            if wanted == _QUIT:
                return
            self._chapter(chapters[int(wanted) - 1])

    def _progress(self, chapter: Chapter) -> str:
        progress = self._tally.progress(self._tally.chapter(chapter.id))
        sentence = _("{title}: {open} of {all} wait for a decision")
        return sentence.format(title=chapter.title, open=progress.open, all=progress.decidable)

    def _chapter(self, chapter: Chapter) -> None:
        for question in chapter.questions:
            if question.id in self._tally.unanswered and not self._question(question):
                return
        choices = {
            "1": _("those that wait for a decision"),
            "2": _("all recommendations"),
            _BACK: _("back"),
            _QUIT: _("quit"),
        }
        wanted = _chosen(str(chapter.title), choices)
        if wanted == _QUIT:
            raise _QuitError
        if wanted != _BACK:
            tally = self._tally
            self._recommendations(
                [
                    found.recommendation.id
                    for found in tally.chapter(chapter.id)
                    if wanted == "2" or tally.is_open(found)
                ]
            )

    def _question(self, question: Question) -> bool:
        """Ask a question; False to go back."""
        output.say("")
        output.show(text.wrapped(str(question.why), output.width()))
        if question.format:
            return self._text_question(question)
        known = {_SKIP: _("skip"), _BACK: _("back"), _QUIT: _("quit")}
        free = (str(number) for number in itertools.count(1) if str(number) not in known)
        answers = dict(zip(free, question.choices, strict=False))
        labels = {number: str(choice.label) for number, choice in answers.items()}
        wanted = _chosen(str(question.title), {**labels, **known})
        if wanted == _QUIT:
            raise _QuitError
        if wanted in answers:
            self._session = self._session.answered(question.id, answers[wanted].id)
            self._save()
        return wanted != _BACK

    def _text_question(self, question: Question) -> bool:
        """Ask for a text until it fits; an empty line leaves the question open."""
        output.say(str(question.title))
        expected = _(FORMATS[question.format].expected)
        if question.proposed:
            expected = _("{expected}, such as {proposed}").format(
                expected=expected, proposed=question.proposed
            )
        while typed := _line(_("{expected} (empty to skip)").format(expected=expected)):
            try:
                self._session = self._session.answered(question.id, typed)
            except ValueError as error:
                output.say(str(error))
                continue
            self._save()
            break
        return True

    # --- recommendations --------------------------------------------------------------------------

    def _recommendations(self, ids: Sequence[str]) -> None:
        at = 0
        while 0 <= at < len(ids):
            finding = self._session.finding(ids[at])
            if finding is None:
                at += 1
                continue
            output.say("")
            output.say(_("{number} of {all}").format(number=at + 1, all=len(ids)))
            self._tell(finding)
            at += self._decide(finding)
        if at >= 0:
            output.say("")
            output.say(_("That was the last one here."))

    def _tell(self, finding: Finding) -> None:
        output.show(text.brief(finding, output.width()))
        decision = self._session.plan.decision(finding.recommendation.id)
        if decision is not None:
            held = words.standing(self._tally.standings[decision.id])
            made = words.action(decision.action) + (f" ({held})" if held else "")
            output.say(_("Decided: {decision}").format(decision=made))

    def _decide(self, finding: Finding) -> int:
        """Take one choice about a finding: how many recommendations to go on from there."""
        entry = finding.recommendation
        wanted = _chosen(_("What do you want to do?"), self._choices(finding))
        if wanted == _QUIT:
            raise _QuitError
        if wanted in {_BACK, _SKIP}:
            return 1 if wanted == _SKIP else -1
        if wanted == _MORE:
            output.show(text.explain(entry, finding, self._session.checklists, output.width()))
            return 0
        if wanted == _UNDO:
            self._session = self._session.undecided(entry.id)
            self._save()
            return 0
        asks: dict[str, Callable[[Finding], Decision | None]] = {
            _APPLY: self._applied,
            _WAIVE: self._waived,
            _DEFER: lambda found: self._session.decision(found, Action.DEFER),
            _ATTEST: self._attested,
        }
        decision = asks[wanted](finding)
        if decision is None:
            return 0
        self._session = self._session.decided(decision)
        self._save()
        return 1

    def _choices(self, finding: Finding) -> dict[str, str]:
        entry = finding.recommendation
        offered = [_WAIVE, _DEFER, _MORE, _SKIP, _BACK, _QUIT]
        refusal = self._session.refusal(finding)
        if refusal:
            output.show(text.wrapped(_("It cannot be applied: {why}").format(why=refusal), output.width()))
        else:
            offered.append(_APPLY)
        if entry.attest is not None:
            offered.append(_ATTEST)
        if self._session.plan.decision(entry.id) is not None:
            offered.append(_UNDO)
        return {number: _(label) for number, label in _LABELS.items() if number in offered}

    def _applied(self, finding: Finding) -> Decision | None:
        target = finding.recommendation.target
        if target:
            target = _line(_("Value (empty for {target})").format(target=target)) or target
            refusal = self._session.refusal(finding, target)
            if refusal:
                output.say(refusal)
                return None
        return self._session.decision(finding, Action.APPLY, target=target)

    def _waived(self, finding: Finding) -> Decision | None:
        reason = _reason(_("Reason"))
        if not reason:
            return None
        until = _end_date(datetime.now().astimezone().date())
        return self._session.decision(finding, Action.WAIVE, reason=reason, until=until)

    def _attested(self, finding: Finding) -> Decision | None:
        reason = _reason(_("What have you seen?"))
        return self._session.decision(finding, Action.ATTEST, reason=reason) if reason else None

    def _save(self) -> None:
        try:
            self._store.save(self._session.plan)
            self._unsaved = ""
        except PlanError as error:
            self._unsaved = str(error)
            output.complain(_("NOT SAVED: {why}").format(why=error))


# --- asking ---------------------------------------------------------------------------------------


def _line(prompt: str) -> str:
    """One line of input, without the blanks around it."""
    print(prompt + _(": "), end="", flush=True)
    line = sys.stdin.readline() if sys.stdin is not None else ""
    if not line:
        raise _QuitError
    return line.strip()


def _chosen(title: str, choices: Mapping[str, str]) -> str:
    """The number of one of the choices; asked again until it is one."""
    output.say("")
    output.say(title)
    output.show(f"  {number}. {label}" for number, label in choices.items())
    while (wanted := _line(_("Number"))) not in choices:
        output.say(_("Please type one of these numbers: {numbers}").format(numbers=", ".join(choices)))
    return wanted


def _reason(prompt: str) -> str:
    """A sentence that is long enough; "" to go back."""
    asked = _("{prompt} ({least} characters at least, empty to go back)")
    while 0 < len(reason := _line(asked.format(prompt=prompt, least=REASON_LENGTH))) < REASON_LENGTH:
        sentence = _("{least} characters at least are needed; here are {count}.")
        output.say(sentence.format(least=REASON_LENGTH, count=len(reason)))
    return reason


def _end_date(today: date) -> date:
    """A day that is not over; six months from now where nothing is typed."""
    usual = months_after(today, WAIVER_MONTHS)
    while True:
        typed = _line(_("Until (a date, empty for {day})").format(day=usual))
        try:
            until = date.fromisoformat(typed) if typed else usual
        except ValueError:
            output.say(_("The end is a date such as {example}.").format(example=usual))
            continue
        if until >= today:
            return until
        output.say(_("The end lies in the past."))
