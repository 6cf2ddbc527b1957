"""What a sitting begins with. It is loaded in a worker, after the first frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hardentui.guide import Guide
    from hardentui.model import Checklists
    from hardentui.plan import PlanFile
    from hardentui.snapshot import Host


@dataclass(frozen=True)
class Opening:
    """The checklists, the host, the plan to go on with (None for a new one), where it is kept, and guides."""

    checklists: Checklists
    host: Host
    plan_file: PlanFile | None
    plan_path: Path
    guides: tuple[Guide, ...] = ()


# May raise InputError: the screen closes then, and its sentences are printed.
Load = Callable[[], Opening]
