"""Where the plan is kept: one file, saved whole, one save after the other."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from hardentui.i18n import _
from hardentui.model import Plan
from hardentui.plan import PlanError, PlanFile, render, write


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
            if self._file is None:
                _make_folder(self.path.parent)
            file = self._file or PlanFile(self.path, plan, "")
            self._file = file.save(plan)

    def reread(self) -> PlanFile | None:
        """The file as it stands on disk now, which someone else may have written; None: there is none.

        Raises:
            InputError: it cannot be read as a plan.
        """
        return PlanFile.read(self.path) if self.path.exists() else None

    def elsewhere(self, path: Path, plan: Plan) -> PlanStore:
        """Save ``plan`` in a new file, with the comments that were read; the store of that file.

        Raises:
            PlanError: there is such a file already, or it cannot be written.
        """
        if path.exists():
            raise PlanError(_("{path}: there is such a file already").format(path=path))
        _make_folder(path.parent)
        text = render(plan, self._file.text if self._file else "")
        write(path, text)
        return PlanStore(path, PlanFile(path, plan, text))


def _make_folder(folder: Path) -> None:
    """Make the folder of a first plan, for the user behind sudo; the save says what goes wrong."""
    if folder.exists():
        return
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True)
        user, group = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
        if os.geteuid() == 0 and user.isdigit() and group.isdigit():
            os.chown(folder, int(user), int(group))
