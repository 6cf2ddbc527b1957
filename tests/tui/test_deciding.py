"""Deciding: what is asked, what is refused, and that every decision is on disk at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardentui.model import Action
from hardentui.tui.screens.questions import QuestionsScreen
from hardentui.tui.widgets.panel import DecisionPanel
from hardentui.tui.widgets.plain import Field, Page, Plain
from hardentui.tui.widgets.table import FactsTable
from tui.house import DMESG, DUMPS, KPTR, PAPER, ROUTER, app_on, on_disk, ready, typed, until, walk


def says(screen) -> str:
    return screen.query_one("#says", Plain).shown.plain


async def test_apply_takes_the_target_and_saves_at_once(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await walk(pilot)
        await pilot.press("a")
        assert app.screen.query_one("#first-field", Field).value == "1"
        await pilot.press("enter")
        await until(pilot, lambda: app.store.saved is not None)
        (decision,) = on_disk(tmp_path).plan.decisions
        assert (decision.id, decision.action, decision.target) == (DMESG, Action.APPLY, "1")
        assert (tmp_path / "plan.toml").stat().st_mode & 0o777 == 0o600


async def test_apply_with_another_value(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await walk(pilot, KPTR)
        await pilot.press("a", "backspace", "1", "enter")
        await until(pilot, lambda: app.store.saved is not None)
        assert on_disk(tmp_path).plan.decisions[0].target == "1"


async def test_a_value_that_would_not_pass_is_refused_with_the_sessions_sentence(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot, KPTR)
        await pilot.press("a", "backspace", "0", "enter")
        await pilot.pause()
        finding = app.session.finding(KPTR)
        assert says(screen) == app.session.refusal(finding, "0") != ""
        assert not app.session.plan.decisions


async def test_hazards_stand_in_the_panel_before_the_decision(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await walk(pilot, KPTR)
        await pilot.press("a")
        (hazard,) = app.session.finding(KPTR).hazards
        stakes = app.screen.query_one("#stakes", Page)
        assert hazard.text in stakes.shown.plain
        assert stakes.region.height > 0


async def test_what_waits_for_an_answer_is_not_applied_and_offers_the_question(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot, ROUTER)
        await pilot.press("a", "enter")
        await pilot.pause()
        assert "Does this host route?" in says(screen)
        await pilot.press("escape", "A")
        await until(pilot, lambda: isinstance(app.screen, QuestionsScreen))
        table = app.screen.query_one(FactsTable)
        await until(pilot, lambda: table.current == "routing=no")
        await pilot.press("enter")
        await until(pilot, lambda: app.session.finding(ROUTER).result.value == "pass")
        await until(pilot, (tmp_path / "plan.toml").exists)
        assert on_disk(tmp_path).plan.answers == {"routing": "no"}


@pytest.mark.parametrize(
    ("reason", "end", "sentence"),
    [
        ("short", "", "10 characters"),
        ("two uplinks, asymmetric", "2020-01-01", "in the past"),
        ("two uplinks, asymmetric", "2027-13-01", "The end is a date such as"),
        ("two uplinks, asymmetric", "soon", "The end is a date such as"),
    ],
)
async def test_a_waiver_is_refused_without_reason_or_end(
    tmp_path: Path, reason: str, end: str, sentence: str
) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot)
        await pilot.press("w")
        await typed(pilot, reason)
        if end:
            screen.query_one("#second-field", Field).value = end
        await pilot.press("enter")
        await pilot.pause()
        assert sentence in says(screen)
        assert not app.session.plan.decisions


async def test_a_waiver_lasts_six_months_unless_one_says_otherwise(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await walk(pilot)
        await pilot.press("w")
        await typed(pilot, "two uplinks, asymmetric")
        await pilot.press("enter")
        await until(pilot, lambda: app.store.saved is not None)
        (decision,) = on_disk(tmp_path).plan.decisions
        assert decision.reason == "two uplinks, asymmetric"
        assert 180 <= (decision.until - app.tally.today).days <= 184


async def test_attest_where_a_person_is_asked(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await walk(pilot, PAPER)
        await pilot.press("e")
        await typed(pilot, "signed, in the safe")
        await pilot.press("enter")
        await until(pilot, lambda: app.store.saved is not None)
        assert on_disk(tmp_path).plan.decisions[0].action is Action.ATTEST


async def test_attest_is_not_offered_where_the_machine_can_see(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot)
        await pilot.press("e")
        assert not screen.has_class("deciding")


async def test_defer_and_undo(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await walk(pilot)
        await pilot.press("d")
        await until(pilot, lambda: app.store.saved and app.store.saved.decisions)
        await pilot.press("u")
        await until(pilot, lambda: not app.store.saved.decisions)
        assert not on_disk(tmp_path).plan.decisions


async def test_escape_leaves_the_panel_without_a_decision(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot)
        await pilot.press("w", "escape")
        assert not screen.has_class("deciding")
        assert screen.query_one(DecisionPanel).display is False
        assert not app.session.plan.decisions


async def test_quit_and_reopen_goes_on(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await walk(pilot)
        await pilot.press("d", "q")
    app.save_now()  # what run() does after the screen is gone
    again = app_on(tmp_path)
    async with again.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        assert again.session.plan.decision(DMESG).action is Action.DEFER


async def test_nothing_is_written_before_something_is_decided(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await walk(pilot)
        await pilot.press("L", "f", "n", "t", "q")
    app.save_now()
    assert not (tmp_path / "plan.toml").exists()


async def test_a_plan_that_someone_else_changed_is_kept_and_it_is_said(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot)
        (tmp_path / "plan.toml").write_text("# mine\n", encoding="utf-8")
        await pilot.press("d")
        await until(pilot, lambda: "NOT SAVED" in screen.query_one("#headline", Plain).shown.plain)
        assert (tmp_path / "plan.toml").read_text(encoding="utf-8") == "# mine\n"
        (tmp_path / "plan.toml").unlink()
        await pilot.press("n", "d")
        await until(pilot, lambda: "NOT SAVED" not in screen.query_one("#headline", Plain).shown.plain)
        assert {d.id for d in on_disk(tmp_path).plan.decisions} == {DMESG, KPTR}


async def test_many_decisions_in_a_row_end_on_disk_in_the_last_state(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await walk(pilot)
        for _ in range(5):
            await pilot.press("d", "j", "d", "k", "u")
        await until(pilot, lambda: app.store.saved == app.session.plan)
        assert [d.id for d in on_disk(tmp_path).plan.decisions] == [KPTR]


async def test_a_waiver_says_when_its_value_moved(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot)
        await pilot.press("w")
        await typed(pilot, "two uplinks, asymmetric")
        await pilot.press("enter")
        await until(pilot, lambda: app.store.saved is not None)
        app.session.snapshot.host.values["kernel.dmesg_restrict"] = "7"
        await pilot.press("r")
        await until(pilot, lambda: app.session.finding(DMESG).running == "7")
        await until(pilot, lambda: "value moved" in screen.query_one("#detail", Page).shown.plain)
        assert app.tally.is_open(app.session.finding(DMESG))


async def test_no_key_acts_on_another_while_the_panel_asks(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot, PAPER)
        await pilot.press("a")  # nothing to type here: the keys go to the screen
        assert "Sign it." in screen.query_one("#stakes", Page).shown.plain
        await pilot.press("d", "u", "n", "f", "enter")
        await pilot.pause()
        assert screen.has_class("deciding")
        assert says(screen) == app.session.refusal(app.session.finding(PAPER)) != ""
        assert not app.session.plan.decisions


async def test_what_passes_can_be_pinned(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await walk(pilot, DUMPS)
        await pilot.press("a", "enter")
        await until(pilot, lambda: app.store.saved is not None)
        assert on_disk(tmp_path).plan.decisions[0].id == DUMPS
