"""Commands that print findings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime

from hardentui.cli import inputs, output
from hardentui.export import guide as by_guide
from hardentui.export import json, text
from hardentui.export import ports as listening
from hardentui.guide import account
from hardentui.i18n import _
from hardentui.model import Action, Finding, Gap, Result
from hardentui.plan import Standing
from hardentui.resources.base import explain as reason
from hardentui.session import Session


def scan(options: argparse.Namespace) -> int:
    """Print the findings; the exit code tells fail, not evaluated, or all well."""
    session = inputs.session(options, inputs.plan(options.plan))
    found = inputs.selected(options, session)
    if options.by:
        _by_guide(options, session, found)
    elif options.json:
        output.put(json.findings(found, session.plan.host, session.plan, session.snapshot.taken_at) + "\n")
    else:
        output.say(text.summary(found))
        output.show(text.table(found, session.plan, output.width()))
    return _exit_code(found, session)


def _by_guide(options: argparse.Namespace, session: Session, found: Sequence[Finding]) -> None:
    known = {guide.id: guide for guide in inputs.guides(options)}
    if options.by not in known:
        names = ", ".join(known)
        raise output.CommandError(
            _("unknown guide {name}; known: {known}").format(name=options.by, known=names)
        )
    guide = known[options.by]
    accounts = account(guide, session.checklists, found)
    if options.json:
        output.put(by_guide.document(guide, accounts, session.plan.host, session.snapshot.taken_at) + "\n")
    else:
        output.say(by_guide.summary(accounts))
        output.show(by_guide.table(accounts, output.width()))


def _exit_code(found: Sequence[Finding], session: Session) -> int:
    today = datetime.fromtimestamp(session.snapshot.taken_at, UTC).date()
    standings = session.standings(today)

    def settled(finding: Finding, action: Action) -> bool:
        decision = session.plan.decision(finding.recommendation.id)
        return decision is not None and decision.action is action and standings[decision.id] is Standing.HOLDS

    if any(f.result is Result.FAIL and not settled(f, Action.WAIVE) for f in found):
        return output.FAILS
    open_ = {Result.UNKNOWN, Result.ERROR, Result.NOTCHECKED}
    unread = any(f.result in open_ and not settled(f, Action.ATTEST) for f in found)
    return output.NOT_EVALUATED if unread or not any(f.result.evaluated for f in found) else 0


def ports(options: argparse.Namespace) -> int:
    """Every listening socket: its process, its scope, and what the loaded firewall lets through to it."""
    snapshot = inputs.snapshot(options)
    shown = listening.document(snapshot) if options.json else listening.table(snapshot, output.width())
    if isinstance(shown, Gap):
        output.complain(reason(shown))
        return output.NOT_EVALUATED
    if isinstance(shown, str):
        output.put(shown + "\n")
    else:
        output.show(shown)
    return 0


def explain(options: argparse.Namespace) -> int:
    """Print all about one recommendation."""
    session = inputs.session(options, inputs.plan(options.plan))
    entry = session.entry(options.id)
    if entry is None:
        near = [
            e.id for e in session.checklists.recommendations if options.id in e.id or options.id in e.covers
        ]
        hint = _("; did you mean {names}?").format(names=", ".join(near[:5])) if near else ""
        raise output.CommandError(
            _("no recommendation has the id {id}{hint}").format(id=options.id, hint=hint)
        )
    output.show(
        text.explain(entry, session.seeing(entry.id).finding(entry.id), session.checklists, output.width())
    )
    return 0
