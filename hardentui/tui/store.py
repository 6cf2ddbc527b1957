"""Where the plan is kept: one file, saved whole, one save after the other."""

from __future__ import annotations

import threading
from pathlib import Path

from hardentui.model import Plan
from hardentui.plan import PlanFile


class PlanStore:
    """The plan file of a sitting. ``save`` may be called from any thread; saves never overlap."""

    def __init__(self, path: Path, file: PlanFile | None) -> None:
        self.path = path
        self._file = file
        self._lock = threading.Lock()

    @property
    def saved(self) -> Plan | None:
        """What stands on disk, as far as we know."""
        return self._file.plan if self._file else None

    def save(self, plan: Plan) -> None:
        """Save ``plan``, unless it is what stands there already.

        Raises:
            PlanError: it cannot be saved; what stood there still stands.
        """
        with self._lock:
            if plan == self.saved:
                return
            file = self._file or PlanFile(self.path, plan, "")
            self._file = file.save(plan)
