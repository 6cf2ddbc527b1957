"""What a directive would do to a service: the verdict, why, and what is needed beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from hardentui.i18n import N_, _
from hardentui.resources.sandbox.directives import Choice
from hardentui.resources.sandbox.evidence import Evidence


class Effect(StrEnum):
    """What a directive would do to a service."""

    SAFE = N_("safe as seen")
    UNKNOWN = N_("cannot be told")
    BREAKS = N_("would break")
    LACKING = N_("not in this systemd")


@dataclass(frozen=True, slots=True)
class Judgement:
    """An effect, why, and the directives that are needed beside it so that nothing breaks."""

    effect: Effect
    why: str
    needs: Choice = field(default_factory=dict)


def safe(why: str, needs: Choice | None = None) -> Judgement:
    """Nothing that is seen breaks."""
    return Judgement(Effect.SAFE, why, needs or {})


def breaks(why: str, needs: Choice | None = None) -> Judgement:
    """Something that is seen breaks; ``why`` says what."""
    return Judgement(Effect.BREAKS, why, needs or {})


def unknown(why: str, needs: Choice | None = None) -> Judgement:
    """It cannot be told; ``why`` says why not."""
    return Judgement(Effect.UNKNOWN, why, needs or {})


def unseen(seen: Evidence) -> str:
    """Why not everything is seen that a service uses."""
    if seen.use is None:
        return _("its processes are not seen: {why}").format(why=seen.why_unseen)
    return _("processes of which the open files or the memory could not be read: {count}").format(
        count=seen.use.unread
    )


def few(names: Iterable[str], most: int = 4) -> str:
    """The first of some names, and how many more there are."""
    listed = list(names)
    more = _(" and {count} more").format(count=len(listed) - most) if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def below(path: str, folders: Iterable[str]) -> bool:
    """Whether a path is one of these, or lies below one."""
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def big(name: str) -> str:
    """A capability as people write it."""
    return name.upper()
