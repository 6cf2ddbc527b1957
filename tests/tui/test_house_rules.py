"""What the design asks of the screen as a whole: a quick first frame, legible themes, a plan kept safe."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from textual.color import Color
from textual.strip import Strip
from textual.widget import Widget

from hardentui.errors import InputError
from hardentui.model import HostIdentity, Plan
from hardentui.plan import PlanError, PlanFile
from hardentui.tui import theme
from hardentui.tui.app import HardenApp
from hardentui.tui.opening import Opening
from hardentui.tui.store import PlanStore
from hardentui.tui.widgets.plain import Page, Plain
from hardentui.tui.widgets.table import FactsTable
from tui.house import app_on, checklists, host, ready, screen_text, until

PLAN = Plan(HostIdentity("id", "web01", "Debian", "6.1"), "digest", "en", {"routing": "no"})
_HEAVY = ("hardentui.model", "hardentui.assess", "hardentui.session", "hardentui.snapshot", "tomlkit")


def test_the_first_frame_waits_for_nothing_that_judges_a_host() -> None:
    code = f"import sys, hardentui.tui.app; print([name for name in {_HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("chosen", "least"), [(theme.DARK, 4.5), (theme.LIGHT, 4.5), (theme.CONTRAST, 7)])
def test_every_colour_can_be_read(chosen, least: float) -> None:
    for name in ("foreground", "error", "warning", "success", "primary"):
        assert contrast(chosen.background, getattr(chosen, name)) >= least, name


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colours."""

    def luminance(colour: str) -> float:
        parts = [part / 255 for part in Color.parse(colour).rgb]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_folder_of_a_first_plan_is_made(tmp_path: Path) -> None:
    path = tmp_path / "hardentui" / "web01.toml"
    store = PlanStore(path, None)
    store.save(PLAN)
    assert PlanFile.read(path).plan == store.saved == PLAN
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PlanError):
        PlanStore(tmp_path / "file" / "plan.toml", None).save(PLAN)


def test_saving_what_is_saved_writes_nothing(tmp_path: Path) -> None:
    store = PlanStore(tmp_path / "plan.toml", None)
    store.save(PLAN)
    before = (tmp_path / "plan.toml").stat().st_ino
    store.save(PLAN)
    assert (tmp_path / "plan.toml").stat().st_ino == before


async def test_a_plan_of_another_host_is_said(tmp_path: Path) -> None:
    PlanStore(tmp_path / "plan.toml", None).save(PLAN)
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        summary = app.screen.query_one("#summary", Page)
        await until(pilot, lambda: "made for another host: web01" in summary.shown.plain)


@pytest.mark.parametrize(
    ("keys", "screen"),
    [
        (("2",), "ChapterScreen"),
        (("n",), "ChapterScreen"),
        (("j", "enter"), "ChapterScreen"),
        (("p",), "PlanScreen"),
        (("2", "p", "A"), "QuestionsScreen"),
        (("2", "escape"), "OverviewScreen"),
        (("2", "question_mark"), "HelpScreen"),
    ],
)
async def test_a_key_pressed_while_it_reads_is_kept(
    tmp_path: Path, keys: tuple[str, ...], screen: str
) -> None:
    go = threading.Event()
    lists = checklists(tmp_path)

    def load() -> Opening:
        go.wait(10)
        return Opening(lists, host(), None, tmp_path / "plan.toml")

    app = HardenApp(load)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(FactsTable).keys)
        await pilot.press("L", *keys)
        assert app.session is None
        assert "lecture des faits" in screen_text(app) or "question_mark" in keys
        go.set()
        await ready(pilot)
        await until(pilot, lambda: type(app.screen).__name__ == screen)
        assert app.session.plan.language == "fr"


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_what_is_shown_again_and_did_not_change_is_not_painted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    """Idle is silent: over SSH a screen that is painted once more is 20 KB."""
    lists = checklists(tmp_path)
    app = HardenApp(lambda: Opening(lists, host(), None, tmp_path / "plan.toml"))
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        await pilot.pause()
        painted: list[str] = []
        for kind in (Page, Plain, FactsTable):
            drawn = kind.render_line

            def noted(widget: Widget, y: int, drawn=drawn) -> Strip:
                painted.append(f"{widget.id}:{y}")
                return drawn(widget, y)

            monkeypatch.setattr(kind, "render_line", noted)
        app.show()
        await pilot.pause()
        assert not painted
        app.trouble = "one line more"
        app.show()
        await until(pilot, lambda: painted)


async def test_leaving_while_it_reads(tmp_path: Path) -> None:
    go = threading.Event()

    def load() -> Opening:
        go.wait(10)
        raise InputError("never mind")

    app = HardenApp(load)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("q")
        await until(pilot, lambda: app.return_code == 0)
        go.set()


async def test_the_first_frame_says_that_it_reads(tmp_path: Path) -> None:
    go = threading.Event()
    lists = checklists(tmp_path)

    def load() -> Opening:
        go.wait(10)
        return Opening(lists, host(), None, tmp_path / "plan.toml")

    app = HardenApp(load)
    async with app.run_test(size=(80, 24)) as pilot:
        summary = app.screen.query_one("#summary", Page)
        await until(pilot, lambda: "reading" in summary.shown.plain)
        await pilot.press("j", "n", "p", "A", "enter")
        assert app.session is None
        go.set()
        await ready(pilot)
        await until(pilot, lambda: "Plan: 0 apply" in summary.shown.plain)
