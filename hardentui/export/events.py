"""What is recorded, as text: classes of events, what comes of each now and after a boot, by which rule."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hardentui.export.text import cut, wrapped
from hardentui.i18n import N_, _
from hardentui.record import Record
from hardentui.resources.base import explain
from hardentui.resources.events.catalogue import EventClass
from hardentui.resources.events.stores import Store
from hardentui.resources.events.told import Side, State, Told, by_line
from hardentui.visible import visible

# One ASCII character each, and the word for it: they stand on a serial console as on a projector.
MARKS: Mapping[State, str] = {
    State.KEPT: "=",
    State.PASSING: "~",
    State.LOST: "!",
    State.UNKNOWN: "?",
    State.ABSENT: "-",
}
_WORDS: Mapping[State, str] = {
    State.KEPT: N_("recorded"),
    State.PASSING: N_("until reboot"),
    State.LOST: N_("not recorded"),
    State.UNKNOWN: N_("not known"),
    State.ABSENT: N_("not here"),
}
STATE = 17  # cells of a state
_PLACES, _LEAST, _INDENT = 12, 20, 17


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing that is known of a class."""

    label: str
    text: str


def state(side: Side | None) -> str:
    """What comes of a class, as a mark and a word; "" where there is no such side."""
    return f"{MARKS[side.state]} {_(_WORDS[side.state])}" if side is not None else ""


def stores(side: Side | None) -> str:
    """Where the records end, the remote ones marked."""
    return ", ".join(_place(store) for store in side.stores) if side is not None else ""


def _place(store: Store) -> str:
    return f"-> {store.place}" if store.remote else store.place


def summary(found: Sequence[Told]) -> str:
    """The classes in numbers, after a boot."""
    states = [one.boot.state for one in found]
    sentence = _(
        "{count} classes of events; after a reboot: {kept} recorded, {lost} not, {unknown} not known, "
        "{absent} not here."
    )
    return sentence.format(
        count=len(found),
        kept=states.count(State.KEPT),
        lost=states.count(State.LOST) + states.count(State.PASSING),
        unknown=states.count(State.UNKNOWN),
        absent=states.count(State.ABSENT),
    )


def table(found: Sequence[Told], width: int) -> Iterator[str]:
    """A line for each class, below the lines of the course."""
    yield from wrapped(summary(found), width)
    longest = max((len(_(one.kind.title)) for one in found), default=0)
    name = min(longest, max(width - 2 * STATE - _PLACES, _LEAST))
    yield ""
    yield cut(f"{'':{name + 3}}{_('now'):{STATE}}{_('after a reboot'):{STATE}}{_('where')}", width)
    for line, classes in by_line(found):
        yield cut(_(line), width)
        for one in classes:
            title = cut(_(one.kind.title), name)
            cells = f"  {title:{name}} {state(one.now):{STATE}}{state(one.boot):{STATE}}"
            yield cut(f"{cells}{visible(stores(one.boot) or stores(one.now))}".rstrip(), width)
    yield ""
    yield from wrapped(_("All about one of them: hardentui events ID; as they come: --follow."), width)
    yield from wrapped(_("Their ids: {ids}.").format(ids=", ".join(one.kind.id for one in found)), width)


def details(one: Told) -> Iterator[Detail]:
    """All that is known of a class."""
    yield Detail(_("Event"), f"{_(one.kind.title)} ({one.kind.id})")
    yield Detail(_("To try it"), _(one.kind.provoke))
    if one.now == one.boot:
        yield from _side(_("Now and then"), one.boot)
        return
    if one.now is not None:
        yield from _side(_("Now"), one.now)
    yield from _side(_("After a reboot"), one.boot)


def _side(label: str, side: Side) -> Iterator[Detail]:
    yield Detail(label, state(side))
    for witness in side.witnesses:
        place = f" ({witness.place})" if witness.place and witness.place not in witness.rule else ""
        yield Detail("", f"{witness.rule}{place}")
        for store in witness.stores:
            yield Detail("", f"  {_in_full(store)}")
    for sentence in side.silent:
        yield Detail("", f"{MARKS[State.LOST]} {sentence}")
    for gap in side.gaps:
        yield Detail("", f"{MARKS[State.UNKNOWN]} {explain(gap)}")


def _in_full(store: Store) -> str:
    """A store: whether it outlasts a reboot, whether it leaves the host, who may read it."""
    parts = [_place(store)]
    if store.remote:
        parts.append(
            _("leaves this host, encrypted") if store.encrypted else _("leaves this host, in the clear")
        )
    else:
        parts.append(_("outlasts a reboot") if store.lasts else _("lost at a reboot"))
    if store.readers:
        parts.append(_("read by {readers}").format(readers=store.readers))
    return ", ".join(parts)


def text(one: Told, width: int) -> Iterator[str]:
    """The details of a class, a paragraph each."""
    for detail in details(one):
        yield from textwrap.wrap(
            visible(detail.text),
            max(40, width),
            initial_indent=f"{visible(detail.label):{_INDENT - 1}} ",
            subsequent_indent=" " * (_INDENT + 2),
        )


def record(kind: EventClass, seen: Record) -> str:
    """A record of a tail on one line: when, which class, who, what."""
    moment = datetime.fromtimestamp(seen.at).astimezone().strftime("%H:%M:%S") if seen.at else "--:--:--"
    return f"{moment}  {kind.id:16}  {seen.program}: {' '.join(seen.text.split())}"
