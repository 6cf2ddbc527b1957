"""The command of the flow matrix: what applications need, what this host shows, and the policy for it."""

from __future__ import annotations

import argparse
from dataclasses import replace

from hardentui import i18n
from hardentui.changeset import change_of
from hardentui.cli import inputs, output
from hardentui.export import flows as export
from hardentui.export import flows_svg
from hardentui.flows.draft import ADDED, DECISION, Draft, permit
from hardentui.i18n import _
from hardentui.model import Action, Checklists, Plan
from hardentui.operations import Refusal
from hardentui.plan import PlanFile
from hardentui.resources.connections import Contact
from hardentui.resources.firewall.policy.lockout import Entrance
from hardentui.session import Session, identity
from hardentui.snapshot import Snapshot


def flows(options: argparse.Namespace) -> int:
    """The matrix, or the policy that it comes to; and with --apply the policy into the plan."""
    if options.apply and options.plan is None:
        raise output.CommandError(_("--apply puts the policy into a plan: name it with --plan"))
    begins = options.apply and not options.plan.exists()
    file = PlanFile.read(options.plan) if options.plan and not begins else None
    checklists, snapshot = inputs.checklists(options), inputs.snapshot(options)
    plan = _answered(options, checklists, snapshot, file)
    decided = plan.decision(DECISION)
    draft = Draft.open(inputs.profiles(options), plan.answers, snapshot, decided.target if decided else "")
    for given in options.acknowledge:
        draft = _acknowledged(draft, given)
    if options.propose:
        output.put(draft.text + "\n")
        output.complain("\n".join(export.sentences(draft)))
    elif options.json:
        output.put(export.document(draft, snapshot) + "\n")
    elif options.svg:
        output.put(flows_svg.picture(draft))
    else:
        output.show(export.text(draft, output.width()))
    if options.apply:
        _save(options, draft, Session.begin(checklists, snapshot, plan), file)
    if draft.matrix.gaps:
        return output.NOT_EVALUATED
    return output.FAILS if draft.matrix.differing or draft.unsaid else 0


def _answered(
    options: argparse.Namespace, checklists: Checklists, snapshot: Snapshot, file: PlanFile | None
) -> Plan:
    """The plan with the answers and the flows that the options give."""
    plan = file.plan if file else Plan(identity(snapshot), checklists.digest, i18n.language())
    answers = {**plan.answers, **inputs.answers(options.answer, checklists)}
    for line in options.add:
        try:
            more = str(permit(line))
        except ValueError as error:
            raise output.CommandError(str(error)) from error
        answers[ADDED] = "; ".join(filter(None, (answers.get(ADDED, ""), more)))
    return replace(plan, answers=answers)


def _acknowledged(draft: Draft, given: str) -> Draft:
    """The draft with one more thing that may end: "out tcp 389 10.0.0.9: reason", or "in tcp 22 any: ...".

    Raises:
        CommandError: the policy would end nothing of the kind, or there is no reason.
    """
    wanted, colon, reason = given.partition(": ")
    one = next((one for one in draft.ending if str(one) == wanted.strip()), None)
    if not colon or one is None:
        known = ", ".join(map(str, draft.ending)) or _("nothing")
        raise output.CommandError(
            _("expected CONNECTION: REASON, found {given!r}; what the policy would cut: {known}").format(
                given=given, known=known
            )
        )
    try:
        return draft.acknowledging(one, reason)
    except ValueError as error:
        raise output.CommandError(f"{one}: {error}") from error


def _save(options: argparse.Namespace, draft: Draft, session: Session, file: PlanFile | None) -> None:
    """Put the policy into the plan, with the answers that it rests on.

    Raises:
        CommandError: it would end what nobody acknowledged, or cannot be applied, or the plan is another's.
    """
    if draft.unsaid:
        raise output.CommandError(_unsaid(draft.unsaid))
    if file is not None:
        inputs.demand_this_host(file.plan, session, options.plan)
    found = session.finding(DECISION)
    if found is None:
        raise output.CommandError(_("no recommendation has the id {id}{hint}").format(id=DECISION, hint=""))
    decision = session.decision(found, Action.APPLY, target=draft.text)
    change = change_of(found.recommendation, decision)
    if isinstance(change, Refusal):
        raise output.CommandError(change.reason)
    session = session.decided(decision)
    session.compiled()  # a plan whose decisions cannot hold together is not written
    (file or PlanFile(options.plan, session.plan, "")).save(session.plan)
    output.complain(_("{path}: {id} is decided").format(path=options.plan, id=DECISION))


def _unsaid(found: tuple[Entrance | Contact, ...]) -> str:
    """Why the policy is not put into the plan, with what to do about it."""
    lines = [export.would_cut(one) for one in found]
    lines.append(
        _(
            "not put into the plan: add a flow for each (--add), or say why it may end "
            "(--acknowledge '{contact}: REASON')"
        ).format(contact=found[0])
    )
    return "\n".join(lines)
