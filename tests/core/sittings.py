"""The shipped checklists, loaded once for all tests, and sittings in which questions are answered."""

from __future__ import annotations

from collections.abc import Mapping

from hardentui import hazards, i18n
from hardentui.answers import cleaned
from hardentui.checklist import load, shipped_folder
from hardentui.model import Checklists, Plan
from hardentui.resources import check
from hardentui.session import Session, identity
from hardentui.snapshot import Snapshot

CHECKLISTS = load([shipped_folder()], check, hazards.PROBES)


def sitting(snapshot: Snapshot, answers: Mapping[str, str], checklists: Checklists = CHECKLISTS) -> Session:
    """A session that begins with these answers: assessed once, and not once for each of them."""
    asked = {question.id: question for question in checklists.questions}
    given = {name: cleaned(asked[name], answer) for name, answer in answers.items()}
    plan = Plan(identity(snapshot), checklists.digest, i18n.language(), given)
    return Session.begin(checklists, snapshot, plan)
