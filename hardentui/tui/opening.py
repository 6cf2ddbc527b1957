"""What a sitting begins with. It is loaded in a worker, after the first frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hardentui.flows.profile import Profile
    from hardentui.guide import Guide
    from hardentui.model import Checklists
    from hardentui.plan import PlanFile
    from hardentui.snapshot import Host


@dataclass(frozen=True)
class Opening:
    """The checklists, the host, the plan to go on with (None: a new one), its place, guides, profiles."""

    checklists: Checklists
    host: Host
    plan_file: PlanFile | None
    plan_path: Path
    guides: tuple[Guide, ...] = ()
    profiles: tuple[Profile, ...] = ()


# May raise InputError: the screen closes then, and its sentences are printed.
Load = Callable[[], Opening]
