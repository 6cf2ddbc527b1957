"""Commands that write a file for later: the script of a plan, the recording of a host."""

from __future__ import annotations

import argparse

from hardentui.changeset import compile_plan
from hardentui.cli import inputs, output
from hardentui.i18n import _
from hardentui.plan import PlanFile


def script(options: argparse.Namespace) -> int:
    """Write the script of a plan."""
    from hardentui.script import render  # noqa: PLC0415 - a recording needs none of it

    file = PlanFile.read(options.file)
    plan = file.plan
    if options.output is not None and options.output.resolve() == options.file.resolve():
        raise output.CommandError(
            _("{path} is the plan itself; name another file").format(path=options.output)
        )
    checklists = inputs.checklists(options)
    if plan.checklists != checklists.digest:
        raise output.CommandError(
            _("{path}: the checklists changed since; run `hardentui plan refresh {path}` first").format(
                path=options.file
            )
        )
    change_set = compile_plan(plan, checklists)
    for wrong in file.misfits(checklists.questions):
        output.complain(_("{mistake}; it counts as not answered").format(mistake=wrong))
    for id_, reason in change_set.refused.items():
        output.complain(_("{id} is left out: {reason}").format(id=id_, reason=reason))
    text = render(change_set, plan, checklists)
    if options.output is None:
        output.put(text)
    else:
        output.save(options.output, text, mode=0o700, force=options.force)
        output.say(_("{path}: read it, then `sudo bash {path} review`").format(path=options.output))
    return 0


def record(options: argparse.Namespace) -> int:
    """Record the facts of a host, as an assessment, the workbench and the matrix of flows ask for them."""
    from hardentui.flows.draft import Draft  # noqa: PLC0415 - as in script
    from hardentui.host.recording import record as recording  # noqa: PLC0415 - as in script
    from hardentui.resources.sandbox.evidence import gather_all  # noqa: PLC0415 - as in script

    session = inputs.session(options)
    gather_all(session.snapshot)
    Draft.open(inputs.profiles(options), {}, session.snapshot)
    output.save(options.output, recording(session.snapshot), force=options.force)
    output.say(_("{path}: recorded; read it before you give it away").format(path=options.output))
    return 0
