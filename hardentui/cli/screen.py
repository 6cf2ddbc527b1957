"""Commands that ask a person: the assistant on a screen, and the same walk line by line."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hardentui import i18n
from hardentui.cli import output
from hardentui.i18n import _

if TYPE_CHECKING:
    from hardentui.snapshot import Host


def walk(options: argparse.Namespace) -> int:
    """Walk line by line, or on the screen."""
    return _plain(options) if options.plain else show(options)


def _plain(options: argparse.Namespace) -> int:
    from hardentui.cli import inputs  # noqa: PLC0415 - the first frame must not wait for it
    from hardentui.cli.walk import Walk  # noqa: PLC0415 - as above
    from hardentui.plan import PlanFile  # noqa: PLC0415 - as above
    from hardentui.tui.store import PlanStore  # noqa: PLC0415 - as above

    path = options.plan or default_plan(inputs.host(options))
    file = PlanFile.read(path) if path.exists() else None
    session = inputs.session(options, file.plan if file else None)
    if file is not None:
        inputs.demand_this_host(file.plan, session, path)
    return Walk(session, PlanStore(path, file)).run()


def show(options: argparse.Namespace) -> int:
    """Open the assistant."""
    if os.environ.get("TERM") == "dumb" or not all(
        stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)
    ):
        raise output.CommandError(
            _(
                "the assistant needs a terminal; `hardentui walk --plain` asks line by line, "
                "`hardentui scan` prints what is found"
            )
        )
    from hardentui.tui.app import show as open_screen  # noqa: PLC0415 - imported only when it opens
    from hardentui.tui.opening import Opening  # noqa: PLC0415 - as above

    def load() -> Opening:
        from hardentui.cli import inputs  # noqa: PLC0415 - in the worker, after the first frame
        from hardentui.plan import PlanFile  # noqa: PLC0415 - as above

        checklists, host = inputs.checklists(options), inputs.host(options)
        path = options.plan or default_plan(host)
        file = PlanFile.read(path) if path.exists() else None
        return Opening(checklists, host, file, path, inputs.guides(options), inputs.profiles(options))

    return open_screen(load, i18n.language(), deep=options.deep)


def default_plan(host: Host) -> Path:
    """Where the plan of a host is kept when nobody says: in the home of the user behind sudo."""
    from hardentui.session import identity  # noqa: PLC0415 - as in _plain
    from hardentui.snapshot import Snapshot  # noqa: PLC0415 - as in _plain

    user = os.environ.get("SUDO_USER", "")
    home = Path(f"~{user}").expanduser() if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", user) else Path.home()
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", identity(Snapshot(host)).hostname).strip(".-") or "host"
    return home / "hardentui" / f"{name}.toml"
