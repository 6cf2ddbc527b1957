"""Commands on plans."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from hardentui.answers import misfits
from hardentui.changeset import compile_plan
from hardentui.cli import inputs, output
from hardentui.export import text
from hardentui.i18n import _
from hardentui.model import Action, Plan, Result
from hardentui.plan import PlanFile, render, standing
from hardentui.session import Session, identity


def new(options: argparse.Namespace) -> int:
    """Write a new plan, with what --answer and --apply say."""
    if options.output.exists() and not options.force:
        raise output.CommandError(
            _("{path} exists already; --force writes over it").format(path=options.output)
        )
    session = _applied(options, inputs.session(options))
    session.compiled()  # a plan whose decisions cannot hold together is not written
    output.save(options.output, render(session.plan), force=options.force)
    output.say(_("{path}: {count} decisions").format(path=options.output, count=len(session.plan.decisions)))
    return 0


def _applied(options: argparse.Namespace, session: Session) -> Session:
    """The session with what --apply names decided."""
    wanted = set(options.apply)
    groups = wanted & {"all", "failing"}
    for id_ in wanted - groups:
        if session.checklists.get(id_) is None:
            raise output.CommandError(_("no recommendation has the id {id}{hint}").format(id=id_, hint=""))
        session = session.seeing(id_)
    results = {Result.FAIL, Result.INFORMATIONAL} if "all" in groups else {Result.FAIL}
    # What is not optional comes first: of alternatives, that one is taken.
    for found in sorted(inputs.selected(options, session), key=lambda found: found.recommendation.optional):
        entry = found.recommendation
        named = entry.id in wanted
        gap = entry.accept is not None and found.result in results
        if not named and not (groups and gap and entry.target and not session.rival(entry)):
            continue
        refusal = session.refusal(found)
        if not refusal:
            session = session.decided(session.decision(found, Action.APPLY))
        elif named:
            raise output.CommandError(f"{entry.id}: {refusal}")
    return session


def show(options: argparse.Namespace) -> int:
    """Print a plan; waivers are held against this host if the plan is its own."""
    plan = PlanFile.read(options.file).plan
    session = inputs.session(options, plan)
    here = plan.host.fits(identity(session.snapshot))
    today = datetime.now(UTC).date()
    standings = {d.id: standing(d, session.finding(d.id) if here else None, today) for d in plan.decisions}
    wrong = misfits(session.checklists.questions, plan.answers)
    output.show(text.plan(plan, standings, wrong, output.width()))
    return 0


def check(options: argparse.Namespace) -> int:
    """Say whether a plan can be read, still means something, and can be compiled."""
    file = PlanFile.read(options.file)
    path, plan = file.path, file.plan
    checklists = inputs.checklists(options)
    change_set = compile_plan(plan, checklists)
    problems = [f"{path}: {id_}: {reason}" for id_, reason in change_set.refused.items()]
    unknown = [
        d.id for d in plan.decisions if checklists.get(d.id) is None and d.id not in change_set.refused
    ]
    problems += [f"{path}: {id_}: " + _("no recommendation has this id") for id_ in unknown]
    problems += file.misfits(checklists.questions)
    if problems:
        raise output.CommandError("\n".join(problems))
    if plan.checklists != checklists.digest:
        output.say(
            _("{path}: the checklists changed since; assess again with `plan refresh`").format(path=path)
        )
    output.say(
        _("{path}: {count} decisions, {steps} steps").format(
            path=path, count=len(plan.decisions), steps=len(change_set.operations)
        )
    )
    return 0


def diff(options: argparse.Namespace) -> int:
    """What differs between two plans, or moved on this host since the plan was made."""
    old = PlanFile.read(options.file).plan
    if options.other is not None:
        lines = list(text.differences(old, PlanFile.read(options.other).plan))
    else:
        session = inputs.session(options, old)
        inputs.demand_this_host(old, session, options.file)
        lines = _moved(old, session)
    output.show(lines or [_("no difference")])
    return output.FAILS if lines else 0


def _moved(old: Plan, session: Session) -> list[str]:
    lines = []
    for decision in old.decisions:
        found = session.finding(decision.id)
        now = (found.running, found.boot) if found else ("", "")
        if now != (decision.running, decision.boot):
            shown = _("{id}: seen {before}, now {after}").format(
                id=decision.id, before=f"{decision.running} / {decision.boot}", after=" / ".join(now)
            )
            lines.append(f"  {shown}")
    return lines


def refresh(options: argparse.Namespace) -> int:
    """Assess this host again and renew what the plan's decisions saw; decisions themselves stay."""
    file = PlanFile.read(options.file)
    session = inputs.session(options, file.plan)
    inputs.demand_this_host(file.plan, session, options.file)
    session, unseen = session.renewed()
    file.save(session.plan)
    output.say(_("{path}: assessed again").format(path=options.file))
    for id_, why in unseen.items():
        output.complain(
            _("{id}: not seen this time, what the plan knew stays: {why}").format(id=id_, why=why)
        )
    return output.NOT_EVALUATED if unseen else 0
