"""The search of the file systems for commands: shown on a terminal while it runs, ended early by Ctrl-C."""

from __future__ import annotations

import sys

from hardentui.cli import output
from hardentui.host.search import Progress, Walkable
from hardentui.i18n import _
from hardentui.snapshot import Clock, FileSurvey, Snapshot
from hardentui.visible import visible

_EVERY = 0.2  # seconds


def searched(snapshot: Snapshot) -> Snapshot:
    """The snapshot with what a walk over the files found, where its host can make one."""
    host = snapshot.host
    if not isinstance(host, Walkable):
        return snapshot
    walk = host.walk()
    try:
        walk.start()
        while (found := walk.result(_EVERY)) is None:
            _show(walk.progress())
    except KeyboardInterrupt:
        walk.stop()
        found = walk.result()
    finally:
        walk.stop()  # also when something else ends us: no search stays behind
        _show(None)
    return snapshot.with_answers({FileSurvey(): found}, host.answer(Clock())[1])


def _show(progress: Progress | None) -> None:
    if sys.stderr is None or not sys.stderr.isatty():
        return
    line = ""
    if progress is not None:
        share = "" if progress.share is None else f" ({progress.share} %)"
        line = _("searching files: {files}{share}, {seconds} s; Ctrl-C ends it early  {place}").format(
            files=progress.files, share=share, seconds=int(progress.seconds), place=visible(progress.place)
        )
    print(f"\r\033[K{line[: output.width() - 1]}", end="", file=sys.stderr, flush=True)
