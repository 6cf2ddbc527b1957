"""The volume of logs: how full each file system of logs is, how fast it fills, and which logs fill it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime

from textual.content import Content

from hardentui.export import volume as export
from hardentui.export.plot import Cell, Curve
from hardentui.i18n import _
from hardentui.model import Gap
from hardentui.resources.base import explain
from hardentui.resources.volume import words
from hardentui.resources.volume.consequences import when_full
from hardentui.resources.volume.forecast import FOLDERS, Kept, LogSystem, Volumes, volumes
from hardentui.resources.volume.samples import Samples
from hardentui.tui.keys import Place, bindings
from hardentui.tui.screens.base import reading
from hardentui.tui.screens.listing import ListingScreen, not_read
from hardentui.tui.text import cell, labelled, line, para, stack
from hardentui.tui.widgets.plain import Page
from hardentui.tui.widgets.table import Column, Row

_BAR = 8  # cells
_DAY, _UNTIL, _KEEPER = 17, 14, 26  # widths of columns
_MOST = 500  # logs in the list; --json has them all
_LEAST_HEIGHT, _MOST_HEIGHT = 6, 14  # rows of a plot
_SOON = 30  # days until full, from which on a file system stands out
_STYLES: Mapping[Curve, str] = {
    Curve.PAST: "$text-primary",
    Curve.QUIET: "$text-success",
    Curve.LOUD: "$text-warning",
    Curve.LIMIT: "$text-error",
}


class VolumeScreen(ListingScreen):
    """The file systems that logs lie on, and under each its logs."""

    place = Place.VOLUME
    BINDINGS = bindings(Place.VOLUME)
    watches = frozenset({FOLDERS})

    # --- showing ----------------------------------------------------------------------------------

    @property
    def _volumes(self) -> Volumes | Gap | None:
        """What the snapshot shows; None while it is being read. The pass has worked it out already."""
        session = self.harden.session
        return volumes(session.snapshot) if session is not None else None

    def headline(self) -> Content:
        """The logs in numbers, and which file system is full first; what was not read."""
        found = self._volumes
        if found is None:
            return reading()
        if isinstance(found, Gap):
            return stack([self.in_short(_("Logs")), *not_read([found])])
        return stack([self.in_short(_("Logs"), export.summary(found)), *not_read(found.gaps)])

    def show_body(self) -> None:
        """The list, and the detail of the row under the cursor."""
        headings = [_("File system, logs"), _("Used"), _("A day"), _("Lasts")]
        widths = [0, _BAR + 7, _DAY, _UNTIL]
        if self.wide:
            headings.append(_("Kept by"))
            widths.append(_KEEPER)
        columns = [Column(cell(name), width) for name, width in zip(headings, widths, strict=True)]
        rows = [Row(row.key, row.cells[: len(columns)]) for row in self._rows()]
        self.table.fill(columns, rows)
        self.show_detail(from_top=False)

    def _rows(self) -> Iterable[Row]:
        found = self._volumes
        for system in found.systems if isinstance(found, Volumes) else ():
            logs = [kept for kept in system.logs if self.has_word(kept.source.name)]
            if not logs and not self.has_word(system.path):
                continue
            yield self._system_row(system)
            for kept in logs[:_MOST]:
                yield _log_row(system, kept)

    def _system_row(self, system: LogSystem) -> Row:
        soon = system.days is not None and system.days[0] < _SOON
        texts = (
            system.path,
            f"{export.bar(system, _BAR, braille=_has_shades())} {export.used(system)}",
            words.daily(system.pace),
            words.until(system.days),
            _("for logs alone") if system.own else _("for more than logs"),
        )
        return Row(
            system.path,
            tuple(cell(text, "bold reverse" if soon and not at else "bold") for at, text in enumerate(texts)),
        )

    def action_more(self) -> None:
        """The detail alone, or beside the list again."""
        super().action_more()
        self._draw_again()

    def on_resize(self) -> None:
        """Columns and plot follow the width."""
        super().on_resize()
        self._draw_again()

    def _draw_again(self) -> None:
        """Draw the plot for the room that there is, once it is known: as if the cursor had moved."""
        self.on_data_table_row_highlighted()

    # --- the detail -------------------------------------------------------------------------------

    def show_detail(self, *, from_top: bool = True) -> None:
        """All about the file system or the log under the cursor, or why there is none."""
        found = self._volumes
        page = self.query_one("#detail", Page)
        if found is None:
            page.show(reading())
            return
        if isinstance(found, Gap):
            page.show(para(explain(found)))
            return
        path, _tab, name = self.table.current.partition("\t")
        system = found.system(path)
        if system is None:
            page.show(para(_("Nothing here: press / for another word.")))
            return
        kept = next((one for one in system.logs if name and one.source.name == name), None)
        page.show(stack(self._detail(found, system, kept, page)), from_top=from_top)

    def _detail(self, found: Volumes, system: LogSystem, kept: Kept | None, page: Page) -> Iterable[Content]:
        yield para(kept.source.name if kept else system.path, "bold")
        shown = export.picture(system, found.at, kept)
        if shown is not None and page.size.width:
            height = min(max(page.size.height - 2, _LEAST_HEIGHT), _MOST_HEIGHT)
            rows = export.drawn(shown, page.size.width - 1, height, braille=_has_shades())
            yield from (_drawn(row) for row in rows)
        yield from (para(sentence) for sentence in (export.log_facts(kept) if kept else export.facts(system)))
        names = (kept.source.name,) if kept else tuple(one.source.name for one in system.logs)
        yield from _measured(self.harden.samples, names)
        session = self.harden.session
        if session is not None and not kept:
            yield from (labelled(_("When full"), text) for text in when_full(session.snapshot, system))
        if shown is not None:
            yield para(export.legend(), "dim")


def _log_row(system: LogSystem, kept: Kept) -> Row:
    lasts = words.until(kept.holds) if kept.holds else ""
    texts = (
        f"  {kept.source.name}",
        words.amount(kept.source.disk),
        words.daily(kept.source.pace),
        lasts,
        export.keeper(kept.limit),
    )
    return Row(f"{system.path}\t{kept.source.name}", tuple(cell(text) for text in texts))


def _measured(samples: Samples, names: tuple[str, ...]) -> Iterable[Content]:
    measured = samples.measured(*names)
    if measured is None:
        return
    first, last, came = measured
    moments = [datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S") for at in (first, last)]
    sentence = _("Measured here from {first} to {last}: +{size}.")
    yield para(sentence.format(first=moments[0], last=moments[1], size=words.amount(came)))


def _drawn(row: list[Cell]) -> Content:
    """A row of a plot; neighbours of one curve are one piece."""
    pieces: list[tuple[Curve | None, str]] = []
    for one in row:
        if pieces and pieces[-1][0] is one.curve:
            pieces[-1] = (one.curve, pieces[-1][1] + one.character)
        else:
            pieces.append((one.curve, one.character))
    return line(*(para(text, _STYLES[curve] if curve else "dim") for curve, text in pieces))


def _has_shades() -> bool:
    """Whether the terminal has braille dots and shades: Linux's own console has no such font."""
    return os.environ.get("TERM") != "linux"
