"""What each directive would break for one service, as far as it is seen; and what is proposed for it.

Three verdicts: safe as seen, would break (with what shows it), cannot be told (and why). What did not
happen while one looked is not seen: a directive that is safe as seen may still break something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from hardentui.i18n import _
from hardentui.resources.capabilities import NAMES
from hardentui.resources.sandbox.directives import BY_NAME, DIRECTIVES, Choice, Directive, Inherited, lines
from hardentui.resources.sandbox.evidence import Evidence
from hardentui.resources.sandbox.limits import wanted_memory, wanted_tasks
from hardentui.resources.sandbox.probes import (
    FRESH_PROC,
    INTERNET,
    PROBES,
    behind_mounts,
    by_capability,
    needed_capabilities,
)
from hardentui.resources.sandbox.settings import DEFAULTS, Settings, settled, words
from hardentui.resources.sandbox.verdict import Effect, Judgement, big, breaks, few, safe, unknown, unseen


def judge(name: str, value: str, seen: Evidence, chosen: Choice, version: int) -> Judgement:
    """What one directive would do to a service beside the others that are ``chosen`` for it."""
    directive = BY_NAME[name]
    if 0 < version < directive.known_since(value):
        return _lacking(directive, value, version)
    if value == DEFAULTS.get(name, "") or (not value and directive.form is None):
        return safe(_("this is what holds without it"))
    if seen.processes and holds(name, value, seen.settings):
        return safe(_("the service runs under it already"))
    if seen.sessions and directive.inherited is Inherited.BREAKS:
        return breaks(
            _("sessions and jobs that it starts for others inherit it (seen: {sign})").format(
                sign=seen.sessions
            )
        )
    if name in FRESH_PROC and (lost := behind_mounts(seen)):
        return breaks(
            _("it gets a /proc of its own, without what is mounted at {paths}").format(paths=few(lost))
        )
    found = PROBES.get(name, by_capability)(value, seen, chosen, directive)
    if found.effect is not Effect.SAFE or directive.inherited is Inherited.HARMLESS:
        return found
    if seen.sessions and directive.inherited is Inherited.UNKNOWN:
        return unknown(
            _("sessions and jobs that it starts inherit it; what they do is not seen"), found.needs
        )
    if not seen.whole:
        return unknown(unseen(seen), found.needs)
    return found


def holds(name: str, value: str, settings: Settings) -> bool:
    """Whether a service has this value of a directive already."""
    current = settings.get(name)
    if current is None:
        return False
    if name in _ADDED:
        return bool(value) and set(value.split()) <= set(current.split())
    return (
        name in DEFAULTS
        and name != "SystemCallFilter"
        and settled(settings, lines({name: value}), {})[name] == current
    )


_ADDED = frozenset({"ReadWritePaths", "NoExecPaths"})  # what another assignment adds to


def recommended(seen: Evidence, version: int, *, only_safe: bool = False) -> Choice:
    """What is proposed for a service: what is safe as seen, and unless ``only_safe`` what cannot be told.

    What our drop-in sets already stays.
    """
    wanted = {Effect.SAFE} if only_safe else {Effect.SAFE, Effect.UNKNOWN}
    chosen = dict(seen.ours)
    for directive in (one for one in DIRECTIVES if one.name not in seen.ours):
        for value in _values(directive, seen, version):
            found = judge(directive.name, value, seen, chosen, version)
            needs = found.needs
            if needs:
                found = judge(directive.name, value, seen, {**chosen, **needs}, version)
            if found.effect in wanted and not holds(directive.name, value, seen.settings):
                chosen |= {directive.name: value, **joined(chosen, needs)}
            if found.effect in wanted:
                break
    return chosen


def verdicts(chosen: Choice, seen: Evidence, version: int) -> Mapping[str, Judgement]:
    """The verdict on each directive that is chosen."""
    return {name: judge(name, value, seen, chosen, version) for name, value in chosen.items()}


def proposal(name: str, seen: Evidence, version: int) -> str:
    """The first value that is proposed of a directive; "" where none is."""
    return next(iter(_values(BY_NAME[name], seen, version)), "")


def _values(directive: Directive, seen: Evidence, version: int) -> Iterable[str]:
    """The values to propose, the strictest first: none that a systemd with this directive would ignore."""
    known = not 0 < version < directive.since
    return tuple(
        value
        for value in _strictest(directive, seen)
        if not (known and 0 < version < directive.known_since(value))
    )


def _strictest(directive: Directive, seen: Evidence) -> Iterable[str]:
    if directive.computed:
        computed = _COMPUTED.get(directive.name)
        value = computed(seen) if computed is not None else None
        return () if value is None else (value,)
    if not directive.recommended:
        return ()
    at = directive.choices.index(directive.recommended) if directive.recommended in directive.choices else 0
    return (directive.recommended, *reversed(directive.choices[1:at]))


def joined(chosen: Choice, needs: Choice) -> Choice:
    """What is needed, beside what was chosen: paths come together, other values stand for themselves."""
    paths = {name: f"{chosen[name]} {value}" for name, value in needs.items() if name in chosen}
    return {**needs, **{name: " ".join(dict.fromkeys(value.split())) for name, value in paths.items()}}


def _lacking(directive: Directive, value: str, version: int) -> Judgement:
    if version < directive.since:
        why = _("systemd {since} brought it, and {version} runs here")
    else:
        why = _("systemd {since} brought this value, and {version} runs here: it would be ignored")
    return Judgement(Effect.LACKING, why.format(since=directive.known_since(value), version=version))


# --- values that are worked out from what is seen ------------------------------------------------------


# What root may do at any moment without leaving a trace: taking it away is a guess.
_OF_ROOT = ("cap_chown", "cap_dac_override", "cap_fowner", "cap_kill", "cap_setgid", "cap_setuid")


def _wanted_families(seen: Evidence) -> str | None:
    if seen.use is None or seen.use.other_sockets:
        return None
    found = {"AF_UNIX", *seen.use.families}
    if found & INTERNET:
        found |= {*INTERNET, "AF_NETLINK"}  # the C library asks for the interfaces before it resolves names
    return " ".join(sorted(found))


def _wanted_calls(seen: Evidence) -> str | None:
    if "@" in seen.settings.get("SystemCallFilter", "") or len(words(seen.settings, "SystemCallFilter")) > 1:
        return None  # its makers filter already, and know better
    weak, strict = BY_NAME["SystemCallFilter"].choices
    return weak if seen.as_root else strict


def _wanted_capabilities(seen: Evidence) -> str | None:
    if seen.use is None or seen.holds_unknown:
        return None
    kept = {*needed_capabilities(seen), *(_OF_ROOT if seen.as_root else ())}
    bounded = set(words(seen.settings, "CapabilityBoundingSet"))
    return " ".join(big(name) for name in NAMES if name in kept & bounded)


def _wanted_removal(seen: Evidence) -> str | None:
    return None if seen.as_root else "yes"


def _wanted_deny(seen: Evidence) -> str | None:
    if seen.use is None or seen.use.other_sockets or INTERNET & set(seen.use.families):
        return None
    return "any"


_COMPUTED: Mapping[str, Callable[[Evidence], str | None]] = {
    "CapabilityBoundingSet": _wanted_capabilities,
    "IPAddressDeny": _wanted_deny,
    "MemoryMax": wanted_memory,
    "RemoveIPC": _wanted_removal,
    "RestrictAddressFamilies": _wanted_families,
    "SystemCallFilter": _wanted_calls,
    "TasksMax": wanted_tasks,
}
