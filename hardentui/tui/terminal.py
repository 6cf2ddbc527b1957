"""The terminal: refused when it cannot show the screen, left restored when it is lost.

Stock Textual spins for ever on a stdin at its end, leaves a terminal in the alternate screen after
SIGTERM, and runs over stderr, so all three are looked at before and while it runs.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import signal
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual.drivers.linux_driver import LinuxDriver

from hardentui.i18n import _

if TYPE_CHECKING:
    from textual.app import App

HANGUP = 128 + signal.SIGHUP
_SECONDS = 1.0  # between two looks at the terminal


class Driver(LinuxDriver):
    """Textual's driver, which ends even so: the thread that writes dies with the terminal.

    Textual's own goes on to fill that thread's queue, and then waits for ever.
    """

    def write(self, data: str) -> None:
        """See LinuxDriver; what nobody can read is dropped."""
        if not self._is_lost:
            super().write(data)

    def close(self) -> None:
        """See LinuxDriver; there is no thread to wait for any more."""
        if not self._is_lost:
            super().close()

    @property
    def _is_lost(self) -> bool:
        return self._writer_thread is not None and not self._writer_thread.is_alive()


def refusal(environ: Mapping[str, str]) -> str:
    """Why this terminal cannot show the screen, in a sentence; "" when it can."""
    if not (_is_terminal(0) and _is_terminal(2)):
        return _("the screen needs a terminal as input and as error output; without one: hardentui scan")
    if environ.get("TERM", "dumb") in {"dumb", ""}:
        return _("this terminal cannot move its cursor (TERM=dumb); without a screen: hardentui scan")
    encoding = getattr(sys.__stderr__, "encoding", None) or "ascii"
    if codecs.lookup(encoding).name != "utf-8":
        return _(
            "the locale of this terminal is {encoding}, and the screen needs UTF-8: "
            "set LC_ALL=C.UTF-8, or use hardentui scan"
        ).format(encoding=encoding)
    return ""


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def watch(app: App[int]) -> None:
    """End ``app`` with the right status when it is told to, or when the terminal is gone.

    SIGHUP is handled even where it was ignored (nohup): a screen without a terminal has no use.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, _end, app, 128 + number)
    app.set_interval(_SECONDS, lambda: None if _is_terminal(0) else _end(app, HANGUP))


def _end(app: App[int], status: int) -> None:
    app.exit(return_code=status)
