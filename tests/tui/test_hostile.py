"""What a host says is data: nothing of it draws, clicks, moves or ends the program."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hardentui.tui
from hardentui.tui.screens.overview import OverviewScreen
from hardentui.tui.screens.plan import PlanScreen
from hardentui.tui.text import cell, para, prose
from hardentui.tui.widgets.plain import Page
from tui.house import DMESG, KPTR, MemoryHost, app_on, host, ready, screen_text, typed, until, walk

HOSTILE = (
    "[/etc/passwd]",
    "[@click=app.quit]q[/]",
    "[red]x",
    "[kworker/0:1]",
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[H",
    "two\nlines\ttab\rback",
    "abc\u202egpj.exe",
    "\udce9\udc80",
    "\x9b31m",
    "[/",
    "zero\u200bwidth \U0001f600 \u4e2d\u6587",
)


def printable(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)


@pytest.mark.parametrize("value", HOSTILE)
def test_text_is_plain_printable_and_one_line(value: str) -> None:
    for shown in (cell(value).plain, para(value).plain):
        assert shown.isprintable()
        assert "\n" not in shown
    assert not cell(value).spans
    assert not para(value).spans
    assert printable(prose(value).plain)


def hostile_host(value: str) -> MemoryHost:
    on = host()
    on.values["kernel.dmesg_restrict"] = value
    on.hostname = value
    on.processes = ("perf",)
    on.label = value
    return on


@pytest.mark.parametrize("value", HOSTILE)
async def test_every_screen_survives_and_shows_it_plainly(tmp_path: Path, value: str) -> None:
    app = app_on(tmp_path, hostile_host(value))
    async with app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        frames = [screen_text(app)]
        screen = await walk(pilot)
        page = screen.query_one("#detail", Page)
        await until(pilot, lambda: "Dmesg" in page.shown.plain)
        assert para(" ".join(value.split())).plain in page.shown.plain
        frames.append(screen_text(app))
        await pilot.press("w")
        await typed(pilot, "a long enough reason")
        await pilot.press("enter", "j", "a", "enter", "p")
        await until(pilot, lambda: isinstance(app.screen, PlanScreen))
        await pilot.press("v", "v")
        frames.append(screen_text(app))
        await until(pilot, lambda: app.store.saved == app.session.plan)
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, OverviewScreen))
        frames.append(screen_text(app))
        assert all(printable(frame) for frame in frames)
        assert {d.id for d in app.session.plan.decisions} == {DMESG, KPTR}
    assert app.return_code in {0, None}


async def test_a_click_on_host_text_runs_nothing(tmp_path: Path) -> None:
    app = app_on(tmp_path, hostile_host("[@click=app.leave]q[/]"))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await walk(pilot)
        page = screen.query_one("#detail", Page)
        await until(pilot, lambda: "@click" in page.shown.plain)
        for y in range(page.size.height):
            await pilot.click("#detail", offset=(12, y))
        for y in range(screen.table.size.height):
            await pilot.click("#list", offset=(50, y))
        assert app.is_running


# --- no string reaches a widget but through hardentui.tui.text ------------------------------------

PACKAGE = Path(hardentui.tui.__file__).parent
WIDGETS = PACKAGE / "widgets"
# What takes a string as markup, or did in some version of Textual.
SINKS = {"Static", "Label", "Button", "Option", "Checkbox", "Select", "Tree", "Markdown", "Collapsible"}
METHODS = {"update", "add_row", "add_column", "add_columns", "update_cell", "update_cell_at", "notify"}
TITLES = {"border_title", "border_subtitle", "placeholder", "tooltip", "loading", "sub_title"}


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def textual_widgets(tree: ast.Module) -> set[str]:
    found = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == "textual.widgets"]
    return {alias.name for node in found for alias in node.names}


def test_only_the_widgets_package_knows_textuals_widgets() -> None:
    for path, tree in modules():
        if path.parent == WIDGETS:
            continue
        # Named for their messages only: DataTable.RowSelected, Input.Changed.
        assert textual_widgets(tree) <= {"DataTable", "Input"}, path
        made = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        assert not made & (SINKS | {"DataTable", "Input"}), path


def test_no_string_reaches_a_widget() -> None:
    for path, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                # A widget of ours may set its own title to what it was given: a Content.
                given = path.parent == WIDGETS and isinstance(node.value, ast.Name)
                assert given or not {t.attr for t in targets if isinstance(t, ast.Attribute)} & TITLES, path
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in METHODS | SINKS | {"show"}:
                for argument in node.args:
                    assert not is_string(argument), f"{path}:{node.lineno}: {ast.unparse(node)}"


def is_string(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return True
    if isinstance(node, ast.BinOp):
        return is_string(node.left) or is_string(node.right)
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return name in {"_", "str", "format", "ngettext"}
    return False


def test_markup_is_never_parsed() -> None:
    for path, tree in modules():
        named = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        assert not named & {"from_markup", "from_text", "render_markup"}, path
