"""The volume of logs on the screen: bars, plots and paces, live, legible at 80x24; no host draws there."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from core import growth, hosts
from core.test_volume import Moving, host
from textual.pilot import Pilot

from hardentui.resources.volume.forecast import FOLDERS
from hardentui.snapshot import LogTree, Reason, Unread
from hardentui.tui.screens.volume import VolumeScreen
from hardentui.tui.widgets.plain import Page
from tui.house import app_on, ready, screen_text, until, walk

SIZES = [(80, 24), (120, 36)]
HOSTILE = "/var/log/[bold]x[/etc/passwd][@click=app.leave]\x1b[31m\u202ey"


async def filling(pilot: Pilot[int]) -> VolumeScreen:
    """The screen, filled."""
    await ready(pilot)
    await pilot.press("F")
    await until(pilot, lambda: isinstance(pilot.app.screen, VolumeScreen) and pilot.app.screen.table.keys)
    screen = pilot.app.screen
    assert isinstance(screen, VolumeScreen)
    await until(pilot, lambda: detail(screen))
    return screen


def detail(screen: VolumeScreen) -> str:
    return screen.query_one("#detail", Page).shown.plain


def row(pilot: Pilot[int], start: str) -> str:
    return next(line for line in screen_text(pilot.app).splitlines() if line.strip().startswith(start))


@pytest.mark.parametrize("size", SIZES)
async def test_each_file_system_stands_above_its_logs(tmp_path: Path, size: tuple[int, int]) -> None:
    async with app_on(tmp_path, host()).run_test(size=size) as pilot:
        screen = await filling(pilot)
        keys = screen.table.keys
        assert keys[0] == "/var/log/audit"  # full first
        assert keys[1] == "/var/log/audit\t/var/log/audit/audit.log"
        assert "/var/log\t/var/log/journal" in keys
        line = row(pilot, "/var/log/audit")
        assert "11 %" in line
        assert "2.0-6.0 MiB" in line
        assert "150-450 d" in line
        assert "24 MiB" in row(pilot, "/var/log/journal")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", ["en", "fr"])
async def test_the_plot_and_its_scales_are_in_sight(
    tmp_path: Path, size: tuple[int, int], language: str
) -> None:
    async with app_on(tmp_path, host()).run_test(size=size) as pilot:
        await filling(pilot)
        if language == "fr":
            await pilot.press("L")
            await until(pilot, lambda: "Échap" in screen_text(pilot.app) or "Aide" in screen_text(pilot.app))
        shown = screen_text(pilot.app)
        assert any("\u2801" <= character <= "\u28ff" for character in shown)
        scale = next(line for line in shown.splitlines() if line.strip().startswith("-8 "))
        assert [word for word in scale.split() if word == "0"]
        assert "+80 " in scale
        assert all(len(line) <= size[0] for line in shown.splitlines())


async def test_the_detail_follows_the_cursor_and_tells_who_keeps_a_log(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(120, 36)) as pilot:
        screen = await filling(pilot)
        assert "/var/log/audit is for logs alone" in detail(screen)
        await pilot.press(*"jjj")
        await until(pilot, lambda: "/var/log/journal" in detail(screen))
        assert "Kept by journald: 410 MiB." in detail(screen)
        assert "At this pace that lasts 17 d." in detail(screen)


async def test_the_detail_alone_and_a_word(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        screen = await filling(pilot)
        await pilot.press("slash", *"web03", "enter")
        assert screen.table.keys == ("/var/log", "/var/log\t/var/log/remote/web03/*.log")
        beside = detail(screen).count("│")
        await pilot.press("enter")
        assert screen.has_class("alone")
        await until(pilot, lambda: detail(screen).count("│") > beside)
        await pilot.press("escape", "escape")
        assert len(screen.table.keys) > 5


async def test_it_opens_from_a_chapter_and_leads_back_there(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        chapter = await walk(pilot)
        await filling(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is chapter)


async def test_what_comes_while_it_is_open_is_measured_and_shown(tmp_path: Path) -> None:
    """A log that grows is seen at the next tick, without a key, and what came is told."""
    small, large = (growth.tree(growth.file("/var/log/syslog", size, 1, 0)) for size in (1 << 20, 4 << 20))
    live = Moving(logs=small)
    async with app_on(tmp_path, live, tick_seconds=0.05).run_test(size=(80, 24)) as pilot:
        screen = await filling(pilot)
        assert "Measured here" not in detail(screen)
        live.given[FOLDERS] = large
        live.now += 60
        await until(pilot, lambda: "+3.0 MiB" in detail(screen))
        await until(pilot, lambda: "4.0 MiB" in row(pilot, "/var/log/syslog"))


async def test_nothing_of_the_host_is_markup(tmp_path: Path) -> None:
    tree = growth.tree(growth.file(HOSTILE, 1 << 20, 3, 0))
    async with app_on(tmp_path, host(tree)).run_test(size=(200, 40)) as pilot:
        screen = await filling(pilot)
        await pilot.press("j")
        await until(pilot, lambda: "[bold]x" in detail(screen))
        shown = screen_text(pilot.app)
        assert "[@click=app.leave]" in shown
        assert "\x1b" not in shown
        assert "\u202e" not in shown


async def test_what_is_not_known_is_said(tmp_path: Path) -> None:
    cut = dataclasses.replace(growth.BUSY, cut="time", unread=("/var/log/private",), unread_count=1)
    async with app_on(tmp_path, host(cut)).run_test(size=(80, 24)) as pilot:
        await filling(pilot)
        shown = screen_text(pilot.app)
        assert "not readable without root: /var/log/private" in shown
        assert "not searched to the end" in shown


async def test_why_there_is_nothing_is_said(tmp_path: Path) -> None:
    async with app_on(tmp_path, host(Unread(Reason.NOT_RECORDED))).run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("F")
        await until(pilot, lambda: "not in this recording" in screen_text(pilot.app))
        await pilot.press("j", "enter", "escape", "slash", "x", "escape")


async def test_a_host_without_logs_has_a_file_system_all_the_same(tmp_path: Path) -> None:
    async with app_on(tmp_path, hosts.server(logs=LogTree(()))).run_test(size=(80, 24)) as pilot:
        screen = await filling(pilot)
        assert "/var/log" in screen.table.keys
        assert "nothing can be said" in " ".join(detail(screen).split())


async def test_linuxs_own_console_gets_ascii(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "linux")
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        screen = await filling(pilot)
        assert detail(screen).isascii()
        assert "#" in detail(screen)


async def test_the_plot_follows_the_size_of_the_terminal(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        screen = await filling(pilot)
        narrow = max(len(line) for line in detail(screen).splitlines() if "│" in line)
        await pilot.resize_terminal(120, 36)
        await until(pilot, lambda: max(len(x) for x in detail(screen).splitlines() if "│" in x) > narrow + 30)
