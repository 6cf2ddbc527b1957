"""What commands stand on: the host, the checklists, the plan and the answers that the options name."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hardentui import checklist, guide, hazards, i18n, resources
from hardentui.answers import cleaned
from hardentui.cli.output import CommandError
from hardentui.cli.parser import LEVELS
from hardentui.flows import reader
from hardentui.flows.bindings import asking
from hardentui.flows.profile import Profile
from hardentui.guide import Guide
from hardentui.i18n import _
from hardentui.model import Checklists, Finding, Plan
from hardentui.plan import PlanFile
from hardentui.session import Session, identity
from hardentui.snapshot import Host, Snapshot


def host(options: argparse.Namespace) -> Host:
    """The host that the options name."""
    if options.recording is not None:
        from hardentui.host.recording import RecordedHost  # noqa: PLC0415 - only what is asked is imported

        return RecordedHost(options.recording)
    if options.demo:
        from hardentui.host.recording import demo_host  # noqa: PLC0415 - as above

        return demo_host()
    if options.root is not None:
        from hardentui.host.image import ImageHost  # noqa: PLC0415 - as above

        if not options.root.is_dir():
            raise CommandError(_("{path} is no folder").format(path=options.root))
        return ImageHost(str(options.root))
    from hardentui.host.live import LiveHost  # noqa: PLC0415 - as above

    return LiveHost()


def checklists(options: argparse.Namespace) -> Checklists:
    """The shipped checklists and those of the site."""
    folders = [checklist.shipped_folder(), *options.checklists]
    found = checklist.load(folders, resources.check, hazards.PROBES)
    return asking(found, profiles(options))


def profiles(options: argparse.Namespace) -> tuple[Profile, ...]:
    """The profiles of applications beside the shipped checklists and the site's."""
    return reader.load([checklist.shipped_folder(), *options.checklists])


def guides(options: argparse.Namespace) -> tuple[Guide, ...]:
    """The guides of the shipped checklists and of the site's."""
    return guide.load([checklist.shipped_folder(), *options.checklists])


def snapshot(options: argparse.Namespace) -> Snapshot:
    """A pass over the host that the options name, with the search of its files where that is wanted."""
    seen = Snapshot(host(options), deep=options.deep)
    if not seen.deep:
        return seen
    from hardentui.cli.searching import searched  # noqa: PLC0415 - as in host

    return searched(seen)


def session(options: argparse.Namespace, plan: Plan | None = None) -> Session:
    """A session on the host that the options name, with the answers that they give."""
    known = checklists(options)
    seen = snapshot(options)
    given = answers(getattr(options, "answer", []), known)
    if plan is None and given:
        plan = Plan(identity(seen), known.digest, i18n.language())
    if plan is not None:
        plan = replace(plan, answers={**plan.answers, **given})
    return Session.begin(known, seen, plan)


def answers(given: Sequence[str], known: Checklists) -> dict[str, str]:
    """Answers written as QUESTION=ANSWER.

    Raises:
        CommandError: nobody asks that, or it is no answer to it.
    """
    found = {}
    asked = {question.id: question for question in known.questions}
    for pair in given:
        question, _equals, answer = pair.partition("=")
        if question not in asked:
            raise CommandError(
                _("unknown question {name}; known: {known}").format(name=question, known=", ".join(asked))
            )
        try:
            found[question] = cleaned(asked[question], answer)
        except ValueError as error:
            raise CommandError(f"{question}: {error}") from error
    return found


def selected(options: argparse.Namespace, sitting: Session) -> list[Finding]:
    """The findings of the chapters and levels that the options name."""
    known = [chapter.id for chapter in sitting.checklists.chapters]
    for chapter in options.chapter or ():
        if chapter not in known:
            raise CommandError(
                _("unknown chapter {name}; known: {known}").format(name=chapter, known=", ".join(known))
            )
    levels = LEVELS[: LEVELS.index(options.level) + 1] if options.level else LEVELS
    return [
        found
        for found in sitting.findings
        if (not options.chapter or found.recommendation.chapter in options.chapter)
        and found.recommendation.level in levels
    ]


def plan(path: Path | None) -> Plan | None:
    """The plan at ``path``, or None where no path is given."""
    return PlanFile.read(path).plan if path else None


def demand_this_host(wanted: Plan, sitting: Session, path: Path) -> None:
    """Refuse a plan of another host.

    Raises:
        CommandError: it is one.
    """
    if not wanted.host.fits(identity(sitting.snapshot)):
        raise CommandError(
            _("{path} is the plan of {host}, not of this host").format(
                path=path, host=wanted.host.hostname or "?"
            )
        )
