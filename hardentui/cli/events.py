"""The command that says what is recorded, and shows it as it comes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from hardentui.cli import inputs, output
from hardentui.export import events as export
from hardentui.export import events_json
from hardentui.host.tail import Followable, Stream
from hardentui.i18n import _
from hardentui.resources.base import why_not
from hardentui.resources.events.catalogue import BY_ID, CLASSES, EventClass
from hardentui.resources.events.classify import classify
from hardentui.resources.events.told import Told, learned_keys, told
from hardentui.snapshot import Snapshot, Unread

_WAIT = 0.5  # seconds, after which Ctrl-C is looked at again


def events(options: argparse.Namespace) -> int:
    """What is recorded of each class, or of one; or the events themselves, as they come."""
    wanted = _wanted(options.kind) if options.kind else None
    if options.follow:
        return _follow(options, wanted)
    snapshot = inputs.snapshot(options)
    found: Sequence[Told] = snapshot.derive(told)
    if wanted is not None:
        found = [one for one in found if one.kind is wanted]
    if options.json:
        output.put(events_json.document(found, snapshot.taken_at) + "\n")
    elif wanted is not None:
        output.show(export.text(found[0], output.width()))
    else:
        output.show(export.table(found, output.width()))
    return output.NOT_EVALUATED if any(one.unknown for one in found) else 0


def _wanted(name: str) -> EventClass:
    """The class that was named.

    Raises:
        CommandError: there is none of this name.
    """
    if name not in BY_ID:
        known = ", ".join(one.id for one in CLASSES)
        raise output.CommandError(
            _("no class of events {name}; known: {known}").format(name=name, known=known)
        )
    return BY_ID[name]


def _follow(options: argparse.Namespace, wanted: EventClass | None) -> int:
    host = inputs.host(options)
    if not isinstance(host, Followable):
        output.complain(_("there are no live events in a recording or an image"))
        return output.NOT_EVALUATED
    learned = learned_keys(Snapshot(host))
    tail = host.tail()
    try:
        if not tail.stores:
            output.complain(_("nothing here can be followed"))
        else:
            output.say(_("following {stores}; Ctrl-C ends").format(stores=", ".join(tail.stores)))
            if wanted is not None:
                output.say(_("to try it: {words}").format(words=_(wanted.provoke)))
        _show(tail, wanted, learned)
    finally:
        tail.close()
    return output.NOT_EVALUATED if not tail.stores else 0


def _show(tail: Stream, wanted: EventClass | None, learned: Mapping[str, EventClass]) -> None:
    said: list[tuple[str, Unread]] = []
    while True:
        for place, why in tail.gaps:
            if (place, why) not in said:
                said.append((place, why))
                output.complain(_("{place} cannot be followed: {why}").format(place=place, why=why_not(why)))
        if not tail.stores:
            return
        batch = tail.wait(_WAIT)
        for record in batch.records:
            kind = classify(record, learned)
            if kind is not None and wanted in {None, kind}:
                output.say(export.record(kind, record))
        if batch.left_out:
            output.say(_("... and {count} records before them").format(count=batch.left_out))
        if batch.count:
            output.flush()
