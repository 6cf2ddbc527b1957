"""What is recorded, on the screen: both sides, why, and the events as they come; no host draws there."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from hardentui.host.recording import RecordedHost, record
from hardentui.host.tail import Batch
from hardentui.record import Record
from hardentui.resources.events.catalogue import CLASSES
from hardentui.resources.events.told import told
from hardentui.snapshot import Reason, Snapshot, Unread
from hardentui.tui.screens.events import EventsScreen
from hardentui.tui.widgets.plain import Page, Plain
from tui.house import MemoryHost, app_on, ready, screen_text, until, walk

SUDO = Record(
    1_795_245_751.0, "journal", "sudo", "  alice : TTY=pts/0 ; USER=root ; COMMAND=/usr/bin/id", "authpriv"
)
LOGIN = Record(1_795_245_752.0, "journal", "sshd", "Accepted publickey for alice from 192.0.2.1", "auth")
HOSTILE = "[bold]x[/etc/passwd][@click=app.leave]y\x1b[2J"


class Stream:
    """A tail that a test fills."""

    def __init__(self, *, gap: bool = False) -> None:
        self.stores: tuple[str, ...] = () if gap else ("journal",)
        self.gaps = (("journal", Unread(Reason.DENIED)),) if gap else ()
        self.closed = threading.Event()
        self.coming: list[Batch] = []

    def wait(self, seconds: float) -> Batch:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.closed.is_set():
            if self.coming:
                return self.coming.pop(0)
            self.closed.wait(0.01)
        return Batch()

    def close(self) -> None:
        self.closed.set()


class Host(MemoryHost):
    """A host in memory that writes down what a test says."""

    def __init__(self, *, gap: bool = False) -> None:
        super().__init__({})
        self.stream = Stream(gap=gap)

    def tail(self) -> Stream:
        return self.stream

    def writes(self, *records: Record, count: int = 0) -> None:
        self.stream.coming.append(Batch(records, count or len(records)))


async def events(pilot: Pilot[int]) -> EventsScreen:
    """The screen, filled."""
    await ready(pilot)
    await pilot.press("E")
    await until(pilot, lambda: isinstance(pilot.app.screen, EventsScreen) and pilot.app.screen.table.keys)
    screen = pilot.app.screen
    assert isinstance(screen, EventsScreen)
    return screen


def live(screen: EventsScreen) -> str:
    return screen.query_one("#live", Plain).shown.plain


def detail(screen: EventsScreen) -> str:
    return screen.query_one("#detail", Page).shown.plain


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (40, 12)])
async def test_all_classes_stand_there_and_each_part_has_room(tmp_path: Path, size: tuple[int, int]) -> None:
    async with app_on(tmp_path, Host()).run_test(size=size) as pilot:
        screen = await events(pilot)
        assert {one.id for one in CLASSES} <= set(screen.table.keys)
        widths = [column.get_render_width(screen.table) for column in screen.table.ordered_columns]
        assert sum(widths) <= size[0]
        if size[1] >= 24:
            assert screen.table.size.height >= 7
            assert screen.query_one("#detail").size.height >= 3
            assert screen.query_one("#live").size.height >= 4
            assert ("where" in screen_text(pilot.app)) == (size[0] >= 100)


async def test_the_detail_says_why_and_how_to_try(tmp_path: Path) -> None:
    async with app_on(tmp_path, Host()).run_test(size=(120, 36)) as pilot:
        screen = await events(pilot)
        assert "line of the course" in detail(screen)
        await pilot.press("slash", *"account-files", "enter", "j")
        await until(pilot, lambda: "touch /etc/passwd" in detail(screen))
        assert "auditd is not installed" in detail(screen)


async def test_an_event_appears_under_its_class_without_a_key(tmp_path: Path) -> None:
    made = Host()
    async with app_on(tmp_path, made).run_test(size=(80, 24)) as pilot:
        screen = await events(pilot)
        await until(pilot, lambda: "Live: journal" in live(screen))
        made.writes(SUDO)
        await until(pilot, lambda: "sudo: alice" in live(screen))
        made.writes(SUDO, LOGIN)
        await until(pilot, lambda: "Accepted publickey" in live(screen))
        row = screen.table.keys.index("sudo")
        assert screen.table.get_row_at(row)[-1].plain == "2"
        await pilot.press("slash", *"sudo", "enter", "j")
        await until(pilot, lambda: "(sudo)" in detail(screen))
        await pilot.press("o")
        assert "Accepted publickey" not in live(screen)
        assert "only sudo" in live(screen)


async def test_the_tail_alone_and_back(tmp_path: Path) -> None:
    made = Host()
    async with app_on(tmp_path, made).run_test(size=(80, 24)) as pilot:
        screen = await events(pilot)
        made.writes(*[SUDO] * 40)
        await until(pilot, lambda: "alice" in live(screen))
        before = live(screen).count("alice")
        assert "/usr/bin/id" not in live(screen)  # there is room for its beginning
        await pilot.press("t")
        await until(pilot, lambda: live(screen).count("COMMAND=/usr/bin/id") > before)
        await pilot.press("escape")
        await until(pilot, lambda: live(screen).count("alice") == before)
        assert pilot.app.screen is screen


async def test_nothing_of_a_record_is_markup_or_moves_the_cursor(tmp_path: Path) -> None:
    made = Host()
    async with app_on(tmp_path, made).run_test(size=(200, 40)) as pilot:
        screen = await events(pilot)
        made.writes(Record(0, "journal", "sshd", f"Accepted {HOSTILE}"))
        await until(pilot, lambda: "[bold]x[/etc/passwd]" in screen_text(pilot.app))
        assert "\\x1b[2J" in live(screen)


async def test_a_flood_is_told_and_the_screen_lives(tmp_path: Path) -> None:
    made = Host()
    async with app_on(tmp_path, made).run_test(size=(120, 36)) as pilot:
        screen = await events(pilot)
        for _turn in range(20):
            made.writes(*[LOGIN] * 100, count=50_000)
        await until(pilot, lambda: "records a second" in live(screen))
        await pilot.press("j")
        assert screen.table.cursor_row == 1


async def test_without_rights_that_is_said_and_the_table_stays(tmp_path: Path) -> None:
    async with app_on(tmp_path, Host(gap=True)).run_test(size=(120, 36)) as pilot:
        screen = await events(pilot)
        await until(pilot, lambda: "Nothing here can be followed" in live(screen))
        assert "journal cannot be followed: not readable without root" in live(screen)


async def test_a_recording_has_no_live_events(tmp_path: Path) -> None:
    path = tmp_path / "host.json"
    snapshot = Snapshot(MemoryHost({}))
    told(snapshot)
    path.write_text(record(snapshot), encoding="utf-8")
    async with app_on(tmp_path, RecordedHost(path)).run_test(size=(80, 24)) as pilot:
        screen = await events(pilot)
        assert "no live events in a recording" in live(screen)
        await pilot.press("t", "o", "f", "f", "f", "f", "escape", "escape")


async def test_the_tail_ends_with_the_screen(tmp_path: Path) -> None:
    made = Host()
    async with app_on(tmp_path, made).run_test(size=(80, 24)) as pilot:
        chapter = await walk(pilot)
        await pilot.press("E")
        await until(pilot, lambda: isinstance(pilot.app.screen, EventsScreen))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is chapter)
        await until(pilot, made.stream.closed.is_set)


async def test_filters(tmp_path: Path) -> None:
    async with app_on(tmp_path, Host()).run_test(size=(80, 24)) as pilot:
        screen = await events(pilot)
        everything = len(screen.table.keys)
        await pilot.press("f")
        assert "shown: not recorded" in screen_text(pilot.app)
        assert 0 < len(screen.table.keys) < everything
        assert "account-files" in screen.table.keys
        await pilot.press("f", "f", "f")
        assert len(screen.table.keys) == everything


def test_a_host_in_memory_is_of_the_form_that_a_live_one_has() -> None:
    from hardentui.host.live import LiveHost
    from hardentui.host.tail import Followable, Tail

    made: Any = Host()
    assert isinstance(made, Followable)
    assert issubclass(LiveHost, Followable)
    assert {name for name in dir(Stream) if not name.startswith("_")} <= set(dir(Tail))
