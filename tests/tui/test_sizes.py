"""Sizes: nothing is cut at 80 columns, two layouts, and keys that still work on a postage stamp."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardentui.i18n import _
from hardentui.tui import keys
from hardentui.tui.keys import KEYS, Place
from hardentui.tui.screens.overview import OverviewScreen
from hardentui.tui.widgets.plain import KeyBar
from tui.house import app_on, ready, screen_text, until, walk

BARS = [
    Place.OVERVIEW,
    Place.WALK,
    Place.QUESTIONS,
    Place.PLAN,
    Place.PANEL,
    Place.EVERYWHERE,
    Place.SAVING,
    Place.SEARCH,
    Place.SERVICES,
    Place.FLOWS,
]


@pytest.mark.parametrize("place", BARS)
def test_a_key_bar_holds_seven_keys_at_most(place: Place) -> None:
    assert 0 < len(keys.bar(place)) <= 7


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("place", BARS)
async def test_no_key_is_cut_at_80_columns(tmp_path: Path, place: Place, language: str) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        if language == "fr":
            await pilot.press("L")
        bar = app.screen.query_one(KeyBar)
        bar.show_keys(keys.bar(place))
        shown = bar.shown.plain
        assert len(shown) <= bar.content_region.width
        assert all(_(key.shown) in shown for key in keys.bar(place))


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (60, 20)])
async def test_every_screen_at_this_size(tmp_path: Path, size: tuple[int, int]) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        assert "to answer" in screen_text(app) or size[0] < 76
        assert "2 sysctl" in screen_text(app) or size[0] >= 110
        screen = await walk(pilot)
        text = screen_text(app)
        assert "! fail" in text
        assert "dmesg" in text
        assert "Help" in text
        for opening in ("a", "w"):
            await pilot.press(opening)
            await pilot.pause()
            field, table = screen.query_one("#first-field"), screen.table
            assert field.region.height == 1
            assert field.region.bottom <= size[1] - 1
            assert table.region.height >= 2
            await pilot.press("escape")
        for opening in ("p", "A", "question_mark"):
            await pilot.press(opening)
            await pilot.pause()
            assert "Help" in screen_text(app) or "Esc" in screen_text(app)
            await pilot.press("escape")


async def test_two_layouts(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot)
        table, detail = screen.table, screen.query_one("#detail")
        assert detail.region.y >= table.region.bottom
        await pilot.resize_terminal(120, 36)
        await until(pilot, lambda: detail.region.x >= table.region.right)
        await pilot.resize_terminal(60, 20)
        await until(pilot, lambda: detail.region.y >= table.region.bottom)


async def test_a_postage_stamp_ends_nothing(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await walk(pilot)
        for size in ((20, 5), (10, 3), (1, 1), (200, 60)):
            await pilot.resize_terminal(*size)
            await pilot.press("j")
        await pilot.press("escape")
        assert isinstance(app.screen, OverviewScreen)


@pytest.mark.parametrize("size", [(40, 10), (20, 5)])
async def test_every_screen_on_a_small_one(tmp_path: Path, size: tuple[int, int]) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=size) as pilot:
        await walk(pilot)
        (tmp_path / "plan.toml").write_text("# mine\n", encoding="utf-8")
        await pilot.press("J", "K", "d", "enter", "J", "escape", "slash", "escape", "w", "escape")
        await until(pilot, lambda: app.unsaved)
        for opening in ("S", "p", "A", "question_mark"):
            await pilot.press(opening, "J", "K", "j")
            await pilot.press("escape")
        await pilot.press("escape")
        assert isinstance(app.screen, OverviewScreen)


def test_one_key_has_one_meaning_in_one_place() -> None:
    for place in Place:
        pressed = [one for key in KEYS if key.place is place for one in key.keys.split(",")]
        assert len(pressed) == len(set(pressed))


def test_letters_not_control_keys() -> None:
    assert not any("ctrl" in key.keys for key in KEYS)
