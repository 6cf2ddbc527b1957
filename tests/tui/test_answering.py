"""Answers that are typed: asked for below the questions, refused with what was expected, kept in the plan."""

from __future__ import annotations

from pathlib import Path

import pytest
from core.written import asking

from hardentui import hazards, resources
from hardentui.checklist import load_files
from hardentui.tui.app import HardenApp
from hardentui.tui.detail import finding_text
from hardentui.tui.opening import Opening
from hardentui.tui.screens.questions import QuestionsScreen
from hardentui.tui.widgets.table import FactsTable

from .house import checklists, host, on_disk, ready, screen_text, typed, until

_SITE = (
    asking("""\
[[questions]]
id = "log-server"
title = { en = "Where do the logs go?", fr = "Où vont les journaux ?" }
why = { en = "They leave this host.", fr = "Ils quittent cette machine." }
format = "host"
proposed = "logs.example"
""")
    .replace('id = "kernel"', 'id = "site"')
    .replace("sysctl.kptr", "site.server")
    .replace('"Pointers"', '"The server is named"')
    .replace("kernel.kptr_restrict", "kernel.hostname")
    .replace("at-least = 1", 'equal = "{log-server}"')
    .replace('target = "2"\n', "")
)


def app(folder: Path) -> HardenApp:
    checklists(folder)
    (folder / "site.toml").write_text(_SITE)
    lists = load_files([folder / "sysctl.toml", folder / "site.toml"], resources.check, hazards.PROBES)
    opening = Opening(lists, host(), None, folder / "plan.toml")
    return HardenApp(lambda: opening)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_a_text_is_typed_refused_mended_kept_and_taken_back(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with app(tmp_path).run_test(size=size) as pilot:
        running = await ready(pilot)
        running.action_questions("log-server")
        await until(pilot, lambda: isinstance(running.screen, QuestionsScreen) and running.screen.is_mounted)
        table = running.screen.query_one(FactsTable)
        await until(pilot, lambda: table.current == "log-server=")
        assert "The server is named" in screen_text(running)  # what depends on it
        await pilot.press("enter")
        await until(pilot, lambda: "logs.example" in screen_text(running))  # it is offered, and not an answer
        assert not (tmp_path / "plan.toml").exists()
        await typed(pilot, " ;x")
        await pilot.press("enter")
        await until(pilot, lambda: "does not fit: expected a host name" in screen_text(running))
        await pilot.press("backspace", "backspace", "backspace", "enter")
        await until(pilot, lambda: "Enter: another" in screen_text(running))
        await until(pilot, (tmp_path / "plan.toml").exists)
        assert on_disk(tmp_path).plan.answers == {"log-server": "logs.example"}
        found = running.session.finding("site.server")
        assert found.expected == "logs.example"
        await pilot.press("u")
        await until(pilot, lambda: "Enter: type the answer" in screen_text(running))


async def test_a_detail_shows_the_question_that_it_waits_for(tmp_path: Path) -> None:
    async with app(tmp_path).run_test(size=(80, 24)) as pilot:
        running = await ready(pilot)
        waiting = finding_text(running.tally, running.session.finding("site.server"), None).plain
        assert "«Where do the logs go?»" in waiting
        assert "{" not in waiting


async def test_escape_closes_the_line_and_then_the_screen(tmp_path: Path) -> None:
    async with app(tmp_path).run_test(size=(80, 24)) as pilot:
        running = await ready(pilot)
        running.action_questions("log-server")
        await until(pilot, lambda: isinstance(running.screen, QuestionsScreen) and running.screen.is_mounted)
        screen = running.screen
        await until(pilot, lambda: screen.query_one(FactsTable).current == "log-server=")
        await pilot.press("enter")
        await until(pilot, lambda: "Your answer" in screen_text(running))
        await pilot.press("escape")
        await until(pilot, lambda: "Your answer" not in screen_text(running))
        assert running.screen is screen
        await pilot.press("escape")
        await until(pilot, lambda: running.screen is not screen)
        assert not (tmp_path / "plan.toml").exists()
