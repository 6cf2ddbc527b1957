"""A guide's recommendations, one line each, with the findings that serve them: as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hardentui import __version__
from hardentui.export.text import LEVELS, MARKS, WORDS, cut
from hardentui.guide import Account, Guide, Standing, counts
from hardentui.i18n import N_, _
from hardentui.model import HostIdentity, Result
from hardentui.visible import visible

STANDINGS: Mapping[Standing, str] = {
    Standing.CHECKED: N_("checked"),
    Standing.ATTESTED: N_("asked of a person"),
    Standing.TAUGHT: N_("explained in the text"),
    Standing.OUTSIDE: N_("not looked at"),
    Standing.NOT_BUILT: N_("not built yet"),
    Standing.MISSING: N_("not accounted for"),
}


def summary(accounts: Sequence[Account]) -> str:
    """How the recommendations of a guide are accounted for, in one sentence."""
    parts = (f"{count} {_(STANDINGS[standing])}" for standing, count in counts(accounts).items())
    return _("{count} recommendations: {parts}.").format(count=len(accounts), parts=", ".join(parts))


def table(accounts: Iterable[Account], width: int) -> Iterator[str]:
    """A line for each recommendation of a guide, and under it those of the chapters that do not pass."""
    for found in accounts:
        mark = MARKS[found.result] if found.result else " "
        word = _(WORDS[found.result]) if found.result else _(STANDINGS[found.standing])
        level = _(LEVELS[found.entry.level])
        yield cut(f" {mark} {found.entry.id:4} {word:17} {level:13} {found.entry.title}", width)
        yield from (cut(f"      {line}", width) for line in details(found))


def details(found: Account) -> Iterator[str]:
    """What stands behind an account: findings that do not pass, or where it is treated, or why it is not."""
    for finding in found.findings:
        if finding.result not in {Result.PASS, Result.NOTAPPLICABLE}:
            about = f"{MARKS[finding.result]} {finding.recommendation.id}"
            yield visible(about + _(": ") + finding.message)
    if found.standing is Standing.OUTSIDE and found.entry.outside is not None:
        yield str(found.entry.outside)
    elif found.standing is Standing.TAUGHT:
        yield _("in {section}").format(section=found.entry.section)
    elif found.standing is Standing.NOT_BUILT:
        yield _("comes with the chapter {chapter}").format(chapter=found.entry.chapter)


def document(guide: Guide, accounts: Iterable[Account], host: HostIdentity, taken_at: float) -> str:
    """A JSON document of a guide's recommendations, one object each, in the guide's order."""
    content = {
        "hardentui": __version__,
        "host": {"machine-id": host.machine_id, "hostname": host.hostname, "distribution": host.distribution},
        "taken-at": taken_at,
        "guide": guide.id,
        "title": str(guide.title),
        "recommendations": [_account(found) for found in accounts],
    }
    return json.dumps(content, indent=2, ensure_ascii=True)


def _account(found: Account) -> dict[str, Any]:
    return {
        "id": found.entry.id,
        "title": str(found.entry.title),
        "level": found.entry.level.value,
        "standing": found.standing.value,
        "result": found.result.value if found.result else None,
        "findings": [
            {"id": f.recommendation.id, "result": f.result.value, "message": f.message}
            for f in found.findings
        ],
        "outside": str(found.entry.outside) if found.entry.outside else None,
        "chapter": found.entry.chapter or None,
        "section": found.entry.section or None,
    }
