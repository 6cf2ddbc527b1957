"""The sandbox of one service: systemd's directives, what each would break, the exposure that they leave."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from hardentui.i18n import _
from hardentui.model import (
    EACH,
    PROPOSED,
    Fact,
    Gap,
    GapKind,
    Observation,
    Provenance,
    Reading,
    Recommendation,
    Role,
)
from hardentui.operations import Change, Lines, Refusal, ReloadManager, RestartUnit, WriteFile
from hardentui.resources import unit_files
from hardentui.resources.base import digest, list_fact, nothing, text_fact
from hardentui.resources.sandbox.directives import Choice, lines, parse, read_dropin, write
from hardentui.resources.sandbox.evidence import Evidence, calls, gather, services, version
from hardentui.resources.sandbox.exposure import exposure, shown
from hardentui.resources.sandbox.judge import recommended
from hardentui.resources.sandbox.settings import DEFAULTS, Settings, settled
from hardentui.snapshot import Confinement, File, Question, SandboxSettings, Snapshot, Unread

SAFE = "safe"  # the target that stands for what is safe as seen; PROPOSED adds what cannot be told
_UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.@-]{0,200}\.service")
# Their makers confine them, and nothing runs on without them: never restarted by us.
_LEFT_ALONE = re.compile(r"(?:systemd-.*|dbus(?:-broker)?|user@.*|init.*|polkit|emergency|rescue)\.service")
# Who administers from afar comes in through these: the guard is armed.
_WAY_IN = re.compile(
    r"(?:sshd?(?:@.*)?|dropbear|getty@.*|serial-getty@.*|NetworkManager.*|networking|network|wicked.*|connman"
    r"|nftables|firewalld|ufw|netfilter-persistent|sssd|nslcd|wpa_supplicant.*|wg-quick@.*|openvpn.*"
    r"|strongswan.*|tailscaled|qemu-guest-agent|amazon-ssm-agent|waagent|walinuxagent)\.service"
)


class Sandbox:
    """The resource "sandbox": the value is the exposure that systemd gives a service, 0.0 to 10.0."""

    name = "sandbox"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        if aspect or (subject != EACH and not _UNIT.fullmatch(subject)):
            return f'expected "{EACH}" or the name of a service, and no aspect, found {subject!r} {aspect!r}'
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if entry.subject == EACH:
            return _all(snapshot)
        running = _running(snapshot, entry.subject) if snapshot.live else None
        seen = gather(snapshot, entry.subject)
        facts: dict[str, Fact] = {"file": digest(snapshot, unit_files.dropin(entry.subject))}
        if seen is not None:
            known = version(snapshot)
            facts[PROPOSED] = _listed(recommended(seen, known))
            facts[SAFE] = _listed(recommended(seen, known, only_safe=True))
        return Observation(running, (_at_boot(snapshot, entry.subject),), facts, snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        unit = entry.subject
        if unit == EACH:
            return Refusal(_("choose a service: hardentui sandbox UNIT"))
        if not _UNIT.fullmatch(unit):
            return Refusal(_("{unit} is not the name of a service").format(unit=repr(unit)))
        if _LEFT_ALONE.fullmatch(unit):
            return Refusal(
                _("{unit} is confined by those who make it, and cannot be restarted without harm").format(
                    unit=unit
                )
            )
        text = "\n".join(map(str, list_fact(facts, target))) if target in {SAFE, PROPOSED} else target
        try:
            chosen = parse(text)
        except ValueError as error:
            return Refusal(str(error))
        if not chosen:
            return Refusal(_("no directive is chosen"))
        guarded = is_way_in(unit)
        own = (entry.id,)
        content = (
            "# hardentui: " + entry.id,
            "[Service]",
            *(f"{name}={value}" for name, value in lines(chosen)),
        )
        return (
            WriteFile(
                owners=own,
                can_lock_out=guarded,
                path=unit_files.dropin(unit),
                parts=(Lines(owner=entry.id, lines=content),),
                before=text_fact(facts, "file"),
            ),
            ReloadManager(owners=own),
            RestartUnit(owners=own, can_lock_out=guarded, unit=unit),
        )


def is_way_in(unit: str) -> bool:
    """Whether those who administer the host from afar come in through this service."""
    return _WAY_IN.fullmatch(unit) is not None


def _listed(chosen: Choice) -> tuple[str, ...]:
    return tuple(write(chosen).splitlines())


def after_restart(snapshot: Snapshot, unit: str) -> dict[Question[Any], Any]:
    """What the manager says of a service once it was restarted under our drop-in as it stands."""
    known = snapshot.ask(SandboxSettings())
    if isinstance(known, Unread):
        return {}
    chosen = ours(snapshot, unit)
    sets = calls(snapshot)
    changed = tuple(
        dataclasses.replace(one, settings=settled(one.settings, lines(chosen), sets))
        if one.unit == unit
        else one
        for one in known
    )
    return {SandboxSettings(): changed}


def ours(snapshot: Snapshot, unit: str) -> Choice:
    """What our drop-in of a service sets today."""
    text = snapshot.ask(File(unit_files.dropin(unit)))
    return {} if isinstance(text, Unread) else read_dropin(unit_files.assignments(text))


def after(snapshot: Snapshot, seen: Evidence, chosen: Choice) -> int:
    """The exposure, in tenths, that a service would have with these directives in our drop-in."""
    sets = calls(snapshot)
    lost = [name for name in ours(snapshot, seen.unit) if name not in chosen]
    base = {**seen.settings, **_without_ours(snapshot, seen.unit, lost)} if lost else seen.settings
    return exposure(settled(base, lines(chosen), sets), sets)


def _without_ours(snapshot: Snapshot, unit: str, names: list[str]) -> Settings:
    """What these directives would be again without our drop-in: what the other files say."""
    files = unit_files.read(snapshot, unit)
    if isinstance(files, Gap):
        return {name: DEFAULTS[name] for name in names if name in DEFAULTS}
    own = list(lines(ours(snapshot, unit)))
    others = list(files.lines)
    for line in own:
        if line in others:
            others.reverse()
            others.remove(line)
            others.reverse()
    made = settled(DEFAULTS, others, calls(snapshot))
    return {name: made[name] for name in names if name in made}


def _all(snapshot: Snapshot) -> Observation:
    """The exposure of each service that runs; for an image nothing is asked: its services are many."""
    known = snapshot.derive(services)
    if not snapshot.live:
        return Observation(None, seen_at=snapshot.taken_at)
    if isinstance(known, Unread):
        return Observation(nothing(known, "systemctl show"), seen_at=snapshot.taken_at)
    sets = calls(snapshot)
    running = sorted(unit for unit in known if _runs(snapshot, known, unit))
    values = {unit: shown(exposure(known[unit], sets)) for unit in running}
    return Observation(
        Reading(values, provenance=(Provenance("systemctl show *.service"),)), seen_at=snapshot.taken_at
    )


def _runs(snapshot: Snapshot, known: Mapping[str, Settings], unit: str) -> bool:
    """Whether something of a service runs: a task that did its work at the start stays "active" for ever."""
    processes = snapshot.ask(Confinement())
    if isinstance(processes, Unread):
        return known[unit].get("ActiveState") == "active" and known[unit].get("Type") != "oneshot"
    return any(one.unit == unit for one in processes)


def _running(snapshot: Snapshot, unit: str) -> Reading:
    known = snapshot.derive(services)
    place = f"systemctl show {unit}"
    if isinstance(known, Unread):
        return nothing(known, place)
    if unit not in known:
        return Reading(gap=Gap(GapKind.ABSENT, unit))
    return Reading({"": shown(exposure(known[unit], calls(snapshot)))}, provenance=(Provenance(place),))


def _at_boot(snapshot: Snapshot, unit: str) -> Reading:
    files = unit_files.read(snapshot, unit)
    if isinstance(files, Gap):
        return Reading(gap=files)
    sets = calls(snapshot)
    made = settled(DEFAULTS, files.lines, sets)
    places = tuple(Provenance(path, Role.READ) for path in files.files)
    return Reading({"": shown(exposure(made, sets))}, provenance=places)


__all__ = ["SAFE", "Sandbox", "after", "after_restart", "is_way_in", "ours", "services"]
