"""What is recorded as JSON, for other programs: stable keys, and values in words that no language changes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from hardentui import __version__
from hardentui.resources.events.told import Side, Told


def document(found: Sequence[Told], taken_at: float) -> str:
    """These classes, one object each, with both sides."""
    content = {
        "hardentui": __version__,
        "taken-at": taken_at,
        "classes": [
            {
                "id": one.kind.id,
                "line": one.kind.line.name.lower(),
                "now": _side(one.now) if one.now is not None else None,
                "boot": _side(one.boot),
            }
            for one in found
        ],
    }
    # ASCII: bytes of the host that are not UTF-8 survive as lone surrogates.
    return json.dumps(content, indent=2, ensure_ascii=True)


def _side(side: Side) -> Mapping[str, object]:
    return {
        "state": side.state.name.lower(),
        "leaves-host": side.leaves,
        "witnesses": [
            {
                "rule": witness.rule,
                "place": witness.place,
                "stores": [
                    {
                        "kind": store.kind.value,
                        "place": store.place,
                        "lasts": store.lasts,
                        "encrypted": store.encrypted,
                        "readers": store.readers,
                    }
                    for store in witness.stores
                ],
            }
            for witness in side.witnesses
        ],
        "silent": list(side.silent),
        "unread": [{"kind": gap.kind.value, "detail": gap.detail} for gap in side.gaps],
    }
