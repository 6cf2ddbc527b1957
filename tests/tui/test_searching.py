"""Searches of file systems: begun and stopped by a key, said while they run, never in the way."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

from hardentui import hazards, resources
from hardentui.checklist import load_files
from hardentui.host.recording import RecordedHost, record
from hardentui.host.search import Progress
from hardentui.model import Result
from hardentui.snapshot import End, Found, Snapshot, Survey
from hardentui.tui.app import HardenApp
from hardentui.tui.opening import Opening
from tui.house import DMESG, MemoryHost, _entry, app_on, checklists, host, ready, screen_text, until, walk

TMP, NODES = "search.tmp", "search.nodes"


def survey(end: End) -> Survey:
    """Two programs in /tmp, and a device that a whole search finds."""
    picked = [("temporary", "/tmp/one"), ("temporary", "/tmp/two")]
    picked += [("device", "/srv/null")] if end is End.COMPLETE else []
    found = tuple(Found(rule, path, 0o755, 0, 0, "root", "root") for rule, path in picked)
    counts = tuple(Counter(rule for rule, _path in picked).items())
    return Survey(end, found, counts, (), 0, ("/",), (), 9, 99, 1.0, "dpkg")


class HeldWalk:
    """A walk that is half way until it is let go, or stopped."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.stopped = False

    def start(self) -> None:
        """Nothing is to be begun."""

    def stop(self) -> None:
        """End it."""
        self.stopped = True
        self.go.set()

    def progress(self) -> Progress:
        """Half of what is expected."""
        return Progress(files=50, expected=100)

    def result(self, timeout: float | None = None) -> Survey | None:
        """What was found, once it was let go."""
        if not self.go.wait(timeout):
            return None
        return survey(End.STOPPED if self.stopped else End.COMPLETE)


class DiskHost(MemoryHost):
    """A host whose files can be searched."""

    def __init__(self) -> None:
        super().__init__(host().values)
        self.held = HeldWalk()

    def walk(self) -> HeldWalk:
        """The one walk."""
        return self.held


def searching_app(folder: Path, on: DiskHost, **options: Any) -> HardenApp:
    """The small chapter, with two searches more."""
    checklists(folder)
    path = folder / "sysctl.toml"
    more = 'accept = { equal = "0" }\n'
    text = path.read_text(encoding="utf-8") + "".join(
        _entry(id_, (title, title), subject, more, resource="search")
        for id_, title, subject in (
            (TMP, "No programs in tmp", "executables-in-tmp"),
            (NODES, "No devices elsewhere", "device-nodes"),
        )
    )
    path.write_text(text, encoding="utf-8")
    lists = load_files([path], resources.check, hazards.PROBES)
    return HardenApp(lambda: Opening(lists, on, None, folder / "plan.toml"), **options)


async def test_a_search_says_how_far_it_is_and_the_rest_goes_on(tmp_path: Path) -> None:
    on = DiskHost()
    app = searching_app(tmp_path, on, tick_seconds=0.05)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await walk(pilot, TMP)
        await until(pilot, lambda: "Press D" in screen_text(app))
        await pilot.press("D")
        await until(pilot, lambda: "1 of 1: all files 50 %" in screen_text(app))
        on.values["kernel.dmesg_restrict"] = "1"  # seen by a tick, while the search lasts
        await until(pilot, lambda: app.session.finding(DMESG).running == "1")
        screen.table.go_to(DMESG)
        await pilot.press("d")
        on.held.go.set()
        await until(pilot, lambda: app.session.finding(NODES).running == "1")
        assert app.session.finding(TMP).running == "2"
        assert app.session.plan.decision(DMESG) is not None
        await until(pilot, lambda: "searching" not in screen_text(app))
        await pilot.press("r")  # what costs a search is not forgotten
        await until(pilot, lambda: not app._passing)
        assert app.session.finding(TMP).running == "2"


async def test_a_search_that_is_stopped_passes_nothing(tmp_path: Path) -> None:
    on = DiskHost()
    app = searching_app(tmp_path, on)
    async with app.run_test(size=(120, 36)) as pilot:
        await walk(pilot, NODES)
        await pilot.press("D")
        await until(pilot, lambda: "1 of 1" in screen_text(app))
        await pilot.press("D")
        await until(pilot, lambda: app.session.finding(TMP).running == "≥ 2")
        assert app.session.finding(TMP).result is Result.FAIL
        assert app.session.finding(NODES).result is Result.UNKNOWN
        assert "searching" not in screen_text(app)


async def test_asked_for_at_the_start_it_does_not_hold_the_screen_up(tmp_path: Path) -> None:
    on = DiskHost()
    app = searching_app(tmp_path, on, deep=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await until(pilot, lambda: "1 of 1" in screen_text(app))
        await pilot.press("q")
    assert on.held.go.wait(10)  # nothing is left that the program would wait for
    assert on.held.stopped


async def test_a_recording_says_that_there_is_nothing_to_search(tmp_path: Path) -> None:
    path = tmp_path / "host.json"
    path.write_text(record(Snapshot(host())))
    async with app_on(tmp_path, RecordedHost(path)).run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("D")
        await until(pilot, lambda: "a recording shows the files that were recorded" in screen_text(pilot.app))
