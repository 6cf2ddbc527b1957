"""Limits of a service: what it may take of memory and processes, held against what it takes now.

They shut no door, so systemd's exposure does not count them: they keep what went wrong in one service, or was
done to it, from taking the others along.
"""

from __future__ import annotations

from hardentui.i18n import _
from hardentui.resources.cgroups import mebibytes
from hardentui.resources.sandbox.directives import Choice, Directive
from hardentui.resources.sandbox.evidence import Evidence
from hardentui.resources.sandbox.verdict import Judgement, breaks, safe, unknown

UNLIMITED = "infinity"
_UNITS = "KMGT"
_KIB = 1024
_MIB = _KIB * _KIB
_NEAR = 0.8  # of a limit: from here on a little more load is too much
# What is proposed: so many times what is used now, in whole steps, and not less than what a start takes.
_MEMORY_FACTOR, _MEMORY_STEP, _LEAST_MEMORY = 3, 64, 128  # MiB
_TASKS_FACTOR, _TASKS_STEP, _LEAST_TASKS = 4, 16, 64


def wanted_memory(seen: Evidence) -> str | None:
    """MemoryMax= with room above what the service uses now.

    None where that is not known, or where it is held as low already.
    """
    used = _number(seen.group.memory_current) if seen.group else None
    if seen.group is None or used is None:
        return None
    wanted = _rounded(_MEMORY_FACTOR * -(-used // _MIB), _MEMORY_STEP, _LEAST_MEMORY)
    return f"{wanted}M" if _is_below(wanted * _MIB, seen.group.memory_max) else None


def wanted_tasks(seen: Evidence) -> str | None:
    """TasksMax= with room above the processes and threads of now; None as for the memory."""
    used = _number(seen.group.tasks_current) if seen.group else None
    if seen.group is None or used is None:
        return None
    wanted = _rounded(_TASKS_FACTOR * used, _TASKS_STEP, _LEAST_TASKS)
    return str(wanted) if _is_below(wanted, seen.group.tasks_max) else None


def memory_max(value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    """What MemoryMax= would do to the service as it is now."""
    used = seen.group.memory_current if seen.group else ""
    return _judged(value, _number(used), _("it uses {used} of memory now").format(used=mebibytes(used)))


def tasks_max(value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    """What TasksMax= would do to the service as it is now."""
    used = _number(seen.group.tasks_current if seen.group else "")
    return _judged(value, used, _("it has {used} processes and threads now").format(used=used))


def _judged(value: str, used: int | None, sentence: str) -> Judgement:
    if value == UNLIMITED:
        return safe(_("it is no limit"))
    if used is None:
        return unknown(_("what it uses now could not be read"))
    limit = size(value)
    if used >= limit:
        return breaks(_("{seen}: the limit would stop it at once").format(seen=sentence))
    if used > _NEAR * limit:
        return breaks(_("{seen}: near the limit, which a little more load would reach").format(seen=sentence))
    return unknown(_("{seen}; what it needs under load is not seen").format(seen=sentence))


def size(value: str) -> int:
    """A size as systemd takes it: "128M" is 128 times 1024 times 1024."""
    unit = value[-1:]
    if unit in _UNITS:
        return int(value[:-1]) * int(_KIB ** (1 + _UNITS.index(unit)))
    return int(value)


def _is_below(wanted: int, limit: str) -> bool:
    now = _number(limit)
    return now is None or wanted < now


def _rounded(count: int, step: int, least: int) -> int:
    return max(least, -(-count // step) * step)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
