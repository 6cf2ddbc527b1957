"""``python -m hardentui`` and the command of the same name."""

from __future__ import annotations

import contextlib
import sys


def run() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] == ["--version"] and sys.stdout is not None:
        # Scripts ask this often: it needs no parser.
        from hardentui import __version__  # noqa: PLC0415 - as below

        with contextlib.suppress(OSError):  # then what follows says what is wrong
            print(f"hardentui {__version__}", flush=True)
            return
    from hardentui.cli import main  # noqa: PLC0415 - the interpreter's start is measured

    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
