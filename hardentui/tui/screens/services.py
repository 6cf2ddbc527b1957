"""The matrix of services: what holds each service that runs, one line each, and all about the one chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from textual.content import Content

from hardentui.export import services as export
from hardentui.i18n import N_, _
from hardentui.model import Gap
from hardentui.resources.base import explain
from hardentui.resources.confinement.matrix import Door, Matrix, Service, matrix
from hardentui.snapshot import Confinement, ControlGroups, Sockets
from hardentui.tui import theme
from hardentui.tui.keys import Place, bindings
from hardentui.tui.screens.base import reading
from hardentui.tui.screens.listing import ListingScreen, not_read
from hardentui.tui.text import cell, labelled, line, para, stack
from hardentui.tui.widgets.plain import Page
from hardentui.tui.widgets.table import Column, Row

_NAME, _NAME_SMALL = export.COLUMNS[0].width, 16  # cells that the name has at least


class Order(StrEnum):
    """What stands first."""

    EXPOSURE = N_("by exposure")
    DOORS = N_("by open doors")
    NAME = N_("by name")


class Filter(StrEnum):
    """What the list shows."""

    ALL = N_("all")
    REACHED = N_("reached from other machines")
    ROOT = N_("as root")
    BARE = N_("held by nothing")
    UNKNOWN = N_("not all known")


_FILTERS: Mapping[Filter, Callable[[Service], object]] = {
    Filter.ALL: lambda _one: True,
    Filter.REACHED: lambda one: one.exposed,
    Filter.ROOT: lambda one: one.doors[Door.ROOT],
    Filter.BARE: lambda one: all(one.doors.values()),
    Filter.UNKNOWN: lambda one: not one.known,
}


class ServicesScreen(ListingScreen):
    """All services that run."""

    place = Place.SERVICES
    BINDINGS = bindings(Place.SERVICES)
    watches = frozenset({Confinement(), ControlGroups(), Sockets()})

    def __init__(self) -> None:
        super().__init__()
        self._order = Order.EXPOSURE
        self._filter = Filter.ALL
        self._from = 0  # the first column that is shown beside the name

    # --- showing ----------------------------------------------------------------------------------

    @property
    def _matrix(self) -> Matrix | Gap | None:
        """What the snapshot shows; None while it is being read. The pass has worked it out already."""
        session = self.harden.session
        return matrix(session.snapshot) if session is not None else None

    def headline(self) -> Content:
        """The services in numbers, what the list shows of them and in which order; what was not read."""
        found = self._matrix
        if found is None:
            return reading()
        picked = [] if self._order is Order.EXPOSURE else [_(self._order.value)]
        if self._filter is not Filter.ALL:
            picked.append(_("shown: {what}").format(what=_(self._filter.value)))
        if isinstance(found, Gap):
            return self.in_short(_("Services"), "", *picked)
        idle = export.waiting(found)
        first = self.in_short(_("Services"), export.summary(found), *picked)
        return stack([first, *([para(idle)] if idle else []), *not_read(found.gaps)])

    def show_body(self) -> None:
        """The list, and the detail of the row under the cursor."""
        columns = self._columns()
        name = Column(cell(_(export.COLUMNS[0].heading)))
        headings = [Column(cell(_(column.heading)), column.width) for column in columns]
        rows = [self._row(one, columns) for one in self._services()]
        self.table.fill([name, *headings], rows)
        self.show_detail(from_top=False)

    def _columns(self) -> list[export.Column]:
        """The columns beside the name for which there is room, from the one that was chosen on."""
        width = self.app.size.width - 2
        room = width - (_NAME if width > 2 * _NAME else _NAME_SMALL)
        columns: list[export.Column] = []
        for column in export.COLUMNS[1 + self._from :]:
            room -= column.width
            if room < 0 and columns:
                break
            columns.append(column)
        return columns

    def _services(self) -> list[Service]:
        found = self._matrix
        services = found.services if isinstance(found, Matrix) else ()
        wanted = [one for one in services if _FILTERS[self._filter](one) and self._is_named(one)]
        if self._order is Order.DOORS:
            wanted.sort(key=lambda one: -one.open_doors)
        elif self._order is Order.NAME:
            wanted.sort(key=lambda one: one.unit)
        return wanted

    def _is_named(self, one: Service) -> bool:
        return self.has_word(one.unit, one.main.name, *one.users, *one.labels, export.ears(one))

    def _row(self, one: Service, columns: list[export.Column]) -> Row:
        style = theme.bad_style(self.app.theme) if all(one.doors.values()) else ""
        name = cell(export.name(one), style)
        return Row(one.unit, (name, *(cell(column.cell(one)) for column in columns)))

    # --- the detail -------------------------------------------------------------------------------

    def show_detail(self, *, from_top: bool = True) -> None:
        """All about the service under the cursor, or why there is none."""
        found = self._matrix
        page = self.query_one("#detail", Page)
        one = found.service(self.table.current) if isinstance(found, Matrix) else None
        if found is None:
            page.show(reading())
        elif isinstance(found, Gap):
            page.show(para(explain(found)))
        elif one is None:
            page.show(para(_("Nothing here: press f for another filter, or / for another word.")))
        else:
            page.show(_detail(one), from_top=from_top)

    # --- finding one's way --------------------------------------------------------------------------

    def action_columns(self, step: int) -> None:
        """Show the next columns beside the name, or those before."""
        at_the_end = self._from + len(self._columns()) >= len(export.COLUMNS) - 1
        if step < 0 or not at_the_end:
            self._from = max(self._from + step, 0)
            self.show_state()

    def action_order(self) -> None:
        """The next of exposure, open doors, name."""
        orders = list(Order)
        self._order = orders[(orders.index(self._order) + 1) % len(orders)]
        self.show_state()

    def action_workbench(self) -> None:
        """Confine the service under the cursor."""
        from hardentui.tui.screens.workbench import WorkbenchScreen  # noqa: PLC0415 - only when it opens

        if self.table.current.endswith(".service"):
            self.app.push_screen(WorkbenchScreen(self.table.current))

    def action_filter(self) -> None:
        """The next of what can be shown."""
        filters = list(Filter)
        self._filter = filters[(filters.index(self._filter) + 1) % len(filters)]
        self.show_state()


def _detail(one: Service) -> Content:
    parts = []
    for detail in export.details(one):
        place = para(f"  {detail.place}", "dim") if detail.place else Content("")
        parts.append(line(labelled(detail.label, detail.text), place))
    return stack(parts)
