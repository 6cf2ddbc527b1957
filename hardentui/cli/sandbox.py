"""The command of the workbench: one service, its directives, and the drop-in into the plan."""

from __future__ import annotations

import argparse

from hardentui import i18n
from hardentui.changeset import change_of
from hardentui.cli import inputs, output
from hardentui.export import sandbox as export
from hardentui.i18n import _
from hardentui.model import Action, Gap, Plan
from hardentui.operations import Refusal
from hardentui.plan import PlanFile
from hardentui.resources.base import explain
from hardentui.resources.sandbox.bench import Bench
from hardentui.resources.sandbox.directives import BY_NAME, parse, write
from hardentui.session import Session, identity


def sandbox(options: argparse.Namespace) -> int:
    """What each directive would do to a service, and with --plan: what is chosen into the plan."""
    snapshot = inputs.snapshot(options)
    opened = Bench.open(snapshot, options.unit)
    if isinstance(opened, Gap):
        raise output.CommandError(explain(opened))
    file = PlanFile.read(options.plan) if options.plan and options.plan.exists() else None
    bench = _chosen(options, _known(opened, file))
    if options.json:
        output.put(export.document(bench) + "\n")
    else:
        output.show(export.text(bench, output.width()))
    if options.plan is not None and bench.chosen:
        _save(options, bench, file)
    return output.FAILS if bench.breaks else output.NOT_EVALUATED if bench.seen.use is None else 0


def _known(bench: Bench, file: PlanFile | None) -> Bench:
    """The workbench with what the plan decided about this service, if it did."""
    decision = file.plan.decision(bench.id) if file else None
    if decision is None or "=" not in decision.target:
        return bench
    try:
        chosen = parse(decision.target)
    except ValueError as error:
        raise output.CommandError(f"{file.path if file else ''}: {bench.id}: {error}") from error
    return Bench(bench.snapshot, bench.seen, bench.version, chosen)


def _chosen(options: argparse.Namespace, bench: Bench) -> Bench:
    """The workbench with what the options choose."""
    if options.recommended or options.safe:
        bench = bench.proposing(only_safe=options.safe)
    for given in options.set:
        name, equals, value = given.partition("=")
        if not equals:
            raise output.CommandError(_("expected DIRECTIVE=VALUE, found {found!r}").format(found=given))
        try:
            bench = bench.setting(name, " ".join(value.split()))
        except ValueError as error:
            raise output.CommandError(str(error)) from error
    for name in options.without:
        if name not in BY_NAME:
            raise output.CommandError(_("{line} is no directive that is known here").format(line=repr(name)))
        bench = bench.without(name)
    return bench


def _save(options: argparse.Namespace, bench: Bench, file: PlanFile | None) -> None:
    """Put what is chosen into the plan.

    Raises:
        CommandError: it would break the service and nobody insists, or the plan is another host's.
    """
    if bench.breaks and not options.force:
        names = ", ".join(bench.breaks)
        raise output.CommandError(
            _("not put into the plan: {names} would break {unit}; --force does it all the same").format(
                names=names, unit=bench.seen.unit
            )
        )
    checklists = inputs.checklists(options)
    plan = file.plan if file else Plan(identity(bench.snapshot), checklists.digest, i18n.language())
    session = Session.begin(checklists, bench.snapshot, plan).seeing(bench.id)
    inputs.demand_this_host(plan, session, options.plan)
    found = session.finding(bench.id)
    if found is None:
        raise output.CommandError(_("no recommendation has the id {id}{hint}").format(id=bench.id, hint=""))
    decision = session.decision(found, Action.APPLY, target=write(bench.chosen))
    change = change_of(found.recommendation, decision)
    if isinstance(change, Refusal):
        raise output.CommandError(change.reason)
    session = session.decided(decision)
    session.compiled()  # a plan whose decisions cannot hold together is not written
    (file or PlanFile(options.plan, plan, "")).save(session.plan)
    output.complain(_("{path}: {id} is decided").format(path=options.plan, id=bench.id))
