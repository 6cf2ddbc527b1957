"""Finding one's way: filter, search, next, chapters, language, themes, live facts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.content import Content
from textual.geometry import Region

from hardentui.snapshot import KernelFile, Question, Reason, Unread
from hardentui.tui import passes
from hardentui.tui.keys import views
from hardentui.tui.screens.chapter import ChapterScreen
from hardentui.tui.screens.help import HelpScreen
from hardentui.tui.screens.overview import OverviewScreen
from hardentui.tui.screens.plan import PlanScreen
from hardentui.tui.screens.services import ServicesScreen
from hardentui.tui.text import cell
from hardentui.tui.widgets.plain import Page, Plain
from hardentui.tui.widgets.script_view import ScriptView
from hardentui.tui.widgets.table import Column, FactsTable, Row
from tui.house import DMESG, DUMPS, KPTR, PAPER, ROUTER, app_on, host, ready, screen_text, typed, until, walk


def written(folder: Path) -> list[Path]:
    return list(folder.glob("*.sh"))


def detail(screen) -> str:
    return screen.query_one("#detail", Page).shown.plain


async def test_the_overview_says_what_was_evaluated_and_what_was_not(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        app.screen.query_one(FactsTable).go_to("sysctl")
        summary = app.screen.query_one("#summary", Page)
        await until(pilot, lambda: "3 evaluated (1 pass, 2 fail)" in summary.shown.plain)
        assert "2 not evaluated (0 unknown, 2 wait for a person" in summary.shown.plain
        assert "comes later" in screen_text(app)
        assert "1 question waits for an answer" in summary.shown.plain


@pytest.mark.parametrize(
    ("uid", "said"), [(0, "that root may not read here either."), (1000, "Leave and run: sudo hardentui")]
)
async def test_who_cannot_read_is_told_what_would_help(tmp_path: Path, uid: int, said: str) -> None:
    on = host()
    on.uid = uid
    on.values["kernel.dmesg_restrict"] = Unread(Reason.DENIED)
    app = app_on(tmp_path, on)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        summary = app.screen.query_one("#summary", Page)
        await until(pilot, lambda: said in summary.shown.plain)
        assert ("sudo" in summary.shown.plain) == (uid != 0)


async def test_a_number_opens_a_chapter_and_one_without_checklist_does_nothing(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("3")
        assert isinstance(app.screen, OverviewScreen)
        await pilot.press("2")
        await until(pilot, lambda: isinstance(app.screen, ChapterScreen))


async def test_filters_go_round(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot)
        every = screen.table.keys
        shown = []
        for _ in range(4):
            await pilot.press("f")
            shown.append({key for key in screen.table.keys if not key.startswith("section:")})
        assert shown[:3] == [{DMESG, KPTR}, {DMESG, KPTR, PAPER}, {ROUTER, PAPER}]
        assert screen.table.keys == every


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ("abdfj", "f"),
        ("abdj", "d"),
        ("abhj", "h"),
        ("abij", "b"),
        ("abcdefghij", "e"),
        ("a", "a"),
        ("xyz", "z"),
        ("", ""),
    ],
)
async def test_when_a_filter_takes_the_row_away_the_cursor_stays_near(kept: str, expected: str) -> None:
    """It stood on e of ten rows; where all are new, the place in the list is all that is left."""

    class Alone(App[None]):
        def compose(self) -> ComposeResult:
            yield FactsTable(id="list")

    def rows(names: str) -> list[Row]:
        return [Row("section:", (cell("#"),), heading=True), *(Row(name, (cell(name),)) for name in names)]

    async with Alone().run_test(size=(40, 24)) as pilot:
        table = pilot.app.query_one(FactsTable)
        table.fill([Column(cell(""))], rows("abcdefghij"))
        assert table.go_to("e")
        table.fill([Column(cell(""))], rows(kept))
        assert table.current.removeprefix("section:") == expected


async def test_a_key_that_does_nothing_here_says_why(tmp_path: Path) -> None:
    async with app_on(tmp_path).run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot)
        screen.table.go_to(KPTR)
        await pilot.press("e")
        assert "Nobody is asked here" in screen_text(pilot.app)
        await pilot.press("j")
        await until(pilot, lambda: "Nobody is asked here" not in screen_text(pilot.app))
        await pilot.press("g", "a")
        assert "This is a heading" in screen_text(pilot.app)
        assert not screen.has_class("deciding")
        screen.table.go_to(PAPER)
        await pilot.press("e")
        await until(pilot, lambda: screen.has_class("deciding"))
        assert "This is a heading" not in screen_text(pilot.app)


async def test_search_narrows_the_list_as_one_types(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot)
        await pilot.press("slash")
        await typed(pilot, "KPTR")
        await until(pilot, lambda: screen.table.keys == ("section:kernel", KPTR))
        assert "Esc All" in screen_text(app)
        await pilot.press("enter", "escape")
        await until(pilot, lambda: DMESG in screen.table.keys)
        assert isinstance(app.screen, ChapterScreen)


async def test_next_goes_to_what_is_open_and_round(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot)
        seen = []
        for _ in range(3):
            await pilot.press("n")
            seen.append(screen.table.current)
        assert seen == [KPTR, PAPER, DMESG]


async def test_vim_keys_and_paging(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot)
        await pilot.press("j")
        assert screen.table.current == KPTR
        await pilot.press("k", "k")
        assert screen.table.current == "section:kernel"
        await pilot.press("G")
        assert screen.table.current == PAPER
        await pilot.press("g")
        assert screen.table.cursor_row == 0
        await pilot.press("end", "home", "pagedown", "pageup", "down")
        assert screen.table.current == DMESG


async def test_the_detail_says_all_of_a_recommendation(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot, KPTR)
        await until(pilot, lambda: "Pointers are hidden" in detail(screen))
        text = detail(screen)
        for part in (
            "0, expected ≥ 1",
            "Would set  2",
            "Because of",
            "Little risk",
            "Set 9.",
            "Set 2.",
            "perf",
        ):
            assert part in text
        assert "/proc/sys/kernel/kptr_restrict" in text
        assert text.index("Hazard on this host") < text.index("Why")


async def test_the_lesson_of_a_section(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot)
        await pilot.press("t")
        await until(pilot, lambda: "Teaching text" in detail(screen))
        await pilot.press("t")
        await until(pilot, lambda: "Dmesg is closed" in detail(screen))


async def test_the_language_changes_at_run_time(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot)
        await pilot.press("L")
        await until(pilot, lambda: "Dmesg est fermé" in detail(screen))
        assert app.session.plan.language == "fr"
        await pilot.press("L")
        await until(pilot, lambda: "Dmesg is closed" in detail(screen))


async def test_a_value_that_moves_is_marked_and_the_cursor_stays(tmp_path: Path) -> None:
    app = app_on(tmp_path, tick_seconds=0.05)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot, DUMPS)
        app.session.snapshot.host.values["kernel.dmesg_restrict"] = "1"
        await until(pilot, lambda: "* 1" in screen_text(app))
        assert screen.table.current == DUMPS
        assert app.session.finding(DMESG).running == "1"
        screen.table.go_to(DMESG)
        await until(pilot, lambda: "before: 0" in detail(screen))


async def test_a_refresh_that_finds_nothing_new_repaints_nothing(tmp_path: Path) -> None:
    app = app_on(tmp_path, tick_seconds=0.02)
    async with app.run_test(size=(80, 24)) as pilot:
        await walk(pilot)
        shown = []
        app.show = lambda: shown.append(1)  # type: ignore[method-assign]
        before = app._ticks
        await until(pilot, lambda: app._ticks > before + 5)
        assert not shown


async def test_a_refresh_does_not_touch_what_was_decided_meanwhile(tmp_path: Path) -> None:
    app = app_on(tmp_path, tick_seconds=0.1)
    async with app.run_test(size=(80, 24)) as pilot:
        await walk(pilot)
        for value in range(20):
            app.session.snapshot.host.values["fs.suid_dumpable"] = str(value)
            await pilot.press("d", "j")
        await until(pilot, lambda: app.session.finding(DUMPS).running == "19")
        assert len(app.session.plan.decisions) == 5


async def test_a_theme_for_each_room(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await walk(pilot)
        names = [app.theme]
        for _ in range(3):
            await pilot.press("T")
            names.append(app.theme)
        assert len(set(names[:3])) == 3
        assert names[0] == names[3]


async def test_the_overview_names_the_screens_beside_the_walk(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        lines = screen_text(pilot.app).splitlines()
        assert all(any(f"{key.shown} {key.label}" in line for line in lines) for key in views())
        assert {"app.guide", "app.services", "app.volume", "app.events", "app.flows"} == {
            key.action for key in views()
        }
        row = next(number for number, line in enumerate(lines) if "M Services" in line)
        await pilot.click(offset=(lines[row].index("M Services") + 2, row))
        await until(pilot, lambda: isinstance(pilot.app.screen, ServicesScreen))


async def test_help_lists_every_key(tmp_path: Path) -> None:
    from hardentui.tui.keys import KEYS

    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        text = app.screen.query_one("#help", Page).shown.plain
        assert all(key.help in text and key.shown in text for key in KEYS)
        await pilot.press("escape")
        assert isinstance(app.screen, OverviewScreen)


async def test_the_plan_review_shows_changes_result_and_script(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await walk(pilot)
        await pilot.press("a", "enter", "p")
        await until(pilot, lambda: isinstance(app.screen, PlanScreen))
        screen = app.screen
        table = screen.query_one("#steps", FactsTable)
        await until(pilot, lambda: any(key.startswith("step=") for key in table.keys))
        assert "/etc/sysctl.d/" in screen_text(app)
        await pilot.press("v")
        await until(pilot, lambda: f"after={DMESG}" in table.keys)
        assert "= pass" in screen_text(app)
        await pilot.press("v")
        await until(pilot, lambda: screen.query_one(ScriptView).display)
        await pilot.press("j", "G", "v")
        assert not written(tmp_path)


async def test_export_writes_the_script_beside_the_plan_and_says_where(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await walk(pilot)
        await pilot.press("a", "enter", "p")
        await until(pilot, lambda: isinstance(app.screen, PlanScreen))
        await pilot.press("x")
        screen = app.screen
        await until(pilot, lambda: "harden-web01.sh" in screen.query_one("#exported", Plain).shown.plain)
        path = tmp_path / "harden-web01.sh"
        assert path.stat().st_mode & 0o777 == 0o700
        assert path.read_text(encoding="utf-8")


async def test_the_mouse_works_too(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot)
        await pilot.click("#keys", offset=(2, 0))
        await until(pilot, lambda: screen.has_class("deciding"))


async def test_what_moves_all_the_time_and_shows_nowhere_costs_no_new_findings(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        values, session = app.session.snapshot.host.values, app.session
        values["kernel.ns_last_pid"] = "1"
        session.snapshot.ask(KernelFile("/proc/sys/kernel/ns_last_pid"))
        restless: set[Question[Any]] = set()
        values["kernel.ns_last_pid"] = "2"
        assert passes.tick(session, 0, restless, slow=False).moved is not None
        values["kernel.ns_last_pid"] = "3"
        assert passes.tick(session, 0, restless, slow=False).moved is None
        assert passes.tick(session, 0, restless, slow=True).moved is not None
        values["kernel.dmesg_restrict"] = "1"
        _snapshot, findings = passes.tick(session, 0, restless, slow=False).moved
        assert {found.running for found in findings if found.recommendation.id == DMESG} == {"1"}


async def test_a_longer_text_says_how_much_follows_and_j_shows_it(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await walk(pilot, KPTR)
        await until(pilot, lambda: re.search(r"J: \d+ more", screen_text(app)))
        assert KPTR not in screen_text(app)  # the last line of the details
        await pilot.press("J", "J", "J")
        await until(pilot, lambda: KPTR in screen_text(app))
        assert "more" not in screen_text(app)
        await pilot.press("K", "K", "K")
        await until(pilot, lambda: "Pointers are hidden" in screen_text(app))


async def test_a_step_in_the_list_paints_only_the_lines_that_differ(tmp_path: Path) -> None:
    app = app_on(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await walk(pilot)
        page = screen.query_one("#detail", Page)
        await until(pilot, lambda: "Dmesg" in page.shown.plain)
        painted: list[Region] = []
        page.refresh = lambda *regions, **_more: painted.extend(regions)
        shown = page.shown
        page.show(shown)
        assert not painted
        page.show(Content("\n").join([*shown.split("\n")[:-1], Content("another end")]))
        assert {region.height for region in painted} == {1}
        assert len(painted) <= 2
