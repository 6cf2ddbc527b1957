"""Ports of services that lie in the range from which the kernel picks ports for outgoing connections."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from hardentui.comparison import Comparison, Operator
from hardentui.i18n import _
from hardentui.model import Fact, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources import sysctl
from hardentui.resources.base import nothing, text_fact
from hardentui.snapshot import KernelFile, Snapshot, Sockets, Unread

KEY = "net.ipv4.ip_local_reserved_ports"
_RESERVED = "/proc/sys/net/ipv4/ip_local_reserved_ports"
_NUMBER = re.compile(r"[0-9]{1,5}")
_LAST = 65535
_WIDENED = (32768, 65535)  # the range that the course asks for; the default one lies within it


class Ports:
    """The resource "ports": the value is the listening ports that are not reserved, or "none"."""

    name = "ports"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return None if subject == KEY and not aspect else f"expected {KEY} and no aspect, found {subject!r}"

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        seen = sysctl.observe_key(snapshot, dataclasses.replace(entry, default=" "))
        if seen.running is None or seen.running.gap is not None:
            return Observation(seen.running, seen_at=seen.seen_at)
        listening = snapshot.ask(Sockets())
        if isinstance(listening, Unread):
            return Observation(nothing(listening, _("listening sockets")), seen_at=seen.seen_at)
        low, high = _WIDENED
        services = sorted({s.port for s in listening if s.protocol != "unix" and low <= s.port <= high})
        reserved = snapshot.ask(KernelFile(_RESERVED))
        now = "" if isinstance(reserved, Unread) else reserved
        names = Provenance(_("listening sockets"), text=", ".join(map(str, services)))
        running = Reading({"": _lacking(services, now)}, provenance=(*seen.running.provenance, names))
        boots = tuple(
            dataclasses.replace(boot, values={"": _lacking(services, boot.values.get("", ""))})
            for boot in seen.boot
        )
        wanted = _compact(_ports(now) | set(services))
        return Observation(running, boots, {**seen.facts, "wanted": wanted, "seen": ()}, seen.seen_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        wanted = text_fact(facts, "wanted")
        if not wanted:
            return Refusal(_("no service listens in the range"))
        if _compact(_ports(wanted)) != wanted:
            return Refusal(_("this is no list of ports: {text}").format(text=wanted))
        plain = dataclasses.replace(entry, accept=Comparison(Operator.EQUAL, (wanted,)))
        return sysctl.change_keys(plain, facts, wanted)


def _lacking(services: list[int], reserved: str) -> str:
    known = _ports(reserved)
    return ",".join(str(port) for port in services if port not in known) or "none"


def _ports(text: str) -> set[int]:
    found: set[int] = set()
    for word in filter(None, text.strip().split(",")):
        low, _dash, high = word.partition("-")
        if _NUMBER.fullmatch(low) and _NUMBER.fullmatch(high or low):
            found |= set(range(int(low), min(int(high or low), _LAST) + 1))
    return found


def _compact(ports: set[int]) -> str:
    """A list of ports as the kernel prints it: ranges as LOW-HIGH."""
    ranges: list[list[int]] = []
    for port in sorted(ports):
        if ranges and port == ranges[-1][1] + 1:
            ranges[-1][1] = port
        else:
            ranges.append([port, port])
    return ",".join(f"{low}-{high}" if low != high else str(low) for low, high in ranges)
