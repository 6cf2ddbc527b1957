"""A small checklist and a host in memory, of which every fact is known: what the screen is tried on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from hardentui import hazards, resources
from hardentui.checklist import load_files
from hardentui.model import Checklists
from hardentui.plan import PlanFile
from hardentui.snapshot import (
    Accounts,
    Clock,
    Distribution,
    DistributionIs,
    Groups,
    Interface,
    Interfaces,
    Kernel,
    KernelFile,
    KernelIs,
    Mounts,
    Privileges,
    PrivilegesAre,
    Process,
    Processes,
    Question,
    Reason,
    Sockets,
    Unread,
)
from hardentui.tui.app import HardenApp
from hardentui.tui.opening import Opening
from hardentui.tui.screens.chapter import ChapterScreen

SECONDS = 10.0  # how long a condition may take on a slow machine

DMESG, KPTR, ROUTER, DUMPS, PAPER = (
    "sysctl.dmesg",
    "sysctl.kptr",
    "sysctl.router",
    "sysctl.dumps",
    "sysctl.paper",
)

_HEAD = """
format = 1
chapter = "sysctl"
number = 2
version = "2026-11-21"
title = { en = "Kernel parameters", fr = "Paramètres du noyau" }
[documents.course]
title = "Course"
edition = "1"
licence = "free"
[[questions]]
id = "routing"
title = { en = "Does this host route?", fr = "Cette machine route-t-elle ?" }
why = { en = "A router forwards.", fr = "Un routeur relaie." }
choices = [{ id = "no", en = "No, never", fr = "Non, jamais" }, { id = "yes", en = "Yes", fr = "Oui" }]
[[sections]]
id = "kernel"
title = { en = "The kernel's secrets", fr = "Les secrets du noyau" }
text = { en = "Teaching text of the kernel.", fr = "Texte du cours sur le noyau." }
"""
_ENTRY = """
[[sections.recommendations]]
id = "{id}"
title = {{ en = "{title}", fr = "{french}" }}
resource = "{resource}"
subject = "{subject}"
level = "minimal"
level-by = "anssi"
severity = "high"
why = {{ en = "Because of {title}.", fr = "À cause de {french}." }}
risk = {{ en = "Little risk.", fr = "Peu de risque." }}
sources = ["course:12"]
{more}
"""
_ERRATUM = """
hazards = ["profilers"]
[[sections.recommendations.errata]]
id = "E01"
says = { en = "Set 9.", fr = "Mettre 9." }
right = { en = "Set 2.", fr = "Mettre 2." }
why = { en = "9 is no value.", fr = "9 n'existe pas." }
"""
_WHEN = """
[[sections.recommendations.when]]
question = "routing"
is = ["no"]
"""
_ATTEST = """
attest = { en = "Is it signed?", fr = "Est-il signé ?" }
procedure = { en = "Sign it.", fr = "Signez-le." }
"""


def _entry(id_: str, titles: tuple[str, str], subject: str, more: str, resource: str = "sysctl") -> str:
    return _ENTRY.format(
        id=id_, title=titles[0], french=titles[1], resource=resource, subject=subject, more=more
    )


def _value(accept: str, target: str) -> str:
    return f'accept = {{ {accept} }}\ntarget = "{target}"\ndefault = "0"\n'


def _text() -> str:
    return _HEAD + "".join(
        (
            _entry(
                DMESG,
                ("Dmesg is closed", "Dmesg est fermé"),
                "kernel.dmesg_restrict",
                _value('equal = "1"', "1"),
            ),
            _entry(
                KPTR,
                ("Pointers are hidden", "Pointeurs cachés"),
                "kernel.kptr_restrict",
                _value('at-least = "1"', "2") + _ERRATUM,
            ),
            _entry(
                ROUTER,
                ("Nothing is routed", "Rien n'est relayé"),
                "net.ipv4.ip_forward",
                _value('equal = "0"', "0") + _WHEN,
            ),
            _entry(DUMPS, ("No dumps", "Pas de vidage"), "fs.suid_dumpable", _value('equal = "0"', "0")),
            _entry(
                PAPER,
                ("The paper is signed", "Le papier est signé"),
                "paper",
                _ATTEST,
                resource="attestation",
            ),
        )
    )


def checklists(folder: Path) -> Checklists:
    """The chapter "sysctl" in small."""
    path = folder / "sysctl.toml"
    path.write_text(_text(), encoding="utf-8")
    return load_files([path], resources.check, hazards.PROBES)


class MemoryHost:
    """A host that answers from a dictionary: an implementation of snapshot.Host."""

    name = "live"
    label = "this host"

    def __init__(self, values: Mapping[str, Any], processes: tuple[str, ...] = ()) -> None:
        self.values = dict(values)
        self.uid = 0  # who asks
        self.hostname = "web01"
        self.processes = processes
        self.asked = 0

    def answer(self, question: Question[Any]) -> tuple[Any, float]:
        """See snapshot.Host."""
        self.asked += 1
        return self._answer(question), 1_795_245_751.0

    def _answer(self, question: Question[Any]) -> Any:
        if isinstance(question, KernelFile):
            key = question.path.removeprefix("/proc/sys/").replace("/", ".")
            return self.values.get(key, Unread(Reason.MISSING))
        known: dict[type[Question[Any]], Any] = {
            Accounts: (),
            Clock: 1_795_245_751.0,
            DistributionIs: Distribution("debian", "Debian GNU/Linux 12", "12", "bookworm", "debian", ""),
            Groups: (),
            Interfaces: (Interface("lo", ("127.0.0.1",)),),
            KernelIs: Kernel(self.hostname, "6.1.0-30-amd64", "x86_64"),
            Mounts: (),
            PrivilegesAre: Privileges(self.uid, "root" if self.uid == 0 else "alice", ""),
            Processes: tuple(Process(i, name, "root", "", "") for i, name in enumerate(self.processes, 2)),
            Sockets: (),
        }
        return known.get(type(question), Unread(Reason.MISSING))


def host() -> MemoryHost:
    """One pass (dumps), two that fail (dmesg, kptr), one that waits (router); a profiler runs."""
    values = {
        "kernel.dmesg_restrict": "0",
        "kernel.kptr_restrict": "0",
        "net.ipv4.ip_forward": "0",
        "fs.suid_dumpable": "0",
    }
    return MemoryHost(values, processes=("perf",))


def app_on(folder: Path, on: Any = None, **options: Any) -> HardenApp:
    """The app on that host; a plan that stands in the folder is gone on with."""
    path = folder / "plan.toml"
    file = PlanFile.read(path) if path.exists() else None
    opening = Opening(checklists(folder), on or host(), file, path)
    return HardenApp(lambda: opening, **options)


async def until(pilot: Pilot[int], condition: Callable[[], object]) -> None:
    """Wait for a condition, however long the machine takes, but not for ever."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, f"this did not come true: {condition}"
        await pilot.pause(0.01)


async def ready(pilot: Pilot[int]) -> HardenApp:
    """Wait until the facts are read."""
    app = pilot.app
    assert isinstance(app, HardenApp)
    await until(pilot, lambda: app.session is not None)
    await pilot.pause()
    return app


async def walk(pilot: Pilot[int], at: str = DMESG) -> ChapterScreen:
    """The walk through the chapter, the cursor on a recommendation."""
    app = await ready(pilot)
    app.open_chapter("sysctl", at)
    await until(pilot, lambda: isinstance(app.screen, ChapterScreen) and app.screen.is_mounted)
    screen = app.screen
    assert isinstance(screen, ChapterScreen)
    await until(pilot, lambda: screen.table.current == at)
    return screen


async def typed(pilot: Pilot[int], text: str) -> None:
    """Type a text."""
    await pilot.press(*("space" if char == " " else char for char in text))


def on_disk(folder: Path) -> PlanFile:
    """The plan as another program would read it."""
    return PlanFile.read(folder / "plan.toml")


def screen_text(app: HardenApp) -> str:
    """All that can be read on the screen, line by line."""
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in lines[:height]) if width else ""
