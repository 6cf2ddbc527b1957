"""What the plan would do: its change set, the findings after it, the script."""

from __future__ import annotations

import re
from pathlib import Path

from rich.text import Text

from hardentui.changeset import ConflictError
from hardentui.errors import InputError
from hardentui.model import Finding
from hardentui.operations import ChangeSet
from hardentui.plan import write
from hardentui.session import Session
from hardentui.tui.messages import Previewed
from hardentui.tui.text import cell

_STYLES = {True: "monokai", False: "friendly"}  # pygments styles for dark and light backgrounds


def preview(session: Session, script: str, *, dark: bool) -> Previewed:
    """All that the plan review shows; ``why`` says what cannot be shown. For a worker thread."""
    changes, after, why = ChangeSet(), tuple[Finding, ...](), ""
    try:
        changes = session.compiled()
        after = session.rehearsed()
    except InputError as error:
        why = str(error)
    return Previewed(session, changes, after, highlighted(script, dark=dark), why)


def script_of(session: Session) -> str:
    """The script of all ``apply`` decisions; "" when they cannot hold together.

    It takes about 15 ms.
    """
    from hardentui.script import render  # noqa: PLC0415 - not on the way to the first frame

    try:
        changes = session.compiled()
    except ConflictError:
        return ""
    return render(changes, session.plan, session.checklists) if changes.operations else ""


def export(session: Session, script: str, beside: Path) -> Path:
    """Write the script into the folder of the plan; where it is. For a worker thread.

    Raises:
        PlanError: the file cannot be written.
    """
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", session.plan.host.hostname).strip(".-") or "host"
    path = beside.with_name(f"harden-{name}.sh")
    write(path, script, mode=0o700)
    return path


def highlighted(script: str, *, dark: bool) -> list[Text]:
    """The script as lines to show: every one is made plain before it is coloured."""
    from rich.syntax import Syntax  # noqa: PLC0415 - pygments is not on the way to the first frame

    plain = "\n".join(cell(row.expandtabs(4)).plain for row in script.splitlines())
    syntax = Syntax("", "bash", theme=_STYLES[dark], background_color="default")
    return list(syntax.highlight(plain).split("\n", allow_blank=True))
