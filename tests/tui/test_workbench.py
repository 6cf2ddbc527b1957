"""The workbench on the screen: what a choice comes to, what is warned about, and what the plan holds then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from core import hosts
from core.test_sandbox import WEB, host, used
from textual.pilot import Pilot

from hardentui import hazards, operations, resources
from hardentui.checklist import load_files, shipped_folder
from hardentui.host.recording import RecordedHost, record
from hardentui.model import Action
from hardentui.operations import Operation
from hardentui.plan import PlanFile
from hardentui.resources.sandbox.bench import Bench
from hardentui.resources.sandbox.directives import parse
from hardentui.tui import steps
from hardentui.tui.app import HardenApp
from hardentui.tui.opening import Opening
from hardentui.tui.screens.workbench import WorkbenchScreen
from hardentui.tui.widgets.plain import Page
from tui.house import ready, screen_text, until

ID = f"sandbox.service:{WEB}"
OPERATIONS = [
    one for one in vars(operations).values() if isinstance(one, type) and issubclass(one, Operation)
][1:]


def app_on(folder: Path, on: Any) -> HardenApp:
    """The app on that host, with the workbench's own checklist."""
    path = folder / "plan.toml"
    file = PlanFile.read(path) if path.exists() else None
    lists = load_files([shipped_folder() / "sandboxing-workbench.toml"], resources.check, hazards.PROBES)
    opening = Opening(lists, on, file, path)
    return HardenApp(lambda: opening)


async def workbench(pilot: Pilot[int], unit: str = WEB) -> WorkbenchScreen:
    """The screen of the workbench, filled."""
    await ready(pilot)
    screen = WorkbenchScreen(unit)
    pilot.app.push_screen(screen)
    await until(pilot, lambda: screen.is_mounted and screen._bench is not None and pilot.app.screen is screen)
    return screen


def detail(screen: WorkbenchScreen) -> str:
    return screen.query_one("#detail", Page).shown.plain


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_exposure_follows_the_choice(tmp_path: Path, size: tuple[int, int]) -> None:
    async with app_on(tmp_path, host()).run_test(size=size) as pilot:
        await workbench(pilot)
        assert "exposure 9.6 UNSAFE" in screen_text(pilot.app)
        await pilot.press("m")
        chosen = Bench.open(hosts.snapshot(host()), WEB).proposing(only_safe=False)
        after = f"{chosen.after / 10:.1f}"
        await until(pilot, lambda: f"9.6 UNSAFE -> {after}" in screen_text(pilot.app))
        await pilot.press("N")
        await until(pilot, lambda: "->" not in screen_text(pilot.app).splitlines()[0])


async def test_a_value_is_chosen_and_left_out_again(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(120, 36)) as pilot:
        screen = await workbench(pilot)
        await pilot.press("v")
        assert screen._bench.chosen == {"NoNewPrivileges": "yes"}
        assert "(directives: 1)" in screen_text(pilot.app)
        await pilot.press("V")
        assert screen._bench.chosen == {}


async def test_a_value_is_typed_where_any_is_taken(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        screen = await workbench(pilot)
        screen.table.go_to("ReadWritePaths")
        await until(pilot, lambda: "Enter: type a value" in detail(screen))
        await pilot.press("enter", *"srv")
        await until(pilot, lambda: "Value srv" in " ".join(screen_text(pilot.app).split()))
        await pilot.press("enter")
        await until(pilot, lambda: "expected paths such as" in " ".join(screen_text(pilot.app).split()))
        assert screen._bench.chosen == {}
        await pilot.press("ctrl+u", *"/srv/web", "space", *"-/run/web", "enter")
        await until(pilot, lambda: screen._bench.chosen == {"ReadWritePaths": "/srv/web -/run/web"})
        assert screen.table.current == "ReadWritePaths"
        assert screen.table.has_focus
        await pilot.press("enter")
        assert "/srv/web -/run/web" in screen_text(pilot.app)
        await pilot.press("ctrl+u", "enter")
        await until(pilot, lambda: screen._bench.chosen == {})
        await pilot.press("enter", *"/srv", "escape")
        await until(pilot, lambda: screen.table.has_focus)
        assert screen._bench.chosen == {}


async def test_the_row_stays_in_sight_while_its_value_is_typed(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        await workbench(pilot)
        await pilot.press("G", "enter")
        await until(pilot, lambda: "a number (an empty line" in " ".join(screen_text(pilot.app).split()))
        await until(
            pilot, lambda: any("    TasksMax" in line for line in screen_text(pilot.app).splitlines())
        )


async def test_enter_on_a_directive_with_fixed_values_shows_its_details_alone(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        screen = await workbench(pilot)
        screen.table.go_to("PrivateTmp")
        await pilot.press("enter")
        await until(pilot, lambda: screen.has_class("alone"))


async def test_what_would_break_is_asked_for_twice(tmp_path: Path) -> None:
    async with app_on(tmp_path, used(executable_memory=("",))).run_test(size=(80, 24)) as pilot:
        app, screen = pilot.app, await workbench(pilot)
        screen.table.go_to("MemoryDenyWriteExecute")
        await until(pilot, lambda: "writable and executable at once" in detail(screen))
        await pilot.press("v", "a")
        await until(pilot, lambda: "would break. a again" in screen_text(app))
        assert app.session.plan.decision(ID) is None
        await pilot.press("a")
        await until(pilot, lambda: app.session.plan.decision(ID) is not None)
        assert app.session.plan.decision(ID).target == "MemoryDenyWriteExecute=yes"


async def test_the_choice_goes_into_the_plan_and_is_found_there_again(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        await workbench(pilot)
        await pilot.press("s", "a")
        await until(pilot, path.exists)
        await until(pilot, lambda: "in the plan" in screen_text(pilot.app))
    decision = PlanFile.read(path).plan.decision(ID)
    assert decision.action is Action.APPLY
    assert parse(decision.target)["ReadWritePaths"] == "-/run -/var/lib/web -/var/log/web"
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        screen = await workbench(pilot)
        assert screen._bench.chosen == parse(decision.target)
        await pilot.press("u")
        await until(pilot, lambda: pilot.app.session.plan.decision(ID) is None)


async def test_the_plan_shows_the_restart_that_a_choice_asks_for(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        await workbench(pilot)
        await pilot.press("s", "a", "p")
        await until(pilot, lambda: f"restart      {WEB}" in screen_text(pilot.app))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_step_that_a_script_can_take_has_a_word_on_the_screen(operation: type[Operation]) -> None:
    assert steps.kind(operation.__new__(operation))


async def test_what_is_needed_beside_is_chosen_by_a_key(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(120, 36)) as pilot:
        screen = await workbench(pilot)
        screen.table.go_to("ProtectSystem")
        await pilot.press("v")
        await until(pilot, lambda: "/var/log/web" in detail(screen) and "would break" in detail(screen))
        await pilot.press("c")
        await until(pilot, lambda: "safe as seen" in detail(screen))
        await pilot.press("d")
        await until(pilot, lambda: "ReadWritePaths=-/run" in detail(screen))


async def test_the_host_s_words_draw_nothing(tmp_path: Path) -> None:
    """A service may open files of any name."""
    evil = used(written=("/srv/[red]x[/] [@click=app.exit]y[/]\x1b[2J",))
    async with app_on(tmp_path, evil).run_test(size=(80, 24)) as pilot:
        screen = await workbench(pilot)
        screen.table.go_to("ProtectSystem")
        await until(pilot, lambda: "[@click=app.exit]" in detail(screen).replace("\n", ""))
        assert "\x1b" not in screen_text(pilot.app)


async def test_a_service_that_is_not_there_is_said(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        screen = await workbench(pilot, "nothing.service")
        await until(pilot, lambda: "nothing.service" in detail(screen))
        await pilot.press("v", "s", "a", "c", "u", "d")
        assert pilot.app.session.plan.decisions == ()


async def test_it_works_on_a_recording(tmp_path: Path) -> None:
    snapshot = hosts.snapshot(host())
    Bench.open(snapshot, WEB)
    path = tmp_path / "host.json"
    path.write_text(record(snapshot))
    async with app_on(tmp_path, RecordedHost(path)).run_test(size=(80, 24)) as pilot:
        await workbench(pilot)
        assert "exposure 9.6 UNSAFE" in screen_text(pilot.app)
