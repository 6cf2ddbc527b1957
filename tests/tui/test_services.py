"""The matrix of services on the screen: all of them, live, legible at 80x24, and no host draws there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from core.running import HELD, many, process, rated, recorded, snapshot
from textual.pilot import Pilot

from hardentui.export.services import COLUMNS
from hardentui.host.recording import RecordedHost
from hardentui.snapshot import Confinement, Reason, Socket, Unread
from hardentui.tui.screens.services import ServicesScreen
from hardentui.tui.widgets.plain import Page
from tui.house import app_on, ready, screen_text, until, walk

NGINX, SSH, CRON = process(7), process(9, "ssh.service", name="sshd"), process(11, "cron.service", **HELD)
SOCKETS = (Socket("tcp", "0.0.0.0", 80, "nginx", 7, "root", "nginx.service"),)


def host(*processes: Any, **others: Any) -> Any:
    others.setdefault("exposure", rated(nginx="5.1", ssh="9.6", cron="1.2"))
    others.setdefault("sockets", SOCKETS)
    return snapshot(*(processes or (NGINX, SSH, CRON)), **others).host


async def matrix(pilot: Pilot[int]) -> ServicesScreen:
    """The screen of the matrix, filled."""
    await ready(pilot)
    await pilot.press("M")
    await until(pilot, lambda: isinstance(pilot.app.screen, ServicesScreen) and pilot.app.screen.table.keys)
    screen = pilot.app.screen
    assert isinstance(screen, ServicesScreen)
    return screen


def detail(screen: ServicesScreen) -> str:
    return screen.query_one("#detail", Page).shown.plain


async def test_the_most_exposed_stand_first_and_the_detail_follows_the_cursor(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        screen = await matrix(pilot)
        assert screen.table.keys == ("ssh.service", "nginx.service", "cron.service")
        await until(pilot, lambda: "ssh.service" in detail(screen))
        await pilot.press("j")
        await until(pilot, lambda: "nginx.service" in detail(screen))
        assert "/proc/7/status, NoNewPrivs" in detail(screen)


async def test_it_opens_from_a_chapter_and_leads_back_there(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        chapter = await walk(pilot)
        await matrix(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is chapter)


async def test_order_filter_and_word(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        screen = await matrix(pilot)
        await pilot.press("o", "o")
        assert screen.table.keys == ("cron.service", "nginx.service", "ssh.service")
        await pilot.press("f")
        assert screen.table.keys == ("nginx.service",)
        assert "reached from other machines" in screen_text(pilot.app)
        await pilot.press("f", "f", "f", "f", "slash", *"www-data", "enter")
        assert screen.table.keys == ("cron.service",)
        await pilot.press("escape")
        assert len(screen.table.keys) == 3


async def test_the_name_stays_while_the_columns_move(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        screen = await matrix(pilot)
        seen = set()
        for _step in COLUMNS:
            headings = [column.label.plain for column in screen.table.ordered_columns]
            assert headings[0] == "Service"
            seen |= set(headings)
            await pilot.press("l")
        assert {"Exp.", "NNP", "Label", "Memory", "Root"} <= seen
        await pilot.press(*"h" * len(COLUMNS))
        assert screen.table.ordered_columns[1].label.plain == "Exp."


@pytest.mark.parametrize(("size", "least"), [((80, 24), 7), ((120, 36), 9), ((40, 10), 2)])
async def test_columns_fill_the_width_and_none_is_cut(
    tmp_path: Path, size: tuple[int, int], least: int
) -> None:
    async with app_on(tmp_path, host()).run_test(size=size) as pilot:
        screen = await matrix(pilot)
        columns = screen.table.ordered_columns
        assert len(columns) >= least
        assert sum(column.get_render_width(screen.table) for column in columns) <= size[0]
        assert screen.table.size.height >= 3


async def test_what_moves_on_the_host_moves_on_the_screen(tmp_path: Path) -> None:
    """A service restarted without its sandbox is seen at the next tick, without a key."""
    live = host()
    async with app_on(tmp_path, live, tick_seconds=0.05).run_test(size=(80, 24)) as pilot:
        screen = await matrix(pilot)
        await pilot.press("G")
        await until(pilot, lambda: "0 of 5" in detail(screen))
        bare = replace(CRON, no_new_privs=False, seccomp=0, seccomp_filters=0)
        first = live.answers[Confinement][0]
        live.answers[Confinement] = (first, NGINX, SSH, bare)
        await until(pilot, lambda: "2 of 5" in detail(screen))
        live.answers[Confinement] = (first, NGINX, SSH)
        await until(pilot, lambda: screen.table.keys == ("ssh.service", "nginx.service"))


async def test_nothing_of_the_host_is_markup(tmp_path: Path) -> None:
    name = "[bold]x[/etc/passwd][@click=app.leave]y"
    hostile = process(7, f"{name}.service", name=name, label=name, root=f"/{name}", user=name)
    async with app_on(tmp_path, host(hostile)).run_test(size=(200, 40)) as pilot:
        screen = await matrix(pilot)
        await until(pilot, lambda: name in detail(screen))
        assert "[bold]x" in screen_text(pilot.app)


async def test_why_there_is_no_matrix_is_said(tmp_path: Path) -> None:
    silent = host()
    silent.answers[Confinement] = Unread(Reason.NOT_RECORDED)
    async with app_on(tmp_path, silent).run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("M")
        await until(pilot, lambda: "not in this recording" in screen_text(pilot.app))
        await pilot.press("j", "l", "o", "f", "enter", "escape")


async def test_what_could_not_be_read_is_said_above_the_list(tmp_path: Path) -> None:
    silent = host(exposure=Unread(Reason.TIMED_OUT, "systemd-analyze, after 30 s"))
    async with app_on(tmp_path, silent).run_test(size=(80, 24)) as pilot:
        await matrix(pilot)
        assert "no answer in time: exposure: systemd-analyze" in screen_text(pilot.app)


async def test_in_french(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        await matrix(pilot)
        await pilot.press("f", "L")
        await until(pilot, lambda: "filtre :" in screen_text(pilot.app))


async def test_three_hundred_services_are_all_there(tmp_path: Path) -> None:
    path = recorded(tmp_path / "host.json", many(300))
    async with app_on(tmp_path, RecordedHost(path)).run_test(size=(80, 24)) as pilot:
        screen = await matrix(pilot)
        assert len(screen.table.keys) == 300
        await pilot.press("G")
        await until(pilot, lambda: screen.table.current.removesuffix(".service") in detail(screen))
        assert screen.table.cursor_row == 299
