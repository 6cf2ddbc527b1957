"""How fast, as ratios against a floor that is measured in the same run: `make bench`.

Times are medians of whole processes or of calls that take turns, so that a machine whose speed drifts
moves both sides. Nothing here passes or fails: it prints.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench_firewall
from core import applications, hosts
from core.running import many, recorded

from hardentui import checklist, hazards, resources
from hardentui.assess import assess
from hardentui.flows.draft import Draft
from hardentui.host.live import LiveHost
from hardentui.host.recording import record
from hardentui.model import Checklists
from hardentui.session import Session
from hardentui.snapshot import Command, File, Folder, KernelFile, Link, Question, Snapshot, Socket, Stat

RUNS = 11
LYNIS_RUNS = 3  # it takes half a minute
SHOWN = 10
PAGE_DOWN = "\x1b[6~"
HARDENTUI = str(Path(sys.executable).with_name("hardentui"))
EMPTY_APP = """
from textual.app import App
from textual.widgets import Static
class Empty(App):
    def compose(self):
        yield Static("READY-MARK")
Empty().run()
"""


def in_turns(first: Callable[[], float], second: Callable[[], float]) -> tuple[float, float, float]:
    """Median seconds of both, and the median of their ratio, pair by pair; one pair is thrown away."""
    pairs = [(first(), second()) for _ in range(RUNS + 1)][1:]
    ratio = statistics.median(one / other for one, other in pairs)
    return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs), ratio


def process(*argv: str) -> Callable[[], float]:
    def run() -> float:
        start = time.perf_counter()
        subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        return time.perf_counter() - start

    return run


def first_frame(argv: list[str], mark: bytes, *, cold: bool) -> Callable[[], float]:
    """Seconds from spawn until ``mark`` was written to a pseudo-terminal of 80x24."""

    def run() -> float:
        folder = tempfile.mkdtemp()
        environment = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        if cold:
            # No byte code at all: what a first start after an update costs.
            environment |= {"PYTHONPYCACHEPREFIX": folder}
        start = time.perf_counter()
        child, terminal = pty.fork()
        if child == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            os.execvpe(argv[0], argv, environment)
        seen = b""
        while mark not in seen and time.perf_counter() - start < 30:
            if select.select([terminal], [], [], 1)[0]:
                seen += os.read(terminal, 1 << 16)
        took = time.perf_counter() - start
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)
        shutil.rmtree(folder)
        if mark not in seen:
            raise SystemExit(f"{argv}: {mark!r} was never on the screen")
        return took

    return run


def step_bytes(argv: list[str], mark: bytes, keys: str) -> int:
    """Bytes that the last of ``keys`` makes the program write to a pseudo-terminal of 120x36."""
    environment = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
        os.execvpe(argv[0], argv, environment)

    def until_quiet(awaited: bytes = b"") -> bytes:
        seen = b""
        while select.select([terminal], [], [], 0.5)[0] or awaited not in seen:
            seen += os.read(terminal, 1 << 16)
        return seen

    seen = until_quiet(mark)
    for key in keys:
        os.write(terminal, key.encode())
        seen = until_quiet()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(terminal)
    return len(seen)


def answer_time(argv: list[str], ready: bytes, keys: str, key: str, awaited: bytes) -> Callable[[], float]:
    """Seconds from ``key``, after ``keys``, until ``awaited`` was written to a pseudo-terminal of 80x24."""
    environment = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}

    def run() -> float:
        child, terminal = pty.fork()
        if child == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            os.execvpe(argv[0], argv, environment)

        def until(mark: bytes) -> None:
            seen = b""
            while mark not in seen:
                if not select.select([terminal], [], [], 30)[0]:
                    raise SystemExit(f"{argv}: {mark!r} was never on the screen")
                seen += os.read(terminal, 1 << 16)

        def drained() -> None:
            while select.select([terminal], [], [], 0.5)[0]:
                os.read(terminal, 1 << 16)

        until(ready)
        drained()
        for each in keys:
            os.write(terminal, each.encode())
            drained()
        start = time.perf_counter()
        os.write(terminal, key.encode())
        until(awaited)
        took = time.perf_counter() - start
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)
        return took

    return run


def bare(question: Question[Any], host: LiveHost) -> None:
    """The plainest way to read the same; what psutil and distro answer has no plainer one here."""
    with contextlib.suppress(OSError):
        match question:
            case File(path) | KernelFile(path):
                with open(path, "rb") as file:  # noqa: PTH123 - the floor is what Python costs at the least
                    file.read()
            case Folder(path):
                os.listdir(path)  # noqa: PTH208 - as above
            case Link(path):
                os.readlink(path)  # noqa: PTH115 - as above
            case Stat(path):
                os.lstat(path)
            case Command(argv):
                subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, check=False)
            case _:
                host.answer(question)


@dataclass(frozen=True)
class Cost:
    """What a program took with its children: seconds by the clock and of processor, most MiB of memory."""

    wall: float
    cpu: float
    memory: float


def cost(argv: Sequence[str]) -> Cost:
    """Run a program to its end, its output thrown away; the memory is that of its largest process."""
    start = time.perf_counter()
    child = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _pid, _status, used = os.wait4(child.pid, 0)
    child.returncode = 0  # waited for already
    return Cost(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def against_lynis() -> None:
    """A scan of all chapters by the command line, against lynis on this machine, in turns."""
    ours = [HARDENTUI, "scan", "--json"]
    lynis = shutil.which("lynis")
    mine, theirs = [], []
    cost(ours)  # thrown away: it may compile
    with tempfile.TemporaryDirectory() as folder:
        logs = ("--logfile", f"{folder}/lynis.log", "--report-file", f"{folder}/lynis.dat")
        for _turn in range(LYNIS_RUNS):
            mine.append(cost(ours))
            if lynis is not None:
                theirs.append(cost([lynis, "audit", "system", "--quick", "--no-colors", *logs]))
    of_us, of_them = middle(mine), middle(theirs) if theirs else None
    heading = "hardentui scan --json : lynis audit system --quick"
    print(f"{heading:58} {'ours':>11}  {'lynis':>11}   medians of {LYNIS_RUNS}")
    for name, unit, scale, target in (
        ("wall", "ms", 1e3, "0.1"),
        ("cpu", "ms", 1e3, "0.1"),
        ("memory", "MiB", 1, "-"),
    ):
        one = getattr(of_us, name) * scale
        against = "lynis is not installed"
        if of_them is not None:
            other = getattr(of_them, name) * scale
            against = f"{other:8.1f} {unit}  ratio {one / other:5.2f}  (target {target})"
        print(f"  {name:56} {one:8.1f} {unit}  {against}")


def middle(costs: Sequence[Cost]) -> Cost:
    """The medians of some costs."""
    return Cost(
        *(statistics.median(getattr(one, name) for one in costs) for name in ("wall", "cpu", "memory"))
    )


class Timed:
    """The live host, and how long it took over each class of questions or each program."""

    name, label = "live", "this host"

    def __init__(self) -> None:
        self._host = LiveHost()
        self.seconds: dict[str, float] = defaultdict(float)
        self.count: dict[str, int] = defaultdict(int)

    def answer(self, question: Question[Any]) -> tuple[Any, float]:
        start = time.perf_counter()
        try:
            return self._host.answer(question)
        finally:
            name = question.argv[0] if isinstance(question, Command) else type(question).__name__
            self.seconds[name] += time.perf_counter() - start
            self.count[name] += 1


def shares(checklists: Checklists) -> None:
    """Where a scan spends its time: kinds of settings, with what each was first to ask; questions."""
    host = Timed()
    snapshot = Snapshot(host)
    kinds: dict[str, float] = defaultdict(float)
    entries: dict[str, int] = defaultdict(int)
    for entry in checklists.recommendations:
        start = time.perf_counter()
        assess([entry], snapshot, {}, checklists.questions)
        kinds[entry.resource] += time.perf_counter() - start
        entries[entry.resource] += 1
    whole = sum(kinds.values())
    print(f"where the {whole * 1000:.0f} ms of a scan of {len(checklists.recommendations)} entries go:")
    print_shares(kinds, entries, whole, "entries")
    print(f"of these, {sum(host.seconds.values()) * 1000:.0f} ms are the host's answers:")
    print_shares(host.seconds, host.count, whole, "asked")


def print_shares(seconds: Mapping[str, float], count: Mapping[str, int], whole: float, what: str) -> None:
    for name in sorted(seconds, key=lambda each: -seconds[each])[:SHOWN]:
        share, took = 100 * seconds[name] / whole, seconds[name] * 1000
        print(f"  {name:30} {share:5.1f} %  {took:8.1f} ms  {count[name]:4} {what}")


def on_services(count: int) -> list[str]:
    """The command that opens the screen on a recorded host with this many services."""
    folder = Path(tempfile.mkdtemp())
    host = recorded(folder / "host.json", many(count))
    return [HARDENTUI, "--recording", str(host), "--lang", "en", "--plan", str(folder / "plan.toml")]


def on_listeners(count: int) -> list[str]:
    """The command that opens the screen on a recorded host with this many listening sockets."""
    folder = Path(tempfile.mkdtemp())
    sockets = tuple(
        Socket("tcp", "0.0.0.0", 10_000 + n, f"app-{n}", 100 + n, "root", f"app-{n}.service")
        for n in range(count)
    )
    seen = hosts.snapshot(applications.host(sockets=sockets))
    Draft.open(applications.PROFILES, {}, seen)
    (folder / "host.json").write_text(record(seen))
    plan = str(folder / "plan.toml")
    return [HARDENTUI, "--recording", str(folder / "host.json"), "--lang", "en", "--plan", plan]


def main() -> None:
    # What is installed has its byte code: without it, every start would compile the whole program.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    checklists = checklist.load([checklist.shipped_folder()], resources.check, hazards.PROBES)
    against_lynis()
    shares(checklists)
    questions = [q for q, _answer, _at in Session.begin(checklists, Snapshot(LiveHost())).snapshot.items()]

    def scan() -> float:
        start = time.perf_counter()
        Session.begin(checklists, Snapshot(LiveHost()))
        return time.perf_counter() - start

    def loop() -> float:
        start = time.perf_counter()
        host = LiveHost()
        for question in questions:
            bare(question, host)
        return time.perf_counter() - start

    def walk() -> float:
        start = time.perf_counter()
        LiveHost().walk().result()
        return time.perf_counter() - start

    def show(name: str, target: str, figures: tuple[float, float, float]) -> None:
        ours, floor, ratio = figures
        print(
            f"{name:58} {ours * 1000:8.1f} ms  {floor * 1000:8.1f} ms  ratio {ratio:5.2f}  (target {target})"
        )

    print(f"{'':58} {'ours':>11}  {'floor':>11}   medians of {RUNS}")
    show("scan of all chapters : a bare loop that reads the same", "2.0", in_turns(scan, loop))
    one_rule = process("find", "/", "-xdev", "-perm", "/6000", "-type", "f")
    show("search of the files, all rules : find / -xdev, one rule", "4", in_turns(walk, one_rule))
    version = in_turns(process(HARDENTUI, "--version"), process(sys.executable, "-c", "pass"))
    show("hardentui --version : bare Python", "4", version)
    plan = str(Path(tempfile.mkdtemp()) / "plan.toml")
    ours = [HARDENTUI, "--demo", "--lang", "en", "--plan", plan]
    empty = [sys.executable, "-c", EMPTY_APP]
    for cold in (False, True):
        figures = in_turns(
            first_frame(ours, b"sysctl", cold=cold), first_frame(empty, b"READY-MARK", cold=cold)
        )
        show(f"first frame, {'cold' if cold else 'warm'} : an empty Textual app", "1.6", figures)
    few, crowd = (on_listeners(count) for count in (10, 2000))
    opened = in_turns(
        answer_time(crowd, b"Saved at", "", "P", b"app-"), answer_time(few, b"Saved at", "", "P", b"app-")
    )
    show("flows of 2000 listeners open : of 10", "-", opened)
    scrolled = in_turns(
        answer_time(crowd, b"Saved at", "P", PAGE_DOWN, b"app-"),
        answer_time(few, b"Saved at", "P", PAGE_DOWN, b"app-"),
    )
    show("a page down in 2000 listeners : in 10", "1.3", scrolled)
    bench_firewall.report()
    wrote = step_bytes(ours, b"Saved at", "2jjjjj")
    few, crowd = (on_services(count) for count in (10, 300))
    opened = in_turns(
        answer_time(crowd, b"Saved at", "", "M", b"app-"), answer_time(few, b"Saved at", "", "M", b"app-")
    )
    show("matrix of 300 services opens : one of 10", "2", opened)
    scrolled = in_turns(
        answer_time(crowd, b"Saved at", "M", " ", b"app-"), answer_time(few, b"Saved at", "M", " ", b"app-")
    )
    show("a page down in 300 services : in 10", "1.3", scrolled)
    print(
        f"{'bytes of a step in a list of 120x36 : its cells':58} {wrote:8d} B   {4320:8d}"
        f"     ratio {wrote / 4320:5.2f}  (target 1.2)"
    )


if __name__ == "__main__":
    main()
