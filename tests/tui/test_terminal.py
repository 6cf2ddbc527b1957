"""A real terminal: refused when it cannot show the screen, restored and left when it is lost."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest

from hardentui.tui.app import TICK_SECONDS

SECONDS = 30.0
REPOSITORY = Path(__file__).parents[2]
PROGRAM = """
import fcntl, sys, termios
from pathlib import Path
if sys.stdin.isatty():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.path[:0] = [{repository!r}, {tests!r}]
from hardentui.tui.app import show
from hardentui.tui.opening import Opening
from tui.house import checklists, host
from hardentui.plan import PlanFile
folder = Path({folder!r})
path = folder / "plan.toml"
file = PlanFile.read(path) if path.exists() else None
{extra}
sys.exit(show(lambda: Opening(checklists(folder), host(), file, path), "en"))
"""


class Terminal:
    """The program on a pseudo-terminal, its screen kept by pyte."""

    def __init__(self, folder: Path, extra: str = "", **environment: str) -> None:
        self.screen = pyte.Screen(80, 24)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", program(folder, extra)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **environment},
        )
        os.close(slave)

    def until(self, condition: Callable[[], object]) -> None:
        """Read what the program writes until the condition holds."""
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, f"{self.text}\n{self.raw[-2000:]!r}"
            self._read(0.05)

    def until_read(self) -> None:
        """Wait until the facts stand on the overview."""
        self.until(lambda: "Saved at each decision" in self.text)

    def _read(self, seconds: float) -> None:
        if not select.select([self.master], [], [], seconds)[0]:
            return
        try:
            data = os.read(self.master, 65536)
        except OSError:
            data = b""  # the other side is closed
        self.raw += data
        self.stream.feed(data)

    @property
    def text(self) -> str:
        """What a person reads."""
        return "\n".join(self.screen.display)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.master, text.encode())

    def ended(self) -> int:
        """The exit status, once the program ends by itself."""
        self.until(lambda: self.process.poll() is not None)
        self._read(0.2)
        return self.process.returncode

    @property
    def restored(self) -> bool:
        """Whether the terminal is as it was: main screen, cursor shown, no mouse reports."""

        def last(on: bytes, off: bytes) -> bool:
            return self.raw.rfind(off) > self.raw.rfind(on)

        return (
            last(b"\x1b[?1049h", b"\x1b[?1049l")
            and last(b"\x1b[?25l", b"\x1b[?25h")
            and last(b"\x1b[?1000h", b"\x1b[?1000l")
        )

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.master >= 0:
            os.close(self.master)


def program(folder: Path, extra: str = "") -> str:
    return PROGRAM.format(
        repository=str(REPOSITORY), tests=str(REPOSITORY / "tests"), folder=str(folder), extra=extra
    )


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path)
    yield opened
    opened.close()


def test_quit_ends_with_0_and_a_restored_terminal(terminal: Terminal) -> None:
    terminal.until_read()
    terminal.type("q")
    assert terminal.ended() == 0
    assert terminal.restored


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_restores_the_terminal(terminal: Terminal, number: int, status: int) -> None:
    terminal.until_read()
    terminal.process.send_signal(number)
    assert terminal.ended() == status
    assert terminal.restored


def test_a_lost_terminal_ends_the_program(terminal: Terminal) -> None:
    terminal.until_read()
    os.close(terminal.master)
    terminal.master = -1
    assert terminal.process.wait(SECONDS) == 129


def test_a_lost_terminal_ends_it_where_sighup_is_ignored(tmp_path: Path) -> None:
    lost = Terminal(tmp_path, "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)")
    try:
        lost.until_read()
        os.close(lost.master)
        lost.master = -1
        assert lost.process.wait(SECONDS) == 129
    finally:
        lost.close()


def test_a_decision_survives_a_kill(tmp_path: Path, terminal: Terminal) -> None:
    from hardentui.plan import PlanFile

    terminal.until_read()
    terminal.type("2")
    terminal.until(lambda: "kernel.dmesg_restrict" in terminal.text)
    terminal.type("jd")
    terminal.until(lambda: re.search("dmesg_restrict .*deferred", terminal.text))
    terminal.until((tmp_path / "plan.toml").exists)
    terminal.process.kill()
    terminal.process.wait()
    assert [d.id for d in PlanFile.read(tmp_path / "plan.toml").plan.decisions] == ["sysctl.dmesg"]


def test_a_decision_just_made_survives_a_hangup(tmp_path: Path, terminal: Terminal) -> None:
    from hardentui.plan import PlanFile

    terminal.until_read()
    terminal.type("2")
    terminal.until(lambda: "kernel.dmesg_restrict" in terminal.text)
    terminal.type("jd")
    terminal.until(lambda: re.search("dmesg_restrict .*deferred", terminal.text))
    terminal.process.send_signal(signal.SIGHUP)
    assert terminal.ended() == 129
    assert PlanFile.read(tmp_path / "plan.toml").plan.decisions


def test_a_crash_ends_with_1_and_shows_no_variables(tmp_path: Path) -> None:
    extra = """
from hardentui.tui.screens.overview import OverviewScreen
def broken(self):
    password = "hunter" + "2"
    raise RuntimeError("broken on purpose")
OverviewScreen.action_next_open = broken
"""
    crashing = Terminal(tmp_path, extra)
    try:
        crashing.until_read()
        crashing.type("n")
        assert crashing.ended() == 1
        assert crashing.restored
        assert b"broken on purpose" in crashing.raw
        assert b"hunter2" not in crashing.raw
    finally:
        crashing.close()


def test_idle_is_silent(terminal: Terminal) -> None:
    terminal.until_read()
    terminal.until(lambda: not select.select([terminal.master], [], [], 1.0)[0])
    before = len(terminal.raw)
    # Long enough for a tick of the live refresh and some looks at the terminal.
    assert not select.select([terminal.master], [], [], TICK_SECONDS + 1.5)[0]
    assert len(terminal.raw) == before


def test_no_colour_writes_none(tmp_path: Path) -> None:
    plain = Terminal(tmp_path, NO_COLOR="1", COLORTERM="truecolor")
    try:
        plain.until_read()
        plain.type("2")
        plain.until(lambda: "kernel.dmesg_restrict" in plain.text)
        assert b"\x1b[38;" not in plain.raw
        assert b";38;" not in plain.raw
        assert b"48;2;" not in plain.raw
    finally:
        plain.close()


def test_an_empty_no_color_asks_for_nothing(tmp_path: Path) -> None:
    coloured = Terminal(tmp_path, NO_COLOR="", COLORTERM="truecolor")
    try:
        coloured.until_read()
        assert b"38;2;" in coloured.raw
    finally:
        coloured.close()


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"TERM": "dumb"}, "hardentui scan"),
        ({"PYTHONIOENCODING": "iso-8859-1"}, "LC_ALL=C.UTF-8"),
    ],
)
def test_a_terminal_that_cannot_show_it_is_refused(
    tmp_path: Path, environment: dict[str, str], sentence: str
) -> None:
    refused = Terminal(tmp_path, "", **environment)
    try:
        assert refused.ended() == 1
        assert sentence in refused.raw.decode("latin-1")
        assert b"\x1b[" not in refused.raw
    finally:
        refused.close()


def test_a_plan_that_cannot_be_read_is_said_after_the_screen(tmp_path: Path) -> None:
    opened = Terminal(
        tmp_path,
        "from hardentui.tui.app import show\n"
        "def load(): return PlanFile.read(folder / 'no.toml')\n"
        "sys.exit(show(load, 'en'))",
    )
    try:
        assert opened.ended() == 2
        assert opened.restored
        assert b"no.toml: No such file" in opened.raw.split(b"\x1b[?1049l")[-1]
    finally:
        opened.close()


def test_no_terminal_at_all_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program(tmp_path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert b"hardentui scan" in done.stderr
    assert b"\x1b" not in done.stdout + done.stderr
