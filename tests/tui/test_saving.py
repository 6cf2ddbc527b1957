"""A plan that someone else wrote meanwhile: what differs is shown, and nothing of either side is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hardentui.model import Action, Plan
from hardentui.plan import PlanFile
from hardentui.tui.screens.chapter import ChapterScreen
from hardentui.tui.screens.saving import SavingScreen
from hardentui.tui.widgets.plain import Field, Page, Plain
from hardentui.tui.widgets.table import FactsTable
from tui.house import DMESG, DUMPS, KPTR, app_on, on_disk, screen_text, typed, until, walk


def rewrite(folder: Path, plan: Plan) -> None:
    """Another program saves the plan, as an editor would: its comment is in the file from then on."""
    file = on_disk(folder).save(plan)
    file.path.write_text("# from the editor\n" + file.text, encoding="utf-8")


async def decided(pilot, app, id_: str = DMESG) -> ChapterScreen:
    """A first decision, which is on disk."""
    screen = await walk(pilot, id_)
    await pilot.press("d")
    await until(pilot, lambda: app.store.saved and app.store.saved.decisions)
    return screen


async def refused(pilot, app) -> FactsTable:
    """The screen that shows why the plan is not saved, its list filled."""
    await until(pilot, lambda: app.unsaved)
    await pilot.press("S")
    await until(pilot, lambda: isinstance(app.screen, SavingScreen))
    table = app.screen.query_one(FactsTable)
    await until(pilot, lambda: table.keys)
    return table


async def test_both_sides_are_kept_where_they_do_not_clash(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await decided(pilot, app)
        theirs = replace(on_disk(tmp_path).plan.decisions[0], id=DUMPS, reason="by the editor")
        plan = on_disk(tmp_path).plan
        rewrite(tmp_path, replace(plan, decisions=(*plan.decisions, theirs), answers={"routing": "no"}))
        await pilot.press("n", "d")
        table = await refused(pilot, app)
        assert set(table.keys) == {KPTR, DUMPS, "routing"}
        await pilot.press("R")
        await until(pilot, lambda: not app.unsaved and app.store.saved == app.session.plan)
        saved = on_disk(tmp_path)
        assert {d.id for d in saved.plan.decisions} == {DMESG, KPTR, DUMPS}
        assert saved.plan.answers == {"routing": "no"}
        assert "# from the editor" in saved.text
        assert "NOT SAVED" not in screen_text(app)


async def test_where_both_changed_it_the_one_on_disk_stays_unless_a_person_says_otherwise(
    tmp_path: Path,
) -> None:
    for keys, action in ((("R",), Action.APPLY), (("enter", "R"), Action.WAIVE)):
        folder = tmp_path / action
        folder.mkdir()
        app = app_on(folder)
        async with app.run_test(size=(80, 24)) as pilot:
            await decided(pilot, app)
            plan = on_disk(folder).plan
            rewrite(folder, replace(plan, decisions=(replace(plan.decisions[0], action=Action.APPLY),)))
            await pilot.press("w")
            await typed(pilot, "we live with it")
            await pilot.press("enter")
            table = await refused(pilot, app)
            assert table.current == DMESG
            detail = app.screen.query_one("#detail", Page)
            await until(pilot, lambda page=detail: "Both changed it" in page.shown.plain)
            assert "we live with it" in detail.shown.plain
            await pilot.press(*keys)
            await until(pilot, lambda on=app: not on.unsaved and on.session.plan == on.store.saved)
            assert on_disk(folder).plan.decision(DMESG).action is action


async def test_to_another_name_and_the_file_of_the_other_stays(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await decided(pilot, app)
        path = tmp_path / "plan.toml"
        path.write_text("no plan at all\n", encoding="utf-8")
        await pilot.press("n", "d")
        await until(pilot, lambda: app.unsaved)
        await pilot.press("S")
        await until(pilot, lambda: isinstance(app.screen, SavingScreen))
        await until(pilot, lambda: "no plan" in app.screen.query_one("#detail", Page).shown.plain)
        await pilot.press("R")  # there is nothing to take
        assert app.unsaved
        await pilot.press("o")
        field = app.screen.query_one("#name", Field)
        assert field.value == str(tmp_path / "plan-2.toml")
        field.value = str(path)
        await pilot.press("enter")
        says = app.screen.query_one("#says", Plain)
        await until(pilot, lambda: "already" in says.shown.plain)
        field.value = str(tmp_path / "mine.toml")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ChapterScreen))
        await pilot.press("n", "d")
        await until(pilot, lambda: app.store.saved == app.session.plan)
        assert path.read_text(encoding="utf-8") == "no plan at all\n"
        assert len(PlanFile.read(tmp_path / "mine.toml").plan.decisions) == 3


async def test_a_plan_that_was_removed_is_written_again(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await decided(pilot, app)
        (tmp_path / "plan.toml").unlink()
        await pilot.press("n", "d")
        await refused(pilot, app)
        await pilot.press("R")
        await until(pilot, lambda: app.store.saved == app.session.plan)
        assert {d.id for d in on_disk(tmp_path).plan.decisions} == {DMESG, KPTR}


async def test_leaving_with_a_plan_that_is_not_saved_asks_once(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await decided(pilot, app)
        (tmp_path / "plan.toml").write_text("# mine\n", encoding="utf-8")
        await pilot.press("n", "d")
        await until(pilot, lambda: app.unsaved)
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, SavingScreen))
        assert app.is_running
        await pilot.press("q")
        await until(pilot, lambda: app.return_code == 0)
