"""Searches of file systems: begun and stopped by a key, said while they run, never in the way."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hardentui import hazards, resources
from hardentui.checklist import load_files
from hardentui.host import live
from hardentui.snapshot import Mount, Mounts, Question, Reason, Search, Unread
from hardentui.tui.app import HardenApp
from hardentui.tui.opening import Opening
from tui.house import DMESG, MemoryHost, _entry, checklists, host, ready, screen_text, until, walk

TMP, NODES = "search.tmp", "search.nodes"


class DiskHost(MemoryHost):
    """A host whose second search lasts until it is let go, or stopped."""

    def __init__(self) -> None:
        super().__init__(host().values)
        self.go = threading.Event()
        self.stopped = False

    def stop_search(self) -> None:
        """End the search that is being made."""
        self.stopped = True
        self.go.set()

    def _answer(self, question: Question[Any]) -> Any:
        if isinstance(question, Mounts):
            return (Mount(1, 0, "8:1", "/", "/", "rw", "ext4", "/dev/sda1", ""),)
        if not isinstance(question, Search):
            return super()._answer(question)
        if question.rule == "executable":
            return ("/tmp/one", "/tmp/two")
        self.go.wait(10)
        return Unread(Reason.FAILED, "killed") if self.stopped else ("/srv/null",)


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
        await until(pilot, lambda: "2 of 2: devices /" in screen_text(app))
        on.values["kernel.dmesg_restrict"] = "1"  # seen by a tick, while the search lasts
        await until(pilot, lambda: app.session.finding(DMESG).running == "1")
        screen.table.go_to(DMESG)
        await pilot.press("d")
        on.go.set()
        await until(pilot, lambda: app.session.finding(NODES).running == "1")
        assert app.session.finding(TMP).running == "2"
        assert app.session.plan.decision(DMESG) is not None
        await until(pilot, lambda: "searching" not in screen_text(app))
        await pilot.press("r")  # what costs a search is not forgotten
        await until(pilot, lambda: not app._passing)
        assert app.session.finding(TMP).running == "2"


async def test_a_search_that_is_stopped_is_no_result(tmp_path: Path) -> None:
    on = DiskHost()
    app = searching_app(tmp_path, on)
    async with app.run_test(size=(120, 36)) as pilot:
        await walk(pilot, NODES)
        await pilot.press("D")
        await until(pilot, lambda: "2 of 2" in screen_text(app))
        await pilot.press("D")
        await until(pilot, lambda: "search stopped: 1 of 2 made" in screen_text(app))
        await until(pilot, lambda: app.session.finding(TMP).running == "2")
        assert app.session.finding(NODES).result.value in {"notchecked", "unknown"}
        assert "Press D" in screen_text(app)


async def test_asked_for_at_the_start_it_does_not_hold_the_screen_up(tmp_path: Path) -> None:
    on = DiskHost()
    app = searching_app(tmp_path, on, deep=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await until(pilot, lambda: "2 of 2" in screen_text(app))
        await pilot.press("q")
    assert on.stopped  # nothing is left that the program would wait for


def test_the_live_search_ends_when_it_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # find waits here until someone reads the pipe, which nobody does.
    monkeypatch.setitem(live._RULES, "executable", ("-fprint", str(pipe)))
    on = live.LiveHost()
    answers: list[Any] = []
    search = threading.Thread(
        target=lambda: answers.append(on.answer(Search("executable", (str(tmp_path),)))[0])
    )
    search.start()
    end = time.monotonic() + 10
    while search.is_alive() and time.monotonic() < end:
        on.stop_search()
        search.join(0.01)
    assert isinstance(answers[0], Unread)
    assert answers[0].reason is Reason.FAILED
