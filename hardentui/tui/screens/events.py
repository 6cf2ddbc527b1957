"""What is recorded of each class of events, now and after a reboot; below, the events as they come."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content

from hardentui.export import events as export
from hardentui.host.tail import Followable
from hardentui.i18n import N_, _
from hardentui.record import Record
from hardentui.resources.base import why_not
from hardentui.resources.events.catalogue import EventClass
from hardentui.resources.events.told import Side, State, Told, by_line, told
from hardentui.tui.following import MOST, Following
from hardentui.tui.keys import Place, bindings
from hardentui.tui.messages import Came
from hardentui.tui.screens.base import reading
from hardentui.tui.screens.listing import ListingScreen
from hardentui.tui.text import cell, labelled, line, para, stack
from hardentui.tui.widgets.plain import Field, Page, Plain
from hardentui.tui.widgets.table import Column, FactsTable, Row

_STATE, _SEEN = export.STATE, 6  # cells of a column
_ROOM_FOR_STORES = 100  # columns of the terminal from which on the stores have one of their own
_ROOM_FOR_WORDS, _MARK = 60, 5  # and those from which on a state is more than its mark
_STYLES: Mapping[State, str] = {
    State.KEPT: "",
    State.PASSING: "bold",
    State.LOST: "bold",
    State.UNKNOWN: "",
    State.ABSENT: "dim",
}


class Filter(StrEnum):
    """What the list shows."""

    ALL = N_("all")
    LOST = N_("not recorded")
    DRIFT = N_("not the same after a reboot")
    UNKNOWN = N_("not all known")


_FILTERS: Mapping[Filter, Callable[[Told], bool]] = {
    Filter.ALL: lambda _one: True,
    Filter.LOST: lambda one: State.LOST in {one.boot.state, one.now.state if one.now else None},
    Filter.DRIFT: lambda one: one.now is not None and one.now.state is not one.boot.state,
    Filter.UNKNOWN: lambda one: State.UNKNOWN in {one.boot.state, one.now.state if one.now else None},
}


class EventsScreen(ListingScreen):
    """The classes of events, and a tail."""

    place = Place.EVENTS
    BINDINGS = bindings(Place.EVENTS)

    def __init__(self) -> None:
        super().__init__()
        self._filter = Filter.ALL
        self._only = ""  # the class whose events alone are shown; "" for all
        self._records: deque[tuple[EventClass, Record]] = deque(maxlen=MOST)
        self._seen: Counter[str] = Counter()
        self._rate = 0
        self._following: Following | None = None

    def compose_body(self) -> ComposeResult:
        """List and detail, the events as they come, and the line for a word."""
        with Container(id="body"):
            yield FactsTable(id="list")
            yield Page(id="detail")
            yield Plain(id="live")
        yield Field(id="search")

    def on_mount(self) -> None:
        """Follow from now on, where there is a host that writes something down."""
        session = self.harden.session
        if session is not None and isinstance(session.snapshot.host, Followable):
            self._following = Following(session.snapshot.host, session.snapshot, self.post_message)
            self.run_worker(self._following.run, thread=True, exit_on_error=True)

    def on_unmount(self) -> None:
        """Leave no tail behind."""
        if self._following is not None:
            self._following.stop()

    def on_came(self, message: Came) -> None:
        """Show what came."""
        self._records.extend(message.records)
        self._seen.update(kind.id for kind, _record in message.records)
        self._rate = message.rate
        if self.is_current:
            self.show_body()

    # --- showing ----------------------------------------------------------------------------------

    @property
    def _told(self) -> Sequence[Told]:
        session = self.harden.session
        return session.snapshot.derive(told) if session is not None else ()

    def headline(self) -> Content:
        """The classes in numbers, and what the list shows of them."""
        if self.harden.session is None:
            return reading()
        shown = _("shown: {what}").format(what=_(self._filter.value))
        picked = [] if self._filter is Filter.ALL else [shown]
        return self.in_short(_("What is recorded"), export.summary(self._told), *picked)

    def show_body(self) -> None:
        """The list, the detail of the row under the cursor, and the tail."""
        wide = self.app.size.width >= _ROOM_FOR_STORES
        state = _STATE if self._in_words else _MARK
        columns = [
            Column(cell(_("Event"))),
            Column(cell(_("now")), state),
            Column(cell(_("after a reboot")), state),
            *([Column(cell(_("where")))] if wide else []),
            Column(cell(_("seen")), _SEEN),
        ]
        self.table.fill(columns, self._rows(wide=wide))
        self.show_detail(from_top=False)
        self._show_live()

    @property
    def _in_words(self) -> bool:
        """Whether there is room for the words of a state beside its mark."""
        return self.app.size.width >= _ROOM_FOR_WORDS

    def _state(self, side: Side | None) -> Text:
        shown = export.state(side)
        return cell(shown if self._in_words else shown[:1], _STYLES[side.state] if side else "")

    def _rows(self, *, wide: bool) -> list[Row]:
        rows = []
        wanted = [one for one in self._told if _FILTERS[self._filter](one) and self._is_named(one)]
        for heading, classes in by_line(wanted):
            rows.append(Row(f"line:{heading}", (cell(_(heading), "bold"),), heading=True))
            rows += [self._row(one, wide=wide) for one in classes]
        return rows

    def _is_named(self, one: Told) -> bool:
        return self.has_word(_(one.kind.title), one.kind.id, export.stores(one.now), export.stores(one.boot))

    def _row(self, one: Told, *, wide: bool) -> Row:
        seen = self._seen[one.kind.id]
        places = [cell(export.stores(one.boot) or export.stores(one.now))] if wide else []
        return Row(
            one.kind.id,
            (
                cell(f"  {_(one.kind.title)}"),
                self._state(one.now),
                self._state(one.boot),
                *places,
                cell(str(seen) if seen else "", "bold"),
            ),
        )

    def _current(self) -> Told | None:
        return next((one for one in self._told if one.kind.id == self.table.current), None)

    def show_detail(self, *, from_top: bool = True) -> None:
        """All about the class under the cursor."""
        page = self.query_one("#detail", Page)
        one = self._current()
        if one is not None:
            page.show(stack(labelled(d.label, d.text) for d in export.details(one)), from_top=from_top)
        elif not self.table.keys:
            page.show(para(_("Nothing here: press f for another filter, or / for another word.")))
        else:
            page.show(para(_("A line of the course; the events below it are what we tell apart.")))

    # --- the tail ---------------------------------------------------------------------------------

    def _show_live(self) -> None:
        """The newest events that there is room for, the newest last."""
        live = self.query_one("#live", Plain)
        heading = self._live_heading()
        shown = [(kind, record) for kind, record in self._records if self._only in {"", kind.id}]
        width, room = max(live.size.width, 1), max(live.size.height - 1, 1)
        lines: list[Content] = []
        for kind, record in reversed(shown):
            whole = para(export.record(kind, record))
            # Alone, it has room for all of a record; below the list for its beginning.
            lines[:0] = (
                whole.wrap(width) if self.has_class("live") else [whole.truncate(width, ellipsis=True)]
            )
            if len(lines) >= room:
                break
        live.show(stack([heading, *lines[-room:]]))

    def _live_heading(self) -> Content:
        if self._following is None:
            return para(_("There are no live events in a recording or an image."), "dim")
        stream = self._following.stream
        if stream is None:
            return Content("")
        parts = []
        if stores := ", ".join(stream.stores):
            parts.append(para(_("Live: {stores}").format(stores=stores), "bold $text-primary"))
        else:
            parts.append(para(_("Nothing here can be followed."), "$text-warning"))
        if self._only:
            parts.append(para(_("only {what}").format(what=self._only), "reverse"))
        if self._rate:
            words = _("about {rate} records a second: only the newest are looked at")
            parts.append(para(words.format(rate=self._rate), "reverse"))
        for place, why in stream.gaps:
            words = _("{place} cannot be followed: {why}")
            parts.append(para(words.format(place=place, why=why_not(why)), "$text-warning"))
        return line(Content("  ").join(parts))

    # --- finding one's way --------------------------------------------------------------------------

    def action_live(self) -> None:
        """The tail alone, or below the list again."""
        self.set_class(not self.has_class("live"), "live")
        self.remove_class("alone")
        self.call_after_refresh(self.show_body)

    def action_only(self) -> None:
        """Events of the class under the cursor alone; again, of all."""
        one = self._current()
        self._only = "" if self._only or one is None else one.kind.id
        self._show_live()

    def action_more(self) -> None:
        """See ListingScreen; the tail gives way."""
        self.remove_class("live")
        super().action_more()

    def action_back(self) -> None:
        """Close the tail that stands alone; then as ListingScreen."""
        if self.has_class("live"):
            self.action_live()
        else:
            super().action_back()

    def action_filter(self) -> None:
        """The next of what can be shown."""
        filters = list(Filter)
        self._filter = filters[(filters.index(self._filter) + 1) % len(filters)]
        self.show_state()
