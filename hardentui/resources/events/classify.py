"""To which class of events a record belongs: by the program and its words, or by the key or type of audit."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hardentui.record import Record
from hardentui.resources.events.catalogue import BY_ID, CLASSES, EventClass

_LONGEST = 4096  # characters of a message that are looked at: a hostile one may be of megabytes
_FAILED = re.compile(r"\bres(?:ult)?=(?:failed|0)\b|\bsuccess=no\b")
_PROFILE = re.compile(r'apparmor="STATUS"')  # AppArmor says by one type what it denied and what it loaded


def classify(record: Record, learned: Mapping[str, EventClass] | None = None) -> EventClass | None:
    """The class of a record; None for what belongs to none.

    ``learned`` are the keys that this host's own rules of audit use, see told.learned_keys.
    """
    if record.types:
        return _of_audit(record, learned or {})
    text = record.text[:_LONGEST]
    for one in CLASSES:
        if any(voice.said(record.program, text) for voice in one.voices):
            return one
    return None


def _of_audit(record: Record, learned: Mapping[str, EventClass]) -> EventClass | None:
    """The key of a rule says more than the type of a record: SYSCALL says nothing at all."""
    named = [one for one in CLASSES if set(one.keys) & set(record.keys)]
    by_path = (one for one in named if any(f'"{path}"' in record.text for path in one.about))
    known = next(by_path, None) or next((one for one in named if not one.about), None)
    if not named:  # a key that the catalogue knows is about more than the class that was learned from it
        known = next((learned[key] for key in record.keys if key in learned), None)
    if known is not None:
        return known
    if _PROFILE.search(record.text):
        return BY_ID["mac-policy"]
    failed = _FAILED.search(record.text[:_LONGEST]) is not None
    for one in CLASSES:
        if {*one.types, *one.others} & set(record.types) and one.failed in {None, failed}:
            return one
    return None
