"""The volume of logs as JSON, for other programs.

Keys are stable, and values in words that no language changes, but for the details of what was not read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from hardentui import __version__
from hardentui.resources.volume.forecast import FAR, Kept, LogSystem, Volumes
from hardentui.resources.volume.pace import Pace


def document(found: Volumes) -> str:
    """Each file system of logs, one object each, and what could not be read of it all.

    Sizes are in bytes, paces in bytes a day, times in epoch seconds. ``days-until-full`` is null where nobody
    knows; ``within-ten-years`` false says that it will not be full before.
    """
    content = {
        "hardentui": __version__,
        "taken-at": found.at,
        "unread": [{"kind": gap.kind.value, "detail": gap.detail} for gap in found.gaps],
        "file-systems": [_system(one) for one in found.systems],
    }
    # ASCII: bytes of the host that are not UTF-8 survive as lone surrogates.
    return json.dumps(content, indent=2, ensure_ascii=True)


def _system(one: LogSystem) -> Mapping[str, object]:
    usage, days = one.usage, one.days
    return {
        "path": one.path,
        "for-logs-alone": one.own,
        "size": usage.size if usage else None,
        "free": usage.free if usage else None,
        "reserved-for-root": usage.reserved if usage and usage.reserved >= 0 else None,
        "inodes": usage.inodes if usage and usage.inodes > 0 else None,
        "inodes-free": usage.inodes_free if usage and usage.inodes > 0 else None,
        "size-of-logs": one.disk,
        "growth": _pace(one.pace),
        "days-until-full": _days(days),
        "within-ten-years": days[0] < FAR if days else None,
        "growth-not-known-of": [source.name for source in one.unknown],
        "logs": [_log(kept) for kept in one.logs],
    }


def _log(kept: Kept) -> Mapping[str, object]:
    source, limit = kept.source, kept.limit
    return {
        "name": source.name,
        "files": len(source.files),
        "size": source.disk,
        "since": min((one.start for one in source.windows), default=None),
        "growth": _pace(source.pace),
        "packed-to": round(source.shrinks_to, 3),
        "kept-by": limit.by or None,
        "kept-bytes": limit.size,
        "kept-days": limit.days,
        "limit-lasts-days": _days(kept.holds),
    }


def _pace(pace: Pace | None) -> Mapping[str, float] | None:
    if pace is None:
        return None
    return {
        "low": round(pace.low),
        "mean": round(pace.mean),
        "high": round(pace.high),
        "seconds-of-data": round(pace.seconds),
    }


def _days(days: tuple[int, int] | None) -> Mapping[str, int | None] | None:
    """From the soonest to the latest; null for what lies more than ten years ahead."""
    if days is None:
        return None
    return {name: day if day < FAR else None for name, day in zip(("soonest", "latest"), days, strict=True)}
