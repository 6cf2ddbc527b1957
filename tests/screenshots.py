"""Draws screenshots/ again from the recorded host: `make screenshots`. Never edited by hand."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from textual.pilot import Pilot

from hardentui import cli, i18n
from hardentui.cli import inputs
from hardentui.cli.parser import common_options
from hardentui.plan import PlanFile
from hardentui.tui.app import HardenApp
from hardentui.tui.opening import Opening

TARGET = Path(__file__).parent.parent / "screenshots"
PATIENCE = 400  # turns of the event loop that a screen may take to show what it should


@dataclass(frozen=True)
class Shot:
    """A picture: its name, language and size, the keys that lead there, and a text that shows arrival."""

    name: str
    language: str
    size: tuple[int, int]
    keys: tuple[str, ...]
    shows: str
    answers: tuple[str, ...] = ()  # of the plan that it begins with


SMALL, LARGE = (80, 24), (120, 36)
WALK = ("2", "n", "n", "n")
NGINX = ("M", "slash", *"nginx", "enter")
CANOPSIS = (
    *("applications=canopsis", "canopsis-version=packages", "canopsis-roles=canopsis"),
    *("administrators=10.0.2.0/24", "canopsis-users=10.1.0.0/16", "course-resolvers=10.0.2.3"),
)
SHOTS = (
    Shot("overview-80x24", "en", SMALL, (), "sysctl"),
    Shot("overview-120x36", "en", LARGE, (), "sysctl"),
    Shot("chapter-80x24", "en", SMALL, WALK, "net.ipv4"),
    Shot("chapter-120x36", "en", LARGE, WALK, "net.ipv4"),
    Shot("chapitre-120x36", "fr", LARGE, WALK, "net.ipv4"),
    Shot("decision-80x24", "en", SMALL, (*WALK, "a"), "net.ipv4"),
    Shot("services-80x24", "en", SMALL, ("M",), "nginx"),
    Shot("services-120x36", "en", LARGE, ("M",), "nginx"),
    Shot("workbench-80x24", "en", SMALL, (*NGINX, "w", "m"), "(directives"),
    Shot("workbench-120x36", "en", LARGE, (*NGINX, "w", "m"), "(directives"),
    Shot("etabli-120x36", "fr", LARGE, (*NGINX, "w", "m"), "(directives"),
    Shot("events-80x24", "en", SMALL, ("E", "down"), "sudo"),
    Shot("evenements-120x36", "fr", LARGE, ("E", "down"), "sudo"),
    Shot("volume-80x24", "en", SMALL, ("F",), "/var/log"),
    Shot("volume-120x36", "en", LARGE, ("F",), "/var/log"),
    Shot("flows-80x24", "en", SMALL, ("P",), "8443", CANOPSIS),
    Shot("flows-120x36", "en", LARGE, ("P",), "8443", CANOPSIS),
    Shot("flux-120x36", "fr", LARGE, ("P",), "8443", CANOPSIS),
    Shot("plan-120x36", "en", LARGE, (*WALK, "a", "enter", "n", "a", "enter", "p"), "99-zz-hardentui.conf"),
)


def text_of(app: HardenApp) -> str:
    """What stands on the screen, as text."""
    svg = app.export_screenshot()
    return re.sub(r"<[^>]+>", "", svg).replace("&#160;", " ")


async def until(pilot: Pilot[int], condition: Callable[[], bool]) -> None:
    """Let the app work until ``condition`` holds."""
    for _turn in range(PATIENCE):
        await pilot.pause(0.05)
        if condition():
            return
    raise SystemExit("a screen never showed what it should")


async def draw(shot: Shot, folder: Path) -> None:
    """One picture."""
    i18n.use(shot.language)
    plan = folder / "web01.toml"
    plan.unlink(missing_ok=True)

    if shot.answers:
        words = [word for answer in shot.answers for word in ("--answer", answer)]
        cli.main(["plan", "new", "--demo", "-o", str(plan), *words])
    file = PlanFile.read(plan) if shot.answers else None
    options = common_options(["--demo"])

    def load() -> Opening:
        checklists, host = inputs.checklists(options), inputs.host(options)
        return Opening(checklists, host, file, plan, inputs.guides(options), inputs.profiles(options))

    app = HardenApp(load)
    async with app.run_test(size=shot.size) as pilot:
        await until(pilot, lambda: app.session is not None and "web01" in text_of(app))
        for key in shot.keys:
            await pilot.press(key)
            await pilot.pause(0.3)
        await until(pilot, lambda: shot.shows in text_of(app))
        (TARGET / f"{shot.name}.svg").write_text(app.export_screenshot(title="hardentui"), encoding="utf-8")


def main() -> None:
    """Draw them all."""
    # A name that stays: it stands in the pictures, which should only change when a screen does.
    folder = Path(tempfile.gettempdir()) / "hardentui"
    folder.mkdir(mode=0o700)
    try:
        for shot in SHOTS:
            asyncio.run(draw(shot, folder))
            print(f"screenshots/{shot.name}.svg")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
