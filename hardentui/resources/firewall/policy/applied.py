"""The policy on a host: the one that is loaded, the one that a boot loads, and the steps to another."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hardentui.i18n import _
from hardentui.model import (
    PROPOSED,
    Fact,
    Gap,
    GapKind,
    Observation,
    Provenance,
    Reading,
    Recommendation,
)
from hardentui.operations import (
    Change,
    EnableUnit,
    Lines,
    LoadFirewall,
    Refusal,
    ReloadManager,
    WriteFile,
)
from hardentui.resources.base import digest, list_fact, nothing, text_fact
from hardentui.resources.connections import Contact, contacts
from hardentui.resources.firewall import boot, loaded
from hardentui.resources.firewall.policy import (
    Permit,
    Policy,
    firewalld,
    lockout,
    nftables,
    parse,
    place,
    ufw,
    write,
)
from hardentui.resources.firewall.policy.cut import unsaid
from hardentui.resources.firewall.policy.holder import Holder
from hardentui.resources.sockets import scope_of
from hardentui.snapshot import NOT_INSTALLED, File, Output, Question, Reason, Snapshot, Sockets, Stat, Unread

_SHOWN = 4  # connections that are named
_EPHEMERAL = 32768  # UDP sockets from here on up are mostly clients that wait for an answer
_CLIENTS = frozenset({68, 546})  # DHCP: its answers pass as such
_NO_NAME = re.compile(r"[^a-z0-9.-]+")
# Who but nftables may hold the firewall, and brings a policy in as files of its own.
HOLDERS: Mapping[str, Holder] = {one.name: one for one in (ufw.HOLDER, firewalld.HOLDER)}
_TABLE = f"nft list table {nftables.FAMILY} {nftables.TABLE}"


def observe(snapshot: Snapshot, holder: str) -> Observation:
    """The policy now and after a boot; ``holder`` is who else holds the firewall ("none", "" if unknown)."""
    then = place.at_boot(snapshot)
    now = _table(snapshot) if snapshot.live else None
    facts: dict[str, Fact] = {
        "holder": holder,
        "nft": "absent" if isinstance(snapshot.ask(Stat(place.NFT)), Unread) else "present",
        "file": digest(snapshot, place.FILE),
        "unit": digest(snapshot, place.UNIT_FILE),
        "loaded": now.digest if isinstance(now, nftables.Table) else "absent",
        PROPOSED: _proposed(snapshot),
        "sshd": tuple(one.place for one in lockout.known(lockout.entrances(snapshot))),
        "connected": _connected(snapshot),
    }
    if holder in HOLDERS:
        facts |= HOLDERS[holder].facts(snapshot)
    running = _running(now, then) if snapshot.live else None
    return Observation(running, (_boot(then),), facts, snapshot.taken_at)


def change(entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
    """The steps to the policy ``target``, by who holds the firewall of the host."""
    text = "\n".join(map(str, list_fact(facts, PROPOSED))) if target == PROPOSED else target
    if not text:
        return Refusal(_("what listens is not known here: write the policy yourself"))
    try:
        policy = parse(text)
    except ValueError as error:
        return Refusal(_("the policy cannot be read: {error}").format(error=error))
    refused = _shutting(policy, list_fact(facts, "sshd")) or _cutting(policy, list_fact(facts, "connected"))
    if refused:
        return refused
    holder = text_fact(facts, "holder")
    if holder in HOLDERS:
        return HOLDERS[holder].steps(entry, facts, policy)
    if not holder:
        return Refusal(_("who holds the firewall of this host could not be read"))
    if holder != "none":
        return Refusal(
            _(
                "{holder} holds the firewall here, and a packet must pass both: "
                "write the policy as its rules, or take them out of service first"
            ).format(holder=holder)
        )
    if text_fact(facts, "nft") != "present":
        return Refusal(_("{path} is not there: install the package nftables first").format(path=place.NFT))
    return _steps(entry, facts, policy)


def _connected(snapshot: Snapshot) -> tuple[str, ...]:
    """Who is connected now; nobody where that cannot be seen."""
    found = contacts(snapshot)
    return () if isinstance(found, Gap) else tuple(sorted({str(one) for one in found}))


def _shutting(policy: Policy, listed: tuple[Fact, ...]) -> Refusal | None:
    """Why a policy is not loaded that lets nobody in to sshd, while nobody said that this is meant."""
    try:
        listening = [lockout.Entrance.parse(str(place)) for place in listed]
    except ValueError as error:
        return Refusal(str(error))
    found = lockout.shut(policy, listening)
    if not found:
        return None
    return Refusal(
        _("{what}; permit it (in tcp {port} from PEERS NAME), or say why: cut {first}: REASON").format(
            what=lockout.sentence(found[0]), port=found[0].port, first=found[0]
        )
    )


def _cutting(policy: Policy, connected: tuple[Fact, ...]) -> Refusal | None:
    """Why a policy is not loaded that would cut what was open when it was decided, and nobody said so."""
    try:
        found = unsaid(policy, [Contact.parse(str(text)) for text in connected])
    except ValueError as error:
        return Refusal(str(error))
    if not found:
        return None
    shown = ", ".join(map(str, found[:_SHOWN])) + (" ..." if len(found) > _SHOWN else "")
    return Refusal(
        _(
            "it would cut connections that are open: {found}; permit them, or say why they may end: "
            "cut {first}: REASON"
        ).format(found=shown, first=found[0])
    )


def _steps(entry: Recommendation, facts: Mapping[str, Fact], policy: Policy) -> Change:
    own = (entry.id,)

    def file(path: str, lines: tuple[str, ...], fact: str) -> WriteFile:
        parts = (Lines(owner=entry.id, lines=lines),)
        return WriteFile(owners=own, can_lock_out=True, path=path, parts=parts, before=text_fact(facts, fact))

    return (
        file(place.FILE, nftables.render(policy), "file"),
        file(place.UNIT_FILE, place.UNIT_LINES, "unit"),
        ReloadManager(owners=own),
        LoadFirewall(
            owners=own,
            can_lock_out=True,
            path=place.FILE,
            before=text_fact(facts, "loaded"),
            after=nftables.digest(policy),
        ),
        EnableUnit(owners=own, can_lock_out=True, unit=place.UNIT, start=True),
    )


def after_load(snapshot: Snapshot, path: str) -> dict[Question[Any], Any]:
    """What nft would show once the file of a policy was loaded: for a rehearsal."""
    text, known = snapshot.ask(File(path)), _objects(snapshot)
    if isinstance(text, Unread) or isinstance(known, Unread):
        return {}
    others = [one for one in known if not nftables.is_ours(one)]
    objects = [*others, *nftables.show(nftables.read(text))]
    return {loaded.NFT: Output(json.dumps({"nftables": objects}))}


def shut_out(snapshot: Snapshot, entry: Recommendation) -> str | None:  # noqa: ARG001 - a probe of hazards
    """The rules that shut something out, and go when a holder of the firewall takes a policy in."""
    then = boot.holders(snapshot)
    names = () if isinstance(then, Gap) else tuple(one.name for one in then)
    found = [rule for name in names if name in HOLDERS for rule in HOLDERS[name].shut_out(snapshot)]
    if not found:
        return None
    shown = ", ".join(found[:_SHOWN]) + (" ..." if len(found) > _SHOWN else "")
    return _(
        "rules that shut something out go with all others, {count} here ({rules}): "
        "what a line permits from any comes in from there, too"
    ).format(count=len(found), rules=shown)


def on_one_line(policy: Policy) -> str:
    """A policy as the value of a finding; why something is cut is no part of what is loaded."""
    return "; ".join(write(replace(policy, cuts=())).split("\n"))


# --- looking ----------------------------------------------------------------------------------------------


def _objects(snapshot: Snapshot) -> list[Any] | Unread:
    output = snapshot.ask(loaded.NFT)
    if isinstance(output, Unread):
        return output
    try:
        return list(json.loads(output.stdout)["nftables"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return Unread(Reason.FAILED, f"nft: {error!r}")


def _table(snapshot: Snapshot) -> nftables.Table | Unread | None:
    objects = _objects(snapshot)
    if isinstance(objects, Unread):
        return objects
    try:
        return nftables.loaded(objects)
    except ValueError as error:
        return Unread(Reason.FAILED, str(error))


def _running(now: nftables.Table | Unread | None, then: Policy | Gap | None) -> Reading:
    where = (Provenance(_TABLE),)
    if isinstance(now, Unread):
        if now.detail.endswith(NOT_INSTALLED):  # no nft: nobody can have loaded it
            return Reading({"": "none"}, provenance=where)
        return nothing(now, _TABLE)
    if now is None:
        return Reading({"": "none"}, provenance=where)
    values = {"": on_one_line(now.policy)}
    if now.foreign:
        why = _("somebody changed the loaded table: {what}").format(what="; ".join(now.foreign))
        return Reading(values, Gap(GapKind.UNTOLD, why), where)
    if isinstance(then, Policy) and now.digest != nftables.digest(then):
        return Reading(values, Gap(GapKind.STALE, place.FILE), where)
    return Reading(values, provenance=where)


def _boot(then: Policy | Gap | None) -> Reading:
    where = (Provenance(place.FILE), Provenance(place.UNIT_FILE))
    if isinstance(then, Gap):
        return Reading(gap=then, provenance=where)
    if then is None:
        return Reading({"": "none"}, provenance=(Provenance(_("no enabled unit loads a policy")),))
    return Reading({"": on_one_line(then)}, provenance=where)


def _proposed(snapshot: Snapshot) -> tuple[str, ...]:
    """What keeps everything that listens today reachable, and closes the rest: a beginning to cut down."""
    sockets = snapshot.ask(Sockets())
    if isinstance(sockets, Unread):
        return ()
    ports: dict[tuple[str, str], set[int]] = {}
    for socket in sockets:
        protocol = socket.protocol.removesuffix("6")
        if protocol not in {"tcp", "udp"} or scope_of(socket.address) == "loopback":
            continue
        if protocol == "udp" and (socket.port >= _EPHEMERAL or socket.port in _CLIENTS):
            continue
        name = _NO_NAME.sub("-", socket.process.lower()).strip("-.")[:50] or "unknown"
        ports.setdefault((protocol, f"host.{name}"), set()).add(socket.port)
    permits = tuple(
        Permit("in", "tcp" if protocol == "tcp" else "udp", tuple((p, p) for p in sorted(numbers)), (), name)
        for (protocol, name), numbers in ports.items()
    )
    return tuple(write(Policy("accept", permits)).split("\n"))
