"""What commands say and write: safe to print on any terminal, and never lost in silence."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from hardentui.errors import InputError
from hardentui.i18n import _
from hardentui.visible import visible

FAILS, USAGE, NOT_EVALUATED = 1, 2, 3
INTERRUPTED = 128 + signal.SIGINT
_READER_GONE = 128 + signal.SIGPIPE


class CommandError(InputError):
    """Something that the person at the keyboard can put right; the sentence says what."""


def _prepare() -> None:
    """Let every character be written, whatever the locale: what it lacks is shown as an escape."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def delivered(run: Callable[[], int]) -> int:
    """The exit code of ``run``, or that of its output if it could not be delivered whole."""
    try:
        _prepare()
        code = run()
        if sys.stdout is None:
            complain(_("standard output is closed"))
            return USAGE
        sys.stdout.flush()
    except BrokenPipeError:
        _discard()
        return _READER_GONE
    except OSError as error:
        _discard()
        place = error.filename or _("standard output")
        complain(f"{place}: {error.strerror or error}")
        return USAGE
    return code


def _discard() -> None:
    """Send what still waits in the buffer nowhere, so that the interpreter can end in peace."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def say(line: str) -> None:
    """Print a line for a person."""
    print(visible(line))


def show(lines: Iterable[str]) -> None:
    """Print lines for a person."""
    for line in lines:
        say(line)


def flush() -> None:
    """Let a reader behind a pipe have what was said until now."""
    if sys.stdout is not None:
        sys.stdout.flush()


def complain(text: str) -> None:
    """Print the lines of ``text`` as what is wrong."""
    if sys.stderr is not None:
        for line in text.splitlines():
            print(f"hardentui: {visible(line)}", file=sys.stderr)


def put(text: str) -> None:
    """Print text that a program reads, as UTF-8 in every locale."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    if sys.stdout is not None:
        sys.stdout.write(text)


def save(path: Path, text: str, *, mode: int = 0o600, force: bool = False) -> None:
    """Write a file that the user asked for. What stands there already is written over only by force.

    Raises:
        CommandError: another file stands there.
        PlanError: it cannot be written.
    """
    from hardentui.plan import write  # noqa: PLC0415 - most commands write no file

    if path.is_symlink() and not path.exists():
        raise CommandError(_("{path} is a link that leads nowhere").format(path=path))
    if path.is_file() and not force:
        if path.read_bytes() == text.encode("utf-8", "backslashreplace"):
            return
        raise CommandError(_("{path} exists already; --force writes over it").format(path=path))
    write(path, text, mode)


def width() -> int:
    """The columns that text may take."""
    return shutil.get_terminal_size((100, 24)).columns
