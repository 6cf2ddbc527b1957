"""The matrix of flows as text and as JSON, and all about one of its rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hardentui import __version__
from hardentui.export.text import cut, wrapped
from hardentui.flows.bindings import Application
from hardentui.flows.draft import Draft
from hardentui.flows.matrix import HERE, OTHERS, Cell, Line, Matrix, State, decides
from hardentui.flows.needs import Need, Party
from hardentui.flows.profile import Clause, Component, Port
from hardentui.i18n import N_, _
from hardentui.model import Erratum
from hardentui.resources.base import explain
from hardentui.resources.connections import Contact
from hardentui.resources.firewall.passage import Share
from hardentui.resources.firewall.policy import lockout
from hardentui.resources.firewall.policy.lockout import Entrance
from hardentui.resources.listeners import scope_word
from hardentui.snapshot import Snapshot
from hardentui.visible import visible

CELL = 13  # columns that a cell takes at least
HEAD = 26  # columns of the port and its program at least
_WIDEST = 28  # and those that a cell takes at most
_WORDS = {
    State.WANTED: N_("passes"),
    State.SILENT: N_("(passes)"),
    State.NARROW: N_("shut"),
    State.PARTLY: N_("in part"),
    State.WIDE: N_("passes"),
    State.PARTLY_WIDE: N_("in part"),
    State.SHUT: "-",
    State.UNBOUND: N_("who?"),
    State.UNKNOWN: "?",
}
# The machines of an object, by what is known of them.
_BY = {
    "answer": N_("as answered"),
    "seen": N_("as seen on this host"),
    "proposed": N_("proposed, not confirmed"),
    "added": N_("added by you"),
}


@dataclass(frozen=True, slots=True)
class Detail:
    """One line about a row: what it is about, the text, and whether it should catch the eye."""

    label: str
    text: str
    stands_out: bool = False


def word(cell: Cell | None) -> str:
    """What a cell says, in a word, after a mark; with the number of connections where there are some."""
    if cell is None:
        return ""
    mark = "!" if cell.state.differs else "=" if cell.needed else " "
    word = _WORDS[cell.state]
    shown = f"{mark} {_(word) if len(word) > 1 else word}"
    return f"{shown} {cell.count}" if cell.count else shown


def head(line: Line) -> str:
    """A row in a word or two: the port, and who listens or who is called."""
    who = line.processes if line.direction == "in" else line.peers
    arrow = "" if line.direction == "in" else "> "
    return f"{arrow}{line.ports}/{line.protocol} {who}".rstrip()


def summary(draft: Draft) -> str:
    """The matrix in numbers."""
    matrix = draft.matrix
    return _("rows: {rows}, to look at: {differing}; connected now: {count}").format(
        rows=len(matrix.lines), differing=matrix.differing, count=sum(one.count for one in matrix.contacts)
    )


def incomplete() -> str:
    """What every reader of a matrix must know."""
    return _(
        "Never complete: the sources say so. Add the flows that are yours; see who is connected over days."
    )


def legend() -> str:
    """The words of the cells."""
    return _(
        "= needed; ! look at it; passes: let through; (passes): let through, and nothing listens; "
        "-: not let through; ?: not known; a number: connected now"
    )


# --- text -------------------------------------------------------------------------------------------


def text(draft: Draft, width: int) -> Iterator[str]:
    """The matrix for a terminal, then what is to be said and what the policy would cut."""
    matrix = draft.matrix
    yield summary(draft)
    for application in matrix.bindings.applications:
        named = ", ".join(roles(application)) or _("no part in it")
        version = next(
            (str(v.label) for v in application.profile.versions if v.id == application.version), ""
        )
        yield from wrapped(
            f"{application.profile.title}" + _(": ") + "; ".join(filter(None, (version, named))), width, "  "
        )
    yield ""
    yield from _tables(matrix, width)
    yield ""
    for sentence in (legend(), incomplete()):
        yield from wrapped(sentence, width)
    for sentence in sentences(draft):
        yield from wrapped(sentence, width, "  ", "  ")


def sentences(draft: Draft) -> Iterator[str]:
    """What could not be read, what is still to be said, and what the policy would end."""
    yield from (f"? {explain(gap)}" for gap in draft.matrix.gaps)
    yield from (f"! {trouble}" for trouble in draft.troubles)
    for one in draft.unsaid:
        yield f"! {would_cut(one)}"
    for clause in clauses(draft.matrix):
        yield f"* {clause.title}" + _(": ") + f"{clause.instead}"


def would_cut(one: Entrance | Contact) -> str:
    """What the policy would end, as a sentence: all ways in to sshd, or an open connection."""
    if isinstance(one, Entrance):
        return lockout.sentence(one)
    who = one.process or one.unit or "?"
    return _("the policy would cut {contact} ({process}, {count} now)").format(
        contact=one, process=who, count=one.count
    )


def clauses(matrix: Matrix) -> tuple[Clause, ...]:
    """What the vendors of the applications ask of this host."""
    chosen = (one for one in matrix.bindings.applications if one.roles)
    return tuple(clause for application in chosen for clause in application.profile.clauses)


def roles(application: Application) -> list[str]:
    """What this host is in an application, in the words of its profile."""
    return [str(one.title) for one in application.profile.objects if one.id in application.roles]


def widths(titles: Sequence[str], width: int) -> tuple[int, int]:
    """How wide a line's head and its cells are: a heading is written out where there is room for it."""
    most = (width - HEAD) // max(len(titles), 1)
    wanted = max((len(title) + 1 for title in titles), default=CELL)
    cell = max(CELL, min(most, wanted, _WIDEST))
    return max(HEAD, min(width - cell * len(titles), 2 * HEAD)), cell


def _tables(matrix: Matrix, width: int) -> Iterator[str]:
    incoming = [line for line in matrix.lines if line.direction == "in"]
    outgoing = [line for line in matrix.lines if line.direction == "out"]
    columns = shown_columns(matrix)
    # What does not fit beside the ports stands in a second table below.
    room = max((width - HEAD) // CELL, 1)
    for start in range(0, max(len(columns), 1), room):
        part = columns[start : start + room]
        if incoming:
            titles = [column.title for column in part]
            sizes = widths(titles, width)
            yield _row(_("Comes in"), titles, sizes)
            for line in incoming:
                yield _row(head(line), [word(line.cells.get(c.id)) for c in part], sizes)
            yield ""
    if outgoing:
        sizes = widths([_("this host")], width)
        yield _row(_("Goes out"), [_("this host")], sizes)
        yield from (_row(head(line), [word(line.cells.get(HERE))], sizes) for line in outgoing)


def shown_columns(matrix: Matrix) -> list[Party]:
    """The columns that say something about a port of this host."""
    said = {id_ for line in matrix.lines if line.direction == "in" for id_ in line.cells}
    return [column for column in matrix.columns if column.id in said]


def _row(first: str, cells: Sequence[str], sizes: tuple[int, int]) -> str:
    room, cell = sizes
    shown = [cut(visible(text), cell - 1).ljust(cell) for text in cells]
    return f"{cut(visible(first), room - 1):<{room}}{''.join(shown)}".rstrip()


# --- all about one row -----------------------------------------------------------------------------------


def details(line: Line, matrix: Matrix, snapshot: Snapshot) -> Iterator[Detail]:
    """Everything that is known of a row, one thing after the other."""
    nothing = _("nothing that is known here needs it")
    yield Detail(
        head(line), nothing if not line.needs else "; ".join(dict.fromkeys(need.title for need in line.needs))
    )
    for column in matrix.columns:
        cell = line.cells.get(column.id)
        if cell is not None:
            yield from _of_cell(line, column, cell, snapshot)
    yield from _seen(line)
    for need in line.needs:
        yield from _of_need(need)
    for component, port in line.advice:
        yield from _of_component(component, port)


def _of_need(need: Need) -> Iterator[Detail]:
    phase = f" ({_(need.flow.phase.value)})" if need.flow else ""
    mark = _(" [added by its makers, not in the source]") if need.flow and need.flow.upstream else ""
    yield Detail(_("needed"), f"{need.title}{phase}, {need.name}{mark}")
    label = _("from") if need.direction == "in" else _("to")
    for party in need.parties:
        said = (
            f"{party.bound} ({_(_BY.get(party.bound.by, ''))})" if party.bound.known else _("nobody has said")
        )
        yield Detail(label, party.title + _(": ") + said, stands_out=not party.bound.known)
    if not need.parties:
        yield Detail(label, _("this host alone: loopback always passes"))
    if need.flow is None:
        return
    if need.flow.text:
        yield Detail("", str(need.flow.text))
    if need.flow.tls:
        yield Detail(_("encrypted"), str(need.flow.tls))
    yield from _errata(need.flow.errata)
    if need.flow.cited and need.application:
        known = {document.id: document.title for document in need.application.profile.documents}
        listed = (f"{known.get(one.document, one.document)} {one.place}" for one in need.flow.cited)
        yield Detail(_("source"), "; ".join(listed))


def _seen(line: Line) -> Iterator[Detail]:
    for one in line.listeners:
        words = ("" if one.socket.process else one.process, one.unit, one.socket.user, scope_word(one))
        yield Detail(_("listens"), f"{one.name}, {', '.join(filter(None, words))}")
    if line.direction == "in" and not line.listeners:
        yield Detail(_("listens"), _("nobody"))
    for contact in line.contacts:
        who = ", ".join(filter(None, (contact.process, contact.unit))) or "?"
        yield Detail(_("connected"), f"{contact.peer} ({contact.count}), {who}")


def _of_cell(line: Line, column: Party, cell: Cell, snapshot: Snapshot) -> Iterator[Detail]:
    said = _(cell.state.value)
    if cell.passage.published:
        said = _("{state}; published by a container engine, past the rules for input").format(state=said)
    if cell.passage.share is Share.UNKNOWN and cell.passage.why:
        said += _(": ") + cell.passage.why
    yield Detail(column.title, said, stands_out=cell.state.differs)
    rule = decides(snapshot, line, column.bound) if line.direction == "in" and column.id != HERE else ""
    if rule:
        yield Detail("", _("rule: {place}").format(place=rule))


def _of_component(component: Component, port: Port) -> Iterator[Detail]:
    alone, cluster = _(port.single.word), _(port.cluster.word)
    sentence = _("{port}: alone {alone}, in a cluster {cluster}")
    yield Detail(str(component.title), sentence.format(port=port.title, alone=alone, cluster=cluster))
    yield Detail("", str(component.text))
    if port.tls:
        yield Detail(_("encrypted"), str(port.tls))
    for setting in component.settings:
        sentence = _("{file}, {key}: alone {single}; in a cluster {cluster}. {text}")
        yield Detail(
            _("address"),
            sentence.format(
                file=setting.file,
                key=setting.key,
                single=setting.single,
                cluster=setting.cluster,
                text=setting.text,
            ),
        )
    yield from _errata((*component.errata, *port.errata))


def _errata(errata: Iterable[Erratum]) -> Iterator[Detail]:
    for one in errata:
        yield Detail(
            _("erratum {id}").format(id=one.id),
            _("{says} Right: {right} {why}").format(says=one.says, right=one.right, why=one.why),
        )


# --- JSON ----------------------------------------------------------------------------------------------


def document(draft: Draft, snapshot: Snapshot) -> str:
    """The same as JSON; keys are stable, and values in words that no language changes."""
    matrix = draft.matrix
    content = {
        "hardentui": __version__,
        "taken-at": snapshot.taken_at,
        "complete": False,  # no matrix is
        "unread": [f"{gap.kind.value}: {gap.detail}" for gap in matrix.gaps],
        "applications": [
            {
                "application": one.profile.id,
                "version": one.version or None,
                "roles": sorted(one.roles),
                "objects": {id_: str(bound) or None for id_, bound in one.objects.items()},
            }
            for one in matrix.bindings.applications
        ],
        "columns": [
            {"id": one.id, "networks": None if one.id in {HERE, OTHERS} else str(one.bound) or None}
            for one in matrix.columns
        ],
        "rows": [_object(line) for line in matrix.lines],
        "connections": [_contact(one) for one in matrix.contacts],
        "policy": draft.text.splitlines(),
        "would-cut": [_contact(one) for one in draft.unsaid if isinstance(one, Contact)],
        "locks-out": [one.place for one in draft.unsaid if isinstance(one, Entrance)],
    }
    return json.dumps(content, indent=2, ensure_ascii=True)


def _object(line: Line) -> dict[str, object]:
    return {
        "direction": line.direction,
        "protocol": line.protocol,
        "ports": line.ports,
        "flows": [need.name for need in line.needs],
        "listeners": [
            {"socket": one.name, "unit": one.unit or None, "scope": one.scope} for one in line.listeners
        ],
        "cells": {
            id_: {
                "state": cell.state.name.lower().replace("_", "-"),
                "needed": cell.needed,
                "passes": cell.passage.share.value,
                "published": cell.passage.published,
                "connected": cell.count,
            }
            for id_, cell in line.cells.items()
        },
    }


def _contact(one: Contact) -> dict[str, object]:
    return {
        "direction": one.direction,
        "protocol": one.protocol,
        "port": one.port,
        "peer": one.peer,
        "process": one.process or None,
        "unit": one.unit or None,
        "count": one.count,
    }
