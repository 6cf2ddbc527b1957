"""The command line. A command is a function of a module of this package, imported when it is asked for.

Nothing that draws is imported before the screen opens: `hardentui --version` must be quick over SSH.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Sequence

from hardentui import i18n
from hardentui.cli import output
from hardentui.cli.parser import build_parser, common_options
from hardentui.errors import InputError
from hardentui.i18n import _


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit code is documented in --help."""
    return output.delivered(lambda: _run(arguments))


def _run(arguments: Sequence[str]) -> int:
    i18n.use(i18n.from_environment())
    try:
        common = common_options(arguments)
        i18n.use(common.lang or i18n.language())
        parser = build_parser()
        options = parser.parse_args(arguments)
        vars(options).update(vars(common))
        if options.plan is not None and not options.takes_plan:
            parser.error(_("--plan means nothing to this command"))
        return _command(options.run)(options)
    except SystemExit as left:  # argparse, after --help, --version and wrong usage
        return left.code if isinstance(left.code, int) else 0
    except InputError as error:
        output.complain(str(error))
        return output.USAGE
    except KeyboardInterrupt:
        return output.INTERRUPTED


def _command(place: str) -> Callable[[argparse.Namespace], int]:
    """The function that the parser names as MODULE:FUNCTION."""
    module, _colon, name = place.partition(":")
    command: Callable[[argparse.Namespace], int] = getattr(
        importlib.import_module(f"hardentui.cli.{module}"), name
    )
    return command
