"""Commands about checklists, schemas and the command line itself: they look at no host."""

from __future__ import annotations

import argparse
import json

from hardentui.cli import output
from hardentui.i18n import _


def check(options: argparse.Namespace) -> int:
    """Say what is wrong with checklists: the named files, or all that a scan would read."""
    from hardentui import checklist, hazards, resources  # noqa: PLC0415 - completion must be quick
    from hardentui.cli import inputs  # noqa: PLC0415 - as above
    from hardentui.flows import reader  # noqa: PLC0415 - as above

    loaded, profiles = inputs.checklists(options), inputs.profiles(options)
    if options.files:
        of_profiles = [path for path in options.files if path.parent.name == reader.FOLDER]
        loaded = checklist.load_files(
            (path for path in options.files if path not in of_profiles),
            resources.check,
            hazards.PROBES,
            asked_elsewhere=loaded.questions,
        )
        profiles = reader.load_files(of_profiles, beside=profiles)
    for chapter in loaded.chapters:
        output.say(
            _("{chapter}: {count} recommendations, version {version}").format(
                chapter=chapter.id, count=len(chapter.recommendations), version=chapter.version
            )
        )
    for profile in profiles:
        output.say(
            _("{application}: {count} flows, version {version}").format(
                application=profile.id, count=len(profile.flows), version=profile.version
            )
        )
    return 0


def schema(options: argparse.Namespace) -> int:
    """Print a JSON Schema."""
    from hardentui import schema as schemas  # noqa: PLC0415 - as in check

    made = {"checklist": schemas.checklist, "plan": schemas.plan, "application": schemas.application}
    output.put(json.dumps(made[options.kind](), indent=2) + "\n")
    return 0


def completion(options: argparse.Namespace) -> int:
    """Print a completion script, made from this very parser."""
    from hardentui.cli.parser import build_parser  # noqa: PLC0415 - as in check
    from hardentui.completion import generate  # noqa: PLC0415 - as in check

    output.put(generate(build_parser(), options.shell))
    return 0
