"""What sshd would say of itself once it has read changed files: predicted, for a rehearsal."""

from __future__ import annotations

import dataclasses
from typing import Any

from hardentui.resources.sshd.config import Config, read
from hardentui.resources.sshd.keywords import KEYWORDS
from hardentui.resources.sshd.match import Connection
from hardentui.resources.sshd.questions import asked
from hardentui.resources.sshd.state import pid_file
from hardentui.snapshot import Output, Question, Snapshot, Stat, Status


def moved(snapshot: Snapshot) -> tuple[Question[Any], ...]:
    """The questions that have another answer once sshd has read its files anew."""
    seen = read(snapshot)
    folders = {path.rpartition("/")[0] for path in seen.files}
    spoken = (question for question, _connection in asked(snapshot, seen))
    return (*spoken, *(Stat(path) for path in (pid_file(seen), *seen.files, *sorted(folders))))


def after_reload(before: Snapshot, after: Snapshot) -> dict[Question[Any], Any]:
    """Their answers, when the files of ``after`` took the place of those of ``before``."""
    old, new = read(before), read(after)
    answers: dict[Question[Any], Any] = {}
    for question, connection in asked(before, new):
        said = before.ask(question)
        if isinstance(said, Output):
            answers[question] = Output(_predicted(said.stdout, old, new, connection))
    for place in moved(after):
        status = after.ask(place) if isinstance(place, Stat) else None
        if isinstance(status, Status):
            now = after.taken_at
            answers[place] = dataclasses.replace(status, modified=now, changed=now)
    return answers


def _predicted(said: str, old: Config, new: Config, connection: Connection) -> str:
    """What it said, but for the keywords that the files now give otherwise."""
    wanted = {
        keyword: new.effective(keyword, connection)
        for keyword in KEYWORDS
        if old.effective(keyword, connection).values != new.effective(keyword, connection).values
    }
    lines = [line for line in said.splitlines() if line.partition(" ")[0] not in wanted]
    lines += [
        f"{keyword} {value}"
        for keyword, outcome in wanted.items()
        for value in outcome.values or ()
        # A list that is relative to the built-in one cannot be told from here.
        if not value.startswith(("+", "-", "^"))
    ]
    return "".join(f"{line}\n" for line in lines)
