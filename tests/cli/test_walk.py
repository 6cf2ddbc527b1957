"""The walk line by line, as a screen reader or a dumb terminal meets it: a real pipe, a real terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardentui.model import Action
from hardentui.plan import PlanFile

WALK = (sys.executable, "-m", "hardentui", "--demo", "walk", "--plain", "--plan")
ENVIRONMENT = {**os.environ, "LANGUAGE": "en", "LC_ALL": "C.UTF-8", "TERM": "dumb", "COLUMNS": "100"}
SYSCTL, QUIT = "2", "0"
IPV6, ROUTING = "2", "1"  # static addresses; no router
OPEN, ALL = "1", "2"
APPLY, WAIVE, DEFER, ATTEST, UNDO, MORE, SKIP, BACK = "12345678"
BEGIN = (SYSCTL, IPV6, ROUTING, OPEN)


def walk(plan: Path, *lines: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*WALK, plan],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT | (env or {}),
    )


def decisions(plan: Path) -> list[tuple[Action, str]]:
    return [(d.action, d.reason) for d in PlanFile.read(plan).plan.decisions]


def test_answers_and_decisions_are_in_the_plan(tmp_path: Path) -> None:
    plan = tmp_path / "new" / "plan.toml"
    done = walk(plan, *BEGIN, APPLY, "", WAIVE, "the vendor forbids it", "2099-05-21", DEFER, QUIT)
    assert done.returncode == 0, done.stderr
    saved = PlanFile.read(plan).plan
    assert saved.answers == {"ipv6": "static", "routing": "no"}
    assert [d.action for d in saved.decisions] == [Action.APPLY, Action.WAIVE, Action.DEFER]
    assert saved.decisions[0].target
    assert saved.decisions[1].until.isoformat() == "2099-05-21"
    assert f"3 decisions are saved in {plan}" in done.stdout


def test_it_shows_what_one_must_know_to_decide(tmp_path: Path) -> None:
    done = walk(tmp_path / "plan.toml", *BEGIN, MORE, QUIT)
    for word in ("Result", "Running", "Boot", "Expected", "Why", "Risk", "Source"):
        assert f"\n{word}" in done.stdout
    assert done.stdout.index("Evaluated ") < done.stdout.index("Chapters")


def test_no_cursor_moves_and_no_colour(tmp_path: Path) -> None:
    done = walk(tmp_path / "plan.toml", *BEGIN, APPLY, "", SKIP, QUIT)
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout


def test_a_decision_that_was_made_is_said_and_can_be_taken_back(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    assert walk(plan, *BEGIN, DEFER, QUIT).returncode == 0
    done = walk(plan, SYSCTL, ALL, *[SKIP] * 200, QUIT)
    assert "Decided: deferred" in done.stdout
    before = done.stdout.partition("Decided: deferred")[0].count("Number:") - 2
    done = walk(plan, SYSCTL, ALL, *[SKIP] * before, UNDO, QUIT)
    assert decisions(plan) == []
    assert "What do you want to do?" in done.stdout


def test_wrong_lines_are_asked_again(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    done = walk(
        plan, "nonsense", *BEGIN, WAIVE, "short", "long enough now", "tomorrow", "2001-01-01", "", QUIT
    )
    assert "Please type one of these numbers: 1, 2, 3, 4, 5, 6, 0" in done.stdout
    assert "10 characters at least are needed; here are 5." in done.stdout
    assert "The end is a date such as" in done.stdout
    assert "The end lies in the past." in done.stdout
    assert decisions(plan) == [(Action.WAIVE, "long enough now")]


def test_an_empty_reason_goes_back_without_a_decision(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    assert walk(plan, *BEGIN, WAIVE, "", QUIT).returncode == 0
    assert decisions(plan) == []


def test_a_value_that_would_not_pass_is_refused_in_words(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    done = walk(plan, *BEGIN, APPLY, "77777", QUIT)
    assert "would not pass" in done.stdout
    assert decisions(plan) == []


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    walk(plan, *BEGIN, QUIT)
    assert "How does this host use IPv6?" not in walk(plan, SYSCTL, BACK, QUIT).stdout


@pytest.mark.parametrize("lines", [(), BEGIN, (*BEGIN, APPLY), (*BEGIN, WAIVE, "the vendor forbids it")])
def test_the_end_of_the_input_ends_it_cleanly(tmp_path: Path, lines: tuple[str, ...]) -> None:
    done = walk(tmp_path / "plan.toml", *lines)
    assert done.returncode == 0
    assert not done.stderr
    assert ("Nothing was decided" in done.stdout) == (not lines)


def test_it_speaks_french(tmp_path: Path) -> None:
    assert walk(tmp_path / "p", env={"LANGUAGE": "fr"}).stdout.startswith("Évalué")


def test_a_plan_that_cannot_be_saved_is_said_at_once_and_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = walk(tmp_path / "file" / "plan.toml", *BEGIN, DEFER, QUIT)
    assert done.returncode == 2
    assert done.stderr.count("NOT SAVED") >= 2
    assert "saved in" not in done.stdout


def test_a_plan_of_another_host_is_refused(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    walk(plan, *BEGIN, DEFER, QUIT)
    plan.write_text(plan.read_text().replace('machine-id = "', 'machine-id = "0'))
    done = walk(plan, QUIT)
    assert done.returncode == 2
    assert "not of this host" in done.stderr


def test_it_needs_no_textual(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom hardentui.cli import main\n"
        f"main(['--demo', 'walk', '--plain', '--plan', {str(tmp_path / 'p')!r}])\n"
        "assert not {'textual', 'rich'} & {name.split('.')[0] for name in sys.modules}"
    )
    done = subprocess.run([sys.executable, "-c", program], input="0\n", text=True, check=False)
    assert done.returncode == 0


# --- on a terminal ------------------------------------------------------------------------------------


class Terminal:
    """A walk on a pseudo-terminal: what it shows, and keys to press."""

    def __init__(self, plan: Path) -> None:
        self._ours, theirs = pty.openpty()
        # A session of its own, with this terminal: Ctrl-C reaches it as a signal.
        program = (
            "import fcntl, os, sys, termios\n"
            "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
            "os.execv(sys.argv[1], sys.argv[1:])"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *WALK, plan],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env=ENVIRONMENT,
        )
        os.close(theirs)
        self._seen = ""

    def until(self, words: str) -> str:
        """What was shown up to and with these words, since the last call."""
        deadline = time.monotonic() + 60
        while words not in self._seen:
            ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{words!r} was not shown, but: {self._seen}"
            self._seen += os.read(self._ours, 65536).decode()
        before, _words, self._seen = self._seen.partition(words)
        return before

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def begin(self) -> None:
        for line in BEGIN:
            self.until("Number: ")
            self.press(f"{line}\n")
        self.until("Number: ")

    def end(self) -> int:
        code = self.process.wait(60)
        os.close(self._ours)
        return code


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path / "plan.toml")
    yield opened
    with contextlib.suppress(ProcessLookupError):
        opened.process.kill()
    opened.process.wait()


def test_ctrl_c_keeps_what_was_decided(terminal: Terminal, tmp_path: Path) -> None:
    terminal.begin()
    terminal.press(f"{DEFER}\n")
    terminal.until("Number: ")
    terminal.press(f"{WAIVE}\n")
    terminal.until("to go back): ")
    terminal.press("\x03")
    shown = terminal.until("1 decision is saved")
    assert "Traceback" not in shown
    assert terminal.end() == 130
    assert decisions(tmp_path / "plan.toml") == [(Action.DEFER, "")]


def test_ctrl_d_ends_it_cleanly(terminal: Terminal) -> None:
    terminal.begin()
    terminal.press("\x04")
    terminal.until("0 decisions are saved")
    assert terminal.end() == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_no_signal_takes_a_decision_away(terminal: Terminal, tmp_path: Path, number: int) -> None:
    terminal.begin()
    terminal.press(f"{DEFER}\n")
    terminal.until("Number: ")
    terminal.process.send_signal(number)
    terminal.end()
    assert decisions(tmp_path / "plan.toml") == [(Action.DEFER, "")]
